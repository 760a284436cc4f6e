"""What a person must look at before a changed mapfile is in force."""

from __future__ import annotations

import pytest

from vomap.mapfile.files import Mapfile
from vomap.refresh.alarms import ChangeLimits, Limit, find_alarms, read_limit
from vomap.refresh.meaning import Meaning, read_meaning

BASE = """\
mapfile: 1
issuers:
  https://a.example.org: {vo: A}
  https://b.example.org: {vo: B}
  https://f.example.org:
    vo-from: [scope-path, group]
    vos: {nova: Nova, f: F}
    default-vo: F
rules:
  - {name: a-1, issuer: https://a.example.org, subject: p, account: a}
  - {name: a-2, issuer: https://a.example.org, subject: q, account: a}
  - {name: b, issuer: https://b.example.org, account: b}
  - {name: f, issuer: https://f.example.org, subject: q, account: f}
"""
LOOSE = ChangeLimits(Limit(), Limit(), Limit())


def meaning(text: str) -> Meaning:
    """Return the meaning of the text of a mapfile."""
    return read_meaning([Mapfile("osg.yaml", text)])


def alarms(changed: str, limits: ChangeLimits = LOOSE) -> list[tuple[str, str]]:
    """Return the alarms of a mapfile in the place of BASE."""
    found = find_alarms(meaning(BASE), meaning(changed), limits)
    return [(alarm.kind, alarm.text) for alarm in found]


@pytest.mark.parametrize(
    ("text", "number", "percent", "allowed"),
    [("3", 3, None, 3), ("0", 0, None, 0), ("10%", None, 10, 5), ("3,10%", 3, 10, 3), ("9,10%", 9, 10, 5)],
)
def test_a_limit(text: str, number: int | None, percent: int | None, allowed: int) -> None:
    """A number, a share, or both, of which the smaller holds; it is written as it is read."""
    limit = read_limit(text)
    assert limit == Limit(number, percent)
    assert str(limit) == text
    assert [count for count in range(20) if limit.allows(count, 50)] == list(range(allowed + 1))


@pytest.mark.parametrize(
    "text", ["", "x", "-1", "1.5", "3,", ",3%", "3%,3", "3 ", "%", "10%10", "3,10", "1234567", "٣"]
)
def test_what_is_no_limit(text: str) -> None:
    """What could be taken for another limit than was meant is none."""
    with pytest.raises(ValueError, match="is not a valid limit"):
        read_limit(text)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("mapfile: 1", "# a comment\nmapfile: 1"),
        ("rules:", "rules:\n  - {name: a-3, issuer: https://a.example.org, subject: r, account: a}"),
        ("rules:", "rules:\n  - {name: a-3, issuer: https://a.example.org, subject: r, account: other}"),
        (
            "rules:",
            "  https://n.example.org: {vo: N}\nrules:\n  - {name: n, issuer: https://n.example.org, account: n}",
        ),
        ("  - {name: a-2, issuer: https://a.example.org, subject: q, account: a}\n", ""),
        ("nova: Nova", "nova: Nova, mu2e: Mu2e"),
    ],
)
def test_what_changes_every_day_is_no_alarm(old: str, new: str) -> None:
    """A new subject, a new VO with an account of its own, and a dropped subject need nobody."""
    assert old in BASE
    assert alarms(BASE.replace(old, new, 1)) == []


@pytest.mark.parametrize(
    ("old", "new", "kind", "words"),
    [
        ("https://b.example.org: {vo: B}", "https://b.example.org: {vo: A}", "vo-gone", "the VO B is gone"),
        (
            "subject: p, account: a}",
            "account: a}",
            "opened",
            "https://a.example.org had a list of subjects, and now any subject gets the account a",
        ),
        ("subject: p, account: a}", "subject: p, account: b}", "account", "b is an account of other VOs"),
        (
            "rules:",
            "  https://n.example.org: {vo: N}\nrules:\n  - {name: n, issuer: https://n.example.org, account: a}",
            "account",
            "a is an account of other VOs, and https://n.example.org of the VO N now gets it",
        ),
        (
            "rules:",
            "  https://n.example.org: {vo: a}\nrules:\n  - {name: n, issuer: https://n.example.org, account: a}",
            "account",
            "https://n.example.org is a new issuer of the VO a and gets the account a, which is in use",
        ),
        ("rules:", "site: {audience: ANY}\nrules:", "by-hand", "adds key site, which the generator did not write"),
    ],
)
def test_what_is_always_an_alarm(old: str, new: str, kind: str, words: str) -> None:
    """Whatever the limits, a person looks at who comes to whose account, and at a VO that is gone."""
    assert old in BASE
    ((found, text),) = alarms(BASE.replace(old, new, 1))
    assert found == kind
    assert words in text


@pytest.mark.parametrize(("account", "expected"), [("b", []), ("c", ["re-pointed"])])
def test_who_had_the_account_of_any_subject_has_another(account: str, expected: list[str]) -> None:
    """A subject that is listed where any subject had an account is no new one: it may come to another account."""
    listed = f"rules:\n  - {{name: b-1, issuer: https://b.example.org, subject: x, account: {account}}}"
    with_subject, limits = BASE.replace("rules:", listed), ChangeLimits(Limit(), Limit(0), Limit())
    assert [kind for kind, _ in alarms(with_subject, limits)] == expected
    found = find_alarms(meaning(with_subject), meaning(BASE), limits)
    assert [alarm.kind for alarm in found] == expected


def test_a_vo_that_is_a_name_of_another_issuer_is_not_gone() -> None:
    """A VO that its parent's issuer still speaks for is there."""
    changed = BASE.replace("  https://b.example.org: {vo: B}\n", "").replace("nova: Nova", "b: B, nova: Nova")
    changed = changed.replace("  - {name: b, issuer: https://b.example.org, account: b}\n", "")
    assert alarms(changed) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("nova: Nova, ", "", "the candidate drops 1 of 6 identities and VO names; --max-dropped allows 0"),
        (
            "nova: Nova, ",
            "nova: F, ",
            "the candidate re-points 1 of 6 identities and VO names to another account or VO; --max-repointed allows 0",
        ),
        ("subject: p, account: a}", "subject: p, account: c}", "the candidate re-points 1 of 6 identities"),
        ("scope-path, group", "group", "the candidate re-points 1 of 6 identities"),
    ],
)
def test_what_is_counted(old: str, new: str, expected: str) -> None:
    """Identities and the names that tokens use for VOs count, and how an issuer is declared."""
    assert old in BASE
    ((_, text),) = alarms(BASE.replace(old, new, 1), ChangeLimits(Limit(0), Limit(0), Limit()))
    assert text.startswith(expected)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            "rules:",
            "  https://n.example.org: {vo: N}\nrules:\n  - {name: n, issuer: https://n.example.org, account: siteops}",
        ),
        ("nova: Nova", "nova: Nova, cms: CMS"),
        ("rules:", "rules:\n  - {name: b-1, issuer: https://b.example.org, subject: x, account: siteops}"),
    ],
)
def test_nothing_is_added_unseen(old: str, new: str) -> None:
    """What is added may come to an account of the site's own, or to its VO, of which the mapfile knows nothing."""
    assert old in BASE
    changed = BASE.replace(old, new, 1)
    assert "added" in [kind for kind, _ in alarms(changed, ChangeLimits(Limit(), Limit(), Limit(0)))]
    assert "added" not in [kind for kind, _ in alarms(changed, ChangeLimits(Limit(), Limit(), Limit(5)))]
