"""Epochs: what reaches the disk, as of when, and what happens if it does not."""

from __future__ import annotations

import time

import pytest

from batches import operations_of
from dscache.store.base import DATA, EXPIRES, PAYLOADS
from manual_workers import ScriptedEngine
from residents import check_memory, check_quiet
from stored import stored_databases

APART = b"p" * 20_000
MEDIUM = b"m" * 5000


@pytest.fixture
def scripted() -> ScriptedEngine:
    """An engine whose commits the test runs by hand."""
    return ScriptedEngine()


def on_disk(scripted: ScriptedEngine, database: int = 0) -> dict[bytes, bytes]:
    """{key: value} as the store has them."""
    held = stored_databases(scripted.store)[database]
    return {key: value for key, (value, _) in held.items()}


def due_times(scripted: ScriptedEngine) -> dict[bytes, int]:
    """{key: due time} of the keys of database 0 that expire, as the store has them."""
    held = stored_databases(scripted.store)[0]
    return {key: due_ms for key, (_, due_ms) in held.items() if due_ms}


# An epoch is an instant


def test_what_changes_after_the_cut_is_not_in_the_epoch(scripted: ScriptedEngine) -> None:
    for key in ("changed", "deleted", "kept"):
        scripted.run("SET", key, "before")
    scripted.cut()
    scripted.run("SET", "changed", "after")
    scripted.run("DEL", "deleted")
    scripted.run("SET", "new", "after")
    scripted.encode()
    scripted.run("SET", "kept", "after")
    scripted.commit()
    assert on_disk(scripted) == {
        b"changed": b"before",
        b"deleted": b"before",
        b"kept": b"before",
    }
    scripted.save()
    assert on_disk(scripted) == {b"changed": b"after", b"kept": b"after", b"new": b"after"}
    check_quiet(scripted.engine)


def test_a_value_that_is_changed_in_place_while_it_is_saving_is_encoded_first(
    scripted: ScriptedEngine,
) -> None:
    scripted.run("SET", "k", MEDIUM)
    scripted.run("APPEND", "k", "1")
    scripted.cut()
    scripted.run("APPEND", "k", "2")
    scripted.run("APPEND", "k", "3")
    scripted.encode()
    scripted.run("APPEND", "k", "4")
    scripted.commit()
    assert on_disk(scripted) == {b"k": MEDIUM + b"1"}
    scripted.save()
    assert on_disk(scripted) == {b"k": MEDIUM + b"1234"}


def test_a_due_time_that_is_changed_while_its_key_is_saving_belongs_to_the_next_epoch(
    scripted: ScriptedEngine,
) -> None:
    now_ms = scripted.now_ms
    scripted.run("SET", "k", "v", "PX", 1000)
    scripted.cut()
    scripted.run("PEXPIRE", "k", 2000)
    scripted.encode()
    scripted.run("PEXPIRE", "k", 3000)
    scripted.commit()
    assert due_times(scripted) == {b"k": now_ms + 1000}
    scripted.save()
    assert due_times(scripted) == {b"k": now_ms + 3000}


def test_a_tombstone_answers_while_it_is_being_saved(scripted: ScriptedEngine) -> None:
    scripted.run("SET", "k", "v")
    scripted.save_and_evict()
    scripted.run("SET", "k", "w")
    scripted.run("DEL", "k")
    scripted.cut()
    assert scripted.start("GET", "k") == [None]
    scripted.encode()
    assert scripted.start("GET", "k") == [None]
    scripted.evict_all()
    assert scripted.start("GET", "k") == [None]
    scripted.workers.run_commit()
    assert scripted.start("GET", "k") == [None]
    scripted.be_quiet()
    assert scripted.start("GET", "k") == [None]
    scripted.evict_all()
    assert scripted.run("GET", "k") is None
    assert on_disk(scripted) == {}


def test_a_cut_touches_no_entry(scripted: ScriptedEngine) -> None:
    for number in range(100):
        scripted.start("SET", f"k{number}", "v")
    flusher = scripted.engine.flusher
    ((serial, dirty),) = flusher.uncommitted_lists()
    states = [entry.state for entry in dirty]
    scripted.cut()
    (_, dirty_now), (saving_serial, saving) = flusher.uncommitted_lists()
    assert saving is dirty
    assert saving_serial == serial
    assert [entry.state for entry in saving] == states
    assert not dirty_now


def test_only_one_epoch_is_saved_at_a_time(scripted: ScriptedEngine) -> None:
    scripted.run("SET", "a", "1")
    scripted.cut()
    scripted.run("SET", "b", "2")
    scripted.cut()
    assert scripted.engine.flusher.last_cut == 1
    scripted.encode()
    scripted.commit()
    scripted.cut()
    assert scripted.engine.flusher.last_cut == 2


def test_a_key_that_is_written_over_and_over_is_saved_once(scripted: ScriptedEngine) -> None:
    for number in range(100):
        scripted.run("SET", "k", number)
    scripted.save()
    assert scripted.engine.flusher.last_commit_keys == 1


# Keys written without looking


def test_the_number_of_keys_is_exact_after_writes_that_did_not_look(
    scripted: ScriptedEngine,
) -> None:
    for number in range(10):
        scripted.run("SET", f"k{number}", "v", "PX", 100_000)
    scripted.save_and_evict()
    scripted.store.keys_read.clear()
    for number in range(5, 15):
        scripted.run("SET", f"k{number}", "w")
    assert scripted.store.keys_read[DATA] == 0, "SET looks at nothing"
    assert scripted.run("DBSIZE") == 15
    space = scripted.engine.keyspaces[0].space
    assert (space.keys, space.expires) == (15, 5)
    scripted.save()
    assert len(on_disk(scripted)) == 15
    assert len(due_times(scripted)) == 5


def test_a_key_written_without_looking_and_then_deleted_is_gone(
    scripted: ScriptedEngine,
) -> None:
    scripted.run("SET", "k", APART, "PX", 100_000)
    scripted.save_and_evict()
    scripted.run("SET", "k", "w")
    assert scripted.run("DEL", "k") == 1
    assert scripted.run("DBSIZE") == 0
    scripted.save()
    assert on_disk(scripted) == {}
    check_quiet(scripted.engine)


@pytest.mark.parametrize("old", [b"small", APART])
@pytest.mark.parametrize("new", [b"tiny", APART + b"!"])
@pytest.mark.parametrize("old_expires", [False, True])
@pytest.mark.parametrize("new_expires", [False, True])
def test_overwriting_leaves_nothing_of_the_old_value(
    scripted: ScriptedEngine, old: bytes, new: bytes, old_expires: bool, new_expires: bool
) -> None:
    scripted.run("SET", "k", old, *(["PX", "100000"] if old_expires else []))
    scripted.save_and_evict()
    scripted.run("SET", "k", new, *(["PX", "200000"] if new_expires else []))
    scripted.save()
    # This checks the payloads and the index, too.
    assert on_disk(scripted) == {b"k": new}
    assert len(due_times(scripted)) == new_expires


# Payloads that are apart


def test_a_new_due_time_rewrites_only_the_head_of_a_value_that_is_apart(
    scripted: ScriptedEngine,
) -> None:
    scripted.run("SET", "k", APART)
    scripted.save_and_evict()
    scripted.store.keys_read.clear()
    scripted.run("PEXPIRE", "k", 100_000)
    scripted.save()
    assert scripted.store.keys_read[PAYLOADS] == 0
    assert scripted.store.batches[-1].size_bytes < 500
    assert on_disk(scripted) == {b"k": APART}
    assert len(due_times(scripted)) == 1


def test_deleting_a_value_that_is_apart_reads_no_payload_and_leaves_none(
    scripted: ScriptedEngine,
) -> None:
    scripted.run("SET", "k", APART)
    scripted.save_and_evict()
    scripted.store.keys_read.clear()
    assert scripted.run("DEL", "k") == 1
    scripted.save()
    assert scripted.store.keys_read[PAYLOADS] == 0
    assert not scripted.store.columns[PAYLOADS]
    assert on_disk(scripted) == {}


def test_a_value_that_shrinks_leaves_no_payload(scripted: ScriptedEngine) -> None:
    scripted.run("SET", "k", APART)
    scripted.save()
    scripted.run("SET", "k", "small")
    scripted.save()
    assert not scripted.store.columns[PAYLOADS]
    assert on_disk(scripted) == {b"k": b"small"}


def test_a_failed_commit_of_a_new_due_time_does_not_cost_the_payload(
    scripted: ScriptedEngine,
) -> None:
    # Once nothing was known of the record any more, settling removed the payload "of the old
    # value", which is the value.
    scripted.run("SET", "k", APART)
    scripted.save_and_evict()
    scripted.run("PEXPIRE", "k", 100_000)
    fail_one_commit(scripted)
    scripted.save()
    assert on_disk(scripted) == {b"k": APART}
    scripted.run("PERSIST", "k")
    scripted.save()
    assert on_disk(scripted) == {b"k": APART}
    scripted.run("PEXPIRE", "k", 100_000)
    scripted.save_and_evict()
    assert len(due_times(scripted)) == 1
    assert scripted.run("GET", "k") == APART


# Failure


def fail_one_commit(scripted: ScriptedEngine, reads: bool = False) -> None:
    """Cut and encode, and let the commit fail."""
    scripted.cut()
    scripted.encode()
    scripted.store.fail_commits = True
    scripted.store.fail_reads = reads
    scripted.workers.run_commit()
    scripted.store.fail_commits = scripted.store.fail_reads = False
    scripted.be_quiet()


@pytest.mark.parametrize("reads", [False, True])
def test_after_a_failed_commit_the_next_brings_the_disk_to_a_later_instant(
    scripted: ScriptedEngine, reads: bool
) -> None:
    scripted.run("SET", "there", "1", "PX", 100_000)
    scripted.run("SET", "goes", APART, "PX", 100_000)
    scripted.save_and_evict()
    before = on_disk(scripted)
    scripted.run("SET", "there", "2")
    scripted.run("SET", "new", "1", "PX", 50_000)
    scripted.run("DEL", "goes")
    fail_one_commit(scripted, reads)
    assert on_disk(scripted) == before
    check_memory(scripted.engine)
    assert scripted.engine.flusher.dirty_count == 3
    scripted.run("SET", "newer", "1")
    scripted.run("PEXPIRE", "there", 70_000)
    fail_one_commit(scripted, not reads)
    assert scripted.engine.flusher.dirty_count == 4
    scripted.engine.flusher.retry_at = 0.0
    assert scripted.run("DBSIZE") == 3
    scripted.save()
    assert on_disk(scripted) == {b"there": b"2", b"new": b"1", b"newer": b"1"}
    assert set(due_times(scripted)) == {b"there", b"new"}
    check_quiet(scripted.engine)


def test_what_changed_while_a_commit_was_failing_is_saved_once(
    scripted: ScriptedEngine,
) -> None:
    scripted.run("SET", "k", "1")
    scripted.cut()
    scripted.encode()
    scripted.run("SET", "k", "2")
    scripted.store.fail_commits = True
    scripted.workers.run_commit()
    scripted.store.fail_commits = False
    scripted.be_quiet()
    assert scripted.engine.flusher.dirty_count == 1
    size = scripted.engine.keyspaces[0].space.entries[b"k"].size
    assert scripted.engine.flusher.dirty_bytes == size
    scripted.save()
    assert on_disk(scripted) == {b"k": b"2"}


def test_a_read_that_was_not_possible_while_settling_is_made_up_for(
    scripted: ScriptedEngine,
) -> None:
    scripted.run("SET", "k", "1")
    scripted.save_and_evict()
    scripted.run("SET", "k", "2")
    fail_one_commit(scripted, reads=True)
    assert scripted.engine.keyspaces[0].space.unsettled == 1
    fail_one_commit(scripted)
    assert scripted.engine.keyspaces[0].space.unsettled == 0
    assert scripted.engine.keyspaces[0].space.keys == 1
    scripted.save()
    assert on_disk(scripted) == {b"k": b"2"}


def test_pauses_between_tries_grow_and_begin_anew_after_a_success(
    scripted: ScriptedEngine,
) -> None:
    flusher = scripted.engine.flusher
    scripted.run("SET", "k", "1")
    pauses = []
    for _ in range(8):
        fail_one_commit(scripted)
        pauses.append(round(flusher.retry_at - time.perf_counter(), 2))
        assert flusher.failing_since > 0.0
        assert "made to fail" in flusher.last_error
    assert pauses == sorted(pauses)
    assert 0.0 < pauses[0] <= 0.1
    assert 4.0 < pauses[-1] <= 5.0
    scripted.save()
    assert (flusher.failing_since, flusher.retry_at, flusher.last_error) == (0.0, 0.0, "")
    scripted.run("SET", "k", "2")
    fail_one_commit(scripted)
    assert flusher.retry_at - time.perf_counter() <= 0.1


def test_nothing_is_tried_before_the_pause_is_over(scripted: ScriptedEngine) -> None:
    scripted.run("SET", "k", "1")
    fail_one_commit(scripted)
    scripted.engine.flusher.retry_at = time.perf_counter() + 3600
    scripted.engine.pacer.flush_delay_seconds = 0
    scripted.engine.tick()
    assert not scripted.engine.flusher.is_saving
    seconds = scripted.engine.pacer.next_flush_seconds()
    assert seconds is not None
    assert seconds > 3000


def test_a_bug_in_a_store_is_a_failed_commit_and_not_the_end_of_the_thread(
    scripted: ScriptedEngine,
) -> None:
    scripted.run("SET", "k", "1")
    scripted.cut()
    scripted.encode()
    columns = scripted.store.columns
    scripted.store.columns = []
    scripted.workers.run_commit()
    scripted.store.columns = columns
    scripted.be_quiet()
    assert "IndexError" in scripted.engine.flusher.last_error
    scripted.save()
    assert on_disk(scripted) == {b"k": b"1"}


# FLUSHDB and SWAPDB


def test_a_flushed_database_is_empty_on_disk_with_the_next_epoch(
    scripted: ScriptedEngine,
) -> None:
    scripted.run("SET", "inline", "1", "PX", 1000)
    scripted.run("SET", "apart", APART)
    scripted.save()
    scripted.run("FLUSHDB")
    scripted.run("SET", "new", "1")
    assert set(on_disk(scripted)) == {b"inline", b"apart"}
    scripted.save()
    assert on_disk(scripted) == {b"new": b"1"}
    check_quiet(scripted.engine)


@pytest.mark.parametrize("state", ["dirty", "saving", "encoded", "committed"])
def test_a_database_may_be_flushed_in_whatever_state_its_keys_are(
    scripted: ScriptedEngine, state: str
) -> None:
    # Reaping gave the number of the old space to the next one at once: entries that were still to
    # be saved then named the wrong database, and deleted its keys on disk.
    scripted.run("SET", "old", "0")
    scripted.save_and_evict()
    scripted.run("SET", "k", "1")
    scripted.run("SET", "gone", "1")
    scripted.run("DEL", "gone")
    if state != "dirty":
        scripted.cut()
    if state in {"encoded", "committed"}:
        scripted.encode()
    if state == "committed":
        scripted.workers.run_commit()
    scripted.run("FLUSHDB")
    if state != "saving":
        scripted.be_quiet()
    other = scripted.new_session(database=1)
    scripted.run("SET", "x", "1", session=other)
    scripted.run("FLUSHDB", session=other)
    scripted.run("SET", "k", "2", session=other)
    scripted.run("SET", "k", "2")
    scripted.run("SET", "gone", "2")
    if state == "saving":
        scripted.encode()
    if state in {"saving", "encoded"}:
        scripted.commit()
        # That epoch was cut before FLUSHDB.
        assert on_disk(scripted) == {b"old": b"0", b"k": b"1"}
    scripted.save()
    assert on_disk(scripted) == {b"k": b"2", b"gone": b"2"}
    assert on_disk(scripted, 1) == {b"k": b"2"}
    check_quiet(scripted.engine)


def test_an_epoch_that_was_cut_before_a_flush_still_saves_every_value(
    scripted: ScriptedEngine,
) -> None:
    # The entries were emptied at once, and the epoch saved deletions in the place of values.
    for number in range(300):
        scripted.run("SET", f"k{number}", number)
    scripted.cut()
    scripted.start("FLUSHDB")
    engine = scripted.engine
    assert not engine.residency.reap(1.0, engine.flusher.encoding), "not yet"
    scripted.encode()
    while engine.residency.reap(1.0, engine.flusher.encoding):
        pass
    assert engine.residency.resident == 0, "they have been encoded"
    scripted.commit()
    assert len(on_disk(scripted)) == 300
    scripted.save()
    assert on_disk(scripted) == {}
    check_quiet(scripted.engine)


def test_a_flush_whose_commit_fails_happens_with_the_next(scripted: ScriptedEngine) -> None:
    scripted.run("SET", "k", "1")
    scripted.save()
    scripted.run("SET", "j", "1")
    scripted.run("FLUSHDB")
    fail_one_commit(scripted)
    assert on_disk(scripted) == {b"k": b"1"}
    scripted.run("SET", "k", "2")
    fail_one_commit(scripted)
    scripted.save()
    assert on_disk(scripted) == {b"k": b"2"}
    check_quiet(scripted.engine)


def test_databases_are_swapped_with_everything_else_of_their_epoch(
    scripted: ScriptedEngine,
) -> None:
    other = scripted.new_session(database=1)
    scripted.run("SET", "k", "zero")
    scripted.run("SET", "k", "one", session=other)
    scripted.cut()
    scripted.run("SWAPDB", 0, 1)
    scripted.run("SET", "j", "zero")
    scripted.encode()
    scripted.commit()
    assert on_disk(scripted) == {b"k": b"zero"}
    assert on_disk(scripted, 1) == {b"k": b"one"}
    scripted.save()
    assert on_disk(scripted) == {b"k": b"one", b"j": b"zero"}
    assert on_disk(scripted, 1) == {b"k": b"zero"}


def test_flushing_an_empty_database_changes_nothing(scripted: ScriptedEngine) -> None:
    scripted.run("SET", "k", "1")
    scripted.run("DEL", "k")
    scripted.save()
    generation = scripted.engine.keyspaces[0].space.generation
    for _ in range(50_000):
        scripted.start("FLUSHDB")
    assert scripted.engine.keyspaces[0].space.generation == generation
    assert not scripted.engine.flusher.has_dirty


def test_too_many_flushes_at_once_are_refused(scripted: ScriptedEngine) -> None:
    # An entry names its space by sixteen bits.
    for number in range(20_000):
        scripted.start("SET", "k", number)
        (reply,) = scripted.start("FLUSHDB")
        if reply != b"OK":
            break
    else:
        pytest.fail("the spaces would have run out")
    assert reply == b"-ERR too many databases are being flushed, try again in a moment"
    scripted.be_quiet()
    assert scripted.run("FLUSHDB") == b"OK"
    scripted.save()
    assert on_disk(scripted) == {}
    check_quiet(scripted.engine)


# The expiry index


def test_the_index_follows_every_change_of_a_due_time(scripted: ScriptedEngine) -> None:
    now_ms = scripted.now_ms
    scripted.run("SET", "k", "v", "PX", 10_000)
    scripted.save()
    assert due_times(scripted) == {b"k": now_ms + 10_000}
    scripted.run("PEXPIRE", "k", 20_000)
    scripted.save()
    assert due_times(scripted) == {b"k": now_ms + 20_000}
    scripted.run("PERSIST", "k")
    scripted.save()
    assert due_times(scripted) == {}
    scripted.run("PEXPIRE", "k", 20_000)
    scripted.save_and_evict()
    scripted.run("PEXPIRE", "k", 30_000)
    scripted.save()
    assert due_times(scripted) == {b"k": now_ms + 30_000}
    scripted.run("DEL", "k")
    scripted.save()
    assert not scripted.store.columns[EXPIRES]


def test_a_key_deleted_and_made_again_before_it_is_saved_has_the_new_due_time_only(
    scripted: ScriptedEngine,
) -> None:
    now_ms = scripted.now_ms
    scripted.run("SET", "k", "v", "PX", 10_000)
    scripted.save()
    scripted.run("DEL", "k")
    scripted.run("SET", "k", "w", "PX", 30_000)
    scripted.save()
    assert due_times(scripted) == {b"k": now_ms + 30_000}


def test_a_value_that_is_only_written_again_does_not_touch_the_index(
    scripted: ScriptedEngine,
) -> None:
    scripted.run("SET", "k", "v", "PX", 10_000)
    scripted.save()
    scripted.run("SET", "k", "w", "KEEPTTL")
    scripted.save()
    assert all(column != EXPIRES for column, _, _ in operations_of(scripted.store.batches[-1]))
    assert len(due_times(scripted)) == 1
