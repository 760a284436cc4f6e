"""Callouts log whole lines of JSON that match the schema, in the place that the site configures."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from threads import helping
from vomap import log
from vomap.claims import DECISIVE, EVERY_CLAIM, read_claims
from vomap.files.shipped import shipped_file
from vomap.log import LONGEST_LINE, DecisionLog, IncompleteRecordError, LogWriteError, claims_to_log
from vomap.log.pseudonyms import resolve_pseudonym
from vomap.policy import DENIED, MAPPED, Decision

if TYPE_CHECKING:
    from vomap.policy.documents import LogDocument

TOKEN: dict[str, Any] = {
    "iss": "https://one.example/",
    "sub": "jo",
    "aud": ["ANY", "ce"],
    "scope": "compute.read",
    "exp": 1.5,
    "wlcg.groups": ["/a", 7],
    "secret": "not kept",
}
NOW = 1795348800  # 2026-11-22T12:00:00Z
SCHEMA = json.loads(shipped_file("schemas", "decision-1.schema.json").read_text("utf-8"))


def _decision(token: dict[str, Any] | None = None) -> Decision:
    decision = Decision(read_claims(TOKEN if token is None else token), "digest", MAPPED, "rule: r")
    decision.account = "jo"
    return decision


def _written(path: Path, document: LogDocument | None = None, **more: Any) -> dict[str, Any]:
    """Log a decision to a file, check the record against the schema, and return it."""
    decision_log = DecisionLog({"to": str(path), **(document or {})})
    decision_log.write(_decision(more.pop("token", None)), callout="vomap-htcondor", ce="htcondor", now=NOW, **more)
    (line,) = path.read_text("ascii").splitlines()
    record: dict[str, Any] = json.loads(line)
    jsonschema.Draft7Validator(SCHEMA).validate(record)
    return record


def test_a_record_is_a_decision(tmp_path: Path) -> None:
    """A record contains the decision, the callout, and only the claims that decisions use."""
    record = _written(tmp_path / "log")
    assert (record["outcome"], record["account"], record["subject"], record["ce"]) == ("mapped", "jo", "jo", "htcondor")
    assert (record["callout"], record["time"]) == ("vomap-htcondor", "2026-11-22T12:00:00Z")
    assert record["claims"] == {"scope": "compute.read", "exp": 1.5, "wlcg.groups": ["/a", None]}
    assert "observed" not in record


def test_a_site_says_which_claims_are_kept(tmp_path: Path) -> None:
    """A record contains only the claims that the site names. The site may name none."""
    assert _written(tmp_path / "log", {"claims": ["secret", "absent"]})["claims"] == {"secret": "not kept"}
    assert _written(tmp_path / "none", {"claims": []})["claims"] == {}


def test_a_record_names_the_claims_that_it_keeps(tmp_path: Path) -> None:
    """A record names the kept claims, whether or not the token has them. It says nothing of any other claim."""
    assert _written(tmp_path / "log")["kept"] == [*DECISIVE]
    assert _written(tmp_path / "some", {"claims": ["secret", "absent", "sub"]})["kept"] == ["secret", "absent"]
    assert _written(tmp_path / "none", {"claims": []})["kept"] == []
    assert _written(tmp_path / "bans", asked=["email"])["kept"] == [*DECISIVE, "email"]
    assert "kept" not in json.loads(_of_no_token(tmp_path / "unread"))


def _of_no_token(path: Path) -> str:
    decision = Decision(None, "digest", DENIED, "token: x")
    DecisionLog({"to": str(path)}).write(decision, callout="vomap-arc map", ce="arc", now=NOW)
    return path.read_text("ascii")


def test_a_site_may_keep_every_claim(tmp_path: Path) -> None:
    """With `all` a record has every claim of a token. A name that no mapfile can ask for is left out."""
    token = {**TOKEN, "n": 7, "a\nb": "x", "time": "2026-11-22T12:00:00Z"}
    record = _written(tmp_path / "log", {"claims": EVERY_CLAIM}, token=token, asked=["email"])
    assert record["kept"] == "all"
    expected = {"scope": "compute.read", "exp": 1.5, "wlcg.groups": ["/a", None], "secret": "not kept", "n": None}
    assert record["claims"] == expected


def _of_forged(path: Path, token: dict[str, Any], forged: set[str], kept: Any) -> dict[str, Any]:
    decision = _decision(token)
    assert decision.claims is not None
    decision.claims.forged = frozenset(forged)
    DecisionLog({"to": str(path), "claims": kept}).write(decision, callout="vomap-arc map", ce="arc", now=NOW)
    record: dict[str, Any] = json.loads(path.read_text("ascii"))
    jsonschema.validate(record, SCHEMA)
    return record


@pytest.mark.parametrize("kept", [EVERY_CLAIM, [*DECISIVE]])
def test_a_record_names_the_claims_that_may_be_forged(tmp_path: Path, kept: Any) -> None:
    """On ARC the name of a claim may be forged, and hide the true claim. Such a claim hides no other one in the log."""
    record = _of_forged(tmp_path / "log", {**TOKEN, "azp": "x"}, {"email", "azp", "a\nb"}, kept)
    assert (record["kept"], record["forged"], record["claims"]["azp"]) == (kept, ["azp", "email"], "x")
    assert "forged" not in _of_forged(tmp_path / "none", TOKEN, set(), kept)


def test_a_cut_record_names_no_claims_that_may_be_forged(tmp_path: Path) -> None:
    """A token may have any number of forged names, and the record must have an end."""
    record = _of_forged(tmp_path / "log", TOKEN, {f"{at}{'x' * 100}" for at in range(LONGEST_LINE // 100)}, [*DECISIVE])
    assert (record["cut"], record["claims"], "forged" in record) == (True, None, False)


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ({"sub": ["jo", "jane"]}, {"sub": ["jo", "jane"]}),
        ({"iss": ["https://one.example/"]}, {"iss": ["https://one.example/"]}),
        ({"jti": ["j", 7]}, {"jti": ["j", None]}),
        ({"jti": 7}, {"jti": None}),
        ({"aud": []}, {"aud": None}),
        ({"aud": [7]}, {"aud": None}),
        ({"aud": ["ANY", 7]}, {}),
        ({"wlcg.ver": 1.0}, {"wlcg.ver": None}),
        ({"exp": "soon"}, {"exp": None}),
    ],
)
def test_what_a_decision_sees_of_a_claim_is_kept(tmp_path: Path, token: dict[str, Any], expected: Any) -> None:
    """A ban sees a list of subjects, and a check sees a version that is not a text. So the record has both."""
    claims = _written(tmp_path / "log", token={**TOKEN, **token})["claims"]
    names = ("iss", "sub", "jti", "aud", "wlcg.ver", *(["exp"] if "exp" in token else []))
    assert {name: value for name, value in claims.items() if name in names} == expected


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("x", "x"),
        (["x"], ["x"]),
        (["x", "y"], ["x", "y"]),
        (["x", 1], ["x", None]),
        ([1, 2], [None, None]),
        ([1], []),
        (1, None),
        ({"a": 1}, None),
    ],
)
def test_a_kept_claim_counts_as_the_claim_did(value: object, kept: object) -> None:
    """A logged claim gives the same texts, lists and number of members as the claim of the token."""
    claims = read_claims({"extra": value})
    assert claims_to_log(claims, ["extra"]).get("extra") == (kept or None)
    again = read_claims(claims_to_log(claims, ["extra"]))
    assert (again.texts, again.lists, again.several) == (claims.texts, claims.lists, claims.several)


def test_a_time_that_is_no_number_is_kept_as_null() -> None:
    """A time of the wrong type stays invalid in the log, so that a replay refuses it too."""
    assert claims_to_log(read_claims({"exp": "soon"}), ["exp"])["exp"] is None


def test_nobody_writes_lines_of_his_own(tmp_path: Path) -> None:
    """Line ends, quotes and terminal escapes in a claim stay inside the text of the record."""
    hostile = 'a"\n{"outcome": "mapped"}\x1b[2J\u2028'
    record = _written(tmp_path / "log", {"claims": ["azp"]}, token={**TOKEN, "azp": hostile, "jti": "\ud800"})
    assert record["subject"] == "jo"
    assert "\x1b" not in (tmp_path / "log").read_text("ascii")


def test_a_record_that_is_too_long_keeps_no_claims(tmp_path: Path) -> None:
    """A token of any size gives a whole line that reports that claims are missing."""
    token = {**TOKEN, "sub": "s" * 300_000, "wlcg.groups": ["/g" * 100_000]}
    record = _written(tmp_path / "log", token=token)
    assert record["claims"] is None
    assert record["cut"] is True
    assert len(record["subject"]) == 500


def test_observed_decisions_say_so(tmp_path: Path) -> None:
    """An observed decision is marked, so that a reader does not mistake it for an answer."""
    assert _written(tmp_path / "log", observed=True)["observed"] is True


def test_no_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A site with `to: none` has no log."""
    monkeypatch.setattr(log, "_SOCKET", str(tmp_path / "nobody"))
    DecisionLog({"to": "none"}).write(_decision(), callout="vomap-arc map", ce="arc", now=NOW)


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Return the socket of a log daemon."""
    path = str(tmp_path / "log.socket")
    monkeypatch.setattr(log, "_SOCKET", path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(path)
        yield listening


def test_syslog_is_where_decisions_go(daemon: socket.socket) -> None:
    """By default a decision is one message of authpriv.info with the name and process number of the callout."""
    DecisionLog(None).write(_decision(), callout="vomap-arc map", ce="arc", now=NOW)
    message = daemon.recv(1 << 16).decode("ascii")
    head, _, body = message.partition(": ")
    assert head.startswith("<86>")
    assert head.endswith(f" vomap-arc[{os.getpid()}]")
    assert json.loads(body)["account"] == "jo"


def test_a_message_is_never_longer_than_daemons_take(daemon: socket.socket) -> None:
    """A message is shorter than the limit of log daemons.

    A record that is too long loses its claims, but not its end.
    """
    token = {**TOKEN, "scope": "s" * 9000}
    DecisionLog(None).write(_decision(token), callout="vomap-htcondor", ce="htcondor", now=NOW)
    message = daemon.recv(1 << 20)
    assert len(message) < 8192
    assert json.loads(message.partition(b": ")[2])["cut"] is True


@pytest.mark.parametrize("character", ["\u20ac", "\U0001d4b3", '"', "\\"])
def test_what_takes_many_bytes_is_cut_shorter(daemon: socket.socket, character: str) -> None:
    """A message of characters that need up to twelve bytes each is also shortened to a whole line."""
    long = character * 3000
    token = {**TOKEN, "iss": long, "sub": long, "jti": long, "client_id": long}
    decision = _decision(token).settle(MAPPED, f"issuer: {long!a}")
    DecisionLog(None).write(decision, callout="vomap-htcondor", ce="htcondor", now=NOW)
    message = daemon.recv(1 << 20)
    assert len(message) < 8192
    record = json.loads(message.partition(b": ")[2])
    assert record["cut"] is True
    assert len(record["subject"]) >= 40
    assert long.startswith(record["subject"])


def test_a_daemon_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the site asks for syslog, a missing daemon is an error that names the socket.

    Many containers have no daemon.
    """
    monkeypatch.setattr(log, "_SOCKET", str(tmp_path / "nobody"))
    with pytest.raises(LogWriteError, match="nobody"):
        DecisionLog({"to": "syslog"}).write(_decision(), callout="vomap-htcondor", ce="htcondor", now=NOW)
    DecisionLog({"subject": "plain"}).write(_decision(), callout="vomap-htcondor", ce="htcondor", now=NOW)
    (tmp_path / "nobody").write_text("")
    with pytest.raises(LogWriteError, match="nobody"):
        DecisionLog(None).write(_decision(), callout="vomap-htcondor", ce="htcondor", now=NOW)


@pytest.mark.usefixtures("daemon")
def test_a_daemon_that_does_not_read_stops_nobody() -> None:
    """If the daemon's queue is full, vomap loses the record and reports that at once."""
    with pytest.raises(LogWriteError, match="unavailable"):
        _log_many()


def _log_many() -> None:
    for _ in range(5000):
        DecisionLog(None).write(_decision(), callout="vomap-htcondor", ce="htcondor", now=NOW)


def test_a_file_is_for_all_who_log(tmp_path: Path) -> None:
    """The group may write to the log file, whichever process created it."""
    previous = os.umask(0o077)
    try:
        _written(tmp_path / "log")
    finally:
        os.umask(previous)
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o660


def test_a_file_that_comes_and_goes_is_created(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If another process creates or renames the file during log rotation, vomap still logs the decision."""
    real = os.open

    def rotated(path: str, flags: int, mode: int = 0o777) -> int:
        if not flags & os.O_CREAT:
            raise FileNotFoundError(2, "No such file or directory", path)
        if flags & os.O_EXCL:
            raise FileExistsError(17, "File exists", path)
        return real(path, flags, mode)

    monkeypatch.setattr("vomap.log.posix.open", rotated)
    assert _written(tmp_path / "log")["account"] == "jo"


@pytest.mark.parametrize("kind", ["link", "fifo", "folder", "missing folder"])
def test_what_is_no_file_is_not_written_to(tmp_path: Path, kind: str) -> None:
    """The log does not follow a link, which may lead anywhere, and does not open a FIFO, which waits for a reader."""
    path = tmp_path / "log"
    if kind == "link":
        path.symlink_to(tmp_path / "elsewhere")
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path = tmp_path / "absent" / "log"
    with pytest.raises(LogWriteError, match="log: "):
        DecisionLog({"to": str(path)}).write(_decision(), callout="vomap-htcondor", ce="htcondor", now=NOW)
    assert not (tmp_path / "elsewhere").exists()


def test_a_device_is_not_written_to() -> None:
    """The log does not write to a device, because it is not a regular file."""
    with pytest.raises(LogWriteError, match="not a regular file"):
        DecisionLog({"to": "/dev/full"}).write(_decision(), callout="vomap-htcondor", ce="htcondor", now=NOW)


def test_a_half_written_line_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a write is incomplete, vomap ends the line, so that the next record begins on a new line."""
    path = tmp_path / "log"
    write = os.write
    monkeypatch.setattr("posix.write", lambda descriptor, content: write(descriptor, content[:10]))
    with pytest.raises(LogWriteError, match="10 of"):
        DecisionLog({"to": str(path)}).write(_decision(), callout="vomap-htcondor", ce="htcondor", now=NOW)
    assert path.read_bytes().endswith(b"\n")


def test_many_threads_write_whole_lines(tmp_path: Path) -> None:
    """Lines of several threads never mix.

    tests/proof/test_log.py checks several processes and the creation of the file.
    """
    decision_log = DecisionLog({"to": str(tmp_path / "log")})
    # The process that creates the file changes its umask for a moment, and all threads share the umask.
    (tmp_path / "log").touch()
    writers = [
        threading.Thread(
            target=decision_log.write, args=(_decision(),), kwargs={"callout": "c", "ce": "arc", "now": NOW}
        )
        for _ in range(40)
    ]
    with helping(*writers):
        pass
    assert [json.loads(line)["account"] for line in (tmp_path / "log").read_text().splitlines()] == ["jo"] * 40


def test_a_pseudonym_stands_for_the_subject(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the key gives the subject back, and the record does not contain the subject anywhere."""
    key = tmp_path / "key"
    key.write_bytes(bytes(range(32)))
    monkeypatch.setattr(log, "KEY_FILE", str(key))
    record = _written(tmp_path / "log", {"subject": "pseudonym"}, token={**TOKEN, "sub": "jo.doe@example.org"})
    assert record["subject"] is None
    assert "jo.doe" not in (tmp_path / "log").read_text()
    assert resolve_pseudonym(key.read_bytes(), TOKEN["iss"], record["pseudonym"]) == "jo.doe@example.org"


@pytest.mark.parametrize("key", [None, b"short"])
def test_without_its_key_no_subject_is_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: bytes | None
) -> None:
    """Without the key, vomap logs the decision without its subject, and reports the error."""
    path = tmp_path / "nokey"
    monkeypatch.setattr(log, "KEY_FILE", str(path))
    if key is not None:
        path.write_bytes(key)
    decision_log = DecisionLog({"to": str(tmp_path / "log"), "subject": "pseudonym"})
    with pytest.raises(IncompleteRecordError, match="nokey"):
        decision_log.write(_decision(), callout="vomap-htcondor", ce="htcondor", now=NOW)
    record = json.loads((tmp_path / "log").read_text("ascii"))
    jsonschema.Draft7Validator(SCHEMA).validate(record)
    assert (record["subject"], record["pseudonym"], record["account"]) == (None, None, "jo")


def test_a_list_of_subjects_is_hidden_as_a_subject_is(tmp_path: Path) -> None:
    """Bans see a list of subjects. With pseudonyms the record hides it, and says that its subject is hidden."""
    token = {**TOKEN, "sub": ["jo.doe@example.org"]}
    record = _written(tmp_path / "log", {"subject": "pseudonym", "claims": EVERY_CLAIM}, token=token)
    assert (record["subject"], record["pseudonym"]) == (None, None)
    assert "jo.doe" not in (tmp_path / "log").read_text("ascii")


def test_no_kept_claim_tells_what_a_pseudonym_hides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With pseudonyms, the logged claims never contain `sub`."""
    key = tmp_path / "key"
    key.write_bytes(bytes(range(32)))
    monkeypatch.setattr(log, "KEY_FILE", str(key))
    record = _written(tmp_path / "log", {"subject": "pseudonym", "claims": ["sub", "scope"]})
    assert record["claims"] == {"scope": "compute.read"}


def test_a_hung_key_is_waited_for_no_longer_than_a_hung_log() -> None:
    """A log that reads the key or appends to a file may wait. Other logs do not wait."""
    assert DecisionLog({"subject": "pseudonym"}).may_wait
    assert DecisionLog({"to": "/x"}).may_wait
    assert not DecisionLog(None).may_wait
    assert not DecisionLog({"to": "none", "subject": "pseudonym"}).may_wait


def test_what_is_no_json_is_not_logged() -> None:
    """A record with a value that is not valid JSON is an error."""
    with pytest.raises(TypeError, match="object is not a JSON value"):
        log.format_record({"x": object()})
    with pytest.raises(ValueError, match="JSON"):
        log.format_record({"x": float("inf")})


def test_what_bans_look_at_is_kept(tmp_path: Path) -> None:
    """A record contains the claims that bans use, so that a replay can show the ban.

    A site may configure fewer claims.
    """
    token = {**TOKEN, "email": "jo@example.org"}
    assert "email" not in _written(tmp_path / "plain", token=token)["claims"]
    assert _written(tmp_path / "asked", token=token, asked=["email"])["claims"]["email"] == "jo@example.org"
    own: LogDocument = {"claims": [*DECISIVE, "secret"]}
    assert {"email", "secret"} <= set(_written(tmp_path / "own", own, token=token, asked=["email"])["claims"])
    assert _written(tmp_path / "less", {"claims": ["scope"]}, token=token, asked=["email"])["claims"] == {
        "scope": "compute.read"
    }


def test_a_token_without_subject_has_no_pseudonym(tmp_path: Path) -> None:
    """For a token without a subject, vomap does not read the key."""
    assert "pseudonym" not in _written(tmp_path / "log", {"subject": "pseudonym"}, token={"iss": "https://i/"})


def test_a_decision_without_claims_is_logged(tmp_path: Path) -> None:
    """An unreadable token also leaves a record."""
    decision_log = DecisionLog({"to": str(tmp_path / "log"), "subject": "pseudonym"})
    decision_log.write(Decision(None, None, "error", "token: broken"), callout="vomap-htcondor", ce="htcondor", now=NOW)
    record = json.loads((tmp_path / "log").read_text())
    assert record["claims"] is None
    jsonschema.Draft7Validator(SCHEMA).validate(record)
