"""Latency histograms: how long commands took, in buckets of a few per cent.

As in an HDR histogram, a bucket is an octave of microseconds divided by 16, so a quantile read from
it is at most 6 % too high. Recording costs a few native operations; a histogram takes 4 kB and exists
only for commands that were called.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from librt.vecs import vec
from mypy_extensions import i64

_SUBDIVISION_BITS: Final = 4
_SUBDIVISIONS: Final = 1 << _SUBDIVISION_BITS
_OCTAVES: Final = 30
_BUCKETS: Final = _OCTAVES * _SUBDIVISIONS


class Histogram:
    """Counts of durations in microseconds."""

    def __init__(self) -> None:
        self._counts: vec[i64] = vec[i64]([0] * _BUCKETS)
        self.total: i64 = 0
        #: The sum of all durations.
        self.microseconds: i64 = 0

    def record(self, microseconds: i64) -> None:
        """Count one duration. O(1)."""
        shift: i64 = 0
        while (microseconds >> shift) >= 2 * _SUBDIVISIONS:
            shift += 1
        bucket: i64 = (shift << _SUBDIVISION_BITS) + (microseconds >> shift)
        if bucket >= _BUCKETS:
            bucket = _BUCKETS - 1
        self._counts[bucket] += 1
        self.total += 1
        self.microseconds += microseconds

    def quantile(self, fraction: float) -> int:
        """The duration that ``fraction`` of all durations do not exceed. O(buckets)."""
        return quantile_of(self.buckets(), fraction)

    def buckets(self) -> dict[int, int]:
        """{longest duration of a bucket: durations in it}, ascending, without the empty ones. O(buckets)."""
        return {_highest(bucket): int(count) for bucket, count in enumerate(self._counts) if count}

    def cumulative_octaves(self) -> dict[int, int]:
        """{2^n: durations below or equal to 2^n us}, for octaves in which something was counted."""
        found: dict[int, int] = {}
        seen = 0
        edge = 1
        for bucket, count in enumerate(self._counts):
            if not count:
                continue
            while edge < _highest(bucket):
                edge *= 2
            seen += count
            found[edge] = seen
        return found

    def below(self, edges: Sequence[int]) -> list[int]:
        """How many durations were shorter than each of ``edges``: ascending powers of two, in
        microseconds. O(buckets)."""
        found: list[int] = []
        seen = 0
        first = 0
        for edge in edges:
            # An octave begins with a bucket of its own.
            octave = edge.bit_length() - 1 - _SUBDIVISION_BITS
            bucket = edge if octave < 0 else (octave + 1) * _SUBDIVISIONS
            seen += sum(self._counts[first:bucket])
            first = bucket
            found.append(seen)
        return found


def quantile_of(buckets: Mapping[int, int], fraction: float) -> int:
    """The duration that ``fraction`` of all durations do not exceed, 0 without any. ``buckets`` are as
    ``Histogram.buckets`` has them. O(buckets)."""
    wanted = fraction * sum(buckets.values())
    seen = 0
    for longest, count in buckets.items():
        seen += count
        if count and seen >= wanted:
            return longest
    return 0


def _highest(bucket: int) -> int:
    """The longest duration that falls into ``bucket``."""
    if bucket < 2 * _SUBDIVISIONS:
        return bucket
    shift = (bucket >> _SUBDIVISION_BITS) - 1
    low = (bucket - (shift << _SUBDIVISION_BITS)) << shift
    return low + (1 << shift) - 1
