"""``--volatile``: a data directory for one run, below the directory that was meant for data.

It is removed at exit, and so are the folders above it that were made for it, if nothing else is in
them. A killed server leaves its directory behind; the next one in the same place removes it. Whether its
server still runs is told by its lock, which the kernel drops with the process. A directory without a
lock file has just been made by a server that is starting, and is left alone.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import tempfile
from pathlib import Path
from typing import Final

from dscache.errors import ConfigError, StoreLockedError
from dscache.store.directory import LOCK_NAME, DirectoryLock

log: Final = logging.getLogger("dscache")

_PREFIX: Final = "volatile-"


class VolatileDirectory:
    """See the module's docstring. Raises ConfigError if it cannot be made."""

    def __init__(self, parent: Path) -> None:
        self._made: Final = [one for one in (parent, *parent.parents) if not one.exists()]
        try:
            parent.mkdir(parents=True, exist_ok=True)
            _remove_left_over(parent)
            self.path: Final = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        except OSError as error:
            raise ConfigError(
                f"no temporary store can be made in {parent}: {error.strerror}"
            ) from error

    def remove(self) -> None:
        """At exit. Never raises."""
        shutil.rmtree(self.path, ignore_errors=True)
        with contextlib.suppress(OSError):
            for folder in self._made:
                folder.rmdir()


def _remove_left_over(parent: Path) -> None:
    for directory in parent.glob(f"{_PREFIX}*"):
        if not (directory / LOCK_NAME).exists():
            continue
        try:
            lock = DirectoryLock(directory)
        except (StoreLockedError, OSError):
            # Its server runs, or it is somebody else's.
            continue
        try:
            shutil.rmtree(directory, ignore_errors=True)
        finally:
            lock.release()
        log.warning("removed %s, which a server that was killed had left", directory)
