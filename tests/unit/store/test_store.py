"""The compiled policy and bans give back what was written, and a damaged file is an error."""

from __future__ import annotations

import copy
import json
import posix
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from unit.policy.composed import bans_document, policy_document, policy_of
from unit.policy.composed import bans_of as composed_bans
from vomap import store
from vomap.claims import DECISIVE, read_claims
from vomap.files import FileError
from vomap.policy.decide import decide
from vomap.policy.model import NO_BANS, Policy
from vomap.store import (
    CompiledFileError,
    bans_beside,
    read_bans,
    read_policy,
    writer,
)
from vomap.store.writer import document_digest

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
    """Return a small compiled policy."""
    path = tmp_path / "policy"
    writer.write_compiled(
        str(path), store.POLICY, policy_document(SMALL), sources={"/m/1.yaml": "00"}, built="2026-11-22T12:00:00Z"
    )
    path.chmod(0o644)
    return path


def test_a_policy_is_read_as_it_was_written(built: Path) -> None:
    """`read_compiled` returns the document, its digest, its sources and its time."""
    document = policy_document(SMALL)
    read = writer.read_compiled(str(built), store.POLICY)
    assert (read.document, read.digest) == (document, document_digest(document))
    assert (read.built, read.sources) == ("2026-11-22T12:00:00Z", {"/m/1.yaml": "00"})
    policy = read_policy(str(built))
    assert policy.digest == document_digest(document)
    assert [rule.name for rule in policy.rules()] == ["r"]


def test_bans_are_read_as_they_were_written(tmp_path: Path) -> None:
    """`read_bans` returns the bans that were written. A site without bans has an empty file, and not a missing file."""
    path = str(tmp_path / "bans")
    digest = writer.write_compiled(path, store.BANS, bans_document(BANS), sources={}, built="now")
    bans = read_bans(path)
    assert (bans.digest, [ban.reason for ban in bans.all()]) == (digest, ["é"])
    writer.write_compiled(path, store.BANS, bans_document(None), sources={}, built="now")
    assert list(read_bans(path).all()) == []


def test_built_bans_with_one_for_everybody(tmp_path: Path) -> None:
    """A compiled ban without a condition is an error, because no file of bans can contain it."""
    path = str(tmp_path / "bans")
    writer.write_compiled(
        path, store.BANS, {"bans": [{"source": "x:1", "reason": "r"}]}, sources={}, built="2026-11-22T12:00:00Z"
    )
    Path(path).chmod(0o644)
    with pytest.raises(ValueError, match="ban every token"):
        decide(policy_of(SMALL), read_bans(path), read_claims({"iss": "https://i/"}), 0)


def test_the_other_kind(built: Path, tmp_path: Path) -> None:
    """`read_bans` refuses a policy, and `read_policy` refuses bans."""
    bans = tmp_path / "bans"
    writer.write_compiled(str(bans), store.BANS, bans_document(BANS), sources={}, built="now")
    with pytest.raises(CompiledFileError, match="is not a vomap-bans file"):
        read_bans(str(built))
    with pytest.raises(CompiledFileError, match="is not a vomap-policy file"):
        read_policy(str(bans))


@pytest.mark.parametrize("version", [b"0", b"1", b"4", b"10", b"", b"x"])
def test_another_format(built: Path, version: bytes) -> None:
    """`read_policy` refuses a file in a format that this version does not read, and reports that."""
    built.write_bytes(built.read_bytes().replace(b"vomap-policy 3 ", b"vomap-policy %s " % version, 1))
    with pytest.raises(CompiledFileError, match="has a format"):
        read_policy(str(built))


FORMAT_2 = Path(__file__).with_name("format2")
TOKENS_OF_FORMAT_2: list[tuple[dict[str, Any], str]] = [
    ({"iss": "https://i.example/", "sub": "al"}, "a"),
    ({"iss": "https://i.example/", "uid": "y"}, "b"),
    ({"iss": "https://i.example/", "uid": "gone"}, "ban: a claim"),
    ({"iss": "https://i.example/", "sub": "jo", "azp": ["c2"]}, "ban: a client"),
    ({"iss": "https://free.example/", "wlcg.groups": ["/free.example/Role=pilot"]}, "free.examplep"),
    ({"iss": "https://free.example/", "wlcg.groups": ["/Free.Example/Role=pilot"]}, "vo: the token names no VO that"),
    ({"iss": "https://free.example/", "wlcg.groups": ["/Rubin"]}, "rubin"),
    ({"iss": "https://free.example/", "wlcg.groups": ["/rubin"]}, "vo: the token names no VO that"),
    ({"iss": "https://free.example/", "wlcg.groups": ["/Rubin", "/free.example/bad"]}, "ban: any group"),
    ({"iss": "https://free.example/", "wlcg.groups": ["/x,/free.example/bad"]}, "ban: any group"),
    ({"iss": "https://free.example/", "wlcg.groups": ["/CMS"]}, "ban: a VO"),
    ({"iss": "https://egi.example/", "wlcg.groups": ["/free.example"]}, "vo: the token names no VO, and"),
]


@pytest.fixture
def format_2(tmp_path: Path) -> Path:
    """Return a folder with a policy and bans in the format of the version before."""
    for name in ("policy", "bans"):
        (tmp_path / name).write_bytes((FORMAT_2 / name).read_bytes())
        (tmp_path / name).chmod(0o644)
    return tmp_path


@pytest.mark.parametrize(("token", "answer"), TOKENS_OF_FORMAT_2)
def test_the_format_before_means_what_it_means_today(format_2: Path, token: dict[str, Any], answer: str) -> None:
    """After an update, the files in the old format give the same answers as a policy and bans in the new format."""
    files = read_policy(str(format_2 / "policy")), read_bans(str(format_2 / "bans"))
    claims = read_claims({"sub": "s", "scope": "compute.create", **token})
    decision = decide(*files, claims, 0)
    assert (decision.account or decision.reason).startswith(answer), decision.reason
    built = policy_of((FORMAT_2 / "mapfile.yaml").read_text("utf-8"))
    text = (FORMAT_2 / "bans.yaml").read_text("utf-8").replace("first-group", "group")
    again = decide(built, composed_bans(text), claims, 0)
    assert (again.outcome, again.account, again.reason) == (decision.outcome, decision.account, decision.reason)


def test_the_format_before_names_the_log_otherwise(format_2: Path) -> None:
    """In the old format, `journal` means the decision log, for a callout and for the commands of the administrator."""
    path = str(format_2 / "policy")
    expected = {"claims": [*DECISIVE, "uid"]}
    assert read_policy(path).site.log == expected
    for document in (writer.read_compiled(path, store.POLICY).document, writer.read_issuers(path)):
        assert document["site"]["log"] == expected
        assert "journal" not in document["site"]


def test_a_file_of_an_earlier_vomap_keeps_its_log(tmp_path: Path) -> None:
    """The settings of the decision log count under their old name, too: a pseudonym must not become a plain subject."""
    document: Any = policy_document(SMALL)
    settings = {"to": "none", "subject": "pseudonym"}
    document["site"].pop("log", None)
    document["site"]["journal"] = settings
    path = str(tmp_path / "policy")
    writer.write_compiled(path, store.POLICY, document, sources={}, built="now")
    assert read_policy(path).site.log == settings
    assert writer.read_compiled(path, store.POLICY).document["site"]["log"] == settings


def test_what_the_format_before_holds(format_2: Path) -> None:
    """`read_compiled` returns both files of the old format as they were written."""
    policy = writer.read_compiled(str(format_2 / "policy"), store.POLICY)
    assert (len(policy.document["rules"]), policy.sources) == (6, {"mapfile.yaml": "00"})
    bans = writer.read_compiled(str(format_2 / "bans"), store.BANS)
    assert [ban["reason"] for ban in bans.document["bans"]] == ["any group", "a claim", "a client", "a VO"]
    assert bans.sources == {"bans.yaml": "00"}
    forged = read_claims({"iss": "https://i.example/", "sub": "jo", "scope": "compute.create", "uid": "x"})
    forged.forged = frozenset({"uid"})
    assert decide(read_policy(str(format_2 / "policy")), NO_BANS, forged, 0).outcome == "error"


@pytest.mark.parametrize("kind", ["policy", "bans"])
def test_damage_in_the_format_before(format_2: Path, kind: str) -> None:
    """A change of any byte in a file of the old format is an error."""
    path = format_2 / kind
    content = path.read_bytes()
    for at in range(len(content)):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        with pytest.raises(CompiledFileError):
            writer.read_compiled(str(path), f"vomap-{kind}")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"\0" * 100,
        b"vomap-policy",
        b"vomap-policy 1",
        b"vomap-policy 3",
        b"vomap-policy 3 0 x\n",
        b"vomap-policy 3 0 -5\n",
        b"{}",
        b"a b c d\n{}",
    ],
)
def test_another_file(built: Path, content: bytes) -> None:
    """`read_policy` refuses a file that is not a compiled policy."""
    built.write_bytes(content)
    with pytest.raises(CompiledFileError, match="build it again, from its mapfiles and bans"):
        read_policy(str(built))


def test_every_truncation(built: Path) -> None:
    """A file with a missing end, or with bytes after the end, is an error."""
    content = built.read_bytes()
    for length in range(len(content)):
        built.write_bytes(content[:length])
        with pytest.raises(CompiledFileError):
            read_policy(str(built))
    for more in (b"\0", b"\n", b" ", content):
        built.write_bytes(content + more)
        with pytest.raises(CompiledFileError):
            read_policy(str(built))


def _answers(policy: Policy) -> list[tuple[str, str | None, str]]:
    """Return the answers of a policy to some tokens."""
    tokens = [{"iss": "https://i/", "sub": "s", "aud": "x", "scope": "compute.create"}, {"iss": "https://other/"}]
    decisions = [decide(policy, NO_BANS, read_claims(token), 0) for token in tokens]
    return [(decision.outcome, decision.account, decision.reason) for decision in decisions]


def test_every_flipped_byte(built: Path) -> None:
    """With any byte changed, the policy gives the same answers or is an error.

    `read_compiled` always refuses the file.
    """
    content = built.read_bytes()
    answers, refused = _answers(read_policy(str(built))), 0
    for at, byte in enumerate(content):
        for change in (*(1 << bit for bit in range(8)), 0xFF):
            built.write_bytes(content[:at] + bytes([byte ^ change]) + content[at + 1 :])
            with pytest.raises(CompiledFileError):
                writer.read_compiled(str(built), store.POLICY)
            try:
                assert _answers(read_policy(str(built))) == answers
            except CompiledFileError:
                refused += 1
    assert refused > len(content)


def test_every_flipped_byte_of_bans(tmp_path: Path) -> None:
    """With any byte changed, the bans give the same answer or are an error. They never become empty."""
    path = tmp_path / "bans"
    writer.write_compiled(str(path), store.BANS, bans_document(BANS), sources={"/b": "00"}, built="now")
    content = path.read_bytes()
    token = read_claims({"iss": "https://i/", "sub": "s", "scope": "compute.create"})
    refused = 0
    for at, byte in enumerate(content):
        for change in (*(1 << bit for bit in range(8)), 0xFF):
            path.write_bytes(content[:at] + bytes([byte ^ change]) + content[at + 1 :])
            with pytest.raises(CompiledFileError):
                writer.read_compiled(str(path), store.BANS)
            try:
                assert decide(policy_of(SMALL), read_bans(str(path)), token, 0).reason == "ban: é"
            except CompiledFileError:
                refused += 1
    assert refused > len(content)


def test_a_bucket_in_the_place_of_another(built: Path) -> None:
    """Two buckets in exchanged places are an error, although each bucket is complete."""
    content = built.read_bytes()
    head = json.loads(content.split(b"\n", 1)[1][: int(content.split(b" ", 3)[3].split(b"\n")[0])])
    index = len(content) - head["rest"]
    ends = [int.from_bytes(content[index + 8 * at : index + 8 * at + 8], "big") for at in range(head["buckets"] + 1)]
    swapped = b"".join(end.to_bytes(8, "big") for end in [ends[0], ends[0] + ends[2] - ends[1], *ends[2:]])
    buckets = content[ends[1] : ends[2]] + content[ends[0] : ends[1]] + content[ends[2] :]
    built.write_bytes(content[:index] + swapped + buckets)
    assert head["buckets"] > 1
    with pytest.raises(CompiledFileError, match="damaged"):
        writer.read_compiled(str(built), store.POLICY)


def test_a_file_of_two_builds(tmp_path: Path) -> None:
    """A head of one policy and the rest of another are an error. An interrupted copy can leave such a file."""
    contents = []
    for name, account in (("p", "alice"), ("q", "mallo")):
        path = tmp_path / name
        document = policy_document(SMALL.replace("account: a", f"account: {account}"))
        writer.write_compiled(str(path), store.POLICY, document, sources={}, built="now")
        contents.append(path.read_bytes())
    first, second = contents
    assert len(first) == len(second)
    rest = json.loads(first.split(b"\n", 1)[1][: int(first.split(b" ", 3)[3].split(b"\n")[0])])["rest"]
    (tmp_path / "p").write_bytes(first[:-rest] + second[-rest:])
    with pytest.raises(CompiledFileError, match="damaged"):
        _answers(read_policy(str(tmp_path / "p")))


def test_a_policy_that_is_large(tmp_path: Path) -> None:
    """`read_policy` reads a policy with a long head and more buckets than the cache keeps."""
    document = policy_document(SMALL)
    document["site"]["serve"] = [f"V{number}" for number in range(10_000)]
    rule = document["rules"][0]
    document["rules"] = [{**rule, "name": f"r{at}", "subject": [f"s{at}"], "account": f"a{at}"} for at in range(12_000)]
    path = str(tmp_path / "policy")
    writer.write_compiled(path, store.POLICY, document, sources={}, built="now")
    assert writer.read_compiled(path, store.POLICY).document == document
    policy = read_policy(path)
    document["site"]["serve"] = None
    writer.write_compiled(path, store.POLICY, document, sources={}, built="now")
    assert [rule.name for rule in policy.rules()] == [rule["name"] for rule in document["rules"]]
    token = {"iss": "https://i/", "sub": "s11999", "scope": "compute.create"}
    assert decide(read_policy(path), NO_BANS, read_claims(token), 0).account == "a11999"


def test_a_disk_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read error in a large policy is an error. The engine does not decide without the missing rules."""

    def fail(*_: object) -> bytes:
        raise OSError(5, "Input/output error")

    document = policy_document(SMALL)
    rule = document["rules"][0]
    document["rules"] = [{**rule, "name": f"r{at}", "subject": [f"s{at}"]} for at in range(2000)]
    path = str(tmp_path / "policy")
    writer.write_compiled(path, store.POLICY, document, sources={}, built="now")
    policy = read_policy(path)
    monkeypatch.setattr(posix, "pread", fail)
    with pytest.raises(CompiledFileError, match="damaged"):
        _answers(policy)


def test_a_file_that_others_can_write(built: Path) -> None:
    """`read_policy` refuses a valid policy that other users can write."""
    built.chmod(0o666)
    with pytest.raises(FileError, match="other users can write it"):
        read_policy(str(built))


def _sealed(path: Path, kind: str, body: bytes, version: str = "3") -> str:
    checksum = store.head_checksum((kind, version), body)
    path.write_bytes(f"{kind} {version} {checksum:08x} {len(body)}\n".encode() + body)
    path.chmod(0o644)
    return str(path)


@pytest.mark.parametrize("version", ["2", "3"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b"{} ",
        b"\xff",
        b"{}",
        b'{"digest": "", "document": null}',
        b'{"digest": "", "built": "", "pieces": null, "buckets": 0, "rest": 0}',
        b'{"digest": "", "built": "", "pieces": {}, "buckets": 0, "rest": 0}',
        b'{"digest": "", "built": "", "pieces": {"site": {}, "bans": [1]}, "buckets": 0, "rest": 0}',
        b'{"digest": "", "built": "", "pieces": {"asked": 1}, "buckets": 0, "rest": 0}',
        b'{"digest": "", "built": "", "pieces": {"asked": [1]}, "buckets": 0, "rest": 0}',
    ],
)
def test_a_sealed_file_of_nonsense(tmp_path: Path, body: bytes, version: str) -> None:
    """A correct checksum does not make an invalid document valid."""
    with pytest.raises(CompiledFileError):
        read_policy(_sealed(tmp_path / "policy", "vomap-policy", body, version))
    with pytest.raises(CompiledFileError):
        read_bans(_sealed(tmp_path / "bans", "vomap-bans", body, version))


def test_a_head_that_is_longer_than_its_file(tmp_path: Path) -> None:
    """A head that is longer than its file is an error, and the reader does not allocate the memory that it asks for."""
    path = tmp_path / "policy"
    for length in (b"3", b"99999999999999", b"9" * 40):
        path.write_bytes(b"vomap-policy 3 00000000 %b\n{}" % length)
        path.chmod(0o644)
        with pytest.raises(CompiledFileError, match="is damaged"):
            read_policy(str(path))


def test_the_digest_forgets_where_files_lie() -> None:
    """The digest does not depend on the folders of the mapfiles and the lines of the rules."""
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
    """The digest covers each value that decides, also a value or a key with the name `source`."""
    document: Any = policy_document(SMALL)
    changed = copy.deepcopy(document)
    change(changed)
    assert document_digest(document) != document_digest(changed)


def test_the_digest_holds_the_order_of_rules() -> None:
    """The digest depends on the order of the rules, because the first rule that matches decides."""
    document = policy_document(SMALL + "  - {name: s, vo: V, account: b}\n")
    turned = {**document, "rules": document["rules"][::-1]}
    assert document_digest(document) != document_digest(turned)


def test_where_bans_lie() -> None:
    """The bans are beside the policy, except for the policy in /var/lib/vomap."""
    assert bans_beside("/var/lib/vomap/policy") == "/var/lib/vomap/bans"
    assert bans_beside("/tmp/p") == "/tmp/p.bans"
