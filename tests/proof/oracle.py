"""A second, slow, plain implementation of docs/design/, to hold the engine against.

It is written from the design and imports nothing of vomap. It reads mapfiles and bans as plain YAML and assumes that
they are correct. It reads the token as HTCondor's payload. It has no indexes and remembers nothing from token to token.
ARC's environment is out of its scope, and so is the existence of accounts: it checks only the name of an account.

Where the design is silent, a comment says "The design is silent" and what was found out, and where.
"""

from __future__ import annotations

import calendar
import json
import math
import re
import time
import unicodedata
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, NamedTuple

import yaml

SKEW = 60
COMPUTING = {
    "compute.read", "compute.create", "compute.modify", "compute.cancel", "condor:/READ", "condor:/WRITE",
}  # fmt: skip
VO_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
WORD = VO_NAME  # section 3, Patterns: what a capture captures is the same word
ACCOUNT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}")
# Unicode's default-ignorable code points and the braille blank. They have no glyph, though not all are of category C.
IGNORABLE = (
    (0x00AD, 0x00AD), (0x034F, 0x034F), (0x061C, 0x061C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F),
    (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x2800, 0x2800), (0x3164, 0x3164), (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
)  # fmt: skip
UNRESERVED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"


class Answer(NamedTuple):
    """The decision for a token: the outcome, the account, and the reason."""

    outcome: str
    account: str | None
    pool: str | None
    vo: str | None
    rule: str | None
    because: str


class Refused(Exception):
    """The token cannot be read."""


class Membership(NamedTuple):
    """A group as its parts, `("cms", "pilots")`, and the role in it, if any."""

    group: tuple[str, ...]
    role: str | None


@dataclass
class Policy:
    """A site's mapfiles put together, and its bans, as plain YAML."""

    site: dict[str, Any] = field(default_factory=dict)
    issuers: dict[str, Any] = field(default_factory=dict)
    distrusted: dict[str, list[Any]] = field(default_factory=dict)
    rules: list[dict[str, Any]] = field(default_factory=list)
    pools: dict[str, Any] = field(default_factory=dict)
    bans: list[dict[str, Any]] = field(default_factory=list)
    named: list[set[str]] = field(default_factory=list)
    named_elsewhere: set[str] = field(default_factory=set)
    spelled: set[str] = field(default_factory=set)


# The readers of mapfiles and bans.


def read(mapfiles: list[str], bans: list[str]) -> Policy:
    """Put the texts of mapfiles together, in their order, and those of bans files (section 3)."""
    policy = Policy()
    for text in mapfiles:
        mapfile = yaml.load(text, Loader=yaml.BaseLoader)  # BaseLoader: every scalar is text
        policy.site.update(mapfile.get("site", {}))  # each key is in one file
        for issuer, declared in mapfile.get("issuers", {}).items():
            if issuer not in policy.issuers:
                policy.issuers[issuer] = declared  # the earliest declaration holds as a whole
            elif policy.issuers[issuer] == "none" and declared != "none":
                policy.distrusted.setdefault(issuer, []).append(declared)
        policy.rules += mapfile.get("rules", [])
        policy.pools.update(mapfile.get("pools", {}))
    for text in bans:
        policy.bans += yaml.load(text, Loader=yaml.BaseLoader).get("bans", [])
    policy.named = [accounts_named(policy, rule) for rule in policy.rules]
    for old, new in policy.site.get("rename", {}).items():
        policy.named_elsewhere |= {old, new}
    for pool in policy.pools.values():
        for account in listed(pool["accounts"]):
            policy.named_elsewhere |= set(expanded(account))
    policy.spelled = vos_spelled(policy)
    return policy


def vos_spelled(policy: Policy) -> set[str]:
    """Return the VOs that `serve`, a rule or an issuer's declaration names, as they are written there."""
    written = [*listed(policy.site.get("serve", []))]
    for rule in policy.rules:
        written += listed(rule.get("vo", []))
    for declared in policy.issuers.values():
        written += declared_vos(declared)
    for reserved in policy.distrusted.values():
        written += [vo for declared in reserved for vo in declared_vos(declared)]
    return set(written)


def listed(value: Any) -> list[Any]:
    """Return a list of one for a single value. Within a key a list means any of them."""
    return value if isinstance(value, list) else [value]


def expanded(account: str) -> list[str]:
    """Return the accounts of a range such as ex{001..200}."""
    found = re.fullmatch(r"(.*)\{([0-9]+)\.\.([0-9]+)\}(.*)", account)
    if found is None:
        return [account]
    before, first, last, after = found.groups()
    return [f"{before}{number:0{len(first)}}{after}" for number in range(int(first), int(last) + 1)]


def seconds(duration: str) -> int:
    """Return a duration such as 6h in seconds."""
    return int(duration[:-1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[duration[-1]]


def is_over(until: str, now: float) -> bool:
    """Return True if a ban's `until`, which is inclusive and in UTC, is past."""
    if "T" in until:
        return now > calendar.timegm(time.strptime(until, "%Y-%m-%dT%H:%M:%SZ"))
    return now >= calendar.timegm(time.strptime(until, "%Y-%m-%d")) + 86400  # through the day's last second


def accounts_named(policy: Policy, rule: dict[str, Any]) -> set[str]:
    """Return the accounts that a rule names: plain ones, or by `<vo>` of the VOs that the policy spells out."""
    account = rule.get("account", "<none>")
    if "<" not in account.replace("<vo>", ""):
        if "<vo>" not in account:
            return {account}
        if "vo" in rule:
            vos = listed(rule["vo"])
        else:
            vos = [vo for issuer in listed(rule["issuer"]) for vo in declared_vos(policy.issuers.get(issuer))]
        return {account.replace("<vo>", vo.lower()) for vo in vos}
    return set()


def declared_vos(declared: Any) -> list[str]:
    """Return the VOs that an issuer's declaration names."""
    if not isinstance(declared, dict):
        return []
    vos = declared.get("vos", [])
    names = list(vos.values()) if isinstance(vos, dict) else list(vos)
    names += declared.get("subjects", {}).values()
    return names + [declared[key] for key in ("vo", "default-vo") if key in declared]


# The readers of tokens (section 2).


def claims_of(payload: bytes) -> dict[str, Any]:
    """Read HTCondor's payload: one JSON object without duplicate keys."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({name for name, _ in pairs}) != len(pairs):
            raise Refused("duplicate keys")
        return dict(pairs)

    def no_constant(name: str) -> None:
        raise Refused(f"{name} is no JSON")

    def whole_number(text: str) -> float:
        # The design is silent on very long numbers. tests/cases (payload-number-of-5000-digits) accepts them.
        return int(text) if len(text) < 4000 else math.inf

    try:
        claims = json.loads(
            payload.decode("utf-8"), object_pairs_hook=once, parse_constant=no_constant, parse_int=whole_number
        )
    except (ValueError, RecursionError) as error:
        raise Refused(str(error)) from None
    if not isinstance(claims, dict):
        raise Refused("no object")
    for name in ("iss", "sub"):
        if isinstance(claims.get(name), str) and not says_something(claims[name]):
            raise Refused(f"a control character in {name}")
    return claims


def says_something(value: Any) -> bool:
    """Return True if a value is text without a control character or half a character."""
    # The design is silent on the control characters. Taken are Unicode's: C0, DEL and C1. It is also silent on
    # half a character (a lone surrogate), for which tests/cases has the answer.
    return isinstance(value, str) and not any(
        character < " " or "\x7f" <= character <= "\x9f" or "\ud800" <= character <= "\udfff" for character in value
    )


def text(claims: dict[str, Any], name: str) -> str | None:
    """Return a claim that is to be one text."""
    return claims[name] if says_something(claims.get(name)) else None


def texts(claims: dict[str, Any], name: str) -> list[str]:
    """Return the values of a claim that is to be a text or a list of them."""
    return [value for value in listed(claims.get(name)) if says_something(value)]


def scope_words(claims: dict[str, Any]) -> list[str]:
    """Return the words of `scope`, separated by blanks."""
    return [word for word in (text(claims, "scope") or "").split(" ") if word]


def is_component(part: str) -> bool:
    """Return True if a text may be a part of a group, or a role."""
    # The design is silent on which characters are blanks: any white space of Unicode's is taken.
    if part in ("", ".", "..") or part.startswith(("Role=", "Capability=")) or "/" in part:
        return False
    return says_something(part) and not any(character.isspace() for character in part)


def is_visible(value: str) -> bool:
    """Return True if a text has a visible character."""
    return any(
        not character.isspace()
        and unicodedata.category(character)[0] not in "CZ"
        and not any(first <= ord(character) <= last for first, last in IGNORABLE)
        for character in value
    )


def fqan(value: str) -> Membership | None:
    """Read a VOMS FQAN: /cms/pilots, /cms/Role=pilot. A comma is an ordinary character."""
    value = value.removesuffix("/")
    # The design is silent on the place of these. tests/cases (groups-capability-null-before-role): at the end.
    value = value.removesuffix("/Capability=NULL")
    nothing, *parts = value.split("/")
    role = parts.pop()[len("Role=") :] if parts and parts[-1].startswith("Role=") else None
    # The design is silent on two roles, of which one is NULL (/cms/Role=pilot/Role=NULL). The engine, asked, does not
    # take it for a legal FQAN. This is the reading that refuses more.
    if role == "NULL":
        role = None
    if nothing or not parts or not all(map(is_component, parts)) or not (role is None or is_component(role)):
        return None
    return Membership(tuple(parts), role)


def normalised(urn: str) -> str:
    """Put percent-encoding in one form: hex in upper case, unreserved characters decoded."""

    def one(found: re.Match[str]) -> str:
        character = chr(int(found[1], 16))
        return character if character in UNRESERVED else found[0].upper()

    return re.sub("%([0-9A-Fa-f]{2})", one, urn)


def without_case(value: str) -> str:
    """Return a text in lower case, ASCII's letters alone: bytes are compared."""
    return "".join(character.lower() if character.isascii() else character for character in value)


def entitlement(value: str, declared: dict[str, Any]) -> Membership | None:
    """Read an AARC entitlement of the declared namespace and authority."""
    # The design is silent on percent-encoding in namespace and authority. The engine, asked, treats the namespace as
    # the rest, and compares the authority as it is written, which refuses more.
    urn, hash_sign, authority = value.partition("#")
    urn = normalised(urn)
    if hash_sign and authority != declared.get("authority"):
        return None
    prefix = normalised(declared["namespace"]) + ":"
    if without_case(urn[: len(prefix)]) != without_case(prefix):
        return None
    # The design is silent on the case of `group` and `role=`: taken as written.
    word, *parts = urn[len(prefix) :].replace(" ", "%20").split(":")
    if word != "group":
        return None
    role = parts.pop()[len("role=") :] if parts and parts[-1].startswith("role=") else None
    if not parts or not all(map(is_component, parts)) or not (role is None or is_component(role)):
        return None
    if any(part.startswith("role=") for part in parts):
        return None  # a role comes last
    return Membership(tuple(parts), None if role == "NULL" else role)


def group_claim(declared: Any) -> tuple[str, str] | None:
    """Return the claim that lists an issuer's groups and its form, or None if the issuer has none."""
    if not isinstance(declared, dict):
        return ("wlcg.groups", "list")
    groups = declared.get("groups", "none" if "entitlements" in declared else {})
    if groups == "none":
        return None
    return (groups.get("claim", "wlcg.groups"), groups.get("form", "list"))


def group_values(claims: dict[str, Any], name: str, form: str) -> list[str]:
    """Return the values of a group claim, each of them one group."""
    strings = [value for value in listed(claims.get(name)) if isinstance(value, str)]
    values = [value for value in strings if says_something(value)]
    if form == "comma-separated" and len(strings) == 1:
        return [piece.strip(" ") for value in values for piece in value.split(",")]
    return values


def group_of(value: str, claim: str) -> Membership | None:
    """Read one value of a group claim, as rules read it."""
    if "," in value:
        return None
    if claim == "wlcg.groups":
        return fqan(value)
    value = rooted(value)
    if any(part.startswith(("Role=", "Capability=")) for part in value.split("/")):
        return None
    return fqan(value)


def rooted(value: str) -> str:
    """Return a group with its first slash."""
    return value if value.startswith("/") else f"/{value}"


def entitled(claims: dict[str, Any], declared: Any) -> list[Membership]:
    """Return the memberships that the issuer's entitlements give, in their order."""
    found: list[Membership | None] = []
    forms = listed(declared.get("entitlements", [])) if isinstance(declared, dict) else []
    if forms:
        for name in ("entitlements", "eduperson_entitlement"):
            found += [entitlement_of_any(value, forms) for value in texts(claims, name)]
        # The design is silent on their place in the order: last, in the order of the scope.
        for word in scope_words(claims):
            name, _, value = word.partition(":")
            if name in ("entitlements", "eduperson_entitlement"):
                found.append(entitlement_of_any(value, [form for form in forms if form.get("in-scope") == "yes"]))
    return [membership for membership in found if membership]


def entitlement_of_any(value: str, forms: list[dict[str, Any]]) -> Membership | None:
    """Read an entitlement by the entry of the declaration whose namespace and authority it has."""
    read = [membership for membership in (entitlement(value, form) for form in forms) if membership]
    return read[0] if read else None


def memberships(claims: dict[str, Any], declared: Any) -> list[Membership]:
    """Return the memberships that rules see, in their order: groups, then entitlements."""
    found: list[Membership | None] = []
    groups = group_claim(declared)
    if groups is not None:
        claim, form = groups
        found += [group_of(value, claim) for value in group_values(claims, claim, form)]
    return [membership for membership in found if membership] + entitled(claims, declared)


def memberships_for_bans(claims: dict[str, Any], declared: Any) -> list[Membership]:
    """Return the memberships that bans see: every reading of each group, whatever the issuer declares."""
    found: list[Membership | None] = []
    groups = group_claim(declared)
    names = {"wlcg.groups"} if groups is None else {"wlcg.groups", groups[0]}
    for name in sorted(names):
        for value in texts(claims, name):
            readings = [value, *(piece.strip(" ") for piece in value.split(","))]
            found += [fqan(reading if name == "wlcg.groups" else rooted(reading)) for reading in readings]
    return [membership for membership in found if membership] + entitled(claims, declared)


def path_of(word: str) -> str | None:
    """Return the path of a scope, `/nova/data` of `storage.read:/nova/data`."""
    _, _, path = word.partition(":")
    return path if path.startswith("/") else None


def path_parts(word: str) -> tuple[str, ...]:
    """Return the parts of the path of a scope with a path."""
    return tuple(str(path_of(word)).split("/")[1:])


def is_of_storage(word: str) -> bool:
    """Return True if a scope is one of storage: storage.*, read and write."""
    operation, _, _ = word.partition(":")
    # The design is silent on `storage.` with nothing after it: taken for one, which hides more.
    return operation in ("read", "write") or operation.startswith("storage.")


def is_storage(word: str) -> bool:
    """Return True if a scope is one of storage, with a path."""
    return is_of_storage(word) and path_of(word) is not None


def is_bad_storage(word: str) -> bool:
    """Return True if a scope is one of storage, and its path is missing or unsafe."""
    return is_of_storage(word) and (path_of(word) is None or misleads(word))


def name_for_bans(word: str) -> str | None:
    """Return the name with which a storage scope begins, also if its path is missing or unsafe."""
    _, _, path = word.partition(":")
    path = re.sub("%2[Ee]", ".", re.sub("%2[Ff]", "/", path))
    names = [part for part in path.split("/") if part not in ("", ".", "..")]
    return names[0] if names else None


def misleads(word: str) -> bool:
    """Return True if a scope's path has `.` or `..`, or a storage path an empty part, percent-encoded, too."""
    # The design is silent on the path of a scope with no slash right after the colon, such as
    # `storage.read:x/../y`. All after the first slash is taken, which refuses more.
    decoded = re.sub("%([0-9A-Fa-f]{2})", lambda found: chr(int(found[1], 16)), word)
    parts = decoded.split("/")[1:]
    if "." in parts or ".." in parts:
        return True
    return is_of_storage(word) and "" in parts[:-1]  # one slash at the end is not an empty part


# Patterns (section 3).


def part_fits(pattern: str, part: str, captured: dict[str, str]) -> bool:
    """Return True if one part fits: literal text, `*` for one or more characters, `<name>` for one word."""
    capture = re.search("<([^<>]*)>", pattern)
    before, wildcard, after = pattern.partition(capture[0] if capture else "*")
    if not wildcard:
        return part == pattern
    if len(part) <= len(before) + len(after) or not part.startswith(before) or not part.endswith(after):
        return False
    middle = part[len(before) : len(part) - len(after)]
    if capture:
        captured[capture[1]] = middle
        return WORD.fullmatch(middle) is not None
    return True


def parts_fit(patterns: list[str], parts: list[str], captured: dict[str, str]) -> bool:
    """Return True if parts fit those of a pattern. `**` at the end is the thing itself and all below it."""
    if len(patterns) > 1 and patterns[-1] == "**":
        patterns = patterns[:-1]
        parts = parts[: len(patterns)]
    return len(patterns) == len(parts) and all(
        part_fits(pattern, part, captured) for pattern, part in zip(patterns, parts)
    )


def fits(pattern: str, value: str, captured: dict[str, str]) -> bool:
    """Return True if a text fits a pattern, part by part."""
    return parts_fit(pattern.split("/"), value.split("/"), captured)


def group_fits(pattern: str, membership: Membership) -> bool:
    """Return True if a membership fits. Without `Role=` any role fits. Group and role are matched apart."""
    parts = pattern.split("/")
    if parts[-1].startswith("Role="):
        wanted = parts.pop()[len("Role=") :]
        if membership.role is None or not part_fits(wanted, membership.role, {}):
            return False
    return parts_fit(parts, ["", *membership.group], {})


# The VO (section 3).


class Speaker:
    """Whom an issuer may speak for, and which VOs a token of it names."""

    def __init__(self, policy: Policy, claims: dict[str, Any]) -> None:
        self.policy = policy
        self.claims = claims
        self.issuer = text(claims, "iss")
        self.declared = policy.issuers.get(self.issuer) if self.issuer is not None else None
        self.several = isinstance(self.declared, dict) and "vo-from" in self.declared
        self.memberships = memberships(claims, self.declared)
        self.memberships_for_bans = memberships_for_bans(claims, self.declared)
        self.scopes = scope_words(claims)
        # Bans read every string of a claim, also of a `scope` that is a list.
        self.ban_scopes = [word for each in texts(claims, "scope") for word in each.split(" ") if word]

    def vo_of(self, name: str) -> str | None:
        """Return the VO that a name in the token means, if the issuer may name it and the name is spelled right."""
        assert isinstance(self.declared, dict)
        vo = self.vo_for_bans(name)
        if vo is None or "vos" in self.declared:
            return vo
        spellings = [spelling for spelling in self.policy.spelled if same(spelling, [vo])]
        if spellings:
            return vo if vo in spellings else None
        return vo if vo == without_case(vo) else None

    def vo_for_bans(self, name: str) -> str | None:
        """Return the VO that a name in the token means, if the issuer may name it, in any spelling."""
        assert isinstance(self.declared, dict)
        vos = self.declared.get("vos")
        if isinstance(vos, dict):
            return vos.get(name)
        if vos is not None:
            return name if name in vos else None
        if not self.names_freely():
            return None
        if not VO_NAME.fullmatch(name):
            return None
        others = [declared for issuer, declared in self.policy.issuers.items() if issuer != self.issuer]
        for hidden in self.policy.distrusted.values():
            others += hidden
        taken = [without_case(vo) for declared in others for vo in declared_vos(declared)]
        return None if without_case(name) in taken else name

    def names_freely(self) -> bool:
        """Return True if groups or paths name VOs, and no `vos` says which."""
        assert isinstance(self.declared, dict)
        return "vos" not in self.declared and set(self.declared["vo-from"]) != {"subject"}

    def name_of(self, parts: tuple[str, ...]) -> str:
        """Return the longest name of `vos` with which a group or path begins, or else its first part."""
        vos = self.declared.get("vos", []) if isinstance(self.declared, dict) else []
        beginnings = ["/".join(parts[:end]) for end in range(len(parts), 0, -1)]
        return next((name for name in beginnings if name in vos), parts[0])

    def group_names(self) -> list[str]:
        """Return what the groups begin with."""
        return [self.name_of(membership.group) for membership in self.memberships]

    def path_names(self) -> list[str]:
        """Return the names with which the storage paths begin. The path `/` names nothing, and a bad one no VO."""
        storage = [word for word in self.scopes if is_of_storage(word) and not is_bad_storage(word)]
        names = [self.name_of(path_parts(word)) for word in storage]
        return [name for name in names if name]

    def names_of(self, source: str) -> list[str]:
        """Return the names in the token for a source of `vo-from` other than the subject."""
        return self.group_names() if source == "group" else self.path_names()

    def path_names_for_bans(self, word: str) -> list[str]:
        """Return the names with which a storage path begins, in each reading of an unsafe one."""
        vos = self.declared.get("vos", []) if isinstance(self.declared, dict) else []
        if not any("/" in name for name in vos):
            return [name for name in [name_for_bans(word)] if name]
        _, _, path = word.partition(":")
        path = re.sub("%2[Ee]", ".", re.sub("%2[Ff]", "/", path))
        parts = [part for part in path.split("/") if part not in ("", ".")]
        without = [part for part in parts if part != ".."]
        if not misleads(word):
            return [self.name_of(tuple(without))] if without else []
        # A program may leave `..` out, or go up by it.
        gone_up: list[str] = []
        for part in parts:
            gone_up = gone_up[:-1] if part == ".." else [*gone_up, part]
        return ["/".join(reading[:end]) for reading in (without, gone_up) for end in range(1, len(reading) + 1)]

    def vos_of_subjects(self, subjects: list[str]) -> list[str]:
        """Return the VOs that the issuer's table has for these subjects."""
        assert isinstance(self.declared, dict)
        table = self.declared.get("subjects", {})
        return [table[subject] for subject in subjects if subject in table]

    def candidates(self) -> tuple[list[str], bool]:
        """Return the VO candidates, served or not, and whether the token names any VO, listed or not."""
        if not isinstance(self.declared, dict):
            return [], False
        if "vo" in self.declared:
            return [self.declared["vo"]], True
        sources = [source for source in self.declared["vo-from"] if source != "subject"]
        # A storage scope without a path or with an unsafe one names something, and no VO.
        bad = "scope-path" in self.declared["vo-from"] and any(map(is_bad_storage, self.scopes))
        # So does a value among the groups that is not a group: it must not hide a VO from a ban, or leave default-vo.
        groups = group_claim(self.declared)
        bad_group = (
            groups is not None
            and "group" in self.declared["vo-from"]
            and any(group_of(value, groups[0]) is None for value in group_values(self.claims, *groups))
        )
        named = any(self.names_of(source) for source in sources) or bad or bad_group
        for source in self.declared["vo-from"]:
            if source == "subject":
                # A subject outside of the table names nothing.
                subject = text(self.claims, "sub")
                vos: list[str | None] = [*self.vos_of_subjects([subject] if subject is not None else [])]
            else:
                vos = [self.vo_of(name) for name in self.names_of(source)]
            if any(vos):
                return unlike([vo for vo in vos if vo]), True
        if not named and "default-vo" in self.declared:
            return [self.declared["default-vo"]], False
        return [], named

    def everything_named(self) -> list[str]:
        """Return all VOs that rules find in the token, candidates or not."""
        candidates, _ = self.candidates()
        if not self.several:
            return candidates
        return candidates + [vo for vo in map(self.vo_of, self.group_names() + self.path_names()) if vo]

    def named_for_bans(self) -> list[str]:
        """Return all VOs that bans find in the token: by every reading of a group, and by every storage scope."""
        candidates, _ = self.candidates()
        if not self.several:
            # The design is silent on groups of an issuer that speaks for one VO, and of one that is not declared: they
            # name no VO, as they name none to rules.
            return candidates
        names = [self.name_of(membership.group) for membership in self.memberships_for_bans] + self.path_names()
        for word in filter(is_of_storage, self.ban_scopes):
            names += self.path_names_for_bans(word)
        candidates += self.vos_of_subjects(texts(self.claims, "sub"))
        return candidates + [vo for vo in map(self.vo_for_bans, names) if vo]


def unlike(vos: list[str]) -> list[str]:
    """Return each VO once, in the token's order. Names compare without case."""
    # The design is silent on which spelling the decision has of a VO that the token writes in two. Found out from the
    # engine: the last new one. Nothing hangs on it but what is logged.
    kept: list[str] = []
    for vo in dict.fromkeys(vos):
        if same(vo, kept):
            kept[[without_case(other) for other in kept].index(without_case(vo))] = vo
        else:
            kept.append(vo)
    return kept


def same(vo: str, others: list[str]) -> bool:
    """Return True if a VO is among others, without case."""
    return without_case(vo) in [without_case(other) for other in others]


# The part of a token that a rule or a ban sees, and its conditions.


class Sight(NamedTuple):
    """The memberships and the scopes that a rule may look at."""

    memberships: list[Membership]
    scopes: list[str]


def sight_of_rules(speaker: Speaker, vo: str | None, hidden: Any) -> Sight:
    """Return what a rule sees: with a VO of its own, only what is that VO's."""
    scopes = [word for word in speaker.scopes if not misleads(word)]
    if not speaker.several:
        return Sight(speaker.memberships, scopes)
    assert isinstance(speaker.declared, dict)

    def seen(name: str) -> bool:
        if not name:
            # The design is silent on whose the path `/` is. Found out from the engine: no VO's, and seen by every rule.
            # (The reading that refuses more would hide it from rules with a VO.)
            return True
        meant = speaker.vo_of(name)
        if vo is not None:
            return meant is not None and same(meant, [vo])
        if meant is None:
            # A name outside `vos` is not a VO, just a group. Without `vos` it is not the issuer's to name.
            return not speaker.names_freely()
        return not hidden(meant)

    return Sight(
        [membership for membership in speaker.memberships if seen(speaker.name_of(membership.group))],
        [word for word in scopes if not is_storage(word) or seen(speaker.name_of(path_parts(word)))],
    )


def conditions_hold(rule: dict[str, Any], speaker: Speaker, sight: Sight, captured: dict[str, str]) -> bool:
    """Return True if all conditions of a rule but `vo` hold."""
    claims = speaker.claims
    subject = text(claims, "sub")
    if "issuer" in rule and speaker.issuer not in listed(rule["issuer"]):
        return False
    if "subject" in rule:
        wanted = listed(rule["subject"])
        if subject is None or not any(fits(pattern, subject, captured) for pattern in wanted):
            return False
    if "group" in rule and not any_group_fits(rule["group"], sight.memberships):
        return False
    # The first of all memberships, which the rule must be allowed to see.
    first = [membership for membership in speaker.memberships[:1] if membership in sight.memberships]
    if "first-group" in rule and not any_group_fits(rule["first-group"], first):
        return False
    if "scope" in rule and not any_fits(rule["scope"], sight.scopes):
        return False
    for name, patterns in rule.get("claim", {}).items():
        if not claim_holds(claims.get(name), listed(patterns), captured):
            return False
    return "audience" not in rule or any(one in listed(rule["audience"]) for one in texts(claims, "aud"))


def ban_holds(ban: dict[str, Any], speaker: Speaker) -> bool:
    """Return True if a token meets all conditions of a ban. A ban looks at every string of a claim."""
    claims = speaker.claims
    if "vo" in ban and not any(same(vo, speaker.named_for_bans()) for vo in listed(ban["vo"])):
        return False
    for key, names in (("issuer", ["iss"]), ("audience", ["aud"]), ("jti", ["jti"]), ("client", ["client_id", "azp"])):
        values = [value for name in names for value in texts(claims, name)]
        if key in ban and not any(value in listed(ban[key]) for value in values):
            return False
    if "subject" in ban and not any_fits(ban["subject"], texts(claims, "sub")):
        return False
    if "group" in ban and not any_group_fits(ban["group"], speaker.memberships_for_bans):
        return False
    if "scope" in ban and not any_fits(ban["scope"], speaker.ban_scopes):
        return False
    return all(any_fits(patterns, texts(claims, name)) for name, patterns in ban.get("claim", {}).items())


def any_fits(patterns: Any, values: list[str]) -> bool:
    """Return True if any of the values fits any of the patterns."""
    return any(fits(pattern, value, {}) for pattern in listed(patterns) for value in values)


def any_group_fits(patterns: Any, among: list[Membership]) -> bool:
    """Return True if any of the memberships fits any of the patterns."""
    return any(group_fits(pattern, membership) for pattern in listed(patterns) for membership in among)


def claim_holds(value: Any, patterns: list[str], captured: dict[str, str]) -> bool:
    """Return True if any value of a claim fits. A capture needs a claim that has one value."""
    values = listed(value)
    if "<" in patterns[0] and len(values) != 1:
        return False
    return any(says_something(one) and fits(pattern, one, captured) for pattern in patterns for one in values)


# The decision (section 4).


def decide(policy: Policy, payload: bytes, now: float) -> Answer:
    """Decide about a token."""
    try:
        claims = claims_of(payload)
    except Refused:
        return Answer("error", None, None, None, None, "token")
    speaker = Speaker(policy, claims)

    # 1. The candidates.
    candidates, _ = speaker.candidates()

    # 2. Bans. A ban by VO alone takes the VO away. Any other denies the token.
    bans = [ban for ban in policy.bans if "until" not in ban or not is_over(ban["until"], now)]
    by_vo_alone = [ban for ban in bans if set(ban) <= {"vo", "reason", "until"}]
    banned = [vo for ban in by_vo_alone for vo in listed(ban["vo"])]

    def is_hidden(vo: str) -> bool:
        return same(vo, banned) or ("serve" in policy.site and not same(vo, listed(policy.site["serve"])))

    left = [vo for vo in candidates if not is_hidden(vo)]
    only = left[0] if len(left) == 1 else None
    # Of a token that speaks for no VO, another plugin may know one: the VO that a ban finds in it is enough to deny it.
    names = candidates or speaker.named_for_bans()
    if any(same(vo, banned) for vo in names) and not left:
        return Answer("denied", None, None, None, None, "ban")
    if any(ban_holds(ban, speaker) for ban in bans if ban not in by_vo_alone):
        return Answer("denied", None, None, only, None, "ban")

    # If fewer of the banned VOs that the token names leave it denied, all of them leave it denied. If they leave it
    # declined, it is declined, unless all of them leave it denied.
    about = sorted({without_case(vo) for vo in banned if same(vo, speaker.everything_named())})
    if len(about) > 4:
        return Answer("denied", None, None, only, None, "ban")
    refused = []
    for number in range(len(about)):
        for fewer in combinations(about, number):
            without = decide_unbanned(policy, speaker, now, list(fewer))
            if without.outcome != "mapped":
                refused.append(without)
    denied = [each for each in refused if each.outcome == "denied"]
    answer = decide_unbanned(policy, speaker, now, banned)
    if denied:
        return denied[0]
    return refused[0] if refused and answer.outcome != "denied" else answer


def decide_unbanned(policy: Policy, speaker: Speaker, now: float, banned: list[str]) -> Answer:
    """Decide about a token that no ban denies, of which these VOs are taken away."""
    candidates, named = speaker.candidates()

    def is_hidden(vo: str) -> bool:
        return same(vo, banned) or ("serve" in policy.site and not same(vo, listed(policy.site["serve"])))

    left = [vo for vo in candidates if not is_hidden(vo)]
    only = left[0] if len(left) == 1 else None

    # 3. Not ours.
    if not isinstance(speaker.declared, dict):
        return Answer("declined", None, None, None, None, "issuer")
    # The design's words leave out a `default-vo` that is not served: it leaves the candidates, and nothing is left.
    if not left and (named or "default-vo" in speaker.declared or "serve" in policy.site):
        return Answer("declined", None, None, None, None, "vo")

    # 4. The checks.
    failed = failed_check(policy.site, speaker, now)
    if failed:
        return Answer("denied", None, None, only, None, failed)

    # 5. The first rule that matches.
    for index, rule in enumerate(policy.rules):
        matched, vo, account = rule_matches(policy, index, speaker, left, is_hidden)
        if not matched:
            continue
        if "deny" in rule:
            return Answer("denied", None, None, vo, rule["name"], "rule")
        if "pool" in rule:
            return Answer("mapped", None, rule["pool"], vo, rule["name"], "rule")
        assert account is not None
        account = policy.site.get("rename", {}).get(account, account)
        if not may_be_answered(account, policy.site):
            return Answer("denied", None, None, vo, rule["name"], "account")
        return Answer("mapped", account, None, vo, rule["name"], "rule")
    return Answer("declined", None, None, only, None, "rule")


def failed_check(  # noqa: C901 - one check after the other
    site: dict[str, Any], speaker: Speaker, now: float
) -> str | None:
    """Return the first check of the site that the token fails."""
    claims, declared = speaker.claims, speaker.declared
    assert isinstance(declared, dict)
    if not is_visible(text(claims, "sub") or ""):
        return "subject"
    times = {name: claims[name] for name in ("exp", "nbf", "iat") if name in claims}
    if not all(is_time(value) for value in times.values()):
        return "time"
    if "exp" in times and now >= times["exp"] + SKEW:
        return "time"
    if any(now < times[name] - SKEW for name in ("nbf", "iat") if name in times):
        return "time"
    audience = declared.get("audience", site["audience"])
    if audience != "unchecked":
        # The design is silent on `audience: unchecked` and an `aud` without an audience. vomap then checks nothing.
        if "aud" not in claims and declared.get("without-audience") != "accept":
            return "audience"
        if "aud" in claims and not any(one in listed(audience) for one in texts(claims, "aud")):
            return "audience"
    if declared.get("without-compute") != "accept" and not any(word in COMPUTING for word in speaker.scopes):
        return "computing"
    if "maximum-lifetime" in site and "exp" in times and "iat" in times:
        longest = seconds(site["maximum-lifetime"])
        if times["exp"] - times["iat"] > longest:
            return "lifetime"
    if "wlcg.ver" in claims and not re.fullmatch(r"1\.[0-9]+", text(claims, "wlcg.ver") or ""):
        return "version"
    return None


def is_time(value: Any) -> bool:
    """Return True if a claim is a number. A truth value is not."""
    # The design is silent on the largest time. The engine, asked, accepts times under 2**53, the last second that a
    # double distinguishes from the next one. A larger number is not a time, and is refused.
    return isinstance(value, (int, float)) and not isinstance(value, bool) and -(2**53) < value < 2**53


def rule_matches(
    policy: Policy, index: int, speaker: Speaker, candidates: list[str], is_hidden: Any
) -> tuple[bool, str | None, str | None]:
    """Return whether a rule matches, with which VO, and the account that it gives, if it gives one."""
    rule = policy.rules[index]
    only = candidates[0] if len(candidates) == 1 else None
    if "vo" in rule:  # of several, the first in the rule's list that fits
        tries = [vo for wanted in listed(rule["vo"]) for vo in candidates if same(vo, [wanted])]
    else:
        tries = [only] if only is not None else [""]
    for vo in tries:
        captured: dict[str, str] = {}
        sight = sight_of_rules(speaker, vo if "vo" in rule else None, is_hidden)
        if not conditions_hold(rule, speaker, sight, captured):
            continue
        account = rule.get("account")
        if account is not None:
            account = account_given(policy, index, speaker, vo, captured)
            if account is None:
                continue
        return True, vo or None, account
    return False, None, None


def account_given(policy: Policy, index: int, speaker: Speaker, vo: str, captured: dict[str, str]) -> str | None:
    """Return the account that a rule gives, None if it cannot be made, or is another's that the token leads to."""
    rule = policy.rules[index]
    account = str(rule["account"])
    if "<vo>" in account and not vo:
        return None
    assert isinstance(speaker.declared, dict)
    # The VO is the token's own word where neither the rule nor the issuer's declaration spells it out.
    own_word = "<vo>" in account and "vo" not in rule and not same(vo, declared_vos(speaker.declared))
    given = account.replace("<vo>", vo.lower())
    for name, word in captured.items():
        given = given.replace(f"<{name}>", word)
    if captured or own_word:
        others = [named for other, named in enumerate(policy.named) if other != index]
        if given in policy.named_elsewhere or any(given in named for named in others):
            return None
    return given


def may_be_answered(account: str, site: dict[str, Any]) -> bool:
    """Return True if vomap may answer an account's name."""
    never = listed(site.get("accounts", {}).get("never", []))
    return bool(ACCOUNT.fullmatch(account)) and not account.isdigit() and account != "root" and account not in never
