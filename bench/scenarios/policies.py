"""Hit ratios of eviction policies, simulated, on four kinds of traffic.

The traffic: zipf 0.99; zipf interrupted by scans; a working set that shifts; and a public trace
from Twitter. The cache holds 1 % or 10 % of what the trace touches, counted once in keys (every
size is 1) and once in bytes. By bytes both ratios are given: of requests (what a client notices)
and of bytes (what the disk notices).

The references are those of ``reference_policies.py``: FIFO, exact LRU, Redis's sampled LRU,
Belady's optimum. By bytes Belady's rule is not a bound, see there.

dscache's own policies are the server's classes, driven as the cache drives them: every request is a
read, and a miss is admitted at once (in the server a load, or a write after its commit).
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from bench import traces
from bench.reference_policies import Belady, Fifo, Lru, SampledLru, Simulated
from bench.report import Report
from bench.settings import Settings
from bench.traces import Trace
from bench.zipf import ShiftingZipf, Zipf, ZipfWithScans
from dscache.cache.entry import Entry
from dscache.cache.policy import Policy
from dscache.cache.residency import POLICIES, make_policy


class Own:
    """One of dscache's policies, holding ``capacity`` keys or bytes."""

    def __init__(self, name: str, capacity: int) -> None:
        self._capacity = capacity
        self._used = 0
        self._entries: dict[int, Entry] = {}
        # The size given only makes S3-FIFO's ghost table large enough. LFU's counters decay once a
        # minute in the server; here, where there is no time, they do not.
        self._policy: Policy = make_policy(name, max(capacity * 256, 1 << 20), 10, 0)

    def access(self, key: int, size: int) -> bool:
        """See `Simulated`."""
        entry = self._entries.get(key)
        if entry is not None:
            self._policy.hit(entry)
            return True
        if size <= self._capacity:
            entry = Entry(b"%d" % key, None, 0)
            entry.size = size
            self._entries[key] = entry
            self._used += size
            self._policy.admit(entry)
            while self._used > self._capacity:
                victim = self._policy.victim()
                assert victim is not None
                self._used -= victim.size
                del self._entries[int(victim.key)]
        return False


CONTENDERS: Final[dict[str, Callable[[int], Simulated]]] = {
    "FIFO": Fifo,
    "LRU sampled (Redis)": SampledLru,
    "LRU": Lru,
    **{f"dscache {name}": functools.partial(Own, name) for name in POLICIES},
}
_SHARES: Final = (0.01, 0.10)


@dataclass(frozen=True, slots=True)
class _Outcome:
    hit_ratio: float
    byte_hit_ratio: float


def run(settings: Settings) -> Report:
    """A table for each trace: policies down, capacities across."""
    report = Report("policies")
    for trace in _traces(settings, report):
        table = report.table(
            f"{trace.name}: {len(trace.keys):,} requests, {trace.distinct:,} keys, "
            f"{trace.total_bytes / 2**20:.0f} MiB; hit ratios",
            "policy",
            *(f"{share:.0%} of keys" for share in _SHARES),
            *(f"{share:.0%} of bytes: {of}" for share in _SHARES for of in ("requests", "bytes")),
        )
        makers: dict[str, Callable[[int], Simulated]] = {
            **CONTENDERS,
            "optimum (Belady)": functools.partial(Belady, trace=trace),
        }
        for name, make in makers.items():
            by_keys = [
                _simulate(make(int(trace.distinct * share)), trace, by_bytes=False)
                for share in _SHARES
            ]
            by_bytes = [
                _simulate(make(int(trace.total_bytes * share)), trace, by_bytes=True)
                for share in _SHARES
            ]
            cells = [outcome.hit_ratio for outcome in by_keys]
            for outcome in by_bytes:
                cells += (outcome.hit_ratio, outcome.byte_hit_ratio)
            table.add(name, *(f"{cell:.3f}" for cell in cells))
            report.figures[f"{trace.name}.{name}"] = cells
    return report


def _traces(settings: Settings, report: Report) -> list[Trace]:
    length = 200_000 if settings.quick else 1_000_000  # at most POOL_SAMPLES
    keys = length // 10
    found = [
        traces.made("zipf", Zipf(keys), length),
        traces.made(
            "zipf with scans", ZipfWithScans(keys, period=length // 20, length=keys // 10), length
        ),
        traces.made(
            "shifting working set", ShiftingZipf(keys, period=length // 20, step=keys // 4), length
        ),
    ]
    try:
        found.append(traces.twitter(large=not settings.quick))
    except traces.Unavailable as error:
        report.notes.append(f"without the Twitter trace: {error}")
    return found


def _simulate(policy: Simulated, trace: Trace, *, by_bytes: bool) -> _Outcome:
    hits = hit_bytes = all_bytes = 0
    sizes = trace.sizes
    access = policy.access
    for key in trace.keys:
        size = sizes[key]
        all_bytes += size
        if access(key, size if by_bytes else 1):
            hits += 1
            hit_bytes += size
    return _Outcome(hits / len(trace.keys), hit_bytes / all_bytes)
