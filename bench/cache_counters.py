"""Cache hits and misses from INFO, taken before and after a measurement."""

from dataclasses import dataclass

from bench.peers import Server


@dataclass(frozen=True, slots=True)
class CacheCounters:
    """Hits and misses so far; absent on servers that are no cache of a disk."""

    hits: int
    misses: int

    def hit_ratio_since(self, earlier: "CacheCounters") -> float | None:
        """The hits' share of the look-ups since then; None without any."""
        hits, misses = self.hits - earlier.hits, self.misses - earlier.misses
        return hits / (hits + misses) if hits + misses else None


def counters(server: Server) -> CacheCounters:
    """Now. Zeros where INFO has no such fields."""
    info = server.info()
    return CacheCounters(int(info.get("cache_hits", 0)), int(info.get("cache_misses", 0)))


def blocking_loads(server: Server) -> int | None:
    """Loads that stopped the whole server; None where INFO has no such field."""
    text = server.info().get("cache_blocking_loads")
    return None if text is None else int(text)


def percent(ratio: float | None) -> str:
    return "n/a" if ratio is None else f"{ratio:.1%}"
