"""SAVE, BGSAVE, LASTSAVE, BGREWRITEAOF, BACKUP and the directive ``save``: when files are made, and of what.

The process that writes them is a ``Scribe`` here, which writes when it is told to.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from driver import DEADLINE_SECONDS, Driver
from dscache.errors import StoreError
from dscache.store.base import DATA
from dscache.store.directory import SNAPSHOT_NAME
from dscache.store.layout import split_data_key
from dscache.store.memory import MemoryStore
from dscache.wire.reply import ErrorReply, Verbatim

IN_PROGRESS = b"-ERR Background save already in progress"


class CopiedStore(MemoryStore):
    """Its copies are lists of the keys that it has."""

    def __init__(self) -> None:
        super().__init__()
        self.fail_copies = False

    def copy(self, directory: Path) -> None:
        if self.fail_copies:
            raise StoreError("copies are made to fail by the test")
        keys = sorted(split_data_key(stored)[1] for stored in self.columns[DATA])
        directory.mkdir(parents=True)
        (directory / "keys").write_bytes(b" ".join(keys))


class Scribe:
    """Writes what a copy has, when ``may_write`` is set; or fails with ``error``."""

    def __init__(self) -> None:
        self.may_write = threading.Event()
        self.may_write.set()
        self.error = ""

    def write(self, copy: Path, target: Path, on_progress: Callable[[int, int], None]) -> None:
        assert self.may_write.wait(DEADLINE_SECONDS)
        if self.error:
            raise StoreError(self.error)
        keys = (copy / "keys").read_bytes()
        on_progress(len(keys.split()), 100)
        target.write_bytes(keys)

    def stop(self) -> None:
        self.error = "stopped"
        self.may_write.set()


class Saved(Driver):
    """A driver whose snapshots go to ``target``."""

    def __init__(self, directory: Path) -> None:
        self.copies = CopiedStore()
        super().__init__(self.copies)
        self.target = directory / "dump.rdb"
        self.copy = directory / SNAPSHOT_NAME
        self.scribe = Scribe()
        self.engine.snapshots.serve(self.scribe, directory, self.target)

    def keys_in_file(self) -> list[bytes]:
        """What the snapshot has."""
        return self.target.read_bytes().split()

    def await_end(self) -> None:
        """Until no snapshot is being made."""
        self.turn_until(lambda: not self.engine.snapshots.is_busy)

    def persistence(self, name: str) -> str:
        """A field of INFO."""
        reply = self.run("INFO", "persistence")
        assert isinstance(reply, Verbatim)
        lines = reply.text.decode().split("\r\n")
        return dict(line.split(":", 1) for line in lines if ":" in line)[name]


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[Saved]:
    driver = Saved(tmp_path)
    yield driver
    driver.close()


def test_save_answers_when_the_file_is_there(driver: Saved) -> None:
    driver.run("SET", "a", "1")
    driver.run("SET", "b", "2")
    assert driver.run("SAVE") == b"OK"
    assert driver.keys_in_file() == [b"a", b"b"]
    assert not driver.copy.exists()


def test_an_empty_data_set_has_a_file_too(driver: Saved) -> None:
    assert driver.run("SAVE") == b"OK"
    assert driver.keys_in_file() == []


def test_others_go_on_while_a_client_waits_for_save(driver: Saved) -> None:
    driver.scribe.may_write.clear()
    waiting = driver.new_session()
    replies = driver.start("SAVE", session=waiting)
    driver.turn_until(driver.copy.exists)
    assert driver.run("SET", "later", "1") == b"OK"
    clients = driver.run("CLIENT", "LIST")
    assert isinstance(clients, Verbatim)
    assert b"wait=snapshot" in clients.text
    assert (
        driver.run("SAVE")
        == driver.run("BGSAVE")
        == driver.run("BGSAVE", "schedule")
        == IN_PROGRESS
    )
    assert replies == []
    driver.scribe.may_write.set()
    driver.turn_until(lambda: bool(replies))
    assert driver.keys_in_file() == []


def test_bgsave_answers_at_once_and_has_what_was_there_before(driver: Saved) -> None:
    driver.scribe.may_write.clear()
    driver.run("SET", "before", "1")
    assert driver.run("BGSAVE") == b"Background saving started"
    assert driver.persistence("rdb_bgsave_in_progress") == "1"
    driver.turn_until(driver.copy.exists)
    driver.run("SET", "behind", "1")
    driver.scribe.may_write.set()
    driver.await_end()
    assert driver.keys_in_file() == [b"before"]
    assert driver.persistence("rdb_bgsave_in_progress") == "0"
    assert driver.persistence("rdb_changes_since_last_save") == "1"
    assert driver.persistence("current_save_keys_processed") == "1"
    assert driver.persistence("rdb_saves") == "1"


def test_bgsave_inside_a_transaction_has_all_of_it_or_nothing(driver: Saved) -> None:
    for words in (["MULTI"], ["SET", "a", "1"], ["BGSAVE"], ["SET", "b", "2"]):
        driver.run(*words)
    replies = driver.run("EXEC")
    assert isinstance(replies, list)
    assert len(replies) == 3
    driver.await_end()
    assert driver.keys_in_file() == [b"a", b"b"]


def test_save_is_not_for_transactions(driver: Saved) -> None:
    driver.run("MULTI")
    assert driver.run("SAVE") == b"-ERR Command not allowed inside a transaction"


def test_lastsave_is_when_the_last_file_was_complete(driver: Saved) -> None:
    began = driver.run("LASTSAVE")
    driver.advance(10)
    driver.run("SET", "a", "1")
    driver.flush()
    assert driver.run("LASTSAVE") == began == 1_700_000_000
    driver.run("SAVE")
    assert driver.run("LASTSAVE") == 1_700_000_010
    assert driver.persistence("rdb_last_save_time") == "1700000010"


def test_a_file_that_cannot_be_written_is_an_error_and_the_old_one_stays(driver: Saved) -> None:
    driver.run("SET", "a", "1")
    driver.run("SAVE")
    driver.run("SET", "b", "2")
    driver.scribe.error = "no more ink"
    assert driver.run("SAVE") == b"-ERR the data set could not be saved: no more ink"
    assert driver.keys_in_file() == [b"a"]
    assert not driver.copy.exists()
    assert driver.persistence("rdb_last_bgsave_status") == "err"
    assert driver.persistence("rdb_last_bgsave_error") == "no more ink"
    assert driver.persistence("rdb_changes_since_last_save") == "1"
    driver.scribe.error = ""
    assert driver.run("SAVE") == b"OK"
    assert driver.keys_in_file() == [b"a", b"b"]
    assert driver.persistence("rdb_last_bgsave_status") == "ok"


def test_a_store_that_cannot_be_copied_is_an_error(driver: Saved) -> None:
    driver.copies.fail_copies = True
    assert driver.run("SAVE") == (
        b"-ERR the data set could not be saved: copies are made to fail by the test"
    )


def test_a_disk_that_takes_nothing_ends_a_save(driver: Saved) -> None:
    driver.copies.fail_commits = True
    driver.run("SET", "a", "1")
    replies = driver.start("SAVE")
    driver.turn_until(lambda: driver.engine.flusher.failing_since != 0.0)
    assert replies == []
    driver.engine.flusher.failing_since = time.perf_counter() - 60
    driver.engine.tick()
    driver.turn_until(lambda: bool(replies))
    assert isinstance(replies[0], ErrorReply)
    assert b"MISCONF The data set cannot be written to disk" in replies[0].text
    assert not driver.engine.snapshots.is_busy
    driver.copies.fail_commits = False


def test_what_an_earlier_server_left_behind_goes(tmp_path: Path) -> None:
    (tmp_path / SNAPSHOT_NAME).mkdir()
    (tmp_path / SNAPSHOT_NAME / "keys").write_bytes(b"old")
    driver = Saved(tmp_path)
    assert not driver.copy.exists()
    driver.close()


def test_a_server_that_ends_gives_up_what_is_being_written(tmp_path: Path) -> None:
    driver = Saved(tmp_path)
    driver.scribe.may_write.clear()
    driver.run("BGSAVE")
    driver.turn_until(driver.copy.exists)
    driver.engine.turn()
    driver.turn_until(lambda: driver.engine.snapshots.is_writing)
    driver.close()
    assert not driver.target.exists()
    assert not driver.copy.exists()


# The directive save


def test_there_are_no_save_points_by_default(driver: Saved) -> None:
    assert driver.run("CONFIG", "GET", "save") == {b"save": b""}


def test_a_save_point_saves_after_its_time_and_changes(driver: Saved) -> None:
    driver.run("CONFIG", "SET", "save", "60 2 3600 1")
    assert driver.run("CONFIG", "GET", "save") == {b"save": b"60 2 3600 1"}
    driver.run("SET", "a", "1")
    driver.advance(61)
    driver.engine.tick()
    assert not driver.engine.snapshots.is_busy
    driver.run("SET", "b", "1")
    driver.engine.tick()
    driver.await_end()
    assert driver.keys_in_file() == [b"a", b"b"]
    driver.run("SET", "c", "1")
    driver.advance(3601)
    driver.engine.tick()
    driver.await_end()
    assert driver.keys_in_file() == [b"a", b"b", b"c"]


def test_a_save_point_that_fails_is_tried_again_after_a_while(driver: Saved) -> None:
    driver.run("CONFIG", "SET", "save", "1 1")
    driver.scribe.error = "no more ink"
    driver.run("SET", "a", "1")
    driver.advance(2)
    driver.engine.tick()
    driver.await_end()
    driver.advance(4)
    driver.engine.tick()
    assert not driver.engine.snapshots.is_busy
    driver.scribe.error = ""
    driver.advance(1)
    driver.engine.tick()
    driver.await_end()
    assert driver.keys_in_file() == [b"a"]


@pytest.mark.parametrize("text", ["60", "60 1 5", "0 1", "60 -1", "a b", "60 1x"])
def test_save_points_are_pairs_of_seconds_and_changes(driver: Saved, text: str) -> None:
    assert driver.run("CONFIG", "SET", "save", text) == (
        b"-ERR CONFIG SET failed (possibly related to argument 'save') - Invalid save parameters"
    )


# BGREWRITEAOF


def test_bgrewriteaof_commits_what_the_log_has(driver: Saved) -> None:
    driver.run("SET", "a", "1")
    assert driver.run("BGREWRITEAOF") == b"Background append only file rewriting started"
    driver.turn_until(lambda: driver.engine.flusher.unsaved_changes == 0)


# BACKUP


def test_a_backup_has_everything_acknowledged_before(driver: Saved, tmp_path: Path) -> None:
    driver.run("SET", "a", "1")
    target = tmp_path / "backups" / "monday"
    assert driver.run("BACKUP", "monday") == str(target).encode()
    assert (target / "keys").read_bytes() == b"a"
    path = tmp_path / "elsewhere" / "x"
    driver.run("SET", "b", "1")
    assert driver.run("BACKUP", str(path)) == str(path).encode()
    assert (path / "keys").read_bytes() == b"a b"


def test_a_backup_that_fails_is_an_error(driver: Saved) -> None:
    driver.copies.fail_copies = True
    assert driver.run("BACKUP", "monday") == b"-IOERR copies are made to fail by the test"


@pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden", "../x", b"a\0b", b"/a\0b"])
def test_a_backup_has_a_name_or_a_path(driver: Saved, name: str | bytes) -> None:
    assert driver.run("BACKUP", name) == (
        b"-ERR a backup is called by a name without slashes, or by an absolute path"
    )


def test_paths_are_for_clients_on_this_machine(driver: Saved, tmp_path: Path) -> None:
    driver.session.address = "192.0.2.1:1234"
    reply = driver.run("BACKUP", str(tmp_path / "x"))
    assert isinstance(reply, bytes)
    assert reply.startswith(b"-ERR a path is only for clients on the server's machine")
    assert driver.run("BACKUP", "x") == str(tmp_path / "backups" / "x").encode()


def test_a_data_set_that_nobody_serves_has_no_snapshots() -> None:
    driver = Driver()
    assert driver.run("BGSAVE") == (
        b"-ERR this data set is not served, so nothing writes snapshots of it"
    )
    assert driver.run("BACKUP", "x") == (
        b"-ERR this data set has no directory of backups; give an absolute path"
    )
    driver.close()
