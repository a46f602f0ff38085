"""MEMORY: where memory goes.

The numbers are those of INFO's section memory (``dscache.engine.figures.memory``), under the names that
MEMORY STATS has in Redis where the thing exists here.
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Final

from dscache.cache.entry import ENTRY_BYTES
from dscache.commands.arguments import integer, syntax_error
from dscache.commands.help import subcommands_help
from dscache.engine.allocator import allocator_statistics, release_free_memory
from dscache.engine.command import LOADING, READONLY, STALE, Registry
from dscache.engine.figures.cache import hit_ratio
from dscache.engine.figures.figure import human_bytes
from dscache.engine.figures.memory import (
    dataset_bytes,
    fragmentation_bytes,
    fragmentation_ratio,
    overhead_bytes,
    peak_bytes,
    percentage,
    used_bytes,
)
from dscache.engine.keyspec import HEAD, KeySpec
from dscache.engine.memory import resident_bytes
from dscache.engine.session import Session
from dscache.wire.reply import OK, Verbatim

if TYPE_CHECKING:
    from dscache.engine.engine import Engine

registry: Final = Registry("server", "")

_ANYTIME: Final = LOADING | STALE
_ALL_SHARDS: Final = "nondeterministic_output request_policy:all_shards response_policy:special"


@registry.command("MEMORY", arity=-2, flags=0, since="4.0.0", complexity="That of the subcommand")
def memory(session: Session, args: list[bytes]) -> object:
    """Commands about memory."""
    raise AssertionError("the engine runs a subcommand, or refuses")


@registry.command(
    "USAGE key [SAMPLES count]",
    parent="memory",
    arity=-3,
    flags=READONLY,
    keys=[KeySpec(2, access="RO", needs=HEAD)],
    since="4.0.0",
    complexity="O(N) for N samples",
)
def memory_usage(session: Session, args: list[bytes]) -> object:
    """Tells how many bytes a key takes in memory, its value and bookkeeping included."""
    # SAMPLES is for servers that estimate; here the number is kept, and it is exact for any.
    for place in range(3, len(args), 2):
        if args[place].lower() != b"samples" or place + 1 == len(args):
            raise syntax_error()
        if integer(args[place + 1]) < 0:
            raise syntax_error()
    return session.keyspace.memory_usage(args[2])


@registry.command(
    "STATS",
    parent="memory",
    arity=2,
    flags=0,
    since="4.0.0",
    complexity="O(1)",
    tips=_ALL_SHARDS,
)
def memory_stats(session: Session, args: list[bytes]) -> object:
    """Shows where memory goes, in bytes."""
    engine = session.engine
    residency = engine.residency
    used = used_bytes(engine)
    dataset = dataset_bytes(engine)
    keys = int(residency.resident)
    stats: dict[object, object] = {
        b"peak.allocated": peak_bytes(engine),
        b"total.allocated": used,
        b"startup.allocated": engine.memory.baseline_bytes,
        b"clients.normal": engine.clients_bytes(),
        b"tracking": engine.tracking.used_bytes(),
        b"store.memory": engine.store.memory_bytes(),
        b"epoch.saving": int(residency.saving_bytes),
        b"negative.cache": residency.absent.size_bytes,
        b"policy": int(residency.policy.overhead_bytes()),
    }
    for keyspace in engine.keyspaces:
        entries = len(keyspace.space.entries)
        if entries:
            stats[f"db.{keyspace.index}"] = {b"overhead.hashtable.main": entries * ENTRY_BYTES}
    stats[b"overhead.total"] = overhead_bytes(engine)
    stats[b"keys.count"] = keys
    stats[b"keys.bytes-per-key"] = int(residency.entries_bytes) // keys if keys else 0
    stats[b"dataset.bytes"] = dataset
    stats[b"dataset.percentage"] = percentage(dataset, used)
    stats[b"peak.percentage"] = percentage(used, peak_bytes(engine))
    stats[b"process.resident"] = resident_bytes()
    stats[b"fragmentation"] = fragmentation_ratio(engine)
    stats[b"fragmentation.bytes"] = fragmentation_bytes(engine)
    return stats


@registry.command(
    "DOCTOR",
    parent="memory",
    arity=2,
    flags=0,
    since="4.0.0",
    complexity="O(1)",
    tips=_ALL_SHARDS,
)
def memory_doctor(session: Session, args: list[bytes]) -> object:
    """Explains what is wrong with the use of memory, if anything is."""
    engine = session.engine
    findings = _findings(engine)
    if not findings:
        used = human_bytes(used_bytes(engine))
        limit = human_bytes(engine.memory.maxmemory)
        return Verbatim(f"Nothing is wrong: {used} of {limit} are in use.\n".encode())
    return Verbatim("".join(f"* {finding}\n" for finding in findings).encode())


# From here on a hit ratio says something, and below it the cache is too small to be one.
_ENOUGH_LOOKUPS: Final = 10_000
_POOR_HIT_RATIO: Final = 0.8

_TOO_MUCH_FOR_CLIENTS: Final = 4
_LARGE_FRAGMENTATION_BYTES: Final = 64 * 1024 * 1024


def _findings(engine: Engine) -> list[str]:
    maxmemory = engine.memory.maxmemory
    stats = engine.core.stats
    found: list[str] = []
    lookups = int(stats.cache_hits + stats.cache_misses)
    if lookups >= _ENOUGH_LOOKUPS and hit_ratio(engine) < _POOR_HIT_RATIO:
        found.append(
            f"Only {100 * hit_ratio(engine):.0f} % of all lookups find their key in memory. If clients"
            " wait too long, give the server more maxmemory."
        )
    if engine.room.writers_waiting:
        found.append(
            f"{engine.room.writers_waiting} clients wait to write: memory is full of changes that are not"
            " on disk yet. The disk is too slow for that many writes, or failing (INFO store)."
        )
    buffers = engine.clients_bytes()
    if buffers * _TOO_MUCH_FOR_CLIENTS > maxmemory:
        found.append(
            f"The buffers of clients take {human_bytes(buffers)}, which keys could use. CLIENT LIST"
            " shows who does not read (omem) or sends too much ahead (qbuf);"
            " client-output-buffer-limit and client-query-buffer-limit bound it."
        )
    wasted = fragmentation_bytes(engine)
    if wasted > max(_LARGE_FRAGMENTATION_BYTES, used_bytes(engine) // 2):
        found.append(
            f"The process takes {human_bytes(wasted)} more than it accounts for: memory is"
            " fragmented. MEMORY PURGE gives back what can be given back."
        )
    if engine.memory.correction_bytes * _TOO_MUCH_FOR_CLIENTS > maxmemory:
        withheld = human_bytes(engine.memory.correction_bytes)
        found.append(
            f"{withheld} of maxmemory are withheld from keys, because the process is larger than"
            " accounted. It recovers by itself when fragmentation goes down."
        )
    return found


@registry.command(
    "PURGE",
    parent="memory",
    arity=2,
    flags=0,
    since="4.0.0",
    complexity="That of the allocator, which may take long with much memory",
    tips="request_policy:all_shards response_policy:all_succeeded",
)
def memory_purge(session: Session, args: list[bytes]) -> object:
    """Gives memory that is free within the process back to the operating system."""
    gc.collect()
    release_free_memory()
    return OK


@registry.command(
    "MALLOC-STATS",
    parent="memory",
    arity=2,
    flags=0,
    since="4.0.0",
    complexity="That of the allocator, which may take long with much memory",
    tips=_ALL_SHARDS,
)
def memory_malloc_stats(session: Session, args: list[bytes]) -> object:
    """Shows what the allocators of the process say about themselves."""
    return Verbatim(allocator_statistics().encode())


@registry.command(
    "HELP", parent="memory", arity=2, flags=_ANYTIME, since="4.0.0", complexity="O(1)"
)
def memory_help(session: Session, args: list[bytes]) -> object:
    """Shows these lines."""
    return subcommands_help(session, args)
