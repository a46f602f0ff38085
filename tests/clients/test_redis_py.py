"""redis-py's own tools: locks, which are scripts, and pipelines, with MULTI and WATCH and without."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from redis.client import Pipeline
from redis.exceptions import LockError, LockNotOwnedError, ResponseError, WatchError

from serving import DEADLINE_SECONDS


@pytest.fixture
def client(url: str) -> Iterator[redis.Redis]:
    """A client."""
    with redis.Redis.from_url(url, decode_responses=True) as client:
        yield client


def at_once(do: Callable[[], None]) -> None:
    """Four threads do this."""
    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(do) for _ in range(4)]:
            done.result(DEADLINE_SECONDS)


def test_a_lock_has_one_owner_who_prolongs_and_releases_it(client: redis.Redis) -> None:
    lock, other = client.lock("lock", timeout=100), client.lock("lock", timeout=100)
    assert lock.acquire(blocking=False)
    assert lock.owned()
    assert other.locked()
    assert not other.owned()
    assert not other.acquire(blocking=False)
    assert not other.acquire(blocking_timeout=0.01)
    lock.extend(1000)
    assert 1000 < client.ttl("lock") <= 1100
    lock.extend(500, replace_ttl=True)
    assert 400 < client.ttl("lock") <= 500
    lock.reacquire()
    assert 0 < client.ttl("lock") <= 100
    lock.release()
    with pytest.raises(LockError, match="already unlocked"):
        lock.release()
    assert other.acquire(blocking=False)


def test_who_has_lost_a_lock_is_told(client: redis.Redis) -> None:
    lock = client.lock("lock", timeout=100)
    assert lock.acquire()
    client.set("lock", "somebody else's", keepttl=True)
    for use in (lock.reacquire, lock.release):
        with pytest.raises(LockNotOwnedError):
            use()
    assert client.get("lock") == "somebody else's"


def test_a_lock_lets_one_in_at_a_time(client: redis.Redis) -> None:
    def count() -> None:
        for _ in range(5):
            with client.lock("lock", timeout=100, sleep=0.001):
                before = int(client.get("counter") or 0)
                client.set("counter", before + 1)

    at_once(count)
    assert client.get("counter") == "20"
    assert not client.exists("lock")


def test_pipelines_are_answered_in_order_errors_too(client: redis.Redis) -> None:
    for transaction in (True, False):
        with client.pipeline(transaction=transaction) as pipe:
            for number in range(300):
                pipe.set(f"key{number}", number)
                pipe.incrby(f"key{number}", number)
            pipe.lpush("key0", 1)
            pipe.mget("key1", "key299")
            replies = pipe.execute(raise_on_error=False)
            assert replies[:600:2] == [True] * 300
            assert replies[1:600:2] == [2 * number for number in range(300)]
            assert isinstance(replies[600], ResponseError)
            assert replies[601] == ["2", "598"]
            pipe.lpush("key0", 1)
            pipe.incr("after")
            with pytest.raises(ResponseError, match="WRONGTYPE"):
                pipe.execute()
    assert client.get("after") == "2"


def test_a_transaction_is_not_done_if_what_it_watched_has_changed(client: redis.Redis) -> None:
    client.set("watched", 1)
    with client.pipeline() as pipe:
        pipe.watch("watched")
        assert pipe.get("watched") == "1"
        client.set("watched", 2)
        pipe.multi()
        pipe.set("watched", 3)
        with pytest.raises(WatchError):
            pipe.execute()
    assert client.get("watched") == "2"


def test_a_transaction_is_tried_until_nobody_interferes(client: redis.Redis) -> None:
    tries = 0

    def add(pipe: Pipeline) -> None:
        nonlocal tries
        tries += 1
        before = int(pipe.get("counter") or 0)
        if tries == 1:
            client.incr("counter")
        pipe.multi()
        pipe.set("counter", before + 1)

    assert client.transaction(add, "counter") == [True]
    assert tries == 2

    def add_five() -> None:
        for _ in range(5):
            client.transaction(add, "counter")

    at_once(add_five)
    assert client.get("counter") == "22"
