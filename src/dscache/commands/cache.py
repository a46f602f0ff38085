"""CACHE: what is in memory and what only on disk. A family of our own; Redis has no such difference.

Nothing here changes the data set. Applications that know what they will need next can PRELOAD it, and
operators and tests see and choose what is in memory. CACHE FLUSH is the barrier: after it, everything
that was acknowledged before survives a loss of power.
"""

from __future__ import annotations

from typing import Final

from dscache.commands.help import subcommands_help
from dscache.engine.command import FAST, LOADING, NO_MULTI, NOSCRIPT, READONLY, STALE, Registry
from dscache.engine.keyspec import NOTHING, VALUE, KeySpec
from dscache.engine.session import Session
from dscache.engine.waiting import CommitFault
from dscache.wire.reply import OK

registry: Final = Registry("server", "")

_SINCE: Final = "0.1.0"
_PER_KEY: Final = "O(N) where N is the number of keys"


@registry.command("CACHE", arity=-2, flags=0, since=_SINCE, complexity="That of the subcommand")
def cache(session: Session, args: list[bytes]) -> object:
    """Commands about what is in memory."""
    raise AssertionError("the engine runs a subcommand, or refuses")


@registry.command(
    "EVICT key [key ...]",
    parent="cache",
    arity=-3,
    flags=READONLY | FAST,
    keys=[KeySpec(2, last=-1, access="RO", needs=NOTHING)],
    since=_SINCE,
    complexity=_PER_KEY,
    categories="keyspace",
)
def cache_evict(session: Session, args: list[bytes]) -> object:
    """Lets keys leave memory and answers how many did; they stay on disk.

    Keys with changes that are not on disk yet stay in memory too (CACHE FLUSH first), and so do keys
    that another client's command is waiting for.
    """
    keyspace = session.keyspace
    evicted = 0
    for key in args[2:]:
        # What memory knows beside values (that there is no such key) is dropped, but not counted.
        was_resident = keyspace.is_resident(key)
        if keyspace.evict(key) and was_resident:
            evicted += 1
    return evicted


@registry.command(
    "PRELOAD key [key ...]",
    parent="cache",
    arity=-3,
    flags=READONLY,
    keys=[KeySpec(2, last=-1, access="RO", needs=VALUE)],
    since=_SINCE,
    complexity=_PER_KEY,
    categories="keyspace",
)
def cache_preload(session: Session, args: list[bytes]) -> object:
    """Brings keys into memory, all at once, and answers how many of them exist.

    Counts as a use of the keys. The caller waits for the disk; the server does not.
    """
    keyspace = session.keyspace
    return sum([keyspace.for_read(key) is not None for key in args[2:]])


@registry.command(
    "RESIDENT key [key ...]",
    parent="cache",
    arity=-3,
    flags=READONLY | FAST,
    keys=[KeySpec(2, last=-1, access="RO", needs=NOTHING)],
    since=_SINCE,
    complexity=_PER_KEY,
    categories="keyspace",
)
def cache_resident(session: Session, args: list[bytes]) -> object:
    """Answers for each key 1 if its value is in memory and 0 if not, without loading anything."""
    return [int(session.keyspace.is_resident(key)) for key in args[2:]]


@registry.command(
    "FLUSH",
    parent="cache",
    arity=2,
    flags=NOSCRIPT | NO_MULTI,
    since=_SINCE,
    complexity="O(N) where N is the number of keys changed since the last commit",
    categories="keyspace",
)
def cache_flush(session: Session, args: list[bytes]) -> object:
    """Answers when all changes acknowledged before are on disk.

    CLIENT LIST shows who waits for it (``wait=flush``). If the disk does not take them, it ends with the
    error that writes get then.
    """
    if not is_committed(session):
        raise CommitFault()
    return OK


def is_committed(session: Session) -> bool:
    """Whether the running command has waited for the commit that its CommitFault asked for."""
    return session.engine.core.has_result("committed")


@registry.command(
    "HELP",
    parent="cache",
    arity=2,
    flags=LOADING | STALE,
    since=_SINCE,
    complexity="O(1)",
)
def cache_help(session: Session, args: list[bytes]) -> object:
    """Lists the subcommands."""
    return subcommands_help(session, args)
