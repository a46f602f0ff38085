"""Latency histograms: quantiles a few per cent too high at most, never too low."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from dscache.engine.histogram import Histogram


def histogram_of(durations: list[int]) -> Histogram:
    """A histogram of durations in microseconds."""
    histogram = Histogram()
    for duration in durations:
        histogram.record(duration)
    return histogram


def test_a_histogram_of_nothing_says_nothing() -> None:
    assert Histogram().quantile(0.99) == 0
    assert Histogram().cumulative_octaves() == {}
    assert Histogram().buckets() == {}


@given(
    st.lists(st.integers(0, 10**8), min_size=1, max_size=50),
    st.sampled_from([0.01, 0.5, 0.9, 0.99, 1.0]),
)
def test_a_quantile_is_never_too_low_and_hardly_too_high(
    durations: list[int], fraction: float
) -> None:
    exact = next(
        duration
        for index, duration in enumerate(sorted(durations), 1)
        if index >= fraction * len(durations)
    )
    quantile = histogram_of(durations).quantile(fraction)
    assert exact <= quantile <= exact * 1.0625


@given(st.lists(st.integers(0, 10**8), max_size=50))
def test_a_duration_is_in_the_bucket_of_its_quantile(durations: list[int]) -> None:
    expected: dict[int, int] = {}
    for duration in sorted(durations):
        longest = histogram_of([duration]).quantile(1.0)
        expected[longest] = expected.get(longest, 0) + 1
    assert list(histogram_of(durations).buckets().items()) == list(expected.items())


@given(st.lists(st.integers(0, 10**6), max_size=50))
def test_octaves_are_cumulative(durations: list[int]) -> None:
    octaves = histogram_of(durations).cumulative_octaves()
    assert list(octaves) == sorted(octaves)
    assert list(octaves.values()) == sorted(octaves.values())
    if durations:
        assert max(octaves.values()) == len(durations)
    for edge, count in octaves.items():
        assert edge & (edge - 1) == 0
        # A bucket that reaches beyond an edge is counted at the next.
        assert count <= sum(duration <= edge for duration in durations)


@given(st.lists(st.integers(0, 10**8), max_size=50))
def test_below_counts_what_was_shorter_and_the_sum_is_exact(durations: list[int]) -> None:
    edges = [2**power for power in range(26)]
    histogram = histogram_of(durations)
    assert histogram.below(edges) == [
        sum(duration < edge for duration in durations) for edge in edges
    ]
    assert histogram.microseconds == sum(durations)


def test_what_takes_for_ever_is_counted_in_the_last_bucket() -> None:
    histogram = histogram_of([10**15, 5])
    assert histogram.total == 2
    assert histogram.quantile(1.0) >= 10**9
