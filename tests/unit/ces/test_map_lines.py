"""Lines of HTCondor's map files: what an expression may match, and what it bans."""

from __future__ import annotations

from pathlib import Path

import pytest

from vomap.ces.htcondor import map_line
from vomap.ces.map_lines import MapLine, include_target, read_map_line

ISSUER = "https://one.example/"


def _line(text: str) -> MapLine:
    line = read_map_line(Path("f"), 1, text)
    assert line is not None, text
    return line


@pytest.mark.parametrize(
    ("expression", "subject"),
    [
        (r"/^https:\/\/one\.example\/,leak$/", "leak"),
        (r"/^https\:\/\/one\.example\/,a\-b\@c\.d$/", "a-b@c.d"),
        (r"/^https:\/\/one.example\/,leak$/", "leak"),
        (r"/^https:\/\/one\.example\/,leak/", "leak"),
        (r"/^https:\/\/one\.example\/,leak.*$/", "leak"),
        (r"/^https:\/\/one\.example\/,(.*)/", ""),
        (r"/^https:\/\/one\.example\/,/", ""),
        (r"/^https:\/\/one/", ""),
        (r"/^/", ""),
        (r"/^.*/", ""),
        (r"/^https:\/\/one\.example\/,a\\.b$/", "a.b"),
        ("https://one.example/,leak", "leak"),
        ('"https://one.example/,first last"', "first last"),
        (r"/^https:\/\/one\.example\/,leak$/i", None),
        (r"/^https:\/\/one\.example\/,lea./", None),
        (r"/^https:\/\/one\.example\/,lea[kf]$/", None),
        (r"/^https:\/\/one\.example\/,(a|b)$/", None),
        (r"/^https:\/\/one\.example\/,leak$|other/", None),
        (r"/^https:\/\/one\.example\/,leaks?$/", None),
        (r"/^https:\/\/one\.example\/,lea\w$/", None),
        (r"/^(?i)https:/", None),
        (r"/,leak$/", None),
        (r"/.*/", ""),
        ("/^https:\\/\\/one\\.example\\/,caf\ufffd$/", None),
    ],
)
def test_what_an_expression_matches(expression: str, subject: str | None) -> None:
    """All of these may match tokens of the issuer. Only literal text after `^` is understood."""
    found = _line(f"SCITOKENS {expression} x@banned.htcondor.org").expression
    assert found.may_match(ISSUER)
    assert found.subject_of(ISSUER) == subject


@pytest.mark.parametrize(
    "expression",
    [
        r"/^https:\/\/other\.example\/,/",
        r"/^https:\/\/one\.example,/",
        r"/^https:\/\/one\.example\/x,/",
        r"/^https:\/\/one\.example\/$/",
        "https://one.example/",
        "https://one.example/x,y",
    ],
)
def test_an_expression_of_other_issuers(expression: str) -> None:
    """A literal text that differs from the issuer and the comma matches none of its tokens."""
    assert not _line(f"SCITOKENS {expression} x").expression.may_match(ISSUER)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# SCITOKENS /.*/ x",
        "SSL /.*/ x",
        "SCITOKENS",
        "SCITOKENS /.*/",
        "SCITOKENS x",
        "SCITOKENS // x",
        '"" /.*/ x',
        "@include /etc/x",
    ],
)
def test_a_line_that_maps_no_token(text: str) -> None:
    """HTCondor ignores a line with an empty field."""
    assert read_map_line(Path("f"), 1, text) is None


def test_the_name_of_a_line() -> None:
    """The third field may be in quotes, and may follow the expression without a blank. The rest of the line is void."""
    for text in ("SCITOKENS /.*/ x@y rest", '"scitokens" /.*/iU "x@y" # rest', "\tSCITOKENS\t/.*/ix@y"):
        assert _line(text).name == "x@y"


@pytest.mark.parametrize(
    ("name", "plugins"),
    [
        ("PLUGIN:VOMAP", []),
        ("PLUGIN:VOMAP,EGI,B_2", ["EGI", "B_2"]),
        ('"PLUGIN:VOMAP, EGI"', ["EGI"]),
        ("PLUGIN:EGI,VOMAP", None),
        ("PLUGIN:VOMAPS", None),
        ("alice", None),
    ],
)
def test_the_plugins_after_vomap(name: str, plugins: list[str] | None) -> None:
    """A line asks vomap only if it names it first."""
    assert _line(f"SCITOKENS /.*/ {name}").next_plugins == plugins


@pytest.mark.parametrize("issuer", [ISSUER, "https://a.example/b~c", "https://a.example", "https://a/%20"])
def test_the_issuer_of_our_own_line(issuer: str) -> None:
    """The line that vomap writes for an issuer is read as its line, and as no other issuer's."""
    assert _line(map_line(issuer, "VOMAP").rstrip()).expression.issuer() == issuer
    for text in (r"/^https:\/\/a,x/", r"/^https:\/\/a,$/", r"/^https:\/\/a.b,/", r"/^https:\/\/a,/i", r"/,/"):
        assert _line(f"SCITOKENS {text} PLUGIN:VOMAP").expression.issuer() is None


def test_an_include() -> None:
    """Its path may be in quotes. The word is in small letters."""
    assert include_target('@include "/a b/"') == "/a b/"
    assert include_target("  @include /a/ rest") == "/a/"
    assert include_target("@include") == ""
    assert include_target("@INCLUDE /a/") is None
