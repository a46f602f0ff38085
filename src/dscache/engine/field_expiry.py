"""Active expiry of fields: those that are due leave their hashes though nobody asks for them.

What is in memory and looked at loses its due fields at once (``Keyspace``). For the rest there is an
index on disk, as for keys (``dscache.engine.expiry``): for each hash that has fields with due times, the
earliest of them. What it says to be due is loaded, a few keys at a time, and loses what is due; when it
is saved, the index gets its next due time.

Records of the index are hints. The commit thread keeps it exact (of a key that was overwritten without being
loaded it reads the due time from the old record), but what was read of it may be out of date when it is acted
upon, and stores of early builds have records that are true of no key. Once such a key has been loaded it is
clear that the record is of no use, and it is deleted (``Keyspace.expire_fields_from_index``). So nothing that
happens between reading the index and acting on it can do harm, and no epoch has to be watched meanwhile.

A sweep (``dscache.engine.sweep``) reads the index of one database. Other than with keys, its floor may
lie in the future, at the first record that is not due yet, and until then nothing is read: a data set
without such fields costs one read for each database.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from dscache.cache.epoch import NEVER_MS, Epoch
from dscache.cache.wait import Wait
from dscache.engine.sweep import Sweep
from dscache.store.base import EXPIRES
from dscache.store.layout import expiry_bound, field_generation, generation_range, split_expiry_key
from dscache.values.base import Apart

if TYPE_CHECKING:
    from dscache.engine.core import Core
    from dscache.engine.keyspace import Keyspace

# Index records per read.
_KEYS_PER_READ: Final = 500

# Hashes loaded at a time; while they are handled they cannot be evicted, however large they are.
_LOADS: Final = 16

# Time for handling between two turns of the event loop.
_SLICE_SECONDS: Final = 0.001

Found = list[tuple[int, bytes]]


class FieldLoads(Wait):
    """Keys that are being loaded because fields of theirs are due."""

    def __init__(self, due: Found) -> None:
        super().__init__()
        self.due: Final = due


class _Read:
    """One read of the index: made in the scan thread, handed back to the event loop's."""

    def __init__(self, owner: FieldExpiry, sweep: Sweep, now_ms: int) -> None:
        self._owner: Final = owner
        self.sweep: Final = sweep
        self._now_ms: Final = now_ms
        self.found: Found = []
        #: There may be more that is due behind what was found.
        self.is_full = False
        #: The first due time that has not come yet, if all that is due was found.
        self.following_ms: int = NEVER_MS
        self.failed = False

    def run(self) -> None:
        """In the scan thread."""
        sweep = self.sweep
        store = self._owner.core.store
        generation = field_generation(sweep.generation)
        try:
            now = expiry_bound(generation, self._now_ms + 1)
            if sweep.resume < now:
                limit = _KEYS_PER_READ
                pairs = store.scan(EXPIRES, sweep.resume, now, limit, limit)
                self.found = [split_expiry_key(stored) for stored, _ in pairs]
                self.is_full = len(pairs) == limit
            if not self.is_full:
                _, end = generation_range(generation)
                for stored, _ in store.scan(EXPIRES, max(now, sweep.resume), end, 1, 1):
                    self.following_ms = split_expiry_key(stored)[0]
        except Exception:
            # The disk is in trouble, and INFO shows it by what else fails. The next round tries;
            # this thread must live to see it.
            self.failed = True
        self._owner.post(self.arrive)

    def arrive(self) -> None:
        """In the event loop's thread."""
        self._owner.have_read(self)


class FieldExpiry:
    """The expiry of fields of all databases, in turn."""

    def __init__(
        self,
        core: Core,
        keyspaces: list[Keyspace],
        submit: Callable[[Callable[[], None]], None],
        post: Callable[[Callable[[], None]], None],
    ) -> None:
        self.core: Final[Core] = core
        self._keyspaces: Final[list[Keyspace]] = keyspaces
        self._submit = submit
        self.post = post
        self.enabled = True
        self._sweeps: dict[int, Sweep] = {}
        # The database whose turn it is, and what is being read, handled or loaded.
        self._database = 0
        self._current: Sweep | None = None
        self._reading = False
        self._full = False
        self._due: Found = []
        self._loading: FieldLoads | None = None

    @property
    def has_work(self) -> bool:
        """Whether ``work`` has something to do now."""
        return self._loading is None and bool(self._due)

    def tick(self) -> None:
        """Start a round over the databases, unless one is under way."""
        if self.enabled and not self._reading and not self._due and self._loading is None:
            self._database = 0
            self._read_next()

    def epoch_committed(self, epoch: Epoch) -> None:
        """Called for each committed epoch."""
        earliest_ms = int(epoch.earliest_field_due_ms)
        for sweep in self._sweeps.values():
            sweep.epoch_committed(epoch.number, earliest_ms)

    def epoch_failed(self) -> None:
        """An epoch could not be committed. What it was to delete from the index is not known any more
        and may stay there as hints, of which the next sweeps must not think that they are gone."""
        for sweep in self._sweeps.values():
            sweep.floor_ms = 0
            sweep.candidate_ms = 0
            sweep.candidate_epoch = 0

    # Reading the index

    def _read_next(self) -> None:
        """Read the index of the next database in which something may be due."""
        now_ms = int(self.core.clock.time() * 1000)
        while self._database < len(self._keyspaces):
            space = self._keyspaces[self._database].space
            sweep = self._sweeps.get(space.generation)
            if sweep is None:
                sweep = self._sweeps[space.generation] = Sweep(space.generation)
            # While its deletions are not on disk a sweep would meet again what it has handled.
            if sweep.candidate_epoch == 0 and sweep.floor_ms <= now_ms:
                self._start_read(sweep, now_ms)
                return
            self._database += 1
        alive = {keyspace.space.generation for keyspace in self._keyspaces}
        self._sweeps = {g: sweep for g, sweep in self._sweeps.items() if g in alive}

    def _start_read(self, sweep: Sweep, now_ms: int) -> None:
        if not sweep.resume:
            sweep.resume = expiry_bound(field_generation(sweep.generation), sweep.floor_ms)
            sweep.skipped = False
            sweep.candidate_ms = NEVER_MS
        self._current = sweep
        self._reading = True
        self._submit(_Read(self, sweep, now_ms).run)

    def have_read(self, read: _Read) -> None:
        """A read has been made."""
        sweep = read.sweep
        self._reading = False
        self._full = read.is_full
        sweep.candidate_ms = min(sweep.candidate_ms, read.following_ms)
        if read.failed:
            sweep.skipped = True
        if read.found:
            due_ms, key = read.found[-1]
            sweep.resume = expiry_bound(field_generation(sweep.generation), due_ms) + key + b"\0"
            read.found.reverse()
            self._due = read.found
        else:
            self._read_on(sweep)

    def _read_on(self, sweep: Sweep) -> None:
        """All of one read has been handled: read on, or end the sweep and take the next."""
        if self._full:
            self._start_read(sweep, int(self.core.clock.time() * 1000))
            return
        sweep.end(self.core.flusher)
        self._database += 1
        self._read_next()

    # Handling what is due

    def _keyspace(self) -> Keyspace | None:
        """Where what was read belongs; None if the database was flushed or swapped meanwhile."""
        assert self._current is not None
        keyspace = self._keyspaces[self._database]
        return keyspace if keyspace.space.generation == self._current.generation else None

    def work(self) -> bool:
        """Remove what is due in memory, for about a slice, and have the rest loaded; whether there is
        more to do now."""
        sweep = self._current
        assert sweep is not None
        keyspace = self._keyspace()
        if keyspace is None:
            self._leave(sweep)
            return False
        core = self.core
        core.now_ms = int(core.clock.time() * 1000)
        deadline = time.perf_counter() + _SLICE_SECONDS
        missing: Found = []
        while self._due and len(missing) < _LOADS:
            due_ms, key = self._due.pop()
            if not self._handle(keyspace, sweep, due_ms, key):
                missing.append((due_ms, key))
            if time.perf_counter() > deadline:
                break
        if missing:
            self._loading = FieldLoads(missing)
            for _, key in missing:
                core.loader.want(keyspace.space, key, True, self._loading)
            return False
        if not self._due:
            self._read_on(sweep)
        return self.has_work

    def loaded(self, loads: FieldLoads) -> None:
        """The loads that ``work`` asked for have ended."""
        self._loading = None
        sweep = self._current
        assert sweep is not None
        keyspace = self._keyspace()
        core = self.core
        core.now_ms = int(core.clock.time() * 1000)
        if keyspace is not None:
            for due_ms, key in loads.due:
                if not self._handle(keyspace, sweep, due_ms, key):
                    # It could not be read, or has been overtaken by a change.
                    sweep.skipped = True
        core.residency.unpin(loads)
        if keyspace is None:
            self._leave(sweep)
        elif not self._due:
            self._read_on(sweep)

    def _handle(self, keyspace: Keyspace, sweep: Sweep, due_ms: int, key: bytes) -> bool:
        """Remove what is due of ``key``; false if it is not in memory."""
        entry = keyspace.space.entries.get(key)
        if entry is None or isinstance(entry.value, Apart):
            return False
        if not keyspace.expire_fields_from_index(key, due_ms):
            sweep.skipped = True
        return True

    def _leave(self, sweep: Sweep) -> None:
        """What was read is of a space that is not here any more."""
        self._due.clear()
        self._full = False
        sweep.skipped = True
        self._read_on(sweep)
