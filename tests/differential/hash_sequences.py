"""Commands on hashes, for both servers: ``commands`` is one of them.

Hashes keep to a few keys of their own, so that they are not overwritten all the time; some commands go to
a key that holds something else. Due times of fields are far away or long past.

What is wrong with a command on due times Redis 7.4 and Valkey 9 say in different words and look for in a
different order; so these are all right, and the words are tested elsewhere.
"""

from __future__ import annotations

from typing import Final

from hypothesis import strategies as st

from raw_client import Word

Command = tuple[Word, ...]
Words = st.SearchStrategy[Command]

_key: st.SearchStrategy[Word] = st.sampled_from(["h1", "h1", "h1", "h2", "h2", "h3", "a"])
_hash: st.SearchStrategy[Word] = st.sampled_from(["h1", "h1", "h2", "h3"])
_field: st.SearchStrategy[Word] = st.sampled_from(
    ["f1", "f2", "f3", "f4", "", b"\x00\xff", "L" * 70]
)
_number: st.SearchStrategy[Word] = st.sampled_from(
    [
        0,
        1,
        -1,
        10,
        2**63 - 1,
        -(2**63),
        2**63,
        "1.5",
        "-3e2",
        "1e400",
        "inf",
        "nan",
        " 1",
        "01",
        "x",
    ]
)
_value: st.SearchStrategy[Word] = _number | st.sampled_from(["", "value", "y" * 100, "z" * 20_000])
_in: st.SearchStrategy[Word] = st.sampled_from([10**6, 10**7])
_in_ms: st.SearchStrategy[Word] = st.sampled_from([10**9, 10**10])
_at: st.SearchStrategy[Word] = st.sampled_from([33177117420, 33177117421, 34000000000, 1])
_at_ms: st.SearchStrategy[Word] = st.sampled_from([33177117420000, 33177117420001, 10**9])


def _words(*parts: Word | st.SearchStrategy[Word]) -> Words:
    return st.tuples(
        *(st.just(part) if isinstance(part, str | bytes | int) else part for part in parts)
    )


def _many(strategy: Words, most: int = 4) -> Words:
    return st.lists(strategy, min_size=1, max_size=most).map(
        lambda found: tuple(word for part in found for word in part)
    )


def _join(*parts: Words) -> Words:
    return st.tuples(*parts).map(lambda joined: tuple(word for part in joined for word in part))


def _option(*choices: Words) -> Words:
    return st.one_of(st.just(()), *choices)


_names = _many(_words(_field))
_pairs = _many(_words(_field, _value))

_fields = _names.map(lambda names: ("FIELDS", len(names), *names))
_filling = st.integers(100, 140).map(
    lambda count: tuple(word for n in range(count) for word in (f"n{n}", n))
)

_plain = st.one_of(
    *[_join(_words(st.sampled_from(["HSET", "HSET", "HMSET"]), _key), _pairs)] * 4,
    _join(_words("HSET", _key), _filling),
    _words("HSETNX", _key, _field, _value),
    _words("HGET", _key, _field),
    _join(_words("HMGET", _key), _names),
    _join(_words("HDEL", _key), _names),
    _words(st.sampled_from(["HEXISTS", "HSTRLEN"]), _key, _field),
    _words(st.sampled_from(["HLEN", "HGETALL", "HKEYS", "HVALS"]), _key),
    _words("HINCRBY", _key, _field, _number),
    _words("HINCRBYFLOAT", _key, _field, _number),
    _join(
        _words("HSCAN", _key, st.sampled_from([0, 0, "x"]), "COUNT", 1000),
        _option(_words("MATCH", st.sampled_from(["*", "f*", "[^f]*"]))),
        _option(_words("NOVALUES")),
    ),
    _words("HRANDFIELD", _key, st.sampled_from([0, 1000, "x", -(2**63)])),
    _words("HRANDFIELD", _key, 1000, st.sampled_from(["WITHVALUES", "withvalues", "x"])),
    _words("OBJECT", "ENCODING", _key),
)

_condition = _option(_words(st.sampled_from(["NX", "XX", "GT", "lt"])))

_expiry = st.one_of(
    _join(_words("HEXPIRE", _hash, _in), _condition, _fields),
    _join(_words("HPEXPIRE", _hash, _in_ms), _condition, _fields),
    *[_join(_words("HEXPIREAT", _hash, _at), _condition, _fields)] * 2,
    *[_join(_words("HPEXPIREAT", _hash, _at_ms), _condition, _fields)] * 2,
    *[_join(_words(st.sampled_from(["HEXPIRETIME", "HPEXPIRETIME", "HPERSIST"]), _hash), _fields)]
    * 2,
    _join(_words(st.sampled_from(["HTTL", "HPTTL"]), "h4"), _fields),
)

_due = st.one_of(
    _words("EX", _in), _words("px", _in_ms), _words("EXAT", _at), _words("PXAT", _at_ms)
)
_set_fields = st.lists(st.tuples(_field, _value), min_size=1, max_size=4).map(
    lambda pairs: ("FIELDS", len(pairs), *(word for pair in pairs for word in pair))
)

_both = st.one_of(
    _join(_words("HGETDEL", _hash), _fields),
    _join(_words("HGETEX", _hash), _option(_due, _words("PERSIST")), _fields),
    _join(
        _words("HSETEX", _hash),
        _option(_words(st.sampled_from(["FNX", "FXX"]))),
        _option(_due, _words("KEEPTTL")),
        _set_fields,
    ),
)

#: One command on hashes.
commands: Final = st.one_of(*[_plain] * 3, _expiry, _both)
