"""Strings as numbers: INCR, DECR, INCRBY, DECRBY and INCRBYFLOAT.

A number is the string that it was written as, and is read from it each time; there is no separate
representation. What is apart on disk is longer than any number, so these commands load no such value.
The due time of the key stays.
"""

from __future__ import annotations

from typing import Final

from dscache.cache.entry import Entry
from dscache.commands.arguments import I64_MAX, I64_MIN, integer, parse_i64
from dscache.commands.long_double import ZERO, LongDouble, parse_long_double
from dscache.commands.text import check_string
from dscache.engine.command import DENYOOM, FAST, WRITE, Registry
from dscache.engine.errors import NOT_A_FLOAT, NOT_AN_INTEGER
from dscache.engine.keyspace import KEEP_EXPIRY
from dscache.engine.keyspec import HEAD, KeySpec
from dscache.engine.session import Session
from dscache.errors import CommandError
from dscache.values.base import Apart
from dscache.values.text import bytes_of

registry: Final = Registry("string", "string")

_KEYS: Final = [KeySpec(1, access="RW ACCESS UPDATE", needs=HEAD)]


@registry.command(
    "INCR key",
    arity=2,
    flags=WRITE | DENYOOM | FAST,
    keys=_KEYS,
    since="1.0.0",
    complexity="O(1)",
)
def incr(session: Session, args: list[bytes]) -> object:
    """Adds one to the integer at a key, which is 0 if there is none."""
    return _increment(session, args[1], 1)


@registry.command(
    "DECR key",
    arity=2,
    flags=WRITE | DENYOOM | FAST,
    keys=_KEYS,
    since="1.0.0",
    complexity="O(1)",
)
def decr(session: Session, args: list[bytes]) -> object:
    """Takes one from the integer at a key, which is 0 if there is none."""
    return _increment(session, args[1], -1)


@registry.command(
    "INCRBY key increment",
    arity=3,
    flags=WRITE | DENYOOM | FAST,
    keys=_KEYS,
    since="1.0.0",
    complexity="O(1)",
)
def incrby(session: Session, args: list[bytes]) -> object:
    """Adds a number to the integer at a key, which is 0 if there is none."""
    return _increment(session, args[1], integer(args[2]))


@registry.command(
    "DECRBY key decrement",
    arity=3,
    flags=WRITE | DENYOOM | FAST,
    keys=_KEYS,
    since="1.0.0",
    complexity="O(1)",
)
def decrby(session: Session, args: list[bytes]) -> object:
    """Takes a number from the integer at a key, which is 0 if there is none."""
    decrement = integer(args[2])
    if decrement == I64_MIN:
        raise CommandError(b"ERR decrement would overflow")
    return _increment(session, args[1], -decrement)


def _increment(session: Session, key: bytes, increment: int) -> int:
    keyspace = session.keyspace
    entry = keyspace.find(key)
    if entry is None:
        keyspace.put(key, str(increment).encode(), 0, b"incrby")
        return increment
    text = _number_text(entry)
    number = None if text is None else parse_i64(text)
    if number is None:
        raise CommandError(NOT_AN_INTEGER)
    total = number + increment
    if total > I64_MAX or total < I64_MIN:
        raise CommandError(b"ERR increment or decrement would overflow")
    keyspace.put(key, str(total).encode(), KEEP_EXPIRY, b"incrby")
    return total


@registry.command(
    "INCRBYFLOAT key increment:double",
    arity=3,
    flags=WRITE | DENYOOM | FAST,
    keys=_KEYS,
    since="2.6.0",
    complexity="O(1)",
)
def incrbyfloat(session: Session, args: list[bytes]) -> object:
    """Adds a number to the floating-point number at a key, which is 0 if there is none."""
    key = args[1]
    keyspace = session.keyspace
    entry = keyspace.find(key)
    number: LongDouble | None = ZERO
    if entry is not None:
        text = _number_text(entry)
        number = None if text is None else parse_long_double(text)
    increment = parse_long_double(args[2])
    if number is None or increment is None:
        raise CommandError(NOT_A_FLOAT)
    total = number.plus(increment)
    if total is None or not total.is_finite():
        raise CommandError(b"ERR increment would produce NaN or Infinity")
    result = total.text()
    keyspace.put(key, result, KEEP_EXPIRY if entry is not None else 0, b"incrbyfloat")
    return result


def _number_text(entry: Entry) -> bytes | None:
    """What stands at a key that is to be a number; None if it is too long for one.

    Raises CommandError if it is no string.
    """
    value = entry.value
    if type(value) is bytes:
        return value
    check_string(value)
    return None if isinstance(value, Apart) else bytes_of(value)
