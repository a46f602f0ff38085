"""Nodes: some entries of a stream that follow each other, kept, trimmed and packed together.

A node is *open*, a list of entries, while entries are added or removed; otherwise it is *packed*, one
``bytes`` that is also its payload on disk. So a stream takes little more memory than what is in it (a
packed entry of a 10-byte value: 16 bytes, an open one: 230), and saving it or loading it copies packed
nodes as they are: only the few open ones cost work for each of their entries. A packed node is
unpacked for reading (100 entries: 15 us) and the list forgotten again.

Entries with the same fields as the node's first share its list of fields, in memory and packed.

How many entries a node takes is what Redis puts into one of its own, because clients see it: XTRIM and
XADD with ``~`` remove whole nodes. Redis looks at the bytes of the listpack that holds its node; so the
listpack's size is kept here, as a number.
"""

from __future__ import annotations

from typing import Final

import msgpack
from mypy_extensions import i64, mypyc_attr

from dscache.values.integers import parse_i64
from dscache.values.stream_id import MAX_SEQ
from dscache.values.table import bytes_size

#: Redis's stream-node-max-bytes: a listpack of so many bytes takes no more entries.
NODE_MOST_BYTES: Final = 4096

# A node: its object, four IDs, its slots in the stream's lists, and two empty lists.
_NODE_BYTES: Final = 112 + 4 * 48 + 16 + 2 * 56
_LIST_BYTES: Final = 56
# An open entry: its object, its ID, its slot, and its list of values.
_ENTRY_BYTES: Final = 48 + 48 + 8 + _LIST_BYTES

# Header and end of an empty listpack.
_LISTPACK_BYTES: Final = 7


@mypyc_attr(acyclic=True)
class Entry:
    """One entry of a stream. Nobody changes its lists."""

    def __init__(self, number: int, fields: list[bytes], values: list[bytes]) -> None:
        #: Its ID.
        self.number: Final = number
        self.fields: Final[list[bytes]] = fields
        self.values: Final[list[bytes]] = values

    def pairs(self) -> list[bytes]:
        """Field, value, field, value, ..., as clients send and get them. O(fields)."""
        found: list[bytes] = []
        fields = self.fields
        values = self.values
        place: i64 = 0
        while place < len(fields):
            found.append(fields[place])
            found.append(values[place])
            place += 1
        return found


def place_of(entries: list[Entry], number: int) -> i64:
    """Where in ``entries`` the first one stands whose ID is not below ``number``. O(log n)."""
    low: i64 = 0
    high: i64 = len(entries)
    while low < high:
        middle: i64 = (low + high) >> 1
        if entries[middle].number < number:
            low = middle + 1
        else:
            high = middle
    return low


@mypyc_attr(acyclic=True)
class _Columns:
    """A packed node, unpacked by C code and not yet made into entries: who wants one of a hundred does
    not pay for all (XRANGE with COUNT 1, interpreted: 20 us instead of 66)."""

    def __init__(self, packed: bytes, base_ms: int) -> None:
        fields: list[bytes]
        ids: list[int]
        rows: list[list[bytes]]
        others: dict[int, list[bytes]]
        fields, ids, rows, others = msgpack.unpackb(packed, strict_map_key=False)
        #: The fields that most of its entries have.
        self.fields: Final = fields
        self._ids: Final = ids
        self._rows: Final = rows
        # By place the fields of those that have others.
        self._others: Final = others
        self._base_ms: Final = base_ms

    def _number(self, place: i64) -> int:
        at = int(2 * place)
        return (self._base_ms + self._ids[at]) << 64 | self._ids[at + 1]

    def place_of(self, number: int) -> i64:
        """Where the first entry stands whose ID is not below ``number``. O(log n)."""
        low: i64 = 0
        high: i64 = len(self._rows)
        while low < high:
            middle: i64 = (low + high) >> 1
            if self._number(middle) < number:
                low = middle + 1
            else:
                high = middle
        return low

    def entries(self, start: i64, stop: i64) -> list[Entry]:
        """The entries from ``start`` up to ``stop``. O(stop - start)."""
        found: list[Entry] = []
        place = start
        while place < stop:
            at = int(place)
            fields = self._others.get(at, self.fields) if self._others else self.fields
            found.append(Entry(self._number(place), fields, self._rows[at]))
            place += 1
        return found


@mypyc_attr(acyclic=True)
class Node:
    """See the module's docstring. It holds at least one entry, except while it is being made."""

    def __init__(self, base_id: int) -> None:
        #: The ID of the first entry that ever was in it.
        self.base_id: Final = base_id
        #: The lowest and the highest ID in it.
        self.first_id = base_id
        self.last_id = base_id
        #: The highest ID that ever was in it: Redis, which only marks entries as deleted, decides
        #: by this one whether a node goes.
        self.end_id = base_id
        self.count: i64 = 0
        #: Entries that have been removed one by one: Redis's node is full with them.
        self.deleted: i64 = 0
        #: What Redis's node takes, without the two counts at its beginning.
        self.element_bytes: i64 = _LISTPACK_BYTES
        #: Accounted memory.
        self.size: i64 = _NODE_BYTES
        self._fields: list[bytes] = []
        self._entries: list[Entry] = []
        #: Empty if the node is open.
        self._packed = b""

    # Reading

    @property
    def is_open(self) -> bool:
        """Whether entries can be added and removed."""
        return not self._packed

    def entries(self) -> list[Entry]:
        """Its entries in order, in a list that must not be changed. O(n) if it is packed."""
        return self._unpacked()[1] if self._packed else self._entries

    def between(self, first: int, last: int, most: int, backwards: bool) -> list[Entry]:
        """Its entries from ID ``first`` up to ``last``, in order; at most so many (0: all), the first
        of them or, if ``backwards``, the last. O(log n + found); if it is packed O(n) in C besides."""
        columns: _Columns | None = None
        start: i64 = 0
        stop: i64 = self.count
        if self._packed:
            # One of the two is most often a known end.
            columns = _Columns(self._packed, self.base_id >> 64)
            if first > self.first_id:
                start = columns.place_of(first)
            if last < self.last_id:
                stop = columns.place_of(last + 1)
        else:
            start = place_of(self._entries, first)
            stop = place_of(self._entries, last + 1)
        if most > 0 and stop - start > most:
            if backwards:
                start = stop - most
            else:
                stop = start + most
        if columns is None:
            return self._entries[int(start) : int(stop)]
        return columns.entries(start, stop)

    def takes(self, pairs: list[bytes], most: int) -> bool:
        """Whether there is room for another entry, ``most`` (0: any number) being allowed."""
        if most > 0 and int(self.count + self.deleted) >= most:
            return False
        total: i64 = self.element_bytes
        total += _integer_bytes(int(self.count)) + _integer_bytes(int(self.deleted))
        for text in pairs:
            total += len(text)
        return total < NODE_MOST_BYTES

    # Changing

    def add(self, number: int, pairs: list[bytes]) -> None:
        """Append an entry to an open node. O(fields)."""
        fields = pairs[0::2]
        values = pairs[1::2]
        count = len(values)
        # As Redis's node has it: flags, the ID's two differences to the base, the values, and of
        # how many elements all this consists; with names and number of fields if they are new.
        elements = 3 + count
        names: i64 = 0
        if self._fields == fields:
            fields = self._fields
        else:
            names = _integer_bytes(count) + _elements_bytes(fields)
            if self._entries:
                elements += count + 1
            else:
                # The fields of the first stand before it, with a zero at their end.
                names += _integer_bytes(0)
                self._fields = fields
                self.size += _LIST_BYTES + _texts_bytes(fields)
        entry = Entry(number, fields, values)
        base = self.base_id
        self.element_bytes += (
            _integer_bytes(0)
            + _integer_bytes((number >> 64) - (base >> 64))
            + _integer_bytes((number & MAX_SEQ) - (base & MAX_SEQ))
            + names
            + _elements_bytes(values)
            + _integer_bytes(elements)
        )
        self.size += self._entry_bytes(entry)
        self._entries.append(entry)
        self.count += 1
        self.last_id = number
        self.end_id = number

    def remove(self, start: i64, stop: i64) -> None:
        """Remove the entries at ``start`` up to ``stop`` of an open node, which has others. O(n)."""
        for entry in self._entries[int(start) : int(stop)]:
            self.size -= self._entry_bytes(entry)
        del self._entries[int(start) : int(stop)]
        self.count -= stop - start
        self.deleted += stop - start
        self.first_id = self._entries[0].number
        self.last_id = self._entries[-1].number

    # Packing

    def open(self) -> None:
        """Unpack for changes. O(n)."""
        self._fields, self._entries = self._unpacked()
        self.size = _NODE_BYTES + _LIST_BYTES + _texts_bytes(self._fields)
        for entry in self._entries:
            self.size += self._entry_bytes(entry)
        self._packed = b""

    def close(self) -> None:
        """Pack again. O(n)."""
        self.take(self.packed())
        self._entries = []
        self._fields = []

    def take(self, packed: bytes) -> None:
        """Be packed, with what ``packed`` has given."""
        self._packed = packed
        self.size = _NODE_BYTES + bytes_size(packed)

    def packed(self) -> bytes:
        """Its entries in one piece. O(1) if it is packed, O(n) if it is open.

        MessagePack: the fields; of each entry the ms less the base's, and the sequence number; of each
        entry the values; and by place the fields of entries that have others.
        """
        if self._packed:
            return self._packed
        base_ms = self.base_id >> 64
        ids: list[int] = []
        rows: list[list[bytes]] = []
        others: dict[int, list[bytes]] = {}
        for entry in self._entries:
            if entry.fields is not self._fields:
                others[len(rows)] = entry.fields
            ids.append((entry.number >> 64) - base_ms)
            ids.append(entry.number & MAX_SEQ)
            rows.append(entry.values)
        return msgpack.packb([self._fields, ids, rows, others])

    def _unpacked(self) -> tuple[list[bytes], list[Entry]]:
        """The shared fields, and the entries. O(n)."""
        columns = _Columns(self._packed, self.base_id >> 64)
        return columns.fields, columns.entries(0, self.count)

    def _entry_bytes(self, entry: Entry) -> i64:
        """Memory of an open entry."""
        size: i64 = _ENTRY_BYTES + _texts_bytes(entry.values)
        if entry.fields is not self._fields:
            size += _LIST_BYTES + _texts_bytes(entry.fields)
        return size

    def copy(self) -> Node:
        """An independent copy, packed. O(1) if it is packed, O(n) if it is open."""
        other = Node(self.base_id)
        other.first_id = self.first_id
        other.last_id = self.last_id
        other.end_id = self.end_id
        other.count = self.count
        other.deleted = self.deleted
        other.element_bytes = self.element_bytes
        other.take(self.packed())
        return other


def _texts_bytes(texts: list[bytes]) -> i64:
    """Memory of the items of a list."""
    size: i64 = 0
    for text in texts:
        size += 8 + bytes_size(text)
    return size


# Sizes in a listpack: what stands before an element, the element, and its length again behind it.


def _integer_bytes(number: int) -> i64:
    if 0 <= number <= 127:
        return 2
    if -4096 <= number <= 4095:
        return 3
    if -32768 <= number <= 32767:
        return 4
    if -8388608 <= number <= 8388607:
        return 5
    if -2147483648 <= number <= 2147483647:
        return 6
    return 10


def _elements_bytes(texts: list[bytes]) -> i64:
    size: i64 = 0
    for text in texts:
        length: i64 = len(text)
        # A listpack keeps as a number what looks like one.
        number = parse_i64(text)
        if number is not None:
            size += _integer_bytes(number)
            continue
        length += 1 if length < 64 else 2 if length < 4096 else 5
        size += length
        size += 1 if length <= 127 else 2 if length < 16383 else 3 if length < 2097151 else 4
    return size
