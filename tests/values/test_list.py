"""Lists: elements in chunks, whatever is pushed, popped and edited."""

from __future__ import annotations

import random
import sys
import time

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dscache.config import Config
from dscache.values.list import CHUNK_MOST, List, decode_list, list_of

ELEMENTS = [b"", b"a", b"b", b"12", b"-7", b"x" * 300, b"\0\xff"]


def _check(value: List, expected: list[bytes]) -> None:
    assert value.count() == len(expected)
    assert value.items() == expected
    copy = decode_list(value.encode())
    assert copy.items() == expected
    assert copy.encode() == value.encode()
    assert copy.size_bytes() == value.size_bytes()
    assert value.copy().encode() == value.encode()
    assert value.copy().size_bytes() == value.size_bytes()


def _edit(source: random.Random, value: List, expected: list[bytes], grows: bool) -> None:
    """Do something at random to both."""
    element = source.choice(ELEMENTS) if source.random() < 0.3 else b"%d" % source.randrange(50_000)
    count = len(expected)
    at_head = source.random() < 0.5
    match source.randrange(12) if count else 0:
        case 0 | 1 | 2 if grows:
            elements = [b"%d" % source.randrange(10_000) for _ in range(source.randrange(200))]
            value.push_all(elements, at_head)
            expected[:] = elements[::-1] + expected if at_head else expected + elements
        case 3 | 4:
            most = source.randrange(200 if grows else 400)
            popped = value.pop_many(most, at_head)
            wanted = expected[:most] if at_head else expected[::-1][:most]
            assert popped == wanted
            expected[:] = expected[len(wanted) :] if at_head else expected[: count - len(wanted)]
        case 5:
            place = source.randrange(count)
            assert value.get(place) == expected[place]
            value.replace(place, element)
            expected[place] = element
        case 6 | 7:
            pivot = source.choice(expected)
            behind = source.random() < 0.5
            assert value.insert(pivot, element, behind)
            expected.insert(expected.index(pivot) + behind, element)
            assert not value.insert(b"no such element", element, behind)
        case 8:
            victim = source.choice(expected)
            most = source.choice([1, 2, count])
            from_tail = source.random() < 0.5
            order = expected[::-1] if from_tail else expected[:]
            removed = min(most, order.count(victim))
            for _ in range(removed):
                order.remove(victim)
            expected[:] = order[::-1] if from_tail else order
            assert value.remove(victim, most, from_tail) == removed
        case 9 if not grows:
            start, stop = sorted(source.choices(range(count + 50), k=2))
            value.trim(start, stop)
            expected[:] = expected[start:stop]
        case 10:
            start, stop = sorted(source.choices(range(count + 50), k=2))
            assert value.slice(start, stop) == expected[start:stop]
        case 11 if count:
            assert (value.pop_head() if at_head else value.pop_tail()) == (
                expected.pop(0) if at_head else expected.pop()
            )
        case _:
            if at_head:
                value.push_head(element)
                expected.insert(0, element)
            else:
                value.push_tail(element)
                expected.append(element)


@pytest.mark.parametrize("seed", range(8))
def test_a_list_holds_what_a_python_list_would(seed: int) -> None:
    source = random.Random(seed)
    value = List()
    empty_bytes = value.size_bytes()
    expected: list[bytes] = []
    for grows in (True, False, True, True, False):
        for step in range(60):
            _edit(source, value, expected, grows)
            if step % 10 == 0:
                _check(value, expected)
        _check(value, expected)
    value.pop_many(len(expected), from_head=True)
    assert value.size_bytes() == empty_bytes
    _check(value, [])


@given(
    elements=st.lists(st.sampled_from(ELEMENTS), max_size=300),
    element=st.sampled_from(ELEMENTS),
    rank=st.integers(1, 5),
    most=st.integers(1, 400),
    reach=st.integers(1, 400),
    from_tail=st.booleans(),
)
def test_positions_are_those_of_a_search_from_one_end(
    elements: list[bytes], element: bytes, rank: int, most: int, reach: int, from_tail: bool
) -> None:
    places = list(range(len(elements)))
    if from_tail:
        places.reverse()
    expected = [place for place in places[:reach] if elements[place] == element]
    found = list_of(elements).positions(element, rank, most, reach, from_tail)
    assert found == expected[rank - 1 :][:most]


def test_removing_in_the_middle_leaves_no_crumbs() -> None:
    value = list_of([b"keep" if n % 40 == 0 else b"drop" for n in range(100 * CHUNK_MOST)])
    full = value.size_bytes()
    assert value.remove(b"drop", 10**9, from_tail=False) == 100 * CHUNK_MOST * 39 // 40
    assert value.items() == [b"keep"] * (100 * CHUNK_MOST // 40)
    assert value.size_bytes() < full / 20


def test_a_queue_does_not_grow_with_what_has_passed_through_it() -> None:
    for push_head in (True, False):
        value = List()
        sizes = set()
        for number in range(20_000):
            element = b"%05d" % number
            if push_head:
                value.push_head(element)
            else:
                value.push_tail(element)
            if value.count() > 1000:
                popped = value.pop_tail() if push_head else value.pop_head()
                assert popped == b"%05d" % (number - 1000)
                sizes.add(value.size_bytes())
        assert max(sizes) - min(sizes) < 300
        assert len(value._chunks) < 100


def test_the_ends_of_a_million_elements_are_near() -> None:
    value = list_of([b"element"] * 1_000_000)
    started = time.perf_counter()
    for _ in range(300):
        value.push_head(b"head")
        value.push_tail(b"tail")
    for _ in range(300):
        assert value.pop_head() == b"head"
        assert value.pop_tail() == b"tail"
    assert value.slice(0, 10) == value.slice(999_990, 10**9) == [b"element"] * 10
    value.trim(100, 999_900)
    # Walking or moving all of it once takes longer.
    assert time.perf_counter() - started < 0.5
    assert value.count() == 999_800


def test_the_size_is_about_what_python_takes() -> None:
    for elements in ([b"x"], [b"%d" % n for n in range(50)], [b"%d" % n for n in range(5000)]):
        value = List()
        for element in elements:
            value.push_tail(element)
        chunks = value._chunks
        taken = (
            sys.getsizeof(chunks)
            + sum(sys.getsizeof(chunk) for chunk in chunks)
            + sum(sys.getsizeof(element) + 15 & -16 for element in elements)
            + 100
        )
        assert 0.9 * taken < value.size_bytes() < 1.15 * taken


def config(limit: int) -> Config:
    return Config.from_arguments(None, [("list-max-listpack-size", [str(limit)])])


def test_the_encoding_changes_where_redis_changes_it() -> None:
    default = config(-2)
    value = List()
    # 7 bytes around it all, 3 for the head of such an element and 2 for its length in reverse.
    for _ in range(7):
        value.push_tail(b"x" * 1000)
    assert value.encoding(default) == b"listpack"
    left = 8192 - (7 + 7 * 1004)
    value.push_tail(b"y" * left)
    assert value.encoding(default) == b"listpack"
    value.pop_tail()
    value.push_head(b"y" * (left + 1))
    assert value.encoding(default) == b"quicklist"
    # It takes half of it to be one again.
    value.pop_many(3, from_head=True)
    assert value.encoding(default) == b"quicklist"
    copy = decode_list(value.encode())
    assert copy.encoding(default) == value.copy().encoding(default) == b"quicklist"
    value.pop_tail()
    assert value.encoding(default) == b"listpack"
    assert copy.encoding(config(-3)) == b"listpack"


def test_the_encoding_may_depend_on_the_number_of_elements() -> None:
    value = List()
    value.push_all([b"1"] * 3, at_head=False)
    assert value.encoding(config(3)) == b"listpack"
    value.push_head(b"1")
    assert value.encoding(config(3)) == b"quicklist"
    value.pop_head()
    value.pop_head()
    assert value.encoding(config(3)) == b"quicklist"
    value.pop_head()
    assert value.encoding(config(3)) == b"listpack"
    # Half of one element is none.
    assert value.encoding(config(0)) == b"quicklist"
    value.push_head(b"x" * 9000)
    assert value.encoding(config(1000)) == b"quicklist"


@pytest.mark.parametrize(
    ("element", "bytes_taken"),
    [
        (b"0", 2),
        (b"127", 2),
        (b"128", 3),
        (b"-1", 3),
        (b"4095", 3),
        (b"4096", 4),
        (b"-4096", 3),
        (b"-4097", 4),
        (b"32767", 4),
        (b"-32769", 5),
        (b"8388608", 6),
        (b"-2147483648", 6),
        (b"2147483648", 10),
        (b"9223372036854775807", 10),
        (b"-9223372036854775808", 10),
        (b"9223372036854775808", 21),
        (b"007", 5),
        (b"-", 3),
        (b"", 2),
        (b"x" * 63, 65),
        (b"x" * 64, 67),
        (b"x" * 125, 128),
        (b"x" * 126, 130),
        (b"x" * 4096, 4103),
    ],
)
def test_the_size_of_a_listpack_is_known_to_the_byte(element: bytes, bytes_taken: int) -> None:
    [bytes_mark, *_] = msgpack.unpackb(list_of([element]).encode())
    assert bytes_mark == 7 + bytes_taken


def test_long_payloads_are_decoded_chunk_by_chunk() -> None:
    elements = [b"%d" % number for number in range(50_000)]
    value = list_of(elements)
    assert len(value.encode()) > 100_000
    _check(value, elements)


@pytest.mark.parametrize("payload", [[], [1], [0, 0, []], [0, 0, [b"x"] * (CHUNK_MOST + 1)]])
def test_what_no_list_has_written_is_refused(payload: list[object]) -> None:
    with pytest.raises(ValueError, match="list"):
        decode_list(msgpack.packb(payload))
