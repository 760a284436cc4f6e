"""Two mapfiles are compared by what they mean: issuers, VOs, and who runs as whom."""

from __future__ import annotations

import pytest

from vomap.mapfile.files import Mapfile
from vomap.mapfile.findings import MapfileError
from vomap.refresh.meaning import Meaning, find_changes, read_meaning

BASE = """\
mapfile: 1
issuers:
  https://a.example.org: {vo: A}
  https://f.example.org:
    vo-from: [scope-path, group]
    vos: {nova: Nova, f: F}
    default-vo: F
rules:
  - {name: a-pilots, issuer: https://a.example.org, subject: p, account: ap}
  - {name: a, issuer: https://a.example.org, account: a}
  - {name: f, issuer: https://f.example.org, subject: q, account: fq}
tests:
  - {token: {iss: x}, expect: declined}
"""
DECLARED = "default-vo: F, vo-from:"


def meaning(text: str) -> Meaning:
    """Return the meaning of the text of a mapfile."""
    return read_meaning([Mapfile("osg.yaml", text)])


def changes(changed: str) -> list[str]:
    """Return how a mapfile differs from BASE."""
    return [str(change) for change in find_changes(meaning(BASE), meaning(changed))]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("mapfile: 1", "# a comment\nmapfile: 1"),
        ("{vo: A}", "\n    vo: 'A'"),
        ("{nova: Nova, f: F}", "{f: F, nova: Nova}"),
        ("name: a-pilots", "name: other"),
        ("tests:\n  - {token: {iss: x}, expect: declined}\n", ""),
        ("subject: p,", "subject: [p],"),
        (
            "tests:",
            "  - {name: late, issuer: https://a.example.org, subject: z, account: never}\ntests:",
        ),
    ],
)
def test_the_same_meaning_written_otherwise(old: str, new: str) -> None:
    """Comments, quotes, orders that do not matter, names, tests, and rules that are never reached mean nothing."""
    assert old in BASE
    assert changes(BASE.replace(old, new)) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("{vo: A}", "{vo: B}", ["issuer changed: https://a.example.org: vo: A -> vo: B"]),
        (
            "{vo: A}",
            "none",
            ["issuer changed: https://a.example.org: vo: A -> none", "other added: issuer https://a.example.org: none"],
        ),
        ("  https://a.example.org: {vo: A}\n", "", ["issuer dropped: https://a.example.org: vo: A"]),
        ("rules:", "  https://n.example.org: {vo: N}\nrules:", ["issuer added: https://n.example.org: vo: N"]),
        (
            "[scope-path, group]",
            "[group]",
            [f"issuer changed: https://f.example.org: {DECLARED} [scope-path, group] -> {DECLARED} [group]"],
        ),
        ("nova: Nova, ", "", ["vos dropped: https://f.example.org, nova: Nova"]),
        ("nova: Nova", "nova: F", ["vos changed: https://f.example.org, nova: Nova -> F"]),
        (
            "{nova: Nova, f: F}",
            "[Nova, f]",
            [
                "vos added: https://f.example.org, Nova: Nova",
                "vos changed: https://f.example.org, f: F -> f",
                "vos dropped: https://f.example.org, nova: Nova",
            ],
        ),
        ("account: ap", "account: other", ["identity re-pointed: https://a.example.org, p: ap -> other"]),
        (
            "subject: p",
            "subject: [p, r]",
            ["identity added: https://a.example.org, r: ap"],
        ),
        (
            "  - {name: a, issuer: https://a.example.org, account: a}\n",
            "",
            ["identity dropped: https://a.example.org, any subject: a"],
        ),
        ("tests:", "site: {audience: unchecked}\ntests:", ["other added: key site"]),
        (
            "  - {name: f,",
            "  - {name: no, vo: A, deny: x}\n  - {name: f,",
            ["other added: rule no"],
        ),
    ],
)
def test_every_difference_is_told(old: str, new: str, expected: list[str]) -> None:
    """Each change of an issuer's VOs and of an identity's account has a line."""
    assert old in BASE
    assert changes(BASE.replace(old, new, 1)) == expected


def test_a_rule_that_is_hidden_counts_as_dropped() -> None:
    """The first rule that matches decides: after the one for any subject, a pinned one means nothing."""
    rules = BASE.splitlines(keepends=True)
    rules[8], rules[9] = rules[9], rules[8]
    assert changes("".join(rules)) == ["identity dropped: https://a.example.org, p: ap"]


def test_a_difference_as_json() -> None:
    """In JSON, the parts of the name are members of their own."""
    (change,) = find_changes(meaning(BASE), meaning(BASE.replace("account: ap", "account: other")))
    assert change.as_json() == {
        "what": "identity",
        "change": "re-pointed",
        "issuer": "https://a.example.org",
        "subject": "p",
        "old": "ap",
        "new": "other",
    }


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[",
        "- a",
        "issuers: {}",
        "mapfile: 2",
        "mapfile: 1\nrules: {}",
        "mapfile: 1\nissuers: []",
        "mapfile: 1\nrules: [a]",
    ],
)
def test_what_is_no_mapfile_is_an_error(content: str) -> None:
    """A file that vomap cannot read is an error, not a difference."""
    with pytest.raises(MapfileError):
        meaning(content)


def test_conditions_of_another_type_are_an_error() -> None:
    """A subject that is a mapping is not valid."""
    with pytest.raises(MapfileError, match="subject"):
        meaning(BASE.replace("subject: p", "subject: {a: b}"))
