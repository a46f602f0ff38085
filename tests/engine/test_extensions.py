"""Commands and functions in Python, on an engine: declared, called, restarted, and survived."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from driver import Driver
from dscache.commands import all_registries
from dscache.commands.table import build_table
from dscache.engine.extensions import add_commands, library_of
from dscache.errors import CommandError, ExtensionError
from dscache.extension import OK, Body, Database, Extension, ReplyError, Status


def with_command(syntax: str, body: Body, *, writes: bool = True) -> Driver:
    """An engine with one command more."""
    extension = Extension("test")
    extension.command(syntax, writes=writes)(body)
    table = build_table(all_registries())
    add_commands(table, extension)
    return Driver(None, None, table)


def with_function(body: Body, *, writes: bool = True) -> Driver:
    """An engine that has the function ``f`` of the extension ``test``."""
    extension = Extension("test")
    extension.function("f", writes=writes)(body)
    driver = Driver()
    functions = driver.engine.functions
    functions.add_extension(library_of(extension, b"the file", driver.engine.scripts))
    return driver


def seen(db: Database, keys: list[bytes], args: list[bytes]) -> object:
    """Shows what it is given."""
    return [keys, args]


def answers(reply: object) -> Body:
    """A body that answers ``reply``."""
    return lambda db, keys, args: reply


# Declaring


@pytest.mark.parametrize(
    ("syntax", "request_", "keys", "others"),
    [
        ("X", "x", "", ""),
        ("X key step", "x a b", "a", "b"),
        ("X step key", "x a b", "b", "a"),
        ("X key [step]", "x a", "a", ""),
        ("X key [step]", "x a b", "a", "b"),
        ("X source destination", "x a b", "a b", ""),
        ("X key [key ...]", "x a b c", "a b c", ""),
        ("X source destination [destination ...]", "x a b c", "a b c", ""),
        ("X key value [key value ...]", "x a b c d", "a c", "b d"),
        ("X room:key <ON | OFF>", "x a off", "a", "off"),
        ("X numkeys key [key ...] [LIMIT count]", "x 2 a b limit 3", "a b", "2 limit 3"),
    ],
)
def test_the_syntax_tells_which_arguments_are_keys(
    syntax: str, request_: str, keys: str, others: str
) -> None:
    driver = with_command(syntax, seen)
    expected = [keys.encode().split(), others.encode().split()]
    assert driver.run(*request_.split()) == expected
    if keys:
        assert driver.run("COMMAND", "GETKEYS", *request_.split()) == keys.encode().split()


@pytest.mark.parametrize(
    ("syntax", "arity"),
    [
        ("X", 1),
        ("X key step", 3),
        ("X key [step]", -2),
        ("X key [key ...]", -2),
        ("X key value [key value ...]", -3),
        ("X key <GET field | ALL> [COUNT count]", -3),
        ("X numkeys key [key ...]", -3),
    ],
)
def test_the_syntax_tells_how_many_arguments_there_must_be(syntax: str, arity: int) -> None:
    driver = with_command(syntax, seen)
    (described,) = as_list(driver.run("COMMAND", "INFO", "x"))
    assert as_list(described)[1] == arity


def as_list(reply: object) -> list[object]:
    """``reply``, which is a list."""
    assert isinstance(reply, list)
    return reply


@pytest.mark.parametrize(
    ("syntax", "reason"),
    [
        ("GET key", "test: there is a command GET already"),
        ("X [key]", "test: 'X [key]': the place of 'key', a key, is not fixed"),
        ("X [step] key", "test: 'X [step] key': the place of 'key', a key, is not fixed"),
        ("X STORE key", "test: 'X STORE key': the place of 'key', a key, is not fixed"),
        ("X key [key ...] step", "test: 'X key [key ...] step': something stands behind 'key'"),
        ("X key1 key2 [key1 key2 ...]", "'X key1 key2 [key1 key2 ...]': what repeats may hold one"),
        ("X key [step", "test: 'X key [step': ']' is missing"),
    ],
)
def test_a_command_that_cannot_be_understood_is_refused(syntax: str, reason: str) -> None:
    with pytest.raises(ExtensionError) as refusal:
        with_command(syntax, seen)
    assert reason in str(refusal.value)


@pytest.mark.parametrize("name", ["", "1X", "X|Y", "\u00dc key"])
def test_names_are_checked(name: str) -> None:
    extension = Extension("test")
    with pytest.raises(ValueError, match="cannot be the name of a command"):
        extension.command(name, writes=True)
    with pytest.raises(ValueError, match="the name of a function has letters"):
        extension.function(name + "-", writes=True)
    with pytest.raises(ValueError, match="the name of an extension has letters"):
        Extension(name + "-")


def test_it_is_described_like_a_built_in_command() -> None:
    driver = with_command("X key step", seen, writes=False)
    docs = driver.run("COMMAND", "DOCS", "x")
    assert isinstance(docs, dict)
    described = docs["x"]
    assert described.pop(b"arguments")[0][b"key_spec_index"] == 0
    assert described == {
        b"summary": "Shows what it is given.",
        b"since": "1.0.0",
        b"group": "module",
        b"complexity": "That of the extension",
    }
    assert b"x" in as_list(driver.run("ACL", "CAT", "read"))
    assert driver.run("X", "a") == b"-ERR wrong number of arguments for 'x' command"


# Calling


def test_it_calls_commands_and_gets_plain_data() -> None:
    def body(db: Database, keys: list[bytes], args: list[bytes]) -> object:
        (key,) = keys
        shown: list[object] = [db.call("SET", key, "v", "EX", 100), db.call("GET", key)]
        shown += [db.call("TTL", key), db.call("GET", "none"), db.call("DEL", key)]
        db.call("HSET", key, "f", 1.5)
        shown += [db.call("HGETALL", key) == {b"f": b"1.5"}, db.call("DEL", key)]
        db.call("ZADD", key, 1.5, b"m")
        shown += [db.call("ZRANGE", key, 0, -1, "WITHSCORES"), db.call("DEL", key)]
        db.call("SADD", key, "a")
        shown += [db.call("SMEMBERS", key), db.call("DEL", key)]
        db.call("RPUSH", key, 1 << 63, 0.1, True)
        return [*shown, db.call("LRANGE", key, 0, -1)]

    driver = with_command("X key", body)
    expected = [b"OK", b"v", 100, None, 1, True, 1, [[b"m", 1.5]], 1, [b"a"], 1]
    expected += [[b"9223372036854775808", b"0.1", b"1"]]
    assert driver.run("X", "k") == expected


def test_what_it_is_given_is_its_own_to_change() -> None:
    def body(db: Database, keys: list[bytes], args: list[bytes]) -> object:
        items = db.call("LRANGE", keys[0], 0, -1)
        assert isinstance(items, list)
        items.clear()
        return db.call("LRANGE", keys[0], 0, -1)

    driver = with_command("X key", body, writes=False)
    driver.run("RPUSH", "k", "a", "b")
    assert driver.run("X", "k") == [b"a", b"b"]


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (None, None),
        (OK, b"OK"),
        (b"raw", b"raw"),
        ("text", b"text"),
        # Its connection was closed.
        (
            "\udc80",
            (
                b"-ERR the extension's X failed: UnicodeEncodeError: 'utf-8' codec can't encode"
                b" character '\\udc80' in position 0: surrogates not allowed"
            ),
        ),
        (Status(b"a\nb"), b"-ERR the extension's X failed: ValueError: a status is one line"),
        (-1, -1),
        (True, True),
        (1.5, 1.5),
        ((1, [b"a"]), [1, [b"a"]]),
        (1 << 63, b"-ERR the extension's X failed: ValueError: an integer of a reply has 64 bits"),
        (object, b"-ERR the extension's X failed: TypeError: a reply cannot be of type type"),
    ],
)
def test_replies_are_plain_data_or_refused(reply: object, expected: object) -> None:
    assert with_command("X", answers(reply)).run("X") == expected


def test_a_reply_that_holds_itself_is_refused() -> None:
    loop: list[object] = []
    loop.append(loop)
    expected = b"-ERR the extension's X failed: ValueError: a reply holds itself"
    assert with_command("X", answers(loop)).run("X") == expected


def test_a_reply_that_is_nested_too_deeply_is_refused() -> None:
    """The server took gigabytes for it, and ended."""
    deep: object = b"x"
    for _ in range(100):
        deep = [deep]
    assert with_command("X", answers(deep)).run("X") == deep
    expected = b"-ERR the extension's X failed: ValueError: a reply is nested more than 100 deep"
    assert with_command("X", answers([deep])).run("X") == expected


def test_errors_of_commands_can_be_caught_and_are_the_reply_otherwise() -> None:
    def body(db: Database, keys: list[bytes], args: list[bytes]) -> object:
        if args:
            try:
                db.call("INCR", keys[0])
            except ReplyError as error:
                return f"caught {error}"
        return db.call("INCR", keys[0])

    driver = with_command("X key [catch]", body)
    driver.run("SET", "k", "a")
    assert driver.run("X", "k") == b"-ERR value is not an integer or out of range"
    assert driver.run("X", "k", "1") == b"caught ERR value is not an integer or out of range"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ReplyError("NOROOM not\r\nhere"), b"-NOROOM not  here"),
        (ZeroDivisionError("oh"), b"-ERR the extension's X failed: ZeroDivisionError: oh"),
        (SystemExit(3), b"-ERR the extension's X failed: SystemExit: 3"),
        (CommandError(b"ERR no"), b"-ERR the extension's X failed: CommandError: ERR no"),
    ],
)
def test_whatever_it_raises_is_an_error_reply(
    error: BaseException, expected: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    def body(db: Database, keys: list[bytes], args: list[bytes]) -> object:
        db.call("SET", "k", "done")
        raise error

    driver = with_command("X", body)
    with caplog.at_level(logging.ERROR, "dscache"):
        assert driver.run("X") == expected
    assert ("Traceback" in caplog.text) is not isinstance(error, ReplyError)
    assert driver.run("GET", "k") == b"done"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("SET k v", b"-ERR Write commands are not allowed from read-only scripts."),
        ("EVAL x 0", b"-ERR This Redis command is not allowed from script"),
        ("X EVAL", b"-ERR This Redis command is not allowed from script"),
        ("NONE", b"-ERR Unknown Redis command called from script"),
        ("GET", b"-ERR Wrong number of args calling Redis command from script"),
    ],
)
def test_it_may_call_what_scripts_may_and_writes_only_if_it_says_so(
    words: str, expected: bytes
) -> None:
    driver = with_command("X word [word ...]", lambda db, keys, args: db.call(*args), writes=False)
    assert driver.run("X", *words.split()) == expected


def test_a_user_needs_the_rights_to_it_and_to_what_it_calls() -> None:
    driver = with_command("X key", lambda db, keys, args: db.call("INCR", keys[0]))
    driver.run("ACL", "SETUSER", "default", "-incr", "resetkeys", "~a*")
    denied = b"-NOPERM No permissions to access a key"
    assert driver.run("X", "b") == denied
    assert b"has no permissions to run the 'incr' command" in str(driver.run("X", "a")).encode()
    driver.run("ACL", "SETUSER", "default", "+incr")
    assert driver.run("X", "a") == 1


def test_a_database_is_of_no_use_later() -> None:
    kept: list[Database] = []
    driver = with_command("X", lambda db, keys, args: kept.append(db))
    driver.run("X")
    with pytest.raises(RuntimeError, match="only while the body runs"):
        kept[0].call("GET", "k")


# The disk


def test_declared_keys_are_there_when_it_begins() -> None:
    first_calls: list[int] = []

    def body(db: Database, keys: list[bytes], args: list[bytes]) -> object:
        first_calls.append(1)
        return [db.call("GET", key) for key in keys]

    driver = with_command("X key [key ...]", body, writes=False)
    driver.run("MSET", "a", "1", "b", "2", "c", "3")
    driver.evict_all()
    assert driver.run("X", "a", "b", "c") == [b"1", b"2", b"3"]
    # The first look finds that one is missing, and has all of them loaded.
    assert len(first_calls) == 2
    assert driver.engine.loader.blocking_loads == 0


def test_it_is_started_again_for_others_though_it_catches_everything() -> None:
    runs: list[int] = []

    def body(db: Database, keys: list[bytes], args: list[bytes]) -> object:
        runs.append(1)
        try:
            return db.call("GET", "b")
        except Exception as error:
            return str(error)

    driver = with_command("X", body)
    driver.run("SET", "b", "2")
    driver.evict_all()
    assert driver.run("X") == b"2"
    assert len(runs) == 2
    assert driver.engine.loader.blocking_loads == 0


def test_once_it_has_written_a_load_keeps_everybody_waiting() -> None:
    def body(db: Database, keys: list[bytes], args: list[bytes]) -> object:
        db.call("INCR", keys[0])
        return db.call("GET", "b")

    driver = with_command("X key", body)
    driver.run("SET", "b", "2")
    driver.evict_all()
    assert driver.run("X", "a") == b"2"
    assert driver.run("GET", "a") == b"1"
    assert driver.engine.loader.blocking_loads == 1


def test_in_a_transaction_it_is_one_of_its_commands() -> None:
    driver = with_command("X key", lambda db, keys, args: db.call("INCR", keys[0]))
    driver.run("SET", "a", "1")
    driver.evict_all()
    driver.run("MULTI")
    assert driver.run("X", "a") == b"QUEUED"
    assert driver.run("GET", "a") == b"QUEUED"
    assert driver.run("EXEC") == [2, b"2"]
    assert driver.engine.loader.blocking_loads == 0


# Functions


def test_functions_are_called_and_listed_with_those_in_lua() -> None:
    driver = with_function(seen)
    assert driver.run("FCALL", "f", 1, "a", "b") == [[b"a"], [b"b"]]
    driver.run(
        "FUNCTION", "LOAD", "#!lua name=lib\nredis.register_function('g', function() return 1 end)"
    )
    assert driver.run("FCALL", "g", 0) == 1
    stats = driver.run("FUNCTION", "STATS")
    one = {b"libraries_count": 1, b"functions_count": 1}
    assert stats == {b"running_script": None, b"engines": {b"LUA": one, b"PYTHON": one}}
    listed = as_list(driver.run("FUNCTION", "LIST", "LIBRARYNAME", "test", "WITHCODE"))
    assert len(listed) == 1
    assert isinstance(listed[0], dict)
    assert listed[0][b"engine"] == b"PYTHON"
    assert listed[0][b"library_code"] == b"the file"


@pytest.mark.parametrize("writes", [False, True])
def test_only_functions_that_do_not_write_can_be_called_read_only(writes: bool) -> None:
    driver = with_function(seen, writes=writes)
    refusal = b"-ERR Can not execute a script with write flag using *_ro command."
    assert driver.run("FCALL_RO", "f", 0) == (refusal if writes else [[], []])


LUA_LIBRARY = "#!lua name=%s\nredis.register_function('%s', function() return 1 end)"
IS_THERE = b"-ERR Library 'test' already exists"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda d: d.run("FUNCTION", "LOAD", LUA_LIBRARY % ("test", "g")), IS_THERE),
        (lambda d: d.run("FUNCTION", "LOAD", "REPLACE", LUA_LIBRARY % ("test", "g")), IS_THERE),
        (
            lambda d: d.run("FUNCTION", "LOAD", LUA_LIBRARY % ("lib", "F")),
            b"-ERR Function F already exists",
        ),
        (
            lambda d: d.run("FUNCTION", "DELETE", "test"),
            b"-ERR Library 'test' is not part of the data set: an extension brings it",
        ),
        (lambda d: d.run("FUNCTION", "FLUSH"), b"OK"),
        (lambda d: d.run("FUNCTION", "RESTORE", d.run("FUNCTION", "DUMP"), "FLUSH"), b"OK"),
    ],
)
def test_the_data_set_s_functions_change_without_touching_an_extension_s(
    change: Callable[[Driver], object], expected: bytes
) -> None:
    driver = with_function(seen)
    assert change(driver) == expected
    assert driver.run("FCALL", "f", 0) == [[], []]


def test_a_function_of_the_same_name_in_the_data_set_is_noticed() -> None:
    extension = Extension("test")
    extension.function("f", writes=True)(seen)
    driver = Driver()
    driver.run("FUNCTION", "LOAD", LUA_LIBRARY % ("lib", "f"))
    functions = driver.engine.functions
    with pytest.raises(CommandError, match="Function f already exists"):
        functions.add_extension(library_of(extension, b"", driver.engine.scripts))
    assert driver.run("FCALL", "f", 0) == 1
