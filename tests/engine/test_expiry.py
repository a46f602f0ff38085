"""Active expiry: keys go when they are due, without being looked at, and only those."""

from __future__ import annotations

import pytest

from dscache.store.base import DATA, EXPIRES, PAYLOADS
from dscache.store.layout import split_expiry_key
from manual_workers import ScriptedEngine
from residents import check_quiet
from stored import stored_databases


@pytest.fixture
def scripted() -> ScriptedEngine:
    """An engine whose scans the test runs by hand."""
    return ScriptedEngine()


def keys_on_disk(scripted: ScriptedEngine, database: int = 0) -> set[bytes]:
    """The keys of a database as the store has them."""
    return set(stored_databases(scripted.store)[database])


def test_a_hundred_thousand_keys_on_disk_expire_without_being_read(
    scripted: ScriptedEngine,
) -> None:
    for number in range(100_000):
        scripted.start("SET", f"k{number}", "v", "PX", 1 + number % 1000)
        if number % 10_000 == 9999:
            scripted.save_and_evict()
    scripted.run("SET", "stays", "v", "PX", 3_600_000)
    scripted.run("SET", "stays too", "v")
    scripted.save_and_evict()
    scripted.clock.advance(2)
    scripted.store.keys_read.clear()
    scripted.store.keys_scanned.clear()
    scripted.expire_actively()
    scripted.save()
    assert scripted.store.keys_read == {}
    assert scripted.store.keys_scanned == {EXPIRES: 100_000}
    assert keys_on_disk(scripted) == {b"stays", b"stays too"}
    assert scripted.engine.core.stats.expired_keys == 100_000
    assert scripted.run("DBSIZE") == 2


def test_payloads_that_are_apart_go_too(scripted: ScriptedEngine) -> None:
    scripted.run("SET", "k", b"p" * 20_000, "PX", 1000)
    scripted.save_and_evict()
    scripted.clock.advance(2)
    scripted.store.keys_read.clear()
    scripted.expire_actively()
    scripted.save()
    assert keys_on_disk(scripted) == set()
    assert not scripted.store.columns[PAYLOADS]
    assert not scripted.store.keys_read


def test_keys_in_memory_expire_by_the_same_way(scripted: ScriptedEngine) -> None:
    scripted.run("SET", "k", "v", "PX", 1000)
    scripted.save()
    scripted.clock.advance(2)
    scripted.expire_actively()
    assert scripted.engine.keyspaces[0].space.keys == 0
    scripted.save()
    check_quiet(scripted.engine)


def test_all_databases_have_their_turn(scripted: ScriptedEngine) -> None:
    for database in (0, 3, 15):
        session = scripted.new_session(database)
        scripted.run("SET", "k", "v", "PX", 1000, session=session)
        scripted.run("SET", "j", "v", session=session)
    scripted.save_and_evict()
    scripted.clock.advance(2)
    scripted.expire_actively()
    scripted.save()
    for database in (0, 3, 15):
        assert keys_on_disk(scripted, database) == {b"j"}


def test_expiry_can_be_turned_off(scripted: ScriptedEngine) -> None:
    scripted.run("SET", "k", "v", "PX", 1000)
    scripted.save_and_evict()
    scripted.clock.advance(2)
    scripted.engine.expiry.enabled = False
    scripted.expire_actively()
    assert not scripted.engine.flusher.has_dirty


def test_a_failed_read_is_made_up_for_by_the_next_round(scripted: ScriptedEngine) -> None:
    scripted.run("SET", "k", "v", "PX", 1000)
    scripted.save_and_evict()
    scripted.clock.advance(2)
    scripted.store.fail_reads = True
    scripted.expire_actively()
    scripted.store.fail_reads = False
    scripted.expire_actively()
    scripted.save()
    assert keys_on_disk(scripted) == set()


# Overtaken


def due_read(scripted: ScriptedEngine) -> list[object]:
    """A read of the index that has been made, and has not arrived."""
    scripted.engine.expiry.tick()
    scripted.workers.run_scan()
    return list(scripted.workers.hold_results())


@pytest.mark.parametrize("others", [0, 10_000])
def test_a_key_that_lost_its_due_time_in_an_epoch_committed_meanwhile_survives(
    scripted: ScriptedEngine, others: int
) -> None:
    scripted.run("SET", "kept", "v", "PX", 1000)
    scripted.run("SET", "later", "v", "PX", 1000)
    scripted.run("SET", "goes", "v", "PX", 1000)
    scripted.save_and_evict()
    scripted.clock.advance(0.5)
    assert scripted.run("PERSIST", "kept") == 1
    assert scripted.run("PEXPIRE", "later", 60_000) == 1
    # So large an epoch is not remembered key by key.
    for number in range(others):
        scripted.start("SET", f"k{number}", "v")
    scripted.clock.advance(1)
    held = due_read(scripted)
    scripted.save_and_evict()
    scripted.workers.give_back(held)  # type: ignore[arg-type]
    scripted.be_quiet()
    scripted.expire_actively()
    scripted.save()
    alive = {b"kept", b"later"}
    assert keys_on_disk(scripted) & {b"kept", b"later", b"goes"} == alive
    assert scripted.run("GET", "kept") == b"v"


def test_a_key_written_again_and_not_yet_saved_survives(scripted: ScriptedEngine) -> None:
    scripted.run("SET", "k", "v", "PX", 1000)
    scripted.save_and_evict()
    scripted.clock.advance(2)
    held = due_read(scripted)
    scripted.run("SET", "k", "w")
    scripted.workers.give_back(held)  # type: ignore[arg-type]
    scripted.be_quiet()
    assert scripted.run("GET", "k") == b"w"
    scripted.save()
    assert keys_on_disk(scripted) == {b"k"}


def test_a_load_that_is_under_way_does_not_bring_an_expired_key_back(
    scripted: ScriptedEngine,
) -> None:
    scripted.run("SET", "k", "v", "PX", 1000)
    scripted.save_and_evict()
    replies = scripted.start("GET", "k")
    scripted.engine.turn()
    scripted.workers.run_load()
    loaded = scripted.workers.hold_results()
    scripted.clock.advance(2)
    scripted.expire_actively()
    scripted.save()
    scripted.evict_all()
    scripted.workers.give_back(loaded)
    scripted.load()
    assert replies == [None]
    check_quiet(scripted.engine)


def test_a_database_that_is_swapped_in_loses_no_keys_of_the_same_names(
    scripted: ScriptedEngine,
) -> None:
    # What had been read was taken for the keys of the space that the database showed by then.
    other = scripted.new_session(database=1)
    scripted.run("SET", "k", "v", "PX", 1000)
    scripted.run("SET", "k", "v", session=other)
    scripted.run("SET", "j", "v", "PX", 3_600_000, session=other)
    scripted.save_and_evict()
    scripted.clock.advance(2)
    scripted.expire_actively()
    scripted.save()
    scripted.run("SET", "k", "v", "PX", 1000, session=scripted.new_session())
    scripted.save_and_evict()
    scripted.clock.advance(2)
    held = due_read(scripted)
    scripted.run("SWAPDB", 0, 1)
    scripted.workers.give_back(held)  # type: ignore[arg-type]
    scripted.be_quiet()
    scripted.save_and_evict()
    assert keys_on_disk(scripted, 0) == {b"k", b"j"}
    scripted.expire_actively()
    scripted.save()
    assert keys_on_disk(scripted, 0) == {b"k", b"j"}
    assert keys_on_disk(scripted, 1) == set()


def test_a_database_that_is_flushed_meanwhile_is_left_alone(scripted: ScriptedEngine) -> None:
    scripted.run("SET", "k", "v", "PX", 1000)
    scripted.save_and_evict()
    scripted.clock.advance(2)
    held = due_read(scripted)
    scripted.run("FLUSHDB")
    scripted.run("SET", "k", "w")
    scripted.save_and_evict()
    scripted.workers.give_back(held)  # type: ignore[arg-type]
    scripted.be_quiet()
    assert scripted.run("GET", "k") == b"w"
    assert scripted.engine.keyspaces[0].space.keys == 1


# The floor


def scanned_from(scripted: ScriptedEngine) -> int:
    """How many index entries a round of active expiry steps over."""
    scripted.store.keys_scanned.clear()
    scripted.expire_actively()
    return scripted.store.keys_scanned[EXPIRES]


def test_what_was_swept_and_is_saved_is_not_swept_again(scripted: ScriptedEngine) -> None:
    for number in range(100):
        scripted.run("SET", f"k{number}", "v", "PX", 1000)
    scripted.run("SET", "k", "v", "PX", 100_000)
    scripted.save_and_evict()
    scripted.clock.advance(2)
    assert scanned_from(scripted) == 100
    assert scanned_from(scripted) == 0, "the deletions are not on disk, and would be met again"
    scripted.save()
    # As an engine with tombstones shows them: there is something below the floor.
    assert scanned_from(scripted) == 0
    (sweep,) = scripted.engine.expiry._sweeps.values()
    assert sweep.floor_ms > scripted.now_ms - 10


def test_a_due_time_below_the_floor_lowers_it_when_it_is_saved(scripted: ScriptedEngine) -> None:
    # The floor came from how long ago the oldest change was, and a command that runs for seconds
    # gives its changes an earlier time than that.
    scripted.run("SET", "early", "v", "PX", 1000)
    scripted.run("SET", "late", "v", "PX", 100_000)
    scripted.save_and_evict()
    scripted.run("SET", "unsaved", "v", "PX", 1500)
    scripted.clock.advance(2)
    scripted.expire_actively()
    scripted.save_and_evict()
    scripted.expire_actively()
    scripted.save()
    assert keys_on_disk(scripted) == {b"late"}


def test_a_clock_that_is_set_back_leaves_nothing_behind(scripted: ScriptedEngine) -> None:
    scripted.run("SET", "a", "v", "PX", 1000)
    scripted.run("SET", "far", "v", "PX", 10_000_000_000)
    scripted.save_and_evict()
    scripted.clock.advance(7200)
    scripted.expire_actively()
    scripted.save()
    scripted.expire_actively()
    scripted.save()
    scripted.clock.advance(-3600)
    scripted.run("SET", "b", "v", "PX", 1000)
    scripted.save_and_evict()
    scripted.clock.advance(10)
    scripted.expire_actively()
    scripted.save()
    assert keys_on_disk(scripted) == {b"far"}


def test_a_sweep_of_many_reads_misses_nothing(scripted: ScriptedEngine) -> None:
    for number in range(1700):
        scripted.start("SET", f"k{number}", "v", "PX", 1 + number)
    scripted.save_and_evict()
    scripted.clock.advance(5)
    scripted.engine.expiry.tick()
    # Between two reads an epoch is committed that puts an earlier due time behind the reader.
    scripted.workers.run_scan()
    scripted.be_quiet()
    scripted.run("SET", "behind", "v", "PX", 1)
    scripted.clock.advance(1)
    scripted.save_and_evict()
    for _ in range(20):
        scripted.expire_actively()
        scripted.save()
    assert keys_on_disk(scripted) == set()
    index = [split_expiry_key(stored) for stored in scripted.store.columns[EXPIRES]]
    assert not index


def test_expiry_waits_while_memory_is_full_of_what_is_not_on_disk() -> None:
    scripted = ScriptedEngine(maxmemory="8mb")
    for number in range(40_000):
        scripted.run("SET", b"%d" % number * 20, "v", "PX", 1000)
    scripted.save_and_evict()
    scripted.clock.advance(2)
    residency = scripted.engine.residency
    scripted.engine.expiry.tick()
    most = 0
    while not scripted.workers.is_idle:
        scripted.be_quiet()
        most = max(most, residency.used_bytes())
        if not scripted.step():
            break
    # A tombstone takes less than the two deletions in the batch that saves it: what is dirty and
    # saving may take a little more than the half that is meant for it.
    assert most <= int(residency.limit_bytes) * 1.05
    for _ in range(10):
        scripted.save()
        scripted.expire_actively()
    scripted.save()
    assert keys_on_disk(scripted) == set()
    assert DATA not in scripted.store.keys_scanned
