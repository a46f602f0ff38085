"""Streams: entries in order of their IDs, in nodes, and the consumer groups that read them.

IDs are integers (``stream_id``), entries stand in nodes (``stream_node``), groups and what is pending
in them are ``stream_groups``' business. Here is what concerns the stream as a whole: which node an ID
is in, ranges, trimming, and the counters by which a group's lag is told.

The list of the nodes' first IDs leads to a node by binary search. At most the last node, to which entries
are added, is open; what is removed from another is cut out of it as it is.

A stream without entries exists: it has a last ID, and groups.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from typing import TYPE_CHECKING, Final

import msgpack
from mypy_extensions import i64, mypyc_attr

from dscache.values.base import STREAM, Value
from dscache.values.stream_groups import UNKNOWN, Consumer, Group, unpack_group
from dscache.values.stream_id import MAX_ID, MAX_SEQ, id_of
from dscache.values.stream_node import Columns, Entry, Node
from dscache.values.stream_pending import Meter
from dscache.values.stream_radix import radix_nodes

if TYPE_CHECKING:
    from dscache.config import Config

# The object, its lists, its dictionary and the numbers in it.
_STREAM_BYTES: Final = 96 + 2 * 64 + 64 + 3 * 48

_ID_BYTES: Final = 16


@mypyc_attr(acyclic=True)
class Stream(Value):
    """See the module's docstring.

    ``size_bytes`` counts an open node as it is; what is decoded has none, and so may be smaller by what
    one node takes when it is open.
    """

    def __init__(self) -> None:
        self._nodes: list[Node] = []
        self._firsts: list[int] = []
        self._count: i64 = 0
        self._groups: dict[bytes, Group] = {}
        self._meter: Final = Meter()
        self._meter.used = _STREAM_BYTES
        #: The highest ID that any entry has had; the next must be higher.
        self.last_id = 0
        #: The highest ID that XDEL has removed, 0 for none.
        self.max_deleted_id = 0
        #: Entries that were ever added: a number of 64 bits, which clients may set (XSETID).
        self.entries_added = 0

    # What every value does

    def type_code(self) -> int:
        return STREAM

    def size_bytes(self) -> int:
        return self._meter.used

    def count(self) -> int:
        return self._count

    def encoding(self, config: Config) -> bytes:
        return b"stream"

    def encode(self) -> bytes:
        """See docs/store-format.md. O(nodes + groups), mostly copying."""
        packer = msgpack.Packer(autoreset=False)
        packer.pack_array_header(5)
        packer.pack(_id_bytes(self.last_id))
        packer.pack(_id_bytes(self.max_deleted_id))
        packer.pack(self.entries_added)
        packer.pack_array_header(len(self._nodes))
        for node in self._nodes:
            ids = (node.base_id, node.first_id, node.last_id, node.end_id)
            packer.pack_array_header(5)
            packer.pack(b"".join([_id_bytes(number) for number in ids]))
            packer.pack(int(node.count))
            packer.pack(int(node.deleted))
            packer.pack(int(node.element_bytes))
            packer.pack(node.packed())
        packer.pack_array_header(len(self._groups))
        for group in self._groups.values():
            group.pack(packer)
        return packer.bytes()

    def copy(self) -> Stream:
        """O(nodes + groups), mostly copying."""
        other = Stream()
        other.last_id = self.last_id
        other.max_deleted_id = self.max_deleted_id
        other.entries_added = self.entries_added
        for node in self._nodes:
            other._append(node.copy())
        for name, group in self._groups.items():
            other._groups[name] = group.copy(other._meter)
        return other

    # Entries

    def next_id(self, now_ms: int) -> int:
        """The ID for an entry that is added now: above ``last_id`` even if the clock went back.

        Beyond MAX_ID when there are no more.
        """
        fresh = id_of(now_ms, 0)
        return fresh if fresh > self.last_id else self.last_id + 1

    def first_id(self) -> int:
        """The ID of the first entry; 0 if there is none. O(1)."""
        return self._nodes[0].first_id if self._nodes else 0

    def top_id(self) -> int:
        """The ID of the last entry; 0 if there is none. O(1)."""
        return self._nodes[-1].last_id if self._nodes else 0

    def add(self, number: int, pairs: list[bytes], node_entries: int) -> None:
        """Append an entry whose ID is above ``last_id``; ``pairs`` are its fields and values.

        A node takes ``node_entries`` entries at most, 0 for as many as fit. O(fields), and O(node)
        for the first entry after loading and for the first of a node.
        """
        node = self._nodes[-1] if self._nodes else None
        if node is None or not node.takes(pairs, node_entries):
            if node is not None and node.is_open:
                self._meter.used -= node.size
                node.close()
                self._meter.used += node.size
            node = Node(number)
            self._append(node)
        elif not node.is_open:
            self._meter.used -= node.size
            node.open()
            self._meter.used += node.size
        self._meter.used -= node.size
        node.add(number, pairs)
        self._meter.used += node.size
        self._count += 1
        self.entries_added = self.entries_added + 1 & MAX_SEQ
        self.last_id = number

    def range(self, first: int, last: int, most: int, backwards: bool = False) -> list[Entry]:
        """Entries from ID ``first`` up to ``last``, at most so many (0: all); backwards from ``last``
        on. O(log nodes + nodes read)."""
        found: list[Entry] = []
        if first > last:
            return found
        step: i64 = -1 if backwards else 1
        at: i64 = self._index_of(last if backwards else first)
        while 0 <= at < len(self._nodes):
            node = self._nodes[at]
            if (node.last_id < first) if backwards else (node.first_id > last):
                break
            wanted = most - len(found) if most > 0 else 0
            part = node.between(first, last, wanted, backwards)
            if backwards:
                part.reverse()
            found += part
            if most > 0 and len(found) == most:
                break
            at += step
        return found

    def finder(self) -> Finder:
        """For looking up several entries; the stream's entries must not change meanwhile."""
        return Finder(self)

    def node_for(self, number: int) -> Node | None:
        """The node where the entry ``number`` is, if there is such an entry. O(log nodes)."""
        return self._nodes[self._index_of(number)] if self._nodes else None

    def delete(self, number: int) -> bool:
        """Remove the entry ``number``; whether it was there. O(log nodes + node), the latter in C."""
        if not self._nodes:
            return False
        index = self._index_of(number)
        node = self._nodes[index]
        if not node.first_id <= number <= node.last_id:
            return False
        if node.count == 1:
            self._drop(index, index + 1)
        else:
            size = node.size
            if not node.discard(number):
                return False
            self._have_removed(index, 1, size)
        if number > self.max_deleted_id:
            self.max_deleted_id = number
        return True

    def trim(self, length: int, least: int, approximately: bool, limit: int) -> int:
        """Remove from the beginning as long as there are more than ``length`` entries and their IDs
        are below ``least``; how many that were.

        ``approximately`` removes only whole nodes, and then ``limit`` is how many entries it may be (0:
        any number). O(nodes removed + node).
        """
        deleted: i64 = 0
        whole: i64 = 0
        excess: i64 = max(int(self._count) - length, 0)
        while whole < len(self._nodes):
            node = self._nodes[whole]
            if deleted + node.count > excess or node.end_id >= least:
                break
            if limit > 0 and int(deleted + node.count) > limit:
                break
            deleted += node.count
            whole += 1
        self._drop(0, whole)
        if approximately or not self._nodes:
            return int(deleted)
        excess -= deleted
        node = self._nodes[0]
        part = min(excess, node.place_of(least))
        if part == node.count:
            # Only deleted entries of the node are at or above ``least``.
            self._drop(0, 1)
        elif part > 0:
            size = node.size
            node.remove(0, part)
            self._have_removed(0, part, size)
        return int(deleted + part)

    # Groups

    def group(self, name: bytes) -> Group | None:
        """The group called ``name``. O(1)."""
        return self._groups.get(name)

    def groups(self) -> list[Group]:
        """All groups, by name. O(n log n)."""
        return [self._groups[name] for name in sorted(self._groups)]

    def group_count(self) -> int:
        """Number of groups. O(1)."""
        return len(self._groups)

    def add_group(self, name: bytes, last_id: int, entries_read: int) -> None:
        """A new group, of a name that none has. O(1)."""
        self._groups[name] = Group(self._meter, name, last_id, entries_read)

    def remove_group(self, group: Group) -> None:
        """Remove ``group`` and all that is in it. O(consumers)."""
        self._meter.used -= group.size_bytes()
        del self._groups[group.name]

    def deliver(
        self, group: Group, consumer: Consumer, most: int, keeps: bool, now_ms: int
    ) -> list[Entry]:
        """Give ``consumer`` what its group has not read yet, at most so many entries (0: all).

        They are pending with it from then on if it ``keeps`` them. O(found · log n).
        """
        entries = self.range(group.last_id + 1, MAX_ID, most)
        for entry in entries:
            self._advance(group, entry.number)
            if keeps:
                group.assign(entry.number, consumer, now_ms, 1)
        if keeps and entries:
            consumer.active_ms = now_ms
        return entries

    def _advance(self, group: Group, number: int) -> None:
        """The entry ``number``, the next for ``group``, has been read."""
        if group.entries_read != UNKNOWN and not self._is_broken_from(number):
            group.entries_read += 1
        elif self.entries_added > 0:
            group.entries_read = self._distance(number)
        group.last_id = number

    def lag(self, group: Group) -> int | None:
        """How many entries ``group`` has not read; None if deletions made that unknowable. O(1)."""
        if self.entries_added == 0:
            return 0
        read = group.entries_read
        if read == UNKNOWN or self._is_broken_from(group.last_id):
            read = self._distance(group.last_id)
            if read == UNKNOWN:
                return None
        return self.entries_added - read

    def _is_broken_from(self, number: int) -> bool:
        """Whether, as far as is known, entries at or behind ``number`` have been deleted."""
        return (
            self._count > 0
            and self.max_deleted_id != 0
            and self.first_id() <= self.max_deleted_id
            and number <= self.max_deleted_id
        )

    def _distance(self, number: int) -> int:
        """How many entries were ever added up to ``number``, or UNKNOWN. O(1)."""
        if number >= self.last_id:
            return self.entries_added if number == self.last_id else UNKNOWN
        if self._count == 0:
            return self.entries_added
        first = self.first_id()
        if number <= first and (self.max_deleted_id == 0 or self.max_deleted_id < first):
            before = self.entries_added - int(self._count)
            return before if number < first else before + 1
        return UNKNOWN

    # Nodes

    def node_count(self) -> int:
        """Number of nodes. O(1)."""
        return len(self._nodes)

    def radix_tree_nodes(self) -> int:
        """How many nodes Redis's radix tree of the nodes would have. O(nodes)."""
        return radix_nodes([node.base_id for node in self._nodes])

    def _index_of(self, number: int) -> i64:
        """Which node ``number`` belongs into; 0 if it is before all of them."""
        index: i64 = bisect_right(self._firsts, number)
        return index - 1 if index > 0 else 0

    def _append(self, node: Node) -> None:
        self._nodes.append(node)
        self._firsts.append(node.first_id)
        self._count += node.count
        self._meter.used += node.size

    def _drop(self, start: i64, stop: i64) -> None:
        """Remove whole nodes."""
        for node in self._nodes[int(start) : int(stop)]:
            self._count -= node.count
            self._meter.used -= node.size
        del self._nodes[int(start) : int(stop)]
        del self._firsts[int(start) : int(stop)]

    def _have_removed(self, index: i64, count: i64, size: i64) -> None:
        """Some, not all, entries of a node have been removed, which took ``size`` before."""
        node = self._nodes[index]
        self._meter.used += node.size - size
        self._firsts[int(index)] = node.first_id
        self._count -= count

    def take_nodes(self, unpacker: msgpack.Unpacker) -> None:
        """Get the nodes, being new and empty, that ``encode`` has written. O(nodes)."""
        for index in range(unpacker.read_array_header()):
            unpacker.read_array_header()
            ids: bytes = unpacker.unpack()
            base, first, last, end = [
                _id_from(ids[start : start + _ID_BYTES]) for start in range(0, len(ids), _ID_BYTES)
            ]
            node = Node(base)
            node.first_id = first
            node.last_id = last
            node.end_id = end
            count: int = unpacker.unpack()
            node.count = count
            deleted: int = unpacker.unpack()
            node.deleted = deleted
            element_bytes: int = unpacker.unpack()
            node.element_bytes = element_bytes
            packed: bytes = unpacker.unpack()
            node.take(packed)
            self._append(node)
            if index % 64 == 63:
                # Compiled code keeps the interpreter to itself unless it gives it away.
                time.sleep(0)

    def take_groups(self, unpacker: msgpack.Unpacker) -> None:
        """Get the groups that ``encode`` has written. O(pending entries), mostly copying."""
        for _ in range(unpacker.read_array_header()):
            group = unpack_group(unpacker, self._meter)
            self._groups[group.name] = group
            time.sleep(0)


@mypyc_attr(acyclic=True)
class Finder:
    """Looks up entries of a stream, neighbours more cheaply: it keeps the node that it took apart."""

    def __init__(self, stream: Stream) -> None:
        self._stream: Final = stream
        self._node: Node | None = None
        self._columns: Columns | None = None

    def find(self, number: int) -> Entry | None:
        """The entry ``number``. O(log n)."""
        node = self._stream.node_for(number)
        if node is None or not node.first_id <= number <= node.last_id:
            return None
        if node is not self._node:
            self._node = node
            self._columns = node.columns()
        columns = self._columns
        return node.find(number) if columns is None else columns.find(number)


def decode_stream(payload: bytes) -> Stream:
    """The value whose payload this is. Raises ValueError for what ``encode`` cannot have written."""
    unpacker = msgpack.Unpacker(max_buffer_size=len(payload))
    unpacker.feed(payload)
    parts = unpacker.read_array_header()
    if parts != 5:
        raise ValueError(f"a stream of {parts} parts")
    stream = Stream()
    last_id: bytes = unpacker.unpack()
    stream.last_id = _id_from(last_id)
    max_deleted_id: bytes = unpacker.unpack()
    stream.max_deleted_id = _id_from(max_deleted_id)
    entries_added: int = unpacker.unpack()
    stream.entries_added = entries_added
    stream.take_nodes(unpacker)
    stream.take_groups(unpacker)
    return stream


def _id_bytes(number: int) -> bytes:
    return number.to_bytes(_ID_BYTES, "big")


def _id_from(content: bytes) -> int:
    return int.from_bytes(content, "big")
