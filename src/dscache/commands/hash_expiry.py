"""Due times of the fields of hashes: HEXPIRE, HTTL and their relatives, HGETDEL, HGETEX and HSETEX.

A field that gets a due time in the past is removed at once. All these commands name the fields that they
are about in the same way: FIELDS, their number, and the fields.
"""

from __future__ import annotations

from typing import Final

from dscache.commands.arguments import EXPIRY_OPTIONS, integer, parse_i64
from dscache.commands.hashes import readable_hash, tell_change, writable_hash
from dscache.engine.command import DENYOOM, FAST, READONLY, WRITE, Registry
from dscache.engine.keyspec import KeySpec
from dscache.engine.session import Session
from dscache.errors import CommandError
from dscache.values.hash import Hash

registry: Final = Registry("hash", "hash")

_READ_KEY: Final = [KeySpec(1, access="RO ACCESS")]
_UPDATED_KEY: Final = [KeySpec(1, access="RW UPDATE")]

# The latest due time that Redis takes, in ms since the epoch: the year 4199.
_LATEST_MS: Final = (1 << 46) - 1

_MOST_FIELDS: Final = 2**31 - 1

_CONDITIONS: Final = frozenset((b"NX", b"XX", b"GT", b"LT"))

# What is answered for a field.
_NO_FIELD: Final = -2
_NO_DUE_TIME: Final = -1
_NOT_MET: Final = 0
_DONE: Final = 1
_REMOVED: Final = 2


def _due_ms(session: Session, text: bytes, unit_ms: int, is_relative: bool, command: bytes) -> int:
    """When what is due at ``text`` is due, in ms since the epoch; raises CommandError."""
    number = integer(text)
    if number < 0:
        raise CommandError(b"ERR invalid expire time, must be >= 0")
    due = number * unit_ms
    if is_relative:
        due += int(session.engine.core.now_ms)
    if due > _LATEST_MS:
        raise CommandError(b"ERR invalid expire time in '" + command + b"' command")
    return due


def _fields_at(
    args: list[bytes], place: int, error: bytes = b"ERR Number of fields must be a positive integer"
) -> list[bytes]:
    """The fields of ``FIELDS numfields field [field ...]``, which begins at ``place`` and ends the
    command. Raises CommandError; ``error`` for a number that is none."""
    if args[place].upper() != b"FIELDS":
        raise CommandError(b"ERR Mandatory argument FIELDS is missing or not at the right position")
    mismatch = CommandError(b"ERR The `numfields` parameter must match the number of arguments")
    if place + 1 == len(args):
        raise mismatch
    count = parse_i64(args[place + 1])
    if count is None or count < 1:
        raise CommandError(error)
    fields = args[place + 2 :]
    if count != len(fields):
        raise mismatch
    return fields


# Setting due times


def _allows(condition: bytes, present: int, due: int) -> bool:
    """Whether ``due`` may replace ``present``, where 0 is never, and later than any time.

    What is none of the four is no condition.
    """
    if condition == b"NX":
        return present == 0
    if condition == b"XX":
        return present != 0
    if condition == b"GT":
        return 0 < present < due
    return condition != b"LT" or present == 0 or due < present


def _expire(
    session: Session, args: list[bytes], unit_ms: int, is_relative: bool, command: bytes
) -> object:
    """HEXPIRE and its three relatives: the time in ``args`` is in ``unit_ms``, from now or not."""
    key = args[1]
    old = writable_hash(session, key)
    due = _due_ms(session, args[2], unit_ms, is_relative, command)
    condition = args[3].upper()
    place = 4 if condition in _CONDITIONS else 3
    names = _fields_at(args, place, b"ERR Parameter `numFields` should be greater than 0")
    if old is None:
        return [_NO_FIELD] * len(names)
    is_past = session.engine.core.is_due(due)
    answers: list[object] = []
    is_changed = False
    for name in names:
        if not old.has(name):
            answers.append(_NO_FIELD)
        elif not _allows(condition, old.due_ms(name), due):
            answers.append(_NOT_MET)
        else:
            is_changed = True
            answers.append(_set_due(old, name, due, is_past))
    if is_changed:
        _tell_due(session, key, is_past)
    return answers


def _set_due(fields: Hash, name: bytes, due: int, is_past: bool) -> int:
    if is_past:
        fields.remove(name)
        return _REMOVED
    fields.set_due(name, due)
    return _DONE


def _tell_due(session: Session, key: bytes, is_past: bool) -> None:
    """Some fields of ``key`` have got a due time, or have been removed because it was past."""
    if is_past:
        session.keyspace.shrunk(key, b"hdel")
    else:
        session.keyspace.changed(key, b"hexpire")


@registry.command(
    "HEXPIRE key seconds [NX | XX | GT | LT] FIELDS numfields field [field ...]",
    arity=-6,
    flags=WRITE | DENYOOM | FAST,
    keys=_UPDATED_KEY,
    since="7.4.0",
    complexity="O(N) for N fields",
)
def hexpire(session: Session, args: list[bytes]) -> object:
    """Lets fields be due in a number of seconds; at once, if that is none."""
    return _expire(session, args, 1000, True, b"hexpire")


@registry.command(
    "HPEXPIRE key milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...]",
    arity=-6,
    flags=WRITE | DENYOOM | FAST,
    keys=_UPDATED_KEY,
    since="7.4.0",
    complexity="O(N) for N fields",
)
def hpexpire(session: Session, args: list[bytes]) -> object:
    """Lets fields be due in a number of milliseconds."""
    return _expire(session, args, 1, True, b"hpexpire")


@registry.command(
    "HEXPIREAT key unix-time-seconds [NX | XX | GT | LT] FIELDS numfields field [field ...]",
    arity=-6,
    flags=WRITE | DENYOOM | FAST,
    keys=_UPDATED_KEY,
    since="7.4.0",
    complexity="O(N) for N fields",
)
def hexpireat(session: Session, args: list[bytes]) -> object:
    """Lets fields be due at a Unix time in seconds; a time that has passed removes them."""
    return _expire(session, args, 1000, False, b"hexpireat")


@registry.command(
    "HPEXPIREAT key unix-time-milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...]",
    arity=-6,
    flags=WRITE | DENYOOM | FAST,
    keys=_UPDATED_KEY,
    since="7.4.0",
    complexity="O(N) for N fields",
)
def hpexpireat(session: Session, args: list[bytes]) -> object:
    """Lets fields be due at a Unix time in milliseconds."""
    return _expire(session, args, 1, False, b"hpexpireat")


@registry.command(
    "HPERSIST key FIELDS numfields field [field ...]",
    arity=-5,
    flags=WRITE | FAST,
    keys=_UPDATED_KEY,
    since="7.4.0",
    complexity="O(N) for N fields",
)
def hpersist(session: Session, args: list[bytes]) -> object:
    """Takes the due times of fields away: answers 1 for each, -1 if it had none, -2 for no field."""
    key = args[1]
    fields = writable_hash(session, key)
    names = _fields_at(args, 2)
    if fields is None:
        return [_NO_FIELD] * len(names)
    answers: list[object] = []
    is_changed = False
    for name in names:
        if not fields.has(name):
            answers.append(_NO_FIELD)
        elif fields.persist(name):
            is_changed = True
            answers.append(_DONE)
        else:
            answers.append(_NO_DUE_TIME)
    if is_changed:
        session.keyspace.changed(key, b"hpersist")
    return answers


# Reading due times


def _due_times(session: Session, args: list[bytes], base_ms: int, unit_ms: int) -> object:
    """HTTL and its three relatives: times from ``base_ms`` on, in ``unit_ms``, rounded up."""
    fields = readable_hash(session, args[1])
    names = _fields_at(args, 2)
    if fields is None:
        return [_NO_FIELD] * len(names)
    answers: list[object] = []
    for name in names:
        due = fields.due_ms(name)
        if due:
            answers.append((due - base_ms + unit_ms - 1) // unit_ms)
        else:
            answers.append(_NO_DUE_TIME if fields.has(name) else _NO_FIELD)
    return answers


@registry.command(
    "HTTL key FIELDS numfields field [field ...]",
    arity=-5,
    flags=READONLY | FAST,
    keys=_READ_KEY,
    since="7.4.0",
    complexity="O(N) for N fields",
)
def httl(session: Session, args: list[bytes]) -> object:
    """Tells how many seconds fields have left: -1 for one that does not expire, -2 for no field."""
    return _due_times(session, args, int(session.engine.core.now_ms), 1000)


@registry.command(
    "HPTTL key FIELDS numfields field [field ...]",
    arity=-5,
    flags=READONLY | FAST,
    keys=_READ_KEY,
    since="7.4.0",
    complexity="O(N) for N fields",
)
def hpttl(session: Session, args: list[bytes]) -> object:
    """Tells how many milliseconds fields have left; -1 and -2 as with HTTL."""
    return _due_times(session, args, int(session.engine.core.now_ms), 1)


@registry.command(
    "HEXPIRETIME key FIELDS numfields field [field ...]",
    arity=-5,
    flags=READONLY | FAST,
    keys=_READ_KEY,
    since="7.4.0",
    complexity="O(N) for N fields",
)
def hexpiretime(session: Session, args: list[bytes]) -> object:
    """Tells when fields are due, as Unix times in seconds; -1 and -2 as with HTTL."""
    return _due_times(session, args, 0, 1000)


@registry.command(
    "HPEXPIRETIME key FIELDS numfields field [field ...]",
    arity=-5,
    flags=READONLY | FAST,
    keys=_READ_KEY,
    since="7.4.0",
    complexity="O(N) for N fields",
)
def hpexpiretime(session: Session, args: list[bytes]) -> object:
    """Tells when fields are due, as Unix times in milliseconds; -1 and -2 as with HTTL."""
    return _due_times(session, args, 0, 1)


# Reading or writing fields, and their due times with them


@registry.command(
    "HGETDEL key FIELDS numfields field [field ...]",
    arity=-5,
    flags=WRITE | FAST,
    keys=[KeySpec(1, access="RW ACCESS DELETE")],
    since="8.0.0",
    complexity="O(N) for N fields",
)
def hgetdel(session: Session, args: list[bytes]) -> object:
    """Reads the values of fields and removes them; null for each that the hash does not have."""
    key = args[1]
    fields = writable_hash(session, key)
    names = _fields_at(args, 2)
    if fields is None:
        return [None] * len(names)
    found: list[object] = []
    is_changed = False
    for name in names:
        found.append(fields.find(name))
        if fields.remove(name):
            is_changed = True
    if is_changed:
        session.keyspace.shrunk(key, b"hdel")
    return found


@registry.command(
    "HGETEX key [EX seconds | PX milliseconds | EXAT unix-time-seconds"
    " | PXAT unix-time-milliseconds | PERSIST] FIELDS numfields field [field ...]",
    arity=-5,
    flags=WRITE | FAST,
    keys=[KeySpec(1, access="RW ACCESS UPDATE", notes="It is a write as due times may change")],
    since="8.0.0",
    complexity="O(N) for N fields",
)
def hgetex(session: Session, args: list[bytes]) -> object:
    """Reads the values of fields, null for no field, and sets or removes their due times."""
    key = args[1]
    fields = writable_hash(session, key)
    option = args[2].upper()
    place = 2
    due = 0
    if option in EXPIRY_OPTIONS:
        unit_ms, is_relative = EXPIRY_OPTIONS[option]
        due = _due_ms(session, args[3], unit_ms, is_relative, b"hgetex")
        place += 2
    elif option == b"PERSIST":
        place += 1
    names = _fields_at(args, place)
    if fields is None:
        return [None] * len(names)
    is_past = session.engine.core.is_due(due)
    found: list[object] = []
    is_changed = False
    for name in names:
        value = fields.find(name)
        found.append(value)
        if value is None or place == 2:
            continue
        if option == b"PERSIST":
            is_changed = fields.persist(name) or is_changed
        else:
            _set_due(fields, name, due, is_past)
            is_changed = True
    if is_changed and option == b"PERSIST":
        session.keyspace.changed(key, b"hpersist")
    elif is_changed:
        _tell_due(session, key, is_past)
    return found


class _SetOptions:
    """What stands between key and fields in HSETEX. Raises CommandError."""

    def __init__(self, session: Session, args: list[bytes]) -> None:
        #: FNX or FXX, or nothing; one of the options of due times, or KEEPTTL, or nothing.
        self.condition = b""
        self.expiry = b""
        self.due = 0
        place = 2
        # It ends inside the arguments: there are four behind the key, and the longest row of options
        # that is no mistake is FNX EX seconds.
        while args[place].upper() != b"FIELDS":
            option = args[place].upper()
            if option in (b"FNX", b"FXX"):
                if self.condition:
                    raise CommandError(b"ERR Only one of FXX or FNX arguments can be specified")
                self.condition = option
            elif option in EXPIRY_OPTIONS or option == b"KEEPTTL":
                if self.expiry:
                    raise CommandError(
                        b"ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified"
                    )
                self.expiry = option
                if option != b"KEEPTTL":
                    place += 1
                    unit_ms, is_relative = EXPIRY_OPTIONS[option]
                    self.due = _due_ms(session, args[place], unit_ms, is_relative, b"hsetex")
            else:
                raise CommandError(b"ERR unknown argument: " + args[place])
            place += 1
        #: Where the number of fields stands.
        self.place = place + 1


@registry.command(
    "HSETEX key [FNX | FXX] [EX seconds | PX milliseconds | EXAT unix-time-seconds"
    " | PXAT unix-time-milliseconds | KEEPTTL] FIELDS numfields field value [field value ...]",
    arity=-6,
    flags=WRITE | DENYOOM | FAST,
    keys=_UPDATED_KEY,
    since="8.0.0",
    complexity="O(N) for N fields",
)
def hsetex(session: Session, args: list[bytes]) -> object:
    """Sets fields with a due time, if wanted only if all of them or none exist; answers 1 if it did."""
    options = _SetOptions(session, args)
    pairs = _pairs_at(args, options.place)
    key = args[1]
    old = writable_hash(session, key)
    if not _meets(options.condition, old, pairs):
        return 0
    keeps_due = options.expiry != b""
    sets_due = keeps_due and options.expiry != b"KEEPTTL"
    is_past = session.engine.core.is_due(options.due)
    fields = Hash() if old is None else old
    for place in range(0, len(pairs), 2):
        name = pairs[place]
        if keeps_due:
            fields.replace(name, pairs[place + 1])
        else:
            fields.set(name, pairs[place + 1])
        if sets_due:
            _set_due(fields, name, options.due, is_past)
    tell_change(session.keyspace, key, old, fields, b"hset")
    if sets_due:
        _tell_due(session, key, is_past)
    return 1


def _pairs_at(args: list[bytes], place: int) -> list[bytes]:
    """Fields and values in turn, whose number stands at ``place``. Raises CommandError."""
    wrong_number = CommandError(b"ERR wrong number of arguments for 'hsetex' command")
    if place >= len(args) - 2:
        raise wrong_number
    count = parse_i64(args[place])
    if count is None or not 1 <= count <= _MOST_FIELDS:
        raise CommandError(b"ERR invalid number of fields")
    pairs = args[place + 1 :]
    if len(pairs) != 2 * count:
        raise wrong_number
    return pairs


def _meets(condition: bytes, old: Hash | None, pairs: list[bytes]) -> bool:
    """Whether FXX or FNX, if given, is true of the fields in ``pairs``."""
    if not condition:
        return True
    wanted = condition == b"FXX"
    return all(
        (old is not None and old.has(pairs[place])) == wanted for place in range(0, len(pairs), 2)
    )
