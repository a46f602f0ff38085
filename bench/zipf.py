"""Which keys are asked for: streams of key numbers for load workers and for cache traces.

A key stream is described by a small frozen object (cheap to hand to another process) and opened by
`stream`, in the process that uses it. Key numbers are dense integers; what a key is called on the
wire is `requests.py`'s business.

The zipf sampler draws a pool of exact samples once (inverse of the cumulative weights, by
bisection) and then walks that pool from random starting points. Two alternatives were rejected:
drawing live costs about 1 µs a key, as much as the rest of the generator; the closed form of Gray
et al. (used by YCSB) is an approximation and no cheaper in Python. The price of the pool is that a
run longer than `POOL_SAMPLES` requests sees the same cold keys again: the pool is therefore as
long as a worker's run of several seconds.
"""

from __future__ import annotations  # array[int] is subscriptable from 3.12 only

import itertools
import random
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

POOL_SAMPLES: Final = 1 << 20
SKEW: Final = 0.99  # YCSB's default; harsher than most measured caches, gentler than some


class Keys(Protocol):
    """A description of a stream of key numbers."""

    def stream(self) -> Iterator[int]:
        """Open the stream; it ends only if the description says so."""


@dataclass(frozen=True, slots=True)
class Sequential:
    """``low`` to ``high - 1``, once, in order."""

    low: int
    high: int

    def stream(self) -> Iterator[int]:
        return iter(range(self.low, self.high))


@dataclass(frozen=True, slots=True)
class RandomOrder:
    """``low`` to ``high - 1``, each once, in random order."""

    low: int
    high: int
    seed: int = 1

    def stream(self) -> Iterator[int]:
        order = array("q", range(self.low, self.high))
        random.Random(self.seed).shuffle(order)
        return iter(order)


@dataclass(frozen=True, slots=True)
class Uniform:
    """Independent draws from ``low`` to ``high - 1``, without end."""

    low: int
    high: int
    seed: int = 1

    def stream(self) -> Iterator[int]:
        rng = random.Random(self.seed)
        low, width = self.low, self.high - self.low
        while True:
            yield low + int(rng.random() * width)


@dataclass(frozen=True, slots=True)
class Zipf:
    """Independent draws from ``count`` keys from ``low`` on, the r-th with weight 1 / r ** skew.

    ``scatter`` spreads the popular keys over the whole range, so that neither their numbers nor the
    order in which they were first written gives them away.
    """

    count: int
    low: int = 0
    skew: float = SKEW
    seed: int = 1
    scatter: bool = True

    def ranks(self, samples: int) -> array[int]:
        """``samples`` independent draws of a rank, 0 being the most popular."""
        cumulative = list(
            itertools.accumulate(rank**-self.skew for rank in range(1, self.count + 1))
        )
        rng = random.Random(self.seed)
        return array("q", rng.choices(range(self.count), cum_weights=cumulative, k=samples))

    def stream(self) -> Iterator[int]:
        pool = self.ranks(POOL_SAMPLES)
        if self.scatter:
            # The same for every seed: workers with different seeds must agree on what is popular.
            names = array("q", range(self.low, self.low + self.count))
            random.Random(self.count).shuffle(names)
            pool = array("q", (names[rank] for rank in pool))
        elif self.low:
            pool = array("q", (self.low + rank for rank in pool))
        yield from pool
        rng = random.Random(~self.seed)
        while True:
            start = rng.randrange(POOL_SAMPLES)
            yield from pool[start:]
            yield from pool[:start]


@dataclass(frozen=True, slots=True)
class ShiftingZipf:
    """A zipf working set that moves by ``step`` keys every ``period`` requests.

    With ``step`` smaller than ``count`` successive working sets overlap, as a news site's do.
    """

    count: int
    period: int
    step: int
    seed: int = 1

    def stream(self) -> Iterator[int]:
        ranks = Zipf(self.count, seed=self.seed, scatter=False).stream()
        for phase in itertools.count():
            base = phase * self.step
            for rank in itertools.islice(ranks, self.period):
                yield base + rank


@dataclass(frozen=True, slots=True)
class ZipfWithScans:
    """Zipf, interrupted every ``period`` requests by a scan of ``length`` keys never seen before.

    This is what a nightly export does to a cache, and what an LRU suffers from most.
    """

    count: int
    period: int
    length: int
    seed: int = 1

    def stream(self) -> Iterator[int]:
        popular = Zipf(self.count, seed=self.seed).stream()
        scan_start = self.count
        while True:
            yield from itertools.islice(popular, self.period)
            yield from range(scan_start, scan_start + self.length)
            scan_start += self.length
