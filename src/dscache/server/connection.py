"""One client's connection: bytes in, commands executed in order, replies out.

An asyncio protocol, though it does not derive from asyncio's class: this module is compiled, and all
that the event loop asks of a protocol is its methods.

The main line is ``data_received`` -> ``_process`` -> ``_flush``: parse and execute what is there, gather
the replies, write once. It stops for three reasons, each undone by its own callback:

* the command waits (``SUSPENDED``; until ``_deliver``): requests that have arrived behind it are
  parsed ahead, so that the engine can load their keys meanwhile, and executed in order afterwards;
* the client does not read its replies (``pause_writing``; until ``resume_writing``), or too many of them
  wait for the redo log (until ``_synced``);
* the connection is closing.

While it is stopped, no more than its share of what all clients may send ahead is taken from the socket
(``share_bytes``, see ``Clients``; the read that came before it was stopped may exceed it), and replies
are handed over in pieces of no more than that.
"""

from __future__ import annotations

import os
import socket
from collections import deque
from typing import TYPE_CHECKING, Final

from mypy_extensions import i64

from dscache.cache.wait import FOR_CHANGE, FOR_PAUSE
from dscache.engine.engine import Engine
from dscache.engine.waiting import SUSPENDED
from dscache.engine.waitingroom import LOOK_AHEAD
from dscache.errors import ProtocolError
from dscache.wire.encoder import ReplyWriter
from dscache.wire.reply import ErrorReply, Several
from dscache.wire.request import RequestParser

if TYPE_CHECKING:
    from asyncio import BaseTransport, Transport

    from dscache.server.clients import Clients

# The smallest client-query-buffer-limit: less than this need not be compared with it.
_LEAST_QUERY_LIMIT: Final = 1024 * 1024

# The most that the event loop reads at once (uvloop: 256,000).
_READ_BYTES: Final = 256 * 1024

# What a connection takes without any buffer: this object, session, parser, transport, socket. Measured
# with 18,000 idle ones: 3.9 KiB each, compiled.
_OWN_BYTES: Final = 4 * 1024

# What a request that was parsed ahead takes beside the bytes of its arguments: the list, and for each
# argument its place in it and its object.
_REQUEST_BYTES: Final = 64
_ARGUMENT_BYTES: Final = 48

# A reply shorter than this is encoded in less than a microsecond, or two if it is an array.
_QUICK_REPLY_BYTES: Final = 1024

# Replies gathered before they are handed to the transport in the middle of a batch.
_FLUSH_BYTES: Final = 256 * 1024


class Connection:
    """See the module's docstring. ``clients`` is the list that it enters and leaves."""

    def __init__(self, engine: Engine, clients: Clients, kind: str) -> None:
        self._engine: Final = engine
        self._clients: Final = clients
        #: "tcp", "tls", "unix" or "embedded".
        self.kind: Final = kind
        self.session = engine.new_session()
        self._parser = RequestParser(
            engine.config.proto_max_bulk_len, trusted=engine.acl.is_known(self.session)
        )
        self._writer = ReplyWriter()
        self._ahead: deque[list[bytes]] = deque()
        # What those take, and what the command that waits does.
        self._ahead_bytes: i64 = 0
        self._waiting_bytes: i64 = 0
        #: What it may hold while it is stopped; ``Clients`` sets it.
        self.share_bytes: i64 = _LEAST_QUERY_LIMIT
        self._protocol_error: ProtocolError | None = None
        self._transport: Transport | None = None
        self._waiting = False
        self._write_paused = False
        self._read_paused = False
        self._closing = False
        # Closing was asked for by a command whose own reply is still due.
        self._close_wanted = False
        self._processing = False
        # What the outbox knows to be in the writer, and sends soon.
        self._noted_bytes: i64 = 0
        # Replies to changes that must be synced first: the frame of the redo log, and the bytes.
        self._unsynced: deque[tuple[int, bytes]] = deque()
        self._unsynced_bytes: i64 = 0
        # The client will send nothing more (but may still read).
        self._ended = False
        #: When the output buffer exceeded its soft limit; 0 if it does not.
        self.over_soft_limit_since = 0.0

    def set_max_bulk_bytes(self, max_bulk_bytes: int) -> None:
        """Change the limit that proto-max-bulk-len sets."""
        self._parser.max_bulk_bytes = max_bulk_bytes

    def set_share(self, share_bytes: int) -> None:
        """Set what it may hold while it is stopped.

        A share smaller than a read is kept by the kernel, which then holds less to be read (about
        what it is told) and slows the client down. It is left small when the share grows again.
        """
        if self.share_bytes == share_bytes:
            return
        is_narrower = share_bytes < min(self.share_bytes, _READ_BYTES)
        self.share_bytes = share_bytes
        if is_narrower and self._transport is not None:
            raw = self._transport.get_extra_info("socket")
            if raw is not None:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, share_bytes // 2)

    # What the event loop calls

    def connection_made(self, transport: BaseTransport) -> None:
        """The client is there; or the event loop takes over one that came while it did not run."""
        is_new = self._transport is None
        self._transport = transport  # type: ignore[assignment]
        if not is_new:
            return
        session = self.session
        session.deliver = self._deliver
        session.push = self._push
        session.close = self._close_after_reply
        session.buffers = self.buffers
        session.memory_bytes = self.memory_bytes
        raw = transport.get_extra_info("socket")
        if raw is not None:
            session.file_descriptor = raw.fileno()
        if self.kind != "unix":
            session.address = _printable(transport.get_extra_info("peername"))
            session.local_address = _printable(transport.get_extra_info("sockname"))
            self._keep_alive(raw)
        else:
            path = self._engine.config.unixsocket
            session.address = session.local_address = f"{path}:0"
        refusal = self._clients.admit(self, transport.get_extra_info("peername"))
        if refusal is not None:
            self._writer.write(ErrorReply(refusal))
            self._close_after_reply()

    def _keep_alive(self, raw: socket.socket | None) -> None:
        seconds = self._engine.config.tcp_keepalive
        if raw is None or seconds == 0:
            return
        # As Redis: first probe after the interval, then three probes within it again.
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, seconds)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, max(seconds // 3, 1))
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)

    def data_received(self, data: bytes) -> None:
        """Bytes have arrived."""
        counters = self._engine.counters
        counters.net_input_bytes += len(data)
        if counters.net_input_bytes > counters.look_at_clients_at:
            self._clients.look()
        if self._closing:
            return
        parser = self._parser
        parser.feed(data)
        if not self._is_stopped():
            self._process()
            return
        self._look_ahead()
        self._pause_if_full()

    def eof_received(self) -> bool:
        """The client will send nothing more; what it has sent is still carried out."""
        self._ended = True
        self._flush()
        return not self._is_done_after_end()

    def _is_done_after_end(self) -> bool:
        """Whether a client that sends nothing more need not be kept any longer.

        One that waits for the disk or the redo log, or has yet to read, will get its replies; one that
        waits for something that may never come will not.
        """
        if self._waiting:
            wait = self.session.wait
            return wait is not None and wait.reason in (FOR_CHANGE, FOR_PAUSE)
        return not self._write_paused and not self._unsynced

    def connection_lost(self, error: Exception | None) -> None:
        """The client is gone."""
        self._closing = True
        self._transport = None
        self._engine.end_session(self.session)
        self.session.let_go()
        self._clients.leave(self)

    def pause_writing(self) -> None:
        """The client does not read as fast as it asks: stop working for it."""
        self._write_paused = True

    def resume_writing(self) -> None:
        """The client has read enough of its replies."""
        self._write_paused = False
        if not self._is_stopped() and not self._processing:
            self._process()

    def _is_stopped(self) -> bool:
        """Whether requests that arrive have to wait."""
        return self._waiting or self._write_paused or self._unsynced_bytes > self._flush_limit()

    def _flush_limit(self) -> i64:
        """Replies are handed over when there are so many bytes of them."""
        return min(self.share_bytes, _FLUSH_BYTES)

    # The main line

    def _process(self) -> None:
        """Execute what has been received, in order, as far as it goes."""
        engine = self._engine
        session = self.session
        parser = self._parser
        writer = self._writer
        ahead = self._ahead
        flush_bytes = self._flush_limit()
        follows = False
        gathered: i64 = writer.size()
        self._processing = True
        try:
            while not self._closing and not self._close_wanted:
                if self._ahead_bytes > 0:
                    args = ahead.popleft()
                    self._ahead_bytes -= _held_bytes(args)
                elif self._protocol_error is not None:
                    raise self._protocol_error
                else:
                    request = parser.next_request()
                    if request is None:
                        break
                    args = request
                if not args:
                    continue
                reply = engine.execute(session, args, follows)
                if reply is SUSPENDED:
                    self._waiting = True
                    self._waiting_bytes = _held_bytes(args)
                    self._look_ahead()
                    break
                self._reply(reply)
                if not parser.trusted and engine.acl.is_known(session):
                    parser.trusted = True
                size: i64 = writer.size()
                # What it took to encode a long reply is not the next command's.
                follows = size - gathered < _QUICK_REPLY_BYTES
                gathered = size
                if size > flush_bytes:
                    self._flush()
                    follows = False
                    gathered = 0
                    if self._write_paused or self._unsynced_bytes > flush_bytes:
                        break
        except ProtocolError as error:
            writer.write(ErrorReply(error.reply))
            self._clients.log_protocol_error(self, str(error))
            self._close_after_reply()
        finally:
            self._processing = False
        self._after_batch()

    def _after_batch(self) -> None:
        if self._close_wanted:
            self._close_after_reply()
            return
        self._send_soon()
        if self._ended and self._is_done_after_end():
            self._close_after_reply()
            return
        if self._is_stopped():
            self._pause_if_full()
            return
        if self._read_paused:
            self._resume_reading()
        pending: i64 = self._parser.pending_bytes()
        if pending > _LEAST_QUERY_LIMIT and (
            pending > self._engine.config.client_query_buffer_limit
        ):
            self._engine.counters.client_query_buffer_limit_disconnections += 1
            self._clients.log_closing(self, "its query buffer exceeds client-query-buffer-limit")
            self.abort()

    def _reply(self, reply: object) -> None:
        session = self.session
        writer = self._writer
        if writer.resp != session.resp:
            writer.resp = session.resp
        # Confirmations of SUBSCRIBE are messages: CLIENT REPLY does not concern them.
        if session.reply_mode == 0 or not session.should_drop_reply() or isinstance(reply, Several):
            writer.write(reply)
        session.reply_sent()

    def _deliver(self, reply: object) -> None:
        """The reply of the command that waited; what is behind it goes on."""
        self._waiting = False
        self._waiting_bytes = 0
        if self._closing:
            return
        self._reply(reply)
        if not self._is_stopped():
            self._process()

    def _push(self, message: object) -> None:
        """A message that no request asked for."""
        if self._closing:
            return
        self._writer.write(message)
        if not self._processing:
            self._send_soon()

    def _look_ahead(self) -> None:
        """Parse what has arrived behind the waiting command, and let its keys be loaded."""
        if not self._waiting or self._protocol_error is not None:
            return
        fresh: list[list[bytes]] = []
        wanted = min(LOOK_AHEAD - len(self._ahead), self._engine.room.look_ahead_room())
        try:
            while len(fresh) < wanted:
                request = self._parser.next_request()
                if request is None:
                    break
                fresh.append(request)
                self._ahead_bytes += _held_bytes(request)
        except ProtocolError as error:
            self._protocol_error = error
        if fresh:
            self._ahead.extend(fresh)
            self._engine.look_ahead(self.session, fresh)

    # Without the event loop, while a script is slow: see ``dscache.server.meanwhile``

    def direct_fd(self) -> int:
        """The file descriptor to read from directly, or -1 where that must be left to the loop."""
        transport = self._transport
        if (
            transport is None
            or self._processing
            or self._waiting
            or self._write_paused
            or self._read_paused
            or self._closing
            or self._ended
            or self.kind == "tls"
            or transport.get_write_buffer_size() > 0
        ):
            return -1
        return self.session.file_descriptor

    def read_directly(self, most_bytes: int) -> None:
        """Carry out what has arrived. The end of the connection is left for the loop to see."""
        try:
            data = os.read(self.session.file_descriptor, most_bytes)
        except OSError:
            return
        if data:
            self.data_received(data)
        else:
            # There is nothing more to read, again and again.
            self._ended = True

    def _write_directly(self, data: bytes) -> bytes:
        """Send what the socket takes at once; the rest is the loop's."""
        transport = self._transport
        if transport is None or self.kind == "tls" or transport.get_write_buffer_size() > 0:
            return data
        try:
            return data[os.write(self.session.file_descriptor, data) :]
        except OSError:
            return data

    def _send_soon(self) -> None:
        """What the writer has goes out at the end of the event loop's turn; at once if that may be long."""
        size: i64 = self._writer.size()
        if size == 0:
            return
        if size > self._flush_limit() or self._engine.is_busy:
            self._flush()
            return
        noted_bytes = self._noted_bytes
        self._noted_bytes = size
        self._clients.outbox.note(self, size - noted_bytes, noted_bytes == 0)

    def send_replies(self) -> None:
        """The end of the turn."""
        self._noted_bytes = 0
        self._flush()

    def _flush(self) -> None:
        data = self._writer.take()
        if not data:
            return
        session = self.session
        redo = self._engine.redo
        if self._unsynced or redo.holds(session.logged):
            # Behind those, whatever it is.
            if not self._unsynced or self._unsynced[-1][0] < session.logged:
                redo.when_synced(session.logged, self._synced)
            self._unsynced.append((session.logged, data))
            self._unsynced_bytes += len(data)
            return
        self._send(data)

    def _synced(self) -> None:
        """The redo log has been synced: replies that waited for it go out."""
        synced = self._engine.redo.synced
        held = self._unsynced
        while held and held[0][0] <= synced:
            data = held.popleft()[1]
            self._unsynced_bytes -= len(data)
            self._send(data)
        if self._closing or self._processing:
            return
        if self._close_wanted and not held:
            self._close_after_reply()
        elif not self._is_stopped():
            self._process()

    def _send(self, data: bytes) -> None:
        transport = self._transport
        if transport is None:
            return
        self._engine.counters.net_output_bytes += len(data)
        if self._engine.is_busy:
            data = self._write_directly(data)
        transport.write(data)
        if self._write_paused:
            self.check_output_limit(self._engine.core.clock.time())

    # Closing and limits

    def _close_after_reply(self) -> None:
        """End the connection once the replies that are due are out."""
        if self._closing:
            return
        if self._processing:
            self._close_wanted = True
            return
        self._flush()
        if self._unsynced:
            self._close_wanted = True
            return
        self._closing = True
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """End the connection now; unsent replies are lost."""
        self._closing = True
        if self._transport is not None:
            self._transport.abort()

    def check_output_limit(self, now: float) -> None:
        """Disconnect a client whose unread replies exceed client-output-buffer-limit."""
        transport = self._transport
        if transport is None or self._closing:
            return
        size: i64 = transport.get_write_buffer_size()
        limits = self._engine.config.client_output_buffer_limit
        limit = limits.pubsub if self.session.is_subscriber else limits.normal
        if size <= limit.soft_bytes or limit.soft_bytes == 0:
            self.over_soft_limit_since = 0.0
        elif self.over_soft_limit_since == 0.0:
            self.over_soft_limit_since = now
        too_long = (
            self.over_soft_limit_since > 0.0
            and now - self.over_soft_limit_since > limit.soft_seconds
        )
        if too_long or 0 < limit.hard_bytes < size:
            self._engine.counters.client_output_buffer_limit_disconnections += 1
            self._clients.log_closing(self, "its output exceeds client-output-buffer-limit")
            self.abort()

    def buffers(self) -> tuple[int, int]:
        """(bytes of requests held, bytes of replies held)."""
        transport = self._transport
        unsent = 0 if transport is None else transport.get_write_buffer_size()
        held = self._parser.pending_bytes() + int(self._ahead_bytes)
        return held, unsent + self._writer.size() + int(self._unsynced_bytes)

    def memory_bytes(self) -> int:
        """All that this client takes: buffers, queued and waiting commands, what it is subscribed to and
        watches, the connection itself."""
        query_bytes, output_bytes = self.buffers()
        total = _OWN_BYTES + query_bytes + output_bytes + int(self._waiting_bytes)
        total += int(self.session.names_bytes)
        transaction = self.session.transaction
        if transaction is not None:
            total += int(transaction.queued_bytes)
        return total

    def _pause_if_full(self) -> None:
        """Listen no more if the client has sent ahead and another read might exceed its share."""
        held: i64 = self._parser.pending_bytes() + self._ahead_bytes
        if held == 0 or held + _READ_BYTES <= self.share_bytes:
            return
        if not self._read_paused and self._transport is not None:
            self._read_paused = True
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        self._read_paused = False
        if self._transport is not None:
            self._transport.resume_reading()


def _held_bytes(args: list[bytes]) -> i64:
    """What a parsed request takes."""
    total: i64 = _REQUEST_BYTES
    for arg in args:
        total += len(arg) + _ARGUMENT_BYTES
    return total


def _printable(address: tuple[str, int] | tuple[str, int, int, int] | None) -> str:
    """An address as CLIENT LIST shows it: ``1.2.3.4:5`` or ``[::1]:5``."""
    if not address:
        return ""
    host, port = address[0], address[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
