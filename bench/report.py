"""The report of a run, as Markdown."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from tables import Table


def report(command: str, version: str, tables: Sequence[Table]) -> str:
    """Return the whole report. `command` makes it again, `version` is that of the measured Python."""
    date = time.strftime("%Y-%m-%d", time.gmtime())
    head = f"""\
# Performance

Written by `{command}` on {date} (UTC): Python {version}, {os.cpu_count()} cores. Every figure is of this one run.
A figure with a bar has the bar beside it, and whether the figure meets it.
"""
    return "\n".join([head, *(table.markdown() for table in tables)])
