"""Generate example tokens that match given clauses, and as little else as possible."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice, product

from vomap.analysis.clauses import Clause, Conditions, SplitPolicy, common_values, word_for
from vomap.analysis.tokens.assembly import COMPUTE, Token, Way, assemble_token, with_vo
from vomap.analysis.tokens.group_claims import WrittenToken, as_entitlement
from vomap.analysis.tokens.patterns import GROUPS, LITERAL, common_groups, examples, legal_groups, split_role
from vomap.claims import GROUPS_CLAIM
from vomap.claims.memberships import parse_fqan
from vomap.policy.authority import SCOPE_PATH, SOURCES
from vomap.policy.model import SUBJECT

# The values that a token must have, by condition.
Draft = dict[str, tuple[str, ...]]
Choices = dict[str, list[tuple[str, ...]]]

_OTHER_COMPUTE = "condor:/WRITE"
_MOST_WAYS = 60
_MOST_AUDIENCES = 4
_OF_EACH_VO = 4
_MOST_ACCOUNTS = 100
# A character that no capture matches.
_NO_WORD = "~"


class ExampleTokens:
    """Generates tokens for the clauses of two policies."""

    def __init__(self, old: SplitPolicy, new: SplitPolicy, now: float) -> None:
        """Take both policies, and the time at which tokens are issued, in seconds since 1970."""
        self._policies = (old, new)
        self._now = int(now)
        self.word = word_for(old, new)
        # Found once for each issuer, and for each VO: an issuer may have thousands.
        self._audiences: dict[str, list[str]] = {}
        self._all_audiences: dict[str, list[str]] = {}
        self._captures: dict[str, tuple[list[str], str | None]] = {}
        self._known_ways: dict[tuple[str, str | None], list[Way | None]] = {}

    def token(self, url: str, draft: Draft, *ways: Way | None) -> Token:
        """Return a token that has the values of a draft, names VOs, and passes both policies' checks if possible."""
        return assemble_token(url, draft, ways, subject=self.word, audience=self._audience(url))

    def of_clause(self, clause: Clause) -> Iterator[tuple[Conditions, Token]]:
        """Yield tokens that match one clause, with its conditions: one token for each way to name the VO."""
        drafts = self._drafts(clause, clause.asked)
        for draft, way in product(drafts[:1], self.ways(clause.url, clause.vo)):
            yield clause.asked, self.token(clause.url, draft, way)

    def of_changed_clause(self, clause: Clause) -> Iterator[tuple[Conditions, Token]]:
        """Yield tokens that match one clause, for each kind of text that it takes, with their conditions.

        These are the clause's conditions, or the conditions under which its capture gives a certain account.
        """
        for asked in (clause.asked, *self._captured(clause)):
            for draft in (*self._drafts(clause, asked), *self._odd_drafts(clause, asked)):
                for way in self.ways(clause.url, clause.vo):
                    token = self.token(clause.url, draft, way)
                    for each in chain([token], self._as_good(clause, token), self._as_entitlements(token)):
                        yield asked, each

    def of_pair(self, clause: Clause, other: Clause) -> Iterator[Token]:
        """Yield tokens that match two clauses of one issuer. There are none if no token can."""
        vos = [vo for vo in dict.fromkeys((clause.vo, other.vo)) if vo is not None]
        for asked in (clause.asked, *self._captured(clause, 1)):
            for others in (other.asked, *self._captured(other, 1)):
                for draft in _vary(self._common(clause, asked, other, others)):
                    if len(vos) > 1:
                        yield from self._of_two_vos(clause.url, draft, vos)
                        continue
                    for way in self.ways(clause.url, vos[0] if vos else None):
                        yield self.token(clause.url, draft, way)
                    if vos and None in (clause.vo, other.vo):
                        # A rule with a VO reads groups of that VO. The other rule sees a token of one of several VOs.
                        yield from self._of_two_vos(clause.url, draft, (vos[0], None))

    def of_field(self, url: str, field: str, bases: Sequence[Token]) -> Iterator[Token]:
        """Yield tokens that a change to a check of an issuer may affect. `field` is the key of the check."""
        varied = {
            "audience": self._other_audiences,
            "without-audience": self._other_audiences,
            "without-compute": self._without_compute,
            "maximum-lifetime": self._lifetimes,
            "entitlements": self._as_entitlements,
            "groups": self._as_groups,
        }
        for base in bases if field in varied else ():
            yield from varied[field](base)
        for policy in self._policies if field == "spelling" else ():
            for vo, spellings in policy.admission.spellings_of(url).items():
                yield from (self.token(url, {}, ("group", name)) for name in {vo, *spellings})
        if field in ("vo", "vo-from", "vos", "subjects", "default-vo", "serve", "VOs of other issuers"):
            yield from self._namings(url)
            for base in bases:
                yield base
                for way in filter(None, self.ways(url, None)):
                    yield from _also_naming(base, way)

    def ways(self, url: str, vo: str | None) -> list[Way | None]:
        """Return how a token of an issuer may name a VO, the simplest first. None means that it names no VO.

        Names below the VO come last: a rule may be for the VO's own group only.
        """
        if (url, vo) not in self._known_ways:
            self._known_ways[url, vo] = self._find_ways(url, vo)
        return self._known_ways[url, vo]

    def _find_ways(self, url: str, vo: str | None) -> list[Way | None]:
        found: dict[Way, None] = {}
        for policy in self._policies:
            found.update(dict.fromkeys(policy.admission.ways(url, vo, _MOST_WAYS)))
            issuer = policy.admission.issuers.get(url)
            if issuer is not None and issuer.names_vos_freely and vo is None:
                found.update(dict.fromkeys((source, self.word) for source in issuer.sources if source != SUBJECT))
        if vo is None:
            # Names that only one policy knows, or that have another meaning, come first.
            found = dict.fromkeys(sorted(found, key=lambda way: not self._means_otherwise(url, way)))
        below = [(source, f"{name}/{self.word}") for source, name in found if source != SUBJECT]
        return [None, *list(found)[:_MOST_WAYS], *below[:_MOST_WAYS]]

    def _means_otherwise(self, url: str, way: Way) -> bool:
        old, new = (policy.admission.meaning_of(url, *way) for policy in self._policies)
        return old != new

    def _of_two_vos(self, url: str, draft: Draft, vos: Sequence[str | None]) -> Iterator[Token]:
        """Yield tokens that name two VOs. If the second is None, it is any VO."""
        first, second = (self.ways(url, vo)[:_OF_EACH_VO] for vo in vos)
        for way, other in product(first, second):
            yield self.token(url, draft, way, other)

    def _as_good(self, clause: Clause, token: Token) -> Iterator[Token]:
        """Yield a token with another scope for jobs, or another audience: rules may have conditions on these."""
        yield {**token, "scope": token["scope"].replace(COMPUTE, _OTHER_COMPUTE)}
        if "audience" not in dict(clause.asked):
            yield from islice(self._other_audiences(token), _MOST_AUDIENCES)

    def _namings(self, url: str) -> Iterator[Token]:
        """Yield tokens that name any VO in any VO source, or two VOs in two, with and without a scope for jobs."""
        ways = self.ways(url, None)
        everywhere = [way for way in ways if way and way[0] == SUBJECT]
        everywhere += [(source, way[1]) for way in ways if way and way[0] != SUBJECT for source in SOURCES]
        pairs = product(ways[:8], ways[:8])
        tokens = [self.token(url, {}, way) for way in (None, *everywhere)]
        tokens += [self.token(url, {}, way, other) for way, other in pairs if way and other and way[0] != other[0]]
        for token in tokens:
            yield token
            # A token that fails a check is denied if the site serves its VO, and declined if not.
            yield {**token, "scope": token["scope"].replace(COMPUTE, "openid")}

    def _without_compute(self, base: Token) -> Iterator[Token]:
        yield {**base, "scope": " ".join(base["scope"].split()[1:])}

    def _other_audiences(self, base: Token) -> Iterator[Token]:
        url = base["iss"]
        if url not in self._all_audiences:
            accepted = self._accepted(url)
            self._all_audiences[url] = sorted({audience for each in accepted for audience in each or ()})
        without = {key: value for key, value in base.items() if key != "aud"}
        yield without
        for audience in chain((f"https://{self.word}.example",), self._all_audiences[url]):
            yield {**without, "aud": audience}

    def _lifetimes(self, base: Token) -> Iterator[Token]:
        limits = {policy.admission.site.maximum_lifetime for policy in self._policies} - {None}
        for limit in sorted(limit for limit in limits if limit is not None):
            yield {**base, "iat": self._now, "exp": self._now + limit + 1}

    def _as_entitlements(self, token: Token) -> Iterator[Token]:
        """Yield the same token with its groups as entitlements, if the policies read these differently."""
        url = token["iss"]
        checks = [policy.admission.of(url).get("entitlements") for policy in self._policies]
        if GROUPS_CLAIM not in token or checks[0] == checks[1]:
            return
        without = {key: value for key, value in token.items() if key != GROUPS_CLAIM}
        for form in (form for policy in self._policies for form in policy.admission.forms.get(url, ())):
            for authority in dict.fromkeys((form.authority, None)):
                written = [as_entitlement(each, form, authority) for each in token[GROUPS_CLAIM]]
                yield {**without, "entitlements": written}
                in_scope = [f"entitlements:{each}" for each in written]
                yield {**without, "scope": " ".join([token["scope"], *in_scope])}

    def _as_groups(self, token: Token) -> Iterator[Token]:
        """Yield the same token with its groups in one claim, as a list and as one text with commas."""
        groups = token.get(GROUPS_CLAIM)
        if not groups:
            return
        issuers = [policy.admission.issuers.get(token["iss"]) for policy in self._policies]
        claims = [GROUPS_CLAIM, *(issuer.groups_claim for issuer in issuers if issuer is not None)]
        for claim in dict.fromkeys(claims):
            if claim is not None:
                without = {key: value for key, value in token.items() if key != GROUPS_CLAIM}
                yield WrittenToken(without, **{claim: groups})
                yield WrittenToken(without, **{claim: ",".join([*groups, f"/{self.word}"])})

    def _captured(self, clause: Clause, most: int = _MOST_ACCOUNTS) -> Iterator[Conditions]:
        """Yield a clause's conditions, changed so that its capture gives an account that one of the policies names."""
        if clause.outcome[0] != "made":
            return
        before, mark, after = clause.outcome[2].partition("<c1>")
        if not mark or "<" in before + after:
            return
        changed, alike = self._accounts_to_capture(clause.outcome[2])
        for account in [*changed[:most], *([] if alike is None else [alike])]:
            word = account[len(before) : len(account) - len(after)]
            yield tuple((key, tuple(text.replace("<c1>", word) for text in values)) for key, values in clause.asked)

    def _accounts_to_capture(self, template: str) -> tuple[list[str], str | None]:
        """Return accounts that a template makes and the policies refuse differently, and one that they refuse alike."""
        if template not in self._captures:
            old, new = self._policies
            accounts = sorted(old.made_accounts(template) | new.made_accounts(template))
            changed = {account: None for account in accounts if old.status(account) != new.status(account)}
            alike = next((account for account in accounts if account not in changed), None)
            self._captures[template] = list(changed)[:_MOST_ACCOUNTS], alike
        return self._captures[template]

    def _drafts(self, clause: Clause, asked: Conditions, word: str = "") -> list[Draft]:
        return _vary({key: self._examples(clause, key, values, word or self.word) for key, values in asked})

    def _odd_drafts(self, clause: Clause, asked: Conditions) -> Iterator[Draft]:
        """Yield texts that `*` matches and captures do not, a subject with a slash, a group that is not first."""
        yield from self._drafts(clause, asked, _NO_WORD + self.word)
        for draft in self._drafts(clause, asked)[:1]:
            if "subject" not in draft:
                yield {**draft, "subject": (f"{self.word}/{self.word}",)}
            if "group" in draft and "first-group" not in draft:
                root = draft["group"][0].split("/")[1]
                yield {**draft, "first-group": (f"/{root}/{self.word}",)}

    def _examples(self, clause: Clause, key: str, values: Iterable[str], word: str) -> list[tuple[str, ...]]:
        """Return the texts with which a token matches a condition."""
        texts: list[str] = []
        for value in values:
            if key in LITERAL:
                texts.append(value)
            elif key in GROUPS:
                texts += self._groups(clause, value, word)
            else:
                texts += examples(value, word)
        return [(text,) for text in dict.fromkeys(texts)]

    def _groups(self, clause: Clause, pattern: str, word: str) -> list[str]:
        """Return memberships that match a pattern. If it does not name a VO, those of the clause's VO come first."""
        anything = legal_groups(pattern, word)
        if not split_role(pattern)[0].startswith("/*"):
            return anything
        asked = clause.url, clause.vo, _OF_EACH_VO
        names = dict.fromkeys(name for policy in self._policies for name in policy.admission.names(*asked))
        named = [group for name in list(names)[:_OF_EACH_VO] for group in common_groups(pattern, f"/{name}/**", word)]
        return [*_legal(named), *anything]

    def _common(self, clause: Clause, asked: Conditions, other: Clause, others: Conditions) -> Choices:
        """Return, for each condition of two clauses, the texts with which a token matches both, if any."""
        ours, theirs = dict(asked), dict(others)
        found: Choices = {}
        for key in {**ours, **theirs}:
            if key not in theirs:
                found[key] = self._examples(clause, key, ours[key], self.word)
            elif key not in ours:
                found[key] = self._examples(other, key, theirs[key], self.word)
            elif key == "audience":
                found[key] = [tuple(dict.fromkeys((one, two))) for one, two in product(ours[key], theirs[key])]
            else:
                common = common_values(key, ours[key], theirs[key], self.word)
                found[key] = [(text,) for text in (_legal(common) if key in GROUPS else common)]
                if not found[key] and key not in ("subject", "first-group"):
                    of_one = self._examples(clause, key, ours[key], self.word)[:1]
                    of_other = self._examples(other, key, theirs[key], self.word)[:1]
                    found[key] = [(*one, *two) for one, two in product(of_one, of_other)]
        return found

    def _audience(self, url: str) -> list[str]:
        """Return an audience that both policies accept, or one for each. There is none if no audience is checked."""
        if url not in self._audiences:
            self._audiences[url] = _first_of_both(*self._accepted(url))
        return self._audiences[url]

    def _accepted(self, url: str) -> list[frozenset[str] | None]:
        issuers = [policy.admission.issuers.get(url) for policy in self._policies]
        return [None if issuer is None else issuer.audience for issuer in issuers]


def _first_of_both(old: frozenset[str] | None, new: frozenset[str] | None) -> list[str]:
    """Return the first text of both sets, or the first of each. None is the set of all texts."""
    if old is None or new is None:
        return sorted(old or new or ())[:1]
    return sorted(old & new)[:1] or [*sorted(old)[:1], *sorted(new)[:1]]


def simplicity(token: Token) -> tuple[int, bool, int]:
    """Return a key that sorts simple tokens first."""
    return len(token), _OTHER_COMPUTE in token["scope"], sum(len(str(value)) for value in token.values())


def _also_naming(token: Token, way: Way) -> Iterator[Token]:
    """Yield a token that also names another VO, behind and before the VOs that it names."""
    yield with_vo(token, way)
    source, name = way
    if source != SCOPE_PATH and GROUPS_CLAIM in token:
        yield {**token, GROUPS_CLAIM: [f"/{name}", *token[GROUPS_CLAIM]]}


def _vary(choices: Choices) -> list[Draft]:
    """Return the first choices, then each other choice with the first of all others.

    There are none if a condition has no choice.
    """
    if not all(choices.values()):
        return []
    base = {key: texts[0] for key, texts in choices.items()}
    return [base, *({**base, key: text} for key, texts in choices.items() for text in texts[1:])]


def _legal(groups: Iterable[str]) -> list[str]:
    return [group for group in groups if parse_fqan(group) is not None]
