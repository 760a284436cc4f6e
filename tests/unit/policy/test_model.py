"""Check which accounts a policy names, and which documents are not valid."""

from __future__ import annotations

import pytest

from unit.policy.composed import policy_of
from vomap.claims import read_claims
from vomap.policy.matching import Conditions, View, first_unmet_condition
from vomap.policy.model import Ban

ISSUERS = """\
mapfile: 1
issuers:
  https://one/: {vo: One}
  https://list/: {vo-from: [group], vos: [Two], default-vo: Three}
  https://free/: {vo-from: [group]}
  https://gone/: none
"""


@pytest.mark.parametrize(
    ("account", "named"),
    [
        ("plain", True),
        ("old", True),
        ("new", True),
        ("p2", True),
        ("onex", True),
        ("twox", True),
        ("<vo>x", False),
        ("<user>", False),
        ("threex", False),
        ("p4", False),
    ],
)
def test_accounts_that_are_named(account: str, named: bool) -> None:
    """A rule, a pool and both sides of a rename name accounts. `<vo>` names one account for each VO of its rule."""
    policy = policy_of(
        ISSUERS,
        """\
mapfile: 1
site: {rename: {old: new}}
rules:
  - {name: a, vo: One, account: plain}
  - {name: b, vo: [One, TWO], account: <vo>x}
  - {name: c, issuer: https://free/, account: <vo>x}
  - {name: d, vo: One, subject: <user>, account: <user>}
  - {name: e, vo: One, deny: x}
pools:
  p: {accounts: "p{1..3}"}
""",
    )
    assert policy.names(account) is named


def test_a_condition_that_is_not_known() -> None:
    """An unknown condition is an error, because a rule without it would match more tokens."""
    with pytest.raises(ValueError, match="not-before"):
        Conditions({"name": "r", "source": "m:1", "vo": ["V"], "not-before": ["2030"]})


def test_a_token_without_a_subject() -> None:
    """A token without a subject matches no condition on the subject."""
    conditions = Conditions({"name": "r", "source": "m:1", "subject": ["*"], "account": "a"})
    assert first_unmet_condition(conditions, View(read_claims({}), [], []), {}) == "subject"
    assert first_unmet_condition(conditions, View(read_claims({"sub": ["s"]}), [], []), {}) == "subject"
    assert first_unmet_condition(conditions, View(read_claims({"sub": "s"}), [], []), {}) is None


@pytest.mark.parametrize("conditions", [{}, {"claim": {}}])
def test_a_ban_without_a_condition(conditions: dict[str, object]) -> None:
    """A ban without a condition is an error, because it would ban all users."""
    with pytest.raises(ValueError, match="every token"):
        Ban({"source": "x:1", "reason": "r", **conditions})
