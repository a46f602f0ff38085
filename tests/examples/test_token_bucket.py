"""examples/token_bucket.py"""

from __future__ import annotations

import pytest
import redis

from serving import until
from token_bucket import TokenBucket, TooMany

HOUR = 3600


def test_a_bucket_gives_what_it_holds_and_then_says_when_to_come_again(db: redis.Redis) -> None:
    bucket = TokenBucket(db, "calls", capacity=3, per_second=1 / HOUR)
    assert [bucket.take("ada") for _ in range(3)] == [(True, 2, 0), (True, 1, 0), (True, 0, 0)]
    granted, left, wait_seconds = bucket.take("ada")
    assert (granted, left) == (False, 0)
    assert 0 < wait_seconds <= HOUR
    assert HOUR < bucket.take("ada", cost=2).wait_seconds <= 2 * HOUR
    assert bucket.take("grace") == (True, 2, 0)
    assert TokenBucket(db, "other calls", 1, 1 / HOUR).take("ada").granted


def test_tokens_are_taken_together_or_not_at_all(db: redis.Redis) -> None:
    bucket = TokenBucket(db, "calls", capacity=10, per_second=1 / HOUR)
    assert bucket.take("ada", cost=8).left == 2
    assert not bucket.take("ada", cost=3).granted
    assert bucket.take("ada", cost=2) == (True, 0, 0)
    for cost in (0, 11):
        with pytest.raises(ValueError, match="holds 10 tokens"):
            bucket.take("ada", cost)


def test_new_tokens_come(db: redis.Redis) -> None:
    bucket = TokenBucket(db, "calls", capacity=6000, per_second=100)
    assert bucket.take("ada", cost=6000).granted
    assert not bucket.take("ada", cost=6000).granted
    until(lambda: bucket.take("ada").granted, "there is a token again")


def test_what_is_left_is_exact_whatever_the_rate(db: redis.Redis) -> None:
    bucket = TokenBucket(db, "calls", capacity=300, per_second=0.003)
    assert bucket.take("ada", cost=2).left == 298


def test_a_bucket_that_is_full_again_is_gone(db: redis.Redis) -> None:
    TokenBucket(db, "slow", capacity=5, per_second=1 / HOUR).take("ada", cost=3)
    assert 2 * HOUR < db.ttl("bucket:slow:ada") <= 3 * HOUR
    TokenBucket(db, "quick", capacity=5, per_second=1000).take("ada", cost=5)
    until(lambda: not db.exists("bucket:quick:ada"), "the bucket has expired")


def test_a_decorated_function_is_called_as_often_as_it_may_be(db: redis.Redis) -> None:
    bucket = TokenBucket(db, "mail", capacity=2, per_second=1 / HOUR)
    sent: list[tuple[str, str]] = []

    @bucket.limits(lambda to, text: to)
    def send(to: str, text: str) -> int:
        sent.append((to, text))
        return len(sent)

    assert [send("ada", "one"), send("ada", text="two"), send("grace", "one")] == [1, 2, 3]
    with pytest.raises(TooMany, match="too many calls") as caught:
        send("ada", "three")
    assert 0 < caught.value.wait_seconds <= HOUR
    assert sent == [("ada", "one"), ("ada", "two"), ("grace", "one")]
    assert send.__name__ == "send"
