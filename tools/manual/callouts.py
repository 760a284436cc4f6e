"""The pages of the callouts, which no parser describes: they take few words, and pay for each import."""

from __future__ import annotations

from tools.manual.facts import callout_exit_codes, trust_of_files
from tools.manual.model import Code, Page, Paragraph, Section, Terms

from vomap.callouts import LONGEST_INPUT, SECONDS, USER
from vomap.callouts.token import CACHE_FOLDER
from vomap.callouts.token import SECONDS as TOKEN_SECONDS
from vomap.store import BANS_FILE, POLICY_FILE
from vomap.verify.jws import LONGEST_TOKEN
from vomap.verify.key_cache import EXPIRY, LATEST_EXPIRY, PAUSE, REFRESH, SOONEST_REFRESH
from vomap.verify.keys import ALGORITHMS

_FILES = {
    "--policy": ("FILE", f"the built policy (default: `{POLICY_FILE}`)"),
    "--bans": ("FILE", f"the built bans (default: `{BANS_FILE}`, or beside another policy, FILE.bans)"),
}
# Each callout's options by name: the name of the value, and what it means.
OPTIONS = {
    "vomap-htcondor": {
        **_FILES,
        "--observe": ("", "decide and log, print nothing, and end with 1, whatever happens: the next plugin answers"),
    },
    "vomap-arc map": {
        **_FILES,
        "--decline": ("continue", "end with 1 for a declined token, so that mapping rules that follow may map it"),
    },
    "vomap-arc authorize": {
        **_FILES,
        "--vo": ("VO", "only if the token would be mapped for this VO"),
        "--account": ("ACCOUNT", "only if the token would be mapped to this account"),
    },
    "vomap-token": {
        **_FILES,
        "--cache": ("DIR", f"where the keys of issuers are kept (default: `{CACHE_FOLDER}`)"),
        "--ca": ("FILE", "certificates to trust for https, in place of the system's (PEM)"),
        "--token-file": ("FILE", "read the token from a file, which only root and the user who asks can write"),
        "--discover": ("", "find the token as WLCG Bearer Token Discovery has it"),
    },
}
_ANSWER = (
    "Standard output has only the account, and only for a mapped token. Standard error has the reason in one line, "
    "which the CE may log. Any failure ends in an error, never in a mapping: a policy or bans that vomap cannot read "
    "or trust, a name service that fails, a closed standard input, output or error. "
    "A callout ends itself after {seconds:g} seconds."
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
                    "HTCondor starts it for a token whose signature it has verified, with the token's payload as JSON "
                    f"on standard input, at most {LONGEST_INPUT} bytes. The environment is not read."
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
                    "0: the client is the account. 1: the next plugin of the map file's line is asked, if there is "
                    "one. Any other code: the client is refused."
                ),
                Paragraph("`vomap init` and `vomap render htcondor` write what HTCondor-CE needs; its essence:"),
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
                    "ARC starts it for a token whose signature it has verified, and shows the token in variables: "
                    "`BEARER_TOKEN_0_ISSUER`, `_SUBJECT`, `_AUDIENCE_0`, `_SCOPE_0`, `_GROUP_0`, `_CLAIM_NAME_0` and "
                    "so on. Standard input is not read. "
                    f"As root it becomes the user `{USER}`, where there is one, before it looks at the token."
                ),
                Paragraph(
                    "`map` prints the account without a newline. `authorize` prints nothing: its exit code shows "
                    "whether vomap would map the token, for an authgroup that allows something. ARC takes any other "
                    'code and a time-out for "no member", so an authgroup with it must never be used to deny.'
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
                    '`map`: 0 is an account, 1 is "no mapping" and leaves the token to rules that follow, any other '
                    "code ends the rules and refuses the client. "
                    "`vomap init` and `vomap render arc` write what ARC needs; its essence:"
                ),
                Code(
                    "[mapping]\npolicy_on_map = stop\npolicy_on_nogroup = continue\npolicy_on_nomap = stop\n"
                    "map_with_plugin = vomap 10 /usr/libexec/vomap/vomap-arc map"
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
                    "For a service of the site that has a raw token, a JSON Web Token, and needs the account of its "
                    "bearer. It verifies the signature and then decides as the CEs' callouts do. The token comes on "
                    f"standard input, at most {LONGEST_TOKEN} bytes, unless an option says where it is. As root it "
                    f"becomes the user `{USER}`, where there is one, before it looks at the token."
                ),
                Paragraph(_ANSWER.format(seconds=TOKEN_SECONDS)),
                Paragraph(
                    "Only an issuer that the policy declares is ever asked, for its keys alone, over https: metadata "
                    "by OpenID Connect Discovery or RFC 8414, and the keys where these say. Redirects are followed "
                    f"on the same host. Algorithms: {', '.join(ALGORITHMS)}; RSA keys have at least 2048 bits. "
                    "There is no introspection."
                ),
                Paragraph(
                    f"Keys are kept, and verifying is offline: they are fetched again after {REFRESH // hours} hours, "
                    f"or sooner if the issuer says so, but not within {SOONEST_REFRESH // hours} hour. While an "
                    f"issuer cannot be reached they are used for {EXPIRY // days} days, or up to "
                    f"{LATEST_EXPIRY // days} if it says so. An issuer is asked once in {PAUSE // 60} minutes at the "
                    "most, whatever tokens come."
                ),
                Paragraph(
                    "Of the environment only `BEARER_TOKEN`, `BEARER_TOKEN_FILE` and `XDG_RUNTIME_DIR` count, with "
                    "`--discover`, and proxies: `https_proxy`, `all_proxy`, `no_proxy`."
                ),
            ],
        ),
        _options("vomap-token"),
        _exit_codes(),
        _trust(),
    ]
    also = ("vomap(1)", "vomap-explain(1)", "vomap-mapfile(5)")
    summary = "who a raw token's bearer is here, if the token is genuine"
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
