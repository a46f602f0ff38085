"""Rule 2 of the house, checked around every command: what changed was reported, what was only read
did not change, and every entry is charged for what it takes."""

from __future__ import annotations

from dscache.cache.entry import CLEAN, Entry
from dscache.engine.engine import Engine
from dscache.store.base import DATA, PAYLOADS
from dscache.store.layout import data_key
from dscache.store.memory import MemoryStore
from dscache.store.record import decode_head
from dscache.values.base import Apart
from dscache.values.codec import decode_value, encode_value
from residents import due_size

#: A key of a database, by the generation of its space.
Place = tuple[int, bytes]

#: With more than this in memory the check would take longer than the tests.
MOST_BYTES = 256 * 1024


class Audit:
    """``before`` and ``after`` enclose a command on an engine over a MemoryStore."""

    def __init__(self, engine: Engine, store: MemoryStore) -> None:
        self._engine = engine
        self._store = store
        self._reported: set[Place] = set()
        self._states: dict[Place, tuple[object, int]] = {}
        self._applies = False
        engine.core.listeners.append(self._note)

    def _note(self, database: int, event: bytes, key: bytes) -> None:
        self._reported.add((self._engine.keyspaces[database].space.generation, key))

    def before(self) -> None:
        """Remember what memory holds."""
        self._reported.clear()
        self._applies = self._engine.residency.entries_bytes < MOST_BYTES
        self._states = self._all_states() if self._applies else {}

    def after(self) -> None:
        """Compare."""
        if not self._applies or self._engine.residency.entries_bytes >= MOST_BYTES:
            return
        # Changes without an event (XACK, PFCOUNT) show only in that the entry is not clean.
        quiet = {
            (keyspace.space.generation, entry.key)
            for keyspace in self._engine.keyspaces
            for entry in keyspace.space.entries.values()
            if entry.state != CLEAN
        }
        for place, state in self._all_states().items():
            if place in self._states and place not in self._reported and place not in quiet:
                assert state == self._states[place], f"{place} changed and was not reported"
        for keyspace in self._engine.keyspaces:
            for entry in keyspace.space.entries.values():
                self._check_size(entry)
                if entry.state == CLEAN and entry.value is not None:
                    self._check_stored(keyspace.space.generation, entry)

    def _all_states(self) -> dict[Place, tuple[object, int]]:
        return {
            (keyspace.space.generation, entry.key): (_content(entry.value), int(entry.expire_ms))
            for keyspace in self._engine.keyspaces
            for entry in keyspace.space.entries.values()
            # That a value has been loaded, or has left memory, is no change.
            if not isinstance(entry.value, Apart)
        }

    def _check_size(self, entry: Entry) -> None:
        size = due_size(entry)
        assert entry.size == size, f"{entry.key!r} is charged {entry.size} and takes {size}"

    def _check_stored(self, generation: int, entry: Entry) -> None:
        """A clean entry is what the store has."""
        stored_key = data_key(generation, entry.key)
        record = self._store.columns[DATA].get(stored_key)
        assert record is not None, f"{entry.key!r} is clean and not in the store"
        head = decode_head(record)
        assert head.expire_ms == entry.expire_ms
        if isinstance(entry.value, Apart):
            return
        payload = self._store.columns[PAYLOADS][stored_key] if head.apart else record[head.offset :]
        # Through the decoder: the order of what has none may differ.
        stored = encode_value(decode_value(head.type_code, payload))
        assert stored == encode_value(entry.value), f"{entry.key!r} changed and is marked clean"


def _content(value: object) -> object:
    return None if value is None else encode_value(value)
