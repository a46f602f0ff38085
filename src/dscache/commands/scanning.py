"""SCAN, KEYS, RANDOMKEY and DBSIZE: a database as a whole, on disk and in memory (``engine.scanning``)."""

from __future__ import annotations

from collections.abc import Callable
from random import choice, randrange
from typing import Final

from dscache.commands.arguments import syntax_error
from dscache.commands.scan_arguments import DEFAULT_COUNT, every, matcher, scan_count, scan_cursor
from dscache.engine.command import FAST, READONLY, Registry
from dscache.engine.scanning import Found
from dscache.engine.session import Session
from dscache.engine.waiting import JobFault
from dscache.errors import CommandError
from dscache.store.layout import POSITION_END, SLOTS
from dscache.values.base import TYPE_NAMES

registry: Final = Registry("generic", "keyspace")
_server_registry: Final = Registry("server", "keyspace")

# SCAN gets no more than this at a time, whatever its COUNT: one page so takes about ten milliseconds
# of everybody's time. The cursor leads on, and the guarantee is the same.
_MAX_COUNT: Final = 10_000

_ANY_TYPE: Final = -1
_UNKNOWN_TYPE: Final = -2

# RANDOMKEY chooses among so many keys that follow a random place. Alone, a key that follows a wide gap
# would be chosen more often; among 16 neighbours that is nearly evened out.
_NEIGHBOURS: Final = 16

# If all of them have expired, it looks at so many.
_MORE_NEIGHBOURS: Final = (256, 4096)

_SLOT_WIDTH: Final = POSITION_END // SLOTS


# SCAN and KEYS


@registry.command(
    "SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]@6.0.0",
    arity=-2,
    flags=READONLY,
    since="2.8.0",
    complexity="O(1) for every call; O(N) for a whole iteration, where N is the number of keys",
    history=[("6.0.0", "TYPE.")],
    tips="nondeterministic_output request_policy:special response_policy:special",
)
def scan(session: Session, args: list[bytes]) -> object:
    """Goes through all keys a few at a time: answers the next cursor, 0 at the end, and some keys."""
    start = scan_cursor(args[1])
    count = DEFAULT_COUNT
    matches: Callable[[bytes], bool] = every
    type_code = _ANY_TYPE
    place = 2
    while place < len(args):
        option = args[place].upper()
        if option == b"NOVALUES":
            raise CommandError(b"ERR NOVALUES option can only be used in HSCAN")
        if place + 1 == len(args):
            raise syntax_error()
        argument = args[place + 1]
        if option == b"COUNT":
            count = scan_count(argument)
        elif option == b"MATCH":
            matches = matcher(argument)
        elif option == b"TYPE":
            type_code = _type_code(argument)
        else:
            raise syntax_error()
        place += 2
    if start >= POSITION_END:
        return [b"0", []]
    engine = session.engine
    page = engine.scanner.page(session.keyspace.space, start, min(count, _MAX_COUNT))
    keys = [
        found.key
        for found in page.found
        if type_code in (_ANY_TYPE, found.type_code) and matches(found.key)
    ]
    for key, due_ms in page.due:
        session.keyspace.expire_from_index(key, due_ms)
    end = page.next_position
    return [b"0" if end >= POSITION_END else b"%d" % end, keys]


def _type_code(name: bytes) -> int:
    name = name.lower()
    return TYPE_NAMES.index(name) if name in TYPE_NAMES else _UNKNOWN_TYPE


@registry.command(
    "KEYS pattern",
    arity=2,
    flags=READONLY,
    since="1.0.0",
    complexity="O(N) where N is the number of keys in the database",
    categories="dangerous",
    tips="request_policy:all_shards nondeterministic_output_order",
)
def keys(session: Session, args: list[bytes]) -> object:
    """Lists all keys that match a glob pattern, as of one instant; others go on meanwhile."""
    return session.engine.scanner.all_matching(session.keyspace.space, matcher(args[1]))


# RANDOMKEY


@registry.command(
    "RANDOMKEY",
    arity=1,
    flags=READONLY,
    since="1.0.0",
    complexity="O(1)",
    tips="request_policy:all_shards response_policy:special nondeterministic_output",
)
def randomkey(session: Session, args: list[bytes]) -> object:
    """Picks a key at random; null if the database is empty.

    A random place in the order of keys does for most databases. But keys with a common hash tag
    share one of 16384 slots, and nearly every place lies before them all; so if the next key is in
    another slot than the place drawn, the place is moved to a random one inside that slot. Slots are
    equally likely then, whatever they hold, and so are the keys of one slot.
    """
    space = session.keyspace.space
    if space.keys == 0:
        return None
    if space.keys <= _NEIGHBOURS:
        place = 0
        offset = 0
    else:
        place, offset = _draw(session)
    found, is_all = _following(session, place, _NEIGHBOURS)
    if found and not is_all and found[0].position // _SLOT_WIDTH != place // _SLOT_WIDTH:
        place = found[0].position // _SLOT_WIDTH * _SLOT_WIDTH + offset
        found, is_all = _following(session, place, _NEIGHBOURS)
    for count in _MORE_NEIGHBOURS:
        if found or is_all:
            break
        found, is_all = _following(session, place, count)
    if found or is_all:
        return choice(found).key if found else None
    # Thousands of expired keys in a row, in an order that is as good as random: hardly one in a
    # thousand of all keys is still alive, so these are not many.
    alive = session.engine.scanner.all_matching(space, every)
    return choice(alive) if alive else None


def _draw(session: Session) -> tuple[int, int]:
    """A random place, and a random offset in a slot: once for the command, however often it runs."""
    wait = session.engine.core.wait
    if wait is None or "draw" not in wait.results:
        drawn = (randrange(POSITION_END), randrange(_SLOT_WIDTH))
        raise JobFault("draw", lambda: drawn)
    kept = wait.results["draw"]
    assert isinstance(kept, tuple)
    return kept


def _following(session: Session, start: int, count: int) -> tuple[list[Found], bool]:
    """(at most ``count`` keys from ``start`` on, the first ones following the last; whether there
    are no others). Fewer if some have expired."""
    scanner = session.engine.scanner
    space = session.keyspace.space
    page = scanner.page(space, start, count)
    if len(page.found) >= count or page.next_position < POSITION_END:
        return page.found[:count], False
    if start == 0:
        return page.found, True
    missing = count - len(page.found)
    first_page = scanner.page(space, 0, missing)
    before = [found for found in first_page.found if found.position < start]
    is_all = first_page.next_position >= start and len(before) <= missing
    return page.found + before[:missing], is_all


# DBSIZE


@_server_registry.command(
    "DBSIZE",
    arity=1,
    flags=READONLY | FAST,
    since="1.0.0",
    complexity="O(1)",
    tips="request_policy:all_shards response_policy:agg_sum",
)
def dbsize(session: Session, args: list[bytes]) -> object:
    """Counts the keys of the database, exactly; waits for a flush if SETs have left that open."""
    return session.keyspace.count()


registry.commands.extend(_server_registry.commands)
