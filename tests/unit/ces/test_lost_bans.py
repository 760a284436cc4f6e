"""Bans of map files that vomap's lines disable, and the same bans of vomap."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from vomap.ces.htcondor import map_line
from vomap.ces.htcondor_files import MapFiles, Settings
from vomap.ces.kinds import HtcondorCe, known_ces
from vomap.ces.lost_bans import DeniedNames, LostBan, OwnBans, Shadow, find_shadow
from vomap.ces.map_lines import read_map_line
from vomap.compile.advice import Advice

ONE, TWO = "https://one.example/", "https://two.example/x"
ISSUERS: Any = {ONE: {"vo": "One"}, TWO: {"vo-from": ["group"]}, "https://gone/": None}
OURS = [map_line(ONE, "VOMAP"), map_line(TWO, "VOMAP,EGI")]
LEAK = r"SCITOKENS /^https:\/\/one\.example\/,leak$/ x@banned.htcondor.org"
BOTS = r"SCITOKENS /^https:\/\/one\.example\/,bot-/ x@banned.htcondor.org"
WHOLE = r"SCITOKENS /^https:\/\/one\.example\/,/ x@banned.htcondor.org"


def _read(*lines: str) -> MapFiles:
    read = [read_map_line(Path("f"), number, line) for number, line in enumerate(lines, 1)]
    return MapFiles([line for line in read if line is not None])


def _shadow(*lines: str, bans: Sequence[Any] | None = (), deny: str = "") -> Shadow:
    """Return what vomap's lines disable, with these lines, in order, and these bans of vomap, None if it observes."""
    files = _read(*lines)
    documents: list[Any] = [{"source": "b:1", "reason": "r", **ban} for ban in bans or ()]
    own = None if bans is None else OwnBans(documents, ISSUERS)
    settings = Settings(
        [(Path("c"), "DENY_WRITE", deny), (Path("c"), "BANNED", "$(BANNED), mallory@users.htcondor.org")]
    )
    return find_shadow(files, DeniedNames(settings), own, (ONE, TWO))


def _lost(*lines: str, **more: Any) -> list[LostBan]:
    return list(_shadow(*OURS, *lines, **more).lost)


def test_a_ban_behind_vomaps_line_is_lost() -> None:
    """It becomes a ban of issuer and subject. The reason names its place."""
    (lost,) = _lost(LEAK)
    assert lost.bans == [{"issuer": [ONE], "subject": ["leak"], "reason": "f:3: x@banned.htcondor.org"}]
    assert lost.describe() == f"f:3: `{LEAK}` bans the subject leak of {ONE}"


def test_a_ban_before_vomaps_line_holds() -> None:
    """So does one for an issuer that vomap's lines do not take."""
    assert _shadow(LEAK, *OURS).lost == []
    assert _lost(LEAK.replace("one", "other")) == []
    assert _lost(LEAK.replace("SCITOKENS", "SSL")) == []


def test_a_prefix_without_an_end() -> None:
    """It becomes the patterns of all subjects that begin so, with any number of slashes."""
    (lost,) = _lost(BOTS)
    assert lost.bans[0]["subject"] == ["bot-", "bot-*", "bot-/**", "bot-*/**"]
    assert "all subjects that begin with bot- of" in lost.describe()


def test_a_line_of_several_issuers() -> None:
    """A ban names each issuer of vomap's that the line matches."""
    (lost,) = _lost(r"SCITOKENS /^https:\/\// x@banned.htcondor.org")
    assert [(ban["issuer"], ban.get("subject")) for ban in lost.bans] == [([ONE, TWO], None)]
    assert f"bans all tokens of {ONE}, {TWO}" in lost.describe()


@pytest.mark.parametrize(
    "line",
    [
        r"SCITOKENS /^https:\/\/one\.example\/,lea[kf]$/ x@banned.htcondor.org",
        r"SCITOKENS /^https:\/\/one\.example\/,le.k$/ x@banned.htcondor.org",
        r"SCITOKENS /^https:\/\/one\.example\/,leak$/i x@banned.htcondor.org",
        r"SCITOKENS /^https:\/\/one\.example\/,le\*k$/ x@banned.htcondor.org",
        r"SCITOKENS /^https:\/\/one\.example\/,<leak>$/ x@banned.htcondor.org",
        r"SCITOKENS /^https:\/\/one\.example\/,$/ x@banned.htcondor.org",
        r"SCITOKENS /,leak$/ x@banned.htcondor.org",
    ],
)
def test_an_expression_that_is_no_ban_of_vomap(line: str) -> None:
    """It is lost, and nothing replaces it exactly."""
    (lost,) = _lost(line)
    assert (lost.bans, lost.why, lost.bans_rest) == ((), "vomap has no ban for exactly these subjects", False)


def test_a_ban_of_all_others() -> None:
    """Behind lines that map, a ban of the whole issuer is for the rest only. A ban of vomap would be for all tokens."""
    maps = r"SCITOKENS /^https:\/\/one\.example\/,alice$/ alice"
    (lost,) = _lost(maps, WHOLE)
    assert (lost.bans, lost.bans_rest) == ((), True)
    assert lost.why.startswith("f:3 comes before it and maps")
    assert _lost(maps, LEAK)[0].bans != ()
    assert _lost(maps.replace("one", "two"), WHOLE)[0].bans != ()


def test_many_issuers() -> None:
    """The line names three. All of them are banned."""
    issuers = [f"https://i{number}.example/" for number in range(9)]
    lines = [map_line(issuer, "VOMAP") for issuer in issuers]
    found = _read(*lines, r"SCITOKENS /^https:\/\// x@banned.htcondor.org")
    (lost,) = find_shadow(found, DeniedNames(Settings()), OwnBans([], {}), issuers).lost
    assert lost.describe().endswith(f"bans all tokens of {', '.join(issuers[:3])} and 6 more issuers")
    assert [ban["issuer"] for ban in lost.bans] == [issuers]


@pytest.mark.parametrize("expression", ["/.*/", "/(.*)/", "/^.*/", "/^/"])
def test_a_ban_of_any_token(expression: str) -> None:
    """It is not lost, whatever lines come before: it still bans the tokens of all other issuers."""
    maps = r"SCITOKENS /^https:\/\/one\.example\/,alice$/ alice"
    ban = f"SCITOKENS {expression} x@banned.htcondor.org"
    for lines in ((ban,), (maps, ban)):
        shadow = _shadow(*OURS, *lines)
        assert (shadow.lost, [line.text for line in shadow.rest]) == ([], [ban])
    assert _shadow(*OURS, ban, bans=None).rest
    assert not _shadow(ban, *OURS).rest


def test_the_advice_for_a_ban_of_the_rest_of_an_issuer() -> None:
    """It says which tokens each way bans. Deleting a line for more issuers opens the CE to those that vomap misses."""
    maps = r"SCITOKENS /^https:\/\/one\.example\/,alice$/ alice"
    ce = known_ces(Path("/"))[0]
    assert isinstance(ce, HtcondorCe)
    other = "but those of other issuers are banned no more"
    for line, more in ((WHOLE, False), (r"SCITOKENS /^https:\/\/o/ x@banned.htcondor.org", True)):
        (lost,) = _lost(maps, line)
        told = lost.way_to_keep(ce, Advice())
        assert f"To deny every token of {ONE} that it matches, also those that vomap maps, move it to " in told
        assert f"delete the line: vomap refuses tokens of {ONE} that no rule maps" in told
        assert (other in told) == more


@pytest.mark.parametrize(
    "ban",
    [
        {"issuer": [ONE], "subject": ["leak"]},
        {"issuer": [TWO, ONE], "subject": ["other", "leak"]},
        {"subject": ["leak"]},
        {"subject": ["le*k"]},
        {"issuer": [ONE], "subject": ["le*"]},
        {"issuer": [ONE]},
        {"vo": ["ONE"]},
        {"vo": ["one"], "subject": ["leak"]},
        {"issuer": [ONE], "vo": ["Other", "One"]},
    ],
)
def test_what_vomap_denies_already(ban: dict[str, Any]) -> None:
    """A ban of vomap that denies all tokens of the line is enough."""
    assert _lost(LEAK, bans=[ban]) == []


@pytest.mark.parametrize(
    "ban",
    [
        {"issuer": [TWO], "subject": ["leak"]},
        {"issuer": [ONE], "subject": ["leaks"]},
        {"issuer": [ONE], "subject": ["leak"], "client": ["c"]},
        {"issuer": [ONE], "subject": ["leak"], "claim": {"x": ["y"]}},
        {"issuer": [ONE], "subject": ["leak"], "until": 1},
        {"issuer": [ONE], "vo": ["Two"]},
        {"vo": ["Two"]},
    ],
)
def test_what_vomap_does_not_deny(ban: dict[str, Any]) -> None:
    """Another issuer or subject, a further condition, an expired ban, another VO."""
    assert len(_lost(LEAK, bans=[ban])) == 1


def test_part_of_a_line() -> None:
    """Only what vomap does not deny is left."""
    assert len(_lost(BOTS, bans=[{"issuer": [ONE], "subject": ["bot-", "bot-*"]}])) == 1
    assert _lost(BOTS, bans=[{"issuer": [ONE], "subject": ["bot-", "bot-*", "bot-/**", "bot-*/**"]}]) == []
    (lost,) = _lost(r"SCITOKENS /^https:\/\// x@banned.htcondor.org", bans=[{"issuer": [ONE]}])
    assert lost.bans[0]["issuer"] == [TWO]
    assert _lost(r"SCITOKENS /,leak$/ x@banned.htcondor.org", bans=[{"issuer": [ONE, TWO]}]) == []


def test_bans_of_vomap_that_only_observes() -> None:
    """They deny no token, so none replaces the line."""
    (lost,) = _lost(LEAK, bans=None)
    assert (lost.bans, lost.why) == ((), "vomap only observes, so its bans deny no token")


@pytest.mark.parametrize(
    ("deny", "name", "is_ban"),
    [
        ("", "x@banned.htcondor.org", True),
        ("", r"\1@BANNED.htcondor.org", True),
        # HTCondor-CE lets in only its own accounts.
        ("", "x@other", True),
        ("$(BANNED), $(BANNED)", "mallory", True),
        ("anonymous@*, *@unmapped", "x@unmapped", True),
        ("anonymous@*, *@unmapped", "anonymous@x", True),
        ("bad@users.htcondor.org/*", "bad", True),
        ("bad@users.htcondor.org/*", "good", False),
        ("*@users.htcondor.org", "good", False),
        ("*, *@*, $(OTHER), *@$(X)", "good", False),
    ],
)
def test_the_names_that_the_ce_denies(deny: str, name: str, is_ban: bool) -> None:
    """Each domain and each name of DENY_WRITE counts, but not what denies every account."""
    line = rf"SCITOKENS /^https:\/\/one\.example\/,leak$/ {name}"
    shadow = _shadow(*OURS, line, deny=deny)
    assert (len(shadow.lost), len(shadow.dead)) == ((1, 0) if is_ban else (0, 1))


@pytest.mark.parametrize("key", ["DENY_READ", "SCHEDD.DENY_WRITE", "DENY_WRITE_COLLECTOR", "DENY_DEFAULT"])
def test_the_settings_that_deny(key: str) -> None:
    """Reading is denied as writing is, for any daemon."""
    assert "bad" in DeniedNames(Settings([(Path("c"), key, "bad@users.htcondor.org")]))
    assert "bad" not in DeniedNames(Settings([(Path("c"), "DENY_DAEMON", "bad@users.htcondor.org")]))


def test_a_ban_that_ends_replaces_none_that_does_not() -> None:
    """The line of the map file would ban the token after that, too."""
    assert _lost(LEAK, bans=[{"issuer": [ONE], "subject": ["leak"], "until": 4_000_000_000}])


def test_a_name_with_a_control_character_can_be_taken_over() -> None:
    """The reason of the ban has no such character."""
    (lost,) = _lost(LEAK.replace("x@", "x\x1b@"))
    assert lost.bans[0]["reason"].isprintable()


def test_lines_that_are_never_used() -> None:
    """Only lines that name an issuer of vomap's lines, and no line that asks vomap itself."""
    dead = (r"/^https:\/\/one\.example\/,a$/ a", r"/^https:\/\/one.example\/,/ b", "https://one.example/,c c")
    used = (r"/.*/ d", r"/^https:/ e", r"/^https:\/\/other\/,/ f", r"/^https:\/\/one\.example\/,/ PLUGIN:VOMAP,X")
    shadow = _shadow(*OURS, *(f"SCITOKENS {line}" for line in (*dead, *used)))
    assert [line.name for line in shadow.dead] == ["a", "b", "c"]


def test_many_lines() -> None:
    """The time does not grow with the square of their number."""
    lines = [rf"SCITOKENS /^https:\/\/one\.example\/,u{number}$/ x@banned.htcondor.org" for number in range(20_000)]
    bans = [{"issuer": [ONE], "subject": [f"u{number}"]} for number in range(1, 20_000)]
    assert len(_lost(*lines, bans=bans)) == 1


@pytest.mark.parametrize("line", ["/.*/", r"/^https:\/\/one/", r"/^https:.*/"])
def test_a_line_of_the_site_that_asks_vomap_for_many_issuers(line: str) -> None:
    """It takes the tokens of each issuer that it matches as a whole, so a ban behind it is lost."""
    shadow = _shadow(f"SCITOKENS {line} PLUGIN:VOMAP", LEAK)
    assert [each.line.name for each in shadow.lost] == ["x@banned.htcondor.org"]


def test_a_line_of_the_site_that_asks_vomap_for_one_subject() -> None:
    """Bans of other subjects behind it are in force."""
    assert not _shadow(r"SCITOKENS /^https:\/\/one\.example\/,alice$/ PLUGIN:VOMAP", LEAK).lost
