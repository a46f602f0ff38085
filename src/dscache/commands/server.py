"""FLUSHDB, FLUSHALL, SWAPDB, TIME, LOLWUT and SHUTDOWN: databases as a whole, and the server itself."""

from __future__ import annotations

import random
from typing import Final

from dscache import __version__
from dscache.commands.arguments import integer, syntax_error
from dscache.engine.command import (
    ADMIN,
    ALLOW_BUSY,
    FAST,
    LOADING,
    NO_MULTI,
    NOSCRIPT,
    READONLY,
    STALE,
    WRITE,
    Registry,
)
from dscache.engine.session import Session
from dscache.errors import CommandError
from dscache.wire.reply import NO_REPLY, OK, Verbatim

registry: Final = Registry("server", "")

# What LOLWUT draws.
_PAGES: Final = 200
_ROW: Final = 40

_FLUSH_HISTORY: Final = [
    ("4.0.0", "Modifier ASYNC."),
    ("6.2.0", "Modifier SYNC."),
]


@registry.command(
    "FLUSHDB [ASYNC@4.0.0 | SYNC@6.2.0]",
    arity=-1,
    flags=WRITE,
    since="1.0.0",
    complexity="O(1)",
    categories="keyspace dangerous",
    history=_FLUSH_HISTORY,
    tips="request_policy:all_shards response_policy:all_succeeded",
)
def flushdb(session: Session, args: list[bytes]) -> object:
    """Removes all keys of the selected database, at once, however many they are.

    ASYNC and SYNC are the same: the keys are gone when it answers, and memory and disk are always
    freed in the background.
    """
    _check_flush_arguments(args)
    engine = session.engine
    engine.tracking.everything_changed()
    engine.flush_database(session.keyspace.index)
    return OK


@registry.command(
    "FLUSHALL [ASYNC@4.0.0 | SYNC@6.2.0]",
    arity=-1,
    flags=WRITE,
    since="1.0.0",
    complexity="O(N) where N is the number of databases",
    categories="keyspace dangerous",
    history=_FLUSH_HISTORY,
    tips="request_policy:all_shards response_policy:all_succeeded",
)
def flushall(session: Session, args: list[bytes]) -> object:
    """Removes all keys of all databases, at once, however many they are.

    ASYNC and SYNC are the same, as in FLUSHDB.
    """
    _check_flush_arguments(args)
    engine = session.engine
    engine.tracking.everything_changed()
    for keyspace in engine.keyspaces:
        engine.flush_database(keyspace.index)
    return OK


def _check_flush_arguments(args: list[bytes]) -> None:
    if len(args) > 2 or (len(args) == 2 and args[1].lower() not in (b"async", b"sync")):
        raise syntax_error()


@registry.command(
    "SWAPDB index1 index2",
    arity=3,
    flags=WRITE | FAST,
    since="4.0.0",
    complexity="O(N) for N clients that watch keys of the two databases or wait for them",
    categories="keyspace dangerous",
)
def swapdb(session: Session, args: list[bytes]) -> object:
    """Exchanges two databases: whoever has selected one sees the other's keys."""
    first = _database_index(args[1], b"ERR invalid first DB index")
    second = _database_index(args[2], b"ERR invalid second DB index")
    databases = len(session.engine.keyspaces)
    if not (0 <= first < databases and 0 <= second < databases):
        raise CommandError(b"ERR DB index is out of range")
    if first != second:
        session.engine.swap_databases(first, second)
    return OK


def _database_index(text: bytes, error: bytes) -> int:
    index = integer(text, error)
    if not -(2**31) <= index < 2**31:
        raise CommandError(error)
    return index


@registry.command(
    "TIME",
    arity=1,
    flags=LOADING | STALE | FAST,
    since="2.6.0",
    complexity="O(1)",
    tips="nondeterministic_output",
)
def time_(session: Session, args: list[bytes]) -> object:
    """Answers the server's time: seconds since 1970, and microseconds of the present one."""
    now = session.engine.core.clock.time()
    seconds = int(now)
    return [b"%d" % seconds, b"%d" % int((now - seconds) * 1_000_000.0)]


@registry.command(
    "LOLWUT [VERSION version]",
    arity=-1,
    flags=READONLY | FAST,
    since="5.0.0",
    complexity="O(1)",
)
def lolwut(session: Session, args: list[bytes]) -> object:
    """Draws the data set as 200 pages, those filled that are in memory. VERSION changes nothing."""
    if len(args) not in (1, 3) or (len(args) == 3 and args[1].lower() != b"version"):
        raise syntax_error()
    if len(args) == 3:
        integer(args[2])
    engine = session.engine
    keys = sum([int(keyspace.space.keys) for keyspace in engine.keyspaces])
    resident = int(engine.residency.resident)
    filled = _PAGES * min(resident, keys) // keys if keys else 0
    pages = ["▪"] * filled + ["▫"] * (_PAGES - filled)
    # The same data set is drawn in the same way.
    random.Random(keys).shuffle(pages)
    rows = ["".join(pages[start : start + _ROW]) for start in range(0, _PAGES, _ROW)]
    text = "\n".join(
        [*rows, "", f"{min(resident, keys)} of {keys} keys in memory. dscache {__version__}"]
    )
    return Verbatim(text.encode() + b"\n")


@registry.command(
    "SHUTDOWN [NOSAVE | SAVE] [NOW]@7.0.0 [FORCE]@7.0.0 [ABORT]@7.0.0",
    arity=-1,
    flags=ADMIN | NOSCRIPT | LOADING | STALE | NO_MULTI | ALLOW_BUSY,
    since="1.0.0",
    complexity="O(N) when saving, where N is the number of keys changed since the last commit",
    history=[("7.0.0", "Modifiers NOW, FORCE and ABORT.")],
)
def shutdown(session: Session, args: list[bytes]) -> object:
    """Saves what is not on disk yet and ends the server.

    NOSAVE loses what is not on disk yet. Without FORCE the server stays while the disk refuses to
    take the data. NOW skips the wait for replicas, of which there are none, so it changes nothing;
    for the same reason a shutdown is never in a state in which ABORT could find it.
    """
    words = {word.lower() for word in args[1:]}
    if not words <= {b"nosave", b"save", b"now", b"force", b"abort"}:
        raise syntax_error()
    if (b"abort" in words and len(words) > 1) or {b"nosave", b"save"} <= words:
        raise syntax_error()
    if b"abort" in words:
        raise CommandError(b"ERR No shutdown in progress.")
    engine = session.engine
    save = b"nosave" not in words
    if engine.is_busy:
        if save:
            raise CommandError(engine.scripts.busy_error())
        engine.scripts.abandon()
    if save and b"force" not in words and engine.flusher.failing_since != 0.0:
        raise CommandError(b"ERR Errors trying to SHUTDOWN. Check logs.")
    engine.on_shutdown(save)
    return NO_REPLY
