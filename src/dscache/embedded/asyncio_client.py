"""``dscache.asyncio.open``: a ``redis.asyncio.Redis`` whose connections end in this process."""

from __future__ import annotations

import asyncio
import os
import weakref
from typing import Any, Literal

import redis.asyncio
from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.maint_notifications import MaintNotificationsConfig

from dscache.embedded import hosts
from dscache.embedded.host import Lease
from dscache.embedded.options import DirectiveValue
from dscache.embedded.streams import StreamLink


class EmbeddedConnection(AbstractConnection):
    """redis-py's connection, through a link in place of streams."""

    def __init__(self, *, lease: Lease, **options: Any) -> None:  # noqa: ANN401 (redis-py's)
        self._lease = lease
        super().__init__(**options)

    def repr_pieces(self) -> list[tuple[str, object]]:
        """What tells it from others."""
        return [("directory", self._host_error()), ("db", self.db)]

    async def _connect(self) -> None:
        link = StreamLink(self._lease.usable_host())
        # A connection that nobody has closed, as at the end of its event loop, is not to stay.
        weakref.finalize(self, link.close).atexit = False
        self._reader = link.reader
        self._writer = link  # type: ignore[assignment]  # what is asked of it, it has

    def _error_message(self, exception: BaseException) -> str:
        return str(exception)

    def _host_error(self) -> str:
        return str(self._lease.host.directory)


class EmbeddedPool(ConnectionPool):
    """redis-py's pool of connections, which has the lease on the host."""

    def __init__(self, lease: Lease, **options: Any) -> None:  # noqa: ANN401 (redis-py's)
        self._lease = lease
        # Also a client that nobody has closed gives its lease back.
        weakref.finalize(self, lease.release)
        super().__init__(
            connection_class=EmbeddedConnection,
            lease=lease,
            maint_notifications_config=MaintNotificationsConfig(enabled=False),
            **options,
        )

    async def aclose(self) -> None:
        """Disconnect, and close the host if this was its last lease. Raises StoreError."""
        await super().aclose()
        await asyncio.to_thread(self._lease.close)


def open(  # noqa: A001 (as dbm and gzip call it)
    path: str | os.PathLike[str] | None = None,
    *,
    db: int = 0,
    username: str | None = None,
    password: str | None = None,
    decode_responses: bool = False,
    encoding: str = "utf-8",
    encoding_errors: str = "strict",
    protocol: Literal[2, 3] | None = None,
    legacy_responses: bool = True,
    client_name: str | None = None,
    socket_timeout: float | None = None,
    max_connections: int | None = None,
    **directives: DirectiveValue,
) -> redis.asyncio.Redis:
    """A ``redis.asyncio.Redis`` on the data set in the directory ``path``. See ``dscache.open``.

    It is no coroutine: as long as a data set takes to open, the event loop waits. Commands run in the event
    loop's thread, those that need the disk wait without it. ``await client.aclose()`` closes it, or the end
    of an ``async with`` block.

    Raises what ``dscache.open`` raises.
    """
    pool = EmbeddedPool(
        hosts.lease(path, directives),
        db=db,
        username=username,
        password=password,
        decode_responses=decode_responses,
        encoding=encoding,
        encoding_errors=encoding_errors,
        protocol=protocol,
        legacy_responses=legacy_responses,
        client_name=client_name,
        socket_timeout=socket_timeout,
        max_connections=max_connections,
    )
    return redis.asyncio.Redis.from_pool(pool)
