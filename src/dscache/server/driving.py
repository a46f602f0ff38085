"""What driving an engine for clients takes, whoever does it: the server with its event loop, or a program in
which it is embedded."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from dscache.config import Config
from dscache.engine.command import CommandTable
from dscache.engine.engine import Engine
from dscache.engine.replay import open_log
from dscache.extension import Extension
from dscache.files import Files
from dscache.server.clients import Clients
from dscache.server.opening import open_engine
from dscache.server.rdb_process import RdbProcess

_SHORTEST_PAUSE_SECONDS: Final = 0.001


def open_for_clients(
    config: Config,
    directory: Path,
    table: CommandTable,
    extensions: list[tuple[Extension, bytes]],
    want_turn: Callable[[], None],
    wake: Callable[[], None],
) -> Engine:
    """As ``open_engine``, with all that clients may want: the redo log has been replayed and goes on (unless
    the data set is volatile), and there is somebody to write snapshots. Raises LogDamagedError, too."""
    engine = open_engine(config, directory, table, extensions, want_turn, wake)
    try:
        target = Path(config.dir, config.dbfilename)
        engine.snapshots.serve(RdbProcess(config), directory, target)
        if not config.volatile:
            open_log(engine, directory, Files())
    except BaseException:
        engine.close()
        raise
    return engine


class Heartbeat:
    """What has to happen with time: ticks, ten times a second or as ``hz`` says, and epochs that are due
    between them."""

    def __init__(self, engine: Engine, clients: Clients) -> None:
        self._engine: Final = engine
        self._clients: Final = clients
        self._next_tick = 0.0

    def beat(self) -> float:
        """Do what is due, between two commands; the answer is when to come again, in seconds."""
        engine = self._engine
        now = time.perf_counter()
        if now >= self._next_tick:
            engine.tick()
            self._clients.tick(engine.core.clock.time())
            self._next_tick = now + 1.0 / engine.config.hz
        else:
            engine.pacer.flush_if_due()
        pause = self._next_tick - time.perf_counter()
        due = engine.pacer.next_flush_seconds()
        return max(pause if due is None else min(pause, due), _SHORTEST_PAUSE_SECONDS)
