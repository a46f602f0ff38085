"""What is given back when nothing changes any more.

After a burst of writes the store's memtables hold the last of it a second time, beside the entries, until
more comes; and the C library keeps what batches and RocksDB have freed. Of a million keys of 16 and 100 bytes
these were 110 to 150 MB, of 480. So when nothing has been committed for some seconds the memtables are
written out if there is much in them, which the next start profits from too, and free memory goes back to the
system.

Everything but the job runs in the event loop's thread.
"""

from __future__ import annotations

import time
from typing import Final

from dscache.cache.flusher import Flusher
from dscache.cache.workers import Workers
from dscache.engine.allocator import release_free_memory
from dscache.errors import DscacheError
from dscache.store.base import Store

# So long after the last commit, and between two looks at whether the store is done.
_REST_AFTER_SECONDS: Final = 5.0
_PAUSE_SECONDS: Final = 1.0


class Resting:
    """See the module's docstring. ``tick`` is called about ten times a second."""

    def __init__(self, store: Store, flusher: Flusher, workers: Workers) -> None:
        self._store: Final[Store] = store
        self._flusher: Final[Flusher] = flusher
        self._workers: Final[Workers] = workers
        # How many epochs there were when it was all done.
        self._rested_epochs = 0
        # The job is under way; and when the next may be.
        self._is_busy = False
        self._next = 0.0

    def tick(self) -> None:
        """Begin, or go on, if it is time."""
        flusher = self._flusher
        if self._is_busy or flusher.is_saving or flusher.has_dirty:
            return
        epochs = flusher.epochs
        now = time.perf_counter()
        if epochs == self._rested_epochs or now < self._next:
            return
        if now < flusher.committed_at + _REST_AFTER_SECONDS:
            return
        self._is_busy = True
        self._workers.submit_commit(lambda: self._rest(epochs))

    def _rest(self, epochs: int) -> None:
        """In the commit thread."""
        try:
            is_done = self._store.rest()
        except DscacheError:
            # The next commit meets with the same, and knows what to do.
            is_done = True
        if is_done:
            release_free_memory()
        self._workers.post(lambda: self._rested(epochs if is_done else 0))

    def _rested(self, epochs: int) -> None:
        self._is_busy = False
        self._next = time.perf_counter() + _PAUSE_SECONDS
        if epochs:
            self._rested_epochs = epochs
