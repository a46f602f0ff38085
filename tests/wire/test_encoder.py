"""Replies: every Python value that a handler may return, in RESP2 and RESP3."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dscache.wire.encoder import ReplyWriter, encoded_message, format_double
from dscache.wire.reply import (
    NO_REPLY,
    NULL_ARRAY,
    OK,
    Attributed,
    ErrorReply,
    Grouped,
    Pairs,
    Push,
    Several,
    Status,
    Verbatim,
)


def encode(value: object, resp: int) -> bytes:
    """One reply as a client of that protocol gets it."""
    writer = ReplyWriter()
    writer.resp = resp
    writer.write(value)
    return writer.take()


@pytest.mark.parametrize(
    ("value", "resp2", "resp3"),
    [
        (b"", b"$0\r\n\r\n", b"$0\r\n\r\n"),
        (b"a\r\nb", b"$4\r\na\r\nb\r\n", b"$4\r\na\r\nb\r\n"),
        ("é", b"$2\r\n\xc3\xa9\r\n", b"$2\r\n\xc3\xa9\r\n"),
        (0, b":0\r\n", b":0\r\n"),
        (1023, b":1023\r\n", b":1023\r\n"),
        (1024, b":1024\r\n", b":1024\r\n"),
        (-1, b":-1\r\n", b":-1\r\n"),
        (2**63 - 1, b":9223372036854775807\r\n", b":9223372036854775807\r\n"),
        (-(2**63), b":-9223372036854775808\r\n", b":-9223372036854775808\r\n"),
        (True, b":1\r\n", b"#t\r\n"),
        (False, b":0\r\n", b"#f\r\n"),
        (1.5, b"$3\r\n1.5\r\n", b",1.5\r\n"),
        (3.0, b"$1\r\n3\r\n", b",3\r\n"),
        (math.inf, b"$3\r\ninf\r\n", b",inf\r\n"),
        (-math.inf, b"$4\r\n-inf\r\n", b",-inf\r\n"),
        (math.nan, b"$3\r\nnan\r\n", b",nan\r\n"),
        (None, b"$-1\r\n", b"_\r\n"),
        (NULL_ARRAY, b"*-1\r\n", b"_\r\n"),
        ([], b"*0\r\n", b"*0\r\n"),
        ([b"a", 1], b"*2\r\n$1\r\na\r\n:1\r\n", b"*2\r\n$1\r\na\r\n:1\r\n"),
        ((b"a", 1), b"*2\r\n$1\r\na\r\n:1\r\n", b"*2\r\n$1\r\na\r\n:1\r\n"),
        ({}, b"*0\r\n", b"%0\r\n"),
        ({b"a": 1}, b"*2\r\n$1\r\na\r\n:1\r\n", b"%1\r\n$1\r\na\r\n:1\r\n"),
        ({b"a"}, b"*1\r\n$1\r\na\r\n", b"~1\r\n$1\r\na\r\n"),
        (Pairs([(b"a", 1)]), b"*2\r\n$1\r\na\r\n:1\r\n", b"*1\r\n*2\r\n$1\r\na\r\n:1\r\n"),
        (Grouped([(b"a", 1)]), b"*1\r\n*2\r\n$1\r\na\r\n:1\r\n", b"%1\r\n$1\r\na\r\n:1\r\n"),
        (frozenset({b"a"}), b"*1\r\n$1\r\na\r\n", b"~1\r\n$1\r\na\r\n"),
        (OK, b"+OK\r\n", b"+OK\r\n"),
        (Status(b"Background saving started"), *[b"+Background saving started\r\n"] * 2),
        (ErrorReply(b"ERR no"), b"-ERR no\r\n", b"-ERR no\r\n"),
        (Verbatim(b"a:1\r\n"), b"$5\r\na:1\r\n\r\n", b"=9\r\ntxt:a:1\r\n\r\n"),
        (Attributed([(b"k", 1)], [2]), b"*1\r\n:2\r\n", b"|1\r\n$1\r\nk\r\n:1\r\n*1\r\n:2\r\n"),
        (Verbatim(b"# a", b"mkd"), b"$3\r\n# a\r\n", b"=7\r\nmkd:# a\r\n"),
        (Push([b"message", 1]), *[b"%c2\r\n$7\r\nmessage\r\n:1\r\n" % kind for kind in b"*>"]),
        (
            encoded_message([b"message", b"c", b""]),
            *[b"%c3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$0\r\n\r\n" % kind for kind in b"*>"],
        ),
        (
            Several([Push([b"a"]), Push([None])]),
            b"*1\r\n$1\r\na\r\n*1\r\n$-1\r\n",
            b">1\r\n$1\r\na\r\n>1\r\n_\r\n",
        ),
        (NO_REPLY, b"", b""),
        (
            [None, NULL_ARRAY, True, 0.5, {b"k": [{b"s"}, None]}],
            (
                b"*5\r\n$-1\r\n*-1\r\n:1\r\n$3\r\n0.5\r\n"
                b"*2\r\n$1\r\nk\r\n*2\r\n*1\r\n$1\r\ns\r\n$-1\r\n"
            ),
            b"*5\r\n_\r\n_\r\n#t\r\n,0.5\r\n%1\r\n$1\r\nk\r\n*2\r\n~1\r\n$1\r\ns\r\n_\r\n",
        ),
    ],
)
def test_every_value_has_its_form_in_both_protocols(
    value: object, resp2: bytes, resp3: bytes
) -> None:
    assert encode(value, 2) == resp2
    assert encode(value, 3) == resp3


@pytest.mark.parametrize("resp", [2, 3])
def test_a_line_break_cannot_end_an_error_line_early(resp: int) -> None:
    assert encode(ErrorReply(b"ERR a\r\n+OK\nb"), resp) == b"-ERR a  +OK b\r\n"


@pytest.mark.parametrize("length", [1023, 1024, 16 * 1024 - 1, 16 * 1024, 100_000])
def test_strings_of_any_length_come_whole_and_in_their_place(length: int) -> None:
    writer = ReplyWriter()
    value = bytes(i % 251 for i in range(length))
    expected = b""
    for reply in (1, value, OK, [value, value], 2):
        writer.write(reply)
    bulk = b"$%d\r\n%s\r\n" % (length, value)
    expected = b":1\r\n" + bulk + b"+OK\r\n*2\r\n" + bulk + bulk + b":2\r\n"
    assert writer.size() == len(expected)
    assert writer.take() == expected


def test_what_was_taken_is_gone() -> None:
    writer = ReplyWriter()
    assert (writer.size(), writer.take()) == (0, b"")
    writer.write(bytes(20_000))
    writer.take()
    assert (writer.size(), writer.take()) == (0, b"")
    writer.write(OK)
    assert writer.take() == b"+OK\r\n"


def test_the_protocol_may_change_between_two_replies() -> None:
    writer = ReplyWriter()
    writer.write(None)
    writer.resp = 3
    writer.write(None)
    assert writer.take() == b"$-1\r\n_\r\n"


class Decoder:
    """Reads what a client would; sets become frozensets, maps lists of pairs."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def finished(self) -> bool:
        return self._at == len(self._data)

    def _line(self) -> bytes:
        end = self._data.index(b"\r\n", self._at)
        line = self._data[self._at : end]
        self._at = end + 2
        return line

    def _exactly(self, length: int) -> bytes:
        value = self._data[self._at : self._at + length]
        assert len(value) == length
        assert self._data[self._at + length : self._at + length + 2] == b"\r\n"
        self._at += length + 2
        return value

    def _items(self, count: int) -> list[object]:
        return [self.value() for _ in range(count)]

    def value(self) -> object:
        line = self._line()
        kind, rest = line[:1], line[1:]
        match kind:
            case b"$":
                return None if rest == b"-1" else self._exactly(int(rest))
            case b"=":
                return ("verbatim", self._exactly(int(rest)))
            case b"+" | b"-":
                return (kind.decode(), rest)
            case b":":
                return int(rest)
            case b",":
                return float(rest)
            case b"#":
                return {b"t": True, b"f": False}[rest]
            case b"_":
                return None
            case b"*":
                return None if rest == b"-1" else self._items(int(rest))
            case b">":
                return ("push", self._items(int(rest)))
            case b"~":
                return ("set", frozenset(map(repr, self._items(int(rest)))))
            case b"%":
                flat = self._items(2 * int(rest))
                return ("map", list(zip(flat[::2], flat[1::2], strict=True)))
            case _:
                raise AssertionError(line)


def as_decoded(value: object) -> object:
    """What the decoder answers for a value that was written in RESP3."""
    match value:
        case str():
            return value.encode()
        case list() | tuple():
            return [as_decoded(item) for item in value]
        case dict():
            return ("map", [(as_decoded(key), as_decoded(item)) for key, item in value.items()])
        case set() | frozenset():
            return ("set", frozenset(repr(as_decoded(item)) for item in value))
        case _:
            return value


strings = st.binary(max_size=30) | st.integers(16_000, 17_000).map(bytes)
scalars = (
    strings
    | st.text(max_size=10)
    | st.integers(-(2**63), 2**63 - 1)
    | st.booleans()
    | st.none()
    | st.floats(allow_nan=False)
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.binary(max_size=5), inner, max_size=3)
        | st.frozensets(st.binary(max_size=5), max_size=3)
    ),
    max_leaves=12,
)


@given(st.lists(values, max_size=4))
def test_a_resp3_client_gets_back_the_values_that_were_written(batch: list[object]) -> None:
    writer = ReplyWriter()
    writer.resp = 3
    for value in batch:
        writer.write(value)
    size = writer.size()
    data = writer.take()
    assert size == len(data)
    decoder = Decoder(data)
    # repr tells 1 from True and 0.0 from -0.0.
    decoded = [decoder.value() for _ in batch]
    assert repr(decoded) == repr([as_decoded(value) for value in batch])
    assert decoder.finished()


@given(st.lists(values, max_size=4))
def test_a_resp2_client_can_read_every_value(batch: list[object]) -> None:
    decoder = Decoder(b"".join(encode(value, 2) for value in batch))
    for _ in batch:
        decoder.value()
    assert decoder.finished()


# Answers of valkey-server 9.1 to ZSCORE in RESP3; Redis 7.4 has the same code.
@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, b"0"),
        (-0.0, b"-0"),
        (1.5, b"1.5"),
        (-17.0, b"-17"),
        (0.1 + 0.2, b"0.30000000000000004"),
        (1 / 3, b"0.3333333333333333"),
        (1e15 + 0.5, b"1000000000000000.5"),
        (10928588.983213553, b"1.0928588983213553e+7"),
        (-58361.878085002165, b"-5.8361878085002165e+4"),
        (8361.878085002165, b"8361.878085002165"),
        (0.0012345678, b"0.0012345678"),
        (-0.00015833272243442515, b"-1.5833272243442515e-4"),
        (1e-5, b"0.00001"),
        (1e-6, b"0.000001"),
        (1e-7, b"1e-7"),
        (1.5e-7, b"1.5e-7"),
        (1.234e-5, b"1.234e-5"),
        (1e17, b"100000000000000000"),
        (226797932753915008.0, b"226797932753915008"),
        (2.0**62, b"4611686018427387904"),
        (-(2.0**62), b"-4611686018427387904"),
        (4.61168647959599e18, b"4611686479595990000"),
        (2.0**63, b"9223372036854776000"),
        (1e20, b"1e+20"),
        (1e19, b"1e+19"),
        (1e21, b"1e+21"),
        (3.4733116585742733e21, b"3473311658574273300000"),
        (5e-324, b"5e-324"),
        (1.7976931348623157e308, b"1.7976931348623157e+308"),
    ],
)
def test_doubles_look_as_in_redis(value: float, text: bytes) -> None:
    assert format_double(value) == text


@given(st.floats(allow_nan=False))
@example(2.0**62 + 1024)
@example(9.999999999999999e22)
@example(1e23)
def test_any_double_reads_back_the_same(value: float) -> None:
    assert struct.pack("d", float(format_double(value))) == struct.pack("d", value)
