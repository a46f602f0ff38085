"""Commands on lists that answer at once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dscache.values.list import CHUNK_MOST
from dscache.wire.reply import NULL_ARRAY
from places import PLACES, Client

WRONG_TYPE = b"-WRONGTYPE Operation against a key holding the wrong kind of value"
NOT_AN_INTEGER = b"-ERR value is not an integer or out of range"
SYNTAX = b"-ERR syntax error"
NOT_POSITIVE = b"-ERR value is out of range, must be positive"
OUT_OF_RANGE = (
    b"-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807"
)

#: Short ones, one of several chunks, and one that is kept apart on disk.
LENGTHS = [3, 2 * CHUNK_MOST + 5, 8000]


@pytest.fixture(params=PLACES)
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    client = Client(request.param)
    yield client
    client.close()


def numbers(count: int) -> list[bytes]:
    return [b"%d" % number for number in range(count)]


def items(client: Client, key: str) -> object:
    return client("LRANGE", key, 0, -1)


# Pushing and popping


def test_pushing_makes_the_list_or_lengthens_it(client: Client) -> None:
    assert client("LPUSH", "k", "a", "b") == 2
    assert client.events == [(b"lpush", b"k")]
    assert client("RPUSH", "k", "c", "d", "") == 5
    assert client.events == [(b"rpush", b"k")]
    assert items(client, "k") == [b"b", b"a", b"c", b"d", b""]
    assert client("LLEN", "k") == 5
    assert client("LLEN", "none") == 0


def test_pushx_only_lengthens(client: Client) -> None:
    assert client("LPUSHX", "k", "a") == client("RPUSHX", "k", "a", "b") == 0
    assert client.events == []
    assert not client.exists(b"k")
    client("RPUSH", "k", "a")
    assert client("LPUSHX", "k", "b", "c") == 3
    assert client.events == [(b"lpush", b"k")]
    assert client("RPUSHX", "k", "d") == 4
    assert client.events == [(b"rpush", b"k")]
    assert items(client, "k") == [b"c", b"b", b"a", b"d"]


def test_a_list_keeps_its_due_time(client: Client) -> None:
    client("RPUSH", "k", "a")
    client("EXPIRE", "k", 100)
    due_ms = client("PEXPIRETIME", "k")
    client("RPUSH", "k", "b")
    client("LPOP", "k")
    client("LSET", "k", 0, "c")
    assert client("PEXPIRETIME", "k") == due_ms == client.now_ms() + 100_000


def test_popping_takes_the_ends_and_then_the_key(client: Client) -> None:
    client("RPUSH", "k", "a", "b", "c")
    assert client("LPOP", "k") == b"a"
    assert client.events == [(b"lpop", b"k")]
    assert client("RPOP", "k") == b"c"
    assert client.events == [(b"rpop", b"k")]
    assert client("RPOP", "k") == b"b"
    assert client.events == [(b"rpop", b"k"), (b"del", b"k")]
    assert not client.exists(b"k")
    assert client("LPOP", "k") is None
    assert client("RPOP", "k") is None


@pytest.mark.parametrize("length", LENGTHS)
def test_several_are_popped_from_the_end_inwards(client: Client, length: int) -> None:
    client("RPUSH", "k", *numbers(length))
    assert client("LPOP", "k", 2) == [b"0", b"1"]
    assert client("RPOP", "k", length - 3) == numbers(length)[:2:-1]
    assert client("RPOP", "k", 100) == [b"2"]
    assert client.events == [(b"rpop", b"k"), (b"del", b"k")]


def test_pops_with_a_count_have_null_replies_of_their_own(client: Client) -> None:
    client("RPUSH", "k", "a")
    for pop in ("LPOP", "RPOP"):
        assert client(pop, "none", 0) == client(pop, "none", 1) == NULL_ARRAY
        assert client(pop, "k", 0) == []
        assert client.events == []
        assert client(pop, "k", -1) == client(pop, "k", "x") == NOT_POSITIVE
        assert client(pop, "k", 1, 1) == (
            b"-ERR wrong number of arguments for '" + pop.lower().encode() + b"' command"
        )


def test_lmpop_takes_from_the_first_list_that_there_is(client: Client) -> None:
    client("RPUSH", "b", 1, 2, 3)
    client("RPUSH", "c", 4)
    assert client("LMPOP", 3, "a", "b", "c", "LEFT") == [b"b", [b"1"]]
    assert client.events == [(b"lpop", b"b")]
    assert client("LMPOP", 2, "b", "c", "right", "count", 10) == [b"b", [b"3", b"2"]]
    assert client.events == [(b"rpop", b"b"), (b"del", b"b")]
    assert client("LMPOP", 2, "b", "c", "LEFT") == [b"c", [b"4"]]
    assert client("LMPOP", 1, "a", "LEFT") == NULL_ARRAY
    client("SET", "string", 1)
    client("RPUSH", "c", 4)
    assert client("LMPOP", 3, "a", "string", "c", "LEFT") == WRONG_TYPE
    assert client("LMPOP", 3, "a", "c", "string", "LEFT") == [b"c", [b"4"]]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("0 k LEFT", b"-ERR numkeys should be greater than 0"),
        ("x k LEFT", b"-ERR numkeys should be greater than 0"),
        ("2 k LEFT", SYNTAX),
        ("9223372036854775807 k LEFT", SYNTAX),
        ("1 k UP", SYNTAX),
        ("1 k k LEFT", SYNTAX),
        ("1 k LEFT COUNT", SYNTAX),
        ("1 k LEFT COUNT 1 COUNT 1", SYNTAX),
        ("1 k LEFT NUMBER 1", SYNTAX),
        ("1 k LEFT COUNT 0", b"-ERR count should be greater than 0"),
        ("1 k LEFT COUNT x", b"-ERR count should be greater than 0"),
        ("1 k LEFT COUNT 0 x", b"-ERR count should be greater than 0"),
    ],
)
def test_lmpop_and_blmpop_refuse_the_same(client: Client, words: str, error: bytes) -> None:
    client("RPUSH", "k", 1)
    assert client("LMPOP", *words.split()) == error
    assert client("BLMPOP", 1, *words.split()) == error
    assert client("LLEN", "k") == 1


# Moving


def test_an_element_moves_from_one_list_to_another(client: Client) -> None:
    client("RPUSH", "a", 1, 2, 3)
    assert client("RPOPLPUSH", "a", "b") == b"3"
    assert client.events == [(b"lpush", b"b"), (b"rpop", b"a")]
    assert client("LMOVE", "a", "b", "LEFT", "RIGHT") == b"1"
    assert client.events == [(b"rpush", b"b"), (b"lpop", b"a")]
    assert items(client, "b") == [b"3", b"1"]
    assert client("lmove", "a", "b", "right", "left") == b"2"
    assert client.events == [(b"lpush", b"b"), (b"rpop", b"a"), (b"del", b"a")]
    assert items(client, "b") == [b"2", b"3", b"1"]
    assert client("LMOVE", "a", "b", "LEFT", "LEFT") is None
    assert client("RPOPLPUSH", "a", "b") is None


def test_a_list_can_be_turned(client: Client) -> None:
    client("RPUSH", "k", 1, 2, 3)
    assert client("RPOPLPUSH", "k", "k") == b"3"
    assert client.events == [(b"lpush", b"k"), (b"rpop", b"k")]
    assert items(client, "k") == [b"3", b"1", b"2"]
    assert client("LMOVE", "k", "k", "LEFT", "LEFT") == b"3"
    assert items(client, "k") == [b"3", b"1", b"2"]
    client("RPUSH", "one", 1)
    assert client("LMOVE", "one", "one", "LEFT", "RIGHT") == b"1"
    assert client.events == [(b"rpush", b"one"), (b"lpop", b"one")]
    assert items(client, "one") == [b"1"]


def test_moves_look_at_the_source_first(client: Client) -> None:
    client("SET", "string", 1)
    client("RPUSH", "k", 1)
    assert client("LMOVE", "none", "string", "LEFT", "LEFT") is None
    assert client("LMOVE", "k", "string", "LEFT", "LEFT") == WRONG_TYPE
    assert client("LMOVE", "string", "k", "LEFT", "LEFT") == WRONG_TYPE
    assert client("LMOVE", "k", "k", "UP", "LEFT") == SYNTAX
    assert client("LMOVE", "k", "k", "LEFT", "DOWN") == SYNTAX
    assert items(client, "k") == [b"1"]


# By index


@pytest.mark.parametrize("length", LENGTHS)
def test_elements_have_indexes_from_both_ends(client: Client, length: int) -> None:
    client("RPUSH", "k", *numbers(length))
    for index in sorted({0, 1, length // 2, length - 1}):
        assert client("LINDEX", "k", index) == b"%d" % index
        assert client("LINDEX", "k", index - length) == b"%d" % index
        assert client("LSET", "k", index - length, b"x%d" % index) == b"OK"
        assert client.events == [(b"lset", b"k")]
        assert client("LINDEX", "k", index) == b"x%d" % index
    assert client("LINDEX", "k", length) is client("LINDEX", "k", -length - 1) is None
    assert client("LSET", "k", length, "x") == b"-ERR index out of range"
    assert client("LSET", "k", -length - 1, "x") == b"-ERR index out of range"
    assert client.events == []


def test_a_missing_list_has_no_indexes(client: Client) -> None:
    assert client("LINDEX", "none", "x") is None
    assert client("LSET", "none", "x", "x") == b"-ERR no such key"
    client("RPUSH", "k", "a")
    assert client("LINDEX", "k", "x") == NOT_AN_INTEGER
    assert client("LSET", "k", "x", "x") == NOT_AN_INTEGER


@pytest.mark.parametrize("length", LENGTHS)
def test_ranges_are_inclusive_and_clipped(client: Client, length: int) -> None:
    every = numbers(length)
    client("RPUSH", "k", *every)
    for start in (0, 1, length - 2, length, -1, -2, -length, -length - 5):
        for stop in (0, 1, length - 2, length, 2 * length, -1, -2, -length, -length - 5):
            first = max(start + length if start < 0 else start, 0)
            last = stop + length if stop < 0 else stop
            assert client("LRANGE", "k", start, stop) == every[first : max(last + 1, 0)]
    assert client("LRANGE", "none", 0, -1) == []
    assert client("LRANGE", "k", -(2**63), 2**63 - 1) == every
    assert client("LRANGE", "none", "x", 0) == client("LRANGE", "k", 0, "x") == NOT_AN_INTEGER


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize(
    ("start", "stop"), [(0, -1), (1, -2), (0, 0), (-1, -1), (1, 1), (-2, 10**6), (0, -2)]
)
def test_trimming_leaves_a_range(client: Client, length: int, start: int, stop: int) -> None:
    client("RPUSH", "k", *numbers(length))
    expected = client("LRANGE", "k", start, stop)
    assert client("LTRIM", "k", start, stop) == b"OK"
    assert client.events == [(b"ltrim", b"k")]
    assert items(client, "k") == expected


@pytest.mark.parametrize(("start", "stop"), [(2, 1), (5, 10), (0, -10), (-1, -2)])
def test_trimming_to_nothing_takes_the_key(client: Client, start: int, stop: int) -> None:
    client("RPUSH", "k", 1, 2, 3)
    assert client("LTRIM", "k", start, stop) == b"OK"
    assert client.events == [(b"ltrim", b"k"), (b"del", b"k")]
    assert not client.exists(b"k")
    assert client("LTRIM", "k", 0, 0) == b"OK"
    assert client.events == []
    assert client("LTRIM", "k", "x", 0) == client("LTRIM", "k", 0, "x") == NOT_AN_INTEGER


# By content


def test_an_element_is_inserted_beside_another(client: Client) -> None:
    client("RPUSH", "k", "a", "b", "a")
    assert client("LINSERT", "k", "BEFORE", "a", "x") == 4
    assert client.events == [(b"linsert", b"k")]
    assert client("LINSERT", "k", "after", "b", "y") == 5
    assert items(client, "k") == [b"x", b"a", b"b", b"y", b"a"]
    assert client("LINSERT", "k", "AFTER", "none", "y") == -1
    assert client("LINSERT", "none", "AFTER", "a", "y") == 0
    assert client.events == []
    assert client("LINSERT", "k", "BESIDE", "a", "y") == SYNTAX


@pytest.mark.parametrize("length", LENGTHS)
def test_insertions_in_the_middle_of_long_lists(client: Client, length: int) -> None:
    expected = numbers(length)
    client("RPUSH", "k", *expected)
    for number in range(20):
        pivot = b"%d" % (length // 2)
        assert client("LINSERT", "k", "AFTER", pivot, b"new%d" % number) == length + number + 1
        expected.insert(expected.index(pivot) + 1, b"new%d" % number)
    assert items(client, "k") == expected


def test_equal_elements_are_removed_from_either_end(client: Client) -> None:
    def fill() -> None:
        client("DEL", "k")
        client("RPUSH", "k", "a", "b", "a", "c", "a")

    for count, removed, left in ((0, 3, b"bc"), (2, 2, b"bca"), (-2, 2, b"abc"), (9, 3, b"bc")):
        fill()
        assert client("LREM", "k", count, "a") == removed
        assert client.events == [(b"lrem", b"k")]
        assert items(client, "k") == [bytes([letter]) for letter in left]
    assert client("LREM", "k", 0, "none") == 0
    assert client("LREM", "none", 0, "a") == 0
    assert client.events == []
    assert client("LREM", "k", 1, "b") == client("LREM", "k", 1, "c") == 1
    assert client.events == [(b"lrem", b"k"), (b"del", b"k")]
    assert client("LREM", "none", "x", "a") == NOT_AN_INTEGER
    assert client("LREM", "none", -(2**63), "a") == OUT_OF_RANGE


def test_lpos_finds_where_an_element_is(client: Client) -> None:
    client("RPUSH", "k", "a", "b", "c", "1", "2", "3", "c", "c")
    for words, reply in (
        ("c", 2),
        ("d", None),
        ("c RANK 2", 6),
        ("c RANK 4", None),
        ("c RANK -1", 7),
        ("c RANK -3", 2),
        ("c rank -4", None),
        ("c COUNT 2", [2, 6]),
        ("c COUNT 0", [2, 6, 7]),
        ("c COUNT 0 RANK 2", [6, 7]),
        ("c COUNT 2 RANK -1", [7, 6]),
        ("d COUNT 0", []),
        ("c COUNT 0 MAXLEN 7", [2, 6]),
        ("c COUNT 0 MAXLEN 1 RANK -1", [7]),
        ("c MAXLEN 2", None),
        ("c MAXLEN 0", 2),
        ("c RANK 5 RANK 1", 2),
    ):
        assert client("LPOS", "k", *words.split()) == reply
    assert client("LPOS", "none", "c") is None
    assert client("LPOS", "none", "c", "COUNT", 1) == []


def test_lpos_refuses_what_makes_no_sense(client: Client) -> None:
    zero_rank = (
        b"-ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... "
        b"or use negative to start from the end of the list"
    )
    for words, error in (
        ("RANK 0", zero_rank),
        ("RANK x", NOT_AN_INTEGER),
        ("RANK -9223372036854775808", OUT_OF_RANGE),
        ("COUNT -1", b"-ERR COUNT can't be negative"),
        ("COUNT x", b"-ERR COUNT can't be negative"),
        ("MAXLEN -1", b"-ERR MAXLEN can't be negative"),
        ("RANK", SYNTAX),
        ("RANG 1", SYNTAX),
    ):
        assert client("LPOS", "none", "c", *words.split()) == error


# Anything


@pytest.mark.parametrize(
    "command",
    [
        "LPUSH k x",
        "RPUSH k x",
        "LPUSHX k x",
        "RPUSHX k x",
        "LPOP k",
        "LPOP k 0",
        "RPOP k 2",
        "LLEN k",
        "LINDEX k x",
        "LSET k x x",
        "LRANGE k 0 -1",
        "LTRIM k 0 -1",
        "LINSERT k BEFORE a b",
        "LREM k 0 a",
        "LPOS k a",
        "RPOPLPUSH k other",
        "LMOVE k other LEFT LEFT",
        "LMPOP 1 k LEFT",
        "BLPOP k 0",
        "BRPOP other k 0",
        "BLMPOP 0 1 k LEFT",
        "BLMOVE k other LEFT LEFT 0",
        "BRPOPLPUSH k other 0",
    ],
)
def test_other_types_are_refused(client: Client, command: str) -> None:
    client("SET", "k", "x")
    assert client(*command.split()) == WRONG_TYPE
    assert client("GET", "k") == b"x"
    client("SET", "k", "x" * 20_000)
    assert client(*command.split()) == WRONG_TYPE
    assert client.events == []


def test_the_encoding_is_that_of_redis(client: Client) -> None:
    client("RPUSH", "k", *["x" * 100] * 70)
    assert client("OBJECT", "ENCODING", "k") == b"listpack"
    client("LPUSH", "k", *["x" * 100] * 20)
    assert client("OBJECT", "ENCODING", "k") == b"quicklist"
    client("LPOP", "k", 30)
    assert client("OBJECT", "ENCODING", "k") == b"quicklist"
    client("LTRIM", "k", 0, 30)
    assert client("OBJECT", "ENCODING", "k") == b"listpack"


def test_a_copy_goes_its_own_way(client: Client) -> None:
    client("RPUSH", "k", 1, 2, 3)
    client("COPY", "k", "copy")
    client("LPOP", "k")
    client("RPUSH", "copy", 4)
    assert items(client, "k") == [b"2", b"3"]
    assert items(client, "copy") == [b"1", b"2", b"3", b"4"]
