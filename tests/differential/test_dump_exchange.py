"""Values go to and fro between dscache and other servers, as DUMP's payloads.

The peers are valkey-server and, if it is installed, a redis-server (7.0 here). Each value is made there,
restored here, dumped here, and restored there beside the original: all three must look the same to the
commands that read its type.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator

import pytest

from differential.maker import fill
from raw_client import RawClient, Word
from serving import DEADLINE_SECONDS, ServerProcess, free_port, until

pytestmark = pytest.mark.differential

#: By what a value of each type is compared.
READERS: dict[object, tuple[Word, ...]] = {
    b"string": ("GET",),
    b"list": ("LRANGE", 0, -1),
    b"set": ("SMEMBERS",),
    b"zset": ("ZRANGE", 0, -1, "WITHSCORES"),
    b"hash": ("HGETALL",),
    b"stream": ("XRANGE", "-", "+"),
}


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """The address of a redis-server."""
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.skip("there is no redis-server")
    port = free_port()
    directory = tmp_path_factory.mktemp("redis")
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            [binary, "--port", str(port), "--save", "", "--dir", str(directory)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        until(lambda: _answers(port), "redis-server answers")
        yield "127.0.0.1", port
    finally:
        process.terminate()
        process.wait(DEADLINE_SECONDS)


def _answers(port: int) -> bool:
    try:
        with RawClient(("127.0.0.1", port)) as client:
            return client.call("PING") == b"PONG"
    except (ConnectionError, EOFError):
        return False


def _comparable(kind: object, reply: object) -> object:
    """Sets and hashes have no order, and Redis 7.0 prints more digits of scores."""
    assert isinstance(reply, bytes | list), reply
    if kind == b"set":
        return sorted(reply)
    if kind == b"zset":
        return list(zip(reply[::2], map(float, reply[1::2]), strict=True))
    if kind == b"hash":
        return sorted(zip(reply[::2], reply[1::2], strict=True))
    return reply


def _details(reply: object) -> object:
    """XINFO STREAM without what says how it is kept in memory."""
    if not isinstance(reply, list):
        return reply
    names = (b"radix-tree-keys", b"radix-tree-nodes")
    kept: list[object] = []
    for place, item in enumerate(reply):
        if item not in names and (place == 0 or reply[place - 1] not in names):
            kept.append(_details(item))
    return kept


def _compare(ours: RawClient, peer: RawClient, newest_version: int) -> None:
    """Send all that ``peer`` has here, and back what needs no newer version than it reads."""
    assert ours.call("FLUSHALL") == b"OK"
    for key in fill(peer):
        kind = peer.call("TYPE", key)
        payload = peer.call("DUMP", key)
        assert isinstance(payload, bytes)
        assert ours.call("RESTORE", key, 0, payload) == b"OK", key
        reader, *words = READERS[kind]
        expected = _comparable(kind, peer.call(reader, key, *words))
        assert _comparable(kind, ours.call(reader, key, *words)) == expected, key

        back = ours.call("DUMP", key)
        assert isinstance(back, bytes)
        if int.from_bytes(back[-10:-8], "little") > newest_version:
            assert kind == b"stream"
            continue
        assert peer.call("RESTORE", "copy", 0, back, "REPLACE") == b"OK", key
        assert _comparable(kind, peer.call(reader, "copy", *words)) == expected, key
        if kind == b"stream":
            details = [peer.call("XINFO", "STREAM", k, "FULL", "COUNT", 0) for k in (key, "copy")]
            assert _details(details[0]) == _details(details[1]), key


def test_values_go_to_valkey_and_back(ours: ServerProcess, theirs: tuple[str, int]) -> None:
    with ours.connect() as mine, RawClient(theirs) as peer:
        _compare(mine, peer, 11)


def test_values_go_to_redis_and_back(ours: ServerProcess, redis: tuple[str, int]) -> None:
    with ours.connect() as mine, RawClient(redis) as peer:
        _compare(mine, peer, 10)


def test_hashes_whose_fields_expire_come_from_valkey(
    ours: ServerProcess, theirs: tuple[str, int]
) -> None:
    """There is no form of them that both read; ours is that of Redis 7.4."""
    with ours.connect() as mine, RawClient(theirs) as peer:
        for length in (1, 100):
            peer.call("DEL", "k")
            assert peer.call("HSET", "k", "f", "x" * length, "g", 1, "h", 2) == 3
            peer.call("HPEXPIREAT", "k", 33177117420000, "FIELDS", 1, "f")
            peer.call("HPEXPIREAT", "k", 33177117421000, "FIELDS", 1, "g")
            payload = peer.call("DUMP", "k")
            assert isinstance(payload, bytes)
            assert mine.call("RESTORE", "k", 0, payload, "REPLACE") == b"OK"
            assert mine.call("HMGET", "k", "f", "g", "h") == [b"x" * length, b"1", b"2"]
            due_ms = mine.call("HPEXPIRETIME", "k", "FIELDS", 3, "f", "g", "h")
            assert due_ms == [33177117420000, 33177117421000, -1]
            back = mine.call("DUMP", "k")
            assert isinstance(back, bytes)
            assert back[-10:-8] == b"\x0c\0"
            refusal = peer.call("RESTORE", "k", 0, back, "REPLACE")
            assert str(refusal).startswith("b'-ERR DUMP payload version")
