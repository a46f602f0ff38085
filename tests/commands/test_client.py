"""CLIENT: what is shown of clients, and what can be done to them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Final

import pytest

from driver import Driver
from dscache.engine.session import Session
from dscache.wire.reply import OK, Verbatim

FIELDS_TEXT = (
    "id addr laddr fd name age idle flags db sub psub ssub multi watch qbuf qbuf-free argv-mem "
    "multi-mem rbs rbp obl oll omem tot-mem events cmd user redir resp lib-name lib-ver wait"
)
FIELDS = FIELDS_TEXT.split(" ")


@pytest.fixture
def driver() -> Iterator[Driver]:
    """An engine whose first client seems to be connected."""
    driver = Driver()
    connect(driver, driver.session, "127.0.0.1:1001")
    yield driver
    driver.close()


def connect(driver: Driver, session: Session, address: str) -> None:
    """Give ``session`` what the server's connection would."""
    session.address = address
    session.local_address = "127.0.0.1:6379"
    session.file_descriptor = 7 + session.number
    session.close = lambda: driver.engine.end_session(session)


def newcomer(driver: Driver, address: str) -> Session:
    """One more client."""
    session = driver.new_session()
    connect(driver, session, address)
    return session


def lines_of(reply: object) -> list[dict[str, str]]:
    """CLIENT LIST's lines as dictionaries."""
    assert isinstance(reply, Verbatim)
    lines = reply.text.decode().splitlines()
    return [dict(field.split("=", 1) for field in line.split(" ")) for line in lines]


def shown(driver: Driver, session: Session) -> dict[str, str]:
    """What another client sees of ``session``."""
    observer = driver.new_session()
    [line] = lines_of(driver.run("CLIENT", "LIST", "ID", session.number, session=observer))
    driver.engine.end_session(observer)
    return line


# LIST and INFO


def test_a_line_has_the_fields_of_redis_in_their_order_and_wait(driver: Driver) -> None:
    reply = driver.run("CLIENT", "INFO")
    assert isinstance(reply, Verbatim)
    assert re.findall(r"([\w-]+)=", reply.text.decode()) == FIELDS
    assert reply.text.endswith(b"\n")


def test_client_info_describes_the_caller(driver: Driver) -> None:
    driver.advance(12.0)
    driver.run("CLIENT", "SETNAME", "me")
    driver.session.buffers = lambda: (26, 0)
    [line] = lines_of(driver.run("CLIENT", "INFO"))
    assert line == {
        "id": str(driver.session.number), "addr": "127.0.0.1:1001", "laddr": "127.0.0.1:6379",
        "fd": str(7 + driver.session.number), "name": "me", "age": "12", "idle": "0", "flags": "N",
        "db": "0", "sub": "0", "psub": "0", "ssub": "0", "multi": "-1", "watch": "0", "qbuf": "26",
        "qbuf-free": "0", "argv-mem": "10", "multi-mem": "0", "rbs": "0", "rbp": "0", "obl": "0",
        "oll": "0", "omem": "0", "tot-mem": "10", "events": "r", "cmd": "client|info",
        "user": "default", "redir": "-1", "resp": "2", "lib-name": "", "lib-ver": "", "wait": "",
    }  # fmt: skip


def test_client_list_shows_all_in_the_order_in_which_they_came(driver: Driver) -> None:
    newcomer(driver, "10.0.0.2:5")
    newcomer(driver, "10.0.0.3:5")
    addresses = [line["addr"] for line in lines_of(driver.run("CLIENT", "LIST"))]
    assert addresses == ["127.0.0.1:1001", "10.0.0.2:5", "10.0.0.3:5"]


def test_client_list_can_be_limited_to_numbers_and_types(driver: Driver) -> None:
    other = newcomer(driver, "10.0.0.2:5")
    asked = driver.run("CLIENT", "LIST", "ID", other.number, driver.session.number, 999)
    assert [line["addr"] for line in lines_of(asked)] == ["10.0.0.2:5", "127.0.0.1:1001"]
    assert len(lines_of(driver.run("CLIENT", "LIST", "TYPE", "Normal"))) == 2
    assert lines_of(driver.run("CLIENT", "LIST", "TYPE", "replica")) == []


def test_client_list_refuses_other_arguments(driver: Driver) -> None:
    assert driver.run("CLIENT", "LIST", "ID", "x") == b"-ERR Invalid client ID"
    assert driver.run("CLIENT", "LIST", "ID") == b"-ERR syntax error"
    assert driver.run("CLIENT", "LIST", "TYPE") == b"-ERR syntax error"
    assert driver.run("CLIENT", "LIST", "TYPE", "x") == b"-ERR Unknown client type 'x'"
    assert driver.run("CLIENT", "NOPE") == b"-ERR unknown subcommand 'NOPE'. Try CLIENT HELP."


def test_a_client_that_has_sent_nothing_has_no_command_and_grows_idle(driver: Driver) -> None:
    other = newcomer(driver, "10.0.0.2:5")
    driver.advance(5.5)
    line = shown(driver, other)
    assert (line["cmd"], line["age"], line["idle"]) == ("NULL", "5", "5")
    driver.run("PING", session=other)
    driver.advance(1.0)
    line = shown(driver, other)
    assert (line["cmd"], line["age"], line["idle"]) == ("ping", "6", "1")


def test_unsent_replies_are_shown(driver: Driver) -> None:
    driver.session.buffers = lambda: (3, 1000)
    driver.session.memory_bytes = lambda: 5099
    line = shown(driver, driver.session)
    # All that the client takes, and the arguments of the command that shows it.
    assert (line["qbuf"], line["oll"], line["omem"], line["tot-mem"]) == ("3", "1", "1000", "5099")
    assert line["events"] == "rw"


def test_a_transaction_is_shown(driver: Driver) -> None:
    driver.run("WATCH", "a", "b")
    driver.run("MULTI")
    driver.run("SET", "a", "12345")
    line = shown(driver, driver.session)
    assert (line["flags"], line["multi"], line["watch"]) == ("x", "1", "2")
    assert line["multi-mem"] == "9"
    driver.run("SET", "a", "1", session=driver.new_session())
    assert shown(driver, driver.session)["flags"] == "xd"


def test_flags_tell_what_is_special(driver: Driver) -> None:
    driver.engine.monitors.add(driver.session)
    driver.run("CLIENT", "NO-EVICT", "ON")
    driver.run("CLIENT", "NO-TOUCH", "ON")
    driver.session.address = "/run/dscache.sock:0"
    driver.session.close = lambda: None
    driver.run("QUIT")
    assert shown(driver, driver.session)["flags"] == "OcUeT"


def test_a_suspended_client_shows_what_it_waits_for(driver: Driver) -> None:
    driver.run("SET", "key", "value")
    driver.evict_all()
    replies = driver.start("GET", "key")
    assert not replies
    line = shown(driver, driver.session)
    assert line["flags"] == "b"
    assert re.fullmatch(r"disk:\d+", line["wait"])
    driver.turn_until(lambda: bool(replies))
    assert replies == [b"value"]
    line = shown(driver, driver.session)
    assert (line["flags"], line["wait"]) == ("N", "")


def test_a_transaction_that_waited_is_not_waiting_while_it_runs(driver: Driver) -> None:
    driver.run("SET", "key", "value")
    driver.evict_all()
    driver.run("MULTI")
    driver.run("GET", "key")
    driver.run("CLIENT", "INFO")
    replies = driver.run("EXEC")
    assert isinstance(replies, list)
    [line] = lines_of(replies[1])
    assert (line["flags"], line["wait"]) == ("N", "")


# Names


def test_names_can_be_given_and_taken_away(driver: Driver) -> None:
    assert driver.run("CLIENT", "GETNAME") is None
    assert driver.run("CLIENT", "SETNAME", "worker-1") == b"OK"
    assert driver.run("CLIENT", "GETNAME") == b"worker-1"
    assert driver.run("CLIENT", "SETNAME", "") == b"OK"
    assert driver.run("CLIENT", "GETNAME") is None


@pytest.mark.parametrize("name", [b"a b", b"a\n", b"\xc3\xa4", b"a\0b", b"\x7f"])
def test_names_that_would_break_the_list_are_refused(driver: Driver, name: bytes) -> None:
    driver.run("CLIENT", "SETNAME", "old")
    assert driver.run("CLIENT", "SETNAME", name) == (
        b"-ERR Client names cannot contain spaces, newlines or special characters."
    )
    assert driver.run("CLIENT", "GETNAME") == b"old"


def test_setinfo_notes_the_library(driver: Driver) -> None:
    assert driver.run("CLIENT", "SETINFO", "LIB-NAME", "redis-py") == b"OK"
    assert driver.run("CLIENT", "SETINFO", "lib-ver", "5.0") == b"OK"
    line = shown(driver, driver.session)
    assert (line["lib-name"], line["lib-ver"]) == ("redis-py", "5.0")
    assert driver.run("CLIENT", "SETINFO", "lib-x", "y") == b"-ERR Unrecognized option 'lib-x'"
    assert driver.run("CLIENT", "SETINFO", "lib-ver", "5 0") == (
        b"-ERR lib-ver cannot contain spaces, newlines or special characters."
    )


def test_every_client_has_a_number_of_its_own(driver: Driver) -> None:
    first = driver.run("CLIENT", "ID")
    other = driver.new_session()
    assert driver.run("CLIENT", "ID", session=other) == other.number != first
    driver.engine.end_session(other)
    assert driver.new_session().number > other.number


# REPLY


def dropped(driver: Driver, *words: str) -> bool:
    """Whether the reply of a command would be sent, as the server's connection finds out."""
    driver.run(*words)
    session = driver.session
    return session.reply_mode != 0 and session.should_drop_reply()


def test_reply_off_drops_everything_until_on(driver: Driver) -> None:
    assert dropped(driver, "CLIENT", "REPLY", "OFF")
    assert dropped(driver, "PING")
    assert dropped(driver, "CLIENT", "REPLY", "SKIP")
    assert dropped(driver, "PING")
    assert dropped(driver, "PING")
    assert not dropped(driver, "CLIENT", "REPLY", "ON")
    assert not dropped(driver, "PING")


def test_reply_skip_drops_exactly_the_next_reply(driver: Driver) -> None:
    assert dropped(driver, "CLIENT", "REPLY", "SKIP")
    assert dropped(driver, "PING")
    assert not dropped(driver, "PING")


def test_reply_on_undoes_skip(driver: Driver) -> None:
    assert dropped(driver, "CLIENT", "REPLY", "SKIP")
    assert not dropped(driver, "CLIENT", "REPLY", "ON")
    assert not dropped(driver, "PING")


def test_skips_can_follow_each_other(driver: Driver) -> None:
    assert dropped(driver, "CLIENT", "REPLY", "SKIP")
    assert dropped(driver, "CLIENT", "REPLY", "SKIP")
    assert dropped(driver, "PING")
    assert not dropped(driver, "PING")


def test_a_reset_after_skip_is_not_answered(driver: Driver) -> None:
    assert dropped(driver, "CLIENT", "REPLY", "SKIP")
    assert dropped(driver, "RESET")
    assert not dropped(driver, "PING")


def test_reply_refuses_other_words(driver: Driver) -> None:
    assert driver.run("CLIENT", "REPLY", "maybe") == b"-ERR syntax error"
    assert driver.session.reply_mode == 0


# NO-TOUCH and NO-EVICT


def test_no_touch_leaves_the_eviction_order_alone() -> None:
    driver = Driver(cache_policy="lru")
    try:
        for key in ("old", "new"):
            driver.run("SET", key, "value")
        driver.flush()
        for mode, victim in (("ON", b"old"), ("OFF", b"new")):
            assert driver.run("CLIENT", "NO-TOUCH", mode) == b"OK"
            driver.run("GET", "old")
            entry = driver.engine.residency.policy.victim()
            assert entry is not None
            assert entry.key == victim
            driver.engine.residency.policy.admit(entry)
            # It was admitted as the newest; the order is old, new again.
            driver.session.no_touch = False
            for key in ("old", "new"):
                driver.run("GET", key)
    finally:
        driver.close()


def test_no_touch_concerns_only_its_own_connection() -> None:
    driver = Driver(cache_policy="lru")
    try:
        driver.run("CLIENT", "NO-TOUCH", "ON", session=driver.new_session())
        for key in ("old", "new"):
            driver.run("SET", key, "value")
        driver.flush()
        driver.run("GET", "old")
        entry = driver.engine.residency.policy.victim()
        assert entry is not None
        assert entry.key == b"new"
        driver.engine.residency.policy.admit(entry)
    finally:
        driver.close()


@pytest.mark.parametrize("option", ["NO-TOUCH", "NO-EVICT"])
def test_switches_take_on_and_off_only(driver: Driver, option: str) -> None:
    assert driver.run("CLIENT", option, "on") == b"OK"
    assert driver.run("CLIENT", option, "OFF") == b"OK"
    assert driver.run("CLIENT", option, "wrong") == b"-ERR syntax error"


# KILL


def test_kill_by_address_ends_that_client(driver: Driver) -> None:
    other = newcomer(driver, "10.0.0.2:5")
    assert driver.run("CLIENT", "KILL", "10.0.0.2:5") == b"OK"
    assert other.number not in driver.engine.sessions
    assert driver.run("CLIENT", "KILL", "10.0.0.2:5") == b"-ERR No such client"


def test_the_old_form_may_kill_the_caller_who_is_answered(driver: Driver) -> None:
    assert driver.run("CLIENT", "KILL", "127.0.0.1:1001") == b"OK"
    assert driver.session.is_closing


def test_kill_by_filters_spares_the_caller_unless_told_otherwise(driver: Driver) -> None:
    others = [newcomer(driver, f"10.0.0.2:{port}") for port in (5, 6)]
    assert driver.run("CLIENT", "KILL", "TYPE", "normal") == 2
    assert all(other.number not in driver.engine.sessions for other in others)
    assert driver.run("CLIENT", "KILL", "SKIPME", "no", "LADDR", "127.0.0.1:6379") == 1
    assert driver.session.is_closing


@pytest.mark.parametrize(
    ("filters", "killed"),
    [
        (("ID", "2"), {2}),
        (("ID", "77"), set()),
        (("ADDR", "10.0.0.3:5"), {3}),
        (("LADDR", "127.0.0.1:1"), set()),
        (("USER", "default"), {2, 3}),
        (("TYPE", "pubsub"), set()),
        (("MAXAGE", "10"), {2}),
        (("maxage", "10", "id", "3"), set()),
        (("USER", "default", "ADDR", "10.0.0.2:5", "SKIPME", "YES"), {2}),
    ],
)
def test_filters_must_all_fit(driver: Driver, filters: tuple[str, ...], killed: set[int]) -> None:
    newcomer(driver, "10.0.0.2:5")
    driver.advance(10.0)
    newcomer(driver, "10.0.0.3:5")
    assert driver.run("CLIENT", "KILL", *filters) == len(killed)
    assert set(driver.engine.sessions) == {1, 2, 3} - killed


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("ID", "10", "wrong"), b"ERR syntax error"),
        (("ID", "str"), b"ERR client-id should be greater than 0"),
        (("ID", "-1"), b"ERR client-id should be greater than 0"),
        (("ID", "0"), b"ERR client-id should be greater than 0"),
        (("TYPE", "wrong"), b"ERR Unknown client type 'wrong'"),
        (("USER", "wrong"), b"ERR No such user 'wrong'"),
        (("SKIPME", "maybe"), b"ERR syntax error"),
        (("MAXAGE", "str"), b"ERR maxage is not an integer or out of range"),
        (("MAXAGE", "9999999999999999999"), b"ERR maxage is not an integer or out of range"),
        (("MAXAGE", "-1"), b"ERR maxage should be greater than 0"),
        (("000.123.321.567:0000",), b"ERR No such client"),
        ((), b"ERR wrong number of arguments for 'client|kill' command"),
    ],
)
def test_kill_refuses_what_makes_no_sense(
    driver: Driver, words: tuple[str, ...], error: bytes
) -> None:
    newcomer(driver, "10.0.0.2:5")
    assert driver.run("CLIENT", "KILL", *words) == b"-" + error
    assert len(driver.engine.sessions) == 2


def test_a_suspended_client_can_be_killed(driver: Driver) -> None:
    driver.run("SET", "key", "value")
    driver.evict_all()
    other = newcomer(driver, "10.0.0.2:5")
    replies = driver.start("GET", "key", session=other)
    assert driver.run("CLIENT", "KILL", "ID", other.number) == 1
    assert driver.run("GET", "key") == b"value"
    assert replies == []
    assert all(session.wait is None for session in driver.engine.sessions.values())


# PAUSE and UNPAUSE

_READING: Final = "#!lua flags=no-writes\nreturn 1"
_READING_SHA: Final = hashlib.sha1(_READING.encode(), usedforsecurity=False).hexdigest()
_PAUSED_LIBRARY: Final = """#!lua name=paused
redis.register_function('writes', function() return 1 end)
redis.register_function{function_name='reads', callback=function() return 1 end, flags={'no-writes'}}
"""


def test_a_pause_holds_everybody_back_until_it_is_over(driver: Driver) -> None:
    assert driver.run("CLIENT", "PAUSE", "1000") == b"OK"
    replies = driver.start("PING")
    assert replies == []
    assert re.fullmatch(r"pause:\d+", shown(driver, driver.session)["wait"])
    driver.advance(0.9)
    driver.engine.tick()
    driver.engine.turn()
    assert replies == []
    driver.advance(0.2)
    driver.engine.tick()
    driver.turn_until(lambda: bool(replies))
    assert driver.run("PING") == b"PONG"


def test_unpause_lets_everybody_go_on(driver: Driver) -> None:
    driver.run("CLIENT", "PAUSE", "100000", "ALL")
    replies = driver.start("PING")
    assert driver.run("CLIENT", "UNPAUSE", session=driver.new_session()) == b"OK"
    driver.turn_until(lambda: bool(replies))


def test_a_write_pause_lets_readers_through(driver: Driver) -> None:
    driver.run("CLIENT", "PAUSE", "100000", "WRITE")
    reader = driver.new_session()
    replies = driver.start("SET", "key", "new")
    assert driver.run("GET", "key", session=reader) is None
    assert replies == []
    driver.run("CLIENT", "UNPAUSE", session=reader)
    driver.turn_until(lambda: bool(replies))
    assert driver.run("GET", "key", session=reader) == b"new"


@pytest.mark.parametrize(
    "words",
    [
        ("PFCOUNT", "key"),
        ("PUBLISH", "channel", "message"),
        ("SPUBLISH", "channel", "message"),
        ("EVAL", "return redis.call('SET', KEYS[1], 1)", "1", "key"),
        ("EVAL", "#!lua\nreturn 1", "0"),
        ("EVALSHA", "0" * 40, "0"),
        ("FCALL", "writes", "0"),
        ("FCALL", "missing", "0"),
    ],
)
def test_a_write_pause_holds_back_what_redis_tells_replicas(
    driver: Driver, words: tuple[str, ...]
) -> None:
    driver.run("FUNCTION", "LOAD", _PAUSED_LIBRARY)
    queuing = driver.new_session()
    driver.run("MULTI", session=queuing)
    driver.run(*words, session=queuing)
    driver.run("CLIENT", "PAUSE", "100000", "WRITE")
    replies = driver.start(*words)
    replies += driver.start("EXEC", session=queuing)
    assert replies == []
    driver.run("CLIENT", "UNPAUSE", session=driver.new_session())
    driver.turn_until(lambda: driver.session.wait is None and queuing.wait is None)


@pytest.mark.parametrize(
    "words",
    [
        ("EVAL_RO", "return 1", "0"),
        ("EVAL", "#!lua flags=no-writes\nreturn 1", "0"),
        ("EVALSHA", _READING_SHA, "0"),
        ("FCALL", "reads", "0"),
        ("FCALL_RO", "reads", "0"),
    ],
)
def test_a_write_pause_lets_through_scripts_that_declare_not_to_write(
    driver: Driver, words: tuple[str, ...]
) -> None:
    driver.run("FUNCTION", "LOAD", _PAUSED_LIBRARY)
    assert driver.run("SCRIPT", "LOAD", _READING) == _READING_SHA.encode()
    driver.run("CLIENT", "PAUSE", "100000", "WRITE")
    assert driver.run(*words) == 1
    driver.run("MULTI")
    driver.run(*words)
    assert driver.run("EXEC") == [1]


def test_unpause_inside_a_transaction_lets_nobody_into_it(driver: Driver) -> None:
    driver.run("CLIENT", "PAUSE", "100000", "WRITE")
    reader = driver.new_session()
    replies = driver.start("SET", "key", "new")
    driver.run("MULTI", session=reader)
    driver.run("CLIENT", "UNPAUSE", session=reader)
    driver.run("GET", "key", session=reader)
    assert driver.run("EXEC", session=reader) == [OK, None]
    driver.turn_until(lambda: bool(replies))
    assert driver.run("GET", "key") == b"new"


def test_a_pause_is_prolonged_but_neither_shortened_nor_relaxed(driver: Driver) -> None:
    driver.run("CLIENT", "PAUSE", "10000", "ALL")
    driver.run("CLIENT", "PAUSE", "100", "WRITE")
    driver.advance(1.0)
    driver.engine.tick()
    replies = driver.start("PING")
    assert replies == []
    driver.run("CLIENT", "UNPAUSE", session=driver.new_session())
    driver.turn_until(lambda: bool(replies))
    driver.run("CLIENT", "PAUSE", "10000", "WRITE")
    assert driver.run("PING") == b"PONG"


def test_pause_refuses_what_is_no_time(driver: Driver) -> None:
    assert driver.run("CLIENT", "PAUSE", "abc") == (
        b"-ERR timeout is not an integer or out of range"
    )
    assert driver.run("CLIENT", "PAUSE", "-1") == b"-ERR timeout is negative"
    assert driver.run("CLIENT", "PAUSE", str(2**63 - 1)) == b"-ERR timeout is out of range"
    assert driver.run("CLIENT", "PAUSE", "1", "some") == (
        b"-ERR CLIENT PAUSE mode must be WRITE or ALL"
    )
    assert driver.run("CLIENT", "PAUSE", "0") == b"OK"
    assert driver.run("PING") == b"PONG"


# HELP


def test_help_names_every_subcommand(driver: Driver) -> None:
    lines = driver.run("CLIENT", "HELP")
    assert isinstance(lines, list)
    texts = [line.text.decode() for line in lines]
    assert "PAUSE timeout [WRITE | ALL]" in texts
    client = driver.engine.table.parents["client"]
    for subcommand in client.subcommands.values():
        assert any(text.split(" ")[0] == subcommand.word.upper() for text in texts)
