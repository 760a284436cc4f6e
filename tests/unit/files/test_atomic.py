"""`replace_file` replaces a file in one step. `read_trusted` reads only files that no other user can have written."""

from __future__ import annotations

import os
import posix
import resource
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from vomap import files
from vomap.files import FileError, atomic, open_trusted
from vomap.files.atomic import put_in_place, read_trusted, replace_file, stage
from vomap.files.lock import locked

ROOT = os.geteuid() == 0
SOMEBODY = 12345


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder that other users cannot write."""
    folder = tmp_path / "built"
    folder.mkdir(mode=0o755)
    return folder


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_a_new_file(folder: Path, mask: int) -> None:
    """A new file is complete and readable by all users, with any umask."""
    old = os.umask(mask)
    try:
        replace_file(str(folder / "f"), b"content")
    finally:
        os.umask(old)
    assert (folder / "f").read_bytes() == b"content"
    assert stat.S_IMODE((folder / "f").stat().st_mode) == 0o644
    assert _names(folder) == ["f"]


def test_an_old_file(folder: Path) -> None:
    """`replace_file` replaces an old file. A process that has the old file open still reads the old content."""
    path = folder / "f"
    path.write_bytes(b"old")
    path.chmod(0o600)
    with path.open("rb") as reader:
        replace_file(str(path), b"new", 0o640)
        assert reader.read() == b"old"
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_file_of_the_working_directory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path without a folder names a file in the working directory."""
    monkeypatch.chdir(folder)
    replace_file("f", b"")
    assert _names(folder) == ["f"]


def test_a_link_is_replaced(folder: Path) -> None:
    """`replace_file` replaces a link, and does not change the target of the link."""
    (folder / "target").write_bytes(b"target")
    (folder / "f").symlink_to("target")
    replace_file(str(folder / "f"), b"new")
    assert (folder / "target").read_bytes() == b"target"
    assert not (folder / "f").is_symlink()


@pytest.mark.parametrize("broken", ["fdopen", "fchmod", "fsync", "rename"])
def test_a_failure_changes_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    """A failed open or rename keeps the old file, and leaves no other file."""
    path = folder / "f"
    path.write_bytes(b"old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, broken, fail)
    with pytest.raises(FileError, match=r"f: cannot be written: No space left on device"):
        replace_file(str(path), b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert _names(folder) == ["f"]


def test_a_full_disk(folder: Path) -> None:
    """A disk that becomes full during the write keeps the old file, and leaves no other file."""
    path = folder / "f"
    path.write_bytes(b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # A write past the limit fails as on a full disk if the process ignores the signal of the limit.
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(FileError, match=r"f: cannot be written: "):
            stage(str(path), [b"new" * 10_000] * 100)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert path.read_bytes() == b"old"
    assert _names(folder) == ["f"]


def test_an_interrupted_build(folder: Path) -> None:
    """An interrupted build leaves no file."""

    def parts() -> Iterator[bytes]:
        yield b"begin"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stage(str(folder / "f"), parts())
    assert _names(folder) == []


def test_what_a_killed_build_leaves(folder: Path) -> None:
    """`stage` removes the staged files of killed processes, and keeps those of running processes."""
    over = subprocess.Popen(["true"])
    over.wait()
    stays = ["..1.new", ".f.1.new", ".f.x.new", ".f.previous.1.new", ".f..new", ".g.999999.new", f"f.{over.pid}.new"]
    # A file with the number of this process may belong to another machine that shares the folder.
    stays += [f".f.{os.getpid()}.0a1b2c3d.new"]
    goes = [f".f.{over.pid}.new", f".f.{over.pid}.0a1b2c3d.new", f".f.{'9' * 40}.new"]
    for name in (*stays, *goes):
        (folder / name).touch()
    replace_file(str(folder / "f"), b"new")
    assert _names(folder) == sorted([*stays, "f"])


def test_what_is_no_file_is_not_replaced(folder: Path) -> None:
    """`replace_file` refuses a device, a FIFO, a folder and a link to one: root could replace /dev/null."""
    os.mkfifo(folder / "fifo")
    (folder / "folder").mkdir()
    (folder / "null").symlink_to("/dev/null")
    before = _names(folder)
    for name in before:
        with pytest.raises(FileError, match=f"{name}: cannot be written: it is not a regular file"):
            replace_file(str(folder / name), b"")
    assert _names(folder) == before
    assert (folder / "fifo").is_fifo()
    assert (folder / "null").is_symlink()


def test_content_in_parts(folder: Path) -> None:
    """`stage` accepts content in parts, and the file appears only when it is complete."""
    path = str(folder / "f")
    staged = stage(path, (b"%d " % number for number in range(3)))
    assert not (folder / "f").exists()
    put_in_place(staged, path)
    assert (folder / "f").read_bytes() == b"0 1 2 "
    assert _names(folder) == ["f"]


@pytest.mark.parametrize("path", ["none/f", "file/f", "."])
def test_no_such_folder(folder: Path, path: str) -> None:
    """A missing folder, or a file in place of the folder, is an error."""
    (folder / "file").touch()
    with pytest.raises(FileError, match="cannot be written"):
        replace_file(str(folder / path), b"")
    assert _names(folder) == ["file"]


def test_a_trusted_file(folder: Path) -> None:
    """`read_trusted` reads all content of a file that the user owns in folders that the user owns."""
    content = bytes(range(256)) * 1000
    replace_file(str(folder / "f"), content)
    assert read_trusted(str(folder / "f")) == content
    replace_file(str(folder / "f"), b"")
    assert read_trusted(str(folder / "f")) == b""


def test_a_file_that_shrinks(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a file is shorter than its size, `read_trusted` returns the content up to the end."""
    (folder / "f").write_bytes(b"content")
    (folder / "f").chmod(0o644)
    monkeypatch.setattr(atomic, "open_trusted", lambda path: (open_trusted(path)[0], 100))
    assert read_trusted(str(folder / "f")) == b"content"


def test_a_read_that_fails(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read error of the disk names the file."""
    (folder / "f").write_bytes(b"content")
    (folder / "f").chmod(0o644)

    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fdopen", fail)
    with pytest.raises(FileError, match=r"f: Input/output error"):
        read_trusted(str(folder / "f"))


@pytest.mark.parametrize("mode", [0o666, 0o664, 0o646, 0o602, 0o620])
def test_a_file_that_others_can_write(folder: Path, mode: int) -> None:
    """`read_trusted` refuses a file that other users can write."""
    (folder / "f").write_bytes(b"")
    (folder / "f").chmod(mode)
    with pytest.raises(FileError, match="other users can write it"):
        read_trusted(str(folder / "f"))


@pytest.mark.parametrize("mode", [0o777, 0o775, 0o757])
@pytest.mark.parametrize("depth", ["", "deep/er"])
def test_a_folder_that_others_can_write(folder: Path, mode: int, depth: str) -> None:
    """`read_trusted` refuses a file in a folder that other users can write, because they can replace the file."""
    below = folder / depth
    below.mkdir(mode=0o755, parents=True, exist_ok=True)
    replace_file(str(below / "f"), b"content")
    folder.chmod(mode)
    with pytest.raises(FileError, match=f"other users can write the folder {folder}"):
        read_trusted(str(below / "f"))
    # In a sticky folder, other users cannot replace the file.
    folder.chmod(mode | stat.S_ISVTX)
    assert read_trusted(str(below / "f")) == b"content"


def test_a_link_is_followed_to_its_end(folder: Path) -> None:
    """For a link, `read_trusted` checks the folders of the target."""
    loose = folder / "loose"
    loose.mkdir()
    replace_file(str(loose / "f"), b"content")
    (folder / "f").symlink_to("loose/f")
    assert read_trusted(str(folder / "f")) == b"content"
    loose.chmod(0o777)
    with pytest.raises(FileError, match="loose"):
        read_trusted(str(folder / "f"))


@pytest.mark.parametrize("first", ["middle/f", "middle/there/f"])
def test_each_folder_of_a_chain_of_links_counts(folder: Path, first: str) -> None:
    """`read_trusted` checks the folder of each link, because a user who can write it can change the link."""
    middle, end = folder / "middle", folder / "end"
    middle.mkdir()
    end.mkdir()
    replace_file(str(end / "f"), b"content")
    (middle / "f").symlink_to(end / "f")
    (middle / "there").symlink_to("../end")
    (folder / "f").symlink_to(first)
    assert read_trusted(str(folder / "f")) == b"content"
    middle.chmod(0o777)
    with pytest.raises(FileError, match=f"other users can write the folder {middle}"):
        read_trusted(str(folder / "f"))


def test_a_relative_path_is_judged_from_the_root(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For a relative path, `read_trusted` also checks the working directory and the folders above it."""
    below = folder / "below"
    below.mkdir()
    replace_file(str(below / "f"), b"content")
    monkeypatch.chdir(below)
    for path in ("f", "./f", "../below/f", ".././below/../below/f"):
        assert read_trusted(path) == b"content"
        folder.chmod(0o777)
        with pytest.raises(FileError, match=f"other users can write the folder {folder}$"):
            read_trusted(path)
        folder.chmod(0o755)


def test_what_is_no_file(folder: Path) -> None:
    """`read_trusted` refuses a folder, a FIFO, a device and a missing file without waiting."""
    os.mkfifo(folder / "fifo", 0o644)
    for path in (folder, folder / "fifo", Path(os.devnull)):
        with pytest.raises(FileError, match="not a regular file"):
            read_trusted(str(path))
    (folder / "gone").symlink_to("nowhere")
    for name in ("none", "gone"):
        with pytest.raises(FileError, match="No such file"):
            read_trusted(str(folder / name))
    (folder / "loop").symlink_to("loop")
    with pytest.raises(FileError, match="symbolic links"):
        read_trusted(str(folder / "loop"))


def test_somebody_elses_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`read_trusted` trusts files of root and of the current user only."""
    replace_file(str(folder / "f"), b"content")
    if ROOT:
        os.chown(folder / "f", SOMEBODY, -1)
    else:
        monkeypatch.setattr(posix, "geteuid", lambda: SOMEBODY)
    with pytest.raises(FileError, match="expected owner root or uid"):
        read_trusted(str(folder / "f"))


def test_somebody_elses_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`read_trusted` refuses a file in another user's folder, because the owner can write the folder with any mode."""
    replace_file(str(folder / "f"), b"content")
    owner = folder.stat().st_uid
    monkeypatch.setattr(files, "_is_ours", lambda status: stat.S_ISREG(status.st_mode) or status.st_uid != owner)
    with pytest.raises(FileError, match="other users can write the folder"):
        read_trusted(str(folder / "f"))


@pytest.mark.skipif(not ROOT, reason="only root can give a folder away")
def test_a_folder_that_was_given_away(folder: Path) -> None:
    """`read_trusted` refuses a file in another user's folder, even with the sticky bit."""
    replace_file(str(folder / "f"), b"content")
    folder.chmod(0o1755)
    os.chown(folder, SOMEBODY, -1)
    with pytest.raises(FileError, match="other users can write the folder"):
        read_trusted(str(folder / "f"))


def test_our_own_files_are_read_by_us(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user other than root and the owner does not trust a file."""
    replace_file(str(folder / "f"), b"content")
    monkeypatch.setattr(posix, "geteuid", lambda: SOMEBODY)
    if ROOT:
        assert read_trusted(str(folder / "f")) == b"content"
    else:
        with pytest.raises(FileError, match="other users can write it"):
            read_trusted(str(folder / "f"))


def test_a_replaced_file_survives_a_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`replace_file` syncs the file before the rename, and the folder after it."""
    done: list[str] = []
    rename, fsync = os.rename, os.fsync

    def synced(descriptor: int) -> None:
        done.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def renamed(old: str, new: str) -> None:
        done.append("rename")
        rename(old, new)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "rename", renamed)
    replace_file(str(tmp_path / "f"), b"x")
    assert done == ["file", "rename", "folder"]


def test_a_lock_is_the_folders_owners(tmp_path: Path) -> None:
    """The lock file belongs to the owner of the folder, so that root and the service can both lock it."""
    with locked(str(tmp_path / "mine")):
        assert stat.S_IMODE((tmp_path / "mine.lock").stat().st_mode) == 0o600
    if os.geteuid() == 0:
        os.chown(tmp_path, 4711, 4711)
        with locked(str(tmp_path / "other")):
            pass
    assert {path.stat().st_uid for path in tmp_path.glob("other.lock")} <= {4711}
    os.symlink("/etc/passwd", tmp_path / "link.lock")
    with pytest.raises(FileError), locked(str(tmp_path / "link")):
        pass
