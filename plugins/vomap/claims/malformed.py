"""Say why a text in a claim with groups is not a membership. Only explanations load this module."""

from __future__ import annotations

from vomap.claims.memberships import normalise_percent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from vomap.claims.memberships import EntitlementForm

_GROUP = ":group:"


def why_not_a_group(text: str, *, has_roles: bool) -> str:
    """Return the reason why a text is not a group. `has_roles` is True for `wlcg.groups`, False for another claim."""
    if "," in text:
        return (
            "it has a comma; the issuer's `groups: {form: comma-separated}` splits a string that is alone in its claim"
        )
    if has_roles and not text.startswith("/"):
        return "it does not begin with a slash"
    parts = text.removeprefix("/").removesuffix("/").split("/")
    roles = sum(part.startswith("Role=") for part in parts)
    if roles and not has_roles:
        return "only groups in `wlcg.groups` have roles"
    if roles > 1:
        return "it has several roles; a group has one `/Role=NAME`, at its end"
    if roles and not parts[-1].startswith(("Role=", "Capability=")):
        return "`Role=` is before the end"
    return _why_no_part(parts)


def why_not_an_entitlement(text: str, forms: Sequence[EntitlementForm]) -> str:
    """Return the reason why a text is not an entitlement that the issuer declares."""
    name, mark, authority = text.partition("#")
    name = normalise_percent(name)
    namespace, found, group = name.partition(_GROUP)
    if not found:
        return "it has no `:group:`"
    fitting = [form for form in forms if form.prefix == namespace.lower() + _GROUP]
    if not fitting:
        return f"the issuer does not declare the namespace {namespace!a}"
    if mark and not any(form.authority == authority for form in fitting):
        return f"the issuer does not declare the authority {authority!a}"
    parts = group.split(":")
    if any(part.startswith("role=") for part in parts[:-1]):
        return "`role=` is before the end"
    if any("/" in part for part in parts):
        return "a part has a slash; a colon separates parts"
    return _why_no_part(parts)


def _why_no_part(parts: Sequence[str]) -> str:
    for part in parts:
        if part in ("", ".", ".."):
            return f"it has the part {part!a}" if part else "it has an empty part"
        if part.split() != [part]:
            return "it has a blank"
        if part.startswith("Capability="):
            return "`Capability=` is not NULL, or not at its end"
    return "its role has no valid name"
