"""BLPOP and its relatives as commands; how waiting works is in tests/engine/test_blocking.py."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dscache.wire.reply import NULL_ARRAY
from places import PLACES, Client

SYNTAX = b"-ERR syntax error"


@pytest.fixture(params=PLACES)
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    client = Client(request.param)
    yield client
    client.close()


def test_they_do_what_their_relatives_do_when_there_is_a_list(client: Client) -> None:
    client("RPUSH", "k", 1, 2, 3, 4, 5, 6, 7)
    assert client("BLPOP", "none", "k", 0) == [b"k", b"1"]
    assert client.events == [(b"lpop", b"k")]
    assert client("BRPOP", "k", "none", "1.5") == [b"k", b"7"]
    assert client.events == [(b"rpop", b"k")]
    assert client("BLMPOP", 0, 2, "none", "k", "RIGHT", "COUNT", 2) == [b"k", [b"6", b"5"]]
    assert client.events == [(b"rpop", b"k")]
    assert client("BLMOVE", "k", "other", "LEFT", "RIGHT", 0) == b"2"
    assert client.events == [(b"rpush", b"other"), (b"lpop", b"k")]
    assert client("BRPOPLPUSH", "k", "other", 0) == b"4"
    assert client.events == [(b"lpush", b"other"), (b"rpop", b"k")]
    assert client("BLMPOP", 0, 1, "k", "LEFT") == [b"k", [b"3"]]
    assert client.events == [(b"lpop", b"k"), (b"del", b"k")]
    assert client("LRANGE", "other", 0, -1) == [b"4", b"2"]


@pytest.mark.parametrize(
    "command",
    ["BLPOP k", "BRPOP k none", "BLMOVE k other LEFT LEFT", "BRPOPLPUSH k other", "BLMPOP"],
)
@pytest.mark.parametrize(
    ("timeout", "error"),
    [
        ("x", b"-ERR timeout is not a float or out of range"),
        ("", b"-ERR timeout is not a float or out of range"),
        ("nan", b"-ERR timeout is not a float or out of range"),
        (" 1", b"-ERR timeout is not a float or out of range"),
        ("-1", b"-ERR timeout is negative"),
        ("-0.5", b"-ERR timeout is negative"),
        ("1e300", b"-ERR timeout is out of range"),
        ("inf", b"-ERR timeout is out of range"),
        ("0x7FFFFFFFFFFFFF", b"-ERR timeout is out of range"),
    ],
)
def test_timeouts_are_seconds(client: Client, command: str, timeout: str, error: bytes) -> None:
    client("RPUSH", "k", 1)
    words = command.split()
    if command == "BLMPOP":
        words += [timeout, "1", "k", "LEFT"]
    else:
        words.append(timeout)
    assert client(*words) == error
    assert client("LLEN", "k") == 1


def test_ends_are_looked_at_before_the_timeout(client: Client) -> None:
    assert client("BLMOVE", "k", "other", "UP", "LEFT", "x") == SYNTAX
    assert client("BLMOVE", "k", "other", "LEFT", "DOWN", "x") == SYNTAX
    assert client("BLMPOP", "x", 1, "k", "UP") == SYNTAX


def test_waiting_ends_with_a_null_array(client: Client) -> None:
    driver = client.driver
    for command in (
        "BLPOP k other 1.5",
        "BRPOP k 1.5",
        "BLMPOP 1.5 2 k other LEFT COUNT 3",
        "BLMOVE k other LEFT LEFT 1.5",
        "BRPOPLPUSH k other 1.5",
    ):
        replies = driver.start(*command.split())
        driver.turn_until(lambda: driver.engine.blocking.clients == 1)
        driver.advance(1)
        driver.engine.turn()
        assert replies == []
        driver.advance(1)
        driver.turn_until(lambda replies=replies: bool(replies))
        assert replies == [NULL_ARRAY]
