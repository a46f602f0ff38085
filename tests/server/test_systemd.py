"""Under a service manager: sockets that it has bound, and what it is told."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dscache.server.systemd import Notifier, inherited_sockets
from raw_client import RawClient
from serving import DEADLINE_SECONDS, free_port, until


class Service:
    """``dscache serve``, started as systemd starts a service."""

    def __init__(self, directory: Path, sockets: list[socket.socket], *words: str) -> None:
        self.told: list[bytes] = []
        self._log_path = directory / "log"
        self._manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._manager.bind(str(directory / "notify"))
        self._manager.setblocking(False)
        moves = " ".join(f"{3 + n}<&{one.fileno()}" for n, one in enumerate(sockets))
        serve = f"exec {sys.executable} -m dscache serve --dir {directory / 'data'} " + " ".join(
            f"'{word}'" for word in words
        )
        environment = {
            **os.environ,
            "LISTEN_FDS": str(len(sockets)),
            "NOTIFY_SOCKET": str(directory / "notify"),
            "WATCHDOG_USEC": "100000",
        }
        with self._log_path.open("wb") as log:
            self.process = subprocess.Popen(
                ["bash", "-c", f"LISTEN_PID=$$ {serve} {moves}"],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[one.fileno() for one in sockets],
            )

    def hears(self, state: bytes) -> bool:
        """Whether the service has said that."""
        try:
            while True:
                self.told.append(self._manager.recv(1000))
        except BlockingIOError:
            return state in self.told

    def log(self) -> str:
        return self._log_path.read_text()

    def end(self) -> None:
        """Stop it, if it runs, and wait for it."""
        self.process.terminate()
        self.process.wait(DEADLINE_SECONDS)
        self._manager.close()


@pytest.fixture
def services() -> Iterator[list[Service]]:
    """Those that are stopped at the end."""
    services: list[Service] = []
    yield services
    for service in services:
        service.end()


def _listening(family: socket.AddressFamily, where: str | tuple[str, int]) -> socket.socket:
    one = socket.socket(family)
    one.bind(where)
    one.listen()
    return one


def test_a_service_serves_on_the_sockets_that_it_is_given_and_says_how_it_is(
    tmp_path: Path, services: list[Service]
) -> None:
    with (
        _listening(socket.AF_INET, ("127.0.0.1", 0)) as tcp,
        _listening(socket.AF_UNIX, str(tmp_path / "socket")) as unix,
    ):
        address = tcp.getsockname()
        words = ["--bind", "127.0.0.1", "--port", str(address[1])]
        service = Service(tmp_path, [unix, tcp], *words, "--unixsocket", str(tmp_path / "socket"))
        services.append(service)
        # Whoever connects before the server is there waits in the socket's queue.
        with RawClient(address) as client:
            assert client.call("PING") == b"PONG"
        with RawClient(str(tmp_path / "socket")) as client:
            assert client.call("PING") == b"PONG"
    until(lambda: service.hears(b"READY=1"), "the service is ready")
    until(lambda: service.hears(b"WATCHDOG=1"), "the watchdog is satisfied")
    service.process.terminate()
    assert service.process.wait(DEADLINE_SECONDS) == 0
    assert service.hears(b"STOPPING=1")
    assert (tmp_path / "socket").exists(), "it belongs to the manager"


def test_a_socket_that_no_directive_asks_for_is_an_error(
    tmp_path: Path, services: list[Service]
) -> None:
    with _listening(socket.AF_INET, ("127.0.0.1", 0)) as tcp:
        port = tcp.getsockname()[1]
        service = Service(tmp_path, [tcp], "--bind", "127.0.0.1", "--port", str(free_port()))
        services.append(service)
        assert service.process.wait(DEADLINE_SECONDS) == 1
    assert f"passed on a socket for 127.0.0.1:{port}, which is not what bind, port" in service.log()


def test_sockets_for_another_process_are_left_alone() -> None:
    environment = {"LISTEN_PID": "1", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "a:b"}
    assert inherited_sockets(environment) == []
    assert environment == {}


def test_without_a_manager_nothing_is_told() -> None:
    notifier = Notifier({})
    notifier.tell("READY=1")
    notifier.watch(1.0)


def test_a_manager_that_is_gone_is_no_error(tmp_path: Path) -> None:
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "nobody")}).tell("READY=1")


def test_a_manager_may_have_an_abstract_address() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0dscache-test-{os.getpid()}")
        Notifier({"NOTIFY_SOCKET": f"@dscache-test-{os.getpid()}"}).tell("READY=1")
        assert manager.recv(100) == b"READY=1"


@pytest.mark.parametrize(
    ("process", "told"), [("", 2), (str(os.getpid()), 2), ("1", 0)], ids=["any", "ours", "another"]
)
def test_the_watchdog_hears_of_us_twice_as_often_as_it_must(
    tmp_path: Path, process: str, told: int
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)
        notifier = Notifier(
            {
                "NOTIFY_SOCKET": str(tmp_path / "notify"),
                "WATCHDOG_PID": process,
                "WATCHDOG_USEC": "1000000",
            }
        )
        for now in (1.0, 1.2, 1.4, 1.5, 1.9):
            notifier.watch(now)
        for _ in range(told):
            assert manager.recv(100) == b"WATCHDOG=1"
        with pytest.raises(BlockingIOError):
            manager.recv(100)
