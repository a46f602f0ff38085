"""Active expiry: keys that are due are deleted though nobody asks for them, on disk as in memory.

The store's index of due times says which keys are due, in order; no key is looked at in vain and no
value is loaded, however many keys there are. Keys whose due time has not been committed yet are found
a flush later.

A sweep (``dscache.engine.sweep``) reads the index of one database from its floor to now.

One read of the index is under way at a time, in the scan thread. What it brings may be out of date: a
key in an epoch that was committed since the read began may have been given a new due time and have
left memory. So the keys of such epochs are remembered until all that was read is handled, and are left
for the next sweep; if they are too many, the rest of what was read is dropped and read again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from dscache.cache.epoch import Epoch
from dscache.engine.sweep import Sweep
from dscache.store.base import EXPIRES
from dscache.store.layout import expiry_bound, split_expiry_key

if TYPE_CHECKING:
    from dscache.engine.core import Core
    from dscache.engine.keyspace import Keyspace

# Index entries per read and effort: one read and its deletions take about a millisecond.
_KEYS_PER_READ: Final = 500

# Deletions between two turns of the event loop.
_SLICE_SECONDS: Final = 0.001

# Keys of committed epochs that are remembered while a read is under way. Larger epochs are rare
# enough, and reads short enough, that reading again is cheaper.
_MOST_OVERTAKEN: Final = 5000

Found = list[tuple[int, bytes]]


class ActiveExpiry:
    """The expiry of all databases, in turn."""

    def __init__(
        self,
        core: Core,
        keyspaces: list[Keyspace],
        submit: Callable[[Callable[[], None]], None],
        post: Callable[[Callable[[], None]], None],
    ) -> None:
        self._core = core
        self._keyspaces = keyspaces
        self._submit = submit
        self._post = post
        self.enabled = True
        self.effort = 1
        self._sweeps: dict[int, Sweep] = {}
        # The database whose turn it is, and what is being read, or was read and is being handled.
        self._database = 0
        self._current: Sweep | None = None
        self._reading = False
        self._due: Found = []
        self._full = False
        self._overtaken: set[bytes] = set()
        self._is_outdated = False

    @property
    def has_work(self) -> bool:
        """Whether ``work`` has something to do now."""
        return bool(self._due)

    def tick(self) -> None:
        """Start a round over the databases, unless one is under way."""
        if self.enabled and not self._reading and not self._due:
            self._database = 0
            self._read_next()

    def epoch_committed(self, epoch: Epoch) -> None:
        """Called for each committed epoch."""
        if self._reading or self._due:
            if len(self._overtaken) + len(epoch.entries) > _MOST_OVERTAKEN:
                self._is_outdated = True
            else:
                self._overtaken.update(entry.key for entry in epoch.entries)
        earliest_ms = int(epoch.earliest_due_ms)
        for sweep in self._sweeps.values():
            sweep.epoch_committed(epoch.number, earliest_ms)

    def _read_next(self) -> None:
        """Read the index of the next database that has keys that expire."""
        while self._database < len(self._keyspaces):
            space = self._keyspaces[self._database].space
            sweep = self._sweeps.get(space.generation)
            # After a sweep its deletions stay in the index until they are committed: going over
            # them again before that would find nothing new.
            if space.expires > 0 and (sweep is None or sweep.candidate_epoch == 0):
                if sweep is None:
                    sweep = self._sweeps[space.generation] = Sweep(space.generation)
                self._start_read(sweep)
                return
            self._database += 1
        alive = {keyspace.space.generation for keyspace in self._keyspaces}
        self._sweeps = {g: sweep for g, sweep in self._sweeps.items() if g in alive}

    def _start_read(self, sweep: Sweep) -> None:
        now_ms = int(self._core.clock.time() * 1000)
        if not sweep.resume:
            sweep.resume = expiry_bound(sweep.generation, sweep.floor_ms)
            sweep.skipped = False
            sweep.candidate_ms = now_ms + 1
        self._current = sweep
        self._reading = True
        self._overtaken.clear()
        self._is_outdated = False
        self._submit(lambda: self._read(sweep, now_ms))

    def _read(self, sweep: Sweep, now_ms: int) -> None:
        """In the scan thread."""
        limit = _KEYS_PER_READ * self.effort
        found: list[bytes] = []
        failed = False
        try:
            end = expiry_bound(sweep.generation, now_ms + 1)
            if sweep.resume < end:
                pairs = self._core.store.scan(EXPIRES, sweep.resume, end, limit, limit)
                found = [stored for stored, _ in pairs]
        except Exception:
            # The disk is in trouble, and INFO shows it by what else fails. The next round tries;
            # this thread must live to see it.
            failed = True
        self._post(lambda: self._have_read(sweep, found, len(found) == limit, failed))

    def _have_read(self, sweep: Sweep, found: list[bytes], full: bool, failed: bool) -> None:
        self._reading = False
        self._full = full
        if failed:
            sweep.skipped = True
        if self._is_outdated:
            sweep.skipped = True
            self._end_sweep(sweep)
        elif found:
            sweep.resume = found[-1] + b"\0"
            self._due = [split_expiry_key(stored) for stored in reversed(found)]
        else:
            self._read_on(sweep)

    def work(self) -> bool:
        """Delete what is due, for about a slice; whether there is more to do now."""
        keyspace = self._keyspaces[self._database]
        sweep = self._current
        assert sweep is not None
        if self._is_outdated or keyspace.space.generation != sweep.generation:
            # A large epoch was committed, or the database was flushed or swapped: what was read
            # may be true no longer, or of keys that are not in this database any more.
            self._due.clear()
            sweep.skipped = True
            self._end_sweep(sweep)
            return False
        core = self._core
        core.now_ms = int(core.clock.time() * 1000)
        deadline = time.perf_counter() + _SLICE_SECONDS
        handled = 0
        while self._due:
            due_ms, key = self._due.pop()
            if key in self._overtaken:
                sweep.skipped = True
            else:
                keyspace.expire_from_index(key, due_ms)
            handled += 1
            if handled % 64 == 0 and time.perf_counter() > deadline:
                return bool(self._due)
        self._read_on(sweep)
        return False

    def _read_on(self, sweep: Sweep) -> None:
        """All of one read has been handled: read on, or end the sweep and take the next."""
        if self._full:
            self._start_read(sweep)
            return
        self._end_sweep(sweep)

    def _end_sweep(self, sweep: Sweep) -> None:
        """Let the floor rise if nothing was left over, and go on with the next database."""
        sweep.end(self._core.flusher)
        self._database += 1
        self._read_next()
