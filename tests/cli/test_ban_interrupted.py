"""A signal that comes between writes that belong together waits for the last of them, and standard error says so."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from cli.interrupted import SIGNALS, ended, interrupted
from vomap.bans.folder import LocalBanFile
from vomap.cli import run
from vomap.cli.console import FAILED
from vomap.store import read_bans, read_policy


class Bans:
    """A folder of bans with one ban."""

    def __init__(self, folder: Path) -> None:
        """Add a ban."""
        self.folder, self.policy = folder / "bans.d", folder / "policy"
        self.folder.mkdir()
        self.kept = self.folder / "vomap-ban.yaml"
        self.words = ["--bans", str(self.folder), "--policy", str(self.policy)]
        LocalBanFile(str(self.folder), f"{self.policy}.bans").add({"subject": "a", "reason": "a"})

    def state(self) -> tuple[bool, list[str]]:
        """Return whether a ban of b is written, and the reasons of those that are in force."""
        return '"b"' in self.kept.read_text("utf-8"), [ban.reason for ban in read_bans(f"{self.policy}.bans").all()]


@pytest.fixture
def bans(tmp_path: Path) -> Bans:
    """Return a folder of bans with one ban."""
    return Bans(tmp_path)


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("is_broken", [False, True])
def test_a_signal_between_the_writes_of_add(bans: Bans, number: signal.Signals, is_broken: bool) -> None:
    """The ban is written and in force, also where another file of bans cannot be read, and standard error says so."""
    if is_broken:
        (bans.folder / "README").touch()
    at = "vomap.store.writer.put_in_place"
    code, errors = interrupted(at, number, "ban", "add", "--subject", "b", "--reason", "b", *bans.words)
    assert bans.state() == (True, ["a", "b"])
    assert code == ended(number)
    assert f"{number.name} arrived during a write: {bans.kept} and {bans.policy}.bans are written" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_between_the_writes_of_lift(bans: Bans, number: signal.Signals) -> None:
    """The same holds for a ban that is lifted, be it the last one or not."""
    at = "vomap.store.writer.put_in_place"
    LocalBanFile(str(bans.folder), f"{bans.policy}.bans").add({"subject": "b", "reason": "b"})
    code, errors = interrupted(at, number, "ban", "lift", "--subject", "b", *bans.words)
    assert (code, bans.state()) == (ended(number), (False, ["a"]))
    assert "are written" in errors
    code, errors = interrupted(at, number, "ban", "lift", "--subject", "a", *bans.words)
    assert (code, bans.kept.exists()) == (ended(number), False)
    assert list(read_bans(f"{bans.policy}.bans").all()) == []


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("at", ["vomap.bans.folder.with_ban", "vomap.bans.folder.read_files"])
def test_a_signal_before_the_writes(bans: Bans, number: signal.Signals, at: str) -> None:
    """An interrupted command writes nothing, and standard error says that it was interrupted."""
    code, errors = interrupted(at, number, "ban", "add", "--subject", "b", "--reason", "b", *bans.words)
    assert bans.state() == (False, ["a"])
    assert code == ended(number)
    assert ("interrupted" in errors) == (number == signal.SIGINT)
    assert "are written" not in errors


def test_a_signal_that_is_ignored(bans: Bans) -> None:
    """Under `nohup` nothing is said of a SIGHUP, and the command goes on."""
    words = ["ban", "add", "--subject", "b", "--reason", "b", *bans.words]
    code, errors = interrupted("vomap.store.writer.put_in_place", signal.SIGHUP, *words, ignored=True)
    assert (code, bans.state()) == (0, (True, ["a", "b"]))
    assert "SIGHUP" not in errors


def test_a_ban_that_cannot_be_built_is_not_written(bans: Bans, capsys: pytest.CaptureFixture[str]) -> None:
    """On a full disk, say, the file of bans stays as it was: no ban is written that is not in force."""
    before = bans.kept.read_text("utf-8")
    built = Path(f"{bans.policy}.bans")
    built.unlink()
    built.mkdir()
    assert run(["ban", "add", "--subject", "b", "--reason", "b", *bans.words]) == FAILED
    assert f"{built}: cannot be written" in capsys.readouterr().err
    assert bans.kept.read_text("utf-8") == before


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("turn", [1, 2])
def test_a_signal_between_the_writes_of_a_rollback(tmp_path: Path, number: signal.Signals, turn: int) -> None:
    """The policy is exchanged, the mark for automatic builds is there, and there is no older policy."""
    site, policy, bans = tmp_path / "site.yaml", tmp_path / "policy", tmp_path / "bans.d"
    bans.mkdir()
    digests = []
    for audience in ("one", "two"):
        site.write_text(f"mapfile: 1\nsite: {{audience: {audience}}}\n", "utf-8")
        assert run(["build", "--mapfiles", str(site), "--bans", str(bans), "--output", str(policy)]) == 0
        digests.append(read_policy(str(policy)).digest)
    words = ["build", "--rollback", "--output", str(policy)]
    code, errors = interrupted("vomap.compile.rollback.replace_file", number, *words, turn=turn)
    assert code == ended(number)
    assert read_policy(str(policy)).digest == digests[0]
    assert not Path(f"{policy}.previous").exists()
    assert Path(f"{policy}.rolled-back").exists()
    assert f"arrived during a write: {policy} is the policy before again" in errors
