"""`vomap check`: are the mapfiles and bans well formed."""

from __future__ import annotations

import argparse

from vomap import Error
from vomap.cli.loading import add_sources, load, print_findings, print_json, warn_of_pools
from vomap.mapfile.findings import ERROR, Place

HELP = "check mapfiles and bans, and change nothing"

_EXAMPLES = """\
examples:
  vomap check                                      check what is in /etc/vomap
  vomap check --mapfiles 10-site.yaml osg.yaml     check these files, in this order"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.epilog = _EXAMPLES
    add_sources(parser)


def run(args: argparse.Namespace) -> int:
    """Tell every error and warning; 1 if there is an error."""
    sources = load(args)
    if not sources.mapfiles:
        raise Error("there is no mapfile (*.yaml) to check")
    if not sources.composition.has_audience:
        place = Place(sources.mapfiles[0].path, 1, 1)
        sources.findings.warn(place, "no `site: {audience: …}` in these mapfiles: they can be checked, but not built")
    warn_of_pools(sources.composition, sources.findings)
    findings = sources.all_findings
    errors = sum(finding.severity == ERROR for finding in findings)
    if args.json:
        print_json({"errors": errors, "findings": [finding.as_json() for finding in findings]})
        return 1 if errors else 0
    print_findings(findings)
    rules = len(sources.composition.document["rules"])
    files = len(sources.mapfiles) + len(sources.ban_files)
    print(f"{files} files, {rules} rules, {len(sources.ban_document['bans'])} bans: {errors or 'no'} errors")
    return 1 if errors else 0
