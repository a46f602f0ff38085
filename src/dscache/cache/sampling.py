"""Eviction policies that sample: LFU and random, as Redis has them.

Both need a random entry in O(1), which a linked queue cannot give, so they keep a list. Taking an
entry out only marks it; the list drops a marked entry when a sample meets it, or all of them once
they are the majority.
"""

from __future__ import annotations

from typing import Final

from librt.random import random, randrange
from mypy_extensions import i64, u8

from dscache.cache.entry import CLEAN, Entry
from dscache.cache.policy import Policy

_UNLISTED: Final = 0
_EVICTABLE: Final = 1
_MARKED: Final = 2

# Redis's maxmemory-samples default is 5; 10 is closer to true LFU and costs little here.
_SAMPLES: Final = 10
_NEW_FREQUENCY: Final = 5
_SWEEP_SLICE: Final = 20_000


class Sampling(Policy):
    """Keeps the list; evicts the best of a few samples by ``rank``."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._marked: i64 = 0
        self._samples = 1

    def admit(self, entry: Entry) -> None:
        if entry.queue == _MARKED:
            self._marked -= 1
        else:
            self._entries.append(entry)
        entry.queue = _EVICTABLE

    def remove(self, entry: Entry) -> None:
        entry.queue = _MARKED
        self._marked += 1
        if self._marked * 2 > len(self._entries) and self._marked > 64:
            self._drop_marked()

    def holds(self, entry: Entry) -> bool:
        return entry.queue == _EVICTABLE

    def hit(self, entry: Entry) -> None:
        pass

    def rank(self, entry: Entry) -> int:
        """How willingly ``entry`` is kept; the lowest of the samples goes."""
        return 0

    def victim(self) -> Entry | None:
        best = -1
        best_rank = 0
        drawn = 0
        while drawn < self._samples and self._entries:
            index = randrange(len(self._entries))
            entry = self._entries[index]
            is_marked = entry.queue == _MARKED
            if is_marked or entry.state != CLEAN:
                # The last entry moves into the place, so a better index found before may be stale.
                self._take_out(index)
                entry.queue = _UNLISTED
                self._marked -= 1 if is_marked else 0
                best = -1
                drawn = 0
                continue
            rank = self.rank(entry)
            if best < 0 or rank < best_rank:
                best = index
                best_rank = rank
            drawn += 1
        if best < 0:
            return None
        chosen = self._entries[best]
        self._take_out(best)
        chosen.queue = _UNLISTED
        return chosen

    def overhead_bytes(self) -> int:
        return 8 * len(self._entries)

    def _take_out(self, index: int) -> None:
        last = self._entries.pop()
        if index < len(self._entries):
            self._entries[index] = last

    def _drop_marked(self) -> None:
        kept: list[Entry] = []
        for entry in self._entries:
            if entry.queue == _MARKED:
                entry.queue = _UNLISTED
            else:
                kept.append(entry)
        self._entries = kept
        self._marked = 0


class Random(Sampling):
    """Any entry, with equal chance."""


class Lfu(Sampling):
    """Least frequently used by Redis's logarithmic counter, which decays with time.

    ``log_factor`` and ``decay_minutes`` are the directives ``lfu-log-factor`` and
    ``lfu-decay-time``. Redis notes in each object when it was last decremented; an entry has no
    room for that, so instead a sweep over all of them lowers every counter by one each
    ``decay_minutes``, a slice per tick.
    """

    def __init__(self, log_factor: int, decay_minutes: int) -> None:
        super().__init__()
        self._samples = _SAMPLES
        self.log_factor = log_factor
        self.decay_minutes = decay_minutes
        self._sweep_at = 0
        self._next_sweep_ms = 0

    def admit(self, entry: Entry) -> None:
        if entry.queue == _UNLISTED and entry.frequency < _NEW_FREQUENCY:
            entry.frequency = _NEW_FREQUENCY
        super().admit(entry)

    def first_frequency(self) -> u8:
        return _NEW_FREQUENCY

    def hit(self, entry: Entry) -> None:
        frequency = int(entry.frequency)
        if frequency >= 255:
            return
        above = max(frequency - _NEW_FREQUENCY, 0)
        if random() * (above * self.log_factor + 1) < 1.0:
            entry.frequency += 1

    def rank(self, entry: Entry) -> int:
        return int(entry.frequency)

    def tick(self, now_ms: int) -> None:
        if self.decay_minutes == 0:
            return
        if now_ms >= self._next_sweep_ms:
            self._next_sweep_ms = now_ms + self.decay_minutes * 60_000
            self._sweep_at = len(self._entries)
        stop = max(self._sweep_at - _SWEEP_SLICE, 0)
        for entry in self._entries[stop : self._sweep_at]:
            if entry.frequency > 0:
                entry.frequency -= 1
        self._sweep_at = stop
