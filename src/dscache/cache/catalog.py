"""The catalog: which space each database shows, and how much is in it.

One record in the store's meta column holds it all, written with every epoch: for each database, and for
the libraries of functions, the generation and the numbers of keys and of expiring keys. So a start knows
the size of the data set without counting, and FLUSHDB and SWAPDB are atomic with everything else of
their epoch.
"""

from __future__ import annotations

from typing import Final

import msgpack

from dscache.cache.residency import Residency
from dscache.cache.space import Space
from dscache.errors import StoreDamagedError
from dscache.store.base import META, Store

CATALOG_KEY: Final = b"catalog"

#: The line of the space that holds the libraries of functions, which is no database.
LIBRARIES: Final = -1


class SpaceTally:
    """One database's line of the catalog, as of a cut."""

    def __init__(self, database: int, space: Space) -> None:
        self.database: Final = database
        self.space: Final = space
        self.keys = int(space.keys)
        self.expires = int(space.expires)


class Catalog:
    """The databases' spaces. ``spaces[n]`` is what SELECT n shows."""

    def __init__(self, store: Store, residency: Residency, databases: int) -> None:
        self._residency = residency
        stored = _read_catalog(store)
        self._next_generation = 1 + max((line[0] for line in stored.values()), default=0)
        #: Lines of databases that are configured away; kept as they are.
        self._beyond: list[tuple[int, Space]] = []
        self.spaces: list[Space] = []
        #: What holds the libraries of functions.
        self.libraries: Space = self._space_of(stored.get(LIBRARIES, (0, 0, 0)))
        for index in range(max(databases, max(stored, default=-1) + 1)):
            space = self._space_of(stored.get(index, (0, 0, 0)))
            if index < databases:
                self.spaces.append(space)
            else:
                self._beyond.append((index, space))

    def _space_of(self, line: tuple[int, int, int]) -> Space:
        """The space of a line of the catalog; a new one for generation 0."""
        generation, keys, expires = line
        if generation == 0:
            generation = self._next_generation
            self._next_generation += 1
        space = self._residency.new_space(generation)
        space.keys = keys
        space.expires = expires
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
    lines = [[line.database, line.space.generation, line.keys, line.expires] for line in tally]
    encoded: bytes = msgpack.packb(lines)
    return encoded


def _read_catalog(store: Store) -> dict[int, tuple[int, int, int]]:
    """{database: (generation, keys, expiring keys)} as the store has it."""
    record = store.read_many(META, [CATALOG_KEY])[0]
    if record is None:
        return {}
    try:
        return {
            database: (generation, keys, expires)
            for database, generation, keys, expires in msgpack.unpackb(record)
        }
    except (ValueError, TypeError) as error:
        raise StoreDamagedError(f"the store's catalog cannot be read: {error}") from error
