"""A topology is read from a folder or a tarball, and its provenance is never more than can be known."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import tarfile
from pathlib import Path
from typing import Callable

import pytest

from osg_mapfile import generate
from vomap.osg import archive
from vomap.osg.files import LARGEST_FILE, MOST_FILES, TopologyError, digest, read_folder, read_regular
from vomap.osg.provenance import Provenance, find_provenance
from vomap.osg.topology import open_source

WriteTopology = Callable[..., Path]
WriteEntry = Callable[..., str]

COMMIT = "5270db32f" + "0" * 31
MTIME = 1_787_270_400  # 2026-08-21, 00:00 UTC
SNAPSHOT = """\
repository: opensciencegrid/topology
commit: 5270db32f
date: 2026-08-21
original-sha256: {original}
stripped-sha256: {stripped}
"""


def make_tar(
    path: Path, members: dict[str, str | None], *, comment: str | None = None, mtime: int = MTIME, mode: str = "w:gz"
) -> Path:
    """Write a tarball. A member without content is a symbolic link."""
    headers = {"comment": comment} if comment else {}
    with tarfile.open(path, mode, format=tarfile.PAX_FORMAT, pax_headers=headers) as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.mtime = mtime
            data = (content or "").encode()
            member.size = len(data)
            if content is None:
                member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(member, io.BytesIO(data))
    return path


def problem_of(source: Path) -> str:
    """Return why nothing can be generated from a source."""
    with pytest.raises(TopologyError) as caught:
        generate(str(source))
    return str(caught.value)


def test_a_checkout_and_its_folder_are_the_same(
    write_topology: WriteTopology, entry: WriteEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checkout, its folder of VO files, a link to it and `.` give the same bytes."""
    checkout = write_topology(A=entry())
    (checkout / "link").symlink_to("virtual-organizations")
    (checkout / "SNAPSHOT.yaml").write_text(SNAPSHOT.format(original="0" * 64, stripped="0" * 64))
    folder = checkout / "virtual-organizations"
    monkeypatch.chdir(folder)
    texts = {generate(str(source)).text for source in (checkout, folder, checkout / "link", Path("."), Path(".."))}
    assert len(texts) == 1
    assert "# commit: 5270db32f, but" in texts.pop()


def test_a_tarball_is_the_same_as_its_folder(write_topology: WriteTopology, entry: WriteEntry, tmp_path: Path) -> None:
    """A tarball, packed or not, of a checkout or of the folder alone, gives what the folder gives."""
    text = generate(str(write_topology(A=entry()))).text
    other = {"top/README.md": "x", "top/projects/B.yaml": "[", "top/virtual-organizations/README.md": "["}
    for mode, before in (("w:gz", "top/"), ("w:", "./"), ("w:", ""), ("w:gz", "a/b/c/")):
        members: dict[str, str | None] = {**other, f"{before}virtual-organizations/A.yaml": entry()}
        path = make_tar(tmp_path / "topology.tar", members, mode=mode)
        if before == "top/":
            assert generate(str(path)).text == text
        else:
            path = make_tar(path, {f"{before}virtual-organizations/A.yaml": entry()}, mode=mode)
            assert generate(str(path)).text == text


def test_git_archive_tells_the_commit(entry: WriteEntry, tmp_path: Path) -> None:
    """The comment that `git archive` writes is the commit, and its members' time the date."""
    path = make_tar(tmp_path / "t.tar.gz", {"virtual-organizations/A.yaml": entry()}, comment=COMMIT)
    text = generate(str(path)).text
    assert f"# commit: {COMMIT}\n# date: 2026-08-21\n" in text


@pytest.mark.parametrize("comment", ["x", COMMIT + "\nevil: yes", "5270DB32F", " "])
def test_another_comment_is_no_commit(entry: WriteEntry, tmp_path: Path, comment: str) -> None:
    """A comment that is not a commit is ignored."""
    path = make_tar(tmp_path / "t.tar.gz", {"virtual-organizations/A.yaml": entry()}, comment=comment)
    assert "# commit: unknown\n# date: unknown\n" in generate(str(path)).text


def test_an_impossible_time_is_unknown(entry: WriteEntry, tmp_path: Path) -> None:
    """A time outside the calendar gives no date."""
    path = make_tar(tmp_path / "t.tar.gz", {"virtual-organizations/A.yaml": entry()}, comment=COMMIT, mtime=1 << 60)
    assert f"# commit: {COMMIT}\n# date: unknown\n" in generate(str(path)).text


def test_a_tarball_with_a_snapshot(entry: WriteEntry, tmp_path: Path) -> None:
    """A SNAPSHOT.yaml beside the folder counts in a tarball as it does on disk. One in another place does not."""
    original = digest({"A.yaml": entry().encode()})
    members: dict[str, str | None] = {
        "t/virtual-organizations/A.yaml": entry(),
        "t/SNAPSHOT.yaml": SNAPSHOT.format(original=original, stripped="0" * 64),
        "SNAPSHOT.yaml": "[",
    }
    assert "# commit: 5270db32f\n" in generate(str(make_tar(tmp_path / "t.tgz", members))).text


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"a/virtual-organizations/A.yaml": "{}", "b/virtual-organizations/A.yaml": "{}"}, "two topologies"),
        ({"virtual-organizations/A.yaml": None}, "is not a regular file"),
        ({"projects/A.yaml": "{}"}, "no VO files"),
        ({}, "no VO files"),
        ({"virtual-organizations/A.yaml": "#" * (LARGEST_FILE + 1)}, "is larger than"),
    ],
)
def test_a_tarball_that_is_no_topology_is_an_error(tmp_path: Path, members: dict[str, str | None], words: str) -> None:
    """Two topologies, links, none at all and giant files are refused."""
    assert words in problem_of(make_tar(tmp_path / "t.tar.gz", members))


def test_a_member_that_is_there_twice_is_an_error(entry: WriteEntry, tmp_path: Path) -> None:
    """Of two files with one name vomap cannot know which one is meant."""
    path = make_tar(tmp_path / "t.tar", {"virtual-organizations/A.yaml": entry()}, mode="w:")
    make_tar(path, {"./virtual-organizations/A.yaml": entry()}, mode="a:")
    assert "is in the archive twice" in problem_of(path)


def test_a_member_outside_is_harmless(entry: WriteEntry, tmp_path: Path) -> None:
    """Nothing is unpacked: a path that climbs out names a file in memory, no more."""
    path = make_tar(tmp_path / "t.tar", {"../../virtual-organizations/A.yaml": entry()}, mode="w:")
    before = sorted(tmp_path.rglob("*"))
    assert "https://issuer.example.org/vo: {vo: A}" in generate(str(path)).text
    assert sorted(tmp_path.rglob("*")) == before


def test_a_tarball_that_was_cut_off_is_an_error(entry: WriteEntry, tmp_path: Path) -> None:
    """Wherever a tarball is cut, also between two members, no VO gets lost in silence."""
    members: dict[str, str | None] = {
        f"virtual-organizations/{name}.yaml": entry(URL=f"https://{name}.example.org") for name in "ABC"
    }
    plain = make_tar(tmp_path / "t.tar", members, mode="w:").read_bytes()
    packed = gzip.compress(plain)
    cut = tmp_path / "cut.tar"
    for content in [plain[:size] for size in range(0, 3 * 1024 + 1, 256)] + [packed[:-4], packed[:-20], packed[:40]]:
        cut.write_bytes(content)
        assert "cut.tar: " in problem_of(cut)
    cut.write_bytes(plain[: 3 * 1024 + 1024])
    assert generate(str(cut)).mapfile.vos == 3


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04", b"\x1f\x8bxx", bytes(512), b"\x1f\x8b" + bytes(100)])
def test_a_file_that_is_no_tarball_is_an_error(tmp_path: Path, content: bytes) -> None:
    """Another file is not a tarball, and the error says so."""
    path = tmp_path / "file"
    path.write_bytes(content)
    assert problem_of(path).startswith(f"{path}: ")


def test_a_tarball_has_limits(entry: WriteEntry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small file that unpacks to a giant one, or to very many, is refused."""
    path = make_tar(tmp_path / "t.tar.gz", {"big": "x" * 100_000, "virtual-organizations/A.yaml": entry()})
    monkeypatch.setattr(archive, "_LARGEST_ARCHIVE", 50_000)
    assert "unpacks to more than 50000 bytes" in problem_of(path)
    monkeypatch.undo()
    monkeypatch.setattr(archive, "_MOST_MEMBERS", 1)
    assert "more than 1 members" in problem_of(path)


def test_too_many_vo_files_are_an_error(write_topology: WriteTopology) -> None:
    """A folder with tens of thousands of files is something else."""
    folder = write_topology() / "virtual-organizations"
    for number in range(MOST_FILES + 1):
        (folder / f"{number}.yaml").touch()
    assert f"more than {MOST_FILES} VO files" in problem_of(folder)


def test_no_more_is_read_than_a_topology_may_have(
    write_topology: WriteTopology, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten thousand files of 256 kB would fill the memory before their sum is known."""
    folder = write_topology(**{f"A{number}": "#" * LARGEST_FILE for number in range(50)})
    opened = list[Path]()

    def counted(path: Path, largest: int) -> bytes:
        opened.append(path)
        return read_regular(path, largest)

    monkeypatch.setattr("vomap.osg.files.read_regular", counted)
    assert "all VO files together are larger than 8388608 bytes" in problem_of(folder)
    assert len(opened) == 33


def test_what_is_no_file_is_an_error(write_topology: WriteTopology, entry: WriteEntry, tmp_path: Path) -> None:
    """A source that is not there, an empty folder, a FIFO and a folder named like a VO file are errors, not waits."""
    assert problem_of(tmp_path / "gone") == f"{tmp_path / 'gone'}: no such folder, tarball or VO file"
    (tmp_path / "empty").mkdir()
    assert "no VO files" in problem_of(tmp_path / "empty")
    checkout = write_topology(A=entry())
    os.mkfifo(checkout / "virtual-organizations" / "B.yaml")
    assert "B.yaml: is not a regular file" in problem_of(checkout)


def test_a_file_that_cannot_be_read_is_an_error(
    write_topology: WriteTopology, entry: WriteEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A VO file without permission is an error that names it. Root can read every file, so the test denies it here."""
    checkout = write_topology(A=entry())

    def refused(path: Path, _flags: int) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("vomap.osg.files.os.open", refused)
    assert "A.yaml: cannot be read: Permission denied" in problem_of(checkout)


def test_a_snapshot_tells_where_it_is_from(write_topology: WriteTopology, entry: WriteEntry) -> None:
    """SNAPSHOT.yaml counts while the files are those that it was written for, original or stripped."""
    checkout = write_topology(A=entry())
    now = digest({"A.yaml": entry().encode()})
    statement = checkout / "SNAPSHOT.yaml"
    for original, stripped, changed in ((now, "0" * 64, False), ("0" * 64, now, False), ("0" * 64, "1" * 64, True)):
        statement.write_text(SNAPSHOT.format(original=original, stripped=stripped))
        provenance = find_provenance(open_source(str(checkout)))
        assert provenance == Provenance("opensciencegrid/topology", "5270db32f", "2026-08-21", changed)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("commit: 5270db32f\n", "", "commit: is missing"),
        ("5270db32f", "main", "commit: is missing or malformed"),
        ("5270db32f", '"5270db32f\\nevil"', "commit: is missing or malformed"),
        ("2026-08-21", "[2026]", "date: expected text"),
        ("commit:", "date: 2026-01-01\ncommit:", "given twice"),
        ("opensciencegrid/topology", "x", "repository: is missing or malformed"),
    ],
)
def test_a_broken_snapshot_is_an_error(
    write_topology: WriteTopology, entry: WriteEntry, old: str, new: str, words: str
) -> None:
    """A statement that cannot be read is not passed over."""
    checkout = write_topology(A=entry())
    statement = SNAPSHOT.format(original="0" * 64, stripped="0" * 64)
    (checkout / "SNAPSHOT.yaml").write_text(statement.replace(old, new))
    assert words in problem_of(checkout)


def git(folder: Path, *arguments: str) -> None:
    """Run git in a folder, at the time of the snapshot's commit."""
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]
    environment = {**os.environ, "GIT_COMMITTER_DATE": f"{MTIME} +0200"}
    subprocess.run(["git", *identity, *arguments], cwd=folder, env=environment, check=True, capture_output=True)


def test_git_tells_the_commit_of_a_checkout(write_topology: WriteTopology, entry: WriteEntry) -> None:
    """A checkout's commit and date are git's, and a change since then is reported."""
    checkout = write_topology(A=entry())
    git(checkout, "init", "-q")
    git(checkout, "add", ".")
    git(checkout, "commit", "-qm", "x")
    found = find_provenance(read_folder(checkout))
    assert (len(found.commit), found.date, found.changed) == (40, "2026-08-21", False)
    write_topology(B="{}")
    assert find_provenance(read_folder(checkout)).changed
    assert ", but the VO files are not those of this commit\n" in generate(str(checkout)).text


def test_another_repository_is_not_asked(write_topology: WriteTopology, entry: WriteEntry, tmp_path: Path) -> None:
    """A copy of the VO files inside some other repository has no commit of the topology's."""
    checkout = write_topology(A=entry())
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "x")
    assert find_provenance(read_folder(checkout)) == Provenance()


def test_a_checkout_without_a_commit_is_unknown(write_topology: WriteTopology, entry: WriteEntry) -> None:
    """A repository without a commit gives none."""
    checkout = write_topology(A=entry())
    git(checkout, "init", "-q")
    assert find_provenance(read_folder(checkout)) == Provenance()


def test_git_is_not_needed(
    write_topology: WriteTopology, entry: WriteEntry, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where there is no git, the commit is unknown, and a variable of git's makes it speak of nothing else."""
    checkout = write_topology(A=entry())
    monkeypatch.setenv("GIT_DIR", str(Path(__file__).parents[3] / ".git"))
    assert find_provenance(read_folder(checkout)) == Provenance()
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    assert find_provenance(read_folder(checkout)) == Provenance()
