"""Sets, and the algebra of several of them.

A set is a table whose members lead to nothing but True. Two sets are compared page by page: members
whose hashes begin alike are in few pages of either, so that an intersection of large sets is a run of
small dictionary operations in C (``Table.among``), and nothing is hashed again.

What OBJECT ENCODING answers depends in Redis on the past of a set: an intset that has seen a member that
is no integer, or has been too large, never becomes one again. So a set keeps three numbers of its
past, on disk too, from which the answer for any thresholds follows.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from itertools import filterfalse
from typing import TYPE_CHECKING, Final

import msgpack
from mypy_extensions import i64, mypyc_attr

from dscache.values.base import SET
from dscache.values.integers import parse_i64
from dscache.values.table import PAGE_MOST, Table

if TYPE_CHECKING:
    from dscache.config import Config

# Drawing one member from a large table takes longer than listing so many (4 us; 0.01 us each).
_LISTED_PER_DRAW: Final = 64

# What a payload's head can take: an array of three 64-bit numbers.
_HEAD_BYTES: Final = 28


@mypyc_attr(acyclic=True)
class Set(Table):
    """See the module's docstring."""

    def __init__(self) -> None:
        super().__init__()
        # The most members that there were while all were integers; and since one was not, or 0.
        self._integers: i64 = 0
        self._mixed: i64 = 0
        self._longest: i64 = 0

    # What every value does

    def type_code(self) -> int:
        return SET

    def encode(self) -> bytes:
        """Three numbers (the most members ever while all were integers; the most since one was not, or
        0; the length of the longest ever), then the table. It depends on the order of members."""
        packer = msgpack.Packer(autoreset=False)
        packer.pack([int(self._integers), int(self._mixed), int(self._longest)])
        self.pack_table(packer, with_things=False)
        return packer.bytes()

    def read(self, payload: bytes) -> None:
        """Become, being new and empty, what ``encode`` has written. O(n)."""
        unpacker = msgpack.Unpacker()
        unpacker.feed(payload[:_HEAD_BYTES])
        if unpacker.read_array_header() != 3:
            raise ValueError("a set begins with three numbers")
        self._integers = _count_of(unpacker.unpack())
        self._mixed = _count_of(unpacker.unpack())
        self._longest = _count_of(unpacker.unpack())
        self.unpack_table(memoryview(payload)[unpacker.tell() :], with_things=False)
        self.charge_members()

    def copy(self) -> Set:
        twin = Set()
        twin.copy_table(self)
        twin._integers = self._integers
        twin._mixed = self._mixed
        twin._longest = self._longest
        return twin

    def encoding(self, config: Config) -> bytes:
        if self._integers > config.set_max_intset_entries:
            return b"hashtable"
        if self._mixed == 0:
            return b"intset"
        if (
            self._mixed > config.set_max_listpack_entries
            or self._longest > config.set_max_listpack_value
        ):
            return b"hashtable"
        return b"listpack"

    # Members

    def add(self, member: bytes) -> bool:
        """Add ``member``; whether it is new. O(1) amortised."""
        if self.store(member, True, 0) is not None:
            return False
        length: i64 = len(member)
        if length > self._longest:
            self._longest = length
        if self._mixed == 0 and parse_i64(member) is not None:
            if self._count > self._integers:
                self._integers = self._count
        elif self._count > self._mixed:
            self._mixed = self._count
        return True

    def add_all(self, members: list[bytes]) -> int:
        """Add ``members``, of which there is one at least; how many are new. O(members).

        If any is, the encoding becomes what Redis makes it: it expects beforehand that all of them
        are new and different.
        """
        expects_integers = self._mixed == 0 and (
            self._count > 0 or parse_i64(members[0]) is not None
        )
        before = self._count
        for member in members:
            self.add(member)
        added = int(self._count - before)
        if added > 0 and added < len(members):
            expected: i64 = len(members)
            if expects_integers:
                self._integers = max(self._integers, expected)
            else:
                self._mixed = max(self._mixed, expected)
        return added

    def remove(self, member: bytes) -> bool:
        """Remove ``member``; whether it was there. O(1) amortised."""
        return self.discard(member, 0) is not None

    def listed(self, config: Config) -> list[bytes]:
        """All members in the order in which Redis lists them, where it has one: an intset's are
        ascending. O(n), and O(n log n) for an intset, which is small."""
        if self.encoding(config) == b"intset":
            return sorted(self.members(), key=int)
        return self.members()

    def sample(self, count: int) -> list[bytes]:
        """``count`` different members, which there are; every choice is as likely.

        O(count), or O(n) if that is less work.
        """
        total = self.count()
        if total <= PAGE_MOST or count * _LISTED_PER_DRAW > total:
            return random.sample(self.members(), count)
        found: dict[bytes, object] = {}
        while len(found) < count:
            found[self.random_member()] = True
        return list(found)

    def draw(self, count: int) -> list[bytes]:
        """``count`` members, each drawn from all of them. O(count), or O(n) if that is less work."""
        total = self.count()
        if total <= PAGE_MOST or count * _LISTED_PER_DRAW > total:
            return random.choices(self.members(), k=count)
        return [self.random_member() for _ in range(count)]

    def forget_past(self) -> None:
        """Be as a set that has just been made of these members."""
        if self._mixed == 0:
            self._integers = self._count
        else:
            self._integers = 0
            self._mixed = self._count


def decode_set(payload: bytes) -> Set:
    """The value whose payload this is. Raises ValueError for what ``encode`` cannot have written."""
    found = Set()
    try:
        found.read(payload)
    except (msgpack.UnpackException, ValueError) as error:
        raise ValueError(f"this is not the payload of a set: {error!r}") from error
    return found


def _count_of(number: object) -> int:
    if not isinstance(number, int) or number < 0:
        raise ValueError(f"{number!r} is not a number of anything")
    return number


def set_of(members: list[bytes]) -> Set:
    """A new set of ``members``. O(members)."""
    value = Set()
    for member in members:
        value.add(member)
    return value


# Algebra. No function changes a set; none is given an empty list of them.


def common_members(sets: list[Set], most: int = 0) -> list[bytes]:
    """Members that all ``sets`` have, in the order of the smallest; if ``most`` is not 0 it stops when
    there are so many, or some more. O(smallest set x sets)."""
    by_size = sorted(sets, key=Set.count)
    others = by_size[1:]
    found: list[bytes] = []
    for prefix, bits, members in by_size[0].parts():
        kept: Iterable[bytes] = members
        for other in others:
            kept = other.among(kept, prefix, bits, True)
        found.extend(kept)
        if most and len(found) >= most:
            break
    return found


def members_of_any(sets: list[Set]) -> list[bytes]:
    """Members of at least one of ``sets``, in their order if the sets are small. O(all members)."""
    largest = max(sets, key=Set.count)
    found: dict[bytes, object] = {}
    if largest.count() <= PAGE_MOST:
        for one in sets:
            for page in one.pages():
                found.update(page)
        return list(found)
    for one in sets:
        if one is not largest:
            for prefix, bits, members in one.parts():
                found.update(dict.fromkeys(largest.among(members, prefix, bits, False)))
    return largest.members() + list(found)


def union_of(sets: list[Set]) -> Set:
    """A new set of the members of ``sets``. O(all members).

    The largest is copied page by page, and only what the others add to it is hashed.
    """
    largest = max(sets, key=Set.count)
    if largest.count() <= PAGE_MOST:
        return set_of(members_of_any(sets))
    union = largest.copy()
    union.forget_past()
    for one in sets:
        if one is not largest:
            for prefix, bits, members in one.parts():
                for member in union.among(members, prefix, bits, False):
                    union.add(member)
    return union


def members_without(first: Set, others: list[Set]) -> list[bytes]:
    """Members of ``first`` that none of ``others`` has, in its order.

    With one of Redis's two algorithms, whichever it would choose by the sizes: look every member up
    in the others, largest first, O(first x others); or unite the others, O(all members).
    """
    total = first.count()
    if total * (len(others) + 1) // 2 <= total + sum(other.count() for other in others):
        by_size = sorted(others, key=Set.count, reverse=True)
        found: list[bytes] = []
        for prefix, bits, members in first.parts():
            kept = list(members)
            for other in by_size:
                if not kept:
                    break
                kept = other.among(kept, prefix, bits, False)
            found.extend(kept)
        return found
    taken: dict[bytes, object] = {}
    for other in others:
        for page in other.pages():
            taken.update(page)
    return list(filterfalse(taken.__contains__, first.members()))
