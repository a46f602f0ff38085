"""Values go to and fro between dscache and other servers, as DUMP's payloads.

The peers are valkey-server and, if it is installed, a redis-server (7.0 here). Each value is made there,
restored here, dumped here, and restored there beside the original: all three must look the same to the
commands that read its type.
"""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from raw_client import RawClient, Word
from serving import DEADLINE_SECONDS, ServerProcess, free_port, until

pytestmark = pytest.mark.differential

#: Numbers of elements, and lengths: around what servers keep packed, and what nodes hold.
COUNTS = (1, 2, 127, 128, 129, 511, 512, 513, 1500)
LENGTHS = (1, 20, 21, 64, 65)

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


class Maker:
    """Fills a server with values of all types, the same each time."""

    def __init__(self, client: RawClient) -> None:
        self._client = client
        self._rng = random.Random(2011)
        self.keys: list[str] = []

    def make(self, command: str, key: str, *words: Word) -> None:
        """Make a key."""
        reply = self._client.call(command, key, *words)
        assert not str(reply).startswith("b'-"), reply
        if key not in self.keys:
            self.keys.append(key)

    def text(self, length: int) -> bytes:
        """Noise, or what can be compressed."""
        rng = self._rng
        return rng.randbytes(length) if rng.random() < 0.5 else bytes(rng.choices(b"abc", k=length))

    def number(self) -> int:
        """Of any size."""
        bits = self._rng.randrange(1, 64)
        return self._rng.randrange(-(2**bits), 2**bits)

    def strings(self) -> None:
        for length in (0, 1, 20, 21, 100, 70_000):
            self.make("SET", f"string {length}", self.text(length))
        for bits in (7, 8, 15, 16, 31, 32, 63):
            for number in (2**bits, 2**bits - 1, -(2**bits), -(2**bits) - 1):
                self.make("SET", f"integer {number}", number)

    def containers(self, count: int, length: int) -> None:
        rng = self._rng
        names = [b"%d %b" % (number, self.text(length)) for number in range(count)]
        pairs = [word for name in names for word in (name[:length], self.text(length))]
        self.make("HSET", f"hash {count} {length}", *pairs)
        self.make("SADD", f"set {count} {length}", *names)
        self.make("RPUSH", f"list {count} {length}", *names, *(self.number() for _ in names))
        scores: list[Word] = []
        for place, name in enumerate(names):
            fraction = repr(rng.random() * 10 ** rng.randrange(-300, 300))
            choices: list[Word] = [place, -place, "inf", "-inf", fraction]
            scores += [rng.choice(choices), name[:length]]
        self.make("ZADD", f"zset {count} {length}", *scores)

    def integers(self, count: int) -> None:
        for bits in (15, 31, 63):
            numbers = {self._rng.randrange(-(2**bits), 2**bits) for _ in range(count)}
            self.make("SADD", f"intset {count} {bits}", *numbers)

    def long_elements(self) -> None:
        texts = [self.text(length) for length in (8170, 8180, 8192, 20_000, 5000, 5000, 1, 0)]
        self.make("RPUSH", "long list", *texts, *texts)

    def stream(self, count: int) -> None:
        key = f"stream {count}"
        for number in range(count):
            fields: list[Word] = [b"f", self.text(20)]
            if number % 3 == 0:
                fields += [b"g", self.number()]
            self.make("XADD", key, f"{1000 + number // 3}-{number}", *fields)
        call = self._client.call
        for group, start in (("all", "0"), ("some", "1000-1"), ("none", "$")):
            assert call("XGROUP", "CREATE", key, group, start) == b"OK"
        half = count // 2 + 1
        call("XREADGROUP", "GROUP", "all", "alice", "COUNT", half, "STREAMS", key, ">")
        call("XREADGROUP", "GROUP", "all", "bob", "COUNT", 3, "STREAMS", key, ">")
        call("XREADGROUP", "GROUP", "some", "bob", "NOACK", "COUNT", 3, "STREAMS", key, ">")
        call("XACK", key, "all", "1000-0")
        call("XGROUP", "CREATECONSUMER", key, "none", "idle")
        call("XDEL", key, f"{1000 + count // 6}-{count // 2}")


def _fill(client: RawClient) -> list[str]:
    assert client.call("FLUSHALL") == b"OK"
    maker = Maker(client)
    maker.strings()
    for count in COUNTS:
        maker.integers(count)
        for length in LENGTHS:
            maker.containers(count, length)
    maker.long_elements()
    for count in (1, 2, 99, 100, 101, 350):
        maker.stream(count)
    return maker.keys


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
    for key in _fill(peer):
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
