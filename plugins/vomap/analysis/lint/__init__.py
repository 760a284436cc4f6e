"""The linter of mapfiles: warn of entries that are valid and probably a mistake. Each warning has a stable code.

The linter does not guess from its text whether a rule has an effect: it makes tokens that match the rule, and the
engine decides them. Mapfiles without the site's settings are not a whole site, so the linter does not warn of what
another file may settle. A mapfile whose tests run alone is a distributed one. A site chooses which of its rules it
serves, refuses or decides before, so the linter does not warn of that choice.
"""

from __future__ import annotations

from vomap.analysis.lint import accounts, breadth, choices, issuers, reachability, speakers, tests, undeclared, values
from vomap.analysis.lint.checks import Check, CheckTable, LintReport
from vomap.analysis.lint.context import LintContext

# With more rules, the checks that decide tokens for each rule are skipped: they would take minutes.
MOST_RULES = 20_000

_TABLE = CheckTable(
    always=(
        Check(
            undeclared.undeclared_names,
            (undeclared.UNDECLARED_ISSUER, undeclared.UNKNOWN_VO, undeclared.UNSERVED_VO),
        ),
        Check(undeclared.unused_serves, (undeclared.SERVE_WITHOUT_ISSUER, undeclared.SERVE_WITHOUT_RULE)),
        Check(breadth.issuer_alone_rules, (breadth.ISSUER_ALONE,)),
        Check(breadth.groups_without_scope, (breadth.GROUP_WITHOUT_SCOPE,)),
        Check(breadth.illegal_groups, (breadth.ILLEGAL_GROUP,)),
        Check(speakers.groups_without_vo, (speakers.GROUP_WITHOUT_VO,)),
        Check(speakers.vos_without_issuer, (speakers.VO_WITHOUT_ISSUER,)),
        Check(speakers.subjects_of_two_issuers, (speakers.SUBJECT_OF_TWO_ISSUERS,)),
        Check(speakers.groups_without_vos, (speakers.GROUPS_WITHOUT_VOS,)),
        Check(speakers.default_vos, (speakers.DEFAULT_WITHOUT_VOS, speakers.UNSERVED_DEFAULT)),
        Check(speakers.taken_vos, (speakers.TAKEN_VO,)),
        Check(values.regular_expressions, (values.REGULAR_EXPRESSION,)),
        Check(choices.chosen_accounts, (choices.CHOSEN_ACCOUNT,)),
        Check(choices.chosen_orders, (choices.CHOSEN_ORDER,)),
        Check(choices.roles_at_any_depth, (choices.ROLE_AT_ANY_DEPTH,)),
        Check(issuers.similar_issuers, (issuers.SIMILAR_ISSUERS,)),
        Check(issuers.capital_hosts, (issuers.CAPITAL_HOST, issuers.SIMILAR_ISSUERS)),
        Check(issuers.http_issuers, (issuers.HTTP_ISSUER,)),
        Check(issuers.vos_with_two_spellings, (issuers.TWO_SPELLINGS,)),
        Check(issuers.unchecked_audiences, (issuers.UNCHECKED_AUDIENCE,)),
        Check(accounts.system_accounts, (accounts.SYSTEM_ACCOUNT,)),
        Check(accounts.vos_as_users, (accounts.VO_AS_USER,)),
        Check(accounts.unused_renames, (accounts.UNUSED_RENAME,)),
        Check(tests.unused_tests, (tests.UNUSED_TEST,)),
    ),
    each=(
        Check(reachability.unreachable_rules, (reachability.UNREACHABLE_RULE, reachability.IMPOSSIBLE_RULE)),
        Check(values.impossible_values, (values.IMPOSSIBLE_VALUE,)),
        Check(accounts.shared_accounts, (accounts.SHARED_ACCOUNT,)),
    ),
)
CODES = _TABLE.codes


def lint_mapfiles(context: LintContext) -> LintReport:
    """Return the warnings about mapfiles."""
    return _TABLE.run(context, is_large=context.budget.is_limited and len(context.rules) > MOST_RULES)
