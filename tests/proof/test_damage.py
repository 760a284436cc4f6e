"""Damage to the compiled policy and bans gives a refusal or the very same answer, never another account."""

from __future__ import annotations

import multiprocessing
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from proof.counts import count
from proof.damage import MOST_TOLD, REFUSED, SAME, UNREAD, Bench, Damage, Tally, damages, try_part
from proof.site import TOKENS, build, tokens
from vomap.policy import DECLINED, DENIED, ERROR, MAPPED
from vomap.store import BANS, POLICY

PROCESSES = 2
# All but those that are only for who explains, or reads the file whole: `list`, `reserved-vos`, `sources`.
PIECES = {"site", "issuer", "owners", "asked", "vo", "rule", "named", "pools"}
LEAST_TOKENS, LEAST_ACCOUNTS = 48, 20

Files = dict[str, bytes]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Return the content of the built policy and of the built bans."""
    folder: Path = tmp_path_factory.mktemp("built")
    policy, bans = build(folder)
    return {POLICY: policy.read_bytes(), BANS: bans.read_bytes()}


@pytest.fixture(scope="module")
def chosen(files: Files) -> list[dict[str, Any]]:
    """Return the tokens to ask with: the site's, and of the shipped tests' each that reads what no earlier one has."""
    every = tokens()
    bench = Bench(files, every)
    try:
        readers = bench.readers[POLICY]
    finally:
        bench.close()
    kept: list[dict[str, Any]] = []
    read: set[int] = set()
    for number, token in enumerate(every):
        new = {at for at, who in enumerate(readers) if number in who} - read
        if new or number < len(TOKENS):
            kept.append(token)
            read |= new
    return kept


@pytest.fixture
def bench(files: Files, chosen: list[dict[str, Any]]) -> Iterator[Bench]:
    """Return a copy of the files to be damaged."""
    bench = Bench(files, chosen)
    yield bench
    bench.close()


def _assert_right(tally: Tally) -> None:
    assert tally.wrong[:MOST_TOLD] == [], f"{len(tally.wrong)} in all"


def test_the_tokens_ask_for_everything(bench: Bench) -> None:
    """There is every outcome among the answers, many accounts, and no kind of piece that no token reads."""
    assert {answer[0] for answer in bench.answers} == {MAPPED, DECLINED, DENIED, ERROR}
    assert len(bench.answers) >= LEAST_TOKENS
    assert len({answer[1] for answer in bench.answers} - {None}) >= LEAST_ACCOUNTS
    assert {key.partition("\t")[0] for key in bench.keys} >= PIECES


def test_every_damage(files: Files, chosen: list[dict[str, Any]]) -> None:
    """After every bit flip, 0x00 and 0xFF at every byte, and every truncation: a refusal, or the same answer.

    And who reads all of a file, as `vomap status` does, notices every single one.
    """
    begun = time.monotonic()
    every = list(damages(files))
    random.Random(1).shuffle(every)
    tried = every[: count(full=len(every), reduced=2000)]
    parts = [(files, chosen, tried[at::PROCESSES]) for at in range(PROCESSES)]
    tally = Tally()
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        for part in pool.starmap(try_part, parts):
            tally.add(part)
    print(
        f"\ndamage: {len(tried)} of {len(every)} damages of {[len(content) for content in files.values()]} bytes, "
        f"{len(chosen)} tokens, {dict(tally.counts)}, {len(tally.wrong)} wrong, {time.monotonic() - begun:.0f} s"
    )
    _assert_right(tally)
    # A checksum covers each byte that a token needs, so no damaged one of these gives the same answer.
    assert tally.counts.keys() >= {REFUSED, UNREAD}
    assert sum(tally.counts.values()) == len(tried) * len(chosen)


def test_who_is_not_asked_would_answer_as_before(files: Files, bench: Bench) -> None:
    """To ask only the tokens that read the damaged byte leaves no other answer out: here all are asked."""
    sample = random.Random(2).sample(list(damages(files)), count(full=2000, reduced=100))
    tally = bench.try_all(sample, everybody=True)
    _assert_right(tally)
    assert tally.counts[UNREAD] == 0
    assert tally.counts[SAME] > 0
    for damage in sample:
        asked = bench.readers[damage.file][damage.at] if damage.value is not None else set(range(len(bench.answers)))
        changed = _changed(bench, damage)
        assert changed <= asked, damage


def _changed(bench: Bench, damage: Damage) -> set[int]:
    """Return the tokens whose answer a damage changes."""
    bench._inflict(damage)
    try:
        return {number for number, before in enumerate(bench.answers) if bench.answer(number) != before}
    finally:
        bench._heal(damage)


def test_a_wrong_answer_is_seen(files: Files, bench: Bench) -> None:
    """The proof can fail: with an answer before the damage that was another one, it does."""
    bench.answers = [("mapped", "other"), *bench.answers[1:]]
    unread = Damage(POLICY, len(files[POLICY]) - 1, files[POLICY][-1] ^ 1)
    assert bench.try_all([unread], everybody=True).wrong != []
