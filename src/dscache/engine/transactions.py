"""Transactions: what MULTI queues, and what WATCH watches.

Running one is in ``dscache.engine.exec``.

WATCH remembers for each key whether it existed and when it was due. Any change of the key afterwards
marks the session at once; only expiry, FLUSHDB and SWAPDB, which change keys without touching them one
by one, have to be found out from what was remembered. Eviction from memory and reload are no change.

Watchers are registered under the generation of the key's space. FLUSHDB and SWAPDB give the database
another one: who watched a key that existed is marked; who watched one that did not exist watches it in
the new space from then on. After SWAPDB it may exist there, which only the disk may know: EXEC looks
it up (``unsure_keys``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from dscache.engine.command import Command
    from dscache.engine.core import Core
    from dscache.engine.keyspace import Keyspace
    from dscache.engine.session import Session


class Transaction:
    """The commands queued since MULTI."""

    def __init__(self) -> None:
        self.commands: Final[list[tuple[Command, list[bytes]]]] = []
        #: A command could not be queued: EXEC will refuse.
        self.failed = False
        self.queued_bytes = 0

    def queue(self, command: Command, args: list[bytes]) -> None:
        """Add a command."""
        self.commands.append((command, args))
        self.queued_bytes += sum(len(arg) for arg in args)


class Watched:
    """A key that a session watches, as it was when WATCH was called."""

    def __init__(self, keyspace: Keyspace, key: bytes, existed: bool, expire_ms: int) -> None:
        self.keyspace: Final = keyspace
        #: The space that it is watched in: what the keyspace shows.
        self.generation = keyspace.space.generation
        self.key: Final = key
        self.existed: Final = existed
        self.expire_ms: Final = expire_ms
        #: It did not exist, but SWAPDB may have brought one.
        self.unsure = False


def watch(core: Core, session: Session, key: bytes) -> None:
    """Watch ``key`` of the session's database, whose entry must be in memory (or this faults)."""
    keyspace = session.keyspace
    expire_ms = keyspace.expiry_of(key)
    generation = keyspace.space.generation
    watchers = core.watchers.setdefault((generation, key), [])
    if session in watchers:
        return
    watchers.append(session)
    session.count_name(key, 1)
    session.watched.append(Watched(keyspace, key, expire_ms is not None, expire_ms or 0))


def unwatch(core: Core, session: Session) -> None:
    """Forget everything that ``session`` watches. O(watched keys)."""
    for watched in session.watched:
        _unregister(core, session, watched)
        session.count_name(watched.key, -1)
    session.watched.clear()
    session.watched_key_changed = False


def end_transaction(core: Core, session: Session) -> None:
    """EXEC, DISCARD, RESET, and the end of a client: forget what is queued and what is watched."""
    session.transaction = None
    unwatch(core, session)


def _unregister(core: Core, session: Session, watched: Watched) -> None:
    place = (watched.generation, watched.key)
    watchers = core.watchers[place]
    watchers.remove(session)
    if not watchers:
        del core.watchers[place]


def watched_keys_changed(core: Core, session: Session) -> bool:
    """Whether EXEC must refuse, because a watched key has changed or expired.

    May fault, for keys that SWAPDB may have brought.
    """
    if session.watched_key_changed:
        return True
    if any(0 < watched.expire_ms <= core.now_ms for watched in session.watched):
        return True
    return any(
        watched.unsure and watched.keyspace.find(watched.key) is not None
        for watched in session.watched
    )


def spaces_changed(core: Core, may_exist: bool) -> None:
    """FLUSHDB or SWAPDB: some keyspaces show another space. O(watched keys).

    ``may_exist`` says that the new spaces may hold keys, as after SWAPDB.
    """
    sessions = {session.number: session for group in core.watchers.values() for session in group}
    for session in sessions.values():
        for watched in session.watched:
            generation = watched.keyspace.space.generation
            if watched.generation == generation:
                continue
            # A key that did not exist has not changed by being flushed.
            if watched.existed:
                session.watched_key_changed = True
            elif may_exist:
                watched.unsure = True
            _unregister(core, session, watched)
            watched.generation = generation
            core.watchers.setdefault((generation, watched.key), []).append(session)
