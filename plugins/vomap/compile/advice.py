"""Write a command for the administrator to type, with the options that the administrator gave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vomap.files.shell import join_words
from vomap.store import POLICY_FILE

MAPFILES_FOLDER = "/etc/vomap/mapfiles.d"
BANS_FOLDER = "/etc/vomap/bans.d"

# The options about places that each verb takes. A test compares them with the parsers.
VERB_OPTIONS = {
    "init": ("--callouts", "--root"),
    "status": ("--policy", "--mapfiles", "--bans", "--callouts", "--root"),
    "build": ("--mapfiles", "--bans", "--output"),
    "build --rollback": ("--output",),
    "check": ("--mapfiles", "--bans"),
    "test": ("--mapfiles", "--bans"),
    "explain": ("--policy",),
    "render htcondor": ("--policy", "--callout"),
    "render arc": ("--policy", "--callout"),
    "diff": (),
    "ban": ("--bans", "--policy"),
}


@dataclass(frozen=True)
class Advice:
    """The places that the administrator named: a command that vomap prints must not drop one of them.

    None or an empty list means that the option was not given. `root` is the root of the CE's system.
    """

    root: Path = Path("/")
    callouts: Path | None = None
    policy: str | None = None
    mapfiles: Sequence[str] | None = None
    bans: Sequence[str] | None = None

    def command(self, *words: str) -> str:
        """Return a command of `vomap` for a shell: these words, and the places that its verb takes.

        `words` begin with a verb of VERB_OPTIONS, perhaps followed by its action: ("ban", "add", "--subject", "x").
        A verb without --root gets the default files below the root.
        """
        verb = next(name for name in (" ".join(words[:2]), words[0]) if name in VERB_OPTIONS)
        places = {option: values for option in VERB_OPTIONS[verb] if (values := self._values(verb, option))}
        # An option comes after all words: it may take several values.
        return join_words(["vomap", *words, *(word for option, values in places.items() for word in (option, *values))])

    def _values(self, verb: str, option: str) -> Sequence[str]:
        """Return the values of an option. They are empty if the verb's default is right."""
        if option == "--root":
            return [str(self.root)] if self.root != Path("/") else []
        if option in ("--callouts", "--callout"):
            # A CE runs the callout from a folder of its own.
            name = {"render htcondor": "vomap-htcondor", "render arc": "vomap-arc"}.get(verb, "")
            return [] if self.callouts is None else [str(self.callouts.absolute() / name)]
        given, default = {
            "--policy": (self._policy(), POLICY_FILE),
            "--output": (self._policy(), POLICY_FILE),
            "--mapfiles": (self.mapfiles, MAPFILES_FOLDER),
            "--bans": (self.bans, BANS_FOLDER),
        }[option]
        if given and list(given) != [default]:
            return given
        # With --mapfiles, these verbs read no bans unless the command names them.
        without_bans = option == "--bans" and verb not in ("ban", "check", "status") and bool(self.mapfiles)
        below_root = self.root != Path("/") and "--root" not in VERB_OPTIONS[verb]
        return [str(self.root / default.lstrip("/"))] if below_root or without_bans else []

    def _policy(self) -> list[str]:
        return [self.policy] if self.policy else []
