"""The catalog: which space each database shows, and how much is in it, across restarts."""

from __future__ import annotations

import msgpack
import pytest

from dscache.cache.catalog import CATALOG_KEY
from dscache.errors import StoreDamagedError
from dscache.store.base import META
from manual_workers import CountingStore, ScriptedEngine
from stored import stored_databases


def test_a_start_knows_the_size_of_the_data_set_without_counting() -> None:
    scripted = ScriptedEngine()
    for number in range(20):
        scripted.run("SET", f"k{number}", "v", *(["PX", "100000"] if number < 5 else []))
    scripted.run("SET", "k", "v", session=scripted.new_session(database=3))
    scripted.save()
    scripted.store.keys_read.clear()
    scripted.store.keys_scanned.clear()
    again = scripted.reopened()
    spaces = [keyspace.space for keyspace in again.engine.keyspaces]
    assert (spaces[0].keys, spaces[0].expires, spaces[3].keys) == (20, 5, 1)
    assert sum(scripted.store.keys_read.values()) == 1
    assert not scripted.store.keys_scanned
    assert again.start("DBSIZE") == [20]


def test_generations_are_never_used_twice() -> None:
    scripted = ScriptedEngine(databases="4")
    for _ in range(5):
        scripted.run("SET", "k", "v")
        scripted.save()
        scripted.run("FLUSHDB")
        scripted.run("SET", "k", "v")
        scripted.save()
        before = {keyspace.space.generation for keyspace in scripted.engine.keyspaces}
        scripted = scripted.reopened()
        after = {keyspace.space.generation for keyspace in scripted.engine.keyspaces}
        assert before <= after
        assert stored_databases(scripted.store)[0] == {b"k": (b"v", 0)}


def test_a_flush_that_was_not_committed_before_a_crash_did_not_happen() -> None:
    scripted = ScriptedEngine()
    scripted.run("SET", "k", "v")
    scripted.save()
    scripted.run("FLUSHDB")
    again = scripted.reopened()
    assert again.run("GET", "k") == b"v"
    again.run("FLUSHDB")
    again.save()
    assert again.reopened().run("DBSIZE") == 0


def test_a_swap_survives_a_restart() -> None:
    scripted = ScriptedEngine()
    scripted.run("SET", "k", "v")
    scripted.save()
    scripted.run("SWAPDB", 0, 2)
    scripted.save()
    again = scripted.reopened()
    assert again.run("GET", "k") is None
    assert again.run("GET", "k", session=again.new_session(database=2)) == b"v"


def test_databases_that_are_configured_away_are_kept() -> None:
    store = CountingStore()
    many = ScriptedEngine(store, databases="8")
    many.run("SET", "k", "v", "PX", 100_000, session=many.new_session(database=7))
    many.save()
    few = ScriptedEngine(store, databases="2")
    few.run("SET", "k", "v")
    few.run("FLUSHALL")
    few.save()
    assert stored_databases(store)[7].keys() == {b"k"}
    many = ScriptedEngine(store, databases="8")
    assert many.run("GET", "k", session=many.new_session(database=7)) == b"v"


def test_more_databases_than_before_begin_empty_and_apart() -> None:
    store = CountingStore()
    few = ScriptedEngine(store, databases="2")
    few.run("SET", "k", "v")
    few.save()
    many = ScriptedEngine(store, databases="8")
    assert many.run("DBSIZE", session=many.new_session(database=7)) == 0
    many.run("SET", "k", "w", session=many.new_session(database=7))
    many.save()
    held = stored_databases(store)
    assert (held[0], held[7]) == ({b"k": (b"v", 0)}, {b"k": (b"w", 0)})


@pytest.mark.parametrize("record", [b"\xc1", msgpack.packb(5), msgpack.packb([[1, 2]]), b""])
def test_a_catalog_that_cannot_be_read_is_an_error_and_not_an_empty_data_set(
    record: bytes,
) -> None:
    store = CountingStore()
    store.columns[META][CATALOG_KEY] = record
    with pytest.raises(StoreDamagedError, match="catalog"):
        ScriptedEngine(store)
