"""INCR, DECR, INCRBY, DECRBY and INCRBYFLOAT."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from places import MEMORY, PLACES, Client

NOT_AN_INTEGER = b"-ERR value is not an integer or out of range"
NOT_A_FLOAT = b"-ERR value is not a valid float"
OVERFLOW = b"-ERR increment or decrement would overflow"


@pytest.fixture(params=PLACES)
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    client = Client(request.param)
    yield client
    client.close()


def test_a_missing_key_counts_as_zero(client: Client) -> None:
    assert client("INCR", "a") == 1
    assert client("DECR", "b") == -1
    assert client("INCRBY", "c", 5) == 5
    assert client("DECRBY", "d", 5) == -5
    assert client("INCRBYFLOAT", "e", "0.5") == b"0.5"
    assert client("MGET", "a", "b", "c", "d", "e") == [b"1", b"-1", b"5", b"-5", b"0.5"]


def test_counters_go_on_from_what_is_stored(client: Client) -> None:
    client("SET", "n", 17179869184)
    assert client("INCR", "n") == 17179869185
    assert client("INCRBY", "n", 17179869184) == 34359738369
    assert client("DECR", "n") == 34359738368
    assert client("DECRBY", "n", -2) == 34359738370
    assert client("GET", "n") == b"34359738370"


def test_the_result_must_fit_into_64_bits(client: Client) -> None:
    client("SET", "most", 9223372036854775807)
    client("SET", "least", -9223372036854775808)
    assert client("INCR", "most") == OVERFLOW
    assert client("DECR", "least") == OVERFLOW
    assert client("DECRBY", "most", -1) == OVERFLOW
    assert client("INCRBY", "least", -9223372036854775808) == OVERFLOW
    assert client("INCRBY", "most", -9223372036854775808) == -1
    assert client("DECRBY", "x", -9223372036854775808) == b"-ERR decrement would overflow"


@pytest.mark.parametrize(
    "text", ["", " 11", "11 ", "abc", "1.5", "01", "-0", "+1", "9223372036854775808", "1" * 21]
)
def test_what_is_no_canonical_integer_is_refused_and_kept(client: Client, text: str) -> None:
    client("SET", "n", text)
    assert client("INCR", "n") == NOT_AN_INTEGER
    assert client("INCRBY", "missing", text) == NOT_AN_INTEGER
    assert client("DECRBY", "missing", text) == NOT_AN_INTEGER
    assert client("GET", "n") == text.encode()
    assert client("GET", "missing") is None


def test_a_number_keeps_its_due_time(client: Client) -> None:
    client("SET", "n", 1, "EX", 100)
    due_ms = client.now_ms() + 100_000
    client("INCR", "n")
    assert client.due_ms(b"n") == due_ms
    client("INCRBYFLOAT", "n", 1)
    assert client.due_ms(b"n") == due_ms


def test_an_expired_number_counts_as_zero(client: Client) -> None:
    client("SET", "n", 41, "EX", 10)
    client.driver.advance(10)
    assert client("INCR", "n") == 1
    assert client.due_ms(b"n") == 0


def test_events_have_the_names_that_redis_gives_them(client: Client) -> None:
    for words in (("INCR", "n"), ("DECR", "n"), ("INCRBY", "n", 2), ("DECRBY", "n", 2)):
        client(*words)
        assert client.events == [(b"incrby", b"n")]
    client("INCRBYFLOAT", "n", 2)
    assert client.events == [(b"incrbyfloat", b"n")]
    client("INCRBY", "n", "x")
    assert client.events == []


def test_floats_are_added_as_redis_adds_them(client: Client) -> None:
    client("SET", "f", "1000.1")
    assert client("INCRBYFLOAT", "f", "0.1") == b"1000.19999999999999996"
    assert client("GET", "f") == b"1000.19999999999999996"
    assert client("INCRBYFLOAT", "f", "-1000.2") == b"-0.00000000000000006"


def test_floats_that_are_none_are_refused(client: Client) -> None:
    client("SET", "f", "1")
    assert client("INCRBYFLOAT", "f", "v") == NOT_A_FLOAT
    assert client("INCRBYFLOAT", "f", "nan") == NOT_A_FLOAT
    assert client("INCRBYFLOAT", "f", "+inf") == (b"-ERR increment would produce NaN or Infinity")
    client("SET", "f", "abc")
    assert client("INCRBYFLOAT", "f", "1") == NOT_A_FLOAT
    client("SET", "f", "1\0" + "2")
    assert client("INCRBYFLOAT", "f", "1") == NOT_A_FLOAT


@pytest.mark.parametrize("length", [6000, 50_000])
def test_a_long_string_is_no_number(client: Client, length: int) -> None:
    client("APPEND", "long", "1" * (length - 1))
    client("APPEND", "long", "1")
    assert client("INCR", "long") == NOT_AN_INTEGER
    assert client("INCRBYFLOAT", "long", "1") == NOT_A_FLOAT


def test_a_value_that_is_apart_on_disk_is_not_loaded_to_find_that_it_is_no_number() -> None:
    client = Client(MEMORY)
    client("SET", "long", "1" * 50_000)
    client.driver.evict_all()
    assert client("INCR", "long") == NOT_AN_INTEGER
    assert client("INCRBYFLOAT", "long", "1") == NOT_A_FLOAT
    assert not client.driver.session.keyspace.is_resident(b"long")
    client.close()
