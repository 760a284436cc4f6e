"""The work of `vomap check` and `vomap diff` is limited. They report everything that they leave out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vomap.analysis.budget import Budget
from vomap.analysis.clauses import Clause, SplitPolicy
from vomap.analysis.diff import compare, equality
from vomap.analysis.diff.equality import ClauseComparison
from vomap.analysis.lint import lint_mapfiles
from vomap.analysis.lint.context import LintContext
from vomap.analysis.outcome import Evaluator
from vomap.mapfile.compose import Composition
from vomap.mapfile.entries import DEFAULT_SITE
from vomap.mapfile.findings import Place
from vomap.policy.authority import Authority
from vomap.policy.index import RuleAccounts

NOW = 1_795_348_800.0
ISSUER, VO = "https://one.example/", "one"
# Far above what the work takes, and far below what it took when it grew with the square.
SECONDS = 60
MANY = 4_000


def _policy(issuers: dict[str, Any], rules: Sequence[dict[str, Any]], **site: Any) -> Any:
    """Return the document of a policy. Rules without an outcome give an account of their own."""
    whole = []
    for at, rule in enumerate(rules):
        outcome = {} if {"deny", "account", "pool"} & set(rule) else {"account": f"acc{at}"}
        whole.append({"name": f"rule{at}", "source": f"m.yaml:{at + 1}", **rule, **outcome})
    document = {"site": {**DEFAULT_SITE, "audience": ["ANY"], **site}, "issuers": issuers, "reserved-vos": []}
    return {**document, "rules": whole, "pools": {}}


def _lint(document: Any, budget: Budget | None = None) -> list[tuple[str | None, str]]:
    place = Place("m.yaml", 1, 1)
    composition = Composition(document, [], dict.fromkeys(document["issuers"], place), {"audience": place})
    report = lint_mapfiles(LintContext(composition, [], NOW, budget=budget))
    return [(warning.code, warning.message) for warning in report.warnings]


SHAPES = {
    "undeclared issuers": lambda many: _policy(
        {f"https://vo{at}.example/": {"vo": f"vo{at}"} for at in range(many)},
        [{"issuer": [f"https://v{at}.example/"]} for at in range(many)],
    ),
    "issuers that may name each VO": lambda many: _policy(
        {f"https://vo{at}.example/": {"vo-from": ["group"]} for at in range(many)},
        [{"vo": [f"vo{at}"]} for at in range(many)],
    ),
    "accounts with the VO": lambda many: _policy(
        {ISSUER: {"vo-from": ["group"], "vos": {f"name{at}": f"v{at}" for at in range(many)}}},
        [{"issuer": [ISSUER], "group": [f"/*/x{at}"], "account": "g<vo>"} for at in range(many)],
    ),
    "audiences": lambda many: _policy(
        {ISSUER: {"vo": VO, "audience": [f"https://ce{at}.example" for at in range(many)]}},
        [{"issuer": [ISSUER], "audience": [f"https://ce{at}.example"]} for at in range(many)],
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_lint_does_not_grow_with_the_square(shape: str) -> None:
    """Thousands of entries of each shape are checked, or reported as not checked, without a hang."""
    begin = time.process_time()
    _lint(SHAPES[shape](MANY))
    assert time.process_time() - begin < SECONDS


@pytest.mark.parametrize(
    "condition",
    [
        lambda at: {"group": [f"/{VO}/*/x{at}"], "vo": [VO]},
        lambda at: {"subject": [f"*{at}"], "issuer": [ISSUER]},
        lambda at: {"claim": {"department": [f"d{at}"]}, "issuer": [ISSUER]},
    ],
)
def test_the_diff_does_not_grow_with_the_square(condition: Any) -> None:
    """A new policy with another account for each of thousands of overlapping rules is compared without a hang."""
    issuers = {ISSUER: {"vo-from": ["group"], "vos": {VO: VO}}}
    old, new = (
        _policy(issuers, [{**condition(at), "account": f"{side}{at}"} for at in range(MANY)]) for side in ("a", "b")
    )
    begin = time.process_time()
    assert not compare(old, new, NOW).is_none
    assert time.process_time() - begin < SECONDS


def test_a_decision_has_the_effort_of_all_rules_that_it_reads() -> None:
    """Rules in one list of the index count as work, also if the first of them decides the token."""

    def effort(many: int) -> int:
        evaluator = Evaluator(SplitPolicy(SHAPES["audiences"](many)), NOW)
        token = {"iss": ISSUER, "sub": "p", "aud": "https://ce0.example", "scope": "compute.create", "exp": NOW + 60}
        assert evaluator.decide(token).rule == 0
        return evaluator.effort

    assert effort(MANY) > 5 * effort(10)


def test_rules_that_are_not_tried_are_reported() -> None:
    """A check without the work for all rules is not silent: a warning has the number of rules and the first of them."""
    rules: list[dict[str, Any]] = [{"issuer": [ISSUER], "subject": [f"p{at}"]} for at in range(10)]
    document = _policy({ISSUER: {"vo": VO}}, [*rules, {"issuer": [ISSUER], "subject": ["p1"]}])
    every = _lint(document, Budget(None))
    assert [code for code, _ in every] == ["unreachable-rule"]
    assert _lint(document) == every
    ((code, message),) = _lint(document, Budget(200))
    assert code == "not-checked"
    assert message.endswith("not checked for unreachable-rule and impossible-rule, which would take minutes")
    assert " of 11 rules, from rule" in message
    assert message.startswith("this rule is not checked") or message[0].isdigit()


def test_rules_with_too_many_clauses_are_reported() -> None:
    """Rules that would need too many clauses are not split. No check passes over them, and `diff` proves nothing."""
    issuers = {f"https://{at}.example/": {"vo": VO} for at in range(10)}
    document = _policy(issuers, [{"vo": [VO], "subject": [f"p{at}"]} for at in range(30)])
    assert SplitPolicy(document, 50).incomplete == frozenset(range(12, 30))
    assert SplitPolicy(document).incomplete == SplitPolicy(document, None).incomplete == frozenset()
    assert sum(map(len, SplitPolicy(document, 50).clauses.values())) == 120


def test_a_diff_without_all_clauses_is_not_proven(monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal policies are not proven equal if some of their rules are not split, unless the comparison is thorough."""
    issuers = {f"https://{at}.example/": {"vo": VO} for at in range(10)}
    document = _policy(issuers, [{"vo": [VO], "subject": [f"p{at}"]} for at in range(30)])
    assert compare(document, document, NOW).is_none
    monkeypatch.setattr("vomap.analysis.diff.MOST_CLAUSES_IN_ALL", 50)
    (why,) = compare(document, document, NOW).unproven
    assert why.startswith("vomap did not try 36 rules that many issuers may use, which would")
    assert compare(document, document, NOW, is_thorough=True).is_none


def test_a_spent_budget_of_pairs_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Policies whose pairs of rules are not all compared are not proven equal."""
    issuers = {ISSUER: {"vo": VO}}
    rules = [{"issuer": [ISSUER], "group": [f"/{VO}/x{at}"], "account": "one"} for at in range(9)]
    old, new = _policy(issuers, rules), _policy(issuers, rules[::-1])
    assert compare(old, new, NOW).is_none
    monkeypatch.setattr("vomap.analysis.diff.MOST_PAIRS", 5)
    (why,) = compare(old, new, NOW).unproven
    assert "vomap did not try tokens that match two rules" in why


_SUBJECTS = st.sampled_from(["a", "b", "a*", "*"])
_GROUPS = st.sampled_from(["/v/a", "/v/b", "/v/*", "/v/a/Role=r", "/v/**"])
_ASKED = st.builds(
    lambda subject, first, group: tuple(
        (key, (value,)) for key, value in (("subject", subject), ("first-group", first), ("group", group)) if value
    ),
    *(st.one_of(st.none(), each) for each in (_SUBJECTS, _GROUPS, _GROUPS)),
)
_OUTCOMES = st.sampled_from([("account", "v", "x"), ("account", "v", "y"), ("denied",), ("made", "v", "u<c1>")])
_CLAUSES = st.lists(
    st.builds(lambda vo, asked, outcome: (vo, asked, outcome), st.sampled_from(["v", "w", None]), _ASKED, _OUTCOMES),
    max_size=7,
)


def _compared(old: list[Clause], new: list[Clause]) -> tuple[Any, ...]:
    comparison = ClauseComparison(old, new)
    return comparison.only_old, comparison.only_new, comparison.swapped, comparison.is_proven


@given(_CLAUSES, st.randoms(use_true_random=False))
def test_the_index_of_clauses_finds_what_all_pairs_show(parts: list[Any], random: Any) -> None:
    """The comparison with the index by subject and by first group is the comparison of all pairs."""
    old = [Clause(ISSUER, vo, asked, outcome, at) for at, (vo, asked, outcome) in enumerate(parts)]
    new = random.sample(old, k=random.randint(0, len(old)))
    found = _compared(old, new)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(equality, "_single_value", lambda _: (None, ""))
        assert found == _compared(old, new)


_VOS = st.sampled_from(["a", "B", "c"])
_DECLARED = st.one_of(
    st.builds(lambda vo: {"vo": vo}, _VOS),
    st.just({"vo-from": ["group"]}),
    st.builds(lambda vo: {"vo-from": ["group"], "default-vo": vo}, _VOS),
    st.builds(lambda vos: {"vo-from": ["group"], "vos": vos}, st.dictionaries(_VOS, _VOS, min_size=1)),
    st.none(),
)


@given(st.lists(_DECLARED, max_size=4), st.lists(_VOS, max_size=2))
def test_the_speakers_of_a_vo_are_the_issuers_that_may_speak(declared: list[Any], reserved: list[str]) -> None:
    """The issuers that are found for a VO are those for which the definition is true, issuer by issuer."""
    issuers = {f"https://{at}.example/": each for at, each in enumerate(declared)}
    authority = Authority({**_policy(issuers, []), "reserved-vos": reserved})
    for vo in "abcd":
        owners = [url for url, issuer in authority.issuers.items() if vo in issuer.declared_vos()]
        is_reserved = vo in {each.lower() for each in reserved}
        free = [
            url
            for url, issuer in authority.issuers.items()
            if issuer.names_vos_freely and not is_reserved and set(owners) <= {url}
        ]
        assert authority.speakers(vo) == list(dict.fromkeys([*owners, *free]))
        assert [url for url in issuers if authority.may_speak(url, vo)] == sorted({*owners, *free})


def test_accounts_are_found_once_for_rules_that_are_alike() -> None:
    """Rules with the same account, issuers and VOs share their accounts. Other rules have their own."""
    document = _policy(
        {ISSUER: {"vo-from": ["group"], "vos": {"a": "A", "b": "B"}}},
        [{"issuer": [ISSUER], "account": "g<vo>"}] * 2
        + [{"vo": ["A"], "account": "g<vo>"}, {"vo": ["A"], "account": "u<user>"}, {"vo": ["A"], "deny": "no"}],
    )
    accounts = RuleAccounts(Authority(document))
    found = [accounts.of(rule) for rule in document["rules"]]
    assert found == [{"ga", "gb"}, {"ga", "gb"}, {"ga"}, set(), set()]
    assert found[0] is found[1]
