"""Commands on keys of any type: whether they exist, and under which name in which database.

What concerns the key and not its value needs no more than the head of its record: DEL of a value of a
gigabyte reads a few bytes. RENAME, COPY and MOVE take the value along and load it. The destination of
RENAME, and of COPY with REPLACE, is overwritten without a look at what it held.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dscache.cache.sampling import Lfu
from dscache.commands.arguments import (
    integer_between,
    parse_i64,
    syntax_error,
)
from dscache.commands.help import subcommands_help
from dscache.engine.command import DENYOOM, FAST, LOADING, READONLY, STALE, WRITE, Registry
from dscache.engine.keyspace import Keyspace
from dscache.engine.keyspec import HEAD, NOTHING, VALUE_OF_CONTAINER, KeySpec
from dscache.engine.session import Session
from dscache.errors import CommandError
from dscache.values.base import TYPE_NAMES, Apart, Value
from dscache.values.text import is_string
from dscache.wire.reply import OK, Status

if TYPE_CHECKING:
    from dscache.config import Config

registry: Final = Registry("generic", "keyspace")

_NO_SUCH_KEY: Final = b"ERR no such key"
_SAME_OBJECT: Final = b"ERR source and destination objects are the same"
_NO_SUCH_DATABASE: Final = b"ERR DB index is out of range"

_INT32_MIN: Final = -(2**31)
_INT32_MAX: Final = 2**31 - 1
_NOT_AN_INT32: Final = b"ERR value is out of range, value must between %d and %d" % (
    _INT32_MIN,
    _INT32_MAX,
)

_LONGEST_INTEGER_BYTES: Final = 20
_LONGEST_EMBSTR_BYTES: Final = 44

_DELETED_KEYS: Final = [KeySpec(1, access="RM DELETE", needs=HEAD, last=-1)]
_KEYS: Final = [KeySpec(1, access="RO", needs=HEAD, last=-1)]
_OBJECT_KEY: Final = [KeySpec(2, access="RO", needs=HEAD)]
_ENCODED_KEY: Final = [KeySpec(2, access="RO", needs=VALUE_OF_CONTAINER)]


def _look_up(session: Session, keys: list[bytes]) -> None:
    """Look up ``keys`` before the first of them is changed, or counted as hit or miss."""
    if len(keys) > 1:
        for key in keys:
            session.keyspace.find(key)


# Existence


@registry.command(
    "DEL key [key ...]",
    arity=-2,
    flags=WRITE,
    keys=_DELETED_KEYS,
    since="1.0.0",
    complexity="O(N) where N is the number of keys",
    tips="request_policy:multi_shard response_policy:agg_sum",
)
def del_(session: Session, args: list[bytes]) -> object:
    """Deletes keys of any type; answers how many there were."""
    keys = args[1:]
    _look_up(session, keys)
    keyspace = session.keyspace
    deleted = 0
    for key in keys:
        if keyspace.delete(key, b"del"):
            deleted += 1
    return deleted


@registry.command(
    "UNLINK key [key ...]",
    arity=-2,
    flags=WRITE | FAST,
    keys=_DELETED_KEYS,
    since="4.0.0",
    complexity="O(N) where N is the number of keys",
    tips="request_policy:multi_shard response_policy:agg_sum",
)
def unlink(session: Session, args: list[bytes]) -> object:
    """Deletes keys as DEL does: here both free what is on disk in the background."""
    return del_(session, args)


@registry.command(
    "EXISTS key [key ...]",
    arity=-2,
    flags=READONLY | FAST,
    keys=_KEYS,
    since="1.0.0",
    complexity="O(N) where N is the number of keys",
    history=[("3.0.3", "Several keys in one call.")],
    tips="request_policy:multi_shard response_policy:agg_sum",
)
def exists(session: Session, args: list[bytes]) -> object:
    """Counts those of the given keys that exist; a key given twice counts twice."""
    keys = args[1:]
    _look_up(session, keys)
    keyspace = session.keyspace
    found = 0
    for key in keys:
        if keyspace.exists(key):
            found += 1
    return found


@registry.command(
    "TOUCH key [key ...]",
    arity=-2,
    flags=READONLY | FAST,
    keys=_KEYS,
    since="3.2.1",
    complexity="O(N) where N is the number of keys",
    tips="request_policy:multi_shard response_policy:agg_sum",
)
def touch(session: Session, args: list[bytes]) -> object:
    """Counts as a use of each key, so that it stays in memory longer; answers how many exist."""
    keys = args[1:]
    _look_up(session, keys)
    keyspace = session.keyspace
    touched = 0
    for key in keys:
        if keyspace.exists(key):
            keyspace.touch(key)
            touched += 1
    return touched


@registry.command(
    "TYPE key",
    arity=2,
    flags=READONLY | FAST,
    keys=[KeySpec(1, access="RO", needs=HEAD)],
    since="1.0.0",
    complexity="O(1)",
)
def type_(session: Session, args: list[bytes]) -> object:
    """Names the type of the value at a key; none if there is no such key."""
    keyspace = session.keyspace
    if not keyspace.exists(args[1]):
        return Status(b"none")
    code = keyspace.type_of(args[1])
    assert code is not None
    return Status(TYPE_NAMES[code])


# Names and databases


@registry.command(
    "RENAME key newkey",
    arity=3,
    flags=WRITE,
    keys=[
        KeySpec(1, access="RW ACCESS DELETE"),
        KeySpec(2, access="OW UPDATE", needs=NOTHING),
    ],
    since="1.0.0",
    complexity="O(1)",
)
def rename(session: Session, args: list[bytes]) -> object:
    """Gives a key another name, with its due time; what had that name is gone."""
    key, name = args[1:]
    keyspace = session.keyspace
    if key == name:
        if keyspace.find(key) is None:
            raise CommandError(_NO_SUCH_KEY)
        return OK
    value = keyspace.for_write(key)
    if value is None:
        raise CommandError(_NO_SUCH_KEY)
    _move(keyspace, key, keyspace, name, value, b"rename_from", b"rename_to")
    return OK


@registry.command(
    "RENAMENX key newkey",
    arity=3,
    flags=WRITE | FAST,
    keys=[
        KeySpec(1, access="RW ACCESS DELETE"),
        KeySpec(2, access="OW INSERT", needs=HEAD),
    ],
    since="1.0.0",
    complexity="O(1)",
    history=[("3.2.0", "No error if both names are the same.")],
)
def renamenx(session: Session, args: list[bytes]) -> object:
    """Gives a key another name, unless something has that name already."""
    key, name = args[1:]
    keyspace = session.keyspace
    if keyspace.find(key) is None:
        raise CommandError(_NO_SUCH_KEY)
    if keyspace.find(name) is not None:
        return 0
    value = keyspace.for_write(key)
    if value is None:
        # A hash that has turned out, once it was loaded, to have nothing but fields that are due.
        raise CommandError(_NO_SUCH_KEY)
    _move(keyspace, key, keyspace, name, value, b"rename_from", b"rename_to")
    return 1


def _database_of_move(args: list[bytes]) -> int:
    number = parse_i64(args[2])
    return -1 if number is None else number


@registry.command(
    "MOVE key db",
    arity=3,
    flags=WRITE | FAST,
    keys=[KeySpec(1, access="RW ACCESS UPDATE", other_database=_database_of_move)],
    since="1.0.0",
    complexity="O(1)",
)
def move(session: Session, args: list[bytes]) -> object:
    """Takes a key to another database, unless that has a key of this name."""
    key = args[1]
    source = session.keyspace
    target = _database(session, args[2])
    if target is source:
        raise CommandError(_SAME_OBJECT)
    if target.find(key) is not None:
        return 0
    value = source.for_write(key)
    if value is None:
        return 0
    _move(source, key, target, key, value, b"move_from", b"move_to")
    return 1


def _move(
    source: Keyspace,
    key: bytes,
    target: Keyspace,
    name: bytes,
    value: object,
    from_event: bytes,
    to_event: bytes,
) -> None:
    """Let ``value``, which ``key`` holds, be held by ``name`` instead, with its due time."""
    due = source.expiry_of(key)
    assert due is not None
    target.announce(name)
    source.delete(key, from_event)
    target.put(name, value, due, to_event, is_announced=True)


def _database(session: Session, text: bytes) -> Keyspace:
    number = integer_between(text, _INT32_MIN, _INT32_MAX, _NOT_AN_INT32)
    keyspaces = session.engine.keyspaces
    if not 0 <= number < len(keyspaces):
        raise CommandError(_NO_SUCH_DATABASE)
    return keyspaces[number]


def _database_of_copy(args: list[bytes]) -> int:
    """Where COPY ... DB looks whether the destination exists; with REPLACE nowhere."""
    found = -1
    place = 3
    while place < len(args):
        option = args[place].upper()
        place += 1
        if option == b"REPLACE":
            return -1
        if option == b"DB" and place < len(args):
            number = parse_i64(args[place])
            found = -1 if number is None else number
            place += 1
    return found


def _needs_of_copy(args: list[bytes]) -> int:
    """Of the destination, in the session's database."""
    return HEAD if len(args) == 3 else NOTHING


@registry.command(
    "COPY source destination [DB destination-db] [REPLACE]",
    arity=-3,
    flags=WRITE | DENYOOM,
    keys=[
        KeySpec(1, access="RO ACCESS"),
        KeySpec(
            2,
            access="OW UPDATE",
            chooser=_needs_of_copy,
            other_database=_database_of_copy,
        ),
    ],
    since="6.2.0",
    complexity="O(N) where N is the size of the value; O(1) for short strings",
)
def copy(session: Session, args: list[bytes]) -> object:
    """Copies a key and its due time to another name, in this database or another."""
    source = session.keyspace
    target = source
    replaces = False
    place = 3
    while place < len(args):
        option = args[place].upper()
        place += 1
        if option == b"REPLACE":
            replaces = True
        elif option == b"DB" and place < len(args):
            target = _database(session, args[place])
            place += 1
        else:
            raise syntax_error()
    key, name = args[1:3]
    if target is source and key == name:
        raise CommandError(_SAME_OBJECT)
    value = source.for_read(key)
    if value is None or (not replaces and target.find(name) is not None):
        return 0
    due = source.expiry_of(key)
    assert due is not None
    if isinstance(value, Value):
        value = value.copy()
    target.announce(name)
    target.put(name, value, due, b"copy_to", is_announced=True)
    return 1


# OBJECT


@registry.command("OBJECT", arity=-2, flags=0, since="2.2.3", complexity="That of the subcommand")
def object_(session: Session, args: list[bytes]) -> object:
    """Commands about how values are kept."""
    raise AssertionError("the engine runs a subcommand, or refuses")


def encoding_of(value: object, config: Config) -> bytes:
    """What OBJECT ENCODING answers for ``value``, which may be apart if it is a string. O(1).

    Strings have no encodings here. The answer is what Redis would have chosen for a string that was
    written as it is; it does not tell, as Redis's would, that one has been changed in place.
    """
    if not is_string(value):
        assert isinstance(value, Value), f"{type(value).__name__} is not a value"
        return value.encoding(config)
    if type(value) is not bytes or len(value) > _LONGEST_EMBSTR_BYTES:
        return b"raw"
    if len(value) <= _LONGEST_INTEGER_BYTES and parse_i64(value) is not None:
        return b"int"
    return b"embstr"


@registry.command(
    "ENCODING key",
    parent="object",
    arity=3,
    flags=READONLY,
    keys=_ENCODED_KEY,
    since="2.2.3",
    complexity="O(1)",
    tips="nondeterministic_output",
)
def object_encoding(session: Session, args: list[bytes]) -> object:
    """Names the encoding that Redis would use for the value."""
    keyspace = session.keyspace
    entry = keyspace.find(args[2])
    if entry is None:
        return None
    value = entry.value
    if isinstance(value, Apart) and not is_string(value):
        # Only the value itself knows. It is loaded for this, which is no use of the key.
        value = keyspace.for_read(args[2])
        if value is None:
            return None
    return encoding_of(value, session.engine.config)


@registry.command(
    "FREQ key",
    parent="object",
    arity=3,
    flags=READONLY,
    keys=_OBJECT_KEY,
    since="4.0.0",
    complexity="O(1)",
    tips="nondeterministic_output",
)
def object_freq(session: Session, args: list[bytes]) -> object:
    """Tells the use counter of a key, 0 to 255, which the lfu policy keeps."""
    entry = session.keyspace.find(args[2])
    if entry is None:
        return None
    policy = session.engine.residency.policy
    if not isinstance(policy, Lfu):
        raise CommandError(
            b"ERR An LFU maxmemory policy is not selected, access frequency not tracked. The directive"
            b" is called cache-policy here; when it changes, counters take some time to adjust."
        )
    return policy.rank(entry)


@registry.command(
    "IDLETIME key",
    parent="object",
    arity=3,
    flags=READONLY,
    keys=_OBJECT_KEY,
    since="2.2.3",
    complexity="O(1)",
    tips="nondeterministic_output",
)
def object_idletime(session: Session, args: list[bytes]) -> object:
    """Tells for how many seconds a key has not been used, or has been in memory without a use."""
    entry = session.keyspace.find(args[2])
    if entry is None:
        return None
    residency = session.engine.residency
    if isinstance(residency.policy, Lfu):
        raise CommandError(
            b"ERR An LFU maxmemory policy is selected, idle time not tracked. The directive is called"
            b" cache-policy here."
        )
    return residency.idle_s(entry)


@registry.command(
    "REFCOUNT key",
    parent="object",
    arity=3,
    flags=READONLY,
    keys=_OBJECT_KEY,
    since="2.2.3",
    complexity="O(1)",
    tips="nondeterministic_output",
)
def object_refcount(session: Session, args: list[bytes]) -> object:
    """Answers 1 for a key that exists: values are never shared between keys."""
    return None if session.keyspace.find(args[2]) is None else 1


registry.command(
    "HELP",
    parent="object",
    arity=2,
    flags=LOADING | STALE,
    since="6.2.0",
    complexity="O(1)",
)(subcommands_help)
