"""`site: log: claims`: which claims of a token the decision log keeps."""

from __future__ import annotations

from typing import Any

import pytest

from unit.policy.composed import policy_document
from vomap.claims import DECISIVE

RULES = """\
issuers: {https://a.example/: {vo: a, groups: {claim: gr}}}
rules: [{name: r, vo: a, claim: {email: x}, account: a}]
"""


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("all", "all"),
        ("none", []),
        ("scope", ["scope"]),
        ("[scope, exp]", ["scope", "exp"]),
        ("[all]", ["all"]),
        ("[none]", ["none"]),
    ],
)
def test_a_site_says_which_claims_are_kept(written: str, kept: Any) -> None:
    """`all` keeps every claim and `none` keeps none. In a list both are names of claims."""
    site = policy_document(f"mapfile: 1\nsite: {{audience: unchecked, log: {{claims: {written}}}}}\n{RULES}")["site"]
    assert site["log"] == {"claims": kept}


def test_without_a_word_the_log_keeps_what_the_policy_asks_for() -> None:
    """The log keeps the claims that each decision reads, and those that rules and issuers name."""
    site = policy_document(f"mapfile: 1\nsite: {{audience: unchecked, log: {{to: none}}}}\n{RULES}")["site"]
    assert site["log"] == {"to": "none", "claims": [*DECISIVE, "email", "gr"]}
