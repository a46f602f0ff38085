"""What the tests of ``dscache.open`` share."""

from __future__ import annotations

from collections.abc import Callable

import redis

#: ``open_client(**arguments)``: ``dscache.open`` on the test's own directory, closed at its end.
OpenClient = Callable[..., redis.Redis]


def is_blocked(observer: redis.Redis, name: str) -> bool:
    """Whether the client that is called ``name`` waits for something."""
    return any(one["name"] == name and "b" in one["flags"] for one in observer.client_list())
