"""The files of a data directory, on their way to another one."""

from __future__ import annotations

from pathlib import Path

import pytest

from dscache.errors import StoreLockedError
from dscache.store.directory import LOCK_NAME, DataFiles, DirectoryLock
from dscache.store.rocksdb import RocksStore


def _make(path: Path) -> None:
    RocksStore(path, 1 << 20).close()


def test_progress_grows_with_each_file_up_to_the_total(tmp_path: Path) -> None:
    _make(tmp_path / "data")
    (tmp_path / "copy").mkdir()
    told: list[int] = []
    with DataFiles(tmp_path / "data") as files:
        files.copy(tmp_path / "copy", told.append)
        assert told == sorted(told)
        assert (len(told) > 3, told[-1]) == (True, files.total_bytes)
    assert not (tmp_path / "copy" / LOCK_NAME).exists()
    RocksStore(tmp_path / "copy", 1 << 20).close()


def test_tables_become_links_and_what_may_change_does_not(tmp_path: Path) -> None:
    (tmp_path / "data" / "rocksdb").mkdir(parents=True)
    for name in ("FORMAT", "rocksdb/1.sst", "rocksdb/2.blob", "rocksdb/CURRENT"):
        (tmp_path / "data" / name).write_text(name)
    (tmp_path / "copy").mkdir()
    with DataFiles(tmp_path / "data") as files:
        files.copy(tmp_path / "copy", lambda _: None)
    for name in ("rocksdb/1.sst", "rocksdb/2.blob"):
        assert (tmp_path / "copy" / name).stat().st_nlink == 2
    for name in ("FORMAT", "rocksdb/CURRENT"):
        assert (tmp_path / "copy" / name).stat().st_nlink == 1
        assert (tmp_path / "copy" / name).read_text() == name


def test_no_server_may_use_the_directory_meanwhile(tmp_path: Path) -> None:
    _make(tmp_path)
    with DataFiles(tmp_path), pytest.raises(StoreLockedError):
        RocksStore(tmp_path, 1 << 20)
    lock = DirectoryLock(tmp_path)
    with pytest.raises(StoreLockedError):
        DataFiles(tmp_path)
    lock.release()


def test_the_first_file_that_cannot_be_copied_ends_it_with_its_name_and_the_reason(
    tmp_path: Path,
) -> None:
    # shutil.copytree tries all the others first, and its error has neither.
    _make(tmp_path / "data")
    target = tmp_path / "copy"
    target.mkdir()
    (target / "journal").mkdir()
    with DataFiles(tmp_path / "data") as files, pytest.raises(FileExistsError) as raised:
        files.copy(target, lambda _: None)
    assert (raised.value.filename, raised.value.strerror) == (
        str(target / "journal"),
        "File exists",
    )
