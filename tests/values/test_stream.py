"""Streams as values: entries in nodes, what is pending, sizes and payloads."""

from __future__ import annotations

import random
from bisect import bisect_left, insort

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dscache.values.stream import Stream, decode_stream
from dscache.values.stream_groups import UNKNOWN
from dscache.values.stream_id import MAX_ID, MAX_SEQ, id_of, parse_id, text_of_id
from dscache.values.stream_node import NODE_MOST_BYTES, Node
from dscache.values.stream_pending import PAGE_MOST, Meter, PendingTable
from dscache.values.stream_radix import radix_nodes

Pairs = list[bytes]
NODE = 10


class Model:
    """What a stream is: pairs by ID, in order."""

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.pairs: dict[int, Pairs] = {}

    def range(self, first: int, last: int, most: int, backwards: bool) -> list[tuple[int, Pairs]]:
        found = [number for number in self.ids if first <= number <= last]
        if backwards:
            found.reverse()
        return [(number, self.pairs[number]) for number in found[: most or None]]


def _range(
    stream: Stream, first: int = 0, last: int = MAX_ID, most: int = 0, backwards: bool = False
) -> list[tuple[int, Pairs]]:
    return [(one.number, one.pairs()) for one in stream.range(first, last, most, backwards)]


def _filled(count: int, node_entries: int = NODE) -> Stream:
    stream = Stream()
    for number in range(1, count + 1):
        stream.add(id_of(number, 0), [b"field", b"%d" % number], node_entries)
    return stream


def _closed_size(stream: Stream) -> int:
    """Its size when no node is open."""
    return decode_stream(stream.encode()).size_bytes()


def _check(stream: Stream, model: Model) -> None:
    assert _range(stream) == model.range(0, MAX_ID, 0, False)
    assert _range(stream, backwards=True) == model.range(0, MAX_ID, 0, True)
    assert stream.count() == len(model.ids)
    assert stream.first_id() == (model.ids[0] if model.ids else 0)
    assert stream.top_id() == (model.ids[-1] if model.ids else 0)


def _pairs(source: random.Random) -> Pairs:
    if source.random() < 0.7:
        return [b"field", b"%d" % source.randrange(10**6)]
    count = source.randrange(1, 4)
    return [b"x" * source.choice([0, 1, 5, 100, 900]) for _ in range(2 * count)]


@pytest.mark.parametrize("seed", range(6))
def test_a_stream_is_what_a_sorted_dictionary_would_be(seed: int) -> None:
    source = random.Random(seed)
    stream = Stream()
    model = Model()
    empty_bytes = stream.size_bytes()
    for _ in range(1500):
        action = source.random()
        some = source.choice(model.ids) if model.ids and source.random() < 0.8 else id_of(7, 7)
        if action < 0.6:
            number = stream.next_id(source.randrange(1, 1000))
            model.ids.append(number)
            model.pairs[number] = _pairs(source)
            stream.add(number, model.pairs[number], NODE)
        elif action < 0.8:
            assert stream.delete(some) == (some in model.ids)
            if some in model.ids:
                model.ids.remove(some)
        elif action < 0.85:
            length, least = source.choice([(source.randrange(100), MAX_ID + 1), (0, some)])
            trimmed = stream.trim(length, least, False, 0)
            expected = min(max(len(model.ids) - length, 0), bisect_left(model.ids, least))
            assert trimmed == expected
            del model.ids[:expected]
        elif action < 0.87:
            stream = decode_stream(stream.encode())
        elif action < 0.88:
            stream = stream.copy()
        else:
            first, last = sorted([some, source.choice([0, MAX_ID, stream.last_id])])
            most, backwards = source.choice([0, 1, 3, 25]), source.random() < 0.5
            expected_range = model.range(first, last, most, backwards)
            assert _range(stream, first, last, most, backwards) == expected_range
            entry = stream.finder().find(some)
            assert (None if entry is None else entry.pairs()) == (
                model.pairs[some] if some in model.ids else None
            )
    _check(stream, model)
    stream.trim(0, MAX_ID + 1, False, 0)
    assert stream.size_bytes() == empty_bytes
    assert stream.count() == 0


def test_decoding_gives_the_same_again() -> None:
    stream = _filled(95)
    for number in (3, 4, 50, 95):
        assert stream.delete(id_of(number, 0))
    stream.add_group(b"group", id_of(5, 0), 3)
    group = stream.group(b"group")
    assert group is not None
    alice = group.add_consumer(b"alice", 1000)
    group.add_consumer(b"bob", 2000)
    stream.deliver(group, alice, 20, True, 3000)
    stream.add_group(b"other", 0, UNKNOWN)
    copy = decode_stream(stream.encode())
    for twin in (copy, stream.copy()):
        assert twin.encode() == stream.encode()
        assert _range(twin) == _range(stream)
        assert twin.last_id == stream.last_id
        assert twin.max_deleted_id == id_of(95, 0)
        assert twin.entries_added == 95
        assert twin.node_count() == stream.node_count()
        assert [one.name for one in twin.groups()] == [b"group", b"other"]
        same = twin.group(b"group")
        assert same is not None
        assert (same.last_id, same.entries_read) == (group.last_id, group.entries_read)
        assert [one.number for one in same.range(0, MAX_ID, 0)] == [
            one.number for one in group.range(0, MAX_ID, 0)
        ]
        assert [
            (one.name, one.seen_ms, one.active_ms, one.pending_count()) for one in same.consumers()
        ] == [(b"alice", 1000, 3000, 20), (b"bob", 2000, -1, 0)]
        assert twin.lag(same) == stream.lag(group)


def test_a_copy_is_independent() -> None:
    stream = _filled(25)
    stream.add_group(b"group", 0, 0)
    before = stream.encode()
    copy = stream.copy()
    group = copy.group(b"group")
    assert group is not None
    copy.deliver(group, group.add_consumer(b"alice", 1), 0, True, 1)
    copy.delete(id_of(12, 0))
    copy.add(id_of(30, 0), [b"a", b"b"], NODE)
    assert stream.encode() == before


def test_payloads_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="a stream of 4 parts"):
        decode_stream(b"\x94")


def test_closed_nodes_take_little_more_than_what_is_in_them() -> None:
    stream = _filled(10_000, 100)
    assert _closed_size(stream) <= stream.size_bytes() < _closed_size(stream) + 2 * 100 * 300
    assert stream.size_bytes() < 10_000 * 24


def test_sizes_return_to_what_they_were() -> None:
    stream = _filled(55)
    closed = _closed_size(stream)
    stream.add_group(b"group", 0, 0)
    group = stream.group(b"group")
    assert group is not None
    names = [b"consumer%d" % number for number in range(5)]
    for name in names:
        stream.deliver(group, group.add_consumer(name, 1), 7, True, 1)
    with_groups = stream.size_bytes()
    assert _closed_size(stream) > closed
    for one in group.range(0, MAX_ID, 0):
        group.assign(one.number, group.consumers()[0], 2, 2)
    for one in group.range(0, MAX_ID, 0):
        assert group.release(one.number)
    assert stream.size_bytes() < with_groups
    for name in names:
        consumer = group.consumer(name)
        assert consumer is not None
        group.remove_consumer(consumer)
    stream.remove_group(group)
    assert _closed_size(stream) == closed


# Nodes


def test_a_node_takes_so_many_entries() -> None:
    assert [_filled(count, 10).node_count() for count in (1, 10, 11, 20, 21)] == [1, 1, 2, 2, 3]


def test_without_a_limit_a_node_takes_what_redis_puts_into_4096_bytes() -> None:
    stream = Stream()
    while stream.node_count() < 2:
        stream.add(stream.next_id(1), [b"f", b"v" * 100], 0)
    # Per entry: flags 2, ID 4, value 103 and the number of elements 2 bytes.
    assert stream.count() == pytest.approx(NODE_MOST_BYTES / 111, abs=2)
    stream.add(stream.next_id(1), [b"f", b"v" * 10_000], 0)
    stream.add(stream.next_id(1), [b"f", b"v"], 0)
    assert stream.node_count() == 4


@pytest.mark.parametrize("step", [1, 300, 70_000, 2**33])
def test_a_single_entry_is_found_and_removed_in_any_node(step: int) -> None:
    """Whatever width the numbers of a node need, and whichever fields its entries have."""
    stream = Stream()
    numbers = [id_of(1 + place * step, place % 3 * step) for place in range(40)]
    pairs = {number: [b"f", b"x" * ((number >> 64) % 400)] for number in numbers}
    pairs[numbers[12]] = [b"other", b"1", b"fields", b""]
    for number in numbers:
        stream.add(number, pairs[number], 20)
    stream = decode_stream(stream.encode())
    for number in numbers[1:30:2]:
        assert stream.delete(number)
        assert not stream.delete(number)
    stream.add(id_of(2**63, MAX_SEQ), [b"f", b"last"], 20)
    for twin in (stream, stream.copy(), decode_stream(stream.encode())):
        finder = twin.finder()
        for place, number in enumerate(numbers):
            entry = finder.find(number)
            if place < 30 and place % 2 == 1:
                assert entry is None
            else:
                assert entry is not None
                assert (entry.number, entry.pairs()) == (number, pairs[number])
                assert _range(twin, number, number) == [(number, pairs[number])]
        assert finder.find(id_of(2**63, MAX_SEQ)) is not None
        assert twin.encode() == stream.encode()


def test_nodes_that_early_builds_packed_are_read() -> None:
    ids = [0, 0, 7, 3, 400, 0]
    rows = [[b"1", b"2"], [b"3"], [b"4", b"5"]]
    packed = msgpack.packb([[b"a", b"b"], ids, rows, {1: [b"c"]}])
    node = Node(id_of(1000, 0))
    node.count = 3
    node.last_id = id_of(1400, 0)
    node.take(packed)
    entries = node.between(0, MAX_ID, 0, False)
    assert [(text_of_id(one.number), one.pairs()) for one in entries] == [
        (b"1000-0", [b"a", b"1", b"b", b"2"]),
        (b"1007-3", [b"c", b"3"]),
        (b"1400-0", [b"a", b"4", b"b", b"5"]),
    ]


def test_deleted_entries_count_for_what_a_node_takes() -> None:
    stream = _filled(9)
    for number in range(1, 9):
        stream.delete(id_of(number, 0))
    for number in (10, 11):
        stream.add(id_of(number, 0), [b"a", b"b"], NODE)
    assert stream.node_count() == 2
    assert stream.count() == 3


def test_trimming_approximately_removes_whole_nodes() -> None:
    stream = _filled(95)
    assert stream.trim(90, MAX_ID + 1, True, 0) == 0
    assert stream.trim(76, MAX_ID + 1, True, 0) == 10
    assert stream.trim(30, MAX_ID + 1, True, 25) == 20
    assert stream.trim(0, id_of(60, 0), True, 0) == 20
    assert stream.first_id() == id_of(51, 0)
    assert stream.trim(0, id_of(60, 1), True, 0) == 10
    assert stream.count() == 35


def test_a_node_goes_by_the_last_entry_that_it_ever_had() -> None:
    stream = _filled(20)
    stream.delete(id_of(10, 0))
    # Nothing below 10-0 is left to wait for, but Redis still finds 10-0 in its node.
    assert stream.trim(0, id_of(10, 0), True, 0) == 0
    assert stream.trim(0, id_of(10, 0), False, 0) == 9
    assert stream.first_id() == id_of(11, 0)


def test_trimming_to_a_length_over_and_over_removes_the_first() -> None:
    stream = _filled(100)
    for number in range(101, 160):
        stream.add(id_of(number, 0), [b"field", b"%d" % number], NODE)
        assert stream.trim(100, MAX_ID + 1, False, 0) == 1
        assert stream.first_id() == id_of(number - 99, 0)
    assert _closed_size(stream) <= stream.size_bytes() < _closed_size(stream) + 2 * NODE * 300


@pytest.mark.parametrize(
    ("numbers", "nodes"),
    [
        ([], 1),
        ([id_of(1, 0)], 2),
        # A run of 7 bytes, the branch, and for each key a run and its end.
        ([id_of(1, 0), id_of(2, 0)], 1 + 1 + 2 * 2),
        ([id_of(1, 0), id_of(1, 1)], 1 + 1 + 2),
        ([id_of(1, 0), id_of(1, 1), id_of(2, 0)], 1 + 1 + (1 + 1 + 2) + 2),
        ([0, MAX_ID], 1 + 2 * 2),
    ],
)
def test_the_nodes_of_redis_radix_tree_are_counted(numbers: list[int], nodes: int) -> None:
    assert radix_nodes(numbers) == nodes


# IDs


def test_ids_are_read_as_redis_reads_them() -> None:
    assert parse_id(b"5-7", 0) == id_of(5, 7)
    assert parse_id(b"5", 9) == id_of(5, 9)
    assert parse_id(b"18446744073709551615-18446744073709551615", 0) == MAX_ID
    assert parse_id(b"007-+1", 0) == id_of(7, 1)
    for text in (b"", b"-", b"+", b"5-", b"-5", b"5-x", b"5-6-7", b"18446744073709551616", b"0x1"):
        assert parse_id(text, 0) is None
    assert parse_id(b"0" * 128, 0) is None
    assert text_of_id(MAX_ID) == b"18446744073709551615-18446744073709551615"


def test_the_next_id_never_goes_back() -> None:
    stream = Stream()
    assert stream.next_id(5) == id_of(5, 0)
    stream.last_id = id_of(7, MAX_SEQ)
    assert stream.next_id(5) == id_of(8, 0)
    assert stream.next_id(9) == id_of(9, 0)


# What is pending


@pytest.mark.parametrize("seed", range(4))
def test_a_pending_table_is_what_a_sorted_dictionary_would_be(seed: int) -> None:
    source = random.Random(seed)
    meter = Meter()
    table = PendingTable(meter, 2)
    empty_bytes = int(meter.used)
    expected: dict[int, list[int]] = {}
    numbers: list[int] = []
    for most in (50, 2000, 700, 3000, 0):
        while len(expected) != most:
            number = id_of(source.choice([1, 2, 3, MAX_SEQ]), source.randrange(4000))
            grows = source.random() < (0.8 if len(expected) < most else 0.2)
            if grows:
                row = [source.randrange(2**63), source.randrange(5)]
                assert table.put(number, row) == (number not in expected)
                if number not in expected:
                    insort(numbers, number)
                expected[number] = row
            else:
                if expected and source.random() < 0.8:
                    number = source.choice(numbers)
                assert table.remove(number) == (number in expected)
                if expected.pop(number, None) is not None:
                    numbers.remove(number)
        assert table.count() == len(expected)
        assert table.size_bytes() == int(meter.used)
        assert table.rows(0, MAX_ID, 0) == [[number, *expected[number]] for number in numbers]
        for number in source.sample(numbers, min(50, len(numbers))):
            assert table.has(number)
            assert table.row(number) == expected[number]
            after = numbers[bisect_left(numbers, number) :]
            assert [row[0] for row in table.rows(number, after[-1] - 1, 7)] == after[:-1][:7]
        if numbers:
            assert (table.first_id(), table.last_id()) == (numbers[0], numbers[-1])
        copy = table.copy(Meter())
        assert copy.rows(0, MAX_ID, 0) == table.rows(0, MAX_ID, 0)
        assert copy.size_bytes() == table.size_bytes()
    assert meter.used == empty_bytes


def test_what_comes_in_order_leaves_full_pages() -> None:
    table = PendingTable(Meter(), 0)
    for number in range(10 * PAGE_MOST):
        table.put(id_of(number, 0), [])
    assert [len(page) for page in table.pages()] == [16 * PAGE_MOST] * 10
    for number in range(0, 10 * PAGE_MOST, 2):
        table.remove(id_of(number, 0))
    for number in range(1, 10 * PAGE_MOST, 4):
        table.remove(id_of(number, 0))
    assert len(table.pages()) <= 10
    for number in range(3, 9 * PAGE_MOST, 4):
        table.remove(id_of(number, 0))
    assert len(table.pages()) == 1


def test_pages_that_are_none_are_refused() -> None:
    for page in (b"", b"x", b"x" * 17):
        with pytest.raises(ValueError, match="columns"):
            PendingTable(Meter(), 0).take([page])


@given(
    st.lists(st.tuples(st.integers(1, 30), st.integers(0, 2), st.booleans()), max_size=60),
)
def test_a_group_and_its_consumers_agree(steps: list[tuple[int, int, bool]]) -> None:
    stream = Stream()
    stream.add_group(b"group", 0, 0)
    group = stream.group(b"group")
    assert group is not None
    consumers = [group.add_consumer(b"%d" % number, 0) for number in range(3)]
    owners: dict[int, int] = {}
    for number, owner, releases in steps:
        if releases:
            assert group.release(id_of(number, 0)) == (number in owners)
            owners.pop(number, None)
        else:
            group.assign(id_of(number, 0), consumers[owner], 5, 1)
            owners[number] = owner
    assert group.pending_count() == len(owners)
    for owner, consumer in enumerate(consumers):
        expected = sorted(number for number, its in owners.items() if its == owner)
        found = group.range_of(consumer, 0, MAX_ID, 0)
        assert [one.number for one in found] == [id_of(number, 0) for number in expected]
        assert all(one.consumer is consumer for one in found)
        assert consumer.pending_count() == len(expected)
    group.remove_consumer(consumers[0])
    assert group.pending_count() == sum(owner != 0 for owner in owners.values())


# How far groups have read


def test_the_lag_is_what_is_left_to_read() -> None:
    stream = _filled(10)
    stream.add_group(b"group", 0, 0)
    group = stream.group(b"group")
    assert group is not None
    consumer = group.add_consumer(b"alice", 0)
    assert stream.lag(group) == 10
    stream.deliver(group, consumer, 4, False, 0)
    assert (group.entries_read, stream.lag(group)) == (4, 6)
    stream.delete(id_of(7, 0))
    assert stream.lag(group) is None
    stream.deliver(group, consumer, 4, False, 0)
    assert (group.last_id, group.entries_read) == (id_of(9, 0), UNKNOWN)
    stream.deliver(group, consumer, 1, False, 0)
    assert (group.entries_read, stream.lag(group)) == (10, 0)


def test_a_group_that_begins_anywhere_learns_its_place_at_the_ends() -> None:
    stream = _filled(10)
    for last_id, lag in ((0, 10), (1, 9), (5, None), (10, 0), (11, None)):
        name = b"at%d" % last_id
        stream.add_group(name, id_of(last_id, 0), UNKNOWN)
        group = stream.group(name)
        assert group is not None
        assert stream.lag(group) == lag
        # Of a stream that never had an entry nothing is left to read.
        assert Stream().lag(group) == 0
