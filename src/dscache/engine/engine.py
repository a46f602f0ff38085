"""The engine: executes commands, and lets those that must wait do so without holding up anybody.

A command's way::

    execute   look it up, check rights, arity, transaction, pause, room
    run       call the handler, take the time, count
    suspend   a fault unwound it: arrange for what is missing and give the client back
    resume    what was missing is there: run again, deliver the reply

Running first and asking for keys only when a lookup misses (rather than looking every key up before)
saves a lookup per key on the way that matters, and needs no second mechanism: the first fault of a
command loads *all* keys that its key specifications name. Faults after that are for keys that only the
running command could know, and are counted as such. A transaction is different: once it has changed
something it cannot be restarted, so its keys are all loaded before it starts.

Whoever owns the engine calls ``turn`` from its one thread when ``want_turn`` asks for it (also from
other threads, through ``wake``), and ``tick`` about ten times a second.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from mypy_extensions import i64

from dscache.cache.catalog import Catalog
from dscache.cache.flusher import Epoch, Flusher
from dscache.cache.loader import Loader
from dscache.cache.residency import Residency, make_policy
from dscache.cache.space import Space
from dscache.cache.wait import FOR_COMMIT, FOR_KEYS, FOR_PAUSE, FOR_ROOM, FOR_SCAN, Wait
from dscache.cache.workers import Workers
from dscache.clock import Clock
from dscache.engine.command import (
    ADMIN,
    DENYOOM,
    FAST,
    NO_AUTH,
    NO_MULTI,
    SKIP_MONITOR,
    SKIP_SLOWLOG,
    Command,
    CommandTable,
)
from dscache.engine.core import Core
from dscache.engine.errors import arity_error, unknown_command_error, unknown_subcommand_error
from dscache.engine.expiry import ActiveExpiry
from dscache.engine.histogram import Histogram
from dscache.engine.keyspace import Keyspace, settled_name
from dscache.engine.keyspec import NOTHING, VALUE
from dscache.engine.latency import LatencyMonitor
from dscache.engine.memory import MemoryBound
from dscache.engine.monitor import Monitors
from dscache.engine.scanning import Scanner
from dscache.engine.serverinfo import ServerCounters
from dscache.engine.session import Session
from dscache.engine.slowlog import SlowLog
from dscache.engine.transactions import Transaction, spaces_changed, unwatch, watched_keys_changed
from dscache.engine.waiting import (
    SUSPENDED,
    CommitFault,
    Fault,
    JobFault,
    KeyFault,
    PauseFault,
    RoomFault,
    SettleFault,
    Suspension,
    TransactionFault,
    Wanted,
)
from dscache.errors import CommandError, DscacheError
from dscache.store.base import Store
from dscache.values.base import Apart
from dscache.wire.reply import NULL_ARRAY, QUEUED, ErrorReply

if TYPE_CHECKING:
    from dscache.config import Config

log: Final = logging.getLogger("dscache")

# Time that encoding an epoch (or reaping a flushed database) may take per turn: short enough that
# no client notices, long enough that a turn's fixed cost does not matter.
_SLICE_SECONDS: Final = 0.001

# Dirty data beyond this share of the limit forces a cut; beyond it while an epoch is being saved,
# writers wait. So at most half of the entries' memory is dirty or saving, and readers keep the rest.
_DIRTY_SHARE: Final = 4

# Commits have failed for this long: writes are refused instead of waiting.
_REFUSE_AFTER_SECONDS: Final = 5.0

# Requests that one client has sent ahead and whose keys are loaded ahead.
LOOK_AHEAD: Final = 512


class _Settling:
    """Somebody who asked how many keys a space has while some of them were not settled."""

    def __init__(self, space: Space, wait: Suspension) -> None:
        self.space: Final = space
        self.wait: Final = wait
        #: The epoch that will settle them, and the count at its cut; 0 until it is cut.
        self.epoch = 0
        self.keys = 0


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
            Keyspace(self.core, n) for n in range(config.databases)
        ]
        self.scanner: Final[Scanner] = Scanner(self.core)
        self.expiry: Final[ActiveExpiry] = ActiveExpiry(
            self.core, self.keyspaces, workers.submit_scan, workers.post
        )
        self.slowlog: Final[SlowLog] = SlowLog()
        self.latency: Final[LatencyMonitor] = LatencyMonitor()
        self.monitors: Final[Monitors] = Monitors()
        self.counters: Final[ServerCounters] = ServerCounters()
        self.sessions: Final[dict[int, Session]] = {}
        self._next_session = 1
        #: Client buffers' total bytes, for the memory bound; the server knows.
        self.buffers_bytes: Callable[[], int] = _none
        #: SHUTDOWN: end the process; the argument says whether to save first. The server's.
        self.on_shutdown: Callable[[bool], None] = _cannot_shut_down
        self.flush_delay_seconds = config.cache_flush_delay
        self.latency_tracking = config.latency_tracking
        self.started_at: Final[float] = clock.time()
        # Waiting for other things than keys.
        self._for_room: deque[Suspension] = deque()
        self._for_commit: list[tuple[int, Suspension]] = []
        self._for_settling: list[_Settling] = []
        self._for_pause: list[Suspension] = []
        self.waiting_clients: i64 = 0
        self._writers_wait = False
        self._entries_limit: i64 = limit - residency.policy.overhead_bytes()
        self._dirty_limit: i64 = limit // _DIRTY_SHARE
        # CLIENT PAUSE: until when, and whether only writes are held back.
        self.paused_until_ms: i64 = 0
        self.pause_writes_only = False
        #: Something that concerns every command is on: monitors, a pause, trouble with the disk.
        self._attention = False
        # Figures for INFO.
        self.total_commands: i64 = 0
        self.unexpected_errors: i64 = 0
        self.total_errors: i64 = 0
        self.errors: Final[dict[bytes, int]] = {}
        self.shutting_down = False

    # Sessions

    def new_session(self) -> Session:
        """A session for a new client."""
        session = Session(self, self._next_session, not self.config.requirepass)
        self.sessions[self._next_session] = session
        self._next_session += 1
        return session

    def end_session(self, session: Session) -> None:
        """The client is gone: nothing waits for it any more."""
        self.sessions.pop(session.number, None)
        self.monitors.remove(session)
        unwatch(self.core, session)
        session.transaction = None
        if session.wait is not None:
            session.wait.cancelled = True
            self.waiting_clients -= 1
            self._release(session.wait)
            self._leave_queue(session.wait)
            session.wait = None

    def _leave_queue(self, wait: Wait) -> None:
        """Clients that come, wait and go must not pile up behind a slow disk or a long pause."""
        assert isinstance(wait, Suspension)
        if wait.reason == FOR_ROOM and wait in self._for_room:
            self._for_room.remove(wait)
        elif wait.reason == FOR_PAUSE and wait in self._for_pause:
            self._for_pause.remove(wait)

    # Executing

    def execute(self, session: Session, args: list[bytes]) -> object:
        """Run one request of ``session``, which does not wait for an earlier one.

        The answer is the reply, or SUSPENDED: it will be delivered. ``args`` is not empty.
        """
        command = self.table.get(args[0])
        if command is None:
            return self._reject(session, None, unknown_command_error(args))
        if command.subcommands and len(args) > 1:
            subcommand = command.subcommands.get(args[1].lower())
            if subcommand is None:
                return self._reject(session, command, unknown_subcommand_error(command, args))
            command = subcommand
        arity = command.arity
        count: i64 = len(args)
        if count != arity and (arity >= 0 or count < -arity):
            return self._reject(session, command, arity_error(command))
        if not session.authenticated and not command.flags & NO_AUTH:
            return self._reject(session, command, b"NOAUTH Authentication required.")
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
                self._end_transaction(session)
                text = b"EXECABORT Transaction discarded because of: " + text.removeprefix(b"ERR ")
        self._count_error(text)
        return ErrorReply(text)

    def _run(self, session: Session, command: Command, args: list[bytes]) -> object:
        """Run a command, or suspend it."""
        core = self.core
        started = core.clock.time()
        core.now_ms = int(started * 1000.0)
        core.wait = session.wait
        core.no_touch = session.no_touch
        session.last_command = command
        session.last_active = started
        stats = core.stats
        hits = stats.cache_hits
        keyspace_hits = stats.keyspace_hits
        keyspace_misses = stats.keyspace_misses
        try:
            # In MULTI it may be EXEC, whose commands may write.
            if self._attention or (
                self._writers_wait and (command.is_write or session.transaction is not None)
            ):
                self._hold_back(session, command, args)
            reply = command.handler(session, args)
        except Fault as fault:
            # It will make the same lookups again.
            stats.cache_hits = hits
            stats.keyspace_hits = keyspace_hits
            stats.keyspace_misses = keyspace_misses
            return self._suspend(session, command, args, fault)
        except CommandError as error:
            command.failed_calls += 1
            self._count_error(error.reply)
            reply = ErrorReply(error.reply)
        except DscacheError as failure:
            command.failed_calls += 1
            reply = self._failure(failure)
        except Exception:
            command.failed_calls += 1
            reply = self._bug(command)
        if session.transaction is not None:
            reply = self._abort_transaction(session, command, reply)
        self._account(session, command, args, started)
        residency = self.residency
        if (
            residency.entries_bytes + residency.saving_bytes > self._entries_limit
            or self.flusher.dirty_bytes > self._dirty_limit
        ):
            self._relieve()
        return reply

    def _account(
        self, session: Session, command: Command, args: list[bytes], started: float
    ) -> None:
        """Statistics of a command that has run."""
        seconds = self.core.clock.time() - started
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
        if self.monitors.any and not command.flags & (SKIP_MONITOR | ADMIN):
            self.monitors.feed(session, command, args, started)

    def _hold_back(self, session: Session, command: Command, args: list[bytes]) -> None:
        """Make the command wait, or refuse it, if now is not the time for it."""
        transaction = session.transaction if command.name == "exec" else None
        writes = command.is_write
        grows = bool(command.flags & DENYOOM)
        if transaction is not None:
            writes = any(queued.is_write for queued, _ in transaction.commands)
            grows = any(queued.flags & DENYOOM for queued, _ in transaction.commands)
        paused = self.paused_until_ms > self.core.now_ms and not command.name.startswith("client")
        if paused and (writes or not self.pause_writes_only):
            raise PauseFault()
        if not writes:
            return
        failing_since = self.flusher.failing_since
        if failing_since and time.perf_counter() - failing_since > _REFUSE_AFTER_SECONDS:
            raise CommandError(
                b"MISCONF The data set cannot be written to disk: "
                + self.flusher.last_error.encode()
                + b". Writes are refused until it can; INFO store shows the state."
            )
        if grows and self._writers_wait:
            raise RoomFault()

    def _failure(self, error: DscacheError) -> ErrorReply:
        text = b"IOERR " + str(error).encode()
        self._count_error(text)
        return ErrorReply(text)

    def _bug(self, command: Command) -> ErrorReply:
        """A handler raised what it should not: the fault is ours, and must not end the server."""
        self.unexpected_errors += 1
        log.error(
            "%s failed; this is a bug in dscache, please report it", command.name, exc_info=True
        )
        text = b"ERR internal error in '" + command.encoded_name + b"'; the server's log has it"
        self._count_error(text)
        return ErrorReply(text)

    def _count_error(self, text: bytes) -> None:
        code = text.split(b" ", 1)[0]
        self.total_errors += 1
        self.errors[code] = self.errors.get(code, 0) + 1

    # Suspending and resuming

    def _suspend(
        self, session: Session, command: Command, args: list[bytes], fault: Fault
    ) -> object:
        wait = session.wait
        if wait is None:
            wait = Suspension(session, command, args)
            session.wait = wait
            self.waiting_clients += 1
        assert isinstance(wait, Suspension)
        wait.restarts += 1
        if isinstance(fault, KeyFault):
            self._arrange_keys(wait, fault.wanted)
        elif isinstance(fault, TransactionFault):
            wait.reason = FOR_KEYS
            for wanted in fault.wanted:
                self._want(wait, wanted)
        elif isinstance(fault, JobFault):
            self._arrange_job(wait, fault)
        elif isinstance(fault, CommitFault):
            self._arrange_commit(wait)
        elif isinstance(fault, SettleFault):
            wait.reason = FOR_COMMIT
            self._for_settling.append(_Settling(fault.space, wait))
            self._cut_if_idle()
        elif isinstance(fault, RoomFault):
            wait.reason = FOR_ROOM
            self._for_room.append(wait)
        else:
            assert isinstance(fault, PauseFault)
            wait.reason = FOR_PAUSE
            self._for_pause.append(wait)
        self._want_turn()
        return SUSPENDED

    def _arrange_keys(self, wait: Suspension, first: Wanted) -> None:
        """Load the key that was missed, and at the first fault all that the command names."""
        wait.reason = FOR_KEYS
        if wait.is_preloaded:
            self.core.stats.cache_faults += 1
        else:
            wait.is_preloaded = True
            for wanted in self._missing_keys(wait.session.keyspace, wait.command, wait.args):
                self._want(wait, wanted)
        # Usually among them already; then this asks for nothing more.
        self.loader.want(*first, wait)

    def _want(self, wait: Suspension | None, wanted: Wanted) -> None:
        space, key, whole = wanted
        if self.loader.want(space, key, whole, wait):
            # One miss per load. The lookup that the load is for will count itself as a hit.
            self.core.stats.cache_misses += 1
            self.core.stats.cache_hits -= 1

    def _missing_keys(
        self, keyspace: Keyspace, command: Command, args: list[bytes]
    ) -> list[Wanted]:
        """Keys that ``command`` will need and memory does not know (well enough)."""
        missing: list[Wanted] = []
        entries = keyspace.space.entries
        for spec in command.keys:
            needs = spec.needs(args)
            if needs == NOTHING:
                continue
            whole = needs == VALUE
            try:
                positions = spec.positions(args)
            except ValueError:
                # The handler will say what is wrong with the arguments.
                continue
            for place in positions:
                entry = entries.get(args[place])
                if entry is None or (whole and isinstance(entry.value, Apart)):
                    missing.append((keyspace.space, args[place], whole))
        return missing

    def look_ahead(self, session: Session, requests: list[list[bytes]]) -> None:
        """Start loading the keys of ``requests``, which ``session`` has sent behind the command
        that it waits for: a pipeline of misses then costs one wait, not one each."""
        for args in requests:
            command = self.table.find(args)
            if command is not None and command.keys and command.accepts(len(args)):
                for wanted in self._missing_keys(session.keyspace, command, args):
                    self._want(None, wanted)
        self._want_turn()

    def _arrange_job(self, wait: Suspension, fault: JobFault) -> None:
        wait.reason = FOR_SCAN
        wait.pending += 1

        def run() -> None:
            result: object = None
            error: DscacheError | None = None
            try:
                result = fault.job()
            except DscacheError as caught:
                error = caught
            except Exception as unexpected:
                # The scan thread must go on.
                error = DscacheError(f"{type(unexpected).__name__}: {unexpected}")
            self.workers.post(lambda: self._job_ended(wait, fault.name, result, error))

        self.workers.submit_scan(run)

    def _job_ended(
        self, wait: Suspension, name: str, result: object, error: DscacheError | None
    ) -> None:
        wait.results[name] = result
        wait.error = error
        wait.pending -= 1
        if wait.pending == 0:
            self._wait_ended(wait)

    def _arrange_commit(self, wait: Suspension) -> None:
        wait.reason = FOR_COMMIT
        flusher = self.flusher
        number = flusher.last_cut + 1 if flusher.has_dirty else flusher.last_cut
        if number <= flusher.last_committed:
            # Nothing is on its way, and no later epoch may ever come to wake it.
            wait.results["committed"] = True
            self.workers.post(lambda: self._wait_ended(wait))
            return
        self._for_commit.append((number, wait))
        self._cut_if_idle()

    def _wait_ended(self, wait: Wait) -> None:
        """All that ``wait`` waited for is there: run its command again."""
        assert isinstance(wait, Suspension)
        if wait.cancelled:
            self._release(wait)
            return
        session = wait.session
        if wait.error is not None:
            reply = self._abort_transaction(session, wait.command, self._failure(wait.error))
            wait.command.failed_calls += 1
        else:
            reply = self._run(session, wait.command, wait.args)
            if reply is SUSPENDED:
                return
        session.wait = None
        self.waiting_clients -= 1
        if wait.reason == FOR_KEYS:
            self.latency.note("load", self.core.clock.time(), time.perf_counter() - wait.since)
        self._release(wait)
        session.deliver(reply)

    def _release(self, wait: Wait) -> None:
        """Let go of the entries that were pinned for ``wait``."""
        pinned = wait.pinned
        wait.pinned = []
        for entry in pinned:
            entry.pins -= 1
            self.residency.settle(entry)

    # Transactions

    def run_transaction(self, session: Session) -> object:
        """EXEC: run what ``session`` has queued. The caller has checked that it is in MULTI."""
        transaction = session.transaction
        assert transaction is not None
        core = self.core
        if transaction.failed:
            self._end_transaction(session)
            raise CommandError(b"EXECABORT Transaction discarded because of previous errors.")
        if watched_keys_changed(core, session):
            self._end_transaction(session)
            return NULL_ARRAY
        missing = self._missing_in_transaction(session, transaction)
        if missing:
            raise TransactionFault(missing)
        self._end_transaction(session)
        replies: list[object] = []
        core.must_not_fault = True
        try:
            for command, args in transaction.commands:
                replies.append(self._run_queued(session, command, args))
        finally:
            core.must_not_fault = False
        return replies

    def _missing_in_transaction(self, session: Session, transaction: Transaction) -> list[Wanted]:
        missing: list[Wanted] = []
        keyspace = session.keyspace
        for command, args in transaction.commands:
            if command.name == "select" and args[1].isdigit():
                index = int(args[1])
                if index < len(self.keyspaces):
                    keyspace = self.keyspaces[index]
            missing.extend(self._missing_keys(keyspace, command, args))
        return missing

    def _end_transaction(self, session: Session) -> None:
        session.transaction = None
        unwatch(self.core, session)

    def _abort_transaction(self, session: Session, command: Command, reply: object) -> object:
        """After an EXEC that failed before it began (refused, or its keys could not be read) there
        is no transaction any more, as after one that has run; clients count on that."""
        if command.name != "exec" or not isinstance(reply, ErrorReply):
            return reply
        self._end_transaction(session)
        return ErrorReply(b"EXECABORT Transaction discarded because of: " + reply.text)

    def discard_transaction(self, session: Session) -> None:
        """DISCARD, RESET: forget what was queued and what is watched."""
        self._end_transaction(session)

    def _run_queued(self, session: Session, command: Command, args: list[bytes]) -> object:
        """One command of a transaction: it cannot wait, and its failure does not stop the rest."""
        started = self.core.clock.time()
        reply: object
        try:
            reply = self._run_blocking(session, command, args)
        except CommandError as error:
            command.failed_calls += 1
            self._count_error(error.reply)
            reply = ErrorReply(error.reply)
        except DscacheError as failure:
            command.failed_calls += 1
            reply = self._failure(failure)
        except Exception:
            command.failed_calls += 1
            reply = self._bug(command)
        self._account(session, command, args, started)
        return reply

    def _run_blocking(self, session: Session, command: Command, args: list[bytes]) -> object:
        """Run a handler; whatever it would wait for is waited for here, blocking everybody."""
        wait = Suspension(session, command, args)
        self.core.wait = wait
        while True:
            try:
                return command.handler(session, args)
            except JobFault as fault:
                self.loader.blocking_loads += 1
                wait.results[fault.name] = fault.job()
            except SettleFault as unsettled:
                self.loader.blocking_loads += 1
                self.flusher.settle_now(unsettled.space, self.workers.wait_for)
            except Fault as other:
                # Whoever needs a commit needs an instant between two commands, too.
                raise AssertionError(f"{command.name} waits, but lets itself be queued") from other

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
        self._show_spaces()
        self.flusher.catalog_changed([old])
        spaces_changed(core, may_exist=False)
        self._want_turn()

    def swap_databases(self, one: int, other: int) -> None:
        """SWAPDB: O(1)."""
        core = self.core
        core.catalog.swap(one, other)
        self._show_spaces()
        self.flusher.catalog_changed([])
        spaces_changed(core, may_exist=True)

    def _show_spaces(self) -> None:
        for keyspace, space in zip(self.keyspaces, self.core.catalog.spaces, strict=True):
            keyspace.space = space

    # Epochs and room

    def _relieve(self) -> None:
        """Memory is at its limit, or too much is dirty: evict, cut, and let writers wait."""
        flusher = self.flusher
        has_room = self.residency.make_room()
        if not has_room or flusher.dirty_bytes > self._dirty_limit:
            self._cut_if_idle()
        self._writers_wait = (not has_room and (flusher.is_saving or flusher.has_dirty)) or (
            flusher.dirty_bytes > self._dirty_limit
        )

    def _cut_if_idle(self) -> None:
        """Cut an epoch, unless one is being saved or a failed one waits for its next try."""
        flusher = self.flusher
        if flusher.is_saving or not flusher.has_dirty:
            return
        if flusher.retry_at > time.perf_counter():
            return
        for one in self._for_settling:
            if one.epoch == 0:
                one.epoch = flusher.last_cut + 1
                one.keys = int(one.space.keys)
        flusher.cut()
        self._want_turn()

    def _epoch_ended(self, epoch: Epoch) -> None:
        """The commit thread is done with ``epoch``; ``Flusher.work`` finishes it in slices."""
        self._settle_counts(epoch)
        if epoch.error is None:
            self.expiry.epoch_committed(epoch)
            self.latency.note("epoch", self.core.clock.time(), time.perf_counter() - epoch.seconds)
            ready = [wait for number, wait in self._for_commit if number <= epoch.number]
            self._for_commit = [one for one in self._for_commit if one[0] > epoch.number]
            for wait in ready:
                wait.results["committed"] = True
                self._wait_ended(wait)
        self._look_around()
        self._want_turn()

    def _settle_counts(self, epoch: Epoch) -> None:
        """Answer those who asked for a number of keys that this epoch settles.

        The number is that of the instant of the cut: what the space counted then, less the keys
        that were taken for new and were not.
        """
        asking = self._for_settling
        self._for_settling = []
        for one in asking:
            if one.epoch == epoch.number:
                if not epoch.settled:
                    one.wait.error = epoch.error
                elif not one.space.retired:
                    name = settled_name(one.space)
                    one.wait.results[name] = one.keys - epoch.surplus_of(one.space)
            elif one.space.unsettled > 0:
                # Asked while another epoch was being saved.
                self._for_settling.append(one)
                continue
            self._wait_ended(one.wait)

    def _after_work(self) -> None:
        """The flusher may have finished an epoch: writers may go on."""
        if self._for_settling or self._for_commit:
            self._cut_if_idle()
        if not self._writers_wait and not self._for_room:
            return
        self._relieve()
        while self._for_room and not self._writers_wait:
            self._wait_ended(self._for_room.popleft())

    def _look_around(self) -> None:
        """Whether every command has to look twice."""
        self._attention = (
            self.flusher.failing_since != 0.0 or self.paused_until_ms > self.core.now_ms
        )

    def commit_now(self) -> None:
        """Save everything that is dirty, blocking until it is on disk or has failed.

        For the end of the server, and as the last resort of transactions. Raises StoreError.
        """
        flusher = self.flusher
        for _ in range(2):
            if not flusher.is_saving and flusher.has_dirty:
                flusher.cut()
            while flusher.is_saving:
                if flusher.has_work:
                    flusher.work(1.0)
                else:
                    self.workers.wait_for(self.workers.has_posted)
                self.workers.run_posted()
            if flusher.last_error:
                raise DscacheError(flusher.last_error)

    # Time

    def turn(self) -> None:
        """Do what has come up: results of I/O, loads to hand over, a slice of the epoch."""
        self.workers.run_posted()
        if self.loader.has_wanted:
            self.loader.dispatch()
        more = False
        if self.flusher.has_work:
            more = self.flusher.work(_SLICE_SECONDS)
            self._after_work()
        # Its deletions take memory too, until they are on disk.
        if self.expiry.has_work and not self._writers_wait:
            more = self.expiry.work() or more
        more = self.residency.reap(_SLICE_SECONDS, self.flusher.encoding) or more
        residency = self.residency
        if (
            residency.entries_bytes + residency.saving_bytes > self._entries_limit
            or self.flusher.dirty_bytes > self._dirty_limit
        ):
            self._relieve()
        if more or self.loader.has_wanted or self.flusher.has_work:
            self._want_turn()

    def tick(self) -> None:
        """What has to happen with time. Called about ten times a second."""
        core = self.core
        now = core.clock.time()
        core.now_ms = int(now * 1000)
        memory = self.memory
        memory.tick(self.store.memory_bytes(), self.buffers_bytes())
        used_bytes = self.residency.used_bytes() + memory.store_bytes + memory.buffers_bytes
        self.counters.sample(time.perf_counter(), self.total_commands, used_bytes)
        limit = self.memory.entries_limit()
        self.residency.set_limit(limit)
        self.residency.policy.tick(core.now_ms)
        self._entries_limit = limit - self.residency.policy.overhead_bytes()
        self._dirty_limit = limit // _DIRTY_SHARE
        self.expiry.tick()
        self._relieve()
        self.flush_if_due()
        self._look_around()
        if self.paused_until_ms <= core.now_ms:
            self.end_pause()
        self._give_up_waiting_writers()
        self._after_work()
        self._want_turn()

    def flush_if_due(self) -> None:
        """Cut an epoch if the oldest change is as old as ``cache-flush-delay`` allows."""
        flusher = self.flusher
        age = time.perf_counter() - flusher.dirty_since
        if flusher.has_dirty and age >= self.flush_delay_seconds:
            self._cut_if_idle()

    def next_flush_seconds(self) -> float | None:
        """When ``flush_if_due`` will have something to do; None if nothing is dirty."""
        flusher = self.flusher
        if not flusher.has_dirty or flusher.is_saving:
            return None
        now = time.perf_counter()
        due = max(flusher.dirty_since + self.flush_delay_seconds, flusher.retry_at)
        return max(due - now, 0.0)

    def _give_up_waiting_writers(self) -> None:
        """While the disk is in trouble, writers that wait are refused after the bound."""
        failing_since = self.flusher.failing_since
        if not failing_since or time.perf_counter() - failing_since <= _REFUSE_AFTER_SECONDS:
            return
        waiting = list(self._for_room)
        self._for_room.clear()
        for wait in waiting:
            self._wait_ended(wait)

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
        waiting = self._for_pause
        if waiting:
            self._for_pause = []
            # In the next turn: this may be called by a command, even inside a transaction.
            self.workers.post(lambda: self._resume(waiting))

    def _resume(self, waiting: list[Suspension]) -> None:
        for wait in waiting:
            self._wait_ended(wait)

    @property
    def writers_waiting(self) -> int:
        """Clients whose writes wait for room."""
        return len(self._for_room)

    # Settings that CONFIG SET changes at once

    def set_maxmemory(self, maxmemory: int) -> None:
        """Change the memory bound."""
        self.memory.maxmemory = maxmemory
        self.store.set_memory_budget(self.memory.store_budget())
        # In the next turn, not inside a command: a tick may cut an epoch and resume other clients.
        self.workers.post(self.tick)

    def set_policy(self, name: str, lfu_log_factor: int, lfu_decay_minutes: int) -> None:
        """Change the eviction policy. O(resident keys)."""
        self.residency.set_policy(
            make_policy(name, self.memory.entries_limit(), lfu_log_factor, lfu_decay_minutes)
        )

    def close(self) -> None:
        """Stop the threads and close the store; what is dirty is lost (``commit_now`` saves it).

        Raises StoreError if the store could not be closed cleanly; what it had committed is safe.
        """
        self.workers.stop()
        self.store.close()


def _none() -> int:
    """Nobody has buffers."""
    return 0


def _cannot_shut_down(save: bool) -> None:
    """Without a server there is no process that could end."""
    raise CommandError(b"ERR Errors trying to SHUTDOWN. Check logs.")
