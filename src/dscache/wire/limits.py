"""Bounds on what a client may send, and why they are what they are.

The figures are Redis's (``networking.c``), so that a client which respects one server respects the
other. A client that has not authenticated gets the small ones: it must not be able to make the
server allocate much.
"""

from __future__ import annotations

from typing import Final

INLINE_MAX_BYTES: Final = 64 * 1024
MULTIBULK_MAX_ARGUMENTS: Final = 2_147_483_647
UNAUTHENTICATED_MAX_ARGUMENTS: Final = 10
UNAUTHENTICATED_MAX_BULK_BYTES: Final = 16 * 1024

# A bulk argument at least this long is gathered in a buffer of its own while its bytes arrive;
# shorter ones wait in the query buffer (PROTO_MBULK_BIG_ARG in Redis, for the same reason: the
# query buffer must not be copied again and again while one large value trickles in).
BIG_ARGUMENT_BYTES: Final = 32 * 1024
