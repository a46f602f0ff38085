"""redis-benchmark, run once: for the scenario whose figures people compare with other people's."""

import csv
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bench.peers import CpuTime, Server

VALUE_BYTES: Final = 100
KEYS: Final = 100_000
CLIENTS: Final = 50
_TIMEOUT_S: Final = 600


@dataclass(frozen=True, slots=True)
class Measurement:
    """One run: the rate as redis-benchmark saw it and what it cost the server."""

    per_second: float
    p50_ms: float
    p99_ms: float
    server_cpu: CpuTime
    requests: int

    @property
    def user_us(self) -> float:
        """Server user time per command."""
        return self.server_cpu.user_s * 1e6 / self.requests

    @property
    def system_us(self) -> float:
        """Server system time per command."""
        return self.server_cpu.system_s * 1e6 / self.requests

    @property
    def server_busy(self) -> float:
        """Cores the server used; well below 1 means that something else was the bottleneck."""
        return self.server_cpu.total_s / (self.requests / self.per_second)


def is_present() -> bool:
    return shutil.which("redis-benchmark") is not None


def measure(server: Server, test: str, pipeline: int, requests: int, keys: int) -> Measurement:
    """Run ``test`` (``set`` or ``get``) with 50 clients over ``keys`` random keys.

    With 1 it is what redis-benchmark does unless told otherwise: one key for everybody.
    """
    before = server.cpu()
    found = _run(server, pipeline, requests, keys, "-t", test, "-d", str(VALUE_BYTES))
    cpu = server.cpu().since(before)
    return Measurement(
        per_second=float(found["rps"]),
        p50_ms=float(found["p50_latency_ms"]),
        p99_ms=float(found["p99_latency_ms"]),
        server_cpu=cpu,
        requests=requests,
    )


def measure_command(
    server: Server, words: Sequence[str], pipeline: int, requests: int, numbers: int
) -> float:
    """Requests a second of one command, with ``__rand_int__`` in it one of so many numbers."""
    return float(_run(server, pipeline, requests, numbers, *words)["rps"])


def measure_tests(server: Server, tests: str, pipeline: int, requests: int) -> dict[str, float]:
    """Requests a second of several tests (``-t``), by the names that redis-benchmark gives them."""
    rows = _rows(server, pipeline, requests, "-t", tests)
    return {row["test"].partition(" (")[0]: float(row["rps"]) for row in rows}


def _run(server: Server, pipeline: int, requests: int, numbers: int, *words: str) -> dict[str, str]:
    """The first row of what redis-benchmark finds."""
    random = ("-r", str(numbers), "--precision", "3")
    return _rows(server, pipeline, requests, *random, *words)[0]


def _rows(server: Server, pipeline: int, requests: int, *words: str) -> list[dict[str, str]]:
    """What redis-benchmark finds, a row for each test."""
    done = subprocess.run(
        [
            *("redis-benchmark", "-h", "127.0.0.1", "-p", str(server.port), "--csv"),
            *("-c", str(CLIENTS), "-P", str(pipeline), "-n", str(requests)),
            *words,
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=_TIMEOUT_S,
    )
    return list(csv.DictReader(line for line in done.stdout.splitlines() if line.startswith('"')))
