"""A command and a function of one's own, in Python.

dscache serve --load examples/rate_limit.py
redis-cli RATELIMIT user:42 3 10        # at most 3 events in 10 seconds
redis-cli FCALL release 1 user:42       # forget them
"""

from __future__ import annotations

import time

from dscache.extension import Database, Extension, ReplyError

extension = Extension("rate_limit")


@extension.command("RATELIMIT key limit seconds", writes=True)
def rate_limit(db: Database, keys: list[bytes], args: list[bytes]) -> object:
    """Counts an event, unless there have been so many in the last seconds.

    Answers [1, how many more there may be now], or [0, in how many milliseconds to try again].
    """
    (key,) = keys
    try:
        limit, seconds = int(args[0]), float(args[1])
    except ValueError:
        raise ReplyError("ERR limit and seconds must be numbers") from None
    if limit < 1 or not 0 < seconds < 1e9:
        raise ReplyError("ERR limit and seconds must be positive")
    now = time.time()
    # Events are members of a sorted set, by their time. What is too old no longer counts.
    db.call("ZREMRANGEBYSCORE", key, "-inf", now - seconds)
    events = db.call("ZRANGE", key, 0, -1, "WITHSCORES")
    assert isinstance(events, list)
    if len(events) >= limit:
        _, oldest = events[-limit]
        return [0, max(1, int((oldest + seconds - now) * 1000))]
    last = int(events[-1][0]) if events else 0
    db.call("ZADD", key, now, str(last + 1))
    db.call("PEXPIRE", key, int(seconds * 1000) + 1)
    return [1, limit - len(events) - 1]


@extension.function("release", writes=True)
def release(db: Database, keys: list[bytes], args: list[bytes]) -> object:
    """Forgets the events of the keys; answers how many keys had any."""
    return db.call("UNLINK", *keys)
