"""What every test has: hypothesis's profiles, a header that says what is being tested, and servers.

``ci`` (the default) runs the same examples every time, so that a change is judged by itself and not by
luck. ``HYPOTHESIS_PROFILE=long`` looks for new failures: many examples, from a seed that is drawn
here and printed, to be repeated with ``--hypothesis-seed``.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

import dscache
from serving import ServerProcess, StartServer, stop_all

settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("long", max_examples=5000, deadline=None, print_blob=True)
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "ci")
settings.load_profile(PROFILE)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Draw the seed before hypothesis looks for one; xdist hands the option on to its workers."""
    if PROFILE != "ci" and config.option.hypothesis_seed is None:
        config.option.hypothesis_seed = str(random.randrange(2**32))


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Which dscache is tested, and with which examples."""
    how = "compiled" if dscache.is_compiled() else "interpreted"
    seed = config.option.hypothesis_seed or "derived from each test"
    return [
        f"dscache: {how}, from {os.path.dirname(dscache.__file__)}",
        f"hypothesis: profile {PROFILE}, --hypothesis-seed={seed}",
    ]


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
    assert module_server.call("CONFIG", "RESETSTAT") == b"OK"
    return module_server


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[StartServer]:
    """``start_server(directive=value, ...)`` starts a server of the test's own.

    What still runs at the end of the test is stopped, and must end well.
    """
    servers: list[ServerProcess] = []

    def start(name: str = "", **directives: str | int) -> ServerProcess:
        server = ServerProcess(tmp_path / (name or f"server{len(servers)}"), **directives)
        servers.append(server)
        server.start()
        return server

    yield start
    stop_all(servers)
