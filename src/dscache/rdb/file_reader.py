"""RDB files, read from the first byte to the last, one key at a time.

A file is a signature with the version of the format, and then items that each begin with a byte: the type
of a key's value, or an *opcode*. Some opcodes (due time, idle time, frequency) belong to the key that
follows; others tell about the file, select a database, or bring a library of functions. The last is the
end, with a checksum behind it since version 5, which is 0 if whoever wrote it did not want one.

Memory is bounded by the largest value, which is read whole, however large the file is.

This skips what the file tells about itself, what is only a hint (sizes of tables and slots), what modules
keep beside the keys, and, as Redis does, containers without elements; it refuses values of modules. What
stands behind the end, the commands of an append-only file that begins as an RDB file, is refused rather
than lost.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from dscache.errors import EmptyValueError, RdbError
from dscache.rdb import typecodes
from dscache.rdb.crc64 import crc64
from dscache.rdb.objects import module_name, read_object
from dscache.rdb.reader import Reader

# Large enough that a read costs nothing beside what is made of it.
_PIECE_BYTES: Final = 1 << 18

_SIGNATURE_BYTES: Final = 9
_CHECKSUM_BYTES: Final = 8
_FIRST_CHECKED_VERSION: Final = 5
_LAST_DATABASE: Final = (1 << 31) - 1

# What modules write is made of these.
_MODULE_END: Final = 0
_MODULE_SIGNED: Final = 1
_MODULE_UNSIGNED: Final = 2
_MODULE_FLOAT: Final = 3
_MODULE_DOUBLE: Final = 4
_MODULE_STRING: Final = 5


class FileKey:
    """A key of a file; ``expire_ms`` is 0 for never."""

    def __init__(self, database: int, key: bytes, value: object, expire_ms: int) -> None:
        self.database: Final = database
        self.key: Final = key
        self.value: Final = value
        self.expire_ms: Final = expire_ms


class FileLibrary:
    """The source of a library of functions."""

    def __init__(self, source: bytes) -> None:
        self.source: Final = source


class FileReader:
    """Reads the file that ``read`` gives piece by piece, at most as many bytes as it is asked for.

    ``name`` is what errors call the file. A string in it has no more than ``most_string_bytes``.
    """

    def __init__(self, read: Callable[[int], bytes], name: str, most_string_bytes: int) -> None:
        self._read: Final = read
        self._name: Final = name
        self._reader: Final = Reader(b"", self._next_piece, most_string_bytes)
        # Of all pieces but the last, which may have been read in part.
        self._checksum = 0
        self._piece = b""
        self._pieces_bytes = 0
        self._version = 0
        self._database = 0
        self._expire_ms = 0
        self._what = ""
        #: Keys that were left out because their values have no elements.
        self.empty_keys = 0

    @property
    def offset(self) -> int:
        """How many bytes have been read."""
        return self._pieces_bytes - self._reader.at_hand()

    def next_item(self) -> FileKey | FileLibrary | None:
        """The next key or library; None at the end, when the checksum has been found right.

        O(its size). Raises RdbError, which names the file and where it is wrong, and OSError.
        """
        start = self.offset
        try:
            if self._version == 0:
                self._version = self._signed_version()
            while True:
                start = self.offset
                self._what = ""
                code = self._reader.byte()
                if code == typecodes.END:
                    self._check_end()
                    return None
                if code == typecodes.FUNCTIONS:
                    self._what = "a library of functions: "
                    return FileLibrary(self._reader.string())
                if code >= typecodes.SLOT_IMPORT:
                    self._opcode(code)
                    continue
                found = self._key(code)
                if found is not None:
                    return found
        except RdbError as error:
            raise RdbError(f"{self._name}, offset {start}: {self._what}{error}") from error

    def _next_piece(self) -> bytes:
        self._checksum = crc64(self._piece, self._checksum)
        self._piece = self._read(_PIECE_BYTES)
        self._pieces_bytes += len(self._piece)
        return self._piece

    def _signed_version(self) -> int:
        reader = self._reader
        if reader.at_end():
            raise RdbError("the file is empty")
        signature = reader.raw(_SIGNATURE_BYTES)
        is_valkey = signature.startswith(b"VALKEY")
        digits = signature.removeprefix(b"VALKEY" if is_valkey else b"REDIS")
        if len(digits) == _SIGNATURE_BYTES or not digits.isdigit():
            raise RdbError("this is no RDB file")
        version = int(digits)
        known = (
            version == typecodes.VALKEY_VERSION
            if is_valkey
            else 0 < version <= typecodes.NEWEST_VERSION
        )
        if not known:
            raise RdbError(
                f"version {version} of the format is not known: Redis's are, up to"
                f" {typecodes.NEWEST_VERSION}, and Valkey's {typecodes.VALKEY_VERSION}"
            )
        return version

    def _opcode(self, code: int) -> None:
        """Take in or skip what is neither key nor library nor end."""
        reader = self._reader
        if code == typecodes.EXPIRE_MS:
            self._expire_ms = _due(reader.milliseconds())
        elif code == typecodes.EXPIRE_SECONDS:
            self._expire_ms = _due(int.from_bytes(reader.raw(4), "little", signed=True) * 1000)
        elif code == typecodes.IDLE:
            reader.length()
        elif code == typecodes.FREQUENCY:
            reader.byte()
        elif code == typecodes.SELECT_DATABASE:
            self._database = reader.length()
            if self._database > _LAST_DATABASE:
                raise RdbError(f"database {self._database}")
        elif code == typecodes.RESIZE_DATABASE:
            reader.length()
            reader.length()
        elif code == typecodes.SLOT_INFO:
            reader.length()
            reader.length()
            reader.length()
        elif code == typecodes.AUX:
            reader.string()
            reader.string()
        elif code == typecodes.MODULE_AUX:
            self._skip_of_module()
        elif code == typecodes.FUNCTIONS_OF_A_CANDIDATE:
            raise RdbError("a library of functions as a release candidate of Redis 7.0 wrote it")
        else:
            raise RdbError("slots of a cluster are being moved; save again when that is over")

    def _skip_of_module(self) -> None:
        reader = self._reader
        self._what = f"what module {module_name(reader.length())!r} keeps beside the keys: "
        if reader.length() != _MODULE_UNSIGNED:
            raise RdbError("it does not say where it belongs")
        reader.length()
        while True:
            kind = reader.length()
            if kind == _MODULE_END:
                return
            if kind in (_MODULE_SIGNED, _MODULE_UNSIGNED):
                reader.length()
            elif kind == _MODULE_FLOAT:
                reader.raw(4)
            elif kind == _MODULE_DOUBLE:
                reader.raw(8)
            elif kind == _MODULE_STRING:
                reader.string()
            else:
                raise RdbError(f"it has something of kind {kind}")

    def _key(self, code: int) -> FileKey | None:
        """The key whose value is of type ``code``; None if it has no elements."""
        reader = self._reader
        self._what = "a key: "
        key = reader.string()
        self._what = f"key {shown_key(key)} of database {self._database}: "
        expire_ms = self._expire_ms
        self._expire_ms = 0
        try:
            value = read_object(reader, code, self._version)
        except EmptyValueError:
            self.empty_keys += 1
            return None
        return FileKey(self._database, key, value, expire_ms)

    def _check_end(self) -> None:
        """Behind the opcode of the end: check what is there."""
        reader = self._reader
        unread = reader.at_hand()
        # What is at hand now has come with the last piece, which the opcode was in.
        checksum = crc64(self._piece[: len(self._piece) - unread], self._checksum)
        if self._version >= _FIRST_CHECKED_VERSION:
            expected = int.from_bytes(reader.raw(_CHECKSUM_BYTES), "little")
            if expected not in (0, checksum):
                raise RdbError(
                    f"the checksum is {checksum:016x} and should be {expected:016x}: the file is damaged"
                )
        if not reader.at_end():
            raise RdbError(
                "the file goes on behind its end; if it is an append-only file that begins as RDB, have"
                " its server save an RDB file"
            )


def _due(expire_ms: int) -> int:
    """A due time of a file, where -1 is none, as it is here, where 0 is none."""
    return 0 if expire_ms == -1 else max(expire_ms, 1)


def shown_key(key: bytes) -> str:
    """A key, for an error."""
    return repr(key if len(key) <= 100 else key[:97] + b"...")
