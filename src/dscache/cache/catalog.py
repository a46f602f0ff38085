"""The catalog: which space each database shows, and how much is in it.

One record in the store's meta column holds it all, written with every epoch: for each database, and for
the libraries of functions, the generation and the numbers of keys, of expiring keys and of hashes with
fields that expire. So a start knows the size of the data set without counting, and FLUSHDB and SWAPDB
are atomic with everything else of their epoch.
"""

from __future__ import annotations

from typing import Final

import msgpack

from dscache.cache.residency import Residency
from dscache.cache.space import Space
from dscache.errors import StoreDamagedError
from dscache.store.base import EXPIRES, META, Store
from dscache.store.layout import field_generation, generation_range

CATALOG_KEY: Final = b"catalog"

#: The line of the space that holds the libraries of functions, which is no database.
LIBRARIES: Final = -1

#: A database's generation, and its numbers of keys, of keys that expire, and of hashes with fields that do
#: (_UNKNOWN if the store does not say).
Line = tuple[int, int, int, int]
_NO_LINE: Final = (0, 0, 0, 0)
_UNKNOWN: Final = -1

_COUNTED_AT_ONCE: Final = 1000


class SpaceTally:
    """One database's line of the catalog, as of a cut."""

    def __init__(self, database: int, space: Space) -> None:
        self.database: Final = database
        self.space: Final = space
        self.keys = int(space.keys)
        self.expires = int(space.expires)
        self.subexpires = int(space.subexpires)


class Catalog:
    """The databases' spaces. ``spaces[n]`` is what SELECT n shows."""

    def __init__(self, store: Store, residency: Residency, databases: int) -> None:
        self._residency = residency
        self._store = store
        stored = read_catalog(store)
        self._next_generation = 1 + max((line[0] for line in stored.values()), default=0)
        #: Lines of databases that are configured away; kept as they are.
        self._beyond: list[tuple[int, Space]] = []
        self.spaces: list[Space] = []
        #: What holds the libraries of functions.
        self.libraries: Space = self._space_of(stored.get(LIBRARIES, _NO_LINE))
        for index in range(max(databases, max(stored, default=-1) + 1)):
            space = self._space_of(stored.get(index, _NO_LINE))
            if index < databases:
                self.spaces.append(space)
            else:
                self._beyond.append((index, space))

    def _space_of(self, line: Line) -> Space:
        """The space of a line of the catalog; a new one for generation 0."""
        generation, keys, expires, subexpires = line
        if generation == 0:
            generation = self._next_generation
            self._next_generation += 1
        space = self._residency.new_space(generation)
        space.keys = keys
        space.expires = expires
        space.subexpires = subexpires if subexpires >= 0 else _count_timed(self._store, generation)
        return space

    def tally(self) -> list[SpaceTally]:
        """The catalog now, for the epoch that is being cut."""
        lines = [SpaceTally(index, space) for index, space in enumerate(self.spaces)]
        lines.extend(SpaceTally(index, space) for index, space in self._beyond)
        lines.append(SpaceTally(LIBRARIES, self.libraries))
        return lines

    def flush(self, database: int) -> Space:
        """Give ``database`` a new, empty space; the answer is the old one. O(1)."""
        old = self.spaces[database]
        self.spaces[database] = self._residency.new_space(self._next_generation)
        self._next_generation += 1
        self._residency.retire_space(old)
        return old

    def swap(self, one: int, other: int) -> None:
        """Exchange what two databases show. O(1)."""
        spaces = self.spaces
        spaces[one], spaces[other] = spaces[other], spaces[one]


def encode_catalog(tally: list[SpaceTally]) -> bytes:
    """The catalog's record."""
    return encode_lines(
        [
            [line.database, line.space.generation, line.keys, line.expires, line.subexpires]
            for line in tally
        ]
    )


def encode_lines(lines: list[list[int]]) -> bytes:
    """The record that says these lines: a database's number, then the numbers of a ``Line``."""
    encoded: bytes = msgpack.packb(lines)
    return encoded


def read_catalog(store: Store) -> dict[int, Line]:
    """{database: line} as the store has it."""
    record = store.read_many(META, [CATALOG_KEY])[0]
    if record is None:
        return {}
    try:
        return {
            # A line of four numbers is of an early build.
            line[0]: (line[1], line[2], line[3], line[4] if len(line) > 4 else _UNKNOWN)
            for line in msgpack.unpackb(record)
        }
    except (ValueError, TypeError, IndexError) as error:
        raise StoreDamagedError(f"the store's catalog cannot be read: {error}") from error


def _count_timed(store: Store, generation: int) -> int:
    """How many hashes the index of fields' due times has. O(n)."""
    count = 0
    begin, end = generation_range(field_generation(generation))
    while True:
        found = store.scan(EXPIRES, begin, end, _COUNTED_AT_ONCE, _COUNTED_AT_ONCE)
        count += len(found)
        if len(found) < _COUNTED_AT_ONCE:
            return count
        begin = found[-1][0] + b"\0"
