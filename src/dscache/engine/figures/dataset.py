"""INFO's sections about the data set: how safe it is, and how many keys it has."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from dscache.engine.figures.figure import COUNTER, GAUGE, TEXT, Family, Figure, Section

if TYPE_CHECKING:
    from dscache.engine.engine import Engine


PERSISTENCE: Final = Section(
    "Persistence",
    "RDB files (SAVE, BGSAVE) and the redo log, under Redis's names. How safe the data are does not depend"
    " on the former: the section store says how they get to the disk.",
    [
        Figure(
            "loading",
            GAUGE,
            "Always 0: clients are let in when the redo log has been replayed.",
            lambda engine: 0,
        ),
        Figure("async_loading", GAUGE, "Always 0.", lambda engine: 0),
        Figure(
            "rdb_changes_since_last_save",
            GAUGE,
            "Changes since the last RDB file was begun that was completed, or since the start.",
            lambda engine: engine.snapshots.changes,
        ),
        Figure(
            "rdb_bgsave_in_progress",
            GAUGE,
            "1 while an RDB file is being made.",
            lambda engine: int(engine.snapshots.is_busy),
        ),
        Figure(
            "rdb_last_save_time",
            GAUGE,
            "When the last RDB file was completed, in seconds since 1970; the start, before that.",
            lambda engine: int(engine.snapshots.saved_at),
        ),
        Figure(
            "rdb_last_bgsave_status",
            TEXT,
            "ok, or err if the last RDB file could not be made; rdb_last_bgsave_error says why.",
            lambda engine: "err" if engine.snapshots.last_error else "ok",
        ),
        Figure(
            "rdb_last_bgsave_error",
            TEXT,
            "What the last RDB file failed at; empty if it was completed.",
            lambda engine: engine.snapshots.last_error,
        ),
        Figure(
            "rdb_last_bgsave_time_sec",
            GAUGE,
            "Whole seconds that the last RDB file took; -1 before the first.",
            lambda engine: int(engine.snapshots.last_seconds),
        ),
        Figure(
            "rdb_current_bgsave_time_sec",
            GAUGE,
            "Whole seconds that the present RDB file has taken so far; -1 if there is none.",
            lambda engine: int(engine.snapshots.seconds()),
        ),
        Figure(
            "current_save_keys_processed",
            GAUGE,
            "Keys that the present RDB file has, or the last one had.",
            lambda engine: engine.snapshots.done_keys,
        ),
        Figure(
            "current_save_keys_total",
            GAUGE,
            "Keys that it is to have.",
            lambda engine: engine.snapshots.total_keys,
        ),
        Figure(
            "rdb_saves",
            COUNTER,
            "RDB files completed since the start.",
            lambda engine: engine.snapshots.saves,
        ),
        Figure(
            "aof_enabled",
            GAUGE,
            "1 if there is a redo log (appendonly).",
            lambda engine: int(engine.redo.is_on),
        ),
        Figure(
            "aof_last_write_status",
            TEXT,
            "ok, or err while the redo log cannot be written.",
            lambda engine: "err" if engine.redo.last_error else "ok",
        ),
        Figure(
            "aof_last_error",
            TEXT,
            "What the last try to write or sync the redo log met with; empty if it succeeded.",
            lambda engine: engine.redo.last_error,
        ),
        Figure(
            "aof_current_size",
            GAUGE,
            "Bytes of the redo log on disk: what the store does not have yet, and what waits to be deleted.",
            lambda engine: engine.redo.size_bytes(),
        ),
        Figure(
            "aof_buffer_length",
            GAUGE,
            "Bytes of the redo log in memory, because they are not known to be on disk.",
            lambda engine: engine.redo.unsynced_bytes,
        ),
        Figure(
            "aof_pending_bio_fsync",
            GAUGE,
            "1 while changes have been written to the redo log and not synced.",
            lambda engine: int(engine.redo.synced < engine.redo.written),
        ),
        Figure(
            "aof_delayed_fsync",
            COUNTER,
            "Syncs that were due while the log thread was still busy.",
            lambda engine: engine.redo.delayed_syncs,
        ),
        Figure(
            "aof_last_sync_ms",
            GAUGE,
            "Milliseconds that the log thread took for its last work that ended with a sync.",
            lambda engine: int(engine.redo.last_sync_seconds * 1000),
        ),
        Figure(
            "aof_syncs",
            COUNTER,
            "Syncs of the redo log.",
            lambda engine: int(engine.redo.syncs),
        ),
        Figure(
            "aof_group_waits",
            COUNTER,
            "With appendfsync always: syncs that waited for commands of clients that the last one had"
            " answered, so that they share it; for a millisecond at most.",
            lambda engine: int(engine.redo.group.waits),
        ),
        Figure(
            "aof_group_waits_in_vain",
            COUNTER,
            "Those of aof_group_waits for which too few came. After each some syncs do not wait.",
            lambda engine: int(engine.redo.group.waits_in_vain),
        ),
    ],
)


def _database_lines(engine: Engine) -> Iterable[tuple[str, str]]:
    for keyspace in engine.keyspaces:
        keys = int(keyspace.space.keys)
        if keys:
            expires = int(keyspace.space.expires)
            subexpiry = int(keyspace.space.subexpires)
            line = f"keys={keys},expires={expires},avg_ttl=0,subexpiry={subexpiry}"
            yield f"db{keyspace.index}", line


KEYSPACE: Final = Section(
    "Keyspace",
    "A line for each database that holds keys.",
    [
        Family(
            "db<n>",
            "keys=<n>,expires=<n>,avg_ttl=0,subexpiry=<n>",
            "Keys, those of them that have a due time, and hashes that have fields with due times, on"
            " disk and in memory together. A key that was overwritten without being looked up counts"
            " twice until it is on disk; DBSIZE, which is exact, waits for that. avg_ttl is always 0."
            " subexpiry leaves out a hash as soon as none of its fields has a due time; Redis goes on"
            " to count it until the time comes that the last of them had.",
            _database_lines,
        )
    ],
)
