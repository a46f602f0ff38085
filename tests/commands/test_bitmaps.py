"""SETBIT, GETBIT, BITCOUNT, BITPOS, BITOP, BITFIELD and BITFIELD_RO."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dscache.values.text import IN_PLACE_BYTES, Text
from places import MEMORY, PLACES, Client

WRONG_TYPE = b"-WRONGTYPE Operation against a key holding the wrong kind of value"
BAD_OFFSET = b"-ERR bit offset is not an integer or out of range"
BAD_BIT = b"-ERR bit is not an integer or out of range"
BAD_TYPE = (
    b"-ERR Invalid bitfield type. Use something like i16 u8."
    b" Note that u64 is not supported but i64 is."
)
NOT_AN_INTEGER = b"-ERR value is not an integer or out of range"
SYNTAX = b"-ERR syntax error"

#: Lengths that are kept in the three ways there are: as bytes, as Text, and apart on disk.
LENGTHS = [10, IN_PLACE_BYTES + 1, 20_000]


@pytest.fixture(params=PLACES)
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    client = Client(request.param, proto_max_bulk_len="1mb")
    yield client
    client.close()


# Single bits


def test_setbit_answers_what_the_bit_was(client: Client) -> None:
    assert client("SETBIT", "k", 7, 1) == 0
    assert client("GET", "k") == b"\1"
    assert client("SETBIT", "k", 7, 0) == 1
    assert client("GET", "k") == b"\0"
    assert client("SETBIT", "k", 20, 0) == 0
    assert client("GET", "k") == b"\0\0\0"
    assert client("GETBIT", "k", 7) == 0
    assert client("GETBIT", "k", 1000) == 0
    assert client("GETBIT", "none", 0) == 0


@pytest.mark.parametrize("length", LENGTHS)
def test_bits_change_whatever_the_length(client: Client, length: int) -> None:
    expected = bytearray(b"x" * length)
    client("SET", "k", bytes(expected), "EX", 100)
    due_ms = client.due_ms(b"k")
    for place in (0, length // 2, length - 1, length, length + 9):
        assert client("SETBIT", "k", 8 * place, 1) == 0
        expected += bytes(max(place + 1 - len(expected), 0))
        expected[place] |= 0x80
        assert client("GETBIT", "k", 8 * place) == 1
    assert client("GET", "k") == expected
    assert client.due_ms(b"k") == due_ms


def test_setbit_tells_of_changes_only(client: Client) -> None:
    for bit, events in ((0, 1), (0, 0), (1, 1), (1, 0)):
        client("SETBIT", "k", 9, bit)
        assert client.events == [(b"setbit", b"k")] * events


def test_offsets_and_bits_are_checked(client: Client) -> None:
    limit = 8 * 1024 * 1024
    for offset in (-1, limit, "x", "", 2**63):
        assert client("SETBIT", "k", offset, 1) == BAD_OFFSET
        assert client("GETBIT", "k", offset) == BAD_OFFSET
    for bit in (2, -1, "x"):
        assert client("SETBIT", "k", 0, bit) == BAD_BIT
    assert not client.exists(b"k")
    assert client("SETBIT", "k", limit - 1, 1) == 0
    assert client("STRLEN", "k") == limit // 8


def test_a_long_string_is_changed_in_place() -> None:
    client = Client(MEMORY)
    client("SETBIT", "k", 8 * 100_000, 1)
    client("SETBIT", "k", 3, 1)
    value = client.driver.session.keyspace.for_read(b"k")
    assert isinstance(value, Text)
    client("SETBIT", "k", 4, 1)
    client("BITFIELD", "k", "SET", "u8", 800, 77)
    assert client.driver.session.keyspace.for_read(b"k") is value
    client.close()


def test_other_types_are_refused(client: Client) -> None:
    client("GEOADD", "zset", 1, 1, "x")
    for words in (
        ("SETBIT", "zset", 0, 1),
        ("GETBIT", "zset", 0),
        ("BITCOUNT", "zset"),
        ("BITPOS", "zset", 1),
        ("BITOP", "AND", "other", "none", "zset"),
        ("BITFIELD", "zset", "SET", "u8", 0, 1),
        ("BITFIELD", "zset"),
        ("BITFIELD_RO", "zset", "GET", "u8", 0),
    ):
        assert client(*words) == WRONG_TYPE
    assert client("BITOP", "OR", "zset", "none") == 0
    assert client.events == [(b"del", b"zset")]


# Ranges


def test_bitcount_counts_all_or_a_range(client: Client) -> None:
    client("SET", "k", "foobar")
    for words, expected in (
        ((), 26),
        ((0, 0), 4),
        ((1, 1), 6),
        ((0, -5), 10),
        ((-2, -1), 7),
        ((-2, -3), 0),
        ((-100, -200), 0),
        ((5, 30, "BYTE"), 4),
        ((5, 30, "BIT"), 17),
        ((-10, -1, "bit"), 5),
        ((0, 2**63 - 1), 26),
        ((10, 20), 0),
    ):
        assert client("BITCOUNT", "k", *words) == expected
    assert client("BITCOUNT", "none", 0, 1) == 0


def test_bitcount_reads_its_arguments_first(client: Client) -> None:
    assert client("BITCOUNT", "none", 0) == SYNTAX
    assert client("BITCOUNT", "none", 0, 1, "NIBBLE") == SYNTAX
    assert client("BITCOUNT", "none", 0, 1, "BIT", 1) == SYNTAX
    assert client("BITCOUNT", "none", "x", 1) == NOT_AN_INTEGER
    assert client("BITCOUNT", "none", 0, "x", "NIBBLE") == NOT_AN_INTEGER


def test_bitpos_finds_the_first_bit(client: Client) -> None:
    client("SET", "k", b"\xff\xf0\x00")
    for words, expected in (
        ((0,), 12),
        ((1,), 0),
        ((1, 2), -1),
        ((0, 1), 12),
        ((1, -1), -1),
        ((0, 0, 0), -1),
        ((1, 8, -1, "BIT"), 8),
        ((0, 0, 11, "BIT"), -1),
        ((0, 0, 12, "bit"), 12),
        ((1, 1, 1, "BYTE"), 8),
        ((0, 3), -1),
        ((0, 5, 2), -1),
    ):
        assert client("BITPOS", "k", *words) == expected


def test_bitpos_sees_zeros_behind_a_string_unless_the_end_is_given(client: Client) -> None:
    client("SET", "k", b"\xff\xff")
    assert client("BITPOS", "k", 0) == 16
    assert client("BITPOS", "k", 0, 1) == 16
    assert client("BITPOS", "k", 0, 0, -1) == -1
    assert client("BITPOS", "none", 0) == 0
    assert client("BITPOS", "none", 1) == -1
    client("SET", "empty", "")
    assert client("BITPOS", "empty", 0) == -1


def test_bitpos_refuses_what_makes_no_sense(client: Client) -> None:
    assert client("BITPOS", "k", 2) == b"-ERR The bit argument must be 1 or 0."
    assert client("BITPOS", "k", "x") == NOT_AN_INTEGER
    assert client("BITPOS", "k", 0, "x") == NOT_AN_INTEGER
    assert client("BITPOS", "k", 0, 0, "x", "NIBBLE") == SYNTAX
    assert client("BITPOS", "k", 0, 0, 1, "BIT", 1) == SYNTAX


# Combinations


def test_bitop_combines_strings_of_different_lengths(client: Client) -> None:
    client("SET", "a", b"\xf0\x0f\xaa")
    client("SET", "b", b"\x3c\xff")
    for operation, expected in (
        ("AND", b"\x30\x0f\x00"),
        ("or", b"\xfc\xff\xaa"),
        ("Xor", b"\xcc\xf0\xaa"),
    ):
        assert client("BITOP", operation, "result", "a", "b") == 3
        assert client.events == [(b"set", b"result")]
        assert client("GET", "result") == expected
    assert client("BITOP", "NOT", "a", "a") == 3
    assert client("GET", "a") == b"\x0f\xf0\x55"
    assert client("BITOP", "AND", "result", "b", "none") == 2
    assert client("GET", "result") == b"\0\0"


def test_bitop_of_nothing_deletes(client: Client) -> None:
    client("SET", "result", "x", "EX", 100)
    assert client("BITOP", "AND", "result", "none", "neither") == 0
    assert client.events == [(b"del", b"result")]
    assert client("BITOP", "NOT", "result", "none") == 0
    assert client.events == []


def test_bitop_overwrites_what_was_there(client: Client) -> None:
    client("GEOADD", "result", 1, 1, "x")
    client("SET", "a", "x")
    client("EXPIRE", "result", 100)
    assert client("BITOP", "OR", "result", "a") == 1
    assert client.due_ms(b"result") == 0
    assert client("GET", "result") == b"x"


def test_bitop_refuses_what_it_does_not_know(client: Client) -> None:
    assert client("BITOP", "DIFF", "k", "a") == SYNTAX
    one_only = b"-ERR BITOP NOT must be called with a single source key."
    assert client("BITOP", "NOT", "k", "a", "b") == one_only


# Integers


def test_bitfield_sets_gets_and_increments(client: Client) -> None:
    assert client("BITFIELD", "k", "SET", "u8", 0, 255, "GET", "u8", 0, "GET", "i8", 0) == [
        0,
        255,
        -1,
    ]
    assert client.events == [(b"setbit", b"k")]
    assert client("BITFIELD", "k", "INCRBY", "i5", 4, 3, "GET", "u4", "#2") == [1, 8]
    assert client("GET", "k") == b"\xf0\x80"
    assert client("BITFIELD", "k", "SET", "i64", "#1", -(2**63), "GET", "i64", 64) == [
        0,
        -(2**63),
    ]
    assert client("BITFIELD_RO", "k", "GET", "u63", 65, "GET", "u8", 1000) == [0, 0]
    assert client("BITFIELD_RO", "none", "GET", "i64", 0) == [0]
    assert client("BITFIELD", "k") == []


def test_bitfield_handles_overflow_as_it_is_told(client: Client) -> None:
    client("BITFIELD", "k", "SET", "u2", 100, 3, "SET", "i8", "#20", 127)
    assert client("BITFIELD", "k", "OVERFLOW", "FAIL", "INCRBY", "u2", 100, 1) == [None]
    assert client.events == []
    assert client(
        "BITFIELD", "k", "OVERFLOW", "sat", "INCRBY", "u2", 100, 1, "INCRBY", "i8", "#20", 1,
        "OVERFLOW", "WRAP", "INCRBY", "u2", 100, 1, "INCRBY", "i8", "#20", 1,
    ) == [3, 127, 0, -128]  # fmt: skip
    assert client("BITFIELD", "k", "OVERFLOW", "SAT", "INCRBY", "i8", "#20", -1) == [-128]
    assert client("BITFIELD", "k", "OVERFLOW", "SAT", "SET", "u8", 0, -1, "GET", "u8", 0) == [
        0,
        255,
    ]


def test_what_fails_lengthens_the_string_all_the_same(client: Client) -> None:
    assert client("BITFIELD", "k", "OVERFLOW", "FAIL", "SET", "u8", 20, 256) == [None]
    assert client.events == []
    assert client("GET", "k") == b"\0\0\0\0"


def test_bitfield_keeps_the_due_time(client: Client) -> None:
    client("SET", "k", "x", "EX", 100)
    due_ms = client.due_ms(b"k")
    client("BITFIELD", "k", "SET", "u8", 80_000, 1)
    assert client.due_ms(b"k") == due_ms
    client("BITFIELD", "k", "SET", "u8", 80_000, 2)
    assert client.due_ms(b"k") == due_ms
    assert client("STRLEN", "k") == 10_001


def test_bitfield_reads_all_arguments_before_it_does_anything(client: Client) -> None:
    for words, error in (
        (("GET", "u64", 0), BAD_TYPE),
        (("GET", "i65", 0), BAD_TYPE),
        (("GET", "u0", 0), BAD_TYPE),
        (("GET", "8", 0), BAD_TYPE),
        (("GET", "U8", 0), BAD_TYPE),
        (("GET", "u8", -1), BAD_OFFSET),
        (("GET", "u8", "#x"), BAD_OFFSET),
        (("GET", "u8", "#1048576"), BAD_OFFSET),
        (("GET", "u8"), SYNTAX),
        (("SET", "u8", 0), SYNTAX),
        (("SET", "u8", 0, "x"), NOT_AN_INTEGER),
        (("OVERFLOW",), SYNTAX),
        (("OVERFLOW", "CLIP"), b"-ERR Invalid OVERFLOW type specified"),
        (("PUT", "u8", 0, 1), SYNTAX),
    ):
        assert client("BITFIELD", "k", "SET", "u8", 0, 1, *words) == error
    assert not client.exists(b"k")
    read_only = b"-ERR BITFIELD_RO only supports the GET subcommand"
    assert client("BITFIELD_RO", "k", "GET", "u8", 0, "SET", "u8", 0, 1) == read_only
    assert client("BITFIELD_RO", "k", "SET", "u64", 0, 1) == BAD_TYPE
