"""Entries: a key's place in memory, and the one table of the states that it goes through.

An entry without a value (``value is None``) says that the key does not exist: while it is dirty or
saving it is a *tombstone*, which keeps a stale read of the store from reviving the key; once clean it
is the *negative cache*'s knowledge that the key is not on disk. So one lookup (``table``) answers
"here it is", "there is none" or, when there is no entry, "memory does not know".

States, and what moves an entry from one to the next:

============== ========= ========= ========== ============ ============
state          changed   cut       encoded    committed    commit failed
============== ========= ========= ========== ============ ============
CLEAN          dirty     CLEAN     --         --           --
dirty          dirty     saving    --         --           --
saving         (1)       --        ENCODED    --           dirty
ENCODED        RE_DIRTY  --        --         CLEAN        dirty
RE_DIRTY       RE_DIRTY  --        --         dirty        dirty
============== ========= ========= ========== ============ ============

(1) *Copy before write*: the entry is encoded first, and so becomes RE_DIRTY.

A cut must be O(1) however many entries are dirty, so *dirty* and *saving* are not written into the
entries: there are two colours, ``EVEN`` and ``ODD``, the flusher says which one means dirty, and the
cut exchanges them. At most one epoch is being saved at a time, so two are enough.

Entries are not tracked by the cyclic garbage collector (``acyclic``): a full collection over millions
of them would be a pause of seconds. The links of the queues do form cycles; whoever drops an entry
unlinks it first.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i16, i32, i64, mypyc_attr, u8

CLEAN: Final = 0
EVEN: Final = 1
ODD: Final = 2
ENCODED: Final = 3
RE_DIRTY: Final = 4

#: What is known of the key's record on disk (as of the epoch that is being saved, if it is in it).
ON_DISK_ABSENT: Final = 0
ON_DISK_INLINE: Final = 1
ON_DISK_APART: Final = 2
#: Written without looking (SET): the commit thread will find out, and DBSIZE is corrected then.
ON_DISK_UNKNOWN: Final = 3
#: As UNKNOWN, but DBSIZE has been corrected already (after a commit that failed).
ON_DISK_UNKNOWN_COUNTED: Final = 4

NO_SPACE: Final = -1

#: Sizes are kept in blocks of 16 bytes, which is how CPython's allocator hands out memory, so that an
#: entry of up to 32 GiB needs four bytes for its size, and the other four can tell when it was used.
BLOCK_BYTES: Final = 16
_MAX_BLOCKS: Final = 2**31 - 1

#: Where the seconds of ``Entry.used_s`` begin, as a Unix time: i32 is enough until 2088.
USE_EPOCH_S: Final = 1_600_000_000

#: Commands that can pin one entry; what i16 holds.
MAX_PINS: Final = 32_767

# Measured on CPython 3.11, compiled: the entry (96), its share of the table's buckets (4 for 3 entries, and
# an eighth more: 12), and the key's object header (33).
ENTRY_BYTES: Final = 96 + 12 + 33


@mypyc_attr(acyclic=True)
class Entry:
    """See the module's docstring. Only the event loop's thread touches entries."""

    # The order packs the small fields into one word: 96 bytes an entry.
    key: bytes
    value: object
    #: Neighbours in the queue that the entry is linked into, if any.
    older: Entry | None
    newer: Entry | None
    #: The hash of its key, and the next entry of those in the same bucket of the Table that it is in.
    hashed: i64
    chained: Entry | None
    #: Due time in ms since the epoch; 0 = does not expire.
    expire_ms: i64
    #: What was charged for it, in BLOCK_BYTES.
    blocks: i32
    #: When its value was last used, or came into memory: seconds since USE_EPOCH_S.
    used_s: i32
    #: Index of its Space in the Residency's table; NO_SPACE once its database was flushed and the
    #: entry dropped, while an epoch's list may still name it.
    space: i16
    #: Commands that wait for it or for others together with it; it is not evicted meanwhile.
    pins: i16
    state: u8
    #: Hits as the policy counts them.
    frequency: u8
    on_disk: u8
    #: The policy's queue that it is in, or was in last.
    queue: u8

    def __init__(self, key: bytes, value: object, space: i16) -> None:
        self.key = key
        self.value = value
        self.older = None
        self.newer = None
        self.hashed = 0
        self.chained = None
        self.expire_ms = 0
        self.blocks = 0
        self.used_s = 0
        self.space = space
        self.pins = 0
        self.state = CLEAN
        self.frequency = 0
        self.on_disk = ON_DISK_UNKNOWN
        self.queue = 0

    @property
    def size(self) -> i64:
        """What was charged for it, in bytes: a multiple of BLOCK_BYTES."""
        return i64(self.blocks) * BLOCK_BYTES

    @size.setter
    def size(self, size: i64) -> None:
        self.blocks = i32(min((size + BLOCK_BYTES - 1) // BLOCK_BYTES, _MAX_BLOCKS))
