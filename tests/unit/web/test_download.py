"""A file from the web: only whole, only from where it may come from, in bounded time, and not twice for nothing."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from unit.web.server import AUTHORITY, WebServer, serving, without_variables
from vomap.web.download import FetchError, HttpResponse, Limits, NoFileError, Validators, download

NOW = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)
QUICK = Limits(connect=5, pause=0.3, whole=1, size=1000, redirects=3)


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run without what the environment says."""
    without_variables(monkeypatch)


@pytest.fixture
def server() -> Iterator[WebServer]:
    """Return a server without TLS."""
    with serving() as running:
        yield running


def get(url: str, known: Validators | None = None, *, ca: Path | None = None, **limits: Any) -> HttpResponse:
    """Download within limits that are good for a test."""
    return download(url, replace(Limits(), **limits), ca, known)


def refusal(url: str, **options: Any) -> str:
    """Return why nothing is downloaded."""
    with pytest.raises(FetchError) as caught:
        get(url, **options)
    message = str(caught.value)
    assert message.isprintable()
    assert caught.value.exit_code == 3
    return message


def test_the_content_comes_as_it_is(server: WebServer) -> None:
    """The file arrives with the validators of the next request."""
    url = server.put("/a", b"\x1f\x8bcontent", headers={"ETag": '"1"'})
    assert get(url) == HttpResponse(b"\x1f\x8bcontent", Validators(url, '"1"'))
    ((_, headers),) = server.asked
    assert headers["User-Agent"].startswith("vomap/")
    assert "Authorization" not in headers


@pytest.mark.parametrize("validator", [{"etag": '"1"'}, {"last_modified": "Sat, 21 Nov 2026 12:00:00 GMT"}])
def test_what_is_unchanged_is_not_sent(server: WebServer, validator: dict[str, str]) -> None:
    """A known ETag or time makes the request conditional. Then no content arrives, and the validators stay."""
    named = {"ETag": validator.get("etag"), "Last-Modified": validator.get("last_modified")}
    url = server.put("/a", b"x", headers={name: value for name, value in named.items() if value})
    known = Validators(url, **validator)
    assert get(url, known) == HttpResponse(None, known)
    assert server.bytes_sent == 0
    assert get(url, Validators(url, '"0"')).content == b"x"


@pytest.mark.parametrize(("seconds", "is_known"), [(3600, True), (60, True), (59, False), (0, False), (-60, False)])
def test_a_time_that_may_come_twice_is_not_known(server: WebServer, seconds: int, is_known: bool) -> None:
    """A file that changed less than a minute before the response may change again within the same second."""
    modified = format_datetime(NOW - timedelta(seconds=seconds), usegmt=True)
    url = server.put("/a", headers={"Date": format_datetime(NOW, usegmt=True), "Last-Modified": modified})
    assert get(url).validators == Validators(url, None, modified if is_known else None)


@pytest.mark.parametrize("headers", [{}, {"Last-Modified": "yesterday", "Date": "today"}, {"ETag": "x" * 2000}])
def test_without_a_validator_nothing_is_known(server: WebServer, headers: dict[str, str]) -> None:
    """A file without validators is fetched as a whole."""
    url = server.put("/a", headers=headers)
    assert get(url).validators == Validators(url)


def test_a_validator_goes_to_who_gave_it(server: WebServer) -> None:
    """Behind a redirect, the one that redirects is not asked whether the other's file has changed."""
    server.put("/a", status=302, headers={"Location": "/b", "ETag": '"1"'})
    server.put("/b", b"x", headers={"ETag": '"1"'})
    answer = get(f"{server.url}/a")
    assert answer.validators.url == f"{server.url}/b"
    server.asked.clear()
    assert get(f"{server.url}/a", answer.validators).content is None
    assert [(path, headers["If-None-Match"]) for path, headers in server.asked] == [("/a", None), ("/b", '"1"')]


def test_unchanged_is_no_answer_to_who_knows_nothing(server: WebServer) -> None:
    """A 304 that was not asked for is an error, not an empty file."""
    assert "304 Not Modified" in refusal(server.put("/a", status=304))


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (404, "is not there (404 Not Found); check the URL"),
        (410, "is not there (410 Gone); check the URL"),
        (401, "needs a login"),
        (403, "needs a login"),
        (429, "try again later"),
        (500, "the server cannot send it now (500 Internal Server Error); try again later"),
        (503, "try again later"),
        (599, "cannot send it now (599)"),
        (204, "responds with 204 No Content"),
        (206, "responds with 206 Partial Content"),
        (300, "responds with 300 Multiple Choices"),
        (418, "responds with 418"),
    ],
)
def test_an_answer_without_the_file_is_an_error(server: WebServer, status: int, words: str) -> None:
    """Only 200 brings a file. Any other status is shown with its number and with what to do."""
    url = server.put("/a", b"", status=status)
    assert words in refusal(url)


@pytest.mark.parametrize("other", [{}, {"is_chunked": True}, {"headers": {"Content-Length": "10"}}])
def test_too_large_a_file_is_an_error(server: WebServer, other: dict[str, Any]) -> None:
    """The download counts the bytes, with a length declared or not. It takes no more than a wrong length allows."""
    url = server.put("/a", b"x" * 1_000_000, **other)
    if "headers" in other:
        assert get(url, size=1000).content == b"x" * 10
    else:
        assert "is larger than 1000 bytes" in refusal(url, size=1000)


def test_a_small_file_that_would_unpack_to_a_large_one_stays_small(server: WebServer) -> None:
    """A compressed body stays as the server sends it."""
    url = server.put("/a", b"\x1f\x8bpacked", headers={"Content-Encoding": "gzip"})
    assert get(url).content == b"\x1f\x8bpacked"
    assert server.asked[0][1]["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("other", [{"headers": {"Content-Length": "1000"}}, {"is_chunked": True}])
def test_half_a_file_is_an_error(server: WebServer, other: dict[str, Any]) -> None:
    """A connection that ends before the file does gives no file, whatever the version of the library."""
    url = server.put("/a", b"x" * 500, **other)
    if "is_chunked" in other:
        server.put("/a", headers={"Transfer-Encoding": "chunked", "Content-Length": "1000"}, sent=b"3e8\r\nxxx")
    assert re.search("ended after 500 of 1000 bytes|cannot fetch it", refusal(url))


@pytest.mark.parametrize(
    "reply",
    [
        {"is_silent": True},
        {"body": b"x" * 900, "drips": 0.1},
        {"body": b"x" * 900, "drips": 0.1, "is_chunked": True},
        {"drips_headers": True, "drips": 0.1},
    ],
)
def test_a_slow_server_is_not_waited_for(server: WebServer, reply: dict[str, Any]) -> None:
    """Silence ends after a pause. A byte now and then, also in the headers, ends after the time for the whole."""
    server.put("/a", **reply)
    with pytest.raises(FetchError, match=r"does not respond in time|takes longer than 1 seconds"):
        download(f"{server.url}/a", QUICK, None, None)


def test_nobody_there_is_an_error() -> None:
    """A port without a server is an error of one line."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        assert "cannot fetch it: Connection refused; check" in refusal(f"http://127.0.0.1:{port}/a")


def test_a_server_that_speaks_something_else_is_an_error(server: WebServer) -> None:
    """TLS spoken to a server without is an error in a line."""
    server.put("/a")
    assert "cannot fetch it: " in refusal(server.url.replace("http:", "https:") + "/a", ca=AUTHORITY)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_on_the_same_host_is_followed(server: WebServer, status: int) -> None:
    """Relative or not, another path of the same host may be meant."""
    server.put("/a", status=status, headers={"Location": "b/../b?c=d"})
    server.put("/b?c=d", b"x")
    assert get(f"{server.url}/a").content == b"x"


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("", "not an http or https URL"),
        (None, "not an http or https URL"),
        ("file:///etc/passwd", "not an http or https URL"),
        ("ftp://127.0.0.1/a", "not an http or https URL"),
        ("http://[::1", "not an http or https URL"),
        ("/a\x7fb", "not an http or https URL"),
        ("http://localhost/a", "another host"),
        ("https://localhost/a", "another host"),
        ("/a", "more than 3 redirects"),
    ],
)
def test_a_redirect_that_leads_astray_is_an_error(server: WebServer, location: str | None, words: str) -> None:
    """No other scheme, no other host where there is no TLS, and not round in circles."""
    server.put("/a", status=302, headers={} if location is None else {"Location": location})
    assert words in refusal(f"{server.url}/a", redirects=3)


def test_what_a_redirect_brings_is_not_read(server: WebServer) -> None:
    """Its body could be without an end."""
    server.put("/a", b"x" * 1_000_000, status=302, headers={"Location": "/b"}, drips=1)
    server.put("/b", b"x")
    assert download(f"{server.url}/a", QUICK, None, None).content == b"x"


def test_a_redirect_never_leaves_tls(server: WebServer) -> None:
    """A redirect from https to http is refused, on the same host too. One to another https server is followed."""
    server.put("/a", b"x")
    with serving(tls=True) as secure, serving(tls=True) as other:
        secure.put("/down", status=302, headers={"Location": f"{server.url}/a"})
        assert "without TLS" in refusal(f"{secure.url}/down", ca=AUTHORITY)
        assert server.asked == []
        other.put("/b", b"y")
        secure.put("/over", status=302, headers={"Location": other.url.replace("127.0.0.1", "localhost") + "/b"})
        assert get(f"{secure.url}/over", ca=AUTHORITY).content == b"y"


def test_a_redirect_may_lead_to_tls(server: WebServer) -> None:
    """From http to https on the same host is what many servers do."""
    with serving(tls=True) as secure:
        secure.put("/a", b"x")
        server.put("/a", status=301, headers={"Location": f"{secure.url}/a"})
        assert get(f"{server.url}/a", ca=AUTHORITY).content == b"x"


def test_certificates_are_verified(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An authority counts if it is named, not because a variable names it. The host name must be right too."""
    with serving(tls=True) as secure:
        url = secure.put("/a", b"x")
        assert get(url, ca=AUTHORITY).content == b"x"
        assert "certificate is not trusted" in refusal(url)
        for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
            monkeypatch.setenv(name, str(AUTHORITY))
        assert "certificate is not trusted" in refusal(url)
        (tmp_path / "empty").touch()
        for name in ("empty", "gone"):
            assert f"{name}: is not a readable file of certificates" in refusal(url, ca=tmp_path / name)
        assert len(secure.asked) == 1
    with serving(tls=True, host="127.0.0.2") as elsewhere:
        assert "certificate is not trusted" in refusal(elsewhere.put("/a"), ca=AUTHORITY)


def test_no_password_is_sent(server: WebServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The user's .netrc is for others."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    get(server.put("/a"))
    assert "Authorization" not in server.asked[0][1]


def test_a_proxy_is_asked(server: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxies are what of the environment counts: many sites have no other way out."""
    monkeypatch.setenv("http_proxy", server.url)
    server.put("http://topology.example.org/a", b"x")
    assert get("http://topology.example.org/a").content == b"x"
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server.put("/b", b"y")
    assert get(f"{server.url}/b").content == b"y"


def test_this_machine_is_asked_without_a_proxy(server: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only from this very machine is a file taken without TLS: a proxy elsewhere could answer what it likes."""
    with serving(host="127.0.0.2") as proxy:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        server.put("/a", b"x")
        assert get(f"{server.url}/a").content == b"x"
        assert get(f"{server.url}/a".replace("127.0.0.1", "localhost")).content == b"x"
        assert proxy.asked == []


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ({}, True),
        ({"is_chunked": True}, True),
        ({"is_delimited": False}, False),
        ({"headers": {"Content-Length": "?"}}, False),
    ],
)
def test_what_ends_with_the_connection_may_not_be_whole(
    server: WebServer, other: dict[str, Any], expected: bool
) -> None:
    """Without a length and without chunks, the end looks like a connection that was cut."""
    answer = get(server.put("/a", b"x", **other))
    assert (answer.content, answer.is_delimited) == (b"x", expected)


@pytest.mark.parametrize(
    "location", ["http://127.0.0.1\\@evil.example/a", "/a\\b", "http://me:pw@127.0.0.1/a", "//@127.0.0.1/a"]
)
def test_a_redirect_that_could_be_read_in_two_ways_is_an_error(server: WebServer, location: str) -> None:
    """A backslash and a user's name make one host look like another."""
    server.put("/a", status=302, headers={"Location": location})
    assert "redirects to " in refusal(f"{server.url}/a")


def test_redirects_that_must_stay(server: WebServer) -> None:
    """Where redirects have to stay on the host, another host or port is refused, and another path is not."""
    server.put("/b", b"x")
    for location in ("/b", f"{server.url}/b"):
        server.put("/a", status=302, headers={"Location": location})
        assert get(f"{server.url}/a", stays_on_host=True).content == b"x"
    with serving(tls=True) as secure:
        secure.put("/a", status=302, headers={"Location": "https://localhost/b"})
        assert "redirects to another host" in refusal(f"{secure.url}/a", ca=AUTHORITY, stays_on_host=True)
        secure.put("/a", status=302, headers={"Location": "https://127.0.0.1:1/b"})
        assert "redirects to another host" in refusal(f"{secure.url}/a", ca=AUTHORITY, stays_on_host=True)


def test_an_answer_without_the_file_is_told_from_none(server: WebServer) -> None:
    """A caller with another URL can distinguish a server that responds from one that does not."""
    with pytest.raises(NoFileError):
        get(f"{server.url}/missing")
    server.put("/silent", is_silent=True)
    with pytest.raises(FetchError) as caught:
        get(f"{server.url}/silent", pause=0.2)
    assert not isinstance(caught.value, NoFileError)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("max-age=60", 60),
        ("public, max-age=0, must-revalidate", 0),
        ("MAX-AGE=5", 5),
        ("s-maxage=5", None),
        ("x-max-age=5", None),
        ("max-age=", None),
        ("max-age=-5", None),
        ("max-age=99999999999", None),
        ("no-store", None),
    ],
)
def test_how_long_an_answer_holds(server: WebServer, header: str, seconds: int | None) -> None:
    """RFC 9111 section 5.2.2.1. A value that is not a plain number is ignored."""
    assert get(server.put("/a", b"x", headers={"Cache-Control": header})).max_age == seconds
