"""The process that writes an RDB file from a copy of the store, and how the server speaks to it.

It gets one line of JSON on its standard input: the directives of the server, the copy and the file. It
answers with a line for what it has done so far, "keys total", now and then and at its end, and with what went
wrong on its standard error. It ends when its input does, so it does not outlive the server.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from dscache.config import Config
from dscache.config.directives import ENCODINGS
from dscache.errors import DscacheError, StoreError
from dscache.moving.exporting import count_keys, export, rdb_output
from dscache.moving.target import Target
from dscache.server.opening import open_committed

# It needs no cache to speak of: everything is read once.
_MAXMEMORY: Final = "32mb"

# It takes the processor only when the server does not want it.
_NICENESS: Final = 5

_PROGRESS_SECONDS: Final = 0.2

# What there is of the file is in the copy, and goes with it.
_PARTIAL_NAME: Final = "partial.rdb"


class RdbProcess:
    """Starts the process; an ``engine.snapshots.RdbWriter``."""

    def __init__(self, config: Config) -> None:
        self._config: Final = config
        self._process: subprocess.Popen[str] | None = None

    def write(self, copy: Path, target: Path, on_progress: Callable[[int, int], None]) -> None:
        """See ``RdbWriter.write``."""
        directives = [
            (directive.name, directive.render(self._config.value_of(directive)))
            for directive in Config.directives()
            if directive.section is ENCODINGS
        ]
        directives += [("dir", str(copy)), ("maxmemory", _MAXMEMORY), ("appendonly", "no")]
        order = {"directives": directives, "target": str(target)}
        said = ""
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", "dscache.server.rdb_process"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        except OSError as error:
            raise StoreError(f"no process can be started to write it: {error.strerror}") from error
        self._process = process
        # It may have been killed before it has read anything; what is told then is its end.
        with contextlib.suppress(BrokenPipeError), process:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stderr is not None
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(json.dumps(order) + "\n")
                process.stdin.flush()
            for line in process.stdout:
                done, _, total = line.partition(" ")
                on_progress(int(done), int(total))
            said = process.stderr.read().strip()
        code = process.wait()
        self._process = None
        if code != 0:
            raise StoreError(said.splitlines()[-1] if said else f"its process ended with {code}")

    def stop(self) -> None:
        """See ``RdbWriter.stop``."""
        process = self._process
        if process is not None:
            process.kill()


def _say(done_keys: int, total_keys: int) -> None:
    sys.stdout.write(f"{done_keys} {total_keys}\n")
    sys.stdout.flush()


def _work(config: Config, target_name: str) -> None:
    shown = 0.0

    def show(done: int) -> None:
        nonlocal shown
        if time.perf_counter() - shown >= _PROGRESS_SECONDS:
            shown = time.perf_counter()
            _say(done, total)

    engine = open_committed(config, Path(config.dir))
    try:
        total = count_keys(engine)
        with Target(target_name, Path(config.dir) / _PARTIAL_NAME) as target:
            try:
                keys = export(engine, rdb_output(engine, target.write), show)
                target.publish()
            except OSError as error:
                raise DscacheError(f"{target_name}: {error.strerror}") from error
    finally:
        engine.close()
    _say(keys, keys)


def _end_with_input() -> None:
    """The server is gone: nobody wants the file."""
    sys.stdin.read()
    os._exit(1)


def _main() -> int:
    order = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_input, daemon=True).start()
    os.nice(_NICENESS)
    try:
        overrides = [(name, [text]) for name, text in order["directives"]]
        _work(Config.from_arguments(None, overrides), order["target"])
    except DscacheError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main())
