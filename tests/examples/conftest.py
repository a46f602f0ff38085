"""A server for the examples, which run as other people's programs do: undisturbed, and from disk."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from clients.conftest import server, url
from serving import ServerProcess, stop_all

__all__ = ["server", "url"]


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The server behind ``server``."""
    server = ServerProcess(tmp_path_factory.mktemp("examples"), maxmemory="16mb")
    server.start()
    yield server
    stop_all([server])


@pytest.fixture
def db(url: str) -> Iterator[redis.Redis]:
    """A client that gets text."""
    with redis.Redis.from_url(url, decode_responses=True) as client:
        yield client
