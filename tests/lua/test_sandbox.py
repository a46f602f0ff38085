"""The sandbox: known ways out of Lua sandboxes are closed, and nothing stays behind."""

from __future__ import annotations

import pytest

from dscache.lua import sandbox as sandbox_module
from dscache.lua.convert import weight
from dscache.lua.sandbox import Sandbox, ScriptError
from dscache.wire.reply import ErrorReply, Pairs


class Nobody:
    """A host that offers next to nothing."""

    def dispatch(self, args: tuple[object, ...]) -> object:
        return b"x" * int(args[0]) if isinstance(args[0], int) else ErrorReply(b"ERR no")

    def check_command(self, args: tuple[object, ...]) -> object:
        return True

    def log(self, level: int, text: bytes) -> None:
        """Nothing is kept."""

    def tick(self) -> bytes | None:
        return None


class Impatient(Nobody):
    """Ends every script that it is asked about."""

    def tick(self) -> bytes | None:
        return b"ERR enough"


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox(Nobody(), "7.4.1", 64 << 20, bytes)


def run(sandbox: Sandbox, source: str) -> object:
    return sandbox.run_script(sandbox.compile(source.encode(), b"@user_script"), [b"key"], [])


def error_of(sandbox: Sandbox, source: str) -> bytes:
    with pytest.raises(ScriptError) as caught:
        run(sandbox, source)
    return caught.value.text


@pytest.mark.parametrize(
    "name",
    [
        "python",
        "debug",
        "io",
        "package",
        "require",
        "dofile",
        "loadfile",
        "module",
        "print",
        "newproxy",
    ],
)
def test_what_leads_outside_is_not_there(sandbox: Sandbox, name: str) -> None:
    assert b"nonexistent global variable" in error_of(sandbox, f"return {name}")
    assert run(sandbox, f"return tostring(rawget(_G, '{name}'))") == b"nil"


@pytest.mark.parametrize(
    "name", ["execute", "exit", "getenv", "remove", "rename", "tmpname", "time"]
)
def test_os_has_a_clock_and_nothing_else(sandbox: Sandbox, name: str) -> None:
    assert run(sandbox, f"return tostring(os.{name})") == b"nil"


@pytest.mark.parametrize(
    "source",
    [
        "redis = nil",
        "redis.call = nil",
        "string.rep = nil",
        "math.huge = 1",
        "cjson.encode = nil",
        "_G.x = 1",
        "x = 1",
        "KEYS = nil",
        "rawset(_G, 'x', 1)",
        "rawset(redis, 'x', 1)",
        "setmetatable(_G, {})",
        "setmetatable(redis, {})",
        "table.insert(redis, 1)",
        "table.remove(redis)",
        "table.sort(redis)",
    ],
)
def test_what_scripts_share_cannot_be_changed(sandbox: Sandbox, source: str) -> None:
    assert b"Attempt to modify a readonly table" in error_of(sandbox, source)


@pytest.mark.parametrize(
    "source",
    [
        "getmetatable('').__index = nil",
        "getmetatable(redis).__index = nil",
        "getmetatable(_G).__newindex = nil",
    ],
)
def test_metatables_of_what_is_shared_are_out_of_reach(sandbox: Sandbox, source: str) -> None:
    error_of(sandbox, source)
    assert run(sandbox, "return ('x'):rep(2)") == b"xx"


@pytest.mark.parametrize(
    "source",
    [
        "return getfenv(0)",
        "return getfenv(redis.call)",
        "return getfenv(tostring)",
        "return getfenv(loadstring('return 1'))",
        "return coroutine.wrap(function() return getfenv(0) end)()",
        "return getfenv(1)",
    ],
)
def test_no_environment_is_the_real_one(sandbox: Sandbox, source: str) -> None:
    found = source.replace("return getfenv", "local e = getfenv", 1)
    if "coroutine" in source:
        found = source.replace("return coroutine", "local e = coroutine", 1)
    assert run(sandbox, f"{found} return tostring(rawequal(e, _G))") == b"true"


@pytest.mark.parametrize("target", ["redis.call", "tostring", "0", "string.rep", "loadstring"])
def test_environments_of_what_is_shared_cannot_be_set(sandbox: Sandbox, target: str) -> None:
    assert b"setfenv" in error_of(sandbox, f"setfenv({target}, {{}})")
    assert run(sandbox, "return tostring(1)") == b"1"


def test_functions_of_its_own_a_script_may_give_an_environment(sandbox: Sandbox) -> None:
    assert run(sandbox, "return setfenv(function() return a end, {a = 5})()") == 5


@pytest.mark.parametrize(
    "loader", ["loadstring(code)", "load(function() local c = code code = nil return c end)"]
)
def test_byte_code_is_not_loaded(sandbox: Sandbox, loader: str) -> None:
    source = f"local code = string.dump(function() return 1 end) return tostring({loader})"
    assert run(sandbox, source) == b"nil"


def test_code_made_at_run_time_has_the_same_globals(sandbox: Sandbox) -> None:
    assert run(sandbox, "return loadstring('return KEYS[1]')()") == b"key"
    assert b"nonexistent global" in error_of(sandbox, "return loadstring('return io')()")


def test_functions_are_functions_and_no_objects_of_python(sandbox: Sandbox) -> None:
    source = """
        local found = {}
        for _, library in ipairs({redis, cjson, cmsgpack, struct, bit}) do
          for name, value in pairs(library) do
            if type(value) == 'userdata' and value ~= cjson.null then found[#found + 1] = name end
          end
        end
        return found
    """
    assert run(sandbox, source) == []


def test_xpcall_gives_what_its_handler_makes_of_the_error(sandbox: Sandbox) -> None:
    source = "return {xpcall(function() error(%s, 0) end, %s)}"
    assert run(sandbox, source % ("'x'", "function(e) return e .. '!', 'and more' end")) == [
        None,
        b"x!",
    ]
    assert run(sandbox, source % ("{5}", "function(e) return e[1] end")) == [None, 5]
    for handler in ("error", "nil"):
        assert run(sandbox, source % ("'x'", handler)) == [None, b"error in error handling"]
    assert run(sandbox, "return {xpcall(function() return 1, 2 end, error)}") == [1, 1, 2]
    assert b"bad argument #2 to 'xpcall'" in error_of(sandbox, "xpcall(error)")


def test_what_takes_a_string_or_a_number_takes_nothing_else_for_one(sandbox: Sandbox) -> None:
    for value in ("{}", "nil", "true"):
        assert run(sandbox, f"return redis.sha1hex({value})") == b""
        assert b"bad argument #1 to 'randomseed' (number expected" in error_of(
            sandbox, f"math.randomseed({value})"
        )
    assert run(sandbox, "return redis.sha1hex(5)") == b"5"


def test_the_collector_cannot_be_stopped(sandbox: Sandbox) -> None:
    assert b"invalid option" in error_of(sandbox, "collectgarbage('stop')")


def test_recursion_without_end_is_an_error(sandbox: Sandbox) -> None:
    assert b"stack overflow" in error_of(
        sandbox, "local function f() return 1 + f() end return f()"
    )


def test_tables_in_tables_without_end_are_an_error(sandbox: Sandbox) -> None:
    reply = run(sandbox, "local t = {} t[1] = t return t")
    assert isinstance(reply, ErrorReply)
    assert reply.text == b"ERR reached lua stack limit"


def test_a_string_that_grows_without_end_is_an_error_and_the_next_script_runs(
    sandbox: Sandbox,
) -> None:
    assert b"memory" in error_of(sandbox, "local s = 'x' while true do s = s .. s end")
    assert run(sandbox, "return 1") == 1


@pytest.mark.parametrize(
    "caught",
    ["pcall(grow)", "xpcall(grow, type)", "coroutine.resume(coroutine.create(grow))"],
)
def test_who_catches_that_memory_ran_out_can_be_ended(caught: str) -> None:
    """A loop round it went on for an hour: it takes seconds, and hardly any instructions."""
    sandbox = Sandbox(Impatient(), "7.4.1", 64 << 20, bytes)
    source = f"local function grow() local s = 'x' while true do s = s .. s end end {caught}"
    assert error_of(sandbox, source) == b"ERR enough"


def test_what_a_script_was_given_is_gone_when_it_has_run(sandbox: Sandbox) -> None:
    """Its globals stayed, KEYS and ARGV with them: BullMQ had filled the memory for scripts in minutes,
    and each further script began with a collection in vain."""
    function = sandbox.compile(b"return #ARGV", b"@user_script")
    argument = b"x" * 10_000
    sandbox._collect_to(0)
    before = sandbox.memory_bytes
    for n in range(1000):
        assert sandbox.run_script(function, [b"key"], [argument + b"%d" % n]) == 1
    sandbox._collect_to(0)
    assert sandbox.memory_bytes - before < 100_000


def test_a_reply_that_is_too_large_is_an_error(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox_module, "_LARGEST_REPLY_BYTES", 1000)
    assert b"too large for a script" in error_of(sandbox, "return redis.call(2000)")
    assert run(sandbox, "return redis.call(10)") == b"x" * 10


def test_the_weight_of_a_reply_is_that_of_all_it_holds() -> None:
    assert weight([b"x" * 1000, [b"y" * 1000], {b"k": b"v" * 1000}]) > 3000
    assert weight(Pairs([(b"a" * 500, b"b" * 500)])) > 1000
