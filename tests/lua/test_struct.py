"""struct: every format letter, alignment and order of bytes, and the checks of sizes.

The tables say what Redis 7.4.1 answered to the same expressions, through redis-cli.
"""

from __future__ import annotations

import struct
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts import Scripts

STRUCTURES: Final = [
    ('struct.pack("bBhH", -1, 255, -2, 65535)', r'"\255\255\254\255\255\255"'),
    ('struct.pack("<i", 1)', r'"\1\0\0\0"'),
    ('struct.pack(">i", 1)', r'"\0\0\0\1"'),
    ('struct.pack("i3", -2)', r'"\254\255\255"'),
    ('struct.pack(">I5", 2^39)', r'"\128\0\0\0\0"'),
    ('struct.pack("l", -1)', r'"\255\255\255\255\255\255\255\255"'),
    ('struct.pack("L", 2^63)', r'"\0\0\0\0\0\0\0\128"'),
    ('struct.pack("T", 1)', r'"\1\0\0\0\0\0\0\0"'),
    ('struct.pack("L", 2^64)', r'"\0\0\0\0\0\0\0\0"'),
    ('struct.pack("l", 1e300)', r'"\0\0\0\0\0\0\0\0"'),
    ('struct.pack("L", -1.9)', r'"\255\255\255\255\255\255\255\255"'),
    ('struct.pack("i", 0/0)', r'"\0\0\0\0"'),
    ('struct.pack("i16", -1)', r'"\255\255\255\255\255\255\255\255\0\0\0\0\0\0\0\0"'),
    ('struct.pack(">I16", 258)', r'"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\2"'),
    ('struct.pack("i0", 7)', '""'),
    ('struct.pack("f", 1.5)', r'"\0\0\192?"'),
    ('struct.pack(">f", 0.1)', r'"=\204\204\205"'),
    ('struct.pack("d", 0.1)', r'"\154\153\153\153\153\153\185?"'),
    ('struct.pack(">d", -0.1)', r'"\191\185\153\153\153\153\153\154"'),
    ('struct.pack("f", 1e39)', r'"\0\0\128\127"'),
    ('struct.pack("f", 1e-46)', r'"\0\0\0\0"'),
    ('struct.pack("d", 0/0)', r'"\0\0\0\0\0\0\248\255"'),
    ('struct.pack("xb", 1)', r'"\0\1"'),
    ('struct.pack("c3", "abcdef")', '"abc"'),
    ('struct.pack("c", "abc")', '"a"'),
    ('struct.pack("c0", "abc")', '"abc"'),
    ('struct.pack("s", "abc")', r'"abc\0"'),
    ('struct.pack("ss", "a", "b")', r'"a\0b\0"'),
    (
        'struct.pack("c3", "ab")',
        "error: user_script:1: bad argument #3 to 'pack' (string too short)",
    ),
    ('struct.pack("!bi", 1, 2)', r'"\1\0\0\0\2\0\0\0"'),
    ('struct.pack("!4bd", 1, 2)', r'"\1\0\0\0\0\0\0\0\0\0\0@"'),
    ('struct.pack("!8bd", 1, 2)', r'"\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0@"'),
    ('struct.pack("!bi3b", 1, 2, 3)', r'"\1\0\0\2\0\0\3"'),
    (
        'struct.pack("!32bi32", 1, 2)',
        r'"\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"',
    ),
    ('struct.pack("b!2h b", 1, 2, 3)', r'"\1\0\2\0\3"'),
    ('struct.pack("i", "12")', r'"\12\0\0\0"'),
    ('struct.pack("s", 12)', r'"12\0"'),
    (
        'struct.pack("i")',
        "error: user_script:1: bad argument #2 to 'pack' (number expected, got nil)",
    ),
    (
        'struct.pack("bi", 1)',
        "error: user_script:1: bad argument #3 to 'pack' (number expected, got nil)",
    ),
    (
        'struct.pack("i", "x")',
        "error: user_script:1: bad argument #2 to 'pack' (number expected, got string)",
    ),
    (
        'struct.pack("i", nil)',
        "error: user_script:1: bad argument #2 to 'pack' (number expected, got nil)",
    ),
    (
        'struct.pack("s", {})',
        "error: user_script:1: bad argument #2 to 'pack' (string expected, got table)",
    ),
    (
        'struct.pack("z")',
        "error: user_script:1: bad argument #1 to 'pack' (invalid format option 'z')",
    ),
    (
        'struct.pack("%")',
        "error: user_script:1: bad argument #1 to 'pack' (invalid format option '%')",
    ),
    ('struct.pack("!3b", 1)', "error: user_script:1: alignment 3 is not a power of 2"),
    ('struct.pack("!0b", 1)', "error: user_script:1: alignment 0 is not a power of 2"),
    ('struct.pack("i33", 1)', "error: user_script:1: integral size 33 is larger than limit of 32"),
    ('struct.pack("i2147483648", 1)', "error: user_script:1: integral size overflow"),
    ('struct.pack("c99999999999", "")', "error: user_script:1: integral size overflow"),
    (r'struct.pack("b\0b", 1)', r'"\1"'),
    (
        "struct.pack()",
        "error: user_script:1: bad argument #1 to 'pack' (string expected, got no value)",
    ),
    (
        "struct.pack({})",
        "error: user_script:1: bad argument #1 to 'pack' (string expected, got table)",
    ),
    (
        'struct.pack("c2147483647", "a")',
        "error: user_script:1: bad argument #3 to 'pack' (string too short)",
    ),
    (
        "struct.pack(5)",
        "error: user_script:1: bad argument #1 to 'pack' (invalid format option '5')",
    ),
    (r'struct.unpack("b", "\255")', "-1 | 2"),
    (r'struct.unpack("B", "\255")', "255 | 2"),
    (r'struct.unpack("<h", "\1\255")', "-255 | 3"),
    (r'struct.unpack(">h", "\1\255")', "511 | 3"),
    (r'struct.unpack("i3", "\254\255\255")', "-2 | 4"),
    (r'struct.unpack(">I8", "\255\255\255\255\255\255\255\255")', "1.8446744073709552e+19 | 9"),
    (r'struct.unpack("l", "\255\255\255\255\255\255\255\255")', "-1 | 9"),
    (r'struct.unpack("i9", "\1\2\3\4\5\6\7\8\9")', "-127 | 10"),
    (r'struct.unpack("i9", "\200\2\3\4\5\6\7\8\9")', "-56 | 10"),
    ('struct.unpack(">i16", "1234567890123456")', "4.1208477507211894e+18 | 17"),
    ('struct.unpack("i0", "")', "0 | 1"),
    (r'struct.unpack("f", "\0\0\192\63")', "1.5 | 5"),
    (r'struct.unpack(">d", "\63\185\153\153\153\153\153\154")', "0.10000000000000001 | 9"),
    (r'struct.unpack(">d", "\127\240\0\0\0\0\0\0")', "inf | 9"),
    (r'struct.unpack("xb", "\1\2")', "2 | 3"),
    ('struct.unpack("c3", "abcdef")', '"abc" | 4'),
    ('struct.unpack("c", "abc")', '"a" | 2'),
    (r'struct.unpack("Bc0", "\3abcdef")', '"abc" | 5'),
    (
        r'struct.unpack("Bc0", "\9abc")',
        "error: user_script:1: bad argument #2 to 'unpack' (data string too short)",
    ),
    ('struct.unpack("c0", "abc")', "error: user_script:1: format 'c0' needs a previous size"),
    ('struct.unpack("c1c0", "3abc")', '"abc" | 5'),
    ('struct.unpack("c1c0", "xabc")', "error: user_script:1: format 'c0' needs a previous size"),
    (
        r'struct.unpack("bc0", "\255abc")',
        "error: user_script:1: bad argument #2 to 'unpack' (data string too short)",
    ),
    (r'struct.unpack("s", "abc\0d")', '"abc" | 5'),
    ('struct.unpack("s", "abc")', "error: user_script:1: unfinished string in data"),
    (r'struct.unpack("ss", "\0a\0")', '"" | "a" | 4'),
    (r'struct.unpack("!bi", "\1\0\0\0\2\0\0\0")', "1 | 2 | 9"),
    (
        r'struct.unpack("!4bd", "\1")',
        "error: user_script:1: bad argument #2 to 'unpack' (data string too short)",
    ),
    ('struct.unpack("b", "abc", 2)', "98 | 3"),
    (
        'struct.unpack("b", "abc", 4)',
        "error: user_script:1: bad argument #2 to 'unpack' (data string too short)",
    ),
    (
        'struct.unpack("b", "abc", 0)',
        "error: user_script:1: bad argument #3 to 'unpack' (offset must be 1 or greater)",
    ),
    (
        'struct.unpack("b", "abc", -1)',
        "error: user_script:1: bad argument #2 to 'unpack' (data string too short)",
    ),
    ('struct.unpack("", "abc", -5)', "-5"),
    ('struct.unpack("", "abc", 9)', "9"),
    ('struct.unpack(" ", "abc", 4)', "4"),
    (
        'struct.unpack(" ", "abc", 5)',
        "error: user_script:1: bad argument #2 to 'unpack' (data string too short)",
    ),
    (
        'struct.unpack("bb", "a")',
        "error: user_script:1: bad argument #2 to 'unpack' (data string too short)",
    ),
    (
        'struct.unpack("i", "")',
        "error: user_script:1: bad argument #2 to 'unpack' (data string too short)",
    ),
    (
        'struct.unpack("z", "a")',
        "error: user_script:1: bad argument #1 to 'unpack' (invalid format option 'z')",
    ),
    (
        'struct.unpack("b")',
        "error: user_script:1: bad argument #2 to 'unpack' (string expected, got no value)",
    ),
    (
        'struct.unpack("b", {})',
        "error: user_script:1: bad argument #2 to 'unpack' (string expected, got table)",
    ),
    (
        'struct.unpack("b", "a", {})',
        "error: user_script:1: bad argument #3 to 'unpack' (number expected, got table)",
    ),
    ('struct.unpack("b", "a", "1")', "97 | 2"),
    (
        "struct.unpack()",
        "error: user_script:1: bad argument #1 to 'unpack' (string expected, got no value)",
    ),
    (
        'struct.unpack("c2147483647", "abc")',
        "error: user_script:1: bad argument #2 to 'unpack' (data string too short)",
    ),
    (
        'struct.unpack("i33", "a")',
        "error: user_script:1: integral size 33 is larger than limit of 32",
    ),
    (
        'struct.unpack("dc0", struct.pack("d", 1e18))',
        "error: user_script:1: bad argument #2 to 'unpack' (data string too short)",
    ),
    (
        'struct.unpack("dc0", struct.pack("d", -1))',
        "error: user_script:1: bad argument #2 to 'unpack' (data string too short)",
    ),
    ('struct.size("b")', "1"),
    ('struct.size("bhild")', "23"),
    ('struct.size("!bhild")', "24"),
    ('struct.size("!4bd")', "12"),
    ('struct.size("c10x")', "11"),
    ('struct.size("i3I7")', "10"),
    ('struct.size("fT")', "12"),
    ('struct.size("")', "0"),
    (
        'struct.size("s")',
        "error: user_script:1: bad argument #1 to 'size' (option 's' has no fixed size)",
    ),
    (
        'struct.size("c0")',
        "error: user_script:1: bad argument #1 to 'size' (option 'c0' has no fixed size)",
    ),
    ('struct.size("z")', "0"),
    (
        'struct.size("%")',
        "error: user_script:1: bad argument #1 to 'size' (invalid format option '%')",
    ),
    ('struct.size("! 8bd")', "16"),
    ('struct.size("c2147483647c2147483647")', "4294967294"),
    ('struct.size("c2147483648")', "error: user_script:1: integral size overflow"),
    ('struct.size("i33")', "error: user_script:1: integral size 33 is larger than limit of 32"),
    ('struct.size("!6")', "error: user_script:1: alignment 6 is not a power of 2"),
    (
        "struct.size()",
        "error: user_script:1: bad argument #1 to 'size' (string expected, got no value)",
    ),
    (
        "struct.size({})",
        "error: user_script:1: bad argument #1 to 'size' (string expected, got table)",
    ),
    ("struct.size(5)", "0"),
]

#: Made once: hypothesis runs an example after the other.
SHARED: Final = Scripts()


@pytest.fixture
def scripts() -> Scripts:
    return SHARED


@pytest.mark.parametrize(("expression", "shown"), STRUCTURES)
def test_structures(scripts: Scripts, expression: str, shown: str) -> None:
    assert scripts.show(expression) == shown


_BOUNDS: Final = {"b": 7, "B": 8, "h": 15, "H": 16, "i": 31, "I": 32}


@given(data=st.data(), order=st.sampled_from("<>"))
def test_what_python_packs_is_packed_and_read_the_same(data: st.DataObject, order: str) -> None:
    letters = data.draw(st.text(alphabet="bBhHiIfd", min_size=1, max_size=8))
    values: list[float] = []
    for letter in letters:
        if letter == "f":
            values.append(data.draw(st.floats(allow_nan=False, width=32)))
        elif letter == "d":
            values.append(data.draw(st.floats(allow_nan=False)))
        else:
            most = 2 ** _BOUNDS[letter]
            values.append(data.draw(st.integers(-most if letter.islower() else 0, most - 1)))
    packed = struct.pack(order + letters, *values)
    assert SHARED.call("struct.pack", (order + letters).encode(), *values) == packed
    read = SHARED.call("struct.unpack", (order + letters).encode(), packed)
    assert read == (*values, len(packed) + 1)


@given(form=st.text(alphabet="<>!0123456789bBhHlLTiIcsfdx z"), text=st.binary())
def test_any_format_is_obeyed_or_refused(form: str, text: bytes) -> None:
    read = SHARED.call(
        "function(form, text) local ok, problem = pcall(struct.unpack, form, text)"
        " return ok or problem end",
        form.encode(),
        text,
    )
    assert read is True or (
        isinstance(read, bytes)
        and read.startswith(
            (b"bad argument #", b"alignment ", b"integral size ", b"unfinished ", b"format 'c0' ")
        )
    )
