"""Batches: what an epoch hands over to the store. Compiled: the event loop fills them."""

from __future__ import annotations

from collections.abc import Callable

from mypy_extensions import i64


class Batch:
    """Changes that take effect together, in the order of the calls. Belongs to one thread."""

    def __init__(self) -> None:
        #: (column, key, value); value None deletes. Applied after ``ranges``. None is left once a store has
        #: taken them.
        self.operations: list[tuple[int, bytes, bytes | None]] = []
        #: (column, begin, end): delete every key with begin <= key < end. Applied first.
        self.ranges: list[tuple[int, bytes, bytes]] = []
        self.size_bytes: i64 = 0
        #: Operations that the store has taken, and applied so far.
        self.taken: i64 = 0
        self.applied: i64 = 0
        #: Called when ``applied`` has grown, in the thread that commits.
        self.on_progress: Callable[[], None] = _nobody_looks

    def put(self, column: int, key: bytes, value: bytes) -> None:
        """Store ``value`` under ``key``."""
        self.operations.append((column, key, value))
        self.size_bytes += len(key) + len(value)

    def delete(self, column: int, key: bytes) -> None:
        """Remove ``key`` if it is there."""
        self.operations.append((column, key, None))
        self.size_bytes += len(key)

    def prepend(self, other: Batch) -> None:
        """Let the operations of ``other`` take effect before those of this batch."""
        if other.operations:
            self.operations[:0] = other.operations
            self.size_bytes += other.size_bytes

    def take(self) -> list[tuple[int, bytes, bytes | None]]:
        """The operations, for the store; the batch does not have them any more."""
        operations = self.operations
        self.operations = []
        self.taken = len(operations)
        return operations

    def note_applied(self, operations: int) -> None:
        """The store has applied so many of the operations. A store need not say so."""
        self.applied = operations
        self.on_progress()

    def delete_range(self, column: int, begin: bytes, end: bytes) -> None:
        """Remove every key with ``begin <= key < end``. O(1), whatever the range holds."""
        self.ranges.append((column, begin, end))
        self.size_bytes += len(begin) + len(end)


def _nobody_looks() -> None:
    """How far the store is does not matter."""
