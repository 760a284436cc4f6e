"""The page of mapfiles, from their schema: every key, whether it is required, and its values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tools.manual.meanings import MEANINGS
from tools.manual.model import Block, Code, Page, Paragraph, Section, Table

from vomap.mapfile.entries import CONDITIONS, OUTCOMES
from vomap.mapfile.schema import mapfile_schema

DESIGN = Path(__file__).resolve().parents[2] / "docs" / "design" / "mapfile.md"
_BANS_ONLY = ("jti", "client")


def _listed(keys: Sequence[str], without: Sequence[str] = ()) -> str:
    return ", ".join(f"`{key}`" for key in keys if key not in without)


_RULES = (
    "vomap tries the rules in order, and the first rule that matches decides. The conditions are "
    f"{_listed((*CONDITIONS, 'first-group'), _BANS_ONLY)}. A rule needs `issuer` or `vo`. All conditions of a rule "
    "must match. A condition with a list matches if one of its values does. Each rule has exactly one of "
    f"{_listed(OUTCOMES)}."
)
_POOLS = (
    "Each key is the name of a pool. This version checks and tests pools, but leases no accounts. If a rule with "
    "`pool` decides, the outcome at a callout is an error."
)
_BANS = (
    "Bans are in files of their own, in the folder of bans. A ban needs at least one condition. vomap applies bans "
    "before the rules. A ban reads all strings of a claim, and reads each group both as written and split at commas."
)
_ISSUERS = (
    "The list of the issuers that the site trusts. Each key is the URL of an issuer, exactly as in its tokens. The "
    "value is `none` or a mapping. If an issuer writes its groups into one string with commas, declare that: "
    "`https://scitokens.example.org/cms: {vo: CMS, groups: {form: comma-separated}}`. "
    "With `groups: {claim: groups}`, vomap reads the groups from the claim `groups`. It adds a missing first slash, "
    "and ignores roles in such a claim. In Keycloak, set the mapper to `Full group path`. Without it, every subgroup "
    "with the name `cms` counts as `/cms`. "
    "`profile: other` is for tokens with neither `ver` nor `wlcg.ver`, such as those of Keycloak. HTCondor calls them "
    "foreign, and refuses them before it asks vomap unless its configuration lists the issuer. `vomap render htcondor` "
    "lists it. `wlcg` and `scitokens` say that the tokens have a version. An issuer with `entitlements` or "
    "`without-audience` cannot have them."
)
# The parts of a mapfile: the key, the definition in the schema, and the text about the part.
PARTS = (
    ("site", "site", "The demands of the site on every token and account. Each key is in one file only."),
    ("issuers", "issuer", _ISSUERS),
    ("rules", "rule", _RULES),
    ("pools", "pool", _POOLS),
    ("tests", "test", "Tests are a part of the policy. `vomap build` refuses a policy if a test fails."),
    ("bans", "ban", _BANS),
)


def mapfile_page() -> Page:
    """Return the page."""
    schema = mapfile_schema()
    sections = [
        Section("Description", [Paragraph(_DESCRIPTION), _keys("mapfile", schema)]),
        *(Section(name, _part(schema, text, definition)) for name, definition, text in PARTS),
        Section("Patterns", [Paragraph(" ".join(text.split())) for text in _PATTERNS.split("\n\n")]),
        Section("Example", [Code(example(), "yaml")]),
    ]
    also = ("vomap(1)", "vomap-check(1)", "vomap-test(1)", "vomap-build(1)", "vomap-explain(1)", "vomap-ban(1)")
    return Page(
        "vomap-mapfile", 5, "the issuers that a site trusts, and the accounts of their tokens", [], sections, also
    )


def example() -> str:
    """Return the example of the design, which the tests check, build and ask."""
    found = re.search(r"```yaml\n(mapfile: 1\n.*?)```", DESIGN.read_text("utf-8"), re.DOTALL)
    assert found is not None
    return found[1]


def keys_of(name: str, schema: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Mapping[str, Any], bool]]:
    """Yield every key of an object of the schema and of those in it: its path, its schema, whether it must be there."""
    for key, member in schema.get("properties", {}).items():
        path = f"{before}{key}"
        resolved = _resolved(member)
        yield path, resolved, key in schema.get("required", ())
        if "properties" in resolved and name != "mapfile":
            yield from keys_of(name, resolved, f"{path}: ")


def _part(schema: Mapping[str, Any], text: str, definition: str) -> list[Block]:
    return [Paragraph(text), _keys(definition, schema["definitions"][definition])]


def _keys(name: str, schema: Mapping[str, Any]) -> Table:
    rows = [
        [f"`{path}`", MEANINGS[name].get(path, ""), str(member.get("description", "")), "required" if must else ""]
        for path, member, must in keys_of(name, schema)
    ]
    return Table(["key", "meaning", "value", ""], rows, titled=False)


def _resolved(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref")
    definition: Mapping[str, Any] = (
        schema if reference is None else mapfile_schema()["definitions"][reference.rpartition("/")[2]]
    )
    return definition


_DESCRIPTION = (
    "Mapfiles are YAML files, `*.yaml`, in one folder. vomap reads them in the order of their names, and they make one "
    "policy. Every scalar is text. `no` means false only as the value of a yes-or-no key. These are errors: unknown or "
    "repeated keys, tags, anchors, aliases, empty values, and empty lists (except `bans`). `vomap check` reports all "
    "errors in one run, each with file, line and column."
)
_PATTERNS = """\
`subject`, `group`, `first-group`, `scope` and `claim` take patterns. A pattern is literal text, which vomap compares
byte for byte. `/` separates its parts. `*` matches one or more characters within one part. A part has at most one `*`
or `<name>`. `/**` at the end of a group, scope or subject matches the path before it and everything below, and such a
pattern captures nothing. A pattern matches nothing else: `/cms` does not match `/cms/pilots`. There are no regular
expressions. `/**` may also come before a role: `/biomed/**/Role=member` is the role `member` at any depth.

This list matches all subjects that begin with `frontend`: `[frontend, "frontend*", "frontend/**", "frontend*/**"]`.

`<name>` captures one word of `subject`, or of a `claim` that has one value. `account` may use the word. `account` may
also use `<vo>`, the name of the VO in lower case. A capture may not give an account that another rule, `rename` or a
pool names: then the rule does not match.

A group without `Role=` matches with any role. Write a role so: `/vo.example.org/Role=pilot`.

`issuer`, `vo`, `audience`, `jti` and `client` are literal. vomap compares the VOs of the policy without case. If an
issuer has no `vos`, the VO's name is the token's own word. The token must spell it as `serve`, a rule or a declaration
does. If none of them names the VO, only a name in lower case counts."""
