"""Unions, intersections and differences of sorted sets and sets, answered, counted or stored.

A member of a set has score 1. As in Redis, unions and intersections take the smallest set first, which
decides in what order scores are added up, and so their last digits.
"""

from __future__ import annotations

from typing import Final

from dscache.commands.arguments import double, integer, syntax_error
from dscache.commands.sorted_set_ranges import store
from dscache.commands.sorted_sets import at_least
from dscache.engine.command import DENYOOM, READONLY, WRITE, Registry
from dscache.engine.errors import WRONG_TYPE
from dscache.engine.keyspec import NOTHING, KeySpec
from dscache.engine.session import Session
from dscache.errors import CommandError
from dscache.values.set import Set
from dscache.values.zset import ZSet
from dscache.wire.reply import Pairs

registry: Final = Registry("sorted-set", "sortedset")

_KEYS: Final = [KeySpec(1, access="RO ACCESS", count_at=0, first=1)]
_STORE_KEYS: Final = [
    KeySpec(1, access="OW UPDATE", needs=NOTHING),
    KeySpec(2, access="RO ACCESS", count_at=0, first=1),
]

_UNION: Final = 0
_INTERSECTION: Final = 1
_DIFFERENCE: Final = 2

_INTER_COMPLEXITY: Final = (
    "O(N*K+M*log(M)) for K sets, N members of the smallest, and M that they share"
)
_DIFF_COMPLEXITY: Final = "O(N+M*log(M)) for N members of all sets, of which M are left"


class _Source:
    """One of the sets, with its weight; what does not exist is empty."""

    def __init__(self, zset: ZSet | None, plain: Set | None) -> None:
        self._zset: Final = zset
        self._plain: Final = plain
        self.weight = 1.0

    def count(self) -> int:
        """Number of members."""
        if self._zset is not None:
            return self._zset.count()
        return 0 if self._plain is None else self._plain.count()

    def score(self, member: bytes) -> float | None:
        """The score of ``member`` without the weight, or None."""
        if self._zset is not None:
            return self._zset.score(member)
        return 1.0 if self._plain is not None and self._plain.has(member) else None

    def items(self) -> list[tuple[bytes, float]]:
        """Members and scores without the weight. O(n)."""
        if self._zset is not None:
            return self._zset.items()
        return [] if self._plain is None else [(member, 1.0) for member in self._plain.members()]

    def members(self) -> list[bytes]:
        """Members, in any order. O(n)."""
        if self._zset is not None:
            return self._zset.members()
        return [] if self._plain is None else self._plain.members()


class _Operation:
    """Sources and options: ``args`` from the number of keys at ``place`` on. Raises CommandError."""

    def __init__(self, session: Session, args: list[bytes], place: int, kind: int) -> None:
        self._kind: Final = kind
        self._combine = b"SUM"
        self.with_scores = False
        #: Of ZINTERCARD: 0 is none.
        self.limit = 0
        numkeys = integer(args[place])
        if numkeys < 1:
            name = args[0].lower()
            raise CommandError(b"ERR at least 1 input key is needed for '" + name + b"' command")
        place += 1
        if numkeys > len(args) - place:
            raise syntax_error()
        self.sources: Final = [_source(session, key) for key in args[place : place + numkeys]]
        self._options: Final = args[place + numkeys :]

    def read_options(self, has_weights: bool, may_have_scores: bool, has_limit: bool) -> None:
        """Note the options, of which only these are known. Raises CommandError."""
        options = self._options
        place = 0
        while place < len(options):
            option = options[place].upper()
            left = len(options) - place
            if has_weights and option == b"WEIGHTS" and left > len(self.sources):
                for source in self.sources:
                    place += 1
                    source.weight = double(options[place], b"ERR weight value is not a float")
            elif has_weights and option == b"AGGREGATE" and left >= 2:
                place += 1
                self._combine = options[place].upper()
                if self._combine not in (b"SUM", b"MIN", b"MAX"):
                    raise syntax_error()
            elif may_have_scores and option == b"WITHSCORES":
                self.with_scores = True
            elif has_limit and option == b"LIMIT" and left >= 2:
                place += 1
                self.limit = at_least(0, options[place], b"ERR LIMIT can't be negative")
            else:
                raise syntax_error()
            place += 1

    def result(self) -> list[tuple[float, bytes]]:
        """Scores and members of the result, in order. O(n log n)."""
        if self._kind == _UNION:
            scores = self._union()
        elif self._kind == _INTERSECTION:
            scores = self._intersection()
        else:
            scores = self._difference()
        return sorted(zip(scores.values(), scores.keys(), strict=True))

    def _union(self) -> dict[bytes, float]:
        scores: dict[bytes, float] = {}
        for source in sorted(self.sources, key=_Source.count):
            for member, score in source.items():
                weighted = _or_zero(score * source.weight)
                before = scores.get(member)
                scores[member] = weighted if before is None else self._aggregate(before, weighted)
        return scores

    def _intersection(self) -> dict[bytes, float]:
        scores: dict[bytes, float] = {}
        first, *others = sorted(self.sources, key=_Source.count)
        for member, score in first.items():
            total = _or_zero(score * first.weight)
            for other in others:
                another = other.score(member)
                if another is None:
                    break
                total = self._aggregate(total, another * other.weight)
            else:
                scores[member] = total
        return scores

    def _aggregate(self, one: float, other: float) -> float:
        if self._combine == b"SUM":
            return _or_zero(one + other)
        if self._combine == b"MIN":
            return min(one, other)
        return max(one, other)

    def _difference(self) -> dict[bytes, float]:
        first, *others = self.sources
        scores = dict(first.items())
        for other in others:
            if not scores:
                break
            if other.count() < len(scores):
                for member in other.members():
                    scores.pop(member, None)
            else:
                scores = {
                    member: score for member, score in scores.items() if other.score(member) is None
                }
        return scores

    def count_intersection(self) -> int:
        """How many members all sources have; no more than the limit are looked for."""
        first, *others = sorted(self.sources, key=_Source.count)
        found = 0
        for member in first.members():
            if all(other.score(member) is not None for other in others):
                found += 1
                if found == self.limit:
                    break
        return found


def _source(session: Session, key: bytes) -> _Source:
    value = session.keyspace.for_read(key)
    if value is None:
        return _Source(None, None)
    if isinstance(value, ZSet):
        return _Source(value, None)
    if isinstance(value, Set):
        return _Source(None, value)
    raise CommandError(WRONG_TYPE)


def _or_zero(score: float) -> float:
    """0 for what is no number: infinity less infinity, or 0 times infinity."""
    return score if score == score else 0.0


# Answering


def _answer(session: Session, args: list[bytes], kind: int) -> object:
    operation = _Operation(session, args, 1, kind)
    operation.read_options(kind != _DIFFERENCE, True, False)
    result = operation.result()
    if operation.with_scores:
        return Pairs([(member, score) for score, member in result])
    return [member for _, member in result]


@registry.command(
    "ZUNION numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX>]"
    " [WITHSCORES]",
    arity=-3,
    flags=READONLY,
    keys=_KEYS,
    since="6.2.0",
    complexity="O(N+M*log(M)) for N members of all sets, M different ones",
)
def zunion(session: Session, args: list[bytes]) -> object:
    """Answers the members of any of several sorted sets, scores combined."""
    return _answer(session, args, _UNION)


@registry.command(
    "ZINTER numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX>]"
    " [WITHSCORES]",
    arity=-3,
    flags=READONLY,
    keys=_KEYS,
    since="6.2.0",
    complexity=_INTER_COMPLEXITY,
)
def zinter(session: Session, args: list[bytes]) -> object:
    """Answers the members that all of several sorted sets have, scores combined."""
    return _answer(session, args, _INTERSECTION)


@registry.command(
    "ZDIFF numkeys key [key ...] [WITHSCORES]",
    arity=-3,
    flags=READONLY,
    keys=_KEYS,
    since="6.2.0",
    complexity=_DIFF_COMPLEXITY,
)
def zdiff(session: Session, args: list[bytes]) -> object:
    """Answers the members of a sorted set that none of several others has."""
    return _answer(session, args, _DIFFERENCE)


@registry.command(
    "ZINTERCARD numkeys key [key ...] [LIMIT limit]",
    arity=-3,
    flags=READONLY,
    keys=_KEYS,
    since="7.0.0",
    complexity="O(N*K) for K sets and N members of the smallest",
)
def zintercard(session: Session, args: list[bytes]) -> object:
    """Counts the members that all of several sorted sets have, up to a limit if wanted."""
    operation = _Operation(session, args, 1, _INTERSECTION)
    operation.read_options(False, False, True)
    return operation.count_intersection()


# Storing


def _store(session: Session, args: list[bytes], kind: int, event: bytes) -> int:
    operation = _Operation(session, args, 2, kind)
    operation.read_options(kind != _DIFFERENCE, False, False)
    result = operation.result()
    return store(session, args[1], [(member, score) for score, member in result], event)


@registry.command(
    "ZUNIONSTORE destination numkeys key [key ...] [WEIGHTS weight [weight ...]]"
    " [AGGREGATE <SUM | MIN | MAX>]",
    arity=-4,
    flags=WRITE | DENYOOM,
    keys=_STORE_KEYS,
    since="2.0.0",
    complexity="O(N+M*log(M)) for N members of all sets, M different ones",
)
def zunionstore(session: Session, args: list[bytes]) -> object:
    """Stores the union of several sorted sets and answers how many members it has."""
    return _store(session, args, _UNION, b"zunionstore")


@registry.command(
    "ZINTERSTORE destination numkeys key [key ...] [WEIGHTS weight [weight ...]]"
    " [AGGREGATE <SUM | MIN | MAX>]",
    arity=-4,
    flags=WRITE | DENYOOM,
    keys=_STORE_KEYS,
    since="2.0.0",
    complexity=_INTER_COMPLEXITY,
)
def zinterstore(session: Session, args: list[bytes]) -> object:
    """Stores the intersection of several sorted sets and answers how many members it has."""
    return _store(session, args, _INTERSECTION, b"zinterstore")


@registry.command(
    "ZDIFFSTORE destination numkeys key [key ...]",
    arity=-4,
    flags=WRITE | DENYOOM,
    keys=_STORE_KEYS,
    since="6.2.0",
    complexity=_DIFF_COMPLEXITY,
)
def zdiffstore(session: Session, args: list[bytes]) -> object:
    """Stores the members of a sorted set that none of several others has; answers how many."""
    return _store(session, args, _DIFFERENCE, b"zdiffstore")
