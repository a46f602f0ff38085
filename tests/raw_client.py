"""A client that shows the bytes: requests as they are wanted, right or wrong, and replies as they come.

redis-py hides what the tests of the wire are about (and reconnects, retries and converts). This one
sends whatever it is given and understands RESP2 and RESP3 on its own, so that a mistake in
``dscache.wire`` does not cancel itself out.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from types import TracebackType
from typing import Final, Self

#: How long a test waits for a reply before it fails.
REPLY_SECONDS: Final = 30.0

Word = str | bytes | int


class Push(list[object]):
    """An out-of-band message of RESP3."""


def request(*words: Word) -> bytes:
    """A command as clients send it."""
    parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    head = b"*%d\r\n" % len(parts)
    return head + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)


def requests(commands: Iterable[Iterable[Word]]) -> bytes:
    """A pipeline of commands."""
    return b"".join(request(*words) for words in commands)


class RawClient:
    """One connection, by TCP ((host, port)) or to a Unix socket (a path)."""

    def __init__(self, address: tuple[str, int] | str, receive_buffer_bytes: int = 0) -> None:
        self.address: Final = address
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket: Final = socket.socket(family)
        if receive_buffer_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        self.socket.settimeout(REPLY_SECONDS)
        try:
            self.socket.connect(address)
        except OSError:
            self.socket.close()
            raise
        if family == socket.AF_INET:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._incoming: Final = self.socket.makefile("rb")
        self._raw: list[bytes] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._incoming.close()
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.socket.sendall(data)

    def call(self, *words: Word) -> object:
        """Send a command and return its reply, as ``read`` does."""
        self.send(request(*words))
        return self.read()

    def pipeline(self, commands: list[tuple[Word, ...]]) -> list[object]:
        """Send commands at once and return their replies."""
        self.send(requests(commands))
        return [self.read() for _ in commands]

    def read(self) -> object:
        """The next reply: errors as ``b"-ERR ..."``, statuses and strings as bytes.

        Raises EOFError if the server hangs up before or within it.
        """
        self._raw = []
        return self._value()

    def read_raw(self) -> bytes:
        """The bytes of the next reply."""
        self.read()
        return b"".join(self._raw)

    def raw_lines(self) -> list[bytes]:
        """The bytes of the reply that was read last, in pieces."""
        return self._raw

    def read_to_end(self) -> bytes:
        """All that comes until the server hangs up."""
        try:
            return self._incoming.read()
        except ConnectionResetError:
            return b""

    def is_closed_by_server(self) -> bool:
        """Wait until the server hangs up. Fails with a timeout if it does not."""
        self.read_to_end()
        return True

    def _line(self) -> bytes:
        line = self._incoming.readline()
        if not line.endswith(b"\r\n"):
            raise EOFError(f"the server hung up after {b''.join(self._raw) + line!r}")
        self._raw.append(line)
        return line[:-2]

    def _bulk(self, length: int) -> bytes:
        data = self._incoming.read(length + 2)
        if len(data) != length + 2:
            raise EOFError("the server hung up within a bulk string")
        self._raw.append(data)
        return data[:-2]

    def _values(self, count: int) -> list[object]:
        return [self._value() for _ in range(count)]

    def _value(self) -> object:
        line = self._line()
        kind, rest = line[:1], line[1:]
        match kind:
            case b"+":
                return rest
            case b"-":
                return line
            case b":" | b"(":
                return int(rest)
            case b"," if rest in (b"inf", b"-inf", b"nan"):
                return float(rest)
            case b",":
                return float(rest)
            case b"#":
                return rest == b"t"
            case b"_":
                return None
            case b"$":
                return None if rest == b"-1" else self._bulk(int(rest))
            case b"!":
                return b"-" + self._bulk(int(rest))
            case b"=":
                return self._bulk(int(rest))[4:]
            case b"*" | b"~":
                return None if rest == b"-1" else self._values(int(rest))
            case b">":
                return Push(self._values(int(rest)))
            case b"%":
                flat = self._values(2 * int(rest))
                return dict(zip(flat[::2], flat[1::2], strict=True))
        raise AssertionError(f"{line!r} is no reply")
