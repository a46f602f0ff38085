"""List commands and SORT for the comparison with a real server (see ``sequences``).

Nothing here waits: BLPOP and its like come with arguments that are refused (what they do is tested in
``tests/engine/test_blocking.py``). SORT with ALPHA has no BY, and elements that are not ASCII are left
out: how equal weights are ordered, and how the server's locale orders letters, is not what is compared.
Numbers that ``strtod`` finds too large are left out as well: Redis remembers that one was, and fails the
next SORT for it.
"""

from __future__ import annotations

from typing import Final

from hypothesis import strategies as st

from raw_client import Word

Command = tuple[Word, ...]

_key: st.SearchStrategy[Word] = st.sampled_from(["l1", "l2", "l3", "l1", "l2", "a", "counter"])
_element: st.SearchStrategy[Word] = st.sampled_from(
    ["1", "2", "3", "10", "-5", "x", "", "3.5", "y" * 300, "z" * 9000, 128, 70000, -(2**40)]
)
_number: st.SearchStrategy[Word] = st.sampled_from(
    [0, 1, -1, 2, -2, 3, 5, -7, 100, 2**63 - 1, 2**63, "x", "1.5", "01"]
)
_end: st.SearchStrategy[Word] = st.sampled_from(["LEFT", "RIGHT", "left", "Right", "UP"])
_pattern: st.SearchStrategy[Word] = st.sampled_from(
    ["nosort", "w_*", "h_*->f", "*", "none_*", "h_*->", "#", "h_*"]
)


def _words(*parts: Word | st.SearchStrategy[Word]) -> st.SearchStrategy[Command]:
    return st.tuples(
        *(st.just(part) if isinstance(part, str | bytes | int) else part for part in parts)
    )


def _many(strategy: st.SearchStrategy[Word], most: int) -> st.SearchStrategy[Command]:
    return st.lists(strategy, min_size=1, max_size=most).map(tuple)


def _join(*parts: st.SearchStrategy[Command]) -> st.SearchStrategy[Command]:
    return st.tuples(*parts).map(lambda joined: tuple(word for part in joined for word in part))


def _options(*choices: st.SearchStrategy[Command]) -> st.SearchStrategy[Command]:
    """Up to four options, in any order, perhaps the same again."""
    return st.lists(st.one_of(*choices), max_size=4).map(
        lambda chosen: tuple(word for words in chosen for word in words)
    )


_pushes = st.one_of(
    _join(
        _words(st.sampled_from(["LPUSH", "RPUSH", "LPUSHX", "RPUSHX"]), _key), _many(_element, 12)
    ),
    # Long enough to be kept apart from their records, and in several chunks.
    _join(
        _words(st.sampled_from(["LPUSH", "RPUSH"]), _key),
        _many(_element, 6).map(lambda elements: elements * 60),
    ),
)


_wrong_count: st.SearchStrategy[Word] = st.sampled_from([0, 5, "x"])


@st.composite
def _lmpop(draw: st.DrawFn) -> Command:
    keys = draw(_many(_key, 3))
    right = len(keys)
    wrong = draw(_wrong_count)
    numkeys = right if draw(st.integers(0, 3)) else wrong
    return ("LMPOP", numkeys, *keys, draw(_end), *draw(_options(_words("COUNT", _number))))


_others = st.one_of(
    _join(_words(st.sampled_from(["LPOP", "RPOP"]), _key), _options(_words(_number))),
    _words("LLEN", _key),
    _words("LINDEX", _key, _number),
    # (Redis and Valkey take an index for 32 bits: 2^63-1 is -1 to them, and here it is out of range.)
    _words("LSET", _key, _number.filter(lambda number: number != 2**63 - 1), _element),
    _words("LRANGE", _key, _number, _number),
    _words("LRANGE", _key, 0, -1),
    _words("LTRIM", _key, st.sampled_from([0, 1, 2, -50]), st.sampled_from([-1, -2, 200])),
    _words("LINSERT", _key, st.sampled_from(["BEFORE", "after", "x"]), _element, _element),
    _words("LREM", _key, _number, _element),
    _join(
        _words("LPOS", _key, _element),
        _options(_words(st.sampled_from(["RANK", "COUNT", "MAXLEN"]), _number)),
    ),
    _words("RPOPLPUSH", _key, _key),
    _words("LMOVE", _key, _key, _end, _end),
    _lmpop(),
    _words("OBJECT", "ENCODING", _key),
)

_weights = st.one_of(
    _words("SET", st.sampled_from(["w_1", "w_2", "w_3", "w_10"]), st.integers(0, 9)),
    _words("HSET", st.sampled_from(["h_1", "h_2", "h_x"]), "f", st.integers(0, 9)),
)

_sorting = st.one_of(
    _join(
        _words(st.sampled_from(["SORT", "SORT_RO"]), _key),
        _options(
            _words(st.sampled_from(["ASC", "DESC", "desc"])),
            _words("LIMIT", _number, _number),
            _words("BY", _pattern),
            _words("GET", _pattern),
            _words("STORE", _key),
        ),
    ),
    _join(
        _words("SORT", _key, "ALPHA"),
        _options(
            _words("DESC"),
            _words("LIMIT", _number, _number),
            _words("GET", _pattern),
            _words("STORE", _key),
        ),
    ),
)

_timeout: st.SearchStrategy[Word] = st.sampled_from([1, "0.5", 0, -1, "x"])

_blocking = st.one_of(
    _words("BLMPOP", _timeout, 1, "no such list", "UP"),
    _words("BLMOVE", _key, _key, "UP", "LEFT", _timeout),
    _words(st.sampled_from(["BLPOP", "BRPOP"]), _key, st.sampled_from([-1, "x", "nan"])),
    _words("BRPOPLPUSH", _key, _key, st.sampled_from([-1, "x"])),
    _words("WAIT", 0, st.sampled_from([0, 10, -1, "x"])),
)

commands: Final[st.SearchStrategy[Command]] = st.one_of(
    *[_pushes] * 4, *[_others] * 6, _weights, *[_sorting] * 2, _blocking
)
