"""What a URL gave, read as a topology: a tarball, or a single VO file."""

from __future__ import annotations

import io
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from vomap.osg.archive import read_packed
from vomap.osg.files import Files, check_contents, is_yaml
from vomap.osg.problems import SourceError


def read_fetched(url: str, content: bytes, *, is_delimited: bool = True) -> Files:
    """Return the files that a URL gave: a VO file if the URL is named so, else a tarball. Raises SourceError.

    A tarball shows by itself whether it is whole. Half a VO file may be one, too: it must be `is_delimited`.
    """
    if content.lstrip()[:1] == b"<":
        raise SourceError([f"{url}: is a web page; expected a tarball of the topology, or a VO file"])
    name = unquote(PurePosixPath(urlsplit(url).path).name)
    if not is_yaml(name):
        return read_packed(url, io.BytesIO(content))
    if not is_delimited:
        raise SourceError([f"{url}: the server does not say how long the VO file is; use the topology's tarball"])
    check_contents(url, {name: content})
    return Files({name: content})
