"""The decision for one token: the seven steps of the design, in their order.

The facts of the token are read once (TokenFacts), and a question to the steps is these facts with a set of banned VOs
(_Question). Each step is a function of a question that returns a decision, or None to leave the decision to the next
step. A step adds a sentence to the trace, if there is one.
"""

from __future__ import annotations

from vomap.claims import EARLIEST, ENTITLEMENT_CLAIMS, GROUPS_CLAIM, LATEST, is_visible, may_compute, read_scopes
from vomap.policy import DECLINED, DENIED, ERROR, MAPPED, Decision
from vomap.policy.matching import BanView, View, first_unmet_condition, meets_ban
from vomap.policy.model import ISSUER, NO_VOS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Optional

    from vomap.claims import Claims
    from vomap.claims.memberships import Membership
    from vomap.policy.model import Ban, Bans, Issuer, NamedVos, Policy, Rule, Site

    Trace = Optional[list[str]]

TIME, LIFETIME = "time", "lifetime"
# The greatest difference between the clocks of an issuer and of a CE that is accepted, in seconds.
SKEW = 60
_NONE: frozenset[str] = frozenset()
# Every decision may read these claims, so none of them may be the rest of a forged name.
_NEVER_FORGED = ("client_id", "azp", "wlcg.ver")
# The begin of the reason of such an error.
FORGED_NAME = "token: another claim's name may hide the claim "
# A token that names more banned VOs is denied without asking what fewer bans would leave: the sets are too many.
_MOST_BANNED = 4
# The trace has a sentence for each rule of a policy with at most this number of rules.
_MOST_TRACED = 2_000
# The trace has a sentence for each rule that does not match if there are at most this many.
_MOST_UNMET = 20


def decide(policy: Policy, bans: Bans, claims: Claims, now: float, trace: Trace = None) -> Decision:
    """Return the decision for a token.

    `now` is in seconds since 1970. `trace`, if given, gets a sentence for each step. An account in the decision has a
    legal name. Whether it exists, and which account of a pool it is, is found out later (accounts/).
    """
    facts = TokenFacts(policy, claims, now)
    if trace is not None:
        trace += _sentences(facts)
    if not bans.asked and not claims.forged:
        return _decide_unbanned(_Question(facts, _NONE), trace)
    view = _ban_view(facts)
    found = bans.matching_bans(view, now) if bans.asked else []
    question = _Question(facts, frozenset(vo for ban in found for vo in ban.only_vos))
    return (
        _refuse_forged(question, bans, trace)
        or (_refuse_banned(question, found, view, trace) if found else None)
        or _decide_unbanned(question, trace)
    )


def bans_of_any_time(policy: Policy, bans: Bans, claims: Claims) -> list[Ban]:
    """Return the bans that may match a token, expired ones included. No other ban can match."""
    return bans.matching_bans(_ban_view(TokenFacts(policy, claims, 0)), 0)


def _ban_view(facts: TokenFacts) -> BanView:
    return BanView(facts.claims, lambda: _every_membership(facts), lambda *seen: _every_vo(facts, *seen))


class TokenFacts:
    """The facts of a token: its claims, and their meaning by the declaration of its issuer. They never change.

    `issuer` is None unless the issuer is declared and trusted. `named` are the VOs that the token speaks for (step 1),
    `whole` is the token as conditions see it.
    """

    __slots__ = ("_vos", "claims", "issuer", "named", "now", "policy", "url", "whole")

    def __init__(self, policy: Policy, claims: Claims, now: float) -> None:
        """Read the claims of a token, to decide at a time in seconds since 1970."""
        self.policy, self.claims, self.now = policy, claims, now
        self.url = claims.texts.get("iss", "")
        declared = policy.issuer(self.url)
        self.issuer = declared if declared is not None and declared.trusted else None
        self.whole = View(claims, _memberships(claims, self.issuer), read_scopes(claims))
        self.named = _named_vos(policy, self.url, self.issuer, self.whole)
        self._vos: dict[str, str | None] = {}

    def vo_of(self, root: str) -> str | None:
        """Return the VO, in lower case, that the root of a group or path means, or None if it means none."""
        if root not in self._vos:
            from vomap.policy.authority import vo_of

            assert self.issuer is not None, "it has VO sources"
            vo = vo_of(self.policy, self.url, self.issuer, root)
            self._vos[root] = None if vo is None else vo.lower()
        return self._vos[root]


class _Question:
    """The facts of a token, and the VOs that are banned. `served` are the other VOs that it speaks for, if served."""

    __slots__ = ("_parts", "banned", "facts", "served")

    def __init__(self, facts: TokenFacts, banned: frozenset[str]) -> None:
        self.facts, self.banned = facts, banned
        self.served = facts.named.vos
        if banned or facts.policy.site.serve is not None:
            self.served = {vo: name for vo, name in self.served.items() if self._admits(vo)}
        # Each part is made when a rule asks for it.
        self._parts: dict[str | None, View] = {}

    def _admits(self, vo: str) -> bool:
        serve = self.facts.policy.site.serve
        return vo not in self.banned and (serve is None or vo in serve)

    @property
    def trusted(self) -> Issuer:
        """The issuer, in steps that come after it was found to be trusted."""
        issuer = self.facts.issuer
        assert issuer is not None, "step 3 has declined all other tokens"
        return issuer

    @property
    def only(self) -> str | None:
        """The one VO that is served, None if there are none or several."""
        if len(self.served) != 1:
            return None
        (vo,) = self.served.values()
        return vo

    def part(self, vo: str | None) -> View:
        """Return the part of the token that rules about one VO may see, or that rules without a VO may see."""
        if vo not in self._parts:
            safe, issuer = self.facts.whole.safe(), self.facts.issuer
            assert issuer is not None, "step 3 has declined all other tokens"
            if not issuer.sources:
                # Of an issuer with one VO rules see all.
                self._parts[vo] = safe
            elif vo is None:
                self._parts[vo] = safe.part(self._may_see, issuer.name_paths)
            else:
                # All at once: a token may name a thousand VOs, and a rule may be for each.
                self._parts.update(safe.parts(self.facts.vo_of, issuer.name_paths))
                self._parts.setdefault(vo, safe.part(lambda _: False, issuer.name_paths))
        return self._parts[vo]

    def _may_see(self, root: str) -> bool:
        """Return True if rules without a VO may see the groups and paths with a root.

        They do not see those of a VO that is banned, not served, or not the issuer's to name. A name that is not among
        the issuer's `vos` is just a group.
        """
        vo = self.facts.vo_of(root)
        return not self.trusted.names_vos_freely if vo is None else self._admits(vo)

    def settle(
        self, outcome: str, reason: str, trace: Trace, rule: Rule | None = None, vo: str | None = None
    ) -> Decision:
        """Return the decision with an outcome and a reason, by a rule for a VO if one was selected."""
        decision = Decision(self.facts.claims, self.facts.policy.digest, outcome, reason)
        if trace is not None:
            trace.append(f"{outcome}: {reason}")
        if rule is not None:
            decision.rule, decision.source, decision.vo = rule.name, rule.source, vo
        else:
            decision.vo = self.only
        return decision


def _decide_unbanned(question: _Question, trace: Trace) -> Decision:
    """Take the steps after the bans."""
    declined = _decline(question, trace)
    if declined is not None:
        return declined
    decision = _deny(question, trace) or _apply_rules(question, trace)
    decision.unchecked = _unchecked(question.facts.policy.site, question.facts.claims)
    return decision


def _refuse_forged(question: _Question, bans: Bans, trace: Trace) -> Decision | None:
    """Refuse a token if a claim that decides may be the rest of another claim's name, and so may hide the true one."""
    facts = question.facts
    for name in sorted(facts.claims.forged):
        if name in _NEVER_FORGED or _reads(facts.issuer, name) or bans.asks_for(name) or facts.policy.asks_for(name):
            return question.settle(ERROR, f"{FORGED_NAME}{name!a}", trace)
    return None


def _reads(issuer: Issuer | None, name: str) -> bool:
    """Return True if the declaration of an issuer reads groups or entitlements from a claim."""
    if issuer is None:
        return False
    return (bool(issuer.entitlements) and name in ENTITLEMENT_CLAIMS) or name == issuer.groups_claim


def _refuse_banned(question: _Question, bans: Sequence[Ban], view: BanView, trace: Trace) -> Decision | None:
    """Take step 2. A ban on a VO alone takes that VO away from the token, which is denied if no served VO is left.

    A token that speaks for no VO is denied, too, if bans read the banned VO in it: declined, it could be mapped by
    another plugin.
    """
    for ban in bans:
        if not ban.only_vos and meets_ban(ban.conditions, view):
            return _deny_by(ban, question, trace)
    if not question.banned:
        return None
    vos = question.facts.named.vos
    for ban in bans:
        taken = [vo for vo in ban.only_vos if vo in vos]
        if taken and trace is not None:
            trace.append(f"ban {ban.source}: the token does not speak for {', '.join(taken)} any more")
        if not question.served and (taken or (not vos and not view.vos.isdisjoint(ban.only_vos))):
            return _deny_by(ban, question, trace)
    return _refuse_with_fewer(question, bans, trace)


def _deny_by(ban: Ban, question: _Question, trace: Trace) -> Decision:
    decision = question.settle(DENIED, f"ban: {ban.reason}", trace)
    decision.source = ban.source
    return decision


def _refuse_with_fewer(question: _Question, bans: Sequence[Ban], trace: Trace) -> Decision | None:
    """Return the refusal that a token gets with fewer banned VOs: one more ban must never let a token in.

    A token that some of its banned VOs leave denied is denied with all of them. A token that some leave declined is
    declined with all of them, unless they leave it denied.
    """
    from itertools import combinations

    banned = sorted(question.banned & _vos_of_rules(question.facts))
    if len(banned) > _MOST_BANNED:
        return _deny_by(next(ban for ban in bans if not set(banned).isdisjoint(ban.only_vos)), question, trace)
    sets = [fewer for size in range(len(banned)) for fewer in combinations(banned, size)]
    asked = [_ask_with(question.facts, fewer, trace) for fewer in sets]
    refused = [each for each in asked if each[0].outcome != MAPPED]
    if not refused:
        return None
    denied = [each for each in refused if each[0].outcome == DENIED]
    if not denied:
        own_trace: Trace = None if trace is None else []
        own = _decide_unbanned(question, own_trace)
        if own.outcome == DENIED:
            if trace is not None:
                trace += own_trace or ()
            return own
    decision, sentences = [*denied, *refused][0]
    if trace is not None:
        trace += sentences
    return decision


def _ask_with(facts: TokenFacts, banned: Sequence[str], trace: Trace) -> tuple[Decision, list[str]]:
    """Return the decision with just these VOs banned, and its sentences for the trace."""
    sentences = [f"what follows holds with {', '.join(banned) or 'no VO'} banned, too"]
    return _decide_unbanned(_Question(facts, frozenset(banned)), None if trace is None else sentences), sentences


def _vos_of_rules(facts: TokenFacts) -> set[str]:
    """Return every VO, in lower case, that rules may find in the token, whether or not it speaks for it."""
    found = set(facts.named.vos)
    if facts.issuer is None or not facts.issuer.sources:
        return found
    from vomap.policy.authority import SOURCES, named_in, vo_of

    whole, paths = facts.whole, facts.issuer.name_paths
    roots = [name for source in SOURCES for name in named_in(source, whole.memberships, whole.scopes, paths)]
    vos = (vo_of(facts.policy, facts.url, facts.issuer, root) for root in roots)
    return found.union(vo.lower() for vo in vos if vo is not None)


def _every_membership(facts: TokenFacts) -> Sequence[Membership]:
    """Return every membership that bans see."""
    claims, issuer = facts.claims, facts.issuer
    claim = None if issuer is None else issuer.groups_claim
    forms = () if issuer is None else issuer.entitlements
    if not forms and not any(name and claims.values(name) for name in (GROUPS_CLAIM, claim)):
        return ()
    from vomap.claims.memberships import name_roots, read_every_membership

    found = read_every_membership(claims, None if issuer is None else issuer.group_form, forms)
    return found if issuer is None else name_roots(found, issuer.name_paths)


def _every_vo(facts: TokenFacts, memberships: Sequence[Membership], scopes: Sequence[str]) -> set[str]:
    """Return every VO that bans see, in lower case: those that the token names in any way, and its named VOs."""
    vos = set(facts.named.vos)
    if facts.issuer is None or not facts.issuer.sources:
        return vos
    from vomap.policy.authority import mentioned_vos

    table = facts.issuer.subjects
    vos.update(table[subject].lower() for subject in facts.claims.values("sub") if subject in table)
    return vos | mentioned_vos(facts.policy, facts.url, facts.issuer, memberships, scopes)


def _decline(question: _Question, trace: Trace) -> Decision | None:
    """Take step 3. Another plugin may know a token that the site does not serve, so the token is not denied."""
    facts, serve = question.facts, question.facts.policy.site.serve
    if facts.issuer is None:
        if not facts.url:
            return question.settle(DECLINED, "issuer: there is no token, or it names no issuer", trace)
        known = "not declared" if facts.policy.issuer(facts.url) is None else "distrusted"
        return question.settle(DECLINED, f"issuer: {facts.url!a} is {known}", trace)
    if question.served or (serve is None and not facts.named.names_any):
        return None
    if facts.named.vos:
        named = ", ".join(map(ascii, facts.named.vos.values()))
        return question.settle(DECLINED, f"vo: the site does not serve {named}", trace)
    if facts.named.names_any:
        return question.settle(DECLINED, "vo: the token names no VO that its issuer may speak for", trace)
    only = ", ".join(map(ascii, sorted(serve or ())))
    return question.settle(DECLINED, f"vo: the token names no VO, and the site serves only {only}", trace)


def _deny(question: _Question, trace: Trace) -> Decision | None:
    """Take step 4: deny a token that fails a check."""
    facts, issuer, site = question.facts, question.facts.issuer, question.facts.policy.site
    assert issuer is not None, "step 3 has declined all other tokens"
    reason = _failure(site, issuer, facts)
    if reason is not None:
        return question.settle(DENIED, reason, trace)
    if trace is not None:
        audience = ", audience not asked for" if issuer.audience is None else ""
        not_shown = "".join(f", {each} not shown" for each in _unchecked(site, facts.claims))
        trace.append(f"checks: passed{audience}{not_shown}")
    return None


def _apply_rules(question: _Question, trace: Trace) -> Decision:
    """Take steps 5 to 7: decide by the first rule that matches, or decline if none does."""
    facts = question.facts
    if trace is None:
        rules = facts.policy.matching_rules(facts.url, facts.whole, question.served, question.part)
    else:
        rules = _traced_rules(question, trace)
    unmet: dict[Rule, str] = {}
    for rule in rules:
        for vo, view in _views(rule, question):
            captured = {} if vo is None else {"vo": vo.lower()}
            key = first_unmet_condition(rule.conditions, view, captured)
            if key is None:
                if unmet and trace is not None:
                    _trace_unmet(unmet, trace)
                decision = _apply(rule, captured, vo, question, trace)
                if decision is not None:
                    return decision
            elif trace is not None and key != ISSUER:
                unmet[rule] = key
    if trace is not None:
        _trace_unmet(unmet, trace)
    return question.settle(DECLINED, "rule: none matches", trace)


def _trace_unmet(unmet: dict[Rule, str], trace: list[str]) -> None:
    """Move the rules that do not match, with the condition that failed, into the trace: of many only the nearest.

    A rule is near if the token meets another condition than its issuer. Of the others the trace has the number.
    """
    near = list(unmet)
    if len(near) > _MOST_UNMET:
        near = [rule for rule in near if _meets_any(rule, unmet[rule])][:_MOST_UNMET]
    trace += [f"rule {rule.name} ({rule.source}): {unmet[rule]} does not match" for rule in near]
    others: dict[str, int] = {}
    for rule in unmet.keys() - near:
        others[unmet[rule]] = others.get(unmet[rule], 0) + 1
    trace += [f"{number} other rules: {key} does not match" for key, number in sorted(others.items())]
    unmet.clear()


def _meets_any(rule: Rule, unmet: str) -> bool:
    """Return True if a condition of a rule, other than its issuer, comes before the one that failed."""
    return next(key for key, _ in rule.conditions.asked if key != ISSUER) != unmet


def _traced_rules(question: _Question, trace: list[str]) -> Iterator[Rule]:
    """Return the rules to try for a trace: all, as it has a sentence for each that does not match.

    Of a large policy, return those that may match: to read all takes longer than an administrator waits.
    """
    from vomap.policy.index import count_rules

    facts = question.facts
    rules = count_rules(facts.policy.find)
    if rules <= _MOST_TRACED:
        return facts.policy.rules()
    trace.append(f"of {rules:,} rules, vomap tries only those that may match this token by the index of the policy")
    return facts.policy.matching_rules(facts.url, facts.whole, question.served, question.part)


def _views(rule: Rule, question: _Question) -> Sequence[tuple[str | None, View]]:
    """Return each served VO that a rule is about, with the part of the token that the rule may see."""
    wanted, served = rule.conditions.vo, question.served
    if wanted is None:
        return ((question.only, question.part(None)),)
    return [(served[vo], question.part(vo)) for vo in wanted if vo in served]


def _apply(rule: Rule, captured: dict[str, str], vo: str | None, question: _Question, trace: Trace) -> Decision | None:
    """Return the decision by a rule that matches, or None if the rule may not make its account for this token."""
    if rule.deny is not None:
        return question.settle(DENIED, f"rule: {rule.deny}", trace, rule, vo)
    if rule.account is not None:
        return _map_to_account(rule, captured, vo, question, trace)
    decision = question.settle(MAPPED, f"rule: {rule.name}", trace, rule, vo)
    decision.pool = rule.pool
    return decision


def _map_to_account(
    rule: Rule, captured: dict[str, str], vo: str | None, question: _Question, trace: Trace
) -> Decision | None:
    """Take step 7, as far as names go."""
    assert rule.account is not None, "a rule has one outcome"
    site, account = question.facts.policy.site, rule.account.expand(captured)
    passed = None
    if account is None:
        passed = "<vo> is not known, as the token speaks for no VO or for several"
    elif not rule.account.captures or not _is_made_by_token(rule, captured, question.trusted):
        account = site.rename.get(account, account)
    elif question.facts.policy.names(account):
        passed = f"{account!a} is named elsewhere in the policy, so a capture may not make it"
    if account is None or passed is not None:
        if trace is not None:
            trace.append(f"rule {rule.name} ({rule.source}): {passed}")
        return None
    refusal = site.accounts.refusal(account)
    if refusal is not None:
        return question.settle(DENIED, f"account: {refusal}", trace, rule, vo)
    decision = question.settle(MAPPED, f"rule: {rule.name}", trace, rule, vo)
    decision.account = account
    return decision


def _is_made_by_token(rule: Rule, captured: Mapping[str, str], issuer: Issuer) -> bool:
    """Return True if a part of the account is the token's own word. A default VO is the policy's."""
    assert rule.account is not None, "a rule has one outcome"
    if set(rule.account.captures) - {"vo"}:
        return True
    return rule.conditions.vo is None and issuer.names_vos_freely and captured["vo"] not in issuer.declared_vos()


def _memberships(claims: Claims, issuer: Issuer | None) -> list[Membership]:
    """Return the memberships that rules see."""
    if issuer is None:
        return []
    forms, claim = issuer.entitlements, issuer.groups_claim
    if not forms and claim not in claims.texts and claim not in claims.lists:
        return []
    # Only for tokens with groups: to load the module takes longer than the decision.
    from vomap.claims.memberships import name_roots, read_memberships

    return name_roots(read_memberships(claims, issuer.group_form, forms), issuer.name_paths)


def _named_vos(policy: Policy, url: str, issuer: Issuer | None, token: View) -> NamedVos:
    """Take step 1: return the VOs that the token speaks for."""
    if issuer is None:
        return NO_VOS
    if issuer.only is not None:
        return issuer.only
    from vomap.policy.authority import find_named_vos

    return find_named_vos(policy, url, issuer, token)


def _sentences(facts: TokenFacts) -> Iterator[str]:
    """Yield the sentences of the trace about the token itself."""
    yield from facts.claims.passed_over
    if facts.issuer is not None:
        from vomap.claims.memberships import find_malformed

        yield from find_malformed(facts.claims, facts.issuer.group_form, facts.issuer.entitlements)
    yield from _not_read(facts.claims, facts.issuer)
    yield "memberships: " + (", ".join(ascii(each.fqan) for each in facts.whole.memberships) or "none")
    yield "VOs that the token speaks for: " + (", ".join(map(ascii, facts.named.vos.values())) or "none")


def _not_read(claims: Claims, issuer: Issuer | None) -> Iterable[str]:
    """Yield a sentence if the token has groups in `wlcg.groups` that its issuer's declaration does not read."""
    if issuer is None or not claims.shows(GROUPS_CLAIM) or issuer.groups_claim == GROUPS_CLAIM:
        return
    if issuer.groups_claim is not None:
        yield f"claim {GROUPS_CLAIM!a}: present, not read; the issuer's groups are in {issuer.groups_claim!a}"
    else:
        why = "`entitlements` and not `groups`" if issuer.entitlements else "`groups: none`"
        yield f"claim {GROUPS_CLAIM!a}: present, not read; the issuer declares {why}"


def _failure(site: Site, issuer: Issuer, facts: TokenFacts) -> str | None:
    """Return the reason of the first check that the token fails, the most basic first, or None if it passes all."""
    claims = facts.claims
    subject = claims.texts.get("sub", "")
    if not ("!" <= subject[:1] <= "~" or is_visible(subject)):
        return "subject: the token has no visible subject"
    if not _has_plain_times(claims.members, facts.now):
        reason = _outside_its_time(claims.times, facts.now)
        if reason is not None:
            return reason
    if issuer.audience is not None and issuer.audience.isdisjoint(claims.values("aud")):
        reason = _other_audience(issuer, claims)
        if reason is not None:
            return reason
    if not issuer.accept_without_compute and not may_compute(facts.whole.scopes):
        return "computing: no scope of the token lets it do anything with jobs"
    return _lifetime(site, claims) or _version(claims)


def _unchecked(site: Site, claims: Claims) -> list[str]:
    """Return the checks that the site demands and for which this CE does not show the claims."""
    found = [] if "exp" in claims.members else [TIME]
    if site.maximum_lifetime is not None and not _shows_lifetime(claims):
        found.append(LIFETIME)
    return found


def _has_plain_times(members: Mapping[str, object], now: float) -> bool:
    """Return True if a token has whole numbers for `exp` and `iat`, and `now` is between them, as for most tokens.

    It saves 6 % of a decision, compared to the general check.
    """
    expires, issued, begins = members.get("exp"), members.get("iat"), members.get("nbf", 0)
    latest = now + SKEW
    return (
        type(expires) is int
        and type(issued) is int
        and type(begins) is int
        and now - SKEW < expires < LATEST
        and EARLIEST < issued <= latest
        and EARLIEST < begins <= latest
    )


def _outside_its_time(times: Mapping[str, float | None], now: float) -> str | None:
    """Return what is wrong with `exp`, `iat` or `nbf` (RFC 7519 sections 4.1.4 to 4.1.6), with the skew allowed."""
    for name, seconds in times.items():
        if seconds is None:
            return f"time: {name} is not a number"
        if name == "exp" and now >= seconds + SKEW:
            return f"time: the token expired {now - seconds:.0f} s ago by this machine's clock"
        if name != "exp" and now < seconds - SKEW:
            return f"time: {name} is {seconds - now:.0f} s ahead of this machine's clock"
    return None


def _other_audience(issuer: Issuer, claims: Claims) -> str | None:
    """Return what is wrong with an audience that is not the site's. A token without one may be accepted."""
    audience = claims.values("aud")
    if audience:
        return f"audience: the token is for {', '.join(map(ascii, audience))}, not for this site"
    if claims.shows("aud"):
        return "audience: `aud` has no text"
    return None if issuer.accept_without_audience else "audience: the token has no audience"


def _lifetime(site: Site, claims: Claims) -> str | None:
    if site.maximum_lifetime is None or not _shows_lifetime(claims):
        return None
    times = claims.times
    expires, issued = times["exp"], times["iat"]
    assert expires is not None and issued is not None, "a time that is not a number is refused before"  # noqa: PT018
    lifetime = expires - issued
    if lifetime > site.maximum_lifetime:
        return f"lifetime: the token lives for {lifetime:g} s, the site accepts {site.maximum_lifetime} s"
    return None


def _shows_lifetime(claims: Claims) -> bool:
    return claims.shows("exp") and claims.shows("iat")


def _version(claims: Claims) -> str | None:
    """Refuse an unknown major version and accept a newer minor one (WLCG profile v1.3 section 3.1)."""
    version = claims.texts.get("wlcg.ver")
    if version == "1.0" or not claims.shows("wlcg.ver"):
        return None
    if version is None:
        return "version: wlcg.ver is not a text such as 1.0"
    major, dot, minor = version.partition(".")
    if dot and major == "1" and minor.isascii() and minor.isdigit():
        return None
    return f"version: wlcg.ver is {version!a}, not 1.x"
