"""The linter of mapfiles: warn of entries that are valid and probably a mistake. Each warning has a stable code.

The linter does not guess from its text whether a rule has an effect: it makes tokens that match the rule, and the
engine decides them. Mapfiles without the site's settings are not a whole site, so the linter does not warn of what
another file may settle. A mapfile whose tests run alone is a distributed one. What a site's settings and other files
do to the rules of a distributed mapfile is the site's choice, so the linter does not warn of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vomap.analysis.lint.accounts import (
    IDLE_RENAME,
    SHARED_ACCOUNT,
    SYSTEM_ACCOUNT,
    idle_renames,
    shared_accounts,
    system_accounts,
)
from vomap.analysis.lint.breadth import (
    GROUP_WITHOUT_SCOPE,
    ILLEGAL_GROUP,
    ISSUER_ALONE,
    groups_without_scope,
    illegal_groups,
    issuers_alone,
)
from vomap.analysis.lint.checks import Check, CheckTable
from vomap.analysis.lint.issuers import (
    HTTP_ISSUER,
    SIMILAR_ISSUERS,
    TWO_SPELLINGS,
    http_issuers,
    similar_issuers,
    spellings,
)
from vomap.analysis.lint.reachability import IMPOSSIBLE_RULE, UNREACHABLE_RULE, rules_for_nobody
from vomap.analysis.lint.tests import IDLE_TEST, idle_tests
from vomap.analysis.lint.undeclared import UNDECLARED_ISSUER, UNKNOWN_VO, UNSERVED_VO, rules_about_nobody

if TYPE_CHECKING:
    from vomap.analysis.lint.checks import LintReport
    from vomap.analysis.lint.context import Matter

# With more rules, the checks that decide tokens for each rule are skipped: they would take minutes.
MOST_RULES = 20_000

_TABLE = CheckTable(
    always=(
        Check(rules_about_nobody, (UNDECLARED_ISSUER, UNKNOWN_VO, UNSERVED_VO)),
        Check(issuers_alone, (ISSUER_ALONE,)),
        Check(groups_without_scope, (GROUP_WITHOUT_SCOPE,)),
        Check(illegal_groups, (ILLEGAL_GROUP,)),
        Check(similar_issuers, (SIMILAR_ISSUERS,)),
        Check(http_issuers, (HTTP_ISSUER,)),
        Check(spellings, (TWO_SPELLINGS,)),
        Check(system_accounts, (SYSTEM_ACCOUNT,)),
        Check(idle_renames, (IDLE_RENAME,)),
        Check(idle_tests, (IDLE_TEST,)),
    ),
    each=(
        Check(rules_for_nobody, (UNREACHABLE_RULE, IMPOSSIBLE_RULE)),
        Check(shared_accounts, (SHARED_ACCOUNT,)),
    ),
)
CODES = _TABLE.codes


def lint(matter: Matter) -> LintReport:
    """Return the warnings about mapfiles."""
    return _TABLE.run(matter, is_large=len(matter.rules) > MOST_RULES)
