"""cjson: JSON both ways, and what it says of what it cannot read or write.

The tables say what Redis 7.4.1 answered to the same expressions, through redis-cli.
"""

from __future__ import annotations

import json
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts import Scripts

ENCODING: Final = [
    ("cjson.encode({})", '"{}"'),
    ("cjson.encode({1,2,3})", '"[1,2,3]"'),
    ("cjson.encode({a=1})", '"{"a":1}"'),
    ("cjson.encode({a={b={}}})", '"{"a":{"b":{}}}"'),
    ('cjson.encode("text")', '""text""'),
    ("cjson.encode(12)", '"12"'),
    ("cjson.encode(1.5)", '"1.5"'),
    ("cjson.encode(-0)", '"-0"'),
    ("cjson.encode(1e15)", '"1e+15"'),
    ("cjson.encode(123456789012345678)", '"1.2345678901235e+17"'),
    ("cjson.encode(0.1)", '"0.1"'),
    ("cjson.encode(1/3)", '"0.33333333333333"'),
    ("cjson.encode(1e100)", '"1e+100"'),
    ("cjson.encode(5e-324)", '"4.9406564584125e-324"'),
    ("cjson.encode(true)", '"true"'),
    ("cjson.encode(false)", '"false"'),
    ("cjson.encode(nil)", '"null"'),
    ("cjson.encode(cjson.null)", '"null"'),
    ("cjson.encode({cjson.null})", '"[null]"'),
    ("cjson.encode({1,nil,3})", '"[1,null,3]"'),
    ("cjson.encode({[3]=1})", '"[null,null,1]"'),
    ("cjson.encode({[10]=1})", '"[null,null,null,null,null,null,null,null,null,1]"'),
    (
        "cjson.encode({[11]=1})",
        "error: user_script:1: Cannot serialise table: excessively sparse array",
    ),
    ("cjson.encode({[0]=1})", '"{"0":1}"'),
    ("cjson.encode({[1]=1, a=2})", '"{"1":1,"a":2}"'),
    ("cjson.encode({[1.5]=1})", '"{"1.5":1}"'),
    ("cjson.encode({[1e10]=1})", '"{"10000000000":1}"'),
    (
        "cjson.encode({[true]=1})",
        "error: user_script:1: Cannot serialise boolean: table key must be a number or string",
    ),
    ("cjson.encode(1/0)", "error: user_script:1: Cannot serialise number: must not be NaN or Inf"),
    ("cjson.encode(0/0)", "error: user_script:1: Cannot serialise number: must not be NaN or Inf"),
    (
        "cjson.encode({1/0})",
        "error: user_script:1: Cannot serialise number: must not be NaN or Inf",
    ),
    (
        "cjson.encode({[1/0]=1})",
        "error: user_script:1: Cannot serialise number: must not be NaN or Inf",
    ),
    (
        "cjson.encode(function() end)",
        "error: user_script:1: Cannot serialise function: type not supported",
    ),
    (
        "cjson.encode({function() end})",
        "error: user_script:1: Cannot serialise function: type not supported",
    ),
    (
        "cjson.encode(coroutine.create(function() end))",
        "error: user_script:1: Cannot serialise thread: type not supported",
    ),
    (r'cjson.encode("\"\\/\b\f\n\r\t")', r'""\"\\\/\b\f\n\r\t""'),
    (r'cjson.encode("\0\1\31\127\128\255")', r'""\u0000\u0001\u001f\u007f\128\255""'),
    ('cjson.encode("é€")', r'""\195\169\226\130\172""'),
    (r'cjson.encode({["k\n"]=1})', r'"{"k\n":1}"'),
    (
        "cjson.encode(setmetatable({1, nil, 3}, {__index = function() return 5 end}))",
        '"[1,null,3]"',
    ),
]

DECODING: Final = [
    ('cjson.decode("{}")', "{}"),
    ('cjson.decode("[]")', "{}"),
    ('cjson.decode("[1,2,3]")', "{1=1, 2=2, 3=3}"),
    (r'cjson.decode("{\"a\":{\"b\":[]}}")', '{"a"={"b"={}}}'),
    ('cjson.decode("  [ 1 , 2 ]  ")', "{1=1, 2=2}"),
    (r'cjson.decode("{\"a\" : 1 , \"b\" : 2}")', '{"a"=1, "b"=2}'),
    ('cjson.decode("[null]")', "{1=userdata: (nil)}"),
    ('cjson.decode("null")', "userdata: (nil)"),
    ('cjson.decode("true")', "true"),
    ('cjson.decode("1")', "1"),
    ('cjson.decode("-1.5e3")', "-1500"),
    ('cjson.decode("0x1F")', "31"),
    ('cjson.decode("-0x1p4")', "-16"),
    ('cjson.decode("0x.8")', "0.5"),
    ('cjson.decode("007")', "7"),
    ('cjson.decode("1.")', "1"),
    ('cjson.decode("-.5")', "-0.5"),
    ('cjson.decode("+1")', "1"),
    ('cjson.decode("inf")', "inf"),
    ('cjson.decode("-Infinity")', "-inf"),
    ('cjson.decode("nan")', "nan"),
    ('cjson.decode("-nan(12)")', "-nan"),
    ('cjson.decode("1e400")', "inf"),
    ('cjson.decode("12345678901234567890")', "1.2345678901234567e+19"),
    (r'cjson.decode("\"a\\n\\t\\\"\\\\\\/\\b\\f\\r\"")', r'"a\10\9"\/\8\12\13"'),
    (r'cjson.decode("\"\\u0041\\u00e9\\u20ac\"")', r'"A\195\169\226\130\172"'),
    (r'cjson.decode("\"\\ud834\\udd1e\"")', r'"\240\157\132\158"'),
    (r'cjson.decode("\"\\u0000\"")', r'"\0"'),
    (r'cjson.decode("{\"a\":1,\"a\":2}")', '{"a"=2}'),
    (r'cjson.decode("\"\"")', '""'),
    ('cjson.decode("")', "error: user_script:1: Expected value but found T_END at character 1"),
    ('cjson.decode("   ")', "error: user_script:1: Expected value but found T_END at character 4"),
    ('cjson.decode("[")', "error: user_script:1: Expected value but found T_END at character 2"),
    (
        'cjson.decode("[1")',
        "error: user_script:1: Expected comma or array end but found T_END at character 3",
    ),
    ('cjson.decode("[1,")', "error: user_script:1: Expected value but found T_END at character 4"),
    (
        'cjson.decode("[1,]")',
        "error: user_script:1: Expected value but found T_ARR_END at character 4",
    ),
    (
        'cjson.decode("[,]")',
        "error: user_script:1: Expected value but found T_COMMA at character 2",
    ),
    (
        'cjson.decode("{")',
        "error: user_script:1: Expected object key string but found T_END at character 2",
    ),
    (
        r'cjson.decode("{\"a\"")',
        "error: user_script:1: Expected colon but found T_END at character 5",
    ),
    (
        r'cjson.decode("{\"a\":")',
        "error: user_script:1: Expected value but found T_END at character 6",
    ),
    (
        r'cjson.decode("{\"a\":1")',
        "error: user_script:1: Expected comma or object end but found T_END at character 7",
    ),
    (
        r'cjson.decode("{\"a\":1,")',
        "error: user_script:1: Expected object key string but found T_END at character 8",
    ),
    (
        r'cjson.decode("{\"a\":1,}")',
        "error: user_script:1: Expected object key string but found T_OBJ_END at character 8",
    ),
    (
        'cjson.decode("{1:2}")',
        "error: user_script:1: Expected object key string but found T_NUMBER at character 2",
    ),
    (
        r'cjson.decode("{\"a\" 1}")',
        "error: user_script:1: Expected colon but found T_NUMBER at character 6",
    ),
    (
        'cjson.decode("[1 2]")',
        "error: user_script:1: Expected comma or array end but found T_NUMBER at character 4",
    ),
    (
        r'cjson.decode("{\"a\":1 \"b\"}")',
        "error: user_script:1: Expected comma or object end but found T_STRING at character 8",
    ),
    (
        'cjson.decode("1 2")',
        "error: user_script:1: Expected the end but found T_NUMBER at character 3",
    ),
    (
        'cjson.decode("[1]]")',
        "error: user_script:1: Expected the end but found T_ARR_END at character 4",
    ),
    (
        'cjson.decode("}")',
        "error: user_script:1: Expected value but found T_OBJ_END at character 1",
    ),
    ('cjson.decode(",")', "error: user_script:1: Expected value but found T_COMMA at character 1"),
    ('cjson.decode(":")', "error: user_script:1: Expected value but found T_COLON at character 1"),
    (
        'cjson.decode("x")',
        "error: user_script:1: Expected value but found invalid token at character 1",
    ),
    (
        'cjson.decode("nul")',
        "error: user_script:1: Expected value but found invalid token at character 1",
    ),
    (
        'cjson.decode("tru")',
        "error: user_script:1: Expected value but found invalid token at character 1",
    ),
    (
        "cjson.decode(\"'a'\")",
        "error: user_script:1: Expected value but found invalid token at character 1",
    ),
    (
        'cjson.decode("-")',
        "error: user_script:1: Expected value but found invalid number at character 1",
    ),
    (
        'cjson.decode("--1")',
        "error: user_script:1: Expected value but found invalid number at character 1",
    ),
    (
        'cjson.decode("1e")',
        "error: user_script:1: Expected the end but found invalid token at character 2",
    ),
    (
        'cjson.decode("0x")',
        "error: user_script:1: Expected the end but found invalid token at character 2",
    ),
    (
        'cjson.decode("i")',
        "error: user_script:1: Expected value but found invalid token at character 1",
    ),
    (
        'cjson.decode("+")',
        "error: user_script:1: Expected value but found invalid number at character 1",
    ),
    (
        'cjson.decode("*")',
        "error: user_script:1: Expected value but found invalid token at character 1",
    ),
    (
        r'cjson.decode("\"abc")',
        "error: user_script:1: Expected value but found unexpected end of string at character 5",
    ),
    (
        r'cjson.decode("\"\\x\"")',
        "error: user_script:1: Expected value but found invalid escape code at character 2",
    ),
    (
        r'cjson.decode("[\"a\\x\"]")',
        "error: user_script:1: Expected value but found invalid escape code at character 4",
    ),
    (
        r'cjson.decode("{\"a\\x\":1}")',
        "error: user_script:1: Expected object key string but found invalid escape code at character 4",
    ),
    (
        r'cjson.decode("\"\\u12g4\"")',
        "error: user_script:1: Expected value but found invalid unicode escape code at character 2",
    ),
    (
        r'cjson.decode("\"\\ud834\"")',
        "error: user_script:1: Expected value but found invalid unicode escape code at character 2",
    ),
    (
        r'cjson.decode("\"\\udd1e\"")',
        "error: user_script:1: Expected value but found invalid unicode escape code at character 2",
    ),
    (
        r'cjson.decode("\"\\ud834\\u0041\"")',
        "error: user_script:1: Expected value but found invalid unicode escape code at character 2",
    ),
    (
        r'cjson.decode("\"\\")',
        "error: user_script:1: Expected value but found invalid escape code at character 2",
    ),
    (
        r'cjson.decode("\"\\u")',
        "error: user_script:1: Expected value but found invalid unicode escape code at character 2",
    ),
    (
        r'cjson.decode("[1, \"a\\q\"]")',
        "error: user_script:1: Expected value but found invalid escape code at character 7",
    ),
]

ARGUMENTS: Final = [
    (r'cjson.decode("\0")', "error: user_script:1: Expected value but found T_END at character 1"),
    (
        r'cjson.decode("1\0x")',
        "error: user_script:1: JSON parser does not support UTF-16 or UTF-32",
    ),
    (
        r'cjson.decode("\0\0")',
        "error: user_script:1: JSON parser does not support UTF-16 or UTF-32",
    ),
    (
        r'cjson.decode("[1\0]")',
        "error: user_script:1: Expected comma or array end but found T_END at character 3",
    ),
    (
        r'cjson.decode("\"a\0b\"")',
        "error: user_script:1: Expected value but found unexpected end of string at character 3",
    ),
    (r'cjson.decode("\"\128\255\"")', r'"\128\255"'),
    (r'cjson.decode("\"a\nb\"")', r'"a\10b"'),
    (
        r'cjson.decode("\255")',
        "error: user_script:1: Expected value but found invalid token at character 1",
    ),
    ("cjson.decode(12)", "12"),
    ("cjson.decode()", "error: user_script:1: bad argument #1 to 'decode' (expected 1 argument)"),
    (
        "cjson.decode(nil)",
        "error: user_script:1: bad argument #1 to 'decode' (string expected, got nil)",
    ),
    (
        "cjson.decode({})",
        "error: user_script:1: bad argument #1 to 'decode' (string expected, got table)",
    ),
    (
        'cjson.decode("1", 2)',
        "error: user_script:1: bad argument #1 to 'decode' (expected 1 argument)",
    ),
    ("cjson.encode()", "error: user_script:1: bad argument #1 to 'encode' (expected 1 argument)"),
    (
        "cjson.encode(1, 2)",
        "error: user_script:1: bad argument #1 to 'encode' (expected 1 argument)",
    ),
    ("cjson:encode()", "error: user_script:1: Cannot serialise function: type not supported"),
    (
        'cjson:decode("1")',
        "error: user_script:1: calling 'decode' on bad self (expected 1 argument)",
    ),
    ('cjson.null == cjson.decode("null")', "true"),
    ("cjson.null == cjson.new().null", "true"),
    ("type(cjson.null)", '"userdata"'),
    ("tostring(cjson.null)", '"userdata: (nil)"'),
    ("cjson._NAME", '"cjson"'),
    ("cjson._VERSION", '"2.1.0"'),
    ("cjson.new().encode({a=1})", '"{"a":1}"'),
    ('cjson.new("x")._NAME', '"cjson"'),
]

SETTINGS: Final = [
    ("encode_sparse_array()", "false | 2 | 10"),
    ("encode_sparse_array(true)", "true | 2 | 10"),
    ('encode_sparse_array("on", 0, 3)', "true | 0 | 3"),
    (
        "encode_sparse_array(nil, -1)",
        "#1 to 'encode_sparse_array' (expected integer between 0 and 2147483647)",
    ),
    ("encode_sparse_array(1, 2, 3, 4)", "#4 to 'encode_sparse_array' (found too many arguments)"),
    ('encode_sparse_array("maybe")', "#1 to 'encode_sparse_array' (invalid option 'maybe')"),
    ("encode_sparse_array({})", "#1 to 'encode_sparse_array' (string expected, got table)"),
    ("encode_max_depth()", "1000"),
    ("encode_max_depth(5)", "5"),
    ('encode_max_depth("7")', "7"),
    ("encode_max_depth(2.9)", "2"),
    ("encode_max_depth(0)", "#1 to 'encode_max_depth' (expected integer between 1 and 2147483647)"),
    (
        "encode_max_depth(2^31)",
        "#1 to 'encode_max_depth' (expected integer between 1 and 2147483647)",
    ),
    ("encode_max_depth(2^32 + 3)", "3"),
    ("encode_max_depth({})", "#1 to 'encode_max_depth' (number expected, got table)"),
    ("encode_max_depth(1, 2)", "#2 to 'encode_max_depth' (found too many arguments)"),
    ("decode_max_depth()", "1000"),
    ("decode_max_depth(9)", "9"),
    (
        "decode_max_depth(-1)",
        "#1 to 'decode_max_depth' (expected integer between 1 and 2147483647)",
    ),
    ("encode_number_precision()", "14"),
    ("encode_number_precision(3)", "3"),
    (
        "encode_number_precision(15)",
        "#1 to 'encode_number_precision' (expected integer between 1 and 14)",
    ),
    (
        'encode_number_precision("x")',
        "#1 to 'encode_number_precision' (number expected, got string)",
    ),
    ("encode_keep_buffer()", "true"),
    ('encode_keep_buffer("off")', "false"),
    ("encode_keep_buffer(false)", "false"),
    ("encode_invalid_numbers()", "false"),
    ('encode_invalid_numbers("null")', '"null"'),
    ("encode_invalid_numbers(true)", "true"),
    ('encode_invalid_numbers("no")', "#1 to 'encode_invalid_numbers' (invalid option 'no')"),
    ("decode_invalid_numbers()", "true"),
    ('decode_invalid_numbers("off")', "false"),
    ('decode_invalid_numbers("null")', "#1 to 'decode_invalid_numbers' (invalid option 'null')"),
]

SETTINGS_AT_WORK: Final = [
    ("encode_sparse_array(true)", "encode({[11]=1})", '"{"11":1}"'),
    (
        "encode_sparse_array(nil, 0)",
        "encode({[14]=1})",
        '"[null,null,null,null,null,null,null,null,null,null,null,null,null,1]"',
    ),
    ("encode_sparse_array(true, 1, 0)", "encode({1, nil, 3})", '"{"1":1,"3":3}"'),
    ("encode_max_depth(2)", "encode({{}})", '"[{}]"'),
    (
        "encode_max_depth(2)",
        "encode({{{}}})",
        "error: user_script:1: Cannot serialise, excessive nesting (3)",
    ),
    ("decode_max_depth(2)", 'decode("[[]]")', "{1={}}"),
    (
        "decode_max_depth(2)",
        'decode("[ [[]]]")',
        "error: user_script:1: Found too many nested data structures (3) at character 4",
    ),
    (
        "decode_max_depth(1)",
        'decode("[{}]")',
        "error: user_script:1: Found too many nested data structures (2) at character 2",
    ),
    ("encode_number_precision(3)", "encode({1/3, 12345})", '"[0.333,1.23e+04]"'),
    ("encode_invalid_numbers(true)", "encode({1/0, -1/0, 0/0})", '"[inf,-inf,nan]"'),
    ('encode_invalid_numbers("null")', "encode({1/0, 0/0})", '"[null,null]"'),
    ("encode_invalid_numbers(true)", "encode({[1/0]=1})", '"{"inf":1}"'),
    (
        "decode_invalid_numbers(false)",
        'decode("0x10")',
        "error: user_script:1: Expected value but found invalid number at character 1",
    ),
    (
        "decode_invalid_numbers(false)",
        'decode("01")',
        "error: user_script:1: Expected value but found invalid number at character 1",
    ),
    (
        "decode_invalid_numbers(false)",
        'decode("inf")',
        "error: user_script:1: Expected value but found invalid token at character 1",
    ),
    (
        "decode_invalid_numbers(false)",
        'decode("nan")',
        "error: user_script:1: Expected value but found invalid token at character 1",
    ),
    (
        "decode_invalid_numbers(false)",
        'decode("+1")',
        "error: user_script:1: Expected value but found invalid token at character 1",
    ),
    (
        "decode_invalid_numbers(false)",
        'decode("-01")',
        "error: user_script:1: Expected value but found invalid number at character 1",
    ),
    ("decode_invalid_numbers(false)", 'decode("1.5")', "1.5"),
    ("decode_invalid_numbers(false)", 'decode("-0")', "-0"),
    ("decode_invalid_numbers(false)", 'decode("0")', "0"),
    (
        "decode_invalid_numbers(false)",
        'decode("-inf")',
        "error: user_script:1: Expected value but found invalid number at character 1",
    ),
    (
        "decode_invalid_numbers(false)",
        'decode("[1, 0x1]")',
        "error: user_script:1: Expected value but found invalid number at character 5",
    ),
    (
        "decode_invalid_numbers(false)",
        'decode("-")',
        "error: user_script:1: Expected value but found invalid number at character 1",
    ),
]

#: Made once: hypothesis runs an example after the other.
SHARED: Final = Scripts()


@pytest.fixture
def scripts() -> Scripts:
    return SHARED


@pytest.mark.parametrize(("expression", "shown"), ENCODING)
def test_values_become_json(scripts: Scripts, expression: str, shown: str) -> None:
    assert scripts.show(expression) == shown


@pytest.mark.parametrize(("expression", "shown"), DECODING)
def test_json_becomes_values(scripts: Scripts, expression: str, shown: str) -> None:
    assert scripts.show(expression) == shown


@pytest.mark.parametrize(("expression", "shown"), ARGUMENTS)
def test_odd_texts_and_arguments(scripts: Scripts, expression: str, shown: str) -> None:
    assert scripts.show(expression) == shown


@pytest.mark.parametrize(("call", "shown"), SETTINGS)
def test_a_setting_is_told_and_changed_within_its_bounds(
    scripts: Scripts, call: str, shown: str
) -> None:
    told = scripts.show(f"cjson.new().{call}")
    assert told.removeprefix("error: user_script:1: bad argument ") == shown


@pytest.mark.parametrize(("setting", "call", "shown"), SETTINGS_AT_WORK)
def test_a_setting_has_its_effect(scripts: Scripts, setting: str, call: str, shown: str) -> None:
    expression = f"(function() local c = cjson.new() c.{setting} local r = c.{call} return r end)()"
    assert scripts.show(expression) == shown


def test_a_library_has_settings_of_its_own(scripts: Scripts) -> None:
    scripts.show("cjson.new().encode_max_depth(1)")
    assert scripts.show("cjson.encode({{}})") == '"[{}]"'


# Empty arrays come back as empty objects, and a table cannot hold null: it is another value there.
# (Two levels: 5000 examples of st.recursive took longer than a test may.)
_leaves = st.none() | st.booleans() | st.integers(-(10**14) + 1, 10**14 - 1) | st.text(max_size=10)
_small = st.lists(_leaves, min_size=1, max_size=4) | st.dictionaries(
    st.text(min_size=1, max_size=5), _leaves, max_size=4
)
_json = (
    _leaves
    | st.lists(_leaves | _small, min_size=1, max_size=4)
    | st.dictionaries(st.text(min_size=1, max_size=5), _leaves | _small, max_size=4)
)


@given(value=_json, indent=st.sampled_from([None, 1]), ascii_only=st.booleans())
def test_any_json_comes_back(value: object, indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    back = SHARED.call(
        "function(text) return (cjson.encode(cjson.decode(text))) end", text.encode()
    )
    assert isinstance(back, bytes)
    assert json.loads(back) == value


@given(text=st.binary() | st.text(alphabet='{}[],:"\\\0 01eExinfa-+.utrl\n').map(str.encode))
def test_any_bytes_are_read_or_refused(text: bytes) -> None:
    read = SHARED.call(
        "function(text) local ok, problem = pcall(cjson.decode, text) return ok or problem end",
        text,
    )
    assert read is True or (
        isinstance(read, bytes) and read.startswith((b"Expected ", b"JSON parser "))
    )


@given(text=st.binary())
def test_any_bytes_within_a_string_come_back(text: bytes) -> None:
    assert SHARED.call("function(text) return cjson.decode(cjson.encode(text)) end", text) == text
