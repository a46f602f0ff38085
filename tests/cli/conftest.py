"""A server that the tests in this folder share, and the command line as a child process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from serving import DEADLINE_SECONDS, ServerProcess, stop_all
from terminal import Dscache


@pytest.fixture(scope="module")
def module_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The server behind ``server``."""
    server = ServerProcess(tmp_path_factory.mktemp("shared"), maxmemory="32mb")
    server.directives["unixsocket"] = str(server.directory / "socket")
    server.start()
    yield server
    stop_all([server])


@pytest.fixture
def server(module_server: ServerProcess) -> ServerProcess:
    """A server that the module's tests share; empty. Tests leave its configuration alone."""
    assert module_server.call("FLUSHALL") == b"OK"
    return module_server


@pytest.fixture
def dscache() -> Dscache:
    """Runs ``dscache words``."""

    def run(*words: str, given: str = "", **variables: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [sys.executable, "-m", "dscache", *words],
            input=given,
            capture_output=True,
            text=True,
            timeout=DEADLINE_SECONDS,
            check=False,
            env={**os.environ, **variables},
        )
        return done.returncode, done.stdout, done.stderr

    return run
