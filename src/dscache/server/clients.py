"""All connections: who may come in, who has to go, and what they may hold together.

The checks that need a clock (idle clients, soft output limits) and the sum of what all clients take, which
counts against ``maxmemory``, are made here, ten times a second.

Three things keep clients from taking the memory that the data set was promised. A client that is stopped
(it waits for the disk, or does not read) is only listened to until it holds its *share*: an equal part of a
quarter of ``maxmemory``. What nobody can put off, requests that are not complete yet and replies that are
not read, is accounted, and taken from the entries. And beyond ``maxmemory-clients`` those who hold most are
disconnected (``evict``). Both are looked at whenever a part of either limit has arrived, so that a hundred
clients cannot send it many times over between two ticks.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from dscache.config.levels import NOTICE, VERBOSE
from dscache.engine.engine import Engine
from dscache.server.outbox import Outbox

if TYPE_CHECKING:
    from dscache.server.connection import Connection

log: Final = logging.getLogger("dscache")

# What stopped clients may hold, all together, as a part of maxmemory; and what one may hold at least (or
# replies would go out in ever smaller pieces) and at most (more ahead gains nothing).
_STOPPED_SHARE: Final = 4
_LEAST_SHARE_BYTES: Final = 16 * 1024
_LARGEST_SHARE_BYTES: Final = 1024 * 1024

# As Redis: with less than this for all clients, nobody could get in to correct it.
_LEAST_LIMIT_BYTES: Final = 128 * 1024

# A part of maxmemory is never less than this: twenty ordinary clients, each with a few hundred kilobytes
# on their way, must not be disconnected because the cache is tiny.
_LEAST_PART_BYTES: Final = 16 * 1024 * 1024

# What clients hold is looked at again when this part of their limit has arrived, or this part of maxmemory;
# but not before so many bytes for each of them, because each of them is looked at.
_LOOK_AGAIN_SHARE: Final = 4
_LOOK_AGAIN_MEMORY_SHARE: Final = 16
_LOOK_AGAIN_CLIENT_BYTES: Final = 1024

_TOO_MANY: Final = b"ERR max number of clients reached"
_PROTECTED: Final = (
    b"DENIED dscache is running in protected mode: it has no password, and this connection does not "
    b"come from the machine itself. Set a password (requirepass), or, on a network that you trust, "
    b"set protected-mode to no in the configuration file or by CONFIG SET from the machine itself."
)


class Clients:
    """The connections of a server; ``outbox`` is where they send their replies."""

    def __init__(self, engine: Engine, outbox: Outbox) -> None:
        self._engine = engine
        self.outbox: Final = outbox
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
        exposed = connection.kind != "unix" and not _is_local(peer)
        if exposed and config.protected_mode and engine.acl.default.needs_no_password:
            engine.counters.connections_rejected += 1
            return _PROTECTED
        self._connections[connection.session.number] = connection
        connection.set_share(self._share_bytes())
        return None

    def _share_bytes(self) -> int:
        """What each client may hold while it is stopped."""
        budget = self._engine.memory.maxmemory // _STOPPED_SHARE
        share = budget // max(len(self._connections), 1)
        return min(max(share, _LEAST_SHARE_BYTES), _LARGEST_SHARE_BYTES)

    def leave(self, connection: Connection) -> None:
        """``connection`` is gone."""
        self._connections.pop(connection.session.number, None)

    def log_closing(
        self, connection: Connection, reason: str, level: int = logging.WARNING
    ) -> None:
        """Say why a client is being disconnected."""
        session = connection.session
        log.log(
            level, "client %s (id %d) disconnected: %s", session.address, session.number, reason
        )

    def log_protocol_error(self, connection: Connection, reason: str) -> None:
        """A client does not speak the protocol: the client's trouble, and a scanner's daily work."""
        self.log_closing(connection, reason, VERBOSE)

    def set_max_bulk_bytes(self, max_bulk_bytes: int) -> None:
        """CONFIG SET proto-max-bulk-len, for those who are connected. O(clients)."""
        for connection in self._connections.values():
            connection.set_max_bulk_bytes(max_bulk_bytes)

    def all(self) -> list[Connection]:
        """The connections. O(clients)."""
        return list(self._connections.values())

    def memory_bytes(self) -> int:
        """What all clients take: requests, replies and themselves. O(clients)."""
        return sum(connection.memory_bytes() for connection in self._connections.values())

    def _limit_bytes(self) -> int:
        """What ``maxmemory-clients`` allows; 0 for no limit."""
        limit = self._engine.config.maxmemory_clients
        if limit < 0:
            limit = max(self._engine.memory.maxmemory * -limit // 100, _LEAST_PART_BYTES)
        return max(limit, _LEAST_LIMIT_BYTES) if limit else 0

    def look(self) -> None:
        """Much has arrived since the last tick: see to it that there is memory for it. O(clients)."""
        self.evict()
        self._engine.weigh()

    def evict(self) -> None:
        """Disconnect those who hold most, until all are within ``maxmemory-clients``. O(clients).

        A limit given as a percentage leaves out the one who holds most: a single client may hold more for
        one large request or reply, and while that grows it must not meet with a size at which it is too
        much. A limit given in bytes is meant so.
        """
        limit = self._limit_bytes()
        counters = self._engine.counters
        pause_bytes = self._engine.memory.maxmemory // _LOOK_AGAIN_MEMORY_SHARE
        if limit:
            pause_bytes = min(pause_bytes, limit // _LOOK_AGAIN_SHARE)
        counters.look_at_clients_at = counters.net_input_bytes + max(
            pause_bytes, len(self._connections) * _LOOK_AGAIN_CLIENT_BYTES
        )
        if not limit:
            return
        sizes = {number: one.memory_bytes() for number, one in self._connections.items()}
        total = sum(sizes.values())
        largest = max(sizes.values(), default=0)
        is_part = self._engine.config.maxmemory_clients < 0
        if total <= limit or (is_part and total - largest <= limit):
            return
        evicted: list[int] = []
        for number in sorted(sizes, key=lambda one: -sizes[one]):
            connection = self._connections[number]
            if connection.session.no_evict:
                continue
            connection.abort()
            del self._connections[number]
            evicted.append(sizes[number])
            total -= sizes[number]
            if total <= limit:
                break
        counters.evicted_clients += len(evicted)
        if evicted:
            log.log(
                NOTICE,
                "%d clients evicted, the largest of %d bytes: all together took more than"
                " maxmemory-clients allows, %d bytes",
                len(evicted),
                evicted[0],
                limit,
            )

    def tick(self, now: float) -> None:
        """Disconnect those that have been idle too long, do not read or hold too much. O(clients)."""
        self.evict()
        timeout = self._engine.config.timeout
        share_bytes = self._share_bytes()
        for connection in list(self._connections.values()):
            session = connection.session
            connection.set_share(share_bytes)
            connection.check_output_limit(now)
            idle = timeout and now - session.last_active > timeout
            listens = session.is_monitor or session.is_subscriber
            if idle and session.wait is None and not listens:
                self.log_closing(connection, "it was idle longer than timeout", VERBOSE)
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
