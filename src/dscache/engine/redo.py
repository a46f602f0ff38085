"""The redo log as the engine sees it: what changes are noted, when they are written, and when they are safe.

The store is behind by up to an epoch; the log has what it lacks. A command that has changed something is
noted as it was called, with the time at which it took place; run again at that time over the same data it
does the same (``dscache.engine.replay``). So a due time may be relative, XADD may choose its ID, and what
expired need not be noted. A command that leaves something to chance says with ``instead`` what it
came to (SPOP, as SREM). Transactions and scripts are noted as what they called, between MULTI and EXEC.

What is noted is gathered and handed to the log thread as one *frame*, at short intervals, between two
commands. ``appendfsync`` says when frames are synced; with ``always`` a client's replies wait for it
(``Session.logged``, ``when_synced``), and all that came in together share one sync. A cut ends the frame and
the segment; the epoch takes the frame's number with it into the store, in the same batch, and when it is
committed the segments up to there are deleted. So each frame is replayed exactly once, or not at all.

What fails in the log thread is tried again at growing intervals, and nothing is forgotten. After a bound
writes are refused, as when the store cannot be written.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgpack
from librt.strings import BytesWriter
from mypy_extensions import i64

from dscache.cache.flusher import LOG_KEY
from dscache.engine.group_commit import GroupCommit
from dscache.engine.trouble import TroubleLog
from dscache.errors import StoreDamagedError
from dscache.log.format import MOST_BODY_BYTES, add_command, time_line
from dscache.log.writer import LogWriter
from dscache.store.base import META, Store

if TYPE_CHECKING:
    from dscache.cache.workers import Workers
    from dscache.engine.core import Core
    from dscache.engine.latency import LatencyMonitor

#: When frames are synced: the values of ``appendfsync``.
ALWAYS: Final = "always"
EVERY_SECOND: Final = "everysec"
NEVER: Final = "no"

# What is noted is handed over after this time, or when there is so much, and a share of what may be unsynced.
# With ``always``, when the group is complete. (Each time the GIL changes hands several times. SET over
# 100,000 keys, pipeline 16, beside an older build, medians of seven: 1.36 times as many with 256 KB, 1.65
# with this.)
_FRAME_SECONDS: Final = 0.01
_MOST_FRAME_BYTES: Final = 1024 * 1024
_FRAME_SHARE: Final = 4

_SYNC_SECONDS: Final = 1.0

# What is not synced is kept in memory. Beyond this share of maxmemory (and these bounds) it is synced at
# once; beyond twice that, writers wait.
_UNSYNCED_SHARE: Final = 32
_LEAST_UNSYNCED_BYTES: Final = 1024 * 1024
_MOST_UNSYNCED_BYTES: Final = 64 * 1024 * 1024

_FIRST_RETRY_SECONDS: Final = 0.1
_LONGEST_RETRY_SECONDS: Final = 5.0

# What the log thread is asked to do.
_WRITE: Final = 0
_SYNC: Final = 1
_WRITE_AND_SYNC: Final = 2
_END_SEGMENT: Final = 3
_DROP: Final = 4

#: What to do, with the number of a frame and its body.
Action = tuple[int, int, bytes]

_SELECT: Final = b"SELECT"
_MULTI: Final = b"*1\r\n$5\r\nMULTI\r\n"
_EXEC: Final = b"*1\r\n$4\r\nEXEC\r\n"


def stored_sequence(store: Store) -> int:
    """The last frame that ``store`` contains. Raises StoreDamagedError."""
    record = store.read_many(META, [LOG_KEY])[0]
    if record is None:
        return 0
    try:
        sequence = msgpack.unpackb(record)
    except ValueError as error:
        raise StoreDamagedError(
            f"the store's place in the redo log cannot be read: {error}"
        ) from error
    if not isinstance(sequence, int):
        raise StoreDamagedError("the store's place in the redo log is not a number")
    return sequence


class _Job:
    """Actions on their way through the log thread and back."""

    def __init__(self, redo: Redo, writer: LogWriter, actions: list[Action]) -> None:
        self._redo: Final = redo
        self._writer: Final = writer
        self.actions: Final = actions
        #: How many of them have been carried out, and what went wrong with the next.
        self.done = 0
        self.error = ""
        #: The last frame that was written, and synced; 0 if none was.
        self.written = 0
        self.has_synced = False
        self.seconds = 0.0

    def run(self) -> None:
        """In the log thread."""
        started = time.perf_counter()
        try:
            for action, sequence, body in self.actions:
                self._carry_out(action, sequence, body)
                self.done += 1
        except Exception as error:
            # This thread must go on, and so must the tries.
            self.error = f"{error.strerror}" if isinstance(error, OSError) else repr(error)
        self.seconds = time.perf_counter() - started
        self._redo.post(self._end)

    def _carry_out(self, action: int, sequence: int, body: bytes) -> None:
        writer = self._writer
        if action == _WRITE:
            writer.append(sequence, body)
            self.written = sequence
            self.has_synced = False
        elif action == _WRITE_AND_SYNC:
            writer.append_and_sync(sequence, body)
            self.written = sequence
            self.has_synced = True
        elif action == _SYNC:
            writer.sync()
            self.has_synced = True
        elif action == _END_SEGMENT:
            writer.end_segment()
            self.has_synced = True
        else:
            writer.drop_until(sequence)

    def _end(self) -> None:
        self._redo.job_ended(self)


class Redo:
    """See the module's docstring. Without ``start`` nothing is noted, and everything counts as safe.

    ``want_turn`` asks for a turn, ``want_turn_at`` for one at a time of the clock.
    """

    def __init__(
        self,
        core: Core,
        workers: Workers,
        latency: LatencyMonitor,
        want_turn: Callable[[], None],
        want_turn_at: Callable[[float], None],
    ) -> None:
        self._core: Final = core
        self._workers: Final = workers
        self._latency: Final = latency
        self._want_turn = want_turn
        self._want_turn_at = want_turn_at
        self._writer: LogWriter | None = None
        #: Changes are noted.
        self.is_on: bool = False
        self.policy: str = EVERY_SECOND
        #: Commands that were noted.
        self.noted: i64 = 0
        # The frame that is being gathered, and what the next command need not repeat.
        self._frame = BytesWriter()
        self._database: i64 = -1
        self._now_ms: i64 = 0
        # The transaction or script that is being noted: how deep, and whether it has changed anything.
        self._depth: i64 = 0
        self._group_noted = False
        self._instead: list[list[bytes]] = []
        #: The last frame that was handed over, written, and synced.
        self.sequence: i64 = 0
        self.written: i64 = 0
        self.synced: i64 = 0
        self._todo: list[Action] = []
        self._job: _Job | None = None
        # Bodies of frames that are not known to be synced: (number, bytes), and all their bytes.
        self._frames: Final[deque[tuple[int, int]]] = deque()
        self._frames_bytes: i64 = 0
        self._most_unsynced: i64 = _LEAST_UNSYNCED_BYTES
        self._frame_bytes: i64 = _LEAST_UNSYNCED_BYTES // _FRAME_SHARE
        self._last_sync = 0.0
        self._sync_wanted = False
        self._due = 0.0
        #: Whom a sync waits for.
        self.group: Final[GroupCommit] = GroupCommit()
        # What ``noted`` was when the frame began that is being gathered, and that which is being synced.
        self._noted_before: i64 = 0
        self._noted_before_synced: i64 = 0
        # Who waits for a frame to be synced: (frame, what to call), in order of the frames.
        self._waiting: Final[deque[tuple[int, Callable[[], None]]]] = deque()
        #: As the flusher's: since when tries have failed, when the next one comes, and why.
        self.failing_since: float = 0.0
        self._retry_at = 0.0
        self._retry_seconds = _FIRST_RETRY_SECONDS
        self.last_error: str = ""
        self._trouble: Final = TroubleLog("the redo log")
        self.last_sync_seconds: float = 0.0
        #: Syncs that have succeeded.
        self.syncs: i64 = 0
        #: ``time.perf_counter`` when the log thread got what it is busy with; 0 if it is not.
        self.busy_since: float = 0.0
        #: Syncs that were due while the one before was still under way.
        self.delayed_syncs: int = 0

    def start(self, writer: LogWriter, sequence: int) -> None:
        """From now on changes are noted; ``sequence`` is the last frame that there is."""
        self._writer = writer
        self.sequence = self.written = self.synced = sequence
        self._last_sync = time.perf_counter()
        self.is_on = True

    def continue_after(self, sequence: int) -> None:
        """Frames up to ``sequence`` are part of the data set: they have been replayed."""
        self.sequence = self.written = self.synced = sequence

    def set_policy(self, policy: str) -> None:
        """ALWAYS, EVERY_SECOND or NEVER, from now on."""
        self.policy = policy
        # Whoever waits for a sync, because it was ALWAYS, gets one.
        self._sync_wanted = self.is_on

    def holds(self, position: int) -> bool:
        """Whether a reply to a change that is in frame ``position`` has to wait for a sync."""
        return position > self.synced and self.policy == ALWAYS

    def set_memory(self, maxmemory: int) -> None:
        """Keep what is not synced near a share of ``maxmemory``."""
        share = maxmemory // _UNSYNCED_SHARE
        self._most_unsynced = min(max(share, _LEAST_UNSYNCED_BYTES), _MOST_UNSYNCED_BYTES)
        self._frame_bytes = min(self._most_unsynced // _FRAME_SHARE, _MOST_FRAME_BYTES)

    # Noting

    def note(self, args: list[bytes], database: int) -> None:
        """The command ``args`` has changed something in ``database``. O(arguments)."""
        self.noted += 1
        frame = self._frame
        if len(frame) == 0:
            self._begin_frame()
        if self._depth > 0 and not self._group_noted:
            self._group_noted = True
            frame.write(_MULTI)
        now_ms: i64 = self._core.now_ms
        if self._now_ms != now_ms:
            self._now_ms = now_ms
            frame.write(time_line(int(now_ms)))
        if self._database != database:
            self._database = database
            add_command(frame, [_SELECT, b"%d" % database])
        if self._instead:
            for command in self._instead:
                add_command(frame, command)
            self._instead = []
        else:
            add_command(frame, args)
        if len(frame) > self._frame_bytes and self._due != 0.0:
            self._due = 0.0
            self._want_turn()

    def instead(self, commands: list[list[bytes]]) -> None:
        """The running command is to be noted as ``commands``, which do what it has done."""
        if self.is_on:
            self._instead = commands

    def begin_group(self) -> None:
        """What is noted until ``end_group`` is atomic. Groups may be nested."""
        self._depth += 1

    def end_group(self) -> None:
        """See ``begin_group``."""
        self._depth -= 1
        if self._depth == 0 and self._group_noted:
            self._group_noted = False
            self._frame.write(_EXEC)

    def _begin_frame(self) -> None:
        if self.policy == ALWAYS:
            self._due = 0.0
            self._want_turn()
        else:
            self._due = time.perf_counter() + _FRAME_SECONDS
            self._want_turn_at(self._core.clock.time() + _FRAME_SECONDS)

    @property
    def position(self) -> int:
        """The frame that everything noted so far is in, or will be in."""
        return int(self.sequence) + (1 if len(self._frame) > 0 else 0)

    # Handing over

    def turn(self) -> None:
        """Hand over what is due. Between two commands.

        While the log thread is busy what is noted is gathered on: it will be one frame, and one write.
        """
        if len(self._frame) > 0 and (self._job is None or len(self._frame) > self._frame_bytes):
            now = time.perf_counter()
            if now < self._due:
                self._want_turn_at(self._core.clock.time() + self._due - now)
            elif self.policy == ALWAYS and not self.group.is_due(
                now, int(self.noted - self._noted_before)
            ):
                self._want_turn()
            else:
                self._hand_over()
        self._submit()

    def _hand_over(self) -> None:
        assert self._depth == 0, "half a transaction is no frame"
        if len(self._frame) == 0:
            return
        body = self._frame.getvalue()
        self._frame = BytesWriter()
        self._noted_before = self.noted
        self._database = -1
        self._now_ms = 0
        assert len(body) <= MOST_BODY_BYTES, "one transaction changes more than the log can hold"
        self.sequence += 1
        self._todo.append((_WRITE, int(self.sequence), body))
        self._frames.append((int(self.sequence), len(body)))
        self._frames_bytes += len(body)
        # (Somebody may wait although it is not ALWAYS any more.)
        if self.policy == ALWAYS or self._waiting or self._frames_bytes > self._most_unsynced:
            self._sync_wanted = True

    def _submit(self) -> None:
        """Let the log thread do what there is to do, unless it is busy or waits for its next try."""
        if self._job is not None or self._writer is None or self._retry_at > time.perf_counter():
            return
        if self._sync_wanted:
            self._sync_wanted = False
            if self._todo and self._todo[-1][0] == _WRITE:
                _, sequence, body = self._todo[-1]
                self._todo[-1] = (_WRITE_AND_SYNC, sequence, body)
            else:
                self._todo.append((_SYNC, 0, b""))
        if self._todo:
            self._job = _Job(self, self._writer, self._todo)
            self.busy_since = time.perf_counter()
            self._todo = []
            self._workers.submit_log(self._job.run)

    def post(self, callback: Callable[[], None]) -> None:
        """From the log thread."""
        self._workers.post(callback)

    def job_ended(self, job: _Job) -> None:
        """The log thread has done what it could of ``job``."""
        self._job = None
        self.busy_since = 0.0
        if job.written:
            self.written = job.written
        if job.has_synced:
            self._synced(job)
        if job.error:
            self._todo = job.actions[job.done :] + self._todo
            now = time.perf_counter()
            self.last_error = job.error
            if self.failing_since == 0.0:
                self.failing_since = now
            self._retry_at = now + self._retry_seconds
            self._retry_seconds = min(self._retry_seconds * 2, _LONGEST_RETRY_SECONDS)
            self._trouble.failed(now, self.failing_since, job.error)
            return
        if self.failing_since != 0.0:
            self._trouble.succeeded(time.perf_counter(), self.failing_since)
        self.last_error = ""
        self.failing_since = 0.0
        self._retry_at = 0.0
        self._retry_seconds = _FIRST_RETRY_SECONDS
        self.turn()

    def _synced(self, job: _Job) -> None:
        self.synced = self.written
        self._last_sync = time.perf_counter()
        self.last_sync_seconds = job.seconds
        self.syncs += 1
        self.group.synced(self._last_sync, job.seconds, int(self.noted - self._noted_before_synced))
        self._noted_before_synced = self._noted_before
        self._latency.note_sync(job.seconds)
        frames = self._frames
        while frames and frames[0][0] <= self.synced:
            self._frames_bytes -= frames.popleft()[1]
        waiting = self._waiting
        while waiting and waiting[0][0] <= self.synced:
            waiting.popleft()[1]()

    def tick(self) -> None:
        """About ten times a second: sync if it is time, try again what has failed."""
        if not self.is_on:
            return
        if (
            self.policy == EVERY_SECOND
            and self.synced < self.written
            and time.perf_counter() - self._last_sync >= _SYNC_SECONDS
        ):
            if self._job is not None and not self._sync_wanted:
                self.delayed_syncs += 1
            self._sync_wanted = True
        self.turn()

    # Epochs

    def cut(self) -> bytes:
        """An epoch is being cut: the frame and the segment end here. The answer is what the store is to
        remember."""
        if self.is_on:
            self._hand_over()
            self._todo.append((_END_SEGMENT, 0, b""))
            self._submit()
        elif self.sequence == 0:
            return b""
        encoded: bytes = msgpack.packb(int(self.sequence))
        return encoded

    def committed(self, position: bytes) -> None:
        """The epoch with that position is in the store: what it has need not be replayed any more."""
        if self.is_on:
            self._todo.append((_DROP, msgpack.unpackb(position), b""))
            self._submit()

    # Safety

    @property
    def unsynced_bytes(self) -> int:
        """What the log keeps in memory because it is not known to be on disk."""
        return len(self._frame) + int(self._frames_bytes)

    @property
    def is_full(self) -> bool:
        """Whether writers have to wait for the log."""
        return len(self._frame) + self._frames_bytes > 2 * self._most_unsynced

    @property
    def is_idle(self) -> bool:
        """Whether the log thread has nothing to do, and nothing waits for it."""
        return self._job is None and not self._todo and not self._sync_wanted

    def sync_soon(self) -> None:
        """Sync what has been noted so far without waiting for its time."""
        if not self.is_on:
            return
        self._due = 0.0
        self._hand_over()
        self._sync_wanted = True
        self._submit()

    def when_synced(self, position: int, callback: Callable[[], None]) -> None:
        """Call ``callback`` when frame ``position`` is synced, and those of earlier calls are."""
        self._waiting.append((position, callback))

    def size_bytes(self) -> int:
        """Bytes of the log on disk."""
        return 0 if self._writer is None else self._writer.size_bytes()

    def close(self) -> None:
        """Hand over what is left. The log thread, and then ``close_writer``, finish it."""
        if self.is_on and self._depth == 0:
            self._retry_at = 0.0
            self._hand_over()
            self._sync_wanted = True
            self._submit()
        self.is_on = False

    def close_writer(self) -> None:
        """Write what is left and sync, once the log thread has ended. Raises OSError."""
        if self._writer is None:
            return
        unfinished = [] if self._job is None else self._job.actions[self._job.done :]
        for action, sequence, body in unfinished + self._todo:
            if action in (_WRITE, _WRITE_AND_SYNC):
                self._writer.append(sequence, body)
            elif action == _DROP:
                self._writer.drop_until(sequence)
        self._writer.end_segment()
