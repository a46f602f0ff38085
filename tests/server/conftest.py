"""Servers for the tests in this folder: one shared by cheap tests, and a factory for the others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from serving import ServerProcess, StartServer


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[StartServer]:
    """``start_server(directive=value, ...)`` starts a server of the test's own.

    What still runs at the end of the test is stopped, and must end well.
    """
    servers: list[ServerProcess] = []

    def start(name: str = "", **directives: str | int) -> ServerProcess:
        server = ServerProcess(tmp_path / (name or f"server{len(servers)}"), **directives)
        servers.append(server)
        server.start()
        return server

    yield start
    _stop_all(servers)


def _stop_all(servers: list[ServerProcess]) -> None:
    failed: list[str] = []
    for server in servers:
        if not server.is_running:
            continue
        try:
            server.stop()
        except Exception as error:
            failed.append(str(error))
            if server.is_running:
                server.kill()
    assert not failed, "\n".join(failed)


@pytest.fixture(scope="module")
def module_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The server behind ``server``."""
    server = ServerProcess(tmp_path_factory.mktemp("shared"), maxmemory="32mb")
    server.directives["unixsocket"] = str(server.directory / "socket")
    server.start()
    yield server
    _stop_all([server])


@pytest.fixture
def server(module_server: ServerProcess) -> ServerProcess:
    """A server that the module's tests share; empty. Tests leave its configuration alone."""
    assert module_server.call("FLUSHALL") == b"OK"
    assert module_server.call("CONFIG", "RESETSTAT") == b"OK"
    return module_server
