"""The calls to the operating system that what must survive is written with, in one place.

The store's journal and the redo log write through a ``Files``. A test puts a disk of its own here, that
fails, writes in part, and forgets what was not synced.

Not compiled: it waits for the disk, in I/O threads.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

_COPY_BYTES: Final = 1024 * 1024

# The flag of a write that is synced; only Linux has it.
_DSYNC: Final = getattr(os, "RWF_DSYNC", 0)


class Files:
    """Files that are appended to, by their descriptors. Every method raises OSError."""

    def create(self, path: Path) -> int:
        """A new, empty file, whose name survives a power failure."""
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_TRUNC, 0o600)
        try:
            self.sync_names(path.parent)
        except OSError:
            self.close(file)
            raise
        return file

    def open(self, path: Path) -> int:
        """A file that is there, to be made whole after a crash."""
        return os.open(path, os.O_RDWR)

    def append(self, file: int, pieces: list[memoryview]) -> int:
        """Write some of ``pieces``, one behind the other, to the end; how many bytes."""
        return os.writev(file, pieces)

    def append_and_sync(self, file: int, pieces: list[memoryview]) -> int:
        """``append``, and what was written survives a power failure when it returns; nothing is said of what
        was written before. One call of the system where there is one, so that the GIL has to be got back
        once."""
        if _DSYNC:
            try:
                # (The file is one that is appended to, whatever the offset says.)
                return os.pwritev(file, pieces, 0, _DSYNC)
            except OSError as error:
                # Some sandboxes have the call, but not the flag.
                if error.errno not in (errno.EOPNOTSUPP, errno.ENOSYS):
                    raise
        written = self.append(file, pieces)
        self.sync(file)
        return written

    def truncate(self, file: int, size: int) -> None:
        """Cut off what is behind ``size``."""
        os.ftruncate(file, size)

    def sync(self, file: int) -> None:
        """Return when what the file holds survives a power failure.

        After an error the file must not be trusted: the system may have dropped what it could not write,
        and reports success the next time.
        """
        os.fdatasync(file)

    def close(self, file: int) -> None:
        """Close; this syncs nothing."""
        os.close(file)

    def remove(self, path: Path) -> None:
        """Remove a file, if it is there. A power failure may undo it until its directory is synced."""
        path.unlink(missing_ok=True)

    def sync_names(self, directory: Path) -> None:
        """Make the names in ``directory`` survive a power failure, and the removals."""
        sync_directory(directory)

    def settle(self, path: Path, begin: int, size: int) -> None:
        """Make what a process that died has written survive a power failure, as it is read now.

        The file ends at ``size``. What is behind ``begin`` is not known to have been synced. It is written
        once more, because the dead process may have seen a sync fail.
        """
        file = self.open(path)
        try:
            self.truncate(file, size)
            self.write_again(file, begin)
            self.sync(file)
        finally:
            self.close(file)

    def write_again(self, file: int, begin: int) -> None:
        """Overwrite what is behind ``begin`` with itself, so that a sync has to write it."""
        while data := os.pread(file, _COPY_BYTES, begin):
            begin += os.pwrite(file, data, begin)


def write_all(
    write: Callable[[int, list[memoryview]], int], file: int, pieces: Sequence[bytes]
) -> int:
    """Have ``write``, a method of Files, write all of ``pieces``, however little it takes at a time; how many
    bytes they are. Raises OSError, with some of them written."""
    rest = [memoryview(piece) for piece in pieces]
    while rest:
        written = write(file, rest)
        while rest and written >= len(rest[0]):
            written -= len(rest.pop(0))
        if rest:
            rest[0] = rest[0][written:]
    return sum(map(len, pieces))


def sync_directory(directory: Path) -> None:
    """Make the names in ``directory`` survive a power failure."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
