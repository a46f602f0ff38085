"""The table of keys, beside a dictionary that is told the same."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from dscache.cache.entry import Entry
from dscache.cache.table import Table

KEYS = st.integers(0, 200).map(lambda number: b"k%d" % number)
LEAST = 16


def filled(count: int) -> Table:
    table = Table()
    for number in range(count):
        table.add(Entry(b"%d" % number, None, 0))
    return table


def buckets(table: Table) -> int:
    return len(table._buckets)


@given(st.lists(st.tuples(KEYS, st.booleans()), max_size=400))
def test_it_holds_what_was_added_and_not_removed(steps: list[tuple[bytes, bool]]) -> None:
    table = Table()
    model: dict[bytes, Entry] = {}
    for key, comes in steps:
        assert table.get(key) is model.get(key)
        if comes and key not in model:
            model[key] = Entry(key, None, 0)
            table.add(model[key])
        elif not comes and key in model:
            table.remove(model.pop(key))
        assert len(table) == len(model)
    assert sorted(table) == sorted(model)
    assert {entry.key: entry for entry in table.values()} == model
    for key, entry in model.items():
        assert table[key] is entry
        assert key in table


def test_every_key_is_found_at_every_size_on_the_way_up_and_down() -> None:
    table = Table()
    entries = [Entry(b"key:%d" % number, None, 0) for number in range(150)]
    for size, entry in enumerate(entries, 1):
        table.add(entry)
        assert all(table.get(one.key) is one for one in entries[:size])
    for left in reversed(range(len(entries))):
        table.remove(entries[left])
        assert all(table.get(one.key) is one for one in entries[:left])
        assert table.get(entries[left].key) is None


def test_it_grows_by_a_bucket_or_two_with_each_key() -> None:
    table = filled(1000)
    for number in range(1000, 5000):
        before = buckets(table)
        table.add(Entry(b"%d" % number, None, 0))
        assert before <= buckets(table) <= before + 2
        assert 4 * len(table) <= 3 * buckets(table)


def test_it_gives_back_the_memory_of_what_has_gone() -> None:
    table = filled(5000)
    entries = list(table.values())
    for entry in entries:
        before = buckets(table)
        table.remove(entry)
        assert before - 3 <= buckets(table) <= before
        assert buckets(table) <= max(8 * len(table) // 3, LEAST)
    assert buckets(table) == LEAST


def test_a_key_that_comes_and_goes_moves_nothing() -> None:
    table = filled(1000)
    before = buckets(table)
    for _ in range(10):
        entry = Entry(b"comes and goes", None, 0)
        table.add(entry)
        after = buckets(table)
        table.remove(entry)
        assert buckets(table) == after
    assert buckets(table) <= before + 2


def test_all_that_is_there_can_be_taken_out_one_by_one() -> None:
    table = filled(500)
    found = set()
    while (entry := table.pop()) is not None:
        found.add(entry.key)
        assert entry.chained is None
        assert entry.key not in table
    assert found == {b"%d" % number for number in range(500)}
    assert len(table) == 0


def test_what_is_not_there_is_not_found() -> None:
    table = filled(3)
    assert table.get(b"x") is None
    with pytest.raises(KeyError):
        table[b"x"]


def test_what_is_not_there_cannot_be_removed() -> None:
    table = filled(30)
    with pytest.raises(AssertionError):
        table.remove(Entry(b"x", None, 0))
    with pytest.raises(AssertionError):
        table.remove(Entry(b"3", None, 0))
    assert len(table) == 30
