"""Only plain files are read, whatever others put in their place."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from threads import end
from vomap import Error
from vomap.files.regular import LARGEST_FILE
from vomap.mapfile.files import UnreadableFileError, read_files


def refusal(path: Path) -> str:
    """Return why a path is not read; what would wait for ever fails."""
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
    """A site links what it trusts, perhaps by resolved of another link, and from another folder."""
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "real.yaml").write_text("x")
    (tmp_path / "d" / "link.yaml").symlink_to("real.yaml")
    (tmp_path / "m.yaml").symlink_to("d/link.yaml")
    assert [read_files([str(tmp_path / name)])[0].text for name in ("d/real.yaml", "m.yaml")] == ["x", "x"]


def test_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    """Root's build must not hang because somebody put a FIFO in the mapfile's place."""
    os.mkfifo(tmp_path / "m.yaml")
    assert "is not a regular file" in refusal(tmp_path / "m.yaml")


def test_a_device_is_not_read(tmp_path: Path) -> None:
    """It would never end."""
    (tmp_path / "m.yaml").symlink_to("/dev/zero")
    assert "is not a regular file" in refusal(tmp_path / "m.yaml")


def test_a_link_of_another_users_leads_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever may write a mapfile must not have root read what he himself cannot, and tell of it in its errors."""
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
    """Links are followed one by one, and not for ever."""
    (tmp_path / "m.yaml").symlink_to("m.yaml")
    with pytest.raises(UnreadableFileError, match="its links form a circle"):
        read_files([str(tmp_path / "m.yaml")])


def test_what_is_too_large_is_an_error(tmp_path: Path) -> None:
    """A file without an end, which takes no room on the disk, must not fill the memory."""
    path = tmp_path / "m.yaml"
    path.touch()
    os.truncate(path, LARGEST_FILE + 1)
    assert "is larger than 1024 MiB" in refusal(path)
