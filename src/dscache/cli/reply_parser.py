"""Replies as a client gets them: bytes in, reply values out, RESP2 and RESP3, without a socket.

The values are those that handlers return (``dscache.wire.reply``), because they tell apart what a terminal
must tell apart: a status from a string, a set from an array, verbatim text. redis-py does not: its
parsers make ``bytes`` of a status as of a string, and lose the order of a set or its type. That is why the
command line has a parser of its own and does not need redis-py.

What has been read of an unfinished reply is kept, so a large one that comes in many pieces costs no more
than its length.
"""

from __future__ import annotations

from typing import Final

from dscache.engine.monitor import quoted
from dscache.errors import DscacheError
from dscache.wire.reply import (
    Attributed,
    BigNumber,
    DoubleText,
    ErrorReply,
    MapReply,
    Push,
    SetReply,
    Status,
    Verbatim,
)


class Incomplete:
    """More bytes must come before there is a reply."""


INCOMPLETE: Final = Incomplete()

_CRLF: Final = b"\r\n"
#: Types that other values follow, and how many for each that the header counts.
_AGGREGATES: Final = {b"*": 1, b"~": 1, b">": 1, b"%": 2, b"|": 2}
_STRINGS: Final = frozenset((b"$", b"=", b"!"))


class _Aggregate:
    """An array, map, set, push or attribute of which not all has come yet."""

    def __init__(self, kind: bytes, count: int) -> None:
        self._kind: Final = kind
        #: How many values belong to it; an attribute's last is the reply that it is about.
        self.wanted: Final = count * _AGGREGATES[kind] + (kind == b"|")
        self.items: Final[list[object]] = []

    def value(self) -> object:
        """What it is, now that all of it is there."""
        items = self.items
        if self._kind == b"*":
            return items
        if self._kind == b"~":
            return SetReply(items)
        if self._kind == b">":
            return Push(items)
        pairs = list(zip(items[0::2], items[1::2], strict=False))
        if self._kind == b"|":
            return Attributed(pairs, items[-1])
        return MapReply(pairs)


class ReplyParser:
    """See the module's docstring. ``feed`` what comes, then ask for replies until INCOMPLETE."""

    def __init__(self) -> None:
        self._data = bytearray()
        #: Up to where ``_data`` has been used.
        self._at = 0
        #: The aggregates that are open, the innermost last.
        self._open: Final[list[_Aggregate]] = []

    def feed(self, data: bytes) -> None:
        """More bytes have come."""
        del self._data[: self._at]
        self._at = 0
        self._data += data

    def next_reply(self) -> object:
        """The next reply, or INCOMPLETE. Raises DscacheError if this is no reply."""
        while True:
            value = self._element()
            if value is INCOMPLETE:
                return INCOMPLETE
            if isinstance(value, _Aggregate):
                if value.wanted:
                    self._open.append(value)
                    continue
                value = value.value()
            while self._open:
                innermost = self._open[-1]
                innermost.items.append(value)
                if len(innermost.items) < innermost.wanted:
                    break
                value = self._open.pop().value()
            else:
                return value

    def _element(self) -> object:
        """A value, the beginning of an aggregate, or INCOMPLETE; moves on unless it is that."""
        end = self._data.find(_CRLF, self._at)
        if end < 0:
            return INCOMPLETE
        kind = bytes(self._data[self._at : self._at + 1])
        line = bytes(self._data[self._at + 1 : end])
        end += 2
        if kind in _STRINGS or kind in _AGGREGATES:
            length = _number(line)
            if length < 0:
                self._at = end
                return None
            if kind in _AGGREGATES:
                self._at = end
                return _Aggregate(kind, length)
            if len(self._data) < end + length + 2:
                return INCOMPLETE
            self._at = end + length + 2
            return _string(kind, bytes(self._data[end : end + length]))
        self._at = end
        return _simple(kind, line)


def _string(kind: bytes, text: bytes) -> object:
    if kind == b"=":
        return Verbatim(text[4:], text[:3])
    return ErrorReply(text) if kind == b"!" else text


def _simple(kind: bytes, line: bytes) -> object:
    if kind == b"+":
        return Status(line)
    if kind == b"-":
        return ErrorReply(line)
    if kind == b":":
        return _number(line)
    if kind == b"_":
        return None
    if kind == b"#":
        return line == b"t"
    if kind == b",":
        return DoubleText(line)
    if kind == b"(":
        return BigNumber(line)
    raise _not_the_protocol(kind + line)


def _number(digits: bytes) -> int:
    try:
        return int(digits)
    except ValueError:
        raise _not_the_protocol(digits) from None


def _not_the_protocol(seen: bytes) -> DscacheError:
    said = quoted(seen[:40]).decode()
    return DscacheError(f"the server does not speak the Redis protocol: it said {said}")
