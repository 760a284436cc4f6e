"""A VO whose file is broken keeps what it has in force, and no other VO gets anything of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from vomap.mapfile.files import Mapfile
from vomap.osg.files import TopologyError, TopologyFiles
from vomap.osg.generate import Generation, generate
from vomap.osg.mapfile_text import kept_vos, seal
from vomap.refresh.alarms import ChangeLimits, Limit, find_alarms
from vomap.refresh.candidate import new_mapfile
from vomap.refresh.kept import read_in_force
from vomap.refresh.meaning import NOTHING, MapfileChange, find_changes, read_meaning

Files = dict[str, str]
Entry = Callable[..., str]


def issuer(name: str) -> str:
    """Return the URL of an issuer."""
    return f"https://{name}.example.org"


def vo(name: str, account: str, *subjects: str, more: str = "") -> str:
    """Return a VO file with an entry for each subject, or one for any subject."""
    lines = "".join(
        f"  - {{URL: '{issuer(name)}', {f'Subject: {subject}, ' if subject else ''}DefaultUnixUser: {account}}}\n"
        for subject in subjects or ("",)
    )
    return f"Credentials:\n  TokenIssuers:\n{lines}{more}"


BEFORE = {"CMS.yaml": vo("cms", "cmspilot", "one", "two"), "LIGO.yaml": vo("ligo", "ligo")}
FERMILAB = {
    "Fermilab.yaml": vo("fermilab", "fermi"),
    "Nova.yaml": "ParentVO: {Name: Fermilab}\nReportingGroups: [nova]\n",
    "DUNE.yaml": "{}",
    "REPORTING_GROUPS.yaml": "nova: {FQANs: [{GroupName: /fermilab/nova}]}\n",
}


def made(files: Files, before: str | None = None, **options: object) -> Generation:
    """Return the mapfile of VO files, after another one was in force."""
    in_force = None if before is None else read_in_force(Mapfile("osg.yaml", before))
    contents = {name: text.encode() for name, text in files.items()}
    return generate(TopologyFiles(contents), "topology", in_force=in_force, **options)  # type: ignore[arg-type]


def changes(old: str, new: str) -> list[MapfileChange]:
    """Return how two mapfiles differ."""
    return find_changes(*(read_meaning([Mapfile("osg.yaml", text)]) if text else NOTHING for text in (old, new)))


BROKEN = [
    "Credentials: [",
    "",
    "\0",
    "- a\n",
    "Credentials: {TokenIssuers: text}\n",
    vo("cms", "root"),
    vo("cms", "other", "one").replace("DefaultUnixUser", "Default"),
    vo("cms", "cmspilot", "one") + "Credentials: {}\n",
    vo("cms", "cmspilot", "one", "'*'"),
    "x" * 300_000,
]


@pytest.mark.parametrize("text", BROKEN)
def test_a_vo_keeps_what_it_has(text: str) -> None:
    """Issuers, subjects, accounts and the names of rules stay, whatever is wrong with the file."""
    before = made(BEFORE).text
    after = made({**BEFORE, "CMS.yaml": text}, before)
    assert changes(before, after.text) == []
    assert kept_vos(after.text) == ("CMS",)
    assert after.text.partition("\nmapfile:")[2] == before.partition("\nmapfile:")[2]
    assert after.warnings[0].startswith("CMS.yaml is not valid, so CMS keeps what the mapfile in force has: CMS.yaml")
    again = made({**BEFORE, "CMS.yaml": text}, after.text)
    assert again.text == after.text
    assert kept_vos(made(BEFORE, after.text).text) == ()


def test_other_vos_are_updated() -> None:
    """A broken file holds no other VO back."""
    before = made(BEFORE).text
    after = made({**BEFORE, "CMS.yaml": "[", "LIGO.yaml": vo("ligo", "virgo"), "New.yaml": vo("new", "new")}, before)
    assert sorted(map(str, changes(before, after.text))) == [
        "identity added: https://new.example.org, any subject: new",
        "identity re-pointed: https://ligo.example.org, any subject: ligo -> virgo",
        "issuer added: https://new.example.org: vo: New",
    ]


def test_a_broken_file_of_a_vo_that_is_not_in_force() -> None:
    """The VO has nothing to keep, so it is left out. If it was asked for, that is an error."""
    before = made(BEFORE).text
    files = {**BEFORE, "New.yaml": "["}
    after = made(files, before)
    assert changes(before, after.text) == []
    assert after.mapfile.broken == ("New.yaml",)
    assert made(files, before, only=["CMS"]).mapfile.vos == 1
    with pytest.raises(TopologyError, match=r"--vo New: New\.yaml is broken: New\.yaml:1:"):
        made(files, before, only=["New"])


def test_the_administrator_removes_a_broken_vo() -> None:
    """With skip_broken the VO is gone, which `vomap refresh` then shows to the administrator."""
    before = made(BEFORE).text
    after = made({**BEFORE, "CMS.yaml": "["}, before, skip_broken=True)
    assert {change.name[0] for change in changes(before, after.text)} == {issuer("cms")}
    assert after.mapfile.kept == ()


@pytest.mark.parametrize("broken", ["CMS.yaml", None], ids=["broken", "valid"])
def test_no_other_vo_claims_an_issuer_in_force(broken: str | None) -> None:
    """An issuer stays with the VO that has it in force, whether or not that VO's file is broken."""
    before = made(BEFORE).text
    files = {**BEFORE, "Evil.yaml": vo("cms", "evil"), "LIGO.yaml": vo("ligo", "ligo") + vo("cms", "ligo")[29:]}
    after = made({**files, **({broken: "["} if broken else {})}, before)
    assert changes(before, after.text) == []
    assert set(after.mapfile.broken) == {"Evil.yaml"}
    assert set(after.mapfile.kept) == {"CMS", "LIGO"} if broken else {"LIGO"}
    assert any(
        f"Evil.yaml is left out: Evil.yaml: Credentials.TokenIssuers: {issuer('cms')}" in w for w in after.warnings
    )


def test_a_new_issuer_that_two_vos_claim_is_nobodys() -> None:
    """Nothing in force decides, so both VOs keep what they have, and others go on."""
    before = made(BEFORE).text
    both = {name: text + vo("new", "x")[29:] for name, text in BEFORE.items()}
    after = made({**both, "New.yaml": vo("own", "own")}, before)
    assert {change.name[0] for change in changes(before, after.text)} == {issuer("own")}
    assert after.mapfile.kept == ("CMS", "LIGO")


def test_an_issuer_moves_only_if_the_owner_lets_go() -> None:
    """A move to another VO goes on to the review, where it needs the administrator. A broken owner lets nothing go."""
    before = made(BEFORE).text
    moved = {"CMS.yaml": "{}", "LIGO.yaml": vo("ligo", "ligo") + vo("cms", "ligo")[29:]}
    assert any(change.kind == "changed" for change in changes(before, made(moved, before).text))
    assert changes(before, made({**moved, "CMS.yaml": "["}, before).text) == []


RIVALS = {
    "a new issuer": {"Evil.yaml": vo("new", "evil")},
    "an issuer in force": {"LIGO.yaml": vo("ligo", "ligo"), "New.yaml": vo("new", "x")},
    "a broken file": {"Evil.yaml": vo("new", "evil") + "["},
}


@pytest.mark.parametrize("rival", RIVALS)
def test_no_rival_holds_a_vo_to_an_issuer_that_it_drops(rival: str) -> None:
    """The old issuer may be compromised. CMS keeps it only while its own file names it, or while that is not valid."""
    files = {**BEFORE, **(RIVALS[rival] if rival == "an issuer in force" else {})}
    before = made(files).text
    after = made({**files, **RIVALS[rival], "CMS.yaml": vo("new", "cmspilot")}, before)
    assert {change.name[0] for change in changes(before, after.text)} == {issuer("cms")}
    assert "CMS" not in after.mapfile.kept
    asked = made({**files, **RIVALS[rival], "CMS.yaml": vo("new", "cmspilot")}, before, only=["CMS", "LIGO"])
    assert [each.vo for each in asked.mapfile.issuers] == ["LIGO"]


def test_no_rival_holds_a_vo_to_a_subject_that_it_drops() -> None:
    """Of the subjects in force, those stay that the file of CMS still names, or that its any subject contains."""
    before = made(BEFORE).text
    rival = {**BEFORE, "Evil.yaml": vo("new", "evil")}
    entries = vo("cms", "cmspilot", "two") + vo("new", "cmspilot")[29:]
    after = made({**rival, "CMS.yaml": entries}, before)
    assert [change.name for change in changes(before, after.text)] == [(issuer("cms"), "one")]
    any_subject = vo("cms", "cmspilot") + vo("new", "cmspilot")[29:]
    assert changes(before, made({**rival, "CMS.yaml": any_subject}, before).text) == []


def test_no_child_holds_its_parent_to_an_issuer_that_it_drops() -> None:
    """A name in tokens that means two VOs makes the file of the parent unusable, and the parent's drop still counts."""
    files = {**BEFORE, **FERMILAB}
    before = made(files).text
    evil = {"Evil.yaml": "ParentVO: {Name: Fermilab}\nReportingGroups: [nova]\n"}
    after = made({**files, **evil, "Fermilab.yaml": vo("moved", "fermi")}, before)
    assert {each.url for each in after.mapfile.issuers} == {issuer("cms"), issuer("ligo")}


def test_a_comment_of_a_broken_file_is_no_claim() -> None:
    """Otherwise the author of a VO file could keep any issuer from any VO."""
    before = made(BEFORE).text
    new = {**BEFORE, "CMS.yaml": vo("cms", "cmspilot", "one", "two") + vo("new", "cmspilot")[29:]}
    for comment in (f"# {issuer('new')}\n[", f"a: b # {issuer('new')}\r["):
        after = made({**new, "Zed.yaml": comment}, before)
        assert {change.name[0] for change in changes(before, after.text)} == {issuer("new")}
    for text in (f"x: {issuer('new')} # [\n[", f"# x\rURL: {issuer('new')}\r[", f"{{a: ' # x', URL: {issuer('new')}"):
        assert changes(before, made({**new, "Zed.yaml": text}, before).text) == []


def test_a_broken_file_of_the_owner_protects_all_that_it_has() -> None:
    """A file that is not valid shows no names, so its VO keeps everything, and a rival gets nothing."""
    before = made(BEFORE).text
    files = {**BEFORE, "CMS.yaml": vo("new", "cmspilot") + "[", "Evil.yaml": vo("cms", "evil")}
    after = made(files, before)
    assert changes(before, after.text) == []
    assert after.mapfile.kept == ("CMS",)


def test_vos_that_shift_their_issuers_keep_none_that_they_drop() -> None:
    """V1 claims the issuer that V0 keeps, so it has none: it dropped its own. The others shift, for the review."""
    names = [f"V{number}" for number in range(30)]
    before = made({f"{name}.yaml": vo(name.lower(), name.lower()) for name in names}).text
    shifted = {f"{name}.yaml": vo(other.lower(), "x") for name, other in zip(names[1:], names)}
    after = made({**shifted, "V0.yaml": "["}, before)
    owners = {each.url: each.vo for each in after.mapfile.issuers}
    assert owners == {issuer("v0"): "V0", **{issuer(f"v{n}"): f"V{n + 1}" for n in range(1, 29)}}
    assert after.mapfile.kept == ("V0",)


@pytest.mark.parametrize("name", ["cms.yaml", "Cms.yaml"])
def test_another_spelling_is_not_the_vo_in_force(name: str) -> None:
    """VO names compare without case. The file with the spelling in force is the VO's."""
    before = made(BEFORE).text
    after = made({**BEFORE, name: vo("evil", "evil")}, before)
    assert changes(before, after.text) == []
    assert kept_vos(after.text) == ()
    after = made({**BEFORE, name: vo("evil", "evil"), "CMS.yaml": "["}, before)
    assert changes(before, after.text) == []
    assert kept_vos(after.text) == ("CMS",)


@pytest.mark.parametrize(
    "broken",
    [
        {"Nova.yaml": "["},
        {"Nova.yaml": "ParentVO: x\n"},
        {"DUNE.yaml": "["},
        {"REPORTING_GROUPS.yaml": "["},
        {"Fermilab.yaml": "["},
        {"Fermilab.yaml": "[", "Nova.yaml": "[", "REPORTING_GROUPS.yaml": "["},
        {"Nova.yaml": "[", "Evil.yaml": "ParentVO: {Name: Fermilab}\nReportingGroups: [nova]\n"},
        {"Evil.yaml": "ParentVO: {Name: Fermilab}\nReportingGroups: [nova]\n"},
        {"Fermilab.yaml": vo("fermilab", "fermi") + vo("second", "x")[29:]},
    ],
    ids="-".join,
)
def test_names_in_tokens_stay(broken: Files) -> None:
    """The names of VOs in the tokens of an issuer stay with their VOs, and no other VO gets one of a broken file."""
    files = {**BEFORE, **FERMILAB}
    before = made(files).text
    assert "      dune: DUNE\n      fermilab: Fermilab\n      nova: Nova\n" in before
    after = made({**files, **broken}, before)
    assert changes(before, after.text) == []
    assert after.mapfile.kept


def test_a_multi_vo_that_was_asked_for_is_kept_too() -> None:
    """`--multi-vo` names a VO that stays as it is in force."""
    files = {**FERMILAB, **BEFORE}
    before = made(files, multi_vos=["Fermilab"]).text
    assert changes(before, made({**files, "Fermilab.yaml": "["}, before, multi_vos=["Fermilab"]).text) == []


def test_nothing_is_kept_of_a_file_that_others_can_change(tmp_path: Path) -> None:
    """Another user could have written the entries, and vomap would write them into a file that root builds."""
    path = tmp_path / "osg.yaml"
    path.write_text(made(BEFORE).text)
    path.chmod(0o666)
    tmp_path.chmod(0o777)
    faulty = new_mapfile(str(path), path.read_text())
    assert faulty.custody.faults
    assert read_in_force(faulty).vos == {}
    assert read_in_force(Mapfile("osg.yaml", "[")).vos == {}
    assert read_in_force(None).vos == {}


def test_a_subject_is_never_widened() -> None:
    """A rule that the administrator wrote by hand is kept as it is, or not at all."""
    by_hand = seal(made(BEFORE).text.replace("subject: one", 'subject: "any subject"'))
    kept = read_in_force(Mapfile("osg.yaml", by_hand)).vos["cms"]
    assert {entry.subject for entry in kept.entries} == {"any subject", "two"}
    with_group = seal(made(BEFORE).text.replace("    subject: one\n", "    subject: one\n    group: /cms\n", 1))
    assert {e.subject for e in read_in_force(Mapfile("osg.yaml", with_group)).vos["cms"].entries} == {"two"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("rules:\n", f"rules:\n  - {{name: handmade, issuer: '{issuer('cms')}', subject: me, account: root2}}\n"),
        ("account: cmspilot", "account: ligo"),
        ("{vo: CMS}", "{vo: CMS} # ours"),
        ("# date: unknown\n", "# date: 2999-01-01\n"),
        ("# sha256 of the other lines", "# sha256 of other lines"),
        ("\n", "\r\n"),
    ],
)
def test_nothing_is_kept_of_a_mapfile_that_was_edited_by_hand(old: str, new: str) -> None:
    """The generator did not make its rules of any VO file. With a broken VO file, they would become generated rules."""
    before = made(BEFORE).text
    assert read_in_force(Mapfile("osg.yaml", before)).vos.keys() == {"cms", "ligo"}
    assert old in before
    by_hand = before.replace(old, new, 1)
    assert read_in_force(Mapfile("osg.yaml", by_hand)).vos == {}
    after = made({**BEFORE, "CMS.yaml": "["}, by_hand)
    assert (after.mapfile.kept, [each.vo for each in after.mapfile.issuers]) == ((), ["LIGO"])


def test_without_a_mapfile_in_force_an_issuer_in_a_broken_file_is_reserved() -> None:
    """If the file of CMS is broken, another VO that claims its issuer does not get it."""
    files = {"CMS.yaml": vo("cms", "cmspilot") + "[", "Evil.yaml": vo("cms", "evil"), "LIGO.yaml": vo("ligo", "ligo")}
    with pytest.raises(TopologyError, match=r"Evil\.yaml is broken: .*is the issuer of CMS\.yaml too"):
        made(files, only=["Evil"])
    assert made(files, only=["LIGO"]).mapfile.vos == 1
    assert [each.vo for each in made(files, "mapfile: 1\n").mapfile.issuers] == ["LIGO"]


def test_one_broken_file_does_not_stop_other_vos() -> None:
    """Without `only` a broken file that may name an issuer is an error, and with it a warning."""
    files = {**BEFORE, "Broken.yaml": "["}
    assert made(files, only=["cms"]).warnings[0].startswith("Broken.yaml is left out: Broken.yaml:1:2: ")
    with pytest.raises(TopologyError, match=r"Broken\.yaml:1:2: "):
        made(files)


@pytest.mark.parametrize("changed", ["CMS.yaml", None], ids=["broken", "valid"])
def test_an_issuer_that_the_administrator_distrusts_never_comes_back_unseen(changed: str | None) -> None:
    """`none` in the mapfile in force was written by hand. Its removal needs the administrator, whatever the limits."""
    declared = f"  {issuer('cms')}: {{vo: CMS}}\n"
    before = made(BEFORE).text
    assert declared in before
    by_hand = before.partition("\nrules:")[0].replace(declared, f"  {issuer('cms')}: none\n") + "\n"
    after = made({**BEFORE, **({changed: "["} if changed else {})}, by_hand)
    old, new = (read_meaning([Mapfile("osg.yaml", text)]) for text in (by_hand, after.text))
    anything = Limit(1000)
    kinds = {alarm.kind for alarm in find_alarms(old, new, ChangeLimits(anything, anything, anything))}
    assert "by-hand" in kinds
