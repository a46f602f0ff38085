"""What goes over the wire: batches of GET and SET as bytes, and the replies that must come back.

A key's number determines its name *and* its value, so every reply can be checked without
remembering what was written. Requests are made from prepared templates with one ``%`` per batch,
which costs 0.15 µs for a GET and 0.55 µs for a SET or a checked GET: the generator's budget.

Values are cut from a pool of random letters at a place that depends on the key. So they have no
repetition for LZ4 or Zstandard to find across keys, and a disk store gets no present from us.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

ABSENT_REPLY: Final = b"$-1\r\n"
STORED_REPLY: Final = b"+OK\r\n"
KEY_DIGITS: Final = 12  # "key:%012d", the names that redis-benchmark -r uses
_GET: Final = b"*2\r\n$3\r\nGET\r\n$16\r\nkey:%012d\r\n"
_POOL_BYTES: Final = 1 << 20
_POOL: Final = bytes(
    random.Random(2011).choices(
        b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/", k=_POOL_BYTES
    )
)
_STRIDE: Final = 104_729  # prime, so that neighbouring keys get distant letters


def key_name(key: int) -> bytes:
    """The key's name on the wire."""
    return b"key:%012d" % key


def value(key: int, size: int) -> bytes:
    """The value that belongs to ``key``, ``size`` bytes long (at least `KEY_DIGITS`)."""
    return b"%012d" % key + _filler(key, size - KEY_DIGITS)


def _filler(key: int, size: int) -> bytes:
    start = key * _STRIDE % (_POOL_BYTES - size)
    return _POOL[start : start + size]


@dataclass(frozen=True, slots=True)
class Batch:
    """Requests sent together, and what is known of their replies before they arrive."""

    request: bytes
    reply_bytes: int
    """Length of the replies if every key is present and nothing fails."""
    reply: bytes | None
    """The replies themselves, where they are to be checked."""


class Batcher:
    """Builds batches in which the commands at ``writes`` are SETs and the others GETs."""

    def __init__(self, pipeline: int, writes: frozenset[int], value_size: int, check: bool) -> None:
        filler_size = value_size - KEY_DIGITS
        assert filler_size >= 0, "a value begins with its key's number"
        self._filler_size = filler_size
        self._writes = sorted(writes, reverse=True)
        set_template = b"*3\r\n$3\r\nSET\r\n$16\r\nkey:%%012d\r\n$%d\r\n%%012d%%b\r\n" % value_size
        value_template = b"$%d\r\n%%012d%%b\r\n" % value_size
        self._only_writes = len(writes) == pipeline
        self._requests = b"".join(set_template if i in writes else _GET for i in range(pipeline))
        self._replies = b"".join(
            STORED_REPLY if i in writes else value_template for i in range(pipeline)
        )
        present_bytes = len(value_template % (0, b"")) + filler_size
        self._reply_bytes = len(writes) * len(STORED_REPLY) + (
            (pipeline - len(writes)) * present_bytes
        )
        self._read_positions = [i for i in range(pipeline) if i not in writes]
        self._check = check

    def batch(self, keys: Sequence[int]) -> Batch:
        """The batch for exactly ``pipeline`` keys."""
        arguments: list[int | bytes] = []
        if self._only_writes:
            size, room = self._filler_size, _POOL_BYTES - self._filler_size
            for key in keys:
                start = key * _STRIDE % room  # _filler(), inlined: half of the cost of a SET
                arguments += (key, key, _POOL[start : start + size])
        else:
            arguments += keys
            for position in self._writes:
                key = keys[position]
                arguments[position : position + 1] = [key, key, _filler(key, self._filler_size)]
        request = self._requests % tuple(arguments)
        return Batch(request, self._reply_bytes, self._expected(keys) if self._check else None)

    def _expected(self, keys: Sequence[int]) -> bytes:
        arguments: list[int | bytes] = []
        for position in self._read_positions:
            key = keys[position]
            arguments += (key, _filler(key, self._filler_size))
        return self._replies % tuple(arguments)


@dataclass(frozen=True, slots=True)
class Count:
    """What was found in a stretch of replies."""

    replies: int
    absent: int
    first_error: bytes | None


def looks_unusual(data: bytes) -> bool:
    """Whether the replies contain an absent key or an error, so that their length says nothing.

    Exact, because our values contain neither ``$`` nor a line end.
    """
    return data[:1] == b"-" or ABSENT_REPLY in data or b"\r\n-" in data


def count_replies(data: bytes) -> Count:
    """Walk over the complete replies in ``data``; the slow way, for unusual replies only."""
    replies = absent = position = 0
    first_error: bytes | None = None
    while (line_end := data.find(b"\r\n", position)) >= 0:
        kind, line = data[position], data[position + 1 : line_end]
        position = line_end + 2
        if kind == ord("$") and line == b"-1":
            absent += 1
        elif kind == ord("$"):
            position += int(line) + 2
            if position > len(data):
                break
        elif kind == ord("-") and first_error is None:
            first_error = line
        replies += 1
    return Count(replies, absent, first_error)
