"""Parse and write times and durations as mapfiles, command lines and messages use them."""

from __future__ import annotations

from datetime import datetime, timezone

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_NAMES = {"d": "day", "h": "hour", "m": "minute", "s": "second"}


def parse_duration(duration: str) -> int:
    """Return the seconds of a duration such as `6h`. Raises ValueError for anything else."""
    number, unit = duration[:-1], duration[-1:]
    if unit not in _UNITS or not (number.isascii() and number.isdigit()):
        raise ValueError(
            f"{duration!a} is not a valid duration: expected a number and a unit, such as 90s, 15m, 6h, 30d"
        )
    return int(number) * _UNITS[unit]


def describe_duration(seconds: float) -> str:
    """Return a duration in its largest whole unit, such as `3 hours`; a negative one is `0 seconds`."""
    unit = next((each for each in _NAMES if seconds >= _UNITS[each]), "s")
    number = max(0, int(seconds // _UNITS[unit]))
    return f"{number} {_NAMES[unit]}{'' if number == 1 else 's'}"


def parse_time(time: str) -> int:
    """Return the seconds since 1970 of a time such as `2026-12-31T12:00:00Z`, or of a date's first second in UTC.

    Raises ValueError for anything else.
    """
    form = "%Y-%m-%dT%H:%M:%SZ" if "T" in time else "%Y-%m-%d"
    return int(datetime.strptime(time, form).replace(tzinfo=timezone.utc).timestamp())


def parse_last_second(time: str) -> int:
    """Return the seconds since 1970 of a time, or of a date's last second in UTC: the end of a ban.

    Raises ValueError for anything else.
    """
    return parse_time(time) if "T" in time else parse_time(time) + _UNITS["d"] - 1


def format_utc(time: float) -> str:
    """Return a time, given in seconds since 1970, as UTC text: `2026-12-31T12:00:00Z`."""
    return datetime.fromtimestamp(int(time), tz=timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
