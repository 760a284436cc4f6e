"""`vomap refresh`: whatever becomes of the topology, the mapfile in force is never worse than before.

`pytest -s tests/cli/test_refresh.py` prints what was installed after each situation.
"""

from __future__ import annotations

import argparse
import configparser
import contextlib
import fcntl
import hashlib
import io
import json
import os
import pwd
import shlex
import stat
import subprocess
import tarfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from threads import end
from unit.web.server import AUTHORITY, Reply, WebServer, serving, without_variables
from vomap import cli
from vomap.cli import make_parser, refresh
from vomap.cli.arguments import BANS_FOLDER, MAPFILES_FOLDER, web_of
from vomap.files.lock import locked
from vomap.web import Web
from vomap.web.download import Limits

SNAPSHOT = Path(__file__).parents[2] / "mapfiles" / "osg-topology" / "virtual-organizations"
UNITS = Path(__file__).parents[2] / "packaging" / "systemd"
SITE = """\
mapfile: 1
site: {audience: [ANY], accounts: {must-exist: no, never: [condor, slurm]}, rename: {ncar: condor}}
tests:
  - token: {iss: https://scitokens.org/ligo, sub: x, aud: ANY, scope: compute.create}
    expect: {account: ligo, vo: LIGO}
  - token: {iss: https://rival.example.org, sub: x, aud: ANY, scope: compute.create}
    expect: declined
"""
VO_FILE = """\
Credentials:
  TokenIssuers:
  - URL: https://%s.example.org
    DefaultUnixUser: %s
"""
ITB = """\
  - Description: CMS ITB pilots
    Subject: 490a9a36-0268-4070-8813-65af031be5a3
    URL: https://cms-auth.web.cern.ch/
    DefaultUnixUser: cmspilot
"""
NEW_SUBJECT = ITB.replace("490a9a36", "aaaaaaaa").replace("ITB", "new")
ANYBODY = ITB.replace("    Subject: 490a9a36-0268-4070-8813-65af031be5a3\n", "").replace("ITB", "any")
Capture = pytest.CaptureFixture[str]
Files = dict[str, str]


def snapshot() -> Files:
    """Return the VO files of the topology as it is."""
    return {path.name: path.read_text("utf-8") for path in sorted(SNAPSHOT.glob("*.yaml"))}


def packed(files: Files) -> bytes:
    """Return VO files in a tarball."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(f"topology/virtual-organizations/{name}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return packed.getvalue()


def without(name: str) -> Callable[[Files], Files]:
    """Return what takes a VO file away."""
    return lambda files: {each: text for each, text in files.items() if each != name}


def with_file(name: str, text: str) -> Callable[[Files], Files]:
    """Return what adds a VO file, or puts another in its place."""
    return lambda files: {**files, name: text}


def edited(name: str, old: str, new: str) -> Callable[[Files], Files]:
    """Return what edits a VO file."""
    return lambda files: {**files, name: files[name].replace(old, new, 1)}


@dataclass(frozen=True)
class Situation:
    """A change of the topology: how `refresh` ends, whether it installs, and a word of its output."""

    name: str
    change: Callable[[Files], Files] = dict
    code: int = 1
    says: str = ""
    reply: Callable[[bytes], Reply] | None = None
    # New entries stay for the following situations.
    stays: bool = False
    arguments: tuple[str, ...] = ()

    @property
    def installs(self) -> bool:
        """Whether another mapfile is in force afterwards."""
        return self.code == 0 and self.stays


SITUATIONS = [
    Situation("the first run", says="there is no mapfile yet"),
    Situation("the first run, accepted", code=0, says=": installed:", arguments=("--accept", "DIGEST"), stays=True),
    Situation("unchanged", code=0, says="no change"),
    Situation(
        "a new subject, and a new VO",
        lambda files: with_file("Newcomer.yaml", VO_FILE % ("new", "newcomer"))(
            edited("CMS.yaml", ITB, ITB + NEW_SUBJECT)(files)
        ),
        code=0,
        says="identity added: https://new.example.org, any subject: newcomer",
        stays=True,
    ),
    Situation("a subject dropped", edited("CMS.yaml", ITB, ""), code=0, says="identity dropped", stays=True),
    Situation(
        "a broken VO file",
        edited("CMS.yaml", "Credentials:\n", "Credentials: [\n"),
        code=0,
        says="CMS.yaml is not valid, so CMS keeps what the mapfile in force has: CMS.yaml:",
        stays=True,
    ),
    Situation("still broken", code=0, says="no change"),
    Situation("repaired", edited("CMS.yaml", "Credentials: [\n", "Credentials:\n"), code=0, says="VOs, ", stays=True),
    Situation("half a tarball", code=3, says="is not a complete tar", reply=lambda body: Reply(body[: len(body) // 2])),
    Situation(
        "a connection that breaks",
        code=3,
        says="/t.tar.gz: ",
        reply=lambda body: Reply(body, sent=body[: len(body) // 2]),
    ),
    Situation("500", code=3, says="500 Internal Server Error", reply=lambda _: Reply(b"", 500)),
    Situation("404", code=3, says="404 Not Found", reply=lambda _: Reply(b"", 404)),
    Situation("a web page", code=3, says="is a web page", reply=lambda _: Reply(b"<html>Sign in</html>")),
    Situation("a VO gone", without("IceCube.yaml"), says="the VO IceCube is gone"),
    Situation(
        "many VOs gone", lambda files: {n: files[n] for n in list(files)[:60]}, says="--max-dropped allows 3,10%"
    ),
    Situation("all token issuers gone", lambda files: dict.fromkeys(files, "{}"), says="names a token issuer"),
    Situation("all VO files gone", lambda _: {}, code=3, says="no VO files"),
    Situation(
        "an account turned to root", edited("CMS.yaml", "cmspilot", "root"), code=0, says="CMS keeps what", stays=True
    ),
    Situation("and turned back", edited("CMS.yaml", ": root", ": cmspilot"), code=0, says="VOs, ", stays=True),
    Situation(
        "an account that the site forbids",
        edited("LIGO.yaml", ": ligo", ": slurm"),
        says="the site forbids the account slurm",
    ),
    Situation(
        "an account that is renamed to one",
        with_file("X.yaml", VO_FILE % ("x", "ncar")),
        says="the site forbids the account ncar, renamed to condor",
    ),
    Situation("an account changed", edited("LIGO.yaml", ": ligo", ": virgo"), says="re-points 1 of "),
    Situation(
        "an account changed, which the site's test forbids, accepted",
        edited("LIGO.yaml", ": ligo", ": virgo"),
        says="the site's policy fails with the candidate",
        arguments=("--accept", "DIGEST"),
    ),
    Situation(
        "an account changed, accepted",
        edited("IceCube.yaml", ": icecube", ": icecap"),
        code=0,
        says="identity re-pointed",
        arguments=("--accept", "DIGEST"),
        stays=True,
    ),
    Situation(
        "an account changed, another accepted",
        edited("IceCube.yaml", ": icecap", ": iceberg"),
        says=" --accept ",
        arguments=("--accept", "0" * 64),
    ),
    Situation(
        "another VO's account", with_file("Y.yaml", VO_FILE % ("y", "cmspilot")), says="cmspilot is an account of other"
    ),
    Situation(
        "a new issuer for an account",
        edited("LIGO.yaml", "ReportingGroups", VO_FILE.partition("Issuers:\n")[2] % ("z", "ligo") + "ReportingGroups"),
        says="https://z.example.org is a new issuer of the VO LIGO",
    ),
    Situation(
        "any subject of an issuer",
        edited("CMS.yaml", NEW_SUBJECT, NEW_SUBJECT + ANYBODY),
        says="now any subject gets the account",
    ),
    Situation(
        "what the site's test forbids",
        with_file("Rival.yaml", VO_FILE % ("rival", "rival")),
        says="the site's policy fails with the candidate",
    ),
    Situation("a huge file", code=3, says="is larger than", reply=lambda _: Reply(bytes(3_000_000))),
    Situation("a slow server", code=3, says="takes longer than", reply=lambda body: Reply(body, drips=0.05)),
    Situation("a silent server", code=3, says="in time", reply=lambda _: Reply(is_silent=True)),
    Situation(
        "a redirect to the same", code=0, says="no change", reply=lambda _: Reply(b"", 302, {"Location": "/real"})
    ),
    Situation(
        "a redirect elsewhere", code=3, says="another host", reply=lambda _: Reply(b"", 302, {"Location": "//evil/x"})
    ),
    Situation("back to normal", code=0, says="no change"),
    Situation("as it was at first", lambda _: snapshot(), code=1, says="the VO Newcomer is gone"),
]


@dataclass
class Site:
    """A site that reads the refreshed mapfile, and a topology on the web."""

    server: WebServer
    folder: Path
    files: Files = field(default_factory=snapshot)

    def __post_init__(self) -> None:
        """Write the site's own mapfile, and the link. There is no mapfile yet."""
        for name in ("mapfiles.d", "bans.d", "state"):
            (self.folder / name).mkdir()
        self.output = self.folder / "state" / "osg.yaml"
        (self.folder / "mapfiles.d" / "10-site.yaml").write_text(SITE)
        (self.folder / "mapfiles.d" / "50-osg.yaml").symlink_to(self.output)

    def serve(self, files: Files, reply: Callable[[bytes], Reply] | None = None) -> None:
        """Put files on the web."""
        body = packed(files)
        tag = hashlib.sha256(repr(files).encode()).hexdigest()
        self.server.replies["/real"] = Reply(body, headers={"ETag": tag})
        self.server.replies["/t.tar.gz"] = reply(body) if reply else self.server.replies["/real"]

    def refresh(self, *words: str) -> int:
        """Run the verb of a site that lets additions in unseen."""
        return self.refresh_as_it_is("--max-added", "1000", *words)

    def refresh_as_it_is(self, *words: str) -> int:
        """Run the verb."""
        source = [] if "--source" in words else ["--source", f"{self.server.url}/t.tar.gz"]
        named = ["--cache", self.folder / "cache", "--output", self.output, "--mapfiles", self.folder / "mapfiles.d"]
        return cli.run(["refresh", *source, *map(str, named), *words])

    def digest(self, capsys: Capture) -> str:
        """Return the digest that a refusal shows."""
        capsys.readouterr()
        self.refresh("--dry-run", "--json")
        return str(json.loads(capsys.readouterr().out)["digest"])

    def begin(self, *words: str) -> None:
        """Install the first mapfile, accepted by the administrator."""
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            assert self.refresh("--json", *words) == 1
        assert self.refresh("--accept", str(json.loads(output.getvalue())["digest"]), *words) == 0

    def build(self) -> int:
        """Build as the site does."""
        named = {"--mapfiles": "mapfiles.d", "--bans": "bans.d", "--output": "policy"}
        return cli.run(["build", *(word for key, name in named.items() for word in (key, str(self.folder / name)))])

    def content(self) -> bytes | None:
        """Return the mapfile in force."""
        return self.output.read_bytes() if self.output.exists() else None


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Return a site whose web is not waited for as long as a real one."""
    without_variables(monkeypatch)
    quick = Limits(connect=5, pause=0.5, whole=2, size=2_000_000)
    monkeypatch.setattr(refresh, "web_of", lambda args: Web(cache=args.cache, authorities=args.ca, limits=quick))
    with serving() as server:
        site = Site(server, tmp_path)
        site.serve(site.files)
        yield site


def test_the_mapfile_in_force_is_never_worse_than_before(site: Site, capsys: Capture) -> None:
    """Each situation ends as it must, leaves a mapfile that the site can build, and no other unless it installs."""
    table = []
    for situation in SITUATIONS:
        before, files = site.content(), situation.change(site.files)
        site.serve(files, situation.reply)
        words = situation.arguments
        if "DIGEST" in words:
            words = tuple(site.digest(capsys) if word == "DIGEST" else word for word in words)
        capsys.readouterr()
        code = site.refresh(*words)
        printed = capsys.readouterr()
        told = printed.out + printed.err
        assert (situation.name, code) == (situation.name, situation.code), told
        assert situation.says in told, situation.name
        assert "Traceback" not in told
        assert (site.content() != before) is situation.installs, situation.name
        # A link to what is not there yet holds a build up: a site makes it after the first mapfile.
        assert site.build() == (3 if site.content() is None else 0), situation.name
        entries = (site.content() or b"").count(b"\n    account: ")
        table.append((situation.name, code, "installed" if situation.installs else "kept", entries, situation.says))
        if situation.stays:
            site.files = files
        assert {path.name for path in site.output.parent.iterdir()} <= {"osg.yaml", "osg.yaml.lock"}
    for row in table:
        print("{:<60} {} {:<9} {:>3} entries  {}".format(*row))


def test_an_unchanged_topology_does_not_come_again(site: Site, capsys: Capture) -> None:
    """The second run asks the server, and gets no file. It does not even write the mapfile again."""
    site.begin()
    status, sent = site.output.stat(), site.server.bytes_sent
    assert site.refresh() == 0
    assert (site.output.stat().st_ino, site.server.bytes_sent) == (status.st_ino, sent)
    assert capsys.readouterr().out.endswith(f"{site.output}: no change\n")


def test_a_dry_run_changes_nothing(site: Site, capsys: Capture) -> None:
    """`--dry-run` reports the effect, and leaves no trace beside the mapfile. It refuses the same candidates."""
    assert site.refresh("--dry-run", "--accept", site.digest(capsys)) == 0
    assert "would be installed" in capsys.readouterr().out
    assert site.content() is None
    site.begin()
    before = site.content()
    site.serve(without("LIGO.yaml")(site.files))
    assert site.refresh("--dry-run") == 1
    assert site.refresh("--dry-run", "--accept", site.digest(capsys)) == 1, "the site's test is no matter of acceptance"
    assert site.content() == before


def test_the_answer_for_a_program(site: Site, capsys: Capture) -> None:
    """`--json` has the outcome, the changes, and the obstacles."""
    assert site.refresh("--json", "--accept", site.digest(capsys)) == 0
    first = json.loads(capsys.readouterr().out)
    assert (first["outcome"], first["first"], first["read-by-site"]) == ("installed", True, True)
    assert first["generated"]["vos"] == 16
    assert site.refresh("--json") == 0
    again = json.loads(capsys.readouterr().out)
    assert (again["outcome"], again["digest"], again["differences"]) == ("unchanged", first["digest"], [])
    site.serve(edited("IceCube.yaml", ": icecube", ": icecap")(site.files))
    assert site.refresh("--json") == 1
    refused = json.loads(capsys.readouterr().out)
    assert refused["outcome"] == "refused"
    assert [each["change"] for each in refused["differences"]] == ["re-pointed"]
    assert [each["kind"] for each in refused["alarms"]] == ["re-pointed"]
    assert refused["faults"] == []
    site.serve(with_file("A.yaml", "[")(site.files))
    assert site.refresh("--json") == 0
    left_out = json.loads(capsys.readouterr().out)
    assert (left_out["outcome"], left_out["generated"]["skipped"]) == ("unchanged", ["A.yaml"])
    assert site.refresh("--json", "--vo", "A", "--vo", "CMS") == 1
    assert [each["kind"] for each in json.loads(capsys.readouterr().out)["faults"]] == ["source"]


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        ([], 1),
        (["--max-repointed", "1"], 0),
        (["--max-repointed", "50%"], 0),
        (["--max-repointed", "5,0%"], 1),
        (["--max-repointed", "x"], 2),
        (["--max-repointed", ""], 2),
        (["--max-dropped", "3,"], 2),
        (["--max-dropped", "-1"], 2),
    ],
)
def test_the_limits_are_the_sites(site: Site, limits: list[str], code: int) -> None:
    """How much may change unseen is a number, a share, or both, of which the smaller holds."""
    site.begin()
    site.serve(edited("IceCube.yaml", ": icecube", ": icecap")(site.files))
    assert site.refresh(*limits) == code


def test_a_mapfile_that_was_edited_by_hand_is_left(site: Site, capsys: Capture) -> None:
    """Rules that the generator would not write are the administrator's. They go only with consent."""
    site.begin()
    text = site.output.read_text()
    site.output.write_text(text.replace("rules:\n", "rules:\n  - {name: ours, vo: CMS, subject: x, deny: no}\n", 1))
    assert site.refresh() == 1
    assert "the candidate removes rule ours, which the generator did not write" in capsys.readouterr().err
    assert site.refresh("--accept", site.digest(capsys)) == 0
    assert site.output.read_text() == text


def test_a_damaged_mapfile_in_force_is_an_error(site: Site, capsys: Capture) -> None:
    """A damaged mapfile in force cannot be compared: the administrator must remove it."""
    site.output.write_text("[")
    assert site.refresh() == 3
    assert "repair the mapfile in force, or move it away" in capsys.readouterr().err
    assert site.output.read_text() == "["


@pytest.mark.parametrize("in_the_way", ["", "file", "link"])
def test_a_site_that_does_not_read_it_is_told(
    site: Site, capsys: Capture, monkeypatch: pytest.MonkeyPatch, in_the_way: str
) -> None:
    """A mapfile counts only where it is linked. The command for the link works in any folder, and destroys no file."""
    link = site.folder / "mapfiles.d" / "50-osg.yaml"
    link.unlink()
    own = "mapfile: 1\nissuers: {https://own.example/: {vo: Own}}\n"
    (site.folder / "shipped.yaml").write_text(own)
    if in_the_way == "link":
        link.symlink_to("../shipped.yaml")
    elif in_the_way:
        link.write_text(own)
    (site.folder / "mapfiles.d" / "10-site.yaml").write_text(SITE.partition("tests:")[0])
    monkeypatch.chdir(site.folder)
    words = ["--output", "state/osg.yaml", "--mapfiles", "mapfiles.d"]
    assert site.refresh("--dry-run", "--accept", site.digest(capsys), *words) == 0
    assert "does not read it yet" not in capsys.readouterr().err, "the link would lead nowhere"
    assert site.refresh("--accept", site.digest(capsys), *words) == 0
    command = capsys.readouterr().err.rpartition("the site does not read it yet. Link it: ")[2]
    monkeypatch.chdir("/")
    subprocess.run(shlex.split(command), check=True)
    assert link.resolve() == site.output.resolve()
    assert in_the_way != "file" or Path(f"{link}.~1~").read_text() == own
    assert site.refresh() == 0
    assert "does not read it yet" not in capsys.readouterr().err


def test_mapfiles_without_a_folder_for_a_link(site: Site, capsys: Capture) -> None:
    """A site that names single files adds one more."""
    words = ["--mapfiles", str(site.folder / "mapfiles.d" / "10-site.yaml")]
    (site.folder / "mapfiles.d" / "10-site.yaml").write_text(SITE.partition("tests:")[0])
    assert site.refresh("--accept", site.digest(capsys), *words) == 0
    assert f"Add {site.output} to the mapfiles that you build" in capsys.readouterr().err


def test_a_folder_that_is_not_there(site: Site, capsys: Capture) -> None:
    """The command that is shown makes it."""
    (site.folder / "mapfiles.d" / "50-osg.yaml").unlink()
    words = ["--output", str(site.folder / "new" / "osg.yaml")]
    assert site.refresh(*words) == 3
    subprocess.run(shlex.split(capsys.readouterr().err.rpartition("type `")[2].strip().strip("`")), check=True)
    assert site.refresh(*words) == 1


def test_a_mapfile_that_was_edited_by_hand_is_kept(site: Site, capsys: Capture) -> None:
    """An administrator who accepts the new one does not lose the edits."""
    site.begin()
    assert site.content() is not None
    edited = site.output.read_text() + "  - token: {iss: https://x/}\n    expect: declined\n"
    site.output.write_text(
        edited.replace("rules:\n", "rules:\n  - {name: ours, vo: IceCube, claim: {a: b}, deny: no}\n")
    )
    edited = site.output.read_text()
    assert site.refresh() == 1
    assert not Path(f"{site.output}.~1~").exists()
    assert site.refresh("--accept", site.digest(capsys)) == 0
    assert Path(f"{site.output}.~1~").read_text() == edited


HANDMADE = "rules:\n  - {name: cms-handmade, issuer: https://cms-auth.web.cern.ch/, subject: me, account: cmspilot}\n"


@pytest.mark.parametrize("is_broken", [False, True])
@pytest.mark.parametrize(("old", "new"), [("rules:\n", HANDMADE), ("issuers:\n", "# ours\nissuers:\n")])
def test_any_edit_by_hand_waits_for_a_person(site: Site, capsys: Capture, old: str, new: str, is_broken: bool) -> None:
    """The source may be a plain folder. A broken VO file does not turn the edit into what the VO keeps."""
    folder = site.folder / "topology"
    folder.mkdir()
    for name in ("CMS.yaml", "LIGO.yaml"):
        (folder / name).write_text(site.files[name])
    words = ["--source", str(folder)]
    site.begin(*words)
    assert old in site.output.read_text()
    site.output.write_text(site.output.read_text().replace(old, new, 1))
    by_hand = site.content()
    if is_broken:
        (folder / "CMS.yaml").write_text("[")
    assert site.refresh(*words) == 1
    assert "check this: the mapfile in force was edited by hand" in capsys.readouterr().err
    assert site.content() == by_hand
    assert site.refresh("--json", *words) == 1
    answer = json.loads(capsys.readouterr().out)
    assert answer["generated"]["kept"] == []
    assert site.refresh("--accept", answer["digest"], *words) == 0
    assert b"handmade" not in (site.content() or b"handmade")
    assert Path(f"{site.output}.~1~").read_bytes() == by_hand
    assert site.refresh(*words) == 0


def test_a_digest_of_another_mapfile(site: Site, capsys: Capture) -> None:
    """A refusal says that the digest is not the right one."""
    assert site.refresh("--accept", "yes") == 1
    assert "--accept yes is not the digest of this mapfile" in capsys.readouterr().err


@pytest.mark.parametrize("digest", ["deadbeef", ""])
def test_a_digest_where_nothing_waits(site: Site, capsys: Capture, digest: str) -> None:
    """The administrator checked another mapfile than this one, so nothing is done, and the exit code says so."""
    site.begin()
    before = site.content()
    assert site.refresh("--accept", digest) == 1
    assert f"--accept {digest}: no mapfile waits for your check" in capsys.readouterr().err
    site.serve(edited("CMS.yaml", ITB, "")(site.files))
    assert site.refresh("--accept", digest) == 1
    assert f"--accept {digest} is not the digest of this mapfile" in capsys.readouterr().err
    assert site.content() == before
    assert site.refresh("--accept", site.digest(capsys)) == 0
    assert site.refresh("--accept", site.digest(capsys)) == 0, "it is in force already"


@pytest.mark.parametrize("broken", ["site: {}", "mapfile: 1\nsite: {never: x}\n"])
def test_a_site_that_is_broken_itself_gets_nothing_new(site: Site, capsys: Capture, broken: str) -> None:
    """If the site's own mapfiles have errors, its forbidden accounts are unknown, so nothing is installed."""
    (site.folder / "mapfiles.d" / "10-site.yaml").write_text(broken)
    assert site.refresh() == 1
    assert "the site's policy fails with the candidate" in capsys.readouterr().err
    assert site.content() is None


def test_without_the_sites_mapfiles_it_is_an_error(site: Site, capsys: Capture, tmp_path: Path) -> None:
    """A folder that is not there says nothing of what the site forbids."""
    assert site.refresh("--mapfiles", str(tmp_path / "gone")) == 3
    assert "gone" in capsys.readouterr().err


@pytest.mark.parametrize("source", ["http://example.org/t.tar.gz", "ftp://example.org/t", "https://github.com/a/b"])
def test_a_source_that_cannot_be_trusted_is_usage(site: Site, source: str) -> None:
    """Without TLS an attacker on the way could choose accounts, so only this very machine may do without."""
    assert site.refresh("--source", source) == 2


def test_over_tls(site: Site) -> None:
    """With the authority's certificates it is as without."""
    with serving(tls=True) as secure:
        secure.replies = {"/t": Reply(packed(site.files))}
        assert site.refresh("--source", f"{secure.url}/t") == 3
        site.begin("--source", f"{secure.url}/t", "--ca", str(AUTHORITY))


def test_chosen_vos(site: Site) -> None:
    """--vo and --multi-vo are as for generate."""
    site.begin("--vo", "LIGO", "--vo", "CMS")
    assert b"IceCube" not in (site.content() or b"")


def test_no_place_to_install_is_an_error(site: Site, tmp_path: Path, capsys: Capture) -> None:
    """A folder that is not there is exit 3, before anything is fetched."""
    assert site.refresh("--output", str(tmp_path / "gone" / "osg.yaml")) == 3
    assert site.server.asked == []


def test_additions_wait_for_a_person(site: Site, capsys: Capture) -> None:
    """By default nothing is added unseen: who knows the site's own rules looks, and accepts what was seen."""
    site.begin()
    first = site.content()
    site.serve(edited("CMS.yaml", ITB, ITB + NEW_SUBJECT.replace("cmspilot", "siteops"))(site.files))
    capsys.readouterr()
    assert site.refresh_as_it_is() == 1
    told = capsys.readouterr()
    assert "--max-added allows 0" in told.out + told.err
    assert site.content() == first


def test_the_first_mapfile_waits_for_a_person(site: Site, capsys: Capture) -> None:
    """With nothing to compare with, all is new: it is shown, and installed only by its digest."""
    assert site.refresh() == 1
    told = capsys.readouterr()
    assert "there is no mapfile yet" in told.err
    assert "identity added: https://scitokens.org/ligo, any subject: ligo" in told.out
    assert site.content() is None
    site.begin()
    assert site.content() is not None


def test_the_line_that_accepts_can_be_run(site: Site, capsys: Capture) -> None:
    """A refusal ends with a command line, options and all, that installs what was refused."""
    assert site.refresh_as_it_is() == 1
    line = capsys.readouterr().out.splitlines()[-1].partition("after your check: ")[2]
    words = shlex.split(line)
    assert cli.run(words[words.index("vomap") + 1 :]) == 0
    assert site.content() is not None


@pytest.mark.parametrize(
    ("owner", "we", "shell", "expected"),
    [
        (990, 0, "/bin/bash", ["runuser", "-u", "vomap-refresh", "--"]),
        (990, 990, "/usr/sbin/nologin", ["runuser", "-u", "vomap-refresh", "--"]),
        (1000, 1000, "/bin/bash", []),
        (0, 0, "/usr/sbin/nologin", []),
    ],
)
def test_root_accepts_as_the_service(
    monkeypatch: pytest.MonkeyPatch, owner: int, we: int, shell: str, expected: list[str]
) -> None:
    """Folder and cache belong to the service's user.

    Root must run the printed command as that user, and so must a reader of its log.
    """
    entry = pwd.struct_passwd(("vomap-refresh", "x", owner, owner, "", "/", shell))
    monkeypatch.setattr(pwd, "getpwuid", lambda _: entry)
    assert refresh._words_to_become(owner, we) == expected


def test_additions_that_reach_the_sites_own_rules_wait_whatever_the_limits(site: Site, capsys: Capture) -> None:
    """A new issuer of a VO that the site maps by its own rule is looked at, though additions may come in unseen."""
    own = SITE + "rules:\n  - {name: ours, vo: IceCube, account: ours}\n"
    (site.folder / "mapfiles.d" / "10-site.yaml").write_text(own)
    site.begin()
    before = site.content()
    more = VO_FILE.partition("Issuers:\n")[2] % ("evil", "harmless")
    site.serve(edited("IceCube.yaml", "  TokenIssuers:\n", "  TokenIssuers:\n" + more)(site.files))
    capsys.readouterr()
    assert site.refresh() == 1
    assert "https://evil.example.org could speak for the VO icecube" in capsys.readouterr().err
    assert site.content() == before


def test_somebody_in_the_way_is_not_waited_for_long(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """Another refresh is waited for for a minute, not for ever."""
    monkeypatch.setattr(refresh, "_PATIENCE", 0.3)
    with locked(str(site.output)):
        assert site.refresh() == 3
    assert f"process {os.getpid()} (" in (told := capsys.readouterr().err)
    assert "has its lock; try again" in told


def test_who_can_only_read_the_folder_cannot_hold_the_lock(site: Site, capsys: Capture) -> None:
    """The lock is a file of the owner alone. A lock on the folder, which any user can take, would block the owner."""
    folder = os.open(site.output.parent, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    try:
        site.begin()
    finally:
        os.close(folder)
    lock = site.output.parent / "osg.yaml.lock"
    assert stat.S_IMODE(lock.stat().st_mode) == 0o600
    assert lock.stat().st_uid == site.output.parent.stat().st_uid


def test_two_at_once_are_one_after_the_other(site: Site) -> None:
    """A second refresh waits for the first."""
    site.begin()
    site.output.unlink()
    with locked(str(site.output)):
        second = threading.Thread(target=site.refresh, daemon=True)
        second.start()
        second.join(0.5)
        waits = second.is_alive()
    end(second)
    assert waits


def test_how_the_web_is_asked(tmp_path: Path) -> None:
    """The command line's cache and certificates are those that are used."""
    args: Any = argparse.Namespace(cache=tmp_path, ca=AUTHORITY)
    assert web_of(args) == Web(cache=tmp_path, authorities=AUTHORITY)


def unit(name: str) -> configparser.RawConfigParser:
    """Read a systemd unit. The values of a repeated key are on separate lines."""
    text = (UNITS / name).read_text()
    for key in ("PathChanged", "SystemCallFilter"):
        first, *rest = text.split(f"\n{key}=")
        text = "\n".join([f"{first}\n{key}={rest[0]}", *(f"  {each}" for each in rest[1:])]) if rest else first
    parser = configparser.RawConfigParser()
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text)
    return parser


def test_the_units_call_what_there_is() -> None:
    """The command lines of the units are the command's own, and the refreshed mapfile is in the unit's state."""
    parser = make_parser({"refresh": refresh, "build": import_module("vomap.cli.build")})
    service = unit("vomap-refresh.service")["Service"]
    words = service["ExecStart"].split()
    args = parser.parse_args([word for word in words[1:] if not word.startswith("$")])
    assert words[0] == "/usr/bin/vomap"
    assert args.cache == Path("/var/cache") / service["CacheDirectory"]
    assert Path(args.output).parent == Path("/var/lib") / service["StateDirectory"]
    build = parser.parse_args(unit("vomap-build.service")["Service"]["ExecStart"].split()[1:])
    assert (build.verb, build.automatic) == ("build", True)


def test_what_is_built_from_is_watched() -> None:
    """A change of mapfiles, of bans and of the refreshed mapfile is built."""
    watched = unit("vomap-build.path")["Path"]["PathChanged"].split()
    state = unit("vomap-refresh.service")["Service"]["StateDirectory"]
    assert watched == [MAPFILES_FOLDER, BANS_FOLDER, f"/var/lib/{state}"]


@pytest.mark.parametrize("name", ["vomap-refresh.service", "vomap-build.service"])
def test_the_units_may_do_no_more_than_they_need(name: str) -> None:
    """The units can write nothing but their state, and get no privilege.

    The user who refreshes is not the one who builds.
    """
    service = unit(name)["Service"]
    assert service["ProtectSystem"] == "strict"
    assert service["NoNewPrivileges"] == "yes"
    assert service["CapabilityBoundingSet"] == ""
    assert service["MemoryMax"]
    assert ("User" in service) is (name == "vomap-refresh.service")
    assert unit("vomap-refresh.timer")["Timer"]["RandomizedDelaySec"]


FETCHING = [path.name for path in sorted(UNITS.glob("*.service")) if "network-online.target" in path.read_text()]


def test_the_units_that_fetch() -> None:
    """They are found by what they wait for."""
    assert FETCHING == ["vomap-bans.service", "vomap-refresh.service"]


@pytest.mark.parametrize("name", FETCHING)
def test_units_that_fetch_see_whether_fips_is_demanded(name: str) -> None:
    """OpenSSL reads /proc/sys/crypto to know whether it must keep to FIPS 140. `ProcSubset=pid` would hide it."""
    assert "ProcSubset" not in unit(name)["Service"]
