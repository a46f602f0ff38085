"""Where a key may be when a command comes, for tests that must not see a difference.

A fixture with ``params=PLACES`` that yields ``Client(request.param)`` runs each test once per place.
"""

from __future__ import annotations

from typing import Final

from driver import Driver
from dscache.engine.notify import CLASS_OF
from dscache.store.base import Store

#: Before every command: nothing is done, or memory is emptied, or what is dirty is being saved.
MEMORY: Final = "in memory"
DISK: Final = "on disk"
SAVING: Final = "being saved"
PLACES: Final = (MEMORY, DISK, SAVING)


class Client:
    """Runs commands with all keys at ``place``; notes the events that they cause."""

    def __init__(self, place: str, store: Store | None = None, **directives: str) -> None:
        self.place = place
        self.driver = Driver(store, **directives)
        self.events: list[tuple[bytes, bytes]] = []
        self.driver.engine.core.listeners.append(self._note)

    def _note(self, database: int, event: bytes, key: bytes) -> None:
        assert event in CLASS_OF, f"engine/notify.py does not know the event {event!r}"
        self.events.append((event, key))

    def __call__(self, *words: str | bytes | int) -> object:
        """The reply of a command."""
        self._bring_keys_there()
        self.events.clear()
        return self.driver.run(*words)

    def _bring_keys_there(self) -> None:
        driver = self.driver
        flusher = driver.engine.flusher
        if self.place == DISK:
            driver.evict_all()
        elif self.place == SAVING:
            driver.turn_until(lambda: not flusher.is_saving)
            if flusher.has_dirty:
                flusher.cut()

    def due_ms(self, key: bytes) -> int | None:
        """When ``key`` is due, 0 for never, None if it does not exist."""
        reply = self.driver.run("STRLEN", key)  # brings the head into memory
        assert isinstance(reply, int)
        return self.driver.session.keyspace.expiry_of(key)

    def exists(self, key: bytes) -> bool:
        """Whether there is such a key."""
        return self.due_ms(key) is not None

    def now_ms(self) -> int:
        """The clock of the engine."""
        return int(self.driver.clock.time() * 1000)

    def close(self) -> None:
        """End the engine."""
        self.driver.close()
