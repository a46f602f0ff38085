"""Links: what stands between a client of redis-py and its ``Connection``, in place of a socket.

To the connection a link is its transport: replies are written to it. To redis-py it is a socket, or a pair
of streams. What passes is the protocol, as through a socket. So limits, the order of replies, pushed
messages, CLIENT REPLY, replies that wait for the redo log, and redis-py's decoding are what they are
elsewhere, at the price of packing and parsing: some microseconds of the thirty that redis-py takes for a
command in any case.
"""

from __future__ import annotations

import errno
import threading
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from dscache.embedded.host import Host
    from dscache.server.connection import Connection


class Link:
    """A connection's transport. Its methods are called by whoever has the host's lock, unless said otherwise.

    Raises ConnectionError if the host is not open.
    """

    def __init__(self, host: Host) -> None:
        self._host: Final = host
        #: The host sets it.
        self.connection: Connection
        self._is_closed = False
        self._is_lost = False
        # Bytes of replies: written by the connection, and taken by the client, in its thread.
        self._written_bytes = 0
        self._taken_bytes = 0

    def write(self, data: bytes) -> None:
        """Replies for the client."""
        raise NotImplementedError

    def end(self) -> None:
        """The client is to find an end behind the replies."""
        raise NotImplementedError

    def close(self) -> None:
        """The connection is over. From any thread, at any time."""
        if not self._is_closed:
            self._is_closed = True
            self.end()
            self._host.hang_up(self)

    def abort(self) -> None:
        """The connection is over."""
        self.close()

    def lose(self) -> None:
        """The end has come to where it may be told: see ``Host.hang_up``."""
        if not self._is_lost:
            self._is_lost = True
            self.connection.connection_lost(None)

    def get_extra_info(self, name: str, default: object = None) -> object:
        """There is no socket, and it has no address."""
        return default

    def get_write_buffer_size(self) -> int:
        """What the client has not read."""
        return self._written_bytes - self._taken_bytes

    def pause_reading(self) -> None:
        """The client has sent enough ahead."""
        raise NotImplementedError

    def resume_reading(self) -> None:
        """It may go on."""
        raise NotImplementedError


class SocketLink(Link):
    """A link that looks like a socket to redis-py, as far as redis-py looks. One thread reads at a time."""

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        # In C, and may be put to where the collector runs. An empty piece is the end.
        self._replies: Final[SimpleQueue[bytes]] = SimpleQueue()
        self._timeout: float | None = None
        self._has_ended = False
        # What ``recv_into`` has no room for.
        self._rest = memoryview(b"")
        self._may_send: Final = threading.Event()
        self._may_send.set()
        host.connect(self)

    # As a transport

    def write(self, data: bytes) -> None:
        """See ``Link``."""
        self._written_bytes += len(data)
        self._replies.put(data)

    def end(self) -> None:
        """See ``Link``."""
        self._replies.put(b"")
        self._may_send.set()

    def pause_reading(self) -> None:
        """See ``Link``."""
        self._may_send.clear()

    def resume_reading(self) -> None:
        """See ``Link``."""
        self._may_send.set()

    # As a socket

    def settimeout(self, seconds: float | None) -> None:
        """How long ``recv`` waits; None for as long as it takes, 0 for not at all."""
        self._timeout = seconds

    def gettimeout(self) -> float | None:
        """See ``settimeout``."""
        return self._timeout

    def sendall(self, data: bytes | memoryview) -> None:
        """Have requests carried out (none once the connection has ended). Raises ConnectionError if there is
        no host any more, TimeoutError while it takes no more requests."""
        if not self._may_send.wait(self._timeout):
            raise TimeoutError
        self._host.feed(self.connection, bytes(data))

    def recv(self, _size: int) -> bytes:
        """The next piece of the replies, of any size: redis-py's buffer takes what it gets. Nothing at the
        end. Raises TimeoutError, or BlockingIOError without a timeout."""
        if self._has_ended or (self._host.closed is not None and self._replies.empty()):
            return b""
        timeout = self._timeout
        try:
            data = self._replies.get(timeout != 0, timeout)
        except Empty:
            if timeout == 0:
                raise BlockingIOError(errno.EWOULDBLOCK, "nothing to read") from None
            raise TimeoutError from None
        self._has_ended = not data
        self._taken_bytes += len(data)
        return data

    def recv_into(self, buffer: bytearray | memoryview) -> int:
        """As ``recv``, into ``buffer``; how many bytes. (What redis-py uses with hiredis.)"""
        if not self._rest:
            self._rest = memoryview(self.recv(0))
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def shutdown(self, _how: int) -> None:
        """The client hangs up."""
        self.close()
