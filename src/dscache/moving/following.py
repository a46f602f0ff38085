"""Following a server: its data set as of one instant, and then every change, as a replica gets them.

The server (Redis's words: the master) sends an RDB file and behind it, without end, the commands that have
changed something. Both are read straight from the socket, so memory is bounded however large they are.
Commands are carried out as those of the redo log are, with their keys loaded ahead.

The stream counts its bytes; how many have come is the *offset*. Every second the server is told of it, so
its INFO shows how far behind we are, which cannot be seen from here. A connection that is lost is made again,
and the stream goes on at the offset, in the middle of a command if need be, as long as the server still has
what comes next. If it does not, the import has failed: what differs could not be told.

What is due stays (``Core.keeps_due``) until the server sends the DEL: it may have been used up to then. Only
due times that are relative, which servers before 7.0 send, are taken from the moment at which they come.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from redis.exceptions import ResponseError

from dscache.engine.replay import carry_out, load_ahead, portions, session_for_replay
from dscache.errors import ConfigError, DscacheError, ProtocolError, SourceAwayError, SourceError
from dscache.moving.importing import Importer
from dscache.moving.source import (
    SILENCE_SECONDS,
    Source,
    SourceConnection,
    explained,
    is_unknown_command,
)
from dscache.rdb.file_reader import FileReader
from dscache.wire.request import RequestParser

if TYPE_CHECKING:
    from dscache.engine.engine import Engine

_PIECE_BYTES: Final = 1 << 18
_LONGEST_LINE: Final = 4096
_MOST_BULK_BYTES: Final = 1 << 40

# Behind ``$EOF:`` stand so many bytes, and again behind the file.
_MARK_BYTES: Final = 40

_ACK_SECONDS: Final = 1.0

# How long one look at the socket takes, and with it an answer to a signal.
_LOOK_SECONDS: Final = 0.2

# Once it is over, what has come already is still carried out, if that does not take longer.
_REST_SECONDS: Final = 5.0

# A connection that was lost is tried again at these growing intervals, for so long.
_FIRST_PAUSE_SECONDS: Final = 0.2
_LONGEST_PAUSE_SECONDS: Final = 5.0
_GIVE_UP_SECONDS: Final = 60.0

# Valkey writes the forms of values that came with version 9 only for replicas that say that they know them,
# and fails if it needs one.
_VERSION: Final = ("REPLCONF", "version", "9.0.0")

# Of the stream, but no changes.
_NO_CHANGES: Final = (b"PING", b"PUBLISH", b"SPUBLISH")

_NEEDED: Final = "; needed are PSYNC and REPLCONF"

# What PSYNC may be refused with by a server that will accept it later.
_LATER: Final = (b"-LOADING", b"-NOMASTERLINK", b"-MASTERDOWN")


class _Incoming:
    """What comes over a connection, byte for byte. All methods raise SourceAwayError."""

    def __init__(self, connection: SourceConnection, name: str) -> None:
        self._socket: Final = connection.socket
        self._name: Final = name
        self._held = b""
        self._heard = time.monotonic()

    def look(self, most: int) -> bytes:
        """What has come, or comes in a moment; nothing if nothing does."""
        if self._held:
            found, self._held = self._held[:most], self._held[most:]
            return found
        try:
            self._socket.settimeout(_LOOK_SECONDS)
            found = self._socket.recv(most)
        except TimeoutError:
            if time.monotonic() - self._heard > SILENCE_SECONDS:
                raise self._ended(f"nothing has come for {SILENCE_SECONDS:.0f} s") from None
            return b""
        except OSError as error:
            raise self._ended(str(error)) from error
        if not found:
            raise self._ended("the connection was closed")
        self._heard = time.monotonic()
        return found

    def read(self, most: int) -> bytes:
        """At least one byte, at most ``most``."""
        while not (found := self.look(most)):
            pass
        return found

    def line(self) -> bytes:
        """A line that is not empty: empty ones only say that the server is busy with what we want."""
        line = b""
        while not line:
            while b"\n" not in self._held:
                if len(self._held) > _LONGEST_LINE:
                    raise SourceError(f"{self._name} does not speak the protocol of Redis")
                held, self._held = self._held, b""
                self._held = held + self.read(_PIECE_BYTES)
            line, _, self._held = self._held.partition(b"\n")
            line = line.removesuffix(b"\r")
        return line

    def give_back(self, data: bytes) -> None:
        """``data`` has been read and belongs to what comes next."""
        self._held = data + self._held

    def send(self, *words: bytes) -> None:
        """Send a command."""
        request = [b"*%d\r\n" % len(words), *(b"$%d\r\n%b\r\n" % (len(one), one) for one in words)]
        try:
            self._socket.settimeout(SILENCE_SECONDS)
            self._socket.sendall(b"".join(request))
        except OSError as error:
            raise self._ended(str(error)) from error

    def _ended(self, reason: str) -> SourceAwayError:
        return SourceAwayError(f"the connection to {self._name} is lost: {reason}")


class _Transfer(Protocol):
    """A file on its way. ``total`` is how long it is, 0 if that is not known."""

    total: int

    def read(self, most: int) -> bytes:
        """At most ``most`` bytes; nothing at its end."""
        ...


class _Counted:
    """A file whose length has been announced: it was made on the server's disk."""

    def __init__(self, incoming: _Incoming, total: int) -> None:
        self._incoming: Final = incoming
        self._left = total
        self.total = total

    def read(self, most: int) -> bytes:
        """See _Transfer."""
        found = self._incoming.read(min(most, self._left)) if self._left else b""
        self._left -= len(found)
        return found


class _Marked:
    """A file that ends where ``mark`` comes: it is sent while it is made."""

    def __init__(self, incoming: _Incoming, mark: bytes) -> None:
        self._incoming: Final = incoming
        self._mark: Final = mark
        # What may be the beginning of the mark.
        self._held = b""
        self._has_ended = False
        self.total = 0

    def read(self, most: int) -> bytes:
        """See _Transfer."""
        found = b""
        while not found and not self._has_ended:
            data = self._held + self._incoming.read(max(most - len(self._held), 1))
            end = data.find(self._mark)
            if end >= 0:
                self._has_ended = True
                self._incoming.give_back(data[end + len(self._mark) :])
                found = data[:end]
            else:
                cut = max(len(data) - len(self._mark) + 1, 0)
                found, self._held = data[:cut], data[cut:]
        return found


class Follower:
    """Takes the data set of ``source`` into ``engine``, whose store is empty, and then its changes.

    ``on_progress`` is called with it ten times a second. All methods raise SourceError, RdbError, ConfigError
    and StoreError; then what the engine has is of no use.
    """

    def __init__(
        self, engine: Engine, source: Source, on_progress: Callable[[Follower], None]
    ) -> None:
        engine.core.keeps_due = True
        self._engine: Final = engine
        self._source: Final = source
        self._session: Final = session_for_replay(engine)
        self.importer: Final = Importer(engine, lambda: on_progress(self))
        self._parser: Final = RequestParser(_MOST_BULK_BYTES)
        self._in_transaction = False
        self._connection: SourceConnection | None = None
        self._incoming: _Incoming | None = None
        self._replication = b""
        self._next_ack = 0.0
        self._reader: FileReader | None = None
        #: How long the file is; 0 if that is not known.
        self.file_bytes = 0
        #: Bytes of the stream that have come, by the server's count.
        self.offset = 0
        #: Commands that have been carried out.
        self.commands = 0
        #: The data set is there, and changes follow.
        self.has_data_set = False
        #: Everything that has come has been carried out.
        self.is_idle = False

    @property
    def read_bytes(self) -> int:
        """How much of the file has been read."""
        return 0 if self._reader is None else self._reader.offset

    def close(self) -> None:
        """Hang up."""
        if self._connection is not None:
            self._connection.close()

    # The data set

    def begin(self) -> None:
        """Ask for the data set, and wait until it comes."""
        answer = self._ask(b"?", b"-1")
        words = answer.split()
        if words[0] != b"+FULLRESYNC" or len(words) != 3 or not words[2].isdigit():
            raise self._refused(answer)
        self._replication, self.offset = words[1], int(words[2])

    def load(self) -> None:
        """Take the data set in, until it is on disk. O(its size)."""
        incoming = self._connected()
        try:
            transfer = _transfer(incoming, incoming.line(), self._source.name)
            self.file_bytes = transfer.total
            limit = self._engine.config.proto_max_bulk_len
            self._reader = FileReader(transfer.read, self._source.name, limit)
            self.importer.run(self._reader.next_item)
            self.has_data_set = True
        except SourceAwayError as error:
            raise SourceError(
                f"{error}, in the middle of its data set. Its log says why; its client-output-buffer-limit"
                " for replicas or its repl-timeout may be too small"
            ) from error

    # Changes

    def follow(self, is_over: Callable[[], bool]) -> None:
        """Carry out changes until ``is_over``, asked several times a second, and have them on disk.

        It ends with a whole command or transaction. What has come by then is part of it, unless that takes
        more than a few seconds (``is_idle`` tells).
        """
        last_moment = 0.0
        while True:
            if last_moment == 0.0 and is_over():
                last_moment = time.monotonic() + _REST_SECONDS
            ends = last_moment and (self.is_idle or time.monotonic() > last_moment)
            if ends and not self._in_transaction:
                break
            try:
                self._take_changes()
            except SourceAwayError as error:
                self.is_idle = False
                if last_moment and not self._in_transaction:
                    break
                self._resume(error, is_over)
        self.importer.commit()

    def _take_changes(self) -> None:
        incoming = self._connected()
        if time.monotonic() >= self._next_ack:
            self._acknowledge(incoming)
        data = incoming.look(_PIECE_BYTES)
        self.is_idle = not data
        if data:
            self.offset += len(data)
            self._parser.feed(data)
            self._carry_out(self._requests())
        self.importer.keep_up()

    def _requests(self) -> list[list[bytes]]:
        found: list[list[bytes]] = []
        try:
            while (request := self._parser.next_request()) is not None:
                if request:
                    found.append(request)
        except ProtocolError as error:
            raise SourceError(f"{self._source.name} sends what is no command: {error}") from error
        for args in found:
            args[0] = args[0].upper()
            if args[0] == b"SELECT":
                self._require_database(args)
        return found

    def _require_database(self, args: list[bytes]) -> None:
        if len(args) != 2 or not args[1].isdigit():
            raise SourceError(f"{self._source.name} sends what is no command: {args!r}")
        databases = len(self._engine.keyspaces)
        if int(args[1]) >= databases:
            raise ConfigError(
                f"{self._source.name} has a database {int(args[1])}, the configuration only {databases}:"
                " raise the directive databases"
            )

    def _carry_out(self, requests: list[list[bytes]]) -> None:
        for some in portions(self._engine, requests):
            core = self._engine.core
            core.now_ms = int(core.clock.time() * 1000)
            load_ahead(self._engine, self._session, some)
            core.is_inner = core.must_not_fault = True
            try:
                for args in some:
                    self._take(args)
            finally:
                core.is_inner = core.must_not_fault = False
            self.importer.keep_up()

    def _take(self, args: list[bytes]) -> None:
        name = args[0]
        if name == b"SELECT":
            self._session.keyspace = self._engine.keyspaces[int(args[1])]
        elif name in (b"MULTI", b"EXEC"):
            self._in_transaction = name == b"MULTI"
        elif name == b"REPLCONF":
            # GETACK: as soon as all that has come has been carried out.
            self._next_ack = 0.0
        elif name not in _NO_CHANGES:
            try:
                carry_out(self._engine, self._session, args)
            except DscacheError as error:
                raise SourceError(
                    f"a change that {self._source.name} sends cannot be carried out (offset"
                    f" {self.offset}): {error}"
                ) from error
            self.commands += 1

    def _acknowledge(self, incoming: _Incoming) -> None:
        incoming.send(b"REPLCONF", b"ACK", b"%d" % self.offset)
        self._next_ack = time.monotonic() + _ACK_SECONDS

    # The connection

    def _connected(self) -> _Incoming:
        assert self._incoming is not None, "begin has been called"
        return self._incoming

    def _ask(self, replication: bytes, offset: bytes) -> bytes:
        """Connect, say who we are, and ask for the stream from ``offset`` on: the server's answer."""
        self.close()
        self._connection = self._source.connect()
        words = ("REPLCONF", "capa", "eof", "capa", "psync2")
        self._connection.send([words, _VERSION])
        reply = self._connection.reply()
        # Redis refuses the second, which is Valkey's.
        self._connection.reply()
        if is_unknown_command(reply):
            raise SourceError(
                f"{self._source.name} has no replicas (REPLCONF): import without --follow"
            )
        if isinstance(reply, ResponseError):
            raise SourceError(f"{explained(self._source.name, reply)}{_NEEDED}")
        self._incoming = _Incoming(self._connection, self._source.name)
        self._incoming.send(b"PSYNC", replication, offset)
        return self._incoming.line()

    def _refused(self, answer: bytes) -> SourceError:
        text = answer.removeprefix(b"-").decode("utf-8", "replace")
        if answer.startswith(_LATER):
            return SourceAwayError(f"{self._source.name} is not ready: {text}")
        needed = _NEEDED if answer.startswith(b"-NOPERM") else ""
        return SourceError(f"{self._source.name} does not let itself be followed: {text}{needed}")

    def _resume(self, cause: SourceAwayError, is_over: Callable[[], bool]) -> None:
        """The connection is lost: have it again, and go on where the stream ended."""
        give_up = time.monotonic() + _GIVE_UP_SECONDS
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                self._continue()
                return
            except SourceAwayError as error:
                if time.monotonic() + pause > give_up:
                    raise SourceError(
                        f"{cause}; and for {_GIVE_UP_SECONDS:.0f} s it has not come back: {error}"
                    ) from error
            until = time.monotonic() + pause
            while time.monotonic() < until:
                if is_over() and not self._in_transaction:
                    return
                time.sleep(_LOOK_SECONDS)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _continue(self) -> None:
        answer = self._ask(self._replication, b"%d" % (self.offset + 1))
        words = answer.split()
        if words[0] == b"+FULLRESYNC":
            raise SourceError(
                f"{self._source.name} does not have the changes after offset {self.offset} any more, where"
                " the connection was lost: begin again (a larger repl-backlog-size there helps)"
            )
        if words[0] != b"+CONTINUE":
            raise self._refused(answer)
        if len(words) > 1:
            # It has taken over from another server.
            self._replication = words[1]


def _transfer(incoming: _Incoming, announced: bytes, name: str) -> _Transfer:
    """The file that the server has announced with a line."""
    if announced.startswith(b"$EOF:") and len(announced) == len(b"$EOF:") + _MARK_BYTES:
        return _Marked(incoming, announced.removeprefix(b"$EOF:"))
    if announced[:1] == b"$" and announced[1:].isdigit():
        return _Counted(incoming, int(announced[1:]))
    raise SourceError(f"{name} sends no data set: {announced.decode('utf-8', 'replace')}")
