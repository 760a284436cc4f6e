"""`vomap ban fetch`: a published list comes into force, gives way to no older one, and outlives every fault."""

from __future__ import annotations

import configparser
import gzip
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.interrupted import SIGNALS, ended, interrupted
from unit.web.server import AUTHORITY, WebServer, serving, without_variables
from vomap import printable
from vomap.cli import ban, make_parser, run
from vomap.cli.arguments import BANS_FOLDER
from vomap.mapfile.times import format_utc
from vomap.store import read_bans

Capture = pytest.CaptureFixture[str]
NAME = "published-127.0.0.1.yaml"
DAY = 86400


def a_list(*subjects: str, days_ago: float = 1, extra: str = "") -> bytes:
    """Return a list that bans subjects."""
    bans = "".join(f"  - {{subject: {subject}, reason: for {subject}}}\n" for subject in subjects)
    issued = format_utc(time.time() - days_ago * DAY)
    return f"mapfile: 1\nissued: {issued}\nbans:{' []' if not bans else ''}\n{bans}{extra}".encode()


class Fetching:
    """A folder of bans, a server, and `vomap ban fetch` between them."""

    def __init__(self, folder: Path, server: WebServer, capsys: Capture) -> None:
        """Start without a ban."""
        self.bans, self.built, self.cache = folder / "bans.d", folder / "policy.bans", folder / "cache"
        self.server, self.capsys = server, capsys
        self.bans.mkdir()
        self.file = self.bans / NAME
        self.url = server.url + "/bans.yaml"

    @property
    def words(self) -> list[str]:
        """The words of the command that say where everything is."""
        policy = str(self.built).removesuffix(".bans")
        return ["--bans", str(self.bans), "--policy", policy, "--cache", str(self.cache), "--ca", str(AUTHORITY)]

    def run(self, *words: str) -> tuple[int, str, str]:
        """Run `vomap ban` and return its exit code and what it printed."""
        self.capsys.readouterr()
        code = run(["ban", *words, *(self.words if words[0] == "fetch" else self.words[:4])])
        return (code, *self.capsys.readouterr())

    def fetch(self, content: bytes, *words: str, **other: Any) -> tuple[int, str, str]:
        """Publish a list and fetch it."""
        self.server.put("/bans.yaml", content, **other)
        return self.run("fetch", self.url, *words)

    def reasons(self) -> list[str]:
        """Return the reasons of the bans that are in force."""
        return [ban.reason for ban in read_bans(str(self.built)).all()] if self.built.exists() else []

    def state(self) -> list[tuple[str, bytes]]:
        """Return all bans there are, to the byte."""
        paths = [*self.bans.iterdir(), *([self.built] if self.built.exists() else [])]
        return sorted((path.name, path.read_bytes()) for path in paths)


@pytest.fixture
def fetching(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fetching]:
    """Return an empty folder of bans, and a server."""
    without_variables(monkeypatch)
    with serving(tls=True) as server:
        yield Fetching(tmp_path, server, capsys)


def test_a_list_is_fetched_and_in_force(fetching: Fetching) -> None:
    """A fetched list is in the folder of bans under the name of its host, names its source, and is compiled at once."""
    code, out, err = fetching.fetch(a_list("eve", "mallory"))
    assert (code, err) == (0, "")
    assert out.startswith("fetched: 2 bans, issued ")
    assert "1 day ago" in out
    assert fetching.reasons() == ["for eve", "for mallory"]
    assert fetching.file.read_bytes().endswith(a_list("eve", "mallory").partition(b"bans:")[2])
    assert fetching.url in fetching.file.read_text("utf-8").splitlines()[0]


def test_a_list_that_others_can_write_is_not_followed(fetching: Fetching) -> None:
    """Another user could have dated a list that others can write, so that no newer one replaces it.

    The list in force stays.
    """
    assert fetching.fetch(a_list("eve"))[0] == 0
    fetching.file.chmod(0o666)
    before = fetching.state()
    code, _, err = fetching.fetch(a_list("mallory", days_ago=0))
    assert (code, fetching.state()) == (1, before)
    assert f"{fetching.file}:1:1: other users can write this file (mode 0666); expected 0644: `chmod go-w " in err


@pytest.mark.parametrize("place", range(4))
def test_the_url_stands_anywhere(fetching: Fetching, place: int) -> None:
    """The URL may be before the options, between them, and after them."""
    fetching.server.put("/bans.yaml", a_list("eve"))
    words = ["--name", "x", "--dry-run", "--allow-wide"]
    at = [0, 2, 3, 4][place]
    code, out, err = fetching.run("fetch", *words[:at], fetching.url, *words[at:])
    assert (code, out.startswith("would be fetched: 1 ban,"), err) == (0, True, "")
    assert run(["ban", "fetch", *fetching.words, fetching.url]) == 0
    assert fetching.reasons() == ["for eve"]


def test_own_bans_stay(fetching: Fetching) -> None:
    """The site's own bans are never touched by a list, and a list not by them."""
    assert fetching.run("add", "--subject", "own", "--reason", "own")[0] == 0
    assert fetching.fetch(a_list("eve"))[0] == 0
    assert fetching.fetch(a_list(days_ago=0))[0] == 0
    assert fetching.reasons() == ["own"]
    assert fetching.fetch(a_list("eve", days_ago=-0.0001))[0] == 0
    code, _, err = fetching.run("lift", "--subject", "eve")
    assert (code, NAME in err) == (1, True)
    assert sorted(fetching.reasons()) == ["for eve", "own"]


def test_a_newer_list_takes_the_place(fetching: Fetching) -> None:
    """A new list lifts the bans that it dropped, and adds its new ones."""
    assert fetching.fetch(a_list("eve", "mallory", days_ago=2))[0] == 0
    assert fetching.fetch(a_list("mallory", "trudy"))[0] == 0
    assert fetching.reasons() == ["for mallory", "for trudy"]


def test_a_list_that_bans_nobody(fetching: Fetching) -> None:
    """`bans: []` is a list. A list without `bans` is not, because a list that was cut off would lift every ban."""
    assert fetching.fetch(a_list("eve", days_ago=2))[0] == 0
    code, _, err = fetching.fetch(a_list().partition(b"bans:")[0])
    assert (code, "`bans: []`" in err) == (3, True)
    assert fetching.reasons() == ["for eve"]
    assert fetching.fetch(a_list())[0] == 0
    assert fetching.reasons() == []


def test_the_same_list_again(fetching: Fetching) -> None:
    """Nothing is written for a list that is there and in force, even if only its remarks have changed."""
    assert fetching.fetch(a_list("eve"))[0] == 0
    before = fetching.state()
    for content in (fetching.server.replies["/bans.yaml"].body, fetching.server.replies["/bans.yaml"].body + b"# x\n"):
        code, out, _ = fetching.fetch(content)
        assert (code, out.startswith("nothing new")) == (0, True)
        assert fetching.state() == before


def test_a_list_that_is_not_sent_again(fetching: Fetching) -> None:
    """An unchanged list is not downloaded again, but compiled again if it is not in force."""
    assert fetching.fetch(a_list("eve"), headers={"ETag": '"1"'})[0] == 0
    fetching.built.unlink()
    assert fetching.run("fetch", fetching.url)[0] == 0
    assert fetching.server.asked[-1][1]["If-None-Match"] == '"1"'
    assert fetching.reasons() == ["for eve"]


STAMP = format_utc(time.time() - DAY)


REFUSED: list[tuple[bytes, int, str]] = [
    (a_list("x", days_ago=3), 1, "is older"),
    (f"mapfile: 1\nissued: {STAMP}\nbans:\n  - {{subject: y, reason: r}}\n".encode(), 1, "the same date"),
    (a_list("x", days_ago=-1), 1, "in the future"),
    (b"mapfile: 1\nbans:\n  - {subject: x, reason: r}\n", 3, "the key `issued` is missing"),
    (b"mapfile: 1\nissued: yesterday\nbans: []\n", 3, "line 2: `issued`"),
    (b"mapfile: 1\nissued: 2026-02-30T00:00:00Z\nbans: []\n", 3, "does not exist"),
    (b"mapfile: 1\nissued: 2026-01-01\nbans: []\n", 3, "`issued`"),
    (a_list("x", days_ago=0, extra="site: {audience: ANY}\n"), 3, "a file of bans cannot have this key"),
    (
        a_list("x", days_ago=0, extra="rules: [{name: r, vo: CMS, account: a}]\n"),
        3,
        "a file of bans cannot have this key",
    ),
    (a_list("x", days_ago=0, extra="issuers: {https://i/: none}\n"), 3, "a file of bans cannot have this key"),
    (a_list("x", days_ago=0, extra="tests: []\n"), 3, "a file of bans cannot have this key"),
    (a_list("x", days_ago=0, extra="more: x\n"), 3, "no such key"),
    (a_list("x", days_ago=0, extra="  - {reason: r}\n"), 3, "at least one condition"),
    (a_list("x", days_ago=0, extra="---\nmapfile: 1\n"), 3, "second YAML document"),
    (a_list("x", days_ago=0).replace(b"subject", b"subjekt"), 3, "subject"),
    (b"<html>not here</html>", 3, "mapping"),
    (b"", 3, "empty"),
    (b"\xff\xfe", 3, "UTF-8"),
    (gzip.compress(a_list("x", days_ago=0)), 3, "compressed"),
    (a_list("x", days_ago=0, extra="  - !<tag:%0Avomap:%20all%20is%20well> x\n"), 3, "`bans`: tag `tag:\\nvomap: all"),
    (b"%TAG ! tag:x\n---\n" + a_list("x", days_ago=0), 3, "line 1: `%TAG`: tags are not supported"),
    # libyaml has a limit of depth of its own, and an older one has none.
    (a_list("x", days_ago=0, extra="  - " + "[" * 500_000 + "\n"), 3, "line 5: "),
    (a_list("x", days_ago=0, extra="  - " + "- " * 250_000 + "\n"), 3, "nested more than 16 levels deep"),
    (a_list("x", days_ago=0, extra="  - &a {jti: y, reason: r}\n  - *a\n"), 3, "anchor `&a`: not supported"),
    (a_list("x", days_ago=0, extra="bans: []\n"), 3, "line 5: `bans` is repeated; the first is in line 3"),
    (a_list("x", days_ago=0, extra="  - y\n" * 150_000), 3, "more than 100,010 keys and values"),
    (a_list("x", days_ago=0, extra=f"  - {{jti: y, reason: {'r' * 1001}}}\n"), 3, "line 5: a value of 1001 characters"),
    (a_list("x", days_ago=0) + b"# " + b"x" * (1 << 20), 3, "larger than"),
    (a_list(*["x"] * 10_001, days_ago=0), 3, "10001 values"),
    (a_list(days_ago=0)[:-3] + b"\n  - {subject: x, jti: [" + b"y, " * 10_000 + b"], reason: r}\n", 3, "10001 values"),
    (a_list(days_ago=0)[:-3] + b"\n  - {subject: x, group: [" + b"/a*/b, " * 3_334 + b"], reason: r}\n", 3, "values"),
    (
        a_list(days_ago=0)[:-3] + b"\n  - {jti: x, claim: {a: [" + b"y, " * 9_999 + b"], b: y}, reason: r}\n",
        3,
        "values",
    ),
    (a_list("x" * 1001, days_ago=0), 3, "line 4: a value of 1001 characters"),
    (a_list(days_ago=0)[:-3] + b"\n  - {vo: CMS, reason: r}\n", 1, "bans more than single subjects"),
    (a_list(days_ago=0)[:-3] + b"\n  - {issuer: 'https://i/', reason: r}\n", 1, "bans more than single subjects"),
    (a_list(days_ago=0)[:-3] + b"\n  - {subject: '*', reason: r}\n", 1, "bans more than single subjects"),
    (
        a_list(days_ago=0)[:-3] + b"\n  - {subject: ['x', '*@fnal.gov'], reason: r}\n",
        1,
        "bans more than single subjects",
    ),
    (a_list(days_ago=0)[:-3] + b"\n  - {group: /cms, reason: r}\n", 1, "names no subject, token (jti) or client"),
    (a_list(days_ago=0)[:-3] + b"\n  - {scope: compute.create, reason: r}\n", 1, "names no subject"),
    (a_list(days_ago=0)[:-3] + b"\n  - {claim: {e: x}, subject: 'x*', reason: r}\n", 1, "names no subject"),
    (a_list(days_ago=0)[:-3] + b"\n  - {issuer: 'http://i/', subject: x, reason: r}\n", 1, "not an https URL"),
]


# The contents contain the time, so they cannot be names of tests.
@pytest.mark.parametrize(("content", "code", "told"), REFUSED, ids=[str(number) for number in range(len(REFUSED))])
def test_what_is_refused_leaves_the_list_that_is_there(
    fetching: Fetching, content: bytes, code: int, told: str
) -> None:
    """A refused list leaves every file as it was, to the byte.

    The reason and the age of the list in force are reported.
    """
    assert fetching.fetch(f"mapfile: 1\nissued: {STAMP}\nbans:\n  - {{subject: x, reason: r}}\n".encode())[0] == 0
    before = fetching.state()
    returned, out, err = fetching.fetch(content)
    assert (returned, out) == (code, "")
    assert told in err
    assert f"the list that is there stays: issued {STAMP}, 1 day ago" in err
    assert len(err.splitlines()) == 1
    assert fetching.state() == before


@pytest.mark.parametrize("ban", ["subject: x", "jti: x", "client: x", "vo: CMS, subject: x", "group: /a, jti: x"])
def test_a_ban_that_names_somebody_is_narrow(fetching: Fetching, ban: str) -> None:
    """Subjects, tokens and clients by their whole names are taken."""
    assert fetching.fetch(a_list(days_ago=0)[:-3] + f"\n  - {{{ban}, reason: r}}\n".encode())[0] == 0
    assert fetching.reasons() == ["r"]


def test_a_list_of_the_most_values(fetching: Fetching) -> None:
    """The limits are exact: so many patterns, each part counted, and values of that length pass."""
    values = b"z" * 1000 + b", " + b"y, " * 6_999
    ban = b"\n  - {subject: x, jti: [" + values + b"], group: ['/a/*/b'," + b"/a*/b, " * 998 + b"/c], reason: r}\n"
    code, _, err = fetching.fetch(a_list(days_ago=0)[:-3] + ban)
    assert (code, err) == (0, "")
    assert fetching.reasons() == ["r"]


MANY = ", ".join(f"/g{at}" for at in range(1000))


@pytest.mark.parametrize(
    ("bans", "told"),
    [
        (["group: /cms"], "names no subject"),
        (["vo: CMS, scope: compute.create"], "names no subject"),
        (["subject: 'x*', claim: {e: x}"], "names no subject"),
        (["issuer: 'https://i/', group: /a", "vo: A, group: /b"], "line 5 (and 1 more): a ban by group"),
        ([f"subject: x, group: [{MANY}, /a]"], "1001 groups, scopes and claims"),
        ([f"jti: x, scope: c, claim: {{c: [{MANY}]}}"], "1001 groups, scopes and claims"),
        (["vo: V, jti: x"] * 50 + ["vo: V"] * 101, "it bans 101 VOs"),
        (["issuer: 'https://i/'"] * 51 + ["subject: 'x*'"] * 50, "it bans 101 VOs"),
        (["issuer: 'http://i/', subject: x"], "line 5: the issuer 'http://i/' is not an https URL"),
        (["issuer: '\"x', subject: x"], "is not an https URL"),
    ],
)
def test_what_consent_does_not_lift(fetching: Fetching, bans: list[str], told: str) -> None:
    """A list that could slow each answer down, or be written into a CE's configuration, is refused in any case."""
    content = a_list("eve", days_ago=0)[:-1] + b"".join(b"\n  - {%s, reason: r}" % ban.encode() for ban in bans) + b"\n"
    for words in ([], ["--allow-wide"]):
        code, out, err = fetching.fetch(content, *words)
        assert (code, out, fetching.state()) == (1, "", [])
        assert told in err or (not words and "bans more than single subjects" in err)
    assert "--allow-wide" not in err


@pytest.mark.parametrize(
    "bans",
    [
        [f"subject: x, group: [{MANY}]"],
        ["client: x, scope: compute.create, claim: {e: 'x*'}"],
        ["vo: V"] * 100,
        ["issuer: 'https://i/', group: /a, jti: x"],
    ],
)
def test_what_consent_allows(fetching: Fetching, bans: list[str]) -> None:
    """As many are taken as the reference says."""
    content = a_list(days_ago=0)[:-3] + b"".join(b"\n  - {%s, reason: r}" % ban.encode() for ban in bans) + b"\n"
    assert fetching.fetch(content, "--allow-wide")[0] == 0
    assert len(fetching.reasons()) == len(bans)


def test_a_list_that_was_fetched_before_the_bounds(fetching: Fetching) -> None:
    """A list that is there stays, and a newer one takes its place, whatever bounds it breaks."""
    assert fetching.fetch(a_list("eve", days_ago=2))[0] == 0
    text = fetching.file.read_text("utf-8").replace("subject: eve", "group: /cms")
    fetching.file.write_text(text, "utf-8")
    assert fetching.fetch(a_list("mallory"))[0] == 0
    assert fetching.reasons() == ["for mallory"]


UNWIRED = b"\n  - {issuer: 'https://else/', subject: x, reason: r}\n  - {issuer: 'https://i/', subject: x, reason: r}\n"


def test_issuers_of_a_list_that_the_site_does_not_declare(fetching: Fetching) -> None:
    """No CE is wired for them, so their bans are counted as not in force here, by `fetch` and `list`."""
    told = "1 ban names an issuer that the site does not declare (https://else/): not in force here: another plugin"
    content = a_list(days_ago=0)[:-3] + UNWIRED
    assert json.loads(fetching.fetch(content, "--json")[1])["not-in-force"] is None
    assert "not in force here" not in fetching.run("list")[1]
    mapfile = fetching.bans.parent / "m.yaml"
    mapfile.write_text("mapfile: 1\nsite: {audience: ANY}\nissuers: {https://i/: {vo: V}}\n", "utf-8")
    policy = str(fetching.built).removesuffix(".bans")
    assert run(["build", "--mapfiles", str(mapfile), "--bans", str(fetching.bans), "--output", policy]) == 0
    code, _, err = fetching.fetch(content)
    assert (code, f"warning: {told} may map these tokens\n") == (0, err)
    answer = json.loads(fetching.fetch(content, "--json", "--dry-run")[1])
    assert (answer["done"], answer["not-in-force"]) == ("dry-run", 1)
    out = fetching.run("list")[1]
    assert f"{told} may map these tokens\n" in out
    assert ":5: issuer https://else/, subject x (not in force here: another plugin may map these tokens): r\n" in out
    assert ":6: issuer https://i/, subject x: r\n" in out
    listed = json.loads(fetching.run("list", "--json")[1])
    assert [ban["wired"] for ban in listed["bans"]] == [False, True]
    assert listed["lists"][0]["not-in-force"] == 1


def test_wide_bans_by_consent(fetching: Fetching) -> None:
    """A site that has looked may take bans of whole VOs."""
    content = a_list("eve")[:-1] + b"\n  - {vo: CMS, reason: wide}\n"
    code, _, err = fetching.fetch(content)
    assert (code, "accept it with --allow-wide" in err) == (1, True)
    assert fetching.reasons() == []
    assert fetching.fetch(content, "--allow-wide")[0] == 0
    assert fetching.reasons() == ["for eve", "wide"]


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"status": 500}, "500"),
        ({"status": 404}, "404"),
        ({"sent": b"mapfile: 1\n"}, "/bans.yaml: "),
        ({"status": 302, "headers": {"Location": "http://127.0.0.1/bans.yaml"}}, "http"),
        ({"status": 302, "headers": {"Location": "/bans.yaml"}}, "more than 5 redirects"),
        ({"status": 302, "headers": {"Location": "file:///etc/passwd"}}, "not an http or https URL"),
    ],
)
def test_what_cannot_be_fetched(fetching: Fetching, other: dict[str, Any], told: str) -> None:
    """The list in force stays, and its age is reported. So is the lack of a list."""
    code, _, err = fetching.fetch(a_list("eve"), **other)
    assert (code, told in err, "there is no list yet" in err) == (3, True, True)
    assert fetching.fetch(a_list("eve"))[0] == 0
    before = fetching.state()
    code, _, err = fetching.fetch(a_list("mallory", days_ago=0), **other)
    assert (code, told in err, "1 day ago" in err) == (3, True, True)
    assert fetching.state() == before


def test_a_list_without_an_end(fetching: Fetching) -> None:
    """The download ends at the largest size of a list, whatever the server states."""
    code, _, err = fetching.fetch(b"# " + b"x" * (3 << 20), is_chunked=True)
    assert (code, "is larger than 1048576 bytes" in err) == (3, True)


@pytest.mark.parametrize("kind", ["fifo", "device", "folder"])
def test_no_regular_file_at_the_place_of_a_list(fetching: Fetching, kind: str) -> None:
    """A FIFO or a device at the place of a list is an error at once. The other bans stay listed and in force."""
    own = fetching.bans / "own.yaml"
    own.write_text("mapfile: 1\nbans:\n  - {vo: mars, reason: own}\n", "utf-8")
    assert fetching.fetch(a_list("eve"))[0] == 0
    fetching.file.unlink()
    if kind == "fifo":
        os.mkfifo(fetching.file)
    elif kind == "device":
        fetching.file.symlink_to("/dev/zero")
    else:
        fetching.file.mkdir()
    code, _, err = fetching.fetch(a_list("mallory", days_ago=0))
    assert code == 3
    assert f"{fetching.file}: is not a regular file" in err
    assert sorted(fetching.reasons()) == ["for eve", "own"]
    code, out, err = fetching.run("list")
    assert code == 3
    assert f"{own}:3: vo mars: own\n" in out
    assert ": subject eve (still in force, from the last build: this file has errors): for eve\n" in out
    assert err == f"vomap: {fetching.file}: is not a regular file; name the file itself\n"


def test_a_list_that_may_be_cut_off(fetching: Fetching) -> None:
    """A server must say where its answer ends, by its length or in chunks: TLS alone does not."""
    code, _, err = fetching.fetch(a_list("eve"), headers={"Content-Length": "-"})
    assert (code, "may be incomplete" in err) == (3, True)
    assert fetching.reasons() == []
    assert fetching.fetch(a_list("eve"), is_chunked=True)[0] == 0
    assert fetching.reasons() == ["for eve"]


def test_a_certificate_that_nobody_vouches_for(fetching: Fetching) -> None:
    """Without the authority's certificate nothing is taken."""
    fetching.server.put("/bans.yaml", a_list("eve"))
    code = run(["ban", "fetch", fetching.url, *fetching.words[:-2]])
    assert code == 3
    assert fetching.reasons() == []


@pytest.mark.parametrize(
    "words",
    [
        ["fetch"],
        ["fetch", "http://127.0.0.1/bans.yaml"],
        ["fetch", "ftp://127.0.0.1/bans.yaml"],
        ["fetch", "/tmp/bans.yaml"],
        ["fetch", "https://me:secret@127.0.0.1/bans.yaml"],
        ["fetch", "https://127.0.0.1/bans.yaml", "--name", "../x"],
        ["fetch", "https://127.0.0.1/bans.yaml", "--name", ".x"],
        ["fetch", "https://127.0.0.1/bans.yaml", "--name", ""],
        ["fetch", "https://127.0.0.1/bans.yaml", "--subject", "x"],
        ["add", "https://127.0.0.1/bans.yaml", "--subject", "x", "--reason", "r"],
        ["fetch", "http://me:secret@127.0.0.1/bans.yaml"],
        ["list", "https://127.0.0.1/bans.yaml"],
    ],
)
def test_usage(fetching: Fetching, words: list[str]) -> None:
    """A URL that cannot be meant is refused without a request. No message contains a password."""
    code, out, err = fetching.run(*words)
    assert code == 2
    assert out == ""
    assert "secret" not in err
    assert fetching.state() == []


def test_two_lists(fetching: Fetching) -> None:
    """Two lists of a host have two names. Under one name the second does not replace the first."""
    assert fetching.fetch(a_list("eve"))[0] == 0
    other = fetching.server.put("/other.yaml", a_list("mallory", days_ago=0))
    code, _, err = fetching.run("fetch", other)
    assert (code, "choose another --name" in err) == (1, True)
    assert fetching.run("fetch", other, "--name", "other")[0] == 0
    assert sorted(fetching.reasons()) == ["for eve", "for mallory"]
    assert (fetching.bans / "published-other.yaml").exists()


def test_a_list_that_was_edited(fetching: Fetching) -> None:
    """One that cannot be read any more is not written over, as nobody could say whether the new one is newer."""
    assert fetching.fetch(a_list("eve"))[0] == 0
    for text in ("nothing\n", fetching.file.read_text("utf-8").replace("issued", "isued")):
        fetching.file.write_text(text, "utf-8")
        code, _, err = fetching.fetch(a_list("mallory", days_ago=0))
        assert code == 3
        assert NAME in err or "isued" in err
        assert fetching.file.read_text("utf-8") == text
        assert fetching.reasons() == ["for eve"]


def test_a_broken_file_beside_holds_no_list_back(fetching: Fetching) -> None:
    """As with `ban add`, the list is in force, and the broken file is reported."""
    assert fetching.fetch(a_list("eve", days_ago=2))[0] == 0
    (fetching.bans / "hand.yaml").write_text("mapfile: 1\nbans:\n  - {subject: s}\n", "utf-8")
    code, _, err = fetching.fetch(a_list("mallory"))
    assert (code, "fix the other file" in err) == (3, True)
    assert fetching.reasons() == ["for mallory"]


@pytest.mark.parametrize("broken", ["README", "zz.yaml"])
def test_a_list_takes_no_other_ban_along(fetching: Fetching, broken: str) -> None:
    """A ban of another file stays in force when a list drops it, also while the folder cannot be built."""
    own = fetching.bans / "site.yaml"
    own.write_text("mapfile: 1\nbans:\n  - {subject: eve, reason: for eve}\n", "utf-8")
    assert fetching.fetch(a_list("eve", days_ago=4))[0] == 0
    other = fetching.server.put("/other.yaml", a_list("eve", days_ago=4))
    assert fetching.run("fetch", other, "--name", "other")[0] == 0
    (fetching.bans / broken).write_text("mapfile: 1\nbans: [\n", "utf-8")
    assert fetching.fetch(a_list("eve", "mallory", days_ago=3))[0] == 3
    assert fetching.fetch(a_list(days_ago=2))[0] == 3
    assert fetching.fetch(a_list("eve", days_ago=1))[0] == 3
    fetching.server.put("/other.yaml", a_list(days_ago=1))
    assert fetching.run("fetch", other, "--name", "other")[0] == 3
    sources = [ban.source for ban in read_bans(str(fetching.built)).all()]
    assert sources == [f"{own}:3", f"{fetching.file}:5"]


def test_a_list_by_another_way_to_its_folder(fetching: Fetching, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes the place of the list that was built by another spelling of its path."""
    assert fetching.fetch(a_list("eve", days_ago=2))[0] == 0
    (fetching.bans / "README").write_text("", "utf-8")
    monkeypatch.chdir(fetching.bans.parent)
    fetching.bans = Path("bans.d")
    assert fetching.fetch(a_list("mallory"))[0] == 3
    assert fetching.reasons() == ["for mallory"]


def test_dry_run(fetching: Fetching) -> None:
    """`--dry-run` reports the effect and changes nothing. It refuses the same lists."""
    code, out, _ = fetching.fetch(a_list("eve"), "--dry-run")
    assert (code, out.startswith("would be fetched: 1 ban,")) == (0, True)
    assert fetching.state() == []
    assert fetching.fetch(b"", "--dry-run")[0] == 3


def test_for_programs(fetching: Fetching) -> None:
    """`--json` reports the change and the age of the list, also if the new one was refused."""
    code, out, _ = fetching.fetch(a_list("eve"), "--json")
    answer = json.loads(out)
    assert (code, answer["done"], answer["bans"], answer["url"]) == (0, "fetched", 1, fetching.url)
    assert DAY <= answer["age-seconds"] < DAY + 120
    code, out, _ = fetching.fetch(b"", "--json")
    answer = json.loads(out)
    assert (code, answer["done"], answer["bans"]) == (3, "kept", 1)
    assert "empty" in answer["error"]
    assert json.loads(fetching.fetch(a_list("eve", days_ago=0), "--json", "--dry-run")[1])["done"] == "dry-run"


def test_list_tells_how_old_lists_are(fetching: Fetching) -> None:
    """The list of bans has each fetched list with its bans, source and age, and marks one that was edited."""
    assert fetching.fetch(a_list("eve", days_ago=3))[0] == 0
    code, out, _ = fetching.run("list")
    assert code == 0
    assert f"{fetching.file}: 1 ban of {fetching.url}, issued " in out
    assert "3 days ago" in out
    (listed,) = json.loads(fetching.run("list", "--json")[1])["lists"]
    assert listed["url"] == fetching.url
    fetching.file.write_text(fetching.file.read_text("utf-8").partition("\n")[2], "utf-8")
    assert "was not written by `vomap ban fetch`" in fetching.run("list")[1]


@pytest.mark.parametrize("mark", ["\u202e", "\u200b", "\u2066", "\u0430"])
def test_texts_of_a_list_do_not_rule_the_terminal(fetching: Fetching, mark: str) -> None:
    """Every message shows a publisher's text in plain characters. JSON contains it whole."""
    published = a_list(days_ago=0)[:-3] + f"\n  - {{subject: e{mark}ve, reason: r{mark}r}}\n".encode()
    code, out, err = fetching.fetch(published.replace(b"reason", f"rea{mark}son".encode()))
    assert code == 3
    assert (out + err).isascii()
    assert fetching.fetch(published)[0] == 0
    assert fetching.reasons() == [f"r{mark}r"]
    escaped = ascii(mark)[1:-1]
    _, out, _ = fetching.run("list")
    assert f"subject e{escaped}ve: r{escaped}r" in out
    (ban,) = json.loads(fetching.run("list", "--json")[1])["bans"]
    assert (ban["subject"], ban["reason"]) == ([f"e{mark}ve"], f"r{mark}r")
    mapfile = fetching.bans.parent / "m.yaml"
    mapfile.write_text(
        "mapfile: 1\nsite: {audience: unchecked}\nissuers:\n  https://i/: {vo: V}\n"
        "rules:\n  - {name: a, vo: V, account: a}\n"
        f"tests:\n  - token: {{iss: https://i/, sub: e{mark}ve, scope: compute.create}}\n    expect: {{account: a}}\n",
        "utf-8",
    )
    claims = json.dumps({"iss": "https://i/", "sub": f"e{mark}ve", "scope": "compute.create"})
    for words in (["explain", "--claims", claims], ["test"]):
        run([*words, "--mapfiles", str(mapfile), "--bans", str(fetching.bans)])
        out, err = fetching.capsys.readouterr()
        assert f"r{escaped}r" in out + err
        assert (out + err).isascii()


def test_the_line_of_a_ban_is_short(fetching: Fetching) -> None:
    """The list shows the first values of a ban and the beginning of each. JSON has all of them."""
    values, claims = [f"{at}{'x' * 900}" for at in range(1000)], {f"c{at} ": "y" for at in range(12)}
    ban = {"jti": values, "claim": claims, "reason": "r"}
    assert fetching.fetch(a_list(days_ago=0)[:-3] + f"\n  - {json.dumps(ban)}\n".encode())[0] == 0
    line = fetching.run("list")[1].splitlines()[0]
    assert len(line) < 5000
    assert f": jti 0{'x' * 199}... or 1{'x' * 199}... or " in line
    assert ' or 990 more, claim "c0 "=y, "c1 "=y, ' in line
    assert line.endswith(', "c9 "=y, 2 more: r')
    (listed,) = json.loads(fetching.run("list", "--json")[1])["bans"]
    assert (listed["jti"], len(listed["claim"])) == (values, 12)


@pytest.mark.parametrize("text", ["alice (expired)", 'a", vo "b', "x: r\u2028y", "`vomap build --rollback`", "a, vo V"])
def test_a_value_does_not_look_like_the_state_of_a_ban(fetching: Fetching, text: str) -> None:
    """A value that is not one word is in quotes, so that the words of vomap come after it."""
    content = a_list(days_ago=0)[:-3] + f"\n  - {json.dumps({'subject': text, 'reason': 'r'})}\n".encode()
    assert fetching.fetch(content)[0] == 0
    shown = printable(json.dumps(text, ensure_ascii=False))
    assert fetching.run("list")[1].splitlines()[0] == f"{fetching.file}:5: subject {shown}: r"


def test_killed_at_any_time(fetching: Fetching) -> None:
    """Whenever the process is killed, the list and the bans in force are the old or the new, each whole."""
    old, new = a_list("eve", days_ago=2), a_list(*(f"s{number}" for number in range(50)))
    assert fetching.fetch(old)[0] == 0
    texts = {fetching.file.read_bytes()}
    fetching.server.put("/bans.yaml", new)
    texts.add(fetching.file.read_bytes().partition(b"\n")[0] + b"\n" + new)
    before = fetching.state()
    command = [sys.executable, "-m", "vomap.cli", "ban", "fetch", fetching.url, *fetching.words]
    for delay in range(12):
        for path, content in before:
            target = fetching.built if path == fetching.built.name else fetching.bans / path
            target.write_bytes(content)
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.1 + 0.07 * delay)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(timeout=60)
        assert fetching.file.read_bytes() in texts
        assert len(fetching.reasons()) in (1, 50)
    assert subprocess.run(command, check=False, stdout=subprocess.DEVNULL, timeout=60).returncode == 0
    assert len(fetching.reasons()) == 50


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_between_the_writes(fetching: Fetching, number: signal.Signals) -> None:
    """The new list is there and in force, and standard error says so."""
    assert fetching.fetch(a_list("eve", days_ago=2))[0] == 0
    fetching.server.put("/bans.yaml", a_list("mallory"))
    words = ["ban", "fetch", fetching.url, *fetching.words]
    code, errors = interrupted("vomap.store.writer.put_in_place", number, *words)
    assert code == ended(number)
    assert "mallory" in fetching.file.read_text("utf-8")
    assert fetching.reasons() == ["for mallory"]
    assert f"{number.name} arrived during a write: {fetching.file} and {fetching.built} are written" in errors


def _unit(name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string((Path(__file__).parents[2] / "packaging" / "systemd" / name).read_text("utf-8"))
    return parser


def test_the_unit_calls_what_there_is() -> None:
    """The unit runs the command's own command line. It may write the bans and compiled files, and has no privilege."""
    service = _unit("vomap-bans.service")["Service"]
    words = [word for word in service["ExecStart"].split() if word != "$OPTIONS"]
    args = make_parser({"ban": ban}).parse_args(words[1:])
    assert (args.action, args.url) == ("fetch", "${URL}")
    assert args.cache == Path("/var/cache") / service["CacheDirectory"]
    assert service["ReadWritePaths"].split()[0] == BANS_FOLDER == args.bans
    assert service["CapabilityBoundingSet"] == ""
    assert (service["ProtectSystem"], service["NoNewPrivileges"]) == ("strict", "yes")
    assert _unit("vomap-bans.timer")["Timer"]["RandomizedDelaySec"]
