"""The built policy and bans: what was written is read, and what was damaged is refused."""

from __future__ import annotations

import copy
from binascii import crc32
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from unit.policy.composed import bans_document, policy_document
from vomap.built import store
from vomap.built.files import FileError
from vomap.built.store import (
    BuiltError,
    bans_beside,
    document_digest,
    read_bans,
    read_policy,
)

SMALL = """\
mapfile: 1
site: {audience: unchecked}
issuers:
  https://i/: {vo: V}
rules:
  - {name: r, vo: V, account: a}
"""
BANS = "mapfile: 1\nbans:\n  - {vo: V, reason: é}\n"


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """Return a small built policy."""
    path = tmp_path / "policy"
    store.write_built(
        str(path), store.POLICY, policy_document(SMALL), sources={"/m/1.yaml": "00"}, built="2026-11-22T12:00:00Z"
    )
    path.chmod(0o644)
    return path


def test_a_policy_is_read_as_it_was_written(built: Path) -> None:
    """The document, its digest, its sources and its time come back."""
    document = policy_document(SMALL)
    read = store.read_built(str(built), store.POLICY)
    assert (read.document, read.digest) == (document, document_digest(document))
    assert (read.built, read.sources) == ("2026-11-22T12:00:00Z", {"/m/1.yaml": "00"})
    policy = read_policy(str(built))
    assert policy.digest == document_digest(document)
    assert [rule.name for rule in policy.rules] == ["r"]


def test_bans_are_read_as_they_were_written(tmp_path: Path) -> None:
    """So are bans; none are an empty file of bans, not a missing one."""
    path = str(tmp_path / "bans")
    digest = store.write_built(path, store.BANS, bans_document(BANS), sources={}, built="now")
    bans = read_bans(path)
    assert (bans.digest, [ban.reason for ban in bans.bans]) == (digest, ["é"])
    store.write_built(path, store.BANS, bans_document(None), sources={}, built="now")
    assert read_bans(path).bans == []


def test_the_other_kind(built: Path, tmp_path: Path) -> None:
    """A policy is no bans, and bans are no policy."""
    bans = tmp_path / "bans"
    store.write_built(str(bans), store.BANS, bans_document(BANS), sources={}, built="now")
    with pytest.raises(BuiltError, match="is not a vomap-bans file"):
        read_bans(str(built))
    with pytest.raises(BuiltError, match="is not a vomap-policy file"):
        read_policy(str(bans))


@pytest.mark.parametrize("version", [b"0", b"2", b"10", b"", b"x"])
def test_another_format(built: Path, version: bytes) -> None:
    """A format that this version does not read is told as such."""
    built.write_bytes(built.read_bytes().replace(b"vomap-policy 1 ", b"vomap-policy %s " % version, 1))
    with pytest.raises(BuiltError, match="has a format"):
        read_policy(str(built))


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"\0" * 100, b"vomap-policy", b"vomap-policy 1", b"{}", b"a b c d\n{}"]
)
def test_another_file(built: Path, content: bytes) -> None:
    """What is no built file at all is refused."""
    built.write_bytes(content)
    with pytest.raises(BuiltError, match="run `vomap build`"):
        read_policy(str(built))


def test_every_truncation(built: Path) -> None:
    """A file that was cut anywhere is refused; so is one with anything behind it."""
    content = built.read_bytes()
    for length in range(len(content)):
        built.write_bytes(content[:length])
        with pytest.raises(BuiltError):
            read_policy(str(built))
    for more in (b"\0", b"\n", b" ", content):
        built.write_bytes(content + more)
        with pytest.raises(BuiltError):
            read_policy(str(built))


def test_every_flipped_byte(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file with any one byte changed, in any of its bits, is refused."""
    content = built.read_bytes()
    damaged = b""
    monkeypatch.setattr(store, "read_trusted", lambda _: damaged)
    for at, byte in enumerate(content):
        for change in (*(1 << bit for bit in range(8)), 0xFF):
            damaged = content[:at] + bytes([byte ^ change]) + content[at + 1 :]
            with pytest.raises(BuiltError):
                read_policy("policy")


def test_a_file_that_others_can_write(built: Path) -> None:
    """A whole and valid policy that anybody can write is refused."""
    built.chmod(0o666)
    with pytest.raises(FileError, match="others can write it"):
        read_policy(str(built))


def _sealed(path: Path, kind: bytes, body: bytes) -> str:
    path.write_bytes(b"%s 1 %08x %d\n" % (kind, crc32(body), len(body)) + body)
    path.chmod(0o644)
    return str(path)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b"\xff",
        b"{}",
        b'{"digest": "", "document": null}',
        b'{"digest": "", "document": {}}',
        b'{"digest": "", "document": {"site": [], "issuers": {}, "rules": [], "pools": {}}}',
        b'{"built": "", "sources": {}, "digest": "", "document": {}}',
        b'{"built": "", "sources": {}, "digest": "", "document": null}',
        b'{"built": "", "sources": {}, "digest": "", "document": {"bans": [{"source": "", "group": ["x"]}]}}',
        b'{"digest": "", "document": {"bans": 1}}',
        b'{"digest": "", "document": {"bans": [1]}}',
        b'{"digest": "", "document": {"bans": [{"source": ""}]}}',
        b'{"digest": "", "document": {"bans": [{"source": "", "reason": "", "group": ["x"]}]}}',
    ],
)
def test_a_sealed_file_of_nonsense(tmp_path: Path, body: bytes) -> None:
    """A checksum that fits makes no policy of what is none."""
    with pytest.raises(BuiltError):
        read_policy(_sealed(tmp_path / "policy", b"vomap-policy", body))
    with pytest.raises(BuiltError):
        read_bans(_sealed(tmp_path / "bans", b"vomap-bans", body))


def test_the_digest_forgets_where_files_lie() -> None:
    """Two CEs with one digest answer alike, wherever their mapfiles lie and whatever lines their rules are on."""
    document = policy_document(SMALL)
    moved = policy_document("\n# a remark\n" + SMALL)
    assert document != moved
    assert document_digest(document) == document_digest(moved)


_CHANGES: list[Callable[[dict[str, Any]], Any]] = [
    lambda document: document["site"].update(audience=["x"]),
    lambda document: document["site"].update(serve=["V"]),
    lambda document: document["site"].update(rename={"a": "b"}),
    lambda document: document["site"].update(rename={"source": "b"}),
    lambda document: document["site"]["accounts"].update({"minimum-uid": 500}),
    lambda document: document["issuers"].update({"https://j/": None}),
    lambda document: document["issuers"]["https://i/"].update(vo="W"),
    lambda document: document["issuers"].update({"https://j/": {"vo-from": ["group"], "vos": {"source": "V"}}}),
    lambda document: document["issuers"].update({"source": {"vo": "V"}}),
    lambda document: document["rules"][0].update(account="b"),
    lambda document: document["rules"][0].update(name="s"),
    lambda document: document["rules"][0].update(claim={"source": ["x"]}),
    lambda document: document["rules"].append(document["rules"][0]),
    lambda document: document["pools"].update(p={"accounts": ["x"]}),
    lambda document: document["pools"].update(source={"accounts": ["x"]}),
]


@pytest.mark.parametrize("change", _CHANGES)
def test_the_digest_holds_all_that_decides(change: Callable[[dict[str, Any]], Any]) -> None:
    """Whatever decides is in the digest, though it be called `source`."""
    document = policy_document(SMALL)
    changed = copy.deepcopy(document)
    change(changed)
    assert document_digest(document) != document_digest(changed)


def test_the_digest_holds_the_order_of_rules() -> None:
    """The first rule that matches decides, so their order does."""
    document = policy_document(SMALL + "  - {name: s, vo: V, account: b}\n")
    turned = {**document, "rules": document["rules"][::-1]}
    assert document_digest(document) != document_digest(turned)


def test_where_bans_lie() -> None:
    """Beside the policy, unless the policy is in its own place."""
    assert bans_beside("/var/lib/vomap/policy") == "/var/lib/vomap/bans"
    assert bans_beside("/tmp/p") == "/tmp/p.bans"
