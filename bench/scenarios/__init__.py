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
    policies,
    snapshots,
    startup,
    through_20mb,
)
from bench.settings import Settings

SCENARIOS: Final[dict[str, Callable[[Settings], Report]]] = {
    "in_cache": in_cache.run,
    "commands": commands.run,
    "containers": containers.run,
    "larger_than_memory": larger_than_memory.run,
    "through_20mb": through_20mb.run,
    "hits_under_misses": hits_under_misses.run,
    "startup": startup.run,
    "durability": durability.run,
    "snapshots": snapshots.run,
    "memory": memory.run,
    "policies": policies.run,
}
