"""BZPOPMIN, BZPOPMAX and BZMPOP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dscache.engine.errors import WRONG_TYPE
from dscache.wire.reply import NULL_ARRAY
from places import MEMORY, PLACES, Client


@pytest.fixture(params=PLACES)
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    client = Client(request.param)
    yield client
    client.close()


def wait(client: Client, *words: str | int) -> list[object]:
    """Another client sends a command that has to wait; the list will get its reply."""
    driver = client.driver
    blocked = driver.engine.blocking.clients
    replies = driver.start(*words, session=driver.new_session())
    driver.turn_until(lambda: driver.engine.blocking.clients == blocked + 1)
    assert replies == []
    return replies


def reply_of(client: Client, replies: list[object]) -> object:
    """The reply, when it has come."""
    client.driver.turn_until(lambda: bool(replies))
    return replies[0]


def test_what_is_there_is_popped_at_once(client: Client) -> None:
    client("ZADD", "z", 1, "a", 2, "b", 3, "c", 4, "d")
    assert client("BZPOPMIN", "none", "z", 0) == [b"z", b"a", 1.0]
    assert client.events == [(b"zpopmin", b"z")]
    assert client("BZPOPMAX", "z", "none", 0) == [b"z", b"d", 4.0]
    assert client.events == [(b"zpopmax", b"z")]
    assert client("BZMPOP", 0, 2, "none", "z", "MAX", "COUNT", 9) == [
        b"z",
        [[b"c", 3.0], [b"b", 2.0]],
    ]
    assert client.events == [(b"zpopmax", b"z"), (b"del", b"z")]


def test_a_client_waits_for_a_member(client: Client) -> None:
    replies = wait(client, "BZPOPMAX", "y", "z", 0)
    client("ZADD", "z", 1, "a", 2, "b")
    assert reply_of(client, replies) == [b"z", b"b", 2.0]
    assert client("ZRANGE", "z", 0, -1) == [b"a"]
    replies = wait(client, "BZMPOP", 0, 2, "x", "y", "MIN")
    client("ZINCRBY", "y", 7, "m")
    assert reply_of(client, replies) == [b"y", [[b"m", 7.0]]]
    assert not client.exists(b"y")


def test_stored_results_end_waiting(client: Client) -> None:
    client("ZADD", "source", 1, "a")
    for words in (
        "ZUNIONSTORE z 1 source", "ZRANGESTORE z source 0 -1", "ZDIFFSTORE z 1 source",
        "RENAME source z",
    ):  # fmt: skip
        replies = wait(client, "BZPOPMIN", "z", 0)
        client(*words.split())
        assert reply_of(client, replies) == [b"z", b"a", 1.0]


def test_clients_are_served_in_the_order_in_which_they_came(client: Client) -> None:
    first = wait(client, "BZPOPMIN", "z", 0)
    second = wait(client, "BZPOPMAX", "z", 0)
    client("ZADD", "z", 1, "a", 2, "b", 3, "c")
    assert reply_of(client, first) == [b"z", b"a", 1.0]
    assert reply_of(client, second) == [b"z", b"c", 3.0]


def test_other_types_do_not_end_waiting(client: Client) -> None:
    replies = wait(client, "BZPOPMIN", "z", 0)
    client("SET", "z", "v")
    assert replies == []
    client("DEL", "z")
    client("ZADD", "z", 1, "a")
    assert reply_of(client, replies) == [b"z", b"a", 1.0]


def test_waiting_ends_with_its_time() -> None:
    client = Client(MEMORY)
    one = wait(client, "BZPOPMIN", "z", "0.5")
    other = wait(client, "BZMPOP", "0.5", 1, "z", "MIN")
    client.driver.advance(0.6)
    client.driver.engine.tick()
    assert reply_of(client, one) is NULL_ARRAY
    assert reply_of(client, other) is NULL_ARRAY
    client.close()


def test_in_a_transaction_nothing_waits(client: Client) -> None:
    client("MULTI")
    client("BZPOPMIN", "z", 0)
    client("BZMPOP", 0, 1, "z", "MIN")
    assert client("EXEC") == [NULL_ARRAY, NULL_ARRAY]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("BZPOPMIN z x", b"-ERR timeout is not a float or out of range"),
        ("BZPOPMAX z -1", b"-ERR timeout is negative"),
        ("BZMPOP x 1 z MIN", b"-ERR timeout is not a float or out of range"),
        ("BZMPOP x 0 z MIN", b"-ERR numkeys should be greater than 0"),
        ("BZMPOP x 1 z MID", b"-ERR syntax error"),
        ("BZMPOP 0 1 z MIN COUNT 0", b"-ERR count should be greater than 0"),
        ("BZPOPMIN none s z 0", b"-" + WRONG_TYPE),
        ("BZMPOP 0 2 none s MIN", b"-" + WRONG_TYPE),
    ],
)
def test_mistakes_are_told_in_the_words_of_redis(client: Client, words: str, error: bytes) -> None:
    client("SET", "s", "v")
    client("ZADD", "other", 1, "a")
    assert client(*words.split()) == error
