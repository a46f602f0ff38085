"""LFU and random: sampling from a list out of which entries go lazily."""

from __future__ import annotations

from collections import Counter

from dscache.cache.entry import Entry
from dscache.cache.sampling import Lfu, Random


def entry_of(number: int) -> Entry:
    """An entry of size 1."""
    entry = Entry(b"%d" % number, b"v", 0)
    entry.size = 1
    return entry


def test_lfu_keeps_what_is_used_often() -> None:
    policy = Lfu(10, 0)
    entries = [entry_of(number) for number in range(200)]
    for entry in entries:
        policy.admit(entry)
    for entry in entries[:20]:
        for _ in range(200):
            policy.hit(entry)
    for _ in range(100):
        policy.victim()
    # A favourite goes only when all ten samples are favourites.
    assert sum(policy.holds(entry) for entry in entries[:20]) == 20


def test_lfu_counts_logarithmically() -> None:
    policy = Lfu(10, 0)
    entry = entry_of(1)
    policy.admit(entry)
    for _ in range(100):
        policy.hit(entry)
    after_100 = int(entry.frequency)
    for _ in range(100_000):
        policy.hit(entry)
    assert 5 < after_100 < 40
    assert after_100 < entry.frequency <= 255


def test_lfu_starts_new_entries_above_those_that_decayed() -> None:
    policy = Lfu(10, 1)
    entry = entry_of(1)
    policy.admit(entry)
    assert entry.frequency == 5
    policy.tick(1_000_000)
    for minute in range(1, 10):
        policy.tick(1_000_000 + minute * 60_000)
    assert entry.frequency == 0


def test_lfu_lets_every_counter_fall_by_one_each_decay_time() -> None:
    policy = Lfu(10, 1)
    policy.tick(0)
    entries = [entry_of(number) for number in range(50_000)]
    for entry in entries:
        policy.admit(entry)
    policy.tick(60_000)
    # A slice per tick, so that no tick takes long.
    assert any(entry.frequency == 5 for entry in entries)
    for tick in range(1, 10):
        policy.tick(60_000 + tick * 100)
    assert all(entry.frequency == 4 for entry in entries)


def test_lfu_does_not_decay_when_told_not_to() -> None:
    policy = Lfu(10, 0)
    entry = entry_of(1)
    policy.admit(entry)
    policy.tick(1_000_000)
    assert entry.frequency == 5


def test_random_evicts_each_with_about_equal_chance() -> None:
    gone: Counter[int] = Counter()
    for _ in range(3000):
        policy = Random()
        for number in range(10):
            policy.admit(entry_of(number))
        victim = policy.victim()
        assert victim is not None
        gone[int(victim.key)] += 1
    assert set(gone) == set(range(10))
    assert max(gone.values()) < 2 * min(gone.values())


def test_removed_entries_do_not_stay_in_the_list_for_ever() -> None:
    policy = Random()
    entries = [entry_of(number) for number in range(10_000)]
    for entry in entries:
        policy.admit(entry)
    for entry in entries[:9_000]:
        policy.remove(entry)
    # Less than half of the list may be entries that are gone.
    assert policy.overhead_bytes() <= 8 * 2_000
    assert all(policy.holds(entry) for entry in entries[9_000:])


def test_an_entry_that_comes_back_is_listed_once() -> None:
    policy = Random()
    entry = entry_of(1)
    for _ in range(100):
        policy.admit(entry)
        policy.remove(entry)
    policy.admit(entry)
    assert policy.overhead_bytes() == 8
    assert policy.victim() is entry
    assert policy.victim() is None
