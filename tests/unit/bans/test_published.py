"""Published lists that an attacker wrote: refused with one short line, in bounded time."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from vomap.bans.published import (
    LIMITS,
    MOST_NODES,
    MOST_VALUES,
    InvalidList,
    PublishedBanFile,
    PublishedList,
    read_saved,
)
from vomap.mapfile.files import Mapfile
from vomap.web import WebFile
from vomap.web.cache import WebCache
from vomap.web.download import HttpResponse, Validators

URL = "https://bans.example.org/grid.yaml"
HEAD = "mapfile: 1\nissued: 2026-01-01T00:00:00Z\nbans:\n"
# The work grew with the square of such a list, to many minutes. No test is about speed: a slow machine needs a few.
SECONDS = 120


@pytest.fixture(autouse=True)
def _limit_of_time() -> Iterator[None]:
    """End a test that hangs."""

    def fail(*_: object) -> NoReturn:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def _read(folder: Path, content: bytes) -> PublishedList:
    """Read a fetched list."""
    response = HttpResponse(content, Validators(URL))
    fetched = WebFile(URL, content, is_unchanged=False, _response=response, _cache=WebCache(folder))
    return PublishedBanFile(str(folder), str(folder / "policy.bans"), "x").read(fetched)


def _refusal(folder: Path, content: bytes) -> str:
    """Return the message about a list that is refused, without its URL."""
    with pytest.raises(InvalidList) as caught:
        _read(folder, content)
    return str(caught.value).removeprefix(f"{URL}: ")


def _filled(member: str, size: int = LIMITS.size) -> bytes:
    """Return a list with a line so often that it has the greatest size."""
    return (HEAD + f"{member}\n" * ((size - len(HEAD)) // (len(member) + 1))).encode()


@pytest.mark.parametrize(
    "member",
    [
        "  - {reason: ''}",
        "  - a",
        "  - {vo: '*', reason: r}",
        "  - {issuer: 'x y', jti: a, reason: r}",
        "  - {jti: a, reason: r}",
        "  - {jti: a, reason: r, until: 2026-99-99}",
        f"  - {{jti: a, reason: r, vo: [{'*, ' * 1000}]}}".replace("*", "'*'"),
        f"  - {{jti: a, reason: r, scope: [{'[a], ' * 1000}]}}",
    ],
)
def test_a_list_of_many_members(tmp_path: Path, member: str) -> None:
    """A list of the greatest size has more members than vomap checks, so vomap checks none."""
    assert _refusal(tmp_path, _filled(member)).endswith(
        f"more than {MOST_NODES:,} keys and values, which is the limit of such a file"
    )


def test_as_many_errors_as_possible(tmp_path: Path) -> None:
    """The reader checks this list, because it has just few enough members. Each of them is an error."""
    number = MOST_NODES - 20
    values = ", ".join(["'*'"] * number)
    told = _refusal(tmp_path, f"{HEAD}  - {{jti: a, reason: r, vo: [{values}]}}\n".encode())
    assert told.startswith("line 4: `vo`: expected a VO's name")
    assert told.endswith(f"(and {number - 1} more)")


def test_the_longest_list(tmp_path: Path) -> None:
    """A list of 10,000 values has few enough keys and values, even in the longest form of a ban of one value."""
    longest = "  - {claim: {n: [v]}, reason: r, until: 2026-01-01}\n"
    assert len(_read(tmp_path, (HEAD + longest * MOST_VALUES).encode()).bans) == MOST_VALUES


def test_a_byte_order_mark(tmp_path: Path) -> None:
    """The file begins with a line of vomap, and the mark could not be in the middle of it."""
    read = _read(tmp_path, b"\xef\xbb\xbf" + HEAD.encode() + b"  []\n")
    assert read_saved(Mapfile(str(tmp_path / "published-x.yaml"), read.text)) == read


def test_the_lines_of_a_message_are_those_of_the_list(tmp_path: Path) -> None:
    """The publisher's file does not have vomap's line."""
    told = _refusal(tmp_path, f'{HEAD}  - {{jti: x, reason: "r\n\n'.encode())
    assert told.startswith("line 6: not valid YAML")
    assert "from line 4" in told


def test_tag_directives(tmp_path: Path) -> None:
    """The YAML parser compares each of them with all others."""
    directives = "".join(f"%TAG !a{number}! tag:x\n" for number in range(50_000))
    told = _refusal(tmp_path, f"{directives}---\n{HEAD} []\n".encode())
    assert told == "line 1: `%TAG`: tags are not supported; remove this line"


@pytest.mark.parametrize("depth", [17, 500, 300_000])
@pytest.mark.parametrize("begin", ["[", "{a: ", "- "])
def test_deep_nesting(tmp_path: Path, begin: str, depth: int) -> None:
    """The depth of a list has a limit, whichever form it has."""
    told = _refusal(tmp_path, f"{HEAD}  {'- ' if begin != '- ' else ''}{begin * depth}".encode())
    assert "nested more than 16 levels deep" in told or "not valid YAML" in told


def test_aliases(tmp_path: Path) -> None:
    """A few aliases could unfold to billions of values: vomap follows none."""
    names = "abcdefghij"
    unfolded = "".join(f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip(names, names[1:]))
    told = _refusal(tmp_path, f"a: &a [x]\n{unfolded}{HEAD}  []\n".encode())
    assert told.startswith("line 1: ")
    told = _refusal(tmp_path, f"{HEAD}  - &a {{jti: x, reason: r}}\n  - *a\n".encode())
    assert told.startswith("line 4: `bans`: anchor `&a`: not supported")


def test_keys_that_are_repeated(tmp_path: Path) -> None:
    """Of two values of one key, none counts."""
    told = _refusal(tmp_path, f"{HEAD}  - {{jti: x, jti: y, reason: r}}\n".encode())
    assert told == "line 4: `jti` is repeated; the first is in line 4"


@pytest.mark.parametrize("key", ["reason: '%s', jti: x", "reason: r, jti: '%s'", "reason: r, jti: x, claim: {'%s': y}"])
def test_long_texts(tmp_path: Path, key: str) -> None:
    """A reason and the name of a claim are as short as the values: callouts log reasons."""
    assert len(_read(tmp_path, (HEAD + f"  - {{{key % ('z' * 1000)}}}\n").encode()).bans) == 1
    told = _refusal(tmp_path, (HEAD + f"  - {{{key % ('z' * 1001)}}}\n").encode())
    assert told == "line 4: a value of 1001 characters; at most 1000"


@pytest.mark.parametrize(
    "text",
    [
        f"{HEAD}  - {{jti: x, reason: r, {'k' * 100_000}: y}}\n",
        f"{HEAD}  - {{subject: '{'*a' * 50_000}', reason: r}}\n",
        f"{HEAD}  - a\n{'    b' * 100_000}\n",
        f"{HEAD}  - {{jti: x, reason: r, until: {'9' * 100_000}}}\n",
    ],
)
def test_a_message_is_short(tmp_path: Path, text: str) -> None:
    """A message shows only the beginning of a text of the list."""
    assert len(_refusal(tmp_path, text.encode())) < 500


@pytest.mark.parametrize(
    "value", ["!<tag:%0Avomap:%20forged> x", "!<tag:%1B[2J> x", "!<tag:%E2%80%A8x> {jti: x, reason: r}"]
)
def test_a_tag_forges_no_line(tmp_path: Path, value: str) -> None:
    """A tag can have any character. The message shows it on one line, in plain characters."""
    told = _refusal(tmp_path, f"{HEAD}  - {value}\n".encode())
    assert told.startswith("line 4: `bans`: tag `tag:\\")
    assert told.isprintable()
    assert told.isascii()


@pytest.mark.parametrize(
    ("content", "expected"), [(b"\x1f\x8b\x08\0", "compressed"), (b"a\xff", "byte 1 is not valid")]
)
def test_a_list_that_is_not_text(tmp_path: Path, content: bytes, expected: str) -> None:
    """The reader unpacks nothing, and the message says what to publish."""
    assert expected in _refusal(tmp_path, content)
    assert _refusal(tmp_path, content).endswith("expected the plain text of the list")


def test_the_size_is_limited_before_the_list_is_read() -> None:
    """The download ends at this size, whatever the server sends."""
    expected: Any = 1 << 20
    assert LIMITS.size == expected
