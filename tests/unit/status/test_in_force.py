"""`vomap status` asks HTCondor-CE for the settings in force, and compares what they mean with what vomap needs."""

from __future__ import annotations

import os
import pwd
import time
from dataclasses import replace
from pathlib import Path

import pytest

from unit.policy.composed import policy_document
from unit.status.fake_condor import ADDED, FakeCondor
from vomap.ces import config_val
from vomap.ces.htcondor import COMMAND
from vomap.ces.kinds import HtcondorCe, known_ces
from vomap.ces.lost_bans import DeniedNames, read_denials
from vomap.compile.advice import Advice
from vomap.status import GREEN, RED, YELLOW, StatusLine
from vomap.status.checks import htcondor_settings_lines, observe_lines
from vomap.status.in_force import ask_ce, cache_lines
from vomap.store.writer import CompiledPolicy

DEFAULTS, POLICY_SETTINGS = "50-vomap.conf", "55-vomap-policy.conf"
POLICY = CompiledPolicy(
    policy_document(
        "mapfile: 1\nsite: {audience: [ce.example:9619, ANY]}\nissuers:\n  https://one.example/: {vo: One}\n"
        "  https://foreign.example/: {vo: Two, without-audience: accept}\n"
        "rules:\n  - {name: one, vo: One, account: acct1}\n"
    ),
    "d" * 64,
    "",
    {},
)


@pytest.fixture
def condor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeCondor:
    """Return the tool of a CE that asks vomap."""
    return FakeCondor(tmp_path, monkeypatch)


def _ce(root: Path = Path("/")) -> HtcondorCe:
    ce = known_ces(root)[0]
    assert isinstance(ce, HtcondorCe)
    return ce


def _lines(policy: CompiledPolicy | None = POLICY, advice: Advice | None = None) -> list[StatusLine]:
    advice = advice or Advice()
    return list(htcondor_settings_lines(_ce(), policy, advice, ask_ce(advice)))


def test_a_ce_that_asks_vomap(condor: FakeCondor) -> None:
    """One green line."""
    (line,) = _lines()
    assert (line.colour, line.what) == (GREEN, "settings in force")


@pytest.mark.parametrize(
    ("setting", "daemons"),
    [
        ("SEC_SCITOKENS_PLUGIN_VOMAP_MAPPING = other", "SCHEDD and COLLECTOR"),
        ("SCHEDD.SEC_SCITOKENS_PLUGIN_VOMAP_COMMAND = /bin/echo other", "SCHEDD"),
        ("SEC_SCITOKENS_PLUGIN_VOMAP_COMMAND = /usr/libexec/vomap/vomap-htcondor --policy /x", "SCHEDD and COLLECTOR"),
        ("COLLECTOR.SEC_SCITOKENS_PLUGIN_VOMAP_COMMAND =", "COLLECTOR"),
        ("SCHEDD.CERTIFICATE_MAPFILE = /etc/condor-ce/other", "SCHEDD"),
        ("SCHEDD.DENY_READ =", "SCHEDD"),
        ("COLLECTOR.DENY_READ =", "COLLECTOR"),
        ("SCHEDD.DENY_READ = *@unmapped", "SCHEDD"),
        ("SCHEDD.DENY_READ = *", "SCHEDD"),
        ("SCHEDD.DENY_READ = *@unmapped/10.0.0.1, *@banned.htcondor.org/10.0.0.1", "SCHEDD"),
        ("DENY_READ_SCHEDD = nobody@example.org", "SCHEDD"),
        ("DENY_READ_COLLECTOR = nobody@example.org", "COLLECTOR"),
        ("DENY_WRITE =", "SCHEDD and COLLECTOR"),
        ("DENY_WRITE = anonymous@*, *@unmapped", "SCHEDD and COLLECTOR"),
        ("SCHEDD.SCITOKENS_SERVER_AUDIENCE = https://other.example.org", "SCHEDD"),
        ("SCITOKENS_SERVER_AUDIENCE =", "SCHEDD and COLLECTOR"),
        ("CERTIFICATE_MAPFILE_ASSUME_HASH_KEYS = False", "SCHEDD and COLLECTOR"),
        ("CERTIFICATE_MAPFILE_ASSUME_HASH_KEYS =", "SCHEDD and COLLECTOR"),
        ("UID_DOMAIN = example.org", "SCHEDD"),
        ("SCHEDD.ALLOW_WRITE = nobody@example.org", "SCHEDD"),
        ("ALLOW_WRITE_SCHEDD = condor@users.htcondor.org", "SCHEDD"),
        ("COLLECTOR.ALLOW_READ =", "COLLECTOR"),
        ("SCHEDD.SEC_READ_AUTHENTICATION = OPTIONAL", "SCHEDD"),
        ("SEC_READ_AUTHENTICATION = never", "SCHEDD and COLLECTOR"),
        ("SEC_READ_AUTHENTICATION =", "SCHEDD and COLLECTOR"),
        ("SCHEDD.SEC_WRITE_AUTHENTICATION_METHODS = FS", "SCHEDD"),
        ("SEC_WRITE_AUTHENTICATION = NEVER", "SCHEDD"),
        ("SEC_SCITOKENS_FOREIGN_TOKEN_ISSUERS = https://foreign.example", "SCHEDD and COLLECTOR"),
        ("SEC_SCITOKENS_ALLOW_FOREIGN_TOKEN_TYPES = false", "SCHEDD and COLLECTOR"),
    ],
)
def test_a_setting_that_changes_what_vomap_answers(condor: FakeCondor, setting: str, daemons: str) -> None:
    """One red line with the setting, its value, its daemons, its place, what is expected and what to type."""
    condor.set(setting)
    (line,) = _lines()
    name, _, value = setting.partition(" =")
    assert (line.colour, line.what) == (RED, name)
    found = f"`{value.strip()}`" if value.strip() else "nothing"
    assert line.text.startswith(f"is {found} ({daemons}, {ADDED}): ")
    assert "; expected " in line.text
    # A list of denials has entries of the site's, which must stay.
    remove = "" if "DENY" in name else "remove it there, or "
    assert line.text.endswith(f"; {remove}correct it there, then run `condor_ce_reconfig`")
    assert "DENY" not in name or f"expected `{value.strip()}" in line.text or "*" in value


@pytest.mark.parametrize(
    "setting",
    [
        "SCHEDD.DENY_READ = *@unmapped *@banned.htcondor.org, somebody@users.htcondor.org",
        "DENY_READ_SCHEDD = scitokens@unmapped/*, *@banned*",
        "ALLOW_WRITE = nobody@example.org",
        "SCHEDD.ALLOW_WRITE = acct*@users.htcondor.org/*.example.org",
        "SCHEDD.ALLOW_WRITE = 10.0.0.0/8",
        "SCHEDD.SCITOKENS_SERVER_AUDIENCE = ANY ce.example:9619, other",
        "CERTIFICATE_MAPFILE_ASSUME_HASH_KEYS = 1",
        "SCHEDD.SEC_READ_AUTHENTICATION = true",
        "SEC_READ_AUTHENTICATION_METHODS = SCITOKENS",
        "SEC_SCITOKENS_FOREIGN_TOKEN_ISSUERS = *",
        "DENY_READ_STARTD =",
        "COLLECTOR.UID_DOMAIN = example.org",
    ],
)
def test_a_setting_that_means_the_same(condor: FakeCondor, setting: str) -> None:
    """Another text with the same meaning is accepted, and so is a setting of another daemon or level."""
    condor.set(setting)
    assert [line.text for line in _lines() if line.colour != GREEN] == []


@pytest.mark.parametrize("level", ["READ", "WRITE"])
def test_a_level_at_which_the_ce_takes_no_token(condor: FakeCondor, level: str) -> None:
    """The line names this level alone: at the other one the CE takes tokens."""
    condor.set(f"SCHEDD.SEC_{level}_AUTHENTICATION_METHODS = FS")
    (line,) = _lines()
    assert f": HTCondor-CE takes no token from clients that {level.lower()}; expected `FS, SCITOKENS`" in line.text


@pytest.mark.parametrize(
    ("address", "accepted", "missing"),
    [
        ("ce.example:29619", "[ce.example:9619]", "ce.example:29619"),
        ("ce.example:29619?sock=x, other:1", "[ce.example:9619, x]", "ce.example:29619"),
        ("ce.example:9619", "[ce.example]", "ce.example:9619"),
        ("ce.example:9619", "[ce.example:9619]", ""),
        ("ce.example:9619, other:1", "['https://other:1']", ""),
        ("ce.example:9619", "['https://voce.example:9619']", "ce.example:9619"),
        ("ce.example:29619", "[ANY]", ""),
        ("ce.example:29619", "['https://wlcg.cern.ch/jwt/v1/any']", ""),
        ("ce.example:29619", "unchecked", ""),
        ("", "[x]", ""),
    ],
)
def test_an_audience_for_this_ce(condor: FakeCondor, address: str, accepted: str, missing: str) -> None:
    """Without one, tokens for the address of the CE are refused. The command keeps the audiences of the site."""
    document = policy_document(
        f"mapfile: 1\nsite: {{audience: {accepted}}}\nissuers: {{'https://one.example/': {{vo: One}}}}\n"
    )
    condor.set(f"COLLECTOR_HOST = {address}")
    lines = {line.what: line for line in _lines(CompiledPolicy(document, "d" * 64, "", {}))}
    assert ("audience" in lines) == bool(missing)
    if missing:
        told = lines["audience"].text
        kept = " ".join(f"--audience {word}" for word in document["site"]["audience"] or ())
        assert lines["audience"].colour == YELLOW
        assert f"the address of this CE, {missing}: " in told
        assert f"run `vomap init --replace {kept} --audience {missing}`, then `condor_ce_reconfig`" in told


@pytest.mark.parametrize(
    ("running", "stale"),
    [
        ({}, ""),
        ({"SCHEDD": {}, "COLLECTOR": {}}, ""),
        ({"SCHEDD": {COMMAND: ""}, "COLLECTOR": {COMMAND: ""}}, "SCHEDD and COLLECTOR"),
        ({"SCHEDD": {COMMAND: "/usr/libexec/vomap/vomap-htcondor --observe"}}, "SCHEDD"),
        ({"SCHEDD": {}, "COLLECTOR": {"SCITOKENS_SERVER_AUDIENCE": "ce.example:9619"}}, "COLLECTOR"),
        ({"SCHEDD": {"SCITOKENS_SERVER_AUDIENCE": "ce.example:9619 ANY"}}, ""),
    ],
)
def test_daemons_that_have_not_read_their_files(
    condor: FakeCondor, running: dict[str, dict[str, str]], stale: str
) -> None:
    """They map as before, so the line is red with the command. A CE that is stopped is judged by its files."""
    condor.running = running
    condor.set()
    (line,) = _lines()
    assert (line.colour, line.what) == (RED if stale else GREEN, "settings in force")
    assert (f"the running {stale} did not read the files yet" in line.text) == bool(stale)
    assert "`condor_ce_reconfig`" in line.text


def test_a_daemon_that_does_not_answer(condor: FakeCondor, monkeypatch: pytest.MonkeyPatch) -> None:
    """The question has a time limit."""
    monkeypatch.setattr(config_val, "_SECONDS", 0.3)
    condor.write("#!/bin/sh\nexec sleep 60\n")
    began = time.monotonic()
    assert config_val.ask_running_daemon("SCHEDD", "X") is None
    assert time.monotonic() - began < 5


def test_two_faults_have_two_lines(condor: FakeCondor) -> None:
    """The first does not hide the second."""
    condor.set("SEC_SCITOKENS_PLUGIN_VOMAP_MAPPING = x", "SCHEDD.DENY_READ =")
    assert [line.what for line in _lines()] == ["SEC_SCITOKENS_PLUGIN_VOMAP_MAPPING", "SCHEDD.DENY_READ"]


def test_a_fault_of_vomaps_own_files(condor: FakeCondor) -> None:
    """The advice is to write them again, with the options that were given, and never to remove their lines."""
    (line,) = _lines(advice=Advice(callouts=Path("/opt/callouts")))
    assert line.what == "SEC_SCITOKENS_PLUGIN_VOMAP_COMMAND"
    assert line.text.endswith("; run `vomap init --replace --callouts /opt/callouts`, then `condor_ce_reconfig`")


def test_without_a_policy(condor: FakeCondor) -> None:
    """Vomap still compares the settings that do not depend on a policy."""
    condor.set("SCITOKENS_SERVER_AUDIENCE =", "DENY_WRITE =")
    assert [line.what for line in _lines(None)] == ["DENY_WRITE"]


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (None, "cannot be run: No such file or directory"),
        ("#!/nowhere/sh\n", "cannot be run: No such file or directory"),
        ("#!/bin/sh\nexec sleep 60\n", "gave no answer within 0.3 seconds"),
        ("#!/bin/sh\nsleep 60 & sleep 60\n", "gave no answer within 0.3 seconds"),
        ("#!/bin/sh\nkill -9 $$\n", "ended by signal 9"),
        ("#!/bin/sh\necho broken >&2\nexit 1\n", "prints no settings of /etc/condor-ce/condor_config: broken"),
        ("#!/bin/sh\nexit 0\n", "prints no settings of /etc/condor-ce/condor_config: no output"),
        ("#!/bin/sh\nprintf '\\377\\000 = x'\n", "prints no settings"),
        ("#!/bin/sh\necho UID_DOMAIN = x\n", "prints no settings"),
    ],
)
def test_a_ce_that_cannot_be_asked(
    condor: FakeCondor, monkeypatch: pytest.MonkeyPatch, script: str | None, reason: str
) -> None:
    """One yellow line says why, and what to try."""
    monkeypatch.setattr(config_val, "_SECONDS", 0.3)
    condor.tool.unlink()
    if script is not None:
        condor.write(script)
    began = time.monotonic()
    (line,) = _lines()
    assert time.monotonic() - began < 5
    assert (line.colour, line.what) == (YELLOW, "settings in force")
    assert reason in line.text
    assert line.text.endswith(
        f"`CONDOR_CONFIG=/etc/condor-ce/condor_config {condor.tool} -subsystem SCHEDD UID_DOMAIN`"
    )


def test_output_without_end(condor: FakeCondor) -> None:
    """The output has a limit."""
    condor.write("#!/bin/sh\nsleep 0.1\nexec yes x\n")
    (line,) = _lines()
    assert line.colour == YELLOW
    assert "ended by signal" in line.text or "prints no settings" in line.text


def test_the_environment_is_fixed(condor: FakeCondor, monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the administrator's changes a setting, as `_CONDOR_...` would."""
    monkeypatch.setenv("_CONDOR_DENY_READ", "x")
    monkeypatch.setenv("CONDOR_CONFIG", "/etc/condor/condor_config")
    condor.write(f"#!/bin/sh\nenv > {condor.tool}.env\npwd >> {condor.tool}.env\n")
    _lines()
    text = Path(f"{condor.tool}.env").read_text("utf-8")
    assert "_CONDOR_" not in text
    assert "CONDOR_CONFIG=/etc/condor-ce/condor_config\n" in text
    assert text.endswith("\n/\n")


def test_the_ce_of_another_root_is_not_asked(condor: FakeCondor, tmp_path: Path) -> None:
    """The tool of this machine knows nothing of it. The line says so."""
    condor.tool.unlink()
    (line,) = _lines(advice=Advice(root=tmp_path))
    assert (line.colour, line.what) == (GREEN, "settings in force")
    assert f"read from the files below {tmp_path}" in line.text


@pytest.mark.parametrize("repeat", ["UID_DOMAIN = x\\n", "x"])
def test_much_output(condor: FakeCondor, repeat: str) -> None:
    """Output without an end is refused, and reading it takes no long time."""
    condor.write(f"#!/bin/sh\nyes '{repeat}' | head -c 3000000\nexit 0\n")
    with pytest.raises(config_val.NotAskedError):
        config_val.ask_daemon("SCHEDD", ["UID_DOMAIN"])


def test_several_lines_in_one_setting(condor: FakeCondor) -> None:
    """The place comes after the last line."""
    condor.write(
        "#!/bin/sh\nprintf 'X @=end\\n   a\\n   b\\n@end\\n # at: /f, line 7\\n # raw: \\n #   X = a\\n # b\\n\\n'\n"
    )
    assert config_val.ask_daemon("SCHEDD", ["X"]).get("X") == config_val.Setting("X", "a\n   b\n@end", "/f, line 7")


@pytest.mark.parametrize(("name", "where"), [("", ""), ("SCHEDD.", ", for the SCHEDD only")])
def test_it_observes(condor: FakeCondor, name: str, where: str) -> None:
    """`--observe` is accepted, and the line about it has its place and daemon."""
    condor.set(f"{name}SEC_SCITOKENS_PLUGIN_VOMAP_COMMAND = /usr/libexec/vomap/vomap-htcondor --observe")
    assert [line.colour for line in _lines()] == [GREEN]
    (line,) = observe_lines(_ce(), ask_ce(Advice()))
    assert line.colour == YELLOW
    assert f"({ADDED}{where})" in line.text


def _wired_to(root: Path, callout: str) -> HtcondorCe:
    """Return a CE whose file of settings names a callout."""
    ce = _ce(root)
    ce.at(ce.SETTINGS).mkdir(parents=True)
    ce.at(f"{ce.SETTINGS}/{POLICY_SETTINGS}").write_text(f"SEC_SCITOKENS_PLUGIN_VOMAP_COMMAND = {callout}\n")
    return ce


@pytest.mark.parametrize("callouts", [None, Path("/opt/vomap/bin")])
def test_the_callout_of_the_wiring_is_expected(condor: FakeCondor, tmp_path: Path, callouts: Path | None) -> None:
    """A sound installation by pip is green without `--callouts`. Another callout in its place is red."""
    ce, advice = _wired_to(tmp_path / "root", "/opt/vomap/bin/vomap-htcondor"), Advice(callouts=callouts)
    condor.set("SEC_SCITOKENS_PLUGIN_VOMAP_COMMAND = /opt/vomap/bin/vomap-htcondor")
    assert [line.colour for line in htcondor_settings_lines(ce, POLICY, advice, ask_ce(Advice()))] == [GREEN]
    condor.set("SCHEDD.SEC_SCITOKENS_PLUGIN_VOMAP_COMMAND = /usr/libexec/vomap/vomap-htcondor")
    first, *_ = htcondor_settings_lines(ce, POLICY, advice, ask_ce(Advice()))
    assert (first.colour, "expected `/opt/vomap/bin/vomap-htcondor`" in first.text) == (RED, True)


def test_a_correction_does_not_end_observing(condor: FakeCondor, tmp_path: Path) -> None:
    """The expected value keeps `--observe`, and nothing says to remove the setting: vomap would answer then."""
    ce = _wired_to(tmp_path / "root", "/opt/vomap/bin/vomap-htcondor")
    condor.set("SEC_SCITOKENS_PLUGIN_VOMAP_COMMAND = /usr/libexec/vomap/vomap-htcondor --observe")
    (line,) = htcondor_settings_lines(ce, POLICY, Advice(), ask_ce(Advice()))
    assert "expected `/opt/vomap/bin/vomap-htcondor --observe`; correct it there, then" in line.text
    assert "remove" not in line.text


def test_while_it_observes_the_policys_settings_may_wait(condor: FakeCondor) -> None:
    """Without them, HTCondor-CE's own audience is right."""
    observe = "SEC_SCITOKENS_PLUGIN_VOMAP_COMMAND = /usr/libexec/vomap/vomap-htcondor --observe"
    condor.set(observe, "SCITOKENS_SERVER_AUDIENCE = ce.example:9619x")
    assert [line.colour for line in _lines()] == [GREEN]


def test_the_denials_in_force_count(condor: FakeCondor) -> None:
    """The CE knows settings in files that vomap does not read."""
    condor.set("DENY_READ_COLLECTOR = mallory@users.htcondor.org", "SCHEDD.DENY_WRITE = eve@users.htcondor.org")
    denied = DeniedNames(read_denials(_ce()))
    assert [name in denied for name in ("mallory", "eve", "alice")] == [True, True, False]


@pytest.mark.parametrize("place", ["", "auto", "/"])
def test_a_key_cache_elsewhere(condor: FakeCondor, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The advice changes only the folder of the keys: another folder may have other files, and may be `/`."""
    condor.set(f"SEC_SCITOKENS_CACHE = {place}")
    monkeypatch.setattr(pwd, "getpwnam", lambda _: pwd.struct_passwd(("x", "x", 4242, 4242, "", "/", "/bin/sh")))
    assert list(cache_lines(_ce(), ask_ce(Advice()))) == []


def test_a_site_keeps_its_own_denials(condor: FakeCondor) -> None:
    """The expected list has the entries of the site."""
    condor.set("DENY_WRITE = mallory@users.htcondor.org, anonymous@*")
    (line,) = _lines()
    assert "expected `mallory@users.htcondor.org, anonymous@*, *@unmapped, *@banned.htcondor.org`" in line.text
    assert "remove" not in line.text


@pytest.mark.parametrize("part", ["", "scitokens", "scitokens/scitokens_cpp.sqllite"])
def test_a_key_cache_of_another_user(tmp_path: Path, part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is yellow, with the chown. Without a cache, or without the CE's user, there is no line."""
    ce = replace(_ce(tmp_path), user=pwd.getpwuid(os.geteuid()).pw_name)
    advice = Advice(root=tmp_path)
    assert list(cache_lines(ce, ask_ce(advice))) == []
    folder = ce.at("/run/condor-ce/cache")
    (folder / "scitokens").mkdir(parents=True)
    (folder / "scitokens/scitokens_cpp.sqllite").touch()
    assert list(cache_lines(ce, ask_ce(advice))) == []
    real = Path.stat

    def stat(path: Path, **how: bool) -> os.stat_result:
        found = real(path, **how)
        if path != folder / part:
            return found
        return os.stat_result((*found[:4], os.geteuid() + 1, *found[5:]))

    monkeypatch.setattr(Path, "stat", stat)
    (line,) = cache_lines(ce, ask_ce(advice))
    assert line.colour == YELLOW
    assert f"{folder / part} is not {ce.user}'s" in line.text
    assert line.text.endswith(f"run `chown -R {ce.user}: {(folder / part)}`")
    assert list(cache_lines(replace(ce, user="no-such-user"), ask_ce(advice))) == []
