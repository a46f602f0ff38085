"""Sorted sets: a table and an order that agree, whatever comes and goes."""

from __future__ import annotations

import math
import random
import sys
from bisect import bisect_left

import pytest

from dscache.config import Config
from dscache.values.order import LEAF_MOST, Order
from dscache.values.zset import ZSet, decode_zset, zset_of

Key = tuple[float, bytes]


def _collected(order: Order, start: int, stop: int) -> list[Key]:
    members: list[bytes] = []
    scores: list[object] = []
    order.collect(start, stop, members, scores)
    found: list[Key] = []
    for score, member in zip(scores, members, strict=True):
        assert isinstance(score, float)
        found.append((score, member))
    return found


def _check_order(order: Order, expected: list[Key], source: random.Random) -> None:
    assert order.count() == len(expected)
    assert _collected(order, 0, len(expected)) == expected
    for _ in range(20):
        start = source.randrange(len(expected) + 1)
        stop = source.randrange(start, len(expected) + 1)
        assert _collected(order, start, stop) == expected[start:stop]
        key = (float(source.randrange(-1, 60)), source.choice([b"", b"3", b"5", b"\xff"]))
        assert order.rank(*key) == bisect_left(expected, key)


@pytest.mark.parametrize("seed", range(6))
def test_an_order_holds_what_a_sorted_list_would(seed: int) -> None:
    source = random.Random(seed)
    order = Order()
    expected: list[Key] = []
    number = 0.0
    for most in (9000, 500, 4000, 0, 300):
        for _ in range(100_000):
            if len(expected) == most:
                break
            number += 1
            if source.random() < (0.9 if len(expected) < most else 0.2):
                # Scores that repeat, that never do, that only grow, and that only shrink.
                choices = (float(source.randrange(50)), source.random() * 60, number, -number)
                key = (choices[seed % 4], b"%d" % source.randrange(10**9))
                expected.insert(bisect_left(expected, key), key)
                order.add(*key)
            elif expected and source.random() < 0.98:
                key = expected.pop(source.randrange(len(expected)))
                assert order.take(*key) == key[1]
            elif expected:
                start = source.randrange(len(expected))
                stop = min(start + source.choice([1, 50, 1000]), len(expected))
                del expected[start:stop]
                order.cut(start, stop)
            if source.random() < 0.001:
                _check_order(order, expected, source)
        _check_order(order, expected, source)
        filled = Order()
        filled.fill([member for _, member in expected], [score for score, _ in expected])
        _check_order(filled, expected, source)


@pytest.mark.parametrize("count", [1, LEAF_MOST, LEAF_MOST + 1, 4000, 150_000])
def test_an_order_that_is_built_at_once_goes_on_like_any_other(count: int) -> None:
    order = Order()
    order.fill([b"%06d" % n for n in range(count)], [float(n) for n in range(count)])
    for n in range(0, count, 1 + count // 500):
        assert order.rank(float(n), b"%06d" % n) == n
        order.add(n + 0.5, b"")
        assert order.take(float(n), b"%06d" % n) == b"%06d" % n
    assert order.count() == count
    assert _collected(order, 0, 1) == [(0.5, b"")]
    order.cut(0, count)
    assert order.count() == 0
    order.add(1.0, b"x")
    assert _collected(order, 0, 1) == [(1.0, b"x")]


def test_pages_of_an_order_are_left_one_by_one() -> None:
    order = Order()
    count = 20_000
    order.fill([b"m"] * count, [float(n) for n in range(count)])
    source = random.Random(1)
    scores = [float(n) for n in range(count)]
    source.shuffle(scores)
    for left, score in enumerate(reversed(scores)):
        assert order.count() == count - left
        order.take(score, b"m")
    assert order.count() == 0


def _check(zset: ZSet, expected: dict[bytes, float]) -> None:
    items = sorted(expected.items(), key=lambda item: (item[1], item[0]))
    assert zset.count() == len(items)
    assert zset.items() == items
    assert zset.members_between(0, len(items)) == [member for member, _ in items]
    assert sorted(zset.members()) == sorted(expected)
    for rank in range(0, len(items), 1 + len(items) // 50):
        member, score = items[rank]
        assert zset.score(member) == score
        assert zset.rank(member) == rank
        assert zset.items_between(rank, rank + 1) == [(member, score)]
    assert zset.score(b"none") is None
    assert zset.rank(b"none") is None


@pytest.mark.parametrize("seed", range(4))
def test_a_sorted_set_holds_what_a_dictionary_would(seed: int) -> None:
    source = random.Random(seed)
    zset = ZSet()
    expected: dict[bytes, float] = {}
    empty_bytes = zset.size_bytes()
    for most in (100, 2000, 0, 500):
        while len(expected) != most:
            member = b"%d" % source.randrange(5000)
            if expected and source.random() < 0.3:
                member = source.choice(list(expected))
            if source.random() < (0.9 if len(expected) < most else 0.1):
                score = float(source.randrange(100))
                assert zset.add(member, score) == (member not in expected)
                expected[member] = score
            elif source.random() < 0.99:
                assert zset.remove(member) == (expected.pop(member, None) is not None)
            elif expected:
                start = source.randrange(len(expected))
                stop = min(start + source.choice([1, 100]), len(expected))
                for gone in zset.members_between(start, stop):
                    del expected[gone]
                zset.cut(start, stop)
        _check(zset, expected)
        copy = zset.copy()
        decoded = decode_zset(zset.encode())
        for other in (copy, decoded):
            _check(other, expected)
            assert other.encode() == zset.encode()
        # Pages of the table may be others after decoding: 128 bytes each.
        assert abs(decoded.size_bytes() - zset.size_bytes()) <= 128 * (1 + most // 24)
        copy.add(b"only in the copy", 1.0)
        decoded.add(b"only in the decoded one", 1.0)
        _check(zset, expected)
        if most == 0:
            assert zset.size_bytes() == empty_bytes


def test_ranges_by_score_are_counted_from_either_side() -> None:
    zset = zset_of([(b"a", -math.inf), (b"b", 1.0), (b"c", 1.0), (b"d", 2.0), (b"e", math.inf)])
    for score, below, inclusive in (
        (-math.inf, 0, 1),
        (0.0, 1, 1),
        (1.0, 1, 3),
        (math.nextafter(1.0, 2.0), 3, 3),
        (2.0, 3, 4),
        (1e300, 4, 4),
        (math.inf, 4, 5),
    ):
        assert zset.count_below(score, False) == below
        assert zset.count_below(score, True) == inclusive


def test_ranges_by_bytes_are_counted_from_either_side() -> None:
    zset = zset_of([(member, 5.0) for member in (b"", b"a", b"a\0", b"aa", b"b")])
    for member, before, inclusive in (
        (b"", 0, 1),
        (b"a", 1, 2),
        (b"a\0", 2, 3),
        (b"a\0\0", 3, 3),
        (b"aa", 3, 4),
        (b"c", 5, 5),
    ):
        assert zset.count_before(member, False) == before
        assert zset.count_before(member, True) == inclusive
    assert ZSet().count_before(b"a", True) == 0


def test_minus_zero_is_stored_as_zero() -> None:
    zset = ZSet()
    zset.add(b"b", -0.0)
    zset.add(b"a", 0.0)
    assert [str(score) for _, score in zset.items()] == ["0.0", "0.0"]
    assert [str(score) for _, score in zset_of([(b"a", -0.0)]).items()] == ["0.0"]
    assert zset.members_between(0, 2) == [b"a", b"b"]


def test_objects_are_shared_by_table_and_order() -> None:
    zset = ZSet()
    for n in range(1000):
        zset.add(b"member%d" % n, float(n))
    for n in range(1000):
        zset.add(b"member%d" % n, n / 2 + 1)
        zset.add(b"member%d" % n, n / 2 + 1)
    for one in (zset, zset.copy(), decode_zset(zset.encode())):
        table = {id(member) for page in one.pages() for member in page}
        assert table == {id(member) for member, _ in one.items()}
        members: list[bytes] = []
        scores: list[object] = []
        one._order.collect(0, 1000, members, scores)
        assert all(one.find(member) is score for member, score in zip(members, scores, strict=True))


def test_a_small_sorted_set_is_scanned_at_once_in_order() -> None:
    zset = ZSet()
    for n in range(100):
        zset.add(b"%d" % n, float(-n))
    assert zset.scan(0, 10, True) == (0, [b"%d" % n for n in reversed(range(100))])


def test_a_large_sorted_set_is_scanned_in_pieces() -> None:
    zset = ZSet()
    for n in range(5000):
        zset.add(b"%d" % n, float(n))
    seen: list[bytes] = []
    cursor, found = zset.scan(0, 10, False)
    while cursor:
        assert len(found) < 20
        seen += found
        cursor, found = zset.scan(cursor, 10, False)
    assert sorted(seen + found) == sorted(zset.members())


def test_the_encoding_remembers_what_was_there() -> None:
    config = Config.from_arguments(None, [])
    zset = ZSet()
    for n in range(128):
        zset.add(b"%d" % n, 1.0)
    assert zset.encoding(config) == b"listpack"
    zset.add(b"more", 1.0)
    assert zset.encoding(config) == b"skiplist"
    zset.remove(b"more")
    assert zset.encoding(config) == b"skiplist"
    assert decode_zset(zset.encode()).encoding(config) == b"skiplist"
    assert zset.copy().encoding(config) == b"skiplist"
    assert zset_of(zset.items()).encoding(config) == b"listpack"
    long = ZSet()
    long.add(b"x" * 64, 1.0)
    assert long.encoding(config) == b"listpack"
    long.add(b"x" * 65, 1.0)
    long.remove(b"x" * 65)
    assert decode_zset(long.encode()).encoding(config) == b"skiplist"


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"", "too early"),
        (zset_of([(b"a", 1.0)]).encode()[:-1], "too early"),
        (b"\x94\x01\x01\x91\xc4\x01a\x90", "shorter"),
        (b"\x94\x02\x01\x92\xc4\x01a\xc4\x01a\x92" + b"\xcb\0\0\0\0\0\0\0\0" * 2, "twice"),
    ],
)
def test_payloads_that_cannot_be_are_refused(payload: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decode_zset(payload)


def test_the_accounted_size_is_about_what_is_taken() -> None:
    zset = ZSet()
    for n in range(20_000):
        zset.add(b"member%06d" % n, n * 1.5)
    taken = sys.getsizeof(1.5) * 20_000 + sum(
        sys.getsizeof(page) + sum(map(sys.getsizeof, page)) for page in zset.pages()
    )
    # The order adds 18 to 24 bytes for each member.
    assert taken < zset.size_bytes() < taken + 20_000 * 60
