"""DUMP and RESTORE, for both servers: ``commands`` is one of them.

Of DUMP only what it says of missing keys is compared: the bytes of the same value differ, by their
version at least (``test_dump_exchange`` compares what comes of them). Left out is what differs: payloads
with something behind the value, which Redis and Valkey take, and times that overflow 64 bits, which they
let overflow.
"""

from __future__ import annotations

from typing import Final

from hypothesis import strategies as st

from dscache.rdb.dump import sealed
from raw_client import Word

Command = tuple[Word, ...]
Words = st.SearchStrategy[Command]

#: Values of all types in forms that Redis 7.0 knows.
_CONTENTS: Final = (
    b"\x00\x05hello",
    b"\x00\xc1\x00\x7f",
    b"\x00\xc3\x05\x40\x64\x00a\xe0\x5a\x00",
    b"\x01\x03\x01a\xc0\x0c\x00",
    # An element that is not packed is large. (Redis keeps a short one so; here the list is what it holds.)
    b"\x12\x02\x02\x0f\x0f\0\0\0\x03\0\x81a\x02\x81b\x02\n\x01\xff\x01\x63\x28" + b"p" * 9000,
    b"\x02\x02\x01a\xc0\x0c",
    b"\x0b\x0c\x02\0\0\0\x02\0\0\0\x01\0\x02\0",
    b"\x03\x02\x01a\x041.25\x01b\xfe",
    b"\x05\x01\x01a\0\0\0\0\0\0\xf0\x3f",
    b"\x11\x14\x14\0\0\0\x04\0\x81a\x02\x831.5\x04\x81b\x02\x02\x01\xff",
    b"\x04\x02\x01f\x01v\x01g\x00",
    b"\x09\x10\x02\x01f\x01\0v\x015\x02\x0317xxx\xff",
    b"\x10\r\r\0\0\0\x02\0\x81f\x02\x81v\x02\xff",
    b"\x13\x00\x00\x05\x05\x00\x00\x05\x05\x01\x00",
)
#: What is no value.
_BAD_CONTENTS: Final = (
    b"",
    b"\x00\x7fhello",
    b"\x08\x05hello",
    b"\x02\x02\x01a\x01a",
    b"\x04\x00",
    b"\x05\x01\x01a\0\0\0\0\0\0\xf8\x7f",
    b"\x0b\x0c\x02\0\0\0\x02\0\0\0\x02\0\x01\0",
    b"\x10\r\r\0\0\0\x02\0\x81f\x03\x81v\x02\xff",
)

_payload: st.SearchStrategy[Word] = st.sampled_from(
    [sealed(content, version) for content in _CONTENTS for version in (9, 10)]
)
_bad_payload: st.SearchStrategy[Word] = st.sampled_from(
    [
        *(sealed(content, 10) for content in _BAD_CONTENTS),
        sealed(b"\x00\x05hello", 79),
        sealed(b"\x00\x05hello", 0xFFFF),
        sealed(b"\x00\x05hello", 10)[:-1],
        sealed(b"\x00\x05hello", 10)[:-1] + b"x",
        b"rubbish",
        "",
    ]
)
_key: st.SearchStrategy[Word] = st.sampled_from(["r1", "r1", "r2", "r3", "a"])

# No time to live, long ones, and words that are none.
_ttl: st.SearchStrategy[Word] = st.sampled_from([0, 0, 10**9, 10**10, -1, 2**63, "x", "1.5", ""])
# Far away and long past.
_due: st.SearchStrategy[Word] = st.sampled_from([0, 33177117420000, 1, 10**9, -1, "x"])


def _words(*parts: Word | st.SearchStrategy[Word]) -> Words:
    return st.tuples(
        *(st.just(part) if isinstance(part, str | bytes | int) else part for part in parts)
    )


def _join(*parts: Words) -> Words:
    return st.tuples(*parts).map(lambda joined: tuple(word for part in joined for word in part))


def _option(*choices: Words) -> Words:
    return st.one_of(st.just(()), *choices)


_replace = _option(_words(st.sampled_from(["REPLACE", "replace"])))
_use = _option(
    _words("IDLETIME", st.sampled_from([0, 1000, -1, "x"])),
    _words("FREQ", st.sampled_from([0, 255, 256, -1, "x"])),
    _words("IDLETIME", 1, "FREQ", 1),
    _words(st.sampled_from(["FREQ", "IDLETIME", "NX"])),
)

#: One command of these two, or one that reads what has come of them.
commands: Final = st.one_of(
    *[_join(_words("RESTORE", _key, _ttl, _payload), _replace)] * 4,
    *[_join(_words("RESTORE", _key, _due, _payload, "ABSTTL"), _replace)] * 2,
    _join(_words("RESTORE", _key, _ttl, _payload), _replace, _use),
    _join(_words("RESTORE", _key, _ttl, _bad_payload), _replace),
    _words("DUMP", st.sampled_from(["nothing", "no key"])),
    _words("RESTORE", _key, 0),
    _words(st.sampled_from(["TYPE", "PEXPIRETIME", "DEL"]), _key),
)
