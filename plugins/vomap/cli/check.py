"""`vomap check`: check mapfiles and bans, and warn about likely mistakes."""

from __future__ import annotations

import argparse
import time

from vomap import Error
from vomap.analysis.budget import Budget
from vomap.analysis.lint import lint_mapfiles
from vomap.analysis.lint.context import MOST_WORK, NOT_CHECKED, LintContext
from vomap.bans.lint import lint_bans
from vomap.cli.arguments import add_json, add_sources, add_thorough, advice_of, check_sources
from vomap.cli.console import NO, YES, counted, print_findings, print_json, progress_bar
from vomap.compile.check import SiteCheck

HELP = "check mapfiles and bans, and change nothing"

EXAMPLES = """\
examples:
  vomap check                                      check /etc/vomap
  vomap check --mapfiles 10-site.yaml osg.yaml     check these files, in this order
  vomap check --strict                             treat warnings as errors, for example in a pipeline

exit codes: 0 no errors, 1 errors (or warnings with --strict), 2 wrong usage, 3 an error of the command itself

The word in brackets at the end of a warning is its code. docs/reference/lint.md explains each code."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    add_sources(parser)
    add_json(parser)
    parser.add_argument(
        "--strict",
        action="store_true",
        help="also exit with 1 for warnings, except warnings about owners and modes",
    )
    add_thorough(parser)


def run(args: argparse.Namespace) -> int:
    """Print errors and warnings. Return NO for an error, or with --strict for a warning."""
    site = check_sources(args)
    policy, bans = site.policy, site.bans
    if not policy.mapfiles:
        raise Error("there is no mapfile (*.yaml) to check")
    errors = len(policy.findings.errors) + len(bans.findings.errors)
    left_out = [] if errors else _lint(site, is_thorough=args.thorough)
    findings = policy.findings.in_order + bans.findings.in_order
    code = NO if errors or (args.strict and findings) else YES
    # Not errors even with --strict: a checkout belongs to its user, and says nothing about the files on the CE.
    findings += site.refusal_warnings
    if args.json:
        members = [finding.as_json() for finding in findings]
        print_json({"errors": errors, "findings": members, "not-looked-for": left_out})
        return code
    print_findings(findings)
    if left_out:
        codes = ", ".join(left_out)
        print(f"not checked, because there are too many rules or bans: {codes}")
    if left_out or any(finding.code == NOT_CHECKED for finding in findings):
        print(f"to check all, which takes minutes: `{advice_of(args).command('check', '--thorough')}`")
    rules = len(policy.composition.document["rules"])
    files = len(policy.mapfiles) + len(bans.files)
    sizes = counted(files, "file"), counted(rules, "rule"), counted(len(bans.document["bans"]), "ban")
    print(f"{', '.join(sizes)}: {counted(errors, 'error') if errors else 'no errors'}")
    return code


def _lint(site: SiteCheck, *, is_thorough: bool) -> list[str]:
    """Add the warnings of both linters. Return the codes that the linters skipped."""
    with progress_bar("rules tried") as progress:
        budget = Budget(None if is_thorough else MOST_WORK)
        context = LintContext(site.policy.composition, site.bans.document["bans"], time.time(), progress, budget)
        reports = lint_mapfiles(context), lint_bans(context)
    of_bans = {file.path for file in site.bans.files}
    for warning in (warning for report in reports for warning in report.warnings):
        check = site.bans if warning.place.file in of_bans else site.policy
        check.findings.all.append(warning)
    return sorted(code for report in reports for code in report.skipped)
