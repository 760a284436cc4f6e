"""What was fetched before, a file for each URL: a line of JSON that says what it is, and the content."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from vomap import Error
from vomap.files.atomic import read_trusted, replace_file
from vomap.web.download import FetchError, Validators

_OURS_ALONE = 0o700
_ANOTHER = "name another folder with --cache"


@dataclass(frozen=True)
class Kept:
    """What a URL gave, and what is asked whether it still does."""

    validators: Validators
    content: bytes


class Cache:
    """A folder of answers. Nobody but root and ourselves may write to it: it decides as much as the source does."""

    def __init__(self, folder: Path) -> None:
        """Take the folder; it need not be there."""
        self._folder = folder

    def find(self, url: str) -> Kept | None:
        """Return what is kept of a URL; None if there is nothing, or nothing whole. Raises FetchError."""
        path = self._path(url)
        try:
            content = read_trusted(str(path)) if path.exists() else b""
        except (Error, OSError) as error:
            raise FetchError(f"{error}; {_ANOTHER}") from None
        return _read(url, content)

    def keep(self, url: str, validators: Validators, content: bytes) -> None:
        """Keep what a URL gave, in the place of what it gave before. Raises FetchError."""
        head = {"url": url, "sha256": hashlib.sha256(content).hexdigest(), "validators": asdict(validators)}
        try:
            self._folder.mkdir(mode=_OURS_ALONE, parents=True, exist_ok=True)
            replace_file(str(self._path(url)), json.dumps(head).encode() + b"\n" + content, 0o600)
        except (Error, OSError) as error:
            raise FetchError(f"{self._folder}: what was fetched cannot be kept: {error}; {_ANOTHER}") from None

    def _path(self, url: str) -> Path:
        return self._folder / f"{hashlib.sha256(url.encode()).hexdigest()}.fetched"


def _read(url: str, content: bytes) -> Kept | None:
    """Read a kept answer; one that is damaged, or of another vomap's making, is none."""
    line, _, body = content.partition(b"\n")
    try:
        head = json.loads(line)
        is_whole = (head["url"], head["sha256"]) == (url, hashlib.sha256(body).hexdigest())
        validators = Validators(**head["validators"])
    except (ValueError, KeyError, TypeError):
        return None
    return Kept(validators, body) if is_whole else None
