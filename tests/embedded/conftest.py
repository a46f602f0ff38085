"""Opening what the tests of this folder use, and closing it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

import dscache
from embedding import OpenClient


@pytest.fixture
def open_client(tmp_path: Path) -> Iterator[OpenClient]:
    """See ``OpenClient``."""
    with contextlib.ExitStack() as stack:

        def open_it(**arguments: Any) -> redis.Redis:  # noqa: ANN401 (those of ``dscache.open``)
            client = dscache.open(tmp_path / "data", **arguments)
            stack.callback(client.close)
            return client

        yield open_it


@pytest.fixture
def db(open_client: OpenClient) -> redis.Redis:
    """A client that gets text, of a small data set."""
    return open_client(maxmemory="16mb", decode_responses=True)
