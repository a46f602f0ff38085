"""The negative cache: keys that are known not to be on disk.

Without it, asking again and again for a key that does not exist would read the disk each time. Its
members are clean entries without a value (see ``dscache.cache.entry``); this queue bounds them. The
oldest knowledge goes first: a key asked for once should not stay as long as one asked for often, but
the paper trail that would need is worth more than the entry.
"""

from __future__ import annotations

from mypy_extensions import i64

from dscache.cache.entry import Entry
from dscache.cache.queue import EntryQueue

#: The share of the memory for entries that the negative cache may take.
ABSENT_SHARE = 16


class NegativeCache:
    """A bounded queue of entries without a value."""

    def __init__(self) -> None:
        self._queue = EntryQueue()
        self.limit_bytes: i64 = 0

    def admit(self, entry: Entry) -> None:
        """Remember ``entry``, which is clean and has no value."""
        self._queue.add(entry)

    def remove(self, entry: Entry) -> None:
        """Its key is being written, or its space is gone."""
        self._queue.remove(entry)

    def surplus(self) -> Entry | None:
        """The oldest entry, taken out, if the bound is exceeded."""
        if self._queue.size_bytes <= self.limit_bytes:
            return None
        return self.oldest()

    def oldest(self) -> Entry | None:
        """The oldest entry, taken out; None if there is none."""
        entry = self._queue.oldest()
        if entry is not None:
            self._queue.remove(entry)
        return entry

    @property
    def count(self) -> int:
        """Number of keys known to be absent."""
        return self._queue.count

    @property
    def size_bytes(self) -> int:
        """What they are charged."""
        return self._queue.size_bytes
