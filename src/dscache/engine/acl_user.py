"""Users of access control: how somebody proves who he is, and what he may do then.

A user has passwords and one or more *selectors*. A selector says which commands may be called, with
which keys and with which channels; a request is allowed if one selector allows all of it. The first one,
the root, is what rules outside of parentheses are about.

Which commands a selector allows is a set of full names, brought up to date rule by rule
(``dscache.engine.acl_rules``). Beside it stands the history of those rules, shortened as far as nothing
is lost: only the order in which categories and commands were given says what was meant, and ACL LIST
must show something that leads to the same set again. It is compared with Redis, word by word.
"""

from __future__ import annotations

import hmac
import re
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from dscache.engine.command import NO_AUTH
from dscache.engine.glob import compile_glob
from dscache.engine.keyspec import READS, WRITES, keys_and_rights

if TYPE_CHECKING:
    from dscache.engine.command import Command

#: Why something was refused. Of what several selectors refuse for different reasons the highest is
#: told: that selector came nearest to allowing it.
DENIED_COMMAND: Final = 0
DENIED_KEY: Final = 1
DENIED_CHANNEL: Final = 2
#: A wrong password; no selector was asked.
DENIED_AUTH: Final = 3

_ALL_RIGHTS: Final = READS | WRITES
_RIGHTS_MARKS: Final = {_ALL_RIGHTS: b"~", READS: b"%R~", WRITES: b"%W~"}


class Denial:
    """What a user may not do: ``word`` is the name of the command, the key or the channel."""

    def __init__(self, user: User, command: Command, reason: int, word: bytes) -> None:
        self.user: Final = user
        self.command: Final = command
        self.reason: Final = reason
        self.word: Final = word

    def short_text(self) -> bytes:
        """What the client is told."""
        if self.reason == DENIED_COMMAND:
            return self.full_text()
        kind = b"key" if self.reason == DENIED_KEY else b"channel"
        return b"No permissions to access a " + kind

    def full_text(self) -> bytes:
        """What an administrator is told."""
        start = b"User " + self.user.name + b" has no permissions to "
        if self.reason == DENIED_COMMAND:
            return start + b"run the '" + self.word + b"' command"
        kind = b"key" if self.reason == DENIED_KEY else b"channel"
        return start + b"access the '" + self.word + b"' " + kind


class KeyPattern:
    """Keys that a selector allows, to be read, to be written, or both."""

    def __init__(self, pattern: bytes, rights: int) -> None:
        self.pattern: Final = pattern
        self.rights = rights
        self._matcher: Final = compile_glob(pattern)

    def allows(self, key: bytes, rights: int) -> bool:
        """Whether it is about ``key`` and gives all of ``rights``."""
        return self.rights & rights == rights and self._matcher.fullmatch(key) is not None

    def text(self) -> bytes:
        """The rule that makes it."""
        return _RIGHTS_MARKS[self.rights] + self.pattern


class Selector:
    """See the module's docstring. It begins with nothing allowed, except all channels if asked for.

    ``dscache.engine.acl_rules`` changes it; nobody else does.
    """

    def __init__(self, all_channels: bool) -> None:
        #: Nothing was taken away since +@all: the set need not be asked.
        self.all_commands = False
        #: The history begins with +@all, and not with -@all.
        self.begins_with_all = False
        #: Full names of the allowed commands.
        self.allowed: set[bytes] = set()
        #: Commands that are allowed with certain first arguments only, these in lower case.
        self.first_args: dict[bytes, list[bytes]] = {}
        #: The history behind +@all or -@all: ``+get``, ``-@string``, ...
        self.command_rules: list[bytes] = []
        self.all_keys = False
        self.key_patterns: dict[bytes, KeyPattern] = {}
        self.all_channels = all_channels
        self.channels: dict[bytes, re.Pattern[bytes]] = {}

    def copy(self) -> Selector:
        """Another one that allows the same."""
        other = Selector(self.all_channels)
        other.all_commands = self.all_commands
        other.begins_with_all = self.begins_with_all
        other.allowed = set(self.allowed)
        other.first_args = {name: list(args) for name, args in self.first_args.items()}
        other.command_rules = list(self.command_rules)
        other.all_keys = self.all_keys
        other.key_patterns = {
            pattern: KeyPattern(pattern, one.rights) for pattern, one in self.key_patterns.items()
        }
        other.channels = dict(self.channels)
        return other

    @property
    def is_unrestricted(self) -> bool:
        """Whether there is nothing that it does not allow."""
        return self.all_commands and self.all_keys and self.all_channels

    def allows_command(self, command: Command, args: list[bytes]) -> bool:
        """Whether ``command`` may be called, whatever its keys and channels."""
        if self.all_commands or command.flags & NO_AUTH or command.encoded_name in self.allowed:
            return True
        first_args = self.first_args.get(command.encoded_name)
        return first_args is not None and len(args) > 1 and args[1].lower() in first_args

    def allows_key(self, key: bytes, rights: int) -> bool:
        """Whether ``key`` may be used in this way. O(patterns)."""
        if self.all_keys:
            return True
        return any(pattern.allows(key, rights) for pattern in self.key_patterns.values())

    def allows_every_key(self, rights: int) -> bool:
        """Whether any key at all may be used in this way."""
        every = self.key_patterns.get(b"*")
        return self.all_keys or (every is not None and every.rights & rights == rights)

    def allows_channel(self, name: bytes, is_pattern: bool) -> bool:
        """Whether ``name`` may be published to or subscribed to. O(patterns).

        A pattern (PSUBSCRIBE) must have been given literally: whether all that it matches is allowed
        could not be told.
        """
        return self.all_channels or matches_channel(self.channels, name, is_pattern)

    def refuses(
        self, command: Command, args: list[bytes], keys: list[tuple[int, int]]
    ) -> tuple[int, int] | None:
        """(reason, place in ``args``) of what it does not allow first; None if it allows all.

        ``keys`` are those of the request, as ``keys_and_rights`` gives them.
        """
        if not self.allows_command(command, args):
            return DENIED_COMMAND, 0
        if not self.all_keys:
            for place, rights in keys:
                if not self.allows_key(args[place], rights):
                    return DENIED_KEY, place
        channels = command.channels
        if channels is not None and not self.all_channels:
            for place in channels.positions(args):
                if not self.allows_channel(args[place], channels.are_patterns):
                    return DENIED_CHANNEL, place
        return None

    # Showing

    def commands_text(self) -> bytes:
        """The rules that lead to the allowed commands."""
        first = b"+@all" if self.begins_with_all else b"-@all"
        return b" ".join([first, *self.command_rules])

    def keys_text(self) -> bytes:
        """The rules that lead to the allowed keys."""
        if self.all_keys:
            return b"~*"
        return b" ".join(pattern.text() for pattern in self.key_patterns.values())

    def channels_text(self) -> bytes:
        """The rules that lead to the allowed channels."""
        if self.all_channels:
            return b"&*"
        return b" ".join(b"&" + channel for channel in self.channels)

    def text(self) -> bytes:
        """All of its rules."""
        parts = [self.keys_text()]
        if not self.all_channels:
            # A new selector may have begun with all of them.
            parts.append(b"resetchannels")
        parts += [self.channels_text(), self.commands_text()]
        return b" ".join(part for part in parts if part)


def matches_channel(allowed: dict[bytes, re.Pattern[bytes]], name: bytes, is_pattern: bool) -> bool:
    """Whether one of the ``allowed`` patterns is about ``name``. O(patterns)."""
    if is_pattern:
        return name in allowed
    return any(matcher.fullmatch(name) for matcher in allowed.values())


class User:
    """See the module's docstring. A new one is off, has no password, and may do nothing."""

    def __init__(self, name: bytes, all_channels: bool) -> None:
        self.name: Final = name
        self.is_enabled = False
        #: Any password is right.
        self.needs_no_password = False
        #: RESTORE may trust what it gets. Kept and shown, as payloads are always checked here.
        self.skips_sanitizing = False
        #: SHA-256 digests in hexadecimal digits.
        self.passwords: list[bytes] = []
        #: The first is the root.
        self.selectors: list[Selector] = [Selector(all_channels)]
        self.is_unrestricted = False

    @property
    def root(self) -> Selector:
        """The selector of the rules outside of parentheses."""
        return self.selectors[0]

    def copy(self) -> User:
        """Another one with the same name and rules."""
        other = User(self.name, False)
        other.become(self)
        return other

    def become(self, other: User) -> None:
        """Take over everything but the name of ``other``."""
        self.is_enabled = other.is_enabled
        self.needs_no_password = other.needs_no_password
        self.skips_sanitizing = other.skips_sanitizing
        self.passwords = list(other.passwords)
        self.selectors = [selector.copy() for selector in other.selectors]
        self.is_unrestricted = any(selector.is_unrestricted for selector in self.selectors)

    def has_password(self, password: bytes) -> bool:
        """Whether ``password`` is one of his. How long that takes does not depend on which."""
        digest = digest_of(password)
        found = False
        for known in self.passwords:
            found = hmac.compare_digest(digest, known) or found
        return found or self.needs_no_password

    def denial(self, command: Command, args: list[bytes]) -> Denial | None:
        """Why he may not make this request; None if he may. O(selectors * keys * patterns)."""
        if self.is_unrestricted:
            return None
        keys: list[tuple[int, int]] | None = None
        worst = DENIED_COMMAND
        worst_place = 0
        for selector in self.selectors:
            if keys is None and not selector.all_keys:
                keys = keys_and_rights(command.keys, args)
            refused = selector.refuses(command, args, keys or [])
            if refused is None:
                return None
            reason, place = refused
            if reason > worst or (reason == worst and place > worst_place):
                worst, worst_place = refused
        word = command.encoded_name if worst == DENIED_COMMAND else args[worst_place]
        return Denial(self, command, worst, word)

    def may_read_every_key(self, command: Command, args: list[bytes]) -> bool:
        """Whether the selector that allows this request allows to read any key besides (SORT)."""
        if self.is_unrestricted:
            return True
        keys = keys_and_rights(command.keys, args)
        return any(
            selector.allows_every_key(READS) and selector.refuses(command, args, keys) is None
            for selector in self.selectors
        )

    # Showing

    def flags(self) -> list[bytes]:
        """Rules about the user himself, without passwords."""
        found = [b"on" if self.is_enabled else b"off"]
        if self.needs_no_password:
            found.append(b"nopass")
        found.append(b"skip-sanitize-payload" if self.skips_sanitizing else b"sanitize-payload")
        return found

    def text(self) -> bytes:
        """All rules, from which ACL SETUSER makes the same user; passwords as digests."""
        parts = self.flags()
        parts += [b"#" + digest for digest in self.passwords]
        parts.append(self.root.text())
        parts += [b"(" + selector.text() + b")" for selector in self.selectors[1:]]
        return b" ".join(parts)


def digest_of(password: bytes) -> bytes:
    """What is kept of a password. It is to be long and random: one SHA-256, as in Redis's files."""
    return sha256(password).hexdigest().encode()
