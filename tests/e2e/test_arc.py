"""On a real ARC CE: whose job a token's is, whom vomap refuses, and that it is asked once for each connection."""

from __future__ import annotations

import json
import re
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from docs.console import DOCS, File, commands, steps
from e2e import by_pip, packaged
from e2e.arc_ce import (
    BANS,
    CALLOUT,
    ENTRIES,
    FRAGMENT,
    FRAGMENTS,
    LAST_FRAGMENT,
    POLICY,
    POOL,
    QUEUES,
    SEEN,
    USER,
    WATCHED,
    Answer,
    ArcCE,
    Client,
)
from e2e.chroot import CHECKOUT, FOLDER
from e2e.packaged import VOMAP

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HERE = Path(__file__).resolve().parent
RESULTS = FOLDER / "arc.json"
LEGACY, AREX = "legacy", "arexuser"
# The rule that a site may have had before vomap: one account for every token. It comes after vomap's own rules.
MORE_RULES = f"""\
[authgroup:{LEGACY}]
authtokens=* * * * *

[mapping]
map_to_user={LEGACY} {LEGACY}

[arex/ws/jobs]
allowaccess={LEGACY}
"""
# Rules of a site that find no account for a token of its group, and the rule of the same group after them.
NO_ACCOUNT = {"pool": f"map_to_pool={LEGACY} {POOL}", "file": f"map_with_file={LEGACY} {ENTRIES}"}
DECISIONS, SITE_FILE = "/var/log/vomap/decisions.log", "/etc/vomap/mapfiles.d/10-site.yaml"
# The guide, whose commands for root are run here: to observe, to compare, to end that. Another way restarts A-REX here.
GUIDE = DOCS / "howto" / "observe-arc.md"
AS_ROOT = [command.text for command in commands(GUIDE) if command.as_root]
TO_PREPARE, TO_COMPARE, TO_LOOK = AS_ROOT[:2], AS_ROOT[6:8], AS_ROOT[11:]
# By how vomap was installed.
TO_OBSERVE = {"packages": AS_ROOT[2:4], "pip": [AS_ROOT[2], AS_ROOT[4]]}
TO_END = {"packages": AS_ROOT[8:9], "pip": AS_ROOT[9:10]}
QUEUES_OF_VOS = {queue: f"allowaccess=vomap-{queue}" for queue in QUEUES[1:]}
OUTCOMES = {"declined", "denied", "error"}
# The command and where the callouts are, if not where it expects them, by how vomap was installed.
WAYS = {"packages": [VOMAP], "pip": [by_pip.VOMAP, "--callouts", by_pip.CALLOUTS]}
AUTHENTICATIONS, AT_A_TIME = 200, 8
# How A-REX answers those whom the mapping rules refuse, and those whom no rule maps.
REFUSED, NOT_MAPPED = 403, 500


@dataclass(frozen=True)
class Person:
    """A client that comes to the CE, and its expected result: an account, an outcome, or `not asked`."""

    name: str
    client: Client
    expected: str


def _read(file: str) -> list[Person]:
    found = []
    for entry in yaml.safe_load((HERE / file).read_text("utf-8")):
        expect, here = entry["expect"], entry.get("arc", "")
        if here != "left out":
            token = None if entry["token"] == "none" else entry["token"]
            client = Client(token, certificate=entry.get("certificate", False), padded=entry.get("padded", 0))
            found.append(Person(entry["name"], client, here or expect.get("account") or expect["outcome"]))
    return found


SHARED = _read("tokens.yaml")
PEOPLE = {person.name: person for person in [*SHARED, *_read("arc_tokens.yaml")]}
MAPPED = [person for person in SHARED if person.expected not in {*OUTCOMES, "not asked"}]
CMS, NOVA = (next(person.client for person in MAPPED if person.expected == name) for name in ("cms001", "novapro"))


@dataclass(frozen=True)
class Met:
    """A client's result: the CE's answer, the callout's output, and both as an account or a word."""

    answer: Answer
    said: list[str]

    @property
    def became(self) -> str:
        """Return the account, else the outcome that the callout logged, else `not asked`."""
        told = [words[1] for words in (re.match(r"vomap-arc \w+: (\w+)", line) for line in self.said) if words]
        return self.answer.account or (told[-1] if told else "not asked")


def _meet(ce: ArcCE, client: Client) -> Met:
    mark = ce.mark()
    (answer,) = ce.ask([client])
    return Met(answer, ce.said_since(mark))


@pytest.fixture(scope="module")
def ce() -> Iterator[ArcCE]:
    """An ARC CE with vomap's packages, the site's policy, and accounts for all who are mapped."""
    arc = ArcCE(FOLDER / "arc")
    issuers = [str(person.client.token["iss"]) for person in PEOPLE.values() if person.client.token]
    try:
        arc.open(issuers, [LEGACY, AREX, *(person.expected for person in MAPPED)])
        arc.install_policy(HERE / "site", ["osg"])
        yield arc
    finally:
        arc.close()


@pytest.fixture
def wired(ce: ArcCE) -> ArcCE:
    """The CE, wired as `vomap render arc` says."""
    ce.wire(ce.rendered())
    return ce


@pytest.fixture(scope="module")
def met(ce: ArcCE) -> dict[str, Met]:
    """All clients, one after the other. Their results are kept for the comparison of the CEs."""
    ce.wire(ce.rendered())
    found = {name: _meet(ce, person.client) for name, person in PEOPLE.items()}
    RESULTS.write_text(json.dumps({name: one.became for name, one in found.items()}, indent=1))
    return found


def test_the_callout_is_the_packages_own(wired: ArcCE) -> None:
    """ARC starts the very file that the package installed. This file, and every other of the packages, is unchanged."""
    wiring = wired.chroot.path(FRAGMENT).read_text("utf-8")
    assert re.findall(r"^map_with_plugin = \S+ \d+ (\S+)", wiring, re.MULTILINE) == [CALLOUT]
    assert packaged.package_of(wired.chroot, CALLOUT) == "vomap"
    assert packaged.package_of(wired.chroot, FRAGMENTS) == "vomap-arc"
    assert wired.chroot.path(CALLOUT).read_text("utf-8").startswith("#!/usr/bin/python3 -IS\n")
    packaged.verify(wired.chroot)


@pytest.mark.parametrize("name", PEOPLE)
def test_the_session_belongs_to_the_policys_account(met: dict[str, Met], name: str) -> None:
    """A job that is submitted by REST belongs to the account of the policy. A client without one gets no job."""
    assert met[name].became == PEOPLE[name].expected, met[name]
    assert bool(met[name].answer.job) == bool(met[name].answer.account)


@pytest.mark.parametrize("outcome", ["declined", "denied", "error"])
def test_who_is_refused_is_refused_at_once(met: dict[str, Met], outcome: str) -> None:
    """Declined, denied and error are all a plain refusal, and each of them is met."""
    statuses = [met[name].answer.status for name, person in PEOPLE.items() if person.expected == outcome]
    assert statuses
    assert set(statuses) == {REFUSED}


def test_fifteen_tokens_at_least_are_mapped(met: dict[str, Met]) -> None:
    """The table is wide enough to mean something."""
    assert len([name for name, one in met.items() if one.answer.account]) >= 15


def test_the_job_itself_runs_as_the_account(ce: ArcCE, met: dict[str, Met]) -> None:
    """The job's own account, and A-REX's record of it, are the account of the session."""
    jobs = {one.answer.job: one.answer.account for one in met.values() if one.answer.job}
    with ce.running_jobs():
        assert {job: ce.output_of(job) for job in jobs} == jobs
    kept = dict(re.findall(r"Finished - job id: (\S+), unix user: (\d+:\d+),", ce.job_log()))
    numbers = {job: "{}:{}".format(*ce.numbers_of(account)) for job, account in jobs.items()}
    assert {job: kept[job] for job in jobs} == numbers


def test_an_unknown_issuer_never_reaches_the_callout(wired: ArcCE) -> None:
    """ARC itself compares the issuers: nothing is started for a token of one that the policy does not declare."""
    stranger = Client({**(CMS.token or {}), "iss": "https://evil.example/"})
    mark = wired.mark()
    answers = wired.ask([stranger, CMS, stranger])
    assert [answer.status for answer in answers] == [NOT_MAPPED, 201, NOT_MAPPED]
    assert wired.starts_since(mark, expected=1) == 1


@pytest.mark.parametrize("file", [POLICY, BANS])
@pytest.mark.parametrize("damage", ["cut", "gone", "writable"])
def test_a_damaged_policy_maps_nobody(wired: ArcCE, file: str, damage: str) -> None:
    """A policy or bans that are damaged, missing or writable by others are an error, and let no client in."""
    path = wired.chroot.path(file)
    try:
        if damage == "cut":
            path.write_bytes(path.read_bytes()[:-1])
        elif damage == "gone":
            path.unlink()
        else:
            path.chmod(0o666)
        met = _meet(wired, CMS)
        assert (met.became, met.answer.status) == ("error", REFUSED)
    finally:
        wired.build_policy()
    assert _meet(wired, CMS).became == "cms001"


def test_queues_for_vos(ce: ArcCE) -> None:
    """A client that is mapped for a VO may use that VO's queue, and no other VO's.

    Every client may use an open queue.
    """
    ce.wire(ce.rendered("--vo", "CMS", "--vo", "Nova"), queues=QUEUES_OF_VOS)
    mark = ce.mark()
    clients = [replace(who, queue=queue) for who in (CMS, NOVA) for queue in QUEUES]
    accounts = [answer.account for answer in ce.ask(clients)]
    assert accounts == ["cms001", "cms001", "", "novapro", "", "novapro"]
    assert ce.starts_since(mark, expected=len(clients) * 3) == len(clients) * 3  # two groups and the mapping


def test_a_failing_callout_makes_nobody_a_member(ce: ArcCE) -> None:
    """With a damaged policy, `authorize` puts no client into a VO's group, as it does with a sound one."""
    ce.wire(ce.rendered("--vo", "CMS", "--vo", "Nova"), queues=QUEUES_OF_VOS)
    member = "Assigned to authorization group vomap-cms"
    mark = ce.mark()
    assert _meet(ce, CMS).became == "cms001"
    assert member in ce.log_since(mark)
    ce.chroot.path(POLICY).chmod(0o666)
    try:
        mark = ce.mark()
        assert _meet(ce, CMS).became == "error"
        assert member not in ce.log_since(mark)
    finally:
        ce.build_policy()


def _wire_more_rules(ce: ArcCE, more: str, *, last: bool = True) -> None:
    ce.wire(ce.rendered("--more-rules"), more=more, last=ce.last_rendered() if last else "")


def test_more_mapping_rules(ce: ArcCE) -> None:
    """A following rule maps clients that vomap declines or is not asked about, and never clients that vomap denies."""
    _wire_more_rules(ce, MORE_RULES)
    for person in SHARED:
        wanted = LEGACY if person.expected in {"declined", "not asked"} else person.expected
        met = _meet(ce, person.client)
        assert met.became == wanted, (person, met)


def test_more_mapping_rules_and_a_damaged_policy(ce: ArcCE) -> None:
    """An error ends the rules: no client reaches the following rule."""
    _wire_more_rules(ce, MORE_RULES)
    ce.chroot.path(BANS).chmod(0o666)
    try:
        met = _meet(ce, CMS)
        assert (met.became, met.answer.status) == ("error", REFUSED)
    finally:
        ce.build_policy()


@pytest.mark.parametrize("rule", NO_ACCOUNT)
def test_the_following_rules_keep_arcs_default(ce: ArcCE, rule: str) -> None:
    """A following rule that finds no account ends the rules as it does without vomap: the next rule is not tried."""
    more = MORE_RULES.replace("[mapping]\n", f"[mapping]\n{NO_ACCOUNT[rule]}\n")
    declined = next(person.client for person in SHARED if person.expected == "declined")
    ce.wire("", more=more)
    without = _meet(ce, declined).answer
    assert without.status in {REFUSED, NOT_MAPPED}
    _wire_more_rules(ce, more)
    assert _meet(ce, declined).answer == without
    assert _meet(ce, CMS).became == "cms001"


def test_a_token_that_no_rule_maps_is_refused(ce: ArcCE) -> None:
    """The last rule refuses it, whatever user A-REX runs as. Without that rule ARC maps it to this user."""
    declined = next(person.client for person in SHARED if person.expected == "declined")
    elsewhere = MORE_RULES.replace("authtokens=* *", "authtokens=* https://elsewhere.example/")
    _wire_more_rules(ce, elsewhere)
    assert _meet(ce, declined).answer.status == REFUSED
    with ce.running_as(AREX):
        for more in ("", elsewhere):
            _wire_more_rules(ce, more, last=False)
            assert _meet(ce, declined).answer.account == AREX
            _wire_more_rules(ce, more)
            assert _meet(ce, declined).answer.status == REFUSED
        _wire_more_rules(ce, MORE_RULES)
        assert _meet(ce, declined).answer.status == 201
        ce.wire(ce.rendered())
        assert _meet(ce, declined).answer.status == REFUSED


BANNED = f"authtokens = {(CMS.token or {})['sub']} {(CMS.token or {})['iss']} * * *"
# Rules by which a site keeps one client out of a group, and the lines that `vomap status` prints to keep that ban.
EXCLUSIONS = {
    "a group": ("-authgroup = banned\nall = yes", "", "banned"),
    "an inverted rule": ("!authgroup = banned", "", "banned"),
    "a token": (f"-{BANNED}\nall = yes", BANNED, "excluded-from-members"),
    "a subject": (
        f"-subject = {(CMS.token or {})['iss']}/{(CMS.token or {})['sub']}\nall = yes",
        f"subject = {(CMS.token or {})['iss']}/{(CMS.token or {})['sub']}",
        "excluded-from-members",
    ),
}


@pytest.mark.parametrize("kind", EXCLUSIONS)
def test_a_ban_by_exclusion_from_a_group(ce: ArcCE, kind: str) -> None:
    """The client is refused without vomap, let in by vomap's group, and refused again as `vomap status` says."""
    rules, group, denied = EXCLUSIONS[kind]
    own = f"[authgroup:banned]\n{BANNED}\n[authgroup:members]\n{rules}\n[arex/ws/jobs]\nallowaccess = members\n"
    ce.wire("", own=own, more=f"[authgroup:{LEGACY}]\nall = yes\n[mapping]\nmap_to_user = {LEGACY} {LEGACY}\n")
    assert [answer.account for answer in ce.ask([CMS, NOVA])] == ["", LEGACY]
    render = ["render", "arc", "--output", FRAGMENTS]
    assert ce.chroot.run([VOMAP, *render], check=False).returncode == 3
    assert ce.chroot.run([VOMAP, "init", "--yes"], check=False).returncode == 1
    assert not ce.chroot.path(FRAGMENT).exists()
    ce.wire(ce.rendered(), own=own)
    assert [answer.account for answer in ce.ask([CMS, NOVA])] == ["cms001", "novapro"]
    colour, told = _past_vomap(ce)
    assert colour == "red"
    assert f"`denyaccess = {denied}` at the end of [arex/ws/jobs] in /etc/arc.conf" in told
    assert not group or f"write `{group}` into a block [authgroup:{denied}]" in told
    group = f"[authgroup:{denied}]\n{group}\n" if group else ""
    ce.wire(ce.rendered(), own=f"{own}denyaccess = {denied}\n{group}")
    assert [answer.account for answer in ce.ask([CMS, NOVA])] == ["", "novapro"]
    assert _past_vomap(ce)[0] == "green"


@pytest.mark.parametrize("rule", ["- authgroup = banned", "-authgroup = later", "-voms = * * * *"])
def test_exclusions_that_arc_ignores(ce: ArcCE, rule: str) -> None:
    """ARC lets the client in, so `vomap status` reports no lost ban."""
    groups = f"[authgroup:banned]\n{BANNED}\n[authgroup:members]\n{rule}\nall = yes\n[authgroup:later]\n{BANNED}\n"
    own = f"{groups}[arex/ws/jobs]\nallowaccess = members\n"
    ce.wire("", own=own, more=f"[mapping]\nmap_to_user = members {LEGACY}\n")
    assert [answer.account for answer in ce.ask([CMS, NOVA])] == [LEGACY, LEGACY]
    ce.wire(ce.rendered(), own=own)
    assert _past_vomap(ce)[0] == "green"


def _past_vomap(ce: ArcCE) -> tuple[str, str]:
    """Return the colour and the text of the line of `vomap status` about lines that bypass vomap."""
    lines = json.loads(ce.chroot.run([VOMAP, "status", "--json"], check=False).stdout)
    (found,) = [(line["colour"], line["told"]) for line in lines if line["what"] == "past vomap"]
    return found


def _accounts(ce: ArcCE) -> dict[str, tuple[int, str]]:
    """Return the answer of the CE to each client."""
    answers = ce.ask([person.client for person in PEOPLE.values()], at_a_time=AT_A_TIME)
    return {name: (answer.status, answer.account) for name, answer in zip(PEOPLE, answers)}


def _do(ce: ArcCE, todo: Sequence[str], code: int = 0) -> None:
    """Follow the guide, as root. The last command ends with this exit code."""
    path = f"PATH=$PATH:{by_pip.CALLOUTS}"
    for number, command in enumerate(todo, start=1):
        done = ce.chroot.run(["sh", "-c", f"{path}; cd /root && {command}"], check=False)
        assert done.returncode == (code if number == len(todo) else 0), (command, done)


@contextmanager
def _logging_to_a_file(ce: ArcCE) -> Iterator[None]:
    """Have the site log to the file of the guide, in a log that begins empty."""
    site = ce.chroot.path(SITE_FILE)
    text = site.read_text("utf-8")
    # On a system with systemd, the packages make this folder.
    ce.chroot.run(["install", "-d", "-o", USER, "-g", USER, "-m", "2770", str(Path(DECISIONS).parent)])
    ce.chroot.path(DECISIONS).unlink(missing_ok=True)
    site.write_text(text.replace("\nsite:\n", f"\nsite:\n  log: {{to: {DECISIONS}}}\n"), "utf-8")
    try:
        yield
    finally:
        site.write_text(text, "utf-8")
        ce.build_policy()


@pytest.mark.parametrize("place", ["own", "more"])
def test_observing(ce: ArcCE, place: str) -> None:
    """ARC answers each client as without vomap, wherever its rules are. The log has vomap's own decisions."""
    rules: dict[str, Any] = {place: MORE_RULES}
    ce.wire("", **rules)
    without = _accounts(ce)
    assert {account for _, account in without.values()} == {"", LEGACY}
    asked = [person for person in PEOPLE.values() if person.expected != "not asked"]
    with _logging_to_a_file(ce):
        _do(ce, TO_OBSERVE["packages"])
        wiring = ce.chroot.path(FRAGMENT).read_text("utf-8")
        ce.wire(wiring, **rules)
        assert _accounts(ce) == without
        records = [json.loads(line) for line in ce.chroot.path(DECISIONS).read_text("utf-8").splitlines()]
        assert {(record["observed"], record["callout"]) for record in records} == {(True, "vomap-arc map")}
        told = Counter(record["account"] or record["outcome"] for record in records)
        assert told == Counter(person.expected for person in asked)
        (program,) = [step for step in steps(GUIDE) if isinstance(step, File)]
        ce.chroot.write(f"/root/{program.path}", program.text)
        _do(ce, ["rm -f owners", *TO_COMPARE], code=1)
        replay = [VOMAP, "replay", DECISIONS, "--against", "/root/owners", "--json"]
        changes = json.loads(ce.chroot.run(replay, check=False).stdout)["changes"]
        assert {change["before"]["account"] for change in changes} == {LEGACY}
        assert {change["after"]["account"] for change in changes} >= {"cms001", "novapro"}
        # ARC goes on, whatever becomes of vomap.
        ce.chroot.path(POLICY).unlink()
        assert _meet(ce, CMS).answer.account == LEGACY
        ce.wire(wiring.replace(CALLOUT, f"{CALLOUT}-is-missing"), **rules)
        assert _meet(ce, CMS).answer.account == LEGACY


def test_the_end_of_observing(ce: ArcCE) -> None:
    """The command of the guide lets vomap answer, before the rules of the site."""
    _do(ce, TO_END["packages"])
    fragments = (ce.chroot.path(each).read_text("utf-8") for each in (FRAGMENT, LAST_FRAGMENT))
    assert list(fragments) == [ce.rendered("--more-rules"), ce.last_rendered()]
    again = ce.chroot.run(["sh", "-c", TO_OBSERVE["packages"][-1]], check=False)
    assert again.returncode == 2
    assert f"rm {LAST_FRAGMENT}" in again.stderr
    _wire_more_rules(ce, MORE_RULES)
    assert _meet(ce, CMS).became == "cms001"


def test_observing_without_the_packages(ce: ArcCE) -> None:
    """After an installation with pip, the guide needs no other commands: to observe, and to end that."""
    try:
        packaged.remove(ce.chroot)
        ce.chroot.run(["sh", "-c", f"userdel {USER}; rm -rf /var/log/vomap {FRAGMENTS}/*vomap.conf"])
        by_pip.install(ce.chroot)
        _do(ce, TO_PREPARE)
        log = f"\nsite:\n  log: {{to: {DECISIONS}}}\n"
        ce.chroot.write(SITE_FILE, (HERE / "site" / "10-site.yaml").read_text("utf-8").replace("\nsite:\n", log))
        ce.chroot.write(f"{Path(SITE_FILE).parent}/50-osg.yaml", (CHECKOUT / "mapfiles" / "osg.yaml").read_bytes())
        _do(ce, TO_OBSERVE["pip"])
        ce.wire(ce.chroot.path(FRAGMENT).read_text("utf-8"), more=MORE_RULES)
        assert _meet(ce, CMS).answer.account == LEGACY
        (record,) = ce.chroot.path(DECISIONS).read_text("utf-8").splitlines()
        assert (json.loads(record)["observed"], json.loads(record)["account"]) == (True, "cms001")
        (observing,) = [line for line in _status(ce, [by_pip.VOMAP, "status", "--json"]) if line["what"] == "observing"]
        assert f"--output {FRAGMENTS} --callout {by_pip.CALLOUTS}/vomap-arc`" in observing["told"]
        _do(ce, TO_END["pip"])
        fragments = [ce.chroot.path(each).read_text("utf-8") for each in (FRAGMENT, LAST_FRAGMENT)]
        ce.wire(fragments[0], more=MORE_RULES, last=fragments[1])
        _do(ce, TO_LOOK)
        assert _meet(ce, CMS).became == "cms001"
    finally:
        ce.chroot.run(["rm", "-rf", "/var/log/vomap"])
        ce.install_vomap()
        ce.install_policy(HERE / "site", ["osg"])


def test_the_callout_runs_as_its_own_user(ce: ArcCE) -> None:
    """ARC starts the callout as root. When it opens the policy, it is only its own user, for every client."""
    ce.wire(ce.rendered(callout=WATCHED))
    people = [PEOPLE[name] for name in ("CMS pilot, by subject", "CMS, banned subject", "CMS, no subject")]
    assert [_meet(ce, person.client).became for person in people] == ["cms001", "denied", "denied"]
    user, group = ce.numbers_of(USER)
    seen = ce.chroot.path(SEEN).read_text().splitlines()
    assert seen == [f"{(user,) * 3} {(group,) * 3} []"] * len(people)


def test_the_callout_can_do_no_more_than_its_own_user(wired: ArcCE) -> None:
    """That user cannot read root's own files. It trusts a policy of its own, and none of another user's."""
    path = wired.chroot.path(POLICY)
    try:
        path.chmod(0o600)
        assert _meet(wired, CMS).became == "error"
        wired.chroot.run(["chown", USER, POLICY])
        assert _meet(wired, CMS).became == "cms001"
        wired.chroot.run(["chown", "cms001", POLICY])
        path.chmod(0o644)
        assert _meet(wired, CMS).became == "error"
    finally:
        path.unlink()
        wired.build_policy()


def test_two_hundred_authentications_at_once(wired: ArcCE) -> None:
    """Each of many connections at a time gets its own client's account, and starts the callout once."""
    asked = [person for person in PEOPLE.values() if person.expected != "not asked"]
    people = [asked[number % len(asked)] for number in range(AUTHENTICATIONS)]
    mark = wired.mark()
    answers = wired.ask([person.client for person in people], at_a_time=AT_A_TIME)
    assert len(answers) == AUTHENTICATIONS
    expected = [("", REFUSED) if person.expected in OUTCOMES else (person.expected, 201) for person in people]
    assert [(answer.account, answer.status) for answer in answers] == expected
    assert wired.starts_since(mark, expected=AUTHENTICATIONS) == AUTHENTICATIONS


@pytest.mark.parametrize("way", WAYS)
def test_init_and_status_from_nothing(ce: ArcCE, way: str) -> None:
    """`vomap init` wires a CE that has nothing but vomap itself, `vomap status` calls it green, and it maps."""
    vomap, *callouts = WAYS[way]
    fragment = ce.chroot.path(FRAGMENT)
    init = [vomap, "init", *callouts, "--audience", "ANY", "--serve", "LIGO", "--mapfile", "osg", "--yes"]
    status = [vomap, "status", *callouts, "--json"]
    try:
        ce.install_vomap()
        if way == "pip":
            packaged.remove(ce.chroot)
            by_pip.install(ce.chroot)
        ce.chroot.run(init)
        packaged.verify(ce.chroot)
        written = fragment.stat().st_mtime_ns
        ce.chroot.run(init)
        assert fragment.stat().st_mtime_ns == written
        # Red would be exit 1. An account of a VO that has never been here may be missing.
        missing = {line["what"]: line["told"] for line in _status(ce, status) if line["colour"] != "green"}
        assert missing.keys() <= {"accounts"}
        ce.add_accounts(re.findall(r"[\w.-]+", missing.get("accounts", "").partition(" (")[0].partition(":")[2]))
        assert {line["colour"] for line in _status(ce, status)} == {"green"}
        ce.wire(fragment.read_text("utf-8"))
        assert _meet(ce, PEOPLE["IGWN pilot, a SciToken"].client).became == "ligo"
        assert _meet(ce, CMS).became == "declined"
    finally:
        ce.install_vomap()
        ce.install_policy(HERE / "site", ["osg"])


def _status(ce: ArcCE, words: list[str]) -> list[dict[str, str]]:
    """Return the lines of `vomap status`. Raises ChrootError if one is red."""
    lines: list[dict[str, str]] = json.loads(ce.chroot.run(words).stdout)
    return lines
