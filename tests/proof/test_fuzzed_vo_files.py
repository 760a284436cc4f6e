"""VO files of attackers: real ones with bytes and structures changed. No other VO of the mapfile loses anything.

`pytest -s tests/proof/test_fuzzed_vo_files.py` prints the counts. The draws depend on the seed alone.
"""

from __future__ import annotations

import copy
import random
import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from proof.counts import count
from vomap.cli import run
from vomap.mapfile.files import Mapfile
from vomap.osg.files import TopologyError, TopologyFiles
from vomap.osg.generate import Generation, generate
from vomap.osg.in_force import InForce
from vomap.refresh.candidate import find_failures
from vomap.refresh.kept import read_in_force

SNAPSHOT = Path(__file__).parents[2] / "mapfiles" / "osg-topology" / "virtual-organizations"
SEED = 20260821
# Seconds for one topology. A hang would take for ever.
PATIENCE = 120
# How many files a round mutates, of 54.
MUTATED = 40
ROUNDS = count(full=2_500, reduced=20)
# Of the rounds, one of so many also generates one VO alone, runs the command, and builds and tests the mapfile.
EACH_VO, EACH_COMMAND, EACH_BUILD = 2, 10, 50
TOKENS = [
    *(
        b"&a ",
        b"*a",
        b"<<: *a",
        b"<<: ",
        b"!!python/object:os.system ",
        b"!!binary ",
        b"---\n",
        b"...\n",
        b"%YAML 9.9\n",
    ),
    *(
        b"\t",
        b"\0",
        b"\r",
        b"\x0b",
        b"\x85",
        b"\xe2\x80\xa8",
        b"\xff",
        b"\xed\xa0\x80",
        b"\xef\xbb\xbf",
        b"\x1b[2J",
        b"'",
    ),
    *(
        b'"',
        b": ",
        b"? ",
        b"- ",
        b"{",
        b"}",
        b"[",
        b"]",
        b"|\n",
        b">\n",
        b"# ",
        b"\n",
        b"\nvomap: all is well\n",
        b"null",
    ),
    *(
        b"root",
        b"https://cms-auth.web.cern.ch/",
        b"https://",
        b"*",
        b"<user>",
        b"/",
        b"[" * 2000,
        b"{" * 500,
        b"9" * 5000,
    ),
]
VALUES: list[Any] = [
    *(None, "", [], {}, [[]], {"a": {}}, 0, -1, 1.5, True, "x" * 300, "\n", "a b", "root", "*", "<user>", "null"),
    *("https://cms-auth.web.cern.ch/", "https://scitokens.org/ligo", "http://x", "cmspilot", {"Name": "Fermilab"}),
    *(["nova"], ["fermilab"], {"TokenIssuers": []}, [{"URL": None, "DefaultUnixUser": None}], "\x1b[31m", "\u202e"),
]
KEYS = ["Credentials", "TokenIssuers", "URL", "Subject", "DefaultUnixUser", "Description", "ParentVO", "Name", "x", ""]
NAMES = ["Evil\nvomap: all is well", "Evil\x1b[2J", "a b", "cms", "CMS ", "..", "\u202e", "Evil\r", "x" * 200]
OWN_WORDS = re.compile(r"vomap: |  error: ")
OF_A_MAPFILE = re.compile(r"$|# |#$|mapfile: 1$|issuers:$|rules:$|tests:$|  ")


def vo_files() -> dict[str, bytes]:
    """Return the real VO files with issuers, the children of Fermilab, and some others."""
    files = {path.name: path.read_bytes() for path in sorted(SNAPSHOT.glob("*.yaml"))}
    named = {name for name, content in files.items() if b"TokenIssuers" in content or b"Fermilab" in content}
    return {name: files[name] for name in sorted({*named, "REPORTING_GROUPS.yaml", *sorted(files)[:5]})}


def byte_mutation(content: bytes, others: list[bytes], draw: random.Random) -> bytes:
    """Return a file with some bytes changed."""
    data = bytearray(content)
    for _ in range(draw.choice((1, 1, 2, 5, 20))):
        at = draw.randrange(len(data) + 1)
        end = min(len(data), at + draw.choice((1, 1, 4, 30)))
        kind = draw.randrange(6)
        if kind == 0:
            data[at:end] = draw.randbytes(end - at)
        elif kind == 1:
            del data[at:end]
        elif kind == 2:
            data[at:at] = draw.choice(TOKENS)
        elif kind == 3:
            data[at:at] = data[draw.randrange(len(data) + 1) :][:200]
        elif kind == 4:
            data[at:at] = draw.choice(others)[:500]
        else:
            del data[at:]
    return bytes(data)


def structure_mutation(content: bytes, others: list[bytes], draw: random.Random) -> bytes:
    """Return a file with some values, keys and members changed."""
    document: Any = yaml.load(content, Loader=yaml.BaseLoader)
    for _ in range(draw.choice((1, 1, 2, 4))):
        holders = [node for node in nodes(document) if isinstance(node, (dict, list)) and node]
        if not holders:
            break
        change(draw.choice(holders), others, draw)
    return yaml.safe_dump(document, sort_keys=False, default_flow_style=draw.choice((None, True, False))).encode()


def nodes(document: Any) -> Iterator[Any]:
    """Yield each value of a document."""
    yield document
    for each in document.values() if isinstance(document, dict) else document if isinstance(document, list) else ():
        yield from nodes(each)


def change(holder: Any, others: list[bytes], draw: random.Random) -> None:
    """Change one value, key or member of a mapping or a list."""
    key = draw.choice(list(holder)) if isinstance(holder, dict) else draw.randrange(len(holder))
    value = copy.deepcopy(draw.choice([*VALUES, draw.choice(others).decode("utf-8", "replace")]))
    kind = draw.randrange(4)
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, dict):
        holder[draw.choice(KEYS)] = copy.deepcopy(holder[key]) if draw.randrange(2) else value
    elif kind == 1:
        holder.insert(key, copy.deepcopy(holder[key]) if draw.randrange(2) else value)
    else:
        holder[key] = value


MUTATIONS: tuple[Callable[[bytes, list[bytes], random.Random], bytes], ...] = (byte_mutation, structure_mutation)


def mutated(files: dict[str, bytes], draw: random.Random) -> dict[str, bytes]:
    """Return the mutated files of one round, and perhaps one with another name."""
    names = draw.sample([name for name in files if name != "REPORTING_GROUPS.yaml"], MUTATED)
    others = list(files.values())
    found = {name: draw.choice(MUTATIONS)(files[name], others, draw) for name in names}
    if draw.randrange(4) == 0:
        found[f"{draw.choice(NAMES)}.yaml"] = draw.choice(MUTATIONS)(draw.choice(others), others, draw)
    return found


def part_of(generated: Generation, vo: str) -> tuple[object, ...]:
    """Return what a mapfile has of one VO: its issuers, and its rules without their names."""
    issuers = [issuer.url for issuer in generated.mapfile.issuers if issuer.vo == vo]
    rules = [(rule.issuer, rule.subject, rule.account) for rule in generated.mapfile.rules if rule.vo == vo]
    return issuers, rules


def names_of(generated: Generation) -> dict[str, str]:
    """Return the VO of each name in the tokens of Fermilab."""
    return {name: vo for issuer in generated.mapfile.issuers if issuer.names for name, vo in issuer.names.vos.items()}


@contextmanager
def time_limit() -> Iterator[None]:
    """End what takes too long."""

    def end(*_: object) -> None:
        raise TimeoutError("a hang")

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(PATIENCE)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="module")
def in_force() -> tuple[Generation, InForce]:
    """Return the mapfile of the real files, and what it has in force."""
    generated = generate(TopologyFiles(vo_files()), "topology")
    return generated, read_in_force(Mapfile("osg.yaml", generated.text))


def test_no_vo_loses_anything_by_the_file_of_another(
    in_force: tuple[Generation, InForce], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each round mutates 40 files. A VO whose file is not among them keeps all that it has in force."""
    begun = time.monotonic()
    seen = try_rounds(range(ROUNDS), *in_force, tmp_path, capsys)
    assert min(seen[each] for each in ("left_out", "kept", "one VO", "built", "command: 3")) > 0
    print(f"{ROUNDS} topologies in {time.monotonic() - begun:.0f} s: {dict(seen)}")


def try_rounds(
    numbers: range, real: Generation, before: InForce, folder: Path, capsys: pytest.CaptureFixture[str]
) -> Counter[str]:
    """Try rounds, each of which has a seed of its own, and return what was counted."""
    files, seen = vo_files(), Counter[str]()
    for number in numbers:
        changed = mutated(files, random.Random(SEED + number))
        with time_limit():
            after = generate(TopologyFiles({**files, **changed}), "topology", in_force=before)
            intact = sorted({issuer.vo for issuer in real.mapfile.issuers if f"{issuer.vo}.yaml" not in changed})
            for vo in intact:
                assert part_of(after, vo) == part_of(real, vo), (number, vo)
            check_names(real, after, changed, number)
            check_claims(real, after, number)
            seen.update(files=len(changed), left_out=len(after.mapfile.broken), kept=len(after.mapfile.kept))
            if intact and number % EACH_VO == 0:
                vo = intact[number // EACH_VO % len(intact)]
                seen[one_vo(real, {**files, **changed}, vo, changed)] += 1
            if number % EACH_COMMAND == 0:
                seen[check_command({**files, **changed}, folder, capsys)] += 1
            if number % EACH_BUILD == 0:
                assert find_failures([Mapfile("osg.yaml", after.text)], 0) == []
                seen["built"] += 1
    return seen


def check_names(real: Generation, after: Generation, changed: dict[str, bytes], number: int) -> None:
    """Check that a name in tokens never goes from a VO whose file is intact, or broken, to another VO."""
    names = names_of(after)
    broken = {vo.lower() for vo in after.mapfile.kept}
    for name, vo in names_of(real).items():
        if f"{vo}.yaml" not in changed or vo.lower() in broken:
            assert names.get(name) == vo or "Fermilab.yaml" in changed, (number, name)


def check_claims(real: Generation, after: Generation, number: int) -> None:
    """Check that an issuer moves to another VO only if the file of its owner is valid and does not name it."""
    owners = {issuer.url: issuer.vo for issuer in after.mapfile.issuers}
    assert len(owners) == len(after.mapfile.issuers), number
    for issuer in real.mapfile.issuers:
        if issuer.vo in after.mapfile.kept:
            assert owners[issuer.url] == issuer.vo, (number, issuer.url)


def one_vo(real: Generation, files: dict[str, bytes], vo: str, changed: dict[str, bytes]) -> str:
    """Generate one VO without a mapfile in force. Only a file that names its issuer, or gives it names, can stop it."""
    try:
        generated = generate(TopologyFiles(files), "topology", only=[vo])
    except TopologyError as error:
        told = str(error)
        claims = " too: an issuer belongs to one VO" in told or "is the same VO as" in told
        assert claims or (vo == "Fermilab" and ("the token name" in told or "malformed part" in told)), told
        return "contested"
    assert part_of(generated, vo) == part_of(real, vo), changed
    return "one VO"


def check_command(files: dict[str, bytes], folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Run the command on a folder. Each line of its output begins with words of vomap."""
    topology = folder / "virtual-organizations"
    topology.mkdir(exist_ok=True)
    for path in topology.iterdir():
        path.unlink()
    for name, content in files.items():
        (topology / name).write_bytes(content)
    capsys.readouterr()
    code = run(["generate", "osg", "--source", str(folder)])
    printed = capsys.readouterr()
    assert code in {0, 3}
    assert "Traceback" not in printed.err
    for line in printed.err.splitlines():
        assert OWN_WORDS.match(line), line
        assert line.isascii(), line
        assert line.isprintable(), line
    for line in printed.out.splitlines():
        assert OF_A_MAPFILE.match(line), line
    return f"command: {code}"
