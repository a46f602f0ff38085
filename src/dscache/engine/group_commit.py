"""Group commit: when the next sync of the redo log begins, with ``appendfsync always``.

A client that waits for its reply comes back soon after it has got it. So the commands that one sync has
released come again together, and had the next sync begun with the first of them, the others would wait for
the one after it: clients fall into groups that wait for each other's syncs, and each sync carries a part of
them only. Therefore the next sync waits until as many commands have come as were on their way when the last
one ended, those that it released and those that had come meanwhile.

Clients need not behave like that. A wait ends soon after the last sync, and after waits in vain there are
syncs without any, twice as many each time. Who comes later than that after a sync never waits.
(SET, 50 clients, pipeline 1: from 25 commands a sync to 48, and 1.2 times as many a second.)
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

# A wait ends this long after the last sync: a multiple of what that took, and a bound for slow disks.
_SYNCS: Final = 2.0
_MOST_SECONDS: Final = 0.001

# A wait for which fewer than this share of the commands came, in quarters, was in vain.
_ENOUGH_QUARTERS: Final = 3

_MOST_SKIPPED: Final = 64


class GroupCommit:
    """See the module's docstring. Times are those of ``time.perf_counter``, in seconds."""

    def __init__(self) -> None:
        self._expected: i64 = 0
        self._until = 0.0
        self._has_waited = False
        #: Syncs that waited, and those for which too few of the expected commands came.
        self.waits: i64 = 0
        self.waits_in_vain: i64 = 0
        # Syncs that are still to come without a wait, and how many the next wait in vain will cost.
        self._skipped: i64 = 0
        self._next_skipped: i64 = 1

    def synced(self, now: float, seconds: float, expected: int) -> None:
        """A sync that took ``seconds`` has ended; ``expected`` commands are on their way."""
        self._expected = expected
        self._has_waited = False
        if self._skipped > 0:
            self._skipped -= 1
            self._until = 0.0
        else:
            self._until = now + min(_SYNCS * seconds, _MOST_SECONDS)

    def is_due(self, now: float, come: int) -> bool:
        """Whether the next sync is to begin, as ``come`` commands have come for it. If not, ask again in
        the next turn."""
        if come >= self._expected:
            if self._has_waited:
                self._next_skipped = 1
            return True
        if now < self._until:
            if not self._has_waited:
                self._has_waited = True
                self.waits += 1
            return False
        if self._has_waited and 4 * come < _ENOUGH_QUARTERS * self._expected:
            self._has_waited = False
            self.waits_in_vain += 1
            self._skipped = self._next_skipped
            self._next_skipped = min(2 * self._next_skipped, _MOST_SKIPPED)
        return True
