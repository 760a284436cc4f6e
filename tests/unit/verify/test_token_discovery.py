"""Where a bearer's token is looked for: the first place that there is counts, and only if it can be trusted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vomap.claims import TokenError
from vomap.verify.jws import LONGEST_TOKEN
from vomap.verify.token_discovery import discover_token, read_token_file


@pytest.fixture
def places(tmp_path: Path) -> dict[str, Path]:
    """Each place that may hold a token, with its own name in it."""
    found = {"file": tmp_path / "file", "runtime": tmp_path / "run" / "bt_u7", "temporary": tmp_path / "tmp" / "bt_u7"}
    for name, path in found.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{name}\n")
        path.chmod(0o600)
    return found


def _discover(places: dict[str, Path], *variables: str) -> bytes:
    stated = {
        "BEARER_TOKEN": " variable ",
        "BEARER_TOKEN_FILE": str(places["file"]),
        "XDG_RUNTIME_DIR": str(places["runtime"].parent),
    }
    environment = {name: stated[name] for name in variables}
    return discover_token(environment, 7, str(places["temporary"].parent)).strip()


def test_the_first_place_counts(places: dict[str, Path]) -> None:
    """WLCG Bearer Token Discovery 1.0: the variable, the file that one names, the user's folder, /tmp."""
    every = ("BEARER_TOKEN", "BEARER_TOKEN_FILE", "XDG_RUNTIME_DIR")
    for at, expected in enumerate((b"variable", b"file", b"runtime", b"temporary")):
        assert _discover(places, *every[at:]) == expected


def test_what_is_not_there_is_passed_over(places: dict[str, Path]) -> None:
    """A file that nobody named need not be there; in the end there must be one."""
    places["runtime"].unlink()
    assert _discover(places, "XDG_RUNTIME_DIR") == b"temporary"
    places["temporary"].unlink()
    with pytest.raises(TokenError, match="not found"):
        _discover(places, "XDG_RUNTIME_DIR")
    assert discover_token({"XDG_RUNTIME_DIR": "", "BEARER_TOKEN": ""}, 7) == b""


@pytest.mark.parametrize("name", ["file", "runtime", "temporary"])
@pytest.mark.parametrize("how", ["writable", "folder", "fifo", "dangling", "large", "loose", "another's"])
def test_a_place_of_no_use_is_an_error(places: dict[str, Path], name: str, how: str) -> None:
    """Whoever put it there meant it: no other place is looked at."""
    path = places[name]
    if how == "writable":
        path.chmod(0o622)
    elif how == "large":
        path.write_bytes(b"x" * (LONGEST_TOKEN + 1))
    elif how == "loose":
        path.parent.chmod(0o777)
    elif how == "another's" and os.geteuid() == 0:
        os.chown(path, 12345, 12345)
    else:
        path.unlink()
        if how == "folder":
            path.mkdir()
        elif how == "fifo":
            os.mkfifo(path)
        else:
            path.symlink_to("nowhere")
    variables = {"file": ["BEARER_TOKEN_FILE"], "runtime": ["XDG_RUNTIME_DIR"]}.get(name, [])
    with pytest.raises(TokenError, match=r"^token: "):
        _discover(places, *variables)


def test_a_file_that_is_named_must_be_there(places: dict[str, Path]) -> None:
    """A variable that names no file is an error, and what it names is told, not what is in it."""
    for missing in ("", "/nowhere/token", "a\0b"):
        with pytest.raises(TokenError, match=r"^token: "):
            discover_token({"BEARER_TOKEN_FILE": missing}, 7, str(places["temporary"].parent))


def test_the_longest_file(places: dict[str, Path]) -> None:
    """A file holds as much as a token may have."""
    places["file"].write_bytes(b"x" * LONGEST_TOKEN)
    assert len(read_token_file(str(places["file"]))) == LONGEST_TOKEN
