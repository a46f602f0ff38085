"""Driving an engine without a server: commands in, replies out, I/O threads awaited, no sleeping."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from audit import Audit
from dscache.clock import Clock, ManualClock
from dscache.commands import all_registries
from dscache.commands.table import build_table
from dscache.config import Config
from dscache.engine.command import CommandTable
from dscache.engine.engine import Engine
from dscache.engine.session import Session
from dscache.engine.settings import apply_settings
from dscache.engine.waiting import SUSPENDED
from dscache.store.base import Store
from dscache.store.memory import MemoryStore
from dscache.store.rocksdb import RocksStore
from dscache.wire.reply import ErrorReply, Status

#: How long a test waits for an I/O thread before it fails.
DEADLINE_SECONDS = 20.0


class Driver:
    """An engine with its one thread being the test's.

    The clock stands still unless the test moves it; nothing is flushed by time unless ``tick`` is
    called. ``evict_all`` empties memory, so that the next command finds its keys on disk only.
    """

    def __init__(
        self,
        store: Store | None = None,
        clock: Clock | None = None,
        table: CommandTable | None = None,
        /,
        config_file: str | None = None,
        **directives: str,
    ) -> None:
        self._woken = threading.Event()
        self.clock = ManualClock() if clock is None else clock
        self.store = MemoryStore() if store is None else store
        directives.setdefault("maxmemory", "64mb")
        directives.setdefault("disk_threads", "2")
        overrides = [(name.replace("_", "-"), [value]) for name, value in directives.items()]
        config = Config.from_arguments(config_file, overrides)
        self.engine = Engine(
            config,
            build_table(all_registries()) if table is None else table,
            self.store,
            self.clock,
            self._woken.set,
            self._woken.set,
        )
        try:
            apply_settings(self.engine)
        except BaseException:
            self.engine.close()
            raise
        self.session = self.engine.new_session()
        self._audit = (
            Audit(self.engine, self.store) if isinstance(self.store, MemoryStore) else None
        )

    def turn_until(self, condition: object) -> None:
        """Give the engine turns until ``condition()`` is true; fails at the deadline."""
        assert callable(condition)
        deadline = time.monotonic() + DEADLINE_SECONDS
        while True:
            # Cleared first: what is posted during the turn must not be lost.
            self._woken.clear()
            self.engine.turn()
            if condition():
                return
            assert time.monotonic() < deadline, "the engine did not get there in time"
            self._woken.wait(0.2)

    def new_session(self) -> Session:
        """Another client."""
        return self.engine.new_session()

    def start(self, *words: str | bytes | int, session: Session | None = None) -> list[object]:
        """Execute a command without waiting; the list gets its reply when there is one."""
        session = session or self.session
        replies: list[object] = []

        def deliver(reply: object) -> None:
            replies.append(reply)
            session.reply_sent()

        session.deliver = deliver
        args = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        reply = self.engine.execute(session, args)
        if reply is not SUSPENDED:
            deliver(reply)
        return replies

    def run(self, *words: str | bytes | int, session: Session | None = None) -> object:
        """Execute a command, waiting for the disk if it must; a Status or an error as bytes."""
        if self._audit is not None:
            self._audit.before()
        replies = self.start(*words, session=session)
        self.turn_until(lambda: bool(replies))
        if self._audit is not None:
            self._audit.after()
        reply = replies[0]
        if isinstance(reply, Status):
            return reply.text
        if isinstance(reply, ErrorReply):
            return b"-" + reply.text
        return reply

    def flush(self) -> None:
        """Commit everything that is dirty."""
        self.engine.pacer.commit_now()

    def evict_all(self) -> None:
        """Commit, then drop every entry from memory."""
        self.flush()
        residency = self.engine.residency
        limit = residency.limit_bytes
        residency.limit_bytes = 0
        residency.make_room()
        residency.limit_bytes = limit
        assert all(not keyspace.space.entries for keyspace in self.engine.keyspaces)

    def advance(self, seconds: float) -> None:
        """Let time pass on the manual clock."""
        assert isinstance(self.clock, ManualClock)
        self.clock.advance(seconds)

    def close(self) -> None:
        """End the engine and its threads."""
        self.engine.close()


def rocks_driver(directory: Path, **directives: str) -> Driver:
    """A driver over a real store."""
    return Driver(RocksStore(directory, 4 * 1024 * 1024), **directives)
