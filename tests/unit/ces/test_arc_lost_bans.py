"""On ARC, a site's bans that vomap's own group would disable: by exclusion from a group, and by late `denyaccess`.

Measured on ARC 7.0.0. tests/e2e/test_arc.py asks a real one.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from unit.ces.ce_system import ARC_CONF, ARC_FILE, CeSystem
from vomap.ces.arc_lost_bans import find_lost_arc_bans
from vomap.ces.kinds import ArcCe, known_ces

ISSUER, OTHER = "https://one.example/", "https://other.example/"
GROUPS = f"""\
[authgroup:banned]
authtokens = evil {ISSUER} * * *
[authgroup:pilots]
authtokens = pilot {ISSUER} * * *
"""
ALL = f"authtokens = * {ISSUER} * * *\n"
MEMBERS = f"[authgroup:members]\n-authgroup = banned\n{ALL}"
JOBS = "[arex/ws/jobs]\n"
ALLOW = f"{JOBS}allowaccess = members\n"
LATE_FILE = "/etc/arc.conf.d/60-site.conf"
VOMAPS = f"{JOBS}allowaccess = vomap\n"


def _lost(folder: Path, text: str, **more: str) -> list[str]:
    """Return the messages for this arc.conf, with vomap's file. `late` is a file after it."""
    system = CeSystem(folder / "root", arc=True)
    system.write(ARC_CONF, text)
    system.write("/etc/banned-subjects", f'"{ISSUER}/evil" x\n')
    system.write(ARC_FILE, VOMAPS)
    for path in more.values():
        system.write(LATE_FILE, path)
    (ce,) = (each for each in known_ces(system.root) if isinstance(each, ArcCe))
    return [text.replace(str(system.root), "") for text in find_lost_arc_bans(ce, [ISSUER])]


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ("-authgroup = banned", "write `denyaccess = banned` at the end of [arex/ws/jobs] in /etc/arc.conf"),
        ("-authgroup = pilots banned", "write `denyaccess = pilots banned` at the end of [arex/ws/jobs]"),
        ("!authgroup = banned", "write `denyaccess = banned` at the end"),
        ("+!authgroup = banned", "write `denyaccess = banned` at the end"),
        ("-!authgroup = banned", "write `!authgroup = banned` into a block [authgroup:excluded-from-members]"),
        (f"-authtokens = evil {ISSUER} * * *", f"write `authtokens = evil {ISSUER} * * *` into a block"),
        (f"!authtokens = evil {ISSUER} * * *", f"write `authtokens = evil {ISSUER} * * *` into a block"),
        (f"-authtokens = evil {OTHER} * * *", ""),
        # ARC unquotes words: any token may match.
        (f'-authtokens = evil "{ISSUER}" * * *', f'write `authtokens = evil "{ISSUER}" * * *` into a block'),
        (f'-authtokens = "evil man" {ISSUER} * * *', f'write `authtokens = "evil man" {ISSUER} * * *` into a block'),
        ("-authtokens = evil https\\://one.example/ * * *", "write `authtokens = evil https\\://one.example/"),
        ('-authgroup = "banned"', 'write `authgroup = "banned"` into a block'),
        ('-file = "/etc/banned-subjects"', 'write `file = "/etc/banned-subjects"` into a block'),
        ("-authtokens = evil * * * *", "write `authtokens = evil * * * *` into a block"),
        ("-authtokensgen = (sub=evil)", "write `authtokensgen = (sub=evil)` into a block"),
        (f"-subject = {ISSUER}/evil", f"write `subject = {ISSUER}/evil` into a block"),
        ("-subject = /DC=example/CN=evil", ""),
        ("-file = /etc/banned-subjects", "write `file = /etc/banned-subjects` into a block"),
        ("-file = /etc/missing", ""),
        ("-plugin = 10 /usr/bin/ask", "write `plugin = 10 /usr/bin/ask` into a block"),
        ("-voms = vo * * *", ""),
        ("-all = no", ""),
        # ARC ignores these.
        ("- authgroup = banned", ""),
        ("-authgroup = later", ""),
        ("-authgroup = nowhere", ""),
        # The group itself lets these tokens in before.
        (f"authtokens = evil {ISSUER} * * *\n-authgroup = banned", ""),
        ("all = yes\n-authgroup = banned", ""),
        (f"authtokens = evil {OTHER} * * *\n-authgroup = banned", "write `denyaccess = banned`"),
    ],
)
def test_each_kind_of_exclusion(tmp_path: Path, rules: str, told: str) -> None:
    """An exclusion of tokens that come to vomap is a lost ban, with the line to write. ARC ignores some lines."""
    # A token that an inverted rule excludes is a member if another rule matches it.
    members = f"[authgroup:members]\n{rules}\n{'' if rules.lstrip('+').startswith('!') else ALL}"
    text = f"{GROUPS}{members}{ALLOW}[authgroup:later]\n{ALL}"
    lost = _lost(tmp_path, text)
    assert len(lost) == bool(told)
    assert told in "".join(lost)


def test_the_place_of_an_exclusion(tmp_path: Path) -> None:
    """The message has the file and line of the rule, and says when ARC reads the change."""
    (text,) = _lost(tmp_path, GROUPS + MEMBERS + ALLOW)
    assert "/etc/arc.conf:6: [authgroup:members] -authgroup=banned" in text
    assert text.endswith("then run `systemctl restart arc-arex-ws`")


def test_an_exclusion_after_all_rules_has_no_effect(tmp_path: Path) -> None:
    """A token that no rule matches never becomes a member."""
    assert _lost(tmp_path, f"{GROUPS}[authgroup:members]\n{ALL}-authgroup = banned\n{ALLOW}") == []


@pytest.mark.parametrize(
    "block", ["", "[infosys/accesscontrol]\nallowaccess = members\n", f"{JOBS}denyaccess=members\n"]
)
def test_a_group_that_lets_no_job_in(tmp_path: Path, block: str) -> None:
    """Exclusions count only where vomap's group lets tokens in, too."""
    assert _lost(tmp_path, GROUPS + MEMBERS + block) == []


@pytest.mark.parametrize(
    "jobs",
    [
        "denyaccess = banned\nallowaccess = members\n",
        "allowaccess = members\ndenyaccess = pilots banned\n",
        "allowaccess = members\ndenyaccess = worse\n",
        # Here the site itself lets them in.
        "allowaccess = members\nallowaccess = worse\n",
        "allowaccess = everybody\nallowaccess = members\n",
    ],
)
def test_a_group_that_is_denied_already(tmp_path: Path, jobs: str) -> None:
    """A line before vomap's decides about the tokens that the group excludes. The deny group may have more members."""
    worse = (
        f"[authgroup:worse]\nauthgroup = banned\nauthtokens = bad {ISSUER} * * *\n[authgroup:everybody]\nall = yes\n"
    )
    assert _lost(tmp_path, f"{GROUPS}{worse}{MEMBERS}{JOBS}{jobs}") == []


@pytest.mark.parametrize(
    "jobs",
    [
        "allowaccess = members\ndenyaccess = pilots\n",
        "allowaccess = members\ndenyaccess = fewer\n",
        "allowaccess = members\ndenyaccess = narrow\n",
        "allowaccess = members\ndenyaccess = nowhere\n",
        "allowaccess = members pilots\n",
    ],
)
def test_a_group_that_is_not_wholly_denied(tmp_path: Path, jobs: str) -> None:
    """A denied group that excludes tokens itself, or that has fewer members, does not keep the ban."""
    fewer = "[authgroup:fewer]\n-authgroup = pilots\nauthgroup = banned\n"
    narrow = f"[authgroup:narrow]\nauthtokens = evil {ISSUER} * compute.read *\n"
    (text,) = _lost(tmp_path, f"{GROUPS}{fewer}{narrow}{MEMBERS}{JOBS}{jobs}")
    assert "`denyaccess = banned` at the end of [arex/ws/jobs]" in text


def test_an_exclusion_of_a_group_in_the_group(tmp_path: Path) -> None:
    """A group of groups excludes what its parts exclude. The new group comes behind the one with the rule."""
    part = f"[authgroup:part]\n-authtokens = evil {ISSUER} * * *\n{ALL}"
    (text,) = _lost(tmp_path, f"{part}[authgroup:members]\nauthgroup = part\n{ALLOW}")
    assert "a block [authgroup:excluded-from-part] behind [authgroup:part] in /etc/arc.conf" in text
    assert "`denyaccess = excluded-from-part` at the end of [arex/ws/jobs] in /etc/arc.conf" in text
    group = f"[authgroup:excluded-from-part]\nauthtokens = evil {ISSUER} * * *\n"
    allow = f"{ALLOW}denyaccess = excluded-from-part\n"
    assert _lost(tmp_path, f"{part}{group}[authgroup:members]\nauthgroup = part\n{allow}") == []


ANYBODY = f"[authgroup:anybody]\nall = yes\n{JOBS}allowaccess = anybody\n"
MAPPING = "[mapping]\nmap_to_user = members user\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"{MAPPING}{ANYBODY}", "before this line: /etc/arc.conf:13: [arex/ws/jobs] allowaccess=anybody"),
        (f"{MAPPING}{ANYBODY}denyaccess = banned\n", "before this line: /etc/arc.conf:13:"),
        (MAPPING, "at the end of [arex/ws/jobs] in /etc/arc.conf"),
        (f"{MAPPING}{ALLOW}", "at the end of [arex/ws/jobs] in /etc/arc.conf"),
        (f"{MAPPING}{ALLOW}denyaccess = banned\n", ""),
        (f"{MAPPING}{ANYBODY.replace('allow', f'denyaccess = banned{chr(10)}allow')}", ""),
        # Another rule of the site maps these tokens: the exclusion only chooses the account.
        (f"{MAPPING}map_to_user = banned nobody\n{ANYBODY}", ""),
    ],
)
def test_an_exclusion_of_a_group_that_is_mapped(tmp_path: Path, text: str, told: str) -> None:
    """Without vomap, no rule maps these tokens. They must be denied before a line of the site lets them in."""
    lost = _lost(tmp_path, GROUPS + MEMBERS + text)
    assert len(lost) == bool(told)
    assert f"`denyaccess = banned` {told}" in "".join(lost) or not told


def test_pilots_that_other_rules_map(tmp_path: Path) -> None:
    """Exclusions that choose between rules ban no token: the site lets these tokens in and maps them."""
    users = f"[authgroup:users]\n-authgroup = pilots\n{ALL}[mapping]\nmap_to_user = pilots pilot\n"
    jobs = f"map_to_user = users user\n{JOBS}allowaccess = pilots\nallowaccess = users\n"
    assert _lost(tmp_path, GROUPS + users + jobs) == []


@pytest.mark.parametrize(
    ("queue", "told"),
    [
        ("allowaccess = members\n", ""),
        (
            "allowaccess = members\nallowaccess = vomap-cms\n",
            "`denyaccess = banned` before this line: /etc/arc.conf:10:",
        ),
        ("denyaccess = banned\nallowaccess = vomap-cms\nallowaccess = members\n", ""),
        ("allowaccess = vomap-cms\ndenyaccess = banned\n", "move them before this line: /etc/arc.conf:9:"),
    ],
)
def test_queues_that_let_vomaps_groups_in(tmp_path: Path, queue: str, told: str) -> None:
    """A queue counts if the site lets a group of vomap into it. Denied clients of [arex/ws/jobs] reach no queue."""
    text = f"{GROUPS}{MEMBERS}[queue:cms]\n{queue}"
    lost = _lost(tmp_path, text)
    assert len(lost) == bool(told)
    assert told in "".join(lost)
    if "move" not in told:
        assert _lost(tmp_path, f"{text}{JOBS}denyaccess = banned\n") == []


def test_lines_that_arc_reads_after_vomaps_file(tmp_path: Path) -> None:
    """A `denyaccess` there keeps no ban. An `allowaccess` there has a group whose exclusions are lost."""
    late, lost = _lost(tmp_path, GROUPS + MEMBERS, late=f"{ALLOW}denyaccess = banned\n")
    assert "/etc/arc.conf.d/60-site.conf:3: [arex/ws/jobs] denyaccess=banned" in late
    assert (
        "move them to the block [arex/ws/jobs] of /etc/arc.conf, or to a file that sorts before 50-vomap.conf" in late
    )
    assert "`denyaccess = banned` at the end of [arex/ws/jobs] in /etc/arc.conf" in lost


def test_a_line_of_the_site_that_lets_vomap_in(tmp_path: Path) -> None:
    """Lines after it come too late, like lines after the one of vomap."""
    late, lost = _lost(tmp_path, f"{GROUPS}{MEMBERS}{VOMAPS}allowaccess = members\ndenyaccess = banned\n")
    assert "move them before this line: /etc/arc.conf:9: [arex/ws/jobs] allowaccess=vomap" in late
    assert "`denyaccess = banned` before this line: /etc/arc.conf:9:" in lost


def test_a_group_of_the_site_that_leaves_tokens_to_vomap(tmp_path: Path) -> None:
    """An exclusion of vomap's own group bans no token."""
    late = f"[authgroup:rest]\n-authgroup = vomap\nall = yes\n{JOBS}allowaccess = rest\n"
    assert _lost(tmp_path, f"[authgroup:vomap]\n{ALL}", late=late) == []


def test_a_block_that_comes_twice_in_one_file(tmp_path: Path) -> None:
    """ARC takes the last one, so a `denyaccess` in the first denies no token. From several files, it joins blocks."""
    assert len(_lost(tmp_path, f"{GROUPS}{MEMBERS}{JOBS}denyaccess = banned\n{ALLOW}")) == 1
    assert _lost(tmp_path, f"{GROUPS}{MEMBERS}{JOBS}denyaccess = banned\n", late=ALLOW) == []
    assert _lost(tmp_path, f"{GROUPS}{MEMBERS}{ALLOW}[authgroup:members]\n{ALL}") == []
