"""The server that a module's tests share has an HTTP port here."""

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
