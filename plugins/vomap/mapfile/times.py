"""Durations and points in time, as mapfiles and command lines write them."""

from __future__ import annotations

from datetime import datetime, timezone

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(duration: str) -> int:
    """Return the seconds of a duration such as `6h`. Raises ValueError for anything else."""
    number, unit = duration[:-1], duration[-1:]
    if unit not in _UNITS or not (number.isascii() and number.isdigit()):
        raise ValueError(f"{duration!a} is no duration such as 90s, 15m, 6h, 30d")
    return int(number) * _UNITS[unit]


def last_second(time: str) -> int:
    """Return the last second, since 1970, that a date or a time still covers: of a date, the last of that day in UTC.

    Raises ValueError for what is no such date or time.
    """
    if "T" in time:
        return point_in_time(time)
    return point_in_time(time) + _UNITS["d"] - 1


def point_in_time(time: str) -> int:
    """Return the seconds since 1970 of a time such as `2026-12-31T12:00:00Z`, or of a date's first second in UTC.

    Raises ValueError for what is no such time.
    """
    form = "%Y-%m-%dT%H:%M:%SZ" if "T" in time else "%Y-%m-%d"
    return int(datetime.strptime(time, form).replace(tzinfo=timezone.utc).timestamp())


def written(time: float) -> str:
    """Write a time, in seconds since 1970, in UTC: `2026-12-31T12:00:00Z`."""
    return datetime.fromtimestamp(int(time), tz=timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
