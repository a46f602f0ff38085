"""HEXPIRE, HTTL and their relatives, HGETDEL, HGETEX and HSETEX."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from places import PLACES, Client

WRONG_TYPE = b"-WRONGTYPE Operation against a key holding the wrong kind of value"
NOT_AN_INTEGER = b"-ERR value is not an integer or out of range"
NO_FIELDS = b"-ERR Mandatory argument FIELDS is missing or not at the right position"
WRONG_COUNT = b"-ERR The `numfields` parameter must match the number of arguments"

#: The latest due time that Redis takes.
LATEST_MS = 2**46 - 1

Words = tuple[str | int, ...]


@pytest.fixture(params=PLACES)
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    client = Client(request.param)
    client("HSET", "h", "a", 1, "b", 2, "c", 3)
    yield client
    client.close()


def left(client: Client, *names: str) -> object:
    """How many milliseconds fields of ``h`` have got."""
    return client("HPTTL", "h", "FIELDS", len(names), *names)


# Setting due times


def test_the_four_commands_set_due_times_in_their_units(client: Client) -> None:
    now_ms = client.now_ms()
    for words, due_ms in (
        (("HEXPIRE", "h", 10), now_ms + 10_000),
        (("HPEXPIRE", "h", 1234), now_ms + 1234),
        (("HEXPIREAT", "h", 4_000_000_000), 4_000_000_000_000),
        (("HPEXPIREAT", "h", 4_000_000_000_123), 4_000_000_000_123),
    ):
        assert client(*words, "FIELDS", 3, "a", "none", "b") == [1, -2, 1]
        assert client.events == [(b"hexpire", b"h")]
        assert client("HPEXPIRETIME", "h", "fields", 4, "a", "b", "c", "x") == [
            due_ms,
            due_ms,
            -1,
            -2,
        ]


def test_a_time_that_has_passed_removes_the_field(client: Client) -> None:
    assert client("HEXPIRE", "h", 0, "FIELDS", 2, "a", "a") == [2, -2]
    assert client.events == [(b"hdel", b"h")]
    assert client("HPEXPIREAT", "h", client.now_ms(), "FIELDS", 1, "b") == [2]
    assert client("HEXPIREAT", "h", 1, "FIELDS", 2, "c", "x") == [2, -2]
    assert client.events == [(b"hdel", b"h"), (b"del", b"h")]
    assert client("EXISTS", "h") == 0
    # These were removed by a command, and did not expire.
    assert client("HEXPIRE", "h", 10, "FIELDS", 2, "a", "b") == [-2, -2]
    assert client.events == []


def test_conditions_look_at_the_present_due_time(client: Client) -> None:
    for option, answers, expected in (
        ("XX", [0, 0], [-1, -1]),
        ("GT", [0, 0], [-1, -1]),
        ("NX", [1, 1], [5000, 5000]),
        ("nx", [0, 0], [5000, 5000]),
    ):
        assert client("HPEXPIRE", "h", 5000, option, "FIELDS", 2, "a", "b") == answers
        assert bool(client.events) == (1 in answers)
        assert left(client, "a", "b") == expected
    client("HPEXPIRE", "h", 6000, "FIELDS", 1, "b")
    assert client("HPEXPIRE", "h", 5500, "GT", "FIELDS", 3, "a", "b", "c") == [1, 0, 0]
    assert client("HPEXPIRE", "h", 5500, "GT", "FIELDS", 1, "a") == [0]
    assert client("HPEXPIRE", "h", 5500, "LT", "FIELDS", 3, "a", "b", "c") == [0, 1, 1]
    assert client("HPEXPIRE", "h", 100, "xx", "FIELDS", 3, "a", "b", "c") == [1, 1, 1]
    assert left(client, "a", "b", "c") == [100, 100, 100]
    assert client("HPEXPIRE", "h", 0, "GT", "FIELDS", 1, "a") == [0]
    assert client("HPEXPIRE", "h", 0, "LT", "FIELDS", 1, "a") == [2]


@pytest.mark.parametrize("command", ["HEXPIRE", "HPEXPIRE", "HEXPIREAT", "HPEXPIREAT"])
def test_hexpire_refuses_what_makes_no_sense(client: Client, command: str) -> None:
    invalid = f"-ERR invalid expire time in '{command.lower()}' command".encode()
    positive = b"-ERR Parameter `numFields` should be greater than 0"
    for words, error in (
        (("x", "FIELDS", 1, "a"), NOT_AN_INTEGER),
        ((-1, "FIELDS", 1, "a"), b"-ERR invalid expire time, must be >= 0"),
        ((2**63 - 1, "FIELDS", 1, "a"), invalid),
        ((LATEST_MS + 1, "FIELDS", 1, "a"), invalid),
        ((10, "FIELD", 1, "a"), NO_FIELDS),
        ((10, "AT", "FIELDS", 1, "a"), NO_FIELDS),
        ((10, "NX", "XX", "FIELDS", 1, "a"), NO_FIELDS),
        ((10, "FIELDS", 0, "a"), positive),
        ((10, "FIELDS", -1, "a"), positive),
        ((10, "FIELDS", "x", "a"), positive),
        ((10, "FIELDS", 2, "a"), WRONG_COUNT),
        ((10, "FIELDS", 1, "a", "b"), WRONG_COUNT),
        ((10, "FIELDS", 1), f"-ERR wrong number of arguments for '{command.lower()}' command"),
    ):
        expected = error.encode() if isinstance(error, str) else error
        assert client(command, "h", *words) == expected
        assert client.events == []
    assert left(client, "a") == [-1]
    client("SET", "s", "text")
    assert client(command, "s", "x", "FIELDS", 1, "a") == WRONG_TYPE
    assert client(command, "none", "x", "FIELDS", 1, "a") == NOT_AN_INTEGER


def test_due_times_go_up_to_a_bound(client: Client) -> None:
    assert client("HPEXPIREAT", "h", LATEST_MS, "FIELDS", 1, "a") == [1]
    assert client("HEXPIREAT", "h", LATEST_MS // 1000, "FIELDS", 1, "b") == [1]
    assert client("HPEXPIRE", "h", LATEST_MS - client.now_ms(), "FIELDS", 1, "c") == [1]
    assert client("HPEXPIRETIME", "h", "FIELDS", 2, "a", "c") == [LATEST_MS] * 2


# Due times that stay, and that go


def test_hset_takes_the_due_time_and_numbers_keep_it(client: Client) -> None:
    client("HPEXPIRE", "h", 5000, "FIELDS", 3, "a", "b", "c")
    client("HSET", "h", "a", 5)
    client("HINCRBY", "h", "b", 5)
    client("HINCRBYFLOAT", "h", "c", 5)
    assert left(client, "a", "b", "c") == [-1, 5000, 5000]
    client("HDEL", "h", "b")
    client("HSETNX", "h", "b", 1)
    assert left(client, "b") == [-1]


def test_hpersist_takes_due_times_away(client: Client) -> None:
    client("HPEXPIRE", "h", 5000, "FIELDS", 2, "a", "b")
    assert client("HPERSIST", "h", "FIELDS", 3, "a", "c", "x") == [1, -1, -2]
    assert client.events == [(b"hpersist", b"h")]
    assert client("HPERSIST", "h", "FIELDS", 2, "a", "x") == [-1, -2]
    assert client.events == []
    assert left(client, "a", "b") == [-1, 5000]
    assert client("HPERSIST", "none", "FIELDS", 2, "a", "x") == [-2, -2]


# Reading due times


def test_times_are_rounded_up_to_seconds(client: Client) -> None:
    client("HPEXPIREAT", "h", 4_000_000_000_001, "FIELDS", 1, "a")
    assert client("HEXPIRETIME", "h", "FIELDS", 1, "a") == [4_000_000_001]
    assert client("HPEXPIRETIME", "h", "FIELDS", 1, "a") == [4_000_000_000_001]
    client("HPEXPIRE", "h", 1001, "FIELDS", 1, "a")
    assert client("HTTL", "h", "FIELDS", 3, "a", "b", "x") == [2, -1, -2]
    assert client("HPTTL", "h", "FIELDS", 3, "a", "b", "x") == [1001, -1, -2]
    client.driver.advance(0.001)
    assert client("HTTL", "h", "FIELDS", 1, "a") == [1]


@pytest.mark.parametrize(
    "command", ["HTTL", "HPTTL", "HEXPIRETIME", "HPEXPIRETIME", "HPERSIST", "HGETDEL", "HGETEX"]
)
def test_those_that_name_fields_only_refuse_what_makes_no_sense(
    client: Client, command: str
) -> None:
    positive = b"-ERR Number of fields must be a positive integer"
    nothing = None if command in ("HGETDEL", "HGETEX") else -2
    assert client(command, "none", "FIELDS", 2, "a", "b") == [nothing, nothing]
    for words, error in (
        (("FIELD", 1, "a"), NO_FIELDS),
        (("FIELDS", 0, "a"), positive),
        (("FIELDS", "x", "a"), positive),
        (("FIELDS", 2**63, "a"), positive),
        (("FIELDS", 2, "a"), WRONG_COUNT),
        (("FIELDS", 1, "a", "b"), WRONG_COUNT),
    ):
        assert client(command, "h", *words) == error
        assert client(command, "none", *words) == error
    client("SET", "s", "text")
    assert client(command, "s", "FIELD", 1, "a") == WRONG_TYPE
    assert client("HLEN", "h") == 3


# HGETDEL


def test_hgetdel_reads_fields_and_removes_them(client: Client) -> None:
    assert client("HGETDEL", "h", "FIELDS", 3, "a", "x", "a") == [b"1", None, None]
    assert client.events == [(b"hdel", b"h")]
    assert client("HGETDEL", "h", "FIELDS", 1, "a") == [None]
    assert client.events == []
    assert client("HGETDEL", "h", "fields", 2, "b", "c") == [b"2", b"3"]
    assert client.events == [(b"hdel", b"h"), (b"del", b"h")]
    assert client("EXISTS", "h") == 0


# HGETEX


@pytest.mark.parametrize(
    ("option", "left_ms"),
    [
        (("EX", 5), 5000),
        (("px", 1234), 1234),
        (("EXAT", 4_000_000_000), None),
        (("PXAT", 4_000_000_000_000), None),
    ],
)
def test_hgetex_reads_fields_and_sets_due_times(
    client: Client, option: Words, left_ms: int | None
) -> None:
    assert client("HGETEX", "h", *option, "FIELDS", 2, "a", "x") == [b"1", None]
    assert client.events == [(b"hexpire", b"h")]
    due_ms = 4_000_000_000_000 if left_ms is None else client.now_ms() + left_ms
    assert client("HPEXPIRETIME", "h", "FIELDS", 2, "a", "b") == [due_ms, -1]
    assert client("HGETEX", "h", "FIELDS", 2, "a", "b") == [b"1", b"2"]
    assert client.events == []
    assert client("HGETEX", "h", "PERSIST", "FIELDS", 3, "a", "b", "x") == [b"1", b"2", None]
    assert client.events == [(b"hpersist", b"h")]
    assert client("HGETEX", "h", "PERSIST", "FIELDS", 1, "a") == [b"1"]
    assert client.events == []
    assert left(client, "a") == [-1]


def test_hgetex_removes_fields_whose_time_has_passed(client: Client) -> None:
    assert client("HGETEX", "h", "EX", 0, "FIELDS", 2, "a", "a") == [b"1", None]
    assert client.events == [(b"hdel", b"h")]
    assert client("HGETEX", "h", "PXAT", 1, "FIELDS", 2, "b", "c") == [b"2", b"3"]
    assert client.events == [(b"hdel", b"h"), (b"del", b"h")]


def test_hgetex_refuses_what_makes_no_sense(client: Client) -> None:
    for words, error in (
        (("EX", "x", "FIELDS", 1, "a"), NOT_AN_INTEGER),
        (("PX", -1, "FIELDS", 1, "a"), b"-ERR invalid expire time, must be >= 0"),
        (("EXAT", 2**60, "FIELDS", 1, "a"), b"-ERR invalid expire time in 'hgetex' command"),
        (("EX", 5, "PERSIST", "FIELDS", 1, "a"), NO_FIELDS),
        (("EX", 5, "FIELDS"), WRONG_COUNT),
        (("PERSIST", "FIELDS", 1), WRONG_COUNT),
        (("KEEPTTL", "FIELDS", 1, "a"), NO_FIELDS),
    ):
        assert client("HGETEX", "h", *words) == error
        assert client.events == []


# HSETEX


def test_hsetex_sets_fields_with_a_due_time(client: Client) -> None:
    assert client("HSETEX", "h", "PX", 5000, "FIELDS", 2, "a", 7, "new", 8) == 1
    assert client.events == [(b"hset", b"h"), (b"hexpire", b"h")]
    assert client("HMGET", "h", "a", "b", "new") == [b"7", b"2", b"8"]
    assert left(client, "a", "b", "new") == [5000, -1, 5000]
    assert client("HSETEX", "h", "KEEPTTL", "FIELDS", 2, "a", 9, "other", 9) == 1
    assert client.events == [(b"hset", b"h")]
    assert left(client, "a", "other") == [5000, -1]
    assert client("HSETEX", "h", "FIELDS", 1, "a", 10) == 1
    assert left(client, "a") == [-1]
    assert client("HSETEX", "made", "exat", 4_000_000_000, "fields", 1, "a", 1) == 1
    assert client.events == [(b"hset", b"made"), (b"hexpire", b"made")]
    assert client("HEXPIRETIME", "made", "FIELDS", 1, "a") == [4_000_000_000]


def test_hsetex_looks_at_all_fields_first_if_wanted(client: Client) -> None:
    assert client("HSETEX", "h", "FXX", "FIELDS", 2, "a", 7, "x", 8) == 0
    assert client("HSETEX", "h", "FNX", "FIELDS", 2, "x", 7, "a", 8) == 0
    assert client("HSETEX", "none", "fxx", "FIELDS", 1, "a", 7) == 0
    assert client.events == []
    assert client("HGETALL", "h") == {b"a": b"1", b"b": b"2", b"c": b"3"}
    assert client("HSETEX", "h", "EX", 5, "FXX", "FIELDS", 2, "a", 7, "b", 8) == 1
    assert client("HSETEX", "h", "FNX", "EX", 6, "FIELDS", 1, "x", 7) == 1
    assert client("HTTL", "h", "FIELDS", 4, "a", "b", "c", "x") == [5, 5, -1, 6]
    assert client("HSETEX", "none", "FNX", "FIELDS", 1, "a", 7) == 1


def test_hsetex_removes_fields_whose_time_has_passed(client: Client) -> None:
    assert client("HSETEX", "h", "PXAT", 1, "FIELDS", 2, "a", 7, "x", 8) == 1
    assert client.events == [(b"hset", b"h"), (b"hdel", b"h")]
    assert client("HKEYS", "h") == [b"b", b"c"]
    assert client("HSETEX", "made", "EX", 0, "FIELDS", 1, "a", 7) == 1
    assert client.events == [(b"hset", b"made"), (b"hdel", b"made"), (b"del", b"made")]
    assert client("EXISTS", "made") == 0
    assert client("DBSIZE") == 1


def test_hsetex_refuses_what_makes_no_sense(client: Client) -> None:
    arity = b"-ERR wrong number of arguments for 'hsetex' command"
    count = b"-ERR invalid number of fields"
    one_condition = b"-ERR Only one of FXX or FNX arguments can be specified"
    one_time = b"-ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified"
    for words, error in (
        (("FIELDS", 1, "a"), arity),
        (("FIELDS", 2, "a", 1), arity),
        (("FIELDS", 1, "a", 1, "b"), arity),
        (("FNX", "KEEPTTL", "FIELDS", 1), arity),
        (("FIELDS", 0, "a", 1), count),
        (("FIELDS", "x", "a", 1), count),
        (("FIELDS", 2**31, "a", 1), count),
        (("FNX", "FXX", "FIELDS", 1, "a", 1), one_condition),
        (("EX", 5, "KEEPTTL", "FIELDS", 1, "a", 1), one_time),
        (("KEEPTTL", "PX", 5, "FIELDS", 1, "a", 1), one_time),
        (("FNX", "EX", 10, "KEEPTTL"), one_time),
        (("EX", "x", "FIELDS", 1, "a", 1), NOT_AN_INTEGER),
        (("EX", -1, "FIELDS", 1, "a", 1), b"-ERR invalid expire time, must be >= 0"),
        (
            ("PXAT", LATEST_MS + 1, "FIELDS", 1, "a", 1),
            b"-ERR invalid expire time in 'hsetex' command",
        ),
        (("NX", "FIELDS", 1, "a", 1), b"-ERR unknown argument: NX"),
    ):
        assert client("HSETEX", "h", *words) == error
        assert client("HSETEX", "none", *words) == error
    client("SET", "s", "text")
    assert client("HSETEX", "s", "FIELDS", 1, "a", 1) == WRONG_TYPE
    assert client("HGETALL", "h") == {b"a": b"1", b"b": b"2", b"c": b"3"}
    assert client("EXISTS", "none") == 0


def test_due_times_survive_eviction_and_restart(client: Client) -> None:
    client("HPEXPIRE", "h", 5000, "FIELDS", 1, "a")
    client("HPEXPIRE", "h", 7000, "FIELDS", 1, "b")
    client.driver.evict_all()
    assert left(client, "a", "b", "c") == [5000, 7000, -1]
    other = Client(client.place, client.driver.store)
    other.driver.advance(client.driver.clock.time() - other.driver.clock.time())
    assert left(other, "a", "b", "c") == [5000, 7000, -1]
    other.close()
