"""A connection to a server: one blocking socket, logged in."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from typing import Final

from dscache.cli.reply_parser import INCOMPLETE, ReplyParser
from dscache.errors import DscacheError
from dscache.wire.reply import Attributed, ErrorReply, Push

_DEFAULT_PORT: Final = 6379
_READ_BYTES: Final = 1 << 16
#: How long a server may take to accept a connection. Replies may take any time: BLPOP does.
_CONNECT_SECONDS: Final = 10.0


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

    def send_some(self, data: memoryview) -> int:
        """Send what of ``data`` goes without waiting; how many bytes."""
        self._socket.setblocking(False)
        try:
            return self._socket.send(data)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return 0
        except OSError as error:
            raise LinkError(f"the connection is lost: {error}") from error
        finally:
            self._socket.setblocking(True)

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
