"""Ziplists, zipmaps and intsets: how Redis packs small values, before listpacks and beside them.

A ziplist is ten bytes of header (total bytes, where the last element begins, number of elements), the
elements, 0xFF. An element begins with the length of the one before it (a byte, or 0xFE and four), then a
head that tells its kind and length. A zipmap (before Redis 2.6) is its number of pairs and then lengths and
bytes in turn, with some unused bytes behind each value. Both are only read. An intset is a sorted array.
"""

from __future__ import annotations

import struct
from typing import Final

from librt.strings import read_i16_le, read_i32_be, read_i32_le, read_i64_le
from mypy_extensions import i64

from dscache.errors import RdbError

_ZIPLIST_HEADER_BYTES: Final[i64] = 10
_END: Final = 0xFF
_COUNT_THEM: Final = 0xFFFF
# Lengths from here on stand in the four bytes that follow.
_LONG: Final = 0xFE

_INTSET_HEADER_BYTES: Final = 8
# How ``struct`` calls integers of so many bytes.
_INTSET_KINDS: Final = {2: "h", 4: "i", 8: "q"}


def decode_ziplist(data: bytes) -> list[bytes]:
    """The elements of a ziplist. O(n). Raises RdbError for what is none."""
    size: i64 = len(data)
    if size < _ZIPLIST_HEADER_BYTES + 1 or read_i32_le(data, 0) != size or data[size - 1] != _END:
        raise RdbError("a ziplist's size is not what it says")
    found: list[bytes] = []
    end = size - 1
    place = _ZIPLIST_HEADER_BYTES
    before: i64 = 0
    while place < end:
        start = place
        previous: i64 = data[place]
        place += 1
        if previous == _LONG:
            if place + 4 > end:
                raise RdbError("a ziplist's element goes beyond its end")
            previous = i64(read_i32_le(data, place))
            place += 4
        if previous != before or place == end:
            raise RdbError("a ziplist's element does not know the one before it")
        head: i64 = data[place]
        body = place + _ziplist_head_bytes(head)
        if body > end:
            raise RdbError("a ziplist's element goes beyond its end")
        place = body + _ziplist_body_bytes(data, place, head)
        if place > end or place < body:
            raise RdbError("a ziplist's element goes beyond its end")
        if head < 0xC0:
            found.append(data[int(body) : int(place)])
        else:
            found.append(b"%d" % _ziplist_integer(data, body, head))
        before = place - start
    count: i64 = i64(read_i16_le(data, 8))
    count &= 0xFFFF
    if count != _COUNT_THEM and count != len(found):
        raise RdbError("a ziplist's number of elements is not what it says")
    if found and read_i32_le(data, 4) != end - before:
        raise RdbError("a ziplist's last element is not where it says")
    return found


def _ziplist_head_bytes(head: i64) -> i64:
    if head < 0x40 or head >= 0xC0:
        return 1
    return 2 if head < 0x80 else 5


def _ziplist_body_bytes(data: bytes, place: i64, head: i64) -> i64:
    """How many bytes follow the head at ``place``, which is within ``data``."""
    if head < 0x40:
        return head
    if head < 0x80:
        low: i64 = data[place + 1]
        return (head & 0x3F) << 8 | low
    if head == 0x80:
        return i64(read_i32_be(data, place + 1))
    if head == 0xC0:
        return 2
    if head == 0xD0:
        return 4
    if head == 0xE0:
        return 8
    if head == 0xF0:
        return 3
    if head == 0xFE:
        return 1
    if 0xF1 <= head <= 0xFD:
        return 0
    raise RdbError("a ziplist's element is of no kind")


def _ziplist_integer(data: bytes, body: i64, head: i64) -> int:
    if head == 0xC0:
        return int(read_i16_le(data, body))
    if head == 0xD0:
        return int(read_i32_le(data, body))
    if head == 0xE0:
        return int(read_i64_le(data, body))
    if head == 0xF0:
        low: i64 = i64(read_i16_le(data, body))
        high: i64 = data[body + 2]
        number = (low & 0xFFFF) | high << 16
        return int(number - (1 << 24) if number >= 1 << 23 else number)
    if head == 0xFE:
        number = data[body]
        return int(number - 256 if number > 127 else number)
    return int(head - 0xF1)


def decode_zipmap(data: bytes) -> list[bytes]:
    """Fields and values in turn. O(n). Raises RdbError for what is no zipmap."""
    size: i64 = len(data)
    if size < 2 or data[size - 1] != _END:
        raise RdbError("a zipmap has no end")
    found: list[bytes] = []
    end = size - 1
    place: i64 = 1
    is_value = False
    while place < end:
        length: i64 = data[place]
        place += 1
        if length == _LONG:
            if place + 4 > end:
                raise RdbError("a zipmap's element goes beyond its end")
            length = i64(read_i32_le(data, place))
            place += 4
        if length == _END or length < 0:
            raise RdbError("a zipmap ends before its end")
        unused: i64 = 0
        if is_value:
            if place == end:
                raise RdbError("a zipmap's element goes beyond its end")
            unused = data[place]
            place += 1
        stop = place + length
        if stop + unused > end:
            raise RdbError("a zipmap's element goes beyond its end")
        found.append(data[int(place) : int(stop)])
        place = stop + unused
        is_value = not is_value
    count: i64 = data[0]
    if is_value or (count < _LONG and count * 2 != len(found)):
        raise RdbError("a zipmap's number of pairs is not what it says")
    return found


def decode_intset(data: bytes) -> list[int]:
    """The members of an intset, ascending. O(n). Raises RdbError for what is none."""
    if len(data) < _INTSET_HEADER_BYTES:
        raise RdbError("an intset's size is not what it says")
    width: int
    count: int
    width, count = struct.unpack_from("<II", data)
    kind = _INTSET_KINDS.get(width)
    if kind is None or len(data) != _INTSET_HEADER_BYTES + width * count:
        raise RdbError("an intset's size is not what it says")
    members: list[int] = list(struct.unpack_from(f"<{count}{kind}", data, _INTSET_HEADER_BYTES))
    for place in range(1, count):
        if members[place - 1] >= members[place]:
            raise RdbError("an intset is not sorted")
    return members


def encode_intset(members: list[int]) -> bytes:
    """An intset of ``members``, which are sorted, different, and at least one. O(n)."""
    width = 2
    while not (-(1 << 8 * width - 1) <= members[0] and members[-1] < 1 << 8 * width - 1):
        width *= 2
    return struct.pack(f"<II{len(members)}{_INTSET_KINDS[width]}", width, len(members), *members)
