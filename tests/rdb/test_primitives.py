"""Lengths, strings and numbers: written in their shortest form, read in every form."""

from __future__ import annotations

import math
import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dscache.errors import RdbError
from dscache.rdb.reader import Reader
from dscache.rdb.writer import Writer


def _written(**what: object) -> bytes:
    writer = Writer()
    for method, argument in what.items():
        getattr(writer, method)(argument)
    return writer.take()


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0, "00"),
        (63, "3f"),
        (64, "4040"),
        (16383, "7fff"),
        (16384, "8000004000"),
        (2**31, "8080000000"),
        (2**32 - 1, "80ffffffff"),
        (2**32, "810000000100000000"),
        (2**63, "818000000000000000"),
        (2**64 - 1, "81ffffffffffffffff"),
    ],
)
def test_a_length_takes_as_few_bytes_as_it_can(number: int, expected: str) -> None:
    assert _written(length=number).hex() == expected
    assert Reader(bytes.fromhex(expected)).length() == number


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", b"\x00"),
        (b"a", b"\x01a"),
        (b"0", b"\xc0\x00"),
        (b"-128", b"\xc0\x80"),
        (b"127", b"\xc0\x7f"),
        (b"128", b"\xc1\x80\x00"),
        (b"-32768", b"\xc1\x00\x80"),
        (b"32768", b"\xc2\x00\x80\x00\x00"),
        (b"-2147483648", b"\xc2\x00\x00\x00\x80"),
        (b"2147483648", b"\x0a2147483648"),
        (b"-0", b"\x02-0"),
        (b"+1", b"\x02+1"),
        (b"01", b"\x0201"),
        (b"a" * 20, b"\x14" + b"a" * 20),
        (b"a" * 21, b"\xc3\x05\x15\x00a\xe0\x0b\x00"),
    ],
)
def test_a_string_takes_its_shortest_form(text: bytes, expected: bytes) -> None:
    written = _written(string=text)
    assert written == expected
    assert Reader(written).string() == text


def test_a_string_that_cannot_be_compressed_is_written_as_it_is() -> None:
    noise = random.Random(1).randbytes(100)
    assert _written(string=noise) == b"\x40\x64" + noise


def test_doubles_and_times_are_little_endian() -> None:
    assert _written(double=1.5) == struct.pack("<d", 1.5)
    assert _written(milliseconds=-1) == b"\xff" * 8
    assert Reader(struct.pack("<d", -0.0)).double().hex() == "-0x0.0p+0"
    assert Reader(b"\xff" * 8).milliseconds() == -1


def test_doubles_as_text_are_read() -> None:
    assert Reader(b"\x041.25").text_double() == 1.25
    assert Reader(b"\x0217").text_double() == 17.0
    assert math.isnan(Reader(b"\xfd").text_double())
    assert Reader(b"\xfe").text_double() == math.inf
    assert Reader(b"\xff").text_double() == -math.inf
    for bad in (b"\x00", b"\x01x", b"\x02 1", b"\x031_0", b"\x051.5"):
        with pytest.raises(RdbError):
            Reader(bad).text_double()


@pytest.mark.parametrize(
    "data",
    [b"", b"\x40", b"\x80\0\0\0", b"\x81\0\0\0\0\0\0\0", b"\x82\0\0\0\0", b"\xc0\0", b"\xff"],
)
def test_what_is_no_length_is_refused(data: bytes) -> None:
    with pytest.raises(RdbError):
        Reader(data).length()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x05abcd",
        b"\x80\xff\xff\xff\xffabc",
        b"\x81\xff\xff\xff\xff\xff\xff\xff\xffabc",
        b"\xc0",
        b"\xc1\0",
        b"\xc2\0\0\0",
        b"\xc4\0",
        b"\xc3\x05\x05\x00a",
        b"\xc3\x02\x81\xff\xff\xff\xff\xff\xff\xff\xff\x00a",
        b"\xc3\x81\xff\xff\xff\xff\xff\xff\xff\xff\x05\x00a",
    ],
)
def test_what_is_no_string_is_refused(data: bytes) -> None:
    with pytest.raises(RdbError):
        Reader(data).string()


class _Pieces:
    """Hands bytes out one by one."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def more(self) -> bytes:
        piece, self.data = self.data[:1], self.data[1:]
        return piece


@given(st.lists(st.binary(max_size=30), max_size=8), st.integers(0, 2**64 - 1))
def test_bytes_may_come_piece_by_piece(texts: list[bytes], number: int) -> None:
    writer = Writer()
    for text in texts:
        writer.string(text)
        writer.length(number)
    assert writer.size() == sum(len(_written(string=t, length=number)) for t in texts)
    reader = Reader(b"", _Pieces(writer.take()).more)
    assert writer.size() == 0
    for text in texts:
        assert not reader.at_end()
        assert reader.string() == text
        assert reader.length() == number
    assert reader.at_end()
    with pytest.raises(RdbError):
        reader.byte()
