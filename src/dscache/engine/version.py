"""The versions that clients are told: HELLO, INFO and LOLWUT show them.

Clients choose by the Redis version what they may send, so it is the version whose commands, replies
and error texts are followed; that of dscache itself is for people.
"""

from __future__ import annotations

from typing import Final

from dscache import __version__

REDIS_VERSION: Final = "7.4.1"
DSCACHE_VERSION: Final[str] = __version__
