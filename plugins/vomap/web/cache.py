"""Keep fetched files in a cache, each after a line of JSON with its URL, its digest and its validators."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from vomap.files import FileError
from vomap.files.cache import CacheFolder
from vomap.web.download import FetchError, Validators

if TYPE_CHECKING:
    from pathlib import Path

_ANOTHER = "name another folder with --cache"


@dataclass(frozen=True)
class CachedFile:
    """The content of a URL, and the validators that ask the server whether it has changed."""

    validators: Validators
    content: bytes


class WebCache:
    """A folder of fetched files."""

    def __init__(self, folder: Path) -> None:
        """Take the folder, which need not exist."""
        self._folder = folder
        self._files = CacheFolder(folder, ".fetched")

    def find(self, url: str) -> CachedFile | None:
        """Return the cached file of a URL, or None if there is none or if it is damaged. Raises FetchError."""
        try:
            return _parse(url, self._files.read(url))
        except FileError as error:
            raise FetchError(f"{error}; {_ANOTHER}") from None

    def save(self, url: str, validators: Validators, content: bytes) -> None:
        """Replace the cached file of a URL. Raises FetchError."""
        head = {"url": url, "sha256": hashlib.sha256(content).hexdigest(), "validators": asdict(validators)}
        try:
            self._files.write(url, json.dumps(head).encode() + b"\n" + content)
        except FileError as error:
            raise FetchError(f"{self._folder}: vomap cannot write its cache: {error}; {_ANOTHER}") from None


def _parse(url: str, content: bytes) -> CachedFile | None:
    """Parse a cached file. Return None for a damaged one, and for one that another version of vomap wrote."""
    line, _, body = content.partition(b"\n")
    try:
        head = json.loads(line)
        is_whole = (head["url"], head["sha256"]) == (url, hashlib.sha256(body).hexdigest())
        validators = Validators(**head["validators"])
    except (ValueError, KeyError, TypeError):
        return None
    return CachedFile(validators, body) if is_whole else None
