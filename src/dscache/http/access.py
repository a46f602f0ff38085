"""Who an HTTP request comes from: the users of ACL, under the same rules as on the port of clients.

A request is made

* by who names himself in it (HTTP's Basic authentication): programs, such as Prometheus;
* by who has logged in, and shows the cookie that he got then: browsers;
* by the user ``default``, if that one needs no password.

The last is where browsers are a danger: any page that they show may send requests to this machine. Three
things stand against that. What changes anything must bear a header that other sites' pages cannot send
(``dscache.http.site``). The cookie goes with requests of our own pages only. And a page of another site
that has its name resolve to our address (DNS rebinding), and so passes for our own, shows that name in the
header Host: a user who needs no password, whom it could be, must have come by an address, or by a name of
this machine.

A login is a session of the engine, which holds the user: CLIENT LIST shows it, and CLIENT KILL, or the end
of the user, ends it. Each request runs in a session of its own, as the same user.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import secrets
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dscache.errors import CommandError, DscacheError

if TYPE_CHECKING:
    from dscache.engine.engine import Engine
    from dscache.engine.session import Session

# Logins end after this time without a request, and the one that was used longest ago when there are so many.
_IDLE_SECONDS: Final = 1800.0
_MOST_LOGINS: Final = 64

_NAME: Final = b"http"

_PROTECTED: Final = (
    "DENIED dscache is running in protected mode: it has no password, and this connection does not come from"
    " the machine itself. See protected-mode in docs/configuration.md."
)
_NEEDS_LOGIN: Final = "NOAUTH Authentication required."
_WRONG_HOST: Final = (
    "DENIED a user without a password must call this server by an address, localhost or its own name, so that"
    " other sites' pages cannot"
)


class DeniedError(DscacheError):
    """A request that is not carried out. ``status`` is HTTP's."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status: Final = status


@dataclass(frozen=True, slots=True)
class Caller:
    """What of a request says who makes it."""

    #: Address and port of the other end.
    address: str
    host: str
    authorization: str
    cookie: str


class Access:
    """See the module's docstring."""

    def __init__(self, engine: Engine) -> None:
        self._engine: Final = engine
        self._own_names: Final = {"localhost", socket.gethostname().lower(), *_named(engine)}
        #: The sessions that hold who has logged in, by the cookie's value; the latest used last.
        self._logins: Final[dict[str, Session]] = {}

    def session(self, caller: Caller) -> Session:
        """A session for one request, whose owner ends it. Raises DeniedError."""
        session = self._new_session(caller)
        try:
            self._identify(session, caller)
        except BaseException:
            self._engine.end_session(session)
            raise
        return session

    def _new_session(self, caller: Caller) -> Session:
        session = self._engine.new_session()
        session.address = caller.address
        session.name = _NAME
        return session

    def _identify(self, session: Session, caller: Caller) -> None:
        acl = self._engine.acl
        self._check_protection(session)
        login = self._login(caller.cookie)
        if caller.authorization:
            self._authenticate(session, *_credentials(caller.authorization))
        elif login is not None:
            acl.follow(session, login)
        elif not acl.is_known(session):
            raise DeniedError(401, _NEEDS_LOGIN)
        self._check_host(session, caller)

    def _check_protection(self, session: Session) -> None:
        engine = self._engine
        is_open = engine.config.protected_mode and engine.acl.default.needs_no_password
        if is_open and not session.is_local:
            engine.counters.connections_rejected += 1
            raise DeniedError(403, _PROTECTED)

    def _check_host(self, session: Session, caller: Caller) -> None:
        if session.user.needs_no_password and not self._is_own_name(caller.host):
            raise DeniedError(403, _WRONG_HOST)

    def _authenticate(self, session: Session, user: bytes, password: bytes) -> None:
        # Not as a command: that might have to wait (CLIENT PAUSE).
        try:
            self._engine.acl.authenticate(session, user, password, [b"AUTH", user, password])
        except CommandError as error:
            raise DeniedError(401, error.reply.decode("utf-8", "replace")) from error

    # Logins

    def log_in(self, caller: Caller, user: bytes, password: bytes) -> str:
        """The value of the cookie for who logs in. Raises DeniedError."""
        session = self._new_session(caller)
        try:
            self._check_protection(session)
            self._authenticate(session, user, password)
            self._check_host(session, caller)
        except BaseException:
            self._engine.end_session(session)
            raise
        token = secrets.token_urlsafe(32)
        session.close = lambda: self.log_out(token)
        self._logins[token] = session
        self._forget_old()
        return token

    def is_login(self, token: str) -> bool:
        """Whether somebody has logged in who holds ``token``."""
        return self._login(token) is not None

    def log_out(self, token: str) -> None:
        """End a login, if there is one."""
        session = self._logins.pop(token, None)
        if session is not None:
            self._engine.end_session(session)
            session.let_go()

    def close(self) -> None:
        """End all logins."""
        for token in list(self._logins):
            self.log_out(token)

    def _login(self, token: str) -> Session | None:
        self._forget_old()
        session = self._logins.pop(token, None)
        if session is not None:
            self._logins[token] = session
            session.last_active = self._engine.core.clock.time()
        return session

    def _forget_old(self) -> None:
        oldest_allowed = self._engine.core.clock.time() - _IDLE_SECONDS
        for token, session in list(self._logins.items()):
            if session.last_active < oldest_allowed or len(self._logins) > _MOST_LOGINS:
                self.log_out(token)

    def _is_own_name(self, host: str) -> bool:
        name = _without_port(host).lower()
        try:
            ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            return name in self._own_names
        return True


def _named(engine: Engine) -> list[str]:
    return [word.removeprefix("-").lower() for word in engine.config.http_bind]


def _without_port(host: str) -> str:
    return host if host.endswith("]") else host.rpartition(":")[0] or host


def _credentials(authorization: str) -> tuple[bytes, bytes]:
    """User and password of the header Authorization. Raises DeniedError."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise DeniedError(401, "ERR only Basic authentication is understood")
    try:
        user, _, password = base64.b64decode(encoded, validate=True).partition(b":")
    except binascii.Error as error:
        raise DeniedError(401, "ERR the header Authorization is not base64") from error
    return user, password
