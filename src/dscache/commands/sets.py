"""Commands on sets: members one by one, at random, and the algebra of several sets.

Replies that are sets are set replies in RESP3; those of SRANDMEMBER are not, as they may repeat members.
Where Redis has an order for members, an intset's, it is the same here.
"""

from __future__ import annotations

from typing import Final

from dscache.commands.arguments import I64_MAX, integer, integer_between, syntax_error
from dscache.commands.scan_arguments import ElementOptions, scan_cursor
from dscache.engine.command import DENYOOM, FAST, READONLY, WRITE, Registry
from dscache.engine.errors import WRONG_TYPE
from dscache.engine.keyspace import KEEP_EXPIRY
from dscache.engine.keyspec import HEAD, KeySpec
from dscache.engine.session import Session
from dscache.errors import CommandError
from dscache.values.set import (
    Set,
    common_members,
    members_of_any,
    members_without,
    set_of,
    union_of,
)
from dscache.values.table import PAGE_MOST
from dscache.wire.reply import SetReply

registry: Final = Registry("set", "set")

_OUT_OF_RANGE: Final = b"ERR value is out of range"
_NOT_POSITIVE: Final = _OUT_OF_RANGE + b", must be positive"

# SPOP that leaves less than a fifth of a set makes a new one of what stays, as in Redis.
_POPPED_PER_LEFT: Final = 5

# SRANDMEMBER with a negative count may ask for any number of members. It gets no more than take about so
# much memory in the set itself: some millions of short ones, which is some seconds of everybody's time.
_MOST_DRAWN_BYTES: Final = 256 * 1024 * 1024

# SSCAN gets no more than this at a time, whatever its COUNT (as SCAN).
_MAX_COUNT: Final = 10_000

# A result that turns out to be empty deletes the destination: whether there is one must be known.
_DESTINATION: Final = KeySpec(1, access="OW UPDATE", needs=HEAD)
_SOURCES: Final = KeySpec(2, access="RO ACCESS", last=-1)
_OPERANDS: Final = [KeySpec(1, access="RO ACCESS", last=-1)]


def _set_of_value(value: object) -> Set | None:
    """``value`` if it is a set, or None; raises CommandError if it is something else."""
    if value is None or isinstance(value, Set):
        return value
    raise CommandError(WRONG_TYPE)


def _for_read(session: Session, key: bytes) -> Set | None:
    """The set at ``key`` for reading, or None; raises CommandError for another type."""
    return _set_of_value(session.keyspace.for_read(key))


def _for_write(session: Session, key: bytes) -> Set | None:
    """The set at ``key`` for changing it, or None; raises CommandError for another type."""
    return _set_of_value(session.keyspace.for_write(key))


def _at_least(least: int, text: bytes, error: bytes) -> int:
    """The number that ``text`` is; raises CommandError(error) if it is none, or too small."""
    number = integer(text, error)
    if number < least:
        raise CommandError(error)
    return number


def _reply(members: list[bytes]) -> SetReply:
    # Replies are only read, so a list of less than objects will do; a copy may have a million members.
    return SetReply(members)  # type: ignore[arg-type]


# Members


@registry.command(
    "SADD key member [member ...]",
    arity=-3,
    flags=WRITE | DENYOOM | FAST,
    keys=[KeySpec(1, access="RW INSERT")],
    since="1.0.0",
    complexity="O(N) where N is the number of members to add",
    history=[("2.4.0", "Several members in one call.")],
)
def sadd(session: Session, args: list[bytes]) -> object:
    """Adds members to a set, which is made if there is none; answers how many are new."""
    key = args[1]
    value = _for_write(session, key)
    if value is None:
        value = Set()
        added = value.add_all(args[2:])
        session.keyspace.put(key, value, 0, b"sadd")
        return added
    added = value.add_all(args[2:])
    if added > 0:
        session.keyspace.changed(key, b"sadd")
    return added


@registry.command(
    "SREM key member [member ...]",
    arity=-3,
    flags=WRITE | FAST,
    keys=[KeySpec(1, access="RW DELETE")],
    since="1.0.0",
    complexity="O(N) where N is the number of members to remove",
    history=[("2.4.0", "Several members in one call.")],
)
def srem(session: Session, args: list[bytes]) -> object:
    """Removes members from a set, and with the last one the key; answers how many there were."""
    key = args[1]
    value = _for_write(session, key)
    if value is None:
        return 0
    removed = 0
    for place in range(2, len(args)):
        if value.remove(args[place]):
            removed += 1
    if removed > 0:
        session.keyspace.shrunk(key, b"srem")
    return removed


@registry.command(
    "SMOVE source destination member",
    arity=4,
    flags=WRITE | FAST,
    keys=[KeySpec(1, access="RW ACCESS DELETE"), KeySpec(2, access="RW INSERT")],
    since="1.0.0",
    complexity="O(1)",
)
def smove(session: Session, args: list[bytes]) -> object:
    """Takes a member from one set to another; answers whether it was in the first."""
    _, source_key, key, member = args
    keyspace = session.keyspace
    there = keyspace.for_write(key)
    source = _for_write(session, source_key)
    if source is None:
        return 0
    target = _set_of_value(there)
    if key == source_key or not source.has(member):
        return int(source.has(member))
    source.remove(member)
    keyspace.shrunk(source_key, b"srem")
    if target is None:
        keyspace.put(key, set_of([member]), 0, b"sadd")
    elif target.add(member):
        keyspace.changed(key, b"sadd")
    return 1


@registry.command(
    "SISMEMBER key member",
    arity=3,
    flags=READONLY | FAST,
    keys=[KeySpec(1, access="RO")],
    since="1.0.0",
    complexity="O(1)",
)
def sismember(session: Session, args: list[bytes]) -> object:
    """Tells whether a member is in a set."""
    value = _for_read(session, args[1])
    return int(value is not None and value.has(args[2]))


@registry.command(
    "SMISMEMBER key member [member ...]",
    arity=-3,
    flags=READONLY | FAST,
    keys=[KeySpec(1, access="RO ACCESS")],
    since="6.2.0",
    complexity="O(N) where N is the number of members to look for",
)
def smismember(session: Session, args: list[bytes]) -> object:
    """Tells of each of several members whether it is in a set."""
    value = _for_read(session, args[1])
    if value is None:
        return [0] * (len(args) - 2)
    return [int(value.has(args[place])) for place in range(2, len(args))]


@registry.command(
    "SCARD key",
    arity=2,
    flags=READONLY | FAST,
    keys=[KeySpec(1, access="RO")],
    since="1.0.0",
    complexity="O(1)",
)
def scard(session: Session, args: list[bytes]) -> object:
    """Counts the members of a set."""
    value = _for_read(session, args[1])
    return 0 if value is None else value.count()


@registry.command(
    "SMEMBERS key",
    arity=2,
    flags=READONLY,
    keys=[KeySpec(1, access="RO ACCESS")],
    since="1.0.0",
    complexity="O(N) where N is the number of members",
    tips="nondeterministic_output_order",
)
def smembers(session: Session, args: list[bytes]) -> object:
    """Lists the members of a set."""
    value = _for_read(session, args[1])
    return _reply([] if value is None else value.listed(session.engine.config))


@registry.command(
    "SSCAN key cursor [MATCH pattern] [COUNT count]",
    arity=-3,
    flags=READONLY,
    keys=[KeySpec(1, access="RO ACCESS")],
    since="2.8.0",
    complexity="O(1) for every call; O(N) for a whole iteration, where N is the number of members",
    tips="nondeterministic_output",
)
def sscan(session: Session, args: list[bytes]) -> object:
    """Goes through a set a few members at a time: answers the next cursor, 0 at the end, and some."""
    cursor = scan_cursor(args[2])
    value = _for_read(session, args[1])
    if value is None:
        return [b"0", []]
    options = ElementOptions(args)
    config = session.engine.config
    encoding = value.encoding(config)
    if encoding == b"intset":
        cursor = 0
        members = value.listed(config)
    else:
        is_packed = encoding != b"hashtable"
        cursor, members = value.scan(cursor, min(options.count, _MAX_COUNT), is_packed)
    matches = options.matches
    return [b"%d" % cursor, [member for member in members if matches(member)]]


# At random


@registry.command(
    "SPOP key [count]@3.2.0",
    arity=-2,
    flags=WRITE | FAST,
    keys=[KeySpec(1, access="RW ACCESS DELETE")],
    since="1.0.0",
    complexity="O(N) where N is the number of members to remove, 1 without count",
    history=[("3.2.0", "count.")],
    tips="nondeterministic_output",
)
def spop(session: Session, args: list[bytes]) -> object:
    """Removes members from a set that are chosen at random, and with the last one the key."""
    key = args[1]
    keyspace = session.keyspace
    if len(args) == 2:
        value = _for_write(session, key)
        if value is None:
            return None
        member = value.random_member()
        value.remove(member)
        keyspace.shrunk(key, b"spop")
        _note_removal(session, key, [member])
        return member
    if len(args) > 3:
        raise syntax_error()
    count = _at_least(0, args[2], _NOT_POSITIVE)
    value = _for_write(session, key)
    if value is None or count == 0:
        return _reply([])
    left = value.count() - count
    if left <= 0:
        members = value.listed(session.engine.config)
        keyspace.notify(key, b"spop")
        keyspace.delete(key, b"del")
        return _reply(members)
    if value.count() > PAGE_MOST and left * _POPPED_PER_LEFT <= count:
        kept = set_of(value.sample(left))
        keyspace.put(key, kept, KEEP_EXPIRY, b"spop")
        members = members_without(value, [kept])
        _note_removal(session, key, members)
        return _reply(members)
    members = value.sample(count)
    for member in members:
        value.remove(member)
    keyspace.changed(key, b"spop")
    _note_removal(session, key, members)
    return _reply(members)


def _note_removal(session: Session, key: bytes, members: list[bytes]) -> None:
    """For the redo log: who was chosen, since chance would choose others the next time."""
    session.engine.redo.instead([[b"SREM", key, *members]])


@registry.command(
    "SRANDMEMBER key [count]@2.6.0",
    arity=-2,
    flags=READONLY,
    keys=[KeySpec(1, access="RO ACCESS")],
    since="1.0.0",
    complexity="O(N) where N is the number of members to choose, 1 without count",
    history=[("2.6.0", "count.")],
    tips="nondeterministic_output",
)
def srandmember(session: Session, args: list[bytes]) -> object:
    """Chooses members of a set at random: different ones, or with a negative count any."""
    if len(args) > 3:
        raise syntax_error()
    if len(args) == 2:
        value = _for_read(session, args[1])
        return None if value is None else value.random_member()
    count = integer_between(
        args[2],
        -I64_MAX,
        I64_MAX,
        b"%b, value must between %d and %d" % (_OUT_OF_RANGE, -I64_MAX, I64_MAX),
    )
    value = _for_read(session, args[1])
    if value is None or count == 0:
        return []
    if count < 0:
        if -count * value.size_bytes() > _MOST_DRAWN_BYTES * value.count():
            raise CommandError(_OUT_OF_RANGE)
        return value.draw(-count)
    if count >= value.count():
        return value.listed(session.engine.config)
    return value.sample(count)


# Algebra


def _operands(session: Session, keys: list[bytes]) -> list[Set | None]:
    """The sets at ``keys``, None where there is none. Raises CommandError."""
    return [_for_read(session, key) for key in keys]


def _is_listed_in_order(session: Session, sets: list[Set]) -> bool:
    """Whether Redis would list what comes of ``sets`` as an intset, so in ascending order."""
    config = session.engine.config
    return all(one.encoding(config) == b"intset" for one in sets)


def _in_order(session: Session, members: list[bytes], sets: list[Set]) -> SetReply:
    most = session.engine.config.set_max_intset_entries
    if len(members) <= most and _is_listed_in_order(session, sets):
        members.sort(key=int)
    return _reply(members)


def _store(session: Session, key: bytes, value: Set | None, event: bytes) -> int:
    """Let ``key`` hold ``value``, or nothing if it is empty; the number of its members."""
    if value is None or value.count() == 0:
        session.keyspace.delete(key, b"del")
        return 0
    session.keyspace.put(key, value, 0, event)
    return value.count()


def _intersection(session: Session, keys: list[bytes], most: int = 0) -> list[bytes]:
    operands = _operands(session, keys)
    sets = [one for one in operands if one is not None]
    return [] if len(sets) < len(operands) else common_members(sets, most)


@registry.command(
    "SINTER key [key ...]",
    arity=-2,
    flags=READONLY,
    keys=_OPERANDS,
    since="1.0.0",
    complexity="O(N*M) where N is the size of the smallest set and M the number of sets",
    tips="nondeterministic_output_order",
)
def sinter(session: Session, args: list[bytes]) -> object:
    """Lists the members that several sets have in common."""
    operands = _operands(session, args[1:])
    sets = [one for one in operands if one is not None]
    if len(sets) < len(operands):
        return _reply([])
    smallest = min(sets, key=Set.count)
    return _in_order(session, common_members(sets), [smallest])


@registry.command(
    "SINTERSTORE destination key [key ...]",
    arity=-3,
    flags=WRITE | DENYOOM,
    keys=[_DESTINATION, _SOURCES],
    since="1.0.0",
    complexity="O(N*M) where N is the size of the smallest set and M the number of sets",
)
def sinterstore(session: Session, args: list[bytes]) -> object:
    """Lets a key hold the members that several sets have in common; answers how many they are."""
    result = set_of(_intersection(session, args[2:]))
    return _store(session, args[1], result, b"sinterstore")


@registry.command(
    "SINTERCARD numkeys key [key ...] [LIMIT limit]",
    arity=-3,
    flags=READONLY,
    keys=[KeySpec(1, access="RO ACCESS", count_at=0, first=1)],
    since="7.0.0",
    complexity="O(N*M) where N is the size of the smallest set and M the number of sets",
)
def sintercard(session: Session, args: list[bytes]) -> object:
    """Counts the members that several sets have in common, up to a limit if there is one."""
    count = _at_least(1, args[1], b"ERR numkeys should be greater than 0")
    if count > len(args) - 2:
        raise CommandError(b"ERR Number of keys can't be greater than number of args")
    limit = 0
    place = 2 + count
    while place < len(args):
        if args[place].upper() != b"LIMIT" or place + 1 == len(args):
            raise syntax_error()
        limit = _at_least(0, args[place + 1], b"ERR LIMIT can't be negative")
        place += 2
    found = len(_intersection(session, args[2 : 2 + count], limit))
    return found if limit == 0 else min(found, limit)


@registry.command(
    "SUNION key [key ...]",
    arity=-2,
    flags=READONLY,
    keys=_OPERANDS,
    since="1.0.0",
    complexity="O(N) where N is the number of members of all sets together",
    tips="nondeterministic_output_order",
)
def sunion(session: Session, args: list[bytes]) -> object:
    """Lists the members of several sets, each once."""
    sets = [one for one in _operands(session, args[1:]) if one is not None]
    return _in_order(session, members_of_any(sets) if sets else [], sets)


@registry.command(
    "SUNIONSTORE destination key [key ...]",
    arity=-3,
    flags=WRITE | DENYOOM,
    keys=[_DESTINATION, _SOURCES],
    since="1.0.0",
    complexity="O(N) where N is the number of members of all sets together",
)
def sunionstore(session: Session, args: list[bytes]) -> object:
    """Lets a key hold the members of several sets; answers how many they are."""
    sets = [one for one in _operands(session, args[2:]) if one is not None]
    return _store(session, args[1], union_of(sets) if sets else None, b"sunionstore")


def _difference(session: Session, keys: list[bytes]) -> tuple[list[bytes], list[Set]]:
    """(members of the first set that no other has, that set if there is one)."""
    operands = _operands(session, keys)
    first = operands[0]
    if first is None:
        return [], []
    others = [one for one in operands[1:] if one is not None]
    return ([] if first in others else members_without(first, others)), [first]


@registry.command(
    "SDIFF key [key ...]",
    arity=-2,
    flags=READONLY,
    keys=_OPERANDS,
    since="1.0.0",
    complexity="O(N) where N is the number of members of all sets together",
    tips="nondeterministic_output_order",
)
def sdiff(session: Session, args: list[bytes]) -> object:
    """Lists the members of a set that none of some other sets has."""
    members, sets = _difference(session, args[1:])
    return _in_order(session, members, sets)


@registry.command(
    "SDIFFSTORE destination key [key ...]",
    arity=-3,
    flags=WRITE | DENYOOM,
    keys=[_DESTINATION, _SOURCES],
    since="1.0.0",
    complexity="O(N) where N is the number of members of all sets together",
)
def sdiffstore(session: Session, args: list[bytes]) -> object:
    """Lets a key hold the members of a set that none of some others has; answers how many."""
    members, _ = _difference(session, args[2:])
    return _store(session, args[1], set_of(members), b"sdiffstore")
