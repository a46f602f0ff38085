"""What requests hold in memory: bodies, the words of commands, and answers until they have been sent.

It is counted as clients' memory (``mem_clients_normal``), and so it is taken from what entries may hold. All
requests together may hold an eighth of maxmemory; one that would need more is refused, for nobody waits
behind it who would lose data. There are few of them at once (``dscache.http.site``), and what they bring
and ask for is limited one by one; but 64 people who do not read their answers of 8 MiB would still be
too many for a cache of 64 MiB.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dscache.errors import DscacheError

if TYPE_CHECKING:
    from dscache.engine.engine import Engine

_PART: Final = 8
# An answer of the largest size, and as much again, whatever maxmemory is: the console must work.
_LEAST_BYTES: Final = 16 * 1024 * 1024


class HeldTooMuchError(DscacheError):
    """All requests together would hold more than they may."""


class Holdings:
    """What all requests hold."""

    def __init__(self, engine: Engine) -> None:
        self._engine: Final = engine
        self.used_bytes = 0

    def most_bytes(self) -> int:
        """What they may hold."""
        return max(self._engine.memory.maxmemory // _PART, _LEAST_BYTES)


class Share:
    """What one request holds. Whoever has made it calls ``give_back`` at its end."""

    def __init__(self, holdings: Holdings) -> None:
        self._holdings: Final = holdings
        self._used_bytes = 0

    def take(self, count: int) -> None:
        """Hold ``count`` bytes more. Raises HeldTooMuchError."""
        holdings = self._holdings
        if holdings.used_bytes + count > holdings.most_bytes():
            raise HeldTooMuchError(
                f"requests hold {holdings.used_bytes >> 20} MiB already, of"
                f" {holdings.most_bytes() >> 20} MiB that all may hold together; try again later"
            )
        holdings.used_bytes += count
        self._used_bytes += count

    def give_back(self) -> None:
        """Hold nothing any more."""
        self._holdings.used_bytes -= self._used_bytes
        self._used_bytes = 0
