"""``dscache.open``: a ``redis.Redis`` whose connections end in this process."""

from __future__ import annotations

import os
import weakref
from typing import Any, Literal

import redis
from redis.connection import AbstractConnection, ConnectionPool
from redis.maint_notifications import MaintNotificationsConfig

from dscache.embedded import hosts
from dscache.embedded.host import Lease
from dscache.embedded.link import SocketLink
from dscache.embedded.options import DirectiveValue


class EmbeddedConnection(AbstractConnection):
    """redis-py's connection, through a link in place of a socket."""

    def __init__(self, *, lease: Lease, **options: Any) -> None:  # noqa: ANN401 (redis-py's)
        self._lease = lease
        # redis-py reads it when a ping fails.
        self.port = 0
        super().__init__(**options)

    def repr_pieces(self) -> list[tuple[str, object]]:
        """What tells it from others."""
        return [("directory", self._host_error()), ("db", self.db)]

    def _connect(self) -> SocketLink:
        link = SocketLink(self._lease.usable_host())
        link.settimeout(self.socket_timeout)
        return link

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

    def close(self) -> None:
        """Disconnect, and close the host if this was its last lease. Raises StoreError."""
        super().close()
        self._lease.close()


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
) -> redis.Redis:
    """A ``redis.Redis`` on the data set in the directory ``path``, which this process serves to itself.

    ::

        db = dscache.open("data", maxmemory="64mb", decode_responses=True)
        db.set("greeting", "hello")
        db.close()

    The arguments named above are redis-py's, and mean what they mean to ``redis.Redis``; without
    ``socket_timeout`` a command may take as long as it takes. Everything else is a directive of dscache,
    with ``_`` for ``-`` (docs/configuration.md). ``maxmemory`` is 256 MB unless it is given. With
    ``volatile=True`` the data set is a temporary directory below ``path`` (or where the system has such),
    which goes at the end.

    What is opened a second time in a process is shared. ``close()`` of the last client saves everything and
    gives the directory free; so do the end of a ``with`` block, and of the program. Opening takes as long
    as a server takes to start: a fraction of a second, and the time to replay what a crash has left in the
    redo log.

    Raises ConfigError for a directive that does not exist, has such a value, or is about sockets;
    StoreLockedError if another process has the directory open; and StoreError, LogDamagedError or
    ExtensionError if it cannot be opened.
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
    return redis.Redis.from_pool(pool)
