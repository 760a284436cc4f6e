"""A command line in a process of its own, which gets a signal just when it is about to call a function."""

from __future__ import annotations

import signal
import subprocess
import sys

# Runs its arguments as a command line. The process gets a signal when it is about to call FUNCTION of MODULE.
CHILD = """\
import importlib, os, signal, sys
from vomap.cli import run
module, name, number, turn, *words = sys.argv[1:]
module = importlib.import_module(module)
write, calls = getattr(module, name), []
def interrupted(*arguments, **options):
    calls.append(1)
    if len(calls) == int(turn):
        os.kill(os.getpid(), int(number))
    return write(*arguments, **options)
setattr(module, name, interrupted)
raise SystemExit(run(words))
"""
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


def interrupted(at: str, number: signal.Signals, *words: str, turn: int = 1, ignored: bool = False) -> tuple[int, str]:
    """Run a command line with a signal at the call number `turn` of a function. Return exit code and errors."""
    module, _, name = at.rpartition(".")
    # As `nohup` starts a command, or as a terminal does, also where these tests run in the background.
    handler = signal.SIG_IGN if ignored else signal.SIG_DFL
    child = [sys.executable, "-c", CHILD, module, name, str(int(number)), str(turn), *words]
    done = subprocess.run(
        child,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        preexec_fn=lambda: signal.signal(number, handler),
    )
    return done.returncode, done.stderr


def ended(number: signal.Signals) -> int:
    """Return how a process ends by a signal, after the writes."""
    return 3 if number == signal.SIGINT else -number
