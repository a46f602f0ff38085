"""The HTTP port itself: health, figures with their history, and its life."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

import pytest

from driver import Driver
from dscache.clock import ManualClock
from dscache.http.health import why_not_ready
from dscache.http.history import History
from serving import ServerProcess, StartServer, free_port, until
from visitor import Visitor


def test_it_says_where_it_listens_and_that_it_is_well(server: ServerProcess) -> None:
    visitor = Visitor(server)
    assert f"http://127.0.0.1:{server.directives['http_port']}" in server.log()
    assert (visitor.get("/healthz").status, visitor.get("/healthz").text) == (200, "ok\n")
    assert (visitor.get("/readyz").status, visitor.get("/readyz").text) == (200, "ready\n")


def test_without_http_port_nothing_of_it_is_loaded(start_server: StartServer) -> None:
    server = start_server()
    assert "http://" not in server.log()
    with open(f"/proc/{server.pid}/maps") as maps:
        assert "aiohttp" not in maps.read()


def test_it_is_not_ready_while_it_ends_or_refuses_writes() -> None:
    driver = Driver()
    assert why_not_ready(driver.engine) == ""
    driver.engine.flusher.failing_since = 1e-9
    assert why_not_ready(driver.engine).startswith("writes are refused")
    driver.engine.flusher.failing_since = 0.0
    driver.engine.shutting_down = True
    assert why_not_ready(driver.engine) == "shutting down"
    driver.close()


def test_a_port_in_use_keeps_the_server_from_starting(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        server = ServerProcess(tmp_path, http_port=other.getsockname()[1])
        with pytest.raises(AssertionError, match=r"cannot listen on .*\(http-port\)"):
            server.start()
        assert server.wait() == 1


def test_it_listens_where_http_bind_says(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server(http_port=free_port(), http_bind="*")
    assert Visitor(server).get("/healthz").status == 200
    assert "http://0.0.0.0:" in server.log()
    nowhere = ServerProcess(tmp_path / "nowhere", http_port=free_port(), http_bind="-192.0.2.1")
    with pytest.raises(AssertionError, match="none of the addresses in http-bind"):
        nowhere.start()
    assert nowhere.wait() == 1


def test_shutdown_can_be_called_over_it(start_server: StartServer) -> None:
    server = start_server(http_port=free_port())
    assert Visitor(server).call("SHUTDOWN") is None
    assert server.wait() == 0
    server.check_log()


def test_it_ends_while_browsers_are_connected(start_server: StartServer) -> None:
    server = start_server(http_port=free_port())
    address = ("127.0.0.1", int(server.directives["http_port"]))
    with socket.create_connection(address) as browser:
        browser.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert browser.recv(100).startswith(b"HTTP/1.1 200")
        server.stop()


def test_connections_beyond_the_limit_are_turned_away(start_server: StartServer) -> None:
    server = start_server(http_port=free_port())
    address = ("127.0.0.1", int(server.directives["http_port"]))
    held = [socket.create_connection(address) for _ in range(64)]
    try:
        with socket.create_connection(address) as beyond:
            beyond.settimeout(20)
            with contextlib.suppress(ConnectionResetError):
                assert beyond.recv(1) == b""
    finally:
        for one in held:
            one.close()
    until(lambda: _is_well(server), "it goes on when they have gone")


def _is_well(server: ServerProcess) -> bool:
    try:
        return Visitor(server).get("/healthz").status == 200
    except OSError:
        return False


def test_figures_are_numbers_with_an_hour_of_history(server: ServerProcess) -> None:
    answer = Visitor(server).get("/api/figures?history=used_memory,load_count,nosuch").json()
    figures, history = answer["figures"], answer["history"]
    assert isinstance(figures, dict)
    assert isinstance(history, dict)
    assert figures["maxmemory"] == 32 * 2**20
    assert history.keys() == {"time", "used_memory", "load_count"}
    times = history["time"]
    assert isinstance(times, list)
    assert len(times) == len(history["used_memory"]) >= 1  # type: ignore[arg-type]
    later = Visitor(server).get(f"/api/figures?history=maxmemory&since={times[-1]}").json()
    assert isinstance(later["history"], dict)
    assert later["history"]["time"] == []
    assert Visitor(server).get("/api/figures?since=x").status == 400


def test_the_history_is_bounded_and_its_oldest_goes_first() -> None:
    driver = Driver(None, ManualClock(start=1000.0))
    history = History(driver.engine)
    for _ in range(721):
        history.sample()
        driver.advance(5)
    series = history.series(["maxmemory"], 0)
    assert len(series["time"]) == len(series["maxmemory"]) == 720
    assert series["time"][0] == 1005.0
    assert history.series([], 4595.0)["time"] == [4600.0]
    assert history.now()["maxmemory"] == 64 * 2**20
    driver.close()


def test_directives_and_figures_are_explained(server: ServerProcess) -> None:
    answer = Visitor(server).get("/api/reference").json()
    directives, figures = answer["directives"], answer["figures"]
    assert isinstance(directives, dict)
    assert isinstance(figures, dict)
    maxmemory = directives["maxmemory"]
    assert isinstance(maxmemory, dict)
    assert maxmemory["section"] == "Memory"
    assert maxmemory["immutable"] is False
    assert isinstance(figures["cache_hit_ratio"], dict)
    assert figures["cache_hit_ratio"]["kind"] == "gauge"
