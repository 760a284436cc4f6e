"""`vomap render`: the wiring of a CE, printed, written and for programs.

Options that exclude each other are refused.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from unit.ces.ce_system import GONE, ONE, RULES, TWO
from vomap.cli import run

Capture = pytest.CaptureFixture[str]
SITE = "mapfile: 1\nsite: {audience: [ce.example:9619, ANY]}\n"
HTCONDOR_FILES = ["05-vomap.conf", "55-vomap-policy.conf"]


class Site:
    """A site's mapfiles and bans, built."""

    def __init__(self, folder: Path, capsys: Capture) -> None:
        """Write and compile a policy, with a ban of an undeclared issuer."""
        self.capsys = capsys
        self.mapfiles, self.bans, self.policy = folder / "mapfiles.d", folder / "bans.d", folder / "policy"
        self.mapfiles.mkdir()
        self.bans.mkdir()
        (self.mapfiles / "10-site.yaml").write_text(SITE, "utf-8")
        (self.mapfiles / "20-rules.yaml").write_text(RULES, "utf-8")
        (self.bans / "hand.yaml").write_text("mapfile: 1\nbans:\n  - {issuer: https://bad/, reason: x}\n", "utf-8")
        folders = ["--mapfiles", str(self.mapfiles), "--bans", str(self.bans)]
        assert run(["build", *folders, "--output", str(self.policy)]) == 0

    def render(self, ce: str, *words: str, code: int = 0) -> str:
        """Render the compiled policy and return the output. With exit code 1 there is none."""
        return self.rendered(ce, "--policy", str(self.policy), *words, code=code)

    def rendered(self, *words: str, code: int = 0) -> str:
        """Run the verb with just these words."""
        self.capsys.readouterr()
        assert run(["render", *words]) == code
        printed = self.capsys.readouterr()
        assert (printed.err == "") == (code == 0)
        assert code == 0 or printed.out == ""
        return printed.out if code == 0 else printed.err


@pytest.fixture
def site(tmp_path: Path, capsys: Capture) -> Site:
    """Return a site that is built."""
    return Site(tmp_path, capsys)


def test_printed_for_htcondor(site: Site) -> None:
    """Both files, each under its name: a line for each issuer that is declared or banned, and the settings."""
    told = site.render("htcondor")
    assert [line[7:] for line in told.splitlines() if line.startswith("# ---- ")] == HTCONDOR_FILES
    for issuer in (ONE, TWO, "https://bad/"):
        assert told.count(r"SCITOKENS /^" + issuer.replace("/", r"\/").replace(".", r"\.") + ",/ PLUGIN:VOMAP\n") == 1
    assert GONE.partition("//")[2].replace(".", r"\.") not in told
    assert "SCITOKENS_SERVER_AUDIENCE = ce.example:9619, ANY\n" in told
    assert f"SEC_SCITOKENS_FOREIGN_TOKEN_ISSUERS = {TWO}\n" in told
    assert told.endswith("\n")


def test_printed_for_arc(site: Site) -> None:
    """The blocks, for the same issuers."""
    told = site.render("arc", "--vo", "One")
    for issuer in (ONE, TWO, "https://bad/"):
        assert f"authtokens = * {issuer} * * *\n" in told
    assert GONE not in told
    assert [line for line in told.splitlines() if line.startswith("[")] == [
        "[authgroup:vomap]",
        "[authgroup:vomap-one]",
        "[mapping]",
        "[arex/ws/jobs]",
    ]


def test_later_rules_of_arc(site: Site, tmp_path: Path) -> None:
    """Two files are written: vomap's rule comes before those of the site, and the last rule after them."""
    told = site.render("arc", "--more-rules", "--output", str(tmp_path))
    assert told.splitlines() == [str(tmp_path / "50-vomap.conf"), str(tmp_path / "99-vomap.conf")]
    assert "map --decline continue\n" in (tmp_path / "50-vomap.conf").read_text("utf-8")
    assert (
        (tmp_path / "99-vomap.conf")
        .read_text("utf-8")
        .endswith("map_with_plugin = vomap 10 /usr/libexec/vomap/vomap-arc map\n")
    )


def test_arc_only_observes(site: Site, tmp_path: Path) -> None:
    """The blocks have no mapping rule and give no access, with `--more-rules` as without."""
    told = site.render("arc", "--observe")
    assert [line for line in told.splitlines() if line.startswith("[")] == [
        "[authgroup:vomap]",
        "[authgroup:vomap-observe]",
    ]
    assert "/vomap-arc map --observe\n" in told
    assert site.render("arc", "--observe", "--more-rules") == told
    assert site.render("arc", "--observe", "--output", str(tmp_path)).splitlines() == [str(tmp_path / "50-vomap.conf")]


def test_the_last_rule_is_left_while_arc_only_observes(site: Site, tmp_path: Path) -> None:
    """The last rule would refuse tokens. vomap writes nothing, and gives the command that removes the rule."""
    site.render("arc", "--more-rules", "--output", str(tmp_path))
    before = (tmp_path / "50-vomap.conf").read_text("utf-8")
    told = site.render("arc", "--observe", "--output", str(tmp_path), code=2)
    assert f"run `rm {tmp_path / '99-vomap.conf'}` first" in told
    assert (tmp_path / "50-vomap.conf").read_text("utf-8") == before


@pytest.mark.parametrize("ce", ["htcondor", "arc"])
def test_mapfiles_that_are_not_built_yet(site: Site, ce: str) -> None:
    """The sources give the same as what is built of them."""
    words = ["--mapfiles", str(site.mapfiles), "--bans", str(site.bans)]
    assert site.rendered(ce, *words) == site.render(ce)
    assert "https://bad/" not in site.rendered(ce, *words[:2]).replace("\\", "")


def test_options_for_htcondor(site: Site) -> None:
    """The next plugin and the callout's place."""
    told = site.render("htcondor", "--then", "EGI", "--then", "OTHER", "--callout", "/opt/vomap-htcondor")
    assert told.count(",/ PLUGIN:VOMAP,EGI,OTHER\n") == 3
    assert "SEC_SCITOKENS_PLUGIN_VOMAP_COMMAND = /opt/vomap-htcondor\n" in told


def test_options_for_arc(site: Site) -> None:
    """Rules that follow and the callout's place."""
    told = site.render("arc", "--more-rules", "--callout", "/opt/vomap-arc")
    assert "policy_on_nomap = continue\nmap_with_plugin = vomap 10 /opt/vomap-arc map --decline continue\n" in told


@pytest.mark.parametrize("ce", ["htcondor", "arc"])
def test_written(site: Site, tmp_path: Path, ce: str) -> None:
    """The files have the printed text, their paths are reported, and a second run gives the same."""
    folder = tmp_path / "out"
    folder.mkdir()
    printed = site.render(ce)
    for _ in range(2):
        told = site.render(ce, "--output", str(folder)).splitlines()
        assert told == [str(folder / name) for name in (HTCONDOR_FILES if ce == "htcondor" else ["50-vomap.conf"])]
        assert sorted(map(str, folder.iterdir())) == sorted(told)
        assert "\n".join(f"# ---- {Path(path).name}\n{Path(path).read_text('utf-8')}" for path in told) == printed
    assert all(path.stat().st_mode & 0o777 == 0o644 for path in folder.iterdir())


def test_written_over_a_link(site: Site, tmp_path: Path) -> None:
    """A link in a file's place is replaced. Its target stays."""
    folder, other = tmp_path / "out", tmp_path / "other"
    folder.mkdir()
    other.write_text("precious", "utf-8")
    link = folder / HTCONDOR_FILES[0]
    link.symlink_to(other)
    site.render("htcondor", "--output", str(folder))
    assert not link.is_symlink()
    assert other.read_text("utf-8") == "precious"


@pytest.mark.parametrize("umask", [0o077, 0o000])
def test_folders_that_the_ce_can_read(site: Site, tmp_path: Path, umask: int) -> None:
    """The CE can read new folders, and only their owner can write them, whatever the umask is."""
    old = os.umask(umask)
    try:
        site.render("htcondor", "--output", str(tmp_path / "new" / "out"))
    finally:
        os.umask(old)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("new", "new/out")] == [0o755, 0o755]


def test_a_file_of_the_sites_own_is_kept(site: Site, tmp_path: Path) -> None:
    """A file that `render` did not write gets another name. One that it wrote is replaced without a copy."""
    own = tmp_path / HTCONDOR_FILES[0]
    own.write_text("SCITOKENS /x/ y\n", "utf-8")
    before = {path.name for path in tmp_path.iterdir()}
    for words in ([], ["--then", "EGI"]):
        assert run(["render", "htcondor", "--policy", str(site.policy), "--output", str(tmp_path), *words]) == 0
    assert {path.name for path in tmp_path.iterdir()} - before == {HTCONDOR_FILES[1], f"{own.name}.~1~"}
    assert (tmp_path / f"{own.name}.~1~").read_text("utf-8") == "SCITOKENS /x/ y\n"


@pytest.mark.parametrize("ce", ["htcondor", "arc"])
def test_for_programs(site: Site, tmp_path: Path, ce: str) -> None:
    """`--json` has each file's text by its name, and nothing else is printed."""
    answer = json.loads(site.render(ce, "--json"))
    assert "".join(f"# ---- {name}\n{text}" for name, text in answer.items()) == site.render(ce).replace(
        "\n\n# --", "\n# --"
    )
    assert json.loads(site.render(ce, "--json", "--output", str(tmp_path))) == answer
    assert all((tmp_path / name).read_text("utf-8") == text for name, text in answer.items())


@pytest.mark.parametrize(
    "words",
    [
        ["htcondor", "--then", "A,B"],
        ["htcondor", "--then", ""],
        ["arc", "--vo", "a b"],
        ["arc", "--vo", "One", "--observe"],
        ["arc", "--vo", "One", "--vo", "a\n[mapping]"],
        ["htcondor", "--callout", "vomap-htcondor"],
        ["arc", "--callout", "/a\nmap_to_user = all root"],
        ["htcondor", "--bans", "bans.d"],
        ["arc", "--bans", "bans.d"],
        ["arc", "--mapfiles", "mapfiles.d"],
    ],
)
def test_usage(site: Site, words: list[str]) -> None:
    """Options that exclude each other, or that could begin a line, are exit 2 with one line that has the reason."""
    told = site.render(*words, code=2)
    assert told.startswith("vomap: ")
    assert told.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["slurm"],
        ["htcondor", "arc"],
        ["htcondor", "--nonsense"],
        ["arc", "--then", "EGI"],
        ["htcondor", "--vo", "One"],
        ["htcondor", "--more-rules"],
        ["htcondor", "--observe"],
    ],
)
def test_words_that_are_unknown(site: Site, words: list[str]) -> None:
    """One kind of CE is named, a known one, with no option of the other."""
    site.rendered(*words, code=2)


@pytest.mark.parametrize("what", ["policy", "policy.bans"])
@pytest.mark.parametrize("how", ["missing", "damaged"])
def test_what_is_built_cannot_be_read(site: Site, tmp_path: Path, what: str, how: str) -> None:
    """Without the policy there is nothing to wire, and bans that cannot be read are never no bans."""
    path = tmp_path / what
    if how == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-1])
    for ce in ("htcondor", "arc"):
        assert str(path) in site.render(ce, code=3)


def test_nothing_can_be_written(site: Site, tmp_path: Path) -> None:
    """A missing folder is created. A file in its place is an error that names it."""
    site.render("htcondor", "--output", f"{tmp_path}/none")
    assert (tmp_path / "none" / HTCONDOR_FILES[0]).is_file()
    (tmp_path / "file").touch()
    assert str(tmp_path / "file") in site.render("htcondor", "--output", f"{tmp_path}/file", code=3)


@pytest.mark.parametrize("which", ["mapfiles", "bans"])
def test_sources_with_errors(site: Site, tmp_path: Path, which: str) -> None:
    """Nothing is made of what has an error, and nothing is written."""
    broken = tmp_path / f"{which}.d" / "90-broken.yaml"
    broken.write_text("mapfile: 1\nnonsense: 1\n", "utf-8")
    folder = tmp_path / "out"
    folder.mkdir()
    words = ["--mapfiles", str(site.mapfiles), "--bans", str(site.bans), "--output", str(folder)]
    assert f"{broken}:2:1" in site.rendered("htcondor", *words, code=3)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("ce", ["htcondor", "arc"])
def test_mapfiles_without_an_audience(site: Site, ce: str) -> None:
    """A policy that `build` would refuse is not wired as if the site had `unchecked`."""
    (site.mapfiles / "10-site.yaml").unlink()
    assert "audience" in site.rendered(ce, "--mapfiles", str(site.mapfiles), code=2)
