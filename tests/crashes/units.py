"""What clients send in the crash tests: transactions and scripts of random commands on the same few keys.

A *unit* is a transaction or a script. Each appends its own name to the list ``HISTORY``, in a database
of its own, so the list is the order in which units were carried out, and what a crash has left of it
says which of them must be found on disk: all that it names, and none besides. Nothing in a unit depends
on chance or on the time of day, so a real valkey-server that is given the same units in that order
must hold the same. Deadlines are far away or long past.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final

from raw_client import Word

Command = tuple[Word, ...]

#: How many databases there are, and which of them no unit swaps or empties.
DATABASES: Final = 4
HISTORY_DATABASE: Final = 3
HISTORY: Final = "history"

#: The keys that units are about. Those of one type are met by commands of others now and then.
KEYS: Final = [f"{kind}{n}" for kind in "nshlSzx" for n in range(5)]
#: Long strings, more of them than fit into memory.
LONG_KEYS: Final = 3000
_LONG_BYTES: Final = 4000

# The commands come as arguments: how many words, then the words. What they answer is the reply, and the
# place in history: taken first, or last. A script that has only read is started again when a key is
# missing; one that has written loads it on the spot.
_SCRIPT: Final = f"""
local function take_place()
  redis.call('SELECT', {HISTORY_DATABASE})
  local place = redis.call('RPUSH', '{HISTORY}', ARGV[2])
  redis.call('SELECT', ARGV[1])
  return place
end
local place = ARGV[3] == 'first' and take_place()
local replies, at = {{}}, 4
while at < #ARGV do
  local words = {{}}
  for n = 1, tonumber(ARGV[at]) do words[n] = ARGV[at + n] end
  at = at + #words + 1
  replies[#replies + 1] = redis.pcall(unpack(words))
end
return {{place or take_place(), replies}}
"""


@dataclass(frozen=True)
class Unit:
    """A transaction or a script."""

    name: str
    database: int
    commands: list[Command]
    #: Whether it is a script, and when that takes its place: "first" or "last".
    script: str

    def requests(self) -> list[Command]:
        """How it is sent."""
        if not self.script:
            place: list[Command] = [
                ("SELECT", HISTORY_DATABASE),
                ("RPUSH", HISTORY, self.name),
                ("SELECT", self.database),
            ]
            return [("MULTI",), *place, *self.commands, ("EXEC",)]
        words: list[Word] = [self.database, self.name, self.script]
        for command in self.commands:
            words += [len(command), *command]
        return [("SELECT", self.database), ("EVAL", _SCRIPT, 0, *words)]

    def replies(self, received: list[object]) -> tuple[int, list[object]]:
        """Its place in history and what its commands answered, from the replies to ``requests``."""
        last = received[-1]
        assert isinstance(last, list), f"{self.name}: {last!r}"
        if self.script:
            place, replies = last
        else:
            place, replies = last[1], last[3:]
        assert isinstance(place, int), f"{self.name}: {place!r}"
        return place, replies


class Units:
    """The endless sequence of units of one client: the same for the same seed."""

    def __init__(self, client: str, seed: str) -> None:
        self._client: Final = client
        self._source: Final = Random(f"{seed} {client}")
        self._count = 0
        # What is written says who wrote it, so that what is torn shows.
        self._written = 0

    def next(self) -> Unit:
        """One more."""
        source = self._source
        name = f"{self._client}:{self._count}"
        self._count += 1
        commands = [self._command() for _ in range(source.choice([1, 2, 5, 10, 20]))]
        script = source.choice(["", "", "first", "last"])
        return Unit(name, source.randrange(HISTORY_DATABASE), commands, script)

    def _command(self) -> Command:
        source = self._source
        chance = source.random()
        if chance < 0.004:
            return ("SWAPDB", source.randrange(3), source.randrange(3))
        if chance < 0.006:
            return ("FLUSHDB", source.choice(["SYNC", "ASYNC"]))
        return source.choice(_GROUPS)(self)

    # Words

    def _key(self, kind: str) -> str:
        source = self._source
        return source.choice(KEYS) if source.random() < 0.05 else f"{kind}{source.randrange(5)}"

    def _any_key(self) -> str:
        return self._source.choice(KEYS)

    def _long_key(self) -> str:
        return f"long{self._source.randrange(LONG_KEYS)}"

    def _value(self) -> str:
        self._written += 1
        length = self._source.choice([0, 0, 0, 20, 200, 2000, 20_000])
        return f"{self._client}.{self._count}.{self._written}:" + "v" * length

    def _member(self) -> str:
        return f"member{self._source.randrange(40)}"

    def _number(self) -> int:
        return self._source.randrange(-3, 20)

    def _due_ms(self) -> int:
        return 33_177_117_420_000 + self._source.randrange(10**6)

    # Commands

    def _of_strings(self) -> Command:
        source = self._source
        key, number = self._key("s"), self._key("n")
        return source.choice(
            [
                ("SET", key, self._value()),
                ("SET", key, self._value(), "PXAT", self._due_ms()),
                ("SET", key, self._value(), source.choice(["NX", "XX", "KEEPTTL", "GET"])),
                ("APPEND", key, self._value()),
                ("SETRANGE", key, source.choice([0, 10, 20_000]), self._value()),
                ("SETBIT", key, source.randrange(100_000), 1),
                ("GETDEL", key),
                ("GETEX", key, "PXAT", self._due_ms()),
                ("GET", key),
                ("MSETNX", key, self._value(), self._key("s"), self._value()),
                ("INCR", number),
                ("INCRBY", number, self._number()),
                ("INCRBYFLOAT", number, "0.5"),
                ("PFADD", self._key("s"), self._member(), self._member()),
            ]
        )

    def _of_long_strings(self) -> Command:
        source = self._source
        if source.random() < 0.5:
            value = f"{self._client}.{self._count}:".ljust(_LONG_BYTES, "l")
            first = source.randrange(LONG_KEYS - 20)
            return ("MSET", *(word for n in range(20) for word in (f"long{first + n}", value)))
        key = self._long_key()
        return source.choice(
            [
                ("APPEND", key, self._value()),
                ("SETRANGE", key, 100, self._value()),
                ("MGET", *(self._long_key() for _ in range(5))),
                ("DEL", *(self._long_key() for _ in range(5))),
                ("PEXPIREAT", key, self._due_ms()),
                ("STRLEN", key),
                ("RENAME", key, self._long_key()),
                ("COPY", key, self._long_key(), "REPLACE"),
            ]
        )

    def _of_hashes(self) -> Command:
        source = self._source
        key = self._key("h")
        return source.choice(
            [
                ("HSET", key, self._member(), self._value(), self._member(), self._value()),
                ("HSET", key, *(word for n in range(50) for word in (f"member{n}", self._count))),
                ("HSETNX", key, self._member(), self._value()),
                ("HDEL", key, self._member(), self._member()),
                ("HINCRBY", key, "counter", self._number()),
                ("HINCRBYFLOAT", key, "counter", "1.5"),
                ("HPEXPIREAT", key, self._due_ms(), "FIELDS", 2, self._member(), self._member()),
                ("HPERSIST", key, "FIELDS", 1, self._member()),
                ("HLEN", key),
                ("HGET", key, self._member()),
            ]
        )

    def _of_lists(self) -> Command:
        source = self._source
        key = self._key("l")
        side, other = source.choice(["LEFT", "RIGHT"]), source.choice(["LEFT", "RIGHT"])
        return source.choice(
            [
                ("RPUSH", key, self._value(), self._value()),
                ("LPUSH", key, self._value(), self._member()),
                ("RPUSH", key, *(f"{self._count}.{n}" for n in range(60))),
                ("LPOP", key, source.randrange(1, 4)),
                ("RPOP", key),
                ("LMOVE", key, self._key("l"), side, other),
                ("LSET", key, self._number(), self._value()),
                ("LTRIM", key, source.randrange(5), -1 - source.randrange(5)),
                ("LINSERT", key, "BEFORE", self._member(), self._value()),
                ("LREM", key, 1, self._member()),
                ("LINDEX", key, self._number()),
            ]
        )

    def _of_sets(self) -> Command:
        source = self._source
        key, other = self._key("S"), self._key("S")
        algebra = source.choice(["SINTERSTORE", "SUNIONSTORE", "SDIFFSTORE"])
        return source.choice(
            [
                ("SADD", key, self._member(), self._member(), self._number()),
                ("SADD", key, *range(self._count, self._count + 60)),
                ("SREM", key, self._member(), self._number()),
                ("SMOVE", key, other, self._member()),
                (algebra, key, other, self._key("S")),
                ("SISMEMBER", key, self._member()),
                ("SORT", key, "ALPHA", "STORE", self._key("l")),
            ]
        )

    def _of_sorted_sets(self) -> Command:
        source = self._source
        key, other = self._key("z"), self._key("z")
        return source.choice(
            [
                ("ZADD", key, self._number(), self._member(), "1e5", self._member()),
                ("ZADD", key, *(word for n in range(50) for word in (n, f"member{n}"))),
                ("ZADD", key, source.choice(["GT", "LT", "NX"]), self._number(), self._member()),
                ("ZINCRBY", key, "1.25", self._member()),
                ("ZREM", key, self._member(), self._member()),
                (source.choice(["ZPOPMIN", "ZPOPMAX"]), key, 2),
                ("ZREMRANGEBYRANK", key, 0, source.randrange(3)),
                (source.choice(["ZUNIONSTORE", "ZINTERSTORE"]), key, 2, other, self._key("z")),
                ("ZRANGESTORE", key, other, 0, 20),
                ("GEOADD", key, source.randrange(180), source.randrange(80), self._member()),
                ("ZRANK", key, self._member()),
            ]
        )

    def _of_streams(self) -> Command:
        source = self._source
        key = self._key("x")
        place = f"{source.randrange(60)}-{source.randrange(3)}"
        return source.choice(
            [
                ("XADD", key, f"{self._count}-*", "field", self._value()),
                ("XADD", key, "MAXLEN", 30, f"{self._count}-*", "field", self._value()),
                ("XDEL", key, place),
                ("XTRIM", key, "MAXLEN", 20),
                ("XGROUP", "CREATE", key, "group", "0", "MKSTREAM"),
                ("XGROUP", "CREATECONSUMER", key, "group", self._member()),
                ("XREADGROUP", "GROUP", "group", self._member(), "COUNT", 2, "STREAMS", key, ">"),
                ("XACK", key, "group", place),
                ("XGROUP", "SETID", key, "group", place),
            ]
        )

    def _of_keys(self) -> Command:
        source = self._source
        key, other = self._any_key(), self._any_key()
        return source.choice(
            [
                ("DEL", key),
                ("UNLINK", key, other),
                ("PEXPIREAT", key, self._due_ms()),
                ("EXPIRE", key, 10**8),
                ("EXPIREAT", key, 1),
                ("PERSIST", key),
                ("RENAME", key, other),
                ("RENAMENX", key, other),
                ("COPY", key, other, "REPLACE"),
                ("COPY", key, other, "DB", source.randrange(3), "REPLACE"),
                ("MOVE", key, source.randrange(3)),
                ("EXISTS", key, other),
                ("TYPE", key),
            ]
        )


_GROUPS: Final[list[Callable[[Units], Command]]] = [
    Units._of_strings,
    Units._of_strings,
    Units._of_long_strings,
    Units._of_hashes,
    Units._of_lists,
    Units._of_sets,
    Units._of_sorted_sets,
    Units._of_streams,
    Units._of_keys,
]
