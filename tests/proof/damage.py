"""Damage one byte at a time, or cut off an end, and compare the answers of callouts from the file.

An answer depends only on the pieces that it reads of a compiled file, and on the file's size. So for a file with its
old size, only the tokens whose answer read the damaged byte are decided again. The others would read the same bytes.
Every answer begins with opening both files, so a failure there refuses all tokens.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from ces import htcondor_payload
from vomap import Error, accounts
from vomap.callouts import decide_token
from vomap.claims.htcondor_payload import read_payload
from vomap.policy import ERROR
from vomap.store import BANS, POLICY, CompiledFile, read_bans, read_policy
from vomap.store.writer import read_compiled

# Where files cost no disk, if there is such a place.
MEMORY = "/dev/shm"
MOST_TOLD = 20
SAME, REFUSED_AT_ONCE, REFUSED, UNREAD = "the same answer", "refused at once", "refused", "read by no token"

Answer = tuple[object, ...]


@dataclass(frozen=True)
class Damage:
    """A byte of one of the two files that has another value, or the length to which the file is cut."""

    file: str
    at: int
    value: int | None = None


@dataclass
class Tally:
    """The results of damaged files: the number of answers of each kind, and each answer that was another one."""

    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Add the tally of another process."""
        self.counts += other.counts
        self.wrong += other.wrong


def damages(files: dict[str, bytes]) -> Iterator[Damage]:
    """Yield every bit flip, 0x00 and 0xFF at every byte, and every truncation."""
    for file, content in files.items():
        for at, byte in enumerate(content):
            values = {byte ^ 1 << bit for bit in range(8)} | {0x00, 0xFF}
            yield from (Damage(file, at, value) for value in sorted(values - {byte}))
            yield Damage(file, at)


class Bench:
    """A copy of a built policy and its bans, to be damaged, and the answers for tokens that it gives undamaged."""

    def __init__(self, files: dict[str, bytes], tokens: Sequence[dict[str, Any]]) -> None:
        """Take the content of both files by their kind, and the tokens."""
        # No name service is asked: every account is an ordinary one.
        self._names = patch.object(accounts, "find_uid", lambda _: 1000)
        self._names.start()
        self._files = files
        self._payloads = [htcondor_payload(token) for token in tokens]
        self._folder = Path(tempfile.mkdtemp(dir=MEMORY if os.path.isdir(MEMORY) else None))
        self._paths = {kind: self._folder / kind for kind in files}
        for kind, path in self._paths.items():
            path.write_bytes(files[kind])
            path.chmod(0o644)
        self._open = {kind: os.open(path, os.O_WRONLY) for kind, path in self._paths.items()}
        self.answers: list[Answer] = []
        self.keys: set[str] = set()
        # For every byte of each file, which tokens' answers have read it.
        self.readers = {kind: [set[int]() for _ in content] for kind, content in files.items()}
        for number in range(len(self._payloads)):
            self.answers.append(self._traced(number))

    def close(self) -> None:
        """Take the copy away, and ask the name service again."""
        self._names.stop()
        for descriptor in self._open.values():
            os.close(descriptor)
        shutil.rmtree(self._folder)

    def try_all(self, chosen: Sequence[Damage], *, everybody: bool = False) -> Tally:
        """Try each damage with the tokens that it can touch, or with all of them."""
        tally = Tally()
        for damage in chosen:
            self._inflict(damage)
            try:
                self._try(damage, tally, everybody=everybody)
            finally:
                self._heal(damage)
        return tally

    def answer(self, number: int) -> Answer:
        """Return what a callout answers for a token. Raises nothing, unless a callout would crash."""
        options = {"--policy": str(self._paths[POLICY]), "--bans": str(self._paths[BANS])}
        decision = decide_token(options, lambda _: read_payload(self._payloads[number])).decision
        fields = ("outcome", "account", "pool", "vo", "rule", "source", "reason", "policy")
        return (*(getattr(decision, name) for name in fields), *decision.unchecked)

    def _traced(self, number: int) -> Answer:
        """Answer, and record the bytes and the pieces that this reads.

        Of the first read, only the line counts. All other bytes that matter are read again.
        """
        read, find = CompiledFile._read, CompiledFile.find

        def reading(file: CompiledFile, offset: int, length: int) -> bytes:
            content = read(file, offset, length)
            readers = self.readers[Path(file.path).name]
            taken = len(content) if file._first else content.find(b"\n") + 1
            for at in range(offset, offset + taken):
                readers[at].add(number)
            return content

        def finding(file: CompiledFile, key: str) -> Any:
            piece = find(file, key)
            if piece is not None:
                self.keys.add(key)
            return piece

        with patch.object(CompiledFile, "_read", reading), patch.object(CompiledFile, "find", finding):
            return self.answer(number)

    def _inflict(self, damage: Damage) -> None:
        if damage.value is None:
            os.ftruncate(self._open[damage.file], damage.at)
        else:
            os.pwrite(self._open[damage.file], bytes([damage.value]), damage.at)

    def _heal(self, damage: Damage) -> None:
        os.pwrite(self._open[damage.file], self._files[damage.file][damage.at :], damage.at)

    def _try(self, damage: Damage, tally: Tally, *, everybody: bool) -> None:
        try:
            noticed, opened = self._is_noticed(damage.file), self._can_be_opened()
        except Exception as error:  # noqa: BLE001 - whatever a callout would crash with
            tally.wrong.append(f"{damage}: a crash: {error!r}")
            return
        if not noticed:
            tally.wrong.append(f"{damage}: `vomap status` does not notice it")
        if not opened and not everybody:
            tally.counts[REFUSED_AT_ONCE] += len(self.answers)
            return
        all_tokens = set(range(len(self.answers)))
        asked = all_tokens if everybody or damage.value is None else self.readers[damage.file][damage.at]
        tally.counts[UNREAD] += len(all_tokens) - len(asked)
        for number in asked:
            self._ask(damage, number, tally)

    def _ask(self, damage: Damage, number: int, tally: Tally) -> None:
        try:
            answer = self.answer(number)
        except Exception as error:  # noqa: BLE001 - whatever a callout would crash with
            tally.wrong.append(f"{damage}: token {number}: a crash: {error!r}")
            return
        if answer == self.answers[number]:
            tally.counts[SAME] += 1
        elif answer[0] == ERROR:
            tally.counts[REFUSED] += 1
        else:
            told = json.dumps([self.answers[number], answer], default=str)
            tally.wrong.append(f"{damage}: token {number}: {told}")

    def _is_noticed(self, kind: str) -> bool:
        """Return True if a reader of the whole file notices the damage."""
        try:
            read_compiled(str(self._paths[kind]), kind)
        except Error:
            return True
        return False

    def _can_be_opened(self) -> bool:
        try:
            read_policy(str(self._paths[POLICY]))
            read_bans(str(self._paths[BANS]))
        except Error:
            return False
        return True


def try_part(files: dict[str, bytes], tokens: Sequence[dict[str, Any]], chosen: Sequence[Damage]) -> Tally:
    """Try a part of the damages in a process of its own."""
    bench = Bench(files, tokens)
    try:
        return bench.try_all(chosen)
    finally:
        bench.close()
