"""Everything that a server holds, read by commands, and compared with what another one holds."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from typing import Final

from differential.differences import same_reply
from raw_client import RawClient, Word

Fact = tuple[Word, ...]

# How the whole value of a key is read.
_WHOLE: Final[dict[bytes, tuple[Word, ...]]] = {
    b"string": ("GET", "KEY"),
    b"list": ("LRANGE", "KEY", 0, -1),
    b"set": ("SMEMBERS", "KEY"),
    b"hash": ("HGETALL", "KEY"),
    b"zset": ("ZRANGE", "KEY", 0, -1, "WITHSCORES"),
    b"stream": ("XRANGE", "KEY", "-", "+"),
}

# Where entries-read stands in XINFO GROUPS, and behind it the lag.
_COUNTED_AT: Final = 8

# So many keys are asked for at once: all replies of a pipeline are in memory at the same time.
_KEYS_AT_ONCE: Final = 100


def first_difference(ours: RawClient, theirs: RawClient, databases: int) -> str:
    """Where two servers differ in keys, values, types, expiry or how many there are; empty if nowhere."""
    for our, their in zip_longest(_facts(ours, databases), _facts(theirs, databases)):
        if our is None or their is None or not _same_fact(our, their):
            return f"dscache: {short(our)}\nthe peer: {short(their)}"
    return ""


def short(value: object) -> str:
    """``value`` for a message."""
    text = repr(value)
    return text if len(text) < 600 else f"{text[:400]} ... {text[-100:]}"


def _same_fact(ours: Fact, theirs: Fact) -> bool:
    if "expiry" in ours:
        return ours[:-1] == theirs[:-1] and same_reply(("PEXPIRETIME",), ours[-1], theirs[-1])
    return ours == theirs


def _facts(client: RawClient, databases: int) -> Iterator[Fact]:
    for database in range(databases):
        client.call("SELECT", database)
        size = client.call("DBSIZE")
        assert isinstance(size, int)
        yield database, "DBSIZE", size
        keys = client.call("KEYS", "*")
        assert isinstance(keys, list)
        yield database, "number of keys", len(keys)
        keys.sort()
        for first in range(0, len(keys), _KEYS_AT_ONCE):
            yield from _facts_of(client, database, keys[first : first + _KEYS_AT_ONCE])
        info = client.call("INFO", "keyspace")
        assert isinstance(info, bytes)
        for line in info.splitlines():
            if line.startswith(b"db%d:" % database):
                yield database, "INFO", b",".join(line.split(b",")[:2])


def _facts_of(client: RawClient, database: int, keys: list[bytes]) -> Iterator[Fact]:
    kinds = client.pipeline([("TYPE", key) for key in keys])
    dues = client.pipeline([("PEXPIRETIME", key) for key in keys])
    readings: list[tuple[Word, ...]] = []
    for key, kind in zip(keys, kinds, strict=True):
        assert isinstance(kind, bytes)
        readings.append(tuple(key if word == "KEY" else word for word in _WHOLE[kind]))
    for key, kind, due_ms, value in zip(keys, kinds, dues, client.pipeline(readings), strict=True):
        assert isinstance(kind, bytes)
        assert isinstance(due_ms, int)
        yield database, key, "type", kind
        yield database, key, "value", repr(_in_order(kind, value))
        if kind == b"hash":
            yield from _field_expiry(client, database, key)
        if kind == b"stream":
            yield from _groups(client, database, key)
        yield database, key, "expiry", due_ms


def _in_order(kind: bytes, value: object) -> object:
    """A key's value; what has no order is sorted."""
    if kind == b"set" and isinstance(value, list):
        return sorted(value)
    if kind == b"hash" and isinstance(value, list):
        return sorted(zip(value[::2], value[1::2], strict=True))
    return value


def _field_expiry(client: RawClient, database: int, key: bytes) -> Iterator[Fact]:
    names = client.call("HKEYS", key)
    assert isinstance(names, list)
    fields = sorted(names)
    due = client.call("HPEXPIRETIME", key, "FIELDS", len(fields), *fields)
    assert isinstance(due, list)
    for field, due_ms in zip(fields, due, strict=True):
        yield database, key, field, "expiry", due_ms


def _groups(client: RawClient, database: int, key: bytes) -> Iterator[Fact]:
    """What a stream remembers beside its entries; not the times, which are each server's own, nor what
    it counts of entries read, which Valkey 9 corrects where Redis 7.4 does not."""
    groups = client.call("XINFO", "GROUPS", key)
    assert isinstance(groups, list)
    for group in groups:
        yield database, key, "group", repr(group[:_COUNTED_AT])
        pending = client.call("XPENDING", key, group[1], "-", "+", 10_000)
        assert isinstance(pending, list)
        yield database, key, "pending", repr([(one[0], one[1], one[3]) for one in pending])
