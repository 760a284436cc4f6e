"""The linter: each code fires on its bad example, not on its good one, and on nothing shipped but what is listed."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from vomap.analysis import lint as mapfile_linter
from vomap.analysis.lint.context import LintContext
from vomap.bans import lint as ban_linter
from vomap.mapfile.bans import compose_bans
from vomap.mapfile.compose import compose
from vomap.mapfile.files import Mapfile, read_files
from vomap.mapfile.findings import Finding, Findings

if TYPE_CHECKING:
    from vomap.policy.documents import BanDocument

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "tests" / "lint"
CODES = mapfile_linter.CODES | ban_linter.CODES
# Those of bans alone hold in 2026, or in 2099.
NOW = time.mktime((2026, 11, 22, 12, 0, 0, 0, 0, 0))
SITE = "mapfile: 1\nsite: {audience: [ANY]}\n"
MANY = """\
issuers:
  https://many/:
    vo-from: [scope-path, group]
    vos: {a: A, b: B}
"""
ONE = "issuers: {https://one/: {vo: One}, https://two/: {vo: Two}}\n"
GROUPED = "issuers: {https://groups/: {vo-from: [group], vos: {c: C}}}\n"
FREE = "issuers: {https://free/: {vo-from: [group], default-vo: C}, https://d/: {vo-from: [group], vos: [D, E]}}\n"
DISTRIBUTED = """\
mapfile: 1
issuers: {https://one/: {vo: One}, https://two/: {vo: Two}}
rules:
  - {name: ones, vo: One, account: ones}
  - {name: twos, issuer: https://two/, account: twos}
tests:
  - {token: {iss: https://one/, sub: x, scope: compute.read}, alone: yes, expect: {account: ones}}
"""


def _composed(*files: Mapfile) -> Any:
    findings = Findings()
    composition = compose(files, findings)
    findings.raise_errors()
    return composition


def _bans(*files: Mapfile) -> list[BanDocument]:
    findings = Findings()
    bans = compose_bans(files, findings)["bans"]
    findings.raise_errors()
    return bans


def warnings(files: Sequence[Mapfile], bans: Sequence[Mapfile] = ()) -> list[Finding]:
    """Return what the linter warns of."""
    context = LintContext(_composed(*files), _bans(*bans), NOW)
    return [*mapfile_linter.lint_mapfiles(context).warnings, *ban_linter.lint_bans(context).warnings]


def _codes(*texts: str, bans: str = "") -> list[tuple[str | None, str, int]]:
    """Return the codes, files and lines of the warnings of mapfiles called 0.yaml, 1.yaml and so on."""
    files = [Mapfile(f"{number}.yaml", text) for number, text in enumerate(texts)]
    ban_files = [Mapfile("bans.yaml", f"mapfile: 1\nbans:\n{bans}")] if bans else []
    found = warnings(files, ban_files)
    return [(each.code, each.place.file, each.place.line) for each in found]


def _example(code: str, kind: str) -> list[Finding]:
    folder = EXAMPLES / code
    bans = folder / f"{kind}-bans.yaml"
    return warnings(read_files([str(folder / f"{kind}.yaml")]), read_files([str(bans)]) if bans.exists() else [])


def test_every_code_has_its_examples() -> None:
    """There is a folder of examples for each code, and no other."""
    assert {folder.name for folder in EXAMPLES.iterdir()} == CODES


@pytest.mark.parametrize("code", sorted(CODES))
def test_a_code_fires_on_its_bad_example(code: str) -> None:
    """The bad example has just what its code is for."""
    assert [each.code for each in _example(code, "bad")] == [code]


@pytest.mark.parametrize("code", sorted(CODES))
def test_no_code_fires_on_a_good_example(code: str) -> None:
    """The good example, which differs in little, has nothing to warn of."""
    assert _example(code, "good") == []


@pytest.mark.parametrize("code", sorted(CODES))
def test_a_warning_is_one_line_with_its_code(code: str) -> None:
    """Each warning is one line that ends with its code and begins with a place of the example."""
    (warning,) = _example(code, "bad")
    assert str(warning).endswith(f" [{code}]")
    assert str(warning).startswith(f"{EXAMPLES / code}/bad")
    assert "\n" not in str(warning)


# What ships


_SHIPPED = [ROOT / "mapfiles" / name for name in ("egi.yaml", "fermilab.yaml", "osg.yaml")]
_SITES = {
    # Serves all, and keeps every guard.
    "open": "mapfile: 1\nsite: {audience: [ce01.example.org:9619]}\n",
    # Serves few, renames some, and goes before what is distributed with a rule of its own.
    "typical": """\
mapfile: 1
site:
  audience: [ce01.example.org:9619, ANY]
  serve: [CMS, Nova, Fermilab, vo.example.org]
  rename: {cmspilot: cms001}
rules:
  - {name: cms-pilots-here, issuer: https://cms-auth.web.cern.ch/, subject: bad55f4e-602c-4e8d-a5c5-bd8ffb762113,
     account: cmslocal}
""",
    # Distrusts what another file trusts.
    "strict": """\
mapfile: 1
site: {audience: [ANY], serve: [CMS]}
issuers: {https://cms-auth.cern.ch/: none}
""",
}
# What fires on what ships, and why it is meant: by what is checked, the code and the rule or issuer.
_DELIBERATE: dict[str, set[tuple[str, str]]] = {
    # The site's rename is for an account of osg.yaml, which is not there.
    "typical egi.yaml": {("unused-rename", "cmspilot"), ("undeclared-issuer", "cms-pilots-here")},
    "typical fermilab.yaml": {("unused-rename", "cmspilot"), ("undeclared-issuer", "cms-pilots-here")},
}


def _deliberate(key: str, found: Sequence[Finding]) -> None:
    listed = _DELIBERATE.get(key, set())
    assert {each.code for each in found} == {code for code, _ in listed}, [str(each) for each in found]
    assert len(found) == len(listed)
    for code, word in listed:
        assert any(each.code == code and word in each.message for each in found)


@pytest.mark.parametrize("path", _SHIPPED, ids=lambda path: path.name)
def test_a_shipped_mapfile_alone_has_no_warning(path: Path) -> None:
    """A mapfile that ships, by itself."""
    _deliberate(path.name, warnings(read_files([str(path)])))


@pytest.mark.parametrize("site", _SITES)
@pytest.mark.parametrize("names", [("egi.yaml",), ("fermilab.yaml",), ("osg.yaml",), tuple(p.name for p in _SHIPPED)])
def test_a_shipped_mapfile_in_a_site_has_no_warning(site: str, names: tuple[str, ...]) -> None:
    """The mapfiles that ship, linked by a site: what it does not serve, or has decided before, is its choice."""
    files = [Mapfile("10-site.yaml", _SITES[site]), *read_files([str(ROOT / "mapfiles" / name) for name in names])]
    _deliberate(f"{site} {' '.join(names)}", warnings(files))


def test_the_demonstration_has_no_warning() -> None:
    """The demonstration's site, with the mapfile that it links and its bans."""
    files = read_files([str(ROOT / "demo" / "10-site.yaml"), str(ROOT / "mapfiles" / "osg.yaml")])
    assert warnings(files, read_files([str(ROOT / "demo" / "bans.yaml")])) == []


# What a code is not for, and what else it is for


def _rules(*rules: str) -> str:
    return "rules:\n" + "".join(f"  - {{name: r{number}, {rule}}}\n" for number, rule in enumerate(rules))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # An earlier rule that takes some leaves others.
        (MANY + _rules("vo: A, group: /a/x, scope: x, account: y", "vo: A, group: /a, account: x"), []),
        (MANY + _rules("vo: A, audience: ANY, account: x", "vo: A, account: y"), [("unreachable-rule", 9)]),
        (ONE + _rules("vo: One, scope: compute.create, account: x", "vo: One, account: y"), []),
        (ONE + _rules('vo: One, subject: "*@x", account: x', "vo: One, subject: a@x, account: y"), "unreachable"),
        # A capture does not give an account that a rule names.
        (ONE + _rules("vo: One, subject: <u>@x, account: <u>", "vo: One, subject: y@x, account: y"), []),
        (ONE + _rules("vo: One, subject: <u>@x, account: <u>", "vo: One, subject: z@x, account: y"), "unreachable"),
        # Several earlier rules together.
        (
            MANY + _rules("vo: A, account: x", "vo: B, account: y", "vo: [A, B], group: /a, account: <vo>z"),
            "unreachable",
        ),
        # A rule that refuses takes, too.
        (ONE + _rules("vo: One, deny: never", "vo: One, subject: a, account: y"), "unreachable"),
        # Each of these takes the simplest tokens of the next, and not all.
        (ONE + _rules("vo: One, subject: <u>, account: x<u>", "vo: One, account: y"), []),
        (ONE + _rules('vo: One, subject: "*", account: x', "vo: One, account: y"), []),
        (ONE + _rules('vo: One, audience: ANY, subject: "*", account: x', "vo: One, account: y"), []),
        (GROUPED + _rules("vo: C, group: /c, account: x", "vo: C, account: y"), []),
        (GROUPED + _rules("vo: C, first-group: /c, account: x", "vo: C, group: /c, account: y"), []),
        (GROUPED + _rules('vo: C, group: "/**", account: x', "vo: C, account: y"), "unreachable"),
        (MANY + _rules("vo: A, scope: storage.read:/a, group: /a, account: x", "vo: A, account: y"), []),
        (
            FREE + _rules("issuer: https://free/, account: x<vo>", "issuer: https://free/, account: y<vo>"),
            "unreachable",
        ),
        (FREE + _rules("issuer: https://free/, account: x<vo>", "issuer: https://free/, vo: C, account: y"), []),
        # Patterns that leave the VO open.
        (MANY + _rules('vo: [A, B], scope: "storage.create:/*/data", account: <vo>x'), []),
        (MANY + _rules('issuer: https://many/, scope: "storage.create:/*/data", account: <vo>x'), []),
    ],
)
def test_reaching(text: str, expected: Any) -> None:
    """A rule is unreachable if earlier ones take all of its tokens, and only then."""
    found = [(code, line) for code, _, line in _codes(SITE + text) if code != "group-without-scope"]
    last = SITE.count("\n") + text.count("\n")
    assert found == ([("unreachable-rule", last)] if expected == "unreachable" else expected)


def test_an_audience_is_gone_around() -> None:
    """A rule for one audience leaves the tokens for another one."""
    site = "mapfile: 1\nsite: {audience: [ANY, ce]}\n"
    rules = _rules("vo: One, audience: ANY, account: x", "vo: One, account: y")
    assert _codes(site + ONE + rules) == []


def test_the_takers_are_named() -> None:
    """The warning says by which rules, and of many not all."""
    rules = [f"vo: One, subject: s{number}, account: x" for number in range(4)]
    text = SITE + ONE + _rules(*rules, "vo: One, subject: [s0, s1, s2, s3], account: y")
    (warning,) = warnings([Mapfile("m.yaml", text)])
    assert warning.message == (
        "rule r4 decides no token: earlier rules take all of its tokens: r0 (m.yaml:5), r1 (m.yaml:6), "
        "r2 (m.yaml:7), others"
    )


def test_what_a_site_makes_of_a_distributed_mapfile() -> None:
    """Nothing is said of its rules that the site does not serve, distrusts, or decides before; but of its own are."""
    site = "mapfile: 1\nsite: {audience: [ANY], serve: [One]}\nissuers: {https://two/: none}\n"
    assert _codes(site + _rules("vo: One, account: first"), DISTRIBUTED) == []
    again = DISTRIBUTED.replace("tests:", "  - {name: again, vo: One, subject: x, account: ones}\ntests:")
    assert _codes(site, again) == [("unreachable-rule", "1.yaml", 6)]


def test_a_file_without_a_site_is_no_whole_site() -> None:
    """What a file beside it may settle is not said of it."""
    assert _codes("mapfile: 1\n" + _rules("issuer: https://one/, vo: One, account: x")) == []
    text = "mapfile: 1\nsite: {serve: [Two], rename: {y: z}}\n" + _rules("vo: One, account: x")
    assert _codes(text, bans="  - {vo: Nobody, reason: r}\n") == []


@pytest.mark.parametrize(
    ("declared", "rule", "code"),
    [
        (ONE, "issuer: [https://one/, https://three/], account: x", "undeclared-issuer"),
        ("issuers: {https://one/: none}\n", "issuer: https://one/, account: x", "undeclared-issuer"),
        (ONE, "vo: [One, Three], account: x", "unknown-vo"),
        (ONE, "issuer: https://one/, vo: Two, account: x", "unknown-vo"),
        ("issuers: {https://f/: {vo-from: group}}\n", "vo: Anything, account: x", None),
        (ONE, "vo: [one], account: x", None),
    ],
)
def test_rules_about_nobody(declared: str, rule: str, code: str | None) -> None:
    """Each issuer and VO of a rule is looked up; an issuer without `vos` may name any VO that no other has."""
    declared = declared.replace("vo-from: group", "vo-from: [group]")
    assert [found for found, _, _ in _codes(SITE + declared + _rules(rule))] == ([code] if code else [])


@pytest.mark.parametrize(
    ("serve", "rule", "fires"),
    [
        ("[One]", "vo: [One, Two], account: x<vo>", False),
        ("[One]", "issuer: https://two/, account: x", True),
        ("[One]", "issuer: [https://one/, https://two/], account: x", False),
        ("[A]", "issuer: https://many/, group: /a, account: x", False),
        ("[One]", "issuer: https://many/, group: /a, account: x", True),
    ],
)
def test_unserved(serve: str, rule: str, fires: bool) -> None:
    """A rule is unserved if the site serves none of its VOs, be they its own or its issuers'."""
    declared = MANY + "  https://one/: {vo: One}\n  https://two/: {vo: Two}\n"
    site = SITE.replace("]}", f"], serve: {serve}}}")
    assert [code for code, _, _ in _codes(site + declared + _rules(rule))] == (["unserved-vo"] if fires else [])


@pytest.mark.parametrize(
    ("site", "rule", "fires"),
    [
        ("", "issuer: https://many/, account: x", True),
        ("", "issuer: https://many/, audience: ANY, account: x", True),
        ("", "issuer: https://many/, deny: x", False),
        ("", "issuer: https://many/, vo: A, account: x", False),
        ("", 'issuer: https://many/, subject: "*@x", account: x', False),
        (", serve: [A]", "issuer: https://many/, account: x", False),
        (", serve: [A, B]", "issuer: https://many/, account: x", True),
        (", serve: [A]", "issuer: https://free/, account: x", False),
        (", serve: [C, D]", "issuer: https://free/, account: x", True),
    ],
)
def test_issuer_alone(site: str, rule: str, fires: bool) -> None:
    """An issuer is alone in a rule that nothing narrows, if tokens of several VOs come from it."""
    text = SITE.replace("]}", f"]{site}}}") + MANY + "  https://free/: {vo-from: [group]}\n" + _rules(rule)
    found = [code for code, _, _ in _codes(text) if code != "unserved-vo"]
    assert found == (["issuer-alone"] if fires else [])


@pytest.mark.parametrize(
    ("rule", "fires"),
    [
        ("vo: A, group: /a/x, account: x", True),
        ("vo: A, group: /a/Role=pilot, account: x", True),
        ('vo: A, subject: "*@x", group: /a/x, account: x', True),
        ("vo: A, subject: a@x, group: /a/x, account: x", False),
        ("vo: A, subject: <u>@x, group: /a/x, account: <u>", False),
        ("vo: A, group: /a/x, deny: x", False),
        ("vo: A, group: /a/**, account: x", False),
        ("issuer: https://groups/, vo: C, group: /c/x, account: x", False),
    ],
)
def test_group_without_scope(rule: str, fires: bool) -> None:
    """A role's account wants more than a group, where the issuer's scopes say what a token is for."""
    text = SITE + MANY + "  https://groups/: {vo-from: [group], vos: {c: C}}\n" + _rules(rule)
    assert [code for code, _, _ in _codes(text)] == (["group-without-scope"] if fires else [])


@pytest.mark.parametrize(
    ("urls", "fires"),
    [
        ({"https://x/a": "{vo: A}", "https://x/a/": "{vo: B}"}, True),
        ({"https://x/a": "{vo: A}", "https://x/a/": "none"}, True),
        ({"https://x/a": "{vo: A}", "https://x/ab": "{vo: a}"}, True),
        ({"https://x/a": "{vo: A}", "https://x/ab": "{vo: B}"}, False),
        ({"https://x/a": "{vo: A}", "https://x/ab": "none"}, False),
        ({"https://x/a": "{vo: A}", "https://y/a": "{vo: A}"}, False),
    ],
)
def test_similar_issuers(urls: dict[str, str], fires: bool) -> None:
    """A slash is always worth a word; a common beginning only if both speak for one VO."""
    declared = "issuers:\n" + "".join(f"  {url}: {text}\n" for url, text in urls.items())
    assert [code for code, _, _ in _codes(SITE + declared)] == (["similar-issuers"] if fires else [])


def test_a_distrusted_issuer_may_be_http() -> None:
    """Only what is trusted has keys."""
    assert _codes(SITE + "issuers: {http://x/: none}\n") == []


@pytest.mark.parametrize(
    ("site", "rules", "lines"),
    [
        ("", ["vo: One, account: x", "vo: Two, account: x", "vo: [One, Two], account: x"], [5]),
        ("", ["vo: [One, Two], account: x"], [4]),
        (", rename: {y: x}", ["vo: One, account: x", "vo: Two, account: y"], [5]),
        (", rename: {x: y}", ["vo: One, account: x", "vo: Two, account: x<vo>"], []),
        (", serve: [One]", ["vo: [One, Two], account: x"], []),
        ("", ["issuer: [https://one/, https://two/], account: x"], [4]),
        ("", ["vo: [One, Two], account: x<vo>"], []),
        ("", ["vo: One, subject: a, account: x", "vo: One, account: x"], []),
    ],
)
def test_shared_accounts(site: str, rules: list[str], lines: list[int]) -> None:
    """An account is shared as the site calls it, by the VOs that it serves; each VO is told once."""
    found = _codes(SITE.replace("]}", f"]{site}}}") + ONE + _rules(*rules))
    assert [line for code, _, line in found if code == "shared-account"] == [line + 1 for line in lines]


@pytest.mark.parametrize(
    ("site", "rule", "fires"),
    [
        ("", "vo: One, account: condor", True),
        (", rename: {x: slurm}", "vo: One, account: x", True),
        ("", "vo: One, account: condor2", False),
        ("", "vo: One, subject: <u>@x, account: <u>", False),
        (", accounts: {must-exist: no}", "vo: One, subject: <u>@x, account: <u>", False),
        (", accounts: {minimum-uid: 500}", "vo: One, subject: <u>@x, account: one-<u>", False),
        (", accounts: {minimum-uid: 500}", "vo: One, subject: <u>@x, account: con<u>", True),
        (
            ", accounts: {minimum-uid: 500, never: [condor, condor_pool]}",
            "vo: One, subject: <u>@x, account: cond<u>",
            False,
        ),
    ],
)
def test_system_accounts(site: str, rule: str, fires: bool) -> None:
    """An account of the system by name; and by a capture where the site lets accounts of the system be answered."""
    found = _codes(SITE.replace("]}", f"]{site}}}") + ONE + _rules(rule))
    assert [code for code, _, _ in found] == (["system-account"] if fires else [])


def test_a_vo_makes_no_system_account() -> None:
    """`<vo>` of a rule is written out: a VO of the name of a system account is told."""
    text = SITE + "issuers: {https://m/: {vo: Mail}}\n" + _rules("vo: mail, account: <vo>")
    assert _codes(text) == [("system-account", "0.yaml", 5)]


def test_renames_of_what_vo_stands_for() -> None:
    """A rename may be of an account that `<vo>` makes."""
    assert _codes(SITE.replace("]}", "], rename: {x-one: y}}") + ONE + _rules("vo: One, account: x-<vo>")) == []


@pytest.mark.parametrize(
    ("ban", "codes"),
    [
        ("vo: One, reason: r", []),
        # It keeps out who would be left to the CE's next plugin.
        ("issuer: https://three/, reason: r", []),
        ("vo: Three, reason: r", ["unused-ban"]),
        ("issuer: https://one/, vo: Two, reason: r", ["unused-ban"]),
        ("vo: Three, until: 2020-01-01, reason: r", ["expired-ban"]),
        ("group: /a/./b, reason: r", ["illegal-group", "unused-ban"]),
        ("group: /one/role=pilot, reason: r", ["illegal-group"]),
        ("group: /one/ROLE=pilot/Role=x, reason: r", ["illegal-group"]),
        ("group: /one/Role=pilot, reason: r", []),
        ("group: /one/unit=it, reason: r", []),
        ('subject: "*@x", reason: r', []),
        ('subject: "*", reason: r', ["bare-star"]),
        ('subject: [x, "*/y"], reason: r', ["bare-star"]),
        ('vo: One, subject: "*", reason: r', ["bare-star"]),
        ('vo: One, group: "/one/*/Role=x", reason: r', ["bare-star"]),
        ('vo: One, scope: "storage.read:/*", reason: r', ["bare-star"]),
        ('vo: One, scope: "storage.read:/**", reason: r', []),
        ('vo: One, claim: {e: "*"}, reason: r', ["bare-star"]),
        ("vo: One, subject: s, client: c, reason: r", ["evadable-ban"]),
        ("jti: j, subject: s, reason: r", ["evadable-ban"]),
        ("jti: j, vo: One, reason: r", ["evadable-ban"]),
        ("jti: j, issuer: https://one/, reason: r", []),
        ("vo: One, subject: s, reason: r", []),
        ("issuer: 'https://x\"y/', reason: r", ["unwired-ban"]),
        ("issuer: http://x/, subject: s, reason: r", ["unwired-ban"]),
    ],
)
def test_bans(ban: str, codes: list[str]) -> None:
    """A ban is unused if no token meets it; one that has expired is told as that alone."""
    found = _codes(SITE + ONE, bans=f"  - {{{ban}}}\n")
    assert sorted(code for code, _, _ in found if code) == codes
    assert {(file, line) for _, file, line in found} <= {("bans.yaml", 3)}


_TOKEN = "iss: https://one/, sub: x, aud: ANY, scope: compute.read"


@pytest.mark.parametrize(
    ("tests", "lines"),
    [
        ([f"token: {{{_TOKEN}}}, expect: declined"], []),
        (["token: {iss: https://unknown/, sub: x}, expect: declined"], []),
        (["token: {sub: x}, expect: declined"], [5]),
        (["token: {iss: [https://one/], sub: x}, expect: declined"], [5]),
        ([f"token: {{{_TOKEN}}}, expect: declined"] * 2, [6]),
        ([f"token: {{{_TOKEN}}}, expect: declined, alone: {alone}" for alone in ("yes", "no")], []),
        ([f"token: {{{_TOKEN}}}, expect: declined, at: {at}" for at in ("2026-01-01", "2027-01-01")], []),
    ],
)
def test_idle_tests(tests: list[str], lines: list[int]) -> None:
    """A test is unused if every policy passes or fails it, or if the same token is tested for the same time before."""
    text = SITE + ONE + "tests:\n" + "".join(f"  - {{{test}}}\n" for test in tests)
    assert [line for code, _, line in _codes(text) if code == "unused-test"] == lines


# Limits


def test_with_many_rules_or_bans_some_codes_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes a decision for each rule is not looked for in huge policies, and that is said."""
    text = SITE + ONE + _rules("vo: One, account: x", "vo: One, account: condor")
    ban_file = Mapfile("bans.yaml", "mapfile: 1\nbans:\n  - {vo: Three, reason: r}\n")
    context = LintContext(_composed(Mapfile("m.yaml", text)), _bans(ban_file), NOW)
    of_rules, of_bans = mapfile_linter.lint_mapfiles(context), ban_linter.lint_bans(context)
    assert [each.code for each in of_rules.warnings] == ["system-account", "unreachable-rule"]
    assert [each.code for each in of_bans.warnings] == ["unused-ban"]
    assert of_rules.skipped == of_bans.skipped == []
    monkeypatch.setattr(mapfile_linter, "MOST_RULES", 1)
    monkeypatch.setattr(ban_linter, "MOST_BANS", 0)
    of_rules, of_bans = mapfile_linter.lint_mapfiles(context), ban_linter.lint_bans(context)
    assert of_rules.skipped == ["impossible-rule", "shared-account", "unreachable-rule"]
    assert of_bans.skipped == ["evadable-ban", "unused-ban"]
    assert [each.code for each in of_rules.warnings] == ["system-account"]
    assert of_bans.warnings == []


# What the documentation shows


_BLOCK = re.compile(r"^```yaml\n(mapfile: 1\n.*?)^```", re.MULTILINE | re.DOTALL)
_PAGES = {
    str(page.relative_to(ROOT)): _BLOCK.findall(page.read_text("utf-8"))
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    if page.name != "lint.md"
}
# Both pages show how such a mistake is told.
_IN_DOCS: dict[str, set[str]] = {
    "docs/howto/check-and-test.md": {"unused-rename", "unreachable-rule"},
    "docs/howto/new-mapfile.md": {"unreachable-rule"},
}


def test_the_documentation_has_mapfiles() -> None:
    """A scan that finds nothing proves nothing."""
    assert sum(map(len, _PAGES.values())) >= 8


@pytest.mark.parametrize("page", [page for page, blocks in _PAGES.items() if blocks])
def test_what_the_documentation_shows_has_no_warning(page: str) -> None:
    """Each mapfile and each file of bans that a page shows, by itself; what fires is what the page is about."""
    found: list[Finding] = []
    for number, shown in enumerate(_PAGES[page]):
        # One page shows an error, and how to correct it; another one a folder that its reader puts in.
        text = shown.replace("expect: cmspilot\n", "expect: {account: cmspilot}\n").replace("FOLDER/", "/var/log/")
        file = Mapfile(f"{page}-{number}.yaml", text)
        is_bans = "\nbans:" in text
        found += warnings([] if is_bans else [file], [file] if is_bans else [])
    assert {each.code for each in found} == _IN_DOCS.get(page, set()), [str(each) for each in found]


def test_bans_of_a_published_list() -> None:
    """Of a list that others publish only issuers that no CE is wired for are told, once: bans are the publisher's."""
    bans = ["{issuer: https://three/, jti: x, reason: r}", "{issuer: https://four/, jti: x, reason: r}"]
    bans += ["{vo: One, subject: s, client: c, reason: r}", '{subject: "*", reason: r}']
    text = "mapfile: 1\nbans:\n" + "".join(f"  - {ban}\n" for ban in bans)
    site = Mapfile("m.yaml", SITE + ONE)
    (found,) = warnings([site], [Mapfile("bans.d/published-grid.yaml", text)])
    assert (found.code, found.place.line) == ("unwired-ban", 3)
    assert found.message.startswith(
        "2 bans name 2 issuers that the site does not declare (https://four/, https://three/)"
    )
    assert [each.code for each in warnings([site], [Mapfile("bans.d/own.yaml", text)])] == ["bare-star", "evadable-ban"]


@pytest.mark.parametrize(
    ("ban", "told"),
    [
        ('{subject: ["*/x"], reason: r}', "; add these patterns: ['*/x', '*/*/x']"),
        ('{subject: "*", reason: r}', "; ban the issuers instead"),
        ('{vo: One, subject: "*", reason: r}', "; leave `subject` out"),
        ('{vo: One, group: "/one/*/Role=x", reason: r}', "; write /one/**/Role=x"),
        ('{vo: One, group: "/one/*/x", reason: r}', "matches only one part between two slashes"),
        (
            "{vo: One, subject: s, client: c, reason: r}",
            "vomap ban add --vo One --subject s --reason r && vomap ban add --vo One --client c --reason r",
        ),
        ("{jti: j, vo: One, reason: r, until: 2099-12-31}", "--jti j --reason r --until 2099-12-31T23:59:59Z"),
    ],
)
def test_what_holds_is_told(ban: str, told: str) -> None:
    """The warning ends with the pattern to write, or with the command of the ban that holds."""
    found = warnings([Mapfile("m.yaml", SITE + ONE)], [Mapfile("bans.yaml", f"mapfile: 1\nbans:\n  - {ban}\n")])
    assert any(each.message.endswith(told) for each in found)


def test_a_vo_that_a_token_need_not_name() -> None:
    """A ban by VO is evadable where a rule maps tokens of an issuer of several VOs that name none."""
    rule = "rules: [{name: robot, issuer: https://many/, subject: robot, account: robot}]\n"
    bans = [Mapfile("bans.yaml", "mapfile: 1\nbans:\n  - {vo: A, reason: r}\n")]
    (found,) = warnings([Mapfile("m.yaml", SITE + MANY + rule)], bans)
    assert found.code == "evadable-ban"
    assert "for 'robot' that names no VO is mapped to robot" in found.message
    assert warnings([Mapfile("m.yaml", SITE + MANY)], bans) == []
