"""The loader: records from the store into entries, and the commands that wait for them.

``want`` asks for a key; there is one load per key however many commands wait for it. What was asked
for during one turn of the event loop is handed to the I/O threads by ``dispatch``, in batches spread
over them, and comes back with one post per batch. RocksDB reads one batch's keys one after the other,
so a burst of cold keys is as fast as it is spread. Where reads are quick, because the system has the files
in memory, handing over costs more than reading: there batches are not spread but filled, and one that is not
full waits while another is under way.

A load that finishes after its key was written or deleted is dropped: whoever changes a key that is
being loaded marks the load stale (``overtake``). Loaded entries are pinned until the commands
that waited for them have run.

Everything but ``_read`` runs in the event loop's thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from mypy_extensions import i64, mypyc_attr

from dscache.cache.entry import (
    MAX_PINS,
    ON_DISK_ABSENT,
    ON_DISK_APART,
    ON_DISK_INLINE,
    Entry,
)
from dscache.cache.residency import Residency
from dscache.cache.space import Space
from dscache.errors import DscacheError, StoreDamagedError
from dscache.store.base import DATA, PAYLOADS, Store
from dscache.store.layout import data_key
from dscache.store.record import Head, decode_head
from dscache.values.base import Apart, field_due_of
from dscache.values.codec import decode_value

if TYPE_CHECKING:
    from dscache.cache.wait import Wait

# Keys per batch: a batch is read by one thread, one key after the other, and costs one hand-over
# (about 30 us of two threads' time) each way.
_MIN_BATCH: Final = 4
_MAX_BATCH: Final = 32

# Reads are quick while a key takes less than this. What counts is the quickest batch of late: in between a
# thread may have waited for the GIL. (docs/performance.md has the figures of spreading and filling.)
_QUICK_SECONDS: Final = 50e-6
_FORGETTING: Final = 1.1
_LEAST_SECONDS: Final = 1e-6


@mypyc_attr(acyclic=True)
class Load:
    """One key on its way into memory. What refers to it lets it go when it has come."""

    def __init__(self, space: Space, key: bytes, whole: bool) -> None:
        self.space: Final = space
        self.key: Final = key
        self.stored_key: Final = data_key(space.generation, key)
        #: Whether the value is wanted too, and not only the record's head.
        self.whole = whole
        #: The key was written or deleted meanwhile: what was read is out of date.
        self.stale = False
        self.waits: list[Wait] = []
        # What was read, filled in by an I/O thread.
        self.head: Head | None = None
        self.value: object = None
        self.error: DscacheError | None = None


class Loader:
    """See the module's docstring. ``on_ready`` is called with each wait that is complete."""

    def __init__(
        self,
        store: Store,
        residency: Residency,
        threads: int,
        submit: Callable[[Callable[[], None]], None],
        post: Callable[[Callable[[], None]], None],
        on_ready: Callable[[Wait], None],
    ) -> None:
        self._store = store
        self._residency = residency
        self._threads = threads
        self._submit = submit
        self._post = post
        self._on_ready = on_ready
        self._wanted: list[Load] = []
        # Batches under way, and how long a key of one takes.
        self._batches: i64 = 0
        self._key_seconds = 0.0
        #: Figures for INFO.
        self.loads: i64 = 0
        self.in_progress: i64 = 0
        self.blocking_loads: i64 = 0

    @property
    def has_wanted(self) -> bool:
        """Whether ``dispatch`` has something to hand over now."""
        wanted = len(self._wanted)
        if self._batches > 0 and wanted < _MAX_BATCH and self._is_quick():
            return False
        return wanted > 0

    def want(self, space: Space, key: bytes, whole: bool, wait: Wait | None) -> bool:
        """Load ``key``, which is not in memory (or only its head, and ``whole`` asks for more).

        ``wait``, if given, gets one more load to wait for. Whether that takes a new load. O(1).
        """
        load = space.loads.get(key)
        is_new = load is None or load.stale or (whole and not load.whole)
        if load is None or is_new:
            old = load
            load = Load(space, key, whole)
            if old is not None and not old.stale:
                # It will bring too little, and is superseded. Only the load that ``space.loads``
                # names can be overtaken, so the old one must not install anything any more.
                load.waits = old.waits
                old.waits = []
                old.stale = True
            space.loads[key] = load
            self._wanted.append(load)
            self.in_progress += 1
        # A command asks for all its keys in one go: if it is here already, it is the last.
        if wait is not None and not (load.waits and load.waits[-1] is wait):
            load.waits.append(wait)
            wait.pending += 1
        return is_new

    def overtake(self, space: Space, key: bytes) -> None:
        """``key`` has been changed without its load: what the load brings is stale."""
        load = space.loads.get(key)
        if load is not None:
            load.stale = True

    def dispatch(self) -> None:
        """Hand everything wanted to the I/O threads. O(n)."""
        wanted = self._wanted
        self._wanted = []
        total = len(wanted)
        size = _MAX_BATCH
        if not self._is_quick():
            size = min(max((total + self._threads - 1) // self._threads, _MIN_BATCH), _MAX_BATCH)
        for start in range(0, total, size):
            self._submit_batch(wanted[start : start + size])

    def _is_quick(self) -> bool:
        return self._key_seconds < _QUICK_SECONDS

    def _submit_batch(self, batch: list[Load]) -> None:
        self._batches += 1
        self._submit(lambda: self._read_and_post(batch))

    # In an I/O thread

    def _read_and_post(self, batch: list[Load]) -> None:
        started = time.perf_counter()
        read_loads(self._store, batch)
        seconds = time.perf_counter() - started
        self._post(lambda: self._complete(batch, seconds))

    # Back in the event loop's thread

    def _complete(self, batch: list[Load], seconds: float) -> None:
        self._batches -= 1
        self._key_seconds = min(
            seconds / len(batch), self._key_seconds * _FORGETTING + _LEAST_SECONDS
        )
        ready: list[Wait] = []
        for load in batch:
            self.in_progress -= 1
            self.loads += 1
            if load.space.loads.get(load.key) is load:
                del load.space.loads[load.key]
            if load.stale or load.space.retired:
                # Whoever still needs the key asks again. An error means nothing either: the record
                # may have been read while an epoch removed it.
                load.error = None
            entry = self._install(load)
            for wait in load.waits:
                if load.error is not None:
                    wait.error = load.error
                elif entry is not None and entry.pins < MAX_PINS:
                    self._residency.hold(entry)
                    entry.pins += 1
                    wait.pinned.append(entry)
                wait.pending -= 1
                if wait.pending == 0:
                    ready.append(wait)
            if entry is not None and entry.pins == 0:
                self._residency.settle(entry)
        for wait in ready:
            self._on_ready(wait)

    def load_now(self, space: Space, key: bytes, whole: bool) -> None:
        """Load ``key`` at once, in the caller's thread: the last resort, counted.

        It has an entry afterwards. Raises StoreError.
        """
        self.blocking_loads += 1
        load = Load(space, key, whole)
        # One that is under way may be older than what this one brings.
        self.overtake(space, key)
        read_loads(self._store, [load])
        if load.error is not None:
            raise load.error
        entry = self._install(load)
        if entry is not None:
            self._residency.settle(entry)

    def _install(self, load: Load) -> Entry | None:
        """Make or complete the entry that ``load`` was for; it is pinned by nobody yet.

        None if there is nothing to install: the read failed or is out of date.
        """
        space = load.space
        if load.error is not None or load.stale or space.retired:
            return None
        head = load.head
        entry = space.entries.get(load.key)
        if entry is None:
            entry = Entry(load.key, None, space.number)
            space.entries.add(entry)
            if head is None:
                entry.on_disk = ON_DISK_ABSENT
            else:
                entry.on_disk = ON_DISK_APART if head.apart else ON_DISK_INLINE
                entry.expire_ms = head.expire_ms
                entry.value = load.value
                self._residency.first_use(entry)
                self._residency.resident += 1
                if head.expire_ms:
                    space.indexed[load.key] = head.expire_ms
        elif isinstance(entry.value, Apart) and head is not None and load.whole:
            # The head was resident already, and may even have changed: only the payload is new.
            self._residency.hold(entry)
            entry.value = load.value
        else:
            return entry
        due_ms = field_due_of(entry.value)
        if due_ms != 0:
            space.field_due[load.key] = due_ms
            space.timed.add(load.key)
        self._residency.charge(entry)
        return entry


def read_loads(store: Store, batch: list[Load]) -> None:
    """Read and decode a batch; called in an I/O thread. Nothing is raised: a failed read is noted
    in every load, a damaged record in its own."""
    try:
        records = store.read_many(DATA, [load.stored_key for load in batch])
        apart: list[Load] = []
        for load, record in zip(batch, records, strict=True):
            if record is not None and take_record(load, record):
                apart.append(load)
        if apart:
            payloads = store.read_many(PAYLOADS, [load.stored_key for load in apart])
            for load, payload in zip(apart, payloads, strict=True):
                take_payload(load, payload)
    except DscacheError as error:
        for load in batch:
            load.error = error


def take_record(load: Load, record: bytes) -> bool:
    """Decode what the data column has; whether a payload that is apart must be read too. What is
    wrong is noted in the load."""
    try:
        head = decode_head(record)
        load.head = head
        if head.apart:
            load.value = Apart(head.type_code, head.payload_bytes, head.field_due_ms)
            return load.whole
        load.value = decode_value(head.type_code, record[head.offset :])
    except Exception as error:
        load.error = _damage(load, error)
    return False


def take_payload(load: Load, payload: bytes | None) -> None:
    """Decode a payload that is apart; what is wrong is noted in the load."""
    head = load.head
    assert head is not None
    if payload is None or len(payload) != head.payload_bytes:
        # Head and payload are two reads. An epoch committed in between cannot be the reason, or
        # this load has been overtaken and its error means nothing.
        found = "nothing" if payload is None else f"{len(payload)} bytes"
        load.error = StoreDamagedError(
            f"the value of {load.key!r} should have {head.payload_bytes} bytes, the store has {found}"
        )
        return
    try:
        load.value = decode_value(head.type_code, payload)
    except Exception as error:
        load.error = _damage(load, error)


def _damage(load: Load, error: Exception) -> DscacheError:
    """What a decoder raised, for clients. One that dies of a damaged record must not take the I/O
    thread, and all loads behind it, with it."""
    if isinstance(error, DscacheError):
        return error
    return StoreDamagedError(
        f"the record of {load.key!r} cannot be decoded: {type(error).__name__}: {error}"
    )
