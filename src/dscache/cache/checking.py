"""Examining a store that no server uses: does everything decode, and do its columns agree?

Each record is read once, in order, in bounded memory: heads and short values first, then the index of due
times, then the payloads that are kept apart. Then the catalog's counts must be what was counted. What does
not fit is a *problem*, told in words; with ``repairs`` it is mended on the way:

=================================================  ===========================================
problem                                            mended by
=================================================  ===========================================
a record, or its payload, that does not decode     removing the key, which is lost and named
a due time that the index does not have            adding it
an entry of the index, or a payload, of no key     removing it
counts of the catalog that are wrong               writing those that were counted
records of a database that is no more              removing them
=================================================  ===========================================
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from dscache.cache.catalog import CATALOG_KEY, LIBRARIES, encode_lines, read_catalog
from dscache.store.base import COLUMN_NAMES, DATA, EXPIRES, META, PAYLOADS, Store
from dscache.store.batch import Batch
from dscache.store.layout import (
    data_key,
    expiry_key,
    field_generation,
    generation_range,
    split_data_key,
    split_expiry_key,
)
from dscache.store.pages import pages
from dscache.store.record import Head, decode_head
from dscache.values.base import HASH, Value
from dscache.values.codec import decode_value

#: Problems that are kept in words; more are only counted.
MOST_TOLD: Final = 100

Pair = tuple[bytes, bytes]


class _Counts:
    """What was counted in one database."""

    def __init__(self) -> None:
        self.keys = 0
        self.expires = 0
        self.subexpires = 0
        self.apart = 0


class Check:
    """One examination of ``store``. ``progress`` is called with the number of records read so far.

    ``run`` does it all; what it found is in the attributes. Raises StoreError if the store cannot be read.
    """

    def __init__(self, store: Store, repairs: bool, progress: Callable[[int], None]) -> None:
        self._store: Final = store
        self._repairs: Final = repairs
        self._progress: Final = progress
        self._batch = Batch()
        #: The first problems, in words, and how many there are.
        self.problems: Final[list[str]] = []
        self.problem_count = 0
        #: Keys that could not be read, and are removed if it repairs: (database, key), the first of them.
        self.lost: Final[list[tuple[int, bytes]]] = []
        self.lost_count = 0
        self.records = 0
        self.keys = 0
        self.expires = 0
        self.databases = 0

    def run(self) -> None:
        """Examine everything. O(size of the store)."""
        lines = read_catalog(self._store)
        found: list[list[int]] = []
        for database, (generation, *noted) in lines.items():
            counts = self._check_database(database, generation)
            counted = [counts.keys, counts.expires, counts.subexpires]
            # An early build did not note the last.
            if counted != noted and (counted[:2] != noted[:2] or noted[2] >= 0):
                self._tell(
                    f"{_name(database)}: the catalog says {noted[0]} keys, {noted[1]} that expire and"
                    f" {noted[2]} hashes with fields that do; there are {', '.join(map(str, counted))}"
                )
            found.append([database, generation, *counted])
            if database != LIBRARIES and counts.keys:
                self.databases += 1
                self.keys += counts.keys
                self.expires += counts.expires
        self._check_leftovers([line[1] for line in found])
        if self._repairs and self.problem_count:
            self._batch.put(META, CATALOG_KEY, encode_lines(found))
            self._commit()

    def _check_database(self, database: int, generation: int) -> _Counts:
        counts = _Counts()
        for pairs in self._pairs(DATA, generation):
            self._check_records(database, generation, pairs, counts)
            self._commit()
        for pairs in self._pairs(EXPIRES, generation):
            self._check_index(database, generation, pairs)
            self._commit()
        payloads = 0
        for pairs in self._pairs(PAYLOADS, generation):
            payloads += self._check_payloads(database, generation, pairs, counts)
            self._commit()
        if payloads < counts.apart:
            for pairs in self._pairs(DATA, generation):
                self._check_presence(database, generation, pairs, counts)
                self._commit()
        return counts

    def _pairs(self, column: int, generation: int) -> Iterator[list[Pair]]:
        """What a column has of a generation, some at a time."""
        for pairs in pages(self._store, column, generation):
            yield pairs
            self.records += len(pairs)
            self._progress(self.records)

    # The columns

    def _check_records(
        self, database: int, generation: int, pairs: list[Pair], counts: _Counts
    ) -> None:
        """Heads, and values that are in their records; what they want the index to have."""
        wanted: list[bytes] = []
        for stored, record in pairs:
            key = split_data_key(stored)[1]
            try:
                if stored != data_key(generation, key):
                    raise ValueError("it is not where it belongs")
                head = decode_head(record)
                field_due_ms = head.field_due_ms
                if not head.apart:
                    value = decode_value(head.type_code, record[head.offset :])
                    field_due_ms = value.next_due_ms() if isinstance(value, Value) else 0
            except Exception as error:
                self._lose(database, stored, key, error)
                continue
            counts.keys += 1
            if head.apart:
                counts.apart += 1
            if head.expire_ms:
                counts.expires += 1
                wanted.append(expiry_key(generation, head.expire_ms, key))
            if head.type_code == HASH and field_due_ms:
                counts.subexpires += 1
                wanted.append(expiry_key(field_generation(generation), field_due_ms, key))
        for entry, there in zip(wanted, self._store.read_many(EXPIRES, wanted), strict=True):
            if there is None:
                key = split_expiry_key(entry)[1]
                self._tell(f"{_name(database)}: the index lacks a due time of {_shown(key)}")
                self._batch.put(EXPIRES, entry, b"")

    def _check_index(self, database: int, generation: int, pairs: list[Pair]) -> None:
        keys = [split_expiry_key(stored)[1] for stored, _ in pairs]
        heads = self._heads([data_key(generation, key) for key in keys])
        for (stored, _), key, head in zip(pairs, keys, heads, strict=True):
            due_ms = split_expiry_key(stored)[0]
            if head is None or head.expire_ms != due_ms:
                self._tell(
                    f"{_name(database)}: the index has a due time that {_shown(key)} has not"
                )
                self._batch.delete(EXPIRES, stored)

    def _check_payloads(
        self, database: int, generation: int, pairs: list[Pair], counts: _Counts
    ) -> int:
        """How many of them belong to a key."""
        heads = self._heads([stored for stored, _ in pairs])
        owned = 0
        for (stored, payload), head in zip(pairs, heads, strict=True):
            key = split_data_key(stored)[1]
            if head is None or not head.apart:
                self._tell(f"{_name(database)}: a payload of {_shown(key)} that it does not need")
                self._batch.delete(PAYLOADS, stored)
                continue
            owned += 1
            try:
                if len(payload) != head.payload_bytes:
                    raise ValueError(
                        f"it has {len(payload)} bytes in place of {head.payload_bytes}"
                    )
                decode_value(head.type_code, payload)
            except Exception as error:
                self._forget(generation, key, head, counts)
                self._lose(database, stored, key, error)
        return owned

    def _check_presence(
        self, database: int, generation: int, pairs: list[Pair], counts: _Counts
    ) -> None:
        """Some payload is missing: find out whose. (What cannot be decoded has been told of.)"""
        for stored, record in pairs:
            try:
                head = decode_head(record)
            except Exception:
                continue
            if head.apart and self._store.read_many(PAYLOADS, [stored])[0] is None:
                key = split_data_key(stored)[1]
                self._forget(generation, key, head, counts)
                self._lose(database, stored, key, ValueError("its payload is missing"))

    def _check_leftovers(self, generations: list[int]) -> None:
        """Between what belongs to a database there is nothing."""
        for column in (DATA, EXPIRES, PAYLOADS):
            known = [generation_range(generation) for generation in generations]
            if column == EXPIRES:
                known += [generation_range(field_generation(one)) for one in generations]
            begin = b""
            for first, behind in [*sorted(known), (b"\xff" * 32, b"")]:
                if begin < first and self._store.scan(column, begin, first, 1, 1):
                    self._tell(
                        f"column {COLUMN_NAMES[column]}: records of a database that is no more"
                    )
                    self._batch.delete_range(column, begin, first)
                begin = behind

    # What is found

    def _heads(self, stored_keys: list[bytes]) -> list[Head | None]:
        heads: list[Head | None] = []
        for record in self._store.read_many(DATA, stored_keys):
            try:
                heads.append(None if record is None else decode_head(record))
            except Exception:
                heads.append(None)
        return heads

    def _forget(self, generation: int, key: bytes, head: Head, counts: _Counts) -> None:
        """A key that has been counted is lost."""
        counts.keys -= 1
        if head.expire_ms:
            counts.expires -= 1
            self._batch.delete(EXPIRES, expiry_key(generation, head.expire_ms, key))
        if head.field_due_ms:
            counts.subexpires -= 1
            entry = expiry_key(field_generation(generation), head.field_due_ms, key)
            self._batch.delete(EXPIRES, entry)

    def _lose(self, database: int, stored: bytes, key: bytes, error: Exception) -> None:
        self._tell(f"{_name(database)}: {_shown(key)} cannot be read: {error}")
        self.lost_count += 1
        if self.lost_count <= MOST_TOLD:
            self.lost.append((database, key))
        self._batch.delete(DATA, stored)
        self._batch.delete(PAYLOADS, stored)

    def _tell(self, problem: str) -> None:
        self.problem_count += 1
        if self.problem_count <= MOST_TOLD:
            self.problems.append(problem)

    def _commit(self) -> None:
        batch = self._batch
        self._batch = Batch()
        if self._repairs and batch.count:
            self._store.commit(batch)


def count_records(store: Store) -> int:
    """How many records there are, as the catalog says, for a progress bar: payloads are not counted there.
    Raises StoreDamagedError."""
    return sum(sum(max(count, 0) for count in line[1:]) for line in read_catalog(store).values())


def _name(database: int) -> str:
    return "functions" if database == LIBRARIES else f"database {database}"


def _shown(key: bytes) -> str:
    """A key for a message."""
    text = key.decode("utf-8", "backslashreplace")
    return repr(text if len(text) <= 100 else f"{text[:100]}...")
