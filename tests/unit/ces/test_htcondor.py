"""The configuration of HTCondor: the issuers whose tokens come to the plugin, and HTCondor's own checks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from property.strategies import written
from unit.ces.map_lines import MapLine, read_map_file, read_map_line
from unit.policy.composed import bans_document, policy_document
from vomap.ces.htcondor import MAP_FILE, PLUGIN, SETTINGS_FILE, map_line, render_htcondor
from vomap.ces.kinds import DEFAULTS_FILE
from vomap.ces.wiring import LIBEXEC, WiringError, accepted_audiences, foreign_issuers, wired_issuers
from vomap.files.shipped import shipped_file

if TYPE_CHECKING:
    from vomap.policy.documents import BanDocument, BansDocument, PolicyDocument

OSG = policy_document(shipped_file("mapfiles", "osg.yaml").read_text("utf-8"))
OSG_ISSUERS = sorted(OSG["issuers"])
SUBJECTS = ("alice", "", "a,b", "https://cms-auth.cern.ch/,x", "/^.*/", "a\nb", "@")
NO_BANS: BansDocument = {"bans": []}
SITE = "mapfile: 1\nsite: {audience: [ANY]}\n"


def _rendered(
    document: PolicyDocument,
    bans: BansDocument = NO_BANS,
    *,
    then: tuple[str, ...] = (),
    callout: str | None = None,
) -> dict[str, str]:
    return render_htcondor(document, bans, then=then, callout=callout)


def _lines(document: PolicyDocument, bans: BansDocument = NO_BANS, *, then: tuple[str, ...] = ()) -> list[MapLine]:
    return read_map_file(_rendered(document, bans, then=then)[MAP_FILE])


def _settings(document: PolicyDocument, *, callout: str | None = None) -> dict[str, str]:
    lines = _rendered(document, callout=callout)[SETTINGS_FILE].splitlines()
    pairs = [line.partition(" = ") for line in lines if not line.startswith("#")]
    assert all(equals for _, equals, _ in pairs)
    return {name: value for name, _, value in pairs}


# the map file


def test_each_issuer_that_ships_is_matched_by_its_own_line_alone() -> None:
    """Each issuer of the shipped mapfile has one line, which matches its tokens of any subject, and no others."""
    lines = _lines(OSG)
    assert len(lines) == len(OSG_ISSUERS) == 22
    for at, issuer in enumerate(OSG_ISSUERS):
        for subject in SUBJECTS:
            assert [line.matches(issuer, subject) for line in lines] == [at == index for index in range(22)]


@pytest.mark.parametrize("issuer", OSG_ISSUERS)
def test_near_misses_of_an_issuer_that_ships_match_no_line(issuer: str) -> None:
    """No line matches with another character for a dot, a slash more or less, or more text before or after."""
    dots = [f"{issuer[:at]}x{issuer[at + 1 :]}" for at, mark in enumerate(issuer) if mark == "."]
    slashes = [f"{issuer[:at]}{issuer[at + 1 :]}" for at, mark in enumerate(issuer) if mark == "/"]
    around = [f"{issuer}/", f"{issuer}x", f"{issuer}.evil.example", f"{issuer}/evil", f"{issuer}?", f" {issuer}"]
    before = [f"https://evil.example/{issuer}", f"https://evil.example/,{issuer}", f"x\n{issuer}", f"x{issuer}"]
    cases = [issuer.upper(), issuer.replace("https", "http"), issuer[:-1], issuer[1:], ""]
    lines = _lines(OSG)
    for other in {*dots, *slashes, *around, *before, *cases} - set(OSG_ISSUERS):
        assert not [line for line in lines for subject in SUBJECTS if line.matches(other, subject)], other


# The characters that the schema accepts in an issuer. For HTCondor, a comma ends the issuer.
_MARKS = "".join(chr(code) for code in range(ord("!"), ord("~") + 1) if chr(code) not in "*,")
_SPECIAL = r".^$+?()[]{}|\/-#&~<>=!:dDwWsSbBAZQEx0123456789"
_issuers = st.text(st.sampled_from(_MARKS) | st.sampled_from(_SPECIAL), min_size=1, max_size=24)


@given(issuer=_issuers, other=_issuers, subject=st.text())
def test_a_line_matches_no_other_issuer(issuer: str, other: str, subject: str) -> None:
    """With any characters in an issuer, its line matches all of its tokens, and no token of another issuer."""
    line = read_map_line(map_line(issuer, PLUGIN))
    assert line.matches(issuer, subject)
    assert line.matches(other, subject) == (other == issuer)


@given(issuer=_issuers, mark=st.sampled_from(_MARKS), data=st.data())
def test_a_line_matches_no_issuer_that_differs_in_one_character(issuer: str, mark: str, data: st.DataObject) -> None:
    """One character put in, left out or exchanged makes another issuer."""
    at = data.draw(st.integers(0, len(issuer) - 1))
    line = read_map_line(map_line(issuer, PLUGIN))
    changed = {issuer[:at] + mark + issuer[at:], issuer[:at] + issuer[at + 1 :], issuer[:at] + mark + issuer[at + 1 :]}
    for other in {*changed, issuer + mark, mark + issuer} - {issuer}:
        assert not line.matches(other, "alice")


@given(issuer=_issuers)
def test_a_line_has_three_fields(issuer: str) -> None:
    """No issuer ends its field or its line early."""
    assert map_line(issuer, "A,B").splitlines() == [map_line(issuer, "A,B").rstrip("\n")]
    line = read_map_line(map_line(issuer, "A,B"))
    assert (line.method, line.mapped) == ("SCITOKENS", "PLUGIN:A,B")


@pytest.mark.parametrize("issuer", ["https://a/,b", "a b", "a\nSCITOKENS /.*/ root", "a\x7f", "https://\u00e9/", ""])
def test_an_issuer_that_a_map_line_cannot_contain(issuer: str) -> None:
    """With a comma, the line would be for subjects of another issuer."""
    with pytest.raises(WiringError, match="a map file cannot contain the issuer"):
        map_line(issuer, PLUGIN)


def test_the_lines_as_the_design_has_them() -> None:
    """Anchored, escaped, ended by the comma."""
    line = r"SCITOKENS /^https:\/\/aai\.egi\.eu\/auth\/realms\/egi,/ PLUGIN:VOMAP" + "\n"
    assert map_line("https://aai.egi.eu/auth/realms/egi", PLUGIN) == line


@pytest.mark.parametrize("name", ["osg.yaml", "egi.yaml", "fermilab.yaml"])
def test_nothing_that_ships_is_without_an_anchor(name: str) -> None:
    """`/.*/` would let every issuer of the world start the plugin."""
    for line in _lines(policy_document(shipped_file("mapfiles", name).read_text("utf-8"))):
        assert line.expression.startswith("^https:")
        assert line.expression.endswith(",")
        assert not line.matches("https://evil.example/", "x")


DECLARED = policy_document(f"{SITE}issuers:\n  https://b/: {{vo: B}}\n  https://a/: {{vo: A}}\n  https://gone/: none\n")


def _asked(*bans: Mapping[str, Any]) -> list[str]:
    return wired_issuers(DECLARED, bans_document(written({"mapfile": "1", "bans": list(bans)})))


def test_a_distrusted_issuer_does_not_reach_the_plugin() -> None:
    """`none` is not declared."""
    assert wired_issuers(DECLARED, NO_BANS) == ["https://a/", "https://b/"]
    assert len(_lines(DECLARED)) == 2
    assert not any(line.matches("https://gone/", "x") for line in _lines(DECLARED))


def test_a_banned_issuer_reaches_the_plugin() -> None:
    """A banned issuer must be refused, declared, distrusted or unknown. A later line must not map its tokens."""
    banned = {"issuer": ["https://gone/", "https://b/", "https://new/"], "reason": "x"}
    assert _asked(banned) == ["https://a/", "https://b/", "https://gone/", "https://new/"]
    assert _asked({"issuer": "https://new/", "subject": "x", "reason": "x"})[-1] == "https://new/"
    lines = _lines(DECLARED, bans_document(written({"mapfile": "1", "bans": [banned]})))
    assert [line.matches("https://gone/", "x") for line in lines] == [False, False, True, False]


@pytest.mark.parametrize(
    "issuer",
    ['"x', "http://new/", "https://new/#x", "https://a,b/", "https://$(x)/", "https://'/", "x"],
)
def test_an_issuer_that_cannot_be_written_is_left_out(issuer: str) -> None:
    """A ban adds only plain https URLs and declared issuers to the configuration of a CE."""
    assert _asked({"issuer": [issuer, "https://new/"], "reason": "x"}) == ["https://a/", "https://b/", "https://new/"]


def test_a_published_list_wires_no_issuer() -> None:
    """A published list adds only issuers that the site declares, with `none` or otherwise."""
    issuers = ["https://gone/", "https://b/", "https://new/"]
    published: BanDocument = {"issuer": issuers, "reason": "x", "source": "/etc/vomap/bans.d/published-grid.yaml:5"}
    assert wired_issuers(DECLARED, {"bans": [published]}) == ["https://a/", "https://b/", "https://gone/"]
    own: BanDocument = {"issuer": issuers, "reason": "x", "source": "/etc/published-x/own.yaml:5"}
    assert wired_issuers(DECLARED, {"bans": [own]})[-1] == "https://new/"


def test_a_ban_without_an_issuer_lets_nobody_in() -> None:
    """A ban by subject or VO adds no issuer."""
    assert _asked({"subject": "x", "reason": "x"}, {"vo": "A", "reason": "x"}) == ["https://a/", "https://b/"]


def test_the_next_plugin() -> None:
    """`then` is asked about what vomap declines, and only after it."""
    assert {line.mapped for line in _lines(OSG, then=("EGI_2",))} == {"PLUGIN:VOMAP,EGI_2"}
    assert {line.mapped for line in _lines(OSG)} == {"PLUGIN:VOMAP"}


@pytest.mark.parametrize("then", ["", "_", "A B", "A,B", "A\nSCITOKENS", "A\n", "*", "PLUGIN:A", "A/", "A\0", "\u00e9"])
def test_what_is_no_name_of_a_plugin(then: str) -> None:
    """A name that could end its field, or its line, is refused."""
    with pytest.raises(WiringError, match="is not a valid name of a plugin"):
        _rendered(OSG, then=(then,))


# the settings


def test_the_audiences_of_all_issuers_are_accepted() -> None:
    """HTCondor knows one list: the site's audiences and each issuer's own, each once, in the policy's order."""
    document = policy_document(
        "mapfile: 1\nsite: {audience: [ce:1, ANY]}\nissuers:\n"
        "  https://a/: {vo: A, audience: [x, ANY]}\n  https://b/: {vo: B, audience: y}\n  https://c/: {vo: C}\n"
        "  https://d/: {vo: D, audience: unchecked}\n  https://e/: none\n"
    )
    assert accepted_audiences(document) == ["ce:1", "ANY", "x", "y"]
    assert _settings(document)["SCITOKENS_SERVER_AUDIENCE"] == "ce:1, ANY, x, y"


def test_the_issuers_whose_tokens_htcondor_must_not_check() -> None:
    """Those with entitlements, without an audience, or whose audience is unchecked. Never a distrusted one."""
    document = policy_document(
        f"{SITE}issuers:\n"
        "  https://plain/: {vo: A}\n"
        "  https://unchecked/: {vo: B, audience: unchecked}\n"
        "  https://own/: {vo: C, audience: [x]}\n"
        "  https://without/: {vo: D, without-audience: accept}\n"
        "  https://egi/: {vo-from: [group], entitlements: {namespace: urn:x:y}}\n"
        "  https://gone/: none\n"
    )
    expected = ["https://egi/", "https://unchecked/", "https://without/"]
    assert foreign_issuers(document) == expected
    settings = _settings(document)
    assert settings["SEC_SCITOKENS_ALLOW_FOREIGN_TOKEN_TYPES"] == "true"
    assert settings["SEC_SCITOKENS_FOREIGN_TOKEN_ISSUERS"] == ", ".join(expected)


def test_no_foreign_issuer() -> None:
    """Without one HTCondor checks everything itself: its own default lets an issuer of its choice off."""
    settings = _settings(policy_document(f"{SITE}issuers:\n  https://plain/: {{vo: A}}\n"))
    assert settings["SEC_SCITOKENS_ALLOW_FOREIGN_TOKEN_TYPES"] == "false"
    assert settings["SEC_SCITOKENS_FOREIGN_TOKEN_ISSUERS"] == ""


def test_a_site_that_checks_no_audience() -> None:
    """Then HTCondor must not either, but for issuers with audiences of their own."""
    document = policy_document(
        "mapfile: 1\nsite: {audience: unchecked}\nissuers:\n"
        "  https://a/: {vo: A}\n  https://b/: {vo: B, audience: [x]}\n"
    )
    assert accepted_audiences(document) == ["x"]
    assert foreign_issuers(document) == ["https://a/"]


def test_the_callouts_place() -> None:
    """The settings have the path of the callout if it is given. Otherwise the shipped file has that of the packages."""
    name = f"SEC_SCITOKENS_PLUGIN_{PLUGIN}_COMMAND"
    assert name not in _settings(OSG)
    assert _settings(OSG, callout="/opt/v-1.0/vomap_htcondor")[name] == "/opt/v-1.0/vomap_htcondor"


@pytest.mark.parametrize(
    "callout", ["bin/x", "", "/a b/x", "/a\nALLOW_WRITE = *", "/a\tb", "/$(HOME)/x", "/a'b", "/a\\", "/a\0b", "/\u00e9"]
)
def test_what_is_no_path_of_a_callout(callout: str) -> None:
    """HTCondor searches no PATH, splits at blanks and expands. A new line would be a setting of its own."""
    with pytest.raises(WiringError, match="is not a valid path of a callout"):
        _rendered(OSG, callout=callout)


@pytest.mark.parametrize("text", ["a,b", "x$(DENY_WRITE)", "$ENV(HOME)", "ends\\"])
@pytest.mark.parametrize("what", ["site", "issuer", "foreign"])
def test_what_cannot_stand_in_a_list_of_settings(text: str, what: str) -> None:
    """A comma makes two members of one, $( ) is expanded, a backslash at the end takes the next line in."""
    audience, url = (text if what == key else "x" for key in ("site", "foreign"))
    declared = {"vo": "V", "audience": [text] if what == "issuer" else "unchecked"}
    site = {"audience": [audience]}
    document = policy_document(written({"mapfile": "1", "site": site, "issuers": {url: declared}}))
    with pytest.raises(WiringError, match=r"cannot be in a list|cannot contain the issuer"):
        _rendered(document)


_audiences = st.text(min_size=1, max_size=12).filter(
    lambda text: text.isprintable() and text != "unchecked" and not set(text) & set(" *,$\\\xa0\u3000")
)


@given(audience=st.lists(_audiences, min_size=1, max_size=3, unique=True), issuer=_issuers)
def test_no_text_of_the_policy_begins_a_line(audience: list[str], issuer: str) -> None:
    """With any audiences and issuers, the settings are these four lines with exactly these values."""
    issuer = issuer.replace("$", "x").replace("\\", "x")
    declared = {"vo": "V", "without-audience": "accept"}
    site = {"audience": audience}
    document = policy_document(written({"mapfile": "1", "site": site, "issuers": {issuer: declared}}))
    assert _settings(document, callout="/x") == {
        "SEC_SCITOKENS_PLUGIN_VOMAP_COMMAND": "/x",
        "SCITOKENS_SERVER_AUDIENCE": ", ".join(audience),
        "SEC_SCITOKENS_ALLOW_FOREIGN_TOKEN_TYPES": "true",
        "SEC_SCITOKENS_FOREIGN_TOKEN_ISSUERS": issuer,
    }


# the file that ships


def test_what_ships_and_what_is_rendered_fit() -> None:
    """The plugin has one name and one place. HTCondor-CE reads the files in the order of their names."""
    lines = shipped_file("packaging/htcondor", DEFAULTS_FILE).read_text("utf-8").splitlines()
    settings = [line for line in lines if line and not line.startswith("#")]
    assert settings == [
        f"SEC_SCITOKENS_PLUGIN_{PLUGIN}_COMMAND = {LIBEXEC / 'vomap-htcondor'}",
        "DENY_READ = $(DENY_WRITE)",
        "SEC_READ_AUTHENTICATION = REQUIRED",
    ]
    assert DEFAULTS_FILE < SETTINGS_FILE
    assert MAP_FILE < "10-scitokens.conf"


def test_the_headings_name_the_policy() -> None:
    """Each fragment says which policy it was written for."""
    for text in _rendered(OSG).values():
        assert text.splitlines()[0].startswith("# Written by `vomap render htcondor`.")
