"""Pacing: when an epoch is cut, and when writers have to wait for one.

An epoch is cut when its oldest change is as old as ``cache-flush-delay``, when it has grown to a share
of the memory, when memory is full of what cannot be evicted, or when somebody waits for a commit. With
the redo log a crash loses nothing by it when the first of these comes later: then commits rest for some
times as long as the last one took, so that keys which change again and again, and large values, are not
written at the cost of those who use them.

Two rules keep the bound: at most half of the entries' memory is dirty or saving, so that readers keep the
rest; and while more comes in than the disk takes, those who write wait, not those who read. They wait in
many small steps: what may be dirty grows with what has been saved of the epoch before.

When commits fail, tries come at the flusher's growing intervals, and after a bound writes are refused
instead of waiting. So they are when the disk neither fails nor gets done.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from mypy_extensions import i64

from dscache.cache.flusher import Flusher
from dscache.cache.residency import Residency
from dscache.cache.workers import Workers
from dscache.engine.redo import Redo
from dscache.errors import StoreError

# An epoch is cut when this share of the limit is dirty. While one is being saved, so much may be dirty at
# its end, and half of it at its beginning: beyond, writers wait. (When all of it was free from the beginning,
# they wrote at full speed and then stood still until the epoch's end: 684 ms at 64 MB.)
_DIRTY_SHARE: Final = 4
_FREE_SHARE: Final = 2

# A few large values may be so many times the dirty share: they are encoded whole for each epoch. To cut one
# after every command that changes a sorted set of a million members (a quarter of 1 GB) was to do nothing
# else.
_FEW: Final = 16
_FEW_TIMES: Final = 2

# Commits have failed for this long: writes are refused.
_REFUSE_AFTER_SECONDS: Final = 5.0

# The disk has been busy with one commit, or one sync of the log, for this long: who would have to wait for it
# is refused. A disk that is only slow gets done: an epoch is a quarter of the memory at most.
_STUCK_AFTER_SECONDS: Final = 30.0


# With the redo log: a commit is followed by a rest of so many times the time that it took, but no longer
# than so. Measured with SET over 100,000 keys, 50 clients, pipeline 1, appendfsync everysec: 77,000 a second
# instead of 54,000 without rests (medians of five).
_REST: Final = 9
_LONGEST_REST_SECONDS: Final = 8.0


class Pacer:
    """See the module's docstring.

    ``before_cut`` is called with the number of an epoch that is about to be cut, ``want_turn`` when
    the flusher has got work to do.
    """

    def __init__(
        self,
        residency: Residency,
        flusher: Flusher,
        workers: Workers,
        before_cut: Callable[[int], None],
        want_turn: Callable[[], None],
        redo: Redo,
    ) -> None:
        self._residency: Final[Residency] = residency
        self._flusher: Final[Flusher] = flusher
        self._workers: Final[Workers] = workers
        self._before_cut = before_cut
        self._want_turn = want_turn
        self._redo: Final[Redo] = redo
        #: Directive cache-flush-delay.
        self.flush_delay_seconds: float = 1.0
        #: Memory is full of what is not on disk yet: writers wait.
        self.writers_wait: bool = False
        self._entries_limit: i64 = 0
        self._dirty_limit: i64 = 0
        self.set_limit(int(residency.limit_bytes))

    def set_limit(self, limit_bytes: int) -> None:
        """Entries may take ``limit_bytes`` from now on."""
        residency = self._residency
        residency.set_limit(limit_bytes)
        self._entries_limit = limit_bytes - residency.policy.overhead_bytes()
        self._dirty_limit = limit_bytes // _DIRTY_SHARE

    def is_pressed(self) -> bool:
        """Whether ``relieve`` has something to do. Asked after every command."""
        residency = self._residency
        return (
            residency.entries_bytes + residency.saving_bytes > self._entries_limit
            or self._is_too_dirty()
        )

    def _is_too_dirty(self) -> bool:
        """Whether what is dirty must go to disk, whatever the time. While an epoch is being saved, whether it
        must before there is more of it."""
        flusher = self._flusher
        dirty_bytes: i64 = flusher.dirty_bytes
        limit: i64 = self._dirty_limit
        free: i64 = limit // _FREE_SHARE
        if dirty_bytes <= free:
            return False
        if flusher.dirty_count <= _FEW:
            return dirty_bytes > _FEW_TIMES * limit
        if flusher.is_saving:
            return float(dirty_bytes) > float(free) + float(limit - free) * flusher.progress()
        return dirty_bytes > limit

    def relieve(self) -> None:
        """Evict what may go, cut an epoch if that is not enough, and decide whether writers wait."""
        flusher = self._flusher
        has_room = self._residency.make_room()
        if not has_room or self._is_too_dirty():
            self.cut_if_idle()
        self.writers_wait = (
            (not has_room and (flusher.is_saving or flusher.has_dirty))
            or self._is_too_dirty()
            or self._redo.is_full
        )
        flusher.is_awaited = self.writers_wait

    def cut_if_idle(self) -> None:
        """Cut an epoch, unless one is being saved or a failed one waits for its next try."""
        flusher = self._flusher
        if flusher.is_saving or not flusher.has_dirty:
            return
        if flusher.retry_at > time.perf_counter():
            return
        self._before_cut(flusher.last_cut + 1)
        flusher.cut()
        self._want_turn()

    def flush_if_due(self) -> None:
        """Cut an epoch if it is time for it."""
        if self._flusher.has_dirty and time.perf_counter() >= self._due():
            self.cut_if_idle()

    def _due(self) -> float:
        """When what is dirty is to be committed, if nothing else asks for it before."""
        flusher = self._flusher
        due = flusher.dirty_since + self.flush_delay_seconds
        if self._redo.is_on:
            rest = min(_REST * flusher.last_commit_seconds, _LONGEST_REST_SECONDS)
            due = max(due, flusher.committed_at + rest)
        return due

    def next_flush_seconds(self) -> float | None:
        """When ``flush_if_due`` will have something to do; None if nothing is dirty."""
        flusher = self._flusher
        if not flusher.has_dirty or flusher.is_saving:
            return None
        return max(max(self._due(), flusher.retry_at) - time.perf_counter(), 0.0)

    def refuses_writes(self) -> bool:
        """Whether commits, or the redo log, have failed for so long that writes are refused."""
        since = [self._flusher.failing_since, self._redo.failing_since]
        if not any(since):
            return False
        return time.perf_counter() - min(filter(None, since)) > _REFUSE_AFTER_SECONDS

    def stuck_seconds(self) -> float:
        """For how long the disk has not got done with what it was given, beyond what is bearable; else 0."""
        since = [self._flusher.committing_since, self._redo.busy_since]
        if not any(since):
            return 0.0
        seconds = time.perf_counter() - min(filter(None, since))
        return seconds if seconds > _STUCK_AFTER_SECONDS else 0.0

    def is_hopeless(self) -> bool:
        """Whether nobody should be kept waiting for a commit."""
        return self.refuses_writes() or self.stuck_seconds() > 0.0

    def keep_up(self) -> None:
        """For who changes much and gives the engine no turns: what a turn would do for memory, and what
        writers would wait for is waited for, blocking. Raises StoreError."""
        if self._flusher.has_work:
            self._flusher.work(1.0)
        self._workers.run_posted()
        if self.is_pressed():
            self.relieve()
        while self.writers_wait:
            if self._flusher.is_saving:
                self._go_on_saving()
            elif self._flusher.last_error:
                raise StoreError(self._flusher.last_error)
            self.relieve()

    def commit_now(self) -> None:
        """Save everything that is dirty, blocking until it is on disk or has failed.

        For the end of the server. Raises StoreError.
        """
        flusher = self._flusher
        for _ in range(2):
            if not flusher.is_saving and flusher.has_dirty:
                self._before_cut(flusher.last_cut + 1)
                flusher.cut()
            while flusher.is_saving:
                self._go_on_saving()
            if flusher.last_error:
                raise StoreError(flusher.last_error)

    def _go_on_saving(self) -> None:
        """Do the next thing that the epoch which is being saved needs, blocking."""
        if self._flusher.has_work:
            self._flusher.work(1.0)
        else:
            self._workers.wait_for(self._workers.has_posted)
        self._workers.run_posted()
