"""Make example tokens from the rules of a policy, to test a ban with.

A ban of a token or a client says nothing about other claims. A token made from its conditions alone is rarely mapped,
so that it cannot show the effect of the ban. From a large policy only the first rules are used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Any

from vomap.analysis.clauses import Clause, SplitPolicy
from vomap.analysis.tokens.assembly import with_values
from vomap.analysis.tokens.from_clauses import ExampleTokens
from vomap.analysis.tokens.patterns import compiled
from vomap.bans.tokens import condition_values
from vomap.claims import GROUPS_CLAIM
from vomap.policy.authority import Authority
from vomap.policy.index import read_rule, rules_found_by
from vomap.policy.model import ISSUER, VO, key_of

if TYPE_CHECKING:
    from vomap.analysis.tokens.assembly import Token
    from vomap.policy.documents import RuleDocument

# Rules that are read, those of them that are made tokens of, and tokens of one rule for one issuer and VO.
_MOST_READ = 5_000
_MOST_RULES = 300
_MOST_OF_A_CLAUSE = 6
_MOST_SUBJECTS = 20
_STORAGE = ("storage.", "read:", "write:")


class RuleTokens:
    """Make example tokens that match the rules of a policy. Only the needed keys of a compiled policy are read."""

    def __init__(self, document: Mapping[str, Any], find: Callable[[str], Any], now: float) -> None:
        """Take the document of the site and the issuers, the function that reads a key of the policy, and the time."""
        self._document = document
        self._find = find
        self._now = now
        self._nameless: dict[str, list[tuple[Token, str | None]]] = {}

    def with_conditions_of(self, ban: Mapping[str, Any], authority: Authority) -> Iterator[Token]:
        """Yield tokens that match a rule and also have the conditions of a ban. A subject that the ban matches stays.

        Only a decision shows whether the ban denies them, and whether the rule maps them.
        """
        rules = [*self._of_subjects(ban, authority), *(rule for rule in self._first if _may_share(ban, rule))]
        for clause, token in self._tokens(rules[:_MOST_RULES]):
            if clause.url in ban.get("issuer", (clause.url,)):
                values = condition_values(ban)
                if any(compiled(pattern).match(token["sub"]) for pattern in ban.get("subject", ())):
                    del values["subject"]
                yield with_values(token, values)

    def without_vos(self, url: str) -> list[tuple[Token, str | None]]:
        """Return example tokens of an issuer that match a rule and name no VO, and the rule's subject or None."""
        if url not in self._nameless:
            rules = [rule for rule in self._first if url in rule.get("issuer", (url,))]
            self._nameless[url] = [
                (token, clause.subject)
                for clause, token in self._tokens(rules[:_MOST_RULES])
                if clause.url == url and not _names_vos(token)
            ]
        return self._nameless[url]

    def _tokens(self, rules: Iterable[Mapping[str, Any]]) -> Iterator[tuple[Clause, Token]]:
        """Yield tokens that match rules, each with the clause that it was made from."""
        once = {rule["source"] + rule["name"]: rule for rule in rules}
        document: Any = {**self._document, "rules": list(once.values()), "pools": self._find("pools") or {}}
        policy = SplitPolicy(document)
        example_tokens = ExampleTokens(policy, policy, self._now)
        for clauses in policy.clauses.values():
            for clause in clauses:
                for _, token in islice(example_tokens.of_clause(clause), _MOST_OF_A_CLAUSE):
                    yield clause, token

    @cached_property
    def _first(self) -> list[RuleDocument]:
        """The first rules that give an account."""
        read = (read_rule(self._find, number) for number in range(_MOST_READ))
        return [rule for rule in takewhile(bool, read) if rule and "deny" not in rule]

    def _of_subjects(self, ban: Mapping[str, Any], authority: Authority) -> Iterator[RuleDocument]:
        """Yield the rules, of all rules, that name a subject of a ban."""
        owners = [*(key_of(ISSUER, url) for url in authority.issuers), *(key_of(VO, vo) for vo in authority.owners)]
        for subject in ban.get("subject", ())[:_MOST_SUBJECTS]:
            for owner in owners:
                for number in rules_found_by(self._find, owner, "subject", subject):
                    rule = read_rule(self._find, number)
                    if rule is not None and "deny" not in rule:
                        yield {**rule, "subject": [subject]}


def _may_share(ban: Mapping[str, Any], rule: Mapping[str, Any]) -> bool:
    """Return True if a rule and a ban may match the same token, judged by the issuers and VOs that both name."""
    for key in ("issuer", "vo"):
        ours, theirs = ({each.lower() for each in document.get(key, ())} for document in (ban, rule))
        if ours and theirs and ours.isdisjoint(theirs):
            return False
    return True


def _names_vos(token: Token) -> bool:
    return GROUPS_CLAIM in token or any(scope.startswith(_STORAGE) for scope in token["scope"].split())
