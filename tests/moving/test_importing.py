"""Import: what a file has is in the store, with all its indexes and counts, or there is an error."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator

import pytest

from driver import Driver
from dscache.config import Config
from dscache.errors import ConfigError, RdbError, StoreError
from dscache.moving.importing import Importer
from dscache.rdb.file_reader import FileReader
from dscache.rdb.file_writer import FileWriter
from dscache.store.memory import MemoryStore
from dscache.values.hash import Hash
from dscache.values.set import set_of
from stored import stored_databases

LIBRARY = b"#!lua name=l\nredis.register_function('f', function() return 'yes' end)"


class File:
    """A file in the making."""

    def __init__(self) -> None:
        self._content = io.BytesIO()
        self.writer = FileWriter(self._content.write, Config(), True)

    def imported(self, driver: Driver, on_progress: Callable[[], None] = lambda: None) -> Importer:
        """What has imported it."""
        self.writer.end()
        self._content.seek(0)
        reader = FileReader(self._content.read, "x.rdb", 1 << 29)
        importer = Importer(driver.engine, on_progress)
        importer.run(reader.next_item)
        return importer


@pytest.fixture
def driver() -> Iterator[Driver]:
    driver = Driver(databases="4")
    yield driver
    driver.close()


@pytest.fixture
def file() -> File:
    return File()


def _stored(driver: Driver) -> dict[int, set[bytes]]:
    assert isinstance(driver.store, MemoryStore)
    return {n: set(keys) for n, keys in stored_databases(driver.store).items() if keys}


def _hash(*due: int) -> Hash:
    value = Hash()
    for place, due_ms in enumerate(due):
        field = b"f%d" % place
        value.set(field, b"x" * 9000)
        if due_ms:
            value.set_due(field, due_ms)
    return value


def test_keys_are_in_the_store_with_all_that_belongs_to_them(driver: Driver, file: File) -> None:
    later_ms = int(driver.clock.time() * 1000) + 60_000
    file.writer.key(b"text", b"a", 0)
    file.writer.key(b"long", b"b" * 100_000, later_ms)
    file.writer.database(3, 3, 1)
    file.writer.key(b"text", b"c", 0)
    file.writer.key(b"set", set_of([b"d"]), later_ms)
    file.writer.key(b"fields", _hash(later_ms, 0, later_ms + 1), 0)
    importer = file.imported(driver)
    assert (importer.keys, importer.expired, importer.libraries) == (5, 0, 0)
    assert _stored(driver) == {0: {b"text", b"long"}, 3: {b"text", b"set", b"fields"}}
    assert driver.run("PEXPIRETIME", "long") == later_ms
    driver.run("SELECT", 3)
    assert driver.run("HPEXPIRETIME", "fields", "FIELDS", 2, "f0", "f1") == [later_ms, -1]


def test_libraries_of_functions_are_loaded_and_saved(driver: Driver, file: File) -> None:
    file.writer.library(LIBRARY)
    importer = file.imported(driver)
    assert importer.libraries == 1
    assert driver.run("FCALL", "f", 0) == b"yes"
    again = Driver(driver.store)
    assert again.run("FCALL", "f", 0) == b"yes"
    again.close()


def test_what_is_due_is_left_out_and_so_are_fields(driver: Driver, file: File) -> None:
    now_ms = int(driver.clock.time() * 1000)
    file.writer.key(b"due", b"", now_ms)
    file.writer.key(b"not yet", b"", now_ms + 1)
    file.writer.key(b"all fields", _hash(1, now_ms), 0)
    file.writer.key(b"one field", _hash(now_ms, now_ms + 1), 0)
    importer = file.imported(driver)
    assert (importer.keys, importer.expired) == (2, 2)
    assert _stored(driver) == {0: {b"not yet", b"one field"}}
    assert driver.run("HKEYS", "one field") == [b"f1"]


def test_a_file_larger_than_memory_is_imported_in_several_epochs(file: File) -> None:
    driver = Driver(maxmemory="8mb")
    try:
        for number in range(20_000):
            file.writer.key(b"key %d" % number, b"%020d" % number, 0)
        residency = driver.engine.residency
        most = 0

        def measure() -> None:
            nonlocal most
            most = max(most, int(residency.entries_bytes + residency.saving_bytes))

        file.imported(driver, measure)
        assert len(_stored(driver)[0]) == 20_000
        assert driver.engine.flusher.last_committed > 2
        assert 0 < most <= 8 << 20
        assert driver.run("GET", "key 19999") == b"%020d" % 19_999
    finally:
        driver.close()


def test_a_key_that_comes_twice_is_an_error(driver: Driver, file: File) -> None:
    file.writer.key(b"k", b"1", 0)
    file.writer.key(b"other", b"1", 0)
    file.writer.key(b"k", b"2", 0)
    with pytest.raises(RdbError, match="1 keys are in the file more than once"):
        file.imported(driver)


def test_a_database_that_is_not_configured_is_an_error(driver: Driver, file: File) -> None:
    file.writer.database(4, 1, 0)
    file.writer.key(b"k", b"", 0)
    with pytest.raises(ConfigError, match="database 4, the configuration only 4: raise"):
        file.imported(driver)


@pytest.mark.parametrize("source", [b"#!lua name=l\nno code", b"#!js name=l\n", LIBRARY])
def test_a_library_that_cannot_be_loaded_is_an_error(
    driver: Driver, file: File, source: bytes
) -> None:
    file.writer.library(LIBRARY)
    file.writer.library(source)
    with pytest.raises(RdbError, match="a library of functions cannot be loaded: ERR"):
        file.imported(driver)


def test_a_disk_that_takes_nothing_is_an_error(file: File) -> None:
    store = MemoryStore()
    driver = Driver(store)
    store.fail_commits = True
    file.writer.key(b"k", b"", 0)
    try:
        with pytest.raises(StoreError):
            file.imported(driver)
    finally:
        driver.close()
