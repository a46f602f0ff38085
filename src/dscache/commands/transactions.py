"""MULTI, EXEC, DISCARD, WATCH and UNWATCH: the engine does the work (``dscache.engine.exec``)."""

from __future__ import annotations

from typing import Final

from dscache.engine.command import (
    ALLOW_BUSY,
    FAST,
    LOADING,
    NOSCRIPT,
    SKIP_SLOWLOG,
    STALE,
    Registry,
)
from dscache.engine.exec import run_transaction
from dscache.engine.keyspec import HEAD, KeySpec
from dscache.engine.session import Session
from dscache.engine.transactions import Transaction, end_transaction, unwatch, watch
from dscache.errors import CommandError
from dscache.wire.reply import OK

registry: Final = Registry("transactions", "transaction")

_ANYTIME: Final = NOSCRIPT | LOADING | STALE | ALLOW_BUSY


@registry.command("MULTI", arity=1, flags=_ANYTIME | FAST, since="1.2.0", complexity="O(1)")
def multi(session: Session, args: list[bytes]) -> object:
    """Begins a transaction: commands are queued until EXEC."""
    if session.transaction is not None:
        raise CommandError(b"ERR MULTI calls can not be nested")
    session.transaction = Transaction()
    return OK


@registry.command(
    "EXEC",
    arity=1,
    flags=NOSCRIPT | LOADING | STALE | SKIP_SLOWLOG,
    since="1.2.0",
    complexity="That of all queued commands together",
)
def exec_(session: Session, args: list[bytes]) -> object:
    """Runs the queued commands as one, or none of them if a watched key has changed."""
    if session.transaction is None:
        raise CommandError(b"ERR EXEC without MULTI")
    return run_transaction(session.engine, session)


@registry.command(
    "DISCARD",
    arity=1,
    flags=_ANYTIME | FAST,
    since="2.0.0",
    complexity="O(N) for N commands in the queue",
)
def discard(session: Session, args: list[bytes]) -> object:
    """Forgets the queued commands and the watched keys."""
    if session.transaction is None:
        raise CommandError(b"ERR DISCARD without MULTI")
    end_transaction(session.engine.core, session)
    return OK


@registry.command(
    "WATCH key [key ...]",
    arity=-2,
    flags=_ANYTIME | FAST,
    keys=[KeySpec(1, last=-1, access="RO", needs=HEAD)],
    since="2.2.0",
    complexity="O(N) for N keys",
)
def watch_(session: Session, args: list[bytes]) -> object:
    """Lets the next EXEC refuse if one of the keys changes before it."""
    if session.transaction is not None:
        raise CommandError(b"ERR WATCH inside MULTI is not allowed")
    for key in args[1:]:
        session.keyspace.find(key)
    for key in args[1:]:
        watch(session.engine.core, session, key)
    return OK


@registry.command("UNWATCH", arity=1, flags=_ANYTIME | FAST, since="2.2.0", complexity="O(1)")
def unwatch_(session: Session, args: list[bytes]) -> object:
    """Forgets all watched keys."""
    unwatch(session.engine.core, session)
    return OK
