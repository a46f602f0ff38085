"""Frames of the redo log: they come back as they were, and only where they were written."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from librt.strings import BytesWriter

from dscache.log.format import (
    HEADER_BYTES,
    add_command,
    header_of,
    next_mark,
    read_frame,
    time_line,
    time_of,
)
from dscache.wire.request import RequestParser

SEGMENT = 7
PING = b"*1\r\n$4\r\nPING\r\n"
WHOLE_BYTES = HEADER_BYTES + len(PING)


@given(
    st.lists(st.lists(st.binary(max_size=2000), min_size=1, max_size=40), max_size=5),
    st.integers(0),
)
def test_commands_and_times_are_an_append_only_file(commands: list[list[bytes]], now: int) -> None:
    writer = BytesWriter()
    writer.write(time_line(now))
    for args in commands:
        add_command(writer, args)
    parser = RequestParser(1 << 40)
    parser.feed(writer.getvalue())
    first = parser.next_request()
    assert first is not None
    assert time_of(first[0]) == now
    assert [parser.next_request() for _ in commands] == commands
    assert parser.next_request() is None
    assert parser.pending_bytes() == 0


def test_what_is_no_time_is_none() -> None:
    assert time_of(b"SET") is None


@given(st.integers(1, (1 << 48) - 1), st.binary(), st.integers(0, 1 << 39), st.binary(max_size=99))
def test_a_frame_is_read_where_it_was_written(
    sequence: int, body: bytes, synced: int, before: bytes
) -> None:
    data = before + header_of(sequence, body, SEGMENT, len(before), synced) + body + b"behind"
    found = read_frame(data, SEGMENT, len(before))
    assert found is not None
    assert (found.sequence, found.body, found.synced_bytes) == (sequence, body, synced)
    assert next_mark(data, len(before)) == len(before)
    assert read_frame(b"x" + data, SEGMENT, len(before) + 1) is None
    assert read_frame(data, SEGMENT + 1, len(before)) is None


@example(44, 32)  # a letter of the check, in upper case
@given(st.integers(0, WHOLE_BYTES - 1), st.integers(1, 255))
def test_a_frame_with_any_byte_changed_or_missing_is_none(place: int, other: int) -> None:
    whole = header_of(3, PING, SEGMENT, 0, 0) + PING
    changed = whole[:place] + bytes([whole[place] ^ other]) + whole[place + 1 :]
    assert read_frame(changed, SEGMENT, 0) is None
    assert read_frame(whole[:place], SEGMENT, 0) is None


@pytest.mark.parametrize("data", [b"", b"x", b"#dscache " * 20, b"\0" * HEADER_BYTES])
def test_what_is_no_frame_is_none(data: bytes) -> None:
    assert read_frame(data, SEGMENT, 0) is None
