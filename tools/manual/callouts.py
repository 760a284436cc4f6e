"""The pages of the callouts. The callouts have no argparse parser, which would be slow to import."""

from __future__ import annotations

from tools.manual.facts import callout_exit_codes, trust_of_files
from tools.manual.model import Code, Page, Paragraph, Section, Terms

from vomap.accounts import USERS_FILE
from vomap.callouts import LONGEST_INPUT, SECONDS, USER
from vomap.callouts.token import CACHE_FOLDER
from vomap.callouts.token import SECONDS as TOKEN_SECONDS
from vomap.ces.arc import LAST_FILE
from vomap.store import BANS_FILE, POLICY_FILE
from vomap.verify.jws import LONGEST_TOKEN
from vomap.verify.key_cache import EXPIRY, LATEST_EXPIRY, PAUSE, REFRESH, SOONEST_REFRESH
from vomap.verify.keys import ALGORITHMS

_FILES = {
    "--policy": ("FILE", f"the compiled policy (default: `{POLICY_FILE}`)"),
    "--bans": ("FILE", f"the compiled bans (default: `{BANS_FILE}`, or FILE.bans beside another policy)"),
}
# Each callout's options by name: the name of the value, and what it means.
OPTIONS = {
    "vomap-htcondor": {
        **_FILES,
        "--observe": (
            "",
            "decide and log, print nothing, and always end with 1, so that HTCondor asks the next plugin",
        ),
    },
    "vomap-arc map": {
        **_FILES,
        "--decline": ("continue", "end with 1 for a declined token, so that later mapping rules may map it"),
        "--observe": ("", "decide and log, print nothing, and always end with 1: another rule decides"),
    },
    "vomap-arc authorize": {
        **_FILES,
        "--vo": ("VO", "only if the token would be mapped for this VO"),
        "--account": ("ACCOUNT", "only if the token would be mapped to this account"),
    },
    "vomap-token": {
        **_FILES,
        "--cache": ("DIR", f"the folder of the keys of issuers (default: `{CACHE_FOLDER}`)"),
        "--ca": ("FILE", "the certificates to trust for https, in place of the system's (PEM)"),
        "--token-file": ("FILE", "read the token from a file that only root and the calling user can write"),
        "--discover": ("", "find the token by WLCG Bearer Token Discovery"),
        "--observe": (
            "",
            "verify, decide and log, print no account, and always end with 1, so that another way decides",
        ),
    },
}
_ANSWER = (
    "Standard output has only the account, and only for a mapped token. Standard error has the reason in one line, "
    "which the CE may log. Any failure is an error, never a mapping: a policy or bans that vomap cannot read or trust, "
    "a name service that fails, or a closed standard input, output or error. "
    "The callout ends after {seconds:g} seconds at the latest."
)


def callout_pages() -> list[Page]:
    """Return the pages of the callouts."""
    return [_htcondor(), _arc(), _token()]


def _htcondor() -> Page:
    sections = [
        Section(
            "Description",
            [
                Paragraph(
                    "HTCondor verifies the signature of a token, and then starts vomap-htcondor. Standard input is the "
                    f"payload of the token as JSON, at most {LONGEST_INPUT} bytes. vomap-htcondor does not read the "
                    "environment."
                ),
                Paragraph(_ANSWER.format(seconds=SECONDS)),
            ],
        ),
        _options("vomap-htcondor"),
        _exit_codes(),
        Section(
            "The meaning of the exit codes to HTCondor",
            [
                Paragraph(
                    "0: the client gets the account. 1: HTCondor asks the next plugin in the line of the map file, if "
                    "there is one. Any other code: HTCondor refuses the client."
                ),
                Paragraph(
                    "`vomap init` and `vomap render htcondor` write the CE configuration. These are its main lines:"
                ),
                Code(
                    "SEC_SCITOKENS_PLUGIN_VOMAP_COMMAND = /usr/libexec/vomap/vomap-htcondor\n"
                    "SCITOKENS /^https:\\/\\/aai\\.egi\\.eu\\/auth\\/realms\\/egi,/ PLUGIN:VOMAP"
                ),
            ],
        ),
        _trust(),
    ]
    also = ("vomap(1)", "vomap-arc(8)", "vomap-mapfile(5)", "vomap-render(1)")
    return Page("vomap-htcondor", 8, "HTCondor-CE's mapping plugin", ["vomap-htcondor [OPTIONS]"], sections, also)


def _arc() -> Page:
    sections = [
        Section(
            "Description",
            [
                Paragraph(
                    "ARC verifies the signature of a token, and then starts vomap-arc. Variables of the environment "
                    "have the claims: `BEARER_TOKEN_0_ISSUER`, `_SUBJECT`, `_AUDIENCE_0`, `_SCOPE_0`, `_GROUP_0`, "
                    "`_CLAIM_NAME_0` and so on. vomap-arc does not read standard input. "
                    f"If root starts it, it becomes the user `{USER}` before it reads the token, if `{USERS_FILE}` has "
                    "that user."
                ),
                Paragraph(
                    "`map` prints the account without a newline. `authorize` prints nothing. It is for an authgroup "
                    "that allows something: it ends with 0 if vomap would map the token. For ARC, any other code and a "
                    'time-out mean "not a member". Never use such an authgroup to deny access.'
                ),
                Paragraph(_ANSWER.format(seconds=SECONDS)),
            ],
        ),
        _options("vomap-arc map"),
        _options("vomap-arc authorize"),
        _exit_codes(),
        Section(
            "The meaning of the exit codes to ARC",
            [
                Paragraph(
                    '`map`: 0 is an account. 1 is "no mapping", and ARC tries the next rules. After any other code, '
                    "ARC refuses the client. "
                    "`vomap init` and `vomap render arc` write the CE configuration. These are its main lines:"
                ),
                Code(
                    "[mapping]\npolicy_on_map = stop\npolicy_on_nogroup = continue\npolicy_on_nomap = stop\n"
                    "map_with_plugin = vomap 10 /usr/libexec/vomap/vomap-arc map"
                ),
                Paragraph(
                    "With `vomap render arc --more-rules`, later rules may map the tokens that vomap declines. They "
                    f"keep ARC's default: a rule that finds no account ends the rules. The file `{LAST_FILE}` comes "
                    "after them, with a rule that refuses the tokens that no rule has mapped. Without it, ARC maps "
                    "them to the user that A-REX runs as, unless that is root."
                ),
                Paragraph(
                    "With `vomap render arc --observe`, vomap is the plugin of an authgroup that has no members. To "
                    'ARC, any failure there means "not a member", also a callout that ARC cannot start. In a mapping '
                    "rule ARC would refuse the token then."
                ),
            ],
        ),
        _trust(),
    ]
    synopsis = ["vomap-arc map [OPTIONS]", "vomap-arc authorize [OPTIONS]"]
    also = ("vomap(1)", "vomap-htcondor(8)", "vomap-mapfile(5)", "vomap-render(1)")
    return Page("vomap-arc", 8, "ARC CE's mapping and authgroup plugin", synopsis, sections, also)


def _token() -> Page:
    hours, days = 3600, 86400
    sections = [
        Section(
            "Description",
            [
                Paragraph(
                    "For a service of the site that has a raw token (a JSON Web Token) and needs the account of its "
                    "bearer. vomap-token verifies the signature, and then decides as the callouts of the CEs do. It "
                    f"reads the token from standard input, at most {LONGEST_TOKEN} bytes, or from the place that an "
                    f"option names. If root starts it, it becomes the user `{USER}` before it reads the token, if "
                    f"`{USERS_FILE}` has that user."
                ),
                Paragraph(_ANSWER.format(seconds=TOKEN_SECONDS)),
                Paragraph(
                    "vomap-token asks only issuers that the policy declares, and only for their keys. It uses https. "
                    "It finds the keys by the metadata of OpenID Connect Discovery or RFC 8414. It follows redirects "
                    f"on the same host only. Algorithms: {', '.join(ALGORITHMS)}. RSA keys must have at least 2048 "
                    "bits. There is no introspection."
                ),
                Paragraph(
                    "vomap-token keeps the keys, so it can verify tokens offline. It fetches keys again after "
                    f"{REFRESH // hours} hours, or sooner if the issuer says so, but not within "
                    f"{SOONEST_REFRESH // hours} hour. If it cannot reach an issuer, it uses the keys for "
                    f"{EXPIRY // days} days, or for up to {LATEST_EXPIRY // days} days if the issuer says so. It asks "
                    f"an issuer at most once in {PAUSE // 60} minutes."
                ),
                Paragraph(
                    "vomap-token reads these variables of the environment: the proxies `https_proxy`, `all_proxy` and "
                    "`no_proxy`. With `--discover` it also reads `BEARER_TOKEN`, `BEARER_TOKEN_FILE` and "
                    "`XDG_RUNTIME_DIR`."
                ),
            ],
        ),
        _options("vomap-token"),
        _exit_codes(),
        _trust(),
    ]
    also = ("vomap(1)", "vomap-explain(1)", "vomap-mapfile(5)")
    summary = "verify a raw token, and print the account of its bearer"
    return Page("vomap-token", 8, summary, ["vomap-token [OPTIONS] < TOKEN"], sections, also)


def _options(callout: str) -> Section:
    entries = [(f"{name} {value}".rstrip(), text) for name, (value, text) in OPTIONS[callout].items()]
    _, _, word = callout.partition(" ")
    title = f"Options of {word}" if word else "Options"
    return Section(title, [Terms(entries)])


def _exit_codes() -> Section:
    return Section("Exit codes", [callout_exit_codes()])


def _trust() -> Section:
    return Section("Files", [trust_of_files()])
