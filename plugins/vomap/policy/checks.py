"""The site's own checks of a token: neither HTCondor nor ARC makes all of them, so somebody must."""

from __future__ import annotations

from vomap.claims import LATEST, may_compute

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vomap.claims import Claims
    from vomap.policy.model import Issuer, Site

TIME, LIFETIME = "time", "lifetime"
# How far the clocks of an issuer and of a CE may be apart, in seconds.
SKEW = 60


def failure(site: Site, issuer: Issuer, claims: Claims, scopes: Sequence[str], now: float) -> str | None:
    """Return the reason of the first check that the token fails, the most basic first, or None if it passes all."""
    if not claims.texts.get("sub"):
        return "subject: the token names nobody"
    if not _is_plainly_within_its_time(claims, now):
        reason = _outside_its_time(claims.times, now)
        if reason is not None:
            return reason
    if issuer.audience is not None and issuer.audience.isdisjoint(claims.values("aud")):
        reason = _other_audience(issuer, claims)
        if reason is not None:
            return reason
    if not issuer.accept_without_compute and not may_compute(scopes):
        return "computing: no scope of the token lets it do anything with jobs"
    return _lifetime(site, claims) or _version(claims)


def unchecked(site: Site, claims: Claims) -> list[str]:
    """Return the checks that are due and that this CE does not show enough to make."""
    found = [] if "exp" in claims.members else [TIME]
    if site.maximum_lifetime is not None and not _shows_lifetime(claims):
        found.append(LIFETIME)
    return found


def _is_plainly_within_its_time(claims: Claims, now: float) -> bool:
    """Tell whether a token is as most are, with whole numbers for times that are in order; at one glance."""
    members = claims.members
    expires, issued, begins = members.get("exp"), members.get("iat"), members.get("nbf", 0)
    return (
        type(expires) is int
        and type(issued) is int
        and type(begins) is int
        and now - SKEW < expires < LATEST
        and -LATEST < issued <= now + SKEW
        and -LATEST < begins <= now + SKEW
    )


def _outside_its_time(times: Mapping[str, float | None], now: float) -> str | None:
    """Return what is wrong with `exp`, `iat` or `nbf` (RFC 7519 sections 4.1.4 to 4.1.6), the skew allowed for."""
    for name, seconds in times.items():
        if seconds is None:
            return f"time: {name} is no number"
        if name == "exp" and now >= seconds + SKEW:
            return f"time: the token expired {now - seconds:.0f} s ago by this machine's clock"
        if name != "exp" and now < seconds - SKEW:
            return f"time: {name} is {seconds - now:.0f} s ahead of this machine's clock"
    return None


def _other_audience(issuer: Issuer, claims: Claims) -> str | None:
    """Return what is wrong with an audience that is not the site's; to have none at all may be accepted."""
    audience = claims.values("aud")
    if audience:
        return f"audience: the token is for {', '.join(map(ascii, audience))}, not for this site"
    return None if issuer.accept_without_audience else "audience: the token does not say for whom it is"


def _lifetime(site: Site, claims: Claims) -> str | None:
    if site.maximum_lifetime is None or not _shows_lifetime(claims):
        return None
    times = claims.times
    expires, issued = times["exp"], times["iat"]
    assert expires is not None and issued is not None, "a time that is no number is refused before"  # noqa: PT018
    lifetime = expires - issued
    if lifetime > site.maximum_lifetime:
        return f"lifetime: the token lives for {lifetime:g} s, the site accepts {site.maximum_lifetime} s"
    return None


def _shows_lifetime(claims: Claims) -> bool:
    return claims.shows("exp") and claims.shows("iat")


def _version(claims: Claims) -> str | None:
    """Refuse an unknown major version and accept a newer minor one (WLCG profile v1.3 section 3.1)."""
    version = claims.texts.get("wlcg.ver")
    if version is None or version == "1.0":
        return None
    major, dot, minor = version.partition(".")
    if dot and major == "1" and minor.isascii() and minor.isdigit():
        return None
    return f"version: wlcg.ver is {version!a}, not 1.x"
