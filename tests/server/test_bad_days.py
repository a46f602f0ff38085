"""Bad days: what cannot start says why, and what ends, however it ends, loses nothing that it promised."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from raw_client import RawClient, Word, request
from serving import DEADLINE_SECONDS, ServerProcess, StartServer, until

MEBIBYTE = 1024 * 1024


# A server that cannot start


def _serve(*words: str) -> tuple[int, str]:
    """Start a server that must not come up; its exit code and what it says."""
    done = subprocess.run(
        [sys.executable, "-m", "dscache", "serve", *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )
    said = done.stdout + done.stderr
    assert "Traceback" not in said, said
    return done.returncode, said


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("in the way")
    code, said = _serve("--port", "0", "--dir", str(file / "data"))
    assert code == 1
    assert said == (f"dscache: {file}/data cannot be used as the data directory: Not a directory\n")
    code, said = _serve("--port", "0", "--dir", str(file))
    assert code == 1
    assert "it is a file; name a directory, or a path where one can be made" in said


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_is_not_writable(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o500)
    code, said = _serve("--port", "0", "--dir", str(data))
    assert code == 1
    assert f"{data} cannot be used as the data directory: Permission denied" in said


def test_the_directory_of_a_running_server(start_server: StartServer) -> None:
    server = start_server()
    code, said = _serve("--dir", str(server.data), "--port", str(server.address[1] + 1))
    assert code == 1
    assert f"{server.data} is in use by another dscache server (process {server.pid})" in said
    assert server.call("PING") == b"PONG"
    server.kill()
    # The lock of a killed server is no lock.
    server.start()


def test_a_file_of_users_that_is_not_there(tmp_path: Path) -> None:
    """A traceback stood before the message."""
    path = tmp_path / "users.acl"
    code, said = _serve("--dir", str(tmp_path / "data"), "--port", "0", "--aclfile", str(path))
    assert code == 1
    assert f"Error loading ACLs, opening file '{path}': No such file or directory" in said


def test_a_port_in_use(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server()
    port = server.address[1]
    code, said = _serve("--dir", str(tmp_path / "other"), "--port", str(port))
    assert code == 1
    assert f"cannot listen on 127.0.0.1:{port}: it is in use" in said
    assert server.call("PING") == b"PONG"


def test_a_unix_socket_in_use_or_of_impossible_name(
    start_server: StartServer, tmp_path: Path
) -> None:
    path = tmp_path / "socket"
    server = start_server(unixsocket=str(path))
    other = str(tmp_path / "other")
    code, said = _serve("--dir", other, "--port", "0", "--unixsocket", str(path))
    assert code == 1
    assert f"unixsocket {path} is in use by another server" in said
    with RawClient(str(path)) as client:
        assert client.call("PING") == b"PONG"
    server.stop()
    code, said = _serve("--dir", other, "--port", "0", "--unixsocket", "x" * 200)
    assert code == 1
    assert "cannot listen on unixsocket xxx" in said
    precious = tmp_path / "precious"
    precious.write_text("not a socket")
    code, said = _serve("--dir", other, "--port", "0", "--unixsocket", str(precious))
    assert code == 1
    assert precious.read_text() == "not a socket"


def test_nothing_to_listen_on(tmp_path: Path) -> None:
    code, said = _serve("--port", "0", "--dir", str(tmp_path / "data"))
    assert code == 1
    assert "nothing to listen on: set port, tls-port or unixsocket" in said


def test_a_store_of_a_newer_format(start_server: StartServer) -> None:
    server = start_server()
    assert server.call("SET", "name", "value") == b"OK"
    server.stop()
    version = server.data / "FORMAT"
    known = version.read_text()
    version.write_text("dscache 9999\n")
    code, said = _serve("--port", str(server.address[1]), "--dir", str(server.data))
    assert code == 1
    assert f"{server.data} was written by a newer dscache (store format 9999" in said
    version.write_text("")
    code, said = _serve("--port", str(server.address[1]), "--dir", str(server.data))
    assert code == 1
    assert "is empty; it should say: dscache 1. " in said
    # It has not been touched.
    version.write_text(known)
    server.start()
    assert server.call("GET", "name") == b"value"


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("maxmemory banana", "'maxmemory banana': argument must be a memory value"),
        ("maxmemory 1kb", "'maxmemory 1kb': argument must be"),
        ("colour green", "'colour': unknown directive"),
        ("port", "'port': wrong number of arguments"),
        ("port 70000", "'port 70000': argument must be between 0 and 65535 inclusive"),
        ("cache-policy fifo", "'cache-policy fifo': argument(s) must be one of the following:"),
        ('logfile "unbalanced', "unbalanced quotes"),
        ("include /nowhere/at/all.conf", "/nowhere/at/all.conf does not exist"),
    ],
)
def test_a_bad_line_of_the_configuration_is_named(tmp_path: Path, line: str, error: str) -> None:
    path = tmp_path / "dscache.conf"
    path.write_text(f"# a comment\nport 0\n{line}\ndatabases 4\n")
    code, said = _serve(str(path))
    assert code == 1
    assert error in said
    assert f"{path}:3: " in said


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["--colour", "green"], "--colour: unknown directive"),
        (
            ["--port", "70000"],
            "'--port 70000': argument must be between 0 and 65535 inclusive",
        ),
        (["/dev/null", "/dev/null"], "'/dev/null': expected a directive such as --port"),
    ],
)
def test_a_wrong_command_line_is_named_and_has_an_exit_code_of_its_own(
    words: list[str], error: str
) -> None:
    code, said = _serve(*words)
    assert code == 2
    assert error in said


def test_a_configuration_file_that_does_not_exist() -> None:
    code, said = _serve("/nowhere/dscache.conf")
    assert code == 1
    assert said == "dscache: /nowhere/dscache.conf: cannot be read: No such file or directory\n"


def test_a_log_that_cannot_be_written(tmp_path: Path) -> None:
    code, said = _serve("--dir", str(tmp_path), "--logfile", "/nowhere/log")
    assert code == 1
    assert "logfile /nowhere/log cannot be written: No such file or directory" in said


# A disk that takes no more


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 32 MB."""
    mount = tmp_path / "small"
    mount.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=32m", "dscache-test", str(mount)]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    yield mount
    subprocess.run(["umount", "--lazy", str(mount)], check=True)


@pytest.mark.slow
def test_a_full_disk_refuses_writes_keeps_reads_and_recovers(
    start_server: StartServer, small_disk: Path
) -> None:
    server = start_server(dir=str(small_disk / "data"), maxmemory="8mb", cache_flush_delay="0.1")
    source = random.Random(1)
    written: dict[str, bytes] = {}
    with server.connect() as client:
        while True:
            key, value = f"key{len(written)}", source.randbytes(20_000)
            reply = client.call("SET", key, value)
            if reply != b"OK":
                break
            written[key] = value
            assert len(written) < 10_000, "32 MB hold more than 200 MB"
        assert isinstance(reply, bytes)
        assert reply.startswith(b"-MISCONF The data set cannot be written to disk: ")
        assert "No space left on device" in server.info("store")["store_last_error"]
        # Reads go on, of what is in memory and of what is not.
        for key in source.sample(sorted(written), 200):
            assert client.call("GET", key) == written[key]
        # Room enough for RocksDB's compactions, too: with less of it they fill the disk again.
        subprocess.run(["mount", "-o", "remount,size=160m", str(small_disk)], check=True)
        until(
            lambda: client.call("SET", "afterwards", "value") == b"OK",
            "writes go on once there is room",
        )
        assert client.call("CACHE", "FLUSH") == b"OK"
        assert server.info("store")["store_last_error"] == ""
    server.restart()
    with server.connect() as client:
        assert client.call("DBSIZE") == len(written) + 1
        for key, value in written.items():
            assert client.call("GET", key) == value


# More than the log and less than an epoch with _LONG in it takes.
_SMALL_FILE_BYTES = 64 * 1024
_LONG = "x" * 200_000


def _limit_file_size(server: ServerProcess, limit: int) -> None:
    """Let a running server's writes beyond ``limit`` bytes of a file fail: a bad disk, anywhere."""
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))


@pytest.mark.slow
def test_a_disk_that_fails_is_tried_again_and_nothing_is_forgotten(
    start_server: StartServer,
) -> None:
    server = start_server(cache_flush_delay="0.05")
    with server.connect() as client:
        assert client.call("SET", "before", "1") == b"OK"
        assert client.call("CACHE", "FLUSH") == b"OK"
        _limit_file_size(server, _SMALL_FILE_BYTES)
        assert client.call("SET", "meanwhile", _LONG) == b"OK"
        until(lambda: server.info("store")["store_last_error"] != "", "a commit has failed")
        # For a moment the server hopes; then it refuses.
        until(
            lambda: str(client.call("SET", "refused", "3")).startswith("b'-MISCONF"),
            "writes are refused",
        )
        assert client.call("GET", "meanwhile") == _LONG.encode()
        assert str(client.call("SHUTDOWN")).startswith("b'-ERR Errors trying to SHUTDOWN")
        _limit_file_size(server, resource.RLIM_INFINITY)
        until(lambda: client.call("SET", "after", "4") == b"OK", "writes go on")
        assert client.call("CACHE", "FLUSH") == b"OK"
        server.kill()
    server.start()
    with server.connect() as client:
        for key, value in (("before", b"1"), ("meanwhile", _LONG.encode()), ("after", b"4")):
            assert client.call("GET", key) == value


# The end


class Writers:
    """Clients that write until the server is gone, and remember what was acknowledged.

    Each sets ten keys to the same number, by MSET or in a transaction; the values are long, so that a
    torn write would show.
    """

    def __init__(self, server: ServerProcess, first: int, padding: int) -> None:
        self._address = server.address
        self._padding = "x" * padding
        self._ended = threading.Event()
        #: The last number that each writer knows to be written, and to be on disk.
        self.acknowledged = {"mset": first, "multi": first}
        self.flushed = {"mset": first, "multi": first}
        self.numbers_written = 0
        self._errors: list[BaseException] = []
        self._threads = [
            threading.Thread(target=self._run, args=(kind,)) for kind in self.acknowledged
        ]
        for thread in self._threads:
            thread.start()

    def _run(self, kind: str) -> None:
        try:
            with RawClient(self._address) as client:
                while not self._ended.is_set():
                    self._write(client, kind, self.acknowledged[kind] + 1)
        except (OSError, EOFError):
            pass
        except BaseException as error:
            self._errors.append(error)

    def _write(self, client: RawClient, kind: str, number: int) -> None:
        value = f"{number}:{self._padding}"
        pairs = [(f"{kind}{n}", value) for n in range(10)]
        if kind == "mset":
            words: list[Word] = [word for pair in pairs for word in pair]
            assert client.call("MSET", *words) == b"OK"
        else:
            replies = client.pipeline(
                [("MULTI",), *(("SET", key, value) for key, value in pairs), ("EXEC",)]
            )
            assert replies[-1] == [b"OK"] * 10
        self.acknowledged[kind] = number
        self.numbers_written += 1
        if number % 7 == 0:
            assert client.call("CACHE", "FLUSH") == b"OK"
            self.flushed[kind] = number

    def join(self) -> None:
        """Wait until all have noticed that the server is gone."""
        self._ended.set()
        for thread in self._threads:
            thread.join(DEADLINE_SECONDS)
            assert not thread.is_alive()
        if self._errors:
            raise self._errors[0]


def _numbers(server: ServerProcess, kind: str) -> set[int]:
    """The numbers in the ten keys: one, unless a write was torn."""
    values = server.call("MGET", *(f"{kind}{n}" for n in range(10)))
    assert isinstance(values, list)
    return {0 if value is None else int(value.partition(b":")[0]) for value in values}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_under_load_saves_everything_and_exits_0(
    start_server: StartServer, number: signal.Signals
) -> None:
    server = start_server(cache_flush_delay=3600)
    writers = Writers(server, 0, padding=100)
    until(lambda: writers.numbers_written > 200, "the writers are at work")
    server.stop(number)
    writers.join()
    server.start()
    for kind, acknowledged in writers.acknowledged.items():
        (found,) = _numbers(server, kind)
        # The last write may have been carried out without its reply having been received.
        assert found in {acknowledged, acknowledged + 1}


def test_a_second_signal_does_not_wait_for_the_disk(start_server: StartServer) -> None:
    server = start_server(cache_flush_delay=3600)
    with server.connect() as client:
        assert client.call("SET", "before", "1") == b"OK"
        assert client.call("CACHE", "FLUSH") == b"OK"
        assert client.call("SET", "after", _LONG) == b"OK"
    _limit_file_size(server, _SMALL_FILE_BYTES)
    server.send_signal(signal.SIGTERM)
    until(lambda: "SIGTERM: shutting down" in server.log(), "the first signal is noticed")
    # The disk takes nothing, so it goes on trying.
    server.send_signal(signal.SIGTERM)
    assert server.wait() == 1
    assert "SIGTERM again: exiting now" in server.log()
    server.start()
    assert server.call("GET", "before") == b"1"


def test_a_shutdown_that_cannot_save_says_so_and_exits_1(start_server: StartServer) -> None:
    server = start_server(cache_flush_delay=3600, shutdown_timeout=0)
    # Before the change: a hundredth of a second later the redo log has it.
    _limit_file_size(server, _SMALL_FILE_BYTES)
    assert server.call("SET", "lost", _LONG) == b"OK"
    server.send_signal(signal.SIGTERM)
    assert server.wait() == 1
    assert "the last changes could not be saved and are lost" in server.log()
    server.check_log()


@pytest.mark.parametrize("runs", [6, pytest.param(40, marks=pytest.mark.slow)])
def test_a_killed_server_keeps_what_was_flushed_and_tears_nothing(
    start_server: StartServer, runs: int
) -> None:
    source = random.Random(runs)
    server = start_server(cache_flush_delay="0.01", maxmemory="32mb")
    first = 0
    for run in range(runs):
        writers = Writers(server, first, padding=source.choice([10, 3_000, 60_000]))
        enough = source.randrange(10, 60)
        until(lambda w=writers, n=enough: w.numbers_written > n, "the writers are at work")  # type: ignore[misc]
        server.kill()
        writers.join()
        server.start()
        for kind in writers.acknowledged:
            found = _numbers(server, kind)
            state = json.dumps([run, kind, sorted(found), writers.flushed, writers.acknowledged])
            assert len(found) == 1, f"torn: {state}"
            assert writers.flushed[kind] <= min(found), f"lost: {state}"
            assert max(found) <= writers.acknowledged[kind] + 1, f"invented: {state}"
        assert server.call("DBSIZE") in {0, 10, 20}
        first = max(*writers.acknowledged.values()) + 1
        with server.connect() as client:
            for kind in writers.acknowledged:
                writers._write(client, kind, first)
            assert client.call("CACHE", "FLUSH") == b"OK"


def test_shutdown_nosave_loses_nothing_that_is_in_the_redo_log(start_server: StartServer) -> None:
    server = start_server(cache_flush_delay=3600)
    with server.connect() as client:
        assert client.call("SET", "kept", "1") == b"OK"
        client.send(request("SHUTDOWN", "NOSAVE"))
        assert client.read_to_end() == b""
    assert server.wait() == 0
    server.start()
    assert server.call("GET", "kept") == b"1"


def test_shutdown_nosave_without_a_redo_log_loses_what_was_not_flushed_and_nothing_else(
    start_server: StartServer,
) -> None:
    server = start_server(cache_flush_delay=3600, appendonly="no")
    with server.connect() as client:
        assert client.call("SET", "kept", "1") == b"OK"
        assert client.call("CACHE", "FLUSH") == b"OK"
        assert client.call("SET", "lost", "2") == b"OK"
        client.send(request("SHUTDOWN", "NOSAVE"))
        assert client.read_to_end() == b""
    assert server.wait() == 0
    server.start()
    assert server.call("MGET", "kept", "lost") == [b"1", None]


def test_a_volatile_store_removes_what_was_made_for_it_and_what_killed_servers_left(
    start_server: StartServer, tmp_path: Path
) -> None:
    parent = tmp_path / "made" / "for it"
    server = start_server(volatile="yes", dir=str(parent))
    running = start_server(volatile="yes", dir=str(parent))
    starting = parent / "volatile-without-a-lock"
    starting.mkdir()
    assert running.call("SET", "name", "value") == b"OK"
    server.kill()
    assert len(list(parent.iterdir())) == 3
    server.start()
    assert "which a server that was killed had left" in server.log()
    assert len(list(parent.iterdir())) == 3
    assert running.call("CACHE", "FLUSH") == b"OK"
    running.stop()
    server.stop()
    assert list(parent.iterdir()) == [starting]
    starting.rmdir()
    parent.rmdir()
    parent.parent.rmdir()
    server.start()
    server.stop()
    assert not parent.parent.exists()


def test_a_volatile_store_leaves_nothing_behind(start_server: StartServer) -> None:
    server = start_server(volatile="yes")
    assert server.call("SET", "name", "value") == b"OK"
    assert server.call("CACHE", "FLUSH") == b"OK"
    assert len(list(server.data.iterdir())) == 1
    server.stop()
    assert not server.data.exists()
    server.start()
    assert server.call("DBSIZE") == 0
