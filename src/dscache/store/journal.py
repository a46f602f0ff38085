"""The epoch journal: what makes a commit atomic and durable without stopping the event loop.

RocksDB could do both itself, with one write batch and its write-ahead log. But ``Rdict.write`` of
rocksdict keeps the GIL for the whole write, the fsync included (measured: 255 ms for a batch of
100,000 records, during which no other thread ran). So the engine writes each batch here first, with
calls that release the GIL, and then gives it to RocksDB in slices, without RocksDB's own log. The
bytes written are the same: the journal takes the place of the write-ahead log.

A journal is a directory of segments, ``00000001.journal`` and so on, without a gap in their numbers.
A segment is a run of frames::

    magic (4 bytes) . flags (u32) . body length (u32) . check (u64) . body

A body is MessagePack: a list of operations ``[code, key, value]``, as ``dscache.store.batch`` has packed
them. The first frame of a batch has the flag ``_FIRST``, the last one ``_LAST`` (one frame may have both); a
batch without its last frame never happened. The check is XXH3 of flags, length and body, seeded with the
segment's number and the frame's offset: a frame is valid only where it was written, so neither an old
segment's blocks nor a journal that somebody stored as a value can be taken for one. All integers are
little-endian.

Recovery applies every batch of every segment again, in order. That is right however much of it the
engine had already made permanent, because operations only set, delete and delete ranges: replaying
all of a suffix of history over any later state ends in the latest state. A segment is deleted once
RocksDB has written out every memtable that it feeds, the oldest first.

What a crash leaves at the end of the last segment is one batch of which some parts are missing, in
any pattern, because the kernel writes pages in any order; the next batch is begun only when the
previous one is synced. So a bad frame with the beginning of a *later batch* behind it, or in an older
segment, is damage, and an error that names file and offset; any other bad frame is a torn tail and is
cut off. Everything is checked before the first batch is handed out: a journal that is damaged changes
nothing.

Only the commit thread calls this, except for ``size_bytes``.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections import deque
from collections.abc import Collection, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final

from xxhash import xxh3_64

from dscache.errors import StoreDamagedError
from dscache.files import Files, write_all
from dscache.store.batch import Frame

_MAGIC: Final = b"DSJ1"
_HEADER: Final = struct.Struct("<4sIIQ")
_CHECKED: Final = struct.Struct("<II")
_FIRST: Final = 1
_LAST: Final = 2
_SUFFIX: Final = ".journal"

# The seed of a frame's check: the segment's number above the offset, which is less than this.
_OFFSET_BITS: Final = 40
_SEED_MASK: Final = (1 << 64) - 1

# Frames are written so many bytes at a time: each call gives the GIL away, which has to be got back.
_WRITTEN_AT_ONCE: Final = 1024 * 1024

# The body of a batch that changes nothing: an empty list.
_NOTHING: Final = b"\x90"


class Journal:
    """The journal in ``directory``, which is created if need be, written through ``files``.

    ``recover`` must be called, and all its batches applied, before ``append``.
    """

    def __init__(self, directory: Path, segment_bytes: int, files: Files) -> None:
        self._directory = directory
        self._files = files
        self.segment_bytes = segment_bytes
        directory.mkdir(exist_ok=True)
        files.sync_names(directory.parent)
        #: The segment that is written to; no file is open before the first batch.
        self._file = -1
        self._number = 0
        self._size = 0
        # As _size, without the batch that is being written or could not be.
        self._whole_bytes = 0
        # There may be such a batch, or part of one, behind that.
        self._is_torn = False
        #: Segments that are complete and wait for the engine to write out its memtables.
        self.retired: list[Path] = []
        self._retired_sizes: list[int] = []
        # Whether the last deletion of a segment would survive a power failure.
        self._deletion_is_synced = True

    def recover(self) -> Iterator[deque[Frame]]:
        """Every whole batch, oldest first; all segments are retired then.

        Cuts off a torn tail, and makes the last batch durable: the process that wrote it may have died
        before it was synced. Raises StoreDamagedError before the first batch. Also for an engine that
        has lost its memtables and begins again while the journal is in use.
        """
        self._cut_off_failed_batch()
        self.retire()
        # Who made or removed the last segment may have died before that was synced: a power failure could
        # undo it, and not what comes next, and leave a gap in the numbers.
        self._files.sync_names(self._directory)
        self._deletion_is_synced = True
        segments = self._segments()
        sizes = []
        last_batch = whole_bytes = 0
        for path in segments:
            last_batch, whole_bytes = _verified(path, is_last=path is segments[-1])
            sizes.append(whole_bytes)
        if segments:
            self._files.settle(segments[-1], last_batch, whole_bytes)
        self.retired = segments
        self._retired_sizes = sizes
        self._number = _number_of(segments[-1]) if segments else 0
        for path in segments:
            yield from _batches(path)

    def _segments(self) -> list[Path]:
        segments = sorted(self._directory.glob(f"*{_SUFFIX}"))
        for older, newer in pairwise(segments):
            if _number_of(newer) != _number_of(older) + 1:
                missing = _number_of(older) + 1
                raise StoreDamagedError(
                    f"{self._directory}: segment {missing:08d}{_SUFFIX} is missing; "
                    "restore the directory from a backup"
                )
        return segments

    def append(self, frames: Collection[Frame]) -> None:
        """Write a batch and sync it. Raises OSError; the batch then never happened."""
        self._cut_off_failed_batch()
        if self._file < 0 or self._whole_bytes >= self.segment_bytes:
            self._next_segment()
        self._is_torn = True
        try:
            self._write_frames(frames or (Frame([_NOTHING]),))
            self._files.sync(self._file)
        except OSError:
            try:
                self._cut_off_failed_batch()
            except OSError:
                pass  # tried again before anything else is written
            raise
        self._is_torn = False
        self._whole_bytes = self._size

    def _cut_off_failed_batch(self) -> None:
        """Remove a batch that was not written whole, or whose sync failed, if there is one.

        Its frames must not be found by a recovery, which would take the batch for committed. The
        segment ends here: a file whose fsync failed once cannot be trusted to report the next
        failure, so the next batch opens a new one.
        """
        if not self._is_torn:
            return
        if self._file >= 0:
            self._files.truncate(self._file, self._whole_bytes)
            self._files.sync(self._file)
            self._size = self._whole_bytes
            if self._size > 0:
                self._is_torn = False
                self.retire()
                return
            self._files.close(self._file)
            self._file = -1
        # Nothing else is in it. A disk that stays full must not leave an empty file for each try, and no file
        # may stay that nobody knows of: a later start would miss those between it and the next.
        self._files.remove(self._path())
        self._number -= 1
        self._is_torn = False

    def _write_frames(self, frames: Collection[Frame]) -> None:
        pieces: list[bytes] = []
        pieces_bytes = 0
        for number, frame in enumerate(frames, 1):
            is_last = number == len(frames)
            flags = (_FIRST if number == 1 else 0) | (_LAST if is_last else 0)
            length = sum(map(len, frame.pieces))
            offset = self._size + pieces_bytes
            pieces.append(_header_of(flags, length, frame.pieces, _seed(self._number, offset)))
            pieces += frame.pieces
            pieces_bytes += _HEADER.size + length
            if is_last or pieces_bytes > _WRITTEN_AT_ONCE:
                self._size += write_all(self._files.append, self._file, pieces)
                pieces = []
                pieces_bytes = 0

    def _next_segment(self) -> None:
        file = self._files.create(self._directory / f"{self._number + 1:08d}{_SUFFIX}")
        self._deletion_is_synced = True
        self.retire()
        self._file = file
        self._number += 1
        self._size = 0
        self._whole_bytes = 0

    def retire(self) -> None:
        """End the segment that is written to, if there is one: the next batch begins another."""
        if self._file >= 0:
            self._files.close(self._file)
            self._file = -1
            self.retired.append(self._path())
            self._retired_sizes.append(self._size)
            self._size = 0
            self._whole_bytes = 0

    def _path(self) -> Path:
        return self._directory / f"{self._number:08d}{_SUFFIX}"

    def drop_retired(self, count: int) -> None:
        """Delete the oldest ``count`` retired segments: the engine has made them permanent."""
        for _ in range(count):
            # The previous deletion first: a power failure that undid it, but not the next one,
            # would leave a gap in the numbers. (Mostly a new segment has been synced meanwhile.)
            if not self._deletion_is_synced:
                self._files.sync_names(self._directory)
                self._deletion_is_synced = True
            self._files.remove(self.retired[0])
            self._deletion_is_synced = False
            del self.retired[0]
            del self._retired_sizes[0]

    def close(self, everything_is_permanent: bool) -> None:
        """Close; delete all segments if the engine has written out everything."""
        try:
            self._cut_off_failed_batch()
        finally:
            self.retire()
        if everything_is_permanent:
            self.drop_retired(len(self.retired))

    def size_bytes(self) -> int:
        """Bytes that a recovery would have to read. From any thread; exact between two commits."""
        return self._size + sum(self._retired_sizes)


def _number_of(path: Path) -> int:
    if not path.stem.isdecimal():
        raise StoreDamagedError(f"{path} is not named like a journal segment")
    return int(path.stem)


def _header_of(flags: int, length: int, body: list[bytes], seed: int) -> bytes:
    check = xxh3_64(_CHECKED.pack(flags, length), seed=seed)
    for piece in body:
        check.update(piece)
    return _HEADER.pack(_MAGIC, flags, length, check.intdigest())


def _seed(number: int, offset: int) -> int:
    return (number << _OFFSET_BITS | offset) & _SEED_MASK


def _read_frame(segment: mmap.mmap, number: int, offset: int) -> tuple[int, bytes] | None:
    """(flags, body) of the frame at ``offset``, or None if it is not whole."""
    begin = offset + _HEADER.size
    if begin > len(segment):
        return None
    magic, flags, length, check = _HEADER.unpack_from(segment, offset)
    if magic != _MAGIC or begin + length > len(segment):
        return None
    body = segment[begin : begin + length]
    found = xxh3_64(_CHECKED.pack(flags, length), seed=_seed(number, offset))
    found.update(body)
    return (flags, body) if found.intdigest() == check else None


def _map(path: Path) -> mmap.mmap | None:
    """The segment's bytes; None if it is empty, which cannot be mapped."""
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size == 0:
            return None
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _verified(path: Path, is_last: bool) -> tuple[int, int]:
    """Where the last whole batch of a segment begins and ends. Raises StoreDamagedError unless what is
    behind it is torn."""
    segment = _map(path)
    if segment is None:
        return 0, 0
    number = _number_of(path)
    with segment:
        offset = 0
        last_batch = whole_bytes = 0
        while (frame := _read_frame(segment, number, offset)) is not None:
            flags, body = frame
            if bool(flags & _FIRST) != (offset == whole_bytes):
                break  # a batch without its end, or without its beginning
            offset += _HEADER.size + len(body)
            if flags & _LAST:
                last_batch, whole_bytes = whole_bytes, offset
        if whole_bytes < len(segment) and (
            not is_last or _has_later_batch(segment, number, offset)
        ):
            raise StoreDamagedError(
                f"{path}: damaged at byte {offset} of {len(segment)}: the frame there fails its "
                "checksum, and later ones follow; restore the directory from a backup"
            )
        return last_batch, whole_bytes


def _has_later_batch(segment: mmap.mmap, number: int, start: int) -> bool:
    """Whether another batch begins at or behind ``start``."""
    at = segment.find(_MAGIC, start)
    while at >= 0:
        frame = _read_frame(segment, number, at)
        if frame is not None and frame[0] & _FIRST:
            return True
        at = segment.find(_MAGIC, at + 1)
    return False


def _batches(path: Path) -> Iterator[deque[Frame]]:
    """The batches of a verified segment."""
    segment = _map(path)
    if segment is None:
        return
    number = _number_of(path)
    with segment:
        batch: deque[Frame] = deque()
        offset = 0
        while (frame := _read_frame(segment, number, offset)) is not None:
            flags, body = frame
            offset += _HEADER.size + len(body)
            batch.append(Frame([body]))
            if flags & _LAST:
                yield batch
                batch = deque()
