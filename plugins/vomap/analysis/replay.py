"""Decide the tokens of a decision log again by another policy, and count the decisions that change.

A decision is never "the same" because of a claim that its record does not show. Such records are undecidable.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from vomap.analysis.kept_claims import RecordDecider, UndecidableError
from vomap.analysis.owners import Owners
from vomap.log import KEY_FILE
from vomap.log.record import Record, Resolve
from vomap.policy import DENIED, ERROR, MAPPED, Decision
from vomap.policy.decide import FORGED_NAME
from vomap.policy.model import Bans, Policy

# The reasons why a record is left out: there is nothing to compare, whatever the policy is.
AN_ERROR, REFUSED_BEFORE, AN_AUTHORIZATION, UNKNOWN, NO_JTI = (
    "the decision was an error that has another cause than the policy",
    "vomap refused the token before it read the claims",
    "the CE asked only if the token is mapped, not to which account",
    "the file of the other plugin does not name its token",
    "its token has no jti, so the file of the other plugin cannot name it",
)
# The reasons why a record is undecidable: the policy may decide otherwise, and the record does not show it.
NO_CLAIMS, NO_NAMES, NO_FORGED, SEVERAL_ACCOUNTS, SEVERAL_ISSUERS = (
    "the log does not have its claims",
    "an earlier vomap wrote its record, which does not name the claims that it keeps",
    "an earlier vomap wrote its record, which does not name the claims that may be forged",
    "the file of the other plugin has several accounts of its issuer and subject",
    "tokens of several issuers have its jti, and the file of the other plugin does not name the issuer",
)
# The reasons why a subject is not known.
NOT_LOGGED, NO_KEY, OTHER_KEY = (
    "its subject was not logged, because there was no key to encrypt it, and no key can show it now",
    f"its subject is a pseudonym, and vomap cannot read a key in {KEY_FILE}: name the key with --key FILE",
    "its subject is a pseudonym that another key made: name that key with --key FILE",
)
_AUTHORIZE = "vomap-arc authorize"
# The first word of the reason, if the token itself is why.
_TOKEN = "token: "  # noqa: S105 - a word  # nosec B105


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


class Gain(NamedTuple):
    """An account that vomap maps tokens to that the other plugin's table does not name: they may gain access."""

    account: str
    rule: str | None
    has_jti: bool

    def __str__(self) -> str:
        without = "" if self.has_jti else ", tokens without jti"
        return f"mapped to {self.account} (rule {self.rule}){without}"


class _TokenId:
    """A `jti` of the other plugin's table: its issuers in the log, and its decisions as `Replay` counts them."""

    def __init__(self) -> None:
        self.issuers: set[str | None] = set()
        self.same = 0
        self.changes: Counter[DecisionChange] = Counter()


class Replay:
    """Decides the records of a log again, one by one, and counts the decisions.

    `same` counts the decisions that stay the same, and `changes` those that change. `undecidable` counts the reasons
    why the new decision is not known, `left_out` the reasons why there is nothing to compare. `first` has the first
    record of each change. `gains` counts the tokens that vomap maps and that another plugin's table does not name.
    """

    def __init__(
        self, policy: Policy, bans: Bans, *, resolve: Resolve | None = None, owners: Owners | None = None
    ) -> None:
        """Take the policy and the bans that decide, and the function that finds the subject behind a pseudonym.

        `owners` are the accounts that another plugin mapped the tokens to. Without them, the decisions of the log are
        compared.
        """
        self._decider = RecordDecider(policy, bans)
        self._resolve, self._owners = resolve, owners
        self.same = 0
        self.changes: Counter[DecisionChange] = Counter()
        self.first: dict[DecisionChange, Record] = {}
        self.undecidable: Counter[str] = Counter()
        self.left_out: Counter[str] = Counter()
        self.gains: Counter[Gain] = Counter()
        self._ids: dict[str | None, _TokenId] = {}

    @property
    def changed(self) -> int:
        """How many decisions changed."""
        return sum(self.changes.values())

    def add(self, record: Record) -> None:
        """Decide one record again."""
        self._note_issuer(record)
        reason = _nothing_to_compare(record)
        if reason is not None:
            self.left_out[reason] += 1
            return
        try:
            before = _decision_of(record) if self._owners is None else self._owner_of(record, self._owners)
            decision = self._decide(record)
        except UndecidableError as error:
            self.undecidable[str(error)] += 1
            return
        if before is None:
            self._add_unnamed(record, decision)
        else:
            self._compare(record, before, decision)

    def _compare(self, record: Record, before: DecisionSummary, decision: Decision) -> None:
        after = _after(decision, record, before)
        token = self._ids.get(record.members["jti"])
        counts = (self,) if token is None else (self, token)
        if (before.outcome, before.account) == (after.outcome, after.account):
            for each in counts:
                each.same += 1
            return
        change = DecisionChange(decision.vo or record.members["vo"] or "none", before, after)
        for each in counts:
            each.changes[change] += 1
        self.first.setdefault(change, record)

    def _note_issuer(self, record: Record) -> None:
        """Note the issuer of a token that the other plugin's table names by `jti`.

        A `jti` is unique for its issuer alone (RFC 7519 section 4.1.7). With a second issuer, the decisions that were
        compared by this `jti` are not known any more.
        """
        jti = record.members["jti"]
        if self._owners is None or not self._owners.names_token(jti):
            return
        token = self._ids.setdefault(jti, _TokenId())
        token.issuers.add(record.members["issuer"])
        number = token.same + sum(token.changes.values())
        if number and len(token.issuers) > 1:
            self.undecidable[SEVERAL_ISSUERS] += number
            self.same -= token.same
            # This also removes the changes of which no decision is left.
            self.changes -= token.changes
            token.same = 0
            token.changes.clear()

    def _add_unnamed(self, record: Record, decision: Decision) -> None:
        """Count a token that the other plugin's table does not name. That plugin may have refused it."""
        has_jti = record.members["jti"] is not None
        self.left_out[UNKNOWN if has_jti else NO_JTI] += 1
        after = _after(decision, record, _decision_of(record))
        if after.outcome == MAPPED:
            self.gains[Gain(after.account or f"the pool {decision.pool}", after.rule, has_jti)] += 1

    def _owner_of(self, record: Record, owners: Owners) -> DecisionSummary | None:
        """Return the decision of the other plugin, None if its table does not name the token.

        Raises UndecidableError.
        """
        members = record.members
        if owners.has_subjects:
            self._reveal_subject(record)
        if members["jti"] in self._ids and len(self._ids[members["jti"]].issuers) > 1:
            raise UndecidableError(SEVERAL_ISSUERS)
        accounts = owners.of_token(members["jti"], members["issuer"], members["subject"])
        if len(accounts) > 1:
            raise UndecidableError(SEVERAL_ACCOUNTS)
        return DecisionSummary(MAPPED, min(accounts), None, "by another plugin") if accounts else None

    def counted(self) -> dict[str, Counter[str]]:
        """Return the number of changed decisions by VO, by account (before and after) and by rule."""
        counts: dict[str, Counter[str]] = {"VO": Counter(), "account": Counter(), "rule": Counter()}
        for change, number in self.changes.items():
            both = change.before, change.after
            counts["VO"][change.vo] += number
            counts["account"].update(dict.fromkeys({each.account for each in both if each.account is not None}, number))
            counts["rule"].update(dict.fromkeys({each.rule for each in both if each.rule is not None}, number))
        return {title: each for title, each in counts.items() if each}

    def _decide(self, record: Record) -> Decision:
        """Return the new decision. Raises UndecidableError."""
        self._reveal_subject(record)
        claims = record.claims()
        if claims is None:
            raise UndecidableError(NO_CLAIMS)
        if "kept" not in record.members:
            raise UndecidableError(NO_NAMES)
        if "forged" not in record.members and record.members["reason"].startswith(FORGED_NAME):
            raise UndecidableError(NO_FORGED)
        return self._decider.decide(record, claims)

    def _reveal_subject(self, record: Record) -> None:
        """Put the subject in the place of its pseudonym. Raises UndecidableError."""
        members = record.members
        if "pseudonym" in members and members["subject"] is None and not record.reveal_subject(self._resolve):
            raise UndecidableError(why_hidden(record, self._resolve))


def why_hidden(record: Record, resolve: Resolve | None) -> str:
    """Return why the subject of a record is not known. `resolve` is None without a key."""
    if record.members["pseudonym"] is None:
        return NOT_LOGGED
    return NO_KEY if resolve is None else OTHER_KEY


def _nothing_to_compare(record: Record) -> str | None:
    """Return why a record is left out, or None if it is not."""
    members = record.members
    if members.get("callout") == _AUTHORIZE:
        return AN_AUTHORIZATION
    if members["outcome"] == ERROR and not members["reason"].startswith(FORGED_NAME):
        return AN_ERROR
    is_unread = members.get("claims") is None and "cut" not in members and "kept" not in members
    return REFUSED_BEFORE if is_unread and members["reason"].startswith(_TOKEN) else None


def _decision_of(record: Record) -> DecisionSummary:
    members = record.members
    return DecisionSummary(members["outcome"], members["account"], members["rule"], members["reason"])


def _after(decision: Decision, record: Record, before: DecisionSummary) -> DecisionSummary:
    """Return the new decision. Accounts are not looked up: an account that was refused before is still refused."""
    refused = record.members["reason"].startswith(f"account: {decision.account} ")
    if before.outcome == DENIED and decision.outcome == MAPPED and refused:
        return before
    return DecisionSummary(decision.outcome, decision.account, decision.rule, decision.reason)
