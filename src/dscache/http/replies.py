"""Replies as JSON, and arguments from JSON.

A reply is shown as RESP2 has it: strings, integers, null and arrays; maps are flat arrays and doubles are
strings. So the only objects are those that stand for what JSON has no form for: ``{"base64": ...}`` for a
string that is not UTF-8, ``{"error": ...}`` for an error inside an array. Integers that a double cannot hold
are strings.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from typing import Final

from dscache.errors import DscacheError
from dscache.wire.encoder import format_double
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

#: What the replies of an answer may take in memory, nearly, and their JSON, too; of a large value programs
#: should ask for parts.
MOST_REPLY_BYTES: Final = 8 * 1024 * 1024

# The largest integer up to which a double has them all: JavaScript reads numbers as doubles.
_EXACT: Final = 2**53

# What an item takes beside its bytes.
_ITEM_BYTES: Final = 64


class ReplyTooLargeError(DscacheError):
    """The answer is larger than MOST_REPLY_BYTES."""

    def __init__(self) -> None:
        super().__init__(
            f"the answer is larger than {MOST_REPLY_BYTES >> 20} MiB; ask for less at a time"
        )


class BadArgumentError(DscacheError):
    """The words of a command are not what they should be."""


Json = str | int | bool | None | list["Json"] | dict[str, "Json"]


class Answer:
    """The JSON of the replies to one request, made of each as it comes, so that no more of them is held than
    may be sent. ``{"reply": ...}`` or ``{"error": ...}`` for each."""

    def __init__(self, take: Callable[[int], None]) -> None:
        #: Told of what it holds; may raise DscacheError, which ends the answer.
        self._take: Final = take
        self._replies: list[bytes] = []
        self._left_bytes = MOST_REPLY_BYTES
        #: Why there is no answer, if so.
        self.refusal: DscacheError | None = None

    def add(self, reply: object) -> None:
        """The next reply. One that is too much ends the answer, and all that follow are dropped. O(size)."""
        if self.refusal is not None:
            return
        try:
            converted = _Converter(self._left_bytes).convert(reply)
            if not isinstance(reply, ErrorReply):
                converted = {"reply": converted}
            encoded = json.dumps(converted, ensure_ascii=False).encode()
            self._left_bytes -= len(encoded) + _ITEM_BYTES
            if self._left_bytes < 0:
                raise ReplyTooLargeError
            self._take(len(encoded))
        except DscacheError as refusal:
            self._replies.clear()
            self.refusal = refusal
        else:
            self._replies.append(encoded)

    def array(self) -> bytes:
        """All replies as an array."""
        return b"[" + b", ".join(self._replies) + b"]"


class _Converter:
    """Converts one reply, which may have ``most_bytes``."""

    def __init__(self, most_bytes: int) -> None:
        self._left_bytes = most_bytes

    def convert(self, value: object) -> Json:
        """``value``, which is a reply or part of one."""
        self._left_bytes -= _ITEM_BYTES
        if isinstance(value, bytes):
            return self._text(value)
        if value is None or isinstance(value, (NullArray, NoReply)):
            return self._checked(None)
        if isinstance(value, bool):
            return self._checked(int(value))
        if isinstance(value, int):
            return self._checked(value if -_EXACT <= value <= _EXACT else str(value))
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self.convert(item) for item in value]
        return self._rare(value)

    def _rare(self, value: object) -> Json:
        if isinstance(value, (Status, Verbatim, DoubleText)):
            return self._text(value.text)
        if isinstance(value, str):
            return self._text(value.encode())
        if isinstance(value, float):
            return self._text(format_double(value))
        if isinstance(value, BigNumber):
            return self._text(value.digits)
        if isinstance(value, ErrorReply):
            return {"error": self._text(value.text)}
        if isinstance(value, dict):
            return self._flat(list(value.items()))
        if isinstance(value, (Pairs, MapReply)):
            return self._flat(value.items)
        if isinstance(value, Grouped):
            return [[self.convert(first), self.convert(second)] for first, second in value.items]
        if isinstance(value, (SetReply, Push, Message)):
            return [self.convert(item) for item in value.items]
        if isinstance(value, Attributed):
            return self.convert(value.reply)
        assert isinstance(value, Several), f"a handler returned {type(value).__name__}"
        return [self.convert(reply) for reply in value.replies]

    def _flat(self, pairs: list[tuple[object, object]]) -> Json:
        return [self.convert(one) for pair in pairs for one in pair]

    def _text(self, data: bytes) -> Json:
        self._left_bytes -= len(data)
        try:
            return self._checked(data.decode())
        except UnicodeDecodeError:
            return {"base64": base64.b64encode(data).decode()}

    def _checked(self, value: str | int | None) -> str | int | None:
        if self._left_bytes < 0:
            raise ReplyTooLargeError
        return value


def arguments(words: object) -> list[bytes]:
    """The words of a command: strings, numbers, or ``{"base64": ...}``. Raises BadArgumentError."""
    if not isinstance(words, list) or not words:
        raise BadArgumentError("a command is an array of words, and not empty")
    return [_argument(word) for word in words]


def _argument(word: object) -> bytes:
    if isinstance(word, str):
        return word.encode("utf-8", "surrogatepass")
    if isinstance(word, int) and not isinstance(word, bool):
        return b"%d" % word
    if isinstance(word, float):
        return repr(word).encode()
    if isinstance(word, dict) and list(word) == ["base64"]:
        try:
            return base64.b64decode(str(word["base64"]), validate=True)
        except binascii.Error as error:
            raise BadArgumentError(f"a word is not base64: {error}") from error
    raise BadArgumentError('a word is a string, a number or {"base64": "..."}')
