"""`vomap replay`: decide the tokens of a decision log again, and show the decisions that change."""

from __future__ import annotations

import argparse
import sys

from vomap import Error, printable
from vomap.analysis.owners import Owners, OwnersError
from vomap.analysis.replay import Replay
from vomap.cli.arguments import add_json, add_policy, add_sources, asked_policy, resolver
from vomap.cli.console import FAILED, NO, YES, counted, left_out, print_json, progress_bar, shown
from vomap.files.regular import read_regular_file
from vomap.log import KEY_FILE
from vomap.log.reader import LogReader

HELP = "decide the tokens of a decision log again, and show the decisions that change"

EXAMPLES = """\
examples:
  vomap replay /var/log/vomap/decisions.log --mapfiles new.d     the changes of these mapfiles
  journalctl --all -o json -t vomap-htcondor | vomap replay - --mapfiles new.d
  vomap replay decisions.log.1.gz decisions.log                  the compiled policy, against earlier decisions
  condor_ce_history -af:t AuthTokenId Owner > owners
  vomap replay decisions.log --against owners                    against the accounts of another plugin

vomap decides each token as of the time of its record. It does not look accounts up.

vomap does not guess. If the policy or a ban asks for a claim that a record does not keep, the record is not decidable.

With --against, vomap also counts the tokens that it maps and that the table does not name: they may gain access.

exit codes: 0 no decision changes, 1 a decision changes or a token may gain access, 2 wrong usage,
            3 an error, a log with broken lines, or records that are not decidable"""


# Strangers choose audiences and subjects, which reasons and accounts contain. The JSON output has all.
_MOST_CHANGES = 200
_MOST_NAMES = 50


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("logs", nargs="+", metavar="LOG", help="decision logs, plain or gzip. - reads standard input")
    add_policy(parser, "the compiled policy to ask")
    add_sources(parser)
    parser.add_argument(
        "--against",
        metavar="TABLE",
        help="a table of the accounts of another plugin: on each line a token's jti, a tab, and the account. "
        "In place of the jti, the issuer, a tab, and the subject",
    )
    parser.add_argument("--key", metavar="FILE", help=f"the key of the pseudonyms in the log (default: {KEY_FILE})")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Replay. Return 0 if each decision is the same, 1 if not, 3 if vomap cannot read or decide all records."""
    policy, bans = asked_policy(args, "replay")
    owners = None if args.against is None else _table(args.against)
    result = Replay(policy, bans, resolve=resolver(args.key), owners=owners)
    logs = LogReader(args.logs)
    with progress_bar("decisions made again") as progress:
        for number, record in enumerate(logs.records(), start=1):
            result.add(record)
            progress(number)
    faults = _faults(result, logs)
    if result.changes and args.mapfiles and not args.bans:
        print("vomap: decided without bans. With --mapfiles, name the bans: --bans PATH", file=sys.stderr)
    for fault in faults:
        print(printable(f"vomap: {fault}"), file=sys.stderr)
    if args.json:
        print_json(_as_json(result, faults))
    else:
        _print(result)
    return FAILED if faults else NO if result.changes or result.gains else YES


def _faults(result: Replay, logs: LogReader) -> list[str]:
    """Return why the result is not complete. A wrong file or a missing key must not look like a change of nothing."""
    faults = left_out(logs)
    if not result.same + result.changed:
        faults.append("vomap could decide no record of these logs again, so the changes are unknown")
    elif number := sum(result.undecidable.values()):
        faults.append(f"vomap cannot decide {counted(number, 'record')} again, so the changes are not complete")
    return faults


def _table(path: str) -> Owners:
    """Read the accounts of another plugin. Raises Error."""
    content, _ = read_regular_file(path)
    try:
        # Not str.splitlines(), which also splits at other characters than line feeds.
        return Owners(content.decode("utf-8", "replace").removesuffix("\n").split("\n"))
    except OwnersError as error:
        raise Error(printable(f"{path}:{error}")) from None


def _print(result: Replay) -> None:
    print(f"decided again: {result.same + result.changed:,}; the same: {result.same:,}; changed: {result.changed:,}")
    for why, number in result.left_out.most_common():
        print(printable(f"not decided again: {number:,}: {why}"))
    for gain, number in result.gains.most_common():
        print(printable(f"may gain access: {number:,}: {gain}"))
    for why, number in result.undecidable.most_common():
        print(printable(f"not decidable: {number:,}: {why}"))
    for change, number in result.changes.most_common(_MOST_CHANGES):
        members = result.first[change].members
        print(f"{number:>9,}  {change.vo}: {shown(str(change.before))} -> {shown(str(change.after))}")
        identity = f"{shown(members['issuer'] or '(no issuer)')} {shown(members['subject'] or '(no subject)')}"
        print(f"           first at {members['time']}: {identity}")
    if len(result.changes) > _MOST_CHANGES:
        print(f"and {counted(len(result.changes) - _MOST_CHANGES, 'change')} more; --json prints all")
    for title, counts in result.counted().items():
        names = [f"{shown(name)} {number:,}" for name, number in counts.most_common(_MOST_NAMES)]
        more = f" and {len(counts) - _MOST_NAMES:,} more" if len(counts) > _MOST_NAMES else ""
        print(f"by {title}: {', '.join(names)}{more}")


def _as_json(result: Replay, faults: list[str]) -> dict[str, object]:
    return {
        "same": result.same,
        "changed": result.changed,
        "left-out": dict(result.left_out),
        "undecidable": dict(result.undecidable),
        "gains": [{"count": number, **gain._asdict()} for gain, number in result.gains.most_common()],
        "broken": faults,
        "by": {title: dict(counts) for title, counts in result.counted().items()},
        "changes": [
            {
                "count": number,
                "vo": change.vo,
                "before": change.before._asdict(),
                "after": change.after._asdict(),
                "first": result.first[change].members,
            }
            for change, number in result.changes.most_common()
        ],
    }
