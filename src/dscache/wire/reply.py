"""What a command handler may return, beyond plain Python values.

Handlers return Python values; ``dscache.wire.encoder`` turns them into RESP2 or RESP3:

=================  =====================  ======================
Python value       RESP2                  RESP3
=================  =====================  ======================
``bytes``          bulk string            the same
``str``            bulk string (UTF-8)    the same
``int``            integer                the same
``bool``           integer 0 or 1         boolean
``float``          bulk string            double
``None``           null bulk string       null
``NULL_ARRAY``     null array             null
``list, tuple``    array                  the same
``dict``           flat array             map
``set``            array                  set
``SetReply``       array                  set
``Status``         simple string          the same
``ErrorReply``     error                  the same
``Verbatim``       bulk string            verbatim string
``Push``           array                  push
``NO_REPLY``       nothing at all         nothing at all
=================  =====================  ======================
"""

from __future__ import annotations

from typing import Final


class Status:
    """A simple string such as ``+OK``; ``text`` holds no line break."""

    def __init__(self, text: bytes) -> None:
        self.text: Final = text
        self.encoded: Final = b"+" + text + b"\r\n"


class ErrorReply:
    """An error line; ``text`` starts with its code (``ERR``, ``WRONGTYPE``, ...)."""

    def __init__(self, text: bytes) -> None:
        self.text: Final = text


class Verbatim:
    """Text for people, such as INFO's; RESP3 clients learn that it is plain text."""

    def __init__(self, text: bytes, form: bytes = b"txt") -> None:
        self.text: Final = text
        self.form: Final = form


class SetReply:
    """A set whose items have an order, or cannot be members of a Python set."""

    def __init__(self, items: list[object]) -> None:
        self.items: Final = items


class Push:
    """An out-of-band message (RESP3 push type; a plain array in RESP2)."""

    def __init__(self, items: list[object]) -> None:
        self.items: Final = items


class NullArray:
    """RESP2 tells a null array from a null bulk string; RESP3 has one null for both."""


class NoReply:
    """The command answers nothing (CLIENT REPLY OFF, or its reply has already been pushed)."""


OK: Final = Status(b"OK")
PONG: Final = Status(b"PONG")
QUEUED: Final = Status(b"QUEUED")
NULL_ARRAY: Final = NullArray()
NO_REPLY: Final = NoReply()
