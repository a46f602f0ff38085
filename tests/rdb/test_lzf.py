"""LZF: what was compressed comes back, and bad input fails early."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dscache.errors import RdbError
from dscache.rdb.lzf import MOST_EXPANSION, compress, decompress

#: Bytes that repeat themselves, near and far.
_texts = st.one_of(
    st.binary(max_size=300),
    st.text(alphabet="ab", max_size=300).map(str.encode),
    st.tuples(st.binary(min_size=1, max_size=40), st.integers(1, 30)).map(lambda p: p[0] * p[1]),
)


@given(_texts)
def test_what_was_compressed_comes_back(text: bytes) -> None:
    compressed = compress(text, 2 * len(text) + 1)
    assert compressed is not None
    assert decompress(compressed, len(text)) == text


@pytest.mark.parametrize("size", [3, 8, 9, 264, 265, 8192, 8193, 20_000, 70_000])
def test_repetitions_of_any_length_and_distance_come_back(size: int) -> None:
    noise = random.Random(size).randbytes(size)
    for text in (b"x" * size, noise + noise, noise[:20] + b"y" * size + noise[:20]):
        compressed = compress(text, 2 * len(text))
        assert compressed is not None
        assert decompress(compressed, len(text)) == text


def test_compression_gives_up_when_it_saves_too_little() -> None:
    noise = random.Random(1).randbytes(1000)
    assert compress(noise, 996) is None
    repeated = compress(b"abc" * 100, 296)
    assert repeated is not None
    assert len(repeated) < 12
    assert compress(b"abc" * 100, len(repeated) - 1) is None


def test_what_redis_has_compressed_is_read() -> None:
    assert decompress(b"\x01vv\xe0W\x00\x01vv", 100) == b"v" * 100


@pytest.mark.parametrize(
    "compressed",
    [
        b"\x05abc",  # literals are missing
        b"\x00a\x20",  # the offset is missing
        b"\x00a\xe0",  # the length is missing
        b"\x00a\xe0\x01",
        b"\x20\x00",  # nothing to repeat yet
        b"\x00a\x20\x01",  # repeats what is before the beginning
        b"\x00a\x20\x00",  # gives four bytes
        b"\x00a",  # gives one
        b"",
    ],
)
def test_bad_bytes_are_refused(compressed: bytes) -> None:
    with pytest.raises(RdbError):
        decompress(compressed, 2)


def test_a_length_that_cannot_be_is_refused_before_anything_is_written() -> None:
    with pytest.raises(RdbError):
        decompress(b"\x00a", 2 * MOST_EXPANSION + 1)
    with pytest.raises(RdbError):
        decompress(b"\x00a", 2**64 - 1)


@given(st.binary(max_size=100), st.integers(0, 500))
def test_any_bytes_are_read_or_refused(compressed: bytes, length: int) -> None:
    try:
        assert len(decompress(compressed, length)) == length
    except RdbError:
        pass
