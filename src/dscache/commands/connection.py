"""AUTH, ECHO, HELLO, PING, QUIT, RESET and SELECT: what a client says about its own connection."""

from __future__ import annotations

from typing import Final

from dscache.commands.arguments import integer, syntax_error
from dscache.commands.client import checked_name
from dscache.engine.command import (
    ALLOW_BUSY,
    FAST,
    LOADING,
    NO_AUTH,
    NOSCRIPT,
    STALE,
    Registry,
)
from dscache.engine.session import REPLY_ON, SKIP_THIS, Session
from dscache.engine.transactions import end_transaction
from dscache.engine.version import REDIS_VERSION
from dscache.errors import CommandError
from dscache.wire.reply import OK, PONG, Status

registry: Final = Registry("connection", "connection")

_HANDSHAKE: Final = NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY

_NO_PASSWORD: Final = (
    b"ERR AUTH <password> called without any password configured for the default user. "
    b"Are you sure your configuration is correct?"
)
_HELLO_NEEDS_AUTH: Final = (
    b"NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> "
    b"AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol "
    b"version at the same time"
)
_INT32_MIN: Final = -(2**31)
_INT32_MAX: Final = 2**31 - 1


@registry.command(
    "AUTH [username]@6.0.0 password",
    arity=-2,
    flags=_HANDSHAKE,
    since="1.0.0",
    complexity="O(N) for a user with N passwords",
    history=[("6.0.0", "Takes a user name as well.")],
)
def auth(session: Session, args: list[bytes]) -> object:
    """Proves with a password who is calling: the user default, or the one that is named."""
    if len(args) > 3:
        raise syntax_error()
    acl = session.engine.acl
    if len(args) == 3:
        acl.authenticate(session, args[1], args[2], args)
    elif acl.default.needs_no_password:
        raise CommandError(_NO_PASSWORD)
    else:
        acl.authenticate(session, acl.default.name, args[1], args)
    return OK


@registry.command(
    "ECHO message",
    arity=2,
    flags=LOADING | STALE | FAST,
    since="1.0.0",
    complexity="O(1)",
)
def echo(session: Session, args: list[bytes]) -> object:
    """Answers its argument."""
    return args[1]


@registry.command(
    "HELLO [protover [AUTH username password] [SETNAME clientname]]",
    arity=-1,
    flags=_HANDSHAKE,
    since="6.0.0",
    complexity="O(1)",
    history=[("6.2.0", "The protocol version may be left out, to ask without changing anything.")],
)
def hello(session: Session, args: list[bytes]) -> object:
    """Chooses the protocol version, and answers what server and connection this is."""
    version = session.resp
    if len(args) > 1:
        version = integer(args[1], b"ERR Protocol version is not an integer or out of range")
        if version not in (2, 3):
            raise CommandError(b"NOPROTO unsupported protocol version")
    name: bytes | None = None
    credentials: tuple[bytes, bytes] | None = None
    place = 2
    while place < len(args):
        option = args[place].lower()
        left = len(args) - place - 1
        if option == b"auth" and left >= 2:
            credentials = (args[place + 1], args[place + 2])
            place += 3
        elif option == b"setname" and left >= 1:
            name = checked_name(args[place + 1])
            place += 2
        else:
            raise CommandError(b"ERR Syntax error in HELLO option '" + args[place] + b"'")
    acl = session.engine.acl
    if credentials is not None:
        acl.authenticate(session, credentials[0], credentials[1], args)
    if not acl.is_known(session):
        raise CommandError(_HELLO_NEEDS_AUTH)
    if name is not None:
        session.name = name
    session.resp = version
    return {
        b"server": b"redis",
        b"version": REDIS_VERSION.encode(),
        b"proto": version,
        b"id": session.number,
        b"mode": b"standalone",
        b"role": b"master",
        b"modules": [],
    }


@registry.command(
    "PING [message]",
    arity=-1,
    flags=FAST,
    since="1.0.0",
    complexity="O(1)",
    tips="request_policy:all_shards response_policy:all_succeeded",
)
def ping(session: Session, args: list[bytes]) -> object:
    """Answers PONG, or its argument: the server is there."""
    if len(args) > 2:
        raise CommandError(b"ERR wrong number of arguments for 'ping' command")
    if session.is_subscriber and session.resp == 2:
        # A message among messages.
        return [b"pong", args[1] if len(args) == 2 else b""]
    return args[1] if len(args) == 2 else PONG


@registry.command(
    "QUIT",
    arity=-1,
    flags=_HANDSHAKE,
    since="1.0.0",
    complexity="O(1)",
    deprecated=("7.2.0", "just closing the connection"),
)
def quit_(session: Session, args: list[bytes]) -> object:
    """Ends the connection after its reply; closing the socket does the same."""
    session.end()
    return OK


@registry.command("RESET", arity=1, flags=_HANDSHAKE, since="6.2.0", complexity="O(1)")
def reset(session: Session, args: list[bytes]) -> object:
    """Makes the connection what it was when it was opened."""
    engine = session.engine
    engine.monitors.remove(session)
    engine.pubsub.leave(session)
    engine.tracking.stop(session)
    end_transaction(engine.core, session)
    session.keyspace = engine.keyspaces[0]
    session.resp = 2
    engine.acl.begin(session)
    session.name = b""
    # The reply that CLIENT REPLY SKIP is about may be this one.
    if session.reply_mode != SKIP_THIS:
        session.reply_mode = REPLY_ON
    session.no_evict = False
    session.no_touch = False
    return Status(b"RESET")


@registry.command(
    "SELECT index",
    arity=2,
    flags=LOADING | STALE | FAST,
    since="1.0.0",
    complexity="O(1)",
)
def select(session: Session, args: list[bytes]) -> object:
    """Chooses the database that the connection works on."""
    index = integer(args[1])
    if index < _INT32_MIN or index > _INT32_MAX:
        raise CommandError(
            b"ERR value is out of range, value must between %d and %d" % (_INT32_MIN, _INT32_MAX)
        )
    keyspaces = session.engine.keyspaces
    if index < 0 or index >= len(keyspaces):
        raise CommandError(b"ERR DB index is out of range")
    session.keyspace = keyspaces[index]
    return OK
