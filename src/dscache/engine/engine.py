"""The engine: executes commands, and lets those that must wait do so without holding up anybody.

A command's way::

    execute   look it up, check arity, rights, transaction, pause, room
    run       call the handler, take the time, count
    suspend   a fault unwound it: arrange for what is missing and give the client back
    resume    what was missing is there: run again, deliver the reply

The last two are the ``WaitingRoom``'s business. Running first and asking for keys only when a lookup
misses (rather than looking every key up before) saves a lookup per key on the way that matters, and
needs no second mechanism. ``Pacer`` says when epochs are cut and whether writers must wait.

Whoever owns the engine calls ``turn`` from its one thread when ``want_turn`` asks for it (also from
other threads, through ``wake``), and ``tick`` about ten times a second.
"""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from mypy_extensions import i64

from dscache.cache.catalog import Catalog
from dscache.cache.epoch import Epoch
from dscache.cache.flusher import Flusher
from dscache.cache.loader import Loader
from dscache.cache.residency import Residency, make_policy
from dscache.cache.wait import Wait
from dscache.cache.workers import Workers
from dscache.clock import Clock
from dscache.engine.acl import Acl
from dscache.engine.blocking import Blocking
from dscache.engine.command import (
    ADMIN,
    ALLOW_BUSY,
    DENYOOM,
    FAST,
    MAY_REPLICATE,
    NO_MULTI,
    SKIP_MONITOR,
    SKIP_SLOWLOG,
    WRITE,
    Command,
    CommandTable,
)
from dscache.engine.core import Core
from dscache.engine.errors import arity_error, unknown_command_error, unknown_subcommand_error
from dscache.engine.expiry import ActiveExpiry
from dscache.engine.field_expiry import FieldExpiry, FieldLoads
from dscache.engine.functions import Functions
from dscache.engine.histogram import Histogram
from dscache.engine.keyspace import Keyspace
from dscache.engine.latency import LatencyMonitor
from dscache.engine.memory import MemoryBound
from dscache.engine.monitor import Monitors
from dscache.engine.notify import Notifier
from dscache.engine.pacing import Pacer
from dscache.engine.pubsub import PubSub
from dscache.engine.redo import Redo
from dscache.engine.resting import Resting
from dscache.engine.scanning import Scanner
from dscache.engine.scripting import Scripts
from dscache.engine.serverinfo import ServerCounters
from dscache.engine.session import Session
from dscache.engine.slowlog import SlowLog
from dscache.engine.snapshots import Snapshots
from dscache.engine.tracking import Tracking
from dscache.engine.transactions import Transaction, end_transaction, spaces_changed
from dscache.engine.trouble import TroubleLog, cause_of
from dscache.engine.waiting import (
    BlockFault,
    Fault,
    KeyFault,
    KeysFault,
    PauseFault,
    RoomFault,
)
from dscache.engine.waitingroom import WaitingRoom
from dscache.errors import CommandError, DscacheError, StoreError
from dscache.store.base import Store
from dscache.wire.reply import QUEUED, ErrorReply

if TYPE_CHECKING:
    from dscache.config import Config

log: Final = logging.getLogger("dscache")

# After a miss, so many commands are looked at before they run: if one of their keys is not in memory, they
# are suspended at once. An exception that unwinds compiled code makes an entry of a traceback at each level:
# 14,000 of a miss's 49,000 instructions. To look takes 700, so it pays where every sixteenth misses.
_FORESIGHT: Final = 8

# Time that encoding an epoch (or reaping a flushed database) may take per turn: short enough that
# no client notices, long enough that a turn's fixed cost does not matter.
_SLICE_SECONDS: Final = 0.001

# Error codes that are counted apart, and the longest: scripts can answer any. Then there is one line of
# INFO that says so. All as in Redis.
_MOST_CODES: Final = 128
_LONGEST_CODE: Final = 30
_NOT_COUNTED: Final = b"ERRORSTATS_DISABLED"


class Engine:
    """See the module's docstring.

    ``want_turn`` is called when ``turn`` has something to do, from the thread that runs commands;
    ``wake`` for the same from any thread. ``workers`` are the I/O threads, for tests to replace.
    """

    def __init__(
        self,
        config: Config,
        table: CommandTable,
        store: Store,
        clock: Clock,
        want_turn: Callable[[], None],
        wake: Callable[[], None],
        workers: Workers | None = None,
    ) -> None:
        self.config: Final[Config] = config
        self.table: Final[CommandTable] = table
        self.store: Final[Store] = store
        self._want_turn = want_turn
        if workers is None:
            workers = Workers(config.disk_threads, wake)
        self.workers: Final[Workers] = workers
        self.memory: Final[MemoryBound] = MemoryBound(config.resolved_maxmemory())
        limit = self.memory.entries_limit()
        residency = Residency(
            make_policy(config.cache_policy, limit, config.lfu_log_factor, config.lfu_decay_time),
            limit,
        )
        residency.tick(int(clock.time() * 1000))
        catalog = Catalog(store, residency, config.databases)
        flusher = Flusher(
            store, residency, catalog, workers.submit_commit, workers.post, self._epoch_ended
        )
        loader = Loader(
            store,
            residency,
            workers.loaders,
            workers.submit_load,
            workers.post,
            self._wait_ended,
        )
        self.core: Final[Core] = Core(clock, store, residency, catalog, flusher, loader)
        self.residency: Final[Residency] = residency
        self.flusher: Final[Flusher] = flusher
        self.loader: Final[Loader] = loader
        self.keyspaces: Final[list[Keyspace]] = [
            Keyspace(self.core, n, space) for n, space in enumerate(catalog.spaces)
        ]
        self.scanner: Final[Scanner] = Scanner(self.core)
        self.expiry: Final[ActiveExpiry] = ActiveExpiry(
            self.core, self.keyspaces, workers.submit_scan, workers.post
        )
        self.field_expiry: Final[FieldExpiry] = FieldExpiry(
            self.core, self.keyspaces, workers.submit_scan, workers.post
        )
        self.slowlog: Final[SlowLog] = SlowLog()
        self.latency: Final[LatencyMonitor] = LatencyMonitor()
        self.monitors: Final[Monitors] = Monitors()
        self.pubsub: Final[PubSub] = PubSub()
        self.notifier: Final[Notifier] = Notifier(self.core, self.pubsub)
        self.counters: Final[ServerCounters] = ServerCounters()
        self.sessions: Final[dict[int, Session]] = {}
        self.tracking: Final[Tracking] = Tracking(self.core, self.sessions, want_turn)
        self.core.tracking = self.tracking
        self._next_session = 1
        #: What all clients take, for the memory bound; the server knows.
        self.clients_bytes: Callable[[], int] = _none
        #: SHUTDOWN: end the process; the argument says whether to save first. The server's.
        self.on_shutdown: Callable[[bool], None] = _cannot_shut_down
        self.latency_tracking = config.latency_tracking
        self.started_at: Final[float] = clock.time()
        # When the last command ended, for the one that follows it; 0 if that has to look at the clock.
        self._ended = 0.0
        self.room: Final[WaitingRoom] = WaitingRoom(
            self.core,
            table,
            workers,
            self.latency,
            self.keyspaces,
            self._run_again,
            self._cannot_run,
            self.account,
            self._turn_at,
        )
        self.acl: Final[Acl] = Acl(
            config, table, clock, self.sessions, self.pubsub, self.room.leave
        )
        self.blocking: Final[Blocking] = self.room.blocking
        self.core.blocking = self.blocking
        #: Asks the owner for a turn at a time of the clock; one for several times will do.
        self.want_turn_at: Callable[[float], None] = _no_timer
        self.redo: Final[Redo] = Redo(self.core, workers, self.latency, want_turn, self._turn_at)
        self.redo.set_memory(self.memory.maxmemory)
        flusher.log_position = self.redo.cut
        self.pacer: Final[Pacer] = Pacer(
            residency, flusher, workers, self.room.before_cut, want_turn, self.redo
        )
        self.resting: Final[Resting] = Resting(store, flusher, workers)
        self.snapshots: Final[Snapshots] = Snapshots(self)
        self._trouble: Final[TroubleLog] = TroubleLog("the data set")
        # Since when the disk has not got done with what it was given, once that is too long; and who is told.
        self._stuck_since = 0.0
        self._slowness: Final[TroubleLog] = TroubleLog("the data set")
        # CLIENT PAUSE: until when, and whether only writes are held back.
        self.paused_until_ms: i64 = 0
        self.pause_writes_only = False
        #: Something that concerns every command is on: a pause, trouble with the disk, events of
        #: new keys.
        self._attention = False
        # Figures for INFO.
        self.total_commands: i64 = 0
        # For so many commands it is looked first whether their keys are in memory.
        self._foresight: i64 = 0
        self.unexpected_errors: i64 = 0
        self.total_errors: i64 = 0
        self.errors: Final[dict[bytes, int]] = {}
        self.shutting_down = False
        self.scripts: Final[Scripts] = Scripts(self)
        self.functions: Final[Functions] = Functions(self)
        #: A script has been running for so long that clients are served meanwhile.
        self.is_busy = False

    # Sessions

    def new_session(self) -> Session:
        """A session for a new client."""
        session = Session(self, self._next_session, self.acl.default)
        self.acl.begin(session)
        self.sessions[self._next_session] = session
        self._next_session += 1
        return session

    def end_session(self, session: Session) -> None:
        """The client is gone: nothing waits for it any more."""
        self.sessions.pop(session.number, None)
        self.monitors.remove(session)
        self.pubsub.leave(session)
        self.tracking.stop(session)
        end_transaction(self.core, session)
        self.room.leave(session)

    # Executing

    def execute(self, session: Session, args: list[bytes], follows: bool = False) -> object:
        """Run one request of ``session``, which does not wait for an earlier one.

        The answer is the reply, or SUSPENDED: it will be delivered. ``args`` is not empty. ``follows``: no
        time worth speaking of has passed since the command before it ended, so that the clock, which
        takes a twentieth of a GET's time, need not be looked at again. To parse a request is then part of
        what it takes.
        """
        if not follows:
            self._ended = 0.0
        name = args[0]
        command = session.called
        if command is None or name != session.called_name:
            command = self.table.get(name)
            if command is None:
                return self._reject(session, None, unknown_command_error(args))
            session.called_name = name
            session.called = command
        if command.subcommands and len(args) > 1:
            subcommand = command.subcommands.get(args[1].lower())
            if subcommand is None:
                return self._reject(session, command, unknown_subcommand_error(command, args))
            command = subcommand
        arity = command.arity
        count: i64 = len(args)
        if count != arity and (arity >= 0 or count < -arity):
            return self._reject(session, command, arity_error(command))
        if not session.is_unrestricted:
            refusal = self.acl.refusal(session, command, args)
            if refusal is not None:
                return self._reject(session, command, refusal)
        if self.is_busy and not command.flags & ALLOW_BUSY:
            return self._reject(session, command, self.scripts.busy_error())
        if session.is_subscriber and session.resp == 2 and not command.runs_subscribed:
            return self._reject(
                session,
                command,
                b"ERR Can't execute '"
                + command.encoded_name
                + b"': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in"
                b" this context",
            )
        if session.transaction is not None and not command.runs_in_multi:
            return self._queue(session, session.transaction, command, args)
        return self._run(session, command, args)

    def _queue(
        self, session: Session, transaction: Transaction, command: Command, args: list[bytes]
    ) -> object:
        if command.flags & NO_MULTI:
            return self._reject(session, command, b"ERR Command not allowed inside a transaction")
        transaction.queue(command, args)
        return QUEUED

    def _reject(self, session: Session, command: Command | None, text: bytes) -> ErrorReply:
        """Refuse a request before it runs; a transaction that it belongs to will not run either."""
        if session.transaction is not None:
            session.transaction.failed = True
        if command is not None:
            command.rejected_calls += 1
            if command.name == "exec":
                # As in Redis: who cannot even be understood has ended his transaction all the same.
                end_transaction(self.core, session)
                text = b"EXECABORT Transaction discarded because of: " + text.removeprefix(b"ERR ")
        if session.tracked is not None:
            session.tracked.request_ended(session, command)
        self._count_error(text)
        return ErrorReply(text)

    def _run_again(self, session: Session, command: Command, args: list[bytes]) -> object:
        """Run a command that has waited; meanwhile its user may have lost the right to it."""
        if not session.is_unrestricted:
            refusal = self.acl.refusal(session, command, args)
            if refusal is not None:
                return self._reject(session, command, refusal)
        self._ended = 0.0
        return self._run(session, command, args)

    def _run(self, session: Session, command: Command, args: list[bytes]) -> object:
        """Run a command, or suspend it."""
        core = self.core
        started = self._ended
        if started == 0.0:
            started = core.clock.time()
        core.now_ms = int(started * 1000.0)
        core.wait = session.wait
        core.no_touch = session.no_touch
        session.is_running = True
        session.last_command = command
        session.last_active = started
        if self.monitors.any and session.wait is None:
            session.is_shown = False
        is_tracked = session.tracked is not None
        if is_tracked:
            self.tracking.running = session
        stats = core.stats
        hits = stats.cache_hits
        keyspace_hits = stats.keyspace_hits
        keyspace_misses = stats.keyspace_misses
        redo = self.redo
        noted = redo.noted
        edits = self.flusher.edits
        try:
            # In MULTI it may be EXEC, whose commands may write.
            if self._attention or (
                self.pacer.writers_wait and (command.is_write or session.transaction is not None)
            ):
                self._hold_back(session, command, args)
            if self._foresight > 0 and session.wait is None:
                self._foresight -= 1
                missing = self.room.missing_keys(session.keyspace, command, args)
                if missing:
                    self._foresight = _FORESIGHT
                    self._leave(session)
                    return self.room.suspend_for_keys(session, command, args, missing)
            reply = command.handler(session, args)
        except Fault as fault:
            # It will make the same lookups again.
            stats.cache_hits = hits
            stats.keyspace_hits = keyspace_hits
            stats.keyspace_misses = keyspace_misses
            if core.lookup_events:
                core.tell_lookup_events(runs_again=True)
            if isinstance(fault, KeyFault):
                self._foresight = _FORESIGHT
            elif self.monitors.any and isinstance(fault, BlockFault):
                # Before the change that it waits for.
                self.show(session, command, args, started)
            self._leave(session)
            return self.room.suspend(session, command, args, fault, self.pacer)
        except Exception as error:
            reply = self.failure(command, error)
        if session.transaction is not None:
            reply = self._abort_transaction(session, command, reply)
        if core.lookup_events:
            core.tell_lookup_events(runs_again=False)
        if redo.is_on:
            if command.is_noted and self.flusher.edits != edits:
                redo.note(args, session.keyspace.index)
            if redo.noted != noted:
                session.logged = redo.position
        # It may have begun or ended by this very command.
        if is_tracked or session.tracked is not None:
            self.tracking.command_ended(session, command, args)
        self.account(session, command, args, started)
        if self.is_busy:
            # Inside a script: no epoch is cut, and nobody else's command runs.
            return reply
        if self.pacer.is_pressed() or redo.is_full:
            self.pacer.relieve()
            self._ended = 0.0
        if self.blocking.ready:
            self.blocking.serve()
        return reply

    def _leave(self, session: Session) -> None:
        """The running command is going to be suspended."""
        self.tracking.running = None
        session.reply_sent()
        self._want_turn()

    def account(
        self, session: Session, command: Command, args: list[bytes], started: float
    ) -> None:
        """Statistics of a command that has run."""
        self._ended = self.core.clock.time()
        seconds = self._ended - started
        if seconds < 0.0:
            seconds = 0.0
        microseconds: i64 = int(seconds * 1000000.0)
        command.calls += 1
        command.seconds += seconds
        session.commands += 1
        self.total_commands += 1
        if self.latency_tracking:
            histogram = command.latency
            if histogram is None:
                histogram = command.latency = Histogram()
            histogram.record(microseconds)
        if microseconds >= self.slowlog.threshold_us >= 0 and not command.flags & SKIP_SLOWLOG:
            self.slowlog.record(session, command, args, started, microseconds)
        if self.latency.threshold_ms > 0:
            event = "fast-command" if command.flags & FAST else "command"
            self.latency.note(event, started, seconds)
        if self.monitors.any:
            if not command.flags & (SKIP_MONITOR | ADMIN):
                self.show(session, command, args, started)
            session.is_shown = False

    def show(self, session: Session, command: Command, args: list[bytes], started: float) -> None:
        """Let MONITOR see a command, once however often it is run again."""
        if not session.is_shown:
            session.is_shown = True
            self.monitors.feed(session, command, args, started)

    def _hold_back(self, session: Session, command: Command, args: list[bytes]) -> None:
        """Make the command wait, or refuse it, if now is not the time for it."""
        transaction = session.transaction if command.name == "exec" else None
        writes = command.is_write
        grows = bool(command.flags & DENYOOM)
        if transaction is not None:
            writes = any(queued.is_write for queued, _ in transaction.commands)
            grows = any(queued.flags & DENYOOM for queued, _ in transaction.commands)
        if self.paused_until_ms > self.core.now_ms and not command.name.startswith("client"):
            calls = [(command, args)] if transaction is None else transaction.commands
            if not self.pause_writes_only or any(
                self._is_paused(one, words) for one, words in calls
            ):
                raise PauseFault()
        if not writes:
            return
        if self.core.tells_new:
            # EXEC looks for itself.
            missing = self.room.missing_keys(session.keyspace, command, args)
            if missing:
                raise KeysFault(missing)
        if self.pacer.refuses_writes():
            raise CommandError(self.refusal())
        if grows and self.pacer.writers_wait:
            if self.pacer.stuck_seconds():
                raise CommandError(self.refusal())
            raise RoomFault()

    def _is_paused(self, command: Command, args: list[bytes]) -> bool:
        """Whether CLIENT PAUSE WRITE holds this call back."""
        if command.name in ("eval", "evalsha"):
            return self.scripts.may_write(command, args[1])
        if command.name == "fcall":
            return self.functions.may_write(args[1])
        return bool(command.flags & (WRITE | MAY_REPLICATE))

    def refusal(self) -> bytes:
        """The error of who needs the disk to take changes, while it does not."""
        cause = cause_of(self.flusher.last_error or self.redo.last_error)
        if not cause:
            cause = _stuck_for(self.pacer.stuck_seconds())
        return (
            b"MISCONF The data set cannot be written to disk: "
            + cause.encode()
            + b". Writes are refused until it can; INFO store shows the state."
        )

    def failure(self, command: Command, error: Exception) -> ErrorReply:
        """The reply of a command whose handler raised ``error``; it is counted.

        What it should not have raised is our fault, and must not end the server.
        """
        command.failed_calls += 1
        if isinstance(error, CommandError):
            text = error.reply
        elif isinstance(error, DscacheError):
            text = b"IOERR " + str(error).encode()
        else:
            self.unexpected_errors += 1
            log.error("%s failed; please report this bug in dscache", command.name, exc_info=error)
            text = b"ERR internal error in '" + command.encoded_name + b"'; the server's log has it"
        self._count_error(text)
        return ErrorReply(text)

    def _count_error(self, text: bytes) -> None:
        """Count an error by its code, as Redis does: a first word that is too long is none."""
        self.total_errors += 1
        errors = self.errors
        if _NOT_COUNTED in errors:
            return
        end = text.find(b" ", 0, _LONGEST_CODE + 1)
        code = text[:end] if end >= 0 else b"ERR"
        if code not in errors and len(errors) == _MOST_CODES:
            codes = b", ".join(sorted(errors)).decode("utf-8", "replace")
            log.warning(
                "errors of %d different codes have come, which a script may have made up: they are no longer"
                " counted apart (INFO errorstats) until CONFIG RESETSTAT. The codes: %s",
                _MOST_CODES,
                codes,
            )
            errors.clear()
            code = _NOT_COUNTED
        errors[code] = errors.get(code, 0) + 1

    def _cannot_run(self, session: Session, command: Command, error: DscacheError) -> object:
        """The reply of a command that waited for something that failed."""
        return self._abort_transaction(session, command, self.failure(command, error))

    def _abort_transaction(self, session: Session, command: Command, reply: object) -> object:
        """After an EXEC that failed before it began (refused, or its keys could not be read) there
        is no transaction any more, as after one that has run; clients count on that."""
        if command.name != "exec" or not isinstance(reply, ErrorReply):
            return reply
        end_transaction(self.core, session)
        return ErrorReply(b"EXECABORT Transaction discarded because of: " + reply.text)

    def look_ahead(self, session: Session, requests: list[list[bytes]]) -> None:
        """Load the keys of ``requests``, which ``session`` has sent behind the one that waits."""
        self.room.look_ahead(session, requests)
        self._want_turn()

    # Databases

    def flush_database(self, index: int) -> None:
        """FLUSHDB: O(1); memory and disk are freed in the background."""
        core = self.core
        if core.catalog.spaces[index].keys == 0:
            # Also the deletions that made it empty are on their way to the disk.
            return
        if not self.residency.has_free_space:
            raise CommandError(b"ERR too many databases are being flushed, try again in a moment")
        old = core.catalog.flush(index)
        # Seen now, while it is small, the new table of keys is nothing new for the cyclic collector later,
        # which looked at each of two million keys, for 20 ms.
        gc.collect(1)
        self._show_spaces()
        self.flusher.catalog_changed([old])
        spaces_changed(core, may_exist=False)
        self.blocking.signal_database(index)
        self._want_turn()

    def swap_databases(self, one: int, other: int) -> None:
        """SWAPDB: O(1)."""
        core = self.core
        core.catalog.swap(one, other)
        self._show_spaces()
        self.flusher.catalog_changed([])
        spaces_changed(core, may_exist=True)
        self.tracking.everything_changed()
        self.blocking.signal_database(one)
        self.blocking.signal_database(other)

    def _show_spaces(self) -> None:
        for keyspace, space in zip(self.keyspaces, self.core.catalog.spaces, strict=True):
            keyspace.space = space

    # Epochs

    def _wait_ended(self, wait: Wait) -> None:
        if isinstance(wait, FieldLoads):
            self.field_expiry.loaded(wait)
        else:
            self.room.wait_ended(wait)

    def _epoch_ended(self, epoch: Epoch) -> None:
        """The commit thread is done with ``epoch``; ``Flusher.work`` finishes it in slices."""
        self.room.epoch_ended(epoch)
        failing_since = self.flusher.failing_since
        if epoch.error is not None:
            self._trouble.failed(time.perf_counter(), failing_since, self.flusher.last_error)
        elif failing_since != 0.0:
            self._trouble.succeeded(time.perf_counter(), failing_since)
        if epoch.error is None:
            self.redo.committed(epoch.log_position)
            self.expiry.epoch_committed(epoch)
            self.field_expiry.epoch_committed(epoch)
            self.snapshots.epoch_committed(epoch)
            self.latency.note_epoch(self.core.clock.time(), time.perf_counter() - epoch.seconds)
        else:
            self.field_expiry.epoch_failed()
        self._look_around()
        self._want_turn()

    def _after_work(self) -> None:
        """The flusher may have finished an epoch: others may go on."""
        pacer = self.pacer
        if self.room.wants_commit or self.snapshots.wants_commit:
            pacer.cut_if_idle()
        if pacer.writers_wait or self.room.writers_waiting:
            pacer.relieve()
            self.room.let_writers_go(pacer)

    def _look_around(self) -> None:
        """Whether every command has to look twice."""
        self._attention = (
            self.flusher.failing_since != 0.0
            or self.redo.failing_since != 0.0
            or self.paused_until_ms > self.core.now_ms
            or self.core.tells_new
        )

    # Time

    def turn(self) -> None:
        """Do what has come up: results of I/O, loads to hand over, a slice of the epoch."""
        self.workers.run_posted()
        self._end_blocking()
        if self.loader.has_wanted:
            self.loader.dispatch()
        more = False
        if self.flusher.has_work:
            more = self.flusher.work(_SLICE_SECONDS)
            self._after_work()
        # Its deletions take memory too, until they are on disk.
        if self.expiry.has_work and not self.pacer.writers_wait:
            more = self.expiry.work() or more
        if self.field_expiry.has_work and not self.pacer.writers_wait:
            more = self.field_expiry.work() or more
        if self.redo.is_on:
            self.redo.turn()
        if self.room.writers_waiting and not self.redo.is_full:
            self._after_work()
        # Behind all that changes keys.
        if self.tracking.has_work:
            more = self.tracking.work() or more
        if self.scripts.has_work:
            more = self.scripts.collect(_SLICE_SECONDS) or more
        more = self.residency.reap(_SLICE_SECONDS, self.flusher.encoding) or more
        if self.pacer.is_pressed():
            self.pacer.relieve()
        if more or self.loader.has_wanted or self.flusher.has_work:
            self._want_turn()

    def _turn_at(self, when: float) -> None:
        self.want_turn_at(when)

    def _end_blocking(self) -> None:
        """Serve keys that became ready outside of commands, and answer whose time is over."""
        blocking = self.blocking
        if blocking.ready:
            blocking.serve()
        deadline = blocking.next_deadline()
        if deadline is not None:
            blocking.end_overdue(self.core.clock.time())
            deadline = blocking.next_deadline()
            if deadline is not None:
                self.want_turn_at(deadline)

    def others_bytes(self) -> int:
        """What counts against maxmemory beside entries and the store: clients, what they track, Lua,
        what the redo log has to write."""
        return (
            self.clients_bytes()
            + self.tracking.used_bytes()
            + self.scripts.memory_bytes
            + self.redo.unsynced_bytes
        )

    def weigh(self) -> None:
        """Let entries have what the others leave over now. At each tick, and between two of them when
        clients have sent much. O(clients)."""
        memory = self.memory
        others = self.others_bytes()
        memory.weigh(self.store.memory_bytes(), others)
        self.counters.note_used(self.residency.used_bytes() + memory.store_bytes + others)
        self.pacer.set_limit(memory.entries_limit())

    def tick(self) -> None:
        """What has to happen with time. Called about ten times a second."""
        core = self.core
        now = core.clock.time()
        core.now_ms = int(now * 1000)
        self.memory.tick()
        self.weigh()
        self.counters.sample(time.perf_counter(), self.total_commands)
        self.residency.tick(core.now_ms)
        self.expiry.tick()
        self.field_expiry.tick()
        self.redo.tick()
        self.snapshots.tick()
        self.pacer.relieve()
        self.pacer.flush_if_due()
        self.resting.tick()
        self._look_around()
        if self.paused_until_ms <= core.now_ms:
            self.end_pause()
        self._watch_disk()
        if self.pacer.is_hopeless():
            self.room.refuse_writers()
            self.room.refuse_commits(CommandError(self.refusal()))
        self._after_work()
        self._want_turn()

    def _watch_disk(self) -> None:
        """Tell the log when the disk is stuck, and when it goes on."""
        now = time.perf_counter()
        seconds = self.pacer.stuck_seconds()
        if seconds:
            self._stuck_since = now - seconds
            self._slowness.failed(now, self._stuck_since, _stuck_for(seconds))
        elif self._stuck_since:
            self._slowness.succeeded(now, self._stuck_since)
            self._stuck_since = 0.0

    def pause(self, until_ms: int, writes_only: bool) -> None:
        """CLIENT PAUSE. A pause under way is prolonged, never shortened or relaxed, as in Redis."""
        is_paused = self.paused_until_ms > self.core.now_ms
        self.pause_writes_only = writes_only and (self.pause_writes_only or not is_paused)
        self.paused_until_ms = max(self.paused_until_ms, until_ms)
        self._look_around()

    def end_pause(self) -> None:
        """CLIENT UNPAUSE, or the pause is over."""
        self.paused_until_ms = 0
        self._look_around()
        self.room.end_pause()

    # Settings that CONFIG SET changes at once

    def set_tracking_limit(self, max_keys: int) -> None:
        """Change how many keys tracking may remember; 0 is no limit."""
        self.tracking.max_keys = max_keys
        self._want_turn()

    def set_maxmemory(self, maxmemory: int) -> None:
        """Change the memory bound."""
        self.memory.maxmemory = maxmemory
        self.redo.set_memory(maxmemory)
        self.store.set_memory_budget(self.memory.store_budget())
        # In the next turn, not inside a command: a tick may cut an epoch and resume other clients.
        self.workers.post(self.tick)

    def set_notifications(self, classes: str) -> None:
        """Change which keyspace events are published."""
        self.notifier.set_classes(classes)
        self._look_around()

    def set_policy(self, name: str, lfu_log_factor: int, lfu_decay_minutes: int) -> None:
        """Change the eviction policy. O(resident keys)."""
        self.residency.set_policy(
            make_policy(name, self.memory.entries_limit(), lfu_log_factor, lfu_decay_minutes)
        )

    def close(self) -> None:
        """Stop the threads, finish the redo log and close the store; without a log, what is dirty is lost
        (``commit_now`` saves it).

        Raises StoreError if log or store could not be closed cleanly; what had been committed is safe.
        """
        self.redo.close()
        self.workers.stop()
        self.snapshots.close()
        try:
            self.redo.close_writer()
        except OSError as error:
            raise StoreError(f"the redo log cannot be written: {error.strerror}") from error
        finally:
            self.store.close()


def _stuck_for(seconds: float) -> str:
    """Why nothing gets to the disk, which does not fail."""
    return f"it has not got done with the last changes for {seconds:.0f} s"


def _no_timer(when: float) -> None:
    """Without an owner that has a clock, turns come when they come."""


def _none() -> int:
    """There are no clients."""
    return 0


def _cannot_shut_down(save: bool) -> None:
    """Without a server there is no process that could end."""
    raise CommandError(b"ERR Errors trying to SHUTDOWN. Check logs.")
