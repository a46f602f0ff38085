"""A link that looks like a pair of asyncio's streams to redis-py. Requests are carried out in the event
loop's thread, which is what a server's event loop does with them; nothing waits there but for the host's
lock."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Iterable
from typing import Final

from dscache.embedded.host import Host
from dscache.embedded.link import Link


class StreamLink(Link):
    """The stream that redis-py writes to, with the one that it reads, ``reader``. Of the running event
    loop."""

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self._loop: Final = asyncio.get_running_loop()
        self._thread: Final = threading.get_ident()
        self.reader: Final = asyncio.StreamReader()
        # Replies on their way to the reader, in order: the keeper, or another thread whose command has
        # caused them, cannot give them to it. An empty piece is the end.
        self._replies: Final[deque[bytes]] = deque()
        self._is_paused = False
        self._may_send: Final = asyncio.Event()
        self._may_send.set()
        host.connect(self)

    # As a transport

    def write(self, data: bytes) -> None:
        """See ``Link``."""
        self._written_bytes += len(data)
        self._replies.append(data)
        self._in_loop()

    def end(self) -> None:
        """See ``Link``."""
        self._replies.append(b"")
        self._in_loop()

    def pause_reading(self) -> None:
        """See ``Link``."""
        self._is_paused = True
        self._in_loop()

    def resume_reading(self) -> None:
        """See ``Link``."""
        self._is_paused = False
        self._in_loop()

    def _in_loop(self) -> None:
        # Where the loop has been closed nobody waits.
        with contextlib.suppress(RuntimeError):
            if threading.get_ident() == self._thread:
                self._catch_up()
            else:
                self._loop.call_soon_threadsafe(self._catch_up)

    def _catch_up(self) -> None:
        """In the loop: pass on what has come."""
        while self._replies:
            data = self._replies.popleft()
            if data:
                self._taken_bytes += len(data)
                self.reader.feed_data(data)
            else:
                self.reader.feed_eof()
        if self._is_paused and not self._is_closed:
            self._may_send.clear()
        else:
            self._may_send.set()

    # As a stream

    def writelines(self, pieces: Iterable[bytes | memoryview]) -> None:
        """Have requests carried out. Raises ConnectionError."""
        self._host.feed(self.connection, b"".join(pieces))

    async def drain(self) -> None:
        """Wait until more may be sent."""
        await self._may_send.wait()

    async def wait_closed(self) -> None:
        """Nothing is left to be sent."""
