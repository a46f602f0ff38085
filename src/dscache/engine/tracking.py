"""Tracking: clients that cache what they have read are told when it changes (CLIENT TRACKING).

In the normal mode the server remembers who has read which key: the *invalidation table*. When a key
changes, those who have read it are told once, and the key is forgotten until somebody reads it again.
In the broadcasting mode nothing is remembered: a client names prefixes, and is told of every change of a
key that begins with one of them; these changes are gathered, and told once a turn, an array of keys for
each prefix.

A change is what WATCH takes for one: ``Keyspace`` reports it, and what leaves memory for the disk has not
changed. Keys go by their names, whatever the database, as in Redis.

A message must never be ahead of the reply that it makes stale. What a client's own command changes is
told after that command's reply (``Session.tell``); what another's changes is told at once, which is after
all replies that were given before.

The table is bounded by tracking-table-max-keys: each command that fills it beyond that makes as much
room as it took, by telling the readers of random keys that these have changed. It counts against maxmemory.
A client that has left stays in it until its keys change, as in Redis: looking for them would take
long. But they do not pile up (``_add``), and when nobody is tracked any more the table is dropped.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from dscache.engine.command import READONLY, SKIP_MONITOR
from dscache.engine.keyspec import key_positions
from dscache.wire.encoder import encoded_message
from dscache.wire.reply import Push

if TYPE_CHECKING:
    from dscache.engine.command import Command
    from dscache.engine.core import Core
    from dscache.engine.session import Session

#: Where RESP2 clients hear of changes, on the connection that REDIRECT names.
CHANNEL: Final = b"__redis__:invalidate"

# After CONFIG SET has lowered the limit, so many keys go in a turn: each may mean messages to many.
_KEYS_PER_TURN: Final = 100

# Of a table that has been dropped, so many keys are freed in a turn: about 0.2 ms.
_FREED_PER_TURN: Final = 2000

# What a key takes beyond its name, with one reader, and what each further reader takes. Measured (CPython
# 3.11, a million keys): 123 bytes with one reader, 413 with two, 1115 with ten.
_KEY_BYTES: Final = 125
_READER_BYTES: Final = 150

#: The numbers of the sessions that have read a key. Most keys have one reader, and a set of one takes
#: seven times as much.
_Readers = int | set[int]


class Tracked:
    """What a session has arranged by CLIENT TRACKING."""

    def __init__(self) -> None:
        #: The CLIENT ID of who gets the messages; 0: the session itself.
        self.redirect = 0
        #: There was a message, and who should have got it was gone.
        self.is_broken = False
        self.is_broadcast = False
        #: Nothing is remembered but what CLIENT CACHING YES precedes.
        self.opts_in = False
        #: All is remembered but what CLIENT CACHING NO precedes.
        self.opts_out = False
        #: What the session changes itself it is not told.
        self.no_loop = False
        #: CLIENT CACHING has been called for the next command or transaction.
        self.caching_given = False
        #: What the broadcasting mode is about.
        self.prefixes: list[bytes] = []

    def remembers(self) -> bool:
        """Whether what the session reads now is remembered."""
        if self.is_broadcast or (self.opts_in and not self.caching_given):
            return False
        return not (self.opts_out and self.caching_given)

    def request_ended(self, session: Session, command: Command | None) -> None:
        """A request of ``session`` has been answered: if CLIENT CACHING was about it, that is over.

        It goes on through CLIENT's subcommands, and through a transaction up to its end.
        """
        if session.transaction is None and (command is None or command.parent != "client"):
            self.caching_given = False


class _Prefix:
    """One prefix of the broadcasting mode."""

    def __init__(self) -> None:
        self.sessions: Final[dict[Session, None]] = {}
        #: What has changed in this turn, and which tracked session has changed it; None: the server,
        #: some other client, or several.
        self.changed: dict[bytes, Session | None] = {}


class _Invalidation:
    """A message about ``keys``, or about all there are (None). Each form is encoded once."""

    def __init__(self, keys: list[bytes] | None) -> None:
        self._keys: Final = keys
        self._pushed: object = None
        self._published: object = None

    def pushed(self) -> object:
        """For RESP3."""
        if self._pushed is None:
            self._pushed = self._message([b"invalidate"])
        return self._pushed

    def published(self) -> object:
        """For RESP2, where it looks like a message of a channel."""
        if self._published is None:
            self._published = self._message([b"message", CHANNEL])
        return self._published

    def _message(self, words: list[bytes]) -> object:
        if self._keys is None:
            return Push([*words, None])
        return encoded_message(words, self._keys)


class Tracking:
    """See the module's docstring.

    ``sessions`` are all there are, by number; ``want_turn`` asks for a call of ``work``.
    """

    def __init__(
        self, core: Core, sessions: dict[int, Session], want_turn: Callable[[], None]
    ) -> None:
        self._core: Final[Core] = core
        self._sessions: Final[dict[int, Session]] = sessions
        self._want_turn = want_turn
        #: The most keys that the table may hold; 0 is no limit.
        self.max_keys = 1_000_000
        #: The tracked session whose command is running.
        self.running: Session | None = None
        self._tracked: Final[dict[int, Session]] = {}
        self._table: dict[bytes, _Readers] = {}
        # The names of the table's keys.
        self._names_bytes = 0
        #: Readers of all keys in the table.
        self.items = 0
        # Keys that have been in the table, from which the next to go is drawn.
        self._candidates: list[bytes] = []
        # Tables that have been dropped, and are freed little by little.
        self._dropped: Final[list[dict[bytes, _Readers]]] = []
        self._prefixes: Final[dict[bytes, _Prefix]] = {}
        # Some prefix has keys to be told.
        self._has_changed = False

    @property
    def clients(self) -> int:
        """Sessions that are tracked."""
        return len(self._tracked)

    @property
    def keys(self) -> int:
        """Keys in the table."""
        return len(self._table)

    @property
    def prefixes(self) -> int:
        """Different prefixes that are broadcast."""
        return len(self._prefixes)

    def used_bytes(self) -> int:
        """What the table takes, about."""
        keys = len(self._table)
        return keys * _KEY_BYTES + self._names_bytes + (self.items - keys) * _READER_BYTES

    # Sessions

    def start(self, session: Session, tracked: Tracked) -> None:
        """Track ``session`` as ``tracked`` says; prefixes add to those that it has. O(prefixes)."""
        before = session.tracked
        if before is not None:
            # All keys (BCAST without a prefix) may be asked for twice.
            fresh = [name for name in tracked.prefixes if name not in before.prefixes]
            tracked.prefixes = before.prefixes + fresh
            tracked.caching_given = before.caching_given
        for name in tracked.prefixes:
            self._prefixes.setdefault(name, _Prefix()).sessions[session] = None
        session.tracked = tracked
        self._tracked[session.number] = session
        self._core.is_tracking = True

    def stop(self, session: Session) -> None:
        """Track ``session`` no longer, if it was. O(prefixes)."""
        tracked = session.tracked
        if tracked is None:
            return
        session.tracked = None
        del self._tracked[session.number]
        for name in tracked.prefixes:
            prefix = self._prefixes[name]
            del prefix.sessions[session]
            if not prefix.sessions:
                del self._prefixes[name]
        if not self._tracked:
            self._core.is_tracking = False
            self._drop_table()

    # Reading

    def command_ended(self, session: Session, command: Command, args: list[bytes]) -> None:
        """The command of ``running``, which was ``session``, has run to its end. O(keys)."""
        self.running = None
        tracked = session.tracked
        if tracked is None:
            return
        self.remember(session, tracked, command, args)
        tracked.request_ended(session, command)

    def remember(
        self, session: Session, tracked: Tracked, command: Command, args: list[bytes]
    ) -> None:
        """``session`` has run ``command``: remember what it has read. O(keys).

        Also after an error, as in Redis: some answers depend on a key even so.
        """
        if not command.flags & READONLY or not tracked.remembers():
            return
        if command.flags & SKIP_MONITOR:
            # A script. What it calls is remembered, not what it might call.
            return
        try:
            places = key_positions(command.keys, args)
        except ValueError:
            # The handler has said what is wrong with the arguments.
            return
        for place in places:
            self._add(args[place], session.number)
        self._make_room(len(places))

    def _add(self, key: bytes, number: int) -> None:
        table = self._table
        readers = table.get(key)
        if readers is None:
            table[key] = number
            self._names_bytes += len(key)
        elif isinstance(readers, int):
            if readers == number:
                return
            if readers not in self._tracked:
                table[key] = number
                return
            table[key] = {readers, number}
        else:
            if number in readers:
                return
            # Clients that come and go must not pile up.
            if len(readers) > 2 * len(self._tracked):
                self.items -= len(readers)
                readers.intersection_update(self._tracked)
                self.items += len(readers)
            readers.add(number)
        self.items += 1

    def _make_room(self, effort: int) -> None:
        """If the table is over its limit, let at most ``effort`` random keys go. O(1) each, on the
        whole: all names are listed again (20 ms for a million) when as many have been drawn."""
        table = self._table
        while effort > 0 and 0 < self.max_keys < len(table):
            effort -= 1
            candidates = self._candidates
            if not candidates:
                candidates = self._candidates = list(table)
            place = random.randrange(len(candidates))
            key = candidates[place]
            candidates[place] = candidates[-1]
            candidates.pop()
            # Even who does not want to hear of his own changes must know.
            self._forget(key, None)
        if 0 < self.max_keys < len(table):
            self._want_turn()

    def _drop_table(self) -> None:
        if self._table:
            self._dropped.append(self._table)
            self._want_turn()
        self._table = {}
        self._candidates = []
        self._names_bytes = 0
        self.items = 0

    # Changes

    def key_changed(self, key: bytes, by_server: bool) -> None:
        """A key has changed, by the running command or (it has expired) by the server itself.

        O(readers + prefixes).
        """
        changer = None if by_server else self.running
        for name, prefix in self._prefixes.items():
            if key.startswith(name):
                changed = prefix.changed
                changed[key] = changer if changed.get(key, changer) is changer else None
                if not self._has_changed:
                    self._has_changed = True
                    self._want_turn()
        self._forget(key, changer)

    def everything_changed(self) -> None:
        """FLUSHDB, FLUSHALL or SWAPDB: all that anybody has read is to be forgotten. O(clients)."""
        if not self._tracked:
            return
        message = _Invalidation(None)
        for session in self._tracked.values():
            self._tell(session, message)
        self._drop_table()

    def _forget(self, key: bytes, changer: Session | None) -> None:
        """Take ``key`` out of the table, if it is there, and tell its readers."""
        readers = self._table.pop(key, None)
        if readers is None:
            return
        self._names_bytes -= len(key)
        numbers = [readers] if isinstance(readers, int) else list(readers)
        self.items -= len(numbers)
        message = _Invalidation([key])
        for number in numbers:
            session = self._tracked.get(number)
            if session is None:
                continue
            tracked = session.tracked
            assert tracked is not None, "who is among the tracked is tracked"
            # Who broadcasts now may have read it before; he hears of it in his own way.
            if not tracked.is_broadcast and not (tracked.no_loop and session is changer):
                self._tell(session, message)

    def _tell(self, session: Session, message: _Invalidation) -> None:
        """Send ``message`` to ``session``, or to whom it redirects. A RESP2 client hears only what is
        redirected to it, and only if it is subscribed to anything."""
        tracked = session.tracked
        assert tracked is not None, "only who is tracked is told"
        receiver: Session | None = session
        if tracked.redirect:
            receiver = self._sessions.get(tracked.redirect)
            if receiver is None or receiver.is_closing:
                tracked.is_broken = True
                if session.resp == 3:
                    session.tell(Push([b"tracking-redir-broken", tracked.redirect]))
                return
        assert receiver is not None
        if receiver.resp == 3:
            receiver.tell(message.pushed())
        elif tracked.redirect and receiver.is_subscriber:
            receiver.tell(message.published())

    # Turns

    @property
    def has_work(self) -> bool:
        """Whether ``work`` has something to do."""
        return self._has_changed or bool(self._dropped) or 0 < self.max_keys < len(self._table)

    def work(self) -> bool:
        """What a turn has to do: broadcast, and a bounded part of what takes long. Whether there is
        more."""
        if self._has_changed:
            self._has_changed = False
            self._broadcast()
        self._make_room(_KEYS_PER_TURN)
        if self._dropped:
            table = self._dropped[-1]
            for _ in range(min(_FREED_PER_TURN, len(table))):
                table.popitem()
            if not table:
                self._dropped.pop()
        return self.has_work

    def _broadcast(self) -> None:
        """Tell what has changed since the last time. In Redis's order: prefixes and keys sorted."""
        for name in sorted(self._prefixes):
            prefix = self._prefixes[name]
            changed = prefix.changed
            if not changed:
                continue
            prefix.changed = {}
            keys = sorted(changed)
            message = _Invalidation(keys)
            for session in prefix.sessions:
                tracked = session.tracked
                assert tracked is not None, "who has a prefix is tracked"
                others = keys
                if tracked.no_loop:
                    others = [key for key in keys if changed[key] is not session]
                if len(others) == len(keys):
                    self._tell(session, message)
                elif others:
                    self._tell(session, _Invalidation(others))
