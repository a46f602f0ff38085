"""``dscache.Server``: a server in a child process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import redis

import dscache
from dscache.errors import ConfigError, ServerError
from serving import DEADLINE_SECONDS, free_port, until


def test_a_server_runs_in_a_with_block_on_a_free_port() -> None:
    with dscache.Server(maxmemory="16mb") as one, dscache.Server(maxmemory="16mb") as other:
        assert one.port != other.port
        assert one.client(decode_responses=True).set("key", "value")
        assert redis.Redis.from_url(one.url).get("key") == b"value"
        assert other.client().get("key") is None
        assert " ready on " in one.log
        port = one.port
    with pytest.raises(redis.ConnectionError):
        redis.Redis(port=port).ping()


def test_its_clients_log_in_with_the_password_that_it_was_given() -> None:
    with dscache.Server(maxmemory="16mb", requirepass="a:b@c/d %") as server:
        assert server.client().ping()
        assert redis.Redis.from_url(server.url).ping()
        with pytest.raises(redis.AuthenticationError):
            server.client(password="wrong").ping()
        with pytest.raises(redis.AuthenticationError):
            server.client(password=None).ping()


def test_its_data_stays_in_the_directory_that_was_named(tmp_path: Path) -> None:
    server = dscache.Server(tmp_path / "data", maxmemory="16mb", port=free_port())
    server.start()
    first = server.pid
    assert server.start().pid == first, "it runs"
    server.client().set("key", 1)
    server.stop()
    server.stop()
    assert server.pid is None
    server.start()
    assert server.client().get("key") == b"1"
    server.kill()
    with dscache.open(tmp_path / "data") as db:
        assert db.get("key") == b"1"


def test_without_a_directory_nothing_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with dscache.Server(maxmemory="16mb") as server:
        server.client().set("key", 1)
        assert list(tmp_path.iterdir())
    with dscache.Server(maxmemory="16mb") as server:
        assert server.client().get("key") is None
        server.kill()
    assert list(tmp_path.iterdir()) == []


def test_what_keeps_it_from_starting_is_in_the_exception(tmp_path: Path) -> None:
    with pytest.raises(ServerError, match="did you mean --maxmemory"):
        dscache.Server(max_memory="16mb").start()
    with (
        dscache.Server(maxmemory="16mb") as server,
        pytest.raises(ServerError, match="it is in use"),
    ):
        dscache.Server(port=server.port, maxmemory="16mb").start()
    with dscache.open(tmp_path / "data"), pytest.raises(ServerError, match="in use by another"):
        dscache.Server(tmp_path / "data").start()


@pytest.mark.parametrize("name", ["bind", "logfile", "loglevel", "volatile"])
def test_a_directive_that_it_sets_itself_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        dscache.Server(**{name: "yes"})  # type: ignore[arg-type]


def test_an_end_that_nobody_asked_for_is_reported() -> None:
    server = dscache.Server(maxmemory="16mb").start()
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    with pytest.raises(ServerError, match="exit code -9"):
        server.stop()
    assert server.pid is None


def test_it_is_stopped_when_the_program_ends() -> None:
    code = "import dscache; server = dscache.Server(maxmemory='16mb').start(); print(server.pid)"
    pid = int(
        subprocess.run(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            check=True,
            timeout=DEADLINE_SECONDS,
        ).stdout
    )
    until(lambda: not Path(f"/proc/{pid}").exists(), "it has ended")


def test_it_saves_and_ends_when_the_program_is_killed(tmp_path: Path) -> None:
    # Started by a thread that is gone by then: what the kernel does at the end of a thread is not enough.
    code = """
import sys, threading
import dscache
server = dscache.Server(sys.argv[1], maxmemory="16mb", appendonly=False)
thread = threading.Thread(target=server.start)
thread.start()
thread.join()
server.client().set("key", 1)
print(server.pid, flush=True)
sys.stdin.read()
"""
    program = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "data")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with program:
        assert program.stdout is not None
        pid = int(program.stdout.readline())
        assert Path(f"/proc/{pid}").exists()
        program.kill()
    until(lambda: not Path(f"/proc/{pid}").exists(), "it has ended")
    with dscache.open(tmp_path / "data") as db:
        assert db.get("key") == b"1"
