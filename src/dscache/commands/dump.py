"""DUMP and RESTORE: a value as bytes, to be kept elsewhere or taken to another server.

The bytes are Redis's own (``dscache.rdb.dump``), so values go from Redis and Valkey to dscache and back.
"""

from __future__ import annotations

from typing import Final

from dscache.cache.sampling import Lfu
from dscache.commands.arguments import I64_MAX, integer, syntax_error
from dscache.engine.command import DENYOOM, READONLY, WRITE, Registry
from dscache.engine.keyspec import HEAD, NOTHING, KeySpec
from dscache.engine.session import Session
from dscache.errors import CommandError, RdbError
from dscache.rdb.dump import dumped, is_intact, restored
from dscache.wire.reply import OK

registry: Final = Registry("generic", "keyspace")

_BUSY_KEY: Final = b"BUSYKEY Target key name already exists."
_BAD_TTL: Final = b"ERR Invalid TTL value, must be >= 0"
_LATE_TTL: Final = b"ERR invalid expire time in 'restore' command"
_BAD_IDLETIME: Final = b"ERR Invalid IDLETIME value, must be >= 0"
_BAD_FREQ: Final = b"ERR Invalid FREQ value, must be >= 0 and <= 255"
_BAD_CHECKSUM: Final = b"ERR DUMP payload version or checksum are wrong"
_BAD_FORMAT: Final = b"ERR Bad data format"


@registry.command(
    "DUMP key",
    arity=2,
    flags=READONLY,
    keys=[KeySpec(1, access="RO ACCESS")],
    since="2.6.0",
    complexity="O(N) for a value of N bytes",
    tips="nondeterministic_output",
)
def dump(session: Session, args: list[bytes]) -> object:
    """Serializes the value of a key, as Redis does."""
    value = session.keyspace.for_read(args[1])
    return None if value is None else dumped(value, session.engine.config)


class _Options:
    """What stands behind the payload of RESTORE. Raises CommandError."""

    def __init__(self, args: list[bytes]) -> None:
        self.replaces = False
        self.is_absolute = False
        #: -1: not given.
        self.frequency = -1
        self.idle_seconds = -1
        place = 4
        while place < len(args):
            option = args[place].upper()
            place += 1
            if option == b"REPLACE":
                self.replaces = True
            elif option == b"ABSTTL":
                self.is_absolute = True
            elif option == b"IDLETIME" and place < len(args) and self.frequency == -1:
                self.idle_seconds = integer(args[place])
                if self.idle_seconds < 0:
                    raise CommandError(_BAD_IDLETIME)
                place += 1
            elif option == b"FREQ" and place < len(args) and self.idle_seconds == -1:
                self.frequency = integer(args[place])
                if not 0 <= self.frequency <= 255:
                    raise CommandError(_BAD_FREQ)
                place += 1
            else:
                raise syntax_error()


def _needs_of_restore(args: list[bytes]) -> int:
    """With REPLACE it does not matter whether the key exists."""
    return NOTHING if b"REPLACE" in [arg.upper() for arg in args[4:]] else HEAD


@registry.command(
    "RESTORE key ttl:integer serialized-value [REPLACE]@3.0.0 [ABSTTL]@5.0.0"
    " [IDLETIME seconds]@5.0.0 [FREQ frequency]@5.0.0",
    arity=-4,
    flags=WRITE | DENYOOM,
    keys=[KeySpec(1, access="OW UPDATE", needs=NOTHING, chooser=_needs_of_restore)],
    since="2.6.0",
    complexity="O(N) for a value of N bytes; O(N*log(N)) for a sorted set",
    categories="dangerous",
    history=[
        ("3.0.0", "REPLACE."),
        ("5.0.0", "ABSTTL."),
        ("5.0.0", "IDLETIME and FREQ."),
    ],
)
def restore(session: Session, args: list[bytes]) -> object:
    """Makes a key of a value that DUMP has serialized, here or in a Redis or Valkey server."""
    options = _Options(args)
    keyspace = session.keyspace
    key, payload = args[1], args[3]
    if not options.replaces and keyspace.find(key) is not None:
        raise CommandError(_BUSY_KEY)
    due_ms = integer(args[2])
    if due_ms < 0:
        raise CommandError(_BAD_TTL)
    core = session.engine.core
    if due_ms > 0 and not options.is_absolute:
        due_ms += int(core.now_ms)
        if due_ms > I64_MAX:
            # Redis lets it overflow, takes the key for expired, and says OK.
            raise CommandError(_LATE_TTL)
    if not is_intact(payload):
        raise CommandError(_BAD_CHECKSUM)
    try:
        value = restored(payload)
    except RdbError:
        raise CommandError(_BAD_FORMAT) from None
    if due_ms > 0 and core.is_due(due_ms):
        if options.replaces:
            keyspace.delete(key, b"del")
        return OK
    keyspace.announce(key)
    keyspace.put(key, value, due_ms, b"restore", is_announced=True)
    entry = keyspace.find(key)
    assert entry is not None, "the key has just been put"
    residency = session.engine.residency
    # As in Redis, what the policy does not look at is not set.
    if isinstance(residency.policy, Lfu):
        if options.frequency >= 0:
            entry.frequency = options.frequency
    elif options.idle_seconds >= 0:
        residency.set_idle_s(entry, options.idle_seconds)
    return OK
