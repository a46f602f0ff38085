"""Sets: members, payloads, encodings, choices at random, and the algebra of several."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dscache.config import Config
from dscache.values.base import SET
from dscache.values.set import (
    Set,
    common_members,
    decode_set,
    members_of_any,
    members_without,
    set_of,
    union_of,
)
from dscache.values.table import PAGE_MOST

CONFIG = Config.from_arguments(None, [])


def numbered(start: int, stop: int, step: int = 1) -> list[bytes]:
    return [b"m%d" % number for number in range(start, stop, step)]


def check_payload(value: Set) -> None:
    """A payload gives the same set again."""
    payload = value.encode()
    again = decode_set(payload)
    assert again.members() == value.members()
    assert again.count() == value.count()
    assert again.size_bytes() == value.size_bytes()
    assert again.encoding(CONFIG) == value.encoding(CONFIG)
    assert again.encode() == payload


# Members


@pytest.mark.parametrize("seed", range(4))
def test_a_set_holds_what_a_python_set_would(seed: int) -> None:
    source = random.Random(seed)
    value = Set()
    expected: set[bytes] = set()
    for most in (50, 1000, 10, 300, 0):
        while len(expected) != most:
            member = b"%d" % source.randrange(2000)
            if source.random() < (0.9 if len(expected) < most else 0.3):
                assert value.add(member) == (member not in expected)
                expected.add(member)
            else:
                if expected and source.random() < 0.8:
                    member = source.choice(sorted(expected))
                assert value.remove(member) == (member in expected)
                expected.discard(member)
            assert value.count() == len(expected)
            assert value.has(member) == (member in expected)
        assert sorted(value.members()) == sorted(expected)
        check_payload(value)
    assert value.size_bytes() == Set().size_bytes()


def test_adding_many_answers_how_many_are_new() -> None:
    value = Set()
    assert value.type_code() == SET
    assert value.add_all([b"a", b"b", b"a"]) == 2
    assert value.add_all([b"b", b"c", b"d"]) == 2
    assert value.members() == [b"a", b"b", b"c", b"d"]


@pytest.mark.parametrize("count", [3, PAGE_MOST, 5000])
def test_a_copy_is_independent(count: int) -> None:
    value = set_of(numbered(0, count))
    copy = value.copy()
    assert copy.encode() == value.encode()
    assert copy.size_bytes() == value.size_bytes()
    copy.add(b"new")
    copy.remove(b"m0")
    assert value.members() == set_of(numbered(0, count)).members()
    for number in range(1, count):
        assert copy.remove(b"m%d" % number)
    assert copy.members() == [b"new"]
    assert value.count() == count


def test_members_are_bytes_of_any_kind() -> None:
    members = [b"", b"\x00", b"\xff\r\n", b"x" * 100_000, b"-0"]
    value = set_of(members)
    assert value.members() == members
    check_payload(value)


@pytest.mark.parametrize("payload", [b"", b"\x90", b"\x93\x00\x00", b"\x93\x00\xc0\x00", b"abc"])
def test_a_payload_that_no_set_has_written_is_refused(payload: bytes) -> None:
    with pytest.raises(ValueError, match="not the payload of a set"):
        decode_set(payload)


def test_a_payload_that_is_cut_off_is_refused() -> None:
    for count in (3, 300):
        payload = set_of(numbered(0, count)).encode()
        for end in range(0, len(payload), 1 + len(payload) // 50):
            with pytest.raises(ValueError, match="not the payload of a set"):
                decode_set(payload[:end])


# Encodings


def integers(count: int) -> list[bytes]:
    return [b"%d" % number for number in range(count)]


@pytest.mark.parametrize(
    ("members", "encoding"),
    [
        ([b"1"], b"intset"),
        ([b"-9223372036854775808", b"9223372036854775807"], b"intset"),
        ([b"9223372036854775808"], b"listpack"),
        ([b"01"], b"listpack"),
        ([b"+1"], b"listpack"),
        ([b""], b"listpack"),
        (integers(512), b"intset"),
        (integers(513), b"hashtable"),
        ([*integers(127), b"x"], b"listpack"),
        ([*integers(128), b"x"], b"hashtable"),
        (numbered(0, 128), b"listpack"),
        (numbered(0, 129), b"hashtable"),
        ([b"x" * 64], b"listpack"),
        ([b"x" * 65], b"hashtable"),
    ],
)
def test_the_encoding_is_that_of_redis(members: list[bytes], encoding: bytes) -> None:
    value = set_of(members)
    assert value.encoding(CONFIG) == encoding
    check_payload(value)


def test_an_encoding_is_never_left_for_a_smaller_one() -> None:
    for members, encoding in (
        (integers(513), b"hashtable"),
        ([b"1", b"x"], b"listpack"),
        ([b"1", b"x" * 65], b"hashtable"),
        (numbered(0, 129), b"hashtable"),
    ):
        value = set_of(members)
        for member in members[1:]:
            value.remove(member)
        assert value.encoding(CONFIG) == encoding
        assert decode_set(value.encode()).encoding(CONFIG) == encoding
        assert value.copy().encoding(CONFIG) == encoding


def test_an_intset_that_has_shrunk_becomes_a_listpack() -> None:
    value = set_of(integers(300))
    for member in integers(300)[5:]:
        value.remove(member)
    value.add(b"x")
    assert value.encoding(CONFIG) == b"listpack"


def test_a_set_expects_that_what_is_added_is_new() -> None:
    for first, count, encoding in (
        (b"a", 128, b"listpack"),
        (b"a", 129, b"hashtable"),
        (b"1", 512, b"intset"),
        (b"1", 513, b"hashtable"),
    ):
        value = Set()
        value.add_all([first] * count)
        assert value.encoding(CONFIG) == encoding


def test_the_thresholds_are_those_of_the_configuration() -> None:
    config = Config.from_arguments(
        None,
        [
            ("set-max-intset-entries", ["2"]),
            ("set-max-listpack-entries", ["3"]),
            ("set-max-listpack-value", ["4"]),
        ],
    )
    assert set_of([b"1", b"2"]).encoding(config) == b"intset"
    assert set_of([b"1", b"2", b"3"]).encoding(config) == b"hashtable"
    assert set_of([b"1", b"2", b"x"]).encoding(config) == b"listpack"
    assert set_of([b"a", b"b", b"c", b"d"]).encoding(config) == b"hashtable"
    assert set_of([b"abcde"]).encoding(config) == b"hashtable"


def test_an_intset_is_listed_in_ascending_order() -> None:
    value = set_of([b"10", b"9", b"-3", b"100"])
    assert value.listed(CONFIG) == [b"-3", b"9", b"10", b"100"]
    value.add(b"x")
    assert value.listed(CONFIG) == [b"10", b"9", b"-3", b"100", b"x"]


# At random


@pytest.mark.parametrize(("count", "size"), [(1, 10), (5, 10), (10, 10), (3, 2000), (1500, 2000)])
def test_a_sample_has_different_members(count: int, size: int) -> None:
    value = set_of(numbered(0, size))
    sample = value.sample(count)
    assert len(sample) == len(set(sample)) == count
    assert all(value.has(member) for member in sample)


@pytest.mark.parametrize(("count", "size"), [(2, 6), (5, 6), (2, 400)])
def test_samples_and_draws_favour_nobody(count: int, size: int) -> None:
    random.seed(size + count)
    value = set_of(numbered(0, size))
    rounds = 200 * size // count
    for choose in (value.sample, value.draw):
        seen: Counter[bytes] = Counter()
        for _ in range(rounds):
            seen.update(choose(count))
        # 200 of each are expected; five standard deviations are 70.
        assert len(seen) == size
        assert min(seen.values()) > 120
        assert max(seen.values()) < 280


def test_draws_may_repeat_members() -> None:
    value = set_of([b"a", b"b"])
    drawn = value.draw(100)
    assert len(drawn) == 100
    assert set(drawn) == {b"a", b"b"}
    large = set_of(numbered(0, 1000))
    assert len(large.draw(3)) == 3
    assert len(large.draw(5000)) == 5000


# Algebra


def check_algebra(groups: list[list[bytes]]) -> None:
    sets = [set_of(group) for group in groups]
    plain = [set(group) for group in groups]
    before = [one.encode() for one in sets]
    common = common_members(sets)
    assert len(common) == len(set(common))
    assert set(common) == set.intersection(*plain)
    united = members_of_any(sets)
    assert len(united) == len(set(united))
    assert set(united) == set.union(*plain)
    union = union_of(sets)
    assert sorted(union.members()) == sorted(united)
    check_payload(union)
    without = members_without(sets[0], sets[1:])
    assert len(without) == len(set(without))
    assert set(without) == plain[0].difference(*plain[1:])
    assert [one.encode() for one in sets] == before


@given(
    st.lists(
        st.lists(st.integers(0, 30).map(lambda number: b"%d" % number), min_size=1, max_size=20),
        min_size=1,
        max_size=6,
    )
)
def test_the_algebra_of_small_sets_is_that_of_python(groups: list[list[bytes]]) -> None:
    check_algebra(groups)


@pytest.mark.parametrize("seed", range(12))
def test_the_algebra_of_sets_of_any_size_is_that_of_python(seed: int) -> None:
    source = random.Random(seed)
    groups: list[list[bytes]] = []
    for _ in range(source.randrange(1, 6)):
        start = source.randrange(3000)
        size = source.choice([1, 20, PAGE_MOST, PAGE_MOST + 1, 1000, 6000])
        groups.append(numbered(start, start + size, source.choice([1, 1, 2, 7])))
    check_algebra(groups)


@pytest.mark.parametrize("size", [1, 60, PAGE_MOST, 200])
def test_the_algebra_of_sets_that_have_shrunk_is_that_of_python(size: int) -> None:
    """A set that was larger may have few members in many pages."""
    sets = [set_of(numbered(start, start + 300)) for start in (0, 20, 100)]
    for one in sets:
        for member in one.members()[size:]:
            one.remove(member)
    assert len(sets[0].pages()) > 1 or size < 100
    plain = [set(one.members()) for one in sets]
    assert set(common_members(sets)) == set.intersection(*plain)
    assert set(members_of_any(sets)) == set(union_of(sets).members()) == set.union(*plain)
    assert set(members_without(sets[0], sets[1:])) == plain[0] - plain[1] - plain[2]


def test_small_results_keep_the_order_of_members() -> None:
    a = set_of([b"d", b"c", b"b", b"a"])
    b = set_of([b"a", b"x", b"d", b"y", b"z"])
    assert common_members([b, a]) == [b"d", b"a"]
    assert members_of_any([a, b]) == [b"d", b"c", b"b", b"a", b"x", b"y", b"z"]
    assert union_of([a, b]).members() == members_of_any([a, b])
    assert members_without(b, [a]) == [b"x", b"y", b"z"]
    # With many small sets the other algorithm is chosen.
    many = [set_of([one]) for one in (b"x", b"a", b"none", b"q", b"r", b"s")]
    assert members_without(b, many) == [b"d", b"y", b"z"]


def test_an_intersection_stops_when_it_has_enough() -> None:
    a = set_of(numbered(0, 5000))
    b = set_of(numbered(0, 6000))
    found = common_members([a, b], 10)
    assert 10 <= len(found) <= 10 + PAGE_MOST
    assert len(common_members([a, b], 6000)) == 5000


def test_a_union_is_encoded_as_if_it_had_been_made_member_by_member() -> None:
    history = set_of(integers(600))
    for member in integers(600)[400:]:
        history.remove(member)
    assert history.encoding(CONFIG) == b"hashtable"
    assert union_of([history]).encoding(CONFIG) == b"intset"
    assert union_of([history, set_of([b"x"])]).encoding(CONFIG) == b"hashtable"
