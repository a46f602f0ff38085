"""The memory bound: from ``maxmemory`` to the bytes that entries may take.

One number covers everything: entries with their dirty and saving versions, the negative cache, the
store's block cache and write buffers, what clients take with the table of what they track, and the
Lua state. What is left for entries is what the others leave over. Those are measured, entries are
accounted; and because an account of Python objects is an estimate (allocator slack, fragmentation), a
slow feedback from the process's real resident size corrects it: while the process is larger than its
target, the share of the entries shrinks, and it recovers when there is room.

What is promised is a resident size of at most 1.2 times ``maxmemory`` and 64 MiB. The target lies half way
between that and the least that makes sense, ``maxmemory`` and what the process was when it started. It was
that least once; but the allocators keep some of what goes through them, so that at 64mb, 600,000 keys of
500 bytes written and read, the correction went to its ceiling, half of the memory, and stayed there:
16 MB were left for entries. Giving entries less does not make the C library give back what is free, so
it is asked to, as long as the process is too large. With both, the same load ended with 47 MB for entries,
and 129 MiB resident at most (interpreted; promised are 141).
"""

from __future__ import annotations

import os
from typing import Final

from dscache.engine.allocator import release_free_memory

#: The store's part of maxmemory: block cache and write buffers.
STORE_SHARE: Final = 4

# Whatever else is wanted, entries keep at least this part of maxmemory.
_LEAST_SHARE: Final = 8

# The correction moves by a tenth of the error per tick, and forgets a fiftieth of itself when there
# is none: quick enough to follow a load, too slow to swing.
_GAIN: Final = 0.1
_DECAY: Final = 0.98

# The promise, in tenths of maxmemory and beyond them; and how far below it the target stays, however large
# the process was when it started: what comes within a tick or two, and 5 % of maxmemory.
_PROMISED_TENTHS: Final = 12
_PROMISED_BYTES: Final = 64 * 1024 * 1024
_MARGIN_SHARE: Final = 20
_MARGIN_BYTES: Final = 8 * 1024 * 1024

# While it is too large, the C library is asked this seldom to give back what is free.
_TRIM_TICKS: Final = 50

_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")

# Kept open: a process that has no file left to open must go on ticking.
_STATM: Final = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)


def resident_bytes() -> int:
    """The resident size of this process."""
    return int(os.pread(_STATM, 256, 0).split()[1]) * _PAGE_BYTES


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
        self._ticks_to_trim = 0

    def store_budget(self) -> int:
        """What the store is told to stay near."""
        return self.maxmemory // STORE_SHARE

    def target_bytes(self) -> int:
        """The resident size beyond which entries get less."""
        promised = self.maxmemory * _PROMISED_TENTHS // 10 + _PROMISED_BYTES
        middle = (self.baseline_bytes + self.maxmemory + promised) // 2
        return min(middle, promised - self.maxmemory // _MARGIN_SHARE - _MARGIN_BYTES)

    def weigh(self, store_bytes: int, clients_bytes: int) -> None:
        """Take new readings of what is measured beside entries."""
        self.store_bytes = store_bytes
        self.clients_bytes = clients_bytes

    def tick(self) -> None:
        """Take a new reading of the resident size, and correct by it."""
        self.resident_bytes = resident_bytes()
        self.peak_resident_bytes = max(self.peak_resident_bytes, self.resident_bytes)
        excess = self.resident_bytes - self.target_bytes()
        self._ticks_to_trim -= 1
        if excess > 0 and self._ticks_to_trim <= 0:
            self._ticks_to_trim = _TRIM_TICKS
            release_free_memory()
            self.resident_bytes = resident_bytes()
            excess = self.resident_bytes - self.target_bytes()
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
