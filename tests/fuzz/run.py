"""`make fuzz SECONDS=120` runs each target under atheris for an equal part of the time. An input that it finds fails.

build/fuzz has the inputs that reached new code, for the next run, and those that were a bug. Put such a bug into
tests/fuzz/corpus, where `make test` tries it every time.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from fuzz.targets import CORPUS, TARGETS

WORK = Path("build/fuzz")
WORDS = Path(__file__).with_name("words.dict")
LONGEST_INPUT, LONGEST_SECONDS = 4096, 20


def main() -> int:
    """Run the targets one after the other. Return 1 if any failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=120, help="for all targets together (default: 120)")
    parser.add_argument("targets", nargs="*", default=TARGETS, metavar="TARGET", help=f"of {', '.join(TARGETS)}")
    args = parser.parse_args()
    seconds = max(1, args.seconds // len(args.targets))
    failed = [target for target in args.targets if not _is_clean(target, seconds)]
    print(f"fuzz: {len(args.targets)} targets, {seconds} s each: {f'FAILED: {failed}' if failed else 'nothing found'}")
    return 1 if failed else 0


def _is_clean(target: str, seconds: int) -> bool:
    found = WORK / "corpus" / target
    found.mkdir(parents=True, exist_ok=True)
    log = WORK / f"{target}.log"
    command = [
        sys.executable, str(Path(__file__).with_name("one.py")), target, str(found), str(CORPUS / target),
        f"-max_total_time={seconds}", f"-max_len={LONGEST_INPUT}", f"-timeout={LONGEST_SECONDS}",
        f"-artifact_prefix={WORK}/{target}-", "-print_final_stats=1", f"-dict={WORDS}",
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(CORPUS.parents[1])}
    with log.open("wb") as output:
        done = subprocess.run(command, env=environment, stdout=output, stderr=subprocess.STDOUT, check=False)
    lines = log.read_text("utf-8", "replace").splitlines()
    executed = [line.split()[-1] for line in lines if line.startswith("stat::number_of_executed_units")]
    # A target that was never run has found nothing.
    clean = done.returncode == 0 and bool(executed) and int(executed[0]) > 0
    print(f"fuzz: {target}: {executed[0] if executed else 'no'} inputs, {'clean' if clean else f'FAILED, see {log}'}")
    if not clean:
        print("\n".join(lines[-30:]))
    return clean


if __name__ == "__main__":
    sys.exit(main())
