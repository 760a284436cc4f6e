"""Find the files of HTCondor-CE and of vomap that the CE's user cannot read.

HTCondor-CE reads its files as this user. A map file that it cannot read has no line for it, and with settings that it
cannot read, it does not take over any change.
"""

from __future__ import annotations

import grp
import os
import pwd
import subprocess
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

from vomap import Error
from vomap.ces.htcondor_files import read_map_files
from vomap.ces.kinds import HtcondorCe
from vomap.ces.lost_bans import read_ce_settings
from vomap.files.shell import join_words
from vomap.status import RED, StatusLine

FILES_OF_THE_CE = "files of the CE"
_SECONDS = 10
# Of a path with a slash at its end, the user only needs the paths below it.
_SCRIPT = """\
for path
do
    case $path in
    */) test -x "$path" ;;
    *) test -r "$path" && { ! test -d "$path" || test -x "$path"; } ;;
    esac || printf '%s\\0' "$path"
done
"""


def find_unreadable(ce: HtcondorCe) -> frozenset[Path]:
    """Return the files and folders that HTCondor-CE reads and its user cannot read.

    Only root can find them: for other users, and without the CE's user, there are none. Raises OSError and Error.
    """
    if os.geteuid() != 0:
        return frozenset()
    try:
        user = pwd.getpwnam(ce.user)
    except KeyError:
        return frozenset()
    paths = [*read_map_files(ce).paths, *read_ce_settings(ce).paths]
    try:
        return unreadable_paths(ce.root, [path for path in paths if path.exists()], user)
    except subprocess.SubprocessError as error:
        raise Error(f"cannot look for files that the user {ce.user} cannot read: {error}") from None


def unreadable_paths(root: Path, paths: Iterable[Path], user: pwd.struct_passwd) -> frozenset[Path]:
    """Return the paths below a root that a user cannot read, without those in a folder that is one of them.

    A process of this user begins in the root: the folders above the root do not matter. Raises OSError and
    subprocess.SubprocessError.
    """
    names = [f"./{path.relative_to(root)}" for path in paths]
    folders = dict.fromkeys(f"{folder}/" for name in names for folder in _folders_above(name))
    found = {root / os.fsdecode(name.rstrip(b"/")) for name in _try_paths(root, [*folders, *names], user)}
    return frozenset(path for path in found if not found.intersection(path.parents))


def unreadable_lines(ce: HtcondorCe, unreadable: Collection[Path]) -> Iterator[StatusLine]:
    """Report the files and folders of HTCondor-CE that its user cannot read, with the command that changes this."""
    if not unreadable:
        return
    effect = "HTCondor-CE uses no line of such a map file, and no change of its settings"
    text = f"the user {ce.user} cannot read {', '.join(map(str, sorted(unreadable)))}: {effect}"
    # A file of settings may contain a secret, which the jobs of other users must not read.
    settings = sorted(path for path in unreadable if path.parent == ce.at(ce.SETTINGS) and not path.is_dir())
    commands = [allow_reading(set(unreadable) - set(settings))] if set(unreadable) - set(settings) else []
    if settings:
        names = [str(path) for path in settings]
        commands += [join_words(["chgrp", _group_of(ce.user), *names]), join_words(["chmod", "g+r", *names])]
    yield StatusLine(RED, FILES_OF_THE_CE, f"{text}; run `{' && '.join([*commands, 'condor_ce_reconfig'])}`")


def _group_of(user: str) -> str:
    """Return the name of a user's first group, or its number if it has no name."""
    gid = pwd.getpwnam(user).pw_gid
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def allow_reading(paths: Collection[Path]) -> str:
    """Return the command that lets all users read these files and folders."""
    folders = sorted(str(path) for path in paths if path.is_dir())
    files = sorted(str(path) for path in paths if not path.is_dir())
    changes = [["chmod", mode, *names] for mode, names in (("a+rx", folders), ("a+r", files)) if names]
    return " && ".join(map(join_words, changes))


def _folders_above(name: str) -> list[str]:
    parts = name.split("/")
    return ["/".join(parts[:end]) for end in range(2, len(parts))]


def _try_paths(root: Path, names: Sequence[str], user: pwd.struct_passwd) -> list[bytes]:
    """Return those of these names below a root that a user cannot read."""
    done = subprocess.run(  # noqa: S603 - a fixed program, and names that it only tests  # nosec B603
        ["/bin/sh", "-c", _SCRIPT, "sh", *names],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
        timeout=_SECONDS,
        # With the user's groups alone: root's groups would open files that the CE cannot open.
        user=user.pw_uid,
        group=user.pw_gid,
        extra_groups=os.getgrouplist(user.pw_name, user.pw_gid),
        env={"LC_ALL": "C"},
        cwd=root,
    )
    return done.stdout.split(b"\0")[:-1]
