"""Trouble with the disk, told to those who can do something about it: in the log, and to refused clients.

Commits that fail are tried again by themselves (``dscache.engine.pacing``), so the log is told when they
begin to fail, once a minute while it lasts, and when it is over, however often they are tried. INFO keeps the
store's own words (``store_last_error``), which may be three errors inside each other, with names of
files; everybody else is told the cause.
"""

from __future__ import annotations

import errno
import logging
import os
from typing import Final

log: Final = logging.getLogger("dscache")

# At most one reminder in this time.
_REMIND_SECONDS: Final = 60.0

# What the operating system says of a disk in trouble; RocksDB's errors quote it.
_CAUSES: Final = tuple(
    [
        os.strerror(code)
        for code in (
            errno.ENOSPC,
            errno.EDQUOT,
            errno.EFBIG,
            errno.EROFS,
            errno.EIO,
            errno.EMFILE,
            errno.EACCES,
            errno.ENOENT,
        )
    ]
)


def cause_of(error: str) -> str:
    """The cause in an error of the store: what the operating system said, or its first clause."""
    for cause in _CAUSES:
        if cause in error:
            return cause
    return error.partition(";")[0]


class TroubleLog:
    """What the log is told about commits. Times are those of a steady clock, in seconds."""

    def __init__(self) -> None:
        self._is_failing = False
        self._told_at = 0.0

    def failed(self, now: float, failing_since: float, error: str) -> None:
        """A commit has failed, as all have since ``failing_since``."""
        cause = cause_of(error)
        if not self._is_failing:
            log.warning(
                "changes cannot be written to disk: %s. They are kept in memory and tried again; if it"
                " lasts, writes are refused. Make room on the disk, or mend it. INFO store tells more"
                " (store_last_error)",
                cause,
            )
        elif now - self._told_at >= _REMIND_SECONDS:
            log.warning(
                "changes have not been written to disk for %.0f s: %s", now - failing_since, cause
            )
        else:
            return
        self._is_failing = True
        self._told_at = now

    def succeeded(self, now: float, failing_since: float) -> None:
        """A commit has been made, the first since ``failing_since``."""
        self._is_failing = False
        log.warning("changes are written to disk again, after %.1f s", now - failing_since)
