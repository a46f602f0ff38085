"""Strings as commands see them: checked for their type, read, and changed in place.

Every command that works on a string, of whatever group, reads it through ``text_of`` and changes a
part of it through ``overwrite``; so neither knows in which of its two representations the string is
(``dscache.values.text``).
"""

from __future__ import annotations

from dscache.cache.entry import Entry
from dscache.engine.errors import WRONG_TYPE
from dscache.engine.keyspace import KEEP_EXPIRY
from dscache.engine.session import Session
from dscache.errors import CommandError
from dscache.values.text import IN_PLACE_BYTES, Text, bytes_of, is_string, overwritten


def check_string(value: object) -> None:
    """Raise CommandError unless ``value``, which may be apart, is a string."""
    if not is_string(value):
        raise CommandError(WRONG_TYPE)


def text_of(value: object) -> bytes:
    """The bytes of ``value``, which is in memory; raises CommandError if it is no string."""
    if type(value) is bytes:
        return value
    check_string(value)
    return bytes_of(value)


def check_length(session: Session, length: int) -> None:
    """Raise CommandError if a string of ``length`` bytes would be longer than is allowed."""
    if length > session.engine.config.proto_max_bulk_len:
        raise CommandError(b"ERR string exceeds maximum allowed size (proto-max-bulk-len)")


def overwrite(
    session: Session, key: bytes, entry: Entry | None, offset: int, data: bytes, event: bytes
) -> None:
    """Put ``data`` at ``offset`` of the string ``key``; a gap behind its end becomes zeros.

    ``entry`` is what ``Keyspace.find`` gave for it: None, and the key is made, or an entry whose
    value is a string. Its value may not be in memory, so this may fault and must be the command's
    last lookup. The due time stays. Amortised O(len(data) + gap) beyond IN_PLACE_BYTES.
    """
    keyspace = session.keyspace
    if entry is None:
        keyspace.put(key, bytes(offset) + data, 0, event)
        return
    value = entry.value
    if type(value) is not bytes:
        value = keyspace.for_write(key)
    if isinstance(value, Text):
        value.overwrite(offset, data)
        keyspace.changed(key, event)
        return
    assert type(value) is bytes
    keyspace.put(key, overwritten(value, offset, data), KEEP_EXPIRY, event)


def string_to_change(session: Session, key: bytes) -> object:
    """The string ``key`` for a command that may change it; None if there is no such key.

    As of ``Keyspace.for_write``: who changes it must report that. Raises CommandError if it is no
    string.
    """
    value = session.keyspace.for_write(key)
    if value is not None:
        check_string(value)
    return value


def editable(string: object) -> Text:
    """``string``, which ``string_to_change`` gave, for several changes; ``store_edited`` follows.

    It is the value itself if that is a Text, and a copy otherwise.
    """
    if isinstance(string, Text):
        return string
    return Text(b"" if string is None else bytes_of(string))


def store_edited(session: Session, key: bytes, text: Text, string: object, event: bytes) -> None:
    """Let ``key`` hold ``text``, which was made from ``string`` by ``editable``. Its due time stays.

    An empty event is told to nobody.
    """
    keyspace = session.keyspace
    if text is string:
        keyspace.changed(key, event)
        return
    value: object = text if text.count() > IN_PLACE_BYTES else bytes_of(text)
    keyspace.put(key, value, 0 if string is None else KEEP_EXPIRY, event)
