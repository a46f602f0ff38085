"""How replies look: for people as in redis-cli, for programs raw or as JSON."""

from __future__ import annotations

import json

import pytest

from dscache.cli.rendering import as_json, formatted, raw, renderer_for
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


@pytest.mark.parametrize(
    ("reply", "for_people", "for_programs", "in_json"),
    [
        (Status(b"OK"), "OK", "OK", '"OK"'),
        (ErrorReply(b"ERR no"), "(error) ERR no", "ERR no", '{"error": "ERR no"}'),
        (7, "(integer) 7", "7", "7"),
        (None, "(nil)", "", "null"),
        (True, "(true)", "(true)", "true"),
        (DoubleText(b"2.5"), "(double) 2.5", "2.5", "2.5"),
        (DoubleText(b"inf"), "(double) inf", "inf", '"inf"'),
        (BigNumber(b"1" * 20), "1" * 20, "1" * 20, "1" * 20),
        (b'a"\n', '"a\\"\\n"', 'a"\n', '"a\\"\\n"'),
        (Verbatim(b"two\nlines"), "two\nlines", "two\nlines", '"two\\nlines"'),
        ([], "(empty array)", "", "[]"),
        (SetReply([]), "(empty set)", "", "[]"),
        (MapReply([]), "(empty hash)", "", "{}"),
        (Push([b"invalidate", None]), '1) "invalidate"\n2) (nil)', "invalidate\n", '["invalidate", null]'),
        (SetReply([b"a", 1]), '1~ "a"\n2~ (integer) 1', "a\n1", '["a", 1]'),
        (
            MapReply([(b"k", b"v"), (1, None)]),
            '1# "k" => "v"\n2# (integer) 1 => (nil)', "k v\n1 ", '{"k": "v", "1": null}',
        ),
        (Attributed([(b"ttl", 1)], b"v"), '"v"', "v", '"v"'),
    ],
)  # fmt: skip
def test_a_reply_in_all_forms(
    reply: object, for_people: str, for_programs: str, in_json: str
) -> None:
    assert formatted(reply).decode() == for_people
    assert raw(reply).decode() == for_programs
    assert as_json(reply).decode() == in_json
    json.loads(as_json(reply))


def test_members_are_numbered_in_columns_and_nested_ones_indented() -> None:
    reply = [[b"1-1", [b"a", b"b"]], *range(2, 11)]
    lines = formatted(reply).decode().split("\n")
    assert lines[:4] == [
        "1".rjust(2) + ') 1) "1-1"',
        '    2) 1) "a"',
        '       2) "b"',
        " 2) (integer) 2",
    ]
    assert lines[-1] == "10) (integer) 10"


def test_a_value_of_several_lines_begins_below_its_key() -> None:
    reply = MapReply([(b"k", [1, 2]), (b"l", [1])])
    assert formatted(reply).decode().split("\n") == [
        '1# "k" => ',
        "   1) (integer) 1",
        "   2) (integer) 2",
        '2# "l" => 1) (integer) 1',
    ]


def test_bytes_that_are_no_text_are_passed_on_in_raw_and_in_json() -> None:
    assert raw(b"\xff\x00") == b"\xff\x00"
    assert as_json(b"\xff") == b'"\xff"'
    assert formatted(b"\xff\x00") == b'"\\xff\\x00"'


@pytest.mark.parametrize("words", [[b"INFO"], [b"info", b"server"], [b"client", b"LIST"]])
def test_what_is_text_for_people_is_shown_to_them_as_it_is(words: list[bytes]) -> None:
    assert renderer_for(words, formatted) is raw
    assert renderer_for(words, as_json) is as_json
    assert renderer_for([b"get", b"info"], formatted) is formatted
