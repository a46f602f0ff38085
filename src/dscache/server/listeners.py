"""Where the server listens: TCP addresses, with TLS or without, and a Unix socket.

A socket that the service manager has bound already (``systemd``) is taken in place of one of our own, if it
is for an address that is wanted. TCP sockets are bound at once, when ``open`` or ``rebind`` is called, so
that CONFIG SET port and bind can be refused; the event loop takes them over in its next turn (the kernel
keeps who connects before).
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import socket
import ssl
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dscache.errors import ConfigError
from dscache.server.connection import Connection
from dscache.server.tls import make_context

if TYPE_CHECKING:
    from dscache.config import Config

_ALL: Final = {"*": "0.0.0.0", "::*": "::"}


class Listeners:
    """The listening sockets. ``make`` makes a connection of a kind, "tcp", "tls" or "unix"; ``inherited``
    are those that listen already."""

    def __init__(
        self, config: Config, make: Callable[[str], Connection], inherited: list[socket.socket]
    ) -> None:
        self._config = config
        self._make = make
        self._inherited = inherited
        # By address and port: the sockets that are wanted, those that the event loop has taken over,
        # and what they became.
        self._wanted: dict[tuple[str, int], list[socket.socket]] = {}
        self._taken: dict[tuple[str, int], list[socket.socket]] = {}
        self._tcp: dict[tuple[str, int], list[asyncio.Server]] = {}
        self._taking_over = asyncio.Lock()
        # What TLS is spoken with: that of the directives, and that of those who listen.
        self._context: ssl.SSLContext | None = None
        self._context_in_use: ssl.SSLContext | None = None
        self._unix: asyncio.Server | None = None
        self._unix_socket: socket.socket | None = None
        # Whether the socket's path goes with the server; the service manager's stays.
        self._owns_unix_path = False

    async def open(self) -> None:
        """Start to listen as configured. Raises ConfigError that names the address."""
        self.rebind()
        await self.take_over()
        if self._config.unixsocket:
            await self._open_unix(self._config.unixsocket)
        if self._inherited:
            where = _shown(self._inherited[0].getsockname())
            raise ConfigError(
                f"the service manager has passed on a socket for {where}, which is not what bind, port,"
                " tls-port or unixsocket say: let them agree"
            )
        if not self._tcp and self._unix is None:
            raise ConfigError("nothing to listen on: set port, tls-port or unixsocket")

    def rebind(self) -> None:
        """Bind what ``port`` and ``bind`` name now and let go of the rest; ``take_over`` must follow.

        Connections stay. Raises ConfigError that names the address; then nothing has changed.
        """
        config = self._config
        context = make_context(config) if config.tls_port else None
        words = config.bind or ("*",)
        ports = [port for port in (config.port, config.tls_port) if port]
        if len(ports) != len(set(ports)):
            raise ConfigError("port and tls-port must differ")
        known = self._taken | self._wanted
        bound: dict[tuple[str, int], list[socket.socket]] = {}
        fresh: list[socket.socket] = []
        try:
            for word, port in itertools.product(words, ports):
                # A leading "-" says that the address need not exist on this machine.
                address = word.removeprefix("-")
                place = (address, port)
                if place in known:
                    bound[place] = known[place]
                    continue
                try:
                    bound[place] = self._bind(address, port)
                except OSError as error:
                    if word.startswith("-") and not _in_use(error):
                        continue
                    raise ConfigError(_cannot_listen(f"{address}:{port}", error)) from error
                fresh += bound[place]
            if ports and not bound:
                raise ConfigError(
                    f"none of the addresses in bind can be listened on: {' '.join(words)}"
                )
        except ConfigError:
            for one in fresh:
                one.close()
            raise
        for place in self._wanted.keys() - bound.keys() - self._taken.keys():
            for one in self._wanted[place]:
                one.close()
        self._wanted = bound
        self._context = context

    def _bind(self, address: str, port: int) -> list[socket.socket]:
        """Listen on all that ``address`` stands for. Raises OSError."""
        bound: list[socket.socket] = []
        try:
            for family, kind, protocol, _, where in socket.getaddrinfo(
                _ALL.get(address, address), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            ):
                inherited = self._take_inherited(where)
                if inherited is not None:
                    bound.append(inherited)
                    continue
                one = socket.socket(family, kind, protocol)
                bound.append(one)
                one.setblocking(False)
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                self._listen_beside_ours(one, where, port)
        except BaseException:
            for one in bound:
                one.close()
            raise
        return bound

    def _take_inherited(self, where: object) -> socket.socket | None:
        """The socket that listens at ``where`` already, if one does; it is ours from then on."""
        for one in self._inherited:
            if one.getsockname() == where:
                self._inherited.remove(one)
                return one
        return None

    def _listen_beside_ours(self, one: socket.socket, where: tuple[object, ...], port: int) -> None:
        """Listen, though we may do so already on an address that this one covers or is covered by.

        Nobody else is let in beside us: the permission to share lasts for this call.
        """
        known = self._taken | self._wanted
        ours = [other for place, bound in known.items() if place[1] == port for other in bound]
        try:
            for other in (*ours, *([one] if ours else [])):
                other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            one.bind(where)
            one.listen(self._config.tcp_backlog)
        finally:
            for other in (*ours, one):
                other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 0)

    async def take_over(self) -> None:
        """Accept connections on what ``rebind`` has bound, and no more on what it let go of."""
        loop = asyncio.get_running_loop()
        async with self._taking_over:
            if self._context is not self._context_in_use:
                self._renew_tls()
            for place in self._taken.keys() - self._wanted.keys():
                del self._taken[place]
                for server in self._tcp.pop(place):
                    server.close()
            for place in self._wanted.keys() - self._taken.keys():
                self._taken[place] = self._wanted[place]
                context = self._context if place[1] == self._config.tls_port else None
                kind = "tcp" if context is None else "tls"
                self._tcp[place] = [
                    await loop.create_server(
                        partial(self._make, kind),  # type: ignore[arg-type]
                        sock=one,
                        backlog=self._config.tcp_backlog,
                        ssl=context,
                    )
                    for one in self._taken[place]
                ]

    def _renew_tls(self) -> None:
        """Let go of the sockets for TLS, and keep them open: they are taken over with a new context.

        Also a port that spoke TLS, or will from now on, is taken over anew.
        """
        for place in list(self._taken):
            if place not in self._wanted:
                continue
            self._wanted[place] = [one.dup() for one in self._taken.pop(place)]
            for server in self._tcp.pop(place):
                server.close()
        self._context_in_use = self._context

    async def _open_unix(self, path: str) -> None:
        loop = asyncio.get_running_loop()
        inherited = self._take_inherited(path)
        try:
            self._unix_socket = _bind_unix(path) if inherited is None else inherited
            self._unix = await loop.create_unix_server(
                lambda: self._make("unix"),  # type: ignore[arg-type, return-value]
                sock=self._unix_socket,
                backlog=self._config.tcp_backlog,
            )
            if inherited is None and self._config.unixsocketperm:
                os.chmod(path, self._config.unixsocketperm)
        except OSError as error:
            raise ConfigError(_cannot_listen(f"unixsocket {path}", error)) from error
        self._owns_unix_path = inherited is None

    def close(self) -> None:
        """Stop listening; connections stay."""
        for servers in self._tcp.values():
            for server in servers:
                server.close()
        self._tcp.clear()
        self._taken.clear()
        self._wanted.clear()
        if self._unix is not None:
            self._unix.close()
            self._unix = self._unix_socket = None
            if self._owns_unix_path:
                with contextlib.suppress(OSError):
                    os.unlink(self._config.unixsocket)

    def sockets(self) -> list[socket.socket]:
        """The sockets without TLS that the event loop has taken over."""
        tls_port = self._config.tls_port
        found = [
            one for place, bound in self._taken.items() if place[1] != tls_port for one in bound
        ]
        return found if self._unix_socket is None else [*found, self._unix_socket]

    def addresses(self) -> list[str]:
        """What is listened on, for the log."""
        found = []
        for bound in self._wanted.values():
            for one in bound:
                found.append(_shown(one.getsockname()))
        if self._unix is not None:
            found.append(self._config.unixsocket)
        return found


def _bind_unix(path: str) -> socket.socket:
    """A socket at ``path``. Raises ConfigError and OSError.

    One that a killed server left behind is replaced; one that somebody listens on must not be taken
    from him, nor the place of a file that is no socket.
    """
    with socket.socket(socket.AF_UNIX) as probe:
        if probe.connect_ex(path) == 0:
            raise ConfigError(f"unixsocket {path} is in use by another server")
    if Path(path).is_socket():
        os.unlink(path)
    one = socket.socket(socket.AF_UNIX)
    one.setblocking(False)
    one.bind(path)
    return one


def _shown(where: str | tuple[str, int]) -> str:
    """What a socket is bound to, for people."""
    if isinstance(where, str):
        return where
    host, port = where[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _in_use(error: OSError) -> bool:
    return "in use" in str(error)


def _cannot_listen(where: str, error: OSError) -> str:
    reason = error.strerror or str(error)
    if _in_use(error):
        return f"cannot listen on {where}: it is in use; stop the other server or choose another"
    return f"cannot listen on {where}: {reason}"
