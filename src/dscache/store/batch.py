"""Batches: what an epoch hands over to the store, packed as the journal will hold it.

An epoch may have hundreds of thousands of operations. As tuples in a list each took 300 bytes, scattered
among the entries that stay, where it left gaps; and the cyclic collector walked through all of them. Packed,
in blocks of 256 KB, it takes what is in it and some ten bytes, and goes away with its block.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

import msgpack
from librt.strings import BytesWriter, write_i32_be
from mypy_extensions import i32, i64, u8

#: One change: (code, key, value). The code is a column: store the value under the key, or delete the
#: key if the value is None. A column plus RANGE deletes every key with key <= k < value.
Operation = tuple[int, bytes, bytes | None]

RANGE: Final = 16

# Operations and bytes per frame. Unpacking a frame holds the GIL; 512 small records take about 0.1 ms.
_FRAME_OPERATIONS: Final = 512
_FRAME_BYTES: Final = 256 * 1024

# MessagePack, as far as it is needed here: an array with a length of two bytes, to be filled in; arrays of
# three that begin with a code; nil; heads of binary strings.
_ARRAY: Final = b"\xdc\x00\x00"
_ONE: Final = b"\x91"
_CODES: Final = [bytes((0x93, code)) for code in range(2 * RANGE)]
_NIL: Final = 0xC0
_BIN_32: Final = 0xC6
_SHORT_BYTES: Final = 256
_SHORT_HEADS: Final = [bytes((0xC4, length)) for length in range(_SHORT_BYTES)]


class Frame:
    """Some consecutive operations, packed: ``pieces`` are, one behind the other, a MessagePack list of lists
    of three. A large value is an operation alone in its frame, and a piece of its own that is not copied."""

    def __init__(self, pieces: list[bytes], lone: Operation | None = None) -> None:
        self.pieces: Final = pieces
        self._lone: Final = lone

    def operations(self) -> tuple[Operation, ...]:
        """What is packed. O(bytes); keeps the GIL meanwhile."""
        if self._lone is not None:
            return (self._lone,)
        operations: tuple[Operation, ...] = msgpack.unpackb(self.pieces[0], use_list=False)
        return operations


class Batch:
    """Changes that take effect together, in the order of the calls. Belongs to one thread."""

    def __init__(self) -> None:
        #: Packed operations; none are left once a store has taken them.
        self.frames: deque[Frame] = deque()
        self._writer = BytesWriter()
        self._in_writer: i64 = 0
        #: Operations, and bytes of their keys and values.
        self.count: i64 = 0
        self.size_bytes: i64 = 0
        #: Operations that the store has applied so far.
        self.applied: i64 = 0
        #: Called when ``applied`` has grown, in the thread that commits.
        self.on_progress: Callable[[], None] = _nobody_looks

    def put(self, column: int, key: bytes, value: bytes) -> None:
        """Store ``value`` under ``key``."""
        self._add(column, key, value)

    def delete(self, column: int, key: bytes) -> None:
        """Remove ``key`` if it is there."""
        self._add(column, key, None)

    def delete_range(self, column: int, begin: bytes, end: bytes) -> None:
        """Remove every key with ``begin <= key < end``. O(1), whatever the range holds."""
        self._add(column + RANGE, begin, end)

    def _add(self, code: int, key: bytes, value: bytes | None) -> None:
        value_bytes: i64 = 0 if value is None else len(value)
        size: i64 = len(key) + value_bytes
        self.count += 1
        self.size_bytes += size
        if self._in_writer == _FRAME_OPERATIONS or len(self._writer) + size > _FRAME_BYTES:
            self.seal()
        if value is not None and value_bytes > _FRAME_BYTES:
            self.frames.append(_lone(code, key, value))
            return
        writer = self._writer
        if self._in_writer == 0:
            writer.write(_ARRAY)
        self._in_writer += 1
        writer.write(_CODES[code])
        _add_bytes(writer, key)
        if value is None:
            writer.append(_NIL)
        else:
            _add_bytes(writer, value)

    def seal(self) -> None:
        """What was packed last is a frame, too. Nothing needs to come after it."""
        writer = self._writer
        if self._in_writer == 0:
            return
        writer[1] = u8(self._in_writer >> 8)
        writer[2] = u8(self._in_writer & 0xFF)
        self.frames.append(Frame([writer.getvalue()]))
        self._writer = BytesWriter()
        self._in_writer = 0

    def prepend(self, other: Batch) -> None:
        """Let the operations of ``other``, which has no use then, take effect before those of this batch."""
        other.seal()
        self.frames.extendleft(reversed(other.frames))
        self.count += other.count
        self.size_bytes += other.size_bytes

    def take(self) -> deque[Frame]:
        """The operations, for the store; the batch does not have them any more."""
        self.seal()
        frames = self.frames
        self.frames = deque()
        return frames

    def note_applied(self, operations: int) -> None:
        """The store has applied so many of the operations. A store need not say so."""
        self.applied = operations
        self.on_progress()


def _lone(code: int, key: bytes, value: bytes) -> Frame:
    """A frame of one operation, with its large value as a piece of its own."""
    head = BytesWriter()
    head.write(_ONE)
    head.write(_CODES[code])
    _add_bytes(head, key)
    head.append(_BIN_32)
    head.write(len(value).to_bytes(4, "big"))
    return Frame([head.getvalue(), value], (code, key, value))


def _add_bytes(writer: BytesWriter, data: bytes) -> None:
    length: i64 = len(data)
    if length < _SHORT_BYTES:
        writer.write(_SHORT_HEADS[length])
    else:
        writer.append(_BIN_32)
        write_i32_be(writer, i32(length))
    writer.write(data)


def _nobody_looks() -> None:
    """How far the store is does not matter."""
