"""The RocksDB engine, through rocksdict in raw mode.

Commit: the batch goes to the journal (``dscache.store.journal``) and is synced there; that is the
commit point. Then it is applied to RocksDB (``dscache.store.database``), whose own log is off.

Reads use the list form of ``Rdict.get``, the only one that releases the GIL.

Memory: one block cache holds data, index and filter blocks; memtables are charged to the same budget
by a write buffer manager. The options and their figures are in ``dscache.store.options``.

**When RocksDB fails.** A flush or compaction that could not write (the disk is full, above all) leaves
RocksDB refusing every write for as long as it is open, also when there is room again, and rocksdict
has no ``Resume``. Reads go on, memtables included. The journal has everything that RocksDB might lose,
so the store *catches up*: as soon as a probe shows that there is room for what the journal holds,
RocksDB is closed without its memtables, opened, and given the journal again, all of it in memory. Then
readers go on, the memtables are written out, and the journal is emptied; only when that has succeeded
too does a commit get through. So a disk that stays full neither makes the journal longer with each
try, nor takes away what can be read. What RocksDB is to the journal:

=============  ===============================================  ==================================
``_behind``    what happened                                    how the store catches up
=============  ===============================================  ==================================
EVEN           it holds every batch of the journal              --
UNAPPLIED      compaction was too slow to take a whole batch    the rest is applied
STOPPED        a write or flush failed, or it could not open    opened again, the journal replayed
=============  ===============================================  ==================================

Catching up needs RocksDB for itself: ``Gate`` lets readers through together, and holds them up
meanwhile. Snapshots do not survive it: scanning one raises StoreError.
"""

from __future__ import annotations

import os
import shutil
import threading
import weakref
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

from rocksdict import Cache, RdictIter, WriteBufferManager

from dscache.errors import StoreError
from dscache.files import Files, sync_directory
from dscache.store.base import DATA
from dscache.store.batch import Batch, Frame
from dscache.store.database import Database, Stalled, scan_range, walk
from dscache.store.directory import DirectoryLock, check_version, mark
from dscache.store.gate import Gate
from dscache.store.journal import Journal
from dscache.store.options import MANIFEST_BYTES, journal_segment_bytes

_MIN_BUDGET_BYTES: Final = 2 * 1024 * 1024

# So many segments may wait in the journal for being written out by the way; beyond, a commit waits for it.
_MAX_JOURNAL_SEGMENTS: Final = 4

# Beyond what the journal holds, this much must be free before RocksDB is opened again: a manifest, its
# options, its log.
_REOPEN_BYTES: Final = MANIFEST_BYTES + 1024 * 1024

# What is less stays in memtables when the store rests: many small tables would be compacted more often.
_LEAST_REST_BYTES: Final = 8 * 1024 * 1024

_EVEN: Final = 0
_UNAPPLIED: Final = 1
_STOPPED: Final = 2


class RocksSnapshot:
    """The data column as it was at one instant.

    It is an iterator, not RocksDB's snapshot: rocksdict 0.3.29 forgets the snapshot when it makes an
    iterator for one, which then sees later commits. An iterator sees what was there when it was made;
    while it lives it keeps that instant's memtables and files.
    """

    def __init__(self, gate: Gate, iterator: RdictIter) -> None:
        self._gate = gate
        self._iterator: RdictIter | None = iterator

    def scan(
        self, column: int, begin: bytes, end: bytes, limit: int, max_bytes: int
    ) -> list[tuple[bytes, bytes]]:
        """See ``Store.scan``. Only the data column has snapshots. From one thread at a time.

        Raises StoreError also when RocksDB had to be opened again meanwhile.
        """
        assert column == DATA
        with self._gate:
            if self._iterator is None:
                raise StoreError("the snapshot was lost when the store recovered from a disk error")
            return walk(self._iterator, begin, end, limit, max_bytes)

    def close(self) -> None:
        """See ``Snapshot.close``."""
        self._iterator = None


class RocksStore:
    """A store in ``directory`` that keeps near ``memory_budget`` bytes in memory.

    Raises StoreLockedError, StoreFormatError or StoreDamagedError when the directory cannot be
    opened, StoreError with the operating system's reason when it cannot be used.
    """

    name: Final = "rocksdb"

    def __init__(self, directory: Path, memory_budget: int) -> None:
        self._directory = directory
        self._path = directory / "rocksdb"
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._lock = DirectoryLock(directory)
        except OSError as error:
            raise _unusable(directory, error) from error
        self._gate = Gate()
        self._snapshots: weakref.WeakSet[RocksSnapshot] = weakref.WeakSet()
        self._closing = threading.Lock()
        self._closed = False
        self._budget = max(memory_budget, _MIN_BUDGET_BYTES)
        self._cache = Cache(self._budget // 2)
        self._write_buffers = WriteBufferManager(self._budget // 2, False)
        self._database: Database | None = None
        # The commit thread's: what is wrong with RocksDB, in its words, and what is left to apply.
        self._behind = _STOPPED
        self._trouble = ""
        self._unapplied: deque[Frame] = deque()
        # The commit thread's: retired journal segments whose memtables are being written out.
        self._flushing = 0
        # Counted without a lock: an increment may be lost, and it is a statistic.
        self._bytes_read = 0
        self._bytes_written = 0
        self._memory_bytes = 0
        self._disk_bytes = 0
        try:
            check_version(directory, self._path)
            self._journal = Journal(
                directory / "journal", journal_segment_bytes(self._budget), Files()
            )
            (directory / "rocksdb").mkdir(exist_ok=True)
            sync_directory(directory)
            self._replay(hold_back=False)
        except OSError as error:
            self._lock.release()
            raise _unusable(directory, error) from error
        except BaseException:
            self._lock.release()
            raise

    def _replay(self, hold_back: bool) -> Database:
        """Open RocksDB and give it the journal; only then readers see it. Raises StoreError."""
        database: Database | None = None
        try:
            batches = self._journal.recover()
            batch = next(batches, None)  # a damaged journal is found before RocksDB is touched
            database = Database(
                self._path, self._cache, self._write_buffers, self._budget, hold_back
            )
            while batch is not None:
                database.apply(batch, _nobody_looks)
                batch = next(batches, None)
        except Exception as error:
            self._stopped(str(error))
            if database is not None:
                database.close()
            if isinstance(error, StoreError):
                raise
            if isinstance(error, OSError):
                raise StoreError(f"the journal cannot be read: {error.strerror}") from error
            raise StoreError(f"RocksDB cannot open {self._path}: {error}") from error
        self._database = database
        self._flushing = 0
        self._unapplied = deque()
        self._trouble = ""
        self._behind = _EVEN
        return database

    def catch_up(self) -> None:
        """See ``Store.catch_up``."""
        if self._behind == _EVEN:
            return
        if self._behind == _UNAPPLIED:
            self._apply(self._unapplied, _nobody_looks)
            return
        self._require_working_disk()
        self._gate.shut()
        try:
            for snapshot in list(self._snapshots):
                snapshot.close()
            if self._database is not None:
                self._database.close()
                self._database = None
            database = self._replay(hold_back=True)
        finally:
            self._gate.open()
        try:
            database.let_go()
            self._journal.drop_retired(len(self._journal.retired))
        except Exception as error:  # rocksdict raises nothing more precise
            self._stopped(str(error))
            raise StoreError(f"RocksDB cannot write: {error}") from error

    def _require_working_disk(self) -> None:
        """Raises StoreError unless the disk takes what catching up may have to write."""
        if not (self._path / "CURRENT").exists():
            # Opening it would make a new, empty database.
            raise StoreError(f"RocksDB cannot write: {self._trouble}; {self._path} is gone")
        path = self._directory / "probe"
        try:
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            try:
                os.posix_fallocate(file, 0, self._journal.size_bytes() + _REOPEN_BYTES)
                os.write(file, bytes(4096))
                os.fsync(file)
            finally:
                os.close(file)
                path.unlink()
        except OSError as error:
            raise StoreError(
                f"RocksDB cannot write: {self._trouble}; and the disk does not recover: "
                f"{error.strerror}"
            ) from error

    def read_many(self, column: int, keys: list[bytes]) -> list[bytes | None]:
        """See ``Store.read_many``. Releases the GIL while RocksDB reads."""
        with self._gate:
            database = self._readable()
            try:
                values: list[bytes | None] = database.columns[column].get(keys)  # type: ignore[arg-type, assignment]
            except Exception as error:
                raise StoreError(f"RocksDB cannot read: {error}") from error
        self._bytes_read += sum([len(value) for value in values if value is not None])
        return values

    def _readable(self) -> Database:
        if self._database is None:
            raise StoreError(f"RocksDB is not open: {self._trouble or 'the store is closed'}")
        return self._database

    def commit(self, batch: Batch) -> None:
        """See ``Store.commit``."""
        self.catch_up()
        frames = batch.take()
        try:
            self._journal.append(frames)
        except OSError as error:
            raise StoreError(f"the journal cannot be written: {error.strerror}") from error
        try:
            self._apply(frames, batch.note_applied)
        except Stalled:
            raise
        except StoreError:
            # The batch is in the journal. If the store can catch up at once, it is committed.
            self.catch_up()
        self._bytes_written += batch.size_bytes
        self._tidy_up()

    def _apply(self, frames: deque[Frame], applied: Callable[[int], None]) -> None:
        """Give a batch to RocksDB. It is already durable in the journal."""
        assert self._database is not None
        try:
            self._database.apply(frames, applied)
        except Stalled as stalled:
            self._behind = _UNAPPLIED
            self._trouble = str(stalled)
            self._unapplied = frames
            raise
        except Exception as error:
            self._stopped(str(error))
            raise StoreError(f"RocksDB cannot write: {error}") from error
        self._unapplied = deque()
        self._trouble = ""
        self._behind = _EVEN

    def _stopped(self, trouble: str) -> None:
        self._behind = _STOPPED
        self._trouble = trouble
        self._unapplied = deque()

    def _tidy_up(self) -> None:
        """After a commit: let journal segments go whose memtables are files, and mind garbage.

        Starting to write them out and finding it done are two calls of this, so that no commit waits.
        What fails here does not undo the commit; the next one begins with catching up.
        """
        journal = self._journal
        database = self._database
        assert database is not None
        try:
            waiting = len(journal.retired)
            if waiting > 1 and journal.size_bytes() > _MAX_JOURNAL_SEGMENTS * journal.segment_bytes:
                database.write_out(wait=True)
                journal.drop_retired(waiting)
                self._flushing = 0
            elif waiting > 0 and self._flushing == 0:
                self._flushing = waiting
                database.write_out(wait=False)
            elif waiting > 0 and database.is_written_out():
                journal.drop_retired(self._flushing)
                self._flushing = 0
            database.mind_garbage()
        except Exception as error:  # rocksdict raises nothing more precise
            self._stopped(str(error))

    def rest(self) -> bool:
        """See ``Store.rest``: memtables with much in them are written out, and the journal is emptied."""
        if self._behind != _EVEN:
            return True  # the next commit sees to it
        if not self._journal.retired and self._journal.size_bytes() < _LEAST_REST_BYTES:
            return True
        try:
            self._journal.retire()
        except OSError as error:
            raise StoreError(f"the journal cannot be closed: {error.strerror}") from error
        self._tidy_up()
        return not self._journal.retired

    def scan(
        self, column: int, begin: bytes, end: bytes, limit: int, max_bytes: int
    ) -> list[tuple[bytes, bytes]]:
        """See ``Store.scan``."""
        with self._gate:
            found = scan_range(self._readable().columns[column], begin, end, limit, max_bytes)
        self._bytes_read += sum([len(value) for _, value in found])
        return found

    def snapshot(self) -> RocksSnapshot:
        """See ``Store.snapshot``."""
        with self._gate:
            snapshot = RocksSnapshot(self._gate, self._readable().columns[DATA].iter())
            self._snapshots.add(snapshot)
            return snapshot

    def copy(self, directory: Path) -> None:
        """See ``Store.copy``. All memtables are written out first, which releases the GIL."""
        self.catch_up()
        database = self._database
        assert database is not None
        try:
            database.write_out(wait=True)
        except Exception as error:  # rocksdict raises nothing more precise
            self._stopped(str(error))
            raise StoreError(f"RocksDB cannot write: {error}") from error
        try:
            directory.mkdir(parents=True)
        except FileExistsError:
            raise StoreError(f"{directory} exists already") from None
        except OSError as refusal:
            raise StoreError(f"{directory} cannot be made: {refusal.strerror}") from refusal
        try:
            database.copy(directory / self._path.name)
            mark(directory)
            sync_directory(directory.parent)
        except Exception as failure:  # of RocksDB, or of the system
            shutil.rmtree(directory, ignore_errors=True)
            reason = failure.strerror if isinstance(failure, OSError) else failure
            raise StoreError(f"the store cannot be copied to {directory}: {reason}") from failure

    def memory_bytes(self) -> int:
        """Block cache (with index and filter blocks), memtables, and the readers of open tables."""
        self._measure()
        return self._memory_bytes

    def disk_bytes(self) -> int:
        """Table files, blob files and journal."""
        self._measure()
        return self._disk_bytes + self._journal.size_bytes()

    def _measure(self) -> None:
        """Called by the event loop, so it keeps the last figures rather than wait at the gate."""
        if not self._gate.try_enter():
            return
        try:
            database = self._database
            if database is not None:
                tables = database.sum_of("rocksdb.estimate-table-readers-mem")
                self._memory_bytes = (
                    self._cache.get_usage() + self._write_buffers.get_usage() + tables
                )
                self._disk_bytes = database.sum_of("rocksdb.total-sst-files-size")
                self._disk_bytes += database.sum_of("rocksdb.total-blob-file-size")
        finally:
            self._gate.leave()

    def counters(self) -> tuple[int, int]:
        """See ``Store.counters``."""
        return self._bytes_read, self._bytes_written

    def set_memory_budget(self, budget_bytes: int) -> None:
        """Half for blocks, half for memtables. Each memtable's own size stays what it was at the
        start (changing it makes RocksDB write and sync a file, with the GIL); the manager of write
        buffers has them written out earlier."""
        self._budget = max(budget_bytes, _MIN_BUDGET_BYTES)
        self._cache.set_capacity(self._budget // 2)
        self._write_buffers.set_buffer_size(self._budget // 2)

    def close(self) -> None:
        """Write out all memtables, delete the journal, release the directory. Idempotent.

        Raises StoreError if they could not be written out. Then the journal stays, and the next
        start applies it: nothing is lost.
        """
        with self._closing:
            if self._closed:
                return
            self._closed = True
            self._gate.shut()
            try:
                self._close()
            finally:
                self._gate.open()
                self._lock.release()

    def _close(self) -> None:
        database = self._database
        self._database = None
        for snapshot in list(self._snapshots):
            snapshot.close()
        if self._behind == _EVEN and database is not None:
            try:
                database.write_out(wait=True)
            except Exception as error:  # rocksdict raises nothing more precise
                self._stopped(str(error))
        try:
            self._journal.close(everything_is_permanent=self._behind == _EVEN)
        except OSError as failure:
            self._stopped(f"the journal cannot be closed: {failure.strerror}")
        if database is not None:
            database.close()
        if self._behind != _EVEN:
            raise StoreError(f"RocksDB cannot write out its buffers: {self._trouble}")


def _nobody_looks(applied: int) -> None:
    """How far it is does not matter: nobody waits for a part of it."""


def _unusable(directory: Path, error: OSError) -> StoreError:
    reason = error.strerror
    if directory.is_file():
        reason = "it is a file; name a directory, or a path where one can be made"
    return StoreError(f"{directory} cannot be used as the data directory: {reason}")
