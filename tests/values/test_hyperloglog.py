"""HyperLogLogs, byte for byte as Redis 7.0 wrote them, and against a plain row of registers."""

from __future__ import annotations

import hashlib
import random

import pytest

from dscache.values.hyperloglog import (
    EMPTY,
    REGISTERS,
    HyperLogLog,
    estimate,
    is_hyperloglog,
    larger_of,
)

LIMIT = 3000


def filled(count: int, limit: int = LIMIT) -> HyperLogLog:
    """One to which the numbers below ``count`` have been added, in decimal."""
    hyperloglog = HyperLogLog(EMPTY, limit)
    for number in range(count):
        hyperloglog.add(str(number).encode())
    return hyperloglog


def test_the_bytes_are_those_of_redis() -> None:
    hyperloglog = HyperLogLog(EMPTY, LIMIT)
    for element in (b"a", b"b", b"c", b"d", b"e", b"f", b"g"):
        assert hyperloglog.add(element)
        assert not hyperloglog.add(element)
    runs = b"Fm\x80V\x0c\x80D<\x848\x80P\xb1\x84I\x8c\x80Bm\x80BZ"
    assert hyperloglog.string == b"HYLL\x01" + bytes(10) + b"\x80" + runs
    assert hyperloglog.cached_count() is None
    hyperloglog.cache_count(hyperloglog.count())
    assert hyperloglog.cached_count() == 7
    assert hyperloglog.string == b"HYLL\x01\0\0\0\x07" + bytes(7) + runs
    assert hyperloglog.described_runs() == (
        b"Z:1646 v:1,1 Z:5645 v:1,1 Z:1085 v:2,1 z:57 v:1,1 Z:4274 v:2,1 Z:2445 v:1,1 Z:622 v:1,1"
        b" Z:603"
    )


@pytest.mark.parametrize(
    ("count", "is_dense", "size", "estimated", "digest"),
    [
        (100, False, 287, 100, "2473556c4cfaa6e0"),
        (500, False, 1061, 503, "7317e35b59590b5b"),
        (1000, False, 1923, 1001, "7aba7a1e51e42bb6"),
        (2000, True, 12304, 2007, "cfdcefeae905ea20"),
        (10000, True, 12304, 9987, "6a92ca5ab849e1b8"),
    ],
)
def test_larger_ones_are_those_of_redis_too(
    count: int, is_dense: bool, size: int, estimated: int, digest: str
) -> None:
    hyperloglog = filled(count)
    assert hyperloglog.is_dense() is is_dense
    assert len(hyperloglog.string) == size
    assert hyperloglog.count() == estimated
    hyperloglog.drop_cached_count()
    hyperloglog.cache_count(estimated)
    assert hashlib.sha256(hyperloglog.string).hexdigest().startswith(digest)


@pytest.mark.parametrize(
    ("element", "runs"),
    [
        (b"", b"Z:5938 v:2,1 Z:10445"),
        (b"x" * 7, b"Z:4290 v:2,1 Z:12093"),
        (b"x" * 8, b"Z:5076 v:2,1 Z:11307"),
        (b"x" * 9, b"Z:2779 v:5,1 Z:13604"),
        (b"\0", b"Z:8840 v:2,1 Z:7543"),
    ],
)
def test_elements_of_all_lengths_hash_as_in_redis(element: bytes, runs: bytes) -> None:
    hyperloglog = HyperLogLog(EMPTY, LIMIT)
    hyperloglog.add(element)
    assert hyperloglog.described_runs() == runs


@pytest.mark.parametrize("limit", [0, 100, LIMIT, 100_000])
@pytest.mark.parametrize("is_ascending", [True, False])
def test_registers_are_the_largest_ranks(limit: int, is_ascending: bool) -> None:
    rnd = random.Random(limit)
    hyperloglog = HyperLogLog(EMPTY, limit)
    model = bytearray(REGISTERS)
    # Near each other, so that runs are split and merged.
    indexes = [rnd.randrange(400) * rnd.choice([1, 1, 40]) for _ in range(1500)]
    if is_ascending:
        indexes.sort()
    for index in indexes:
        rank = rnd.randint(1, 3) if rnd.random() < 0.99 else rnd.randint(4, 32)
        assert hyperloglog.raise_to(index, rank) == (rank > model[index])
        model[index] = max(model[index], rank)
        assert hyperloglog.is_dense() or len(hyperloglog.string) <= max(limit, len(EMPTY))
    assert hyperloglog.registers() == model
    assert hyperloglog.count() == estimate(bytes(model))


def test_the_order_of_raising_does_not_show_in_where_a_search_begins() -> None:
    # A search begins near the last change: what it writes is what a search from the start writes.
    rnd = random.Random(5)
    for _ in range(200):
        one = HyperLogLog(EMPTY, LIMIT)
        indexes = sorted(rnd.randrange(60) for _ in range(40))
        for index in indexes + [rnd.randrange(60) for _ in range(5)]:
            other = HyperLogLog(one.string, LIMIT)
            rank = rnd.randint(1, 3)
            one.raise_to(index, rank)
            other.raise_to(index, rank)
            assert one.string == other.string


def test_a_high_rank_makes_it_dense() -> None:
    hyperloglog = HyperLogLog(EMPTY, LIMIT)
    hyperloglog.raise_to(3, 32)
    assert not hyperloglog.is_dense()
    hyperloglog.raise_to(REGISTERS - 1, 33)
    assert hyperloglog.is_dense()
    registers = hyperloglog.registers()
    assert (registers[3], registers[-1], sum(registers)) == (32, 33, 65)


def test_dense_registers_are_packed_from_the_lowest_bits() -> None:
    hyperloglog = HyperLogLog(EMPTY, LIMIT)
    hyperloglog.make_dense()
    for index, rank in ((0, 1), (1, 2), (2, 3), (3, 63)):
        assert hyperloglog.raise_to(index, rank)
    packed = 1 | 2 << 6 | 3 << 12 | 63 << 18
    assert hyperloglog.string[16:20] == packed.to_bytes(4, "little")
    assert not hyperloglog.raise_to(3, 63)


@pytest.mark.parametrize("sizes", [(10, 20), (300, 900), (100, 5000), (0, 50)])
def test_merging_is_the_larger_of_each_register(sizes: tuple[int, int]) -> None:
    one = filled(sizes[0])
    other = HyperLogLog(EMPTY, LIMIT)
    for number in range(sizes[1]):
        other.add(b"other %d" % number)
    expected = bytes(max(pair) for pair in zip(one.registers(), other.registers(), strict=True))
    assert larger_of(one.registers(), other.registers()) == expected
    assert larger_of(other.registers(), one.registers()) == expected
    one.raise_all(expected)
    assert one.registers() == expected


def test_corrupted_runs_are_refused() -> None:
    head = EMPTY[:16]
    for runs in (b"", b"\x7f", b"\x7f\xfe", b"\x7f\xff\x00", b"\x7f\xff\x80", b"\x80" * 16385):
        assert is_hyperloglog(head + runs)
        with pytest.raises(ValueError, match="do not cover"):
            HyperLogLog(head + runs, LIMIT).count()
    with pytest.raises(ValueError, match="do not reach"):
        HyperLogLog(head + b"\x00", LIMIT).raise_to(1, 1)
    assert HyperLogLog(head + b"\x3f" * 256, LIMIT).count() == 0


def test_what_is_none_is_told_apart() -> None:
    assert is_hyperloglog(EMPTY)
    for string in (
        b"",
        b"HYLL",
        b"HYLX" + EMPTY[4:],
        EMPTY[:4] + b"\2" + EMPTY[5:],
        EMPTY[:4] + b"\0" + EMPTY[5:],
        EMPTY[:15],
    ):
        assert not is_hyperloglog(string)


def test_full_registers_count_as_many_as_c_makes_of_infinity() -> None:
    assert estimate(bytes([51]) * REGISTERS) == -(2**63)
    assert estimate(bytes(REGISTERS)) == 0
