"""WAIT: for replicas, of which there are none."""

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
    timeout = integer(args[2], b"ERR timeout is not an integer or out of range")
    if timeout < 0:
        raise CommandError(b"ERR timeout is negative")
    if timeout > I64_MAX - session.engine.core.now_ms:
        raise CommandError(b"ERR timeout is out of range")
    if replicas <= 0:
        return 0
    return block(session, [], timeout, 0, -1)
