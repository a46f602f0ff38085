"""ACL, and what it lets others do: AUTH, NOPERM, transactions, waiting clients, files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from driver import Driver
from dscache.config import Config
from dscache.engine.session import Session
from dscache.errors import ConfigError
from dscache.wire.reply import SetReply

WRONG_PASSWORD = b"-WRONGPASS invalid username-password pair or user is disabled."
NO_AUTH = b"-NOAUTH Authentication required."
NO_KEY = b"-NOPERM No permissions to access a key"
NO_CHANNEL = b"-NOPERM No permissions to access a channel"


@pytest.fixture
def driver() -> Iterator[Driver]:
    """An open server, whose first session is an administrator's."""
    driver = Driver()
    yield driver
    driver.close()


def as_user(driver: Driver, *rules: str, name: str = "bob") -> Session:
    """A session of a user made by ``rules``."""
    assert driver.run("ACL", "SETUSER", name, "on", "nopass", *rules) == b"OK"
    session = driver.new_session()
    assert driver.run("AUTH", name, "x", session=session) == b"OK"
    return session


def is_ended(session: Session) -> bool:
    return session.is_closing


def newest(driver: Driver) -> dict[bytes, object]:
    entries = cast("list[dict[bytes, object]]", driver.run("ACL", "LOG"))
    return entries[0]


# Users


def test_there_is_one_user_at_first_who_may_do_everything(driver: Driver) -> None:
    assert driver.run("ACL", "WHOAMI") == b"default"
    assert driver.run("ACL", "LIST") == [b"user default on nopass sanitize-payload ~* &* +@all"]
    assert driver.session.is_unrestricted


def test_setuser_makes_and_changes_users_all_or_nothing(driver: Driver) -> None:
    assert driver.run("ACL", "SETUSER", "bob", "on", ">pw", "+get") == b"OK"
    assert driver.run("ACL", "USERS") == [b"bob", b"default"]
    before = driver.run("ACL", "LIST")
    assert driver.run("ACL", "SETUSER", "bob", "+set", "~a b") == (
        b"-ERR Error in ACL SETUSER modifier '~a b': Syntax error"
    )
    assert driver.run("ACL", "SETUSER", "eve", "(+get") == (
        b"-ERR Unmatched parenthesis in acl selector starting at '(+get'."
    )
    assert driver.run("ACL", "SETUSER", "a b") == (
        b"-ERR Usernames can't contain spaces or null characters"
    )
    assert driver.run("ACL", "LIST") == before


def test_getuser_describes_a_user(driver: Driver) -> None:
    driver.run("ACL", "SETUSER", "bob", "+get", "%R~a", "~b", "&c", "(+set", "~d)")
    reply = cast("dict[bytes, object]", driver.run("ACL", "GETUSER", "bob"))
    flags = cast("SetReply", reply.pop(b"flags"))
    assert flags.items == [b"off", b"sanitize-payload"]
    assert reply == {
        b"passwords": [],
        b"commands": b"-@all +get",
        b"keys": b"%R~a ~b",
        b"channels": b"&c",
        b"selectors": [{b"commands": b"-@all +set", b"keys": b"~d", b"channels": b""}],
    }
    assert driver.run("ACL", "GETUSER", "nobody") is None


def test_new_users_may_begin_with_all_channels(driver: Driver) -> None:
    driver.run("ACL", "SETUSER", "old")
    driver.run("CONFIG", "SET", "acl-pubsub-default", "allchannels")
    driver.run("ACL", "SETUSER", "new", "(+get)")
    assert driver.run("ACL", "LIST") == [
        b"user default on nopass sanitize-payload ~* &* +@all",
        b"user new off sanitize-payload &* -@all (&* -@all +get)",
        b"user old off sanitize-payload resetchannels -@all",
    ]


def test_deleting_a_user_ends_his_clients_and_only_his(driver: Driver) -> None:
    bob = as_user(driver)
    eve = as_user(driver, name="eve")
    assert driver.run("ACL", "DELUSER", "bob", "nobody") == 1
    assert (is_ended(bob), is_ended(eve), is_ended(driver.session)) == (True, False, False)
    assert bob.user.name == b"default"
    assert driver.run("ACL", "DELUSER", "eve", "default") == (
        b"-ERR The 'default' user cannot be removed"
    )
    assert driver.run("ACL", "USERS") == [b"default", b"eve"]


def test_who_deletes_himself_gets_the_reply_first(driver: Driver) -> None:
    bob = as_user(driver, "+acl")
    assert driver.run("ACL", "DELUSER", "bob", session=bob) == 1
    assert is_ended(bob)


def test_what_a_deleted_user_waits_for_does_not_run(driver: Driver) -> None:
    bob = as_user(driver, "+@all", "~*")
    replies = driver.start("BLPOP", "list", "0", session=bob)
    driver.run("ACL", "DELUSER", "bob")
    driver.run("RPUSH", "list", "x")
    assert replies == []
    assert driver.run("LLEN", "list") == 1


def test_client_kill_knows_users(driver: Driver) -> None:
    bob = as_user(driver)
    assert driver.run("CLIENT", "KILL", "USER", "nobody") == b"-ERR No such user 'nobody'"
    assert driver.run("CLIENT", "KILL", "USER", "bob") == 1
    assert is_ended(bob)


def test_client_list_shows_users(driver: Driver) -> None:
    bob = as_user(driver, "+client|info")
    line = driver.run("CLIENT", "INFO", session=bob)
    assert b" user=bob " in line.text  # type: ignore[attr-defined]
    assert line.text.endswith(b" wait=\n")  # type: ignore[attr-defined]


# Logging in


def test_a_user_logs_in_with_any_of_his_passwords_while_he_is_on(driver: Driver) -> None:
    driver.run("ACL", "SETUSER", "bob", ">one", ">two", "+acl|whoami")
    session = driver.new_session()
    assert driver.run("AUTH", "bob", "one", session=session) == WRONG_PASSWORD
    driver.run("ACL", "SETUSER", "bob", "on")
    assert driver.run("AUTH", "bob", "two", session=session) == b"OK"
    assert driver.run("ACL", "WHOAMI", session=session) == b"bob"
    assert driver.run("AUTH", "bob", "three", session=session) == WRONG_PASSWORD
    assert driver.run("ACL", "WHOAMI", session=session) == b"bob"
    # To be off keeps him from coming, it does not throw him out.
    driver.run("ACL", "SETUSER", "bob", "off")
    assert driver.run("ACL", "WHOAMI", session=session) == b"bob"


def test_reset_makes_a_client_the_default_user_again(driver: Driver) -> None:
    bob = as_user(driver)
    driver.run("RESET", session=bob)
    assert driver.run("ACL", "WHOAMI", session=bob) == b"default"
    assert bob.is_unrestricted


def test_requirepass_is_the_password_of_the_user_default(driver: Driver) -> None:
    driver.run("CONFIG", "SET", "requirepass", "secret")
    newcomer = driver.new_session()
    assert driver.run("PING", session=newcomer) == NO_AUTH
    # Who is in stays in.
    assert driver.run("PING") == b"PONG"
    assert driver.run("AUTH", "secret", session=newcomer) == b"OK"
    driver.run("ACL", "SETUSER", "default", ">another")
    assert driver.run("AUTH", "another", session=driver.new_session()) == b"OK"
    driver.run("CONFIG", "SET", "requirepass", "")
    assert driver.run("PING", session=driver.new_session()) == b"PONG"


def test_who_was_let_in_without_a_password_is_shut_out_when_the_door_closes_again() -> None:
    driver = Driver(requirepass="secret")
    try:
        waiting = driver.new_session()
        driver.run("AUTH", "secret")
        driver.run("ACL", "SETUSER", "default", "nopass")
        assert driver.run("PING", session=waiting) == b"PONG"
        driver.run("ACL", "SETUSER", "default", "resetpass", ">secret")
        assert driver.run("PING", session=waiting) == NO_AUTH
        assert driver.run("PING") == b"PONG"
    finally:
        driver.close()


def test_nobody_is_let_in_unasked_while_the_user_default_is_off(driver: Driver) -> None:
    driver.run("ACL", "SETUSER", "bob", "on", "nopass", "+ping")
    driver.run("ACL", "SETUSER", "default", "off")
    newcomer = driver.new_session()
    assert driver.run("PING", session=newcomer) == NO_AUTH
    assert driver.run("AUTH", "default", "", session=newcomer) == WRONG_PASSWORD
    assert driver.run("AUTH", "bob", "", session=newcomer) == b"OK"
    assert driver.run("PING", session=newcomer) == b"PONG"


def test_of_several_users_in_one_hello_the_last_counts(driver: Driver) -> None:
    driver.run("ACL", "SETUSER", "bob", "on", ">pw")
    driver.run("ACL", "SETUSER", "eve", "on", ">pw")
    words = ("HELLO", "3", "AUTH", "bob", "wrong", "AUTH", "eve", "pw")
    assert isinstance(driver.run(*words), dict)
    assert driver.session.user.name == b"eve"


# What is refused


def test_rights_are_looked_at_before_a_command_runs(driver: Driver) -> None:
    bob = as_user(driver, "+get", "+set", "+publish", "~a*", "&a*")
    assert driver.run("SET", "a1", "x", session=bob) == b"OK"
    assert driver.run("GET", "b", session=bob) == NO_KEY
    assert driver.run("PUBLISH", "b", "x", session=bob) == NO_CHANNEL
    assert driver.run("DEL", "a1", session=bob) == (
        b"-NOPERM User bob has no permissions to run the 'del' command"
    )
    assert driver.run("CONFIG", "GET", "port", session=bob) == (
        b"-NOPERM User bob has no permissions to run the 'config|get' command"
    )
    # What is no command, or has too few words, is told as before.
    assert driver.run("DEL", session=bob) == b"-ERR wrong number of arguments for 'del' command"


def test_a_change_of_rights_holds_at_once(driver: Driver) -> None:
    bob = as_user(driver, "+@all", "~*", "&*")
    assert driver.run("GET", "a", session=bob) is None
    driver.run("ACL", "SETUSER", "bob", "-get")
    assert driver.run("GET", "a", session=bob) == (
        b"-NOPERM User bob has no permissions to run the 'get' command"
    )


def test_what_is_refused_in_a_transaction_ends_it(driver: Driver) -> None:
    bob = as_user(driver, "+multi", "+exec", "+get", "~a")
    driver.run("MULTI", session=bob)
    assert driver.run("GET", "a", session=bob) == b"QUEUED"
    assert driver.run("GET", "b", session=bob) == NO_KEY
    assert driver.run("EXEC", session=bob) == (
        b"-EXECABORT Transaction discarded because of previous errors."
    )
    assert newest(driver)[b"context"] == b"multi"


def test_auth_in_a_transaction_is_refused_there(driver: Driver) -> None:
    driver.run("MULTI")
    driver.run("AUTH", "bob", "wrong")
    replies = cast("list[object]", driver.run("EXEC"))
    assert b"-" + replies[0].text == WRONG_PASSWORD  # type: ignore[attr-defined]
    assert newest(driver)[b"context"] == b"multi"
    driver.run("AUTH", "bob", "wrong")
    assert newest(driver)[b"context"] == b"toplevel"


@pytest.mark.parametrize(
    ("lost", "reason"),
    [
        ("-incr", b"no permission to execute the command or subcommand"),
        ("resetkeys", b"no permission to touch the specified keys"),
    ],
)
def test_exec_asks_again(driver: Driver, lost: str, reason: bytes) -> None:
    bob = as_user(driver, "+multi", "+exec", "+incr", "+ping", "~a")
    driver.run("MULTI", session=bob)
    driver.run("INCR", "a", session=bob)
    driver.run("PING", session=bob)
    driver.run("ACL", "SETUSER", "bob", lost)
    replies = cast("list[object]", driver.run("EXEC", session=bob))
    assert replies[0].text == (  # type: ignore[attr-defined]
        b"NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC"
        b" call. This command is no longer allowed for the following reason: " + reason
    )
    assert replies[1].text == b"PONG"  # type: ignore[attr-defined]
    assert driver.run("EXISTS", "a") == 0
    entry = newest(driver)
    assert (entry[b"context"], entry[b"username"]) == (b"multi", b"bob")


def test_who_loses_a_right_while_he_waits_is_refused(driver: Driver) -> None:
    bob = as_user(driver, "+blpop", "~list")
    replies = driver.start("BLPOP", "list", "0", session=bob)
    driver.run("ACL", "SETUSER", "bob", "resetkeys")
    driver.run("RPUSH", "list", "x")
    driver.turn_until(lambda: bool(replies))
    assert replies[0].text == b"NOPERM No permissions to access a key"  # type: ignore[attr-defined]
    assert driver.run("LLEN", "list") == 1


def test_who_loses_a_right_while_the_disk_is_read_is_refused(driver: Driver) -> None:
    driver.run("SET", "a", "x")
    driver.evict_all()
    bob = as_user(driver, "+get", "~a")
    replies = driver.start("GET", "a", session=bob)
    assert replies == []
    driver.run("ACL", "SETUSER", "bob", "-get")
    driver.turn_until(lambda: bool(replies))
    assert replies[0].text.startswith(b"NOPERM User bob")  # type: ignore[attr-defined]


def test_sort_leads_to_other_keys_only_who_may_read_all(driver: Driver) -> None:
    driver.run("RPUSH", "list", "1")
    bob = as_user(driver, "+sort", "~list", "~v*")
    for words, option in (
        (("SORT", "list", "BY", "v*"), b"BY"),
        (("SORT", "list", "GET", "#"), b"GET"),
    ):
        assert driver.run(*words, session=bob) == (
            b"-ERR " + option + b" option of SORT denied due to insufficient ACL permissions."
        )
    assert driver.run("SORT", "list", "BY", "nosort", session=bob) == [b"1"]
    driver.run("ACL", "SETUSER", "bob", "%R~*")
    assert driver.run("SORT", "list", "BY", "v*", session=bob) == [b"1"]


def test_subscribers_are_ended_when_they_lose_a_channel(driver: Driver) -> None:
    rules = ("+@pubsub", "resetchannels", "&a", "&b*", "&c")
    for words in (("SUBSCRIBE", "a"), ("PSUBSCRIBE", "b*"), ("SSUBSCRIBE", "c")):
        bob = as_user(driver, *rules)
        driver.start(*words, session=bob)
        driver.run("ACL", "SETUSER", "bob", "&more", "+ping")
        assert not is_ended(bob)
        driver.run("ACL", "SETUSER", "bob", "resetchannels", "&more")
        assert is_ended(bob)


def test_subscribers_stay_as_long_as_they_may_hear_what_they_hear(driver: Driver) -> None:
    bob = as_user(driver, "+@pubsub", "&*")
    driver.start("SUBSCRIBE", "a", session=bob)
    driver.run("ACL", "SETUSER", "bob", "resetchannels", "&a*")
    assert not is_ended(bob)


# The log, and what is counted


def test_the_log_says_what_was_refused_to_whom(driver: Driver) -> None:
    bob = as_user(driver, "+get", "~a")
    for _ in range(3):
        driver.run("GET", "b", session=bob)
    driver.advance(2.5)
    entry = newest(driver)
    client_info = cast("bytes", entry.pop(b"client-info"))
    assert b" cmd=get user=bob " in client_info
    assert not client_info.endswith(b"\n")
    now_ms = int(driver.clock.time() * 1000)
    assert entry == {
        b"count": 3,
        b"reason": b"key",
        b"context": b"toplevel",
        b"object": b"b",
        b"username": b"bob",
        b"age-seconds": 2.5,
        b"entry-id": 0,
        b"timestamp-created": now_ms - 2500,
        b"timestamp-last-updated": now_ms - 2500,
    }
    driver.run("SET", "b", "1", session=bob)
    assert newest(driver)[b"reason"] == b"command"
    assert newest(driver)[b"object"] == b"set"
    driver.run("AUTH", "bob2", "wrong", session=bob)
    assert newest(driver)[b"reason"] == b"auth"
    assert newest(driver)[b"object"] == b"AUTH"
    assert newest(driver)[b"username"] == b"bob2"


def test_the_log_can_be_asked_for_less_and_be_forgotten(driver: Driver) -> None:
    for name in ("a", "b", "c"):
        driver.run("AUTH", name, "wrong")
    assert len(cast("list[object]", driver.run("ACL", "LOG", "2"))) == 2
    assert driver.run("ACL", "LOG", "-1") == []
    assert driver.run("ACL", "LOG", "x") == b"-ERR value is not an integer or out of range"
    assert driver.run("ACL", "LOG", "RESET") == b"OK"
    assert driver.run("ACL", "LOG") == []
    driver.run("CONFIG", "SET", "acllog-max-len", "0")
    driver.run("AUTH", "a", "wrong")
    assert driver.run("ACL", "LOG") == []


def test_info_counts_what_is_refused_by_reason(driver: Driver) -> None:
    bob = as_user(driver, "+get", "+publish", "~a")
    driver.run("GET", "b", session=bob)
    driver.run("SET", "a", "b", session=bob)
    driver.run("PUBLISH", "a", "b", session=bob)
    driver.run("AUTH", "x", session=bob)
    driver.run("AUTH", "bob", "x", session=bob)
    driver.run("AUTH", "nobody", "x", session=bob)
    info = driver.run("INFO", "stats").text.decode()  # type: ignore[attr-defined]
    for name in ("auth", "cmd", "key", "channel"):
        assert f"acl_access_denied_{name}:1\r\n" in info
    driver.run("CONFIG", "RESETSTAT")
    info = driver.run("INFO", "stats").text.decode()  # type: ignore[attr-defined]
    assert "acl_access_denied_auth:0\r\n" in info


# Secrets


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (("ACL", "SETUSER", "bob", ">hidden"), ["ACL", "SETUSER", "(redacted)", "(redacted)"]),
        (("ACL", "GETUSER", "hidden"), ["ACL", "GETUSER", "(redacted)"]),
        (("ACL", "DELUSER", "hidden"), ["ACL", "DELUSER", "(redacted)"]),
        (("AUTH", "default", "hidden"), ["AUTH", "(redacted)", "(redacted)"]),
        (
            ("HELLO", "3", "AUTH", "default", "hidden"),
            ["HELLO", "3", "AUTH", "(redacted)", "(redacted)"],
        ),
        (
            ("CONFIG", "SET", "requirepass", "hidden"),
            ["CONFIG", "SET", "requirepass", "(redacted)"],
        ),
        # Refused, and it stood there.
        (("CONFIG", "SET", "masterauth", "hidden"), ["CONFIG", "SET", "masterauth", "(redacted)"]),
        (
            ("ACL", "DRYRUN", "default", "AUTH", "hidden"),
            ["ACL", "DRYRUN", "default", "AUTH", "(redacted)"],
        ),
        (("COMMAND", "GETKEYS", "auth", "hidden"), ["COMMAND", "GETKEYS", "auth", "(redacted)"]),
        (("COMMAND", "GETKEYS", "get", "key"), ["COMMAND", "GETKEYS", "get", "key"]),
    ],
)
def test_secrets_do_not_stand_in_the_slow_log(
    driver: Driver, words: tuple[str, ...], shown: list[str]
) -> None:
    driver.run("CONFIG", "SET", "slowlog-log-slower-than", "0")
    driver.run(*words)
    assert driver.engine.slowlog.entries[0].args == [word.encode() for word in shown]


def test_monitor_does_not_see_passwords(driver: Driver) -> None:
    seen: list[object] = []
    monitor = driver.new_session()
    monitor.push = seen.append
    driver.run("MONITOR", session=monitor)
    driver.run("AUTH", "default", "hidden")
    driver.run("ACL", "SETUSER", "bob", ">hidden")
    lines = b"".join(line.text for line in seen)  # type: ignore[attr-defined]
    assert b'"AUTH" "(redacted)" "(redacted)"' in lines
    assert b"hidden" not in lines


# The rest of the command


def test_dryrun_tells_what_would_be_refused_and_runs_nothing(driver: Driver) -> None:
    driver.run("ACL", "SETUSER", "bob", "+set", "+publish", "~a", "&b")
    assert driver.run("ACL", "DRYRUN", "bob", "SET", "a", "1") == b"OK"
    assert driver.run("EXISTS", "a") == 0
    assert driver.run("ACL", "DRYRUN", "bob", "SET", "b", "1") == (
        b"User bob has no permissions to access the 'b' key"
    )
    assert driver.run("ACL", "DRYRUN", "bob", "PUBLISH", "a", "1") == (
        b"User bob has no permissions to access the 'a' channel"
    )
    assert driver.run("ACL", "DRYRUN", "bob", "CONFIG", "GET", "x") == (
        b"User bob has no permissions to run the 'config|get' command"
    )
    assert driver.run("ACL", "DRYRUN", "nobody", "GET", "a") == b"-ERR User 'nobody' not found"
    assert driver.run("ACL", "DRYRUN", "bob", "NOSUCH", "a") == b"-ERR Command 'NOSUCH' not found"
    assert driver.run("ACL", "DRYRUN", "bob", "SET", "a") == (
        b"-ERR wrong number of arguments for 'set' command"
    )
    assert driver.run("ACL", "LOG") == []


def test_cat_lists_categories_and_their_commands(driver: Driver) -> None:
    assert "scripting" in cast("list[str]", driver.run("ACL", "CAT"))
    assert set(cast("list[bytes]", driver.run("ACL", "CAT", "TRANSACTION"))) == {
        b"multi",
        b"exec",
        b"discard",
        b"watch",
        b"unwatch",
    }
    assert driver.run("ACL", "CAT", "nosuch") == b"-ERR Unknown category 'nosuch'"
    assert driver.run("ACL", "CAT", "a", "b") == (
        b"-ERR unknown subcommand or wrong number of arguments for 'CAT'. Try ACL HELP."
    )


@pytest.mark.parametrize(("bits", "letters"), [(1, 1), (4, 1), (5, 2), (255, 64), (4096, 1024)])
def test_genpass_makes_passwords_of_the_wanted_length(
    driver: Driver, bits: int, letters: int
) -> None:
    password = cast("str", driver.run("ACL", "GENPASS", bits))
    assert len(password) == letters
    assert set(password) <= set("0123456789abcdef")


def test_genpass_never_makes_the_same_twice(driver: Driver) -> None:
    assert driver.run("ACL", "GENPASS") != driver.run("ACL", "GENPASS")
    assert driver.run("ACL", "GENPASS", "0") == (
        b"-ERR ACL GENPASS argument must be the number of bits for the output password, a positive "
        b"number up to 4096"
    )


# Files


def test_without_a_file_there_is_nothing_to_load_or_save(driver: Driver) -> None:
    for word in ("LOAD", "SAVE"):
        reply = cast("bytes", driver.run("ACL", word))
        assert reply.startswith(b"-ERR This Redis instance is not configured to use an ACL file.")


@pytest.fixture
def filed(tmp_path: Path) -> Iterator[tuple[Driver, Path]]:
    """A server with a file of users."""
    path = tmp_path / "users.acl"
    path.write_text("user bob on nopass +@all ~* &a\n")
    driver = Driver(aclfile=str(path))
    yield driver, path
    driver.close()


def test_the_file_of_users_is_read_at_start(filed: tuple[Driver, Path]) -> None:
    driver, _ = filed
    assert driver.run("ACL", "LIST") == [
        b"user bob on nopass sanitize-payload ~* resetchannels &a +@all",
        b"user default on nopass sanitize-payload ~* &* +@all",
    ]


def test_save_writes_what_load_reads(filed: tuple[Driver, Path]) -> None:
    driver, path = filed
    path.chmod(0o640)
    driver.run("ACL", "SETUSER", "eve", "on", ">pw", "(+get", "~a)")
    before = driver.run("ACL", "LIST")
    assert driver.run("ACL", "SAVE") == b"OK"
    assert path.read_bytes() == b"".join(line + b"\n" for line in cast("list[bytes]", before))
    assert path.stat().st_mode & 0o777 == 0o640
    driver.run("ACL", "SETUSER", "eve", "+set")
    driver.run("ACL", "SETUSER", "mallory")
    assert driver.run("ACL", "LOAD") == b"OK"
    assert driver.run("ACL", "LIST") == before
    assert [entry.name for entry in path.parent.iterdir()] == ["users.acl"]


def test_save_that_fails_says_so(filed: tuple[Driver, Path]) -> None:
    driver, path = filed
    path.unlink()
    path.mkdir()
    assert driver.run("ACL", "SAVE") == (
        b"-ERR There was an error trying to save the ACLs. Please check the server logs for more"
        b" information"
    )
    assert [entry.name for entry in path.parent.iterdir()] == ["users.acl"]


def test_load_changes_nothing_if_anything_is_wrong(filed: tuple[Driver, Path]) -> None:
    driver, path = filed
    before = driver.run("ACL", "LIST")
    path.write_text("user new on\nuser bob on +nosuch\n")
    reply = cast("bytes", driver.run("ACL", "LOAD"))
    assert reply.startswith(b"-ERR " + str(path).encode() + b":2: Error in applying operation")
    assert driver.run("ACL", "LIST") == before


def test_load_ends_only_clients_whose_rights_to_be_here_are_gone(
    filed: tuple[Driver, Path],
) -> None:
    driver, _ = filed
    bob = driver.new_session()
    driver.run("AUTH", "bob", "x", session=bob)
    driver.start("SUBSCRIBE", "a", session=bob)
    deaf = as_user(driver, "&b", name="bob")
    driver.start("SUBSCRIBE", "b", session=deaf)
    gone = as_user(driver, name="mallory")
    assert driver.run("ACL", "LOAD") == b"OK"
    assert (is_ended(bob), is_ended(deaf), is_ended(gone)) == (False, True, True)
    assert bob.user is driver.engine.acl.users[b"bob"]
    assert not is_ended(driver.session)


# The configuration


def configured(tmp_path: Path, text: str) -> Driver:
    path = tmp_path / "dscache.conf"
    path.write_text(text)
    return Driver(config_file=str(path))


def test_users_may_stand_in_the_configuration(tmp_path: Path) -> None:
    driver = configured(
        tmp_path, 'requirepass old\nuser default on >pw ~* +@all\nUSER bob on ">a b" (+get ~a)\n'
    )
    try:
        assert driver.run("AUTH", "old") == WRONG_PASSWORD
        assert driver.run("AUTH", "pw") == b"OK"
        # As it is said, it is: nobody has given him channels.
        assert driver.run("PUBLISH", "a", "b") == NO_CHANNEL
        assert driver.run("AUTH", "bob", "a b") == b"OK"
        assert driver.run("GET", "a") is None
    finally:
        driver.close()


def test_config_rewrite_writes_users_and_a_start_reads_them_again(tmp_path: Path) -> None:
    driver = configured(tmp_path, "user bob on nopass\nport 1\nuser eve off\n")
    try:
        driver.run("ACL", "SETUSER", "bob", "~a'b", "(+get", "%R~c)")
        driver.run("ACL", "DELUSER", "eve")
        users = driver.run("ACL", "LIST")
        assert driver.run("CONFIG", "REWRITE") == b"OK"
    finally:
        driver.close()
    text = (tmp_path / "dscache.conf").read_text()
    assert text.startswith("user bob ")
    assert "eve" not in text
    again = configured(tmp_path, text)
    try:
        assert again.run("ACL", "LIST") == users
    finally:
        again.close()


def test_config_rewrite_adds_no_users_where_requirepass_says_it_all(tmp_path: Path) -> None:
    driver = configured(tmp_path, "requirepass pw\n")
    try:
        driver.run("AUTH", "pw")
        driver.run("CONFIG", "SET", "requirepass", "other")
        driver.run("CONFIG", "REWRITE")
        assert "user " not in (tmp_path / "dscache.conf").read_text()
        driver.run("ACL", "SETUSER", "default", ">second")
        driver.run("CONFIG", "REWRITE")
        assert "\nuser default on sanitize-payload #" in (tmp_path / "dscache.conf").read_text()
    finally:
        driver.close()


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("user\n", "wrong number of arguments"),
        ("user bob on\nuser bob off\n", "Duplicate user found"),
        ("user bob >hidden nonsense\n", "Syntax error"),
        ("user bob >hidden +nosuch\n", r"Unknown command or category name in ACL \(\+nosuch\)"),
        ("user bob >hidden (+get\n", "unmatched parenthesis"),
        ("user bob >hidden\naclfile x\n", "it must be the one or the other"),
        ("aclfile /nowhere/users\n", "opening file '/nowhere/users': No such file or directory"),
    ],
)
def test_users_that_make_no_sense_keep_the_server_from_starting(
    tmp_path: Path, text: str, error: str
) -> None:
    with pytest.raises(ConfigError, match=error) as caught:
        configured(tmp_path, text).close()
    assert "hidden" not in str(caught.value).replace("(hidden)", "")


def test_on_the_command_line_a_user_may_be_one_word_or_several() -> None:
    config = Config.from_arguments(None, [("user", ["bob on nopass"]), ("user", ["eve", "on"])])
    assert [statement.words for statement in config.users] == [
        ["bob", "on", "nopass"],
        ["eve", "on"],
    ]


def test_what_a_script_may_not_call_is_an_error_of_the_script(driver: Driver) -> None:
    driver.run("ACL", "SETUSER", "default", "-set")
    refusal = b"ACL failure in script: User default has no permissions to run the 'set' command"
    reply = driver.run("EVAL", "return redis.pcall('SET', 'a', 1)", 0)
    assert reply == b"-ERR " + refusal
    reply = driver.run("EVAL", "return redis.call('SET', 'a', 1)", 0)
    assert isinstance(reply, bytes)
    assert reply.startswith(b"-ERR " + refusal)
