"""Strings that are changed in place, and what both kinds of strings have in common.

A string is a plain ``bytes`` until a command changes a part of it (APPEND, SETRANGE, SETBIT). Up to
``IN_PLACE_BYTES`` such a change just makes new ``bytes``; beyond, it would copy the whole value each
time, so an APPEND loop would be quadratic. Then the value becomes a ``Text``, around a growable
buffer: the first change copies, the following ones cost what they write (and one more copy per
epoch, when the value is saved). Text never shrinks; SET, eviction and reload make ``bytes`` of it again.

On disk there is no difference: a string's payload is its bytes, so decoding gives ``bytes`` always.

Commands reach the functions below through ``dscache.commands.text``, which tells clients about values
of other types.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from dscache.values.base import STRING, Apart, Value, type_code_of

if TYPE_CHECKING:
    from dscache.config import Config

#: A string that is longer after a change in place is kept as Text. Copying less takes about as long
#: as the rest of an APPEND (4 KiB: 0.1 us); the buffer's own header and slack weigh little beyond.
IN_PLACE_BYTES: Final = 4096

# The object around the buffer: header, method table and one field.
_OBJECT_BYTES: Final = 32


class Text(Value):
    """A string in a buffer of its own, for changing in place. Only ``for_write`` may lead here."""

    def __init__(self, content: bytes) -> None:
        self._buffer: bytearray = bytearray(content)

    def type_code(self) -> int:
        return STRING

    def size_bytes(self) -> int:
        """What the buffer has allocated, slack (an eighth, after growing) included."""
        return _OBJECT_BYTES + sys.getsizeof(self._buffer)

    def encode(self) -> bytes:
        return bytes(self._buffer)

    def copy(self) -> Text:
        return Text(bytes(self._buffer))

    def count(self) -> int:
        return len(self._buffer)

    def encoding(self, config: Config) -> bytes:
        return b"raw"

    def slice(self, start: int, stop: int) -> bytes:
        """Bytes from ``start`` up to and without ``stop``; 0 <= start <= stop. O(stop - start)."""
        # Through a view: slicing the buffer itself would copy twice.
        return bytes(memoryview(self._buffer)[start:stop])

    def overwrite(self, offset: int, data: bytes) -> None:
        """Put ``data`` at ``offset``; a gap behind the end is filled with zeros.

        O(len(data) + gap), amortised.
        """
        gap = offset - len(self._buffer)
        if gap > 0:
            self._buffer += bytes(gap)
        self._buffer[offset : offset + len(data)] = data


def is_string(value: object) -> bool:
    """Whether ``value``, which may be apart, is a string."""
    return type(value) is bytes or type_code_of(value) == STRING


def length_of(value: object) -> int:
    """Length of a string, which may be apart. O(1)."""
    if type(value) is bytes:
        return len(value)
    if isinstance(value, Apart):
        # A string's payload is the string itself.
        return value.payload_bytes
    assert isinstance(value, Text), f"{type(value).__name__} is not a string"
    return value.count()


def bytes_of(value: object) -> bytes:
    """All of a string. O(1) for ``bytes``, O(n) for Text."""
    if type(value) is bytes:
        return value
    assert isinstance(value, Text), f"{type(value).__name__} is not a string in memory"
    return value.encode()


def slice_of(value: object, start: int, stop: int) -> bytes:
    """A part of a string, 0 <= start <= stop. O(stop - start)."""
    if type(value) is bytes:
        return value[start:stop]
    assert isinstance(value, Text), f"{type(value).__name__} is not a string in memory"
    return value.slice(start, stop)


def overwritten(value: bytes, offset: int, data: bytes) -> bytes | Text:
    """A string like ``value`` with ``data`` at ``offset``, a gap filled with zeros. O(n)."""
    length = len(value)
    end = offset + len(data)
    if max(length, end) > IN_PLACE_BYTES:
        text = Text(value)
        text.overwrite(offset, data)
        return text
    if offset == length:
        return value + data
    if offset > length:
        return value + bytes(offset - length) + data
    return value[:offset] + data + value[end:]
