"""The host: an engine that lives in a program, and the program's threads that run its commands.

There is no event loop. A lock stands for "the thread that runs commands": a client's own thread takes it,
gives its request to its ``Connection`` (the server's) and finds the reply in its ``Link``. So a hit costs
no hand-over between threads. A thread of the host, the *keeper*, gives the engine its turns and ticks; a
client whose key must be loaded waits for it as a client of the server waits for the event loop.

Not everybody may ask for the lock: the garbage collector closes clients wherever it likes, also in a thread
that has it. So what ends is only *posted* (``hang_up``, ``Lease.release``), through queues that may be used
there, and the keeper does it.

**Fail-stop.** An exception that is no reply (Ctrl-C, a timeout of pytest) may stop a command half way, and
nobody knows what it has changed by then. The engine is given up at once: its clients are disconnected, and
the directory is left as by ``kill -9``, which the next opening sets right. Such exceptions come to the main
thread only, and compiled code looks for them hardly anywhere. It is a reason why only the keeper opens the
engine and gives it turns. (A client that waits for a load could give the turn that starts it; a miss took
145 to 300 microseconds then, and 160 to 200 with the keeper.)

======  ================================================================================
open    commands run
ended   the last lease has been released: all is saved, then closed
failed  closed without saving, see above
forked  the memory of a host in a child process, without its threads: nothing works here
======  ================================================================================
"""

from __future__ import annotations

import ctypes
import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Final

from dscache.config import Config
from dscache.embedded.link import Link
from dscache.engine.engine import Engine
from dscache.engine.session import EMBEDDED
from dscache.errors import DscacheError
from dscache.server.clients import Clients
from dscache.server.connection import Connection
from dscache.server.driving import Heartbeat, open_for_clients
from dscache.server.opening import commands_of
from dscache.server.outbox import Outbox, at_once
from dscache.server.volatile import VolatileDirectory

log: Final = logging.getLogger("dscache")

# Between two slices of work the keeper lets clients in. (A lock is not fair: who takes it again at once
# is first.)
_BETWEEN_SLICES_SECONDS: Final = 0.0001

# And a slow script lets them in: so often, for so long.
_MEANWHILE_INTERVAL_SECONDS: Final = 0.02
_MEANWHILE_SECONDS: Final = 0.001

_THREAD_PREFIX: Final = "dscache-"


class Lease:
    """A client's right to a host. A host ends when it has no leases any more."""

    def __init__(self, host: Host) -> None:
        self.host: Final = host
        self.is_released = False
        #: The release has been carried out; if it was the last one, the host is closed.
        self.ended: Final = threading.Event()

    def usable_host(self) -> Host:
        """The host, as long as this has not been released. Raises ConnectionError."""
        if self.is_released:
            raise ConnectionError("this client has been closed")
        return self.host

    def release(self) -> None:
        """The client needs the host no more. Returns at once; from any thread, at any time."""
        if not self.is_released:
            self.is_released = True
            self.host.post(self)

    def close(self) -> None:
        """Release, and wait for the end of the host if this was its last lease. Once; then it does nothing.

        Raises StoreError if not everything could be saved. It does not wait where that would be waiting for
        itself: in a thread of an engine (the collector may have chosen it), or inside a command.
        """
        if self.is_released:
            return
        self.release()
        if not self.host.can_be_awaited():
            return
        self.ended.wait()
        if self.host.close_error is not None:
            raise self.host.close_error


class Host:
    """See the module's docstring. It is opened with its first lease; ``on_end`` is called with it when it is
    closed, or could not be opened. Raises ExtensionError."""

    def __init__(self, config: Config, on_end: Callable[[Host], None]) -> None:
        self._config: Final = config
        self._on_end: Final = on_end
        self._lock: Final = threading.Lock()
        # The thread that has the lock, 0 if none. It is set before anything is called that may let the
        # collector run, which may close a client in this thread: that must not wait for the keeper then.
        self._holder = 0
        # These two belong to whoever has it. A time of the engine's clock, 0.0 for none.
        self._turn_wanted = False
        self._turn_at = 0.0
        self._leases: Final[set[Lease]] = set()
        # Links that are over, and their connections do not know it yet.
        self._over: Final[deque[Link]] = deque()
        # What the keeper is woken with: None for a turn, or a lease that has been released.
        self._calls: Final[SimpleQueue[Lease | None]] = SimpleQueue()
        self._is_woken = False
        self._meanwhile_at = 0.0
        #: Why there is nobody to run commands; None while there is.
        self.closed: str | None = None
        self._has_failed = False
        self._is_forked = False
        #: What went wrong at the end.
        self.close_error: DscacheError | None = None
        self.ended: Final = threading.Event()
        self._opened: Final = threading.Event()
        self._open_error: BaseException | None = None
        #: Where the data is.
        self.directory = Path(config.dir)
        self._volatile: VolatileDirectory | None = None
        # Here, and not in the keeper: whoever opens may be in the middle of an import.
        self._commands: Final = commands_of(config)
        self._engine: Engine
        self._clients: Clients
        self._keeper: Final = threading.Thread(
            target=self._keep, name=f"{_THREAD_PREFIX}keeper", daemon=True
        )

    # The beginning

    def lease(self) -> Lease | None:
        """A right to this host, which is open then; None if it has ended. Raises RuntimeError inside a
        command, and ConfigError, ExtensionError, LogDamagedError or StoreError if it cannot be opened."""
        self._require_outside()
        lease = Lease(self)
        thread = threading.get_ident()
        with self._lock:
            self._holder = thread
            try:
                if self.closed is not None:
                    return None
                self._leases.add(lease)
                if self._keeper.ident is None:
                    self._keeper.start()
            finally:
                self._holder = 0
        try:
            self._opened.wait()
        except BaseException:
            lease.release()
            raise
        if self._open_error is not None:
            raise self._open_error
        return lease

    def _open(self) -> None:
        """In the keeper, where no signal stops it half way."""
        config = self._config
        if config.volatile:
            self._volatile = VolatileDirectory(self.directory)
            self.directory = self._volatile.path
        table, extensions = self._commands
        engine = self._engine = open_for_clients(
            config, self.directory, table, extensions, self._want_turn, self._wake
        )
        clients = self._clients = Clients(engine, Outbox(at_once))
        engine.clients_bytes = clients.memory_bytes
        engine.want_turn_at = self._want_turn_at
        engine.scripts.serve_meanwhile = self._serve_meanwhile
        engine.counters.executable = sys.executable
        config.on_change(
            ("proto-max-bulk-len",), lambda _: clients.set_max_bulk_bytes(config.proto_max_bulk_len)
        )

    # What clients call

    def connect(self, link: Link) -> None:
        """Give ``link`` its connection. Raises as ``feed``."""
        self._require_outside()
        # Twice: after a fork the lock may be nobody's.
        self._require_open()
        thread = threading.get_ident()
        with self._lock:
            self._holder = thread
            try:
                self._require_open()
                self._lose_links()
                connection = Connection(self._engine, self._clients, "embedded")
                link.connection = connection
                connection.connection_made(link)  # type: ignore[arg-type]  # what is asked, it has
                session = connection.session
                session.address = session.local_address = f"{EMBEDDED}:{session.number}"
            finally:
                self._holder = 0

    def feed(self, connection: Connection, data: bytes) -> None:
        """``connection`` has sent ``data``: its requests are carried out, as far as they need not wait.

        Raises ConnectionError if the host is not open, RuntimeError inside a command.
        """
        self._require_outside()
        self._require_open()
        thread = threading.get_ident()
        with self._lock:
            self._holder = thread
            try:
                self._require_open()
                self._lose_links()
                connection.data_received(data)
            except BaseException as error:
                # Raised between two commands it concerns nobody else.
                if connection.session.is_running:
                    self._fail(error)
                raise
            finally:
                if self._turn_wanted:
                    self._wake()
                self._holder = 0

    def hang_up(self, link: Link) -> None:
        """``link`` is over. Returns at once; from any thread, at any time."""
        self._over.append(link)
        self._wake()

    def _lose_links(self) -> None:
        """So that no client sees another one that has gone before."""
        if self._over and not self._engine.is_busy:
            while self._over:
                self._over.popleft().lose()

    def _require_outside(self) -> None:
        if self._holder == threading.get_ident():
            raise RuntimeError(
                "dscache is running a command in this thread: what is called meanwhile (an extension, a"
                " signal handler, __del__) cannot run another one"
            )

    def _require_open(self) -> None:
        if self.closed is not None:
            raise ConnectionError(self.closed)

    def _fail(self, error: BaseException) -> None:
        self._has_failed = True
        self.closed = f"dscache in {self.directory} has been stopped inside a command: {error!r}"
        self._wake()

    # What the engine calls

    def _want_turn(self) -> None:
        self._turn_wanted = True

    def _want_turn_at(self, when: float) -> None:
        if self._turn_at == 0.0 or when < self._turn_at:
            self._turn_at = when
            if self._holder != self._keeper.ident:
                self._wake()

    def _wake(self) -> None:
        """Have the keeper give a turn. From any thread."""
        if not self._is_woken:
            self._is_woken = True
            self._calls.put(None)

    def _serve_meanwhile(self) -> None:
        """Called again and again inside a slow script: let others in now and then, who are told that it is
        slow, or kill it."""
        now = time.perf_counter()
        if now < self._meanwhile_at:
            return
        holder = self._holder
        self._holder = 0
        self._lock.release()
        try:
            time.sleep(_MEANWHILE_SECONDS)
        finally:
            self._lock.acquire()
            self._holder = holder
            self._meanwhile_at = time.perf_counter() + _MEANWHILE_INTERVAL_SECONDS

    # The keeper

    def _keep(self) -> None:
        try:
            self._open()
        except BaseException as error:
            with self._lock:
                self.closed = f"{self.directory} cannot be opened"
            self._open_error = error
            self._let_go()
            return
        self._opened.set()
        try:
            self._run()
        except BaseException as error:
            log.critical("a defect stops dscache in %s", self.directory, exc_info=error)
            self._fail(error)
        self._end()

    def _run(self) -> None:
        heartbeat = Heartbeat(self._engine, self._clients)
        pause = 0.0
        while True:
            try:
                released = self._calls.get(timeout=pause)
            except Empty:
                released = None
            with self._lock:
                if released is not None:
                    self._take_back(released)
                if self.closed is not None:
                    return
                self._holder = threading.get_ident()
                try:
                    pause = self._work(heartbeat)
                finally:
                    self._holder = 0

    def _work(self, heartbeat: Heartbeat) -> float:
        """Give the engine a turn; the answer is when to come again, in seconds."""
        # First, so that what is posted during this turn wakes it again.
        self._is_woken = False
        engine = self._engine
        if engine.is_busy:
            return _MEANWHILE_INTERVAL_SECONDS
        self._turn_wanted = False
        if self._turn_at <= engine.core.clock.time():
            self._turn_at = 0.0
        self._lose_links()
        engine.turn()
        pause = heartbeat.beat()
        if self._turn_wanted:
            return _BETWEEN_SLICES_SECONDS
        if self._turn_at:
            pause = min(pause, self._turn_at - engine.core.clock.time())
        return max(pause, _BETWEEN_SLICES_SECONDS)

    # The end

    def post(self, lease: Lease) -> None:
        """``lease`` has been released."""
        self._calls.put(lease)

    def can_be_awaited(self) -> bool:
        """Whether this thread may wait for the host's end."""
        is_engines = threading.current_thread().name.startswith(_THREAD_PREFIX)
        return not (is_engines or self._is_forked or self._holder == threading.get_ident())

    def _take_back(self, lease: Lease) -> None:
        if len(self._leases) == 1:
            # Its end is that of the host, see ``_end``.
            self.closed = f"dscache in {self.directory} has been closed"
        else:
            self._leases.discard(lease)
            lease.ended.set()

    def _end(self) -> None:
        engine = self._engine
        with self._lock:
            engine.shutting_down = True
            if self._has_failed:
                # What has been noted since the last frame may end in the middle.
                engine.redo.is_on = False
            else:
                self._try(engine.pacer.commit_now)
            self._try(engine.close)
            self._clients.close_all()
            for connection in self._clients.all():
                # It still had a reply to come.
                connection.abort()
            self._lose_links()
        self._let_go()

    def _let_go(self) -> None:
        if self._volatile is not None:
            self._volatile.remove()
        self._on_end(self)
        self._opened.set()
        self.ended.set()
        for lease in self._leases:
            lease.ended.set()

    def _try(self, end: Callable[[], None]) -> None:
        try:
            end()
        except DscacheError as error:
            log.error("closing %s: %s", self.directory, error)
            self.close_error = error

    def close_all_leases(self) -> None:
        """The program ends."""
        leases = list(self._leases)
        for lease in leases:
            lease.release()
        if leases:
            self.ended.wait()

    def forked(self) -> None:
        """In a child process: this is a copy of the memory of a host, without its threads."""
        self._is_forked = True
        self.closed = (
            f"dscache in {self.directory} was opened by the parent of process {os.getpid()}; a child"
            " that was forked cannot use it"
        )
        # Never to be deallocated here: RocksDB would wait for threads that there are not, or end as the
        # parent's would, in its files. (Its own exit handlers cannot be kept from that: a child that has
        # not been started by multiprocessing, which ends with os._exit, dies of SIGSEGV at its very end.)
        if hasattr(self, "_engine"):
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._engine))
