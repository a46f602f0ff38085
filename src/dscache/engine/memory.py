"""The memory bound: from ``maxmemory`` to the bytes that entries may take.

One number covers everything: entries with their dirty and saving versions, the negative cache, the
store's block cache and write buffers, and the clients' buffers. What is left for entries is what the
others leave over. Those are measured, entries are accounted; and because an account of Python objects
is an estimate (allocator slack, fragmentation), a slow feedback from the process's real resident size
corrects it: while the process is larger than ``maxmemory`` plus what it was when it started, the share
of the entries shrinks, and it recovers when there is room.
"""

from __future__ import annotations

import os
from typing import Final

#: The store's part of maxmemory: block cache and write buffers.
STORE_SHARE: Final = 4

# Whatever else is wanted, entries keep at least this part of maxmemory.
_LEAST_SHARE: Final = 8

# The correction moves by a tenth of the error per tick, and forgets a fiftieth of itself when there
# is none: quick enough to follow a load, too slow to swing.
_GAIN: Final = 0.1
_DECAY: Final = 0.98

_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


def resident_bytes() -> int:
    """The resident size of this process."""
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[1]) * _PAGE_BYTES


class MemoryBound:
    """See the module's docstring. ``tick`` is called about ten times a second."""

    def __init__(self, maxmemory: int) -> None:
        self.maxmemory = maxmemory
        #: Resident size before there was any data.
        self.baseline_bytes: Final = resident_bytes()
        self.resident_bytes = self.baseline_bytes
        self.peak_resident_bytes = self.baseline_bytes
        self.store_bytes = 0
        self.clients_bytes = 0
        self.correction_bytes = 0

    def store_budget(self) -> int:
        """What the store is told to stay near."""
        return self.maxmemory // STORE_SHARE

    def tick(self, store_bytes: int, clients_bytes: int) -> None:
        """Take new readings."""
        self.store_bytes = store_bytes
        self.clients_bytes = clients_bytes
        self.resident_bytes = resident_bytes()
        self.peak_resident_bytes = max(self.peak_resident_bytes, self.resident_bytes)
        excess = self.resident_bytes - self.baseline_bytes - self.maxmemory
        if excess > 0:
            self.correction_bytes = min(
                int(self.correction_bytes + excess * _GAIN), self.maxmemory // 2
            )
        else:
            self.correction_bytes = int(self.correction_bytes * _DECAY)

    def entries_limit(self) -> int:
        """What entries may take now."""
        store = max(self.store_bytes, self.store_budget())
        left = self.maxmemory - store - self.clients_bytes - self.correction_bytes
        return max(left, self.maxmemory // _LEAST_SHARE)
