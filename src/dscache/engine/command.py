"""What a command is: its declaration, and the table of all commands.

A command is declared once, with its handler::

    @registry.command(
        "GETEX key [EX seconds | PX milliseconds | PERSIST]",
        arity=-2, flags=WRITE | FAST, keys=[KeySpec(1, access="RW ACCESS UPDATE")],
        since="6.2.0", group="string", complexity="O(1)",
    )
    def getex(session: Session, args: list[bytes]) -> object:
        \"\"\"Get a key's value and change its expiry.\"\"\"

From that come the checks before it runs, the keys to preload, COMMAND INFO, DOCS and GETKEYS, the ACL
categories, and ``docs/commands.md``. The handler's docstring is the summary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from mypy_extensions import i64

from dscache.engine.docstrings import summary_of
from dscache.engine.histogram import Histogram
from dscache.engine.keyspec import Channels, KeySpec

if TYPE_CHECKING:
    from dscache.engine.session import Session

Handler = Callable[["Session", list[bytes]], object]

# Flags, as COMMAND INFO names them.
WRITE: Final = 1 << 0
READONLY: Final = 1 << 1
#: May make memory grow; waits while memory is full. Without it a write is let through (DEL).
DENYOOM: Final = 1 << 2
ADMIN: Final = 1 << 3
FAST: Final = 1 << 4
NOSCRIPT: Final = 1 << 5
LOADING: Final = 1 << 6
STALE: Final = 1 << 7
NO_AUTH: Final = 1 << 8
NO_MULTI: Final = 1 << 9
SKIP_MONITOR: Final = 1 << 10
SKIP_SLOWLOG: Final = 1 << 11
BLOCKING: Final = 1 << 12
PUBSUB: Final = 1 << 13
MOVABLEKEYS: Final = 1 << 14
ALLOW_BUSY: Final = 1 << 15
NO_MANDATORY_KEYS: Final = 1 << 16
#: Changes no key, or not so that it shows, but is told to replicas in Redis, or may call what is: not for
#: scripts that must not write, and held back while writes are paused. COMMAND INFO does not show it.
MAY_REPLICATE: Final = 1 << 17

FLAG_NAMES: Final = (
    (WRITE, b"write"),
    (READONLY, b"readonly"),
    (DENYOOM, b"denyoom"),
    (ADMIN, b"admin"),
    (PUBSUB, b"pubsub"),
    (NOSCRIPT, b"noscript"),
    (BLOCKING, b"blocking"),
    (LOADING, b"loading"),
    (STALE, b"stale"),
    (SKIP_MONITOR, b"skip_monitor"),
    (SKIP_SLOWLOG, b"skip_slowlog"),
    (FAST, b"fast"),
    (NO_AUTH, b"no_auth"),
    (NO_MANDATORY_KEYS, b"no_mandatory_keys"),
    (NO_MULTI, b"no_multi"),
    (MOVABLEKEYS, b"movablekeys"),
    (ALLOW_BUSY, b"allow_busy"),
)

#: The ACL categories, in the order in which COMMAND INFO names them.
CATEGORIES: Final = (
    "keyspace",
    "read",
    "write",
    "set",
    "sortedset",
    "list",
    "hash",
    "string",
    "bitmap",
    "hyperloglog",
    "geo",
    "stream",
    "pubsub",
    "admin",
    "fast",
    "slow",
    "blocking",
    "dangerous",
    "connection",
    "transaction",
    "scripting",
)

# Commands that the engine handles before their handler, while a transaction is queued.
RUNS_IN_MULTI: Final = frozenset((b"multi", b"exec", b"discard", b"watch", b"quit", b"reset"))


#: What a RESP2 client may call while it is subscribed to anything, because what comes then need not be
#: a reply.
RUNS_SUBSCRIBED: Final = frozenset((
    b"ping", b"subscribe", b"ssubscribe", b"unsubscribe", b"sunsubscribe", b"psubscribe",
    b"punsubscribe", b"quit", b"reset",
))  # fmt: skip


class Command:
    """One command or subcommand, with the statistics that are kept for it."""

    def __init__(
        self,
        syntax: str,
        handler: Handler,
        arity: int,
        flags: int,
        keys: Sequence[KeySpec],
        channels: Channels | None,
        group: str,
        since: str,
        complexity: str,
        categories: str,
        history: Sequence[tuple[str, str]],
        tips: str,
        deprecated: tuple[str, str],
        is_system: bool,
        parent: str,
        summary: str = "",
        is_extension: bool = False,
    ) -> None:
        word, _, arguments = syntax.partition(" ")
        self.word: Final = word.lower()
        #: Lower case; ``parent|word`` for a subcommand.
        self.name: Final = f"{parent}|{self.word}" if parent else self.word
        self.encoded_name: Final = self.name.encode()
        self.arguments: Final = arguments
        self.handler: Final = handler
        self.arity: Final[i64] = arity
        self.flags: Final[i64] = flags
        self.keys: Final = list(keys)
        #: What access control must allow; None if it names no channels, or only leaves them.
        self.channels: Final = channels
        self.group: Final = group
        self.since: Final = since
        self.complexity: Final = complexity
        #: ACL categories beyond those that flags and group imply.
        self.extra_categories: Final = categories.split()
        self.history: Final = list(history)
        #: Hints for clients and proxies that send commands to several servers.
        self.tips: Final = tips.split()
        #: Redis's version that advises against it, and what to use instead; empty if none does.
        self.deprecated_since: Final = deprecated[0]
        self.replaced_by: Final = deprecated[1]
        #: It is for tests and for servers among themselves, not for users.
        self.is_system: Final = is_system
        self.parent: Final = parent
        self._summary: Final = summary
        self.subcommands: dict[bytes, Command] = {}
        # A command that neither changes data nor needs the engine's special care takes a short
        # way through the engine.
        self.is_write: Final = bool(flags & WRITE)
        #: It stands in the redo log as it was called; of an extension, what it calls does.
        self.is_noted: Final = self.is_write and not is_extension
        self.runs_in_multi: Final = self.encoded_name in RUNS_IN_MULTI
        self.runs_subscribed: Final = self.encoded_name in RUNS_SUBSCRIBED
        self.calls: i64 = 0
        self.rejected_calls: i64 = 0
        self.failed_calls: i64 = 0
        self.seconds = 0.0
        self.latency: Histogram | None = None

    @property
    def summary(self) -> str:
        """What it does, in a sentence: the handler's docstring, unless it was given another."""
        return self._summary or summary_of(self.handler)

    def categories(self) -> list[str]:
        """ACL categories, without the ``@``: the declared ones and those that the flags imply."""
        flags = self.flags
        if self.subcommands and not flags:
            # What only holds subcommands is nothing by itself.
            return ["slow"]
        found = set(self.extra_categories)
        if flags & WRITE:
            found.add("write")
        if flags & READONLY and "scripting" not in found:
            found.add("read")
        if flags & ADMIN:
            found.update(("admin", "dangerous"))
        if flags & PUBSUB:
            found.add("pubsub")
        found.add("fast" if flags & FAST else "slow")
        if flags & BLOCKING:
            found.add("blocking")
        return [name for name in CATEGORIES if name in found]

    def reset_statistics(self) -> None:
        """CONFIG RESETSTAT."""
        self.calls = 0
        self.rejected_calls = 0
        self.failed_calls = 0
        self.seconds = 0.0
        self.latency = None

    def accepts(self, count: int) -> bool:
        """Whether a request of ``count`` words has the right arity."""
        return count == self.arity if self.arity >= 0 else count >= -self.arity


class CommandTable:
    """All commands by name."""

    def __init__(self) -> None:
        #: By name as clients write it: lower and upper case both lead here without conversion.
        self._commands: dict[bytes, Command] = {}
        #: Lower-case name to command, parents only, in order of declaration.
        self.parents: dict[str, Command] = {}

    def add(self, command: Command) -> None:
        """Register a command, or a subcommand whose parent is registered."""
        if command.parent:
            parent = self.parents[command.parent]
            word = command.word.encode()
            # Commands are declared once per process, tables may be built several times (in tests).
            known = parent.subcommands.get(word)
            assert known is None or known is command, f"{command.name} is there twice"
            parent.subcommands[word] = command
            return
        assert command.name not in self.parents, f"{command.name} is there twice"
        self.parents[command.name] = command
        self._commands[command.encoded_name] = command
        self._commands[command.encoded_name.upper()] = command

    def get(self, name: bytes) -> Command | None:
        """The parent command called ``name`` in any case, or None."""
        command = self._commands.get(name)
        if command is None:
            command = self._commands.get(name.lower())
        return command

    def find(self, args: list[bytes]) -> Command | None:
        """The command or subcommand that ``args`` calls, or None."""
        command = self.get(args[0])
        if command is not None and command.subcommands and len(args) > 1:
            return command.subcommands.get(args[1].lower())
        return command

    def named(self, name: bytes) -> Command | None:
        """The command or subcommand (``parent|word``) of that name in any case, or None."""
        words = name.split(b"|")
        command = self.get(words[0])
        if command is None or len(words) == 1:
            return command
        return command.subcommands.get(words[1].lower()) if len(words) == 2 else None

    def all(self) -> list[Command]:
        """Every command and subcommand."""
        found: list[Command] = []
        for command in self.parents.values():
            found.append(command)
            found.extend(command.subcommands.values())
        return found


class Registry:
    """Collects the commands of one module of ``dscache.commands``.

    ``group`` is the group of all of them, as COMMAND DOCS names it; ``category`` the ACL category
    that goes with it.
    """

    def __init__(self, group: str, category: str) -> None:
        self._group = group
        self._category = category
        self.commands: list[Command] = []

    def command(
        self,
        syntax: str,
        *,
        arity: int,
        flags: int,
        since: str,
        complexity: str,
        keys: Sequence[KeySpec] = (),
        channels: Channels | None = None,
        categories: str = "",
        history: Sequence[tuple[str, str]] = (),
        tips: str = "",
        deprecated: tuple[str, str] = ("", ""),
        is_system: bool = False,
        parent: str = "",
    ) -> Callable[[Handler], Handler]:
        """Declare a command. ``syntax`` is its name and its arguments as users read them (the
        grammar is in ``dscache.engine.syntax``); ``categories`` are ACL categories beyond those
        that flags and group imply; ``tips`` are Redis's command tips; ``deprecated`` says since
        when it is and what to use instead; ``is_system`` that it is not for users; ``parent`` makes it a
        subcommand."""

        def register(handler: Handler) -> Handler:
            self.commands.append(
                Command(
                    syntax,
                    handler,
                    arity,
                    flags,
                    keys,
                    channels,
                    self._group,
                    since,
                    complexity,
                    f"{self._category} {categories}",
                    history,
                    tips,
                    deprecated,
                    is_system,
                    parent,
                )
            )
            return handler

        return register
