"""Judge by owner and mode who, besides root and the user who builds, can have written a mapfile.

Files of root and of the user who builds are trusted. Links and folders of a path are judged as a callout judges those
of its own files (vomap/files/__init__.py), except that a file and its folder may belong to one other user. Such a file
is foreign. It may contain only what vomap/mapfile/foreign.py lists.
"""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from vomap.files.regular import PathStep, ResolvedPath, resolve_folder, resolve_new_file
from vomap.files.shell import join_words

_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH
_ROOT = 0


@dataclass(frozen=True)
class Custody:
    """The users who can have written a file.

    `owner` is the one other user who owns the file, None if root or the builder owns it. `chown` is the command that
    makes a foreign file trusted, for an administrator who trusts its content. `faults` are the reasons to refuse the
    file without regard to its content, each a sentence that ends in a command.
    """

    owner: str | None = None
    chown: str = ""
    faults: tuple[str, ...] = ()

    @property
    def is_ours(self) -> bool:
        """True if only root and the builder can have written it."""
        return self.owner is None and not self.faults


OURS = Custody()


def judge_file(resolved: ResolvedPath, builder: int) -> Custody:
    """Judge the path of a file, for a build by a user, given by uid."""
    own = [step for step in (resolved.end, resolved.end.folder) if step is not None]
    foreign = [step for step in own if step.owner not in (_ROOT, builder)]
    owners = sorted({step.owner for step in foreign})
    chown = _chown(builder, *foreign) if owners else ""
    faults = list(dict.fromkeys(_faults(resolved, builder, own)))
    if len(owners) > 1:
        ours, folders = (_name(step.owner) for step in foreign)
        owned = f"this file belongs to {ours} and its folder to {folders}"
        faults.append(f"{owned}; expected one owner besides root: `{chown}`")
    return Custody(_name(owners[0]) if owners else None, chown, tuple(faults))


def judge_folder(path: str, builder: int) -> tuple[str, ...]:
    """Return why vomap refuses a folder, in which other users can remove files. Raises UnreadableFileError."""
    return tuple(_faults(resolve_folder(path), builder, []))


def judge_new(path: str, builder: int) -> Custody:
    """Judge a new file that will be written to a path, as a file of the owner of its folder, or of an unknown user.

    Raises UnreadableFileError for a link of another user, and for a missing folder.
    """
    resolved = resolve_new_file(path)
    folder = resolved.end
    file = PathStep(os.path.join(folder.path, os.path.basename(path)), builder, stat.S_IFREG | 0o644, resolved.end)
    judged = judge_file(ResolvedPath((*resolved.steps, file), file), builder)
    owner = "another user" if folder.owner == _ROOT else _name(folder.owner)
    return Custody(owner, _chown(_ROOT, file, folder), judged.faults)


def _faults(resolved: ResolvedPath, builder: int, own: list[PathStep]) -> Iterator[str]:
    """Yield the faults of each step. The steps `own` may belong to another user."""
    for step in resolved.steps:
        is_file = step == resolved.end and not stat.S_ISDIR(step.mode)
        what = "this file" if is_file else f"the {'link' if stat.S_ISLNK(step.mode) else 'folder'} {step.path}"
        if _others_may_write(step):
            does = "write" if is_file else "replace files in"
            mode, right = stat.S_IMODE(step.mode), "0755" if stat.S_ISDIR(step.mode) else "0644"
            chmod = f"chmod go-w {join_words([step.path])}"
            yield f"other users can {does} {what} (mode {mode:04o}); expected {right}: `{chmod}`"
        if step.owner in (_ROOT, builder):
            continue
        owner, chown = _name(step.owner), _chown(builder, step)
        expected = " or ".join(dict.fromkeys((_name(_ROOT), _name(builder))))
        if step not in own:
            yield f"{what} belongs to {owner}, who can replace this file; expected {expected}: `{chown}`"
        elif step.folder is not None and step.folder.mode & _OTHERS_MAY_WRITE:
            # The sticky bit protects existing files. It does not keep other users from creating a file first.
            yield (
                f"{what} belongs to {owner} and is in {step.folder.path}, where other users may put files, too; "
                f"expected a file of {expected} there: `{chown}`"
            )


def _others_may_write(step: PathStep) -> bool:
    if stat.S_ISLNK(step.mode):
        # The kernel ignores the mode of a link.
        return False
    sticky = stat.S_ISDIR(step.mode) and step.mode & stat.S_ISVTX
    return bool(step.mode & _OTHERS_MAY_WRITE) and not sticky


def _chown(owner: int, *steps: PathStep) -> str:
    """Return the command that gives files to a user. It changes links themselves, and not their targets."""
    option = "-h " if any(stat.S_ISLNK(step.mode) for step in steps) else ""
    return f"chown {option}{join_words([_word(owner)])} {join_words(step.path for step in steps)}"


def _name(uid: int) -> str:
    """Return the words for a user in a message, such as: the user condor."""
    return _word(uid) if uid == _ROOT else f"the user {_word(uid)}"


def _word(uid: int) -> str:
    """Return the name of a user, or the uid if it has no name."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
