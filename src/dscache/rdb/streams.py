"""Streams: listpacks of entries, the stream's counters, its groups with what is pending in them.

Three forms follow each other: the second (Redis 7.0) adds the counters from which a group's lag is told, the
third (7.2) when each consumer got something last.

A listpack holds a node of the stream, whose key is the node's *base*, the ID of its first entry. It begins
with the number of entries, of deleted ones (which are still there, with a flag), the first entry's fields
with their number, and 0. An entry is its flags, two differences of its ID to the base, then values, if its
fields are those of the first, or else number of fields, field, value, field, ...; and last, of how many
elements it consists, for walking backwards.

Nodes are built anew on either side: what is written has no deleted entries.
"""

from __future__ import annotations

from typing import Final

from dscache.errors import RdbError
from dscache.rdb.listpack import Element, ListpackWriter, decode_listpack, text_of
from dscache.rdb.reader import Reader
from dscache.rdb.typecodes import STREAM_2, STREAM_3
from dscache.rdb.writer import Writer
from dscache.values.stream import Stream
from dscache.values.stream_groups import UNKNOWN, Consumer, Group, Pending
from dscache.values.stream_id import MAX_ID, MAX_SEQ, id_of
from dscache.values.stream_node import Entry

# Flags of an entry.
_DELETED: Final = 1
_SAME_FIELDS: Final = 2

# Redis's stream-node-max-entries and stream-node-max-bytes.
_NODE_ENTRIES: Final = 100
_NODE_BYTES: Final = 4096

# Entries that are taken from a stream at a time.
_STEP: Final = 1000

_ID_BYTES: Final = 16


# Reading


def read_stream(reader: Reader, code: int) -> Stream:
    """A stream in the form ``code``. O(n). Raises RdbError."""
    stream = Stream()
    for _ in range(reader.length()):
        base_id = _id_from(reader.string())
        _NodeReader(base_id, decode_listpack(reader.string())).add_to(stream)
    if reader.length() != stream.count():
        raise RdbError("a stream's length is not what it says")
    last_id = _read_id(reader)
    if last_id < stream.last_id:
        raise RdbError("a stream's last ID is not the last")
    stream.last_id = last_id
    if code >= STREAM_2:
        _read_id(reader)  # the first entry's, which is known
        stream.max_deleted_id = _read_id(reader)
        stream.entries_added = reader.length()
        if stream.count() > stream.entries_added:
            raise RdbError(f"{stream.entries_added} entries have been added to a stream")
    for _ in range(reader.length()):
        _read_group(reader, code, stream)
    return stream


def _read_id(reader: Reader) -> int:
    ms = reader.length()
    return id_of(ms, reader.length())


def _id_from(content: bytes) -> int:
    if len(content) != _ID_BYTES:
        raise RdbError(f"an ID of {len(content)} bytes")
    return int.from_bytes(content, "big")


class _NodeReader:
    """Reads the entries from the elements of a node's listpack."""

    def __init__(self, base_id: int, elements: list[Element]) -> None:
        self._base_id: Final = base_id
        self._elements: Final = elements
        self._place = 0

    def add_to(self, stream: Stream) -> None:
        """Append the entries to ``stream``."""
        count = self._integer()
        deleted = self._integer()
        shared = self._texts(self._integer(), 1)
        if self._integer() != 0:
            raise RdbError("a stream's node has no first entry")
        found = 0
        while self._place < len(self._elements):
            found += self._add_entry(stream, shared)
            deleted -= 1
        if found != count or deleted + found != 0:
            raise RdbError("a node's number of entries is not what it says")

    def _add_entry(self, stream: Stream, shared: list[bytes]) -> int:
        """Append the next entry; how many have been appended: none if it has been deleted."""
        start = self._place
        flags = self._integer()
        ms = self._integer()
        seq = self._integer()
        if flags & _SAME_FIELDS:
            pairs: list[bytes] = []
            for field, content in zip(shared, self._texts(len(shared), 1), strict=True):
                pairs.append(field)
                pairs.append(content)
        else:
            pairs = self._texts(self._integer(), 2)
        elements = self._place - start
        if self._integer() != elements:
            raise RdbError("an entry's number of elements is not what it says")
        if flags & _DELETED:
            return 0
        # A difference is a signed number, and an ID's parts are unsigned ones that may overflow.
        base_id = self._base_id
        number = id_of((base_id >> 64) + ms & MAX_SEQ, (base_id & MAX_SEQ) + seq & MAX_SEQ)
        if number <= stream.last_id:
            raise RdbError("a stream's IDs do not ascend")
        if not pairs:
            raise RdbError("an entry has no fields")
        stream.add(number, pairs, _NODE_ENTRIES)
        return 1

    def _next(self) -> Element:
        if self._place == len(self._elements):
            raise RdbError("a node ends in the middle of an entry")
        element = self._elements[self._place]
        self._place += 1
        return element

    def _integer(self) -> int:
        element = self._next()
        if not isinstance(element, int):
            raise RdbError("a node has a string instead of a number")
        return element

    def _texts(self, count: int, per_field: int) -> list[bytes]:
        """As many strings as ``count`` fields have."""
        return [text_of(self._next()) for _ in range(count * per_field)]


def _read_group(reader: Reader, code: int, stream: Stream) -> None:
    name = reader.string()
    last_id = _read_id(reader)
    read = reader.length() if code >= STREAM_2 else _estimated_read(stream, last_id)
    if stream.group(name) is not None:
        raise RdbError("a stream has a group twice")
    # UNKNOWN is written as what -1 is in 64 bits without a sign.
    stream.add_group(name, last_id, _signed(read))
    group = stream.group(name)
    assert group is not None, "a group has just been added"
    pending: dict[int, tuple[int, int]] = {}
    for _ in range(reader.length()):
        number = _id_from(reader.raw(_ID_BYTES))
        delivered_ms = reader.milliseconds()
        if delivered_ms < 0 or number in pending:
            raise RdbError("a group has a pending entry twice, or from before all time")
        pending[number] = delivered_ms, reader.length()
    for _ in range(reader.length()):
        _read_consumer(reader, code, group, pending)
    if pending:
        raise RdbError("an entry is pending with no consumer")


def _estimated_read(stream: Stream, last_id: int) -> int:
    """How many entries a group has read of a stream from which, as far as is known, none was deleted."""
    if stream.count() == 0 or last_id < stream.first_id():
        return 0
    if last_id == stream.last_id:
        return stream.count()
    return 1 if last_id == stream.first_id() else UNKNOWN


def _read_consumer(
    reader: Reader, code: int, group: Group, pending: dict[int, tuple[int, int]]
) -> None:
    """Read a consumer, and let it take what is its own out of ``pending``."""
    name = reader.string()
    if group.consumer(name) is not None:
        raise RdbError("a group has a consumer twice")
    consumer = group.add_consumer(name, reader.milliseconds())
    consumer.active_ms = reader.milliseconds() if code >= STREAM_3 else consumer.seen_ms
    for _ in range(reader.length()):
        number = _id_from(reader.raw(_ID_BYTES))
        delivery = pending.pop(number, None)
        if delivery is None:
            raise RdbError("a consumer's pending entry is not its group's, or another's too")
        group.assign(number, consumer, delivery[0], delivery[1])


# Writing


def write_stream(writer: Writer, stream: Stream) -> None:
    """Write ``stream`` in its third form, without its type byte. O(n)."""
    nodes = _nodes_of(stream)
    writer.length(len(nodes))
    for base_id, node in nodes:
        writer.string(_id_bytes(base_id))
        writer.string(node)
    writer.length(stream.count())
    _write_id(writer, stream.last_id)
    _write_id(writer, stream.first_id())
    _write_id(writer, stream.max_deleted_id)
    writer.length(stream.entries_added)
    groups = stream.groups()
    writer.length(len(groups))
    for group in groups:
        _write_group(writer, group)


def _write_id(writer: Writer, number: int) -> None:
    writer.length(number >> 64)
    writer.length(number & MAX_SEQ)


def _id_bytes(number: int) -> bytes:
    return number.to_bytes(_ID_BYTES, "big")


def _nodes_of(stream: Stream) -> list[tuple[int, bytes]]:
    """The base IDs of all nodes, with their listpacks."""
    nodes: list[tuple[int, bytes]] = []
    held: list[Entry] = []
    held_bytes = 0
    start = 0
    while True:
        entries = stream.range(start, MAX_ID, _STEP)
        for entry in entries:
            if len(held) == _NODE_ENTRIES or held_bytes >= _NODE_BYTES:
                nodes.append((held[0].number, _packed(held)))
                held = []
                held_bytes = 0
            held.append(entry)
            held_bytes += sum([len(text) for text in entry.pairs()])
        if len(entries) < _STEP:
            break
        start = entries[-1].number + 1
    if held:
        nodes.append((held[0].number, _packed(held)))
    return nodes


def _packed(entries: list[Entry]) -> bytes:
    """The listpack of a node."""
    base_id = entries[0].number
    shared = entries[0].fields
    packed = ListpackWriter()
    packed.integer(len(entries))
    packed.integer(0)
    packed.integer(len(shared))
    for field in shared:
        packed.text(field)
    packed.integer(0)
    for entry in entries:
        before = packed.count()
        is_same = entry.fields == shared
        packed.integer(_SAME_FIELDS if is_same else 0)
        packed.integer(_signed((entry.number >> 64) - (base_id >> 64)))
        packed.integer(_signed((entry.number & MAX_SEQ) - (base_id & MAX_SEQ)))
        if not is_same:
            packed.integer(len(entry.fields))
        for text in entry.values if is_same else entry.pairs():
            packed.text(text)
        packed.integer(packed.count() - before)
    return packed.finish()


def _signed(difference: int) -> int:
    """The difference of two unsigned 64-bit numbers, or one of them, as a signed one."""
    difference &= MAX_SEQ
    return difference - (1 << 64) if difference >> 63 else difference


def _write_group(writer: Writer, group: Group) -> None:
    writer.string(group.name)
    _write_id(writer, group.last_id)
    writer.length(group.entries_read & MAX_SEQ)
    all_pending = group.range(0, MAX_ID, 0)
    owned: dict[bytes, list[Pending]] = {}
    writer.length(len(all_pending))
    for pending in all_pending:
        writer.raw(_id_bytes(pending.number))
        writer.milliseconds(pending.delivered_ms)
        writer.length(pending.deliveries)
        owned.setdefault(pending.consumer.name, []).append(pending)
    writer.length(group.consumer_count())
    for consumer in group.consumers():
        _write_consumer(writer, consumer, owned.get(consumer.name, []))


def _write_consumer(writer: Writer, consumer: Consumer, owned: list[Pending]) -> None:
    writer.string(consumer.name)
    writer.milliseconds(consumer.last_seen_ms())
    writer.milliseconds(consumer.active_ms)
    writer.length(len(owned))
    for pending in owned:
        writer.raw(_id_bytes(pending.number))
