"""Instructions per command: a cost that repeats, on a machine whose times do not.

    python -m bench.instructions            measure, beside what is recorded
    python -m bench.instructions --record   measure, and record it
    python -m bench.instructions --check    1 if a command takes over 10 % more than is recorded

A client's connection is fed batches of requests in this process, as the event loop would do it, and what
it answers is thrown away; valgrind's callgrind counts the instructions of everything in between: parsing,
dispatch, the command, encoding its reply. System calls, disk, network and the redo log are not in it. The
counts belong to a version and a build of Python, for which they are recorded.

``--keep DIRECTORY`` keeps callgrind's files, one for each command, to be read with callgrind_annotate: where
the instructions go, function by function.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from bench.client import encoded

RECORD: Final = Path(__file__).with_name("instructions.json")
_TOLERANCE: Final = 0.10
_PIPELINE: Final = 16
_BATCHES: Final = 200
_KEYS: Final = 1_000
_VALUE: Final = b"x" * 100

Request = tuple[bytes, ...]


def _key(number: int) -> bytes:
    return b"key:%012d" % (number % _KEYS)


#: The commands. Each is told how many of its kind there were before it.
COMMANDS: Final[dict[str, Callable[[int], Request]]] = {
    "PING": lambda n: (b"PING",),
    "SET": lambda n: (b"SET", _key(n), _VALUE),
    "GET": lambda n: (b"GET", _key(n)),
    "INCR": lambda n: (b"INCR", b"counter:%d" % (n % _KEYS)),
    "EXPIRE": lambda n: (b"EXPIRE", _key(n), b"10000"),
    "DEL": lambda n: (b"DEL", b"gone:%d" % n),
    "HSET": lambda n: (b"HSET", b"hash", b"field:%d" % (n % _KEYS), _VALUE),
    "HGET": lambda n: (b"HGET", b"hash", b"field:%d" % (n % _KEYS)),
    "LPUSH": lambda n: (b"LPUSH", b"list", _VALUE),
    "SADD": lambda n: (b"SADD", b"set", b"member:%d" % (n % _KEYS)),
    "ZADD": lambda n: (b"ZADD", b"sorted", b"%d" % (n * 7919 % 1009), b"member:%d" % (n % _KEYS)),
    "ZRANGE": lambda n: (b"ZRANGE", b"sorted", b"100", b"109"),
}

#: What is done as often beforehand, where it is not the command itself.
_BEFORE: Final[dict[str, Callable[[int], Request]]] = {
    "DEL": lambda n: (b"SET", b"gone:%d" % n, _VALUE),
}


def main() -> int:
    """Measure, and compare with what is recorded."""
    parser = argparse.ArgumentParser(prog="python -m bench.instructions", description=__doc__)
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--run", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        _run()
        return 0
    if shutil.which("valgrind") is None:
        print("valgrind is not installed: nothing was counted", file=sys.stderr)
        return 2
    counts = measure(arguments.keep)
    if arguments.record:
        document = {"platform": platform_name(), "instructions": counts}
        RECORD.write_text(json.dumps(document, indent=2) + "\n")
    known = recorded()
    if known is None and arguments.check:
        print(f"nothing is recorded for {platform_name()}: nothing was compared", file=sys.stderr)
        return 0
    print(f"{'command':10} {'instructions':>12} {'recorded':>12}")
    grown = False
    for name, count in counts.items():
        before = (known or {}).get(name, 0)
        change = f"{count / before - 1:+.1%}" if before else ""
        is_over = before > 0 and count > before * (1 + _TOLERANCE)
        grown = grown or is_over
        print(f"{name:10} {count:12,} {before:12,} {change:>8} {'TOO MANY' if is_over else ''}")
    return 1 if arguments.check and grown else 0


def platform_name() -> str:
    """What counts depend on: which interpreter, what has compiled it, and the machine's kind."""
    return (
        f"CPython {platform.python_version()} ({platform.python_compiler()}) {platform.machine()}"
    )


def recorded() -> dict[str, int] | None:
    """The recorded counts, if there are any for this platform."""
    document: dict[str, Any] = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    if document.get("platform") != platform_name():
        return None
    return dict(document["instructions"])


def measure(keep: Path | None = None) -> dict[str, int]:
    """Instructions of one command each."""
    with tempfile.TemporaryDirectory(prefix="dscache-instructions-") as scratch:
        place = keep or Path(scratch)
        place.mkdir(exist_ok=True)
        subprocess.run(
            [
                "valgrind",
                "--tool=callgrind",
                "--dump-before=getppid",
                # Or a file would refer to names in those before it.
                "--compress-strings=no",
                f"--callgrind-out-file={place}/counts",
                *(sys.executable, "-m", "bench.instructions", "--run"),
            ],
            check=True,
            capture_output=True,
            env={**os.environ, "PYTHONHASHSEED": "0"},
        )
        counts = {}
        for number, name in enumerate(COMMANDS):
            # The file before it has what was done beforehand.
            found = (place / f"counts.{2 * number + 2}").rename(place / f"{name}.callgrind")
            counts[name] = _total(found) // (_PIPELINE * _BATCHES)
        return counts


def _total(path: Path) -> int:
    found = re.search(r"^(?:summary|totals): (\d+)", path.read_text(), re.MULTILINE)
    assert found is not None, f"{path} has no total"
    return int(found[1])


class _Transport(asyncio.Transport):
    """Takes what is sent, and nothing becomes of it."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        pass

    def get_extra_info(self, name: str, default: object = None) -> object:
        return default

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return False


def _run() -> None:
    """What valgrind watches: all commands, with a dump before each."""
    from dscache.clock import Clock
    from dscache.commands import all_registries
    from dscache.commands.table import build_table
    from dscache.config import Config
    from dscache.engine.engine import Engine
    from dscache.engine.settings import apply_settings
    from dscache.server.clients import Clients
    from dscache.server.connection import Connection
    from dscache.server.outbox import Outbox, at_once
    from dscache.store.memory import MemoryStore

    config = Config.from_arguments(None, [("maxmemory", ["256mb"]), ("disk-threads", ["2"])])
    woken = threading.Event()
    engine = Engine(
        config,
        build_table(all_registries()),
        MemoryStore(),
        Clock(),
        woken.set,
        woken.set,
    )
    apply_settings(engine)
    connection = Connection(engine, Clients(engine, Outbox(at_once)), "unix")
    connection.connection_made(_Transport())
    for name, request in COMMANDS.items():
        before, counted = _batches(_BEFORE.get(name, request)), _batches(request)
        for batch in before:
            connection.data_received(batch)
            while connection.session.wait is not None:
                woken.wait()
                woken.clear()
                engine.turn()
        os.getppid()
        for batch in counted:
            connection.data_received(batch)
        os.getppid()
        assert connection.session.wait is None, f"{name} needed the disk"
    engine.close()


def _batches(request: Callable[[int], Request]) -> list[bytes]:
    numbers = range(_BATCHES * _PIPELINE)
    requests = [encoded(request(number)) for number in numbers]
    return [b"".join(requests[start : start + _PIPELINE]) for start in numbers[::_PIPELINE]]


if __name__ == "__main__":
    sys.exit(main())
