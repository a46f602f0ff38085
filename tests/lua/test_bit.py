"""bit: 32-bit arithmetic, and numbers that are none.

The tables say what Redis 7.4.1 answered to the same expressions, through redis-cli.
"""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts import Scripts

BITS: Final = [
    ("bit.tobit(0)", "0"),
    ("bit.tobit(1)", "1"),
    ("bit.tobit(-1)", "-1"),
    ("bit.tobit(0xdeadbeef)", "-559038737"),
    ("bit.tobit(2^31)", "-2147483648"),
    ("bit.tobit(2^32)", "0"),
    ("bit.tobit(2^32+5)", "5"),
    ("bit.tobit(-2^31-1)", "2147483647"),
    ("bit.tobit(1.5)", "2"),
    ("bit.tobit(2.5)", "2"),
    ("bit.tobit(-0.5)", "0"),
    ("bit.tobit(0.5)", "0"),
    ("bit.tobit(2^51)", "0"),
    ("bit.tobit(2^52)", "0"),
    ("bit.tobit(2^53+2)", "1"),
    ("bit.tobit(1e300)", "-2013235812"),
    ("bit.tobit(-1e17)", "-2049400832"),
    ("bit.tobit(1/0)", "0"),
    ("bit.tobit(0/0)", "0"),
    ('bit.tobit("0x10")', "16"),
    ('bit.tobit(" 12 ")', "12"),
    (
        'bit.tobit("x")',
        "error: user_script:1: bad argument #1 to 'tobit' (number expected, got string)",
    ),
    (
        'bit.tobit("")',
        "error: user_script:1: bad argument #1 to 'tobit' (number expected, got string)",
    ),
    (
        "bit.tobit(nil)",
        "error: user_script:1: bad argument #1 to 'tobit' (number expected, got nil)",
    ),
    (
        "bit.tobit(true)",
        "error: user_script:1: bad argument #1 to 'tobit' (number expected, got boolean)",
    ),
    (
        "bit.tobit({})",
        "error: user_script:1: bad argument #1 to 'tobit' (number expected, got table)",
    ),
    (
        "bit.tobit()",
        "error: user_script:1: bad argument #1 to 'tobit' (number expected, got no value)",
    ),
    ("bit.bnot(0)", "-1"),
    ("bit.bnot(0xffff)", "-65536"),
    ('bit.bnot("1")', "-2"),
    ("bit.band(0xff0, 0x1ff)", "496"),
    ("bit.band(-1, 2^40 + 7)", "7"),
    ("bit.band(7)", "7"),
    ("bit.band(15, 7, 3)", "3"),
    ("bit.bor(1, 2, 4)", "7"),
    ("bit.bor(-2^31, 1)", "-2147483647"),
    ("bit.bxor(0xff, 0x0f)", "240"),
    ("bit.bxor(1, 3, 7)", "5"),
    ("bit.bxor(-1, 1)", "-2"),
    (
        "bit.band()",
        "error: user_script:1: bad argument #1 to 'band' (number expected, got no value)",
    ),
    (
        "bit.bor(1, nil)",
        "error: user_script:1: bad argument #2 to 'bor' (number expected, got nil)",
    ),
    (
        'bit.bor(1, {}, "x")',
        "error: user_script:1: bad argument #3 to 'bor' (number expected, got string)",
    ),
    (
        "bit.bor({}, {})",
        "error: user_script:1: bad argument #1 to 'bor' (number expected, got table)",
    ),
    (
        "bit.bxor(1, 2, nil)",
        "error: user_script:1: bad argument #3 to 'bxor' (number expected, got nil)",
    ),
    ("bit.lshift(1, 31)", "-2147483648"),
    ("bit.lshift(1, 32)", "1"),
    ("bit.lshift(1, 33)", "2"),
    ("bit.lshift(1, -1)", "-2147483648"),
    ("bit.lshift(0xff, 28)", "-268435456"),
    (
        "bit.lshift(1)",
        "error: user_script:1: bad argument #2 to 'lshift' (number expected, got no value)",
    ),
    ("bit.rshift(-1, 4)", "268435455"),
    ("bit.rshift(-1, 0)", "-1"),
    ("bit.rshift(256, 8)", "1"),
    ("bit.arshift(-256, 4)", "-16"),
    ("bit.arshift(-1, 31)", "-1"),
    ("bit.arshift(2^30, 30)", "1"),
    ("bit.rol(0x12345678, 12)", "1164411171"),
    ("bit.ror(0x12345678, 12)", "1736516421"),
    ("bit.rol(1, 0)", "1"),
    ("bit.ror(1, 0)", "1"),
    ("bit.ror(1, 1)", "-2147483648"),
    ("bit.bswap(0x12345678)", "2018915346"),
    ("bit.bswap(0xff)", "-16777216"),
    ('bit.bswap("1")', "16777216"),
    ("bit.tohex(255)", '"000000ff"'),
    ("bit.tohex(-1)", '"ffffffff"'),
    ("bit.tohex(255, 2)", '"ff"'),
    ("bit.tohex(255, 0)", '""'),
    ("bit.tohex(0xabcdef, -4)", '"CDEF"'),
    ("bit.tohex(1, 100)", '"00000001"'),
    ("bit.tohex(-1, -2^31)", '"FFFFFFFF"'),
    (
        "bit.tohex(1, nil)",
        "error: user_script:1: bad argument #2 to 'tohex' (number expected, got nil)",
    ),
    (
        "bit.tohex()",
        "error: user_script:1: bad argument #1 to 'tohex' (number expected, got no value)",
    ),
    (
        "bit.bnot({})",
        "error: user_script:1: bad argument #1 to 'bnot' (number expected, got table)",
    ),
    (
        'bit.arshift(1, "a")',
        "error: user_script:1: bad argument #2 to 'arshift' (number expected, got string)",
    ),
    (
        "bit.bswap(nil)",
        "error: user_script:1: bad argument #1 to 'bswap' (number expected, got nil)",
    ),
]

#: Made once: hypothesis runs an example after the other.
SHARED: Final = Scripts()


@pytest.fixture
def scripts() -> Scripts:
    return SHARED


@pytest.mark.parametrize(("expression", "shown"), BITS)
def test_bits(scripts: Scripts, expression: str, shown: str) -> None:
    assert scripts.show(expression) == shown


def signed(number: int) -> int:
    return (number + 2**31) % 2**32 - 2**31


_numbers = st.integers(-(2**51), 2**51 - 1)


@given(a=_numbers, b=_numbers)
def test_numbers_are_combined_as_python_combines_them(a: int, b: int) -> None:
    assert SHARED.call("bit.band", a, b) == signed(a & b)
    assert SHARED.call("bit.bor", a, b) == signed(a | b)
    assert SHARED.call("bit.bxor", a, b) == signed(a ^ b)
    assert SHARED.call("bit.bnot", a) == signed(~a)


@given(a=_numbers, bits=st.integers(0, 31))
def test_numbers_are_shifted_as_python_shifts_them(a: int, bits: int) -> None:
    low = a % 2**32
    assert SHARED.call("bit.lshift", a, bits) == signed(low << bits)
    assert SHARED.call("bit.rshift", a, bits) == signed(low >> bits)
    assert SHARED.call("bit.arshift", a, bits) == signed(low) >> bits
    assert SHARED.call("bit.rol", a, bits) == signed(low << bits | low >> 32 - bits)
    assert SHARED.call("bit.ror", a, bits) == signed(low >> bits | low << 32 - bits)
