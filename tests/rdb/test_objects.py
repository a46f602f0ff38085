"""Values in every form that Redis or Valkey has ever written: read, written, and refused if bad."""

from __future__ import annotations

import math
import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dscache.config import Config
from dscache.errors import RdbError
from dscache.rdb import typecodes
from dscache.rdb.dump import dumped, restored, sealed
from dscache.rdb.listpack import ListpackWriter
from dscache.rdb.objects import read_object
from dscache.rdb.reader import Reader
from dscache.rdb.writer import Writer
from dscache.rdb.ziplist import encode_intset
from dscache.values.hash import Hash
from dscache.values.list import List, list_of
from dscache.values.set import Set
from dscache.values.text import Text
from dscache.values.zset import ZSet
from packed import ziplist
from plain import plain

CONFIG = Config()

#: After 2**32 seconds, and before what Redis takes for a field.
LATE_MS = 33_177_117_420_000


def _bytes(code: int, *parts: bytes | int) -> bytes:
    """A type byte, and lengths and strings."""
    writer = Writer()
    writer.byte(code)
    for part in parts:
        if isinstance(part, int):
            writer.length(part)
        else:
            writer.string(part)
    return writer.take()


def _listpack(*elements: bytes | int) -> bytes:
    writer = ListpackWriter()
    for element in elements:
        if isinstance(element, int):
            writer.integer(element)
        else:
            writer.text(element)
    return writer.finish()


def _read(content: bytes, version: int = 12) -> object:
    return plain(restored(sealed(content, version)))


def _ms(*times: int) -> bytes:
    return struct.pack(f"<{len(times)}q", *times)


HASH = {b"f": (b"v", 0), b"5": (b"17", 0)}
DUE = {b"f": (b"v", LATE_MS + 5), b"g": (b"", 0), b"h": (b"7", LATE_MS)}
ZSET = [(b"c", "-inf"), (b"a", "1.5"), (b"7", "17.0"), (b"b", "inf")]
ZIPMAP = b"\x02\x01f\x01\0v\x015\x02\x0317xxx\xff"

FORMS = {
    "string": (_bytes(typecodes.STRING, b"text"), b"text"),
    "string, integer": (_bytes(typecodes.STRING, b"-70000"), b"-70000"),
    "string, compressed": (_bytes(typecodes.STRING, b"ab" * 50), b"ab" * 50),
    "list": (_bytes(typecodes.LIST, 3, b"a", b"", b"12"), [b"a", b"", b"12"]),
    "list, ziplist": (_bytes(typecodes.LIST_ZIPLIST, ziplist([b"a", 12])), [b"a", b"12"]),
    "list, quicklist": (
        _bytes(typecodes.LIST_QUICKLIST, 3, ziplist([b"a", 12]), ziplist([]), ziplist([b"c"])),
        [b"a", b"12", b"c"],
    ),
    "list, quicklist 2": (
        _bytes(typecodes.LIST_QUICKLIST_2, 4, 2, _listpack(b"a", 12), 1, b"plain", 2, _listpack())
        + _bytes(2, _listpack(b"c")),
        [b"a", b"12", b"plain", b"c"],
    ),
    "set": (_bytes(typecodes.SET, 2, b"a", b"12"), {b"a", b"12"}),
    "set, intset": (_bytes(typecodes.SET_INTSET, encode_intset([-9, 70000])), {b"-9", b"70000"}),
    "set, listpack": (_bytes(typecodes.SET_LISTPACK, _listpack(b"a", 12)), {b"a", b"12"}),
    "sorted set, text": (
        _bytes(typecodes.ZSET_TEXT, 4, b"a")
        + b"\x031.5"
        + b"\x01b\xfe\x01c\xff"
        + b"\xc0\x07\x0217",
        ZSET,
    ),
    "sorted set": (
        _bytes(typecodes.ZSET, 2, b"b")
        + struct.pack("<d", math.inf)
        + b"\x01a"
        + struct.pack("<d", -0.5),
        [(b"a", "-0.5"), (b"b", "inf")],
    ),
    "sorted set, ziplist": (
        _bytes(typecodes.ZSET_ZIPLIST, ziplist([b"c", b"-inf", b"a", b"1.5", 7, 17, b"b", b"inf"])),
        ZSET,
    ),
    "sorted set, listpack": (
        _bytes(
            typecodes.ZSET_LISTPACK, _listpack(b"c", b"-inf", b"a", b"1.5", 7, 17, b"b", b"inf")
        ),
        ZSET,
    ),
    "hash": (_bytes(typecodes.HASH, 2, b"f", b"v", b"5", b"17"), HASH),
    "hash, zipmap": (_bytes(typecodes.HASH_ZIPMAP, ZIPMAP), HASH),
    "hash, ziplist": (_bytes(typecodes.HASH_ZIPLIST, ziplist([b"f", b"v", 5, 17])), HASH),
    "hash, listpack": (_bytes(typecodes.HASH_LISTPACK, _listpack(b"f", b"v", 5, 17)), HASH),
    "expiring hash": (
        bytes([typecodes.HASH_DUE])
        + _ms(LATE_MS)
        + _bytes(3, 6, b"f", b"v", 0, b"g", b"", 1, b"h", b"7"),
        DUE,
    ),
    "expiring hash, listpack": (
        bytes([typecodes.HASH_LISTPACK_DUE])
        + _ms(LATE_MS)
        + _bytes(0, _listpack(b"h", 7, LATE_MS, b"f", b"v", LATE_MS + 5, b"g", b"", 0))[1:],
        DUE,
    ),
    "expiring hash, before 7.4": (
        _bytes(typecodes.HASH_DUE_ABSOLUTE, 3, LATE_MS + 5, b"f", b"v", 0, b"g", b"", LATE_MS)
        + b"\x01h\xc0\x07",
        DUE,
    ),
    "expiring hash, listpack, before 7.4": (
        _bytes(
            typecodes.HASH_LISTPACK_DUE_ABSOLUTE,
            _listpack(b"h", 7, LATE_MS, b"f", b"v", LATE_MS + 5, b"g", b"", 0),
        ),
        DUE,
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_read(form: str) -> None:
    content, expected = FORMS[form]
    assert _read(content) == expected


class _File:
    """Hands bytes out three by three."""

    def __init__(self, content: bytes) -> None:
        self._rest = content

    def more(self) -> bytes:
        piece, self._rest = self._rest[:3], self._rest[3:]
        return piece


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_read_piece_by_piece(form: str) -> None:
    content, expected = FORMS[form]
    reader = Reader(b"", _File(content + b"next").more)
    assert plain(read_object(reader, reader.byte(), 12)) == expected
    assert reader.raw(4) == b"next"
    assert reader.at_end()


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_refused_where_it_is_cut_off(form: str) -> None:
    content = FORMS[form][0]
    for length in range(len(content)):
        with pytest.raises(RdbError):
            _read(content[:length])


@pytest.mark.parametrize("form", FORMS)
def test_bytes_behind_the_value_are_refused(form: str) -> None:
    with pytest.raises(RdbError):
        _read(FORMS[form][0] + b"\0")


def test_the_expiring_hashes_of_valkey_are_read() -> None:
    content = (
        _bytes(typecodes.HASH_DUE_ABSOLUTE, 3, b"f", b"v")
        + _ms(LATE_MS + 5)
        + b"\x01g\x00"
        + _ms(-1)
        + b"\x01h\xc0\x07"
        + _ms(LATE_MS)
    )
    assert _read(content, typecodes.VALKEY_VERSION) == DUE


@pytest.mark.parametrize(
    "content",
    [
        # Without elements there is no value.
        *(_bytes(code, 0) for code in (1, 2, 3, 4, 5, 14, 18)),
        *(_bytes(code, ziplist([])) for code in (10, 12, 13)),
        *(_bytes(code, _listpack()) for code in (16, 17, 20)),
        _bytes(typecodes.HASH_ZIPMAP, b"\0\xff"),
        _bytes(typecodes.SET_INTSET, struct.pack("<II", 2, 0)),
        _bytes(typecodes.LIST_QUICKLIST, 1, ziplist([])),
        _bytes(typecodes.LIST_QUICKLIST_2, 1, 2, _listpack()),
        _bytes(typecodes.HASH_DUE_ABSOLUTE, 0),
        # Nodes of a list.
        _bytes(typecodes.LIST_QUICKLIST_2, 1, 1, b""),
        _bytes(typecodes.LIST_QUICKLIST_2, 1, 3, _listpack(b"a")),
        _bytes(typecodes.LIST_QUICKLIST_2, 1, 2, ziplist([b"a"])),
        # A member twice.
        _bytes(typecodes.SET, 2, b"a", b"a"),
        _bytes(typecodes.SET_LISTPACK, _listpack(b"a", b"a")),
        _bytes(typecodes.HASH, 2, b"a", b"1", b"a", b"2"),
        _bytes(typecodes.HASH_LISTPACK, _listpack(b"a", 1, b"a", 2)),
        _bytes(typecodes.HASH_ZIPMAP, b"\x02\x01f\x01\0v\x01f\x01\0v\xff"),
        _bytes(typecodes.ZSET_LISTPACK, _listpack(b"a", 1, b"a", 2)),
        _bytes(typecodes.HASH_DUE_ABSOLUTE, 2, 0, b"f", b"v", LATE_MS, b"f", b"v"),
        # A member without something.
        _bytes(typecodes.HASH_LISTPACK, _listpack(b"a", b"b", b"c")),
        _bytes(typecodes.ZSET_ZIPLIST, ziplist([b"a"])),
        _bytes(typecodes.HASH_LISTPACK_DUE_ABSOLUTE, _listpack(b"a", b"b")),
        # Scores and due times that are none.
        _bytes(typecodes.ZSET, 1, b"a") + struct.pack("<d", math.nan),
        _bytes(typecodes.ZSET_TEXT, 1, b"a") + b"\xfd",
        _bytes(typecodes.ZSET_TEXT, 1, b"a") + b"\x01x",
        _bytes(typecodes.ZSET_LISTPACK, _listpack(b"a", b"x")),
        _bytes(typecodes.ZSET_LISTPACK, _listpack(b"a", b"nan")),
        _bytes(typecodes.HASH_LISTPACK_DUE_ABSOLUTE, _listpack(b"f", b"v", b"x")),
        _bytes(typecodes.HASH_LISTPACK_DUE_ABSOLUTE, _listpack(b"f", b"v", -1)),
        _bytes(typecodes.HASH_DUE_ABSOLUTE, 1, 1 << 48, b"f", b"v"),
        bytes([typecodes.HASH_DUE]) + _ms(-10) + _bytes(1, 5, b"f", b"v"),
        # More elements than there can be.
        *(
            _bytes(code, count, b"a", b"b")
            for code in (1, 2, 4, 22)
            for count in (3, 2**63, 2**64 - 1)
        ),
        # Modules, and types that are none.
        _bytes(typecodes.MODULE_BEFORE_4_0, b"a"),
        _bytes(8, b"a"),
        _bytes(26, b"a"),
        _bytes(255, b"a"),
        b"",
    ],
)
def test_bad_values_are_refused(content: bytes) -> None:
    with pytest.raises(RdbError):
        _read(content)


def test_a_module_is_refused_by_its_name() -> None:
    # "ReJSON-RL", version 3 of its encoding, as in dumps of RedisJSON.
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    number = 0
    for letter in "ReJSON-RL":
        number = number << 6 | letters.index(letter)
    with pytest.raises(RdbError, match="'ReJSON-RL'"):
        _read(_bytes(typecodes.MODULE, number << 10 | 3))


# What is written


def _code_and_version(value: object) -> tuple[int, int]:
    payload = dumped(value, CONFIG)
    return payload[0], int.from_bytes(payload[-10:-8], "little")


def _set_of(*members: bytes) -> Set:
    value = Set()
    for member in members:
        value.add(member)
    return value


def _zset_of(count: int, length: int) -> ZSet:
    value = ZSet()
    for number in range(count):
        value.add(b"%0*d" % (length, number), number / 3)
    return value


def _hash_of(count: int, length: int) -> Hash:
    value = Hash()
    for number in range(count):
        value.set(b"%d" % number, b"x" * length)
    return value


def test_what_is_small_by_the_directives_is_written_packed() -> None:
    integers = [b"%d" % number for number in range(513)]
    assert _code_and_version(_set_of(*integers[:512])) == (typecodes.SET_INTSET, 10)
    assert _code_and_version(_set_of(*integers)) == (typecodes.SET, 10)
    assert _code_and_version(_set_of(b"1", b"a")) == (typecodes.SET, 10)
    assert _code_and_version(_hash_of(128, 64)) == (typecodes.HASH_LISTPACK, 10)
    assert _code_and_version(_hash_of(129, 64)) == (typecodes.HASH, 10)
    assert _code_and_version(_hash_of(1, 65)) == (typecodes.HASH, 10)
    assert _code_and_version(_zset_of(128, 64)) == (typecodes.ZSET_LISTPACK, 10)
    assert _code_and_version(_zset_of(129, 64)) == (typecodes.ZSET, 10)
    assert _code_and_version(_zset_of(1, 65)) == (typecodes.ZSET, 10)
    assert _code_and_version(list_of([b"a"])) == (typecodes.LIST_QUICKLIST_2, 10)
    assert _code_and_version(b"a") == (typecodes.STRING, 10)
    assert _code_and_version(Text(b"a")) == (typecodes.STRING, 10)


def test_only_hashes_whose_fields_expire_need_what_redis_7_2_does_not_read() -> None:
    value = _hash_of(3, 5)
    value.set_due(b"1", LATE_MS)
    assert _code_and_version(value) == (typecodes.HASH_DUE, 12)
    value.persist(b"1")
    assert _code_and_version(value) == (typecodes.HASH, 10)


def test_simple_values_are_written_as_redis_does() -> None:
    # From a valkey-server 9; version and checksum apart.
    assert dumped(b"hello", CONFIG)[:-10] == b"\x00\x05hello"
    assert dumped(list_of([b"a", b"b", b"10"]), CONFIG)[:-10] == (
        b"\x12\x01\x02\x0f\x0f\0\0\0\x03\0\x81a\x02\x81b\x02\n\x01\xff"
    )
    assert dumped(_set_of(b"1", b"2"), CONFIG)[:-10] == (
        b"\x0b\x0c\x02\0\0\0\x02\0\0\0\x01\0\x02\0"
    )
    value = ZSet()
    value.add(b"a", 1.5)
    value.add(b"b", 2.0)
    assert dumped(value, CONFIG)[:-10] == (
        b"\x11\x14\x14\0\0\0\x04\0\x81a\x02\x831.5\x04\x81b\x02\x02\x01\xff"
    )
    field = Hash()
    field.set(b"f", b"v")
    assert dumped(field, CONFIG)[:-10] == b"\x10\r\r\0\0\0\x02\0\x81f\x02\x81v\x02\xff"


def test_a_long_list_is_written_in_nodes_and_its_long_elements_plain() -> None:
    noise = random.Random(7)
    elements = [noise.randbytes(size) for size in (3000, 3000, 3000, 8170, 8180, 20_000, 1, 0)]
    payload = dumped(list_of(elements), CONFIG)
    assert payload[:3] == b"\x12\x06\x02"  # 2 elements, 1, plain, plain, plain, 2
    assert plain(restored(payload)) == elements


_texts = st.one_of(
    st.binary(max_size=70),
    st.integers(-(2**64), 2**64).map(lambda n: b"%d" % n),
    st.sampled_from([b"x" * 64, b"x" * 65, b"-0", b"1.0", b""]),
)
_scores = st.one_of(
    st.floats(allow_nan=False),
    st.integers(-(2**60), 2**60).map(float),
    st.sampled_from([0.0, -0.0]),
)


@given(st.lists(_texts, min_size=1))
def test_any_list_and_set_come_back(texts: list[bytes]) -> None:
    value = List()
    for text in texts:
        value.push_tail(text)
    assert plain(restored(dumped(value, CONFIG))) == texts
    assert plain(restored(dumped(_set_of(*texts), CONFIG))) == set(texts)


@given(st.dictionaries(_texts, _scores, min_size=1))
def test_any_sorted_set_comes_back(scores: dict[bytes, float]) -> None:
    value = ZSet()
    for member, score in scores.items():
        value.add(member, score)
    assert plain(restored(dumped(value, CONFIG))) == plain(value)


@given(st.dictionaries(_texts, st.tuples(_texts, st.sampled_from([0, 0, 1, LATE_MS])), min_size=1))
def test_any_hash_comes_back(fields: dict[bytes, tuple[bytes, int]]) -> None:
    value = Hash()
    for field, (content, due_ms) in fields.items():
        value.set(field, content)
        if due_ms > 0:
            value.set_due(field, due_ms)
    assert plain(restored(dumped(value, CONFIG))) == fields
