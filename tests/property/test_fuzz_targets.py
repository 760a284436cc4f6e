"""The targets of fuzzing without a fuzzer: each file of their corpora, and data made from them, on every run."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzz.targets import CORPUS, TARGETS, check_of, corpus_of
from property import strategies  # noqa: F401 - importing it sets how often hypothesis tries

LEAST_FILES = 7
CONTENTS = {target: [path.read_bytes() for path in corpus_of(target)] for target in TARGETS}
# How long data take to draw is the machine's affair.
UNHURRIED = settings(suppress_health_check=[HealthCheck.too_slow])
FILES = [pytest.param(target, path, id=f"{target}-{path.name}") for target in TARGETS for path in corpus_of(target)]


def test_there_is_a_corpus_for_each_target() -> None:
    """The scan of the corpus finds inputs, and each folder has a target that reads it."""
    assert {path.name for path in CORPUS.iterdir() if path.is_dir()} == set(TARGETS)
    assert {target for target in TARGETS if len(corpus_of(target)) < LEAST_FILES} == set()


@pytest.mark.parametrize(("target", "path"), FILES)
def test_corpus(target: str, path: Path) -> None:
    """Each input of the corpus, typical or once a bug, keeps the rules of its target."""
    check_of(target)(path.read_bytes())


@pytest.mark.parametrize("target", TARGETS)
@UNHURRIED
@given(data=st.data())
def test_near_the_corpus(target: str, data: st.DataObject) -> None:
    """So does a file of the corpus with a piece of another one, or of anything, in the place of a piece of it."""
    content = data.draw(st.sampled_from(CONTENTS[target]))
    other = data.draw(st.sampled_from(CONTENTS[target]) | st.binary())
    begin, end = _slice(data, content)
    check_of(target)(content[:begin] + other[slice(*_slice(data, other))] + content[end:])


@pytest.mark.parametrize("target", TARGETS)
@UNHURRIED
@given(content=st.binary())
def test_any_data(target: str, content: bytes) -> None:
    """And so does any data at all."""
    check_of(target)(content)


def _slice(data: st.DataObject, content: bytes) -> tuple[int, int]:
    begin = data.draw(st.integers(0, len(content)))
    return begin, data.draw(st.integers(begin, min(len(content), begin + 40)))
