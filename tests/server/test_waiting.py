"""Waiting for the disk: replies keep their order, and nobody waits for somebody else's keys."""

from __future__ import annotations

import random
import threading

from raw_client import RawClient, Word, request
from serving import ServerProcess, StartServer, until


def test_hits_and_misses_in_one_pipeline_are_answered_in_order(server: ServerProcess) -> None:
    with server.connect() as client:
        client.pipeline([("SET", f"key{n}", n) for n in range(2000)])
        server.empty_memory()
        # Every third is brought back.
        assert client.call("CACHE", "PRELOAD", *(f"key{n}" for n in range(0, 2000, 3))) == 667
        order = list(range(2000))
        random.Random(1).shuffle(order)
        commands: list[tuple[Word, ...]] = []
        expected: list[object] = []
        for n in order:
            commands += [("GET", f"key{n}"), ("PING",), ("INCR", f"key{n}"), ("GET", f"none{n}")]
            expected += [str(n).encode(), b"PONG", n + 1, None]
        assert client.pipeline(commands) == expected
        assert server.figure("cache_misses") > 1000


def test_a_command_sees_what_those_before_it_in_the_pipeline_did(server: ServerProcess) -> None:
    """Keys of later commands are loaded ahead; what was loaded must not undo what was done since."""
    with server.connect() as client:
        client.pipeline([("SET", f"key{n}", "old") for n in range(500)])
        for turn in range(5):
            server.empty_memory()
            commands: list[tuple[Word, ...]] = []
            expected: list[object] = []
            for n in range(500):
                commands += [
                    ("STRLEN", f"key{n}"),  # waits, while the keys of the others are loaded
                    ("SET", f"key{n}", turn),
                    ("GET", f"key{n}"),
                    ("DEL", f"key{n}"),
                    ("GET", f"key{n}"),
                    ("APPEND", f"key{n}", "old"),
                ]
                expected += [3, b"OK", str(turn).encode(), 1, None, 3]
            assert client.pipeline(commands) == expected


def test_the_database_that_a_pipeline_selects_is_the_one_whose_keys_are_loaded(
    server: ServerProcess,
) -> None:
    with server.connect() as client:
        commands: list[tuple[Word, ...]] = []
        expected: list[object] = []
        for n in range(16):
            client.call("SELECT", n)
            client.call("SET", "name", f"in {n}")
            commands += [("SELECT", n), ("GET", "name")]
            expected += [b"OK", f"in {n}".encode()]
        server.empty_memory()
        assert client.pipeline(commands) == expected


def test_a_transaction_of_keys_on_disk_is_carried_out_at_one_instant(
    server: ServerProcess,
) -> None:
    with server.connect() as client:
        client.call("MSET", *(word for n in range(100) for word in (f"key{n}", n)))
        server.empty_memory()
        replies = client.pipeline(
            [("MULTI",), *(("INCR", f"key{n}") for n in range(100)), ("EXEC",), ("PING",)]
        )
        assert replies == [b"OK", *[b"QUEUED"] * 100, list(range(1, 101)), b"PONG"]
    assert server.figure("cache_blocking_loads") == 0


def test_many_clients_with_many_misses_get_what_is_theirs(start_server: StartServer) -> None:
    server = start_server(maxmemory="8mb")
    with server.connect() as client:
        for first in range(0, 20_000, 1000):
            client.pipeline(
                [("SET", f"key{n}", f"{n}:" + "v" * 1000) for n in range(first, first + 1000)]
            )
    failures: list[BaseException] = []

    def read(seed: int) -> None:
        source = random.Random(seed)
        try:
            with RawClient(server.address) as client:
                for _ in range(20):
                    numbers = [source.randrange(20_000) for _ in range(50)]
                    replies = client.pipeline([("GETRANGE", f"key{n}", 0, 5) for n in numbers])
                    for n, reply in zip(numbers, replies, strict=True):
                        assert isinstance(reply, bytes)
                        assert reply.startswith(b"%d:" % n)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    assert server.figure("cache_blocking_loads") == 0
    assert server.figure("cache_loads") > 0


def test_clients_that_hang_up_while_they_wait_disturb_nobody(server: ServerProcess) -> None:
    with server.connect() as client:
        client.pipeline([("SET", f"key{n}", n) for n in range(2000)])
        for turn in range(20):
            assert client.call("DEBUG", "RELOAD") == b"OK"
            leaving = RawClient(server.address)
            leaving.send(b"".join(b"GET key%d\r\n" % n for n in range(turn, 2000)))
            leaving.close()
            assert client.call("GET", f"key{turn}") == str(turn).encode()
    until(lambda: server.figure("cache_waiting_clients") == 0, "nobody waits")
    until(lambda: server.figure("connected_clients") == 1, "they are gone")
    # What was under way for them ends by itself.
    until(lambda: server.figure("cache_loads_in_progress") == 0, "nothing is loaded any more")


def test_writers_that_wait_for_room_all_get_their_turn(start_server: StartServer) -> None:
    server = start_server(maxmemory="8mb")
    clients = [server.connect() for _ in range(20)]
    value = b"v" * 100_000
    for turn in range(10):
        for number, client in enumerate(clients):
            client.send(
                b"*3\r\n$3\r\nSET\r\n$5\r\n%05d\r\n$100000\r\n%b\r\n" % (turn * 100 + number, value)
            )
    for client in clients:
        assert [client.read() for _ in range(10)] == [b"OK"] * 10
    assert server.call("DBSIZE") == 200
    assert server.figure("cache_writers_waiting") == 0


def test_blocked_clients_get_their_answer_when_their_time_is_over(server: ServerProcess) -> None:
    clients = [server.connect() for _ in range(20)]
    try:
        for number, client in enumerate(clients):
            # The later ones have shorter times, so that the earliest deadline keeps changing.
            client.send(request("BLPOP", "none", f"{0.2 - number / 100:.3f}"))
            client.send(request("BLPOP", "none", "0.0001"))
        for client in clients:
            assert [client.read(), client.read()] == [None, None]
        assert server.figure("unexpected_error_replies") == 0
        clients[0].send(request("BLPOP", "list", "0"))
        until(lambda: server.figure("blocked_clients") == 1, "it is blocked")
        assert clients[1].call("RPUSH", "list", "element") == 1
        assert clients[0].read() == [b"list", b"element"]
    finally:
        for client in clients:
            client.close()
