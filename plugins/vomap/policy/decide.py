"""The decision for one token: the seven steps of the design, in their order."""

from __future__ import annotations

from vomap.claims.memberships import read_memberships
from vomap.claims.scopes import read_scopes
from vomap.policy.candidates import Naming, chosen_by_token, find_vos, vo_of
from vomap.policy.checks import failures, unchecked
from vomap.policy.decision import DECLINED, DENIED, MAPPED, Decision
from vomap.policy.model import NO_BANS
from vomap.policy.view import View, unmet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from vomap.claims.claims import Claims
    from vomap.policy.model import Ban, Bans, Policy, Rule


def decide(policy: Policy, bans: Bans, claims: Claims, now: float, trace: list[str] | None = None) -> Decision:
    """Decide what becomes of a token.

    `now` is in seconds since 1970; `trace`, if given, gets a sentence for each step. The account that is answered has
    a name that may be answered; whether it exists, and which account of a pool it is, is found out after this.
    """
    return _Deciding(policy, bans, claims, now, trace if trace is not None else []).decide()


class _Deciding:
    """One decision on its way."""

    __slots__ = (
        "banned",
        "bans",
        "claims",
        "decision",
        "issuer",
        "naming",
        "now",
        "policy",
        "scopes",
        "trace",
        "url",
        "view",
    )

    def __init__(self, policy: Policy, bans: Bans, claims: Claims, now: float, trace: list[str]) -> None:
        self.policy, self.bans, self.claims, self.now, self.trace = policy, bans, claims, now, trace
        self.decision = Decision(claims, policy.digest)
        self.banned: set[str] = set()
        self.url = claims.text("iss") or ""
        declared = policy.issuers.get(self.url)
        self.issuer = declared if declared is not None and declared.trusted else None
        trace.extend(claims.passed_over)
        self.scopes = read_scopes(claims)
        form = self.issuer.entitlements if self.issuer else None
        memberships = read_memberships(claims, form, trace)
        self.view = View(claims, memberships, self.scopes)
        trace.append("memberships: " + (", ".join(ascii(each.fqan) for each in memberships) or "none"))
        # Step 1
        self.naming = (
            find_vos(policy, self.url, memberships, self.scopes) if self.issuer else Naming((), names_any=False)
        )
        trace.append("VOs that the token speaks for: " + (", ".join(map(ascii, self.naming.vos.values())) or "none"))

    def decide(self) -> Decision:
        return self._banned() or self._not_ours() or self._failed_check() or self._ruled()

    def _banned(self) -> Decision | None:
        """Take step 2. A ban by VO alone takes that VO away from the token; it is denied if no served one is left."""
        holding = [ban for ban in self.bans.bans if ban.holds_at(self.now)]
        for ban in holding:
            if not ban.conditions.only_vo() and self._meets(ban):
                return self._deny_for(ban)
        takers = [ban for ban in holding if ban.conditions.only_vo() and self._take_away(ban)]
        if not takers:
            return None
        return self._refused_anyway() if self._served() else self._deny_for(takers[0])

    def _refused_anyway(self) -> Decision | None:
        """Return the refusal that holds without any ban: to have one VO less must not open a door that was closed."""
        decision = decide(self.policy, NO_BANS, self.claims, self.now)
        if decision.outcome == MAPPED:
            return None
        self.trace.append(f"{decision.outcome}, with or without the ban: {decision.reason}")
        return decision

    def _take_away(self, ban: Ban) -> bool:
        taken = [vo for vo in ban.conditions.vo or () if vo in self.naming.vos]
        for vo in taken:
            name = self.naming.vos.pop(vo)
            self.trace.append(f"ban {ban.source}: the token does not speak for {name!a} any more")
        self.banned.update(taken)
        return bool(taken)

    def _served(self) -> dict[str, str]:
        return {vo: name for vo, name in self.naming.vos.items() if self._serves(vo)}

    def _serves(self, vo: str) -> bool:
        serve = self.policy.site.serve
        return serve is None or vo in serve

    def _meets(self, ban: Ban) -> bool:
        wanted = ban.conditions.vo
        return (wanted is None or any(vo in self.naming.vos for vo in wanted)) and not unmet(
            ban.conditions, self.view, {}
        )

    def _deny_for(self, ban: Ban) -> Decision:
        self.decision.source = ban.source
        return self._settle(DENIED, f"ban: {ban.reason}")

    def _not_ours(self) -> Decision | None:
        """Step 3. What the site does not serve is not ours to refuse: another plugin may know it."""
        if self.issuer is None:
            if not self.url:
                return self._settle(DECLINED, "issuer: there is no token, or it names no issuer")
            known = "distrusted" if self.url in self.policy.issuers else "not declared"
            return self._settle(DECLINED, f"issuer: {self.url!a} is {known}")
        named = ", ".join(map(ascii, self.naming.vos.values()))
        self.naming.vos = self._served()
        if self.naming.vos or (self.policy.site.serve is None and not self.naming.names_any):
            if self.issuer.sources:
                self.view = self.view.part(self._is_ours)
            return None
        if named:
            return self._settle(DECLINED, f"vo: the site does not serve {named}")
        if self.naming.names_any:
            return self._settle(DECLINED, "vo: the token names no VO that its issuer may speak for")
        return self._settle(DECLINED, "vo: the token names no VO, and the site says whom it serves")

    def _is_ours(self, root: str) -> bool:
        """Tell whether rules may see what belongs to a group's or path's first part.

        Not if it is a VO that is banned or not served, or that the issuer has no right to name; a name outside of
        the issuer's `vos` is no VO, just a group.
        """
        assert self.issuer is not None
        name = vo_of(self.policy, self.url, root)
        if name is None:
            return self.issuer.vos is not None
        return name.lower() not in self.banned and self._serves(name.lower())

    def _failed_check(self) -> Decision | None:
        """Step 4."""
        issuer, site = self.issuer, self.policy.site
        assert issuer is not None
        self.decision.unchecked = unchecked(site, self.claims)
        for reason in failures(site, issuer, self.claims, self.scopes):
            return self._settle(DENIED, reason)
        self.trace.append("checks: passed" + "".join(f", {each} not shown" for each in self.decision.unchecked))
        return None

    def _ruled(self) -> Decision:
        """Take steps 5 and 6: the first rule that matches, or none."""
        for rule in self.policy.rules:
            for vo, view in self._views(rule):
                captured = {} if vo is None else {"vo": vo.lower()}
                key = unmet(rule.conditions, view, captured)
                if key is not None:
                    self.trace.append(f"rule {rule.name} ({rule.source}): {key} does not match")
                elif self._apply(rule, captured, vo):
                    return self.decision
        return self._settle(DECLINED, "rule: none matches")

    def _views(self, rule: Rule) -> Iterator[tuple[str | None, View]]:
        """Yield the VO and the part of the token that a rule may see; nothing if it is about other VOs."""
        vos = self.naming.vos
        wanted = rule.conditions.vo
        if wanted is None:
            yield (next(iter(vos.values())) if len(vos) == 1 else None), self.view
            return
        for vo in wanted:
            if vo in vos:
                yield vos[vo], self._view_of(vo)
        if not any(vo in vos for vo in wanted):
            self.trace.append(f"rule {rule.name} ({rule.source}): vo does not match")

    def _view_of(self, vo: str) -> View:
        """Return what rules about a VO may see: that VO's own, if the issuer speaks for several."""
        assert self.issuer is not None
        return self.view.part(lambda root: self._means(root, vo)) if self.issuer.sources else self.view

    def _means(self, root: str, vo: str) -> bool:
        """Tell whether a group's or a path's first part is the name of a VO, given in lower case."""
        found = vo_of(self.policy, self.url, root)
        return found is not None and found.lower() == vo

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
        assert rule.account is not None
        account = rule.account.expand(captured)
        if account is None:
            return self._pass_over(rule, "<vo> is not known, as the token speaks for no VO or for several")
        if self._made_by_token(rule):
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

    def _made_by_token(self, rule: Rule) -> bool:
        """Tell whether a part of the account is the token's own word."""
        assert rule.account is not None and self.issuer is not None  # noqa: PT018 - see above
        captures = set(rule.account.captures)
        if captures - {"vo"}:
            return True
        return bool(captures) and rule.conditions.vo is None and chosen_by_token(self.issuer)

    def _pass_over(self, rule: Rule, why: str) -> bool:
        self.decision.rule = self.decision.source = self.decision.vo = None
        self.trace.append(f"rule {rule.name} ({rule.source}): {why}")
        return False

    def _settle(self, outcome: str, reason: str) -> Decision:
        self.trace.append(f"{outcome}: {reason}")
        if self.decision.rule is None and len(self.naming.vos) == 1:
            (self.decision.vo,) = self.naming.vos.values()
        return self.decision.settle(outcome, reason)
