"""GET, SET and their relatives."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dscache.values.text import IN_PLACE_BYTES
from places import DISK, PLACES, Client

SYNTAX = b"-ERR syntax error"
NOT_AN_INTEGER = b"-ERR value is not an integer or out of range"
WRONG_TYPE = b"-WRONGTYPE Operation against a key holding the wrong kind of value"


@pytest.fixture(params=PLACES)
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    client = Client(request.param)
    yield client
    client.close()


@pytest.fixture
def with_list(client: Client) -> Client:
    """A client that finds a list at ``list``."""
    assert client("RPUSH", "list", "element") == 1
    return client


# GET and SET


def test_get_answers_what_was_set(client: Client) -> None:
    for value in (b"foobar", b"", b"\x00\r\n\xff", b"x" * 100_000):
        assert client("SET", "k", value) == b"OK"
        assert client("GET", "k") == value
    assert client("GET", "none") is None


def test_set_replaces_value_and_due_time(client: Client) -> None:
    client("SET", "k", "1", "EX", 100)
    client("SET", "k", "2")
    assert client.events == [(b"set", b"k")]
    assert client.due_ms(b"k") == 0
    assert client("GET", "k") == b"2"


@pytest.mark.parametrize(
    ("option", "time", "due_ms"),
    [
        ("EX", 10, 1_700_000_010_000),
        ("ex", 10, 1_700_000_010_000),
        ("PX", 10, 1_700_000_000_010),
        ("EXAT", 1_700_000_100, 1_700_000_100_000),
        ("PXAT", 1_700_000_100_001, 1_700_000_100_001),
    ],
)
def test_due_times_are_given_in_four_ways(
    client: Client, option: str, time: int, due_ms: int
) -> None:
    assert client("SET", "k", "v", option, time) == b"OK"
    assert client.events == [(b"set", b"k"), (b"expire", b"k")]
    assert client.due_ms(b"k") == due_ms
    assert client("GETEX", "other", option, time) is None
    client("SET", "other", "v")
    assert client("GETEX", "other", option, time) == b"v"
    assert client.events == [(b"expire", b"other")]
    assert client.due_ms(b"other") == due_ms


def test_a_key_is_gone_when_its_time_has_come(client: Client) -> None:
    client("SET", "k", "v", "PX", 1500)
    client.driver.advance(1.4)
    assert client("GET", "k") == b"v"
    client.driver.advance(0.1)
    assert client("GET", "k") is None
    assert client("SET", "k", "v", "XX") is None


def test_a_due_time_in_the_past_leaves_no_key(client: Client) -> None:
    client("SET", "k", "old")
    assert client("SET", "k", "v", "EXAT", 1) == b"OK"
    assert client("GET", "k") is None
    assert client("SETNX", "k", "new") == 1


@pytest.mark.parametrize("time", ["0", "-1", "9223372036854775807", "9223372036854775"])
def test_due_times_out_of_bounds_are_refused(client: Client, time: str) -> None:
    client("SET", "k", "v")
    assert client("SET", "k", "w", "EX", time) == b"-ERR invalid expire time in 'set' command"
    assert client("SETEX", "k", time, "w") == b"-ERR invalid expire time in 'setex' command"
    assert client("GETEX", "k", "EX", time) == b"-ERR invalid expire time in 'getex' command"
    assert client("PSETEX", "k", "0", "w") == b"-ERR invalid expire time in 'psetex' command"
    assert client("SET", "k", "w", "PX", "9223372036854775807") == (
        b"-ERR invalid expire time in 'set' command"
    )
    assert client("SET", "k", "w", "EX", "ten") == NOT_AN_INTEGER
    assert client("GET", "k") == b"v"
    assert client.due_ms(b"k") == 0


@pytest.mark.parametrize(
    "options",
    [
        "WHAT",
        "NX XX",
        "XX NX",
        "EX",
        "EX 10 PX 10",
        "EX 10 KEEPTTL",
        "KEEPTTL EX 10",
        "PXAT 10 EXAT 10",
        "PERSIST",
        "GET EX",
    ],
)
def test_options_of_set_that_contradict_each_other_are_refused(
    client: Client, options: str
) -> None:
    client("SET", "k", "v")
    assert client("SET", "k", "w", *options.split()) == SYNTAX
    assert client("GET", "k") == b"v"


def test_an_option_may_be_repeated(client: Client) -> None:
    assert client("SET", "k", "v", "NX", "nx", "EX", 10, "EX", 20) == b"OK"
    assert client.due_ms(b"k") == client.now_ms() + 20_000
    assert client("SET", "k", "w", "GET", "KEEPTTL", "GET", "KEEPTTL") == b"v"


def test_set_can_depend_on_whether_the_key_exists(client: Client) -> None:
    assert client("SET", "k", "1", "XX") is None
    assert client("SET", "k", "1", "NX") == b"OK"
    assert client("SET", "k", "2", "NX") is None
    assert client.events == []
    assert client("GET", "k") == b"1"
    assert client("SET", "k", "3", "XX") == b"OK"
    assert client("GET", "k") == b"3"


def test_set_can_answer_the_old_value(client: Client) -> None:
    assert client("SET", "k", "1", "GET") is None
    assert client("SET", "k", "2", "GET") == b"1"
    assert client("SET", "k", "3", "GET", "NX") == b"2"
    assert client("SET", "k", "4", "XX", "GET") == b"2"
    assert client("GET", "k") == b"4"
    assert client("SET", "none", "1", "GET", "XX") is None
    assert client("GET", "none") is None
    assert client("SET", "none", "1", "NX", "GET") is None
    assert client("GET", "none") == b"1"


def test_set_can_keep_the_due_time(client: Client) -> None:
    client("SET", "k", "1", "EX", 100)
    due_ms = client.due_ms(b"k")
    assert client("SET", "k", "2", "KEEPTTL") == b"OK"
    assert client.events == [(b"set", b"k")]
    assert client("SET", "k", "3", "XX", "KEEPTTL", "GET") == b"2"
    assert client.due_ms(b"k") == due_ms
    assert client("SET", "new", "1", "KEEPTTL") == b"OK"
    assert client.due_ms(b"new") == 0


@pytest.mark.parametrize(
    "words", ["SET k v", "SET k v EX 10", "SETEX k 10 v", "PSETEX k 10 v", "MSET k v l w"]
)
def test_a_write_that_needs_nothing_does_not_wait_for_the_disk(words: str) -> None:
    client = Client(DISK)
    client("SET", "k", "old")
    client.driver.evict_all()
    assert len(client.driver.start(*words.split())) == 1
    assert client("GET", "k") == b"v"
    client.close()


# SETEX, PSETEX, SETNX, GETSET


def test_setex_and_psetex_set_a_due_time(client: Client) -> None:
    assert client("SETEX", "k", 10, "v") == b"OK"
    assert client.events == [(b"set", b"k"), (b"expire", b"k")]
    assert client.due_ms(b"k") == client.now_ms() + 10_000
    assert client("PSETEX", "k", 10, "w") == b"OK"
    assert client.due_ms(b"k") == client.now_ms() + 10
    assert client("GET", "k") == b"w"


def test_setnx_sets_only_what_does_not_exist(client: Client) -> None:
    assert client("SETNX", "k", "1") == 1
    assert client.events == [(b"set", b"k")]
    assert client("SETNX", "k", "2") == 0
    assert client.events == []
    assert client("GET", "k") == b"1"


def test_getset_answers_the_old_value_and_removes_the_due_time(client: Client) -> None:
    assert client("GETSET", "k", "1") is None
    client("SET", "k", "2", "EX", 100)
    assert client("GETSET", "k", "3") == b"2"
    assert client.events == [(b"set", b"k")]
    assert client.due_ms(b"k") == 0
    assert client("GET", "k") == b"3"


# GETEX, GETDEL


def test_getex_without_options_changes_nothing(client: Client) -> None:
    client("SET", "k", "v", "EX", 100)
    due_ms = client.due_ms(b"k")
    assert client("GETEX", "k") == b"v"
    assert client.events == []
    assert client.due_ms(b"k") == due_ms


def test_getex_can_remove_the_due_time(client: Client) -> None:
    client("SET", "k", "v", "EX", 100)
    assert client("GETEX", "k", "PERSIST") == b"v"
    assert client.events == [(b"persist", b"k")]
    assert client.due_ms(b"k") == 0
    assert client("GETEX", "k", "PERSIST") == b"v"
    assert client.events == []


@pytest.mark.parametrize("option", ["EXAT", "PXAT"])
def test_getex_with_a_time_in_the_past_deletes(client: Client, option: str) -> None:
    client("SET", "k", "v")
    assert client("GETEX", "k", option, 1) == b"v"
    assert client.events == [(b"del", b"k")]
    assert client("GET", "k") is None


@pytest.mark.parametrize(
    "options", ["WHAT", "EX", "EX 10 PX 10", "PERSIST EX 10", "EX 10 PERSIST", "KEEPTTL", "GET"]
)
def test_options_of_getex_that_contradict_each_other_are_refused(
    client: Client, options: str
) -> None:
    client("SET", "k", "v")
    assert client("GETEX", "k", *options.split()) == SYNTAX


def test_getdel_answers_the_value_once(client: Client) -> None:
    client("SET", "k", "v")
    assert client("GETDEL", "k") == b"v"
    assert client.events == [(b"del", b"k")]
    assert client("GETDEL", "k") is None
    assert client.events == []


# Several keys


def test_mget_answers_null_for_what_is_missing(client: Client) -> None:
    client("MSET", "a", "1", "b", "2")
    client("APPEND", "long", "x" * IN_PLACE_BYTES)
    client("APPEND", "long", "y")
    long = b"x" * IN_PLACE_BYTES + b"y"
    assert client("MGET", "a", "none", "b", "a", "long") == [b"1", None, b"2", b"1", long]


def test_mset_sets_all_and_the_last_of_a_key_counts(client: Client) -> None:
    client("SET", "a", "0", "EX", 100)
    assert client("MSET", "a", "1", "b", "2", "a", "3") == b"OK"
    assert client.events == [(b"set", b"a"), (b"set", b"b"), (b"set", b"a")]
    assert client("MGET", "a", "b") == [b"3", b"2"]
    assert client.due_ms(b"a") == 0


def test_msetnx_sets_all_or_none(client: Client) -> None:
    assert client("MSETNX", "a", "1", "b", "2", "a", "3") == 1
    assert client("MSETNX", "c", "1", "b", "4") == 0
    assert client.events == []
    assert client("MGET", "a", "b", "c") == [b"3", b"2", None]


@pytest.mark.parametrize("command", ["MSET", "MSETNX"])
def test_a_key_without_a_value_is_refused(client: Client, command: str) -> None:
    assert client(command, "a", "1", "b") == (
        b"-ERR wrong number of arguments for '" + command.lower().encode() + b"' command"
    )
    assert client("GET", "a") is None


# Other types


@pytest.mark.parametrize(
    "words",
    [
        "GET list",
        "SET list v GET",
        "SET list v GET NX",
        "GETSET list v",
        "GETEX list",
        "GETEX list PERSIST",
        "GETDEL list",
        "APPEND list v",
        "STRLEN list",
        "SETRANGE list 0 v",
        "GETRANGE list 0 -1",
        "SUBSTR list 0 -1",
        "INCR list",
        "DECRBY list 5",
        "INCRBYFLOAT list 1.5",
    ],
)
def test_what_reads_or_edits_a_string_refuses_other_types(with_list: Client, words: str) -> None:
    assert with_list(*words.split()) == WRONG_TYPE
    assert with_list.events == []


def test_lcs_has_an_error_of_its_own_for_other_types(with_list: Client) -> None:
    text = b"-ERR The specified keys must contain string values"
    assert with_list("LCS", "list", "none", "WHAT") == text
    assert with_list("LCS", "none", "list") == text


def test_mget_answers_null_for_other_types(with_list: Client) -> None:
    assert with_list("MGET", "list", "none") == [None, None]


def test_setting_does_not_mind_what_was_there(with_list: Client) -> None:
    assert with_list("SETNX", "list", "v") == 0
    assert with_list("MSETNX", "list", "v") == 0
    assert with_list("SET", "list", "v", "NX") is None
    assert with_list("SET", "list", "v", "XX") == b"OK"
    assert with_list("GET", "list") == b"v"
