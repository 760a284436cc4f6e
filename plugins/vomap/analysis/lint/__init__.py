"""The linter of mapfiles: warn of entries that are valid and probably a mistake. Each warning has a stable code.

The linter does not guess from its text whether a rule has an effect: it makes tokens that match the rule, and the
engine decides them. Mapfiles without the site's settings are not a whole site, so the linter does not warn of what
another file may settle. A mapfile whose tests run alone is a distributed one. A site chooses which of its rules it
serves, refuses or decides before, so the linter does not warn of that choice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vomap.analysis.lint.accounts import (
    SHARED_ACCOUNT,
    SYSTEM_ACCOUNT,
    UNUSED_RENAME,
    shared_accounts,
    system_accounts,
    unused_renames,
)
from vomap.analysis.lint.breadth import (
    GROUP_WITHOUT_SCOPE,
    ILLEGAL_GROUP,
    ISSUER_ALONE,
    groups_without_scope,
    illegal_groups,
    issuer_alone_rules,
)
from vomap.analysis.lint.checks import Check, CheckTable
from vomap.analysis.lint.issuers import (
    HTTP_ISSUER,
    SIMILAR_ISSUERS,
    TWO_SPELLINGS,
    http_issuers,
    similar_issuers,
    vos_with_two_spellings,
)
from vomap.analysis.lint.reachability import IMPOSSIBLE_RULE, UNREACHABLE_RULE, unreachable_rules
from vomap.analysis.lint.tests import UNUSED_TEST, unused_tests
from vomap.analysis.lint.undeclared import UNDECLARED_ISSUER, UNKNOWN_VO, UNSERVED_VO, undeclared_names

if TYPE_CHECKING:
    from vomap.analysis.lint.checks import LintReport
    from vomap.analysis.lint.context import LintContext

# With more rules, the checks that decide tokens for each rule are skipped: they would take minutes.
MOST_RULES = 20_000

_TABLE = CheckTable(
    always=(
        Check(undeclared_names, (UNDECLARED_ISSUER, UNKNOWN_VO, UNSERVED_VO)),
        Check(issuer_alone_rules, (ISSUER_ALONE,)),
        Check(groups_without_scope, (GROUP_WITHOUT_SCOPE,)),
        Check(illegal_groups, (ILLEGAL_GROUP,)),
        Check(similar_issuers, (SIMILAR_ISSUERS,)),
        Check(http_issuers, (HTTP_ISSUER,)),
        Check(vos_with_two_spellings, (TWO_SPELLINGS,)),
        Check(system_accounts, (SYSTEM_ACCOUNT,)),
        Check(unused_renames, (UNUSED_RENAME,)),
        Check(unused_tests, (UNUSED_TEST,)),
    ),
    each=(
        Check(unreachable_rules, (UNREACHABLE_RULE, IMPOSSIBLE_RULE)),
        Check(shared_accounts, (SHARED_ACCOUNT,)),
    ),
)
CODES = _TABLE.codes


def lint_mapfiles(context: LintContext) -> LintReport:
    """Return the warnings about mapfiles."""
    return _TABLE.run(context, is_large=len(context.rules) > MOST_RULES)
