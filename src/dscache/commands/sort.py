"""SORT and SORT_RO: the elements of a list, a set or a sorted set in order, or what they lead to.

Which keys BY and GET lead to is known only when the elements are. They are brought into memory with one
fault for all (``Keyspace.bring``): first those of BY, then, when the order is known, those that GET needs
for what is inside LIMIT. So the command is restarted two or three times, however many elements there
are. In memory all of them are needed at once, as in Redis.

ALPHA compares bytes. (So does Redis in the C locale; in others it asks ``strcoll``.)
"""

from __future__ import annotations

from typing import Final

from dscache.commands.arguments import double, integer, syntax_error
from dscache.engine.command import DENYOOM, READONLY, WRITE, Registry
from dscache.engine.errors import WRONG_TYPE
from dscache.engine.keyspec import NOTHING, KeySpec
from dscache.engine.session import Session
from dscache.errors import CommandError
from dscache.values.hash import Hash
from dscache.values.list import List, list_of
from dscache.values.set import Set
from dscache.values.text import bytes_of, is_string
from dscache.values.zset import ZSet

registry: Final = Registry("generic", "list")

_NO_SCORE: Final = b"ERR One or more scores can't be converted into double"

_BY_DENIED: Final = b"ERR BY option of SORT denied due to insufficient ACL permissions."
_GET_DENIED: Final = b"ERR GET option of SORT denied due to insufficient ACL permissions."

_BLANKS: Final = b" \t\n\v\f\r"

_COST: Final = "O(N*log(N)) for a value of N elements, O(N) if they are not sorted"


class _Pattern:
    """A pattern of BY or GET: the key, or the field of a hash, that an element leads to."""

    def __init__(self, text: bytes) -> None:
        #: GET #: the element itself.
        self.is_element: Final = text == b"#"
        self._prefix, star, rest = text.partition(b"*")
        #: It leads to a key at all.
        self.has_key: Final = bool(star)
        self._suffix, arrow, self._field = rest.partition(b"->")
        if not self._field:
            self._suffix += arrow

    def key(self, element: bytes) -> bytes:
        """The key that ``element`` leads to."""
        return self._prefix + element + self._suffix

    def value(self, session: Session, element: bytes) -> bytes | None:
        """What ``element`` leads to, or None."""
        if self.is_element:
            return element
        if not self.has_key:
            return None
        value = session.keyspace.for_read(self.key(element))
        if value is None:
            return None
        if self._field:
            return value.get(self._field) if isinstance(value, Hash) else None
        return bytes_of(value) if is_string(value) else None


class _Options:
    """What is behind the key of SORT or SORT_RO."""

    def __init__(self, args: list[bytes], may_store: bool, may_read_all: bool) -> None:
        """``may_read_all``: the user may read whatever BY and GET lead to. Raises CommandError."""
        self.descending = False
        self.alpha = False
        self.start = 0
        self.count = -1
        self.by: _Pattern | None = None
        #: There is something to sort by: a BY that leads to no key asks for no order.
        self.sorts = True
        self.gets: list[_Pattern] = []
        self.store: bytes | None = None
        total = len(args)
        place = 2
        while place < total:
            option = args[place].upper()
            left = total - place - 1
            if option in (b"ASC", b"DESC"):
                self.descending = option == b"DESC"
            elif option == b"ALPHA":
                self.alpha = True
            elif option == b"LIMIT" and left >= 2:
                self.start = integer(args[place + 1])
                self.count = integer(args[place + 2])
                place += 2
            elif option == b"STORE" and left >= 1 and may_store:
                place += 1
                self.store = args[place]
            elif option == b"BY" and left >= 1:
                place += 1
                self.by = _Pattern(args[place])
                if self.by.has_key and not may_read_all:
                    raise CommandError(_BY_DENIED)
                # One of several is enough, as in Redis.
                self.sorts = self.sorts and self.by.has_key
            elif option == b"GET" and left >= 1:
                if not may_read_all:
                    raise CommandError(_GET_DENIED)
                place += 1
                self.gets.append(_Pattern(args[place]))
            else:
                raise syntax_error()
            place += 1

    def within_limit(self, elements: list[bytes]) -> list[bytes]:
        """What LIMIT leaves of ``elements``."""
        start = max(self.start, 0)
        if self.count < 0:
            return elements[start:]
        return elements[start : start + self.count]


def _sorted_elements(session: Session, key: bytes, options: _Options) -> list[bytes]:
    """The elements of ``key`` in the order that is asked for."""
    value = session.keyspace.for_read(key)
    if value is None:
        return []
    by = options.by
    sorts = options.sorts
    alpha = options.alpha
    if isinstance(value, List):
        elements = value.items()
    elif isinstance(value, ZSet):
        elements = [member for member, _ in value.items()]
    elif isinstance(value, Set):
        elements = value.members()
        if options.store is not None:
            # Equal weights leave their order, and what is stored must not depend on chance.
            elements.sort()
        if not sorts and options.store is not None:
            # A set has no order of its own; what is stored shall have one all the same.
            sorts = alpha = True
            by = None
    else:
        raise CommandError(WRONG_TYPE)
    if not sorts:
        if options.descending and not isinstance(value, Set):
            elements.reverse()
    elif by is None:
        if alpha:
            elements.sort(reverse=options.descending)
        else:
            elements = _by_score([(element, element) for element in elements], options.descending)
    else:
        session.keyspace.bring([by.key(element) for element in elements])
        weighed = [(by.value(session, element), element) for element in elements]
        if alpha:
            elements = _by_bytes(weighed, options.descending)
        else:
            elements = _by_score(weighed, options.descending)
    return elements


def _by_bytes(weighed: list[tuple[bytes | None, bytes]], descending: bool) -> list[bytes]:
    """Elements in the order of their weights; without one they come first, equal ones stay put."""
    weighed.sort(key=_bytes_order, reverse=descending)
    return [element for _, element in weighed]


def _bytes_order(weighed: tuple[bytes | None, bytes]) -> tuple[bool, bytes]:
    weight = weighed[0]
    return (False, b"") if weight is None else (True, weight)


def _by_score(weighed: list[tuple[bytes | None, bytes]], descending: bool) -> list[bytes]:
    """Elements in the order of their weights as numbers, equal ones in the order of their bytes.

    Without a weight an element counts as 0. Raises CommandError for a weight that is no number.
    """
    scored = [(0.0 if weight is None else _score(weight), element) for weight, element in weighed]
    scored.sort(reverse=descending)
    return [element for _, element in scored]


def _score(text: bytes) -> float:
    """The number that a weight is, or CommandError. Unlike elsewhere it may have blanks in front, be
    empty, and end with a zero byte."""
    text = text.partition(b"\0")[0]
    return double(text.lstrip(_BLANKS), _NO_SCORE) if text else 0.0


# The commands


def _options(session: Session, args: list[bytes], may_store: bool) -> _Options:
    """Raises CommandError."""
    may_read_all = session.engine.acl.may_read_every_key(session, args)
    return _Options(args, may_store, may_read_all)


def _result(session: Session, args: list[bytes], options: _Options) -> list[bytes | None]:
    elements = options.within_limit(_sorted_elements(session, args[1], options))
    gets = options.gets
    found: list[bytes | None] = []
    if not gets:
        found.extend(elements)
        return found
    session.keyspace.bring(
        [get.key(element) for get in gets if get.has_key for element in elements]
    )
    for element in elements:
        for get in gets:
            found.append(get.value(session, element))
    return found


def _no_keys(args: list[bytes]) -> list[int]:
    """The arguments do not tell where BY and GET will lead."""
    return []


def _stored_key(args: list[bytes]) -> list[int]:
    """Where STORE puts the result, if it does; the last STORE counts."""
    found: list[int] = []
    place = 2
    while place < len(args):
        option = args[place].upper()
        if option == b"LIMIT":
            place += 2
        elif option in (b"GET", b"BY"):
            place += 1
        elif option == b"STORE" and place + 1 < len(args):
            found = [place + 1]
            place += 1
        place += 1
    return found


_SORTED: Final = KeySpec(1, access="RO ACCESS")
_LED_TO: Final = KeySpec(
    access="RO ACCESS",
    needs=NOTHING,
    finder=_no_keys,
    notes="Which keys BY and GET lead to is known only when the elements are",
)


@registry.command(
    "SORT key [BY pattern]:by-pattern [LIMIT offset count] [GET pattern [GET pattern ...]]:get-pattern"
    " [ASC | DESC] [ALPHA] [STORE destination]",
    arity=-2,
    flags=WRITE | DENYOOM,
    keys=[
        _SORTED,
        _LED_TO,
        KeySpec(
            access="OW UPDATE",
            needs=NOTHING,
            finder=_stored_key,
            notes="STORE may stand anywhere among the options",
        ),
    ],
    since="1.0.0",
    complexity=_COST,
    categories="set sortedset dangerous",
)
def sort(session: Session, args: list[bytes]) -> object:
    """Sorts a list, a set or a sorted set, or what its elements lead to; may store the result."""
    options = _options(session, args, may_store=True)
    found = _result(session, args, options)
    if options.store is None:
        return found
    if found:
        stored = list_of([b"" if one is None else one for one in found])
        session.keyspace.put(options.store, stored, 0, b"sortstore")
    else:
        session.keyspace.delete(options.store, b"del")
    return len(found)


@registry.command(
    "SORT_RO key [BY pattern]:by-pattern [LIMIT offset count]"
    " [GET pattern [GET pattern ...]]:get-pattern [ASC | DESC] [ALPHA]",
    arity=-2,
    flags=READONLY,
    keys=[_SORTED, _LED_TO],
    since="7.0.0",
    complexity=_COST,
    categories="set sortedset dangerous",
)
def sort_ro(session: Session, args: list[bytes]) -> object:
    """Sorts as SORT does, and stores nothing."""
    return _result(session, args, _options(session, args, may_store=False))
