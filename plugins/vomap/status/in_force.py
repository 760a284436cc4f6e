"""Compare the settings that are in force in HTCondor-CE with what vomap needs there: their meaning, not their text.

They are in force once the daemons have read their files.

Source: HTCondor's src/condor_io/condor_ipverify.cpp, condor_secman.cpp and condor_scitokens.cpp. Of a setting of a
level, HTCondor uses `DENY_READ_SCHEDD` before `DENY_READ` or `SCHEDD.DENY_READ`, and `DENY_DEFAULT` last.
"""

from __future__ import annotations

import pwd
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from vomap.ces import config_val
from vomap.ces.config_val import Answers, NotAskedError, Setting, ask_daemon, ask_running_daemon
from vomap.ces.htcondor import COMMAND, OBSERVE, PLUGIN, SETTINGS_FILE
from vomap.ces.kinds import DEFAULTS_FILE, HtcondorCe
from vomap.ces.wiring import accepted_audiences, foreign_issuers
from vomap.compile.advice import Advice
from vomap.files.root import is_this_machine
from vomap.files.shell import join_words
from vomap.status import GREEN, RED, YELLOW, StatusLine
from vomap.store.writer import CompiledPolicy

SETTINGS = "settings in force"
DAEMONS = ("SCHEDD", "COLLECTOR")
_CACHE, _CACHE_FOLDER = "SEC_SCITOKENS_CACHE", "/run/condor-ce/cache"
RECONFIGURE = "condor_ce_reconfig"
_MAPPING = f"SEC_SCITOKENS_PLUGIN_{PLUGIN}_MAPPING"
_LEVELS = ("ALLOW_READ", "ALLOW_WRITE", "DENY_READ", "DENY_WRITE")
_METHODS = ("SEC_READ_AUTHENTICATION_METHODS", "SEC_WRITE_AUTHENTICATION_METHODS")
_DEFAULT_METHODS = "SEC_DEFAULT_AUTHENTICATION_METHODS"
_AUTHENTICATION = ("SEC_READ_AUTHENTICATION", "SEC_DEFAULT_AUTHENTICATION")
_WRITE_AUTHENTICATION = "SEC_WRITE_AUTHENTICATION"
_HASH_KEYS, _MAP_FILE = "CERTIFICATE_MAPFILE_ASSUME_HASH_KEYS", "CERTIFICATE_MAPFILE"
_AUDIENCE, _FOREIGN = "SCITOKENS_SERVER_AUDIENCE", "SEC_SCITOKENS_FOREIGN_TOKEN_ISSUERS"
_ALLOW_FOREIGN, _DOMAIN = "SEC_SCITOKENS_ALLOW_FOREIGN_TOKEN_TYPES", "UID_DOMAIN"
# The domain of accounts in HTCondor-CE, which its own ALLOW lists name.
_CE_DOMAIN = "users.htcondor.org"
# The addresses of the CE, which clients ask for as the audience of their tokens, and audiences for every CE.
_ADDRESS = "COLLECTOR_HOST"
_ANY_CE = ("ANY", "https://wlcg.cern.ch/jwt/v1/any")
# HTCondor's names for a token that vomap declines, and for one that a map line bans.
_REFUSED = {"*@unmapped": "scitokens@unmapped", "*@banned.htcondor.org": "x@banned.htcondor.org"}
_DENIED = {"DENY_WRITE": ", ".join(["anonymous@*", *_REFUSED]), "DENY_READ": "$(DENY_WRITE)"}
_OURS = tuple(f"{HtcondorCe.SETTINGS}/{name}," for name in (DEFAULTS_FILE, SETTINGS_FILE))
_SITE_FILE = re.compile(r"(/.*), line \d+")


@dataclass(frozen=True)
class Deviation:
    """A setting in force that is not what vomap needs: the setting, what it does, and the value that vomap expects."""

    setting: Setting
    effect: str
    expected: str


@dataclass(frozen=True)
class Needs:
    """The needs of the wiring of a policy in HTCondor-CE.

    `policy` is None if there is no sound policy, and `accounts` are those that it names. `has_settings` is False while
    vomap only observes and the settings of the policy are not in place: then HTCondor-CE's own are right.
    """

    ce: HtcondorCe
    advice: Advice
    policy: CompiledPolicy | None
    accounts: Sequence[str]
    has_settings: bool = True


@dataclass(frozen=True)
class InForce:
    """The settings of each daemon to which tokens come, or the line of the report that says why there are none.

    `stale` are the running daemons with other settings than their files have, because they have not read them.
    """

    answers: Sequence[Answers] = ()
    stale: Sequence[str] = ()
    not_asked: StatusLine | None = None


def ask_ce(advice: Advice) -> InForce:
    """Ask the HTCondor-CE of this machine for its settings. The CE of another root cannot be asked."""
    if not is_this_machine(advice.root):
        text = f"read from the files below {advice.root}: the CE itself can be asked only on its own machine"
        return InForce(not_asked=StatusLine(GREEN, SETTINGS, text))
    try:
        answers = [ask_daemon(daemon, _names(daemon)) for daemon in DAEMONS]
        return InForce(answers, [each.daemon for each in answers if _is_stale(each)])
    except NotAskedError as error:
        question = f"CONDOR_CONFIG={config_val.CONFIG} {config_val.TOOL} -subsystem {DAEMONS[0]} {_DOMAIN}"
        text = f"{error}. vomap looked only at the files in {HtcondorCe.SETTINGS}; try `{question}`"
        return InForce(not_asked=StatusLine(YELLOW, SETTINGS, text))


def settings_lines(in_force: InForce, needs: Needs) -> Iterator[StatusLine]:
    """Report each setting in force that is not what vomap needs, with the daemons that use it."""
    if in_force.not_asked is not None:
        yield in_force.not_asked
        return
    daemons: dict[Deviation, list[str]] = {}
    for answers in in_force.answers:
        for deviation in find_deviations(answers, needs):
            daemons.setdefault(deviation, []).append(answers.daemon)
    for deviation, names in daemons.items():
        setting = deviation.setting
        found = f"`{setting.value}`" if setting.value else "nothing"
        where = f"{' and '.join(names)}, {setting.place or 'set in no file'}"
        expected = f"expected `{deviation.expected}`" if deviation.expected else "expected nothing"
        text = f"is {found} ({where}): {deviation.effect}; {expected}; {_remedy(deviation, needs)}"
        yield StatusLine(RED, setting.name, text)
    if in_force.stale:
        running = (
            f"the running {' and '.join(in_force.stale)} did not read the files yet, and asks another callout or none"
        )
        yield StatusLine(RED, SETTINGS, f"{running}; run `{RECONFIGURE}`")
    elif not daemons:
        once = f"once they have read these settings. After a change of the files, run `{RECONFIGURE}`"
        yield StatusLine(GREEN, SETTINGS, f"{' and '.join(DAEMONS)} ask vomap and do as it answers, {once}")


def audience_lines(in_force: InForce, policy: CompiledPolicy, advice: Advice) -> Iterator[StatusLine]:
    """Report that the policy accepts no audience by which clients name this CE."""
    site, accepted = policy.document["site"]["audience"], accepted_audiences(policy.document)
    addresses = re.split(r"[,\s]+", in_force.answers[0].get(_ADDRESS).value) if in_force.answers else []
    own = [address.partition("?")[0] for address in addresses if address]
    names = {audience.removeprefix("https://").rstrip("/") for audience in accepted}
    is_named = not names.isdisjoint(own) or {*_ANY_CE} & {*accepted}
    if site is not None and own and not is_named:
        words = [word for audience in (*site, own[0]) for word in ("--audience", audience)]
        told = f"no accepted audience is the address of this CE, {own[0]}: tokens for it are refused"
        wire = advice.command("init", "--replace", *words)
        yield StatusLine(YELLOW, "audience", f"{told}; if clients ask for it, run `{wire}`, then `{RECONFIGURE}`")


def cache_lines(ce: HtcondorCe, in_force: InForce) -> Iterator[StatusLine]:
    """Report a cache of the issuers' keys that the CE's user cannot write.

    The cache belongs to the first user that runs a tool of the CE. The CE then fetches the keys again for each token.
    """
    place = in_force.answers[0].get(_CACHE).value if in_force.answers else _CACHE_FOLDER
    if not place.startswith("/"):
        return
    folder = ce.at(place)
    try:
        owner = pwd.getpwnam(ce.user).pw_uid
    except KeyError:
        return
    # Any other folder may have more than the keys in it.
    own = [folder] if place.removeprefix("/var") == _CACHE_FOLDER else []
    for path in (*own, folder / "scitokens", folder / "scitokens/scitokens_cpp.sqllite"):
        if path.exists() and path.stat().st_uid != owner:
            command = join_words(["chown", "-R", f"{ce.user}:", str(path)])
            text = f"{path} is not {ce.user}'s, so the CE fetches the keys of an issuer for each token; run `{command}`"
            yield StatusLine(YELLOW, "key cache", text)
            return


def find_deviations(answers: Answers, needs: Needs) -> list[Deviation]:
    """Return the settings of a daemon by which it maps past vomap, refuses what vomap maps, or lets others in."""
    return [found for check in _CHECKS for found in check(answers, needs)]


def find_observing_place(answers: Sequence[Answers]) -> str | None:
    """Return the place of the setting that makes vomap only observe, with its daemons. Return None if vomap answers."""
    observing = [each for each in answers if OBSERVE in each.get(COMMAND).value.split()]
    if not observing:
        return None
    only = "" if len(observing) == len(answers) else f", for the {observing[0].daemon} only"
    return observing[0].get(COMMAND).place + only


def _is_stale(answers: Answers) -> bool:
    """Return True if a running daemon has another callout, or other audiences, than its files name."""
    for name in (COMMAND, _AUDIENCE):
        running = ask_running_daemon(answers.daemon, name)
        if running is None:
            return False
        if _words(running) != _words(answers.get(name).value):
            return True
    return False


def _words(value: str) -> list[str]:
    return re.split(r"[,\s]+", value.strip())


def _remedy(deviation: Deviation, needs: Needs) -> str:
    """Return what to do about a deviation."""
    setting, wire = deviation.setting, needs.advice.command("init", "--replace")
    if _SITE_FILE.fullmatch(setting.place) and not setting.place.startswith(("/usr/share/", *_OURS)):
        # Other entries of a list of denials are the site's. Without the setting that makes it observe, vomap answers.
        stays = setting.name.rpartition(".")[2].startswith("DENY") or OBSERVE in deviation.expected.split()
        remove = "" if stays else "remove it there, or "
        return f"{remove}correct it there, then run `{RECONFIGURE}`"
    if setting.place.startswith(_OURS) or setting.name in _ours(needs):
        return f"run `{wire}`, then `{RECONFIGURE}`"
    line = f"{setting.name} = {deviation.expected}"
    return f"write `{line}` into {HtcondorCe.SETTINGS}/99-local.conf, then run `{RECONFIGURE}`"


def _ours(needs: Needs) -> set[str]:
    """Return the names of the settings that vomap's own files set."""
    return {COMMAND, "DENY_READ", _AUTHENTICATION[0], *((_AUDIENCE, _FOREIGN, _ALLOW_FOREIGN) if needs.policy else ())}


def _names(daemon: str) -> list[str]:
    """Return the names of all settings that the checks look up."""
    levels = [name for level in _LEVELS for name in _spellings(level, daemon)]
    others = [COMMAND, _MAPPING, _MAP_FILE, _HASH_KEYS, _AUDIENCE, _FOREIGN, _ALLOW_FOREIGN, _DOMAIN, _CACHE, _ADDRESS]
    return list(dict.fromkeys([*levels, *others, *_AUTHENTICATION, _WRITE_AUTHENTICATION, *_METHODS, _DEFAULT_METHODS]))


def _spellings(level: str, daemon: str) -> list[str]:
    """Return the names of a setting of a level in HTCondor's order."""
    names = (level, f"{level.partition('_')[0]}_DEFAULT")
    return [spelling for name in names for spelling in (f"{name}_{daemon}", name)]


def _level(answers: Answers, level: str) -> Setting:
    return answers.get(*_spellings(level, answers.daemon))


def _check_plugin(answers: Answers, needs: Needs) -> Iterator[Deviation]:
    mapping, command = answers.get(_MAPPING), answers.get(COMMAND)
    if mapping.value:
        yield Deviation(mapping, f"every token that vomap should map becomes {mapping.value}", "")
    callouts = needs.advice.callouts and needs.advice.callouts.absolute()
    expected = needs.ce.callout(callouts)
    words = command.value.split()
    if words not in ([expected], [expected, OBSERVE]):
        # A correction must not let vomap answer while it only observes.
        as_now = f"{expected} {OBSERVE}" if OBSERVE in words else expected
        yield Deviation(command, "HTCondor-CE asks another program than the callout of vomap's own files", as_now)


def _check_map_file(answers: Answers, needs: Needs) -> Iterator[Deviation]:
    map_file, hash_keys = answers.get(_MAP_FILE), answers.get(_HASH_KEYS)
    if map_file.value != needs.ce.MAPFILE:
        yield Deviation(map_file, "HTCondor-CE reads another map file than the one that is wired", needs.ce.MAPFILE)
    if not _is_true(hash_keys):
        yield Deviation(hash_keys, "vomap's map lines match no token", "True")


def _check_denied(answers: Answers, _: Needs) -> Iterator[Deviation]:
    """Check that clients without an account, and those that a map line bans, can neither write nor read."""
    denied = {level: _level(answers, level) for level in ("DENY_WRITE", "DENY_READ")}
    let_in = {
        level: [who for who, user in _REFUSED.items() if not _lists(setting.value, user)]
        for level, setting in denied.items()
    }
    # DENY_READ takes its list from DENY_WRITE, so one fault has one line.
    only_to_read = [who for who in let_in["DENY_READ"] if who not in let_in["DENY_WRITE"]]
    for level, names in (("DENY_WRITE", let_in["DENY_WRITE"]), ("DENY_READ", only_to_read)):
        if names:
            effect = f"it does not have {' and '.join(names)}, the clients that vomap or a map line refuses"
            present = denied[level].value
            yield Deviation(denied[level], effect, ", ".join([present, *names]) if present else _DENIED[level])


def _check_accounts(answers: Answers, needs: Needs) -> Iterator[Deviation]:
    """Check that HTCondor-CE lets in the accounts that vomap maps to."""
    domain = answers.get(_DOMAIN)
    for level in ("READ", "WRITE") if answers.daemon == "SCHEDD" else ("READ",):
        allow, deny = _level(answers, f"ALLOW_{level}"), _level(answers, f"DENY_{level}")
        for setting, is_wrong in ((allow, _is_not_allowed), (deny, _is_denied)):
            refused = [name for name in needs.accounts if is_wrong(setting, f"{name}@{domain.value}")]
            if not refused:
                continue
            users = ", ".join(f"{name}@{domain.value}" for name in refused[:3]) + (", ..." if refused[3:] else "")
            if domain.value != _CE_DOMAIN and not is_wrong(setting, f"{refused[0]}@{_CE_DOMAIN}"):
                yield Deviation(domain, f"{setting.name} refuses the accounts of this domain: {users}", _CE_DOMAIN)
                return
            expected, meant = f"$({setting.name}), *@{domain.value}", ""
            if setting is deny:
                entries = re.split(r"[,\s]+", setting.value)
                expected = ", ".join(
                    each for each in entries if not any(_lists(each, f"{name}@{domain.value}") for name in refused)
                )
                meant = ". If that is meant, write it as a ban of vomap, or as `accounts: never` of a mapfile"
            yield Deviation(setting, f"it refuses accounts to which vomap maps: {users}{meant}", expected)


def _check_authentication(answers: Answers, _: Needs) -> Iterator[Deviation]:
    read, write = answers.get(*_AUTHENTICATION), answers.get(_WRITE_AUTHENTICATION, _AUTHENTICATION[1])
    # HTCondor looks at the first letter of REQUIRED, YES, TRUE, NEVER, NO and FALSE.
    if read.value[:1].upper() not in ("R", "Y", "T"):
        yield Deviation(read, "clients without authentication come to read, and DENY_READ refuses all", "REQUIRED")
    if answers.daemon == "SCHEDD" and write.value[:1].upper() in ("N", "F"):
        yield Deviation(write, "no client shows its token to write, and DENY_WRITE refuses all", "REQUIRED")
    for name in _METHODS if answers.daemon == "SCHEDD" else _METHODS[:1]:
        methods = answers.get(name, _DEFAULT_METHODS)
        words = re.split(r"[,\s]+", methods.value.upper())
        if methods.value and not {"SCITOKENS", "SCITOKEN"} & {*words}:
            effect = f"HTCondor-CE takes no token from clients that {'read' if name == _METHODS[0] else 'write'}"
            yield Deviation(methods, effect, f"{methods.value}, SCITOKENS")


def _check_tokens(answers: Answers, needs: Needs) -> Iterator[Deviation]:
    """Check that HTCondor passes on the tokens whose audience or kind the policy accepts. vomap checks both again."""
    if needs.policy is None or not needs.has_settings:
        return
    accepted, foreign = accepted_audiences(needs.policy.document), foreign_issuers(needs.policy.document)
    audience, issuers = answers.get(_AUDIENCE), answers.get(_FOREIGN)
    if missing := _missing(accepted, audience):
        yield Deviation(audience, f"tokens for {', '.join(missing)} are refused", ", ".join(accepted))
    if missing := _missing(foreign, issuers):
        yield Deviation(issuers, f"tokens of {', '.join(missing)} are refused", ", ".join(foreign))
    if foreign and not _is_true(allowed := answers.get(_ALLOW_FOREIGN)):
        yield Deviation(allowed, f"tokens of {', '.join(foreign)} are refused", "true")


_CHECKS: tuple[Callable[[Answers, Needs], Iterator[Deviation]], ...] = (
    _check_plugin,
    _check_map_file,
    _check_denied,
    _check_accounts,
    _check_authentication,
    _check_tokens,
)


def _missing(wanted: Sequence[str], setting: Setting) -> list[str]:
    """Return the wanted members that a list of HTCondor lacks."""
    found = {*re.split(r"[,\s]+", setting.value)}
    return [] if "*" in found and setting.name.endswith(_FOREIGN) else [each for each in wanted if each not in found]


def _is_true(setting: Setting) -> bool:
    return setting.value.lower() in ("true", "1")


def _is_not_allowed(setting: Setting, user: str) -> bool:
    return not _lists(setting.value, user, from_anywhere=False)


def _is_denied(setting: Setting, user: str) -> bool:
    return _lists(setting.value, user)


def _lists(entries: str, user: str, *, from_anywhere: bool = True) -> bool:
    """Return True if a list of ALLOW or DENY has a user: from every host, or else at least from some.

    An entry is `user@domain`, `user@domain/host`, or a host alone. `*` means any text.
    """
    for entry in re.split(r"[,\s]+", entries):
        name, _, host = entry.partition("/")
        if "@" not in name and name != "*":
            name, host = ("*", entry) if entry else ("", "")
        pattern = ".*".join(map(re.escape, name.split("*")))
        if (host in ("", "*") or not from_anywhere) and name and re.fullmatch(pattern, user):
            return True
    return False
