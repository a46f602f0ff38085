"""Streams as such: adding, reading ranges, deleting, trimming, and XINFO."""

from __future__ import annotations

from typing import Final

from dscache.commands.arguments import integer, syntax_error
from dscache.commands.help import subcommands_help
from dscache.commands.stream_arguments import (
    INVALID_ID,
    checked_stream,
    entry_reply,
    first_of_range,
    last_of_range,
    no_group_in_stream,
    stream_for_read,
    stream_for_write,
    stream_id,
    subcommand_error,
)
from dscache.engine.command import DENYOOM, FAST, LOADING, READONLY, STALE, WRITE, Registry
from dscache.engine.keyspec import KeySpec
from dscache.engine.session import Session
from dscache.errors import CommandError
from dscache.values.stream import Stream
from dscache.values.stream_groups import NEVER, UNKNOWN, Consumer, Group, Pending
from dscache.values.stream_id import MAX_ID, MAX_SEQ, id_of, parse_part, text_of_id
from dscache.wire.reply import NULL_ARRAY, OK

registry: Final = Registry("stream", "stream")

_NO_SUCH_KEY: Final = b"ERR no such key"

#: Redis's limit for the fields and values of an entry together.
_LONGEST_ENTRY_BYTES: Final = 1 << 30

# How many entries ``~`` removes at most, if the client does not say: 100 nodes, within bounds.
_NODES_TRIMMED: Final = 100
_TRIMMED_WITHOUT_NODE_SIZE: Final = 10_000
_MOST_TRIMMED: Final = 1_000_000

#: So many entries XINFO STREAM FULL shows, if the client does not say.
_SHOWN_ENTRIES: Final = 10

_READ: Final = [KeySpec(1, access="RO ACCESS")]
_SHORTENED: Final = [KeySpec(1, access="RW DELETE")]
_INFO_KEY: Final = [KeySpec(2, access="RO ACCESS")]

_TRIM_SYNTAX: Final = "<MAXLEN | MINID@6.2.0> [= | ~] threshold:string [LIMIT count]@6.2.0"


# Adding and trimming


class _Trimming:
    """The options of XADD and XTRIM, and how to trim by them."""

    def __init__(self) -> None:
        self.makes_stream = True
        self.trims = False
        #: So many entries are left at least, and all that are not below this ID.
        self.length = 0
        self.least = MAX_ID + 1
        self.approximately = False
        #: How many entries may be removed, 0 for any number.
        self.limit = 0

    def parse(self, session: Session, args: list[bytes], adds: bool) -> int:
        """Read the options from the third word on; where they end. Raises CommandError.

        For XADD they end at what is no option: the ID.
        """
        count = len(args)
        place = 2
        limit = -1
        while place < count:
            option = args[place].upper()
            has_more = place + 1 < count
            if option in (b"MAXLEN", b"MINID") and has_more:
                place = self._parse_threshold(args, place)
            elif option == b"LIMIT" and has_more:
                place += 1
                limit = integer(args[place])
                if limit < 0:
                    raise CommandError(b"ERR The LIMIT argument must be >= 0.")
            elif option == b"NOMKSTREAM" and adds:
                self.makes_stream = False
            elif adds:
                break
            else:
                raise syntax_error()
            place += 1
        if adds and place < count and args[place] != b"*":
            # Redis finds out about the ID first, and then about LIMIT.
            _check_new_id(args[place])
        self._set_limit(session, limit, adds)
        return place

    def _parse_threshold(self, args: list[bytes], place: int) -> int:
        """Read ``MAXLEN [=|~] count`` or ``MINID [=|~] id``; where its last word is."""
        if self.trims:
            raise CommandError(
                b"ERR syntax error, MAXLEN and MINID options at the same time are not compatible"
            )
        by_length = args[place].upper() == b"MAXLEN"
        place += 1
        if args[place] in (b"~", b"=") and place + 1 < len(args):
            self.approximately = args[place] == b"~"
            place += 1
        if by_length:
            self.length = integer(args[place])
            if self.length < 0:
                raise CommandError(b"ERR The MAXLEN argument must be >= 0.")
        else:
            self.least = stream_id(args[place])
        self.trims = True
        return place

    def _set_limit(self, session: Session, limit: int, adds: bool) -> None:
        if limit > 0 and not self.trims:
            raise CommandError(
                b"ERR syntax error, LIMIT cannot be used without specifying a trimming strategy"
            )
        if not adds and not self.trims:
            raise CommandError(b"ERR syntax error, XTRIM must be called with a trimming strategy")
        if limit >= 0:
            if not self.approximately:
                raise CommandError(
                    b"ERR syntax error, LIMIT cannot be used without the special ~ option"
                )
            self.limit = limit
        elif self.approximately:
            limit = _NODES_TRIMMED * session.engine.config.stream_node_max_entries
            self.limit = min(limit or _TRIMMED_WITHOUT_NODE_SIZE, _MOST_TRIMMED)

    def trim(self, stream: Stream) -> int:
        """Trim as the options say; how many entries were removed."""
        if not self.trims:
            return 0
        return stream.trim(self.length, self.least, self.approximately, self.limit)


def _check_new_id(text: bytes) -> None:
    """Raise CommandError unless ``text`` is an ID, or one that ends with ``-*``."""
    if text[-2:] != b"-*":
        stream_id(text)
    elif parse_part(text[:-2]) is None:
        raise CommandError(INVALID_ID)


def _new_id(session: Session, stream: Stream, text: bytes) -> int:
    """The ID of an entry that is added with ``text`` as its ID; raises CommandError."""
    last = stream.last_id
    if last == MAX_ID:
        raise CommandError(
            b"ERR The stream has exhausted the last possible ID, unable to add more items"
        )
    if text == b"*":
        return stream.next_id(int(session.engine.core.now_ms))
    if text[-2:] == b"-*":
        ms = parse_part(text[:-2])
        assert ms is not None, "the ID has been checked"
        number = id_of(ms, 0)
        if last >> 64 == ms:
            # At the highest sequence number there is no next one in this millisecond.
            number = last if last & MAX_SEQ == MAX_SEQ else last + 1
    else:
        number = stream_id(text)
    if number <= last:
        raise CommandError(
            b"ERR The ID specified in XADD is equal or smaller than the target stream top item"
        )
    return number


@registry.command(
    f"XADD key [NOMKSTREAM]@6.2.0 [{_TRIM_SYNTAX}] <* | id> field value [field value ...]",
    arity=-5,
    flags=WRITE | DENYOOM | FAST,
    keys=[
        KeySpec(
            1,
            access="RW UPDATE",
            notes="UPDATE instead of INSERT because of the optional trimming feature",
        )
    ],
    since="5.0.0",
    complexity="O(1), and O(N) for N entries that are trimmed",
    history=[
        ("6.2.0", "NOMKSTREAM, MINID and LIMIT."),
        ("7.0.0", "IDs of the form <ms>-*."),
    ],
    tips="nondeterministic_output",
)
def xadd(session: Session, args: list[bytes]) -> object:
    """Adds an entry to a stream, making the stream if there is none; answers the entry's ID."""
    trimming = _Trimming()
    place = trimming.parse(session, args, True)
    pairs = args[place + 1 :]
    if not pairs or len(pairs) % 2 != 0:
        raise CommandError(b"ERR wrong number of arguments for 'xadd' command")
    text = args[place]
    if text[-1:] != b"*" and stream_id(text) == 0:
        raise CommandError(b"ERR The ID specified in XADD must be greater than 0-0")
    key = args[1]
    found = stream_for_write(session, key)
    if found is None and not trimming.makes_stream:
        return None
    stream = Stream() if found is None else found
    number = _new_id(session, stream, text)
    if sum([len(part) for part in pairs]) > _LONGEST_ENTRY_BYTES:
        raise CommandError(b"ERR Elements are too large to be stored")
    stream.add(number, pairs, session.engine.config.stream_node_max_entries)
    trimmed = trimming.trim(stream)
    keyspace = session.keyspace
    if found is None:
        keyspace.put(key, stream, 0, b"xadd")
    else:
        keyspace.changed(key, b"xadd")
    if trimmed > 0:
        keyspace.notify(key, b"xtrim")
    return text_of_id(number)


@registry.command(
    f"XTRIM key <{_TRIM_SYNTAX}>",
    arity=-4,
    flags=WRITE,
    keys=_SHORTENED,
    since="5.0.0",
    complexity="O(N) for N entries that are removed",
    history=[("6.2.0", "MINID and LIMIT.")],
    tips="nondeterministic_output",
)
def xtrim(session: Session, args: list[bytes]) -> object:
    """Removes the oldest entries of a stream, down to a length or an ID; answers how many."""
    trimming = _Trimming()
    trimming.parse(session, args, False)
    stream = stream_for_write(session, args[1])
    if stream is None:
        return 0
    trimmed = trimming.trim(stream)
    if trimmed > 0:
        session.keyspace.changed(args[1], b"xtrim")
    return trimmed


@registry.command(
    "XDEL key id [id ...]",
    arity=-3,
    flags=WRITE | FAST,
    keys=_SHORTENED,
    since="5.0.0",
    complexity="O(N) for N IDs",
)
def xdel(session: Session, args: list[bytes]) -> object:
    """Removes entries from a stream; answers how many of them were there."""
    stream = stream_for_write(session, args[1])
    if stream is None:
        return 0
    numbers = [stream_id(text) for text in args[2:]]
    deleted = 0
    for number in numbers:
        if stream.delete(number):
            deleted += 1
    if deleted > 0:
        session.keyspace.changed(args[1], b"xdel")
    return deleted


@registry.command(
    "XSETID key last-id [ENTRIESADDED entries-added]@7.0.0 [MAXDELETEDID max-deleted-id]@7.0.0",
    arity=-3,
    flags=WRITE | DENYOOM | FAST,
    keys=[KeySpec(1, access="RW UPDATE")],
    since="5.0.0",
    complexity="O(1)",
    history=[("7.0.0", "ENTRIESADDED and MAXDELETEDID.")],
)
def xsetid(session: Session, args: list[bytes]) -> object:
    """Sets the last ID of a stream and what it remembers of its past, for copying streams."""
    number = stream_id(args[2])
    entries_added = -1
    max_deleted = 0
    place = 3
    while place < len(args):
        option = args[place].upper()
        if place + 1 == len(args):
            raise syntax_error()
        if option == b"ENTRIESADDED":
            entries_added = integer(args[place + 1])
            if entries_added < 0:
                raise CommandError(b"ERR entries_added must be positive")
        elif option == b"MAXDELETEDID":
            max_deleted = stream_id(args[place + 1])
            if number < max_deleted:
                raise CommandError(
                    b"ERR The ID specified in XSETID is smaller than the provided"
                    b" max_deleted_entry_id"
                )
        else:
            raise syntax_error()
        place += 2
    key = args[1]
    stream = stream_for_write(session, key)
    if stream is None:
        raise CommandError(_NO_SUCH_KEY)
    if number < stream.max_deleted_id:
        raise CommandError(
            b"ERR The ID specified in XSETID is smaller than current max_deleted_entry_id"
        )
    if stream.count() > 0:
        if number < stream.top_id():
            raise CommandError(
                b"ERR The ID specified in XSETID is smaller than the target stream top item"
            )
        if 0 <= entries_added < stream.count():
            raise CommandError(
                b"ERR The entries_added specified in XSETID is smaller than the target stream length"
            )
    stream.last_id = number
    if entries_added >= 0:
        stream.entries_added = entries_added
    if max_deleted > 0:
        stream.max_deleted_id = max_deleted
    session.keyspace.changed_quietly(key)
    session.keyspace.notify(key, b"xsetid")
    return OK


# Reading


@registry.command(
    "XLEN key",
    arity=2,
    flags=READONLY | FAST,
    keys=[KeySpec(1, access="RO")],
    since="5.0.0",
    complexity="O(1)",
)
def xlen(session: Session, args: list[bytes]) -> object:
    """Answers the number of entries of a stream."""
    stream = stream_for_read(session, args[1])
    return 0 if stream is None else stream.count()


@registry.command(
    "XRANGE key start:string end:string [COUNT count]",
    arity=-4,
    flags=READONLY,
    keys=_READ,
    since="5.0.0",
    complexity="O(log(M)+N) for N entries of a stream of M",
    history=[("6.2.0", "Ranges without their ends.")],
)
def xrange(session: Session, args: list[bytes]) -> object:
    """Reads the entries of a stream from one ID to another."""
    return _range(session, args, args[2], args[3], False)


@registry.command(
    "XREVRANGE key end:string start:string [COUNT count]",
    arity=-4,
    flags=READONLY,
    keys=_READ,
    since="5.0.0",
    complexity="O(log(M)+N) for N entries of a stream of M",
    history=[("6.2.0", "Ranges without their ends.")],
)
def xrevrange(session: Session, args: list[bytes]) -> object:
    """Reads the entries of a stream from one ID back to another."""
    return _range(session, args, args[3], args[2], True)


def _range(
    session: Session, args: list[bytes], start: bytes, end: bytes, backwards: bool
) -> object:
    first = first_of_range(start)
    last = last_of_range(end)
    count = -1
    for place in range(4, len(args), 2):
        if args[place].upper() != b"COUNT" or place + 1 == len(args):
            raise syntax_error()
        count = max(integer(args[place + 1]), 0)
    stream = stream_for_read(session, args[1])
    if stream is None:
        return []
    if count == 0:
        return NULL_ARRAY
    return [entry_reply(entry) for entry in stream.range(first, last, max(count, 0), backwards)]


# XINFO


@registry.command("XINFO", arity=-2, flags=0, since="5.0.0", complexity="That of the subcommand")
def xinfo(session: Session, args: list[bytes]) -> object:
    """Commands that tell about streams, their groups and consumers."""
    raise AssertionError("the engine runs a subcommand, or refuses")


def _known_stream(session: Session, key: bytes) -> Stream:
    stream = checked_stream(session.keyspace.for_read(key))
    if stream is None:
        raise CommandError(_NO_SUCH_KEY)
    return stream


@registry.command(
    "STREAM key [FULL [COUNT count]]",
    parent="xinfo",
    arity=-3,
    flags=READONLY,
    keys=_INFO_KEY,
    since="5.0.0",
    complexity="O(1)",
    history=[
        ("6.0.0", "FULL."),
        (
            "7.0.0",
            "max-deleted-entry-id, entries-added, recorded-first-entry-id, entries-read and lag.",
        ),
        ("7.2.0", "active-time; seen-time is when a consumer asked last."),
    ],
)
def xinfo_stream(session: Session, args: list[bytes]) -> object:
    """Tells about a stream; with FULL also its entries, groups, consumers and what is pending."""
    stream = _known_stream(session, args[2])
    options = args[3:]
    count = _SHOWN_ENTRIES
    if options:
        if len(options) not in (1, 3) or options[0].upper() != b"FULL":
            raise subcommand_error(args)
        if len(options) == 3:
            if options[1].upper() != b"COUNT":
                raise subcommand_error(args)
            count = integer(options[2])
            if count < 0:
                count = _SHOWN_ENTRIES
    reply: dict[bytes, object] = {
        b"length": stream.count(),
        b"radix-tree-keys": stream.node_count(),
        b"radix-tree-nodes": stream.radix_tree_nodes(),
        b"last-generated-id": text_of_id(stream.last_id),
        b"max-deleted-entry-id": text_of_id(stream.max_deleted_id),
        b"entries-added": _signed(stream.entries_added),
        b"recorded-first-entry-id": text_of_id(stream.first_id()),
    }
    if options:
        reply[b"entries"] = [entry_reply(entry) for entry in stream.range(0, MAX_ID, count)]
        reply[b"groups"] = [_full_group(stream, group, count) for group in stream.groups()]
        return reply
    reply[b"groups"] = stream.group_count()
    for name, backwards in ((b"first-entry", False), (b"last-entry", True)):
        entries = stream.range(0, MAX_ID, 1, backwards)
        reply[name] = entry_reply(entries[0]) if entries else None
    return reply


def _full_group(stream: Stream, group: Group, count: int) -> object:
    pending = group.range(0, MAX_ID, count)
    return {
        b"name": group.name,
        b"last-delivered-id": text_of_id(group.last_id),
        b"entries-read": _entries_read(group),
        b"lag": _lag(stream, group),
        b"pel-count": group.pending_count(),
        b"pending": [
            [text_of_id(one.number), one.consumer.name, one.delivered_ms, one.deliveries]
            for one in pending
        ],
        b"consumers": [_full_consumer(group, consumer, count) for consumer in group.consumers()],
    }


def _full_consumer(group: Group, consumer: Consumer, count: int) -> object:
    pending: list[Pending] = group.range_of(consumer, 0, MAX_ID, count)
    return {
        b"name": consumer.name,
        b"seen-time": consumer.last_seen_ms(),
        b"active-time": consumer.active_ms,
        b"pel-count": consumer.pending_count(),
        b"pending": [[text_of_id(one.number), one.delivered_ms, one.deliveries] for one in pending],
    }


def _entries_read(group: Group) -> int | None:
    return None if group.entries_read == UNKNOWN else _signed(group.entries_read)


def _lag(stream: Stream, group: Group) -> int | None:
    lag = stream.lag(group)
    return None if lag is None else _signed(lag)


def _signed(number: int) -> int:
    """``number`` as a signed 64-bit integer: what clients set (XSETID, RESTORE) may be anything."""
    return (number + 2**63) % 2**64 - 2**63


@registry.command(
    "GROUPS key",
    parent="xinfo",
    arity=3,
    flags=READONLY,
    keys=_INFO_KEY,
    since="5.0.0",
    complexity="O(1)",
    history=[("7.0.0", "entries-read and lag.")],
)
def xinfo_groups(session: Session, args: list[bytes]) -> object:
    """Tells about the consumer groups of a stream."""
    stream = _known_stream(session, args[2])
    return [
        {
            b"name": group.name,
            b"consumers": group.consumer_count(),
            b"pending": group.pending_count(),
            b"last-delivered-id": text_of_id(group.last_id),
            b"entries-read": _entries_read(group),
            b"lag": _lag(stream, group),
        }
        for group in stream.groups()
    ]


@registry.command(
    "CONSUMERS key group",
    parent="xinfo",
    arity=4,
    flags=READONLY,
    keys=_INFO_KEY,
    since="5.0.0",
    complexity="O(1)",
    history=[("7.2.0", "inactive; idle is since a consumer asked last.")],
    tips="nondeterministic_output",
)
def xinfo_consumers(session: Session, args: list[bytes]) -> object:
    """Tells about the consumers of a group."""
    group = _known_stream(session, args[2]).group(args[3])
    if group is None:
        raise no_group_in_stream(args[2], args[3])
    now_ms = int(session.engine.core.now_ms)
    return [
        {
            b"name": consumer.name,
            b"pending": consumer.pending_count(),
            b"idle": max(_signed(now_ms - consumer.last_seen_ms()), 0),
            b"inactive": (
                NEVER if consumer.active_ms == NEVER else _signed(now_ms - consumer.active_ms)
            ),
        }
        for consumer in group.consumers()
    ]


registry.command(
    "HELP",
    parent="xinfo",
    arity=2,
    flags=LOADING | STALE,
    since="5.0.0",
    complexity="O(1)",
)(subcommands_help)
