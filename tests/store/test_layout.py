"""Keys of the store: positions, ranges, and the order of bytes that everything relies on."""

from __future__ import annotations

from binascii import crc_hqx

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dscache.store import layout

keys = st.binary(max_size=20)
generations = st.integers(0, 2**31 - 2)
due_times = st.integers(0, 2**62)


# From the cluster specification and `CLUSTER KEYSLOT` of redis-server 7.0.
@pytest.mark.parametrize(
    ("key", "slot"),
    [
        (b"123456789", 0x31C3),
        (b"", 0),
        (b"foo", 12182),
        (b"{user1000}.following", 3443),
        (b"{user1000}.followers", 3443),
        (b"user1000", 3443),
        (b"foo{}{bar}", 8363),
        (b"foo{{bar}}zap", 4015),
        (b"{bar", 4015),
        (b"foo{bar}{zap}", 5061),
        (b"bar", 5061),
        (b"foo{bar", 15278),
        (b"foo}bar{", 11073),
    ],
)
def test_a_key_has_the_slot_of_redis_cluster(key: bytes, slot: int) -> None:
    assert layout.hash_slot(key) == slot


@pytest.mark.parametrize("length", [0, 1, 47, 48, 49, 1000])
def test_a_slot_is_the_crc16_of_a_key_of_any_length(length: int) -> None:
    key = bytes(range(97, 122)) * 40
    assert layout.hash_slot(key[:length]) == crc_hqx(key[:length], 0) % 16384
    assert layout.hash_slot(b"x{" + key[:length] + b"}y") == (
        crc_hqx(key[:length] or b"x{}y", 0) % 16384
    )


@given(keys)
def test_a_position_begins_with_the_slot_and_stays_in_its_bounds(key: bytes) -> None:
    position = layout.position(key)
    assert 0 <= position < layout.POSITION_END
    assert position >> 48 == layout.hash_slot(key)


def test_a_position_never_changes() -> None:
    # It is on disk and in clients' cursors: another value is another format.
    assert layout.position(b"foo") == 3429033049516309898
    assert layout.position(b"") == 0x800538D394C2


@given(generations, keys)
def test_a_data_key_can_be_taken_apart(generation: int, key: bytes) -> None:
    stored = layout.data_key(generation, key)
    assert layout.split_data_key(stored) == (layout.position(key), key)
    assert layout.generation_of(stored) == generation
    assert len(stored) == layout.PREFIX_BYTES + len(key)


@given(generations, due_times, keys)
def test_an_expiry_key_can_be_taken_apart(generation: int, due_ms: int, key: bytes) -> None:
    stored = layout.expiry_key(generation, due_ms, key)
    assert layout.split_expiry_key(stored) == (due_ms, key)
    assert layout.generation_of(stored) == generation


@given(st.lists(st.tuples(generations, keys), min_size=2, max_size=10))
def test_data_keys_are_ordered_by_generation_position_and_key(
    pairs: list[tuple[int, bytes]],
) -> None:
    by_meaning = sorted(pairs, key=lambda pair: (pair[0], layout.position(pair[1]), pair[1]))
    by_bytes = sorted(pairs, key=lambda pair: layout.data_key(*pair))
    assert by_bytes == by_meaning


@given(st.lists(st.tuples(generations, due_times, keys), min_size=2, max_size=10))
def test_expiry_keys_are_ordered_by_generation_and_due_time(
    triples: list[tuple[int, int, bytes]],
) -> None:
    assert sorted(triples, key=lambda triple: layout.expiry_key(*triple)) == sorted(triples)


@given(generations, keys)
def test_a_bound_separates_what_is_before_a_position_from_what_is_not(
    generation: int, key: bytes
) -> None:
    stored = layout.data_key(generation, key)
    position = layout.position(key)
    assert layout.data_bound(generation, position) <= stored
    assert stored < layout.data_bound(generation, position + 1)
    assert layout.data_bound(generation, 0) <= stored
    assert stored < layout.data_bound(generation, layout.POSITION_END)


@given(generations, due_times, keys)
def test_an_expiry_bound_separates_what_is_due_from_what_is_not(
    generation: int, due_ms: int, key: bytes
) -> None:
    stored = layout.expiry_key(generation, due_ms, key)
    assert layout.expiry_bound(generation, due_ms) <= stored
    assert stored < layout.expiry_bound(generation, due_ms + 1)


@given(generations, generations, keys, due_times)
def test_the_range_of_a_generation_holds_all_of_it_and_nothing_else(
    generation: int, other: int, key: bytes, due_ms: int
) -> None:
    begin, end = layout.generation_range(generation)
    for stored in (layout.data_key(other, key), layout.expiry_key(other, due_ms, key)):
        assert (begin <= stored < end) == (other == generation)


@given(generations, generations, keys, due_times)
def test_the_index_of_fields_lies_behind_all_else_by_generation(
    generation: int, other: int, key: bytes, due_ms: int
) -> None:
    stored = layout.expiry_key(layout.field_generation(other), due_ms, key)
    assert stored > layout.expiry_key(generation, due_ms, key)
    assert layout.generation_of(stored) == layout.field_generation(other) < 0
    assert layout.split_expiry_key(stored) == (due_ms, key)
    begin, end = layout.generation_range(layout.field_generation(generation))
    assert (begin <= stored < end) == (other == generation)
