"""The linked queue: order, constant-time removal from anywhere, byte sums."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from dscache.cache.entry import Entry
from dscache.cache.queue import EntryQueue


def entry_of(number: int, size: int = 1) -> Entry:
    """An entry with a size of its own."""
    entry = Entry(b"%d" % number, b"v", 0)
    entry.size = size
    return entry


def drained(queue: EntryQueue) -> list[bytes]:
    """Take everything out, oldest first."""
    keys = []
    while (entry := queue.oldest()) is not None:
        queue.remove(entry)
        keys.append(entry.key)
    return keys


def test_an_empty_queue_has_no_oldest() -> None:
    assert EntryQueue().oldest() is None


def test_entries_leave_in_the_order_in_which_they_came() -> None:
    queue = EntryQueue()
    for number in range(5):
        queue.add(entry_of(number))
    assert drained(queue) == [b"0", b"1", b"2", b"3", b"4"]


def test_an_entry_that_left_keeps_no_neighbours_alive() -> None:
    queue = EntryQueue()
    entries = [entry_of(number) for number in range(3)]
    for entry in entries:
        queue.add(entry)
    queue.remove(entries[1])
    assert entries[1].older is None
    assert entries[1].newer is None
    assert queue.next_newer(entries[0]) is entries[2]
    assert queue.next_newer(entries[2]) is None


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9), st.integers(1, 100)), max_size=60))
def test_it_is_a_list_whatever_is_added_and_removed(
    steps: list[tuple[bool, int, int]],
) -> None:
    queue = EntryQueue()
    entries = [entry_of(number) for number in range(10)]
    model: list[Entry] = []
    for adds, number, size in steps:
        entry = entries[number]
        if adds and entry not in model:
            entry.size = size
            queue.add(entry)
            model.append(entry)
        elif not adds and entry in model:
            queue.remove(entry)
            model.remove(entry)
        assert queue.count == len(model)
        assert queue.size_bytes == sum(one.size for one in model)
        assert queue.oldest() is (model[0] if model else None)
    assert drained(queue) == [entry.key for entry in model]
    assert queue.size_bytes == 0
