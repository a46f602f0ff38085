"""Inline commands: the words of a typed line. The expectations are redis-server 7.0's answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dscache.wire.inline import split_inline


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"", []),
        (b"  \t ", []),
        (b"GET key", [b"GET", b"key"]),
        (b"  GET \t  key  ", [b"GET", b"key"]),
        (b"\"GET\" 'key'", [b"GET", b"key"]),
        (b'ECHO ""', [b"ECHO", b""]),
        (b"ECHO ''", [b"ECHO", b""]),
        (b'ECHO "a b"', [b"ECHO", b"a b"]),
        (b'ECHO a"b c"', [b"ECHO", b"ab c"]),
        (b"ECHO a'b c'", [b"ECHO", b"ab c"]),
        (b'ECHO "\\n\\r\\t\\b\\a"', [b"ECHO", b"\n\r\t\b\a"]),
        (b'ECHO "\\x41\\xfF"', [b"ECHO", b"A\xff"]),
        (b'ECHO "\\xzz\\x4"', [b"ECHO", b"xzzx4"]),
        (b'ECHO "\\"\\\\\\q"', [b"ECHO", b'"\\q']),
        (b"ECHO 'it\\'s \\n'", [b"ECHO", b"it's \\n"]),
        (b"ECHO '\"' \"'\"", [b"ECHO", b'"', b"'"]),
        # Outside of quotes a backslash is a character.
        (b"ECHO a\\nb", [b"ECHO", b"a\\nb"]),
        # A carriage return in the middle is a space.
        (b"PI\rNG", [b"PI", b"NG"]),
        # Vertical tabs and form feeds are skipped between words but do not end one ...
        (b"ECHO a\vb\fc", [b"ECHO", b"a\vb\fc"]),
        (b"\vECHO \f a\v", [b"ECHO", b"a\v"]),
        # ... unless it was quoted.
        (b'ECHO "a"\vb', [b"ECHO", b"a", b"b"]),
        # Redis never answers a line with a NUL in it; here it is a space.
        (b"PING\0", [b"PING"]),
        (b"ECHO\0a", [b"ECHO", b"a"]),
        (b'ECHO "a\0b"', [b"ECHO", b"a\0b"]),
        # Bytes beyond ASCII, spaces of other alphabets included, are characters.
        (b"ECHO \xff\xa0\x85b", [b"ECHO", b"\xff\xa0\x85b"]),
    ],
)
def test_words_are_those_of_redis(line: bytes, words: list[bytes]) -> None:
    assert split_inline(line) == words


@pytest.mark.parametrize(
    "line",
    [b'"', b"'", b'SET a "b', b"SET a 'b", b'"a"b', b"'a'b", b"\"a\"'b'", b'"\\', b'"\\"', b"'\\'"],
)
def test_quotes_that_do_not_balance_are_told_apart(line: bytes) -> None:
    assert split_inline(line) is None


@given(st.lists(st.binary(max_size=20)))
def test_any_words_come_back_from_quotes(words: list[bytes]) -> None:
    double = b" ".join(b'"' + b"".join(b"\\x%02x" % byte for byte in word) + b'"' for word in words)
    assert split_inline(double) == words
    single = b" ".join(b"'" + word.replace(b"'", b"\\'") + b"'" for word in words)
    # In single quotes a backslash before the closing quote cannot be written.
    if not any(b"\\" in word for word in words):
        assert split_inline(single) == words


@given(st.binary(max_size=40))
def test_no_line_makes_it_fail(line: bytes) -> None:
    words = split_inline(line)
    assert words is None or all(isinstance(word, bytes) for word in words)
