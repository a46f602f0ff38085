"""Statistics for a noisy machine: medians, their spread, and ratios of runs that were neighbours.

Servers are measured alternately (subject, peer, subject, peer…), and the i-th run of the one is
divided by the i-th run of the other. What slows the machine for a minute slows both and cancels
out; the ratio of two medians taken an hour apart would not forgive that. Means and standard
deviations are not used: noise here is one-sided and has outliers.
"""

from __future__ import annotations  # array[int] is subscriptable from 3.12 only

import statistics
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Spread:
    """A median with the extremes around it."""

    median: float
    low: float
    high: float

    def text(self, digits: int = 0) -> str:
        """``median (low..high)``, or just the value if there was one run."""
        if self.low == self.high:
            return f"{self.median:,.{digits}f}"
        return f"{self.median:,.{digits}f} ({self.low:,.{digits}f}..{self.high:,.{digits}f})"


def spread(values: Sequence[float]) -> Spread:
    """Of at least one value."""
    return Spread(statistics.median(values), min(values), max(values))


def pairwise(subject: Sequence[float], peer: Sequence[float]) -> Spread:
    """The spread of subject / peer over runs that alternated."""
    return spread([ours / theirs for ours, theirs in zip(subject, peer, strict=True)])


@dataclass(frozen=True, slots=True)
class Latency:
    """Percentiles in microseconds."""

    count: int
    p50_us: float
    p99_us: float
    p999_us: float
    max_us: float


#: The heads of what ``latency_cells`` makes.
LATENCY_COLUMNS: Final = ("p50 µs", "p99 µs", "p99.9 µs", "max µs")


def latency_cells(runs: Sequence[Latency]) -> list[str]:
    """The percentiles of some rounds, with their spread, for a table."""
    return [
        spread([run.p50_us for run in runs]).text(),
        spread([run.p99_us for run in runs]).text(),
        spread([run.p999_us for run in runs]).text(),
        spread([run.max_us for run in runs]).text(),
    ]


def latency(samples_ns: array[int]) -> Latency:
    """Percentiles by nearest rank; all zero without samples."""
    if not samples_ns:
        return Latency(0, 0.0, 0.0, 0.0, 0.0)
    ordered = sorted(samples_ns)
    last = len(ordered) - 1

    def at(quantile: float) -> float:
        return ordered[round(quantile * last)] / 1000

    return Latency(len(ordered), at(0.5), at(0.99), at(0.999), at(1.0))
