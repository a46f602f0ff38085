"""INFO's sections about what Redis does not have: the cache, and the store under it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from dscache.cache.wait import FOR_KEYS, FOR_SCAN
from dscache.engine.figures.figure import COUNTER, GAUGE, TEXT, Figure, Section

if TYPE_CHECKING:
    from dscache.engine.engine import Engine


def hit_ratio(engine: Engine) -> float:
    """Hits as a share of all lookups; 0 before the first."""
    stats = engine.core.stats
    lookups = int(stats.cache_hits + stats.cache_misses)
    return int(stats.cache_hits) / lookups if lookups else 0.0


def _waiting_for_disk(engine: Engine) -> int:
    return sum(
        session.wait is not None and session.wait.reason in (FOR_KEYS, FOR_SCAN)
        for session in engine.sessions.values()
    )


def _blocking_loads(engine: Engine) -> int:
    return int(engine.loader.blocking_loads)


CACHE: Final = Section(
    "Cache",
    "What of the data set is in memory, and how well that serves. O(clients).",
    [
        Figure(
            "cache_policy",
            TEXT,
            "Which entries leave memory first: the directive cache-policy.",
            lambda engine: engine.config.cache_policy,
        ),
        Figure(
            "cache_resident_keys",
            GAUGE,
            "Keys that are in memory, with their value or, if that is large, at least their head.",
            lambda engine: int(engine.residency.resident),
        ),
        Figure(
            "cache_dirty_keys",
            GAUGE,
            "Keys that changed since the last epoch was cut, deleted ones included.",
            lambda engine: engine.flusher.dirty_count,
        ),
        Figure(
            "cache_saving_keys",
            GAUGE,
            "Keys of the epoch that is being saved.",
            lambda engine: engine.flusher.saving_count,
        ),
        Figure(
            "cache_absent_keys",
            GAUGE,
            "Keys that are known not to exist, so that asking for them costs no read.",
            lambda engine: engine.residency.absent.count,
        ),
        Figure(
            "cache_used_bytes",
            GAUGE,
            "Bytes that entries, the epoch that is being saved and the policy's notes take.",
            lambda engine: engine.residency.used_bytes(),
        ),
        Figure(
            "cache_limit_bytes",
            GAUGE,
            "Bytes that they may take now: maxmemory less what the store and clients take.",
            lambda engine: int(engine.residency.limit_bytes),
        ),
        Figure(
            "cache_dirty_bytes",
            GAUGE,
            "Bytes of entries that changed since the last epoch was cut.",
            lambda engine: int(engine.flusher.dirty_bytes),
        ),
        Figure(
            "cache_hits",
            COUNTER,
            "Lookups that memory answered, also with the knowledge that there is no such key.",
            lambda engine: int(engine.core.stats.cache_hits),
        ),
        Figure(
            "cache_misses",
            COUNTER,
            "Lookups that the disk had to answer.",
            lambda engine: int(engine.core.stats.cache_misses),
        ),
        Figure(
            "cache_hit_ratio",
            GAUGE,
            "cache_hits as a share of both, from 0 to 1.",
            hit_ratio,
            digits=4,
        ),
        Figure(
            "cache_evicted",
            COUNTER,
            "Entries that left memory to make room. None of them is lost: they are on disk.",
            lambda engine: int(engine.residency.evicted),
        ),
        Figure(
            "cache_loads",
            COUNTER,
            "Records that were asked of the store in the background.",
            lambda engine: int(engine.loader.loads),
        ),
        Figure(
            "cache_loads_in_progress",
            GAUGE,
            "Such records that have not arrived yet.",
            lambda engine: int(engine.loader.in_progress),
        ),
        Figure(
            "cache_waiting_clients",
            GAUGE,
            "Clients whose command waits for the disk.",
            _waiting_for_disk,
        ),
        Figure(
            "cache_writers_waiting",
            GAUGE,
            "Clients whose write waits for room in memory, that is, for the disk to catch up.",
            lambda engine: engine.room.writers_waiting,
        ),
        Figure(
            "cache_faults",
            COUNTER,
            "Times a command found only while it ran that it needs yet another key from the disk.",
            lambda engine: int(engine.core.stats.cache_faults),
        ),
        Figure(
            "cache_blocking_loads",
            COUNTER,
            "Loads that held up every client, because a transaction could not be interrupted."
            " Normally 0.",
            _blocking_loads,
        ),
    ],
)


def _oldest_dirty_ms(engine: Engine) -> int:
    oldest = engine.flusher.oldest_change
    return int((time.perf_counter() - oldest) * 1000) if oldest else 0


def _failing_seconds(engine: Engine) -> int:
    since = engine.flusher.failing_since
    return int(time.perf_counter() - since) if since else 0


STORE: Final = Section(
    "Store",
    "The key-value engine on disk that holds the data set.",
    [
        Figure("store_engine", TEXT, "Which engine it is.", lambda engine: engine.store.name),
        Figure(
            "store_epochs",
            COUNTER,
            "Epochs committed since the start.",
            lambda engine: engine.flusher.epochs,
        ),
        Figure(
            "store_last_commit_ms",
            GAUGE,
            "How long the last epoch took from its cut until it was on disk, in milliseconds.",
            lambda engine: int(engine.flusher.last_commit_seconds * 1000),
        ),
        Figure(
            "store_last_commit_keys",
            GAUGE,
            "Keys of the last epoch.",
            lambda engine: engine.flusher.last_commit_keys,
        ),
        Figure(
            "store_last_commit_time",
            GAUGE,
            "When the last epoch was committed, in seconds since 1970; 0 before the first.",
            lambda engine: engine.flusher.last_commit_ms // 1000,
        ),
        Figure(
            "store_unsaved_changes",
            GAUGE,
            "Changes that no committed epoch has; the redo log may have them.",
            lambda engine: engine.flusher.unsaved_changes,
        ),
        Figure(
            "store_oldest_dirty_ms",
            GAUGE,
            "Age of the oldest change that is not on disk yet, in milliseconds; 0 if all are.",
            _oldest_dirty_ms,
        ),
        Figure(
            "store_bytes_read",
            COUNTER,
            "Bytes of records that were read from it since the start.",
            lambda engine: engine.store.counters()[0],
        ),
        Figure(
            "store_bytes_written",
            COUNTER,
            "Bytes of records that were committed to it since the start.",
            lambda engine: engine.store.counters()[1],
        ),
        Figure(
            "store_size_bytes",
            GAUGE,
            "What it occupies on disk, nearly.",
            lambda engine: engine.store.disk_bytes(),
        ),
        Figure(
            "store_memory_bytes",
            GAUGE,
            "What it holds in memory: block cache, write buffers, open tables.",
            lambda engine: engine.store.memory_bytes(),
        ),
        Figure(
            "store_failing_seconds",
            GAUGE,
            "For how long commits have been failing; 0 if the last one succeeded. Nothing is lost"
            " while the server runs; it tries again by itself.",
            _failing_seconds,
        ),
        Figure(
            "store_last_error",
            TEXT,
            "Why the last commit failed; empty if it succeeded.",
            lambda engine: " ".join(engine.flusher.last_error.split()),
        ),
    ],
)
