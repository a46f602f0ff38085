"""ZRANGE and its relatives, ZRANGESTORE, ZCOUNT, ZLEXCOUNT and the ZREMRANGEs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dscache.engine.errors import WRONG_TYPE
from dscache.wire.reply import Pairs
from places import MEMORY, PLACES, Client

NOT_AN_INTEGER = b"-ERR value is not an integer or out of range"
NOT_A_FLOAT = b"-ERR min or max is not a float"
NOT_A_STRING_RANGE = b"-ERR min or max not valid string range item"
SYNTAX = b"-ERR syntax error"
WRONG = b"-" + WRONG_TYPE


@pytest.fixture(params=PLACES)
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    client = Client(request.param)
    client("ZADD", "z", *(word for n, member in enumerate("abcdef", 1) for word in (n, member)))
    client("ZADD", "lex", *(word for member in "abcdef" for word in (0, member)))
    yield client
    client.close()


def members(client: Client, *words: str | int) -> str:
    """The members that a command answers, as one string."""
    reply = client(*words)
    assert isinstance(reply, list), reply
    return b"".join(reply).decode()


def test_ranges_by_rank_are_inclusive_and_may_count_from_the_end(client: Client) -> None:
    for start, stop, expected in (
        (0, -1, "abcdef"),
        (0, 2, "abc"),
        (-2, -1, "ef"),
        (-100, 100, "abcdef"),
        (3, 2, ""),
        (6, 10, ""),
        (5, 5, "f"),
        (0, -7, ""),
        (0, -6, "a"),
        (-(2**63), 2**63 - 1, "abcdef"),
    ):
        assert members(client, "ZRANGE", "z", start, stop) == expected
        backwards = members(client, "ZRANGE", "z", start, stop, "REV")
        assert backwards == members(client, "ZREVRANGE", "z", start, stop)
        assert len(backwards) == len(expected)
    assert members(client, "ZREVRANGE", "z", 0, 1) == "fe"
    assert members(client, "ZREVRANGE", "z", -2, -1) == "ba"
    assert client("ZRANGE", "none", 0, -1) == []


def test_ranges_by_score_may_exclude_their_ends(client: Client) -> None:
    for low, high, expected in (
        ("-inf", "+inf", "abcdef"),
        ("2", "4", "bcd"),
        ("(2", "4", "cd"),
        ("2", "(4", "bc"),
        ("(2", "(3", ""),
        ("4", "2", ""),
        ("", "(inf", "abcdef"),
        (" 2", "0x3", "bc"),
        ("5", "1e400", "ef"),
    ):
        assert members(client, "ZRANGEBYSCORE", "z", low, high) == expected
        assert members(client, "ZRANGE", "z", low, high, "BYSCORE") == expected
        assert members(client, "ZREVRANGEBYSCORE", "z", high, low) == expected[::-1]
        assert members(client, "ZRANGE", "z", high, low, "REV", "BYSCORE") == expected[::-1]
        assert client("ZCOUNT", "z", low, high) == len(expected)
    assert client("ZCOUNT", "none", 0, 1) == 0


def test_ranges_by_bytes_may_exclude_their_ends(client: Client) -> None:
    for low, high, expected in (
        ("-", "+", "abcdef"),
        ("[b", "[d", "bcd"),
        ("(b", "[d", "cd"),
        ("[b", "(d", "bc"),
        ("(b", "(c", ""),
        ("[bb", "+", "cdef"),
        ("-", "(", ""),
        ("[", "[a", "a"),
        ("+", "-", ""),
        ("+", "+", ""),
        ("-", "-", ""),
    ):
        assert members(client, "ZRANGEBYLEX", "lex", low, high) == expected
        assert members(client, "ZRANGE", "lex", low, high, "BYLEX") == expected
        assert members(client, "ZREVRANGEBYLEX", "lex", high, low) == expected[::-1]
        assert members(client, "ZRANGE", "lex", high, low, "BYLEX", "REV") == expected[::-1]
        assert client("ZLEXCOUNT", "lex", low, high) == len(expected)
    assert client("ZLEXCOUNT", "none", "-", "+") == 0


def test_limit_skips_and_bounds(client: Client) -> None:
    for offset, count, expected in (
        (0, 2, "bc"),
        (1, 2, "cd"),
        (3, 5, "e"),
        (4, 5, ""),
        (1, -1, "cde"),
        (1, -7, "cde"),
        (1, 0, ""),
        (-1, 3, ""),
        (2**63 - 1, 1, ""),
    ):
        limit = ("LIMIT", offset, count)
        assert members(client, "ZRANGEBYSCORE", "z", 2, 5, *limit) == expected
        assert members(client, "ZRANGE", "lex", "[b", "[e", "BYLEX", *limit) == expected
        mirrored = expected.translate(str.maketrans("bcde", "edcb"))
        assert members(client, "ZREVRANGEBYSCORE", "z", 5, 2, *limit) == mirrored
        assert members(client, "ZREVRANGEBYLEX", "lex", "[e", "[b", *limit) == mirrored


def test_scores_come_as_pairs(client: Client) -> None:
    for words in (
        "ZRANGE z 0 1 WITHSCORES",
        "ZRANGEBYSCORE z 1 2 withscores",
        "ZRANGE z -inf inf BYSCORE LIMIT 0 2 WITHSCORES",
    ):
        reply = client(*words.split())
        assert isinstance(reply, Pairs)
        assert reply.items == [(b"a", 1.0), (b"b", 2.0)]
    reply = client("ZREVRANGE", "z", 0, 0, "WITHSCORES")
    assert isinstance(reply, Pairs)
    assert reply.items == [(b"f", 6.0)]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("ZRANGE z 0 x", NOT_AN_INTEGER),
        ("ZRANGE z 0 1 FOO", SYNTAX),
        ("ZRANGE z 0 1 LIMIT 1", SYNTAX),
        ("ZRANGE z 0 1 LIMIT x 1 BYSCORE", NOT_AN_INTEGER),
        ("ZRANGE z 0 1 BYSCORE BYLEX", SYNTAX),
        ("ZREVRANGE z 0 1 REV", SYNTAX),
        ("ZRANGEBYSCORE z 0 1 BYSCORE", SYNTAX),
        ("ZRANGEBYSCORE z 0 nan", NOT_A_FLOAT),
        ("ZRANGEBYSCORE z ((1 2", NOT_A_FLOAT),
        ("ZRANGEBYSCORE z x 2 LIMIT 0", SYNTAX),
        ("ZRANGE z (1 2", NOT_AN_INTEGER),
        ("ZRANGEBYLEX z a [b", NOT_A_STRING_RANGE),
        ("ZRANGEBYLEX z -a +", NOT_A_STRING_RANGE),
        ("ZRANGESTORE d z 0 1 WITHSCORES", SYNTAX),
        ("ZCOUNT z 1 x", NOT_A_FLOAT),
        ("ZLEXCOUNT z 1 +", NOT_A_STRING_RANGE),
        ("ZREMRANGEBYRANK z 1 x", NOT_AN_INTEGER),
        ("ZREMRANGEBYSCORE z 1 x", NOT_A_FLOAT),
        ("ZREMRANGEBYLEX z 1 x", NOT_A_STRING_RANGE),
        (
            "ZRANGE z 0 1 LIMIT 0 1",
            SYNTAX + b", LIMIT is only supported in combination with either BYSCORE or BYLEX",
        ),
        (
            "ZRANGEBYLEX z - + WITHSCORES",
            SYNTAX + b", WITHSCORES not supported in combination with BYLEX",
        ),
    ],
)
def test_mistakes_are_told_in_the_words_of_redis(client: Client, words: str, error: bytes) -> None:
    assert client(*words.split()) == error


def test_other_types_are_refused(client: Client) -> None:
    client("SET", "s", "v")
    for words in (
        "ZRANGE s 0 1", "ZREVRANGE s 0 1", "ZRANGEBYSCORE s 0 1", "ZREVRANGEBYSCORE s 0 1",
        "ZRANGEBYLEX s - +", "ZREVRANGEBYLEX s + -", "ZRANGESTORE d s 0 1", "ZCOUNT s 0 1",
        "ZLEXCOUNT s - +", "ZREMRANGEBYRANK s 0 1", "ZREMRANGEBYSCORE s 0 1",
        "ZREMRANGEBYLEX s - +",
    ):  # fmt: skip
        assert client(*words.split()) == WRONG, words


def test_zrangestore_stores_what_zrange_answers(client: Client) -> None:
    client("SET", "d", "a string that goes")
    assert client("ZRANGESTORE", "d", "z", 1, 3) == 3
    assert client.events == [(b"zrangestore", b"d")]
    assert members(client, "ZRANGE", "d", 0, -1) == "bcd"
    assert client("ZRANGESTORE", "d", "z", 5, 2, "BYSCORE", "REV", "LIMIT", 1, 2) == 2
    assert members(client, "ZRANGE", "d", 0, -1) == "cd"
    assert client("ZSCORE", "d", "c") == 3.0
    assert client("ZRANGESTORE", "z", "z", 0, 0) == 1
    assert members(client, "ZRANGE", "z", 0, -1) == "a"
    assert client("ZRANGESTORE", "d", "z", 5, 6) == 0
    assert client.events == [(b"del", b"d")]
    assert client("ZRANGESTORE", "d", "none", 0, -1) == 0
    assert client.events == []
    assert not client.exists(b"d")


def test_removing_ranges_answers_how_many_there_were(client: Client) -> None:
    assert client("ZREMRANGEBYRANK", "z", 1, 2) == 2
    assert client.events == [(b"zremrangebyrank", b"z")]
    assert client("ZREMRANGEBYSCORE", "z", "(4", 5) == 1
    assert client.events == [(b"zremrangebyscore", b"z")]
    assert members(client, "ZRANGE", "z", 0, -1) == "adf"
    assert client("ZREMRANGEBYLEX", "lex", "[b", "(e") == 3
    assert client.events == [(b"zremrangebylex", b"lex")]
    assert members(client, "ZRANGE", "lex", 0, -1) == "aef"
    assert client("ZREMRANGEBYSCORE", "z", 100, 200) == 0
    assert client.events == []
    assert client("ZREMRANGEBYRANK", "z", 0, -1) == 3
    assert client.events == [(b"zremrangebyrank", b"z"), (b"del", b"z")]
    assert not client.exists(b"z")
    assert client("ZREMRANGEBYLEX", "none", "-", "+") == 0


@given(
    scores=st.lists(st.integers(0, 20), max_size=300),
    low=st.integers(-1, 21),
    high=st.integers(-1, 21),
    ends=st.tuples(st.sampled_from(["", "("]), st.sampled_from(["", "("])),
    limit=st.tuples(st.integers(0, 30), st.integers(-1, 30)),
)
def test_any_range_by_score_is_what_a_list_would_give(
    scores: list[int], low: int, high: int, ends: tuple[str, str], limit: tuple[int, int]
) -> None:
    client = Client(MEMORY)
    for n, score in enumerate(scores):
        client("ZADD", "z", score, b"%03d" % n)
    found = [
        b"%03d" % n
        for score, n in sorted((score, n) for n, score in enumerate(scores))
        if (low < score if ends[0] else low <= score)
        and (score < high if ends[1] else score <= high)
    ]
    words = (f"{ends[0]}{low}", f"{ends[1]}{high}")
    assert client("ZCOUNT", "z", *words) == len(found)
    offset, count = limit
    stop = None if count < 0 else offset + count
    assert client("ZRANGEBYSCORE", "z", *words, "LIMIT", *limit) == found[offset:stop]
    reply = client("ZRANGE", "z", *words[::-1], "BYSCORE", "REV", "LIMIT", *limit)
    assert reply == found[::-1][offset:stop]
    assert client("ZREMRANGEBYSCORE", "z", *words) == len(found)
    assert client("ZCARD", "z") == len(scores) - len(found)
    client.close()
