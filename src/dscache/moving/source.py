"""The source: a server that runs, whose data set is to be taken, by its URL.

redis-py makes the connections (TLS, authentication) and reads replies; what goes wrong is told in words of
ours, which say what to do. Nothing is tried again here.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from typing import Final

from redis.connection import Connection, UnixDomainSocketConnection, parse_url
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    InvalidResponse,
    NoPermissionError,
    RedisError,
    ResponseError,
)
from redis.exceptions import ConnectionError as NoConnectionError
from redis.exceptions import TimeoutError as NoReplyError

from dscache.errors import CommandLineError, SourceAwayError, SourceError

_SCHEMES: Final = ("redis://", "rediss://", "unix://")

#: The variable with the password, if the URL has none: redis-cli's. It keeps it out of the list of processes.
PASSWORD_VARIABLE: Final = "REDISCLI_AUTH"

_CONNECT_SECONDS: Final = 10.0

#: How long the source may be silent. One value of DUMP may take it seconds.
SILENCE_SECONDS: Final = 60.0

# Parts of a URL that redis-py's connections know; a database is understood, and means nothing here.
_PARTS: Final = frozenset({"host", "port", "path", "username", "password", "connection_class"})
_IGNORED: Final = "db"
_TLS_OPTION: Final = "ssl_"


def is_url(text: str) -> bool:
    """Whether ``text`` is the URL of a server, and not the name of a file."""
    return text.startswith(_SCHEMES)


class Source:
    """The server that ``url`` means: ``redis://``, ``rediss://`` (TLS) or ``unix://``, with redis-py's
    options ``ssl_...``. Raises CommandLineError."""

    def __init__(self, url: str) -> None:
        try:
            parts = parse_url(url)
        except ValueError as error:
            raise CommandLineError(f"the URL of the server is wrong: {error}") from error
        unknown = [
            one
            for one in parts
            if one not in _PARTS and one != _IGNORED and not one.startswith(_TLS_OPTION)
        ]
        if unknown:
            raise CommandLineError(f"the URL of the server has an unknown option {unknown[0]!r}")
        parts.pop(_IGNORED, None)
        password = os.environ.get(PASSWORD_VARIABLE)
        if password and "password" not in parts:
            parts["password"] = password
        self._class: Final = parts.pop("connection_class", Connection)
        self._parts: Final = parts
        #: What messages call it: the URL without user, password and options.
        self.name: Final[str] = (
            f"unix://{parts.get('path', '')}"
            if self._class is UnixDomainSocketConnection
            else f"{url.partition(':')[0]}://{parts.get('host', 'localhost')}:{parts.get('port', 6379)}"
        )

    def connect(self) -> SourceConnection:
        """A connection whose user has been authenticated. Raises SourceError."""
        try:
            connection: Connection = self._class(
                **self._parts,
                protocol=2,
                driver_info=None,
                socket_connect_timeout=_CONNECT_SECONDS,
                socket_timeout=SILENCE_SECONDS,
            )
        except (TypeError, ValueError, RedisError) as error:
            raise CommandLineError(f"the URL of the server is wrong: {error}") from error
        try:
            connection.connect()
        except RedisError as failure:
            raise explained(self.name, failure) from failure
        return SourceConnection(self.name, connection)


class SourceConnection:
    """A connection of redis-py. All methods raise SourceError."""

    def __init__(self, name: str, connection: Connection) -> None:
        self._name: Final = name
        self._connection: Final = connection

    def __enter__(self) -> SourceConnection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._connection.disconnect()

    def send(self, commands: Iterable[tuple[bytes | str | int, ...]]) -> None:
        """Send commands at once, each of which gets a ``reply``."""
        try:
            self._connection.send_packed_command(self._connection.pack_commands(commands))
        except RedisError as error:
            raise explained(self._name, error) from error

    def reply(self) -> object:
        """The reply to the next of the commands that were sent; an error is a ResponseError."""
        try:
            return self._connection.read_response()
        except ResponseError as refusal:
            return refusal
        except RedisError as error:
            raise explained(self._name, error) from error

    @property
    def socket(self) -> socket.socket:
        """For what is not made of replies. All replies have been read; from now on they cannot be."""
        found = self._connection._get_socket()
        assert isinstance(found, socket.socket), "it is connected"
        return found


def is_unknown_command(reply: object) -> bool:
    """Whether ``reply`` is the error of a server that does not have the command, or the subcommand."""
    return isinstance(reply, ResponseError) and str(reply).lower().startswith(
        ("unknown command", "unknown subcommand")
    )


def explained(name: str, error: RedisError) -> SourceError:
    """What ``error`` of the server ``name`` means, and what to do."""
    text = str(error).removesuffix(".")
    if isinstance(error, AuthenticationError):
        return SourceError(
            f"{name} does not let us in: {text}. Give the user and the password in the URL, or the password"
            f" in {PASSWORD_VARIABLE}"
        )
    if isinstance(error, NoPermissionError):
        return SourceError(f"{name} does not allow it: {text}")
    if isinstance(error, BusyLoadingError):
        return SourceAwayError(f"{name} is not ready: {text}")
    if isinstance(error, NoConnectionError | NoReplyError):
        return SourceAwayError(f"{name} cannot be reached: {text}")
    if isinstance(error, InvalidResponse):
        return SourceError(f"{name} does not speak the protocol of Redis: {text}")
    return SourceError(f"{name} refuses: {text}")
