"""Real servers in child processes, for tests that speak to them over sockets.

The child is ``python -m dscache serve`` with the interpreter that runs the tests, so it is the package
under test: the installed, compiled one, or the source if PYTHONPATH says so.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from raw_client import RawClient, Word

#: How long a test waits for a condition before it fails.
DEADLINE_SECONDS: Final = 60.0

_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_POLL_SECONDS: Final = 0.005


def until(condition: Callable[[], bool], what: str, seconds: float = DEADLINE_SECONDS) -> None:
    """Wait until ``condition()``; fail at the deadline, saying ``what`` was awaited."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s in vain: {what}"
        time.sleep(_POLL_SECONDS)


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def run_dscache(*words: str | Path, given: str = "", **variables: str) -> tuple[int, str, str]:
    """Exit code, output and error output of ``dscache words``, with ``given`` as its input."""
    done = subprocess.run(
        [sys.executable, "-m", "dscache", *map(str, words)],
        input=given,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
        env={**os.environ, **variables},
    )
    return done.returncode, done.stdout, done.stderr


class ServerProcess:
    """A server in a child process, on ``directory/data``.

    Directives are keyword arguments, with ``_`` for ``-``. ``stop`` (or ``kill``), then ``start``, and
    it goes on with the same directory and port.
    """

    host: Final = "127.0.0.1"

    def __init__(self, directory: Path, **directives: str | int) -> None:
        self.directory: Final = directory
        self.data: Final = Path(str(directives.pop("dir", directory / "data")))
        self.log_path: Final = directory / "log"
        self.directives: Final[dict[str, str | int]] = {
            "port": free_port(),
            "maxmemory": "64mb",
            "enable_debug_command": "yes",
            **directives,
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._clients: list[redis.Redis | RawClient] = []
        # Where in the log the present process began.
        self._log_start = 0

    # Life

    def command_line(self) -> list[str]:
        """How the server is started."""
        words = [sys.executable, "-m", "dscache", "serve", "--dir", str(self.data)]
        for name, value in self.directives.items():
            words += [f"--{name.replace('_', '-')}", *str(value).split(" ")]
        return words

    def start(self) -> None:
        """Start, and wait until it is ready."""
        self.spawn()
        until(self._is_ready_or_dead, "the server says that it is ready")
        if self.is_dead():
            raise AssertionError(f"the server did not start:\n{self.log()}")

    def spawn(self) -> None:
        """Start, and do not wait."""
        assert self._process is None, "it is running already"
        self.directory.mkdir(parents=True, exist_ok=True)
        with self.log_path.open("ab") as log:
            self._log_start = log.tell()
            self._process = subprocess.Popen(
                self.command_line(), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def _is_ready_or_dead(self) -> bool:
        return " ready on " in self.log() or self.is_dead()

    def is_dead(self) -> bool:
        """Whether the process has ended by itself."""
        assert self._process is not None
        return self._process.poll() is not None

    @property
    def pid(self) -> int:
        """The process's number."""
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it has been started and its end has not been awaited."""
        return self._process is not None

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def wait(self) -> int:
        """Wait until the process ends; its exit code."""
        assert self._process is not None
        code = self._process.wait(DEADLINE_SECONDS)
        self._process = None
        self._hang_up()
        return code

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it by a signal; it must have nothing to complain about."""
        self.send_signal(number)
        code = self.wait()
        assert code == 0, f"exit code {code}:\n{self.log()}"
        self.check_log()

    def kill(self) -> None:
        """End it without giving it a chance."""
        self.send_signal(signal.SIGKILL)
        assert self.wait() == -signal.SIGKILL
        self.check_log()

    def restart(self) -> None:
        """Stop and start again."""
        self.stop()
        self.start()

    def _hang_up(self) -> None:
        for client in self._clients:
            client.close()
        self._clients.clear()

    # Clients

    def client(self, database: int = 0) -> redis.Redis:
        """A redis-py client, closed when the server is stopped. It never retries."""
        client = redis.Redis(
            self.host,
            int(self.directives["port"]),
            db=database,
            socket_timeout=DEADLINE_SECONDS,
            protocol=2,
            retry=Retry(NoBackoff(), 0),
        )
        self._clients.append(client)
        return client

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        return self.host, int(self.directives["port"])

    def connect(self, receive_buffer_bytes: int = 0) -> RawClient:
        """A raw connection, closed when the server is stopped."""
        client = RawClient(self.address, receive_buffer_bytes)
        self._clients.append(client)
        return client

    def call(self, *words: Word) -> object:
        """Run one command on a connection of its own."""
        with RawClient(self.address) as client:
            return client.call(*words)

    # What can be seen from outside

    def log(self) -> str:
        """What the present (or last) process has logged."""
        if not self.log_path.exists():
            return ""
        with self.log_path.open("rb") as file:
            file.seek(self._log_start)
            return file.read().decode(errors="replace")

    def check_log(self) -> None:
        """Fail if the server has met something that it did not expect."""
        text = self.log()
        assert "Traceback" not in text, text
        assert "Warning:" not in text, text

    def info(self, section: str = "everything") -> dict[str, str]:
        """The fields of INFO."""
        text = self.call("INFO", section)
        assert isinstance(text, bytes)
        lines = [line.partition(":") for line in text.decode().splitlines() if ":" in line]
        return {name: value for name, _, value in lines}

    def figure(self, name: str) -> int:
        """One number of INFO."""
        return int(self.info()[name])

    def resident_bytes(self) -> int:
        """The process's resident size."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * _PAGE_BYTES

    def empty_memory(self) -> None:
        """Commit, and drop every entry: the next command finds its keys on disk only."""
        assert self.call("DEBUG", "RELOAD") == b"OK"
        assert self.figure("cache_resident_keys") == 0


#: What the fixture ``start_server`` is: directives in, a running server out.
StartServer = Callable[..., ServerProcess]


def stop_all(servers: list[ServerProcess]) -> None:
    """Stop those that run; fail if one of them does not end well."""
    failed: list[str] = []
    for server in servers:
        if not server.is_running:
            continue
        try:
            server.stop()
        except Exception as error:
            failed.append(str(error))
            if server.is_running:
                server.kill()
    assert not failed, "\n".join(failed)
