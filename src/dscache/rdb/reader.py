"""Reading the primitives of the format: lengths, strings, doubles, times.

A length says in the first two bits of its first byte how it goes on: 6 bits, 14 bits, 32 or 64 bits behind
it, or that it is none but an *encoded string*: an integer of 8, 16 or 32 bits, or LZF.

Bytes come all at once, or piece by piece from a file. Whatever they claim, no more is allocated than
has come already (compressed strings: ``MOST_EXPANSION`` times that), and every loop ends where they end.
A file may have no end for that purpose, so there is also a bound for each string.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from librt.strings import (
    read_f64_le,
    read_i16_le,
    read_i32_be,
    read_i32_le,
    read_i64_be,
    read_i64_le,
)
from mypy_extensions import i64

from dscache.errors import RdbError
from dscache.rdb.lzf import decompress

#: First bytes of what is neither of 6 nor of 14 bits.
LENGTH_32: Final = 0x80
LENGTH_64: Final = 0x81
INTEGER_8: Final = 0xC0
INTEGER_16: Final = 0xC1
INTEGER_32: Final = 0xC2
COMPRESSED: Final = 0xC3

#: A double as text says its length in a byte, or one of these.
TEXT_NAN: Final = 253
TEXT_INFINITE: Final = 254
TEXT_MINUS_INFINITE: Final = 255

#: More than any string has.
_UNLIMITED: Final = 1 << 63

_U32: Final = 0xFFFFFFFF
_U64: Final = 0xFFFFFFFFFFFFFFFF


def _nothing() -> bytes:
    return b""


class Reader:
    """Reads ``data``, and then what ``more`` returns, until it returns nothing.

    All methods raise RdbError when the bytes end too early or are not what they should be, or if a string
    beyond ``data`` is longer than ``most_bytes``.
    """

    def __init__(
        self,
        data: bytes,
        more: Callable[[], bytes] = _nothing,
        most_bytes: int = _UNLIMITED,
    ) -> None:
        self._data = data
        self._place: i64 = 0
        self._more: Final = more
        self._most_bytes: Final = most_bytes

    def at_hand(self) -> int:
        """How many bytes have come and have not been read."""
        return len(self._data) - int(self._place)

    def raw(self, size: int) -> bytes:
        """The next ``size`` bytes as they are."""
        if size > len(self._data) - int(self._place):
            self._fetch(size)
        start = self._place
        self._place += size
        return self._data[int(start) : int(self._place)]

    def byte(self) -> int:
        """The next byte."""
        if self._place == len(self._data):
            self._fetch(1)
        found: i64 = self._data[self._place]
        self._place += 1
        return int(found)

    def at_end(self) -> bool:
        """Whether all has been read."""
        if self._place < len(self._data):
            return False
        self._data = self._more()
        self._place = 0
        return not self._data

    def length(self) -> int:
        """A length, or any other number below 2**64."""
        head = self.byte()
        if head < 0x40:
            return head
        if head < 0x80:
            return (head & 0x3F) << 8 | self.byte()
        if head == LENGTH_32:
            return int(read_i32_be(self.raw(4), 0)) & _U32
        if head == LENGTH_64:
            return int(read_i64_be(self.raw(8), 0)) & _U64
        raise RdbError(f"{head:#x} begins no length")

    def string(self) -> bytes:
        """A string in any of its encodings."""
        if self._place == len(self._data):
            self._fetch(1)
        head: i64 = self._data[self._place]
        if head < INTEGER_8:
            return self.raw(self.length())
        self._place += 1
        if head == INTEGER_8:
            number = self.byte()
            return b"%d" % (number - 256 if number > 127 else number)
        if head == INTEGER_16:
            return b"%d" % int(read_i16_le(self.raw(2), 0))
        if head == INTEGER_32:
            return b"%d" % int(read_i32_le(self.raw(4), 0))
        if head == COMPRESSED:
            compressed_bytes = self.length()
            length = self.length()
            self._check(length)
            return decompress(self.raw(compressed_bytes), length)
        raise RdbError(f"{int(head):#x} begins no string")

    def double(self) -> float:
        """A double of eight bytes."""
        return read_f64_le(self.raw(8), 0)

    def text_double(self) -> float:
        """A double as text, as sorted sets had it before version 8."""
        length = self.byte()
        if length == TEXT_NAN:
            return float("nan")
        if length == TEXT_INFINITE:
            return float("inf")
        if length == TEXT_MINUS_INFINITE:
            return float("-inf")
        return double_of(self.raw(length))

    def milliseconds(self) -> int:
        """A time or a duration in ms, signed."""
        return int(read_i64_le(self.raw(8), 0))

    def _check(self, size: int) -> None:
        if size > self._most_bytes:
            raise RdbError(f"a string of {size} bytes, and {self._most_bytes} is the limit")

    def _fetch(self, size: int) -> None:
        """Have the next ``size`` bytes at hand. O(size)."""
        self._check(size)
        pieces = [self._data[int(self._place) :]]
        at_hand = len(pieces[0])
        while at_hand < size:
            piece = self._more()
            if not piece:
                raise RdbError(f"{size - at_hand} bytes are missing at the end")
            pieces.append(piece)
            at_hand += len(piece)
        self._data = b"".join(pieces)
        self._place = 0


def double_of(text: bytes) -> float:
    """The double that C has printed as ``text``. Raises RdbError."""
    # Python would take spaces around a number and underscores in it.
    if not text or b"_" in text or text[:1].isspace() or text[-1:].isspace():
        raise RdbError(f"{text!r} is no number")
    try:
        return float(text)
    except ValueError:
        raise RdbError(f"{text!r} is no number") from None
