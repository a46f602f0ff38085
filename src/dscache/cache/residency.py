"""Residency: what is in memory, what it costs, and who has to leave.

Every entry is charged for what it takes (``Entry.size``, kept up to date by the keyspace). The sum,
with the epoch that is being saved, is held under ``limit_bytes``; the engine derives that from
``maxmemory``, less what the store, the clients' buffers and the interpreter's own waste take (see
``dscache.engine.memory``).

Only clean, unpinned entries can leave. When they do not suffice, the limit still holds: ``make_room``
answers false, the engine forces an epoch, and writers wait for it while readers go on.
"""

from __future__ import annotations

import time
from typing import Final

from mypy_extensions import i16, i32, i64

from dscache.cache.absent import ABSENT_SHARE, NegativeCache
from dscache.cache.entry import (
    CLEAN,
    ENTRY_BYTES,
    NO_SPACE,
    USE_EPOCH_S,
    Entry,
)
from dscache.cache.policy import Lru, Policy, S3Fifo, Sieve
from dscache.cache.sampling import Lfu, Random
from dscache.cache.space import Space
from dscache.cache.wait import Wait
from dscache.values.base import size_of

# Entries of retired spaces dropped between two looks at the clock.
_REAP_STEP: Final = 256

# Databases and flushed databases whose entries are not dropped yet: half of what i16 could tell.
MAX_SPACES: Final = 16_384

POLICIES: Final = ("s3fifo", "sieve", "lru", "lfu", "random")


def make_policy(name: str, limit_bytes: int, lfu_log_factor: int, lfu_decay_minutes: int) -> Policy:
    """The policy called ``name``, one of POLICIES."""
    if name == "s3fifo":
        return S3Fifo(limit_bytes)
    if name == "sieve":
        return Sieve()
    if name == "lru":
        return Lru()
    if name == "lfu":
        return Lfu(lfu_log_factor, lfu_decay_minutes)
    assert name == "random", f"{name} is not one of {POLICIES}"
    return Random()


class Residency:
    """The entries of all spaces: their sizes, their bound, and their way out of memory."""

    def __init__(self, policy: Policy, limit_bytes: int) -> None:
        self.policy: Policy = policy
        self.absent: NegativeCache = NegativeCache()
        #: Spaces by number; None where a number is free.
        self.spaces: list[Space | None] = []
        self._free_numbers: list[int] = []
        self._retired: list[Space] = []
        #: Accounted bytes of all entries, and of the epoch that is being saved.
        self.entries_bytes: i64 = 0
        self.saving_bytes: i64 = 0
        self.limit_bytes: i64 = 0
        self.evicted: i64 = 0
        self.resident: i64 = 0
        #: The time as entries note it: seconds since USE_EPOCH_S, at the last tick.
        self.now_s: i32 = 0
        self.set_limit(limit_bytes)

    def set_limit(self, limit_bytes: int) -> None:
        """Change the bound. Entries leave at the next ``make_room``."""
        self.limit_bytes = limit_bytes
        self.absent.limit_bytes = limit_bytes // ABSENT_SHARE
        self.policy.resize(limit_bytes)

    def set_policy(self, policy: Policy) -> None:
        """Change the policy. What may be evicted moves over in the old policy's order. O(n)."""
        old = self.policy
        self.policy = policy
        moving: list[Entry] = []
        entry = old.victim()
        while entry is not None:
            moving.append(entry)
            entry = old.victim()
        # Also those that are not in the old policy now (dirty, pinned): its marks would mean
        # something else to the new one, which would never admit them, or never let them go.
        for space in self.spaces:
            if space is not None:
                for entry in space.entries.values():
                    entry.queue = 0
                    entry.frequency = 0
        for entry in moving:
            policy.admit(entry)

    def tick(self, now_ms: int) -> None:
        """Called about ten times a second."""
        self.now_s = i32(now_ms // 1000 - USE_EPOCH_S)
        self.policy.tick(now_ms)

    # Uses

    def first_use(self, entry: Entry) -> None:
        """``entry`` has just got a value."""
        entry.used_s = self.now_s
        entry.frequency = self.policy.first_frequency()

    def count_use(self, entry: Entry) -> None:
        """The value of ``entry`` was used."""
        entry.used_s = self.now_s
        self.policy.hit(entry)

    def idle_s(self, entry: Entry) -> int:
        """For how many seconds ``entry`` has not been used; since it was loaded, if not since."""
        return max(int(self.now_s) - int(entry.used_s), 0)

    def set_idle_s(self, entry: Entry, seconds: int) -> None:
        """Let ``entry`` have been used last so long ago."""
        entry.used_s = i32(max(int(self.now_s) - seconds, -(2**31)))

    # Spaces

    def new_space(self, generation: int) -> Space:
        """A space for ``generation``, with a free number."""
        if self._free_numbers:
            number = self._free_numbers.pop()
            space = self.spaces[number] = Space(generation, i16(number))
            return space
        assert len(self.spaces) < MAX_SPACES, "more spaces than entries can tell apart"
        space = Space(generation, i16(len(self.spaces)))
        self.spaces.append(space)
        return space

    @property
    def has_free_space(self) -> bool:
        """Whether ``new_space`` is possible: whether not too many flushes wait for ``reap``."""
        return bool(self._free_numbers) or len(self.spaces) < MAX_SPACES

    def retire_space(self, space: Space) -> None:
        """Its database was flushed. Its entries are dropped by ``reap``."""
        space.retired = True
        self._retired.append(space)

    def space_of(self, entry: Entry) -> Space:
        """The space that ``entry`` belongs to."""
        space = self.spaces[entry.space]
        assert space is not None, "an entry outlived its space"
        return space

    def reap(self, budget_seconds: float, encoding: int) -> bool:
        """Drop entries of retired spaces for about this long; whether there are more to drop now.

        ``encoding`` is the number of the epoch that is being encoded, or 0: if it was cut before a
        space was retired, it still needs the values of that space.
        """
        deadline = time.perf_counter() + budget_seconds
        while self._retired:
            space = self._retired[-1]
            if 0 < encoding < space.retired_in:
                return False
            entries = space.entries
            for _ in range(_REAP_STEP):
                entry = entries.pop()
                if entry is None:
                    break
                self._unlink(entry)
                self._forget(entry)
                # The list of an epoch may hold it for some time.
                entry.value = None
                entry.space = NO_SPACE
            if entries.count == 0 and not space.loads:
                self._retired.pop()
                self.spaces[space.number] = None
                self._free_numbers.append(int(space.number))
            elif entries.count == 0:
                return False
            if time.perf_counter() > deadline:
                return bool(self._retired)
        return False

    # Sizes

    def charge(self, entry: Entry) -> None:
        """Account for ``entry`` as it is now."""
        value = entry.value
        size: i64 = ENTRY_BYTES + len(entry.key)
        if value is not None:
            size += size_of(value)
        before: i64 = entry.size
        entry.size = size
        grown_bytes = entry.size - before
        if grown_bytes != 0:
            self.entries_bytes += grown_bytes
            if self.policy.holds(entry):
                self.policy.grown(entry, grown_bytes)

    def used_bytes(self) -> int:
        """What counts against the limit."""
        return self.entries_bytes + self.saving_bytes + self.policy.overhead_bytes()

    # Coming and going

    def hold(self, entry: Entry) -> None:
        """Take ``entry`` out of the queues: it is about to be deleted, made anew, or pinned."""
        self._unlink(entry)

    def settle(self, entry: Entry) -> None:
        """Put ``entry`` where it belongs if nothing holds it: it is clean again, or unpinned."""
        if (
            entry.state != CLEAN
            or entry.pins > 0
            or entry.space == NO_SPACE
            or self._is_linked(entry)
        ):
            return
        space = self.spaces[entry.space]
        if space is None or space.retired or space.entries.get(entry.key) is not entry:
            return
        if entry.value is None:
            self.absent.admit(entry)
        else:
            self.policy.admit(entry)

    def unpin(self, wait: Wait) -> None:
        """Let go of the entries that were pinned for ``wait``."""
        pinned = wait.pinned
        wait.pinned = []
        for entry in pinned:
            entry.pins -= 1
            self.settle(entry)

    def _is_linked(self, entry: Entry) -> bool:
        return entry.older is not None if entry.value is None else self.policy.holds(entry)

    def _unlink(self, entry: Entry) -> None:
        if not self._is_linked(entry):
            return
        if entry.value is None:
            self.absent.remove(entry)
        else:
            self.policy.remove(entry)

    def _forget(self, entry: Entry) -> None:
        self.entries_bytes -= entry.size
        entry.size = 0
        if entry.value is not None:
            self.resident -= 1

    def make_room(self) -> bool:
        """Evict until the bound holds; false if what is left cannot be evicted now.

        Amortised O(1) for each entry that came in.
        """
        surplus = self.absent.surplus()
        while surplus is not None:
            self._drop(surplus)
            surplus = self.absent.surplus()
        overhead: i64 = self.policy.overhead_bytes() + self.saving_bytes
        while self.entries_bytes + overhead > self.limit_bytes:
            entry = self.policy.victim()
            if entry is None:
                entry = self.absent.oldest()
                if entry is None:
                    return False
                self._drop(entry)
                continue
            self.evicted += 1
            self._drop(entry)
        return True

    def drop(self, entry: Entry) -> None:
        """Let go of a clean, unpinned entry at an operator's wish (CACHE EVICT)."""
        self._unlink(entry)
        self.evicted += 1
        self._drop(entry)

    def _drop(self, entry: Entry) -> None:
        space = self.space_of(entry)
        space.entries.remove(entry)
        if space.indexed:
            space.indexed.pop(entry.key, None)
        if space.field_due:
            space.field_due.pop(entry.key, None)
            space.timed.discard(entry.key)
        self._forget(entry)
