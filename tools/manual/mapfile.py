"""The page of mapfiles, from their schema: every key, whether it must be there, and what it may hold."""

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
    "In order; the first that matches decides. The conditions are "
    f"{_listed((*CONDITIONS, 'first-group'), _BANS_ONLY)}; a rule names at "
    "least `issuer` or `vo`. All keys must match. Within a key, one value of a list must match. There is exactly one "
    f"of {_listed(OUTCOMES)}."
)
_POOLS = (
    "Each key is a pool's name. This version checks and tests pools and leases no accounts: a callout answers a rule "
    "with `pool` by an error."
)
_BANS = (
    "In files of their own, in the folder of bans. A ban needs at least one condition, and goes before any rule. It "
    "sees every reading of a token: all strings of a claim, and each group as written and split at commas."
)
_ISSUERS = (
    "The trust list. Each key is an issuer's URL, as tokens write it. Its value is `none` or a mapping. An issuer that "
    "writes its groups into one string, with commas between them, is declared so: "
    "`https://scitokens.example.org/cms: {vo: CMS, groups: {form: comma-separated}}`. "
    "With `groups: {claim: groups}` the claim `groups` lists them; a first slash that is missing there is added, and "
    "such a claim holds no roles. In Keycloak, set the mapper to `Full group path`: without it any subgroup called "
    "`cms` counts as `/cms`."
)
# The parts of a mapfile: the key, the definition in the schema, and the text about the part.
PARTS = (
    ("site", "site", "The demands of the site on every token and account. Each key is in one file only."),
    ("issuers", "issuer", _ISSUERS),
    ("rules", "rule", _RULES),
    ("pools", "pool", _POOLS),
    ("tests", "test", "Part of the policy: `vomap build` refuses a policy that fails one."),
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
    return Page("vomap-mapfile", 5, "what a site trusts, and which token becomes which account", [], sections, also)


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
        [f"`{path}`", MEANINGS[name].get(path, ""), str(member.get("description", "")), "needed" if must else ""]
        for path, member, must in keys_of(name, schema)
    ]
    return Table(["key", "what it means", "what it holds", ""], rows, titled=False)


def _resolved(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref")
    definition: Mapping[str, Any] = (
        schema if reference is None else mapfile_schema()["definitions"][reference.rpartition("/")[2]]
    )
    return definition


_DESCRIPTION = (
    "Mapfiles are YAML files, `*.yaml`, in one folder; they are read in the order of their names and make one policy. "
    "Every scalar is text: `no` is false only where a truth value is meant. Unknown keys, keys that are there twice, "
    "tags, anchors, aliases, empty values and empty lists (but `bans`) are errors. `vomap check` reports every error "
    "of a run, each with file, line and column."
)
_PATTERNS = """\
`subject`, `group`, `first-group`, `scope` and `claim` take patterns: literal text, compared byte for byte. Parts are
split by `/`. `*` is one or more characters within one part; a part has at most one `*` or `<name>`. `/**` at the end
of a group or scope is the thing itself and everything below it. Nothing covers anything implicitly. There are no
regular expressions.

`<name>` captures one word of `subject`, or of a `claim` that has one value; `account` may use it, and `<vo>`, the VO's
name in lower case. A rule whose capture gives an account that another rule, a rename or a pool names does not match.

A group without `Role=` matches whatever the role. A role is written `/vo.example.org/Role=pilot`.

`issuer`, `vo`, `audience`, `jti` and `client` are literal. The VOs of the policy are compared without case. Where an
issuer has no `vos`, the VO's name is the token's own word. It counts as `serve`, a rule or a declaration spells it, and
in lower case where none does."""
