"""A server for the examples, which run as other people's programs do: undisturbed, and from disk."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from clients.conftest import server, shared_server, url

__all__ = ["server", "shared_server", "url"]


@pytest.fixture
def db(url: str) -> Iterator[redis.Redis]:
    """A client that gets text."""
    with redis.Redis.from_url(url, decode_responses=True) as client:
        yield client
