"""Waits: what a suspended command waits for.

A wait belongs to one command of one session. It counts the loads that it still needs, keeps the
loaded entries pinned until the command has run, and carries the results of background jobs to the
command's next try. Every wait says what it waits for, and since when: CLIENT LIST shows it.
"""

from __future__ import annotations

import time
from typing import Final

from dscache.cache.entry import Entry
from dscache.errors import DscacheError

#: What a wait can be for.
FOR_KEYS: Final = "disk"
FOR_SCAN: Final = "scan"
FOR_SNAPSHOT: Final = "snapshot"
FOR_ROOM: Final = "memory"
FOR_COMMIT: Final = "flush"
FOR_PAUSE: Final = "pause"
#: A key to change (BLPOP and its like).
FOR_CHANGE: Final = "blocked"


class Wait:
    """See the module's docstring. Only the event loop's thread touches it."""

    def __init__(self) -> None:
        self.reason = FOR_KEYS
        self.since: Final = time.perf_counter()
        #: Loads and jobs still under way.
        self.pending = 0
        self.pinned: list[Entry] = []
        #: Results of background jobs, by what the command calls them.
        self.results: dict[str, object] = {}
        self.error: DscacheError | None = None
        #: The keys that the command names have been asked for.
        self.is_preloaded = False
        #: How often the command has been restarted.
        self.restarts = 0
        #: The client is gone.
        self.cancelled = False
