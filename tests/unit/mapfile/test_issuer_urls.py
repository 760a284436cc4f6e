"""The URL of an issuer is a plain https URL, so that every configuration file can contain it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vomap.mapfile.issuer_urls import is_issuer_url


@pytest.mark.parametrize(
    "url",
    [
        "https://cms-auth.web.cern.ch/",
        "https://aai.egi.eu/auth/realms/egi",
        "https://login.microsoftonline.com/0d15ea5e-0000-4000-8000-00000000beef/v2.0",
        "https://Login.Example.org:8443",
        "https://x/~a/b_c/%20/@d:e/+=",
    ],
)
def test_an_issuer(url: str) -> None:
    """The URL has a host, and perhaps a port and a path. Capital letters are valid."""
    assert is_issuer_url(url)


@pytest.mark.parametrize(
    "text",
    [
        "", "https://", "http://x/", "HTTPS://x/", "https:///x", "https://x /", "https://x/\n", "\nhttps://x/", "https://-x/",
        "https://x-/", "https://x..y/", "https://.x/", "https://u@x/", "https://u:p@x/", "https://x:/", "https://x:123456/",
        "https://x/?a", "https://x/#a", "https://x/*", "https://x/,", 'https://x/"', "https://x/'", "https://x/`",
        "https://x/$(a)", "https://x/\\", "https://x/a;b", "https://x/<a>", "https://x/é", "https://é/", "https://[::1]/",
        "https://x/\x7f", "https://x/\0",
    ],
)  # fmt: skip
def test_what_is_no_issuer(text: str) -> None:
    """The URL of an issuer contains no quotes, blanks, commas or other characters that can end a word."""
    assert not is_issuer_url(text)


@given(text=st.text("htps:/.-~%@+=_aZ09 \"'*,$#\\\n", max_size=30).map("https://".__add__))
def test_only_plain_characters(text: str) -> None:
    """A valid URL is one word of letters, digits and a few marks."""
    if is_issuer_url(text):
        assert re.fullmatch(r"[A-Za-z0-9:/._~%@+=-]+", text)
