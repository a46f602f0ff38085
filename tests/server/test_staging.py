"""A data directory in the making: it appears whole or not at all, and nobody else's things are touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from dscache.errors import StoreError, StoreLockedError
from dscache.server.staging import StagedDirectory
from dscache.store.directory import LOCK_NAME, VERSION_NAME, DirectoryLock
from dscache.store.rocksdb import RocksStore


def _make(path: Path) -> None:
    RocksStore(path, 1 << 20).close()


def test_what_is_published_is_a_data_directory(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b"
    with StagedDirectory(target) as staged:
        _make(staged.path)
        assert not (target / VERSION_NAME).exists()
        staged.publish()
    assert sorted(one.name for one in target.iterdir()) == [
        "FORMAT",
        LOCK_NAME,
        "journal",
        "rocksdb",
    ]
    RocksStore(target, 1 << 20).close()


def test_what_is_not_published_leaves_nothing_behind(tmp_path: Path) -> None:
    with StagedDirectory(tmp_path / "a" / "b") as staged:
        _make(staged.path)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_published_whole_leaves_nothing_behind(tmp_path: Path) -> None:
    with StagedDirectory(tmp_path) as staged:
        (staged.path / "rocksdb").mkdir()
        # There is no mark of the format.
        with pytest.raises(StoreError):
            staged.publish()
        assert (tmp_path / "rocksdb").exists()
    assert [one.name for one in tmp_path.iterdir()] == [LOCK_NAME]


def test_what_else_is_in_the_directory_stays(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir()
    with StagedDirectory(tmp_path) as staged:
        _make(staged.path)
    assert sorted(one.name for one in tmp_path.iterdir()) == [LOCK_NAME, "lost+found"]


@pytest.mark.parametrize("name", ["FORMAT", "rocksdb", "journal", "appendonlydir"])
def test_a_directory_with_data_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(StoreError, match=f"has data already .{name}.; move it away"):
        StagedDirectory(tmp_path)
    assert (tmp_path / name).exists()
    DirectoryLock(tmp_path).release()


def test_a_directory_that_a_server_uses_is_refused(tmp_path: Path) -> None:
    lock = DirectoryLock(tmp_path)
    with pytest.raises(StoreLockedError):
        StagedDirectory(tmp_path)
    lock.release()


def test_nobody_else_uses_the_directory_meanwhile(tmp_path: Path) -> None:
    with StagedDirectory(tmp_path), pytest.raises(StoreLockedError):
        RocksStore(tmp_path, 1 << 20)


def test_a_file_in_the_place_of_the_directory_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be used as the data directory"):
        StagedDirectory(tmp_path / "file")


def test_what_a_killed_import_has_left_is_removed(tmp_path: Path) -> None:
    """Killed while it was being published: parts had been moved, the mark had not."""
    staged = StagedDirectory(tmp_path)
    _make(staged.path)
    (staged.path / "rocksdb").rename(tmp_path / "rocksdb")
    staged._lock.release()
    with StagedDirectory(tmp_path) as again:
        assert not (tmp_path / "rocksdb").exists()
        assert list(again.path.iterdir()) == []
