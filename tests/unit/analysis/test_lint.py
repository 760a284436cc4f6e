"""Each code warns about its bad example, and not about its good one. Shipped files have only listed warnings."""

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
# The examples of bans assume a time between 2026 and 2099.
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
_UNDECLARED = ("undeclared-issuer", "unknown-vo", "unserved-vo")
_REACHABILITY = ("unreachable-rule", "impossible-rule")
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
    """Return the warnings of the linter."""
    context = LintContext(_composed(*files), _bans(*bans), NOW)
    return [*mapfile_linter.lint_mapfiles(context).warnings, *ban_linter.lint_bans(context).warnings]


def _codes(*texts: str, bans: str = "") -> list[tuple[str | None, str, int]]:
    """Return the code, file and line of each warning about the mapfiles 0.yaml, 1.yaml and so on."""
    files = [Mapfile(f"{number}.yaml", text) for number, text in enumerate(texts)]
    ban_files = [Mapfile("bans.yaml", f"mapfile: 1\nbans:\n{bans}")] if bans else []
    found = warnings(files, ban_files)
    return [(each.code, each.place.file, each.place.line) for each in found]


def _example(code: str, kind: str) -> list[Finding]:
    folder = EXAMPLES / code
    bans = folder / f"{kind}-bans.yaml"
    return warnings(read_files([str(folder / f"{kind}.yaml")]), read_files([str(bans)]) if bans.exists() else [])


def test_every_code_has_its_examples() -> None:
    """There is a folder of examples for each code, and there are no other folders."""
    wrong = {folder.name for folder in EXAMPLES.iterdir()} ^ CODES
    assert not wrong, f"{sorted(wrong)}: write tests/lint/CODE/{{bad,good}}.yaml, or delete the folder of no code"


@pytest.mark.parametrize("code", sorted(CODES))
def test_a_code_fires_on_its_bad_example(code: str) -> None:
    """The bad example has exactly one warning, with its code."""
    assert [each.code for each in _example(code, "bad")] == [code]


@pytest.mark.parametrize("code", sorted(CODES))
def test_no_code_fires_on_a_good_example(code: str) -> None:
    """The good example, a small change of the bad one, has no warning."""
    assert _example(code, "good") == []


@pytest.mark.parametrize("code", sorted(CODES))
def test_a_warning_is_one_line_with_its_code(code: str) -> None:
    """Each warning is one line that ends with its code and begins with a place of the example."""
    (warning,) = _example(code, "bad")
    assert str(warning).endswith(f" [{code}]")
    assert str(warning).startswith(f"{EXAMPLES / code}/bad")
    assert "\n" not in str(warning)


# Shipped mapfiles


_SHIPPED = [ROOT / "mapfiles" / name for name in ("egi.yaml", "fermilab.yaml", "osg.yaml")]
_SITES = {
    # This site serves all VOs and keeps all default checks.
    "open": "mapfile: 1\nsite: {audience: [ce01.example.org:9619]}\n",
    # This site serves some VOs, renames an account, and has its own rule before the shipped rules.
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
    # This site distrusts an issuer that a shipped file trusts.
    "strict": """\
mapfile: 1
site: {audience: [ANY], serve: [CMS]}
issuers: {https://cms-auth.cern.ch/: none}
""",
}
# The intended warnings about shipped mapfiles: for each check, the codes, each with its rule or issuer.
_DELIBERATE: dict[str, set[tuple[str, str]]] = {
    # The site renames an account of osg.yaml, and this check does not include osg.yaml.
    "typical egi.yaml": {("unused-rename", "cmspilot"), ("undeclared-issuer", "cms-pilots-here")},
    # Nor does it include the issuers of CMS and of vo.example.org, which the site serves.
    "typical fermilab.yaml": {
        ("unused-rename", "cmspilot"),
        ("undeclared-issuer", "cms-pilots-here"),
        ("serve-without-issuer", "CMS"),
        ("serve-without-issuer", "vo.example.org"),
    },
    "typical osg.yaml": {("serve-without-issuer", "vo.example.org")},
    "strict fermilab.yaml": {("serve-without-issuer", "CMS")},
}


def _deliberate(key: str, found: Sequence[Finding]) -> None:
    listed = _DELIBERATE.get(key, set())
    assert {each.code for each in found} == {code for code, _ in listed}, [str(each) for each in found]
    assert len(found) == len(listed)
    for code, word in listed:
        assert any(each.code == code and word in each.message for each in found)


@pytest.mark.parametrize("path", _SHIPPED, ids=lambda path: path.name)
def test_a_shipped_mapfile_alone_has_no_warning(path: Path) -> None:
    """A shipped mapfile by itself has only the intended warnings."""
    _deliberate(path.name, warnings(read_files([str(path)])))


@pytest.mark.parametrize("site", _SITES)
@pytest.mark.parametrize("names", [("egi.yaml",), ("fermilab.yaml",), ("osg.yaml",), tuple(p.name for p in _SHIPPED)])
def test_a_shipped_mapfile_in_a_site_has_no_warning(site: str, names: tuple[str, ...]) -> None:
    """Shipped mapfiles in a site have only the intended warnings. The choices of the site cause none."""
    files = [Mapfile("10-site.yaml", _SITES[site]), *read_files([str(ROOT / "mapfiles" / name) for name in names])]
    _deliberate(f"{site} {' '.join(names)}", warnings(files))


def test_the_demonstration_has_no_warning() -> None:
    """The site of the demonstration, with the linked mapfile and the bans, has no warnings."""
    files = read_files([str(ROOT / "demo" / "10-site.yaml"), str(ROOT / "mapfiles" / "osg.yaml")])
    assert warnings(files, read_files([str(ROOT / "demo" / "bans.yaml")])) == []


# More cases for single codes


def _rules(*rules: str) -> str:
    return "rules:\n" + "".join(f"  - {{name: r{number}, {rule}}}\n" for number, rule in enumerate(rules))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # The earlier rule matches only a part of the tokens.
        (MANY + _rules("vo: A, group: /a/x, scope: x, account: y", "vo: A, group: /a, account: x"), []),
        (MANY + _rules("vo: A, audience: ANY, account: x", "vo: A, account: y"), [("unreachable-rule", 9)]),
        (ONE + _rules("vo: One, scope: compute.create, account: x", "vo: One, account: y"), []),
        (ONE + _rules('vo: One, subject: "*@x", account: x', "vo: One, subject: a@x, account: y"), "unreachable"),
        # A capture does not give an account that a rule names.
        (ONE + _rules("vo: One, subject: <u>@x, account: <u>", "vo: One, subject: y@x, account: y"), []),
        (ONE + _rules("vo: One, subject: <u>@x, account: <u>", "vo: One, subject: z@x, account: y"), "unreachable"),
        # Two earlier rules together match all tokens.
        (
            MANY + _rules("vo: A, account: x", "vo: B, account: y", "vo: [A, B], group: /a, account: <vo>z"),
            "unreachable",
        ),
        # A rule with `deny` also decides tokens.
        (ONE + _rules("vo: One, deny: never", "vo: One, subject: a, account: y"), "unreachable"),
        # Each of these earlier rules matches the simplest tokens of the next rule, but not all tokens.
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
        # These patterns match tokens of more than one VO.
        (MANY + _rules('vo: [A, B], scope: "storage.create:/*/data", account: <vo>x'), []),
        (MANY + _rules('issuer: https://many/, scope: "storage.create:/*/data", account: <vo>x'), []),
    ],
)
def test_reaching(text: str, expected: Any) -> None:
    """A rule is unreachable exactly if earlier rules decide all of its tokens."""
    found = [(code, line) for code, _, line in _codes(SITE + text) if code in _REACHABILITY]
    last = SITE.count("\n") + text.count("\n")
    assert found == ([("unreachable-rule", last)] if expected == "unreachable" else expected)


def test_an_audience_is_gone_around() -> None:
    """A rule for one audience does not decide tokens for another audience."""
    site = "mapfile: 1\nsite: {audience: [ANY, ce]}\n"
    rules = _rules("vo: One, audience: ANY, account: x", "vo: One, account: y")
    assert _codes(site + ONE + rules) == []


def test_the_takers_are_named() -> None:
    """The warning names the earlier rules, or the first three of many."""
    rules = [f"vo: One, subject: s{number}, account: x" for number in range(4)]
    text = SITE + ONE + _rules(*rules, "vo: One, subject: [s0, s1, s2, s3], account: y")
    (warning,) = warnings([Mapfile("m.yaml", text)])
    assert warning.message == (
        "rule r4 decides no token: earlier rules take all of its tokens: r0 (m.yaml:5), r1 (m.yaml:6), "
        "r2 (m.yaml:7), others"
    )


def test_what_a_site_makes_of_a_distributed_mapfile() -> None:
    """The choices of a site cause no warnings about a distributed mapfile. The faults of that mapfile do."""
    site = "mapfile: 1\nsite: {audience: [ANY], serve: [One]}\nissuers: {https://two/: none}\n"
    assert _codes(site + _rules("vo: One, account: first"), DISTRIBUTED) == []
    again = DISTRIBUTED.replace("tests:", "  - {name: again, vo: One, subject: x, account: ones}\ntests:")
    assert _codes(site, again) == [("unreachable-rule", "1.yaml", 6)]


def test_a_file_without_a_site_is_no_whole_site() -> None:
    """The linter does not warn about a missing declaration that another file of the site may contain."""
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
    """Each issuer and VO of a rule must be declared. An issuer without `vos` may name any undeclared VO."""
    declared = declared.replace("vo-from: group", "vo-from: [group]")
    codes = [found for found, _, _ in _codes(SITE + declared + _rules(rule)) if found in _UNDECLARED]
    assert codes == ([code] if code else [])


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
    """A rule is unserved if the site serves none of its VOs. Without `vo`, these are the VOs of its issuers."""
    declared = MANY + "  https://one/: {vo: One}\n  https://two/: {vo: Two}\n"
    site = SITE.replace("]}", f"], serve: {serve}}}")
    codes = [code for code, _, _ in _codes(site + declared + _rules(rule)) if code in _UNDECLARED]
    assert codes == (["unserved-vo"] if fires else [])


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
    """A rule needs more than an issuer, if the issuer signs tokens for several served VOs."""
    text = SITE.replace("]}", f"]{site}}}") + MANY + "  https://free/: {vo-from: [group]}\n" + _rules(rule)
    found = [code for code, _, _ in _codes(text) if code == "issuer-alone"]
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
    """A rule for one group needs a scope or a subject, if the scopes of the issuer limit the use of a token."""
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
    """Two issuers are similar if only a slash differs. A common beginning counts only if both speak for one VO."""
    declared = "issuers:\n" + "".join(f"  {url}: {text}\n" for url, text in urls.items())
    assert [code for code, _, _ in _codes(SITE + declared)] == (["similar-issuers"] if fires else [])


def test_a_distrusted_issuer_may_be_http() -> None:
    """A distrusted issuer may have an http URL, because only a trusted issuer needs keys."""
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
    """The linter compares renamed accounts of served VOs. It warns once about each further VO of an account."""
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
    """A named system account has a warning. A capture that can give one has it only if the site allows low uids."""
    found = _codes(SITE.replace("]}", f"]{site}}}") + ONE + _rules(rule))
    assert [code for code, _, _ in found] == (["system-account"] if fires else [])


def test_a_vo_makes_no_system_account() -> None:
    """The linter replaces `<vo>` by the name of the VO, and then checks for system accounts."""
    text = SITE + "issuers: {https://m/: {vo: Mail}}\n" + _rules("vo: mail, account: <vo>")
    assert _codes(text) == [("system-account", "0.yaml", 5)]


def test_renames_of_what_vo_stands_for() -> None:
    """A rename may name an account that a rule makes with `<vo>`."""
    assert _codes(SITE.replace("]}", "], rename: {x-one: y}}") + ONE + _rules("vo: One, account: x-<vo>")) == []


@pytest.mark.parametrize(
    ("ban", "codes"),
    [
        ("vo: One, reason: r", []),
        # Without this ban, the CE asks its next plugin about these tokens.
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
    """A ban is unused if it matches no token. An expired ban has only the warning that it expired."""
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
    """A test is unused if its result is the same with every policy, or if an earlier test has its token and time."""
    text = SITE + ONE + "tests:\n" + "".join(f"  - {{{test}}}\n" for test in tests)
    assert [line for code, _, line in _codes(text) if code == "unused-test"] == lines


# Limits


def test_with_many_rules_or_bans_some_codes_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The linter skips the slow codes for a huge policy and reports which codes it skipped."""
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
    assert of_rules.skipped == ["impossible-rule", "impossible-value", "shared-account", "unreachable-rule"]
    assert of_bans.skipped == ["evadable-ban", "evadable-deny", "unused-ban"]
    assert [each.code for each in of_rules.warnings] == ["system-account"]
    assert of_bans.warnings == []


# Examples of the documentation


_BLOCK = re.compile(r"^```yaml\n(mapfile: 1\n.*?)^```", re.MULTILINE | re.DOTALL)
_PAGES = {
    str(page.relative_to(ROOT)): _BLOCK.findall(page.read_text("utf-8"))
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    if page.name != "lint.md"
}
# Both pages show the warning about such a mistake.
_IN_DOCS: dict[str, set[str]] = {
    "docs/howto/check-and-test.md": {"unused-rename", "unreachable-rule"},
    "docs/howto/new-mapfile.md": {"unreachable-rule"},
}


def test_the_documentation_has_mapfiles() -> None:
    """The pages have at least 8 mapfiles. Without them the next test proves nothing."""
    assert sum(map(len, _PAGES.values())) >= 8


@pytest.mark.parametrize("page", [page for page, blocks in _PAGES.items() if blocks])
def test_what_the_documentation_shows_has_no_warning(page: str) -> None:
    """Each example mapfile and file of bans, by itself, has only the warnings that its page explains."""
    found: list[Finding] = []
    for number, shown in enumerate(_PAGES[page]):
        # One page shows an error and its correction. Another page has FOLDER, which the reader replaces.
        text = shown.replace("expect: cmspilot\n", "expect: {account: cmspilot}\n").replace("FOLDER/", "/var/log/")
        file = Mapfile(f"{page}-{number}.yaml", text)
        is_bans = "\nbans:" in text
        found += warnings([] if is_bans else [file], [file] if is_bans else [])
    assert {each.code for each in found} == _IN_DOCS.get(page, set()), [str(each) for each in found]


def test_bans_of_a_published_list() -> None:
    """A published list has only one warning: it names all issuers of the list that the site does not declare."""
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
    """The warning ends with the pattern to write, or with the command that adds a ban without the gap."""
    found = warnings([Mapfile("m.yaml", SITE + ONE)], [Mapfile("bans.yaml", f"mapfile: 1\nbans:\n  - {ban}\n")])
    assert any(each.message.endswith(told) for each in found)


def test_a_vo_that_a_token_need_not_name() -> None:
    """A ban by VO is evadable if a rule maps tokens that name no VO, from an issuer of several VOs."""
    rule = "rules: [{name: robot, issuer: https://many/, subject: robot, account: robot}]\n"
    bans = [Mapfile("bans.yaml", "mapfile: 1\nbans:\n  - {vo: A, reason: r}\n")]
    (found,) = warnings([Mapfile("m.yaml", SITE + MANY + rule)], bans)
    assert found.code == "evadable-ban"
    assert "for 'robot' that names no VO is mapped to robot" in found.message
    assert warnings([Mapfile("m.yaml", SITE + MANY)], bans) == []
