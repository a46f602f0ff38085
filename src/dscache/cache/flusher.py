"""The flusher: epochs, from the cut to the commit.

An epoch is everything that changed between two cuts; it reaches the disk as one atomic batch, so the
disk always shows the data set as it was at one instant between two commands. The steps:

1. ``cut``: what was dirty is now saving; O(1). Only one epoch is saved at a time.
2. ``work`` encodes the saving entries into the batch, a slice of time per turn of the event loop.
   An entry that is about to change before its turn is encoded first (``before_change``).
3. The batch goes to the commit thread, which *settles* what was written without looking (did the key
   exist? when was it due?), adds the removals that follow from that, and commits.
4. ``work`` again, with the outcome: entries not changed meanwhile are clean, and may be evicted.

If the commit fails nothing is forgotten: all entries are dirty again, those changed meanwhile simply
stay so, and the next epoch, larger, takes the disk from the last good instant to a later one. Tries
come at growing intervals; ``failing_since_ms`` tells the engine, which refuses writes in time.

Everything but ``_save`` runs in the event loop's thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from mypy_extensions import i64, u8

from dscache.cache.catalog import CATALOG_KEY, Catalog, encode_catalog
from dscache.cache.entry import (
    CLEAN,
    ENCODED,
    EVEN,
    NO_SPACE,
    ODD,
    ON_DISK_ABSENT,
    ON_DISK_APART,
    ON_DISK_INLINE,
    ON_DISK_UNKNOWN,
    ON_DISK_UNKNOWN_COUNTED,
    RE_DIRTY,
    Entry,
)
from dscache.cache.epoch import Correction, Epoch
from dscache.cache.residency import Residency
from dscache.cache.space import Space
from dscache.errors import DscacheError, StoreError
from dscache.store.base import DATA, EXPIRES, META, PAYLOADS, Store
from dscache.store.batch import Batch
from dscache.store.layout import data_key, expiry_key, field_generation, generation_range
from dscache.store.record import INLINE_PAYLOAD_BYTES, decode_head, encode_head, encode_record
from dscache.values.base import HASH, Apart, Value, field_due_of, type_code_of
from dscache.values.codec import encode_value
from dscache.values.hash import field_due_in

# Entries handled between two looks at the clock.
_STEP: Final = 64

# The event loop's thread is woken each time so much more of an epoch has been saved.
_ANNOUNCED_STEP: Final = 1 / 64

# Old records read at a time while settling; each may be INLINE_PAYLOAD_BYTES long.
_SETTLE_STEP: Final = 64

_FIRST_RETRY_SECONDS: Final = 0.1
_LONGEST_RETRY_SECONDS: Final = 5.0

#: Where the store says up to where it has what the redo log has.
LOG_KEY: Final = b"log"

# What an operation of the batch costs beyond its bytes, about: how it is packed, and its place in a memtable
# (which the store's own budget does not show until it is applied).
_OPERATION_BYTES: Final = 50


class Flusher:
    """Cuts, saves and finishes epochs. See the module's docstring.

    ``submit`` hands a job to the commit thread, and ``post`` a callback from there to the event
    loop's thread. ``on_commit`` is called there when an epoch has been committed or has failed.
    """

    def __init__(
        self,
        store: Store,
        residency: Residency,
        catalog: Catalog,
        submit: Callable[[Callable[[], None]], None],
        post: Callable[[Callable[[], None]], None],
        on_commit: Callable[[Epoch], None],
    ) -> None:
        self._store = store
        self._residency = residency
        self._catalog = catalog
        self._submit = submit
        self._post = post
        self._on_commit = on_commit
        self._dirty_colour: u8 = EVEN
        self._saving_colour: u8 = ODD
        # Of the next epoch. These lists go round, and live as long as the flusher: the collector has them
        # frozen, where it would walk through every entry of a new one.
        self._dirty: list[Entry] = []
        # Another number each time that another list, or the same one emptied, takes that place.
        self._dirty_serial = 1
        self._spare: list[list[Entry]] = [[], []]
        self._retired: list[Space] = []
        self._forgotten: list[bytes] = []
        self._epoch: Epoch | None = None
        # One that has been saved, as long as its lists are not empty.
        self._ended: Epoch | None = None
        # Which step ``work`` goes on with, if any.
        self._encoding = False
        self._finishing = False
        self._retry_seconds = _FIRST_RETRY_SECONDS
        #: Number of the last epoch that was cut, and of the last that is on disk.
        self.last_cut: int = 0
        self.last_committed: int = 0
        #: How often a commit has returned: what the store holds may have changed since it differed.
        self.saves: int = 0
        #: Accounted bytes of what changed since the last cut.
        self.dirty_bytes: i64 = 0
        #: ``time.perf_counter`` when the oldest uncommitted change was made; 0 if there is none.
        self.oldest_change: float = 0.0
        self._oldest_dirty: float = 0.0
        #: ``time.perf_counter`` of the first failure since the last success, and of the next try.
        self.failing_since: float = 0.0
        self.retry_at: float = 0.0
        #: ``time.perf_counter`` when the commit thread got the epoch that it is busy with; 0 if it is not.
        self.committing_since: float = 0.0
        #: Somebody waits for room: the commit thread tells how far it is.
        self.is_awaited: bool = False
        #: Grows with whatever a cut would save: a command that leaves it as it was has changed nothing.
        self.edits: i64 = 0
        #: Called at a cut: the redo log's record of where it stands, to be committed with the epoch;
        #: empty without a log.
        self.log_position: Callable[[], bytes] = _no_position
        # Figures for INFO.
        self.epochs: int = 0
        self._changes: i64 = 0
        self._saved_changes: i64 = 0
        self.last_commit_seconds: float = 0.0
        #: ``time.perf_counter`` of the last commit.
        self.committed_at: float = 0.0
        self.last_commit_keys: int = 0
        self.last_commit_ms: int = 0
        self.last_error: str = ""

    # Changes

    def before_change(self, entry: Entry) -> None:
        """Copy before write: ``entry`` is about to change; if it is saving, it is encoded first.

        O(1) unless it has to be encoded.
        """
        if entry.state == self._saving_colour:
            assert self._epoch is not None
            self._encode(self._epoch, entry)

    def changed(self, entry: Entry, grown_bytes: i64) -> None:
        """``entry`` has changed, after ``before_change``: it is dirty now. O(1).

        ``grown_bytes`` is what the change added to its accounted size.
        """
        self._changes += 1
        self.mark(entry, grown_bytes)

    def mark(self, entry: Entry, grown_bytes: i64) -> None:
        """As ``changed``, of what is to be saved and yet does not count as a change. O(1)."""
        self.edits += 1
        state = entry.state
        if state == self._dirty_colour or state == RE_DIRTY:
            self.dirty_bytes += grown_bytes
            return
        if state == ENCODED:
            entry.state = RE_DIRTY
        else:
            assert state == CLEAN, "a saving entry was changed without before_change"
            entry.state = self._dirty_colour
        self._note_change()
        self.dirty_bytes += entry.size
        self._dirty.append(entry)

    def catalog_changed(self, retired: list[Space]) -> None:
        """The database table has changed; the ranges of ``retired`` spaces are to be deleted."""
        self.edits += 1
        self._note_change()
        for space in retired:
            space.retired_in = self.last_cut + 1
        self._retired.extend(retired)

    def forget_index(self, stored_key: bytes) -> None:
        """Delete ``stored_key`` of the expiry column, which is a hint that is true of no key."""
        self._note_change()
        self._forgotten.append(stored_key)

    def _note_change(self) -> None:
        if self._oldest_dirty == 0.0:
            self._oldest_dirty = time.perf_counter()
            if self.oldest_change == 0.0:
                self.oldest_change = self._oldest_dirty

    # State

    @property
    def dirty_count(self) -> int:
        """Entries that changed since the last cut."""
        return len(self._dirty)

    @property
    def all_changes(self) -> int:
        """Changes since the start."""
        return int(self._changes)

    @property
    def unsaved_changes(self) -> int:
        """Changes that are not on disk, those of one key that changed several times included."""
        return int(self._changes - self._saved_changes)

    @property
    def saving_count(self) -> int:
        """Entries in the epoch that is being saved."""
        return 0 if self._epoch is None else len(self._epoch.entries)

    @property
    def is_saving(self) -> bool:
        """Whether an epoch is on its way."""
        return self._epoch is not None

    def progress(self) -> float:
        """How much of its way the epoch that is being saved has behind it, from 0 to 1. O(1)."""
        epoch = self._epoch
        return 1.0 if epoch is None or self._finishing else epoch.progress()

    @property
    def encoding(self) -> int:
        """Number of the epoch that is being encoded; 0 if there is none."""
        return self._epoch.number if self._epoch is not None and self._encoding else 0

    @property
    def has_dirty(self) -> bool:
        """Whether there is anything that a cut would save."""
        return self._oldest_dirty != 0.0

    @property
    def dirty_since(self) -> float:
        """``time.perf_counter`` of the oldest change since the last cut; 0 if there is none."""
        return self._oldest_dirty

    @property
    def has_work(self) -> bool:
        """Whether ``work`` has something to do now."""
        return self._encoding or self._finishing or self._ended is not None

    def uncommitted(self) -> list[Entry]:
        """Entries that may differ from the store, some of them twice. O(n)."""
        if self._epoch is None:
            return list(self._dirty)
        return self._epoch.entries + self._dirty

    def uncommitted_lists(self) -> list[tuple[int, list[Entry]]]:
        """The lists of entries that are being saved, and of those that are dirty, each with a number that
        no other one has had. They grow; the caller must not change them, nor look at one that is not
        among them any more."""
        lists = [(self._dirty_serial, self._dirty)]
        if self._epoch is not None:
            lists.append((self._epoch.serial, self._epoch.entries))
        return lists

    # Epochs

    def cut(self) -> None:
        """End the epoch: what is dirty is saving from now on. O(databases + forgotten hints).

        Must be called between two commands, when none is being saved and something is dirty.
        """
        assert self._epoch is None
        assert self.has_dirty
        self.last_cut += 1
        self._epoch = Epoch(
            self.last_cut,
            self._dirty,
            self._dirty_serial,
            self._retired,
            self._forgotten,
            self._catalog.tally(),
            self.log_position(),
        )
        for stored_key in self._forgotten:
            self._epoch.batch.delete(EXPIRES, stored_key)
        self._epoch.seconds = time.perf_counter()
        self._epoch.changes = self._changes
        self._dirty = self._spare.pop() if self._spare else []
        self._dirty_serial += 1
        self._retired = []
        self._forgotten = []
        self._dirty_colour, self._saving_colour = self._saving_colour, self._dirty_colour
        self.dirty_bytes = 0
        self._oldest_dirty = 0.0
        self._encoding = True

    def work(self, budget_seconds: float) -> bool:
        """Go on with the epoch for about ``budget_seconds``; whether there is more to do now."""
        deadline = time.perf_counter() + budget_seconds
        if self._ended is not None and not self._encoding and not self._finishing:
            return self._let_go(self._ended, deadline)
        epoch = self._epoch
        if epoch is None:
            return False
        total: i64 = len(epoch.entries)
        if self._encoding:
            while epoch.done < total:
                self._encode_step(epoch, min(epoch.done + _STEP, total))
                if epoch.done < total and time.perf_counter() > deadline:
                    return True
            self._encoding = False
            epoch.is_encoded = True
            epoch.unsettled.seal()
            self._charge_batch(epoch)
            epoch.batch.on_progress = self._announce
            self.committing_since = time.perf_counter()
            self._submit(lambda: self._save(epoch))
        elif self._finishing:
            while epoch.done < total:
                self._finish_step(epoch, min(epoch.done + _STEP, total))
                if epoch.done < total and time.perf_counter() > deadline:
                    return True
            self._finishing = False
            self._finish(epoch)
            return True
        return False

    def _let_go(self, epoch: Epoch, deadline: float) -> bool:
        """Empty the list of an epoch in slices: there may be hundreds of thousands of entries in it."""
        while epoch.entries:
            del epoch.entries[-_STEP:]
            if time.perf_counter() > deadline:
                return True
        self._spare.append(epoch.entries)
        self._ended = None
        return False

    def _charge_batch(self, epoch: Epoch) -> None:
        batch = epoch.batch
        self._residency.saving_bytes = (
            batch.size_bytes + _OPERATION_BYTES * batch.count + epoch.unsettled.size_bytes
        )

    # Encoding

    def _encode_step(self, epoch: Epoch, stop: i64) -> None:
        entries = epoch.entries
        index: i64 = epoch.done
        while index < stop:
            entry = entries[index]
            if entry.state == self._saving_colour:
                self._encode(epoch, entry)
            index += 1
        epoch.done = stop
        self._charge_batch(epoch)

    def _encode(self, epoch: Epoch, entry: Entry) -> None:
        """Put ``entry`` as it is into the epoch's batch. O(size of the value)."""
        entry.state = ENCODED
        if entry.space == NO_SPACE:
            return
        space = self._residency.spaces[entry.space]
        assert space is not None
        if space.retired and space.retired_in <= epoch.number:
            # This epoch deletes the whole range. (One that was cut before FLUSHDB does not.)
            return
        batch = epoch.batch
        key = entry.key
        stored_key = data_key(space.generation, key)
        on_disk = entry.on_disk
        expire_ms: i64 = entry.expire_ms
        indexed_ms: i64 = 0
        if on_disk >= ON_DISK_UNKNOWN:
            epoch.unsettled.add(entry, space, stored_key)
            if space.indexed:
                space.indexed.pop(key, None)
        elif space.indexed:
            indexed_ms = space.indexed.pop(key, 0)
            if indexed_ms != 0 and indexed_ms != expire_ms:
                batch.delete(EXPIRES, expiry_key(space.generation, indexed_ms, key))
        value = entry.value
        if space.field_due or isinstance(value, Value):
            self._index_fields(epoch, space, key, value)
        if value is None:
            if on_disk != ON_DISK_ABSENT:
                batch.delete(DATA, stored_key)
            if on_disk == ON_DISK_APART:
                batch.delete(PAYLOADS, stored_key)
            entry.on_disk = ON_DISK_ABSENT
            return
        if expire_ms != 0:
            if indexed_ms != expire_ms:
                batch.put(EXPIRES, expiry_key(space.generation, expire_ms, key), b"")
                if expire_ms < epoch.earliest_due_ms:
                    epoch.earliest_due_ms = expire_ms
            space.indexed[key] = expire_ms
        type_code = type_code_of(value)
        if isinstance(value, Apart):
            # Only the head has changed; the payload stays where it is.
            head = encode_head(type_code, expire_ms, value.payload_bytes, value.field_due_ms)
            batch.put(DATA, stored_key, head)
            entry.on_disk = ON_DISK_APART
            return
        payload = encode_value(value)
        if len(payload) <= INLINE_PAYLOAD_BYTES:
            batch.put(DATA, stored_key, encode_record(type_code, expire_ms, payload))
            if on_disk == ON_DISK_APART:
                batch.delete(PAYLOADS, stored_key)
            entry.on_disk = ON_DISK_INLINE
        else:
            head = encode_head(type_code, expire_ms, len(payload), field_due_of(value))
            batch.put(DATA, stored_key, head)
            batch.put(PAYLOADS, stored_key, payload)
            entry.on_disk = ON_DISK_APART

    def _index_fields(self, epoch: Epoch, space: Space, key: bytes, value: object) -> None:
        """Let the index of fields' due times say what ``value``, which is being saved, says."""
        if isinstance(value, Apart):
            # Its fields are as they were.
            if value.field_due_ms != 0:
                space.field_due[key] = value.field_due_ms
            return
        due_ms: i64 = field_due_of(value)
        indexed_ms: i64 = space.field_due.pop(key, 0)
        generation = field_generation(space.generation)
        if indexed_ms != 0 and indexed_ms != due_ms:
            epoch.batch.delete(EXPIRES, expiry_key(generation, indexed_ms, key))
        if due_ms == 0:
            return
        if indexed_ms != due_ms:
            epoch.batch.put(EXPIRES, expiry_key(generation, due_ms, key), b"")
            if due_ms < epoch.earliest_field_due_ms:
                epoch.earliest_field_due_ms = due_ms
        space.field_due[key] = due_ms

    # In the commit thread

    def _save(self, epoch: Epoch) -> None:
        """Settle and commit. Touches nothing but the store and the epoch's batch and outcome."""
        try:
            self._store.catch_up()
            removals = Batch()
            for space in epoch.retired:
                begin, end = generation_range(space.generation)
                for column in (DATA, EXPIRES, PAYLOADS):
                    removals.delete_range(column, begin, end)
                begin, end = generation_range(field_generation(space.generation))
                removals.delete_range(EXPIRES, begin, end)
            self._settle(epoch, removals)
            epoch.batch.prepend(removals)
            epoch.settled = True
            epoch.batch.put(META, CATALOG_KEY, encode_catalog(epoch.tally))
            if epoch.log_position:
                epoch.batch.put(META, LOG_KEY, epoch.log_position)
            self._store.commit(epoch.batch)
        except DscacheError as error:
            epoch.error = error
        except Exception as unexpected:
            # Ours, or the engine's; but this thread must go on, and so must the tries.
            name = type(unexpected).__name__
            epoch.error = StoreError(f"a commit failed: {name}: {unexpected}")
        self._post(lambda: self._saved(epoch))

    def _settle(self, epoch: Epoch, removals: Batch) -> None:
        """Find out what was on disk under keys that were written without looking.

        ``removals``, which go in front of the batch, get what does not belong there any more.
        """
        corrections: dict[int, Correction] = {}
        for step in epoch.unsettled.steps(_SETTLE_STEP):
            records = self._store.read_many(DATA, [one.stored_key for one in step])
            for one, record in zip(step, records, strict=True):
                head = None if record is None else decode_head(record)
                field_due_ms = 0 if record is None else _field_due_on_disk(record)
                if one.is_uncounted:
                    correction = corrections.get(one.space.generation)
                    if correction is None:
                        correction = corrections[one.space.generation] = Correction(one.space)
                    correction.settled += 1
                    if head is not None:
                        correction.keys += 1
                        correction.expires += 1 if head.expire_ms else 0
                        correction.subexpires += 1 if field_due_ms else 0
                if head is None:
                    continue
                if head.apart and not one.keeps_payload:
                    removals.delete(PAYLOADS, one.stored_key)
                generation = one.space.generation
                if head.expire_ms:
                    removals.delete(EXPIRES, expiry_key(generation, head.expire_ms, one.key))
                if field_due_ms and not one.keeps_payload:
                    stored = expiry_key(field_generation(generation), field_due_ms, one.key)
                    removals.delete(EXPIRES, stored)
            epoch.looked_up += len(step)
            self._announce()
        for tally in epoch.tally:
            correction = corrections.get(tally.space.generation)
            if correction is not None:
                tally.keys -= int(correction.keys)
                tally.expires -= int(correction.expires)
                tally.subexpires -= int(correction.subexpires)
        epoch.corrections = list(corrections.values())

    def _announce(self) -> None:
        """Wake the event loop's thread now and then: who waits for room may find some."""
        if not self.is_awaited:
            return
        epoch = self._epoch
        assert epoch is not None
        progress = epoch.progress()
        if progress >= epoch.announced + _ANNOUNCED_STEP:
            epoch.announced = progress
            self._post(_look)

    # Back in the event loop's thread

    def _saved(self, epoch: Epoch) -> None:
        self.saves += 1
        self.committing_since = 0.0
        if epoch.error is None:
            self.last_committed = epoch.number
        epoch.done = 0
        self._finishing = True
        self._count(epoch)
        if epoch.error is not None:
            self._take_back(epoch, str(epoch.error))
        self._on_commit(epoch)

    def _count(self, epoch: Epoch) -> None:
        """Apply what settling has found out, once. O(spaces)."""
        if epoch.settled and not epoch.is_counted:
            epoch.is_counted = True
            for correction in epoch.corrections:
                correction.apply()

    def settle_now(self, space: Space, wait_for: Callable[[Callable[[], bool]], None]) -> None:
        """Make the count of ``space`` exact at once, blocking: the last resort of transactions.

        Cuts nothing, since the running transaction is half done. ``wait_for`` blocks until an I/O
        thread has made its argument true. O(unsettled keys) reads. Raises DscacheError.
        """
        epoch = self._epoch
        if epoch is not None and not epoch.is_counted:
            while self._encoding:
                self.work(1.0)
            wait_for(lambda: epoch.settled or epoch.error is not None)
            if not epoch.settled:
                assert epoch.error is not None
                raise epoch.error
            self._count(epoch)
        # What is unsettled now has not been cut yet, so no commit is writing it while we read.
        unknown = [
            entry
            for entry in self._dirty
            if entry.on_disk == ON_DISK_UNKNOWN and entry.space == space.number
        ]
        for start in range(0, len(unknown), _SETTLE_STEP):
            step = unknown[start : start + _SETTLE_STEP]
            keys = [data_key(space.generation, entry.key) for entry in step]
            correction = Correction(space)
            for entry, record in zip(step, self._store.read_many(DATA, keys), strict=True):
                correction.settled += 1
                if record is None:
                    entry.on_disk = ON_DISK_ABSENT
                    continue
                head = decode_head(record)
                entry.on_disk = ON_DISK_APART if head.apart else ON_DISK_INLINE
                correction.keys += 1
                if head.expire_ms:
                    correction.expires += 1
                    space.indexed[entry.key] = head.expire_ms
                field_due_ms = _field_due_on_disk(record)
                if field_due_ms:
                    correction.subexpires += 1
                    space.field_due[entry.key] = field_due_ms
            correction.apply()

    def _finish_step(self, epoch: Epoch, stop: i64) -> None:
        entries = epoch.entries
        dirty = self._dirty_colour
        index: i64 = epoch.done
        while index < stop:
            entry = entries[index]
            if entry.state == RE_DIRTY:
                entry.state = dirty
            else:
                assert entry.state == ENCODED
                entry.state = CLEAN
                self._residency.settle(entry)
            index += 1
        epoch.done = stop

    def _finish(self, epoch: Epoch) -> None:
        self._residency.saving_bytes = 0
        self._epoch = None
        self._ended = epoch
        self.epochs += 1
        self._saved_changes = epoch.changes
        self.last_commit_ms = int(time.time() * 1000)
        self.committed_at = time.perf_counter()
        self.last_commit_seconds = self.committed_at - epoch.seconds
        self.last_commit_keys = len(epoch.entries)
        self.last_error = ""
        self.failing_since = 0.0
        self.retry_at = 0.0
        self._retry_seconds = _FIRST_RETRY_SECONDS
        self.oldest_change = self._oldest_dirty

    def _take_back(self, epoch: Epoch, reason: str) -> None:
        """The commit failed: everything in it is dirty again, and its records are not known.

        O(entries), not sliced: it is rare, and half a failed epoch would be one more state.
        """
        again: list[Entry] = []
        for entry in epoch.entries:
            if entry.state == ENCODED:
                again.append(entry)
                self.dirty_bytes += entry.size
            entry.state = self._dirty_colour
            entry.on_disk = ON_DISK_UNKNOWN_COUNTED
            if entry.space != NO_SPACE:
                space = self._residency.space_of(entry)
                if space.indexed:
                    space.indexed.pop(entry.key, None)
                if space.field_due:
                    space.field_due.pop(entry.key, None)
        if not epoch.settled:
            for step in epoch.unsettled.steps(_STEP):
                for one in step:
                    unknown = one.space.entries.get(one.key)
                    if one.is_uncounted and unknown is not None:
                        unknown.on_disk = ON_DISK_UNKNOWN
        # Those not changed since go first: theirs are the older changes.
        self._dirty = again + self._dirty
        self._dirty_serial += 1
        self._retired = epoch.retired + self._retired
        self._forgotten = epoch.forgotten + self._forgotten
        self._residency.saving_bytes = 0
        self._epoch = None
        self._finishing = False
        now = time.perf_counter()
        self.last_error = reason
        if self.failing_since == 0.0:
            self.failing_since = now
        self.retry_at = now + self._retry_seconds
        self._retry_seconds = min(self._retry_seconds * 2, _LONGEST_RETRY_SECONDS)
        self._oldest_dirty = self.oldest_change


def _look() -> None:
    """Being woken is all: see ``Engine.turn``."""


def _no_position() -> bytes:
    """There is no redo log."""
    return b""


def _field_due_on_disk(record: bytes) -> int:
    """When the first field of what ``record`` holds is due; 0 if none is."""
    head = decode_head(record)
    if head.type_code != HASH:
        return 0
    return head.field_due_ms if head.apart else field_due_in(record[head.offset :])
