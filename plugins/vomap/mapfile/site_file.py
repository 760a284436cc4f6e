"""The site's mapfile that `vomap init` writes: a block `site` with a few keys, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce

from vomap.mapfile.files import Mapfile
from vomap.mapfile.findings import Findings, Place
from vomap.mapfile.reader import Node
from vomap.mapfile.schema import read_checked

AUDIENCE, SERVE = ("audience",), ("serve",)
MINIMUM_UID, NEVER = ("accounts", "minimum-uid"), ("accounts", "never")
_KEYS = (AUDIENCE, SERVE, MINIMUM_UID, NEVER)
# Each setting by the path of its key in `site`: a text (`unchecked`), a number or a list of texts.
SiteSettings = Mapping[tuple[str, ...], object]

_HEAD = """\
# This site's own settings and rules. Files with a higher number come after this one.
mapfile: 1
site:
  # https://wlcg.cern.ch/jwt/v1/any and ANY, if they are added, let in tokens that are meant for any site.
"""


@dataclass(frozen=True)
class SiteFile:
    """The site's mapfile, as the administrator may have changed it. `settings` are those that `vomap init` writes."""

    root: Node
    settings: SiteSettings

    @property
    def own_key(self) -> str:
        """The first key that `vomap init` does not write, with its line, or an empty text."""
        known: dict[tuple[str, ...], set[str]] = {
            (): {"mapfile", "site"},
            ("site",): {path[0] for path in _KEYS},
            ("site", "accounts"): {path[-1] for path in _KEYS if len(path) > 1},
        }
        found = [(place, key) for path, keys in known.items() for key, place in self._keys(path) if key not in keys]
        return f"`{min(found)[1]}` (line {min(found)[0].line})" if found else ""

    def edits(self, wanted: SiteSettings) -> Iterator[str]:
        """Yield what the administrator must edit, so that the file has these settings."""
        for path, value in wanted.items():
            if self.settings.get(path) == value:
                continue
            keys = ("site", *path)
            depth = next(end for end in range(len(keys), -1, -1) if self.root.at(*keys[:end]) is not None)
            if depth == len(keys):
                yield f"line {self._line(keys)}: `{keys[-1]}: {json.dumps(value)}`"
                continue
            added = reduce(lambda inner, key: {key: inner}, reversed(keys[depth + 1 :]), value)
            below = f"line {self._line(keys[:depth])}: in `{keys[depth - 1]}` add " if depth else "add "
            yield f"{below}`{keys[depth]}: {json.dumps(added)}`"

    def _line(self, path: tuple[str, ...]) -> int:
        return dict(self._keys(path[:-1]))[path[-1]].line

    def _keys(self, path: tuple[str, ...]) -> Iterable[tuple[str, Place]]:
        node = self.root.at(*path)
        return node.keys.items() if node is not None else ()


def read_site_file(file: Mapfile) -> SiteFile:
    """Read the site's mapfile. Raises MapfileError if it is not valid."""
    findings = Findings()
    read = read_checked(file.text, file.path, findings)
    findings.raise_errors()
    assert read is not None
    root, plain = read
    settings: dict[tuple[str, ...], object] = {}
    for path in _KEYS:
        value = plain.get("site")
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        if value is not None:
            is_text = isinstance(value, str) and value != "unchecked"
            settings[path] = [value] if is_text else value
    return SiteFile(root, settings)


def site_text(settings: SiteSettings) -> str:
    """Return the text of a mapfile with these settings. Texts and lists of JSON are also YAML."""
    accounts = {path[1]: value for path, value in settings.items() if len(path) > 1}
    values = {path[0]: value for path, value in settings.items() if len(path) == 1}
    values |= {"accounts": accounts} if accounts else {}
    return _HEAD + "".join(f"  {key}: {json.dumps(value)}\n" for key, value in values.items())
