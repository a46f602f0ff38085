"""Eviction policies: what each promises, and that none ever loses or repeats an entry."""

from __future__ import annotations

from collections.abc import Iterable

import hypothesis.strategies as st
import pytest
from hypothesis import given

from dscache.cache.entry import CLEAN, EVEN, Entry
from dscache.cache.policy import Ghosts, Lru, Policy, S3Fifo, Sieve
from dscache.cache.residency import POLICIES, make_policy

LIMIT = 1 << 20


def entry_of(number: int, size: int = 16) -> Entry:
    """An entry with a size of its own."""
    entry = Entry(b"%d" % number, b"v", 0)
    entry.size = size
    return entry


def admitted(policy: Policy, numbers: Iterable[int], size: int = 16) -> list[Entry]:
    """New entries, admitted in order."""
    entries = [entry_of(number, size) for number in numbers]
    for entry in entries:
        policy.admit(entry)
    return entries


def victims(policy: Policy, count: int) -> list[int]:
    """The numbers of the next ``count`` victims."""
    found = []
    for _ in range(count):
        entry = policy.victim()
        assert entry is not None
        found.append(int(entry.key))
    return found


# All of them


@pytest.mark.parametrize("name", POLICIES)
def test_an_empty_policy_has_no_victim(name: str) -> None:
    assert make_policy(name, LIMIT, 10, 1).victim() is None


@pytest.mark.parametrize("name", POLICIES)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["admit", "remove", "hit", "change", "save", "victim", "tick"]),
            st.integers(0, 14),
        ),
        max_size=80,
    )
)
def test_no_entry_is_lost_or_evicted_twice(name: str, steps: list[tuple[str, int]]) -> None:
    policy = make_policy(name, LIMIT, 10, 1)
    entries = [entry_of(number, number + 1) for number in range(15)]
    held: set[int] = set()
    now_ms = 0
    for what, number in steps:
        entry = entries[number]
        if what == "admit" and number not in held and entry.state == CLEAN:
            policy.admit(entry)
            held.add(number)
        elif what == "change":
            entry.state = EVEN
            entry.size += 16
            if number in held:
                policy.grown(entry, 16)
        elif what == "save" and entry.state != CLEAN:
            entry.state = CLEAN
            if number not in held:
                policy.admit(entry)
                held.add(number)
        elif what == "remove" and number in held:
            policy.remove(entry)
            held.remove(number)
        elif what == "hit":
            policy.hit(entry)
        elif what == "tick":
            now_ms += 60_000
            policy.tick(now_ms)
        elif what == "victim":
            victim = policy.victim()
            clean = {one for one in held if entries[one].state == CLEAN}
            if not clean:
                assert victim is None
            else:
                assert victim is not None
                gone = int(victim.key)
                assert gone in clean
                held.remove(gone)
                # What was evicted and is loaded again is another entry.
                entries[gone] = entry_of(gone, gone + 1)
            # It may have met some that are dirty, and taken them out.
            held -= {one for one in held - clean if not policy.holds(entries[one])}
        for one in range(15):
            assert policy.holds(entries[one]) == (one in held)
    clean = {one for one in held if entries[one].state == CLEAN}
    assert sorted(victims(policy, len(clean))) == sorted(clean)
    assert policy.victim() is None
    assert not any(policy.holds(entry) for entry in entries), "what is dirty is taken out"


@pytest.mark.parametrize("name", ["s3fifo", "sieve", "lru"])
def test_what_is_written_and_saved_in_time_keeps_its_place(name: str) -> None:
    policy = make_policy(name, LIMIT, 10, 1)
    entries = admitted(policy, range(5))
    entries[1].state = EVEN
    assert victims(policy, 1) == [0]
    entries[1].state = CLEAN
    assert victims(policy, 2) == [1, 2]


@pytest.mark.parametrize("name", POLICIES)
def test_what_is_dirty_when_its_turn_comes_is_passed_over_until_it_is_clean(name: str) -> None:
    policy = make_policy(name, LIMIT, 10, 1)
    entries = admitted(policy, range(5))
    for entry in entries[:3]:
        entry.state = EVEN
    assert sorted(victims(policy, 2)) == [3, 4]
    assert policy.victim() is None
    entries[1].state = CLEAN
    policy.admit(entries[1])
    assert victims(policy, 1) == [1]


# LRU


def test_lru_evicts_what_was_used_longest_ago() -> None:
    policy = Lru()
    entries = admitted(policy, range(5))
    policy.hit(entries[0])
    policy.hit(entries[2])
    assert victims(policy, 5) == [1, 3, 4, 0, 2]


def test_lru_ignores_hits_of_entries_that_it_does_not_hold() -> None:
    policy = Lru()
    entries = admitted(policy, range(3))
    policy.remove(entries[0])
    policy.hit(entries[0])
    assert victims(policy, 2) == [1, 2]
    assert policy.victim() is None


@given(st.lists(st.integers(0, 9), max_size=80))
def test_lru_is_exact(uses: list[int]) -> None:
    policy = Lru()
    entries = admitted(policy, range(10))
    order = list(range(10))
    for number in uses:
        policy.hit(entries[number])
        order.remove(number)
        order.append(number)
    assert victims(policy, 10) == order


# SIEVE


def test_sieve_passes_over_what_was_used_and_forgets_that_it_was() -> None:
    policy = Sieve()
    entries = admitted(policy, range(4))
    policy.hit(entries[0])
    policy.hit(entries[1])
    assert victims(policy, 1) == [2]
    # The hand goes on from where it was; 0 and 1 have had their second chance.
    assert victims(policy, 3) == [3, 0, 1]


def test_sieve_keeps_its_hand_when_new_entries_come() -> None:
    policy = Sieve()
    entries = admitted(policy, range(4))
    policy.hit(entries[0])
    assert victims(policy, 1) == [1]
    admitted(policy, [4, 5])
    # Unlike CLOCK, the survivor 0 stays behind the hand, and new ones are ahead of it.
    assert victims(policy, 4) == [2, 3, 4, 5]
    assert victims(policy, 1) == [0]


def test_sieve_moves_its_hand_off_an_entry_that_is_removed() -> None:
    policy = Sieve()
    entries = admitted(policy, range(5))
    assert victims(policy, 2) == [0, 1]
    policy.remove(entries[2])
    assert victims(policy, 2) == [3, 4]


def test_sieve_finds_a_victim_though_all_were_used() -> None:
    policy = Sieve()
    for entry in admitted(policy, range(3)):
        policy.hit(entry)
    assert victims(policy, 3) == [0, 1, 2]


# S3-FIFO


def filled(policy: S3Fifo, main: int, small: int) -> tuple[list[Entry], list[Entry]]:
    """Entries in the main queue and in the small one, of size 1."""
    loved = admitted(policy, range(main))
    for entry in loved:
        policy.hit(entry)
        policy.hit(entry)
    # While the small queue is too large, all of it that was used goes to main.
    others = admitted(policy, range(5000, 5000 + main))
    assert victims(policy, 1) == [5000]
    for entry in others[1:]:
        policy.remove(entry)
    return loved, admitted(policy, range(1000, 1000 + small))


def test_s3fifo_lets_what_is_used_once_pass_through_the_small_queue() -> None:
    policy = S3Fifo(LIMIT)
    loved, _ = filled(policy, 90, 10)
    # A scan of a thousand keys, each used once.
    for number in range(2000, 3000):
        admitted(policy, [number])
        assert victims(policy, 1)[0] >= 1000
    assert all(policy.holds(entry) for entry in loved)


def test_s3fifo_moves_what_was_used_twice_to_main() -> None:
    policy = S3Fifo(LIMIT)
    _, waiting = filled(policy, 80, 10)
    for _ in range(2):
        policy.hit(waiting[0])
    policy.hit(waiting[1])
    assert victims(policy, 1) == [1001]
    # It is the newest of main now.
    order = victims(policy, 89)
    assert order.index(1000) > order.index(79)


def test_s3fifo_takes_a_ghost_straight_to_main() -> None:
    policy = S3Fifo(LIMIT)
    filled(policy, 80, 10)
    assert victims(policy, 1) == [1000]
    (back,) = admitted(policy, [1000])
    # The rest of small, all of it used less, goes first.
    for number in range(3000, 3100):
        admitted(policy, [number])
        assert victims(policy, 1) != [1000]
    assert policy.holds(back)


def test_s3fifo_remembers_a_ghost_only_as_long_as_the_cache_would_have_held_it() -> None:
    ghosts = Ghosts(1024)
    ghosts.add(b"old")
    for number in range(10):
        ghosts.add(b"%d" % number)
    assert not ghosts.take(b"old", 10)
    ghosts.add(b"new")
    ghosts.add(b"newer")
    assert ghosts.take(b"new", 10)
    assert not ghosts.take(b"new", 10), "a ghost comes back once"


def test_s3fifo_gives_the_small_queue_a_tenth_of_the_bytes_not_of_the_keys() -> None:
    policy = S3Fifo(LIMIT)
    filled(policy, 50, 0)
    # One entry as large as half of main is far more than a tenth: it goes before main shrinks.
    admitted(policy, [7777], size=25 * 16)
    assert victims(policy, 1) == [7777]


def test_s3fifo_notices_when_what_it_holds_grows() -> None:
    policy = S3Fifo(LIMIT)
    loved, (waiting,) = filled(policy, 50, 1)
    # More than a tenth: the small queue gives first.
    waiting.size += 25 * 16
    policy.grown(waiting, 25 * 16)
    assert victims(policy, 1) == [1000]
    (waiting,) = admitted(policy, [1001])
    loved[0].size += 1000 * 16
    policy.grown(loved[0], 1000 * 16)
    # It has become less than a tenth.
    assert victims(policy, 1) == [0]


def test_s3fifo_gives_main_entries_as_many_rounds_as_they_had_hits() -> None:
    policy = S3Fifo(LIMIT)
    loved, _ = filled(policy, 3, 0)
    policy.hit(loved[0])
    policy.hit(loved[0])
    policy.hit(loved[1])
    assert victims(policy, 3) == [2, 1, 0]


def test_s3fifo_returns_an_entry_that_was_away_to_be_saved_to_its_queue() -> None:
    policy = S3Fifo(LIMIT)
    loved, waiting = filled(policy, 80, 10)
    for entry in (loved[0], waiting[0]):
        policy.remove(entry)
        policy.admit(entry)
    for number in range(4000, 4050):
        admitted(policy, [number])
        assert victims(policy, 1) != [0]
    assert policy.holds(loved[0])
    assert not policy.holds(waiting[0])


def test_s3fifo_keeps_its_ghosts_when_the_limit_moves_to_and_fro() -> None:
    # Once it has seen both sides of a power of two, it stays.
    policy = S3Fifo(LIMIT + 1000)
    filled(policy, 80, 10)
    assert victims(policy, 1) == [1000]
    for limit in (LIMIT - 1000, LIMIT + 1000, LIMIT // 2, LIMIT):
        policy.resize(limit)
    (back,) = admitted(policy, [1000])
    for number in range(3000, 3050):
        admitted(policy, [number])
        policy.victim()
    assert policy.holds(back)


def test_s3fifo_charges_for_its_ghosts() -> None:
    small, large = S3Fifo(LIMIT), S3Fifo(1 << 30)
    assert 0 < small.overhead_bytes() < large.overhead_bytes() <= (1 << 30) // 16
