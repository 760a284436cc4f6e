"""Effects of a changed mapfile on a site's own rules, declarations and renames, which it does not show alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from vomap.mapfile.files import Mapfile
from vomap.osg.mapfile_text import seal
from vomap.refresh.alarms import ChangeLimits, Limit
from vomap.refresh.review import Review, review_candidate

LOOSE = ChangeLimits(Limit(), Limit(), Limit())
A, N, F, EGI = (f"https://{name}.example.org" for name in ("a", "n", "f", "egi"))
BASE = f"""\
mapfile: 1
issuers:
  {A}: {{vo: A}}
  {F}:
    vo-from: [scope-path, group]
    vos: {{nova: Nova, f: F}}
    default-vo: F
rules:
  - {{name: a-1, issuer: {A}, subject: p, account: a}}
  - {{name: a-2, issuer: {A}, subject: q, account: a}}
  - {{name: f, issuer: {F}, subject: q, account: f}}
tests:
  - token: {{iss: {A}, sub: p, scope: compute.create}}
    alone: yes
    expect: {{account: a}}
"""
SETTINGS = "mapfile: 1\nsite: {audience: ANY}\n"
ISSUERS_END = "    default-vo: F\n"


def alarms(
    folder: Path, own: str, old: str, new: str, *, later: str = "", site: str = SETTINGS
) -> list[tuple[str, str]]:
    """Return the alarms where a site has rules of its own before (and perhaps after) the distributed ones."""
    review = review_of(folder, own, old, new, later=later, site=site)
    assert review.faults == ()
    return [(alarm.kind, alarm.text) for alarm in review.alarms]


def review_of(folder: Path, own: str, old: str, new: str, *, later: str = "", site: str = SETTINGS) -> Review:
    """Return the review on what becomes of the distributed rules by one edit."""
    (folder / "mapfiles.d").mkdir()
    (folder / "mapfiles.d" / "10-site.yaml").write_text(site + own)
    if later:
        (folder / "mapfiles.d" / "90-later.yaml").write_text("mapfile: 1\n" + later)
    in_force = folder / "osg.yaml"
    (folder / "mapfiles.d" / "50-osg.yaml").symlink_to(in_force)
    in_force.write_text(seal(BASE))
    assert old in BASE
    changed = BASE.replace(old, new, 1)
    return review_candidate(Mapfile(str(in_force), changed), [str(folder / "mapfiles.d")], LOOSE, 0)


def issuer(url: str, vo: str, account: str) -> str:
    """Return the end of the issuers with one more, and its rule."""
    return f"{ISSUERS_END}  {url}: {{vo: {vo}}}\nrules:\n  - {{name: new, issuer: {url}, account: {account}}}\n"


WITH_RULES = ISSUERS_END + "rules:\n"
OWN = "rules:\n  - {name: own, %s}\n"


@pytest.mark.parametrize(
    ("own", "old", "new", "words"),
    [
        (OWN % "vo: A, account: ours", WITH_RULES, issuer(N, "a", "n"), f"{N} could speak for the VO a"),
        ("", WITH_RULES, issuer(N, "A", "n"), f"{N} could speak for the VO a"),
        (OWN % "vo: New, account: ours", WITH_RULES, issuer(N, "New", "n"), f"{N} could speak for the VO new"),
        (
            OWN % "vo: Mu2e, account: ours",
            "nova: Nova",
            "nova: Nova, mu2e: Mu2e",
            f"{F} could speak for the VO mu2e by the name mu2e",
        ),
        (OWN % f"issuer: {F}, account: <vo>pro", "nova: Nova", "nova: Nova, mu2e: Mu2e", "by the name mu2e"),
        ("", "nova: Nova", "nova: Nova, supernova: Nova", "by the name supernova"),
        (OWN % f"issuer: {N}, account: ours", WITH_RULES, issuer(N, "New", "n"), f"{N} could speak"),
        (
            OWN % "vo: Other, account: ours",
            WITH_RULES,
            issuer(N, "New", "ours"),
            f"{N} would get the account ours",
        ),
        (
            OWN % f"issuer: {EGI}, subject: <user>@x, account: <user>",
            WITH_RULES,
            issuer(N, "New", "jo"),
            f"{N} would get the account jo",
        ),
        (
            OWN % "vo: Other, pool: many" + "pools: {many: {accounts: 'ex{01..20}'}}\n",
            WITH_RULES,
            issuer(N, "New", "ex07"),
            f"{N} would get the account ex07",
        ),
        (
            OWN % f"issuer: {EGI}, subject: <user>@x, account: <user>",
            f"  - {{name: f, issuer: {F}, subject: q, account: f}}\n",
            "",
            "no rule would name f any more",
        ),
        (
            f"issuers:\n  {EGI}: {{vo-from: [group]}}\n" + OWN % "vo: A, account: ours",
            f"  {A}: {{vo: A}}\n",
            f"  {A}: {{vo: B}}\n",
            f"{EGI} could speak for the VO a by the name a",
        ),
    ],
)
def test_what_the_sites_own_rules_make_of_it(tmp_path: Path, own: str, old: str, new: str, words: str) -> None:
    """No limit allows it: a new issuer of a VO of the site and a new user of its accounts are alarms."""
    found = alarms(tmp_path, own, old, new)
    assert [text for _, text in found if words in text], found


def test_a_rename_leads_to_an_account_of_others(tmp_path: Path) -> None:
    """The account that a rule names is not the one that its users get."""
    site = "mapfile: 1\nsite: {audience: ANY, rename: {n: a}}\n"
    ((kind, text),) = alarms(tmp_path, "", WITH_RULES, issuer(N, "New", "n"), site=site)
    assert (kind, text.split(",")[0]) == ("account", f"{N} would get the account a")


def test_a_reserved_vo_becomes_free(tmp_path: Path) -> None:
    """An issuer without `vos` gains a VO when the declaration of a distrusted issuer does not name the VO any more."""
    free = "https://free.example.org"
    own = f"issuers:\n  {F}: none\n  {free}: {{vo-from: [group]}}\n"
    own += f"rules:\n  - {{name: own, issuer: {free}, account: <vo>}}\n"
    found = alarms(tmp_path, own, "{nova: Nova, f: F}", "{f: F}")
    assert [text for kind, text in found if kind == "vo" and free in text and "nova" in text]


@pytest.mark.parametrize("later", [f"issuers:\n  {N}: none\n", f"issuers:\n  {N}: {{vo: Mine, audience: [x]}}\n"])
def test_a_declaration_hides_that_of_a_later_file(tmp_path: Path, later: str) -> None:
    """The administrator cannot accept such a candidate, because root's build refuses it in a file of another user."""
    (fault,) = review_of(tmp_path, "", WITH_RULES, issuer(N, "New", "n"), later=later).faults
    assert fault.text.startswith("the site's policy fails with the candidate: ")
    assert f"{N}: a declaration that overrides a later one ({tmp_path}/mapfiles.d/90-later.yaml:3; rename" in fault.text


def test_who_loses_his_account_may_fall_to_a_later_rule(tmp_path: Path) -> None:
    """A dropped subject is not declined where the site ends with a rule for all users of the VO."""
    dropped = f"  - {{name: a-2, issuer: {A}, subject: q, account: a}}\n"
    rule = "rules:\n  - {name: rest, vo: A, account: rest}\n"
    ((kind, text),) = alarms(tmp_path, "", dropped, "", later=rule)
    assert (kind, text.split(" would ")[0]) == ("left", f"{A}, q")


@pytest.mark.parametrize(
    ("own", "old", "new"),
    [
        (OWN % "vo: Other, account: ours", WITH_RULES, issuer(N, "New", "n")),
        (OWN % "vo: A, account: ours", "rules:", f"rules:\n  - {{name: a-3, issuer: {A}, subject: r, account: a}}"),
        (OWN % "vo: A, account: ours", f"  - {{name: a-2, issuer: {A}, subject: q, account: a}}\n", ""),
        ("", "nova: Nova", "nova: Nova, mu2e: Mu2e"),
    ],
)
def test_what_the_site_has_no_rules_about_is_no_alarm(tmp_path: Path, own: str, old: str, new: str) -> None:
    """Who lets additions in unseen is not asked about those that reach nothing of his own."""
    assert alarms(tmp_path, own, old, new) == []


def test_a_vo_that_is_not_served_is_no_alarm(tmp_path: Path) -> None:
    """A new issuer of a VO that the site does not serve maps no token."""
    site = "mapfile: 1\nsite: {audience: ANY, serve: [F]}\n"
    assert alarms(tmp_path, "", WITH_RULES, issuer(N, "A", "n"), site=site) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("2026-11-02", "2026-11-01", ["older"]),
        ("2026-11-02", "unknown", ["older"]),
        ("2026-11-02", "2026-11-02", []),
        ("2026-11-02", "2026-11-03", []),
        ("unknown", "2026-11-03", []),
    ],
)
def test_an_older_topology_waits_for_a_person(tmp_path: Path, old: str, new: str, expected: list[str]) -> None:
    """An attacker who could send the topology of last year would undo a correction."""
    in_force = tmp_path / "osg.yaml"
    in_force.write_text(seal(f"# date: {old}\n{BASE}"))
    changed = f"# date: {new}\n{BASE}".replace("subject: p, account", "subject: p2, account").replace(
        "sub: p,", "sub: p2,"
    )
    review = review_candidate(Mapfile(str(in_force), changed), [str(tmp_path)], LOOSE, 0)
    assert [alarm.kind for alarm in review.alarms] == expected


def test_a_site_that_cannot_be_read_with_the_mapfile_in_force_is_an_alarm(tmp_path: Path) -> None:
    """The site cannot be compared then, though the new mapfile is valid."""
    (tmp_path / "10-site.yaml").write_text(SETTINGS)
    in_force = tmp_path / "50-osg.yaml"
    in_force.write_text(BASE + "site: {audience: ANY}\n")
    review = review_candidate(Mapfile(str(in_force), BASE), [str(tmp_path)], LOOSE, 0)
    assert "site" in [alarm.kind for alarm in review.alarms]
