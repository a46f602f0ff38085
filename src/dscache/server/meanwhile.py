"""Serving clients while a slow script keeps the event loop from it.

A script runs in the event loop's thread, inside a callback of the loop, which cannot be entered again.
So while a script is slow, sockets are looked at from here, a few times a second: what clients have
sent is read and given to their connections, whose replies (that the server is busy, or that the
script has been killed) are written at once, without the loop. Who connects is taken in, and handed to
the loop when it runs again.

Clients that wait for something, that do not read, or that speak TLS are left for the loop. What TLS has in
hand is uvloop's: it neither shows which replies it has yet to send, before ours, nor takes over a
connection whose handshake is done, which somebody who comes would need.
"""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
import time
from collections.abc import Callable, Iterable
from typing import Final

from dscache.server.clients import Clients
from dscache.server.connection import Connection

# Between two looks at the sockets.
_INTERVAL_SECONDS: Final = 0.02

_READ_BYTES: Final = 64 * 1024

# Connections taken in at one look.
_ACCEPTS: Final = 64


class DirectTransport(asyncio.BaseTransport):
    """A connection's transport before there is an event loop for it: a socket, written at once.

    It has what a connection asks of a transport.
    """

    def __init__(self, raw: socket.socket) -> None:
        super().__init__()
        self._raw: Final = raw
        self.is_closed = False

    def get_extra_info(self, name: str, default: object = None) -> object:
        """The socket, or one of its addresses."""
        if name == "socket":
            return self._raw
        with contextlib.suppress(OSError):
            return self._raw.getpeername() if name == "peername" else self._raw.getsockname()
        return default

    def write(self, data: bytes) -> None:
        """Send ``data``; a client that does not take these few bytes is disconnected."""
        try:
            sent = self._raw.send(data)
        except OSError:
            sent = 0
        if sent < len(data):
            self.is_closed = True

    def close(self) -> None:
        """End the connection; nothing is buffered."""
        self.is_closed = True

    def abort(self) -> None:
        """End the connection."""
        self.is_closed = True

    def get_write_buffer_size(self) -> int:
        """Nothing waits to be sent."""
        return 0

    def pause_reading(self) -> None:
        """Not asked of it: what little it reads is carried out at once."""

    def resume_reading(self) -> None:
        """It never stops reading."""


class Meanwhile:
    """See the module's docstring. ``listening`` are the sockets that clients connect to."""

    def __init__(
        self,
        clients: Clients,
        make: Callable[[str], Connection],
        listening: Callable[[], Iterable[socket.socket]],
    ) -> None:
        self._clients: Final = clients
        self._make: Final = make
        self._listening: Final = listening
        self._loop: Final = asyncio.get_running_loop()
        self._next_look = 0.0
        # Clients taken in while the loop does not run, by file descriptor.
        self._adopting: Final[set[asyncio.Task[None]]] = set()
        self._newcomers: dict[int, tuple[Connection, DirectTransport, socket.socket]] = {}

    def serve(self) -> None:
        """Called again and again while a script is slow; looks at the sockets now and then."""
        now = time.perf_counter()
        if now < self._next_look:
            return
        self._next_look = now + _INTERVAL_SECONDS
        self._clients.outbox.send()
        self._accept()
        self._read()

    def _accept(self) -> None:
        for listener in self._listening():
            kind = "unix" if listener.family == socket.AF_UNIX else "tcp"
            for _ in range(_ACCEPTS):
                try:
                    raw, _ = listener.accept()
                except OSError:
                    break
                raw.setblocking(False)
                if not self._newcomers:
                    self._loop.call_soon(self._hand_over)
                connection = self._make(kind)
                transport = DirectTransport(raw)
                self._newcomers[raw.fileno()] = connection, transport, raw
                connection.connection_made(transport)

    def _read(self) -> None:
        readers = {one.direct_fd(): one for one in self._clients.all()}
        readers.pop(-1, None)
        readers |= {fd: connection for fd, (connection, _, _) in self._newcomers.items()}
        poll = select.poll()
        for fd in readers:
            poll.register(fd, select.POLLIN)
        for fd, _ in poll.poll(0):
            readers[fd].read_directly(_READ_BYTES)
        self._let_go()

    def _let_go(self) -> None:
        """Of newcomers whose connection has ended."""
        for fd in [fd for fd, newcomer in self._newcomers.items() if newcomer[1].is_closed]:
            connection, _, raw = self._newcomers.pop(fd)
            raw.close()
            connection.connection_lost(None)

    def _hand_over(self) -> None:
        """The loop runs again: it takes the newcomers."""
        self._let_go()
        for connection, _, raw in self._newcomers.values():
            task = self._loop.create_task(self._adopt(connection, raw))
            # The loop itself holds tasks weakly.
            self._adopting.add(task)
            task.add_done_callback(self._adopting.discard)
        self._newcomers.clear()

    async def _adopt(self, connection: Connection, raw: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(
                lambda: connection,  # type: ignore[type-var]
                raw,
            )
        except OSError as error:
            raw.close()
            connection.connection_lost(error)
