"""What hypothesis sends to both servers: chunks of commands, each from one of three clients.

Keys and values are few, so that commands meet each other's keys, and odd: empty, binary, long enough to
be kept apart from their records. Times are far away or long past, so that nothing expires by chance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hypothesis import strategies as st

from differential import (
    acl_sequences,
    bits_sequences,
    dump_sequences,
    hash_sequences,
    list_sequences,
    script_sequences,
    set_sequences,
    stream_sequences,
    transaction_sequences,
    zset_sequences,
)
from raw_client import Word

Command = tuple[Word, ...]

DATABASES: Final = 4
CLIENTS: Final = 3

#: What happens on our side before a chunk; the peer has nothing like it.
LEAVE: Final = "leave memory as it is"
FLUSH: Final = "CACHE FLUSH"
EVICT: Final = "CACHE EVICT of some keys"
RELOAD: Final = "DEBUG RELOAD: everything is on disk only"


@dataclass(frozen=True)
class Chunk:
    """Commands that one client sends in one piece, and what happens before."""

    disk: str
    client: int
    commands: list[Command]


KEYS: Final[list[Word]] = ["a", "b", "c", "d", "counter", "{a}1", b"\x00\xff\r\n", "", "k" * 300]
_key = st.sampled_from(KEYS)
_LONG: Final = "abcdefgh" * 2500  # longer than what is kept inside a record
_text: st.SearchStrategy[Word] = st.sampled_from(
    ["", "x", "value", "ohmytext", "mynewtext", b"\x00\xff\r\n", "y" * 500, _LONG]
)
_number: st.SearchStrategy[Word] = st.sampled_from(
    [0, 1, -1, 10, 7, 2**31, 2**63 - 1, -(2**63), 2**63, "1.5", "-3e2", "1e400", "nan", " 1", "01"]
)
_value = _text | _number
_small = st.integers(-3, 12)
_index: st.SearchStrategy[Word] = st.sampled_from([0, 1, 2, 3, 4, -1, "x"])
_wild: st.SearchStrategy[Word] = _value | _key | st.sampled_from(["NX", "XX", "GET", "EX", "COUNT"])

# Far away and long past, in seconds and in milliseconds; then some that no server takes.
_at: st.SearchStrategy[Word] = st.sampled_from([33177117420, 33177117421, 40000000000, 1, 1000000])
_at_ms: st.SearchStrategy[Word] = st.sampled_from(
    [33177117420000, 33177117420001, 10**15, 1, 10**9]
)
_in: st.SearchStrategy[Word] = st.sampled_from([10**6, 10**7, 10**8])
_in_ms: st.SearchStrategy[Word] = st.sampled_from([10**9, 10**10])
_past: st.SearchStrategy[Word] = st.sampled_from([0, -1, -100])
_bad_time: st.SearchStrategy[Word] = st.sampled_from([2**63 - 1, -(2**63), 10**17, "x", "1.0"])


def _words(*parts: Word | st.SearchStrategy[Word]) -> st.SearchStrategy[Command]:
    return st.tuples(
        *(st.just(part) if isinstance(part, str | bytes | int) else part for part in parts)
    )


def _many(strategy: st.SearchStrategy[Word], most: int = 4) -> st.SearchStrategy[Command]:
    return st.lists(strategy, min_size=1, max_size=most).map(tuple)


def _join(*parts: st.SearchStrategy[Command]) -> st.SearchStrategy[Command]:
    return st.tuples(*parts).map(lambda joined: tuple(word for part in joined for word in part))


_nothing: st.SearchStrategy[Command] = st.just(())


def _option(*choices: st.SearchStrategy[Command]) -> st.SearchStrategy[Command]:
    return st.one_of(_nothing, *choices)


_expiry = st.one_of(
    _words("EX", _in),
    _words("px", _in_ms),
    _words("EXAT", st.just(33177117420)),
    _words("PXAT", st.just(33177117420001)),
    _words(st.sampled_from(["EX", "PX", "EXAT", "PXAT"]), _past | _bad_time),
)
_condition = st.sampled_from(["NX", "XX", "xx"])

# Not with times long past: Redis and we store such a key, and it expires when it is met or found;
# Valkey 9 deletes it at once. DBSIZE shows the difference.
_set = _join(
    _words("SET", _key, _value),
    _option(_words(_condition)),
    _option(_words("GET")),
    _option(_expiry, _words("KEEPTTL")),
)

_strings = st.one_of(
    _set,
    _words("SET", _key, _value),
    _words("GET", _key),
    _words("GETSET", _key, _value),
    _words("GETDEL", _key),
    _join(
        _words("GETEX", _key),
        _option(_expiry, _words("PERSIST"), _words("EXAT", _at), _words("PXAT", _at_ms)),
    ),
    _words("SETNX", _key, _value),
    _words("SETEX", _key, _in | _past | _bad_time, _value),
    _words("PSETEX", _key, _in_ms | _past | _bad_time, _value),
    _join(_words("MGET"), _many(_key)),
    _join(_words(st.sampled_from(["MSET", "MSETNX"])), _words(_key, _value), _words(_key, _value)),
    _words("APPEND", _key, _value),
    _words("STRLEN", _key),
    _words(st.sampled_from(["GETRANGE", "SUBSTR"]), _key, _small, _small),
    _words("SETRANGE", _key, st.sampled_from([0, 1, 5, 20, 20_000, -1]), _text),
    _words(st.sampled_from(["INCR", "DECR"]), _key),
    _words(st.sampled_from(["INCRBY", "DECRBY"]), _key, _number),
    _words("INCRBYFLOAT", _key, st.sampled_from([1, "1.5", "-0.25", "3e2", 10**15, "x", "inf"])),
    _join(
        _words("LCS", _key, _key),
        _option(_words("LEN"), _words("IDX"), _words("IDX", "MINMATCHLEN", _small)),
        _option(_words("WITHMATCHLEN")),
    ),
)

_keys = st.one_of(
    _join(_words(st.sampled_from(["DEL", "UNLINK", "EXISTS", "TOUCH"])), _many(_key)),
    _words("TYPE", _key),
    _words(st.sampled_from(["TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME", "PERSIST"]), _key),
    _words("EXPIRE", _key, _in | _past | _bad_time),
    _words("PEXPIRE", _key, _in_ms | _past | _bad_time),
    _words("EXPIREAT", _key, _at | _past | _bad_time),
    _words("PEXPIREAT", _key, _at_ms | _past | _bad_time),
    _words("EXPIREAT", _key, _at, st.sampled_from(["NX", "XX", "GT", "LT"])),
    _words("PEXPIREAT", _key, _at_ms, st.sampled_from(["NX", "XX", "GT", "LT"])),
    _words(
        "EXPIREAT", _key, _at, st.sampled_from(["NX", "XX", "GT"]), st.sampled_from(["GT", "LT"])
    ),
    _words(st.sampled_from(["RENAME", "RENAMENX"]), _key, _key),
    _join(_words("COPY", _key, _key), _option(_words("DB", _index)), _option(_words("REPLACE"))),
    _words("MOVE", _key, _index),
    _words("RANDOMKEY"),
    _words("KEYS", st.sampled_from(["*", "?", "[ab]", "{a}*", "k*", "", "\\*", "[^a]"])),
    _join(
        _words("SCAN", 0, "COUNT", 1000),
        _option(_words("MATCH", st.sampled_from(["*", "?", "[a-c]", "k*"]))),
        _option(_words("TYPE", st.sampled_from(["string", "list", "STRING"]))),
    ),
    _words("OBJECT", "ENCODING", _key),
    _words("DBSIZE"),
)

_databases = st.one_of(
    _words("SELECT", _index),
    _words("SWAPDB", _index, _index),
    _words(st.sampled_from(["FLUSHDB", "FLUSHALL"])),
    _words("FLUSHDB", st.sampled_from(["ASYNC", "SYNC", "NOW"])),
)

_connection = st.one_of(
    _words("PING"),
    _words("ECHO", _value),
    _words("HELLO", st.sampled_from([2, 3, 4])),
    _words("RESET"),
    _words("CLIENT", "SETNAME", st.sampled_from(["me", "not me"])),
    _words("CLIENT", "GETNAME"),
)

_transactions = st.one_of(
    _words("MULTI"),
    _words("EXEC"),
    _words("EXEC"),
    _words("DISCARD"),
    _join(_words("WATCH"), _many(_key)),
    _words("UNWATCH"),
)


@st.composite
def _mistake(draw: st.DrawFn) -> Command:
    """A command with a word too many, too few, or out of place."""
    words = list(draw(st.one_of(_strings, _keys, _databases, _transactions)))
    if str(words[0]).upper() in ("RANDOMKEY", "KEYS", "SCAN", "FLUSHALL"):
        return tuple(words)
    place = draw(st.integers(1, len(words)))
    match draw(st.sampled_from(["more", "less", "other"])):
        case "more":
            words.insert(place, draw(_wild))
        case "less" if place < len(words):
            del words[place]
        case _ if place < len(words):
            words[place] = draw(_wild)
    return tuple(words)


# Databases are emptied and swapped rarely, or there would never be anything in them.
_mixed = st.one_of(
    *[_strings] * 8, *[_keys] * 6, *[_transactions] * 2, _mistake(), _databases, _connection
)

#: What is compared, by the name of its group.
GROUPS: Final[dict[str, st.SearchStrategy[Command]]] = {
    "strings and keys": _mixed,
    "access control": acl_sequences.commands,
    "bits": bits_sequences.commands,
    "dump": dump_sequences.commands,
    "hashes": hash_sequences.commands,
    "lists": list_sequences.commands,
    "sets": set_sequences.commands,
    "sorted sets": zset_sequences.commands,
    "streams": stream_sequences.commands,
    "scripts": script_sequences.commands,
    "transactions": transaction_sequences.commands,
}

#: Chunks at least and at most, and commands in one at most, where it is not as usual: clients get in each
#: other's way if they take turns often.
_SIZES: Final = {"transactions": (8, 20, 5)}


def _without_nesting(chunks: list[Chunk]) -> list[Chunk]:
    """Leave out MULTI, WATCH and HELLO inside a transaction.

    To MULTI and WATCH Redis answers an error and goes on; Valkey 9 also fails the transaction, and
    from there on the two would have different data sets. HELLO changes the protocol in the middle of
    EXEC's reply; ours is in one protocol.
    """
    in_transaction = [False] * CLIENTS
    kept: list[Chunk] = []
    for chunk in chunks:
        commands: list[Command] = []
        for words in chunk.commands:
            name = str(words[0]).upper()
            if in_transaction[chunk.client] and name in ("MULTI", "WATCH", "HELLO"):
                continue
            commands.append(words)
            if name == "MULTI" and len(words) == 1:
                in_transaction[chunk.client] = True
            elif name in ("EXEC", "DISCARD", "RESET") and len(words) == 1:
                in_transaction[chunk.client] = False
        kept.append(Chunk(chunk.disk, chunk.client, commands))
    return kept


def _begun(chunks: list[Chunk]) -> list[Chunk]:
    """Every other EXEC begins a transaction: drawn by chance, MULTI and EXEC of one client seldom meet."""
    in_transaction = [False] * CLIENTS
    kept: list[Chunk] = []
    for chunk in chunks:
        commands: list[Command] = []
        for words in chunk.commands:
            begins = words == ("EXEC",) and not in_transaction[chunk.client]
            commands.append(("MULTI",) if begins else words)
            if begins or words == ("MULTI",):
                in_transaction[chunk.client] = True
            elif words in (("EXEC",), ("DISCARD",), ("RESET",)):
                in_transaction[chunk.client] = False
        kept.append(Chunk(chunk.disk, chunk.client, commands))
    return kept


def sequences_of(group: str) -> st.SearchStrategy[list[Chunk]]:
    """Sequences of chunks of a group's commands, and a few others."""
    own = GROUPS[group]
    least_chunks, most_chunks, most_commands = _SIZES.get(group, (1, 12, 12))
    command = own if own is _mixed else st.one_of(*[own] * 6, _keys, _transactions)
    chunk = st.builds(
        Chunk,
        disk=st.sampled_from([LEAVE, LEAVE, FLUSH, EVICT, EVICT, RELOAD]),
        client=st.integers(0, CLIENTS - 1),
        commands=st.lists(command, min_size=1, max_size=most_commands),
    )
    sequences = st.lists(chunk, min_size=least_chunks, max_size=most_chunks)
    if group == "transactions":
        sequences = sequences.map(_begun)
    return sequences.map(_without_nesting)
