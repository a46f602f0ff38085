"""``dscache.Server``: a real server in a child process, for a program or a test.

The child is ``python -m dscache serve``, so it is what runs elsewhere: it has a memory, a log and an end of
its own. That it is ready is read in its log. Its standard input is a pipe that nobody writes to, by whose end
it notices that the program was killed (``dscache.server.lifeline``).
"""

from __future__ import annotations

import atexit
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from types import TracebackType
from typing import IO, TYPE_CHECKING, Final
from urllib.parse import quote

from dscache.embedded.options import DirectiveValue, as_overrides
from dscache.errors import ConfigError, ServerError
from dscache.server.lifeline import VARIABLE as LIFELINE

if TYPE_CHECKING:
    import redis

_HOST: Final = "127.0.0.1"
_READY: Final = " ready on "

# Redo logs of a crash are replayed before the server is ready, which may take long.
_START_SECONDS: Final = 60.0
# It saves what is dirty. If the disk does not take it, it gives up after shutdown-timeout, 10 s.
_STOP_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.005

# A port that was free may be taken before the server listens on it.
_TRIES: Final = 5
_PORT_TAKEN: Final = "it is in use"

# What of the log goes into an exception.
_LOG_BYTES: Final = 4096

_OWN: Final = {
    "bind": "it listens on 127.0.0.1",
    "logfile": "its log is in the attribute log",
    "loglevel": "its log says when it is ready, and must not leave that out",
    "volatile": "it is, without dir",
}


class Server:
    """A server on 127.0.0.1 with its data in ``dir``, or without ``dir`` in a temporary directory that goes
    with it.

    ::

        with dscache.Server(maxmemory="64mb") as server:
            client = server.client(decode_responses=True)

    ``port`` 0 takes a free one. ``directives`` have ``_`` for ``-`` (docs/configuration.md). ``start`` and
    ``stop`` may follow each other: the data in ``dir`` stays. A server that still runs when the program
    ends is stopped. If the program is killed, it notices and stops, too.

    Raises ConfigError for a directive that is not for this.
    """

    def __init__(
        self,
        dir: str | os.PathLike[str] | None = None,  # noqa: A002 (the directive's name)
        *,
        port: int = 0,
        **directives: DirectiveValue,
    ) -> None:
        for name, reason in _OWN.items():
            if name in directives:
                raise ConfigError(f"{name} cannot be given to dscache.Server: {reason}")
        self._directory: Final = dir
        self._wanted_port: Final = port
        self._overrides: Final = as_overrides(directives)
        # What a client has to say. That it was changed since (CONFIG SET, ACL) is not known here.
        self._password: Final = "".join(dict(self._overrides).get("requirepass", []))
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None
        self._temporary: tempfile.TemporaryDirectory[str] | None = None

    def start(self) -> Server:
        """Start it, and wait until it is ready. Returns itself; does nothing if it runs.

        Raises ServerError, with what the log says, if it does not start.
        """
        for _ in range(_TRIES):
            if self._process is not None:
                return self
            self._port = self._wanted_port or _free_port()
            self._spawn()
            try:
                self._await_start()
            except ServerError as error:
                self._end(kill=True)
                if self._wanted_port or _PORT_TAKEN not in str(error):
                    raise
        if self._process is None:
            raise ServerError(f"no port stays free for long enough on {_HOST}")
        return self

    def _spawn(self) -> None:
        if self._directory is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="dscache-server-")
            place = ["--volatile", "yes", "--dir", self._temporary.name]
        else:
            place = ["--dir", os.fspath(self._directory)]
        words = [sys.executable, "-m", "dscache", "serve", *place]
        words += ["--bind", _HOST, "--port", str(self._port)]
        for name, values in self._overrides:
            words += [f"--{name}", *values]
        self._log = tempfile.TemporaryFile(prefix="dscache-log-")  # noqa: SIM115 (it closes in _end)
        self._process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=self._log,
            env={**os.environ, LIFELINE: "0"},
        )
        atexit.register(self.stop)

    def _await_start(self) -> None:
        process = self._process
        assert process is not None, "it has just been started"
        deadline = time.monotonic() + _START_SECONDS
        while _READY not in self.log:
            code = process.poll()
            if code is not None:
                raise ServerError(
                    f"the server did not start (exit code {code}):\n{self.log[-_LOG_BYTES:]}"
                )
            if time.monotonic() > deadline:
                raise ServerError(
                    f"the server is not ready after {_START_SECONDS:.0f} s:\n{self.log[-_LOG_BYTES:]}"
                )
            time.sleep(_POLL_SECONDS)

    def stop(self) -> None:
        """Stop it: it saves its data and ends. Does nothing if it does not run.

        Raises ServerError, with what the log says, if it did not end well.
        """
        process = self._process
        if process is None:
            return
        process.terminate()
        try:
            code = process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired as error:
            text = self._end(kill=True)
            raise ServerError(f"the server did not stop, and was killed:\n{text}") from error
        text = self._end(kill=False)
        if code != 0:
            raise ServerError(f"the server ended with exit code {code}:\n{text}")

    def kill(self) -> None:
        """End it as a crash would. Does nothing if it does not run."""
        if self._process is not None:
            self._end(kill=True)

    def _end(self, kill: bool) -> str:
        """Let go of a process that is at its end; the end of its log."""
        process = self._process
        assert process is not None, "it runs"
        if kill:
            process.kill()
            process.wait()
        assert process.stdin is not None, "it is a pipe"
        process.stdin.close()
        text = self.log[-_LOG_BYTES:]
        self._process = None
        atexit.unregister(self.stop)
        if self._log is not None:
            self._log.close()
            self._log = None
        if self._temporary is not None:
            self._temporary.cleanup()
            self._temporary = None
        return text

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def port(self) -> int:
        """The port that it listens on; before the first start the one that was asked for."""
        return self._port

    @property
    def url(self) -> str:
        """Where clients find it: ``redis://127.0.0.1:<port>/0``, with the password if ``requirepass`` was
        given."""
        login = f":{quote(self._password, safe='')}@" if self._password else ""
        return f"redis://{login}{_HOST}:{self._port}/0"

    @property
    def pid(self) -> int | None:
        """Its process; None if it does not run."""
        return None if self._process is None else self._process.pid

    @property
    def log(self) -> str:
        """What the server that runs has logged so far; nothing if none does. O(length of the log)."""
        if self._log is None:
            return ""
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size, 0).decode("utf-8", "replace")

    def client(self, **options: object) -> redis.Redis:
        """A ``redis.Redis`` for it; ``options`` are those of ``redis.Redis``.

        If ``requirepass`` was given it logs in with that, unless ``options`` say as whom.
        """
        import redis  # noqa: PLC0415 (a server alone does not need it)

        if self._password and not options.keys() & {"username", "password", "credential_provider"}:
            options["password"] = self._password
        return redis.Redis(host=_HOST, port=self._port, **options)  # type: ignore[arg-type]


def _free_port() -> int:
    with contextlib.closing(socket.socket()) as probe:
        probe.bind((_HOST, 0))
        port: int = probe.getsockname()[1]
        return port
