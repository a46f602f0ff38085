"""The bytes of the redo log: commands in frames, as an append-only file that can be checked.

A segment is an append-only file as Redis writes it: requests in RESP, and lines that begin with ``#``, which
readers of such files skip. Two such lines are ours::

    #dscache 00000000002a 00000123 000000001000 89abcdef01234567
    #TS:1767225600123

The first is the header of a *frame*: its sequence number, the length of what follows, how much of the
segment was known to be on disk when it was written, and a check. The second says when, in milliseconds,
the commands behind it took place. A frame is complete in itself: it begins with a time and a SELECT, and
what is atomic is never divided between two.

The check is XXH3 of header and body, seeded with the segment's number and the frame's offset, so a frame is
valid only where it was written. Sequence numbers go up by one from frame to frame, through all segments. A
frame may be there twice (a segment that could not be synced is written again): the number tells.
"""

from __future__ import annotations

from typing import Final

from librt.strings import BytesWriter
from mypy_extensions import i64
from xxhash import xxh3_64

_MARK: Final = b"#dscache "
_HEADER: Final = b"#dscache %012x %08x %012x "
_CHECK: Final = b"%016x\r\n"
_CHECKED_BYTES: Final = len(_HEADER % (0, 0, 0))

#: The length of a frame's header.
HEADER_BYTES: Final = _CHECKED_BYTES + len(_CHECK % 0)

#: What a frame's body may have at most; its length is written with eight digits.
MOST_BODY_BYTES: Final = (1 << 32) - 1

# The seed of a check: the segment's number above the offset, which is less than this.
_OFFSET_BITS: Final = 40
_SEED_MASK: Final = (1 << 64) - 1

# Of more bytes at a time xxhash gives the GIL away, and getting it back may take a hundred times as long as
# the 2 µs that so many take.
_CHECKED_AT_ONCE: Final = 64 * 1024

# Heads of arrays and of strings of usual lengths, ready made. That of a string begins with the end of what
# stands before it.
_PREPARED: Final = 1024
_ARRAYS: Final = [b"*%d" % count for count in range(_PREPARED)]
_STRINGS: Final = [b"\r\n$%d\r\n" % length for length in range(_PREPARED)]


def add_command(writer: BytesWriter, args: list[bytes]) -> None:
    """Append the request ``args``. O(arguments)."""
    count: i64 = len(args)
    writer.write(_ARRAYS[count] if count < _PREPARED else b"*%d" % count)
    for arg in args:
        length: i64 = len(arg)
        writer.write(_STRINGS[length] if length < _PREPARED else b"\r\n$%d\r\n" % length)
        writer.write(arg)
    writer.append(13)
    writer.append(10)


def time_line(now_ms: int) -> bytes:
    """The line that says when the commands behind it took place."""
    return b"#TS:%d\r\n" % now_ms


def time_of(word: bytes) -> int | None:
    """The time of such a line; None for any other word."""
    return int(word[4:]) if word.startswith(b"#TS:") else None


def header_of(sequence: int, body: bytes, segment: int, offset: int, synced_bytes: int) -> bytes:
    """What stands before ``body`` in a frame that is to be written at ``offset`` of ``segment``.

    O(its length), without a copy of it: to join them took 220 µs of the GIL for 256 KB, this takes 5.
    """
    checked = _HEADER % (sequence, len(body), synced_bytes)
    return checked + _check_of(checked, body, segment, offset)


class Frame:
    """A frame that has been read."""

    def __init__(self, sequence: int, body: bytes, synced_bytes: int) -> None:
        self.sequence: Final = sequence
        self.body: Final = body
        self.synced_bytes: Final = synced_bytes


def read_frame(data: bytes | memoryview, segment: int, offset: int) -> Frame | None:
    """The frame that stands at ``offset`` of a segment whose bytes are ``data``; None if it is not whole.

    O(its length).
    """
    begin = offset + HEADER_BYTES
    header = bytes(data[offset:begin])
    if len(header) < HEADER_BYTES or not header.startswith(_MARK):
        return None
    try:
        sequence, length, synced_bytes, _ = (int(word, 16) for word in header.split()[1:])
    except ValueError:
        return None
    body = bytes(data[begin : begin + length])
    check = _check_of(header[:_CHECKED_BYTES], body, segment, offset)
    if len(body) < length or header[_CHECKED_BYTES:] != check:
        return None
    return Frame(sequence, body, synced_bytes)


def _check_of(checked: bytes, body: bytes, segment: int, offset: int) -> bytes:
    """The end of the header that begins with ``checked``."""
    check = xxh3_64(checked, seed=(segment << _OFFSET_BITS | offset) & _SEED_MASK)
    view = memoryview(body)
    for start in range(0, len(body), _CHECKED_AT_ONCE):
        stop = start + _CHECKED_AT_ONCE
        check.update(view[start:stop])
    return _CHECK % check.intdigest()


def next_mark(data: bytes, offset: int) -> int:
    """Where a frame may begin, at or behind ``offset``; -1 if nowhere."""
    return data.find(_MARK, offset)
