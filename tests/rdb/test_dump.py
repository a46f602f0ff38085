"""DUMP payloads: version and checksum, and whatever else pretends to be one."""

from __future__ import annotations

import random
import tracemalloc

import pytest

from dscache.config import Config
from dscache.errors import RdbError
from dscache.rdb.dump import dumped, is_intact, restored, sealed
from dscache.rdb.lzf import MOST_EXPANSION
from dscache.rdb.typecodes import NEWEST_VERSION, VALKEY_VERSION
from dscache.values.base import type_code_of
from dscache.values.codec import decode_value, encode_value
from packed import ziplist
from plain import plain

CONFIG = Config()

#: By real servers, Redis 7.0 (version 0a00) and Valkey 9 (5000), and what they had in them.
PAYLOADS = {
    "string": ("00000a005d9b5c400f7fa2da", b""),
    "string of Valkey": ("0000500092b195d1912dc52e", b""),
    "list": (
        "12010211110000000100f4d23b063eaabe99ff09ff0a004e39545001df4ff3",
        [b"-28782284206883886"],
    ),
    "set": ("0202c001000a008bb2e9fde1d0968f", {b"", b"1"}),
    "intset": ("0b0a020000000100000000000a00030c18a56f21e4b8", {b"0"}),
    "packed set": ("140b0b000000020080010101ff5000e128002319c28a87", {b"", b"1"}),
    "sorted set": ("110b0b000000020000010001ff5000ec27bf4ac3ca63e4", [(b"0", "0.0")]),
    "hash": ("100e0e00000002008266300381e202ff0a00f55ac1dcc52f0f86", {b"f0": (b"\xe2", 0)}),
    "expiring hash": (
        "16030161c001e0694ca62c1e00000162c002c86d4ca62c1e00000163c003ffffffffffffffff500046c3ee0189745621",
        {b"a": (b"1", 33177117420000), b"b": (b"2", 33177117421000), b"c": (b"3", 0)},
    ),
}

#: A stream of Valkey's, with groups.
STREAM = (
    "15011000000000000003e8000000000000000040474700000013000201000102018267300382673103000102010001"
    "000194ff64f3672c2be7dbbcbef703c0b68a3844106d07150001050100010001010101018266300301010601ff0243"
    "e80143e8000000020305656d70747943e80181ffffffffffffffff0000016743e801020100000000000003e8000000"
    "00000000011fbcb904a2010000010205616c6963651fbcb904a20100001fbcb904a20100000100000000000003e800"
    "0000000000000103626f621fbcb904a2010000ffffffffffffffff00016843e80181ffffffffffffffff000205616c"
    "6963651fbcb904a2010000ffffffffffffffff000469646c651fbcb904a2010000ffffffffffffffff00500023c232"
    "184db3c704"
)


@pytest.mark.parametrize("kind", PAYLOADS)
def test_what_real_servers_have_dumped_is_restored(kind: str) -> None:
    payload = bytes.fromhex(PAYLOADS[kind][0])
    assert is_intact(payload)
    assert plain(restored(payload)) == PAYLOADS[kind][1]


def test_the_version_must_be_known_and_the_checksum_right() -> None:
    assert is_intact(sealed(b"\0\1a", 1))
    assert is_intact(sealed(b"\0\1a", NEWEST_VERSION))
    assert is_intact(sealed(b"\0\1a", VALKEY_VERSION))
    assert not is_intact(sealed(b"\0\1a", NEWEST_VERSION + 1))
    assert not is_intact(sealed(b"\0\1a", VALKEY_VERSION + 1))
    assert not is_intact(sealed(b"\0\1a", 0xFFFF))
    payload = sealed(b"\0\1a", 11)
    for place in range(len(payload) * 8):
        damaged = bytearray(payload)
        damaged[place // 8] ^= 1 << place % 8
        assert not is_intact(bytes(damaged))
    for length in range(len(payload)):
        assert not is_intact(payload[:length])


# What is damaged, and has the right checksum all the same


def _contents() -> list[tuple[bytes, int]]:
    """Values in most forms, and the versions."""
    payloads = [bytes.fromhex(text) for text in [*(text for text, _ in PAYLOADS.values()), STREAM]]
    found = [(payload[:-10], payload[-10]) for payload in payloads]
    packed = ziplist([b"a", 5, b"b" * 20, b"1.5"])
    for code in (10, 12, 13):
        found.append((bytes([code, len(packed)]) + packed, 10))
    found.append((bytes([14, 1, len(packed)]) + packed, 10))
    found.append((b"\x03\x01\x01a\x041.25", 10))
    found.append((b"\x05\x01\x01a\0\0\0\0\0\0\xf0\x3f", 10))
    found.append((b"\x09\x10\x02\x01f\x01\0v\x015\x02\x0317xxx\xff", 10))
    found.append((b"\x18\0\0\0\0\0\1\0\0\x02\x01\x01a\x01b\x00\x01c\xc0\x05", 12))
    return found


CONTENTS = _contents()


def _check(content: bytes, version: int) -> None:
    """It is restored to a value that can be kept and dumped, or it is refused."""
    payload = sealed(content, version)
    assert is_intact(payload)
    try:
        value = restored(payload)
    except RdbError:
        return
    expected = plain(value)
    assert plain(restored(dumped(value, CONFIG))) == expected
    assert plain(decode_value(type_code_of(value), encode_value(value))) == expected


@pytest.mark.parametrize("place", range(len(CONTENTS)))
def test_a_value_with_any_bit_wrong_is_restored_or_refused(place: int) -> None:
    content, version = CONTENTS[place]
    for bit in range(0, len(content) * 8, 1 if len(content) < 100 else 5):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        _check(bytes(damaged), version)


@pytest.mark.parametrize("place", range(len(CONTENTS)))
def test_a_value_that_is_cut_off_is_refused(place: int) -> None:
    content, version = CONTENTS[place]
    for length in range(len(content)):
        with pytest.raises(RdbError):
            restored(sealed(content[:length], version))


LENGTHS = [b"\x80\xff\xff\xff\xff", b"\x81" + b"\xff" * 8, b"\x81\x7f" + b"\xff" * 7, b"\xf0\xff"]


def test_damage_of_any_kind_is_survived() -> None:
    rng = random.Random(2011)
    for _ in range(3000):
        content, version = rng.choice(CONTENTS)
        damaged = bytearray(content)
        for _ in range(rng.choice([1, 1, 2, 5])):
            place = rng.randrange(len(damaged) + 1)
            match rng.randrange(4):
                case 0:
                    del damaged[place : place + rng.randrange(1, 9)]
                case 1:
                    damaged[place:place] = rng.randbytes(rng.randrange(1, 9))
                case 2:
                    damaged[place : place + 1] = rng.choice(LENGTHS)
                case _:
                    damaged[place : place + 1] = bytes([rng.choice([0, 127, 128, 0xC3, 255])])
        _check(bytes(damaged), version)


def test_lengths_that_cannot_be_allocate_nothing() -> None:
    contents = [
        bytes([code]) + length + rest
        for code in range(26)
        for length in LENGTHS
        for rest in (
            b"",
            b"\x01a\x01b\x01c",
            b"\x01" + LENGTHS[0],
            LENGTHS[1],
            b"\xc3\x02" + LENGTHS[1],
        )
    ]
    tracemalloc.start()
    try:
        for content in contents:
            with pytest.raises(RdbError):
                restored(sealed(content, 12))
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_a_compressed_string_allocates_what_it_gives_and_no_more() -> None:
    bomb = b"\x00a" + b"\xe0\xff\x00" * 1000
    head = b"\x00\xc3" + b"\x4b\xba" + b"\x80" + (1 + 264 * 1000).to_bytes(4, "big")
    assert plain(restored(sealed(head + bomb, 10))) == b"a" * 264_001
    claims = b"\x00\xc3" + b"\x4b\xba" + b"\x80\xff\xff\xff\xff"
    tracemalloc.start()
    try:
        with pytest.raises(RdbError):
            restored(sealed(claims + bomb, 10))
        assert tracemalloc.get_traced_memory()[1] < len(bomb) * MOST_EXPANSION
    finally:
        tracemalloc.stop()
