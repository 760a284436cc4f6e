"""The files of a CE have exactly the intended lines for any texts of a policy and of bans, or vomap refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from hypothesis import example, given
from hypothesis import strategies as st

from property.strategies import hostile_issuers as issuers
from property.strategies import hostile_texts as texts
from unit.ces.arc_lines import read_arc_conf, words_of
from unit.ces.map_lines import read_map_line
from vomap.ces.arc import FRAGMENT_FILE, read_blocks, render_arc
from vomap.ces.htcondor import MAP_FILE, SETTINGS_FILE, map_lines, render_htcondor, values_of
from vomap.ces.wiring import WiringError, wired_issuers
from vomap.mapfile.issuer_urls import is_issuer_url

if TYPE_CHECKING:
    from vomap.policy.documents import BansDocument, PolicyDocument


def _policy(declared: list[str], audiences: list[str] | None = None, **keys: object) -> PolicyDocument:
    """Return a policy that declares issuers, as a damaged or forged compiled policy could have it."""
    site = {"audience": audiences}
    return {"site": site, "issuers": {url: {"vo": "V", **keys} for url in declared}}  # type: ignore[typeddict-item]


def _bans(own: list[str], published: list[str]) -> BansDocument:
    """Return a ban of the site itself and one of a published list."""
    lists = (("/b/own.yaml", own), ("/b/published-x.yaml", published))
    return {"bans": [{"source": f"{file}:1", "issuer": urls, "reason": "r"} for file, urls in lists]}


def _intended(declared: list[str], own: list[str]) -> list[str]:
    """Return the issuers that the files name: those that are declared, and other plain URLs of the site's own bans."""
    return sorted({*declared, *filter(is_issuer_url, own)})


@given(declared=issuers, own=issuers, published=issuers)
@example(declared=["*"], own=[], published=[])
@example(declared=['"x'], own=[], published=[])
@example(declared=["https://i.example/ *"], own=[], published=[])
@example(declared=["https://i.example/#"], own=['"'], published=["*"])
@example(declared=[], own=[], published=["https://i.example/"])
def test_the_lines_of_arc(declared: list[str], own: list[str], published: list[str]) -> None:
    """ARC reads one line for each issuer, with five words, and the same other lines as without any issuer."""
    plain = render_arc(_policy([]), _bans([], []), vos=(), more_rules=False, callout=None)[FRAGMENT_FILE]
    try:
        files = render_arc(_policy(declared), _bans(own, published), vos=(), more_rules=False, callout=None)
    except WiringError:
        assert not all(map(is_issuer_url, declared))
        return
    (group, lines), *rest = read_arc_conf(files[FRAGMENT_FILE])
    assert (group, rest) == ("authgroup:vomap", read_arc_conf(plain)[1:])
    assert {option for option, _ in lines} <= {"authtokens"}
    assert [words_of(value) for _, value in lines] == [["*", url, "*", "*", "*"] for url in _intended(declared, own)]
    # `vomap status` reads the same lines.
    assert read_blocks(files[FRAGMENT_FILE])[1][1] == sorted(f"authtokens={value}" for _, value in lines)


@given(declared=issuers, own=issuers, published=issuers)
@example(declared=["https://i.example/,x"], own=[], published=[])
@example(declared=["x\nSCITOKENS /.*/ root"], own=[], published=[])
def test_the_lines_of_a_map_file(declared: list[str], own: list[str], published: list[str]) -> None:
    """Each line is for the tokens of its issuer alone."""
    document, bans = _policy(declared), _bans(own, published)
    try:
        text = render_htcondor(document, bans, then=(), callout=None)[MAP_FILE]
    except WiringError:
        assert not all(map(is_issuer_url, declared))
        return
    lines = [read_map_line(f"{line}\n") for line in text.split("\n")[:-1] if not line.startswith("#")]
    intended = _intended(declared, own)
    assert wired_issuers(document, bans) == intended
    assert [[line.matches(url, "s") for url in intended] for line in lines] == [
        [at == other for other in range(len(intended))] for at in range(len(intended))
    ]
    assert {line.mapped for line in lines} <= {"PLUGIN:VOMAP"}
    assert len(map_lines(text)) == len(intended)


@given(audiences=st.lists(texts, max_size=3, unique=True), foreign=issuers)
@example(audiences=["a b"], foreign=[])
@example(audiences=[""], foreign=[])
@example(audiences=["x\u2028y"], foreign=[])
def test_the_lists_of_settings(audiences: list[str], foreign: list[str]) -> None:
    """Each list has exactly the intended items, and no text is a setting of its own."""
    document = _policy(foreign, audiences, **{"without-audience": True})
    try:
        text = render_htcondor(document, {"bans": []}, then=(), callout="/x")[SETTINGS_FILE]
    except WiringError:
        assert not all(map(is_issuer_url, [*audiences, *foreign]))
        return
    settings = [line for line in text.split("\n")[:-1] if not line.startswith("#")]
    assert len(settings) == 4
    values = values_of(text)
    assert [item for item in values["SCITOKENS_SERVER_AUDIENCE"].split(", ") if item] == audiences
    assert [item for item in values["SEC_SCITOKENS_FOREIGN_TOKEN_ISSUERS"].split(", ") if item] == sorted(foreign)


def _text_of(render: Callable[[], dict[str, str]]) -> str:
    """Return all text that vomap writes, "" if it refuses."""
    try:
        return "".join(render().values())
    except WiringError:
        return ""


@given(vo=texts, then=texts, callout=texts.map("/".__add__))
@example(vo="é", then="é", callout="/é")
@example(vo="-x", then="²", callout="/²")
def test_the_words_of_options(vo: str, then: str, callout: str) -> None:
    """A name or a path is one word of plain letters in every file, or vomap refuses it."""
    renders: tuple[Callable[[], dict[str, str]], ...] = (
        lambda: render_arc(_policy([]), _bans([], []), vos=[vo], more_rules=False, callout=None),
        lambda: render_arc(_policy([]), _bans([], []), vos=(), more_rules=False, callout=callout),
        lambda: render_htcondor(_policy(["https://i/"]), _bans([], []), then=[then], callout=None),
    )
    words = list(map(_text_of, renders))
    assert all(text.isascii() for text in words)
    if words[0]:
        (name, ((option, value),)) = read_arc_conf(words[0])[1]
        assert (name, option, words_of(value)[-2:]) == (f"authgroup:vomap-{vo.lower()}", "plugin", ["--vo", vo])
        assert not vo.startswith("-")
    if words[1]:
        ((_, lines),) = [block for block in read_arc_conf(words[1]) if block[0] == "mapping"]
        assert words_of(lines[-1][1])[2:] == [callout, "map"]
    if words[2]:
        (line,) = [line for line in words[2].split("\n") if line.startswith("SCITOKENS /")]
        assert read_map_line(f"{line}\n").mapped == f"PLUGIN:VOMAP,{then}"
