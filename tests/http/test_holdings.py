"""What HTTP requests hold is bounded, and part of what clients take."""

from __future__ import annotations

import socket

import pytest

from driver import Driver
from dscache.http.holdings import HeldTooMuchError, Holdings, Share
from serving import ServerProcess, StartServer, free_port, until
from visitor import Visitor


def test_all_requests_together_hold_no_more_than_they_may() -> None:
    driver = Driver()
    holdings = Holdings(driver.engine)
    one, other = Share(holdings), Share(holdings)
    one.take(holdings.most_bytes() - 10)
    other.take(10)
    with pytest.raises(HeldTooMuchError, match="of 16 MiB that all may hold together"):
        other.take(1)
    one.give_back()
    other.take(1)
    other.give_back()
    assert holdings.used_bytes == 0
    driver.engine.memory.maxmemory = 1 << 30
    assert holdings.most_bytes() == 1 << 27
    driver.close()


def _unfinished_request(server: ServerProcess, length: int) -> socket.socket:
    """A connection whose request has no body yet."""
    one = socket.create_connection(("127.0.0.1", int(server.directives["http_port"])))
    one.sendall(
        b"POST /api/command HTTP/1.1\r\nHost: localhost\r\nX-Dscache: 1\r\nContent-Length: %d\r\n\r\n"
        % length
    )
    return one


def test_bodies_count_as_memory_of_clients_until_the_request_has_ended(
    server: ServerProcess,
) -> None:
    before = server.figure("mem_clients_normal")
    with _unfinished_request(server, 1_000_000):
        until(lambda: server.figure("mem_clients_normal") > before + 900_000, "it counts")
    until(lambda: server.figure("mem_clients_normal") < before + 100_000, "it counts no more")


def test_requests_beyond_the_bound_are_refused_and_others_go_on(server: ServerProcess) -> None:
    waiting = [_unfinished_request(server, 1024 * 1024) for _ in range(16)]
    visitor = Visitor(server)
    answer = visitor.post("/api/command", {"args": ["PING"]})
    until(
        lambda: visitor.post("/api/command", {"args": ["PING"]}).status == 503, "they hold it all"
    )
    answer = visitor.post("/api/command", {"args": ["PING"]})
    assert answer.json() == {
        "error": "ERR requests hold 16 MiB already, of 16 MiB that all may hold together; try again later"
    }
    assert visitor.get("/healthz").status == 200
    assert server.call("PING") == b"PONG"
    for one in waiting:
        one.close()
    until(lambda: visitor.call("PING") == "PONG", "there is room again")


def test_strangers_cannot_make_the_server_hold_anything(start_server: StartServer) -> None:
    server = start_server(http_port=free_port(), requirepass="secret")
    with _unfinished_request(server, 1_000_000) as stranger:
        stranger.settimeout(20)
        assert b" 401 " in stranger.recv(1000)


def test_an_answer_that_is_not_read_counts(server: ServerProcess) -> None:
    server.call("SETRANGE", "a", 7_000_000, "x")
    before = server.figure("mem_clients_normal")
    body = b'{"args": ["GETRANGE", "a", 0, 1200000]}'
    with _unfinished_request(server, len(body)) as lazy:
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        lazy.sendall(body)
        until(lambda: server.figure("mem_clients_normal") > before + 1_000_000, "it counts")
    until(lambda: server.figure("mem_clients_normal") < before + 100_000, "it counts no more")
