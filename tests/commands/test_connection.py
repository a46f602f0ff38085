"""AUTH, ECHO, HELLO, PING, QUIT, RESET and SELECT."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from driver import Driver

WRONG_PASSWORD = b"-WRONGPASS invalid username-password pair or user is disabled."


@pytest.fixture
def driver() -> Iterator[Driver]:
    """An open server."""
    driver = Driver()
    yield driver
    driver.close()


@pytest.fixture
def guarded() -> Iterator[Driver]:
    """A server that asks for a password."""
    driver = Driver(requirepass="secret")
    yield driver
    driver.close()


def test_ping_answers_pong_or_its_argument(driver: Driver) -> None:
    assert driver.run("PING") == b"PONG"
    assert driver.run("PING", "redis") == b"redis"
    assert driver.run("PING", "a", "b") == (b"-ERR wrong number of arguments for 'ping' command")


def test_echo_answers_its_argument(driver: Driver) -> None:
    assert driver.run("ECHO", b"a\r\n\0b") == b"a\r\n\0b"
    assert driver.run("ECHO") == b"-ERR wrong number of arguments for 'echo' command"


# AUTH


def test_auth_with_a_password_alone_is_refused_where_there_is_none(driver: Driver) -> None:
    assert driver.run("AUTH", "x") == (
        b"-ERR AUTH <password> called without any password configured for the default user. "
        b"Are you sure your configuration is correct?"
    )


def test_any_password_of_the_default_user_is_right_where_there_is_none(driver: Driver) -> None:
    assert driver.run("AUTH", "default", "anything") == b"OK"
    assert driver.run("AUTH", "somebody", "anything") == WRONG_PASSWORD


def test_before_auth_nothing_else_works(guarded: Driver) -> None:
    assert guarded.run("PING") == b"-NOAUTH Authentication required."
    assert guarded.run("SELECT", "1") == b"-NOAUTH Authentication required."
    assert guarded.run("AUTH", "secret") == b"OK"
    assert guarded.run("PING") == b"PONG"


def test_auth_takes_a_user_name_too(guarded: Driver) -> None:
    assert guarded.run("AUTH", "default", "secret") == b"OK"
    assert guarded.session.authenticated


@pytest.mark.parametrize(
    "credentials",
    [("Secret",), ("",), ("default", "secre"), ("admin", "secret"), ("DEFAULT", "secret")],
)
def test_wrong_credentials_are_refused_and_change_nothing(
    guarded: Driver, credentials: tuple[str, ...]
) -> None:
    assert guarded.run("AUTH", *credentials) == WRONG_PASSWORD
    assert not guarded.session.authenticated


def test_a_failed_auth_does_not_take_away_what_an_earlier_one_gave(guarded: Driver) -> None:
    guarded.run("AUTH", "secret")
    assert guarded.run("AUTH", "wrong") == WRONG_PASSWORD
    assert guarded.run("PING") == b"PONG"


def test_auth_with_too_many_words_is_a_syntax_error(guarded: Driver) -> None:
    assert guarded.run("AUTH", "default", "secret", "x") == b"-ERR syntax error"


def test_a_password_may_hold_any_bytes() -> None:
    password = b"\xff\xfe p\xc3\xa4ss"
    driver = Driver(requirepass=password.decode("utf-8", "surrogateescape"))
    try:
        assert driver.run("AUTH", password) == b"OK"
    finally:
        driver.close()


# HELLO


def test_hello_describes_server_and_connection(driver: Driver) -> None:
    assert driver.run("HELLO") == {
        b"server": b"redis",
        b"version": b"7.4.1",
        b"proto": 2,
        b"id": driver.session.number,
        b"mode": b"standalone",
        b"role": b"master",
        b"modules": [],
    }


def test_hello_chooses_the_protocol_version(driver: Driver) -> None:
    reply = driver.run("HELLO", "3")
    assert isinstance(reply, dict)
    assert reply[b"proto"] == 3
    assert driver.session.resp == 3
    driver.run("HELLO", "2")
    assert driver.session.resp == 2


@pytest.mark.parametrize("version", ["1", "4", "-3"])
def test_hello_refuses_versions_that_do_not_exist(driver: Driver, version: str) -> None:
    assert driver.run("HELLO", version) == b"-NOPROTO unsupported protocol version"


def test_hello_names_the_option_that_it_does_not_understand(driver: Driver) -> None:
    assert driver.run("HELLO", "x") == (b"-ERR Protocol version is not an integer or out of range")
    assert driver.run("HELLO", "3", "SETNAM", "x") == (
        b"-ERR Syntax error in HELLO option 'SETNAM'"
    )
    assert driver.run("HELLO", "3", "AUTH", "default") == (
        b"-ERR Syntax error in HELLO option 'AUTH'"
    )
    assert driver.run("HELLO", "3", "SETNAME", "a b") == (
        b"-ERR Client names cannot contain spaces, newlines or special characters."
    )
    assert driver.session.resp == 2


def test_hello_can_authenticate_and_name_the_connection(guarded: Driver) -> None:
    reply = guarded.run("HELLO", "3", "SETNAME", "worker", "AUTH", "default", "secret")
    assert isinstance(reply, dict)
    assert guarded.session.authenticated
    assert guarded.run("CLIENT", "GETNAME") == b"worker"


def test_hello_without_the_password_changes_nothing(guarded: Driver) -> None:
    refused = guarded.run("HELLO", "3", "SETNAME", "worker")
    assert isinstance(refused, bytes)
    assert refused.startswith(b"-NOAUTH HELLO must be called with the client already authenticated")
    assert guarded.run("HELLO", "3", "AUTH", "default", "wrong") == WRONG_PASSWORD
    assert guarded.session.resp == 2
    assert guarded.session.name == b""


# QUIT and RESET


def test_quit_answers_and_asks_the_owner_to_close(driver: Driver) -> None:
    closed: list[bool] = []
    driver.session.close = lambda: closed.append(True)
    assert driver.run("QUIT") == b"OK"
    assert closed == [True]
    assert driver.session.is_closing


def test_reset_makes_the_connection_as_new(driver: Driver) -> None:
    other = driver.new_session()
    driver.run("HELLO", "3", "SETNAME", "worker")
    driver.run("CLIENT", "SETINFO", "LIB-NAME", "redis-py")
    driver.run("SELECT", "5")
    driver.run("CLIENT", "NO-EVICT", "ON")
    driver.run("CLIENT", "NO-TOUCH", "ON")
    driver.engine.monitors.add(driver.session)
    driver.run("WATCH", "key")
    driver.run("MULTI")
    assert driver.run("RESET") == b"RESET"
    line = driver.run("CLIENT", "LIST", "ID", driver.session.number, session=other)
    assert b" name= " in line.text  # type: ignore[attr-defined]
    assert b" flags=N db=0 " in line.text  # type: ignore[attr-defined]
    assert b" multi=-1 watch=0 " in line.text  # type: ignore[attr-defined]
    assert b" resp=2 lib-name=redis-py " in line.text  # type: ignore[attr-defined]
    assert driver.run("EXEC") == b"-ERR EXEC without MULTI"


def test_reset_forgets_the_authentication_if_a_password_is_asked_for(guarded: Driver) -> None:
    guarded.run("AUTH", "secret")
    assert guarded.run("RESET") == b"RESET"
    assert guarded.run("PING") == b"-NOAUTH Authentication required."


def test_reset_turns_replies_on_again(driver: Driver) -> None:
    driver.run("CLIENT", "REPLY", "OFF")
    driver.run("RESET")
    assert not driver.session.should_drop_reply()


# SELECT


def test_databases_are_apart(driver: Driver) -> None:
    driver.run("SET", "key", "0")
    assert driver.run("SELECT", "9") == b"OK"
    assert driver.run("GET", "key") is None
    driver.run("SET", "key", "9")
    driver.run("SELECT", "0")
    assert driver.run("GET", "key") == b"0"


def test_select_refuses_what_is_no_database(driver: Driver) -> None:
    assert driver.run("SELECT", "16") == b"-ERR DB index is out of range"
    assert driver.run("SELECT", "-1") == b"-ERR DB index is out of range"
    assert driver.run("SELECT", "x") == b"-ERR value is not an integer or out of range"
    assert driver.run("SELECT", "9999999999") == (
        b"-ERR value is out of range, value must between -2147483648 and 2147483647"
    )
    assert driver.session.keyspace.index == 0


def test_select_works_in_a_transaction(driver: Driver) -> None:
    driver.run("MULTI")
    driver.run("SELECT", "3")
    driver.run("SET", "key", "3")
    driver.run("EXEC")
    assert driver.run("GET", "key") == b"3"
    assert driver.session.keyspace.index == 3
