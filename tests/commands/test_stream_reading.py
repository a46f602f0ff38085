"""XREAD and XREADGROUP, at once and blocking."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from commands.test_stream_groups import pending, read, with_group
from commands.test_streams import INVALID_ID, NOT_AN_INTEGER, SYNTAX, WRONG_TYPE, fill, ids
from dscache.wire.encoder import ReplyWriter
from dscache.wire.reply import NULL_ARRAY, ErrorReply, Grouped
from places import MEMORY, PLACES, Client

Replies = list[object]


@pytest.fixture(params=PLACES)
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    client = Client(request.param, stream_node_max_entries="10")
    yield client
    client.close()


def found(reply: object) -> list[tuple[bytes, list[bytes]]]:
    """The streams of a reply, with the IDs of their entries."""
    assert isinstance(reply, Grouped), reply
    result = []
    for key, entries in reply.items:
        assert isinstance(key, bytes)
        result.append((key, ids(entries)))
    return result


def blocked(client: Client, *words: str | int) -> Replies:
    """Let another client send a command, which waits; the list gets its reply."""
    blocking = client.driver.engine.blocking
    before = blocking.clients
    replies = client.driver.start(*words, session=client.driver.new_session())
    client.driver.turn_until(lambda: bool(replies) or blocking.clients == before + 1)
    assert replies == []
    return replies


def reply_of(client: Client, replies: Replies) -> object:
    """What has come, or comes soon, to one that waited; errors as bytes."""
    client.driver.turn_until(lambda: bool(replies))
    reply = replies[0]
    return b"-" + reply.text if isinstance(reply, ErrorReply) else reply


# XREAD


def test_xread_reads_behind_ids(client: Client) -> None:
    fill(client, "k", 25)
    fill(client, "other", 2)
    assert found(client("XREAD", "COUNT", 2, "STREAMS", "k", "other", "9", "0")) == [
        (b"k", [b"10-0", b"11-0"]),
        (b"other", [b"1-0", b"2-0"]),
    ]
    assert found(client("XREAD", "streams", "k", "none", "other", "23-5", "0", "2")) == [
        (b"k", [b"24-0", b"25-0"])
    ]
    for number in ("25", "25-0", "$", "18446744073709551615-18446744073709551615"):
        assert client("XREAD", "STREAMS", "k", number) is NULL_ARRAY
    assert len(found(client("XREAD", "COUNT", -1, "STREAMS", "k", "0"))[0][1]) == 25


def test_xread_reads_the_last_entry(client: Client) -> None:
    fill(client, "k", 3)
    assert found(client("XREAD", "COUNT", 3, "STREAMS", "k", "none", "+", "+")) == [
        (b"k", [b"3-0"])
    ]
    client("XADD", "k", "3-18446744073709551615", "a", "1")
    assert found(client("XREAD", "STREAMS", "k", "+")) == [(b"k", [b"3-18446744073709551615"])]
    client("XDEL", "k", "3-18446744073709551615")
    assert client("XREAD", "STREAMS", "k", "+") is NULL_ARRAY
    client("XGROUP", "CREATE", "empty", "g", "$", "MKSTREAM")
    assert client("XREAD", "STREAMS", "empty", "+") == b"-ERR the stream last element ID is 0-0"


@pytest.mark.parametrize(
    ("resp", "expected"),
    [
        (2, b"*2\r\n*2\r\n$1\r\nk\r\n%b*2\r\n$1\r\nk\r\n%b"),
        (3, b"%%2\r\n$1\r\nk\r\n%b$1\r\nk\r\n%b"),
    ],
)
def test_a_stream_may_be_named_twice(resp: int, expected: bytes) -> None:
    client = Client(MEMORY)
    client("XADD", "k", "1", "a", "b")
    writer = ReplyWriter()
    writer.resp = resp
    writer.write(client("XREAD", "STREAMS", "k", "k", "0", "0-1"))
    entries = b"*1\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n"
    assert writer.take() == expected % (entries, entries)
    client.close()


def test_xread_refuses_wrong_arguments(client: Client) -> None:
    client("XADD", "k", "1", "a", "b")
    only = b"-ERR The %s option is only supported by XREADGROUP. You called XREAD instead."
    for words, error in (
        (("STREAMS", "k", "x"), INVALID_ID),
        (("STREAMS", "k", "-"), INVALID_ID),
        (
            ("STREAMS", "k", "k", "0"),
            (
                b"-ERR Unbalanced 'xread' list of streams: for each stream key an ID or '$' must be"
                b" specified."
            ),
        ),
        (("COUNT", "x", "STREAMS", "k", "0"), NOT_AN_INTEGER),
        (("BLOCK", "x", "STREAMS", "k", "0"), b"-ERR timeout is not an integer or out of range"),
        (("BLOCK", "-1", "STREAMS", "k", "0"), b"-ERR timeout is negative"),
        (("BLOCK", 2**63 - 1, "STREAMS", "k", "0"), b"-ERR timeout is out of range"),
        (("GROUP", "g", "c", "STREAMS", "k", ">"), only % b"GROUP"),
        (("NOACK", "STREAMS", "k", ">"), only % b"NOACK"),
        (("FOO", "STREAMS", "k", ">"), SYNTAX),
        (("COUNT", "1", "COUNT", "1"), SYNTAX),
        (
            ("STREAMS", "k", ">"),
            (
                b"-ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group>"
                b" <consumer> option."
            ),
        ),
    ):
        assert client("XREAD", *words) == error
    client("SET", "text", "x")
    assert client("XREAD", "STREAMS", "k", "text", "0", "0") == WRONG_TYPE


# XREADGROUP


def test_a_group_reads_each_entry_once(client: Client) -> None:
    with_group(client, 25)
    assert read(client, "alice", 2) == [b"1-0", b"2-0"]
    assert read(client, "bob", 15) == [b"%d-0" % number for number in range(3, 18)]
    assert len(read(client, "alice", 0)) == 8
    assert read(client, "alice", 0) == []
    fill(client, "k", 1, start=50)
    assert read(client, "carol", 5) == [b"50-0"]


def test_consumers_read_their_history(client: Client) -> None:
    with_group(client, 15)
    read(client, "alice", 5)
    read(client, "bob", 5)
    client("XACK", "k", "g", "2")
    client("XDEL", "k", "4")
    reply = client("XREADGROUP", "GROUP", "g", "alice", "STREAMS", "k", "0")
    assert isinstance(reply, Grouped)
    assert reply.items == [
        (
            b"k",
            [
                [b"1-0", [b"field", b"1"]],
                [b"3-0", [b"field", b"3"]],
                [b"4-0", NULL_ARRAY],
                [b"5-0", [b"field", b"5"]],
            ],
        )
    ]
    assert read(client, "alice", 1, "1-0") == [b"3-0"]
    assert read(client, "carol", 1, "0") == []
    # Seeing it again is another delivery; of what is gone it is none.
    assert [(one[0], one[3]) for one in pending(client, "-", "5", 9)] == [
        (b"1-0", 2),
        (b"3-0", 3),
        (b"4-0", 1),
        (b"5-0", 2),
    ]
    assert client.events == []


def test_a_look_at_the_history_is_saved_but_no_change() -> None:
    client = Client(MEMORY)
    with_group(client, 5)
    read(client, "alice", 2)
    client.driver.flush()
    flusher = client.driver.engine.flusher
    assert read(client, "alice", 9, "0") == [b"1-0", b"2-0"]
    assert flusher.unsaved_changes == 0
    assert flusher.has_dirty
    client.driver.evict_all()
    assert [one[3] for one in pending(client, "-", "+", 9)] == [2, 2]
    # But that a consumer is new, or an entry delivered, is one.
    read(client, "bob", 9, "0")
    assert flusher.unsaved_changes == 1
    read(client, "bob", 1)
    assert flusher.unsaved_changes == 2
    read(client, "bob", 9)
    assert flusher.unsaved_changes == 3
    assert read(client, "bob", 9) == []
    assert flusher.unsaved_changes == 3
    client.driver.close()


def test_polling_in_vain_is_no_change_but_the_consumer_has_been_seen() -> None:
    client = Client(MEMORY)
    with_group(client, 1)
    read(client, "alice", 9)
    client("CACHE", "FLUSH")
    keyspace = client.driver.engine.keyspaces[0]
    client.driver.advance(5)
    assert client("XREADGROUP", "GROUP", "g", "alice", "STREAMS", "k", ">") is NULL_ARRAY
    assert not keyspace.is_dirty(b"k")
    assert client("XINFO", "CONSUMERS", "k", "g") == [
        {b"name": b"alice", b"pending": 1, b"idle": 0, b"inactive": 5000}
    ]
    client("XACK", "k", "g", "1-0")
    client("CACHE", "FLUSH")
    history = client("XREADGROUP", "GROUP", "g", "alice", "STREAMS", "k", "0")
    assert found(history) == [(b"k", [])]
    assert not keyspace.is_dirty(b"k")
    assert client("XREADGROUP", "GROUP", "g", "bob", "STREAMS", "k", ">") is NULL_ARRAY
    assert keyspace.is_dirty(b"k"), "a new consumer is a change"
    client("CACHE", "FLUSH")
    client.driver.advance(60)
    client("XREADGROUP", "GROUP", "g", "alice", "STREAMS", "k", ">")
    assert keyspace.is_dirty(b"k"), "what is saved of it is a minute old at most"
    client.driver.close()


def test_noack_leaves_nothing_pending(client: Client) -> None:
    with_group(client, 3)
    words = ("GROUP", "g", "alice", "NOACK", "STREAMS", "k", ">")
    assert found(client("XREADGROUP", *words)) == [(b"k", [b"1-0", b"2-0", b"3-0"])]
    assert client.events == [(b"xgroup-createconsumer", b"k")]
    assert pending(client) == []
    assert client("XINFO", "CONSUMERS", "k", "g") == [
        {b"name": b"alice", b"pending": 0, b"idle": 0, b"inactive": -1}
    ]


def test_xreadgroup_reads_several_streams(client: Client) -> None:
    with_group(client, 2)
    fill(client, "other", 2)
    client("XGROUP", "CREATE", "other", "g", "$")
    words = ("GROUP", "g", "alice", "STREAMS", "k", "other")
    assert found(client("XREADGROUP", *words, ">", ">")) == [(b"k", [b"1-0", b"2-0"])]
    assert found(client("XREADGROUP", *words, "0", "0")) == [
        (b"k", [b"1-0", b"2-0"]),
        (b"other", []),
    ]


def test_xreadgroup_refuses_wrong_arguments(client: Client) -> None:
    with_group(client, 1)
    no_group = b"-NOGROUP No such key '%s' or consumer group '%s' in XREADGROUP with GROUP option"
    head = ("XREADGROUP", "GROUP", "g", "alice")
    assert client(*head, "STREAMS", "none", ">") == no_group % (b"none", b"g")
    assert client("XREADGROUP", "GROUP", "no", "a", "STREAMS", "k", "x") == no_group % (b"k", b"no")
    assert client(*head, "STREAMS", "k", "x") == INVALID_ID
    for number in ("$", "+"):
        reply = client(*head, "STREAMS", "k", number)
        assert isinstance(reply, bytes)
        assert reply.startswith(b"-ERR The %s ID is meaningless in the context" % number.encode())
        assert reply.endswith(b"The %s ID would just return an empty result set." % number.encode())
    assert client(*head, "STREAMS", "k", "k", ">") == (
        b"-ERR Unbalanced 'xreadgroup' list of streams: for each stream key an ID or '>' must be"
        b" specified."
    )
    missing = b"-ERR Missing GROUP option for XREADGROUP"
    assert client("XREADGROUP", "NOACK", "COUNT", "1", "STREAMS", "k", ">") == missing
    assert client("XREADGROUP", "GROUP", "g", "a", "COUNT", "1", "NOACK") == SYNTAX
    client("SET", "text", "x")
    assert client(*head, "STREAMS", "k", "text", ">", ">") == WRONG_TYPE
    # Nothing has been read by any of them.
    assert client("XINFO", "CONSUMERS", "k", "g") == []


# Waiting


def test_xread_waits_for_an_entry(client: Client) -> None:
    fill(client, "k", 3)
    replies = blocked(client, "XREAD", "BLOCK", 0, "STREAMS", "none", "k", "$", "$")
    last = blocked(client, "XREAD", "BLOCK", 0, "STREAMS", "none", "+")
    client("XADD", "unrelated", "1", "a", "1")
    client("XDEL", "k", "1")
    assert replies == []
    client("XADD", "k", "9", "a", "1")
    assert found(reply_of(client, replies)) == [(b"k", [b"9-0"])]
    client("XADD", "none", "7", "a", "1")
    assert found(reply_of(client, last)) == [(b"none", [b"7-0"])]


def test_what_is_there_is_not_waited_for(client: Client) -> None:
    with_group(client, 3)
    assert found(client("XREAD", "BLOCK", 0, "STREAMS", "k", "2")) == [(b"k", [b"3-0"])]
    words = ("XREADGROUP", "GROUP", "g", "alice", "BLOCK", 0, "STREAMS", "k")
    assert found(client(*words, "0")) == [(b"k", [])]
    assert len(found(client(*words, ">"))[0][1]) == 3


def test_all_who_wait_get_an_entry_but_of_a_group_only_one(client: Client) -> None:
    with_group(client, 0)
    client("XGROUP", "CREATE", "k", "g", "$", "MKSTREAM")
    readers = [blocked(client, "XREAD", "BLOCK", 0, "STREAMS", "k", "$") for _ in range(2)]
    words = ("XREADGROUP", "GROUP", "g", "alice", "BLOCK", 0, "STREAMS", "k", ">")
    consumers = [blocked(client, *words) for _ in range(3)]
    client("XADD", "k", "MAXLEN", "5", "1", "a", "1")
    for replies in (*readers, consumers[0]):
        assert found(reply_of(client, replies)) == [(b"k", [b"1-0"])]
    assert consumers[1:] == [[], []]
    client("XADD", "k", "2", "a", "1")
    assert found(reply_of(client, consumers[1])) == [(b"k", [b"2-0"])]
    assert consumers[2] == []
    client("XGROUP", "DELCONSUMER", "k", "g", "alice")
    client("XGROUP", "SETID", "k", "g", "0")
    assert consumers[2] == []


def test_entries_that_are_gone_again_wake_nobody(client: Client) -> None:
    replies = blocked(client, "XREAD", "BLOCK", 0, "STREAMS", "k", "$")
    client("MULTI")
    client("XADD", "k", "1", "a", "1")
    client("DEL", "k")
    client("LPUSH", "k", "x")
    client("EXEC")
    assert replies == []
    client("DEL", "k")
    client("XADD", "k", "1", "a", "1")
    assert found(reply_of(client, replies)) == [(b"k", [b"1-0"])]


def test_several_entries_of_a_transaction_come_together(client: Client) -> None:
    replies = blocked(client, "XREAD", "BLOCK", 0, "STREAMS", "k", "$")
    client("MULTI")
    for number in range(1, 4):
        client("XADD", "k", number, "a", "1")
    client("EXEC")
    assert found(reply_of(client, replies)) == [(b"k", [b"1-0", b"2-0", b"3-0"])]


def test_waiting_ends_with_the_time() -> None:
    client = Client(MEMORY)
    with_group(client, 1)
    read(client, "alice", 1)
    replies = [
        blocked(client, "XREAD", "BLOCK", 1000, "STREAMS", "k", "$"),
        blocked(client, "XREADGROUP", "GROUP", "g", "alice", "BLOCK", 1000, "STREAMS", "k", ">"),
    ]
    client.driver.advance(1.1)
    assert [reply_of(client, one) for one in replies] == [NULL_ARRAY, NULL_ARRAY]
    client.close()


def test_nothing_waits_in_a_transaction(client: Client) -> None:
    client("XGROUP", "CREATE", "k", "g", "$", "MKSTREAM")
    client("MULTI")
    client("XREAD", "BLOCK", 0, "STREAMS", "k", "$")
    client("XREADGROUP", "GROUP", "g", "alice", "BLOCK", 0, "STREAMS", "k", ">")
    assert client("EXEC") == [NULL_ARRAY, NULL_ARRAY]


NO_GROUP = b"-NOGROUP No such key 'k' or consumer group 'g' in XREADGROUP with GROUP option"


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("DEL", "k"), NO_GROUP),
        (("XGROUP", "DESTROY", "k", "g"), NO_GROUP),
        (("SET", "k", "x"), WRONG_TYPE),
        (("FLUSHALL",), NO_GROUP),
        (("SWAPDB", "0", "1"), NO_GROUP),
        (("RENAME", "ungrouped", "k"), NO_GROUP),
        (("RENAME", "k", "ungrouped"), NO_GROUP),
    ],
)
def test_who_waits_in_a_group_learns_that_it_is_gone(
    client: Client, words: tuple[str, ...], error: bytes
) -> None:
    client("XGROUP", "CREATE", "k", "g", "$", "MKSTREAM")
    client("XADD", "ungrouped", "1", "a", "1")
    group = ("XREADGROUP", "GROUP", "g", "alice", "BLOCK", 0, "STREAMS", "k", ">")
    replies = blocked(client, *group)
    alone = blocked(client, "XREAD", "BLOCK", 0, "STREAMS", "k", "5")
    client(*words)
    assert reply_of(client, replies) == error
    assert alone == []


def test_a_renamed_stream_with_the_group_has_what_is_waited_for(client: Client) -> None:
    client("XGROUP", "CREATE", "k", "g", "$", "MKSTREAM")
    client("XGROUP", "CREATE", "other", "g", "$", "MKSTREAM")
    client("XADD", "other", "100", "a", "1")
    words = ("XREADGROUP", "GROUP", "g", "alice", "BLOCK", 0, "STREAMS", "k", ">")
    replies = blocked(client, *words)
    client("RENAME", "other", "k")
    assert found(reply_of(client, replies)) == [(b"k", [b"100-0"])]


def test_a_consumer_that_waits_is_made_at_once(client: Client) -> None:
    client("XGROUP", "CREATE", "k", "g", "$", "MKSTREAM")
    words = ("XREADGROUP", "GROUP", "g", "alice", "BLOCK", 0, "STREAMS", "k", ">")
    blocked(client, *words)
    assert client("XGROUP", "CREATECONSUMER", "k", "g", "alice") == 0
