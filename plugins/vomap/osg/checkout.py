"""Read the commit of a git checkout, without its configuration and hooks: others may have written these.

`git status` runs commands that the configuration of the checkout names: filters, an fsmonitor, a transport for missing
objects. vomap reads `HEAD` and the refs itself. git then reads three objects, in an empty repository that has the
objects of the checkout and none of its configuration. git does not check that an object has the id under which it is
stored. So vomap computes the ids of the objects, and those of the files.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from vomap.osg.files import read_regular

_ID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?", re.ASCII)
_REF = re.compile(r"refs/[A-Za-z0-9][A-Za-z0-9_./@+-]{0,250}", re.ASCII)
_ROOT_TREE = re.compile(rb"tree ((?:[0-9a-f]{40}|[0-9a-f]{64}))$", re.MULTILINE)
_COMMITTER = re.compile(rb"^committer [^\n]*> ([0-9]{1,12}) [+-][0-9]{4}$", re.MULTILINE)
_HEAD, _REF_MARK, _GITDIR_MARK = "HEAD", "ref: ", "gitdir: "
# HEAD names a branch. Chains of symbolic refs are legal, and short.
_MOST_REFS = 5
# The largest files and objects that vomap reads here. The topology has 130 VO files.
_LARGEST_REFS = 1 << 24
_LARGEST_OBJECT = 1 << 22
_GIT_SECONDS = 20
_REGULAR = (b"100644", b"100755")
_TREE = b"40000"


@dataclass(frozen=True)
class CheckedOutCommit:
    """The commit of a checkout: its id, its time in seconds since 1970, and the blob id of each file in one folder.

    The id is None for what is not a regular file.
    """

    id: str
    time: int
    blobs: Mapping[str, str | None]

    def is_changed(self, contents: Mapping[str, bytes], names: set[str]) -> bool:
        """Return True if the folder has other files of these names, or other content, than the commit."""
        committed = {name: self.blobs[name] for name in names & self.blobs.keys()}
        return committed != {name: _object_id("blob", content, len(self.id)) for name, content in contents.items()}


def read_commit(folder: Path) -> CheckedOutCommit | None:
    """Return the commit whose files a folder has, or None if the folder is not at the top of a checkout.

    It also returns None for a checkout that vomap cannot read, such as one whose refs are in a `reftable`.
    """
    real = Path(os.path.realpath(folder))
    try:
        places = _find_git_folders(real.parent / ".git")
        commit = places and _resolve_head(*places)
        return _read_objects(places[1] / "objects", commit, real.name) if places and commit else None
    except (OSError, UnicodeDecodeError, ValueError, subprocess.SubprocessError):
        return None


def _find_git_folders(git: Path) -> tuple[Path, Path] | None:
    """Return git's folder of this checkout, and the one with objects and refs. A linked worktree has two."""
    if git.is_file():
        target = _read_small(git).strip()
        if not target.startswith(_GITDIR_MARK):
            return None
        git = git.parent / target[len(_GITDIR_MARK) :]
    common = git / "commondir"
    return (git, git / _read_small(common).strip() if common.is_file() else git) if git.is_dir() else None


def _resolve_head(git: Path, common: Path) -> str | None:
    """Return the id of the commit of HEAD."""
    text = _read_small(git / _HEAD).strip()
    for _ in range(_MOST_REFS):
        if not text.startswith(_REF_MARK):
            break
        name = text[len(_REF_MARK) :]
        if not _REF.fullmatch(name) or ".." in name:
            return None
        places = [path for path in (git / name, common / name) if path.is_file()]
        text = _read_small(places[0]).strip() if places else _packed_ref(common / "packed-refs", name)
    return text if _ID.fullmatch(text) else None


def _packed_ref(path: Path, name: str) -> str:
    lines = _read_small(path).splitlines() if path.is_file() else []
    return next((line.partition(" ")[0] for line in lines if line.partition(" ")[2] == name), "")


def _read_small(path: Path) -> str:
    """Return the text of a regular file. Raises ValueError for anything else, and for a large file."""
    content = read_regular(path, _LARGEST_REFS + 1)
    if len(content) > _LARGEST_REFS:
        raise ValueError(path)
    return content.decode("utf-8")


def _read_objects(objects: Path, commit: str, folder: str) -> CheckedOutCommit | None:
    """Return the commit with the blobs of one of its folders, or None if an object is missing, forged or too large."""
    with tempfile.TemporaryDirectory(prefix="vomap-git-") as empty:
        _write_empty_repository(Path(empty), len(commit))
        header = _read_object(empty, objects, "commit", commit).partition(b"\n\n")[0]
        root, time = _ROOT_TREE.match(header), _COMMITTER.search(header)
        if root is None or time is None:
            return None
        entries = _entries(_read_object(empty, objects, "tree", root.group(1).decode("ascii")), len(commit) // 2)
        subtree = next((id_ for mode, name, id_ in entries if (mode, name) == (_TREE, folder)), None)
        if subtree is None:
            return None
        files = _entries(_read_object(empty, objects, "tree", subtree), len(commit) // 2)
        blobs = {name: id_ if mode in _REGULAR else None for mode, name, id_ in files}
    return CheckedOutCommit(commit, int(time.group(1)), blobs)


def _read_object(repository: str, objects: Path, kind: str, id_: str) -> bytes:
    """Return the content of an object. Raises ValueError for a missing or large one, and for one with another id."""
    sizes = _ask_git(repository, objects, id_, "--batch-check=%(objecttype) %(objectsize)")
    found, _, size = sizes.decode("ascii").strip().partition(" ")
    if found != kind or int(size) > _LARGEST_OBJECT:
        raise ValueError(id_)
    # git writes an empty line before the object, and a line break after it.
    content = _ask_git(repository, objects, id_, "--batch=")[1:-1]
    if _object_id(kind, content, len(id_)) != id_:
        raise ValueError(id_)
    return content


def _write_empty_repository(folder: Path, length: int) -> None:
    """Write a repository without refs, for ids of this length: 40 digits of sha1, or 64 of sha256."""
    (folder / "refs").mkdir()
    (folder / _HEAD).write_text("ref: refs/heads/none\n", encoding="ascii")
    extensions = "[extensions]\nobjectformat = sha256\n" if length == hashlib.sha256().digest_size * 2 else ""
    version = 1 if extensions else 0
    (folder / "config").write_text(f"[core]\nrepositoryformatversion = {version}\nbare = true\n{extensions}", "ascii")


def _ask_git(repository: str, objects: Path, id_: str, option: str) -> bytes:
    """Return what `git cat-file` prints. Only the variables here reach git: each `GIT_*` could name a command."""
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "GIT_DIR": repository,
        "GIT_OBJECT_DIRECTORY": str(objects),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
    }
    done = subprocess.run(  # noqa: S603 - a fixed command, no shell  # nosec B603, B607
        ["git", "cat-file", option],  # noqa: S607 - git is wherever the administrator has it
        input=f"{id_}\n".encode("ascii"),
        env=environment,
        cwd=repository,
        capture_output=True,
        timeout=_GIT_SECONDS,
        check=True,
    )
    return done.stdout


def _entries(tree: bytes, length: int) -> Iterator[tuple[bytes, str, str]]:
    """Yield the mode, name and id in a tree object: `MODE NAME`, a zero byte, and the id in `length` bytes."""
    position = 0
    while position < len(tree):
        end = tree.index(b"\0", position)
        mode, _, name = tree[position:end].partition(b" ")
        position = end + 1 + length
        yield mode, os.fsdecode(name), tree[end + 1 : position].hex()


def _object_id(kind: str, content: bytes, digits: int) -> str:
    """Return git's id of an object (gitformat: `KIND SIZE`, a zero byte, the content)."""
    data = b"%s %d\0" % (kind.encode("ascii"), len(content)) + content
    if digits == hashlib.sha256().digest_size * 2:
        return hashlib.sha256(data).hexdigest()
    # An id of git. FIPS mode knows no sha1 without the flag.
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()
