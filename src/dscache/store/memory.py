"""A store in a dictionary, for unit tests: the interface's promises without a disk.

``fail_commits`` makes commits raise, for tests of what the cache does then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dscache.errors import StoreError
from dscache.store.base import COLUMN_NAMES
from dscache.store.batch import RANGE, Batch

if TYPE_CHECKING:
    from pathlib import Path


class MemorySnapshot:
    """A copy of the columns, made when the snapshot was taken."""

    def __init__(self, columns: list[dict[bytes, bytes]]) -> None:
        self._columns = columns

    def scan(
        self, column: int, begin: bytes, end: bytes, limit: int, max_bytes: int
    ) -> list[tuple[bytes, bytes]]:
        """See ``Store.scan``. O(n log n): it sorts the column."""
        found: list[tuple[bytes, bytes]] = []
        taken_bytes = 0
        for key in sorted(k for k in self._columns[column] if begin <= k < end):
            if len(found) >= limit or taken_bytes > max_bytes:
                break
            value = self._columns[column][key]
            taken_bytes += len(value)
            found.append((key, value))
        return found

    def close(self) -> None:
        """Nothing to release."""


class MemoryStore:
    """See the module's docstring."""

    name: Final = "memory"

    def __init__(self) -> None:
        self.columns: list[dict[bytes, bytes]] = [{} for _ in COLUMN_NAMES]
        self.fail_commits = False
        self.commits = 0
        self.reads: list[bytes] = []
        self._bytes_read = 0
        self._bytes_written = 0

    def read_many(self, column: int, keys: list[bytes]) -> list[bytes | None]:
        """See ``Store.read_many``."""
        self.reads.extend(keys)
        values = [self.columns[column].get(key) for key in keys]
        self._bytes_read += sum(len(value) for value in values if value is not None)
        return values

    def commit(self, batch: Batch) -> None:
        """See ``Store.commit``."""
        if self.fail_commits:
            raise StoreError("commits are made to fail by the test")
        batch.seal()
        for frame in batch.frames:
            for code, key, value in frame.operations():
                self._apply(code, key, value)
        self.commits += 1
        self._bytes_written += batch.size_bytes

    def _apply(self, code: int, key: bytes, value: bytes | None) -> None:
        if value is None:
            self.columns[code].pop(key, None)
        elif code < RANGE:
            self.columns[code][key] = value
        else:
            column = self.columns[code - RANGE]
            for one in [k for k in column if key <= k < value]:
                del column[one]

    def catch_up(self) -> None:
        """A failed commit leaves nothing behind."""

    def rest(self) -> bool:
        """There is nothing that only commits need."""
        return True

    def scan(
        self, column: int, begin: bytes, end: bytes, limit: int, max_bytes: int
    ) -> list[tuple[bytes, bytes]]:
        """See ``Store.scan``."""
        found = MemorySnapshot(self.columns).scan(column, begin, end, limit, max_bytes)
        self._bytes_read += sum(len(value) for _, value in found)
        return found

    def snapshot(self) -> MemorySnapshot:
        """See ``Store.snapshot``. O(n): it copies."""
        return MemorySnapshot([dict(column) for column in self.columns])

    def copy(self, directory: Path) -> None:
        """There is no directory that could be copied. Raises StoreError."""
        raise StoreError("a store in memory cannot be copied")

    def memory_bytes(self) -> int:
        """Nothing is charged: the unit tests account for entries only."""
        return 0

    def disk_bytes(self) -> int:
        """The sum of all values."""
        return sum(len(v) for column in self.columns for v in column.values())

    def counters(self) -> tuple[int, int]:
        """See ``Store.counters``."""
        return self._bytes_read, self._bytes_written

    def set_memory_budget(self, budget_bytes: int) -> None:
        """There is no buffer to size."""

    def close(self) -> None:
        """Nothing to release."""
