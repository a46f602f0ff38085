"""What follows SCAN, HSCAN, SSCAN and ZSCAN: cursors and patterns as Redis reads them, and options."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from dscache.commands.arguments import integer, parse_i64, syntax_error
from dscache.engine.glob import compile_glob
from dscache.errors import CommandError

DEFAULT_COUNT: Final = 10

_INVALID_CURSOR: Final = b"ERR invalid cursor"
_U64_MASK: Final = (1 << 64) - 1
_LOOSE_INTEGER: Final = re.compile(rb"\s*([+-]?)0*([0-9]{1,20})")


def scan_cursor(text: bytes) -> int:
    """The number that ``text`` is for Redis: as ``string2ll`` reads it, or else C's ``strtoull``.

    Raises CommandError. The latter takes spaces and signs, wraps negative numbers around, and both
    stop at a zero byte.
    """
    text = text.split(b"\0", 1)[0]
    number = parse_i64(text)
    if number is None:
        loose = _LOOSE_INTEGER.fullmatch(text)
        if loose is None or int(loose[2]) > _U64_MASK:
            raise CommandError(_INVALID_CURSOR)
        number = int(loose[2])
        return -number & _U64_MASK if loose[1] == b"-" else number
    if number < 0:
        raise CommandError(_INVALID_CURSOR)
    return number


def scan_count(text: bytes) -> int:
    """The argument of COUNT. Raises CommandError."""
    count = integer(text)
    if count < 1:
        raise syntax_error()
    return count


def every(name: bytes) -> bool:
    """The matcher that lets all through."""
    return True


def matcher(pattern: bytes) -> Callable[[bytes], bool]:
    """What tells whether a name matches ``pattern``."""
    if pattern == b"*":
        return every
    fullmatch = compile_glob(pattern).fullmatch
    return lambda name: fullmatch(name) is not None


class ElementOptions:
    """MATCH, COUNT and, of HSCAN, NOVALUES: ``args`` from the fourth on. Raises CommandError.

    The key is looked at first: Redis does not mind wrong options when there is no such key.
    """

    def __init__(self, args: list[bytes], knows_novalues: bool = False) -> None:
        self.count = DEFAULT_COUNT
        self.matches: Callable[[bytes], bool] = every
        self.no_values = False
        place = 3
        while place < len(args):
            option = args[place].upper()
            if option == b"NOVALUES":
                if not knows_novalues:
                    raise CommandError(b"ERR NOVALUES option can only be used in HSCAN")
                self.no_values = True
                place += 1
                continue
            if place + 1 == len(args):
                raise syntax_error()
            if option == b"COUNT":
                self.count = scan_count(args[place + 1])
            elif option == b"MATCH":
                self.matches = matcher(args[place + 1])
            else:
                raise syntax_error()
            place += 2
