"""Commands on lists that answer at once.

What ``dscache.commands.blocking_lists`` does when there is a list is done here too: ``pop_one``,
``pop_many`` and ``move_element`` answer None if there is none.
"""

from __future__ import annotations

from typing import Final

from dscache.commands.arguments import I64_MAX, integer, integer_between, syntax_error
from dscache.engine.command import DENYOOM, FAST, READONLY, WRITE, Registry
from dscache.engine.errors import WRONG_TYPE
from dscache.engine.keyspec import HEAD, VALUE, KeySpec
from dscache.engine.session import Session
from dscache.errors import CommandError
from dscache.values.list import List
from dscache.wire.reply import NULL_ARRAY, OK

registry: Final = Registry("list", "list")

_INSERTED: Final = [KeySpec(1, access="RW INSERT")]
_POPPED: Final = [KeySpec(1, access="RW ACCESS DELETE")]
_SHORTENED: Final = [KeySpec(1, access="RW DELETE")]
_UPDATED: Final = [KeySpec(1, access="RW UPDATE")]
_READ: Final = [KeySpec(1, access="RO ACCESS")]
#: Those of a command that moves an element from one list to another.
MOVED_KEYS: Final = [
    KeySpec(1, access="RW ACCESS DELETE"),
    KeySpec(2, access="RW INSERT"),
]

_COST_OF_PUSHING: Final = "O(N) for N elements"
_SEVERAL_ELEMENTS: Final = "Several elements in one call."

# -2**63 has no positive counterpart.
_LEAST_COUNT: Final = -I64_MAX
_COUNT_OUT_OF_RANGE: Final = b"ERR value is out of range, value must between %d and %d" % (
    _LEAST_COUNT,
    I64_MAX,
)
_ZERO_RANK: Final = (
    b"ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... "
    b"or use negative to start from the end of the list"
)


# Lists as commands see them


def _as_list(value: object) -> List | None:
    """``value`` if it is a list, None if it is None; raises CommandError for anything else."""
    if value is None or isinstance(value, List):
        return value
    raise CommandError(WRONG_TYPE)


def _list_to_read(session: Session, key: bytes) -> List | None:
    return _as_list(session.keyspace.for_read(key))


def _list_to_change(session: Session, key: bytes) -> List | None:
    return _as_list(session.keyspace.for_write(key))


def from_head(text: bytes) -> bool:
    """Which end LEFT or RIGHT means; raises CommandError."""
    word = text.upper()
    if word not in (b"LEFT", b"RIGHT"):
        raise syntax_error()
    return word == b"LEFT"


def _push_event(at_head: bool) -> bytes:
    return b"lpush" if at_head else b"rpush"


def _pop_event(at_head: bool) -> bytes:
    return b"lpop" if at_head else b"rpop"


# Pushing


def _push(session: Session, args: list[bytes], at_head: bool, only_existing: bool) -> int:
    key = args[1]
    value = _list_to_change(session, key)
    if value is None:
        if only_existing:
            return 0
        value = List()
        value.push_all(args[2:], at_head)
        session.keyspace.put(key, value, 0, _push_event(at_head))
    else:
        value.push_all(args[2:], at_head)
        session.keyspace.changed(key, _push_event(at_head))
    return value.count()


@registry.command(
    "LPUSH key element [element ...]",
    arity=-3,
    flags=WRITE | DENYOOM | FAST,
    keys=_INSERTED,
    since="1.0.0",
    complexity=_COST_OF_PUSHING,
    history=[("2.4.0", _SEVERAL_ELEMENTS)],
)
def lpush(session: Session, args: list[bytes]) -> object:
    """Puts elements before the first of a list, which is made if it does not exist."""
    return _push(session, args, at_head=True, only_existing=False)


@registry.command(
    "RPUSH key element [element ...]",
    arity=-3,
    flags=WRITE | DENYOOM | FAST,
    keys=_INSERTED,
    since="1.0.0",
    complexity=_COST_OF_PUSHING,
    history=[("2.4.0", _SEVERAL_ELEMENTS)],
)
def rpush(session: Session, args: list[bytes]) -> object:
    """Puts elements behind the last of a list, which is made if it does not exist."""
    return _push(session, args, at_head=False, only_existing=False)


@registry.command(
    "LPUSHX key element [element ...]",
    arity=-3,
    flags=WRITE | DENYOOM | FAST,
    keys=_INSERTED,
    since="2.2.0",
    complexity=_COST_OF_PUSHING,
    history=[("4.0.0", _SEVERAL_ELEMENTS)],
)
def lpushx(session: Session, args: list[bytes]) -> object:
    """Puts elements before the first of a list, if there is one."""
    return _push(session, args, at_head=True, only_existing=True)


@registry.command(
    "RPUSHX key element [element ...]",
    arity=-3,
    flags=WRITE | DENYOOM | FAST,
    keys=_INSERTED,
    since="2.2.0",
    complexity=_COST_OF_PUSHING,
    history=[("4.0.0", _SEVERAL_ELEMENTS)],
)
def rpushx(session: Session, args: list[bytes]) -> object:
    """Puts elements behind the last of a list, if there is one."""
    return _push(session, args, at_head=False, only_existing=True)


# Popping


def pop_one(session: Session, key: bytes, at_head: bool) -> bytes | None:
    """Take the element at one end of a list; None if there is none."""
    value = _list_to_change(session, key)
    if value is None:
        return None
    element = value.pop_head() if at_head else value.pop_tail()
    session.keyspace.shrunk(key, _pop_event(at_head))
    return element


def pop_many(session: Session, key: bytes, count: int, at_head: bool) -> list[bytes] | None:
    """Take up to ``count`` elements, 1 or more, at one end of a list; None if there is none."""
    value = _list_to_change(session, key)
    if value is None:
        return None
    elements = value.pop_many(count, at_head)
    session.keyspace.shrunk(key, _pop_event(at_head))
    return elements


def _pop(session: Session, args: list[bytes], at_head: bool) -> object:
    if len(args) == 2:
        return pop_one(session, args[1], at_head)
    if len(args) > 3:
        raise CommandError(
            b"ERR wrong number of arguments for '" + _pop_event(at_head) + b"' command"
        )
    count = _not_negative(args[2], b"ERR value is out of range, must be positive")
    if count == 0:
        return NULL_ARRAY if _list_to_change(session, args[1]) is None else []
    elements: object = pop_many(session, args[1], count, at_head)
    return NULL_ARRAY if elements is None else elements


@registry.command(
    "LPOP key [count]@6.2.0",
    arity=-2,
    flags=WRITE | FAST,
    keys=_POPPED,
    since="1.0.0",
    complexity="O(N) for N elements",
    history=[("6.2.0", "Argument count.")],
)
def lpop(session: Session, args: list[bytes]) -> object:
    """Removes and answers the first element of a list, or several of them."""
    return _pop(session, args, at_head=True)


@registry.command(
    "RPOP key [count]@6.2.0",
    arity=-2,
    flags=WRITE | FAST,
    keys=_POPPED,
    since="1.0.0",
    complexity="O(N) for N elements",
    history=[("6.2.0", "Argument count.")],
)
def rpop(session: Session, args: list[bytes]) -> object:
    """Removes and answers the last element of a list, or several of them, the last one first."""
    return _pop(session, args, at_head=False)


class SeveralKeys:
    """The arguments of LMPOP and BLMPOP from numkeys on: which keys, which end, how many."""

    def __init__(self, args: list[bytes], place: int) -> None:
        """Raises CommandError."""
        numkeys = _positive(args[place], b"ERR numkeys should be greater than 0")
        end = place + 1 + numkeys
        if end >= len(args):
            raise syntax_error()
        self.keys: Final = args[place + 1 : end]
        self.at_head: Final = from_head(args[end])
        rest = args[end + 1 :]
        if not rest:
            self.count = 1
        elif len(rest) >= 2 and rest[0].upper() == b"COUNT":
            self.count = _positive(rest[1], b"ERR count should be greater than 0")
            if len(rest) > 2:
                raise syntax_error()
        else:
            raise syntax_error()


def _positive(text: bytes, error: bytes) -> int:
    number = integer(text, error)
    if number < 1:
        raise CommandError(error)
    return number


def _needs_of_lmpop(args: list[bytes]) -> int:
    """Of several keys only the first that exists is read; which one, the heads tell."""
    return VALUE if args[1] == b"1" else HEAD


@registry.command(
    "LMPOP numkeys key [key ...] <LEFT | RIGHT> [COUNT count]",
    arity=-4,
    flags=WRITE,
    keys=[KeySpec(1, access="RW ACCESS DELETE", count_at=0, first=1, chooser=_needs_of_lmpop)],
    since="7.0.0",
    complexity="O(N+M) for N keys and M elements",
)
def lmpop(session: Session, args: list[bytes]) -> object:
    """Removes and answers elements at one end of the first list that exists among several keys."""
    wanted = SeveralKeys(args, 1)
    for key in wanted.keys:
        elements: object = pop_many(session, key, wanted.count, wanted.at_head)
        if elements is not None:
            return [key, elements]
    return NULL_ARRAY


# Moving


def move_element(
    session: Session, source: bytes, target: bytes, takes_head: bool, puts_at_head: bool
) -> object:
    """Take an element of ``source`` and push it to ``target``; None if there is no list there.

    Raises CommandError if one of the two holds something else.
    """
    keyspace = session.keyspace
    origin = _list_to_change(session, source)
    if origin is None:
        return None
    goal = _list_to_change(session, target)
    element = origin.pop_head() if takes_head else origin.pop_tail()
    event = _push_event(puts_at_head)
    if goal is None:
        goal = List()
        goal.push_all([element], puts_at_head)
        keyspace.put(target, goal, 0, event)
    else:
        goal.push_all([element], puts_at_head)
        keyspace.changed(target, event)
    keyspace.shrunk(source, _pop_event(takes_head))
    return element


@registry.command(
    "RPOPLPUSH source destination",
    arity=3,
    flags=WRITE | DENYOOM,
    keys=MOVED_KEYS,
    since="1.2.0",
    complexity="O(1)",
    deprecated=("6.2.0", "`LMOVE` with the `RIGHT` and `LEFT` arguments"),
)
def rpoplpush(session: Session, args: list[bytes]) -> object:
    """Takes the last element of a list and puts it before the first of another, or of the same."""
    return move_element(session, args[1], args[2], takes_head=False, puts_at_head=True)


@registry.command(
    "LMOVE source destination <LEFT | RIGHT>:wherefrom <LEFT | RIGHT>:whereto",
    arity=5,
    flags=WRITE | DENYOOM,
    keys=MOVED_KEYS,
    since="6.2.0",
    complexity="O(1)",
)
def lmove(session: Session, args: list[bytes]) -> object:
    """Takes an element at one end of a list and pushes it to an end of another, or of the same."""
    return move_element(session, args[1], args[2], from_head(args[3]), from_head(args[4]))


# By index


def _bounds(value: List, start: int, stop: int) -> tuple[int, int]:
    """Redis's inclusive range, whose negative indexes count from the end, as one that ends before
    its second number; empty ones begin and end at the list's end."""
    count = value.count()
    start = max(start + count if start < 0 else start, 0)
    stop = min(stop + count if stop < 0 else stop, count - 1) + 1
    return (start, stop) if start < stop else (count, count)


@registry.command(
    "LLEN key",
    arity=2,
    flags=READONLY | FAST,
    keys=[KeySpec(1, access="RO")],
    since="1.0.0",
    complexity="O(1)",
)
def llen(session: Session, args: list[bytes]) -> object:
    """Counts the elements of a list."""
    value = _list_to_read(session, args[1])
    return 0 if value is None else value.count()


@registry.command(
    "LINDEX key index",
    arity=3,
    flags=READONLY,
    keys=_READ,
    since="1.0.0",
    complexity="O(N) for an element that is N away from the nearer end",
)
def lindex(session: Session, args: list[bytes]) -> object:
    """Answers the element at an index; a negative one counts from the end."""
    value = _list_to_read(session, args[1])
    if value is None:
        return None
    index = integer(args[2])
    count = value.count()
    if index < 0:
        index += count
    return value.get(index) if 0 <= index < count else None


@registry.command(
    "LSET key index element",
    arity=4,
    flags=WRITE | DENYOOM,
    keys=_UPDATED,
    since="1.0.0",
    complexity="O(N) for an element that is N away from the nearer end",
)
def lset(session: Session, args: list[bytes]) -> object:
    """Replaces the element at an index; a negative one counts from the end."""
    key = args[1]
    value = _list_to_change(session, key)
    if value is None:
        raise CommandError(b"ERR no such key")
    index = integer(args[2])
    if index < 0:
        index += value.count()
    if not 0 <= index < value.count():
        raise CommandError(b"ERR index out of range")
    value.replace(index, args[3])
    session.keyspace.changed(key, b"lset")
    return OK


@registry.command(
    "LRANGE key start stop",
    arity=4,
    flags=READONLY,
    keys=_READ,
    since="1.0.0",
    complexity="O(S+N) for N elements that begin S away from the nearer end",
)
def lrange(session: Session, args: list[bytes]) -> object:
    """Answers a range of elements; negative indexes count from the end."""
    start = integer(args[2])
    stop = integer(args[3])
    value = _list_to_read(session, args[1])
    if value is None:
        return []
    start, stop = _bounds(value, start, stop)
    return value.slice(start, stop)


@registry.command(
    "LTRIM key start stop",
    arity=4,
    flags=WRITE,
    keys=_SHORTENED,
    since="1.0.0",
    complexity="O(N) for N elements that are removed",
)
def ltrim(session: Session, args: list[bytes]) -> object:
    """Removes all elements but those of a range; negative indexes count from the end."""
    start = integer(args[2])
    stop = integer(args[3])
    key = args[1]
    value = _list_to_change(session, key)
    if value is not None:
        start, stop = _bounds(value, start, stop)
        value.trim(start, stop)
        # Also of a list that has lost nothing, as in Redis: whoever watches the key can tell.
        session.keyspace.shrunk(key, b"ltrim")
    return OK


# By content


@registry.command(
    "LINSERT key <BEFORE | AFTER> pivot element",
    arity=5,
    flags=WRITE | DENYOOM,
    keys=_INSERTED,
    since="2.2.0",
    complexity="O(N) for a pivot behind N elements",
)
def linsert(session: Session, args: list[bytes]) -> object:
    """Puts an element before or behind the first one that equals another."""
    where = args[2].upper()
    if where not in (b"BEFORE", b"AFTER"):
        raise syntax_error()
    key = args[1]
    value = _list_to_change(session, key)
    if value is None:
        return 0
    if not value.insert(args[3], args[4], where == b"AFTER"):
        return -1
    session.keyspace.changed(key, b"linsert")
    return value.count()


@registry.command(
    "LREM key count element",
    arity=4,
    flags=WRITE,
    keys=_SHORTENED,
    since="1.0.0",
    complexity="O(N) in a list of N elements",
)
def lrem(session: Session, args: list[bytes]) -> object:
    """Removes elements that equal one: all, or some from the head, or some from the tail."""
    count = integer_between(args[2], _LEAST_COUNT, I64_MAX, _COUNT_OUT_OF_RANGE)
    key = args[1]
    value = _list_to_change(session, key)
    if value is None:
        return 0
    removed = value.remove(args[3], abs(count) or value.count(), count < 0)
    if removed:
        session.keyspace.shrunk(key, b"lrem")
    return removed


@registry.command(
    "LPOS key element [RANK rank] [COUNT num-matches] [MAXLEN len]",
    arity=-3,
    flags=READONLY,
    keys=_READ,
    since="6.0.6",
    complexity="O(N) for N elements that are compared, which MAXLEN bounds",
)
def lpos(session: Session, args: list[bytes]) -> object:
    """Finds the indexes at which a list has an element."""
    rank = 1
    count = -1
    most_looked_at = 0
    place = 3
    while place < len(args):
        option = args[place].upper()
        place += 1
        if place == len(args):
            raise syntax_error()
        text = args[place]
        place += 1
        if option == b"RANK":
            rank = integer_between(text, _LEAST_COUNT, I64_MAX, _COUNT_OUT_OF_RANGE)
            if rank == 0:
                raise CommandError(_ZERO_RANK)
        elif option == b"COUNT":
            count = _not_negative(text, b"ERR COUNT can't be negative")
        elif option == b"MAXLEN":
            most_looked_at = _not_negative(text, b"ERR MAXLEN can't be negative")
        else:
            raise syntax_error()
    value = _list_to_read(session, args[1])
    if value is None:
        return [] if count >= 0 else None
    found = value.positions(
        args[2],
        abs(rank),
        1 if count < 0 else count or value.count(),
        most_looked_at or value.count(),
        rank < 0,
    )
    if count >= 0:
        return found
    return found[0] if found else None


def _not_negative(text: bytes, error: bytes) -> int:
    number = integer(text, error)
    if number < 0:
        raise CommandError(error)
    return number
