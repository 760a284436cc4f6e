"""The parts of a policy that both kinds of CE need: the issuers whose tokens they pass to vomap, and the audiences."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vomap import Error
from vomap.bans.issuer_wiring import is_wired

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vomap.policy.documents import BansDocument, IssuerDocument, PolicyDocument

# The packages install the callouts here.
LIBEXEC = Path("/usr/libexec/vomap")
# The characters of the path of a callout.
_PATH = re.compile(r"/[A-Za-z0-9/._+-]*", re.ASCII)
# The end of a message about an issuer that a fragment cannot contain.
CORRECT_ISSUER = "Correct its declaration in the mapfile, and build again"
# Each fragment begins so.
WRITTEN = "# Written by `vomap render"


class WiringError(Error):
    """A CE cannot be configured with these options or this policy."""

    exit_code = 2


@dataclass(frozen=True)
class WiringOptions:
    """The choices of the site that the fragments of a CE express beside the policy.

    `callout` is the path of the callout (None: that of the packages). With `observe` the callout only logs its
    decisions. For HTCondor-CE, `then` has the plugins that get declined tokens, None if they differ from line to line.
    For ARC, each of `vos` has an authgroup, and with `more_rules` later mapping rules may map declined tokens.
    """

    callout: str | None = None
    observe: bool = False
    then: tuple[str, ...] | None = ()
    vos: tuple[str, ...] = ()
    more_rules: bool = False


def wired_issuers(document: PolicyDocument, bans: BansDocument) -> list[str]:
    """Return the issuers whose tokens the CEs pass to vomap: those that the policy trusts, and those of bans.

    Tokens of an undeclared issuer must not even reach the callout. But vomap must refuse the issuers that the site's
    own bans name, because another plugin could map their tokens. A published list adds only issuers that the site
    declares, trusted or distrusted.
    """
    issuers = document["issuers"]
    banned = [url for ban in bans["bans"] for url in ban.get("issuer", ()) if is_wired(url, ban, issuers)]
    return sorted({*_trusted_issuers(document), *banned})


def accepted_audiences(document: PolicyDocument) -> list[str]:
    """Return every audience that the policy accepts from any issuer, in the policy's order."""
    lists = [document["site"]["audience"], *(issuer.get("audience") for issuer in _trusted_issuers(document).values())]
    return list(dict.fromkeys(audience for accepted in lists for audience in accepted or ()))


def foreign_issuers(document: PolicyDocument) -> list[str]:
    """Return the issuers whose tokens HTCondor must not check: see is_foreign()."""
    site_audience = document["site"]["audience"]
    return sorted(url for url, issuer in _trusted_issuers(document).items() if is_foreign(issuer, site_audience))


def is_foreign(issuer: IssuerDocument, site_audience: Sequence[str] | None) -> bool:
    """Return True if an issuer's tokens are neither WLCG tokens nor SciTokens, or HTCondor must not check the audience.

    For these, HTCondor checks only the signature and the times. vomap makes all other checks.
    """
    return bool(
        "entitlements" in issuer
        or issuer.get("profile") == "other"
        or issuer.get("without-audience")
        or issuer.get("audience", site_audience) is None
    )


def callout_path(path: str) -> str:
    """Return a callout's path if both CEs can run it. Raises WiringError otherwise.

    It must begin with `/`, and must not contain characters at which a CE splits, or that a CE expands or unquotes.
    """
    if not _PATH.fullmatch(path):
        raise WiringError(
            f"{path!a} is not a valid path of a callout: expected / and then only letters, digits and /._+-"
        )
    return path


def found_callout(path: str, name: str) -> str | None:
    """Return the path of a callout that a fragment names, or None if it is not a valid path of the callout `name`."""
    try:
        return callout_path(path) if Path(path).name == name else None
    except WiringError:
        return None


def read_configuration(file: Path) -> str:
    """Return the text of a file. Bytes that are not UTF-8 are replaced: one such file must not end all checks."""
    return file.read_text("utf-8", "replace")


def effective_lines(text: str, blanks: str | None = None) -> list[str]:
    """Return the lines that have an effect, without blanks around them: no comments and no empty lines.

    `blanks` are the blanks of the reader of the file (default: those of Python, in which ARC reads its files). To each
    reader, only a line break ends a line.
    """
    lines = (line.strip(blanks) for line in text.split("\n"))
    return [line for line in lines if line and not line.startswith("#")]


def unspaced(line: str) -> str:
    """Return a setting without blanks around its first `=`."""
    return re.sub(r"\s*=\s*", "=", line, count=1)


def heading(command: str, place: str) -> str:
    """Return the comment at the top of each fragment: the command that writes it, and its place.

    To write it again, other options than those of the first time would be wrong. `vomap status` knows them.
    """
    again = "When issuers or audiences change, `vomap status` shows the command to type"
    return f"{WRITTEN} {command}`. {again}.\n# Place: {place}.\n"


def _trusted_issuers(document: PolicyDocument) -> dict[str, IssuerDocument]:
    return {url: issuer for url, issuer in document["issuers"].items() if issuer is not None}
