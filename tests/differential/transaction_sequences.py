"""Transactions of several clients that get in each other's way: ``commands`` is one command of one of them.

Keys are few, so that what one client watches is what the others change, move to another database, let
expire or flush. The commands that a transaction is about are drawn much more often than others.

Left out is what Valkey 9 does otherwise: see ``sequences._without_nesting``; and it deletes a key at once
that a SET gives a time long past, as ``sequences`` says.
"""

from __future__ import annotations

from typing import Final

from hypothesis import strategies as st

from raw_client import Word

Command = tuple[Word, ...]
Words = st.SearchStrategy[Command]

_key: st.SearchStrategy[Word] = st.sampled_from(["a", "a", "b", "b", "c", "counter"])
_value: st.SearchStrategy[Word] = st.sampled_from(["", "x", 1, 10, 2**63 - 1, "y" * 20_000])
_index: st.SearchStrategy[Word] = st.sampled_from([0, 0, 1, 1, 2, 4, "x"])
# Long past, far away, and some that no server takes.
_seconds: st.SearchStrategy[Word] = st.sampled_from([0, -1, 10**6, 10**7, 2**63 - 1, "x"])
_at_ms: st.SearchStrategy[Word] = st.sampled_from([0, 1, 33177117420000])
# Nobody else is served while one client waits, so it waits for its time only.
_moment: Final = "0.001"


def _words(*parts: Word | st.SearchStrategy[Word]) -> Words:
    return st.tuples(
        *(st.just(part) if isinstance(part, str | bytes | int) else part for part in parts)
    )


def _watch(*keys: st.SearchStrategy[Word]) -> Words:
    return _words("WATCH", *keys)


_frame = st.one_of(
    # Those outside of a transaction begin one.
    *[_words("EXEC")] * 8,
    *[_watch(_key)] * 3,
    _watch(_key, _key),
    _words("DISCARD"),
    _words("UNWATCH"),
)

_changes = st.one_of(
    _words("SET", _key, _value),
    _words("SET", _key, _value, "GET"),
    _words("INCRBY", _key, st.sampled_from([1, -1, 2**63 - 1])),
    _words("APPEND", _key, _value),
    _words("DEL", _key),
    _words("GETDEL", _key),
    _words("RPUSH", _key, _value),
    _words("LPOP", _key),
    _words("HSET", _key, "field", _value),
    _words("HDEL", _key, "field"),
    _words("SADD", _key, "member"),
    _words("SREM", _key, "member", "other"),
    _words("ZADD", _key, "1.5", "member"),
    _words("XADD", _key, "1-1", "field", "value"),
    _words("SINTERSTORE", _key, _key, _key),
    _words("SORT", _key, "STORE", _key),
    _words("RENAME", _key, _key),
    _words("COPY", _key, _key, "DB", st.sampled_from([0, 1]), "REPLACE"),
    _words("MOVE", _key, _index),
)

_expiry = st.one_of(
    _words("EXPIRE", _key, _seconds),
    _words("PEXPIREAT", _key, _at_ms),
    _words("GETEX", _key, "PXAT", 33177117420000),
    _words("PERSIST", _key),
    _words("PEXPIRETIME", _key),
)

_reads = st.one_of(
    _words("GET", _key),
    _words("TYPE", _key),
    _words("EXISTS", _key, _key),
    _words("DBSIZE"),
    _words("RANDOMKEY"),
    _words("OBJECT", "ENCODING", _key),
)

_databases = st.one_of(
    *[_words("SELECT", _index)] * 3,
    *[_words("SWAPDB", _index, _index)] * 2,
    _words("FLUSHDB"),
    _words("FLUSHALL"),
    _words("FLUSHDB", st.sampled_from(["ASYNC", "NOW"])),
)

# Inside MULTI they answer at once.
_blocking = st.one_of(
    _words("BLPOP", _key, _key, _moment),
    _words("BLMOVE", _key, _key, "LEFT", "RIGHT", _moment),
    _words("BZPOPMIN", _key, _moment),
    _words("XREAD", "BLOCK", 1, "STREAMS", _key, "$"),
    _words("BLPOP", _key, st.sampled_from([-1, "x"])),
    _words("WAIT", 0, 0),
)

_mistakes = st.one_of(
    _words("NOPE"),
    _words("NOPE", _key, _value),
    _words("GET"),
    _words("CLIENT", "NOPE"),
    _words("SET", _key, _value, "EX", "x"),
    _words("LPUSH", _key),
    _words("EXEC", "x"),
    _words("MULTI", "x"),
    _words("WATCH"),
    _words("DISCARD", "x"),
)

# Not for transactions, or not what a transaction is usually made of.
_others = st.one_of(
    _words("RESET"),
    # Not allowed inside MULTI; a mistake elsewhere.
    _words("SHUTDOWN", "x"),
    _words("CLIENT", "SETNAME", st.sampled_from(["me", ""])),
    _words("CLIENT", "GETNAME"),
    _words("PUBLISH", "channel", "text"),
    _words("EVAL", "return redis.call('INCR', KEYS[1])", 1, _key),
    _words("EVAL", "redis.pcall('LPUSH', 'a', 1) return redis.call('GET', 'b')", 0),
    _words("EVAL", "return redis.call('DEL', 'a', 'b')", 0),
)

commands: Final = st.one_of(
    *[_frame] * 7,
    *[_changes] * 4,
    *[_expiry] * 2,
    _reads,
    _databases,
    _blocking,
    _mistakes,
    _others,
)
