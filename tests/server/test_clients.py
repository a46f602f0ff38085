"""What all clients together may take of the memory, and who has to go when it is more."""

from __future__ import annotations

import resource
import threading
from pathlib import Path

import pytest

from dscache.server.openfiles import RESERVED
from raw_client import RawClient, request
from serving import DEADLINE_SECONDS, ServerProcess, StartServer, until

KIBIBYTE = 1024
MEBIBYTE = 1024 * 1024


def _hold(server: ServerProcess, size: int) -> RawClient:
    """A client whose request lacks its last byte, and that makes the server hold ``size`` bytes."""
    client = server.connect()
    client.send(request("ECHO", b"x" * size)[:-1])
    return client


def _ends_well(client: RawClient, size: int) -> bool:
    client.send(b"\n")
    return client.read() == b"x" * size


def test_those_who_hold_most_are_evicted_first_and_no_more_than_needed(
    start_server: StartServer,
) -> None:
    server = start_server(maxmemory_clients="1mb")
    spared = server.connect()
    assert spared.call("CLIENT", "NO-EVICT", "ON") == b"OK"
    spared.send(request("ECHO", b"x" * 500 * KIBIBYTE)[:-1])
    small = _hold(server, 100 * KIBIBYTE)
    middle = _hold(server, 200 * KIBIBYTE)
    until(lambda: server.figure("mem_clients_normal") > 800 * KIBIBYTE, "all of it is there")
    assert server.figure("evicted_clients") == 0
    largest = _hold(server, 400 * KIBIBYTE)
    assert largest.is_closed_by_server()
    assert server.figure("evicted_clients") == 1
    assert _ends_well(spared, 500 * KIBIBYTE)
    assert _ends_well(small, 100 * KIBIBYTE)
    assert _ends_well(middle, 200 * KIBIBYTE)
    assert "1 clients evicted, the largest of 4" in server.log()
    assert server.call("CONFIG", "RESETSTAT") == b"OK"
    assert server.figure("evicted_clients") == 0


def test_without_a_limit_nobody_is_evicted_and_a_new_one_takes_effect_at_once(
    start_server: StartServer,
) -> None:
    server = start_server(maxmemory="16mb", maxmemory_clients=0)
    more = _hold(server, 7 * MEBIBYTE)
    less = _hold(server, 5 * MEBIBYTE)
    until(lambda: server.figure("mem_clients_normal") > 12 * MEBIBYTE, "all of it is there")
    assert server.figure("evicted_clients") == 0
    assert server.call("CONFIG", "SET", "maxmemory-clients", "8mb") == b"OK"
    assert more.is_closed_by_server()
    assert server.figure("evicted_clients") == 1
    assert _ends_well(less, 5 * MEBIBYTE)


def test_one_client_alone_may_hold_more_for_one_large_request(start_server: StartServer) -> None:
    server = start_server(maxmemory="32mb")
    large = _hold(server, 20 * MEBIBYTE)
    other = _hold(server, 500 * KIBIBYTE)
    until(lambda: server.figure("mem_clients_normal") > 20 * MEBIBYTE, "all of it is there")
    assert _ends_well(large, 20 * MEBIBYTE)
    assert _ends_well(other, 500 * KIBIBYTE)
    assert server.figure("evicted_clients") == 0


def test_nobody_may_hold_more_than_a_limit_in_bytes(start_server: StartServer) -> None:
    server = start_server(maxmemory="32mb", maxmemory_clients=0)
    large = _hold(server, 3 * MEBIBYTE)
    other = _hold(server, 500 * KIBIBYTE)
    until(lambda: server.figure("mem_clients_normal") > 3 * MEBIBYTE, "all of it is there")
    assert server.call("CONFIG", "SET", "maxmemory-clients", "2mb") == b"OK"
    assert large.is_closed_by_server()
    assert _ends_well(other, 500 * KIBIBYTE)
    assert server.figure("evicted_clients") == 1


def test_a_lower_limit_holds_before_the_next_command(start_server: StartServer) -> None:
    server = start_server(maxmemory="64mb", hz=1)
    held = [_hold(server, 2 * MEBIBYTE) for _ in range(4)]
    until(lambda: server.figure("mem_clients_normal") > 8 * MEBIBYTE, "all of it is there")
    with server.connect() as client:
        assert client.call("CONFIG", "SET", "maxmemory-clients", 5 * MEBIBYTE) == b"OK"
        stats = client.call("INFO", "stats")
        assert isinstance(stats, bytes)
        assert b"evicted_clients:2\r\n" in stats
    for client in held:
        client.close()


@pytest.mark.parametrize(
    ("begin", "end"),
    [("SUBSCRIBE", "UNSUBSCRIBE"), ("PSUBSCRIBE", "PUNSUBSCRIBE"), ("WATCH", "UNWATCH")],
)
def test_what_a_client_is_subscribed_to_or_watches_is_accounted(
    server: ServerProcess, begin: str, end: str
) -> None:
    with server.connect() as client:
        assert client.call("PING") == b"PONG"
        before = server.figure("mem_clients_normal")
        names = [f"a name of some length {number}" for number in range(200)]
        replies = 1 if begin == "WATCH" else len(names)
        for words in ([begin, *names], [begin, *names]):
            client.call(*words)
            for _ in range(replies - 1):
                client.read()
        taken = server.figure("mem_clients_normal") - before
        assert 200 * 250 < taken < 200 * 400
        client.call(end)
        for _ in range(replies - 1):
            client.read()
        assert server.figure("mem_clients_normal") <= before + 20


def test_idle_connections_are_accounted(start_server: StartServer) -> None:
    server = start_server()
    before = server.figure("mem_clients_normal")
    idle = [server.connect() for _ in range(50)]
    assert all(client.call("PING") == b"PONG" for client in idle)
    assert server.figure("mem_clients_normal") - before >= 50 * 4 * KIBIBYTE


def _with_limit_of_files(tmp_path: Path, limit: int, **directives: str | int) -> ServerProcess:
    """A server whose process may open ``limit`` files."""

    class Limited(ServerProcess):
        def command_line(self) -> list[str]:
            return ["prlimit", f"--nofile={limit}", *super().command_line()]

    return Limited(tmp_path / "limited", **directives)


def test_maxclients_is_what_the_limit_of_open_files_allows(tmp_path: Path) -> None:
    server = _with_limit_of_files(tmp_path, RESERVED + 50, maxclients=100)
    server.start()
    try:
        assert "maxclients is 50 instead of 100" in server.log()
        assert server.figure("maxclients") == 50
        assert server.call("CONFIG", "SET", "maxclients", 51) == (
            b"-ERR CONFIG SET failed (possibly related to argument 'maxclients') - The operating"
            b" system is not able to handle the specified number of clients, try with 50"
        )
        assert server.call("CONFIG", "SET", "maxclients", 40) == b"OK"
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (3, RESERVED + 50))
        until(lambda: "no connection can be accepted: " in server.log(), "it is told")
        assert server.log().count("no connection can be accepted: ") == 1
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (RESERVED, RESERVED + 50))
        assert server.call("PING") == b"PONG"
    finally:
        server.stop()


def test_the_soft_limit_of_open_files_is_raised(tmp_path: Path) -> None:
    server = _with_limit_of_files(tmp_path, RESERVED + 200, maxclients=100)
    server.start()
    try:
        assert "maxclients is" not in server.log()
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (RESERVED + 100, RESERVED + 200))
        assert server.call("CONFIG", "SET", "maxclients", 150) == b"OK"
        assert resource.prlimit(server.pid, resource.RLIMIT_NOFILE)[0] == RESERVED + 150
    finally:
        server.stop()


def test_a_limit_of_open_files_below_what_the_store_needs_stops_the_start(tmp_path: Path) -> None:
    server = _with_limit_of_files(tmp_path, 256)
    server.spawn()
    assert server.wait() == 1
    assert "the limit of open files is 256, which is too low" in server.log()


def test_what_a_client_held_is_free_as_soon_as_it_is_gone(start_server: StartServer) -> None:
    """Connection and session knew each other: what they held stayed until the collector came by."""
    server = start_server()
    before = server.resident_bytes()
    for _ in range(200):
        with RawClient(server.address) as client:
            client.send(request("ECHO", b"x" * 500 * KIBIBYTE)[:-1])
            assert server.figure("connected_clients") == 2
        until(lambda: server.figure("connected_clients") == 1, "it is gone")
    assert server.resident_bytes() - before < 32 * MEBIBYTE


def test_many_clients_with_long_pipelines_share_a_small_memory(start_server: StartServer) -> None:
    """Each of them was allowed to send 1 MiB ahead, and what it sent was in no account."""
    server = start_server(maxmemory="8mb")
    failed: list[object] = []

    def work(number: int) -> None:
        value = b"%02d" % number * 5_000
        try:
            with RawClient(server.address) as client:
                for turn in range(4):
                    keys = [f"{number}:{turn}:{n}" for n in range(20)]
                    replies = client.pipeline([("SET", key, value) for key in keys])
                    assert replies == [b"OK"] * len(keys)
                for turn in range(4):
                    keys = [f"{number}:{turn}:{n}" for n in range(20)]
                    assert client.pipeline([("GET", key) for key in keys]) == [value] * len(keys)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_SECONDS)
        assert not thread.is_alive()
    assert failed == []
    figures = server.info()
    assert figures["evicted_clients"] == "0"
    assert int(figures["used_memory_peak"]) < 8 * 1.2 * MEBIBYTE
