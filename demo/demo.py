"""The demonstration: generate, build, send real-shaped tokens through both callouts, and compare with what must come.

Every answer comes from a process that is called as a CE calls it. A row that differs from tokens.yaml fails.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ces import arc_environment, htcondor_payload

HERE = Path(__file__).resolve().parent
BIN = Path(sys.executable).parent
EXIT_CODES = {
    "htcondor": {"mapped": 0, "declined": 1, "denied": 2},
    "arc": {"mapped": 0, "declined": 2, "denied": 2},
}
COLUMNS = ("who came", "VO", "HTCondor", "ARC", "rule", "why")


# Just what each CE takes for an account's name: HTCondor ends it at the newline, ARC takes every byte.
PRINTED = {"htcondor": "{}\n", "arc": "{}"}


@dataclass(frozen=True)
class Answer:
    """The result of a callout: its standard output, byte by byte, its reason and its exit code."""

    printed: str
    reason: str
    code: int


def main() -> int:
    """Run the demonstration, and return 1 if a row is not as expected."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--topology", default=HERE.parent / "mapfiles" / "osg-topology", help="the VO files")
    topology = parser.parse_args().topology
    with tempfile.TemporaryDirectory() as folder:
        policy = build(Path(folder), Path(topology))
        people = yaml.safe_load((HERE / "tokens.yaml").read_text("utf-8"))
        rows = [row_of(person, policy) for person in people]
    print_table([row for row, _ in rows])
    wrong = [problem for _, problems in rows for problem in problems]
    for problem in wrong:
        print(f"not as expected: {problem}", file=sys.stderr)
    print(f"{len(rows)} tokens, 2 CEs: {len(wrong) or 'no'} differences from what is expected")
    return 1 if wrong else 0


def build(folder: Path, topology: Path) -> Path:
    """Generate the OSG mapfile, put it beside the site's own, and build. Returns the built policy's path."""
    mapfiles, bans, policy = folder / "mapfiles.d", folder / "bans.d", folder / "policy"
    # A build takes settings and bans only from files that no other user can write. Other users may write the checkout.
    os.umask(0o022)
    mapfiles.mkdir()
    bans.mkdir()
    shutil.copyfile(HERE / "10-site.yaml", mapfiles / "10-site.yaml")
    shutil.copyfile(HERE / "bans.yaml", bans / "bans.yaml")
    vomap("generate", "osg", "--source", topology, "--output", mapfiles / "50-osg.yaml")
    for name in ("egi", "fermilab"):
        shutil.copyfile(HERE.parent / "mapfiles" / f"{name}.yaml", mapfiles / f"60-{name}.yaml")
    vomap("build", "--mapfiles", mapfiles, "--bans", bans, "--output", policy)
    return policy


def vomap(*words: object) -> str:
    """Run the `vomap` command and return its output. A command that fails ends the demonstration."""
    done = subprocess.run([BIN / "vomap", *map(str, words)], check=False, stdout=subprocess.PIPE, text=True)
    if done.returncode not in (0, 1) or (done.returncode and words[0] != "explain"):
        sys.exit(f"vomap {words[0]} ended with {done.returncode}")
    return done.stdout


def ask_htcondor(token: dict[str, Any], policy: Path) -> Answer:
    """Ask as HTCondor does: the payload on standard input."""
    return ask([BIN / "vomap-htcondor", "--policy", policy], htcondor_payload(token), {})


def ask_arc(token: dict[str, Any], policy: Path) -> Answer:
    """Ask as ARC does: variables, and a standard input that never ends."""
    reader, writer = os.pipe()
    try:
        return ask([BIN / "vomap-arc", "map", "--policy", policy], reader, arc_environment(token))
    finally:
        os.close(reader)
        os.close(writer)


def ask(command: list[Any], given: bytes | int, variables: dict[bytes, bytes]) -> Answer:
    """Run a callout with its standard input, bytes or a descriptor, and these variables."""
    source: dict[str, Any] = {"input": given} if isinstance(given, bytes) else {"stdin": given}
    done = subprocess.run(
        [os.fsencode(word) for word in command],
        check=False,
        capture_output=True,
        env={**os.environb, **variables},
        **source,
    )
    reason = done.stderr.decode().rstrip("\n").partition(": ")[2]
    return Answer(done.stdout.decode(), reason, done.returncode)


def row_of(person: dict[str, Any], policy: Path) -> tuple[tuple[str, ...], list[str]]:
    """Return the row of a user in the table, and the cells that are not as expected."""
    expected = person["expect"]
    answers = {"htcondor": ask_htcondor(person["token"], policy), "arc": ask_arc(person["token"], policy)}
    explained = json.loads(vomap("explain", "--json", "--policy", policy, "--claims", json.dumps(person["token"])))
    problems = []
    for ce, answer in answers.items():
        printed = PRINTED[ce].format(expected["account"]) if "account" in expected else ""
        wanted = (printed, EXIT_CODES[ce][expected["outcome"]])
        if (answer.printed, answer.code) != wanted:
            problems.append(f"{person['who']}: {ce} answered {answer.printed!r} and {answer.code}, expected {wanted}")
    problems += [
        f"{person['who']}: {key} is {explained[key]}, expected {expected[key]}"
        for key in ("vo", "rule")
        if key in expected and explained[key] != expected[key]
    ]
    htcondor, arc = (answer.printed.strip() or f"exit {answer.code}" for answer in answers.values())
    why = answers["htcondor"].reason.partition(": ")[2].partition(" (")[0]
    return (person["who"], explained["vo"] or "-", htcondor, arc, explained["rule"] or "-", why), problems


def print_table(rows: list[tuple[str, ...]]) -> None:
    """Print rows under their columns."""
    lines = [COLUMNS, *rows]
    widths = [max(len(line[at]) for line in lines) for at in range(len(COLUMNS))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())


if __name__ == "__main__":
    sys.exit(main())
