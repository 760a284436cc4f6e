"""The words after a callout's name. A callout takes a handful; argparse would cost more than the answer."""

from __future__ import annotations

from vomap.built.store import POLICY_FILE, bans_beside
from vomap.errors import Error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class OptionError(Error):
    """A callout was configured with words that it does not know."""


def read_options(words: Sequence[str], known: Sequence[str]) -> dict[str, str]:
    """Return the options, `--name VALUE` or `--name=VALUE`, by their names. Raises OptionError for anything else."""
    found: dict[str, str] = {}
    rest = list(words)
    while rest:
        name, equals, value = rest.pop(0).partition("=")
        if name not in known:
            raise OptionError(f"unknown option {name!a}; known are {', '.join(known)}")
        if not equals:
            if not rest:
                raise OptionError(f"{name} needs a value")
            value = rest.pop(0)
        if name in found:
            raise OptionError(f"{name} is given twice")
        found[name] = value
    return found


def built_files(options: dict[str, str]) -> tuple[str, str]:
    """Return the paths of the built policy and the built bans."""
    policy = options.get("--policy", POLICY_FILE)
    return policy, options.get("--bans", bans_beside(policy))
