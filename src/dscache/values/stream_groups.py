"""Consumer groups: how far a group has read, its consumers, and what was delivered and not acknowledged.

The group's table of pending entries has for each ID when it was delivered last, how often, and the
number of the consumer that has it; every consumer has a table of just the IDs that are its own. The two
always agree, which is why only the group changes them.
"""

from __future__ import annotations

from typing import Final

import msgpack
from mypy_extensions import mypyc_attr

from dscache.values.stream_id import MAX_ID
from dscache.values.stream_pending import Meter, PendingTable
from dscache.values.table import bytes_size

#: ``entries_read`` of a group of which it is not known.
UNKNOWN: Final = -1

#: ``active_ms`` of a consumer that has never got anything.
NEVER: Final = -1

# An object, its two dictionary slots and the numbers in it.
_GROUP_BYTES: Final = 64 + 64 + 2 * 64 + 80
_CONSUMER_BYTES: Final = 64 + 2 * 56 + 2 * 32

# Columns of the group's table.
_DELIVERED_MS: Final = 0
_DELIVERIES: Final = 1
_OWNER: Final = 2

_MOST_DELIVERIES: Final = 2**63 - 1


@mypyc_attr(acyclic=True)
class Consumer:
    """One consumer of a group. Times are in ms since the epoch."""

    def __init__(self, meter: Meter, name: bytes, number: int, seen_ms: int) -> None:
        self.name: Final = name
        #: What its group's table of pending entries calls it. Never given again.
        self.number: Final = number
        #: When it asked for something last, as far as that is saved.
        self.seen_ms = seen_ms
        #: When it asked in vain, or an earlier time. That is no change of the stream, and is not saved.
        self.polled_ms = seen_ms
        #: When it got something last, or NEVER.
        self.active_ms = NEVER
        #: The IDs of what it has got and not acknowledged.
        self.pending = PendingTable(meter, 0)

    def last_seen_ms(self) -> int:
        """When it asked for something last, in vain or not."""
        return max(self.seen_ms, self.polled_ms)

    def pending_count(self) -> int:
        """Number of entries that it has not acknowledged. O(1)."""
        return self.pending.count()


@mypyc_attr(acyclic=True)
class Pending:
    """An entry that was delivered and not acknowledged."""

    def __init__(self, number: int, delivered_ms: int, deliveries: int, consumer: Consumer) -> None:
        #: Its ID.
        self.number: Final = number
        self.delivered_ms: Final = delivered_ms
        self.deliveries: Final = deliveries
        self.consumer: Final = consumer


@mypyc_attr(acyclic=True)
class Group:
    """See the module's docstring."""

    def __init__(self, meter: Meter, name: bytes, last_id: int, entries_read: int) -> None:
        self._meter: Final = meter
        self.name: Final = name
        #: The last ID that was delivered to any of its consumers.
        self.last_id = last_id
        #: How many entries of the stream, from its beginning, are delivered; or UNKNOWN.
        self.entries_read = entries_read
        self._consumers: dict[bytes, Consumer] = {}
        self._by_number: dict[int, Consumer] = {}
        self._next_number = 0
        self._pending = PendingTable(meter, 3)
        meter.used += _GROUP_BYTES + bytes_size(name)

    # Consumers

    def consumer(self, name: bytes) -> Consumer | None:
        """The consumer called ``name``. O(1)."""
        return self._consumers.get(name)

    def consumers(self) -> list[Consumer]:
        """All of them, by name. O(n log n)."""
        return [self._consumers[name] for name in sorted(self._consumers)]

    def consumer_count(self) -> int:
        """Number of consumers. O(1)."""
        return len(self._consumers)

    def add_consumer(self, name: bytes, now_ms: int) -> Consumer:
        """A new consumer, of a name that none has. O(1)."""
        return self._add(name, self._next_number, now_ms)

    def _add(self, name: bytes, number: int, seen_ms: int) -> Consumer:
        consumer = Consumer(self._meter, name, number, seen_ms)
        self._next_number = max(self._next_number, number + 1)
        self._consumers[name] = consumer
        self._by_number[number] = consumer
        self._meter.used += _CONSUMER_BYTES + bytes_size(name)
        return consumer

    def remove_consumer(self, consumer: Consumer) -> None:
        """Remove ``consumer`` and what is pending with it. O(its pending entries · log n)."""
        for row in consumer.pending.rows(0, MAX_ID, 0):
            self._pending.remove(row[0])
        self._meter.used -= self._consumer_bytes(consumer)
        del self._consumers[consumer.name]
        del self._by_number[consumer.number]

    # Pending entries

    def pending_count(self) -> int:
        """Number of pending entries. O(1)."""
        return self._pending.count()

    def first_pending_id(self) -> int:
        """The lowest ID that is pending; there is one."""
        return self._pending.first_id()

    def last_pending_id(self) -> int:
        """The highest ID that is pending; there is one."""
        return self._pending.last_id()

    def is_pending(self, number: int) -> bool:
        """Whether the entry ``number`` is pending. O(log n)."""
        return self._pending.has(number)

    def find(self, number: int) -> Pending | None:
        """The pending entry ``number``. O(log n)."""
        row = self._pending.row(number)
        if row is None:
            return None
        return Pending(number, row[_DELIVERED_MS], row[_DELIVERIES], self._by_number[row[_OWNER]])

    def range(self, first: int, last: int, most: int) -> list[Pending]:
        """Pending entries from ID ``first`` to ``last``, at most so many (0: all). O(log n + found)."""
        return [
            Pending(number, delivered_ms, deliveries, self._by_number[owner])
            for number, delivered_ms, deliveries, owner in self._pending.rows(first, last, most)
        ]

    def range_of(self, consumer: Consumer, first: int, last: int, most: int) -> list[Pending]:
        """As ``range``, of what is pending with ``consumer``. O(found · log n)."""
        found: list[Pending] = []
        for row in consumer.pending.rows(first, last, most):
            pending = self.find(row[0])
            assert pending is not None, "a consumer has what its group does not know"
            found.append(pending)
        return found

    def assign(self, number: int, consumer: Consumer, delivered_ms: int, deliveries: int) -> None:
        """Let the entry ``number`` be pending with ``consumer``, whoever had it. O(log n)."""
        old = self._pending.row(number)
        if old is not None and old[_OWNER] != consumer.number:
            self._by_number[old[_OWNER]].pending.remove(number)
        self._pending.put(
            number, [delivered_ms, min(deliveries, _MOST_DELIVERIES), consumer.number]
        )
        if old is None or old[_OWNER] != consumer.number:
            consumer.pending.put(number, [])

    def release(self, number: int) -> bool:
        """Let the entry ``number`` be pending no longer; whether it was. O(log n)."""
        row = self._pending.row(number)
        if row is None:
            return False
        self._pending.remove(number)
        self._by_number[row[_OWNER]].pending.remove(number)
        return True

    # Memory and payloads

    def _consumer_bytes(self, consumer: Consumer) -> int:
        return _CONSUMER_BYTES + bytes_size(consumer.name) + consumer.pending.size_bytes()

    def size_bytes(self) -> int:
        """Its share of what the meter shows. O(consumers)."""
        size = _GROUP_BYTES + int(bytes_size(self.name)) + self._pending.size_bytes()
        for consumer in self._consumers.values():
            size += self._consumer_bytes(consumer)
        return size

    def pack(self, packer: msgpack.Packer) -> None:
        """Write it, for ``unpack_group``. O(n), mostly copying. Needs a packer that does not reset
        itself."""
        packer.pack_array_header(5)
        packer.pack(self.name)
        packer.pack(self.last_id.to_bytes(16, "big"))
        packer.pack(self.entries_read)
        packer.pack(self._pending.pages())
        packer.pack_array_header(len(self._consumers))
        for consumer in self._consumers.values():
            packer.pack_array_header(5)
            packer.pack(consumer.name)
            packer.pack(consumer.number)
            packer.pack(consumer.seen_ms)
            packer.pack(consumer.active_ms)
            packer.pack(consumer.pending.pages())

    def copy(self, meter: Meter) -> Group:
        """An independent copy. O(n), mostly copying."""
        other = Group(meter, self.name, self.last_id, self.entries_read)
        other._pending.take(self._pending.pages())
        for consumer in self._consumers.values():
            twin = other._add(consumer.name, consumer.number, consumer.seen_ms)
            twin.active_ms = consumer.active_ms
            twin.pending.take(consumer.pending.pages())
        return other


def unpack_group(unpacker: msgpack.Unpacker, meter: Meter) -> Group:
    """The next group that ``Group.pack`` has written. O(n), mostly copying."""
    unpacker.read_array_header()
    name: bytes = unpacker.unpack()
    last_id: bytes = unpacker.unpack()
    entries_read: int = unpacker.unpack()
    group = Group(meter, name, int.from_bytes(last_id, "big"), entries_read)
    pages: list[bytes] = unpacker.unpack()
    group._pending.take(pages)
    for _ in range(unpacker.read_array_header()):
        unpacker.read_array_header()
        consumer_name: bytes = unpacker.unpack()
        number: int = unpacker.unpack()
        seen_ms: int = unpacker.unpack()
        consumer = group._add(consumer_name, number, seen_ms)
        active_ms: int = unpacker.unpack()
        consumer.active_ms = active_ms
        own_pages: list[bytes] = unpacker.unpack()
        consumer.pending.take(own_pages)
    return group
