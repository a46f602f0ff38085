"""The commands on sets: the same wherever the keys are."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator

import pytest

from dscache.store.memory import MemoryStore
from dscache.wire.encoder import ReplyWriter
from dscache.wire.reply import SetReply
from places import DISK, MEMORY, PLACES, SAVING, Client

WRONG_TYPE = b"-WRONGTYPE Operation against a key holding the wrong kind of value"
SYNTAX = b"-ERR syntax error"
NOT_AN_INTEGER = b"-ERR value is not an integer or out of range"
NOT_POSITIVE = b"-ERR value is out of range, must be positive"

#: Sets that are kept in the three ways there are: in one page, in several, and apart on disk.
SIZES = [5, 300, 3000]


@pytest.fixture(params=PLACES)
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    """A client whose keys are at one place when each command comes."""
    client = Client(request.param)
    yield client
    client.close()


def numbered(start: int, stop: int) -> list[bytes]:
    return [b"m%d" % number for number in range(start, stop)]


def members(reply: object) -> list[bytes]:
    """What a set reply has, sorted; no member is there twice."""
    assert isinstance(reply, SetReply), reply
    found = [item for item in reply.items if isinstance(item, bytes)]
    assert len(found) == len(set(found)) == len(reply.items)
    return sorted(found)


def stored(client: Client, key: str) -> list[bytes]:
    return members(client("SMEMBERS", key))


# Members


def test_sadd_makes_a_set_and_adds_to_it(client: Client) -> None:
    assert client("SADD", "s", "a", "b", "a") == 2
    assert client.events == [(b"sadd", b"s")]
    assert client("SADD", "s", "c", "a") == 1
    assert client.events == [(b"sadd", b"s")]
    assert client("SADD", "s", "a", "b") == 0
    assert client.events == []
    assert stored(client, "s") == [b"a", b"b", b"c"]
    assert client("TYPE", "s") == b"set"


@pytest.mark.parametrize("size", SIZES)
def test_sets_of_any_size_are_changed(client: Client, size: int) -> None:
    expected = set(numbered(0, size))
    assert client("SADD", "s", *expected) == size
    assert client("SADD", "s", *numbered(size - 1, size + 3)) == 3
    assert client("SREM", "s", *numbered(1, 3)) == 2
    expected |= set(numbered(size, size + 3))
    expected -= set(numbered(1, 3))
    assert client("SCARD", "s") == len(expected)
    assert stored(client, "s") == sorted(expected)
    assert client("SISMEMBER", "s", "m0") == 1
    assert client("SMISMEMBER", "s", "m0", "m1", "none", "m3") == [1, 0, 0, 1]
    client.driver.evict_all()
    assert stored(client, "s") == sorted(expected)


def test_srem_removes_members_and_then_the_key(client: Client) -> None:
    client("SADD", "s", "a", "b", "c")
    assert client("SREM", "s", "none") == 0
    assert client.events == []
    assert client("SREM", "s", "a", "none", "a") == 1
    assert client.events == [(b"srem", b"s")]
    assert client("SREM", "s", "b", "c", "d") == 2
    assert client.events == [(b"srem", b"s"), (b"del", b"s")]
    assert client("EXISTS", "s") == 0
    assert client("SREM", "s", "a") == 0
    assert client("DBSIZE") == 0


def test_a_change_keeps_the_due_time(client: Client) -> None:
    client("SADD", "s", *numbered(0, 1000))
    client("EXPIRE", "s", "100")
    client("SADD", "s", "a")
    client("SREM", "s", "m1")
    client("SPOP", "s")
    client("SPOP", "s", "3")
    client("SPOP", "s", "990")
    assert client("SCARD", "s") == 1000 - 1 - 3 - 990
    assert client("TTL", "s") == 100


def test_what_is_no_set_is_an_empty_one(client: Client) -> None:
    assert stored(client, "none") == []
    assert client("SCARD", "none") == 0
    assert client("SISMEMBER", "none", "a") == 0
    assert client("SMISMEMBER", "none", "a", "b") == [0, 0]
    assert client("SSCAN", "none", "0") == [b"0", []]
    assert client("SSCAN", "none", "0", "COUNT") == [b"0", []]
    assert client("SPOP", "none") is None
    assert members(client("SPOP", "none", "2")) == []
    assert client("SRANDMEMBER", "none") is None
    assert client("SRANDMEMBER", "none", "2") == []
    assert client("SMOVE", "none", "s", "a") == 0
    assert client.events == []


def test_an_intset_is_listed_in_ascending_order(client: Client) -> None:
    client("SADD", "s", "10", "9", "-3", "100")
    client("SADD", "t", "9", "1000", "-3")
    expected: list[tuple[tuple[str, ...], list[object]]] = [
        (("SMEMBERS", "s"), [b"-3", b"9", b"10", b"100"]),
        (("SUNION", "s", "t"), [b"-3", b"9", b"10", b"100", b"1000"]),
        (("SINTER", "s", "t"), [b"-3", b"9"]),
        (("SDIFF", "s", "t"), [b"10", b"100"]),
        (("SPOP", "s", "5"), [b"-3", b"9", b"10", b"100"]),
    ]
    assert client("SRANDMEMBER", "s", "4") == [b"-3", b"9", b"10", b"100"]
    assert client("SSCAN", "s", "0", "COUNT", "1") == [b"0", [b"-3", b"9", b"10", b"100"]]
    for words, items in expected:
        reply = client(*words)
        assert isinstance(reply, SetReply)
        assert reply.items == items


# SMOVE


def test_smove_takes_a_member_along(client: Client) -> None:
    client("SADD", "s", "a", "b")
    client("SADD", "t", "x", "b")
    assert client("SMOVE", "s", "t", "a") == 1
    assert client.events == [(b"srem", b"s"), (b"sadd", b"t")]
    assert client("SMOVE", "s", "t", "b") == 1
    assert client.events == [(b"srem", b"s"), (b"del", b"s")]
    assert stored(client, "t") == [b"a", b"b", b"x"]
    assert client("SMOVE", "t", "new", "x") == 1
    assert client.events == [(b"srem", b"t"), (b"sadd", b"new")]
    assert client("SMOVE", "t", "new", "none") == 0
    assert client.events == []
    assert stored(client, "new") == [b"x"]


def test_smove_to_where_the_member_is_changes_nothing(client: Client) -> None:
    client("SADD", "s", "a")
    assert client("SMOVE", "s", "s", "a") == 1
    assert client("SMOVE", "s", "s", "b") == 0
    assert client.events == []
    assert stored(client, "s") == [b"a"]


def test_smove_looks_at_types_only_if_there_is_a_source(client: Client) -> None:
    client("SET", "text", "x")
    client("SADD", "s", "a")
    assert client("SMOVE", "none", "text", "a") == 0
    assert client("SMOVE", "s", "text", "a") == WRONG_TYPE
    assert client("SMOVE", "s", "text", "none") == WRONG_TYPE
    assert client("SMOVE", "text", "s", "a") == WRONG_TYPE
    assert client("SMOVE", "text", "none", "a") == WRONG_TYPE
    assert stored(client, "s") == [b"a"]


# SSCAN


def scan_all(client: Client, key: str, *options: str | int) -> list[bytes]:
    found: list[bytes] = []
    cursor: object = b"0"
    while True:
        assert isinstance(cursor, bytes)
        reply = client("SSCAN", key, cursor, *options)
        assert isinstance(reply, list)
        cursor, page = reply
        found.extend(page)
        if cursor == b"0":
            return found


@pytest.mark.parametrize("size", SIZES)
def test_sscan_finds_every_member_once(client: Client, size: int) -> None:
    client("SADD", "s", *numbered(0, size))
    assert sorted(scan_all(client, "s", "COUNT", "200")) == sorted(numbered(0, size))
    assert scan_all(client, "s", "match", "m1", "COUNT", "900") == [b"m1"]


def test_sscan_goes_by_its_count(client: Client) -> None:
    client("SADD", "s", *numbered(0, 1000))
    reply = client("SSCAN", "s", "0")
    assert isinstance(reply, list)
    assert len(reply[1]) == 10
    assert reply[0] != b"0"


def test_sscan_of_few_members_goes_by_its_count_if_one_of_them_is_long(client: Client) -> None:
    members = [*numbered(0, 20), b"m" * 65]
    client("SADD", "s", *members)
    reply = client("SSCAN", "s", "0", "COUNT", "5")
    assert isinstance(reply, list)
    assert len(reply[1]) == 5
    assert sorted(scan_all(client, "s", "COUNT", "5")) == sorted(members)


def test_sscan_refuses(client: Client) -> None:
    client("SADD", "s", "a")
    client("SET", "text", "x")
    assert client("SSCAN", "s", "x") == b"-ERR invalid cursor"
    assert client("SSCAN", "text", "x") == b"-ERR invalid cursor"
    assert client("SSCAN", "text", "0", "COUNT") == WRONG_TYPE
    assert client("SSCAN", "s", "0", "COUNT") == SYNTAX
    assert client("SSCAN", "s", "0", "COUNT", "0") == SYNTAX
    assert client("SSCAN", "s", "0", "COUNT", "x") == NOT_AN_INTEGER
    assert client("SSCAN", "s", "0", "TYPE", "set") == SYNTAX
    assert client("SSCAN", "s", "0", "NOVALUES") == (
        b"-ERR NOVALUES option can only be used in HSCAN"
    )


# At random


def test_spop_removes_a_member_and_then_the_key(client: Client) -> None:
    client("SADD", "s", "a", "b")
    first = client("SPOP", "s")
    assert client.events == [(b"spop", b"s")]
    second = client("SPOP", "s")
    assert client.events == [(b"spop", b"s"), (b"del", b"s")]
    assert {first, second} == {b"a", b"b"}
    assert client("EXISTS", "s") == 0


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_spop_removes_what_it_answers(client: Client, size: int, share: float) -> None:
    everything = numbered(0, size)
    client("SADD", "s", *everything)
    count = max(1, min(round(size * share), size - 1))
    popped = members(client("SPOP", "s", count))
    assert client.events == [(b"spop", b"s")]
    assert len(popped) == count
    assert sorted(popped + stored(client, "s")) == sorted(everything)


def test_spop_of_all_or_more_deletes_the_key(client: Client) -> None:
    for count in ("3", "4", str(2**63 - 1)):
        client("SADD", "s", "a", "b", "c")
        assert members(client("SPOP", "s", count)) == [b"a", b"b", b"c"]
        assert client.events == [(b"spop", b"s"), (b"del", b"s")]
        assert client("EXISTS", "s") == 0


def test_spop_of_none_changes_nothing(client: Client) -> None:
    client("SADD", "s", "a")
    assert members(client("SPOP", "s", "0")) == []
    assert client.events == []
    assert client("SCARD", "s") == 1


def test_spop_refuses(client: Client) -> None:
    client("SADD", "s", "a")
    client("SET", "text", "x")
    for count in ("-1", "x", "", str(2**63)):
        assert client("SPOP", "s", count) == NOT_POSITIVE
    assert client("SPOP", "s", "1", "2") == SYNTAX
    assert client("SPOP", "text") == WRONG_TYPE
    assert client("SPOP", "text", "0") == WRONG_TYPE
    assert client("SPOP", "text", "-1") == NOT_POSITIVE


@pytest.mark.parametrize("size", SIZES)
def test_srandmember_changes_nothing(client: Client, size: int) -> None:
    everything = numbered(0, size)
    client("SADD", "s", *everything)
    assert client("SRANDMEMBER", "s") in everything
    for count in (1, 3, size - 1):
        chosen = client("SRANDMEMBER", "s", count)
        assert isinstance(chosen, list)
        assert len(set(chosen)) == len(chosen) == count
        assert set(chosen) <= set(everything)
    for more in (size, size + 1, 2**63 - 1):
        chosen = client("SRANDMEMBER", "s", more)
        assert isinstance(chosen, list)
        assert sorted(chosen) == sorted(everything)
    drawn = client("SRANDMEMBER", "s", -3 * size)
    assert isinstance(drawn, list)
    assert len(drawn) == 3 * size
    assert set(drawn) <= set(everything)
    assert client("SRANDMEMBER", "s", "0") == []
    assert client.events == []
    assert client("SCARD", "s") == size


def test_srandmember_refuses(client: Client) -> None:
    client("SADD", "s", "a")
    client("SET", "text", "x")
    for count in ("x", "1.5", str(2**63)):
        assert client("SRANDMEMBER", "s", count) == NOT_AN_INTEGER
    assert client("SRANDMEMBER", "s", str(-(2**63))) == (
        b"-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807"
    )
    assert client("SRANDMEMBER", "s", "1", "2") == SYNTAX
    assert client("SRANDMEMBER", "text") == WRONG_TYPE
    assert client("SRANDMEMBER", "text", "0") == WRONG_TYPE


def test_srandmember_draws_no_more_than_memory_bears(client: Client) -> None:
    client("SADD", "s", "a", "b")
    assert client("SRANDMEMBER", "s", str(-(2**63) + 1)) == b"-ERR value is out of range"
    client("SADD", "long", "x" * 1_000_000)
    assert client("SRANDMEMBER", "long", "-1000000") == b"-ERR value is out of range"


def test_every_member_has_the_same_chance() -> None:
    random.seed(11)
    client = Client(MEMORY)
    client("SADD", "s", *numbered(0, 500))
    seen: Counter[object] = Counter()
    for _ in range(20_000):
        seen[client("SRANDMEMBER", "s")] += 1
    # 40 of each are expected; five standard deviations are 32.
    assert len(seen) == 500
    assert max(seen.values()) < 80
    client.close()


# Algebra


def test_algebra_of_sets(client: Client) -> None:
    client("SADD", "a", "1", "x", "y", "z")
    client("SADD", "b", "x", "z", "2")
    client("SADD", "c", "z", "3")
    assert members(client("SINTER", "a", "b", "c")) == [b"z"]
    assert members(client("SINTER", "a", "a")) == [b"1", b"x", b"y", b"z"]
    assert members(client("SINTER", "a", "none")) == []
    assert members(client("SUNION", "a", "b", "none", "c")) == [
        b"1",
        b"2",
        b"3",
        b"x",
        b"y",
        b"z",
    ]
    assert members(client("SUNION", "none")) == []
    assert members(client("SDIFF", "a", "b", "none")) == [b"1", b"y"]
    assert members(client("SDIFF", "a")) == [b"1", b"x", b"y", b"z"]
    assert members(client("SDIFF", "a", "b", "a")) == []
    assert members(client("SDIFF", "none", "a")) == []
    assert client("SINTERCARD", "3", "a", "b", "c") == 1
    assert client("SINTERCARD", "2", "a", "b") == 2
    assert client("SINTERCARD", "2", "a", "none") == 0
    assert client.events == []


@pytest.mark.parametrize(
    ("command", "event", "expected"),
    [
        ("SINTERSTORE", b"sinterstore", numbered(1000, 1500)),
        ("SUNIONSTORE", b"sunionstore", numbered(0, 2500)),
        ("SDIFFSTORE", b"sdiffstore", numbered(0, 1000)),
    ],
)
def test_algebra_of_large_sets_is_stored(
    client: Client, command: str, event: bytes, expected: list[bytes]
) -> None:
    client("SADD", "a", *numbered(0, 1500))
    client("SADD", "b", *numbered(1000, 2500))
    client("SET", "d", "text", "EX", "100")
    assert client(command, "d", "a", "b") == len(expected)
    assert client.events == [(event, b"d")]
    assert stored(client, "d") == sorted(expected)
    assert client("TTL", "d") == -1
    assert client(command, "a", "a", "b") == len(expected)
    client("SADD", "a", "new")
    client("SREM", "d", *numbered(0, 2500))
    client.driver.evict_all()
    assert stored(client, "a") == sorted([*expected, b"new"])
    assert stored(client, "b") == sorted(numbered(1000, 2500))


@pytest.mark.parametrize("command", ["SINTERSTORE", "SUNIONSTORE", "SDIFFSTORE"])
def test_an_empty_result_deletes_the_destination(client: Client, command: str) -> None:
    client("SET", "d", "text")
    assert client(command, "d", "none", "none") == 0
    assert client.events == [(b"del", b"d")]
    assert client("EXISTS", "d") == 0
    assert client(command, "d", "none", "none") == 0
    assert client.events == []


@pytest.mark.parametrize("command", ["SINTERSTORE", "SUNIONSTORE", "SDIFFSTORE"])
def test_a_source_of_another_type_stops_everything(client: Client, command: str) -> None:
    client("SADD", "s", "a")
    client("SADD", "d", "old")
    client("SET", "text", "x")
    for keys in (("s", "text"), ("none", "text"), ("text",)):
        assert client(command, "d", *keys) == WRONG_TYPE
        assert client(command.removesuffix("STORE"), *keys) == WRONG_TYPE
    assert client("SINTERCARD", "2", "none", "text") == WRONG_TYPE
    assert stored(client, "d") == [b"old"]


def test_a_copy_of_one_set_is_independent(client: Client) -> None:
    client("SADD", "s", *numbered(0, 300))
    for command in ("SINTERSTORE", "SUNIONSTORE", "SDIFFSTORE"):
        client(command, "d", "s")
        client("SREM", "d", "m1")
        client("SADD", "d", "new")
        assert stored(client, "s") == sorted(numbered(0, 300))


def test_sintercard_has_a_limit(client: Client) -> None:
    client("SADD", "a", *numbered(0, 1000))
    client("SADD", "b", *numbered(0, 2000))
    for limit, count in (("0", 1000), ("1", 1), ("999", 999), ("1000", 1000), ("5000", 1000)):
        assert client("SINTERCARD", "2", "a", "b", "LIMIT", limit) == count
    assert client("SINTERCARD", "2", "a", "b", "limit", "1", "LIMIT", "7") == 7


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("0", "a"), b"-ERR numkeys should be greater than 0"),
        (("x", "a"), b"-ERR numkeys should be greater than 0"),
        (("2", "a"), b"-ERR Number of keys can't be greater than number of args"),
        (("1", "a", "LIMIT", "-1"), b"-ERR LIMIT can't be negative"),
        (("1", "a", "LIMIT", "x"), b"-ERR LIMIT can't be negative"),
        (("1", "a", "LIMIT"), SYNTAX),
        (("1", "a", "FOO", "1"), SYNTAX),
    ],
)
def test_sintercard_refuses(client: Client, words: tuple[str, ...], error: bytes) -> None:
    assert client("SINTERCARD", *words) == error


# Types and protocols


@pytest.mark.parametrize(
    "words",
    [
        ("SADD", "text", "a"),
        ("SREM", "text", "a"),
        ("SMEMBERS", "text"),
        ("SISMEMBER", "text", "a"),
        ("SMISMEMBER", "text", "a"),
        ("SCARD", "text"),
    ],
)
def test_a_value_of_another_type_is_refused(client: Client, words: tuple[str, ...]) -> None:
    client("SET", "text", "x" * 20_000)
    assert client(*words) == WRONG_TYPE
    client("SADD", "s", "a")
    assert client("GET", "s") == WRONG_TYPE
    assert client("APPEND", "s", "a") == WRONG_TYPE


def test_sets_are_sets_in_resp3_and_choices_are_not() -> None:
    client = Client(MEMORY)
    client("SADD", "s", "a")
    for words, resp3 in (
        (("SMEMBERS", "s"), b"~1\r\n$1\r\na\r\n"),
        (("SINTER", "s"), b"~1\r\n$1\r\na\r\n"),
        (("SUNION", "s"), b"~1\r\n$1\r\na\r\n"),
        (("SDIFF", "s"), b"~1\r\n$1\r\na\r\n"),
        (("SINTER", "none"), b"~0\r\n"),
        (("SPOP", "none", "1"), b"~0\r\n"),
        (("SRANDMEMBER", "s", "1"), b"*1\r\n$1\r\na\r\n"),
        (("SISMEMBER", "s", "a"), b":1\r\n"),
        (("SMISMEMBER", "s", "a", "b"), b"*2\r\n:1\r\n:0\r\n"),
        (("SPOP", "none"), b"_\r\n"),
        (("SPOP", "s", "1"), b"~1\r\n$1\r\na\r\n"),
    ):
        reply = client(*words)
        writer = ReplyWriter()
        writer.resp = 3
        writer.write(reply)
        assert writer.take() == resp3
    client.close()


# Where keys are


def test_all_sets_that_a_command_needs_are_loaded_in_one_go() -> None:
    client = Client(DISK)
    client("SADD", "a", *numbered(0, 5000))
    client("SADD", "b", *numbered(0, 5000))
    stats = client.driver.engine.core.stats
    for words in (
        ("SINTER", "a", "b"),
        ("SINTERCARD", "2", "a", "b"),
        ("SMOVE", "a", "b", "m1"),
        ("SDIFFSTORE", "d", "b", "a"),
        ("SUNIONSTORE", "d", "none", "nothing"),
        ("SPOP", "a"),
    ):
        client(*words)
        assert stats.cache_faults == 0, words
    client.close()


def test_a_transaction_on_sets_waits_for_the_disk_before_it_starts() -> None:
    client = Client(DISK)
    client("SADD", "a", *numbered(0, 5000))
    client("SADD", "b", "m1", "m2")
    client("SADD", "d", "old")
    client("MULTI")
    client("SINTERSTORE", "d", "a", "b")
    client("SDIFFSTORE", "d", "none", "b")
    client("SMOVE", "a", "b", "m5")
    client("SCARD", "b")
    assert client("EXEC") == [2, 0, 1, 3]
    assert client.driver.engine.loader.blocking_loads == 0
    client.close()


def test_a_change_does_not_reach_into_the_epoch_that_is_being_saved() -> None:
    store = MemoryStore()
    client = Client(SAVING, store)
    client("SADD", "s", "a", "b")
    client.driver.flush()
    client("SADD", "s", "saved")
    flusher = client.driver.engine.flusher
    flusher.cut()
    client.driver.start("SADD", "s", "not yet")
    client.driver.start("SREM", "s", "a")
    client.driver.turn_until(lambda: not flusher.is_saving)

    other = Client(DISK, store)
    assert stored(other, "s") == [b"a", b"b", b"saved"]
    assert stored(client, "s") == [b"b", b"not yet", b"saved"]


def test_names_copies_and_databases_take_sets_along(client: Client) -> None:
    for size in SIZES:
        client("FLUSHALL")
        everything = sorted(numbered(0, size))
        client("SADD", "a", *everything)
        client("EXPIRE", "a", "100")
        assert client("RENAME", "a", "b") == b"OK"
        assert client("COPY", "b", "c") == 1
        client("SADD", "c", "new")
        client("SREM", "b", "m0")
        assert client("COPY", "b", "c") == 0
        assert stored(client, "c") == sorted([*everything, b"new"])
        assert client("COPY", "c", "b", "REPLACE") == 1
        assert stored(client, "b") == sorted([*everything, b"new"])
        assert client("MOVE", "b", "1") == 1
        assert client("COPY", "c", "c", "DB", "1") == 1
        client("SELECT", "1")
        for key in ("b", "c"):
            assert stored(client, key) == sorted([*everything, b"new"])
            assert client("TTL", key) == 100
        client("SELECT", "0")
        assert client("DBSIZE") == 1
