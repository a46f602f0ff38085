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
``DoubleText``     bulk string            double
``None``           null bulk string       null
``NULL_ARRAY``     null array             null
``list, tuple``    array                  the same
``dict``           flat array             map
``set``            array                  set
``SetReply``       array                  set
``Pairs``          flat array             array of pairs
``Grouped``        array of pairs         map
``MapReply``       flat array             map
``BigNumber``      bulk string            big number
``Status``         simple string          the same
``ErrorReply``     error                  the same
``Verbatim``       bulk string            verbatim string
``Push``           array                  push
``Message``        array                  push
``Attributed``     the reply alone        attributes and reply
``Several``        its replies in a row   the same
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


class Pairs:
    """Pairs whose first halves may repeat: a flat array in RESP2, an array of pairs in RESP3."""

    def __init__(self, items: list[tuple[object, object]]) -> None:
        self.items: Final = items


class Grouped:
    """Pairs, in RESP3 a map; its keys may repeat, as the streams may that XREAD is asked for."""

    def __init__(self, items: list[tuple[object, object]]) -> None:
        self.items: Final = items


class MapReply:
    """A map whose keys may be anything: a script's."""

    def __init__(self, items: list[tuple[object, object]]) -> None:
        self.items: Final = items


class BigNumber:
    """An integer of any size, in digits: only scripts make them."""

    def __init__(self, digits: bytes) -> None:
        self.digits: Final = digits


class DoubleText:
    """A double that is shown with these digits (coordinates have 17 decimals)."""

    def __init__(self, text: bytes) -> None:
        self.text: Final = text


class Attributed:
    """A reply with something about it, as pairs; RESP2 has no place for those."""

    def __init__(self, attributes: list[tuple[object, object]], reply: object) -> None:
        self.attributes: Final = attributes
        self.reply: Final = reply


class Push:
    """An out-of-band message (RESP3 push type; a plain array in RESP2)."""

    def __init__(self, items: list[object]) -> None:
        self.items: Final = items


class Message:
    """A push for many clients: encoded once (``encoder.encoded_message``), whoever gets it."""

    def __init__(self, items: list[bytes], encoded: bytes) -> None:
        #: The strings that it consists of, those of an array at its end among them.
        self.items: Final = items
        #: All but the first byte, in which RESP2 and RESP3 differ.
        self.encoded: Final = encoded


class Several:
    """Several replies to one request: SUBSCRIBE answers once for each channel."""

    def __init__(self, replies: list[Push]) -> None:
        self.replies: Final = replies


class NullArray:
    """RESP2 tells a null array from a null bulk string; RESP3 has one null for both."""


class NoReply:
    """The command answers nothing (CLIENT REPLY OFF, or its reply has already been pushed)."""


OK: Final = Status(b"OK")
PONG: Final = Status(b"PONG")
QUEUED: Final = Status(b"QUEUED")
NULL_ARRAY: Final = NullArray()
NO_REPLY: Final = NoReply()
