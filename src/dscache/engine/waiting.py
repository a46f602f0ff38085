"""Faults and suspension: how a command says that it cannot go on yet, and what happens then.

A handler reads everything that it needs before it changes anything, so it can be stopped at any
lookup and started again from the top. A lookup that memory cannot answer raises a ``Fault``; the
engine arranges for what is missing, suspends the client, and runs the command again when it is there.

A fault is not an error; it derives from BaseException so that no ``except Exception`` in a handler
catches it by accident.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from dscache.cache.space import Space
from dscache.cache.wait import Wait

if TYPE_CHECKING:
    from dscache.engine.command import Command
    from dscache.engine.session import Session

#: A key that a command needs: its space, the key, and whether the value is needed or only the head.
Wanted = tuple[Space, bytes, bool]


class SuspendedReply:
    """What ``Engine.execute`` answers for a command that waits; its reply is delivered later."""


SUSPENDED: Final = SuspendedReply()


class Suspension(Wait):
    """A suspended command: whose it is, and what to run again."""

    def __init__(self, session: Session, command: Command, args: list[bytes]) -> None:
        super().__init__()
        self.session: Final = session
        self.command: Final = command
        self.args = args
        #: What it waits to change, if anything, and the number of the database that this is in.
        self.block: BlockFault | None = None
        self.database = 0
        #: When its time is over; 0.0 if never.
        self.deadline = 0.0


class Fault(BaseException):
    """A command needs something that takes time. See the subclasses."""


class KeyFault(Fault):
    """A key is not in memory."""

    def __init__(self, space: Space, key: bytes, whole: bool) -> None:
        super().__init__()
        self.wanted: Final[Wanted] = (space, key, whole)


class KeysFault(Fault):
    """Several keys are not in memory: those of a transaction, or those that SORT finds in a list."""

    def __init__(self, wanted: list[Wanted]) -> None:
        super().__init__()
        self.wanted: Final = wanted


class JobFault(Fault):
    """``job`` must run elsewhere; its result is ``Wait.results[name]`` at the next try.

    ``submit``, that of a snapshot, has it run, once; without one it runs in the scan thread. The job
    must not touch entries; it may raise DscacheError.
    """

    def __init__(
        self,
        name: str,
        job: Callable[[], object],
        submit: Callable[[Callable[[], None]], None] | None = None,
    ) -> None:
        super().__init__()
        self.name: Final = name
        self.job: Final = job
        self.submit: Final = submit


class CommitFault(Fault):
    """All that has been done so far must be on disk first."""


class SettleFault(Fault):
    """The number of keys of ``space`` must be settled first (see ``Keyspace.count``)."""

    def __init__(self, space: Space) -> None:
        super().__init__()
        self.space: Final = space


class RoomFault(Fault):
    """Memory is full of what is not on disk yet: writers wait."""


class PauseFault(Fault):
    """CLIENT PAUSE holds this command back."""


class BlockFault(Fault):
    """Nothing there yet: the client waits for one of ``keys`` (see ``dscache.engine.blocking``)."""

    def __init__(
        self,
        keys: list[bytes],
        timeout_ms: int,
        otherwise: object,
        type_code: int,
        even_if_gone: bool,
        replacement: list[bytes] | None,
    ) -> None:
        super().__init__()
        self.keys: Final = keys
        self.timeout_ms: Final = timeout_ms
        self.otherwise: Final = otherwise
        self.type_code: Final = type_code
        self.even_if_gone: Final = even_if_gone
        self.replacement: Final = replacement
