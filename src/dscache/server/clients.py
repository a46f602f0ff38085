"""All connections: who may come in, and who has to go.

The checks that need a clock (idle clients, soft output limits) and the sum of all buffers, which counts
against ``maxmemory``, are made here, ten times a second.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from dscache.engine.engine import Engine

if TYPE_CHECKING:
    from dscache.server.connection import Connection

log: Final = logging.getLogger("dscache")

_TOO_MANY: Final = b"ERR max number of clients reached"
_PROTECTED: Final = (
    b"DENIED dscache is running in protected mode: it has no password, and this connection does not "
    b"come from the machine itself. Set a password (requirepass), or, on a network that you trust, "
    b"set protected-mode to no in the configuration file or by CONFIG SET from the machine itself."
)


class Clients:
    """The connections of a server."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connections: dict[int, Connection] = {}

    def __len__(self) -> int:
        return len(self._connections)

    def admit(self, connection: Connection, peer: object) -> bytes | None:
        """Enter ``connection``; or the error line with which it is turned away."""
        engine = self._engine
        engine.counters.connections_received += 1
        config = engine.config
        if len(self._connections) >= config.maxclients:
            engine.counters.connections_rejected += 1
            return _TOO_MANY
        exposed = connection.kind == "tcp" and not _is_local(peer)
        if exposed and config.protected_mode and engine.acl.default.needs_no_password:
            engine.counters.connections_rejected += 1
            return _PROTECTED
        self._connections[connection.session.number] = connection
        return None

    def leave(self, connection: Connection) -> None:
        """``connection`` is gone."""
        self._connections.pop(connection.session.number, None)

    def log_closing(self, connection: Connection, reason: str) -> None:
        """Say why a client is being disconnected."""
        session = connection.session
        log.warning("client %s (id %d) disconnected: %s", session.address, session.number, reason)

    def set_max_bulk_bytes(self, max_bulk_bytes: int) -> None:
        """CONFIG SET proto-max-bulk-len, for those who are connected. O(clients)."""
        for connection in self._connections.values():
            connection.set_max_bulk_bytes(max_bulk_bytes)

    def all(self) -> list[Connection]:
        """The connections. O(clients)."""
        return list(self._connections.values())

    def buffers_bytes(self) -> int:
        """Memory held for requests and replies of all clients. O(clients)."""
        return sum(sum(connection.buffers()) for connection in self._connections.values())

    def tick(self, now: float) -> None:
        """Disconnect those that have been idle too long or do not read. O(clients)."""
        timeout = self._engine.config.timeout
        for connection in list(self._connections.values()):
            session = connection.session
            connection.check_output_limit(now)
            idle = timeout and now - session.last_active > timeout
            listens = session.is_monitor or session.is_subscriber
            if idle and session.wait is None and not listens:
                self.log_closing(connection, "it was idle longer than timeout")
                connection.abort()

    def close_all(self) -> None:
        """Disconnect everybody, replies included that are still to be sent."""
        for connection in list(self._connections.values()):
            connection.session.close()


def _is_local(peer: object) -> bool:
    if not isinstance(peer, Sequence) or not peer:
        return True
    address = ipaddress.ip_address(str(peer[0]).split("%", 1)[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)
