"""Sweeps of an index of due times: how far the one of a database has come, and where the next begins.

The index of keys' due times (``dscache.engine.expiry``) and that of fields' (``field_expiry``) are read
alike: from a *floor*, the due time below which the index is known to hold nothing. Without it each
sweep would begin by stepping over the engine's tombstones of all that earlier ones deleted. The floor
rises to a sweep's candidate once the deletions of that sweep are on disk, and each committed epoch that
put an earlier due time into the index lowers both. So nothing here relies on a clock that runs evenly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from dscache.cache.flusher import Flusher


class Sweep:
    """How far the sweep of one generation has come."""

    def __init__(self, generation: int) -> None:
        self.generation: Final = generation
        self.floor_ms = 0
        #: Where the next read starts; empty between two sweeps.
        self.resume = b""
        #: Something that is due was left in the index.
        self.skipped = False
        #: What the floor may rise to.
        self.candidate_ms = 0
        #: It may when this epoch is on disk; 0 if there is none.
        self.candidate_epoch = 0

    def epoch_committed(self, number: int, earliest_ms: int) -> None:
        """Epoch ``number`` is on disk; the earliest due time that it put into the index."""
        if 0 < self.candidate_epoch <= number:
            self.floor_ms = self.candidate_ms
            self.candidate_epoch = 0
        self.floor_ms = min(self.floor_ms, earliest_ms)
        self.candidate_ms = min(self.candidate_ms, earliest_ms)

    def end(self, flusher: Flusher) -> None:
        """All has been read: let the floor rise when what was deleted is on disk, if nothing that is
        due was left over."""
        self.resume = b""
        if self.skipped or self.candidate_ms <= self.floor_ms:
            return
        if flusher.has_dirty:
            self.candidate_epoch = flusher.last_cut + 1
        elif flusher.is_saving:
            self.candidate_epoch = flusher.last_cut
        else:
            self.floor_ms = self.candidate_ms
