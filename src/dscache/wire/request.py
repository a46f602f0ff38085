"""Requests: a sans-I/O parser that eats bytes and yields argument lists.

``feed`` takes what a socket delivered, ``next_request`` returns one request at a time until it
answers ``None``: more bytes are needed. A request may be split at any byte. The parser walks the
bytes with native integers and slices each argument out once; nothing is copied twice except the
unparsed tail of a read that ended inside a request. A long argument (``BIG_ARGUMENT_BYTES``) leaves
the query buffer: its pieces are gathered in a list and joined when the last has come, so a value of
n bytes costs O(n) however small the reads are. Between reads nothing is held but what
``pending_bytes`` counts: a read that was parsed whole is let go, or ten thousand idle clients would
each keep their last one.

What a stream of bytes means never depends on how the network cut it into reads; a stream that is
not the protocol fails in any cutting, at the latest when its line ends or is too long.

``hiredis`` was tried and rejected: it parses replies, not requests (no inline commands, and a header
can make it allocate gigabytes), and the compiled walk below is faster.

Limits and error texts are Redis's; see ``dscache.wire.limits``.
"""

from __future__ import annotations

from typing import Final

from librt.strings import read_i64_le
from mypy_extensions import i64

from dscache.errors import ProtocolError
from dscache.wire.inline import split_inline
from dscache.wire.limits import (
    BIG_ARGUMENT_BYTES,
    INLINE_MAX_BYTES,
    MULTIBULK_MAX_ARGUMENTS,
    UNAUTHENTICATED_MAX_ARGUMENTS,
    UNAUTHENTICATED_MAX_BULK_BYTES,
)

_LF: Final = 10
_CR: Final = 13
_SPACE: Final = 32
_QUOTE: Final = 39
_STAR: Final = 42
_DOLLAR: Final = 36
_ZERO: Final = 48

# How HTTP begins, and what each of its requests has. A web page can make a browser send such a request
# to this machine, with commands in its body; the connection must end before they are reached.
_HTTP_WORDS: Final = (b"post", b"host:")
_LETTER_O: Final = ord("o")

# What ``_number`` answers when the line is not complete yet, or is not a number.
_INCOMPLETE: Final = -(1 << 60)
_INVALID: Final = -(1 << 60) + 1

# How nearly all requests begin, as eight bytes: the number of arguments and the length of the first, both
# with one digit. Combined by exclusive or, what is left are the digits' values, in these places.
_USUAL_HEAD: Final = 0x0A0D_3024_0A0D_302A  # *0\r\n$0\r\n, little-endian
_HEAD_BYTES: Final = 8
_COUNT_SHIFT: Final = 8
_LENGTH_SHIFT: Final = 40

# What the last bytes of a read are filled up with to eight.
_PADDING: Final = b"\0" * 8

# As many digits as a signed 64-bit integer can have.
_MAX_DIGITS: Final = 19
_I64_MIN_MAGNITUDE: Final = 1 << 63

# Pieces of a long argument shorter than this are merged, so that a client that sends it byte by byte
# cannot make the list of pieces many times larger than the argument.
_SMALL_PIECE_BYTES: Final = 4 * 1024


def _not_http(arguments: list[bytes]) -> list[bytes]:
    """``arguments``, unless they begin an HTTP request. Raises ProtocolError."""
    if arguments:
        first = arguments[0]
        # Both have it in the same place.
        if len(first) > 1 and first[1] | 32 == _LETTER_O and first.lower() in _HTTP_WORDS:
            raise ProtocolError(b"ERR Protocol error: this is not a web server")
    return arguments


class RequestParser:
    """Parses one client's stream of requests.

    ``trusted`` is false until the client has authenticated; it selects the small limits.
    ``max_bulk_bytes`` is the directive ``proto-max-bulk-len``.
    """

    def __init__(self, max_bulk_bytes: int, trusted: bool = True) -> None:
        self.max_bulk_bytes: i64 = max_bulk_bytes
        self.trusted = trusted
        self._buffer = b""
        self._position: i64 = 0
        # The request being read: its arguments so far, and how many are still to come.
        self._arguments: list[bytes] = []
        self._arguments_bytes: i64 = 0
        self._missing: i64 = 0
        # The length of the argument being read, -1 until its header has been.
        self._bulk_bytes: i64 = -1
        # A long argument's pieces, and how many bytes (with CR LF) are still to come.
        self._pieces: list[bytes] = []
        self._piece_bytes: i64 = 0
        self._gathered_bytes: i64 = 0

    def feed(self, data: bytes) -> None:
        """Add bytes that arrived. O(len(data)) amortised."""
        if self._piece_bytes > 0:
            data = self._gather(data)
            if not data:
                return
        if self._position >= len(self._buffer):
            self._buffer = data
        elif self._position == 0:
            self._buffer += data
        else:
            self._buffer = self._buffer[self._position :] + data
        self._position = 0

    def pending_bytes(self) -> int:
        """Bytes held for requests that were not yet taken: what client-query-buffer-limit bounds.

        The whole arguments of a request that is not complete count: a request of a million small
        arguments occupies as much as a single large one.
        """
        held: i64 = len(self._buffer) - self._position
        return held + self._gathered_bytes + self._arguments_bytes

    def next_request(self) -> list[bytes] | None:
        """The next whole request, or None if more bytes are needed.

        An empty list is an empty request (``*0`` or a blank line), which has no reply.
        Raises ProtocolError when the bytes are not the protocol; the client must be disconnected.
        """
        buffer = self._buffer
        position: i64 = self._position
        end: i64 = len(buffer)
        if self._piece_bytes > 0:
            return None
        if self._missing == 0:
            if self._arguments:
                # The last argument was a long one: it completed the request while being fed.
                return self._take_arguments()
            if position >= end:
                self._keep_tail(position)
                return None
            if self._usual_head():
                position = self._position
            else:
                if buffer[position] != _STAR:
                    return self._inline()
                count = self._header(position + 1)
                if count == _INCOMPLETE:
                    self._require_short_line(b"too big mbulk count string")
                    self._keep_tail(position)
                    return None
                if count == _INVALID or count > MULTIBULK_MAX_ARGUMENTS:
                    raise ProtocolError(b"ERR Protocol error: invalid multibulk length")
                if count > UNAUTHENTICATED_MAX_ARGUMENTS and not self.trusted:
                    raise ProtocolError(b"ERR Protocol error: unauthenticated multibulk length")
                if count <= 0:
                    return []
                self._missing = count
                position = self._position
        arguments = self._arguments
        missing: i64 = self._missing
        while missing > 0:
            length: i64 = self._bulk_bytes
            if length < 0:
                if position >= end:
                    break
                if buffer[position] != _DOLLAR:
                    shown = buffer[position : position + 1]
                    raise ProtocolError(b"ERR Protocol error: expected '$', got '" + shown + b"'")
                length = self._header(position + 1)
                if length == _INCOMPLETE:
                    self._position = position
                    self._require_short_line(b"too big bulk count string")
                    break
                position = self._position
                if length < 0 or length > self.max_bulk_bytes:
                    raise ProtocolError(b"ERR Protocol error: invalid bulk length")
                if length > UNAUTHENTICATED_MAX_BULK_BYTES and not self.trusted:
                    raise ProtocolError(b"ERR Protocol error: unauthenticated bulk length")
            stop: i64 = position + length
            if stop + 2 > end:
                self._bulk_bytes = length
                if length >= BIG_ARGUMENT_BYTES:
                    self._start_gathering(position)
                    self._missing = missing
                    return None
                break
            arguments.append(buffer[position:stop])
            self._arguments_bytes += length
            position = stop + 2
            self._bulk_bytes = -1
            missing -= 1
        self._missing = missing
        self._position = position
        if missing > 0:
            self._keep_tail(position)
            return None
        return self._take_arguments()

    def _usual_head(self) -> bool:
        """Take a request's first argument with all that is in front of it, if that looks as usual (120
        instructions less than header by header)."""
        buffer = self._buffer
        begin: i64 = self._position + _HEAD_BYTES
        end: i64 = len(buffer)
        if begin > end:
            return False
        word = read_i64_le(buffer, self._position) ^ _USUAL_HEAD
        count: i64 = (word >> _COUNT_SHIFT) & 15
        length: i64 = (word >> _LENGTH_SHIFT) & 15
        stop = begin + length
        if (
            word != (count << _COUNT_SHIFT) | (length << _LENGTH_SHIFT)
            or count == 0
            or count > 9
            or length > 9
            or stop + 2 > end
        ):
            return False
        self._arguments.append(buffer[begin:stop])
        self._arguments_bytes += length
        self._missing = count - 1
        self._position = stop + 2
        return True

    def _take_arguments(self) -> list[bytes]:
        whole = self._arguments
        self._arguments = []
        self._arguments_bytes = 0
        return whole

    def _keep_tail(self, position: i64) -> None:
        """Let go what has been parsed; the bytes from ``position`` wait for more."""
        if position > 0:
            self._buffer = self._buffer[position:]
            self._position = 0

    def _header(self, start: i64) -> i64:
        """The number on the line at ``start``, -1 for any negative one; the position moves behind it.

        As Redis's string2ll: no leading zeros, no plus sign, no blanks. This is the hottest loop of the
        server: the digits of a usual header are taken out of eight bytes at once (25 to 35 instructions;
        100 byte by byte, and 1,000 by the book).
        """
        buffer = self._buffer
        end: i64 = len(buffer)
        word: i64
        if start + 8 <= end:
            word = read_i64_le(buffer, start)
        else:
            word = read_i64_le(buffer[start:] + _PADDING, 0)
        number: i64 = 0
        digits: i64 = 0
        digit: i64 = (word & 255) - _ZERO
        while 0 <= digit <= 9:
            number = number * 10 + digit
            digits += 1
            word >>= 8
            digit = (word & 255) - _ZERO
        if (
            digit != _CR - _ZERO
            or digits == 0
            or start + digits + 1 >= end
            or (digits > 1 and buffer[start] == _ZERO)
        ):
            return self._unusual_header(start)
        self._position = start + digits + 2
        return number

    def _unusual_header(self, start: i64) -> i64:
        """As ``_header``, for a line that is incomplete, negative, long or no number at all."""
        buffer = self._buffer
        end: i64 = len(buffer)
        line_end: i64 = buffer.find(b"\r", start)
        if line_end < 0 or line_end + 1 >= end:
            return _INCOMPLETE
        digits = buffer[start:line_end]
        self._position = line_end + 2
        negative = digits[:1] == b"-"
        unsigned = digits[1:] if negative else digits
        if not unsigned.isdigit() or len(unsigned) > _MAX_DIGITS:
            return _INVALID
        if unsigned[0] == _ZERO and len(digits) > 1:
            return _INVALID
        number = int(unsigned)
        if negative:
            return -1 if number <= _I64_MIN_MAGNITUDE else _INVALID
        if number >= _I64_MIN_MAGNITUDE:
            return _INVALID
        result: i64 = number
        return result

    def _require_short_line(self, complaint: bytes) -> None:
        if len(self._buffer) - self._position > INLINE_MAX_BYTES:
            raise ProtocolError(b"ERR Protocol error: " + complaint)

    def _inline(self) -> list[bytes] | None:
        """A line of words. Usual ones are walked in place: 200 instructions for PING, and 2,000 otherwise."""
        buffer = self._buffer
        cursor: i64 = self._position
        end: i64 = min(len(buffer), cursor + INLINE_MAX_BYTES)
        words: list[bytes] = []
        word: i64 = -1
        while cursor < end:
            byte: i64 = buffer[cursor]
            if byte > _QUOTE:
                if word < 0:
                    word = cursor
            elif byte in (_SPACE, _CR, _LF):
                if word >= 0:
                    words.append(buffer[word:cursor])
                    word = -1
                if byte == _LF:
                    self._position = cursor + 1
                    return _not_http(words)
            else:
                break
            cursor += 1
        return self._unusual_inline()

    def _unusual_inline(self) -> list[bytes] | None:
        """As ``_inline``, for a line that is incomplete, too long, or has quotes or other rare bytes."""
        buffer = self._buffer
        line_end: i64 = buffer.find(b"\n", self._position)
        if line_end < 0:
            self._require_short_line(b"too big inline request")
            self._keep_tail(self._position)
            return None
        line = buffer[self._position : line_end]
        if len(line) > INLINE_MAX_BYTES:
            raise ProtocolError(b"ERR Protocol error: too big inline request")
        self._position = line_end + 1
        arguments = split_inline(line.removesuffix(b"\r"))
        if arguments is None:
            raise ProtocolError(b"ERR Protocol error: unbalanced quotes in request")
        return _not_http(arguments)

    def _start_gathering(self, position: i64) -> None:
        have = self._buffer[position:]
        self._pieces = [have]
        self._gathered_bytes = len(have)
        self._piece_bytes = self._bulk_bytes + 2 - len(have)
        self._buffer = b""
        self._position = 0

    def _gather(self, data: bytes) -> bytes:
        """Add to the long argument; answer the bytes behind its end."""
        wanted: i64 = self._piece_bytes
        have: i64 = len(data)
        pieces = self._pieces
        if have < wanted:
            if have < _SMALL_PIECE_BYTES and len(pieces[-1]) < _SMALL_PIECE_BYTES:
                pieces[-1] += data
            else:
                pieces.append(data)
            self._piece_bytes = wanted - have
            self._gathered_bytes += have
            return b""
        if wanted >= 2:
            # The usual end: CR LF came together and is left out, so the argument is copied once.
            pieces.append(data[: wanted - 2])
            argument = b"".join(pieces)
        else:
            argument = b"".join(pieces)[:-1]
        self._arguments.append(argument)
        self._arguments_bytes += len(argument)
        self._missing -= 1
        self._bulk_bytes = -1
        self._pieces = []
        self._piece_bytes = 0
        self._gathered_bytes = 0
        return data[wanted:]
