"""The numbers of INCRBYFLOAT and HINCRBYFLOAT: C's ``long double`` as x86 has it, digit for digit.

Redis reads the stored text and the increment with ``strtold``, adds them in the processor's 80-bit
format, prints with ``%.17Lf`` and cuts trailing zeros. Clients see the result as text, and the text
of each step is the input of the next, so "nearly the same" would drift. Python's ``float`` has too
few bits (53 of 64), and ``decimal`` rounds in the wrong base. But every number here is
``mantissa * 2**exponent`` with integers, and Python's integers are exact:

* reading: the text is an exact ratio of two integers; one division, rounded half to even to 64 bits,
  is what a correctly rounding ``strtold`` (glibc's) gives;
* adding: an exact sum of integers, rounded half to even to 64 bits, is what the processor does;
* printing: ``mantissa * 10**17 / 2**-exponent`` rounded half to even is what glibc's ``printf`` does.

The format's limits are kept: 64 bits of mantissa, magnitudes under 2**16384, and a smallest step of
2**-16445 (below it, precision is lost gradually). Results were compared with a real server's for tens
of thousands of random pairs of all magnitudes and notations.
"""

from __future__ import annotations

import re
from typing import Final

_MANTISSA_BITS: Final = 64
_LEAST_EXPONENT: Final = -16445
_MAX_BITS: Final = 16384

# Longer texts are no numbers for Redis; decimal exponents beyond these bounds overflow or vanish
# whatever the (so limited) digits are.
_MAX_TEXT_BYTES: Final = 5 * 1024 - 1
_MAX_POWER: Final = 40000
_POWER_DIGITS: Final = 9

# Sign, digits before and behind the point, power.
_DECIMAL: Final = re.compile(rb"([+-]?)(?=\.?\d)(\d*)\.?(\d*)(?:[eE]([+-]?\d+))?")
_HEXADECIMAL: Final = re.compile(
    rb"([+-]?)0[xX](?=\.?[0-9a-fA-F])([0-9a-fA-F]*)\.?([0-9a-fA-F]*)(?:[pP]([+-]?\d+))?"
)
_INFINITE: Final = re.compile(rb"([+-]?)inf(?:inity)?", re.IGNORECASE)

_DECIMALS: Final = 17
_SCALE: Final = 10**_DECIMALS
# Python refuses to convert longer numbers to or from text at once (4300 digits by default).
_CHUNK_DIGITS: Final = 4000
_CHUNK: Final = 10**_CHUNK_DIGITS


class LongDouble:
    """One number: ``mantissa * 2**exponent``, or an infinity with the sign of ``mantissa``."""

    def __init__(self, mantissa: int, exponent: int, is_infinite: bool = False) -> None:
        self._mantissa: Final = mantissa
        self._exponent: Final = exponent
        self._is_infinite: Final = is_infinite

    def is_finite(self) -> bool:
        """Whether this is a number and not an infinity."""
        return not self._is_infinite

    def is_zero(self) -> bool:
        """Whether this is 0."""
        return self._mantissa == 0

    def plus(self, other: LongDouble) -> LongDouble | None:
        """The rounded sum; None if it is not a number (the sum of two opposite infinities)."""
        if self._is_infinite or other._is_infinite:
            if not other._is_infinite:
                return self
            if self._is_infinite and (self._mantissa < 0) != (other._mantissa < 0):
                return None
            return other
        exponent = min(self._exponent, other._exponent)
        one = self._mantissa << (self._exponent - exponent)
        return _rounded(one + (other._mantissa << (other._exponent - exponent)), 1, exponent)

    def text(self) -> bytes:
        """With up to 17 decimals, without an exponent or trailing zeros."""
        assert not self._is_infinite, "an infinity is never stored"
        magnitude = abs(self._mantissa)
        decimals = b""
        if self._exponent >= 0:
            whole = magnitude << self._exponent
        else:
            scaled = _divided(magnitude * _SCALE, 1 << -self._exponent)
            whole, fraction = divmod(scaled, _SCALE)
            if fraction != 0:
                decimals = b"." + str(fraction).zfill(_DECIMALS).rstrip("0").encode()
        sign = b"-" if self._mantissa < 0 and (whole != 0 or decimals) else b""
        return sign + _digits(whole) + decimals


ZERO: Final = LongDouble(0, 0)


def parse_long_double(text: bytes) -> LongDouble | None:
    """What ``strtold`` makes of all of ``text``; None where Redis says it is not a valid float.

    That is: anything around the number, NaN, and what is too large or, not being 0, vanishes.
    """
    if len(text) > _MAX_TEXT_BYTES:
        return None
    match = _DECIMAL.fullmatch(text)
    if match is not None:
        sign, whole, fraction, power_text = match.groups()
        digits = _integer(sign, whole + fraction)
        power = _power(power_text, len(fraction))
        if power >= 0:
            return _in_range(digits * 10**power, 1, 0)
        return _in_range(digits, 10**-power, 0)
    match = _HEXADECIMAL.fullmatch(text)
    if match is not None:
        sign, whole, fraction, power_text = match.groups()
        digits = int(sign + whole + fraction, 16)
        return _in_range(digits, 1, _power(power_text, 4 * len(fraction)))
    if _INFINITE.fullmatch(text) is not None:
        return LongDouble(-1 if text[:1] == b"-" else 1, 0, True)
    return None


def _power(text: bytes | None, fraction_digits: int) -> int:
    """The power that is written as ``text``, less what the digits behind the point take."""
    power = 0
    if text:
        # More digits than this are out of any bounds, unless they are zeros.
        sign = b"-" if text[:1] == b"-" else b""
        power = int(sign + b"0" + text.lstrip(b"+-0")[:_POWER_DIGITS])
    return min(max(power - fraction_digits, -_MAX_POWER), _MAX_POWER)


def _in_range(numerator: int, denominator: int, exponent: int) -> LongDouble | None:
    """As ``_rounded``; None for what is too large or, not being 0, is rounded to 0."""
    number = _rounded(numerator, denominator, exponent)
    if number.is_finite() and number.is_zero() == (numerator == 0):
        return number
    return None


def _rounded(numerator: int, denominator: int, exponent: int) -> LongDouble:
    """The number nearest to ``numerator / denominator * 2**exponent``; even where two are.

    The sign of a zero is lost: it never shows.
    """
    magnitude = abs(numerator)
    if magnitude == 0:
        return ZERO
    # Where the last of 64 bits stands, or one place too low.
    place = magnitude.bit_length() - denominator.bit_length() - _MANTISSA_BITS
    place = max(place, _LEAST_EXPONENT - exponent)
    mantissa = _shifted(magnitude, denominator, place)
    if mantissa.bit_length() > _MANTISSA_BITS:
        place += 1
        mantissa = _shifted(magnitude, denominator, place)
    if mantissa.bit_length() + place + exponent > _MAX_BITS:
        return LongDouble(1 if numerator > 0 else -1, 0, True)
    return LongDouble(mantissa if numerator > 0 else -mantissa, place + exponent)


def _shifted(numerator: int, denominator: int, place: int) -> int:
    """``numerator / denominator / 2**place``, rounded half to even."""
    if place >= 0:
        return _divided(numerator, denominator << place)
    return _divided(numerator << -place, denominator)


def _divided(numerator: int, denominator: int) -> int:
    """The quotient of two positive integers, rounded half to even."""
    quotient, remainder = divmod(numerator, denominator)
    twice = 2 * remainder
    if twice > denominator or (twice == denominator and quotient & 1):
        return quotient + 1
    return quotient


def _integer(sign: bytes, digits: bytes) -> int:
    """The integer that any number of decimal digits make."""
    if len(digits) <= _CHUNK_DIGITS:
        return int(sign + digits)
    number = 0
    for start in range(0, len(digits), _CHUNK_DIGITS):
        chunk = digits[start : start + _CHUNK_DIGITS]
        number = number * 10 ** len(chunk) + int(chunk)
    return -number if sign == b"-" else number


def _digits(number: int) -> bytes:
    """The decimal digits of an integer that is not negative, however long."""
    if number < _CHUNK:
        return str(number).encode()
    high, low = divmod(number, _CHUNK)
    return _digits(high) + str(low).zfill(_CHUNK_DIGITS).encode()
