"""Glob patterns: Redis's semantics, corners included."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dscache.engine.glob import compile_glob


def matches(pattern: bytes, text: bytes, ignore_case: bool = False) -> bool:
    return compile_glob(pattern, ignore_case).fullmatch(text) is not None


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        (b"", [b""], [b"a"]),
        (b"*", [b"a", b"\n", b"abc"], [b""]),
        (b"**", [b"a"], [b""]),
        (b"a*", [b"a", b"ab", b"a\n\0\xff"], [b"", b"ba"]),
        (b"*a", [b"a", b"aa", b"ba"], [b"ab"]),
        (b"a***b", [b"ab", b"axxb", b"abb"], [b"a", b"abx"]),
        (b"a*b*a", [b"aba", b"abba", b"axbya"], [b"ab", b"aa", b"aba."]),
        (b"*ab*ab*", [b"abab", b"xabyabz"], [b"aab", b"ab"]),
        (b"?", [b"a", b"\n", b"\xff"], [b"", b"ab"]),
        (b"*?", [b"a", b"ab"], [b""]),
        (b"?*?", [b"ab", b"abc"], [b"a"]),
        (b"h[ae]llo", [b"hallo", b"hello"], [b"hillo", b"hllo"]),
        (b"[^a]", [b"b", b"^", b"\n"], [b"a", b""]),
        (b"[a-c]x", [b"ax", b"bx", b"cx"], [b"dx", b"-x"]),
        (b"[c-a]", [b"a", b"b", b"c"], [b"d", b"-"]),
        (b"[^a-c]", [b"d", b"-"], [b"b"]),
        (b"[a-cx-z]", [b"b", b"y"], [b"m"]),
        (b"[-a]", [b"-", b"a"], [b"b"]),
        (b"[a^]", [b"a", b"^"], [b"b"]),
        (b"[.+*?]", [b".", b"*", b"?"], [b"a"]),
        # A range may end with the bracket, and the class goes on.
        (b"[a-]", [b"a", b"]", b"^", b"_"], [b"-", b"b"]),
        (b"[a-]b]", [b"]", b"a", b"b"], [b"-", b"b]"]),
        # Nothing closes the class.
        (b"[ab", [b"a", b"b"], [b"[", b"ab"]),
        (b"[", [], [b"", b"[", b"a"]),
        (b"[^", [b"a", b"^"], [b"", b"ab"]),
        (b"x[^", [b"xa"], [b"x"]),
        # The closing bracket always closes.
        (b"[]", [], [b"", b"]", b"a"]),
        (b"[]a]", [], [b"a", b"]", b"a]", b"]a]"]),
        (b"[^]a]", [b"xa]"], [b"x", b"a"]),
        # Backslashes.
        (b"\\*", [b"*"], [b"a", b"\\*"]),
        (b"a\\?c", [b"a?c"], [b"abc"]),
        (b"\\a", [b"a"], [b"\\a"]),
        (b"\\\\", [b"\\"], [b"\\\\"]),
        (b"a\\", [b"a\\"], [b"a"]),
        (b"[\\]]", [b"]"], [b"\\", b"a"]),
        (b"[\\a-c]", [b"a", b"-", b"c"], [b"b", b"\\"]),
        (b"[a-\\]]", [b"a]", b"\\]"], [b"a", b"]"]),
        (b"[\\", [b"\\"], [b"["]),
        # What means something to regular expressions only.
        (b"a.c", [b"a.c"], [b"abc"]),
        (b"(a|b)+$", [b"(a|b)+$"], [b"a"]),
        (b"{a,b}", [b"{a,b}"], [b"a"]),
        (b"[[:digit:]]", [b":]", b"d]", b"[]"], [b"1", b"d"]),
        (b"\\d", [b"d"], [b"1"]),
        # Bytes are what C calls char on x86: from -128 to 127.
        (b"[\x00-\xff]", [b"\x00", b"\xff"], [b"a", b"\x80"]),
        (b"[\x80-\xff]", [b"\x80", b"\xc3", b"\xff"], [b"a"]),
        ("é*".encode(), ["été".replace("t", "").encode(), "éa".encode()], [b"\xc3"]),
    ],
)
def test_a_pattern_matches_what_it_does_in_redis(
    pattern: bytes, matching: list[bytes], others: list[bytes]
) -> None:
    for text in matching:
        assert matches(pattern, text), text
    for text in others:
        assert not matches(pattern, text), text


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        (b"aB*", [b"ab", b"AB", b"Abc"], [b"b"]),
        (b"[aB]", [b"a", b"A", b"b", b"B"], [b"c"]),
        (b"[a-c]", [b"B", b"b"], [b"D"]),
        (b"[A-C]", [b"B", b"b"], [b"D"]),
        (b"[^a-c]", [b"D", b"1"], [b"B"]),
        # The ends change places before they become lower-case.
        (b"[Z-a]", [], [b"Z", b"a", b"m", b"_"]),
        (b"[A-_]", [], [b"A", b"a", b"_"]),
        # A range from below the letters reaches up to the lower-case ones.
        (b"[@-B]", [b"@", b"A", b"a", b"b", b"_"], [b"c", b"C"]),
        # Behind a backslash, in a class, case matters.
        (b"[\\a]", [b"a"], [b"A"]),
        (b"\\a", [b"a", b"A"], [b"b"]),
        ("é".encode(), ["é".encode()], ["É".encode()]),
    ],
)
def test_case_is_ignored_as_redis_does(
    pattern: bytes, matching: list[bytes], others: list[bytes]
) -> None:
    for text in matching:
        assert matches(pattern, text, ignore_case=True), text
    for text in others:
        assert not matches(pattern, text, ignore_case=True), text


def simple_match(pattern: bytes, text: bytes) -> bool:
    """Patterns of ``*``, ``?`` and letters, tried in every way there is."""
    if not pattern:
        return not text
    if pattern[:1] == b"*":
        rest = pattern.lstrip(b"*")
        return any(simple_match(rest, text[start:]) for start in range(len(text) + 1))
    if not text:
        return False
    return pattern[:1] in (b"?", text[:1]) and simple_match(pattern[1:], text[1:])


@given(
    st.text("ab*?", max_size=12).map(str.encode),
    st.text("ab", min_size=1, max_size=12).map(str.encode),
)
def test_stars_match_whatever_trying_everything_would_find(pattern: bytes, text: bytes) -> None:
    assert matches(pattern, text) == simple_match(pattern, text)


@given(st.binary(max_size=20), st.booleans())
def test_an_escaped_text_matches_itself_only(text: bytes, ignore_case: bool) -> None:
    pattern = b"".join(b"\\" + bytes((byte,)) for byte in text)
    assert matches(pattern, text, ignore_case)
    assert not matches(pattern, text + b"x", ignore_case)


@given(st.binary(max_size=30), st.binary(max_size=10), st.booleans())
def test_any_bytes_are_a_pattern(pattern: bytes, text: bytes, ignore_case: bool) -> None:
    matches(pattern, text, ignore_case)


@pytest.mark.parametrize("pattern", [b"*a" * 20 + b"b", b"*?a" * 300 + b"b", b"*aaaaaaaab*"])
def test_no_pattern_takes_exponential_time(pattern: bytes) -> None:
    assert not matches(pattern, b"a" * 3000)


def test_patterns_of_more_than_a_thousand_stars_match_nothing() -> None:
    assert matches(b"*a" * 1000, b"a" * 1000)
    assert matches(b"*a" * 1000 + b"*", b"a" * 1001)
    assert not matches(b"*a" * 1001, b"a" * 1001)
    assert not matches(b"*?" * 50_000, b"a" * 50_000)


def test_only_short_patterns_are_remembered() -> None:
    assert compile_glob(b"a*b") is compile_glob(b"a*b")
    long = b"(x[ab]" * 100
    assert matches(long, b"(xa" * 100)
