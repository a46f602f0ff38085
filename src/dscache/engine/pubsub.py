"""Publish and subscribe: who listens to which channels, and messages on their way to them.

Channels have no life of their own: one exists as long as somebody is subscribed to it. There are three
kinds of names, each with a table: channels, patterns of channels, and the shard channels, which in a
cluster stay on one node; here they are one more set of channels, which patterns do not see.

A message is encoded once and handed to the owner of each subscriber's session, which sends it as its
client reads. Nobody waits for a slow subscriber: what it has not read piles up in its connection until
client-output-buffer-limit ends it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from dscache.engine.glob import compile_glob
from dscache.wire.encoder import encoded_message

if TYPE_CHECKING:
    from dscache.engine.session import Session

_NO_NAMES: Final[dict[bytes, None]] = {}


class Subscriptions:
    """Who is subscribed to which names of one kind. Everything is in order of subscription."""

    def __init__(self) -> None:
        #: For each name that somebody is subscribed to, those who are.
        self.subscribers: Final[dict[bytes, dict[Session, None]]] = {}
        self._names: Final[dict[Session, dict[bytes, None]]] = {}

    def add(self, session: Session, name: bytes) -> None:
        """Subscribe, unless it is already. O(1)."""
        names = self._names.setdefault(session, {})
        if name not in names:
            names[name] = None
            self.subscribers.setdefault(name, {})[session] = None
            session.count_name(name, 1)

    def remove(self, session: Session, name: bytes) -> None:
        """Unsubscribe, if it is subscribed. O(1)."""
        names = self._names.get(session)
        if names is None or name not in names:
            return
        del names[name]
        session.count_name(name, -1)
        if not names:
            del self._names[session]
        subscribers = self.subscribers[name]
        del subscribers[session]
        if not subscribers:
            del self.subscribers[name]

    def names_of(self, session: Session) -> list[bytes]:
        """What ``session`` is subscribed to. O(names)."""
        return list(self._names.get(session, _NO_NAMES))

    def count_of(self, session: Session) -> int:
        """To how many names ``session`` is subscribed."""
        return len(self._names.get(session, _NO_NAMES))

    def subscribers_of(self, name: bytes) -> int:
        """How many sessions are subscribed to ``name``."""
        subscribers = self.subscribers.get(name)
        return 0 if subscribers is None else len(subscribers)

    def matching(self, pattern: bytes) -> list[bytes]:
        """The names with subscribers that match a glob pattern. O(names)."""
        matcher = compile_glob(pattern)
        return [name for name in self.subscribers if matcher.fullmatch(name)]


class PubSub:
    """All subscriptions. See the module's docstring."""

    def __init__(self) -> None:
        self.channels: Final[Subscriptions] = Subscriptions()
        self.patterns: Final[Subscriptions] = Subscriptions()
        self.shard_channels: Final[Subscriptions] = Subscriptions()
        # Of the patterns that somebody is subscribed to.
        self._matchers: Final[dict[bytes, re.Pattern[bytes]]] = {}
        #: Sessions that are subscribed to anything.
        self.clients: int = 0

    def add(self, kind: Subscriptions, session: Session, name: bytes) -> None:
        """Subscribe ``session`` to ``name``, which is of ``kind``. O(1)."""
        kind.add(session, name)
        if kind is self.patterns and name not in self._matchers:
            self._matchers[name] = compile_glob(name)
        if not session.is_subscriber:
            session.is_subscriber = True
            self.clients += 1

    def remove(self, kind: Subscriptions, session: Session, name: bytes) -> None:
        """Unsubscribe ``session`` from ``name``, which is of ``kind``. O(1)."""
        kind.remove(session, name)
        if kind is self.patterns and name not in kind.subscribers:
            self._matchers.pop(name, None)
        if session.is_subscriber and not self._has_any(session):
            session.is_subscriber = False
            self.clients -= 1

    def leave(self, session: Session) -> None:
        """``session`` is gone, or has called RESET: end its subscriptions. O(its subscriptions)."""
        if not session.is_subscriber:
            return
        for kind in (self.channels, self.patterns, self.shard_channels):
            for name in kind.names_of(session):
                self.remove(kind, session, name)

    def _has_any(self, session: Session) -> bool:
        return bool(
            self.channels.count_of(session)
            or self.patterns.count_of(session)
            or self.shard_channels.count_of(session)
        )

    @property
    def has_listeners(self) -> bool:
        """Whether anybody might get a message of ``publish``."""
        return bool(self.channels.subscribers) or bool(self._matchers)

    def publish(self, channel: bytes, text: bytes) -> int:
        """Send ``text`` to the subscribers of ``channel`` and of patterns that match it.

        The answer is how many copies that were. O(subscribers + patterns).
        """
        receivers = _send(self.channels, channel, [b"message", channel, text])
        for pattern, matcher in self._matchers.items():
            if matcher.fullmatch(channel):
                receivers += _send(self.patterns, pattern, [b"pmessage", pattern, channel, text])
        return receivers

    def publish_to_shard(self, channel: bytes, text: bytes) -> int:
        """Send ``text`` to the subscribers of a shard channel; how many there are. O(subscribers)."""
        return _send(self.shard_channels, channel, [b"smessage", channel, text])


def _send(kind: Subscriptions, name: bytes, items: list[bytes]) -> int:
    """Send a message to the subscribers of ``name``; how many there are.

    A session whose buffer this overflows is ended in a later turn: the table stays as it is.
    """
    subscribers = kind.subscribers.get(name)
    if subscribers is None:
        return 0
    message = encoded_message(items)
    for session in subscribers:
        session.tell(message)
    return len(subscribers)
