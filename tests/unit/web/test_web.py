"""The URLs that vomap fetches, its cache, and what it trusts of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from unit.web.server import WebServer, serving, without_variables
from vomap.web import UrlError, Web, can_be_changed_on_the_way, default_cache, is_url
from vomap.web.download import FetchError
from vomap.web.hosting import file_behind


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run without what the environment says."""
    without_variables(monkeypatch)


@pytest.fixture
def server() -> Iterator[WebServer]:
    """Return a server without TLS."""
    with serving() as running:
        yield running


@pytest.fixture
def web(tmp_path: Path) -> Web:
    """Return a web with a cache of its own."""
    return Web(cache=tmp_path / "a" / "cache")


@pytest.mark.parametrize(
    ("page", "file"),
    [
        ("https://github.com/ORG/REPO", "https://github.com/ORG/REPO/archive/HEAD.tar.gz"),
        ("http://www.github.com/ORG/REPO.git/", "https://github.com/ORG/REPO/archive/HEAD.tar.gz"),
        ("https://GitHub.com/ORG/REPO/tree/main", "https://github.com/ORG/REPO/archive/main.tar.gz"),
        ("https://github.com/ORG/REPO/tree/main/a/b", "https://github.com/ORG/REPO/archive/main.tar.gz"),
        ("https://github.com/ORG/REPO/commit/5270db32f", "https://github.com/ORG/REPO/archive/5270db32f.tar.gz"),
        ("https://github.com/ORG/REPO/blob/main/a/B.yaml", "https://raw.githubusercontent.com/ORG/REPO/main/a/B.yaml"),
        ("https://github.com/ORG/REPO/pulls", "https://github.com/ORG/REPO/archive/HEAD.tar.gz"),
        ("https://github.com/ORG", "https://github.com/ORG/REPO/archive/HEAD.tar.gz"),
        ("https://gitlab.com/G/P", "https://gitlab.com/G/P/-/archive/HEAD/P-HEAD.tar.gz"),
        ("https://gitlab.com/G/S/P.git", "https://gitlab.com/G/S/P/-/archive/HEAD/P-HEAD.tar.gz"),
        ("https://git.example.org/G/P/-/tree/main/a", "https://git.example.org/G/P/-/archive/main/P-main.tar.gz"),
        ("https://git.example.org/G/P/-/blob/main/a.yaml", "https://git.example.org/G/P/-/raw/main/a.yaml"),
    ],
)
def test_a_page_that_shows_files_is_none(web: Web, page: str, file: str) -> None:
    """A page of a code-hosting site is refused as usage, with the URL to use, which is not a page."""
    with pytest.raises(UrlError, match="is a page, not a tarball or a VO file; use ") as caught:
        web.fetch(page)
    assert str(caught.value).endswith(f" use {file}")
    assert caught.value.exit_code == 2
    assert file_behind(file) is None


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/ORG/REPO/archive/refs/heads/master.tar.gz",
        "https://github.com/ORG/REPO/releases/download/v1/a.tar.gz",
        "https://github.com/ORG/REPO/raw/main/A.yaml",
        "https://codeload.github.com/ORG/REPO/tar.gz/HEAD",
        "https://raw.githubusercontent.com/ORG/REPO/main/A.yaml",
        "https://gitlab.com/G/P/-/raw/main/A.yaml",
        "https://example.org/tree/blob/a.tar.gz",
        "https://example.org",
    ],
)
def test_what_may_be_a_file_is_asked_for(url: str) -> None:
    """A URL of another site is not guessed."""
    assert file_behind(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/a",
        "file:///etc/passwd",
        "git://example.org/a",
        "http://",
        "https:///a",
        "http://[::1/a",
        "http://example.org:99999/a",
        "https://example.org/ä",
        "https://example.org/a b",
        "https://example.org/\x1b[2J",
        "https://me:secret@example.org/a",
        "https://me@example.org/a",
        "https://@example.org/a",
        "https://example.org\\@evil.example/a",
        "https://example.org/a\\b",
        f"https://example.org/{'x' * 3000}",
    ],
)
def test_what_is_no_url_to_fetch_from_is_usage(web: Web, url: str) -> None:
    """Only http and https, in plain characters, and without a secret. The message is plain and contains no secret."""
    assert is_url(url)
    with pytest.raises(UrlError) as caught:
        web.fetch(url)
    assert str(caught.value).isprintable()
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("path", ["a", "/a/b", "a:b", "./http", "C:/a", "-"])
def test_a_path_is_no_url(path: str) -> None:
    """A path stays a path."""
    assert not is_url(path)
    assert not can_be_changed_on_the_way(path)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://example.org/a", False),
        ("http://example.org/a", True),
        ("HTTP://example.org/a", True),
        ("http://localhost:80/a", False),
        ("http://127.0.0.1/a", False),
        ("http://[::1]/a", False),
        ("http://localhost.example.org/a", True),
        ("http://10.0.0.1/a", True),
    ],
)
def test_who_can_change_a_file_on_the_way(url: str, expected: bool) -> None:
    """Without TLS an attacker in the network can, but not on this machine."""
    assert can_be_changed_on_the_way(url) is expected


def test_what_is_kept_is_not_fetched_again(server: WebServer, web: Web) -> None:
    """A file that was read is kept, and comes again when it changes."""
    url = server.put("/a", b"old", headers={"ETag": '"1"'})
    web.fetch(url).save()
    again = web.fetch(url)
    assert (again.content, again.is_unchanged) == (b"old", True)
    assert server.bytes_sent == 3
    server.put("/a", b"new", headers={"ETag": '"2"'})
    changed = web.fetch(url)
    changed.save()
    assert (changed.content, changed.is_unchanged) == (b"new", False)
    assert web.fetch(url).is_unchanged


def test_what_was_not_read_is_not_kept(server: WebServer, web: Web) -> None:
    """Half a file under the name of the whole would stay: a file that is not saved is fetched again."""
    url = server.put("/a", b"half", headers={"ETag": '"1"'})
    assert not web.fetch(url).is_unchanged
    assert not web.fetch(url).is_unchanged


@pytest.mark.parametrize("content", [b"", b"\n", b"{}\nx", b"[]\nold", b"\xff\nold", b'{"url": 1}', None])
def test_a_damaged_file_of_the_cache_is_fetched_again(server: WebServer, web: Web, content: bytes | None) -> None:
    """A cached file counts only if it is whole, to the byte."""
    url = server.put("/a", b"new", headers={"ETag": '"1"'})
    web.fetch(url).save()
    (kept,) = (web.cache or Path()).iterdir()
    kept.write_bytes(kept.read_bytes()[:-1] + b"?" if content is None else content)
    fetched = web.fetch(url)
    assert (fetched.content, fetched.is_unchanged) == (b"new", False)


def test_files_of_two_urls_are_kept_apart(server: WebServer, web: Web) -> None:
    """A kept file under another URL's name is none."""
    urls = [server.put(path, path.encode(), headers={"ETag": '"1"'}) for path in ("/a", "/b")]
    for url in urls:
        web.fetch(url).save()
    one, other = (web.cache or Path()).iterdir()
    other.write_bytes(one.read_bytes())
    assert [web.fetch(url).content for url in urls] == [b"/a", b"/b"]


def test_what_others_could_have_written_is_not_trusted(server: WebServer, web: Web) -> None:
    """The cache decides as much as the source: its folder is ours alone, and one that is not is refused."""
    url = server.put("/a", b"x", headers={"ETag": '"1"'})
    web.fetch(url).save()
    folder = web.cache or Path()
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o777)
    with pytest.raises(FetchError, match=r"other users can write the folder .*; name another folder with --cache"):
        web.fetch(url)


def test_a_cache_that_cannot_be_is_an_error(server: WebServer, tmp_path: Path) -> None:
    """A file in place of the folder is an error that says what to do."""
    (tmp_path / "file").touch()
    fetched = Web(cache=tmp_path / "file").fetch(server.put("/a"))
    with pytest.raises(FetchError, match=r"cannot write its cache: .*; name another folder with --cache"):
        fetched.save()


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """XDG_CACHE_HOME, if it is a whole path, else .cache at home. Without a home, --cache is needed."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache() == tmp_path / "vomap"
    monkeypatch.setenv("HOME", "/home/me")
    for text in ("relative", ""):
        monkeypatch.setenv("XDG_CACHE_HOME", text)
        assert default_cache() == Path("/home/me/.cache/vomap")
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(Path, "home", _no_home)
    with pytest.raises(FetchError, match="--cache"):
        default_cache()


def _no_home() -> Path:
    raise RuntimeError
