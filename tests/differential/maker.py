"""Values of all types for another server to make: around what servers keep packed, and what nodes hold."""

from __future__ import annotations

import random

from raw_client import RawClient, Word

#: Numbers of elements, and lengths: around what servers keep packed, and what nodes hold.
COUNTS = (1, 2, 127, 128, 129, 511, 512, 513, 1500)
LENGTHS = (1, 20, 21, 64, 65)


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


def fill(client: RawClient) -> list[str]:
    """Have nothing but values of all types, in all forms; their keys."""
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
