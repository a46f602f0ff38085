"""The checksum of DUMP payloads."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dscache.rdb.crc64 import crc64


def _bit_by_bit(data: bytes) -> int:
    """The definition."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0x95AC9329AC4BC9B5 if crc & 1 else crc >> 1
    return crc


def test_the_check_values_of_redis_hold() -> None:
    assert crc64(b"") == 0
    assert crc64(b"123456789") == 0xE9C6D914C4B8D9CA


@given(st.binary(max_size=60))
def test_it_is_what_the_definition_gives(data: bytes) -> None:
    assert crc64(data) == _bit_by_bit(data)


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_it_can_be_taken_in_parts(first: bytes, second: bytes) -> None:
    assert crc64(second, crc64(first)) == crc64(first + second)
