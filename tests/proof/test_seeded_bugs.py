"""Bugs put into copies of the engine on purpose: the proof finds each, within the count of CI."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from proof.counts import count
from proof.oracle_compare import REDUCED

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
TIMEOUT = 900
QUICK = 12_000


class Edit(NamedTuple):
    """A text in a file of the product, and what a bug makes of it."""

    file: str
    right: str
    wrong: str


BUGS = {
    "a group's prefix without the slash": [
        Edit(
            "policy/matching.py",
            '        parts = value.split("/")\n        if len(parts) <',
            '        if self._below and "*" not in self.text[:-3]:\n'
            "            return value.startswith(self.text[:-3])\n"
            '        parts = value.split("/")\n        if len(parts) <',
        )
    ],
    "a star for nothing": [
        Edit("policy/matching.py", "len(text) <= len(before) + len(after)", "len(text) < len(before) + len(after)")
    ],
    "a role ignored": [
        Edit("policy/matching.py", "(role is None or membership.role == role) and pattern", "pattern"),
        Edit(
            "policy/matching.py",
            "(membership.role is not None and self._role.match(membership.role))",
            "bool(membership)",
        ),
    ],
    "first-group is any group": [Edit("policy/matching.py", "view.memberships[:1]", "view.memberships")],
    "any of the conditions for all": [
        Edit(
            "policy/matching.py",
            "        if not _HOLDS[key](wanted, view, captured):\n"
            '            return key if key != "claim" else f"claim {wanted[0]}"\n    return None',
            "        if _HOLDS[key](wanted, view, captured):\n            return None\n"
            '    return "all" if conditions.asked else None',
        )
    ],
    "azp only without client_id": [
        Edit(
            "policy/matching.py",
            'view.claims.texts.get("client_id") in wanted or view.claims.texts.get("azp") in wanted',
            'view.claims.texts.get("client_id", view.claims.texts.get("azp")) in wanted',
        )
    ],
    "the last rule that matches": [Edit("policy/model.py", "in sorted(found)", "in sorted(found, reverse=True)")],
    "a ban until, exclusive": [Edit("policy/model.py", "int(now) <= self.until", "int(now) < self.until")],
    "what is refused without a ban, allowed with it": [
        Edit("policy/decide.py", "return self._refused_anyway(sorted(self.banned & mentioned))", "return None")
    ],
    "what is refused with one VO banned, allowed with two": [
        Edit("policy/decide.py", "for size in range(len(banned)) for", "for size in range(1) for")
    ],
    "what is denied with one VO banned, declined with two": [
        Edit("policy/decide.py", "told = [*denied, *refused][0]", "told = refused[0]")
    ],
    "the skew the other way": [
        Edit("policy/decide.py", "now >= seconds + SKEW", "now >= seconds - SKEW"),
        Edit("policy/decide.py", "now - SKEW < expires", "now + SKEW < expires"),
    ],
    "a skew of a second less": [
        Edit("policy/decide.py", "now < seconds - SKEW", "now <= seconds - SKEW"),
        Edit("policy/decide.py", "issued <= now + SKEW", "issued < now + SKEW"),
        Edit("policy/decide.py", "begins <= now + SKEW", "begins < now + SKEW"),
    ],
    "a lifetime of exactly the maximum refused": [
        Edit("policy/decide.py", "lifetime > site.maximum_lifetime", "lifetime >= site.maximum_lifetime")
    ],
    "major 10 is major 1": [Edit("policy/decide.py", 'major == "1"', 'major[:1] == "1"')],
    "no audience is as good as the site's": [
        Edit("policy/decide.py", "None if issuer.accept_without_audience else", "None if issuer else")
    ],
    "an issuer's audience added to the site's": [
        Edit(
            "policy/model.py",
            'self.audience = _frozen(document["audience"]) if "audience" in document else site.audience',
            'self.audience = _frozen(document["audience"]) if "audience" in document else site.audience\n'
            "        if self.audience is not None:\n            self.audience |= site.audience or frozenset()",
        )
    ],
    "an issuer's trailing slash stripped": [
        Edit("policy/decide.py", 'claims.text("iss") or ""', '(claims.text("iss") or "").rstrip("/")')
    ],
    "dots in a storage path let pass": [
        Edit("claims/scopes.py", 'any(part in (".", "..") for part in parts)', "parts is None")
    ],
    "encoded dots in a storage path let pass": [
        Edit("claims/scopes.py", '.replace("%2e", ".").replace("%2E", ".")', "")
    ],
    "empty parts in a storage path let pass": [Edit("claims/scopes.py", "return all(parts[:-1]) or", "return True or")],
    "a capture gives an account named elsewhere": [
        Edit("policy/decide.py", "if self.policy.names(account):", "if account is None:")
    ],
    "a capture gives an account made of a default VO": [
        Edit(
            "policy/pieces.py",
            "for issuer in asked for vo in",
            "for issuer in asked if not issuer.names_vos_freely for vo in",
        )
    ],
    "a default VO taken for the token's own word": [
        Edit("policy/decide.py", ' and captured["vo"] not in issuer.declared_vos()', "")
    ],
    "a capture gives a pool's account": [
        Edit("policy/model.py", " or any(pool.holds(account) for pool in self._pools)", "")
    ],
    "an account of 33 characters": [Edit("policy/matching.py", "LONGEST_ACCOUNT = 32", "LONGEST_ACCOUNT = 33")],
    "an unserved VO's groups seen by rules without vo": [
        Edit("policy/decide.py", "(self._serves(name) if vo is None else name == vo)", "(vo is None or name == vo)")
    ],
    "a banned VO's groups seen by rules without vo": [
        Edit("policy/decide.py", "name not in self.banned and (self", "(self")
    ],
    "another VO's groups seen by rules with vo": [Edit("policy/decide.py", "else name == vo)", "else bool(name))")],
    "a default VO although the token names an unlisted one": [
        Edit("policy/candidates.py", "if not names_any and issuer.default_vo", "if issuer.default_vo")
    ],
    "a VO whose issuer is distrusted, named by another": [
        Edit("policy/model.py", "if owner != url:", "if owner and owner != url:")
    ],
    "percent-encoding in small letters left so": [
        Edit("claims/memberships.py", '"%" + piece[:2].upper()', '"%" + piece[:2]')
    ],
    "percent-encoding in small letters not decoded": [
        Edit("claims/memberships.py", 'frozenset("0123456789ABCDEFabcdef")', 'frozenset("0123456789ABCDEF")')
    ],
    "groups of which one ends with a slash taken as they stand": [
        Edit("claims/memberships.py", '_is_plain(text) and "/," not in text', "_is_plain(text)")
    ],
    "groups of which one begins without a slash taken as they stand": [
        Edit("claims/memberships.py", ' and f",{text}".count(",/") == len(groups)', ' and text[:1] == "/"')
    ],
    "an authority that nobody declared": [
        Edit(
            "claims/memberships.py", "if mark and authority != form", "if mark and form.authority and authority != form"
        )
    ],
    "two values, of which one says nothing, taken for one": [
        Edit("claims/__init__.py", "        claims.several.add(name)", "        pass")
    ],
    "control characters of C1 let pass": [Edit("claims/__init__.py", '"\\x7f" <= mark <= "\\x9f"', 'mark == "\\x7f"')],
    "scopes parted by any white space": [
        Edit("claims/__init__.py", 'claims.texts.get("scope", "").split(" ")', 'claims.texts.get("scope", "").split()')
    ],
    "duplicate keys let pass": [Edit("claims/jsontext.py", "if len(members) != len(pairs):", "if pairs is None:")],
}


def _copy(folder: Path, edits: list[Edit]) -> Path:
    """Copy the product's source with edits, each of a text that is there exactly once; return what to import from."""
    plugins = folder / "plugins"
    shutil.copytree(ROOT / "schemas", folder / "schemas")
    shutil.copytree(ROOT / "plugins" / "vomap", plugins / "vomap", ignore=shutil.ignore_patterns("__pycache__"))
    for edit in edits:
        file = plugins / "vomap" / edit.file
        text = file.read_text("utf-8")
        assert text.count(edit.right) == 1, f"{edit.file} has {edit.right!r} {text.count(edit.right)} times"
        file.write_text(text.replace(edit.right, edit.wrong), "utf-8")
    return plugins


def _compare(product: Path, tokens: int) -> subprocess.CompletedProcess[str]:
    """Hold a copy of the product against the oracle, in a process of its own."""
    path = os.pathsep.join((str(product), str(HERE.parent)))
    command = [sys.executable, str(HERE / "oracle_compare.py"), str(tokens)]
    run = subprocess.run(
        command, env={"PYTHONPATH": path}, capture_output=True, text=True, timeout=TIMEOUT, check=False
    )
    assert run.stdout.startswith(f"{product / 'vomap'}: "), run.stdout + run.stderr
    return run


@pytest.mark.parametrize("bug", list(BUGS)[:: count(full=1, reduced=3)])
def test_the_proof_finds(bug: str, tmp_path: Path) -> None:
    """The proof tells a token for which the buggy engine decides otherwise than the design says."""
    run = _compare(_copy(tmp_path, BUGS[bug]), REDUCED)
    assert run.returncode == 1, run.stdout + run.stderr
    assert ": seed " in run.stdout, run.stdout + run.stderr
    print(f"\n{bug}: {run.stdout}")


def test_the_proof_finds_nothing_in_a_plain_copy(tmp_path: Path) -> None:
    """A copy with no bug in it differs nowhere: what is found is the bug, not the copying."""
    run = _compare(_copy(tmp_path, []), QUICK)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.endswith(f": no difference in {QUICK} tokens\n")
