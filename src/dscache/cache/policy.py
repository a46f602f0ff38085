"""Eviction policies: which entry leaves memory next.

A policy holds the entries that may go. One that is deleted or pinned is taken out with ``remove``. One
that is written keeps its place: most are clean again before their turn comes, and to unlink an entry is to
touch two others that the processor's caches do not have. If it is not, ``victim`` takes it out, and it comes
back with ``admit`` when it is clean. So each is met once, and a victim costs O(1), amortised, however much
of memory is dirty. (Redis samples and skips; the 2011 server, with everything queued for saving, found
no victim in a hundred tries.)

Sizes count in bytes, not in keys: S3-FIFO's small queue is a tenth of the bytes.

Which one is the default was measured: see ``docs/benchmarks.md``, hit ratios by policy.
"""

from __future__ import annotations

from mmap import mmap
from typing import Final

from mypy_extensions import i64, u8

from dscache.cache.entry import CLEAN, Entry
from dscache.cache.queue import EntryQueue


class Policy:
    """The interface. All methods are O(1), amortised."""

    def admit(self, entry: Entry) -> None:
        """``entry``, which is clean, may be evicted from now on. It is not in the policy."""
        raise NotImplementedError

    def remove(self, entry: Entry) -> None:
        """``entry`` must stay, or is gone for another reason than eviction. It is in the policy."""
        raise NotImplementedError

    def grown(self, entry: Entry, grown_bytes: i64) -> None:
        """The size of ``entry``, which is in the policy, has changed by so much."""

    def hit(self, entry: Entry) -> None:
        """``entry`` was used; it may or may not be in the policy at the moment."""
        raise NotImplementedError

    def holds(self, entry: Entry) -> bool:
        """Whether ``entry`` is in the policy."""
        return entry.older is not None

    def first_frequency(self) -> u8:
        """``Entry.frequency`` of an entry that has just got a value."""
        return 0

    def victim(self) -> Entry | None:
        """The clean entry to evict, already taken out of the policy; None if there is none."""
        raise NotImplementedError

    def resize(self, limit_bytes: int) -> None:
        """The memory for entries has become ``limit_bytes``."""

    def tick(self, now_ms: int) -> None:
        """Called about ten times a second, for what has to happen with time."""

    def overhead_bytes(self) -> int:
        """Memory of the policy itself, beyond the entries."""
        return 0


class Lru(Policy):
    """Least recently used, exactly (not sampled)."""

    def __init__(self) -> None:
        self._queue = EntryQueue()

    def admit(self, entry: Entry) -> None:
        self._queue.add(entry)

    def remove(self, entry: Entry) -> None:
        self._queue.remove(entry)

    def hit(self, entry: Entry) -> None:
        if entry.older is not None:
            self._queue.remove(entry)
            self._queue.add(entry)

    def grown(self, entry: Entry, grown_bytes: i64) -> None:
        self._queue.size_bytes += grown_bytes

    def victim(self) -> Entry | None:
        while True:
            entry = self._queue.oldest()
            if entry is None:
                return None
            self._queue.remove(entry)
            if entry.state == CLEAN:
                return entry


class Sieve(Policy):
    """SIEVE (Zhang et al., NSDI 2024): a FIFO queue and a hand that passes over visited entries."""

    def __init__(self) -> None:
        self._queue = EntryQueue()
        self._hand: Entry | None = None

    def admit(self, entry: Entry) -> None:
        self._queue.add(entry)

    def remove(self, entry: Entry) -> None:
        if entry is self._hand:
            self._hand = self._queue.next_newer(entry)
        self._queue.remove(entry)

    def grown(self, entry: Entry, grown_bytes: i64) -> None:
        self._queue.size_bytes += grown_bytes

    def hit(self, entry: Entry) -> None:
        entry.frequency = 1

    def victim(self) -> Entry | None:
        queue = self._queue
        while True:
            entry = self._hand
            if entry is None:
                entry = queue.oldest()
                if entry is None:
                    return None
            self._hand = queue.next_newer(entry)
            if entry.state != CLEAN:
                queue.remove(entry)
            elif entry.frequency > 0:
                entry.frequency = 0
            else:
                queue.remove(entry)
                return entry


_SMALL: Final = 1
_MAIN: Final = 2

# S3-FIFO's constants, from the paper: the small queue's share of the bytes, and the cap of the
# counter. The ghost table remembers about as many keys as the main queue holds.
_SMALL_SHARE: Final = 10
_MAX_FREQUENCY: Final = 3
_GHOST_BYTES_PER_SLOT: Final = 256
_MIN_GHOSTS: Final = 1024


class Ghosts:
    """Fingerprints of keys that were evicted from the small queue lately.

    A direct-mapped table of 32-bit fingerprints with the number of the eviction: 8 bytes a key, where
    a dictionary would take 80. Two keys that fall on one slot displace each other; a fingerprint
    counts only while it is younger than ``lifetime`` evictions, so the table may be larger than the
    cache needs without remembering too long (which costs S3-FIFO several points of hit ratio).
    """

    def __init__(self, slots: int) -> None:
        assert slots & (slots - 1) == 0, "the number of slots is a power of two"
        self._mask = slots - 1
        # The kernel's zeros take no memory before they are written: 33 bytes a key, where nothing is evicted.
        self._fingerprints: memoryview[int] = memoryview(mmap(-1, 4 * slots)).cast("I")
        self._numbers: memoryview[int] = memoryview(mmap(-1, 4 * slots)).cast("I")
        self._evictions = 0

    def add(self, key: bytes) -> None:
        """Remember ``key``."""
        fingerprint = hash(key)
        slot = fingerprint & self._mask
        self._evictions = (self._evictions + 1) & 0xFFFFFFFF
        self._fingerprints[slot] = (fingerprint >> 32) & 0xFFFFFFFF
        self._numbers[slot] = self._evictions

    def take(self, key: bytes, lifetime: int) -> bool:
        """Whether ``key`` was added within the last ``lifetime`` evictions; it is forgotten then."""
        fingerprint = hash(key)
        slot = fingerprint & self._mask
        if self._fingerprints[slot] != (fingerprint >> 32) & 0xFFFFFFFF:
            return False
        self._fingerprints[slot] = 0
        return ((self._evictions - self._numbers[slot]) & 0xFFFFFFFF) < lifetime

    def size_bytes(self) -> int:
        """Memory of the table."""
        return 8 * (self._mask + 1)


class S3Fifo(Policy):
    """S3-FIFO (Yang et al., SOSP 2023): a small probation queue, a main queue, and ghosts.

    New entries wait in the small queue; those hit more than once there move to the main queue, the
    others leave and are remembered as ghosts. A ghost that comes back goes straight to main. Scans
    and keys used once so pass through a tenth of the memory.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._small = EntryQueue()
        self._main = EntryQueue()
        self._ghosts = Ghosts(_MIN_GHOSTS)
        self.resize(limit_bytes)

    def resize(self, limit_bytes: int) -> None:
        # A new table has forgotten everything, so small changes of the limit do not count.
        slots = self._ghosts.size_bytes() // 8
        wanted = max(limit_bytes // _GHOST_BYTES_PER_SLOT, _MIN_GHOSTS)
        if wanted > slots or wanted * 4 < slots:
            self._ghosts = Ghosts(1 << (wanted - 1).bit_length())

    def overhead_bytes(self) -> int:
        return self._ghosts.size_bytes()

    def admit(self, entry: Entry) -> None:
        # An entry that was only away to be saved returns to the queue that it came from.
        if entry.queue == 0:
            returns = self._ghosts.take(entry.key, self._main.count + self._small.count)
            entry.queue = _MAIN if returns else _SMALL
        self._queue_of(entry).add(entry)

    def remove(self, entry: Entry) -> None:
        self._queue_of(entry).remove(entry)

    def grown(self, entry: Entry, grown_bytes: i64) -> None:
        self._queue_of(entry).size_bytes += grown_bytes

    def _queue_of(self, entry: Entry) -> EntryQueue:
        return self._main if entry.queue == _MAIN else self._small

    def hit(self, entry: Entry) -> None:
        if entry.frequency < _MAX_FREQUENCY:
            entry.frequency += 1

    def victim(self) -> Entry | None:
        small = self._small
        main = self._main
        while True:
            total: i64 = small.size_bytes + main.size_bytes
            if small.count > 0 and (main.count == 0 or small.size_bytes * _SMALL_SHARE >= total):
                entry = small.oldest()
                assert entry is not None
                small.remove(entry)
                if entry.state != CLEAN:
                    continue
                if entry.frequency <= 1:
                    self._ghosts.add(entry.key)
                    return entry
                entry.frequency = 0
                entry.queue = _MAIN
                main.add(entry)
                continue
            entry = main.oldest()
            if entry is None:
                return None
            main.remove(entry)
            if entry.state != CLEAN:
                continue
            if entry.frequency == 0:
                return entry
            entry.frequency -= 1
            main.add(entry)
