"""Replies: Python values to RESP2 or RESP3 bytes.

One ``ReplyWriter`` belongs to one client. Replies of a whole batch of pipelined commands gather in
it and are taken out once, so that a batch is one write to the socket. The gathering buffer is
librt's ``BytesWriter``: three writes into it cost 31 ns where a list and a join cost 56 ns (measured
for a 100-byte bulk reply, compiled). Long strings are not copied into it: they travel as pieces of
their own.
"""

from __future__ import annotations

from typing import Final

from librt.strings import BytesWriter

from dscache.wire.reply import (
    Attributed,
    BigNumber,
    DoubleText,
    ErrorReply,
    Grouped,
    MapReply,
    Message,
    NoReply,
    NullArray,
    Pairs,
    Push,
    SetReply,
    Several,
    Status,
    Verbatim,
)

# A bulk string at least this long is not copied into the batch but sent as a piece of its own.
_OWN_PIECE_BYTES: Final = 16 * 1024

# Whole numbers up to here are printed with all their digits (LLONG_MAX / 2 in Redis's double2ll).
_WHOLE_MAX: Final = float(2**62)

# What arrays and pushes begin with.
_ARRAY: Final = 0x2A
_PUSH: Final = 0x3E

# Headers of the lengths and integers that occur most.
_PREPARED: Final = 1024
_BULK_HEADERS: Final = [b"$%d\r\n" % n for n in range(_PREPARED)]
_INTEGERS: Final = [b":%d\r\n" % n for n in range(_PREPARED)]


class ReplyWriter:
    """Gathers encoded replies. ``resp`` is the protocol version, 2 or 3; HELLO changes it."""

    def __init__(self) -> None:
        self.resp = 2
        self._writer = BytesWriter()
        self._pieces: list[bytes] = []
        self._pieces_bytes = 0

    def size(self) -> int:
        """Encoded bytes that wait to be taken."""
        return self._pieces_bytes + len(self._writer)

    def take(self) -> bytes:
        """All that was gathered, for one write; the writer is empty afterwards."""
        data = self._writer.getvalue()
        if len(data) > 0:
            self._writer = BytesWriter()
        if self._pieces:
            self._pieces.append(data)
            data = b"".join(self._pieces)
            self._pieces = []
            self._pieces_bytes = 0
        return data

    def write(self, value: object) -> None:
        """Encode one reply. O(size of the reply)."""
        if type(value) is bytes:
            self._bulk(value)
        elif type(value) is Status:
            self._writer.write(value.encoded)
        elif value is None:
            self._writer.write(b"_\r\n" if self.resp == 3 else b"$-1\r\n")
        elif type(value) is int:
            if 0 <= value < _PREPARED:
                self._writer.write(_INTEGERS[value])
            else:
                self._writer.write(b":%d\r\n" % value)
        elif type(value) is list:
            self._writer.write(b"*%d\r\n" % len(value))
            for item in value:
                self.write(item)
        else:
            self._rare(value)

    def _bulk(self, value: bytes) -> None:
        length = len(value)
        writer = self._writer
        if length < _PREPARED:
            writer.write(_BULK_HEADERS[length])
            writer.write(value)
        elif length < _OWN_PIECE_BYTES:
            writer.write(b"$%d\r\n" % length)
            writer.write(value)
        else:
            writer.write(b"$%d\r\n" % length)
            self._own_piece(value)
            writer = self._writer
        writer.append(13)
        writer.append(10)

    def _own_piece(self, value: bytes) -> None:
        head = self._writer.getvalue()
        self._pieces.append(head)
        self._pieces.append(value)
        self._pieces_bytes += len(head) + len(value)
        self._writer = BytesWriter()

    def _rare(self, value: object) -> None:
        resp3 = self.resp == 3
        writer = self._writer
        if isinstance(value, Message):
            writer.append(_PUSH if resp3 else _ARRAY)
            if len(value.encoded) < _OWN_PIECE_BYTES:
                writer.write(value.encoded)
            else:
                self._own_piece(value.encoded)
        elif isinstance(value, ErrorReply):
            writer.write(b"-" + value.text.replace(b"\r", b" ").replace(b"\n", b" ") + b"\r\n")
        elif isinstance(value, bool):
            if resp3:
                writer.write(b"#t\r\n" if value else b"#f\r\n")
            else:
                writer.write(b":1\r\n" if value else b":0\r\n")
        elif isinstance(value, str):
            self._bulk(value.encode())
        elif isinstance(value, float):
            text = format_double(value)
            if resp3:
                writer.write(b"," + text + b"\r\n")
            else:
                self._bulk(text)
        elif isinstance(value, DoubleText):
            if resp3:
                writer.write(b"," + value.text + b"\r\n")
            else:
                self._bulk(value.text)
        elif isinstance(value, NullArray):
            writer.write(b"_\r\n" if resp3 else b"*-1\r\n")
        elif isinstance(value, tuple):
            self._items(b"*", list(value))
        elif isinstance(value, dict):
            writer.write(
                (b"%%%d\r\n" if resp3 else b"*%d\r\n") % (len(value) if resp3 else 2 * len(value))
            )
            for key, item in value.items():
                self.write(key)
                self.write(item)
        elif isinstance(value, (set, frozenset)):
            self._items(b"~" if resp3 else b"*", list(value))
        elif isinstance(value, SetReply):
            self._items(b"~" if resp3 else b"*", value.items)
        elif isinstance(value, Pairs):
            self._pairs(value.items, resp3)
        elif isinstance(value, Grouped):
            self._grouped(value.items, resp3)
        elif isinstance(value, MapReply):
            if resp3:
                writer.write(b"%%%d\r\n" % len(value.items))
                for key, item in value.items:
                    self.write(key)
                    self.write(item)
            else:
                self._pairs(value.items, False)
        elif isinstance(value, BigNumber):
            if resp3:
                writer.write(b"(" + value.digits + b"\r\n")
            else:
                self._bulk(value.digits)
        elif isinstance(value, Verbatim):
            if resp3:
                writer.write(b"=%d\r\n%s:" % (len(value.text) + 4, value.form))
                writer.write(value.text)
                writer.write(b"\r\n")
            else:
                self._bulk(value.text)
        elif isinstance(value, Push):
            self._items(b">" if resp3 else b"*", value.items)
        elif isinstance(value, Attributed):
            if resp3:
                writer.write(b"|%d\r\n" % len(value.attributes))
                for key, item in value.attributes:
                    self.write(key)
                    self.write(item)
            self.write(value.reply)
        elif isinstance(value, Several):
            for reply in value.replies:
                self.write(reply)
        else:
            assert isinstance(value, NoReply), f"a handler returned {type(value).__name__}"

    def _pairs(self, pairs: list[tuple[object, object]], resp3: bool) -> None:
        self._writer.write(b"*%d\r\n" % (len(pairs) if resp3 else 2 * len(pairs)))
        for first, second in pairs:
            if resp3:
                self._writer.write(b"*2\r\n")
            self.write(first)
            self.write(second)

    def _grouped(self, pairs: list[tuple[object, object]], resp3: bool) -> None:
        self._writer.write((b"%%%d\r\n" if resp3 else b"*%d\r\n") % len(pairs))
        for key, item in pairs:
            if not resp3:
                self._writer.write(b"*2\r\n")
            self.write(key)
            self.write(item)

    def _items(self, kind: bytes, items: list[object]) -> None:
        self._writer.write(b"%s%d\r\n" % (kind, len(items)))
        for item in items:
            self.write(item)


def encoded_message(items: list[bytes], array: list[bytes] | None = None) -> Message:
    """A push of ``items`` that any number of writers may write; ``array`` is its last item. O(bytes)."""
    if array is None:
        return Message(items, b"%d\r\n%b" % (len(items), _bulks(items)))
    head = b"%d\r\n%b*%d\r\n" % (len(items) + 1, _bulks(items), len(array))
    return Message(items + array, head + _bulks(array))


def _bulks(items: list[bytes]) -> bytes:
    parts: list[bytes] = []
    for item in items:
        parts += (b"$%d\r\n" % len(item), item, b"\r\n")
    return b"".join(parts)


def format_double(value: float) -> bytes:
    """A double as Redis prints it: the shortest digits that read back the same, laid out by its rules.

    The rules are those of ``d2string`` and ``fpconv_dtoa``: ``inf``, ``-inf``, ``nan``; whole numbers
    up to 2**62 with all their digits, larger ones as long as at most seven zeros are to be filled in;
    fractions with at most six decimals, or between 0.001 and 10000, without an exponent; all others
    as ``1.5e-7``, ``1.2345678901e+30``. (Redis's digits come from Grisu2, which in one double of a
    thousand misses the shortest or the nearest form: 1e23 becomes ``99999999999999990000000`` there.
    Both forms read back as the same double.)
    """
    if value != value:
        return b"nan"
    if value in (float("inf"), float("-inf")):
        return b"inf" if value > 0 else b"-inf"
    magnitude = abs(value)
    if magnitude <= _WHOLE_MAX:
        whole = int(value)
        if value == whole:
            return b"-0" if whole == 0 and str(value)[0] == "-" else b"%d" % whole
    text = repr(value)
    if "e" not in text and (len(text) - text.index(".") <= 7 or 0.001 <= magnitude < 10000.0):
        return text.encode()
    return _lay_out(text.lstrip("-"), value < 0)


def _lay_out(text: str, negative: bool) -> bytes:
    """Write the double whose ``repr`` is ``text`` as fpconv_dtoa's ``emit_digits`` would."""
    mantissa, _, exponent = text.partition("e")
    whole, _, fraction = mantissa.partition(".")
    padded = (whole + fraction).lstrip("0")
    digits = padded.rstrip("0")
    # The value is digits * 10**scale.
    scale = (int(exponent) if exponent else 0) - len(fraction) + len(padded) - len(digits)
    count = len(digits)
    # The decimal exponent of the first digit.
    leading = scale + count - 1
    sign = "-" if negative else ""
    if scale >= 0 and leading < count + 7:
        return f"{sign}{digits}{'0' * scale}".encode()
    if scale < 0 and (scale > -7 or abs(leading) < 4):
        point = count + scale
        if point <= 0:
            return f"{sign}0.{'0' * -point}{digits}".encode()
        return f"{sign}{digits[:point]}.{digits[point:]}".encode()
    point_and_rest = f".{digits[1:]}" if count > 1 else ""
    return f"{sign}{digits[0]}{point_and_rest}e{leading:+d}".encode()
