"""`vomap ban add` and `vomap ban lift`: change a ban in its file and in the compiled bans together, and report."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vomap import Error, printable
from vomap.bans.aftermath import Aftermath, find_aftermath
from vomap.bans.commands import add_command, advice_of, wire_command
from vomap.bans.effect import BanEffect, BanTester, describe_outcome, is_banned
from vomap.bans.folder import BanChange, ChangeRefused, LocalBanFile, conditions_of, read_ban
from vomap.bans.log_impact import Identity, LogImpact
from vomap.bans.warnings import condition_warnings, token_warnings
from vomap.bans.wildcards import BanWarning
from vomap.ces.kinds import known_ces
from vomap.claims import Claims
from vomap.claims.htcondor_payload import read_payload
from vomap.cli.arguments import BANS_FOLDER, UsageError, given_token, payload_of, resolver
from vomap.cli.ban_list import compiled_bans, until
from vomap.cli.console import FAILED, NO, YES, counted, left_out, plain, print_json, progress_bar, shown
from vomap.files.lock import locked
from vomap.files.shell import join_words
from vomap.log.reader import LogReader
from vomap.mapfile.entries import CONDITIONS, DEFAULT_SITE
from vomap.policy.authority import Authority
from vomap.policy.model import NO_BANS, Ban, Bans
from vomap.store import POLICY_FILE, bans_beside, read_bans, read_policy
from vomap.store.writer import read_issuers

# A longer list would hide the warnings. The JSON output has all.
_MOST_IDENTITIES = 20
_MOST_JTIS = 20
_ROOT = Path("/")
# The bearer of a token may choose which group comes first.
_REPLACED = {"first-group": "a ban reads every group of a token, in any order: use --group"}
_OPTIONS = tuple(key for key in CONDITIONS if key not in _REPLACED)
_NOTHING_DECLARED = {"site": DEFAULT_SITE, "issuers": {}}


@dataclass
class _Report:
    """The report on a ban that was added or lifted: warnings, a sentence, proof, what survives, exit code, and log."""

    warnings: list[BanWarning] = field(default_factory=list)
    sentence: str = ""
    proof: BanEffect | None = None
    remains: list[Aftermath] = field(default_factory=list)
    code: int = YES
    hits: LogImpact | None = None


class _Refused(argparse.Action):
    """An option that vomap no longer has. Its constant says which option to use."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        parser.error(f"{self.option_strings[0]}: {self.const}")


def add_conditions(parser: argparse.ArgumentParser) -> None:
    """Add the options for the conditions of a ban."""
    for key in _OPTIONS:
        if key == "claim":
            parser.add_argument("--claim", action="append", metavar="NAME=PATTERN", help="a claim of the token")
        else:
            parser.add_argument(f"--{key}", action="append", metavar=key.upper(), help=f"the token's {key}")
    for key, why in _REPLACED.items():
        parser.add_argument(f"--{key}", action=_Refused, nargs="?", const=why, help=argparse.SUPPRESS)


def _conditions(args: argparse.Namespace) -> dict[str, Any]:
    """Return the conditions of the command line as a ban's keys. Raises UsageError if there is none."""
    ban: dict[str, Any] = {}
    for key in _OPTIONS:
        values = [_text(value) for value in getattr(args, key) or ()]
        if key == "claim":
            for name, equals, pattern in (value.partition("=") for value in values):
                if not equals:
                    raise UsageError(f"ban: --claim takes NAME=PATTERN, not {name!a}")
                ban.setdefault(key, {}).setdefault(name, []).append(pattern)
        elif values:
            ban[key] = values[0] if len(values) == 1 else values
    if not ban:
        raise UsageError(f"ban {args.action}: name at least one of {', '.join('--' + key for key in _OPTIONS)}")
    return ban


def _text(word: str) -> str:
    """Return a word of the command line. Raises UsageError if it is not valid UTF-8."""
    try:
        word.encode()
    except UnicodeEncodeError:
        raise UsageError(f"ban: {word!a} is not valid UTF-8") from None
    return word


def add(args: argparse.Namespace) -> int:
    """Add a ban. Return NO if vomap does not deny the token that was given."""
    ban = _new_ban(args)
    document = read_ban(ban)
    if not Ban(document).is_in_force(time.time()):
        raise ChangeRefused(f"ban add: --until {args.until} is in the past. Nothing was changed")
    is_given = args.claims is not None or args.token is not None
    given = read_payload(payload_of(args, given_token(args))) if is_given else None
    built = bans_beside(args.policy)
    with locked(built):
        before = _bans_before(built)
        already = _same_bans(built, document)
        change = LocalBanFile(args.bans, built).add(ban)
        after = read_bans(built)
    _report_change(args, "added", change)
    report = _report_added(args.policy, document, given, before, after)
    report.warnings[:0] = already
    try:
        if args.log and args.json:
            _count_hits(report, args, document)
    finally:
        # A log may be long, and strangers may have written it. Nothing in it keeps the report back.
        _report(args, "added", change, report)
    if args.log and not args.json:
        _report_log(args, document)
    return FAILED if change.advice else report.code


def _new_ban(args: argparse.Namespace) -> dict[str, Any]:
    ban = _conditions(args)
    if not args.reason:
        raise UsageError("ban add: say why, with --reason")
    if args.key is not None and not args.log:
        raise UsageError("ban add: --key goes with --log")
    ban["reason"] = _text(args.reason)
    if args.until:
        ban["until"] = _text(args.until)
    return ban


def _bans_before(built: str) -> Bans:
    try:
        return read_bans(built)
    except Error:
        # No ban was in force. Without readable bans a callout denies every token.
        return NO_BANS


def _report_added(policy: str, ban: Mapping[str, Any], given: Claims | None, before: Bans, after: Bans) -> _Report:
    """Test a ban that is in force with a token. Find tokens that it misses, and sessions and jobs that survive it."""
    nothing = Authority(_NOTHING_DECLARED)
    if not Path(policy).exists():
        sentence = f"not proved: there is no {policy} yet to try it with"
        return _Report(sentence=sentence, remains=_aftermath(ban, nothing))
    try:
        return _tried(_tester(policy), ban, given, before, after)
    except (Error, KeyError, TypeError, ValueError) as error:
        return _Report([BanWarning(f"not proved: {error}")], remains=_aftermath(ban, nothing), code=FAILED)


def _tried(tester: BanTester, ban: Mapping[str, Any], given: Claims | None, before: Bans, after: Bans) -> _Report:
    warnings = list(condition_warnings(ban, tester.authority, given))
    report = _Report(warnings, remains=_aftermath(ban, tester.authority))
    found = tester.find_effect(ban, before, after)
    proof = found[1] if found is not None else None
    if found is not None:
        warnings += token_warnings(ban, tester, after, found[0])
    if given is not None:
        proof = BanEffect(given, tester.decide(given, before), tester.decide(given, after))
    report.proof = proof
    if proof is None:
        warnings.append(BanWarning("not proved: no token was found that meets this ban"))
        return report
    token = f"a token of {proof.claims.text('iss')!a} for {proof.claims.text('sub')!a}"
    if not proof.is_denied:
        warnings.append(BanWarning(f"not proved: {token} is {describe_outcome(proof.after)}"))
        report.code = NO
        return report
    report.sentence = f"proved: {token} is denied now ({describe_outcome(proof.before)} before)"
    if not proof.was_mapped and given is None:
        report.sentence += "; no token that meets this ban was found that was mapped before"
    return report


def _count_hits(report: _Report, args: argparse.Namespace, ban: Mapping[str, Any]) -> None:
    """Add the users whom the ban would have denied. A log that vomap cannot read is only a warning."""
    logs = LogReader(args.log)
    try:
        hits = LogImpact(ban, read_policy(args.policy), resolver(args.key))
    except Error as error:
        report.warnings.append(BanWarning(f"vomap cannot show whom the ban would have denied: {error}"))
        return
    with progress_bar("decisions tried") as progress:
        for number, record in enumerate(logs.records(), start=1):
            hits.add(record)
            progress(number)
    report.warnings += map(BanWarning, left_out(logs))
    if len(logs.unreadable) < len(args.log) or hits.decisions:
        report.hits = hits


def _report_log(args: argparse.Namespace, ban: Mapping[str, Any]) -> None:
    report = _Report()
    _count_hits(report, args, ban)
    for warning in report.warnings:
        print(printable(f"warning: {warning.sentence}"), file=sys.stderr)
    if report.hits is not None:
        _print_hits(report.hits)


def _tester(policy: str) -> BanTester:
    """Open a policy to try bans with: of its rules, only those that a token asks for are read, and the first ones."""
    return BanTester(read_policy(policy), read_issuers(policy), time.time())


def _aftermath(ban: Mapping[str, Any], authority: Authority) -> list[Aftermath]:
    """Find what survives a ban on the CEs here, or on all kinds if there is none: the ban may be for other machines."""
    known = known_ces(_ROOT)
    ces = [ce.name for ce in known if ce.is_installed] or [ce.name for ce in known]
    return find_aftermath(ban, authority, ces, _ROOT)


def lift(args: argparse.Namespace) -> int:
    """Lift a ban. Return NO if another ban still denies all of its tokens."""
    ban = _conditions(args)
    document = read_ban({**ban, "reason": "lifted"})
    built = bans_beside(args.policy)
    with locked(built):
        change = LocalBanFile(args.bans, built).lift(ban)
        after = read_bans(built)
    _report_change(args, "lifted", change)
    report = _report_lifted(args.policy, document, after)
    _report(args, "lifted", change, report)
    return NO if change.advice else report.code


def _report_lifted(policy: str, ban: Mapping[str, Any], after: Bans) -> _Report:
    """Find the bans that still deny tokens of a lifted ban."""
    try:
        tester = _tester(policy)
        decisions = [tester.decide(claims, after) for _, claims in tester.banned_tokens(ban)]
    except (Error, KeyError, TypeError, ValueError):
        return _Report()
    denied = [decision for decision in decisions if is_banned(decision)]
    which = "all" if len(denied) == len(decisions) else "some"
    still = dict.fromkeys(f"{each.reason} ({each.source})" for each in denied)
    return _Report(
        [BanWarning(f"{which} of these tokens are still denied: {reason}") for reason in still],
        code=NO if denied and which == "all" else YES,
    )


def _report_change(args: argparse.Namespace, done: str, change: BanChange) -> None:
    """Show that a ban is added or lifted, at once: what follows may take a while, and may be interrupted."""
    if advice := advice_of(change, args.bans, args.policy):
        print(plain(advice), file=sys.stderr)
    if not args.json:
        print(f"{done}; bans in force or to come: {change.bans}; {change.file} -> {change.built}", flush=True)


def _report(args: argparse.Namespace, done: str, change: BanChange, report: _Report) -> None:
    # The places of bans and policy that the user gave.
    given = (("--bans", args.bans, BANS_FOLDER), ("--policy", args.policy, POLICY_FILE))
    places = [word for option, value, default in given if value != default for word in (option, value)]
    for warning in report.warnings:
        print(plain(f"warning: {_sentence(warning, args.policy, places)}"), file=sys.stderr)
    if args.json:
        print_json(_as_json(done, change, report, args.policy, places))
        return
    if report.sentence:
        print(plain(report.sentence))
    if report.remains:
        anywhere = "" if any(ce.is_installed for ce in known_ces(_ROOT)) else ", on either CE, as none is here"
        print(f"what goes on until you end it{anywhere}:")
    for each in report.remains:
        print(f"  {each.ce}: {each.what}: {each.until}{f' ({each.caution})' if each.caution else ''}")
        for command in each.commands:
            print(f"    {command}")


def _sentence(warning: BanWarning, policy: str, places: Sequence[str]) -> str:
    commands = " && ".join(_commands(warning, places))
    if warning.needs_wiring and (wire := wire_command(policy)) is not None:
        return f"{warning.sentence}: run `{wire}`"
    return f"{warning.sentence}: {commands}" if commands else warning.sentence


def _commands(warning: BanWarning, places: Sequence[str]) -> list[str]:
    return [add_command(ban, *places) for ban in warning.alternatives]


def _as_json(done: str, change: BanChange, report: _Report, policy: str, places: Sequence[str]) -> dict[str, object]:
    answer: dict[str, object] = {"done": done, "file": change.file, "built": change.built, "bans": change.bans}
    answer["warnings"] = [_sentence(warning, policy, places) for warning in report.warnings]
    if done == "added":
        answer["instead"] = [command for warning in report.warnings for command in _commands(warning, places)]
        answer["proof"] = report.proof.as_json() if report.proof is not None else None
        answer["remains"] = [each._asdict() for each in report.remains]
    if report.hits is not None:
        answer["log"] = report.hits.as_json()
    return answer


def _print_hits(hits: LogImpact) -> None:
    which = f"{counted(hits.decisions, 'decision')} about {_identities(len(hits.identities))}"
    print(f"in the logs: {which} would have been denied")
    for who, seen in hits.latest_first()[:_MOST_IDENTITIES]:
        print(f"  {_titled(who)}:")
        if who.pseudonym is not None:
            words = join_words([who.pseudonym, "--issuer", who.issuer or ""])
            print(printable(f"    to see the subject: `vomap log resolve {words}`"))
        for account, count in seen.accounts.items():
            done = "not mapped" if account is None else f"mapped to {shown(account)}"
            print(f"    {done}: {counted(count.decisions, 'decision')}, the last at {count.last}")
        _print_jtis(list(seen.jtis))
    if len(hits.identities) > _MOST_IDENTITIES:
        print(f"  and {_identities(len(hits.identities) - _MOST_IDENTITIES)} more; --json prints all")
    for why, number in hits.unknown.most_common():
        print(f"  unknown for {number:,}: {why}")


def _titled(who: Identity) -> str:
    """Return the title of an identity. A record without a subject may be about any user of its issuer."""
    issuer = "of no issuer" if who.issuer is None else shown(who.issuer)
    if who.pseudonym is not None:
        return f"identity {issuer}, the pseudonym {shown(who.pseudonym)}"
    if who.subject is None:
        return f"identity {issuer}, without a subject in the log (perhaps several users)"
    return f"identity {issuer} {shown(who.subject)}"


def _identities(number: int) -> str:
    return f"{number:,} identity" if number == 1 else f"{number:,} identities"


def _print_jtis(jtis: Sequence[str]) -> None:
    if jtis:
        more = f" and {len(jtis) - _MOST_JTIS:,} more" if len(jtis) > _MOST_JTIS else ""
        print(f"    jti: {', '.join(map(shown, jtis[:_MOST_JTIS]))}{more}")


def _same_bans(built: str, added: Mapping[str, Any]) -> list[BanWarning]:
    """Return a warning for each compiled ban that is in force and has the conditions of the added one."""
    wanted, now = _without_case(added), time.time()
    return [
        BanWarning(f"the same is banned already{until(ban)}: {ban['reason']} ({ban['source']})")
        for ban in compiled_bans(built)
        if _without_case(ban) == wanted and Ban(ban).is_in_force(now)
    ]


def _without_case(ban: Mapping[str, Any]) -> dict[str, Any]:
    """Return the conditions of a ban. VOs compare without case."""
    return {**conditions_of(ban), "vo": [vo.lower() for vo in ban.get("vo", ())]}
