"""All sections of INFO, in the order in which it shows them."""

from __future__ import annotations

from typing import Final

from dscache.engine.figures.activity import COMMAND_STATS, ERROR_STATS, LATENCY_STATS, STATS
from dscache.engine.figures.cache import CACHE, STORE
from dscache.engine.figures.dataset import KEYSPACE, PERSISTENCE
from dscache.engine.figures.figure import Section
from dscache.engine.figures.memory import MEMORY
from dscache.engine.figures.process import CLIENTS, CLUSTER, CPU, MODULES, REPLICATION, SERVER

SECTIONS: Final[list[Section]] = [
    SERVER,
    CLIENTS,
    MEMORY,
    CACHE,
    STORE,
    PERSISTENCE,
    STATS,
    REPLICATION,
    CPU,
    MODULES,
    COMMAND_STATS,
    ERROR_STATS,
    LATENCY_STATS,
    CLUSTER,
    KEYSPACE,
]
