"""A data directory in the making: all of it appears, or nothing.

It is made in a folder below the directory that it is for, so that it is on the same file system even if
that is a mount point, and its parts are moved up when it is complete. The mark of the format (FORMAT) comes
last: without it no server takes what is there for its data. Meanwhile the directory is locked as by a server.

A process that is killed leaves the folder behind. The next one in the same place removes it, and what had
been moved up already.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import TracebackType
from typing import Final

from dscache.errors import StoreError
from dscache.files import sync_directory
from dscache.store.directory import LOCK_NAME, PARTS, VERSION_NAME, DirectoryLock

_STAGE_NAME: Final = ".dscache-importing"


class StagedDirectory:
    """``path`` is to become the data directory ``directory``, which must not hold one. A context: what
    has not been ``published`` at its end is removed.

    Raises StoreLockedError if a server uses the directory, StoreError if it has data or cannot be made.
    """

    def __init__(self, directory: Path) -> None:
        self._directory: Final = directory
        self._made: Final = [one for one in (directory, *directory.parents) if not one.exists()]
        self.path: Final = directory / _STAGE_NAME
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._lock: Final = DirectoryLock(directory)
        except OSError as error:
            raise _unusable(directory, error) from error
        try:
            self._begin()
        except BaseException:
            self._lock.release()
            raise

    def _begin(self) -> None:
        try:
            self._remove_left_over()
            self._require_no_data()
            self.path.mkdir()
        except OSError as error:
            raise _unusable(self._directory, error) from error

    def __enter__(self) -> StagedDirectory:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self._has_data():
            self._remove_parts()
        shutil.rmtree(self.path, ignore_errors=True)
        if not self._has_data() and self._made:
            (self._directory / LOCK_NAME).unlink(missing_ok=True)
            for folder in self._made:
                if any(folder.iterdir()):
                    break
                folder.rmdir()
        self._lock.release()

    def publish(self) -> None:
        """Make ``path`` the data directory; its store is closed. Raises StoreError."""
        try:
            sync_directory(self.path)
            parts = [
                one for one in self.path.iterdir() if one.name not in (LOCK_NAME, VERSION_NAME)
            ]
            for part in (*parts, self.path / VERSION_NAME):
                os.rename(part, self._directory / part.name)
                sync_directory(self._directory)
        except OSError as error:
            raise _unusable(self._directory, error) from error

    def _has_data(self) -> bool:
        return (self._directory / VERSION_NAME).exists()

    def _remove_left_over(self) -> None:
        if self.path.exists():
            if not self._has_data():
                self._remove_parts()
            shutil.rmtree(self.path)

    def _remove_parts(self) -> None:
        """Remove what has been moved up without the mark that comes last; there was none before."""
        for name in PARTS:
            shutil.rmtree(self._directory / name, ignore_errors=True)

    def _require_no_data(self) -> None:
        for name in (VERSION_NAME, *PARTS):
            if (self._directory / name).exists():
                raise StoreError(
                    f"{self._directory} has data already ({name}); move it away, or name another --dir"
                )


def _unusable(directory: Path, error: OSError) -> StoreError:
    return StoreError(f"{directory} cannot be used as the data directory: {error.strerror}")
