"""WAIT and WAITAOF: for replicas, of which there are none, and for the redo log."""

from __future__ import annotations

from typing import Final

from dscache.commands.arguments import I64_MAX, integer
from dscache.engine.blocking import block
from dscache.engine.command import BLOCKING, Registry
from dscache.engine.session import Session
from dscache.errors import CommandError

registry: Final = Registry("generic", "connection")


@registry.command(
    "WAIT numreplicas timeout",
    arity=3,
    flags=BLOCKING,
    since="3.0.0",
    complexity="O(1)",
    tips="request_policy:all_shards response_policy:agg_min",
)
def wait(session: Session, args: list[bytes]) -> object:
    """Waits until replicas have this client's writes, and counts them: there are none here."""
    replicas = integer(args[1])
    timeout = _timeout(session, args[2])
    if replicas <= 0:
        return 0
    return block(session, [], timeout, 0, -1)


@registry.command(
    "WAITAOF numlocal numreplicas timeout",
    arity=4,
    flags=BLOCKING,
    since="7.2.0",
    complexity="O(1)",
    tips="request_policy:all_shards response_policy:agg_min",
)
def waitaof(session: Session, args: list[bytes]) -> object:
    """Waits until this client's changes are on disk, in the redo log; there are no replicas to wait for."""
    local = integer(args[1])
    if not 0 <= local <= 1:
        raise CommandError(b"ERR value is out of range, value must between 0 and 1")
    replicas = integer(args[2])
    if replicas < 0:
        raise CommandError(b"ERR value is out of range, must be positive")
    timeout = _timeout(session, args[3])
    engine = session.engine
    redo = engine.redo
    if not redo.is_on:
        if local:
            raise CommandError(
                b"ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled."
            )
        return [0, 0] if not replicas else block(session, [], timeout, [0, 0], -1)
    is_synced = session.logged <= redo.synced
    if replicas == 0 and (is_synced or local == 0):
        return [int(is_synced), 0]
    if not is_synced and not engine.core.is_inner:
        redo.sync_soon()
        redo.when_synced(session.logged, lambda: engine.room.wake(session))
    return block(session, [], timeout, [int(is_synced), 0], -1)


def _timeout(session: Session, word: bytes) -> int:
    """Milliseconds to wait; 0 for ever. Raises CommandError."""
    timeout = integer(word, b"ERR timeout is not an integer or out of range")
    if timeout < 0:
        raise CommandError(b"ERR timeout is negative")
    if timeout > I64_MAX - session.engine.core.now_ms:
        raise CommandError(b"ERR timeout is out of range")
    return timeout
