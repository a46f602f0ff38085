"""DUMP payloads: a value with its type byte, the version of the format, and a checksum.

The version is the oldest that has the value's form, so that servers older than ours take what they can
read: 10 for most values (``dscache.rdb.objects`` has the table).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dscache.errors import RdbError
from dscache.rdb.crc64 import crc64
from dscache.rdb.objects import read_object, write_object
from dscache.rdb.reader import Reader
from dscache.rdb.typecodes import NEWEST_VERSION, VALKEY_VERSION
from dscache.rdb.writer import Writer

if TYPE_CHECKING:
    from dscache.config import Config

_VERSION_BYTES: Final = 2
_CHECKSUM_BYTES: Final = 8


def dumped(value: object, config: Config) -> bytes:
    """The payload of ``value``. O(n)."""
    writer = Writer()
    version = write_object(writer, value, config)
    return sealed(writer.take(), version)


def sealed(content: bytes, version: int) -> bytes:
    """``content``, a type byte and what belongs to it, with version and checksum behind it. O(n)."""
    body = content + version.to_bytes(_VERSION_BYTES, "little")
    return body + crc64(body).to_bytes(_CHECKSUM_BYTES, "little")


def is_intact(payload: bytes) -> bool:
    """Whether the checksum is right, and the version one that is known. O(n)."""
    if len(payload) < _VERSION_BYTES + _CHECKSUM_BYTES:
        return False
    version = _version_of(payload)
    if version > NEWEST_VERSION and version != VALKEY_VERSION:
        return False
    expected = int.from_bytes(payload[-_CHECKSUM_BYTES:], "little")
    return crc64(payload[:-_CHECKSUM_BYTES]) == expected


def content_of(payload: bytes) -> bytes:
    """What ``sealed`` was given to make ``payload``."""
    return payload[: -_VERSION_BYTES - _CHECKSUM_BYTES]


def restored(payload: bytes) -> object:
    """The value of a payload that is intact. O(n), O(n log n) for sorted sets.

    Raises RdbError if it is no value, or more than one.
    """
    version = _version_of(payload)
    reader = Reader(content_of(payload))
    value = read_object(reader, reader.byte(), version)
    if not reader.at_end():
        raise RdbError("something follows the value")
    return value


def _version_of(payload: bytes) -> int:
    end = len(payload) - _CHECKSUM_BYTES
    return int.from_bytes(payload[end - _VERSION_BYTES : end], "little")
