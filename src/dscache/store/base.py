"""What dscache asks of a key-value engine.

An engine must promise:

1. **Atomic, durable commit.** When ``commit`` returns, the whole batch survives a power failure;
   if it raises or the process dies, after the next open either the whole batch is there or nothing
   of it. Batches take effect in the order of their commits.
2. **Ordered keys.** ``scan`` goes through a column in the order of the keys' bytes.
3. **Snapshots.** ``snapshot`` is O(1); scanning one sees the store as it was then.
4. **Copies.** ``copy`` gives a directory that holds the store as it was when the last commit returned, at
   little cost in time and space, whatever its size.
5. **No long hold of the GIL.** Every call may be made from an I/O thread while the event loop runs;
   none may keep the interpreter to itself for more than a fraction of a millisecond.
6. **Bounded memory.** ``memory_bytes`` is what the engine holds; it stays near the budget given.

A commit that raises may nevertheless have become durable (its batch is in the journal, say, and
RocksDB did not take it). So the caller keeps the changes, commits them again, and before it looks at
the store to prepare that commit calls ``catch_up``.

Threads: ``read_many``, ``scan`` and ``snapshot`` may be called from any thread at any time, also
while a commit runs in another thread; a key that the running commit changes may then be read as
before or as after (the cache never asks for one: it answers for keys that are being saved).
``commit``, ``rest``, ``copy``, ``catch_up`` and ``close`` are called from one thread at a time. All calls may
block; the event loop never makes them, except for a blocking load as the last resort. (``memory_bytes``,
``disk_bytes``, ``counters`` and ``set_memory_budget`` never block: the event loop makes them.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from dscache.store.batch import Batch

#: Columns. RocksDB calls them column families.
DATA: Final = 0
EXPIRES: Final = 1
PAYLOADS: Final = 2
META: Final = 3
COLUMN_NAMES: Final = ("data", "expires", "payloads", "meta")


class Snapshot(Protocol):
    """The store as it was at one instant."""

    def scan(
        self, column: int, begin: bytes, end: bytes, limit: int, max_bytes: int
    ) -> list[tuple[bytes, bytes]]:
        """As ``Store.scan``, of that instant."""
        ...

    def close(self) -> None:
        """Let the engine forget the old versions that only this snapshot needs."""
        ...


class Store(Protocol):
    """A key-value engine. See the module's docstring for what it must promise."""

    @property
    def name(self) -> str:
        """What INFO calls the engine."""
        ...

    def read_many(self, column: int, keys: list[bytes]) -> list[bytes | None]:
        """The values of ``keys``, in their order; None where there is none."""
        ...

    def commit(self, batch: Batch) -> None:
        """Make ``batch`` durable, as a whole; it may be empty then. Raises StoreError when it could not."""
        ...

    def catch_up(self) -> None:
        """After a failed commit: make reads show every batch that a later open would find.

        Nothing to do, and quick, when the last commit succeeded; ``commit`` does it, too. Raises
        StoreError while it is not possible; reads go on as far as they can.
        """
        ...

    def rest(self) -> bool:
        """Nothing has been committed for a while: let go of what only commits need. The answer is whether
        that is done; it goes on by itself, and with the next call. Does not block for long.

        From the thread that commits. Raises StoreError.
        """
        ...

    def scan(
        self, column: int, begin: bytes, end: bytes, limit: int, max_bytes: int
    ) -> list[tuple[bytes, bytes]]:
        """At most ``limit`` pairs with ``begin <= key < end`` in order, fewer once the values
        returned exceed ``max_bytes``."""
        ...

    def snapshot(self) -> Snapshot:
        """The store as it is now. O(1)."""
        ...

    def copy(self, directory: Path) -> None:
        """Make ``directory`` a data directory that has what was committed. Raises StoreError if it exists, or
        cannot be made; then nothing is left of it."""
        ...

    def memory_bytes(self) -> int:
        """What the engine holds in memory: block cache, write buffers, open tables."""
        ...

    def disk_bytes(self) -> int:
        """What the store occupies on disk, near enough."""
        ...

    def counters(self) -> tuple[int, int]:
        """(bytes read, bytes written) by calls of this interface since it was opened."""
        ...

    def set_memory_budget(self, budget_bytes: int) -> None:
        """Keep ``memory_bytes`` near ``budget_bytes`` from now on."""
        ...

    def close(self) -> None:
        """Write out what is buffered and release the directory."""
        ...
