"""A store that fails when it is told to, as far as the promises of ``dscache.store.base`` let it."""

from __future__ import annotations

from collections import Counter

from dscache.errors import StoreError
from dscache.store.batch import Batch
from manual_workers import CountingStore

#: What can fail: a commit that never happened, one that became durable all the same, and the rest.
COMMIT = "commit"
LATE_COMMIT = "late commit"
CATCH_UP = "catch_up"
READ = "read"
SCAN = "scan"


class FaultyStore(CountingStore):
    """``failures`` says how many of the next calls fail, by what they do.

    After a late commit the batch is there for who opens the store, or catches up, and for nobody else.
    """

    def __init__(self) -> None:
        super().__init__()
        self.failures: Counter[str] = Counter()
        self._late: list[Batch] = []

    def _meet(self, what: str) -> None:
        if self.failures[what] > 0:
            self.failures[what] -= 1
            raise StoreError(f"a {what} is made to fail by the test: Input/output error")

    def read_many(self, column: int, keys: list[bytes]) -> list[bytes | None]:
        """See ``CountingStore``."""
        self._meet(READ)
        return super().read_many(column, keys)

    def scan(
        self, column: int, begin: bytes, end: bytes, limit: int, max_bytes: int
    ) -> list[tuple[bytes, bytes]]:
        """See ``CountingStore``."""
        self._meet(SCAN)
        return super().scan(column, begin, end, limit, max_bytes)

    def commit(self, batch: Batch) -> None:
        """See ``CountingStore``."""
        self.catch_up()
        self._meet(COMMIT)
        try:
            self._meet(LATE_COMMIT)
        except StoreError:
            self._late.append(batch)
            raise
        super().commit(batch)

    def catch_up(self) -> None:
        """See ``Store.catch_up``."""
        self._meet(CATCH_UP)
        while self._late:
            super().commit(self._late.pop(0))

    def crash(self) -> None:
        """The process has died; what follows is the next one, on a disk that works."""
        self.failures.clear()
        self.catch_up()
