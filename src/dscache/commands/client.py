"""CLIENT: what the server knows of its clients, and what may be done to them."""

from __future__ import annotations

from typing import Final

from dscache.commands.arguments import I64_MAX, integer, syntax_error
from dscache.commands.help import subcommands_help
from dscache.engine.acl import Acl
from dscache.engine.acl_user import User
from dscache.engine.client_line import client_line
from dscache.engine.command import ADMIN, LOADING, NOSCRIPT, STALE, Registry
from dscache.engine.session import REPLY_OFF, REPLY_ON, SKIP_NEXT, Session
from dscache.errors import CommandError
from dscache.wire.reply import OK, Verbatim

registry: Final = Registry("connection", "connection")

_ANYTIME: Final = NOSCRIPT | LOADING | STALE

_NORMAL: Final = b"normal"
_PUBSUB: Final = b"pubsub"
#: There are clients of the first two types only.
_TYPES: Final = (_NORMAL, _PUBSUB, b"master", b"replica", b"slave")


@registry.command("CLIENT", arity=-2, flags=0, since="2.4.0", complexity="That of the subcommand")
def client(session: Session, args: list[bytes]) -> object:
    """Commands about connections."""
    raise AssertionError("the engine runs a subcommand, or refuses")


# Showing


@registry.command(
    "LIST [TYPE <NORMAL | MASTER | REPLICA | PUBSUB>]@5.0.0 [ID client-id [client-id ...]]@6.2.0",
    parent="client",
    arity=-2,
    flags=_ANYTIME | ADMIN,
    since="2.4.0",
    complexity="O(N) for N connections",
    history=[
        ("2.8.12", "Field id."),
        ("5.0.0", "Filter TYPE."),
        ("6.0.0", "Field user."),
        ("6.2.0", "Fields argv-mem, tot-mem, laddr and redir; filter ID."),
        ("7.0.0", "Fields resp, multi-mem, rbs and rbp."),
        ("7.0.3", "Field ssub."),
    ],
    tips="nondeterministic_output",
)
def client_list(session: Session, args: list[bytes]) -> object:
    """Describes the connections, one in a line."""
    sessions = session.engine.sessions
    chosen = list(sessions.values())
    option = args[2].lower() if len(args) > 2 else b""
    if option == b"type" and len(args) == 4:
        wanted = _client_type(args[3])
        chosen = [one for one in chosen if _type_of(one) == wanted]
    elif option == b"id" and len(args) > 3:
        numbers = [integer(arg, b"ERR Invalid client ID") for arg in args[3:]]
        chosen = [sessions[number] for number in numbers if number in sessions]
    elif len(args) > 2:
        raise syntax_error()
    return Verbatim(b"".join([client_line(one, session, args) + b"\n" for one in chosen]))


def _type_of(session: Session) -> bytes:
    return _PUBSUB if session.is_subscriber else _NORMAL


def _client_type(text: bytes) -> bytes:
    name = text.lower()
    if name not in _TYPES:
        raise CommandError(b"ERR Unknown client type '" + text + b"'")
    return name


@registry.command(
    "INFO",
    parent="client",
    arity=2,
    flags=_ANYTIME,
    since="6.2.0",
    complexity="O(1)",
    tips="nondeterministic_output",
)
def client_info(session: Session, args: list[bytes]) -> object:
    """Describes this connection as CLIENT LIST does."""
    return Verbatim(client_line(session, session, args) + b"\n")


@registry.command(
    "ID",
    parent="client",
    arity=2,
    flags=_ANYTIME,
    since="5.0.0",
    complexity="O(1)",
)
def client_id(session: Session, args: list[bytes]) -> object:
    """Answers this connection's number, which no other ever gets."""
    return session.number


@registry.command(
    "GETNAME",
    parent="client",
    arity=2,
    flags=_ANYTIME,
    since="2.6.9",
    complexity="O(1)",
)
def client_getname(session: Session, args: list[bytes]) -> object:
    """Answers the name that CLIENT SETNAME gave to this connection."""
    return session.name or None


# Describing oneself


@registry.command(
    "SETNAME connection-name",
    parent="client",
    arity=3,
    flags=_ANYTIME,
    since="2.6.9",
    complexity="O(1)",
    tips="request_policy:all_nodes response_policy:all_succeeded",
)
def client_setname(session: Session, args: list[bytes]) -> object:
    """Gives this connection a name for CLIENT LIST; an empty one takes it away."""
    session.name = checked_name(args[2])
    return OK


def checked_name(name: bytes) -> bytes:
    """``name`` if a connection can be called so; raises CommandError."""
    if not _is_one_word(name):
        raise CommandError(
            b"ERR Client names cannot contain spaces, newlines or special characters."
        )
    return name


def _is_one_word(text: bytes) -> bool:
    """Whether ``text`` is printable ASCII without blanks, which the lines of CLIENT LIST rely on."""
    return all(33 <= byte <= 126 for byte in text)


@registry.command(
    "SETINFO <LIB-NAME libname | LIB-VER libver>",
    parent="client",
    arity=4,
    flags=_ANYTIME,
    since="7.2.0",
    complexity="O(1)",
    tips="request_policy:all_nodes response_policy:all_succeeded",
)
def client_setinfo(session: Session, args: list[bytes]) -> object:
    """Notes the client library behind this connection, for CLIENT LIST."""
    attribute = args[2].lower()
    if attribute not in (b"lib-name", b"lib-ver"):
        raise CommandError(b"ERR Unrecognized option '" + args[2] + b"'")
    if not _is_one_word(args[3]):
        raise CommandError(
            b"ERR " + args[2] + b" cannot contain spaces, newlines or special characters."
        )
    if attribute == b"lib-name":
        session.library_name = args[3]
    else:
        session.library_version = args[3]
    return OK


@registry.command(
    "REPLY <ON | OFF | SKIP>:action",
    parent="client",
    arity=3,
    flags=_ANYTIME,
    since="3.2.0",
    complexity="O(1)",
)
def client_reply(session: Session, args: list[bytes]) -> object:
    """Turns replies off or on, or drops that of the next command.

    OFF and SKIP drop their own reply too: the owner of the session asks ``should_drop_reply``.
    """
    mode = args[2].lower()
    if mode == b"on":
        session.reply_mode = REPLY_ON
    elif mode == b"off":
        session.reply_mode = REPLY_OFF
    elif mode != b"skip":
        raise syntax_error()
    elif session.reply_mode != REPLY_OFF:
        session.reply_mode = SKIP_NEXT
    return OK


@registry.command(
    "NO-EVICT <ON | OFF>:enabled",
    parent="client",
    arity=3,
    flags=_ANYTIME | ADMIN,
    since="7.0.0",
    complexity="O(1)",
)
def client_no_evict(session: Session, args: list[bytes]) -> object:
    """Spares this connection when clients are disconnected to free memory (maxmemory-clients).

    CLIENT LIST shows the mark (flag ``e``).
    """
    session.no_evict = _is_on(args[2])
    return OK


@registry.command(
    "NO-TOUCH <ON | OFF>:enabled",
    parent="client",
    arity=3,
    flags=_ANYTIME,
    since="7.2.0",
    complexity="O(1)",
)
def client_no_touch(session: Session, args: list[bytes]) -> object:
    """Lets this connection's commands pass without being counted as uses of their keys."""
    session.no_touch = _is_on(args[2])
    return OK


def _is_on(text: bytes) -> bool:
    word = text.lower()
    if word not in (b"on", b"off"):
        raise syntax_error()
    return word == b"on"


# Acting on others


def _wrong_use(args: list[bytes]) -> CommandError:
    """For more arguments than a subcommand takes."""
    return CommandError(
        b"ERR unknown subcommand or wrong number of arguments for '"
        + args[1]
        + b"'. Try CLIENT HELP."
    )


class _Filter:
    """Which clients CLIENT KILL is about: those that fit everything that was said."""

    def __init__(self, skip_me: bool) -> None:
        self.skip_me = skip_me
        self.number = 0
        self.user: User | None = None
        self.client_type = b""
        self.address: bytes | None = None
        self.local_address: bytes | None = None
        self.least_age_seconds = 0

    def take(self, option: bytes, value: bytes, acl: Acl) -> None:
        """Read one option; raises CommandError."""
        if option == b"id":
            error = b"ERR client-id should be greater than 0"
            self.number = integer(value, error)
            if self.number < 1:
                raise CommandError(error)
        elif option == b"maxage":
            self.least_age_seconds = integer(value, b"ERR maxage is not an integer or out of range")
            if self.least_age_seconds <= 0:
                raise CommandError(b"ERR maxage should be greater than 0")
        elif option == b"type":
            self.client_type = _client_type(value)
        elif option == b"addr":
            self.address = value
        elif option == b"laddr":
            self.local_address = value
        elif option == b"user":
            self.user = acl.users.get(value)
            if self.user is None:
                raise CommandError(b"ERR No such user '" + value + b"'")
        elif option == b"skipme" and value.lower() in (b"yes", b"no"):
            self.skip_me = value.lower() == b"yes"
        else:
            raise syntax_error()

    def fits(self, session: Session, caller: Session) -> bool:
        """Whether ``session`` is meant."""
        age = int(caller.engine.core.clock.time()) - int(session.connected_at)
        return not (
            (self.skip_me and session is caller)
            or (self.number and session.number != self.number)
            or (self.user is not None and session.user is not self.user)
            or (self.client_type and self.client_type != _type_of(session))
            or (self.address is not None and session.address.encode() != self.address)
            or (
                self.local_address is not None
                and session.local_address.encode() != self.local_address
            )
            or (self.least_age_seconds and age < self.least_age_seconds)
        )


@registry.command(
    "KILL <<ip:port>:old-format!2.8.12 | <[ID client-id]@2.8.12"
    " | [TYPE <NORMAL | MASTER@3.2.0 | SLAVE | REPLICA@5.0.0 | PUBSUB>]@2.8.12 | [USER username]"
    " | [ADDR ip:port]:addr | [LADDR ip:port]:laddr@6.2.0 | [SKIPME <YES | NO>]:skipme"
    " | [MAXAGE maxage]@7.4.0>:new-format [...]>:filter",
    parent="client",
    arity=-3,
    flags=_ANYTIME | ADMIN,
    since="2.4.0",
    complexity="O(N) for N connections",
    history=[
        ("2.8.12", "Filters."),
        ("2.8.12", "Filter ID."),
        ("3.2.0", "Type master."),
        ("5.0.0", "Type replica; slave still means the same."),
        ("6.2.0", "Filter LADDR."),
        ("7.4.0", "Filter MAXAGE."),
    ],
)
def client_kill(session: Session, args: list[bytes]) -> object:
    """Disconnects clients: the one at an address, or all that fit the filters.

    Whoever disconnects himself gets his reply first.
    """
    is_old_form = len(args) == 3
    chosen = _Filter(not is_old_form)
    if is_old_form:
        chosen.address = args[2]
    else:
        if len(args) % 2 == 1:
            raise syntax_error()
        for place in range(2, len(args), 2):
            chosen.take(args[place].lower(), args[place + 1], session.engine.acl)
    # A list of its own: sessions may leave the engine's when they are told to close.
    victims = [one for one in session.engine.sessions.values() if chosen.fits(one, session)]
    for victim in victims:
        victim.end()
    if not is_old_form:
        return len(victims)
    if not victims:
        raise CommandError(b"ERR No such client")
    return OK


@registry.command(
    "UNBLOCK client-id [TIMEOUT | ERROR]",
    parent="client",
    arity=-3,
    flags=_ANYTIME | ADMIN,
    since="5.0.0",
    complexity="O(1)",
)
def client_unblock(session: Session, args: list[bytes]) -> object:
    """Ends the waiting of a client in a blocking command, as its timeout would or with an error."""
    if len(args) > 4:
        raise _wrong_use(args)
    mode = args[3].lower() if len(args) == 4 else b"timeout"
    if mode not in (b"timeout", b"error"):
        raise CommandError(b"ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")
    engine = session.engine
    blocked = engine.sessions.get(integer(args[2]))
    if blocked is None:
        return 0
    error = None
    if mode == b"error":
        error = CommandError(b"UNBLOCKED client unblocked via CLIENT UNBLOCK")
    return int(engine.room.unblock(blocked, error))


@registry.command(
    "PAUSE timeout [WRITE | ALL]@6.2.0",
    parent="client",
    arity=-3,
    flags=_ANYTIME | ADMIN,
    since="3.0.0",
    complexity="O(1)",
    history=[("6.2.0", "WRITE and ALL.")],
)
def client_pause(session: Session, args: list[bytes]) -> object:
    """Holds back all commands, or those that write, for some milliseconds; CLIENT goes on, and so does
    expiry, both of which Redis holds back too."""
    if len(args) > 4:
        raise _wrong_use(args)
    mode = args[3].lower() if len(args) == 4 else b"all"
    if mode not in (b"write", b"all"):
        raise CommandError(b"ERR CLIENT PAUSE mode must be WRITE or ALL")
    timeout_ms = integer(args[2], b"ERR timeout is not an integer or out of range")
    if timeout_ms < 0:
        raise CommandError(b"ERR timeout is negative")
    until_ms = int(session.engine.core.now_ms) + timeout_ms
    if until_ms > I64_MAX:
        raise CommandError(b"ERR timeout is out of range")
    session.engine.pause(until_ms, mode == b"write")
    return OK


@registry.command(
    "UNPAUSE",
    parent="client",
    arity=2,
    flags=_ANYTIME | ADMIN,
    since="6.2.0",
    complexity="O(N) for N clients that wait",
)
def client_unpause(session: Session, args: list[bytes]) -> object:
    """Ends what CLIENT PAUSE began."""
    session.engine.end_pause()
    return OK


@registry.command(
    "HELP",
    parent="client",
    arity=2,
    flags=LOADING | STALE,
    since="5.0.0",
    complexity="O(1)",
)
def client_help(session: Session, args: list[bytes]) -> object:
    """Lists the subcommands."""
    return subcommands_help(session, args)
