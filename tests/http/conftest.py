"""A server with an HTTP port for the tests in this folder that are cheap; the others start their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from serving import ServerProcess, free_port, stop_all


@pytest.fixture(scope="module")
def module_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The server behind ``server``."""
    server = ServerProcess(tmp_path_factory.mktemp("http"), maxmemory="32mb", http_port=free_port())
    server.start()
    yield server
    stop_all([server])


@pytest.fixture
def server(module_server: ServerProcess) -> ServerProcess:
    """A server that the module's tests share; empty."""
    assert module_server.call("FLUSHALL") == b"OK"
    assert module_server.call("CONFIG", "RESETSTAT") == b"OK"
    return module_server
