"""Parts of strings: APPEND, SETRANGE, GETRANGE (and SUBSTR, its old name), and STRLEN.

Changes are made in place once a string is long (see ``dscache.values.text``). STRLEN never loads a
value that is kept apart on disk: the length of a string's payload is the string's.
"""

from __future__ import annotations

from typing import Final

from dscache.commands.arguments import integer
from dscache.commands.text import check_length, check_string, overwrite
from dscache.engine.command import DENYOOM, FAST, READONLY, WRITE, Registry
from dscache.engine.keyspec import HEAD, KeySpec
from dscache.engine.session import Session
from dscache.errors import CommandError
from dscache.values.base import Apart
from dscache.values.text import length_of, slice_of

registry: Final = Registry("string", "string")


@registry.command(
    "APPEND key value",
    arity=3,
    flags=WRITE | DENYOOM | FAST,
    keys=[KeySpec(1, access="RW INSERT")],
    since="2.0.0",
    complexity="O(M), amortized, where M is the length of the value.",
)
def append(session: Session, args: list[bytes]) -> object:
    """Adds bytes to the end of a string and answers its new length."""
    key = args[1]
    added = args[2]
    entry = session.keyspace.find(key)
    length = 0
    if entry is not None:
        check_string(entry.value)
        length = length_of(entry.value)
        check_length(session, length + len(added))
    overwrite(session, key, entry, length, added, b"append")
    return length + len(added)


@registry.command(
    "STRLEN key",
    arity=2,
    flags=READONLY | FAST,
    keys=[KeySpec(1, access="RO", needs=HEAD)],
    since="2.2.0",
    complexity="O(1)",
)
def strlen(session: Session, args: list[bytes]) -> object:
    """Answers the length of a string in bytes."""
    keyspace = session.keyspace
    entry = keyspace.find(args[1])
    if entry is not None and isinstance(entry.value, Apart):
        value: object = entry.value
        keyspace.exists(args[1])  # counts the hit
    else:
        value = keyspace.for_read(args[1])
    if value is None:
        return 0
    check_string(value)
    return length_of(value)


@registry.command(
    "SETRANGE key offset value",
    arity=4,
    flags=WRITE | DENYOOM,
    keys=[KeySpec(1, access="RW UPDATE")],
    since="2.2.0",
    complexity="O(M) where M is the length of the value, and of the gap before it if any.",
)
def setrange(session: Session, args: list[bytes]) -> object:
    """Overwrites a part of a string, lengthening it with zero bytes if it must."""
    key = args[1]
    offset = integer(args[2])
    if offset < 0:
        raise CommandError(b"ERR offset is out of range")
    data = args[3]
    entry = session.keyspace.find(key)
    length = 0
    if entry is not None:
        check_string(entry.value)
        length = length_of(entry.value)
    if not data:
        return length
    check_length(session, offset + len(data))
    overwrite(session, key, entry, offset, data, b"setrange")
    return max(length, offset + len(data))


@registry.command(
    "GETRANGE key start end",
    arity=4,
    flags=READONLY,
    keys=[KeySpec(1, access="RO ACCESS")],
    since="2.4.0",
    complexity="O(N) where N is the length of the returned string.",
)
def getrange(session: Session, args: list[bytes]) -> object:
    """Reads a part of a string; negative positions count from its end."""
    start = integer(args[2])
    end = integer(args[3])
    value = session.keyspace.for_read(args[1])
    if value is None:
        return b""
    check_string(value)
    length = length_of(value)
    if start < 0:
        # Two positions before the beginning are both clipped to it, unless they are in reverse.
        if end < 0 and start > end:
            return b""
        start = max(start + length, 0)
    if end < 0:
        end = max(end + length, 0)
    end = min(end, length - 1)
    if start > end:
        return b""
    return slice_of(value, start, end + 1)


@registry.command(
    "SUBSTR key start end",
    arity=4,
    flags=READONLY,
    keys=[KeySpec(1, access="RO ACCESS")],
    since="1.0.0",
    complexity="O(N) where N is the length of the returned string.",
    deprecated=("2.0.0", "`GETRANGE`"),
)
def substr(session: Session, args: list[bytes]) -> object:
    """Reads a part of a string; an old name of GETRANGE."""
    return getrange(session, args)
