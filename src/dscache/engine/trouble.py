"""Trouble with the disk, told to those who can do something about it: in the log, and to refused clients.

Commits that fail are tried again by themselves (``dscache.engine.pacing``), and so is what the redo log has
to write. So the server's log is told when they
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
    """What the log is told about tries to write ``what``. Times are those of a steady clock, in seconds."""

    def __init__(self, what: str) -> None:
        self._what: Final = what
        self._is_failing = False
        self._told_at = 0.0

    def failed(self, now: float, failing_since: float, error: str) -> None:
        """A try has failed, as all have since ``failing_since``."""
        cause = cause_of(error)
        if not self._is_failing:
            log.warning(
                "%s cannot be written to disk: %s. Changes are kept in memory and tried again; if it"
                " lasts, writes are refused. Make room on the disk, or mend it. INFO tells more"
                " (store_last_error, aof_last_error)",
                self._what,
                cause,
            )
        elif now - self._told_at >= _REMIND_SECONDS:
            log.warning(
                "%s cannot be written to disk, for %.0f s now: %s",
                self._what,
                now - failing_since,
                cause,
            )
        else:
            return
        self._is_failing = True
        self._told_at = now

    def succeeded(self, now: float, failing_since: float) -> None:
        """A try has succeeded, the first since ``failing_since``."""
        self._is_failing = False
        log.warning(
            "%s can be written to disk again, after %.1f s", self._what, now - failing_since
        )
