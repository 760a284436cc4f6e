"""A subject always has the same pseudonym, which is useless without the key."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import property.strategies as _  # noqa: F401 - its settings
from vomap.log.pseudonyms import KeyFileError, PseudonymError, make_pseudonym, read_key, resolve_pseudonym

KEY, OTHER = b"k" * 32, b"o" * 32


@given(st.text(), st.text())
def test_the_key_resolves_a_pseudonym(issuer: str, subject: str) -> None:
    """The key and the issuer give back each subject from its pseudonym."""
    assert resolve_pseudonym(KEY, issuer, make_pseudonym(KEY, issuer, subject)) == subject


def test_a_subject_has_one_pseudonym() -> None:
    """A subject has one pseudonym in the whole log. The same subject of another issuer has another pseudonym."""
    one = make_pseudonym(KEY, "https://a/", "jo")
    assert one == make_pseudonym(KEY, "https://a/", "jo")
    assert one != make_pseudonym(KEY, "https://b/", "jo")
    assert one != make_pseudonym(OTHER, "https://a/", "jo")


def test_equal_beginnings_do_not_show() -> None:
    """Two subjects with the same beginning have pseudonyms with different beginnings."""
    one, other = make_pseudonym(KEY, "i", "jo.doe@example.org"), make_pseudonym(KEY, "i", "jo.dot@example.org")
    assert one[1:5] != other[1:5]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "~",
        "~AAAA",
        "jo",
        "~!!",
        "~" + "A" * 30,
        make_pseudonym(OTHER, "i", "jo"),
        make_pseudonym(KEY, "another", "jo"),
    ],
)
def test_what_is_none_of_this_key_is_refused(text: str) -> None:
    """Only a pseudonym of this key and this issuer gives a subject."""
    with pytest.raises(PseudonymError):
        resolve_pseudonym(KEY, "i", text)


def test_a_changed_pseudonym_is_refused() -> None:
    """A pseudonym with one changed character does not give a subject."""
    whole = make_pseudonym(KEY, "i", "jo.doe")
    for place in range(1, len(whole)):
        changed = whole[:place] + ("A" if whole[place] != "A" else "B") + whole[place + 1 :]
        with pytest.raises(PseudonymError):
            resolve_pseudonym(KEY, "i", changed)


def test_a_key_has_32_bytes_at_the_least(tmp_path: Path) -> None:
    """A short, empty or missing key is an error."""
    path = tmp_path / "key"
    with pytest.raises(KeyFileError):
        read_key(str(path))
    path.write_bytes(b"x" * 31)
    with pytest.raises(KeyFileError, match="32 bytes"):
        read_key(str(path))
    path.write_bytes(b"x" * 32)
    assert read_key(str(path)) == b"x" * 32
