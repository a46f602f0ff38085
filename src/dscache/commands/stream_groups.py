"""Consumer groups of streams: making them, and what becomes of entries after they are delivered.

What consumers do (deliveries, claims, acknowledgements) tells nobody of it: Redis has no events for
it, and no WATCH fails. Only that a consumer has been made is told.
"""

from __future__ import annotations

from typing import Final

from dscache.commands.arguments import I64_MAX, integer, syntax_error
from dscache.commands.help import subcommands_help
from dscache.commands.stream_arguments import (
    entry_reply,
    first_of_range,
    group_for_read,
    id_or_end,
    last_of_range,
    no_group_in_stream,
    stream_and_group,
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
from dscache.values.stream_groups import UNKNOWN, Consumer, Group, Pending
from dscache.values.stream_id import MAX_ID, parse_id, text_of_id
from dscache.values.stream_node import Entry
from dscache.wire.reply import NULL_ARRAY, OK

registry: Final = Registry("stream", "stream")

_GROUP_INSERTED: Final = [KeySpec(2, access="RW INSERT")]
_GROUP_DELETED: Final = [KeySpec(2, access="RW DELETE")]
_UPDATED: Final = [KeySpec(1, access="RW UPDATE")]

#: XAUTOCLAIM claims so many entries, if the client does not say, and looks at so many for each.
_CLAIMED: Final = 100
_LOOKED_AT_FOR_EACH: Final = 10
_MOST_CLAIMED: Final = I64_MAX // 16
_COUNT_ERROR: Final = b"ERR COUNT must be > 0"

# What is read of the pending entries at a time where only some of them may count.
_PIECE: Final = 128


# XGROUP


@registry.command("XGROUP", arity=-2, flags=0, since="5.0.0", complexity="That of the subcommand")
def xgroup(session: Session, args: list[bytes]) -> object:
    """Commands that make, change and remove consumer groups."""
    raise AssertionError("the engine runs a subcommand, or refuses")


class _GroupOptions:
    """The options of XGROUP CREATE and SETID."""

    def __init__(self, args: list[bytes], creates: bool) -> None:
        self.makes_stream = False
        self.entries_read = UNKNOWN
        place = 5
        while place < len(args):
            option = args[place].upper()
            if option == b"MKSTREAM" and creates:
                self.makes_stream = True
            elif option == b"ENTRIESREAD" and place + 1 < len(args):
                place += 1
                self.entries_read = integer(args[place])
                if self.entries_read < 0 and self.entries_read != UNKNOWN:
                    raise CommandError(b"ERR value for ENTRIESREAD must be positive or -1")
            else:
                raise subcommand_error(args)
            place += 1


def _stream_of_group(session: Session, args: list[bytes]) -> Stream:
    """The stream that an XGROUP subcommand is about, for changing it; raises CommandError."""
    stream = stream_for_write(session, args[2])
    if stream is None:
        raise CommandError(
            b"ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to"
            b" use the MKSTREAM option to create an empty stream automatically."
        )
    return stream


def _stream_and_group(session: Session, args: list[bytes]) -> tuple[Stream, Group]:
    """The stream and the group that an XGROUP subcommand is about; raises CommandError."""
    stream = _stream_of_group(session, args)
    group = stream.group(args[3])
    if group is None:
        raise no_group_in_stream(args[2], args[3])
    return stream, group


@registry.command(
    "CREATE key group <id | $> [MKSTREAM] [ENTRIESREAD entries-read]:entriesread",
    parent="xgroup",
    arity=-5,
    flags=WRITE | DENYOOM,
    keys=_GROUP_INSERTED,
    since="5.0.0",
    complexity="O(1)",
    history=[("7.0.0", "ENTRIESREAD.")],
)
def xgroup_create(session: Session, args: list[bytes]) -> object:
    """Makes a consumer group, which begins to read behind an ID."""
    options = _GroupOptions(args, True)
    key, name = args[2:4]
    if options.makes_stream:
        found = stream_for_write(session, key)
    else:
        found = _stream_of_group(session, args)
    if len(args) > 8:
        raise subcommand_error(args)
    stream = Stream() if found is None else found
    last_id = stream.last_id if args[4] == b"$" else stream_id(args[4])
    if stream.group(name) is not None:
        raise CommandError(b"BUSYGROUP Consumer Group name already exists")
    keyspace = session.keyspace
    stream.add_group(name, last_id, options.entries_read)
    if found is None:
        keyspace.put(key, stream, 0, b"xgroup-create")
    else:
        keyspace.changed_quietly(key)
        keyspace.notify(key, b"xgroup-create")
    return OK


@registry.command(
    "SETID key group <id | $> [ENTRIESREAD entries-read]:entriesread",
    parent="xgroup",
    arity=-5,
    flags=WRITE,
    keys=[KeySpec(2, access="RW UPDATE")],
    since="5.0.0",
    complexity="O(1)",
    history=[("7.0.0", "ENTRIESREAD.")],
)
def xgroup_setid(session: Session, args: list[bytes]) -> object:
    """Sets the ID behind which a group goes on to read."""
    options = _GroupOptions(args, False)
    stream, group = _stream_and_group(session, args)
    if len(args) not in (5, 7):
        raise subcommand_error(args)
    keyspace = session.keyspace
    group.last_id = stream.last_id if args[4] == b"$" else id_or_end(args[4], 0)
    group.entries_read = options.entries_read
    keyspace.changed_quietly(args[2])
    keyspace.notify(args[2], b"xgroup-setid")
    return OK


@registry.command(
    "DESTROY key group",
    parent="xgroup",
    arity=4,
    flags=WRITE,
    keys=_GROUP_DELETED,
    since="5.0.0",
    complexity="O(N) for N entries that are pending",
)
def xgroup_destroy(session: Session, args: list[bytes]) -> object:
    """Removes a consumer group; answers how many, which is 0 or 1."""
    stream = _stream_of_group(session, args)
    group = stream.group(args[3])
    if group is None:
        return 0
    stream.remove_group(group)
    # Not quietly: who is blocked in XREADGROUP wants to know.
    session.keyspace.changed(args[2], b"xgroup-destroy")
    return 1


@registry.command(
    "CREATECONSUMER key group consumer",
    parent="xgroup",
    arity=5,
    flags=WRITE | DENYOOM,
    keys=_GROUP_INSERTED,
    since="6.2.0",
    complexity="O(1)",
)
def xgroup_createconsumer(session: Session, args: list[bytes]) -> object:
    """Makes a consumer in a group; answers how many, which is 0 if it was there."""
    _, group = _stream_and_group(session, args)
    if group.consumer(args[4]) is not None:
        return 0
    active_consumer(session, args[2], group, args[4])
    session.keyspace.changed_quietly(args[2])
    return 1


@registry.command(
    "DELCONSUMER key group consumer",
    parent="xgroup",
    arity=5,
    flags=WRITE,
    keys=_GROUP_DELETED,
    since="5.0.0",
    complexity="O(1)",
)
def xgroup_delconsumer(session: Session, args: list[bytes]) -> object:
    """Removes a consumer from a group; answers how many entries were pending with it."""
    _, group = _stream_and_group(session, args)
    consumer = group.consumer(args[4])
    if consumer is None:
        return 0
    pending = consumer.pending_count()
    keyspace = session.keyspace
    group.remove_consumer(consumer)
    keyspace.changed_quietly(args[2])
    keyspace.notify(args[2], b"xgroup-delconsumer")
    return pending


registry.command(
    "HELP",
    parent="xgroup",
    arity=2,
    flags=LOADING | STALE,
    since="5.0.0",
    complexity="O(1)",
)(subcommands_help)


def active_consumer(session: Session, key: bytes, group: Group, name: bytes) -> Consumer:
    """The consumer called ``name``, made if there is none, as one that is seen now.

    ``group`` is in a value obtained for writing, and the caller reports the change.
    """
    now_ms = int(session.engine.core.now_ms)
    consumer = group.consumer(name)
    if consumer is None:
        consumer = group.add_consumer(name, now_ms)
        session.keyspace.notify(key, b"xgroup-createconsumer")
    consumer.seen_ms = now_ms
    return consumer


# What is pending


@registry.command(
    "XACK key group id [id ...]",
    arity=-4,
    flags=WRITE | FAST,
    keys=_UPDATED,
    since="5.0.0",
    complexity="O(N) for N IDs",
)
def xack(session: Session, args: list[bytes]) -> object:
    """Lets entries be pending no longer; answers how many of them were."""
    key = args[1]
    stream = stream_for_read(session, key)
    group = None if stream is None else stream.group(args[2])
    if group is None:
        return 0
    numbers = [stream_id(text) for text in args[3:]]
    if not any(group.is_pending(number) for number in numbers):
        return 0
    session.keyspace.for_write(key)
    acknowledged = 0
    for number in numbers:
        if group.release(number):
            acknowledged += 1
    session.keyspace.changed_quietly(key)
    return acknowledged


class _Claim:
    """The arguments of XCLAIM behind the consumer's name. Raises CommandError."""

    def __init__(self, args: list[bytes], now_ms: int) -> None:
        self.least_idle_ms = max(
            integer(args[4], b"ERR Invalid min-idle-time argument for XCLAIM"), 0
        )
        self.numbers: list[int] = []
        self.delivered_ms = now_ms
        #: How often it shall have been delivered; below 0: once more than before.
        self.deliveries = -1
        self.forces = False
        self.only_ids = False
        self.last_id = 0
        place = 5
        # What is no ID begins the options.
        while place < len(args):
            number = parse_id(args[place], 0)
            if number is None:
                break
            self.numbers.append(number)
            place += 1
        while place < len(args):
            place = self._option(args, place, now_ms) + 1
        if not 0 <= self.delivered_ms <= now_ms:
            # Clients compute idle times by clocks of their own.
            self.delivered_ms = now_ms

    def _option(self, args: list[bytes], place: int, now_ms: int) -> int:
        """Read the option at ``place``; where its last word is."""
        option = args[place].upper()
        if option == b"FORCE":
            self.forces = True
            return place
        if option == b"JUSTID":
            self.only_ids = True
            return place
        if option not in (b"IDLE", b"TIME", b"RETRYCOUNT", b"LASTID") or place + 1 == len(args):
            raise CommandError(b"ERR Unrecognized XCLAIM option '%s'" % args[place])
        text = args[place + 1]
        if option == b"LASTID":
            self.last_id = stream_id(text)
            return place + 1
        number = integer(text, b"ERR Invalid %s option argument for XCLAIM" % option)
        if option == b"IDLE":
            self.delivered_ms = now_ms - number
        elif option == b"TIME":
            self.delivered_ms = number
        else:
            self.deliveries = number
        return place + 1


@registry.command(
    "XCLAIM key group consumer min-idle-time:string id [id ...] [IDLE ms]"
    " [TIME unix-time-milliseconds] [RETRYCOUNT count] [FORCE] [JUSTID] [LASTID lastid]",
    arity=-6,
    flags=WRITE | FAST,
    keys=_UPDATED,
    since="5.0.0",
    complexity="O(log(N)) for each ID, in a group with N entries pending",
    tips="nondeterministic_output",
)
def xclaim(session: Session, args: list[bytes]) -> object:
    """Takes pending entries over from other consumers of the group; answers them."""
    key = args[1]
    stream, group = group_for_read(session, key, args[2])
    now_ms = int(session.engine.core.now_ms)
    claim = _Claim(args, now_ms)
    session.keyspace.for_write(key)
    group.last_id = max(group.last_id, claim.last_id)
    consumer = active_consumer(session, key, group, args[3])
    finder = stream.finder()
    claimed: list[object] = []
    for number in claim.numbers:
        entry = finder.find(number)
        if entry is None:
            group.release(number)
            continue
        pending = group.find(number)
        if pending is None:
            if not claim.forces:
                continue
            deliveries = 1
        elif claim.least_idle_ms and now_ms - pending.delivered_ms < claim.least_idle_ms:
            continue
        else:
            deliveries = pending.deliveries
        if claim.deliveries >= 0:
            deliveries = claim.deliveries
        elif not claim.only_ids:
            deliveries += 1
        group.assign(number, consumer, claim.delivered_ms, deliveries)
        claimed.append(_claimed(entry, claim.only_ids))
    if claimed:
        consumer.active_ms = now_ms
    session.keyspace.changed_quietly(key)
    return claimed


def _claimed(entry: Entry, only_id: bool) -> object:
    return text_of_id(entry.number) if only_id else entry_reply(entry)


@registry.command(
    "XAUTOCLAIM key group consumer min-idle-time:string start:string [COUNT count] [JUSTID]",
    arity=-6,
    flags=WRITE | FAST,
    keys=[KeySpec(1, access="RW DELETE")],
    since="6.2.0",
    complexity="O(N) for N entries that COUNT lets it look at",
    history=[("7.0.0", "Answers which entries were deleted and are pending no longer.")],
    tips="nondeterministic_output",
)
def xautoclaim(session: Session, args: list[bytes]) -> object:
    """Takes over what has been pending for long; answers where to go on, the entries, and the IDs of
    those that no longer exist."""
    key = args[1]
    # Redis looks before it reads the arguments, but finds out afterwards what the key holds.
    value = session.keyspace.for_read(key)
    least_idle_ms = max(integer(args[4], b"ERR Invalid min-idle-time argument for XAUTOCLAIM"), 0)
    first = first_of_range(args[5])
    count = _CLAIMED
    only_ids = False
    place = 6
    while place < len(args):
        option = args[place].upper()
        if option == b"COUNT" and place + 1 < len(args):
            place += 1
            count = integer(args[place], _COUNT_ERROR)
            if not 1 <= count <= _MOST_CLAIMED:
                raise CommandError(_COUNT_ERROR)
        elif option == b"JUSTID":
            only_ids = True
        else:
            raise syntax_error()
        place += 1
    stream, group = stream_and_group(value, key, args[2])
    session.keyspace.for_write(key)
    consumer = active_consumer(session, key, group, args[3])
    walk = _Claiming(stream, group, consumer, int(session.engine.core.now_ms))
    walk.go(first, count, least_idle_ms, only_ids)
    session.keyspace.changed_quietly(key)
    deleted = [text_of_id(number) for number in walk.deleted]
    return [text_of_id(walk.next_id), walk.claimed, deleted]


class _Claiming:
    """XAUTOCLAIM's way along the pending entries of a group."""

    def __init__(self, stream: Stream, group: Group, consumer: Consumer, now_ms: int) -> None:
        self._finder: Final = stream.finder()
        self._group: Final = group
        self._consumer: Final = consumer
        self._now_ms: Final = now_ms
        self.claimed: list[object] = []
        self.deleted: list[int] = []
        #: The first pending entry that has not been looked at, 0 at the end.
        self.next_id = 0

    def go(self, first: int, count: int, least_idle_ms: int, only_ids: bool) -> None:
        """Claim at most ``count`` entries from ID ``first`` on."""
        attempts = count * _LOOKED_AT_FOR_EACH
        while True:
            # One more than may be looked at, to know where to go on.
            most = min(attempts + 1, _PIECE)
            piece = self._group.range(first, MAX_ID, most)
            for pending in piece:
                if attempts == 0 or len(self.claimed) + len(self.deleted) == count:
                    self.next_id = pending.number
                    return
                attempts -= 1
                self._claim(pending, least_idle_ms, only_ids)
            if len(piece) < most:
                return
            first = piece[-1].number + 1

    def _claim(self, pending: Pending, least_idle_ms: int, only_id: bool) -> None:
        number = pending.number
        entry = self._finder.find(number)
        if entry is None:
            self._group.release(number)
            self.deleted.append(number)
            return
        if least_idle_ms and self._now_ms - pending.delivered_ms < least_idle_ms:
            return
        deliveries = pending.deliveries if only_id else pending.deliveries + 1
        self._group.assign(number, self._consumer, self._now_ms, deliveries)
        self._consumer.active_ms = self._now_ms
        self.claimed.append(_claimed(entry, only_id))


@registry.command(
    "XPENDING key group [[IDLE min-idle-time]@6.2.0 start:string end:string count [consumer]]",
    arity=-3,
    flags=READONLY,
    keys=[KeySpec(1, access="RO ACCESS")],
    since="5.0.0",
    complexity="O(N) for N entries that are looked at, or for a summary of N consumers",
    history=[("6.2.0", "IDLE, and ranges without their ends.")],
    tips="nondeterministic_output",
)
def xpending(session: Session, args: list[bytes]) -> object:
    """Tells what is pending in a group, in short or entry by entry."""
    if len(args) == 3:
        return _summary(group_for_read(session, args[1], args[2])[1])
    if not 6 <= len(args) <= 9:
        raise syntax_error()
    place = 3
    least_idle_ms = 0
    if args[3].upper() == b"IDLE":
        least_idle_ms = integer(args[4])
        if len(args) < 8:
            raise syntax_error()
        place = 5
    count = integer(args[place + 2])
    first = first_of_range(args[place])
    last = last_of_range(args[place + 1])
    group = group_for_read(session, args[1], args[2])[1]
    consumer = None
    if place + 3 < len(args):
        consumer = group.consumer(args[place + 3])
        if consumer is None:
            return []
    now_ms = int(session.engine.core.now_ms)
    found: list[object] = []
    most = count if least_idle_ms == 0 else _PIECE
    while len(found) < count:
        if consumer is None:
            piece = group.range(first, last, most)
        else:
            piece = group.range_of(consumer, first, last, most)
        for pending in piece:
            idle_ms = now_ms - pending.delivered_ms
            if len(found) < count and (least_idle_ms == 0 or idle_ms >= least_idle_ms):
                found.append(_pending_reply(pending, idle_ms))
        if len(piece) < most:
            break
        first = piece[-1].number + 1
    return found


def _pending_reply(pending: Pending, idle_ms: int) -> object:
    number = text_of_id(pending.number)
    return [number, pending.consumer.name, max(idle_ms, 0), pending.deliveries]


def _summary(group: Group) -> object:
    count = group.pending_count()
    if count == 0:
        return [0, None, None, NULL_ARRAY]
    consumers = [
        [consumer.name, b"%d" % consumer.pending_count()]
        for consumer in group.consumers()
        if consumer.pending_count() > 0
    ]
    first, last = group.first_pending_id(), group.last_pending_id()
    return [count, text_of_id(first), text_of_id(last), consumers]
