"""Loads, and what may happen to a key while one is under way."""

from __future__ import annotations

import pytest

from dscache.cache.entry import MAX_PINS
from dscache.store.base import DATA, PAYLOADS
from dscache.store.layout import data_key
from manual_workers import ScriptedEngine
from residents import check_quiet

APART = b"p" * 20_000


@pytest.fixture
def scripted() -> ScriptedEngine:
    """An engine whose loads the test runs by hand."""
    return ScriptedEngine()


def on_disk(scripted: ScriptedEngine, *pairs: tuple[str, str | bytes]) -> None:
    """Keys that are on disk only."""
    for key, value in pairs:
        scripted.run("SET", key, value)
    scripted.save_and_evict()


def read_but_not_arrived(scripted: ScriptedEngine) -> list[object]:
    """Let the loads that are wanted be read, and hold back what they bring."""
    scripted.engine.turn()
    while scripted.workers.waiting_loads:
        scripted.workers.run_load()
    return list(scripted.workers.hold_results())


def arrive(scripted: ScriptedEngine, held: list[object]) -> None:
    """Let what was held back arrive, and everything that follows from it."""
    scripted.workers.give_back(held)  # type: ignore[arg-type]
    scripted.engine.turn()


# Together and apart


def test_one_load_serves_all_who_wait_for_the_key(scripted: ScriptedEngine) -> None:
    on_disk(scripted, ("k", "v"))
    sessions = [scripted.new_session() for _ in range(50)]
    replies = [scripted.start("GET", "k", session=session) for session in sessions]
    scripted.store.keys_read.clear()
    scripted.load()
    assert replies == [[b"v"]] * 50
    assert scripted.store.keys_read[DATA] == 1
    check_quiet(scripted.engine)


def test_a_command_that_names_a_key_often_waits_for_it_once(scripted: ScriptedEngine) -> None:
    on_disk(scripted, ("k", "v"))
    # More often than an entry can count pins.
    count = MAX_PINS + 10
    assert scripted.run("MGET", *["k"] * count) == [b"v"] * count
    assert scripted.engine.loader.loads == 1
    check_quiet(scripted.engine)


def test_more_commands_can_wait_for_a_key_than_can_pin_it(scripted: ScriptedEngine) -> None:
    on_disk(scripted, ("k", "v"), ("other", "w"))
    scripted.start("GET", "k")
    scripted.engine.turn()
    load = scripted.engine.keyspaces[0].space.loads[b"k"]
    waits = [scripted.new_session() for _ in range(3)]
    replies = [scripted.start("GET", "k", session=session) for session in waits]
    entry_pins = MAX_PINS - 1
    held = read_but_not_arrived(scripted)
    # As if thirty thousand others had come before them.
    scripted.engine.loader.load_now(scripted.engine.keyspaces[0].space, b"k", True)
    entry = scripted.engine.keyspaces[0].space.entries[b"k"]
    scripted.engine.residency.hold(entry)
    entry.pins = entry_pins
    load.stale = False
    arrive(scripted, held)
    assert entry.pins == entry_pins
    assert replies == [[b"v"]] * 3


def test_all_keys_of_a_command_are_loaded_at_its_first_miss(scripted: ScriptedEngine) -> None:
    on_disk(scripted, *((f"k{n}", str(n)) for n in range(20)))
    replies = scripted.start("MGET", *(f"k{n}" for n in range(20)))
    scripted.load()
    assert replies == [[str(n).encode() for n in range(20)]]
    assert scripted.engine.core.stats.cache_faults == 0
    assert scripted.engine.core.stats.cache_misses == 20


def reads_are_slow(scripted: ScriptedEngine) -> None:
    """As if each key had taken a hundredth of a second of late."""
    scripted.engine.loader._key_seconds = 0.01


def test_where_reads_are_slow_a_burst_is_spread_over_the_threads(scripted: ScriptedEngine) -> None:
    on_disk(scripted, *((f"k{n}", str(n)) for n in range(16)))
    reads_are_slow(scripted)
    scripted.start("MGET", *(f"k{n}" for n in range(16)))
    scripted.engine.turn()
    assert len(scripted.workers.waiting_loads) == 2
    scripted.load()


def test_where_reads_are_quick_batches_are_filled(scripted: ScriptedEngine) -> None:
    on_disk(scripted, *((f"k{n}", str(n)) for n in range(40)))
    scripted.start("MGET", *(f"k{n}" for n in range(40)))
    scripted.engine.turn()
    assert len(scripted.workers.waiting_loads) == 2
    scripted.store.keys_read.clear()
    scripted.workers.run_load()
    assert scripted.store.keys_read[DATA] == 32
    scripted.load()


def test_where_reads_are_quick_a_small_batch_waits_for_the_one_that_is_under_way(
    scripted: ScriptedEngine,
) -> None:
    on_disk(scripted, ("a", "1"), ("b", "2"), ("c", "3"))
    first = scripted.start("GET", "a", session=scripted.new_session())
    scripted.engine.turn()
    later = [scripted.start("GET", key, session=scripted.new_session()) for key in "bc"]
    scripted.engine.turn()
    assert len(scripted.workers.waiting_loads) == 1
    scripted.workers.run_load()
    scripted.engine.turn()
    assert first == [b"1"]
    assert len(scripted.workers.waiting_loads) == 1
    scripted.load()
    assert later == [[b"2"], [b"3"]]
    check_quiet(scripted.engine)


def test_where_reads_are_slow_nothing_waits_for_a_batch(scripted: ScriptedEngine) -> None:
    on_disk(scripted, ("a", "1"), ("b", "2"))
    reads_are_slow(scripted)
    for number, key in enumerate("ab", start=1):
        scripted.start("GET", key, session=scripted.new_session())
        scripted.engine.turn()
        assert len(scripted.workers.waiting_loads) == number
    scripted.load()
    check_quiet(scripted.engine)


def test_batches_are_bounded(scripted: ScriptedEngine) -> None:
    on_disk(scripted, *((f"k{n}", str(n)) for n in range(320)))
    replies = scripted.start("MGET", *(f"k{n}" for n in range(320)))
    scripted.engine.turn()
    assert len(scripted.workers.waiting_loads) == 10
    # They may finish in any order.
    while scripted.workers.waiting_loads:
        scripted.workers.run_load(len(scripted.workers.waiting_loads) // 2)
    scripted.engine.turn()
    assert replies == [[str(n).encode() for n in range(320)]]


def test_a_key_that_is_not_on_disk_is_known_to_be_absent_from_then_on(
    scripted: ScriptedEngine,
) -> None:
    assert scripted.run("GET", "none") is None
    loads = scripted.engine.loader.loads
    assert scripted.run("GET", "none") is None
    assert scripted.engine.loader.loads == loads


# Overtaken


def test_a_load_that_finishes_after_its_key_was_written_is_dropped(
    scripted: ScriptedEngine,
) -> None:
    on_disk(scripted, ("k", "old"))
    replies = scripted.start("GET", "k")
    held = read_but_not_arrived(scripted)
    scripted.run("SET", "k", "new", session=scripted.new_session())
    arrive(scripted, held)
    assert replies == [b"new"]
    assert scripted.run("GET", "k") == b"new"


def test_a_load_that_finishes_after_its_key_was_deleted_is_dropped(
    scripted: ScriptedEngine,
) -> None:
    on_disk(scripted, ("k", "old"))
    replies = scripted.start("GET", "k")
    held = read_but_not_arrived(scripted)
    other = scripted.new_session()
    scripted.run("SET", "k", "new", session=other)
    assert scripted.run("DEL", "k", session=other) == 1
    arrive(scripted, held)
    assert replies == [None]
    scripted.save()
    assert scripted.reopened().run("GET", "k") is None


def test_a_load_is_dropped_though_its_key_was_saved_and_evicted_meanwhile(
    scripted: ScriptedEngine,
) -> None:
    on_disk(scripted, ("k", "old"))
    replies = scripted.start("GET", "k")
    held = read_but_not_arrived(scripted)
    scripted.run("SET", "k", "new", session=scripted.new_session())
    scripted.save()
    scripted.evict_all()
    assert b"k" not in scripted.engine.keyspaces[0].space.entries
    arrive(scripted, held)
    scripted.load()
    assert replies == [b"new"]


def test_a_superseded_load_cannot_bring_an_old_value_either(scripted: ScriptedEngine) -> None:
    # The head was asked for first and then the value. Only the second load was marked as
    # overtaken, and the first put the old value back.
    on_disk(scripted, ("k", "old"))
    length = scripted.start("STRLEN", "k")
    held = read_but_not_arrived(scripted)
    value = scripted.start("GET", "k", session=scripted.new_session())
    scripted.run("SET", "k", "newer", session=scripted.new_session())
    scripted.save()
    scripted.evict_all()
    arrive(scripted, held)
    scripted.load()
    scripted.load()
    assert (length, value) == ([5], [b"newer"])


def test_those_who_wait_for_the_head_are_served_by_the_load_of_the_value(
    scripted: ScriptedEngine,
) -> None:
    on_disk(scripted, ("k", APART))
    length = scripted.start("STRLEN", "k")
    value = scripted.start("GET", "k", session=scripted.new_session())
    scripted.load()
    assert (length, value) == ([20_000], [APART])
    check_quiet(scripted.engine)


def test_a_database_that_is_flushed_while_a_key_is_loading_stays_empty(
    scripted: ScriptedEngine,
) -> None:
    on_disk(scripted, ("k", "old"))
    replies = scripted.start("GET", "k")
    held = read_but_not_arrived(scripted)
    scripted.run("FLUSHDB", session=scripted.new_session())
    arrive(scripted, held)
    scripted.load()
    assert replies == [None]
    scripted.save()
    check_quiet(scripted.engine)


def test_databases_that_are_swapped_while_keys_are_loading_show_each_its_own(
    scripted: ScriptedEngine,
) -> None:
    other = scripted.new_session(database=1)
    scripted.run("SET", "k", "one", session=other)
    on_disk(scripted, ("k", "zero"))
    first = scripted.start("GET", "k")
    second = scripted.start("GET", "k", session=other)
    scripted.engine.turn()
    scripted.run("SWAPDB", 0, 1, session=scripted.new_session())
    scripted.load()
    scripted.load()
    assert (first, second) == ([b"one"], [b"zero"])


# Pinned


def test_a_loaded_key_stays_until_the_command_that_waits_for_more_has_run(
    scripted: ScriptedEngine,
) -> None:
    on_disk(scripted, *((f"k{n}", str(n)) for n in range(8)))
    reads_are_slow(scripted)
    replies = scripted.start("MGET", *(f"k{n}" for n in range(8)))
    scripted.engine.turn()
    assert len(scripted.workers.waiting_loads) == 2
    scripted.workers.run_load()
    scripted.engine.turn()
    scripted.evict_all()
    assert len(scripted.engine.keyspaces[0].space.entries) == 4
    scripted.load()
    assert replies == [[str(n).encode() for n in range(8)]]
    scripted.evict_all()
    assert not scripted.engine.keyspaces[0].space.entries


def test_a_client_that_leaves_lets_go_of_what_was_loaded_for_it(
    scripted: ScriptedEngine,
) -> None:
    on_disk(scripted, *((f"k{n}", str(n)) for n in range(8)))
    reads_are_slow(scripted)
    session = scripted.new_session()
    replies = scripted.start("MGET", *(f"k{n}" for n in range(8)), session=session)
    scripted.engine.turn()
    scripted.workers.run_load()
    scripted.engine.turn()
    scripted.engine.end_session(session)
    scripted.load()
    assert not replies
    check_quiet(scripted.engine)


# Payloads that are apart


def test_a_command_that_needs_the_head_only_reads_no_payload(scripted: ScriptedEngine) -> None:
    on_disk(scripted, ("k", APART))
    scripted.store.keys_read.clear()
    assert scripted.run("EXISTS", "k") == 1
    assert scripted.run("STRLEN", "k") == 20_000
    assert scripted.run("PTTL", "k") == -1
    assert scripted.store.keys_read[PAYLOADS] == 0
    assert scripted.run("GET", "k") == APART
    assert scripted.store.keys_read[PAYLOADS] == 1


def test_a_payload_arrives_though_the_head_has_changed_meanwhile(
    scripted: ScriptedEngine,
) -> None:
    on_disk(scripted, ("k", APART))
    assert scripted.run("EXISTS", "k") == 1
    replies = scripted.start("GET", "k")
    held = read_but_not_arrived(scripted)
    other = scripted.new_session()
    assert scripted.run("PEXPIRE", "k", 5000, session=other) == 1
    arrive(scripted, held)
    scripted.load()
    assert replies == [APART]
    assert scripted.run("PEXPIRETIME", "k") == scripted.now_ms + 5000
    scripted.save()
    assert scripted.reopened().run("GET", "k") == APART


# Damage and failure


def test_a_read_that_fails_is_told_to_the_client_and_tried_again_by_the_next(
    scripted: ScriptedEngine,
) -> None:
    on_disk(scripted, ("k", "v"))
    replies = scripted.start("GET", "k")
    scripted.engine.turn()
    scripted.store.fail_reads = True
    scripted.workers.run_load()
    scripted.store.fail_reads = False
    scripted.engine.turn()
    assert replies == [b"-IOERR reads are made to fail by the test"]
    assert scripted.run("GET", "k") == b"v"
    check_quiet(scripted.engine)


def test_a_damaged_record_fails_its_own_load_only(scripted: ScriptedEngine) -> None:
    on_disk(scripted, ("good", "v"), ("bad", "v"))
    generation = scripted.engine.keyspaces[0].space.generation
    scripted.store.columns[DATA][data_key(generation, b"bad")] = b"\x01"
    good = scripted.start("GET", "good")
    bad = scripted.start("GET", "bad", session=scripted.new_session())
    scripted.engine.turn()
    assert len(scripted.workers.waiting_loads) == 1, "they are in one batch"
    scripted.load()
    assert good == [b"v"]
    assert bad == [b"-IOERR a record of 1 bytes is too short to be one"]


def test_a_payload_that_is_lost_is_an_error_and_not_an_endless_wait(
    scripted: ScriptedEngine,
) -> None:
    # It was taken for a commit in between, and read again and again.
    on_disk(scripted, ("k", APART))
    scripted.store.columns[PAYLOADS].clear()
    reply = scripted.run("GET", "k")
    assert reply == b"-IOERR the value of b'k' should have 20000 bytes, the store has nothing"
    check_quiet(scripted.engine)


def test_an_error_of_a_load_that_was_overtaken_is_nobodys_error(
    scripted: ScriptedEngine,
) -> None:
    on_disk(scripted, ("k", APART))
    replies = scripted.start("GET", "k")
    scripted.engine.turn()
    payloads = dict(scripted.store.columns[PAYLOADS])
    scripted.store.columns[PAYLOADS].clear()
    scripted.workers.run_load()
    scripted.store.columns[PAYLOADS].update(payloads)
    held = scripted.workers.hold_results()
    scripted.run("SET", "k", "new", session=scripted.new_session())
    scripted.workers.give_back(held)
    scripted.engine.turn()
    assert replies == [b"new"]


# Looking ahead


def test_keys_of_requests_that_were_sent_ahead_are_loaded_with_the_first(
    scripted: ScriptedEngine,
) -> None:
    on_disk(scripted, *((f"k{n}", str(n)) for n in range(4)))
    replies = scripted.start("GET", "k0")
    scripted.engine.look_ahead(
        scripted.session, [[b"GET", b"k%d" % n] for n in range(1, 4)] + [[b"NONSENSE"], [b"GET"]]
    )
    scripted.load()
    assert replies == [b"0"]
    loads = scripted.engine.loader.loads
    for n in range(1, 4):
        assert scripted.start("GET", f"k{n}") == [str(n).encode()]
    assert scripted.engine.loader.loads == loads == 4


def test_the_use_that_a_key_was_loaded_for_is_no_hit_for_the_policy(
    scripted: ScriptedEngine,
) -> None:
    # The paper's S3-FIFO lets go of what is used once after it came; a load counted as a use.
    on_disk(scripted, ("k", "v"))
    assert scripted.run("GET", "k") == b"v"
    entry = scripted.engine.keyspaces[0].space.entries[b"k"]
    assert entry.frequency == 0
    assert scripted.run("GET", "k") == b"v"
    assert entry.frequency == 1
