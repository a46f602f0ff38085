"""Append-only files: the commands that make a data set anew, for Redis 7.0 and whatever reads its protocol.

Containers come in commands of at most 64 elements, as in Redis, so that no command holds a server up. A
stream's counters, groups and pending entries follow its entries. What no command can say is lost: when
consumers were seen, and pending entries whose entry has been deleted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from librt.strings import BytesWriter

from dscache.log.format import add_command
from dscache.rdb.objects import score_text
from dscache.values.hash import Hash
from dscache.values.list import List
from dscache.values.set import Set
from dscache.values.stream import Stream
from dscache.values.stream_groups import Group
from dscache.values.stream_id import MAX_ID, text_of_id
from dscache.values.text import bytes_of
from dscache.values.zset import ZSet

# Elements of a container in one command (Redis's AOF_REWRITE_ITEMS_PER_CMD).
_ELEMENTS: Final = 64

# Entries that are taken from a stream at a time.
_STEP: Final = 1000

# What is gathered before it is handed on.
_PIECE_BYTES: Final = 1 << 18


class AofWriter:
    """See the module's docstring, and ``output.Output``. Hands the file piece by piece to ``write``."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write: Final = write
        self._gathered = BytesWriter()

    def library(self, source: bytes) -> None:
        """See ``Output.library``."""
        self._command([b"FUNCTION", b"LOAD", source])

    def database(self, index: int, keys: int, expires: int) -> None:
        """See ``Output.database``."""
        self._command([b"SELECT", b"%d" % index])

    def key(self, key: bytes, value: object, expire_ms: int) -> None:
        """See ``Output.key``."""
        if isinstance(value, List):
            self._in_parts(b"RPUSH", key, value.items(), 1)
        elif isinstance(value, Set):
            self._in_parts(b"SADD", key, value.members(), 1)
        elif isinstance(value, ZSet):
            self._sorted_set(key, value)
        elif isinstance(value, Hash):
            self._hash(key, value)
        elif isinstance(value, Stream):
            self._stream(key, value)
        else:
            self._command([b"SET", key, bytes_of(value)])
        if expire_ms != 0:
            self._command([b"PEXPIREAT", key, b"%d" % expire_ms])

    def end(self) -> None:
        """See ``Output.end``."""
        self._hand_on()

    def _command(self, args: list[bytes]) -> None:
        add_command(self._gathered, args)
        if len(self._gathered) >= _PIECE_BYTES:
            self._hand_on()

    def _hand_on(self) -> None:
        self._write(self._gathered.getvalue())
        self._gathered = BytesWriter()

    def _in_parts(self, name: bytes, key: bytes, words: list[bytes], per_element: int) -> None:
        """A command for every 64 elements, which have ``per_element`` words each."""
        step = _ELEMENTS * per_element
        for start in range(0, len(words), step):
            self._command([name, key, *words[start : start + step]])

    def _sorted_set(self, key: bytes, value: ZSet) -> None:
        words: list[bytes] = []
        for member, score in value.items():
            words.append(score_text(score))
            words.append(member)
        self._in_parts(b"ZADD", key, words, 2)

    def _hash(self, key: bytes, value: Hash) -> None:
        words: list[bytes] = []
        for field, content in value.items():
            words.append(field)
            words.append(content)
        self._in_parts(b"HSET", key, words, 2)
        if value.next_due_ms() == 0:
            return
        for field in value.members():
            due_ms = value.due_ms(field)
            if due_ms != 0:
                self._command([b"HPEXPIREAT", key, b"%d" % due_ms, b"FIELDS", b"1", field])

    def _stream(self, key: bytes, value: Stream) -> None:
        if value.count() == 0:
            # An entry that is trimmed at once: there is no other way to make a stream without any.
            self._command([b"XADD", key, b"MAXLEN", b"0", b"0-1", b"x", b"y"])
        start = 0
        while entries := value.range(start, MAX_ID, _STEP):
            for entry in entries:
                self._command([b"XADD", key, text_of_id(entry.number), *entry.pairs()])
            start = entries[-1].number + 1
        self._command(
            [
                b"XSETID",
                key,
                text_of_id(value.last_id),
                b"ENTRIESADDED",
                b"%d" % value.entries_added,
                b"MAXDELETEDID",
                text_of_id(value.max_deleted_id),
            ]
        )
        for group in value.groups():
            self._group(key, group)

    def _group(self, key: bytes, group: Group) -> None:
        name = group.name
        last_id = text_of_id(group.last_id)
        entries_read = b"%d" % group.entries_read
        self._command([b"XGROUP", b"CREATE", key, name, last_id, b"ENTRIESREAD", entries_read])
        for consumer in group.consumers():
            self._command([b"XGROUP", b"CREATECONSUMER", key, name, consumer.name])
        for pending in group.range(0, MAX_ID, 0):
            self._command(
                [
                    b"XCLAIM",
                    key,
                    name,
                    pending.consumer.name,
                    b"0",
                    text_of_id(pending.number),
                    b"TIME",
                    b"%d" % pending.delivered_ms,
                    b"RETRYCOUNT",
                    b"%d" % pending.deliveries,
                    b"JUSTID",
                    b"FORCE",
                ]
            )
