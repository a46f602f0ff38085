"""What is in memory, what it costs, and who has to leave."""

from __future__ import annotations

import pytest

from dscache.cache.entry import BLOCK_BYTES, CLEAN, ENTRY_BYTES
from dscache.cache.residency import POLICIES
from manual_workers import ScriptedEngine
from residents import check_memory, check_quiet


@pytest.fixture
def scripted() -> ScriptedEngine:
    """An engine with room for all."""
    return ScriptedEngine()


def fill(scripted: ScriptedEngine, count: int, value: bytes = b"v" * 100) -> None:
    """Write that many keys."""
    for number in range(count):
        scripted.start("SET", f"k{number}", value)


def rounded(size: int) -> int:
    """Charges are multiples of a block."""
    return -(-size // BLOCK_BYTES) * BLOCK_BYTES


def test_every_entry_is_charged_for_key_value_and_bookkeeping(scripted: ScriptedEngine) -> None:
    before = scripted.engine.residency.entries_bytes
    scripted.run("SET", "key", "value")
    assert scripted.engine.residency.entries_bytes - before == rounded(ENTRY_BYTES + 3 + 33 + 5)
    scripted.run("DEL", "key")
    assert scripted.engine.residency.entries_bytes - before == rounded(ENTRY_BYTES + 3)


def test_a_value_that_grows_in_place_is_charged_as_it_grows(scripted: ScriptedEngine) -> None:
    scripted.run("SET", "k", b"m" * 5000)
    for _ in range(50):
        scripted.run("APPEND", "k", b"m" * 5000)
        check_memory(scripted.engine)
    assert scripted.engine.residency.entries_bytes > 255_000


def test_only_clean_entries_leave(scripted: ScriptedEngine) -> None:
    fill(scripted, 10)
    scripted.evict_all()
    assert len(scripted.engine.keyspaces[0].space.entries) == 10, "dirty"
    scripted.cut()
    scripted.evict_all()
    assert len(scripted.engine.keyspaces[0].space.entries) == 10, "saving"
    scripted.encode()
    scripted.run("SET", "k0", "again")
    scripted.commit()
    scripted.evict_all()
    assert list(scripted.engine.keyspaces[0].space.entries) == [b"k0"], "dirty again"


def test_make_room_evicts_no_more_than_it_must(scripted: ScriptedEngine) -> None:
    fill(scripted, 100)
    scripted.save()
    residency = scripted.engine.residency
    per_entry = residency.entries_bytes // 100
    residency.limit_bytes = residency.used_bytes() - 10 * per_entry
    assert residency.make_room()
    assert residency.used_bytes() <= residency.limit_bytes
    assert residency.resident in {89, 90}
    assert residency.evicted in {10, 11}


def test_make_room_says_so_when_what_is_left_must_stay(scripted: ScriptedEngine) -> None:
    fill(scripted, 100)
    residency = scripted.engine.residency
    residency.limit_bytes = 1000
    assert not residency.make_room()


def test_the_epoch_that_is_being_saved_counts(scripted: ScriptedEngine) -> None:
    fill(scripted, 100)
    residency = scripted.engine.residency
    before = residency.used_bytes()
    scripted.cut()
    scripted.encode()
    assert residency.saving_bytes > 100 * 100
    assert residency.used_bytes() == before + residency.saving_bytes
    scripted.commit()
    assert residency.saving_bytes == 0


@pytest.mark.parametrize("old", POLICIES)
@pytest.mark.parametrize("new", POLICIES)
def test_every_entry_can_be_evicted_after_a_change_of_policy(
    scripted: ScriptedEngine, old: str, new: str
) -> None:
    # Marks that one policy had left in entries that were dirty at the moment kept them out of the
    # next policy for ever.
    scripted.engine.set_policy(old, 10, 1)
    fill(scripted, 50)
    scripted.save()
    fill(scripted, 20)
    scripted.cut()
    fill(scripted, 10)
    for number in range(50):
        scripted.start("GET", f"k{number}")
    scripted.engine.set_policy(new, 10, 1)
    check_memory(scripted.engine)
    scripted.encode()
    scripted.commit()
    scripted.save_and_evict()
    check_quiet(scripted.engine)
    assert scripted.run("GET", "k7") == b"v" * 100


def test_entries_of_a_flushed_database_are_dropped_bit_by_bit(scripted: ScriptedEngine) -> None:
    fill(scripted, 1000)
    scripted.save()
    residency = scripted.engine.residency
    used = residency.entries_bytes
    scripted.start("FLUSHDB")
    assert residency.entries_bytes == used
    assert residency.reap(0.0, 0)
    assert 0 < residency.entries_bytes < used
    while residency.reap(0.0, 0):
        pass
    assert residency.entries_bytes == 0
    assert residency.resident == 0


def test_numbers_of_flushed_databases_are_used_again(scripted: ScriptedEngine) -> None:
    for number in range(100):
        scripted.run("SET", "k", number)
        scripted.run("FLUSHDB")
        scripted.be_quiet()
    assert len(scripted.engine.residency.spaces) <= len(scripted.engine.keyspaces) + 2


def test_evicting_one_key_takes_it_out_if_it_may_go(scripted: ScriptedEngine) -> None:
    keyspace = scripted.engine.keyspaces[0]
    scripted.run("SET", "k", "v")
    assert not keyspace.evict(b"k")
    scripted.save()
    assert keyspace.is_resident(b"k")
    assert keyspace.evict(b"k")
    assert not keyspace.is_resident(b"k")
    assert not keyspace.evict(b"k")
    check_quiet(scripted.engine)


def test_an_entry_that_was_read_only_stays_clean(scripted: ScriptedEngine) -> None:
    scripted.run("SET", "k", "v", "PX", 1000)
    scripted.save_and_evict()
    for words in (("GET", "k"), ("EXISTS", "k"), ("PTTL", "k"), ("STRLEN", "k"), ("TYPE", "k")):
        scripted.run(*words)
    assert scripted.engine.keyspaces[0].space.entries[b"k"].state == CLEAN
    assert not scripted.engine.flusher.has_dirty
