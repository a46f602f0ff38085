"""Records: the head of every value on disk."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dscache.errors import StoreDamagedError, StoreFormatError
from dscache.store.record import RECORD_VERSION, Head, decode_head, encode_head, encode_record

type_codes = st.integers(0, 63)
due_times = st.just(0) | st.integers(1, 2**63 - 1)


def fields(head: Head) -> tuple[int, int, bool, int]:
    return head.type_code, head.expire_ms, head.apart, head.payload_bytes


@given(type_codes, due_times, st.binary(max_size=50))
def test_a_record_with_its_payload_reads_back(
    type_code: int, expire_ms: int, payload: bytes
) -> None:
    record = encode_record(type_code, expire_ms, payload)
    head = decode_head(record)
    assert fields(head) == (type_code, expire_ms, False, len(payload))
    assert record[head.offset :] == payload


@given(type_codes, due_times, st.integers(0, 2**62))
def test_a_record_whose_payload_is_apart_reads_back(
    type_code: int, expire_ms: int, payload_bytes: int
) -> None:
    head = decode_head(encode_head(type_code, expire_ms, payload_bytes))
    assert fields(head) == (type_code, expire_ms, True, payload_bytes)


def test_a_record_never_changes() -> None:
    # Other programs read it (docs/store-format.md); other bytes are another version.
    assert encode_record(3, 0, b"abc") == b"\x01\x03abc"
    assert encode_record(3, 258, b"abc") == b"\x01\x43\0\0\0\0\0\0\1\2abc"
    assert encode_head(3, 0, 20_000) == b"\x01\x83\0\0\0\0\0\0\x4e\x20"
    assert encode_head(3, 1, 20_000) == b"\x01\xc3\0\0\0\0\0\0\0\1\0\0\0\0\0\0\x4e\x20"


def test_a_head_is_small_however_large_the_value() -> None:
    assert len(encode_head(1, 1, 2**40)) == 18


@pytest.mark.parametrize("version", [0, RECORD_VERSION + 1, 255])
def test_another_version_is_refused_and_named(version: int) -> None:
    record = bytes([version]) + encode_record(1, 0, b"x")[1:]
    with pytest.raises(StoreFormatError, match=f"version {version}"):
        decode_head(record)


@pytest.mark.parametrize("whole", [encode_head(1, 0, 5), encode_head(1, 7, 5)])
def test_a_head_that_is_cut_off_anywhere_is_damage(whole: bytes) -> None:
    for length in range(len(whole)):
        with pytest.raises(StoreDamagedError):
            decode_head(whole[:length])


def test_a_due_time_that_is_cut_off_is_damage() -> None:
    whole = encode_record(1, 7, b"")
    for length in range(len(whole)):
        with pytest.raises(StoreDamagedError):
            decode_head(whole[:length])
