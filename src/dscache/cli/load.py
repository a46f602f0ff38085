"""A load for a server: clients that send batches of SETs and GETs, each the next when the last is answered.

One thread waits for all of them with ``select``. So it is itself a limit: with valkey-server beside it on two
processors that had other work too it made 19,000 requests a second without pipelining and 105,000 in
batches of 16, at 10 and 7 us of processor time each. The time of a batch runs from its sending to its last
reply, with what the thread needs for the other clients in it.
"""

from __future__ import annotations

import random
import selectors
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from dscache.cli.link import Endpoint, Link, request
from dscache.engine.histogram import Histogram
from dscache.wire.reply import ErrorReply, Push

#: What the keys of the load begin with.
PREFIX: Final = b"dscache-bench:"


@dataclass(frozen=True, slots=True)
class Mix:
    """What is sent."""

    #: The share of GETs, from 0 to 1; the others are SETs.
    reads: float
    #: How many different keys there are.
    keys: int
    value_bytes: int
    #: Few keys get most requests (the one of rank k a share in proportion to 1/k); or all the same.
    is_zipf: bool


class Load:
    """See the module's docstring. ``run`` once; then ask."""

    def __init__(
        self, endpoint: Endpoint, mix: Mix, clients: int, pipeline: int, requests: int, seed: int
    ) -> None:
        self._mix: Final = mix
        self._pipeline: Final = pipeline
        self._unsent = requests
        self._random: Final = random.Random(seed)
        # Not of the same numbers: the keys of a seed are the same ones whatever the size of the values.
        self._value: Final = random.Random(seed).randbytes(mix.value_bytes)
        self._clients: Final = [_Client(endpoint) for _ in range(min(clients, requests))]
        #: Of batches, in microseconds.
        self.latency: Final = Histogram()
        self.slowest_seconds = 0.0
        self.answered = 0
        #: GETs that found a key, and that found none.
        self.found = 0
        self.not_found = 0
        self.errors = 0
        self.first_error = ""

    def run(self, show: Callable[[int], None]) -> None:
        """Send everything and read every reply, and tell ``show`` how many have come. Raises LinkError."""
        with selectors.DefaultSelector() as selector:
            for client in self._clients:
                selector.register(client.link, selectors.EVENT_READ, client)
                self._send(client, selector)
            unanswered = self.answered + self._unsent + sum(one.awaited for one in self._clients)
            while self.answered < unanswered:
                for key, events in selector.select():
                    client = key.data
                    if events & selectors.EVENT_WRITE:
                        client.send_on(selector)
                    if events & selectors.EVENT_READ:
                        self._take(client.link.receive(), client)
                        if not client.awaited:
                            self._send(client, selector)
                show(self.answered)

    def close(self) -> None:
        """Hang up."""
        for client in self._clients:
            client.link.close()

    def _send(self, client: _Client, selector: selectors.BaseSelector) -> None:
        count = min(self._pipeline, self._unsent)
        if not count:
            return
        self._unsent -= count
        data = b"".join(self._request() for _ in range(count))
        client.awaited = count
        client.sent_at = time.perf_counter()
        client.unsent = memoryview(data)
        client.send_on(selector)

    def _request(self) -> bytes:
        mix = self._mix
        number = (
            int(mix.keys ** self._random.random()) - 1
            if mix.is_zipf
            else self._random.randrange(mix.keys)
        )
        key = b"%b%d" % (PREFIX, number)
        if self._random.random() < mix.reads:
            return request([b"GET", key])
        return request([b"SET", key, self._value])

    def _take(self, replies: list[object], client: _Client) -> None:
        for reply in replies:
            if isinstance(reply, Push):
                continue
            client.awaited -= 1
            self.answered += 1
            if isinstance(reply, bytes):
                self.found += 1
            elif reply is None:
                self.not_found += 1
            elif isinstance(reply, ErrorReply):
                self.errors += 1
                self.first_error = self.first_error or reply.text.decode(errors="replace")
        if not client.awaited:
            seconds = time.perf_counter() - client.sent_at
            self.latency.record(int(seconds * 1_000_000))
            self.slowest_seconds = max(self.slowest_seconds, seconds)


class _Client:
    """A connection, and the batch that it waits for."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.link: Final = Link(endpoint)
        self.awaited = 0
        self.sent_at = 0.0
        #: What of the batch has not been sent: a server stops reading from who does not read its replies, so
        #: nobody may wait here until all has gone.
        self.unsent = memoryview(b"")

    def send_on(self, selector: selectors.BaseSelector) -> None:
        """Send what goes now, and have ``selector`` tell when more does. Raises LinkError."""
        was_behind = selector.get_key(self.link).events & selectors.EVENT_WRITE
        self.unsent = self.unsent[self.link.send_some(self.unsent) :]
        if bool(self.unsent) != bool(was_behind):
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self.unsent else 0)
            selector.modify(self.link, events, self)
