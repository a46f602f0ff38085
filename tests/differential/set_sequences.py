"""What hypothesis sends to both servers of the commands on sets.

Members are few and odd, so that sets meet each other's members; runs of numbers and words take sets over
the thresholds of their encodings. What is chosen at random is compared by its size only, so choices that
change a set take all of it, or its only member.
"""

from __future__ import annotations

from typing import Final

from hypothesis import strategies as st

from raw_client import Word

Command = tuple[Word, ...]

_key: st.SearchStrategy[Word] = st.sampled_from(["a", "b", "c", "d", "{a}1", "text"])
_keys = st.lists(_key, min_size=1, max_size=4).map(tuple)
_member: st.SearchStrategy[Word] = st.one_of(
    st.sampled_from(
        ["x", "y", "z", "", "07", "+1", " 1", b"\x00\xff\r\n", "w" * 64, "w" * 65, "v" * 500]
    ),
    st.sampled_from([0, 1, 2, 3, -5, 10, 2**63 - 1, -(2**63), 2**63]),
)
_members = st.lists(_member, min_size=1, max_size=6).map(tuple)
_count: st.SearchStrategy[Word] = st.sampled_from([1000, 2**63 - 1, 0, -1, 2**63, "x", "1.5", ""])
_drawn: st.SearchStrategy[Word] = st.sampled_from([0, 1, 2, 5, 1000, -1, -7, -(2**63), "x", ""])
_limit: st.SearchStrategy[Word] = st.sampled_from([0, 1, 2, 1000, -1, "x"])


def _words(*parts: Word | st.SearchStrategy[Word]) -> st.SearchStrategy[Command]:
    return st.tuples(
        *(st.just(part) if isinstance(part, str | bytes | int) else part for part in parts)
    )


def _join(*parts: st.SearchStrategy[Command]) -> st.SearchStrategy[Command]:
    return st.tuples(*parts).map(lambda joined: tuple(word for part in joined for word in part))


@st.composite
def _run(draw: st.DrawFn) -> Command:
    """Many members at once, all different: numbers, or words."""
    start = draw(st.integers(0, 200))
    numbers = range(start, start + draw(st.sampled_from([20, 127, 128, 129, 300, 513])))
    if draw(st.booleans()):
        return tuple(numbers)
    return tuple(f"word{number}" for number in numbers)


_nothing: st.SearchStrategy[Command] = st.just(())

_changes = st.one_of(
    *[_join(_words("SADD", _key), _members)] * 3,
    _join(_words("SADD", _key), _run()),
    *[_join(_words("SREM", _key), _members)] * 2,
    _join(_words("SREM", _key), _run()),
    _words("SMOVE", _key, _key, _member),
    _words("SPOP", _key, _count),
    _join(_words("SINTERSTORE", _key), _keys),
    _join(_words("SUNIONSTORE", _key), _keys),
    # To a key of its own, whose encoding is not asked for: with many sets Redis puts all members of the
    # first into the result before it takes any out, and the encoding remembers that.
    _join(_words("SDIFFSTORE", "difference"), _keys),
    _words("SET", "text", "text"),
)

_reads = st.one_of(
    _words("SMEMBERS", _key | st.just("difference")),
    _words("SCARD", _key | st.just("difference")),
    _words("SISMEMBER", _key, _member),
    _join(_words("SMISMEMBER", _key), _members),
    _join(_words(st.sampled_from(["SINTER", "SUNION", "SDIFF"])), _keys),
    _join(
        _words("SINTERCARD", st.sampled_from([1, 2, 4, 0, -1, "x"])),
        _keys,
        st.one_of(_nothing, _words("LIMIT", _limit), _words("LIMIT"), _words("FOO", 1)),
    ),
    _words("SRANDMEMBER", _key, _drawn),
    _join(
        _words("SSCAN", _key, st.sampled_from([0, 0, "x", -1]), "COUNT", 1000),
        # So high that either server answers all at once.
        _words("COUNT", 5000),
        st.one_of(
            _nothing,
            _words("MATCH", st.sampled_from(["*", "?", "w*", "[0-9]*"])),
            _words("NOVALUES"),
            _words("TYPE", "set"),
        ),
    ),
    _words("OBJECT", "ENCODING", _key),
)

_mistakes = st.one_of(
    _words(st.sampled_from(["SADD", "SREM", "SMOVE", "SISMEMBER", "SSCAN"]), _key),
    _words(st.sampled_from(["SINTER", "SUNIONSTORE", "SMEMBERS", "SCARD", "SPOP"])),
    _words("SPOP", _key, 1, 2),
    _words("SRANDMEMBER", _key, 1, 2),
)

commands: Final[st.SearchStrategy[Command]] = st.one_of(*[_changes] * 5, *[_reads] * 4, _mistakes)
