"""Tokens, mapfiles and bans from one small vocabulary, so that they often match each other, and any JSON."""

from __future__ import annotations

import json
import os
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

# A modest number, so that the whole suite stays quick. HYPOTHESIS_PROFILE=thorough raises it. No database: a checkout
# may be read-only, and a failure prints the data that reproduce it.
# How long data take to draw depends on the machine.
_PATIENT = settings(deadline=None, print_blob=True, database=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("modest", _PATIENT, max_examples=60)
settings.register_profile("thorough", _PATIENT, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "modest"))

NOW = 1_800_000_000
ONE, MANY, LISTED, FREE, GONE, UNKNOWN = (
    f"https://{name}.example/" for name in ("one", "many", "listed", "free", "gone", "unknown")
)
ISSUERS: dict[str, Any] = {
    ONE: {"vo": "One"},
    MANY: {
        "vo-from": ["scope-path", "group"],
        "vos": {"a": "A", "b": "B", "one": "One"},
        "default-vo": "A",
        "entitlements": {"namespace": "urn:x:y", "authority": "z", "in-scope": "yes"},
    },
    LISTED: {"vo-from": ["group"], "vos": ["A", "B"], "without-audience": "accept"},
    FREE: {"vo-from": ["group"], "audience": "unchecked", "without-compute": "accept"},
    GONE: "none",
}
VOS = ("One", "A", "B", "c")
SUBJECTS = ("alice", "bob@x", "carol@x", "https://one.example/s")
GROUPS = ("/a", "/a/x", "/a/Role=pilot", "/b", "/b/x/y", "/one", "/c", "/c/x/Role=pilot")
SCOPES = ("compute.read", "condor:/WRITE", "storage.read:/a/f", "storage.create:/b", "openid", "storage.read:/a/../b")
ENCODED_SCOPES = ("storage.read:%2Fa", "storage.read:%2Fa%2F..%2Fb", "storage.read:%2f%2e%2e", "x:%2e")
ENTITLEMENTS = ("urn:x:y:group:a#z", "urn:x:y:group:b:x:role=pilot#z", "urn:x:y:group:c#other", "urn:q:group:a")
AUDIENCES = ("ce.example:9619", "ANY", "elsewhere")
# The claims that a decision may look at, whatever the policy.
KNOWN = frozenset(
    {"iss", "sub", "aud", "scope", "exp", "iat", "nbf", "ver", "wlcg.ver", "wlcg.groups", "entitlements"}
    | {"eduperson_entitlement", "jti", "client_id", "azp", "extra"}
)

json_scalars: SearchStrategy[Any] = (
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
json_values: SearchStrategy[Any] = st.recursive(
    json_scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def _some(values: tuple[str, ...], most: int = 2) -> SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), min_size=1, max_size=most, unique=True)


@st.composite
def tokens(draw: DrawFn) -> dict[str, Any]:
    """Draw a token whose claims often fit the policies drawn here."""
    token: dict[str, Any] = {
        "iss": draw(st.sampled_from((ONE, MANY, MANY, LISTED, FREE, GONE, UNKNOWN))),
        "sub": draw(st.sampled_from(SUBJECTS)),
        "aud": draw(st.sampled_from(("ANY", ["ANY", "x"], "ce.example:9619", "elsewhere"))),
        "scope": " ".join(["compute.create", *draw(st.lists(st.sampled_from((*SCOPES, *ENCODED_SCOPES)), max_size=3))]),
    }
    optional: dict[str, SearchStrategy[Any]] = {
        "wlcg.groups": _some(GROUPS, 3) | st.sampled_from(GROUPS),
        "entitlements": _some(ENTITLEMENTS),
        "extra": st.sampled_from(("p-x", "p-y", ["p-x", "q"])),
        "jti": st.sampled_from(("j1", "j2")),
        "client_id": st.sampled_from(("c1", "c2")),
        "exp": st.integers(NOW, NOW + 7200),
        "iat": st.just(NOW),
        "wlcg.ver": st.sampled_from(("1.0", "1.2", "2.0")),
    }
    for name, values in optional.items():
        if draw(st.booleans()):
            token[name] = draw(values)
    # Now and then a claim is missing, or of another type.
    for name in draw(st.lists(st.sampled_from(("iss", "sub", "aud", *sorted(token))), max_size=1)):
        token[name] = draw(st.sampled_from(("a\0b", "a\u0085", "")) | json_values)
    return token


def tokens_of_two_vos() -> SearchStrategy[dict[str, Any]]:
    """Draw a token that passes every check and speaks for A and for B: what a ban by VO alone is about."""
    rest: SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
        {
            "sub": st.sampled_from(SUBJECTS),
            "wlcg.groups": st.permutations(GROUPS).map(lambda groups: ["/b", "/a", *groups[:2]]),
            "extra": st.sampled_from(("p-x", "p-y")),
        }
    )
    return rest.map(lambda token: {"iss": MANY, "aud": "ANY", "scope": "compute.create", **token})


@st.composite
def conditions(draw: DrawFn, *, rule: bool) -> dict[str, Any]:
    """Draw the conditions of a rule or of a ban."""
    possible: dict[str, SearchStrategy[Any]] = {
        "issuer": _some((ONE, MANY, LISTED, FREE, UNKNOWN)),
        "vo": _some(VOS),
        "subject": _some((*SUBJECTS, "*@x", "*")),
        "group": _some((*GROUPS, "/a/**", "/*/x", "/**")),
        "scope": _some((*SCOPES, "storage.*:/a/**", "compute.*", "storage.read:*", "x:*")),
        "claim": st.fixed_dictionaries({"extra": _some(("p-x", "p-*"))}),
        "audience": _some(AUDIENCES),
    }
    if rule:
        possible["first-group"] = _some((*GROUPS, "/**"))
    else:
        possible |= {"jti": _some(("j1", "j2")), "client": _some(("c1", "c2"))}
    first = draw(st.sampled_from(("issuer", "vo", "vo") if rule else tuple(possible)))
    asked = {first, *draw(st.lists(st.sampled_from(sorted(possible)), max_size=2))}
    return {key: draw(possible[key]) for key in sorted(asked)}


@st.composite
def rules(
    draw: DrawFn, name: str, *, accounts: tuple[str, ...] = ("acct1", "acct2", "renamed"), of_two_vos: bool = False
) -> dict[str, Any]:
    """Draw one rule. `accounts` are the names that it may answer without a capture."""
    rule = {"name": name, **draw(conditions(rule=True))}
    if of_two_vos:
        about: SearchStrategy[dict[str, Any]] = st.sampled_from(
            ({"vo": "A"}, {"vo": "B"}, {"vo": ["B", "A"]}, {"issuer": MANY})
        )
        also: SearchStrategy[dict[str, Any]] = st.sampled_from(
            ({}, {}, {"group": "/a/**"}, {"first-group": "/b/**"}, {"subject": "*"})
        )
        rule = {"name": name, **draw(about), **draw(also)}
    outcome = draw(st.sampled_from(("account", "account", "vo", "user", "pool", "deny")))
    if outcome == "account":
        rule["account"] = draw(st.sampled_from(accounts))
    elif outcome == "vo":
        rule["account"] = "<vo>vo"
    elif outcome == "user":
        rule.pop("claim", None)
        rule.update(subject=draw(st.sampled_from(("<user>@x", "<user>"))), account="<user>")
    else:
        rule[outcome] = "p" if outcome == "pool" else "no"
    return rule


@st.composite
def mapfiles(draw: DrawFn, *, of_two_vos: bool = False) -> dict[str, Any]:
    """Draw a whole mapfile. `of_two_vos` makes its rules about the VOs A and B."""
    site: dict[str, Any] = {"audience": draw(st.sampled_from((["ANY", "ce.example:9619"], "unchecked")))}
    if not of_two_vos and draw(st.booleans()):
        site["serve"] = draw(_some(VOS, 3))
    if draw(st.booleans()):
        site["rename"] = {"renamed": "ours", "acct2": "acct3"}
    if draw(st.booleans()):
        site["maximum-lifetime"] = "1h"
    site["accounts"] = {"never": draw(st.lists(st.sampled_from(("acct1", "bob", "spare")), min_size=1, max_size=2))}
    count = draw(st.integers(1, 5))
    return {
        "mapfile": "1",
        "site": site,
        "issuers": ISSUERS,
        "rules": [draw(rules(f"r{at}", of_two_vos=of_two_vos)) for at in range(count)],
        "pools": {"p": {"accounts": "p{1..9}"}},
    }


@st.composite
def bans(draw: DrawFn) -> dict[str, Any]:
    """Draw one ban, often one by VO alone: only this kind does not deny at once."""
    what = draw(conditions(rule=False) | st.fixed_dictionaries({"vo": _some(VOS)}))
    until = draw(st.sampled_from((None, "2026-01-01", "2099-12-31")))
    return {**what, "reason": "test", **({"until": until} if until else {})}


def written(document: dict[str, Any]) -> str:
    """Write a document as a mapfile's text: JSON is YAML."""
    return json.dumps(document, ensure_ascii=False)


def ban_file(*drawn: dict[str, Any]) -> str | None:
    """Write a file of bans, or none without bans."""
    return written({"mapfile": "1", "bans": list(drawn)}) if drawn else None


# Texts that could end a word, a line, a block or an expression of a CE's configuration, and lists of issuers.
_HOSTILE_MARKS = "\"'`\\/*.,;:#%$(){}[]<>|&!?~^@=+-_ \t\n\r\x0b\x0c\x1c\x85\xa0\0\x1b\u2028\u202eéx1A"
_HOSTILE_PIECES = (
    "https://i.example/", "http://", "*", "* *", '"', "\n[mapping]\nmap_to_user = root", "\nauthtokens = * * * * *",
    "#", "\nSCITOKENS /.*/ root\n", "/ root\n", "$(DENY_WRITE)", "$ENV(HOME)", "%D", "\\", "\\\n", ".*,/", ",x",
    "@include /x",
)  # fmt: skip
hostile_texts = st.lists(
    st.sampled_from(_HOSTILE_PIECES) | st.text(_HOSTILE_MARKS, max_size=4) | st.text(max_size=4), max_size=4
).map("".join)
_urls = st.text("/ab.-%~:@?&=;+_0", max_size=12).map("https://i.example".__add__)
hostile_issuers = st.lists(hostile_texts | _urls, max_size=3, unique=True)
