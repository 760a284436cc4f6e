"""Generate random tokens that are aimed at policies: most come near a rule or a ban, and many are then twisted.

Only `random.Random(seed)` decides, so that a seed gives the same tokens again. This module imports nothing of vomap: it
reads policies as plain YAML.
"""

from __future__ import annotations

import calendar
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import yaml

POLICIES = Path(__file__).with_name("policies")
SHIPPED = Path(__file__).parents[2] / "mapfiles"
NOON = calendar.timegm((2026, 11, 22, 12, 0, 0))
# The ends of bans in the policies, to the second, and a second later.
TIMES = (NOON - 3600, NOON, NOON, NOON, NOON + 1, NOON + 43199, NOON + 43200)
WORDS = (
    "alice",
    "bob",
    "x",
    "a.b",
    "root",
    "0815",
    "-x",
    "x_1",
    "prod",
    "r1",
    "y",
    "Z",
    "j\u00f6rg",
    "a@b",
    "condor",
    "",
    "w" * 32,
    "w" * 33,
)
COMPUTE = ("compute.create", "compute.read", "compute.modify", "compute.cancel", "condor:/READ", "condor:/WRITE")
OTHER_SCOPES = (
    "openid",
    "profile",
    "offline_access",
    "storage.read:/",
    "wlcg.groups:/cms",
    "wlcg.capabilityset:/dunepro",
)
OTHER_GROUPS = (
    "/cms",
    "/CMS/Role=pilot",
    "/staff/x",
    "/-x",
    "/vo.idle.example",
    "/\u212aek",
    "/vo.example.org/sub",
    "/one",
)
# Text without a visible character: blanks, a zero width space, a Hangul filler, a variation selector, a braille blank.
INVISIBLE = (" ", "\u00a0\u2003", "\u200b", "\u3164", "\ufe0f\u2800", "\u00ad\u200d", "\u034f", "\U000e0041")
ODD: tuple[Any, ...] = (None, 5, True, 1.5, {}, [], {"x": "y"}, [5], [None, 7], [[]], "\n", ["x\0"])


class Token(NamedTuple):
    """A token as HTCondor shows it, and the second in which it is decided."""

    payload: bytes
    now: int


@dataclass
class Described:
    """A policy that tokens are aimed at, as text and as plain YAML."""

    name: str
    mapfiles: list[str]
    bans: str
    unreachable: dict[str, dict[str, str]]
    site: dict[str, Any] = field(default_factory=dict)
    issuers: dict[str, Any] = field(default_factory=dict)
    rules: list[dict[str, Any]] = field(default_factory=list)
    banned: list[dict[str, Any]] = field(default_factory=list)
    accounts: list[str] = field(default_factory=list)
    spelled: list[str] = field(default_factory=list)
    free: list[str] = field(default_factory=list)


@cache
def described() -> dict[str, Described]:
    """Return the policies of tests/proof/policies, by name."""
    return {path.stem: _described(path) for path in sorted(POLICIES.glob("*.yaml"))}


def _described(path: Path) -> Described:
    content = yaml.load(path.read_text("utf-8"), Loader=yaml.BaseLoader)
    texts = [
        (SHIPPED / mapfile["shipped"]).read_text("utf-8") if "shipped" in mapfile else mapfile["text"]
        for mapfile in content["mapfiles"]
    ]
    policy = Described(path.stem, texts, content["bans"], content.get("unreachable", {}))
    for text in texts:
        mapfile = yaml.load(text, Loader=yaml.BaseLoader)
        policy.site.update(mapfile.get("site", {}))
        policy.issuers = {**mapfile.get("issuers", {}), **policy.issuers}
        policy.rules += mapfile.get("rules", [])
    policy.banned = yaml.load(content["bans"], Loader=yaml.BaseLoader)["bans"]
    policy.accounts = sorted(_accounts(policy))
    policy.spelled = sorted(_spelled(policy))
    owned = [vo.lower() for declared in policy.issuers.values() for vo in _declared_vos(declared)]
    policy.free = [vo for vo in policy.spelled if vo.lower() not in owned]
    return policy


def _spelled(policy: Described) -> set[str]:
    """Return the VOs that `serve`, rules and declarations name, as they are written there."""
    vos = [*listed(policy.site.get("serve", [])), *(vo for rule in policy.rules for vo in listed(rule.get("vo", [])))]
    return {*vos, *(vo for declared in policy.issuers.values() for vo in _declared_vos(declared))}


def _accounts(policy: Described) -> set[str]:
    """Return accounts that a capture must not give: of rules, also by `<vo>`, of renames, and at the ends of pools."""
    found = {"ex001", "ex020", "ex021", "c3"}
    for old, new in policy.site.get("rename", {}).items():
        found |= {old, new}
    for rule in policy.rules:
        account = rule.get("account", "<none>")
        issuers = [policy.issuers.get(issuer) for issuer in listed(rule.get("issuer", []))]
        vos = [*listed(rule.get("vo", [])), *(vo for declared in issuers for vo in _declared_vos(declared))]
        found |= {account.replace("<vo>", vo.lower()) for vo in [*vos[:4], *vos[-1:]] or ["x"]}
    return {account for account in found if "<" not in account}


def _declared_vos(declared: Any) -> list[str]:
    """Return the VOs that an issuer's declaration names, the default last."""
    if not isinstance(declared, dict):
        return []
    vos = declared.get("vos", [])
    names = list(vos.values()) if isinstance(vos, dict) else list(vos)
    names += declared.get("subjects", {}).values()
    return names + [declared[key] for key in ("vo", "default-vo") if key in declared]


def tokens(policy: Described, seed: int, count: int) -> Iterator[Token]:
    """Yield tokens aimed at a policy, the same for the same seed."""
    chance = Random(seed)
    for _ in range(count):
        yield _token(policy, chance)


def _token(policy: Described, chance: Random) -> Token:
    now = chance.choice(TIMES)
    if chance.random() < 0.13:
        claims = _aimed(policy, chance.choice(policy.rules), chance, now)
        return Token(_unreadable(claims, chance), now)
    if policy.banned and chance.random() < 0.22:
        claims = _aimed(policy, chance.choice(policy.banned), chance, now)
    else:
        claims = _aimed(policy, chance.choice(policy.rules), chance, now)
    twists = chance.choice((0, 0, 0, 1, 1, 1, 2))
    for _ in range(twists):
        chance.choice(_TWISTS)(claims, policy, chance, now)
    return Token(json.dumps(claims, ensure_ascii=chance.random() < 0.9).encode("utf-8", "surrogatepass"), now)


def listed(value: Any) -> list[Any]:
    """Return a list of one for a single value."""
    return value if isinstance(value, list) else [value]


# The conditions of rules and bans.


def _aimed(  # noqa: C901, PLR0912 - one claim after the other
    policy: Described, wanted: dict[str, Any], chance: Random, now: int
) -> dict[str, Any]:
    """Return a token's claims that mostly meet what a rule or a ban asks for."""
    vos = listed(wanted["vo"]) if "vo" in wanted else []
    vo = chance.choice(vos) if vos else None
    issuer = chance.choice(listed(wanted["issuer"])) if "issuer" in wanted else _issuer_of(policy, vo, chance)
    declared = policy.issuers.get(issuer)
    if not isinstance(declared, dict):
        declared = {}
    name = _name_in_tokens(policy, declared, vo, chance)
    claims: dict[str, Any] = {"iss": issuer}
    claims["sub"] = _listed_subject(wanted, declared, vo, chance) or _filled(
        wanted.get("subject", "*"), name, policy, chance
    )
    groups = [
        _group(pattern, name, policy, chance)
        for key in ("first-group", "group")
        for pattern in _one(wanted, key, chance)
    ]
    scopes = [_path_filled(pattern, name, policy, chance) for pattern in _one(wanted, "scope", chance)]
    # `reason` marks a ban. A ban sees what rules do not, here a VO that only a bad path names.
    banned = "reason" in wanted
    if banned and vo is not None and chance.random() < 0.2:
        scopes.append(_bad_path(name, chance))
    elif "vo-from" in declared and not (declared.get("default-vo") == vo and chance.random() < 0.6):
        if "scope-path" in declared["vo-from"] and chance.random() < 0.5:
            scopes.append(
                chance.choice(("storage.read", "storage.poll", "read", "write"))
                + f":/{name}"
                + chance.choice(("", "/x"))
            )
        elif not groups or chance.random() < 0.3:
            groups.append(f"/{name}")
    if chance.random() < 0.25:
        groups.insert(chance.randint(0, len(groups)), _any_group(policy, chance))
    if chance.random() < 0.2:
        scopes.append(_any_path(policy, chance))
    if chance.random() < 0.05:
        scopes.append(_bad_path(name, chance))
    if banned and chance.random() < 0.35:
        _hide_groups(claims, groups, declared, chance)
    else:
        _put_groups(claims, groups, declared, chance)
    scopes += chance.sample(COMPUTE, chance.choice((1, 1, 2, 4)))
    if chance.random() < 0.2:
        scopes.append(chance.choice(OTHER_SCOPES))
    chance.shuffle(scopes)
    claims["scope"] = " ".join(claims.pop("in scope", []) + scopes)
    for claim, patterns in wanted.get("claim", {}).items():
        value = _filled(patterns, name, policy, chance)
        claims[claim] = (
            value if chance.random() < 0.8 else chance.choice(([value], [value, 7], [value, "\0"], ["z", value]))
        )
    claims["aud"] = _audience(policy, declared, wanted, chance)
    for key, claim in (("jti", "jti"), ("client", chance.choice(("client_id", "azp")))):
        if key in wanted:
            value = chance.choice(listed(wanted[key]))
            claims[claim] = value if chance.random() < 0.6 else _among_others(value, chance)
    if banned and chance.random() < 0.1:
        claim = chance.choice(("iss", "sub", "sub", "aud"))
        claims[claim] = _among_others(claims[claim], chance)
    if chance.random() < 0.5:
        claims["iat"] = now - chance.choice((0, 5, 600))
        claims["exp"] = now + chance.choice((60, 900, 1800))
    if chance.random() < 0.3:
        claims["wlcg.ver"] = chance.choice(("1.0", "1.3", "1.10"))
    return claims


def _listed_subject(wanted: dict[str, Any], declared: dict[str, Any], vo: str | None, chance: Random) -> str:
    """Return a subject of the issuer's table, mostly one of a VO, or one that is nearly in the table; often nothing."""
    table = declared.get("subjects", {})
    if not table or chance.random() > (0.1 if "subject" in wanted else 0.6):
        return ""
    fitting = [subject for subject, meant in table.items() if vo is None or meant.lower() == vo.lower()]
    subject = chance.choice(fitting if fitting and chance.random() < 0.8 else list(table))
    return str(chance.choice((subject,) * 8 + (subject.upper(), f"{subject}/x", subject[:-1])))


def _issuer_of(policy: Described, vo: str | None, chance: Random) -> str:
    """Return an issuer that may speak for a VO."""
    if vo is None:
        return chance.choice(list(policy.issuers))
    fitting = [issuer for issuer, declared in policy.issuers.items() if _may_speak(declared, vo.lower())]
    return chance.choice(fitting or list(policy.issuers))


def _may_speak(declared: Any, vo: str) -> bool:
    if not isinstance(declared, dict):
        return False
    if vo in [name.lower() for name in _declared_vos(declared)]:
        return True
    return "vos" not in declared and bool({"group", "scope-path"}.intersection(declared.get("vo-from", ())))


def _name_in_tokens(policy: Described, declared: dict[str, Any], vo: str | None, chance: Random) -> str:
    """Return what an issuer's tokens call a VO, or any VO."""
    vos = declared.get("vos")
    if isinstance(vos, dict):
        names = [name for name, meant in vos.items() if vo is None or meant.lower() == vo.lower()]
        return str(chance.choice(names or list(vos)))
    if vos and (vo is None or vo not in vos):
        return str(chance.choice(vos))
    if vo is None:
        vo = chance.choice(("vo.example.org", "vo.new.example", "GPilots", "pool", "a", "D", "late", "vo.two.example"))
        if chance.random() < 0.4 and policy.free:
            vo = chance.choice(policy.free)
    spellings = [spelling for spelling in policy.spelled if spelling.lower() == vo.lower()]
    return chance.choice(spellings or [vo, vo.lower()]) if chance.random() < 0.85 else _other_case(vo, chance)


def _other_case(name: str, chance: Random) -> str:
    """Return a name in another case, or with one letter in another case."""
    at = chance.randrange(len(name))
    one = name[:at] + name[at].swapcase() + name[at + 1 :]
    return chance.choice((name.upper(), name.lower(), name.capitalize(), name.swapcase(), one))


def _among_others(value: Any, chance: Random) -> list[Any]:
    """Return a list that has a value, mostly not as its first member."""
    return chance.choice(([value], ["z", value], [7, value], ["z", value, None], ["x\0", value], [value, "z"]))


def _bad_path(name: str, chance: Random) -> str:
    """Return a storage scope that begins with a VO's name, without a path or with an unsafe one."""
    operation = chance.choice(("storage.read", "storage.create", "storage.", "read", "write"))
    path = chance.choice(
        (f":{name}", f":{name}/x", f":/../{name}", f":/{name}/..", f"://{name}", f":%2F{name}", f":/%2e%2E%2f{name}/x",
         f":/{name}//x", f":x/{name}", f"::/{name}", ":", "", f":/./{name}", f":/{name}/%2E", f":..%2f{name}",
         f":/{name}%2f%2Fx", f":%2f..%2F{name}%2Fx", f":/%2E/{name}%2f..")
    )  # fmt: skip
    return operation + path


def _one(wanted: dict[str, Any], key: str, chance: Random) -> list[str]:
    return [chance.choice(listed(wanted[key]))] if key in wanted else []


def _filled(patterns: Any, name: str, policy: Described, chance: Random) -> str:
    """Return a text that fits one of the patterns, with words for `*` and `<name>`."""

    def word(found: re.Match[str]) -> str:
        draw = chance.random()
        if draw < 0.3:
            return chance.choice(("alice", "bob", "user1", "r1"))
        if draw < (0.5 if found[0] == "*" else 0.7):
            account = chance.choice(policy.accounts)
            # The word that, with the text around it in the rules, gives the account of another user.
            return account[chance.choice((0, 0, 0, 1, 2)) :] or account
        return name if draw < 0.8 else chance.choice(WORDS)

    return re.sub(r"\*|<[^<>]*>", word, chance.choice(listed(patterns)).replace("/**", ""))


def _path_filled(pattern: str, name: str, policy: Described, chance: Random) -> str:
    """Return a scope or a group that fits a pattern: a star in its first part is mostly the VO's name."""
    pattern = re.sub(r"storage\.\*", lambda _: "storage." + chance.choice(("read", "create", "modify")), pattern)
    pattern = pattern.replace("/**", chance.choice(("", "", "/x", "/x/y", "/", "2")))
    if chance.random() < 0.9:
        pattern = re.sub(r"(^|:)/\*", lambda found: f"{found[1]}/{name}", pattern)
    if pattern.endswith(":"):
        pattern += f"/{name}"
    return _filled(pattern, name, policy, chance)


def _group(pattern: str, name: str, policy: Described, chance: Random) -> str:
    group = _path_filled(pattern, name, policy, chance)
    if "/Role=" not in group and chance.random() < 0.15:
        group += chance.choice(("/Role=pilot", "/Role=member", "/Role=NULL", "/Role=NULL/Capability=NULL"))
    return group + "/" if chance.random() < 0.05 else group


def _any_name(policy: Described, chance: Random) -> str:
    """Return a name of any VO that the policy mentions."""
    declared = chance.choice(list(policy.issuers.values()))
    if isinstance(declared, dict):
        vos = declared.get("vos", [])
        names = [
            *vos,
            *([declared["vo"]] if "vo" in declared else []),
            *([declared["default-vo"]] if "default-vo" in declared else []),
        ]
        if names:
            return str(chance.choice(names))
    banned = [vo for ban in policy.banned if "vo" in ban for vo in listed(ban["vo"])]
    return str(chance.choice([*banned, "vo.gone.example", "vo.idle.example", "Gone", "idle"]))


def _any_group(policy: Described, chance: Random) -> str:
    if chance.random() < 0.4:
        return chance.choice(OTHER_GROUPS)
    asked = chance.choice([*policy.rules, *policy.banned])
    pattern = chance.choice(listed(asked.get("group", asked.get("first-group", "/*"))))
    return _group(pattern, _any_name(policy, chance), policy, chance)


def _any_path(policy: Described, chance: Random) -> str:
    asked = chance.choice([*policy.rules, *policy.banned])
    pattern = chance.choice(listed(asked.get("scope", "storage.read:/*")))
    return _path_filled(pattern, _any_name(policy, chance), policy, chance)


def _group_claim(declared: dict[str, Any]) -> tuple[str, str]:
    """Return the claim and the form of an issuer's groups: `wlcg.groups` and `none` if rules read none."""
    groups = declared.get("groups", "none" if "entitlements" in declared else {})
    if groups == "none":
        return "wlcg.groups", "none"
    return groups.get("claim", "wlcg.groups"), groups.get("form", "list")


def _declared(claims: dict[str, Any], policy: Described) -> dict[str, Any]:
    """Return the declaration of a token's issuer, empty if it has none."""
    issuer = claims.get("iss")
    declared = policy.issuers.get(issuer) if isinstance(issuer, str) else None
    return declared if isinstance(declared, dict) else {}


def _put_groups(claims: dict[str, Any], groups: list[str], declared: dict[str, Any], chance: Random) -> None:
    """Write the groups where the issuer may say them, mostly: in its group claim, or as entitlements."""
    if not groups:
        return
    claim, form = _group_claim(declared)
    entitlements = declared.get("entitlements")
    if entitlements is not None and chance.random() < (0.85 if form == "none" else 0.5):
        _put_entitlements(claims, groups, chance.choice(listed(entitlements)), chance)
        if chance.random() < 0.8:
            return
        groups = groups[: chance.randint(1, len(groups))]
    if claim != "wlcg.groups":
        if chance.random() < 0.1:
            claims["wlcg.groups"] = groups
        groups = [group[1:] if chance.random() < 0.6 else group for group in groups]
    draw = chance.random()
    if form == "comma-separated":
        joined = chance.choice((",", ",", ", ", " , ")).join(groups)
        lists: tuple[list[Any], ...] = ([joined], [7, joined, None], [joined, "/x\n"], [joined, "/x"], groups)
        claims[claim] = joined if draw < 0.6 else chance.choice(lists)
    elif draw < 0.05:
        claims[claim] = ",".join(groups)
    else:
        claims[claim] = groups[0] if draw < 0.15 and len(groups) == 1 else groups


def _hide_groups(claims: dict[str, Any], groups: list[str], declared: dict[str, Any], chance: Random) -> None:
    """Write groups where bans see them and rules do not, mostly: with commas, or in a claim that rules do not read."""
    if not groups:
        return
    claim, _ = _group_claim(declared)
    groups = [*chance.choice(([], ["/x"], [" "], ["/a,"])), *groups]
    joined = chance.choice((",", ", ", " ,")).join(groups)
    claims[chance.choice(("wlcg.groups", claim))] = chance.choice((groups, [joined], [joined, "/x"], [*groups, joined]))


def _put_entitlements(claims: dict[str, Any], groups: list[str], form: dict[str, str], chance: Random) -> None:
    """Write groups as entitlements, in either claim or in the scope."""
    entitlements = [_entitlement(group, form, chance) for group in groups]
    place = chance.choice(("entitlements", "eduperson_entitlement", "in scope"))
    if place == "in scope":
        if form.get("in-scope") != "yes" and chance.random() < 0.8:
            place = "entitlements"
        else:
            entitlements = [
                f"{chance.choice(('entitlements', 'eduperson_entitlement'))}:{each}" for each in entitlements
            ]
    claims[place] = entitlements


def _entitlement(group: str, form: dict[str, str], chance: Random) -> str:
    """Write an FQAN as an entitlement."""
    text = (
        form["namespace"]
        + ":group:"
        + group.strip("/").replace("/Capability=NULL", "").replace("/Role=", "/role=").replace("/", ":")
    )
    if chance.random() < 0.5:
        text = re.sub("%..", lambda found: found[0].lower(), text)
    if chance.random() < (0.6 if "authority" in form else 0.2):
        text += "#" + form.get("authority", "aai.example.org")
    return text


def _audience(policy: Described, declared: dict[str, Any], wanted: dict[str, Any], chance: Random) -> Any:
    asked = listed(wanted.get("audience", declared.get("audience", policy.site["audience"])))
    one = chance.choice(asked)
    if chance.random() < 0.15:
        return [one, chance.choice(listed(policy.site["audience"]))]
    return one if chance.random() < 0.7 else ["https://elsewhere.example", one]


# Twists: one thing of the token is changed, mostly to what only looks like it.


def _drop(claims: dict[str, Any], policy: Described, chance: Random, now: int) -> None:
    del claims[chance.choice(list(claims))]


def _wrong_type(claims: dict[str, Any], policy: Described, chance: Random, now: int) -> None:
    name = chance.choice(list(claims))
    value = claims[name]
    claims[name] = chance.choice(
        (None, 7, True, 1.5, {"x": value}, [value], [value, 7], [7, value], [value, "z"], [[value]], [], "")
    )


def _control(claims: dict[str, Any], policy: Described, chance: Random, now: int) -> None:
    """Put a control character, half a character or odd white space into a value. `iss` and `sub` are for errors."""
    name = chance.choice([name for name in claims if name not in ("iss", "sub")] or ["x"])
    value = claims.get(name, "x")
    mark = chance.choice(("\0", "\n", "\t", "\x7f", "\x85", "\ud800", "\u00a0", "\u2003", "\u3000", " "))
    if isinstance(value, str):
        at = chance.randint(0, len(value))
        claims[name] = value[:at] + mark + value[at:]
    elif isinstance(value, list) and value:
        at = chance.randrange(len(value))
        value[at] = chance.choice((f"{value[at]}{mark}", f"{mark}{value[at]}"))


def _issuer(claims: dict[str, Any], policy: Described, chance: Random, now: int) -> None:
    issuer = claims.get("iss", "")
    if isinstance(issuer, str):
        claims["iss"] = chance.choice(
            (issuer + "/", issuer.rstrip("/"), issuer.upper(), issuer + "x", issuer[:-1], "https://evil.example/",
             chance.choice(list(policy.issuers)), "", " " + issuer, issuer.replace("https", "http"))
        )  # fmt: skip


def _subject(claims: dict[str, Any], policy: Described, chance: Random, now: int) -> None:
    subject = claims.get("sub", "")
    if isinstance(subject, str):
        account = chance.choice(policy.accounts)
        claims["sub"] = chance.choice(
            (subject.upper(), subject + ".example", "x" + subject, subject + "/x", f"{account}@fnal.gov", "",
             "a" * 33 + subject,
             f"{account}@lab.example.org", subject.replace("@", "@@"), f"-{subject}", subject[:-1],
             f"\u200b{subject}", [subject], ["z", subject],
             f"{'b' * 32}@fnal.gov",
             chance.choice(("until-a-day", "until-a-time", "until-long-ago")))
        )  # fmt: skip


def _odd(claims: dict[str, Any], policy: Described, chance: Random, now: int) -> None:
    """Give a checked claim a value that names no subject, audience or version."""
    name = chance.choice(("sub", "sub", "sub", "aud", "aud", "wlcg.ver"))
    claims[name] = chance.choice(INVISIBLE) if name == "sub" else chance.choice(ODD)


def _aud(claims: dict[str, Any], policy: Described, chance: Random, now: int) -> None:
    audience = listed(policy.site["audience"])[0]
    claims["aud"] = chance.choice(
        ("https://elsewhere.example", [], "", 9619, [9619], [9619, audience], [audience + "\n"], audience + "/",
         audience.upper(),
         [audience.lower(), "any"], audience, "A1", ["ANYLAB"], "othergrid", ["ANY"], "ANY ", {"x": audience})
    )  # fmt: skip


def _scopes(claims: dict[str, Any], policy: Described, chance: Random, now: int) -> None:
    """Change the scopes: none for jobs, look-alikes, another separator."""
    words = claims["scope"].split(" ") if isinstance(claims.get("scope"), str) else ["compute.read"]
    without = [word for word in words if word not in COMPUTE]
    claims["scope"] = chance.choice(
        (" ".join(without), " ".join(without), " ".join([*without, "compute.create:/x", "condor:/READ/"]),
         " ".join([*without, "Compute.read", "CONDOR:/READ"]), "  ".join(["", *words, ""]), ",".join(words),
         "\t".join(words),
         words, "\u00a0".join(words), " ".join([*words, "compute.read"]),
         " ".join([*without, "compute.stage", "compute."]))
    )  # fmt: skip


def _path(claims: dict[str, Any], policy: Described, chance: Random, now: int) -> None:
    """Change a path in the scopes: dots, empty parts, percent-encoding, other operations."""
    words = claims["scope"].split(" ") if isinstance(claims.get("scope"), str) else []
    at = [number for number, word in enumerate(words) if ":/" in word]
    if not at:
        words.append(_any_path(policy, chance))
        at = [len(words) - 1]
    number = chance.choice(at)
    operation, _, path = words[number].partition(":")
    middle = path.rfind("/")
    inserted = chance.choice(
        ("/..", "/.", "/", "/%2e%2e", "/.%2E", "/%2e", "/...", "/%2f", "/..%2f", "/%252e%252e", "/x", "/%2F..%2F")
    )
    words[number] = chance.choice(
        (f"{operation}:{path[:middle]}{inserted}{path[middle:]}", f"{operation}:{path}{inserted}",
         f"{operation}:{inserted}{path}",
         f"{operation}:{path}/", f"{operation}:{path.upper()}", f"{operation}:{path[1:]}", f"{operation}x:{path}",
         f"storage:{path}",
         f"storage.stage:{path}", f"read:{path}", f"write:{path}", f"storage.:{path}", operation, f"{operation}:",
         f"{operation}:{path}2",
         f"{operation}:%2F{path[1:]}", f"{operation}::{path}", f"{operation}:x{path}", f"storage.read:/..{path}",
         f"{operation}:{path}%")
    )  # fmt: skip
    claims["scope"] = " ".join(words)


def _groups(claims: dict[str, Any], policy: Described, chance: Random, now: int) -> None:
    """Change a group of the issuer's group claim, or the whole list."""
    claim, _ = _group_claim(_declared(claims, policy))
    value = claims.get(claim, [_any_group(policy, chance)])
    groups = (
        value.split(",")
        if isinstance(value, str)
        else [each for each in listed(value) if isinstance(each, str)] or ["/x"]
    )
    at = chance.randrange(len(groups))
    group = groups[at]
    role = chance.choice(
        ("pilot", "Pilot", "", "NULL", "null", "a/b", "..", "x y", "production", "Role=pilot", "\u00f6")
    )
    groups[at] = chance.choice(
        (group + "/", group + "//", f"{group}/Role={role}", f"{group}/Role={role}/Capability=NULL",
         f"{group}/Capability=NULL",
         f"{group}/Capability=x", f"{group}/Role={role}/x", f"{group}/Role={role}/", group[1:], group.upper(),
         group + "2", group + "/sub",
         group.rpartition("/")[0], f"/{group}", group.replace("/", "//", 1), f"{group}/..", f"{group}/./x",
         f" {group} ", f"{group} x",
         f"{group},{_any_group(policy, chance)}", f"\u00a0{group}", f"{group}/role=pilot",
         f"{group}/Role=NULL/Role=pilot", "", "/",
         f"{group}/Role=pilot/Role=NULL", f"{group}/Capability=NULL/Capability=NULL", f"{group}/Role=NULL/Role=NULL",
         f"/Role={role}")
    )  # fmt: skip
    draw = chance.random()
    if draw < 0.2:
        chance.shuffle(groups)
    claims[claim] = groups
    if draw > 0.8:
        claims[claim] = chance.choice(
            (",".join(groups), " , ".join(groups), [7, *groups, None], groups * 2, ",".join(["", *groups]))
        )


def _commas(claims: dict[str, Any], policy: Described, chance: Random, now: int) -> None:
    """Put commas into the groups: in one member, in one string, or in several strings of which one says nothing."""
    claim, _ = _group_claim(_declared(claims, policy))
    groups = [group for group in listed(claims.get(claim, [])) if isinstance(group, str)]
    groups = [*groups, *(_any_group(policy, chance) for _ in range(chance.choice((0, 1, 2))))] or ["/x"]
    at = chance.randrange(len(groups))
    joined = chance.choice((",", ",", ", ", " ,\u00a0", ",,")).join(groups)
    forms: tuple[Any, ...] = (
        joined, [joined], [7, joined, None], [*groups[:at], joined], [joined, groups[at] + "\n"], f" {joined} ",
        [*groups[:at], f"{groups[at]},", *groups[at + 1 :]], [f" {groups[at]}"], f"{joined},{groups[at]}x\0",
        [f"/x,{group}" for group in groups],
    )  # fmt: skip
    claims[claim] = chance.choice(forms)


def _elsewhere(claims: dict[str, Any], policy: Described, chance: Random, now: int) -> None:
    """Move the groups to another claim, or add groups to a claim that the issuer may not declare."""
    names = ("wlcg.groups", "groups", "roles")
    moved = claims.pop(chance.choice(names), None) if chance.random() < 0.5 else None
    groups = [_any_group(policy, chance) for _ in range(chance.choice((1, 2)))]
    claims[chance.choice(names)] = groups if moved is None else moved


def _entitlements(claims: dict[str, Any], policy: Described, chance: Random, now: int) -> None:
    """Change an entitlement: case, percent-encoding, authority, components, or say one where none is declared."""
    name = chance.choice(("entitlements", "eduperson_entitlement"))
    value = claims.get(name) or claims.get("entitlements") or claims.get("eduperson_entitlement")
    if not isinstance(value, list) or not value or not isinstance(value[0], str):
        forms = [
            form
            for each in policy.issuers.values()
            if isinstance(each, dict) and "entitlements" in each
            for form in listed(each["entitlements"])
        ]
        form = chance.choice([*forms, {"namespace": "urn:mace:egi.eu", "authority": "aai.egi.eu"}])
        value = [_entitlement(_any_group(policy, chance), form, chance)]
    at = chance.randrange(len(value))
    urn, _, authority = str(value[at]).partition("#")
    place = chance.randrange(len(urn))
    encoded = f"{urn[:place]}%{ord(urn[place]) & 255:{chance.choice(('02x', '02X'))}}{urn[place + 1 :]}"
    changed = chance.choice(
        (encoded, encoded, encoded, urn.upper(), urn[:20].upper() + urn[20:], urn.replace(":group:", ":Group:"),
         urn.replace(":group:", ":res:"),
         f"{urn}:role=pilot", f"{urn}:role=NULL", f"{urn}:role=", f"{urn}:role=a:b", f"{urn}:role=a:role=b",
         f"{urn}:Role=pilot",
         f"{urn}:%52ole=pilot", f"{urn}:%72ole=pilot", f"{urn}:role%3Dpilot", f"{urn}:", f"{urn}::x", f"{urn}:..",
         f"{urn}:%2e%2E", f"{urn}:a/b",
         f"{urn}:a%2Fb", f"{urn}:a b", f"{urn}:%zz", f"{urn}:x%", f"{urn}:Capability=NULL",
         urn.replace(":group:", ":sub:group:"), "x" + urn,
         f"{urn}:M%c3%a4r", f"{urn}:role=p%69lot", f"{urn}:ROLE=pilot", f"{urn}:role=x y", f"{urn}:role=Role=x",
         f"{urn}:role=role=x", urn + "?=x")
    )  # fmt: skip
    authority = chance.choice(
        (authority, authority, authority, "", "#", "other.example", authority.upper(), authority + "#x", "aai.egi.eu")
    )
    value = [*value]
    value[at] = changed + (f"#{authority}".replace("##", "#") if authority else "")
    claims[name] = value if chance.random() < 0.8 else value[0]


def _times(claims: dict[str, Any], policy: Described, chance: Random, now: int) -> None:
    edge = now + chance.choice((-61, -60, -59, 59, 60, 61, -60.5, 60.5, -1, 0, 3600, 3601, 21600, 21601, 43200, 43201))
    odd: tuple[Any, ...] = (
        str(now + 60),
        None,
        True,
        [now],
        1e300,
        -1,
        2**53,
        2**53 - 1,
        -(2**53),
        {},
        "",
        float(now + 60),
    )
    claims[chance.choice(("exp", "nbf", "iat"))] = edge if chance.random() < 0.7 else chance.choice(odd)
    if chance.random() < 0.4:
        claims["iat"] = now
        claims["exp"] = now + chance.choice((3600, 3601, 21600, 21601, 43200, 43201, 3600.5))


def _version(claims: dict[str, Any], policy: Described, chance: Random, now: int) -> None:
    claims["wlcg.ver"] = chance.choice(
        ("2.0", "1", "10.0", "0.9", "", "1.x", "1.0.0", "WLCG:1.0", 2.0, ["2.0"], None, "1.\u0661", "1.0 ", "2.0\n")
    )


def _claim(claims: dict[str, Any], policy: Described, chance: Random, now: int) -> None:
    """Change a claim that a rule or a ban asks for, or add one."""
    asked = [each for rule in (*policy.rules, *policy.banned) for each in rule.get("claim", {}).items()]
    name, patterns = chance.choice(asked) if asked else ("uid", "x")
    one = _filled(patterns, "x", policy, chance)
    claims[name] = chance.choice(
        (one, [one], [one, "x"], ["x", one], [one, 7], [one, "x\0"], 7, one + "x", one.upper(), [], [None])
    )


def _identifier(claims: dict[str, Any], policy: Described, chance: Random, now: int) -> None:
    asked = [(key, value) for ban in policy.banned for key in ("jti", "client") for value in listed(ban.get(key, []))]
    key, value = chance.choice(asked) if asked else ("jti", "x")
    name = "jti" if key == "jti" else chance.choice(("client_id", "azp"))
    claims[name] = chance.choice(
        (value, [value], value + "x", value.upper(), 42, "starX1", value + "\0", ["z", value], ["x\0", value])
    )


def _more(claims: dict[str, Any], policy: Described, chance: Random, now: int) -> None:
    """Add groups and paths of other VOs."""
    declared = _declared(claims, policy)
    claim, form = _group_claim(declared)
    added = [_any_group(policy, chance) for _ in range(chance.choice((0, 1, 2)))]
    added.append(f"/{_any_name(policy, chance)}")
    if "entitlements" in declared and chance.random() < (0.6 if form == "none" else 0.3):
        values = listed(claims.get("entitlements", []))
        forms = listed(declared["entitlements"])
        claims["entitlements"] = [*values, *(_entitlement(each, chance.choice(forms), chance) for each in added)]
    else:
        groups = listed(claims.get(claim, []))
        if form == "comma-separated" and len(groups) == 1 and isinstance(groups[0], str):
            claims[claim] = ",".join([groups[0], *added])
        elif all(isinstance(group, str) for group in groups):
            claims[claim] = [*groups, *added]
    if chance.random() < 0.6 and isinstance(claims.get("scope"), str):
        claims["scope"] += f" storage.read:/{_any_name(policy, chance)}/x {_any_path(policy, chance)}"


def _bad(claims: dict[str, Any], policy: Described, chance: Random, now: int) -> None:
    """Add a bad path of any VO, beside the groups or instead of them."""
    if chance.random() < 0.4:
        claims.pop(_group_claim(_declared(claims, policy))[0], None)
    if isinstance(claims.get("scope"), str):
        claims["scope"] += f" {_bad_path(_any_name(policy, chance), chance)}"


def _unlike(claims: dict[str, Any], policy: Described, chance: Random, now: int) -> None:
    """Write a VO's name otherwise: in another case, or as a name that no VO has."""
    one = chance.choice(policy.spelled) if policy.spelled and chance.random() < 0.5 else _any_name(policy, chance)
    other = _other_case(one, chance)
    name = chance.choice((other, other, other, one, "-x", "x y", "V\u00d6", "\u212aek", "a%2fb", "vo.New"))
    groups = [f"/{name}", f"/{name}/Role=pilot", *chance.choice(([], [f"/{one}"], [f"/{_any_name(policy, chance)}"]))]
    _put_groups(claims, groups, _declared(claims, policy), chance)
    if "in scope" in claims:
        claims["scope"] = " ".join([*listed(claims.pop("in scope")), "compute.read"])


_TWISTS = (
    _drop, _wrong_type, _control, _issuer, _subject, _odd, _aud, _scopes, _path, _path, _bad, _groups, _groups,
    _commas, _commas, _elsewhere, _entitlements, _times, _version, _claim, _identifier, _more, _more, _unlike, _unlike,
)  # fmt: skip


# Inputs that cannot be read.


def _unreadable(claims: dict[str, Any], chance: Random) -> bytes:
    """Return a payload that is to be an error, mostly."""
    text = json.dumps(claims)
    draw = chance.randrange(8)
    if draw == 0:
        name = chance.choice(list(claims))
        text = text[:-1] + f', "{name}": {json.dumps(claims[name])}}}'
    elif draw == 1:
        text = chance.choice((text[:-1] + ', "x": [{"y": {"z": 1, "z": 1}}]}', text[:-1] + ', "s\\u0075b": "x"}'))
    elif draw == 2:
        at = chance.randrange(len(text))
        text = text[:at] + chance.choice(("", "\n", "\0", ",", "}", '"', "\\", "x")) + text[at + 1 :]
    elif draw == 3:
        claims[chance.choice(("iss", "sub"))] += chance.choice(
            ("\0", "\n", "\r", "\x1f", "\x7f", "\x80", "\x9f", "\ud800", "\udfff")
        )
        text = json.dumps(claims)
    elif draw == 4:
        claims["sub"] = chance.choice(("\0", "\ud800")) + claims["sub"]
        text = json.dumps(claims)
    elif draw == 5:
        text = chance.choice(
            (
                f"[{text}]",
                json.dumps(text),
                "",
                "null",
                "42",
                text + "{}",
                text + "x",
                "\ufeff" + text,
                text[:-1] + ",}",
            )
        )
    elif draw == 6:
        text = (
            text[:-1]
            + ', "x": '
            + chance.choice(("NaN", "Infinity", "-Infinity", "01", "+1", ".5", "1e999", "'x'", "True", "-", "1E5"))
            + "}"
        )
    else:
        return (
            text.encode()[:-2]
            + chance.choice((b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xc0\x80", b"\xc3\xa4"))
            + text.encode()[-2:]
        )
    return (
        chance.choice(("", "", " \r\n\t")).encode()
        + text.encode("utf-8", "surrogatepass")
        + chance.choice(("", "", "\n", "\x0b", "\u00a0")).encode()
    )
