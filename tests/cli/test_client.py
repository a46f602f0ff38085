"""dscache cli without its prompt: one command, or a script on standard input."""

from __future__ import annotations

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest

from serving import ServerProcess, StartServer, free_port
from terminal import Dscache


def port_of(server: ServerProcess) -> str:
    return str(server.address[1])


def test_one_command_is_run_and_its_reply_printed_raw(
    server: ServerProcess, dscache: Dscache
) -> None:
    assert dscache("cli", "-p", port_of(server), "rpush", "l", "a b", "-p") == (0, "2\n", "")
    assert dscache("cli", "-p", port_of(server), "lrange", "l", "0", "-1") == (0, "a b\n-p\n", "")


def test_the_form_can_be_chosen(server: ServerProcess, dscache: Dscache) -> None:
    server.call("HSET", "h", "f", "v")
    at = ("cli", "-p", port_of(server))
    assert dscache(*at, "--no-raw", "hgetall", "h") == (0, '1) "f"\n2) "v"\n', "")
    assert dscache(*at, "--no-raw", "-3", "hgetall", "h") == (0, '1# "f" => "v"\n', "")
    code, said, _ = dscache(*at, "--json", "hgetall", "h")
    assert (code, json.loads(said)) == (0, {"f": "v"})
    assert dscache(*at, "--json", "-2", "hgetall", "h") == (0, '["f", "v"]\n', "")


def test_an_error_makes_the_exit_code_1(server: ServerProcess, dscache: Dscache) -> None:
    code, said, errors = dscache("cli", "-p", port_of(server), "--no-raw", "nonsense")
    assert (code, errors) == (1, "")
    assert said.startswith("(error) ERR unknown command 'nonsense'")


def test_a_script_runs_to_its_end_and_tells_whether_all_went_well(
    server: ServerProcess, dscache: Dscache
) -> None:
    at = ("cli", "-p", port_of(server))
    script = "set k \"a\\x41b\"\n\n  get 'k'\nselect 4\nmulti\nincr n\nexec\n"
    assert dscache(*at, given=script) == (0, "OK\naAb\nOK\nOK\nQUEUED\n1\n", "")
    code, said, errors = dscache(*at, given="incr k\nget 'k\necho done\n")
    assert code == 1
    assert said.splitlines()[-1] == "done"
    assert errors == "dscache: line 2: unbalanced quotes\n"


def test_where_nobody_listens_it_says_so(dscache: Dscache) -> None:
    port = free_port()
    code, said, errors = dscache("cli", "-p", str(port), "ping")
    assert (code, said) == (1, "")
    assert errors == f"dscache: cannot connect to 127.0.0.1:{port}: Connection refused\n"


def test_what_is_no_redis_server_is_named_as_such(dscache: Dscache) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor() as pool:
        answering = pool.submit(_answer_once, listener, b"HTTP/1.1 400 Bad Request\r\n\r\n")
        code, _, errors = dscache("cli", "-p", str(listener.getsockname()[1]), "ping")
        answering.result()
    assert code == 1
    assert 'does not speak the Redis protocol: it said "HTTP/1.1 400' in errors


def _answer_once(listener: socket.socket, data: bytes) -> None:
    client, _ = listener.accept()
    with client:
        client.recv(1000)
        client.sendall(data)


def test_every_way_to_a_server(server: ServerProcess, dscache: Dscache) -> None:
    server.call("ACL", "SETUSER", "reader", "on", ">pass word", "~*", "+@all")
    port = port_of(server)
    ways: list[tuple[str, ...]] = [
        ("-h", "127.0.0.1", "-p", port, "-n", "5"),
        ("-s", str(server.directives["unixsocket"]), "-n", "5"),
        ("-u", f"redis://127.0.0.1:{port}/5"),
        ("-u", f"redis://reader:pass%20word@127.0.0.1:{port}/5"),
        ("-p", port, "--user", "reader", "-a", "pass word", "-n", "5"),
    ]
    for number, way in enumerate(ways, 1):
        assert dscache("cli", *way, "incr", "visits") == (0, f"{number}\n", "")
    shown = dscache(
        "cli", "-p", port, "--user", "reader", "acl", "whoami", REDISCLI_AUTH="pass word"
    )
    assert shown == (0, "reader\n", "")
    assert server.call("SELECT", "5") == b"OK"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("-a", "nope", "ping"), "AUTH failed: ERR AUTH <password> called without"),
        (("--user", "nobody", "-a", "nope", "ping"), "AUTH failed: WRONGPASS"),
        (("-n", "99", "ping"), "SELECT failed: ERR DB index is out of range"),
    ],
)
def test_who_cannot_log_in_is_told_why_but_no_password(
    server: ServerProcess, dscache: Dscache, words: tuple[str, ...], complaint: str
) -> None:
    code, said, errors = dscache("cli", "-p", port_of(server), *words)
    assert (code, said) == (1, "")
    assert complaint in errors
    assert "nope" not in errors


@pytest.mark.parametrize(
    "words",
    [
        ("-u", "http://localhost"),
        ("-u", "redis://localhost:port"),
        ("-u", "redis://localhost/db"),
        ("--user", "somebody"),
        ("-p", "many"),
        ("--tls", "--cacert", "/no/such/file"),
    ],
)
def test_a_wrong_command_line_is_exit_code_2(dscache: Dscache, words: tuple[str, ...]) -> None:
    code, said, errors = dscache("cli", *words, "ping", REDISCLI_AUTH="")
    assert (code, said) == (2, "")
    assert "Error: " in errors


CERTIFICATES: Final = Path(__file__).parents[1] / "server" / "certificates"


def test_tls_checks_who_the_server_is(start_server: StartServer, dscache: Dscache) -> None:
    def path_of(name: str) -> str:
        return str(CERTIFICATES / name)

    port = free_port()
    start_server(
        tls_port=port,
        tls_cert_file=path_of("server.crt"),
        tls_key_file=path_of("server.key"),
        tls_ca_cert_file=path_of("ca.crt"),
    )
    at = ("cli", "-h", "127.0.0.1", "-p", str(port), "--tls")
    own = ("--cert", path_of("client.crt"), "--key", path_of("client.key"))
    trusted = ("--cacert", path_of("ca.crt"), "--sni", "localhost", *own)
    assert dscache(*at, *trusted, "echo", "x" * 100_000) == (0, "x" * 100_000 + "\n", "")
    assert dscache(*at, "--insecure", *own, "ping") == (0, "PONG\n", "")
    for mistake in (own, ("--cacert", path_of("ca.crt"), "--sni", "elsewhere", *own)):
        code, said, errors = dscache(*at, *mistake, "ping")
        assert (code, said) == (1, "")
        assert "certificate verify failed" in errors
