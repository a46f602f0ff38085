"""The table of keys: a hash table of entries that grows and shrinks by one bucket at a time.

Linear hashing, after Litwin: with each key that comes a bucket is split, in order, and with each that goes
the last one is merged with the one that it was split from. So no client has to wait until millions have been
moved, as they are when CPython's dictionary grows (0.16 s with 2.8 million, a second with 5.6), and memory
follows the number of keys, up and down. Entries that share a bucket form a chain, and know their hash, so
that a key is looked at only if it is the right one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mypy_extensions import i64

from dscache.cache.entry import Entry

# The size of an empty table, in buckets; a power of two.
_LEAST: Final = 16


class Table:
    """Entries by their keys. All methods are O(1) unless they say otherwise."""

    def __init__(self) -> None:
        # The first entry of each bucket's chain. It stays the same list: the cyclic collector, which would
        # look at each entry, leaves alone what it has seen some times.
        self._buckets: list[Entry | None] = [None] * _LEAST
        #: How many entries there are.
        self.count: i64 = 0
        # Of ``_mask`` + 1 buckets those before ``_split`` have been split: hashes that lead there are
        # distinguished by one bit more.
        self._mask: i64 = _LEAST - 1
        self._split: i64 = 0

    def __len__(self) -> int:
        return int(self.count)

    def __contains__(self, key: bytes) -> bool:
        return self.get(key) is not None

    def __iter__(self) -> Iterator[bytes]:
        """All keys, in no order. The table must not change meanwhile. O(n)."""
        for entry in self.values():
            yield entry.key

    def values(self) -> Iterator[Entry]:
        """All entries, in no order. The table must not change meanwhile. O(n)."""
        for first in self._buckets:
            entry = first
            while entry is not None:
                yield entry
                entry = entry.chained

    def get(self, key: bytes) -> Entry | None:
        """The entry of ``key``, if there is one."""
        hashed: i64 = hash(key)
        place: i64 = hashed & self._mask
        if place < self._split:
            place = hashed & (2 * self._mask + 1)
        entry = self._buckets[place]
        while entry is not None:
            if entry.hashed == hashed and entry.key == key:
                return entry
            entry = entry.chained
        return None

    def __getitem__(self, key: bytes) -> Entry:
        """The entry of ``key``. Raises KeyError."""
        entry = self.get(key)
        if entry is None:
            raise KeyError(key)
        return entry

    def add(self, entry: Entry) -> None:
        """Take in ``entry``, whose key has none."""
        hashed: i64 = hash(entry.key)
        entry.hashed = hashed
        place = self._place(hashed)
        buckets = self._buckets
        entry.chained = buckets[place]
        buckets[place] = entry
        self.count += 1
        while 4 * self.count > 3 * len(buckets):
            self._grow()

    def remove(self, entry: Entry) -> None:
        """Let go of ``entry``, which is there."""
        place = self._place(entry.hashed)
        buckets = self._buckets
        before = buckets[place]
        assert before is not None, "no such entry"
        if before is entry:
            buckets[place] = entry.chained
        else:
            while before.chained is not entry:
                before = before.chained
                assert before is not None, "no such entry"
            before.chained = entry.chained
        entry.chained = None
        self.count -= 1
        while 8 * self.count < 3 * len(buckets) and len(buckets) > _LEAST:
            self._shrink()

    def pop(self) -> Entry | None:
        """Let go of any entry, if there is one. Amortised O(1)."""
        for first in reversed(self._buckets):
            if first is not None:
                self.remove(first)
                return first
        return None

    def _place(self, hashed: i64) -> i64:
        """The bucket where what has this hash belongs."""
        place: i64 = hashed & self._mask
        if place < self._split:
            place = hashed & (2 * self._mask + 1)
        return place

    def _grow(self) -> None:
        """Split the next bucket: what has the next bit of its hash set moves to a new one at the end."""
        buckets = self._buckets
        bit: i64 = self._mask + 1
        staying: Entry | None = None
        moving: Entry | None = None
        entry = buckets[self._split]
        while entry is not None:
            behind = entry.chained
            if entry.hashed & bit:
                entry.chained = moving
                moving = entry
            else:
                entry.chained = staying
                staying = entry
            entry = behind
        buckets[self._split] = staying
        buckets.append(moving)
        self._split += 1
        if self._split == bit:
            self._mask = 2 * bit - 1
            self._split = 0

    def _shrink(self) -> None:
        """Merge the last bucket with the one that it was split from."""
        buckets = self._buckets
        if self._split == 0:
            self._mask >>= 1
            self._split = self._mask + 1
        self._split -= 1
        entry = buckets.pop()
        while entry is not None:
            behind = entry.chained
            entry.chained = buckets[self._split]
            buckets[self._split] = entry
            entry = behind
