"""CRC-64 with Jones's polynomial, reflected, from zero: the checksum of DUMP payloads and RDB files.

Eight tables of 256, so that eight bytes cost eight independent lookups (*slicing by eight*, Intel 2006).
Compiled 1.2 GB/s, 0.24 us for 100 bytes; interpreted 3 MB/s, which is for tests. The library ``anycrc``
(2.1.0, wheels for every Python we support) does 5 GB/s, and 0.77 us for 100 bytes: payloads are short, and
a file is bounded by what its values cost, so it did not earn its place.
"""

from __future__ import annotations

from typing import Final

from librt.strings import read_i64_le
from librt.vecs import append, vec
from mypy_extensions import i64

# 0xAD93D23594C935A9 with its bits reversed.
_POLYNOMIAL: Final = 0x95AC9329AC4BC9B5

_MASK: Final = 0xFFFFFFFFFFFFFFFF
# What an arithmetic shift by eight must not bring in from the sign.
_SHIFTED_BY_8: Final[i64] = 0x00FFFFFFFFFFFFFF


def _signed(number: int) -> int:
    """The native integer with the 64 bits of ``number``."""
    return number - (1 << 64) if number >> 63 else number


def _make_tables() -> vec[i64]:
    """Table n at 256 * n: what a byte becomes when n more bytes have passed behind it."""
    numbers: list[int] = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ _POLYNOMIAL if crc & 1 else crc >> 1
        numbers.append(crc)
    for place in range(256, 8 * 256):
        before = numbers[place - 256]
        numbers.append(numbers[before & 255] ^ (before >> 8))
    tables = vec[i64]()
    for number in numbers:
        tables = append(tables, _signed(number))
    return tables


_TABLES: Final = _make_tables()


def crc64(data: bytes, before: int = 0) -> int:
    """The checksum, below 2**64, of ``data`` behind bytes whose checksum is ``before``. O(n).

    >>> hex(crc64(b"123456789"))
    '0xe9c6d914c4b8d9ca'
    """
    tables = _TABLES
    crc: i64 = _signed(before)
    place: i64 = 0
    end: i64 = len(data)
    while place + 8 <= end:
        crc ^= read_i64_le(data, place)
        crc = (
            tables[7 * 256 + (crc & 255)]
            ^ tables[6 * 256 + ((crc >> 8) & 255)]
            ^ tables[5 * 256 + ((crc >> 16) & 255)]
            ^ tables[4 * 256 + ((crc >> 24) & 255)]
            ^ tables[3 * 256 + ((crc >> 32) & 255)]
            ^ tables[2 * 256 + ((crc >> 40) & 255)]
            ^ tables[256 + ((crc >> 48) & 255)]
            ^ tables[(crc >> 56) & 255]
        )
        place += 8
    while place < end:
        crc = tables[(crc ^ data[place]) & 255] ^ ((crc >> 8) & _SHIFTED_BY_8)
        place += 1
    return int(crc) & _MASK
