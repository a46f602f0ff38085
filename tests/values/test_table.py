"""Tables: members in pages, whatever comes and goes."""

from __future__ import annotations

import random
from collections import Counter

import msgpack
import pytest

from dscache.values.table import CURSOR_END, PAGE_MOST, Table, hash_of


def _filled(count: int) -> Table:
    table = Table()
    for number in range(count):
        table.store(b"member%d" % number, True, 0)
    return table


def _check(table: Table, expected: dict[bytes, object]) -> None:
    assert table.count() == len(expected)
    assert sorted(table.members()) == sorted(expected)
    for page in table.pages():
        for member, thing in page.items():
            assert expected[member] == thing
            assert table.find(member) == thing


def _copied(table: Table, with_things: bool) -> Table:
    packer = msgpack.Packer(autoreset=False)
    table.pack_table(packer, with_things)
    copy = Table()
    copy.unpack_table(packer.bytes(), with_things)
    copy.charge_members()
    return copy


@pytest.mark.parametrize("seed", range(5))
def test_a_table_holds_what_a_dictionary_would(seed: int) -> None:
    source = random.Random(seed)
    table = Table()
    expected: dict[bytes, object] = {}
    empty_bytes = table.size_bytes()
    for most in (100, 3000, 0, 500, 0):
        while len(expected) != most:
            member = b"%d" % source.randrange(5000)
            grows = source.random() < (0.8 if len(expected) < most else 0.2)
            if not grows and expected and source.random() < 0.9:
                member = source.choice(list(expected))
            if grows:
                assert table.store(member, source.random() + 1, 0) == expected.get(member)
                thing = table.find(member)
                assert thing is not None
                expected[member] = thing
            else:
                assert table.discard(member, 0) == expected.pop(member, None)
        _check(table, expected)
        copy = _copied(table, with_things=True)
        _check(copy, expected)
        assert copy.members() == table.members()
        assert copy.size_bytes() == table.size_bytes()
    assert table.size_bytes() == empty_bytes
    assert table.pages() == [{}]


def test_small_tables_keep_the_order_in_which_members_came() -> None:
    table = _filled(PAGE_MOST)
    assert table.members() == [b"member%d" % number for number in range(PAGE_MOST)]
    assert _copied(table, with_things=False).members() == table.members()


def test_pages_stay_bounded() -> None:
    table = _filled(20_000)
    assert max(len(page) for page in table.pages()) <= PAGE_MOST
    assert len(table.pages()) < 20_000 / PAGE_MOST * 2
    for number in range(19_990):
        table.discard(b"member%d" % number, 0)
    assert len(table.pages()) == 1


@pytest.mark.parametrize("size", [100, 5000])
def test_a_scan_returns_everything_once_if_nothing_changes(size: int) -> None:
    table = _filled(size)
    seen: list[bytes] = []
    cursor, pages = 0, 0
    while pages == 0 or cursor:
        cursor, found = table.scan(cursor, 10, False)
        assert 0 < len(found) <= 12
        seen += found
        pages += 1
    assert sorted(seen) == sorted(table.members())
    assert [hash_of(member) for member in seen] == sorted(hash_of(member) for member in seen)


def test_a_small_table_is_scanned_at_once_if_redis_would_keep_it_packed() -> None:
    assert _filled(100).scan(0, 10, True) == (0, [b"member%d" % number for number in range(100)])


@pytest.mark.parametrize("seed", range(3))
def test_a_scan_misses_nothing_that_is_there_all_the_time(seed: int) -> None:
    source = random.Random(seed)
    table = _filled(2000)
    staying = {b"member%d" % number for number in range(0, 2000, 2)}
    seen: set[bytes] = set()
    cursor, started = 0, False
    while cursor or not started:
        started = True
        cursor, found = table.scan(cursor, 7, False)
        seen.update(found)
        for _ in range(20):
            number = source.randrange(1, 6000, 2)
            if source.random() < 0.5:
                table.store(b"member%d" % number, True, 0)
            else:
                table.discard(b"member%d" % number, 0)
    assert staying <= seen


def test_cursors_that_nobody_gave_end_the_scan_or_go_on() -> None:
    table = _filled(1000)
    assert table.scan(CURSOR_END, 10, False) == (0, [])
    assert table.scan(2**64, 10, False) == (0, [])
    assert table.scan(CURSOR_END - 1, 10, False)[0] == 0


def test_random_members_are_equally_likely() -> None:
    random.seed(1)
    table = _filled(600)
    counts = Counter(table.random_member() for _ in range(60_000))
    assert len(counts) == 600
    # 100 expected of each; six standard deviations are 60.
    assert min(counts.values()) > 40
    assert max(counts.values()) < 160


def test_what_no_table_has_written_is_refused() -> None:
    table = Table()
    with pytest.raises(ValueError, match="do not fill"):
        table.unpack_table(msgpack.packb([1, [b"a"], 2, [b"b"]]), with_things=False)
    with pytest.raises(ValueError, match="no directory"):
        Table().unpack_table(msgpack.packb([]), with_things=False)


@pytest.mark.parametrize("count", [0, 1, PAGE_MOST, 1000, 20_000])
def test_tables_are_compared_page_by_page_whatever_their_sizes(count: int) -> None:
    table = _filled(count)
    for other_count in (1, PAGE_MOST, 700, 3000, 25_000):
        other = Table()
        for number in range(other_count):
            other.store(b"member%d" % (number * 3), True, 0)
        both: list[bytes] = []
        only: list[bytes] = []
        for prefix, bits, members in table.parts():
            both.extend(other.among(members, prefix, bits, True))
            only.extend(other.among(members, prefix, bits, False))
        assert sorted(both) == sorted(set(table.members()) & set(other.members()))
        assert sorted(only) == sorted(set(table.members()) - set(other.members()))
