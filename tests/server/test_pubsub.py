"""Publish and subscribe over sockets: what travels, in which order, and slow subscribers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TypedDict

import pytest
import redis

from raw_client import Push, RawClient, request, requests
from serving import DEADLINE_SECONDS, ServerProcess, StartServer, until

MEBIBYTE = 1024 * 1024


class Received(TypedDict):
    """What redis-py makes of a message."""

    type: str
    pattern: bytes | None
    channel: bytes
    data: bytes | int


def listener_of(client: redis.Redis) -> redis.client.PubSub:
    """redis-py's listener."""
    listener: redis.client.PubSub = client.pubsub()
    return listener


def next_message(listener: redis.client.PubSub) -> Received:
    """The next message of redis-py's listener."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        message: Received | None = listener.get_message(timeout=1.0)
        if message is not None:
            return message
        assert time.monotonic() < deadline, "no message came"


Connect = Callable[[], RawClient]


@pytest.fixture
def connect(server: ServerProcess) -> Iterator[Connect]:
    """Opens connections to ``server``, which are gone when the next test begins."""
    clients: list[RawClient] = []

    def open_one() -> RawClient:
        clients.append(server.connect())
        return clients[-1]

    yield open_one
    for client in clients:
        client.close()
    until(lambda: server.figure("pubsub_clients") == 0, "the server has forgotten them")


# The wire


def test_resp2_gets_arrays_and_resp3_pushes(server: ServerProcess, connect: Connect) -> None:
    old, new = connect(), connect()
    new.call("HELLO", "3")
    old.send(request("SUBSCRIBE", "c"))
    assert old.read_raw() == b"*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n"
    new.send(request("SUBSCRIBE", "c"))
    assert new.read_raw() == b">3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n"
    assert server.call("PUBLISH", "c", "text") == 2
    assert old.read_raw() == b"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$4\r\ntext\r\n"
    assert new.read_raw() == b">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$4\r\ntext\r\n"
    old.send(request("UNSUBSCRIBE") + request("UNSUBSCRIBE"))
    assert old.read() == [b"unsubscribe", b"c", 0]
    assert old.read_raw() == b"*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n"
    new.send(request("PUNSUBSCRIBE"))
    assert new.read_raw() == b">3\r\n$12\r\npunsubscribe\r\n_\r\n:1\r\n"


def test_several_channels_are_several_replies(connect: Connect) -> None:
    client = connect()
    client.send(requests([("SUBSCRIBE", "a", "b"), ("PING",), ("UNSUBSCRIBE",), ("PING",)]))
    assert [client.read() for _ in range(6)] == [
        [b"subscribe", b"a", 1],
        [b"subscribe", b"b", 2],
        [b"pong", b""],
        [b"unsubscribe", b"a", 1],
        [b"unsubscribe", b"b", 0],
        b"PONG",
    ]


def test_own_messages_come_behind_the_reply(connect: Connect) -> None:
    client = connect()
    client.call("HELLO", "3")
    client.call("SUBSCRIBE", "c")
    client.send(requests([("PUBLISH", "c", "1"), ("PING",), ("PUBLISH", "c", "2")]))
    got = [client.read() for _ in range(5)]
    assert got == [1, [b"message", b"c", b"1"], b"PONG", 1, [b"message", b"c", b"2"]]
    assert [type(one) is Push for one in got] == [False, True, False, False, True]


def test_own_messages_come_behind_the_reply_of_exec(connect: Connect) -> None:
    client = connect()
    client.send(
        requests([("MULTI",), ("SUBSCRIBE", "c"), ("PUBLISH", "c", "1"), ("PING",), ("EXEC",)])
    )
    assert [client.read() for _ in range(6)] == [
        b"OK",
        b"QUEUED",
        b"QUEUED",
        b"QUEUED",
        [[b"subscribe", b"c", 1], 1, [b"pong", b""]],
        [b"message", b"c", b"1"],
    ]


def test_own_messages_come_behind_the_reply_of_a_command_that_waited_for_the_disk(
    server: ServerProcess, connect: Connect
) -> None:
    server.call("CONFIG", "SET", "notify-keyspace-events", "KA")
    try:
        server.call("SET", "k", "1")
        server.empty_memory()
        client = connect()
        client.call("HELLO", "3")
        client.call("SUBSCRIBE", "__keyspace@0__:k")
        client.send(request("INCR", "k") + request("PING"))
        assert [client.read() for _ in range(3)] == [
            2,
            [b"message", b"__keyspace@0__:k", b"incrby"],
            b"PONG",
        ]
    finally:
        server.call("CONFIG", "SET", "notify-keyspace-events", "")


def test_confirmations_are_not_dropped_by_client_reply(
    server: ServerProcess, connect: Connect
) -> None:
    client = connect()
    client.send(requests([("CLIENT", "REPLY", "OFF"), ("PING",), ("SUBSCRIBE", "c")]))
    assert client.read() == [b"subscribe", b"c", 1]
    assert server.call("PUBLISH", "c", "x") == 1
    assert client.read() == [b"message", b"c", b"x"]


def test_a_subscriber_that_hangs_up_is_forgotten(server: ServerProcess, connect: Connect) -> None:
    client = connect()
    client.call("SUBSCRIBE", "gone")
    client.close()
    until(lambda: server.call("PUBLISH", "gone", "x") == 0, "nobody listens any more")
    assert server.figure("pubsub_clients") == 0


def test_large_messages_arrive_whole(server: ServerProcess, connect: Connect) -> None:
    client, other = connect(), connect()
    other.call("HELLO", "3")
    client.call("SUBSCRIBE", "c")
    other.call("SUBSCRIBE", "c")
    for size in (16 * 1024 - 1, 16 * 1024, 3 * MEBIBYTE):
        text = b"x" * size
        assert server.call("PUBLISH", "c", text) == 2
        assert client.read() == other.read() == [b"message", b"c", text]


# redis-py


@pytest.mark.parametrize("protocol", [2, 3])
def test_redis_py_subscribes(server: ServerProcess, protocol: int) -> None:
    publisher = server.client()
    client = redis.Redis(server.host, server.address[1], protocol=protocol)
    listener = listener_of(client)
    listener.subscribe("news")
    listener.psubscribe("n*")
    assert [next_message(listener)["type"] for _ in range(2)] == ["subscribe", "psubscribe"]
    assert publisher.publish("news", "hello") == 2
    assert next_message(listener) == {
        "type": "message", "pattern": None, "channel": b"news", "data": b"hello",
    }  # fmt: skip
    assert next_message(listener) == {
        "type": "pmessage", "pattern": b"n*", "channel": b"news", "data": b"hello",
    }  # fmt: skip
    assert publisher.pubsub_channels() == [b"news"]
    assert publisher.pubsub_numsub("news") == [(b"news", 1)]
    assert publisher.pubsub_numpat() == 1
    listener.ping()
    assert next_message(listener)["type"] == "pong"
    listener.unsubscribe()
    listener.punsubscribe()
    assert [next_message(listener)["data"] for _ in range(2)] == [1, 0]
    assert publisher.publish("news", "hello") == 0
    listener.close()
    client.close()


@pytest.mark.parametrize("protocol", [2, 3])
def test_redis_py_hears_of_keys(server: ServerProcess, protocol: int) -> None:
    client = redis.Redis(server.host, server.address[1], protocol=protocol)
    client.config_set("notify-keyspace-events", "Ex")
    try:
        listener = listener_of(client)
        listener.subscribe("__keyevent@0__:expired")
        assert next_message(listener)["type"] == "subscribe"
        client.set("k", "v", px=20)
        assert next_message(listener)["data"] == b"k"
        listener.close()
    finally:
        client.config_set("notify-keyspace-events", "")
        client.close()


# Limits


def test_timeout_spares_subscribers(start_server: StartServer) -> None:
    server = start_server(timeout=1)
    with server.connect() as listener, server.connect() as idle:
        listener.call("SUBSCRIBE", "c")
        assert idle.call("PING") == b"PONG"
        assert idle.read_to_end() == b""
        assert server.call("PUBLISH", "c", "x") == 1
        assert listener.read() == [b"message", b"c", b"x"]
        listener.call("UNSUBSCRIBE")
        assert listener.read_to_end() == b""


def flood(server: ServerProcess, publisher: RawClient, messages: int) -> None:
    """Publish ``messages`` of 64 KiB, all of which must be answered."""
    text = "x" * 65536
    for _ in range(messages):
        answer = publisher.call("PUBLISH", "c", text)
        assert isinstance(answer, int)


def test_a_slow_subscriber_is_disconnected_at_its_hard_limit_and_holds_up_nobody(
    start_server: StartServer,
) -> None:
    server = start_server(client_output_buffer_limit="pubsub 2mb 0 0")
    slow, quick = server.connect(receive_buffer_bytes=65536), server.connect()
    publisher = server.connect()
    slow.call("SUBSCRIBE", "c")
    quick.call("SUBSCRIBE", "c")
    sent = 0
    while server.figure("client_output_buffer_limit_disconnections") == 0:
        flood(server, publisher, 8)
        sent += 8
        assert sent < 2000, "the slow subscriber was never disconnected"
        for _ in range(8):
            assert quick.read() == [b"message", b"c", b"x" * 65536]
    assert publisher.call("PUBLISH", "c", "end") == 1
    assert quick.read() == [b"message", b"c", b"end"]
    assert "client-output-buffer-limit" in server.log()


def test_the_soft_limit_of_subscribers_is_timed(start_server: StartServer) -> None:
    server = start_server(client_output_buffer_limit="pubsub 0 100kb 1")
    slow, publisher = server.connect(receive_buffer_bytes=65536), server.connect()
    slow.call("SUBSCRIBE", "c")
    flood(server, publisher, 128)
    begun = time.monotonic()
    assert server.figure("pubsub_clients") == 1
    until(
        lambda: server.figure("client_output_buffer_limit_disconnections") == 1,
        "the slow subscriber is disconnected",
    )
    assert time.monotonic() - begun > 0.5
    assert server.figure("pubsub_clients") == 0


def test_the_limit_of_normal_clients_is_not_that_of_subscribers(start_server: StartServer) -> None:
    server = start_server(client_output_buffer_limit="normal 100kb 0 0 pubsub 0 0 0")
    slow, publisher = server.connect(receive_buffer_bytes=65536), server.connect()
    slow.call("SUBSCRIBE", "c")
    flood(server, publisher, 128)
    for _ in range(128):
        assert slow.read() == [b"message", b"c", b"x" * 65536]
    assert server.figure("client_output_buffer_limit_disconnections") == 0
