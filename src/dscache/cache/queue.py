"""A queue of entries, linked through the entries themselves.

Adding, removing from anywhere and taking the oldest are O(1), and an entry that leaves leaves
nothing behind (a ``deque`` with lazy deletion would keep deleted values alive). The ring is closed
by a head entry that is not a key: its ``newer`` is the oldest entry, its ``older`` the newest.
"""

from __future__ import annotations

from mypy_extensions import i64

from dscache.cache.entry import Entry


class EntryQueue:
    """Entries in the order in which they were added."""

    def __init__(self) -> None:
        head = Entry(b"", None, -1)
        head.older = head
        head.newer = head
        self._head = head
        self.count: i64 = 0
        self.size_bytes: i64 = 0

    def add(self, entry: Entry) -> None:
        """Append as the newest. The entry must not be linked."""
        head = self._head
        newest = head.older
        assert newest is not None
        assert entry.older is None, "the entry is linked already"
        entry.older = newest
        entry.newer = head
        newest.newer = entry
        head.older = entry
        self.count += 1
        self.size_bytes += entry.size

    def remove(self, entry: Entry) -> None:
        """Take ``entry``, which must be linked into this queue, out of it."""
        older = entry.older
        newer = entry.newer
        assert older is not None
        assert newer is not None
        older.newer = newer
        newer.older = older
        entry.older = None
        entry.newer = None
        self.count -= 1
        self.size_bytes -= entry.size

    def oldest(self) -> Entry | None:
        """The entry that was added first, or None."""
        oldest = self._head.newer
        return None if oldest is self._head else oldest

    def next_newer(self, entry: Entry) -> Entry | None:
        """The entry added after ``entry``, or None."""
        newer = entry.newer
        return None if newer is self._head else newer
