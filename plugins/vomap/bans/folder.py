"""Change a file in the folder of bans and compile all bans, as one step."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vomap import Error
from vomap.bans.ban_file import NAME, with_ban, without_keys, without_lines
from vomap.compile.check import check_ban_files
from vomap.files.atomic import replace_file
from vomap.files.regular import UnreadableFileError
from vomap.files.signals import defer_signals
from vomap.mapfile.entries import CONDITIONS
from vomap.mapfile.files import Mapfile, read_file, read_files
from vomap.mapfile.findings import MapfileError, Place
from vomap.mapfile.owners import ban_file_refusals, folder_refusals
from vomap.mapfile.times import format_utc
from vomap.store import BANS
from vomap.store.writer import read_compiled, stage_compiled

if TYPE_CHECKING:
    from vomap.policy.documents import BanDocument, BansDocument


class ChangeRefused(Error):
    """vomap changed nothing: the change has no effect, would affect other bans, or brings a list that it refuses."""

    exit_code = 1


class InvalidBan(Error):
    """The ban, or the name or URL of a list, is not valid, or there is no folder of bans."""

    exit_code = 2


@dataclass(frozen=True)
class BanChange:
    """A finished change: the file, the compiled bans and their number, and advice for the administrator.

    `needs_build` is True if the bans of other files could not be compiled, and wait for a build.
    """

    file: str
    built: str
    bans: int
    advice: str = ""
    needs_build: bool = False


class BanFile:
    """One file in the folder of bans, and the path of the compiled bans. The caller must lock that path."""

    def __init__(self, folder: str, built: str, name: str = NAME) -> None:
        """Take the folder, the path of the compiled bans, and the file's name. Raises InvalidBan without the folder."""
        if not Path(folder).is_dir():
            raise InvalidBan(f"ban: {folder}: there is no such folder")
        self._folder = folder
        self._built = built
        self.path = str(Path(folder, name))

    def text(self) -> str | None:
        """Return the text of the file, or None without a file. Raises ChangeRefused if other users can write it."""
        if not os.path.exists(self.path):
            return None
        file = read_file(self.path)
        if refusals := ban_file_refusals(file):
            raise ChangeRefused(f"{MapfileError(refusals)}\nnothing was changed")
        return file.text

    def put(self, text: str) -> BanChange:
        """Write this text to the file and put its bans in force, even if another file of bans has errors.

        Raises ChangeRefused if the text is not a valid file of bans, FileError if a file cannot be written.
        """
        own = self._own(text)
        try:
            document = self._composed(text)
        except (MapfileError, UnreadableFileError) as error:
            return self._put_in_force(text, own, str(error))
        return self._put_in_place(text, document)

    def _own(self, text: str) -> list[BanDocument]:
        """Return the bans that the text contains. Raises ChangeRefused if it has errors."""
        check = check_ban_files([Mapfile(self.path, text)])
        if errors := check.findings.errors:
            raise ChangeRefused(f"{MapfileError(errors)}\nnothing was changed")
        return check.document["bans"]

    def _files(self) -> list[Mapfile]:
        return read_files([self._folder], bans=True)

    def _files_with(self, text: str | None) -> list[Mapfile]:
        others = [each for each in self._files() if each.path != self.path]
        own = [] if text is None else [Mapfile(self.path, text)]
        return sorted([*others, *own], key=lambda each: each.path)

    def _composed(self, text: str | None) -> BansDocument:
        """Return the bans of all files, with this text for this file. Raises MapfileError or UnreadableFileError."""
        check = check_ban_files(self._files_with(text), for_build=True)
        check.findings.extend(folder_refusals([self._folder]))
        check.findings.raise_errors()
        return check.document

    def _put_in_place(self, text: str | None, document: BansDocument, *, advice: str = "") -> BanChange:
        digests = {each.path: each.digest for each in self._files_with(text)}
        return self._write(text, document, digests, advice)

    def _put_in_force(self, text: str, own: list[BanDocument], why: str) -> BanChange:
        """Replace only the bans of this file in the compiled bans, because the folder cannot be compiled."""
        file = Mapfile(self.path, text)
        before = read_compiled(self._built, BANS)
        others = [each for each in before.document["bans"] if not _is_from(file.path, each)]
        # Each ban once. An equal ban of another file stays, whatever happens to this file.
        once = {json.dumps(without_keys(each, "source")): each for each in own}.values()
        sources = {**before.sources, file.path: file.digest}
        return replace(self._write(text, {"bans": [*others, *once]}, sources, why), needs_build=True)

    def _write(self, text: str | None, document: BansDocument, sources: Mapping[str, str], advice: str) -> BanChange:
        """Write or remove the file, and write the compiled bans. On a full disk neither changes. Raises FileError."""
        staged = stage_compiled(self._built, BANS, document, sources=sources, built=format_utc(time.time()))
        try:
            # A ban that is not compiled denies no token, so signals wait until both files are written.
            with defer_signals(f"{self.path} and {self._built} are written, and what they say is in force"):
                if text is None:
                    os.unlink(self.path)
                else:
                    replace_file(self.path, text.encode())
                staged.put_in_place()
        finally:
            staged.discard()
        return BanChange(self.path, self._built, len(document["bans"]), advice)


class LocalBanFile(BanFile):
    """The file of bans that `vomap ban add` and `vomap ban lift` edit, with one ban on each line."""

    def add(self, ban: Mapping[str, Any]) -> BanChange:
        """Add a ban and put it in force, as `put` does."""
        return self.put(with_ban(self.text(), ban))

    def lift(self, ban: Mapping[str, Any]) -> BanChange:
        """Remove the bans of this file that have exactly these conditions.

        Raises ChangeRefused if there is none, or if removing its line would change other bans.
        """
        check = check_ban_files(self._files(), for_build=True)
        check.findings.raise_errors()
        bans = check.document["bans"]
        wanted = conditions_of(read_ban({**ban, "reason": "to be lifted"}))
        found = [each for each in bans if conditions_of(each) == wanted]
        own = [each for each in found if _is_from(self.path, each)]
        by_hand = ", ".join(each["source"] for each in found if each not in own)
        advice = f"not added by `vomap ban add`, so remove it by hand: {by_hand}" if by_hand else ""
        if not own:
            raise ChangeRefused(advice or f"no ban has exactly these conditions{_wider(wanted, bans)}")
        text = without_lines(self.text() or "", {Place.of_source(each["source"]).line for each in own})
        composed = self._composed(text)
        others = [without_keys(each, "source") for each in bans if each not in own]
        if [without_keys(each, "source") for each in composed["bans"]] != others:
            raise ChangeRefused(f"{self.path} was edited by hand, so remove the ban by hand; nothing was changed")
        return self._put_in_place(text, composed, advice=advice)


def read_ban(ban: Mapping[str, Any]) -> BanDocument:
    """Return a ban's document, read as from a file. Raises InvalidBan for an invalid ban."""
    check = check_ban_files([Mapfile("", with_ban(None, ban))])
    if errors := check.findings.errors:
        raise InvalidBan("ban: " + "; ".join(finding.message for finding in errors))
    return check.document["bans"][0]


def conditions_of(ban: Mapping[str, Any]) -> dict[str, Any]:
    """Return only the conditions of a ban."""
    return {key: ban[key] for key in CONDITIONS if key in ban}


def _wider(wanted: dict[str, Any], bans: Iterable[BanDocument]) -> str:
    """Return a hint about bans with more conditions than the wanted ones."""
    more = [each["source"] for each in bans if all(each.get(key) == value for key, value in wanted.items())]
    return f"; bans with further conditions: {', '.join(more)}" if more else ""


def _is_from(path: str, ban: Mapping[str, Any]) -> bool:
    return os.path.abspath(Place.of_source(ban["source"]).file) == os.path.abspath(path)
