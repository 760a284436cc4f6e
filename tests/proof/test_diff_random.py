"""Where `vomap diff` says "no change", no token is decided otherwise: small policies and edits, drawn at random."""

from __future__ import annotations

import random
from collections import Counter
from copy import deepcopy
from typing import Any

from proof.counts import count
from property.strategies import (
    AUDIENCES,
    ENCODED_SCOPES,
    ENTITLEMENTS,
    FREE,
    GONE,
    GROUPS,
    LISTED,
    MANY,
    NOW,
    ONE,
    SCOPES,
    SUBJECTS,
    VOS,
)
from vomap.analysis.diff import PolicyDiff, compare
from vomap.analysis.diff.lines import SHADOWED
from vomap.claims import read_claims
from vomap.mapfile.entries import DEFAULT_SITE
from vomap.policy import MAPPED
from vomap.policy.decide import decide
from vomap.policy.index import policy_of
from vomap.policy.model import NO_BANS, Policy

Document = dict[str, Any]
TOKENS = 100
ISSUERS: Document = {
    ONE: {"vo": "One"},
    MANY: {
        "vo-from": ["scope-path", "group"],
        "vos": {"a": "A", "b": "B", "one": "One"},
        "default-vo": "A",
        "entitlements": {"namespace": "urn:x:y", "authority": "z", "in-scope": True},
    },
    LISTED: {"vo-from": ["group"], "vos": {"A": "A", "B": "B", "a": "A"}, "without-audience": True},
    FREE: {"vo-from": ["group"], "audience": None, "without-compute": True},
    GONE: None,
}


class Drawn:
    """Policies, edits of them, and tokens, from one small vocabulary."""

    def __init__(self, seed: int) -> None:
        """Begin anew, and always in the same way."""
        self._random = random.Random(seed)

    def policy(self) -> Document:
        """Return a policy's document."""
        rules = [self._rule() for _ in range(self._random.randint(1, 5))]
        pools = {"p": {"accounts": ["p{1..9}"]}}
        return {"site": self._site(), "issuers": deepcopy(ISSUERS), "reserved-vos": [], "rules": rules, "pools": pools}

    def edited(self, old: Document) -> Document:
        """Return a document that differs in little, or in nothing that counts."""
        new = deepcopy(old)
        edits = (self._move, self._drop, self._add, self._copy, self._split, self._narrow, self._other_outcome)
        for _ in range(self._random.randint(1, 2)):
            self._random.choice((*edits, self._move, self._split, self._other_issuer, self._other_site))(new)
        return new

    def token(self) -> Document:
        """Return a token of much the same words."""
        draw = self._random
        jobs = draw.choice(("compute.create", "compute.read", "openid"))
        token: Document = {
            "iss": draw.choice((ONE, MANY, MANY, LISTED, FREE, FREE, GONE)),
            "sub": draw.choice((*SUBJECTS, "bob", "acct1@x", "ours", "p3@x", "a/b@x")),
            "aud": draw.choice(("ANY", ["ANY", "elsewhere"], "ce.example:9619", "elsewhere")),
            "scope": " ".join([jobs, *draw.sample((*SCOPES, *ENCODED_SCOPES), draw.randint(0, 3))]),
        }
        optional = {
            "wlcg.groups": draw.sample((*GROUPS, "/A", "/B/x", "/One", "/z"), draw.randint(1, 3)),
            "entitlements": self._some(ENTITLEMENTS),
            "extra": draw.choice(("p-x", "p-y", ["p-x", "q"])),
            "exp": NOW + draw.choice((100, 7200)),
            "iat": NOW,
        }
        token.update({name: value for name, value in optional.items() if draw.random() < 0.4})
        if draw.random() < 0.1:
            del token[draw.choice(list(token))]
        return token

    def _some(self, values: tuple[str, ...], most: int = 2) -> list[str]:
        return self._random.sample(values, self._random.randint(1, min(most, len(values))))

    def _conditions(self) -> Document:
        some = self._some
        possible: Document = {
            "issuer": some((ONE, MANY, LISTED, FREE)),
            "vo": some(VOS),
            "subject": some((*SUBJECTS, "*@x", "*")),
            "group": some((*GROUPS, "/a/**", "/*/x", "/**")),
            "first-group": some((*GROUPS, "/a/**", "/**")),
            "scope": some((*SCOPES, "storage.*:/a/**", "compute.*", "storage.read:*")),
            "claim": {"extra": some(("p-x", "p-*"))},
            "audience": some(AUDIENCES),
        }
        asked = {
            self._random.choice(("issuer", "vo")),
            *self._random.sample(sorted(possible), self._random.randrange(3)),
        }
        return {key: possible[key] for key in sorted(asked)}

    def _rule(self) -> Document:
        rule = self._conditions()
        outcome = self._random.choice(("account", "account", "account", "vo", "user", "pool", "deny"))
        if outcome == "account":
            rule["account"] = self._random.choice(("acct1", "acct2", "renamed", "bob"))
        elif outcome == "vo":
            rule["account"] = "<vo>vo"
        elif outcome == "user":
            rule.pop("claim", None)
            rule.update(subject=[self._random.choice(("<user>@x", "<user>"))], account="<user>")
        else:
            rule[outcome] = "p" if outcome == "pool" else "no"
        return rule

    def _site(self) -> Document:
        draw = self._random
        accounts = {"must-exist": True, "minimum-uid": 1000, "never": self._some(("acct1", "bob", "spare"))}
        site = {**DEFAULT_SITE, "audience": draw.choice((["ANY", "ce.example:9619"], None)), "accounts": accounts}
        optional = {
            "serve": self._some(VOS, 3),
            "rename": {"renamed": "ours", "acct2": "acct3"},
            "maximum-lifetime": 3600,
        }
        return {**site, **{key: value for key, value in optional.items() if draw.random() < 0.4}}

    def _at(self, new: Document) -> int:
        return self._random.randrange(len(new["rules"]))

    def _move(self, new: Document) -> None:
        at = self._at(new)
        new["rules"].insert(at, new["rules"].pop(self._at(new)))

    def _drop(self, new: Document) -> None:
        if len(new["rules"]) > 1:
            del new["rules"][self._at(new)]

    def _add(self, new: Document) -> None:
        new["rules"].insert(self._at(new), self._rule())

    def _copy(self, new: Document) -> None:
        new["rules"].insert(self._at(new), dict(new["rules"][self._at(new)]))

    def _split(self, new: Document) -> None:
        at = self._at(new)
        whole = new["rules"][at]
        lists = [key for key, value in whole.items() if isinstance(value, list) and len(value) > 1]
        if lists:
            key = self._random.choice(lists)
            new["rules"][at : at + 1] = [{**whole, key: whole[key][:1]}, {**whole, key: whole[key][1:]}]

    def _narrow(self, new: Document) -> None:
        """Put a rule that takes less and does the same beside a rule."""
        at = self._at(new)
        rule = new["rules"][at]
        less = {key: value for key, value in self._conditions().items() if key not in ("issuer", "vo", *rule)}
        new["rules"].insert(at + self._random.randint(0, 1), {**rule, **less})

    def _other_outcome(self, new: Document) -> None:
        rule = new["rules"][self._at(new)]
        if "<" not in rule.get("account", "<"):
            rule["account"] = self._random.choice(("acct1", "acct2", "renamed", "bob"))

    def _other_issuer(self, new: Document) -> None:
        url = self._random.choice((ONE, MANY, LISTED))
        if url == ONE or url not in new["issuers"]:
            new["issuers"].pop(url, None)
        else:
            new["issuers"][url]["vos"] = self._random.choice(({"a": "A", "b": "B", "one": "One"}, {"A": "A", "B": "B"}))

    def _other_site(self, new: Document) -> None:
        served = {**new["site"], "serve": self._random.choice((None, list(VOS)))}
        new["site"] = self._random.choice((served, self._site()))


def _compared(old: Any, new: Any) -> PolicyDiff:
    """Compare two policies that are drawn, and so have no declared type."""
    return compare(old, new, NOW)


def test_no_change_is_true() -> None:
    """Two policies that are proven equal decide every token alike, and each reported line is true."""
    drawn = Drawn(seed=1)
    tokens = [drawn.token() for _ in range(1_000)]
    told: Counter[str] = Counter()
    for _ in range(count(full=5_000, reduced=150)):
        old = drawn.policy()
        new = drawn.edited(old)
        _number(old, "old.yaml")
        _number(new, "new.yaml")
        difference = _compared(old, new)
        policies = policy_of(old), policy_of(new)
        _assert_lines_are_true(difference, *policies)
        differs = [token for token in random.Random(1).sample(tokens, TOKENS) if _differs(token, *policies)]
        assert not (difference.is_none and differs), (old, new, differs[0])
        told["none" if difference.is_none else "found" if difference.lines else "not proven"] += 1
        told["missed"] += bool(differs) and all(line.kind == SHADOWED for line in difference.lines)
    print(f"\npairs of random policies, with {TOKENS} random tokens each: {dict(told)}")
    assert told["none"] * TOKENS >= count(full=10_000, reduced=2_000)
    # A change that only three rules together show is not promised, and is rare.
    assert told["missed"] * 20 <= told["found"]


def _number(document: Document, file: str) -> None:
    for number, rule in enumerate(document["rules"]):
        rule.update(name=f"r{number}", source=f"{file}:{number + 1}")


def _differs(token: Document, old: Policy, new: Policy) -> bool:
    return _result(old, token) != _result(new, token)


def _result(policy: Policy, token: Document) -> tuple[Any, ...]:
    decision = decide(policy, NO_BANS, read_claims(token), NOW)
    vo = (decision.vo or "").lower() if decision.outcome == MAPPED else None
    return decision.outcome, decision.account, decision.pool, vo


def _assert_lines_are_true(difference: PolicyDiff, old: Policy, new: Policy) -> None:
    """Assert that each line's token is decided as the line says."""
    for line in difference.lines:
        for policy, results in ((old, line.old), (new, line.new)):
            shown = next(iter(results.values())).decision
            assert _result(policy, line.token)[:3] == (shown.outcome, shown.account, shown.pool)
