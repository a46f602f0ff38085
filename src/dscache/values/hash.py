"""Hashes: fields that lead to values, some of them for a limited time.

A hash is a table whose things are the values, plain ``bytes``. Fields that have a due time are listed a
second time, in ``_DueTimes``, which knows the earliest; a hash that never had any does without.

A hash does not look at the clock. ``expire`` removes what is due, and whoever hands a hash out to a
reader calls it first, when ``next_due_ms`` says so (the keyspace does).
"""

from __future__ import annotations

import random
import time
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Final

import msgpack
from mypy_extensions import i64, mypyc_attr

from dscache.values.base import HASH
from dscache.values.table import Table, bytes_size

if TYPE_CHECKING:
    from dscache.config import Config

# Measured on CPython 3.11, for a field with a due time: the slots in the dictionary and in the heap (56,
# 8), the pair (64) and the number (32); the field itself comes on top, as it may be another object than
# the table's. Pairs that are out of date are not charged: they are as many as the others, at most, and
# _MOST_OUTDATED more.
_DUE_BYTES: Final = 160
_MOST_OUTDATED: Final = 64

# What a payload's head can take: an array of three 64-bit numbers.
_HEAD_BYTES: Final = 28
# Where the first due time ends at the latest: behind that, the header of its pair and the number.
_DUE_END_BYTES: Final = _HEAD_BYTES + 1 + 9

# Fields handled by an I/O thread before it gives the interpreter away.
_STEP: Final = 2048


@mypyc_attr(acyclic=True)
class _DueTimes:
    """When fields are due. O(log n) for each change.

    The heap may hold pairs that are out of date, because the field has another due time by now, or
    none; what is on its top never is.
    """

    def __init__(self) -> None:
        self.due_ms: dict[bytes, int] = {}
        self._heap: list[tuple[int, bytes]] = []
        #: The earliest; 0 if there is none.
        self.earliest_ms: int = 0
        #: None is later than this.
        self.bound_ms: int = 0
        self.size_bytes: i64 = 0

    def set(self, field: bytes, due_ms: int) -> None:
        """Let ``field`` be due at ``due_ms``, > 0."""
        if field not in self.due_ms:
            self.size_bytes += bytes_size(field) + _DUE_BYTES
        self.due_ms[field] = due_ms
        self.bound_ms = max(self.bound_ms, due_ms)
        heappush(self._heap, (due_ms, field))
        self._tidy()

    def remove(self, field: bytes) -> bool:
        """Let ``field`` be due no more; whether it was."""
        if self.due_ms.pop(field, 0) == 0:
            return False
        self.size_bytes -= bytes_size(field) + _DUE_BYTES
        self._tidy()
        return True

    def take(self, now_ms: int) -> list[bytes]:
        """The fields that are due at ``now_ms``, which are forgotten here. O(log n) for each."""
        taken: list[bytes] = []
        while 0 < self.earliest_ms <= now_ms:
            field = heappop(self._heap)[1]
            taken.append(field)
            self.remove(field)
        return taken

    def _tidy(self) -> None:
        heap = self._heap
        if len(heap) > 2 * len(self.due_ms) + _MOST_OUTDATED:
            heap = self._rebuilt()
        while heap and self.due_ms.get(heap[0][1]) != heap[0][0]:
            heappop(heap)
        self.earliest_ms = heap[0][0] if heap else 0

    def _rebuilt(self) -> list[tuple[int, bytes]]:
        self._heap = [(due_ms, field) for field, due_ms in self.due_ms.items()]
        heapify(self._heap)
        return self._heap

    def copy(self) -> _DueTimes:
        """An independent copy. O(n)."""
        copy = _DueTimes()
        copy.due_ms = self.due_ms.copy()
        copy._heap = self._heap.copy()
        copy.earliest_ms = self.earliest_ms
        copy.bound_ms = self.bound_ms
        copy.size_bytes = self.size_bytes
        return copy

    def pack(self, packer: msgpack.Packer) -> None:
        """Write the pairs as they are in the heap, so that reading them makes one again. O(n)."""
        heap = self._heap
        if len(heap) != len(self.due_ms):
            heap = self._rebuilt()
        for pair in heap:
            packer.pack(pair)

    def read(self, unpacker: msgpack.Unpacker, count: int) -> None:
        """Become, being new and empty, what ``pack`` has written. O(n). Raises ValueError."""
        heap = self._heap
        for place in range(count):
            pair: object = unpacker.unpack()
            if not isinstance(pair, list) or len(pair) != 2:
                raise ValueError("a due time is not a pair")
            due_ms: object = pair[0]
            field: object = pair[1]
            if not isinstance(due_ms, int) or due_ms <= 0 or not isinstance(field, bytes):
                raise ValueError("a due time is not a positive number with a field")
            heap.append((due_ms, field))
            if place > 0 and heap[(place - 1) // 2] > heap[place]:
                raise ValueError("due times are out of order")
            self.due_ms[field] = due_ms
            self.bound_ms = max(self.bound_ms, due_ms)
            self.size_bytes += bytes_size(field) + _DUE_BYTES
            if place % _STEP == _STEP - 1:
                time.sleep(0)
        if len(self.due_ms) != count:
            raise ValueError("a field has two due times")
        self.earliest_ms = heap[0][0] if heap else 0


@mypyc_attr(acyclic=True)
class Hash(Table):
    """See the module's docstring."""

    def __init__(self) -> None:
        super().__init__()
        # None until a field gets a due time for the first time.
        self._dues: _DueTimes | None = None
        # The most fields that it has had, and its longest field or value, in bytes: what would have
        # made Redis choose another encoding, once and for all.
        self._most: i64 = 0
        self._longest: i64 = 0

    # What every value does

    def type_code(self) -> int:
        return HASH

    def size_bytes(self) -> int:
        dues = self._dues
        return self._size if dues is None else self._size + dues.size_bytes

    def encode(self) -> bytes:
        """Three numbers (the most fields ever; the length of the longest field or value ever; 0, or
        one more than there are due times, if there ever were any), then each due time, then the table.

        It depends on the order in which fields came, and due times too.
        """
        packer = msgpack.Packer(autoreset=False)
        dues = self._dues
        packer.pack_array_header(3)
        packer.pack(int(self._most))
        packer.pack(int(self._longest))
        packer.pack(0 if dues is None else len(dues.due_ms) + 1)
        if dues is not None:
            dues.pack(packer)
        self.pack_table(packer, with_things=True)
        return packer.bytes()

    def copy(self) -> Hash:
        copy = Hash()
        copy.copy_table(self)
        copy._most = self._most
        copy._longest = self._longest
        if self._dues is not None:
            copy._dues = self._dues.copy()
        return copy

    def encoding(self, config: Config) -> bytes:
        if (
            self._most > config.hash_max_listpack_entries
            or self._longest > config.hash_max_listpack_value
        ):
            return b"hashtable"
        return b"listpack" if self._dues is None else b"listpackex"

    def next_due_ms(self) -> int:
        dues = self._dues
        return 0 if dues is None else dues.earliest_ms

    # Fields and values

    def get(self, field: bytes) -> bytes | None:
        """The value of ``field``, or None. O(1)."""
        value = self.find(field)
        assert value is None or isinstance(value, bytes)
        return value

    def set(self, field: bytes, value: bytes) -> bool:
        """Let ``field`` have ``value`` and no due time; whether the field is new. O(1)."""
        if self._dues is not None:
            self._dues.remove(field)
        return self.replace(field, value)

    def replace(self, field: bytes, value: bytes) -> bool:
        """As ``set``, but if ``field`` has a due time it stays."""
        old = self.store(field, value, bytes_size(value))
        length: i64 = max(len(field), len(value))
        if length > self._longest:
            self._longest = length
        if old is None:
            self._most = max(self._most, self._count)
            return True
        assert isinstance(old, bytes)
        self._size -= bytes_size(old)
        return False

    def remove(self, field: bytes) -> bool:
        """Remove ``field``; whether it was there. O(1), O(log n) if it has a due time."""
        old = self.discard(field, 0)
        if old is None:
            return False
        assert isinstance(old, bytes)
        self._size -= bytes_size(old)
        if self._dues is not None:
            self._dues.remove(field)
        return True

    def items(self) -> list[tuple[bytes, bytes]]:
        """All fields with their values, in a stable order. O(n)."""
        return list(self.as_dict().items())

    def as_dict(self) -> dict[bytes, bytes]:
        """All fields with their values, in the order of ``items``. O(n)."""
        found: dict[bytes, object] = {}
        for page in self.pages():
            found.update(page)
        # Every thing is bytes: nothing else is ever stored.
        return found  # type: ignore[return-value]

    def values(self) -> list[bytes]:
        """All values, in the order of ``items``. O(n)."""
        found: list[object] = []
        for page in self.pages():
            found.extend(page.values())
        return found  # type: ignore[return-value]

    def random_fields(self, count: int) -> list[bytes]:
        """``count`` different fields, or all if there are fewer; each choice is as likely as every
        other. O(n), or O(count) for a count under a third of them."""
        total: int = self._count
        if count >= total:
            return self.members()
        if count * 3 > total:
            return random.sample(self.members(), count)
        found: dict[bytes, None] = {}
        while len(found) < count:
            found[self.random_member()] = None
        return list(found)

    # Due times

    def due_ms(self, field: bytes) -> int:
        """When ``field`` is due, in ms since the epoch; 0 = never, or there is no such field. O(1)."""
        return 0 if self._dues is None else self._dues.due_ms.get(field, 0)

    def set_due(self, field: bytes, due_ms: int) -> None:
        """Let ``field``, which exists, be due at ``due_ms``, > 0. O(log n), amortised."""
        if self._dues is None:
            self._dues = _DueTimes()
        self._dues.set(field, due_ms)

    def persist(self, field: bytes) -> bool:
        """Take the due time of ``field`` away; whether it had one. O(log n), amortised."""
        return self._dues is not None and self._dues.remove(field)

    def expire(self, now_ms: int) -> int:
        """Remove all fields that are due at ``now_ms``; how many they were. O(log n) for each;
        O(1) if all fields are."""
        dues = self._dues
        if dues is None:
            return 0
        if dues.bound_ms <= now_ms and len(dues.due_ms) == self._count:
            # Fields that got their due time together go together, and with them, mostly, the hash.
            expired = len(dues.due_ms)
            Table.__init__(self)
            self._dues = _DueTimes()
            return expired
        fields = dues.take(now_ms)
        for field in fields:
            self.remove(field)
        return len(fields)


def decode_hash(payload: bytes) -> Hash:
    """The value whose payload this is. Raises ValueError for what ``encode`` cannot have written."""
    try:
        return _decoded(payload)
    except msgpack.UnpackException as error:
        raise ValueError(f"the payload of a hash is cut off: {error}") from error


def field_due_in(payload: bytes) -> int:
    """When the first field of the hash with this payload is due, 0 if none is, or if it is none. O(1)."""
    unpacker = msgpack.Unpacker(max_buffer_size=_DUE_END_BYTES)
    unpacker.feed(payload[:_HEAD_BYTES])
    try:
        unpacker.read_array_header()
        unpacker.skip()
        unpacker.skip()
        if _count_of(unpacker.unpack()) < 2:
            return 0
        unpacker.feed(payload[_HEAD_BYTES:_DUE_END_BYTES])
        # The pairs are a heap, whose first is the least.
        unpacker.read_array_header()
        return _count_of(unpacker.unpack())
    except (msgpack.UnpackException, ValueError):
        return 0


def _decoded(payload: bytes) -> Hash:
    unpacker = msgpack.Unpacker(strict_map_key=False, max_buffer_size=len(payload))
    unpacker.feed(payload[:_HEAD_BYTES])
    found = Hash()
    if unpacker.read_array_header() != 3:
        raise ValueError("a hash begins with three numbers")
    found._most = _count_of(unpacker.unpack())
    found._longest = _count_of(unpacker.unpack())
    dues = _count_of(unpacker.unpack())
    rest = memoryview(payload)
    if dues > 0:
        unpacker.feed(rest[_HEAD_BYTES:])
        found._dues = _DueTimes()
        found._dues.read(unpacker, dues - 1)
    found.unpack_table(rest[unpacker.tell() :], with_things=True)
    found.charge_members()
    _charge_values(found)
    return found


def _count_of(number: object) -> int:
    if not isinstance(number, int) or number < 0:
        raise ValueError(f"{number!r} is not a number of anything")
    return number


def _charge_values(table: Hash) -> None:
    """Add up what the values take. O(n). Raises ValueError for things that are none."""
    handled: i64 = 0
    for page in table.pages():
        for value in page.values():
            if not isinstance(value, bytes):
                raise ValueError(f"the value of a field is {type(value).__name__}")
            table._size += bytes_size(value)
        handled += len(page)
        if handled > _STEP:
            handled = 0
            time.sleep(0)
