"""The manual is what the code says: reference, man pages and completions."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vomap import cli
from vomap.analysis.lint import CODES as MAPFILE_CODES
from vomap.bans.folder import BanFile
from vomap.bans.lint import CODES as BAN_CODES
from vomap.callouts import EXIT_CODES
from vomap.files.atomic import replace_file
from vomap.mapfile.entries import CONDITIONS
from vomap.mapfile.schema import mapfile_schema
from vomap.store import POLICY_FILE, bans_beside

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tools.manual.__main__ import man_pages, reference  # noqa: E402 - the manual's generator is not a part of vomap
from tools.manual.callouts import OPTIONS  # noqa: E402
from tools.manual.completions import bash_completions, zsh_completions  # noqa: E402
from tools.manual.facts import FILES  # noqa: E402
from tools.manual.lint import MEANINGS as LINT  # noqa: E402
from tools.manual.mapfile import PARTS, keys_of  # noqa: E402
from tools.manual.meanings import MEANINGS  # noqa: E402
from tools.manual.verbs import actions_of, command_lines, command_parser, verb_pages, verb_parsers  # noqa: E402

REFERENCE = reference()
MANUAL = man_pages()


@pytest.mark.parametrize("name", REFERENCE)
def test_the_reference_is_as_the_code_has_it(name: str) -> None:
    """The generated pages in docs/ are as the code would generate them now. `make manual` writes them."""
    assert (ROOT / "docs" / "reference" / name).read_text("utf-8") == REFERENCE[name], "run `make manual`"


def test_every_page_of_the_reference_is_generated() -> None:
    """No page of the reference is written by hand, where it could differ."""
    assert {path.name for path in (ROOT / "docs" / "reference").iterdir()} == set(REFERENCE)


def test_every_verb_has_a_page() -> None:
    """There is a man page for the command, each verb, each callout and the mapfile, and each names itself."""
    verbs = {f"vomap-{verb}.1" for verb in cli.VERBS}
    assert set(MANUAL) == {"vomap.1", *verbs, "vomap-htcondor.8", "vomap-arc.8", "vomap-token.8", "vomap-mapfile.5"}
    for name, text in MANUAL.items():
        page, _, volume = name.rpartition(".")
        assert text.startswith(f'.TH "{page.upper()}" "{volume}"'.replace("-", "\\-"))


def test_every_lint_code_is_told() -> None:
    """The page of the linter has each code and no other, with the examples that the tests run."""
    assert set(LINT) == MAPFILE_CODES | BAN_CODES
    for code in LINT:
        folder = ROOT / "tests" / "lint" / code
        section = REFERENCE["lint.md"].partition(f"\n## {code}\n")[2].partition("\n## ")[0]
        for kind in ("bad", "good"):
            bans = folder / f"{kind}-bans.yaml"
            example = bans if bans.exists() else folder / f"{kind}.yaml"
            assert example.read_text("utf-8") in section


@pytest.mark.parametrize("verb", cli.VERBS)
def test_every_option_is_told(verb: str) -> None:
    """The man page and the reference of a verb have each of its options and arguments, its examples and its codes."""
    page, commands = MANUAL[f"vomap-{verb}.1"], REFERENCE["commands.md"]
    lines = [each for words, each in command_lines().items() if words.split()[0] == verb]
    for action in (action for each in lines for action in actions_of(each)):
        for option in action.option_strings:
            assert option.replace("-", "\\-") in page
            assert f"`{option}" in commands
    assert '.SH "EXAMPLES"' in page
    assert '.SH "EXIT CODES"' in page


@pytest.mark.parametrize("name", MANUAL)
def test_a_man_page_is_plain_roff(name: str) -> None:
    """Only known macros, nothing that is not ASCII, and no line of text that roff would take for a request."""
    text = MANUAL[name]
    assert text.isascii()
    macros = {line.split(" ")[0] for line in text.splitlines() if line.startswith((".", "'"))}
    assert macros <= {".TH", ".SH", ".PP", ".TP", ".nf", ".fi", ".RS", ".RE"}


@pytest.mark.skipif(not shutil.which("man"), reason="`make docs` fails where there is no man; here it is a help")
def test_man_does_not_warn(tmp_path: Path) -> None:
    """`man --warnings` reads every page without a word."""
    words = [sys.executable, "-m", "tools.manual", "--lint"]
    words += ["--output", str(tmp_path), "--reference", str(tmp_path / "reference")]

    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(list((tmp_path / "man").iterdir())) == len(MANUAL)


def test_a_list_of_the_help_is_a_list() -> None:
    """Each line of the help that begins with `- ` is an item of the reference and of the man page."""
    items = re.findall(r"^- (.*)$", verb_parsers()["refresh"].epilog or "", re.MULTILINE)
    assert items
    for item in items:
        assert f"\n- {item}\n" in REFERENCE["commands.md"]
        assert "\n.TP 2\n\\(bu\n{}\n".format(item.replace("-", "\\-")) in MANUAL["vomap-refresh.1"]


def _examples() -> list[str]:
    """Return the command of every example of the help texts that is on one line, without its explanation."""
    blocks = re.findall(r"### Examples\n\n```text\n(.*?)```", REFERENCE["commands.md"], re.DOTALL)
    return [
        _command(line, _column(block))
        for block in blocks
        for line in block.splitlines()
        if line.startswith("vomap ") and line.count("'") % 2 == 0
    ]


def _command(line: str, column: int) -> str:
    """Return the command of an example, without what is said of it from a column on, and without redirections."""
    return re.split(" [<>|] ", line[:column] if line[column - 1 : column] == " " else line)[0].strip()


def _column(block: str) -> int:
    """Return the column at which a block of examples says what they are, a large one if it says nothing."""
    found = re.finditer(r"^vomap .*?\S {2,}", block, re.MULTILINE)
    return max((each.end() - each.start() for each in found), default=1000)


@pytest.mark.parametrize("example", _examples())
def test_an_example_of_the_help_is_a_command(example: str) -> None:
    """The command line of each example is one that the command understands."""
    command_parser().parse_args(shlex.split(example)[1:])


def test_there_are_examples() -> None:
    """Every verb has one."""
    assert {line.split()[1] for line in _examples()} == set(cli.VERBS)


def test_every_key_of_a_mapfile_has_a_meaning() -> None:
    """The reference describes each key of the schema, and no other."""
    schema = mapfile_schema()
    parts = {"mapfile": schema, **{definition: schema["definitions"][definition] for _, definition, _ in PARTS}}
    assert set(MEANINGS) == set(parts)
    for name, part in parts.items():
        assert {path for path, _, _ in keys_of(name, part)} == set(MEANINGS[name]), name
    assert {key for key, _, _ in PARTS} == set(schema["properties"]) - {"mapfile", "issued"}


@pytest.mark.parametrize("callout", EXIT_CODES)
def test_the_options_of_a_callout_are_those_that_it_takes(callout: str) -> None:
    """A callout with an unknown option lists exactly the options of its page."""
    program, *verb = callout.split()
    words = [str(ROOT / "plugins" / "bin" / program), *verb, "--nonsense"]
    environment = {"PYTHONPATH": str(ROOT / "plugins"), "PATH": os.defpath}
    done = subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, stdin=subprocess.DEVNULL, env=environment, check=False
    )
    assert done.returncode == 3
    known = done.stderr.strip().partition("; known are ")[2]
    assert known.split(", ") == list(OPTIONS[callout])


def test_files_have_the_modes_that_the_reference_tells(tmp_path: Path) -> None:
    """After `init`, a ban, another build and a rollback, just the files of the list are there, with these modes."""
    before = os.umask(0o077)
    try:
        assert _everything(tmp_path) == 0
    finally:
        os.umask(before)
    told = {each.path.rstrip("/"): each.mode for each in FILES}
    found = _modes(tmp_path)
    assert f"{POLICY_FILE}.rolled-back" not in found
    before = os.umask(0o077)
    try:
        assert cli.run(["build", "--rollback", "--output", str(tmp_path / POLICY_FILE[1:])]) == 0
    finally:
        os.umask(before)
    assert f"{POLICY_FILE}.previous" not in _modes(tmp_path)
    found |= _modes(tmp_path)
    assert {path: found.get(path) for path in told} == told
    assert {path for path in found if (tmp_path / path[1:]).is_file()} <= {*told, "/etc/arc.conf"}


def _modes(root: Path) -> dict[str, int]:
    return {f"/{path.relative_to(root)}": path.stat().st_mode & 0o7777 for path in root.rglob("*")}


def _everything(root: Path) -> int:
    """Have every file written that vomap writes on a CE without a rollback."""
    (root / "etc" / "condor-ce").mkdir(parents=True)
    (root / "etc" / "arc.conf").touch()
    (root / "etc").chmod(0o755)
    words = ["init", "--root", str(root), "--audience", "ANY", "--yes"]
    mapfiles, bans, policy = root / "etc/vomap/mapfiles.d", root / "etc/vomap/bans.d", root / "var/lib/vomap/policy"
    code = cli.run(words)
    kept = ["--bans", str(bans), "--policy", str(policy)]
    code |= cli.run(["ban", "add", "--jti", "x", "--reason", "a drill", *kept])
    fragments = str(root / "etc/arc.conf.d")
    code |= cli.run(["render", "arc", "--more-rules", "--policy", str(policy), "--output", fragments])
    published = "mapfile: 1\nissued: 2026-11-22T12:00:00Z\nbans: []\n"
    BanFile(str(bans), bans_beside(str(policy)), "published-NAME.yaml").put(published)
    site = mapfiles / "10-site.yaml"
    replace_file(str(site), site.read_bytes().replace(b'["ANY"]', b'["ANY", "another"]'))
    return code | cli.run(["build", "--mapfiles", str(mapfiles), "--bans", str(bans), "--output", str(policy)])


CONDITIONS_OF_BANS = [f"--{key}" for key in CONDITIONS if key != "first-group"]


def _completed(line: str) -> list[str]:
    """Return what bash offers at the end of a line."""
    words = line.split(" ")
    array = " ".join(f"'{word}'" for word in words)
    program = f"{bash_completions()}\nCOMP_WORDS=({array})\nCOMP_CWORD={len(words) - 1}\n_vomap\n"
    program += 'printf "%s\\n" "${COMPREPLY[@]}"'
    done = subprocess.run(["bash", "-euc", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("vomap ", {*cli.VERBS, "--version", "--help"}),
        ("vomap b", {"build", "ban"}),
        ("vomap ban l", {"list", "lift"}),
        ("vomap ban ", {"add", "list", "lift", "fetch", "--help"}),
        ("vomap ban lift --", {*CONDITIONS_OF_BANS, "--bans", "--policy", "--json", "--help"}),
        ("vomap ban list --b", {"--bans"}),
        ("vomap render a", {"arc"}),
        ("vomap render htcondor --output tes", {"tests"}),
        ("vomap ban add --un", {"--until"}),
        ("vomap init --mapfile ", {"egi", "fermilab", "osg"}),
        ("vomap init --ce h", {"htcondor"}),
        ("vomap ban add --vo ", set()),
        ("vomap check --mapfiles map", {"mapfiles"}),
        ("vomap check --mapfiles mapfiles/egi.yaml README", {"README.md"}),
        ("vomap nonsense ", set()),
    ],
)
def test_bash_completes(line: str, offered: set[str]) -> None:
    """Verbs, options, the words that an option takes, and files where it takes files."""
    assert set(_completed(line)) == offered


def test_a_synopsis_has_what_must_be_there_without_brackets() -> None:
    """A required argument has no brackets, and an option has."""
    pages = {page.name: " ".join(" ".join(page.synopsis).split()) for page in verb_pages()}
    assert pages["vomap ban"].startswith("vomap ban add [--issuer ISSUER]")
    assert "vomap ban fetch URL [--name NAME]" in pages["vomap ban"]
    assert pages["vomap build"].startswith("vomap build [--mapfiles PATH...]")


def test_what_is_stale_is_told(tmp_path: Path) -> None:
    """`--check` ends with 1 and names each page that is missing or differs, and with 0 if none does."""
    words = [sys.executable, "-m", "tools.manual", "--reference", str(tmp_path), "--output", str(tmp_path / "build")]
    assert subprocess.run(words, cwd=ROOT, check=False).returncode == 0
    assert subprocess.run([*words, "--check"], cwd=ROOT, check=False).returncode == 0
    (tmp_path / "files.md").write_text("# Files\n")
    (tmp_path / "mapfile.md").unlink()
    done = subprocess.run([*words, "--check"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert [line.split(" ")[0] for line in done.stderr.splitlines()] == [
        str(tmp_path / name) for name in ("mapfile.md", "files.md")
    ]


def test_zsh_is_told_every_verb_and_option() -> None:
    """The function for zsh has each verb with its options, and ends every quotation that it begins."""
    text = zsh_completions()
    for words, parser in command_lines().items():
        verb, *action = words.split()
        part = re.split(rf"^        {verb}\)", text, flags=re.MULTILINE)[1]
        (case, *_) = re.findall(rf"^ +{action[0]}\) (.*) ;;$" if action else r"\A (.*) ;;$", part, re.MULTILINE)
        options = [option for action in actions_of(parser) for option in action.option_strings]
        assert [option for option in options if f"{option}[" not in case] == []
        assert "--help[" in case
        assert len(shlex.split(case)) == len(actions_of(parser)) + len(["_arguments", "--help"])


@pytest.mark.skipif(not shutil.which("zsh"), reason="there is no zsh")
def test_zsh_reads_it(tmp_path: Path) -> None:
    """Zsh finds no mistake in its grammar."""
    (tmp_path / "_vomap").write_text(zsh_completions())
    assert subprocess.run(["zsh", "-n", tmp_path / "_vomap"], check=False).returncode == 0
