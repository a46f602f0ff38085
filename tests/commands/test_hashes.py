"""HSET, HGET and their relatives, numbers in fields, random fields and HSCAN."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dscache.values.table import PAGE_MOST
from dscache.wire.reply import Pairs
from places import MEMORY, PLACES, Client

WRONG_TYPE = b"-WRONGTYPE Operation against a key holding the wrong kind of value"
NOT_AN_INTEGER = b"-ERR value is not an integer or out of range"


@pytest.fixture(params=PLACES)
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    client = Client(request.param)
    yield client
    client.close()


def filled(client: Client, count: int, key: str = "h") -> dict[bytes, bytes]:
    """Let ``key`` hold a hash of ``count`` fields."""
    expected = {b"f%d" % number: b"v%d" % number for number in range(count)}
    client("HSET", key, *[word for pair in expected.items() for word in pair])
    return expected


# Fields and values


def test_hset_answers_how_many_fields_are_new(client: Client) -> None:
    assert client("HSET", "h", "a", 1, "b", 2) == 2
    assert client.events == [(b"hset", b"h")]
    assert client("HSET", "h", "a", 3, "c", 4) == 1
    assert client("HSET", "h", "a", 3) == 0
    assert client.events == [(b"hset", b"h")]
    assert client("HSET", "h", "d", 1, "d", 2) == 1
    assert client("HGETALL", "h") == {b"a": b"3", b"b": b"2", b"c": b"4", b"d": b"2"}
    assert client("HMSET", "h", "a", 5, "e", 6) == b"OK"
    assert client.events == [(b"hset", b"h")]
    assert client("HGET", "h", "a") == b"5"


@pytest.mark.parametrize("command", ["HSET", "HMSET"])
def test_hset_wants_pairs(client: Client, command: str) -> None:
    error = f"-ERR wrong number of arguments for '{command.lower()}' command".encode()
    assert client(command, "h", "a", 1, "b") == error
    assert client(command, "h", "a") == error
    assert not client.exists(b"h")


def test_hset_keeps_the_due_time_of_the_key(client: Client) -> None:
    client("HSET", "h", "a", 1)
    client("PEXPIRE", "h", 5000)
    client("HSET", "h", "b", 1)
    client("HDEL", "h", "a")
    client("HINCRBY", "h", "b", 1)
    assert client("PTTL", "h") == 5000


def test_hsetnx_sets_what_is_not_there(client: Client) -> None:
    assert client("HSETNX", "h", "a", 1) == 1
    assert client.events == [(b"hset", b"h")]
    assert client("HSETNX", "h", "a", 2) == 0
    assert client.events == []
    assert client("HSETNX", "h", "b", "") == 1
    assert client("HGETALL", "h") == {b"a": b"1", b"b": b""}


def test_fields_are_read_one_by_one_or_several_at_once(client: Client) -> None:
    client("HSET", "h", "a", 1, "", "empty", "b", "")
    assert client("HGET", "h", "a") == b"1"
    assert client("HGET", "h", "") == b"empty"
    assert client("HGET", "h", "x") is None
    assert client("HGET", "none", "x") is None
    assert client("HMGET", "h", "b", "x", "a", "a") == [b"", None, b"1", b"1"]
    assert client("HMGET", "none", "b", "x") == [None, None]
    assert client("HEXISTS", "h", "b") == 1
    assert client("HEXISTS", "h", "x") == 0
    assert client("HEXISTS", "none", "x") == 0
    assert client("HSTRLEN", "h", "") == 5
    assert client("HSTRLEN", "h", "b") == 0
    assert client("HSTRLEN", "h", "x") == 0
    assert client("HSTRLEN", "none", "x") == 0
    assert client("HLEN", "h") == 3
    assert client("HLEN", "none") == 0


def test_hdel_removes_fields_and_with_the_last_the_key(client: Client) -> None:
    client("HSET", "h", "a", 1, "b", 2, "c", 3)
    assert client("HDEL", "h", "a", "x", "a") == 1
    assert client.events == [(b"hdel", b"h")]
    assert client("HDEL", "h", "x") == 0
    assert client.events == []
    assert client("HDEL", "none", "x") == 0
    assert client("HDEL", "h", "b", "c", "d") == 2
    assert client.events == [(b"hdel", b"h"), (b"del", b"h")]
    assert client("EXISTS", "h") == 0
    assert client("DBSIZE") == 0


@pytest.mark.parametrize("count", [3, PAGE_MOST, PAGE_MOST + 1, 3000])
def test_whole_hashes_are_read_whatever_their_size(client: Client, count: int) -> None:
    expected = filled(client, count)
    assert client("HGETALL", "h") == expected
    names = client("HKEYS", "h")
    values = client("HVALS", "h")
    assert isinstance(names, list)
    assert isinstance(values, list)
    assert dict(zip(names, values, strict=True)) == expected
    if count <= PAGE_MOST:
        assert names == list(expected)
    for command, nothing in (("HGETALL", {}), ("HKEYS", []), ("HVALS", [])):
        assert client(command, "none") == nothing


def test_a_reply_inside_a_transaction_is_not_touched_by_what_follows(client: Client) -> None:
    client("HSET", "h", "a", 1)
    client("MULTI")
    client("HGETALL", "h")
    client("HSET", "h", "a", 2, "b", 3)
    assert client("EXEC") == [{b"a": b"1"}, 1]


@pytest.mark.parametrize(
    "words",
    [
        ("HSET", "s", "f", "v"),
        ("HMSET", "s", "f", "v"),
        ("HSETNX", "s", "f", "v"),
        ("HGET", "s", "f"),
        ("HMGET", "s", "f"),
        ("HDEL", "s", "f"),
        ("HEXISTS", "s", "f"),
        ("HLEN", "s"),
        ("HSTRLEN", "s", "f"),
        ("HGETALL", "s"),
        ("HKEYS", "s"),
        ("HVALS", "s"),
        ("HSCAN", "s", 0),
        ("HSCAN", "s", 0, "COUNT", "x"),
        ("HRANDFIELD", "s"),
        ("HRANDFIELD", "s", 1),
        ("HINCRBY", "s", "f", 1),
        ("HINCRBYFLOAT", "s", "f", 1),
    ],
)
def test_values_of_other_types_are_refused(client: Client, words: tuple[str, ...]) -> None:
    client("SET", "s", "text")
    assert client(*words) == WRONG_TYPE
    assert client.events == []
    assert client("GET", "s") == b"text"


def test_other_commands_refuse_hashes(client: Client) -> None:
    client("HSET", "h", "a", 1)
    for words in (("GET", "h"), ("APPEND", "h", "x"), ("INCR", "h"), ("STRLEN", "h")):
        assert client(*words) == WRONG_TYPE
    assert client("TYPE", "h") == b"hash"
    assert client("MGET", "h") == [None]


# Numbers


def test_hincrby_counts_in_a_field(client: Client) -> None:
    assert client("HINCRBY", "h", "n", 5) == 5
    assert client.events == [(b"hincrby", b"h")]
    assert client("HINCRBY", "h", "n", -7) == -2
    assert client("HGET", "h", "n") == b"-2"
    client("HSET", "h", "most", 2**63 - 1, "least", -(2**63), "text", "x", "space", " 1")
    overflow = b"-ERR increment or decrement would overflow"
    assert client("HINCRBY", "h", "most", 1) == overflow
    assert client("HINCRBY", "h", "least", -1) == overflow
    assert client.events == []
    assert client("HINCRBY", "h", "most", -(2**63)) == -1
    for field in ("text", "space"):
        assert client("HINCRBY", "h", field, 1) == b"-ERR hash value is not an integer"
    for wrong in ("x", "1.0", 2**63, ""):
        assert client("HINCRBY", "h", "n", wrong) == NOT_AN_INTEGER


def test_hincrbyfloat_adds_in_a_field(client: Client) -> None:
    assert client("HINCRBYFLOAT", "h", "n", "1.5") == b"1.5"
    assert client.events == [(b"hincrbyfloat", b"h")]
    assert client("HINCRBYFLOAT", "h", "n", "1e2") == b"101.5"
    assert client("HGET", "h", "n") == b"101.5"
    client("HSET", "h", "text", "x", "inf", "inf", "exp", "5e3")
    assert client("HINCRBYFLOAT", "h", "exp", "-2e3") == b"3000"
    assert client("HINCRBYFLOAT", "h", "text", 1) == b"-ERR hash value is not a float"
    not_finite = b"-ERR increment would produce NaN or Infinity"
    assert client("HINCRBYFLOAT", "h", "inf", 1) == not_finite
    assert client("HINCRBYFLOAT", "h", "n", "x") == b"-ERR value is not a valid float"
    assert client("HINCRBYFLOAT", "h", "n", "nan") == b"-ERR value is not a valid float"
    assert client("HINCRBYFLOAT", "h", "n", "-inf") == b"-ERR value is NaN or Infinity"
    assert client.events == []


# Random fields


def test_hrandfield_picks_one_or_several_different_fields(client: Client) -> None:
    expected = filled(client, 10)
    assert client("HRANDFIELD", "h") in expected
    assert client("HRANDFIELD", "none") is None
    assert client("HRANDFIELD", "none", 5) == []
    assert client("HRANDFIELD", "h", 0) == []
    for count in (1, 3, 9, 10, 50):
        names = client("HRANDFIELD", "h", count)
        assert isinstance(names, list)
        assert len(names) == len(set(names)) == min(count, 10)
        assert set(names) <= set(expected)


def test_hrandfield_with_a_negative_count_may_repeat_fields(client: Client) -> None:
    expected = filled(client, 3)
    names = client("HRANDFIELD", "h", -200)
    assert isinstance(names, list)
    assert len(names) == 200
    assert set(names) == set(expected)


def test_hrandfield_answers_pairs_with_values(client: Client) -> None:
    expected = filled(client, 5)
    for count in (5, 3, -7):
        reply = client("HRANDFIELD", "h", count, "withvalues")
        assert isinstance(reply, Pairs)
        assert len(reply.items) == abs(count)
        assert all(expected[name] == value for name, value in reply.items)  # type: ignore[index]
    assert client("HRANDFIELD", "none", 3, "WITHVALUES") == []


def test_hrandfield_refuses_what_makes_no_sense(client: Client) -> None:
    filled(client, 3)
    assert client("HRANDFIELD", "h", "x") == NOT_AN_INTEGER
    assert client("HRANDFIELD", "h", 1, "WITHSCORES") == b"-ERR syntax error"
    assert client("HRANDFIELD", "h", 1, "WITHVALUES", "x") == b"-ERR syntax error"
    assert client("HRANDFIELD", "h", 2**63 - 1, "WITHVALUES") == b"-ERR value is out of range"
    assert client("HRANDFIELD", "h", -(2**62)) == b"-ERR value is out of range"
    assert client("HRANDFIELD", "h", -(2**63)) == (
        b"-ERR value is out of range, value must between"
        b" -9223372036854775807 and 9223372036854775807"
    )
    assert len(client("HRANDFIELD", "h", 2**63 - 1)) == 3  # type: ignore[arg-type]


# HSCAN


def scan_all(client: Client, *options: str | int) -> list[bytes]:
    """What HSCAN answers until its cursor is 0."""
    found: list[bytes] = []
    cursor = b"0"
    while True:
        reply = client("HSCAN", "h", cursor, *options)
        assert isinstance(reply, list)
        cursor, page = reply
        found += page
        if cursor == b"0":
            return found


@pytest.mark.parametrize("count", [5, 2000])
def test_hscan_goes_through_all_fields(client: Client, count: int) -> None:
    expected = filled(client, count)
    found = scan_all(client, "COUNT", 100)
    assert dict(zip(found[::2], found[1::2], strict=True)) == expected
    assert sorted(scan_all(client, "NOVALUES", "COUNT", 300)) == sorted(expected)
    matching = scan_all(client, "MATCH", "f*1", "COUNT", 500)
    assert set(matching[::2]) == {name for name in expected if name.endswith(b"1")}


def test_hscan_goes_by_its_count_where_redis_keeps_a_hash_table(client: Client) -> None:
    """All came at once: BullMQ, which reads the children of a job in pages, took each page for the last."""
    expected = filled(client, 72)
    reply = client("HSCAN", "h", 0, "COUNT", 50)
    assert isinstance(reply, list)
    assert (reply[0], len(reply[1])) == (b"0", 2 * 72)
    client("HSET", "h", "f0", "v" * 65)
    reply = client("HSCAN", "h", 0, "COUNT", 50)
    assert isinstance(reply, list)
    assert (reply[0] != b"0", len(reply[1])) == (True, 2 * 50)
    assert sorted(scan_all(client, "NOVALUES", "COUNT", 7)) == sorted(expected)


def test_hscan_reads_cursors_and_options_as_redis_does(client: Client) -> None:
    filled(client, 2)
    assert client("HSCAN", "none", 0, "WRONG", "OPTIONS") == [b"0", []]
    assert client("HSCAN", "none", "x") == b"-ERR invalid cursor"
    assert client("HSCAN", "h", "x") == b"-ERR invalid cursor"
    assert client("HSCAN", "h", 0, "COUNT", 0) == b"-ERR syntax error"
    assert client("HSCAN", "h", 0, "COUNT", "x") == NOT_AN_INTEGER
    assert client("HSCAN", "h", 0, "COUNT") == b"-ERR syntax error"
    assert client("HSCAN", "h", 0, "MATCH") == b"-ERR syntax error"
    assert client("HSCAN", "h", 0, "TYPE", "hash") == b"-ERR syntax error"
    assert client("HSCAN", "h", 0, "novalues", "count", 1, "match", "f0") == [b"0", [b"f0"]]
    assert client("HSCAN", "h", 2**64 - 1) in ([b"0", []], [b"0", [b"f0", b"v0", b"f1", b"v1"]])


# How hashes are kept


def test_object_encoding_is_redis_s(client: Client) -> None:
    for name, value in (("entries", "4"), ("value", "10")):
        assert client("CONFIG", "SET", f"hash-max-listpack-{name}", value) == b"OK"
    filled(client, 4)
    assert client("OBJECT", "ENCODING", "h") == b"listpack"
    client("HPEXPIRE", "h", 10_000, "FIELDS", 1, "f1")
    assert client("OBJECT", "ENCODING", "h") == b"listpackex"
    client("HSET", "h", "one more", "")
    assert client("OBJECT", "ENCODING", "h") == b"hashtable"
    client("HDEL", "h", "one more")
    assert client("OBJECT", "ENCODING", "h") == b"hashtable"
    client("HSET", "i", "f", "longer than that")
    assert client("OBJECT", "ENCODING", "i") == b"hashtable"


def test_a_change_does_not_reach_into_the_epoch_that_is_being_saved() -> None:
    client = Client(MEMORY)
    filled(client, 500)
    flusher = client.driver.engine.flusher
    flusher.cut()
    assert client("HSET", "h", "f0", "new", "more", "new") == 1
    assert client("HDEL", "h", "f1") == 1
    client.driver.turn_until(lambda: not flusher.is_saving)
    other = Client("on disk", client.driver.store)
    assert other("HLEN", "h") == 500
    assert other("HMGET", "h", "f0", "f1", "more") == [b"v0", b"v1", None]
    other.close()
    client.close()


def test_hashes_are_charged_for_what_they_take() -> None:
    client = Client(MEMORY)
    filled(client, 1000)
    usage = client("MEMORY", "USAGE", "h")
    assert isinstance(usage, int)
    assert 100_000 < usage < 250_000
    client("HSET", "h", "long", "x" * 100_000)
    grown = client("MEMORY", "USAGE", "h")
    assert isinstance(grown, int)
    assert 100_000 < grown - usage < 101_000
    client.close()
