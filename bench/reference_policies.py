"""Eviction policies to compare with: FIFO, LRU, Redis's sampled LRU, and Belady's optimum.

Each is a `Simulated` cache of a capacity. Sizes count towards the capacity, so with every size 1
it is a number of keys. A key larger than the whole cache is never admitted.

These are references for hit ratios, written for plainness; their speed means nothing.
"""

from __future__ import annotations  # array[int] is subscriptable from 3.12 only

import heapq
import random
from array import array
from collections import OrderedDict
from typing import Final, Protocol

from bench.traces import Trace


class Simulated(Protocol):
    """A cache that is only asked whether it would have had a key."""

    def access(self, key: int, size: int) -> bool:
        """Whether it is a hit. After a miss the key is admitted, and others make room."""


class Fifo:
    """Evict what was admitted first; hits change nothing."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._used = 0
        self._entries: OrderedDict[int, int] = OrderedDict()

    def access(self, key: int, size: int) -> bool:
        if key in self._entries:
            return True
        if size <= self._capacity:
            self._entries[key] = size
            self._used += size
            while self._used > self._capacity:
                self._used -= self._entries.popitem(last=False)[1]
        return False


class Lru(Fifo):
    """Evict what was used least recently, exactly: FIFO in which a hit is a new admission."""

    def access(self, key: int, size: int) -> bool:
        if key in self._entries:
            self._entries.move_to_end(key)
            return True
        return super().access(key, size)


class SampledLru:
    """Redis's ``allkeys-lru`` (``src/evict.c``): five random keys, and a pool of candidates kept.

    Each eviction samples five entries into a pool of the sixteen that were idle longest when they
    were sampled, and evicts the pool's oldest that is still there. As in Redis a candidate's idle
    time is not looked up again. Unlike Redis the clock has a tick per access, which flatters it a
    little.
    """

    _SAMPLES: Final = 5
    _POOL: Final = 16

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._used = 0
        self._now = 0
        self._rng = random.Random(1)
        self._keys: list[int] = []
        """All keys, in no order: for sampling."""
        self._places: dict[int, int] = {}
        self._sizes: dict[int, int] = {}
        self._used_at: dict[int, int] = {}
        self._pool: list[tuple[int, int]] = []
        """(last use as sampled, key), the longest idle first."""

    def access(self, key: int, size: int) -> bool:
        self._now += 1
        if key in self._places:
            self._used_at[key] = self._now
            return True
        if size > self._capacity:
            return False
        while self._used + size > self._capacity:
            self._evict()
        self._places[key] = len(self._keys)
        self._keys.append(key)
        self._sizes[key] = size
        self._used_at[key] = self._now
        self._used += size
        return False

    def _evict(self) -> None:
        while True:
            self._sample()
            while self._pool:
                _, victim = self._pool.pop(0)
                if victim in self._places:
                    self._remove(victim)
                    return

    def _sample(self) -> None:
        pooled = {key for _, key in self._pool}
        for _ in range(self._SAMPLES):
            key = self._keys[int(self._rng.random() * len(self._keys))]
            if key not in pooled:
                pooled.add(key)
                self._pool.append((self._used_at[key], key))
        self._pool.sort()
        del self._pool[self._POOL :]

    def _remove(self, key: int) -> None:
        place = self._places.pop(key)
        last = self._keys.pop()
        if last != key:
            self._keys[place] = last
            self._places[last] = place
        self._used -= self._sizes.pop(key)
        del self._used_at[key]


class Belady:
    """Evict what is needed again last. It must be asked for exactly the trace that it was made for.

    With all sizes 1 no policy has more hits. By bytes it is a good reference but no bound: a large
    key that is needed soon can cost more hits than it brings, and a size-aware policy may win. (The
    true optimum with sizes is NP-hard.)
    """

    def __init__(self, capacity: int, trace: Trace) -> None:
        self._capacity = capacity
        self._used = 0
        self._next_uses = _next_uses(trace)
        self._position = 0
        self._entries: dict[int, tuple[int, int]] = {}
        """(next use, size) by key."""
        self._latest: list[tuple[int, int]] = []
        """A heap of (-next use, key); stale where the entry has another next use."""

    def access(self, key: int, size: int) -> bool:
        next_use = self._next_uses[self._position]
        self._position += 1
        is_hit = key in self._entries
        if not is_hit:
            if size > self._capacity:
                return False
            self._used += size
        self._entries[key] = (next_use, size)
        heapq.heappush(self._latest, (-next_use, key))
        while self._used > self._capacity:
            negated, victim = heapq.heappop(self._latest)
            entry = self._entries.get(victim)
            if entry is not None and entry[0] == -negated:
                del self._entries[victim]
                self._used -= entry[1]
        return is_hit


def _next_uses(trace: Trace) -> array[int]:
    """For each access the position of the next one to its key; past the end if there is none."""
    length = len(trace.keys)
    seen = array("q", [length]) * trace.distinct
    found = array("q", [0]) * length
    for position in range(length - 1, -1, -1):
        key = trace.keys[position]
        found[position] = seen[key]
        seen[key] = position
    return found
