"""Reading arguments: numbers and times as Redis accepts them, with its error texts."""

from __future__ import annotations

import math
from typing import Final

from mypy_extensions import i64

from dscache.engine.errors import NOT_A_FLOAT, NOT_AN_INTEGER, SYNTAX
from dscache.errors import CommandError
from dscache.values.integers import I64_MAX, I64_MIN, parse_i64

__all__ = (
    "EXPIRY_OPTIONS",
    "I64_MAX",
    "I64_MIN",
    "double",
    "expiry_ms",
    "integer",
    "integer_between",
    "parse_i64",
    "strtod",
    "syntax_error",
    "timeout_ms",
)

#: Options that give a due time: ms in a unit, and whether it counts from now.
EXPIRY_OPTIONS: Final = {
    b"EX": (1000, True),
    b"PX": (1, True),
    b"EXAT": (1000, False),
    b"PXAT": (1, False),
}


_UNDERSCORE: Final = ord("_")


def integer(text: bytes, error: bytes = NOT_AN_INTEGER) -> int:
    """The 64-bit integer that ``text`` is; raises CommandError(error)."""
    number = parse_i64(text)
    if number is None:
        raise CommandError(error)
    return number


def integer_between(text: bytes, least: int, most: int, error: bytes) -> int:
    """An integer with bounds; raises CommandError(error) when they are not kept."""
    number = integer(text)
    if number < least or number > most:
        raise CommandError(error)
    return number


def strtod(text: bytes) -> float | None:
    """The double that C's ``strtod`` reads, if it reads ``text`` to its end; else None.

    It takes leading spaces, hexadecimal digits, ``inf`` and ``nan``; what is too large becomes
    infinite, what is too small 0. Nothing at all is 0, too.
    """
    # Most scores are integers, and these are quicker than what C's library does.
    integer = parse_i64(text)
    if integer is not None:
        return float(integer)
    try:
        number = float(text)
    except ValueError:
        return _strtod_rare(text)
    # What Python takes and C does not. (By its number: ``b"_" in text`` raises and catches an error first.)
    return None if _UNDERSCORE in text or text[-1:].isspace() else number


def _strtod_rare(text: bytes) -> float | None:
    if not text:
        return 0.0
    digits = text.strip().lower().lstrip(b"+-")
    if not digits.startswith(b"0x") or text[-1:].isspace():
        return None
    try:
        return float.fromhex(text.decode("ascii"))
    except OverflowError:
        return -math.inf if b"-" in text.partition(b"0")[0] else math.inf
    except ValueError:
        return None


def double(text: bytes, error: bytes = NOT_A_FLOAT) -> float:
    """The double that ``text`` is for Redis's ``string2d``; raises CommandError(error).

    As ``strtod``, but without spaces and ``nan``; and what is not 0 or infinite must not become it.
    """
    if text == b"0":
        # Spares what has to be asked of a zero below: 900 instructions.
        return 0.0
    number = strtod(text)
    if number is None or number != number or not text or text[:1].isspace():
        raise CommandError(error)
    if number == 0.0 or math.isinf(number):
        lower = text.lower()
        if number == 0.0:
            mantissa = lower.partition(b"p" if b"x" in lower else b"e")[0]
            is_exact = not mantissa.strip(b"+-0.x")
        else:
            is_exact = b"inf" in lower
        if not is_exact:
            raise CommandError(error)
    return number


def timeout_ms(text: bytes) -> int:
    """The timeout of a blocking command in ms, 0 for none; given in seconds, fractions allowed.

    Raises CommandError.
    """
    seconds = double(text, b"ERR timeout is not a float or out of range")
    if seconds * 1000.0 > I64_MAX:
        raise CommandError(b"ERR timeout is out of range")
    if seconds < 0:
        raise CommandError(b"ERR timeout is negative")
    # What is less than a millisecond is one: 0 would be for ever.
    return math.ceil(seconds * 1000.0)


def syntax_error() -> CommandError:
    """For arguments that do not fit the command's grammar."""
    return CommandError(SYNTAX)


def expiry_ms(text: bytes, unit_ms: i64, is_relative: bool, now_ms: i64, command: bytes) -> int:
    """An absolute due time in ms from an option such as EX 10 or PXAT 1700000000000.

    Raises CommandError when it is no integer, not positive, or beyond 64 bits of milliseconds.
    """
    number = integer(text)
    due = number * int(unit_ms)
    if is_relative:
        due += int(now_ms)
    if number <= 0 or number > I64_MAX // unit_ms or due > I64_MAX:
        raise CommandError(b"ERR invalid expire time in '" + command + b"' command")
    return due
