"""The limit of open files: raised at start as far as it goes, and watched, because the event loop does not.

Each client is an open file, and so are the store's tables. uvloop says nothing when the process has no file
left to accept a connection with: the client waits, and nobody knows why. So each tick tries to open one.
"""

from __future__ import annotations

import logging
import os
import resource
from typing import Final

from dscache.errors import ConfigError

log: Final = logging.getLogger("dscache")

# For all but clients: RocksDB's tables (``max_open_files`` in ``dscache.store.options``), 64 connections of
# HTTP (``dscache.http.site``), and 64 for its log, the journal, listeners, the event loop and the log.
RESERVED: Final = 512 + 64 + 64

# At most one complaint in this time.
_COMPLAIN_SECONDS: Final = 60.0


def allow_clients(wanted: int) -> int:
    """Raise the limit so that ``wanted`` clients can be connected; how many can be, if not so many.

    Raises ConfigError if the limit does not even suffice for the store.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + RESERVED
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return wanted
    best = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if best > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (best, hard))
    clients = max(best, soft) - RESERVED
    if clients < 1:
        raise ConfigError(
            f"the limit of open files is {max(best, soft)}, which is too low: raise it to"
            f" {needed} (ulimit -n)"
        )
    return clients


class OpenFiles:
    """Complains in the log while the limit is reached. Times are those of a clock, in seconds."""

    def __init__(self) -> None:
        self._complain_at = 0.0

    def watch(self, now: float) -> None:
        """To be called about ten times a second."""
        if now < self._complain_at:
            return
        try:
            os.close(os.dup(0))
        except OSError as error:
            self._complain_at = now + _COMPLAIN_SECONDS
            log.warning(
                "no connection can be accepted: %s. The limit of open files is %d; raise it (ulimit"
                " -n) or lower maxclients",
                error.strerror,
                resource.getrlimit(resource.RLIMIT_NOFILE)[0],
            )
