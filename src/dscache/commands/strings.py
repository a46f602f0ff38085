"""GET, SET and their relatives: strings read and written whole.

GET and SET without options are the hottest functions of the server, and are written straight. A plain
SET looks nothing up, so it costs no read of the disk however cold its key is.

A due time in the past is accepted, as in Redis: the key is written and is expired at its next lookup.
(GETEX alone deletes such a key at once.)
"""

from __future__ import annotations

from typing import Final

from dscache.commands.arguments import EXPIRY_OPTIONS, expiry_ms, syntax_error
from dscache.commands.text import text_of
from dscache.engine.command import DENYOOM, FAST, READONLY, WRITE, Registry
from dscache.engine.keyspace import KEEP_EXPIRY
from dscache.engine.keyspec import HEAD, NOTHING, VALUE, KeySpec
from dscache.engine.session import Session
from dscache.errors import CommandError
from dscache.values.text import bytes_of, is_string
from dscache.wire.reply import OK

# Options of SET for which the key must be looked up.
_LOOKS_AT_KEY: Final = frozenset((b"NX", b"XX", b"KEEPTTL"))

registry: Final = Registry("string", "string")


@registry.command(
    "GET key",
    arity=2,
    flags=READONLY | FAST,
    keys=[KeySpec(1, access="RO ACCESS")],
    since="1.0.0",
    complexity="O(1)",
)
def get(session: Session, args: list[bytes]) -> object:
    """Reads the string at a key."""
    value = session.keyspace.for_read(args[1])
    if value is None or type(value) is bytes:
        return value
    return text_of(value)


def _needs_of_set(args: list[bytes]) -> int:
    """SET itself looks nothing up; its options may."""
    if len(args) == 3:
        return NOTHING
    options = {arg.upper() for arg in args[3:]}
    if b"GET" in options:
        return VALUE
    return HEAD if options & _LOOKS_AT_KEY else NOTHING


def _access_of_set(args: list[bytes]) -> list[str]:
    reads = any(arg.upper() == b"GET" for arg in args[3:])
    return ["RW", "ACCESS", "UPDATE"] if reads else ["OW", "UPDATE"]


@registry.command(
    "SET key value [NX | XX]@2.6.12 [GET]@6.2.0 [EX seconds@2.6.12 | PX milliseconds@2.6.12"
    " | EXAT unix-time-seconds@6.2.0 | PXAT unix-time-milliseconds@6.2.0 | KEEPTTL@6.0.0]",
    arity=-3,
    flags=WRITE | DENYOOM,
    keys=[
        KeySpec(
            1,
            access="RW ACCESS UPDATE VARIABLE_FLAGS",
            chooser=_needs_of_set,
            access_chooser=_access_of_set,
            notes="Only GET reads the old value",
        )
    ],
    since="1.0.0",
    complexity="O(1)",
    history=[
        ("2.6.12", "EX, PX, NX and XX."),
        ("6.0.0", "KEEPTTL."),
        ("6.2.0", "GET, EXAT and PXAT."),
        ("7.0.0", "NX and GET may be combined."),
    ],
)
def set_(session: Session, args: list[bytes]) -> object:
    """Lets a key hold a string, whatever it held, with a due time or a condition if wanted."""
    if len(args) == 3:
        session.keyspace.put(args[1], args[2], 0, b"set")
        return OK
    return _set_with_options(session, args)


def _set_with_options(session: Session, args: list[bytes]) -> object:
    only_new = False
    only_existing = False
    answers_old = False
    # EX, PX, EXAT, PXAT or KEEPTTL: one of them at most, though the same may be repeated.
    expiry = b""
    time = b""
    count = len(args)
    place = 3
    while place < count:
        option = args[place].upper()
        place += 1
        if option in EXPIRY_OPTIONS:
            if place == count or (expiry and expiry != option):
                raise syntax_error()
            expiry = option
            time = args[place]
            place += 1
        elif option == b"NX" and not only_existing:
            only_new = True
        elif option == b"XX" and not only_new:
            only_existing = True
        elif option == b"GET":
            answers_old = True
        elif option == b"KEEPTTL" and (not expiry or expiry == option):
            expiry = option
        else:
            raise syntax_error()

    key = args[1]
    keyspace = session.keyspace
    keeps_expiry = expiry == b"KEEPTTL"
    due_ms = 0
    if expiry and not keeps_expiry:
        due_ms = _due_ms(session, expiry, time, b"set")
    old: bytes | None = None
    if answers_old:
        value = keyspace.for_read(key)
        if value is not None:
            old = text_of(value)
    if only_new or only_existing or keeps_expiry:
        exists = keyspace.find(key) is not None
        if exists if only_new else only_existing and not exists:
            return old
        if keeps_expiry and exists:
            due_ms = KEEP_EXPIRY
    _put(session, key, args[2], due_ms)
    return old if answers_old else OK


def _due_ms(session: Session, option: bytes, text: bytes, command: bytes) -> int:
    """When a key is due that was given ``option`` with ``text``; raises CommandError."""
    unit_ms, is_relative = EXPIRY_OPTIONS[option]
    return expiry_ms(text, unit_ms, is_relative, session.engine.core.now_ms, command)


def _put(session: Session, key: bytes, value: bytes, due_ms: int) -> None:
    """Let ``key`` hold ``value``; due times are two events, as in Redis, but one change."""
    keyspace = session.keyspace
    keyspace.put(key, value, due_ms, b"set")
    if due_ms > 0:
        keyspace.notify(key, b"expire")


@registry.command(
    "SETEX key seconds value",
    arity=4,
    flags=WRITE | DENYOOM,
    keys=[KeySpec(1, access="OW UPDATE", needs=NOTHING)],
    since="2.0.0",
    complexity="O(1)",
    deprecated=("2.6.12", "`SET` with the `EX` argument"),
)
def setex(session: Session, args: list[bytes]) -> object:
    """Lets a key hold a string for a number of seconds; SET with EX does the same."""
    _put(session, args[1], args[3], _due_ms(session, b"EX", args[2], b"setex"))
    return OK


@registry.command(
    "PSETEX key milliseconds value",
    arity=4,
    flags=WRITE | DENYOOM,
    keys=[KeySpec(1, access="OW UPDATE", needs=NOTHING)],
    since="2.6.0",
    complexity="O(1)",
    deprecated=("2.6.12", "`SET` with the `PX` argument"),
)
def psetex(session: Session, args: list[bytes]) -> object:
    """Lets a key hold a string for a number of milliseconds; SET with PX does the same."""
    _put(session, args[1], args[3], _due_ms(session, b"PX", args[2], b"psetex"))
    return OK


@registry.command(
    "SETNX key value",
    arity=3,
    flags=WRITE | DENYOOM | FAST,
    keys=[KeySpec(1, access="OW INSERT", needs=HEAD)],
    since="1.0.0",
    complexity="O(1)",
    deprecated=("2.6.12", "`SET` with the `NX` argument"),
)
def setnx(session: Session, args: list[bytes]) -> object:
    """Lets a key hold a string unless the key exists; SET with NX does the same."""
    keyspace = session.keyspace
    if keyspace.find(args[1]) is not None:
        return 0
    keyspace.put(args[1], args[2], 0, b"set")
    return 1


@registry.command(
    "GETSET key value",
    arity=3,
    flags=WRITE | DENYOOM | FAST,
    keys=[KeySpec(1, access="RW ACCESS UPDATE")],
    since="1.0.0",
    complexity="O(1)",
    deprecated=("6.2.0", "`SET` with the `!GET` argument"),
)
def getset(session: Session, args: list[bytes]) -> object:
    """Lets a key hold a string and answers the one that it held; SET with GET does the same."""
    keyspace = session.keyspace
    value = keyspace.for_read(args[1])
    old = None if value is None else text_of(value)
    keyspace.put(args[1], args[2], 0, b"set")
    return old


@registry.command(
    "GETEX key [EX seconds | PX milliseconds | EXAT unix-time-seconds"
    " | PXAT unix-time-milliseconds | PERSIST]",
    arity=-2,
    flags=WRITE | FAST,
    keys=[KeySpec(1, access="RW ACCESS UPDATE", notes="It is a write as the due time may change")],
    since="6.2.0",
    complexity="O(1)",
)
def getex(session: Session, args: list[bytes]) -> object:
    """Reads the string at a key and sets or removes the key's due time."""
    expiry = b""
    time = b""
    count = len(args)
    place = 2
    while place < count:
        option = args[place].upper()
        place += 1
        if expiry and expiry != option:
            raise syntax_error()
        if option in EXPIRY_OPTIONS and place < count:
            time = args[place]
            place += 1
        elif option != b"PERSIST":
            raise syntax_error()
        expiry = option

    key = args[1]
    keyspace = session.keyspace
    value = keyspace.for_read(key)
    if value is None:
        return None
    text = text_of(value)
    if expiry == b"PERSIST":
        if keyspace.expiry_of(key):
            keyspace.set_expiry(key, 0, b"persist")
    elif expiry:
        due_ms = _due_ms(session, expiry, time, b"getex")
        if session.engine.core.is_due(due_ms):
            keyspace.delete(key, b"del")
        else:
            keyspace.set_expiry(key, due_ms, b"expire")
    return text


@registry.command(
    "GETDEL key",
    arity=2,
    flags=WRITE | FAST,
    keys=[KeySpec(1, access="RW ACCESS DELETE")],
    since="6.2.0",
    complexity="O(1)",
)
def getdel(session: Session, args: list[bytes]) -> object:
    """Reads the string at a key and deletes the key."""
    keyspace = session.keyspace
    value = keyspace.for_read(args[1])
    if value is None:
        return None
    text = text_of(value)
    keyspace.delete(args[1], b"del")
    return text


@registry.command(
    "MGET key [key ...]",
    arity=-2,
    flags=READONLY | FAST,
    keys=[KeySpec(1, access="RO ACCESS", last=-1)],
    since="1.0.0",
    complexity="O(N) for N keys",
    tips="request_policy:multi_shard",
)
def mget(session: Session, args: list[bytes]) -> object:
    """Reads the strings at several keys; null for a key that holds none."""
    keyspace = session.keyspace
    found: list[object] = []
    for place in range(1, len(args)):
        value = keyspace.for_read(args[place])
        if value is not None and type(value) is not bytes:
            value = bytes_of(value) if is_string(value) else None
        found.append(value)
    return found


@registry.command(
    "MSET key value [key value ...]",
    arity=-3,
    flags=WRITE | DENYOOM,
    keys=[KeySpec(1, access="OW UPDATE", needs=NOTHING, last=-1, step=2)],
    since="1.0.1",
    complexity="O(N) for N keys",
    tips="request_policy:multi_shard response_policy:all_succeeded",
)
def mset(session: Session, args: list[bytes]) -> object:
    """Lets several keys hold a string each, all at once."""
    if len(args) % 2 == 0:
        raise CommandError(b"ERR wrong number of arguments for 'mset' command")
    _put_pairs(session, args)
    return OK


@registry.command(
    "MSETNX key value [key value ...]",
    arity=-3,
    flags=WRITE | DENYOOM,
    keys=[KeySpec(1, access="OW INSERT", needs=HEAD, last=-1, step=2)],
    since="1.0.1",
    complexity="O(N) for N keys",
)
def msetnx(session: Session, args: list[bytes]) -> object:
    """Lets several keys hold a string each, all at once, unless one of them exists."""
    if len(args) % 2 == 0:
        raise CommandError(b"ERR wrong number of arguments for 'msetnx' command")
    for place in range(1, len(args), 2):
        if session.keyspace.find(args[place]) is not None:
            return 0
    _put_pairs(session, args)
    return 1


def _put_pairs(session: Session, args: list[bytes]) -> None:
    keyspace = session.keyspace
    for place in range(1, len(args), 2):
        keyspace.put(args[place], args[place + 1], 0, b"set")
