"""Snapshots of the whole data set as RDB files: BGSAVE, SAVE and the directive ``save``.

Nothing is forked, and nobody waits but who asked to. One snapshot is made at a time:

==========  ======================================================  =======================
state       what is under way                                       where
==========  ======================================================  =======================
IDLE        nothing                                                 --
COMMITTING  what was there when it began gets on disk               epochs, as ever
COPYING     the store is copied, which takes hard links             the commit thread
WRITING     the copy is read, and the file written                  a process of its own
==========  ======================================================  =======================

If a step fails the snapshot ends there, and the file of the last one stays. The file shows the data set as
it was at one instant between two commands: what was acknowledged before the beginning is in it.
"""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from dscache.config.levels import NOTICE
from dscache.errors import CommandError, DscacheError
from dscache.store.directory import SNAPSHOT_NAME

if TYPE_CHECKING:
    from dscache.cache.epoch import Epoch
    from dscache.engine.engine import Engine

log: Final = logging.getLogger("dscache")

IDLE: Final = 0
COMMITTING: Final = 1
COPYING: Final = 2
WRITING: Final = 3

# No epoch has this number.
_NOT_KNOWN: Final = 1 << 62

# A snapshot that the directive ``save`` asks for is not tried again for so long after one that failed.
_RETRY_SECONDS: Final = 5.0


class RdbWriter(Protocol):
    """Who writes the file. Used from a thread."""

    def write(self, copy: Path, target: Path, on_progress: Callable[[int, int], None]) -> None:
        """Write all that the data directory ``copy`` has to ``target``, blocking. ``on_progress`` is told how
        many keys have been read, of how many. Raises DscacheError; then ``target`` is as it was."""
        ...

    def stop(self) -> None:
        """From another thread: let ``write`` fail soon."""
        ...


class Snapshots:
    """See the module's docstring. Without ``serve`` there is nobody who could write a file."""

    def __init__(self, engine: Engine) -> None:
        self._engine: Final = engine
        self._writer: RdbWriter | None = None
        #: Where its files are, if it is served: ``dir``, which for a volatile data set is not where that is.
        self.directory: Path | None = None
        self._copy = Path()
        self._target = Path()
        self._scribe: threading.Thread | None = None
        self._state = IDLE
        # The epoch that has all that was there at the beginning, and the number of changes up to there.
        self._epoch = _NOT_KNOWN
        self._changes = 0
        self._saved_changes = 0
        # Called at the end of the one that is being made.
        self._at_end: list[Callable[[], None]] = []
        self._error: DscacheError | None = None
        #: When the present one began, when the last that succeeded and the last that failed ended: by the
        #: engine's clock.
        self.began_at = 0.0
        self.saved_at: float = engine.started_at
        self.failed_at = 0.0
        #: How long the last one took; -1 before the first.
        self.last_seconds = -1.0
        self.saves = 0
        #: What ended the last one, if it failed.
        self.last_error = ""
        #: Of the one that is being written: keys that it has, and of how many.
        self.done_keys = 0
        self.total_keys = 0

    def serve(self, writer: RdbWriter, directory: Path, target: Path) -> None:
        """Have ``writer`` write files to ``target``, by means of a copy in the data directory
        ``directory``."""
        self._writer = writer
        self._copy = directory.absolute() / SNAPSHOT_NAME
        self._target = target.absolute()
        self.directory = self._target.parent
        self._remove_copy()

    # Figures

    @property
    def is_busy(self) -> bool:
        """Whether a snapshot is being made."""
        return self._state != IDLE

    @property
    def is_writing(self) -> bool:
        """Whether its file is being written."""
        return self._state == WRITING

    @property
    def changes(self) -> int:
        """Changes since the last one that succeeded began."""
        return self._engine.flusher.all_changes - self._saved_changes

    def seconds(self) -> float:
        """How long the present one has been going on; -1 if there is none."""
        return self._engine.core.clock.time() - self.began_at if self.is_busy else -1.0

    # From the beginning

    def begin(self) -> None:
        """Begin one. Raises CommandError if one is being made, or nobody can write it."""
        if self._writer is None:
            raise CommandError(
                b"ERR this data set is not served, so nothing writes snapshots of it"
            )
        if self.is_busy:
            raise CommandError(b"ERR Background save already in progress")
        self._state = COMMITTING
        self._epoch = _NOT_KNOWN
        self.began_at = self._engine.core.clock.time()
        self.done_keys = self.total_keys = 0
        log.log(NOTICE, "saving the data set to %s", self._target)
        # In the next turn: no epoch may be cut inside a transaction.
        self._engine.workers.post(self._begin_to_commit)

    def begin_for(self, job: Callable[[], None]) -> None:
        """As ``begin``, and call ``job`` at its end."""
        self.begin()
        self._at_end.append(job)

    def outcome(self) -> None:
        """Of the last one: raises DscacheError if it failed."""
        if self._error is not None:
            raise CommandError(b"ERR the data set could not be saved: " + str(self._error).encode())

    def _begin_to_commit(self) -> None:
        if self._state != COMMITTING:
            return
        flusher = self._engine.flusher
        self._changes = flusher.all_changes
        self._epoch = flusher.last_cut + 1 if flusher.has_dirty else flusher.last_cut
        self._engine.pacer.cut_if_idle()
        self._go_on(flusher.last_committed)

    @property
    def wants_commit(self) -> bool:
        """Whether it waits for an epoch that may not have been cut yet."""
        return self._state == COMMITTING

    def epoch_committed(self, epoch: Epoch) -> None:
        """An epoch is on disk."""
        self._go_on(epoch.number)

    def _go_on(self, committed: int) -> None:
        if self._state == COMMITTING and self._epoch <= committed:
            self._state = COPYING
            self._engine.workers.submit_commit(self._make_copy)

    def _make_copy(self) -> None:
        """In the commit thread."""
        try:
            self._remove_copy()
            self._engine.store.copy(self._copy)
        except DscacheError as error:
            self._error = error
            self._engine.workers.post(self._end)
        else:
            self._engine.workers.post(self._begin_to_write)

    def _begin_to_write(self) -> None:
        self._state = WRITING
        self._scribe = threading.Thread(target=self._write, name="dscache-snapshot", daemon=True)
        self._scribe.start()

    def _write(self) -> None:
        """In a thread that waits for the process."""
        assert self._writer is not None
        try:
            self._writer.write(self._copy, self._target, self._show)
        except DscacheError as failure:
            self._error = failure
        except Exception as unexpected:
            # Whoever waits for it must not wait for ever.
            self._error = DscacheError(f"{type(unexpected).__name__}: {unexpected}")
        self._remove_copy()
        self._engine.workers.post(self._end)

    def _show(self, done_keys: int, total_keys: int) -> None:
        self.done_keys = done_keys
        self.total_keys = total_keys

    def _remove_copy(self) -> None:
        shutil.rmtree(self._copy, ignore_errors=True)

    # To the end

    def _end(self) -> None:
        now = self._engine.core.clock.time()
        self._scribe = None
        self._state = IDLE
        self.last_seconds = now - self.began_at
        if self._error is None:
            self.saves += 1
            self.saved_at = now
            self._saved_changes = self._changes
            self.last_error = ""
            log.log(
                NOTICE,
                "saved the data set: %d keys in %.1f s",
                self.done_keys,
                self.last_seconds,
            )
        else:
            self.failed_at = now
            self.last_error = str(self._error)
            log.warning("the data set could not be saved to %s: %s", self._target, self._error)
        waiting = self._at_end
        self._at_end = []
        for job in waiting:
            job()
        self._error = None

    def tick(self) -> None:
        """Called about ten times a second: begin one if the directive ``save`` says so; end one that waits
        for a disk that takes nothing."""
        engine = self._engine
        if self._state == COMMITTING and engine.pacer.is_hopeless():
            self._error = CommandError(engine.refusal())
            self._end()
        points = engine.config.save
        if not points or self.is_busy or self._writer is None:
            return
        now = engine.core.clock.time()
        if self.failed_at != 0.0 and now - self.failed_at < _RETRY_SECONDS:
            return
        changes = self.changes
        for seconds, least_changes in points:
            if changes >= least_changes and now - self.saved_at > seconds:
                log.log(NOTICE, "%d changes in %d seconds", least_changes, seconds)
                self.begin()
                return

    def close(self) -> None:
        """Give up the one that is being made; the engine's threads have ended."""
        scribe = self._scribe
        if scribe is not None and self._writer is not None:
            self._writer.stop()
            scribe.join()
        if self.is_busy:
            self._remove_copy()
