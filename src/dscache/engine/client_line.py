"""The line that describes a client, in CLIENT LIST and in ACL LOG.

It has the fields of Redis 7.4 in their order, and a last one of our own: ``wait=`` says what a suspended
client waits for and since when (``wait=disk:12``: a key, for 12 ms), and is empty for all others. Fields
of what does not exist here have the value that an idle client of Redis shows.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dscache.engine.session import Session


def client_line(session: Session, caller: Session, args: list[bytes]) -> bytes:
    """The line of ``session``; ``args`` are those of ``caller``, who asks."""
    now = caller.engine.core.clock.time()
    query_bytes, output_bytes = session.buffers()
    transaction = session.transaction
    queued = -1
    queued_bytes = 0
    if transaction is not None:
        queued = len(transaction.commands)
        queued_bytes = transaction.queued_bytes
    args_bytes = sum([len(arg) for arg in args]) if session is caller else 0
    events = ""
    if session.file_descriptor >= 0:
        events = "rw" if output_bytes else "r"
    command = session.last_command
    pubsub = caller.engine.pubsub
    fields = (
        f"id={session.number} addr={session.address} laddr={session.local_address}"
        f" fd={session.file_descriptor} name={session.name.decode()}"
        f" age={_whole_seconds(now - session.connected_at)}"
        f" idle={_whole_seconds(now - session.last_active)}"
        f" flags={_flags(session, caller)} db={session.keyspace.index}"
        f" sub={pubsub.channels.count_of(session)} psub={pubsub.patterns.count_of(session)}"
        f" ssub={pubsub.shard_channels.count_of(session)}"
        f" multi={queued} watch={len(session.watched)}"
        f" qbuf={query_bytes} qbuf-free=0 argv-mem={args_bytes} multi-mem={queued_bytes}"
        f" rbs=0 rbp=0 obl=0 oll={1 if output_bytes else 0} omem={output_bytes}"
        f" tot-mem={session.memory_bytes() + args_bytes}"
        f" events={events} cmd={'NULL' if command is None else command.name}"
        f" user={session.user.name.decode('utf-8', 'surrogateescape')}"
        f" redir={redirection(session)} resp={session.resp}"
        f" lib-name={session.library_name.decode()} lib-ver={session.library_version.decode()}"
        f" wait={_waits_for(session, caller)}"
    )
    return fields.encode("utf-8", "surrogateescape")


def _whole_seconds(seconds: float) -> int:
    return max(int(seconds), 0)


def _flags(session: Session, caller: Session) -> str:
    """Letters as in Redis and in its order; N for a client of whom nothing special is to be said."""
    letters = ""
    if session.is_monitor:
        letters += "O"
    if session.is_subscriber:
        letters += "P"
    if session.transaction is not None:
        letters += "x"
    if session.wait is not None and session is not caller:
        letters += "b"
    letters += _tracking_letters(session)
    if session.watched_key_changed:
        letters += "d"
    if session.is_closing:
        letters += "c"
    if session.address.endswith(":0"):
        letters += "U"
    if session.no_evict:
        letters += "e"
    if session.no_touch:
        letters += "T"
    return letters or "N"


def _tracking_letters(session: Session) -> str:
    tracked = session.tracked
    if tracked is None:
        return ""
    return "t" + ("R" if tracked.is_broken else "") + ("B" if tracked.is_broadcast else "")


def redirection(session: Session) -> int:
    """The CLIENT ID of who is told what ``session`` tracks; 0: itself; -1: it tracks nothing."""
    return -1 if session.tracked is None else session.tracked.redirect


def _waits_for(session: Session, caller: Session) -> str:
    # The caller may have waited, but is running now.
    wait = session.wait
    if wait is None or session is caller:
        return ""
    return f"{wait.reason}:{int((time.perf_counter() - wait.since) * 1000)}"
