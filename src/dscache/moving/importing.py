"""Import: a data set into an engine whose store is empty, key by key, the way that commands go.

It comes from an RDB file, or from a server that runs (``scanning``, ``following``).

Keys are put into their keyspaces, epochs are cut when they have filled their share of the memory, and the
commit thread writes one while the next is read: so what the store has (records, indexes, counts) is made in
one place, and memory is bounded by ``maxmemory`` and the largest value.

Nothing here makes an import all or nothing: epochs are committed on the way. Whoever fails throws the store
away.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from dscache.errors import CommandError, ConfigError, RdbError
from dscache.rdb.file_reader import FileKey, FileLibrary
from dscache.values.base import has_expired

if TYPE_CHECKING:
    from dscache.engine.engine import Engine

# Keys between two looks at the clock, and how often memory is measured and progress told.
_STEP: Final = 64
_TICK_SECONDS: Final = 0.1


class Importer:
    """Imports into ``engine``. ``on_progress`` is called ten times a second."""

    def __init__(self, engine: Engine, on_progress: Callable[[], None]) -> None:
        self._engine: Final = engine
        self._on_progress: Final = on_progress
        self._now_ms: Final = int(engine.core.clock.time() * 1000)
        self._next_tick = 0.0
        #: Keys that are there, and those that were left out because they were due.
        self.keys = 0
        self.expired = 0
        self.libraries = 0

    def run(
        self, next_item: Callable[[], FileKey | FileLibrary | None], may_repeat: bool = False
    ) -> None:
        """Import all that ``next_item`` gives, blocking until it is on disk. O(that).

        Of a key that comes again the last counts, if it ``may_repeat``; otherwise that is an error.

        Raises RdbError, ConfigError for a database that the configuration does not have, StoreError, and
        what ``next_item`` raises.
        """
        # Nothing expires meanwhile: what is due at this moment decides.
        self._engine.core.now_ms = self._now_ms
        while (item := next_item()) is not None:
            if isinstance(item, FileLibrary):
                self._take_library(item)
            else:
                self._take_key(item)
        taken = self.keys
        self.commit()
        if taken != self.keys and not may_repeat:
            raise RdbError(f"{taken - self.keys} keys are in the file more than once")

    def commit(self) -> None:
        """Have everything on disk, and count the keys that are there. Raises StoreError."""
        self._engine.pacer.commit_now()
        self.keys = sum([int(keyspace.space.keys) for keyspace in self._engine.keyspaces])

    def _take_library(self, item: FileLibrary) -> None:
        try:
            self._engine.functions.load(item.source, replaces=False)
        except CommandError as error:
            raise RdbError(f"a library of functions cannot be loaded: {error}") from error
        self.libraries += 1

    def _take_key(self, item: FileKey) -> None:
        engine = self._engine
        if item.database >= len(engine.keyspaces):
            raise ConfigError(
                f"the file has a database {item.database}, the configuration only {len(engine.keyspaces)}:"
                " raise the directive databases"
            )
        if not engine.core.keeps_due and has_expired(item.value, item.expire_ms, self._now_ms):
            self.expired += 1
        else:
            engine.keyspaces[item.database].put(item.key, item.value, item.expire_ms, b"")
            self.keys += 1
        if engine.pacer.is_pressed() or (self.keys + self.expired) % _STEP == 0:
            self.keep_up()

    def keep_up(self) -> None:
        """Between two keys, or changes: stay within the memory, wait for the disk if need be, and tell about
        progress if it is time."""
        engine = self._engine
        engine.pacer.keep_up()
        if time.perf_counter() >= self._next_tick:
            engine.memory.tick()
            engine.weigh()
            self._on_progress()
            self._next_tick = time.perf_counter() + _TICK_SECONDS
