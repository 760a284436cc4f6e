"""A mapfile that another user can write may contain only listed keys. Every other key is an error at its place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from osg_mapfile import generate
from vomap.files.trusted import Custody
from vomap.mapfile.bans import compose_bans
from vomap.mapfile.compose import compose, find_refusals
from vomap.mapfile.files import Mapfile, read_files
from vomap.mapfile.findings import Finding, Findings
from vomap.mapfile.foreign import refused_in_document, refused_in_rule
from vomap.mapfile.reader import read_yaml
from vomap.mapfile.schema import mapfile_schema

ROOT = Path(__file__).parents[3]
TOPOLOGY = ROOT / "mapfiles" / "osg-topology"
THEIRS = Custody("vomap-refresh", "chown root /state/osg.yaml /state")
HEAD = "mapfile: 1\n"
ISSUER = "issuers:\n  https://a.example/: {vo: A%s}\n"
RULE = "rules:\n  - {name: r, issuer: https://a.example/, %s}\n"
TEST = "tests:\n  - {token: {iss: https://a.example/, sub: x}, expect: declined%s}\n"
ALLOWED = f"""\
{HEAD}\
issuers:
  https://a.example/: {{vo: A}}
  https://b.example/:
    vo-from: [scope-path, group]
    vos: {{b: B, c: C}}
    default-vo: B
    entitlements: {{namespace: "urn:x:y", authority: b.example}}
rules:
  - {{name: one, issuer: https://a.example/, subject: [x, "y*"], account: one}}
  - {{name: two, vo: B, group: /b/**, first-group: /b, scope: "storage.read:/b", account: two}}
tests:
  - {{token: {{iss: https://z.example/, sub: x}}, expect: declined, alone: yes, at: 2026-12-31}}
  - {{token: {{iss: https://z.example/, sub: x}}, expect: declined, alone: "true"}}
"""


def refusals(*texts: str, theirs: int = 0) -> list[Finding]:
    """Compose mapfiles, one of them foreign, and return its refusals. There are no other errors."""
    files = [Mapfile(f"{at}.yaml", text) for at, text in enumerate(texts)]
    files[theirs] = Mapfile(files[theirs].path, texts[theirs], THEIRS)
    findings, refused = Findings(), Findings()
    compose(files, findings, refusals=refused)
    assert findings.errors == []
    return refused.errors


def test_what_is_allowed() -> None:
    """A foreign file may contain issuers and their VOs, rules with plain accounts, and tests of the file alone."""
    assert refusals(ALLOWED) == []


@pytest.mark.parametrize(
    ("text", "at", "what"),
    [
        (HEAD + "site: {accounts: {minimum-uid: 1}, log: {to: none}}\n", "site:", "`site`"),
        (HEAD + "pools: {p: {accounts: [p1]}}\n", "pools:", "`pools`"),
        (HEAD + "issuers: {https://a.example/: none}\n", "https:", "https://a.example/: none"),
        (HEAD + ISSUER % ", audience: unchecked", "audience:", "`audience`"),
        (HEAD + ISSUER % ", without-audience: accept", "without-audience", "`without-audience`"),
        (HEAD + ISSUER % ", without-compute: accept", "without-compute", "`without-compute`"),
        (
            HEAD + 'issuers:\n  https://a.example/: {vo: A, entitlements: {namespace: "urn:x:y", in-scope: yes}}\n',
            "in-scope",
            "`in-scope`",
        ),
        (HEAD + RULE % "deny: no", "deny:", "`deny`"),
        (HEAD + "pools: {p: {accounts: [p1]}}\n" + RULE % "pool: p", "pool: p", "`pool`"),
        (HEAD + RULE % 'subject: "<user>@x", account: <user>', "<user>}", "`account: <user>`"),
        (HEAD + RULE % "account: <vo>pro", "<vo>", "`account: <vo>pro`"),
        (HEAD + RULE % "account: a, audience: x", "audience:", "`audience`"),
        (HEAD + RULE % "account: a, claim: {email: x}", "claim:", "`claim`"),
        (HEAD + TEST % "", "{token", "a test without `alone: yes`"),
        (HEAD + TEST % ", alone: no", "{token", "a test without `alone: yes`"),
    ],
)
def test_all_else_is_refused(text: str, at: str, what: str) -> None:
    """The refusal names the place, the user, and the command for an administrator who trusts the file."""
    found = refusals(text)
    begin = text.rindex(at)
    place = f"{text.count(chr(10), 0, begin) + 1}:{begin - text.rindex(chr(10), 0, begin)}"
    assert (f"0.yaml:{place}", what) in [(str(each.place), each.message.split(" is refused ")[0]) for each in found]
    for each in found:
        assert " is refused in a file that vomap-refresh can write; such a file may contain only " in each.message
        assert each.message.endswith("If you trust the content: `chown root /state/osg.yaml /state`")
    # The same key is valid in a file of root.
    assert compose([Mapfile("0.yaml", text)], findings := Findings(), refusals=findings)
    assert findings.errors == []


def test_each_key_of_the_language_is_decided_on() -> None:
    """A foreign file may not use a key outside the list, nor a key that a later version adds."""
    schema = mapfile_schema()
    keys = {kind: set(schema["definitions"][kind]["properties"]) for kind in ("issuer", "rule", "test")}
    keys[""] = set(schema["properties"])
    allowed = {
        "": {"mapfile", "issuers", "rules", "tests"},
        "issuer": {"vo", "vo-from", "vos", "default-vo", "entitlements"},
        "rule": {"name", "issuer", "vo", "subject", "group", "first-group", "scope", "account"},
        "test": {"token", "expect", "at", "alone"},
    }
    for kind, legal in keys.items():
        for key in [*legal, "a-key-to-come"]:
            refused = _refused(kind, key)
            assert ([f"`{key}`"] if key not in allowed[kind] else []) == [each for each in refused if each[0] == "`"]


def _refused(kind: str, key: str) -> list[str]:
    """Return the refusals of a file, an issuer, a rule or a test with this key. The schema does not matter."""
    member = json.dumps({key: "group" if key == "vo-from" else "x"})
    texts = {"issuer": f"{{issuers: {{u: {member}}}}}", "test": f"{{tests: [{member}]}}"}
    text = texts.get(kind, member)
    node = read_yaml(text, "m.yaml", Findings())
    assert node is not None
    found = refused_in_rule(node) if kind == "rule" else refused_in_document(node, {"tests": [{"alone": True}]})
    return [what for _, what in found]


@pytest.mark.parametrize("value", ["subject", "anything"])
def test_other_sources_of_vos_are_refused(value: str) -> None:
    """A foreign file may not use other VO sources, nor one that a later version adds."""
    node = read_yaml(f"issuers: {{u: {{vo-from: [group, {value}]}}}}", "m.yaml", Findings())
    assert node is not None
    assert [what for _, what in refused_in_document(node, {})] == [f"`vo-from`: {value}"]


def test_several_entitlements_are_each_looked_at() -> None:
    """If `entitlements` is a list, vomap checks each entry."""
    text = "issuers: {u: {vo: A, entitlements: [{namespace: n, authority: a}, {namespace: n, in-scope: yes}]}}"
    node = read_yaml(text, "m.yaml", Findings())
    assert node is not None
    assert [what for _, what in refused_in_document(node, {})] == ["`in-scope`"]


def test_a_declaration_of_ours_is_not_hidden() -> None:
    """A foreign declaration may not override a later one of root, because it could undo a `none`."""
    ours = HEAD + "issuers: {https://a.example/: none}\n"
    theirs = HEAD + ISSUER % ""
    (found,) = refusals(theirs, ours)
    assert str(found.place) == "0.yaml:3:3"
    assert found.message.startswith(
        "https://a.example/: a declaration that overrides a later one (1.yaml:2; rename this file"
    )
    assert refusals(ours, theirs, theirs=1) == []
    assert refusals(theirs, theirs) == []


def test_bans_of_others_are_refused() -> None:
    """A foreign file may not contain bans: a user who can write bans can lift them."""
    file = Mapfile("b.yaml", "mapfile: 1\nbans:\n  - {vo: A, reason: r}\n", THEIRS)
    compose_bans([file], findings := Findings(), findings)
    (error,) = findings.errors
    assert error.message == (
        "vomap-refresh can write this file of bans; expected owner: root. If you trust the content: "
        "`chown root /state/osg.yaml /state`"
    )
    compose_bans([file], findings := Findings())
    assert findings.errors == []


def test_nobody_is_judged_unless_it_is_asked() -> None:
    """A command that only reads, such as `explain` or `diff`, accepts foreign files."""
    compose([Mapfile("m.yaml", HEAD + "site: {audience: ANY}\n", THEIRS)], findings := Findings())
    assert findings.errors == []


def test_a_file_with_faults_is_refused_whatever_it_says() -> None:
    """The refusal names all faults of owner and mode. The content of the file does not matter."""
    file = Mapfile("m.yaml", ALLOWED, Custody(faults=("one", "two")))
    compose([file], Findings(), refusals=(refused := Findings()))
    assert [str(each) for each in refused.errors] == ["m.yaml:1:1: one", "m.yaml:1:1: two"]
    assert find_refusals([file]) == refused.errors


def test_as_warnings() -> None:
    """Each file has one warning, with the first reason and the number of other reasons."""
    files = [Mapfile("a.yaml", HEAD + "site: {audience: ANY}\n" + RULE % "deny: no", THEIRS), Mapfile("b.yaml", HEAD)]
    compose(files, Findings(), refusals=(refused := Findings()))
    (warning,) = refused.as_warnings
    told = (
        "a.yaml:2:1: warning: `vomap build` would refuse this file (for this, and 1 more): `site` is refused in a file"
    )
    assert str(warning).startswith(told)


def test_the_mapfile_that_ships_may_be_anybodys() -> None:
    """The shipped osg.yaml has no refusal as a foreign file: the refresh service updates it."""
    (osg,) = read_files([str(ROOT / "mapfiles" / "osg.yaml")])
    assert refusals(osg.text) == []


@pytest.mark.parametrize(("only", "multi_vos"), [([], []), (["CMS", "Fermilab"], []), ([], ["GLOW"])])
def test_what_generate_writes_may_be_anybodys(only: list[str], multi_vos: list[str]) -> None:
    """A generated mapfile has no refusal as a foreign file, with any options of the generator."""
    text = generate(str(TOPOLOGY), only=only, multi_vos=multi_vos).text
    assert refusals(text) == []
    assert compose([Mapfile("osg.yaml", text)], Findings()).document["rules"]
