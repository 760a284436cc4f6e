"""The site's own checks of a token: neither HTCondor nor ARC makes all of them, so somebody must."""

from __future__ import annotations

from vomap.claims import may_compute

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from vomap.claims import Claims
    from vomap.policy.model import Issuer, Site

LIFETIME = "lifetime"


def failure(site: Site, issuer: Issuer, claims: Claims, scopes: Sequence[str]) -> str | None:
    """Return the reason of the first check that the token fails, the most basic first, or None if it passes all."""
    if not claims.texts.get("sub"):
        return "subject: the token names nobody"
    if issuer.audience is not None and issuer.audience.isdisjoint(claims.values("aud")):
        reason = _other_audience(issuer, claims)
        if reason is not None:
            return reason
    if not issuer.accept_without_compute and not may_compute(scopes):
        return "computing: no scope of the token lets it do anything with jobs"
    return _lifetime(site, claims) or _version(claims)


def unchecked(site: Site, claims: Claims) -> list[str]:
    """Return the checks that the site asks for and this CE does not show enough to make."""
    return [LIFETIME] if site.maximum_lifetime is not None and not _times_shown(claims) else []


def _other_audience(issuer: Issuer, claims: Claims) -> str | None:
    """Return what is wrong with an audience that is not the site's; to have none at all may be accepted."""
    audience = claims.values("aud")
    if audience:
        return f"audience: the token is for {', '.join(map(ascii, audience))}, not for this site"
    return None if issuer.accept_without_audience else "audience: the token does not say for whom it is"


def _lifetime(site: Site, claims: Claims) -> str | None:
    if site.maximum_lifetime is None or not _times_shown(claims):
        return None
    times = claims.times
    expires, issued = times["exp"], times["iat"]
    if expires is None or issued is None:
        return "lifetime: exp or iat is no number"
    lifetime = expires - issued
    if lifetime > site.maximum_lifetime:
        return f"lifetime: the token lives for {lifetime:g} s, the site accepts {site.maximum_lifetime} s"
    return None


def _times_shown(claims: Claims) -> bool:
    times = claims.times
    return "exp" in times and "iat" in times


def _version(claims: Claims) -> str | None:
    """Refuse an unknown major version and accept a newer minor one (WLCG profile v1.3 section 3.1)."""
    version = claims.texts.get("wlcg.ver")
    if version is None or version == "1.0":
        return None
    major, dot, minor = version.partition(".")
    if dot and major == "1" and minor.isascii() and minor.isdigit():
        return None
    return f"version: wlcg.ver is {version!a}, not 1.x"
