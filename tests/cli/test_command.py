"""The command `vomap` as a process: whatever is wrong around it, it says so in one line and ends as it should."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

VOMAP = str(Path(sys.executable).parent / "vomap")
MAPFILE = "mapfile: 1\nsite: {audience: ANY}\n"


def _shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "m.yaml").write_text(MAPFILE, "utf-8")
    command = ["/bin/sh", "-c", line.replace("vomap ", f"exec {VOMAP} ", 1)]
    # Without PYTHONUNBUFFERED and the like, as a user has it: they would hide what happens at the end.
    plain = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env=plain, timeout=60)


@pytest.mark.parametrize(
    "line",
    [
        "vomap check --mapfiles m.yaml >&-",
        "vomap check --mapfiles m.yaml >/dev/full",
        "vomap check --mapfiles m.yaml --json >/dev/full",
        "vomap check --mapfiles m.yaml <&-",
        "vomap explain --mapfiles m.yaml --claims - <&-",
        "vomap check --mapfiles missing.yaml",
        "vomap build --rollback --output missing",
    ],
)
def test_an_error(line: str, tmp_path: Path) -> None:
    """A failure of the command is exit 3 and one line on standard error."""
    done = _shell(line, tmp_path)
    assert done.returncode == 3, done.stderr
    assert done.stderr.startswith("vomap: ")
    assert len(done.stderr.splitlines()) == 1


def test_a_closed_standard_error(tmp_path: Path) -> None:
    """With standard error closed, it is exit 3 all the same."""
    assert _shell("vomap check --mapfiles m.yaml 2>&-", tmp_path).returncode == 3


@pytest.mark.parametrize("line", ["vomap", "vomap nothing", "vomap check --nothing", "vomap explain"])
def test_wrong_usage(line: str, tmp_path: Path) -> None:
    """Wrong usage is exit 2."""
    assert _shell(f"{line} ", tmp_path).returncode == 2


def test_a_missing_part(tmp_path: Path) -> None:
    """A part of vomap that cannot be imported is exit 3 and one line."""
    code = "import sys; sys.modules['vomap.cli.ban'] = None; from vomap.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, "check"], capture_output=True, text=True, check=False, cwd=tmp_path, timeout=60
    )
    assert done.returncode == 3
    assert done.stderr.splitlines() == [
        "vomap: ModuleNotFoundError: import of vomap.cli.ban halted; None in sys.modules"
    ]


def test_a_missing_part_of_the_command_itself(tmp_path: Path) -> None:
    """So is one without which there is no command at all, by pip's wrapper, which imports it unguarded."""
    code = "import sys; sys.modules['argparse'] = None; from vomap.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, "check"], capture_output=True, text=True, check=False, cwd=tmp_path, timeout=60
    )
    assert done.returncode == 3
    assert done.stderr.splitlines() == ["vomap: ModuleNotFoundError: import of argparse halted; None in sys.modules"]


def test_a_reader_that_goes_away(tmp_path: Path) -> None:
    """When the reader of the output ends, there is no traceback."""
    (tmp_path / "m.yaml").write_text(MAPFILE, "utf-8")
    line = f"{VOMAP} render htcondor --mapfiles m.yaml | head -n 0"
    done = subprocess.run(
        ["/bin/sh", "-c", line], capture_output=True, text=True, check=False, cwd=tmp_path, timeout=60
    )
    assert "Traceback" not in done.stderr
