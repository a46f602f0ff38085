"""The core: the parts that keyspaces, commands and the engine share, and the current moment.

It exists so that those who need one part do not have to know the engine, and so that the time of the
running command is one number for everybody.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from mypy_extensions import i64

from dscache.cache.catalog import Catalog
from dscache.cache.entry import Entry
from dscache.cache.flusher import Flusher
from dscache.cache.loader import Loader
from dscache.cache.residency import Residency
from dscache.cache.space import Space
from dscache.clock import Clock
from dscache.engine.waiting import KeyFault
from dscache.store.base import Store

if TYPE_CHECKING:
    from dscache.cache.wait import Wait
    from dscache.engine.blocking import Blocking
    from dscache.engine.session import Session
    from dscache.engine.tracking import Tracking

#: Told of every change: (database, event, key). Keyspace notifications are one.
Listener = Callable[[int, bytes, bytes], None]


#: The event of a lookup for reading that finds nothing.
KEY_MISS: Final = b"keymiss"

#: The events of what the server does by itself.
EXPIRIES: Final = (b"expired", b"hexpired")


class Stats:
    """Counters of the data set; INFO shows them under the same names."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """CONFIG RESETSTAT."""
        self.keyspace_hits: i64 = 0
        self.keyspace_misses: i64 = 0
        self.expired_keys: i64 = 0
        #: Fields of hashes that expired on their own.
        self.expired_fields: i64 = 0
        #: Lookups that memory could answer, and those that took a load.
        self.cache_hits: i64 = 0
        self.cache_misses: i64 = 0
        #: Loads that were found necessary only while the command ran.
        self.cache_faults: i64 = 0


class Core:
    """See the module's docstring."""

    def __init__(
        self,
        clock: Clock,
        store: Store,
        residency: Residency,
        catalog: Catalog,
        flusher: Flusher,
        loader: Loader,
    ) -> None:
        self.clock: Final[Clock] = clock
        self.store: Final[Store] = store
        self.residency: Final[Residency] = residency
        self.catalog: Final[Catalog] = catalog
        self.flusher: Final[Flusher] = flusher
        self.loader: Final[Loader] = loader
        self.stats: Final[Stats] = Stats()
        #: The time at which the running command (or transaction) takes place.
        self.now_ms: i64 = int(clock.time() * 1000)
        #: What is due stays until a command deletes it: the commands come from a server that decides on
        #: that by itself, and whatever it still sent to a key was done to the key as it was.
        self.keeps_due: bool = False
        #: The running command is part of a transaction or a script: it cannot wait for a change, and
        #: has no client of its own.
        self.is_inner: bool = False
        #: The running command cannot be restarted (it is part of something that has already made a
        #: change): what is missing is loaded at once, blocking.
        self.must_not_fault: bool = False
        #: The running command is no use of the keys that it meets (CLIENT NO-TOUCH).
        self.no_touch = False
        #: The wait of the command that is being run again; None at its first try.
        self.wait: Wait | None = None
        #: Sessions that WATCH a key.
        self.watchers: Final[dict[tuple[int, bytes], list[Session]]] = {}
        self.listeners: Final[list[Listener]] = []
        #: Keys that come into being are told, before what the command tells itself.
        self.tells_new = False
        #: Lookups that find nothing are told.
        self.tells_misses = False
        #: Events that lookups of the running command have caused, (database, event, key): kept back
        #: as long as the command may be run again and make the same lookups.
        self.lookup_events: list[tuple[int, bytes, bytes]] = []
        #: Clients that wait for keys to change; the engine's, which is there before any command.
        self.blocking: Blocking | None = None
        #: Some client is tracked: changes must be told to ``tracking``, which is the engine's, too.
        self.is_tracking: bool = False
        self.tracking: Tracking | None = None

    def has_result(self, name: str) -> bool:
        """Whether the running command has waited for a job of that name, or for a commit ("committed")."""
        wait = self.wait
        return wait is not None and name in wait.results

    def is_due(self, due_ms: i64) -> bool:
        """Whether what is due at ``due_ms`` is gone. What was due by 1970 cannot be kept: 0 is never."""
        return due_ms <= self.now_ms and (not self.keeps_due or due_ms <= 0)

    def tell(self, database: int, event: bytes, key: bytes) -> None:
        """Tell the listeners of an event; those of lookups before it come first."""
        if self.lookup_events:
            if event in EXPIRIES or self.lookup_events[-1] == (database, b"hexpired", key):
                # Lookups expire keys and fields (and delete hashes that have lost their last): the
                # command may still be run again.
                self.lookup_events.append((database, event, key))
                return
            self.tell_lookup_events(runs_again=False)
        for listener in self.listeners:
            listener(database, event, key)

    def tell_lookup_events(self, runs_again: bool) -> None:
        """Tell what was kept back; without what the command will find again if it runs again."""
        events = self.lookup_events
        self.lookup_events = []
        for database, event, key in events:
            if event != KEY_MISS or not runs_again:
                for listener in self.listeners:
                    listener(database, event, key)

    def missing(self, space: Space, key: bytes, whole: bool) -> Entry:
        """Get an entry for ``key``, which memory knows nothing of (or not enough).

        Raises KeyFault, unless the command cannot be restarted.
        """
        if not self.must_not_fault:
            raise KeyFault(space, key, whole)
        self.stats.cache_misses += 1
        self.stats.cache_hits -= 1
        self.loader.load_now(space, key, whole)
        return space.entries[key]
