"""Writing the primitives of the format, each in its shortest form; the counterpart of ``reader``."""

from __future__ import annotations

from typing import Final

from librt.strings import (
    BytesWriter,
    write_f64_le,
    write_i16_le,
    write_i32_be,
    write_i32_le,
    write_i64_be,
    write_i64_le,
)

from dscache.rdb.lzf import compress
from dscache.rdb.reader import (
    COMPRESSED,
    INTEGER_8,
    INTEGER_16,
    INTEGER_32,
    LENGTH_32,
    LENGTH_64,
)
from dscache.values.integers import parse_i64

# The longest text of a 32-bit integer.
_LONGEST_INTEGER_BYTES: Final = 11

#: Strings up to here are not worth a try to compress them.
SHORT_BYTES: Final = 20
# What compression must save.
_LEAST_SAVED_BYTES: Final = 4


class Writer:
    """Gathers what is written until it is taken."""

    def __init__(self) -> None:
        self._writer = BytesWriter()

    def size(self) -> int:
        """How many bytes wait to be taken."""
        return len(self._writer)

    def take(self) -> bytes:
        """All that has been written since the last time."""
        taken = self._writer.getvalue()
        self._writer = BytesWriter()
        return taken

    def raw(self, data: bytes) -> None:
        """Bytes as they are."""
        self._writer.write(data)

    def byte(self, number: int) -> None:
        """One byte."""
        self._writer.append(number)

    def length(self, number: int) -> None:
        """A length, or any other number from 0 on, below 2**64."""
        writer = self._writer
        if number < 1 << 6:
            writer.append(number)
        elif number < 1 << 14:
            writer.append(0x40 | number >> 8)
            writer.append(number & 0xFF)
        elif number < 1 << 32:
            writer.append(LENGTH_32)
            write_i32_be(writer, number - (1 << 32) if number >> 31 else number)
        else:
            writer.append(LENGTH_64)
            write_i64_be(writer, number - (1 << 64) if number >> 63 else number)

    def string(self, text: bytes) -> None:
        """A string: as an integer if it is one, compressed if that is shorter, or as it is."""
        size = len(text)
        if size <= _LONGEST_INTEGER_BYTES and self._integer(text):
            return
        if size > SHORT_BYTES:
            compressed = compress(text, size - _LEAST_SAVED_BYTES)
            if compressed is not None:
                self.byte(COMPRESSED)
                self.length(len(compressed))
                self.length(size)
                self.raw(compressed)
                return
        self.length(size)
        self.raw(text)

    def double(self, number: float) -> None:
        """A double, of eight bytes."""
        write_f64_le(self._writer, number)

    def milliseconds(self, number: int) -> None:
        """A time or a duration in ms, signed."""
        write_i64_le(self._writer, number)

    def _integer(self, text: bytes) -> bool:
        """Write ``text`` as an integer; false, and nothing is written, if it is none of 32 bits."""
        number = parse_i64(text)
        if number is None:
            return False
        writer = self._writer
        if -(1 << 7) <= number < 1 << 7:
            writer.append(INTEGER_8)
            writer.append(number & 0xFF)
        elif -(1 << 15) <= number < 1 << 15:
            writer.append(INTEGER_16)
            write_i16_le(writer, number)
        elif -(1 << 31) <= number < 1 << 31:
            writer.append(INTEGER_32)
            write_i32_le(writer, number)
        else:
            return False
        return True
