"""EVAL and its relatives: what scripts see, what they may do, and how they fail."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from driver import Driver
from dscache.wire.reply import ErrorReply, Status
from places import PLACES, Client

RETURN_ONE_SHA = b"e0e1f9fabfc9d4800c877a703b823ac0578ff8db"


@pytest.fixture
def driver() -> Iterator[Driver]:
    driver = Driver()
    yield driver
    driver.close()


@pytest.fixture(params=PLACES)
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    client = Client(request.param)
    yield client
    client.close()


def text_of(reply: object) -> bytes:
    assert isinstance(reply, bytes)
    return reply


def test_a_script_sees_its_keys_and_arguments(client: Client) -> None:
    script = "return {KEYS[1], KEYS[2], ARGV[1], #ARGV}"
    assert client("EVAL", script, 2, "a", "b", "c") == [b"a", b"b", b"c", 1]


@pytest.mark.parametrize(
    ("value", "reply"),
    [
        ("1", 1),
        ("3.99", 3),
        ("-3.99", -3),
        ("1e300", -(2**63)),
        ("'text'", b"text"),
        ("true", 1),
        ("false", None),
        ("nil", None),
        ("{1, 2, nil, 4}", [1, 2]),
        ("{ok = 'fine'}", b"fine"),
        ("{err = 'MINE text'}", b"-MINE text"),
        ("{double = 3.5}", b"3.5"),
        ("function() end", None),
        ("redis.error_reply('word')", b"-ERR word"),
        ("redis.status_reply('word')", b"word"),
    ],
)
def test_values_of_lua_become_replies(driver: Driver, value: str, reply: object) -> None:
    found = driver.run("EVAL", f"return {value}", 0)
    assert (b"%g" % found if isinstance(found, float) else found) == reply


def test_a_long_array_comes_back_whole(driver: Driver) -> None:
    script = "local t = {} for i = 1, 5000 do t[i] = i end return t"
    assert driver.run("EVAL", script, 0) == list(range(1, 5001))


def test_thousands_of_arguments_can_be_unpacked(client: Client) -> None:
    script = "local t = {} for i = 1, 7000 do t[i] = i end return redis.call('RPUSH', KEYS[1], unpack(t))"
    assert client("EVAL", script, 1, "list") == 7000
    assert client("LRANGE", "list", -1, -1) == [b"7000"]


@pytest.mark.parametrize(
    ("expression", "reply"),
    [
        ("redis.call('GET', 'missing')", b"false"),
        ("redis.call('GET', 'a')", b"1"),
        ("redis.call('SET', 'a', 2).ok", b"OK"),
        ("type(redis.call('HGETALL', 'h'))", b"table"),
        ("redis.call('HGETALL', 'h')[2]", b"v"),
        ("redis.call('ZSCORE', 'z', 'm')", b"1.5"),
        ("redis.call('INCR', 'a')", b"2"),
    ],
)
def test_replies_become_values_of_lua(client: Client, expression: str, reply: bytes) -> None:
    client("SET", "a", 1)
    client("HSET", "h", "f", "v")
    client("ZADD", "z", "1.5", "m")
    assert client("EVAL", f"return tostring({expression})", 4, "a", "h", "z", "missing") == reply


@pytest.mark.parametrize(
    ("number", "word"),
    [
        ("0.1", b"0.1"),
        ("1/3", b"0.3333333333333333"),
        ("-0", b"0"),
        ("2^62", b"4611686018427387904"),
        ("2^63", b"9223372036854776000"),
        ("-2^63", b"-9223372036854776000"),
        ("1e300", b"1e+300"),
        ("1e-7", b"1e-7"),
        ("-1/0", b"-inf"),
        ("0/0", b"-nan"),
        ("-(0/0)", b"nan"),
    ],
)
def test_a_number_is_a_word_of_as_many_digits_as_it_needs(
    driver: Driver, number: str, word: bytes
) -> None:
    assert driver.run("EVAL", f"return redis.call('ECHO', {number})", 0) == word


def test_with_setresp_replies_have_the_types_of_resp3(client: Client) -> None:
    client("HSET", "h", "f", "v")
    client("ZADD", "z", "1.5", "m")
    client("SADD", "s", "m")
    script = """
        redis.setresp(3)
        local score = redis.call('ZSCORE', KEYS[2], 'm')
        return {tostring(redis.call('GET', KEYS[4])), redis.call('HGETALL', KEYS[1]).map.f,
                tostring(score.double), tostring(redis.call('SMEMBERS', KEYS[3]).set.m)}
    """
    assert client("EVAL", script, 4, "h", "z", "s", "missing") == [b"nil", b"v", b"1.5", b"true"]


def test_setresp_takes_what_c_takes_for_a_number(driver: Driver) -> None:
    for version in ("3", "'3'", "3.7"):
        script = f"redis.setresp({version}) return tostring(redis.call('GET', 'missing'))"
        assert driver.run("EVAL", script, 0) == b"nil"


def test_a_failing_call_ends_the_script_and_names_its_line(client: Client) -> None:
    client("RPUSH", "list", "a")
    reply = text_of(
        client("EVAL", "local x = 1\nlocal y = redis.call('INCR', KEYS[1])\nreturn y", 1, "list")
    )
    assert reply.startswith(
        b"-WRONGTYPE Operation against a key holding the wrong kind of value script: "
    )
    assert reply.endswith(b", on @user_script:2.")


def test_pcall_gives_the_error_to_the_script(client: Client) -> None:
    client("RPUSH", "list", "a")
    assert client("EVAL", "return redis.pcall('INCR', KEYS[1]).err", 1, "list") == (
        b"WRONGTYPE Operation against a key holding the wrong kind of value"
    )


def test_lua_s_own_pcall_gives_the_text_of_an_error_of_redis(driver: Driver) -> None:
    script = "local ok, failure = pcall(redis.call, 'GET') return {tostring(ok), failure}"
    assert driver.run("EVAL", script, 0) == [
        b"false",
        b"ERR Wrong number of args calling Redis command from script",
    ]
    # Others are as they were raised.
    script = "local ok, failure = pcall(error, {code = 7}) return failure.code"
    assert driver.run("EVAL", script, 0) == 7
    assert driver.run("EVAL", "return {pcall(function() return 1, 2 end)}", 0) == [1, 1, 2]


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("redis.call('NOPE')", b"ERR Unknown Redis command called from script"),
        ("redis.call('GET')", b"ERR Wrong number of args calling Redis command from script"),
        ("redis.call()", b"ERR Please specify at least one argument for this redis lib call"),
        ("redis.call({})", b"ERR Lua redis lib command arguments must be strings or integers"),
        ("redis.call('SUBSCRIBE', 'c')", b"ERR This Redis command is not allowed from script"),
        ("redis.call('EVAL', 'return 1', 0)", b"ERR This Redis command is not allowed from script"),
        (
            "nope",
            b"ERR user_script:1: Script attempted to access nonexistent global variable 'nope'",
        ),
        ("error({})", b"ERR unknown error"),
        ("error({err = 5})", b"5"),
        (
            "redis.acl_check_cmd()",
            b"ERR Please specify at least one argument for this redis lib call",
        ),
        ("redis.setresp(4)", b"ERR RESP version must be 2 or 3."),
        ("redis.log(9, 'x')", b"ERR Invalid log level."),
        ("redis.log(0/0, 'x')", b"ERR Invalid log level."),
    ],
)
def test_mistakes_have_the_texts_of_redis(driver: Driver, call: str, error: bytes) -> None:
    reply = text_of(driver.run("EVAL", f"return {call}", 0))
    assert reply.startswith(b"-" + error + b" script: ")
    assert reply.endswith(b", on @user_script:1.")


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("table.insert(1, 2)", "bad argument #1 to 'insert' (table expected, got number)"),
        ("table.sort()", "bad argument #1 to 'sort' (table expected, got no value)"),
        ("rawset('x', 1, 2)", "bad argument #1 to 'rawset' (table expected, got string)"),
        ("string.rep()", "bad argument #1 to 'rep' (string expected, got no value)"),
        ("error('text')", "text"),
    ],
)
def test_errors_of_lua_name_function_and_line(driver: Driver, statement: str, error: str) -> None:
    reply = text_of(driver.run("EVAL", f"\n{statement}", 0))
    assert reply.startswith(f"-ERR user_script:2: {error} script: ".encode())
    caught = driver.run(
        "EVAL", f"\nlocal ok, raised = pcall(function() {statement} end) return raised", 0
    )
    assert caught == f"user_script:2: {error}".encode()


def test_no_error_names_a_place_in_the_sandbox(driver: Driver) -> None:
    # Redis names none here either: above the script there is only C.
    assert text_of(driver.run("EVAL", "error('text', 2)", 0)).startswith(b"-ERR text script: ")
    reply = text_of(driver.run("EVAL", "table.insert({}, 'x', 1)", 0))
    assert reply.startswith(b"-ERR bad argument #2 to ")


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("x",), b"-ERR value is not an integer or out of range"),
        ((-1,), b"-ERR Number of keys can't be negative"),
        ((1,), b"-ERR Number of keys can't be greater than number of args"),
    ],
)
def test_the_number_of_keys_is_checked(
    driver: Driver, words: tuple[object, ...], error: bytes
) -> None:
    assert driver.run("EVAL", "return 1", *words) == error  # type: ignore[arg-type]


def test_what_is_not_lua_is_refused_with_its_line(driver: Driver) -> None:
    assert driver.run("EVAL", "x y", 0) == (
        b"-ERR Error compiling script (new function): user_script:1: '=' expected near 'y'"
    )


# Keeping scripts


@pytest.mark.parametrize("kind", ["SCRIPT", "FUNCTION"])
def test_what_a_flush_forgets_is_no_longer_in_memory(driver: Driver, kind: str) -> None:
    """It had stayed in the Lua state, and counted against maxmemory, until scripts needed the room."""
    driver.run("EVAL", "collectgarbage()", 0)
    scripts = driver.engine.scripts
    before = scripts.memory_bytes
    for n in range(20):
        words = "{'" + "','".join(f"{n}-{word}" for word in range(5000)) + "'}"
        if kind == "SCRIPT":
            driver.run("SCRIPT", "LOAD", f"local words = {words}")
        else:
            register = f"redis.register_function('f{n}', function() return words[1] end)"
            driver.run("FUNCTION", "LOAD", f"#!lua name=l{n}\nlocal words = {words}\n{register}")
    assert scripts.memory_bytes > before + 2_000_000
    assert driver.run(kind, "FLUSH") == b"OK"
    driver.turn_until(lambda: not scripts.has_work)
    assert scripts.memory_bytes < before + 200_000


def test_scripts_are_known_by_their_digest(driver: Driver) -> None:
    assert driver.run("EVALSHA", RETURN_ONE_SHA, 0) == (
        b"-NOSCRIPT No matching script. Please use EVAL."
    )
    # The number of keys is looked at first, unless this cannot be a digest.
    assert driver.run("EVALSHA", RETURN_ONE_SHA, -1) == b"-ERR Number of keys can't be negative"
    assert driver.run("EVALSHA", "no digest", -1) == (
        b"-NOSCRIPT No matching script. Please use EVAL."
    )
    assert driver.run("SCRIPT", "LOAD", "return 1") == RETURN_ONE_SHA
    assert driver.run("EVALSHA", RETURN_ONE_SHA.upper(), 0) == 1
    assert driver.run("SCRIPT", "EXISTS", RETURN_ONE_SHA, "0" * 40) == [1, 0]
    assert driver.run("SCRIPT", "SHOW", RETURN_ONE_SHA) == b"return 1"
    assert driver.run("SCRIPT", "FLUSH") == b"OK"
    assert driver.run("SCRIPT", "EXISTS", RETURN_ONE_SHA) == [0]


def test_of_many_scripts_of_eval_the_least_recently_used_go(driver: Driver) -> None:
    driver.run("SCRIPT", "LOAD", "return 'kept'")
    for number in range(510):
        assert driver.run("EVAL", f"return {number}", 0) == number
        assert driver.run("EVAL", "return 0", 0) == 0
    scripts = driver.engine.scripts
    assert scripts.evicted == 10
    assert scripts.count == 501
    assert driver.run("SCRIPT", "EXISTS", RETURN_ONE_SHA) == [0]


# Rights


def test_a_script_that_must_not_write_cannot(client: Client) -> None:
    script = "return redis.call('SET', KEYS[1], 1)"
    error = b"-ERR Write commands are not allowed from read-only scripts."
    assert text_of(client("EVAL_RO", script, 1, "k")).startswith(error)
    assert text_of(client("EVAL", f"#!lua flags=no-writes\n{script}", 1, "k")).startswith(error)
    assert not client.exists(b"k")
    # What replicas are told in Redis counts as a write.
    for call in ("'PUBLISH', 'c', 'm'", "'SPUBLISH', 'c', 'm'", "'PFCOUNT', KEYS[1]"):
        assert text_of(client("EVAL_RO", f"return redis.call({call})", 1, "k")).startswith(error)


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("#!lua flags=nope", b"-ERR Unexpected flag in script shebang: nope"),
        ("#!python", b"-ERR Unexpected engine in script shebang: #!python"),
        ("#!lua name=a", b"-ERR Unknown lua shebang option: name=a"),
    ],
)
def test_the_first_line_of_a_script_may_be_wrong(driver: Driver, line: str, error: bytes) -> None:
    assert driver.run("EVAL", f"{line}\nreturn 1", 0) == error


def test_a_script_may_say_that_it_has_no_flags(driver: Driver) -> None:
    assert driver.run("EVAL", "#!lua flags=\nreturn 1", 0) == 1


def test_eval_ro_refuses_a_script_that_says_it_may_write(driver: Driver) -> None:
    assert driver.run("EVAL_RO", "#!lua\nreturn 1", 0) == (
        b"-ERR Can not execute a script with write flag using *_ro command."
    )


# Keys on disk


def on_disk(driver: Driver, key: str, value: str) -> None:
    driver.run("SET", key, value)
    driver.flush()
    driver.evict_all()


def test_declared_keys_are_loaded_before_the_script_runs(driver: Driver) -> None:
    on_disk(driver, "a", "1")
    script = "redis.call('SET', KEYS[2], 'x') return redis.call('GET', KEYS[1])"
    assert driver.run("EVAL", script, 2, "a", "b") == b"1"
    assert driver.engine.loader.blocking_loads == 0


def test_a_script_that_has_only_read_starts_again_for_keys_it_has_not_declared(
    driver: Driver,
) -> None:
    on_disk(driver, "a", "1")
    script = "local ok, v = pcall(redis.call, 'GET', 'a') return v"
    assert driver.run("EVAL", script, 0) == b"1"
    assert driver.engine.loader.blocking_loads == 0


def test_a_script_that_has_written_waits_on_the_spot_for_keys_it_has_not_declared(
    driver: Driver,
) -> None:
    on_disk(driver, "a", "1")
    script = "redis.call('INCR', 'n') return redis.call('GET', 'a')"
    assert driver.run("EVAL", script, 0) == b"1"
    assert driver.engine.loader.blocking_loads == 1
    assert driver.run("GET", "n") == b"1"


def test_a_script_in_a_transaction_cannot_start_again(driver: Driver) -> None:
    on_disk(driver, "a", "1")
    driver.run("MULTI")
    driver.run("INCR", "n")
    driver.run("EVAL", "return redis.call('GET', 'a')", 0)
    assert driver.run("EXEC") == [1, b"1"]
    assert driver.engine.loader.blocking_loads == 1


def test_commands_that_block_end_at_once(client: Client) -> None:
    assert client("EVAL", "return redis.call('BLPOP', KEYS[1], 0)", 1, "missing") is None
    assert (
        client("EVAL", "return redis.call('BLMOVE', KEYS[1], 'x', 'LEFT', 'LEFT', 0)", 1, "no")
        is None
    )


def test_what_a_script_pushes_wakes_who_blocks(driver: Driver) -> None:
    waiting = driver.new_session()
    replies = driver.start("BLPOP", "list", 0, session=waiting)
    driver.run(
        "EVAL", "redis.call('RPUSH', KEYS[1], 'a') return redis.call('LLEN', KEYS[1])", 1, "list"
    )
    assert replies == [[b"list", b"a"]]


def test_select_in_a_script_stays_in_it(client: Client) -> None:
    assert (
        client("EVAL", "redis.call('SELECT', 3) return redis.call('SET', KEYS[1], 1)", 1, "k")
        == b"OK"
    )
    assert client("EXISTS", "k") == 0


# Ending scripts


@pytest.mark.parametrize(
    "source",
    [
        "while true do pcall(function() while true do end end) end",
        # No hook is called in the handler of an error that a hook has raised: it went on for ever.
        "local function f() while true do end end while true do xpcall(f, f) end",
        "local function f() while true do end end while true do pcall(coroutine.wrap(f)) end",
    ],
)
def test_a_slow_script_lets_others_be_told_and_can_be_killed(driver: Driver, source: str) -> None:
    driver.run("CONFIG", "SET", "busy-reply-threshold", 1)
    other = driver.new_session()
    replies: list[object] = []

    def serve() -> None:
        for words in (["GET", "a"], ["SCRIPT", "KILL"]):
            replies.append(driver.engine.execute(other, [word.encode() for word in words]))
            other.reply_sent()

    driver.engine.scripts.serve_meanwhile = serve
    reply = text_of(driver.run("EVAL", source, 0))
    assert reply.startswith(b"-ERR Script killed by user with SCRIPT KILL. script: ")
    busy, killed = replies[:2]
    assert isinstance(busy, ErrorReply)
    assert busy.text == (
        b"BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
    )
    assert isinstance(killed, Status)
    assert driver.run("SCRIPT", "KILL") == b"-NOTBUSY No scripts in execution right now."


def test_a_script_that_has_written_cannot_be_killed(driver: Driver) -> None:
    driver.run("CONFIG", "SET", "busy-reply-threshold", 1)
    other = driver.new_session()
    replies: list[object] = []

    def serve() -> None:
        if not replies:
            replies.append(driver.engine.execute(other, [b"SCRIPT", b"KILL"]))
            other.reply_sent()
            driver.engine.scripts.abandon()

    driver.engine.scripts.serve_meanwhile = serve
    driver.run("EVAL", "redis.call('SET', KEYS[1], 1) while true do end", 1, "k")
    assert isinstance(replies[0], ErrorReply)
    assert replies[0].text.startswith(b"UNKILLABLE ")


def test_a_script_that_takes_too_much_memory_ends_and_the_next_one_runs(driver: Driver) -> None:
    reply = text_of(driver.run("EVAL", "local t = {} while true do t[#t + 1] = {} end", 0))
    assert reply.startswith(b"-ERR Scripts take too much memory.")
    assert driver.run("EVAL", "return 1", 0) == 1
