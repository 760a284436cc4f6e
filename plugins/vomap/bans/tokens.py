"""Make example tokens from the conditions of a ban, to test whether it denies them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from vomap.analysis.tokens.assembly import assemble_token, with_vo
from vomap.analysis.tokens.patterns import example
from vomap.claims import ALL_OF_WRITE
from vomap.claims.memberships import parse_fqan
from vomap.claims.scopes import storage_root
from vomap.policy.authority import Authority
from vomap.policy.model import SUBJECT, Issuer

if TYPE_CHECKING:
    from vomap.analysis.tokens.assembly import Token, Way

COMPUTING = (*sorted(ALL_OF_WRITE), "compute.read")
FILLER = "x"
# An issuer that no mapfile declares, for bans without conditions about issuers (RFC 2606).
_NO_ISSUER = "https://issuer.invalid/"
_LIFETIME = 60
_PATTERNS = ("subject", "group", "scope", "audience", "jti", "client")
_MOST = 500


def tokens_for(ban: Mapping[str, Any], authority: Authority, now: float) -> Iterator[Token]:
    """Yield example tokens with the conditions of a ban, for each issuer and VO that it may be about.

    Only a decision shows whether a token matches the ban: its conditions may exclude each other. There are at most a
    few hundred tokens.
    """
    several = [*(ban.get(key, ()) for key in _PATTERNS), *ban.get("claim", {}).values()]
    constant = {"iat": int(now), "exp": int(now) + _LIFETIME, "wlcg.ver": "1.0"}
    tokens = (
        {**_token(ban, url, authority.issuers.get(url), way, turn), **constant}
        for url in _issuers(ban, authority)
        for way in _namings(ban, url, authority)
        for turn in range(max([1, *map(len, several)]))
    )
    return islice(tokens, _MOST)


def condition_values(ban: Mapping[str, Any], turn: int = 0) -> dict[str, tuple[str]]:
    """Return a text for each condition of a ban, `claim NAME` included. `turn` selects one of several values."""
    conditions = {key: ban[key] for key in _PATTERNS if key in ban}
    conditions.update({f"claim {name}": texts for name, texts in ban.get("claim", {}).items()})
    return {key: (example(key, texts[turn % len(texts)], FILLER),) for key, texts in conditions.items()}


def ways_to_name(vo: str, url: str, authority: Authority) -> list[Way] | None:
    """Return the ways in which a token of an issuer may name a VO: a VO source and the token's name for the VO.

    The list is empty if the token need not name the VO. Returns None if the issuer may not speak for the VO.
    """
    vo = vo.lower()
    if not authority.may_speak(url, vo):
        return None
    issuer = authority.issuers[url]
    if vo in ((issuer.vo or "").lower(), (issuer.default_vo or "").lower()):
        return []
    subjects = [(SUBJECT, subject) for subject, named in issuer.subjects.items() if named.lower() == vo]
    names = [name for name, named in (issuer.vos or {}).items() if named.lower() == vo]
    names += [vo] if issuer.names_vos_freely else []
    return subjects + [(source, name) for name in names for source in issuer.sources if source != SUBJECT]


def _issuers(ban: Mapping[str, Any], authority: Authority) -> Sequence[str]:
    """Return the issuers of a ban, or those of its groups and paths, or all trusted ones, or an undeclared one."""
    # Most issuers begin groups and storage paths with the VO's name.
    groups = [parse_fqan(example("group", each, FILLER)) for each in ban.get("group", ())]
    paths = [storage_root(example("scope", each, FILLER)) for each in ban.get("scope", ())]
    roots = [*(group.root for group in groups if group is not None), *(path for path in paths if path is not None)]
    trusted = [url for url, issuer in authority.issuers.items() if issuer.trusted]
    theirs = [url for url in trusted if any(authority.may_speak(url, root.lower()) for root in roots)]
    return ban.get("issuer") or theirs or trusted or [_NO_ISSUER]


def _namings(ban: Mapping[str, Any], url: str, authority: Authority) -> Iterator[Way | None]:
    """Yield the ways in which a token may name a VO of the ban, or any VO if the ban has none.

    Many issuers of a single VO also write a group with the VO's name, though they need not.
    """
    issuer = authority.issuers.get(url)
    only = issuer.vo if issuer is not None else None
    vos = ban.get("vo") or [only, *(issuer.vos or {}).values()] if issuer is not None else ban.get("vo", [None])
    for vo in vos:
        ways = [] if vo is None else ways_to_name(vo, url, authority)
        if ways is not None:
            yield from ways or (None,)
            if only is not None:
                yield "group", only.lower()


def _token(ban: Mapping[str, Any], url: str, issuer: Issuer | None, way: Way | None, turn: int) -> Token:
    accepted = () if issuer is None or "audience" in ban else sorted(issuer.audience or ())[:1]
    token = assemble_token(url, condition_values(ban, turn), subject=FILLER, audience=accepted, compute=COMPUTING)
    return token if way is None else with_vo(token, way)
