"""INFO's sections about the data set: how safe it is, and how many keys it has."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from dscache.engine.figures.figure import COUNTER, GAUGE, TEXT, Family, Figure, Section

if TYPE_CHECKING:
    from dscache.engine.engine import Engine


def _last_save_time(engine: Engine) -> int:
    return engine.flusher.last_commit_ms // 1000 or int(engine.started_at)


def _last_save_seconds(engine: Engine) -> int:
    flusher = engine.flusher
    return int(flusher.last_commit_seconds) if flusher.last_commit_ms else -1


PERSISTENCE: Final = Section(
    "Persistence",
    "How the data set gets to the disk, under the names of Redis's snapshots: an epoch of changes is"
    " what a snapshot is there. The section store says it in dscache's own words.",
    [
        Figure(
            "loading",
            GAUGE,
            "Always 0: there is nothing to load at the start.",
            lambda engine: 0,
        ),
        Figure("async_loading", GAUGE, "Always 0.", lambda engine: 0),
        Figure(
            "rdb_changes_since_last_save",
            GAUGE,
            "Changes that are not on disk yet.",
            lambda engine: engine.flusher.unsaved_changes,
        ),
        Figure(
            "rdb_bgsave_in_progress",
            GAUGE,
            "1 while an epoch is being saved.",
            lambda engine: int(engine.flusher.is_saving),
        ),
        Figure(
            "rdb_last_save_time",
            GAUGE,
            "When the last epoch was committed, in seconds since 1970; the start, before that.",
            _last_save_time,
        ),
        Figure(
            "rdb_last_bgsave_status",
            TEXT,
            "ok, or err while commits fail; store_last_error says why.",
            lambda engine: "err" if engine.flusher.last_error else "ok",
        ),
        Figure(
            "rdb_last_bgsave_time_sec",
            GAUGE,
            "Whole seconds that the last epoch took; -1 before the first.",
            _last_save_seconds,
        ),
        Figure(
            "rdb_saves",
            COUNTER,
            "Epochs committed since the start.",
            lambda engine: engine.flusher.epochs,
        ),
        Figure(
            "aof_enabled",
            GAUGE,
            "Always 0: the store keeps a journal of its own.",
            lambda engine: 0,
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
