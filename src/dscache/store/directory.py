"""The data directory: whose it is, and which format it has."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final

from dscache.errors import StoreError, StoreFormatError, StoreLockedError
from dscache.files import sync_directory

#: The format of the directory as a whole; a newer one is refused.
STORE_VERSION: Final = 1

#: Who holds the lock on this file has the directory.
LOCK_NAME: Final = "LOCK.dscache"
#: What says that it is a data directory, and of which format.
VERSION_NAME: Final = "FORMAT"
#: What else is in it.
PARTS: Final = ("rocksdb", "journal", "appendonlydir")
#: And, while a snapshot is written, what that is read from.
SNAPSHOT_NAME: Final = "snapshot"

# Of files that never change: tables, and what large payloads are in.
_FINAL_SUFFIXES: Final = (".sst", ".blob")


class DirectoryLock:
    """An advisory lock on a data directory; the kernel drops it when the process dies.

    Raises StoreLockedError if another store, of this process or of another one, has it.
    """

    def __init__(self, directory: Path) -> None:
        self._file = os.open(directory / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            owner = os.read(self._file, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(self._file)
            raise StoreLockedError(
                f"{directory} is in use by another dscache server (process {owner}); "
                "stop it, or choose another --dir"
            ) from None
        try:
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, b"%d\n" % os.getpid(), 0)
        except OSError:
            os.close(self._file)
            raise

    def release(self) -> None:
        """Give the directory free."""
        os.close(self._file)


def require_data(directory: Path) -> None:
    """Raises StoreError if no store has been made in ``directory``."""
    if not (directory / VERSION_NAME).exists():
        raise StoreError(
            f"{directory} holds no data of dscache; name its data directory with --dir"
        )


class DataFiles:
    """The files that the data set of ``directory`` consists of, to be copied. A context: until its end no
    server may use the directory.

    Raises OSError, and StoreLockedError if one does.
    """

    def __init__(self, directory: Path) -> None:
        self._directory: Final = directory
        self._lock: Final = DirectoryLock(directory) if (directory / LOCK_NAME).exists() else None
        try:
            folders = [directory / name for name in PARTS if (directory / name).exists()]
            # They are flat.
            self._folders: Final = {
                folder.name: sorted(one for one in folder.iterdir() if one.is_file())
                for folder in folders
            }
            #: Together with what need not be copied because a hard link does.
            self.total_bytes: Final = sum(
                file.stat().st_size for files in self._folders.values() for file in files
            )
        except OSError:
            self._release()
            raise

    def __enter__(self) -> DataFiles:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._release()

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.release()

    def copy(self, target: Path, on_progress: Callable[[int], None]) -> None:
        """Copy them to the folder ``target``. What never changes once it is written becomes a hard link where
        that is possible. ``on_progress`` is told after each file how many bytes are on disk. Raises
        OSError."""
        done_bytes = 0
        for name, files in self._folders.items():
            (target / name).mkdir()
            for file in files:
                copied = target / name / file.name
                _link_or_copy(file, copied)
                done_bytes += copied.stat().st_size
                on_progress(done_bytes)
            sync_directory(target / name)
        _copy(self._directory / VERSION_NAME, target / VERSION_NAME)
        sync_directory(target)


def _link_or_copy(source: Path, target: Path) -> None:
    if source.suffix in _FINAL_SUFFIXES:
        try:
            target.hardlink_to(source)
        except OSError:
            # Another file system, or one that has no links.
            pass
        else:
            return
    _copy(source, target)


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
    # At once: if all were synced at the end, that would be most of the time, and nobody would see it pass.
    with target.open("rb") as file:
        os.fsync(file.fileno())


def check_version(directory: Path, database: Path) -> None:
    """Refuse a directory of a newer format or of another program; mark a new one.

    An older format would be migrated here. ``database`` is where RocksDB will be. Raises
    StoreFormatError, or OSError if the mark cannot be written.
    """
    path = directory / VERSION_NAME
    try:
        text = path.read_text("ascii", "replace").strip()
    except FileNotFoundError:
        # RocksDB's CURRENT: the directory itself is some program's database.
        if database.exists() or (directory / "CURRENT").exists():
            raise StoreFormatError(f"{directory} holds a RocksDB that is not dscache's") from None
        mark(directory)
        return
    if not text:
        raise StoreFormatError(
            f"{path} is empty; it should say: dscache {STORE_VERSION}. If {directory} is a data"
            " directory of dscache, write that line into it; if not, choose another --dir"
        )
    name, _, number = text.partition(" ")
    if name != "dscache" or not (number.isascii() and number.isdigit()):
        raise StoreFormatError(f"{path} does not say which dscache format this is: {text[:40]!r}")
    if int(number) > STORE_VERSION:
        raise StoreFormatError(
            f"{directory} was written by a newer dscache (store format {number}; this program "
            f"knows {STORE_VERSION}): use that release or a later one"
        )


def mark(directory: Path) -> None:
    """Make ``directory`` a data directory. The mark is written as a whole or not at all: without it the next
    start would refuse its own data. Raises OSError."""
    path = directory / VERSION_NAME
    new = path.with_suffix(".new")
    with new.open("w", encoding="ascii") as file:
        file.write(f"dscache {STORE_VERSION}\n")
        file.flush()
        os.fsync(file.fileno())
    new.rename(path)
    sync_directory(path.parent)
