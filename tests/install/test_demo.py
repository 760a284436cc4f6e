"""The demonstration shows what is there: it passes as it ships, and a changed VO file changes its row."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TOPOLOGY = ROOT / "mapfiles" / "osg-topology"


def _demo(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "demo" / "demo.py"), *words]
    variables = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=variables)


def test_the_demonstration_passes() -> None:
    """A dozen families of tokens and more get the answers that the demonstration expects."""
    done = _demo()
    assert done.returncode == 0, done.stderr
    assert "15 tokens, 2 CEs: no differences" in done.stdout


def test_a_changed_account_changes_the_row(tmp_path: Path) -> None:
    """With another account in a VO file, the row shows that account on both CEs, and the demonstration fails."""
    shutil.copytree(TOPOLOGY, tmp_path / "topology")
    vo_file = tmp_path / "topology" / "virtual-organizations" / "ATLAS.yaml"
    vo_file.write_text(vo_file.read_text("utf-8").replace("usatlas1", "usatlas9"), "utf-8")
    done = _demo("--topology", str(tmp_path / "topology"))
    assert done.returncode == 1
    (row,) = [line for line in done.stdout.splitlines() if line.startswith("ATLAS production")]
    assert row.split().count("usatlas9") == len(["HTCondor", "ARC"])
    assert "ATLAS production: arc answered 'usatlas9'" in done.stderr
