"""`vomap ban`: keep somebody out, now; say who is out; let them in again."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vomap import Error
from vomap.built import BANS, POLICY, BuiltFile, bans_beside, read_bans, read_policy
from vomap.built.documents import read_built, read_issuers
from vomap.built.kept_bans import Change, KeptBans, NotChanged, conditions_of, read_ban
from vomap.built.lock import locked
from vomap.claims import Claims
from vomap.claims.payload import read_payload
from vomap.cli.ban_fetch import fetch
from vomap.cli.exits import FAILED, NO, YES
from vomap.cli.explain import add_token, token_payload
from vomap.cli.generate import add_web
from vomap.cli.loading import BANS_FOLDER, UsageError, add_json, add_policy, load_bans, print_json
from vomap.cli.logs import read_logs, resolver
from vomap.cli.progress import shown
from vomap.cli.terminal import plain
from vomap.journal.records import Unread
from vomap.mapfile.ban_file import NAME
from vomap.mapfile.compose import NOBODYS_SITE, Mapfile
from vomap.mapfile.entries import CONDITIONS
from vomap.mapfile.times import written
from vomap.policy.model import NO_BANS, Ban, Bans
from vomap.policy.pieces import Declared
from vomap.proof.bans.doubts import doubts_of_conditions, doubts_of_tokens
from vomap.proof.bans.hits import BanHits, Hits
from vomap.proof.bans.proofs import Proof, Trial, is_banned, outcome
from vomap.sources.bans import is_published, read_kept
from vomap.targets.ces import known_ces
from vomap.targets.remains import Remain, remains

HELP = "add, list, lift and fetch bans, and build them at once"

# Who reads more than these reads none; programs get all.
_MOST_IDENTITIES = 20
_ACTIONS = ("add", "list", "lift", "fetch")
_ROOT = Path("/")

_EXAMPLES = f"""\
examples:
  vomap ban add --vo CMS --subject 0d15ea5e-0000-4000-8000-00000000beef --reason 'leaked key (T-123)' --until 2026-12-31
  vomap ban add --jti e2a3 --reason 'stolen (T-124)' --token - < token
  vomap ban add --vo CMS --reason 'T-125' --log /var/log/vomap/decisions.log
  vomap ban list
  vomap ban lift --vo CMS --subject 0d15ea5e-0000-4000-8000-00000000beef
  vomap ban fetch https://bans.example.org/grid.yaml

`add` and `lift` edit {NAME} in the folder of bans and build the bans; the policy is not touched. `add` makes up a
token that the ban is about, or takes the one given, and decides as the CE will; it warns of what the ban does not
cover, and says what goes on and the commands to end that. Tokens of an issuer that is not declared come to vomap only
when the CE is wired anew: `vomap init --replace`, or `vomap render`. With --log it tells which decisions of a
decision log the ban would have denied, and whose they were.

`fetch` takes a list of bans from https, which says when it was `issued`. None that is older than the one that is there
takes its place; whatever cannot be fetched or read leaves that in force, and says how old it is. Each ban must name
subjects, tokens or clients by their whole names, unless --allow-wide is given.

exit codes: 0 done; 1 not done, refused, or still not denied (`add`), still denied (`lift`); 2 usage; 3 an error
"""


@dataclass(frozen=True)
class _Told:
    """What is said of a ban besides that it was added or lifted."""

    warnings: list[str] = field(default_factory=list)
    sentences: list[str] = field(default_factory=list)
    proof: Proof | None = None
    remains: list[Remain] = field(default_factory=list)
    code: int = YES
    hits: Hits | None = None


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.epilog = _EXAMPLES
    parser.add_argument("action", choices=_ACTIONS, help="what to do")
    url = parser.add_argument("url", metavar="[URL]", help="of `fetch`: where the list is published, by https")
    # With `nargs="?"`, Python before 3.12 takes it for left out once an option stands before it.
    url.required = False
    for key in CONDITIONS:
        if key == "claim":
            parser.add_argument("--claim", action="append", metavar="NAME=PATTERN", help="a claim of the token")
        else:
            parser.add_argument(f"--{key}", action="append", metavar=key.upper(), help=f"the token's {key}")
    parser.add_argument(
        "--reason", metavar="TEXT", help="why, on one line; `add` needs it, and who is refused does not see it"
    )
    parser.add_argument("--until", metavar="TIME", help="the last day (2026-12-31) or second that the ban holds, UTC")
    add_token(parser, required=False)
    parser.add_argument(
        "--log", nargs="+", metavar="LOG", help="of `add`: decision logs, to tell whom the ban would have kept out"
    )
    parser.add_argument("--key", metavar="FILE", help="the key of the pseudonyms in the logs")
    parser.add_argument("--name", metavar="NAME", help="of `fetch`: what the list is called (default: the URL's host)")
    parser.add_argument(
        "--allow-wide", action="store_true", help="of `fetch`: take bans of whole VOs, issuers or groups, too"
    )
    parser.add_argument("--dry-run", action="store_true", help="of `fetch`: change nothing, and say what would be")
    add_web(parser)
    parser.add_argument("--bans", default=BANS_FOLDER, metavar="FOLDER", help=f"the bans (default: {BANS_FOLDER})")
    add_policy(parser, "the built policy whose bans are built")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Add, list, lift or fetch bans."""
    ban = _conditions(args)
    if args.log and args.action != "add":
        raise UsageError(f"ban {args.action}: --log is for `add`")
    if args.action in ("list", "fetch") and ban:
        raise UsageError(f"ban {args.action}: it is about all bans, so it takes no conditions")
    if args.action == "fetch":
        return fetch(args)
    if args.url is not None:
        raise UsageError(f"ban {args.action}: it takes no URL, and nothing else that belongs to no option")
    if args.action == "list":
        return _list(args)
    if not ban:
        raise UsageError(f"ban {args.action}: name at least one of {', '.join('--' + key for key in CONDITIONS)}")
    return _add(args, ban) if args.action == "add" else _lift(args, ban)


def _conditions(args: argparse.Namespace) -> dict[str, Any]:
    """Return the conditions of the command line as a ban's keys."""
    ban: dict[str, Any] = {}
    for key in CONDITIONS:
        values = [_text(value) for value in getattr(args, key.replace("-", "_")) or ()]
        if values and key == "claim":
            ban[key] = _claims(values)
        elif values:
            ban[key] = values[0] if len(values) == 1 else values
    return ban


def _text(word: str) -> str:
    """Return a word of the command line. Raises UsageError if it holds bytes that are no UTF-8."""
    try:
        word.encode()
    except UnicodeEncodeError:
        raise UsageError(f"ban: {word!a} is no UTF-8") from None
    return word


def _claims(words: list[str]) -> dict[str, Any]:
    claims: dict[str, Any] = {}
    for word in words:
        name, equals, pattern = word.partition("=")
        if not equals:
            raise UsageError(f"ban: --claim takes NAME=PATTERN, not {word!a}")
        claims.setdefault(name, []).append(pattern)
    return claims


def _add(args: argparse.Namespace, ban: dict[str, Any]) -> int:
    if not args.reason:
        raise UsageError("ban add: say why, with --reason")
    ban["reason"] = _text(args.reason)
    if args.until:
        ban["until"] = _text(args.until)
    document = read_ban(ban)
    if not Ban(document).holds_at(time.time()):
        raise NotChanged(f"ban add: it would hold until {args.until}, which is over; nothing was changed")
    given = read_payload(token_payload(args)) if args.claims is not None or args.token is not None else None
    built = bans_beside(args.policy)
    with locked(built):
        before = _bans_before(built)
        already = [each for each in _built_bans(built) if _is_same(each, document)]
        change = KeptBans(args.bans, built).add(ban)
        after = read_bans(built)
    told = _told_of_added(args.policy, document, given, before, after)
    same = [f"the same is banned already{_until(each)}: {each['reason']} ({each['source']})" for each in already]
    told = replace(told, warnings=[*same, *told.warnings])
    if args.log:
        told = _with_hits(told, args, document)
    _tell(args, "added", change, told)
    return FAILED if change.left else told.code


def _bans_before(built: str) -> Bans:
    try:
        return read_bans(built)
    except Error:
        # None were in force: a callout refuses everybody then.
        return NO_BANS


def _told_of_added(policy: str, ban: Mapping[str, Any], given: Claims | None, before: Bans, after: Bans) -> _Told:
    """Try a ban that is in force with a token, and find what it does not cover and what goes on."""
    now = time.time()
    try:
        trial = _trial(policy, now)
    except (Error, KeyError, TypeError, ValueError) as error:
        going_on = remains(ban, _NOTHING_DECLARED, _ces(), _ROOT)
        if not Path(policy).exists():
            return _Told(sentences=[f"not proved: there is no {policy} yet to try it with"], remains=going_on)
        return _Told([f"not proved: {error}"], remains=going_on, code=FAILED)
    warnings = list(doubts_of_conditions(ban, trial.declared))
    going_on = remains(ban, trial.declared, _ces(), _ROOT)
    found = trial.prove(ban, before, after)
    proof = found[1] if found is not None else None
    if found is not None:
        warnings += doubts_of_tokens(ban, trial, after, found[0])
    if given is not None:
        proof = Proof(given, trial.decide(given, before), trial.decide(given, after))
    if proof is None:
        warnings.append("not proved: no token was found that meets this ban")
        return _Told(warnings, remains=going_on)
    token = f"a token of {proof.claims.text('iss')!a} for {proof.claims.text('sub')!a}"
    if not proof.holds:
        warnings.append(f"not proved: {token} is {outcome(proof.after)}")
        return _Told(warnings, proof=proof, remains=going_on, code=NO)
    sentence = f"proved: {token} is denied now (before: {outcome(proof.before)})"
    return _Told(warnings, [sentence], proof, going_on)


def _with_hits(told: _Told, args: argparse.Namespace, ban: Mapping[str, Any]) -> _Told:
    """Tell whom the ban would have kept out; that this cannot be told changes nothing of the ban, and is a warning."""
    broken = 0
    try:
        hits = BanHits(ban, read_policy(args.policy), resolver(args.key))
        with shown("decisions tried") as progress:
            for number, (_, found) in enumerate(read_logs(args.log), start=1):
                if isinstance(found, Unread):
                    broken += 1
                else:
                    hits.add(found)
                progress(number)
    except Error as error:
        return replace(told, warnings=[*told.warnings, f"whom it would have kept out is not known: {error}"])
    warnings = [f"{broken} lines of the logs are broken, and not counted"] if broken else []
    return replace(told, warnings=[*told.warnings, *warnings], hits=hits.result)


_NOTHING_DECLARED = Declared({"site": NOBODYS_SITE, "issuers": {}})


def _trial(policy: str, now: float) -> Trial:
    """Open a policy to try bans with: of its rules, only those that a token asks for are read."""
    file = BuiltFile(policy, POLICY)
    return Trial(read_policy(policy), Declared(read_issuers(policy)), now, file.find)


def _ces() -> list[str]:
    """Return the CEs that are here; all, if there are none: bans may be edited elsewhere."""
    known = known_ces(_ROOT)
    return [ce.name for ce in known if ce.is_installed] or [ce.name for ce in known]


def _lift(args: argparse.Namespace, ban: dict[str, Any]) -> int:
    document = read_ban({**ban, "reason": "lifted"})
    built = bans_beside(args.policy)
    with locked(built):
        change = KeptBans(args.bans, built).lift(ban)
        after = read_bans(built)
    told = _told_of_lifted(args.policy, document, after)
    _tell(args, "lifted", change, told)
    return NO if change.left else told.code


def _told_of_lifted(policy: str, ban: Mapping[str, Any], after: Bans) -> _Told:
    """Find the bans that still hold for tokens that a lifted one was about."""
    try:
        trial = _trial(policy, time.time())
    except (Error, KeyError, TypeError, ValueError):
        return _Told()
    decisions = [trial.decide(claims, after) for _, claims in trial.meeting(ban)]
    denied = [decision for decision in decisions if is_banned(decision)]
    which = "all" if len(denied) == len(decisions) else "some"
    still = dict.fromkeys(f"{each.reason} ({each.source})" for each in denied)
    return _Told(
        [f"{which} of these tokens are still denied: {reason}" for reason in still],
        code=NO if denied and which == "all" else YES,
    )


def _tell(args: argparse.Namespace, done: str, change: Change, told: _Told) -> None:
    if change.left:
        print(plain(change.left), file=sys.stderr)
    for warning in told.warnings:
        print(plain(f"warning: {warning}"), file=sys.stderr)
    if args.json:
        print_json(_as_json(done, change, told))
        return
    print(f"{done}; bans in force or to come: {change.bans}; {change.file} -> {change.built}")
    for sentence in told.sentences:
        print(plain(sentence))
    if told.hits is not None:
        _print_hits(told.hits)
    if told.remains:
        anywhere = "" if any(ce.is_installed for ce in known_ces(_ROOT)) else ", on either CE, as none is here"
        print(f"what goes on until you end it{anywhere}:")
    for each in told.remains:
        print(f"  {each.ce}: {each.what}: {each.until}{f' ({each.caution})' if each.caution else ''}")
        for command in each.commands:
            print(f"    {command}")


def _as_json(done: str, change: Change, told: _Told) -> dict[str, object]:
    answer: dict[str, object] = {"done": done, "file": change.file, "built": change.built, "bans": change.bans}
    answer["warnings"] = told.warnings
    if done == "added":
        answer["proof"] = told.proof.as_json() if told.proof is not None else None
        answer["remains"] = [each.as_json() for each in told.remains]
    if told.hits is not None:
        answer["log"] = told.hits.as_json()
    return answer


def _print_hits(hits: Hits) -> None:
    print(f"in the logs: {hits.decisions:,} decisions about {len(hits.identities):,} identities would have been denied")
    for who, seen in hits.latest_first()[:_MOST_IDENTITIES]:
        named = plain(f"{who.issuer} {who.pseudonym or who.subject}")
        account = f"mapped to {plain(seen.account)}" if seen.account is not None else "never mapped"
        print(f"  {seen.last}: {named}: {account}; decisions: {seen.decisions:,}")
    if len(hits.identities) > _MOST_IDENTITIES:
        print(f"  and {len(hits.identities) - _MOST_IDENTITIES:,} more; --json tells all")
    for why, number in hits.unknown.most_common():
        print(f"  not known of {number:,}: {why}")


def _list(args: argparse.Namespace) -> int:
    files, document, findings = load_bans([args.bans])
    findings.raise_errors()
    now = time.time()
    built = bans_beside(args.policy)
    in_force = {_bare(ban) for ban in _built_bans(built)}
    bans = [{**ban, "holds": Ban(ban).holds_at(now), "in-force": _bare(ban) in in_force} for ban in document["bans"]]
    lists = [_list_members(file, now) for file in files if is_published(file.path)]
    if args.json:
        print_json({"bans": bans, "lists": lists})
        return YES
    for ban in bans:
        told = ", ".join(f"{key} {_shown(ban[key])}" for key in CONDITIONS if key in ban)
        unbuilt = "" if ban["in-force"] else f" (not built into {built}: run `vomap build`)"
        state = unbuilt if ban["holds"] else " (expired)"
        print(plain(f"{ban['source']}: {told}{_until(ban)}{state}: {ban['reason']}"))
    for each in lists:
        print(plain(f"{each['file']}: {each['told']}"))
    print(f"{len(bans)} bans")
    return YES


def _built_bans(built: str) -> list[dict[str, Any]]:
    """Return the documents of the bans that were built; none if they cannot be read."""
    try:
        bans: list[dict[str, Any]] = read_built(built, BANS).document["bans"]
    except Error:
        return []
    return bans


def _is_same(built: Mapping[str, Any], added: Mapping[str, Any]) -> bool:
    """Tell whether a ban holds now that has the conditions of another; VOs compare without case."""
    one, other = ({**conditions_of(ban), "vo": [vo.lower() for vo in ban.get("vo", ())]} for ban in (built, added))
    return one == other and Ban(built).holds_at(time.time())


def _until(ban: Mapping[str, Any]) -> str:
    return f" until {written(ban['until'])}" if "until" in ban else ""


def _bare(ban: Mapping[str, Any]) -> str:
    return json.dumps({**conditions_of(ban), "reason": ban["reason"], "until": ban.get("until")})


def _list_members(file: Mapfile, now: float) -> dict[str, object]:
    """Return what is told of a list that was fetched."""
    try:
        kept = read_kept(file)
    except Error as error:
        return {"file": file.path, "told": str(error)}
    told = f"{len(kept.bans)} bans of {kept.url}, {kept.age(now)}"
    return {"file": file.path, "url": kept.url, "issued": written(kept.issued), "told": told}


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}={_shown(texts)}" for name, texts in value.items())
    return " or ".join(value)
