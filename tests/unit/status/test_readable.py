"""`vomap status` finds the files that HTCondor-CE's user cannot read."""

from __future__ import annotations

import os
import pwd
import re
import subprocess
from pathlib import Path

import pytest

from vomap import Error
from vomap.ces.htcondor_files import read_map_files
from vomap.ces.kinds import HtcondorCe, known_ces
from vomap.status import RED
from vomap.status.htcondor import find_unasked
from vomap.status.readable import find_unreadable, unreadable_lines

ETC = "etc/condor-ce"
MAPFILES, SETTINGS = f"{ETC}/mapfiles.d", f"{ETC}/config.d"
ISSUER = "https://one.example/"
LINE = "SCITOKENS /^https:\\/\\/one\\.example\\/,/ acct\n"


@pytest.fixture
def ce(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HtcondorCe:
    """Return a CE whose files are root's, with a user to whom modes count."""
    root = tmp_path / "root"
    for path, text in {
        f"{ETC}/condor_mapfile": "@include /etc/condor-ce/mapfiles.d/\n@include /usr/share/condor-ce/mapfiles.d/\n",
        f"{MAPFILES}/05-vomap.conf": LINE.replace("acct", "PLUGIN:VOMAP"),
        f"{MAPFILES}/50-old.conf": LINE,
        f"{MAPFILES}/90-ban.conf~": LINE,
        "usr/share/condor-ce/mapfiles.d/10-x.conf": LINE,
        "usr/share/condor-ce/config.d/01-x.conf": "X = 1\n",
        f"{SETTINGS}/50-vomap.conf": "X = 1\n",
        f"{ETC}/condor_config": "X = 1\n",
    }.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    found = known_ces(root)[0]
    assert isinstance(found, HtcondorCe)
    user = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    monkeypatch.setattr(pwd, "getpwnam", lambda name: {"condor": user}[name])
    if os.geteuid() != 0:
        # Modes count for the user of this process, who may not become another one.
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        real = subprocess.run
        dropped = ("user", "group", "extra_groups")
        monkeypatch.setattr(
            subprocess, "run", lambda words, **how: real(words, **{k: v for k, v in how.items() if k not in dropped})
        )
    return found


def _relative(ce: HtcondorCe, paths: frozenset[Path]) -> set[str]:
    return {str(path.relative_to(ce.root)) for path in paths}


def test_all_can_be_read(ce: HtcondorCe) -> None:
    """Nothing is found, and no line is printed, wherever the root lies."""
    assert find_unreadable(ce) == frozenset()
    assert list(unreadable_lines(ce, find_unreadable(ce))) == []


@pytest.mark.parametrize(
    ("path", "mode"),
    [
        (f"{ETC}/condor_mapfile", 0),
        (f"{ETC}/condor_config", 0),
        (ETC, 0),
        (MAPFILES, 0),
        (MAPFILES, 0o444),
        (MAPFILES, 0o111),
        (f"{MAPFILES}/05-vomap.conf", 0),
        (f"{MAPFILES}/50-old.conf", 0),
        (SETTINGS, 0),
        (f"{SETTINGS}/50-vomap.conf", 0),
        ("usr/share", 0),
        ("usr/share/condor-ce/mapfiles.d/10-x.conf", 0),
        ("usr/share/condor-ce/config.d/01-x.conf", 0),
    ],
)
def test_a_path_that_the_user_cannot_read(ce: HtcondorCe, path: str, mode: int) -> None:
    """It alone is found, and its files are not. The line is red, and its chmod is enough."""
    place = ce.root / path
    before = place.stat().st_mode & 0o777
    place.chmod(mode)
    found = find_unreadable(ce)
    try:
        assert _relative(ce, found) == {path}
        (line,) = unreadable_lines(ce, found)
        assert line.colour == RED
        assert f"the user condor cannot read {place}: " in line.text
        chmod = re.search(r"run `(ch[^`]*) && condor_ce_reconfig`", line.text)
        assert chmod is not None
        subprocess.run(["/bin/sh", "-c", chmod[1]], check=True)
        assert find_unreadable(ce) == frozenset()
    finally:
        place.chmod(before)


def test_several_paths_have_one_line(ce: HtcondorCe) -> None:
    """With one command for folders and one for files."""
    for path in (SETTINGS, f"{MAPFILES}/05-vomap.conf", f"{MAPFILES}/50-old.conf"):
        (ce.root / path).chmod(0)
    (line,) = unreadable_lines(ce, find_unreadable(ce))
    (ce.root / SETTINGS).chmod(0o755)
    files = " ".join(str(ce.root / MAPFILES / name) for name in ("05-vomap.conf", "50-old.conf"))
    assert f"`chmod a+rx {ce.root / SETTINGS} && chmod a+r {files} && condor_ce_reconfig`" in line.text


def test_settings_are_not_opened_to_all_users(ce: HtcondorCe) -> None:
    """A file of settings may contain a secret: the command lets only the group of the CE's user read it."""
    file = ce.root / SETTINGS / "99-secret.conf"
    file.write_text("SECRET = x\n")
    file.chmod(0)
    (line,) = unreadable_lines(ce, find_unreadable(ce))
    chmod = re.search(r"run `(ch[^`]*) && condor_ce_reconfig`", line.text)
    assert chmod is not None
    subprocess.run(["/bin/sh", "-c", chmod[1]], check=True)
    assert file.stat().st_mode & 0o007 == 0
    assert find_unreadable(ce) == frozenset()


def test_files_that_the_ce_does_not_read(ce: HtcondorCe) -> None:
    """A backup, a file that is missing, and a folder that the user only passes through."""
    (ce.root / MAPFILES / "90-ban.conf~").chmod(0)
    (ce.root / MAPFILES / "60-gone.conf").symlink_to("nowhere")
    (ce.root / ETC).chmod(0o711)
    assert find_unreadable(ce) == frozenset()


@pytest.mark.parametrize("name", ["-r", "a b", "x'y$(z)", "new\nline", "caf\udce9"])
def test_any_name_of_a_file(ce: HtcondorCe, name: str) -> None:
    """No name is taken for an option or a command."""
    file = ce.root / MAPFILES / name
    file.write_text(LINE)
    file.chmod(0)
    assert find_unreadable(ce) == {file}


def test_only_root_looks(ce: HtcondorCe, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other users, and root without the CE's user, find nothing."""
    (ce.root / SETTINGS).chmod(0o700)
    monkeypatch.setattr(pwd, "getpwnam", lambda name: {}[name])
    assert find_unreadable(ce) == frozenset()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert find_unreadable(ce) == frozenset()


def test_a_search_that_fails(ce: HtcondorCe, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an error with a reason, and no silent yes."""

    def hang(words: list[str], **_: object) -> None:
        raise subprocess.TimeoutExpired(words[:1], 10)

    monkeypatch.setattr(subprocess, "run", hang)
    with pytest.raises(Error, match=r"cannot look for files that the user condor cannot read: .*timed out"):
        find_unreadable(ce)


@pytest.mark.parametrize("path", [f"{MAPFILES}/05-vomap.conf", MAPFILES])
def test_lines_that_the_ce_cannot_read(ce: HtcondorCe, path: str) -> None:
    """They count for nothing: the next line of the issuer maps past vomap."""
    files = read_map_files(ce, unreadable={ce.root / path})
    assert {line.name for line in files.lines} == {"acct"}
    assert find_unasked(files, [ISSUER]) == [line.place for line in files.lines]
    assert find_unasked(read_map_files(ce), [ISSUER]) == []
