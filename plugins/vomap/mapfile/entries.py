"""Make the typed document of each entry of a mapfile, and check what a schema cannot express.

The entries are the settings of the site, issuers, rules, pools, bans and tests. Their nodes have passed the schema.
After an error a document may lack keys, and nothing uses it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from vomap.claims import DECISIVE, EVERY_CLAIM, GROUPS_CLAIM
from vomap.claims.memberships import EntitlementForm, is_component
from vomap.mapfile.findings import Findings, Place
from vomap.mapfile.reader import Node, list_items, mapping_entries
from vomap.mapfile.times import parse_duration, parse_last_second, parse_time
from vomap.policy.matching import LEGAL_ACCOUNT, AccountName, GroupPattern, Pattern, PatternError, is_account
from vomap.policy.model import SUBJECT
from vomap.policy.pools import Pool

if TYPE_CHECKING:
    from vomap.policy.documents import BanDocument, IssuerDocument, PoolDocument, RuleDocument, SiteDocument

_LITERAL = ("issuer", "vo", "audience", "jti", "client")
_PATTERN = ("subject", "group", "first-group", "scope")
# The conditions of bans. Rules have `first-group` as well, whose order the bearer can choose.
CONDITIONS = (*_LITERAL, *(key for key in _PATTERN if key != "first-group"), "claim")
OUTCOMES = ("account", "pool", "deny")
_OWN_CONDITION = {
    "iss": "issuer",
    "sub": "subject",
    "aud": "audience",
    "scope": "scope",
    "wlcg.groups": "group",
    "entitlements": "group",
    "eduperson_entitlement": "group",
}
_ACCEPTED = ("without-audience", "without-compute")
# Claims with another meaning, which cannot list groups.
_NOT_FOR_GROUPS = frozenset({*_OWN_CONDITION, *DECISIVE, "jti"}) - {GROUPS_CLAIM}

# The settings of a site that writes none. It accepts every audience, so `vomap build` requires one.
DEFAULT_SITE: SiteDocument = {
    "audience": None,
    "serve": None,
    "rename": {},
    "accounts": {"must-exist": True, "minimum-uid": 1000, "never": []},
    "maximum-lifetime": None,
}


@dataclass(frozen=True)
class PolicyTest:
    """One test of a mapfile: the claims of a token, the expected members of the decision, and the time.

    `at` is the time as the mapfile writes it, None for now. `alone` marks a test of its own mapfile without the site.
    """

    place: Place
    token: dict[str, Any]
    expect: dict[str, str]
    at: str | None
    alone: bool


def site_setting(key: str, node: Node, plain: Any, findings: Findings) -> object:
    """Return the value of one key of SiteDocument. `plain` is the node with the types of the schema."""
    if key == "audience":
        return audience_document(node, findings)
    if key == "maximum-lifetime":
        return parse_duration(plain)
    if key == "rename":
        for _, _, account in mapping_entries(node):
            refuse_root("rename", account, findings)
    if key == "log" and "claims" in plain:
        return {**plain, "claims": _claims_to_keep(plain["claims"])}
    if key == "accounts" and isinstance(plain, dict):
        return {**DEFAULT_SITE["accounts"], **plain, "never": _texts(node.member("never"))}
    return _texts(node) if key == "serve" else plain


def _claims_to_keep(written: str | list[str]) -> str | list[str]:
    """Return the claims that the log keeps. `all` and `none` are words of the language, but not in a list."""
    if isinstance(written, list) or written == EVERY_CLAIM:
        return written
    return [] if written == "none" else [written]


def rule_document(node: Node, findings: Findings) -> RuleDocument:
    """Return a rule's document."""
    document = {**_conditions(node, findings), **_members(node, "name", *OUTCOMES)}
    claims = node.member("claim")
    for name, place in claims.keys.items() if claims is not None else ():
        if name in _OWN_CONDITION:
            # A pattern on the plain text would skip the checks of the condition.
            advice = f"write `{_OWN_CONDITION[name]}`, which also checks that the claim is valid"
            findings.error(place, f"`claim: {name}`: {advice}")
    if "issuer" not in node.keys and "vo" not in node.keys:
        findings.error(node.place, "a rule needs an `issuer` or a `vo`; without one it would be for every issuer")
    outcomes = [key for key in OUTCOMES if key in node.keys]
    if len(outcomes) != 1:
        present = "`" + "`, `".join(outcomes) + "`" if outcomes else "none"
        findings.error(node.place, f"a rule needs exactly one of `account`, `pool` and `deny`; this one has {present}")
    account = node.member("account")
    if account is not None and isinstance(account.value, str):
        if "<" not in account.value and not is_account(account.value):
            message = f"`account`: {account.value!a} is not a valid account name: expected {LEGAL_ACCOUNT}"
            findings.error(account.place, message)
        refuse_root("account", account, findings)
    return cast("RuleDocument", document)


def ban_document(node: Node, findings: Findings) -> BanDocument:
    """Return a ban's document."""
    document = {**_conditions(node, findings), **_members(node, "reason")}
    if not any(key in node.keys for key in CONDITIONS):
        findings.error(node.place, f"a ban needs at least one condition: {', '.join(CONDITIONS)}")
    until = node.member("until")
    if until is not None:
        document["until"] = convert(until, "until", parse_last_second, findings)
    return cast("BanDocument", document)


def issuer_document(node: Node, plain: Any, findings: Findings) -> IssuerDocument | None:
    """Return an issuer's document, None for a distrusted issuer. `plain` is the node with the types of the schema."""
    if not isinstance(node.value, dict):
        return None
    document: dict[str, object] = {key: value for key, value in plain.items() if key not in _ACCEPTED}
    document.update({key: True for key in _ACCEPTED if key in plain})
    if isinstance(plain.get("vos"), list):
        document["vos"] = {vo: vo for vo in plain["vos"]}
    if isinstance(plain.get("entitlements"), dict):
        document["entitlements"] = [plain["entitlements"]]
    if "audience" in document:
        document["audience"] = audience_document(node.value["audience"], findings)
    _check_issuer(node, findings)
    return cast("IssuerDocument", document)


def pool_document(node: Node, findings: Findings) -> PoolDocument:
    """Return a pool's document: its accounts, and lease and quarantine in seconds."""
    items = list_items(node.member("accounts"))
    for item in items:
        try:
            Pool([str(item.value)])
        except ValueError as error:
            findings.error(item.place, f"`accounts`: {error}")
        refuse_root("accounts", item, findings)
    document: dict[str, object] = {"accounts": [item.value for item in items]}
    for key in ("lease", "quarantine"):
        duration = node.member(key)
        if duration is not None:
            document[key] = convert(duration, key, parse_duration, findings)
    return cast("PoolDocument", document)


def policy_test(node: Node, plain: Any, findings: Findings) -> PolicyTest | None:
    """Return a test, or None without token or expectation. `plain` is the node with the types of the schema."""
    at = node.member("at")
    if at is not None:
        convert(at, "at", parse_time, findings)
    if "token" not in plain or "expect" not in plain:
        return None
    expect = plain["expect"]
    return PolicyTest(
        node.place,
        plain["token"],
        expect if isinstance(expect, dict) else {"outcome": expect},
        plain.get("at"),
        alone=plain.get("alone", False),
    )


def audience_document(node: Node, findings: Findings) -> list[str] | None:
    """Return the accepted audiences, or None if every audience is accepted."""
    for item in list_items(node):
        if item.value == "unchecked" and item is not node:
            findings.error(item.place, "`audience`: `unchecked` cannot be in a list; write `audience: unchecked`")
    return None if node.value == "unchecked" else _texts(node)


def _conditions(node: Node, findings: Findings) -> dict[str, object]:
    document: dict[str, object] = {"source": f"{node.place.file}:{node.place.line}"}
    document.update({key: _texts(node.member(key)) for key in (*_LITERAL, *_PATTERN) if node.member(key) is not None})
    claims = node.member("claim")
    if claims is not None:
        document["claim"] = {name: _texts(value) for name, _, value in mapping_entries(claims)}
    _check_captures(node, *_check_patterns(node, findings), findings)
    return document


def _check_patterns(node: Node, findings: Findings) -> tuple[dict[str, Node], bool]:
    """Report invalid patterns. Return each capture with the value that sets it, and whether all captures are known."""
    captured: dict[str, Node] = {}
    patterns: list[Any] = []
    for key in ("group", "first-group"):
        patterns += [_compiled(key, item, findings, GroupPattern) for item in list_items(node.member(key))]
    for item in list_items(node.member("scope")):
        patterns.append(_compiled("scope", item, findings, lambda text: Pattern(text, below=True)))
    capturing = [("subject", node.member("subject"))]
    capturing += [(f"claim {name}", value) for name, _, value in mapping_entries(node.member("claim"))]
    for key, value in capturing:
        may_capture = value is not None and not isinstance(value.value, list)
        for item in list_items(value):
            kind = partial(Pattern, below=key == "subject", capture=may_capture)
            pattern = _compiled(key, item, findings, kind)
            patterns.append(pattern)
            for name in pattern.captures if pattern else ():
                if name in captured:
                    findings.error(item.place, f"`{key}`: <{name}> is captured twice in this rule")
                captured[name] = item
    left_out = any(key in node.keys and node.member(key) is None for key in ("subject", "claim"))
    return captured, not left_out and None not in patterns


def _check_captures(node: Node, captured: dict[str, Node], all_known: bool, findings: Findings) -> None:
    """Report captures that are not used, and captures in `account` that are not set."""
    account = node.member("account")
    used: tuple[str, ...] = ()
    if account is not None:
        template = _compiled("account", account, findings, AccountName)
        used = template.captures if template else tuple(captured)
        for name in sorted(set(used) - set(captured) - {"vo"}) if all_known else ():
            findings.error(account.place, f"`account`: no `subject` or `claim` of this rule captures <{name}>")
    elif "account" in node.keys:
        return
    why = "there is no `account` to use it" if account is None else "`account` does not use it"
    for name, item in captured.items():
        if name not in used:
            findings.error(item.place, f"<{name}> is captured, but {why}: write * instead")


def refuse_root(key: str, item: Node, findings: Findings) -> None:
    """Report the account root."""
    if item.value == "root":
        findings.error(item.place, f"`{key}`: vomap never maps to root; name another account")


def _check_issuer(node: Node, findings: Findings) -> None:
    """Report keys of an issuer's declaration that contradict each other."""
    place, keys = node.place, node.keys
    if ("vo" in keys) == ("vo-from" in keys):
        findings.error(place, "an issuer needs either `vo` (its only VO) or `vo-from` (where its tokens name the VO)")
    if "vo-from" not in keys:
        for key in ("vos", "default-vo", "subjects"):
            if key in keys:
                findings.error(keys[key], f"`{key}`: only an issuer with `vo-from` can have this key")
    groups = node.member("groups")
    claim = groups.member("claim") if groups is not None else None
    if claim is not None and claim.value in _NOT_FOR_GROUPS:
        message = f"`groups: claim`: {claim.value!a} has another meaning; name the claim that lists the groups"
        findings.error(claim.place, message)
    for name, place, _ in mapping_entries(node.member("vos")):
        if not all(map(is_component, name.split("/"))):
            message = f"{name!a} is not the beginning of a group: expected parts such as registry/biomed"
            findings.error(place, f"`vos`: {message}, without a slash at either end")
    _check_entitlements(node, findings)
    _check_profile(node, findings)
    sources = [item.value for item in list_items(node.member("vo-from"))]
    if "scope-path" in sources and "vos" not in keys:
        findings.error(place, "`vo-from: scope-path` needs `vos`: a path need not begin with a VO")
    if "vo-from" in keys:
        _check_subjects(node, sources, findings)


def _check_subjects(node: Node, sources: list[Any], findings: Findings) -> None:
    """Report a table of subjects without its VO source, a source without its table, and VOs outside of `vos`."""
    table, keys = node.member("subjects"), node.keys
    if SUBJECT in sources and "subjects" not in keys:
        findings.error(node.place, "`vo-from: subject` needs `subjects`: a mapping of each `sub` to its VO")
    if SUBJECT not in sources and "subjects" in keys:
        message = "`subjects`: nothing reads this table; add `subject` to `vo-from`, or remove the table"
        findings.error(keys["subjects"], message)
    if SUBJECT in sources and "default-vo" in keys:
        message = "`default-vo`: every client outside of `subjects` would get this VO; remove one of the keys"
        findings.error(keys["default-vo"], message)
    named = node.member("vos")
    if named is None:
        return
    vos = {str(vo.value).lower() for vo in [*list_items(named), *(vo for _, _, vo in mapping_entries(named))]}
    for _, _, vo in mapping_entries(table):
        if str(vo.value).lower() not in vos:
            findings.error(vo.place, f"`subjects`: {vo.value!a} is not among the `vos` of this issuer; add it there")


def _check_profile(node: Node, findings: Findings) -> None:
    """Report a profile whose tokens have an audience and no entitlements, beside keys for other tokens."""
    profile = node.member("profile")
    if profile is None or profile.value == "other":
        return
    for key in ("entitlements", "without-audience"):
        if key in node.keys:
            message = f"`profile: {profile.value}`: such tokens need no `{key}`; remove it, or write `other`"
            findings.error(profile.place, message)


def _check_entitlements(node: Node, findings: Findings) -> None:
    """Report entries of `entitlements` of which one could read the other's values."""
    entries = []
    for item in list_items(node.member("entitlements")):
        names = _members(item, "namespace", "authority") if isinstance(item.value, dict) else {}
        if "namespace" in names:
            form = EntitlementForm(str(names["namespace"]), cast("str | None", names.get("authority")), in_scope=False)
            entries.append((item, form))
    for at, (item, form) in enumerate(entries):
        for _, other in entries[:at]:
            if form.prefix == other.prefix and form.authority == other.authority:
                findings.error(item.place, "`entitlements`: another entry has the same namespace and authority")
            elif form.prefix != other.prefix and (
                form.prefix.startswith(other.prefix) or other.prefix.startswith(form.prefix)
            ):
                shorter, longer = sorted((form.prefix, other.prefix), key=len)
                message = f"{shorter} is the beginning of {longer}, so its groups could be read as those of the other"
                findings.error(item.place, f"`entitlements`: {message}; name one of the namespaces")


def _compiled(key: str, item: Node, findings: Findings, kind: Any) -> Any:
    if not isinstance(item.value, str):
        return None
    try:
        return kind(item.value)
    except PatternError as error:
        findings.error(item.place, f"`{key}`: {error}")
        return None


def convert(node: Node, key: str, parse: Callable[[str], int], findings: Findings) -> int | None:
    """Return a time or a duration in seconds. Report a time that does not exist, and return None."""
    try:
        return parse(str(node.value))
    except (ValueError, OverflowError):
        findings.error(node.place, f"`{key}`: the time {node.value!a} does not exist")
        return None


def _members(node: Node, *keys: str) -> dict[str, object]:
    """Return the values of those keys that a mapping has."""
    return {key: value.value for key in keys if (value := node.member(key)) is not None}


def _texts(node: Node | None) -> list[str]:
    """Return the texts of a list. A single text is a list of one."""
    return [str(item.value) for item in list_items(node)]
