"""ARC's blocks: whose tokens come to the plugin, groups of VOs, and what follows a token that is declined."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from unit.policy.composed import bans_document, policy_document
from vomap.ces.arc import CALLOUT_SECONDS, FRAGMENT_FILE, LAST_FILE, read_options, render_arc, tokens_line
from vomap.ces.wiring import WiringError, WiringOptions
from vomap.files.shipped import shipped_file

if TYPE_CHECKING:
    from vomap.policy.documents import BansDocument, PolicyDocument

OSG = policy_document(shipped_file("mapfiles", "osg.yaml").read_text("utf-8"))
NO_BANS: BansDocument = {"bans": []}
PROGRAM = "/usr/libexec/vomap/vomap-arc"
Blocks = list[tuple[str, list[str]]]


def _blocks(
    document: PolicyDocument = OSG,
    bans: BansDocument = NO_BANS,
    *,
    vos: tuple[str, ...] = (),
    more_rules: bool = False,
    observe: bool = False,
    callout: str | None = None,
) -> Blocks:
    files = render_arc(document, bans, vos=vos, more_rules=more_rules, observe=observe, callout=callout)
    assert list(files) == [FRAGMENT_FILE, LAST_FILE][: 1 + (more_rules and not observe)]
    return _read(files[FRAGMENT_FILE])


def _read(text: str) -> Blocks:
    blocks: Blocks = []
    for line in text.splitlines():
        if line.startswith("["):
            blocks.append((line, []))
        elif line and not line.startswith("#"):
            blocks[-1][1].append(line)
    return blocks


def test_the_tokens_of_each_issuer() -> None:
    """One authtokens line an issuer, any subject, audience, scope and group: vomap looks at those."""
    name, lines = _blocks()[0]
    assert name == "[authgroup:vomap]"
    assert lines == [f"authtokens = * {issuer} * * *" for issuer in sorted(OSG["issuers"])]
    assert len(lines) == 22


def test_distrusted_and_banned_issuers() -> None:
    """ARC passes no token of a distrusted issuer to vomap, but those of a banned issuer, so that vomap refuses them."""
    document = policy_document("mapfile: 1\nissuers:\n  https://a/: {vo: A}\n  https://gone/: none\n")
    bans = bans_document("mapfile: 1\nbans:\n  - {issuer: https://bad/, reason: x}\n")
    assert _blocks(document)[0][1] == ["authtokens = * https://a/ * * *"]
    assert _blocks(document, bans)[0][1] == ["authtokens = * https://a/ * * *", "authtokens = * https://bad/ * * *"]


def test_a_ban_writes_no_text_of_its_own() -> None:
    """A quote in an issuer would end a word of arc.conf: such a ban changes nothing there."""
    for issuer in ('"x', "https://a/'", 'https://a/"#'):
        bans = bans_document(f"mapfile: 1\nbans:\n  - {{issuer: {json.dumps(issuer)}, reason: x}}\n")
        assert _blocks(bans=bans) == _blocks()


@pytest.mark.parametrize(
    "issuer", ['"x', 'https://a/"', "https://a/'", "https://a/\\", "https://a/$(id)", "https://a/#b"]
)
def test_an_issuer_that_arc_would_misread(issuer: str) -> None:
    """A mapfile may declare it, and the reader of arc.conf would unquote it: vomap writes no file."""
    document = policy_document(json.dumps({"mapfile": "1", "issuers": {issuer: {"vo": "A"}}}, ensure_ascii=False))
    with pytest.raises(WiringError, match=r"arc\.conf cannot contain the issuer"):
        _blocks(document)


@pytest.mark.parametrize("issuer", ["*", "a b", "a\n[mapping]", ""])
def test_an_issuer_that_no_mapfile_can_declare(issuer: str) -> None:
    """`*` would pass the tokens of every issuer. A line refuses it, whatever the compiled policy contains."""
    with pytest.raises(WiringError, match="cannot contain the issuer"):
        tokens_line(issuer)


def test_every_character_of_an_issuer() -> None:
    """The characters of an https URL stay as they are."""
    issuer = "https://a.example:8443/realms/%20~x_y/@z?q=1&r=(2)+3;4,5!-"
    document = policy_document(json.dumps({"mapfile": "1", "issuers": {issuer: {"vo": "A"}}}, ensure_ascii=False))
    assert _blocks(document)[0][1] == [f"authtokens = * {issuer} * * *"]


def test_no_issuer_is_nobody() -> None:
    """A policy without issuers makes a group without members, never one for all."""
    assert _blocks(policy_document("mapfile: 1\n"))[0] == ("[authgroup:vomap]", [])


# Said before vomap's rule, for an earlier line of others holds until another is read.
POLICY = ("policy_on_map = stop", "policy_on_nogroup = continue")


def test_the_blocks() -> None:
    """The group, the mapping for that group alone, and who may use the interface."""
    assert _blocks()[1:] == [
        ("[mapping]", [*POLICY, "policy_on_nomap = stop", f"map_with_plugin = vomap {CALLOUT_SECONDS} {PROGRAM} map"]),
        ("[arex/ws/jobs]", ["allowaccess = vomap"]),
    ]


def test_a_group_for_each_vo() -> None:
    """Queues can be kept for a VO: the group asks the callout, and lies before the mapping."""
    blocks = _blocks(vos=("Nova", "vo.example.org"), callout="/opt/vomap-arc")
    assert blocks[1:3] == [
        ("[authgroup:vomap-nova]", [f"plugin = {CALLOUT_SECONDS} /opt/vomap-arc authorize --vo Nova"]),
        (
            "[authgroup:vomap-vo.example.org]",
            [f"plugin = {CALLOUT_SECONDS} /opt/vomap-arc authorize --vo vo.example.org"],
        ),
    ]


def test_no_group_denies() -> None:
    """ARC takes a plugin that fails for `no member`: a group of vomap's may allow, never deny."""
    for _, lines in _blocks(vos=("Nova",), more_rules=True):
        assert not [line for line in lines if line.startswith(("denyaccess", "!", "-"))]


def test_a_vo_named_twice_has_one_group() -> None:
    """ARC knows one block of a name. The names of VOs compare without case."""
    names = [name for name, _ in _blocks(vos=("Nova", "CMS", "nova", "Nova"))]
    assert names == [
        "[authgroup:vomap]",
        "[authgroup:vomap-nova]",
        "[authgroup:vomap-cms]",
        "[mapping]",
        "[arex/ws/jobs]",
    ]


@pytest.mark.parametrize(
    "vo",
    [
        "",
        ".",
        "a b",
        "a\nplugin = 10 /bin/true",
        "a\n",
        "a]",
        "a*",
        "/a",
        "a\tb",
        "a%D",
        "a\0",
        "-x",
        "\u00e9",
        "\u00b2",
    ],
)
def test_what_is_no_name_of_a_vo(vo: str) -> None:
    """A name that could end its word, its line or its block, or that ARC would replace, is refused."""
    with pytest.raises(WiringError, match="is not a valid name of a VO"):
        _blocks(vos=("CMS", vo))


def test_rules_that_follow() -> None:
    """Only where it is asked for, ARC goes on after what vomap declines, and vomap says so by its exit code."""
    ((_, lines),) = [block for block in _blocks(more_rules=True) if block[0] == "[mapping]"]
    assert lines == [
        *POLICY,
        "policy_on_nomap = continue",
        f"map_with_plugin = vomap {CALLOUT_SECONDS} {PROGRAM} map --decline continue",
        "policy_on_nomap = stop",
    ]
    assert "policy_on_nomap = continue" not in str(_blocks())


def test_the_rules_that_follow_keep_arcs_default() -> None:
    """A policy line holds for all later rules, in later files, too. ARC's default is the last one that vomap writes."""
    ((_, lines),) = [block for block in _blocks(more_rules=True) if block[0] == "[mapping]"]
    in_force = dict(line.split(" = ", 1) for line in lines if line.startswith("policy_"))
    assert in_force == {"policy_on_map": "stop", "policy_on_nogroup": "continue", "policy_on_nomap": "stop"}


def test_the_last_rule_refuses_who_is_not_mapped() -> None:
    """Where other rules may map, a last file has a rule that refuses what it declines, and changes no policy line."""
    text = render_arc(OSG, NO_BANS, vos=(), more_rules=True, callout="/opt/vomap-arc")[LAST_FILE]
    assert _read(text) == [("[mapping]", [f"map_with_plugin = vomap {CALLOUT_SECONDS} /opt/vomap-arc map"])]
    assert LAST_FILE > "98-site.conf" > FRAGMENT_FILE


@pytest.mark.parametrize("more_rules", [False, True])
def test_observing_changes_nothing_for_arc(more_rules: bool) -> None:
    """Vomap is the plugin of a group that has no members. There is no mapping rule, no policy line and no access."""
    assert _blocks(observe=True, more_rules=more_rules) == [
        _blocks()[0],
        ("[authgroup:vomap-observe]", ["-!authgroup = vomap", f"plugin = {CALLOUT_SECONDS} {PROGRAM} map --observe"]),
    ]


def test_groups_of_vos_while_vomap_observes() -> None:
    """A queue that names a VO's group would follow vomap's answer."""
    with pytest.raises(WiringError, match="--observe or --vo, not both"):
        _blocks(observe=True, vos=("Nova",))


@pytest.mark.parametrize(
    "options",
    [
        WiringOptions("/opt/bin/vomap-arc"),
        WiringOptions("/opt/bin/vomap-arc", vos=("Nova", "vo.example.org")),
        WiringOptions("/opt/bin/vomap-arc", vos=("Nova",), more_rules=True),
        WiringOptions("/opt/bin/vomap-arc", observe=True),
    ],
)
def test_the_options_of_a_fragment_are_found_in_it(options: WiringOptions) -> None:
    """The options are found, with other blanks, too, and not in comments."""
    chosen: dict[str, Any] = {"vos": options.vos, "more_rules": options.more_rules, "observe": options.observe}
    text = render_arc(OSG, NO_BANS, callout=options.callout, **chosen)[FRAGMENT_FILE]
    other = text.replace(" = ", "=").replace("\n", "  \n ")
    assert read_options(text) == read_options(other) == options
    assert read_options(text.replace("\n", "\n#")) == WiringOptions()


def test_a_line_with_a_wrong_name_of_a_vo_is_no_option() -> None:
    """A line that `vomap render arc` would refuse has another origin."""
    assert read_options("plugin = 10 /x authorize --vo a*\n") == WiringOptions()


def test_the_callout_ends_before_arc_ends_it() -> None:
    """ARC takes a group's plugin that it had to end for `no member`: it must never come to that."""
    assert CALLOUT_SECONDS > 4


@pytest.mark.parametrize("callout", ["bin/x", "/a b/x", "/a\n[mapping]", "/a\tb", "/%D", "/a\0b", "/\u00e9"])
def test_what_is_no_path_of_a_callout(callout: str) -> None:
    """ARC searches no PATH, splits at blanks and replaces %D. A new line would be a rule of its own."""
    with pytest.raises(WiringError, match="is not a valid path of a callout"):
        _blocks(callout=callout)
