"""The layouts of vomap on a CE: by pip, and as a package for Enterprise Linux. And the bare interpreter."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from policies import ROOT
from processes import BenchError
from progress import tell
from tables import Settings

HTCONDOR, ARC = "vomap-htcondor", "vomap-arc"
PIP, RPM = "pip", "RPM"
_ABOUT = """
import json, os, sys, sysconfig
print(json.dumps({
    "program": os.path.realpath(sys.executable),
    "folder": f"python{sys.version_info[0]}.{sys.version_info[1]}",
    "platlibdir": sys.platlibdir,
    "stdlib": sysconfig.get_path("stdlib"),
    "version": sys.version.split()[0],
}))
"""


@dataclass(frozen=True)
class Layouts:
    """The layouts of this run, all for one interpreter.

    `bare` is the interpreter of a fresh virtual environment, `python` that of the one with vomap in it, `vomap` the
    command there, and `callouts` has the program of each callout, by layout and name.
    """

    bare: str
    bare_startup_files: tuple[str, ...]
    python: str
    vomap: str
    callouts: dict[tuple[str, str], str]


def lay_out(work: Path, settings: Settings) -> Layouts:
    """Lay everything out under a folder, unless that has been done already."""
    bare, pip, rpm = work / "bare", work / "pip", work / "rpm"
    if not bare.exists():
        tell("the layouts: a bare interpreter, pip's and the RPM's")
        for folder in (pip, bare):
            _run(settings.python, "-m", "venv", str(folder))
        wheel = _wheel(work)
        _pip(str(pip / "bin" / "python"), "install", str(wheel))
        _lay_out_rpm(rpm, _about(settings.python), str(pip / "bin" / "python"), wheel)
    places = {PIP: pip / "bin", RPM: rpm / "libexec" / "vomap"}
    return Layouts(
        bare=str(bare / "bin" / "python"),
        bare_startup_files=tuple(sorted({path.name for path in bare.glob("lib*/python*/site-packages/*.pth")})),
        python=str(pip / "bin" / "python"),
        vomap=str(pip / "bin" / "vomap"),
        callouts={(layout, name): str(places[layout] / name) for layout in places for name in (HTCONDOR, ARC)},
    )


def version_of(python: str) -> str:
    """Return the version of an interpreter."""
    return _about(python)["version"]


def _about(python: str) -> dict[str, str]:
    about: dict[str, str] = json.loads(_output(python, "-c", _ABOUT))
    return about


def _wheel(work: Path) -> Path:
    """Build the wheel of the checkout, from a copy: a build leaves files behind. Return its path."""
    source, target = work / "source", work / "wheel"
    listed = _output("git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in listed.split("\0"):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, source / name)
    _pip(sys.executable, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(target), str(source))
    (wheel,) = target.glob("vomap-*.whl")
    return wheel


def _lay_out_rpm(root: Path, about: dict[str, str], python: str, wheel: Path) -> None:
    """Lay out what a package installs, below a root of its own.

    A callout of a package starts with `-IS`: no `site`, so no .pth file and no search for user folders, and takes
    {sys.prefix}/lib/pythonX.Y/site-packages as the one folder of libraries. To have a `sys.prefix` of our own without
    a chroot, the root gets a copy of the interpreter's program and links to its standard library. An interpreter finds
    its prefix by the place of its program. The callouts are the checkout's, but for their first line.
    """
    program = root / "bin" / "python3"
    program.parent.mkdir(parents=True)
    shutil.copy(about["program"], program)
    stdlib = root / about["platlibdir"] / about["folder"]
    stdlib.mkdir(parents=True)
    for entry in Path(about["stdlib"]).iterdir():
        if entry.name not in ("site-packages", "dist-packages"):
            (stdlib / entry.name).symlink_to(entry)
    prefix = _output(str(program), "-IS", "-c", "import sys; print(sys.prefix)").strip()
    if prefix != str(root):
        raise BenchError(f"this interpreter's prefix is {prefix} wherever its program lies: no RPM layout with it")
    library = root / "lib" / about["folder"] / "site-packages"
    _pip(python, "install", "--no-deps", "--target", str(library), str(wheel))
    _run(python, "-m", "compileall", "-q", str(library))
    callouts = root / "libexec" / "vomap"
    callouts.mkdir(parents=True)
    for name in (HTCONDOR, ARC):
        _, _, rest = (ROOT / "plugins" / "bin" / name).read_text("utf-8").partition("\n")
        (callouts / name).write_text(f"#!{program} -IS\n{rest}", "utf-8")
        (callouts / name).chmod(0o755)


def _pip(python: str, *words: str) -> None:
    _run(python, "-m", "pip", "--quiet", "--disable-pip-version-check", *words)


def _run(*words: str) -> None:
    _output(*words)


def _output(*words: str) -> str:
    # Without PYTHONPATH and its like: they would change what a layout loads.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=kept)
    if done.returncode != 0:
        raise BenchError(f"{' '.join(words)}: exit {done.returncode}: {done.stderr.strip()}")
    return done.stdout
