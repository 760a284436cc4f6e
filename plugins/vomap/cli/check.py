"""`vomap check`: are the mapfiles and bans well formed, and do they mean what they seem to."""

from __future__ import annotations

import argparse
import time

from vomap import Error
from vomap.analysis.lint import lint as lint_mapfiles
from vomap.analysis.lint.context import LintContext
from vomap.bans.lint import lint as lint_bans
from vomap.cli.arguments import add_sources, check_sources
from vomap.cli.console import NO, YES, print_findings, print_json, progress_bar
from vomap.compile.check import SiteCheck
from vomap.mapfile.findings import ERROR

HELP = "check mapfiles and bans, and change nothing"

_EXAMPLES = """\
examples:
  vomap check                                      check what is in /etc/vomap
  vomap check --mapfiles 10-site.yaml osg.yaml     check these files, in this order
  vomap check --strict                             let warnings count as errors do, as for a pipeline

exit codes: 0 no errors, 1 errors (with --strict, or warnings), 2 wrong usage, 3 an error of the command itself

The word in brackets at the end of a warning is its code: docs/reference/lint.md says what each means."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.epilog = _EXAMPLES
    add_sources(parser)
    parser.add_argument(
        "--strict",
        action="store_true",
        help="end with 1 if there are warnings, too; not for those about owners and modes",
    )


def run(args: argparse.Namespace) -> int:
    """Tell every error and warning; 1 if there is an error, or, with --strict, a warning."""
    site = check_sources(args)
    policy, bans = site.policy, site.bans
    if not policy.mapfiles:
        raise Error("there is no mapfile (*.yaml) to check")
    left_out = _lint(site)
    findings = policy.findings.in_order + bans.findings.in_order
    errors = sum(finding.severity == ERROR for finding in findings)
    code = NO if errors or (args.strict and findings) else YES
    # Whose files they are here says nothing of the mapfiles: a checkout belongs to those who work in it.
    findings += site.refusal_warnings
    if args.json:
        found = [finding.as_json() for finding in findings]
        print_json({"errors": errors, "findings": found, "not-looked-for": left_out})
        return code
    print_findings(findings)
    if left_out:
        print(f"not looked for, as there are too many rules or bans: {', '.join(left_out)}")
    rules = len(policy.composition.document["rules"])
    files = len(policy.mapfiles) + len(bans.files)
    print(f"{files} files, {rules} rules, {len(bans.document['bans'])} bans: {errors or 'no'} errors")
    return code


def _lint(site: SiteCheck) -> list[str]:
    """Add the linter's warnings to the findings, if there are no errors; return the codes that were not looked for."""
    if site.has_errors:
        return []
    with progress_bar("rules tried") as progress:
        context = LintContext(site.policy.composition, site.bans.document["bans"], time.time(), progress)
        reports = lint_mapfiles(context), lint_bans(context)
    of_bans = {file.path for file in site.bans.files}
    for warning in (warning for report in reports for warning in report.warnings):
        check = site.bans if warning.place.file in of_bans else site.policy
        check.findings.all.append(warning)
    return sorted(code for report in reports for code in report.skipped)
