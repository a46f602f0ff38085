"""Sessions: a client as the engine sees it.

A session knows its database, its rights, its transaction and what it waits for; it knows nothing of
sockets. Whoever drives the engine (the server's connection, a test, the embedded API) makes one, and
gives it ``deliver``, which is called with the reply of a command that had to wait.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from mypy_extensions import i64

from dscache.cache.wait import Wait
from dscache.engine.transactions import Transaction, Watched

if TYPE_CHECKING:
    from dscache.engine.acl_user import User
    from dscache.engine.command import Command
    from dscache.engine.engine import Engine
    from dscache.engine.keyspace import Keyspace
    from dscache.engine.tracking import Tracked

Deliver = Callable[[object], None]

#: The host in the address of a client inside the process; the port is its number.
EMBEDDED: Final = "embedded"

# A channel, pattern or watched key, about: its object, and its places in two tables.
_NAME_BYTES: Final = 250

# CLIENT REPLY: what happens to the reply of the command that is running or ran last. After SKIP the
# reply of CLIENT REPLY itself is dropped, then that of the command behind it:
#
# =========== ============== ============ ==============
# mode        reply dropped  mode after   set by
# =========== ============== ============ ==============
# REPLY_ON    no             REPLY_ON     CLIENT REPLY ON
# REPLY_OFF   yes            REPLY_OFF    CLIENT REPLY OFF
# SKIP_NEXT   yes            SKIP_THIS    CLIENT REPLY SKIP
# SKIP_THIS   yes            REPLY_ON     --
# =========== ============== ============ ==============
REPLY_ON: Final = 0
REPLY_OFF: Final = 1
SKIP_NEXT: Final = 2
SKIP_THIS: Final = 3


def _nowhere(reply: object) -> None:
    """Where replies go when nobody has asked for them."""


class Session:
    """One client. Only the event loop's thread touches it."""

    def __init__(self, engine: Engine, number: int, user: User) -> None:
        self.engine = engine
        #: CLIENT ID.
        self.number = number
        self.keyspace: Keyspace = engine.keyspaces[0]
        #: Who is calling, and whether he has proved it. Only ``Acl`` changes these three.
        self.user: User = user
        self.authenticated = False
        #: No request need be looked at: he may do everything.
        self.is_unrestricted = False
        #: RESP version of its replies.
        self.resp = 2
        self.deliver: Deliver = _nowhere
        #: The owner's way to end the connection once replies are out. May be called while a command
        #: of this session runs, whose reply is still due. Commands call ``end``.
        self.close: Callable[[], None] = _do_nothing
        #: The command that is suspended, if any.
        self.wait: Wait | None = None
        self.transaction: Transaction | None = None
        self.watched: list[Watched] = []
        self.watched_key_changed = False
        # What CLIENT LIST shows.
        self.name = b""
        self.library_name = b""
        self.library_version = b""
        self.address = ""
        self.local_address = ""
        self.file_descriptor = -1
        self.connected_at = engine.core.clock.time()
        self.last_command: Command | None = None
        #: The command that the last request called, and by which name. Who sends many requests often
        #: repeats himself, and to compare is cheaper than to look up: 400 instructions of 3,570 for GET.
        self.called_name = b""
        self.called: Command | None = None
        self.last_active = self.connected_at
        self.commands: i64 = 0
        #: What the owner knows of its buffers, for CLIENT LIST and the memory bound.
        self.buffers: Callable[[], tuple[int, int]] = _no_buffers
        #: And of all that the client takes, itself included.
        self.memory_bytes: Callable[[], int] = _no_memory
        #: CLIENT REPLY, see the table above. The owner asks ``should_drop_reply`` unless it is 0.
        self.reply_mode: i64 = REPLY_ON
        #: The owner has been asked to close: no further request is carried out.
        self.is_closing = False
        self.no_evict = False
        #: CLIENT NO-TOUCH: what it does is no use of a key for the eviction policy.
        self.no_touch = False
        self.is_monitor = False
        #: MONITOR has shown the command that is running, which may have to run again.
        self.is_shown = False
        #: Subscribed to anything; the engine's PubSub knows to what.
        self.is_subscriber = False
        #: What it is subscribed to and what it watches takes so many bytes (``count_name``).
        self.names_bytes: i64 = 0
        #: The frame of the redo log that has the last change it has made.
        self.logged = 0
        #: CLIENT TRACKING; None if it is off. Changed by the engine's Tracking only.
        self.tracked: Tracked | None = None
        #: The owner's way to send what no request asked for: messages, and the lines of MONITOR.
        self.push: Deliver = _nowhere
        #: A command of this session has begun to run and the owner has not got its reply.
        self.is_running = False
        # Messages that came meanwhile. They follow the reply, as in Redis; inside of EXEC's they
        # would even break it.
        self._held: list[object] = []

    @property
    def is_local(self) -> bool:
        """Whether the client is on this machine; so is one without a connection."""
        address = self.address
        host, _, port = address.rpartition(":")
        is_inside = not address or port == "0" or host == EMBEDDED
        return is_inside or host.startswith(("127.", "[::1]", "[::ffff:127."))

    def count_name(self, name: bytes, sign: i64) -> None:
        """It has subscribed to ``name`` or watches it (1), or does not any more (-1)."""
        self.names_bytes += sign * (_NAME_BYTES + len(name))

    def tell(self, message: object) -> None:
        """Send ``message``, which no request asked for; after the reply of what is running."""
        if self.is_running:
            self._held.append(message)
        else:
            self.push(message)

    def reply_sent(self) -> None:
        """The running command's reply is on its way, or the command has been suspended.

        The owner calls it after each reply.
        """
        self.is_running = False
        if self._held:
            held = self._held
            self._held = []
            for message in held:
                self.push(message)

    def should_drop_reply(self) -> bool:
        """Whether the reply of the command that has just run is not sent (CLIENT REPLY).

        To be asked exactly once for each reply: asking goes on to the next.
        """
        mode = self.reply_mode
        if mode == REPLY_ON:
            return False
        if mode == SKIP_NEXT:
            self.reply_mode = SKIP_THIS
        elif mode == SKIP_THIS:
            self.reply_mode = REPLY_ON
        return True

    def let_go(self) -> None:
        """The client is gone: forget its owner.

        Owner and session know each other. Left to the cyclic collector, which looks rarely, the
        buffers of 4,000 clients that had gone were still there minutes later (60 MB).
        """
        self.deliver = self.push = _nowhere
        self.close = _do_nothing
        self.buffers = _no_buffers
        self.memory_bytes = _no_memory

    def end(self) -> None:
        """Let the owner end the connection (QUIT, CLIENT KILL), after the replies that are due."""
        self.is_closing = True
        self.close()


def _do_nothing() -> None:
    """The owner has nothing to close."""


def _no_buffers() -> tuple[int, int]:
    """(query buffer, output buffer) of a session without a connection."""
    return 0, 0


def _no_memory() -> int:
    """What a session without a connection takes is its owner's."""
    return 0
