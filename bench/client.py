"""A minimal blocking client for INFO, DBSIZE and the like: between measurements, never inside."""

import socket
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

_TIMEOUT_S: Final = 60.0


def encoded(words: Sequence[bytes | str]) -> bytes:
    """One request as it goes over the wire."""
    arguments = [word.encode() if isinstance(word, str) else word for word in words]
    parts = [b"*%d\r\n" % len(arguments)]
    parts += [b"$%d\r\n%b\r\n" % (len(word), word) for word in arguments]
    return b"".join(parts)


class Client:
    """One connection. A reply is a line, a bulk string, or of an array its header: what it holds is
    read and dropped."""

    def __init__(self, port: int, timeout_s: float = _TIMEOUT_S) -> None:
        self._sock = socket.create_connection(("127.0.0.1", port), timeout=timeout_s)
        self._replies = self._sock.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._replies.close()
        self._sock.close()

    def command(self, *words: bytes | str) -> bytes:
        """The reply to one command: a bulk string, or a line with its type character.

        Raises `ConnectionError` when the server hangs up.
        """
        self._sock.sendall(encoded(words))
        return self._reply()

    def pipeline(self, requests: bytes, count: int) -> None:
        """Send ``count`` requests, which are encoded already, and read their replies.

        Raises `RuntimeError` if one is an error: it would be measured as if it were the real thing.
        """
        self._sock.sendall(requests)
        for _ in range(count):
            reply = self._reply()
            if reply[:1] == b"-":
                raise RuntimeError(reply.decode())

    def _reply(self) -> bytes:
        line = self._replies.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the server closed the connection")
        line = line[:-2]
        if line[:1] == b"*":
            for _ in range(int(line[1:])):
                self._reply()
            return line
        if line[:1] != b"$" or line == b"$-1":
            return line
        return self._replies.read(int(line[1:]) + 2)[:-2]

    def info(self) -> dict[str, str]:
        """INFO, all sections, as a flat dictionary."""
        lines = self.command("INFO").decode().splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)
