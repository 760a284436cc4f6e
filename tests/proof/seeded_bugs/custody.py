"""Bugs in what another user may write: the owners and modes of files, and what a foreign mapfile may contain."""

from __future__ import annotations

import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from proof.seeded_bugs.replacement import Call, Constant, Replacement
from vomap.files.regular import PathStep, ResolvedPath
from vomap.mapfile.foreign import _RULE, _others


def _more(*keys: str) -> Callable[[Any], object]:
    return lambda allowed: (*allowed, *keys)


def _distrust_passed(refused: Any, place: Any, url: str, issuer: Any) -> Any:
    return refused(place, url, issuer) if isinstance(issuer.value, dict) else ()


def _checked(_: Any, *__: Any) -> None:
    pass


def _tests_of_all_passed(refused: Any, root: Any, plain: Any) -> Any:
    return refused(root, {**plain, "tests": [{"alone": True, **test} for test in plain.get("tests", ())]})


def _own_bans(refusals: Any, file: Any) -> Any:
    return refusals(replace(file, custody=replace(file.custody, owner=None)))


def _changed(way: ResolvedPath, change: Callable[[PathStep], PathStep]) -> ResolvedPath:
    return ResolvedPath(tuple(map(change, way.steps)), change(way.end))


def _file_of_builder(judge_file: Any, way: ResolvedPath, builder: int) -> Any:
    return judge_file(_changed(way, lambda step: replace(step, owner=builder) if step == way.end else step), builder)


def _folder_of_builder(judge_file: Any, way: ResolvedPath, builder: int) -> Any:
    folder = way.end.folder
    if folder is None:
        return judge_file(way, builder)
    ours = replace(folder, owner=builder)

    def change(step: PathStep) -> PathStep:
        if step == folder:
            return ours
        return replace(step, folder=ours) if step.folder == folder else step

    return judge_file(_changed(way, change), builder)


def _farther_folders_passed(faults: Any, way: ResolvedPath, builder: int, own: list[PathStep]) -> Any:
    return faults(way, builder, [*own, *(step for step in way.steps if stat.S_ISDIR(step.mode))])


def _two_owners_passed(judge_file: Any, way: ResolvedPath, builder: int) -> Any:
    from vomap.files.trusted import _faults

    own = [step for step in (way.end, way.end.folder) if step is not None]
    return replace(judge_file(way, builder), faults=tuple(dict.fromkeys(_faults(way, builder, own))))


def _file_mode_passed(may_write: Any, step: PathStep) -> Any:
    return not stat.S_ISREG(step.mode) and may_write(step)


def _folder_mode_passed(may_write: Any, step: PathStep) -> Any:
    return not stat.S_ISDIR(step.mode) and may_write(step)


def _shared_folder_passed(faults: Any, way: ResolvedPath, builder: int, own: list[PathStep]) -> Any:
    def bare(step: PathStep) -> PathStep:
        return replace(step, folder=None)

    return faults(_changed(way, bare), builder, list(map(bare, own)))


def _unjudged(compose: Any, mapfiles: Any, findings: Any, *others: Any, refusals: Any = None) -> Any:
    del refusals
    return compose(mapfiles, findings, *others[:1])


_KEYS = "vomap.mapfile.foreign:_KEYS"
_RULE_KEYS = "vomap.mapfile.foreign:_RULE"
_JUDGE_FILE = "vomap.files.trusted:judge_file"
_MAY_WRITE = "vomap.files.trusted:_others_may_write"
BUGS: Mapping[str, Sequence[Replacement]] = {
    "another user's settings count": [Constant(_KEYS, _more("site", "pools"))],
    "another user's audience for an issuer counts": [
        Constant("vomap.mapfile.foreign:_ISSUER", _more("audience", "without-audience", "without-compute"))
    ],
    "another user's distrust counts": [Call("vomap.mapfile.foreign:_refused_in_issuer", _distrust_passed)],
    "another user's entitlements in a scope count": [
        Constant("vomap.mapfile.foreign:_ENTITLEMENTS", _more("in-scope"))
    ],
    "another user's declaration hides a later one": [Call("vomap.mapfile.foreign:Guard.refuse_hiding", _checked)],
    "another user's denials and pools count": [Constant(_RULE_KEYS, _more("deny", "pool"))],
    "another user's claims are logged": [Constant(_RULE_KEYS, _more("claim"))],
    "another user's captures count": [
        Call("vomap.mapfile.foreign:refused_in_rule", lambda _, rule: _others(rule, _RULE))
    ],
    "another user's rules are not looked at": [Call("vomap.mapfile.foreign:refused_in_rule", lambda *_: ())],
    "another user's tests judge the whole policy": [
        Call("vomap.mapfile.foreign:refused_in_document", _tests_of_all_passed)
    ],
    "another user's bans count": [Call("vomap.mapfile.owners:ban_file_refusals", _own_bans)],
    "the owner of the file is not looked at": [Call(_JUDGE_FILE, _file_of_builder)],
    "the owner of the folder is not looked at": [Call(_JUDGE_FILE, _folder_of_builder)],
    "the owner of a farther folder is not looked at": [Call("vomap.files.trusted:_faults", _farther_folders_passed)],
    "two other users": [Call(_JUDGE_FILE, _two_owners_passed)],
    "the mode is not looked at": [Call(_MAY_WRITE, lambda *_: False)],
    "the sticky bit of a file": [Call(_MAY_WRITE, _file_mode_passed)],
    "no sticky bit needed": [Call(_MAY_WRITE, _folder_mode_passed)],
    "writable for the group": [Constant("vomap.files.trusted:_OTHERS_MAY_WRITE", lambda _: stat.S_IWOTH)],
    "another user's file among everybody's": [Call("vomap.files.trusted:_faults", _shared_folder_passed)],
    "a build does not judge": [Call("vomap.mapfile.compose:compose", _unjudged)],
}
