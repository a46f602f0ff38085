"""The server: an engine, an event loop that drives it, and the life of the process.

The engine asks for turns (``want_turn`` from its own thread, ``wake`` from others); the loop gives
them. A timer ticks ten times a second or as ``hz`` says, and sooner when an epoch is due.

Shutting down: stop listening and reading, save what is dirty, close the store, exit 0. A second signal
exits at once; a crash is what the store is made for.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
import time
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Final

import uvloop

import dscache
from dscache.config import Config
from dscache.config.levels import LEVELS, NOTICE
from dscache.engine.command import CommandTable
from dscache.errors import ConfigError, DscacheError
from dscache.extension import Extension
from dscache.server.clients import Clients
from dscache.server.connection import Connection
from dscache.server.driving import Heartbeat, open_for_clients
from dscache.server.lifeline import watch_lifeline
from dscache.server.listeners import Listeners
from dscache.server.logs import set_format, set_up_log
from dscache.server.meanwhile import Meanwhile
from dscache.server.openfiles import RESERVED, OpenFiles, allow_clients
from dscache.server.opening import commands_of, limit_malloc_arenas
from dscache.server.outbox import Outbox
from dscache.server.systemd import Notifier, inherited_sockets
from dscache.server.tls import DIRECTIVES
from dscache.server.volatile import VolatileDirectory

if TYPE_CHECKING:
    from dscache.http.site import Site

log: Final = logging.getLogger("dscache")

# An I/O thread that runs Python code may keep the event loop waiting for this long (the default, 5 ms,
# is most of a client's latency).
_SWITCH_INTERVAL_SECONDS: Final = 0.0005

# The cyclic collector has nothing to do here: commands, connections, epochs make no cycles. Yet it would walk
# through all lists that values are made of, for 0.2 s and longer with a million of them. So it looks at what
# is new, a thousand objects at a time, which may be lists of dozens of elements each; and at what it has seen
# alive twice never again (``_keep_survivors``).
_GC_THRESHOLDS: Final = (1_000, 1, 1_000_000)

# While clients wait to be told that the disk does not take the data, shutdown tries this often.
_RETRY_SECONDS: Final = 0.25


def _allow_clients(config: Config) -> None:
    """CONFIG SET maxclients. Raises ConfigError if the system does not allow so many."""
    allowed = allow_clients(config.maxclients)
    if allowed < config.maxclients:
        raise ConfigError(
            "The operating system is not able to handle the specified number of clients, try with"
            f" {allowed}"
        )


def _keep_survivors(phase: str, info: dict[str, int]) -> None:
    """After a collection of the middle generation: what is left of it is here to stay. O(1)."""
    if phase == "stop" and info["generation"] == 1:
        gc.freeze()


def _site_class() -> type[Site]:
    """Imported only where it is wanted: aiohttp takes 20 MB and a third of a second."""
    from dscache.http.site import Site  # noqa: PLC0415

    return Site


class Server:
    """One running server. ``run`` returns the process's exit code."""

    def __init__(self, config: Config) -> None:
        self._config = config
        #: A turn is coming; or there is no engine yet that could have one.
        self._turn_wanted = True
        self._stopping = False
        self._save = True
        self._signals = 0
        self._timer: asyncio.Handle | None = None
        self._timer_at = 0.0
        self._has_failed = False
        self._volatile: VolatileDirectory | None = None
        self._manager = Notifier(os.environ)
        self._site: Site | None = None

    def run(self) -> int:
        """Serve until told to stop.

        Raises ConfigError, ExtensionError or StoreError when it cannot start.
        """
        config = self._config
        set_up_log(config.loglevel, config.logfile, config.log_format)
        limit_malloc_arenas()
        self._allow_clients_at_start()
        table, extensions = commands_of(config)
        directory = self._directory()
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                return runner.run(self._serve(directory, table, extensions))
        finally:
            if self._volatile is not None:
                self._volatile.remove()

    def _allow_clients_at_start(self) -> None:
        """Have the system allow ``maxclients``, or lower it to what the system allows."""
        wanted = self._config.maxclients
        allowed = allow_clients(wanted)
        if allowed < wanted:
            self._config.set_many([("maxclients", str(allowed))])
            log.warning(
                "maxclients is %d instead of %d, because the limit of open files is too low; raise it"
                " to %d (ulimit -n)",
                allowed,
                wanted,
                wanted + RESERVED,
            )

    def _directory(self) -> Path:
        if not self._config.volatile:
            return Path(self._config.dir)
        # Where --dir points, so that the throw-away store is on the disk that was meant for data.
        self._volatile = VolatileDirectory(Path(self._config.dir))
        return self._volatile.path

    async def _serve(
        self, directory: Path, table: CommandTable, extensions: list[tuple[Extension, bytes]]
    ) -> int:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        config = self._config
        started = time.perf_counter()
        # Before the engine, for whose memory bound the process begins with what it takes now.
        make_site = _site_class() if config.http_port else None
        engine = self._engine = open_for_clients(
            config, directory, table, extensions, self._want_turn, self._wake
        )
        self._turn_wanted = False
        self._want_turn()
        self._clients = Clients(engine, Outbox(self._loop.call_soon))
        engine.clients_bytes = self._clients_bytes
        engine.on_shutdown = self.stop
        engine.want_turn_at = self._turn_at
        engine.counters.tcp_port = config.port
        engine.counters.config_file = config.path or ""
        engine.counters.executable = sys.executable
        make = partial(Connection, engine, self._clients)
        self._listeners = Listeners(config, make, inherited_sockets(os.environ))
        engine.scripts.serve_meanwhile = Meanwhile(
            self._clients, make, self._listeners.sockets
        ).serve
        config.on_change(("port", "bind", "tls-port", *DIRECTIVES), self._rebind)
        config.on_change(
            ("proto-max-bulk-len",),
            lambda _: self._clients.set_max_bulk_bytes(config.proto_max_bulk_len),
        )
        config.on_change(("maxclients",), _allow_clients)
        config.on_change(("maxmemory-clients",), self._evict_clients)
        config.on_change(("loglevel",), lambda _: log.setLevel(LEVELS[config.loglevel]))
        config.on_change(("log-format",), lambda _: set_format(config.log_format))
        try:
            await self._listeners.open()
            if make_site is not None:
                self._site = make_site(engine)
                await self._site.open()
        except BaseException:
            engine.close()
            raise
        sys.setswitchinterval(_SWITCH_INTERVAL_SECONDS)
        gc.set_threshold(*_GC_THRESHOLDS)
        gc.callbacks.append(_keep_survivors)
        gc.collect()
        gc.freeze()
        self._install_signals()
        watch_lifeline(os.environ, self._loop, partial(self.stop, True))
        keys = sum(int(keyspace.space.keys) for keyspace in engine.keyspaces)
        log.log(
            NOTICE,
            "dscache %s (%s) ready on %s: %d keys in %s, maxmemory %d MiB, opened in %.2f s",
            dscache.__version__,
            "compiled" if dscache.is_compiled() else "interpreted, several times slower",
            ", ".join(self._addresses()),
            keys,
            directory,
            config.resolved_maxmemory() >> 20,
            time.perf_counter() - started,
        )
        self._manager.tell("READY=1")
        self._loop.set_exception_handler(self._on_unexpected)
        ticking = asyncio.create_task(self._tick())
        ticking.add_done_callback(self._on_tick_ended)
        await self._stop.wait()
        ticking.cancel()
        if self._site is not None:
            await self._site.close()
        return self._shut_down()

    def _clients_bytes(self) -> int:
        """What clients take, and HTTP requests, which are short-lived clients."""
        site = self._site
        return self._clients.memory_bytes() + (site.holdings.used_bytes if site else 0)

    def _addresses(self) -> list[str]:
        """What is listened on, for the log."""
        return self._listeners.addresses() + (self._site.addresses() if self._site else [])

    def _on_unexpected(self, loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        """A defect showed in a callback: it belongs in the server's own log, wherever that is."""
        error = context.get("exception")
        log.error(
            "%s", context["message"], exc_info=error if isinstance(error, BaseException) else None
        )

    def _on_tick_ended(self, ticking: asyncio.Task[None]) -> None:
        """Without ticks nothing would ever be saved: rather save now and end with an error."""
        if ticking.cancelled():
            return
        log.critical("a defect stops the server", exc_info=ticking.exception())
        self._has_failed = True
        self.stop(True)

    # Turns and ticks

    def _want_turn(self) -> None:
        if not self._turn_wanted:
            self._turn_wanted = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._turn_wanted = False
        self._engine.turn()

    def _turn_at(self, when: float) -> None:
        """Give the engine a turn at ``when``, or before: one timer, for the earliest."""
        if self._timer is not None:
            if self._timer_at <= when:
                return
            self._timer.cancel()
        self._timer_at = when
        delay = max(when - self._engine.core.clock.time(), 0.0)
        self._timer = self._loop.call_later(delay, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._engine.turn()

    def _wake(self) -> None:
        # The loop may be closed when a thread posts its last result; nobody waits for it then.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._turn)

    async def _tick(self) -> None:
        heartbeat = Heartbeat(self._engine, self._clients)
        open_files = OpenFiles()
        while True:
            pause = heartbeat.beat()
            now = time.perf_counter()
            open_files.watch(now)
            self._manager.watch(now)
            await asyncio.sleep(pause)

    def _evict_clients(self, config: Config) -> None:
        """CONFIG SET maxmemory-clients: behind its reply, and before any other command."""
        self._loop.call_soon(self._clients.evict)

    def _rebind(self, config: Config) -> None:
        """CONFIG SET port, bind or what concerns TLS. Raises ConfigError if it cannot be."""
        self._listeners.rebind()
        self._engine.counters.tcp_port = config.port
        self._rebinding = self._loop.create_task(self._listeners.take_over())

    # The end

    def _install_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._signals += 1
        name = signal.Signals(number).name
        if self._signals > 1:
            log.warning("%s again: exiting now, what is not on disk is lost", name)
            os._exit(1)
        log.log(NOTICE, "%s: shutting down", name)
        self._loop.call_soon_threadsafe(self.stop, True)

    def stop(self, save: bool) -> None:
        """Begin to shut down; ``save`` says whether what is dirty is to be saved."""
        self._save = save
        self._stopping = True
        self._stop.set()

    def _shut_down(self) -> int:
        engine = self._engine
        engine.shutting_down = True
        self._manager.tell("STOPPING=1")
        self._listeners.close()
        code = 1 if self._has_failed else 0
        if self._save:
            code = max(code, self._save_all())
        try:
            engine.close()
        except DscacheError as error:
            log.error("closing the store failed: %s", error)
            code = 1
        self._clients.close_all()
        log.log(NOTICE, "bye")
        return code

    def _save_all(self) -> int:
        """Save what is dirty; while that fails, try again for ``shutdown-timeout`` seconds."""
        deadline = time.monotonic() + self._config.shutdown_timeout
        while True:
            try:
                self._engine.pacer.commit_now()
            except DscacheError as error:
                if time.monotonic() > deadline:
                    redo = self._engine.redo
                    if redo.is_on and redo.unsynced_bytes == 0:
                        log.error("the last changes are only in the redo log: %s", error)
                    else:
                        log.error("the last changes could not be saved and are lost: %s", error)
                    return 1
                time.sleep(_RETRY_SECONDS)
            else:
                return 0
