"""Warn about tokens that a ban misses, and suggest the bans that cover them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from vomap.analysis.tokens.patterns import examples, legal_groups
from vomap.bans.ban_file import without_keys
from vomap.bans.effect import BanTester, describe_outcome, is_banned, tokens_without
from vomap.bans.issuer_wiring import NOT_IN_FORCE, is_wired
from vomap.bans.tokens import FILLER
from vomap.bans.wildcards import BanWarning, crossing_subjects, match_any_slashes, wider_subjects, wildcard_warnings
from vomap.claims import Claims
from vomap.files.shell import join_words
from vomap.log.pseudonyms import is_like_pseudonym
from vomap.mapfile.entries import CONDITIONS
from vomap.mapfile.findings import did_you_mean
from vomap.policy import MAPPED
from vomap.policy.authority import Authority
from vomap.policy.model import Bans

if TYPE_CHECKING:
    from vomap.analysis.tokens.assembly import Token

# Conditions that the bearer chooses when requesting a token.
_ASKED_FOR = ("group", "scope", "claim", "audience")
# Conditions that identify a user, a client or a token.
_IDENTITIES = ("subject", "client", "jti")
_FOR_EVERYBODY = "*"
# If rules name more subjects than these, vomap suggests a ban of the issuer.
_MOST_NAMED = 10


def condition_warnings(
    ban: Mapping[str, Any], authority: Authority, given: Claims | None = None
) -> Iterator[BanWarning]:
    """Yield the warnings that follow from the ban and the declared issuers alone.

    `given` is the token that the administrator wants to ban, if there is one.
    """
    yield from map(BanWarning, _pseudonyms(ban, authority))
    for issuer in ban.get("issuer", ()):
        if issuer not in authority.issuers:
            wired = is_wired(issuer, ban, authority.issuers)
            yield BanWarning(_undeclared(issuer, authority, is_wired=wired), needs_wiring=wired)
    yield from map(BanWarning, _vos(ban, authority))
    yield from map(BanWarning, _one_of_several(ban, authority))
    for pattern in ban.get("group", ()):
        # A ban also compares a text with a comma as a whole.
        if not legal_groups(pattern.replace(",", "-"), FILLER):
            yield BanWarning(f"no token has a membership {pattern}: it is not a valid group")
    if "subject" not in ban and ("jti" in ban or "client" in ban):
        yield _alone(ban, given)
    yield from evasion_warnings(ban, authority)
    yield from (warning for key, warning in wildcard_warnings(ban) if key != "subject")


def evasion_warnings(ban: Mapping[str, Any], authority: Authority) -> Iterator[BanWarning]:
    """Yield the ways in which a bearer can evade a ban that names subjects, clients or tokens."""
    named = _identities(ban)
    several = _issuers_of_several_vos(ban, authority)
    more = set(ban).intersection(("vo", *_ASKED_FOR)) if "jti" in ban else set()
    if len(named) > 1 or more:
        keys = [key for key in CONDITIONS if key in named or key in more]
        options = " and ".join(f"--{key}" for key in keys)
        told = f"this ban needs {options} in one token, and a bearer can get a token without one; ban each on its own"
        yield BanWarning(told, tuple(_firm_ban(ban, key, authority) for key in named))
    elif several and named:
        vos = " or ".join(ban["vo"])
        told = f"a token of {' or '.join(several)} for this {named[0]} need not name {vos}; ban by issuer instead of VO"
        yield BanWarning(told, (_firm_ban(ban, named[0], authority),))


def _identities(ban: Mapping[str, Any]) -> list[str]:
    """Return the keys by which a ban names identities. The subject `*` is not a name."""
    return [key for key in _IDENTITIES if key in ban and _FOR_EVERYBODY not in ban[key]]


def token_warnings(ban: Mapping[str, Any], tester: BanTester, after: Bans, token: Token) -> Iterator[BanWarning]:
    """Yield the warnings that decisions show: the bearer can request another token that is mapped.

    `token` matches the ban. `after` contains all bans, this one included.
    """
    for key in _ASKED_FOR:
        if key not in ban:
            continue
        others = [tester.claims_of(each) for each in tokens_without(token, key, ban, tester.authority)]
        decided = [(claims, tester.decide(claims, after)) for claims in others]
        mapped = [each for each in decided if each[1].outcome == MAPPED]
        claims, decision = (mapped or decided)[0]
        advice = "ban the subject" if "subject" not in ban else f"leave --{key} out"
        instead = tuple(_firm_ban(ban, each, tester.authority) for each in _identities(ban))
        if decision.outcome == MAPPED:
            told = f"a token without this {key}, which its bearer can request, is {describe_outcome(decision)}"
            yield BanWarning(f"{told}: {advice}", instead)
        elif "subject" not in ban and not is_banned(decision) and tester.names_subjects(claims):
            yield BanWarning(f"rules of {claims.text('iss')} name subjects, who may not need this {key}: {advice}")
    yield from _slashes(ban, tester, after, token)
    yield from unnamed_vo_warnings(ban, tester, after)


def unnamed_vo_warnings(ban: Mapping[str, Any], tester: BanTester, after: Bans) -> Iterator[BanWarning]:
    """Yield warnings about tokens that name no VO and are mapped, though the whole VO is banned."""
    if set(ban).intersection(CONDITIONS) - {"vo", "issuer"}:
        return
    for url in _issuers_of_several_vos(ban, tester.authority):
        mapped = _mapped_without_vos(url, tester, after)
        # A rule without subjects matches all of them, so only a ban of the issuer covers every case.
        if None in mapped or len(mapped) > _MOST_NAMED:
            yield _nameless(ban, url, None, next(iter(mapped.values())))
        else:
            yield from (_nameless(ban, url, subject, becomes) for subject, becomes in mapped.items())


def _mapped_without_vos(url: str, tester: BanTester, after: Bans) -> dict[str | None, str]:
    """Return the outcome of an issuer's tokens that name no VO and are mapped, by the subject of the rule."""
    mapped: dict[str | None, str] = {}
    for token, subject in tester.rule_tokens.without_vos(url):
        decision = tester.decide(tester.claims_of(token), after)
        if decision.outcome == MAPPED:
            mapped.setdefault(subject, describe_outcome(decision))
    return mapped


def _nameless(ban: Mapping[str, Any], url: str, subject: str | None, becomes: str) -> BanWarning:
    """Return the warning about a token that names no VO. `subject` is that of the rule that maps it, or None."""
    vos = " or ".join(ban["vo"])
    form = {**without_keys(ban, "vo", "source"), "issuer": [url]}
    if subject is None:
        told = f"a token of {url} that names no VO is {becomes}, also if its bearer belongs to {vos}"
        return BanWarning(f"{told}; only a ban of the whole issuer covers this", (form,))
    told = f"a token of {url} for {subject!a} that names no VO is {becomes}; if it belongs to {vos}, ban the subject"
    return BanWarning(told, ({**form, "subject": [subject]},))


def _slashes(ban: Mapping[str, Any], tester: BanTester, after: Bans, token: Token) -> Iterator[BanWarning]:
    """Yield a warning about the first subject with a slash that the ban seems to match and does not."""
    for pattern in crossing_subjects(ban.get("subject", ())):
        subject = examples(pattern, FILLER)[-1]
        decision = tester.decide(tester.claims_of({**token, "sub": subject}), after)
        if not is_banned(decision):
            told = f"`*` does not match a slash: a token for {subject!a} is {describe_outcome(decision)}"
            yield BanWarning(*_whole(ban, told, tester.authority))
            return


def _whole(ban: Mapping[str, Any], told: str, authority: Authority) -> tuple[str, tuple[Mapping[str, Any], ...]]:
    """Return the sentence about a pattern of subjects, with advice, and the ban that also matches slashes."""
    if _FOR_EVERYBODY not in ban["subject"]:
        wider = wider_subjects(ban["subject"])
        more = "; for subjects with more slashes ban the exact subject or the issuer"
        deeper = "" if match_any_slashes(wider) else more
        form = {**without_keys(ban, "source"), "subject": wider}
        return f"{told}; add these patterns{deeper}", (form,)
    form = without_keys(ban, "subject", "source")
    if set(form).intersection(CONDITIONS):
        return f"{told}; leave --subject out", (form,)
    trusted = [url for url, issuer in authority.issuers.items() if issuer.trusted]
    return f"{told}; ban the issuers instead", ({**form, "issuer": trusted},)


def _firm_ban(ban: Mapping[str, Any], identity: str, authority: Authority) -> dict[str, Any]:
    """Return the ban of one identity without the conditions that its bearer can choose.

    At an issuer of several VOs the bearer chooses the VO as well. The ban then names the VO's issuers instead.
    """
    firm = {key: ban[key] for key in ("issuer", "vo", identity, "reason", "until") if key in ban}
    if identity == "jti":
        firm.pop("vo", None)
    elif _issuers_of_several_vos(ban, authority):
        firm["issuer"] = _speakers(ban, authority)
        del firm["vo"]
    return firm


def _speakers(ban: Mapping[str, Any], authority: Authority) -> list[str]:
    """Return the issuers that may speak for a VO of a ban, only those that the ban names if it names any."""
    urls = ban.get("issuer", authority.issuers)
    return [url for url in urls if any(authority.may_speak(url, vo.lower()) for vo in ban.get("vo", ()))]


def _issuers_of_several_vos(ban: Mapping[str, Any], authority: Authority) -> list[str]:
    """Return the issuers of a VO of a ban whose tokens can also name another VO, or none."""
    return [url for url in _speakers(ban, authority) if authority.issuers[url].sources]


def _undeclared(issuer: str, authority: Authority, *, is_wired: bool) -> str:
    told = f"no issuer {issuer} is declared{did_you_mean(issuer, authority.issuers)}"
    if is_wired:
        others = "no other plugin and no map line maps any token of this issuer then"
        here = "if the CE maps such tokens today, ban this one there instead: on HTCondor-CE in mapfiles.d/04-bans.conf"
        return f"{told}; vomap sees its tokens only after the CE is wired again, and {others} ({here})"
    return f"{told}, and it is not an https URL, so no CE calls vomap for it: {NOT_IN_FORCE}"


def _alone(ban: Mapping[str, Any], given: Claims | None) -> BanWarning:
    """Return the warning about a ban of only a token or a client. A given token has a subject to ban as well."""
    known = "one token" if "jti" in ban else "one client"
    other = "another token" if "jti" in ban else "a token by another client"
    told = f"this bans {known}, and its bearer can get {other}; ban the subject as well, in a ban of its own"
    issuer, subject = (None, None) if given is None else (given.text("iss"), given.text("sub"))
    if not issuer or not subject or not {*issuer, *subject}.isdisjoint("*<"):
        return BanWarning(told)
    form = {key: ban[key] for key in ("reason", "until") if key in ban}
    return BanWarning(told, ({"issuer": [issuer], "subject": [subject], **form},))


def _pseudonyms(ban: Mapping[str, Any], authority: Authority) -> Iterator[str]:
    """Yield a warning for each subject that looks like a pseudonym of the decision log: no token has it."""
    issuers = ban.get("issuer") or _speakers(ban, authority)
    issuer = issuers[0] if len(issuers) == 1 else "ISSUER"
    for subject in filter(is_like_pseudonym, ban.get("subject", ())):
        words = join_words([subject, "--issuer", issuer])
        told = f"{subject} looks like a pseudonym of the decision log, and no token has it as its subject"
        yield f"{told}; ban the subject that `vomap log resolve {words}` shows"


def _vos(ban: Mapping[str, Any], authority: Authority) -> Iterator[str]:
    """Yield warnings about VOs for which no issuer, or no issuer of the ban, may speak."""
    known = authority.declared_vos()
    for vo in ban.get("vo", ()):
        speakers = authority.speakers(vo.lower())
        hint = did_you_mean(vo.lower(), known)
        if not speakers or (hint and vo.lower() not in known):
            yield f"no issuer is declared for a VO {vo}{hint}"
        elif "issuer" in ban and not set(speakers).intersection(ban["issuer"]):
            yield f"no token of {' or '.join(ban['issuer'])} speaks for {vo}; one of {', '.join(speakers)} may"


def _one_of_several(ban: Mapping[str, Any], authority: Authority) -> Iterator[str]:
    """Yield warnings about VOs with further issuers that the ban does not name."""
    named = ban.get("issuer", ())
    asked = {vo.lower() for vo in ban.get("vo", ())}
    vos = {vo for url in named if url in authority.issuers for vo in authority.issuers[url].declared_vos()}
    for vo in sorted(vos & asked if asked else vos):
        others = sorted(set(authority.speakers(vo)).difference(named))
        if others:
            instead = "leave --issuer out" if asked else f"ban by --vo {vo}"
            yield f"{vo} has issuers that this ban does not name: {', '.join(others)}; {instead} to cover them all"
