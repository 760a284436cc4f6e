"""One rule, ban, issuer or pool of a mapfile as the plain document that the engine reads; checks what no schema can."""

from __future__ import annotations

from typing import Any

from vomap.mapfile.findings import Findings
from vomap.mapfile.reader import Node
from vomap.mapfile.times import last_second, seconds
from vomap.policy.accounts import Pool, is_account
from vomap.policy.patterns import AccountName, GroupPattern, Pattern, PatternError

_LITERAL = ("issuer", "vo", "audience", "jti", "client")
_PATTERN = ("subject", "group", "first-group", "scope")
CONDITIONS = (*_LITERAL, *_PATTERN, "claim")
OUTCOMES = ("account", "pool", "deny")
_ACCEPTED = ("without-audience", "without-compute")


def rule_document(node: Node, findings: Findings) -> dict[str, Any]:
    """Return a rule's document; `node` has passed the schema."""
    document = _conditions(node, findings)
    _texts(node, ("name", *OUTCOMES), document)
    if "issuer" not in document and "vo" not in document:
        findings.error(node.place, "a rule names at least an `issuer` or a `vo`; otherwise it would be for everybody")
    outcomes = [key for key in OUTCOMES if key in node.keys]
    if len(outcomes) != 1:
        said = "`" + "`, `".join(outcomes) + "`" if outcomes else "none"
        findings.error(node.place, f"a rule has exactly one of `account`, `pool` and `deny`; this one has {said}")
    _check_account(node, findings)
    return document


def ban_document(node: Node, findings: Findings) -> dict[str, Any]:
    """Return a ban's document; `node` has passed the schema."""
    document = _conditions(node, findings)
    _texts(node, ("reason",), document)
    if not any(key in node.keys for key in CONDITIONS):
        findings.error(node.place, f"a ban has at least one condition: {', '.join(CONDITIONS)}")
    until = node.member("until")
    if until is not None:
        document["until"] = _converted(until, "until", last_second, findings)
    return document


def issuer_document(node: Node, plain: Any, findings: Findings) -> dict[str, Any] | None:
    """Return an issuer's document, None for one that is distrusted; `plain` is the node as the schema types it."""
    if not isinstance(node.value, dict):
        return None
    document: dict[str, Any] = {key: value for key, value in plain.items() if key not in _ACCEPTED}
    document.update({key: True for key in _ACCEPTED if key in plain})
    if isinstance(document.get("vos"), list):
        document["vos"] = {vo: vo for vo in document["vos"]}
    if "audience" in document:
        document["audience"] = audience_document(node.value["audience"])
    _check_issuer(node, findings)
    return document


def pool_document(node: Node, findings: Findings) -> dict[str, Any]:
    """Return a pool's document: its accounts, and lease and quarantine in seconds."""
    document: dict[str, Any] = {"accounts": []}
    accounts = node.member("accounts")
    for item in accounts.items() if accounts else ():
        try:
            Pool([str(item.value)])
        except ValueError as error:
            findings.error(item.place, f"`accounts`: {error}")
        document["accounts"].append(item.value)
    for key in ("lease", "quarantine"):
        duration = node.member(key)
        if duration is not None:
            document[key] = _converted(duration, key, seconds, findings)
    return document


def audience_document(node: Node) -> list[Any] | None:
    """Return the audiences that are accepted, or None if any is."""
    return None if node.value == "unchecked" else [item.value for item in node.items()]


def _conditions(node: Node, findings: Findings) -> dict[str, Any]:
    document: dict[str, Any] = {"source": f"{node.place.file}:{node.place.line}"}
    for key in (*_LITERAL, *_PATTERN):
        value = node.member(key)
        if value is not None:
            document[key] = [item.value for item in value.items()]
    claims = node.member("claim")
    if claims is not None and isinstance(claims.value, dict):
        document["claim"] = {name: [item.value for item in value.items()] for name, value in claims.value.items()}
    captured = _check_patterns(node, findings)
    _check_captures(node, captured, findings)
    return document


def _check_patterns(node: Node, findings: Findings) -> dict[str, Node]:
    """Report what is no pattern; return the captures, each with the condition that sets it."""
    captured: dict[str, Node] = {}
    for key in ("group", "first-group"):
        for item in _items(node.member(key)):
            _compiled(key, item, findings, GroupPattern)
    for item in _items(node.member("scope")):
        _compiled("scope", item, findings, lambda text: Pattern(text, below=True))
    claims = node.member("claim")
    conditions = {"subject": node.member("subject")}
    if claims is not None and isinstance(claims.value, dict):
        conditions.update({f"claim {name}": value for name, value in claims.value.items()})
    for key, value in conditions.items():
        capture = "account" in node.keys and value is not None and not isinstance(value.value, list)
        for item in _items(value):
            pattern = _compiled(key, item, findings, lambda text, may=capture: Pattern(text, capture=may))
            for name in pattern.captures if pattern else ():
                if name in captured:
                    findings.error(item.place, f"`{key}`: <{name}> is captured twice in this rule")
                captured[name] = item
    return captured


def _check_captures(node: Node, captured: dict[str, Node], findings: Findings) -> None:
    """Report captures that nothing uses, or that nothing sets."""
    account = node.member("account")
    used: tuple[str, ...] = ()
    if account is not None:
        template = _compiled("account", account, findings, AccountName)
        used = template.captures if template else tuple(captured)
        for name in sorted(set(used) - set(captured) - {"vo"}):
            findings.error(account.place, f"`account`: <{name}> is set by no `subject` or `claim` of this rule")
    for name, item in captured.items():
        if name not in used:
            findings.error(item.place, f"<{name}> is captured, but `account` does not use it: write * instead")


def _check_account(node: Node, findings: Findings) -> None:
    account = node.member("account")
    if account is None or not isinstance(account.value, str):
        return
    text = account.value
    if "<" not in text and not is_account(text):
        findings.error(account.place, f"`account`: {text!a} is no legal account name")
    elif text == "root":
        findings.error(account.place, "`account`: root is never answered; name another account")


def _check_issuer(node: Node, findings: Findings) -> None:
    """Report what does not go together in an issuer's declaration."""
    place, keys = node.place, node.keys
    if ("vo" in keys) == ("vo-from" in keys):
        findings.error(place, "an issuer has either `vo` (it speaks for one) or `vo-from` (where the token names it)")
    if "vo-from" not in keys:
        for key in ("vos", "default-vo"):
            if key in keys:
                findings.error(keys[key], f"`{key}`: only an issuer with `vo-from` has it")
    sources = [item.value for item in _items(node.member("vo-from"))]
    if "scope-path" in sources and "vos" not in keys:
        findings.error(place, "`vo-from: scope-path` needs `vos`: a path may begin with anything")
    _check_audience(node.member("audience"), findings)


def _check_audience(audience: Node | None, findings: Findings) -> None:
    for item in _items(audience):
        if item.value == "unchecked" and item is not audience:
            findings.error(item.place, "`audience`: `unchecked` stands alone, not in a list")


def _compiled(key: str, item: Node, findings: Findings, kind: Any) -> Any:
    if not isinstance(item.value, str):
        return None
    try:
        return kind(item.value)
    except PatternError as error:
        findings.error(item.place, f"`{key}`: {error}")
        return None


def _converted(node: Node, key: str, convert: Any, findings: Findings) -> int | None:
    try:
        result: int = convert(str(node.value))
    except (ValueError, OverflowError):
        findings.error(node.place, f"`{key}`: there is no such time as {node.value!a}")
        return None
    return result


def _texts(node: Node, keys: tuple[str, ...], document: dict[str, Any]) -> None:
    for key in keys:
        value = node.member(key)
        if value is not None:
            document[key] = value.value


def _items(node: Node | None) -> list[Node]:
    return [] if node is None else node.items()
