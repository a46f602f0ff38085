"""Commands on the bits of strings: single ones, ranges, combinations, and integers of any width.

Changes are made in place once a string is long (see ``dscache.values.text``), so setting a bit of a
string of 100 MB writes one byte of it. The work on bits is in ``dscache.values.bits``.
"""

from __future__ import annotations

from typing import Final

from dscache.commands.arguments import I64_MAX, integer, parse_i64, syntax_error
from dscache.commands.text import check_string, editable, overwrite, store_edited, string_to_change
from dscache.engine.command import DENYOOM, FAST, READONLY, WRITE, Registry
from dscache.engine.keyspec import NOTHING, KeySpec
from dscache.engine.session import Session
from dscache.errors import CommandError
from dscache.values.bits import (
    FAIL,
    SATURATE,
    WRAP,
    FieldType,
    combined,
    count_ones,
    find_bit,
)
from dscache.values.text import length_of, slice_of

registry: Final = Registry("bitmap", "bitmap")

_BAD_OFFSET: Final = b"ERR bit offset is not an integer or out of range"
_BAD_BIT: Final = b"ERR bit is not an integer or out of range"
_BAD_TYPE: Final = (
    b"ERR Invalid bitfield type. Use something like i16 u8."
    b" Note that u64 is not supported but i64 is."
)

_OVERFLOWS: Final = {b"WRAP": WRAP, b"SAT": SATURATE, b"FAIL": FAIL}
_OPERATIONS: Final = frozenset((b"AND", b"OR", b"XOR", b"NOT"))


def _offset(session: Session, text: bytes, unit_bits: int = 1) -> int:
    """The offset of a bit, counted in units; raises CommandError where no string may reach."""
    number = parse_i64(text)
    if number is None:
        raise CommandError(_BAD_OFFSET)
    offset = number * unit_bits
    if offset < 0 or offset >> 3 >= session.engine.config.proto_max_bulk_len:
        raise CommandError(_BAD_OFFSET)
    return offset


def _string_for_read(session: Session, key: bytes) -> object:
    value = session.keyspace.for_read(key)
    if value is not None:
        check_string(value)
    return value


def _bit_at(string: object, offset: int) -> int:
    """A bit of a string, or of None; behind the end are zeros."""
    if string is None:
        return 0
    place = offset >> 3
    byte = slice_of(string, place, place + 1)
    return byte[0] >> (7 - (offset & 7)) & 1 if byte else 0


# Single bits


@registry.command(
    "SETBIT key offset value:integer",
    arity=4,
    flags=WRITE | DENYOOM,
    keys=[KeySpec(1, access="RW ACCESS UPDATE")],
    since="2.2.0",
    complexity="O(1)",
)
def setbit(session: Session, args: list[bytes]) -> object:
    """Sets or clears one bit of a string and answers what it was; zeros fill what is before it."""
    key = args[1]
    offset = _offset(session, args[2])
    bit = integer(args[3], _BAD_BIT)
    if bit not in (0, 1):
        raise CommandError(_BAD_BIT)
    string = string_to_change(session, key)
    old = _bit_at(string, offset)
    place = offset >> 3
    is_longer = string is None or length_of(string) <= place
    if is_longer or old != bit:
        byte = 0 if is_longer else slice_of(string, place, place + 1)[0]
        mask = 0x80 >> (offset & 7)
        byte = byte | mask if bit else byte & ~mask
        entry = session.keyspace.find(key)
        overwrite(session, key, entry, place, bytes((byte,)), b"setbit")
    return old


@registry.command(
    "GETBIT key offset",
    arity=3,
    flags=READONLY | FAST,
    keys=[KeySpec(1, access="RO ACCESS")],
    since="2.2.0",
    complexity="O(1)",
)
def getbit(session: Session, args: list[bytes]) -> object:
    """Reads one bit of a string."""
    offset = _offset(session, args[2])
    return _bit_at(_string_for_read(session, args[1]), offset)


# Ranges of bits


def _in_bits(unit: bytes) -> bool:
    """Whether positions count bits: the argument is BIT, and not BYTE."""
    unit = unit.upper()
    if unit not in (b"BIT", b"BYTE"):
        raise syntax_error()
    return unit == b"BIT"


def _range(string: object, start: int, end: int, in_bits: bool) -> tuple[int, int]:
    """The bits (first, and the one behind the last) from ``start`` to ``end``, inclusive positions
    that count from the end if they are negative. Without any, the second is not the larger one."""
    unit_bits = 1 if in_bits else 8
    length = length_of(string) * 8 // unit_bits
    if start < 0:
        start = max(start + length, 0)
    if end < 0:
        end = max(end + length, 0)
    return start * unit_bits, (min(end, length - 1) + 1) * unit_bits


@registry.command(
    "BITCOUNT key [start end [BYTE | BIT]@7.0.0]",
    arity=-2,
    flags=READONLY,
    keys=[KeySpec(1, access="RO ACCESS")],
    since="2.6.0",
    complexity="O(N) where N is the length of the range.",
    history=[("7.0.0", "BYTE and BIT.")],
)
def bitcount(session: Session, args: list[bytes]) -> object:
    """Counts the bits that are set in a string or in a range of it."""
    start = 0
    end = -1
    in_bits = False
    if len(args) in (4, 5):
        start = integer(args[2])
        end = integer(args[3])
        in_bits = len(args) == 5 and _in_bits(args[4])
    elif len(args) != 2:
        raise syntax_error()
    string = _string_for_read(session, args[1])
    # Two positions before the beginning are both clipped to it, unless they are in reverse.
    if string is None or end < start < 0:
        return 0
    first, stop = _range(string, start, end, in_bits)
    return count_ones(string, first, stop)


@registry.command(
    "BITPOS key bit [start [end [BYTE | BIT]@7.0.0]]",
    arity=-3,
    flags=READONLY,
    keys=[KeySpec(1, access="RO ACCESS")],
    since="2.8.7",
    complexity="O(N) where N is the distance to the bit that is found.",
    history=[("7.0.0", "BYTE and BIT.")],
)
def bitpos(session: Session, args: list[bytes]) -> object:
    """Finds the first bit that is set, or clear, in a string or in a range of it."""
    bit = integer(args[2])
    if bit not in (0, 1):
        raise CommandError(b"ERR The bit argument must be 1 or 0.")
    count = len(args)
    if count > 6:
        raise syntax_error()
    start = integer(args[3]) if count > 3 else 0
    in_bits = count == 6 and _in_bits(args[5])
    end = integer(args[4]) if count > 4 else -1
    string = _string_for_read(session, args[1])
    if string is None:
        return -bit
    first, stop = _range(string, start, end, in_bits)
    if first >= stop:
        return -1
    found = find_bit(string, bit, first, stop)
    # Without an explicit end, zeros go on behind the string.
    return stop if found < 0 and not bit and count < 5 else found


# Combinations


@registry.command(
    "BITOP <AND | OR | XOR | NOT> destkey key [key ...]",
    arity=-4,
    flags=WRITE | DENYOOM,
    keys=[
        KeySpec(2, access="OW UPDATE", needs=NOTHING),
        KeySpec(3, access="RO ACCESS", last=-1),
    ],
    since="2.6.0",
    complexity="O(N) where N is the length of all strings together.",
)
def bitop(session: Session, args: list[bytes]) -> object:
    """Stores the bitwise combination of several strings; answers its length in bytes."""
    operation = args[1].upper()
    if operation not in _OPERATIONS:
        raise syntax_error()
    if operation == b"NOT" and len(args) != 4:
        raise CommandError(b"ERR BITOP NOT must be called with a single source key.")
    strings: list[object] = []
    length = 0
    for key in args[3:]:
        string = _string_for_read(session, key)
        if string is None:
            string = b""
        strings.append(string)
        length = max(length, length_of(string))
    keyspace = session.keyspace
    if length > 0:
        keyspace.put(args[2], combined(operation, strings, length), 0, b"set")
    else:
        keyspace.delete(args[2], b"del")
    return length


# Integers of any width


class _Step:
    """One operation of a BITFIELD."""

    def __init__(
        self, verb: bytes, field: FieldType, offset: int, operand: int, overflow: int
    ) -> None:
        self.verb: Final = verb
        self.field: Final = field
        self.offset: Final = offset
        self.operand: Final = operand
        self.overflow: Final = overflow

    def result(self, old: int) -> int | None:
        """What the field will hold if it holds ``old``; None if that overflows, and must not."""
        field = self.field
        if self.verb == b"INCRBY":
            return field.fitted(old + self.operand, self.overflow)
        number = self.operand
        if not field.is_signed:
            # Below zero is what has the same bits without a sign.
            number &= 2 * I64_MAX + 1
        elif self.overflow == SATURATE and field.bits < 64 and field.most - number > I64_MAX:
            # Redis's distance to the largest number overflows here: far too low is taken for
            # too high.
            return field.most
        return field.fitted(number, self.overflow)


def _field_type(text: bytes) -> FieldType:
    sign = text[:1]
    bits = parse_i64(text[1:])
    if sign not in (b"i", b"u") or bits is None or not 1 <= bits <= (64 if sign == b"i" else 63):
        raise CommandError(_BAD_TYPE)
    return FieldType(bits, sign == b"i")


def _steps(session: Session, args: list[bytes]) -> list[_Step]:
    """The operations that ``args`` of a BITFIELD ask for."""
    steps: list[_Step] = []
    overflow = WRAP
    count = len(args)
    place = 2
    while place < count:
        verb = args[place].upper()
        operands = count - place - 1
        if verb == b"OVERFLOW" and operands >= 1:
            policy = _OVERFLOWS.get(args[place + 1].upper())
            if policy is None:
                raise CommandError(b"ERR Invalid OVERFLOW type specified")
            overflow = policy
            place += 2
            continue
        writes = verb in (b"SET", b"INCRBY")
        if (verb != b"GET" and not writes) or operands < 2 + int(writes):
            raise syntax_error()
        field = _field_type(args[place + 1])
        offset = args[place + 2]
        if offset[:1] == b"#":
            start = _offset(session, offset[1:], field.bits)
        else:
            start = _offset(session, offset)
        operand = integer(args[place + 3]) if writes else 0
        steps.append(_Step(verb, field, start, operand, overflow))
        place += 4 if writes else 3
    return steps


def _read_fields(session: Session, key: bytes, steps: list[_Step]) -> list[object]:
    string = _string_for_read(session, key)
    if string is None:
        string = b""
    return [step.field.read(string, step.offset) for step in steps]


def _access_of_bitfield(args: list[bytes]) -> list[str]:
    """As Redis, which looks at the words where an operation may begin."""
    place = 2
    while place < len(args):
        verb = args[place].upper()
        left = len(args) - place - 1
        if verb == b"GET" and left >= 2:
            place += 3
        elif verb == b"OVERFLOW" and left >= 1:
            place += 2
        else:
            return ["RW", "ACCESS", "UPDATE"]
    return ["RO", "ACCESS"]


@registry.command(
    "BITFIELD key [<GET encoding offset | [OVERFLOW <WRAP | SAT | FAIL>]:overflow-block"
    " <SET encoding offset value:integer | INCRBY encoding offset increment>> [...]]",
    arity=-2,
    flags=WRITE | DENYOOM,
    keys=[
        KeySpec(
            1,
            access="RW UPDATE ACCESS VARIABLE_FLAGS",
            access_chooser=_access_of_bitfield,
            notes="Only SET and INCRBY change the string",
        )
    ],
    since="3.2.0",
    complexity="O(1) for each operation.",
)
def bitfield(session: Session, args: list[bytes]) -> object:
    """Reads, writes and increments integers of any width at any bits of a string."""
    key = args[1]
    steps = _steps(session, args)
    ends = [step.offset + step.field.bits for step in steps if step.verb != b"GET"]
    if not ends:
        return _read_fields(session, key, steps)
    string = string_to_change(session, key)
    old_length = 0 if string is None else length_of(string)
    text = editable(string)
    length = (max(ends) + 7) >> 3
    is_longer = length > old_length
    if is_longer:
        text.overwrite(length - 1, b"\0")
    replies: list[object] = []
    changed = False
    for step in steps:
        old = step.field.read(text, step.offset)
        if step.verb == b"GET":
            replies.append(old)
            continue
        new = step.result(old)
        if new is None:
            replies.append(None)
            continue
        replies.append(old if step.verb == b"SET" else new)
        if new != old:
            step.field.write(text, step.offset, new)
        changed = changed or is_longer or new != old
    # A string that has only become longer is no change in Redis's eyes, so nobody is told.
    if changed or is_longer:
        store_edited(session, key, text, string, b"setbit" if changed else b"")
    return replies


@registry.command(
    "BITFIELD_RO key [GET encoding offset [GET encoding offset ...]]",
    arity=-2,
    flags=READONLY | FAST,
    keys=[KeySpec(1, access="RO ACCESS")],
    since="6.0.0",
    complexity="O(1) for each operation.",
)
def bitfield_ro(session: Session, args: list[bytes]) -> object:
    """Reads integers of any width at any bits of a string."""
    steps = _steps(session, args)
    if any(step.verb != b"GET" for step in steps):
        raise CommandError(b"ERR BITFIELD_RO only supports the GET subcommand")
    return _read_fields(session, args[1], steps)
