"""cmsgpack: MessagePack both ways, in the smallest form, and what it says of broken data.

The tables say what Redis 7.4.1 answered to the same expressions, through redis-cli.
"""

from __future__ import annotations

from typing import Final

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts import Scripts

PACKING: Final = [
    ("cmsgpack.pack(0)", r'"\0"'),
    ("cmsgpack.pack(127)", r'"\127"'),
    ("cmsgpack.pack(128)", r'"\204\128"'),
    ("cmsgpack.pack(255)", r'"\204\255"'),
    ("cmsgpack.pack(256)", r'"\205\1\0"'),
    ("cmsgpack.pack(65535)", r'"\205\255\255"'),
    ("cmsgpack.pack(65536)", r'"\206\0\1\0\0"'),
    ("cmsgpack.pack(2^32-1)", r'"\206\255\255\255\255"'),
    ("cmsgpack.pack(2^32)", r'"\207\0\0\0\1\0\0\0\0"'),
    ("cmsgpack.pack(2^53)", r'"\207\0 \0\0\0\0\0\0"'),
    ("cmsgpack.pack(2^63)", r'"\202_\0\0\0"'),
    ("cmsgpack.pack(-2^63)", r'"\211\128\0\0\0\0\0\0\0"'),
    ("cmsgpack.pack(2^64)", r'"\202_\128\0\0"'),
    ("cmsgpack.pack(-1)", r'"\255"'),
    ("cmsgpack.pack(-32)", r'"\224"'),
    ("cmsgpack.pack(-33)", r'"\208\223"'),
    ("cmsgpack.pack(-128)", r'"\208\128"'),
    ("cmsgpack.pack(-129)", r'"\209\255\127"'),
    ("cmsgpack.pack(-32768)", r'"\209\128\0"'),
    ("cmsgpack.pack(-32769)", r'"\210\255\255\127\255"'),
    ("cmsgpack.pack(-2^31)", r'"\210\128\0\0\0"'),
    ("cmsgpack.pack(-2^31-1)", r'"\211\255\255\255\255\127\255\255\255"'),
    ("cmsgpack.pack(1.5)", r'"\202?\192\0\0"'),
    ("cmsgpack.pack(0.1)", r'"\203?\185\153\153\153\153\153\154"'),
    ("cmsgpack.pack(-0.5)", r'"\202\191\0\0\0"'),
    ("cmsgpack.pack(-0)", r'"\0"'),
    ("cmsgpack.pack(1/0)", r'"\202\127\128\0\0"'),
    ("cmsgpack.pack(-1/0)", r'"\202\255\128\0\0"'),
    ("cmsgpack.pack(0/0)", r'"\203\255\248\0\0\0\0\0\0"'),
    ("cmsgpack.pack(-(0/0))", r'"\203\127\248\0\0\0\0\0\0"'),
    ("cmsgpack.pack(5e-324)", r'"\203\0\0\0\0\0\0\0\1"'),
    ("cmsgpack.pack(2^-149)", r'"\202\0\0\0\1"'),
    ("cmsgpack.pack(2^-150)", r'"\2036\144\0\0\0\0\0\0"'),
    ("cmsgpack.pack(2^-126)", r'"\202\0\128\0\0"'),
    ("cmsgpack.pack(3.4028234663852886e38)", r'"\202\127\127\255\255"'),
    ("cmsgpack.pack(3.5e38)", r'"\203G\240t\248\196\211\205{"'),
    ("cmsgpack.pack(1e300)", r'"\203~7\228<\136\0u\156"'),
    ('cmsgpack.pack("")', r'"\160"'),
    ('cmsgpack.pack("abc")', r'"\163abc"'),
    ('cmsgpack.pack(("x"):rep(31))', r'"\191xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"'),
    ('cmsgpack.pack(("x"):rep(32))', r'"\217 xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"'),
    (r'cmsgpack.pack("\0\255")', r'"\162\0\255"'),
    ("cmsgpack.pack(true)", r'"\195"'),
    ("cmsgpack.pack(false)", r'"\194"'),
    ("cmsgpack.pack(nil)", r'"\192"'),
    ("cmsgpack.pack(cjson.null)", r'"\192"'),
    ("cmsgpack.pack(function() end)", r'"\192"'),
    ("cmsgpack.pack({})", r'"\144"'),
    ("cmsgpack.pack({1, 2})", r'"\146\1\2"'),
    ("cmsgpack.pack({1, nil, 3})", r'"\130\1\1\3\3"'),
    ("cmsgpack.pack({[2]=1})", r'"\129\2\1"'),
    ("cmsgpack.pack({[1.5]=1})", r'"\129\202?\192\0\0\1"'),
    ("cmsgpack.pack({a={}})", r'"\129\161a\144"'),
    ("cmsgpack.pack({a={b={1}}})", r'"\129\161a\129\161b\145\1"'),
    ("cmsgpack.pack({[0]=1})", r'"\129\0\1"'),
    ("cmsgpack.pack({[1e10]=1})", r'"\129\207\0\0\0\2T\11\228\0\1"'),
    ("cmsgpack.pack(1, 2, {3})", r'"\1\2\145\3"'),
    ("cmsgpack.pack(nil, nil)", r'"\192\192"'),
    (
        "cmsgpack.pack()",
        "error: user_script:1: bad argument #0 to 'pack' (MessagePack pack needs input.)",
    ),
    ('#cmsgpack.pack(("x"):rep(256))', "259"),
    ('cmsgpack.pack(("x"):rep(65536)):sub(1, 6)', r'"\219\0\1\0\0x"'),
    ('cmsgpack.pack(("x"):rep(256)):sub(1, 4)', r'"\218\1\0x"'),
    (
        "cmsgpack.pack({1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16})",
        r'"\220\0\16\1\2\3\4\5\6\7\8\9\10\11\12\13\14\15\16"',
    ),
    (
        "(function() local t = {} t[1] = t local s = cmsgpack.pack(t) return s end)()",
        r'"\145\145\145\145\145\145\145\145\145\145\145\145\145\145\145\145\192"',
    ),
    ("#(function() local t = {} t.a = t local s = cmsgpack.pack(t) return s end)()", "49"),
    (
        "(function() local t = {} for i = 20, 35 do t[i] = 1 end return (cmsgpack.pack(t):sub(1, 3)) end)()",
        r'"\222\0\16"',
    ),
]

UNPACKING: Final = [
    (r'cmsgpack.unpack("\0")', "0"),
    (r'cmsgpack.unpack("\127")', "127"),
    (r'cmsgpack.unpack("\224")', "-32"),
    (r'cmsgpack.unpack("\255")', "-1"),
    (r'cmsgpack.unpack("\204\255")', "255"),
    (r'cmsgpack.unpack("\205\1\2")', "258"),
    (r'cmsgpack.unpack("\206\255\255\255\255")', "4294967295"),
    (r'cmsgpack.unpack("\207\255\255\255\255\255\255\255\255")', "-1"),
    (r'cmsgpack.unpack("\207\0\32\0\0\0\0\0\1")', "9007199254740992"),
    (r'cmsgpack.unpack("\208\128")', "-128"),
    (r'cmsgpack.unpack("\209\255\0")', "-256"),
    (r'cmsgpack.unpack("\210\128\0\0\0")', "-2147483648"),
    (r'cmsgpack.unpack("\211\255\255\255\255\255\255\255\254")', "-2"),
    (r'cmsgpack.unpack("\202\63\192\0\0")', "1.5"),
    (r'cmsgpack.unpack("\202\127\128\0\0")', "inf"),
    (r'cmsgpack.unpack("\202\255\192\0\0")', "-nan"),
    (r'cmsgpack.unpack("\202\0\0\0\1")', "1.4012984643248171e-45"),
    (r'cmsgpack.unpack("\203\63\185\153\153\153\153\153\154")', "0.10000000000000001"),
    (r'cmsgpack.unpack("\203\255\240\0\0\0\0\0\0")', "-inf"),
    (r'cmsgpack.unpack("\192")', "nil"),
    (r'cmsgpack.unpack("\194\195")', "false | true"),
    (r'cmsgpack.unpack("\163abc")', '"abc"'),
    (r'cmsgpack.unpack("\217\3abc")', '"abc"'),
    (r'cmsgpack.unpack("\218\0\3abc")', '"abc"'),
    (r'cmsgpack.unpack("\219\0\0\0\3abc")', '"abc"'),
    (r'cmsgpack.unpack("\147\1\192\3")', "{1=1, 3=3}"),
    (r'cmsgpack.unpack("\220\0\2\1\2")', "{1=1, 2=2}"),
    (r'cmsgpack.unpack("\221\0\0\0\2\1\2")', "{1=1, 2=2}"),
    (r'cmsgpack.unpack("\130\161a\1\161b\2")', '{"a"=1, "b"=2}'),
    (r'cmsgpack.unpack("\222\0\1\1\2")', "{1=2}"),
    (r'cmsgpack.unpack("\223\0\0\0\1\1\2")', "{1=2}"),
    (r'cmsgpack.unpack("\129\161a\192")', "{}"),
    (r'cmsgpack.unpack("\129\192\1")', "error: table index is nil"),
    (r'cmsgpack.unpack("\129\203\127\248\0\0\0\0\0\0\1")', "error: table index is NaN"),
    (r'cmsgpack.unpack("\1\2\3")', "1 | 2 | 3"),
    ('cmsgpack.unpack("")', ""),
    (r'cmsgpack.unpack("\193")', "error: user_script:1: Bad data format in input."),
    (r'cmsgpack.unpack("\196\1a")', "error: user_script:1: Bad data format in input."),
    (r'cmsgpack.unpack("\199\1\1a")', "error: user_script:1: Bad data format in input."),
    (r'cmsgpack.unpack("\212\1a")', "error: user_script:1: Bad data format in input."),
    (r'cmsgpack.unpack("\204")', "error: user_script:1: Missing bytes in input."),
    (r'cmsgpack.unpack("\205\1")', "error: user_script:1: Missing bytes in input."),
    (r'cmsgpack.unpack("\206\1\1\1")', "error: user_script:1: Missing bytes in input."),
    (r'cmsgpack.unpack("\207\1")', "error: user_script:1: Missing bytes in input."),
    (r'cmsgpack.unpack("\202\1\1\1")', "error: user_script:1: Missing bytes in input."),
    (r'cmsgpack.unpack("\203\1")', "error: user_script:1: Missing bytes in input."),
    (r'cmsgpack.unpack("\163ab")', "error: user_script:1: Missing bytes in input."),
    (r'cmsgpack.unpack("\217\3ab")', "error: user_script:1: Missing bytes in input."),
    (r'cmsgpack.unpack("\218\255\255a")', "error: user_script:1: Missing bytes in input."),
    (r'cmsgpack.unpack("\219\255\255\255\255a")', "error: user_script:1: Missing bytes in input."),
    (r'cmsgpack.unpack("\146\1")', "error: user_script:1: Missing bytes in input."),
    (r'cmsgpack.unpack("\221\255\255\255\255\1")', "error: user_script:1: Missing bytes in input."),
    (r'cmsgpack.unpack("\222\255\255\1")', "error: user_script:1: Missing bytes in input."),
    (
        r'cmsgpack.unpack("\223\255\255\255\255\1\1")',
        "error: user_script:1: Missing bytes in input.",
    ),
    (r'cmsgpack.unpack("\129\1")', "error: user_script:1: Missing bytes in input."),
    (r'cmsgpack.unpack("\1\193")', "error: user_script:1: Bad data format in input."),
    (
        "cmsgpack.unpack()",
        "error: user_script:1: bad argument #1 to 'unpack' (string expected, got no value)",
    ),
    (
        "cmsgpack.unpack({})",
        "error: user_script:1: bad argument #1 to 'unpack' (string expected, got table)",
    ),
    ("cmsgpack.unpack(12)", "49 | 50"),
    (r'cmsgpack.unpack_one("\1\2\3")', "1 | 1"),
    (r'cmsgpack.unpack_one("\1\2\3", 1)', "2 | 2"),
    (r'cmsgpack.unpack_one("\1\2\3", 2)', "-1 | 3"),
    (r'cmsgpack.unpack_one("\1\2\3", 3)', "-1"),
    (
        r'cmsgpack.unpack_one("\1\2\3", 4)',
        "error: user_script:1: Start offset 4 greater than input length 3.",
    ),
    (
        r'cmsgpack.unpack_one("\1\2\3", -1)',
        "error: user_script:1: Invalid request to unpack with offset of -1 and limit of 3.",
    ),
    (
        r'cmsgpack.unpack_one("\1", "x")',
        "error: user_script:1: bad argument #2 to 'unpack_one' (number expected, got string)",
    ),
    (
        "cmsgpack.unpack_one()",
        "error: user_script:1: bad argument #1 to 'unpack_one' (string expected, got no value)",
    ),
    (r'cmsgpack.unpack_limit("\1\2\3", 2)', "2 | 1 | 2"),
    (r'cmsgpack.unpack_limit("\1\2\3", 2, 1)', "-1 | 2 | 3"),
    (r'cmsgpack.unpack_limit("\1\2\3", 5)', "-1 | 1 | 2 | 3"),
    (r'cmsgpack.unpack_limit("\1\2\3", 0)', "1 | 2 | 3"),
    (r'cmsgpack.unpack_limit("\1\2\3", 0, 1)', "1"),
    (
        r'cmsgpack.unpack_limit("\1\2\3", -1)',
        "error: user_script:1: Invalid request to unpack with offset of 0 and limit of 3.",
    ),
    (
        r'cmsgpack.unpack_limit("\1\2\3")',
        "error: user_script:1: bad argument #2 to 'unpack_limit' (number expected, got no value)",
    ),
    ("cmsgpack._NAME", '"cmsgpack"'),
    ("cmsgpack._VERSION", '"lua-cmsgpack 0.4.0"'),
]

#: Made once: hypothesis runs an example after the other.
SHARED: Final = Scripts()


@pytest.fixture
def scripts() -> Scripts:
    return SHARED


@pytest.mark.parametrize(("expression", "shown"), PACKING)
def test_values_are_packed(scripts: Scripts, expression: str, shown: str) -> None:
    assert scripts.show(expression) == shown


@pytest.mark.parametrize(("expression", "shown"), UNPACKING)
def test_packed_values_are_read(scripts: Scripts, expression: str, shown: str) -> None:
    assert scripts.show(expression) == shown


_leaves = (
    st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False).filter(lambda number: not number.is_integer())
    | st.binary(max_size=300)
)
_small = st.lists(_leaves, max_size=20) | st.dictionaries(
    st.binary(min_size=1, max_size=5), _leaves, min_size=1, max_size=4
)
_values = (
    _leaves
    | st.lists(_leaves | _small, max_size=4)
    | st.dictionaries(st.binary(min_size=1, max_size=5), _leaves | _small, min_size=1, max_size=4)
)


@given(value=_values)
def test_any_value_comes_back(value: object) -> None:
    packed = msgpack.packb(value, use_bin_type=False)
    back = SHARED.call("function(text) return cmsgpack.pack(cmsgpack.unpack(text)) end", packed)
    assert isinstance(back, bytes)
    assert msgpack.unpackb(back, raw=True) == value


@given(number=st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, width=32))
def test_a_number_is_packed_as_others_pack_it(number: float) -> None:
    if -(2**63) <= number < 2**63 and number == int(number):
        packed = msgpack.packb(int(number))
    else:
        packed = msgpack.packb(number, use_single_float=True)
    assert SHARED.call("cmsgpack.pack", number) == packed


@given(text=st.binary())
def test_any_bytes_are_read_or_refused(text: bytes) -> None:
    read = SHARED.call(
        "function(text) local ok, problem = pcall(cmsgpack.unpack, text) return ok or problem end",
        text,
    )
    assert read in {
        True,
        b"Missing bytes in input.",
        b"Bad data format in input.",
        b"table index is nil",
        b"table index is NaN",
    }
