"""Replies as Lua values, and Lua values as replies.

What a handler returns becomes what Redis shows a script, in the types of RESP2 or, after
``redis.setresp(3)``, of RESP3:

====================  =======================  ====================================
handler's value       RESP2                    RESP3
====================  =======================  ====================================
``bytes``, ``str``    string                   the same
``int``               number                   the same
``bool``              number                   boolean
``float``             string                   ``{double = n}``
``None``              false                    nil
``list``, ``tuple``   table                    the same
``dict``              flat table               ``{map = {...}}``
sets                  table                    ``{set = {member = true}}``
``Pairs``             flat table               table of pairs
``Grouped``           table of pairs           ``{map = {...}}``
``Status``            ``{ok = ...}``           the same
``ErrorReply``        ``{err = ...}``          the same
``Verbatim``          string                   ``{verbatim_string = {...}}``
``BigNumber``         string                   ``{big_number = ...}``
``Attributed``        the reply alone          the same
====================  =======================  ====================================

The other way a number loses its fraction, nil ends an array, and the tables above mean what they say.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from dscache.wire.encoder import format_double
from dscache.wire.reply import (
    Attributed,
    BigNumber,
    DoubleText,
    ErrorReply,
    Grouped,
    MapReply,
    NullArray,
    Pairs,
    SetReply,
    Status,
    Verbatim,
)

#: Tables inside tables that a reply may have; Redis gives up at its Lua stack's limit.
_MOST_LEVELS: Final = 128

#: Items that the prelude hands over at a time; its ``SLICE``.
_SLICE: Final = 200

_TOO_DEEP: Final = ErrorReply(b"ERR reached lua stack limit")

_LINE_BREAKS: Final = bytes.maketrans(b"\r\n", b"  ")


#: What an item takes in a table of Lua, beside its bytes.
_ITEM_BYTES: Final = 40


def weight(value: object) -> int:
    """What a reply takes in Lua, about. O(its items); little beside converting it."""
    if isinstance(value, bytes):
        return len(value) + _ITEM_BYTES
    if isinstance(value, (list, tuple, set, frozenset)):
        return _ITEM_BYTES + sum([weight(item) for item in value])
    if isinstance(value, dict):
        return weight(list(value.keys())) + weight(list(value.values()))
    if isinstance(value, (Pairs, Grouped, SetReply)):
        return weight(value.items)
    return _ITEM_BYTES


class Converter:
    """Conversions for one Lua state, whose tables ``table_from`` makes; the others are the prelude's."""

    def __init__(
        self,
        table_from: Callable[..., object],
        shape: Callable[..., object],
        slice_of: Callable[..., object],
    ) -> None:
        self._table_from: Final = table_from
        self._shape: Final = shape
        self._slice_of: Final = slice_of

    # To Lua

    def to_lua(self, value: object, resp3: bool) -> object:
        """``value``, which a handler returned, as Lua sees it. O(size)."""
        if type(value) is bytes or type(value) is int:
            return value
        if value is None or isinstance(value, NullArray):
            return None if resp3 else False
        if isinstance(value, (list, tuple)):
            return self._table_from([self.to_lua(item, resp3) for item in value])
        if isinstance(value, Status):
            return self._table_from({b"ok": value.text})
        if isinstance(value, ErrorReply):
            return self._table_from({b"err": value.text})
        return self._rare_to_lua(value, resp3)

    def _rare_to_lua(self, value: object, resp3: bool) -> object:
        if isinstance(value, bool):
            return value if resp3 else int(value)
        if isinstance(value, str):
            return value.encode()
        if isinstance(value, float):
            return self._table_from({b"double": value}) if resp3 else format_double(value)
        if isinstance(value, DoubleText):
            return self._table_from({b"double": float(value.text)}) if resp3 else value.text
        if isinstance(value, dict):
            return self._pairs(list(value.items()), resp3)
        if isinstance(value, Grouped):
            if resp3:
                return self._pairs(value.items, True)
            return self._table_from([self.to_lua(list(pair), False) for pair in value.items])
        if isinstance(value, Pairs):
            if resp3:
                return self._table_from([self.to_lua(list(pair), True) for pair in value.items])
            return self._pairs(value.items, False)
        if isinstance(value, (set, frozenset, SetReply)):
            items = list(value.items if isinstance(value, SetReply) else value)
            shown = [self.to_lua(item, resp3) for item in items]
            if resp3:
                return self._table_from({b"set": self._table_from(dict.fromkeys(shown, True))})
            return self._table_from(shown)
        if isinstance(value, Verbatim):
            if not resp3:
                return value.text
            parts = {b"format": value.form, b"string": value.text}
            return self._table_from({b"verbatim_string": self._table_from(parts)})
        if isinstance(value, BigNumber):
            return self._table_from({b"big_number": value.digits}) if resp3 else value.digits
        if isinstance(value, Attributed):
            return self.to_lua(value.reply, resp3)
        # A command without a reply: CLIENT REPLY and its like are not for scripts.
        return None if resp3 else False

    def _pairs(self, pairs: list[tuple[object, object]], resp3: bool) -> object:
        if resp3:
            fields = {self.to_lua(key, True): self.to_lua(item, True) for key, item in pairs}
            return self._table_from({b"map": self._table_from(fields)})
        flat: list[object] = []
        for key, item in pairs:
            flat.append(self.to_lua(key, False))
            flat.append(self.to_lua(item, False))
        return self._table_from(flat)

    # From Lua

    def from_lua(self, value: object, resp3: bool) -> object:
        """A reply that shows ``value``, which a script returned. O(size)."""
        try:
            return self._reply(value, resp3, 0)
        except RecursionError:
            return _TOO_DEEP

    def _reply(self, value: object, resp3: bool, level: int) -> object:
        if value is None or isinstance(value, bytes):
            return value
        if isinstance(value, bool):
            if resp3:
                return value
            return 1 if value else None
        if isinstance(value, int):
            return _in_64_bits(value)
        if isinstance(value, float):
            return _whole(value)
        if level == _MOST_LEVELS:
            raise RecursionError
        described = self._shape(value)
        if not isinstance(described, tuple):
            # A function, or something that only Lua knows.
            return None
        return self._described(described, resp3, level + 1)

    def _described(self, described: tuple[object, ...], resp3: bool, level: int) -> object:
        kind, first = described[:2]
        if kind == b"array":
            return self._items(described, resp3, level)
        if kind in (b"map", b"set"):
            items = self._items(described, resp3, level)
            if kind == b"set":
                return SetReply(items)
            return MapReply(list(zip(items[::2], items[1::2], strict=True)))
        if kind == b"double":
            assert isinstance(first, (int, float))
            return float(first)
        assert isinstance(first, bytes)
        if kind == b"err":
            return ErrorReply(first.translate(_LINE_BREAKS))
        if kind == b"ok":
            return Status(first.translate(_LINE_BREAKS))
        if kind == b"big_number":
            return BigNumber(first.translate(_LINE_BREAKS))
        form = described[2]
        assert isinstance(form, bytes)
        return Verbatim(first, form[:3].ljust(3))

    def _items(self, described: tuple[object, ...], resp3: bool, level: int) -> list[object]:
        """All items of an array of which the description has the first."""
        count, table = described[1:3]
        assert isinstance(count, int)
        first = described[3:]
        items = [*first, *self.items(table, count, len(first) + 1)]
        return [self._reply(item, resp3, level) for item in items]

    def items(self, table: object, count: int, first: int = 1) -> list[object]:
        """What stands in a Lua table from place ``first`` up to ``count``."""
        items: list[object] = []
        while first <= count:
            part = self._slice_of(table, first, min(first + _SLICE - 1, count))
            if isinstance(part, tuple):
                items.extend(part)
            else:
                items.append(part)
            first += _SLICE
        return items


def _whole(number: float) -> int:
    """Without its fraction; what no 64-bit integer can say is the least one, as in C."""
    if number != number or not -(2.0**63) <= number < 2.0**63:
        return -(2**63)
    return int(number)


def _in_64_bits(number: int) -> int:
    return number if -(2**63) <= number < 2**63 else -(2**63)
