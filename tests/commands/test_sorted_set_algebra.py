"""ZUNION, ZINTER, ZDIFF, what stores their results, and ZINTERCARD."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest

from dscache.engine.errors import WRONG_TYPE
from dscache.wire.reply import Pairs
from places import PLACES, Client

SYNTAX = b"-ERR syntax error"


@pytest.fixture(params=PLACES)
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    client = Client(request.param)
    client("ZADD", "x", 1, "a", 2, "b", 3, "c")
    client("ZADD", "y", 10, "b", 20, "c", 30, "d")
    client("SADD", "s", "c", "d", "e")
    yield client
    client.close()


def scores(client: Client, *words: str | int) -> dict[str, float]:
    """What a command answers with WITHSCORES, in its order."""
    reply = client(*words, "WITHSCORES")
    assert isinstance(reply, Pairs), reply
    found: dict[str, float] = {}
    for member, score in reply.items:
        assert isinstance(member, bytes)
        assert isinstance(score, float)
        found[member.decode()] = score
    return found


def test_unions_have_all_members_and_add_their_scores(client: Client) -> None:
    assert client("ZUNION", 2, "x", "y") == [b"a", b"b", b"c", b"d"]
    assert scores(client, "ZUNION", 2, "x", "y") == {"a": 1.0, "b": 12.0, "c": 23.0, "d": 30.0}
    assert scores(client, "ZUNION", 3, "s", "x", "none") == {
        "a": 1.0, "d": 1.0, "e": 1.0, "b": 2.0, "c": 4.0,
    }  # fmt: skip
    assert scores(client, "ZUNION", 2, "x", "x") == {"a": 2.0, "b": 4.0, "c": 6.0}
    assert client("ZUNION", 1, "none") == []


def test_intersections_have_what_all_have(client: Client) -> None:
    assert scores(client, "ZINTER", 2, "x", "y") == {"b": 12.0, "c": 23.0}
    assert scores(client, "ZINTER", 3, "x", "y", "s") == {"c": 24.0}
    assert scores(client, "ZINTER", 2, "x", "x") == {"a": 2.0, "b": 4.0, "c": 6.0}
    assert client("ZINTER", 2, "x", "none") == []


def test_differences_have_what_no_other_has(client: Client) -> None:
    assert scores(client, "ZDIFF", 2, "x", "y") == {"a": 1.0}
    assert scores(client, "ZDIFF", 2, "y", "s") == {"b": 10.0}
    assert scores(client, "ZDIFF", 2, "s", "x") == {"d": 1.0, "e": 1.0}
    assert scores(client, "ZDIFF", 2, "x", "none") == {"a": 1.0, "b": 2.0, "c": 3.0}
    assert client("ZDIFF", 3, "x", "none", "x") == []
    assert client("ZDIFF", 2, "none", "x") == []


def test_weights_and_aggregates_change_scores(client: Client) -> None:
    words = ("ZUNION", 2, "x", "y", "WEIGHTS", 10, "0.5")
    assert scores(client, *words) == {"a": 10.0, "d": 15.0, "b": 25.0, "c": 40.0}
    assert scores(client, *words, "AGGREGATE", "MIN") == {"b": 5.0, "a": 10.0, "c": 10.0, "d": 15.0}
    assert scores(client, *words, "aggregate", "max") == {
        "a": 10.0, "d": 15.0, "b": 20.0, "c": 30.0,
    }  # fmt: skip
    assert scores(client, "ZINTER", 2, "x", "y", "AGGREGATE", "MIN") == {"b": 2.0, "c": 3.0}
    assert scores(client, "ZINTER", 2, "s", "y", "WEIGHTS", 7, 0) == {"c": 7.0, "d": 7.0}


def test_what_is_no_number_becomes_zero(client: Client) -> None:
    client("ZADD", "inf", "inf", "a", "inf", "b")
    client("ZADD", "minus", "-inf", "a")
    assert scores(client, "ZUNION", 2, "inf", "minus") == {"a": 0.0, "b": math.inf}
    assert scores(client, "ZINTER", 2, "inf", "minus") == {"a": 0.0}
    assert scores(client, "ZUNION", 1, "inf", "WEIGHTS", 0) == {"a": 0.0, "b": 0.0}


def test_results_are_stored(client: Client) -> None:
    client("SET", "d", "a string that goes", "EX", 100)
    assert client("ZUNIONSTORE", "d", 2, "x", "y", "WEIGHTS", 1, 2) == 4
    assert client.events == [(b"zunionstore", b"d")]
    assert client("PTTL", "d") == -1
    assert scores(client, "ZRANGE", "d", 0, -1) == {"a": 1.0, "b": 22.0, "c": 43.0, "d": 60.0}
    assert client("ZINTERSTORE", "x", 2, "x", "y", "AGGREGATE", "MAX") == 2
    assert client.events == [(b"zinterstore", b"x")]
    assert scores(client, "ZRANGE", "x", 0, -1) == {"b": 10.0, "c": 20.0}
    assert client("ZDIFFSTORE", "d", 2, "y", "x") == 1
    assert client.events == [(b"zdiffstore", b"d")]
    assert scores(client, "ZRANGE", "d", 0, -1) == {"d": 30.0}


def test_storing_nothing_deletes(client: Client) -> None:
    client("SET", "d", "a string that goes")
    assert client("ZINTERSTORE", "d", 2, "x", "none") == 0
    assert client.events == [(b"del", b"d")]
    assert not client.exists(b"d")
    assert client("ZUNIONSTORE", "d", 1, "none") == 0
    assert client.events == []


def test_a_stored_result_is_its_own(client: Client) -> None:
    client("ZUNIONSTORE", "d", 1, "x")
    client("ZADD", "d", 9, "a")
    assert client("ZSCORE", "x", "a") == 1.0


def test_zintercard_counts_up_to_a_limit(client: Client) -> None:
    assert client("ZINTERCARD", 2, "x", "y") == 2
    assert client("ZINTERCARD", 2, "x", "y", "LIMIT", 0) == 2
    assert client("ZINTERCARD", 2, "x", "y", "limit", 1) == 1
    assert client("ZINTERCARD", 2, "x", "y", "LIMIT", 5) == 2
    assert client("ZINTERCARD", 2, "s", "y") == 2
    assert client("ZINTERCARD", 2, "x", "none") == 0


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("ZUNION 0 x", b"-ERR at least 1 input key is needed for 'zunion' command"),
        ("ZDIFFSTORE d 0 x", b"-ERR at least 1 input key is needed for 'zdiffstore' command"),
        ("ZUNION a x", b"-ERR value is not an integer or out of range"),
        ("ZINTER 3 x y", SYNTAX),
        ("ZUNION 1 x WEIGHTS", SYNTAX),
        ("ZUNION 2 x y WEIGHTS 1", SYNTAX),
        ("ZUNION 1 x WEIGHTS a", b"-ERR weight value is not a float"),
        ("ZUNION 1 x WEIGHTS nan", b"-ERR weight value is not a float"),
        ("ZUNION 1 x AGGREGATE", SYNTAX),
        ("ZUNION 1 x AGGREGATE foo", SYNTAX),
        ("ZUNIONSTORE d 1 x WITHSCORES", SYNTAX),
        ("ZDIFF 1 x WEIGHTS 1", SYNTAX),
        ("ZINTERCARD 1 x WITHSCORES", SYNTAX),
        ("ZINTERCARD 1 x LIMIT", SYNTAX),
        ("ZINTERCARD 1 x LIMIT -1", b"-ERR LIMIT can't be negative"),
        ("ZINTERCARD 1 x LIMIT a", b"-ERR LIMIT can't be negative"),
        ("ZINTER 1 x LIMIT 1", SYNTAX),
    ],
)
def test_mistakes_are_told_in_the_words_of_redis(client: Client, words: str, error: bytes) -> None:
    assert client(*words.split()) == error


def test_other_types_are_refused_before_options(client: Client) -> None:
    client("SET", "string", "v")
    for command in ("ZUNION", "ZINTER", "ZDIFF", "ZINTERCARD"):
        assert client(command, 2, "x", "string", "FOO") == b"-" + WRONG_TYPE
    assert client("ZUNIONSTORE", "d", 1, "string") == b"-" + WRONG_TYPE
