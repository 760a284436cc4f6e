"""`vomap init`: write a site's first mapfile, build, and write the CE's configuration."""

from __future__ import annotations

import argparse
import difflib
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vomap import Error
from vomap.bans.ban_file import NAME, with_bans
from vomap.bans.folder import LocalBanFile
from vomap.ces.arc_lost_bans import find_lost_arc_bans
from vomap.ces.htcondor import MAP_FILE
from vomap.ces.kinds import ArcCe, Ce, HtcondorCe, is_program, known_ces
from vomap.ces.lost_bans import LostBan, OwnBans, Shadow, shadow_after_wiring
from vomap.ces.map_lines import MapLine
from vomap.ces.wiring import wired_issuers
from vomap.cli.arguments import BANS_FOLDER, MAPFILES_FOLDER, UsageError, advice_of
from vomap.cli.compile_output import print_steps
from vomap.cli.console import NO, plain, print_copy, progress_bar
from vomap.cli.system_paths import LATER_FOLDERS, LINKED, below, system_paths
from vomap.compile.advice import Advice
from vomap.compile.build import build_in_rounds
from vomap.compile.check import check_ban_files, check_policy
from vomap.files.atomic import keep_copy, make_folder, name_of_copy, replace_file
from vomap.files.lock import locked
from vomap.files.root import is_this_machine, refuse_links_out
from vomap.files.shell import join_words
from vomap.files.shipped import shipped_file
from vomap.mapfile.files import OSG_LINK, Mapfile, files_of, is_lost_link, read_file, read_files
from vomap.mapfile.site_file import (
    AUDIENCE,
    MINIMUM_UID,
    NEVER,
    SERVE,
    SiteSettings,
    read_site_file,
    site_text,
)
from vomap.status import GREEN
from vomap.status.checks import built_line, freshness_line
from vomap.status.htcondor import find_observing_file
from vomap.store import BANS, POLICY, POLICY_FILE, bans_beside

if TYPE_CHECKING:
    from vomap.policy.documents import BansDocument, PolicyDocument

HELP = "write a site's first mapfile, build, and wire the CE"

EXAMPLES = """\
examples:
  vomap init                                       find the CE, ask questions, show the files, write
  vomap init --audience ce01.example.org:9619 --serve CMS --serve Nova --mapfile osg --yes
  vomap init --show                                show the files, and write none

vomap does not change existing files without --replace, and a second run changes nothing. With --replace, vomap keeps
the file before as FILE.~1~, and the options that the existing wiring has. It never replaces a mapfile with rules,
issuers or tests: it shows what to edit."""

_SITE_FILE = "10-site.yaml"
# A mapfile that changes with vomap becomes a link. Examples become copies to edit, which come first.
_SHIPPED = {"egi": "30-egi.yaml", "fermilab": "40-fermilab.yaml", "osg": OSG_LINK}
_MOST_SHOWN = 20
_DEAD = (
    "These lines of the site will never be used, because vomap's lines for the same issuers come first. Write the "
    "mappings that you still need as rules of a mapfile:"
)
_LOST = "init: these lines ban clients. vomap's lines would come first, and the bans would be lost:"


@dataclass(frozen=True)
class Planned:
    """A file to write: its text, or the target of a link.

    It `is_done` if the existing file needs no change. `refusal` says why vomap does not replace the existing file, even
    with --replace, and what the administrator can do.
    """

    path: Path
    content: str | Path
    is_done: bool
    refusal: str = ""

    def show(self) -> None:
        """Print the new file, or its differences from the existing one."""
        if isinstance(self.content, Path):
            print(plain(f"{self.path} -> {self.content}"))
        elif os.path.lexists(self.path):
            before = self.path.read_text("utf-8", "replace").splitlines() if self.path.is_file() else []
            after = self.content.splitlines()
            changes = difflib.unified_diff(before, after, str(self.path), f"{self.path} (new)", lineterm="")
            print(plain("\n".join(changes)))
        else:
            print(plain(f"---- {self.path}\n{self.content}"), end="")

    def write(self) -> None:
        """Write the file or the link, and keep the file that it replaces."""
        make_folder(self.path.parent)
        if self.path.is_file():
            print_copy(str(self.path), keep_copy(str(self.path)))
        if isinstance(self.content, str):
            replace_file(str(self.path), self.content.encode())
            return
        new = self.path.with_name(f".{self.path.name}.{os.getpid()}.new")
        new.symlink_to(self.content)
        try:
            new.replace(self.path)
        finally:
            new.unlink(missing_ok=True)


@dataclass(frozen=True)
class PlannedBans(Planned):
    """Bans to add to the file that `vomap ban` edits. `content` is its text if nothing else changes it before.

    `places` are those of the map lines that they replace.
    """

    bans: Sequence[Mapping[str, Any]] = ()
    built: Path = Path()
    places: Sequence[str] = ()

    def write(self) -> None:
        """Add the bans and put them in force."""
        for folder in (self.path.parent, self.built.parent):
            make_folder(folder)
        with locked(str(self.built)):
            file = LocalBanFile(str(self.path.parent), str(self.built))
            file.put(with_bans(file.text(), self.bans))


class LostBansError(Error):
    """The CE's own configuration denies clients, and vomap's lines would come before these lines."""

    exit_code = NO


class CalloutError(Error):
    """A CE of this machine would run a callout that is not an executable file."""

    exit_code = NO


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("--ce", choices=("htcondor", "arc"), help="the kind of CE (default: the installed ones)")
    parser.add_argument("--audience", action="append", metavar="TEXT", help="an audience of this CE, or `unchecked`")
    parser.add_argument("--serve", action="append", metavar="VO", help="a VO that the site serves (default: all)")
    parser.add_argument(
        "--mapfile",
        action="append",
        choices=_SHIPPED,
        help="a mapfile of the vomap package: osg becomes a link, the others become copies to edit",
    )
    parser.add_argument("--never", action="append", metavar="ACCOUNT", help="an account that no token maps to")
    parser.add_argument("--minimum-uid", type=int, metavar="UID", help="the lowest uid of an account (default: 1000)")
    parser.add_argument(
        "--callouts", type=Path, metavar="FOLDER", help="the folder of the callouts (default: that of the packages)"
    )
    parser.add_argument("--replace", action="store_true", help="replace existing files that differ")
    parser.add_argument(
        "--take-over-bans",
        action="store_true",
        help="write the bans of HTCondor-CE's map files that vomap's lines would disable as bans of vomap",
    )
    parser.add_argument("--show", action="store_true", help="show the files, and write none")
    parser.add_argument("--yes", action="store_true", help="ask no questions, and write")
    parser.add_argument("--root", type=Path, default=Path("/"), metavar="FOLDER", help="the root of the CE's system")


def run(args: argparse.Namespace) -> int:
    """Show, ask and write. Return 1 if a file that differs was not replaced, or if vomap refused the policy."""
    ces = [ce for ce in known_ces(args.root) if (ce.is_installed if args.ce is None else ce.name == args.ce)]
    if not ces:
        ways = " or ".join(f"`{_command(args, '--ce', ce.name)}`" for ce in known_ces(args.root))
        raise UsageError(f"init: no CE was found here. To name the one that will be here, type {ways}")
    refuse_links_out(args.root, system_paths(args.root, ces))
    _refuse_missing_callouts(args, ces)
    site = _site_plan(args)
    wiring, taken, dead = _ce_plan(args, ces, site)
    plan = [*taken, *site, *wiring]
    new = [each for each in plan if each in taken or _is_to_write(args, each)]
    left = [each for each in plan if not each.is_done and each not in new]
    if dead and any(each in wiring for each in new):
        print(plain(f"{_DEAD} {_shortened([line.place for line in dead])}"))
    for each in (*new, *left):
        if not each.refusal:
            each.show()
    for each in left:
        again = _command(args, "--replace")
        why = each.refusal or f"differs and is left as it is; `{again}` writes it anew, and keeps this one beside it"
        print(plain(f"{each.path} {why}"), file=sys.stderr)
    if args.show:
        return 1 if left else 0
    if new and not args.yes and not _is_agreed(args):
        print("nothing was written")
        return 1
    if not _written(args, new, [*taken, *site]):
        return 1
    print(f"{len(new)} files written, {len(plan) - len(new)} left as they are")
    _print_next_steps(args, ces if any(each in wiring for each in new) else [], taken)
    return 1 if left else 0


def _print_next_steps(args: argparse.Namespace, wired: Sequence[Ce], taken: Sequence[PlannedBans]) -> None:
    """Print what to do after the files were written, for the CEs whose configuration changed."""
    for each in taken:
        print(plain(f"vomap's bans replace these lines, which you may delete: {_shortened(each.places)}"))
    if is_this_machine(args.root) and wired:
        print(f"next, to have the CE read its configuration: `{' && '.join(ce.reread for ce in wired)}`")
    print(f"next: `{advice_of(args).command('status')}`")


def _refuse_missing_callouts(args: argparse.Namespace, ces: Sequence[Ce]) -> None:
    """Raise CalloutError if a CE of this machine could not run the callout that it would be wired to."""
    for ce in ces if is_this_machine(args.root) else ():
        callout = ce.callout(args.callouts)
        if is_program(Path(callout)):
            continue
        found = ce.callouts_of_vomap()
        flags = ["--replace"] if ce.options(None).callout and not args.replace else []
        other = replace(advice_of(args), callouts=found or Path("/FOLDER"))
        again = other.command("init", *flags, *_flags(args), *_given(args))
        which = "" if found else ", with the folder of the callouts"
        why = f"{callout} is not an executable file, so the CE would refuse each token"
        raise CalloutError(f"init: {why}; type `{again}`{which}\nnothing was written")


def _is_to_write(args: argparse.Namespace, planned: Planned) -> bool:
    """Return True if the file is missing, or may be replaced and needs it."""
    return not planned.is_done and not planned.refusal and (args.replace or not os.path.lexists(planned.path))


def _command(args: argparse.Namespace, *words: str) -> str:
    """Return this command with more words, without --yes and --show."""
    return advice_of(args).command("init", *words, *_given(args))


def _flags(args: argparse.Namespace) -> list[str]:
    """Return the options of this command that allow changes."""
    return [f"--{name.replace('_', '-')}" for name in ("replace", "take_over_bans") if getattr(args, name)]


def _given(args: argparse.Namespace) -> list[str]:
    """Return the options of this command that say what to write."""
    options = {"--ce": [args.ce], "--audience": args.audience, "--serve": args.serve, "--mapfile": args.mapfile}
    options |= {"--never": args.never, "--minimum-uid": [args.minimum_uid]}
    return [word for option, values in options.items() for each in values or () if each for word in (option, str(each))]


def _written(args: argparse.Namespace, new: list[Planned], site: list[Planned]) -> bool:
    """Write the site's files, build, and then wire the CE. Return False if vomap refused the policy."""
    for each in new:
        if each in site:
            each.write()
    if not _build(args):
        again = _command(args, *_flags(args))
        text = "the CE configuration did not change, because vomap refused the policy. Correct the files above"
        print(f"{text}, then type `{again}`", file=sys.stderr)
        return False
    for each in new:
        if each not in site:
            each.write()
    return True


def _answers(args: argparse.Namespace) -> tuple[SiteSettings, list[str]]:
    """Return the settings for the site's mapfile and the names of shipped mapfiles, from options or from answers."""
    site_file = below(args.root, MAPFILES_FOLDER) / _SITE_FILE
    ask = not args.yes and not args.show and not site_file.exists() and sys.stdin.isatty()
    audience = args.audience or (_asked("Audiences of this CE (host:port, ...)") if ask else [])
    if not audience and not site_file.exists():
        raise UsageError("init: name this CE's audience (--audience ce01.example.org:9619), or `unchecked`")
    serve = args.serve or (_asked("VOs that are served (none: all)") if ask else [])
    never = args.never or (_asked("Accounts that are never answered") if ask else [])
    mapfiles = args.mapfile or (_asked(f"Mapfiles that ship, to start from ({', '.join(_SHIPPED)})") if ask else [])
    wrong = sorted(set(mapfiles) - set(_SHIPPED))
    if wrong:
        raise UsageError(f"init: there is no mapfile {wrong[0]}; there are {', '.join(_SHIPPED)}")
    # For the commands that vomap prints.
    args.audience, args.serve, args.never, args.mapfile = audience, serve, never, mapfiles
    given = {
        AUDIENCE: "unchecked" if audience == ["unchecked"] else audience,
        SERVE: serve,
        MINIMUM_UID: args.minimum_uid,
        NEVER: never,
    }
    return {path: value for path, value in given.items() if value not in (None, [])}, mapfiles


def _asked(question: str) -> list[str]:
    return re.split(r"[,\s]+", answer) if (answer := _answer(f"{question}: ").strip(", \t")) else []


def _answer(question: str) -> str:
    try:
        return input(question)
    except EOFError:
        raise UsageError("init: no terminal to ask questions on. Give the options, and --yes") from None


def _is_agreed(args: argparse.Namespace) -> bool:
    if not sys.stdin.isatty():
        command = _command(args, "--yes", *_flags(args))
        raise UsageError(f"init: no terminal to confirm on. To write without a question, type `{command}`")
    return _answer("Write these files? [y/N] ").strip().lower() in ("y", "yes")


def _site_plan(args: argparse.Namespace) -> list[Planned]:
    """Plan the site's own mapfile, and the copies of those that ship or the links to them."""
    folder = below(args.root, MAPFILES_FOLDER)
    settings, names = _answers(args)
    if is_lost_link(folder / OSG_LINK):
        if not args.replace:
            again = _command(args, "--replace")
            raise UsageError(f"init: {folder / OSG_LINK} leads nowhere. To make this link again, type `{again}`")
        names = [*names, "osg"]
    plan = [_planned_site_file(args, folder / _SITE_FILE, settings)] if settings else []
    return plan + [_planned_mapfile(args, folder / file, name) for name, file in _SHIPPED.items() if name in names]


def _planned_site_file(args: argparse.Namespace, path: Path, given: SiteSettings) -> Planned:
    """Plan the site's mapfile. Settings of the existing one that are not given stay. Raises MapfileError."""
    if not path.exists():
        return Planned(path, site_text(given), is_done=False)
    found = read_site_file(read_file(str(path)))
    edits = ", ".join(found.edits(given))
    refusal = ""
    if found.own_key:
        again = _command(args, "--replace")
        refusal = f"contains {found.own_key}, so vomap does not replace it. Edit {edits}. Then type `{again}`"
    return Planned(path, site_text({**found.settings, **given}), not edits, refusal)


def _planned_mapfile(args: argparse.Namespace, path: Path, name: str) -> Planned:
    """Plan a link to a mapfile that ships, or a copy of it. Any other mapfile in its place stays."""
    shipped = shipped_file("mapfiles", f"{name}.yaml")
    if name in LINKED:
        content: str | Path = shipped
        # An older vomap wrote another path of the same file.
        is_same = path.is_symlink() and path.exists() and path.samefile(shipped)
        is_done = is_same and not (args.replace and Path(os.readlink(path)) != shipped)
    else:
        content = shipped.read_text("utf-8")
        is_same = is_done = path.is_file() and path.read_text("utf-8", "replace") == content
    refusal = ""
    if path.exists() and not is_same:
        compare, away = ["diff", "-u", str(path), str(shipped)], ["mv", str(path), name_of_copy(str(path))]
        refusal = (
            f"is another mapfile than {name}, so vomap does not replace it. To compare them: `{join_words(compare)}`. "
            f"To start from {name} again: `{join_words(away)}`, then `{_command(args, '--replace')}`"
        )
    return Planned(path, content, is_done, refusal)


def _ce_plan(
    args: argparse.Namespace, ces: list[Ce], site: list[Planned]
) -> tuple[list[Planned], list[PlannedBans], list[MapLine]]:
    """Plan the fragments of each CE, for the policy of the planned and the existing mapfiles, and bans to take over.

    Return also the lines of the site that the fragments disable.
    """
    mapfiles_folder, bans_folder = (below(args.root, folder) for folder in (MAPFILES_FOLDER, BANS_FOLDER))
    new = {each.path: each.content for each in site if _is_to_write(args, each)}
    files = files_of(mapfiles_folder) if mapfiles_folder.is_dir() else []
    # One that is replaced may be a link that leads nowhere.
    mapfiles = read_files([str(path) for path in files if path not in new])
    for path, content in new.items():
        mapfiles.append(Mapfile(str(path), content if isinstance(content, str) else content.read_text("utf-8")))
    policy = check_policy(sorted(mapfiles, key=lambda each: each.path))
    bans = check_ban_files(read_files([str(bans_folder)], bans=True) if bans_folder.is_dir() else [])
    policy.findings.extend(bans.findings.all)
    policy.findings.raise_errors()
    document = policy.composition.document
    wiring = [each for ce in ces for each in _planned_fragments(args, ce, document, bans.document)]
    wired = wired_issuers(document, bans.document)
    for ce in ces:
        if (
            isinstance(ce, ArcCe)
            and not ce.options(None).observe
            and (text := "; ".join(find_lost_arc_bans(ce, wired)))
        ):
            raise LostBansError(f"init: {text}. Then run `{_command(args, *_flags(args))}`\nnothing was written")
    own = OwnBans(bans.document["bans"], document["issuers"])
    shadows = _shadows(args, ces, wiring, own, wired)
    taken = _taken_over(args, [(each, ce) for ce, shadow in shadows for each in shadow.lost])
    return wiring, taken, [line for ce, shadow in shadows for line in shadow.dead_of_site(ce)]


def _shadows(
    args: argparse.Namespace, ces: list[Ce], wiring: list[Planned], own: OwnBans, wired: Sequence[str]
) -> list[tuple[HtcondorCe, Shadow]]:
    """Return the map lines that the planned fragments would disable, with their CE."""
    written = {each.path: str(each.content) for each in wiring if _is_to_write(args, each)}
    return [
        (ce, shadow_after_wiring(ce, written, own if find_observing_file(ce) is None else None, wired))
        for ce in ces
        if isinstance(ce, HtcondorCe)
    ]


def _taken_over(args: argparse.Namespace, lost: Sequence[tuple[LostBan, HtcondorCe]]) -> list[PlannedBans]:
    """Plan the bans of the site's map lines as bans of vomap. Raises LostBansError if bans would be lost."""
    if not lost:
        return []
    if not args.take_over_bans or not all(each.bans for each, _ in lost):
        raise LostBansError(_refusal(args, lost))
    for each, _ in lost:
        # It says which tokens the bans of vomap would miss.
        print(plain(f"taken over: {each.describe()}"), file=sys.stderr)
    bans = [ban for each, _ in lost for ban in each.bans]
    folder, policy = (args.root / path.lstrip("/") for path in (BANS_FOLDER, POLICY_FILE))
    built = Path(bans_beside(str(policy)))
    before = LocalBanFile(str(folder), str(built)).text() if folder.is_dir() else None
    text, places = with_bans(before, bans), [each.line.place for each, _ in lost]
    return [PlannedBans(folder / NAME, text, is_done=False, bans=bans, built=built, places=places)]


def _shortened(places: Sequence[str]) -> str:
    """Return the first places, and how many more there are."""
    more = f" and {len(places) - _MOST_SHOWN} more" if len(places) > _MOST_SHOWN else ""
    return f"{', '.join(places[:_MOST_SHOWN])}{more}"


def _refusal(args: argparse.Namespace, lost: Sequence[tuple[LostBan, HtcondorCe]]) -> str:
    """Return the message about lost bans, with each way to go on."""
    # First those that `--take-over-bans` cannot take over.
    lost = sorted(lost, key=lambda pair: bool(pair[0].bans))
    shown = [
        f"  {each.describe()}{'' if each.bans else f'; {each.way_to_keep(ce, advice_of(args))}'}"
        for each, ce in lost[:_MOST_SHOWN]
    ]
    more = [f"  and {len(lost) - _MOST_SHOWN} more"] if len(lost) > _MOST_SHOWN else []
    given = [*_given(args), *(f"--{name}" for name in ("replace", "yes", "show") if getattr(args, name))]
    again, take = (advice_of(args).command("init", *option, *given) for option in ([], ["--take-over-bans"]))
    keep = "To keep the bans" if all(each.bans for each, _ in lost) else "To keep the others"
    ways = [f"{keep}, run `{take}`, which writes them as bans of vomap."] if any(each.bans for each, _ in lost) else []
    void = f"If a line is void, delete it and run `{again}`."
    return "\n".join([_LOST, *shown, *more, *ways, void, "nothing was written"])


def _planned_fragments(
    args: argparse.Namespace, ce: Ce, policy: PolicyDocument, bans: BansDocument
) -> Iterator[Planned]:
    """Plan the fragments of a CE, with the options of the existing ones."""
    options = ce.options(args.callouts)
    for path, text in ce.fragments(policy, bans, options).items():
        refusal = ""
        if options.then is None and path.endswith(MAP_FILE):
            refusal = (
                "is left as it is, because its lines name different plugins after vomap. Write the same plugins into "
                f"each line. Then type `{_command(args, '--replace')}`"
            )
        file = ce.at(path)
        is_written = file.is_file() and file.read_bytes() == text.encode()
        # Without --replace, comments do not matter.
        yield Planned(
            file, text, is_written or (ce.is_same(path, text) and not (args.replace and not refusal)), refusal
        )


def _build(args: argparse.Namespace) -> bool:
    """Make the folders that vomap's verbs need, and build. A rollback stays in force until the mapfiles change."""
    mapfiles, bans, policy = (below(args.root, path) for path in (MAPFILES_FOLDER, BANS_FOLDER, POLICY_FILE))
    for path in (bans, policy.parent, *(below(args.root, folder) for folder in LATER_FOLDERS)):
        make_folder(path)
    if _is_fresh(policy, POLICY, mapfiles) and _is_fresh(Path(bans_beside(str(policy))), BANS, bans):
        return True
    steps = build_in_rounds([str(mapfiles)], [str(bans)], str(policy), progress_bar, is_automatic=True)
    return print_steps(steps, advice_of(args))


def _is_fresh(path: Path, kind: str, folder: Path) -> bool:
    """Return True if a compiled file was built from the present files of a folder."""
    _, built = built_line(kind, str(path), kind, Advice())
    return built is not None and freshness_line(built, [str(folder)], Advice(), bans=kind == BANS).colour == GREEN
