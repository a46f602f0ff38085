"""Sorted sets: a table that leads from members to scores, and beside it their order.

The table answers what concerns a member (ZSCORE, ZSCAN); the order (``dscache.values.order``) what
concerns places and ranges. Both hold the same objects: a member costs a dictionary slot, its float and
about three list slots.

A score is a float, never nan. Minus zero is stored as zero, as Redis does in sorted sets that it
keeps as a listpack: the two are equal, and stand in the order of their members.

What OBJECT ENCODING answers depends in Redis on the past: a skiplist does not become a listpack again. So
a sorted set remembers its largest number of members and its longest member, on disk too.

Payloads hold the order, not the table, which is made anew: so its pages may be others after a reload, and
``size_bytes`` differ by what a page takes for each of them.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, cast

import msgpack
from mypy_extensions import i64, mypyc_attr

from dscache.values.base import ZSET
from dscache.values.order import Order, number_of
from dscache.values.table import Table

if TYPE_CHECKING:
    from dscache.config import Config

# The order's own objects, when there is one leaf.
_ORDER_BYTES: Final = 256

# A float as malloc rounds it, and what the order takes for a member: two list slots, their slack and a
# share of the nodes, measured 24 after random insertions, 18 after bulk building.
_ELEMENT_BYTES: Final = 32 + 24

# Members in a piece of a payload.
_PIECE_MEMBERS: Final = 4096

# Members that are stored, in about half a millisecond, before other threads get their turn.
_MEMBERS_AT_ONCE: Final = 256


@mypyc_attr(acyclic=True)
class ZSet(Table):
    """See the module's docstring. Ranks count from 0 for the lowest score."""

    def __init__(self) -> None:
        super().__init__()
        self._order = Order()
        self._most: i64 = 0
        self._longest: i64 = 0
        self._size += _ORDER_BYTES

    # What every value does

    def type_code(self) -> int:
        return ZSET

    def encode(self) -> bytes:
        packer = msgpack.Packer(autoreset=False)
        total: i64 = self._count
        packer.pack_array_header(int(2 + 2 * ((total + _PIECE_MEMBERS - 1) // _PIECE_MEMBERS)))
        packer.pack(int(self._most))
        packer.pack(int(self._longest))
        start: i64 = 0
        while start < total:
            members: list[bytes] = []
            scores: list[object] = []
            self._order.collect(start, min(start + _PIECE_MEMBERS, total), members, scores)
            packer.pack(members)
            packer.pack(scores)
            start += _PIECE_MEMBERS
        return packer.bytes()

    def take_payload(self, payload: bytes) -> None:
        """Become, being new and empty, what ``encode`` has written. O(n). Raises ValueError."""
        unpacker = msgpack.Unpacker(max_buffer_size=len(payload))
        unpacker.feed(payload)
        pieces = (unpacker.read_array_header() - 2) // 2
        most: int = unpacker.unpack()
        longest: int = unpacker.unpack()
        self._most = most
        self._longest = longest
        members: list[bytes] = []
        scores: list[object] = []
        for _ in range(pieces):
            members.extend(unpacker.unpack())
            scores.extend(unpacker.unpack())
        self.take_ordered(members, scores)

    def take_ordered(self, members: list[bytes], scores: list[object]) -> None:
        """Get, being new and empty, these members, which are in order. O(n). Raises ValueError.

        Gives way to other threads.
        """
        place: i64 = 0
        for member, score in zip(members, scores, strict=True):
            self.store(member, score, _ELEMENT_BYTES)
            place += 1
            if place % _MEMBERS_AT_ONCE == 0:
                # Compiled code keeps the interpreter to itself unless it gives it away.
                time.sleep(0)
        if place != self._count:
            raise ValueError("a member is there twice")
        self._order.fill(members, scores)

    def copy(self) -> ZSet:
        twin = ZSet()
        twin.copy_table(self)
        members: list[bytes] = []
        scores: list[object] = []
        self._order.collect(0, self._count, members, scores)
        twin._order.fill(members, scores)
        twin._most = self._most
        twin._longest = self._longest
        return twin

    def encoding(self, config: Config) -> bytes:
        if (
            self._most > config.zset_max_listpack_entries
            or self._longest > config.zset_max_listpack_value
        ):
            return b"skiplist"
        return b"listpack"

    # Members

    def score(self, member: bytes) -> float | None:
        """The score of ``member``, or None. O(1)."""
        score = self.find(member)
        assert score is None or isinstance(score, float)
        return score

    def add(self, member: bytes, score: float) -> bool:
        """Let ``member`` have ``score``; whether it is new. O(log n)."""
        # Boxed once: table and order share it. Adding zero makes zero of minus zero.
        shared: object = score + 0.0
        old = self.store(member, shared, 0)
        if old is None:
            self._size += _ELEMENT_BYTES
            self._order.add(shared, member)
            self._note(member)
            return True
        before = number_of(old)
        if before == score:
            # The order goes on with the old object.
            self.store(member, old, 0)
        else:
            kept = self._order.take(before, member)
            self._order.add(shared, kept)
        return False

    def _note(self, member: bytes) -> None:
        """``member`` is new: the set may be larger than ever."""
        length: i64 = len(member)
        if length > self._longest:
            self._longest = length
        if self._count > self._most:
            self._most = self._count

    def remove(self, member: bytes) -> bool:
        """Remove ``member``; whether it was there. O(log n)."""
        old = self.discard(member, _ELEMENT_BYTES)
        if old is None:
            return False
        assert isinstance(old, float)
        self._order.take(old, member)
        return True

    def scan(self, cursor: int, count: int, is_packed: bool) -> tuple[int, list[bytes]]:
        """As of every table; one that is returned at once is so in order."""
        if is_packed and self._depth == 0:
            return 0, self.members_between(0, self._count)
        return super().scan(cursor, count, is_packed)

    # Places and ranges

    def rank(self, member: bytes) -> int | None:
        """The rank of ``member``, or None. O(log n)."""
        score = self.find(member)
        if score is None:
            return None
        assert isinstance(score, float)
        return self._order.rank(score, member)

    def count_below(self, score: float, inclusive: bool) -> int:
        """How many members have a lower score, or with ``inclusive`` no higher one. O(log n)."""
        return self._order.rank_of_score(score, inclusive)

    def count_before(self, member: bytes, inclusive: bool) -> int:
        """How many members come before ``member`` by their bytes, itself included with ``inclusive``.

        For sets whose members all have one score, or ascend as the scores do. O(log n).
        """
        return self._order.rank_of_member(member, inclusive)

    def items(self) -> list[tuple[bytes, float]]:
        """All members and their scores, in order. O(n)."""
        return self.items_between(0, self._count)

    def items_between(self, start: int, stop: int) -> list[tuple[bytes, float]]:
        """Members and scores with ranks from ``start`` up to and without ``stop``, in order.

        0 <= start <= stop <= count. O(log n + stop - start).
        """
        members: list[bytes] = []
        scores: list[object] = []
        self._order.collect(start, stop, members, scores)
        # All scores are floats; as objects they are not made anew.
        return list(zip(members, cast("list[float]", scores), strict=True))

    def members_between(self, start: int, stop: int) -> list[bytes]:
        """As ``items_between``, without the scores."""
        members: list[bytes] = []
        self._order.collect(start, stop, members, [])
        return members

    def cut(self, start: int, stop: int) -> None:
        """Remove the members with ranks from ``start`` up to and without ``stop``.

        0 <= start < stop <= count. O(log n + stop - start).
        """
        for member in self.members_between(start, stop):
            self.discard(member, _ELEMENT_BYTES)
        self._order.cut(start, stop)


def zset_of(items: list[tuple[bytes, float]]) -> ZSet:
    """A new sorted set of different members, which are in order. O(n)."""
    zset = ZSet()
    members: list[bytes] = []
    scores: list[object] = []
    longest: i64 = 0
    for member, score in items:
        members.append(member)
        scores.append(score + 0.0)
        longest = max(longest, len(member))
    zset.take_ordered(members, scores)
    zset._most = zset._count
    zset._longest = longest
    return zset


def decode_zset(payload: bytes) -> ZSet:
    """The value whose payload this is. Raises ValueError for what ``encode`` cannot have written."""
    zset = ZSet()
    try:
        zset.take_payload(payload)
    except msgpack.OutOfData:
        raise ValueError("a payload ends too early") from None
    return zset
