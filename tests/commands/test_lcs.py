"""LCS."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dscache.commands.lcs import longest_common_subsequence
from places import PLACES, Client


@pytest.fixture(params=PLACES)
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    client = Client(request.param, proto_max_bulk_len="1mb")
    yield client
    client.close()


def by_table(a: bytes, b: bytes) -> list[tuple[int, int]]:
    """Matching positions, as the table and Redis's way back through it give them."""
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, in_a in enumerate(a, 1):
        for j, in_b in enumerate(b, 1):
            if in_a == in_b:
                table[i][j] = table[i - 1][j - 1] + 1
            else:
                table[i][j] = max(table[i - 1][j], table[i][j - 1])
    positions: list[tuple[int, int]] = []
    i, j = len(a), len(b)
    while i and j:
        if a[i - 1] == b[j - 1]:
            i, j = i - 1, j - 1
            positions.append((i, j))
        elif table[i - 1][j] > table[i][j - 1]:
            i -= 1
        else:
            j -= 1
    return positions[::-1]


STRINGS = st.one_of(
    st.text("ab", max_size=60), st.text("abcde", max_size=25), st.text("ACGT", max_size=90)
).map(str.encode)


@given(STRINGS, STRINGS)
def test_of_several_longest_subsequences_the_one_of_redis_is_found(a: bytes, b: bytes) -> None:
    matches = longest_common_subsequence(a, b)
    positions = [
        (match.start_a + n, match.start_b + n) for match in matches for n in range(match.length)
    ]
    assert positions == by_table(a, b)
    for one, following in itertools.pairwise(matches):
        ends = (one.start_a + one.length, one.start_b + one.length)
        assert ends != (following.start_a, following.start_b), "stretches are as long as can be"


def test_the_subsequence_its_length_and_its_places(client: Client) -> None:
    client("MSET", "one", "ohmytext", "two", "mynewtext")
    assert client("LCS", "one", "two") == b"mytext"
    assert client("LCS", "one", "two", "LEN") == 6
    assert client("LCS", "one", "two", "IDX") == {
        b"matches": [[[4, 7], [5, 8]], [[2, 3], [0, 1]]],
        b"len": 6,
    }


def test_stretches_may_be_shown_with_lengths_and_left_out_if_short(client: Client) -> None:
    client("MSET", "one", "ohmytext", "two", "mynewtext")
    long = [[4, 7], [5, 8]]
    short = [[2, 3], [0, 1]]
    assert client("LCS", "one", "two", "idx", "withmatchlen") == {
        b"matches": [[*long, 4], [*short, 2]],
        b"len": 6,
    }
    for least, matches in ((4, [long]), (2, [long, short]), (5, []), (-1, [long, short])):
        assert client("LCS", "one", "two", "IDX", "MINMATCHLEN", least) == {
            b"matches": matches,
            b"len": 6,
        }


def test_a_missing_key_is_an_empty_string(client: Client) -> None:
    client("SET", "one", "text")
    assert client("LCS", "one", "none") == b""
    assert client("LCS", "none", "one") == b""
    assert client("LCS", "none", "none", "LEN") == 0
    assert client("LCS", "one", "none", "IDX") == {b"matches": [], b"len": 0}


def test_the_same_key_twice_is_wholly_common(client: Client) -> None:
    client("SET", "one", "text")
    assert client("LCS", "one", "one") == b"text"


def test_long_strings_of_unequal_length_work_either_way_round(client: Client) -> None:
    client("SET", "long", "ab" * 12_000)
    client("APPEND", "long", "c")
    client("SET", "short", "bbc")
    for keys in (("long", "short"), ("short", "long")):
        assert client("LCS", *keys) == b"bbc"
        assert client("LCS", *keys, "LEN") == 3


def test_wrong_options_are_refused(client: Client) -> None:
    client("MSET", "one", "1", "two", "2")
    assert client("LCS", "one", "two", "LEN", "IDX") == (
        b"-ERR If you want both the length and indexes, please just use IDX."
    )
    assert client("LCS", "one", "two", "MINMATCHLEN") == b"-ERR syntax error"
    assert client("LCS", "one", "two", "MINMATCHLEN", "x") == (
        b"-ERR value is not an integer or out of range"
    )
    assert client("LCS", "one", "two", "WHAT") == b"-ERR syntax error"


def test_what_would_take_redis_too_much_memory_is_refused(client: Client) -> None:
    client("SET", "one", "a" * 511)
    client("SET", "two", "a" * 511)
    assert client("LCS", "one", "two", "LEN") == 511
    client("APPEND", "two", "a")
    assert client("LCS", "one", "two", "LEN") == (
        b"-ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len"
    )
