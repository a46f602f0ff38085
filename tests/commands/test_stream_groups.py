"""XGROUP, XACK, XCLAIM, XAUTOCLAIM, XPENDING, and XINFO of groups and consumers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from commands.test_streams import (
    INVALID_ID,
    NOT_AN_INTEGER,
    SYNTAX,
    WRONG_TYPE,
    fill,
    ids,
    info,
)
from dscache.rdb.dump import dumped
from dscache.values.stream import Stream
from dscache.wire.reply import NULL_ARRAY, Grouped
from places import DISK, MEMORY, PLACES, Client

HIGHEST = "18446744073709551615-18446744073709551615"


@pytest.fixture(params=PLACES)
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    client = Client(request.param, stream_node_max_entries="10")
    yield client
    client.close()


def read(client: Client, consumer: str, count: int, last: str = ">") -> list[bytes]:
    """XREADGROUP from ``k`` as a consumer of ``g``: the IDs."""
    words = ("GROUP", "g", consumer, "COUNT", count, "STREAMS", "k", last)
    reply = client("XREADGROUP", *words)
    if reply is NULL_ARRAY:
        return []
    assert isinstance(reply, Grouped), reply
    (key, entries) = reply.items[0]
    assert key == b"k"
    return ids(entries)


def with_group(client: Client, count: int) -> None:
    """A stream of so many entries and a group that has read none."""
    fill(client, "k", count)
    client("XGROUP", "CREATE", "k", "g", "0")


def pending(client: Client, *words: str | int) -> list[tuple[bytes, bytes, int, int]]:
    """XPENDING k g - + 100."""
    reply = client("XPENDING", "k", "g", *(words or ("-", "+", 100)))
    assert isinstance(reply, list), reply
    return [tuple(one) for one in reply]


# XGROUP


def test_xgroup_create_makes_a_group(client: Client) -> None:
    fill(client, "k", 3)
    assert client("XGROUP", "CREATE", "k", "g", "$") == b"OK"
    assert client.events == [(b"xgroup-create", b"k")]
    assert client("XGROUP", "CREATE", "k", "g", "$") == (
        b"-BUSYGROUP Consumer Group name already exists"
    )
    assert client("XGROUP", "CREATE", "k", "a", "2", "ENTRIESREAD", 2) == b"OK"
    assert client("XINFO", "GROUPS", "k") == [
        {
            b"name": b"a",
            b"consumers": 0,
            b"pending": 0,
            b"last-delivered-id": b"2-0",
            b"entries-read": 2,
            b"lag": 1,
        },
        {
            b"name": b"g",
            b"consumers": 0,
            b"pending": 0,
            b"last-delivered-id": b"3-0",
            b"entries-read": None,
            b"lag": 0,
        },
    ]


def test_mkstream_makes_an_empty_stream(client: Client) -> None:
    missing = (
        b"-ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to"
        b" use the MKSTREAM option to create an empty stream automatically."
    )
    for words in (
        ("CREATE", "none", "g", "$"),
        ("SETID", "none", "g", "$"),
        ("DESTROY", "none", "g"),
        ("CREATECONSUMER", "none", "g", "c"),
        ("DELCONSUMER", "none", "g", "c"),
    ):
        assert client("XGROUP", *words) == missing
    assert client("XGROUP", "CREATE", "k", "g", "$", "mkstream") == b"OK"
    assert client.events == [(b"xgroup-create", b"k")]
    assert client("XLEN", "k") == 0
    assert client("XGROUP", "CREATE", "k", "h", "7-7", "MKSTREAM", "ENTRIESREAD", "5") == b"OK"
    assert client("XGROUP", "CREATE", "new", "h", "x", "MKSTREAM") == INVALID_ID
    assert client("EXISTS", "new") == 0


def test_xgroup_setid_moves_a_group(client: Client) -> None:
    with_group(client, 5)
    assert read(client, "alice", 9) == [b"1-0", b"2-0", b"3-0", b"4-0", b"5-0"]
    assert client("XGROUP", "SETID", "k", "g", "3", "ENTRIESREAD", 3) == b"OK"
    assert client.events == [(b"xgroup-setid", b"k")]
    assert read(client, "bob", 1) == [b"4-0"]
    assert client("XGROUP", "SETID", "k", "g", "$") == b"OK"
    assert read(client, "bob", 1) == []
    assert client("XGROUP", "SETID", "k", "g", "-") == b"OK"
    # What alice had is bob's now, delivered for the first time again.
    assert read(client, "bob", 2) == [b"1-0", b"2-0"]
    assert pending(client, "-", "2", 9) == [(b"1-0", b"bob", 0, 1), (b"2-0", b"bob", 0, 1)]
    assert client("XGROUP", "SETID", "k", "none", "$") == (
        b"-NOGROUP No such consumer group 'none' for key name 'k'"
    )


def test_xgroup_destroy_removes_a_group(client: Client) -> None:
    with_group(client, 3)
    read(client, "alice", 2)
    assert client("XGROUP", "DESTROY", "k", "g") == 1
    assert client.events == [(b"xgroup-destroy", b"k")]
    assert client("XGROUP", "DESTROY", "k", "g") == 0
    assert client.events == []
    assert client("XINFO", "GROUPS", "k") == []


def test_consumers_are_made_and_removed(client: Client) -> None:
    with_group(client, 5)
    assert client("XGROUP", "CREATECONSUMER", "k", "g", "alice") == 1
    assert client.events == [(b"xgroup-createconsumer", b"k")]
    assert client("XGROUP", "CREATECONSUMER", "k", "g", "alice") == 0
    assert client.events == []
    read(client, "alice", 2)
    assert client.events == []
    read(client, "bob", 2)
    assert client.events == [(b"xgroup-createconsumer", b"k")]
    assert client("XGROUP", "DELCONSUMER", "k", "g", "alice") == 2
    assert client.events == [(b"xgroup-delconsumer", b"k")]
    assert client("XGROUP", "DELCONSUMER", "k", "g", "alice") == 0
    assert client.events == []
    assert [one[0] for one in pending(client)] == [b"3-0", b"4-0"]
    none = b"-NOGROUP No such consumer group 'none' for key name 'k'"
    for word in ("CREATECONSUMER", "DELCONSUMER"):
        assert client("XGROUP", word, "k", "none", "alice") == none
    assert client("XINFO", "CONSUMERS", "k", "none") == none


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("CREATE", "k", "h", "x"), INVALID_ID),
        (("CREATE", "k", "h", "-"), INVALID_ID),
        (("CREATE", "k", "h", "0", "FOO"), b"CREATE"),
        (("CREATE", "k", "h", "0", "ENTRIESREAD"), b"CREATE"),
        (("CREATE", "k", "h", "0", "ENTRIESREAD", "x"), NOT_AN_INTEGER),
        (
            ("CREATE", "k", "h", "0", "ENTRIESREAD", "-2"),
            b"-ERR value for ENTRIESREAD must be positive or -1",
        ),
        (("CREATE", "k", "h", "0", "ENTRIESREAD", "1", "ENTRIESREAD", "2"), b"CREATE"),
        (("SETID", "k", "g", "0", "MKSTREAM"), b"SETID"),
        (("setid", "k", "g", "0", "ENTRIESREAD", "1", "ENTRIESREAD", "2"), b"setid"),
        (("SETID", "k", "g", "x"), INVALID_ID),
        (("FOO", "k", "g"), b"-ERR unknown subcommand 'FOO'. Try XGROUP HELP."),
        (("CREATE", "k", "g"), b"-ERR wrong number of arguments for 'xgroup|create' command"),
    ],
)
def test_xgroup_refuses_wrong_arguments(words: tuple[str, ...], error: bytes) -> None:
    client = Client(MEMORY)
    with_group(client, 1)
    if not error.startswith(b"-"):
        error = (
            b"-ERR unknown subcommand or wrong number of arguments for '%s'. Try XGROUP HELP."
            % error
        )
    assert client("XGROUP", *words) == error
    assert isinstance(client("XGROUP", "HELP"), list)
    client.close()


# XACK


def test_xack_lets_entries_be_pending_no_longer(client: Client) -> None:
    with_group(client, 5)
    read(client, "alice", 3)
    assert client("XACK", "k", "g", "1-0", "1-0", "9-0") == 1
    assert client.events == []
    assert client("XACK", "k", "g", "1-0") == 0
    assert client("XACK", "k", "g", "2-0", "x") == INVALID_ID
    assert [one[0] for one in pending(client)] == [b"2-0", b"3-0"]
    assert client("XACK", "k", "none", "x") == 0
    assert client("XACK", "none", "g", "x") == 0


# XPENDING


def test_xpending_sums_up(client: Client) -> None:
    with_group(client, 9)
    assert client("XPENDING", "k", "g") == [0, None, None, NULL_ARRAY]
    read(client, "bob", 2)
    read(client, "alice", 3)
    client("XGROUP", "CREATECONSUMER", "k", "g", "idle")
    assert client("XPENDING", "k", "g") == [
        5,
        b"1-0",
        b"5-0",
        [[b"alice", b"3"], [b"bob", b"2"]],
    ]


def test_xpending_shows_entries(client: Client) -> None:
    with_group(client, 40)
    read(client, "alice", 2)
    client.driver.advance(5)
    read(client, "bob", 2)
    client.driver.advance(1)
    expected = [
        (b"1-0", b"alice", 6000, 1),
        (b"2-0", b"alice", 6000, 1),
        (b"3-0", b"bob", 1000, 1),
        (b"4-0", b"bob", 1000, 1),
    ]
    assert pending(client) == expected
    assert pending(client, "(1", "(4-0", 9) == expected[1:3]
    assert pending(client, "-", "+", 3) == expected[:3]
    assert pending(client, "-", "+", 0) == pending(client, "-", "+", -1) == []
    assert pending(client, "-", "+", 9, "bob") == expected[2:]
    assert pending(client, "-", "+", 9, "nobody") == []
    assert pending(client, "IDLE", 5000, "-", "+", 9) == expected[:2]
    assert pending(client, "idle", 5000, "-", "+", 1) == expected[:1]
    assert pending(client, "IDLE", 5000, "-", "+", 9, "bob") == []
    assert pending(client, "IDLE", 1000, "2", "3", 9, "bob") == expected[2:3]


def test_xpending_finds_what_is_idle_among_many() -> None:
    client = Client(MEMORY)
    with_group(client, 1000)
    read(client, "alice", 500)
    client.driver.advance(9)
    read(client, "bob", 500)
    client("XCLAIM", "k", "g", "alice", 0, "990", "IDLE", 9000)
    assert len(pending(client, "IDLE", 9000, "-", "+", 1000)) == 501
    assert [one[0] for one in pending(client, "IDLE", 9000, "501", "+", 1)] == [b"990-0"]
    client.close()


def test_xpending_refuses_wrong_arguments(client: Client) -> None:
    with_group(client, 1)
    for words in (("-",), ("-", "+"), ("IDLE", "1"), ("IDLE", "1", "-", "+"), tuple("1234567")):
        assert client("XPENDING", "k", "g", *words) == SYNTAX
    assert client("XPENDING", "k", "g", "-", "+", "x") == NOT_AN_INTEGER
    assert client("XPENDING", "k", "g", "IDLE", "x", "-", "+", "1") == NOT_AN_INTEGER
    assert client("XPENDING", "k", "g", "x", "+", "1") == INVALID_ID
    start, end = (b"-ERR invalid %s ID for the interval" % word for word in (b"start", b"end"))
    assert client("XPENDING", "k", "g", f"({HIGHEST}", "+", "1") == start
    assert client("XPENDING", "k", "g", "-", "(0-0", "1") == end
    for key in ("k", "none"):
        error = b"-NOGROUP No such key '%s' or consumer group 'no'" % key.encode()
        assert client("XPENDING", key, "no") == error
        assert client("XPENDING", key, "no", "-", "+", "1") == error


# XCLAIM


def test_xclaim_takes_entries_over(client: Client) -> None:
    with_group(client, 5)
    read(client, "alice", 3)
    client.driver.advance(10)
    assert client("XCLAIM", "k", "g", "bob", 20_000, "1", "2") == []
    assert client.events == [(b"xgroup-createconsumer", b"k")]
    reply = client("XCLAIM", "k", "g", "bob", 5000, "1", "2", "4", "9")
    assert reply == [[b"1-0", [b"field", b"1"]], [b"2-0", [b"field", b"2"]]]
    assert client.events == []
    # JUSTID is no delivery.
    assert client("XCLAIM", "k", "g", "alice", 0, "2", "3", "JUSTID") == [b"2-0", b"3-0"]
    assert pending(client) == [
        (b"1-0", b"bob", 0, 2),
        (b"2-0", b"alice", 0, 2),
        (b"3-0", b"alice", 0, 1),
    ]


def test_xclaim_sets_what_it_is_told(client: Client) -> None:
    with_group(client, 5)
    read(client, "alice", 4)
    now_ms = client.now_ms()
    client("XCLAIM", "k", "g", "bob", 0, "1", "IDLE", 3000)
    client("XCLAIM", "k", "g", "bob", 0, "2", "TIME", now_ms - 4000, "RETRYCOUNT", 7)
    # Times that cannot be are now.
    client("XCLAIM", "k", "g", "bob", 0, "3", "TIME", now_ms + 5000)
    client("XCLAIM", "k", "g", "bob", 0, "4", "IDLE", 2**62)
    assert pending(client) == [
        (b"1-0", b"bob", 3000, 2),
        (b"2-0", b"bob", 4000, 7),
        (b"3-0", b"bob", 0, 2),
        (b"4-0", b"bob", 0, 2),
    ]
    assert client("XCLAIM", "k", "g", "bob", 0, "5", "JUSTID") == []
    assert client("XCLAIM", "k", "g", "bob", 10**9, "5", "9", "FORCE", "JUSTID") == [b"5-0"]
    assert pending(client)[-1] == (b"5-0", b"bob", 0, 1)
    client("XCLAIM", "k", "g", "bob", 0, "9", "LASTID", "5-0")
    assert read(client, "alice", 1) == []


def test_xclaim_forgets_what_is_deleted(client: Client) -> None:
    with_group(client, 3)
    read(client, "alice", 3)
    client("XDEL", "k", "2")
    assert len(pending(client)) == 3
    assert ids(client("XCLAIM", "k", "g", "bob", 0, "1", "2", "3")) == [b"1-0", b"3-0"]
    assert [one[0] for one in pending(client)] == [b"1-0", b"3-0"]


def test_xclaim_refuses_wrong_arguments(client: Client) -> None:
    with_group(client, 1)
    no_group = b"-NOGROUP No such key '%s' or consumer group '%s'"
    assert client("XCLAIM", "none", "g", "c", "x", "1") == no_group % (b"none", b"g")
    assert client("XCLAIM", "k", "no", "c", "x", "1") == no_group % (b"k", b"no")
    assert client("XCLAIM", "k", "g", "c", "x", "1") == (
        b"-ERR Invalid min-idle-time argument for XCLAIM"
    )
    for option in ("IDLE", "TIME", "RETRYCOUNT"):
        error = b"-ERR Invalid %s option argument for XCLAIM" % option.encode()
        assert client("XCLAIM", "k", "g", "c", 0, "1", option, "x") == error
        error = b"-ERR Unrecognized XCLAIM option '%s'" % option.encode()
        assert client("XCLAIM", "k", "g", "c", 0, "1", option) == error
    assert client("XCLAIM", "k", "g", "c", 0, "1", "LASTID", "x") == INVALID_ID
    assert client("XCLAIM", "k", "g", "c", 0, "1", "-") == b"-ERR Unrecognized XCLAIM option '-'"
    assert client("XINFO", "CONSUMERS", "k", "g") == []


# XAUTOCLAIM


def test_xautoclaim_goes_along_what_is_pending(client: Client) -> None:
    with_group(client, 5)
    read(client, "alice", 4)
    client.driver.advance(10)
    client("XDEL", "k", "2")
    reply = client("XAUTOCLAIM", "k", "g", "bob", 5000, "-", "COUNT", 2)
    assert reply == [b"3-0", [[b"1-0", [b"field", b"1"]]], [b"2-0"]]
    assert client.events == [(b"xgroup-createconsumer", b"k")]
    reply = client("XAUTOCLAIM", "k", "g", "bob", 5000, "3-0", "justid")
    assert reply == [b"0-0", [b"3-0", b"4-0"], []]
    assert client("XAUTOCLAIM", "k", "g", "bob", 5000, "-") == [b"0-0", [], []]
    assert pending(client) == [
        (b"1-0", b"bob", 0, 2),
        (b"3-0", b"bob", 0, 1),
        (b"4-0", b"bob", 0, 1),
    ]
    assert client("XAUTOCLAIM", "k", "g", "alice", 0, "(1", "COUNT", 1, "JUSTID") == [
        b"4-0",
        [b"3-0"],
        [],
    ]


def test_xautoclaim_looks_at_ten_for_each_that_it_may_claim() -> None:
    client = Client(MEMORY)
    with_group(client, 300)
    read(client, "alice", 300)
    client("XCLAIM", "k", "g", "alice", 0, "295", "IDLE", 9000)
    assert client("XAUTOCLAIM", "k", "g", "bob", 9000, "0", "COUNT", 1) == [b"11-0", [], []]
    assert client("XAUTOCLAIM", "k", "g", "bob", 9000, "0", "COUNT", 20) == [b"201-0", [], []]
    assert client("XAUTOCLAIM", "k", "g", "bob", 9000, "0", "COUNT", 30, "JUSTID") == [
        b"0-0",
        [b"295-0"],
        [],
    ]
    client.close()


def test_xautoclaim_refuses_wrong_arguments(client: Client) -> None:
    with_group(client, 1)
    error = b"-ERR Invalid min-idle-time argument for XAUTOCLAIM"
    assert client("XAUTOCLAIM", "none", "g", "c", "x", "0") == error
    assert client("XAUTOCLAIM", "k", "g", "c", 0, "x") == INVALID_ID
    start = b"-ERR invalid start ID for the interval"
    assert client("XAUTOCLAIM", "k", "g", "c", 0, f"({HIGHEST}") == start
    for count in (0, -1, "x", 8070450532247928833):
        error = b"-ERR COUNT must be > 0"
        assert client("XAUTOCLAIM", "k", "g", "c", 0, "0", "COUNT", count) == error
    assert client("XAUTOCLAIM", "k", "g", "c", 0, "0", "COUNT") == SYNTAX
    assert client("XAUTOCLAIM", "k", "g", "c", 0, "0", "FOO") == SYNTAX
    error = b"-NOGROUP No such key 'k' or consumer group 'no'"
    assert client("XAUTOCLAIM", "k", "no", "c", 0, "0") == error


# XINFO


def test_xinfo_tells_when_consumers_were_seen(client: Client) -> None:
    with_group(client, 1)
    read(client, "alice", 1)
    client.driver.advance(1)
    read(client, "alice", 1)
    read(client, "bob", 1)
    client.driver.advance(2)
    assert client("XINFO", "CONSUMERS", "k", "g") == [
        # What is on disk does not know when she asked in vain.
        {
            b"name": b"alice",
            b"pending": 1,
            b"idle": 3000 if client.place == DISK else 2000,
            b"inactive": 3000,
        },
        {b"name": b"bob", b"pending": 0, b"idle": 2000, b"inactive": -1},
    ]
    assert client("XINFO", "CONSUMERS", "none", "g") == b"-ERR no such key"
    assert client("XINFO", "GROUPS", "none") == b"-ERR no such key"


def test_xinfo_stream_full_tells_all(client: Client) -> None:
    with_group(client, 3)
    now_ms = client.now_ms()
    read(client, "alice", 2)
    assert info(client, "k", "FULL", "COUNT", 1)[b"groups"] == [
        {
            b"name": b"g",
            b"last-delivered-id": b"2-0",
            b"entries-read": 2,
            b"lag": 1,
            b"pel-count": 2,
            b"pending": [[b"1-0", b"alice", now_ms, 1]],
            b"consumers": [
                {
                    b"name": b"alice",
                    b"seen-time": now_ms,
                    b"active-time": now_ms,
                    b"pel-count": 2,
                    b"pending": [[b"1-0", now_ms, 1]],
                }
            ],
        }
    ]


def test_counters_beyond_63_bits_are_shown_as_redis_shows_them(client: Client) -> None:
    client("XGROUP", "CREATE", "k", "g", "0", "MKSTREAM")
    client("XSETID", "k", "5", "ENTRIESADDED", 2**63 - 1)
    client("XADD", "k", "6", "a", "1")
    assert info(client, "k")[b"entries-added"] == -(2**63)


# What all have in common


def test_other_types_are_refused(client: Client) -> None:
    client("SET", "k", "x")
    for words in (
        ("XGROUP", "CREATE", "k", "g", "$"),
        ("XGROUP", "CREATE", "k", "g", "$", "MKSTREAM"),
        ("XGROUP", "SETID", "k", "g", "$"),
        ("XGROUP", "DESTROY", "k", "g"),
        ("XGROUP", "CREATECONSUMER", "k", "g", "c"),
        ("XGROUP", "DELCONSUMER", "k", "g", "c"),
        ("XACK", "k", "g", "x"),
        ("XPENDING", "k", "g"),
        ("XCLAIM", "k", "g", "c", "x", "1"),
        ("XAUTOCLAIM", "k", "g", "c", "0", "0"),
    ):
        assert client(*words) == WRONG_TYPE


def test_what_consumers_do_fails_no_watch(client: Client) -> None:
    other = client.driver.new_session()
    with_group(client, 5)
    for words in (
        ("XREADGROUP", "GROUP", "g", "alice", "COUNT", "3", "STREAMS", "k", ">"),
        ("XCLAIM", "k", "g", "bob", "0", "1"),
        ("XAUTOCLAIM", "k", "g", "bob", "0", "0"),
        ("XACK", "k", "g", "1"),
        ("XGROUP", "SETID", "k", "g", "0"),
        ("XGROUP", "DELCONSUMER", "k", "g", "bob"),
    ):
        client("WATCH", "k")
        client.driver.run(*words, session=other)
        client("MULTI")
        client("PING")
        assert isinstance(client("EXEC"), list), words


def test_what_consumers_do_survives_the_disk(client: Client) -> None:
    with_group(client, 30)
    read(client, "alice", 20)
    client("XACK", "k", "g", *range(1, 11))
    client.driver.evict_all()
    assert client("XPENDING", "k", "g") == [10, b"11-0", b"20-0", [[b"alice", b"10"]]]
    assert read(client, "bob", 1) == [b"21-0"]


def test_times_of_a_payload_may_be_any(client: Client) -> None:
    """What has passed since the least of all times fits no integer of 64 bits."""
    stream = Stream()
    stream.add_group(b"g", 0, 0)
    group = stream.groups()[0]
    consumer = group.add_consumer(b"alice", -(2**63))
    consumer.active_ms = -(2**63) + 1
    assert client("RESTORE", "far", 0, dumped(stream, client.driver.engine.config)) == b"OK"
    now_ms = client.now_ms()
    assert client("XINFO", "CONSUMERS", "far", "g") == [
        {b"name": b"alice", b"pending": 0, b"idle": 0, b"inactive": now_ms - 2**63 - 1}
    ]
