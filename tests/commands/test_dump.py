"""DUMP and RESTORE."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dscache.config import Config
from dscache.rdb.dump import dumped, sealed
from dscache.values.hash import Hash
from dscache.values.list import list_of
from dscache.values.set import Set
from dscache.values.stream import Stream
from dscache.values.zset import ZSet
from places import DISK, MEMORY, PLACES, Client
from plain import plain

BUSY = b"-BUSYKEY Target key name already exists."
BAD_CHECKSUM = b"-ERR DUMP payload version or checksum are wrong"
BAD_FORMAT = b"-ERR Bad data format"
SYNTAX = b"-ERR syntax error"
NOT_AN_INTEGER = b"-ERR value is not an integer or out of range"

HELLO = sealed(b"\0\5hello", 10)


@pytest.fixture(params=PLACES)
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    client = Client(request.param)
    yield client
    client.close()


def _values() -> list[object]:
    """A value of each type, small and large."""
    found: list[object] = [b"text", b"12", b"x" * 30_000]
    for size in (3, 1000):
        members, scores, fields, stream = Set(), ZSet(), Hash(), Stream()
        for number in range(size):
            name = b"%d" % number
            members.add(name)
            scores.add(name, number / 3)
            fields.set(name, name * 2)
            stream.add(number + 1, [b"f", name], 100)
        stream.add_group(b"g", 0, 0)
        group = stream.groups()[0]
        stream.deliver(group, group.add_consumer(b"c", 1000), 2, True, 1000)
        found += [list_of(members.members()), members, scores, fields, stream]
    expiring = Hash()
    expiring.set(b"f", b"v")
    expiring.set(b"g", b"w")
    expiring.set_due(b"g", 33_177_117_420_000)
    return [*found, expiring]


def _value_of(client: Client, key: bytes) -> object:
    """What ``key`` holds, plain."""
    client("DUMP", key)  # brings it into memory
    return plain(client.driver.session.keyspace.for_read(key))


def test_a_value_of_any_type_is_restored_and_dumped_again(client: Client) -> None:
    for number, value in enumerate(_values()):
        key = b"%d" % number
        payload = dumped(value, Config())
        assert client("RESTORE", key, 0, payload) == b"OK"
        assert client.events == [(b"restore", key)]
        assert client("DUMP", key) == payload
        assert client.events == []
        assert _value_of(client, key) == plain(value)


def test_dump_of_a_key_that_does_not_exist_is_null(client: Client) -> None:
    assert client("DUMP", "none") is None


def test_dump_is_of_the_value_and_not_of_its_due_time(client: Client) -> None:
    client("SET", "k", "hello", "EX", 100)
    assert client("DUMP", "k") == HELLO


def test_a_string_that_was_changed_in_place_is_dumped(client: Client) -> None:
    client("SET", "k", "x" * 5000)
    client("APPEND", "k", "y")
    payload = client("DUMP", "k")
    assert isinstance(payload, bytes)
    assert client("RESTORE", "copy", 0, payload) == b"OK"
    assert client("GET", "copy") == b"x" * 5000 + b"y"


def test_restore_of_a_key_that_exists_is_refused(client: Client) -> None:
    client("SET", "k", "old")
    assert client("RESTORE", "k", 0, HELLO) == BUSY
    # Before anything is read of the payload or the time.
    assert client("RESTORE", "k", "x", "rubbish") == BUSY
    assert client.events == []
    assert client("GET", "k") == b"old"


def test_replace_overwrites_whatever_the_key_holds(client: Client) -> None:
    client("SET", "k", "old", "EX", 100)
    assert client("RESTORE", "k", 0, HELLO, "replace") == b"OK"
    assert client.events == [(b"restore", b"k")]
    assert client("GET", "k") == b"hello"
    assert client.due_ms(b"k") == 0
    assert client("RESTORE", "new", 0, HELLO, "REPLACE") == b"OK"
    assert client("GET", "new") == b"hello"


def test_replace_does_not_read_what_it_overwrites() -> None:
    client = Client(MEMORY)
    client("SET", "k", "old" * 10_000)
    client.driver.evict_all()
    stats = client.driver.engine.core.stats
    faults = stats.cache_misses
    assert client("RESTORE", "k", 0, HELLO, "REPLACE") == b"OK"
    assert stats.cache_misses == faults
    client.close()


def test_the_time_to_live_is_in_ms_and_may_be_absolute(client: Client) -> None:
    now_ms = client.now_ms()
    assert client("RESTORE", "a", 5000, HELLO) == b"OK"
    assert client.due_ms(b"a") == now_ms + 5000
    assert client("RESTORE", "b", now_ms + 7000, HELLO, "ABSTTL") == b"OK"
    assert client.due_ms(b"b") == now_ms + 7000
    assert client("RESTORE", "c", 0, HELLO, "absttl") == b"OK"
    assert client.due_ms(b"c") == 0


def test_what_is_past_its_time_is_not_made(client: Client) -> None:
    assert client("RESTORE", "k", 1, HELLO, "ABSTTL") == b"OK"
    assert client.events == []
    assert not client.exists(b"k")
    assert client("RESTORE", "k", client.now_ms(), HELLO, "ABSTTL") == b"OK"
    assert not client.exists(b"k")


def test_what_is_past_its_time_deletes_what_it_replaces(client: Client) -> None:
    client("SET", "k", "old" * 10_000)
    assert client("RESTORE", "k", 1, HELLO, "ABSTTL", "REPLACE") == b"OK"
    assert client.events == [(b"del", b"k")]
    assert not client.exists(b"k")
    assert client("RESTORE", "k", 1, HELLO, "ABSTTL", "REPLACE") == b"OK"
    assert client.events == []


def test_an_expired_key_is_not_in_the_way(client: Client) -> None:
    client("SET", "k", "old", "PX", 10)
    client.driver.advance(1)
    assert client("RESTORE", "k", 0, HELLO) == b"OK"
    assert client.events[-1] == (b"restore", b"k")
    assert client("GET", "k") == b"hello"


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("x", HELLO), NOT_AN_INTEGER),
        ((-1, HELLO), b"-ERR Invalid TTL value, must be >= 0"),
        ((2**63, HELLO), NOT_AN_INTEGER),
        ((2**63 - 1, HELLO), b"-ERR invalid expire time in 'restore' command"),
        ((-1, b"rubbish"), b"-ERR Invalid TTL value, must be >= 0"),
        ((0, b""), BAD_CHECKSUM),
        ((0, b"rubbish"), BAD_CHECKSUM),
        ((0, HELLO[:-1] + b"x"), BAD_CHECKSUM),
        ((0, b"x" + HELLO), BAD_CHECKSUM),
        ((0, sealed(b"\0\5hello", 13)), BAD_CHECKSUM),
        ((0, sealed(b"\0\5hell", 10)), BAD_FORMAT),
        ((0, sealed(b"\0\5hello!", 10)), BAD_FORMAT),
        ((0, sealed(b"\x07\5hello", 10)), BAD_FORMAT),
        ((0, sealed(b"", 10)), BAD_FORMAT),
        ((0, HELLO, "X"), SYNTAX),
        ((0, HELLO, "IDLETIME"), SYNTAX),
        ((0, HELLO, "FREQ"), SYNTAX),
        ((0, HELLO, "IDLETIME", 1, "FREQ", 1), SYNTAX),
        ((0, HELLO, "FREQ", 1, "IDLETIME", 1), SYNTAX),
        ((0, HELLO, "IDLETIME", "x"), NOT_AN_INTEGER),
        ((0, HELLO, "IDLETIME", -1), b"-ERR Invalid IDLETIME value, must be >= 0"),
        ((0, HELLO, "FREQ", "x"), NOT_AN_INTEGER),
        ((0, HELLO, "FREQ", -1), b"-ERR Invalid FREQ value, must be >= 0 and <= 255"),
        ((0, HELLO, "FREQ", 256), b"-ERR Invalid FREQ value, must be >= 0 and <= 255"),
        # Options come first, then the time, then the payload.
        (("x", b"rubbish", "X"), SYNTAX),
        (("x", b"rubbish"), NOT_AN_INTEGER),
        ((1, b"rubbish", "ABSTTL"), BAD_CHECKSUM),
    ],
)
def test_mistakes_are_refused_in_the_words_of_redis(
    client: Client, words: tuple[str | bytes | int, ...], error: bytes
) -> None:
    assert client("RESTORE", "k", *words) == error
    assert not client.exists(b"k")
    # With REPLACE they leave what is there.
    client("SET", "k", "old")
    assert client("RESTORE", "k", *words[:2], "REPLACE", *words[2:]) == error
    assert client.events == []
    assert client("GET", "k") == b"old"


def test_idletime_and_freq_are_accepted(client: Client) -> None:
    assert client("RESTORE", "a", 0, HELLO, "IDLETIME", 1000, "IDLETIME", 0) == b"OK"
    assert client("RESTORE", "b", 0, HELLO, "FREQ", 0, "FREQ", 255) == b"OK"
    assert client("RESTORE", "c", 0, HELLO, "freq", 7, "absttl", "idletime") == SYNTAX
    assert client("MGET", "a", "b", "c") == [b"hello", b"hello", None]


def test_idletime_is_how_long_the_key_has_not_been_used() -> None:
    client = Client(MEMORY)
    assert client("RESTORE", "k", 0, HELLO, "IDLETIME", 1000) == b"OK"
    assert client("OBJECT", "IDLETIME", "k") == 1000
    assert client("RESTORE", "long", 0, HELLO, "IDLETIME", 2**62) == b"OK"
    idle = client("OBJECT", "IDLETIME", "long")
    assert isinstance(idle, int)
    assert idle > 2**31, "as long ago as an entry can tell"
    assert client("GET", "k") == b"hello"
    assert client("OBJECT", "IDLETIME", "k") == 0
    client.close()


def test_freq_is_the_counter_of_the_lfu_policy() -> None:
    client = Client(MEMORY, cache_policy="lfu")
    assert client("RESTORE", "k", 0, HELLO, "FREQ", 200) == b"OK"
    assert client("OBJECT", "FREQ", "k") == 200
    client.close()


def test_a_restored_value_is_on_disk_like_any_other() -> None:
    client = Client(DISK)
    for number, value in enumerate(_values()):
        client("RESTORE", number, 0, dumped(value, Config()))
    for number, value in enumerate(_values()):
        assert _value_of(client, b"%d" % number) == plain(value)
    client.close()
