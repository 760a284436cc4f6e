"""The linter: what is legal in mapfiles and bans, and hardly meant. Each warning has a stable code.

Whether a rule or a ban does anything is found out by the engine: tokens that meet it are made and decided. Two things
narrow what is said. Files without the site's settings are no whole site, so nothing is said about them that a file
beside them might settle. And a mapfile whose tests are judged alone is a distributed one: what the settings and the
other files of a site make of its rules is that site's choice, and no mistake in either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

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
from vomap.bans.lint import (
    BARE_STAR,
    EVADABLE_BAN,
    EXPIRED_BAN,
    IDLE_BAN,
    UNWIRED_BAN,
    bare_stars,
    evadable_bans,
    expired_bans,
    idle_bans,
    unwired_bans,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vomap.analysis.lint.context import Matter
    from vomap.mapfile.findings import Finding

    Check = Callable[[Matter], Iterator[Finding]]

# With more rules or bans than these, nothing is looked for that takes a decision for each.
MOST_RULES = 20_000
MOST_BANS = 2_000

_CHECKS: tuple[tuple[Check, tuple[str, ...]], ...] = (
    (rules_about_nobody, (UNDECLARED_ISSUER, UNKNOWN_VO, UNSERVED_VO)),
    (issuers_alone, (ISSUER_ALONE,)),
    (groups_without_scope, (GROUP_WITHOUT_SCOPE,)),
    (illegal_groups, (ILLEGAL_GROUP,)),
    (similar_issuers, (SIMILAR_ISSUERS,)),
    (http_issuers, (HTTP_ISSUER,)),
    (spellings, (TWO_SPELLINGS,)),
    (system_accounts, (SYSTEM_ACCOUNT,)),
    (idle_renames, (IDLE_RENAME,)),
    (expired_bans, (EXPIRED_BAN,)),
    (unwired_bans, (UNWIRED_BAN,)),
    (bare_stars, (BARE_STAR,)),
    (idle_tests, (IDLE_TEST,)),
)
_OF_EACH_RULE: tuple[tuple[Check, tuple[str, ...]], ...] = (
    (rules_for_nobody, (UNREACHABLE_RULE, IMPOSSIBLE_RULE)),
    (shared_accounts, (SHARED_ACCOUNT,)),
)
_OF_EACH_BAN: tuple[tuple[Check, tuple[str, ...]], ...] = (
    (idle_bans, (IDLE_BAN,)),
    (evadable_bans, (EVADABLE_BAN,)),
)

CODES = frozenset(code for _, codes in (*_CHECKS, *_OF_EACH_RULE, *_OF_EACH_BAN) for code in codes)


class Linted(NamedTuple):
    """What the linter warns of, and the codes that were not looked for, as there are too many rules or bans."""

    warnings: list[Finding]
    left_out: list[str]


def lint(matter: Matter) -> Linted:
    """Return what there is to warn of in mapfiles and bans."""
    checks = list(_CHECKS)
    left_out: list[str] = []
    for bounded, number, most in (
        (_OF_EACH_RULE, len(matter.rules), MOST_RULES),
        (_OF_EACH_BAN, len(matter.bans), MOST_BANS),
    ):
        if number <= most:
            checks += bounded
        else:
            left_out += [code for _, codes in bounded for code in codes]
    return Linted([warning for check, _ in checks for warning in check(matter)], sorted(left_out))
