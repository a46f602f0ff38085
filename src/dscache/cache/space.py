"""Spaces: one life of one database, from one FLUSHDB to the next.

A database is a number that clients SELECT; its keys live in a *space*, which has a *generation* that
prefixes its keys on disk. FLUSHDB gives the database a new space: the old one is retired, its range
on disk is deleted by the next epoch, and its entries are dropped bit by bit. SWAPDB exchanges the
spaces of two databases. Neither looks at a single key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mypy_extensions import i16, i64

from dscache.cache.table import Table

if TYPE_CHECKING:
    from dscache.cache.loader import Load


class Space:
    """The keys of one generation, as far as memory knows them."""

    def __init__(self, generation: int, number: i16) -> None:
        self.generation = generation
        #: Its index in the Residency's table; entries refer to it by this.
        self.number = number
        self.entries = Table()
        #: Loads under way, by key.
        self.loads: dict[bytes, Load] = {}
        #: Due times as the expiry index on disk has them, for the resident keys that it has.
        self.indexed: dict[bytes, int] = {}
        #: The same for the index of fields' due times: for the values in memory that it has, the due
        #: time under which it has them. (After a commit that failed it may have others: those records are
        #: hints, and ``engine.field_expiry`` has them deleted when they are due.)
        self.field_due: dict[bytes, int] = {}
        #: Number of keys, and of keys that expire, in memory and on disk together. A key that was
        #: written without looking counts as new until its epoch is committed.
        self.keys: i64 = 0
        self.expires: i64 = 0
        #: Number of hashes, of all these keys, that have fields with due times; and those of them that are
        #: in memory, be it only their heads.
        self.subexpires: i64 = 0
        self.timed: set[bytes] = set()
        #: Keys written without looking whose existence on disk is not settled yet.
        self.unsettled: i64 = 0
        #: FLUSHDB took its place. An epoch that was cut before still saves it; the epoch with
        #: number ``retired_in`` (or, if that fails, a later one) deletes its range, and no more of
        #: it is written.
        self.retired = False
        self.retired_in = 0
