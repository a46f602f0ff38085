"""Text, and what both kinds of strings have in common."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dscache.values.base import LIST, STRING, Apart, size_of, type_code_of
from dscache.values.codec import decode_value, encode_value
from dscache.values.text import (
    IN_PLACE_BYTES,
    Text,
    bytes_of,
    is_string,
    length_of,
    overwritten,
    slice_of,
)

WRITES = st.lists(st.tuples(st.integers(0, 60), st.binary(max_size=20)), max_size=20)


def model(content: bytes, offset: int, data: bytes) -> bytes:
    """What overwriting must give, written down plainly."""
    padded = content.ljust(offset, b"\0")
    return padded[:offset] + data + padded[offset + len(data) :]


@given(st.binary(max_size=40), WRITES)
def test_overwriting_a_text_does_what_it_does_to_bytes(
    start: bytes, writes: list[tuple[int, bytes]]
) -> None:
    text = Text(start)
    expected = start
    for offset, data in writes:
        text.overwrite(offset, data)
        expected = model(expected, offset, data)
        assert text.encode() == expected
        assert text.count() == len(expected)


@given(st.binary(max_size=40), st.integers(0, 60), st.binary(max_size=20))
def test_overwriting_short_bytes_gives_new_short_bytes(
    start: bytes, offset: int, data: bytes
) -> None:
    result = overwritten(start, offset, data)
    assert type(result) is bytes
    assert result == model(start, offset, data)


@given(st.integers(-3, 3), st.sampled_from([0, 10, IN_PLACE_BYTES - 5, IN_PLACE_BYTES + 100]))
def test_bytes_become_text_when_they_are_too_long_for_copying(around: int, offset: int) -> None:
    start = b"s" * (IN_PLACE_BYTES + around)
    result = overwritten(start, offset, b"12")
    expected = model(start, offset, b"12")
    assert type(result) is (Text if len(expected) > IN_PLACE_BYTES else bytes)
    assert bytes_of(result) == expected


@given(st.binary(max_size=40), st.integers(0, 50), st.integers(0, 50))
def test_slices_of_both_kinds_are_the_same(content: bytes, start: int, stop: int) -> None:
    start, stop = min(start, stop), max(start, stop)
    assert slice_of(Text(content), start, stop) == slice_of(content, start, stop)


def test_a_slice_that_was_taken_does_not_hinder_growth() -> None:
    text = Text(b"x" * 100)
    part = text.slice(10, 20)
    text.overwrite(100, b"y" * 10000)
    assert part == b"x" * 10


def test_the_size_of_a_text_is_what_its_buffer_has_allocated() -> None:
    text = Text(b"")
    total = 0
    for _ in range(2000):
        text.overwrite(text.count(), b"0123456789")
        total += 10
        assert total + sys.getsizeof(bytearray()) <= size_of(text) <= total * 1.25 + 200


def test_a_copy_is_independent() -> None:
    text = Text(b"one")
    copy = text.copy()
    text.overwrite(0, b"two")
    assert (copy.encode(), text.encode()) == (b"one", b"two")


def test_a_text_is_a_string_whose_payload_is_its_bytes() -> None:
    text = Text(b"content")
    assert type_code_of(text) == STRING
    payload = encode_value(text)
    assert type(payload) is bytes
    assert decode_value(STRING, payload) == b"content"


def test_what_was_encoded_does_not_change_with_the_text() -> None:
    text = Text(b"before")
    payload = text.encode()
    text.overwrite(0, b"after!")
    assert payload == b"before"


@pytest.mark.parametrize("value", [b"12345", Text(b"12345"), Apart(STRING, 5)])
def test_the_length_of_any_string_is_known_without_reading_it(value: object) -> None:
    assert is_string(value)
    assert length_of(value) == 5


def test_what_is_apart_may_be_another_type() -> None:
    assert not is_string(Apart(LIST, 5))
