"""PFADD, PFCOUNT, PFMERGE, PFDEBUG and PFSELFTEST."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dscache.values.hyperloglog import EMPTY, REGISTERS
from places import MEMORY, PLACES, Client

WRONG_TYPE = b"-WRONGTYPE Operation against a key holding the wrong kind of value"
NO_HYPERLOGLOG = b"-WRONGTYPE Key is not a valid HyperLogLog string value."
CORRUPTED = b"-INVALIDOBJ Corrupted HLL object detected"


@pytest.fixture(params=PLACES)
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    client = Client(request.param)
    yield client
    client.close()


def add_many(client: Client, key: str, first: int, stop: int) -> None:
    client("PFADD", key, *range(first, stop))


def test_pfadd_answers_whether_anything_changed(client: Client) -> None:
    assert client("PFADD", "k") == 1
    assert client.events == [(b"pfadd", b"k")]
    assert client("GET", "k") == EMPTY[:15] + b"\x80" + EMPTY[16:]
    assert client("PFADD", "k") == 0
    assert client("PFADD", "k", "a", "b") == 1
    assert client.events == [(b"pfadd", b"k")]
    assert client("PFADD", "k", "b", "a") == 0
    assert client.events == []
    assert client("TYPE", "k") == b"string"


def test_pfcount_estimates_and_keeps_the_estimate(client: Client) -> None:
    assert client("PFCOUNT", "k") == 0
    client("PFADD", "k", "a", "b", "c")
    stale = client("GET", "k")
    assert isinstance(stale, bytes)
    assert client("PFCOUNT", "k") == 3
    assert client.events == []
    kept = client("GET", "k")
    assert kept == stale[:8] + b"\3" + bytes(7) + stale[16:]
    assert client("PFCOUNT", "k") == 3
    client("PFADD", "k", "d")
    assert client("PFCOUNT", "k") == 4


def test_due_times_stay(client: Client) -> None:
    client("PFADD", "k", "a")
    client("EXPIRE", "k", 100)
    due_ms = client.due_ms(b"k")
    client("PFADD", "k", "b")
    client("PFCOUNT", "k")
    client("PFMERGE", "k", "none")
    client("PFDEBUG", "TODENSE", "k")
    assert client.due_ms(b"k") == due_ms


def test_a_set_hyperloglog_is_one(client: Client) -> None:
    add_many(client, "k", 0, 2000)
    assert client("PFDEBUG", "ENCODING", "k") == b"dense"
    string = client("GET", "k")
    assert isinstance(string, bytes)
    client("SET", "copy", string)
    assert client("PFCOUNT", "copy") == 2007
    assert client("PFADD", "copy", "0") == 0
    client("SETRANGE", "copy", 8, b"\x2a" + bytes(7))
    assert client("PFCOUNT", "copy") == 42


def test_pfcount_of_several_is_that_of_their_union(client: Client) -> None:
    add_many(client, "a", 0, 100)
    add_many(client, "b", 50, 150)
    add_many(client, "big", 0, 2000)
    assert client("PFCOUNT", "a", "b", "none") == 151
    assert client("PFCOUNT", "a", "big") == 2007
    assert client("PFCOUNT", "none", "neither") == 0


def test_pfmerge_adds_what_is_in_others(client: Client) -> None:
    add_many(client, "a", 0, 100)
    add_many(client, "b", 50, 150)
    add_many(client, "big", 0, 2000)
    assert client("PFMERGE", "into", "a", "b", "none") == b"OK"
    assert client.events == [(b"pfadd", b"into")]
    assert client("PFDEBUG", "ENCODING", "into") == b"sparse"
    assert client("PFCOUNT", "into") == 151
    assert client("PFMERGE", "a", "big") == b"OK"
    assert client("PFDEBUG", "ENCODING", "a") == b"dense"
    assert client("PFCOUNT", "a") == 2007
    assert client("PFMERGE", "new") == b"OK"
    assert client("GET", "new") == EMPTY[:15] + b"\x80" + EMPTY[16:]


def test_hll_sparse_max_bytes_says_when_it_becomes_dense() -> None:
    client = Client(MEMORY, hll_sparse_max_bytes="22")
    for element, encoding in (("a", b"sparse"), ("b", b"dense")):
        client("PFADD", "k", element)
        assert client("PFDEBUG", "ENCODING", "k") == encoding
    client("CONFIG", "SET", "hll-sparse-max-bytes", 100)
    client("PFADD", "other", "a", "b")
    assert client("PFDEBUG", "ENCODING", "other") == b"sparse"
    client.close()


def test_what_is_none_is_refused(client: Client) -> None:
    client("SET", "string", "x")
    client("SET", "integer", 12345)
    client("GEOADD", "zset", 1, 1, "x")
    client("PFADD", "k", "a")
    for key, error in (
        ("string", NO_HYPERLOGLOG),
        ("integer", NO_HYPERLOGLOG),
        ("zset", WRONG_TYPE),
    ):
        for words in (
            ("PFADD", key, "a"),
            ("PFADD", key),
            ("PFCOUNT", key),
            ("PFCOUNT", "k", key),
            ("PFMERGE", "new", "k", key),
            ("PFMERGE", key, "k"),
            ("PFDEBUG", "ENCODING", key),
        ):
            assert client(*words) == error
    assert not client.exists(b"new")


def test_a_corrupted_one_is_told(client: Client) -> None:
    short = EMPTY[:15] + b"\x80" + b"\x40\x00"
    client("SET", "k", short)
    for words in (
        ("PFADD", "k", "a"),
        ("PFCOUNT", "k"),
        ("PFCOUNT", "k", "none"),
        ("PFMERGE", "new", "k"),
        ("PFMERGE", "k"),
        ("PFDEBUG", "GETREG", "k"),
        ("PFDEBUG", "TODENSE", "k"),
    ):
        assert client(*words) == CORRUPTED
    assert client("GET", "k") == short
    assert not client.exists(b"new")


def test_pfdebug_looks_inside(client: Client) -> None:
    client("PFADD", "k", "a", "b", "c", "d", "e", "f", "g")
    runs = client("PFDEBUG", "decode", "k")
    assert isinstance(runs, bytes)
    assert runs.startswith(b"Z:1646 v:1,1 Z:5645 v:1,1 Z:1085 v:2,1 z:57 v:1,1 ")
    assert client("PFDEBUG", "ENCODING", "k") == b"sparse"
    assert client("PFDEBUG", "TODENSE", "k") == 1
    assert client.events == []
    assert client("PFDEBUG", "TODENSE", "k") == 0
    assert client("PFDEBUG", "ENCODING", "k") == b"dense"
    registers = client("PFDEBUG", "GETREG", "k")
    assert isinstance(registers, list)
    assert len(registers) == REGISTERS
    assert registers[1646] == 1
    assert sum(registers) == 9
    assert client("PFDEBUG", "DECODE", "k") == b"-ERR HLL encoding is not sparse"
    assert client("PFDEBUG", "Foo", "k") == b"-ERR Unknown PFDEBUG subcommand 'Foo'"
    assert client("PFDEBUG", "Foo", "none") == b"-ERR The specified key does not exist"


def test_getreg_makes_it_dense(client: Client) -> None:
    client("PFADD", "k", "a")
    client("PFDEBUG", "GETREG", "k")
    assert client("PFDEBUG", "ENCODING", "k") == b"dense"


def test_pfselftest_passes() -> None:
    client = Client(MEMORY)
    assert client("PFSELFTEST") == b"OK"
    client.close()
