"""The memory bound holds, whatever the size of the data set; and a start does not depend on that size."""

from __future__ import annotations

import random
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from socket import AF_UNIX, SOCK_STREAM, socket

import pytest

from raw_client import RawClient
from serving import ServerProcess, StartServer

MEBIBYTE = 1024 * 1024


class Watch:
    """Samples a server's resident size all the time, from a thread of its own."""

    def __init__(self, server: ServerProcess) -> None:
        self._server = server
        self._ended = threading.Event()
        self.most_bytes = 0
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._ended.wait(0.01):
            self.most_bytes = max(self.most_bytes, self._server.resident_bytes())

    def end(self) -> None:
        """Sample no more."""
        self._ended.set()
        self._thread.join()


_NOISE = random.Random(1).randbytes(MEBIBYTE)


def _value(number: int, size: int) -> bytes:
    """What key ``number`` holds: all different, and not to be compressed."""
    at = number * 7919 % (MEBIBYTE - size)
    return b"%09d" % number + _NOISE[at : at + size - 9]


@pytest.mark.parametrize(
    ("maxmemory_mb", "times", "size"),
    [(8, 10, 8_000), pytest.param(16, 30, 2_000, marks=pytest.mark.slow)],
)
def test_many_times_the_memory_is_written_and_read_back(
    start_server: StartServer, maxmemory_mb: int, times: int, size: int
) -> None:
    server = start_server(maxmemory=f"{maxmemory_mb}mb")
    count = times * maxmemory_mb * MEBIBYTE // size
    bound = int(maxmemory_mb * 1.2 * MEBIBYTE) + 64 * MEBIBYTE
    watch = Watch(server)
    try:
        with server.connect() as client:
            for first in range(0, count, 100):
                numbers = range(first, min(first + 100, count))
                replies = client.pipeline([("SET", f"key{n}", _value(n, size)) for n in numbers])
                assert replies == [b"OK"] * len(numbers)
            order = list(range(count))
            random.Random(0).shuffle(order)
            _check(client, order, size)
            assert client.call("DBSIZE") == count
        assert server.figure("cache_blocking_loads") == 0
        assert server.figure("cache_resident_keys") < count // (times // 2)
    finally:
        watch.end()
    assert watch.most_bytes < bound, f"{watch.most_bytes / MEBIBYTE:.0f} MiB"
    server.restart()
    with server.connect() as client:
        assert client.call("DBSIZE") == count
        _check(client, order[:1000], size)
    assert server.resident_bytes() < bound


def _check(client: RawClient, numbers: list[int], size: int) -> None:
    for first in range(0, len(numbers), 100):
        batch = numbers[first : first + 100]
        replies = client.pipeline([("GET", f"key{n}") for n in batch])
        assert replies == [_value(n, size) for n in batch]


def test_a_start_does_not_read_the_data_set(start_server: StartServer) -> None:
    server = start_server(maxmemory="64mb")
    with server.connect() as client:
        for first in range(0, 50_000, 1000):
            client.pipeline([("SET", f"key{n}", "v" * 200) for n in range(first, first + 1000)])
    server.restart()
    assert server.figure("cache_resident_keys") == 0
    assert server.figure("cache_loads") == 0
    assert server.figure("store_bytes_read") < 10_000
    assert server.call("DBSIZE") == 50_000


def test_values_that_grow_stay_within_the_bound(start_server: StartServer) -> None:
    server = start_server(maxmemory="8mb")
    watch = Watch(server)
    try:
        with server.connect() as client:
            for turn in range(1, 9):
                lengths = client.pipeline([("APPEND", f"key{n}", b"x" * 8000) for n in range(300)])
                assert lengths == [8000 * turn] * 300
    finally:
        watch.end()
    assert watch.most_bytes < 8 * 1.2 * MEBIBYTE + 64 * MEBIBYTE
    assert server.figure("cache_blocking_loads") == 0


def test_clients_buffers_count_against_the_bound(start_server: StartServer, tmp_path: Path) -> None:
    """Replies that nobody reads take memory from the entries, not from the machine."""
    server = start_server(maxmemory="32mb", unixsocket=str(tmp_path / "socket"))
    with server.connect() as client:
        client.pipeline([("SET", f"key{n}", "v" * 1000) for n in range(20_000)])
        before = server.figure("mem_entries_limit")
    assert server.call("SET", "big", b"v" * MEBIBYTE) == b"OK"
    with ExitStack() as stack:
        for _ in range(16):
            # Of a Unix socket the system takes 0.2 MiB; of one of TCP it takes what it likes, up to 4.
            lazy = stack.enter_context(socket(AF_UNIX, SOCK_STREAM))
            lazy.connect(str(tmp_path / "socket"))
            lazy.sendall(b"GET big\r\n")
        deadline = time.monotonic() + 20
        while server.figure("mem_entries_limit") > before - 8 * MEBIBYTE:
            assert time.monotonic() < deadline, server.info("memory")
        assert server.figure("mem_clients_normal") > 8 * MEBIBYTE
