"""ACL LOG: what was refused, to whom, and how often.

Who tries the same again and again fills one entry, not the log: an event is added to an earlier entry
that says the same, if that is among the newest ten and not older than a minute, as in Redis. Unlike there
long keys and names are cut: the log is bounded whatever clients send.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from dscache.engine.acl_user import DENIED_AUTH, DENIED_CHANNEL, DENIED_COMMAND, DENIED_KEY

#: Where it was refused.
AT_TOP_LEVEL: Final = b"toplevel"
IN_TRANSACTION: Final = b"multi"
IN_SCRIPT: Final = b"lua"

_REASONS: Final = {
    DENIED_COMMAND: b"command",
    DENIED_KEY: b"key",
    DENIED_CHANNEL: b"channel",
    DENIED_AUTH: b"auth",
}
_SIMILAR_WITHIN_MS: Final = 60_000
_LOOKED_AT: Final = 10
_KEPT_BYTES: Final = 1024


class LogEntry:
    """Events that say the same. ``word`` is the command, the key, the channel, or ``AUTH``."""

    def __init__(
        self, number: int, reason: int, context: bytes, word: bytes, user: bytes, now_ms: int
    ) -> None:
        self.number: Final = number
        self.reason: Final = reason
        self.context: Final = context
        self.word: Final = word
        self.user: Final = user
        self.created_ms: Final = now_ms
        # Of the newest event.
        self.updated_ms = now_ms
        self.client_info = b""
        self.count = 0

    @property
    def reason_name(self) -> bytes:
        """The reason as ACL LOG shows it."""
        return _REASONS[self.reason]

    def is_like(self, reason: int, context: bytes, word: bytes, user: bytes, now_ms: int) -> bool:
        """Whether such an event belongs to it."""
        return (
            self.reason == reason
            and self.context == context
            and self.word == word
            and self.user == user
            and abs(now_ms - self.updated_ms) <= _SIMILAR_WITHIN_MS
        )


class AclLog:
    """The newest entries first, and what INFO counts."""

    def __init__(self) -> None:
        self.entries: deque[LogEntry] = deque()
        self._next_number = 0
        self.reset_counters()

    def reset_counters(self) -> None:
        """CONFIG RESETSTAT: the entries stay."""
        self._denied = dict.fromkeys(_REASONS, 0)

    def denied(self, reason: int) -> int:
        """How often something was refused for ``reason``."""
        return self._denied[reason]

    def add(
        self,
        reason: int,
        context: bytes,
        word: bytes,
        user: bytes,
        client_info: bytes,
        now_ms: int,
        max_length: int,
    ) -> None:
        """Note an event; the oldest entries beyond ``max_length`` go."""
        self._denied[reason] += 1
        word = word[:_KEPT_BYTES]
        user = user[:_KEPT_BYTES]
        if max_length > 0:
            entry = self._similar(reason, context, word, user, now_ms)
            if entry is None:
                entry = LogEntry(self._next_number, reason, context, word, user, now_ms)
                self._next_number += 1
            self.entries.appendleft(entry)
            entry.count += 1
            entry.updated_ms = now_ms
            entry.client_info = client_info
        while len(self.entries) > max_length:
            self.entries.pop()

    def _similar(
        self, reason: int, context: bytes, word: bytes, user: bytes, now_ms: int
    ) -> LogEntry | None:
        """The entry to which such an event belongs, taken out of its place; None if there is none."""
        for place in range(min(len(self.entries), _LOOKED_AT)):
            entry = self.entries[place]
            if entry.is_like(reason, context, word, user, now_ms):
                del self.entries[place]
                return entry
        return None
