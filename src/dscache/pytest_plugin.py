"""The plugin for pytest: a server for tests, and a client whose data set is empty when a test begins.

::

    def test_counts(dscache_client):
        dscache_client.incr("visits")
        assert dscache_client.get("visits") == b"1"

It is there as soon as dscache is installed. Nothing but this file is imported, and nothing runs, before a
test asks for it. ``docs/embedded.md`` has more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import redis

    from dscache.embedded.child import Server


@pytest.fixture(scope="session")
def dscache_directives() -> Mapping[str, Any]:
    """The arguments of ``dscache.Server`` for ``dscache_server``. To be overridden in a conftest.py."""
    return {"maxmemory": "64mb"}


@pytest.fixture(scope="session")
def dscache_server(dscache_directives: Mapping[str, Any]) -> Iterator[Server]:
    """A dscache server for the whole run (for each worker of pytest-xdist): on a free port, its data in a
    temporary directory. It has ``port``, ``url`` and ``client()``."""
    from dscache.embedded.child import Server  # noqa: PLC0415

    with Server(**dscache_directives) as server:
        yield server


@pytest.fixture
def dscache_client(dscache_server: Server) -> Iterator[redis.Redis]:
    """A ``redis.Redis`` for ``dscache_server``, whose databases are all empty when the test begins."""
    client = dscache_server.client()
    try:
        client.flushall()
        yield client
    finally:
        client.close()
