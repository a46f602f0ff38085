"""FUNCTION and FCALL: libraries, and how they live on disk."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from driver import Driver
from dscache.rdb.dump import sealed
from dscache.store.memory import MemoryStore

LIBRARY = """#!lua name=lib
local calls = 0
redis.register_function('count', function(keys, args)
  calls = calls + 1
  return {calls, keys[1], args[1]}
end)
redis.register_function{function_name='put', description='sets a key',
  callback=function(keys, args) return redis.call('SET', keys[1], args[1]) end}
redis.register_function{function_name='show', flags={'no-writes'},
  callback=function(keys, args) return redis.call('GET', keys[1]) end}
"""


@pytest.fixture
def driver() -> Iterator[Driver]:
    driver = Driver()
    yield driver
    driver.close()


def test_functions_get_keys_and_arguments_and_keep_their_library_s_variables(
    driver: Driver,
) -> None:
    assert driver.run("FUNCTION", "LOAD", LIBRARY) == b"lib"
    assert driver.run("FCALL", "count", 1, "k", "a") == [1, b"k", b"a"]
    assert driver.run("FCALL", "COUNT", 1, "k", "a") == [2, b"k", b"a"], "in any case"
    assert driver.run("FCALL", "put", 1, "k", "v") == b"OK"
    assert driver.run("FCALL_RO", "show", 1, "k") == b"v"
    assert driver.run("FCALL_RO", "put", 1, "k", "v") == (
        b"-ERR Can not execute a script with write flag using *_ro command."
    )


def test_libraries_are_on_disk_and_back_after_a_start() -> None:
    store = MemoryStore()
    driver = Driver(store)
    driver.run("FUNCTION", "LOAD", LIBRARY)
    gone = "#!lua name=gone\nredis.register_function('gone', function() end)"
    assert driver.run("FUNCTION", "LOAD", gone) == b"gone"
    driver.flush()
    assert driver.run("FUNCTION", "DELETE", "gone") == b"OK"
    driver.flush()
    driver.run("FLUSHALL")
    driver.flush()
    again = Driver(store)
    assert again.run("FCALL", "count", 0) == [1]
    assert again.run("FCALL", "gone", 0) == b"-ERR Function not found"
    assert again.run("DBSIZE") == 0
    assert again.run("FUNCTION", "DELETE", "lib") == b"OK"
    again.flush()
    assert Driver(store).run("FCALL", "count", 0) == b"-ERR Function not found"


def test_a_library_is_replaced_on_demand_only(driver: Driver) -> None:
    driver.run("FUNCTION", "LOAD", LIBRARY)
    new = "#!lua name=lib\nredis.register_function('other', function() return 7 end)"
    assert driver.run("FUNCTION", "LOAD", new) == b"-ERR Library 'lib' already exists"
    assert driver.run("FUNCTION", "LOAD", "REPLACE", new) == b"lib"
    assert driver.run("FCALL", "other", 0) == 7
    assert driver.run("FCALL", "count", 0) == b"-ERR Function not found"


def test_names_of_functions_differ_by_more_than_their_case(driver: Driver) -> None:
    # Redis 7.4.1 takes them within one library, calls the last by all the names, and dies of an assertion
    # when the library is deleted or replaced.
    names = "".join(f"redis.register_function('{name}', echo)\n" for name in ("abc", "aBC"))
    library = "#!lua name=lib\nlocal echo = function() end\n" + names
    assert driver.run("FUNCTION", "LOAD", library) == b"-ERR Function aBC already exists"
    assert driver.run("FUNCTION", "LIST") == []


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("x", b"-ERR Missing library metadata"),
        ("#!lua name=a", b"-ERR Invalid library metadata"),
        ("#!lua\nx", b"-ERR Library name was not given"),
        ("#!py name=a\nx", b"-ERR Engine 'py' not found"),
        ("#!lua name=a b=1\nx", b"-ERR Invalid metadata value given: b=1"),
        (
            "#!lua name=a\nx y",
            b"-ERR Error compiling function: user_function:2: '=' expected near 'y'",
        ),
        ("#!lua name=a\nlocal x", b"-ERR No functions registered"),
        (
            "#!lua name=a\nredis.call('PING')",
            (
                b"-ERR Error registering functions: ERR user_function:2: Script attempted to access"
                b" nonexistent global variable 'call'"
            ),
        ),
        (
            "#!lua name=a\nredis.register_function('f', 5)",
            (
                b"-ERR Error registering functions: ERR second argument to redis.register_function must be"
                b" a function"
            ),
        ),
        (
            "#!lua name=a\nwhile true do local x = 1 end",
            b"-ERR Error registering functions: ERR FUNCTION LOAD timeout",
        ),
    ],
)
def test_what_cannot_be_loaded_changes_nothing(driver: Driver, code: str, error: bytes) -> None:
    assert driver.run("FUNCTION", "LOAD", code) == error
    assert driver.run("FUNCTION", "LIST") == []


def test_dump_and_restore_move_all_libraries(driver: Driver) -> None:
    driver.run("FUNCTION", "LOAD", LIBRARY)
    payload = driver.run("FUNCTION", "DUMP")
    assert isinstance(payload, bytes)
    assert driver.run("FUNCTION", "RESTORE", payload) == b"-ERR Library lib already exists"
    assert driver.run("FUNCTION", "RESTORE", payload, "REPLACE") == b"OK"
    assert driver.run("FUNCTION", "FLUSH") == b"OK"
    assert driver.run("FUNCTION", "RESTORE", payload) == b"OK"
    assert driver.run("FCALL", "count", 0) == [1]
    assert driver.run("FUNCTION", "RESTORE", payload[:-1] + b"x") == (
        b"-ERR DUMP payload version or checksum are wrong"
    )


def test_list_and_stats_describe_libraries(driver: Driver) -> None:
    driver.run("FUNCTION", "LOAD", LIBRARY)
    libraries = driver.run("FUNCTION", "LIST", "LIBRARYNAME", "l*", "WITHCODE")
    assert isinstance(libraries, list)
    library = libraries[0]
    assert library[b"library_name"] == b"lib"
    assert library[b"library_code"] == LIBRARY.encode()
    assert [one[b"name"] for one in library[b"functions"]] == [b"count", b"put", b"show"]
    assert driver.run("FUNCTION", "LIST", "LIBRARYNAME", "x*") == []
    assert driver.run("FUNCTION", "STATS") == {
        b"running_script": None,
        b"engines": {b"LUA": {b"libraries_count": 1, b"functions_count": 3}},
    }


def test_a_library_that_is_there_is_told_before_the_new_code_is_looked_at(driver: Driver) -> None:
    driver.run("FUNCTION", "LOAD", LIBRARY)
    assert driver.run("FUNCTION", "LOAD", "#!lua name=lib\nreturn +") == (
        b"-ERR Library 'lib' already exists"
    )


def test_a_description_may_be_a_number_as_anything_that_c_takes_for_a_string(
    driver: Driver,
) -> None:
    source = "redis.register_function{function_name='f', description=1, callback=function() end}"
    assert driver.run("FUNCTION", "LOAD", "#!lua name=lib\n" + source) == b"lib"
    assert driver.engine.functions.find(b"f").description == b"1"
    assert driver.run(
        "FUNCTION", "LOAD", "REPLACE", "#!lua name=lib\nredis.register_function{1}"
    ) == (
        b"-ERR Error registering functions: ERR unknown argument given to redis.register_function"
    )


def test_flags_are_looked_at_before_the_name(driver: Driver) -> None:
    source = "redis.register_function{function_name='a b', callback=function() end, flags={'nope'}}"
    assert driver.run("FUNCTION", "LOAD", "#!lua name=lib\n" + source) == (
        b"-ERR Error registering functions: ERR unknown flag given"
    )


def test_a_payload_that_ends_within_a_library_is_refused(driver: Driver) -> None:
    assert driver.run("FUNCTION", "RESTORE", sealed(b"\xf5\x7f#!lua", 11)) == (
        b"-ERR Failed loading library payload"
    )
