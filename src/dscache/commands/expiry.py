"""TTL, EXPIRE and their relatives: when keys are due.

A due time stands in the head of a key's record, so none of these commands loads a value.
"""

from __future__ import annotations

from typing import Final

from dscache.commands.arguments import I64_MAX, I64_MIN, integer
from dscache.engine.command import FAST, READONLY, WRITE, Registry
from dscache.engine.keyspec import HEAD, KeySpec
from dscache.engine.session import Session
from dscache.errors import CommandError

registry: Final = Registry("generic", "keyspace")

_EXPIRING_KEY: Final = [KeySpec(1, access="RW UPDATE", needs=HEAD)]
_LOOKED_AT_KEY: Final = [KeySpec(1, access="RO ACCESS", needs=HEAD)]


def _due_ms(session: Session, key: bytes) -> int:
    """When ``key`` is due, in ms since the epoch; -1 for never, -2 if there is no such key."""
    keyspace = session.keyspace
    if not keyspace.exists(key):
        return -2
    return keyspace.expiry_of(key) or -1


def _left_ms(session: Session, key: bytes) -> int:
    """How long ``key`` has still got; -1 and -2 as above."""
    due = _due_ms(session, key)
    return due if due < 0 else due - int(session.engine.core.now_ms)


def _in_seconds(ms: int) -> int:
    return ms if ms < 0 else (ms + 500) // 1000


@registry.command(
    "TTL key",
    arity=2,
    flags=READONLY | FAST,
    keys=_LOOKED_AT_KEY,
    since="1.0.0",
    complexity="O(1)",
    history=[("2.8.0", "Answers -2 for a key that does not exist.")],
    tips="nondeterministic_output",
)
def ttl(session: Session, args: list[bytes]) -> object:
    """Tells how many seconds a key has left: -1 if it does not expire, -2 if it does not exist."""
    return _in_seconds(_left_ms(session, args[1]))


@registry.command(
    "PTTL key",
    arity=2,
    flags=READONLY | FAST,
    keys=_LOOKED_AT_KEY,
    since="2.6.0",
    complexity="O(1)",
    history=[("2.8.0", "Answers -2 for a key that does not exist.")],
    tips="nondeterministic_output",
)
def pttl(session: Session, args: list[bytes]) -> object:
    """Tells how many milliseconds a key has left; -1 and -2 as with TTL."""
    return _left_ms(session, args[1])


@registry.command(
    "EXPIRETIME key",
    arity=2,
    flags=READONLY | FAST,
    keys=_LOOKED_AT_KEY,
    since="7.0.0",
    complexity="O(1)",
)
def expiretime(session: Session, args: list[bytes]) -> object:
    """Tells when a key is due, as a Unix time in seconds; -1 and -2 as with TTL."""
    return _in_seconds(_due_ms(session, args[1]))


@registry.command(
    "PEXPIRETIME key",
    arity=2,
    flags=READONLY | FAST,
    keys=_LOOKED_AT_KEY,
    since="7.0.0",
    complexity="O(1)",
)
def pexpiretime(session: Session, args: list[bytes]) -> object:
    """Tells when a key is due, as a Unix time in milliseconds; -1 and -2 as with TTL."""
    return _due_ms(session, args[1])


class _Condition:
    """NX, XX, GT or LT: on which present due time a new one may take effect."""

    def __init__(self, options: list[bytes]) -> None:
        given = [option.upper() for option in options]
        for option, name in zip(options, given, strict=True):
            if name not in (b"NX", b"XX", b"GT", b"LT"):
                raise CommandError(b"ERR Unsupported option " + option)
        self._is_new = b"NX" in given
        self._is_there = b"XX" in given
        self._is_later = b"GT" in given
        self._is_earlier = b"LT" in given
        if self._is_new and (self._is_there or self._is_later or self._is_earlier):
            raise CommandError(
                b"ERR NX and XX, GT or LT options at the same time are not compatible"
            )
        if self._is_later and self._is_earlier:
            raise CommandError(b"ERR GT and LT options at the same time are not compatible")

    def allows(self, present: int, due: int) -> bool:
        """Whether ``due`` may replace ``present``, where 0 is never, and later than any time."""
        if self._is_new and present:
            return False
        if self._is_there and not present:
            return False
        if self._is_later and (not present or due <= present):
            return False
        return not (self._is_earlier and present and due >= present)


def _expire(
    session: Session, args: list[bytes], unit_ms: int, is_relative: bool, command: bytes
) -> int:
    """EXPIRE and its three relatives: the time in ``args`` is in ``unit_ms``, from now or not."""
    condition = _Condition(args[3:]) if len(args) > 3 else None
    due = integer(args[2]) * unit_ms
    # Redis checks for an overflow by the unit on both sides, by the addition only above.
    if due < I64_MIN or due > I64_MAX:
        raise _invalid_time(command)
    core = session.engine.core
    if is_relative:
        due += int(core.now_ms)
        if due > I64_MAX:
            raise _invalid_time(command)
    key = args[1]
    keyspace = session.keyspace
    present = keyspace.expiry_of(key)
    if present is None or (condition is not None and not condition.allows(present, due)):
        return 0
    if core.is_due(due):
        keyspace.delete(key, b"del")
    else:
        keyspace.set_expiry(key, due, b"expire")
    return 1


def _invalid_time(command: bytes) -> CommandError:
    return CommandError(b"ERR invalid expire time in '" + command + b"' command")


@registry.command(
    "EXPIRE key seconds [NX | XX | GT | LT]@7.0.0",
    arity=-3,
    flags=WRITE | FAST,
    keys=_EXPIRING_KEY,
    since="1.0.0",
    complexity="O(1)",
    history=[("7.0.0", "NX, XX, GT and LT.")],
)
def expire(session: Session, args: list[bytes]) -> object:
    """Lets a key be due in a number of seconds; at once, if that is none or negative."""
    return _expire(session, args, 1000, True, b"expire")


@registry.command(
    "PEXPIRE key milliseconds [NX | XX | GT | LT]@7.0.0",
    arity=-3,
    flags=WRITE | FAST,
    keys=_EXPIRING_KEY,
    since="2.6.0",
    complexity="O(1)",
    history=[("7.0.0", "NX, XX, GT and LT.")],
)
def pexpire(session: Session, args: list[bytes]) -> object:
    """Lets a key be due in a number of milliseconds."""
    return _expire(session, args, 1, True, b"pexpire")


@registry.command(
    "EXPIREAT key unix-time-seconds [NX | XX | GT | LT]@7.0.0",
    arity=-3,
    flags=WRITE | FAST,
    keys=_EXPIRING_KEY,
    since="1.2.0",
    complexity="O(1)",
    history=[("7.0.0", "NX, XX, GT and LT.")],
)
def expireat(session: Session, args: list[bytes]) -> object:
    """Lets a key be due at a Unix time in seconds; a time that has passed deletes it."""
    return _expire(session, args, 1000, False, b"expireat")


@registry.command(
    "PEXPIREAT key unix-time-milliseconds [NX | XX | GT | LT]@7.0.0",
    arity=-3,
    flags=WRITE | FAST,
    keys=_EXPIRING_KEY,
    since="2.6.0",
    complexity="O(1)",
    history=[("7.0.0", "NX, XX, GT and LT.")],
)
def pexpireat(session: Session, args: list[bytes]) -> object:
    """Lets a key be due at a Unix time in milliseconds."""
    return _expire(session, args, 1, False, b"pexpireat")


@registry.command(
    "PERSIST key",
    arity=2,
    flags=WRITE | FAST,
    keys=_EXPIRING_KEY,
    since="2.2.0",
    complexity="O(1)",
)
def persist(session: Session, args: list[bytes]) -> object:
    """Takes a key's due time away, so that it stays."""
    keyspace = session.keyspace
    if not keyspace.expiry_of(args[1]):
        return 0
    keyspace.set_expiry(args[1], 0, b"persist")
    return 1
