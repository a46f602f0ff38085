"""tls-port: who may connect, and changing certificates while the server runs."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
import redis

from serving import ServerProcess, free_port, until

CERTIFICATES: Final = Path(__file__).with_name("certificates")


def path_of(name: str) -> str:
    return str(CERTIFICATES / name)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    # In a place of their own, where a test can exchange them.
    for name in ("server.crt", "server.key"):
        shutil.copy(path_of(name), tmp_path / name)
    server = ServerProcess(
        tmp_path,
        tls_port=free_port(),
        tls_cert_file=str(tmp_path / "server.crt"),
        tls_key_file=str(tmp_path / "server.key"),
        tls_ca_cert_file=path_of("ca.crt"),
    )
    server.start()
    yield server
    server.stop()


def connect(server: ServerProcess, certificate: str | None = "client") -> redis.Redis:
    return redis.Redis(
        host="localhost",
        port=int(server.directives["tls_port"]),
        ssl=True,
        ssl_ca_certs=path_of("ca.crt"),
        ssl_certfile=path_of(f"{certificate}.crt") if certificate else None,
        ssl_keyfile=path_of(f"{certificate}.key") if certificate else None,
    )


def name_shown(server: ServerProcess) -> str:
    """The common name of the certificate that new connections get."""
    context = ssl.create_default_context(cafile=path_of("ca.crt"))
    context.load_cert_chain(path_of("client.crt"), path_of("client.key"))
    address = ("localhost", int(server.directives["tls_port"]))
    with (
        socket.create_connection(address, timeout=10) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as wrapped,
    ):
        certificate = wrapped.getpeercert()
    assert certificate is not None
    return str(dict(pair[0] for pair in certificate["subject"])["commonName"])  # type: ignore[misc]


def test_commands_and_large_values_go_through(server: ServerProcess) -> None:
    client = connect(server)
    value = b"x" * 5_000_000
    assert client.set("large", value)
    assert client.get("large") == value
    pipe = client.pipeline(transaction=False)
    for number in range(2000):
        pipe.set(f"k{number}", number)
    assert all(pipe.execute())
    # The same data set without TLS.
    assert server.client().get("k7") == b"7"
    client.close()


@pytest.mark.parametrize("certificate", [None, "stranger"])
def test_who_shows_no_certificate_of_the_authority_is_turned_away(
    server: ServerProcess, certificate: str | None
) -> None:
    with pytest.raises(redis.ConnectionError):
        connect(server, certificate).ping()


def test_clients_need_no_certificate_if_none_is_asked_for(server: ServerProcess) -> None:
    server.client().config_set("tls-auth-clients", "no")
    until(lambda: _pings(server, None), "a client without a certificate is let in")
    server.client().config_set("tls-auth-clients", "optional")
    until(lambda: not _pings(server, "stranger"), "a wrong certificate is refused")
    assert _pings(server, None)


def _pings(server: ServerProcess, certificate: str | None) -> bool:
    try:
        return bool(connect(server, certificate).ping())
    except redis.ConnectionError:
        return False


def test_certificates_are_exchanged_while_connections_stay(server: ServerProcess) -> None:
    old = connect(server)
    old.set("a", 1)
    assert name_shown(server) == "server"
    for kind in ("crt", "key"):
        shutil.copy(path_of(f"other.{kind}"), server.directory / f"server.{kind}")
    server.client().config_set("tls-cert-file", str(server.directory / "server.crt"))
    until(lambda: name_shown(server) == "other", "new connections get the new certificate")
    assert old.get("a") == b"1"
    old.close()


def test_a_certificate_that_cannot_be_read_changes_nothing(server: ServerProcess) -> None:
    with pytest.raises(redis.ResponseError, match="tls-cert-file"):
        server.client().config_set("tls-cert-file", "/nowhere.crt")
    assert server.call("CONFIG", "GET", "tls-cert-file") == [
        b"tls-cert-file",
        str(server.directory / "server.crt").encode(),
    ]
    assert _pings(server, "client")


def test_a_tls_port_without_a_certificate_stops_the_start(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path, tls_port=free_port())
    done = subprocess.run(
        server.command_line(), capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    assert "tls-port needs tls-cert-file and tls-key-file" in done.stdout + done.stderr
