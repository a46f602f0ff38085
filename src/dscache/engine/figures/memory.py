"""INFO's section about memory: what is accounted, what the process really takes, and the bound."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from dscache.cache.entry import ENTRY_BYTES
from dscache.config.memory import available_memory_bytes
from dscache.engine.figures.figure import GAUGE, TEXT, Figure, Section, human_bytes
from dscache.engine.memory import resident_bytes

if TYPE_CHECKING:
    from dscache.engine.engine import Engine


def used_bytes(engine: Engine) -> int:
    """All that counts against maxmemory: entries and the epoch, the store, clients, scripts."""
    return engine.residency.used_bytes() + engine.store.memory_bytes() + engine.others_bytes()


def peak_bytes(engine: Engine) -> int:
    """The most that ``used_bytes`` has been, at its samples."""
    return max(int(engine.counters.peak_used_bytes), used_bytes(engine))


def overhead_bytes(engine: Engine) -> int:
    """What of ``used_bytes`` is neither a key nor a value."""
    residency = engine.residency
    entries = int(residency.resident) * ENTRY_BYTES
    policy = int(residency.policy.overhead_bytes())
    absent = residency.absent.size_bytes
    return entries + policy + absent + engine.store.memory_bytes() + engine.others_bytes()


def dataset_bytes(engine: Engine) -> int:
    """Keys and values, in memory and in the epoch that is being saved."""
    return max(used_bytes(engine) - overhead_bytes(engine), 0)


def fragmentation_bytes(engine: Engine) -> int:
    """What the process takes beyond what it took at the start and what is accounted."""
    return resident_bytes() - engine.memory.baseline_bytes - used_bytes(engine)


def percentage(part: int, whole: int) -> float:
    """``part`` in per cent of ``whole``; 0 of nothing."""
    return 100.0 * part / whole if whole else 0.0


@lru_cache(maxsize=1)
def system_bytes() -> int:
    """The memory of the machine or of the container. Read once: it takes a dozen files."""
    return available_memory_bytes()


def fragmentation_ratio(engine: Engine) -> float:
    """What the process took since its start, as a multiple of what is accounted."""
    used = used_bytes(engine)
    return (resident_bytes() - engine.memory.baseline_bytes) / used if used else 0.0


MEMORY: Final = Section(
    "Memory",
    "What counts against maxmemory, and what the process really takes. Bytes, unless a field says"
    " otherwise; `_human` fields say the same in the unit that suits.",
    [
        Figure(
            "used_memory",
            GAUGE,
            "All that counts against maxmemory: entries, the epoch that is being saved, the negative"
            " cache, the policy's notes, the store's caches, the clients' buffers, the table of tracking.",
            used_bytes,
        ),
        Figure(
            "used_memory_human",
            TEXT,
            "used_memory for people.",
            lambda engine: human_bytes(used_bytes(engine)),
        ),
        Figure(
            "used_memory_rss",
            GAUGE,
            "What the process takes of the machine's memory (its resident size).",
            lambda engine: resident_bytes(),
        ),
        Figure(
            "used_memory_rss_human",
            TEXT,
            "used_memory_rss for people.",
            lambda engine: human_bytes(resident_bytes()),
        ),
        Figure("used_memory_peak", GAUGE, "The most that used_memory has been.", peak_bytes),
        Figure(
            "used_memory_peak_human",
            TEXT,
            "used_memory_peak for people.",
            lambda engine: human_bytes(peak_bytes(engine)),
        ),
        Figure(
            "used_memory_peak_perc",
            GAUGE,
            "used_memory in per cent of used_memory_peak.",
            lambda engine: percentage(used_bytes(engine), peak_bytes(engine)),
            suffix="%",
        ),
        Figure(
            "used_memory_overhead",
            GAUGE,
            "What of used_memory is neither a key nor a value.",
            overhead_bytes,
        ),
        Figure(
            "used_memory_startup",
            GAUGE,
            "What the process took when it started. Unlike in Redis it is no part of used_memory.",
            lambda engine: engine.memory.baseline_bytes,
        ),
        Figure("used_memory_dataset", GAUGE, "used_memory less its overhead.", dataset_bytes),
        Figure(
            "used_memory_dataset_perc",
            GAUGE,
            "used_memory_dataset in per cent of used_memory.",
            lambda engine: percentage(dataset_bytes(engine), used_bytes(engine)),
            suffix="%",
        ),
        Figure(
            "total_system_memory",
            GAUGE,
            "The memory of the machine or of the container, whichever is smaller.",
            lambda engine: system_bytes(),
        ),
        Figure(
            "total_system_memory_human",
            TEXT,
            "total_system_memory for people.",
            lambda engine: human_bytes(system_bytes()),
        ),
        Figure(
            "maxmemory",
            GAUGE,
            "The bound in force; never 0, because without a bound there would be no cache.",
            lambda engine: engine.memory.maxmemory,
        ),
        Figure(
            "maxmemory_human",
            TEXT,
            "maxmemory for people.",
            lambda engine: human_bytes(engine.memory.maxmemory),
        ),
        Figure(
            "maxmemory_policy",
            TEXT,
            "Always noeviction: in Redis's terms no key is ever lost when memory is full."
            " cache_policy says which keys leave memory for the disk.",
            lambda engine: "noeviction",
        ),
        Figure(
            "used_memory_lua",
            GAUGE,
            "What the Lua state of scripts and functions takes.",
            lambda engine: engine.scripts.memory_bytes,
        ),
        Figure(
            "used_memory_vm_total",
            GAUGE,
            "The same as used_memory_lua: scripts and functions share one Lua state.",
            lambda engine: engine.scripts.memory_bytes,
        ),
        Figure(
            "used_memory_scripts_eval",
            GAUGE,
            "The length of the scripts that are kept for EVALSHA.",
            lambda engine: engine.scripts.sources_bytes,
        ),
        Figure(
            "number_of_cached_scripts",
            GAUGE,
            "Scripts that are kept for EVALSHA.",
            lambda engine: engine.scripts.count,
        ),
        Figure(
            "used_memory_functions",
            GAUGE,
            "The length of the libraries of functions.",
            lambda engine: engine.functions.sources_bytes,
        ),
        Figure(
            "number_of_functions",
            GAUGE,
            "Functions of all libraries.",
            lambda engine: engine.functions.count,
        ),
        Figure(
            "number_of_libraries",
            GAUGE,
            "Libraries of functions.",
            lambda engine: len(engine.functions.all_libraries),
        ),
        Figure(
            "mem_fragmentation_ratio",
            GAUGE,
            "What the process took since its start, as a multiple of used_memory.",
            fragmentation_ratio,
        ),
        Figure(
            "mem_fragmentation_bytes",
            GAUGE,
            "What the process took since its start beyond used_memory; negative if it took less.",
            fragmentation_bytes,
        ),
        Figure(
            "mem_clients_normal",
            GAUGE,
            "What all clients take: query and output buffers, commands that wait or are queued, and 4 KiB"
            " for each connection; and what HTTP requests and their answers take.",
            lambda engine: engine.clients_bytes(),
        ),
        Figure(
            "mem_tracking",
            GAUGE,
            "The invalidation table of client-side caching, about.",
            lambda engine: engine.tracking.used_bytes(),
        ),
        Figure(
            "mem_entries",
            GAUGE,
            "Entries: keys and values in memory with their bookkeeping, and the negative cache.",
            lambda engine: int(engine.residency.entries_bytes),
        ),
        Figure(
            "mem_entries_limit",
            GAUGE,
            "What entries and the epoch may take now; the rest of maxmemory belongs to the others.",
            lambda engine: int(engine.residency.limit_bytes),
        ),
        Figure(
            "mem_saving_epoch",
            GAUGE,
            "Encoded changes of the epoch that is being saved.",
            lambda engine: int(engine.residency.saving_bytes),
        ),
        Figure(
            "mem_negative_cache",
            GAUGE,
            "Keys known not to exist; part of mem_entries.",
            lambda engine: engine.residency.absent.size_bytes,
        ),
        Figure(
            "mem_policy",
            GAUGE,
            "What the eviction policy notes beyond what entries carry themselves.",
            lambda engine: int(engine.residency.policy.overhead_bytes()),
        ),
        Figure(
            "mem_store",
            GAUGE,
            "The store's block cache, write buffers and open tables; the same as"
            " store_memory_bytes.",
            lambda engine: engine.store.memory_bytes(),
        ),
        Figure(
            "mem_correction",
            GAUGE,
            "What is withheld from the entries because the process is larger than accounted.",
            lambda engine: engine.memory.correction_bytes,
        ),
    ],
)
