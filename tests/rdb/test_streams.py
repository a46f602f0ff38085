"""Streams: all three forms, written by real servers, and damaged."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dscache.config import Config
from dscache.errors import RdbError
from dscache.rdb.dump import dumped, is_intact, restored, sealed
from dscache.rdb.listpack import ListpackWriter
from dscache.rdb.reader import Reader
from dscache.rdb.typecodes import STREAM_1, STREAM_2, STREAM_3
from dscache.rdb.writer import Writer
from dscache.values.stream import Stream
from dscache.values.stream_groups import NEVER, UNKNOWN
from dscache.values.stream_id import id_of
from plain import plain

CONFIG = Config()

# Entries 1000-0 (g0: random bytes) and 1000-1 (f0: 1), group "empty" at the end, group "g" whose consumer
# alice has both, group "h" that began behind 1000-1. From Redis 7.0.
FROM_REDIS = bytes.fromhex(
    "13011000000000000003e8000000000000000040"
    "5b5b00000013000201000102018267300382673103000102010001000194a8fc2d3676848ce9d3e9872718833965336c6a71"
    "1500010501000100010101010182663003946fe806bfd48cad1ed85caa15c30b035768f80342150601ff"
    "0243e80143e8000000020305656d70747943e80181ffffffffffffffff0000016743e801020100000000000003e800000000"
    "0000000176c0b904a2010000010105616c69636576c0b904a20100000100000000000003e80000000000000001016843e801"
    "81ffffffffffffffff00010469646c6576c0b904a2010000000a007ee98b3fb1c06c61"
)


def _node(*elements: bytes | int) -> bytes:
    writer = ListpackWriter()
    for element in elements:
        if isinstance(element, int):
            writer.integer(element)
        else:
            writer.text(element)
    return writer.finish()


def _id(ms: int, seq: int) -> bytes:
    return struct.pack(">QQ", ms, seq)


def _stream(code: int, node: bytes, *rest: bytes | int, base: bytes = _id(5, 1)) -> bytes:
    """A stream of one node. What is behind it: lengths, and raw bytes."""
    writer = Writer()
    writer.byte(code)
    writer.length(1)
    writer.string(base)
    writer.string(node)
    for part in rest:
        if isinstance(part, int):
            writer.length(part)
        else:
            writer.raw(part)
    return writer.take()


def _read(content: bytes) -> object:
    return plain(restored(sealed(content, 11)))


#: 5-1 {f: v}, then 5-2, deleted, then 6-0 {f: w, g: 7}.
NODE = _node(
    *(2, 1, 1, b"f", 0),
    *(2, 0, 0, b"v", 4),
    *(3, 0, 1, b"x", 4),
    *(0, 1, -1, 2, b"f", b"w", b"g", 7, 8),
)
ENTRIES = [(b"5-1", [b"f", b"v"]), (b"6-0", [b"f", b"w", b"g", b"7"])]
TIMES = struct.pack("<qq", 1_000_000, 2_000_000)


def test_what_redis_has_written_is_read() -> None:
    assert is_intact(FROM_REDIS)
    found = plain(restored(FROM_REDIS))
    assert isinstance(found, dict)
    assert [number for number, _ in found["entries"]] == [b"1000-0", b"1000-1"]
    assert found["entries"][1][1][0] == b"f0"
    assert (found["last"], found["deleted"], found["added"]) == (b"1000-1", b"0-0", 2)
    ms = 1_795_375_612_022
    assert found["groups"] == {
        b"empty": (b"1000-1", UNKNOWN, [], []),
        b"g": (b"1000-1", 2, [(b"1000-1", ms, 1, b"alice")], [(b"alice", ms, ms, 1)]),
        b"h": (b"1000-1", UNKNOWN, [], [(b"idle", ms, ms, 0)]),
    }


def test_deleted_entries_are_left_out_and_ids_are_sums() -> None:
    found = _read(_stream(STREAM_1, NODE, 2, 6, 0, 0))
    assert found == {
        "entries": ENTRIES,
        "count": 2,
        "last": b"6-0",
        "deleted": b"0-0",
        "added": 2,
        "groups": {},
    }


@pytest.mark.parametrize(
    ("last_id", "read"),
    [((5, 0), 0), ((5, 1), 1), ((5, 2), UNKNOWN), ((6, 0), 2), ((6, 1), UNKNOWN)],
)
def test_what_a_group_has_read_is_estimated_where_it_was_not_kept(
    last_id: tuple[int, int], read: int
) -> None:
    value = restored(sealed(_stream(STREAM_1, NODE, 2, 6, 0, 1, b"\x01g", *last_id, 0, 0), 9))
    assert isinstance(value, Stream)
    assert value.groups()[0].entries_read == read
    # As it would have been counted.
    other = Stream()
    other.add(id_of(5, 1), [b"f", b"v"], 0)
    other.add(id_of(6, 0), [b"f", b"v"], 0)
    other.add_group(b"g", id_of(*last_id), UNKNOWN)
    lag = other.lag(other.groups()[0])
    assert lag == (None if read == UNKNOWN else 2 - read)


def test_pending_entries_belong_to_consumers() -> None:
    group: list[bytes | int] = [1, b"\x01g", 6, 0, 2]
    group += [2, _id(5, 1), TIMES[:8], 3, _id(6, 0), TIMES[8:], 1]
    group += [2, b"\x01a", TIMES, 1, _id(6, 0), b"\x01b", TIMES[:8], b"\xff" * 8, 1, _id(5, 1)]
    content = _stream(STREAM_3, NODE, 2, 6, 5, 5, 1, 5, 2, 9, *group)
    found = _read(content)
    assert isinstance(found, dict)
    assert (found["last"], found["deleted"], found["added"]) == (b"6-5", b"5-2", 9)
    assert found["groups"] == {
        b"g": (
            b"6-0",
            2,
            [(b"5-1", 1_000_000, 3, b"b"), (b"6-0", 2_000_000, 1, b"a")],
            [(b"a", 1_000_000, 2_000_000, 1), (b"b", 1_000_000, NEVER, 1)],
        )
    }
    value = restored(sealed(content, 11))
    assert plain(restored(dumped(value, CONFIG))) == found
    for length in range(len(content)):
        with pytest.raises(RdbError):
            _read(content[:length])


def _group(*rest: bytes | int) -> bytes:
    return _stream(STREAM_2, NODE, 2, 6, 0, 5, 1, 0, 0, 2, 1, b"\x01g", 6, 0, 2, *rest)


@pytest.mark.parametrize(
    "content",
    [
        _stream(STREAM_1, NODE, 3, 6, 0, 0),  # not so many entries
        _stream(STREAM_1, NODE, 2, 5, 9, 0),  # the last ID is not the last
        _stream(STREAM_1, NODE, 2, 6, 0, 0, base=b"5"),
        _stream(STREAM_1, b"", 0, 6, 0, 0),
        _stream(STREAM_2, NODE, 2, 6, 0, 5, 1, 0, 0, 1, 0),  # fewer added than there are
        _stream(STREAM_1, NODE, 2, 6, 0, 2**64 - 1),  # so many groups
        # A node: counts, fields, the zero behind them.
        *(
            _stream(STREAM_1, _node(*elements), 1, 6, 0, 0)
            for elements in (
                (),
                (1, 0),
                (b"x", 0, 1, b"f", 0, 2, 0, 0, b"v", 4),
                (2, 0, 1, b"f", 0, 2, 0, 0, b"v", 4),
                (1, 1, 1, b"f", 0, 2, 0, 0, b"v", 4),
                (1, 0, 2**40, b"f", 0, 2, 0, 0, b"v", 4),
                (1, 0, -1, 0, 2, 0, 0, 3),
                (1, 0, 0, 0, 2, 0, 0, 3),  # no fields
                (1, 0, 1, b"f", 1, 2, 0, 0, b"v", 4),
                (1, 0, 1, b"f", 0, 2, 0, 0, b"v", 5),
                (1, 0, 1, b"f", 0, 2, b"x", 0, b"v", 4),
                (1, 0, 1, b"f", 0, 0, 0, 0, 2**62, b"f", b"v", 6),
                (1, 0, 1, b"f", 0, 2, -5, -1, b"v", 4),  # no ID is 0-0
            )
        ),
        _stream(
            STREAM_1,
            _node(2, 0, 1, b"f", 0, 2, 0, 1, b"v", 4, 2, 0, 0, b"v", 4),
            *(2, 6, 0, 0),
        ),  # descending IDs
        # Groups.
        _stream(STREAM_1, NODE, 2, 6, 0, 2, b"\x01g", 0, 0, 0, 0, b"\x01g", 0, 0, 0, 0),
        _group(1, _id(5, 1), TIMES[:8], 1, 0),  # pending with nobody
        _group(2, _id(5, 1), TIMES[:8], 1, _id(5, 1), TIMES[:8], 1, 0),
        _group(1, _id(5, 1), b"\xff" * 8, 1, 1, b"\x01a", TIMES[:8], 1, _id(5, 1)),
        _group(0, 1, b"\x01a", TIMES[:8], 1, _id(5, 1)),  # not the group's
        _group(0, 2, b"\x01a", TIMES[:8], 0, b"\x01a", TIMES[:8], 0),
        _group(
            *(1, _id(5, 1), TIMES[:8], 1, 2),
            *(b"\x01a", TIMES[:8], 1, _id(5, 1), b"\x01b", TIMES[:8], 1, _id(5, 1)),
        ),
    ],
)
def test_bad_streams_are_refused(content: bytes) -> None:
    with pytest.raises(RdbError):
        _read(content)


def test_the_highest_ids_come_back() -> None:
    value = Stream()
    numbers = [1, 2**64 - 1, 2**64, 2**127, 2**128 - 1]
    for number in numbers:
        value.add(number, [b"f", b"v"], 0)
    assert plain(restored(dumped(value, CONFIG))) == plain(value)


@pytest.mark.parametrize("read", [5, UNKNOWN, 2**63 - 1, 2**63, 2**64 - 2])
def test_counters_come_back_whatever_clients_have_set_them_to(read: int) -> None:
    """XSETID and XGROUP SETID take 2**63 - 1, and the next entry counts on from there."""
    value = Stream()
    value.entries_added = 2**63 - 1
    value.add(1, [b"f", b"v"], 0)
    value.add_group(b"g", 1, read)
    twin = restored(dumped(value, CONFIG))
    assert isinstance(twin, Stream)
    assert twin.entries_added == 2**63
    assert (twin.groups()[0].entries_read - read) % 2**64 == 0
    assert twin.groups()[0].entries_read < 2**63


def test_a_stream_without_entries_is_kept() -> None:
    value = Stream()
    value.add(id_of(5, 5), [b"f", b"v"], 0)
    value.delete(id_of(5, 5))
    payload = dumped(value, CONFIG)
    assert payload[:-10] == b"\x15\0\0\x05\x05\0\0\x05\x05\x01\0"  # as Valkey writes it
    assert plain(restored(payload)) == plain(value)


def test_nodes_have_a_hundred_entries_or_four_kilobytes() -> None:
    value = Stream()
    for number in range(1, 1251):
        value.add(number, [b"f", b"v"], 0)
    reader = Reader(dumped(value, CONFIG))
    assert (reader.byte(), reader.length()) == (STREAM_3, 13)
    for number in range(2000, 2010):
        value.add(number, [b"f", b"v" * 5000], 0)
    reader = Reader(dumped(value, CONFIG))
    # The first of them finds room in a node of fifty.
    assert (reader.byte(), reader.length()) == (STREAM_3, 13 + 9)
    assert plain(restored(dumped(value, CONFIG))) == plain(value)


_pairs = st.lists(st.binary(max_size=5) | st.just(b"12"), min_size=1, max_size=4).map(
    lambda names: [text for name in names for text in (name, name * 3)]
)


@given(st.dictionaries(st.integers(1, 2**128 - 1), _pairs), st.integers(0, 5))
def test_any_stream_comes_back(entries: dict[int, list[bytes]], delivered: int) -> None:
    value = Stream()
    for number in sorted(entries):
        value.add(number, entries[number], 3)
    value.add_group(b"g", 0, 0)
    group = value.groups()[0]
    for place in range(delivered):
        name = b"consumer %d" % (place % 2)
        consumer = group.consumer(name) or group.add_consumer(name, 1_000_000 + place)
        value.deliver(group, consumer, 2, True, 1_000_000 + place)
    for number in list(entries)[::3]:
        value.delete(number)
    assert plain(restored(dumped(value, CONFIG))) == plain(value)
