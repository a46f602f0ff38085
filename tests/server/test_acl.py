"""Access control over sockets: who is disconnected when, and with which bytes."""

from __future__ import annotations

from raw_client import RawClient
from serving import ServerProcess, StartServer


def logged_in(server: ServerProcess, *rules: str) -> RawClient:
    """A connection of the user bob, made by ``rules``."""
    assert server.call("ACL", "SETUSER", "bob", "reset", "on", ">pw", *rules) == b"OK"
    client = server.connect()
    assert client.call("AUTH", "bob", "pw") == b"OK"
    return client


def test_a_user_may_do_what_his_rules_say(server: ServerProcess) -> None:
    client = logged_in(server, "+set", "+get", "~mine:*")
    assert client.call("SET", "mine:1", "x") == b"OK"
    assert client.call("GET", "other") == b"-NOPERM No permissions to access a key"
    assert client.call("FLUSHALL") == (
        b"-NOPERM User bob has no permissions to run the 'flushall' command"
    )
    server.empty_memory()
    assert client.call("GET", "mine:1") == b"x"


def test_deleting_a_user_disconnects_him(server: ServerProcess) -> None:
    client = logged_in(server, "+@all", "~*")
    client.send(b"BLPOP list 0\r\n")
    assert server.call("ACL", "DELUSER", "bob") == 1
    assert client.read_to_end() == b""


def test_who_deletes_himself_reads_the_reply_and_is_disconnected(server: ServerProcess) -> None:
    client = logged_in(server, "+acl|deluser", "+ping")
    client.send(b"ACL DELUSER bob\r\nPING\r\n")
    assert client.read_to_end() == b":1\r\n"


def test_a_subscriber_who_loses_his_channel_is_disconnected(server: ServerProcess) -> None:
    client = logged_in(server, "+subscribe", "&news")
    client.send(b"SUBSCRIBE news\r\n")
    assert client.read() == [b"subscribe", b"news", 1]
    assert server.call("ACL", "SETUSER", "bob", "resetchannels") == b"OK"
    assert client.read_to_end() == b""


def test_users_come_with_the_configuration_and_go_with_the_file(start_server: StartServer) -> None:
    server = start_server(user="bob on nopass +acl|whoami")
    with RawClient(server.address) as client:
        assert client.call("AUTH", "bob", "x") == b"OK"
        assert client.call("ACL", "WHOAMI") == b"bob"


def test_the_log_of_the_server_holds_no_password(start_server: StartServer) -> None:
    server = start_server(requirepass="hidden-one", loglevel="debug")
    with RawClient(server.address) as client:
        client.call("AUTH", "hidden-two")
        client.call("AUTH", "hidden-one")
        client.call("ACL", "SETUSER", "bob", ">hidden-three", "nonsense")
        client.call("CONFIG", "SET", "requirepass", "hidden-four")
    server.stop()
    assert "hidden" not in server.log()
