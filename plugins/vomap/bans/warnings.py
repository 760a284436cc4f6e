"""What a ban does not cover, and the bans that do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vomap.analysis.tokens.patterns import example, legal_groups
from vomap.bans.effect import BanTester, describe_outcome, is_banned, tokens_without
from vomap.bans.issuer_wiring import NOT_IN_FORCE, is_wired
from vomap.bans.tokens import FILLER
from vomap.bans.wildcards import crossing_subjects, wider_subjects, wildcard_warnings
from vomap.claims import Claims
from vomap.mapfile.entries import CONDITIONS
from vomap.mapfile.findings import did_you_mean
from vomap.policy import MAPPED
from vomap.policy.authority import Authority
from vomap.policy.model import Bans

if TYPE_CHECKING:
    from vomap.analysis.tokens.assembly import Token

# What the bearer chooses when asking for a token, and what he gets another of.
_ASKED_FOR = ("group", "scope", "claim", "audience")
# What a token has one of, and who it is for.
_IDENTITIES = ("subject", "client", "jti")
_FOR_EVERYBODY = "*"
# Where rules name more subjects than these, the ban of their issuer is printed instead of theirs.
_MOST_NAMED = 10


@dataclass(frozen=True)
class BanWarning:
    """A sentence about what a ban does not cover, and the bans, as documents, that cover it."""

    told: str
    instead: tuple[Mapping[str, Any], ...] = ()


def condition_warnings(
    ban: Mapping[str, Any], authority: Authority, given: Claims | None = None
) -> Iterator[BanWarning]:
    """Yield what can be said of a ban's document and the issuers of a policy alone.

    `given` is the token that the ban is about, if the administrator has it.
    """
    for issuer in ban.get("issuer", ()):
        if issuer not in authority.issuers:
            yield BanWarning(_undeclared(issuer, ban, authority))
    yield from map(BanWarning, _vos(ban, authority))
    yield from map(BanWarning, _one_of_several(ban, authority))
    for pattern in ban.get("group", ()):
        # A ban sees a text with a comma as a whole, too.
        if not legal_groups(pattern.replace(",", "-"), FILLER):
            yield BanWarning(f"no token has a membership {pattern}: it is not a legal group")
    if "subject" not in ban and ("jti" in ban or "client" in ban):
        yield _alone(ban, given)
    yield from evasion_warnings(ban, authority)
    yield from (BanWarning(each.told, each.instead) for each in wildcard_warnings(ban) if each.key != "subject")


def evasion_warnings(ban: Mapping[str, Any], authority: Authority) -> Iterator[BanWarning]:
    """Yield how the bearer of any token of an issuer gets around a ban that names subjects, clients or tokens."""
    named = _identities(ban)
    several = _issuers_of_several_vos(ban, authority)
    more = set(ban).intersection(("vo", *_ASKED_FOR)) if "jti" in ban else set()
    if len(named) > 1 or more:
        keys = [key for key in CONDITIONS if key in named or key in more]
        options = " and ".join(f"--{key}" for key in keys)
        told = f"a token must meet {options} at once, and its bearer can get one that does not; ban each by itself"
        yield BanWarning(told, tuple(_firm(ban, key, authority) for key in named))
    elif several and named:
        vos = " or ".join(ban["vo"])
        told = f"a token of {' or '.join(several)} for this {named[0]} need not name {vos}; ban by issuer instead of VO"
        yield BanWarning(told, (_firm(ban, named[0], authority),))


def _identities(ban: Mapping[str, Any]) -> list[str]:
    """Return the keys by which a ban names somebody; subjects that may be any are nobody's name."""
    return [key for key in _IDENTITIES if key in ban and _FOR_EVERYBODY not in ban[key]]


def token_warnings(ban: Mapping[str, Any], tester: BanTester, after: Bans, token: Token) -> Iterator[BanWarning]:
    """Yield what decisions show: that the bearer of a token may ask for another one.

    `token` meets the ban, `after` holds all bans, this one among them.
    """
    for key in _ASKED_FOR:
        if key not in ban:
            continue
        others = [tester.claims_of(each) for each in tokens_without(token, key, ban, tester.authority)]
        decided = [(claims, tester.decide(claims, after)) for claims in others]
        mapped = [each for each in decided if each[1].outcome == MAPPED]
        claims, decision = (mapped or decided)[0]
        advice = "ban the subject" if "subject" not in ban else f"leave --{key} out"
        instead = tuple(_firm(ban, each, tester.authority) for each in _identities(ban))
        if decision.outcome == MAPPED:
            told = (
                f"a token without this {key}, which its bearer can ask for, is {describe_outcome(decision)}: {advice}"
            )
            yield BanWarning(told, instead)
        elif "subject" not in ban and not is_banned(decision) and tester.names_subjects(claims):
            yield BanWarning(f"rules of {claims.text('iss')} name subjects, who may not need this {key}: {advice}")
    yield from _slashes(ban, tester, after, token)
    yield from unnamed_vo_warnings(ban, tester, after)


def unnamed_vo_warnings(ban: Mapping[str, Any], tester: BanTester, after: Bans) -> Iterator[BanWarning]:
    """Yield tokens that name no VO and are mapped though a whole VO is banned: its members can ask for such tokens."""
    if set(ban).intersection(CONDITIONS) - {"vo", "issuer"}:
        return
    for url in _issuers_of_several_vos(ban, tester.authority):
        mapped = _mapped_without_vos(url, tester, after)
        # Whoever a rule does not name may be anybody: then the ban of the issuer covers those that rules name, too.
        if None in mapped or len(mapped) > _MOST_NAMED:
            yield _nameless(ban, url, None, next(iter(mapped.values())))
        else:
            yield from (_nameless(ban, url, subject, becomes) for subject, becomes in mapped.items())


def _mapped_without_vos(url: str, tester: BanTester, after: Bans) -> dict[str | None, str]:
    """Return what becomes of tokens of an issuer that name no VO and are mapped, by the subject that a rule names."""
    mapped: dict[str | None, str] = {}
    for token, subject in tester.without_vos(url):
        decision = tester.decide(tester.claims_of(token), after)
        if decision.outcome == MAPPED:
            mapped.setdefault(subject, describe_outcome(decision))
    return mapped


def _nameless(ban: Mapping[str, Any], url: str, subject: str | None, becomes: str) -> BanWarning:
    """Return the warning about a token that names no VO; `subject` is whom the rule that maps it names, if it does."""
    vos = " or ".join(ban["vo"])
    form = {**_less(ban, "vo"), "issuer": [url]}
    if subject is None:
        told = f"a token of {url} that names no VO is {becomes}, also if its bearer belongs to {vos}"
        return BanWarning(f"{told}; the ban that holds bans everybody of this issuer", (form,))
    told = f"a token of {url} for {subject!a} that names no VO is {becomes}; if it belongs to {vos}, ban the subject"
    return BanWarning(told, ({**form, "subject": [subject]},))


def _slashes(ban: Mapping[str, Any], tester: BanTester, after: Bans, token: Token) -> Iterator[BanWarning]:
    """Yield the first subject with a slash that a pattern of the ban looks as if it took, and that is not banned."""
    for pattern in crossing_subjects(ban.get("subject", ())):
        subject = example("subject", pattern, FILLER)
        decision = tester.decide(tester.claims_of({**token, "sub": subject}), after)
        if not is_banned(decision):
            told = f"`*` does not match a slash: a token for {subject!a} is {describe_outcome(decision)}"
            yield BanWarning(*_whole(ban, told, tester.authority))
            return


def _whole(ban: Mapping[str, Any], told: str, authority: Authority) -> tuple[str, tuple[Mapping[str, Any], ...]]:
    """Return the sentence about a pattern of subjects with what to do, and the ban that also takes slashes."""
    if _FOR_EVERYBODY not in ban["subject"]:
        more = "a subject with more slashes passes these, so ban its exact subject or its issuer"
        return f"{told}; name these forms, too; {more}", ({**_less(ban), "subject": wider_subjects(ban["subject"])},)
    form = _less(ban, "subject")
    if set(form).intersection(CONDITIONS):
        return f"{told}; leave --subject out", (form,)
    trusted = [url for url, issuer in authority.issuers.items() if issuer.trusted]
    return f"{told}; ban the issuers instead", ({**form, "issuer": trusted},)


def _firm(ban: Mapping[str, Any], identity: str, authority: Authority) -> dict[str, Any]:
    """Return the ban of one identity that its bearer cannot get around: nothing else that he chooses counts.

    At an issuer of several VOs he chooses the VO, too, so the issuers that may speak for it take its place.
    """
    firm = {key: ban[key] for key in ("issuer", "vo", identity, "reason", "until") if key in ban}
    if identity == "jti":
        firm.pop("vo", None)
    elif _issuers_of_several_vos(ban, authority):
        firm["issuer"] = _speakers(ban, authority)
        del firm["vo"]
    return firm


def _less(ban: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in ban.items() if key not in (*keys, "source")}


def _speakers(ban: Mapping[str, Any], authority: Authority) -> list[str]:
    """Return the issuers that may speak for a VO of a ban, among those that it names."""
    urls = ban.get("issuer", authority.issuers)
    return [url for url in urls if any(authority.may_speak(url, vo.lower()) for vo in ban.get("vo", ()))]


def _issuers_of_several_vos(ban: Mapping[str, Any], authority: Authority) -> list[str]:
    """Return the issuers of a VO of a ban whose tokens may as well name another VO, or none."""
    return [url for url in _speakers(ban, authority) if authority.issuers[url].sources]


def _undeclared(issuer: str, ban: Mapping[str, Any], authority: Authority) -> str:
    hint = did_you_mean(issuer, authority.issuers)
    if is_wired(issuer, ban, authority.issuers):
        return f"no issuer {issuer} is declared{hint}; its tokens come to vomap when the CE is wired anew"
    return f"no issuer {issuer} is declared{hint}, and it is not an https URL, so no CE is wired for it: {NOT_IN_FORCE}"


def _alone(ban: Mapping[str, Any], given: Claims | None) -> BanWarning:
    """Return the warning about a ban of a token or a client alone; of a token that is given, its subject is known."""
    known = "one token" if "jti" in ban else "one client"
    other = "another token" if "jti" in ban else "a token by another client"
    told = f"this bans {known}, and its bearer can get {other}; ban the subject as well, in a ban of its own"
    issuer, subject = (None, None) if given is None else (given.text("iss"), given.text("sub"))
    if not issuer or not subject or not {*issuer, *subject}.isdisjoint("*<"):
        return BanWarning(told)
    form = {key: ban[key] for key in ("reason", "until") if key in ban}
    return BanWarning(told, ({"issuer": [issuer], "subject": [subject], **form},))


def _vos(ban: Mapping[str, Any], authority: Authority) -> Iterator[str]:
    """Yield the VOs that nobody speaks for, or not those whom the ban names."""
    known = authority.declared_vos()
    for vo in ban.get("vo", ()):
        speakers = authority.speakers(vo.lower())
        hint = did_you_mean(vo.lower(), known)
        if not speakers or (hint and vo.lower() not in known):
            yield f"no issuer is declared for a VO {vo}{hint}"
        elif "issuer" in ban and not set(speakers).intersection(ban["issuer"]):
            yield f"no token of {' or '.join(ban['issuer'])} speaks for {vo}; one of {', '.join(speakers)} may"


def _one_of_several(ban: Mapping[str, Any], authority: Authority) -> Iterator[str]:
    """Yield the VOs whose other issuers the ban does not name."""
    named = ban.get("issuer", ())
    asked = {vo.lower() for vo in ban.get("vo", ())}
    vos = {vo for url in named if url in authority.issuers for vo in authority.issuers[url].declared_vos()}
    for vo in sorted(vos & asked if asked else vos):
        others = sorted(set(authority.speakers(vo)).difference(named))
        if others:
            instead = "leave --issuer out" if asked else f"ban by --vo {vo}"
            yield f"{vo} has more issuers than this ban names: {', '.join(others)}; {instead} to cover them all"
