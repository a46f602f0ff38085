"""Sorted sets, member by member: ZADD, ZREM, ZSCORE, ZRANK and their relatives, popping, ZSCAN.

Ranges are in ``sorted_set_ranges``, several sets at once in ``sorted_set_algebra``, waiting in
``blocking_sorted_sets``. All find their sets through the functions at the top.
"""

from __future__ import annotations

import random
from typing import Final

from mypy_extensions import i64

from dscache.commands.arguments import (
    I64_MAX,
    double,
    integer,
    integer_between,
    syntax_error,
)
from dscache.commands.scan_arguments import ElementOptions, scan_cursor
from dscache.engine.command import DENYOOM, FAST, READONLY, WRITE, Registry
from dscache.engine.errors import WRONG_TYPE
from dscache.engine.keyspec import KeySpec
from dscache.engine.session import Session
from dscache.errors import CommandError
from dscache.values.zset import ZSet
from dscache.wire.encoder import format_double
from dscache.wire.reply import NULL_ARRAY, Pairs

registry: Final = Registry("sorted-set", "sortedset")

_READ_KEY: Final = [KeySpec(1, access="RO ACCESS")]
_POPPED_KEY: Final = [KeySpec(1, access="RW ACCESS DELETE")]

_NINE: Final = 57

_NAN: Final = b"ERR resulting score is not a number (NaN)"

# ZRANDMEMBER with a negative count may name a member again and again; the reply has to be made in memory.
_MOST_REPEATED: Final = 1_000_000

# Getting one member by its rank takes about as long as listing so many.
_LISTED_PER_RANK: Final = 32


def readable_zset(session: Session, key: bytes) -> ZSet | None:
    """The sorted set at ``key`` for reading, None if there is no such key; raises CommandError if it
    holds something else."""
    value = session.keyspace.for_read(key)
    if value is not None and not isinstance(value, ZSet):
        raise CommandError(WRONG_TYPE)
    return value


def writable_zset(session: Session, key: bytes) -> ZSet | None:
    """As ``readable_zset``, for changing it in place; it need not be changed after all."""
    value = session.keyspace.for_write(key)
    if value is not None and not isinstance(value, ZSet):
        raise CommandError(WRONG_TYPE)
    return value


# Adding and removing


class _AddOptions:
    """Options of ZADD: ``args`` from the third on. Raises CommandError."""

    def __init__(self, args: list[bytes]) -> None:
        self.only_new = False
        self.only_existing = False
        self.only_greater = False
        self.only_less = False
        self.counts_changed = False
        self.increments = False
        place: i64 = 2
        count: i64 = len(args)
        # What does not begin with a letter is a score, and spares the comparisons.
        while place < count and _may_be_option(args[place]) and self._take(args[place].upper()):
            place += 1
        #: Where pairs of scores and members begin.
        self.first_pair: i64 = place
        pairs = (count - place) // 2
        if pairs == 0 or (count - place) % 2 != 0:
            raise syntax_error()
        if self.only_new and self.only_existing:
            raise CommandError(b"ERR XX and NX options at the same time are not compatible")
        if self.only_new + self.only_greater + self.only_less > 1:
            raise CommandError(b"ERR GT, LT, and/or NX options at the same time are not compatible")
        if self.increments and pairs > 1:
            raise CommandError(b"ERR INCR option supports a single increment-element pair")

    def _take(self, option: bytes) -> bool:
        """Note ``option``; whether it is one."""
        if option == b"NX":
            self.only_new = True
        elif option == b"XX":
            self.only_existing = True
        elif option == b"GT":
            self.only_greater = True
        elif option == b"LT":
            self.only_less = True
        elif option == b"CH":
            self.counts_changed = True
        elif option == b"INCR":
            self.increments = True
        else:
            return False
        return True

    def allows(self, old: float | None, new: float) -> bool:
        """Whether a member with score ``old``, None if it is not there, may get score ``new``."""
        if old is None:
            return not self.only_existing
        if self.only_new:
            return False
        return not (self.only_greater and new <= old) and not (self.only_less and new >= old)


def _may_be_option(text: bytes) -> bool:
    return len(text) > 0 and text[0] > _NINE


@registry.command(
    "ZADD key [NX | XX]@3.0.2 [GT | LT]@6.2.0 [CH]@3.0.2 [INCR]@3.0.2 score member [score member ...]",
    arity=-4,
    flags=WRITE | DENYOOM | FAST,
    keys=[KeySpec(1, access="RW UPDATE")],
    since="1.2.0",
    complexity="O(M*log(N)) for M members, in a sorted set of N",
    history=[
        ("2.4.0", "Several members in one call."),
        ("3.0.2", "XX, NX, CH and INCR."),
        ("6.2.0", "GT and LT."),
    ],
)
def zadd(session: Session, args: list[bytes]) -> object:
    """Adds members with scores to a sorted set, or gives them other scores; answers how many are new."""
    options = _AddOptions(args)
    first = options.first_pair
    scores = [double(args[place]) for place in range(first, len(args), 2)]
    if options.increments:
        return _increment(session, args[1], options, scores[0], args[first + 1])
    key = args[1]
    old = writable_zset(session, key)
    if old is None and options.only_existing:
        return 0
    zset = ZSet() if old is None else old
    added = 0
    changed = 0
    place = first + 1
    for score in scores:
        member = args[place]
        place += 2
        before = zset.score(member)
        if before != score and options.allows(before, score):
            zset.add(member, score)
            if before is None:
                added += 1
            else:
                changed += 1
    if added or changed:
        _tell_change(session, key, old, zset, b"zadd")
    return added + changed if options.counts_changed else added


@registry.command(
    "ZINCRBY key increment member",
    arity=4,
    flags=WRITE | DENYOOM | FAST,
    keys=[KeySpec(1, access="RW ACCESS UPDATE")],
    since="1.2.0",
    complexity="O(log(N)) in a sorted set of N members",
)
def zincrby(session: Session, args: list[bytes]) -> object:
    """Adds to the score of a member, which counts as 0 if it is not there; answers the new score."""
    increment = double(args[2])
    return _increment(session, args[1], None, increment, args[3])


def _increment(
    session: Session, key: bytes, options: _AddOptions | None, increment: float, member: bytes
) -> float | None:
    """The new score of ``member``, or None if the options do not allow it."""
    old = writable_zset(session, key)
    before = None if old is None else old.score(member)
    if before is not None and options is not None and options.only_new:
        return None
    score = increment if before is None else before + increment
    if score != score:
        raise CommandError(_NAN)
    if options is not None and not options.allows(before, score):
        return None
    if score != before:
        zset = ZSet() if old is None else old
        zset.add(member, score)
        _tell_change(session, key, old, zset, b"zincr")
    return score


def _tell_change(
    session: Session, key: bytes, old: ZSet | None, changed: ZSet, event: bytes
) -> None:
    """``changed`` has got members or scores: it is ``old``, which the key holds, or new."""
    if old is None:
        session.keyspace.put(key, changed, 0, event)
    else:
        session.keyspace.changed(key, event)


@registry.command(
    "ZREM key member [member ...]",
    arity=-3,
    flags=WRITE | FAST,
    keys=[KeySpec(1, access="RW DELETE")],
    since="1.2.0",
    complexity="O(M*log(N)) for M members out of N",
    history=[("2.4.0", "Several members in one call.")],
)
def zrem(session: Session, args: list[bytes]) -> object:
    """Removes members from a sorted set, and the key with the last one; answers how many there were."""
    zset = writable_zset(session, args[1])
    if zset is None:
        return 0
    removed = 0
    for place in range(2, len(args)):
        if zset.remove(args[place]):
            removed += 1
    if removed:
        session.keyspace.shrunk(args[1], b"zrem")
    return removed


# Looking


@registry.command(
    "ZCARD key",
    arity=2,
    flags=READONLY | FAST,
    keys=[KeySpec(1, access="RO")],
    since="1.2.0",
    complexity="O(1)",
)
def zcard(session: Session, args: list[bytes]) -> object:
    """Counts the members of a sorted set."""
    zset = readable_zset(session, args[1])
    return 0 if zset is None else zset.count()


@registry.command(
    "ZSCORE key member",
    arity=3,
    flags=READONLY | FAST,
    keys=_READ_KEY,
    since="1.2.0",
    complexity="O(1)",
)
def zscore(session: Session, args: list[bytes]) -> object:
    """Answers the score of a member; null if it is not there."""
    zset = readable_zset(session, args[1])
    return None if zset is None else zset.score(args[2])


@registry.command(
    "ZMSCORE key member [member ...]",
    arity=-3,
    flags=READONLY | FAST,
    keys=_READ_KEY,
    since="6.2.0",
    complexity="O(N) for N members",
)
def zmscore(session: Session, args: list[bytes]) -> object:
    """Answers the scores of several members; null for those that are not there."""
    zset = readable_zset(session, args[1])
    found: list[object] = []
    for place in range(2, len(args)):
        found.append(None if zset is None else zset.score(args[place]))
    return found


@registry.command(
    "ZRANK key member [WITHSCORE]",
    arity=-3,
    flags=READONLY | FAST,
    keys=_READ_KEY,
    since="2.0.0",
    complexity="O(log(N))",
    history=[("7.2.0", "WITHSCORE.")],
)
def zrank(session: Session, args: list[bytes]) -> object:
    """Answers the rank of a member, 0 for the lowest score; null if it is not there."""
    return _rank(session, args, False)


@registry.command(
    "ZREVRANK key member [WITHSCORE]",
    arity=-3,
    flags=READONLY | FAST,
    keys=_READ_KEY,
    since="2.0.0",
    complexity="O(log(N))",
    history=[("7.2.0", "WITHSCORE.")],
)
def zrevrank(session: Session, args: list[bytes]) -> object:
    """Answers the rank of a member, 0 for the highest score; null if it is not there."""
    return _rank(session, args, True)


def _rank(session: Session, args: list[bytes], is_reversed: bool) -> object:
    if len(args) > 4:
        name = args[0].lower()
        raise CommandError(b"ERR wrong number of arguments for '" + name + b"' command")
    with_score = len(args) == 4
    if with_score and args[3].upper() != b"WITHSCORE":
        raise syntax_error()
    zset = readable_zset(session, args[1])
    rank = None if zset is None else zset.rank(args[2])
    if zset is None or rank is None:
        return NULL_ARRAY if with_score else None
    if is_reversed:
        rank = zset.count() - 1 - rank
    return [rank, zset.score(args[2])] if with_score else rank


# Popping


@registry.command(
    "ZPOPMIN key [count]",
    arity=-2,
    flags=WRITE | FAST,
    keys=_POPPED_KEY,
    since="5.0.0",
    complexity="O(M*log(N)) for M members out of N",
)
def zpopmin(session: Session, args: list[bytes]) -> object:
    """Removes the members with the lowest scores and answers them with their scores."""
    return _pop(session, args, False)


@registry.command(
    "ZPOPMAX key [count]",
    arity=-2,
    flags=WRITE | FAST,
    keys=_POPPED_KEY,
    since="5.0.0",
    complexity="O(M*log(N)) for M members out of N",
)
def zpopmax(session: Session, args: list[bytes]) -> object:
    """Removes the members with the highest scores and answers them with their scores."""
    return _pop(session, args, True)


def _pop(session: Session, args: list[bytes], highest: bool) -> object:
    if len(args) > 3:
        raise syntax_error()
    count = 1
    if len(args) == 3:
        count = at_least(0, args[2], b"ERR value is out of range, must be positive")
    zset = writable_zset(session, args[1])
    if zset is None or count == 0:
        return []
    popped = pop(session, args[1], zset, count, highest)
    # A single one is not nested, in RESP3 neither.
    return list(popped[0]) if len(args) == 2 else Pairs([*popped])


def pop(
    session: Session, key: bytes, zset: ZSet, count: int, highest: bool
) -> list[tuple[bytes, float]]:
    """Remove up to ``count`` > 0 members with the lowest or the highest scores from ``zset``, which
    ``for_write(key)`` gave and is not empty: those members and their scores, the outermost first."""
    total = zset.count()
    count = min(count, total)
    start = total - count if highest else 0
    popped = zset.items_between(start, start + count)
    if highest:
        popped.reverse()
    zset.cut(start, start + count)
    session.keyspace.shrunk(key, b"zpopmax" if highest else b"zpopmin")
    return popped


class PopArguments:
    """What ZMPOP and BZMPOP have in common: ``args`` from the number of keys at ``place`` on.

    Raises CommandError.
    """

    def __init__(self, args: list[bytes], place: int) -> None:
        error = b"ERR numkeys should be greater than 0"
        keys_end = place + 1 + at_least(1, args[place], error)
        if keys_end >= len(args):
            raise syntax_error()
        self.keys: Final = args[place + 1 : keys_end]
        where = args[keys_end].upper()
        if where not in (b"MIN", b"MAX"):
            raise syntax_error()
        self.highest: Final = where == b"MAX"
        self.count = 1
        options = args[keys_end + 1 :]
        if options:
            if len(options) < 2 or options[0].upper() != b"COUNT":
                raise syntax_error()
            self.count = at_least(1, options[1], b"ERR count should be greater than 0")
            if len(options) > 2:
                raise syntax_error()

    def pop(self, session: Session) -> object:
        """[key, members with scores] of the first key that exists, which is popped; else None."""
        for key in self.keys:
            zset = writable_zset(session, key)
            if zset is not None:
                popped = pop(session, key, zset, self.count, self.highest)
                return [key, [list(pair) for pair in popped]]
        return None


def at_least(least: int, text: bytes, error: bytes) -> int:
    """An integer that is not less than ``least``; raises CommandError(error) for all else."""
    number = integer(text, error)
    if number < least:
        raise CommandError(error)
    return number


@registry.command(
    "ZMPOP numkeys key [key ...] <MIN | MAX> [COUNT count]",
    arity=-4,
    flags=WRITE,
    keys=[KeySpec(1, access="RW ACCESS DELETE", count_at=0, first=1)],
    since="7.0.0",
    complexity="O(K+M*log(N)) for K keys and M members out of N",
)
def zmpop(session: Session, args: list[bytes]) -> object:
    """Removes members with the lowest or highest scores from the first sorted set that exists."""
    reply = PopArguments(args, 1).pop(session)
    return NULL_ARRAY if reply is None else reply


# Random members and scanning


@registry.command(
    "ZRANDMEMBER key [count [WITHSCORES]]",
    arity=-2,
    flags=READONLY,
    keys=_READ_KEY,
    since="6.2.0",
    complexity="O(N) for N members",
    tips="nondeterministic_output",
)
def zrandmember(session: Session, args: list[bytes]) -> object:
    """Picks members at random: different ones, or with a negative count any, again and again."""
    if len(args) == 2:
        zset = readable_zset(session, args[1])
        return None if zset is None else zset.random_member()
    count = integer_between(
        args[2],
        -I64_MAX,
        I64_MAX,
        b"ERR value is out of range, value must between -%d and %d" % (I64_MAX, I64_MAX),
    )
    with_scores = len(args) == 4
    if len(args) > 4 or (with_scores and args[3].upper() != b"WITHSCORES"):
        raise syntax_error()
    if abs(count) > (I64_MAX // 2 if with_scores else I64_MAX) or count < -_MOST_REPEATED:
        raise CommandError(b"ERR value is out of range")
    zset = readable_zset(session, args[1])
    if zset is None:
        return []
    items = _random_items(zset, count)
    return Pairs([*items]) if with_scores else [member for member, _ in items]


def _random_items(zset: ZSet, count: int) -> list[tuple[bytes, float]]:
    """``count`` different members with their scores, or all; with a negative count so many draws."""
    total = zset.count()
    if count >= total:
        return zset.items()
    indexes = range(total)
    ranks = random.sample(indexes, count) if count >= 0 else random.choices(indexes, k=-count)
    if len(ranks) * _LISTED_PER_RANK > total:
        items = zset.items()
        return [items[rank] for rank in ranks]
    return [zset.items_between(rank, rank + 1)[0] for rank in ranks]


@registry.command(
    "ZSCAN key cursor [MATCH pattern] [COUNT count]",
    arity=-3,
    flags=READONLY,
    keys=_READ_KEY,
    since="2.8.0",
    complexity="O(1) for every call; O(N) for a whole iteration, where N is the number of members",
    tips="nondeterministic_output",
)
def zscan(session: Session, args: list[bytes]) -> object:
    """Goes through a sorted set a few members at a time, with their scores."""
    cursor = scan_cursor(args[2])
    zset = readable_zset(session, args[1])
    if zset is None:
        return [b"0", []]
    options = ElementOptions(args)
    is_packed = zset.encoding(session.engine.config) != b"skiplist"
    following, members = zset.scan(cursor, options.count, is_packed)
    found: list[object] = []
    for member in members:
        if options.matches(member):
            score = zset.score(member)
            assert score is not None
            found.append(member)
            # Redis prints scores in another way once it keeps a skiplist.
            found.append(format_double(score) if is_packed else b"%.17g" % score)
    return [b"%d" % following, found]
