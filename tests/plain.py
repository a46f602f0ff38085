"""Values as plain Python data, for comparing."""

from __future__ import annotations

from dscache.values.hash import Hash
from dscache.values.list import List
from dscache.values.set import Set
from dscache.values.stream import Stream
from dscache.values.stream_id import MAX_ID, text_of_id
from dscache.values.text import bytes_of
from dscache.values.zset import ZSet


def plain(value: object) -> object:
    """All that commands can read of ``value``; equal for equal values."""
    if isinstance(value, List):
        return value.items()
    if isinstance(value, Set):
        return set(value.members())
    if isinstance(value, ZSet):
        return [(member, repr(score)) for member, score in value.items()]
    if isinstance(value, Hash):
        return {field: (content, value.due_ms(field)) for field, content in value.items()}
    if isinstance(value, Stream):
        return _plain_stream(value)
    return bytes_of(value)


def _plain_stream(stream: Stream) -> object:
    groups: dict[bytes, object] = {}
    for group in stream.groups():
        pending = [
            (text_of_id(one.number), one.delivered_ms, one.deliveries, one.consumer.name)
            for one in group.range(0, MAX_ID, 0)
        ]
        consumers = [
            (one.name, one.seen_ms, one.active_ms, one.pending_count()) for one in group.consumers()
        ]
        groups[group.name] = text_of_id(group.last_id), group.entries_read, pending, consumers
    return {
        "entries": [(text_of_id(one.number), one.pairs()) for one in stream.range(0, MAX_ID, 0)],
        "count": stream.count(),
        "last": text_of_id(stream.last_id),
        "deleted": text_of_id(stream.max_deleted_id),
        "added": stream.entries_added,
        "groups": groups,
    }
