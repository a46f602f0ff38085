"""Going through a column in order, a page at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Protocol

from dscache.store.layout import generation_range

#: A page has so many records at most, fewer once they have so many bytes together.
PAGE_RECORDS: Final = 500
PAGE_BYTES: Final = 1 << 20


class Scannable(Protocol):
    """A store, or a snapshot of one."""

    def scan(
        self, column: int, begin: bytes, end: bytes, limit: int, max_bytes: int
    ) -> list[tuple[bytes, bytes]]:
        """See ``Store.scan``."""
        ...


def pages(source: Scannable, column: int, generation: int) -> Iterator[list[tuple[bytes, bytes]]]:
    """All records of ``generation`` in a column. What changes meanwhile ahead of it is seen as changed,
    unless ``source`` is a snapshot. Raises StoreError."""
    begin, end = generation_range(generation)
    while page := source.scan(column, begin, end, PAGE_RECORDS, PAGE_BYTES):
        yield page
        begin = page[-1][0] + b"\0"
