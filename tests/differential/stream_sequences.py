"""Commands on streams, for both servers: ``commands`` is one of them.

IDs are given, never made from the time, and so few that commands meet each other's entries. Nothing
waits: there is no BLOCK. ``COMPARISONS`` says how replies with times in them are compared.

Left out: XREAD of ``+`` from a stream that never had an entry, an error in Redis 7.4 and null in Valkey.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hypothesis import strategies as st

from raw_client import Word

Command = tuple[Word, ...]
Words = st.SearchStrategy[Command]

_key: st.SearchStrategy[Word] = st.sampled_from([*["x1"] * 8, *["x2"] * 3, "none", "a"])
_group: st.SearchStrategy[Word] = st.sampled_from([*["g"] * 8, "h", b"\x00\xff"])
_consumer: st.SearchStrategy[Word] = st.sampled_from(["alice", "bob", ""])
_number: st.SearchStrategy[Word] = st.sampled_from(
    [0, 1, 1, 2, 2, 3, 5, 5, 8, 20, 20, 100, -1, 2**31, "x", "1.5"]
)
_idle: st.SearchStrategy[Word] = st.sampled_from([*[0] * 8, 10**9, -1, "x"])
_odd_id: st.SearchStrategy[Word] = st.sampled_from(
    [
        "0",
        "0-0",
        "-",
        "+",
        "$",
        ">",
        "x",
        "1-x",
        "007-1",
        "",
        "18446744073709551615",
        "18446744073709551615-18446744073709551615",
        "18446744073709551616",
    ]
)
_near_id: st.SearchStrategy[Word] = st.builds("{}-{}".format, st.integers(1, 40), st.integers(0, 2))
_id: st.SearchStrategy[Word] = st.integers(0, 19).flatmap(
    lambda chance: _odd_id if chance == 19 else _near_id
)
_ms: st.SearchStrategy[Word] = st.builds("{}-*".format, st.integers(1, 40))
_new_id: st.SearchStrategy[Word] = st.integers(0, 19).flatmap(
    lambda chance: _odd_id if chance == 19 else _near_id if chance == 18 else _ms
)
_end: st.SearchStrategy[Word] = st.one_of(
    st.sampled_from(["-", "+"]), _id, st.builds("({}-1".format, st.integers(0, 40))
)
_text: st.SearchStrategy[Word] = st.sampled_from(
    ["", "v", "12345", "-7", b"\x00\xff\r\n", "y" * 70, "z" * 3000, "l" * 20_000]
)


def _words(*parts: Word | st.SearchStrategy[Word]) -> Words:
    return st.tuples(
        *(st.just(part) if isinstance(part, str | bytes | int) else part for part in parts)
    )


def _join(*parts: Words) -> Words:
    return st.tuples(*parts).map(lambda joined: tuple(word for part in joined for word in part))


def _mostly(*choices: tuple[int, Words]) -> Words:
    """One of several, by weight. (``one_of`` leaves out what it is given twice.)"""
    weighted = [strategy for weight, strategy in choices for _ in range(weight)]
    return st.integers(0, len(weighted) - 1).flatmap(lambda place: weighted[place])


def _many(strategy: Words, most: int = 3) -> Words:
    return st.lists(strategy, min_size=1, max_size=most).map(
        lambda found: tuple(word for part in found for word in part)
    )


def _option(*choices: Words) -> Words:
    nothing: Words = st.just(())
    return _mostly((3 * len(choices), nothing), *((1, choice) for choice in choices))


def _streams(numbers: st.SearchStrategy[Word]) -> Words:
    """``STREAMS key [key] id [id]``."""
    one = _words("STREAMS", _key, numbers)
    return _mostly((3, one), (1, _words("STREAMS", _key, _key, numbers, numbers)))


_operator = st.sampled_from([(), ("~",), ("=",)])
_limit = _option(_words("LIMIT", st.sampled_from([0, 10, 1000, -1, "x"])))
_trim = st.one_of(
    _join(_words("MAXLEN"), _operator, _words(_number), _limit),
    _join(_words("MINID"), _operator, _words(_id), _limit),
)
_count = _option(_words("COUNT", _number))
_fields = _many(_words(st.sampled_from(["f", "f", "other", ""]), _text))

_adding = _join(
    _words("XADD", _key), _option(_words("NOMKSTREAM"), _trim), _words(_new_id), _fields
)

_others: Words = st.one_of(
    _words("XLEN", _key),
    _join(_words(st.sampled_from(["XRANGE", "XREVRANGE"]), _key, _end, _end), _count),
    _join(_words("XDEL", _key), _many(_words(_id))),
    _join(_words("XTRIM", _key), _trim),
    _join(
        _words("XSETID", _key, _id),
        _option(_words("ENTRIESADDED", _number)),
        _option(_words("MAXDELETEDID", _id)),
    ),
    _join(_words("XREAD"), _count, _streams(_id.filter(lambda number: number != "+"))),
    _words("XINFO", "STREAM", _key),
    _words("XINFO", "GROUPS", _key),
    _words("XINFO", "CONSUMERS", _key, _group),
    _join(_words("XINFO", "STREAM", _key, "FULL"), _count),
)

_making = _join(
    _words("XGROUP", "CREATE", _key, _group, st.sampled_from(["0", "0", "0", "$", "5", "x"])),
    st.sampled_from([(), ("MKSTREAM",), ("MKSTREAM",)]),
    _option(_words("ENTRIESREAD", _number)),
)

_reading = _join(
    _words("XREADGROUP", "GROUP", _group, _consumer),
    _count,
    _option(_words("NOACK")),
    _streams(st.one_of(st.just(">"), _id)),
)

_pending: Words = st.one_of(
    _join(_words("XGROUP", "SETID", _key, _group, _id), _option(_words("ENTRIESREAD", _number))),
    _words("XGROUP", "DESTROY", _key, _group),
    _words("XGROUP", st.sampled_from(["CREATECONSUMER", "DELCONSUMER"]), _key, _group, _consumer),
    _join(_words("XACK", _key, _group), _many(_words(_id))),
    _join(
        _words("XCLAIM", _key, _group, _consumer, _idle),
        _many(_words(_id)),
        _option(_words("IDLE", st.sampled_from([10**9, "x"])), _words("TIME", 1)),
        _option(_words("RETRYCOUNT", _number)),
        _option(_words("FORCE")),
        _option(_words("JUSTID")),
        _option(_words("LASTID", _id)),
    ),
    _join(
        _words("XAUTOCLAIM", _key, _group, _consumer, _idle, _end),
        _count,
        _option(_words("JUSTID")),
    ),
    _words("XPENDING", _key, _group),
    _join(
        _words("XPENDING", _key, _group),
        _option(_words("IDLE", _idle)),
        _words(_end, _end, _number),
        _option(_words(_consumer)),
    ),
)

#: Any command on streams, right or wrong.
commands: Words = _mostly((8, _adding), (4, _others), (4, _making), (5, _reading), (5, _pending))


# Comparing

#: What a server tells by its clock, and counters that Redis 7.4 keeps otherwise after deletions.
_VOLATILE: Final = frozenset(
    (b"idle", b"inactive", b"seen-time", b"active-time", b"entries-read", b"lag")
)


def _without_times(reply: object) -> object:
    """A reply of XINFO without what may differ; a map becomes a flat list."""
    if isinstance(reply, dict):
        reply = [item for pair in reply.items() for item in pair]
    if not isinstance(reply, list):
        return reply
    return [
        None if place % 2 == 1 and _is_volatile(reply[place - 1], item) else _without_times(item)
        for place, item in enumerate(reply)
    ]


def _is_volatile(name: object, item: object) -> bool:
    # What is pending is shown with its times, or only counted.
    if not isinstance(name, bytes):
        return False
    return name in _VOLATILE or (name == b"pending" and isinstance(item, list))


def _same_info(ours: object, theirs: object) -> bool:
    return _without_times(ours) == _without_times(theirs)


def _same_pending(ours: object, theirs: object) -> bool:
    """Pending entries are ID, consumer, idle time in ms and number of deliveries."""
    if not isinstance(ours, list) or not isinstance(theirs, list) or len(ours) != len(theirs):
        return ours == theirs
    return all(
        isinstance(one, list)
        and isinstance(other, list)
        and len(one) == len(other) == 4
        and one[:2] + one[3:] == other[:2] + other[3:]
        for one, other in zip(ours, theirs, strict=True)
    )


#: By command: how its replies are compared, and why not for equality.
COMPARISONS: Final[dict[str, tuple[Callable[[object, object], bool], str]]] = {
    "XINFO": (_same_info, "times, and the lag, which Redis 7.4 tells more often than Valkey"),
    "XPENDING": (_same_pending, "idle times"),
}
