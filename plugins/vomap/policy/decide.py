"""The decision for one token: the seven steps of the design, in their order."""

from __future__ import annotations

from vomap.claims import ENTITLEMENT_CLAIMS, GROUPS_CLAIM, LATEST, is_visible, may_compute, read_scopes
from vomap.policy import DECLINED, DENIED, ERROR, MAPPED, Decision
from vomap.policy.matching import BanView, View, meets_ban, unmet
from vomap.policy.model import NOTHING_NAMED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from vomap.claims import Claims
    from vomap.claims.memberships import Membership
    from vomap.policy.model import Ban, Bans, Issuer, Naming, Policy, Rule, Site

TIME, LIFETIME = "time", "lifetime"
# How far the clocks of an issuer and of a CE may be apart, in seconds.
SKEW = 60


def decide(policy: Policy, bans: Bans, claims: Claims, now: float, trace: list[str] | None = None) -> Decision:
    """Decide what becomes of a token.

    `now` is in seconds since 1970; `trace`, if given, gets a sentence for each step. The account that is answered has
    a name that may be answered; whether it exists, and which account of a pool it is, is found out after this.
    """
    return _Deciding(policy, bans, claims, now, trace).decide(bans)


_NONE: frozenset[str] = frozenset()
# Claims that every decision may look at, and that may not be the rest of a forged name.
_NEVER_FORGED = ("client_id", "azp", "wlcg.ver")
# Of a token that names more VOs that are banned it is not found out what fewer bans would leave.
_MOST_BANNED = 4


class _Deciding:
    """One decision on its way: bans see the whole token, rules the part of it that `_may_see` leaves."""

    __slots__ = (
        "ban_view",
        "banned",
        "bans",
        "claims",
        "decision",
        "issuer",
        "names",
        "naming",
        "now",
        "parts",
        "policy",
        "served",
        "trace",
        "url",
        "whole",
    )

    def __init__(self, policy: Policy, bans: Bans, claims: Claims, now: float, trace: list[str] | None) -> None:
        self.policy, self.claims, self.now, self.trace = policy, claims, now, trace
        self.decision = Decision(claims, policy.digest)
        self.bans: Sequence[Ban] = ()
        self.banned: Collection[str] = _NONE
        self.url = claims.text("iss") or ""
        declared = policy.issuer(self.url)
        self.issuer = declared if declared is not None and declared.trusted else None
        scopes = read_scopes(claims)
        no_memberships: list[str] = []
        memberships = _memberships(claims, self.issuer, no_memberships)
        self.whole = View(claims, memberships, scopes)
        self.parts: dict[str | None, View] = {}
        self.names: dict[str, str | None] = {}
        self.ban_view: BanView | None = None
        # Step 1
        self.naming = NOTHING_NAMED
        if self.issuer is not None:
            self.naming = self.issuer.only or _naming(policy, self.url, self.issuer, self.whole)
        if bans.asked:
            self.ban_view = BanView(claims, self._every_membership, self._every_vo)
            self.bans = bans.matching(self.ban_view, now)
            self.banned = {vo for ban in self.bans for vo in ban.only_vos}
        self.served = self._find_served()
        if trace is not None:
            trace += claims.passed_over
            trace += no_memberships
            trace += _not_read(claims, self.issuer)
            trace.append("memberships: " + (", ".join(ascii(each.fqan) for each in memberships) or "none"))
            named = ", ".join(map(ascii, self.naming.candidates.values()))
            trace.append(f"VOs that the token speaks for: {named or 'none'}")

    def decide(self, bans: Bans) -> Decision:
        hidden = self._hidden(bans) if self.claims.forged else None
        return hidden or (self._banned() if self.bans else None) or self._unbanned()

    def _hidden(self, bans: Bans) -> Decision | None:
        """Refuse a token of which a claim that decides may be the rest of another one's name, and so may be hidden."""
        for name in sorted(self.claims.forged):
            if name in _NEVER_FORGED or self._reads(name) or any(each.ask_for(name) for each in (bans, self.policy)):
                return self._settle(ERROR, f"token: another claim's name may hide the claim {name!a}")
        return None

    def _reads(self, name: str) -> bool:
        """Return True if the issuer's declaration reads groups or entitlements from a claim."""
        if self.issuer is None:
            return False
        if self.issuer.entitlements is not None and name in ENTITLEMENT_CLAIMS:
            return True
        return name == self.issuer.groups_claim

    def _unbanned(self) -> Decision:
        return self._not_ours() or self._failed_check() or self._ruled()

    def _find_served(self) -> dict[str, str]:
        """Return the candidates that the site serves and has not banned."""
        candidates = self.naming.candidates
        if not self.banned and self.policy.site.serve is None:
            return candidates
        return {vo: name for vo, name in candidates.items() if vo not in self.banned and self._serves(vo)}

    def _serves(self, vo: str) -> bool:
        serve = self.policy.site.serve
        return serve is None or vo in serve

    def _banned(self) -> Decision | None:
        """Take step 2. A ban by VO alone takes that VO away from the token; it is denied if no served one is left.

        So is a token that speaks for no VO, but names the banned one in another reading: declined, it could be mapped
        by another plugin.
        """
        assert self.ban_view is not None, "there are bans"
        for ban in self.bans:
            if not ban.only_vos and meets_ban(ban.conditions, self.ban_view):
                return self._deny_for(ban)
        if not self.banned:
            return None
        for ban in self.bans:
            taken = [vo for vo in ban.only_vos if vo in self.naming.candidates]
            if taken:
                self._tell(f"ban {ban.source}: the token does not speak for {', '.join(taken)} any more")
            named = taken or (not self.naming.candidates and not self.ban_view.vos.isdisjoint(ban.only_vos))
            if named and not self.served:
                return self._deny_for(ban)
        return self._refused_anyway(sorted(self._rules_vos().intersection(self.banned)))

    def _rules_vos(self) -> set[str]:
        """Return every VO, in lower case, that rules may find in the token, whether or not it speaks for it."""
        roots = [membership.root for membership in self.whole.memberships]
        if "/" in self.claims.texts.get("scope", ""):
            from vomap.claims.scopes import storage_root

            roots += [root for root in map(storage_root, self.whole.scopes) if root is not None]
        several = self.issuer is not None and self.issuer.sources
        named = {self._name(root) for root in roots} if several else set()
        return {vo for vo in named if vo is not None}.union(self.naming.candidates)

    def _every_membership(self) -> Sequence[Membership]:
        """Return every membership that bans see."""
        claims, issuer = self.claims, self.issuer
        claim = None if issuer is None else issuer.groups_claim
        form = None if issuer is None else issuer.entitlements
        if form is None and not any(name and claims.values(name) for name in (GROUPS_CLAIM, claim)):
            return ()
        from vomap.claims.memberships import read_every_membership

        return read_every_membership(claims, None if issuer is None else issuer.group_form, form)

    def _every_vo(self, memberships: Sequence[Membership]) -> set[str]:
        """Return every VO that the token names, in lower case, those that it speaks for among them."""
        candidates = set(self.naming.candidates)
        if self.issuer is None or not self.issuer.sources:
            return candidates
        from vomap.policy.authority import mentioned_vos

        assert self.ban_view is not None, "bans ask"
        return candidates | mentioned_vos(self.policy, self.url, self.issuer, memberships, self.ban_view.scopes)

    def _deny_for(self, ban: Ban) -> Decision:
        self.decision.source = ban.source
        return self._settle(DENIED, f"ban: {ban.reason}")

    def _refused_anyway(self, banned: list[str]) -> Decision | None:
        """Return the refusal that holds with fewer VOs banned: to have one less must not open a door that was closed.

        What some of the banned VOs that the token names leave denied, all of them leave denied; and so it is with what
        some leave declined, unless all of them leave it denied.
        """
        from itertools import combinations

        if len(banned) > _MOST_BANNED:
            return self._deny_for(next(ban for ban in self.bans if not set(banned).isdisjoint(ban.only_vos)))
        others = [self._with_only(fewer) for size in range(len(banned)) for fewer in combinations(banned, size)]
        refused = [other for other in others if other.decision.outcome != MAPPED]
        if not refused:
            return None
        denied = [other for other in refused if other.decision.outcome == DENIED]
        if not denied and self._unbanned().outcome == DENIED:
            return self.decision
        told = [*denied, *refused][0]
        if self.trace is not None and told.trace is not None:
            self.trace.append(f"what follows holds with {', '.join(sorted(told.banned)) or 'no VO'} banned, too")
            self.trace += told.trace
        return told.decision

    def _with_only(self, banned: Iterable[str]) -> _Deciding:
        """Return the decision about this token, once made, with just these VOs banned."""
        other = object.__new__(_Deciding)
        for name in self.__slots__:
            setattr(other, name, getattr(self, name))
        other.bans, other.banned, other.parts = [], frozenset(banned), {}
        other.trace = None if self.trace is None else []
        other.decision = Decision(self.claims, self.policy.digest)
        other.served = other._find_served()
        other._unbanned()
        return other

    def _not_ours(self) -> Decision | None:
        """Step 3. What the site does not serve is not ours to refuse: another plugin may know it."""
        if self.issuer is None:
            if not self.url:
                return self._settle(DECLINED, "issuer: there is no token, or it names no issuer")
            known = "not declared" if self.policy.issuer(self.url) is None else "distrusted"
            return self._settle(DECLINED, f"issuer: {self.url!a} is {known}")
        if self.served or (self.policy.site.serve is None and not self.naming.names_any):
            return None
        if self.naming.candidates:
            named = ", ".join(map(ascii, self.naming.candidates.values()))
            return self._settle(DECLINED, f"vo: the site does not serve {named}")
        if self.naming.names_any:
            return self._settle(DECLINED, "vo: the token names no VO that its issuer may speak for")
        return self._settle(DECLINED, "vo: the token names no VO, and the site says whom it serves")

    def _failed_check(self) -> Decision | None:
        """Step 4."""
        issuer, site = self._declared(), self.policy.site
        self.decision.unchecked = _unchecked(site, self.claims)
        reason = _failure(site, issuer, self.claims, self.whole.scopes, self.now)
        if reason is not None:
            return self._settle(DENIED, reason)
        if self.trace is not None:
            audience = ", audience not asked for" if issuer.audience is None else ""
            not_shown = "".join(f", {each} not shown" for each in self.decision.unchecked)
            self.trace.append(f"checks: passed{audience}{not_shown}")
        return None

    def _declared(self) -> Issuer:
        assert self.issuer is not None, "step 3 has declined all others"
        return self.issuer

    def _ruled(self) -> Decision:
        """Take steps 5 and 6: the first rule that matches, or none."""
        for rule in self._candidates():
            for vo, view in self._views(rule):
                captured = {} if vo is None else {"vo": vo.lower()}
                key = unmet(rule.conditions, view, captured)
                if key is None and self._apply(rule, captured, vo):
                    return self.decision
                if self.trace is not None and key not in (None, "issuer"):
                    self.trace.append(f"rule {rule.name} ({rule.source}): {key} does not match")
        return self._settle(DECLINED, "rule: none matches")

    def _candidates(self) -> Iterable[Rule]:
        if self.trace is None:
            return self.policy.candidates(self.url, self.whole, self.served, self._part)
        # Who asks why wants to hear of each rule that does not match.
        return self.policy.rules()

    def _views(self, rule: Rule) -> Sequence[tuple[str | None, View]]:
        """Return each VO that a rule may be for with the part of the token that it may see; none if about others."""
        wanted = rule.conditions.vo
        if wanted is None:
            only = next(iter(self.served.values())) if len(self.served) == 1 else None
            return ((only, self._part(None)),)
        return [(self.served[vo], self._part(vo)) for vo in wanted if vo in self.served]

    def _part(self, vo: str | None) -> View:
        """Return the part of the token that rules about one VO may see, or that rules without a VO may see."""
        if vo not in self.parts:
            safe = self.whole.safe()
            if not self._declared().sources:
                # Of an issuer with one VO rules see all.
                self.parts[vo] = safe
            elif vo is None:
                self.parts[vo] = safe.part(self._may_see)
            else:
                # All at once: a token may name a thousand VOs, and a rule may be for each.
                self.parts.update(safe.parts(self._name))
                self.parts.setdefault(vo, safe.part(lambda _: False))
        return self.parts[vo]

    def _may_see(self, root: str) -> bool:
        """Return True if rules without a VO may see what belongs to a group's or path's first part.

        They see all but what is of a VO that is banned, not served, or not the issuer's to name; a name outside of the
        issuer's `vos` is just a group.
        """
        vo = self._name(root)
        if vo is None:
            return self._declared().vos is not None
        return vo not in self.banned and self._serves(vo)

    def _name(self, root: str) -> str | None:
        """Return the VO, in lower case, that a group's or path's first part means."""
        if root not in self.names:
            from vomap.policy.authority import vo_of

            vo = vo_of(self.policy, self.url, self._declared(), root)
            self.names[root] = None if vo is None else vo.lower()
        return self.names[root]

    def _apply(self, rule: Rule, captured: dict[str, str], vo: str | None) -> bool:
        """Decide by a rule whose conditions hold; False if the account that it makes is not its to give."""
        self.decision.rule, self.decision.source, self.decision.vo = rule.name, rule.source, vo
        if rule.deny is not None:
            self._settle(DENIED, f"rule: {rule.deny}")
        elif rule.pool is not None:
            self.decision.pool = rule.pool
            self._settle(MAPPED, f"rule: {rule.name}")
        else:
            return self._answer(rule, captured)
        return True

    def _answer(self, rule: Rule, captured: dict[str, str]) -> bool:
        """Step 7, as far as names go."""
        assert rule.account is not None, "a rule has one outcome"
        account = rule.account.expand(captured)
        if account is None:
            return self._pass_over(rule, "<vo> is not known, as the token speaks for no VO or for several")
        if rule.account.captures and self._made_by_token(rule, captured, rule.account.captures):
            if self.policy.names(account):
                return self._pass_over(rule, f"{account!a} is named elsewhere, so no capture may give it")
        else:
            account = self.policy.site.rename.get(account, account)
        refusal = self.policy.site.accounts.refusal(account)
        if refusal is not None:
            self._settle(DENIED, f"account: {refusal}")
            return True
        self.decision.account = account
        self._settle(MAPPED, f"rule: {rule.name}")
        return True

    def _made_by_token(self, rule: Rule, captured: dict[str, str], captures: tuple[str, ...]) -> bool:
        """Tell whether a part of the account is the token's own word; a default VO is the policy's."""
        if set(captures) - {"vo"}:
            return True
        issuer = self._declared()
        return rule.conditions.vo is None and issuer.names_vos_freely and captured["vo"] not in issuer.declared_vos()

    def _pass_over(self, rule: Rule, why: str) -> bool:
        self.decision.rule = self.decision.source = self.decision.vo = None
        self._tell(f"rule {rule.name} ({rule.source}): {why}")
        return False

    def _tell(self, step: str) -> None:
        if self.trace is not None:
            self.trace.append(step)

    def _settle(self, outcome: str, reason: str) -> Decision:
        if self.trace is not None:
            self.trace.append(f"{outcome}: {reason}")
        if self.decision.rule is None and len(self.served) == 1:
            (self.decision.vo,) = self.served.values()
        return self.decision.settle(outcome, reason)


def _memberships(claims: Claims, issuer: Issuer | None, no_memberships: list[str]) -> list[Membership]:
    if issuer is None:
        return []
    form, claim = issuer.entitlements, issuer.groups_claim
    if form is None and claim not in claims.texts and claim not in claims.lists:
        return []
    # Only tokens with groups pay for what reads them.
    from vomap.claims.memberships import read_memberships

    return read_memberships(claims, issuer.group_form, form, no_memberships)


def _not_read(claims: Claims, issuer: Issuer | None) -> Iterable[str]:
    """Yield a sentence if the token has groups in `wlcg.groups` that its issuer's declaration does not read."""
    if issuer is None or not claims.shows(GROUPS_CLAIM) or issuer.groups_claim == GROUPS_CLAIM:
        return
    if issuer.groups_claim is not None:
        yield f"claim {GROUPS_CLAIM!a}: present, not read; the issuer's groups are in {issuer.groups_claim!a}"
    else:
        why = "`entitlements` and not `groups`" if issuer.entitlements is not None else "`groups: none`"
        yield f"claim {GROUPS_CLAIM!a}: present, not read; the issuer declares {why}"


def _naming(policy: Policy, url: str, issuer: Issuer, token: View) -> Naming:
    from vomap.policy.authority import find_vos

    return find_vos(policy, url, issuer, token)


def _failure(site: Site, issuer: Issuer, claims: Claims, scopes: Sequence[str], now: float) -> str | None:
    """Return the reason of the first check that the token fails, the most basic first, or None if it passes all."""
    subject = claims.texts.get("sub", "")
    if not ("!" <= subject[:1] <= "~" or is_visible(subject)):
        return "subject: the token names nobody"
    if not _is_plainly_within_its_time(claims, now):
        reason = _outside_its_time(claims.times, now)
        if reason is not None:
            return reason
    if issuer.audience is not None and issuer.audience.isdisjoint(claims.values("aud")):
        reason = _other_audience(issuer, claims)
        if reason is not None:
            return reason
    if not issuer.accept_without_compute and not may_compute(scopes):
        return "computing: no scope of the token lets it do anything with jobs"
    return _lifetime(site, claims) or _version(claims)


def _unchecked(site: Site, claims: Claims) -> list[str]:
    """Return the checks that are due and that this CE does not show enough to make."""
    found = [] if "exp" in claims.members else [TIME]
    if site.maximum_lifetime is not None and not _shows_lifetime(claims):
        found.append(LIFETIME)
    return found


def _is_plainly_within_its_time(claims: Claims, now: float) -> bool:
    """Tell whether a token is as most are, with whole numbers for times that are in order; at one glance."""
    members = claims.members
    expires, issued, begins = members.get("exp"), members.get("iat"), members.get("nbf", 0)
    return (
        type(expires) is int
        and type(issued) is int
        and type(begins) is int
        and now - SKEW < expires < LATEST
        and -LATEST < issued <= now + SKEW
        and -LATEST < begins <= now + SKEW
    )


def _outside_its_time(times: Mapping[str, float | None], now: float) -> str | None:
    """Return what is wrong with `exp`, `iat` or `nbf` (RFC 7519 sections 4.1.4 to 4.1.6), the skew allowed for."""
    for name, seconds in times.items():
        if seconds is None:
            return f"time: {name} is no number"
        if name == "exp" and now >= seconds + SKEW:
            return f"time: the token expired {now - seconds:.0f} s ago by this machine's clock"
        if name != "exp" and now < seconds - SKEW:
            return f"time: {name} is {seconds - now:.0f} s ahead of this machine's clock"
    return None


def _other_audience(issuer: Issuer, claims: Claims) -> str | None:
    """Return what is wrong with an audience that is not the site's; to have none at all may be accepted."""
    audience = claims.values("aud")
    if audience:
        return f"audience: the token is for {', '.join(map(ascii, audience))}, not for this site"
    if claims.shows("aud"):
        return "audience: `aud` names nobody"
    return None if issuer.accept_without_audience else "audience: the token does not say for whom it is"


def _lifetime(site: Site, claims: Claims) -> str | None:
    if site.maximum_lifetime is None or not _shows_lifetime(claims):
        return None
    times = claims.times
    expires, issued = times["exp"], times["iat"]
    assert expires is not None and issued is not None, "a time that is no number is refused before"  # noqa: PT018
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
