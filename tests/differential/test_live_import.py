"""What a real server has, taken from it while it runs: by SCAN and DUMP, and as its replica.

The peer is valkey-server, or what DSCACHE_PEER names (run with redis-server 7.4 by hand).
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from differential.data_sets import first_difference
from differential.maker import fill
from raw_client import RawClient
from serving import DEADLINE_SECONDS, StartServer, until
from valkey_server import running_valkey

pytestmark = pytest.mark.differential

DATABASES = 4
LATER_MS = 33177117420000
LIBRARY = "#!lua name=mine\nredis.register_function('one', function() return 1 end)"


def _fill(client: RawClient) -> None:
    for place, key in enumerate(fill(client)):
        if place % 3 == 0:
            assert client.call("PEXPIREAT", key, LATER_MS + place) == 1
    assert client.call("FUNCTION", "LOAD", LIBRARY) == b"mine"
    assert client.call("SET", "large", "x" * 3_000_000) == b"OK"
    assert client.call("HSET", "due", "f", 1, "g", 2) == 2
    assert client.call("HPEXPIREAT", "due", LATER_MS, "FIELDS", 1, "f") == [1]
    assert client.call("SELECT", 3) == b"OK"
    assert client.call("SET", b"\xff\0 binary", b"\xfe" * 3) == b"OK"
    assert client.call("SELECT", 0) == b"OK"


def _line(data: Path, *words: str) -> list[str]:
    return [
        sys.executable,
        "-m",
        "dscache",
        "import",
        "--dir",
        str(data),
        "--maxmemory",
        "16mb",
        *words,
    ]


def _check(peer: RawClient, data: Path, start_server: StartServer) -> None:
    """What was imported into ``data`` is what the peer has."""
    server = start_server(dir=str(data), databases=DATABASES)
    with server.connect() as ours:
        assert first_difference(ours, peer, DATABASES) == ""
        assert ours.call("FCALL", "one", 0) == 1


def test_what_a_server_has_is_imported_by_scan_and_dump(
    tmp_path: Path, start_server: StartServer
) -> None:
    with running_valkey(tmp_path) as address, RawClient(address) as peer:
        _fill(peer)
        done = subprocess.run(
            _line(tmp_path / "data", f"redis://{address[0]}:{address[1]}"),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert " keys and 1 libraries of functions in " in done.stdout
        _check(peer, tmp_path / "data", start_server)


def _change(peer: RawClient, round_number: int) -> None:
    """Change something of every type, in ways that a server does not pass on as they were called."""
    call = peer.call
    for number in range(200):
        key = f"changed {number % 50}"
        peer.pipeline(
            [
                ("INCR", f"{key} n"),
                ("RPUSH", f"{key} l", number, round_number),
                ("LMOVE", f"{key} l", f"{key} m", "LEFT", "RIGHT"),
                ("SADD", f"{key} s", *range(10)),
                ("SPOP", f"{key} s", 3),
                ("ZADD", f"{key} z", number, "a", 1, "b"),
                ("ZPOPMIN", f"{key} z"),
                ("HSET", f"{key} h", "f", number),
                ("HINCRBYFLOAT", f"{key} h", "g", "0.1"),
                ("HEXPIRE", f"{key} h", 1_000_000, "FIELDS", 1, "f"),
                ("XADD", f"{key} x", "MAXLEN", "~", 10, "*", "f", number),
                ("EXPIRE", f"{key} n", 1_000_000),
                ("SET", f"{key} due", "v", "PX", 1),
                ("GETEX", f"{key} n", "EX", 1_000_000),
            ]
        )
    assert call("XGROUP", "CREATE", "changed 1 x", f"g{round_number}", "0") == b"OK"
    call("XREADGROUP", "GROUP", f"g{round_number}", "c", "COUNT", 2, "STREAMS", "changed 1 x", ">")
    script = (
        "for i = 1, 20 do redis.call('RPUSH', KEYS[1], i) end redis.call('LTRIM', KEYS[1], 0, 4)"
    )
    assert call("EVAL", script, 1, "by script") is None
    assert call("MULTI") == b"OK"
    for words in (("SELECT", 3), ("APPEND", "t", "x"), ("SELECT", 0), ("DEL", "string 0")):
        assert call(*words) == b"QUEUED"
    call("EXEC")
    payload = call("DUMP", "large")
    assert isinstance(payload, bytes)
    assert call("RESTORE", "restored", 0, payload, "REPLACE") == b"OK"
    assert call("COPY", "large", "copied", "DB", 2, "REPLACE") in (0, 1)
    assert call("SWAPDB", 1, 2) == b"OK"


def _is_acknowledged(peer: RawClient) -> bool:
    """Whether the one who follows has all changes."""
    return peer.call("WAIT", 1, 100) == 1


@pytest.mark.parametrize("diskless", ["yes", "no"])
def test_what_a_server_changes_is_followed_though_the_connection_is_cut(
    tmp_path: Path, start_server: StartServer, diskless: str
) -> None:
    data = tmp_path / "data"
    with running_valkey(tmp_path) as address, RawClient(address) as peer:
        peer.call("CONFIG", "SET", "repl-diskless-sync", diskless, "repl-diskless-sync-delay", 0)
        peer.call("CONFIG", "SET", "repl-backlog-size", 100_000_000)
        _fill(peer)
        errors = tmp_path / "errors"
        with errors.open("wb") as file:
            importing = subprocess.Popen(
                _line(data, "--follow", f"redis://{address[0]}:{address[1]}"),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=file,
            )
        try:
            _change(peer, 1)
            until(lambda: b"following" in errors.read_bytes(), "it follows")
            _change(peer, 2)
            assert peer.call("CLIENT", "KILL", "TYPE", "replica") == 1
            _change(peer, 3)
            until(lambda: _is_acknowledged(peer), "all changes have been followed")
            importing.send_signal(signal.SIGTERM)
            said, _ = importing.communicate(timeout=DEADLINE_SECONDS)
        finally:
            if importing.poll() is None:
                importing.kill()
                importing.wait()
        assert importing.returncode == 0, errors.read_text()
        assert b" changes that followed\n" in said
        _check(peer, data, start_server)
