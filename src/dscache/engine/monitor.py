"""MONITOR: clients that see every command that is executed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dscache.engine.redaction import redacted
from dscache.wire.reply import Status

if TYPE_CHECKING:
    from dscache.engine.command import Command
    from dscache.engine.session import Session


class Monitors:
    """The sessions that have called MONITOR."""

    def __init__(self) -> None:
        self._sessions: list[Session] = []
        #: Whether there is one: looked at for each command.
        self.any = False

    def add(self, session: Session) -> None:
        """Let ``session`` see what is executed from now on."""
        if session not in self._sessions:
            session.is_monitor = True
            self._sessions.append(session)
            self.any = True

    def remove(self, session: Session) -> None:
        """``session`` is gone, or has called RESET."""
        if session in self._sessions:
            session.is_monitor = False
            self._sessions.remove(session)
            self.any = bool(self._sessions)

    def feed(self, session: Session, command: Command, args: list[bytes], when: float) -> None:
        """Show a command that ``session`` has run."""
        words = b" ".join(quoted(arg) for arg in redacted(command, args))
        line = b"%.6f [%d %s] %s" % (
            when,
            session.keyspace.index,
            session.address.encode(),
            words,
        )
        for monitor in self._sessions:
            monitor.push(Status(line))


def quoted(text: bytes) -> bytes:
    """``text`` in double quotes, everything unprintable escaped, as Redis's ``sdscatrepr``."""
    out = bytearray(b'"')
    for byte in text:
        if byte in (34, 92):
            out += bytes((92, byte))
        elif byte in _ESCAPES:
            out += _ESCAPES[byte]
        elif 32 <= byte < 127:
            out.append(byte)
        else:
            out += b"\\x%02x" % byte
    out += b'"'
    return bytes(out)


_ESCAPES = {10: b"\\n", 13: b"\\r", 9: b"\\t", 7: b"\\a", 8: b"\\b"}
