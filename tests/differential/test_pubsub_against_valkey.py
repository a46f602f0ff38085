"""Publish and subscribe, and keyspace notifications, compared with a real valkey-server.

Three connections to each server do the same, one step after the other; after each step all of them
must have got the same bytes. Only orders may differ that in Valkey are those of its hash tables.
"""

from __future__ import annotations

import os
import random

import pytest

from raw_client import RawClient, Word, requests
from serving import ServerProcess

pytestmark = pytest.mark.differential

Command = tuple[Word, ...]

STEPS = 20_000 if os.environ.get("HYPOTHESIS_PROFILE") == "long" else 1000
CONNECTIONS = 3
CHANNELS = ("a", "b", "ab", "c*", "")
PATTERNS = ("a", "*", "a*", "[ab]", "?", "", "__key*")
# No n beside A: CONFIG GET does not show it, and a CONFIG SET that fails makes Redis forget it.
CLASSES = ("", "KEA", "KEAm", "KEg$nm", "K$", "Eg", "q", "g$lsh", "K E", "AA")
#: What changes or misses keys, and so causes notifications. Not EXPIRE to a time long past: to Redis, and to
#: us, that deletes a key; in Valkey it expires.
CHANGES: tuple[Command, ...] = (
    ("SET", "k", "v"),
    ("SET", "k", "v", "EX", 100),
    ("GET", "k"),
    ("MSET", "k", 1, "l", 2),
    ("SETNX", "k", "v"),
    ("GETSET", "k", "v"),
    ("APPEND", "k", "v"),
    ("SETRANGE", "k", 1, "v"),
    ("INCR", "l"),
    ("INCRBYFLOAT", "l", "1.5"),
    ("GETDEL", "k"),
    ("GETEX", "k", "EX", 100),
    ("GETEX", "k", "PERSIST"),
    ("SETBIT", "k", 7, 1),
    ("BITOP", "NOT", "l", "k"),
    ("PFADD", "p", "x"),
    ("DEL", "k", "l", "set"),
    ("UNLINK", "k"),
    ("RENAME", "k", "l"),
    ("RENAMENX", "k", "l"),
    ("COPY", "k", "l", "REPLACE"),
    ("MOVE", "k", 1),
    ("EXPIRE", "k", 100),
    ("PERSIST", "k"),
    ("SELECT", 0),
    ("SELECT", 1),
    ("SWAPDB", 0, 1),
    ("FLUSHDB",),
    ("RPUSH", "list", 1, 2),
    ("LPUSHX", "list", 3),
    ("LPOP", "list"),
    ("LTRIM", "list", 1, 0),
    ("LSET", "list", 0, "x"),
    ("LREM", "list", 0, "x"),
    ("LINSERT", "list", "BEFORE", 1, 0),
    ("LMOVE", "list", "k", "LEFT", "RIGHT"),
    ("BLMOVE", "list", "list", "LEFT", "RIGHT", "0.001"),
    ("LMPOP", 1, "list", "LEFT", "COUNT", 9),
    ("SORT", "list", "STORE", "l"),
    ("SADD", "set", "a"),
    ("SREM", "set", "a"),
    ("SPOP", "set", 9),
    ("SMOVE", "set", "l", "a"),
    ("SINTERSTORE", "l", "set", "none"),
    ("SUNIONSTORE", "l", "set", "none"),
    ("HSET", "hash", "f", 1),
    ("HSETNX", "hash", "f", 1),
    ("HINCRBY", "hash", "f", 1),
    ("HINCRBYFLOAT", "hash", "f", "0.5"),
    ("HDEL", "hash", "f"),
    ("HEXPIRE", "hash", 100, "FIELDS", 1, "f"),
    ("HPERSIST", "hash", "FIELDS", 1, "f"),
    ("ZADD", "zset", 1, "a"),
    ("ZINCRBY", "zset", 1, "a"),
    ("ZREM", "zset", "a"),
    ("ZPOPMIN", "zset"),
    ("ZREMRANGEBYRANK", "zset", 0, -1),
    ("ZRANGESTORE", "l", "zset", 0, -1),
    ("ZUNIONSTORE", "l", 1, "zset"),
    ("ZDIFFSTORE", "l", 2, "zset", "zset"),
    ("GEOADD", "zset", 1, 1, "g"),
    ("XADD", "stream", "1-*", "f", "v"),
    ("XTRIM", "stream", "MAXLEN", 0),
    ("XDEL", "stream", "1-1"),
    ("XSETID", "stream", "1-900000"),
    ("XGROUP", "CREATE", "stream", "g", "0", "MKSTREAM"),
    ("XGROUP", "CREATECONSUMER", "stream", "g", "c"),
    ("XGROUP", "DELCONSUMER", "stream", "g", "c"),
    ("XGROUP", "DESTROY", "stream", "g"),
    ("XREADGROUP", "GROUP", "g", "c", "STREAMS", "stream", ">"),
    ("EVAL", "redis.call('SET', 'k', 1) return redis.call('DEL', 'k')", 0),
)
ENDS_ALL = ("UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE")


def command(source: random.Random) -> Command:
    """One command, right or wrong."""
    channels = source.choices(CHANNELS, k=source.randint(1, 3))
    patterns = source.choices(PATTERNS, k=source.randint(1, 3))
    commands: list[Command] = [
        ("SUBSCRIBE", *channels),
        ("PSUBSCRIBE", *patterns),
        ("SSUBSCRIBE", *channels),
        ("UNSUBSCRIBE", *channels),
        ("PUNSUBSCRIBE", *patterns),
        ("SUNSUBSCRIBE", *channels),
        ("PUBLISH", channels[0], "text"),
        ("PUBLISH", channels[0], ""),
        ("SPUBLISH", channels[0], "text"),
        ("EVAL", "return redis.call('PUBLISH', ARGV[1], 'text')", 0, channels[0]),
        ("EVAL", "return redis.call('SPUBLISH', ARGV[1], 'text')", 0, channels[0]),
        ("PUBSUB", "NUMSUB", *channels),
        ("PUBSUB", "NUMSUB"),
        ("PUBSUB", "SHARDNUMSUB", *channels),
        ("PUBSUB", "SHARDNUMSUB"),
        ("PUBSUB", "NUMPAT"),
        ("PUBSUB", "NOPE"),
        ("PUBSUB", "NUMPAT", "x"),
        ("PUBSUB", "CHANNELS", "a", "b"),
        ("PUBSUB",),
        ("SUBSCRIBE",),
        ("PUBLISH", "x"),
        ("PING",),
        ("PING", "x"),
        ("PING", "x", "y"),
        ("CLIENT", "ID", "x"),
        ("RESET", "x"),
    ]
    return source.choice(CHANGES if source.random() < 0.35 else commands)


def step(source: random.Random) -> list[Command]:
    """What one connection sends at once."""
    alone: list[Command] = [
        *((word,) for word in ENDS_ALL),
        ("PUBSUB", source.choice(["CHANNELS", "SHARDCHANNELS"])),
        ("PUBSUB", source.choice(["CHANNELS", "SHARDCHANNELS"]), source.choice(PATTERNS)),
        ("HELLO", source.choice([2, 3])),
        ("RESET",),
        ("CONFIG", "SET", "notify-keyspace-events", source.choice(CLASSES)),
        ("CONFIG", "GET", "notify-keyspace-events"),
    ]
    kind = source.random()
    if kind < 0.1:
        ends: list[Command] = [("EXEC",), ("EXEC",), ("EXEC",), ("DISCARD",), ("RESET",)]
        inside = [command(source) for _ in range(source.randint(1, 3))]
        return [("MULTI",), *inside, source.choice(ends)]
    if kind < 0.15:
        return [("CLIENT", "REPLY", "SKIP"), command(source)]
    if kind < 0.35:
        return [source.choice(alone)]
    return [command(source)]


def received(client: RawClient, mark: str) -> list[bytes]:
    """All that ``client`` has got, as it came, up to the answer to a PING with ``mark``."""
    client.send(requests([("PING", mark)]))
    got: list[bytes] = []
    while True:
        reply = client.read()
        if reply in (mark.encode(), [b"pong", mark.encode()]):
            return got
        got.append(b"".join(client.raw_lines()))


def comparable(sent: list[Command], got: list[bytes]) -> list[bytes]:
    """``got`` without what is an order of a hash table, or differs on purpose."""
    first = sent[0]
    if first[0] == "HELLO":
        # Names and versions.
        return [reply[:2] for reply in got]
    if first[0] in ENDS_ALL or first[:2] in (("PUBSUB", "CHANNELS"), ("PUBSUB", "SHARDCHANNELS")):
        return sorted(line for reply in got for line in reply.split(b"\r\n"))
    # Patterns that match the same message are looked at in any order.
    runs: list[bytes] = []
    place = 0
    while place < len(got):
        end = place
        while end < len(got) and b"\r\npmessage\r\n" in got[end]:
            end += 1
        runs += sorted(got[place:end])
        if end < len(got):
            runs.append(got[end])
        place = end + 1
    return runs


@pytest.mark.timeout(600)
def test_subscribers_get_the_same_from_both(
    ours: ServerProcess, theirs: tuple[str, int], pytestconfig: pytest.Config
) -> None:
    source = random.Random(pytestconfig.getoption("hypothesis_seed") or 1)
    our = [ours.connect() for _ in range(CONNECTIONS)]
    their = [RawClient(theirs) for _ in range(CONNECTIONS)]
    for number in range(STEPS):
        sent = step(source)
        sender = source.randrange(CONNECTIONS)
        our[sender].send(requests(sent))
        their[sender].send(requests(sent))
        # The sender first: what it has caused is there when it has its answer.
        for place in (sender, *(n for n in range(CONNECTIONS) if n != sender)):
            mine = comparable(sent, received(our[place], f"mark{number}"))
            wanted = comparable(sent, received(their[place], f"mark{number}"))
            assert mine == wanted, f"step {number}: connection {sender} sent {sent}"
    for client in (our[0], their[0]):
        client.send(requests([("RESET",), ("CONFIG", "SET", "notify-keyspace-events", "")]))
        client.call("PING")
    for client in their:
        client.close()
