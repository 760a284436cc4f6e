"""Log lines made by chance, through every verb that reads logs: no traceback, no hang, and no line of a stranger.

`pytest -s tests/proof/test_fuzzed_log_lines.py` prints the numbers. The seed is fixed, so that a failure comes again.
"""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import time
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest

from proof.callout_site import executable
from proof.counts import count
from proof.log_lines import COMMAND, GOOD, ISSUER, LogLines
from vomap.cli import run
from vomap.log.pseudonyms import make_pseudonym
from vomap.policy.matching import is_account

SEED = 20261122
LINES = count(full=100_000, reduced=4_000)
# Far more than it takes, for slow machines: a hang is a failure.
PATIENCE = 900
SITE = f"""\
mapfile: 1
site: {{audience: [ANY], accounts: {{must-exist: no}}}}
issuers:
  {ISSUER}: {{vo: One}}
rules:
  - {{name: {GOOD}, vo: One, subject: {GOOD}, account: {GOOD}}}
  - {{name: mail, vo: One, claim: {{email: x}}, account: mail}}
  - {{name: others, vo: One, account: others}}
"""
# Every line that the verbs print begins with vomap's own words.
_BEGINS = (
    "decided again: [0-9,]+; the same: ",
    "(not decided again|not decidable|may gain access): [0-9,]+: ",
    " *[0-9,]+  [A-Za-z0-9_.-]+: (mapped|declined|denied) ",
    " {11}first at 20[-0-9:TZ]{18}: ",
    "and [0-9,]+ changes? more; ",
    "by (VO|account|rule): ",
    "(vomap|warning|proved): ",
    "added; ",
    "what goes on until you end it",
    "  (htcondor|arc): ",
    r"    (systemctl restart |condor_ce_q -allusers |condor_ce_rm JOB\.\.\.$|arcctl job |/usr/lib)",
    "in the logs: ",
    "  identity ",
    "    (mapped to|not mapped|jti:|to see the subject:)",
    "  and [0-9,]+ ",
    "  unknown for [0-9,]+: ",
)
OWN = re.compile("|".join(_BEGINS))


class Logs(NamedTuple):
    """A site, and two logs with lines made by chance, one of them compressed. `good` counts the records of GOOD."""

    folder: Path
    paths: tuple[str, str]
    good: int


class Answer(NamedTuple):
    """The exit code of a command, and what it printed."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Logs:
    """Write a site and the logs."""
    folder = tmp_path_factory.mktemp("fuzzed")
    (folder / "site.yaml").write_text(SITE)
    (folder / "bans.d").mkdir()
    build = [executable("vomap"), "build", "--mapfiles", "site.yaml", "--bans", "bans.d", "--output", "policy"]
    subprocess.run(build, cwd=folder, check=True, capture_output=True, timeout=PATIENCE)
    lines = LogLines(SEED)
    half = LINES // 2
    (folder / "a.log").write_bytes(b"".join(lines.line() for _ in range(half)))
    with gzip.open(folder / "b.log.gz", "wb", compresslevel=1) as file:
        file.writelines(lines.line() for _ in range(LINES - half))
    size = sum(path.stat().st_size for path in folder.glob("*.log*"))
    print(f"\n{LINES:,} lines from seed {SEED}, {size:,} bytes, {lines.good:,} whole records of {GOOD}")
    return Logs(folder, ("a.log", "b.log.gz"), lines.good)


def _run(logs: Logs, *words: str) -> Answer:
    begun = time.monotonic()
    command = [executable("vomap"), *words]
    done = subprocess.run(command, cwd=logs.folder, capture_output=True, check=False, timeout=PATIENCE)
    # Not `text`, which would take a carriage return for a line end.
    answer = Answer(done.returncode, done.stdout.decode("ascii"), done.stderr.decode("ascii"))
    print(f"{' '.join(words[:2])}: {time.monotonic() - begun:.1f} s, exit {answer.code}")
    assert "Traceback" not in answer.err
    assert not (logs.folder / "INJECTED").exists()
    return answer


def _assert_own_lines(answer: Answer) -> None:
    """Each printed line is printable, and begins with vomap's own words. None is a command of a stranger."""
    for line in (answer.out + answer.err).removesuffix("\n").split("\n"):
        assert line.isprintable(), line
        assert OWN.match(line), line
        assert not line.strip().startswith(COMMAND), line


def _left_out(err: str) -> int:
    (number,) = re.findall(r"left out ([0-9,]+) lines of the logs; the first is a\.log:[0-9]+: ", err)
    return int(number.replace(",", ""))


def test_replay(logs: Logs) -> None:
    """Each whole record is decided again, and the report has the number of lines that are left out, once each."""
    answer = _run(logs, "replay", *logs.paths, "--mapfiles", "site.yaml")
    assert answer.code == 3
    _assert_own_lines(answer)
    assert f"{logs.good:>9,}  One: mapped to before (rule: r) -> mapped to {GOOD} (rule: {GOOD})\n" in answer.out
    assert 0 < _left_out(answer.err) < LINES - logs.good


def test_replay_for_programs(logs: Logs) -> None:
    """The JSON output has the same, and no text of a stranger but as a text of JSON."""
    answer = _run(logs, "replay", *logs.paths, "--mapfiles", "site.yaml", "--json")
    found: dict[str, Any] = json.loads(answer.out)
    changes = {each["after"]["account"]: each["count"] for each in found["changes"] if each["after"]["rule"] == GOOD}
    assert changes == {GOOD: logs.good}
    assert found["undecidable"]
    accounts = {each[when]["account"] for each in found["changes"] for when in ("before", "after")}
    assert {account for account in accounts if account is not None and not is_account(account)} == set()


def test_replay_against_a_table(logs: Logs) -> None:
    """Whole records that the table names are compared with it, and all others counted."""
    (logs.folder / "owners").write_text(f"{ISSUER}\t{GOOD}\t{GOOD}\n")
    answer = _run(logs, "replay", *logs.paths, "--mapfiles", "site.yaml", "--against", "owners")
    assert answer.code == 3
    _assert_own_lines(answer)
    assert answer.out.startswith(f"decided again: {logs.good:,}; the same: {logs.good:,}; changed: 0\n")


@pytest.mark.parametrize("condition", [["--subject", GOOD], ["--issuer", ISSUER], ["--claim", "email=x"]])
def test_ban_add(logs: Logs, condition: list[str]) -> None:
    """The ban is in force, its report is whole, and the decisions of whole records are counted."""
    places = ["--bans", "bans.d", "--policy", "policy"]
    answer = _run(logs, "ban", "add", *condition, "--reason", "fuzz", *places, "--log", *logs.paths)
    assert answer.code == 0
    assert answer.out.startswith("added; ")
    own = answer._replace(out=re.sub(r"(?m)^    condor_ce_rm -constraint '.*'$", "added; ", answer.out))
    _assert_own_lines(own)
    assert _left_out(answer.err) > 0
    for_programs = _run(logs, "ban", "add", *condition, "--reason", "fuzz", *places, "--log", *logs.paths, "--json")
    found = json.loads(for_programs.out)["log"]
    of_good = [each["decisions"] for each in found["identities"] if each["subject"] == GOOD]
    if condition[0] == "--claim":
        assert found["unknown"]["the log does not keep a claim that the ban asks for"] >= logs.good
    else:
        assert of_good == [logs.good]


def test_log_resolve(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For each hidden subject, and for each text that is not a pseudonym, `vomap log resolve` prints one plain line."""
    key = bytes(range(32))
    (tmp_path / "key").write_bytes(key)
    random = Random(SEED)
    for at in range(count(full=10_000, reduced=500)):
        text = "".join(
            map(chr, random.choices((*range(0x250), 0x2028, 0x202E, 0xD800, 0x1F600), k=random.randint(1, 40)))
        )
        given = make_pseudonym(key, ISSUER, text) if at % 2 else f"~{text}"
        code = run(["log", "resolve", given, "--issuer", ISSUER, "--key", str(tmp_path / "key")])
        out, err = capsys.readouterr()
        assert code == (0 if at % 2 else 1)
        (line,) = (out + err).removesuffix("\n").split("\n")
        assert line.isascii()
        assert line.isprintable()
