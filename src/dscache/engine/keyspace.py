"""The keyspace: the only way from a command to a key, for reading and for changing.

The rules of the house meet here:

* A value is obtained with ``for_read`` or ``for_write`` and never changed after the former. What
  memory does not hold raises a fault; so a handler looks everything up before it changes anything.
* ``for_write`` captures the old value for the epoch that is being saved, if it must. After a change
  in place, and only then, the handler calls ``changed``.
* ``put`` needs no lookup: whether the key existed is settled when its epoch is committed.
* Expired keys do not exist, nor do expired fields of hashes: each lookup makes sure of it. Only of a
  value that is not in memory nothing is known: ``find`` may show a key all of whose fields are due.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from dscache.cache.entry import (
    CLEAN,
    ON_DISK_APART,
    Entry,
)
from dscache.cache.space import Space
from dscache.engine.core import EXPIRIES, KEY_MISS, Core
from dscache.engine.waiting import KeysFault, SettleFault, Wanted
from dscache.store.layout import expiry_key, field_generation
from dscache.values.base import Apart, Value, field_due_of, type_code_of

#: ``put`` with this due time leaves the key's due time as it is.
KEEP_EXPIRY: Final = -1


def settled_name(space: Space) -> str:
    """What the number of keys of ``space``, once settled, is called in ``Wait.results``."""
    return f"keys of {space.generation}"


class Keyspace:
    """One database, by its number. All methods are O(1) unless they say otherwise."""

    def __init__(self, core: Core, index: int, space: Space) -> None:
        self.index: Final = index
        self._core: Final = core
        self._residency: Final = core.residency
        self._flusher: Final = core.flusher
        self._stats: Final = core.stats
        #: What the database shows now; FLUSHDB and SWAPDB change it.
        self.space = space

    # Looking up

    def for_read(self, key: bytes) -> object:
        """The value of ``key`` for reading, or None. Counts as a use of the key."""
        entry = self.space.entries.get(key)
        if entry is None:
            entry = self._core.missing(self.space, key, True)
        value = entry.value
        stats = self._stats
        stats.cache_hits += 1
        if value is None or (entry.expire_ms != 0 and self._expire_if_due(entry)):
            self._count_miss(key)
            return None
        if type(value) is not bytes:
            if isinstance(value, Apart):
                entry = self._core.missing(self.space, key, True)
                value = entry.value
            if self._has_vanished(entry, value):
                self._count_miss(key)
                return None
        # A pinned entry was loaded for a command that waits: its first use is no hit, or else
        # every policy would take what is used once for what is used twice.
        if entry.pins == 0 and not self._core.no_touch:
            self._residency.count_use(entry)
        stats.keyspace_hits += 1
        return value

    def bring(self, keys: list[bytes]) -> None:
        """Have ``keys`` in memory, whole: one fault for all that are not. O(keys).

        For keys that only the running command can know. In a transaction it does nothing: each lookup
        will load its key.
        """
        if self._core.must_not_fault:
            return
        missing: list[Wanted] = []
        entries = self.space.entries
        for key in keys:
            entry = entries.get(key)
            if entry is None or isinstance(entry.value, Apart):
                missing.append((self.space, key, True))
        if missing:
            raise KeysFault(missing)

    def for_write(self, key: bytes) -> object:
        """The value of ``key`` for changing it in place, or None.

        Whoever changes it must call ``changed`` before the command ends.
        """
        entry = self.find(key)
        if entry is None:
            return None
        value = entry.value
        if type(value) is not bytes and isinstance(value, Apart):
            entry = self._core.missing(self.space, key, True)
            value = entry.value
            if self._has_vanished(entry, value):
                return None
        self._flusher.before_change(entry)
        if entry.pins == 0 and not self._core.no_touch:
            self._residency.count_use(entry)
        return value

    def find(self, key: bytes) -> Entry | None:
        """The entry of ``key`` if the key exists, whose value may not be in memory.

        For what concerns the key and not its value: existence, type, expiry. Not a use of the key.
        """
        entry = self.space.entries.get(key)
        if entry is None:
            entry = self._core.missing(self.space, key, False)
        self._stats.cache_hits += 1
        value = entry.value
        if value is None or (entry.expire_ms != 0 and self._expire_if_due(entry)):
            return None
        if type(value) is not bytes and self._has_vanished(entry, value):
            return None
        return entry

    def exists(self, key: bytes) -> bool:
        """Whether ``key`` exists; counts as a hit or a miss in INFO, as in Redis."""
        if self.find(key) is None:
            self._count_miss(key)
            return False
        self._stats.keyspace_hits += 1
        return True

    def _count_miss(self, key: bytes) -> None:
        self._stats.keyspace_misses += 1
        core = self._core
        if core.tells_misses:
            core.lookup_events.append((self.index, KEY_MISS, key))

    def type_of(self, key: bytes) -> int | None:
        """The type code of the value of ``key``, or None."""
        entry = self.find(key)
        return None if entry is None else type_code_of(entry.value)

    def expiry_of(self, key: bytes) -> int | None:
        """When ``key`` is due, in ms since the epoch; 0 = never; None = there is no such key."""
        entry = self.find(key)
        return None if entry is None else int(entry.expire_ms)

    def touch(self, key: bytes) -> bool:
        """Count a use of ``key``; whether it exists."""
        entry = self.find(key)
        if entry is None:
            return False
        self._residency.count_use(entry)
        return True

    def count(self) -> int:
        """Number of keys, exactly.

        Keys written without looking (SET) may or may not be new; if there are any whose epoch is
        not committed, this raises a fault that waits for it.
        """
        space = self.space
        if space.unsettled == 0:
            return space.keys
        wait = self._core.wait
        name = settled_name(space)
        if wait is not None and name in wait.results:
            keys = wait.results[name]
            assert isinstance(keys, int)
            return keys
        raise SettleFault(space)

    # Changing

    def put(
        self, key: bytes, value: object, expire_ms: i64, event: bytes, is_announced: bool = False
    ) -> None:
        """Let ``key`` hold ``value``, whatever it held; due at ``expire_ms``, 0 for never.

        Needs no lookup, except with KEEP_EXPIRY, which keeps the due time of a key that was found.
        ``is_announced``: ``announce`` has been called.
        """
        space = self.space
        entry = space.entries.get(key)
        if entry is None and self._core.tells_new and not is_announced:
            entry = self._known(key)
        if entry is not None and entry.expire_ms != 0 and entry.value is not None:
            self._expire_if_due(entry)
        if entry is None:
            assert expire_ms != KEEP_EXPIRY, "KEEP_EXPIRY needs the key to be looked up first"
            entry = Entry(key, None, space.number)
            space.entries.add(entry)
            space.unsettled += 1
        else:
            self._flusher.before_change(entry)
        if space.loads:
            self._core.loader.overtake(space, key)
        if entry.value is None:
            self._residency.hold(entry)
            if self._core.tells_new and not is_announced:
                self.notify(key, b"new")
            space.keys += 1
            self._residency.resident += 1
            self._residency.first_use(entry)
        elif not self._core.no_touch:
            self._residency.count_use(entry)
        if expire_ms != KEEP_EXPIRY and entry.expire_ms != expire_ms:
            if entry.expire_ms == 0:
                space.expires += 1
            elif expire_ms == 0:
                space.expires -= 1
            entry.expire_ms = expire_ms
        entry.value = value
        self._mark(entry, event)

    def announce(self, key: bytes) -> None:
        """``key`` is going to be made anew: what is due is expired, and the new key is told of.

        For RENAME, RESTORE and their like, which tell this first, and even if there was such a key.
        """
        entry = self.space.entries.get(key)
        if entry is not None and entry.expire_ms != 0 and entry.value is not None:
            self._expire_if_due(entry)
        if self._core.tells_new:
            self.notify(key, b"new")

    def _known(self, key: bytes) -> Entry:
        """The entry of ``key``, from the disk if it must be.

        It is in memory already, or else a key specification has not named it. Then everybody waits:
        the command may have changed something, and cannot be run again.
        """
        self._core.loader.load_now(self.space, key, False)
        return self.space.entries[key]

    def delete(self, key: bytes, event: bytes) -> bool:
        """Remove ``key``; whether it existed. Does not load the value."""
        entry = self.find(key)
        if entry is None:
            return False
        self._remove(entry, event)
        return True

    def set_expiry(self, key: bytes, expire_ms: i64, event: bytes) -> None:
        """Let ``key``, which exists, be due at ``expire_ms`` (0: never). Does not load the value.

        A time that has passed deletes the key at its next lookup; callers that must delete at
        once, as EXPIRE does, use ``delete``.
        """
        entry = self.find(key)
        assert entry is not None, "set_expiry on a key that does not exist"
        if (entry.expire_ms == 0) != (expire_ms == 0):
            self.space.expires += 1 if expire_ms != 0 else -1
        self._prepare(entry)
        entry.expire_ms = expire_ms
        self._mark(entry, event)

    def changed(self, key: bytes, event: bytes) -> None:
        """The value obtained by ``for_write(key)`` has been changed in place."""
        entry = self.space.entries[key]
        self._prepare(entry)
        self._mark(entry, event)

    def changed_quietly(self, key: bytes, counts: bool = True) -> None:
        """As ``changed``, of what nobody is told: no event, no WATCH fails, nobody blocked is woken.

        So Redis has it for what consumers of a stream do (a delivery, XACK); nor could who is blocked
        in XREADGROUP be woken by each look that another takes at the stream. ``counts`` is false for
        what is kept only about the look itself: when a consumer was seen, how often it was shown what
        it has. It is saved, but INFO does not have it among the changes.
        """
        entry = self.space.entries[key]
        self._prepare(entry)
        before: i64 = entry.size
        self._residency.charge(entry)
        if counts:
            self._flusher.changed(entry, entry.size - before)
        else:
            self._flusher.mark(entry, entry.size - before)

    def shrunk(self, key: bytes, event: bytes) -> None:
        """As ``changed``, of a container that has lost elements: without any left, the key goes."""
        entry = self.space.entries[key]
        self.changed(key, event)
        value = entry.value
        assert isinstance(value, Value)
        if value.count() == 0:
            self._remove(entry, b"del", counts=False)

    def notify(self, key: bytes, event: bytes) -> None:
        """Tell of one more event of a change that has been reported already."""
        core = self._core
        if core.listeners:
            core.tell(self.index, event, key)

    def _prepare(self, entry: Entry) -> None:
        """``entry`` is going to change: it is copied if it is being saved."""
        self._flusher.before_change(entry)
        if self.space.loads:
            self._core.loader.overtake(self.space, entry.key)

    def _mark(self, entry: Entry, event: bytes, counts: bool = True) -> None:
        """``entry`` has changed: charge it, mark it dirty, tell those who want to know. ``counts`` is
        false for what belongs to a change that has been counted.

        An empty event is a change that Redis tells nobody (PFCOUNT keeps its result in the value).
        """
        before: i64 = entry.size
        self._residency.charge(entry)
        if counts:
            self._flusher.changed(entry, entry.size - before)
        else:
            self._flusher.mark(entry, entry.size - before)
        if self.space.timed or type(entry.value) is not bytes:
            self._count_timed(entry)
        core = self._core
        if core.watchers:
            self._touch_watchers(entry.key)
        if core.is_tracking:
            self._tell_tracking(entry.key, event)
        blocking = core.blocking
        if blocking is not None and blocking.any:
            blocking.signal(self.index, entry.key)
        if event and core.listeners:
            core.tell(self.index, event, entry.key)

    def _count_timed(self, entry: Entry) -> None:
        """``entry`` has changed: count it as one whose fields expire, or no longer."""
        space = self.space
        key = entry.key
        is_timed = field_due_of(entry.value) != 0
        if is_timed == (key in space.timed):
            return
        if is_timed:
            space.timed.add(key)
            space.subexpires += 1
        else:
            space.timed.remove(key)
            space.subexpires -= 1

    def _remove(self, entry: Entry, event: bytes, counts: bool = True) -> None:
        self._prepare(entry)
        self._residency.hold(entry)
        space = self.space
        space.keys -= 1
        self._residency.resident -= 1
        if entry.expire_ms != 0:
            space.expires -= 1
            entry.expire_ms = 0
        entry.value = None
        entry.frequency = 0
        self._mark(entry, event, counts)

    def _touch_watchers(self, key: bytes) -> None:
        for session in self._core.watchers.get((self.space.generation, key), ()):
            session.watched_key_changed = True

    def _tell_tracking(self, key: bytes, event: bytes) -> None:
        tracking = self._core.tracking
        assert tracking is not None, "nobody is tracked without it"
        tracking.key_changed(key, event in EXPIRIES)

    # Expiry

    def _expire_if_due(self, entry: Entry) -> bool:
        """Whether ``entry``, which has a due time, is past it; it is deleted then."""
        if not self._core.is_due(entry.expire_ms):
            return False
        self._stats.expired_keys += 1
        self._remove(entry, b"expired")
        return True

    def _has_vanished(self, entry: Entry, value: object) -> bool:
        """Remove the fields of ``value``, which ``entry`` has, that are due; whether the key went with
        the last of them."""
        if not isinstance(value, Value):
            return False
        due_ms = value.next_due_ms()
        return due_ms > 0 and self._core.is_due(due_ms) and self._expire_fields(entry, value) == 0

    def _expire_fields(self, entry: Entry, value: Value) -> int:
        """Remove what is due, at least one field; how many are left. O(log n) for each, in general."""
        self._prepare(entry)
        self._stats.expired_fields += value.expire(self._core.now_ms)
        self._mark(entry, b"hexpired")
        left = value.count()
        if left == 0:
            self._remove(entry, b"del", counts=False)
        return left

    def expire_from_index(self, key: bytes, due_ms: int) -> bool:
        """The expiry index says that ``key`` is due: delete it, without loading it.

        The caller knows that the index is of this keyspace's space, and that no epoch committed
        since it was read contained the key. Whether anything was deleted.
        """
        space = self.space
        entry = space.entries.get(key)
        if entry is not None:
            if entry.value is None or entry.expire_ms == 0:
                return False
            return self._expire_if_due(entry)
        if space.loads:
            self._core.loader.overtake(space, key)
        entry = Entry(key, None, space.number)
        space.entries.add(entry)
        if space.subexpires == 0:
            # It may be inline or apart: deleting both is right for either.
            entry.on_disk = ON_DISK_APART
            space.indexed[key] = due_ms
            space.keys -= 1
            space.expires -= 1
        else:
            # It may have fields that expire: the commit thread will find out, and count it all.
            space.unsettled += 1
        self._stats.expired_keys += 1
        self._mark(entry, b"expired")
        return True

    def expire_fields_from_index(self, key: bytes, due_ms: int) -> bool:
        """The index of fields' due times says that a field of ``key`` is due at ``due_ms``, which has
        passed. The key's entry is there, with its value if it has one: remove what is due; if nothing
        is, the record is out of date and is deleted with the next epoch.

        False if the record stays for now: the key has changes that are not on disk yet, or it is not due
        after all.
        """
        space = self.space
        entry = space.entries[key]
        value = entry.value
        # If so, it goes with the next change.
        is_true = space.field_due.get(key, 0) == due_ms
        if value is not None:
            if entry.expire_ms != 0 and self._expire_if_due(entry):
                return is_true
            assert not isinstance(value, Apart), "what is not in memory cannot be judged"
            if isinstance(value, Value) and 0 < value.next_due_ms() <= self._core.now_ms:
                self._expire_fields(entry, value)
                return is_true
        if entry.state != CLEAN or is_true:
            # (The latter when the clock was set back.)
            return False
        # Memory knows what is on disk, and the record is not of it.
        self._flusher.forget_index(expiry_key(field_generation(space.generation), due_ms, key))
        return True

    # Memory

    def memory_usage(self, key: bytes) -> int | None:
        """Accounted bytes of ``key``; for a value that is on disk only, what its head takes."""
        entry = self.find(key)
        return None if entry is None else int(entry.size)

    def is_resident(self, key: bytes) -> bool:
        """Whether the value of ``key`` is in memory now. Loads nothing."""
        entry = self.space.entries.get(key)
        return entry is not None and entry.value is not None and not isinstance(entry.value, Apart)

    def is_dirty(self, key: bytes) -> bool:
        """Whether ``key`` has changes that are not on disk. Loads nothing."""
        entry = self.space.entries.get(key)
        return entry is not None and entry.state != CLEAN

    def evict(self, key: bytes) -> bool:
        """Let ``key`` leave memory, if it is there and clean; whether it did."""
        entry = self.space.entries.get(key)
        if entry is None or entry.state != CLEAN or entry.pins > 0:
            return False
        self._residency.drop(entry)
        return True
