"""`vomap init`: write a site's first mapfile, build, and write the CE's configuration."""

from __future__ import annotations

import argparse
import difflib
import json
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from vomap.ces.kinds import Ce, known_ces
from vomap.cli.arguments import BANS_FOLDER, MAPFILES_FOLDER, UsageError, advice_of
from vomap.cli.compile_output import print_steps
from vomap.cli.console import progress_bar
from vomap.compile.advice import Advice
from vomap.compile.build import build_in_rounds
from vomap.compile.check import check_ban_files, check_policy
from vomap.files.atomic import replace_file
from vomap.files.shipped import shipped_file
from vomap.mapfile.files import Mapfile, read_files
from vomap.status import GREEN
from vomap.status.checks import built_line, freshness_line
from vomap.store import BANS, POLICY, POLICY_FILE, bans_beside

HELP = "write a site's first mapfile, build, and wire the CE"

EXAMPLES = """\
examples:
  vomap init                                       find the CE, ask questions, show the files, write
  vomap init --audience ce01.example.org:9619 --serve CMS --serve Nova --mapfile osg --yes
  vomap init --show                                show the files, and write none

vomap does not change existing files without --replace. A second run changes nothing."""

_SITE_FILE = "10-site.yaml"
# A mapfile that changes with vomap becomes a link. Examples become copies to edit, which come first.
_SHIPPED = {"egi": "30-egi.yaml", "fermilab": "40-fermilab.yaml", "osg": "50-osg.yaml"}
_LINKED = ("osg",)


@dataclass(frozen=True)
class Planned:
    """A file to write: its text, or the target of a link."""

    path: Path
    content: str | Path

    @property
    def is_done(self) -> bool:
        """Whether the file exists with this text or target."""
        if isinstance(self.content, Path):
            return self.path.is_symlink() and Path(os.readlink(self.path)) == self.content
        return self.path.is_file() and self.path.read_bytes() == self.content.encode()

    def show(self) -> None:
        """Print the new file, or its differences from the existing one."""
        if isinstance(self.content, Path):
            print(f"{self.path} -> {self.content}")
        elif os.path.lexists(self.path):
            before = self.path.read_text("utf-8", "replace").splitlines() if self.path.is_file() else []
            after = self.content.splitlines()
            print("\n".join(difflib.unified_diff(before, after, str(self.path), f"{self.path} (new)", lineterm="")))
        else:
            print(f"---- {self.path}\n{self.content}", end="")

    def write(self) -> None:
        """Write the file or the link."""
        _make_folder(self.path.parent)
        if isinstance(self.content, str):
            replace_file(str(self.path), self.content.encode())
            return
        new = self.path.with_name(f".{self.path.name}.{os.getpid()}.new")
        new.symlink_to(self.content)
        try:
            new.replace(self.path)
        finally:
            new.unlink(missing_ok=True)


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
    parser.add_argument("--show", action="store_true", help="show the files, and write none")
    parser.add_argument("--yes", action="store_true", help="ask no questions, and write")
    parser.add_argument("--root", type=Path, default=Path("/"), metavar="FOLDER", help="the root of the CE's system")


def run(args: argparse.Namespace) -> int:
    """Show, ask and write. Return 1 if a file that differs was not replaced, or if vomap refused the policy."""
    ces = [ce for ce in known_ces(args.root) if (ce.is_installed if args.ce is None else ce.name == args.ce)]
    if not ces:
        raise UsageError("init: no CE was found here; say which one it will be, with --ce")
    answers = _answers(args)
    site = _site_plan(args, answers)
    plan = site + _ce_plan(args, ces, site)
    left = [each for each in plan if os.path.lexists(each.path) and not each.is_done and not args.replace]
    new = [each for each in plan if not each.is_done and each not in left]
    for each in (*new, *left):
        each.show()
    for each in left:
        again = f"`{advice_of(args).command('init', '--replace', *_given(args))}` writes it anew"
        print(f"{each.path} differs and is left as it is; {again}", file=sys.stderr)
    if args.show:
        return 1 if left else 0
    if new and not args.yes and not _is_agreed():
        print("nothing was written")
        return 1
    if not _written(args, new, site):
        return 1
    print(f"{len(new)} files written, {len(plan) - len(new)} left as they are")
    print(f"next: `{advice_of(args).command('status')}`")
    return 1 if left else 0


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
        print("the CE configuration did not change, because vomap refused the policy", file=sys.stderr)
        return False
    for each in new:
        if each not in site:
            each.write()
    return True


def _answers(args: argparse.Namespace) -> dict[str, list[str]]:
    """Return the settings for the site's mapfile, from the options or from the administrator's answers."""
    site_file = args.root / MAPFILES_FOLDER.lstrip("/") / _SITE_FILE
    ask = not args.yes and not args.show and not site_file.exists() and sys.stdin.isatty()
    audience = args.audience or (_asked("Audiences of this CE (host:port, ...)") if ask else [])
    if not audience and not site_file.exists():
        raise UsageError("init: name this CE's audience (--audience ce01.example.org:9619), or `unchecked`")
    if not audience and (args.serve or args.never or args.minimum_uid is not None):
        raise UsageError(f"init: {site_file} is there; name the audience, too, to have all of it compared or replaced")
    serve = args.serve or (_asked("VOs that are served (none: all)") if ask else [])
    never = args.never or (_asked("Accounts that are never answered") if ask else [])
    mapfiles = args.mapfile or (_asked(f"Mapfiles that ship, to start from ({', '.join(_SHIPPED)})") if ask else [])
    wrong = sorted(set(mapfiles) - set(_SHIPPED))
    if wrong:
        raise UsageError(f"init: there is no mapfile {wrong[0]}; there are {', '.join(_SHIPPED)}")
    return {"audience": audience, "serve": serve, "never": never, "mapfiles": mapfiles}


def _asked(question: str) -> list[str]:
    return re.split(r"[,\s]+", answer) if (answer := _answer(f"{question}: ").strip(", \t")) else []


def _answer(question: str) -> str:
    try:
        return input(question)
    except EOFError:
        raise UsageError("init: no terminal to ask questions on. Give the options, and --yes") from None


def _is_agreed() -> bool:
    if not sys.stdin.isatty():
        raise UsageError("init: no terminal to confirm on. To write without a question, give --yes")
    return _answer("Write these files? [y/N] ").strip().lower() in ("y", "yes")


def _site_plan(args: argparse.Namespace, answers: dict[str, list[str]]) -> list[Planned]:
    """Plan the site's own mapfile and the links to those that ship."""
    folder = args.root / MAPFILES_FOLDER.lstrip("/")
    plan = []
    if answers["audience"]:
        plan.append(Planned(folder / _SITE_FILE, _site_text(answers, args.minimum_uid)))
    for name, file in _SHIPPED.items():
        if name in answers["mapfiles"]:
            shipped = shipped_file("mapfiles", f"{name}.yaml")
            plan.append(Planned(folder / file, shipped if name in _LINKED else shipped.read_text("utf-8")))
    return plan


def _site_text(answers: dict[str, list[str]], minimum_uid: int | None) -> str:
    """Return the site's mapfile. Strings and lists of JSON are also YAML."""
    audience = answers["audience"]
    lines = [
        "# This site's own settings and rules. Files with a higher number come after this one.",
        "mapfile: 1",
        "site:",
        "  # https://wlcg.cern.ch/jwt/v1/any and ANY, if they are added, let in tokens that are meant for any site.",
        f"  audience: {json.dumps('unchecked' if audience == ['unchecked'] else audience)}",
    ]
    if answers["serve"]:
        lines.append(f"  serve: {json.dumps(answers['serve'])}")
    limits: dict[str, object] = {} if minimum_uid is None else {"minimum-uid": minimum_uid}
    if answers["never"]:
        limits["never"] = answers["never"]
    if limits:
        lines.append(f"  accounts: {json.dumps(limits)}")
    return "\n".join(lines) + "\n"


def _ce_plan(args: argparse.Namespace, ces: list[Ce], site: list[Planned]) -> list[Planned]:
    """Plan the fragments of each CE, for the policy of the planned and the existing mapfiles."""
    mapfiles_folder, bans_folder = (args.root / folder.lstrip("/") for folder in (MAPFILES_FOLDER, BANS_FOLDER))
    mapfiles = read_files([str(mapfiles_folder)]) if mapfiles_folder.is_dir() else []
    by_path = {mapfile.path: mapfile for mapfile in mapfiles}
    for planned in site:
        if args.replace or not os.path.lexists(planned.path):
            content = planned.content
            text = content if isinstance(content, str) else content.read_text("utf-8")
            by_path[str(planned.path)] = Mapfile(str(planned.path), text)
    policy = check_policy([by_path[path] for path in sorted(by_path)])
    bans = check_ban_files(read_files([str(bans_folder)], bans=True) if bans_folder.is_dir() else [])
    policy.findings.extend(bans.findings.all)
    policy.findings.raise_errors()
    return [
        Planned(ce.at(path), text)
        for ce in ces
        for path, text in ce.fragments(policy.composition.document, bans.document, args.callouts).items()
    ]


def _build(args: argparse.Namespace) -> bool:
    """Make the folders that are missing, and build as `vomap build` does."""
    mapfiles, bans, policy = (args.root / path.lstrip("/") for path in (MAPFILES_FOLDER, BANS_FOLDER, POLICY_FILE))
    for folder in (bans, policy.parent):
        _make_folder(folder)
    if _is_fresh(policy, POLICY, mapfiles) and _is_fresh(Path(bans_beside(str(policy))), BANS, bans):
        return True
    return print_steps(build_in_rounds([str(mapfiles)], [str(bans)], str(policy), progress_bar))


def _make_folder(path: Path) -> None:
    """Make a folder that every user can read and only its owner can write, whatever the umask is."""
    if not path.is_dir():
        _make_folder(path.parent)
        path.mkdir()
        path.chmod(0o755)


def _is_fresh(path: Path, kind: str, folder: Path) -> bool:
    """Return True if a compiled file was built from the present files of a folder."""
    _, built = built_line(kind, str(path), kind)
    return built is not None and freshness_line(built, [str(folder)], Advice(), bans=kind == BANS).colour == GREEN
