"""Records: a value as the store holds it.

::

    byte 0      format version (1)
    byte 1      type code, or'ed with flags: 0x80 payload apart, 0x40 expiry present
    [8 bytes]   due time in ms since the epoch, if 0x40
    payload     or, if 0x80, its length in 8 bytes
    [8 bytes]   of a hash whose payload is apart: the earliest due time of its fields, if any has one

A payload longer than ``INLINE_PAYLOAD_BYTES`` is kept *apart*, in the column of payloads under the
same key. What asks only whether a key exists, its type, its expiry or its length then reads a few
bytes however large the value is, and DEL, EXPIRE and TTL of a huge value never touch it. (It is also
where paged values will attach: a directory in the record, pages apart.)

The format is documented for other programs in ``docs/store-format.md``; change both together.
"""

from __future__ import annotations

from typing import Final

from librt.strings import BytesWriter, read_i64_be, write_i64_be

from dscache.errors import StoreDamagedError, StoreFormatError

RECORD_VERSION: Final = 1
INLINE_PAYLOAD_BYTES: Final = 16 * 1024

_APART: Final = 0x80
_EXPIRES: Final = 0x40
_TYPE_MASK: Final = 0x3F


class Head:
    """What a record says without its payload.

    ``expire_ms`` is 0 for a key that does not expire. ``payload_bytes`` is the payload's length,
    wherever it is kept; ``offset`` is where an inline payload starts in the record. ``field_due_ms`` is 0
    unless the payload is apart: an inline one says it itself.
    """

    def __init__(
        self,
        type_code: int,
        expire_ms: int,
        apart: bool,
        payload_bytes: int,
        offset: int,
        field_due_ms: int = 0,
    ) -> None:
        self.type_code: Final = type_code
        self.expire_ms: Final = expire_ms
        self.apart: Final = apart
        self.payload_bytes: Final = payload_bytes
        self.offset: Final = offset
        self.field_due_ms: Final = field_due_ms


_PLAIN_HEADS: Final = [bytes((RECORD_VERSION, code)) for code in range(_TYPE_MASK + 1)]


def encode_record(type_code: int, expire_ms: int, payload: bytes) -> bytes:
    """A record with its payload inline. O(len(payload))."""
    if expire_ms == 0:
        return _PLAIN_HEADS[type_code] + payload
    writer = BytesWriter()
    writer.append(RECORD_VERSION)
    writer.append(type_code | _EXPIRES)
    write_i64_be(writer, expire_ms)
    writer.write(payload)
    return writer.getvalue()


def encode_head(type_code: int, expire_ms: int, payload_bytes: int, field_due_ms: int = 0) -> bytes:
    """A record whose payload of ``payload_bytes`` bytes is kept apart."""
    writer = BytesWriter()
    writer.append(RECORD_VERSION)
    writer.append(type_code | _APART | (_EXPIRES if expire_ms else 0))
    if expire_ms:
        write_i64_be(writer, expire_ms)
    write_i64_be(writer, payload_bytes)
    if field_due_ms:
        write_i64_be(writer, field_due_ms)
    return writer.getvalue()


def decode_head(record: bytes) -> Head:
    """Read a record's head.

    Raises StoreFormatError for a version that this program does not know, StoreDamagedError for a
    record that is too short to be one.
    """
    if len(record) < 2:
        raise StoreDamagedError(f"a record of {len(record)} bytes is too short to be one")
    if record[0] != RECORD_VERSION:
        raise StoreFormatError(
            f"a record has format version {record[0]}, this program knows {RECORD_VERSION}; "
            "use the dscache release that wrote this store, or a newer one"
        )
    flags = record[1]
    offset = 2
    expire_ms = 0
    if flags & _EXPIRES:
        expire_ms = _read_u64(record, offset)
        offset += 8
    if flags & _APART:
        payload_bytes = _read_u64(record, offset)
        offset += 8
        field_due_ms = _read_u64(record, offset) if len(record) > offset else 0
        return Head(flags & _TYPE_MASK, expire_ms, True, payload_bytes, offset, field_due_ms)
    return Head(flags & _TYPE_MASK, expire_ms, False, len(record) - offset, offset)


def _read_u64(record: bytes, offset: int) -> int:
    if len(record) < offset + 8:
        raise StoreDamagedError("a record's head is cut off")
    return read_i64_be(record, offset)
