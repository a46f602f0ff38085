"""The wire, over real sockets: both protocols, inline commands, pipelines, and requests cut anywhere."""

from __future__ import annotations

import random
import socket
import stat
from pathlib import Path

import pytest
import redis

from raw_client import RawClient, Word, request, requests
from serving import ServerProcess, StartServer, free_port, until

MEBIBYTE = 1024 * 1024


# Both protocols


@pytest.mark.parametrize("protocol", [2, 3])
def test_redis_py_works_in_both_protocols(server: ServerProcess, protocol: int) -> None:
    with redis.Redis(*server.address, protocol=protocol) as client:
        assert client.set("name", "value")
        assert client.get("name") == b"value"
        assert client.mget(["name", "nothing"]) == [b"value", None]
        assert client.incrby("number", 5) == 5
        with pytest.raises(redis.ResponseError, match="not an integer"):
            client.incr("name")
        assert client.info("server")["redis_version"].startswith("7.")
        assert client.config_get("port") == {"port": str(server.address[1])}
        with client.pipeline() as transaction:
            transaction.set("name", "other")
            transaction.get("name")
            assert transaction.execute() == [True, b"other"]


def test_a_connection_starts_with_resp2_and_hello_changes_it(server: ServerProcess) -> None:
    with server.connect() as client:
        client.send(request("GET", "nothing"))
        assert client.read_raw() == b"$-1\r\n"
        greeting = client.call("HELLO", 3)
        assert isinstance(greeting, dict)
        assert greeting[b"proto"] == 3
        assert greeting[b"server"] == b"redis"
        client.send(request("GET", "nothing"))
        assert client.read_raw() == b"_\r\n"
        client.send(request("CONFIG", "GET", "port"))
        assert client.read_raw().startswith(b"%1\r\n")
        assert isinstance(client.call("HELLO", 2), list)
        client.send(request("GET", "nothing"))
        assert client.read_raw() == b"$-1\r\n"


def test_an_unknown_protocol_version_changes_nothing(server: ServerProcess) -> None:
    with server.connect() as client:
        assert client.call("HELLO", 4) == b"-NOPROTO unsupported protocol version"
        assert client.call("HELLO", "x") == (
            b"-ERR Protocol version is not an integer or out of range"
        )
        client.send(request("GET", "nothing"))
        assert client.read_raw() == b"$-1\r\n"


# Requests in all shapes


def test_inline_commands(server: ServerProcess) -> None:
    with server.connect() as client:
        client.send(b"\r\n  SET  name  'two words' \nGET name\r\nGET \"n\\x61me\"\r\n")
        assert [client.read() for _ in range(3)] == [b"OK", b"two words", b"two words"]


def test_empty_requests_have_no_reply(server: ServerProcess) -> None:
    with server.connect() as client:
        client.send(b"*0\r\n*-1\r\n\r\n" + request("PING"))
        assert client.read() == b"PONG"


def test_a_pipeline_of_100000_commands(server: ServerProcess) -> None:
    with server.connect() as client:
        values = client.pipeline([("INCR", "counter")] * 100_000)
        assert values == list(range(1, 100_001))


def test_a_request_may_be_split_at_any_byte(server: ServerProcess) -> None:
    commands: list[tuple[Word, ...]] = [
        ("SET", "name", "some\r\nvalue"),
        ("GET", "name"),
        ("ECHO", ""),
    ]
    data = requests(commands) + b"ECHO inline\r\n"
    with server.connect() as client:
        for split in range(1, len(data)):
            client.send(data[:split])
            # A round trip of somebody else: the first part has been read by then.
            server.call("PING")
            client.send(data[split:])
            replies = [client.read() for _ in range(4)]
            assert replies == [b"OK", b"some\r\nvalue", b"", b"inline"], f"split at {split}"


def test_a_request_may_come_byte_by_byte(server: ServerProcess) -> None:
    with server.connect() as client:
        for byte in request("SET", "name", "value") + b"GET name\r\n":
            client.send(bytes([byte]))
        assert client.read() == b"OK"
        assert client.read() == b"value"


def test_a_value_of_100_megabytes_comes_back_as_it_was(start_server: StartServer) -> None:
    server = start_server(maxmemory="512mb")
    value = random.Random(1).randbytes(MEBIBYTE) * 100
    with server.connect() as client:
        assert client.call("SET", "huge", value) == b"OK"
        assert client.call("STRLEN", "huge") == len(value)
        assert client.call("GET", "huge") == value
        server.empty_memory()
        assert client.call("GET", "huge") == value
        assert client.call("GETRANGE", "huge", -10, -1) == value[-10:]


# Malformed requests. The texts were compared with those of redis-server 7.


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"*abc\r\n", b"invalid multibulk length"),
        (b"*2147483648\r\n", b"invalid multibulk length"),
        (b"* 1\r\n$4\r\nPING\r\n", b"invalid multibulk length"),
        (b"*01\r\n$4\r\nPING\r\n", b"invalid multibulk length"),
        (b"*1\n$4\r\nPING\r\n", b"invalid multibulk length"),
        (b"*1\r\nPING\r\n", b"expected '$', got 'P'"),
        (b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n:1\r\n", b"expected '$', got ':'"),
        (b"*1\r\n$-1\r\n", b"invalid bulk length"),
        (b"*1\r\n$\r\n", b"invalid bulk length"),
        (b"*1\r\n$4x\r\nPING\r\n", b"invalid bulk length"),
        (b"*1\r\n$536870913\r\n", b"invalid bulk length"),
        (b"*1\r\n$99999999999999999999\r\n", b"invalid bulk length"),
        (b"*" + b"1" * 70_000, b"too big mbulk count string"),
        (b"*1\r\n$" + b"1" * 70_000, b"too big bulk count string"),
        (b"x" * 70_000, b"too big inline request"),
        (b'SET name "value\r\n', b"unbalanced quotes in request"),
        (b"SET 'name'value\r\n", b"unbalanced quotes in request"),
    ],
)
def test_a_malformed_request_gets_an_error_and_a_close(
    server: ServerProcess, data: bytes, error: bytes
) -> None:
    with server.connect() as client:
        client.send(request("PING") + data)
        assert client.read() == b"PONG"
        assert client.read_to_end() == b"-ERR Protocol error: " + error + b"\r\n"
    assert server.call("PING") == b"PONG"


@pytest.mark.parametrize("first", [b"POST / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: here\r\n"])
def test_a_browser_is_not_listened_to(server: ServerProcess, first: bytes) -> None:
    """A web page can make a browser send this, with commands in its body."""
    with server.connect() as client:
        client.send(first + b"Accept: */*\r\n\r\nSET broken in\r\n")
        assert client.is_closed_by_server()
    assert server.call("EXISTS", "broken") == 0


def test_a_client_that_hangs_up_in_the_middle_of_a_request_disturbs_nobody(
    server: ServerProcess,
) -> None:
    for size in range(1, 60):
        client = RawClient(server.address)
        client.send((request("SET", "name", "v" * 40_000) + request("GET", "name"))[:-size])
        client.close()
    until(lambda: server.figure("connected_clients") == 1, "the connections are gone")
    assert server.call("PING") == b"PONG"


def test_what_was_sent_before_the_client_stopped_sending_is_answered(
    server: ServerProcess,
) -> None:
    """``printf 'GET key' | nc``, with keys in memory and on disk, and with replies of any size."""
    value = b"v" * 300_000
    assert server.call("SET", "big", value) == b"OK"
    for on_disk_only in (False, True):
        if on_disk_only:
            server.empty_memory()
        with server.connect() as client:
            client.send(request("GET", "big") * 50 + request("PING"))
            client.socket.shutdown(socket.SHUT_WR)
            for _ in range(50):
                assert client.read() == value
            assert client.read() == b"PONG"
            assert client.read_to_end() == b""


def test_quit_is_answered_and_nothing_after_it_is_carried_out(server: ServerProcess) -> None:
    with server.connect() as client:
        client.send(request("QUIT") + request("SET", "name", "value"))
        assert client.read_to_end() == b"+OK\r\n"
    assert server.call("EXISTS", "name") == 0


# Limits


def test_the_longest_argument_is_a_directive_that_takes_effect_at_once(
    start_server: StartServer,
) -> None:
    server = start_server(proto_max_bulk_len="1mb")
    with server.connect() as client, server.connect() as old:
        assert client.call("SET", "name", b"v" * MEBIBYTE) == b"OK"
        assert old.call("PING") == b"PONG"
        client.send(b"*3\r\n$3\r\nSET\r\n$4\r\nname\r\n$%d\r\n" % (MEBIBYTE + 1))
        assert client.read() == b"-ERR Protocol error: invalid bulk length"
        assert client.is_closed_by_server()
        assert server.call("APPEND", "name", "v") == (
            b"-ERR string exceeds maximum allowed size (proto-max-bulk-len)"
        )
        assert server.call("CONFIG", "SET", "proto-max-bulk-len", "2mb") == b"OK"
        assert old.call("SET", "name", b"v" * (MEBIBYTE + 1)) == b"OK"


def test_a_request_over_the_query_buffer_limit_is_cut_off(start_server: StartServer) -> None:
    server = start_server(client_query_buffer_limit="1mb")
    with server.connect() as client:
        client.send(b"*2\r\n$4\r\nECHO\r\n$3000000\r\n" + b"v" * 2 * MEBIBYTE)
        assert client.is_closed_by_server()
    assert server.figure("client_query_buffer_limit_disconnections") == 1
    assert "client-query-buffer-limit" in server.log()


def test_a_long_pipeline_is_not_a_long_request(start_server: StartServer) -> None:
    server = start_server(client_query_buffer_limit="1mb")
    with server.connect() as client:
        replies = client.pipeline([("SET", f"key{n}", "v" * 1000) for n in range(10_000)])
        assert replies == [b"OK"] * 10_000


def _client_line(server: ServerProcess, name: str) -> dict[str, str]:
    """What CLIENT LIST says about the client of this name."""
    text = server.call("CLIENT", "LIST")
    assert isinstance(text, bytes)
    for line in text.decode().splitlines():
        fields = dict(field.split("=", 1) for field in line.split(" ") if "=" in field)
        if fields.get("name") == name:
            return fields
    return {}


def test_a_client_that_does_not_read_is_not_worked_for(start_server: StartServer) -> None:
    server = start_server(maxmemory="32mb")
    value = b"v" * 200_000
    with server.connect(receive_buffer_bytes=65536) as client:
        assert client.call("CLIENT", "SETNAME", "lazy") == b"OK"
        assert client.call("SET", "big", value) == b"OK"
        before = server.resident_bytes()
        client.send(request("GET", "big") * 1000)
        until(lambda: int(_client_line(server, "lazy")["omem"]) > 0, "replies pile up")
        grown = 0
        for _ in range(50):
            assert int(_client_line(server, "lazy")["omem"]) < 2 * MEBIBYTE
            grown = max(grown, server.resident_bytes() - before)
        assert grown < 16 * MEBIBYTE
        for _ in range(1000):
            assert client.read() == value
        assert client.call("PING") == b"PONG"


def test_a_client_that_does_not_read_cannot_send_without_end(start_server: StartServer) -> None:
    server = start_server(maxmemory="32mb")
    with server.connect(receive_buffer_bytes=65536) as client:
        assert client.call("CLIENT", "SETNAME", "lazy") == b"OK"
        before = server.resident_bytes()
        wave = request("ECHO", "v" * 10_000) * 10
        client.socket.setblocking(False)
        sent = 0
        while True:
            try:
                sent += client.socket.send(wave[sent % len(wave) :])
            except BlockingIOError:
                if int(_client_line(server, "lazy")["qbuf"]) > MEBIBYTE // 2:
                    break
            assert sent < 100 * MEBIBYTE
        assert int(_client_line(server, "lazy")["qbuf"]) < 2 * MEBIBYTE
        assert server.resident_bytes() - before < 16 * MEBIBYTE
        client.socket.settimeout(30)
        for _ in range(sent // (len(wave) // 10)):
            assert client.read() == b"v" * 10_000


def test_replies_over_the_hard_output_limit_end_the_connection(start_server: StartServer) -> None:
    server = start_server(client_output_buffer_limit="normal 1mb 0 0", maxmemory="64mb")
    with server.connect(receive_buffer_bytes=65536) as client:
        client.send(request("SET", "big", "v" * 8 * MEBIBYTE) + request("GET", "big") * 4)
        until(
            lambda: server.figure("client_output_buffer_limit_disconnections") == 1,
            "the client is disconnected",
        )
        assert len(client.read_to_end()) < 8 * MEBIBYTE
    assert "client-output-buffer-limit" in server.log()


def test_replies_over_the_soft_output_limit_end_the_connection_after_its_time(
    start_server: StartServer,
) -> None:
    server = start_server(client_output_buffer_limit="normal 0 100kb 1", maxmemory="64mb")
    with server.connect(receive_buffer_bytes=65536) as client:
        client.send(request("SET", "big", "v" * 8 * MEBIBYTE) + request("GET", "big"))
        until(
            lambda: server.figure("client_output_buffer_limit_disconnections") == 1,
            "the client is disconnected",
        )
        assert len(client.read_to_end()) < 8 * MEBIBYTE


def test_no_more_clients_than_maxclients(start_server: StartServer) -> None:
    server = start_server(maxclients=3)
    clients = [server.connect() for _ in range(3)]
    assert [client.call("PING") for client in clients] == [b"PONG"] * 3
    with server.connect() as surplus:
        assert surplus.read_to_end() == b"-ERR max number of clients reached\r\n"
    clients.pop().close()

    def is_let_in() -> bool:
        try:
            return server.call("PING") == b"PONG"
        except (EOFError, ConnectionError):
            return False

    until(is_let_in, "the place of the one who left is free")
    assert server.figure("rejected_connections") >= 1


def test_an_idle_client_is_disconnected_after_timeout(start_server: StartServer) -> None:
    server = start_server(timeout=1, loglevel="verbose")
    with server.connect() as client:
        assert client.call("PING") == b"PONG"
        assert client.read_to_end() == b""
    (line,) = [line for line in server.log().splitlines() if "idle longer than timeout" in line]
    assert "VERBOSE client 127.0.0.1:" in line


def test_who_does_not_speak_the_protocol_is_logged_with_his_address(
    start_server: StartServer,
) -> None:
    server = start_server(loglevel="verbose")
    with server.connect() as client:
        client.send(b"*1\r\n$x\r\n")
        assert client.is_closed_by_server()
    (line,) = [line for line in server.log().splitlines() if "Protocol error" in line]
    assert "VERBOSE client 127.0.0.1:" in line
    assert line.endswith("disconnected: ERR Protocol error: invalid bulk length")


# Who may come in


def test_a_password_is_asked_for_before_anything_else(start_server: StartServer) -> None:
    server = start_server(requirepass="secret word".replace(" ", "-"))
    no_auth = b"-NOAUTH Authentication required."
    wrong = b"-WRONGPASS invalid username-password pair or user is disabled."
    with RawClient(server.address) as client:
        assert client.call("PING") == no_auth
        assert client.call("SET", "name", "value") == no_auth
        assert client.call("AUTH", "other") == wrong
        assert client.call("AUTH", "nobody", "secret-word") == wrong
        assert client.call("GET", "name") == no_auth
        assert client.call("AUTH", "secret-word") == b"OK"
        assert client.call("PING") == b"PONG"
    with redis.Redis(*server.address, password="secret-word") as client:
        assert client.ping()
    with RawClient(server.address) as client:
        hello = client.call("HELLO", 3)
        assert isinstance(hello, bytes)
        assert hello.startswith(b"-NOAUTH HELLO must be called with the client already auth")
        assert client.call("HELLO", 3, "AUTH", "default", "other") == wrong
        # The protocol has not changed by what was refused.
        client.send(request("AUTH", "default", "secret-word") + request("GET", "nothing"))
        assert client.read() == b"OK"
        assert client.read_raw() == b"$-1\r\n"
    with RawClient(server.address) as client:
        words = ("HELLO", 3, "AUTH", "default", "secret-word", "SETNAME", "me")
        assert isinstance(client.call(*words), dict)
        assert client.call("CLIENT", "GETNAME") == b"me"


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"*11\r\n", b"unauthenticated multibulk length"),
        (b"*2\r\n$4\r\nAUTH\r\n$16385\r\n", b"unauthenticated bulk length"),
    ],
)
def test_who_has_not_given_the_password_may_send_little(
    start_server: StartServer, data: bytes, error: bytes
) -> None:
    server = start_server(requirepass="secret")
    with server.connect() as client:
        client.send(data)
        assert client.read_to_end() == b"-ERR Protocol error: " + error + b"\r\n"
    with server.connect() as client:
        # Behind the password in the same packet the large limits hold.
        client.send(request("AUTH", "secret") + request("ECHO", "v" * 20_000))
        assert client.read() == b"OK"
        assert client.read() == b"v" * 20_000


def test_protected_mode_lets_only_this_machine_in(start_server: StartServer) -> None:
    outside = _non_loopback_address()
    server = start_server(bind="* -::*")
    address = (outside, server.address[1])
    with RawClient(address) as client:
        denial = client.read_to_end()
        assert denial.startswith(b"-DENIED dscache is running in protected mode")
        assert denial.endswith(b"\r\n")
    assert server.call("CONFIG", "SET", "protected-mode", "no") == b"OK"
    with RawClient(address) as client:
        assert client.call("PING") == b"PONG"
    assert server.call("CONFIG", "SET", "protected-mode", "yes", "requirepass", "pw") == b"OK"
    with RawClient(address) as client:
        assert client.call("PING") == b"-NOAUTH Authentication required."


def _non_loopback_address() -> str:
    """An IPv4 address of this machine that is not loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Connecting a datagram socket sends nothing; it chooses an address.
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but loopback")
        address: str = probe.getsockname()[0]
    if address.startswith("127."):
        pytest.skip("this machine has no address but loopback")
    return address


def test_a_unix_socket_has_the_permissions_asked_for(
    start_server: StartServer, tmp_path: Path
) -> None:
    path = tmp_path / "socket"
    server = start_server(unixsocket=str(path), unixsocketperm="700")
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    with redis.Redis(unix_socket_path=str(path)) as client:
        assert client.set("name", "value")
        assert client.client_info()["addr"] == f"{path}:0"
    assert server.call("GET", "name") == b"value"
    server.stop()
    assert not path.exists()


def test_a_unix_socket_that_a_killed_server_left_behind_is_replaced(
    start_server: StartServer, tmp_path: Path
) -> None:
    path = tmp_path / "socket"
    server = start_server(unixsocket=str(path))
    server.kill()
    assert path.exists()
    server.start()
    with RawClient(str(path)) as client:
        assert client.call("PING") == b"PONG"


def test_without_a_tcp_port_the_unix_socket_is_the_only_way_in(
    start_server: StartServer, tmp_path: Path
) -> None:
    path = tmp_path / "socket"
    start_server(port=0, unixsocket=str(path))
    with RawClient(str(path)) as client:
        assert client.call("PING") == b"PONG"


def test_the_port_can_be_changed_while_clients_are_connected(start_server: StartServer) -> None:
    server = start_server()
    former = server.address
    with server.connect() as old:
        port = free_port()
        assert old.call("CONFIG", "SET", "port", port) == b"OK"
        server.directives["port"] = port
        assert server.call("PING") == b"PONG"
        assert old.call("PING") == b"PONG"
        until(lambda: not _answers(former), "nobody listens on the former port")
        # There and back, at once.
        replies = old.pipeline([("CONFIG", "SET", "port", one) for one in (former[1], port)])
        assert replies == [b"OK", b"OK"]
        assert server.call("INFO", "server") != b""
        until(lambda: not _answers(former), "nobody listens on the former port")
        assert server.figure("tcp_port") == port


def _answers(address: tuple[str, int]) -> bool:
    try:
        with RawClient(address) as client:
            return client.call("PING") == b"PONG"
    except (ConnectionError, EOFError):
        return False


def test_a_port_that_is_taken_is_refused_and_nothing_changes(start_server: StartServer) -> None:
    server = start_server()
    other = start_server()
    with server.connect() as client:
        reply = client.call("CONFIG", "SET", "hz", 77, "port", other.address[1])
        assert isinstance(reply, bytes)
        assert reply.startswith(b"-ERR CONFIG SET failed (possibly related to argument 'port') - ")
        assert b"it is in use" in reply
        assert client.call("CONFIG", "GET", "port") == [b"port", str(server.address[1]).encode()]
        assert client.call("CONFIG", "GET", "hz") == [b"hz", b"10"]
    assert server.call("PING") == b"PONG"
    assert other.call("PING") == b"PONG"


def test_addresses_can_be_added_and_taken_away(start_server: StartServer) -> None:
    address = _non_loopback_address()
    server = start_server(bind="127.0.0.1", protected_mode="no")
    outside = (address, server.address[1])
    assert not _answers(outside)
    for words, is_reachable in (("*", True), ("127.0.0.1 -::1", False), ("0.0.0.0", True)):
        # In a moment: the sockets are bound at once, the former ones are closed in the next turn.
        assert server.call("CONFIG", "SET", "bind", words) == b"OK"
        until(
            lambda wanted=is_reachable: _answers(outside) == wanted,  # type: ignore[misc]
            f"bind {words} has taken effect",
        )
        assert server.call("PING") == b"PONG"
    reply = server.call("CONFIG", "SET", "bind", "203.0.113.7")
    assert isinstance(reply, bytes)
    assert reply.startswith(b"-ERR CONFIG SET failed (possibly related to argument 'bind') - ")
    assert _answers(outside)
