"""Scopes: the rights that the token gives its bearer.

Sources: WLCG profile v1.3 sections 2.2.1 and 3.1, SciTokens claims 2.0. HTCondor reads them in
src/condor_utils/condor_scitokens.cpp, measured on 23.9.6.
"""

from __future__ import annotations

from vomap.claims import ALL_OF_WRITE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from vomap.claims import Claims


def refused_levels(claims: Claims, scopes: Iterable[str], *, as_scitoken: bool = False) -> list[str]:
    """Return those of HTCondor's levels WRITE and READ that it will refuse, with any account.

    In a SciToken HTCondor ignores `compute.*`. A token with `ver` is one, and another may pass `as_scitoken`.
    """
    held = set(scopes)
    scitoken = as_scitoken or (claims.text("ver") is not None and claims.text("wlcg.ver") is None)
    write = "condor:/WRITE" in held or (not scitoken and held >= ALL_OF_WRITE)
    read = write or "condor:/READ" in held or (not scitoken and "compute.read" in held)
    return [level for level, granted in (("WRITE", write), ("READ", read)) if not granted]


def is_safe(scope: str) -> bool:
    """Return True if no part of a scope's path is `.` or `..`, plain or percent-encoded, and no storage path has `//`.

    A program that reads the path later may go up by `..`, or may read two slashes as one.
    """
    parts = _decoded(scope).split("/")[1:]
    if any(part in (".", "..") for part in parts):
        return False
    return all(parts[:-1]) or _storage_path(scope) is None


def is_malformed(scope: str) -> bool:
    """Return True for a storage scope without a path, or with an unsafe one: it speaks for no VO.

    The path `/` is that of no VO, and not malformed.
    """
    path = _storage_path(scope)
    return path is not None and not (path[:1] == "/" and is_safe(scope))


class NamePaths:
    """The names of an issuer's VOs, of which some have several parts: `registry/biomed`."""

    __slots__ = ("_most_parts", "_names")

    def __init__(self, names: Iterable[str]) -> None:
        """Take the names in tokens, without a slash in front."""
        self._names = frozenset(names)
        self._most_parts = max(name.count("/") + 1 for name in self._names)

    def root_of(self, path: str) -> str:
        """Return the longest name that a path such as `/registry/biomed/x` begins with, by whole parts.

        If it begins with no name, return its first part.
        """
        parts = path.split("/", self._most_parts + 1)[1 : self._most_parts + 1]
        beginnings = ("/".join(parts[:end]) for end in range(len(parts), 0, -1))
        return next((name for name in beginnings if name in self._names), parts[0])

    def named_in_any_reading(self, scope: str) -> set[str]:
        """Return the names in the path of a storage scope, for bans: of an unsafe path, those of each reading.

        A program may drop `..`, or go up by it.
        """
        path = _decoded(_storage_path(scope) or "")
        parts = [part for part in path.split("/") if part not in ("", ".")]
        dropped = [part for part in parts if part != ".."]
        if not dropped:
            return set()
        if is_safe(scope):
            return {self.root_of("/" + "/".join(dropped))}
        resolved: list[str] = []
        for part in parts:
            if part != "..":
                resolved.append(part)
            elif resolved:
                resolved.pop()
        return {
            "/".join(reading[:end])
            for reading in (dropped, resolved)
            for end in range(1, min(len(reading), self._most_parts) + 1)
        }


def storage_root(scope: str, names: NamePaths | None = None) -> str | None:
    """Return the part of a storage scope's path (`storage.*`, `read`, `write`) that is a VO's name: the first.

    `names` are those of an issuer with names of several parts. None for another scope, and for a path that does not
    begin with a name.
    """
    path = _storage_path(scope)
    if not (path and path[0] == "/" and is_safe(scope)):
        return None
    return (path.split("/", 2)[1] if names is None else names.root_of(path)) or None


def first_name(scope: str) -> str | None:
    """Return the first name in the path of a storage scope, also of an unsafe path. None if it has no name.

    Bans use it: a malformed path must not hide the VO that it begins with.
    """
    path = _decoded(_storage_path(scope) or "")
    return next((part for part in path.split("/") if part not in ("", ".", "..")), None)


def _storage_path(scope: str) -> str | None:
    """Return the path of a storage scope, None for another scope."""
    capability, _, path = scope.partition(":")
    return path if capability in ("read", "write") or capability.startswith("storage.") else None


def _decoded(text: str) -> str:
    """Return a text with slashes and dots that are percent-encoded decoded."""
    return text.replace("%2e", ".").replace("%2E", ".").replace("%2f", "/").replace("%2F", "/")
