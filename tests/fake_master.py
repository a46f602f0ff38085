"""A server that only knows how to be followed: what it sends, and when it hangs up, is the test's choice."""

from __future__ import annotations

import io
import socket
import threading
from collections.abc import Callable
from typing import Final, Self

from dscache.config import Config
from dscache.rdb.file_writer import FileWriter

#: How it calls its stream; a second name is for a server that has taken over.
REPLICATION: Final = b"a" * 40
LATER_REPLICATION: Final = b"b" * 40

_DEADLINE_SECONDS: Final = 30.0


def file_of(*keys: tuple[bytes, bytes, int]) -> bytes:
    """An RDB file with strings: (key, value, due time)."""
    content = io.BytesIO()
    writer = FileWriter(content.write, Config(), True)
    for key, value, due_ms in keys:
        writer.key(key, value, due_ms)
    writer.end()
    return content.getvalue()


class Replica:
    """A connection that has been made to it."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket: Final = connection
        self._socket.settimeout(_DEADLINE_SECONDS)
        self._incoming: Final = connection.makefile("rb")

    def send(self, data: bytes) -> None:
        """Send ``data``."""
        self._socket.sendall(data)

    def request(self) -> list[bytes]:
        """The next command that it gets; an empty one when the other side has hung up."""
        header = self._incoming.readline()
        words: list[bytes] = []
        for _ in range(int(header[1:] or b"0")):
            size = int(self._incoming.readline()[1:])
            words.append(self._incoming.read(size + 2)[:-2])
        return words

    def expect(self, *words: bytes) -> None:
        """Its next command is this one; acknowledgements of something else are passed over."""
        while (found := self.request()) != list(words):
            assert found[:2] == [b"REPLCONF", b"ACK"], (found, words)

    def accept(self, *psync: bytes, answer: bytes) -> None:
        """The handshake, with ``answer`` to PSYNC and its arguments ``psync``."""
        self.expect(b"REPLCONF", b"capa", b"eof", b"capa", b"psync2")
        self.expect(b"REPLCONF", b"version", b"9.0.0")
        self.send(b"+OK\r\n-ERR Unrecognized REPLCONF option: version\r\n")
        self.expect(b"PSYNC", *psync)
        self.send(answer + b"\r\n")

    def give_file(self, file: bytes, offset: int = 100) -> None:
        """The handshake and a whole data set, whose stream goes on at ``offset``."""
        self.accept(b"?", b"-1", answer=b"+FULLRESYNC %b %d" % (REPLICATION, offset))
        self.send(b"$%d\r\n%b" % (len(file), file))

    def wait_for_end(self) -> None:
        """Until the other side hangs up."""
        while self.request():
            pass

    def close(self) -> None:
        """Hang up."""
        self._incoming.close()
        self._socket.close()


class FakeMaster:
    """Plays ``parts``, one for each connection that is made, in a thread of its own. A context, at whose end
    all have been played."""

    def __init__(self, *parts: Callable[[Replica], None]) -> None:
        self._listener: Final = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(_DEADLINE_SECONDS)
        self._parts: Final = parts
        self._thread: Final = threading.Thread(target=self._play, daemon=True)
        self._failure: BaseException | None = None
        #: The parts that have been played.
        self.played = 0

    @property
    def url(self) -> str:
        """Where it is."""
        return f"redis://127.0.0.1:{self._listener.getsockname()[1]}"

    def _play(self) -> None:
        try:
            for part in self._parts:
                connection, _ = self._listener.accept()
                replica = Replica(connection)
                try:
                    part(replica)
                finally:
                    replica.close()
                self.played += 1
        except BaseException as failure:
            # It belongs to the test, in its thread.
            self._failure = failure

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._thread.join(_DEADLINE_SECONDS)
        self._listener.close()
        if kind is None:
            if self._failure is not None:
                raise self._failure
            assert self.played == len(self._parts), "it was not asked as often as expected"
