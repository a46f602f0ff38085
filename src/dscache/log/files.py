"""The calls to the operating system that the redo log is written with, in one place.

A test puts a disk of its own here, that fails, writes in part, and forgets what was not synced.
"""

from __future__ import annotations

import os
from pathlib import Path

from mypy_extensions import mypyc_attr

from dscache.store.journal import sync_directory


@mypyc_attr(allow_interpreted_subclasses=True)
class Files:
    """Files that are appended to, by their descriptors. Every method raises OSError."""

    def create(self, path: Path) -> int:
        """A new, empty file, whose name survives a power failure."""
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_TRUNC, 0o600)
        try:
            sync_directory(path.parent)
        except OSError:
            os.close(file)
            raise
        return file

    def append(self, file: int, data: memoryview) -> int:
        """Write some of ``data`` to the end; how many bytes."""
        return os.write(file, data)

    def truncate(self, file: int, size: int) -> None:
        """Cut off what is behind ``size``."""
        os.ftruncate(file, size)

    def sync(self, file: int) -> None:
        """Return when what the file holds survives a power failure."""
        os.fdatasync(file)

    def close(self, file: int) -> None:
        """Close; this syncs nothing."""
        os.close(file)

    def remove(self, path: Path) -> None:
        """Remove a file, if it is there. A power failure may undo it."""
        path.unlink(missing_ok=True)
