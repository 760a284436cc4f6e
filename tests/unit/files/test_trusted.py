"""To find who can write a file, vomap checks the open file and each step of the path to it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from owners import ANOTHER, OTHER, Owners, other_owners
from vomap import Error
from vomap.files import regular
from vomap.files.regular import PathStep, ResolvedPath
from vomap.files.trusted import OURS, Custody, judge_file, judge_folder, judge_new
from vomap.mapfile.files import read_files

US = os.geteuid()


@pytest.fixture
def owners() -> Iterator[Owners]:
    """Return an object that changes the owner of files."""
    with other_owners() as owners:
        yield owners


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a mapfile of the current user in two folders of the current user."""
    folder = tmp_path / "site" / "mapfiles.d"
    folder.mkdir(mode=0o755, parents=True)
    path = folder / "10-site.yaml"
    path.write_text("mapfile: 1\n")
    for each, mode in ((path, 0o644), (folder, 0o755), (folder.parent, 0o755)):
        each.chmod(mode)
    return path


def custody(path: Path) -> Custody:
    """Read a file, and return its custody: the users who can have written it."""
    return read_files([str(path)])[0].custody


def fault(path: Path) -> str:
    """Return the only fault of a file."""
    (fault,) = custody(path).faults
    return fault


def test_our_own(file: Path, owners: Owners) -> None:
    """A file of root or of the builder has no restrictions if its folders also belong to them."""
    assert custody(file) == OURS
    owners.give(file, 0)
    owners.give(file.parent, 0)
    assert custody(file) == OURS


def test_the_builders_own(file: Path, owners: Owners) -> None:
    """A builder trusts the files of its own user. Other builders do not trust them."""
    for each in (file, file.parent, file.parent.parent):
        owners.give(each)
    resolved = regular.read_regular_file(str(file))[1]
    refused = [fault for builder in (OTHER, ANOTHER) for fault in judge_file(resolved, builder).faults]
    assert [str(file.parent.parent) in fault for fault in refused if f"user {OTHER}," in fault] == [True]


@pytest.mark.parametrize("mode", [0o666, 0o664, 0o646, 0o622, 0o1666])
def test_a_file_that_others_can_write(file: Path, mode: int) -> None:
    """`judge_file` refuses a file that other users can write, and gives the command. The sticky bit does not help."""
    file.chmod(mode)
    told = f"other users can write this file (mode {mode:04o}); expected 0644: `chmod go-w {file}`"
    assert custody(file) == Custody(faults=(told,))


@pytest.mark.parametrize("mode", [0o777, 0o775, 0o757])
@pytest.mark.parametrize("depth", [0, 1])
def test_a_folder_that_others_can_write(file: Path, mode: int, depth: int) -> None:
    """`judge_file` refuses a file in a folder that other users can write, unless the folder has the sticky bit."""
    folder = file.parents[depth]
    folder.chmod(mode)
    assert fault(file) == (
        f"other users can replace files in the folder {folder} (mode {mode:04o}); expected 0755: `chmod go-w {folder}`"
    )
    folder.chmod(mode | stat.S_ISVTX)
    assert custody(file) == OURS


def test_a_path_with_blanks_is_quoted(tmp_path: Path) -> None:
    """The printed command quotes the path, so that the administrator can type it."""
    path = tmp_path / "my mapfile.yaml"
    path.touch(0o644)
    path.chmod(0o666)
    assert fault(path).endswith(f"`chmod go-w '{path}'`")


@pytest.mark.parametrize("given", [("file",), ("folder",), ("file", "folder")])
def test_a_file_and_its_folder_of_one_other_user(file: Path, owners: Owners, given: tuple[str, ...]) -> None:
    """A file is foreign if another user owns the file or its folder, because that user can replace it."""
    paths = {"file": file, "folder": file.parent}
    for each in given:
        owners.give(paths[each])
    found = custody(file)
    assert (found.owner, found.faults) == (f"the user {OTHER}", ())
    assert found.chown.split()[2:] == [str(paths[each]) for each in given]


def test_one_other_user_only(file: Path, owners: Owners) -> None:
    """`judge_file` refuses a file of one user in a folder of another user."""
    owners.give(file)
    owners.give(file.parent, ANOTHER)
    told = fault(file)
    assert f"this file belongs to the user {OTHER} and its folder to the user {ANOTHER}" in told
    assert told.endswith(f" {file} {file.parent}`")


def test_a_farther_folder_of_another_user(file: Path, owners: Owners) -> None:
    """Another user may own the file's own folder, but not the folders above it."""
    owners.give(file.parents[1])
    told = fault(file)
    assert told.startswith(f"the folder {file.parents[1]} belongs to the user {OTHER}, who can replace this file; ")
    assert told.endswith(f" {file.parents[1]}`")
    assert ": `chown " in told


@pytest.mark.parametrize("mode", [0o1777, 0o1775])
def test_a_foreign_file_where_everybody_may_put_files(file: Path, owners: Owners, mode: int) -> None:
    """In a sticky folder, vomap trusts the builder's file. It refuses another user's file, as any user can add one."""
    file.parent.chmod(mode)
    assert custody(file) == OURS
    owners.give(file)
    assert f"belongs to the user {OTHER} and is in {file.parent}, where other users may put files" in fault(file)


def test_a_foreign_folder_where_everybody_may_put_files(file: Path, owners: Owners) -> None:
    """`judge_file` refuses another user's folder inside a sticky folder, because any user can have made it."""
    file.parents[1].chmod(0o1777)
    assert custody(file) == OURS
    owners.give(file.parent)
    assert f"the folder {file.parent} belongs to the user {OTHER} and is in {file.parents[1]}" in fault(file)


def test_as_the_packages_have_it(file: Path, tmp_path: Path, owners: Owners) -> None:
    """Root's link may lead to the refreshed mapfile, which belongs to the service together with its folder."""
    state = tmp_path / "state" / "mapfiles"
    state.mkdir(parents=True)
    (state / "osg.yaml").write_text("mapfile: 1\n")
    (state / "osg.yaml").chmod(0o644)
    link = file.with_name("50-osg.yaml")
    link.symlink_to(state / "osg.yaml")
    for each in (state, state / "osg.yaml"):
        owners.give(each)
    found = custody(link)
    assert (found.owner, found.faults) == (f"the user {OTHER}", ())
    assert found.chown.endswith(f" {state / 'osg.yaml'} {state}")
    # vomap also checks the link's own folder, which may not belong to another user.
    owners.give(file.parent)
    assert fault(link).startswith(f"the folder {file.parent} belongs to the user {OTHER}")


@pytest.mark.parametrize("where", ["link", "middle", "end"])
def test_each_folder_of_a_chain_of_links(tmp_path: Path, where: str) -> None:
    """`judge_file` refuses a path if other users can write the folder of any of its links."""
    for name in ("link", "middle", "end"):
        (tmp_path / name).mkdir()
    (tmp_path / "end" / "m.yaml").touch(0o644)
    (tmp_path / "middle" / "m.yaml").symlink_to("../end/m.yaml")
    (tmp_path / "link" / "m.yaml").symlink_to(tmp_path / "middle" / "m.yaml")
    path = tmp_path / "link" / "m.yaml"
    assert custody(path) == OURS
    (tmp_path / where).chmod(0o777)
    assert f"replace files in the folder {tmp_path / where} " in fault(path)


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_links_of_another_user(file: Path, tmp_path: Path, owners: Owners, kind: str) -> None:
    """`read_files` does not follow links of another user, neither to a file nor to a folder."""
    link = tmp_path / "link"
    link.symlink_to(file if kind == "file" else file.parent)
    path = link if kind == "file" else link / file.name
    assert custody(path) == OURS
    owners.give(link)
    with pytest.raises(Error, match="link: is a link of another user;"):
        custody(path)


def test_a_link_of_ours_is_no_root_builders(tmp_path: Path) -> None:
    """A link must belong to root or to the builder, and not to the user who runs `status`."""
    root = PathStep("/", 0, stat.S_IFDIR | 0o755)
    link = PathStep("/m.yaml", OTHER, stat.S_IFLNK | 0o777, root)
    file = PathStep("/real.yaml", 0, stat.S_IFREG | 0o644, root)
    (told,) = judge_file(ResolvedPath((root, link, file), file), 0).faults
    assert told.startswith(f"the link /m.yaml belongs to the user {OTHER}")
    assert told.endswith(": `chown -h root /m.yaml`")
    assert judge_file(ResolvedPath((root, link, file), file), OTHER) == OURS


def test_what_is_judged_is_what_is_read(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If another user replaces the file before vomap opens it, vomap checks the file that it opened."""
    opened = os.open

    def exchange(path: str, flags: int, *more: int, dir_fd: int | None = None) -> int:
        if flags == regular._READ:
            file.unlink()
            file.write_text("theirs")
            file.chmod(0o666)
        return opened(path, flags, *more, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", exchange)
    (read,) = read_files([str(file)])
    assert read.text == "theirs"
    assert "other users can write this file (mode 0666)" in read.custody.faults[0]


def test_a_file_exchanged_for_a_fifo(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If another user replaces the file with a FIFO, `read_files` refuses it without waiting."""
    opened = os.open

    def exchange(path: str, flags: int, *more: int, dir_fd: int | None = None) -> int:
        if flags == regular._READ:
            file.unlink()
            os.mkfifo(file)
        return opened(path, flags, *more, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", exchange)
    with pytest.raises(Error, match="is not a regular file"):
        custody(file)


def test_paths_that_go_up_and_down(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path and a path with `..` or `.` lead to the same file and the same checks."""
    monkeypatch.chdir(file.parent)
    for path in (file.name, f"./{file.name}", f"../mapfiles.d//{file.name}", f"{file.parents[1]}/x/../mapfiles.d/m"):
        (file.parents[1] / "x").mkdir(exist_ok=True)
        (file.parent / "m").unlink(missing_ok=True)
        (file.parent / "m").symlink_to(file.name)
        assert custody(Path(path)) == OURS
        assert regular.read_regular_file(path)[1].end.path == str(file)
    assert regular.resolve_folder("/../..").end.path == "/"


def test_a_folder_of_bans(file: Path, owners: Owners) -> None:
    """`judge_folder` checks the folder of bans itself, because other users could remove files from it."""
    folder = file.parent
    assert judge_folder(str(folder), US) == ()
    folder.chmod(0o777)
    assert len(judge_folder(str(folder), US)) == 1
    folder.chmod(0o755)
    owners.give(folder)
    (told,) = judge_folder(str(folder), US)
    assert told.startswith(f"the folder {folder} belongs to the user {OTHER}")


def test_a_file_that_is_yet_to_be(file: Path, owners: Owners) -> None:
    """A new file counts as another user's file before it exists, because root's build will see it so."""
    new = file.with_name("new.yaml")
    link = file.with_name("link.yaml")
    link.symlink_to("new.yaml")
    for path in (new, link, file):
        found = judge_new(str(path), US)
        assert found.owner is not None
        assert found.faults == ()
        assert found.chown.startswith("chown root ")
    owners.give(file.parent)
    assert judge_new(str(new), US).owner == f"the user {OTHER}"
    file.parent.chmod(0o777)
    assert len(judge_new(str(new), US).faults) == 1
    with pytest.raises(regular.UnreadableFileError):
        judge_new(str(file.parent / "none" / "new.yaml"), US)
