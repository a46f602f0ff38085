"""Connections without an event loop: an engine, its clients, and what is sent to them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from driver import Driver
from dscache.clock import Clock
from dscache.server.clients import Clients
from dscache.server.connection import Connection
from dscache.server.outbox import Outbox


class Turns:
    """An event loop as far as an outbox knows it: what is to be called at the end of the turn."""

    def __init__(self) -> None:
        self.calls: list[Callable[[], None]] = []

    def soon(self, call: Callable[[], None]) -> None:
        """As ``call_soon`` of an event loop."""
        self.calls.append(call)

    def end(self) -> None:
        """The end of a turn."""
        calls = self.calls
        self.calls = []
        for call in calls:
            call()


class Wire(asyncio.Transport):
    """A transport that notes in ``sent``, for all of them, who sent what."""

    def __init__(self, name: str, sent: list[tuple[str, bytes]]) -> None:
        super().__init__()
        self._name = name
        self._sent = sent

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Sends ``data``."""
        self._sent.append((self._name, bytes(data)))

    def get_write_buffer_size(self) -> int:
        """Nothing waits: all is sent at once."""
        return 0

    def close(self) -> None:
        """There is nothing to close."""


class House:
    """An engine, its clients, and what was sent to them, in order."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.driver = Driver(None, clock)
        self.turns = Turns()
        self.clients = Clients(self.driver.engine, Outbox(self.turns.soon))
        self.sent: list[tuple[str, bytes]] = []

    def connect(self, name: str, clients: Clients | None = None) -> Connection:
        """A connection whose transport is called ``name``."""
        if clients is None:
            clients = self.clients
        connection = Connection(self.driver.engine, clients, "unix")
        connection.connection_made(Wire(name, self.sent))
        return connection

    def close(self) -> None:
        """Let go of everything."""
        self.driver.close()
