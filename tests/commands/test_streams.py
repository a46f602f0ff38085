"""XADD, XLEN, XRANGE, XREVRANGE, XDEL, XTRIM, XSETID and XINFO STREAM."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from places import DISK, MEMORY, PLACES, Client

WRONG_TYPE = b"-WRONGTYPE Operation against a key holding the wrong kind of value"
INVALID_ID = b"-ERR Invalid stream ID specified as stream command argument"
NOT_AN_INTEGER = b"-ERR value is not an integer or out of range"
SYNTAX = b"-ERR syntax error"
TOO_SMALL = b"-ERR The ID specified in XADD is equal or smaller than the target stream top item"
HIGHEST = "18446744073709551615-18446744073709551615"


@pytest.fixture(params=PLACES)
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    client = Client(request.param, stream_node_max_entries="10")
    yield client
    client.close()


def fill(client: Client, key: str, count: int, start: int = 1) -> None:
    """Entries 1-0, 2-0, ..."""
    for number in range(start, start + count):
        client.driver.run("XADD", key, f"{number}-0", "field", number)


def ids(reply: object) -> list[bytes]:
    """The IDs of the entries of a reply."""
    assert isinstance(reply, list), reply
    return [entry[0] for entry in reply]


def info(client: Client, key: str, *options: str | int) -> dict[bytes, object]:
    """XINFO STREAM."""
    reply = client("XINFO", "STREAM", key, *options)
    assert isinstance(reply, dict), reply
    return reply


# XADD


def test_xadd_makes_the_stream_and_appends(client: Client) -> None:
    assert client("XADD", "k", "1-1", "a", "1") == b"1-1"
    assert client.events == [(b"xadd", b"k")]
    assert client("XADD", "k", "1-2", "a", "2", "b", "3") == b"1-2"
    assert client("XADD", "k", "5", "a", "4") == b"5-0"
    assert client("XLEN", "k") == 3
    assert client("XRANGE", "k", "-", "+") == [
        [b"1-1", [b"a", b"1"]],
        [b"1-2", [b"a", b"2", b"b", b"3"]],
        [b"5-0", [b"a", b"4"]],
    ]
    assert client("TYPE", "k") == b"stream"
    assert client("OBJECT", "ENCODING", "k") == b"stream"


def test_ids_are_made_from_the_time_and_only_grow(client: Client) -> None:
    now_ms = client.now_ms()
    assert client("XADD", "k", "*", "a", "1") == b"%d-0" % now_ms
    assert client("XADD", "k", "*", "a", "1") == b"%d-1" % now_ms
    client.driver.advance(5)
    assert client("XADD", "k", "*", "a", "1") == b"%d-0" % (now_ms + 5000)
    assert client("XADD", "k", f"{now_ms + 9000}-5", "a", "1") == b"%d-5" % (now_ms + 9000)
    assert client("XADD", "k", "*", "a", "1") == b"%d-6" % (now_ms + 9000)


def test_sequence_numbers_are_made_for_a_given_time(client: Client) -> None:
    assert client("XADD", "k", "0-*", "a", "1") == b"0-1"
    assert client("XADD", "k", "123-*", "a", "1") == b"123-0"
    assert client("XADD", "k", "123-456", "a", "1") == b"123-456"
    assert client("XADD", "k", "123-*", "a", "1") == b"123-457"
    assert client("XADD", "k", "42-*", "a", "1") == TOO_SMALL
    assert client("XADD", "k", "200-18446744073709551615", "a", "1") is not None
    assert client("XADD", "k", "200-*", "a", "1") == TOO_SMALL


def test_an_id_must_be_higher_than_the_last_one(client: Client) -> None:
    client("XADD", "k", "5-5", "a", "1")
    client("XDEL", "k", "5-5")
    for number in ("5-5", "5-4", "4"):
        assert client("XADD", "k", number, "a", "1") == TOO_SMALL
    lowest = b"-ERR The ID specified in XADD must be greater than 0-0"
    for key in ("k", "none"):
        for number in ("0-0", "0"):
            assert client("XADD", key, number, "a", "1") == lowest
    assert client("EXISTS", "none") == 0
    client("XADD", "k", HIGHEST, "a", "1")
    exhausted = b"-ERR The stream has exhausted the last possible ID, unable to add more items"
    assert client("XADD", "k", "*", "a", "1") == exhausted


@pytest.mark.parametrize("number", ["x", "-", "+", "", "1-", "-1", "1-x", "1-1-1", "x-*", "(1-1"])
def test_xadd_refuses_what_is_no_id(number: str) -> None:
    client = Client(MEMORY)
    assert client("XADD", "k", number, "a", "1") == INVALID_ID
    client.close()


def test_xadd_wants_pairs(client: Client) -> None:
    arity = b"-ERR wrong number of arguments for 'xadd' command"
    assert client("XADD", "k", "*", "a") == arity
    assert client("XADD", "k", "*", "a", "1", "b") == arity
    assert client("XADD", "k", "MAXLEN", "5", "*") == arity
    assert client("XADD", "k", "MAXLEN", "5", "NOMKSTREAM") == arity


def test_nomkstream_makes_no_stream(client: Client) -> None:
    assert client("XADD", "k", "NOMKSTREAM", "*", "a", "1") is None
    assert client("EXISTS", "k") == 0
    client("XADD", "k", "1", "a", "1")
    assert client("XADD", "k", "nomkstream", "2", "a", "1") == b"2-0"


def test_xadd_trims(client: Client) -> None:
    fill(client, "k", 25)
    assert client("XADD", "k", "MAXLEN", "20", "26", "a", "1") == b"26-0"
    assert client.events == [(b"xadd", b"k"), (b"xtrim", b"k")]
    assert client("XLEN", "k") == 20
    client("XADD", "k", "MAXLEN", "=", "18", "27", "a", "1")
    assert client("XLEN", "k") == 18
    client("XADD", "k", "MINID", "20", "28", "a", "1")
    assert ids(client("XRANGE", "k", "-", "+", "COUNT", 1)) == [b"20-0"]
    client("XADD", "k", "MAXLEN", "~", "9", "29", "a", "1")
    assert client("XLEN", "k") == 9
    client("XADD", "k", "MAXLEN", "~", "9", "30", "a", "1")
    assert client.events == [(b"xadd", b"k")]
    assert client("XLEN", "k") == 10
    client("XADD", "none", "MAXLEN", "0", "1", "a", "1")
    assert client("XLEN", "none") == 0
    assert client("EXISTS", "none") == 1


# XTRIM


def test_xtrim_removes_the_oldest(client: Client) -> None:
    fill(client, "k", 25)
    assert client("XTRIM", "k", "MAXLEN", "25") == 0
    assert client.events == []
    assert client("XTRIM", "k", "MAXLEN", "24") == 1
    assert client.events == [(b"xtrim", b"k")]
    assert client("XTRIM", "k", "MINID", "=", "5-0") == 3
    assert client("XTRIM", "k", "MINID", "4") == 0
    assert client("XTRIM", "k", "maxlen", "~", "6") == 6
    assert client("XTRIM", "k", "MINID", "~", "21") == 10
    assert ids(client("XRANGE", "k", "-", "+")) == [b"%d-0" % number for number in range(21, 26)]
    assert client("XTRIM", "k", "MAXLEN", "0") == 5
    assert client("EXISTS", "k") == 1
    assert client("XTRIM", "none", "MAXLEN", "0") == 0


def test_trimming_with_a_tilde_is_limited(client: Client) -> None:
    fill(client, "k", 95)
    assert client("XTRIM", "k", "MAXLEN", "~", "0", "LIMIT", "25") == 20
    assert client("XTRIM", "k", "MAXLEN", "~", "0", "LIMIT", "5") == 0
    assert client("XTRIM", "k", "MAXLEN", "~", "40", "LIMIT", "0") == 30
    assert client("XTRIM", "k", "MAXLEN", "~", "0") == 45


def test_without_limit_a_tilde_means_a_hundred_nodes() -> None:
    client = Client(MEMORY, stream_node_max_entries="2")
    fill(client, "k", 250)
    assert client("XTRIM", "k", "MAXLEN", "~", "0") == 200
    client.close()


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (("FOO", "1"), SYNTAX),
        (("LIMIT", "1"), b"LIMIT cannot be used without specifying a trimming strategy"),
        (("LIMIT", "0"), b"XTRIM must be called with a trimming strategy"),
        (("MAXLEN", "1", "LIMIT", "1"), b"LIMIT cannot be used without the special ~ option"),
        (("MAXLEN", "1", "LIMIT", "0"), b"LIMIT cannot be used without the special ~ option"),
        (("MAXLEN", "~", "1", "LIMIT", "-1"), b"-ERR The LIMIT argument must be >= 0."),
        (("MAXLEN", "~", "1", "LIMIT", "x"), NOT_AN_INTEGER),
        (("MAXLEN", "-1"), b"-ERR The MAXLEN argument must be >= 0."),
        (("MAXLEN", "x"), NOT_AN_INTEGER),
        (("MINID", "x"), INVALID_ID),
        (("MINID", "-"), INVALID_ID),
        (("MAXLEN", "1", "FOO"), SYNTAX),
        (
            ("MAXLEN", "1", "MINID", "1"),
            b"MAXLEN and MINID options at the same time are not compatible",
        ),
    ],
)
def test_trimming_refuses_wrong_options(options: tuple[str, ...], error: bytes) -> None:
    client = Client(MEMORY)
    fill(client, "k", 3)
    if not error.startswith(b"-"):
        error = b"-ERR syntax error, " + error
    assert client("XTRIM", "k", *options) == error
    if "FOO" not in options and options != ("LIMIT", "0"):
        assert client("XADD", "k", *options, "5", "a", "1") == error
    assert client("XLEN", "k") == 3
    client.close()


# XRANGE


def test_xrange_reads_between_ids(client: Client) -> None:
    fill(client, "k", 35)
    assert len(ids(client("XRANGE", "k", "-", "+"))) == 35
    assert ids(client("XRANGE", "k", "9", "12")) == [b"9-0", b"10-0", b"11-0", b"12-0"]
    assert ids(client("XRANGE", "k", "(9", "(12-0")) == [b"10-0", b"11-0", b"12-0"][:2]
    assert ids(client("XRANGE", "k", "9-1", "10-5")) == [b"10-0"]
    assert ids(client("XRANGE", "k", "8", "+", "COUNT", 3)) == [b"8-0", b"9-0", b"10-0"]
    assert ids(client("XREVRANGE", "k", "12", "9")) == [b"12-0", b"11-0", b"10-0", b"9-0"]
    assert ids(client("XREVRANGE", "k", "+", "-", "count", 2)) == [b"35-0", b"34-0"]
    assert ids(client("XREVRANGE", "k", "(12-0", "(9")) == [b"11-0", b"10-0"]
    assert client("XRANGE", "k", "12", "9") == []
    assert client("XRANGE", "none", "-", "+") == []
    assert client("XRANGE", "none", "-", "+", "COUNT", 0) == []


def test_xrange_of_nothing_is_a_null_array(client: Client) -> None:
    client("XADD", "k", "1", "a", "1")
    for count in (0, -5):
        reply = client("XRANGE", "k", "-", "+", "COUNT", count)
        assert type(reply).__name__ == "NullArray"


def test_xrange_refuses_what_is_no_range(client: Client) -> None:
    client("XADD", "k", "1", "a", "1")
    for number in ("x", "(-", "(+", "(", "1-1-1"):
        assert client("XRANGE", "k", number, "+") == INVALID_ID
        assert client("XRANGE", "k", "-", number) == INVALID_ID
    assert client("XRANGE", "k", f"({HIGHEST}", "+") == b"-ERR invalid start ID for the interval"
    assert client("XRANGE", "k", "-", "(0-0") == b"-ERR invalid end ID for the interval"
    assert client("XRANGE", "k", "-", "+", "COUNT") == SYNTAX
    assert client("XRANGE", "k", "-", "+", "FOO", 1) == SYNTAX
    assert client("XRANGE", "k", "-", "+", "COUNT", "x") == NOT_AN_INTEGER


# XDEL


def test_xdel_removes_entries(client: Client) -> None:
    fill(client, "k", 25)
    assert client("XDEL", "k", "3", "3", "12-0", "12-1", "99") == 2
    assert client.events == [(b"xdel", b"k")]
    assert client("XDEL", "k", "3") == 0
    assert client.events == []
    assert client("XLEN", "k") == 23
    left = [number for number in range(1, 26) if number not in (3, 12)]
    assert ids(client("XRANGE", "k", "-", "+")) == [b"%d-0" % number for number in left]
    assert client("XDEL", "none", "1") == 0
    assert client("XDEL", "none", "x") == 0
    assert client("XDEL", "k", "1", "x") == INVALID_ID
    assert client("XLEN", "k") == 23


def test_a_stream_without_entries_exists(client: Client) -> None:
    client("XADD", "k", "5-5", "a", "1", "b", "2")
    assert client("XDEL", "k", "5-5") == 1
    assert client("EXISTS", "k") == 1
    assert client("XLEN", "k") == 0
    assert info(client, "k") == {
        b"length": 0,
        b"radix-tree-keys": 0,
        b"radix-tree-nodes": 1,
        b"last-generated-id": b"5-5",
        b"max-deleted-entry-id": b"5-5",
        b"entries-added": 1,
        b"recorded-first-entry-id": b"0-0",
        b"groups": 0,
        b"first-entry": None,
        b"last-entry": None,
    }


# XSETID


def test_xsetid_sets_what_a_stream_remembers(client: Client) -> None:
    client("XADD", "k", "5-5", "a", "1")
    assert client("XSETID", "k", "200-0") == b"OK"
    assert client.events == [(b"xsetid", b"k")]
    assert client("XADD", "k", "100-0", "a", "1") == TOO_SMALL
    assert client("XSETID", "k", "300-0", "ENTRIESADDED", 7, "maxdeletedid", "6-0") == b"OK"
    assert {
        b"last-generated-id": b"300-0",
        b"max-deleted-entry-id": b"6-0",
        b"entries-added": 7,
    }.items() <= info(client, "k").items()


def test_xsetid_refuses_what_cannot_be(client: Client) -> None:
    assert client("XSETID", "none", "1-1") == b"-ERR no such key"
    fill(client, "k", 5)
    start = b"-ERR The ID specified in XSETID is smaller than "
    assert client("XSETID", "k", "4") == start + b"the target stream top item"
    assert client("XSETID", "k", "6", "MAXDELETEDID", "7") == (
        start + b"the provided max_deleted_entry_id"
    )
    assert client("XSETID", "k", "6", "ENTRIESADDED", 4) == (
        b"-ERR The entries_added specified in XSETID is smaller than the target stream length"
    )
    negative = b"-ERR entries_added must be positive"
    assert client("XSETID", "k", "6", "ENTRIESADDED", -1) == negative
    client("XDEL", "k", "5")
    assert client("XSETID", "k", "4") == start + b"current max_deleted_entry_id"
    for options in (("ENTRIESADDED",), ("MAXDELETEDID",), ("FOO", "1")):
        assert client("XSETID", "k", "6", *options) == SYNTAX
    for number in ("x", "-", "+", "$"):
        assert client("XSETID", "k", number) == INVALID_ID


# XINFO STREAM


def test_xinfo_stream_tells_about_entries(client: Client) -> None:
    fill(client, "k", 25)
    client("XDEL", "k", "1", "2")
    client("XGROUP", "CREATE", "k", "g", "0")
    reply = info(client, "k")
    assert list(reply) == [
        b"length",
        b"radix-tree-keys",
        b"radix-tree-nodes",
        b"last-generated-id",
        b"max-deleted-entry-id",
        b"entries-added",
        b"recorded-first-entry-id",
        b"groups",
        b"first-entry",
        b"last-entry",
    ]
    assert reply[b"length"] == 23
    assert reply[b"radix-tree-keys"] == 3
    assert reply[b"recorded-first-entry-id"] == b"3-0"
    assert reply[b"groups"] == 1
    assert reply[b"first-entry"] == [b"3-0", [b"field", b"3"]]
    assert reply[b"last-entry"] == [b"25-0", [b"field", b"25"]]


def test_xinfo_stream_full_shows_some_entries(client: Client) -> None:
    fill(client, "k", 25)
    for options, shown in (
        ((), 10),
        (("COUNT", 3), 3),
        (("count", 0), 25),
        (("COUNT", -1), 10),
    ):
        reply = info(client, "k", "FULL", *options)
        assert len(ids(reply[b"entries"])) == shown
        assert reply[b"groups"] == []


def test_xinfo_refuses_wrong_arguments(client: Client) -> None:
    assert client("XINFO", "STREAM", "none") == b"-ERR no such key"
    client("XADD", "k", "1", "a", "1")
    wrong = b"-ERR unknown subcommand or wrong number of arguments for 'STREAM'. Try XINFO HELP."
    for options in (("FOO",), ("FULL", "COUNT"), ("FULL", "FOO", "1"), ("FULL", "COUNT", "1", "1")):
        assert client("XINFO", "STREAM", "k", *options) == wrong
    assert client("XINFO", "STREAM", "k", "FULL", "COUNT", "x") == NOT_AN_INTEGER
    assert client("XINFO", "FOO") == b"-ERR unknown subcommand 'FOO'. Try XINFO HELP."
    assert isinstance(client("XINFO", "HELP"), list)


def test_other_types_are_refused(client: Client) -> None:
    client("SET", "k", "x")
    for words in (
        ("XADD", "k", "*", "a", "1"),
        ("XADD", "k", "NOMKSTREAM", "*", "a", "1"),
        ("XLEN", "k"),
        ("XRANGE", "k", "-", "+"),
        ("XREVRANGE", "k", "+", "-", "COUNT", "0"),
        ("XDEL", "k", "x"),
        ("XTRIM", "k", "MAXLEN", "0"),
        ("XSETID", "k", "1"),
        ("XINFO", "STREAM", "k"),
        ("XINFO", "GROUPS", "k"),
        ("XINFO", "CONSUMERS", "k", "g"),
    ):
        assert client(*words) == WRONG_TYPE


def test_a_stream_is_copied_renamed_and_expires_like_any_value(client: Client) -> None:
    fill(client, "k", 15)
    client("XGROUP", "CREATE", "k", "g", "0")
    assert client("COPY", "k", "copy") == 1
    client("XADD", "copy", "99", "a", "1")
    client("XGROUP", "DESTROY", "copy", "g")
    assert client("XLEN", "k") == 15
    assert client("RENAME", "k", "other") == b"OK"
    assert info(client, "other")[b"groups"] == 1
    client("PEXPIRE", "other", 1000)
    client("XADD", "other", "99", "a", "1")
    assert client("PTTL", "other") == 1000
    client.driver.advance(2)
    assert client("EXISTS", "other") == 0


def test_a_long_stream_is_apart_on_disk_and_comes_back() -> None:
    client = Client(DISK)
    fill(client, "k", 2000)
    assert client("XLEN", "k") == 2000
    assert ids(client("XRANGE", "k", "1500", "+", "COUNT", 2)) == [b"1500-0", b"1501-0"]
    client("XADD", "k", "5000", "a", "1")
    assert ids(client("XREVRANGE", "k", "+", "-", "COUNT", 2)) == [b"5000-0", b"2000-0"]
    client.close()


def test_a_setting_of_the_stream_does_not_fail_a_watch(client: Client) -> None:
    """As in Redis, where XSETID and XGROUP CREATE touch no watched key."""
    other = client.driver.new_session()
    client("XADD", "k", "1", "a", "1")
    for words, fails in (
        (("XSETID", "k", "9"), False),
        (("XGROUP", "CREATE", "k", "g", "0"), False),
        (("XADD", "k", "10", "a", "1"), True),
    ):
        client("WATCH", "k")
        client.driver.run(*words, session=other)
        client("MULTI")
        client("PING")
        assert isinstance(client("EXEC"), list) != fails
