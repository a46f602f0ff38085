"""Numbers as INCRBYFLOAT has them. The expected texts are what redis-server 7.0 answered on x86-64."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dscache.commands.long_double import parse_long_double

SUMS = [
    (b"0", b"0.1", b"0.1"),
    (b"0.1", b"0.2", b"0.3"),
    (b"10.5", b"0.1", b"10.6"),
    (b"1000.1", b"0.1", b"1000.19999999999999996"),
    (b"3.0e3", b"200", b"3200"),
    (b"1", b"-1.1", b"-0.1"),
    (b"17179869184", b"1.5", b"17179869185.5"),
    (b"0.02439024390243902", b"-0.02439024390243902", b"0"),
    (b"-0", b"-0", b"0"),
    (b"-0.000000000000000001", b"0", b"0"),
    (b"0.000000000000000005", b"0", b"0"),
    (b"0.000000000000000015", b"0", b"0.00000000000000002"),
    (b"9223372036854775807", b"1", b"9223372036854775808"),
    (b"18446744073709551615", b"1", b"18446744073709551616"),
    (b"18446744073709551617", b"0", b"18446744073709551616"),
    (b"18446744073709551619", b"0", b"18446744073709551620"),
    (b"36893488147419103235", b"0", b"36893488147419103236"),
    (b"1e20", b"1", b"100000000000000000000"),
    (b"1e30", b"-1", b"1000000000000000000024696061952"),
    (b"123456789.123456789", b"987654321.987654321", b"1111111111.11111110995989293"),
    (b"1e-17", b"1e-18", b"0.00000000000000001"),
    (b".5", b"5.", b"5.5"),
    (b"+1", b"+.25e1", b"3.5"),
    (b"0x1p3", b"0X.8", b"8.5"),
    (b"0x1.8p-20", b"0", b"0.00000143051147461"),
    (b"0xffffffffffffffffff", b"0", b"4722366482869645213696"),
    (b"0e999999999999999999999", b"1", b"1"),
    (b"1e-4940", b"0", b"0"),
    (b"1e-4950", b"1", b"1"),
    (b"-1e17", b"0.5", b"-99999999999999999.5"),
    (b"0.3333333333333333333333", b"0.3333333333333333333333", b"0.66666666666666667"),
    (b"99999999999999999.99999", b"0.00001", b"100000000000000000"),
]

NOT_NUMBERS = [
    b"",
    b"abc",
    b"nan",
    b" 1",
    b"1 ",
    b"1\n",
    b"1\x00",
    b"1e",
    b".",
    b"+",
    b"--1",
    b"1_0",
    b"0x",
    b"0x1p",
    b"1e4933",
    b"1e5000000000000000000000",
    b"1e-4960",
    b"-1e-5000000000000000000000",
    b"0" * 5120,
]


def added(one: bytes, other: bytes) -> bytes | None:
    """The text of the sum; None if it is no finite number."""
    a = parse_long_double(one)
    b = parse_long_double(other)
    assert a is not None
    assert b is not None
    total = a.plus(b)
    return total.text() if total is not None and total.is_finite() else None


@pytest.mark.parametrize(("one", "other", "expected"), SUMS)
def test_sums_have_the_digits_that_redis_gives_them(
    one: bytes, other: bytes, expected: bytes
) -> None:
    assert added(one, other) == expected
    assert added(other, one) == expected


@pytest.mark.parametrize("text", NOT_NUMBERS)
def test_what_strtold_does_not_take_wholly_is_no_number(text: bytes) -> None:
    assert parse_long_double(text) is None


@pytest.mark.parametrize("text", [b"inf", b"-inf", b"+Infinity", b"INF"])
def test_infinity_is_read_but_is_not_finite(text: bytes) -> None:
    number = parse_long_double(text)
    assert number is not None
    assert not number.is_finite()
    assert added(text, b"1") is None
    assert added(b"1", text) is None
    assert added(text, b"inf") is None
    assert added(text, b"-inf") is None


def test_a_sum_beyond_the_format_is_infinite() -> None:
    assert added(b"1e4932", b"1e4932") is None


def test_numbers_longer_than_python_converts_at_once_are_read_and_written() -> None:
    result = added(b"1e4900", b"1")
    assert result is not None
    assert len(result) == 4901
    assert result.startswith(b"100000000000000000002708312230")
    assert result.endswith(b"952246225341116846746313424896")
    assert added(result, b"0") == result
    assert added(b"0" * 5000 + b"7", b"0." + b"0" * 5000) == b"7"


@given(st.integers(-(2**64), 2**64), st.integers(-(2**64), 2**64))
def test_integers_are_added_exactly_as_far_as_the_mantissa_reaches(a: int, b: int) -> None:
    result = added(b"%d" % a, b"%d" % b)
    assert result is not None
    if abs(a + b) <= 2**64:
        assert result == b"%d" % (a + b)


@given(st.decimals(-9, 9, places=17))
def test_a_small_decimal_comes_back_as_it_was_written(number: Decimal) -> None:
    text = format(number, "f").encode()
    shown = text.rstrip(b"0").rstrip(b".") if b"." in text else text
    assert added(text, b"0") == (b"0" if shown == b"-0" else shown)
