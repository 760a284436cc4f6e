"""The commit of a checkout is read without its configuration: the author of the folder runs no command here."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Callable

import pytest

from osg_mapfile import generate
from vomap.osg.checkout import read_commit
from vomap.osg.files import read_folder
from vomap.osg.provenance import Provenance, find_provenance

WriteTopology = Callable[..., Path]
WriteEntry = Callable[..., str]
# Seconds. A hang would take for ever.
PATIENCE = 60


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder, without the user's configuration."""
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    command = ["git", *identity, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def checkout(write_topology: WriteTopology, entry: WriteEntry) -> Path:
    """Return a checkout with a commit."""
    folder = write_topology(A=entry())
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "x")
    return folder


@pytest.fixture
def trap(tmp_path: Path) -> tuple[str, Path]:
    """Return a command, and the file that it would make."""
    made = tmp_path / "made-by-the-folder"
    script = tmp_path / "trap"
    script.write_text(f"#!/bin/sh\n: > {made}\ncat\n")
    script.chmod(0o755)
    return str(script), made


def provenance(checkout: Path) -> Provenance:
    """Return the provenance of a checkout's VO files."""
    return find_provenance(read_folder(checkout))


@pytest.mark.parametrize("driver", ["clean", "smudge", "process"])
def test_a_filter_of_the_folder_does_not_run(checkout: Path, trap: tuple[str, Path], driver: str) -> None:
    """A filter that the folder's own configuration names is a command of a stranger."""
    command, made = trap
    (checkout / ".gitattributes").write_text("*.yaml filter=evil diff=evil\n")
    git(checkout, "config", f"filter.evil.{driver}", command)
    git(checkout, "config", "filter.evil.required", "true")
    git(checkout, "config", "diff.evil.textconv", command)
    file = checkout / "virtual-organizations" / "A.yaml"
    os.utime(file, (1, 1))
    assert not provenance(checkout).changed
    file.write_text("{}")
    assert provenance(checkout).changed
    assert not made.exists()


@pytest.mark.parametrize(
    "keys",
    [
        {"core.fsmonitor": "COMMAND"},
        {"core.sshCommand": "COMMAND", "core.gitProxy": "COMMAND"},
        {"core.pager": "COMMAND", "pager.cat-file": "COMMAND", "pager.log": "true"},
        {"alias.cat-file": "!COMMAND", "alias.status": "!COMMAND"},
        {"gpg.program": "COMMAND", "log.showSignature": "true"},
        {"core.editor": "COMMAND", "core.askPass": "COMMAND", "credential.helper": "!COMMAND"},
        {"include.path": "evil"},
    ],
    ids=lambda keys: str(next(iter(keys))),
)
def test_no_key_of_the_folders_configuration_is_a_command(
    checkout: Path, trap: tuple[str, Path], keys: dict[str, str]
) -> None:
    """Each key that names a command, directly or in an included file, has no effect."""
    command, made = trap
    (checkout / ".git" / "evil").write_text(f"[core]\n\tfsmonitor = {command}\n\thooksPath = {made.parent}\n")
    for key, value in keys.items():
        git(checkout, "config", key, value.replace("COMMAND", command))
    assert provenance(checkout).commit != "unknown"
    assert not made.exists()


def test_no_hook_of_the_folder_runs(checkout: Path, trap: tuple[str, Path]) -> None:
    """`git status` writes the index and then runs a hook."""
    command, made = trap
    hooks = checkout / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("post-index-change", "reference-transaction", "fsmonitor-watchman", "query-watchman"):
        (hooks / name).unlink(missing_ok=True)
        (hooks / name).symlink_to(command)
    git(checkout, "config", "core.fsmonitor", str(hooks / "fsmonitor-watchman"))
    os.utime(checkout / "virtual-organizations" / "A.yaml", (1, 1))
    assert not provenance(checkout).changed
    assert not made.exists()


def test_no_missing_object_is_fetched(checkout: Path, trap: tuple[str, Path]) -> None:
    """The remote of a partial clone would be asked for a missing object, by a command that the folder names."""
    command, made = trap
    commit = git(checkout, "rev-parse", "HEAD").strip()
    for key, value in {
        "core.repositoryFormatVersion": "1",
        "extensions.partialClone": "origin",
        "remote.origin.promisor": "true",
        "remote.origin.url": "ssh://example.org/x",
        "remote.origin.uploadpack": command,
        "core.sshCommand": command,
    }.items():
        git(checkout, "config", key, value)
    (checkout / ".git" / "objects" / commit[:2] / commit[2:]).unlink()
    assert provenance(checkout) == Provenance()
    assert not made.exists()


def test_a_variable_of_git_is_no_command(
    checkout: Path, trap: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hook, or a user's profile, sets variables that would lead git elsewhere."""
    command, made = trap
    expected = provenance(checkout)
    for name, value in {
        "GIT_DIR": "/nowhere",
        "GIT_OBJECT_DIRECTORY": "/nowhere",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.fsmonitor",
        "GIT_CONFIG_VALUE_0": command,
        "GIT_EXTERNAL_DIFF": command,
        "GIT_PAGER": command,
        "GIT_SSH_COMMAND": command,
        "GIT_TRACE": str(made),
    }.items():
        monkeypatch.setenv(name, value)
    assert provenance(checkout) == expected
    assert expected.commit != "unknown"
    assert not made.exists()


def test_a_replacement_does_not_count(checkout: Path) -> None:
    """`git replace` shows another commit under the id of the first."""
    expected = provenance(checkout)
    first = git(checkout, "rev-parse", "HEAD").strip()
    (checkout / "virtual-organizations" / "B.yaml").write_text("{}")
    git(checkout, "add", ".")
    git(checkout, "commit", "-qm", "y")
    second = git(checkout, "rev-parse", "HEAD").strip()
    git(checkout, "reset", "-q", "--hard", first)
    git(checkout, "replace", first, second)
    assert provenance(checkout) == expected
    assert not expected.changed


def forge(checkout: Path, stored: str, other: str) -> None:
    """Store an object under the id of another one. git does not compare them."""
    path = checkout / ".git" / "objects" / stored[:2] / stored[2:]
    path.chmod(0o644)
    path.write_bytes((checkout / ".git" / "objects" / other[:2] / other[2:]).read_bytes())


@pytest.mark.parametrize("name", ["", "^{tree}", ":virtual-organizations"], ids=["commit", "root", "folder"])
def test_an_object_under_another_id_is_no_commit(checkout: Path, name: str) -> None:
    """The mapfile would say that its VO files are those of a commit that others know, such as one of GitHub."""
    first = git(checkout, "rev-parse", "HEAD").strip()
    genuine = git(checkout, "rev-parse", f"HEAD{name}").strip()
    (checkout / "virtual-organizations" / "B.yaml").write_text("{}")
    git(checkout, "add", ".")
    git(checkout, "commit", "-qm", "y")
    forged = git(checkout, "rev-parse", f"HEAD{name}").strip()
    (checkout / ".git" / "HEAD").write_text(first)
    assert provenance(checkout).changed
    forge(checkout, genuine, forged)
    assert provenance(checkout) == Provenance()


def test_a_folder_that_the_commit_does_not_have(checkout: Path) -> None:
    """A commit without the folder, or with a file of that name, says nothing about these VO files."""
    git(checkout, "rm", "-rq", "--cached", "virtual-organizations")
    git(checkout, "commit", "-qm", "y", "--allow-empty")
    assert provenance(checkout) == Provenance()


@pytest.mark.parametrize("prepare", [["gc", "-q"], ["pack-refs", "--all"], ["checkout", "-q", "--detach"]])
def test_packed_and_detached(checkout: Path, prepare: list[str]) -> None:
    """Packed objects, packed refs and a detached HEAD give the same commit."""
    expected = provenance(checkout)
    git(checkout, *prepare)
    assert provenance(checkout) == expected
    assert expected.commit == git(checkout, "rev-parse", "HEAD").strip()


def test_a_linked_worktree_and_a_shared_clone(checkout: Path, tmp_path: Path) -> None:
    """The objects of a worktree, and of a clone with alternates, are in another repository."""
    expected = provenance(checkout)
    git(checkout, "worktree", "add", "-q", "--detach", str(tmp_path / "tree"))
    git(tmp_path, "clone", "-q", "--shared", str(checkout), str(tmp_path / "clone"))
    assert provenance(tmp_path / "tree") == expected
    assert provenance(tmp_path / "clone") == expected


def test_ids_of_sha256(write_topology: WriteTopology, entry: WriteEntry) -> None:
    """Git can name objects by sha256."""
    folder = write_topology(A=entry())
    git(folder, "init", "-q", "--object-format=sha256")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "x")
    found = provenance(folder)
    assert (len(found.commit), found.changed) == (64, False)


def test_every_difference_is_a_change(checkout: Path) -> None:
    """A file that is gone, or that is a link in the commit, makes the files others than those of the commit."""
    folder = checkout / "virtual-organizations"
    text = (folder / "A.yaml").read_text()
    (folder / "A.yaml").rename(folder / "B.yaml")
    assert provenance(checkout).changed
    (folder / "B.yaml").unlink()
    (folder / "A.yaml").symlink_to(checkout / "elsewhere")
    git(checkout, "add", ".")
    git(checkout, "commit", "-qm", "x")
    (folder / "A.yaml").unlink()
    (folder / "A.yaml").write_text(text)
    assert provenance(checkout).changed


@pytest.mark.parametrize(
    "head",
    [
        "",
        "x",
        "ref: refs/heads/../../../secret",
        "ref: ../config",
        "ref: refs/heads/gone",
        "0" * 40,
        "ref: refs/heads/a\nb",
        "ref: HEAD",
    ],
)
def test_a_strange_head_is_unknown(checkout: Path, head: str) -> None:
    """A HEAD that names no commit here gives none."""
    (checkout / ".git" / "secret").write_text("1" * 40)
    (checkout / ".git" / "HEAD").write_text(head)
    assert provenance(checkout) == Provenance()


@pytest.mark.parametrize("name", ["HEAD", "commondir", "packed-refs", "refs/heads/main", "objects/info/alternates"])
def test_a_fifo_is_not_waited_for(checkout: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A FIFO in place of a file of git's would wait for its other end for ever."""
    monkeypatch.setattr("vomap.osg.checkout._GIT_SECONDS", 1)
    path = checkout / ".git" / name
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    begun = time.monotonic()
    read_commit(checkout / "virtual-organizations")
    assert time.monotonic() - begun < PATIENCE


def test_a_very_large_tree_is_not_read(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tree of millions of entries would fill the memory."""
    monkeypatch.setattr("vomap.osg.checkout._LARGEST_OBJECT", 10)
    assert provenance(checkout) == Provenance()


def test_the_mapfile_names_the_commit(checkout: Path) -> None:
    """The comment at the top of the mapfile has it."""
    commit = git(checkout, "rev-parse", "HEAD").strip()
    assert f"# commit: {commit}\n" in generate(str(checkout)).text
