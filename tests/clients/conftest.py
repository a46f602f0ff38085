"""A server for other people's programs. They run twice: undisturbed, and while everything leaves memory."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event, Thread

import pytest

from raw_client import RawClient
from serving import DEADLINE_SECONDS, ServerProcess, stop_all, until

_DATABASES = 4


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The server behind ``server``."""
    server = ServerProcess(tmp_path_factory.mktemp("clients"), maxmemory="16mb")
    server.start()
    yield server
    stop_all([server])


@pytest.fixture(params=["undisturbed", "from disk"])
def server(shared_server: ServerProcess, request: pytest.FixtureRequest) -> Iterator[ServerProcess]:
    """An empty server; from disk: each key that is there is evicted again and again."""
    assert shared_server.call("FLUSHALL") == b"OK"
    if request.param == "undisturbed":
        yield shared_server
        return
    ended = Event()
    thread = Thread(target=_evict, args=(shared_server, ended))
    thread.start()
    _see_a_key_leave(shared_server)
    yield shared_server
    ended.set()
    thread.join(DEADLINE_SECONDS)
    assert not thread.is_alive()


def _see_a_key_leave(server: ServerProcess) -> None:
    loads = server.figure("cache_loads")
    assert server.call("SET", "key", "v") == b"OK"
    until(
        lambda: server.call("GET", "key") == b"v" and server.figure("cache_loads") > loads,
        "a key is loaded",
    )
    assert server.call("DEL", "key") == 1


def _evict(server: ServerProcess, ended: Event) -> None:
    with RawClient(server.address) as client:
        while not ended.wait(0.005):
            assert client.call("CACHE", "FLUSH") == b"OK"
            for database in range(_DATABASES):
                assert client.call("SELECT", database) == b"OK"
                keys = client.call("KEYS", "*")
                assert isinstance(keys, list)
                if keys:
                    client.call("CACHE", "EVICT", *keys)


@pytest.fixture
def url(server: ServerProcess) -> str:
    """How clients are told of the server."""
    return f"redis://{server.host}:{server.address[1]}/1"
