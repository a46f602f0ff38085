"""Replies are read whatever pieces they come in, and keep what the protocol says about their type."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dscache.cli.reply_parser import INCOMPLETE, ReplyParser
from dscache.errors import DscacheError
from dscache.wire.reply import (
    Attributed,
    BigNumber,
    DoubleText,
    ErrorReply,
    MapReply,
    Push,
    SetReply,
    Status,
    Verbatim,
)


def parsed(data: bytes) -> object:
    parser = ReplyParser()
    parser.feed(data)
    reply = parser.next_reply()
    assert parser.next_reply() is INCOMPLETE
    return reply


def plain(reply: object) -> object:
    """``reply`` as something that can be compared."""
    if isinstance(reply, list):
        return [plain(item) for item in reply]
    if isinstance(reply, SetReply | Push):
        return type(reply).__name__, plain(reply.items)
    if isinstance(reply, MapReply):
        return "map", [(plain(key), plain(value)) for key, value in reply.items]
    if isinstance(reply, Attributed):
        return "attributed", plain([list(pair) for pair in reply.attributes]), plain(reply.reply)
    if isinstance(reply, Status | ErrorReply | DoubleText):
        return type(reply).__name__, reply.text
    if isinstance(reply, Verbatim):
        return "verbatim", reply.form, reply.text
    return ("big", reply.digits) if isinstance(reply, BigNumber) else reply


REPLIES = [
    (b"+OK\r\n", ("Status", b"OK")),
    (b"-ERR no\r\n", ("ErrorReply", b"ERR no")),
    (b":-12\r\n", -12),
    (b"$5\r\na\r\nbc\r\n", b"a\r\nbc"),
    (b"$0\r\n\r\n", b""),
    (b"$-1\r\n", None),
    (b"*-1\r\n", None),
    (b"*0\r\n", []),
    (b"*2\r\n:1\r\n*1\r\n$1\r\nx\r\n", [1, [b"x"]]),
    (b"_\r\n", None),
    (b"#t\r\n", True),
    (b"#f\r\n", False),
    (b",3.25\r\n", ("DoubleText", b"3.25")),
    (b"(123456789012345678901234567890\r\n", ("big", b"123456789012345678901234567890")),
    (b"=7\r\ntxt:abc\r\n", ("verbatim", b"txt", b"abc")),
    (b"!6\r\nERR no\r\n", ("ErrorReply", b"ERR no")),
    (b"%2\r\n+a\r\n:1\r\n+b\r\n%0\r\n", ("map", [(("Status", b"a"), 1), (("Status", b"b"), ("map", []))])),
    (b"~1\r\n:1\r\n", ("SetReply", [1])),
    (b">2\r\n+x\r\n:1\r\n", ("Push", [("Status", b"x"), 1])),
    (b"|1\r\n+ttl\r\n:3\r\n*1\r\n:1\r\n", ("attributed", [[("Status", b"ttl"), 3]], [1])),
]  # fmt: skip


@pytest.mark.parametrize(("data", "expected"), REPLIES)
def test_every_type_of_both_protocols_is_read(data: bytes, expected: object) -> None:
    assert plain(parsed(data)) == expected


@given(st.lists(st.sampled_from(REPLIES), max_size=8), st.lists(st.integers(1, 9), min_size=1))
def test_pieces_of_any_length_make_the_same_replies(
    replies: list[tuple[bytes, object]], lengths: list[int]
) -> None:
    data = b"".join(one for one, _ in replies)
    parser = ReplyParser()
    found: list[object] = []
    turn = 0
    while data:
        length = lengths[turn % len(lengths)]
        turn += 1
        parser.feed(data[:length])
        data = data[length:]
        while (reply := parser.next_reply()) is not INCOMPLETE:
            found.append(plain(reply))
    assert found == [expected for _, expected in replies]


@pytest.mark.parametrize("data", [b"HTTP/1.1 400 Bad Request\r\n", b":many\r\n", b"$x\r\n"])
def test_what_is_no_reply_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(DscacheError, match="does not speak the Redis protocol"):
        parsed(data)
