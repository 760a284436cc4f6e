"""Read JSON strictly by RFC 8259.

The scanner is that of the standard library's `json`, in C. The module `json` itself would load the regex engine.
"""

from __future__ import annotations

from _json import make_scanner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

_BLANKS = " \t\n\r"
_LONGEST_INTEGER = 300
# No number in a text of this length has too many digits for int() (sys.get_int_max_str_digits).
_SHORT = 4300


def _integer(text: str) -> int | float:
    # Newer interpreters refuse to convert thousands of digits, older ones take long. No claim needs so many.
    return int(text) if len(text) <= _LONGEST_INTEGER else float(text)


class _Settings:
    strict = True
    object_hook = None
    parse_float = float

    def __init__(self, parse_int: Callable[[str], int | float]) -> None:
        self.parse_int = parse_int

    @staticmethod
    def object_pairs_hook(pairs: list[tuple[str, object]]) -> dict[str, object]:
        members = dict(pairs)
        if len(members) != len(pairs):
            raise ValueError("a key occurs twice")
        return members

    @staticmethod
    def parse_constant(name: str) -> NoReturn:
        raise ValueError(f"{name} is not valid JSON")


def parse_json(text: str) -> object:
    """Return the value that a JSON text holds, objects as dicts, arrays as lists.

    Raises ValueError for text that is not valid JSON, for a key that occurs twice in one object, for NaN and
    Infinity, and for nesting deeper than the interpreter's stack.
    """
    scan = _SCAN_SHORT if len(text) <= _SHORT else _SCAN_LONG
    try:
        value, end = scan(text, len(text) - len(text.lstrip(_BLANKS)))
    except (StopIteration, SystemError):
        # Python 3.10 and 3.11 raise SystemError for an error unless the module `json` is loaded.
        raise ValueError("no JSON value where one is expected") from None
    except RecursionError:
        raise ValueError("nested too deep") from None
    if end != len(text) and text[end:].strip(_BLANKS):
        raise ValueError("text after the JSON value")
    return value


_settings: Any = _Settings
_SCAN_LONG: Callable[[str, int], tuple[object, int]] = make_scanner(_settings(_integer))
_SCAN_SHORT: Callable[[str, int], tuple[object, int]] = make_scanner(_settings(int))
