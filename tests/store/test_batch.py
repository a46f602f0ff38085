"""Batches: packed, they are what was put into them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from batches import batch_with, operations_of, packed, unpacked
from dscache.store.batch import RANGE, Batch, Operation

operations = st.lists(
    st.tuples(
        st.integers(0, RANGE - 1),
        st.binary(max_size=300),
        st.none() | st.binary(max_size=300) | st.sampled_from([bytes(70_000), bytes(300_000)]),
    )
    | st.tuples(st.integers(RANGE, 2 * RANGE - 1), st.binary(), st.binary()),
    max_size=50,
)


@given(operations, operations)
def test_operations_come_out_in_the_order_in_which_they_take_effect(
    first: list[Operation], second: list[Operation]
) -> None:
    batch = batch_with(second)
    batch.prepend(batch_with(first))
    everything = first + second
    assert batch.count == len(everything)
    assert batch.size_bytes == sum(len(key) + len(value or b"") for _, key, value in everything)
    assert operations_of(batch) == everything


def test_frames_are_bounded_by_count_and_by_bytes() -> None:
    many = [(0, b"%d" % number, b"v") for number in range(2000)]
    assert [len(frame.operations()) for frame in packed(many)] == [512, 512, 512, 464]
    long = [(0, b"%d" % number, bytes(100_000)) for number in range(5)]
    frames = packed(long)
    assert [len(frame.operations()) for frame in frames] == [2, 2, 1]
    assert all(sum(map(len, frame.pieces)) < 1 << 18 for frame in frames)


def test_a_large_value_is_not_copied() -> None:
    value = bytes(300_000)
    batch = batch_with([(0, b"a", b"1"), (0, b"large", value), (0, b"b", b"2")])
    frames = batch.take()
    assert [len(frame.operations()) for frame in frames] == [1, 1, 1]
    assert frames[1].pieces[1] is value
    assert unpacked(frames)[1][2] is value


def test_a_batch_that_was_taken_is_empty() -> None:
    batch = batch_with([(0, b"a", b"1")])
    assert len(batch.take()) == 1
    assert not Batch().take()
    assert not batch.take()
