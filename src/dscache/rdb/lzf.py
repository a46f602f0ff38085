"""LZF, Marc Lehmann's compression of strings: fast, simple, and what Redis uses.

Compressed data are commands, told apart by the first three bits of their first byte:

=============================  =====================================================================
``000nnnnn``                   n + 1 bytes follow and are copied (1 to 32)
``nnnooooo oooooooo``          n + 2 bytes (3 to 8) are repeated from o + 1 bytes before the end
``111ooooo nnnnnnnn oooooooo`` n + 9 bytes (9 to 264) are repeated from o + 1 bytes before the end
=============================  =====================================================================

A repetition may reach into what it is just writing. Which repetitions are found is the compressor's
affair: ours finds about what liblzf finds, not byte for byte the same.

Measured, compiled, on JSON text: compression 70 MB/s (liblzf: 340), decompression 200 MB/s (liblzf: 240);
43 bytes take 1 us. There is a binding of liblzf with wheels, python-neo-lzf; it has few users.
"""

from __future__ import annotations

from typing import Final

from librt.strings import BytesWriter
from librt.vecs import vec
from mypy_extensions import i64, u8

from dscache.errors import RdbError

_MOST_LITERALS: Final[i64] = 32
_MOST_OFFSET: Final[i64] = 1 << 13
_MOST_REPEATED: Final[i64] = 264

#: No compressed data give more than so many times their size: three bytes repeat 264.
MOST_EXPANSION: Final = 88

# Slots of the table that remembers where three bytes were seen: about one for each byte of the string,
# so that a short string does not pay for a large table.
_LEAST_HASH_BITS: Final[i64] = 6
_MOST_HASH_BITS: Final[i64] = 16


def compress(data: bytes, most_bytes: int) -> bytes | None:
    """``data`` compressed, or None if that takes more than ``most_bytes``. O(n)."""
    end: i64 = len(data)
    limit: i64 = most_bytes
    bits = _LEAST_HASH_BITS
    while bits < _MOST_HASH_BITS and (1 << bits) < end:
        bits += 1
    slots: i64 = 1 << bits
    # One more than the place where three bytes of that hash began last; 0 = nowhere yet.
    seen = vec[i64]([0] * slots)
    writer = BytesWriter()
    writer.append(0)  # the head of the first literals, filled in when they end
    literals: i64 = 0
    place: i64 = 0
    while place < end:
        # A run's last byte may still be missing: hence one more.
        if len(writer) > limit + 1:
            return None
        found: i64 = -1
        if place + 2 < end:
            slot = _hash(data, place) >> (24 - bits)
            found = seen[slot] - 1
            seen[slot] = place + 1
        if (
            found < 0
            or place - found > _MOST_OFFSET
            or data[found] != data[place]
            or data[found + 1] != data[place + 1]
            or data[found + 2] != data[place + 2]
        ):
            writer.append(data[place])
            literals += 1
            place += 1
            if literals == _MOST_LITERALS:
                _end_literals(writer, literals)
                writer.append(0)
                literals = 0
            continue
        _end_literals(writer, literals)
        literals = 0
        offset = place - found - 1
        most = end - place
        if most > _MOST_REPEATED:
            most = _MOST_REPEATED
        length: i64 = 3
        while length < most and data[found + length] == data[place + length]:
            length += 1
        if length < 9:
            writer.append(int(((length - 2) << 5) | (offset >> 8)))
        else:
            writer.append(int((7 << 5) | (offset >> 8)))
            writer.append(int(length - 9))
        writer.append(int(offset & 255))
        writer.append(0)
        # What is passed over is remembered too, or repetitions of its middle would not be found.
        stop = place + length
        place += 1
        while place < stop:
            if place + 2 < end:
                seen[_hash(data, place) >> (24 - bits)] = place + 1
            place += 1
    _end_literals(writer, literals)
    return writer.getvalue() if len(writer) <= limit else None


def _hash(data: bytes, place: i64) -> i64:
    """24 bits of the three bytes at ``place``, the first ones the best mixed."""
    first: i64 = data[place]
    second: i64 = data[place + 1]
    third: i64 = data[place + 2]
    return (((first << 16) | (second << 8) | third) * 0x9E3779) & 0xFFFFFF


def _end_literals(writer: BytesWriter, literals: i64) -> None:
    """Fill in the head of the literals that have been written, or take it back."""
    if literals == 0:
        writer.truncate(len(writer) - 1)
    else:
        writer[len(writer) - literals - 1] = u8(literals - 1)


def decompress(data: bytes, length: int) -> bytes:
    """The ``length`` bytes whose compression ``data`` is. O(length).

    Raises RdbError if it is not. Allocates no more than ``MOST_EXPANSION`` times ``data``.
    """
    if length > len(data) * MOST_EXPANSION:
        raise RdbError(f"{len(data)} bytes cannot hold {length} compressed bytes")
    end: i64 = len(data)
    whole: i64 = length
    writer = BytesWriter()
    place: i64 = 0
    while place < end:
        head: i64 = data[place]
        place += 1
        if head < 32:
            stop = place + head + 1
            if stop > end:
                raise RdbError("compressed bytes end in the middle")
            writer.write(data[int(place) : int(stop)])
            place = stop
        else:
            repeated: i64 = (head >> 5) + 2
            if repeated == 9:
                if place == end:
                    raise RdbError("compressed bytes end in the middle")
                repeated += data[place]
                place += 1
            if place == end:
                raise RdbError("compressed bytes end in the middle")
            source: i64 = len(writer) - (((head & 31) << 8) | data[place]) - 1
            place += 1
            if source < 0:
                raise RdbError("compressed bytes repeat what was not there")
            while repeated > 0:
                writer.append(int(writer[source]))
                source += 1
                repeated -= 1
        if len(writer) > whole:
            raise RdbError("compressed bytes give more than they should")
    if len(writer) != whole:
        raise RdbError("compressed bytes give less than they should")
    return writer.getvalue()
