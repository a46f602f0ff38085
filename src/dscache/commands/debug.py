"""DEBUG: what test suites need of it.

For Redis DEBUG is one command without subcommands in the table, so it is one here. It is refused unless
``enable-debug-command`` allows it: anybody who may use it can make everybody wait.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from dscache.commands.arguments import double, syntax_error
from dscache.commands.cache import is_committed
from dscache.commands.help import help_reply
from dscache.commands.keys import encoding_of
from dscache.engine.command import ADMIN, LOADING, NOSCRIPT, STALE, Registry
from dscache.engine.digest import DataSetDigest, digest_of
from dscache.engine.session import Session
from dscache.engine.waiting import CommitFault, JobFault
from dscache.errors import CommandError
from dscache.values.base import Apart
from dscache.values.codec import encode_value
from dscache.wire.reply import OK, Attributed, BigNumber, Push, SetReply, Status, Verbatim

registry: Final = Registry("server", "")

_NOT_ALLOWED: Final = (
    b'ERR DEBUG command not allowed. If the enable-debug-command option is set to "local", you can '
    b"run it from a local connection, otherwise you need to set this option in the configuration "
    b"file, and then restart the server."
)

# DEBUG SLEEP stops the whole server: a slip of the hand must not stop it for good.
_LONGEST_SLEEP_SECONDS: Final = 60.0

_REPLIES: Final[dict[bytes, object]] = {
    b"string": b"Hello World",
    b"integer": 12345,
    b"double": 3.141,
    b"bignum": BigNumber(b"1234567999999999999999999999999999999"),
    b"null": None,
    b"array": [0, 1, 2],
    b"set": SetReply([0, 1, 2]),
    b"map": {0: False, 1: True, 2: False},
    b"attrib": Attributed(
        [(b"key-popularity", [b"key:123", 90])], b"Some real reply following the attribute"
    ),
    b"verbatim": Verbatim(b"This is a verbatim\nstring"),
    b"true": True,
    b"false": False,
}

_HELP: Final = [
    "DIGEST",
    "    A number for the whole data set, the same for data sets that are equal.",
    "DIGEST-VALUE [<key> ...]",
    "    A number for each value, the same for values that are equal.",
    "ERROR <text>",
    "    The text as an error, for tests of clients.",
    "OBJECT <key>",
    "    How the key's value is kept.",
    "PROTOCOL <string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false>",
    "    A reply of that kind.",
    "RELOAD [MERGE] [NOFLUSH]",
    "    Commit everything and empty memory, which leaves the server as a restart would.",
    "SET-ACTIVE-EXPIRE <0|1>",
    "    Whether expired keys are deleted before somebody asks for them.",
    "SET-DISABLE-DENY-SCRIPTS <0|1>",
    "    Whether scripts may call what they otherwise must not.",
    "SLEEP <seconds>",
    f"    Stop the whole server, for at most {_LONGEST_SLEEP_SECONDS:.0f} seconds; fractions allowed.",
    "HELP",
    "    Lists the subcommands.",
]


@registry.command(
    "DEBUG",
    arity=-2,
    flags=ADMIN | NOSCRIPT | LOADING | STALE,
    since="1.0.0",
    complexity="That of the subcommand",
    is_system=True,
)
def debug(session: Session, args: list[bytes]) -> object:
    """Looks into the server, or disturbs it, for tests; DEBUG HELP lists the subcommands."""
    if not _is_allowed(session):
        raise CommandError(_NOT_ALLOWED)
    arity, handler = _SUBCOMMANDS.get(args[1].lower(), (0, None))
    if handler is None or (len(args) != arity if arity > 0 else len(args) < -arity):
        raise CommandError(
            b"ERR unknown subcommand or wrong number of arguments for '"
            + args[1][:128]
            + b"'. Try DEBUG HELP."
        )
    return handler(session, args)


def _is_allowed(session: Session) -> bool:
    setting = session.engine.config.enable_debug_command
    return setting == "yes" or (setting == "local" and session.is_local)


def _digest_values(session: Session, args: list[bytes]) -> object:
    """Equal for values that clients cannot tell apart, whatever the order of what has none."""
    keys = args[2:]
    session.keyspace.bring(keys)
    return [Status(digest_of(session.keyspace.for_read(key))) for key in keys]


def _digest(session: Session, args: list[bytes]) -> object:
    """Of the whole data set: first it is committed, then it is read from the store."""
    engine = session.engine
    core = engine.core
    if core.is_inner:
        raise CommandError(b"ERR DEBUG DIGEST cannot be used inside a transaction")
    if not is_committed(session):
        raise CommitFault()
    assert core.wait is not None, "it has waited for the commit"
    if "digest" not in core.wait.results:
        databases = [(one.index, int(one.space.generation)) for one in engine.keyspaces]
        job = DataSetDigest(core.store, databases, int(core.now_ms))
        raise JobFault("digest", job.read)
    digest = core.wait.results["digest"]
    assert isinstance(digest, bytes)
    return Status(digest)


def _protocol(session: Session, args: list[bytes]) -> object:
    """A reply of each kind, for tests of clients."""
    name = args[2].lower()
    if name == b"push":
        if session.resp < 3:
            raise CommandError(b"ERR RESP2 is not supported by this command")
        session.push(Push([b"server-cpu-usage", 42]))
        return b"Some real reply following the push reply"
    if name not in _REPLIES:
        raise CommandError(
            b"ERR Wrong protocol type name. Please use one of the following: "
            + b"|".join([*_REPLIES, b"push"])
        )
    return _REPLIES[name]


def _set_disable_deny_scripts(session: Session, args: list[bytes]) -> object:
    session.engine.scripts.may_call_all = _is_on(args[2])
    return OK


def _is_on(text: bytes) -> bool:
    """Whether a switch is 1 and not 0; raises CommandError."""
    if text not in (b"0", b"1"):
        raise syntax_error()
    return text == b"1"


def _error(session: Session, args: list[bytes]) -> object:
    raise CommandError(args[2])


def _help(session: Session, args: list[bytes]) -> object:
    return help_reply("debug", _HELP)


def _sleep(session: Session, args: list[bytes]) -> object:
    seconds = double(args[2])
    if not 0.0 <= seconds <= _LONGEST_SLEEP_SECONDS:
        raise CommandError(
            b"ERR the seconds must be between 0 and %d" % int(_LONGEST_SLEEP_SECONDS)
        )
    time.sleep(seconds)
    return OK


def _set_active_expire(session: Session, args: list[bytes]) -> object:
    is_on = _is_on(args[2])
    session.engine.expiry.enabled = is_on
    session.engine.field_expiry.enabled = is_on
    return OK


def _object(session: Session, args: list[bytes]) -> object:
    """As in Redis where it has the fact; ``frequency`` and ``dirty`` instead of its LRU clock."""
    keyspace = session.keyspace
    key = args[2]
    entry = keyspace.find(key)
    if entry is None:
        raise CommandError(b"ERR no such key")
    value = keyspace.for_read(key) if isinstance(entry.value, Apart) else entry.value
    if value is None:
        raise CommandError(b"ERR no such key")
    encoding = encoding_of(value, session.engine.config).decode()
    line = (
        f"Value at:{id(value):#x} refcount:1 encoding:{encoding}"
        f" serializedlength:{len(encode_value(value))}"
        f" frequency:{int(entry.frequency)} dirty:{int(keyspace.is_dirty(key))}"
    )
    return Status(line.encode())


def _reload(session: Session, args: list[bytes]) -> object:
    """Redis saves, empties itself and loads; loading happens by itself here.

    With MERGE and NOFLUSH what is loaded meets what is there, which is the same.
    """
    engine = session.engine
    options = {option.lower() for option in args[2:]}
    if b"nosave" in options:
        raise CommandError(b"ERR NOSAVE is not possible: what is in memory is always saved first")
    if not options <= {b"merge", b"noflush"}:
        raise CommandError(b"ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.")
    spaces = [engine.core.catalog.libraries, *engine.core.catalog.spaces]
    if options == {b"noflush"} and any(space.keys for space in spaces):
        raise CommandError(b"ERR Error trying to load the RDB dump, check server logs.")
    if engine.core.is_inner:
        raise CommandError(b"ERR DEBUG RELOAD cannot be used inside a transaction")
    if not is_committed(session):
        raise CommitFault()
    if engine.flusher.is_saving:
        # On disk already, but its entries become clean a slice at a time.
        raise JobFault("finished", _nothing)
    for keyspace in engine.keyspaces:
        for key in list(keyspace.space.entries):
            keyspace.evict(key)
    return OK


def _nothing() -> object:
    """A job that only takes its turn."""
    return None


#: Arity, as of commands, and handler.
_SUBCOMMANDS: Final[dict[bytes, tuple[int, Callable[[Session, list[bytes]], object]]]] = {
    b"digest": (2, _digest),
    b"digest-value": (-2, _digest_values),
    b"error": (3, _error),
    b"help": (2, _help),
    b"object": (3, _object),
    b"protocol": (3, _protocol),
    b"reload": (-2, _reload),
    b"set-active-expire": (3, _set_active_expire),
    b"set-disable-deny-scripts": (3, _set_disable_deny_scripts),
    b"sleep": (3, _sleep),
}
