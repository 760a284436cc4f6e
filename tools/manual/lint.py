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
    """What a code means, why it matters, and what to do."""

    means: str
    why: str
    do: str


# Rules first, then issuers, accounts, bans and tests. A test holds this to the linter's codes.
MEANINGS = {
    "unreachable-rule": Meaning(
        "Earlier rules take every token that this rule is for. vomap makes tokens that meet the rule and decides them; "
        "none of them comes as far. The warning names the rules that take them.",
        "The first rule that matches decides. Whoever wrote this one meant it to decide for somebody: here pilots run "
        "as users.",
        "Move the rule before the ones that are named, or delete it.",
    ),
    "impossible-rule": Meaning(
        "No token meets all conditions of the rule, as its issuers are declared.",
        "A rule with `vo` sees the groups and storage paths of that VO alone, so a group of another VO is never there. "
        "The rule looks as if it let somebody in, or kept somebody out, and does neither.",
        "Correct the condition, or delete the rule.",
    ),
    "undeclared-issuer": Meaning(
        "A rule names an issuer that no file declares, or that is distrusted with `none`.",
        "Tokens of such an issuer are declined before any rule is asked. Issuers are compared byte for byte: a slash "
        "at the end makes another one.",
        "Write the issuer as its tokens do, declare it, or delete it from the rule.",
    ),
    "unknown-vo": Meaning(
        "A rule names a VO that no declared issuer may speak for, or none of the issuers that the rule names.",
        "No token is ever of this VO here, so the rule never decides.",
        "Write the VO as the issuer's declaration calls it; case does not matter.",
    ),
    "unserved-vo": Meaning(
        "`site: serve` leaves out all VOs that the rule is for.",
        "Tokens of VOs that the site does not serve are declined before any rule is asked.",
        "Add the VO to `serve`, or delete the rule.",
    ),
    "issuer-alone": Meaning(
        "A rule gives one account or pool to all that comes from an issuer which speaks for several VOs.",
        "All these VOs share the account, also those that the issuer begins to speak for later.",
        "Name a `vo`, ask for a group, scope or subject, or write `<vo>` in the account.",
    ),
    "group-without-scope": Meaning(
        "A rule gives an account for a role or a subgroup alone, though the issuer says by the paths of scopes what a "
        "token is for (`vo-from: [scope-path, ...]`). A VO's top group is no role, and a rule that names its subjects, "
        "or gives everybody an account of their own, is meant so.",
        "The tokens of such issuers list all groups of their bearer. Who does shifts in production would run "
        "everything as production.",
        "Ask for a scope besides the group. For issuers whose tokens have no such scopes (EGI Check-in) a rule can ask "
        "nothing better, and the code is silent.",
    ),
    "illegal-group": Meaning(
        "A group in a rule or ban is no legal FQAN: a part is `.` or `..`, or begins with `Role=` where none may be, "
        "or with `role=` in other letters.",
        "Such a group in a token is passed over, or is a group of that very name and no role, so the rule or ban never "
        "sees the role.",
        "Write the group as the VO does: `/vo/subgroup/Role=name`.",
    ),
    "similar-issuers": Meaning(
        "Two declared issuers differ by a slash at the end alone, or one begins with the other and both speak for the "
        "same VO. An issuer at a host and one at a path of it, each with a VO of its own, are told apart on purpose.",
        "They look alike and are not: the tokens have one of them, and what is said of the other does nothing. If one "
        "is distrusted, the other may not be.",
        "Look at `iss` in a token, and delete the declaration that is not it.",
    ),
    "http-issuer": Meaning(
        "A trusted issuer does not begin with `https://`.",
        "Whoever is between the CE and the issuer can answer with keys of their own, and so sign tokens for everybody.",
        "Declare the issuer by its `https://` URL; if its tokens say `http://`, ask the VO to change that.",
    ),
    "shared-account": Meaning(
        "Tokens of two VOs get the same account, as the site calls it after `rename`.",
        "One VO's jobs can read, change and stop the other's, and accounting cannot tell them apart.",
        "Give each VO an account of its own, for instance with `<vo>`.",
    ),
    "system-account": Meaning(
        "A rule gives an account that is known to belong to the system or to a service; or a capture could give one, "
        "because the site has lowered `minimum-uid`, which keeps captures from it.",
        "Whoever is called so by the issuer runs jobs with the rights of that service.",
        "Name another account, write something before the capture (`fnal-<user>`), or let `minimum-uid` be 1000.",
    ),
    "unused-rename": Meaning(
        "`site: rename` has an account that no rule names.",
        "The account that was meant to be renamed is answered under its old name, or the file that names it is not "
        "linked.",
        "Write the account as the rule does, or delete the line.",
    ),
    "unused-ban": Meaning(
        "No token was found that the ban keeps out.",
        "Somebody is believed to be banned, and is not.",
        "Correct the ban; `vomap ban add` proves a ban when it adds it.",
    ),
    "expired-ban": Meaning(
        "A ban's `until` has passed.",
        "It holds no more, and whoever reads the file may think that it does.",
        "Delete it with `vomap ban lift`, or set a later day.",
    ),
    "evadable-ban": Meaning(
        "The bearer of a token can get around the ban. At an issuer of several VOs the token need not name the VO. A "
        "ban of a subject and a client, or of a token and more, holds only for tokens that meet all of it.",
        "The administrator believes that somebody is banned, who then comes with another token.",
        "Add the ban that the warning prints. It names issuers instead of the VO, and each subject, client or token by "
        "itself.",
    ),
    "unwired-ban": Meaning(
        "A ban names an issuer that the site does not declare, and no CE is wired for it: the ban is of a published "
        "list, or the issuer is not an https URL.",
        "The CE does not ask vomap about these tokens. Another plugin of the CE may map them.",
        "Look which other plugins the CE asks. Declare the issuer, with `none` if the site does not trust it, and wire "
        "the CE anew with `vomap init --replace`.",
    ),
    "two-spellings": Meaning(
        "The policy spells a VO in two ways, and an issuer without `vos` may name it.",
        "There the name is the token's own word: tokens count with each of the spellings, which was hardly meant.",
        "Write one spelling everywhere, the one that the tokens have; or list the names with `vos`.",
    ),
    "bare-star": Meaning(
        "In a ban or a `deny` rule, `*` is all of a part between two slashes.",
        "`*` does not match a slash. A group below, or a subject with a slash, passes the ban or the rule.",
        "For a group or a path, write `/**` at the end. Leave out a subject that may be any. A pattern for each number "
        "of slashes, `*` and `*/*`, takes these subjects alone; ban exact subjects or the issuer to be sure.",
    ),
    "unused-test": Meaning(
        "A test's token is declined, or an error, whatever the policy is; or the same token is tested for the same "
        "time already.",
        "The test passes, and proves nothing.",
        "Give the token an `iss`, or delete the test; what is expected of one token goes into one test.",
    ),
}


def lint_sections() -> list[Section]:
    """Return a section for each code, with the examples that the tests run."""
    return [Section(code, list(_blocks(code, meaning))) for code, meaning in MEANINGS.items()]


def _blocks(code: str, meaning: Meaning) -> Iterator[Block]:
    yield Paragraph(meaning.means)
    yield Paragraph(meaning.why)
    yield Paragraph(meaning.do)
    # Of a ban, the mapfile says nothing.
    bad, good = (_text(code, kind, bans="-bans") or _text(code, kind) for kind in ("bad", "good"))
    yield Paragraph("Warned of:")
    yield Code(bad, "yaml")
    yield Paragraph("Not warned of:")
    yield Code(good, "yaml")


def _text(code: str, kind: str, bans: str = "") -> str:
    path = EXAMPLES / code / f"{kind}{bans}.yaml"
    return path.read_text("utf-8") if path.is_file() else ""


INTRODUCTION = (
    "`vomap check` warns of what is legal in mapfiles and bans, and hardly meant. Each warning ends with its code in "
    "brackets; codes stay what they are, for programs (`--json` has them as `code`). A warning does not change the "
    "exit code unless `--strict` is given, and stops no build.\n\n"
    "Whether a rule or a ban does anything is not guessed from its text: vomap makes tokens that meet it, and decides "
    "them. Files without `site: {audience: …}` are no whole site, so nothing is said of them that a file beside them "
    "might settle. The rules of a mapfile whose tests are `alone` are judged alone as well: what a site does not serve "
    "of a mapfile that it links, or decides before it, is that site's choice.\n\n"
    f"With more than {MOST_RULES:,} rules, `unreachable-rule`, `impossible-rule` and `shared-account` are not looked "
    f"for; with more than {MOST_BANS:,} bans, `unused-ban` and `evadable-ban` are not. `vomap check` says so."
)
