"""What hypothesis sends of sorted set commands to both servers.

Ranges by bytes go to keys of their own, whose members all have score 0: elsewhere they have no meaning.
LIMIT has no negative offset, for which Redis has two answers. Minus zero is not sent: whether it stays so
depends in Redis on the representation. Keys of other types come from elsewhere.
"""

from __future__ import annotations

from typing import Final

from hypothesis import strategies as st

from raw_client import Word

Command = tuple[Word, ...]
_Word = st.SearchStrategy[Word]
_Words = st.SearchStrategy[Command]

_key: _Word = st.sampled_from(["a", "b", "c", "z", "{a}1", "set"])
_flat_key: Final = "zlex"
_members: Final[list[Word]] = ["", "a", "aa", "ab", "b", "c", "10", b"\xff", b"a\x00", "m" * 70]
_member: _Word = st.sampled_from(_members)
_score: _Word = st.sampled_from(
    [
        0,
        1,
        1,
        2,
        3,
        -1,
        "1.5",
        "-2.25",
        "0.1",
        "1e3",
        "inf",
        "-inf",
        10**17,
        "17179869184",
        "x",
        "nan",
    ]
)
_end: _Word = st.sampled_from(
    [0, 1, 2, "(1", "(2", "-inf", "+inf", "inf", "(inf", "1.5", "(-2.25", "x", "(x", "nan"]
)
_lex_end: _Word = st.sampled_from(
    ["-", "+", "[", "(", "[a", "(a", "[aa", "(ab", "[b", "[c", b"[\xff", "a", ""]
)
_rank: _Word = st.sampled_from([0, 1, 2, 3, 10, -1, -2, -100, 2**63 - 1, "x"])
_count: _Word = st.sampled_from([1, 2, 3, 100, 0, -1, "x"])
_timeout: _Word = st.sampled_from(["-1", "x", ""])

_nothing: _Words = st.just(())


def _words(*parts: Word | _Word) -> _Words:
    return st.tuples(
        *(st.just(part) if isinstance(part, str | bytes | int) else part for part in parts)
    )


def _join(*parts: _Words) -> _Words:
    return st.tuples(*parts).map(lambda joined: tuple(word for part in joined for word in part))


def _many(one: _Words, most: int = 4) -> _Words:
    return st.lists(one, min_size=1, max_size=most).map(
        lambda found: tuple(word for words in found for word in words)
    )


def _maybe(*choices: _Words) -> _Words:
    return st.one_of(_nothing, *choices)


_with_scores = _maybe(_words(st.sampled_from(["WITHSCORES", "withscores"])))
_limit = _maybe(
    _words("LIMIT", st.sampled_from([0, 1, 2, 50, "x"]), st.sampled_from([-1, 0, 1, 2]))
)
_reversed = _maybe(_words("REV"))


@st.composite
def _numbered_keys(draw: st.DrawFn) -> Command:
    """A number and so many keys, mostly."""
    keys = draw(st.lists(_key, min_size=1, max_size=3))
    number = draw(st.sampled_from([len(keys)] * 12 + [0, len(keys) + 1]))
    return (number, *keys)


@st.composite
def _combined(draw: st.DrawFn) -> Command:
    """Numbered keys with weights and an aggregate, mostly as many weights as keys."""
    keys = draw(st.lists(_key, min_size=1, max_size=3))
    found: list[Word] = [len(keys), *keys]
    if draw(st.booleans()):
        weight: _Word = st.sampled_from([1, 2, 3, "0.5", "inf", "x"])
        found += ["WEIGHTS", *draw(st.lists(weight, min_size=len(keys), max_size=len(keys)))]
    if draw(st.booleans()):
        found += ["AGGREGATE", draw(st.sampled_from(["SUM", "min", "MAX", "MID"]))]
    return tuple(found)


_adding = st.one_of(
    _join(
        _words("ZADD", _key),
        _maybe(_words(st.sampled_from(["NX", "XX", "GT", "LT"]))),
        _maybe(_words(st.sampled_from(["CH", "GT", "xx"]))),
        _many(_words(_score, _member)),
    ),
    _join(_words("ZADD", _key), _many(_words(_score, _member))),
    _join(
        _words("ZADD", _key, "INCR"),
        _maybe(_words(st.sampled_from(["NX", "XX", "GT", "LT"]))),
        _words(_score, _member),
    ),
    _words("ZINCRBY", _key, _score, _member),
    _join(_words("ZADD", _flat_key), _many(_words(0, _member))),
)

_reading = st.one_of(
    _words(st.sampled_from(["ZCARD", "TYPE"]), _key),
    _words("OBJECT", "ENCODING", _key),
    _words("ZSCORE", _key, _member),
    _join(_words("ZMSCORE", _key), _many(_words(_member))),
    _join(
        _words(st.sampled_from(["ZRANK", "ZREVRANK"]), _key, _member),
        _maybe(_words(st.sampled_from(["WITHSCORE", "withscores"]))),
    ),
    _words("ZCOUNT", _key, _end, _end),
    _words("ZLEXCOUNT", _flat_key, _lex_end, _lex_end),
    _join(_words("ZRANGE", _key, _rank, _rank), _reversed, _with_scores),
    _join(_words("ZRANGE", _key, _end, _end, "BYSCORE"), _reversed, _limit, _with_scores),
    _join(
        _words("ZRANGE", _flat_key, _lex_end, _lex_end, "BYLEX"), _reversed, _limit, _with_scores
    ),
    _join(_words("ZREVRANGE", _key, _rank, _rank), _with_scores),
    _join(
        _words(st.sampled_from(["ZRANGEBYSCORE", "ZREVRANGEBYSCORE"]), _key, _end, _end),
        _with_scores,
        _limit,
    ),
    _join(
        _words(st.sampled_from(["ZRANGEBYLEX", "ZREVRANGEBYLEX"]), _flat_key, _lex_end, _lex_end),
        _limit,
    ),
)

_removing = st.one_of(
    _join(_words("ZREM", _key), _many(_words(_member))),
    _words("ZREMRANGEBYRANK", _key, _rank, _rank),
    _words("ZREMRANGEBYSCORE", _key, _end, _end),
    _words("ZREMRANGEBYLEX", _flat_key, _lex_end, _lex_end),
    _join(_words(st.sampled_from(["ZPOPMIN", "ZPOPMAX"]), _key), _maybe(_words(_count))),
    _join(
        _words("ZMPOP"),
        _numbered_keys(),
        _words(st.sampled_from(["MIN", "max", "MID"])),
        _maybe(_words("COUNT", _count)),
    ),
    # Only what does not wait.
    _words(st.sampled_from(["BZPOPMIN", "BZPOPMAX"]), _key, _timeout),
)

_combining = st.one_of(
    _join(_words("SADD", "set"), _many(_words(_member))),
    _join(_words(st.sampled_from(["ZUNION", "ZINTER"])), _combined(), _with_scores),
    _join(_words(st.sampled_from(["ZUNIONSTORE", "ZINTERSTORE"]), _key), _combined()),
    _join(_words("ZDIFF"), _numbered_keys(), _with_scores),
    _join(_words("ZDIFFSTORE", _key), _numbered_keys()),
    _join(_words("ZINTERCARD"), _numbered_keys(), _maybe(_words("LIMIT", _count))),
    _join(_words("ZRANGESTORE", _key, _key, _rank, _rank), _reversed),
    _join(_words("ZRANGESTORE", _key, _key, _end, _end, "BYSCORE"), _reversed, _limit),
)

#: Commands on sorted sets, for the chunks of ``sequences``.
commands: Final[_Words] = st.one_of(_adding, _adding, _reading, _reading, _removing, _combining)
