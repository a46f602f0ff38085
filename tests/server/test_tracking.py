"""Client-side caching over sockets: what travels, in which order, slow clients, and redis-py's cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import redis
from redis.cache import CacheConfig

from raw_client import Push, RawClient, request, requests
from serving import DEADLINE_SECONDS, ServerProcess, StartServer, until

Connect = Callable[[], RawClient]


@pytest.fixture
def connect(server: ServerProcess) -> Iterator[Connect]:
    """Opens connections to ``server``, which are gone when the next test begins."""
    clients: list[RawClient] = []

    def connect() -> RawClient:
        clients.append(server.connect())
        return clients[-1]

    yield connect
    for client in clients:
        client.close()
    until(lambda: server.figure("tracking_clients") == 0, "the server knows that they have left")


def tracked(connect: Connect, *options: str | int) -> RawClient:
    """A RESP3 client that tracks."""
    client = connect()
    client.call("HELLO", "3")
    assert client.call("CLIENT", "TRACKING", "ON", *options) == b"OK"
    return client


def test_resp3_gets_a_push(server: ServerProcess, connect: Connect) -> None:
    client = tracked(connect)
    client.call("GET", "k")
    server.call("SET", "k", "v")
    assert client.read_raw() == b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n"
    server.call("FLUSHALL")
    assert client.read_raw() == b">2\r\n$10\r\ninvalidate\r\n_\r\n"


def test_resp2_gets_messages_on_another_connection(server: ServerProcess, connect: Connect) -> None:
    listener, client = connect(), connect()
    number = listener.call("CLIENT", "ID")
    assert isinstance(number, int)
    listener.call("SUBSCRIBE", "__redis__:invalidate")
    client.call("CLIENT", "TRACKING", "ON", "REDIRECT", number)
    client.call("GET", "k")
    server.call("SET", "k", "v")
    assert listener.read_raw() == (
        b"*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n*1\r\n$1\r\nk\r\n"
    )
    server.call("FLUSHALL")
    assert listener.read_raw() == b"*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n$-1\r\n"


def test_who_redirected_to_a_client_that_has_hung_up_is_told(
    server: ServerProcess, connect: Connect
) -> None:
    listener = connect()
    number = listener.call("CLIENT", "ID")
    assert isinstance(number, int)
    client = tracked(connect, "REDIRECT", number)
    client.call("GET", "k")
    assert listener.call("QUIT") == b"OK"
    server.call("SET", "k", "v")
    assert client.read_raw() == b">2\r\n$21\r\ntracking-redir-broken\r\n:%d\r\n" % number


def test_own_changes_come_behind_their_replies(connect: Connect) -> None:
    client = tracked(connect)
    client.send(
        requests(
            [
                ("GET", "k"),
                ("SET", "k", "1"),
                ("GET", "k"),
                ("MULTI",),
                ("INCR", "k"),
                ("GET", "k"),
                ("EXEC",),
                ("PING",),
            ]
        )
    )
    assert [client.read() for _ in range(10)] == [
        None,
        b"OK",
        [b"invalidate", [b"k"]],
        b"1",
        b"OK",
        b"QUEUED",
        b"QUEUED",
        [2, b"2"],
        [b"invalidate", [b"k"]],
        b"PONG",
    ]


def test_own_broadcasts_come_behind_the_replies(connect: Connect) -> None:
    client = tracked(connect, "BCAST", "PREFIX", "k")
    client.send(requests([("MSET", "k2", "1", "k1", "1", "x", "1"), ("DEL", "k2")]))
    assert [client.read() for _ in range(3)] == [b"OK", 1, [b"invalidate", [b"k1", b"k2"]]]
    assert client.call("PING") == b"PONG"


def test_client_reply_off_is_not_about_invalidations(
    server: ServerProcess, connect: Connect
) -> None:
    client = tracked(connect)
    client.call("GET", "k")
    client.send(request("CLIENT", "REPLY", "OFF"))
    until(
        lambda: b"client|reply" in bytes(str(server.call("CLIENT", "LIST")), "ascii"), "it is off"
    )
    server.call("SET", "k", "v")
    message = client.read()
    assert isinstance(message, Push)
    assert message == [b"invalidate", [b"k"]]


def test_a_client_that_does_not_read_its_invalidations_is_disconnected(
    start_server: StartServer,
) -> None:
    server = start_server(client_output_buffer_limit="normal 1mb 0 0")
    client = server.connect(receive_buffer_bytes=4096)
    client.call("HELLO", "3")
    client.call("CLIENT", "TRACKING", "ON", "BCAST")
    writer = server.connect()
    name = "k" * 10_000
    for round_ in range(1000):
        writer.pipeline([("SET", f"{name}{round_}:{n}", "v") for n in range(10)])
        if server.figure("tracking_clients") == 0:
            break
    assert server.figure("client_output_buffer_limit_disconnections") == 1
    assert "client-output-buffer-limit" in server.log()


def test_redis_py_caches_and_hears_of_changes(server: ServerProcess) -> None:
    cached = redis.Redis(
        server.host,
        int(server.directives["port"]),
        protocol=3,
        cache_config=CacheConfig(),
        socket_timeout=DEADLINE_SECONDS,
    )
    writer = server.client()
    cache = cached.get_cache()
    assert cache is not None
    writer.set("k", "1")
    assert cached.get("k") == b"1"
    hits = server.figure("keyspace_hits")
    assert cached.get("k") == b"1"
    assert server.figure("keyspace_hits") == hits
    assert cache.size == 1
    writer.set("k", "2")
    until(lambda: cached.get("k") == b"2", "redis-py has heard of the change")
    writer.delete("k")
    until(lambda: cached.get("k") is None, "redis-py has heard of the deletion")
    cached.close()
