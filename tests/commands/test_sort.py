"""SORT and SORT_RO."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from manual_workers import ScriptedEngine
from places import PLACES, Client

WRONG_TYPE = b"-WRONGTYPE Operation against a key holding the wrong kind of value"
NO_SCORE = b"-ERR One or more scores can't be converted into double"
NOT_AN_INTEGER = b"-ERR value is not an integer or out of range"
SYNTAX = b"-ERR syntax error"


@pytest.fixture(params=PLACES)
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    client = Client(request.param)
    yield client
    client.close()


def words(text: str) -> list[bytes]:
    return text.encode().split()


def fill(client: Client) -> None:
    """A list with weights as strings and in hashes."""
    client("RPUSH", "l", 3, 1, 2, 10)
    for element, weight in ((3, 30), (1, 40), (2, -7), (10, 5)):
        client("SET", f"w_{element}", weight)
        client("HSET", f"h_{element}", "weight", weight, "name", f"name of {element}")


# Orders


def test_elements_are_sorted_as_numbers_or_as_bytes(client: Client) -> None:
    client("RPUSH", "l", 3, "1.5", -2, 10, "1e2", "0x10", "inf", "")
    assert client("SORT", "l") == [b"-2", b"", b"1.5", b"3", b"10", b"0x10", b"1e2", b"inf"]
    assert client("SORT", "l", "DESC", "ASC", "DESC", "LIMIT", 0, 2) == [b"inf", b"1e2"]
    expected = [b"", b"-2", b"0x10", b"1.5", b"10", b"1e2", b"3", b"inf"]
    assert client("SORT", "l", "alpha") == expected
    assert client("SORT_RO", "l", "ALPHA", "desc") == expected[::-1]


@pytest.mark.parametrize("number", ["x", "1x", "1e400", "nan", "1_0", "1 ", " ", "1e-400", "0x"])
def test_what_is_no_number_cannot_be_sorted_as_one(client: Client, number: str) -> None:
    client("RPUSH", "l", 1, number, 2)
    assert client("SORT", "l") == NO_SCORE
    assert client("SORT", "l", "STORE", "d") == NO_SCORE
    assert client("EXISTS", "d") == 0
    assert client("SORT", "l", "BY", "nosort") == [b"1", number.encode(), b"2"]


def test_equal_scores_are_in_the_order_of_their_bytes(client: Client) -> None:
    client("RPUSH", "l", "1.0", 1, "01", "+1")
    assert client("SORT", "l") == [b"+1", b"01", b"1", b"1.0"]
    assert client("SORT", "l", "BY", "none_*", "DESC") == [b"1.0", b"1", b"01", b"+1"]


def test_sets_and_sorted_sets_are_sorted_too(client: Client) -> None:
    client("SADD", "s", 3, 1, 2)
    client("ZADD", "z", 1, 20, 2, 10, 3, 30)
    assert client("SORT", "s", "DESC") == words("3 2 1")
    assert client("SORT", "z") == words("10 20 30")
    assert client("SORT", "z", "BY", "nosort") == words("20 10 30")
    assert client("SORT", "z", "BY", "nosort", "DESC") == words("30 10 20")
    assert client("SORT", "z", "BY", "nosort", "DESC", "LIMIT", 1, 1) == [b"10"]


def test_a_set_that_is_stored_unsorted_is_sorted_all_the_same(client: Client) -> None:
    client("SADD", "s", 3, 10, 2, "x")
    assert client("SORT", "s", "BY", "nosort", "STORE", "d") == 4
    assert client("LRANGE", "d", 0, -1) == words("10 2 3 x")
    assert client("SORT", "s", "BY", "nosort", "DESC", "STORE", "d") == 4
    assert client("LRANGE", "d", 0, -1) == words("x 3 2 10")


def test_a_list_that_is_not_sorted_keeps_its_order(client: Client) -> None:
    client("RPUSH", "l", 3, 1, "x", 2)
    assert client("SORT", "l", "BY", "nosort") == words("3 1 x 2")
    assert client("SORT", "l", "BY", "nosort", "DESC") == words("2 x 1 3")
    assert client("SORT", "l", "BY", "nosort", "DESC", "LIMIT", 1, 2) == words("x 1")
    # One pattern without a star is enough.
    assert client("SORT", "l", "BY", "nosort", "BY", "w_*") == words("3 1 x 2")


@pytest.mark.parametrize(
    ("start", "count", "expected"),
    [
        (0, 2, "1 2"),
        (1, 2, "2 3"),
        (-5, 2, "1 2"),
        (3, 10, "4"),
        (4, 1, ""),
        (100, -1, ""),
        (1, -1, "2 3 4"),
        (1, -7, "2 3 4"),
        (0, 0, ""),
        (0, 2**63 - 1, "1 2 3 4"),
    ],
)
def test_limit_takes_a_part(client: Client, start: int, count: int, expected: str) -> None:
    client("RPUSH", "l", 3, 1, 4, 2)
    assert client("SORT", "l", "LIMIT", start, count) == words(expected)


# What elements lead to


def test_elements_are_sorted_by_what_they_lead_to(client: Client) -> None:
    fill(client)
    assert client("SORT", "l", "BY", "w_*") == words("2 10 3 1")
    assert client("SORT", "l", "BY", "w_*", "DESC") == words("1 3 10 2")
    assert client("SORT", "l", "BY", "h_*->weight") == words("2 10 3 1")
    assert client("SORT", "l", "BY", "w_*", "ALPHA") == words("2 3 1 10")
    assert client("SORT", "l", "BY", "h_*->name") == NO_SCORE
    # Who has no weight counts as 0, or as nothing.
    client("DEL", "w_1")
    assert client("SORT", "l", "BY", "w_*") == words("2 1 10 3")
    assert client("SORT", "l", "BY", "w_*", "ALPHA") == words("1 2 3 10")
    assert client("SORT", "l", "BY", "w_*", "ALPHA", "DESC") == words("10 3 2 1")


def test_get_answers_what_elements_lead_to(client: Client) -> None:
    fill(client)
    client("DEL", "w_10")
    assert client("SORT", "l", "GET", "w_*") == [b"40", b"-7", b"30", None]
    assert client("SORT", "l", "LIMIT", 0, 2, "GET", "#", "GET", "h_*->name", "GET", "w_*") == [
        *(b"1", b"name of 1", b"40"),
        *(b"2", b"name of 2", b"-7"),
    ]
    # Hashes are no strings, strings no hashes, and without a star there is no key.
    assert client("SORT", "l", "LIMIT", 0, 1, "GET", "h_*", "GET", "w_*->name") == [None, None]
    assert client("SORT", "l", "LIMIT", 0, 1, "GET", "w_1", "GET", "h_*->none") == [None, None]


def test_patterns_are_read_as_redis_reads_them(client: Client) -> None:
    client("RPUSH", "l", "x")
    client("SET", "a*x*", "no")
    client("SET", "axb*", "first star only")
    client("SET", "ax->", "an arrow to nothing is part of the key")
    client("HSET", "axb", "f->g", "the first arrow counts")
    client("SET", "->x", "an arrow before the star is part of the key")
    patterns = ["a*b*", "a*->", "a*b->f->g", "->*"]
    gets = [word for pattern in patterns for word in ("GET", pattern)]
    assert client("SORT", "l", "BY", "nosort", *gets) == [
        b"first star only",
        b"an arrow to nothing is part of the key",
        b"the first arrow counts",
        b"an arrow before the star is part of the key",
    ]


# STORE


def test_store_puts_a_list(client: Client) -> None:
    fill(client)
    client("SET", "d", "old", "EX", 100)
    assert client("SORT", "l", "STORE", "d", "DESC") == 4
    assert client.events == [(b"sortstore", b"d")]
    assert client("LRANGE", "d", 0, -1) == words("10 3 2 1")
    assert client("TTL", "d") == -1
    assert client("SORT", "l", "GET", "w_*", "GET", "none_*", "STORE", "l") == 8
    assert client("LRANGE", "l", 0, -1) == [b"40", b"", b"-7", b"", b"30", b"", b"5", b""]
    assert client("OBJECT", "ENCODING", "l") == b"listpack"


def test_storing_nothing_deletes(client: Client) -> None:
    client("SET", "d", 1)
    assert client("SORT", "none", "STORE", "d") == 0
    assert client.events == [(b"del", b"d")]
    assert client("SORT", "none", "STORE", "d") == 0
    assert client.events == []
    assert client("SORT", "none") == client("SORT_RO", "none", "GET", "#") == []


def test_sort_ro_stores_nothing(client: Client) -> None:
    fill(client)
    assert client("SORT_RO", "l", "STORE", "d") == SYNTAX
    assert client("SORT_RO", "l", "BY", "w_*", "GET", "#", "LIMIT", 0, 1) == [b"2"]


def test_store_is_found_among_the_arguments(client: Client) -> None:
    arguments = ("l", "LIMIT", 0, "STORE", "GET", "STORE", "store", "a", "BY", "b", "STORE", "c")
    assert client("COMMAND", "GETKEYS", "SORT", *arguments) == [b"l", b"c"]
    assert client("COMMAND", "GETKEYS", "SORT", "l", "STORE") == [b"l"]
    assert client("COMMAND", "GETKEYS", "SORT_RO", "l", "STORE", "d") == [b"l"]


# Mistakes


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ("LIMIT 1", SYNTAX),
        ("LIMIT x 1", NOT_AN_INTEGER),
        ("LIMIT 1 x", NOT_AN_INTEGER),
        ("BY", SYNTAX),
        ("GET", SYNTAX),
        ("STORE", SYNTAX),
        ("ALFA", SYNTAX),
        ("", WRONG_TYPE),
    ],
)
def test_arguments_are_looked_at_before_the_key(client: Client, options: str, error: bytes) -> None:
    client("SET", "string", 1)
    client("HSET", "hash", "f", "v")
    for key in ("string", "hash"):
        assert client("SORT", key, *options.split()) == error


# Keys on disk


def test_keys_that_elements_lead_to_are_loaded_all_at_once() -> None:
    scripted = ScriptedEngine()
    count = 500
    elements = list(range(count))
    random.Random(1).shuffle(elements)
    scripted.run("RPUSH", "l", *elements)
    for number in elements:
        scripted.run("SET", f"w_{number}", -number)
        scripted.run("HSET", f"h_{number}", "f", f"of {number}")
    scripted.save_and_evict()
    loads = scripted.engine.loader.loads
    command = "SORT l BY w_* LIMIT 0 100 GET h_*->f GET #"
    replies = scripted.start(*command.split())
    restarts = 0
    while not replies:
        scripted.load()
        restarts += 1
    expected = [(b"of %d" % n, b"%d" % n) for n in reversed(range(count - 100, count))]
    assert replies == [[word for pair in expected for word in pair]]
    assert restarts == 3
    assert scripted.engine.loader.loads - loads == 1 + count + 100
    assert scripted.engine.loader.blocking_loads == 0
    assert all(entry.pins == 0 for entry in scripted.session.keyspace.space.entries.values())


def test_in_a_transaction_they_are_loaded_on_the_spot() -> None:
    scripted = ScriptedEngine()
    scripted.run("RPUSH", "l", 2, 1)
    scripted.run("MSET", "w_1", "one", "w_2", "two")
    scripted.save_and_evict()
    scripted.run("MULTI")
    scripted.run("SORT", "l", "GET", "w_*")
    assert scripted.run("EXEC") == [[b"one", b"two"]]
    assert scripted.engine.loader.blocking_loads == 2
