"""A log that real callouts wrote, decided again: by the same policy nothing changes, by an edited one just the edit.

`pytest -s tests/proof/test_replay.py` prints how long the long log took.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ces import arc_environment, htcondor_payload
from proof.callout_site import ARC_AUTHORIZE, ARC_MAP, CALLOUTS, HTCONDOR, executable
from proof.counts import count
from proof.site import BANNED, FOLDER, FREE, GONE, MAPFILE, OWN, tokens
from vomap.analysis.replay import AN_AUTHORIZATION, AN_ERROR
from vomap.cli import run
from vomap.log import format_record

MAPPED, DECLINED, DENIED = "mapped", "declined", "denied"
# Far more than what is promised, for slow machines: a hang is a failure.
PATIENCE = 900
# A ban by a claim that no rule asks for, and a token that it is about.
BY_CLAIM = '  - {claim: {email: "*@bad.example.org"}, reason: a claim that only a ban looks at}\n'
BANNED_BY_CLAIM = {
    "iss": OWN,
    "sub": "anna",
    "aud": "ANY",
    "scope": "compute.create",
    "email": ["x@bad.example.org", 7],
}
UNREADABLE = {"iss": OWN, "sub": "a\nb"}


class Change(NamedTuple):
    """A token's VO, and what it was given by which rule, before and after."""

    vo: str
    before: tuple[str, str | None, str | None]
    after: tuple[str, str | None, str | None]


class Edit(NamedTuple):
    """A text of the site's mapfile or bans, what it becomes, and the tokens of the site's whose answer that changes."""

    file: str
    old: str
    new: str
    changes: dict[Change, int]


NOBODY = (DECLINED, None, None)
BANNED_NOW = (DENIED, None, None)
# What each means for the tokens of tests/proof/site.py, by hand. Each token is asked about by both CEs.
EDITS = {
    # anna and dora/x, for whom nothing else stands in the way.
    "another account": Edit(
        "site",
        "account: ownlist}",
        "account: another}",
        {Change("Own", (MAPPED, "ownlist", "own-listed"), (MAPPED, "another", "own-listed")): 2},
    ),
    # The same two, for whom no later rule is; but not the one in a banned group, nor the banned by token or client.
    "a subject taken away": Edit(
        "site",
        'subject: [anna, bert, cleo, "dora/*"]',
        'subject: [bert, cleo, "dora/*"]',
        {Change("Own", (MAPPED, "ownlist", "own-listed"), NOBODY): 1},
    ),
    # Worse is denied no more, and no other rule has him.
    "a refusal taken back": Edit(
        "site",
        "subject: [bad, worse], deny",
        "subject: [bad], deny",
        {Change("Own", (DENIED, None, "own-denied"), NOBODY): 1},
    ),
    # The thief has an address at own.example.org, so the rule of users is his.
    "a ban lifted": Edit(
        "bans",
        f"  - {{issuer: {OWN}, subject: thief@own.example.org, reason: leaked key}}\n",
        "",
        {Change("Own", (DENIED, None, None), (MAPPED, "thief", "own-user")): 1},
    ),
    # `nobody` is mapped by project (two tokens), by role and by group below /own/ops, by the first group, by a path;
    # and is declined without any of these.
    "a ban added": Edit(
        "bans",
        "bans:\n",
        f"bans:\n  - {{issuer: {OWN}, subject: nobody, reason: new}}\n",
        {
            Change("Own", (MAPPED, "ownproject", "own-claimed"), BANNED_NOW): 2,
            Change("Own", (MAPPED, "ownpilot", "own-role"), BANNED_NOW): 2,
            Change("Own", (MAPPED, "ownfirst", "own-first"), BANNED_NOW): 1,
            Change("Own", (MAPPED, "ownstore", "own-scope"), BANNED_NOW): 1,
            Change("Own", NOBODY, BANNED_NOW): 1,
        },
    ),
    # One token has /own/first as its first group.
    "an account renamed": Edit(
        "site",
        "rename: {cmspilot: cms001}",
        "rename: {cmspilot: cms001, ownfirst: ours}",
        {Change("Own", (MAPPED, "ownfirst", "own-first"), (MAPPED, "ours", "own-first")): 1},
    ),
    # Anna's token for storage alone.
    "a check left out": Edit(
        "site",
        f"{OWN}: {{vo: Own}}",
        f"{OWN}: {{vo: Own, without-compute: accept}}",
        {Change("Own", (DENIED, None, None), (MAPPED, "ownlist", "own-listed")): 1},
    ),
    # A token of /new and one of /new with /own, which is not this issuer's to name; the one of two VOs has no account.
    "another account by VO": Edit(
        "site",
        "account: <vo>free",
        "account: <vo>open",
        {Change("new", (MAPPED, "newfree", "free-users"), (MAPPED, "newopen", "free-users")): 2},
    ),
    # Its one token was declined, and is for the rule that comes with it.
    "an issuer trusted": Edit(
        "site",
        f"{GONE}: none\nrules:\n",
        f"{GONE}: {{vo: Gone}}\nrules:\n  - {{name: gone, vo: Gone, account: gone}}\n",
        {Change("Gone", NOBODY, (MAPPED, "gone", "gone")): 1},
    ),
    # One subject's rule gives slurm, which no token could have so far.
    "an account allowed": Edit(
        "site",
        "never: [slurm]",
        "never: [munge]",
        {Change("Own", (DENIED, None, "own-never"), (MAPPED, "slurm", "own-never")): 1},
    ),
}


class Logged:
    """A site, the log that its callouts wrote, and the same site's mapfiles, to be edited."""

    def __init__(self, folder: Path) -> None:
        """Build the site, with a file for its log."""
        self.folder, self.log, self.policy = folder, folder / "decisions.log", folder / "policy"
        self.site = MAPFILE.replace("site:\n", f"site:\n  log: {{to: {self.log}}}\n", 1)
        self.bans = BANNED + BY_CLAIM
        self.written = self.write("built", self.site, self.bans)
        assert run(["build", *self.written, "--output", str(self.policy)]) == 0

    def write(self, name: str, site: str, bans: str) -> list[str]:
        """Write the site's own mapfile and its bans; return the words that name all mapfiles and them."""
        mapfile, banned = self.folder / f"{name}.yaml", self.folder / f"{name}-bans.yaml"
        mapfile.write_text(site, "utf-8")
        banned.write_text(bans, "utf-8")
        shipped = [str(FOLDER / f"{each}.yaml") for each in ("osg", "egi", "fermilab")]
        return ["--mapfiles", str(mapfile), *shipped, "--bans", str(banned)]

    def ask(self, words: tuple[str, ...], token: dict[str, Any]) -> None:
        """Ask a callout."""
        command = [executable(words[0]), *words[1:], "--policy", str(self.policy)]
        shown: Any = {} if words == HTCONDOR else arc_environment(token)
        payload = htcondor_payload(token) if words == HTCONDOR else b""
        done = subprocess.run(command, input=payload, env=shown, capture_output=True, check=False, timeout=PATIENCE)
        assert b"; not logged" not in done.stderr, done

    def records(self) -> list[dict[str, Any]]:
        """Return what was logged."""
        return [json.loads(line) for line in self.log.read_text("ascii").splitlines()]


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Logged:
    """Ask both CEs' callouts about every token of the site, and ARC's authgroup about some."""
    logged = Logged(tmp_path_factory.mktemp("logged"))
    asked = [(words, token) for words in (HTCONDOR, ARC_MAP) for token in [*tokens(), BANNED_BY_CLAIM, UNREADABLE]]
    asked += [(ARC_AUTHORIZE, token) for token in tokens()[:10]]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda each: logged.ask(*each), asked))
    assert len(logged.records()) == len(asked) > 500
    assert {record["outcome"] for record in logged.records()} == {MAPPED, DECLINED, DENIED, "error"}
    assert {record["callout"] for record in logged.records()} == {" ".join(words) for words in CALLOUTS}
    return logged


def replay(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    """Run `vomap replay --json`; return its exit code and what it found."""
    capsys.readouterr()
    code = run(["replay", "--json", *words])
    return code, json.loads(capsys.readouterr().out)


def test_nothing_changes_by_the_same_policy(logged: Logged, capsys: pytest.CaptureFixture[str]) -> None:
    """All that can be decided again is decided the same: by what was built, and by the mapfiles that it is built of."""
    records = logged.records()
    authorized = sum(record["callout"] == " ".join(ARC_AUTHORIZE) for record in records)
    errors = sum(record["outcome"] == "error" for record in records if record["callout"] != " ".join(ARC_AUTHORIZE))
    assert errors > 0
    for words in (["--policy", str(logged.policy)], logged.written):
        code, found = replay(capsys, str(logged.log), *words)
        assert (code, found["changes"]) == (0, [])
        assert found["left-out"] == {AN_ERROR: errors, AN_AUTHORIZATION: authorized}
        assert found["same"] == len(records) - errors - authorized


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_changes_what_it_is_about(logged: Logged, capsys: pytest.CaptureFixture[str], name: str) -> None:
    """Each change is told with its VO, accounts and rules, as often as a CE was asked; and no other is."""
    edit = EDITS[name]
    texts = {"site": logged.site, "bans": logged.bans}
    assert texts[edit.file].count(edit.old) == 1
    texts[edit.file] = texts[edit.file].replace(edit.old, edit.new)
    code, found = replay(capsys, str(logged.log), *logged.write("edited", texts["site"], texts["bans"]))
    changes: Counter[Change] = Counter()
    for each in found["changes"]:
        before, after = (
            tuple(each[when][key] for key in ("outcome", "account", "rule")) for when in ("before", "after")
        )
        changes[Change(each["vo"], before, after)] += each["count"]
    assert code == 1
    assert changes == {change: 2 * number for change, number in edit.changes.items()}
    assert found["by"] == _counted(changes)


def test_a_token_of_nobody_is_nobodys_change(logged: Logged, capsys: pytest.CaptureFixture[str]) -> None:
    """An issuer that sent no token changes nothing, whatever is declared of it."""
    site = logged.site.replace(f"{FREE}:\n", f"https://other.example.org/: {{vo: Elsewhere}}\n  {FREE}:\n")
    assert site != logged.site
    assert replay(capsys, str(logged.log), *logged.write("edited", site, logged.bans))[0] == 0


def _counted(changes: Counter[Change]) -> dict[str, dict[str, int]]:
    counted: dict[str, Counter[str]] = {"VO": Counter(), "account": Counter(), "rule": Counter()}
    for change, number in changes.items():
        counted["VO"][change.vo] += number
        for kind, place in (("account", 1), ("rule", 2)):
            for name in {change.before[place], change.after[place]} - {None}:
                counted[kind][str(name)] += number
    return {kind: dict(counts) for kind, counts in counted.items() if counts}


def varied(records: Iterable[dict[str, Any]], number: int) -> Iterator[bytes]:
    """Yield so many lines of a log: the records over and over, each at a time of its own and with another `jti`."""
    begin = 1795348800
    for at, record in enumerate(islice(cycle(records), number)):
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(begin + at // 10))
        # Bans name some by their `jti`.
        jti = f"{at:032x}" if record["jti"] is None else record["jti"]
        yield format_record({**record, "time": stamp, "jti": jti}).encode("ascii")


def test_a_long_log(logged: Logged) -> None:
    """A log of a million lines, half of it packed, is decided again in one run, and nothing changes."""
    lines = count(full=1_000_000, reduced=20_000)
    plain, packed = logged.folder / "long.log", logged.folder / "long.log.1.gz"
    half = lines // 2
    records = logged.records()
    with gzip.open(packed, "wb", compresslevel=1) as file:
        file.writelines(varied(records, lines - half))
    with plain.open("wb") as file:
        file.writelines(varied(records, half))
    command = [executable("vomap"), "replay", "--json", str(packed), str(plain), "--policy", str(logged.policy)]
    begun = time.monotonic()
    done = subprocess.run(command, capture_output=True, check=False, timeout=PATIENCE)
    seconds = time.monotonic() - begun
    print(f"\nreplay of {lines:,} lines: {seconds:.1f} s, {lines / seconds:,.0f} lines/s")
    found = json.loads(done.stdout)
    assert (done.returncode, done.stderr, found["changes"]) == (0, b"", [])
    assert found["same"] + sum(found["left-out"].values()) == lines
    assert found["same"] > lines // 2
