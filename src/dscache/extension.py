"""Commands and functions of your own, in Python: what a file imports that ``--load`` names.

::

    from dscache.extension import Database, Extension

    extension = Extension("counters")

    @extension.command("BUMP key step", writes=True)
    def bump(db: Database, keys: list[bytes], args: list[bytes]) -> object:
        \"\"\"Adds a number to a counter, and tells by how much it is over a hundred.\"\"\"
        return max(0, db.call("INCRBY", keys[0], args[0]) - 100)

A body gets the keys that its command declares and, apart from them, the other arguments. It is code that the
operator trusts: it runs in the server's own thread, nothing limits its time or memory, and everybody waits
for it. ``docs/extensions.md`` says all that a writer of extensions needs.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, Protocol, TypeVar

from dscache.wire.reply import OK, Status

__all__ = ["OK", "Body", "Database", "Extension", "ReplyError", "Status"]

_NAME: Final = re.compile(r"[A-Za-z0-9_]+")
_COMMAND_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9._-]*")


class ReplyError(Exception):
    """The error that a client gets. Its text begins with its code: ``ReplyError("ERR no such room")``.

    ``Database.call`` raises it when a command answers with an error; raised by a body, it is the answer.
    """


class Database(Protocol):
    """The data set, as a body sees it: the database that its client has selected."""

    def call(self, *words: bytes | str | int | float) -> object:
        """Run a command, such as ``db.call("SET", key, b"value", "EX", 60)``, and return its reply.

        Replies are ``None``, ``bytes``, ``int``, ``float``, ``bool``, lists and dicts of such; where RESP2
        and RESP3 differ, they are those of RESP3, but sets come as lists. A status such as ``OK`` comes
        as bytes. It takes as long as the command. Raises ReplyError for an error, such as that the
        client's user may not run the command, that it cannot be called here (as from scripts), or that
        the body has not declared that it writes. Whether a key was declared does not matter to the
        result, only to who waits for the disk.
        """
        ...


#: What is registered: ``(database, keys, other arguments)`` to a reply. Besides what ``Database.call``
#: returns a reply may be a ``str``, a tuple, a set or a ``Status``.
Body = Callable[[Database, list[bytes], list[bytes]], object]

_AnyBody = TypeVar("_AnyBody", bound=Body)


class Declaration:
    """A command, or a function, and what is run for it."""

    def __init__(self, syntax: str, body: Body, writes: bool) -> None:
        #: Its name; of a command, its arguments too.
        self.syntax: Final = syntax
        self.body: Final = body
        self.writes: Final = writes

    @property
    def summary(self) -> str:
        """The first paragraph of the body's docstring, in one line."""
        text = (self.body.__doc__ or "").strip()
        return " ".join(text.split("\n\n")[0].split())


class Extension:
    """The commands and functions of one file. ``name`` is the library that FUNCTION LIST shows them in:
    letters, digits and underscores. Raises ValueError for any other."""

    def __init__(self, name: str) -> None:
        if _NAME.fullmatch(name) is None:
            raise ValueError(f"the name of an extension has letters, digits and _, unlike {name!r}")
        self.name: Final = name
        self.commands: Final[list[Declaration]] = []
        self.functions: Final[list[Declaration]] = []

    def command(self, syntax: str, *, writes: bool) -> Callable[[_AnyBody], _AnyBody]:
        """Register a command.

        ``syntax`` is its name and its arguments, as users read them: ``COPYTO source destination
        [destination ...]``. It tells how many arguments there must be and which are keys: those
        named key, key1, key2, source, destination or the like, or with ``:key`` behind their name. Keys
        must stand in fixed places, or repeat up to the end, or follow their number (``numkeys key
        [key ...]``). The docstring is what COMMAND DOCS says. ``writes``: it may change the data set.
        Raises ValueError for a name that is none.
        """
        name = syntax.split(" ", 1)[0]
        if _COMMAND_NAME.fullmatch(name) is None:
            raise ValueError(f"{name!r} cannot be the name of a command")
        return _registering(self.commands, syntax, writes)

    def function(self, name: str, *, writes: bool) -> Callable[[_AnyBody], _AnyBody]:
        """Register a function, which FCALL calls; FCALL_RO too, unless it ``writes``.

        Raises ValueError for a name that has other characters than letters, digits and underscores.
        """
        if _NAME.fullmatch(name) is None:
            raise ValueError(f"the name of a function has letters, digits and _, unlike {name!r}")
        return _registering(self.functions, name, writes)


def _registering(
    declared: list[Declaration], syntax: str, writes: bool
) -> Callable[[_AnyBody], _AnyBody]:
    def register(body: _AnyBody) -> _AnyBody:
        declared.append(Declaration(syntax, body, writes))
        return body

    return register
