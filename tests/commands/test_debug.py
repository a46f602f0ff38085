"""DEBUG: who may use it, and what it does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import cast

import pytest

from driver import Driver
from dscache.wire.reply import ErrorReply, Push, Status

NOT_ALLOWED = (
    b'-ERR DEBUG command not allowed. If the enable-debug-command option is set to "local", you '
    b"can run it from a local connection, otherwise you need to set this option in the "
    b"configuration file, and then restart the server."
)


@pytest.fixture
def driver() -> Iterator[Driver]:
    """An engine that allows DEBUG."""
    driver = Driver(enable_debug_command="yes")
    yield driver
    driver.close()


@pytest.fixture(params=["in memory", "on disk only"])
def settle(request: pytest.FixtureRequest, driver: Driver) -> Callable[[], None]:
    """Where the keys written so far are to be."""

    def move() -> None:
        if request.param == "on disk only":
            driver.evict_all()

    return move


def test_debug_is_refused_unless_it_is_enabled() -> None:
    driver = Driver()
    try:
        driver.session.address = "127.0.0.1:1"
        assert driver.run("DEBUG", "SLEEP", "0") == NOT_ALLOWED
        assert driver.run("DEBUG", "HELP") == NOT_ALLOWED
    finally:
        driver.close()


@pytest.mark.parametrize(
    ("address", "is_allowed"),
    [
        ("127.0.0.1:5000", True),
        ("[::1]:5000", True),
        ("[::ffff:127.0.0.1]:5000", True),
        ("/run/dscache.sock:0", True),
        ("dscache.sock:0", True),
        ("10.0.0.1:5000", False),
        ("[::2]:5000", False),
        ("[fe80::1]:5000", False),
    ],
)
def test_debug_can_be_enabled_for_this_machine_only(address: str, is_allowed: bool) -> None:
    driver = Driver(enable_debug_command="local")
    try:
        driver.session.address = address
        assert driver.run("DEBUG", "SLEEP", "0") == (b"OK" if is_allowed else NOT_ALLOWED)
    finally:
        driver.close()


@pytest.mark.parametrize("words", [("NOPE",), ("SLEEP",), ("OBJECT", "a", "b"), ("DIGEST", "a")])
def test_unknown_forms_are_refused(driver: Driver, words: tuple[str, ...]) -> None:
    assert driver.run("DEBUG", *words) == (
        b"-ERR unknown subcommand or wrong number of arguments for '%s'. Try DEBUG HELP."
        % words[0].encode()
    )


def test_sleep_stops_the_server_for_a_while(driver: Driver) -> None:
    before = time.perf_counter()
    assert driver.run("DEBUG", "SLEEP", "0.01") == b"OK"
    assert time.perf_counter() - before >= 0.01


@pytest.mark.parametrize("seconds", ["-1", "61", "inf"])
def test_sleep_is_bounded(driver: Driver, seconds: str) -> None:
    assert driver.run("DEBUG", "SLEEP", seconds) == (b"-ERR the seconds must be between 0 and 60")
    assert driver.run("DEBUG", "SLEEP", "x") == b"-ERR value is not a valid float"


def test_active_expiry_can_be_switched(driver: Driver) -> None:
    assert driver.run("DEBUG", "SET-ACTIVE-EXPIRE", "0") == b"OK"
    driver.run("SET", "key", "value", "PX", "1000")
    driver.flush()
    driver.advance(2.0)
    driver.engine.tick()
    driver.engine.turn()
    assert driver.engine.keyspaces[0].space.keys == 1
    assert driver.run("DEBUG", "SET-ACTIVE-EXPIRE", "1") == b"OK"
    driver.engine.tick()
    driver.turn_until(lambda: driver.engine.keyspaces[0].space.keys == 0)
    assert driver.run("DEBUG", "SET-ACTIVE-EXPIRE", "yes") == b"-ERR syntax error"


@pytest.mark.parametrize(
    ("value", "encoding"),
    [("1234", "int"), ("0012", "raw or embstr"), ("text", "embstr"), ("x" * 45, "raw")],
)
def test_object_describes_how_a_value_is_kept(
    driver: Driver, settle: Callable[[], None], value: str, encoding: str
) -> None:
    driver.run("SET", "key", value)
    settle()
    described = driver.run("DEBUG", "OBJECT", "key")
    assert isinstance(described, bytes)
    fields = dict(word.split(b":", 1) for word in described.split()[1:])
    assert fields[b"encoding"].decode() in encoding
    assert fields[b"serializedlength"] == b"%d" % len(value)
    assert fields[b"refcount"] == b"1"


def test_object_is_no_use_of_the_key(driver: Driver) -> None:
    driver.run("SET", "key", "value")
    driver.flush()
    hits = driver.engine.core.stats.keyspace_hits
    driver.run("DEBUG", "OBJECT", "key")
    entry = driver.engine.keyspaces[0].find(b"key")
    assert entry is not None
    assert (driver.engine.core.stats.keyspace_hits, entry.frequency) == (hits, 0)


def test_object_of_a_missing_key_is_an_error(driver: Driver) -> None:
    assert driver.run("DEBUG", "OBJECT", "missing") == b"-ERR no such key"


def test_reload_leaves_the_server_as_a_restart_would(driver: Driver) -> None:
    driver.run("SET", "a", "1")
    driver.run("SELECT", "3")
    driver.run("SET", "b", "2", "PX", "5000")
    assert driver.run("DEBUG", "RELOAD") == b"OK"
    assert all(not keyspace.space.entries for keyspace in driver.engine.keyspaces)
    assert driver.run("GET", "b") == b"2"
    driver.advance(5.0)
    assert driver.run("GET", "b") is None
    driver.run("SELECT", "0")
    assert driver.run("GET", "a") == b"1"


def test_reload_keeps_in_memory_what_was_written_meanwhile(driver: Driver) -> None:
    driver.run("SET", "a", "1")
    replies = driver.start("DEBUG", "RELOAD")
    driver.run("SET", "b", "2", session=driver.new_session())
    driver.turn_until(lambda: bool(replies))
    assert list(driver.engine.keyspaces[0].space.entries) == [b"b"]
    assert driver.run("GET", "b") == b"2"


def test_reload_is_refused_in_a_transaction(driver: Driver) -> None:
    driver.run("MULTI")
    driver.run("DEBUG", "RELOAD")
    replies = driver.run("EXEC")
    assert isinstance(replies, list)
    assert isinstance(replies[0], ErrorReply)


def test_reload_takes_the_options_that_it_can_honour(driver: Driver) -> None:
    driver.run("SET", "a", "1")
    assert driver.run("DEBUG", "RELOAD", "NOFLUSH", "MERGE") == b"OK"
    assert driver.run("GET", "a") == b"1"
    assert driver.run("DEBUG", "RELOAD", "NOFLUSH") == (
        b"-ERR Error trying to load the RDB dump, check server logs."
    )
    assert driver.run("DEBUG", "RELOAD", "NOSAVE", "NOFLUSH", "MERGE") == (
        b"-ERR NOSAVE is not possible: what is in memory is always saved first"
    )
    assert driver.run("DEBUG", "RELOAD", "NOW") == (
        b"-ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options."
    )


def test_protocol_answers_with_a_reply_of_each_kind(driver: Driver) -> None:
    pushed: list[object] = []
    driver.session.push = pushed.append
    assert driver.run("DEBUG", "PROTOCOL", "double") == 3.141
    assert driver.run("DEBUG", "PROTOCOL", "MAP") == {0: False, 1: True, 2: False}
    assert driver.run("DEBUG", "PROTOCOL", "push") == (
        b"-ERR RESP2 is not supported by this command"
    )
    driver.session.resp = 3
    assert driver.run("DEBUG", "PROTOCOL", "push") == b"Some real reply following the push reply"
    assert [one.items for one in pushed if isinstance(one, Push)] == [[b"server-cpu-usage", 42]]
    assert driver.run("DEBUG", "PROTOCOL", "nope") == (
        b"-ERR Wrong protocol type name. Please use one of the following: string|integer|double|"
        b"bignum|null|array|set|map|attrib|verbatim|true|false|push"
    )


def test_scripts_can_be_allowed_to_call_everything(driver: Driver) -> None:
    script = ("EVAL", "return redis.call('DEBUG', 'PROTOCOL', 'integer')", "0")
    assert b"not allowed from script" in cast(bytes, driver.run(*script))
    driver.run("DEBUG", "SET-DISABLE-DENY-SCRIPTS", "1")
    assert driver.run(*script) == 12345
    for kind, reply in (("bignum", b"1234567"), ("attrib", b"Some real reply")):
        value = driver.run("EVAL", "return redis.call('DEBUG', 'PROTOCOL', ARGV[1])", "0", kind)
        assert isinstance(value, bytes)
        assert value.startswith(reply)
    driver.run("DEBUG", "SET-DISABLE-DENY-SCRIPTS", "0")
    assert b"not allowed from script" in cast(bytes, driver.run(*script))


def test_help_names_what_there_is(driver: Driver) -> None:
    lines = driver.run("DEBUG", "HELP")
    assert isinstance(lines, list)
    assert all(isinstance(line, Status) for line in lines)
    names = {line.text.split(b" ")[0] for line in lines[1:] if not line.text.startswith(b" ")}
    assert names == {
        b"DIGEST",
        b"DIGEST-VALUE",
        b"ERROR",
        b"HELP",
        b"OBJECT",
        b"PROTOCOL",
        b"RELOAD",
        b"SET-ACTIVE-EXPIRE",
        b"SET-DISABLE-DENY-SCRIPTS",
        b"SLEEP",
    }


def test_digests_tell_values_apart_and_not_their_order(driver: Driver) -> None:
    driver.run("SADD", "a", "1", "2", "x")
    driver.run("SADD", "b", "x", "2", "1")
    driver.run("RPUSH", "c", "1", "2", "x")
    driver.run("HSET", "d", "f", "1", "g", "2")
    driver.run("HSET", "e", "g", "2", "f", "1")
    driver.run("ZADD", "f", "1", "m", "2.5", "n")
    driver.run("SET", "g", "text")
    driver.evict_all()
    reply = driver.run("DEBUG", "DIGEST-VALUE", *"abcdefg", "none")
    assert isinstance(reply, list)
    digests = [one.text for one in reply]
    assert digests[0] == digests[1]
    assert digests[3] == digests[4]
    assert len(set(digests)) == 6
    assert digests[-1] == b"0" * 40
    assert driver.run("DEBUG", "DIGEST-VALUE") == []


def test_digests_tell_streams_apart_and_not_how_they_are_kept(driver: Driver) -> None:
    driver.run("XADD", "a", "1-1", "f", "v")
    for number in (1, 2):
        driver.run("XADD", "b", f"{number}-1", "f", "v")
    driver.run("XDEL", "b", "2-1")
    driver.run("XADD", "c", "1-1", "f", "w")
    reply = driver.run("DEBUG", "DIGEST-VALUE", "a", "b", "c")
    assert isinstance(reply, list)
    digests = [one.text for one in reply]
    assert digests[0] == digests[1] != digests[2]


def digest(driver: Driver) -> bytes:
    """Of the whole data set."""
    reply = driver.run("DEBUG", "DIGEST")
    assert isinstance(reply, bytes)
    return reply


def test_the_digest_of_a_data_set_is_that_of_all_its_keys(driver: Driver) -> None:
    assert digest(driver) == b"0" * 40
    seen = {digest(driver)}
    for words in (
        ("SET", "text", "1"),
        ("HSET", "hash", "f", "v", "g", "w" * 20_000),
        ("HPEXPIRE", "hash", "5000", "FIELDS", "1", "f"),
        ("SET", "text", "2"),
        ("PEXPIRE", "text", "1000"),
        ("SELECT", "3"),
        ("SET", "text", "2"),
        ("RPUSH", "list", *map(str, range(1000))),
    ):
        driver.run(*words)
        if words[0] != "SELECT":
            assert digest(driver) not in seen
            seen.add(digest(driver))
    before = digest(driver)
    assert driver.run("DEBUG", "RELOAD") == b"OK"
    assert digest(driver) == before
    driver.run("DEL", "list", "text")
    # What is due does not exist.
    driver.advance(1)
    due = digest(driver)
    driver.run("SELECT", "0")
    driver.run("DEL", "text")
    assert digest(driver) == due
    driver.advance(5)
    due = digest(driver)
    driver.run("HLEN", "hash")
    assert digest(driver) == due != before
    driver.run("FLUSHALL")
    assert digest(driver) == b"0" * 40


def test_a_digest_reads_many_keys_and_not_into_memory(driver: Driver) -> None:
    for number in range(1000):
        driver.run("SET", f"key:{number}", str(number))
    driver.evict_all()
    before = digest(driver)
    assert not driver.engine.keyspaces[0].space.entries
    driver.run("SET", "key:999", "999")
    assert digest(driver) == before
    driver.run("SET", "key:999", "998")
    assert digest(driver) != before


def test_error_answers_its_text_as_an_error(driver: Driver) -> None:
    """redis-py's tests of how a client takes them need it."""
    assert driver.run("DEBUG", "ERROR", "LOADING in a\nmoment") == b"-LOADING in a\nmoment"
