"""Fuzzed published lists through `vomap ban fetch` and `vomap ban list`: no traceback, no hang, and no forged line.

`VOMAP_PROOF=full pytest -s tests/proof/test_fuzzed_ban_lists.py` prints the numbers. Each list comes from a valid one,
by changes of bytes, texts or structure. It also replaces the installed list, as if an attacker had edited the file.
"""

from __future__ import annotations

import codecs
import json
import random
import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from proof.counts import count
from vomap.bans.published import LIMITS
from vomap.cli import ban, make_parser, run
from vomap.store import read_bans
from vomap.web import Web, WebFile
from vomap.web.cache import WebCache
from vomap.web.download import HttpResponse, Validators

URL = "https://bans.example.org/grid.yaml"
OWN = "mapfile: 1\nbans:\n  - {vo: mars, reason: no agreement}\n  - {subject: eve, reason: leaked key}\n"
HEAD = f"# Fetched by `vomap ban fetch`, which writes over what is edited here, from {URL}\n".encode()
OWN_REASONS = ("no agreement", "leaked key")
# This test finds hangs in this way, and no slow machine.
SECONDS = 120
# The beginnings of the lines on the terminal. {} is the folder of the test.
_LINES = (
    r"(?:fetched: |nothing new: |would be fetched: |warning: \d|vomap: |[0-9,]+ bans?$|{}/|fix the other file, then)"
)
_LONGEST_LINE = 60_000
_TEXTS = (
    "", " ", "*", "**", "/**", "<vo>", "<user>", "x\ny", "x\r", "\x1b[2J", "\x9b", "\u202e", "\u2028vomap: x", "\u0085",
    "\ufeff", "\x7f", "`vomap build --rollback`", "$(id)", "'", '"', "\\", "#", "%TAG", "{}", "[", "&a", "*a", "!x",
    "yes", "null", "~", "1", "0x10", "1e9", "-", "?", ":", "|", "é", "\U0001f600", "x" * 1001, "a/" * 600 + "*",
    "https://i.example/", 'https://i.example/"', "http://i.example/", "https://u@i.example/", "https://i.example/,x",
    "2026-12-31", "2026-99-99", "9999-12-31", "0000-01-01", "2026-01-01T00:00:00Z", "1 ban", "vomap: all is well",
)  # fmt: skip
_KEYS = (
    "issuer", "vo", "subject", "group", "first-group", "scope", "claim", "audience", "jti", "client", "reason", "until",
    "bans", "mapfile", "issued", "site", "rules", "<<", "deny", "x\ny", "", "vomap: x",
)  # fmt: skip
_BYTES = (
    b"\0", b"\xff", b"\xc2", b"\x1b", b"\r", b"\n", b"\t", b"\n\n", b"---\n", b"...\n", b"%TAG ! tag:a%0Ab\n",
    b"%YAML 9\n", b"&a ", b"*a", b"!<tag:%0Avomap:%20x> ", b"!!python/object ", b"<<: ", b"? ", b"- ", b"{", b"}",
    b"[", b"]", b"|\n", b">", b"'", b'"', b"\\", b"# ", b": ", b",", b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"\xc2\x85",
    b"\x1f\x8b",
)  # fmt: skip


class ListSource:
    """A seeded source of published lists."""

    def __init__(self, seed: int) -> None:
        """Take the seed."""
        self._random = random.Random(seed)

    def content(self) -> bytes:
        """Return a list that was changed in its bytes or in its structure, or in both."""
        how = self._random.random()
        document = self._document()
        if how < 0.3:
            self._spoil_texts(document["bans"])
        elif how < 0.7:
            document = self._changed(document)
        content = self._text(document).encode("utf-8", "surrogatepass")
        if how > 0.99:
            return self._repeated(content)
        return self._mutated(content) if how > 0.6 else content

    def _document(self) -> dict[str, Any]:
        """Return a valid list, sometimes with wide bans."""
        return {
            "mapfile": 1,
            "issued": f"2026-01-{self._random.randrange(1, 29):02d}T00:00:00Z",
            "bans": [self._ban() for _ in range(self._random.choice((0, 1, 1, 2, 3, 8)))],
        }

    def _ban(self) -> dict[str, Any]:
        word = self._random.choice(("alice", "bob@x", "b2", "https://a.example/s"))
        ban: dict[str, Any] = {
            self._random.choice(("subject", "jti", "client")): self._random.choice((word, [word, "c"]))
        }
        more = {
            "vo": "CMS",
            "issuer": self._random.choice(("https://i.example/", "https://other.example/x")),
            "group": ["/cms/**", "/a"],
            "claim": {"e": "x*"},
            "until": "2099-12-31",
            "scope": "compute.create",
        }
        ban |= {key: more[key] for key in self._random.sample(sorted(more), self._random.choice((0, 0, 1, 2)))}
        return {**ban, "reason": self._random.choice(("leaked key (T-1)", "abuse"))}

    def _spoil_texts(self, bans: list[dict[str, Any]]) -> None:
        """Put a strange text into a value or a reason of each ban, which stays a ban. Some bans become wide."""
        for each in bans:
            key = self._random.choice(("subject", "subject", "reason", "reason", "reason", "issuer", "vo"))
            each[key] = self._random.choice(_TEXTS[1:]) if key == "issuer" else f"a{self._random.choice(_TEXTS)}b"
            for identity in ("subject", "jti", "client") if self._random.random() < 0.2 else ():
                each.pop(identity, None)

    def _text(self, document: object) -> str:
        """Return a document as YAML: one ban a line, as an editor writes it, or in the escapes of JSON."""
        if not isinstance(document, dict) or self._random.random() < 0.3:
            return json.dumps(document, ensure_ascii=self._random.random() < 0.5)
        lines = []
        for key, value in document.items():
            if isinstance(value, list) and value:
                items = "".join(f"  - {json.dumps(item, ensure_ascii=False)}\n" for item in value)
                lines.append(f"{key}:\n{items}")
            else:
                text = value if isinstance(value, str) and re.fullmatch(r"[\w:.-]+", value) else json.dumps(value)
                lines.append(f"{key}: {text}\n")
        return "".join(lines)

    def _changed(self, value: Any) -> Any:
        """Change a document in one place or more."""
        for _ in range(self._random.choice((1, 1, 1, 2, 4))):
            value = self._changed_once(value)
        return value

    def _changed_once(self, value: Any) -> Any:
        if isinstance(value, dict) and value and self._random.random() < 0.9:
            key = self._random.choice(sorted(value))
            how = self._random.random()
            if how < 0.1:
                return {other: each for other, each in value.items() if other != key}
            if how < 0.2:
                return {**value, self._random.choice(_KEYS): self._anything()}
            if how < 0.25:
                return {(self._random.choice(_KEYS) if other == key else other): each for other, each in value.items()}
            return {**value, key: self._changed_once(value[key])}
        if isinstance(value, list) and value and self._random.random() < 0.9:
            at = self._random.randrange(len(value))
            how = self._random.random()
            if how < 0.1:
                return value[:at] + value[at + 1 :]
            if how < 0.2:
                return [*value, self._anything()]
            if how < 0.25:
                return value * self._random.choice((2, 40))
            return [*value[:at], self._changed_once(value[at]), *value[at + 1 :]]
        if isinstance(value, str) and self._random.random() < 0.6:
            at = self._random.randrange(len(value) + 1)
            return value[:at] + self._random.choice(_TEXTS) + value[at:]
        return self._anything()

    def _anything(self) -> Any:
        text = self._random.choice(_TEXTS)
        choices: tuple[Any, ...] = (
            text, text, text, [text], [text, "x"], {text: "x"}, {"x": text}, [], {}, None, True, 0, 1.5, [[text]],
            [{"subject": text, "reason": "r"}], {"subject": "x", "reason": text}, {"reason": text},
        )  # fmt: skip
        return self._random.choice(choices)

    def _mutated(self, content: bytes) -> bytes:
        for _ in range(self._random.choice((1, 1, 2, 8))):
            at = self._random.randrange(len(content) + 1)
            to = at + self._random.randrange(1, 30)
            changes: tuple[Callable[[], bytes], ...] = (
                lambda: content[:at] + bytes([self._random.randrange(256)]) + content[at + 1 :],  # noqa: B023
                lambda: content[:at],  # noqa: B023
                lambda: content[:at] + self._random.choice(_BYTES) + content[at:],  # noqa: B023
                lambda: content[:at] + content[to:],  # noqa: B023
                lambda: content[:to] + content[at:to] * self._random.choice((1, 3)) + content[to:],  # noqa: B023
            )
            content = self._random.choice(changes)()
        return content

    def _repeated(self, content: bytes) -> bytes:
        """Repeat a part of a list, up to some thousand times."""
        at = self._random.randrange(len(content) + 1)
        part = content[at : at + self._random.randrange(1, 60)] or b"["
        number = self._random.choice((50, 500, 2000))
        return (content[:at] + part * number + content[at:])[: LIMITS.size]


class FuzzedSite:
    """A folder of bans with a file of the site's own, and the two verbs, in this process."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        """Build the site's own bans, and a policy that declares one issuer."""
        self.folder, self._capsys = folder / "bans.d", capsys
        self.folder.mkdir()
        self.file = self.folder / "published-bans.example.org.yaml"
        self._policy, self._cache = folder / "policy", WebCache(folder / "cache")
        self._line = re.compile(_LINES.format(re.escape(str(folder))))
        self._content = b""
        # The parser of all verbs would take most of the time.
        self._parser = make_parser({"ban": ban})
        monkeypatch.setattr(Web, "fetch", lambda _, url: self._fetched(url))
        mapfile = folder / "site.yaml"
        mapfile.write_text("mapfile: 1\nsite: {audience: ANY}\nissuers: {https://i.example/: {vo: CMS}}\n", "utf-8")
        (self.folder / "own.yaml").write_text(OWN, "utf-8")
        words = ["--mapfiles", str(mapfile), "--bans", str(self.folder), "--output", str(self._policy)]
        assert run(["build", *words]) == 0

    def _fetched(self, url: str) -> WebFile:
        response = HttpResponse(self._content, Validators(url))
        return WebFile(url, self._content, is_unchanged=False, _response=response, _cache=self._cache)

    def run(self, *words: str) -> tuple[int, list[str]]:
        """Run an action of `vomap ban`. Return the exit code and the lines, which are all vomap's own."""
        self._capsys.readouterr()
        arguments = self._parser.parse_args(["ban", *words, "--bans", str(self.folder), "--policy", str(self._policy)])
        # No error but vomap's own: `vomap.cli.run` would print a mistake in vomap as an error like any other.
        code: int = arguments.run(arguments)
        out, err = self._capsys.readouterr()
        lines = [line for text in (out, err) for line in text.split("\n")[:-1]]
        for line in lines:
            assert self._line.match(line), line
            assert line.isascii(), line
            assert line.isprintable(), line
            assert len(line) < _LONGEST_LINE, len(line)
        return code, lines

    def fetch(self, content: bytes, *words: str) -> int:
        """Fetch a list. Return the exit code."""
        self._content = content
        code, _ = self.run("fetch", URL, *words)
        assert code in (0, 1, 3)
        return code

    def in_force(self) -> list[str]:
        """Return the reasons of the bans in force."""
        return [ban.reason for ban in read_bans(f"{self._policy}.bans").all()]


@pytest.fixture
def site(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[FuzzedSite]:
    """Return a site. A hang ends the test."""

    def fail(*_: object) -> NoReturn:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, fail)
    yield FuzzedSite(tmp_path, capsys, monkeypatch)
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def _try(site: FuzzedSite, content: bytes, *, is_wide: bool) -> str:
    """Fetch a list and list the bans. Then edit the installed list so, and list the bans. Return what happened."""
    site.file.unlink(missing_ok=True)
    code = site.fetch(content, *(["--allow-wide"] if is_wide else []))
    assert code or site.file.exists()
    assert set(OWN_REASONS) <= set(site.in_force())
    if code == 0:
        assert site.run("list")[0] == 0
    # `fetch` leaves out a byte order mark at the beginning.
    site.file.write_bytes(HEAD + content.removeprefix(codecs.BOM_UTF8))
    listed, lines = site.run("list")
    assert listed in (0, 3)
    assert all(any(reason in line for line in lines) for reason in OWN_REASONS)
    # `vomap ban fetch` takes nothing that it cannot read again.
    assert (code, listed) != (0, 3)
    return ("taken", "refused", "", "not valid")[code]


def test_fuzzed_lists(site: FuzzedSite) -> None:
    """No list ends a verb with a traceback, prints a line of its own, or takes a ban of the site with it."""
    number = count(full=100_000, reduced=1_000)
    source, found, slowest = ListSource(14), Counter[str](), 0.0
    begun = time.monotonic()
    for at in range(number):
        content = source.content()
        signal.alarm(SECONDS)
        since = time.monotonic()
        try:
            found[_try(site, content, is_wide=at % 4 == 0)] += 1
        except BaseException as error:
            raise AssertionError(f"list {at}: {type(error).__name__}: {error}: {content[:3000]!r}") from error
        slowest = max(slowest, time.monotonic() - since)
    with_figures = f"{dict(sorted(found.items()))}, slowest {slowest:.2f} s, {time.monotonic() - begun:.0f} s"
    print(f"\nfuzzed lists: {number:,}: {with_figures}")
    # Lists that all fail alike would prove little.
    assert set(found) == {"taken", "refused", "not valid"}
    assert min(found.values()) > number // 50
