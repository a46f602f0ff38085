"""RDB files, written from the first byte to the last, one key at a time.

The order is Redis's: what the file tells about itself, libraries of functions, each database with its keys,
the end with the checksum. See ``file_reader`` for what a file is, and ``objects`` for the forms of values:
with those a file is of version 11, which Redis 7.2 and all of Valkey load, unless a hash has fields that
expire. Such a file is of version 12, which only Redis loads, from 7.4 on: there is no form of those hashes
that both have.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from dscache.rdb import typecodes
from dscache.rdb.crc64 import crc64
from dscache.rdb.objects import write_object
from dscache.rdb.writer import Writer

if TYPE_CHECKING:
    from dscache.config import Config

# What is gathered before it is handed on.
_PIECE_BYTES: Final = 1 << 18


class FileWriter:
    """Hands the file piece by piece to ``write``. The methods are called in their order here.

    ``has_due_fields``: there is a hash with fields that expire.
    """

    def __init__(
        self, write: Callable[[bytes], object], config: Config, has_due_fields: bool
    ) -> None:
        self._write: Final = write
        self._config: Final = config
        self._writer: Final = Writer()
        self._checksum = 0
        self._version: Final = (
            typecodes.NEWEST_VERSION if has_due_fields else typecodes.PLAIN_VERSION
        )
        self._writer.raw(b"REDIS%04d" % self._version)

    def about(self, name: bytes, text: bytes) -> None:
        """Something that the file tells about itself."""
        self._writer.byte(typecodes.AUX)
        self._writer.string(name)
        self._writer.string(text)

    def library(self, source: bytes) -> None:
        """A library of functions."""
        self._writer.byte(typecodes.FUNCTIONS)
        self._writer.string(source)
        self._hand_on(_PIECE_BYTES)

    def database(self, index: int, keys: int, expires: int) -> None:
        """The keys that follow belong to database ``index``; about how many they are, and how many of them
        expire."""
        writer = self._writer
        writer.byte(typecodes.SELECT_DATABASE)
        writer.length(index)
        writer.byte(typecodes.RESIZE_DATABASE)
        writer.length(keys)
        writer.length(expires)

    def key(self, key: bytes, value: object, expire_ms: int) -> None:
        """A key, which is due at ``expire_ms``; 0 for never. O(size of the value)."""
        writer = self._writer
        if expire_ms != 0:
            writer.byte(typecodes.EXPIRE_MS)
            writer.milliseconds(expire_ms)
        # The type stands before the key, and what it is turns out when the value is written.
        content = Writer()
        version = write_object(content, value, self._config)
        assert version <= self._version, f"{key!r} needs version {version} of the format"
        written = content.take()
        writer.raw(written[:1])
        writer.string(key)
        writer.raw(written[1:])
        self._hand_on(_PIECE_BYTES)

    def end(self) -> None:
        """The end, and the checksum."""
        self._writer.byte(typecodes.END)
        self._hand_on(0)
        self._write(self._checksum.to_bytes(8, "little"))

    def _hand_on(self, least_bytes: int) -> None:
        """Hand on what has been gathered, if it is at least so much."""
        if self._writer.size() >= least_bytes:
            piece = self._writer.take()
            self._checksum = crc64(piece, self._checksum)
            self._write(piece)
