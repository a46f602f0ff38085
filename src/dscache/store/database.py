"""RocksDB from one opening to its closing, without journal or locks: ``dscache.store.rocksdb`` adds them.

rocksdict's ``Rdict.write`` keeps the GIL: 256 records take about 0.3 ms. So a batch is written in
slices, and between slices the GIL is given away.

Writers must wait while flushes and compactions do not keep up, or memory and reads suffer. RocksDB
would make them wait by itself, and not only them: every flush, also the one of a shutdown, first waits
until it would stall no writer; once a compaction has failed (a full disk), RocksDB compacts no more and
that flush waits for ever. So its own stalls are off, and the commit thread waits here, looking at the
same figures before each slice.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

from rocksdict import (
    AccessType,
    Cache,
    Checkpoint,
    ColumnFamily,
    Rdict,
    RdictIter,
    ReadOptions,
    WriteBatch,
    WriteBufferManager,
    WriteOptions,
)

from dscache.errors import StoreError
from dscache.store.base import COLUMN_NAMES, PAYLOADS
from dscache.store.batch import RANGE, Frame, Operation
from dscache.store.options import (
    column_options,
    database_options,
    keep_in_blob_files,
    write_buffer_bytes,
)

# Records per RocksDB write: 256 keep the GIL for about 0.3 ms (64 for 0.1 ms, 512 for 0.9 ms). Each time the
# GIL changes hands twice, which costs the event loop more than the writing where it is busy: SET over 100,000
# keys, pipeline 16, 295,000 a second with 64, 338,000 with 256 (medians of four, in turn).
_SLICE: Final = 256
_SLICE_BYTES: Final = 128 * 1024

# A writer waits while a column has so many full memtables (one is being written out while the next fills:
# more would be smaller), or so many tables at level 0 (each of them is looked at by a read): where RocksDB
# would begin to slow writers down.
_MAX_FULL_MEMTABLES: Final = 1
_MAX_LEVEL_0_TABLES: Final = 20

# Beyond this share of garbage, blob files are collected.
_MOST_GARBAGE: Final = 0.5

# How long it waits between two looks, and how often it looks before it reports a failed commit.
_STALL_PAUSE_SECONDS: Final = 0.002
_STALL_TRIES: Final = 5000

# The size of memtables that shall not be written out before they are told to. (RocksDB lays memory
# aside for a memtable in pieces of at most 1 MB, however large it may become.)
_NO_LIMIT_BYTES: Final = 1 << 40


class Stalled(StoreError):
    """RocksDB keeps asking writers to wait."""


class Database:
    """RocksDB from one opening to its closing. Errors are RocksDB's own, unless said otherwise.

    With ``hold_back`` it writes nothing to the disk but the few kilobytes of an opening, however much
    is applied, until ``let_go``: whoever opens it to apply a journal on a disk that is nearly full
    can be sure that this succeeds.
    """

    def __init__(
        self,
        path: Path,
        cache: Cache,
        buffers: WriteBufferManager,
        budget: int,
        hold_back: bool = False,
    ) -> None:
        self._buffer_bytes = write_buffer_bytes(budget)
        self._buffers = buffers
        self._buffers_bytes = buffers.get_buffer_size()
        self._holds_back = hold_back
        options = {}
        for name in COLUMN_NAMES:
            options[name] = column_options(cache, self._buffer_bytes)
            if hold_back:
                options[name].set_write_buffer_size(_NO_LIMIT_BYTES)
                options[name].set_disable_auto_compactions(True)
        keep_in_blob_files(options[COLUMN_NAMES[PAYLOADS]])
        self._collects_garbage = False
        if hold_back:
            buffers.set_buffer_size(_NO_LIMIT_BYTES)
        self._db = Rdict(str(path), database_options(buffers), options, AccessType.read_write())
        self.columns: list[Rdict] = [self._db.get_column_family(name) for name in COLUMN_NAMES]
        self._handles: list[ColumnFamily] = [
            self._db.get_column_family_handle(name) for name in COLUMN_NAMES
        ]
        self._write_options = WriteOptions()
        self._write_options.disable_wal = True  # type: ignore[method-assign, assignment]

    def apply(self, frames: deque[Frame], applied: Callable[[int], None]) -> None:
        """Write operations, a slice at a time; ``applied`` is told how many, after each. Raises Stalled,
        with a part of them written.

        Frames that are written leave ``frames``. One that is written in part stays: its operations may be
        written again.
        """
        done = 0
        while frames:
            operations = frames[0].operations()
            last = 0
            while last < len(operations):
                first = last
                slice_bytes = 0
                most = min(first + _SLICE, len(operations))
                while last < most and slice_bytes < _SLICE_BYTES:
                    slice_bytes += len(operations[last][2] or b"")
                    last += 1
                self._write(operations[first:last])
                applied(done + last)
                time.sleep(0)  # the event loop may be waiting for the GIL
            done += len(operations)
            frames.popleft()

    def _write(self, operations: tuple[Operation, ...]) -> None:
        if not self._holds_back:
            self._wait_for_room()
        batch = WriteBatch(raw_mode=True)
        for code, key, value in operations:
            if code >= RANGE:
                assert value is not None
                batch.delete_range(key, value, self._handles[code - RANGE])
            elif value is None:
                batch.delete(key, self._handles[code])
            else:
                batch.put(key, value, self._handles[code])
        self._db.write(batch, self._write_options)

    def _wait_for_room(self) -> None:
        for _ in range(_STALL_TRIES):
            # (Counted in the default column, whichever it was.)
            has_failed = bool(self._db.property_int_value("rocksdb.background-errors"))
            if all(_has_room(column, has_failed) for column in self.columns):
                return
            if has_failed:
                raise StoreError("its flush or compaction failed; its LOG says why")
            time.sleep(_STALL_PAUSE_SECONDS)
        raise Stalled("RocksDB cannot write: its compaction does not keep up with the disk")

    def write_out(self, wait: bool) -> None:
        """Start writing out all memtables, and wait for it if asked to."""
        for column in self.columns:
            column.flush(wait=wait)

    def let_go(self) -> None:
        """End holding back: write out all memtables, and let RocksDB do so by itself from now on."""
        self.write_out(wait=True)
        self._holds_back = False
        self._buffers.set_buffer_size(self._buffers_bytes)
        for column in self.columns:
            column.set_options(
                {
                    "write_buffer_size": str(self._buffer_bytes),
                    "disable_auto_compactions": "false",
                }
            )

    def mind_garbage(self) -> None:
        """Have RocksDB collect garbage in blob files while more than half of what is in them is garbage.

        Then its next compactions do so. So what is written again for that is at most as much as has been
        overwritten, whatever the size of the whole. Switching keeps the GIL for some ms, in which RocksDB
        writes a file of its options: twice for each time that half of all payloads are overwritten.
        """
        payloads = self.columns[PAYLOADS]
        garbage = payloads.property_int_value("rocksdb.live-blob-file-garbage-size") or 0
        size = payloads.property_int_value("rocksdb.live-blob-file-size") or 0
        if (garbage > _MOST_GARBAGE * size) != self._collects_garbage:
            self._collects_garbage = not self._collects_garbage
            value = "true" if self._collects_garbage else "false"
            payloads.set_options({"enable_blob_garbage_collection": value})

    def copy(self, path: Path) -> None:
        """Make a copy of all that has been written out; its tables are hard links to ours, or copies if
        ``path`` is on another file system.

        rocksdict keeps the GIL for it: 2 ms for 24 tables.
        """
        Checkpoint(self._db).create_checkpoint(str(path))

    def is_written_out(self) -> bool:
        """Whether no full memtable waits to be written out."""
        return all(
            column.property_int_value("rocksdb.num-immutable-mem-table") == 0
            for column in self.columns
        )

    def sum_of(self, name: str) -> int:
        """One of RocksDB's properties, over all columns."""
        return sum(column.property_int_value(name) or 0 for column in self.columns)

    def close(self) -> None:
        """Shut RocksDB down, with whatever its memtables hold. Never raises."""
        # RocksDB shuts down when the last reference is gone, the handles included. ``Rdict.close``
        # tries to write out memtables, and reports that it could not after it has closed.
        self._handles.clear()
        self._buffers.set_buffer_size(self._buffers_bytes)
        for column in [*self.columns, self._db]:
            try:
                column.close()
            except Exception:
                pass  # the caller knows already, or has written everything out
        self.columns.clear()


def _has_room(column: Rdict, compaction_has_failed: bool) -> bool:
    full = column.property_int_value("rocksdb.num-immutable-mem-table") or 0
    if full >= _MAX_FULL_MEMTABLES:
        return False
    # There is no use in waiting for a compaction that does not come. Slow reads are the smaller evil;
    # it will be tried again when RocksDB is opened again, and that is when memtables are full.
    level_0 = int(column.property_value("rocksdb.num-files-at-level0") or 0)
    return level_0 < _MAX_LEVEL_0_TABLES or compaction_has_failed


def scan_range(
    column: Rdict, begin: bytes, end: bytes, limit: int, max_bytes: int
) -> list[tuple[bytes, bytes]]:
    """See ``Store.scan``. With an upper bound, so that RocksDB does not read past the range."""
    read_options = ReadOptions()
    # The bound is not copied: ``end`` must live as long as the iterator.
    read_options.set_iterate_upper_bound(end)
    iterator = column.iter(read_options)
    try:
        return walk(iterator, begin, end, limit, max_bytes)
    finally:
        # A traceback that somebody keeps would keep the iterator, and with it RocksDB, open.
        del iterator


def walk(
    iterator: RdictIter, begin: bytes, end: bytes, limit: int, max_bytes: int
) -> list[tuple[bytes, bytes]]:
    """As ``scan_range``, with an iterator that is there.

    Each step holds the GIL for microseconds; this code is interpreted on purpose, so that the
    interpreter can give the GIL away between steps.
    """
    found: list[tuple[bytes, bytes]] = []
    taken_bytes = 0
    try:
        iterator.seek(begin)
        while iterator.valid() and len(found) < limit and taken_bytes <= max_bytes:
            key: bytes = iterator.key()
            if key >= end:
                break
            value: bytes = iterator.value()
            found.append((key, value))
            taken_bytes += len(value)
            iterator.next()
        iterator.status()
    except Exception as error:
        raise StoreError(f"RocksDB cannot read: {error}") from error
    finally:
        del iterator
    return found
