"""``dscache.asyncio.open``: the same for coroutines."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import redis
import redis.asyncio

import dscache
import dscache.asyncio
from embedding import OpenClient
from serving import until

Work = Callable[[redis.asyncio.Redis], Awaitable[None]]


@pytest.fixture
def run(tmp_path: Path) -> Callable[[Work], None]:
    """Runs a coroutine with a client that is closed behind it."""

    async def with_client(work: Work) -> None:
        async with dscache.asyncio.open(
            tmp_path / "data", maxmemory="16mb", decode_responses=True
        ) as db:
            await work(db)

    return lambda work: asyncio.run(with_client(work))


def test_commands_pipelines_and_transactions(run: Callable[[Work], None]) -> None:
    async def work(db: redis.asyncio.Redis) -> None:
        assert await db.set("key", 1) is True
        assert await db.get("key") == "1"
        async with db.pipeline(transaction=True) as pipe:
            pipe.execute_command("INCR", "key")
            pipe.execute_command("INCR", "key")
            assert await pipe.execute() == [2, 3]
        async with db.pipeline() as pipe:
            await pipe.watch("key")
            await db.set("key", 5)
            pipe.multi()
            pipe.execute_command("SET", "key", 6)
            with pytest.raises(redis.WatchError):
                await pipe.execute()
        with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
            await db.lpush("key", 1)

    run(work)


def test_a_blocking_pop_leaves_the_event_loop_to_others(run: Callable[[Work], None]) -> None:
    async def work(db: redis.asyncio.Redis) -> None:
        popped, pushed = await asyncio.gather(db.blpop(["queue"], 60), db.rpush("queue", "job"))
        assert popped == ("queue", "job")
        assert pushed == 1

    run(work)


def test_what_is_not_in_memory_is_loaded(run: Callable[[Work], None]) -> None:
    async def work(db: redis.asyncio.Redis) -> None:
        await db.mset({f"key:{number}": number for number in range(100)})
        await db.execute_command("CACHE", "FLUSH")
        assert await db.execute_command("CACHE", "EVICT", *[f"key:{n}" for n in range(100)]) == 100
        values = await asyncio.gather(*[db.get(f"key:{n}") for n in range(100)])
        assert values == [str(number) for number in range(100)]

    run(work)


def test_messages_of_another_thread_come(
    run: Callable[[Work], None], open_client: OpenClient
) -> None:
    async def work(db: redis.asyncio.Redis) -> None:
        publisher = open_client()
        async with db.pubsub() as subscriber:
            await subscriber.subscribe("news")
            assert await subscriber.get_message(timeout=60)
            threading.Thread(target=publisher.publish, args=("news", "hello")).start()
            message = await subscriber.get_message(timeout=60)
            assert message is not None
            assert message["data"] == "hello"

    run(work)


def test_a_large_pipeline_passes_while_its_first_command_waits(run: Callable[[Work], None]) -> None:
    async def work(db: redis.asyncio.Redis) -> None:
        value = "x" * 100_000
        await db.set("key", value)
        await db.execute_command("CACHE", "FLUSH")
        await db.execute_command("CACHE", "EVICT", "key")
        async with db.pipeline(transaction=False) as pipe:
            pipe.execute_command("STRLEN", "key")
            for number in range(100):
                pipe.execute_command("SET", f"key:{number % 10}", value)
            assert await pipe.execute() == [100_000] + [True] * 100

    run(work)


def test_what_has_been_closed_can_be_opened_again(tmp_path: Path) -> None:
    async def write() -> None:
        db = dscache.asyncio.open(tmp_path / "data")
        await db.set("key", "value")
        await db.aclose()
        with pytest.raises(redis.ConnectionError, match="closed"):
            await db.get("key")

    asyncio.run(write())
    with dscache.open(tmp_path / "data") as db:
        assert db.get("key") == b"value"


def test_a_connection_that_outlives_its_event_loop_leaves_the_list(
    db: redis.Redis, tmp_path: Path
) -> None:
    async def use() -> None:
        client = dscache.asyncio.open(tmp_path / "data", client_name="forgotten")
        await client.ping()

    def forget() -> None:
        asyncio.run(use())
        gc.collect()

    with pytest.warns(ResourceWarning, match="unclosed Connection"):
        forget()
    until(lambda: all(one["name"] != "forgotten" for one in db.client_list()), "it is gone")
