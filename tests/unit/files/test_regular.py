"""`read_files` reads only regular files, even if another user puts a FIFO, a device or a link in their place."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from owners import other_owners
from threads import end
from vomap import Error
from vomap.files.regular import LARGEST_FILE, LARGEST_FOREIGN, UnreadableFileError
from vomap.mapfile.files import read_files


def refusal(path: Path) -> str:
    """Return the reason why vomap does not read a path. The test fails if the read waits for ever."""
    caught: list[str] = []

    def read() -> None:
        try:
            read_files([str(path)])
        except Error as error:
            caught.append(str(error))

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    end(thread, seconds=10)
    assert caught, "was read"
    return caught[0]


def test_a_file_and_a_link_of_ours_are_read(tmp_path: Path) -> None:
    """`read_files` follows links of the site, also a link to a link and a link in another folder."""
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "real.yaml").write_text("x")
    (tmp_path / "d" / "link.yaml").symlink_to("real.yaml")
    (tmp_path / "m.yaml").symlink_to("d/link.yaml")
    assert [read_files([str(tmp_path / name)])[0].text for name in ("d/real.yaml", "m.yaml")] == ["x", "x"]


def test_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    """`read_files` does not wait for a FIFO in place of the mapfile, because root's build must not hang."""
    os.mkfifo(tmp_path / "m.yaml")
    assert "is not a regular file" in refusal(tmp_path / "m.yaml")


def test_a_device_is_not_read(tmp_path: Path) -> None:
    """`read_files` does not read a device, because a device may have no end."""
    (tmp_path / "m.yaml").symlink_to("/dev/zero")
    assert "is not a regular file" in refusal(tmp_path / "m.yaml")


def test_a_link_of_another_users_leads_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`read_files` refuses another user's link, because an error could show a file that only root may read."""
    (tmp_path / "secret").write_text("secret")
    link = tmp_path / "m.yaml"
    link.symlink_to("secret")
    if os.geteuid() == 0:
        os.chown(link, 4711, 4711, follow_symlinks=False)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 4711)
    told = refusal(link)
    assert "is a link of another user;" in told
    assert "secret" not in told


def test_a_link_to_itself_is_an_error(tmp_path: Path) -> None:
    """`read_files` refuses a link that leads to itself."""
    (tmp_path / "m.yaml").symlink_to("m.yaml")
    with pytest.raises(UnreadableFileError, match="its links form a circle"):
        read_files([str(tmp_path / "m.yaml")])


def test_what_is_too_large_is_an_error(tmp_path: Path) -> None:
    """`read_files` refuses a file that is too large, because a sparse file could fill the memory."""
    path = tmp_path / "m.yaml"
    path.touch()
    os.truncate(path, LARGEST_FILE + 1)
    assert "is larger than 1024 MiB" in refusal(path)


@pytest.mark.parametrize("given", ["file", "folder"])
def test_a_file_of_another_user_has_a_smaller_limit(tmp_path: Path, given: str) -> None:
    """Another user could make it large, to fill the memory of root's build."""
    path = tmp_path / "d" / "m.yaml"
    path.parent.mkdir()
    path.touch()
    os.truncate(path, LARGEST_FOREIGN + 1)
    assert len(read_files([str(path)])[0].text) == LARGEST_FOREIGN + 1
    with other_owners() as owners:
        owners.give(path if given == "file" else path.parent)
        assert "is larger than 16 MiB, the limit for a file or folder of another user; split it" in refusal(path)
        os.truncate(path, LARGEST_FOREIGN)
        assert len(read_files([str(path)])[0].text) == LARGEST_FOREIGN
