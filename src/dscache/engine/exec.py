"""EXEC: the queued commands of a transaction, run as one.

Once a transaction has changed something it cannot be started again. So the keys of all its commands
are loaded before it starts (for what is missing all the same see ``dscache.engine.inner``). No epoch is
cut inside it: cuts happen between two calls of the engine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dscache.engine.inner import run_inner
from dscache.engine.transactions import Transaction, end_transaction, watched_keys_changed
from dscache.engine.waiting import KeysFault, Wanted
from dscache.errors import CommandError
from dscache.wire.reply import NULL_ARRAY

if TYPE_CHECKING:
    from dscache.engine.command import Command
    from dscache.engine.engine import Engine
    from dscache.engine.session import Session


def run_transaction(engine: Engine, session: Session) -> object:
    """Run what ``session``, which is in MULTI, has queued: the list of replies, or a null array
    if a watched key has changed. Faults for keys before it begins."""
    transaction = session.transaction
    assert transaction is not None
    core = engine.core
    if transaction.failed:
        end_transaction(core, session)
        raise CommandError(b"EXECABORT Transaction discarded because of previous errors.")
    if watched_keys_changed(core, session):
        end_transaction(core, session)
        return NULL_ARRAY
    missing = _missing_keys(engine, session, transaction)
    if missing:
        raise KeysFault(missing)
    end_transaction(core, session)
    replies: list[object] = []
    core.is_inner = core.must_not_fault = True
    engine.redo.begin_group()
    try:
        for command, args in transaction.commands:
            replies.append(_run_queued(engine, session, command, args))
    finally:
        engine.redo.end_group()
        core.is_inner = core.must_not_fault = False
    return replies


def _missing_keys(engine: Engine, session: Session, transaction: Transaction) -> list[Wanted]:
    """Keys of all queued commands that memory does not know, each in its command's database."""
    missing: list[Wanted] = []
    keyspace = session.keyspace
    for command, args in transaction.commands:
        if command.name == "select" and args[1].isdigit():
            index = int(args[1])
            if index < len(engine.keyspaces):
                keyspace = engine.keyspaces[index]
        missing.extend(engine.room.missing_keys(keyspace, command, args))
    return missing


def _run_queued(engine: Engine, session: Session, command: Command, args: list[bytes]) -> object:
    """One command of a transaction; its failure does not stop the rest."""
    started = engine.core.clock.time()
    reply: object
    try:
        if not session.is_unrestricted:
            engine.acl.check_queued(session, command, args)
        reply = run_inner(engine, session, command, args)
    except Exception as error:
        reply = engine.failure(command, error)
    if session.tracked is not None:
        engine.tracking.remember(session, session.tracked, command, args)
    engine.account(session, command, args, started)
    return reply
