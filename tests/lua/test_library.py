"""What holds for each library for scripts: no way out of the sandbox, and a bound for what comes in."""

from __future__ import annotations

from typing import Final

import pytest

from scripts import Scripts

LIBRARIES: Final = ["bit", "cjson", "cmsgpack", "struct"]


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_script_holds_nothing_but_lua_functions_texts_and_null(library: str) -> None:
    kinds = Scripts().show(
        f"(function() local kinds = {{}} for name, value in pairs({library}) do"
        " if name ~= 'null' then kinds[type(value)] = true end end return kinds end)()"
    )
    assert kinds in {'{"function"=true}', '{"function"=true, "string"=true}'}


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_environment_of_a_function_is_empty(library: str) -> None:
    """Redis lets scripts call getfenv: it must not find the globals that the sandbox hides."""
    found = Scripts().show(
        f"(function() local found = {{}} for name, value in pairs({library}) do"
        " if type(value) == 'function' then"
        " for key in pairs(getfenv(value)) do found[key] = true end end end return found end)()"
    )
    assert found == "{}"


def test_what_a_script_does_to_lua_s_own_libraries_reaches_no_other() -> None:
    scripts = Scripts()
    scripts.runtime.execute("string.find = nil table.concat = nil math.floor = error type = error")
    scripts.runtime.execute(
        "debug = nil newproxy = nil setfenv = nil getmetatable('').__index = nil"
    )
    assert scripts.call("cjson.encode", b'a"b') == rb'"a\"b"'
    assert scripts.call("cmsgpack.pack", 1) == b"\x01"
    assert scripts.call("struct.pack", b">i", 1) == b"\0\0\0\1"
    assert scripts.call("bit.band", 7, 3) == 3


def test_null_has_no_metatable_that_a_script_could_change() -> None:
    assert Scripts().show("getmetatable(cjson.null)") == "false"


@pytest.mark.parametrize(
    ("expression", "error"),
    [
        (r'cmsgpack.unpack("\221\255\255\255\255\1")', "Missing bytes in input."),
        (r'cmsgpack.unpack("\223\255\255\255\255\1\1")', "Missing bytes in input."),
        (r'cmsgpack.unpack("\219\255\255\255\255\1")', "Missing bytes in input."),
        (
            'struct.pack("c2147483647", "a")',
            "bad argument #3 to 'pack' (string too short)",
        ),
        (
            'struct.unpack("c2147483647", "a")',
            "bad argument #2 to 'unpack' (data string too short)",
        ),
    ],
)
def test_a_length_that_is_declared_but_untrue_takes_no_memory(expression: str, error: str) -> None:
    scripts = Scripts(max_memory=2_000_000)
    assert scripts.show(expression) == f"error: user_script:1: {error}"


@pytest.mark.parametrize(
    ("expression", "error"),
    [
        (
            'cjson.decode(("["):rep(100000))',
            "Found too many nested data structures (1001) at character 1001",
        ),
        (
            "(function() local t = {} t[1] = t local s = cjson.encode(t) return s end)()",
            "Cannot serialise, excessive nesting (1001)",
        ),
        (
            r'cmsgpack.unpack(("\145"):rep(100000))',
            "stack overflow (in function mp_decode_to_lua_array)",
        ),
        (
            r'cmsgpack.unpack(("\1"):rep(100000))',
            "stack overflow (too many return values at once; use unpack_one or unpack_limit instead.)",
        ),
        (
            'struct.unpack(("b"):rep(100000), ("x"):rep(100000))',
            "stack overflow (too many results)",
        ),
        (
            (
                "(function() local c = cjson.new() c.decode_max_depth(2^31 - 1)"
                ' local t = c.decode(("["):rep(100000)) return t end)()'
            ),
            "Found too many nested data structures (7999) at character 7999",
        ),
        (
            (
                "(function() local c = cjson.new() c.encode_max_depth(2^31 - 1)"
                " local t = {} t[1] = t local s = c.encode(t) return s end)()"
            ),
            "Cannot serialise, excessive nesting (7998)",
        ),
    ],
)
def test_depth_and_the_number_of_results_are_bounded_where_redis_bounds_them(
    expression: str, error: str
) -> None:
    assert Scripts().show(expression) == f"error: user_script:1: {error}"


def test_an_error_of_memory_is_an_error_that_the_script_can_catch() -> None:
    scripts = Scripts(max_memory=2_000_000)
    endless = (
        'cjson.encode((function() local t = {} for i = 1, 4e4 do t[i] = "text" end return t end)())'
    )
    assert scripts.show(endless) == "error: not enough memory"
    assert scripts.show("cjson.encode({1})") == '"[1]"'


@pytest.mark.parametrize("function", ["cjson.decode", "bit.band", "struct.size", "cmsgpack.unpack"])
def test_an_error_carries_no_place_if_c_called_the_function(function: str) -> None:
    shown = Scripts().show(f"pcall({function})")
    assert shown.startswith("false | \"bad argument #1 to '?' (")


def test_a_tail_call_loses_the_place_but_not_the_name() -> None:
    scripts = Scripts()
    error = scripts.show("pcall(function() return bit.band({}) end)")
    assert error == "false | \"bad argument #1 to 'band' (number expected, got table)\""
