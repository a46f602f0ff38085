"""Running commands of HTTP requests: each in a session of its own, through the engine like any client's.

So rights, limits and the redaction of secrets hold by construction, and a key that is on disk only makes
this request wait and nobody else. As a connection does, a request waits until its changes are synced where
``appendfsync`` is ``always``.

Not everything makes sense without a connection: what would block until something happens is refused. What a
session keeps (a transaction, the chosen database) ends with the request. A request that waits for too long,
or whose client goes away, is given up: what it waits for does not run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from dscache.engine.command import BLOCKING
from dscache.engine.waiting import SUSPENDED
from dscache.wire.reply import ErrorReply

if TYPE_CHECKING:
    from dscache.engine.engine import Engine
    from dscache.engine.session import Session

#: How long a request may wait for its turn, for the disk and for room in memory.
PATIENCE_SECONDS: Final = 30.0

# Requests that run at once. A reply that is being converted is in no account.
_AT_ONCE: Final = 8

_GAVE_UP: Final = ErrorReply(b"ERR the request waited for too long and was given up")
_ENDED: Final = ErrorReply(b"ERR the client was ended")


class Runner:
    """See the module's docstring."""

    def __init__(self, engine: Engine, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._engine: Final = engine
        self._patience_seconds: Final = patience_seconds
        self._turns: Final = asyncio.Semaphore(_AT_ONCE)

    async def run_all(
        self, session: Session, requests: list[list[bytes]], on_reply: Callable[[object], None]
    ) -> None:
        """Run ``requests`` in order, give each reply to ``on_reply``, and end ``session``."""
        replied = 0
        try:
            async with asyncio.timeout(self._patience_seconds), self._turns:
                for args in requests:
                    refusal = _ENDED if session.is_closing else self._refusal(args)
                    on_reply(refusal or await self._run(session, args))
                    replied += 1
        except TimeoutError:
            for _ in range(len(requests) - replied):
                on_reply(_GAVE_UP)
        finally:
            self._engine.end_session(session)
            session.let_go()

    def _refusal(self, args: list[bytes]) -> ErrorReply | None:
        command = self._engine.table.find(args)
        if command is None:
            return None
        listens = "subscribe" in command.name or command.name == "monitor"
        if not command.flags & BLOCKING and not listens:
            return None
        return ErrorReply(
            b"ERR '" + command.encoded_name + b"' needs a connection of its own: not over HTTP"
        )

    async def _run(self, session: Session, args: list[bytes]) -> object:
        engine = self._engine
        loop = asyncio.get_running_loop()
        delivered: asyncio.Future[object] = loop.create_future()
        session.deliver = partial(_resolve, delivered)
        session.close = partial(_resolve, delivered, _ENDED)
        reply = engine.execute(session, args)
        if reply is SUSPENDED:
            reply = await delivered
        session.reply_sent()
        if engine.redo.holds(session.logged):
            synced: asyncio.Future[object] = loop.create_future()
            engine.redo.when_synced(session.logged, partial(_resolve, synced, None))
            await synced
        return reply


def _resolve(future: asyncio.Future[object], value: object) -> None:
    """Unless nobody waits for it any more."""
    if not future.done():
        future.set_result(value)
