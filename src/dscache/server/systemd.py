"""What systemd gives a service, and what it wants to hear: sockets that listen already, and readiness.

Both are found in the environment, which is left without them, so that no process that the server starts
takes them for its own. Without systemd there is nothing there, and nothing happens.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import MutableMapping
from typing import Final

#: The number of the first file descriptor that is passed on.
_FIRST: Final = 3


def inherited_sockets(environment: MutableMapping[str, str]) -> list[socket.socket]:
    """The sockets of a socket unit, listening; none if they are for another process."""
    process = environment.pop("LISTEN_PID", "")
    count = environment.pop("LISTEN_FDS", "0")
    environment.pop("LISTEN_FDNAMES", None)
    if process != str(os.getpid()) or not count.isdecimal():
        return []
    found: list[socket.socket] = []
    for number in range(_FIRST, _FIRST + int(count)):
        os.set_inheritable(number, False)
        one = socket.socket(fileno=number)
        one.setblocking(False)
        found.append(one)
    return found


class Notifier:
    """Tells systemd how the service is."""

    def __init__(self, environment: MutableMapping[str, str]) -> None:
        address = environment.pop("NOTIFY_SOCKET", "")
        # A name in the abstract namespace is written with an @.
        self._address: Final = "\0" + address[1:] if address.startswith("@") else address
        process = environment.pop("WATCHDOG_PID", "")
        microseconds = environment.pop("WATCHDOG_USEC", "0")
        is_watched = process in ("", str(os.getpid())) and microseconds.isdecimal()
        # How often it wants to hear that the event loop still turns, or rather twice as often; 0 if it does
        # not. And when it is to hear it next.
        self._watchdog_seconds: Final = int(microseconds) / 2e6 if is_watched else 0.0
        self._next_sign = 0.0

    def watch(self, now: float) -> None:
        """The event loop turns, at ``now`` of a steady clock. To be called about ten times a second."""
        if self._watchdog_seconds and now >= self._next_sign:
            self._next_sign = now + self._watchdog_seconds
            self.tell("WATCHDOG=1")

    def tell(self, state: str) -> None:
        """Lines as in sd_notify(3), such as READY=1. Never raises: the service manager may be gone."""
        if not self._address:
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
            one.setblocking(False)
            one.sendto(state.encode(), self._address)
