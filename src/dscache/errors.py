"""The one exception hierarchy of dscache.

Two families never mix. A *client's* mistake is a ``CommandError``: its text goes to that client as an
error reply and nothing else happens. A failure of *ours* (the disk, the configuration, a broken store)
is one of the others: it is logged, shown in INFO, and says what to do about it.

Signals that unwind a command without being errors (``Fault``) live with the machinery that catches
them, in ``dscache.engine.waiting``.
"""

from __future__ import annotations


class DscacheError(Exception):
    """Base of everything that dscache raises on purpose."""


class CommandError(DscacheError):
    """A command cannot be carried out; ``reply`` is the error line that the client gets, code first.

    >>> CommandError(b"ERR syntax error").reply
    b'ERR syntax error'
    """

    def __init__(self, reply: bytes) -> None:
        super().__init__(reply.decode("utf-8", "replace"))
        self.reply = reply


class ProtocolError(DscacheError):
    """Bytes from a client are not the Redis protocol; it gets ``reply`` and is disconnected."""

    def __init__(self, reply: bytes) -> None:
        super().__init__(reply.decode("utf-8", "replace"))
        self.reply = reply


class AclRuleError(DscacheError):
    """A rule of access control makes no sense; ``reason`` is Redis's text, which tells no secret.

    ``is_unknown_name``: it names a command or a category that does not exist.
    """

    def __init__(self, reason: bytes, is_unknown_name: bool = False) -> None:
        super().__init__(reason.decode("utf-8", "replace"))
        self.reason = reason
        self.is_unknown_name = is_unknown_name


class ConfigError(DscacheError):
    """A directive is unknown or its value is refused; the text names file, line and remedy."""


class CommandLineError(ConfigError):
    """What stands on the command line is wrong: the process's exit code is another one."""


class ExtensionError(DscacheError):
    """A file named by ``--load`` cannot be used; the text says which, where, and why."""


class ServerError(DscacheError):
    """A server that a program has started (``dscache.Server``) did not start, or did not end well; the text
    has the end of its log."""


class StoreError(DscacheError):
    """The store could not read or write; the operation may be tried again."""


class StoreLockedError(StoreError):
    """Another running server owns the data directory."""


class StoreFormatError(StoreError):
    """The store on disk is newer than this program, or is not a dscache store."""


class StoreDamagedError(StoreError):
    """What is on disk contradicts itself; nothing was changed."""


class LogDamagedError(DscacheError):
    """The redo log contradicts itself; the text names file and offset, and nothing was changed."""


class RdbError(DscacheError):
    """Bytes are not a value as Redis serialises it; the text says what is wrong with them."""


class EmptyValueError(RdbError):
    """A container without elements. Old versions of Redis have written such keys; in files, today's
    skip them."""


class SourceError(DscacheError):
    """The server that a data set is taken from does not give it; the text names it and says why."""


class SourceAwayError(SourceError):
    """It cannot be reached now; it may be later."""
