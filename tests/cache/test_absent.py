"""The negative cache: what is known not to be on disk, and its bound."""

from __future__ import annotations

from dscache.cache.absent import ABSENT_SHARE, NegativeCache
from dscache.cache.entry import Entry
from manual_workers import ScriptedEngine
from residents import check_memory


def entry_of(number: int) -> Entry:
    """A key that is not there."""
    entry = Entry(b"%d" % number, None, 0)
    entry.size = 16
    return entry


def test_the_oldest_knowledge_goes_first_once_the_bound_is_exceeded() -> None:
    cache = NegativeCache()
    cache.limit_bytes = 48
    for number in range(5):
        cache.admit(entry_of(number))
    gone = []
    while (entry := cache.surplus()) is not None:
        gone.append(entry.key)
    assert gone == [b"0", b"1"]
    assert (cache.count, cache.size_bytes) == (3, 48)


def test_a_key_that_is_written_leaves() -> None:
    cache = NegativeCache()
    entry = entry_of(1)
    cache.admit(entry)
    cache.remove(entry)
    assert cache.count == 0
    assert cache.oldest() is None


def test_asking_again_for_a_key_that_does_not_exist_reads_nothing() -> None:
    scripted = ScriptedEngine()
    assert scripted.run("GET", "none") is None
    scripted.store.keys_read.clear()
    for _ in range(10):
        assert scripted.start("GET", "none") == [None]
        assert scripted.start("EXISTS", "none") == [0]
    assert not scripted.store.keys_read
    assert scripted.engine.residency.absent.count == 1


def test_a_deleted_key_becomes_known_absent_once_that_is_on_disk() -> None:
    scripted = ScriptedEngine()
    scripted.run("SET", "k", "v")
    scripted.run("DEL", "k")
    assert scripted.engine.residency.absent.count == 0
    scripted.save()
    assert scripted.engine.residency.absent.count == 1
    scripted.run("SET", "k", "v")
    assert scripted.engine.residency.absent.count == 0
    check_memory(scripted.engine)


def test_keys_that_do_not_exist_take_a_share_of_the_memory_only() -> None:
    scripted = ScriptedEngine()
    residency = scripted.engine.residency
    residency.set_limit(1_000_000)
    for number in range(10_000):
        scripted.run("GET", f"none{number}")
        residency.make_room()
    assert residency.absent.size_bytes <= 1_000_000 // ABSENT_SHARE
    assert residency.absent.count > 200
    check_memory(scripted.engine)


def test_they_go_altogether_when_values_that_must_stay_need_the_room() -> None:
    scripted = ScriptedEngine()
    for number in range(100):
        scripted.run("GET", f"none{number}")
    scripted.run("SET", "k", b"v" * 100_000)
    residency = scripted.engine.residency
    residency.limit_bytes = 100_000
    assert not residency.make_room()
    assert residency.absent.count == 0
