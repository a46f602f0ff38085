"""Replies as text: for people (as redis-cli shows them), raw, and as JSON.

All three answer bytes, because values are bytes: raw output gives them back as they are.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Final

from dscache.engine.monitor import quoted
from dscache.wire.reply import (
    Attributed,
    BigNumber,
    DoubleText,
    ErrorReply,
    MapReply,
    Push,
    SetReply,
    Status,
    Verbatim,
)

#: What turns a reply into what is printed, without the line break at its end.
Renderer = Callable[[object], bytes]

#: Commands whose reply is text for people even in RESP2, which does not tell: it is shown as it is.
_TEXT_COMMANDS: Final = frozenset((
    b"info", b"lolwut", b"client list", b"client info", b"memory doctor", b"memory malloc-stats",
    b"latency doctor", b"latency graph", b"cluster nodes", b"cluster info",
))  # fmt: skip


def renderer_for(words: list[bytes], chosen: Renderer) -> Renderer:
    """``chosen``, unless it is for people and the reply to ``words`` is text for them already."""
    name = b" ".join(words[:2]).lower()
    is_text = name in _TEXT_COMMANDS or words[0].lower() in _TEXT_COMMANDS
    return raw if chosen is formatted and is_text else chosen


def formatted(reply: object) -> bytes:
    """For people: types are shown, strings are quoted, members are numbered."""
    return _formatted(reply, b"")


def _formatted(reply: object, indent: bytes) -> bytes:
    if isinstance(reply, bytes):
        return quoted(reply)
    if isinstance(reply, Status | Verbatim):
        return reply.text
    if isinstance(reply, ErrorReply):
        return b"(error) " + reply.text
    if reply is None:
        return b"(nil)"
    if isinstance(reply, bool):
        return b"(true)" if reply else b"(false)"
    if isinstance(reply, int):
        return b"(integer) %d" % reply
    if isinstance(reply, DoubleText):
        return b"(double) " + reply.text
    if isinstance(reply, BigNumber):
        return reply.digits
    if isinstance(reply, Attributed):
        return _formatted(reply.reply, indent)
    if isinstance(reply, MapReply):
        return _formatted_map(reply, indent)
    items, name, mark = _members(reply)
    if not items:
        return b"(empty %b)" % name
    width = len(str(len(items)))
    inner = indent + b" " * (width + 2)
    lines = [
        b"%*d%b %b" % (width, number, mark, _formatted(item, inner))
        for number, item in enumerate(items, 1)
    ]
    # The first line stands behind the number that the reply itself has in another one.
    return (b"\n" + indent).join(lines)


def _formatted_map(reply: MapReply, indent: bytes) -> bytes:
    if not reply.items:
        return b"(empty hash)"
    width = len(str(len(reply.items)))
    inner = indent + b" " * (width + 2)
    lines: list[bytes] = []
    for number, (key, value) in enumerate(reply.items, 1):
        # What takes several lines begins on one of its own, so that its numbers stand in a column.
        gap = b"\n" + inner if _takes_lines(value) else b""
        lines.append(
            b"%*d# %b => %b%b"
            % (width, number, _formatted(key, inner), gap, _formatted(value, inner))
        )
    return (b"\n" + indent).join(lines)


def _takes_lines(reply: object) -> bool:
    """Whether it is shown on more than one line."""
    if isinstance(reply, MapReply):
        return len(reply.items) > 1 or (bool(reply.items) and _takes_lines(reply.items[0][1]))
    items = reply.items if isinstance(reply, SetReply | Push) else reply
    if not isinstance(items, list):
        return False
    return len(items) > 1 or (bool(items) and _takes_lines(items[0]))


def _members(reply: object) -> tuple[list[object], bytes, bytes]:
    """(members, what it is called when empty, what stands behind their numbers)."""
    if isinstance(reply, SetReply):
        return reply.items, b"set", b"~"
    if isinstance(reply, Push):
        return reply.items, b"push", b")"
    assert isinstance(reply, list), f"the parser makes no {type(reply)}"
    return reply, b"array", b")"


def raw(reply: object) -> bytes:
    """For programs: the values alone, one a line."""
    if isinstance(reply, bytes):
        return reply
    if isinstance(reply, Status | Verbatim | ErrorReply | DoubleText):
        return reply.text
    if reply is None:
        return b""
    if isinstance(reply, bool):
        return b"(true)" if reply else b"(false)"
    if isinstance(reply, int):
        return b"%d" % reply
    if isinstance(reply, BigNumber):
        return reply.digits
    if isinstance(reply, Attributed):
        return raw(reply.reply)
    if isinstance(reply, MapReply):
        return b"\n".join(b"%b %b" % (raw(key), raw(value)) for key, value in reply.items)
    return b"\n".join(raw(item) for item in _members(reply)[0])


def as_json(reply: object) -> bytes:
    """One line of JSON. Bytes that are not UTF-8 are passed on as they are, as redis-cli does; an error
    is ``{"error": text}``."""
    return json.dumps(_plain(reply), ensure_ascii=False).encode("utf-8", "surrogateescape")


def _plain(reply: object) -> object:
    """``reply`` as json.dumps wants it."""
    if isinstance(reply, bytes):
        return _decoded(reply)
    if isinstance(reply, Status | Verbatim):
        return _decoded(reply.text)
    if isinstance(reply, ErrorReply):
        return {"error": _decoded(reply.text)}
    if reply is None or isinstance(reply, bool | int):
        return reply
    if isinstance(reply, DoubleText):
        number = float(reply.text)
        # JSON has no infinity.
        return number if math.isfinite(number) else _decoded(reply.text)
    if isinstance(reply, BigNumber):
        return int(reply.digits)
    if isinstance(reply, Attributed):
        return _plain(reply.reply)
    if isinstance(reply, MapReply):
        return {_key(key): _plain(value) for key, value in reply.items}
    return [_plain(item) for item in _members(reply)[0]]


def _key(reply: object) -> str:
    plain = _plain(reply)
    return plain if isinstance(plain, str) else json.dumps(plain)


def _decoded(text: bytes) -> str:
    return text.decode("utf-8", "surrogateescape")
