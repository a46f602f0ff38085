"""HyperLogLogs: how many different elements were added, within 0.81 %, in 12 KiB at most.

A HyperLogLog is a string in Redis's own format, so that GET and SET carry it from one server to the
other::

    "HYLL"  encoding (0 dense, 1 sparse)  3 unused  cached count (8, little-endian)  registers

The highest bit of the cached count says that it no longer holds. An element's hash chooses one of 16384
registers by its last 14 bits; the register keeps the largest position, from 1, that the lowest set
bit of the other 50 has had. Registers stand there

* *dense*: 6 bits each, the first in the lowest bits of the first byte;
* *sparse*: as runs. ``00nnnnnn``: n + 1 registers are zero. ``01nnnnnn nnnnnnnn``: likewise, up to
  16384. ``1vvvvvnn``: n + 1 registers are v + 1. It becomes dense when a register exceeds 32, or when
  it would be longer than hll-sparse-max-bytes. How runs are split and merged follows Redis step by
  step, so that the bytes are the same.

Registers of both forms are unpacked into a byte each before they are merged or counted. Dense ones
are base64 read from the end (three bytes are four registers), and the larger ones of two rows of
registers are found by arithmetic on two long integers, so that C does both: 0.6 ms for a PFMERGE of
two dense ones, interpreted.

The estimate is Otmar Ertl's ("New cardinality estimation algorithms for HyperLogLog sketches",
arXiv:1702.01284), with the operations in Redis's order, so that rounding is the same.

A string whose runs do not cover exactly all registers is *corrupted*: methods raise ValueError.
"""

from __future__ import annotations

import math
from binascii import a2b_base64, b2a_base64
from typing import Final

from mypy_extensions import i64

REGISTERS: Final = 1 << 14
_MAGIC: Final = b"HYLL"
_DENSE: Final = 0
_SPARSE: Final = 1
_ENCODING_AT: Final = 4
_COUNT_AT: Final = 8
_HEAD_BYTES: Final = 16
_DENSE_BYTES: Final = _HEAD_BYTES + REGISTERS * 6 // 8
_REGISTER_MOST: Final = 63
_INDEX_BITS: Final = 14
# Bits of the hash that do not choose the register. It is at most one more.
_RANK_BITS: Final = 64 - _INDEX_BITS
_SEED: Final = 0xADC83B19

# The bit of the cached count that says that it does not hold.
_STALE: Final = 1 << 63

# Runs of the sparse form.
_LONG_ZEROS: Final = 0x40
_VALUES: Final = 0x80
_SHORT_ZEROS_MOST: Final = 64
_VALUE_MOST: Final = 32
_VALUES_MOST: Final = 4
# How many runs are looked at for merging, from the one before the change on.
_MERGED_RUNS: Final = 5

# 0.5 / ln 2.
_ALPHA: Final = 0.721347520444481703680

_BASE64: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_FROM_BASE64: Final = bytes.maketrans(_BASE64, bytes(range(64)))
_TO_BASE64: Final = bytes.maketrans(bytes(range(64)), _BASE64)

# The highest bit of each of as many bytes as there are registers, which do not use it.
_HIGH_BITS: Final = int.from_bytes(b"\x80" * REGISTERS, "little")

_MASK64: Final = (1 << 64) - 1
_MURMUR: Final = 0xC6A4A7935BD1E995


#: A HyperLogLog without elements: sparse, one run of zeros, its count known.
EMPTY: Final = _MAGIC + bytes((_SPARSE,)) + bytes(11) + b"\x7f\xff"


def is_hyperloglog(string: bytes) -> bool:
    """Whether a string looks like a HyperLogLog; it may be corrupted all the same. O(1)."""
    if len(string) < _HEAD_BYTES or string[:4] != _MAGIC:
        return False
    encoding = string[_ENCODING_AT]
    return encoding == _SPARSE or (encoding == _DENSE and len(string) == _DENSE_BYTES)


class HyperLogLog:
    """One HyperLogLog, read and changed. ``string``, for which ``is_hyperloglog`` is true, is what
    it is when it is stored; ``sparse_most_bytes`` is the length beyond which it becomes dense."""

    def __init__(self, string: bytes, sparse_most_bytes: int) -> None:
        #: Replaced by every change.
        self.string = string
        self._sparse_most_bytes: Final = sparse_most_bytes
        # Where the next search for a run may begin if it is for a register behind ``_last``: at the
        # second run before that of ``_last``. From there it will know the neighbours of the run that
        # it finds, and a change of those before merges no run in front of it.
        self._start: i64 = _HEAD_BYTES
        self._start_first: i64 = 0
        self._last: i64 = 0

    def is_dense(self) -> bool:
        """Whether its registers have 6 bits each."""
        return self.string[_ENCODING_AT] == _DENSE

    # The cached count

    def cached_count(self) -> int | None:
        """The estimate that is kept in the string; None if it no longer holds."""
        count = int.from_bytes(self.string[_COUNT_AT:_HEAD_BYTES], "little")
        return None if count & _STALE else count

    def cache_count(self, count: int) -> None:
        """Keep ``count``, of 64 bits, in the string."""
        head = self.string[:_COUNT_AT] + (count & _MASK64).to_bytes(8, "little")
        self.string = head + self.string[_HEAD_BYTES:]

    def drop_cached_count(self) -> None:
        """Registers have changed: the estimate in the string no longer holds."""
        count = int.from_bytes(self.string[_COUNT_AT:_HEAD_BYTES], "little")
        self.cache_count(count | _STALE)

    # Registers

    def add(self, element: bytes) -> bool:
        """Add an element; whether that changed a register. O(len(element)) and ``raise_to``."""
        number = _murmur_hash(element)
        # The bit above the last one limits the search.
        rest = number >> _INDEX_BITS | 1 << _RANK_BITS
        return self.raise_to(number & (REGISTERS - 1), (rest & -rest).bit_length())

    def raise_to(self, index: i64, rank: i64) -> bool:
        """Let a register be at least ``rank``; whether it was less. O(length of the string).

        It takes a few steps only if registers are raised in ascending order, or the form is dense.
        """
        if not self.is_dense() and rank <= _VALUE_MOST:
            return self._raise_in_runs(index, rank)
        self.make_dense()
        return self._raise_dense(index, rank)

    def _raise_dense(self, index: i64, rank: i64) -> bool:
        string = self.string
        place = _HEAD_BYTES + index * 6 // 8
        shift = index * 6 & 7
        # The last register does not reach into a second byte.
        end: i64 = min(place + 2, _DENSE_BYTES)
        pair: i64 = string[place]
        if place + 1 < end:
            pair |= string[place + 1] << 8
        if rank <= (pair >> shift) & _REGISTER_MOST:
            return False
        pair = (pair & ~(_REGISTER_MOST << shift)) | (rank << shift)
        changed = int(pair).to_bytes(end - place, "little")
        self.string = string[:place] + changed + string[end:]
        return True

    def _raise_in_runs(self, index: i64, rank: i64) -> bool:
        string = self.string
        end: i64 = len(string)
        if index <= self._last:
            self._start = _HEAD_BYTES
            self._start_first = 0
        self._last = index
        place = self._start
        first = self._start_first
        before: i64 = _HEAD_BYTES
        before_first: i64 = 0
        span: i64 = 0
        while place < end:
            span = _run_length(string, place)
            if index < first + span:
                break
            if place > self._start:
                self._start = before
                self._start_first = before_first
            before = place
            before_first = first
            place += _run_bytes(string, place)
            first += span
        if place >= end:
            raise ValueError("the runs do not reach all registers")

        run: i64 = string[place]
        value: i64 = 0
        if run & _VALUES:
            value = ((run >> 2) & 31) + 1
            if value >= rank:
                return False
        runs = _run(value, index - first) + _run(rank, 1) + _run(value, first + span - index - 1)
        width = _run_bytes(string, place)
        growth = len(runs) - width
        if growth > 0 and end + growth > self._sparse_most_bytes:
            self.make_dense()
            return self._raise_dense(index, rank)
        self.string = string[:place] + runs + string[place + width :]
        self._merge_runs(before)
        self.drop_cached_count()
        return True

    def _merge_runs(self, place: i64) -> None:
        """From the run at ``place`` on, unite neighbours of the same value if their lengths fit."""
        string = self.string
        for _ in range(_MERGED_RUNS):
            if place + 1 >= len(string):
                break
            run: i64 = string[place]
            following: i64 = string[place + 1]
            length = (run & 3) + (following & 3) + 2
            if run & _VALUES and run >> 2 == following >> 2 and length <= _VALUES_MOST:
                string = string[:place] + _run(((run >> 2) & 31) + 1, length) + string[place + 2 :]
            else:
                place += _run_bytes(string, place)
        self.string = string

    def make_dense(self) -> None:
        """Change to the dense form, if it is not in it. O(REGISTERS)."""
        if not self.is_dense():
            self._set_dense(self.registers())

    def _set_dense(self, registers: bytes) -> None:
        string = self.string
        head = string[:_ENCODING_AT] + bytes((_DENSE,)) + string[_ENCODING_AT + 1 : _HEAD_BYTES]
        self.string = head + a2b_base64(registers[::-1].translate(_TO_BASE64))[::-1]

    def registers(self) -> bytes:
        """All registers, a byte each. O(REGISTERS)."""
        string = self.string
        if self.is_dense():
            packed = string[_HEAD_BYTES:][::-1]
            return b2a_base64(packed, newline=False).translate(_FROM_BASE64)[::-1]
        unpacked: list[bytes] = []
        covered: i64 = 0
        place: i64 = _HEAD_BYTES
        end: i64 = len(string)
        while place < end and covered <= REGISTERS:
            run: i64 = string[place]
            value: i64 = ((run >> 2) & 31) + 1 if run & _VALUES else 0
            span = _run_length(string, place)
            unpacked.append(bytes((value,)) * span)
            covered += span
            place += _run_bytes(string, place)
        if covered != REGISTERS:
            raise ValueError("the runs do not cover all registers")
        return b"".join(unpacked)

    def described_runs(self) -> bytes:
        """The runs of the sparse form as PFDEBUG DECODE writes them. O(runs)."""
        string = self.string
        described: list[bytes] = []
        place: i64 = _HEAD_BYTES
        end: i64 = len(string)
        while place < end:
            run: i64 = string[place]
            span = _run_length(string, place)
            if run & _VALUES:
                described.append(b"v:%d,%d" % (((run >> 2) & 31) + 1, span))
            else:
                described.append((b"Z:%d" if run & _LONG_ZEROS else b"z:%d") % span)
            place += _run_bytes(string, place)
        return b" ".join(described)

    def raise_all(self, registers: bytes) -> None:
        """Let all registers be ``registers``, none of which is less than its own. O(REGISTERS)."""
        index: i64 = 0
        while index < REGISTERS and not self.is_dense():
            rank: i64 = registers[index]
            if rank > 0:
                self.raise_to(index, rank)
            index += 1
        if self.is_dense():
            self._set_dense(registers)

    def count(self) -> int:
        """How many different elements were added, estimated anew. O(REGISTERS)."""
        return estimate(self.registers())


# Runs


def _run_length(string: bytes, place: i64) -> i64:
    """How many registers the run at ``place`` covers."""
    run: i64 = string[place]
    if run & _VALUES:
        return (run & 3) + 1
    length: i64 = run & 63
    if run & _LONG_ZEROS:
        length <<= 8
        # At the end of a string Redis reads the zero that it keeps there.
        if place + 1 < len(string):
            length += string[place + 1]
    return length + 1


def _run_bytes(string: bytes, place: i64) -> i64:
    """How many bytes the run at ``place`` takes."""
    run: i64 = string[place]
    return 2 if run & 0xC0 == _LONG_ZEROS else 1


def _run(value: i64, length: i64) -> bytes:
    """The shortest run of ``length`` registers, which may be none, that are ``value``."""
    if length == 0:
        return b""
    if value > 0:
        return bytes((_VALUES | (value - 1) << 2 | (length - 1),))
    if length <= _SHORT_ZEROS_MOST:
        return bytes((length - 1,))
    return bytes((_LONG_ZEROS | (length - 1) >> 8, (length - 1) & 0xFF))


# Elements and registers


def _murmur_hash(data: bytes) -> int:
    """MurmurHash64A (MurmurHash2 for 64 bits), little-endian, with Redis's seed. O(len(data))."""
    length = len(data)
    number = _SEED ^ (length * _MURMUR & _MASK64)
    whole = length & -8
    for place in range(0, whole, 8):
        word = int.from_bytes(data[place : place + 8], "little") * _MURMUR & _MASK64
        word = (word ^ word >> 47) * _MURMUR & _MASK64
        number = (number ^ word) * _MURMUR & _MASK64
    if whole < length:
        number = (number ^ int.from_bytes(data[whole:], "little")) * _MURMUR & _MASK64
    number = (number ^ number >> 47) * _MURMUR & _MASK64
    return number ^ number >> 47


def larger_of(one: bytes, other: bytes) -> bytes:
    """Of two rows of registers, the larger one in each place. O(REGISTERS)."""
    first = int.from_bytes(one, "little")
    second = int.from_bytes(other, "little")
    # In each byte: the highest bit stays where the first is not less; and then the seven others.
    wins = ((first | _HIGH_BITS) - second) & _HIGH_BITS
    mask = wins - (wins >> 7)
    return (second ^ ((first ^ second) & mask)).to_bytes(REGISTERS, "little")


def estimate(registers: bytes) -> int:
    """How many different elements lead to these registers. O(REGISTERS)."""
    total = float(REGISTERS)
    counts = [0] * (_REGISTER_MOST + 1)
    left = REGISTERS
    for rank in range(_REGISTER_MOST + 1):
        counts[rank] = registers.count(rank)
        left -= counts[rank]
        if left == 0:
            break
    z = total * _tau((total - counts[_RANK_BITS + 1]) / total)
    for rank in range(_RANK_BITS, 0, -1):
        z += counts[rank]
        z *= 0.5
    z += total * _sigma(counts[0] / total)
    if z == 0.0:
        # All registers at their end: infinitely many, which C's rounding makes the least integer.
        return -_STALE
    estimated = _ALPHA * total * total / z
    whole = int(estimated)
    return whole + 1 if estimated - whole >= 0.5 else whole


def _sigma(x: float) -> float:
    if x == 1.0:
        return math.inf
    y = 1.0
    z = x
    while True:
        x *= x
        previous = z
        z += x * y
        y += y
        if z == previous:
            return z


def _tau(x: float) -> float:
    if x in (0.0, 1.0):
        return 0.0
    y = 1.0
    z = 1.0 - x
    while True:
        x = math.sqrt(x)
        previous = z
        y *= 0.5
        z -= (1.0 - x) ** 2 * y
        if z == previous:
            return z / 3.0
