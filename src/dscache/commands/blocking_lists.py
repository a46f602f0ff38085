"""List commands that wait for an element: BLPOP, BRPOP, BLMPOP, BLMOVE and BRPOPLPUSH.

Each does what its relative in ``dscache.commands.lists`` does, if there is a list; if not, the client is
blocked (``dscache.engine.blocking``) and the command is run again from the top when one has come.
"""

from __future__ import annotations

from typing import Final

from dscache.commands.arguments import timeout_ms
from dscache.commands.lists import (
    MOVED_KEYS,
    SeveralKeys,
    from_head,
    move_element,
    pop_many,
    pop_one,
)
from dscache.engine.blocking import block, is_promised
from dscache.engine.command import BLOCKING, DENYOOM, WRITE, Registry
from dscache.engine.keyspec import HEAD, VALUE, KeySpec
from dscache.engine.session import Session
from dscache.values.base import LIST
from dscache.wire.reply import NULL_ARRAY

registry: Final = Registry("list", "list")

_FRACTIONS: Final = [("6.0.0", "The timeout may have a fraction.")]


def _needs_of_pop(args: list[bytes]) -> int:
    """Of several keys only the first that exists is read; which one, the heads tell."""
    return VALUE if len(args) == 3 else HEAD


_POPPED: Final = [KeySpec(1, access="RW ACCESS DELETE", last=-2, chooser=_needs_of_pop)]


def _pop(session: Session, args: list[bytes], at_head: bool) -> object:
    timeout = timeout_ms(args[-1])
    keys = args[1:-1]
    for key in keys:
        if is_promised(session, key):
            continue
        element = pop_one(session, key, at_head)
        if element is not None:
            return [key, element]
    return block(session, keys, timeout, NULL_ARRAY, LIST)


@registry.command(
    "BLPOP key [key ...] timeout:double",
    arity=-3,
    flags=WRITE | BLOCKING,
    keys=_POPPED,
    since="2.0.0",
    complexity="O(N) for N keys",
    history=_FRACTIONS,
)
def blpop(session: Session, args: list[bytes]) -> object:
    """Removes and answers the first element of the first list that exists, waiting for one."""
    return _pop(session, args, at_head=True)


@registry.command(
    "BRPOP key [key ...] timeout:double",
    arity=-3,
    flags=WRITE | BLOCKING,
    keys=_POPPED,
    since="2.0.0",
    complexity="O(N) for N keys",
    history=_FRACTIONS,
)
def brpop(session: Session, args: list[bytes]) -> object:
    """Removes and answers the last element of the first list that exists, waiting for one."""
    return _pop(session, args, at_head=False)


def _needs_of_blmpop(args: list[bytes]) -> int:
    return VALUE if args[2] == b"1" else HEAD


@registry.command(
    "BLMPOP timeout:double numkeys key [key ...] <LEFT | RIGHT> [COUNT count]",
    arity=-5,
    flags=WRITE | BLOCKING,
    keys=[KeySpec(2, access="RW ACCESS DELETE", count_at=0, first=1, chooser=_needs_of_blmpop)],
    since="7.0.0",
    complexity="O(N+M) for N keys and M elements",
)
def blmpop(session: Session, args: list[bytes]) -> object:
    """Removes and answers elements at one end of the first list that exists, waiting for one."""
    wanted = SeveralKeys(args, 2)
    timeout = timeout_ms(args[1])
    for key in wanted.keys:
        if is_promised(session, key):
            continue
        elements = pop_many(session, key, wanted.count, wanted.at_head)
        if elements is not None:
            return [key, elements]
    return block(session, wanted.keys, timeout, NULL_ARRAY, LIST)


def _move(
    session: Session, args: list[bytes], takes_head: bool, puts_at_head: bool, timeout: int
) -> object:
    source, target = args[1:3]
    if not is_promised(session, source):
        element = move_element(session, source, target, takes_head, puts_at_head)
        if element is not None:
            return element
    if session.engine.core.is_inner:
        # In a transaction it is a null, where the end of waiting is a null array; as in Redis.
        return None
    return block(session, [source], timeout, NULL_ARRAY, LIST)


@registry.command(
    "BLMOVE source destination <LEFT | RIGHT>:wherefrom <LEFT | RIGHT>:whereto timeout:double",
    arity=6,
    flags=WRITE | DENYOOM | BLOCKING,
    keys=MOVED_KEYS,
    since="6.2.0",
    complexity="O(1)",
)
def blmove(session: Session, args: list[bytes]) -> object:
    """Takes an element at one end of a list, waiting for one, and pushes it to an end of another."""
    takes_head = from_head(args[3])
    puts_at_head = from_head(args[4])
    return _move(session, args, takes_head, puts_at_head, timeout_ms(args[5]))


@registry.command(
    "BRPOPLPUSH source destination timeout:double",
    arity=4,
    flags=WRITE | DENYOOM | BLOCKING,
    keys=MOVED_KEYS,
    since="2.2.0",
    complexity="O(1)",
    history=_FRACTIONS,
    deprecated=("6.2.0", "`BLMOVE` with the `RIGHT` and `LEFT` arguments"),
)
def brpoplpush(session: Session, args: list[bytes]) -> object:
    """Takes the last element of a list, waiting for one, and puts it before the first of another."""
    return _move(session, args, False, True, timeout_ms(args[3]))
