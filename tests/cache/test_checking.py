"""Examining a store: what is right is left alone, each kind of damage is found, told and mended."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from driver import Driver
from dscache.cache.catalog import CATALOG_KEY, encode_lines, read_catalog
from dscache.cache.checking import Check
from dscache.store.base import DATA, EXPIRES, META, PAYLOADS
from dscache.store.layout import data_key, expiry_key
from dscache.store.memory import MemoryStore
from stored import stored_databases

BIG = "x" * 20_000
DUE_MS = 1_800_000_000_000


@pytest.fixture
def store() -> MemoryStore:
    """All types, inline and apart, expiring keys and fields, two databases, functions."""
    store = MemoryStore()
    driver = Driver(store)
    for words in (
        ["SET", "text", "1"],
        ["SET", "big", BIG],
        ["SET", "due", "1", "PXAT", DUE_MS],
        ["SET", "big due", BIG, "PXAT", DUE_MS],
        ["RPUSH", "list", *range(1000)],
        ["SADD", "set", *range(9000)],
        ["ZADD", "zset", 1, "a", 2, "b"],
        ["HSET", "hash", "f", "1", "g", "2"],
        ["HPEXPIREAT", "hash", DUE_MS, "FIELDS", 1, "f"],
        ["HSET", "big hash", "f", BIG],
        ["HPEXPIREAT", "big hash", DUE_MS, "FIELDS", 1, "f"],
        ["XADD", "stream", "1-1", "f", "v"],
        ["SELECT", 3],
        ["SET", "text", "2"],
    ):
        assert not str(driver.run(*words)).startswith("b'-")
    driver.flush()
    driver.close()
    return store


def generation(store: MemoryStore, database: int) -> int:
    return read_catalog(store)[database][0]


def examined(store: MemoryStore, *, repairs: bool = False) -> Check:
    check = Check(store, repairs, lambda done: None)
    check.run()
    return check


def test_a_sound_store_has_no_problems_and_is_not_changed(store: MemoryStore) -> None:
    before = {column: dict(content) for column, content in enumerate(store.columns)}
    check = examined(store, repairs=True)
    assert check.problems == []
    assert (check.keys, check.expires, check.databases) == (11, 2, 2)
    assert before == {column: dict(content) for column, content in enumerate(store.columns)}


def test_an_empty_store_has_no_problems() -> None:
    assert examined(MemoryStore()).problem_count == 0


def _spoil_record(store: MemoryStore) -> None:
    store.columns[DATA][data_key(generation(store, 0), b"list")] = b"\x01\x01broken"


def _move_record(store: MemoryStore) -> None:
    stored = data_key(generation(store, 0), b"zset")
    store.columns[DATA][stored[:-1] + b"X"] = store.columns[DATA].pop(stored)


def _spoil_payload(store: MemoryStore) -> None:
    stored = data_key(generation(store, 0), b"set")
    store.columns[PAYLOADS][stored] = store.columns[PAYLOADS][stored][:-10] + b"\xc1" * 10


def _shorten_payload(store: MemoryStore) -> None:
    stored = data_key(generation(store, 0), b"big due")
    store.columns[PAYLOADS][stored] = b"short"


def _lose_payload(store: MemoryStore) -> None:
    del store.columns[PAYLOADS][data_key(generation(store, 0), b"big hash")]


def _lose_index(store: MemoryStore) -> None:
    del store.columns[EXPIRES][expiry_key(generation(store, 0), DUE_MS, b"due")]


def _lose_field_index(store: MemoryStore) -> None:
    (entry,) = [one for one in store.columns[EXPIRES] if one.endswith(b"big hash")]
    del store.columns[EXPIRES][entry]


def _invent_index(store: MemoryStore) -> None:
    store.columns[EXPIRES][expiry_key(generation(store, 0), DUE_MS + 1, b"due")] = b""


def _invent_payload(store: MemoryStore) -> None:
    store.columns[PAYLOADS][data_key(generation(store, 0), b"text")] = b"whose?"


def _miscount(store: MemoryStore) -> None:
    lines = [[database, *line] for database, line in read_catalog(store).items()]
    lines[1][2] += 7
    store.columns[META][CATALOG_KEY] = encode_lines(lines)


def _leave_over(store: MemoryStore) -> None:
    store.columns[DATA][data_key(4711, b"old")] = b"\x01\x01x"


@pytest.mark.parametrize(
    ("spoil", "told", "lost"),
    [
        (_spoil_record, "database 0: 'list' cannot be read: ", [b"list"]),
        (_move_record, "database 0: 'zseX' cannot be read: it is not where it belongs", [b"zseX"]),
        (_spoil_payload, "database 0: 'set' cannot be read: ", [b"set"]),
        (
            _shorten_payload,
            "database 0: 'big due' cannot be read: it has 5 bytes in place of 20000",
            [b"big due"],
        ),
        (
            _lose_payload,
            "database 0: 'big hash' cannot be read: its payload is missing",
            [b"big hash"],
        ),
        (_lose_index, "database 0: the index lacks a due time of 'due'", []),
        (_lose_field_index, "database 0: the index lacks a due time of 'big hash'", []),
        (_invent_index, "database 0: the index has a due time that 'due' has not", []),
        (_invent_payload, "database 0: a payload of 'text' that it does not need", []),
        (_miscount, "the catalog says ", []),
        (_leave_over, "column data: records of a database that is no more", []),
    ],
)
def test_damage_is_told_and_mended(
    store: MemoryStore, spoil: Callable[[MemoryStore], None], told: str, lost: list[bytes]
) -> None:
    spoil(store)
    before = {column: dict(content) for column, content in enumerate(store.columns)}
    check = examined(store)
    assert told in check.problems[0]
    assert before == {column: dict(content) for column, content in enumerate(store.columns)}
    check = examined(store, repairs=True)
    assert [key for _, key in check.lost] == lost
    assert examined(store).problems == []
    # What is left is a data set as any other.
    databases = stored_databases(store)
    assert len(databases[3]) == 1
    assert set(lost).isdisjoint(databases[0])
    driver = Driver(store)
    assert driver.run("DBSIZE") == len(databases[0])
    driver.close()


def test_of_many_problems_the_first_are_told(store: MemoryStore) -> None:
    for number in range(1000):
        stored = data_key(generation(store, 0), b"%d" % number)
        store.columns[DATA][stored] = b"\xff"
    check = examined(store, repairs=True)
    assert check.lost_count == 1000
    assert len(check.problems) == len(check.lost) == 100
    assert examined(store).problem_count == 0
