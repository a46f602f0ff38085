"""The outbox: replies go out when all clients have been heard that had sent something.

The event loop hears in one turn of every client that has sent requests, one after the other. Were replies
sent at once, then a client's process, which may serve many connections, would be woken by the first, would
find nothing else to do and sleep again, and be woken by the next: to wake a process that sleeps on another
processor is the dearest part of sending. So connections that have replies are noted here, and send at the
end of the turn. A process is woken once, and finds the replies of all its connections; Redis does the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from mypy_extensions import i64

if TYPE_CHECKING:
    from dscache.server.connection import Connection

# Replies that wait for the end of the turn, together. With more, what waking a process costs is little.
_MOST_BYTES: Final = 256 * 1024


class Outbox:
    """Connections whose replies are to be sent. ``soon`` calls what it is given at the end of the turn."""

    def __init__(self, soon: Callable[[Callable[[], None]], object]) -> None:
        self._soon: Final = soon
        self._connections: list[Connection] = []
        self._bytes: i64 = 0

    def note(self, connection: Connection, grown_bytes: i64, is_new: bool) -> None:
        """The replies that ``connection`` is to send have grown; ``is_new`` says that there were none."""
        self._bytes += grown_bytes
        if is_new:
            self._connections.append(connection)
        if self._bytes > _MOST_BYTES:
            self.send()
        elif is_new and len(self._connections) == 1:
            self._soon(self.send)

    def send(self) -> None:
        """Send what is noted."""
        connections = self._connections
        self._connections = []
        self._bytes = 0
        for connection in connections:
            connection.send_replies()


def at_once(send: Callable[[], None]) -> None:
    """For an ``Outbox`` where each turn is that of one client."""
    send()
