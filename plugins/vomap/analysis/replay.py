"""Decide the tokens of a decision log again by another policy, and count the decisions that change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from vomap.claims import Claims
from vomap.log.record import Record, Resolve
from vomap.policy import DENIED, ERROR, MAPPED, Decision
from vomap.policy.decide import decide
from vomap.policy.model import Bans, Policy

# The reasons why a record is not decided again.
AN_ERROR, NO_CLAIMS, NO_SUBJECT, AN_AUTHORIZATION, UNKNOWN = (
    "the decision was an error that has another cause than the policy",
    "the log does not have its claims",
    "its subject is a pseudonym, and its key was not given or does not exist",
    "the CE asked only if the token is mapped, not to which account",
    "the file of the other plugin does not name its token",
)
_AUTHORIZE = "vomap-arc authorize"


class DecisionSummary(NamedTuple):
    """A decision: its outcome, the account if mapped, the rule if a rule decided, and the reason."""

    outcome: str
    account: str | None
    rule: str | None
    reason: str

    def __str__(self) -> str:
        to = f" to {self.account}" if self.account else ""
        return f"{self.outcome}{to} ({self.reason})"


class DecisionChange(NamedTuple):
    """A decision that differs from the one in the log."""

    vo: str
    before: DecisionSummary
    after: DecisionSummary


class Replay:
    """Decides the records of a log again, one by one, and counts the decisions.

    `same` counts the decisions that stay the same, `changes` those that change, and `left_out` the reasons why records
    are not decided again. `first` has the first record of each change.
    """

    def __init__(
        self, policy: Policy, bans: Bans, *, resolve: Resolve | None = None, instead: Mapping[str, str] | None = None
    ) -> None:
        """Take the policy and the bans that decide, and the function that finds the subject behind a pseudonym.

        `instead` has, by the token's `jti`, the account that another plugin mapped the token to. Without it, the
        decisions of the log are compared.
        """
        self._policy, self._bans = policy, bans
        self._resolve, self._instead = resolve, instead
        self.same = 0
        self.changes: Counter[DecisionChange] = Counter()
        self.first: dict[DecisionChange, Record] = {}
        self.left_out: Counter[str] = Counter()

    @property
    def changed(self) -> int:
        """How many decisions changed."""
        return sum(self.changes.values())

    def add(self, record: Record) -> None:
        """Decide one record again."""
        claims = self._claims(record)
        if isinstance(claims, str):
            self.left_out[claims] += 1
            return
        decision = decide(self._policy, self._bans, claims, record.time)
        before = self._before(record)
        after = _after(decision, record, before)
        if (before.outcome, before.account) == (after.outcome, after.account):
            self.same += 1
            return
        change = DecisionChange(decision.vo or record.members["vo"] or "none", before, after)
        self.changes[change] += 1
        self.first.setdefault(change, record)

    def counted(self) -> dict[str, Counter[str]]:
        """Return the number of changed decisions by VO, by account (before and after) and by rule."""
        counts: dict[str, Counter[str]] = {"VO": Counter(), "account": Counter(), "rule": Counter()}
        for change, number in self.changes.items():
            both = change.before, change.after
            counts["VO"][change.vo] += number
            counts["account"].update(dict.fromkeys({each.account for each in both if each.account is not None}, number))
            counts["rule"].update(dict.fromkeys({each.rule for each in both if each.rule is not None}, number))
        return {title: each for title, each in counts.items() if each}

    def _claims(self, record: Record) -> Claims | str:
        """Return the claims of a record, or why it cannot be decided again."""
        members = record.members
        if members.get("callout") == _AUTHORIZE:
            return AN_AUTHORIZATION
        if members["outcome"] == ERROR:
            return AN_ERROR
        if self._instead is not None and members["jti"] not in self._instead:
            return UNKNOWN
        if "pseudonym" in members and not record.reveal_subject(self._resolve):
            return NO_SUBJECT
        return record.claims() or NO_CLAIMS

    def _before(self, record: Record) -> DecisionSummary:
        members = record.members
        if self._instead is not None:
            account = self._instead[members["jti"] or ""]
            return DecisionSummary(MAPPED, account, None, "by another plugin")
        return DecisionSummary(members["outcome"], members["account"], members["rule"], members["reason"])


def _after(decision: Decision, record: Record, before: DecisionSummary) -> DecisionSummary:
    """Return the new decision. Accounts are not looked up: an account that was refused before is still refused."""
    refused = record.members["reason"].startswith(f"account: {decision.account} ")
    if before.outcome == DENIED and decision.outcome == MAPPED and refused:
        return before
    return DecisionSummary(decision.outcome, decision.account, decision.rule, decision.reason)
