"""The hosts of this process, by data directory: who opens a directory a second time shares its host."""

from __future__ import annotations

import atexit
import os
import tempfile
import threading
from collections.abc import Mapping
from typing import Final

from dscache.config import Config
from dscache.config.directives import NETWORK
from dscache.embedded.host import Host, Lease
from dscache.embedded.options import DirectiveValue, as_overrides
from dscache.errors import ConfigError, StoreError

# A program's own memory is what it is about: not a quarter of the machine, as for a server.
_MAXMEMORY: Final = "256mb"

# Directives of a process that serves sockets, and what is said with an argument of its own.
_OF_A_SERVER: Final = frozenset(
    {
        directive.name
        for directive in Config.directives()
        if directive.section is NETWORK and directive.name != "timeout"
    }
    | {"dir", "loglevel", "logfile", "log-format", "shutdown-timeout"}
)


class Hosts:
    """See the module's docstring."""

    def __init__(self, is_forked: bool) -> None:
        # The parent has had RocksDB open: it believes that its threads are here, and waits for them.
        self._is_forked: Final = is_forked
        self._has_opened = False
        # One opening at a time. Whoever closes does not ask for it.
        self._opening: Final = threading.Lock()
        self._shared: Final[dict[str, tuple[Host, list[tuple[str, list[str]]]]]] = {}
        self._all: Final[set[Host]] = set()

    def lease(
        self, path: str | os.PathLike[str] | None, directives: Mapping[str, DirectiveValue]
    ) -> Lease:
        """A lease on the host of the directory ``path``, which is opened if it is not open in this process.

        Raises ConfigError, ExtensionError, LogDamagedError or StoreError (in a forked process, too).
        """
        if self._is_forked:
            raise StoreError(
                f"process {os.getpid()} was forked from one that had a dscache open, and can open none:"
                " RocksDB's threads are missing here. Start processes with spawn or forkserver"
            )
        overrides = as_overrides(directives)
        for name, _ in overrides:
            if name in _OF_A_SERVER:
                raise ConfigError(f"{name.replace('-', '_')} is nothing for an embedded dscache")
        if path is None:
            if not directives.get("volatile"):
                raise ConfigError("the directory of the data is missing: dscache.open(path)")
            return self._open(
                os.path.join(tempfile.gettempdir(), f"dscache-{os.getuid()}"), overrides, None
            )
        real = os.path.realpath(path)
        if directives.get("volatile"):
            return self._open(real, overrides, None)
        with self._opening:
            while real in self._shared:
                host, first = self._shared[real]
                if overrides and overrides != first and host.closed is None:
                    raise ConfigError(
                        f"{real} is open in this process with other directives; give the same ones, or none"
                    )
                lease = host.lease()
                if lease is not None:
                    return lease
                host.ended.wait()
            return self._open(real, overrides, real)

    def _open(
        self, directory: str, overrides: list[tuple[str, list[str]]], shared_as: str | None
    ) -> Lease:
        defaults = [("maxmemory", [_MAXMEMORY]), ("dir", [directory])]
        host = Host(Config.from_arguments(None, defaults + overrides), self._has_ended)
        self._has_opened = True
        self._all.add(host)
        if shared_as is not None:
            self._shared[shared_as] = host, overrides
        lease = host.lease()
        assert lease is not None, "it can only end when it has had a lease"
        return lease

    def _has_ended(self, host: Host) -> None:
        """In its keeper."""
        self._all.discard(host)
        for real, (other, _) in list(self._shared.items()):
            if other is host:
                del self._shared[real]

    def close_all(self) -> None:
        """The program ends: what it has not closed is closed."""
        for host in list(self._all):
            host.close_all_leases()

    def forked(self) -> Hosts:
        """In a child process: its own hosts, which those of the parent are not."""
        for host in self._all:
            host.forked()
        return Hosts(self._has_opened or self._is_forked)


_hosts = Hosts(is_forked=False)


def lease(path: str | os.PathLike[str] | None, directives: Mapping[str, DirectiveValue]) -> Lease:
    """See ``Hosts.lease``."""
    return _hosts.lease(path, directives)


def _close_all() -> None:
    _hosts.close_all()


def _forked() -> None:
    global _hosts  # noqa: PLW0603 (its lock may be that of a thread that is not here)
    _hosts = _hosts.forked()


atexit.register(_close_all)
os.register_at_fork(after_in_child=_forked)
