"""What the commands on streams have in common: looking a stream up, and reading IDs."""

from __future__ import annotations

from typing import Final

from dscache.engine.errors import WRONG_TYPE
from dscache.engine.session import Session
from dscache.errors import CommandError
from dscache.values.stream import Stream
from dscache.values.stream_groups import Group
from dscache.values.stream_id import MAX_ID, MAX_SEQ, parse_id, text_of_id
from dscache.values.stream_node import Entry

INVALID_ID: Final = b"ERR Invalid stream ID specified as stream command argument"

_SHOWN_BYTES: Final = 128


def stream_for_read(session: Session, key: bytes) -> Stream | None:
    """The stream at ``key`` for reading, or None; raises CommandError for other values."""
    return checked_stream(session.keyspace.for_read(key))


def stream_for_write(session: Session, key: bytes) -> Stream | None:
    """The stream at ``key`` for changing it, or None; raises CommandError for other values."""
    return checked_stream(session.keyspace.for_write(key))


def checked_stream(value: object) -> Stream | None:
    """``value``, which is None or must be a stream; raises CommandError."""
    if value is None:
        return None
    if not isinstance(value, Stream):
        raise CommandError(WRONG_TYPE)
    return value


def group_for_read(session: Session, key: bytes, name: bytes) -> tuple[Stream, Group]:
    """A stream and one of its groups; raises CommandError if there are no such."""
    return stream_and_group(session.keyspace.for_read(key), key, name)


def stream_and_group(value: object, key: bytes, name: bytes) -> tuple[Stream, Group]:
    """As ``group_for_read``, of the ``value`` at ``key``, which has been looked up."""
    stream = checked_stream(value)
    group = None if stream is None else stream.group(name)
    if stream is None or group is None:
        raise CommandError(b"NOGROUP No such key '%s' or consumer group '%s'" % (key, name))
    return stream, group


def no_group_in_stream(key: bytes, name: bytes) -> CommandError:
    """For a group that a stream does not have."""
    return CommandError(b"NOGROUP No such consumer group '%s' for key name '%s'" % (name, key))


def subcommand_error(args: list[bytes]) -> CommandError:
    """For arguments that do not fit a subcommand."""
    return CommandError(
        b"ERR unknown subcommand or wrong number of arguments for '%s'. Try %s HELP."
        % (args[1][:_SHOWN_BYTES], args[0].upper())
    )


def stream_id(text: bytes, missing_seq: int = 0) -> int:
    """The ID that ``text`` is; raises CommandError, also for ``-`` and ``+``."""
    number = parse_id(text, missing_seq)
    if number is None:
        raise CommandError(INVALID_ID)
    return number


def id_or_end(text: bytes, missing_seq: int) -> int:
    """As ``stream_id``, but ``-`` is the lowest ID and ``+`` the highest."""
    if text == b"-":
        return 0
    if text == b"+":
        return MAX_ID
    return stream_id(text, missing_seq)


def first_of_range(text: bytes) -> int:
    """The first ID of a range that begins with ``text``, or behind it: ``(`` and an ID."""
    if len(text) <= 1 or text[:1] != b"(":
        return id_or_end(text, 0)
    number = stream_id(text[1:])
    if number == MAX_ID:
        raise CommandError(b"ERR invalid start ID for the interval")
    return number + 1


def last_of_range(text: bytes) -> int:
    """The last ID of a range that ends with ``text``, or before it: ``(`` and an ID."""
    if len(text) <= 1 or text[:1] != b"(":
        return id_or_end(text, MAX_SEQ)
    number = stream_id(text[1:], MAX_SEQ)
    if number == 0:
        raise CommandError(b"ERR invalid end ID for the interval")
    return number - 1


def entry_reply(entry: Entry) -> object:
    """An entry as clients get it: its ID, and its fields and values."""
    return [text_of_id(entry.number), entry.pairs()]
