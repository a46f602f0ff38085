"""Listpacks, ziplists, zipmaps and intsets: as Redis writes them, and damaged."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dscache.errors import RdbError
from dscache.rdb.listpack import Element, ListpackWriter, decode_listpack, texts_of
from dscache.rdb.ziplist import decode_intset, decode_ziplist, decode_zipmap, encode_intset
from packed import ziplist

_I64 = st.integers(-(2**63), 2**63 - 1)

#: Every length at which an element's head or its length at its end grows by a byte.
LENGTHS = [0, 1, 20, 21, 63, 64, 125, 126, 127, 4095, 4096, 16377, 16378, 16379, 16380, 70_000]
#: The first and last integers of every kind.
INTEGERS = [
    *(
        sign * 2**bits + more
        for bits in (7, 12, 15, 23, 31)
        for sign in (1, -1)
        for more in (-1, 0)
    ),
    *(0, 1, -1, 12, 13, 2**63 - 1, -(2**63)),
]


def _listpack(*texts: bytes) -> bytes:
    writer = ListpackWriter()
    for text in texts:
        writer.text(text)
    return writer.finish()


def test_a_listpack_is_written_as_redis_does() -> None:
    assert _listpack(b"a", b"b", b"10") == b"\x0f\0\0\0\x03\0\x81a\x02\x81b\x02\x0a\x01\xff"
    assert _listpack(b"a", b"1.5", b"b", b"2") == (
        b"\x14\0\0\0\x04\0\x81a\x02\x831.5\x04\x81b\x02\x02\x01\xff"
    )
    assert _listpack() == b"\x07\0\0\0\0\0\xff"


def test_a_listpack_holds_elements_of_any_length() -> None:
    texts = [b"x" * length for length in LENGTHS]
    packed = _listpack(*texts)
    assert decode_listpack(packed) == texts
    for text in texts:
        assert decode_listpack(_listpack(b"before", text, b"after")) == [b"before", text, b"after"]


def test_a_listpack_holds_integers_of_any_size() -> None:
    packed = _listpack(*(b"%d" % number for number in INTEGERS))
    assert decode_listpack(packed) == INTEGERS
    assert texts_of(decode_listpack(packed)) == [b"%d" % number for number in INTEGERS]


def test_a_listpack_of_more_elements_than_it_can_count_is_counted() -> None:
    writer = ListpackWriter()
    for number in range(66_000):
        writer.integer(number % 100)
    packed = writer.finish()
    assert writer.count() == 66_000
    assert writer.size() == len(packed)
    assert packed[4:6] == b"\xff\xff"
    assert len(decode_listpack(packed)) == 66_000


@given(st.lists(st.one_of(_I64, st.binary(max_size=80))))
def test_any_listpack_comes_back(elements: list[Element]) -> None:
    writer = ListpackWriter()
    for element in elements:
        if isinstance(element, int):
            writer.integer(element)
        else:
            writer.text(element)
    expected = [e if isinstance(e, bytes) else b"%d" % e for e in elements]
    assert texts_of(decode_listpack(writer.finish())) == expected


def test_a_ziplist_is_read() -> None:
    packed = bytes.fromhex("0f0000000c000000020000f302f6ff")  # the example in Redis's ziplist.c
    assert decode_ziplist(packed) == [b"2", b"5"]
    texts = [b"x" * length for length in LENGTHS]
    assert decode_ziplist(ziplist([*texts, *INTEGERS])) == [*texts, *(b"%d" % n for n in INTEGERS)]
    assert decode_ziplist(ziplist([])) == []


def test_a_zipmap_is_read() -> None:
    packed = b"\x02\x03foo\x03\x00bar\x05hello\x05\x00world\xff"  # the example in Redis's zipmap.c
    assert decode_zipmap(packed) == [b"foo", b"bar", b"hello", b"world"]
    assert decode_zipmap(b"\x01\x01f\x01\x02vxx\xff") == [b"f", b"v"]
    long = b"\xfe" + struct.pack("<I", 300)
    assert decode_zipmap(b"\xfe" + long + b"f" * 300 + long + b"\0" + b"v" * 300 + b"\xff") == [
        b"f" * 300,
        b"v" * 300,
    ]


@given(st.sets(_I64, min_size=1))
def test_any_intset_comes_back(members: set[int]) -> None:
    assert decode_intset(encode_intset(sorted(members))) == sorted(members)


def test_an_intset_is_as_wide_as_its_widest_member() -> None:
    for bits, width in ((15, 2), (31, 4), (63, 8)):
        assert encode_intset([-(2**bits), 2**bits - 1])[:4] == struct.pack("<I", width)
        if bits < 63:
            assert encode_intset([2**bits])[:4] == struct.pack("<I", width * 2)
            assert encode_intset([-(2**bits) - 1])[:4] == struct.pack("<I", width * 2)


@pytest.mark.parametrize(
    "packed",
    [
        b"",
        b"\2\0\0\0",
        struct.pack("<IIh", 3, 1, 1),  # a width that is none
        struct.pack("<IIh", 2, 2, 1),  # a member is missing
        struct.pack("<IIhhh", 2, 2, 1, 2, 3),
        struct.pack("<IIhh", 2, 2, 2, 1),  # not sorted
        struct.pack("<IIhh", 2, 2, 1, 1),
        struct.pack("<II", 2, 0xFFFFFFFF),
    ],
)
def test_what_is_no_intset_is_refused(packed: bytes) -> None:
    with pytest.raises(RdbError):
        decode_intset(packed)


GOOD: dict[str, tuple[Callable[[bytes], Sequence[Element]], bytes]] = {
    "listpack": (
        decode_listpack,
        _listpack(b"abc", b"x" * 70, b"5", b"4000", b"-70000", b"1" * 18),
    ),
    "ziplist": (
        decode_ziplist,
        ziplist([b"abc", b"x" * 300, 5, 4000, -70000, 2**40, b"z" * 20000]),
    ),
    "zipmap": (decode_zipmap, b"\x02\x03foo\x03\x01barx\x05hello\x05\x00world\xff"),
}


@pytest.mark.parametrize("kind", GOOD)
def test_a_packed_value_that_is_cut_off_is_refused(kind: str) -> None:
    decode, packed = GOOD[kind]
    for length in range(min(len(packed), 400)):
        with pytest.raises(RdbError):
            decode(packed[:length])
        # With the right size and end. (A zipmap does not know its size.)
        if kind != "zipmap" and 10 < length < len(packed) - 1:
            with pytest.raises(RdbError):
                decode(struct.pack("<I", length + 1) + packed[4:length] + b"\xff")


@pytest.mark.parametrize("kind", GOOD)
def test_a_packed_value_with_any_bit_wrong_is_read_or_refused(kind: str) -> None:
    decode, packed = GOOD[kind]
    for place in range(min(len(packed), 420) * 8):
        damaged = bytearray(packed)
        damaged[place // 8] ^= 1 << place % 8
        try:
            found = decode(bytes(damaged))
        except RdbError:
            continue
        assert sum(len(e) if isinstance(e, bytes) else 1 for e in found) <= len(packed) * 20


@pytest.mark.parametrize(
    "packed",
    [
        b"\x09\0\0\0\x01\0\x81a\xff",  # no room for the length at the end
        b"\x0a\0\0\0\x01\0\x81a\x03\xff",  # which is wrong
        b"\x0a\0\0\0\x02\0\x81a\x02\xff",  # not so many
        b"\x09\0\0\0\x01\0\xf5\x01\xff",  # no such kind
        b"\x0f\0\0\0\x01\0\xf0\xff\xff\xff\xffa\x02a\xff",  # longer than 2 GiB
        b"\x0d\0\0\0\x01\0\xf0\x00\x00\x00\x10\x06\xff",
        b"\x0a\0\0\0\x01\0\x81a\x82\xff",  # a length at the end that has no first byte
    ],
)
def test_what_is_no_listpack_is_refused(packed: bytes) -> None:
    assert struct.unpack_from("<I", packed)[0] == len(packed)
    with pytest.raises(RdbError):
        decode_listpack(packed)


@pytest.mark.parametrize(
    "packed",
    [
        b"\x01\x01f\xff",  # no value
        b"\x02\x01f\x01\0v\xff",  # not so many
        b"\x01\xfe\xff\xff\xff\xfff\xff",
        b"\x01\x01f\x01\x05v\xff",  # unused bytes beyond the end
        b"\x01\xff\x01v\xff",
    ],
)
def test_what_is_no_zipmap_is_refused(packed: bytes) -> None:
    with pytest.raises(RdbError):
        decode_zipmap(packed)
