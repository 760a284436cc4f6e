"""The page of the linter: each code with what it means, why it matters and what to do, and its examples."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tools.manual.model import Block, Code, Paragraph, Section

from vomap.analysis.lint import MOST_RULES
from vomap.bans.lint import MOST_BANS

EXAMPLES = Path(__file__).resolve().parents[2] / "tests" / "lint"


class Meaning(NamedTuple):
    """The meaning of a code, the reason why it matters, and the advice."""

    means: str
    why: str
    do: str


# Rules first, then issuers, accounts, bans and tests. A test compares these codes with the linter's.
MEANINGS = {
    "unreachable-rule": Meaning(
        "The rule is unused: earlier rules take all tokens that match it. vomap generates example tokens that match "
        "the rule and decides them, and the rule decides none. The warning names the earlier rules that take them.",
        "The first rule that matches decides. In the example, the rule of the pilots is unused: pilots get the account "
        "of the users.",
        "Move the rule before the rules that the warning names, or delete it.",
    ),
    "impossible-rule": Meaning(
        "The rule is unused: no token of its issuers matches all of its conditions.",
        "A rule with `vo` sees only the groups and storage paths of that VO, so it never matches a group of another "
        "VO. The rule seems to admit or deny users, but it has no effect.",
        "Correct the condition, or delete the rule.",
    ),
    "impossible-value": Meaning(
        "The rule matches some tokens, but none by this value of a list, or none for this VO.",
        "A rule with `vo` sees only the groups and storage paths of that VO. A typing error in one of several "
        "groups is silent: the users of the others still get their account.",
        "Correct the value or the VO, or delete it.",
    ),
    "undeclared-issuer": Meaning(
        "The rule names an issuer that no mapfile declares, or that a mapfile distrusts with `none`.",
        "vomap declines the tokens of such an issuer before any rule. It compares issuers byte for byte, so a slash at "
        "the end makes another issuer.",
        "Write the issuer as its tokens do. If it is missing, declare it. If the site does not trust it, delete it "
        "from the rule.",
    ),
    "unknown-vo": Meaning(
        "The rule names a VO that no declared issuer may speak for. Or none of the issuers that the rule names may "
        "speak for it.",
        "No token speaks for this VO at this site, so the rule is unused.",
        "Write the VO as the declaration of its issuer does. vomap compares VOs without case.",
    ),
    "unserved-vo": Meaning(
        "The key `serve` of the site lists none of the rule's VOs.",
        "vomap declines tokens that name only VOs that the site does not serve. It does so before any rule.",
        "Add the VO to `serve`, or delete the rule.",
    ),
    "serve-without-issuer": Meaning(
        "The key `serve` lists a VO that no declared issuer may speak for.",
        "No token can speak for this VO. If its name has a typing error, vomap declines all tokens of the VO. If "
        "all names have one, the CE maps no token.",
        "Write the VO as the declaration of its issuer does, or declare its issuer. Perhaps the site does not "
        "link the mapfile that declares it.",
    ),
    "serve-without-rule": Meaning(
        "The key `serve` lists a VO for which no rule gives an account or a pool.",
        "vomap declines all tokens of the VO. Perhaps its name has a typing error, or the site does not link the "
        "mapfile with its rules.",
        "Write the VO as its rules do, add a rule, or delete it from `serve`.",
    ),
    "issuer-alone": Meaning(
        "The rule gives one account or pool to every token of an issuer that speaks for several VOs.",
        "All these VOs share the account. VOs that the issuer adds later will share it, too.",
        "Add a condition: `vo`, `group`, `scope` or `subject`. Or write `<vo>` in the account.",
    ),
    "group-without-scope": Meaning(
        "The rule gives an account for a role or a subgroup alone. Its issuer has `vo-from: [scope-path, ...]`, so the "
        "scopes of a token show its purpose. vomap does not warn about the top group of a VO. Nor does it warn about a "
        "rule that names its subjects, or that gives each user an account.",
        "The tokens of such an issuer list all groups of their bearer. A user in the production group would run "
        "everything in the production account.",
        "Add the condition `scope`. Tokens of other issuers, such as EGI Check-in, have no such scopes, so vomap does "
        "not warn about their rules.",
    ),
    "illegal-group": Meaning(
        "A group in the rule or ban is not a legal FQAN. A part of it is `.` or `..`, or `Role=` is not at the end, or "
        "`Role=` is written in other letters such as `role=`.",
        "vomap ignores a group such as `/cms/../pilots` in a token. It reads `/cms/role=pilot` as a group of that name "
        "and not as a role. The rule or ban never matches the role.",
        "Write the group as the VO does: `/vo/subgroup/Role=name`.",
    ),
    "group-without-vo": Meaning(
        "The rule asks for a group of an issuer that speaks for several VOs, and names no VO. vomap does not warn"
        " about a rule with `<vo>` in the account, a rule that names its subjects, or a rule that gives each user"
        " an account.",
        "A rule without `vo` sees the groups of every VO of the issuer. The decision may be for another VO than "
        "that of the group, in the log, in accounting and for bans. A pattern such as `/*/Role=pilot` admits the "
        "pilots of every VO.",
        "Add the `vo` that the warning prints, or write `<vo>` in the account.",
    ),
    "vo-without-issuer": Meaning(
        "The rule names a VO and no issuer. No issuer is declared for this VO, and an issuer without `vos` may "
        "use any name.",
        "Every user who may create a VO or a group at that issuer may choose this name, and gets the account. The"
        " VO may have another issuer, which this site does not know.",
        "Add `issuer` to the rule. Or declare the VO's own issuer: then no other issuer may use the name.",
    ),
    "subject-of-two-issuers": Meaning(
        "The rule names a VO and a subject, but no issuer. Two issuers may speak for the VO.",
        "A subject identifies a user only at its own issuer. The other issuer may give the same subject to "
        "another user, who gets the account.",
        "Add `issuer`. If both issuers have the same users, list both.",
    ),
    "groups-without-vos": Meaning(
        "The issuer declares a claim for its groups, and neither `vo` nor `vos`.",
        "Such claims list all groups of an identity provider. Every group at the top is a VO, so a user who may "
        "create a group can create a VO of any name.",
        "List the VOs with `vos`. If the issuer has one VO, write `vo`.",
    ),
    "default-without-vos": Meaning(
        "The issuer has `default-vo` and no `vos`.",
        "Only a token that names no VO is for the default VO. Each group at the issuer names another VO, so a "
        "token with the group `/test` is for the VO `test`.",
        "Write `vo` in place of `vo-from` and `default-vo` if all tokens are for one VO. Otherwise list the VOs "
        "with `vos`.",
    ),
    "unserved-default": Meaning(
        "The key `serve` does not list the default VO of an issuer. vomap does not warn about an issuer that a "
        "distributed mapfile declares.",
        "vomap declines tokens of this issuer that name no VO, so `default-vo` has no effect.",
        "Add the VO to `serve`, or delete `default-vo`.",
    ),
    "taken-vo": Meaning(
        "An issuer declares a VO with `vos` or `subjects`. Another issuer may use any name that is not declared, "
        "and a rule expects its tokens. vomap does not warn about an issuer that a distributed mapfile declares.",
        "A VO belongs to the issuers that are declared for it. vomap declines tokens of the other issuer for this"
        " VO: its members lose their accounts.",
        "If both issuers speak for the VO, list the VOs of the other issuer with `vos`, too.",
    ),
    "chosen-account": Meaning(
        "The account is captured from `preferred_username`, `email`, `nickname` or `name`.",
        "Users choose these claims themselves at many issuers, and may change them. A user who takes the name of "
        "another user gets that user's account.",
        "Capture from `subject`, if the issuer puts names there. Otherwise write one rule for each user, with "
        "`issuer`, `subject` and `account`.",
    ),
    "chosen-order": Meaning(
        "The rule asks for `first-group`.",
        "The client requests the groups of its token, and the issuer lists them in that order. So each member of "
        "the group chooses whether the rule matches.",
        "Keep the rule if members may choose. Otherwise ask for `group`, and let the order of the rules decide.",
    ),
    "role-at-any-depth": Meaning(
        "The group of the rule has `/**` before `/Role=`, and an issuer of the rule lists plain groups. "
        "Entitlements mark roles, plain groups do not.",
        "A manager of any subgroup may name a child group `Role=pilot`. Its members would have the role.",
        "Write the group that has the role: `/biomed/Role=pilot`, or a list of such groups.",
    ),
    "regular-expression": Meaning(
        "A text in the rule or ban has `^` at its beginning, `$` at its end, or `.*`, `.+`, `|`, `[` or a backslash.",
        "vomap has no regular expressions. It compares these characters with those of the token, so the rule or "
        "ban matches no user. In a ban this is dangerous.",
        "Write the pattern that the warning prints. `*` is any text without a slash, and a list has the alternatives.",
    ),
    "similar-issuers": Meaning(
        "Two declared issuers differ only by a slash at the end. Or the URL of one begins with the URL of the other, "
        "and both speak for the same VO. vomap does not warn about a host and a path on it that speak for different "
        "VOs.",
        "The tokens name only one of the two issuers, and the other declaration has no effect. If you distrust the "
        "wrong one with `none`, vomap still accepts the tokens.",
        "Read `iss` in a token, and delete the declaration of the other issuer.",
    ),
    "capital-host": Meaning(
        "The host in the URL of an issuer has capital letters.",
        "vomap compares issuers byte for byte, and most issuers write their host in small letters. Then no token "
        "has this issuer.",
        "Read `iss` in a token, and write the issuer like that.",
    ),
    "unchecked-audience": Meaning(
        "The issuer has `profile: other` or `entitlements`, and `audience: unchecked` is in force for it.",
        "HTCondor checks no audience for tokens that are neither WLCG tokens nor SciTokens. Only vomap checks it, so "
        "a token for another service can submit jobs here.",
        "Write the audience of this site at the issuer or at the site. If its tokens name none, write "
        "`without-audience: accept`, which still refuses tokens for others.",
    ),
    "http-issuer": Meaning(
        "The URL of a trusted issuer does not begin with `https://`.",
        "An attacker between the CE and the issuer can serve keys of their own, and sign tokens for every user.",
        "Declare the issuer with its `https://` URL. If its tokens say `http://`, ask the VO to change that.",
    ),
    "shared-account": Meaning(
        "The tokens of two VOs get the same account. vomap compares the accounts after `rename`.",
        "The jobs of one VO can read, change and stop the jobs of the other. Accounting cannot separate the VOs.",
        "Give each VO its own account, for instance with `<vo>`.",
    ),
    "vo-as-user": Meaning(
        "The account is a bare `<vo>`, its issuer may name any VO, and another rule gives users accounts of their"
        " own names.",
        "A VO with the name of a user gets the account of that user. A manager at the issuer may create such a VO.",
        "Write something before the VO, such as `vo-<vo>`, or list the VOs in the rule: no user gets an account "
        "that a rule names.",
    ),
    "system-account": Meaning(
        "The rule gives an account that belongs to the system or to a service. Or its capture could give such an "
        "account, because the site has set `minimum-uid` below 1000.",
        "A user with that name at the issuer would run jobs with the rights of the service.",
        "Name another account, write something before the capture (`fnal-<user>`), or set `minimum-uid` to 1000.",
    ),
    "unused-rename": Meaning(
        "The key `rename` of the site has an account that no rule names.",
        "The line has no effect. If the name has a typing error, tokens still get the old account. Perhaps the site "
        "does not link the mapfile whose rules name it.",
        "Write the account as the rule does, or delete the line.",
    ),
    "unused-ban": Meaning(
        "The ban is unused: no example token matches it.",
        "You believe that the user is banned, but the user still gets an account.",
        "Correct the ban. `vomap ban add` tests each new ban with an example token.",
    ),
    "expired-ban": Meaning(
        "The date `until` of the ban is in the past.",
        "The ban is not in force. A reader of the file may believe that it is.",
        "Delete the ban with `vomap ban lift`, or set a later date.",
    ),
    "evadable-ban": Meaning(
        "The bearer of a token can evade the ban. A ban of a VO misses tokens that do not name the VO, which an issuer "
        "of several VOs may issue. A ban with several conditions misses each token that does not match all of them.",
        "You believe that the user is banned, but the user can return with another token.",
        "Add the bans that the warning prints. They name the issuers instead of the VO, and each subject, client or "
        "token in a ban of its own.",
    ),
    "unwired-ban": Meaning(
        "The ban names an issuer that the site does not declare, and no CE calls vomap for the tokens of that issuer. "
        "The ban is in a published list, or the issuer is not an https URL.",
        "The ban is not in force here. Another plugin of the CE may map these tokens.",
        "Check which other plugins the CE asks. Declare the issuer, with `none` if the site does not trust it. Then "
        "wire the CE again: `vomap init --replace`.",
    ),
    "evadable-deny": Meaning(
        "A rule with `deny` names a group, and another rule maps the same bearer without it. vomap decides "
        "example tokens: one that the rule denies, then the same without the group, and with a child group.",
        "The client requests the groups of its token, so it can leave the group out. A pattern without `/**` does"
        " not match a child group.",
        "Deny by `subject`. Or let the rules that give accounts ask for a group that such a bearer does not have.",
    ),
    "two-spellings": Meaning(
        "The policy spells a VO in two ways, and tokens of an issuer without `vos` may name the VO.",
        "vomap accepts each of these spellings from such tokens, byte for byte. Probably only one of them is right.",
        "Write the spelling of the tokens everywhere, or list the names in the tokens with `vos`.",
    ),
    "bare-star": Meaning(
        "A pattern of a ban or of a rule with `deny` has a part that is only `*`.",
        "`*` does not match a slash. The ban or rule does not match a deeper group, or a subject with a slash.",
        "End the pattern of a group or a path with `/**`. To match every subject, delete the condition `subject`. "
        "Patterns such as `*` and `*/*` match only subjects with that number of slashes. For certainty, ban exact "
        "subjects or the whole issuer.",
    ),
    "unused-test": Meaning(
        "The token of the test has no `iss`, so every policy declines it. Or an earlier test has the same token and "
        "the same time.",
        "The test passes but tests nothing.",
        "Add `iss` to the token, or delete the test. Write all expectations about one token into one test.",
    ),
}


def lint_sections() -> list[Section]:
    """Return a section for each code, with the examples that the tests run."""
    return [Section(code, list(_blocks(code, meaning))) for code, meaning in MEANINGS.items()]


def _blocks(code: str, meaning: Meaning) -> Iterator[Block]:
    yield Paragraph(meaning.means)
    yield Paragraph(meaning.why)
    yield Paragraph(meaning.do)
    # The examples about bans have a file of bans, besides a mapfile.
    bad, good = (_text(code, kind, bans="-bans") or _text(code, kind) for kind in ("bad", "good"))
    yield Paragraph("vomap warns about this:")
    yield Code(bad, "yaml")
    yield Paragraph("vomap does not warn about this:")
    yield Code(good, "yaml")


def _text(code: str, kind: str, bans: str = "") -> str:
    path = EXAMPLES / code / f"{kind}{bans}.yaml"
    return path.read_text("utf-8") if path.is_file() else ""


INTRODUCTION = (
    "`vomap check` warns about entries in mapfiles and bans that are legal but probably wrong. Each warning ends with "
    "its code in brackets. Codes do not change, so programs can rely on them (key `code` with `--json`). A warning "
    "stops no build, and it changes the exit code only with `--strict`.\n\n"
    "vomap tests rules and bans with example tokens: it generates tokens that match, and decides them. Files without "
    "`site: {audience: …}` are not a whole site. About these, vomap does not report what another file could change. "
    "Rules from a mapfile whose tests have `alone: yes` are checked with that mapfile only. A site that links the "
    "mapfile may leave VOs unserved, or decide tokens earlier.\n\n"
    f"With more than {MOST_RULES:,} rules, vomap does not check for `unreachable-rule`, `impossible-rule`, "
    f"`impossible-value` and `shared-account`. With more than {MOST_BANS:,} bans, it does not check for `unused-ban`, "
    "`evadable-ban` and `evadable-deny`. "
    "`vomap check` reports checks that it skips.\n\n"
    "Rules of some shapes take much work, for example thousands of patterns that begin alike, or rules without an "
    "issuer for a VO of thousands of issuers. The work is limited. If it does not suffice, a warning with the code "
    "`not-checked` has the number of rules that vomap did not check, the first of them, and the codes. `vomap check "
    "--thorough` checks everything, without any of these limits, and may take minutes or hours."
)
