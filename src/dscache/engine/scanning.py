"""Going through a keyspace: SCAN, KEYS and RANDOMKEY over what is on disk and what is not there yet.

All order is by position (``dscache.store.layout``), and a SCAN cursor *is* a position: the next page
starts with the first key at that position or behind it. So cursors need no state, survive restarts,
and keep Redis's guarantee: a key that exists during the whole iteration is returned, because its
position never changes.

The store is read in the scan thread. What is in memory but not committed is laid over it: for a key
that has an entry the entry decides, and keys that only memory knows are found through a sorted list of
the positions of uncommitted entries, which is built when somebody scans and extended while he goes on.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from dscache.cache.entry import Entry
from dscache.cache.space import Space
from dscache.engine.waiting import JobFault
from dscache.store.base import DATA, Snapshot, Store
from dscache.store.layout import (
    POSITION_END,
    data_bound,
    generation_range,
    position,
    split_data_key,
)
from dscache.store.record import decode_head
from dscache.values.base import type_code_of

if TYPE_CHECKING:
    from dscache.engine.core import Core

# A page ends early when the records read exceed this: the job's result stays small.
_PAGE_BYTES: Final = 4 * 1024 * 1024

# Records per read of KEYS, which goes through everything.
_KEYS_STEP: Final = 2000


class Found:
    """A key met by a scan."""

    def __init__(self, key: bytes, at: int, type_code: int, expire_ms: int) -> None:
        self.key: Final = key
        self.position: Final = at
        self.type_code: Final = type_code
        self.expire_ms: Final = expire_ms


class Page:
    """What a read of the store brought: its keys, and the position at which the next one starts
    (POSITION_END when it reached the end)."""

    def __init__(self, found: list[Found], next_position: int) -> None:
        self.found: Final = found
        self.next_position: Final = next_position
        #: Keys that were met and are due, with their due times: for ``Keyspace.expire_from_index``.
        #: What was read is true as long as no epoch is committed, so at once or not at all.
        self.due: Final[list[tuple[bytes, int]]] = []


class _Sorted:
    """The positions of one list of uncommitted entries, in order; the list may have grown."""

    def __init__(self, entries: list[Entry], number: int) -> None:
        self.entries: Final = entries
        self._number: Final = number
        self._seen = 0
        self._places: list[tuple[int, bytes]] = []

    def end_of(self, begin: int, end: int, count: int) -> int:
        """Where a page of about ``count`` positions from ``begin`` on ends; at ``end`` at the latest.

        Whole positions only, and at least one.
        """
        self._extend()
        stop = bisect_left(self._places, (begin, b"")) + count
        if stop >= len(self._places):
            return end
        return min(end, max(self._places[stop][0], begin + 1))

    def between(self, begin: int, end: int) -> list[tuple[int, bytes]]:
        """(position, key) with begin <= position < end. O(new log n + found)."""
        self._extend()
        first = bisect_left(self._places, (begin, b""))
        return self._places[first : bisect_left(self._places, (end, b""))]

    def _extend(self) -> None:
        added = self.entries[self._seen :]
        if added:
            self._seen += len(added)
            self._places.extend(
                (position(entry.key), entry.key) for entry in added if entry.space == self._number
            )
            self._places.sort()


class Scanner:
    """Scans of one engine."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._sorted: dict[tuple[int, int], _Sorted] = {}

    def page(self, space: Space, start: int, count: int) -> Page:
        """About ``count`` keys from position ``start`` on, alive now; may be more or fewer.

        Faults for the read of the store. O(count) and O(log n) for the uncommitted entries.
        """
        core = self._core
        wait = core.wait
        # Keys of an epoch that is committed while the page is read are neither in what was read
        # nor, later, among the uncommitted ones: the page is read again then.
        name = f"page {space.generation} {start} {count} {core.flusher.saves}"
        if wait is None or name not in wait.results:
            store = core.store
            generation = space.generation
            raise JobFault(name, lambda: _read_page(store, generation, start, count))
        read = wait.results[name]
        assert isinstance(read, Page)
        end = read.next_position
        stored = read.found
        # Much may be uncommitted behind the last key on disk: the page must not take it all.
        for serial, entries in core.flusher.uncommitted_lists():
            end = self._sorted_places(space, serial, entries).end_of(start, end, count)
        if end < read.next_position:
            stored = [found for found in stored if found.position < end]
        return self._overlay(space, stored, start, end)

    def all_matching(self, space: Space, matches: Callable[[bytes], bool]) -> list[bytes]:
        """Every key that ``matches``, as of one instant (KEYS). Faults. O(keys)."""
        core = self._core
        wait = core.wait
        if wait is None or "keys" not in wait.results:
            # The instant is now: a snapshot of the store, and what memory knows better.
            snapshot = core.store.snapshot()
            generation = space.generation
            alive, known = self._uncommitted_keys(space)
            matching = [key for key in alive if matches(key)]
            now_ms = int(core.now_ms)
            job = _Matching(matching, snapshot, generation, matches, known, now_ms)
            raise JobFault("keys", job.read)
        keys = wait.results["keys"]
        assert isinstance(keys, list)
        return keys

    def _uncommitted_keys(self, space: Space) -> tuple[list[bytes], set[bytes]]:
        """(those that exist, all of them): keys for which memory decides, not the store."""
        known: set[bytes] = set()
        alive: list[bytes] = []
        for entry in self._core.flusher.uncommitted():
            if entry.space != space.number or entry.key in known:
                continue
            # Committed a moment ago and evicted since, it is the store's again.
            current = space.entries.get(entry.key)
            if current is not None:
                known.add(entry.key)
                if self._is_alive(current):
                    alive.append(entry.key)
        return alive, known

    def _is_alive(self, entry: Entry) -> bool:
        return entry.value is not None and not 0 < entry.expire_ms <= self._core.now_ms

    def _overlay(self, space: Space, stored: list[Found], begin: int, end: int) -> Page:
        """``stored`` as memory knows it better, with the uncommitted keys of the same range."""
        met = {found.key: found for found in stored}
        for serial, entries in self._core.flusher.uncommitted_lists():
            for at, key in self._sorted_places(space, serial, entries).between(begin, end):
                # Committed a moment ago and evicted since, it is the store's again.
                if key in space.entries and key not in met:
                    met[key] = Found(key, at, 0, 0)
        page = Page([], end)
        for one in met.values():
            found = one
            entry = space.entries.get(found.key)
            if entry is not None:
                if entry.value is None:
                    continue
                type_code = type_code_of(entry.value)
                found = Found(entry.key, found.position, type_code, int(entry.expire_ms))
            if 0 < found.expire_ms <= self._core.now_ms:
                page.due.append((found.key, found.expire_ms))
            else:
                page.found.append(found)
        page.found.sort(key=lambda found: (found.position, found.key))
        return page

    def _sorted_places(self, space: Space, serial: int, entries: list[Entry]) -> _Sorted:
        """The sorted positions of ``entries``, the list of that number, that belong to ``space``."""
        place = (space.number, serial)
        found = self._sorted.get(place)
        if found is None:
            live = {serial for serial, _ in self._core.flusher.uncommitted_lists()}
            self._sorted = {p: s for p, s in self._sorted.items() if p[1] in live}
            found = self._sorted[place] = _Sorted(entries, space.number)
        return found


def _read_page(store: Store, generation: int, start: int, count: int) -> Page:
    """In the scan thread: whole positions only, so that no key is lost between two pages."""
    limit = max(count, 1)
    _, end = generation_range(generation)
    pairs = store.scan(DATA, data_bound(generation, start), end, limit + 1, _PAGE_BYTES)
    found = [_found(stored, record) for stored, record in pairs]
    if not found:
        return Page([], POSITION_END)
    last = found[-1].position
    if len(found) <= limit and sum(len(record) for _, record in pairs) <= _PAGE_BYTES:
        return Page(found, POSITION_END)
    # The last key read may share its position with the next one: leave it to the next page,
    # unless there is nothing before it.
    whole = [one for one in found if one.position < last]
    if whole:
        return Page(whole, last)
    return Page(found, last + 1)


def _found(stored: bytes, record: bytes) -> Found:
    at, key = split_data_key(stored)
    head = decode_head(record)
    return Found(key, at, head.type_code, head.expire_ms)


class _Matching:
    """The job of KEYS: what memory has, and what the store has beside it.

    A class, because of what it holds: see ``waitingroom._Job``.
    """

    def __init__(
        self,
        matching: list[bytes],
        snapshot: Snapshot,
        generation: int,
        matches: Callable[[bytes], bool],
        known: set[bytes],
        now_ms: int,
    ) -> None:
        self._matching: Final = matching
        self._snapshot: Final = snapshot
        self._generation: Final = generation
        self._matches: Final = matches
        self._known: Final = known
        self._now_ms: Final = now_ms

    def read(self) -> list[bytes]:
        """In the scan thread: the keys of a whole generation that match."""
        begin, end = generation_range(self._generation)
        keys = self._matching
        known = self._known
        snapshot = self._snapshot
        try:
            while pairs := snapshot.scan(DATA, begin, end, _KEYS_STEP, _PAGE_BYTES):
                for stored, record in pairs:
                    _, key = split_data_key(stored)
                    if key in known or not self._matches(key):
                        continue
                    if not 0 < decode_head(record).expire_ms <= self._now_ms:
                        keys.append(key)
                begin = pairs[-1][0] + b"\0"
        finally:
            snapshot.close()
        return keys
