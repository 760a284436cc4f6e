"""`vomap check`: are the mapfiles and bans well formed, and do they mean what they seem to."""

from __future__ import annotations

import argparse
import time

from vomap import Error
from vomap.analysis.lint import lint
from vomap.analysis.lint.context import Matter
from vomap.cli.arguments import Sources, add_sources, load, print_findings, print_json, warn_of_pools
from vomap.cli.exits import NO, YES
from vomap.cli.progress import shown
from vomap.mapfile.findings import ERROR, Place

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
    sources = load(args)
    if not sources.mapfiles:
        raise Error("there is no mapfile (*.yaml) to check")
    if not sources.composition.has_audience:
        place = Place(sources.mapfiles[0].path, 1, 1)
        sources.findings.warn(place, "no `site: {audience: ...}` in these mapfiles: they can be checked, but not built")
    warn_of_pools(sources.composition, sources.findings)
    left_out = _lint(sources)
    findings = sources.all_findings
    errors = sum(finding.severity == ERROR for finding in findings)
    code = NO if errors or (args.strict and findings) else YES
    # Whose files they are here says nothing of the mapfiles: a checkout belongs to those who work in it.
    findings += sources.refusals.as_warnings
    if args.json:
        told = [finding.as_json() for finding in findings]
        print_json({"errors": errors, "findings": told, "not-looked-for": left_out})
        return code
    print_findings(findings)
    if left_out:
        print(f"not looked for, as there are too many rules or bans: {', '.join(left_out)}")
    rules = len(sources.composition.document["rules"])
    files = len(sources.mapfiles) + len(sources.ban_files)
    print(f"{files} files, {rules} rules, {len(sources.ban_document['bans'])} bans: {errors or 'no'} errors")
    return code


def _lint(sources: Sources) -> list[str]:
    """Add the linter's warnings to the findings, if there are no errors; return the codes that were not looked for."""
    if sources.findings.errors or sources.ban_findings.errors:
        return []
    with shown("rules tried") as progress:
        linted = lint(
            Matter(sources.composition, [dict(ban) for ban in sources.ban_document["bans"]], time.time(), progress)
        )
    of_bans = {file.path for file in sources.ban_files}
    for warning in linted.warnings:
        findings = sources.ban_findings if warning.place.file in of_bans else sources.findings
        findings.all.append(warning)
    return linted.left_out
