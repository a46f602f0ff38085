"""Requests: what a stream of bytes means, however the network cuts it.

The answers to bytes that are not the protocol were taken from redis-server 7.0 and valkey-server 9.1
over a raw socket; where the two differ, Redis counts.
"""

from __future__ import annotations

import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dscache.errors import ProtocolError
from dscache.wire.limits import (
    BIG_ARGUMENT_BYTES,
    INLINE_MAX_BYTES,
    UNAUTHENTICATED_MAX_ARGUMENTS,
    UNAUTHENTICATED_MAX_BULK_BYTES,
)
from dscache.wire.request import RequestParser

MAX_BULK_BYTES = 512 * 1024 * 1024
# What a header line may be long, terminators included, before it is given up.
JUST_TOO_LONG = INLINE_MAX_BYTES + 1

Requests = list[list[bytes]]


def parse(*pieces: bytes, trusted: bool = True, max_bulk_bytes: int = MAX_BULK_BYTES) -> Requests:
    """Every request in a stream that arrives in these pieces."""
    parser = RequestParser(max_bulk_bytes, trusted=trusted)
    requests = []
    for piece in pieces:
        parser.feed(piece)
        while (request := parser.next_request()) is not None:
            requests.append(request)
    return requests


def cut(stream: bytes, positions: list[int]) -> list[bytes]:
    """The stream in pieces, cut at these positions."""
    bounds = [0, *sorted(positions), len(stream)]
    return [stream[begin:end] for begin, end in pairwise(bounds)]


def multibulk(*arguments: bytes) -> bytes:
    """A request as clients' libraries send it."""
    return b"*%d\r\n" % len(arguments) + b"".join(
        b"$%d\r\n%s\r\n" % (len(argument), argument) for argument in arguments
    )


def inline(*words: bytes) -> bytes:
    """A request as a person types it, every word quoted and every byte escaped."""
    quoted = ['"' + "".join(f"\\x{byte:02x}" for byte in word) + '"' for word in words]
    return " ".join(quoted).encode() + b"\r\n"


def refusal(*pieces: bytes, trusted: bool = True) -> bytes:
    """The error line that the client gets for this stream."""
    with pytest.raises(ProtocolError) as caught:
        parse(*pieces, trusted=trusted)
    return caught.value.reply


def pattern(length: int) -> bytes:
    """Bytes in which a lost or doubled piece shows, with line ends among them."""
    return b"".join(b"%d\r\n" % number for number in range(length // 3 + 1))[:length]


big_arguments = st.sampled_from(
    [
        BIG_ARGUMENT_BYTES - 1,
        BIG_ARGUMENT_BYTES,
        BIG_ARGUMENT_BYTES + 1,
        BIG_ARGUMENT_BYTES + 2,
        3 * BIG_ARGUMENT_BYTES,
    ]
).map(pattern)
arguments = st.binary(max_size=40) | big_arguments
words = st.binary(max_size=12)


def request_and_bytes(drawn: tuple[str, list[bytes]]) -> tuple[list[bytes], bytes]:
    """(the request, its encoding)."""
    form, items = drawn
    if form == "inline":
        return items, inline(*items)
    if form == "empty":
        return [], [b"*0\r\n", b"*-1\r\n", b"\r\n", b"\n", b"  \r\n"][len(items)]
    return items, multibulk(*items)


a_request = st.one_of(
    st.tuples(st.just("multibulk"), st.lists(arguments, min_size=1, max_size=5)),
    st.tuples(st.just("inline"), st.lists(words, min_size=1, max_size=4)),
    st.tuples(st.just("empty"), st.lists(st.just(b""), max_size=4)),
).map(request_and_bytes)


@given(
    pipeline=st.lists(a_request, max_size=8),
    cuts=st.lists(st.floats(0, 1, exclude_max=True), max_size=12),
)
@example(pipeline=[([b"SET", b"a", pattern(100_000)], b"")], cuts=[])
def test_any_pipeline_cut_anywhere_parses_to_the_same_requests(
    pipeline: list[tuple[list[bytes], bytes]], cuts: list[float]
) -> None:
    stream = b"".join(encoded or multibulk(*request) for request, encoded in pipeline)
    pieces = cut(stream, [int(at * len(stream)) for at in cuts])
    assert parse(*pieces) == [request for request, _ in pipeline]


SHORT_STREAM = (
    multibulk(b"SET", b"key", b"", b"a\r\nb")
    + b"*-1\r\n"
    + b"PING 'it\\'s'\r\n"
    + b"\r\n"
    + multibulk(b"x" * 12)
    + b"PING\n"
)
SHORT_REQUESTS = [
    [b"SET", b"key", b"", b"a\r\nb"],
    [],
    [b"PING", b"it's"],
    [],
    [b"x" * 12],
    [b"PING"],
]


def test_a_pipeline_may_be_cut_at_every_byte() -> None:
    for at in range(len(SHORT_STREAM)):
        assert parse(SHORT_STREAM[:at], SHORT_STREAM[at:]) == SHORT_REQUESTS, at


def test_a_pipeline_may_arrive_byte_by_byte() -> None:
    assert parse(*cut(SHORT_STREAM, list(range(1, len(SHORT_STREAM))))) == SHORT_REQUESTS


@pytest.mark.parametrize("length", [BIG_ARGUMENT_BYTES, BIG_ARGUMENT_BYTES + 1])
@pytest.mark.parametrize("last", [True, False])
def test_a_long_argument_may_be_cut_at_every_byte_near_its_ends(length: int, last: bool) -> None:
    # Gathering a long argument once began anew whenever the parser was asked while its bytes were
    # still arriving: what had arrived was lost, and the client waited for ever.
    value = pattern(length)
    request = [b"SET", b"k", value] if last else [b"SET", value, b"NX"]
    stream = multibulk(*request) + multibulk(b"PING")
    start = stream.index(b"$%d" % length)
    stop = stream.rindex(value[-20:]) + 20
    interesting = [*range(start, start + 12), *range(stop - 3, len(stream))]
    for first in interesting:
        for second in interesting:
            pieces = cut(stream, [first, second])
            assert parse(*pieces) == [request, [b"PING"]], (first, second)


def test_a_long_argument_may_arrive_byte_by_byte() -> None:
    request = [b"SET", b"k", pattern(BIG_ARGUMENT_BYTES)]
    stream = multibulk(*request)
    assert parse(*cut(stream, list(range(1, len(stream))))) == [request]


def test_two_long_arguments_in_one_request() -> None:
    request = [b"MSET", b"a", pattern(BIG_ARGUMENT_BYTES), b"b", pattern(70_000)]
    stream = multibulk(*request)
    assert parse(*cut(stream, list(range(0, len(stream), 5000)))) == [request]


def test_a_long_argument_is_not_copied_while_it_arrives_and_once_at_its_end() -> None:
    # tracemalloc sees every allocation, also one that is given back at once. The pieces are one and
    # the same object, so whatever grows in here is a copy that the parser made.
    piece = bytes(16 * 1024)
    pieces = 4096
    total = len(piece) * pieces
    parser = RequestParser(MAX_BULK_BYTES)
    parser.feed(b"*2\r\n$3\r\nSET\r\n$%d\r\n" % total)
    assert parser.next_request() is None
    tracemalloc.start()
    try:
        for _ in range(pieces):
            parser.feed(piece)
            assert parser.next_request() is None
        _, peak_bytes = tracemalloc.get_traced_memory()
        assert peak_bytes < total // 100
        tracemalloc.reset_peak()
        parser.feed(b"\r\n")
        request = parser.next_request()
        _, peak_bytes = tracemalloc.get_traced_memory()
        assert peak_bytes < total * 1.01
    finally:
        tracemalloc.stop()
    assert request == [b"SET", bytes(total)]


def test_a_long_argument_that_trickles_in_does_not_take_many_times_its_size() -> None:
    parser = RequestParser(MAX_BULK_BYTES)
    parser.feed(b"*1\r\n$1000000\r\n")
    assert parser.next_request() is None
    tracemalloc.start()
    try:
        for _ in range(100_000):
            parser.feed(b"abc")
        current_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert current_bytes < 2 * 300_000


def test_pending_bytes_are_what_is_held() -> None:
    parser = RequestParser(MAX_BULK_BYTES)
    parser.feed(multibulk(b"PING") + b"*3\r\n$3\r\nSE")
    assert parser.next_request() == [b"PING"]
    assert parser.next_request() is None
    assert parser.pending_bytes() == len(b"SE")
    parser.feed(b"T\r\n$3\r\nkey\r\n")
    assert parser.next_request() is None
    assert parser.pending_bytes() == len(b"SETkey")
    parser.feed(b"$50000\r\n" + bytes(20_000))
    assert parser.next_request() is None
    assert parser.pending_bytes() == len(b"SETkey") + 20_000
    parser.feed(bytes(30_000) + b"\r\n")
    assert parser.pending_bytes() == len(b"SETkey") + 50_000
    assert parser.next_request() == [b"SET", b"key", bytes(50_000)]
    assert parser.pending_bytes() == 0


def test_a_read_that_was_parsed_is_let_go() -> None:
    parser = RequestParser(MAX_BULK_BYTES)
    request = multibulk(b"PING")
    tracemalloc.start()
    try:
        parser.feed(request * 10_000 + request[:5])
        while parser.next_request() is not None:
            pass
        current_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert current_bytes < 2000
    parser.feed(request[5:])
    assert parser.next_request() == [b"PING"]


MULTIBULK_LENGTH = b"ERR Protocol error: invalid multibulk length"
BULK_LENGTH = b"ERR Protocol error: invalid bulk length"


@pytest.mark.parametrize(
    ("stream", "reply"),
    [
        (b"*\r\n", MULTIBULK_LENGTH),
        (b"*abc\r\n", MULTIBULK_LENGTH),
        (b"* 1\r\n", MULTIBULK_LENGTH),
        (b"*1 \r\n", MULTIBULK_LENGTH),
        (b"*+1\r\n", MULTIBULK_LENGTH),
        (b"*01\r\n", MULTIBULK_LENGTH),
        (b"*-0\r\n", MULTIBULK_LENGTH),
        (b"*-\r\n", MULTIBULK_LENGTH),
        (b"*2147483648\r\n", MULTIBULK_LENGTH),
        (b"*99999999999999999999\r\n", MULTIBULK_LENGTH),
        (b"*-9223372036854775809\r\n", MULTIBULK_LENGTH),
        (b"*1\r\n$\r\n", BULK_LENGTH),
        (b"*1\r\n$-1\r\n", BULK_LENGTH),
        (b"*1\r\n$+4\r\n", BULK_LENGTH),
        (b"*1\r\n$04\r\n", BULK_LENGTH),
        (b"*1\r\n$00\r\n", BULK_LENGTH),
        (b"*1\r\n$4x\r\n", BULK_LENGTH),
        (b"*1\r\n$x\r\n", BULK_LENGTH),
        (b"*1\r\n$536870913\r\n", BULK_LENGTH),
        (b"*1\r\n$9999999999999999999\r\n", BULK_LENGTH),
        (b"*1\r\n$18446744073709551620\r\n", BULK_LENGTH),
        (b"*2\r\n$4\r\nECHO\r\n$-1\r\n", BULK_LENGTH),
        (b"*1\r\nPING\r\n", b"ERR Protocol error: expected '$', got 'P'"),
        (b"*1\r\n:3\r\n", b"ERR Protocol error: expected '$', got ':'"),
        (b"*1\r\n\xff\r\n", b"ERR Protocol error: expected '$', got '\xff'"),
        (b"*1\r\n\0\r\n", b"ERR Protocol error: expected '$', got '\0'"),
        (b"*2\r\n$4\r\nECHO\r\n*1\r\n", b"ERR Protocol error: expected '$', got '*'"),
        (b'SET a "x\r\n', b"ERR Protocol error: unbalanced quotes in request"),
        (b"SET a 'x\r\n", b"ERR Protocol error: unbalanced quotes in request"),
        (b'ECHO "a"b\r\n', b"ERR Protocol error: unbalanced quotes in request"),
        (b"A" * JUST_TOO_LONG, b"ERR Protocol error: too big inline request"),
        (b"A" * JUST_TOO_LONG + b"\r\n", b"ERR Protocol error: too big inline request"),
        (b"*" + b"1" * INLINE_MAX_BYTES, b"ERR Protocol error: too big mbulk count string"),
        (b"*1\r\n$" + b"1" * INLINE_MAX_BYTES, b"ERR Protocol error: too big bulk count string"),
    ],
)
def test_what_is_not_the_protocol_is_refused_with_the_text_of_redis(
    stream: bytes, reply: bytes
) -> None:
    assert refusal(stream) == reply
    assert refusal(multibulk(b"PING") + stream) == reply
    step = 1 if len(stream) < 100 else 1000
    assert refusal(*cut(stream, list(range(step, len(stream), step)))) == reply


@pytest.mark.parametrize(
    "stream",
    [
        b"A" * INLINE_MAX_BYTES,
        b"*" + b"1" * (INLINE_MAX_BYTES - 1),
        b"*1\r\n$" + b"1" * (INLINE_MAX_BYTES - 1),
        b"*2147483647\r\n",
        b"*1\r\n$536870912\r\n",
        b"*1\r",
        b"*1\r\n$1\r",
    ],
)
def test_what_may_still_become_a_request_is_waited_for(stream: bytes) -> None:
    assert parse(stream) == []


def test_requests_before_the_mistake_are_still_carried_out() -> None:
    parser = RequestParser(MAX_BULK_BYTES)
    parser.feed(multibulk(b"PING") + b"*x\r\n")
    assert parser.next_request() == [b"PING"]
    with pytest.raises(ProtocolError):
        parser.next_request()


@pytest.mark.parametrize(
    "header", [b"*0", b"*-1", b"*-9999999999", b"*-2147483649", b"*-9223372036854775808"]
)
def test_a_request_of_no_or_fewer_arguments_is_empty(header: bytes) -> None:
    assert parse(header + b"\r\n" + multibulk(b"PING")) == [[], [b"PING"]]


@pytest.mark.parametrize("line", [b"\r\n", b"\n", b"   \r\n", b"\t\n", b"\0\r\n"])
def test_a_line_without_words_is_an_empty_request(line: bytes) -> None:
    assert parse(line + b"PING\r\n") == [[], [b"PING"]]


def test_arguments_may_hold_any_byte() -> None:
    every_byte = bytes(range(256))
    assert parse(multibulk(every_byte, b"\r\n", b"\0")) == [[every_byte, b"\r\n", b"\0"]]


def test_the_longest_argument_is_a_setting() -> None:
    assert parse(multibulk(b"x" * 10), max_bulk_bytes=10) == [[b"x" * 10]]
    with pytest.raises(ProtocolError, match="invalid bulk length"):
        parse(multibulk(b"x" * 11), max_bulk_bytes=10)


def test_a_client_that_has_not_authenticated_may_send_little() -> None:
    few = UNAUTHENTICATED_MAX_ARGUMENTS
    small = UNAUTHENTICATED_MAX_BULK_BYTES
    within = [b"x" * small] * few
    assert parse(multibulk(*within), trusted=False) == [within]
    assert (
        refusal(b"*%d\r\n" % (few + 1), trusted=False)
        == b"ERR Protocol error: unauthenticated multibulk length"
    )
    assert (
        refusal(b"*1\r\n$%d\r\n" % (small + 1), trusted=False)
        == b"ERR Protocol error: unauthenticated bulk length"
    )
    # What nobody may send is refused in the same words for all.
    assert refusal(b"*2147483648\r\n", trusted=False) == MULTIBULK_LENGTH
    assert refusal(b"*1\r\n$536870913\r\n", trusted=False) == BULK_LENGTH


def test_the_small_limits_end_with_the_authentication() -> None:
    parser = RequestParser(MAX_BULK_BYTES, trusted=False)
    parser.feed(multibulk(b"AUTH", b"secret") + multibulk(*[b"x"] * 11))
    assert parser.next_request() == [b"AUTH", b"secret"]
    parser.trusted = True
    assert parser.next_request() == [b"x"] * 11
