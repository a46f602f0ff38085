"""What every value is, and how values become payloads of records and back.

A short string is a plain ``bytes`` object: immutable, so it needs no copy when it is saved while it is
being replaced, and no wrapper. Everything else is a ``Value``: an object with its own methods, which
keeps the sum of its own memory (``size_bytes``) as it changes and encodes itself into stable bytes.
Commands use nothing but those methods, so a representation can change without a handler knowing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mypy_extensions import mypyc_attr

if TYPE_CHECKING:
    from dscache.config import Config

#: Type codes in records. They are on disk: never renumber, only append.
STRING: Final = 0
LIST: Final = 1
SET: Final = 2
ZSET: Final = 3
HASH: Final = 4
STREAM: Final = 5
TYPE_NAMES: Final = (b"string", b"list", b"set", b"zset", b"hash", b"stream")

# What CPython adds to the bytes of a ``bytes`` object: header, hash, length and final zero.
BYTES_OVERHEAD: Final = 33


@mypyc_attr(acyclic=True)
class Value:
    """A value that is not a plain ``bytes``."""

    def type_code(self) -> int:
        """One of the type codes above."""
        raise NotImplementedError

    def size_bytes(self) -> int:
        """Memory that the value takes. O(1): values keep their own sum."""
        raise NotImplementedError

    def encode(self) -> bytes:
        """The payload of its record: equal values give equal bytes. O(n)."""
        raise NotImplementedError

    def copy(self) -> Value:
        """An independent copy. O(n)."""
        raise NotImplementedError

    def count(self) -> int:
        """Number of elements; of a string, of bytes. O(1). A container without any does not exist."""
        raise NotImplementedError

    def encoding(self, config: Config) -> bytes:
        """What OBJECT ENCODING answers: what Redis would use at the thresholds of ``config``. O(1)."""
        raise NotImplementedError

    def next_due_ms(self) -> int:
        """When the first of its elements expires, in ms since the epoch; 0 = none does. O(1)."""
        return 0

    def expire(self, now_ms: int) -> int:
        """Remove the elements that are due at ``now_ms``; how many they were. Asked for only when
        ``next_due_ms`` says that there are any."""
        raise NotImplementedError


class Apart(Value):
    """Stands for a value of which only the record's head is in memory.

    The loader installs it when a command needs to know that a key exists, or its type, expiry or
    length, and the payload is kept apart on disk. Reading the value loads it.
    """

    def __init__(self, type_code: int, payload_bytes: int, field_due_ms: int = 0) -> None:
        self._type_code = type_code
        #: Length of the payload on disk.
        self.payload_bytes = payload_bytes
        #: When the first of its fields is due, 0 if none is. (``next_due_ms`` is for what can expire them.)
        self.field_due_ms = field_due_ms

    def type_code(self) -> int:
        return self._type_code

    def size_bytes(self) -> int:
        return 64


def field_due_of(value: object) -> int:
    """When the first field of a value that a key can hold is due, in ms since the epoch; 0 = none is."""
    if type(value) is bytes or not isinstance(value, Value):
        return 0
    return value.field_due_ms if isinstance(value, Apart) else value.next_due_ms()


def has_expired(value: object, expire_ms: int, now_ms: int) -> bool:
    """Whether a key with this value and due time (0: none) is gone at ``now_ms``: it is due, or all of its
    fields are. Fields that are due are removed from the value."""
    if 0 < expire_ms <= now_ms:
        return True
    if not isinstance(value, Value) or not 0 < value.next_due_ms() <= now_ms:
        return False
    value.expire(now_ms)
    return value.count() == 0


def type_code_of(value: object) -> int:
    """The type code of any value that a key can hold."""
    if type(value) is bytes:
        return STRING
    assert isinstance(value, Value), f"{type(value).__name__} is not a value"
    return value.type_code()


def size_of(value: object) -> int:
    """Accounted memory of any value that a key can hold. O(1)."""
    if type(value) is bytes:
        return BYTES_OVERHEAD + len(value)
    assert isinstance(value, Value), f"{type(value).__name__} is not a value"
    return value.size_bytes()
