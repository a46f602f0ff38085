"""Listpacks: how Redis packs small values, since version 10 of the format.

Six bytes of header (total bytes; number of elements, 65,535 for "count them"), the elements, 0xFF. An
element is a head that tells its kind and length, its bytes, and the length of both again, seven bits per
byte, for walking backwards.

==================== ======================================================
``0nnnnnnn``         integer of 7 bits, unsigned
``10nnnnnn``         string of up to 63 bytes
``110nnnnn`` + 1     integer of 13 bits, the high ones first
``1110nnnn`` + 1     string of up to 4,095 bytes
``0xF0`` + 4         string of any length
``0xF1`` .. ``0xF4`` integer of 16, 24, 32 or 64 bits
==================== ======================================================
"""

from __future__ import annotations

from typing import Final

from librt.strings import (
    BytesWriter,
    read_i16_le,
    read_i32_le,
    read_i64_le,
    write_i16_le,
    write_i32_le,
    write_i64_le,
)
from mypy_extensions import i64

from dscache.errors import RdbError
from dscache.values.integers import parse_i64

_HEADER_BYTES: Final[i64] = 6
_END: Final = 0xFF
_COUNT_THEM: Final = 0xFFFF
_LONGEST_INTEGER_BYTES: Final = 20

#: An element of a listpack. What is an integer as Redis reads them never is a string.
Element = bytes | int


def decode_listpack(data: bytes) -> list[Element]:
    """The elements of a listpack. O(n). Raises RdbError for what is none."""
    size: i64 = len(data)
    if size < _HEADER_BYTES + 1 or read_i32_le(data, 0) != size or data[size - 1] != _END:
        raise RdbError("a listpack's size is not what it says")
    found: list[Element] = []
    end = size - 1
    place = _HEADER_BYTES
    while place < end:
        head: i64 = data[place]
        # Bytes of the element's head and of what follows, for walking back and so for checking.
        head_bytes: i64 = 1
        body_bytes: i64 = 0
        is_string = False
        if head < 0x80:
            pass
        elif head < 0xC0:
            is_string = True
            body_bytes = head & 0x3F
        elif head < 0xE0:
            head_bytes = 2
        elif head < 0xF0:
            is_string = True
            head_bytes = 2
            if place + 2 > end:
                raise RdbError("a listpack's element goes beyond its end")
            second: i64 = data[place + 1]
            body_bytes = (head & 0x0F) << 8 | second
        elif head == 0xF0:
            is_string = True
            head_bytes = 5
            if place + 5 > end:
                raise RdbError("a listpack's element goes beyond its end")
            body_bytes = i64(read_i32_le(data, place + 1))
            if body_bytes < 0:
                raise RdbError("a listpack's element goes beyond its end")
        elif head <= 0xF4:
            body_bytes = _integer_bytes(head)
        else:
            raise RdbError("a listpack's element is of no kind")
        element_bytes = head_bytes + body_bytes
        after = place + element_bytes + _backlen_bytes(element_bytes)
        if after > end:
            raise RdbError("a listpack's element goes beyond its end")
        if is_string:
            found.append(data[int(place + head_bytes) : int(place + element_bytes)])
        else:
            found.append(_integer_at(data, place, head))
        if _backlen_before(data, after, place + element_bytes) != element_bytes:
            raise RdbError("a listpack's element says two lengths")
        place = after
    count: i64 = i64(read_i16_le(data, 4))
    count &= 0xFFFF
    if count != _COUNT_THEM and count != len(found):
        raise RdbError("a listpack's number of elements is not what it says")
    return found


def _integer_bytes(head: i64) -> i64:
    """How many bytes an integer with one of the last four heads has."""
    return 8 if head == 0xF4 else head - 0xEF


def _integer_at(data: bytes, place: i64, head: i64) -> int:
    """The integer of an element that is known to be within ``data``."""
    if head < 0x80:
        return int(head)
    if head < 0xE0:
        low: i64 = data[place + 1]
        number = (head & 0x1F) << 8 | low
        return int(number - (1 << 13) if number >= 1 << 12 else number)
    if head == 0xF1:
        return int(read_i16_le(data, place + 1))
    if head == 0xF2:
        middle: i64 = i64(read_i16_le(data, place + 1))
        high: i64 = data[place + 3]
        number = (middle & 0xFFFF) | high << 16
        return int(number - (1 << 24) if number >= 1 << 23 else number)
    if head == 0xF3:
        return int(read_i32_le(data, place + 1))
    return int(read_i64_le(data, place + 1))


def _backlen_bytes(element_bytes: i64) -> i64:
    """In how many bytes an element says its length at its end. (Redis's bounds: not all are 2**n.)"""
    if element_bytes <= 127:
        return 1
    if element_bytes < 16383:
        return 2
    if element_bytes < 2097151:
        return 3
    return 4 if element_bytes < 268435455 else 5


def _backlen_before(data: bytes, after: i64, start: i64) -> i64:
    """The length that stands from ``start`` to ``after``; -1 if it is not all of that."""
    length: i64 = 0
    shift: i64 = 0
    place = after
    while place > start:
        place -= 1
        byte: i64 = data[place]
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return length if place == start else -1
    return -1


def text_of(element: Element) -> bytes:
    """The string that was put into the listpack."""
    return element if isinstance(element, bytes) else b"%d" % element


def texts_of(elements: list[Element]) -> list[bytes]:
    """The strings that were put into the listpack. O(n)."""
    return [text_of(element) for element in elements]


class ListpackWriter:
    """Packs elements one by one."""

    def __init__(self) -> None:
        self._writer = BytesWriter()
        self._count: i64 = 0

    def count(self) -> int:
        """Number of elements so far."""
        return self._count

    def size(self) -> int:
        """Bytes of the listpack as it is now."""
        return int(len(self._writer) + _HEADER_BYTES + 1)

    def text(self, text: bytes) -> None:
        """A string, as an integer if it is one."""
        size: i64 = len(text)
        if size <= _LONGEST_INTEGER_BYTES:
            number = parse_i64(text)
            if number is not None:
                self.integer(number)
                return
        writer = self._writer
        head_bytes: i64 = 1
        if size < 1 << 6:
            writer.append(int(0x80 | size))
        elif size < 1 << 12:
            head_bytes = 2
            writer.append(int(0xE0 | size >> 8))
            writer.append(int(size & 0xFF))
        else:
            head_bytes = 5
            writer.append(0xF0)
            write_i32_le(writer, len(text))
        writer.write(text)
        self._finish_element(head_bytes + size)

    def integer(self, number: int) -> None:
        """An integer of 64 bits."""
        writer = self._writer
        before: i64 = len(writer)
        if 0 <= number < 1 << 7:
            writer.append(number)
        elif -(1 << 12) <= number < 1 << 12:
            writer.append(0xC0 | number >> 8 & 0x1F)
            writer.append(number & 0xFF)
        elif -(1 << 15) <= number < 1 << 15:
            writer.append(0xF1)
            write_i16_le(writer, number)
        elif -(1 << 23) <= number < 1 << 23:
            writer.append(0xF2)
            writer.append(number & 0xFF)
            writer.append(number >> 8 & 0xFF)
            writer.append(number >> 16 & 0xFF)
        elif -(1 << 31) <= number < 1 << 31:
            writer.append(0xF3)
            write_i32_le(writer, number)
        else:
            writer.append(0xF4)
            write_i64_le(writer, number)
        self._finish_element(len(writer) - before)

    def _finish_element(self, element_bytes: i64) -> None:
        writer = self._writer
        shift = 7 * (_backlen_bytes(element_bytes) - 1)
        writer.append(int(element_bytes >> shift))
        while shift > 0:
            shift -= 7
            writer.append(int(element_bytes >> shift & 0x7F | 0x80))
        self._count += 1

    def finish(self) -> bytes:
        """The listpack."""
        header = BytesWriter()
        write_i32_le(header, self.size())
        count = int(self._count) if self._count < _COUNT_THEM else _COUNT_THEM
        header.append(count & 0xFF)
        header.append(count >> 8)
        header.write(self._writer.getvalue())
        header.append(_END)
        return header.getvalue()
