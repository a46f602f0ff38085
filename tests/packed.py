"""Values packed as old servers did, which dscache reads and never writes."""

from __future__ import annotations

import struct


def ziplist(elements: list[bytes | int]) -> bytes:
    """A ziplist of strings and integers, each in the smallest form."""
    body = b""
    before = 0
    last = 10
    for element in elements:
        last = 10 + len(body)
        length = bytes([before]) if before < 254 else b"\xfe" + struct.pack("<I", before)
        packed = length + (_integer(element) if isinstance(element, int) else _string(element))
        before = len(packed)
        body += packed
    count = min(len(elements), 0xFFFF)
    return struct.pack("<IIH", len(body) + 11, last, count) + body + b"\xff"


def _string(text: bytes) -> bytes:
    if len(text) < 1 << 6:
        return bytes([len(text)]) + text
    if len(text) < 1 << 14:
        return struct.pack(">H", 0x4000 | len(text)) + text
    return b"\x80" + struct.pack(">I", len(text)) + text


def _integer(number: int) -> bytes:
    if 0 <= number <= 12:
        return bytes([0xF1 + number])
    for head, size in ((0xFE, 1), (0xC0, 2), (0xF0, 3), (0xD0, 4), (0xE0, 8)):
        if -(1 << 8 * size - 1) <= number < 1 << 8 * size - 1:
            return bytes([head]) + number.to_bytes(size, "little", signed=True)
    raise ValueError(f"{number} does not fit into a ziplist")
