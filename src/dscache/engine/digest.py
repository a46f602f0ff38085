"""Digests: the same for values, and for data sets, that clients cannot tell apart. DEBUG shows them to tests.

That of a data set is read from the store, in batches, in the scan thread, after a commit has brought
everything there; so it may be larger than memory. Those of its keys are combined by exclusive or, which
needs no order.
"""

from __future__ import annotations

import hashlib
import time
from typing import Final

from dscache.errors import StoreDamagedError
from dscache.store.base import DATA, PAYLOADS, Snapshot, Store
from dscache.store.layout import split_data_key
from dscache.store.pages import pages
from dscache.store.record import decode_head
from dscache.values.base import TYPE_NAMES, has_expired, type_code_of
from dscache.values.codec import decode_value, encode_value
from dscache.values.hash import Hash
from dscache.values.list import List
from dscache.values.set import Set
from dscache.values.stream import Stream
from dscache.values.stream_id import MAX_ID, text_of_id
from dscache.values.zset import ZSet
from dscache.wire.encoder import format_double

#: The digest of nothing.
NOTHING: Final = b"0" * 40


def digest_of(value: object) -> bytes:
    """Of one value, in hexadecimal digits. O(n log n) if it has no order of its own."""
    if value is None:
        return NOTHING
    digest = hashlib.sha1(TYPE_NAMES[type_code_of(value)], usedforsecurity=False)
    for part in _parts_of(value):
        digest.update(b"%d:" % len(part))
        digest.update(part)
    return digest.hexdigest().encode()


def _parts_of(value: object) -> list[bytes]:
    """What the value consists of, in an order that only depends on that."""
    parts: list[bytes] = []
    if isinstance(value, Set):
        return sorted(value.members())
    if isinstance(value, List):
        return value.items()
    if isinstance(value, Hash):
        for field, content in sorted(value.items()):
            parts += (field, content, b"expires" if value.due_ms(field) else b"")
    elif isinstance(value, ZSet):
        for member, score in value.items():
            parts += (member, format_double(score))
    elif isinstance(value, Stream):
        for entry in value.range(0, MAX_ID, 0):
            parts.append(text_of_id(entry.number))
            parts += entry.pairs()
    else:
        parts.append(encode_value(value))
    return parts


class DataSetDigest:
    """The job that digests databases, given as (number, generation), as they are on disk."""

    def __init__(self, store: Store, databases: list[tuple[int, int]], now_ms: int) -> None:
        self._store: Final = store
        self._snapshot: Final[Snapshot] = store.snapshot()
        self._databases: Final = databases
        self._now_ms: Final = now_ms
        self._sum = 0

    def read(self) -> bytes:
        """In the scan thread: the digest. Raises DscacheError."""
        snapshot = self._snapshot
        try:
            for database, generation in self._databases:
                for page in pages(snapshot, DATA, generation):
                    for stored, record in page:
                        self._add(database, stored, record)
                        # Compiled code keeps the interpreter to itself unless it gives it away.
                        time.sleep(0)
        finally:
            snapshot.close()
        return b"%040x" % self._sum

    def _add(self, database: int, stored: bytes, record: bytes) -> None:
        _, key = split_data_key(stored)
        head = decode_head(record)
        payload: bytes | None = record[head.offset :]
        if head.apart:
            payload = self._store.read_many(PAYLOADS, [stored])[0]
        if payload is None:
            # Deleted since. Of what changes meanwhile no digest is promised.
            return
        try:
            value = decode_value(head.type_code, payload)
        except ValueError as error:
            raise StoreDamagedError(f"the record of {key!r} cannot be decoded: {error}") from error
        if has_expired(value, head.expire_ms, self._now_ms):
            return
        words = (b"%d" % database, b"%d" % len(key), key, b"%d" % bool(head.expire_ms))
        text = b" ".join((*words, digest_of(value)))
        self._sum ^= int.from_bytes(hashlib.sha1(text, usedforsecurity=False).digest(), "big")
