"""Rate limiting: a token bucket for each user, in one Lua script.

    dscache serve --port 7000 &
    DSCACHE_URL=redis://127.0.0.1:7000 python3 examples/token_bucket.py

Why dscache: millions of users may have a bucket, and memory has those of users who are active; the
script declares its key, so a bucket that is on disk is loaded before it runs, and nobody else waits.

What to look at: a bucket is a single number, the time at which it will be full again, and expires
at that time. So there is nothing to refill, and a user who has been away a while has no key. The
time is the server's: it does not matter which client's clock is wrong. (examples/rate_limit.py
counts events in Python, inside the server.)
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import NamedTuple, ParamSpec, TypeVar

import redis

P = ParamSpec("P")
R = TypeVar("R")

# All times are in microseconds, which a number of Lua holds exactly.
_TAKE = """
local per_token, capacity, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local full_at = math.max(now, tonumber(redis.call('GET', KEYS[1]) or now)) + cost * per_token
local wait = full_at - now - capacity * per_token
if wait > 0 then
    return {0, math.ceil(wait)}
end
redis.call('SET', KEYS[1], full_at, 'PXAT', math.ceil(full_at / 1000))
return {1, math.floor(-wait / per_token)}
"""


class Verdict(NamedTuple):
    """Whether tokens were taken; how many are left then, and otherwise when to come again."""

    granted: bool
    left: int
    wait_seconds: float


class TooMany(Exception):
    """A call that was not made. ``wait_seconds`` says when it may be."""

    def __init__(self, wait_seconds: float) -> None:
        super().__init__(f"too many calls; try again in {wait_seconds:.1f} s")
        self.wait_seconds = wait_seconds


class TokenBucket:
    """Buckets that hold ``capacity`` tokens and get ``per_second`` new ones; one for each ``who``."""

    def __init__(self, db: redis.Redis, name: str, capacity: int, per_second: float) -> None:
        self._name = name
        self._capacity = capacity
        # Whole microseconds, so that Lua's arithmetic is exact; nobody needs a million a second.
        self._per_token_us = max(1, round(1_000_000 / per_second))
        self._take = db.register_script(_TAKE)

    def take(self, who: str, cost: int = 1) -> Verdict:
        """Take ``cost`` tokens at once, or none."""
        if not 0 < cost <= self._capacity:
            raise ValueError(f"the bucket holds {self._capacity} tokens, never {cost}")
        key = f"bucket:{self._name}:{who}"
        granted, answer = self._take([key], [self._per_token_us, self._capacity, cost])
        return Verdict(True, answer, 0.0) if granted else Verdict(False, 0, answer / 1_000_000)

    def limits(self, who: Callable[P, str]) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """A decorator: each call takes a token of ``who(its arguments)``, or raises TooMany."""

        def decorate(function: Callable[P, R]) -> Callable[P, R]:
            @functools.wraps(function)
            def limited(*args: P.args, **kwargs: P.kwargs) -> R:
                verdict = self.take(who(*args, **kwargs))
                if not verdict.granted:
                    raise TooMany(verdict.wait_seconds)
                return function(*args, **kwargs)

            return limited

        return decorate


def main() -> None:
    """Let two users search as fast as they can."""
    db = redis.Redis.from_url(os.environ.get("DSCACHE_URL", "redis://127.0.0.1:6379"))
    searches = TokenBucket(db, "searches", capacity=3, per_second=0.1)

    @searches.limits(lambda user, words: user)
    def search(user: str, words: str) -> str:
        return f"{user} has found {words}"

    for user in ("ada", "ada", "ada", "ada", "grace"):
        try:
            print(search(user, "something"))
        except TooMany as error:
            print(f"{user}: {error}")
    print("grace has", searches.take("grace").left, "left")
    db.close()


if __name__ == "__main__":
    main()
