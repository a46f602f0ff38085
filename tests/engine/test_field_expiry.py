"""Fields expire: at the next look at their hash, and without one, wherever the hash is."""

from __future__ import annotations

from collections.abc import Iterator

import msgpack
import pytest

from dscache.cache.catalog import CATALOG_KEY
from dscache.store.base import DATA, EXPIRES, META, PAYLOADS
from dscache.store.layout import expiry_key, field_generation, generation_of, split_expiry_key
from manual_workers import ScriptedEngine
from places import PLACES, Client
from residents import check_quiet
from stored import stored_databases

#: Longer than what is kept inside a record.
LONG = "v" * 20_000


@pytest.fixture
def scripted() -> Iterator[ScriptedEngine]:
    """An engine whose I/O the test runs by hand."""
    scripted = ScriptedEngine()
    yield scripted
    stored_databases(scripted.store)


@pytest.fixture(params=PLACES)
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    client = Client(request.param)
    yield client
    client.close()


def sweep(scripted: ScriptedEngine) -> None:
    """One round of the active expiry of fields, with all its reads and loads."""
    scripted.engine.field_expiry.tick()
    scripted.be_quiet()
    while scripted.workers.waiting_scans or scripted.workers.waiting_loads:
        scripted.step()
        scripted.be_quiet()


def hints(scripted: ScriptedEngine) -> list[tuple[int, bytes]]:
    """What the index of fields' due times holds: in how many ms, and which key."""
    found = [
        split_expiry_key(stored)
        for stored in scripted.store.columns[EXPIRES]
        if generation_of(stored) < 0
    ]
    return sorted((due_ms - scripted.now_ms, key) for due_ms, key in found)


def make(scripted: ScriptedEngine, key: str, due_ms: int, *others: str, value: str = "v") -> None:
    """A hash with a field ``f`` that is due so many ms from now, and others that are not."""
    words = [word for name in ("f", *others) for word in (name, value)]
    scripted.run("HSET", key, *words)
    assert scripted.run("HPEXPIRE", key, due_ms, "FIELDS", 1, "f") == [1]


def fail_to_commit(scripted: ScriptedEngine) -> None:
    """Try to save what is dirty, in vain."""
    scripted.store.fail_commits = True
    scripted.cut()
    scripted.encode()
    scripted.commit()
    scripted.store.fail_commits = False


# At the next look


def test_due_fields_do_not_exist_for_any_reader(client: Client) -> None:
    client("HSET", "h", "a", 1, "b", 2, "c", 3)
    client("HPEXPIRE", "h", 1000, "FIELDS", 2, "a", "b")
    client.driver.advance(0.999)
    assert client("HLEN", "h") == 3
    client.driver.advance(0.001)
    assert client("HGET", "h", "a") is None
    assert client.events == [(b"hexpired", b"h")]
    assert client("HGETALL", "h") == {b"c": b"3"}
    assert client.events == []
    assert client("HTTL", "h", "FIELDS", 2, "a", "c") == [-2, -1]
    assert client.driver.engine.core.stats.expired_fields == 2


@pytest.mark.parametrize(
    ("words", "reply"),
    [
        (("HLEN", "h"), 0),
        (("HRANDFIELD", "h"), None),
        (("EXISTS", "h"), 0),
        (("TYPE", "h"), b"none"),
        (("DEL", "h"), 0),
        (("TTL", "h"), -2),
        (("GET", "h"), None),
        (("HDEL", "h", "f"), 0),
        (("COPY", "h", "i"), 0),
        (("RENAME", "h", "i"), b"-ERR no such key"),
        (("RENAMENX", "h", "i"), b"-ERR no such key"),
        (("MOVE", "h", 1), 0),
        (("OBJECT", "ENCODING", "h"), None),
        (("DUMP", "h"), None),
        (("HSETEX", "h", "FXX", "FIELDS", 1, "f", 1), 0),
        (("HGETDEL", "h", "FIELDS", 1, "f"), [None]),
        (("SETNX", "h", "text"), 1),
        (("HINCRBY", "h", "f", 5), 5),
    ],
)
def test_a_key_whose_fields_are_all_due_does_not_exist(
    client: Client, words: tuple[str | int, ...], reply: object
) -> None:
    client("HSET", "h", "f", 1, "g", 1)
    client("HPEXPIRE", "h", 1000, "FIELDS", 2, "f", "g")
    client.driver.advance(1)
    assert client(*words) == reply
    assert client.events[:2] == [(b"hexpired", b"h"), (b"del", b"h")]


@pytest.mark.parametrize(
    ("words", "reply"),
    [
        (("HLEN", "h"), 0),
        (("RENAME", "h", "i"), b"-ERR no such key"),
        (("RENAMENX", "h", "i"), b"-ERR no such key"),
        (("COPY", "h", "i"), 0),
        (("MOVE", "h", 1), 0),
        (("OBJECT", "ENCODING", "h"), None),
        (("DUMP", "h"), None),
        (("HSETNX", "h", "f", 5), 1),
    ],
)
@pytest.mark.parametrize("in_transaction", [False, True])
def test_of_what_is_apart_on_disk_this_is_known_once_it_is_loaded(
    scripted: ScriptedEngine, words: tuple[str | int, ...], reply: object, in_transaction: bool
) -> None:
    make(scripted, "h", 1000, value=LONG)
    scripted.save_and_evict()
    scripted.clock.advance(1)
    assert scripted.run("EXISTS", "h") == 1
    if in_transaction:
        scripted.run("MULTI")
        scripted.run("SET", "k", "v")
        scripted.run(*words)
        assert scripted.run("EXEC") == [b"OK", reply]
    else:
        assert scripted.run(*words) == reply
    assert scripted.run("EXISTS", "h") == (1 if words[0] == "HSETNX" else 0)
    scripted.save()
    check_quiet(scripted.engine)


def test_it_counts_as_a_change_for_those_who_watch(client: Client) -> None:
    client("HSET", "h", "f", 1, "g", 1)
    client("HPEXPIRE", "h", 1000, "FIELDS", 1, "f")
    other = client.driver.new_session()
    client.driver.run("WATCH", "h", session=other)
    client.driver.advance(1)
    client("HLEN", "h")
    client.driver.run("MULTI", session=other)
    client.driver.run("PING", session=other)
    assert client.driver.run("EXEC", session=other) != [b"PONG"]


def test_what_expires_while_it_is_being_saved_is_saved_with_its_fields(
    scripted: ScriptedEngine,
) -> None:
    make(scripted, "h", 1000, "g")
    scripted.cut()
    scripted.clock.advance(1)
    assert scripted.run("HLEN", "h") == 1
    scripted.encode()
    scripted.commit()
    (payload, _) = stored_databases(scripted.store)[0][b"h"]
    assert b"f" in payload
    scripted.save()
    (payload, _) = stored_databases(scripted.store)[0][b"h"]
    assert b"f" not in payload
    check_quiet(scripted.engine)


def test_copies_and_new_names_keep_due_times(client: Client) -> None:
    client("HSET", "h", "f", 1, "g", 1)
    client("HPEXPIRE", "h", 1000, "FIELDS", 1, "f")
    client("COPY", "h", "copied")
    client("RENAME", "h", "renamed")
    client("MOVE", "copied", 1)
    assert client("HPTTL", "renamed", "FIELDS", 2, "f", "g") == [1000, -1]
    client.driver.advance(1)
    assert client("HKEYS", "renamed") == [b"g"]
    client("SELECT", 1)
    assert client("HKEYS", "copied") == [b"g"]


# Without a look


@pytest.mark.parametrize("value", ["v", LONG])
@pytest.mark.parametrize("is_resident", [True, False])
def test_due_fields_go_without_a_look(
    scripted: ScriptedEngine, value: str, is_resident: bool
) -> None:
    make(scripted, "some", 1000, "g", value=value)
    make(scripted, "all", 1000, value=value)
    make(scripted, "later", 5000, "g", value=value)
    scripted.run("HPEXPIRE", "some", 3000, "FIELDS", 1, "g")
    scripted.save()
    assert hints(scripted) == [(1000, b"all"), (1000, b"some"), (5000, b"later")]
    if not is_resident:
        scripted.save_and_evict()
    scripted.clock.advance(1)
    sweep(scripted)
    scripted.save()
    assert hints(scripted) == [(2000, b"some"), (4000, b"later")]
    assert set(stored_databases(scripted.store)[0]) == {b"some", b"later"}
    assert scripted.engine.core.stats.expired_fields == 2
    assert scripted.engine.keyspaces[0].space.keys == 2
    check_quiet(scripted.engine)
    assert scripted.run("HKEYS", "some") == [b"g"]


def test_it_goes_on_after_a_restart(scripted: ScriptedEngine) -> None:
    make(scripted, "h", 1000, "g")
    make(scripted, "i", 2000, "g")
    scripted.save()
    after = scripted.reopened()
    assert after.run("HPTTL", "i", "FIELDS", 1, "f") == [2000]
    after.clock.advance(1.5)
    sweep(after)
    after.save()
    assert hints(after) == [(500, b"i")]
    assert after.run("HKEYS", "h") == [b"g"]


def test_thousands_expire_a_few_at_a_time(scripted: ScriptedEngine) -> None:
    for number in range(1200):
        make(scripted, f"h{number}", 1 + number % 10)
    make(scripted, "stays", 100_000)
    scripted.save_and_evict()
    scripted.clock.advance(1)
    scripted.engine.field_expiry.tick()
    while not scripted.workers.is_idle:
        scripted.be_quiet()
        assert (
            sum(entry.pins for entry in scripted.engine.keyspaces[0].space.entries.values()) <= 16
        )
        if not scripted.step():
            break
    scripted.save()
    assert set(stored_databases(scripted.store)[0]) == {b"stays"}
    assert [key for _, key in hints(scripted)] == [b"stays"]
    assert scripted.run("DBSIZE") == 1


def test_nothing_is_read_before_the_next_field_is_due(scripted: ScriptedEngine) -> None:
    make(scripted, "h", 5000, "g")
    scripted.save_and_evict()
    sweep(scripted)
    scripted.clock.advance(4)
    scripted.store.keys_scanned.clear()
    sweep(scripted)
    assert scripted.store.keys_scanned[EXPIRES] == 0
    # An earlier one is saved.
    make(scripted, "i", 100, "g")
    scripted.save_and_evict()
    scripted.clock.advance(0.2)
    sweep(scripted)
    scripted.save()
    assert hints(scripted) == [(800, b"h")]
    scripted.clock.advance(1)
    sweep(scripted)
    scripted.save()
    assert hints(scripted) == []
    sweep(scripted)
    scripted.store.keys_scanned.clear()
    sweep(scripted)
    assert scripted.store.keys_scanned[EXPIRES] == 0


def test_changes_of_due_times_reach_the_index(scripted: ScriptedEngine) -> None:
    make(scripted, "h", 1000, "g")
    scripted.save_and_evict()
    scripted.run("HPEXPIRE", "h", 9000, "FIELDS", 1, "f")
    scripted.save_and_evict()
    assert hints(scripted) == [(9000, b"h")]
    scripted.run("HPEXPIRE", "h", 400, "FIELDS", 1, "g")
    scripted.save_and_evict()
    assert hints(scripted) == [(400, b"h")]
    scripted.run("HPERSIST", "h", "FIELDS", 2, "f", "g")
    scripted.save_and_evict()
    assert hints(scripted) == []


def test_flushdb_takes_the_index_along(scripted: ScriptedEngine) -> None:
    make(scripted, "h", 1000, "g")
    other = scripted.new_session(database=1)
    scripted.run("HSET", "h", "f", 1, session=other)
    scripted.run("HPEXPIRE", "h", 1000, "FIELDS", 1, "f", session=other)
    scripted.save_and_evict()
    scripted.run("FLUSHDB")
    scripted.save()
    assert hints(scripted) == [(1000, b"h")]
    scripted.clock.advance(1)
    sweep(scripted)
    scripted.save()
    assert hints(scripted) == []


def test_a_database_that_is_flushed_during_a_sweep_is_left_alone(
    scripted: ScriptedEngine,
) -> None:
    make(scripted, "h", 1000, "g")
    scripted.save_and_evict()
    scripted.clock.advance(1)
    scripted.engine.field_expiry.tick()
    scripted.workers.run_scan()
    scripted.be_quiet()
    assert scripted.workers.waiting_loads
    scripted.run("FLUSHDB")
    scripted.run("HSET", "h", "f", "new")
    sweep(scripted)
    scripted.save()
    assert scripted.run("HGETALL", "h") == {b"f": b"new"}
    sweep(scripted)
    check_quiet(scripted.engine)


# What was changed without being loaded


@pytest.mark.parametrize("value", ["v", LONG])
@pytest.mark.parametrize("command", [("SET", "h", "text"), ("DEL", "h")])
def test_a_key_changed_unseen_leaves_nothing_in_the_index(
    scripted: ScriptedEngine, command: tuple[str, ...], value: str
) -> None:
    make(scripted, "h", 1000, "g", value=value)
    scripted.save_and_evict()
    scripted.run(*command)
    scripted.save_and_evict()
    assert hints(scripted) == []
    scripted.clock.advance(1)
    sweep(scripted)
    scripted.save()
    assert set(stored_databases(scripted.store)[0]) == ({b"h"} if command[0] == "SET" else set())
    scripted.store.keys_scanned.clear()
    sweep(scripted)
    assert scripted.store.keys_scanned[EXPIRES] == 0
    check_quiet(scripted.engine)


@pytest.mark.parametrize("value", ["v", LONG])
def test_a_key_that_expires_as_a_whole_leaves_nothing_either(
    scripted: ScriptedEngine, value: str
) -> None:
    make(scripted, "h", 5000, "g", value=value)
    scripted.run("PEXPIRE", "h", 1000)
    scripted.save_and_evict()
    scripted.clock.advance(1)
    scripted.expire_actively()
    assert scripted.run("DBSIZE") == 0
    scripted.save_and_evict()
    assert hints(scripted) == []
    check_quiet(scripted.engine)
    make(scripted, "h", 9000, "g")
    scripted.save_and_evict()
    scripted.clock.advance(4)
    sweep(scripted)
    scripted.save()
    assert hints(scripted) == [(5000, b"h")]
    assert scripted.run("HLEN", "h") == 2


def test_an_expiry_of_the_key_keeps_the_hint_of_a_value_that_is_apart(
    scripted: ScriptedEngine,
) -> None:
    make(scripted, "h", 1000, "g", value=LONG)
    scripted.save_and_evict()
    scripted.run("EXPIRE", "h", 100)
    scripted.save_and_evict()
    assert hints(scripted) == [(1000, b"h")]
    scripted.run("EXPIRE", "h", 200)
    assert scripted.run("HLEN", "h") == 2
    scripted.save()
    assert hints(scripted) == [(1000, b"h")]
    check_quiet(scripted.engine)


def test_what_was_overwritten_after_the_read_is_left_for_the_next_sweep(
    scripted: ScriptedEngine,
) -> None:
    make(scripted, "h", 1000, "g")
    scripted.save_and_evict()
    scripted.clock.advance(1)
    scripted.engine.field_expiry.tick()
    scripted.workers.run_scan()
    scripted.run("SET", "h", "text")
    sweep(scripted)
    scripted.save()
    sweep(scripted)
    scripted.save()
    assert hints(scripted) == []
    assert scripted.run("GET", "h") == b"text"


def test_a_failed_commit_loses_no_due_time(scripted: ScriptedEngine) -> None:
    make(scripted, "h", 1000, "g")
    make(scripted, "gone", 1000, "g")
    scripted.save_and_evict()
    scripted.run("SET", "gone", "text")
    scripted.save_and_evict()
    scripted.run("HPEXPIRE", "h", 2000, "FIELDS", 1, "f")
    scripted.clock.advance(1)
    sweep(scripted)
    fail_to_commit(scripted)
    scripted.save()
    sweep(scripted)
    scripted.save()
    assert (1000, b"h") in hints(scripted)
    scripted.clock.advance(1)
    sweep(scripted)
    scripted.save()
    sweep(scripted)
    scripted.save()
    assert hints(scripted) == []
    assert scripted.run("HKEYS", "h") == [b"g"]


def test_a_record_that_a_failed_commit_should_have_deleted_goes_later(
    scripted: ScriptedEngine,
) -> None:
    # The sweep's floor rose above it with the next commit, which knew nothing of it.
    make(scripted, "h", 1000, "g")
    scripted.save_and_evict()
    scripted.clock.advance(1)
    sweep(scripted)
    fail_to_commit(scripted)
    scripted.save()
    sweep(scripted)
    scripted.save()
    assert hints(scripted) == []


def test_a_key_with_a_wrong_record_and_a_right_one_loses_both(scripted: ScriptedEngine) -> None:
    # The wrong one, as early builds left it, was taken for handled when a field was due because of the
    # right one.
    make(scripted, "h", 1001, "g")
    scripted.save_and_evict()
    space = scripted.engine.keyspaces[0].space
    wrong = expiry_key(field_generation(space.generation), scripted.now_ms + 1000, b"h")
    scripted.store.columns[EXPIRES][wrong] = b""
    scripted.clock.advance(2)
    for _ in range(2):
        sweep(scripted)
        scripted.save()
    assert hints(scripted) == []
    assert scripted.run("HKEYS", "h") == [b"g"]


def test_a_failed_read_is_made_up_for_by_the_next_round(scripted: ScriptedEngine) -> None:
    make(scripted, "h", 1000, "g")
    scripted.save_and_evict()
    scripted.clock.advance(1)
    scripted.store.fail_reads = True
    sweep(scripted)
    scripted.store.fail_reads = False
    scripted.engine.field_expiry.tick()
    scripted.workers.run_scan()
    scripted.be_quiet()
    scripted.store.fail_reads = True
    sweep(scripted)
    scripted.store.fail_reads = False
    sweep(scripted)
    scripted.save()
    assert hints(scripted) == []


def test_expiry_can_be_turned_off(scripted: ScriptedEngine) -> None:
    make(scripted, "h", 1000, "g")
    scripted.save_and_evict()
    scripted.clock.advance(1)
    scripted.engine.field_expiry.enabled = False
    sweep(scripted)
    assert not scripted.engine.flusher.has_dirty
    assert not scripted.store.columns[PAYLOADS]
    assert len(scripted.store.columns[DATA]) == 1


# How many hashes have such fields


def subexpiry(client: Client, database: int = 0) -> int:
    """What INFO says once everything is settled."""
    client.driver.run("CACHE", "FLUSH")
    return int(client.driver.engine.keyspaces[database].space.subexpires)


@pytest.mark.parametrize("value", ["v", LONG])
@pytest.mark.parametrize(
    ("words", "left"),
    [
        (("HPERSIST", "h", "FIELDS", 1, "f"), 1),
        (("HSET", "h", "f", "new"), 1),
        (("HDEL", "h", "f"), 1),
        (("HPEXPIRE", "h", 9000, "FIELDS", 1, "f"), 2),
        (("HPEXPIRE", "h", 9000, "FIELDS", 1, "g"), 2),
        (("HGETDEL", "h", "FIELDS", 2, "f", "g"), 1),
        (("DEL", "h"), 1),
        (("UNLINK", "h", "i"), 0),
        (("SET", "h", "text"), 1),
        (("MSET", "h", "text", "i", "text"), 0),
        (("HMSET", "j", "f", "v"), 2),
        (("RENAME", "h", "j"), 2),
        (("RENAME", "h", "i"), 1),
        (("RENAME", "plain", "i"), 1),
        (("COPY", "h", "j"), 3),
        (("COPY", "plain", "h", "REPLACE"), 1),
        (("MOVE", "h", 1), 1),
        (("EXPIRE", "h", 100), 2),
        (("PEXPIREAT", "h", 1), 1),
        (("SINTERSTORE", "h", "none"), 1),
        (("FLUSHDB",), 0),
        (("SWAPDB", 0, 1), 0),
        (("EVAL", "redis.call('SET', KEYS[1], 1); redis.call('DEL', KEYS[2])", 2, "h", "i"), 0),
    ],
)
def test_info_counts_the_hashes_whose_fields_expire(
    client: Client, words: tuple[str | int, ...], left: int, value: str
) -> None:
    for key in ("h", "i", "plain"):
        client("HSET", key, "f", value, "g", value)
    client("HPEXPIRE", "h", 5000, "FIELDS", 1, "f")
    client("HPEXPIRE", "i", 5000, "FIELDS", 2, "f", "g")
    assert subexpiry(client) == 2
    client(*words)
    assert subexpiry(client) == left
    client.driver.evict_all()
    assert subexpiry(client) == left
    assert subexpiry(client, 1) == (2 if words[0] == "SWAPDB" else words[0] == "MOVE")


def test_the_count_of_such_hashes_survives_a_restart(scripted: ScriptedEngine) -> None:
    make(scripted, "h", 1000, "g")
    make(scripted, "i", 1000, "g", value=LONG)
    scripted.save()
    again = scripted.reopened()
    assert again.engine.keyspaces[0].space.subexpires == 2
    again.clock.advance(1)
    sweep(again)
    assert again.engine.keyspaces[0].space.subexpires == 0
    again.save()


def test_of_a_store_that_does_not_say_they_are_counted_by_the_index(
    scripted: ScriptedEngine,
) -> None:
    make(scripted, "h", 1000, "g")
    make(scripted, "i", 1000, "g")
    scripted.save()
    lines = msgpack.unpackb(scripted.store.columns[META][CATALOG_KEY])
    scripted.store.columns[META][CATALOG_KEY] = msgpack.packb([line[:4] for line in lines])
    again = scripted.reopened()
    assert again.engine.keyspaces[0].space.subexpires == 2
    again.run("SET", "h", "text")
    again.save()
    assert again.engine.keyspaces[0].space.subexpires == 1


def test_a_failed_commit_counts_nothing_twice(scripted: ScriptedEngine) -> None:
    make(scripted, "h", 5000, "g")
    make(scripted, "i", 5000, "g", value=LONG)
    scripted.save_and_evict()
    make(scripted, "j", 5000, "g")
    scripted.run("SET", "h", "text")
    scripted.run("EXPIRE", "i", 100)
    fail_to_commit(scripted)
    scripted.save()
    assert scripted.engine.keyspaces[0].space.subexpires == 2
    scripted.save_and_evict()
    assert scripted.run("HLEN", "i") == 2
    check_quiet(scripted.engine)
