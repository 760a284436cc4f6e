"""The edges of the warnings about traps: entries that are valid, and give more than they seem to give."""

from __future__ import annotations

import time

import pytest

from vomap.analysis.lint import lint_mapfiles
from vomap.analysis.lint.context import LintContext
from vomap.bans.lint import lint_bans
from vomap.mapfile.compose import Composition, compose
from vomap.mapfile.files import Mapfile
from vomap.mapfile.findings import Finding, Findings

NOW = time.mktime((2026, 11, 22, 12, 0, 0, 0, 0, 0))
ONE = "issuers: {https://one/: {vo: One}, https://two/: {vo: Two}}\n"
BOTH = "issuers: {https://b1/: {vo: Both}, https://b2/: {vo: Both}}\n"
LISTED = "issuers: {https://listed/: {vo-from: [group], vos: [a, b]}}\n"
FREE = "issuers: {https://free/: {vo-from: [group]}}\n"
ENTITLED = 'issuers: {https://e/: {vo-from: [group], entitlements: {namespace: "urn:x:y"}}}\n'


def _composed(*texts: str) -> Composition:
    findings = Findings()
    files = [Mapfile(f"{at}.yaml", f"mapfile: 1\n{text}") for at, text in enumerate(texts)]
    composition = compose(files, findings)
    findings.raise_errors()
    return composition


def _warnings(*texts: str) -> list[Finding]:
    return lint_mapfiles(LintContext(_composed(*texts), [], NOW)).warnings


def _fires(code: str, declared: str, *rules: str, site: str = "", more: str = "") -> int:
    """Return how often a code is found for the rules of a whole site."""
    text = f"site: {{audience: [ANY]{site}}}\n{declared}"
    if rules:
        text += "rules:\n" + "".join(f"  - {{name: r{at}, {rule}}}\n" for at, rule in enumerate(rules))
    return [each.code for each in _warnings(text + more)].count(code)


@pytest.mark.parametrize(
    ("rule", "fires"),
    [
        ("issuer: https://one/, claim: {email: <u>@x}, account: <u>", 1),
        ("issuer: https://one/, claim: {nickname: <u>}, account: one-<u>", 1),
        ("issuer: https://one/, claim: {email: <u>@x}, subject: <s>, account: <s>-<u>", 1),
        ("issuer: https://one/, claim: {uid: <u>}, account: <u>", 0),
        ('issuer: https://one/, claim: {email: "*@x"}, subject: <s>, account: <s>', 0),
        ('issuer: https://one/, claim: {email: "*@x"}, account: one', 0),
    ],
)
def test_an_account_of_a_chosen_claim(rule: str, fires: int) -> None:
    """Only a capture from a claim that users choose is a trap. A condition on such a claim is none."""
    assert _fires("chosen-account", ONE, rule) == fires


@pytest.mark.parametrize("outcome", ["account: x", "deny: no"])
def test_the_client_chooses_the_first_group(outcome: str) -> None:
    """The order of groups decides whether the rule maps, or whether the bearer evades it."""
    assert _fires("chosen-order", ONE, f"issuer: https://one/, first-group: /one/a, {outcome}") == 1
    assert _fires("chosen-order", ONE, f"issuer: https://one/, group: /one/a, {outcome}") == 0


@pytest.mark.parametrize(
    ("declared", "rule", "fires"),
    [
        (ONE, "vo: One, group: /one/**/Role=r, account: x", 1),
        (ONE, "issuer: https://one/, group: [/one/x, /one/a/**/Role=r], account: x", 1),
        (ONE, 'vo: One, group: "/one/*/Role=r", account: x', 0),
        (ONE, "vo: One, group: /one/**, account: x", 0),
        (ONE, "vo: One, group: /one/**/Role=r, deny: x", 0),
        (ENTITLED, "issuer: https://e/, group: /one/**/Role=r, account: x", 0),
        (FREE, "issuer: https://undeclared/, group: /one/**/Role=r, account: x", 0),
    ],
)
def test_a_role_at_any_depth(declared: str, rule: str, fires: int) -> None:
    """Only issuers of plain groups let the name of a group be a role."""
    assert _fires("role-at-any-depth", declared, rule) == fires


@pytest.mark.parametrize(
    ("declared", "rule", "told"),
    [
        (LISTED, "issuer: https://listed/, group: /a/x, account: x", "add `vo: a`"),
        (
            LISTED,
            "issuer: https://listed/, group: [/a/x, /b/x], account: x",
            "a rule for each VO, with `vo: a` and so on",
        ),
        (LISTED, 'issuer: https://listed/, group: "/*/Role=r", account: x', "name the VO with `vo`, or write <vo>"),
        (LISTED, "issuer: https://listed/, group: /c, account: x", "name the VO with `vo`, or write <vo>"),
        (FREE, "issuer: https://free/, group: /a/x, account: x", "add `vo: a`"),
    ],
)
def test_a_group_without_its_vo(declared: str, rule: str, told: str) -> None:
    """The warning has the VO to write, if the groups of the rule begin with the name of one."""
    text = f"site: {{audience: [ANY]}}\n{declared}rules:\n  - {{name: r, {rule}}}\n"
    (found,) = [each.message for each in _warnings(text) if each.code == "group-without-vo"]
    assert told in found


@pytest.mark.parametrize(
    ("site", "declared", "rule"),
    [
        ("", LISTED, "issuer: https://listed/, vo: a, group: /a/x, account: x"),
        ("", LISTED, "issuer: https://listed/, group: /a/x, account: x-<vo>"),
        ("", LISTED, "issuer: https://listed/, group: /a/x, deny: x"),
        ("", LISTED, "issuer: https://listed/, group: /a/x, subject: s, account: x"),
        ("", LISTED, "issuer: https://listed/, group: /a/x, subject: <s>@x, account: <s>"),
        (", serve: [a]", LISTED, "issuer: https://listed/, group: /a/x, account: x"),
        ("", ONE, "issuer: https://one/, group: /a/x, account: x"),
        ("", ONE, "issuer: https://undeclared/, group: /a/x, account: x"),
    ],
)
def test_a_group_that_needs_no_vo(site: str, declared: str, rule: str) -> None:
    """A rule of an issuer of one served VO, or for certain users, needs no `vo` beside its group."""
    assert _fires("group-without-vo", declared, rule, site=site) == 0


@pytest.mark.parametrize(
    ("site", "declared", "rule", "fires"),
    [
        ("", FREE, "vo: X, account: x", 1),
        ("", FREE.replace("}}", "}, https://x/: {vo: X}}"), "vo: X, account: x", 0),
        ("", FREE.replace("}}", ", default-vo: X}}"), "vo: X, account: x", 0),
        ("", FREE, "vo: X, issuer: https://free/, account: x", 0),
        ("", FREE, "vo: X, deny: no", 0),
        (", serve: [Y]", FREE, "vo: X, account: x", 0),
        ("", LISTED, "vo: X, account: x", 0),
    ],
)
def test_a_vo_without_issuer(site: str, declared: str, rule: str, fires: int) -> None:
    """A VO that no issuer is declared for belongs to every issuer that may use any name."""
    assert _fires("vo-without-issuer", declared, rule, site=site) == fires


def test_another_file_may_declare_the_issuer_of_a_vo() -> None:
    """A file without the site's audience is not a whole site: vomap does not warn that an issuer is missing."""
    assert "vo-without-issuer" not in [
        each.code for each in _warnings(FREE + "rules: [{name: r, vo: X, account: x}]\n")
    ]


@pytest.mark.parametrize(
    ("site", "rule", "fires"),
    [
        ("", "vo: Both, subject: s, account: x", 1),
        ("", "vo: [Both], subject: <s>@x, account: <s>", 1),
        ("", "vo: Both, issuer: https://b1/, subject: s, account: x", 0),
        ("", "vo: Both, issuer: [https://b1/, https://b2/], subject: s, account: x", 0),
        ("", "vo: Both, account: x", 0),
        ("", "vo: Both, subject: s, deny: no", 0),
        (", serve: [Other]", "vo: Both, subject: s, account: x", 0),
    ],
)
def test_a_subject_of_two_issuers(site: str, rule: str, fires: int) -> None:
    """A subject means one user only at one issuer. A rule that names its issuers says which."""
    assert _fires("subject-of-two-issuers", BOTH, rule, site=site) == fires


@pytest.mark.parametrize(
    ("declared", "fires"),
    [
        ("vo-from: [group], groups: {claim: groups}", 1),
        ("vo-from: [group], groups: {claim: wlcg.groups}", 0),
        ("vo-from: [group], groups: {form: comma-separated}", 0),
        ("vo-from: [group], vos: [a], groups: {claim: groups}", 0),
        ("vo: a, groups: {claim: groups}", 0),
        ("vo-from: [subject], subjects: {s: a}, groups: {claim: groups}", 0),
    ],
)
def test_groups_of_an_own_claim(declared: str, fires: int) -> None:
    """Groups of a claim of the issuer's own may not be VOs of any name."""
    assert _fires("groups-without-vos", f"issuers: {{https://x/: {{{declared}}}}}\n") == fires


@pytest.mark.parametrize(
    ("site", "user", "by_vo", "fires"),
    [
        ("", "<u>", "issuer: https://free/, account: <vo>", 1),
        ("", "u-<u>", "issuer: https://free/, account: <vo>", 1),
        (", serve: [One, x]", "<u>", "issuer: https://free/, account: <vo>", 1),
        (", serve: [One, x]", "u-<u>", "issuer: https://free/, account: <vo>", 0),
        (", serve: [One, u-x]", "u-<u>", "issuer: https://free/, account: <vo>", 1),
        ("", "<u>", "issuer: https://free/, account: vo-<vo>", 0),
        ("", "<u>", "issuer: https://free/, vo: [x, y], account: <vo>", 0),
        ("", "<u>", "issuer: https://listed/, account: <vo>", 0),
        ("", "fixed", "issuer: https://free/, account: <vo>", 0),
    ],
)
def test_a_vo_with_the_name_of_a_user(site: str, user: str, by_vo: str, fires: int) -> None:
    """Only a VO that the policy does not name can have the account of a user: a capture gives no named account."""
    declared = "issuers: {https://free/: {vo-from: [group]}, https://one/: {vo: One}, https://listed/: "
    declared += "{vo-from: [group], vos: [a, b]}}\n"
    subject = "<u>@x" if "<" in user else "s@x"
    rule = f'issuer: https://one/, subject: "{subject}", account: {user}'
    assert _fires("vo-as-user", declared, rule, by_vo, site=site) == fires


@pytest.mark.parametrize(
    ("rules", "fires"),
    [
        (["issuer: [https://one/, https://single/], account: guest"], 1),
        (["vo: One, account: x", "issuer: https://single/, group: /c, account: x"], 1),
        (["vo: One, account: x", "issuer: https://listed/, group: /a, account: x"], 1),
        (["vo: C, account: x", "issuer: https://single/, group: /c, account: x"], 0),
        (["vo: One, account: x", "issuer: https://listed/, subject: robot, account: x"], 0),
        (["issuer: https://listed/, group: /a, account: x", "issuer: https://listed/, group: /b, account: x"], 0),
    ],
)
def test_an_account_that_is_shared_with_a_named_vo(rules: list[str], fires: int) -> None:
    """VOs that the tokens name share an account, too. One bearer is not a VO."""
    declared = "issuers: {https://one/: {vo: One}, https://single/: {vo-from: [group], vos: {c: C}}, https://listed/: "
    declared += "{vo-from: [group], vos: [a, b]}}\n"
    assert _fires("shared-account", declared, *rules) == fires


@pytest.mark.parametrize(
    ("serve", "rules", "code", "told"),
    [
        ("[CSM]", ["vo: One, account: x"], "serve-without-issuer", "declare its issuer"),
        ("[Onee]", ["vo: One, account: x"], "serve-without-issuer", "did you mean `One`?"),
        ("[Two]", ["vo: One, account: x"], "serve-without-rule", "write a rule: `vo: Two`"),
        ("[Two]", ["vo: Two, deny: no"], "serve-without-rule", "write a rule"),
        ("[two]", ["vo: Two, account: x"], None, ""),
        ("[Two]", ["issuer: https://two/, account: x"], None, ""),
    ],
)
def test_served_vos(serve: str, rules: list[str], code: str | None, told: str) -> None:
    """Each served VO needs an issuer that may speak for it, and a rule that maps its tokens."""
    rows = "".join(f"  - {{name: r{at}, {rule}}}\n" for at, rule in enumerate(rules))
    found = _warnings(f"site: {{audience: [ANY], serve: {serve}}}\n{ONE}rules:\n{rows}")
    served = [each for each in found if (each.code or "").startswith("serve-")]
    assert [each.code for each in served] == ([code] if code else [])
    assert all(told in each.message for each in served)


@pytest.mark.parametrize(
    ("rule", "fires"),
    [("issuer: https://free/, account: x-<vo>", 0), ("issuer: https://one/, account: x", 1)],
)
def test_a_served_vo_of_any_name(rule: str, fires: int) -> None:
    """A rule without `vo` for an issuer of free names is for each VO that no other issuer is declared for."""
    declared = FREE.replace("}}", "}, https://one/: {vo: One}}")
    assert _fires("serve-without-rule", declared, rule, "vo: One, account: y", site=", serve: [new, One]") == fires


@pytest.mark.parametrize(
    ("declared", "site", "codes"),
    [
        ("vo-from: [group], default-vo: C", "", ["default-without-vos"]),
        ("vo-from: [group], default-vo: C", ", serve: [D]", ["default-without-vos", "unserved-default"]),
        ("vo-from: [group], vos: [D], default-vo: C", ", serve: [D]", ["unserved-default"]),
        ("vo-from: [group], vos: [D], default-vo: C", ", serve: [c]", []),
        ("vo-from: [group], vos: [D], default-vo: C", "", []),
    ],
)
def test_default_vos(declared: str, site: str, codes: list[str]) -> None:
    """A default VO is for tokens that name no VO, at an issuer whose VOs are listed and served."""
    found = _warnings(f"site: {{audience: [ANY]{site}}}\nissuers: {{https://x/: {{{declared}}}}}\n")
    assert [each.code for each in found if "default" in (each.code or "")] == codes


@pytest.mark.parametrize(
    ("other", "rules", "fires"),
    [
        ("vo-from: [subject], subjects: {s: a}", ["vo: a, account: x"], 1),
        ("vo-from: [group], vos: [a]", ["vo: a, account: x"], 0),
        ("vo-from: [subject], subjects: {s: a}", ["vo: a, issuer: https://free/, account: x"], 1),
        ("vo-from: [group], vos: [a]", ["issuer: https://free/, account: x-<vo>"], 1),
        ("vo-from: [group], vos: [a]", ["vo: a, issuer: https://o/, account: x"], 0),
        ("vo-from: [group], vos: [a]", ["vo: b, account: x"], 0),
        ("vo: a", ["vo: a, account: x"], 0),
    ],
)
def test_a_taken_vo(other: str, rules: list[str], fires: int) -> None:
    """A declared VO is taken from issuers of free names, if a rule expects it of them."""
    declared = FREE.replace("}}", f"}}, https://o/: {{{other}}}}}")
    assert _fires("taken-vo", declared, *rules) == fires


def test_a_distributed_mapfile_takes_no_vo() -> None:
    """A site that links a mapfile with `vos` beside its own issuer of free names has decided so."""
    site = f"site: {{audience: [ANY]}}\n{FREE}rules: [{{name: r, issuer: https://free/, account: x-<vo>}}]\n"
    linked = "issuers: {https://o/: {vo-from: [group], vos: [a, b], default-vo: a}}\n"
    tests = "tests: [{token: {iss: https://o/, sub: x}, alone: yes, expect: denied}]\n"
    assert "taken-vo" in [each.code for each in _warnings(site, linked)]
    assert "taken-vo" not in [each.code for each in _warnings(site, linked + tests)]
    served = site.replace("]}", "], serve: [b]}", 1)
    assert "unserved-default" not in [each.code for each in _warnings(served, linked + tests)]


@pytest.mark.parametrize(
    ("urls", "codes"),
    [
        (["https://X.example/p"], ["capital-host"]),
        (["https://x.example/P"], []),
        (["https://x.example/p", "https://X.example/p"], ["similar-issuers"]),
        (["https://X.example/p", "https://x.example/p"], ["capital-host", "similar-issuers"]),
    ],
)
def test_capital_letters_in_a_host(urls: list[str], codes: list[str]) -> None:
    """Capital letters in the host of an issuer are probably wrong. In the path they may be right."""
    declared = "".join(f"  {url}: {{vo: V{at}}}\n" for at, url in enumerate(urls))
    assert [each.code for each in _warnings(f"site: {{audience: [ANY]}}\nissuers:\n{declared}")] == codes


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        (r"subject: '^robot-.*$'", "write robot-*"),
        (r"subject: 'a\.b@x'", "write a.b@x"),
        (r"subject: '.*'", "write *"),
        (r"subject: '^$'", "leave the condition out"),
        (r"subject: 'alice|bob'", "write a list"),
        (r"group: '/one/[ab]'", "write a list"),
        (r"claim: {acr: '^mfa'}", "write mfa"),
        (r"scope: 'storage.read:/.*'", "write storage.read:/*"),
        ("subject: a.b-c*@x", None),
        ("subject: 'a^b$c'", None),
        ("group: /one/**/Role=r", None),
    ],
)
def test_a_regular_expression(condition: str, told: str | None) -> None:
    """A text with the signs of a regular expression has a warning with the pattern to write."""
    text = f"site: {{audience: [ANY]}}\n{ONE}rules:\n  - {{name: r, vo: One, {condition}, account: x}}\n"
    found = [each.message for each in _warnings(text) if each.code == "regular-expression"]
    assert [message.endswith(f": {told}") or f": {told} with" in message for message in found] == (
        [True] if told else []
    )


@pytest.mark.parametrize(
    ("site", "rule", "fires"),
    [
        ("", "vo: [a, b], group: [/a/x, /c/x], account: x<vo>", 1),
        ("", "vo: [a, b], group: /a/x, account: x<vo>", 1),
        ("", "vo: [a, b], group: [/a/x, /b/x], account: x<vo>", 0),
        ("", 'vo: [a, b], group: "/*/x", account: x<vo>', 0),
        ("", 'vo: [a, b], group: ["/*/x", /c/x], account: x<vo>', 1),
        ("", "vo: a, group: /b/x, account: x", 0),
        ("", "vo: [a, nobody], group: [/a/x, /nobody/x], account: x", 0),
        (", serve: [a]", "vo: [a, b], group: [/a/x, /b/x], account: x<vo>", 0),
        ("", "vo: [a, b], group: [/a, /b, /c], subject: [s, t], account: x<vo>", 1),
    ],
)
def test_an_alternative_that_nothing_matches(site: str, rule: str, fires: int) -> None:
    """Each value of a list, and each VO of a rule, must match some token, whatever the site serves."""
    assert _fires("impossible-value", LISTED, f"issuer: https://listed/, {rule}", site=site) == fires


@pytest.mark.parametrize(
    ("denied", "mapped", "told"),
    [
        ("group: /one/x", "group: /one", "a token without the group is mapped to x"),
        ("group: /one/x/**", "subject: '*'", "a token without the group is mapped to x"),
        ("group: /one/x", "group: /one/x/**", "a token with its child group /one/x/x is mapped to x"),
        ("group: /one/x/**", "group: /one/x/**", None),
        ("group: /one/x/**", "group: /one/y", "a token without the group is mapped to x"),
        ("group: /one/x, subject: s", "group: /one", "a token without the group is mapped to x"),
        ("subject: s", "group: /one", None),
    ],
)
def test_a_denied_group(denied: str, mapped: str, told: str | None) -> None:
    """The engine decides whether the bearer of a denied group gets an account with another token."""
    rules = (
        f"rules:\n  - {{name: no, vo: One, {denied}, deny: no}}\n  - {{name: yes1, vo: One, {mapped}, account: x}}\n"
    )
    composition = _composed(f"site: {{audience: [ANY]}}\n{ONE}{rules}")
    found = [each for each in lint_bans(LintContext(composition, [], NOW)).warnings if each.code == "evadable-deny"]
    assert len(found) == (told is not None)
    assert all(told is not None and told in each.message for each in found)
