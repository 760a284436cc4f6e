"""Vary example tokens, so that they no longer match the conditions of other rules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from vomap.analysis.admission import Admission
from vomap.analysis.tokens.assembly import COMPUTE, VO_PATH, Token, with_vo
from vomap.analysis.tokens.from_clauses import ExampleTokens
from vomap.claims import COMPUTING, GROUPS_CLAIM
from vomap.policy.matching import AccountName
from vomap.policy.model import SUBJECT

if TYPE_CHECKING:
    from vomap.policy.documents import RuleDocument

# A rule whose account has <vo> takes only tokens of one VO, although it has no such condition.
_ONE_VO = "<vo>"
_MOST_NAMES = 3


def asked_by(rule: RuleDocument) -> set[str]:
    """Return the conditions of a rule in which tokens for another rule can be varied."""
    asked = {key for key in ("audience", "scope", "subject", "group") if key in rule}
    if "first-group" in rule:
        asked.add("group")
    if "vo" in AccountName(rule.get("account", "")).captures:
        asked.add(_ONE_VO)
    return asked


class TokenVariants:
    """Varies the example tokens of a policy."""

    def __init__(self, admission: Admission, example_tokens: ExampleTokens) -> None:
        self._admission = admission
        self._example_tokens = example_tokens
        self._word = example_tokens.word

    def vary(self, token: Token, asked: set[str]) -> Iterator[Token]:
        """Yield a token unchanged, and with all combinations of variations of the conditions in `asked`."""
        tokens = [token]
        for key, varied in (
            ("subject", self._subjects),
            ("group", self._groups),
            (_ONE_VO, self._vos),
            ("scope", self._scopes),
            ("audience", lambda one: self._example_tokens.of_field(one["iss"], "audience", [one])),
        ):
            if key in asked:
                tokens = [each for one in tokens for each in (one, *varied(one))]
        yield from tokens

    def _subjects(self, token: Token) -> Iterator[Token]:
        """Yield subjects that are not a word, and that have more parts: captures and `*` do not match these."""
        odd = f"~{self._word}"
        for subject in (odd, f"{odd}/{odd}", f"{odd}/{odd}/{odd}"):
            yield {**token, "sub": subject}

    def _groups(self, token: Token) -> Iterator[Token]:
        """Yield other groups of the same VOs, instead of the VOs' own and before them."""
        groups = token.get(GROUPS_CLAIM)
        if groups:
            below = [f"{group}/{self._word}" if group.count("/") == 1 else group for group in groups]
            yield {**token, GROUPS_CLAIM: below}
            yield {**token, GROUPS_CLAIM: [f"/{groups[0].split('/')[1]}/{self._word}", *groups]}

    def _vos(self, token: Token) -> Iterator[Token]:
        """Yield tokens that name one more VO."""
        issuer = self._admission.issuers[token["iss"]]
        ways = self._admission.ways(token["iss"], None, _MOST_NAMES)
        if issuer.names_vos_freely:
            ways += [(source, self._word) for source in issuer.sources if source != SUBJECT]
        yield from (with_vo(token, way) for way in ways)

    def _scopes(self, token: Token) -> Iterator[Token]:
        """Yield other scopes that let a token run jobs, and other paths of the same VOs."""
        # A path with one slash is that of a whole VO.
        paths = [scope for scope in token["scope"].split() if scope.startswith(VO_PATH) and scope.count("/") == 1]
        below = " ".join(f"{scope}/{self._word}" if scope in paths else scope for scope in token["scope"].split())
        for scopes in dict.fromkeys((token["scope"], below)):
            for compute in sorted(COMPUTING):
                yield {**token, "scope": scopes.replace(COMPUTE, compute, 1)}
