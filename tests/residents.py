"""What must be true of an engine's memory between any two commands."""

from __future__ import annotations

from dscache.cache.entry import BLOCK_BYTES, CLEAN, ENTRY_BYTES, Entry
from dscache.engine.engine import Engine
from dscache.values.base import field_due_of, size_of


def due_size(entry: Entry) -> int:
    """What ``entry`` must be charged, counted afresh."""
    value_bytes = 0 if entry.value is None else size_of(entry.value)
    size = ENTRY_BYTES + len(entry.key) + value_bytes
    return size + -size % BLOCK_BYTES


def check_memory(engine: Engine) -> None:
    """Sums are sums, and every entry is in the queue or list where it belongs; if it is dirty, perhaps."""
    residency = engine.residency
    entries = [
        entry for space in residency.spaces if space is not None for entry in space.entries.values()
    ]
    assert residency.entries_bytes == sum(entry.size for entry in entries)
    assert residency.resident == sum(entry.value is not None for entry in entries)
    uncommitted = {id(entry) for entry in engine.flusher.uncommitted()}
    absent = []
    for entry in entries:
        space = residency.space_of(entry)
        assert space.entries[entry.key] is entry
        assert entry.size == due_size(entry), "its size is out of date"
        may_go = entry.state == CLEAN and entry.pins == 0 and not space.retired
        if entry.state != CLEAN:
            assert id(entry) in uncommitted, f"{entry.key!r} is dirty and nobody will save it"
        if entry.value is None:
            assert (entry.older is not None) == may_go or space.retired
            if entry.older is not None:
                absent.append(entry)
        elif may_go:
            assert residency.policy.holds(entry), f"{entry.key!r} would stay for ever"
        elif entry.pins > 0:
            assert not residency.policy.holds(entry), f"{entry.key!r} could be evicted"
    assert residency.absent.count == len(absent)
    assert residency.absent.size_bytes == sum(entry.size for entry in absent)


def check_quiet(engine: Engine) -> None:
    """Nothing waits, nothing is dirty: so nothing is pinned, counted twice or left behind."""
    check_memory(engine)
    assert all(session.wait is None for session in engine.sessions.values())
    assert engine.loader.in_progress == 0
    assert engine.residency.saving_bytes == 0
    for space in engine.residency.spaces:
        if space is None:
            continue
        assert not space.retired, "a flushed database was not reaped"
        assert space.unsettled == 0
        assert not space.loads
        assert set(space.indexed) <= set(space.entries)
        assert set(space.field_due) <= set(space.entries)
        assert space.timed <= set(space.entries)
        for entry in space.entries.values():
            assert entry.pins == 0
            assert entry.state == CLEAN
            assert space.indexed.get(entry.key, 0) == entry.expire_ms
            assert space.field_due.get(entry.key, 0) == field_due_of(entry.value)
            assert (entry.key in space.timed) == (field_due_of(entry.value) != 0)
