"""What every engine promises (``dscache.store.base``), asked of each of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dscache.store.base import COLUMN_NAMES, DATA, EXPIRES, META, PAYLOADS, Store
from dscache.store.batch import Batch
from dscache.store.memory import MemoryStore
from dscache.store.rocksdb import RocksStore

BUDGET_BYTES = 2 * 1024 * 1024
EVERYTHING = (b"", b"\xff" * 30)
NO_LIMIT = 1_000_000


@pytest.fixture(params=["memory", "rocksdb"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store."""
    store: Store = MemoryStore()
    if request.param == "rocksdb":
        store = RocksStore(tmp_path / "data", BUDGET_BYTES)
    yield store
    store.close()


def put(store: Store, column: int = DATA, **pairs: bytes) -> None:
    """Commit these keys and values."""
    batch = Batch()
    for key, value in pairs.items():
        batch.put(column, key.encode(), value)
    store.commit(batch)


def all_of(store: Store, column: int = DATA) -> dict[bytes, bytes]:
    return dict(store.scan(column, *EVERYTHING, NO_LIMIT, NO_LIMIT))


def test_what_was_committed_can_be_read(store: Store) -> None:
    put(store, a=b"1", b=b"")
    assert store.read_many(DATA, [b"b", b"missing", b"a", b"a"]) == [b"", None, b"1", b"1"]
    assert store.read_many(DATA, []) == []


def test_keys_and_values_may_hold_any_byte(store: Store) -> None:
    batch = Batch()
    pairs = {bytes([byte]): bytes(range(byte)) for byte in range(256)} | {b"": b"empty key"}
    for key, value in pairs.items():
        batch.put(DATA, key, value)
    store.commit(batch)
    assert store.read_many(DATA, list(pairs)) == list(pairs.values())


def test_a_large_value_comes_back_whole(store: Store) -> None:
    large = bytes(range(256)) * 20_000
    put(store, PAYLOADS, k=large)
    assert store.read_many(PAYLOADS, [b"k"]) == [large]


def test_columns_know_nothing_of_each_other(store: Store) -> None:
    for column in range(len(COLUMN_NAMES)):
        put(store, column, k=b"%d" % column)
    assert [store.read_many(column, [b"k"]) for column in range(len(COLUMN_NAMES))] == [
        [b"0"],
        [b"1"],
        [b"2"],
        [b"3"],
    ]


def test_an_empty_batch_may_be_committed(store: Store) -> None:
    store.commit(Batch())
    assert all_of(store) == {}


def test_operations_take_effect_in_their_order(store: Store) -> None:
    put(store, old=b"1")
    batch = Batch()
    batch.put(DATA, b"a", b"1")
    batch.put(DATA, b"a", b"2")
    batch.put(DATA, b"b", b"1")
    batch.delete(DATA, b"b")
    batch.delete(DATA, b"old")
    batch.put(DATA, b"old", b"2")
    batch.delete(DATA, b"missing")
    store.commit(batch)
    assert all_of(store) == {b"a": b"2", b"old": b"2"}


def test_prepended_operations_take_effect_first(store: Store) -> None:
    batch = Batch()
    batch.put(DATA, b"a", b"new")
    removals = Batch()
    removals.delete(DATA, b"a")
    removals.put(DATA, b"b", b"new")
    size_bytes = batch.size_bytes + removals.size_bytes
    batch.prepend(removals)
    assert batch.size_bytes == size_bytes
    store.commit(batch)
    assert all_of(store) == {b"a": b"new", b"b": b"new"}


def test_ranges_are_deleted_in_their_turn(store: Store) -> None:
    put(store, a=b"1", b=b"1", c=b"1", d=b"1")
    put(store, EXPIRES, b=b"1")
    batch = Batch()
    batch.put(DATA, b"b", b"2")
    batch.delete_range(DATA, b"b", b"d")
    batch.put(DATA, b"c", b"2")
    store.commit(batch)
    # The end of a range is not in it, and other columns keep theirs.
    assert all_of(store) == {b"a": b"1", b"c": b"2", b"d": b"1"}
    assert all_of(store, EXPIRES) == {b"b": b"1"}


def test_a_scan_goes_through_a_range_in_the_order_of_bytes(store: Store) -> None:
    batch = Batch()
    keys = [b"a", b"a\0", b"a\xff", b"b", b"\x80", b"\xff"]
    for key in reversed(keys):
        batch.put(DATA, key, b"v" + key)
    store.commit(batch)
    assert [key for key, _ in store.scan(DATA, *EVERYTHING, NO_LIMIT, NO_LIMIT)] == keys
    assert store.scan(DATA, b"a\0", b"b", NO_LIMIT, NO_LIMIT) == [
        (b"a\0", b"va\0"),
        (b"a\xff", b"va\xff"),
    ]
    assert store.scan(DATA, b"b", b"b", NO_LIMIT, NO_LIMIT) == []
    assert store.scan(DATA, b"c", b"d", NO_LIMIT, NO_LIMIT) == []


def test_a_scan_ends_at_its_limits(store: Store) -> None:
    put(store, a=b"x" * 10, b=b"x" * 10, c=b"x" * 10, d=b"x" * 10)

    def scanned(limit: int, max_bytes: int) -> int:
        return len(store.scan(DATA, *EVERYTHING, limit, max_bytes))

    assert scanned(0, NO_LIMIT) == 0
    assert scanned(3, NO_LIMIT) == 3
    assert scanned(NO_LIMIT, 25) == 3
    # One pair always fits, or a large value could never be passed.
    assert scanned(NO_LIMIT, 0) == 1


def test_a_snapshot_does_not_see_later_commits(store: Store) -> None:
    put(store, a=b"1", b=b"1", c=b"1")
    snapshot = store.snapshot()
    batch = Batch()
    batch.put(DATA, b"a", b"2")
    batch.put(DATA, b"d", b"2")
    batch.delete(DATA, b"b")
    batch.delete_range(DATA, b"c", b"d")
    store.commit(batch)
    expected = [(b"a", b"1"), (b"b", b"1"), (b"c", b"1")]
    assert snapshot.scan(DATA, *EVERYTHING, NO_LIMIT, NO_LIMIT) == expected
    assert snapshot.scan(DATA, b"b", b"z", 1, NO_LIMIT) == expected[1:2]
    assert all_of(store) == {b"a": b"2", b"d": b"2"}
    snapshot.close()


def test_its_figures_grow_with_what_is_stored(store: Store) -> None:
    assert store.counters() == (0, 0)
    put(store, META, k=b"x" * 1000)
    store.read_many(META, [b"k", b"missing"])
    store.scan(META, *EVERYTHING, NO_LIMIT, NO_LIMIT)
    assert store.counters() == (2000, 1001)
    assert store.disk_bytes() >= 1000
    assert store.memory_bytes() >= 0


def test_there_is_nothing_to_catch_up_with_after_a_commit(store: Store) -> None:
    put(store, a=b"1")
    store.catch_up()
    assert all_of(store) == {b"a": b"1"}


def test_readers_see_each_key_as_before_or_after_a_commit(store: Store) -> None:
    keys = [b"%d" % number for number in range(200)]
    done = threading.Event()
    wrong: list[object] = []

    def commit(value: bytes) -> None:
        batch = Batch()
        for key in keys:
            batch.put(DATA, key, value * 100)
        store.commit(batch)

    def read() -> None:
        last = dict.fromkeys(keys, -1)
        while not done.is_set():
            for key, value in zip(keys, store.read_many(DATA, keys), strict=True):
                if value is None or value != value[:3] * 100 or int(value[:3]) < last[key]:
                    wrong.append((key, value))
                else:
                    last[key] = int(value[:3])

    commit(b"000")
    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(1, 50):
        commit(b"%03d" % number)
    done.set()
    for reader in readers:
        reader.join()
    assert wrong == []


Change = tuple[str, int, bytes, bytes]
changes = st.tuples(
    st.sampled_from(["put", "put", "delete", "range"]),
    st.integers(0, 1),
    st.binary(max_size=2),
    st.binary(max_size=2),
)


@pytest.mark.parametrize("engine", ["memory", "rocksdb"])
@given(batches=st.lists(st.lists(changes, max_size=8), max_size=6), reopen=st.integers(0, 6))
@settings(max_examples=40)
def test_it_behaves_like_a_sorted_dictionary(
    tmp_path_factory: pytest.TempPathFactory,
    engine: str,
    batches: list[list[Change]],
    reopen: int,
) -> None:
    directory = tmp_path_factory.mktemp("store") / "data"
    store: Store = MemoryStore() if engine == "memory" else RocksStore(directory, BUDGET_BYTES)
    model: list[dict[bytes, bytes]] = [{}, {}]
    for number, batch_of_changes in enumerate(batches):
        batch = Batch()
        for kind, column, begin, end in batch_of_changes:
            if kind == "range" and begin < end:
                batch.delete_range(column, begin, end)
                for key in [key for key in model[column] if begin <= key < end]:
                    del model[column][key]
        for kind, column, key, value in batch_of_changes:
            if kind == "put":
                batch.put(column, key, value)
                model[column][key] = value
            elif kind == "delete":
                batch.delete(column, key)
                model[column].pop(key, None)
        store.commit(batch)
        if number == reopen and engine == "rocksdb":
            store.close()
            store = RocksStore(directory, BUDGET_BYTES)
        for column in range(2):
            found = store.scan(column, *EVERYTHING, NO_LIMIT, NO_LIMIT)
            assert found == sorted(model[column].items())
            keys = [key for _, _, key, _ in batch_of_changes]
            assert store.read_many(column, keys) == [model[column].get(key) for key in keys]
    store.close()
