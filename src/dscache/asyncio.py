"""``dscache.asyncio.open``: as ``dscache.open``, a ``redis.asyncio.Redis``."""

from __future__ import annotations

from dscache.embedded.asyncio_client import open  # noqa: A004 (as dbm and gzip call it)

__all__ = ["open"]
