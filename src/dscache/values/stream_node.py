"""Nodes: some entries of a stream that follow each other, kept, trimmed and packed together.

The last node of a stream is *open*, a list of entries, once entries have been added; every other is
*packed*, one ``bytes`` that is also its payload on disk. So a stream takes little more memory than what is
in it (a packed entry of a 10-byte value: 16 bytes, an open one: 230), and saving it or loading it copies
packed nodes as they are. One from which entries were removed stays taken apart into its columns: most
often more will follow, as when a stream is trimmed to an exact length.

A packed node is MessagePack: the fields; of all entries the ms less the base's, the sequence numbers and the
lengths of their rows, each a column of numbers as wide as the largest needs (1, 2, 4 or 8 bytes); and the
rows, one behind the other, each the values of an entry in MessagePack. So one entry is found by binary
search in two columns, lies where the lengths before it end, and alone is unpacked (of 100 entries with
two fields, interpreted: 4 us, where unpacking all took 17); neighbours are unpacked together; and
an entry is removed by cutting it out.

Entries with the same fields as the node's first share its list of fields, in memory and packed; the row
of any other is its fields and its values.

How many entries a node takes is what Redis puts into one of its own, because clients see it: XTRIM and
XADD with ``~`` remove whole nodes. Redis looks at the bytes of the listpack that holds its node; so the
listpack's size is kept here, as a number.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from typing import Final

import msgpack
from mypy_extensions import i64, mypyc_attr

from dscache.values.integers import parse_i64
from dscache.values.stream_id import MAX_SEQ
from dscache.values.stream_pending import little_endian
from dscache.values.table import bytes_size

#: Redis's stream-node-max-bytes: a listpack of so many bytes takes no more entries.
NODE_MOST_BYTES: Final = 4096

# A node: its object, four IDs, its slots in the stream's lists, and two empty lists.
_NODE_BYTES: Final = 112 + 4 * 48 + 16 + 2 * 56
_LIST_BYTES: Final = 56
# An open entry: its object, its ID, its slot, and its list of values.
_ENTRY_BYTES: Final = 48 + 48 + 8 + _LIST_BYTES

# What a packed node is taken apart into: its object, its list of fields and three arrays.
_COLUMNS_BYTES: Final = 64 + _LIST_BYTES + 3 * 80

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
class Columns:
    """A packed node, taken apart; its rows are unpacked only when they are wanted."""

    def __init__(self, packed: bytes, base_ms: int, count: i64) -> None:
        fields: list[bytes]
        ms: bytes
        seqs: bytes
        lengths: bytes
        rows: bytes
        parts = msgpack.unpackb(packed, strict_map_key=False)
        if len(parts) == _OLD_PARTS:
            parts = _from_old(parts[0], parts[1], parts[2], parts[3])
        fields, ms, seqs, lengths, rows = parts
        #: The fields that most of its entries have.
        self.fields: Final = fields
        self._base_ms: Final = base_ms
        self._ms: Final = _numbers(ms, count)
        self._seqs: Final = _numbers(seqs, count)
        self._lengths: Final = _numbers(lengths, count)
        self._rows = rows

    def number(self, place: i64) -> int:
        """The ID of an entry."""
        at = int(place)
        return (self._base_ms + self._ms[at]) << 64 | self._seqs[at]

    def place_of(self, number: int) -> i64:
        """Where the first entry stands whose ID is not below ``number``. O(log n)."""
        ms = (number >> 64) - self._base_ms
        low = bisect_left(self._ms, ms)
        high = bisect_right(self._ms, ms, low)
        return bisect_left(self._seqs, number & MAX_SEQ, low, high)

    def find(self, number: int) -> Entry | None:
        """The entry ``number``. O(log n), and a sum in C."""
        place = self.place_of(number)
        if place == len(self._ms) or self.number(place) != number:
            return None
        return self.entries(place, place + 1)[0]

    def entries(self, start: i64, stop: i64) -> list[Entry]:
        """The entries from ``start`` up to ``stop``. O(stop - start), and a sum in C."""
        found: list[Entry] = []
        begin, end = self._span(start, stop)
        header = b"\xdd" + int(stop - start).to_bytes(4, "big")
        place = start
        for row in msgpack.unpackb(header + self._rows[begin:end]):
            fields = self.fields
            values: list[bytes] = row
            if isinstance(row[0], list):
                fields = row[0]
                values = row[1]
            found.append(Entry(self.number(place), fields, values))
            place += 1
        return found

    def remove(self, start: i64, stop: i64) -> None:
        """Remove the entries from ``start`` up to ``stop``. O(n) in C."""
        begin, end = self._span(start, stop)
        self._rows = self._rows[:begin] + self._rows[end:]
        for column in (self._ms, self._seqs, self._lengths):
            del column[int(start) : int(stop)]

    def packed(self) -> bytes:
        """All of it in one piece again. O(n) in C."""
        return _packed(self.fields, self._ms, self._seqs, self._lengths, self._rows)

    def size_bytes(self) -> i64:
        """Memory that it takes. O(fields)."""
        size: i64 = _COLUMNS_BYTES + bytes_size(self._rows) + _texts_bytes(self.fields)
        for column in (self._ms, self._seqs, self._lengths):
            size += len(column) * column.itemsize
        return size

    def _span(self, start: i64, stop: i64) -> tuple[int, int]:
        """Where in the rows those from ``start`` up to ``stop`` begin and end."""
        begin = sum(self._lengths[: int(start)])
        return begin, begin + sum(self._lengths[int(start) : int(stop)])


# The type codes of arrays of numbers, by their width.
_TYPE_CODES: Final = {1: "B", 2: "H", 4: "I", 8: "Q"}

# What the first builds packed was the fields; ms and sequence number of each entry in turn; the rows as a
# list; and by place the fields of the entries that have others.
_OLD_PARTS: Final = 4


def _from_old(
    fields: list[bytes],
    ids: list[int],
    texts: list[list[bytes]],
    others: dict[int, list[bytes]],
) -> list[object]:
    """The parts of a packed node, of those of one that an early build has packed. O(n)."""
    rows: list[bytes] = []
    for place, row in enumerate(texts):
        other = others.get(place)
        rows.append(msgpack.packb(row if other is None else (other, row)))
    lengths = array("Q", [len(row) for row in rows])
    columns = [array("Q", ids[0::2]), array("Q", ids[1::2]), lengths]
    return [fields, *[_column(column, _largest(column)) for column in columns], b"".join(rows)]


def _packed(
    fields: list[bytes], ms: array[int], seqs: array[int], lengths: array[int], rows: bytes
) -> bytes:
    columns = [_column(ms, ms[-1]), _column(seqs, _largest(seqs))]
    packed: bytes = msgpack.packb([fields, *columns, _column(lengths, _largest(lengths)), rows])
    return packed


def _largest(numbers: array[int]) -> int:
    """The largest of ``numbers``, or 0 if they cannot be narrower. (``max`` of 100 takes 2 us.)"""
    return 0 if numbers.typecode == "B" else max(numbers)


def _column(numbers: array[int], largest: int) -> bytes:
    """``numbers``, little-endian, each in as few bytes as the largest needs."""
    bits = largest.bit_length()
    code = "B" if bits <= 8 else "H" if bits <= 16 else "I" if bits <= 32 else "Q"
    narrow = numbers if numbers.typecode == code else array(code, numbers)
    return little_endian(narrow).tobytes()


def _numbers(column: bytes, count: i64) -> array[int]:
    """The ``count`` numbers of a column."""
    return little_endian(array(_TYPE_CODES[len(column) // int(count)], column))


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
        # Empty if the node is open, or taken apart into columns.
        self._packed = b""
        self._columns: Columns | None = None

    # Reading

    @property
    def is_open(self) -> bool:
        """Whether entries can be added."""
        return not self._packed and self._columns is None

    def columns(self) -> Columns | None:
        """What it is packed into, for reading several entries; None if it is open."""
        if self._packed:
            return Columns(self._packed, self.base_id >> 64, self.count)
        return self._columns

    def find(self, number: int) -> Entry | None:
        """The entry ``number`` of an open node. O(log n)."""
        place = place_of(self._entries, number)
        if place == len(self._entries):
            return None
        entry = self._entries[place]
        return entry if entry.number == number else None

    def place_of(self, number: int) -> i64:
        """Where the first entry stands whose ID is not below ``number``. O(log n)."""
        columns = self.columns()
        return place_of(self._entries, number) if columns is None else columns.place_of(number)

    def between(self, first: int, last: int, most: int, backwards: bool) -> list[Entry]:
        """Its entries from ID ``first`` up to ``last``, in order; at most so many (0: all), the first
        of them or, if ``backwards``, the last. O(log n + found)."""
        columns = self.columns()
        start: i64 = 0
        stop: i64 = self.count
        if columns is None:
            start = place_of(self._entries, first)
            stop = place_of(self._entries, last + 1)
        else:
            # One of the two is most often a known end.
            if first > self.first_id:
                start = columns.place_of(first)
            if last < self.last_id:
                stop = columns.place_of(last + 1)
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

    def discard(self, number: int) -> bool:
        """Remove the entry ``number`` of a node that has others; whether it was there. O(n), mostly in
        C."""
        columns = self.columns()
        if columns is None:
            place = place_of(self._entries, number)
            found = place < self.count and self._entries[int(place)].number == number
        else:
            place = columns.place_of(number)
            found = place < self.count and columns.number(place) == number
        if found:
            self._remove(columns, place, place + 1)
        return found

    def remove(self, start: i64, stop: i64) -> None:
        """Remove the entries at ``start`` up to ``stop`` of a node that has others. O(n), mostly in C."""
        self._remove(self.columns(), start, stop)

    def _remove(self, columns: Columns | None, start: i64, stop: i64) -> None:
        self.count -= stop - start
        self.deleted += stop - start
        if columns is None:
            for entry in self._entries[int(start) : int(stop)]:
                self.size -= self._entry_bytes(entry)
            del self._entries[int(start) : int(stop)]
            self.first_id = self._entries[0].number
            self.last_id = self._entries[-1].number
            return
        columns.remove(start, stop)
        self._columns = columns
        self._packed = b""
        self.size = _NODE_BYTES + columns.size_bytes()
        self.first_id = columns.number(0)
        self.last_id = columns.number(self.count - 1)

    # Packing

    def open(self) -> None:
        """Unpack, so that entries can be added. O(n)."""
        columns = self.columns()
        assert columns is not None, "an open node is opened"
        self._fields = columns.fields
        self._entries = columns.entries(0, self.count)
        self.size = _NODE_BYTES + _LIST_BYTES + _texts_bytes(self._fields)
        for entry in self._entries:
            self.size += self._entry_bytes(entry)
        self._packed = b""
        self._columns = None

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
        """Its entries in one piece. O(1) if it is packed, O(n) if it is open or taken apart."""
        if self._packed:
            return self._packed
        if self._columns is not None:
            return self._columns.packed()
        base_ms = self.base_id >> 64
        ms: list[int] = []
        seqs: list[int] = []
        lengths: list[int] = []
        rows: list[object] = []
        for entry in self._entries:
            ms.append((entry.number >> 64) - base_ms)
            seqs.append(entry.number & MAX_SEQ)
            length = _row_bytes(entry.values)
            if entry.fields is self._fields:
                rows.append(entry.values)
            else:
                rows.append((entry.fields, entry.values))
                length += 1 + _row_bytes(entry.fields)
            lengths.append(int(length))
        packed: bytes = msgpack.packb(rows)
        header = len(packed) - sum(lengths)
        assert header == _header_bytes(len(rows)), "rows are not as long as they should be"
        columns = [array("Q", numbers) for numbers in (ms, seqs, lengths)]
        return _packed(self._fields, columns[0], columns[1], columns[2], packed[header:])

    def _entry_bytes(self, entry: Entry) -> i64:
        """Memory of an open entry."""
        size: i64 = _ENTRY_BYTES + _texts_bytes(entry.values)
        if entry.fields is not self._fields:
            size += _LIST_BYTES + _texts_bytes(entry.fields)
        return size

    def copy(self) -> Node:
        """An independent copy, packed. O(1) if it is packed, O(n) if not."""
        other = Node(self.base_id)
        other.first_id = self.first_id
        other.last_id = self.last_id
        other.end_id = self.end_id
        other.count = self.count
        other.deleted = self.deleted
        other.element_bytes = self.element_bytes
        other.take(self.packed())
        return other


def _row_bytes(texts: list[bytes]) -> i64:
    """What a list of ``bytes`` takes in MessagePack. (To pack each alone, and look, would take longer.)"""
    size: i64 = _header_bytes(len(texts))
    for text in texts:
        length: i64 = len(text)
        size += length + (2 if length < 1 << 8 else 3 if length < 1 << 16 else 5)
    return size


def _header_bytes(count: i64) -> i64:
    """What the header of a list takes in MessagePack."""
    return 1 if count < 16 else 3 if count < 1 << 16 else 5


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
