"""BZPOPMIN, BZPOPMAX and BZMPOP: popping from sorted sets, waiting for a member if there is none."""

from __future__ import annotations

from typing import Final

from dscache.commands.arguments import timeout_ms
from dscache.commands.sorted_sets import PopArguments, pop, writable_zset
from dscache.engine.blocking import block
from dscache.engine.command import BLOCKING, FAST, WRITE, Registry
from dscache.engine.keyspec import KeySpec
from dscache.engine.session import Session
from dscache.values.base import ZSET
from dscache.wire.reply import NULL_ARRAY

registry: Final = Registry("sorted-set", "sortedset")

_POPPED_KEYS: Final = [KeySpec(1, access="RW ACCESS DELETE", last=-2)]


@registry.command(
    "BZPOPMIN key [key ...] timeout:double",
    arity=-3,
    flags=WRITE | FAST | BLOCKING,
    keys=_POPPED_KEYS,
    since="5.0.0",
    complexity="O(log(N)) in a sorted set of N members",
    history=[("6.0.0", "The timeout may have a fraction.")],
)
def bzpopmin(session: Session, args: list[bytes]) -> object:
    """Removes the member with the lowest score from the first sorted set that exists, or waits for one."""
    return _pop_or_wait(session, args, False)


@registry.command(
    "BZPOPMAX key [key ...] timeout:double",
    arity=-3,
    flags=WRITE | FAST | BLOCKING,
    keys=_POPPED_KEYS,
    since="5.0.0",
    complexity="O(log(N)) in a sorted set of N members",
    history=[("6.0.0", "The timeout may have a fraction.")],
)
def bzpopmax(session: Session, args: list[bytes]) -> object:
    """Removes the member with the highest score from the first sorted set that exists, or waits for one."""
    return _pop_or_wait(session, args, True)


def _pop_or_wait(session: Session, args: list[bytes], highest: bool) -> object:
    timeout = timeout_ms(args[-1])
    keys = args[1:-1]
    for key in keys:
        zset = writable_zset(session, key)
        if zset is not None:
            member, score = pop(session, key, zset, 1, highest)[0]
            return [key, member, score]
    return block(session, keys, timeout, NULL_ARRAY, ZSET)


@registry.command(
    "BZMPOP timeout:double numkeys key [key ...] <MIN | MAX> [COUNT count]",
    arity=-5,
    flags=WRITE | BLOCKING,
    keys=[KeySpec(2, access="RW ACCESS DELETE", count_at=0, first=1)],
    since="7.0.0",
    complexity="O(K+M*log(N)) for K keys and M members out of N",
)
def bzmpop(session: Session, args: list[bytes]) -> object:
    """Removes members with the lowest or highest scores from the first sorted set that exists, or waits
    for one."""
    wanted = PopArguments(args, 2)
    timeout = timeout_ms(args[1])
    reply = wanted.pop(session)
    if reply is None:
        return block(session, wanted.keys, timeout, NULL_ARRAY, ZSET)
    return reply
