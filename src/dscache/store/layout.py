"""Keys of the store: how a key of the data set becomes an ordered key on disk.

Data and payload keys::

    generation (u32) . position (u64) . key

The *generation* names one life of one database: FLUSHDB takes a new one (they stay below 2**31), and
the old range is one range deletion. The *position* orders everything: the Redis Cluster hash slot
(14 bits), then 48 bits of XXH3 of the whole key. So a SCAN cursor is a position, a slot is one
contiguous range, and the order never changes while the key exists. Two keys may share a position; the
key itself, last, keeps them apart.

Expiry index keys::

    generation (u32) . due time in ms (u64) . key

They are ordered by due time inside a generation, so active expiry reads a prefix and never scans,
and a flushed database's index goes with the same kind of range deletion as its data.

The hashes that have fields with due times have an index of their own in the same column, by the earliest
of them. Its keys are made in the same way, with the top bit of the generation set
(``field_generation``), so it lies behind the other.

All integers are big-endian, so byte order is numeric order.
"""

from __future__ import annotations

from binascii import crc_hqx
from typing import Final

from librt.strings import BytesWriter, read_i32_be, read_i64_be, write_i32_be, write_i64_be
from librt.vecs import vec
from mypy_extensions import i64
from xxhash import xxh3_64_digest

SLOTS: Final = 16384
PREFIX_BYTES: Final = 12
_BRACE: Final = ord("{")
_HASH_BITS: Final = 48
_HASH_MASK: Final = (1 << _HASH_BITS) - 1
#: One past the highest position; also the largest cursor that can occur.
POSITION_END: Final = SLOTS << _HASH_BITS


# CRC16 of each single byte.
_CRCS: Final[vec[i64]] = vec[i64]([crc_hqx(bytes([byte]), 0) for byte in range(256)])
# Keys of up to so many bytes are walked here: for 16 bytes 300 instructions, where ``crc_hqx`` takes 800.
_SHORT_KEY_BYTES: Final = 48


def hash_slot(key: bytes) -> i64:
    """The Redis Cluster slot of ``key``: CRC16 of its hash tag if it has one. O(len(key))."""
    if _BRACE in key:
        start = key.find(b"{")
        stop = key.find(b"}", start + 1)
        if stop > start + 1:
            key = key[start + 1 : stop]
    length: i64 = len(key)
    crc: i64 = 0
    if length > _SHORT_KEY_BYTES:
        crc = crc_hqx(key, 0)
        return crc & (SLOTS - 1)
    place: i64 = 0
    while place < length:
        byte: i64 = key[place]
        crc = ((crc << 8) & 0xFF00) ^ _CRCS[(crc >> 8) ^ byte]
        place += 1
    return crc & (SLOTS - 1)


def position(key: bytes) -> i64:
    """Where ``key`` stands in the order of its database, 0 <= position < POSITION_END."""
    return hash_slot(key) << _HASH_BITS | read_i64_be(xxh3_64_digest(key), 0) & _HASH_MASK


def data_key(generation: int, key: bytes) -> bytes:
    """The store's key for ``key`` (also of its payload, in the column of payloads)."""
    writer = BytesWriter()
    write_i32_be(writer, generation)
    write_i64_be(writer, position(key))
    writer.write(key)
    return writer.getvalue()


def data_bound(generation: int, at: int) -> bytes:
    """The smallest data key of ``generation`` at position ``at`` or behind it."""
    writer = BytesWriter()
    write_i32_be(writer, generation)
    write_i64_be(writer, at)
    return writer.getvalue()


def split_data_key(stored: bytes) -> tuple[int, bytes]:
    """(position, key) of a data key."""
    return read_i64_be(stored, 4), stored[PREFIX_BYTES:]


def expiry_key(generation: int, due_ms: int, key: bytes) -> bytes:
    """The expiry index's key for ``key`` that is due at ``due_ms``."""
    writer = BytesWriter()
    write_i32_be(writer, generation)
    write_i64_be(writer, due_ms)
    writer.write(key)
    return writer.getvalue()


def expiry_bound(generation: int, due_ms: int) -> bytes:
    """The smallest index key of ``generation`` that is due at ``due_ms`` or later."""
    return data_bound(generation, due_ms)


def split_expiry_key(stored: bytes) -> tuple[int, bytes]:
    """(due time in ms, key) of an expiry index key."""
    return read_i64_be(stored, 4), stored[PREFIX_BYTES:]


def field_generation(generation: int) -> int:
    """What stands for ``generation`` in the index of fields' due times: the same with its top bit set,
    as a signed number."""
    return generation - (1 << 31)


def generation_of(stored: bytes) -> int:
    """The generation that a data or index key belongs to."""
    return read_i32_be(stored, 0)


def generation_range(generation: int) -> tuple[bytes, bytes]:
    """[begin, end) of everything that belongs to ``generation`` in any column."""
    begin = BytesWriter()
    write_i32_be(begin, generation)
    end = BytesWriter()
    write_i32_be(end, generation + 1)
    return begin.getvalue(), end.getvalue()
