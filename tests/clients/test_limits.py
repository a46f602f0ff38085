"""limits: rate limits, whose windows are counters, lists and scripts on the server."""

from __future__ import annotations

import time

import pytest
from limits import parse
from limits.storage import storage_from_string
from limits.strategies import (
    FixedWindowRateLimiter,
    MovingWindowRateLimiter,
    RateLimiter,
    SlidingWindowCounterRateLimiter,
)

STRATEGIES = [FixedWindowRateLimiter, MovingWindowRateLimiter, SlidingWindowCounterRateLimiter]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_window_takes_as_many_as_it_may(strategy: type[RateLimiter], url: str) -> None:
    limiter = strategy(storage_from_string(url))
    limit = parse("10/hour")
    for taken in range(10):
        assert limiter.get_window_stats(limit, "somebody").remaining == 10 - taken
        assert limiter.test(limit, "somebody")
        assert limiter.hit(limit, "somebody")
    assert not limiter.test(limit, "somebody")
    assert not limiter.hit(limit, "somebody")
    assert limiter.hit(limit, "somebody else", cost=10)
    stats = limiter.get_window_stats(limit, "somebody")
    assert stats.remaining == 0
    assert 0 < stats.reset_time - time.time() <= 3600
    limiter.clear(limit, "somebody")
    assert limiter.get_window_stats(limit, "somebody").remaining == 10


def test_a_large_cost_is_one_script(url: str) -> None:
    limiter = MovingWindowRateLimiter(storage_from_string(url))
    limit = parse("20000/hour")
    assert limiter.hit(limit, cost=19_999)
    assert limiter.get_window_stats(limit).remaining == 1
    assert not limiter.hit(limit, cost=2)


def test_a_storage_counts_expires_and_forgets(url: str) -> None:
    storage = storage_from_string(url)
    assert storage.check()
    assert [storage.incr("counter", 100) for _ in range(3)] == [1, 2, 3]
    assert storage.get("counter") == 3
    expiry = storage.get_expiry("counter")
    assert isinstance(expiry, float)
    assert 0 < expiry - time.time() <= 100
    assert storage.incr("other", 100, amount=5) == 5
    assert storage.reset() == 2
    assert storage.get("counter") == 0
