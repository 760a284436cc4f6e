"""Keep fetched files in a cache, each after a line of JSON with its URL, its digest and its validators."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from vomap.files import FileError
from vomap.files.cache import CacheFolder
from vomap.web.download import FetchError, Validators

if TYPE_CHECKING:
    from pathlib import Path

_ANOTHER = "name another folder with --cache"


class WebCache:
    """A folder of fetched files."""

    def __init__(self, folder: Path) -> None:
        """Take the folder, which need not exist."""
        self._folder = folder
        self._files = CacheFolder(folder, ".fetched")

    def find(self, url: str) -> tuple[Validators, bytes] | None:
        """Return the validators and the content of a URL, or None if there are none or if the file is damaged.

        A file that another version of vomap wrote counts as damaged. Raises FetchError.
        """
        try:
            line, _, content = self._files.read(url).partition(b"\n")
        except FileError as error:
            raise FetchError(f"{error}; {_ANOTHER}") from None
        try:
            head = json.loads(line)
            is_whole = (head["url"], head["sha256"]) == (url, hashlib.sha256(content).hexdigest())
            return (Validators(**head["validators"]), content) if is_whole else None
        except (ValueError, KeyError, TypeError):
            return None

    def save(self, url: str, validators: Validators, content: bytes) -> None:
        """Replace the cached file of a URL. Raises FetchError."""
        head = {"url": url, "sha256": hashlib.sha256(content).hexdigest(), "validators": asdict(validators)}
        try:
            self._files.write(url, json.dumps(head).encode() + b"\n" + content)
        except FileError as error:
            raise FetchError(f"{self._folder}: vomap cannot write its cache: {error}; {_ANOTHER}") from None
