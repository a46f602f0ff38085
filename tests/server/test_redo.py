"""The redo log of a real server: what a killed one had acknowledged is there again, as appendfsync says."""

from __future__ import annotations

import socket

import pytest

from raw_client import request
from serving import ServerProcess, StartServer, until


def logged(start_server: StartServer, **directives: str | int) -> ServerProcess:
    """A server whose store gets nothing for an hour."""
    return start_server(cache_flush_delay=3600, **directives)


def restarted(server: ServerProcess) -> None:
    """Killed, and started again."""
    server.kill()
    server.start()


@pytest.mark.parametrize("policy", ["always", "everysec", "no"])
def test_a_killed_server_has_what_waitaof_has_promised(
    start_server: StartServer, policy: str
) -> None:
    server = logged(start_server, appendfsync=policy)
    with server.connect() as client:
        for number in range(300):
            assert client.call("RPUSH", "l", str(number)) == number + 1
        assert client.call("WAITAOF", "1", "0", "0") == [1, 0]
    restarted(server)
    assert server.call("LLEN", "l") == 300
    assert "300 commands of the redo log have been replayed" in server.log()


def test_with_always_a_reply_means_that_the_change_is_on_disk(start_server: StartServer) -> None:
    server = logged(start_server, appendfsync="always")
    clients = [server.connect() for _ in range(5)]
    for round_ in range(20):
        for client in clients:
            client.send(request("INCR", "n") + request("GET", "n"))
        for place, client in enumerate(clients):
            number = 5 * round_ + place + 1
            assert client.read() == number
            assert client.read() == b"%d" % number
    restarted(server)
    assert server.call("GET", "n") == b"100"


def test_with_always_replies_keep_their_order_however_many_there_are(
    start_server: StartServer,
) -> None:
    server = logged(start_server, appendfsync="always")
    with server.connect() as client:
        count = 30_000
        client.send(
            b"".join(request("INCR", "n") + request("ECHO", "x" * 50) for _ in range(count))
        )
        for number in range(count):
            assert client.read() == number + 1
            assert client.read() == b"x" * 50


def test_with_always_a_client_that_quits_gets_its_replies(start_server: StartServer) -> None:
    server = logged(start_server, appendfsync="always")
    with server.connect() as client:
        client.send(request("SET", "a", "1") + request("QUIT"))
        assert client.read_to_end() == b"+OK\r\n+OK\r\n"
    restarted(server)
    assert server.call("GET", "a") == b"1"


def test_with_always_a_client_that_stops_sending_gets_its_replies(
    start_server: StartServer,
) -> None:
    server = logged(start_server, appendfsync="always")
    for number in range(1, 21):
        with server.connect() as client:
            client.send(request("INCR", "a") + request("PING"))
            client.socket.shutdown(socket.SHUT_WR)
            assert client.read_to_end() == b":%d\r\n+PONG\r\n" % number


def test_appendfsync_can_be_changed_while_clients_wait(start_server: StartServer) -> None:
    server = logged(start_server, appendfsync="always")
    with server.connect() as writer, server.connect() as other:
        for policy in ("everysec", "always", "no", "always"):
            writer.send(request("INCR", "n"))
            assert other.call("CONFIG", "SET", "appendfsync", policy) == b"OK"
            assert isinstance(writer.read(), int)


def test_the_log_is_short_and_gone_after_a_clean_end(start_server: StartServer) -> None:
    server = start_server(cache_flush_delay="0.05")
    log = server.data / "appendonlydir"
    with server.connect() as client:
        for number in range(2000):
            assert client.call("SET", "k", str(number)) == b"OK"
        assert client.call("CACHE", "FLUSH") == b"OK"
        until(lambda: int(server.info()["aof_current_size"]) < 40_000, "it is deleted")
    server.stop()
    assert list(log.iterdir()) == []


def test_a_damaged_log_stops_the_start_and_is_named(start_server: StartServer) -> None:
    server = logged(start_server)
    with server.connect() as client:
        for number in range(3):
            assert client.call("SET", "k", str(number)) == b"OK"
            assert client.call("WAITAOF", "1", "0", "0") == [1, 0]
    server.kill()
    path = server.data / "appendonlydir" / "00000001.aof"
    data = bytearray(path.read_bytes())
    data[60] ^= 1
    path.write_bytes(data)
    server.spawn()
    until(server.is_dead, "it ends")
    assert server.wait() == 1
    assert f"dscache: {path}: damaged at byte 0 of {len(data)}" in server.log()
