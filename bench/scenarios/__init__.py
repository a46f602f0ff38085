"""The scenarios, by name, in the order in which they run. One module each."""

from collections.abc import Callable
from typing import Final

from bench.report import Report
from bench.scenarios import (
    commands,
    containers,
    durability,
    hits_under_misses,
    in_cache,
    larger_than_memory,
    memory,
    memory_per_key,
    million,
    opening,
    overwrites,
    pauses,
    policies,
    snapshots,
    startup,
    swapping,
    through_20mb,
    zipf_misses,
)
from bench.settings import Settings

#: Those that have goals: what is run unless something else is asked for.
WITH_GOALS: Final[dict[str, Callable[[Settings], Report]]] = {
    "in_cache": in_cache.run,
    "commands": commands.run,
    "million": million.run,
    "durability": durability.run,
    "through_20mb": through_20mb.run,
    "zipf_misses": zipf_misses.run,
    "swapping": swapping.run,
    "overwrites": overwrites.run,
    "memory_per_key": memory_per_key.run,
    "pauses": pauses.run,
    "opening": opening.run,
}

SCENARIOS: Final[dict[str, Callable[[Settings], Report]]] = {
    **WITH_GOALS,
    "containers": containers.run,
    "larger_than_memory": larger_than_memory.run,
    "hits_under_misses": hits_under_misses.run,
    "startup": startup.run,
    "snapshots": snapshots.run,
    "memory": memory.run,
    "policies": policies.run,
}
