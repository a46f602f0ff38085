"""Writing the redo log: frames, syncs, segments. Everything here runs in the log thread.

What fails can be tried again, and nothing is lost by it: a frame that was not written whole is cut off
before the next one is written, and after a sync that failed the segment is left as it is. The kernel
may have dropped what it could not write, and would report success the next time. So all frames since the
last sync that succeeded are kept, and are written once more, to a new segment.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from dscache.files import Files, write_all
from dscache.log.format import header_of
from dscache.log.segments import segment_path


class LogWriter:
    """Appends to the segments of ``directory``; ``last_sequences`` are those that are there already, each
    with the number of its last frame. Its methods raise OSError, and may be called again then."""

    def __init__(self, directory: Path, last_sequences: dict[int, int], files: Files) -> None:
        self._directory: Final = directory
        self._files: Final = files
        # Complete segments, oldest first, each with its last frame and its size.
        self._complete: Final = [
            (number, last, segment_path(directory, number).stat().st_size)
            for number, last in sorted(last_sequences.items())
        ]
        self._number = max(last_sequences, default=0)
        #: No file is open before the first frame.
        self._file = -1
        # How much of the file is whole frames, and how much of that is known to be on disk.
        self._size = 0
        self._synced_bytes = 0
        # Behind them may be part of a frame.
        self._is_torn = False
        self._last_sequence = 0
        self._unsynced: list[tuple[int, bytes]] = []
        # A sync has failed: the file cannot be trusted any more.
        self._is_suspect = False

    def append(self, sequence: int, body: bytes) -> None:
        """Write a frame; it is not synced."""
        self._prepare()
        self._write(sequence, body, self._files.append)
        self._unsynced.append((sequence, body))

    def append_and_sync(self, sequence: int, body: bytes) -> None:
        """Write a frame, and make everything that was appended survive a power failure."""
        if self._unsynced:
            self.append(sequence, body)
            self.sync()
            return
        self._prepare()
        self._is_suspect = True
        self._write(sequence, body, self._files.append_and_sync)
        self._note_synced()

    def sync(self) -> None:
        """Make everything that was appended survive a power failure."""
        if self._is_suspect:
            self._write_again()
        if not self._unsynced:
            return
        self._is_suspect = True
        self._files.sync(self._file)
        self._note_synced()

    def _prepare(self) -> None:
        """Have a file that can be written to."""
        if self._is_suspect:
            self._write_again()
        if self._file < 0:
            self._open_next()

    def _note_synced(self) -> None:
        self._is_suspect = False
        self._synced_bytes = self._size
        self._unsynced = []

    def end_segment(self) -> None:
        """What is appended from now on goes to a new segment. Syncs, so that a segment is on disk before
        there is anything in a later one."""
        # Also when there is no file, because a new one could not be made: then there is something to sync.
        self.sync()
        if self._file < 0:
            return
        self._files.close(self._file)
        self._file = -1
        self._keep_segment()

    def drop_until(self, sequence: int) -> None:
        """Delete the segments that hold nothing beyond frame ``sequence``, except the one being written."""
        while self._complete and self._complete[0][1] <= sequence:
            self._files.remove(segment_path(self._directory, self._complete[0][0]))
            del self._complete[0]

    def size_bytes(self) -> int:
        """Bytes of all segments. From any thread; exact between two calls."""
        return self._size + sum(size for _, _, size in list(self._complete))

    def _write(
        self, sequence: int, body: bytes, write: Callable[[int, list[memoryview]], int]
    ) -> None:
        if self._is_torn:
            self._files.truncate(self._file, self._size)
        header = header_of(sequence, body, self._number, self._size, self._synced_bytes)
        self._is_torn = True
        self._size += write_all(write, self._file, [header, body])
        self._is_torn = False
        self._last_sequence = sequence

    def _keep_segment(self) -> None:
        self._complete.append((self._number, self._last_sequence, self._size))
        self._size = 0

    def _write_again(self) -> None:
        """Begin a new segment with what the suspect one may have lost."""
        if self._file >= 0:
            self._files.close(self._file)
            self._file = -1
            if self._size > 0:
                self._keep_segment()
            else:
                # A disk that stays full must not leave an empty file for each try.
                self._files.remove(segment_path(self._directory, self._number))
                self._number -= 1
        self._open_next()
        for sequence, body in self._unsynced:
            self._write(sequence, body, self._files.append)
        self._is_suspect = False

    def _open_next(self) -> None:
        self._file = self._files.create(segment_path(self._directory, self._number + 1))
        self._number += 1
        self._size = self._synced_bytes = 0
        self._is_torn = False
