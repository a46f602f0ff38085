"""Hashes: HSET, HGET and their relatives, whole hashes, numbers in fields, random fields and HSCAN.

Due times of fields are in ``dscache.commands.hash_expiry``. Fields that are due do not exist here: the
keyspace removes them before it hands a hash out.
"""

from __future__ import annotations

from typing import Final

from dscache.commands.arguments import I64_MAX, I64_MIN, integer, parse_i64, syntax_error
from dscache.commands.long_double import ZERO, parse_long_double
from dscache.commands.scan_arguments import ElementOptions, scan_cursor
from dscache.engine.command import DENYOOM, FAST, READONLY, WRITE, Registry
from dscache.engine.errors import NOT_A_FLOAT, WRONG_TYPE
from dscache.engine.keyspace import Keyspace
from dscache.engine.keyspec import KeySpec
from dscache.engine.session import Session
from dscache.errors import CommandError
from dscache.values.hash import Hash
from dscache.wire.reply import OK, Pairs

registry: Final = Registry("hash", "hash")

_READ_KEY: Final = [KeySpec(1, access="RO ACCESS")]
_LOOKED_AT_KEY: Final = [KeySpec(1, access="RO")]
_UPDATED_KEY: Final = [KeySpec(1, access="RW UPDATE")]
_INCREMENTED_KEY: Final = [KeySpec(1, access="RW ACCESS UPDATE")]

# HRANDFIELD with a negative count may name a field again and again; the reply has to be made in memory.
_MOST_REPEATED: Final = 1_000_000


def readable_hash(session: Session, key: bytes) -> Hash | None:
    """The hash at ``key`` for reading, None if there is no such key; raises CommandError if it holds
    something else."""
    value = session.keyspace.for_read(key)
    if value is not None and not isinstance(value, Hash):
        raise CommandError(WRONG_TYPE)
    return value


def writable_hash(session: Session, key: bytes) -> Hash | None:
    """As ``readable_hash``, for changing it in place; it need not be changed after all."""
    value = session.keyspace.for_write(key)
    if value is not None and not isinstance(value, Hash):
        raise CommandError(WRONG_TYPE)
    return value


def tell_change(
    keyspace: Keyspace, key: bytes, old: Hash | None, changed: Hash, event: bytes
) -> None:
    """``changed`` has got fields or values: it is ``old``, which the key holds, or new."""
    if old is None:
        keyspace.put(key, changed, 0, event)
    else:
        keyspace.changed(key, event)


# Fields and values


@registry.command(
    "HSET key field value [field value ...]",
    arity=-4,
    flags=WRITE | DENYOOM | FAST,
    keys=_UPDATED_KEY,
    since="2.0.0",
    complexity="O(N) for N fields",
    history=[("4.0.0", "Several fields in one call.")],
)
def hset(session: Session, args: list[bytes]) -> object:
    """Sets fields of a hash, which is made if there is none; answers how many are new."""
    return _set_fields(session, args, b"hset")


@registry.command(
    "HMSET key field value [field value ...]",
    arity=-4,
    flags=WRITE | DENYOOM | FAST,
    keys=_UPDATED_KEY,
    since="2.0.0",
    complexity="O(N) for N fields",
    deprecated=("4.0.0", "`HSET` with multiple field-value pairs"),
)
def hmset(session: Session, args: list[bytes]) -> object:
    """Sets fields of a hash; HSET does the same."""
    _set_fields(session, args, b"hmset")
    return OK


def _set_fields(session: Session, args: list[bytes], command: bytes) -> int:
    if len(args) % 2 == 1:
        raise CommandError(b"ERR wrong number of arguments for '" + command + b"' command")
    key = args[1]
    old = writable_hash(session, key)
    fields = Hash() if old is None else old
    added = 0
    for place in range(2, len(args), 2):
        if fields.set(args[place], args[place + 1]):
            added += 1
    tell_change(session.keyspace, key, old, fields, b"hset")
    return added


@registry.command(
    "HSETNX key field value",
    arity=4,
    flags=WRITE | DENYOOM | FAST,
    keys=[KeySpec(1, access="RW INSERT")],
    since="2.0.0",
    complexity="O(1)",
)
def hsetnx(session: Session, args: list[bytes]) -> object:
    """Sets a field of a hash unless it has that field; answers whether it did."""
    _, key, field, value = args
    old = writable_hash(session, key)
    if old is not None and old.has(field):
        return 0
    fields = Hash() if old is None else old
    fields.set(field, value)
    tell_change(session.keyspace, key, old, fields, b"hset")
    return 1


@registry.command(
    "HGET key field",
    arity=3,
    flags=READONLY | FAST,
    keys=_READ_KEY,
    since="2.0.0",
    complexity="O(1)",
)
def hget(session: Session, args: list[bytes]) -> object:
    """Reads the value of a field."""
    fields = readable_hash(session, args[1])
    return None if fields is None else fields.get(args[2])


@registry.command(
    "HMGET key field [field ...]",
    arity=-3,
    flags=READONLY | FAST,
    keys=_READ_KEY,
    since="2.0.0",
    complexity="O(N) for N fields",
)
def hmget(session: Session, args: list[bytes]) -> object:
    """Reads the values of several fields; null for each that the hash does not have."""
    fields = readable_hash(session, args[1])
    if fields is None:
        return [None] * (len(args) - 2)
    found: list[object] = []
    for place in range(2, len(args)):
        found.append(fields.find(args[place]))
    return found


@registry.command(
    "HDEL key field [field ...]",
    arity=-3,
    flags=WRITE | FAST,
    keys=[KeySpec(1, access="RW DELETE")],
    since="2.0.0",
    complexity="O(N) for N fields",
    history=[("2.4.0", "Several fields in one call.")],
)
def hdel(session: Session, args: list[bytes]) -> object:
    """Removes fields, and the key with the last of them; answers how many there were."""
    key = args[1]
    fields = writable_hash(session, key)
    if fields is None:
        return 0
    removed = 0
    for place in range(2, len(args)):
        if fields.remove(args[place]):
            removed += 1
    if removed:
        session.keyspace.shrunk(key, b"hdel")
    return removed


@registry.command(
    "HEXISTS key field",
    arity=3,
    flags=READONLY | FAST,
    keys=_LOOKED_AT_KEY,
    since="2.0.0",
    complexity="O(1)",
)
def hexists(session: Session, args: list[bytes]) -> object:
    """Tells whether a hash has a field."""
    fields = readable_hash(session, args[1])
    return 1 if fields is not None and fields.has(args[2]) else 0


@registry.command(
    "HLEN key",
    arity=2,
    flags=READONLY | FAST,
    keys=_LOOKED_AT_KEY,
    since="2.0.0",
    complexity="O(1)",
)
def hlen(session: Session, args: list[bytes]) -> object:
    """Counts the fields of a hash, without those that are due; Redis counts these too until it has
    removed them."""
    fields = readable_hash(session, args[1])
    return 0 if fields is None else fields.count()


@registry.command(
    "HSTRLEN key field",
    arity=3,
    flags=READONLY | FAST,
    keys=_LOOKED_AT_KEY,
    since="3.2.0",
    complexity="O(1)",
)
def hstrlen(session: Session, args: list[bytes]) -> object:
    """Answers the length of the value of a field in bytes; 0 if there is no such field."""
    fields = readable_hash(session, args[1])
    value = None if fields is None else fields.get(args[2])
    return 0 if value is None else len(value)


# Whole hashes


@registry.command(
    "HGETALL key",
    arity=2,
    flags=READONLY,
    keys=_READ_KEY,
    since="2.0.0",
    complexity="O(N) for a hash of N fields",
    tips="nondeterministic_output_order",
)
def hgetall(session: Session, args: list[bytes]) -> object:
    """Reads all fields and their values."""
    fields = readable_hash(session, args[1])
    return {} if fields is None else fields.as_dict()


@registry.command(
    "HKEYS key",
    arity=2,
    flags=READONLY,
    keys=_READ_KEY,
    since="2.0.0",
    complexity="O(N) for a hash of N fields",
    tips="nondeterministic_output_order",
)
def hkeys(session: Session, args: list[bytes]) -> object:
    """Lists all fields."""
    fields = readable_hash(session, args[1])
    return [] if fields is None else fields.members()


@registry.command(
    "HVALS key",
    arity=2,
    flags=READONLY,
    keys=_READ_KEY,
    since="2.0.0",
    complexity="O(N) for a hash of N fields",
    tips="nondeterministic_output_order",
)
def hvals(session: Session, args: list[bytes]) -> object:
    """Lists all values."""
    fields = readable_hash(session, args[1])
    return [] if fields is None else fields.values()


@registry.command(
    "HSCAN key cursor [MATCH pattern] [COUNT count] [NOVALUES]",
    arity=-3,
    flags=READONLY,
    keys=_READ_KEY,
    since="2.8.0",
    complexity="O(1) for every call; O(N) for a whole iteration, where N is the number of fields",
    tips="nondeterministic_output",
)
def hscan(session: Session, args: list[bytes]) -> object:
    """Goes through a hash a few fields at a time: answers the next cursor, 0 at the end, and some
    fields with their values."""
    cursor = scan_cursor(args[2])
    fields = readable_hash(session, args[1])
    if fields is None:
        return [b"0", []]
    options = ElementOptions(args, knows_novalues=True)
    is_packed = fields.encoding(session.engine.config) != b"hashtable"
    following, names = fields.scan(cursor, options.count, is_packed)
    found: list[object] = []
    for name in names:
        if options.matches(name):
            found.append(name)
            if not options.no_values:
                found.append(fields.find(name))
    return [b"%d" % following, found]


@registry.command(
    "HRANDFIELD key [count [WITHVALUES]]",
    arity=-2,
    flags=READONLY,
    keys=_READ_KEY,
    since="6.2.0",
    complexity="O(N) for N fields",
    tips="nondeterministic_output",
)
def hrandfield(session: Session, args: list[bytes]) -> object:
    """Picks fields at random: one, or a number of different ones; if that is negative, the same may
    come again."""
    if len(args) == 2:
        fields = readable_hash(session, args[1])
        return None if fields is None else fields.random_member()
    count = integer(args[2])
    if count == I64_MIN:
        raise CommandError(
            b"ERR value is out of range, value must between %d and %d" % (-I64_MAX, I64_MAX)
        )
    with_values = len(args) > 3
    if len(args) > 4 or (with_values and args[3].upper() != b"WITHVALUES"):
        raise syntax_error()
    if count < -_MOST_REPEATED or (with_values and count > I64_MAX // 2):
        raise CommandError(b"ERR value is out of range")
    fields = readable_hash(session, args[1])
    if fields is None or count == 0:
        return []
    if count > 0:
        names = fields.random_fields(count)
    else:
        names = [fields.random_member() for _ in range(-count)]
    if not with_values:
        return names
    return Pairs([(name, fields.find(name)) for name in names])


# Numbers


@registry.command(
    "HINCRBY key field increment",
    arity=4,
    flags=WRITE | DENYOOM | FAST,
    keys=_INCREMENTED_KEY,
    since="2.0.0",
    complexity="O(1)",
)
def hincrby(session: Session, args: list[bytes]) -> object:
    """Adds a number to the integer in a field, which is 0 if there is none."""
    _, key, field, text = args
    increment = integer(text)
    old = writable_hash(session, key)
    present = None if old is None else old.get(field)
    number = 0 if present is None else parse_i64(present)
    if number is None:
        raise CommandError(b"ERR hash value is not an integer")
    total = number + increment
    if total > I64_MAX or total < I64_MIN:
        raise CommandError(b"ERR increment or decrement would overflow")
    fields = Hash() if old is None else old
    fields.replace(field, b"%d" % total)
    tell_change(session.keyspace, key, old, fields, b"hincrby")
    return total


@registry.command(
    "HINCRBYFLOAT key field increment:double",
    arity=4,
    flags=WRITE | DENYOOM | FAST,
    keys=_INCREMENTED_KEY,
    since="2.6.0",
    complexity="O(1)",
)
def hincrbyfloat(session: Session, args: list[bytes]) -> object:
    """Adds a number to the floating-point number in a field, which is 0 if there is none."""
    _, key, field, text = args
    increment = parse_long_double(text)
    if increment is None:
        raise CommandError(NOT_A_FLOAT)
    if not increment.is_finite():
        raise CommandError(b"ERR value is NaN or Infinity")
    old = writable_hash(session, key)
    present = None if old is None else old.get(field)
    number = ZERO if present is None else parse_long_double(present)
    if number is None:
        raise CommandError(b"ERR hash value is not a float")
    total = number.plus(increment)
    if total is None or not total.is_finite():
        raise CommandError(b"ERR increment would produce NaN or Infinity")
    result = total.text()
    fields = Hash() if old is None else old
    fields.replace(field, result)
    tell_change(session.keyspace, key, old, fields, b"hincrbyfloat")
    return result
