"""What broke when Redis's own disk store was built and probed in 2011: each of its failures is a test.

The figures in the docstrings are what the old server did.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dscache.store.base import DATA, EXPIRES
from dscache.store.layout import generation_range
from dscache.store.rocksdb import RocksStore
from raw_client import RawClient, Word, request
from serving import ServerProcess, StartServer, until

MEBIBYTE = 1024 * 1024


def _write(client: RawClient, count: int, value: str, *more: Word, prefix: str = "key") -> None:
    """SET ``prefix0`` ... in pipelines, each to its number and ``value``."""
    for first in range(0, count, 1000):
        numbers = range(first, min(first + 1000, count))
        replies = client.pipeline([("SET", f"{prefix}{n}", f"{n}:{value}", *more) for n in numbers])
        assert replies == [b"OK"] * len(numbers)


def _check(client: RawClient, count: int, value: str, prefix: str = "key") -> None:
    """Read back what ``_write`` has written."""
    for first in range(0, count, 1000):
        numbers = range(first, min(first + 1000, count))
        replies = client.pipeline([("GET", f"{prefix}{n}") for n in numbers])
        assert replies == [f"{n}:{value}".encode() for n in numbers]


def test_500_keys_are_there_after_a_clean_shutdown(start_server: StartServer) -> None:
    """0 of 500 were."""
    server = start_server(cache_flush_delay=3600)
    with server.connect() as client:
        _write(client, 500, "value")
        client.send(request("SHUTDOWN"))
        assert client.read_to_end() == b""
    assert server.wait() == 0
    server.check_log()
    server.start()
    with server.connect() as client:
        assert client.call("DBSIZE") == 500
        _check(client, 500, "value")


def test_dbsize_and_keys_know_all_keys_wherever_they_are(start_server: StartServer) -> None:
    """Of 4,000 they said 1,926."""
    server = start_server(maxmemory="8mb", cache_flush_delay=3600)
    with server.connect() as client:
        _write(client, 3000, "v" * 4000)
        assert client.call("CACHE", "FLUSH") == b"OK"
        # These overwrite half of the others, which may be on disk only, and are on no disk yet.
        _write(client, 1500, "w")
        _write(client, 1000, "w", prefix="new")
        assert server.figure("cache_resident_keys") < 4000
        assert client.call("DBSIZE") == 4000
        keys = client.call("KEYS", "*")
        assert isinstance(keys, list)
        assert len(keys) == len(set(keys)) == 4000
        assert client.call("DBSIZE") == 4000
    server.restart()
    assert server.call("DBSIZE") == 4000


def test_setnx_never_succeeds_on_keys_that_are_on_disk_only(server: ServerProcess) -> None:
    """On 164 of 200 it did."""
    with server.connect() as client:
        _write(client, 200, "old")
        server.empty_memory()
        assert client.pipeline([("SETNX", f"key{n}", "new") for n in range(200)]) == [0] * 200
        _check(client, 200, "old")


def test_rename_del_and_expire_reach_keys_that_are_on_disk_only(server: ServerProcess) -> None:
    with server.connect() as client:
        _write(client, 300, "value")
        server.empty_memory()
        for n in range(100):
            assert client.call("RENAME", f"key{n}", f"renamed{n}") == b"OK"
            assert client.call("DEL", f"key{n + 100}") == 1
            assert client.call("EXPIRE", f"key{n + 200}", 1000) == 1
        server.empty_memory()
        assert client.call("DBSIZE") == 200
        for n in range(100):
            assert client.call("GET", f"renamed{n}") == f"{n}:value".encode()
            assert client.call("EXISTS", f"key{n}", f"key{n + 100}") == 0
            assert client.call("TTL", f"key{n + 200}") in (999, 1000)
            assert client.call("GET", f"key{n + 200}") == f"{n + 200}:value".encode()


def test_keys_that_expire_on_disk_leave_no_record_behind(start_server: StartServer) -> None:
    """All 500 stayed."""
    server = start_server(hz=100)
    with server.connect() as client:
        client.call("DEBUG", "SET-ACTIVE-EXPIRE", 0)
        _write(client, 500, "value", "PX", 50)
        _write(client, 10, "stays", prefix="other")
        server.empty_memory()
        loads = server.figure("cache_loads")
        client.call("DEBUG", "SET-ACTIVE-EXPIRE", 1)
        until(lambda: client.call("DBSIZE") == 10, "all 500 have expired")
        assert server.figure("cache_loads") == loads, "their values are not needed"
        assert server.figure("expired_keys") == 500
    server.stop()
    assert _records(server.data) == 10


def _records(directory: Path) -> int:
    """How many records of data and expiry there are on disk."""
    store = RocksStore(directory, 8 * MEBIBYTE)
    try:
        begin, end = generation_range(0)[0], generation_range(2**31 - 2)[1]
        return sum(len(store.scan(column, begin, end, 10**6, 2**40)) for column in (DATA, EXPIRES))
    finally:
        store.close()


def test_flushall_with_writes_pending_waits_for_nothing_and_is_final(
    start_server: StartServer,
) -> None:
    """It stalled for two to three seconds."""
    server = start_server(cache_flush_delay=3600)
    with server.connect() as client:
        _write(client, 5000, "value")
        assert client.pipeline([("FLUSHALL",), ("DBSIZE",)]) == [b"OK", 0]
        assert server.figure("store_epochs") == 0
        _write(client, 10, "later")
        assert client.call("CACHE", "FLUSH") == b"OK"
        _write(client, 5000, "value")
        client.send(request("CACHE", "FLUSH") + request("FLUSHALL") + request("DBSIZE"))
        assert [client.read() for _ in range(3)] == [b"OK", b"OK", 0]
        _write(client, 5, "last")
    server.restart()
    with server.connect() as client:
        assert client.call("DBSIZE") == 5
        _check(client, 5, "last")


def test_writes_near_the_memory_bound_go_on_while_the_data_set_is_read_as_a_whole(
    start_server: StartServer,
) -> None:
    """They hung for ever."""
    server = start_server(maxmemory="8mb")
    value = "v" * 1000
    with server.connect() as writer, server.connect() as reader:
        _write(writer, 10_000, value)
        cursor = b"0"
        found: set[object] = set()
        for turn in range(1000):
            reader.send(request("SCAN", cursor, "COUNT", 500))
            if turn == 5:
                reader.send(request("KEYS", "*"))
            _write(writer, 500, value)
            page = reader.read()
            assert isinstance(page, list)
            found.update(page[1])
            if turn == 5:
                keys = reader.read()
                assert isinstance(keys, list)
                assert len(keys) == 10_000
            cursor = page[0]
            if cursor == b"0":
                break
        assert len(found) == 10_000
        _check(reader, 10_000, value)
    assert server.figure("cache_blocking_loads") == 0


@pytest.mark.parametrize("count", [20_000, pytest.param(200_000, marks=pytest.mark.slow)])
def test_many_keys_go_through_a_small_bound(start_server: StartServer, count: int) -> None:
    """777 a second did, and single batches took eight seconds."""
    server = start_server(maxmemory="20mb" if count == 200_000 else "8mb")
    value = "v" * 300
    with server.connect() as client:
        _write(client, count, value)
        _check(client, count, value)
        assert client.call("DBSIZE") == count
    figures = server.info()
    assert int(figures["cache_blocking_loads"]) == 0
    assert int(figures["cache_resident_keys"]) < count
    assert int(figures["cache_loads"]) > 0


def test_del_of_a_huge_value_does_not_load_it(start_server: StartServer) -> None:
    server = start_server()
    with server.connect() as client:
        assert client.call("SET", "huge", b"v" * 20 * MEBIBYTE) == b"OK"
        server.empty_memory()
        before = server.figure("store_bytes_read")
        assert client.call("EXISTS", "huge") == 1
        assert client.call("TYPE", "huge") == b"string"
        assert client.call("EXPIRE", "huge", 1000) == 1
        assert client.call("DEL", "huge") == 1
        assert server.figure("store_bytes_read") - before < 1000
        assert client.call("CACHE", "FLUSH") == b"OK"
        assert server.figure("store_bytes_read") - before < 1000


def test_neither_loads_nor_reads_of_keys_being_saved_wait_for_the_save(
    start_server: StartServer,
) -> None:
    """INFO behind a GET in one pipeline tells whether the save was still going on."""
    server = start_server(maxmemory="128mb", cache_flush_delay=3600)
    with server.connect() as client, server.connect() as other:
        _write(client, 1000, "cold", prefix="cold")
        assert client.call("CACHE", "FLUSH") == b"OK"
        overtaken = {"load": 0, "read": 0}
        for attempt in range(20):
            server.empty_memory()
            _write(client, 10_000, "v" * 500)
            client.send(request("CACHE", "FLUSH"))
            until(lambda: server.figure("cache_saving_keys") > 0, "the epoch is cut")
            for kind, key in (("load", f"cold{attempt}"), ("read", "key9999")):
                reply, info = other.pipeline([("GET", key), ("INFO", "cache")])
                assert isinstance(reply, bytes)
                assert reply.endswith(b"cold" if kind == "load" else b"v")
                assert isinstance(info, bytes)
                overtaken[kind] += b"cache_saving_keys:0\r\n" not in info
            assert client.read() == b"OK"
            if all(overtaken.values()):
                return
        raise AssertionError(f"no GET came back during a save, of 20 of each kind: {overtaken}")


@pytest.mark.parametrize("count", [20_000, pytest.param(200_000, marks=pytest.mark.slow)])
def test_small_keys_cost_about_their_own_size_on_disk(
    start_server: StartServer, count: int
) -> None:
    """200,000 of them took 1.1 GB."""
    server = start_server()
    with server.connect() as client:
        _write(client, count, "some small value")
        assert client.call("CACHE", "FLUSH") == b"OK"
    server.stop()
    assert _disk_usage(server.data) < count * 60 + MEBIBYTE // 2


def _disk_usage(directory: Path) -> int:
    """What the files really take."""
    return sum(
        os.stat(os.path.join(folder, name)).st_blocks * 512
        for folder, _, names in os.walk(directory)
        for name in names
    )
