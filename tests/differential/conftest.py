"""The two servers that are compared: ours, which has hardly any memory, and a real valkey-server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from serving import ServerProcess
from valkey_server import running_valkey, valkey_binary


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A dscache with the smallest memory that it accepts."""
    server = ServerProcess(
        tmp_path_factory.mktemp("ours"), maxmemory="8mb", cache_flush_delay="0.02", databases=4
    )
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def peer_binary() -> Path:
    """A valkey-server, or the server that DSCACHE_PEER names."""
    return valkey_binary()


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """The address of a valkey-server, or of the server that DSCACHE_PEER names."""
    with running_valkey(tmp_path_factory.mktemp("theirs")) as address:
        yield address
