"""Where the server listens: TCP addresses and a Unix socket.

TCP sockets are bound at once, when ``open`` or ``rebind`` is called, so that CONFIG SET port and bind
can be refused; the event loop takes them over in its next turn (the kernel keeps who connects before).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from dscache.errors import ConfigError
from dscache.server.connection import Connection

if TYPE_CHECKING:
    from dscache.config import Config

_ALL: Final = {"*": "0.0.0.0", "::*": "::"}


class Listeners:
    """The listening sockets. ``make`` makes a connection of a kind, "tcp" or "unix"."""

    def __init__(self, config: Config, make: Callable[[str], Connection]) -> None:
        self._config = config
        self._make = make
        # By address and port: the sockets that are wanted, those that the event loop has taken over,
        # and what they became.
        self._wanted: dict[tuple[str, int], list[socket.socket]] = {}
        self._taken: dict[tuple[str, int], list[socket.socket]] = {}
        self._tcp: dict[tuple[str, int], list[asyncio.Server]] = {}
        self._taking_over = asyncio.Lock()
        self._unix: asyncio.Server | None = None
        self._unix_path = ""

    async def open(self) -> None:
        """Start to listen as configured. Raises ConfigError that names the address."""
        self.rebind()
        await self.take_over()
        if self._config.unixsocket:
            await self._open_unix(self._config.unixsocket)
        if not self._tcp and self._unix is None:
            raise ConfigError("nothing to listen on: set port, or unixsocket, or both")

    def rebind(self) -> None:
        """Bind what ``port`` and ``bind`` name now and let go of the rest; ``take_over`` must follow.

        Connections stay. Raises ConfigError that names the address; then nothing has changed.
        """
        config = self._config
        words = (config.bind or ("*",)) if config.port else ()
        known = self._taken | self._wanted
        bound: dict[tuple[str, int], list[socket.socket]] = {}
        fresh: list[socket.socket] = []
        try:
            for word in words:
                # A leading "-" says that the address need not exist on this machine.
                address = word.removeprefix("-")
                place = (address, config.port)
                if place in known:
                    bound[place] = known[place]
                    continue
                try:
                    bound[place] = self._bind(address, config.port)
                except OSError as error:
                    if word.startswith("-") and not _in_use(error):
                        continue
                    raise ConfigError(_cannot_listen(f"{address}:{config.port}", error)) from error
                fresh += bound[place]
            if words and not bound:
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

    def _bind(self, address: str, port: int) -> list[socket.socket]:
        """Listen on all that ``address`` stands for. Raises OSError."""
        bound: list[socket.socket] = []
        try:
            for family, kind, protocol, _, where in socket.getaddrinfo(
                _ALL.get(address, address), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            ):
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
            for place in self._taken.keys() - self._wanted.keys():
                del self._taken[place]
                for server in self._tcp.pop(place):
                    server.close()
            for place in self._wanted.keys() - self._taken.keys():
                self._taken[place] = self._wanted[place]
                self._tcp[place] = [
                    await loop.create_server(
                        lambda: self._make("tcp"),  # type: ignore[arg-type, return-value]
                        sock=one,
                        backlog=self._config.tcp_backlog,
                    )
                    for one in self._taken[place]
                ]

    async def _open_unix(self, path: str) -> None:
        loop = asyncio.get_running_loop()
        try:
            # A socket that a killed server left behind is replaced (the event loop sees to that, and
            # takes nothing but a socket away); one that somebody listens on must not be taken from
            # him.
            with socket.socket(socket.AF_UNIX) as probe:
                if probe.connect_ex(path) == 0:
                    raise ConfigError(f"unixsocket {path} is in use by another server")
            self._unix = await loop.create_unix_server(
                lambda: self._make("unix"),  # type: ignore[arg-type, return-value]
                path,
                backlog=self._config.tcp_backlog,
            )
            if self._config.unixsocketperm:
                os.chmod(path, self._config.unixsocketperm)
        except OSError as error:
            raise ConfigError(_cannot_listen(f"unixsocket {path}", error)) from error
        self._unix_path = path

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
            self._unix = None
            with contextlib.suppress(OSError):
                os.unlink(self._unix_path)

    def sockets(self) -> list[socket.socket]:
        """The TCP sockets that the event loop has taken over."""
        return [one for bound in self._taken.values() for one in bound]

    def addresses(self) -> list[str]:
        """What is listened on, for the log."""
        found = []
        for bound in self._wanted.values():
            for one in bound:
                host, port = one.getsockname()[:2]
                found.append(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        if self._unix is not None:
            found.append(self._unix_path)
        return found


def _in_use(error: OSError) -> bool:
    return "in use" in str(error)


def _cannot_listen(where: str, error: OSError) -> str:
    reason = error.strerror or str(error)
    if _in_use(error):
        return f"cannot listen on {where}: it is in use; stop the other server or choose another"
    return f"cannot listen on {where}: {reason}"
