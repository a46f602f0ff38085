"""How the commands that talk to a server find it: their options, which are named as redis-cli's, and the
connection itself, one blocking socket."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, TypeVar
from urllib.parse import unquote, urlsplit

import click

from dscache.cli.reply_parser import INCOMPLETE, ReplyParser
from dscache.errors import DscacheError
from dscache.wire.reply import Attributed, ErrorReply, Push

_DEFAULT_PORT: Final = 6379
_READ_BYTES: Final = 1 << 16
#: How long a server may take to accept a connection. Replies may take any time: BLPOP does.
_CONNECT_SECONDS: Final = 10.0

_PASSWORD_VARIABLE: Final = "REDISCLI_AUTH"

_Decorated = TypeVar("_Decorated", bound=Callable[..., object])


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server, and as whom and how to talk to it."""

    host: str = "127.0.0.1"
    port: int = _DEFAULT_PORT
    #: The path of a Unix socket; it goes before host and port. Empty if there is none.
    socket_path: str = ""
    user: str = ""
    password: str = ""
    database: int = 0
    #: None for a connection that is not encrypted.
    tls: ssl.SSLContext | None = None
    #: The name that the server's certificate must have; empty for ``host``.
    server_name: str = ""

    @property
    def name(self) -> str:
        """For people: ``host:port``, or the socket's path."""
        if self.socket_path:
            return self.socket_path
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class LinkError(DscacheError):
    """There is no connection to the server, or no longer."""


class Link:
    """A connection, logged in and in its database.

    Raises LinkError when it cannot be made, and from any method when the server has hung up.
    """

    def __init__(self, endpoint: Endpoint, protocol: int = 2) -> None:
        self._parser: Final = ReplyParser()
        self._socket: Final = _connected(endpoint)
        try:
            self._log_in(endpoint, protocol)
        except BaseException:
            self._socket.close()
            raise

    def _log_in(self, endpoint: Endpoint, protocol: int) -> None:
        if endpoint.password:
            user = [endpoint.user] if endpoint.user else []
            self._must("AUTH", *user, endpoint.password)
        if protocol == 3:
            self._must("HELLO", "3")
        if endpoint.database:
            self._must("SELECT", str(endpoint.database))

    def _must(self, *words: str) -> None:
        reply = self.call(*[word.encode("utf-8", "surrogateescape") for word in words])
        if isinstance(reply, ErrorReply):
            # Without the arguments: one of them is a password.
            raise LinkError(f"{words[0]} failed: {reply.text.decode(errors='replace')}")

    def call(self, *words: bytes) -> object:
        """Send a command and read its reply; what the server pushes meanwhile is dropped."""
        self.send(list(words))
        while True:
            reply = self.read()
            if not isinstance(reply, Push):
                return reply.reply if isinstance(reply, Attributed) else reply

    def send(self, words: list[bytes]) -> None:
        """Send a command."""
        self.send_bytes(request(words))

    def send_bytes(self, data: bytes) -> None:
        """Send what ``request`` has made, perhaps of many commands."""
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise LinkError(f"the connection is lost: {error}") from error

    def read(self) -> object:
        """The next reply or push, however long it takes."""
        while (reply := self._parser.next_reply()) is INCOMPLETE:
            self._feed()
        return reply

    def _feed(self) -> None:
        try:
            data = self._socket.recv(_READ_BYTES)
        except OSError as error:
            raise LinkError(f"the connection is lost: {error}") from error
        if not data:
            raise LinkError("the server closed the connection")
        self._parser.feed(data)

    def fileno(self) -> int:
        """For select: whether there is something to ``receive``."""
        return self._socket.fileno()

    def receive(self) -> list[object]:
        """The replies that have come, waiting for more bytes at most once."""
        self._feed()
        while isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
            self._feed()  # select does not see what has been decrypted already
        replies: list[object] = []
        while (reply := self._parser.next_reply()) is not INCOMPLETE:
            replies.append(reply)
        return replies

    def is_alive(self) -> bool:
        """Whether the server has not hung up since the last reply, as far as one can see from here."""
        self._socket.setblocking(False)
        try:
            if isinstance(self._socket, ssl.SSLSocket):
                # There is no looking without taking: what came is kept.
                data = self._socket.recv(_READ_BYTES)
                self._parser.feed(data)
            else:
                data = self._socket.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            return False
        finally:
            self._socket.setblocking(True)
        return bool(data)

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


def request(words: list[bytes]) -> bytes:
    """A command as the protocol has it."""
    parts = [b"*%d\r\n" % len(words)]
    parts += [b"$%d\r\n%b\r\n" % (len(word), word) for word in words]
    return b"".join(parts)


def _connected(endpoint: Endpoint) -> socket.socket:
    try:
        if endpoint.socket_path:
            made = socket.socket(socket.AF_UNIX)
            made.connect(endpoint.socket_path)
            return made
        made = socket.create_connection((endpoint.host, endpoint.port), _CONNECT_SECONDS)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if endpoint.tls is not None:
            name = endpoint.server_name or endpoint.host
            made = endpoint.tls.wrap_socket(made, server_hostname=name)
        made.settimeout(None)
    except OSError as error:
        reason = error.strerror or str(error)
        raise LinkError(f"cannot connect to {endpoint.name}: {reason}") from error
    return made


# Options


def connection_options(*database_names: str) -> Callable[[_Decorated], _Decorated]:
    """Give a click command the options that ``endpoint_of`` reads. The database's are named by the caller:
    redis-benchmark has another -n than redis-cli."""

    def decorate(command: _Decorated) -> _Decorated:
        database = _option(
            *database_names, "db", type=int, metavar="DB", text="The database. Default: 0."
        )
        for option in (database, *reversed(_OPTIONS)):
            command = option(command)
        return command

    return decorate


def _keep(context: click.Context, option: click.Parameter, value: object) -> None:
    """Note an option's value where ``endpoint_of`` finds it, so that no command has to hand on all."""
    context.ensure_object(dict)[option.name] = value


def _option(*names: str, text: str, metavar: str = "", **more: object) -> Callable[..., object]:
    given: dict[str, object] = {"help": text, "callback": _keep, "expose_value": False, **more}
    if metavar:
        given["metavar"] = metavar
    return click.option(*names, **given)  # type: ignore[arg-type]  # checked by click, at import


_OPTIONS: Final = (
    _option("-h", "--host", metavar="HOST", text="The server's host. Default: 127.0.0.1."),
    _option("-p", "--port", type=int, metavar="PORT", text="Its port. Default: 6379."),
    _option("-s", "--socket", metavar="PATH", text="Its Unix socket, instead of host and port."),
    _option(
        "-u", "--url", metavar="URL", text="All at once: redis://USER:PASSWORD@HOST:PORT/DB (rediss: TLS)."
    ),
    _option("--user", metavar="NAME", text="Log in as this user. Default: the user default."),
    _option(
        "-a", "--pass", "password", metavar="PASSWORD",
        text=f"Log in. Others can read a command line: better set {_PASSWORD_VARIABLE}.",
    ),
    _option("--askpass", is_flag=True, text="Ask for the password."),
    _option("--tls", is_flag=True, text="Encrypt, and check the server's certificate and its name."),
    _option("--sni", metavar="NAME", text="The name in its certificate, if that is not HOST."),
    _option("--cacert", metavar="FILE", text="Whom to trust. Default: whom the system trusts."),
    _option("--cacertdir", metavar="DIR", text="The same as a directory."),
    _option("--insecure", is_flag=True, text="Encrypt, and trust everybody."),
    _option("--cert", metavar="FILE", text="The certificate to log in with."),
    _option("--key", metavar="FILE", text="Its private key."),
)  # fmt: skip


def endpoint_of(context: click.Context) -> Endpoint:
    """What the options of ``connection_options`` mean. Raises click.UsageError."""
    given = context.ensure_object(dict)
    endpoint = Endpoint(password=os.environ.get(_PASSWORD_VARIABLE, ""))
    is_encrypted = bool(given["tls"])
    if given["url"]:
        endpoint, is_encrypted = _from_url(given["url"], endpoint, is_encrypted)
    if given["askpass"]:
        given["password"] = click.prompt("Password", hide_input=True, err=True)
    fields = (
        ("host", "host"), ("port", "port"), ("socket_path", "socket"), ("user", "user"),
        ("password", "password"), ("database", "db"), ("server_name", "sni"),
    )  # fmt: skip
    endpoint = replace(
        endpoint, **{field: given[name] for field, name in fields if given[name] is not None}
    )
    if endpoint.user and not endpoint.password:
        raise click.UsageError(f"--user needs a password: -a, --askpass or {_PASSWORD_VARIABLE}")
    if is_encrypted:
        endpoint = replace(
            endpoint,
            tls=_tls_context(
                given["cacert"], given["cacertdir"], given["cert"], given["key"], given["insecure"]
            ),
        )
    return endpoint


def _from_url(text: str, endpoint: Endpoint, is_encrypted: bool) -> tuple[Endpoint, bool]:
    mistake = click.UsageError(
        "the URL is not of the form redis://USER:PASSWORD@HOST:PORT/DB (or rediss:)"
    )
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise mistake from None
    database = url.path.strip("/") or "0"
    if url.scheme not in {"redis", "rediss"} or not database.isdecimal():
        raise mistake
    # redis-cli takes what stands before @ without a colon for a password.
    user, password = unquote(url.username or ""), url.password
    if user and password is None:
        user, password = "", user
    return (
        replace(
            endpoint,
            host=url.hostname or endpoint.host,
            port=port or endpoint.port,
            user=user,
            password=unquote(password or "") or endpoint.password,
            database=int(database),
        ),
        is_encrypted or url.scheme == "rediss",
    )


def _tls_context(
    authorities: str | None,
    authorities_directory: str | None,
    certificate: str | None,
    key: str | None,
    is_insecure: bool,
) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=authorities, capath=authorities_directory)
        if certificate:
            context.load_cert_chain(certificate, key)
    except OSError as error:
        raise click.UsageError(
            f"--cacert, --cacertdir, --cert or --key: {error.strerror or error}"
        ) from error
    if is_insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
