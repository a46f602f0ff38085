"""ZADD, ZREM, ZSCORE, ZRANK and their relatives, popping, random members and ZSCAN."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest

from dscache.engine.errors import WRONG_TYPE
from dscache.values.table import PAGE_MOST
from dscache.values.zset import ZSet
from dscache.wire.reply import NULL_ARRAY, Pairs
from places import MEMORY, PLACES, Client

NOT_A_FLOAT = b"-ERR value is not a valid float"
NOT_AN_INTEGER = b"-ERR value is not an integer or out of range"
SYNTAX = b"-ERR syntax error"
WRONG = b"-" + WRONG_TYPE


@pytest.fixture(params=PLACES)
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    client = Client(request.param)
    yield client
    client.close()


def items(client: Client, key: str) -> list[tuple[object, object]]:
    """Members and scores of a sorted set."""
    reply = client("ZRANGE", key, 0, -1, "WITHSCORES")
    if reply == []:
        return []
    assert isinstance(reply, Pairs)
    return reply.items


# ZADD and ZINCRBY


def test_zadd_answers_how_many_are_new(client: Client) -> None:
    assert client("ZADD", "z", 2, "b", 1, "a", "1.5", "c") == 3
    assert client.events == [(b"zadd", b"z")]
    assert client("ZADD", "z", 3, "a", 4, "d", 4, "d") == 1
    assert items(client, "z") == [(b"c", 1.5), (b"b", 2.0), (b"a", 3.0), (b"d", 4.0)]
    assert client("ZADD", "z", 3, "a", 4, "d") == 0
    assert client.events == []
    assert client("ZADD", "z", 5, "a") == 0
    assert client.events == [(b"zadd", b"z")]


def test_zadd_with_ch_counts_what_changes(client: Client) -> None:
    client("ZADD", "z", 1, "a", 2, "b")
    assert client("ZADD", "z", "CH", 1, "a", 3, "b", 4, "c") == 2


def test_zadd_with_a_condition_leaves_the_rest_alone(client: Client) -> None:
    client("ZADD", "z", 10, "a", 20, "b")
    assert client("ZADD", "z", "NX", 1, "a", 30, "c") == 1
    assert client("ZADD", "z", "XX", "ch", 11, "a", 40, "d") == 1
    assert items(client, "z") == [(b"a", 11.0), (b"b", 20.0), (b"c", 30.0)]
    assert client("ZADD", "z", "GT", "CH", 5, "a", 25, "b", 1, "e") == 2
    assert client("ZADD", "z", "LT", "CH", 5, "a", 26, "b", 2, "f") == 2
    assert client("ZADD", "z", "GT", "XX", "CH", 6, "a", 1, "b", 2, "g") == 1
    assert items(client, "z") == [
        (b"e", 1.0), (b"f", 2.0), (b"a", 6.0), (b"b", 25.0), (b"c", 30.0),
    ]  # fmt: skip
    assert client("ZADD", "z", "XX", 5, "none") == 0
    assert client.events == []
    assert client("ZADD", "none", "XX", 5, "a") == 0
    assert not client.exists(b"none")


def test_zadd_with_incr_adds_to_one_score(client: Client) -> None:
    assert client("ZADD", "z", "INCR", "1.5", "a") == 1.5
    assert client.events == [(b"zincr", b"z")]
    assert client("ZADD", "z", "incr", 2, "a") == 3.5
    assert client("ZADD", "z", "INCR", 0, "a") == 3.5
    assert client.events == []
    assert client("ZADD", "z", "NX", "INCR", 1, "a") is None
    assert client("ZADD", "z", "XX", "INCR", 1, "b") is None
    assert client("ZADD", "none", "XX", "INCR", 1, "b") is None
    assert client("ZADD", "z", "GT", "INCR", -1, "a") is None
    assert client("ZADD", "z", "LT", "INCR", 1, "a") is None
    assert client("ZADD", "z", "LT", "INCR", -1, "a") == 2.5
    assert items(client, "z") == [(b"a", 2.5)]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["NX"], b"syntax error"),
        (["1", "a", "2"], b"syntax error"),
        (["FOO", "1", "a"], b"syntax error"),
        (["NX", "XX", "1", "a"], b"XX and NX options at the same time are not compatible"),
        (["NX", "GT", "1", "a"], b"GT, LT, and/or NX options at the same time are not compatible"),
        (["LT", "GT", "1", "a"], b"GT, LT, and/or NX options at the same time are not compatible"),
        (["INCR", "1", "a", "2", "b"], b"INCR option supports a single increment-element pair"),
        (["x", "a"], b"value is not a valid float"),
        (["1", "a", "nan", "b"], b"value is not a valid float"),
    ],
)
def test_zadd_refuses(client: Client, words: list[str], error: bytes) -> None:
    if len(words) == 1:
        words = [*words, "CH"]
    assert client("ZADD", "z", *words) == b"-ERR " + error
    assert not client.exists(b"z")


def test_scores_are_read_as_strtod_reads_them(client: Client) -> None:
    for text, score in (
        ("0x10", 16.0),
        ("1e3", 1000.0),
        ("inf", math.inf),
        ("+inf", math.inf),
        ("-Infinity", -math.inf),
        (".5", 0.5),
        ("5.", 5.0),
        ("-0", 0.0),
        ("1e-320", 1e-320),
        ("0x1p-1074", 5e-324),
    ):
        client("ZADD", "z", text, "m")
        assert client("ZSCORE", "z", "m") == score
    for text in ("", " 1", "1 ", "1_0", "nan", "1e400", "-1e400", "1e-400", "0x", "0x1p9999", "x"):
        assert client("ZADD", "z", text, "m") == NOT_A_FLOAT
        assert client("ZINCRBY", "z", text, "m") == NOT_A_FLOAT


def test_zincrby_makes_what_is_not_there(client: Client) -> None:
    assert client("ZINCRBY", "z", "2.5", "a") == 2.5
    assert client.events == [(b"zincr", b"z")]
    assert client("ZINCRBY", "z", -3, "a") == -0.5
    assert client("ZINCRBY", "z", 0, "b") == 0.0
    assert items(client, "z") == [(b"a", -0.5), (b"b", 0.0)]


def test_infinity_less_infinity_is_refused(client: Client) -> None:
    client("ZADD", "z", "inf", "a")
    error = b"-ERR resulting score is not a number (NaN)"
    assert client("ZINCRBY", "z", "-inf", "a") == error
    assert client("ZADD", "z", "INCR", "-inf", "a") == error
    assert client("ZSCORE", "z", "a") == math.inf


# Removing and looking


def test_zrem_answers_how_many_were_there(client: Client) -> None:
    client("ZADD", "z", 1, "a", 2, "b", 3, "c")
    assert client("ZREM", "z", "a", "none", "a", "c") == 2
    assert client.events == [(b"zrem", b"z")]
    assert client("ZREM", "z", "none") == 0
    assert client.events == []
    assert client("ZREM", "z", "b", "x") == 1
    assert client.events == [(b"zrem", b"z"), (b"del", b"z")]
    assert not client.exists(b"z")
    assert client("ZREM", "z", "b") == 0


def test_scores_are_null_for_what_is_not_there(client: Client) -> None:
    client("ZADD", "z", 1, "a", 2, "b")
    assert client("ZCARD", "z") == 2
    assert client("ZCARD", "none") == 0
    assert client("ZSCORE", "z", "b") == 2.0
    assert client("ZSCORE", "z", "x") is None
    assert client("ZSCORE", "none", "x") is None
    assert client("ZMSCORE", "z", "b", "x", "a") == [2.0, None, 1.0]
    assert client("ZMSCORE", "none", "b", "x") == [None, None]


def test_ranks_count_from_either_end(client: Client) -> None:
    client("ZADD", "z", 1, "a", 2, "b", 2, "c")
    assert [client("ZRANK", "z", member) for member in "abcd"] == [0, 1, 2, None]
    assert [client("ZREVRANK", "z", member) for member in "abcd"] == [2, 1, 0, None]
    assert client("ZRANK", "z", "b", "WITHSCORE") == [1, 2.0]
    assert client("ZREVRANK", "z", "a", "withscore") == [2, 1.0]
    assert client("ZRANK", "z", "x", "WITHSCORE") is NULL_ARRAY
    assert client("ZRANK", "none", "x", "WITHSCORE") is NULL_ARRAY
    assert client("ZRANK", "none", "x") is None
    assert client("ZRANK", "z", "x", "WITHSCORES") == SYNTAX
    error = b"-ERR wrong number of arguments for 'zrevrank' command"
    assert client("ZREVRANK", "z", "x", "WITHSCORE", "y") == error


# Popping


def test_a_single_pop_answers_member_and_score(client: Client) -> None:
    client("ZADD", "z", 1, "a", 2, "b", 3, "c")
    assert client("ZPOPMIN", "z") == [b"a", 1.0]
    assert client.events == [(b"zpopmin", b"z")]
    assert client("ZPOPMAX", "z") == [b"c", 3.0]
    assert client.events == [(b"zpopmax", b"z")]
    assert client("ZPOPMAX", "z") == [b"b", 2.0]
    assert client.events == [(b"zpopmax", b"z"), (b"del", b"z")]
    assert client("ZPOPMAX", "z") == []


def test_a_pop_with_a_count_answers_pairs(client: Client) -> None:
    client("ZADD", "z", 1, "a", 2, "b", 3, "c", 4, "d")
    reply = client("ZPOPMIN", "z", 1)
    assert isinstance(reply, Pairs)
    assert reply.items == [(b"a", 1.0)]
    assert client("ZPOPMIN", "z", 0) == []
    reply = client("ZPOPMAX", "z", 10)
    assert isinstance(reply, Pairs)
    assert reply.items == [(b"d", 4.0), (b"c", 3.0), (b"b", 2.0)]
    assert client("ZPOPMIN", "z", 5) == []
    error = b"-ERR value is out of range, must be positive"
    for count in (-1, "x", 2**63):
        assert client("ZPOPMIN", "z", count) == error
    assert client("ZPOPMIN", "z", 1, 2) == SYNTAX


def test_zmpop_takes_the_first_that_exists(client: Client) -> None:
    client("ZADD", "y", 1, "a", 2, "b", 3, "c")
    client("ZADD", "z", 1, "d")
    assert client("ZMPOP", 3, "none", "y", "z", "MIN") == [b"y", [[b"a", 1.0]]]
    assert client.events == [(b"zpopmin", b"y")]
    assert client("ZMPOP", 2, "y", "z", "max", "COUNT", 5) == [b"y", [[b"c", 3.0], [b"b", 2.0]]]
    assert client.events == [(b"zpopmax", b"y"), (b"del", b"y")]
    assert client("ZMPOP", 1, "none", "MIN") is NULL_ARRAY


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("0 z MIN", b"numkeys should be greater than 0"),
        ("x z MIN", b"numkeys should be greater than 0"),
        ("2 z MIN", b"syntax error"),
        ("1 z MID", b"syntax error"),
        ("1 z MIN COUNT", b"syntax error"),
        ("1 z MIN COUNT 0", b"count should be greater than 0"),
        ("1 z MIN COUNT x", b"count should be greater than 0"),
        ("1 z MIN COUNT 1 COUNT 1", b"syntax error"),
        ("1 z MIN FOO 1", b"syntax error"),
    ],
)
def test_zmpop_refuses(client: Client, words: str, error: bytes) -> None:
    assert client("ZMPOP", *words.split()) == b"-ERR " + error


# Random members and scanning


@pytest.mark.parametrize("total", [5, PAGE_MOST * 10])
def test_random_members_are_members(client: Client, total: int) -> None:
    expected = {b"%d" % n: float(n) for n in range(total)}
    for member, score in expected.items():
        client.driver.run("ZADD", "z", int(score), member)
    assert client("ZRANDMEMBER", "z") in expected
    for count in (1, 3, total // 2, total, total + 10):
        reply = client("ZRANDMEMBER", "z", count)
        assert isinstance(reply, list)
        assert len(reply) == len(set(reply)) == min(count, total)
        assert set(reply) <= set(expected)
    reply = client("ZRANDMEMBER", "z", -2 * total)
    assert isinstance(reply, list)
    assert len(reply) == 2 * total
    assert set(reply) <= set(expected)
    for count in (-7, 3, total):
        reply = client("ZRANDMEMBER", "z", count, "WITHSCORES")
        assert isinstance(reply, Pairs)
        assert len(reply.items) == abs(count)
        assert set(reply.items) <= set(expected.items())


def test_random_members_of_nothing(client: Client) -> None:
    assert client("ZRANDMEMBER", "none") is None
    assert client("ZRANDMEMBER", "none", 3) == []
    assert client("ZRANDMEMBER", "none", -3, "WITHSCORES") == []
    client("ZADD", "z", 1, "a")
    assert client("ZRANDMEMBER", "z", 0) == []
    assert client("ZRANDMEMBER", "z", 1, "WITHSCORE") == SYNTAX
    assert client("ZRANDMEMBER", "z", 1, "WITHSCORES", "x") == SYNTAX
    assert client("ZRANDMEMBER", "z", "x") == NOT_AN_INTEGER
    assert client("ZRANDMEMBER", "z", -(2**63)) == (
        b"-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807"
    )
    assert client("ZRANDMEMBER", "z", 2**62, "WITHSCORES") == b"-ERR value is out of range"


def test_zscan_of_a_small_sorted_set_is_one_page_in_order(client: Client) -> None:
    client("ZADD", "z", 3, "ab", "1.5", "a", "0.1", "b")
    assert client("ZSCAN", "z", 0) == [b"0", [b"b", b"0.1", b"a", b"1.5", b"ab", b"3"]]
    assert client("ZSCAN", "z", 0, "MATCH", "a*") == [b"0", [b"a", b"1.5", b"ab", b"3"]]
    assert client("ZSCAN", "none", 0) == [b"0", []]
    assert client("ZSCAN", "none", 0, "FOO") == [b"0", []]
    assert client("ZSCAN", "z", "x") == b"-ERR invalid cursor"
    assert client("ZSCAN", "z", 0, "COUNT", 0) == SYNTAX
    assert client("ZSCAN", "z", 0, "COUNT", "x") == NOT_AN_INTEGER
    assert client("ZSCAN", "z", 0, "FOO") == SYNTAX
    error = b"-ERR NOVALUES option can only be used in HSCAN"
    assert client("ZSCAN", "z", 0, "NOVALUES") == error


def test_zscan_of_few_members_goes_by_its_count_if_one_of_them_is_long(client: Client) -> None:
    client("ZADD", "z", *[word for n in range(20) for word in (n, f"m{n}")], 20, "m" * 65)
    first = client("ZSCAN", "z", 0, "COUNT", 15)
    assert isinstance(first, list)
    assert len(first[1]) == 30
    second = client("ZSCAN", "z", first[0], "COUNT", 15)
    assert isinstance(second, list)
    assert second[0] == b"0"
    assert len(set(first[1][::2] + second[1][::2])) == 21


def test_zscan_goes_through_a_large_sorted_set() -> None:
    client = Client(MEMORY)
    for n in range(1000):
        client("ZADD", "z", f"{n}.1", f"m{n}")
    cursor: object = b"0"
    seen: list[object] = []
    while cursor != b"0" or not seen:
        reply = client("ZSCAN", "z", cursor if isinstance(cursor, bytes) else b"", "COUNT", 50)
        assert isinstance(reply, list)
        cursor, found = reply
        assert len(found) < 200
        seen += found
    # As a skiplist, scores have up to 17 digits.
    assert dict(zip(seen[::2], seen[1::2], strict=True)) == {
        b"m%d" % n: b"%.17g" % (n + 0.1) for n in range(1000)
    }
    client.close()


def test_other_types_are_refused(client: Client) -> None:
    client("SET", "s", "v")
    for words in (
        "ZADD s 1 a", "ZADD s INCR 1 a", "ZINCRBY s 1 a", "ZREM s a", "ZCARD s", "ZSCORE s a",
        "ZMSCORE s a", "ZRANK s a", "ZREVRANK s a WITHSCORE", "ZPOPMIN s", "ZPOPMAX s 0",
        "ZMPOP 2 none s MIN", "ZRANDMEMBER s", "ZRANDMEMBER s 1", "ZSCAN s 0 FOO",
    ):  # fmt: skip
        assert client(*words.split()) == WRONG, words
    client("ZADD", "z", 1, "a")
    assert client("GET", "z") == WRONG


def test_the_encoding_and_the_due_time_stay(client: Client) -> None:
    client("ZADD", "z", 1, "a")
    client("EXPIRE", "z", 100)
    client("ZADD", "z", 2, "b" * 65)
    client("ZREM", "z", "b" * 65)
    assert client("ZCARD", "z") == 1
    keyspace = client.driver.session.keyspace
    assert keyspace.expiry_of(b"z")
    zset = keyspace.for_read(b"z")
    assert isinstance(zset, ZSet)
    assert zset.encoding(client.driver.engine.config) == b"skiplist"
