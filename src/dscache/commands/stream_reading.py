"""XREAD and XREADGROUP: reading several streams from where one is, and waiting for more.

A client that waits runs its command again when one of the streams has changed. So ``$``, what is in a
stream at the moment, becomes an ID before it waits. XREADGROUP also runs again when a stream is gone, or
its group: the error is its answer.
"""

from __future__ import annotations

from typing import Final

from dscache.commands.arguments import I64_MAX, integer, syntax_error
from dscache.commands.stream_arguments import entry_reply, stream_for_read, stream_id
from dscache.commands.stream_groups import active_consumer
from dscache.engine.blocking import block
from dscache.engine.command import BLOCKING, MOVABLEKEYS, READONLY, WRITE, Registry
from dscache.engine.keyspec import KeySpec
from dscache.engine.session import Session
from dscache.errors import CommandError
from dscache.values.base import STREAM
from dscache.values.stream import Stream
from dscache.values.stream_groups import Consumer, Group
from dscache.values.stream_id import MAX_ID, text_of_id
from dscache.wire.reply import NULL_ARRAY, Grouped

registry: Final = Registry("stream", "stream")

#: That a consumer has asked in vain is saved only if what is saved is so old: or else each poll of an idle
#: stream would have all of it written again. (Redis does not save it at all until something else changes;
#: but its streams do not leave memory, and a consumer must not look dead because one has.)
_SEEN_SAVED_MS: Final = 60_000

#: What ``>`` stands for: the ID behind which no entry can be.
_NEW: Final = MAX_ID

_MEANINGLESS: Final = (
    b"ERR The %s ID is meaningless in the context of XREADGROUP: you want to read the history of this"
    b" consumer by specifying a proper ID, or use the > ID to get new messages. The %s ID would just"
    b" return an empty result set."
)


class _Request:
    """The arguments of either command. Raises CommandError."""

    def __init__(self, session: Session, args: list[bytes], for_group: bool) -> None:
        self._for_group: Final = for_group
        self.count = 0
        #: Below 0: it does not wait.
        self.timeout_ms = -1
        self.group = b""
        self.consumer = b""
        self.keeps = True
        #: Where the first stream's key and the first ID stand.
        self.first_key = 0
        self.first_id = 0
        has_group = False
        place = 1
        while place < len(args) and self.first_key == 0:
            option = args[place].upper()
            more = len(args) - place - 1
            if option == b"BLOCK" and more >= 1:
                place += 1
                self.timeout_ms = _timeout_ms(session, args[place])
            elif option == b"COUNT" and more >= 1:
                place += 1
                self.count = max(integer(args[place]), 0)
            elif option == b"STREAMS" and more >= 1:
                self._set_streams(args, place + 1)
            elif option == b"GROUP" and more >= 2:
                self._check_is_for_group(option)
                self.group, self.consumer = args[place + 1 : place + 3]
                has_group = True
                place += 2
            elif option == b"NOACK":
                self._check_is_for_group(option)
                self.keeps = False
            else:
                raise syntax_error()
            place += 1
        if self.first_key == 0:
            raise syntax_error()
        if for_group and not has_group:
            raise CommandError(b"ERR Missing GROUP option for XREADGROUP")

    def _set_streams(self, args: list[bytes], place: int) -> None:
        words = len(args) - place
        if words % 2 != 0:
            name, example = (b"xreadgroup", b">") if self._for_group else (b"xread", b"$")
            raise CommandError(
                b"ERR Unbalanced '%s' list of streams: for each stream key an ID or '%s' must be"
                b" specified." % (name, example)
            )
        self.first_key = place
        self.first_id = place + words // 2

    def _check_is_for_group(self, option: bytes) -> None:
        if not self._for_group:
            raise CommandError(
                b"ERR The %s option is only supported by XREADGROUP. You called XREAD instead."
                % option
            )


def _timeout_ms(session: Session, text: bytes) -> int:
    timeout = integer(text, b"ERR timeout is not an integer or out of range")
    if timeout < 0:
        raise CommandError(b"ERR timeout is negative")
    if timeout > I64_MAX - int(session.engine.core.now_ms):
        raise CommandError(b"ERR timeout is out of range")
    return timeout


@registry.command(
    "XREAD [COUNT count] [BLOCK milliseconds] STREAMS key [key ...] id [id ...]",
    arity=-4,
    flags=BLOCKING | READONLY | MOVABLEKEYS,
    keys=[KeySpec(access="RO ACCESS", keyword="STREAMS", start_from=1, last=-1, limit=2)],
    since="5.0.0",
    complexity="",
)
def xread(session: Session, args: list[bytes]) -> object:
    """Reads what streams have behind given IDs, waiting for it if wanted."""
    request = _Request(session, args, False)
    keys = args[request.first_key : request.first_id]
    streams: list[Stream | None] = []
    after: list[int] = []
    for key, text in zip(keys, args[request.first_id :], strict=True):
        stream = stream_for_read(session, key)
        streams.append(stream)
        after.append(_id_in_stream(stream, text))
    found: list[tuple[object, object]] = []
    for key, stream, number in zip(keys, streams, after, strict=True):
        if stream is not None and stream.count() > 0 and stream.top_id() > number:
            entries = stream.range(number + 1, MAX_ID, request.count)
            found.append((key, [entry_reply(entry) for entry in entries]))
    if found:
        return Grouped(found)
    if request.timeout_ms < 0:
        return NULL_ARRAY
    resolved = list(args)
    for place, number in enumerate(after, request.first_id):
        if args[place] == b"$":
            resolved[place] = text_of_id(number)
    return block(session, keys, request.timeout_ms, NULL_ARRAY, STREAM, replacement=resolved)


def _id_in_stream(stream: Stream | None, text: bytes) -> int:
    """The ID behind which XREAD reads; raises CommandError."""
    if text == b"$":
        return 0 if stream is None else stream.last_id
    if text == b"+":
        if stream is None:
            return 0
        if stream.last_id == 0:
            raise CommandError(b"ERR the stream last element ID is 0-0")
        return stream.last_id - 1
    if text == b">":
        raise CommandError(
            b"ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group>"
            b" <consumer> option."
        )
    return stream_id(text)


@registry.command(
    "XREADGROUP GROUP group consumer [COUNT count] [BLOCK milliseconds] [NOACK]"
    " STREAMS key [key ...] id [id ...]",
    arity=-7,
    flags=BLOCKING | WRITE | MOVABLEKEYS,
    keys=[KeySpec(access="RO ACCESS", keyword="STREAMS", start_from=4, last=-1, limit=2)],
    since="5.0.0",
    complexity=(
        "O(N) for N entries, in each stream; who adds to a stream pays for serving those that wait"
    ),
)
def xreadgroup(session: Session, args: list[bytes]) -> object:
    """Reads as a consumer of a group: what the group has not read yet, or what is pending with it."""
    request = _Request(session, args, True)
    keys = args[request.first_key : request.first_id]
    streams: list[Stream] = []
    groups: list[Group] = []
    after: list[int] = []
    for key, text in zip(keys, args[request.first_id :], strict=True):
        stream = stream_for_read(session, key)
        group = None if stream is None else stream.group(request.group)
        if stream is None or group is None:
            raise CommandError(
                b"NOGROUP No such key '%s' or consumer group '%s' in XREADGROUP with GROUP option"
                % (key, request.group)
            )
        streams.append(stream)
        groups.append(group)
        after.append(_id_in_history(text))
    now_ms = int(session.engine.core.now_ms)
    found: list[tuple[object, object]] = []
    for key, stream, group, number in zip(keys, streams, groups, after, strict=True):
        known = group.consumer(request.consumer)
        has_new = number == _NEW and stream.count() > 0 and stream.top_id() > group.last_id
        finds_nothing = known is not None and not has_new and not _has_history(group, known, number)
        if known is not None and finds_nothing and now_ms - known.seen_ms < _SEEN_SAVED_MS:
            known.polled_ms = now_ms
            if number != _NEW:
                found.append((key, []))
            continue
        session.keyspace.for_write(key)
        consumer = active_consumer(session, key, group, request.consumer)
        if number != _NEW:
            found.append((key, _history(stream, group, consumer, number, request.count, now_ms)))
        elif has_new:
            entries = stream.deliver(group, consumer, request.count, request.keeps, now_ms)
            found.append((key, [entry_reply(entry) for entry in entries]))
        session.keyspace.changed_quietly(key, counts=has_new or known is None)
    if found:
        return Grouped(found)
    if request.timeout_ms < 0:
        return NULL_ARRAY
    return block(session, keys, request.timeout_ms, NULL_ARRAY, STREAM, even_if_gone=True)


def _id_in_history(text: bytes) -> int:
    """The ID behind which XREADGROUP reads, or _NEW; raises CommandError."""
    if text in (b"$", b"+"):
        raise CommandError(_MEANINGLESS % (text, text))
    return _NEW if text == b">" else stream_id(text)


def _has_history(group: Group, consumer: Consumer, after: int) -> bool:
    """Whether anything is pending with ``consumer`` behind an ID."""
    return after != _NEW and bool(group.range_of(consumer, after + 1, MAX_ID, 1))


def _history(
    stream: Stream, group: Group, consumer: Consumer, after: int, count: int, now_ms: int
) -> object:
    """What is pending with ``consumer`` behind an ID, delivered once more.

    Of an entry that has been deleted only the ID is left, and that is no delivery.
    """
    finder = stream.finder()
    found: list[object] = []
    for pending in group.range_of(consumer, after + 1, MAX_ID, count):
        entry = finder.find(pending.number)
        if entry is None:
            found.append([text_of_id(pending.number), NULL_ARRAY])
            continue
        group.assign(pending.number, consumer, now_ms, pending.deliveries + 1)
        found.append(entry_reply(entry))
    return found
