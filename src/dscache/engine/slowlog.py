"""The slow log: commands that took longer than ``slowlog-log-slower-than`` microseconds.

What counts is the time the command ran, not the time it waited for the disk; that is in LATENCY and in
the INFO fields of the cache. Arguments are cut as Redis cuts them, and secrets are left out.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from dscache.engine.redaction import redacted

if TYPE_CHECKING:
    from dscache.engine.command import Command
    from dscache.engine.session import Session

_MAX_ARGUMENTS: Final = 32
_MAX_ARGUMENT_BYTES: Final = 128


class SlowEntry:
    """One line of the slow log."""

    def __init__(
        self,
        number: int,
        when: int,
        microseconds: int,
        args: list[bytes],
        address: str,
        client_name: bytes,
    ) -> None:
        self.number: Final = number
        self.when: Final = when
        self.microseconds: Final = microseconds
        self.args: Final = args
        self.address: Final = address
        self.client_name: Final = client_name


class SlowLog:
    """The newest entries, bounded by ``max_length``."""

    def __init__(self) -> None:
        #: Directives slowlog-log-slower-than (negative: off) and slowlog-max-len.
        self.threshold_us = 10_000
        self.max_length = 128
        self.entries: deque[SlowEntry] = deque()
        self._next_number = 0

    def record(
        self, session: Session, command: Command, args: list[bytes], when: float, microseconds: int
    ) -> None:
        """Add a command that took ``microseconds``."""
        shown = [_shortened(arg) for arg in redacted(command, args)]
        if len(shown) > _MAX_ARGUMENTS:
            left_out = len(shown) - _MAX_ARGUMENTS + 1
            shown = shown[: _MAX_ARGUMENTS - 1]
            shown.append(b"... (%d more arguments)" % left_out)
        self.entries.appendleft(
            SlowEntry(
                self._next_number, int(when), microseconds, shown, session.address, session.name
            )
        )
        self._next_number += 1
        self.trim()

    def trim(self) -> None:
        """Forget the oldest entries beyond the bound."""
        while len(self.entries) > self.max_length:
            self.entries.pop()


def _shortened(arg: bytes) -> bytes:
    if len(arg) <= _MAX_ARGUMENT_BYTES:
        return arg
    return arg[:_MAX_ARGUMENT_BYTES] + b"... (%d more bytes)" % (len(arg) - _MAX_ARGUMENT_BYTES)
