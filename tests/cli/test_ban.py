"""`vomap ban` adds, lists and lifts. A refused command changes nothing, and no command changes another file's ban."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from vomap.cli import run
from vomap.files.lock import locked
from vomap.store import read_bans

Capture = pytest.CaptureFixture[str]
OWN = "vomap-ban.yaml"
HAND = """\
# by hand
mapfile: 1
bans:
  - {vo: mars, reason: no agreement}
  - subject: old
    reason: it was long ago
    until: 2020-12-31
"""


class Bans:
    """A folder of bans and where they are built."""

    def __init__(self, folder: Path, capsys: Capture) -> None:
        """Start without a ban."""
        self.folder, self.policy, self.capsys = folder / "bans.d", folder / "policy", capsys
        self.folder.mkdir()
        self.own, self.hand, self.built = self.folder / OWN, self.folder / "hand.yaml", folder / "policy.bans"

    def run(self, *words: str) -> tuple[int, str, str]:
        """Run `vomap ban` and return its exit code and what it printed."""
        self.capsys.readouterr()
        code = run(["ban", *words, "--bans", str(self.folder), "--policy", str(self.policy)])
        return (code, *self.capsys.readouterr())

    def reasons(self) -> list[str]:
        """Return the reasons of the bans that are built."""
        return [ban.reason for ban in read_bans(str(self.built)).all()]

    def state(self) -> list[tuple[str, bytes]]:
        """Return all there is, to the byte."""
        paths = [*self.folder.iterdir(), *([self.built] if self.built.exists() else [])]
        return sorted((path.name, path.read_bytes()) for path in paths)


@pytest.fixture
def bans(tmp_path: Path, capsys: Capture) -> Bans:
    """Return an empty folder of bans."""
    return Bans(tmp_path, capsys)


def test_add(bans: Bans) -> None:
    """A ban is written to the kept file and built at once."""
    code, out, err = bans.run(
        "add", "--vo", "CMS", "--subject", "s", "--reason", "leaked (T-1)", "--until", "2099-12-31"
    )
    assert (code, err) == (0, "")
    assert "added; bans in force or to come: 1" in out
    assert bans.reasons() == ["leaked (T-1)"]
    (ban,) = list(read_bans(str(bans.built)).all())
    assert ban.conditions.vo == ("cms",)
    assert bans.own.read_text("utf-8").count("\n  - ") == 1


@pytest.mark.parametrize(
    "condition",
    [
        ["--issuer", "https://i/"],
        ["--vo", "V"],
        ["--vo", "V", "--vo", "W"],
        ["--audience", "a"],
        ["--jti", "j"],
        ["--client", "c"],
        ["--subject", "s*"],
        ["--subject", 'it\'s "quoted": {x} # no remark, é'],
        ["--group", "/a/**"],
        ["--scope", "storage.read:/a/**"],
        ["--claim", "e=x"],
        ["--claim", "e=x=y", "--claim", "e=z", "--claim", "f=1"],
    ],
)
def test_every_condition(bans: Bans, condition: list[str]) -> None:
    """Each condition of a ban can be added, is listed, and is lifted by the same options."""
    assert bans.run("add", *condition, "--reason", "é: #1")[0] == 0
    assert bans.reasons() == ["é: #1"]
    code, out, _ = bans.run("list")
    assert code == 0
    assert f"{bans.own}:4: " in out
    assert out.endswith(": \\xe9: #1\n1 ban\n")
    assert bans.run("lift", *condition)[0] == 0
    assert bans.reasons() == []
    assert not bans.own.exists()


def test_several(bans: Bans) -> None:
    """Each ban is a line of its own, and only the one that was named is lifted."""
    for subject in ("a", "b", "c"):
        assert bans.run("add", "--subject", subject, "--reason", f"for {subject}")[0] == 0
    assert bans.reasons() == ["for a", "for b", "for c"]
    before = bans.own.read_text("utf-8").splitlines()
    assert bans.run("lift", "--subject", "b")[0] == 0
    assert bans.reasons() == ["for a", "for c"]
    after = bans.own.read_text("utf-8").splitlines()
    assert [line for line in before if line not in after] == [next(line for line in before if '"b"' in line)]


def test_hand_written_files_stay_as_they_are(bans: Bans) -> None:
    """They are built, listed and never written to."""
    bans.hand.write_text(HAND, "utf-8")
    assert bans.run("add", "--subject", "s", "--reason", "new")[0] == 0
    assert bans.hand.read_text("utf-8") == HAND
    assert bans.reasons() == ["no agreement", "it was long ago", "new"]
    code, out, err = bans.run("lift", "--vo", "mars")
    assert code == 1
    assert f"{bans.hand}:4" in out + err
    assert bans.hand.read_text("utf-8") == HAND
    assert bans.reasons() == ["no agreement", "it was long ago", "new"]


def test_the_same_ban_in_both(bans: Bans) -> None:
    """`lift` removes the ban of the kept file. If another file still has it, `lift` reports that and fails."""
    bans.hand.write_text(HAND, "utf-8")
    assert bans.run("add", "--vo", "mars", "--reason", "once more")[0] == 0
    code, out, err = bans.run("lift", "--vo", "mars")
    assert code == 1
    assert f"{bans.hand}:4" in out + err
    assert bans.reasons() == ["no agreement", "it was long ago"]


def test_the_same_ban_twice(bans: Bans) -> None:
    """A ban that may end later than the first is added, with a warning about the first."""
    assert "banned already" not in bans.run("add", "--subject", "s", "--reason", "T-1")[2]
    code, _, err = bans.run("add", "--subject", "s", "--reason", "T-2")
    assert code == 0
    assert "warning: the same is banned already: T-1 (" in err
    assert bans.reasons() == ["T-1", "T-2"]
    assert "banned already" not in bans.run("add", "--subject", "S", "--reason", "another")[2]
    bans.hand.write_text("mapfile: 1\nbans: [{vo: Mars, reason: old, until: 2020-01-01}, {vo: Moon, reason: T-3}]\n")
    assert "banned already" not in bans.run("add", "--vo", "mars", "--reason", "new")[2]
    bans.run("add", "--vo", "Mars", "--subject", "s", "--reason", "T-4", "--until", "2099-12-31")
    err = bans.run("add", "--vo", "mARS", "--subject", "s", "--reason", "T-5")[2]
    assert "the same is banned already until 2099-12-31T23:59:59Z: T-4 (" in err
    assert "banned already" in bans.run("add", "--vo", "moon", "--reason", "T-6")[2]


def test_list(bans: Bans) -> None:
    """The list has each ban with its place, conditions, end and reason, and marks the bans that are over."""
    assert bans.run("list") == (0, "0 bans\n", "")
    bans.hand.write_text(HAND, "utf-8")
    _, out, _ = bans.run("list")
    build = f"vomap build --bans {bans.folder} --output {bans.policy}"
    assert out.splitlines() == [
        f"{bans.hand}:4: vo mars (not built into {bans.built}: run `{build}`): no agreement",
        f"{bans.hand}:5: subject old until 2020-12-31T23:59:59Z (expired): it was long ago",
        "2 bans",
    ]
    code, out, _ = bans.run("list", "--json")
    listed = json.loads(out)
    assert code == 0
    assert [(ban["reason"], ban["holds"]) for ban in listed["bans"]] == [
        ("no agreement", True),
        ("it was long ago", False),
    ]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["add", "--reason", "x"], 2),
        (["add", "--subject", "s"], 2),
        (["add", "--subject", "s", "--reason", ""], 2),
        (["add", "--claim", "e", "--reason", "x"], 2),
        (["lift"], 2),
        (["add", "--subject", "s", "--reason", "two\nlines"], 2),
        (["add", "--subject", "s", "--reason", "x", "--until", "tomorrow"], 2),
        (["add", "--subject", "s", "--reason", "x", "--until", "2026-02-30"], 2),
        (["add", "--subject", "a**", "--reason", "x"], 2),
        (["add", "--subject", "<user>", "--reason", "x"], 2),
        (["add", "--subject", "", "--reason", "x"], 2),
        (["add", "--group", "cms", "--reason", "x"], 2),
        (["add", "--vo", "a b", "--reason", "x"], 2),
        (["add", "--issuer", "a b", "--reason", "x"], 2),
        (["add", "--subject", "a\x7fb", "--reason", "x"], 2),
        (["add", "--subject", "a\x00b", "--reason", "x"], 2),
        (["lift", "--subject", "unknown"], 1),
        (["lift", "--vo", "mars", "--subject", "s"], 1),
        (["lift", "--vo", "a b"], 2),
        (["lift", "--subject", "a**"], 2),
        (["lift", "--subject", "a\x7fb"], 2),
    ],
)
def test_what_is_refused_changes_nothing(bans: Bans, words: list[str], code: int) -> None:
    """A mistake on the command line leaves every file as it was, to the byte."""
    bans.hand.write_text(HAND, "utf-8")
    assert bans.run("add", "--subject", "s", "--reason", "kept")[0] == 0
    before = bans.state()
    returned, out, err = bans.run(*words)
    assert returned == code
    assert out + err != ""
    assert "Traceback" not in err
    assert bans.state() == before


@pytest.mark.parametrize(
    "words",
    [
        ["add", "--subject", "\udcff", "--reason", "x"],
        ["add", "--subject", "x", "--reason", "\udcff"],
        ["add", "--subject", "x", "--reason", "x", "--until", "\udcff"],
        ["add", "--claim", "\udcff=x", "--reason", "x"],
        ["lift", "--subject", "\udcff"],
    ],
)
def test_words_that_are_no_text(bans: Bans, words: list[str]) -> None:
    """Bytes that are not UTF-8 are an error without a traceback, and change nothing."""
    assert bans.run("add", "--subject", "s", "--reason", "kept")[0] == 0
    before = bans.state()
    assert bans.run(*words)[0] in (1, 2, 3)
    assert bans.state() == before


def test_a_broken_file_beside(bans: Bans) -> None:
    """While any file of bans is broken, `lift` lifts no ban, and reports the error with its place."""
    assert bans.run("add", "--subject", "s", "--reason", "kept")[0] == 0
    bans.hand.write_text("mapfile: 1\nbans:\n  - {subject: s}\n", "utf-8")
    before = bans.state()
    for words in (["lift", "--subject", "s"], ["list"]):
        code, _, err = bans.run(*words)
        assert code == 3
        assert f"{bans.hand}:3:5: " in err
        assert bans.state() == before


@pytest.mark.parametrize("broken", ["mapfile: 1\nbans:\n  - {subject: s}\n", "\xff", None])
def test_a_broken_file_hides_no_ban(bans: Bans, broken: str | None) -> None:
    """The list has the bans of the other files, and the bans that are in force from the broken one."""
    bans.hand.write_text(HAND, "utf-8")
    assert bans.run("add", "--subject", "s", "--reason", "kept")[0] == 0
    bans.hand.unlink()
    if broken is None:
        os.mkfifo(bans.hand)
    else:
        bans.hand.write_text(broken, "latin-1")
    code, out, err = bans.run("list")
    assert code == 3
    assert f"{bans.own}:4: subject s: kept\n" in out
    state = "still in force, from the last build: this file has errors"
    assert f"{bans.hand}:4: vo mars ({state}): no agreement\n" in out
    assert err.startswith(f"vomap: {bans.hand}")
    code, out, _ = bans.run("list", "--json")
    listed = json.loads(out)
    assert code == 3
    assert [(ban["reason"], ban["holds"], ban["in-force"]) for ban in listed["bans"]] == [
        ("kept", True, True),
        ("no agreement", True, True),
        ("it was long ago", False, True),
    ]
    assert [f"vomap: {error}\n" for error in listed["errors"]] == [err]


def test_a_stray_file_hides_no_ban(bans: Bans) -> None:
    """A file that is not a file of bans is an error, and the list has the bans of all others."""
    assert bans.run("add", "--subject", "s", "--reason", "kept")[0] == 0
    (bans.own.parent / "notes.txt").write_text("x\n", "utf-8")
    code, out, err = bans.run("list")
    assert (code, "subject s: kept\n" in out, "notes.txt" in err) == (3, True, True)


def test_a_broken_file_holds_no_ban_back(bans: Bans) -> None:
    """A ban that is added is in force at once, beside those before it, whatever is wrong with another file of bans."""
    assert bans.run("add", "--subject", "s", "--reason", "kept")[0] == 0
    bans.hand.write_text("mapfile: 1\nbans:\n  - {subject: s}\n", "utf-8")
    code, out, err = bans.run("add", "--subject", "t", "--reason", "new")
    assert code == 3
    assert "added; bans in force" in out
    assert "fix the other file" in err
    assert f"{bans.hand}:3:5: " in err
    assert [ban.reason for ban in read_bans(str(bans.built)).all()] == ["kept", "new"]
    assert '"t"' in bans.own.read_text("utf-8")


@pytest.mark.parametrize("name", ["README", "latin.yaml", "dangling.yaml"])
def test_an_unreadable_file_holds_no_ban_back(bans: Bans, name: str) -> None:
    """The same is true of an unreadable file beside it. A ban that is added again is there once."""
    assert bans.run("add", "--subject", "s", "--reason", "kept")[0] == 0
    path = bans.folder / name
    if name == "dangling.yaml":
        path.symlink_to("nowhere")
    else:
        path.write_bytes(b"caf\xe9\n")
    for _ in range(2):
        code, out, err = bans.run("add", "--subject", "t", "--reason", "new")
        assert (code, name in err) == (3, True)
        assert "added; bans in force" in out
        assert "fix the other file" in err
    built = list(read_bans(str(bans.built)).all())
    assert [ban.reason for ban in built] == ["kept", "new"]
    assert built[-1].source.startswith(str(bans.own))


@pytest.mark.parametrize("name", ["README", "hand.yaml"])
@pytest.mark.parametrize(
    "mistake",
    [
        '  - {"subject": "t, "reason": "r"}\n',
        "  - {subjekt: t, reason: r}\n",
        "  - {reason: everybody}\n",
        "rules: []\n",
    ],
)
def test_a_mistake_in_the_kept_file_lifts_nothing(bans: Bans, name: str, mistake: str) -> None:
    """An error in the kept file stops `add`, whatever is wrong beside it. All bans stay, and the error is reported."""
    assert bans.run("add", "--subject", "s", "--reason", "kept")[0] == 0
    bans.own.write_text(bans.own.read_text("utf-8") + mistake, "utf-8")
    (bans.folder / name).write_text("what is this\n", "utf-8")
    before = bans.state()
    code, out, err = bans.run("add", "--subject", "u", "--reason", "new")
    assert (code, out) == (1, "")
    assert f"{bans.own}:" in err
    assert "nothing was changed" in err
    assert bans.state() == before
    assert bans.reasons() == ["kept"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--vo", "CSM"], "did you mean `cms`"),
        (["--issuer", "https://cms.example.org"], "did you mean `https://cms.example.org/`"),
    ],
)
def test_a_ban_that_may_ban_nobody(bans: Bans, words: list[str], told: str) -> None:
    """A ban that seems to match no token is added, with a warning that names the likely intention."""
    mapfile = bans.folder.parent / "m.yaml"
    mapfile.write_text("mapfile: 1\nsite: {audience: ANY}\nissuers:\n  https://cms.example.org/: {vo: CMS}\n", "utf-8")
    policy = str(bans.built).removesuffix(".bans")
    assert run(["build", "--mapfiles", str(mapfile), "--bans", str(bans.folder), "--output", policy]) == 0
    code, _, err = bans.run("add", *words, "--reason", "x")
    assert code == 0
    assert told in err


def test_bans_added_at_once_are_all_there(bans: Bans) -> None:
    """Bans that are added at the same time are all there at the end."""
    command = [sys.executable, "-m", "vomap.cli", "ban", "add", "--bans", str(bans.folder), "--reason", "x"]
    command += ["--policy", str(bans.built).removesuffix(".bans"), "--subject"]
    running = [subprocess.Popen([*command, f"s{number}"], stdout=subprocess.DEVNULL) for number in range(8)]
    assert [process.wait(timeout=120) for process in running] == [0] * 8
    assert len(list(read_bans(str(bans.built)).all())) == len(running)
    assert len(bans.reasons()) == len(running)


def test_a_build_waits_for_a_ban(bans: Bans) -> None:
    """A build reads the files of bans under the lock, so an old read loses no ban."""
    mapfile = bans.folder.parent / "m.yaml"
    mapfile.write_text("mapfile: 1\nsite: {audience: ANY}\n", "utf-8")
    policy = str(bans.built).removesuffix(".bans")
    command = [sys.executable, "-m", "vomap.cli", "build", "--mapfiles", str(mapfile), "--bans", str(bans.folder)]
    with locked(str(bans.built)):
        building = subprocess.Popen([*command, "--output", policy], stdout=subprocess.DEVNULL)
        with pytest.raises(subprocess.TimeoutExpired):
            building.wait(timeout=3)
        (bans.folder / "new.yaml").write_text("mapfile: 1\nbans:\n  - {subject: s, reason: new}\n", "utf-8")
    assert building.wait(timeout=120) == 0
    assert [ban.reason for ban in read_bans(str(bans.built)).all()] == ["new"]


@pytest.mark.parametrize("name", ["more.yml", "MORE.YAML", "more.yaml.disabled", "folder"])
def test_what_is_no_file_of_bans(bans: Bans, name: str) -> None:
    """A file that vomap would not read is an error, because its bans would not count.

    Backup files of editors are not.
    """
    (bans.folder / ".swap").touch()
    (bans.folder / "old.yaml~").touch()
    assert bans.run("list")[0] == 0
    (bans.folder / name).mkdir() if name == "folder" else (bans.folder / name).touch()
    code, _, err = bans.run("list")
    assert code == 3
    assert name in err


def test_no_folder(bans: Bans) -> None:
    """A missing folder is an error, and is not created."""
    bans.folder.rmdir()
    assert bans.run("add", "--subject", "s", "--reason", "x")[0] == 2
    assert bans.run("lift", "--subject", "s")[0] in (2, 3)
    assert bans.run("list")[0] in (2, 3)
    assert not bans.folder.exists()


@pytest.mark.parametrize("subject", ["a\u2028b", "a\u0085b", "\U0001f600", "\u00a0", "\ufeff", "\\", "%s", "x" * 5000])
def test_unusual_text(bans: Bans, subject: str) -> None:
    """The options that added a ban lift it, or `lift` refuses them and changes nothing."""
    assert bans.run("add", "--subject", "s", "--reason", "kept")[0] == 0
    before = bans.state()
    code, _, _ = bans.run("add", "--subject", subject, "--reason", "x")
    if code == 0:
        assert bans.reasons() == ["kept", "x"]
        assert bans.run("lift", "--subject", subject)[0] == 0
        assert bans.reasons() == ["kept"]
        assert bans.own.read_bytes() == dict(before)[OWN]
    else:
        assert bans.state() == before


EDITED: dict[str, str] = {
    "two-on-a-line": "bans: [{vo: A, reason: a}, {vo: B, reason: b}]\n",
    "reason-first": "bans:\n  - subject: s\n    reason: a\n  - reason: b\n    vo: B\n",
    "several-lines": "bans:\n  - {vo: A, reason: a}\n  - vo: B\n    reason: b\n",
    "flow-over-lines": "bans:\n  - {vo: A, reason: a}\n  - {vo: B,\n     reason: b}\n",
    "other-indent": "bans:\n- {vo: A, reason: a}\n- {vo: B, reason: b}\n",
    "remarks": "bans:\n  - {vo: A, reason: a}\n  # why\n  - {vo: B, reason: b}  # so\n",
    "windows": "bans:\r\n  - {vo: A, reason: a}\r\n  - {vo: B, reason: b}\r\n",
    "no-newline": "bans:\n  - {vo: A, reason: a}\n  - {vo: B, reason: b}",
}


def _others(bans: Bans) -> list[Any]:
    code, out, err = bans.run("list", "--json")
    assert code == 0, err
    listed = json.loads(out)["bans"]
    left_out = ("source", "in-force")
    return [{key: ban[key] for key in ban if key not in left_out} for ban in listed if ban.get("vo") != ["B"]]


@pytest.mark.parametrize("edited", EDITED)
def test_lift_in_a_file_that_was_edited(bans: Bans, edited: str) -> None:
    """Lifting a ban never lifts or changes another one, however the kept file was edited. Else `lift` refuses."""
    bans.own.write_bytes(f"mapfile: 1\n{EDITED[edited]}".encode())
    others, before = _others(bans), bans.state()
    code, out, err = bans.run("lift", "--vo", "B")
    if code == 0:
        assert bans.reasons() == ["a"]
    else:
        assert bans.state() == before
        assert out + err != ""
    assert _others(bans) == others


@pytest.mark.parametrize("edited", EDITED)
def test_add_in_a_file_that_was_edited(bans: Bans, edited: str) -> None:
    """Nor does adding one."""
    bans.own.write_bytes(f"mapfile: 1\n{EDITED[edited]}".encode())
    others, before = _others(bans), bans.state()
    code, out, err = bans.run("add", "--vo", "C", "--reason", "c")
    if code == 0:
        assert bans.reasons() == ["a", "b", "c"]
    else:
        assert bans.state() == before
        assert out + err != ""
        assert _others(bans) == others


@pytest.mark.parametrize(
    ("content", "lifted"),
    [
        ("", None),
        ("\n", None),
        ("mapfile: 1\n", "mapfile: 1\nbans: []\n"),
        ("mapfile: 1", "mapfile: 1\nbans: []\n"),
        ("# nothing yet\n", "# nothing yet\nmapfile: 1\nbans: []\n"),
        ("mapfile: 1\nbans: []\n", "mapfile: 1\nbans: []\n"),
        ("mapfile: 1\nbans: []", "mapfile: 1\nbans: []\n"),
        ("mapfile: 1\nbans: []  # nobody\n", "mapfile: 1\nbans: []  # nobody\n"),
        ("bans : [ ]\n# why\nmapfile: 1\n", "# why\nmapfile: 1\nbans : []\n"),
        ('mapfile: 1\n"bans": [\n]\n', 'mapfile: 1\n"bans": []\n'),
        ("mapfile: 1\r\nbans: []\r\n", "mapfile: 1\r\nbans: []\r\n"),
        ("mapfile: 1\nbans:\n", "mapfile: 1\nbans: []\n"),
    ],
)
def test_a_kept_file_without_a_ban(bans: Bans, content: str, lifted: str | None) -> None:
    """A ban can be added to any form of an empty list, and lifting it leaves an empty list again."""
    bans.own.write_bytes(content.encode())
    for subject in ("a", "b"):
        assert bans.run("add", "--subject", subject, "--reason", subject)[0] == 0
    assert bans.reasons() == ["a", "b"]
    for subject in ("b", "a"):
        assert bans.run("lift", "--subject", subject)[0] == 0
    assert bans.reasons() == []
    assert (bans.own.read_bytes().decode() if bans.own.exists() else None) == lifted
    assert bans.run("list") == (0, "0 bans\n", "")


def test_for_programs(bans: Bans) -> None:
    """`--json` reports the change and its place."""
    code, out, _ = bans.run("add", "--subject", "s", "--reason", "x", "--json")
    assert code == 0
    answer = json.loads(out)
    assert {"done": "added", "file": str(bans.own), "built": str(bans.built), "bans": 1}.items() <= answer.items()
    code, out, _ = bans.run("lift", "--subject", "s", "--json")
    assert (code, json.loads(out)["done"], json.loads(out)["bans"]) == (0, "lifted", 0)


def test_for_programs_that_ask_in_vain(bans: Bans) -> None:
    """`--json` is JSON on standard output, or nothing there, for an answer of no as well."""
    for words, expected in ((["lift", "--subject", "s"], 1), (["add", "--group", "x", "--reason", "x"], 2)):
        code, out, _ = bans.run(*words, "--json")
        assert code == expected
        assert out == "" or json.loads(out) is not None


def test_a_ban_that_cannot_be_built(bans: Bans) -> None:
    """A ban that is written but not in force is an error that names the built file."""
    bans.built.mkdir()
    code, out, err = bans.run("add", "--subject", "s", "--reason", "x")
    assert code == 3
    assert out == ""
    assert str(bans.built) in err


def test_a_ban_that_is_over_is_not_added(bans: Bans) -> None:
    """A ban that is over is refused: it would deny no token, and seem to."""
    before = bans.state()
    code, out, err = bans.run("add", "--subject", "s", "--until", "2020-01-01", "--reason", "x")
    assert (code, out) == (1, "")
    assert "--until 2020-01-01 is in the past. Nothing was changed" in err
    assert bans.state() == before
