"""Bits of strings, against strings of the letters 0 and 1."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dscache.values.bits import (
    FAIL,
    SATURATE,
    WRAP,
    FieldType,
    combined,
    count_ones,
    find_bit,
)
from dscache.values.text import Text

#: Short ones with all kinds of bytes, and one that is worked on in several pieces.
STRINGS = st.one_of(
    st.binary(max_size=12),
    st.lists(st.sampled_from([b"\0", b"\xff", b"\x10"]), max_size=12).map(b"".join),
)


def letters(string: bytes) -> str:
    return "".join(f"{byte:08b}" for byte in string)


@given(string=STRINGS, ends=st.tuples(st.integers(0, 96), st.integers(0, 96)))
def test_ones_are_counted_in_any_range(string: bytes, ends: tuple[int, int]) -> None:
    first, stop = sorted(min(end, 8 * len(string)) for end in ends)
    expected = letters(string)[first:stop].count("1")
    assert count_ones(string, first, stop) == expected
    assert count_ones(Text(string), first, stop) == expected


@given(
    string=STRINGS, bit=st.integers(0, 1), ends=st.tuples(st.integers(0, 96), st.integers(0, 96))
)
def test_a_bit_is_found_in_any_range(string: bytes, bit: int, ends: tuple[int, int]) -> None:
    first, stop = sorted(min(end, 8 * len(string)) for end in ends)
    expected = letters(string).find(str(bit), first, stop)
    assert find_bit(string, bit, first, stop) == expected
    assert find_bit(Text(string), bit, first, stop) == expected


@pytest.mark.parametrize("seed", range(5))
def test_long_strings_are_worked_on_in_pieces(seed: int) -> None:
    rnd = random.Random(seed)
    length = rnd.randint(30_000, 80_000)
    one = rnd.randbytes(length)
    other = rnd.randbytes(rnd.randint(0, length))
    first = rnd.randint(0, 4 * length)
    stop = rnd.randint(first, 8 * length)
    number = int.from_bytes(one, "big")
    inside = number >> (8 * length - stop) & ((1 << (stop - first)) - 1)
    assert count_ones(one, first, stop) == inside.bit_count()
    lone = bytearray(length)
    lone[stop - 1 >> 3] = 0x80 >> (stop - 1 & 7)
    assert find_bit(bytes(lone), 1, first, stop) == stop - 1
    assert find_bit(bytes(lone), 1, first, stop - 1) == -1
    inverted = bytes(255 - byte for byte in lone)
    assert find_bit(inverted, 0, first, stop) == stop - 1
    padded = other.ljust(length, b"\0")
    assert combined(b"AND", [one, other], length) == bytes(
        a & b for a, b in zip(one, padded, strict=True)
    )
    assert combined(b"OR", [other, one], length) == bytes(
        a | b for a, b in zip(one, padded, strict=True)
    )
    assert combined(b"XOR", [Text(one), other, one], length) == padded
    assert combined(b"NOT", [one], length) == bytes(255 - byte for byte in one)


@given(
    string=st.binary(max_size=20),
    bits=st.integers(1, 63),
    is_signed=st.booleans(),
    offset=st.integers(0, 100),
    number=st.integers(-(2**63), 2**63 - 1),
)
def test_what_is_written_into_a_field_is_read_and_nothing_else_changes(
    string: bytes, bits: int, is_signed: bool, offset: int, number: int
) -> None:
    field = FieldType(bits + int(is_signed), is_signed)
    before = letters(string).ljust(offset + field.bits + 7, "0")
    read = int(before[offset : offset + field.bits], 2)
    assert field.read(string, offset) == (read - (1 << field.bits) if read > field.most else read)

    text = Text(string.ljust((offset + field.bits + 7) // 8, b"\0"))
    fitting = field.fitted(number, WRAP)
    assert fitting is not None
    assert fitting % (1 << field.bits) == number % (1 << field.bits)
    field.write(text, offset, fitting)
    assert field.read(text, offset) == fitting
    after = letters(text.encode())
    assert after[:offset] == before[:offset]
    written = len(after)
    assert after[offset + field.bits :] == before.ljust(written, "0")[offset + field.bits : written]


def test_a_number_that_does_not_fit_wraps_saturates_or_fails() -> None:
    byte = FieldType(8, False)
    assert [byte.fitted(300, how) for how in (WRAP, SATURATE, FAIL)] == [44, 255, None]
    assert [byte.fitted(-1, how) for how in (WRAP, SATURATE, FAIL)] == [255, 0, None]
    signed = FieldType(8, True)
    assert [signed.fitted(128, how) for how in (WRAP, SATURATE, FAIL)] == [-128, 127, None]
    assert [signed.fitted(-129, how) for how in (WRAP, SATURATE, FAIL)] == [127, -128, None]
    assert FieldType(64, True).fitted(2**63, WRAP) == -(2**63)
    assert FieldType(63, False).fitted(2**63 - 1, FAIL) == 2**63 - 1
