"""`vomap check`, `test`, `build` and `explain`: exit codes, what is printed for people and for programs."""

from __future__ import annotations

import base64
import io
import json
import pwd
import shlex
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from vomap import Error, __version__
from vomap.cli import run
from vomap.files import FileError
from vomap.files.shipped import shipped_file
from vomap.mapfile.files import folders_of
from vomap.mapfile.policy_tests import run_tests
from vomap.store import read_bans, read_policy

SITE = """\
mapfile: 1
site: {audience: [ANY], accounts: {must-exist: no}}
issuers:
  https://i/: {vo: V}
rules:
  - {name: one, vo: V, subject: one, account: acct1}
  - {name: two, vo: V, subject: two, account: acct3}
tests:
  - token: {iss: https://i/, sub: one, aud: ANY, scope: compute.read}
    expect: {account: acct1, rule: one, vo: v}
  - token: {iss: https://evil/, sub: one}
    expect: declined
"""
OTHER = SITE.replace("account: acct1}", "account: acct2}", 1).replace("{account: acct1,", "{account: acct2,")
TOKEN = {"iss": "https://i/", "sub": "one", "aud": "ANY", "scope": "compute.read"}
Capture = pytest.CaptureFixture[str]


class Folder:
    """A site's mapfiles and bans, and where they are built."""

    def __init__(self, folder: Path) -> None:
        """Write one mapfile and no ban."""
        self.mapfiles, self.bans, self.policy = folder / "mapfiles.d", folder / "bans.d", folder / "policy"
        self.mapfiles.mkdir()
        self.bans.mkdir()
        self.site = self.mapfiles / "10-site.yaml"
        self.site.write_text(SITE, "utf-8")
        self.built_bans = folder / "policy.bans"

    def run(self, verb: str, *words: str) -> int:
        """Run a verb on this site's files."""
        return run([verb, "--mapfiles", str(self.mapfiles), "--bans", str(self.bans), *words])

    def build(self, *words: str) -> int:
        """Build to this site's place."""
        return self.run("build", "--output", str(self.policy), *words)

    def explain(self, token: dict[str, Any], *words: str) -> int:
        """Ask the built policy."""
        return run(["explain", "--policy", str(self.policy), "--claims", json.dumps(token), *words])

    def ban(self, text: str) -> Path:
        """Write a file of bans by hand."""
        path = self.bans / "hand.yaml"
        path.write_text(f"mapfile: 1\nbans:\n{text}", "utf-8")
        return path


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Return a site."""
    return Folder(tmp_path)


def _errors(capsys: Capture) -> list[str]:
    return capsys.readouterr().err.splitlines()


def _json(capsys: Capture) -> Any:
    printed = capsys.readouterr()
    assert printed.err == ""
    return json.loads(printed.out)


@pytest.mark.parametrize("verb", [[], ["generate"], ["check"], ["test"], ["build"], ["explain"], ["ban"]])
def test_help(capsys: Capture, verb: list[str]) -> None:
    """Each verb has help, with its exit codes and, but for vomap itself, examples."""
    assert run([*verb, "--help"]) == 0
    told = capsys.readouterr().out
    assert "exit codes: " in told
    assert not verb or "examples:" in told


def test_version(capsys: Capture) -> None:
    """`--version` prints the version, and nothing else."""
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"vomap {__version__}\n"


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["nonsense"],
        ["check", "--nonsense"],
        ["check", "--mapfiles"],
        ["explain"],
        ["explain", "--claims", "{}", "--token", "a.b.c"],
        ["ban"],
        ["ban", "remove"],
        ["build", "--mapfiles", "x"],
    ],
)
def test_usage(capsys: Capture, words: list[str]) -> None:
    """Options that exclude each other are exit 2, with a message on standard error alone."""
    assert run(words) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err != ""


# check


def test_check(folder: Folder, capsys: Capture) -> None:
    """Well-formed mapfiles are exit 0, and nothing is written."""
    assert folder.run("check") == 0
    printed = capsys.readouterr()
    assert printed.out == "1 file, 2 rules, 0 bans: no errors\n"
    assert printed.err == ""
    assert not folder.policy.exists()
    assert folder.run("check", "--json") == 0
    assert _json(capsys) == {"errors": 0, "findings": [], "not-looked-for": []}


def test_check_tells_all_errors(folder: Folder, capsys: Capture) -> None:
    """Every error of every file, bans included, with its place."""
    folder.site.write_text(SITE.replace("vo: V, subject: one", "v: V, subject: one") + "nonsense: 1\n", "utf-8")
    bans = folder.ban("  - {vo: V}\n")
    assert folder.run("check") == 1
    told = _errors(capsys)
    assert [line.partition(": ")[0] for line in told] == [
        f"{folder.site}:6:17",
        f"{folder.site}:13:1",
        f"{bans}:3:5",
    ]
    assert folder.run("check", "--json") == 1
    report = _json(capsys)
    assert report["errors"] == len(report["findings"]) == 3
    assert report["findings"][1]["file"] == str(folder.site)
    assert (report["findings"][1]["line"], report["findings"][1]["severity"]) == (13, "error")


def test_check_with_a_warning(folder: Folder, capsys: Capture) -> None:
    """A warning is printed and changes no exit code."""
    (folder.mapfiles / "50-other.yaml").write_text("mapfile: 1\nissuers:\n  https://i/: {vo: W}\n")
    assert folder.run("check") == 0
    (told,) = _errors(capsys)
    assert "50-other.yaml:3:3: warning: https://i/" in told
    assert f"{folder.site}:4" in told
    assert folder.run("check", "--json") == 0
    assert _json(capsys)["findings"][0]["severity"] == "warning"


@pytest.mark.parametrize("verb", ["check", "test"])
@pytest.mark.parametrize("kind", ["missing", "no-utf-8", "unreadable-folder"])
def test_files_that_cannot_be_read(folder: Folder, capsys: Capture, verb: str, kind: str) -> None:
    """A named file that cannot be read is an error, never an empty file."""
    if kind == "missing":
        folder.site.unlink()
        folder.site.symlink_to("nowhere")
    elif kind == "no-utf-8":
        folder.site.write_bytes(b"mapfile: 1\n\xff")
    else:
        folder.site.unlink()
        folder.site.mkdir()
    assert folder.run(verb) == 3
    (told,) = _errors(capsys)
    assert told.startswith(f"vomap: {folder.site}: ")


# test


def test_tests(folder: Folder, capsys: Capture) -> None:
    """Tests that pass are counted."""
    assert folder.run("test") == 0
    assert capsys.readouterr().out == "2 tests: none failed\n"
    assert folder.run("test", "--json") == 0
    report = _json(capsys)
    assert (report["tests"], report["failed"]) == (2, 0)
    assert [result["passed"] for result in report["results"]] == [True, True]


def test_a_test_that_fails(folder: Folder, capsys: Capture) -> None:
    """A failing test is exit 1 and says where it is, what was expected and what came."""
    folder.site.write_text(SITE.replace("account: acct1, rule", "account: acct9, rule"), "utf-8")
    assert folder.run("test") == 1
    printed = capsys.readouterr()
    assert printed.out == "2 tests: 1 failed\n"
    failure = f"{folder.site}:9:5: test failed: expected account acct9, got acct1 (rule: one)"
    assert printed.err.splitlines()[0] == failure
    assert folder.run("test", "--json") == 1
    result = _json(capsys)["results"][0]
    assert (result["passed"], result["differences"]) == (False, ["expected account acct9, got acct1"])
    assert result["test"].startswith(f"{folder.site}:9")


def test_no_tests(folder: Folder, capsys: Capture) -> None:
    """A run that tests nothing proves nothing."""
    folder.site.write_text(SITE.partition("tests:")[0], "utf-8")
    assert folder.run("test") == 1
    assert "no tests" in capsys.readouterr().out


def test_tests_of_broken_mapfiles(folder: Folder, capsys: Capture) -> None:
    """Mapfiles with errors are not tested: the errors are reported, and no test passes."""
    folder.site.write_text(SITE + "nonsense: 1\n", "utf-8")
    assert folder.run("test") in (1, 3)
    printed = capsys.readouterr()
    assert f"{folder.site}:13:1: " in printed.err
    assert "passed" not in printed.out
    folder.site.write_text(SITE, "utf-8")
    bans = folder.ban("  - {reason: x}\n")
    assert folder.run("test") in (1, 3)
    assert f"{bans}:3:5: " in capsys.readouterr().err


def test_a_test_that_a_ban_falsifies(folder: Folder, capsys: Capture) -> None:
    """A test that only a ban changes is a warning."""
    folder.ban("  - {subject: one, reason: leaked}\n")
    assert folder.run("test") == 0
    printed = capsys.readouterr()
    assert "2 tests: none failed" in printed.out
    assert "warning: a ban changes what this test expects" in printed.err
    assert folder.run("test", "--json") == 0
    assert [result["changed-by-ban"] for result in _json(capsys)["results"]] == [True, True]


# build


def test_build(folder: Folder, capsys: Capture) -> None:
    """The policy and the bans are written, and callouts can read both."""
    folder.ban("  - {subject: bad, reason: leaked}\n")
    assert folder.build() == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert f"bans: 1 from 1 file -> {folder.built_bans}" in printed.out
    assert "policy: 2 rules, 1 issuer, 2 tests passed" in printed.out
    assert [rule.name for rule in read_policy(str(folder.policy)).rules()] == ["one", "two"]
    assert [ban.reason for ban in read_bans(str(folder.built_bans)).all()] == ["leaked"]


def test_build_for_programs(folder: Folder, capsys: Capture) -> None:
    """`--json` has the same facts, digests included."""
    assert folder.build("--json") == 0
    report = _json(capsys)
    assert report["policy"]["digest"] == read_policy(str(folder.policy)).digest
    assert report["bans"]["digest"] == read_bans(str(folder.built_bans)).digest
    assert (report["policy"]["tests"], report["policy"]["failed"]) == (2, [])


def _assert_policy_stays(folder: Folder, capsys: Capture, *words: str, code: int = 1) -> str:
    """Build, spoil nothing: the old policy stays to the byte, and the new ban counts all the same."""
    old = folder.policy.read_bytes()
    folder.ban("  - {subject: bad, reason: new}\n")
    capsys.readouterr()
    assert folder.build(*words) == code
    printed = capsys.readouterr()
    assert folder.policy.read_bytes() == old
    assert [ban.reason for ban in read_bans(str(folder.built_bans)).all()] == ["new"]
    return printed.err + printed.out


@pytest.mark.parametrize("words", [[], ["--json"]])
def test_bans_are_built_although_the_policy_is_refused(folder: Folder, capsys: Capture, words: list[str]) -> None:
    """No error in a mapfile holds a ban back."""
    assert folder.build() == 0
    folder.site.write_text(SITE + "nonsense: 1\n", "utf-8")
    told = _assert_policy_stays(folder, capsys, *words)
    assert "nonsense" in told
    if words:
        assert "digest" not in json.loads(told)["policy"]
    else:
        assert f"{folder.site}:13:1: " in told
        assert "policy: refused" in told


@pytest.mark.parametrize("words", [[], ["--json"]])
def test_bans_are_built_although_a_test_fails(folder: Folder, capsys: Capture, words: list[str]) -> None:
    """Nor does a failing test, and the policy that fails it is not written."""
    assert folder.build() == 0
    folder.site.write_text(OTHER.replace("{account: acct2,", "{account: acct1,"), "utf-8")
    told = _assert_policy_stays(folder, capsys, *words)
    assert "expected account acct1, got acct2" in told
    if not words:
        assert "1 of 2 tests failed. The compiled policy did not change" in told


def test_bans_are_built_although_mapfiles_cannot_be_read(folder: Folder, capsys: Capture) -> None:
    """Nor does a mapfile that is not there or not readable."""
    assert folder.build() == 0
    folder.site.unlink()
    told = _assert_policy_stays(folder, capsys, code=3)
    assert "no mapfile" in told
    folder.site.symlink_to("nowhere")
    told = _assert_policy_stays(folder, capsys, code=3)
    assert f"{folder.site}: No such file" in told


def test_bans_that_are_refused(folder: Folder, capsys: Capture) -> None:
    """Bans with an error leave the compiled ones as they are. The policy is compiled, and the exit code is 1."""
    folder.ban("  - {subject: bad, reason: old}\n")
    assert folder.build() == 0
    old = folder.built_bans.read_bytes()
    path = folder.ban("  - {subject: bad}\n")
    folder.site.write_text(OTHER, "utf-8")
    capsys.readouterr()
    assert folder.build() == 1
    printed = capsys.readouterr()
    assert f"{path}:3:5: " in printed.err
    assert "bans: refused" in printed.out
    assert folder.built_bans.read_bytes() == old
    assert folder.build("--json") == 1
    report = _json(capsys)
    assert "digest" not in report["bans"]
    assert len(report["bans"]["findings"]) == 1


def test_bans_that_cannot_be_read(folder: Folder, capsys: Capture) -> None:
    """A folder of bans that is not there is never no bans."""
    assert folder.build() == 0
    old = folder.built_bans.read_bytes()
    folder.bans.rmdir()
    capsys.readouterr()
    assert folder.build() == 3
    assert str(folder.bans) in capsys.readouterr().err
    assert folder.built_bans.read_bytes() == old


def test_a_ban_that_falsifies_a_test_is_a_warning(folder: Folder, capsys: Capture) -> None:
    """The policy is compiled, and a warning is printed."""
    folder.ban("  - {subject: one, reason: leaked}\n")
    assert folder.build() == 0
    assert "warning: a ban changes" in capsys.readouterr().err
    assert list(read_policy(str(folder.policy)).rules())
    assert folder.build("--json") == 0
    assert _json(capsys)["policy"]["failed"] == []


def test_no_audience(folder: Folder, capsys: Capture) -> None:
    """A site says which audiences are its own, or that it does not check them."""
    folder.site.write_text(SITE.replace("audience: [ANY], ", ""), "utf-8")
    assert folder.build() == 1
    assert "10-site.yaml:1:1: no mapfile has `site: {audience: " in capsys.readouterr().err
    assert not folder.policy.exists()


def test_where_nothing_can_be_written(folder: Folder, capsys: Capture) -> None:
    """A folder that is not there is an error that names the file."""
    assert folder.run("build", "--output", str(folder.policy / "none" / "policy")) == 3
    assert "cannot be written" in capsys.readouterr().err


def test_rollback(folder: Folder, capsys: Capture) -> None:
    """The previous policy comes back, and the bans stay. The mapfiles still have the other one, and `build` says so."""
    assert folder.build() == 0
    first = folder.policy.read_bytes()
    folder.site.write_text(OTHER, "utf-8")
    folder.ban("  - {subject: bad, reason: new}\n")
    assert folder.build() == 0
    second, bans = read_policy(str(folder.policy)).digest, folder.built_bans.read_bytes()
    digest = read_bans(str(folder.built_bans)).digest
    capsys.readouterr()
    assert run(["build", "--rollback", "--output", str(folder.policy)]) == 0
    assert folder.policy.read_bytes() == first
    assert folder.built_bans.read_bytes() == bans
    told = capsys.readouterr().out
    assert "The bans did not change" in told
    assert f"the mapfiles still contain the policy that was rolled back: {second[:12]}, built 20" in told
    folder.site.write_text(OTHER.replace("acct3", "acct4"), "utf-8")
    assert run(shlex.split(told.rpartition("then type `vomap ")[2].partition("`")[0])) == 0
    assert folder.policy.read_bytes() != first
    # A build writes its time, so only the digest is the same.
    assert read_bans(str(folder.built_bans)).digest == digest
    assert run(["build", "--rollback", "--output", str(folder.policy)]) == 0
    assert folder.policy.read_bytes() == first


def test_a_second_rollback_is_refused(folder: Folder, capsys: Capture) -> None:
    """It would bring back the policy that was rolled back. The message has the policy in force, and the way forward."""
    assert folder.build() == 0
    first = folder.policy.read_bytes()
    folder.site.write_text(OTHER, "utf-8")
    folder.ban("  - {subject: bad, reason: new}\n")
    assert folder.build() == 0
    words = ["build", "--rollback", "--output", str(folder.policy)]
    assert run(words) == 0
    for _ in range(2):
        capsys.readouterr()
        assert run(words) == 3
        assert folder.policy.read_bytes() == first
    told = capsys.readouterr().err
    digest = read_policy(str(folder.policy)).digest
    assert f"there is no older policy. In force is {folder.policy}: {digest[:12]}, built 20" in told
    assert run(shlex.split(told.rpartition("then type `vomap ")[2].partition("`")[0])) == 0
    assert folder.policy.read_bytes() != first


def test_a_rollback_of_changed_mapfiles(folder: Folder, capsys: Capture) -> None:
    """Mapfiles that were changed after the build are not called those of the policy that was rolled back."""
    assert folder.build() == 0
    folder.site.write_text(OTHER, "utf-8")
    assert folder.build() == 0
    folder.site.write_text(OTHER.replace("acct3", "acct4"), "utf-8")
    capsys.readouterr()
    assert run(["build", "--rollback", "--output", str(folder.policy)]) == 0
    assert "the mapfiles changed after that build" in capsys.readouterr().out


def test_the_way_forward_keeps_the_order_of_the_mapfiles(tmp_path: Path) -> None:
    """A folder represents its files, in the order of the command that built them."""
    for name in ("b", "a"):
        (tmp_path / name).mkdir()
        for file in ("1.yaml", "2.yaml"):
            (tmp_path / name / file).touch()
    files = [str(tmp_path / name) for name in ("b/1.yaml", "b/2.yaml", "a/2.yaml", "a/1.yaml", "gone/1.yaml")]
    assert folders_of(files) == [str(tmp_path / "b"), *files[2:]]
    assert folders_of(["1.yaml"]) == ["1.yaml"]
    assert folders_of([]) == []


def test_rollback_for_programs(folder: Folder, capsys: Capture) -> None:
    """`--json` is JSON, whatever is done."""
    assert folder.build() == 0
    folder.site.write_text(OTHER, "utf-8")
    assert folder.build() == 0
    capsys.readouterr()
    assert run(["build", "--rollback", "--json", "--output", str(folder.policy)]) == 0
    assert isinstance(_json(capsys), dict)


def test_a_rollback_outlasts_automatic_builds(folder: Folder, capsys: Capture) -> None:
    """A rolled-back policy does not return because a unit, a package or a ban compiles the same mapfiles."""
    assert folder.build() == 0
    first = folder.policy.read_bytes()
    folder.site.write_text(OTHER, "utf-8")
    assert folder.build("--automatic") == 0
    assert run(["build", "--rollback", "--output", str(folder.policy)]) == 0
    folder.ban("  - {subject: bad, reason: new}\n")
    capsys.readouterr()
    assert folder.build("--automatic") == 0
    assert folder.policy.read_bytes() == first
    assert "was rolled back" in capsys.readouterr().out
    assert len(list(read_bans(str(folder.built_bans)).all())) == 1, "bans are always built"
    assert folder.build("--automatic", "--json") == 0
    assert _json(capsys)["policy"]["rolled-back"] is True


def test_a_rollback_ends_with_another_mapfile_or_by_a_person(folder: Folder) -> None:
    """Changed mapfiles are compiled automatically.

    The same ones need a build by the administrator, and then are again.
    """
    assert folder.build() == 0
    first = folder.policy.read_bytes()
    folder.site.write_text(OTHER, "utf-8")
    assert folder.build() == 0
    for words in (["--automatic"], []):
        assert run(["build", "--rollback", "--output", str(folder.policy)]) == 0
        assert folder.policy.read_bytes() == first
        if words:
            folder.site.write_text(OTHER.replace("acct3", "acct4"), "utf-8")
        assert folder.build(*words) == 0
        assert folder.policy.read_bytes() != first
        assert folder.build("--automatic") == 0
        assert not (folder.policy.parent / "policy.rolled-back").exists()
        first = (folder.policy.parent / "policy.previous").read_bytes()


@pytest.mark.parametrize("what", ["ban", "mapfile"])
def test_what_is_saved_during_a_build_is_built(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, capsys: Capture, what: str
) -> None:
    """No other event would compile it: the unit that watches the folders saw the change during the build."""

    def somebody_saves(*args: Any) -> Any:
        if what == "ban":
            folder.ban("  - {subject: bad, reason: new}\n")
        else:
            folder.site.write_text(OTHER, "utf-8")
        return run_tests(*args)

    monkeypatch.setattr("vomap.compile.suite.run_tests", somebody_saves)
    assert folder.build() == 0
    assert "a source changed during the build" in capsys.readouterr().out
    assert len(list(read_bans(str(folder.built_bans)).all())) == (what == "ban")
    assert read_policy(str(folder.policy)).names("acct2") == (what == "mapfile")


def test_a_build_is_not_kept_busy_for_ever(folder: Folder, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """A file that changes again and again is built a few times."""
    rounds = iter(range(1000))

    def somebody_saves(*args: Any) -> Any:
        folder.site.write_text(f"{SITE}# {next(rounds)}\n", "utf-8")
        return run_tests(*args)

    monkeypatch.setattr("vomap.compile.suite.run_tests", somebody_saves)
    assert folder.build() == 0
    assert next(rounds) == 5


def test_nothing_to_roll_back_to(folder: Folder, capsys: Capture) -> None:
    """Without a policy before it, or with a damaged one, nothing changes."""
    assert folder.build() == 0
    old = folder.policy.read_bytes()
    capsys.readouterr()
    assert run(["build", "--rollback", "--output", str(folder.policy)]) == 3
    assert "there is no older policy" in capsys.readouterr().err
    previous = folder.policy.parent / "policy.previous"
    # A policy is damaged, too, in a part that only some tokens ask for.
    for damaged in (b"damaged", old[:-1] + bytes([old[-1] ^ 1])):
        previous.write_bytes(damaged)
        previous.chmod(0o644)
        assert run(["build", "--rollback", "--output", str(folder.policy)]) == 3
        assert folder.policy.read_bytes() == old
        assert f"cannot use the older policy: {previous}: is " in capsys.readouterr().err


def test_a_damaged_policy_is_not_kept(folder: Folder) -> None:
    """A policy that could not be put back does not replace one that could."""
    assert folder.build() == 0
    first = folder.policy.read_bytes()
    folder.site.write_text(OTHER, "utf-8")
    assert folder.build() == 0
    previous = folder.policy.parent / "policy.previous"
    assert previous.read_bytes() == first
    content = folder.policy.read_bytes()
    folder.policy.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    folder.site.write_text(SITE, "utf-8")
    assert folder.build() == 0
    assert previous.read_bytes() == first


def test_build_where_others_may_write(folder: Folder) -> None:
    """The user who builds chooses the place. Only the callouts distrust such a folder."""
    folder.policy = folder.policy.parent / "loose" / "policy"
    folder.policy.parent.mkdir()
    folder.policy.parent.chmod(0o777)
    assert folder.build() == 0
    with pytest.raises(FileError, match="other users can write the folder"):
        read_policy(str(folder.policy))


def test_a_damaged_policy_is_replaced(folder: Folder) -> None:
    """A built policy that cannot be read does not keep a good one from being built, and is not kept itself."""
    assert folder.build() == 0
    folder.policy.write_bytes(b"damaged")
    assert folder.build() == 0
    assert list(read_policy(str(folder.policy)).rules())
    assert not (folder.policy.parent / "policy.previous").exists()


# explain


def test_explain(folder: Folder, capsys: Capture) -> None:
    """The output has the decision, the reason, and the line of the file."""
    assert folder.build() == 0
    capsys.readouterr()
    assert folder.explain(TOKEN) == 0
    told = capsys.readouterr().out
    for part in ("mapped to acct1: rule: one", "VO: V", "rule: one", f"source: {folder.site}:6", "WRITE"):
        assert part in told


@pytest.mark.parametrize(
    ("token", "code", "outcome"),
    [
        (TOKEN, 0, "mapped"),
        ({**TOKEN, "sub": "three"}, 1, "declined"),
        ({**TOKEN, "iss": "https://who/"}, 1, "declined"),
        ({**TOKEN, "aud": "elsewhere"}, 1, "denied"),
        ({**TOKEN, "sub": "banned"}, 1, "denied"),
        ({**TOKEN, "sub": "a\nb"}, 3, "error"),
        ({}, 1, "declined"),
    ],
)
def test_explain_for_programs(folder: Folder, capsys: Capture, token: dict[str, Any], code: int, outcome: str) -> None:
    """Every answer is a decision as its schema has it, and the exit code is yes, no or an error."""
    path = shipped_file("schemas", "decision-1.schema.json")
    assert path.is_file()
    schema = json.loads(path.read_text("utf-8"))
    jsonschema.Draft7Validator.check_schema(schema)
    folder.ban("  - {subject: banned, reason: leaked}\n")
    assert folder.build() == 0
    capsys.readouterr()
    assert folder.explain(token, "--json") == code
    decision = _json(capsys)
    jsonschema.Draft7Validator(schema).validate(decision)
    assert decision["outcome"] == outcome
    assert (decision["account"] == "acct1") == (outcome == "mapped")
    assert decision["trace"] or outcome == "error"


def test_the_schema_of_decisions_refuses() -> None:
    """A schema that accepts anything proves nothing."""
    schema = json.loads(shipped_file("schemas", "decision-1.schema.json").read_text("utf-8"))
    wrongs: list[object] = [{}, {"outcome": "maybe"}, [], {"outcome": "mapped", "account": 1}]
    for wrong in wrongs:
        assert not jsonschema.Draft7Validator(schema).is_valid(wrong)


def _jwt(payload: bytes) -> str:
    return ".".join(
        base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (b'{"alg":"RS256"}', payload, b"sig")
    )


def test_explain_a_token(folder: Folder, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token as it is, or claims, from the command line or from standard input."""
    assert folder.build() == 0
    payload = json.dumps({**TOKEN, "name": "é?>"}, ensure_ascii=False).encode()
    ask = ["explain", "--policy", str(folder.policy)]
    capsys.readouterr()
    assert run([*ask, "--token", _jwt(payload)]) == 0
    first = capsys.readouterr().out
    for words, content in (("--token", _jwt(payload).encode() + b"\n"), ("--claims", payload)):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        assert run([*ask, words, "-"]) == 0
        assert capsys.readouterr().out == first


@pytest.mark.parametrize("token", ["", "a", "a.b", "a.b.c.d", "a.!.c", "a.b c.d", "a.YQ==YQ.c"])
def test_no_token(folder: Folder, capsys: Capture, token: str) -> None:
    """Text that is not a token is wrong usage."""
    assert folder.build() == 0
    capsys.readouterr()
    assert run(["explain", "--policy", str(folder.policy), "--token", token]) == 2
    assert "vomap: explain: " in capsys.readouterr().err


@pytest.mark.parametrize("claims", ["", "[]", "{", '{"a": 1, "a": 2}', "\udcff"])
def test_no_claims(folder: Folder, capsys: Capture, claims: str) -> None:
    """A text that is not a payload is an error, as for the callouts."""
    assert folder.build() == 0
    capsys.readouterr()
    assert run(["explain", "--policy", str(folder.policy), "--claims", claims]) == 3
    assert "error: token: " in capsys.readouterr().out


def test_explain_at_a_time(folder: Folder, capsys: Capture) -> None:
    """A decision is for a point in time: a ban is in force to its last second."""
    folder.ban("  - {subject: one, reason: leaked, until: 2026-12-31}\n")
    assert folder.build() == 0
    for at, code in (("2026-12-31T23:59:59Z", 1), ("2027-01-01T00:00:00Z", 0), ("2026-12-31", 1), ("2027-01-01", 0)):
        capsys.readouterr()
        assert folder.explain(TOKEN, "--json", "--at", at) == code
        assert _json(capsys)["time"][:10] == at[:10]
    for at in ("", "now", "2026-13-01", "2026-12-31T25:00:00Z", "1700000000"):
        assert folder.explain(TOKEN, "--at", at) == 2
        assert "--at" in capsys.readouterr().err


def test_explain_with_accounts(folder: Folder, capsys: Capture) -> None:
    """The account is looked up only if that is asked for."""
    folder.site.write_text(SITE.replace(", accounts: {must-exist: no}", "").replace("acct1", "vomap-nosuch"), "utf-8")
    assert folder.build() == 0
    capsys.readouterr()
    assert folder.explain(TOKEN) == 0
    assert "vomap did not look up the account on this machine: give --accounts" in capsys.readouterr().out
    assert folder.explain(TOKEN, "--accounts") == 1
    assert "denied: account: vomap-nosuch does not exist" in capsys.readouterr().out
    name = pwd.getpwuid(0).pw_name
    assert folder.explain({**TOKEN, "sub": name}, "--accounts") == 1


def test_a_pool(folder: Folder, capsys: Capture) -> None:
    """Of pools the leases are missing: a warning when checked and built, and explained as the error that it is."""
    pooled = (
        SITE.replace("subject: two, account: acct3", "subject: two, pool: p") + "pools:\n  p: {accounts: 'p{1..3}'}\n"
    )
    folder.site.write_text(pooled, "utf-8")
    assert folder.run("check") == 0
    assert f"{folder.site}:7:1: warning: this version of vomap cannot lease accounts" in capsys.readouterr().err
    assert folder.build() == 0
    assert "cannot lease accounts" in capsys.readouterr().err
    assert folder.explain({**TOKEN, "sub": "two"}, "--json") == 3
    decision = _json(capsys)
    assert decision["outcome"] == "error"
    assert decision["reason"].startswith("pool: ")


def test_explain_mapfiles(folder: Folder, capsys: Capture) -> None:
    """Mapfiles can be asked before they are built, with their bans or without."""
    folder.ban("  - {subject: one, reason: leaked}\n")
    claims = ["--claims", json.dumps(TOKEN)]
    assert run(["explain", "--mapfiles", str(folder.site), *claims]) == 0
    assert folder.run("explain", *claims) == 1
    assert "denied: ban: leaked" in capsys.readouterr().out


def test_explain_with_broken_mapfiles(folder: Folder, capsys: Capture) -> None:
    """Exit 1 is a decision. Unreadable mapfiles and bans are an error."""
    claims = ["--claims", json.dumps(TOKEN)]
    path = folder.ban("  - {subject: one}\n")
    assert folder.run("explain", *claims) == 3
    assert f"{path}:3:5: " in capsys.readouterr().err
    folder.site.write_text(SITE + "nonsense: 1\n", "utf-8")
    assert folder.run("explain", *claims) == 3
    assert f"{folder.site}:13:1: " in capsys.readouterr().err


def test_explain_without_a_policy(folder: Folder, capsys: Capture) -> None:
    """No policy, and no bans, are an error."""
    assert folder.explain(TOKEN) == 3
    assert f"vomap: {folder.policy}: No such file" in capsys.readouterr().err
    assert folder.build() == 0
    folder.built_bans.unlink()
    assert folder.explain(TOKEN) == 3
    assert str(folder.built_bans) in capsys.readouterr().err
    assert folder.explain(TOKEN, "--bans", "a", "b") == 2


def test_messages_have_one_base() -> None:
    """The errors of vomap itself are reported without a traceback."""
    assert issubclass(FileError, Error)
