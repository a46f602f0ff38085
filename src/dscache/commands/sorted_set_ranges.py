"""Ranges of sorted sets: by rank, by score and by the bytes of members; read, counted, stored, removed.

Whatever the kind, the ends of a range become two ranks, and the rest is the same for all. A range by bytes
has a meaning only where all members have one score; elsewhere Redis does not promise anything either.
"""

from __future__ import annotations

from typing import Final

from dscache.commands.arguments import integer, strtod, syntax_error
from dscache.commands.sorted_sets import readable_zset, writable_zset
from dscache.engine.command import DENYOOM, FAST, READONLY, WRITE, Registry
from dscache.engine.keyspec import NOTHING, KeySpec
from dscache.engine.session import Session
from dscache.errors import CommandError
from dscache.values.zset import ZSet, zset_of
from dscache.wire.reply import Pairs

registry: Final = Registry("sorted-set", "sortedset")

_READ_KEY: Final = [KeySpec(1, access="RO ACCESS")]
_CUT_KEY: Final = [KeySpec(1, access="RW DELETE")]

# What a range is measured by.
_BY_RANK: Final = 0
_BY_SCORE: Final = 1
_BY_LEX: Final = 2

_RANGE_COMPLEXITY: Final = "O(log(N)+M) for M members out of N"
_REMOVE_COMPLEXITY: Final = "O(log(N)+M) for M members out of N"


# Ends of ranges


class _ScoreEnd:
    """A score, or with ``(`` in front the place just beyond it. Raises CommandError."""

    def __init__(self, text: bytes) -> None:
        self.is_exclusive: Final = text.startswith(b"(")
        # Redis reads it as C strings are read, up to a zero byte.
        score = strtod((text[1:] if self.is_exclusive else text).partition(b"\0")[0])
        if score is None or score != score:
            raise CommandError(b"ERR min or max is not a float")
        self.score: Final[float] = score


class _LexEnd:
    """A member with ``[`` or ``(`` in front, or ``-`` or ``+`` for either end of all. Raises
    CommandError."""

    def __init__(self, text: bytes) -> None:
        kind = text[:1]
        if kind not in (b"[", b"(", b"-", b"+") or (
            kind in b"-+" and text[1:2] not in (b"", b"\0")
        ):
            raise CommandError(b"ERR min or max not valid string range item")
        self.is_first: Final = kind == b"-"
        self.is_last: Final = kind == b"+"
        self.is_exclusive: Final = kind != b"["
        self.member: Final = text[1:]

    def rank(self, zset: ZSet, inclusive: bool) -> int:
        """How many members of ``zset`` come before it, itself included with ``inclusive``."""
        if self.is_first:
            return 0
        return zset.count() if self.is_last else zset.count_before(self.member, inclusive)


class _Range:
    """A range of a kind, from the lower to the upper end as a command gives them. Raises CommandError."""

    def __init__(self, kind: int, lower: bytes, upper: bytes) -> None:
        self._start = 0
        self._end = 0
        self._scores: tuple[_ScoreEnd, _ScoreEnd] | None = None
        self._lex: tuple[_LexEnd, _LexEnd] | None = None
        if kind == _BY_SCORE:
            self._scores = (_ScoreEnd(lower), _ScoreEnd(upper))
        elif kind == _BY_LEX:
            self._lex = (_LexEnd(lower), _LexEnd(upper))
        else:
            self._start = integer(lower)
            self._end = integer(upper)

    def ranks(self, zset: ZSet) -> tuple[int, int]:
        """The ranks from which and up to which (exclusive) it reaches; equal if it is empty.

        O(log n).
        """
        if self._scores is not None:
            low, high = self._scores
            start = zset.count_below(low.score, low.is_exclusive)
            stop = zset.count_below(high.score, not high.is_exclusive)
        elif self._lex is not None:
            first, last = self._lex
            start = first.rank(zset, first.is_exclusive)
            stop = last.rank(zset, not last.is_exclusive)
        else:
            total = zset.count()
            start = max(self._start + total if self._start < 0 else self._start, 0)
            start = min(start, total)
            end = self._end + total if self._end < 0 else self._end
            stop = min(end + 1, total)
        return start, max(start, stop)


# Reading


class _Query:
    """ZRANGE and its relatives: ``args`` from the two ends at ``place`` on. Raises CommandError.

    ``kind`` and ``is_reversed`` are fixed by the command's name, or None: then BYSCORE, BYLEX and REV
    tell. ``stores`` excludes WITHSCORES.
    """

    def __init__(
        self,
        args: list[bytes],
        place: int,
        kind: int | None,
        is_reversed: bool | None,
        stores: bool = False,
    ) -> None:
        self._with_scores = False
        self._offset = 0
        self._limit = -1
        self._kind = kind
        self._is_reversed = is_reversed
        option = place + 2
        while option < len(args):
            option += self._take(args, option, stores)
        by = _BY_RANK if self._kind is None else self._kind
        if self._limit != -1 and by == _BY_RANK:
            raise CommandError(
                b"ERR syntax error, LIMIT is only supported in combination with either BYSCORE or"
                b" BYLEX"
            )
        if self._with_scores and by == _BY_LEX:
            raise CommandError(
                b"ERR syntax error, WITHSCORES not supported in combination with BYLEX"
            )
        if self._is_reversed and by != _BY_RANK:
            # The upper end comes first.
            self._range = _Range(by, args[place + 1], args[place])
        else:
            self._range = _Range(by, args[place], args[place + 1])
        # Of the other kinds, LIMIT is what counts from the far end.
        self._counts_from_end = by == _BY_RANK and self._is_reversed is True

    def _take(self, args: list[bytes], place: int, stores: bool) -> int:
        """Note the option at ``place``; how many words it has."""
        option = args[place].upper()
        if option == b"WITHSCORES" and not stores:
            self._with_scores = True
        elif option == b"LIMIT" and place + 2 < len(args):
            self._offset = integer(args[place + 1])
            self._limit = integer(args[place + 2])
            return 3
        elif option == b"REV" and self._is_reversed is None:
            self._is_reversed = True
        elif option == b"BYLEX" and self._kind is None:
            self._kind = _BY_LEX
        elif option == b"BYSCORE" and self._kind is None:
            self._kind = _BY_SCORE
        else:
            raise syntax_error()
        return 1

    def answer(self, zset: ZSet) -> object:
        """The reply. O(log n + found)."""
        start, stop = self.ranks(zset)
        if not self._with_scores:
            members = zset.members_between(start, stop)
            if self._is_reversed:
                members.reverse()
            return members
        items = zset.items_between(start, stop)
        if self._is_reversed:
            items.reverse()
        return Pairs([*items])

    def ranks(self, zset: ZSet) -> tuple[int, int]:
        """The ranks from which and up to which (exclusive) it finds members. O(log n)."""
        start, stop = self._range.ranks(zset)
        if self._counts_from_end:
            total = zset.count()
            return total - stop, total - start
        if self._offset < 0:
            return start, start
        if self._is_reversed:
            stop = max(stop - self._offset, start)
            if self._limit >= 0:
                start = max(stop - self._limit, start)
        else:
            start = min(start + self._offset, stop)
            if self._limit >= 0:
                stop = min(start + self._limit, stop)
        return start, stop


def _answer(session: Session, key: bytes, query: _Query) -> object:
    zset = readable_zset(session, key)
    return [] if zset is None else query.answer(zset)


@registry.command(
    "ZRANGE key start:string stop:string [BYSCORE | BYLEX]@6.2.0 [REV]@6.2.0"
    " [LIMIT offset count]@6.2.0 [WITHSCORES]",
    arity=-4,
    flags=READONLY,
    keys=_READ_KEY,
    since="1.2.0",
    complexity="O(log(N)+M) for M members out of N",
    history=[("6.2.0", "REV, BYSCORE, BYLEX and LIMIT.")],
)
def zrange(session: Session, args: list[bytes]) -> object:
    """Reads a range of a sorted set: by rank, by score or by the bytes of members."""
    return _answer(session, args[1], _Query(args, 2, None, None))


@registry.command(
    "ZREVRANGE key start stop [WITHSCORES]",
    arity=-4,
    flags=READONLY,
    keys=_READ_KEY,
    since="1.2.0",
    complexity="O(log(N)+M) for M members out of N",
    deprecated=("6.2.0", "`ZRANGE` with the `REV` argument"),
)
def zrevrange(session: Session, args: list[bytes]) -> object:
    """Reads members by rank, from the highest score on; ZRANGE with REV does the same."""
    return _answer(session, args[1], _Query(args, 2, _BY_RANK, True))


@registry.command(
    "ZRANGEBYSCORE key min:double max:double [WITHSCORES]@2.0.0 [LIMIT offset count]",
    arity=-4,
    flags=READONLY,
    keys=_READ_KEY,
    since="1.0.5",
    complexity=_RANGE_COMPLEXITY,
    history=[("2.0.0", "WITHSCORES.")],
    deprecated=("6.2.0", "`ZRANGE` with the `BYSCORE` argument"),
)
def zrangebyscore(session: Session, args: list[bytes]) -> object:
    """Reads members by score, from the lowest on; ZRANGE with BYSCORE does the same."""
    return _answer(session, args[1], _Query(args, 2, _BY_SCORE, False))


@registry.command(
    "ZREVRANGEBYSCORE key max:double min:double [WITHSCORES] [LIMIT offset count]",
    arity=-4,
    flags=READONLY,
    keys=_READ_KEY,
    since="2.2.0",
    complexity=_RANGE_COMPLEXITY,
    history=[("2.1.6", "Either end may be exclusive.")],
    deprecated=("6.2.0", "`ZRANGE` with the `REV` and `BYSCORE` arguments"),
)
def zrevrangebyscore(session: Session, args: list[bytes]) -> object:
    """Reads members by score, from the highest on; ZRANGE with REV and BYSCORE does the same."""
    return _answer(session, args[1], _Query(args, 2, _BY_SCORE, True))


@registry.command(
    "ZRANGEBYLEX key min max [LIMIT offset count]",
    arity=-4,
    flags=READONLY,
    keys=_READ_KEY,
    since="2.8.9",
    complexity=_RANGE_COMPLEXITY,
    deprecated=("6.2.0", "`ZRANGE` with the `BYLEX` argument"),
)
def zrangebylex(session: Session, args: list[bytes]) -> object:
    """Reads members by their bytes, from the first on; ZRANGE with BYLEX does the same."""
    return _answer(session, args[1], _Query(args, 2, _BY_LEX, False))


@registry.command(
    "ZREVRANGEBYLEX key max min [LIMIT offset count]",
    arity=-4,
    flags=READONLY,
    keys=_READ_KEY,
    since="2.8.9",
    complexity=_RANGE_COMPLEXITY,
    deprecated=("6.2.0", "`ZRANGE` with the `REV` and `BYLEX` arguments"),
)
def zrevrangebylex(session: Session, args: list[bytes]) -> object:
    """Reads members by their bytes, from the last on; ZRANGE with REV and BYLEX does the same."""
    return _answer(session, args[1], _Query(args, 2, _BY_LEX, True))


@registry.command(
    "ZRANGESTORE dst src min max [BYSCORE | BYLEX] [REV] [LIMIT offset count]",
    arity=-5,
    flags=WRITE | DENYOOM,
    keys=[
        KeySpec(1, access="OW UPDATE", needs=NOTHING),
        KeySpec(2, access="RO ACCESS"),
    ],
    since="6.2.0",
    complexity="O(log(N)+M*log(M)) for M members out of N",
)
def zrangestore(session: Session, args: list[bytes]) -> object:
    """Stores a range of a sorted set under another name and answers how many members it has."""
    query = _Query(args, 3, None, None, stores=True)
    zset = readable_zset(session, args[2])
    items: list[tuple[bytes, float]] = []
    if zset is not None:
        start, stop = query.ranks(zset)
        items = zset.items_between(start, stop)
    return store(session, args[1], items, b"zrangestore")


def store(session: Session, key: bytes, items: list[tuple[bytes, float]], event: bytes) -> int:
    """Let ``key`` hold a sorted set of ``items``, which are in order: how many there are.

    Without any the key is deleted.
    """
    if items:
        session.keyspace.put(key, zset_of(items), 0, event)
    else:
        session.keyspace.delete(key, b"del")
    return len(items)


# Counting


@registry.command(
    "ZCOUNT key min:double max:double",
    arity=4,
    flags=READONLY | FAST,
    keys=_READ_KEY,
    since="2.0.0",
    complexity="O(log(N)) in a sorted set of N members",
)
def zcount(session: Session, args: list[bytes]) -> object:
    """Counts the members with scores in a range."""
    return _count(session, args, _BY_SCORE)


@registry.command(
    "ZLEXCOUNT key min max",
    arity=4,
    flags=READONLY | FAST,
    keys=_READ_KEY,
    since="2.8.9",
    complexity="O(log(N)) in a sorted set of N members",
)
def zlexcount(session: Session, args: list[bytes]) -> object:
    """Counts the members whose bytes are in a range."""
    return _count(session, args, _BY_LEX)


def _count(session: Session, args: list[bytes], kind: int) -> int:
    wanted = _Range(kind, args[2], args[3])
    zset = readable_zset(session, args[1])
    if zset is None:
        return 0
    start, stop = wanted.ranks(zset)
    return stop - start


# Removing


@registry.command(
    "ZREMRANGEBYRANK key start stop",
    arity=4,
    flags=WRITE,
    keys=_CUT_KEY,
    since="2.0.0",
    complexity=_REMOVE_COMPLEXITY,
)
def zremrangebyrank(session: Session, args: list[bytes]) -> object:
    """Removes the members with ranks in a range; answers how many there were."""
    return _remove(session, args, _BY_RANK, b"zremrangebyrank")


@registry.command(
    "ZREMRANGEBYSCORE key min:double max:double",
    arity=4,
    flags=WRITE,
    keys=_CUT_KEY,
    since="1.2.0",
    complexity=_REMOVE_COMPLEXITY,
)
def zremrangebyscore(session: Session, args: list[bytes]) -> object:
    """Removes the members with scores in a range; answers how many there were."""
    return _remove(session, args, _BY_SCORE, b"zremrangebyscore")


@registry.command(
    "ZREMRANGEBYLEX key min max",
    arity=4,
    flags=WRITE,
    keys=_CUT_KEY,
    since="2.8.9",
    complexity=_REMOVE_COMPLEXITY,
)
def zremrangebylex(session: Session, args: list[bytes]) -> object:
    """Removes the members whose bytes are in a range; answers how many there were."""
    return _remove(session, args, _BY_LEX, b"zremrangebylex")


def _remove(session: Session, args: list[bytes], kind: int, event: bytes) -> int:
    wanted = _Range(kind, args[2], args[3])
    zset = writable_zset(session, args[1])
    if zset is None:
        return 0
    start, stop = wanted.ranks(zset)
    if start < stop:
        zset.cut(start, stop)
        session.keyspace.shrunk(args[1], event)
    return stop - start
