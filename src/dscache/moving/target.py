"""A file that appears when it is complete."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import BinaryIO

from dscache.errors import DscacheError
from dscache.files import sync_directory


class Target:
    """The file called ``name``, which replaces one of that name when it is complete; or standard output for
    ``-``.

    Until then it is called ``partial``, or something like ``name``. A context. Raises DscacheError if the
    file cannot be made.
    """

    def __init__(self, name: str, partial: Path | None = None) -> None:
        self.written_bytes = 0
        self._path = None if name == "-" else Path(name)
        self._partial = partial or Path(f"{name}.{os.getpid()}.partial")
        try:
            self._file: BinaryIO = (
                sys.stdout.buffer if self._path is None else self._partial.open("wb")
            )
        except OSError as error:
            raise DscacheError(f"{name}: {error.strerror}") from error

    def __enter__(self) -> Target:
        return self

    def __exit__(self, *_: object) -> None:
        if self._path is not None:
            self._file.close()
            self._partial.unlink(missing_ok=True)

    def write(self, data: bytes) -> None:
        """More of it. Raises OSError."""
        self._file.write(data)
        self.written_bytes += len(data)

    def publish(self) -> None:
        """It is complete. Raises OSError."""
        self._file.flush()
        if self._path is not None:
            os.fsync(self._file.fileno())
            self._partial.rename(self._path)
            sync_directory(self._path.parent)
