"""Values in all the forms that Redis and Valkey have given them, read; and written in those of today.

Written is what Redis 7.0 and everything later reads, where there is such a form, or else the oldest:

================================ ==================================================== =======
value                            form                                                 version
================================ ==================================================== =======
string                           string                                               10
list                             quicklist 2: listpacks of 8 KiB, long elements plain 10
set                              intset, or plain                                     10
sorted set                       listpack, or plain with binary doubles               10
hash                             listpack, or plain                                   10
stream                           listpacks 3                                          11
hash with fields that expire     plain with due times                                 12
================================ ==================================================== =======

A set could be a listpack since version 11; a plain one takes about the same space, and Redis makes its
listpack of it. Which values are small is what ``Value.encoding`` says, by the directives that have the
same names in Redis.

Nothing that is read is trusted: containers must not be empty, hold a member twice, or a score that is no
number. Element counts allocate nothing, and a loop over them ends with the bytes.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from dscache.errors import EmptyValueError, RdbError
from dscache.rdb import typecodes
from dscache.rdb.listpack import Element, ListpackWriter, decode_listpack, text_of, texts_of
from dscache.rdb.reader import Reader, double_of
from dscache.rdb.streams import read_stream, write_stream
from dscache.rdb.writer import Writer
from dscache.rdb.ziplist import decode_intset, decode_ziplist, decode_zipmap, encode_intset
from dscache.values.base import Value
from dscache.values.hash import Hash
from dscache.values.integers import parse_i64
from dscache.values.list import List, list_of
from dscache.values.set import Set
from dscache.values.stream import Stream
from dscache.values.text import bytes_of
from dscache.values.zset import ZSet

if TYPE_CHECKING:
    from dscache.config import Config

# What a node of a quicklist holds.
_NODE_PLAIN: Final = 1
_NODE_PACKED: Final = 2

# list-max-listpack-size -2, Redis's default: what a node takes at most, unless its only element is longer.
_NODE_BYTES: Final = 8192
# What an element in a listpack has beside its own bytes, at most, for elements that fit into a node; and
# what the listpack itself has.
_ELEMENT_OVERHEAD_BYTES: Final = 10
_LISTPACK_OVERHEAD_BYTES: Final = 7

# No listpack is longer in Redis, whatever the directives say (LISTPACK_MAX_SAFETY_SIZE).
_LISTPACK_MOST_BYTES: Final = 1 << 30

# The last due time that Redis takes for a field: the year 10889 (EB_EXPIRE_TIME_MAX).
_LAST_DUE_MS: Final = (1 << 48) - 1

# Whole numbers up to here are themselves as doubles.
_WHOLE_MAX: Final = float(1 << 53)

# The letters of a module's name, six bits each.
_MODULE_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


# Reading


def read_object(reader: Reader, code: int, version: int) -> object:
    """The value whose type byte, ``code``, has been read. O(n).

    ``version`` is that of the file or payload. Raises RdbError.
    """
    if code == typecodes.STRING:
        return reader.string()
    if code in (typecodes.LIST, typecodes.LIST_ZIPLIST):
        return _list_of(_strings(reader) if code == typecodes.LIST else _ziplist(reader))
    if code in (typecodes.LIST_QUICKLIST, typecodes.LIST_QUICKLIST_2):
        return _read_quicklist(reader, code)
    if code in (typecodes.SET, typecodes.SET_INTSET, typecodes.SET_LISTPACK):
        return _read_set(reader, code)
    if code in (typecodes.ZSET, typecodes.ZSET_TEXT):
        return _read_zset(reader, code)
    if code == typecodes.ZSET_ZIPLIST:
        return _zset_of(_ziplist_elements(reader))
    if code == typecodes.ZSET_LISTPACK:
        return _zset_of(decode_listpack(reader.string()))
    if code == typecodes.HASH:
        return _hash_of(_strings(reader, 2))
    if code == typecodes.HASH_ZIPMAP:
        return _hash_of(decode_zipmap(reader.string()))
    if code == typecodes.HASH_ZIPLIST:
        return _hash_of(_ziplist(reader))
    if code == typecodes.HASH_LISTPACK:
        return _hash_of(texts_of(decode_listpack(reader.string())))
    if code == typecodes.HASH_DUE_ABSOLUTE and version >= typecodes.VALKEY_VERSION:
        return _read_valkey_hash(reader)
    if code in (typecodes.HASH_DUE, typecodes.HASH_DUE_ABSOLUTE):
        return _read_expiring_hash(reader, code)
    if code in (typecodes.HASH_LISTPACK_DUE, typecodes.HASH_LISTPACK_DUE_ABSOLUTE):
        return _read_expiring_listpack(reader, code)
    if code in (typecodes.STREAM_1, typecodes.STREAM_2, typecodes.STREAM_3):
        return read_stream(reader, code)
    if code == typecodes.MODULE:
        raise RdbError(f"a value of the module type {module_name(reader.length())!r}")
    if code == typecodes.MODULE_BEFORE_4_0:
        raise RdbError("a value of a module type, as before Redis 4.0")
    raise RdbError(f"a value of type {code}")


def _strings(reader: Reader, per_element: int = 1) -> list[bytes]:
    """A number of elements, and then ``per_element`` strings for each."""
    return [reader.string() for _ in range(reader.length() * per_element)]


def _ziplist(reader: Reader) -> list[bytes]:
    return decode_ziplist(reader.string())


def _ziplist_elements(reader: Reader) -> list[Element]:
    return list(_ziplist(reader))


def _list_of(elements: list[bytes]) -> List:
    if not elements:
        raise EmptyValueError("an empty list")
    return list_of(elements)


def _read_quicklist(reader: Reader, code: int) -> List:
    elements: list[bytes] = []
    for _ in range(reader.length()):
        container = reader.length() if code == typecodes.LIST_QUICKLIST_2 else _NODE_PACKED
        node = reader.string()
        if not node:
            raise RdbError("an empty node of a list")
        if container == _NODE_PLAIN:
            elements.append(node)
            continue
        if container != _NODE_PACKED:
            raise RdbError(f"a list's node is of kind {container}")
        if code == typecodes.LIST_QUICKLIST:
            elements.extend(decode_ziplist(node))
        else:
            elements.extend(texts_of(decode_listpack(node)))
    return _list_of(elements)


def _read_set(reader: Reader, code: int) -> Set:
    if code == typecodes.SET:
        members = _strings(reader)
    elif code == typecodes.SET_INTSET:
        members = [b"%d" % number for number in decode_intset(reader.string())]
    else:
        members = texts_of(decode_listpack(reader.string()))
    value = Set()
    for member in members:
        if not value.add(member):
            raise RdbError("a set has a member twice")
    if value.count() == 0:
        raise EmptyValueError("an empty set")
    return value


def _read_zset(reader: Reader, code: int) -> ZSet:
    value = ZSet()
    for _ in range(reader.length()):
        member = reader.string()
        score = reader.double() if code == typecodes.ZSET else reader.text_double()
        _add_scored(value, member, score)
    return _filled_zset(value)


def _zset_of(elements: list[Element]) -> ZSet:
    """A sorted set of members and scores in turn."""
    if len(elements) % 2 != 0:
        raise RdbError("a member without a score")
    value = ZSet()
    for place in range(0, len(elements), 2):
        score = elements[place + 1]
        number = double_of(score) if isinstance(score, bytes) else float(score)
        _add_scored(value, text_of(elements[place]), number)
    return _filled_zset(value)


def _add_scored(value: ZSet, member: bytes, score: float) -> None:
    if math.isnan(score):
        raise RdbError("a score is not a number")
    if not value.add(member, score):
        raise RdbError("a sorted set has a member twice")


def _filled_zset(value: ZSet) -> ZSet:
    if value.count() == 0:
        raise EmptyValueError("an empty sorted set")
    return value


def _hash_of(elements: list[bytes]) -> Hash:
    """A hash of fields and values in turn."""
    if len(elements) % 2 != 0:
        raise RdbError("a field without a value")
    value = Hash()
    for place in range(0, len(elements), 2):
        _add_field(value, elements[place], elements[place + 1], 0)
    return _filled_hash(value)


def _add_field(value: Hash, field: bytes, content: bytes, due_ms: int) -> None:
    """Add a field that is due at ``due_ms``; never, if that is 0."""
    if not value.set(field, content):
        raise RdbError("a hash has a field twice")
    if due_ms != 0:
        if not 0 < due_ms <= _LAST_DUE_MS:
            raise RdbError(f"a field is due at {due_ms}")
        value.set_due(field, due_ms)


def _filled_hash(value: Hash) -> Hash:
    if value.count() == 0:
        raise EmptyValueError("an empty hash")
    return value


def _read_expiring_hash(reader: Reader, code: int) -> Hash:
    """Due time, field, value; the due time is 0 for none, or 1 + what it is after the first of all."""
    first_ms = reader.milliseconds() if code == typecodes.HASH_DUE else 1
    value = Hash()
    for _ in range(reader.length()):
        due_ms = reader.length()
        if due_ms != 0:
            due_ms += first_ms - 1
        field = reader.string()
        _add_field(value, field, reader.string(), due_ms)
    return _filled_hash(value)


def _read_expiring_listpack(reader: Reader, code: int) -> Hash:
    """Field, value, due time in turn; before them the first due time, which they tell as well."""
    if code == typecodes.HASH_LISTPACK_DUE:
        reader.milliseconds()
    elements = decode_listpack(reader.string())
    if len(elements) % 3 != 0:
        raise RdbError("a field without a value or a due time")
    value = Hash()
    for place in range(0, len(elements), 3):
        due_ms = elements[place + 2]
        if not isinstance(due_ms, int):
            raise RdbError(f"a field is due at {due_ms!r}")
        _add_field(value, text_of(elements[place]), text_of(elements[place + 1]), due_ms)
    return _filled_hash(value)


def _read_valkey_hash(reader: Reader) -> Hash:
    """Field, value, due time; -1 for none."""
    value = Hash()
    for _ in range(reader.length()):
        field = reader.string()
        content = reader.string()
        due_ms = reader.milliseconds()
        _add_field(value, field, content, 0 if due_ms == -1 else due_ms)
    return _filled_hash(value)


def module_name(number: int) -> str:
    """The nine letters of a module type's name; the ten lowest bits are the version of its encoding."""
    letters = [_MODULE_LETTERS[number >> shift & 63] for shift in range(58, 9, -6)]
    return "".join(letters)


# Writing


def write_object(writer: Writer, value: object, config: Config) -> int:
    """Write the type byte and the bytes of ``value``; the version that its form needs. O(n)."""
    if isinstance(value, List):
        writer.byte(typecodes.LIST_QUICKLIST_2)
        _write_quicklist(writer, value)
        return 10
    if isinstance(value, Set):
        _write_set(writer, value, config)
        return 10
    if isinstance(value, ZSet):
        _write_zset(writer, value, config)
        return 10
    if isinstance(value, Hash):
        return _write_hash(writer, value, config)
    if isinstance(value, Stream):
        writer.byte(typecodes.STREAM_3)
        write_stream(writer, value)
        return 11
    writer.byte(typecodes.STRING)
    writer.string(bytes_of(value))
    return 10


def _is_packed(value: Value, config: Config) -> bool:
    """Whether ``value`` is written as a listpack. O(1)."""
    # In memory it is larger than it will be packed.
    return value.encoding(config) == b"listpack" and value.size_bytes() <= _LISTPACK_MOST_BYTES


def _write_quicklist(writer: Writer, value: List) -> None:
    nodes: list[tuple[int, bytes]] = []
    packed = ListpackWriter()
    for element in value.items():
        needed = len(element) + _ELEMENT_OVERHEAD_BYTES
        if packed.count() > 0 and packed.size() + needed > _NODE_BYTES:
            nodes.append((_NODE_PACKED, packed.finish()))
            packed = ListpackWriter()
        if _LISTPACK_OVERHEAD_BYTES + needed > _NODE_BYTES:
            nodes.append((_NODE_PLAIN, element))
        else:
            packed.text(element)
    if packed.count() > 0:
        nodes.append((_NODE_PACKED, packed.finish()))
    writer.length(len(nodes))
    for container, node in nodes:
        writer.length(container)
        writer.string(node)


def _write_set(writer: Writer, value: Set, config: Config) -> None:
    members = value.members()
    if value.encoding(config) == b"intset":
        numbers = [parse_i64(member) for member in members]
        writer.byte(typecodes.SET_INTSET)
        writer.string(encode_intset(sorted([n for n in numbers if n is not None])))
        return
    writer.byte(typecodes.SET)
    writer.length(len(members))
    for member in members:
        writer.string(member)


def _write_zset(writer: Writer, value: ZSet, config: Config) -> None:
    items = value.items()
    if _is_packed(value, config):
        packed = ListpackWriter()
        for member, score in items:
            packed.text(member)
            packed.text(score_text(score))
        writer.byte(typecodes.ZSET_LISTPACK)
        writer.string(packed.finish())
        return
    writer.byte(typecodes.ZSET)
    writer.length(len(items))
    # From the last to the first, as in Redis: its skip list takes each of them at its head.
    for member, score in reversed(items):
        writer.string(member)
        writer.double(score)


def score_text(score: float) -> bytes:
    """The shortest text that gives ``score`` again."""
    if abs(score) <= _WHOLE_MAX and score == math.floor(score):
        return b"%d" % int(score)
    return repr(score).encode()


def _write_hash(writer: Writer, value: Hash, config: Config) -> int:
    first_ms = value.next_due_ms()
    if first_ms != 0:
        _write_expiring_hash(writer, value, first_ms)
        return 12
    items = value.items()
    if _is_packed(value, config):
        packed = ListpackWriter()
        for field, content in items:
            packed.text(field)
            packed.text(content)
        writer.byte(typecodes.HASH_LISTPACK)
        writer.string(packed.finish())
        return 10
    writer.byte(typecodes.HASH)
    writer.length(len(items))
    for field, content in items:
        writer.string(field)
        writer.string(content)
    return 10


def _write_expiring_hash(writer: Writer, value: Hash, first_ms: int) -> None:
    writer.byte(typecodes.HASH_DUE)
    writer.milliseconds(first_ms)
    writer.length(value.count())
    for field, content in value.items():
        due_ms = value.due_ms(field)
        writer.length(0 if due_ms == 0 else due_ms - first_ms + 1)
        writer.string(field)
        writer.string(content)
