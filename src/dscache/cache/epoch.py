"""An epoch on its way to the disk: what is in it, and what the commit thread has found out.

``Flusher`` fills it and brings it there; the waiting room and active expiry read what became of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from librt.strings import BytesWriter, read_i32_le, write_i32_le
from mypy_extensions import i32, i64, u8

from dscache.cache.catalog import SpaceTally
from dscache.cache.entry import ON_DISK_UNKNOWN, Entry
from dscache.cache.space import Space
from dscache.errors import DscacheError
from dscache.store.batch import Batch
from dscache.store.layout import PREFIX_BYTES, generation_of
from dscache.values.base import Apart

# What part of an epoch's time its steps take, about.
_ENCODING: Final = 0.1
_SETTLING: Final = 0.4
_APPLYING: Final = 0.5

#: Later than any due time.
NEVER_MS: Final = 1 << 62

# Unsettled keys: flags, bytes before each, and how long a block becomes.
_UNCOUNTED: Final = 1
_KEEPS_PAYLOAD: Final = 2
_HEAD_BYTES: Final = 5
_BLOCK_BYTES: Final = 64 * 1024


class UnsettledKey:
    """A key of an epoch of whose record on disk nothing was known when it was encoded."""

    def __init__(self, space: Space, stored_key: bytes, flags: u8) -> None:
        self.space: Final = space
        self.stored_key: Final = stored_key
        #: DBSIZE does not know yet whether the key is new.
        self.is_uncounted: Final = flags & _UNCOUNTED != 0
        #: Only the head was written anew; the payload on disk is still this key's.
        self.keeps_payload: Final = flags & _KEEPS_PAYLOAD != 0

    @property
    def key(self) -> bytes:
        """The key of the data set."""
        return self.stored_key[PREFIX_BYTES:]


class Unsettled:
    """The unsettled keys of an epoch, packed, for the same reason as the operations of a batch: flags (u8),
    length (i32) and bytes of the stored key, which begins with the generation."""

    def __init__(self) -> None:
        self.count: i64 = 0
        self.size_bytes: i64 = 0
        self._blocks: list[bytes] = []
        self._writer = BytesWriter()
        self._spaces: dict[int, Space] = {}

    def add(self, entry: Entry, space: Space, stored_key: bytes) -> None:
        """``entry``, which is being encoded, is unsettled."""
        self._spaces[space.generation] = space
        flags: u8 = 0
        if entry.on_disk == ON_DISK_UNKNOWN:
            flags |= _UNCOUNTED
        if isinstance(entry.value, Apart):
            flags |= _KEEPS_PAYLOAD
        writer = self._writer
        if len(writer) > _BLOCK_BYTES:
            self.seal()
            writer = self._writer
        writer.append(flags)
        write_i32_le(writer, i32(len(stored_key)))
        writer.write(stored_key)
        self.count += 1
        self.size_bytes += _HEAD_BYTES + len(stored_key)

    def seal(self) -> None:
        """What was added last is to be read, too."""
        self._blocks.append(self._writer.getvalue())
        self._writer = BytesWriter()

    def steps(self, count: i64) -> Iterator[list[UnsettledKey]]:
        """All of them that are sealed, at most ``count`` at a time. From any thread."""
        for block in self._blocks:
            place: i64 = 0
            while place < len(block):
                step: list[UnsettledKey] = []
                while place < len(block) and len(step) < count:
                    begin = place + _HEAD_BYTES
                    end = begin + i64(read_i32_le(block, place + 1))
                    stored_key = block[begin:end]
                    space = self._spaces[generation_of(stored_key)]
                    step.append(UnsettledKey(space, stored_key, block[place]))
                    place = end
                yield step


class Correction:
    """What settling found out about one space: by how much it has counted too many."""

    def __init__(self, space: Space) -> None:
        self.space: Final = space
        #: Keys that are settled, those of them that existed, and those of these that expired.
        self.settled: i64 = 0
        self.keys: i64 = 0
        self.expires: i64 = 0
        #: Those of them that were hashes with fields that expire.
        self.subexpires: i64 = 0

    def apply(self) -> None:
        """Correct the counts of the space, in the event loop's thread."""
        space = self.space
        space.unsettled -= self.settled
        space.keys -= self.keys
        space.expires -= self.expires
        space.subexpires -= self.subexpires


class Epoch:
    """One epoch on its way to the disk."""

    def __init__(
        self,
        number: int,
        entries: list[Entry],
        serial: int,
        retired: list[Space],
        forgotten: list[bytes],
        tally: list[SpaceTally],
        log_position: bytes,
    ) -> None:
        self.number: Final = number
        self.entries: Final = entries
        #: The number of that list (``Flusher.uncommitted_lists``).
        self.serial: Final = serial
        self.retired: Final = retired
        #: Records of the index of fields' due times that are true of no key.
        self.forgotten: Final = forgotten
        #: The database table at the cut.
        self.tally: Final = tally
        #: Where the redo log stood at the cut; empty without one.
        self.log_position: Final = log_position
        self.batch: Final = Batch()
        self.unsettled: Final = Unsettled()
        #: The earliest due time that it puts into the expiry index.
        self.earliest_due_ms: i64 = NEVER_MS
        #: The earliest that it puts into the index of fields' due times.
        self.earliest_field_due_ms: i64 = NEVER_MS
        #: Changes that were ever made until the cut.
        self.changes: i64 = 0
        #: Entries handled so far by the step that is under way.
        self.done: i64 = 0
        self.seconds = 0.0
        #: All entries are in the batch, which is the commit thread's now.
        self.is_encoded = False
        #: Unsettled entries that the commit thread has looked up.
        self.looked_up: i64 = 0
        #: The share of its way that was announced last (``Flusher._announce``).
        self.announced = 0.0
        # The outcome, filled in by the commit thread.
        self.settled = False
        self.corrections: list[Correction] = []
        self.error: DscacheError | None = None
        # The corrections have been applied.
        self.is_counted = False

    def progress(self) -> float:
        """How much of its way is behind it, from 0 to 1, as good as one can tell. From any thread. O(1)."""
        if not self.is_encoded:
            return _ENCODING * _share(self.done, len(self.entries))
        found = _ENCODING + _APPLYING * _share(self.batch.applied, self.batch.count)
        if self.settled:
            return found + _SETTLING
        return found + _SETTLING * _share(self.looked_up, self.unsettled.count)

    def surplus_of(self, space: Space) -> int:
        """Keys that ``space`` counted as new at the cut and that were not. O(spaces)."""
        return sum(int(one.keys) for one in self.corrections if one.space is space)


def _share(part: i64, whole: i64) -> float:
    return min(float(part) / float(whole), 1.0) if whole else 0.0
