"""JSON, one object per line: a data set for programs that know nothing of Redis. docs/moving.md has the form.

A string of the data set that is UTF-8 is a string; any other is an object with its bytes in Base64. So
nothing is lost, and what people have written can be read.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable
from typing import Final

from dscache.values.base import TYPE_NAMES, type_code_of
from dscache.values.hash import Hash
from dscache.values.list import List
from dscache.values.set import Set
from dscache.values.stream import Stream
from dscache.values.stream_groups import Group
from dscache.values.stream_id import MAX_ID, text_of_id
from dscache.values.text import bytes_of
from dscache.values.zset import ZSet


class JsonWriter:
    """See the module's docstring, and ``output.Output``. Hands each line to ``write``."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write: Final = write
        self._database = 0

    def library(self, source: bytes) -> None:
        """See ``Output.library``."""
        self._line({"library": _text(source)})

    def database(self, index: int, keys: int, expires: int) -> None:
        """See ``Output.database``."""
        self._database = index

    def key(self, key: bytes, value: object, expire_ms: int) -> None:
        """See ``Output.key``."""
        line: dict[str, object] = {
            "db": self._database,
            "key": _text(key),
            "type": TYPE_NAMES[type_code_of(value)].decode(),
        }
        if expire_ms != 0:
            line["expire_ms"] = expire_ms
        line["value"] = _json_of(value)
        self._line(line)

    def end(self) -> None:
        """See ``Output.end``."""

    def _line(self, line: dict[str, object]) -> None:
        text = json.dumps(line, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        self._write(text.encode() + b"\n")


def _text(text: bytes) -> object:
    try:
        return text.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(text).decode()}


def _texts(texts: list[bytes]) -> list[object]:
    return [_text(text) for text in texts]


def _json_of(value: object) -> object:
    if isinstance(value, List):
        return _texts(value.items())
    if isinstance(value, Set):
        return _texts(value.members())
    if isinstance(value, ZSet):
        return [[_text(member), _number(score)] for member, score in value.items()]
    if isinstance(value, Hash):
        return [_field(value, field, content) for field, content in value.items()]
    if isinstance(value, Stream):
        return _stream(value)
    return _text(bytes_of(value))


def _number(score: float) -> object:
    """JSON has no infinity."""
    return repr(score) if math.isinf(score) else score


def _field(value: Hash, field: bytes, content: bytes) -> list[object]:
    due_ms = value.due_ms(field)
    pair = [_text(field), _text(content)]
    return [*pair, due_ms] if due_ms != 0 else pair


def _id(number: int) -> str:
    return text_of_id(number).decode()


def _stream(stream: Stream) -> dict[str, object]:
    return {
        "entries": [
            [_id(entry.number), _texts(entry.pairs())] for entry in stream.range(0, MAX_ID, 0)
        ],
        "last_id": _id(stream.last_id),
        "max_deleted_id": _id(stream.max_deleted_id),
        "entries_added": stream.entries_added,
        "groups": [_group(group) for group in stream.groups()],
    }


def _group(group: Group) -> dict[str, object]:
    return {
        "name": _text(group.name),
        "last_id": _id(group.last_id),
        "entries_read": group.entries_read,
        "consumers": [
            [_text(one.name), one.last_seen_ms(), one.active_ms] for one in group.consumers()
        ],
        "pending": [
            [_id(one.number), _text(one.consumer.name), one.delivered_ms, one.deliveries]
            for one in group.range(0, MAX_ID, 0)
        ],
    }
