"""A topology at a URL is read as one on the disk, and kept only if it could be."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Callable

import pytest

from osg_mapfile import generate
from unit.web.server import WebServer, serving, without_variables
from vomap.osg.files import TopologyError
from vomap.osg.generate import Generation
from vomap.web import Web

WriteTopology = Callable[..., Path]
WriteEntry = Callable[..., str]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[WebServer]:
    """Return a server without TLS, to be asked without what the environment says."""
    without_variables(monkeypatch)
    with serving() as running:
        yield running


@pytest.fixture
def web(tmp_path: Path) -> Web:
    """Return a web with a cache of its own."""
    return Web(cache=tmp_path / "cache")


@pytest.fixture
def packed(write_topology: WriteTopology, entry: WriteEntry) -> bytes:
    """Return the tarball of a topology with one VO."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        archive.add(write_topology(A=entry()), "topology")
    return file.getvalue()


def rules(generated: Generation) -> list[tuple[str, str]]:
    """Return the VO and the account of each rule."""
    return [(rule.vo, rule.account) for rule in generated.mapfile.rules]


def test_a_tarball_at_a_url(server: WebServer, web: Web, packed: bytes, tmp_path: Path) -> None:
    """It gives what the same tarball gives on the disk, whatever its URL is called, and is sent once."""
    (tmp_path / "topology.tar.gz").write_bytes(packed)
    text = generate(str(tmp_path / "topology.tar.gz")).text
    for path in ("/topology.tar.gz", "/tar.gz/HEAD", "/?a=b.yaml"):
        url = server.put(path, packed, headers={"ETag": '"1"'})
        assert generate(url, web=web).text == text
        before = server.bytes_sent
        assert generate(url, web=web).text == text
        assert server.bytes_sent == before


@pytest.mark.parametrize("path", ["/A.yaml", "/x/A.yaml?token=1#x"])
def test_a_vo_file_at_a_url(server: WebServer, web: Web, entry: WriteEntry, path: str) -> None:
    """A URL with the name of a VO file is one. The VO has the name of the file."""
    server.put(path.partition("#")[0], entry().encode())
    assert rules(generate(server.url + path, web=web)) == [("A", "pilot")]


def test_a_vo_file_on_the_disk(write_topology: WriteTopology, entry: WriteEntry, tmp_path: Path) -> None:
    """A single VO file is a source on the disk, too."""
    file = write_topology(A=entry(), B="[") / "virtual-organizations" / "A.yaml"
    assert rules(generate(str(file))) == [("A", "pilot")]
    file.write_bytes(b"#" * 2_000_000)
    with pytest.raises(TopologyError, match=r"A\.yaml: is larger than"):
        generate(str(file))


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/topology.tar.gz", "is not a complete tar or tar.gz"),
        ("/A.yaml", "YAML"),
        ("/a%2FB.yaml", "is not a VO's name"),
        ("/.yaml", "is not a complete tar or tar.gz"),
    ],
)
def test_something_else_at_a_url(server: WebServer, web: Web, path: str, words: str) -> None:
    """Anything else is an error that names it."""
    with pytest.raises(TopologyError, match=words):
        generate(server.put(path, b"{"), web=web)


@pytest.mark.parametrize("path", ["/topology.tar.gz", "/A.yaml"])
def test_a_web_page_is_no_topology(server: WebServer, web: Web, path: str) -> None:
    """Where a page asks for a password, or says that there is nothing, it is called a page."""
    with pytest.raises(TopologyError, match="is a web page; expected a tarball of the topology, or a VO file"):
        generate(server.put(path, b"\n<!DOCTYPE html>"), web=web)


def test_half_a_tarball_is_not_kept(server: WebServer, web: Web, packed: bytes) -> None:
    """Half a tarball under the ETag of the whole is an error now, and no error tomorrow."""
    url = server.put("/t.tar.gz", packed[: len(packed) // 2], headers={"ETag": '"1"'})
    with pytest.raises(TopologyError, match="is not a complete tar"):
        generate(url, web=web)
    server.put("/t.tar.gz", packed, headers={"ETag": '"1"'})
    assert rules(generate(url, web=web)) == [("A", "pilot")]


def test_a_large_vo_file_at_a_url(server: WebServer, web: Web) -> None:
    """A VO file has the same limit wherever it comes from."""
    with pytest.raises(TopologyError, match=r"A\.yaml: is larger than"):
        generate(server.put("/A.yaml", b"#" * 2_000_000), web=web)


def test_a_vo_file_of_an_unknown_length_is_an_error(
    server: WebServer, web: Web, entry: WriteEntry, packed: bytes
) -> None:
    """Half of a VO file can be a VO file with fewer entries. A tarball shows that it is whole."""
    url = server.put("/A.yaml", entry().encode(), is_delimited=False)
    with pytest.raises(TopologyError, match="does not send the length"):
        generate(url, web=web)
    assert generate(server.put("/t.tar.gz", packed, is_delimited=False), web=web).text
