"""CACHE: what is in memory, and the barrier."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from driver import Driver
from dscache.engine.keyspace import KEEP_EXPIRY
from dscache.store.record import INLINE_PAYLOAD_BYTES


@pytest.fixture
def driver() -> Iterator[Driver]:
    """An engine."""
    driver = Driver()
    yield driver
    driver.close()


def test_resident_tells_what_is_in_memory_and_loads_nothing(driver: Driver) -> None:
    driver.run("SET", "a", "1")
    driver.run("SET", "b", "2")
    driver.evict_all()
    driver.run("GET", "a")
    loads = driver.engine.loader.loads
    assert driver.run("CACHE", "RESIDENT", "a", "b", "missing") == [1, 0, 0]
    assert driver.run("CACHE", "RESIDENT", "b") == [0]
    assert driver.engine.loader.loads == loads


def test_a_value_of_which_only_the_head_is_in_memory_is_not_resident(driver: Driver) -> None:
    big = b"x" * (INLINE_PAYLOAD_BYTES + 1)
    driver.run("SET", "big", big)
    driver.evict_all()
    driver.run("WATCH", "big")
    assert driver.run("CACHE", "RESIDENT", "big") == [0]
    assert driver.run("CACHE", "EVICT", "big") == 0
    assert driver.run("CACHE", "PRELOAD", "big") == 1
    assert driver.run("CACHE", "RESIDENT", "big") == [1]
    assert driver.run("GET", "big") == big


def test_preload_brings_keys_into_memory_with_one_wait(driver: Driver) -> None:
    for number in range(50):
        driver.run("SET", f"key:{number}", number)
    driver.evict_all()
    names = [f"key:{number}" for number in range(50)]
    assert driver.run("CACHE", "PRELOAD", *names, "missing") == 50
    assert driver.engine.core.stats.cache_faults == 0
    assert driver.run("CACHE", "RESIDENT", *names) == [1] * 50
    loads = driver.engine.loader.loads
    assert [driver.run("GET", name) for name in names] == [b"%d" % n for n in range(50)]
    assert driver.engine.loader.loads == loads


def test_preload_answers_at_once_for_what_is_there(driver: Driver) -> None:
    driver.run("SET", "a", "1")
    assert driver.start("CACHE", "PRELOAD", "a") == [1]


def test_preload_works_in_a_transaction(driver: Driver) -> None:
    driver.run("SET", "a", "1")
    driver.evict_all()
    driver.run("MULTI")
    driver.run("CACHE", "PRELOAD", "a")
    assert driver.run("EXEC") == [1]
    assert driver.engine.loader.blocking_loads == 0


def test_evict_lets_clean_keys_leave(driver: Driver) -> None:
    driver.run("SET", "a", "1")
    driver.run("SET", "b", "2")
    driver.flush()
    assert driver.run("CACHE", "EVICT", "a", "missing", "a") == 1
    assert driver.run("CACHE", "RESIDENT", "a", "b") == [0, 1]
    assert driver.run("GET", "a") == b"1"


def test_evict_leaves_keys_alone_that_are_not_on_disk_yet(driver: Driver) -> None:
    driver.run("SET", "a", "old")
    driver.flush()
    driver.run("SET", "a", "new")
    assert driver.run("CACHE", "EVICT", "a") == 0
    assert driver.run("GET", "a") == b"new"


def test_evict_forgets_what_is_known_of_absent_keys_without_counting_it(driver: Driver) -> None:
    driver.run("GET", "missing")
    assert driver.run("CACHE", "EVICT", "missing") == 0
    assert not driver.engine.keyspaces[0].space.entries


def test_evicted_keys_keep_their_due_time(driver: Driver) -> None:
    driver.engine.keyspaces[0].put(b"key", b"value", 1_700_000_010_000, b"set")
    driver.run("CACHE", "FLUSH")
    assert driver.run("CACHE", "EVICT", "key") == 1
    driver.run("CACHE", "PRELOAD", "key")
    assert driver.engine.keyspaces[0].expiry_of(b"key") == 1_700_000_010_000
    driver.advance(10.0)
    assert driver.run("CACHE", "PRELOAD", "key") == 0
    assert KEEP_EXPIRY == -1


def test_flush_answers_when_everything_is_on_disk(driver: Driver) -> None:
    driver.run("SET", "a", "1")
    replies = driver.start("CACHE", "FLUSH")
    assert replies == []
    assert driver.session.wait is not None
    assert driver.session.wait.reason == "flush"
    driver.turn_until(lambda: bool(replies))
    assert driver.engine.flusher.last_committed == driver.engine.flusher.last_cut == 1
    assert not driver.engine.flusher.has_dirty


def test_flush_covers_what_was_written_while_an_epoch_was_being_saved(driver: Driver) -> None:
    driver.run("SET", "a", "1")
    first = driver.start("CACHE", "FLUSH")
    other = driver.new_session()
    driver.run("SET", "b", "2", session=other)
    second = driver.start("CACHE", "FLUSH", session=other)
    driver.turn_until(lambda: bool(first and second))
    assert not driver.engine.flusher.has_dirty
    assert driver.engine.flusher.last_committed == 2


def test_flush_answers_though_there_is_nothing_to_flush(driver: Driver) -> None:
    assert driver.run("CACHE", "FLUSH") == b"OK"
    driver.run("SET", "a", "1")
    assert driver.run("CACHE", "FLUSH") == b"OK"
    # The epoch is on disk, though perhaps its entries are not clean yet.
    assert driver.run("CACHE", "FLUSH") == b"OK"
    driver.flush()
    assert driver.run("CACHE", "FLUSH") == b"OK"


def test_flush_cannot_be_part_of_a_transaction(driver: Driver) -> None:
    driver.run("MULTI")
    assert driver.run("CACHE", "FLUSH") == b"-ERR Command not allowed inside a transaction"


def test_help_names_every_subcommand(driver: Driver) -> None:
    lines = driver.run("CACHE", "HELP")
    assert isinstance(lines, list)
    texts = [line.text.decode() for line in lines]
    for name in ("EVICT key [key ...]", "PRELOAD key [key ...]", "RESIDENT key [key ...]", "FLUSH"):
        assert name in texts
