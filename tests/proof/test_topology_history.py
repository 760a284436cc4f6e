"""Each state of the OSG topology since 2021 gives a mapfile, and `vomap refresh` goes from each to the next.

osg_topology_history.jsonl.gz has the VO files of opensciencegrid/topology, up to its commit 5270db32f: the 45 states
that change a key that the generator reads. Other values are `x`. Broken files are as broken as they were.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from proof.counts import count
from vomap.cli import run
from vomap.mapfile.files import read_files
from vomap.osg.files import TopologyFiles
from vomap.osg.generate import Generation, generate
from vomap.refresh.candidate import find_failures
from vomap.refresh.meaning import read_meaning

HISTORY = Path(__file__).with_name("osg_topology_history.jsonl.gz")
# The states with a broken VO file: a key of IFAHURP-PRP is there twice, and an entry of SAGE has no value.
BROKEN = (17, 18, 19, 31)
REDUCED = (*range(16, 21), *range(30, 33))
SITE = "mapfile: 1\nsite: {audience: [ANY], accounts: {must-exist: no}%s}\n"
Capture = pytest.CaptureFixture[str]


@dataclass(frozen=True)
class State:
    """The VO files of one commit."""

    number: int
    date: str
    files: dict[str, bytes]

    def generated(self) -> Generation:
        """Return the mapfile of this state alone."""
        return generate(TopologyFiles(self.files), self.date)


def states() -> Iterator[State]:
    """Yield all states, the oldest first."""
    files: dict[str, bytes] = {}
    with gzip.open(HISTORY, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            change = json.loads(line)
            for path, text in change["files"].items():
                name = path.rpartition("/")[2]
                if text is None:
                    del files[name]
                else:
                    files[name] = text.encode()
            yield State(number, change["date"], dict(files))


def chosen() -> list[State]:
    """Return the states to try: all of them in full, else those around the broken ones."""
    numbers = range(45)[: count(full=45, reduced=0)] or REDUCED
    return [state for state in states() if state.number in numbers]


def test_the_history_is_whole() -> None:
    """It has 45 states, and four of them have a file with an error."""
    assert len(list(states())) == 45
    assert tuple(state.number for state in states() if state.generated().warnings) == BROKEN


def test_each_state_gives_a_mapfile() -> None:
    """No state is refused, no VO is left out, and the mapfile passes its own tests."""
    for state in states():
        generated = state.generated()
        assert generated.mapfile.broken == (), state.date
        assert generated.mapfile.kept == (), state.date
        assert generated.mapfile.vos >= 2, state.date


@pytest.mark.parametrize("serve", ["", ", serve: [CMS, OSG]"], ids=["all", "serve"])
def test_refresh_goes_from_each_state_to_the_next(tmp_path: Path, capsys: Capture, serve: str) -> None:
    """A state is installed, at once or when the administrator accepts it. None is refused without a way on."""
    (tmp_path / "mapfiles.d").mkdir()
    (tmp_path / "state").mkdir()
    (tmp_path / "mapfiles.d" / "10-site.yaml").write_text(SITE % serve)
    output = tmp_path / "state" / "osg.yaml"
    refresh = refresher(tmp_path, output, capsys)
    accepted = 0
    for state in chosen():
        write(tmp_path / "topology" / "virtual-organizations", state.files)
        code, report = refresh()
        assert report["faults"] == [], (state.date, report["faults"])
        if code:
            code, _ = refresh("--accept", report["digest"])
            accepted += 1
        assert code == 0, state.date
        assert output.read_text("utf-8").partition("mapfile:")[2] == state.generated().text.partition("mapfile:")[2]
        (tmp_path / "mapfiles.d" / "50-osg.yaml").unlink(missing_ok=True)
        (tmp_path / "mapfiles.d" / "50-osg.yaml").symlink_to(output)
    assert find_failures(read_files([str(output)]), 0) == []
    assert read_meaning(read_files([str(output)])).issuers
    print(f"{len(chosen())} states, of which the administrator accepted {accepted}")


def refresher(folder: Path, output: Path, capsys: Capture) -> Callable[..., tuple[int, dict[str, object]]]:
    """Return a function that refreshes from the topology in a folder, and returns the exit code and the report."""

    def refresh(*words: str) -> tuple[int, dict[str, object]]:
        capsys.readouterr()
        named = {"--source": folder / "topology", "--output": output, "--mapfiles": folder / "mapfiles.d"}
        places = [str(word) for pair in named.items() for word in pair]
        code = run(["refresh", *places, "--json", *words])
        return code, json.loads(capsys.readouterr().out)

    return refresh


def write(folder: Path, files: dict[str, bytes]) -> None:
    """Make a folder contain these files alone."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    for name, content in files.items():
        (folder / name).write_bytes(content)
