"""The wheel, installed into an empty virtual environment and used from the root folder, is all that a user needs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOKEN = {"iss": "https://cms-auth.web.cern.ch/", "sub": "bad55f4e-602c-4e8d-a5c5-bd8ffb762113", "aud": "ANY"}


def _run(*words: object, given: str = "", code: int = 0, variables: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        [str(word) for word in words],
        input=given,
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env={"PATH": "/usr/bin:/bin", **(variables or {})},
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built with the setuptools that is installed beside the tests."""
    source = tmp_path_factory.mktemp("source")
    listed = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.check_output(listed, text=True).split("\0"):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, source / name)
    target = tmp_path_factory.mktemp("wheel")
    build: list[Path | str] = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        target,
        source,
    ]
    subprocess.run(build, check=True, cwd="/")
    (found,) = target.glob("vomap-*.whl")
    return found


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of executables of an empty environment with the wheel in it, and the libraries of this one."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, with_pip=True)
    subprocess.run([folder / "bin" / "pip", "--quiet", "install", "--no-deps", wheel], check=True, cwd="/")
    (site,) = folder.glob("lib/python*/site-packages")
    libraries = next(path for path in sys.path if path.endswith("site-packages"))
    # The libraries alone: this environment's own vomap, which may be an editable one, must not be found there.
    for entry in Path(libraries).iterdir():
        if "vomap" not in entry.name and entry.suffix != ".pth" and not (site / entry.name).exists():
            (site / entry.name).symlink_to(entry)
    return folder / "bin"


def test_the_wheel_holds_what_ships(wheel: Path) -> None:
    """Schemas, mapfiles and executables are in the wheel, every one of them."""
    names = zipfile.ZipFile(wheel).namelist()
    wanted = [f"share/vomap/{path.parent.name}/{path.name}" for path in ROOT.glob("schemas/*.json")]
    wanted += [f"share/vomap/{path.parent.name}/{path.name}" for path in ROOT.glob("mapfiles/*.yaml")]
    # An old setuptools makes an underscore of a dash in a folder's name, so that no such folder may have one.
    wanted += [f"share/vomap/{path.relative_to(ROOT)}" for path in ROOT.glob("packaging/htcondor/*")]
    wanted += [f"scripts/{path.name}" for path in ROOT.glob("plugins/bin/*")]
    assert len(wanted) >= len(["two schemas", "", "three mapfiles", "", "", "settings", "two executables", ""])
    for ending in wanted:
        assert any(name.endswith(ending) for name in names), ending


def test_build_and_answer_from_the_root_folder(installed: Path, tmp_path: Path) -> None:
    """A site builds from the mapfiles that ship, and both executables answer from it."""
    mapfiles, bans, policy = tmp_path / "mapfiles.d", tmp_path / "bans.d", tmp_path / "policy"
    mapfiles.mkdir()
    bans.mkdir()
    (mapfiles / "10-site.yaml").write_text("mapfile: 1\nsite: {audience: ANY, accounts: {must-exist: no}}\n")
    for name in ("osg", "egi", "fermilab"):
        (mapfiles / f"50-{name}.yaml").symlink_to(installed.parent / "share" / "vomap" / "mapfiles" / f"{name}.yaml")
    _run(installed / "vomap", "build", "--mapfiles", mapfiles, "--bans", bans, "--output", policy)
    token = {**TOKEN, "scope": "compute.create"}
    answer = _run(installed / "vomap-htcondor", "--policy", policy, given=json.dumps(token))
    assert answer == "cmspilot\n"
    variables = {f"BEARER_TOKEN_0_CLAIM_{name}_0": value for name, value in token.items()}
    variables.update(BEARER_TOKEN_0_ISSUER=TOKEN["iss"], BEARER_TOKEN_0_SUBJECT=TOKEN["sub"])
    variables.update(BEARER_TOKEN_0_AUDIENCE_0="ANY", BEARER_TOKEN_0_SCOPE_0="compute.create")
    assert _run(installed / "vomap-arc", "map", "--policy", policy, variables=variables) == "cmspilot"


def test_the_executables_ask_for_isolation() -> None:
    """No variable of a daemon may reach the interpreter where the installer leaves the first line alone."""
    for script in (ROOT / "plugins" / "bin").iterdir():
        assert script.read_text("utf-8").splitlines()[0] == "#!/usr/bin/python3 -I"


def test_generate_from_the_root_folder(installed: Path, tmp_path: Path) -> None:
    """The generator needs nothing of the checkout but the VO files that it is given."""
    output = tmp_path / "osg.yaml"
    _run(installed / "vomap", "generate", "osg", "--source", ROOT / "mapfiles" / "osg-topology", "--output", output)
    assert output.read_bytes() == (ROOT / "mapfiles" / "osg.yaml").read_bytes()


def test_the_installed_code_is_the_wheels(installed: Path) -> None:
    """Nothing of the checkout is on the installed interpreter's path."""
    where = _run(installed / "python", "-c", "import vomap; print(vomap.__file__)")
    assert os.path.realpath(where.strip()).startswith(os.path.realpath(installed.parent))


def test_every_verb_from_the_root_folder(installed: Path, tmp_path: Path) -> None:
    """Each verb, and the authgroup plugin, work with what the wheel brought and nothing else."""
    vomap, root = installed / "vomap", tmp_path / "root"
    (root / "etc" / "condor-ce").mkdir(parents=True)
    limits = ["--never", "condor", "--minimum-uid", "500"]
    flags = ["--audience", "ANY", "--mapfile", "osg", "--mapfile", "egi", "--callouts", installed, "--yes", *limits]
    _run(vomap, "init", "--root", root, *flags)
    mapfiles, bans = root / "etc/vomap/mapfiles.d", root / "etc/vomap/bans.d"
    policy, sources = root / "var/lib/vomap/policy", ["--mapfiles", mapfiles, "--bans", bans]
    _run(vomap, "check", *sources)
    _run(vomap, "test", *sources)
    _run(vomap, "build", *sources, "--output", policy)
    token = json.dumps({**TOKEN, "scope": "compute.create"})
    assert '"account": "cmspilot"' in _run(vomap, "explain", "--policy", policy, "--claims", token, "--json")
    _run(vomap, "ban", "add", "--bans", bans, "--policy", policy, "--vo", "CMS", "--reason", "x")
    _run(vomap, "explain", "--policy", policy, "--claims", token, code=1)
    _run(vomap, "ban", "list", "--bans", bans)
    _run(vomap, "ban", "lift", "--bans", bans, "--policy", policy, "--vo", "CMS")
    assert "PLUGIN:VOMAP" in _run(vomap, "render", "htcondor", "--policy", policy)
    lines = json.loads(_run(vomap, "status", "--root", root, "--callouts", installed, "--json", code=1))
    # This machine is not a CE: it has no user condor.
    assert {line["what"] for line in lines if line["colour"] == "red"} <= {"vomap-htcondor"}
    _run(installed / "vomap-arc", "authorize", "--policy", policy, code=1)
