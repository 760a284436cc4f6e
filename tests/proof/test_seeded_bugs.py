"""Bugs put into copies of the engine on purpose: the proof finds each, within the count of CI."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from proof import oracle_compare, ownership
from proof.counts import count

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
TIMEOUT = 900


class Proof(NamedTuple):
    """A proof that runs as a command: its script, how much it looks at in CI, how much of a plain copy, and of what."""

    script: str
    reduced: int
    quick: int
    nothing: str


ORACLE = Proof("oracle_compare.py", oracle_compare.REDUCED, 12_000, "no difference in 12000 tokens")
OWNERSHIP = Proof("ownership.py", ownership.REDUCED, 100, "no violation in 100 sites")


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
            "        if not (_holds(key, wanted, view, captured) if holds is None else holds(wanted, view, captured)):"
            "\n            return key\n    return None",
            "        if _holds(key, wanted, view, captured) if holds is None else holds(wanted, view, captured):\n"
            '            return None\n    return "all" if conditions.asked else None',
        )
    ],
    "azp only without client_id": [
        Edit(
            "policy/matching.py",
            'return (*claims.values("client_id"), *claims.values("azp"))',
            'return claims.values("client_id") or claims.values("azp")',
        )
    ],
    "the last rule that matches": [
        Edit(
            "policy/model.py",
            "for number, listed in sorted(found.items()):",
            "for number, listed in sorted(found.items(), reverse=True):",
        )
    ],
    "a ban until, exclusive": [Edit("policy/model.py", "int(now) <= self.until", "int(now) < self.until")],
    "what is refused without a ban, allowed with it": [
        Edit(
            "policy/decide.py",
            "return self._refused_anyway(sorted(self._rules_vos().intersection(self.banned)))",
            "return None",
        )
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
            "policy/index.py",
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
        Edit("policy/decide.py", "return vo not in self.banned and self._serves(vo)", "return vo not in self.banned")
    ],
    "a banned VO's groups seen by rules without vo": [
        Edit("policy/decide.py", "return vo not in self.banned and self._serves(vo)", "return self._serves(vo)")
    ],
    "another VO's groups seen by rules with vo": [
        Edit("policy/decide.py", "self.parts.update(safe.parts(self._name))", "self.parts[vo] = safe")
    ],
    "a default VO although the token names an unlisted one": [
        Edit("policy/vos.py", "if not names_any and issuer.default_vo", "if issuer.default_vo")
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
        Edit("claims/memberships.py", '        and "/," not in text\n', "")
    ],
    "groups of which one begins without a slash taken as they stand": [
        Edit("claims/memberships.py", 'f",{text}".count(",/") == len(groups)', 'text[:1] == "/"')
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
    "a list of groups split at commas": [
        Edit(
            "claims/memberships.py",
            "if not groups.comma_separated or len(values) != 1 or _strings(claims.members.get(groups.claim)) != 1:",
            "if not values:",
        ),
        Edit("claims/memberships.py", "return _pieces(values[0])", 'return _pieces(",".join(values))'),
    ],
    "several strings split where one may be": [
        Edit(
            "claims/memberships.py",
            "if not groups.comma_separated or len(values) != 1 or _strings(claims.members.get(groups.claim)) != 1:",
            "if not groups.comma_separated or not values:",
        ),
        Edit("claims/memberships.py", "return _pieces(values[0])", 'return _pieces(",".join(values))'),
    ],
    "a string that says nothing beside one that is split": [
        Edit("claims/memberships.py", " or _strings(claims.members.get(groups.claim)) != 1:", ":")
    ],
    "a string with a comma taken for a group": [
        Edit("claims/memberships.py", 'return None if "," in text else _parse_fqan(text)', "return _parse_fqan(text)"),
        Edit("claims/memberships.py", '        and text.count(",") == len(groups) - 1\n', ""),
    ],
    "pieces that are not trimmed": [
        Edit(
            "claims/memberships.py",
            'piece.strip(" ") for piece in text.split(",")',
            'piece for piece in text.split(",")',
        )
    ],
    "a role in another claim": [
        Edit("claims/memberships.py", "parse_fqan if groups.claim == GROUPS_CLAIM else parse_group", "parse_fqan")
    ],
    "no slash added in another claim": [
        Edit("claims/memberships.py", "    text = _with_slash(text)\n    if _is_plain", "    if _is_plain")
    ],
    "wlcg.groups beside declared entitlements": [
        Edit("policy/model.py", "_NO_GROUPS if form is not None else {}", "{}")
    ],
    "wlcg.groups in the place of another claim": [
        Edit("policy/model.py", 'else groups.get("claim", GROUPS_CLAIM)', "else GROUPS_CLAIM")
    ],
    "a malformed group keeps no default VO away": [
        Edit("policy/vos.py", "return has_malformed_groups(token.claims, issuer.group_form)", "return False")
    ],
    "a malformed path keeps no default VO away": [
        Edit("policy/vos.py", "return any(map(is_malformed, token.scopes))", "return False")
    ],
    "a VO in any spelling": [
        Edit(
            "policy/model.py",
            "return name if (name == vo if spelled is None else name in spelled) else None",
            "return name",
        )
    ],
    "a VO that is spelled nowhere in any spelling": [
        Edit(
            "policy/model.py",
            "(name == vo if spelled is None else name in spelled)",
            "(spelled is None or name in spelled)",
        )
    ],
    "a VO in lower case where it is spelled otherwise": [
        Edit("policy/index.py", "        if spellings != [vo]:\n", "        if spellings == []:\n")
    ],
    "a spelling in `serve` that does not count": [
        Edit("policy/index.py", 'list(document["site"]["serve"] or ())', "[]")
    ],
    "a spelling in a rule that does not count": [
        Edit("policy/index.py", '        named += rule.get("vo", ())\n', "        pass\n")
    ],
    "a rule looked up by the first of its values": [
        Edit(
            "policy/index.py",
            "            for aspect, anchor, value in found:\n",
            "            for aspect, anchor, value in found[:1]:\n",
        )
    ],
    "a ban looked up by the first of its literal values": [
        Edit("policy/index.py", "in product(values, found):", "in product(values[:1], found):")
    ],
    "a ban looked up by the first of its other values": [
        Edit("policy/index.py", "in product(values, found):", "in product(values, found[:1]):")
    ],
    "a ban by VO blind to what rules do not find": [
        Edit(
            "policy/decide.py",
            "named = taken or (not self.naming.candidates and not self.ban_view.vos.isdisjoint(ban.only_vos))",
            "named = taken",
        )
    ],
    "bans found by the first only of several conditions of a token": [
        Edit(
            "policy/model.py",
            "for entry in find(place + anchor) or ():",
            "for entry in (find(place + anchor) or ())[:1]:",
        )
    ],
    "bans that every token must try, tried with none": [
        Edit("policy/matching.py", '        return lambda _: ("",)\n', "        return lambda _: ()\n")
    ],
    "bans by VO looked up in the token's spelling": [
        Edit("policy/index.py", "{named.lower() if kind == 'vo' else named}", "{named}")
    ],
    "a ban by subject blind to a list": [
        Edit(
            "policy/matching.py",
            "return claims.values(_CLAIM_OF.get(key) or key[len(_CLAIM) :])",
            "return claims.values(_CLAIM_OF.get(key) or key[len(_CLAIM) :])[: 1 if key in _ONE_TEXT else None]",
        )
    ],
    "a ban blind to what stands behind a comma": [
        Edit("claims/memberships.py", "for text in (value, *_pieces(value))]", "for text in (value,)]")
    ],
    "a ban blind to a group whose claim is not read": [
        Edit(
            "claims/memberships.py",
            "dict.fromkeys((GROUPS_CLAIM, GROUPS_CLAIM if groups is None else groups.claim))",
            "() if groups is None else (groups.claim,)",
        )
    ],
    "a ban blind to a malformed path": [
        Edit(
            "policy/vos.py",
            "    names.update(name for name in map(first_name, scopes) if name is not None)\n",
            "",
        )
    ],
    "patterns narrowed to those of the first value": [
        Edit("policy/matching.py", "_FEW = 200\n", "_FEW = 0\n"),
        Edit(
            "policy/matching.py",
            "for anchor in anchors_for(aspect)(view)\n",
            "for anchor in list(anchors_for(aspect)(view))[:1]\n",
        ),
    ],
    "a subject of blanks": [Edit("policy/decide.py", '("!" <= subject[:1] <= "~" or is_visible(subject))', "subject")],
    "a wlcg.ver that is not a text": [
        Edit("policy/decide.py", 'return "version: wlcg.ver is not a text such as 1.0"', "return None")
    ],
    "an audience that names nobody": [Edit("policy/decide.py", 'if claims.shows("aud"):', "if issuer is None:")],
    "duplicate keys let pass": [Edit("claims/strict_json.py", "if len(members) != len(pairs):", "if pairs is None:")],
}
# Of what another user may write.
OWNER_BUGS = {
    "another user's settings count": [
        Edit("mapfile/foreign.py", '_KEYS = ("mapfile",', '_KEYS = ("mapfile", "site", "pools",')
    ],
    "another user's audience for an issuer counts": [
        Edit(
            "mapfile/foreign.py",
            '_ISSUER = ("vo",',
            '_ISSUER = ("vo", "audience", "without-audience", "without-compute",',
        )
    ],
    "another user's distrust counts": [
        Edit(
            "mapfile/foreign.py",
            'yield Refusal(place, f"{url}: {issuer.value}")\n        return',
            "return",
        )
    ],
    "another user's entitlements in a scope count": [
        Edit("mapfile/foreign.py", '_ENTITLEMENTS = ("namespace",', '_ENTITLEMENTS = ("namespace", "in-scope",')
    ],
    "another user's declaration hides a later one": [
        Edit("mapfile/compose.py", "if guard is None and url in self._issuer_guards:", "if url is None:")
    ],
    "another user's denials and pools count": [
        Edit("mapfile/foreign.py", '_RULE = ("name",', '_RULE = ("name", "deny", "pool",')
    ],
    "another user's claims are logged": [Edit("mapfile/foreign.py", '_RULE = ("name",', '_RULE = ("name", "claim",')],
    "another user's captures count": [
        Edit("mapfile/foreign.py", 'if account is not None and "<" in str(account.value):', "if rule is None:")
    ],
    "another user's rules are not looked at": [
        Edit("mapfile/compose.py", "                    guard.check_rule(rule)", "                    pass")
    ],
    "another user's tests judge the whole policy": [
        Edit("mapfile/foreign.py", 'if values.get("alone") is not True:', 'if values.get("alone") is False:')
    ],
    "another user's bans count": [
        Edit(
            "mapfile/compose.py",
            "_refuse(file.path, custody.faults, refusals)\n    if custody.owner is not None:",
            "_refuse(file.path, custody.faults, refusals)\n    if custody is None:",
        )
    ],
    "the owner of the file is not looked at": [
        Edit("files/trusted.py", "foreign = [step for step in own if", "foreign = [step for step in own[1:] if")
    ],
    "the owner of the folder is not looked at": [
        Edit("files/trusted.py", "foreign = [step for step in own if", "foreign = [step for step in own[:1] if")
    ],
    "the owner of a farther folder is not looked at": [
        Edit("files/trusted.py", "if step not in own:", "if step not in own and not stat.S_ISDIR(step.mode):")
    ],
    "two other users": [Edit("files/trusted.py", "if len(owners) > 1:", "if len(owners) > 2:")],
    "the mode is not looked at": [
        Edit("files/trusted.py", "        if _others_may_write(step):\n", "        if step is None:\n")
    ],
    "the sticky bit of a file": [
        Edit("files/trusted.py", "sticky = stat.S_ISDIR(step.mode) and", "sticky = stat.S_ISREG(step.mode) or")
    ],
    "no sticky bit needed": [
        Edit(
            "files/trusted.py",
            "sticky = stat.S_ISDIR(step.mode) and step.mode & stat.S_ISVTX",
            "sticky = stat.S_ISDIR(step.mode)",
        )
    ],
    "writable for the group": [
        Edit("files/trusted.py", "_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH", "_OTHERS_MAY_WRITE = stat.S_IWOTH")
    ],
    "another user's file among everybody's": [
        Edit(
            "files/trusted.py",
            "elif step.folder is not None and step.folder.mode & _OTHERS_MAY_WRITE:",
            "elif step is None:",
        )
    ],
    "a build does not judge": [
        Edit("cli/build.py", "compose(mapfiles, findings, progress, findings)", "compose(mapfiles, findings, progress)")
    ],
}
PROOFS = dict.fromkeys(OWNER_BUGS, OWNERSHIP)
BUGS.update(OWNER_BUGS)


def _copy(folder: Path, edits: list[Edit]) -> Path:
    """Copy the product's source with edits, each of a text that is there exactly once.

    Return the folder to import from.
    """
    plugins = folder / "plugins"
    shutil.copytree(ROOT / "schemas", folder / "schemas")
    shutil.copytree(ROOT / "plugins" / "vomap", plugins / "vomap", ignore=shutil.ignore_patterns("__pycache__"))
    for edit in edits:
        file = plugins / "vomap" / edit.file
        text = file.read_text("utf-8")
        assert text.count(edit.right) == 1, f"{edit.file} has {edit.right!r} {text.count(edit.right)} times"
        file.write_text(text.replace(edit.right, edit.wrong), "utf-8")
    return plugins


def _prove(product: Path, proof: Proof, much: int) -> subprocess.CompletedProcess[str]:
    """Hold a copy of the product against a proof, in a process of its own."""
    path = os.pathsep.join((str(product), str(HERE.parent)))
    command = [sys.executable, str(HERE / proof.script), str(much)]
    run = subprocess.run(
        command, env={"PYTHONPATH": path}, capture_output=True, text=True, timeout=TIMEOUT, check=False
    )
    assert run.stdout.startswith(f"{product / 'vomap'}: "), run.stdout + run.stderr
    return run


@pytest.mark.parametrize("bug", list(BUGS)[:: count(full=1, reduced=3)])
def test_the_proof_finds(bug: str, tmp_path: Path) -> None:
    """The proof reports a token that is decided against the design, or another user's forbidden change."""
    proof = PROOFS.get(bug, ORACLE)
    run = _prove(_copy(tmp_path, BUGS[bug]), proof, proof.reduced)
    assert run.returncode == 1, run.stdout + run.stderr
    assert ": seed " in run.stdout, run.stdout + run.stderr
    print(f"\n{bug}: {run.stdout}")


@pytest.mark.parametrize("proof", [ORACLE, OWNERSHIP], ids=lambda proof: proof.script)
def test_the_proof_finds_nothing_in_a_plain_copy(proof: Proof, tmp_path: Path) -> None:
    """A copy with no bug in it differs nowhere: what is found is the bug, not the copying."""
    run = _prove(_copy(tmp_path, []), proof, proof.quick)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.endswith(f": {proof.nothing}\n")
