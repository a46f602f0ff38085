"""Files go from a real server through dscache and back, and the server finds what it had.

The peer is valkey-server, or what DSCACHE_PEER names (run with redis-server 7.0 and 7.4 by hand). It is
filled, saves, and its file is imported; what is exported again is loaded by a second server of that kind. The
two compare themselves by DEBUG DIGEST and by what that leaves out: due times, and details of streams.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from differential.maker import fill
from raw_client import RawClient
from serving import DEADLINE_SECONDS, ServerProcess, free_port, until

pytestmark = pytest.mark.differential

LATER_MS = 33177117420000
LIBRARY = "#!lua name=mine\nredis.register_function('one', function() return 1 end)"


@contextmanager
def _peer(binary: Path, directory: Path, *words: str) -> Iterator[RawClient]:
    """A server in ``directory``, and a client of it."""
    port = free_port()
    line = [str(binary), "--port", str(port), "--dir", str(directory), "--save", ""]
    if _knows_debug(binary):
        line += ["--enable-debug-command", "yes"]
    with (directory / "log").open("ab") as log:
        process = subprocess.Popen(
            [*line, *words], stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        until(
            lambda: process.poll() is not None or _is_loaded(port), "the peer has loaded its file"
        )
        assert process.poll() is None, (directory / "log").read_text()
        with RawClient(("127.0.0.1", port)) as client:
            yield client
    finally:
        process.terminate()
        process.wait(DEADLINE_SECONDS)


def _knows_debug(binary: Path) -> bool:
    said = subprocess.run([str(binary), "--version"], capture_output=True, text=True, check=True)
    return " v=6." not in said.stdout


def _is_loaded(port: int) -> bool:
    try:
        with RawClient(("127.0.0.1", port)) as client:
            return client.call("PING") == b"PONG"
    except (ConnectionError, EOFError):
        return False


def _dscache(*words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dscache", *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def _fill(client: RawClient) -> None:
    """Everything that a data set can have, except fields that expire."""
    call = client.call
    keys = fill(client)
    for place, key in enumerate(keys):
        if place % 3 == 0:
            assert call("PEXPIREAT", key, LATER_MS + place) == 1
    assert call("FUNCTION", "LOAD", LIBRARY) == b"mine"
    assert call("XGROUP", "CREATE", "no entries", "g", "$", "MKSTREAM") == b"OK"
    assert call("XADD", "emptied", "5-5", "f", "v") == b"5-5"
    assert call("XDEL", "emptied", "5-5") == 1
    assert call("SELECT", 3) == b"OK"
    assert call("SET", b"\xff\0 binary", b"\xfe" * 3) == b"OK"
    assert call("SET", "", "") == b"OK"
    assert call("SELECT", 0) == b"OK"


def _fields_expire(client: RawClient) -> bool:
    """Make hashes with fields that expire, if the server has such."""
    if b"ERR unknown command" in bytes(str(client.call("HPEXPIREAT", "h")), "utf-8"):
        return False
    for name, count in (("due", 3), ("many due", 600)):
        for field in range(count):
            assert client.call("HSET", name, f"f{field}", field) == 1
        for field in range(0, count, 2):
            reply = client.call("HPEXPIREAT", name, LATER_MS + field, "FIELDS", 1, f"f{field}")
            assert reply == [1]
    return True


def _state(client: RawClient, with_stream_details: bool) -> dict[str, object]:
    """What the server has; equal for equal data sets."""
    call = client.call
    state: dict[str, object] = {"digest": call("DEBUG", "DIGEST")}
    functions = call("FUNCTION", "LIST", "WITHCODE")
    state["functions"] = functions
    for database in (0, 3):
        assert call("SELECT", database) == b"OK"
        keys = call("KEYS", "*")
        assert isinstance(keys, list)
        for key in keys:
            kind = call("TYPE", key)
            digest = call("DEBUG", "DIGEST-VALUE", key)
            details: list[object] = [kind, digest, call("PEXPIRETIME", key)]
            if kind == b"stream":
                details.append(call("XLEN", key))
                if with_stream_details:
                    details.append(_without_nodes(call("XINFO", "STREAM", key, "FULL", "COUNT", 0)))
            elif kind == b"hash" and b"due" in key:
                fields = call("HKEYS", key)
                assert isinstance(fields, list)
                due = call("HPEXPIRETIME", key, "FIELDS", len(fields), *fields)
                assert isinstance(due, list)
                details.append(sorted(zip(fields, due, strict=True)))
            state[f"{database} {key!r}"] = details
    assert call("SELECT", 0) == b"OK"
    return state


def _without_nodes(reply: object) -> object:
    """XINFO STREAM without what says how it is kept in memory."""
    if not isinstance(reply, list):
        return reply
    names = (b"radix-tree-keys", b"radix-tree-nodes")
    return [
        _without_nodes(item)
        for place, item in enumerate(reply)
        if item not in names and (place == 0 or reply[place - 1] not in names)
    ]


def _version(file: Path) -> int:
    return int(file.read_bytes()[:9].removeprefix(b"REDIS").removeprefix(b"VALKEY"))


class Moved(NamedTuple):
    """A folder with a peer's file and the ``data`` that were imported from it, whether they have fields that
    expire, and what the peer said of them, with details of streams or without."""

    folder: Path
    fields_expire: bool
    states: dict[bool, dict[str, object]]


def _check(client: RawClient, moved: Moved, with_stream_details: bool) -> None:
    expected = moved.states[with_stream_details]
    found = _state(client, with_stream_details)
    assert {
        name: (found.get(name), one) for name, one in expected.items() if found.get(name) != one
    } == {}
    assert found.keys() == expected.keys()


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "fields that expire"])
def moved(
    request: pytest.FixtureRequest, peer_binary: Path, tmp_path_factory: pytest.TempPathFactory
) -> Moved:
    """What a peer has had, and its file imported."""
    folder = tmp_path_factory.mktemp("moved")
    with _peer(peer_binary, folder) as client:
        _fill(client)
        if request.param and not _fields_expire(client):
            pytest.skip("the peer has no fields that expire")
        assert client.call("SAVE") == b"OK"
        states = {details: _state(client, details) for details in (True, False)}
    _dscache(
        "import", "--dir", str(folder / "data"), "--maxmemory", "8mb", str(folder / "dump.rdb")
    )
    return Moved(folder, request.param, states)


def test_a_file_that_dscache_writes_is_loaded(
    moved: Moved, peer_binary: Path, tmp_path: Path
) -> None:
    folder, fields_expire, _ = moved
    target = tmp_path / "dump.rdb"
    _dscache("export", "--dir", str(folder / "data"), str(target))
    assert _version(target) == (12 if fields_expire else 11)
    theirs = _version(folder / "dump.rdb")
    if _version(target) > theirs or (fields_expire and theirs >= 80):
        pytest.skip("the peer is too old, or has other hashes with fields that expire")
    with _peer(peer_binary, tmp_path) as client:
        _check(client, moved, True)


def test_the_commands_that_dscache_writes_make_the_same_data(
    moved: Moved, peer_binary: Path, tmp_path: Path
) -> None:
    folder = moved.folder
    logs = tmp_path / "appendonlydir"
    logs.mkdir()
    _dscache(
        "export",
        "--dir",
        str(folder / "data"),
        "--format",
        "aof",
        str(logs / "appendonly.aof.1.incr.aof"),
    )
    manifest = "file appendonly.aof.1.incr.aof seq 1 type i\n"
    (logs / "appendonly.aof.manifest").write_text(manifest)
    with _peer(peer_binary, tmp_path, "--appendonly", "yes") as client:
        _check(client, moved, False)


def test_the_server_has_what_was_imported(moved: Moved, peer_binary: Path, tmp_path: Path) -> None:
    """And what it exports when it has changed, and died, is what it had."""
    folder = moved.folder
    data = tmp_path / "data"
    subprocess.run(["cp", "-r", str(folder / "data"), str(data)], check=True)
    server = ServerProcess(tmp_path, dir=str(data), cache_flush_delay=60, appendfsync="always")
    server.start()
    with server.connect() as client:
        assert client.call("PEXPIRETIME", "string 0") == LATER_MS
        assert client.call("FCALL", "one", 0) == 1
        assert client.call("SET", "new", "in the redo log only") == b"OK"
        size = client.call("DBSIZE")
    server.kill()
    target = tmp_path / "all.json"
    _dscache("export", "--dir", str(data), "--format", "json", str(target))
    lines = [json.loads(line) for line in target.read_text("utf-8").splitlines()]
    assert sum(line.get("db") == 0 for line in lines) == size
    found = {line["key"]: line for line in lines if isinstance(line.get("key"), str)}
    assert found["new"]["value"] == "in the redo log only"
    assert found["string 0"] == {
        "db": 0,
        "key": "string 0",
        "type": "string",
        "expire_ms": LATER_MS,
        "value": "",
    }
    assert {"library": LIBRARY} in lines


def test_redis_check_rdb_accepts_what_dscache_writes(moved: Moved, tmp_path: Path) -> None:
    checker = os.environ.get("DSCACHE_CHECK_RDB")
    if checker is None:
        pytest.skip("DSCACHE_CHECK_RDB names none")
    folder = moved.folder
    _dscache("export", "--dir", str(folder / "data"), str(tmp_path / "dump.rdb"))
    said = subprocess.run(
        [checker, str(tmp_path / "dump.rdb")], capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stdout
    assert "RDB looks OK!" in said.stdout
