"""`vomap status --issuers` fetches the keys of issuers with the limits and checks of `vomap-token`."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from unit.verify.issuer import KEYS, OAUTH, OPENID, REALM, Issuer, issuing, jwk
from unit.web.server import AUTHORITY, without_variables
from vomap.status import GREEN, RED
from vomap.status.checks import issuer_line
from vomap.verify.jwks import fetch_keys
from vomap.verify.keys import KeysError

# Far more than the limit of a fetch: a hang fails, a loaded machine does not.
PATIENCE = 60
METADATA = REALM + OPENID


@pytest.fixture(autouse=True)
def _variables(monkeypatch: pytest.MonkeyPatch) -> None:
    without_variables(monkeypatch)


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[Issuer]:
    """Yield an issuer that publishes one RSA key."""
    with issuing(tmp_path) as running:
        yield running


def _line(issuer: Issuer) -> tuple[str, str]:
    """Return the colour and the text of the issuer's line."""
    line = issuer_line(issuer.url, AUTHORITY)
    assert line.what == issuer.url
    return line.colour, line.text


def _reason(issuer: Issuer) -> str:
    """Return the reason of the issuer's red line."""
    colour, text = _line(issuer)
    assert colour == RED
    before, found, reason = text.partition("vomap cannot fetch its keys: ")
    assert (before, bool(found)) == ("", True)
    return reason.partition("; try `")[0]


def test_keys(issuer: Issuer) -> None:
    """An issuer that publishes usable keys is green. The line has their number."""
    assert _line(issuer) == (GREEN, "publishes 1 key")
    issuer.publish([jwk("RSA"), jwk("P-256", kid="b")])
    assert _line(issuer) == (GREEN, "publishes 2 keys")
    assert [path for path, _ in issuer.server.asked] == [METADATA, KEYS] * 2


def test_metadata_at_the_location_of_rfc_8414(issuer: Issuer) -> None:
    """Metadata may be only where RFC 8414 section 3.1 puts them: the path of the issuer comes last."""
    del issuer.server.replies[METADATA]
    issuer.metadata(OAUTH + REALM)
    assert _line(issuer) == (GREEN, "publishes 1 key")


def test_metadata_of_another_issuer_are_refused(issuer: Issuer) -> None:
    """RFC 8414 section 3.3: an issuer whose metadata name another could sign for that other one."""
    issuer.metadata(issuer=f"{issuer.server.url}/other")
    assert "metadata of another issuer" in _reason(issuer)


def test_rsa_keys_of_1024_bits_are_refused(issuer: Issuer) -> None:
    """RFC 7518 section 3.3 demands 2048 bits. Weaker keys do not count, and alone they are red."""
    issuer.publish([jwk("RSA1024", kid="b")])
    assert "has no key that" in _reason(issuer)
    issuer.publish([jwk("RSA1024", kid="b"), jwk("RSA")])
    assert _line(issuer) == (GREEN, "publishes 1 key")


@pytest.mark.parametrize("path", [METADATA, KEYS])
def test_a_huge_gzip_body_is_not_unpacked(issuer: Issuer, path: str) -> None:
    """A few kilobytes that unpack to many megabytes fill no memory."""
    body = gzip.compress(issuer.server.replies[path].body + b" " * (1 << 26))
    issuer.server.put(path, body, headers={"Content-Encoding": "gzip"})
    assert "JSON" in _reason(issuer)


@pytest.mark.parametrize("path", [METADATA, KEYS])
def test_a_large_body_is_not_read_to_its_end(issuer: Issuer, path: str) -> None:
    """256 KiB are the limit."""
    issuer.server.put(path, issuer.server.replies[path].body + b" " * (1 << 18))
    assert "larger than 262144 bytes" in _reason(issuer)


@pytest.mark.parametrize(
    ("path", "how"),
    [(METADATA, {"drips": 0.05}), (KEYS, {"drips": 0.05, "drips_headers": True}), (KEYS, {"is_silent": True})],
)
def test_a_slow_body_ends(issuer: Issuer, path: str, how: dict[str, Any]) -> None:
    """Vomap gives up an issuer that sends a byte now and then, or nothing: it never reads the body to its end.

    On a loaded machine the time may be over during the connection, which has another reason.
    """
    issuer.server.put(path, b"{" * 10_000, **how)
    begin = time.monotonic()
    assert "JSON" not in _reason(issuer)
    assert time.monotonic() - begin < PATIENCE


@pytest.mark.parametrize("path", [METADATA, KEYS])
def test_deep_json_is_refused(issuer: Issuer, path: str) -> None:
    """Nesting deeper than the interpreter's stack is a red line, not the end of the command."""
    issuer.server.put(path, b"[" * 100_000 + b"]" * 100_000)
    assert "JSON" in _reason(issuer)


def test_netrc_is_not_sent(issuer: Issuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The passwords of the administrator are not for issuers."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n", "utf-8")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert _line(issuer)[0] == GREEN
    assert not [headers for _, headers in issuer.server.asked if "Authorization" in headers]


def test_a_redirect_to_another_host_is_refused(issuer: Issuer) -> None:
    """Only the issuer's own host may say where its metadata are."""
    issuer.server.put(METADATA, status=302, headers={"Location": "https://127.0.0.2/"})
    assert "another host" in _reason(issuer)


def test_an_untrusted_certificate_is_refused(issuer: Issuer) -> None:
    """Without `--ca`, only the system's authorities are trusted."""
    line = issuer_line(issuer.url, None)
    assert line.colour == RED
    assert "certificate is not trusted" in line.text


@pytest.mark.parametrize(
    ("path", "body"),
    [
        *((METADATA, body) for body in (b"<html>", b"[]", b"null", b"{}", b"\xff", b"")),
        *((KEYS, body) for body in (b"", b"[]", b'{"keys": []}', b'{"keys": null}', b'{"keys": "many"}', b"{}")),
        *((KEYS, b'{"keys": %s}' % body) for body in (b"5", b'{"a": 1}', b"[{}]", b'{"keys": [1]}')),
    ],
)
def test_documents_without_keys_are_red(issuer: Issuer, path: str, body: bytes) -> None:
    """Documents of another form, and lists without one usable key, are red."""
    issuer.server.put(path, body)
    assert _reason(issuer)


@pytest.mark.parametrize("url", ["http://127.0.0.1/", 1, None, "https://user:secret@127.0.0.1/"])
def test_keys_at_an_insecure_url_are_red(issuer: Issuer, url: Any) -> None:
    """Keys without TLS could be changed on the way."""
    issuer.metadata(jwks_uri=url)
    assert "jwks_uri" in _reason(issuer)


def test_one_failing_issuer_does_not_hide_the_others(issuer: Issuer) -> None:
    """Each issuer has its line, in the order of the policy, whatever the others do."""
    failing = [
        "https://127.0.0.1:1/",
        "http://127.0.0.1/",
        "https://a..b/",
        f"https://{'a' * 64}.example/",
        "https://[::1/",
        "https://host:99999/",
        "no URL",
        "",
    ]
    issuers = [each for url in failing for each in (url, issuer.url)]
    lines = [issuer_line(each, AUTHORITY) for each in issuers]
    assert [line.what for line in lines] == issuers
    assert [line.colour for line in lines] == [RED, GREEN] * len(failing)


def test_the_reason_is_that_of_verify(issuer: Issuer) -> None:
    """`vomap status` and `vomap-token` give the same reason."""
    issuer.server.put(KEYS, json.dumps({"keys": [{}] * 101}).encode())
    with pytest.raises(KeysError) as caught:
        fetch_keys(issuer.url, AUTHORITY)
    assert _reason(issuer) == str(caught.value)
