"""Where the server listens: TCP addresses and a Unix socket."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from dscache.errors import ConfigError
from dscache.server.connection import Connection

if TYPE_CHECKING:
    from dscache.config import Config


class Listeners:
    """The listening sockets. ``make`` makes a connection of a kind, "tcp" or "unix"."""

    def __init__(self, config: Config, make: Callable[[str], Connection]) -> None:
        self._config = config
        self._make = make
        self._tcp: list[asyncio.Server] = []
        self._unix: asyncio.Server | None = None
        self._unix_path = ""

    async def open(self) -> None:
        """Start to listen as configured. Raises ConfigError that names the address."""
        config = self._config
        if config.port:
            self._tcp = await self._open_tcp(config.bind, config.port)
        if config.unixsocket:
            await self._open_unix(config.unixsocket)
        if not self._tcp and self._unix is None:
            raise ConfigError("nothing to listen on: set port, or unixsocket, or both")

    async def reopen_tcp(self) -> None:
        """CONFIG SET port or bind: the new sockets first; if they fail the old ones stay.

        Raises ConfigError.
        """
        config = self._config
        old = self._tcp
        fresh = await self._open_tcp(config.bind, config.port) if config.port else []
        self._tcp = fresh
        for server in old:
            server.close()

    async def _open_tcp(self, bind: Sequence[str], port: int) -> list[asyncio.Server]:
        opened: list[asyncio.Server] = []
        try:
            for word in bind or ("*",):
                # A leading "-" says that the address need not exist on this machine.
                address = word.removeprefix("-")
                try:
                    opened.append(await self._listen(address, port))
                except OSError as error:
                    if word.startswith("-") and error.errno is not None and not _in_use(error):
                        continue
                    raise ConfigError(_cannot_listen(f"{address}:{port}", error)) from error
        except BaseException:
            for server in opened:
                server.close()
            raise
        if not opened:
            raise ConfigError(f"none of the addresses in bind can be listened on: {' '.join(bind)}")
        return opened

    async def _listen(self, address: str, port: int) -> asyncio.Server:
        hosts = {"*": "0.0.0.0", "::*": "::"}
        loop = asyncio.get_running_loop()
        return await loop.create_server(
            lambda: self._make("tcp"),  # type: ignore[arg-type, return-value]
            hosts.get(address, address),
            port,
            backlog=self._config.tcp_backlog,
            reuse_address=True,
        )

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
        for server in self._tcp:
            server.close()
        self._tcp = []
        if self._unix is not None:
            self._unix.close()
            self._unix = None
            with contextlib.suppress(OSError):
                os.unlink(self._unix_path)

    def addresses(self) -> list[str]:
        """What is listened on, for the log."""
        found = []
        for server in self._tcp:
            for listening in server.sockets:
                host, port = listening.getsockname()[:2]
                found.append(f"{host}:{port}")
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
