"""APPEND, STRLEN, SETRANGE, GETRANGE and SUBSTR."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dscache.store.memory import MemoryStore
from dscache.values.text import IN_PLACE_BYTES, Text
from places import DISK, MEMORY, PLACES, SAVING, Client

TOO_LONG = b"-ERR string exceeds maximum allowed size (proto-max-bulk-len)"

#: Lengths that are kept in the three ways there are: as bytes, as Text, and apart on disk.
LENGTHS = [10, IN_PLACE_BYTES + 1, 20_000]


@pytest.fixture(params=PLACES)
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    client = Client(request.param, proto_max_bulk_len="1mb")
    yield client
    client.close()


def test_append_makes_the_key_or_lengthens_it(client: Client) -> None:
    assert client("APPEND", "k", "foo") == 3
    assert client("APPEND", "k", "bar") == 6
    assert client("APPEND", "k", "") == 6
    assert client("GET", "k") == b"foobar"
    assert client("APPEND", "empty", "") == 0
    assert client("GET", "empty") == b""


@pytest.mark.parametrize("length", LENGTHS)
def test_append_works_whatever_the_length(client: Client, length: int) -> None:
    content = bytes(n % 251 for n in range(length))
    client("SET", "k", content, "EX", 100)
    due_ms = client.due_ms(b"k")
    for count in range(1, 4):
        assert client("APPEND", "k", "+-") == length + 2 * count
        assert client("STRLEN", "k") == length + 2 * count
        assert client("GET", "k") == content + b"+-" * count
    assert client.due_ms(b"k") == due_ms


@pytest.mark.parametrize("length", LENGTHS)
def test_setrange_works_whatever_the_length(client: Client, length: int) -> None:
    expected = bytearray(b"x" * length)
    client("SET", "k", bytes(expected))
    assert client("SETRANGE", "k", 3, "three") == length
    expected[3:8] = b"three"
    assert client("SETRANGE", "k", length - 1, "end") == length + 2
    expected[length - 1 :] = b"end"
    assert client("SETRANGE", "k", length + 5, "behind") == length + 11
    expected += b"\0\0\0behind"
    assert client("GET", "k") == expected
    assert client("GETRANGE", "k", 2, 8) == expected[2:9]


def test_setrange_makes_the_key_with_zeros_before(client: Client) -> None:
    assert client("SETRANGE", "k", 2, "foo") == 5
    assert client("GET", "k") == b"\0\0foo"


def test_setrange_of_nothing_changes_nothing(client: Client) -> None:
    assert client("SETRANGE", "k", 5, "") == 0
    assert not client.exists(b"k")
    client("SET", "k", "foo")
    assert client("SETRANGE", "k", 100, "") == 3
    assert client.events == []
    assert client("GET", "k") == b"foo"


def test_setrange_refuses_offsets_that_are_none(client: Client) -> None:
    client("SET", "k", "foo")
    assert client("SETRANGE", "k", -1, "x") == b"-ERR offset is out of range"
    assert client("SETRANGE", "k", "x", "x") == b"-ERR value is not an integer or out of range"
    assert client("GET", "k") == b"foo"


def test_strings_are_no_longer_than_an_argument_may_be(client: Client) -> None:
    limit = 1024 * 1024
    assert client("SETRANGE", "k", limit - 1, "xy") == TOO_LONG
    assert client("SETRANGE", "k", 2**63 - 1, "x") == TOO_LONG
    assert not client.exists(b"k")
    assert client("SETRANGE", "k", limit - 1, "x") == limit
    assert client("APPEND", "k", "x") == TOO_LONG
    assert client("APPEND", "k", "") == limit
    assert client("SETRANGE", "k", limit, "x") == TOO_LONG
    assert client("STRLEN", "k") == limit


def test_strlen_is_the_length_or_zero(client: Client) -> None:
    client("SET", "k", "-555")
    assert client("STRLEN", "k") == 4
    assert client("STRLEN", "none") == 0


def test_strlen_does_not_load_a_value_that_is_apart_on_disk() -> None:
    client = Client(MEMORY)
    client("SET", "long", "x" * 50_000)
    client.driver.evict_all()
    stats = client.driver.engine.core.stats
    hits = stats.keyspace_hits
    assert client("STRLEN", "long") == 50_000
    assert not client.driver.session.keyspace.is_resident(b"long")
    assert stats.keyspace_hits == hits + 1
    client.close()


@pytest.mark.parametrize("command", ["GETRANGE", "SUBSTR"])
def test_ranges_are_inclusive_and_negative_ones_count_from_the_end(
    client: Client, command: str
) -> None:
    client("SET", "k", "Hello World")
    for start, end, expected in (
        (0, 3, b"Hell"),
        (0, -1, b"Hello World"),
        (-4, -1, b"orld"),
        (5, 3, b""),
        (5, 5000, b" World"),
        (-5000, 10000, b"Hello World"),
        (-1, -3, b""),
        (-5000, -5000, b"H"),
        (-4000, -5000, b""),
        (11, 20, b""),
        (0, 4294967297, b"Hello World"),
    ):
        assert client(command, "k", start, end) == expected
    assert client(command, "none", 0, -1) == b""
    assert client(command, "k", "x", 0) == b"-ERR value is not an integer or out of range"
    assert client(command, "k", 0, "x") == b"-ERR value is not an integer or out of range"
    client("SET", "empty", "")
    assert client(command, "empty", 0, -1) == b""


def test_events_have_the_names_that_redis_gives_them(client: Client) -> None:
    for value in ("x", "x" * IN_PLACE_BYTES):
        client("APPEND", "k", value)
        assert client.events == [(b"append", b"k")]
        client("SETRANGE", "k", 1, "y")
        assert client.events == [(b"setrange", b"k")]


EDITS = st.lists(
    st.one_of(
        st.tuples(st.just("APPEND"), st.integers(0, 0), st.sampled_from([0, 1, 700, 3000])),
        st.tuples(st.just("SETRANGE"), st.integers(0, 9000), st.integers(1, 300)),
        st.tuples(st.just("SET"), st.integers(0, 0), st.sampled_from([0, 5, 5000, 17_000])),
    ),
    max_size=12,
)


@pytest.mark.parametrize("place", PLACES)
@given(edits=EDITS)
def test_any_series_of_edits_gives_what_it_gives_on_plain_bytes(
    place: str, edits: list[tuple[str, int, int]]
) -> None:
    client = Client(place)
    expected = b""
    for number, (command, offset, size) in enumerate(edits):
        data = bytes([97 + number]) * size
        if command == "SET":
            client(command, "k", data)
            expected = data
        elif command == "APPEND":
            assert client(command, "k", data) == len(expected) + size
            expected += data
        else:
            client(command, "k", offset, data)
            padded = expected.ljust(offset, b"\0")
            expected = padded[:offset] + data + padded[offset + size :]
        assert client("STRLEN", "k") == len(expected)
        assert client.driver.session.keyspace.memory_usage(b"k") is not None
    assert (client("GET", "k") or b"") == expected
    client.driver.evict_all()
    assert (client("GET", "k") or b"") == expected
    client.close()


def test_an_edit_in_place_does_not_reach_into_the_epoch_that_is_being_saved() -> None:
    store = MemoryStore()
    client = Client(SAVING, store)
    before = b"x" * IN_PLACE_BYTES + b"before"
    client("APPEND", "k", before[:-6])
    client("APPEND", "k", "before")
    client.driver.flush()
    client("APPEND", "k", " saved")
    flusher = client.driver.engine.flusher
    flusher.cut()
    client.driver.start("APPEND", "k", " not yet")
    client.driver.turn_until(lambda: not flusher.is_saving)

    other = Client(DISK, store)
    assert other("GET", "k") == before + b" saved"
    assert client("GET", "k") == before + b" saved not yet"


def test_a_long_string_that_is_appended_to_is_changed_in_place() -> None:
    client = Client(MEMORY)
    client("SET", "k", "x" * IN_PLACE_BYTES)
    client("APPEND", "k", "y")
    keyspace = client.driver.session.keyspace
    value = keyspace.for_read(b"k")
    assert isinstance(value, Text)
    client("APPEND", "k", "z" * 100_000)
    assert keyspace.for_read(b"k") is value
    usage = keyspace.memory_usage(b"k")
    assert usage is not None
    assert IN_PLACE_BYTES + 100_001 < usage < 1.3 * (IN_PLACE_BYTES + 100_001)
    client.close()
