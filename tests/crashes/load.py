"""Concurrent clients that send units until the server is gone, and remember what they were told.

Others see to it meanwhile that what is on disk leaves memory. ``flushed`` is what CACHE FLUSH has
promised: the highest place in history that had been acknowledged, to anybody, when one was asked for
that has been answered.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from random import Random
from threading import Event, Lock, Thread
from typing import Final

from crashes.units import HISTORY_DATABASE, KEYS, LONG_KEYS, Command, Unit, Units
from raw_client import RawClient, requests
from serving import DEADLINE_SECONDS

_CLIENTS: Final = 4
# After one unit in so many a client asks for CACHE FLUSH.
_UNITS_PER_FLUSH: Final = 40


@dataclass(frozen=True)
class Acknowledged:
    """A unit whose reply was received, and when."""

    unit: Unit
    replies: list[object]
    at: float


class Load:
    """The clients of one server between its start and its end."""

    def __init__(self, address: tuple[str, int], seed: str) -> None:
        self._address: Final = address
        self._ended: Final = Event()
        self._lock: Final = Lock()
        #: All units that were sent, by name.
        self.sent: Final[dict[str, Unit]] = {}
        #: By place in history.
        self.acknowledged: Final[dict[int, Acknowledged]] = {}
        self.highest = 0
        self.flushed = 0
        #: When ``join`` was called.
        self.ended_at = 0.0
        self._errors: Final[list[BaseException]] = []
        clients = [Units(f"client{n}", seed) for n in range(_CLIENTS)]
        self._threads: Final = [
            Thread(target=self._run, args=(units, Random(f"{seed} {n}")))
            for n, units in enumerate(clients)
        ]
        self._threads.append(Thread(target=self._run, args=(None, Random(seed))))
        for thread in self._threads:
            thread.start()

    def _run(self, units: Units | None, source: Random) -> None:
        try:
            with RawClient(self._address) as client:
                while not self._ended.is_set():
                    if units is None:
                        self._evict(client, source)
                    else:
                        self._send(client, units, source)
        except (OSError, EOFError):
            pass  # the server was killed
        except BaseException as error:
            self._errors.append(error)

    def _send(self, client: RawClient, units: Units, source: Random) -> None:
        """Send a few units at once and take note of the replies."""
        batch = [units.next() for _ in range(source.choice([1, 1, 1, 3]))]
        commands: list[Command] = []
        for unit in batch:
            self.sent[unit.name] = unit
            commands += unit.requests()
        if source.randrange(_UNITS_PER_FLUSH) == 0:
            promised = self.highest
            assert client.call("CACHE", "FLUSH") == b"OK"
            with self._lock:
                self.flushed = max(self.flushed, promised)
        client.send(requests(commands))
        for unit in batch:
            received = [client.read() for _ in unit.requests()]
            place, replies = unit.replies(received)
            with self._lock:
                assert place not in self.acknowledged, f"two units have the place {place}"
                self.acknowledged[place] = Acknowledged(unit, replies, time.monotonic())
                self.highest = max(self.highest, place)

    @staticmethod
    def _evict(client: RawClient, source: Random) -> None:
        first = source.randrange(LONG_KEYS)
        for database in range(HISTORY_DATABASE):
            assert client.call("SELECT", database) == b"OK"
            long_keys = [f"long{n}" for n in range(first, first + 500)]
            assert isinstance(client.call("CACHE", "EVICT", *KEYS, *long_keys), int)

    @property
    def has_failed(self) -> bool:
        """Whether a client has met what it did not expect; ``join`` raises it."""
        return bool(self._errors)

    def join(self) -> None:
        """Wait until all have noticed that the server is gone."""
        self.ended_at = time.monotonic()
        self._ended.set()
        for thread in self._threads:
            thread.join(DEADLINE_SECONDS)
            assert not thread.is_alive()
        if self._errors:
            raise self._errors[0]
