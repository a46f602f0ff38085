"""Statistics: where the counters that INFO shows live, and CONFIG RESETSTAT, which sets them back.

Each part counts for itself, in plain fields, so that counting costs an addition; this is the one list of
them. What describes the present (keys, memory, clients, the epoch that is being saved) is not a
counter and is not touched, nor are the slow log and LATENCY's events, which have their own RESET.

*Whoever adds a counter to INFO adds it here.*
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dscache.engine.engine import Engine


def reset_statistics(engine: Engine) -> None:
    """Set all counters to zero. O(commands)."""
    engine.total_commands = 0
    engine.total_errors = 0
    engine.unexpected_errors = 0
    engine.errors.clear()
    engine.counters.reset()
    engine.core.stats.reset()
    engine.acl.log.reset_counters()
    engine.latency.reset_histograms()
    engine.residency.evicted = 0
    engine.loader.loads = 0
    engine.loader.blocking_loads = 0
    engine.flusher.epochs = 0
    for command in engine.table.all():
        command.reset_statistics()
