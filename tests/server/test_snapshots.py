"""SAVE, BACKUP and what becomes of their files: with a real store and real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from dscache.store.directory import SNAPSHOT_NAME
from serving import ServerProcess, StartServer, run_dscache, until
from valkey_server import valkey_binary


def _has_ended(pid: int) -> bool:
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return True


def _child_of(server: ServerProcess) -> int:
    """The process that writes its file, as soon as there is one."""
    # It is a child of the thread that has started it.
    tasks = Path(f"/proc/{server.pid}/task")

    def children() -> list[int]:
        found = [(task / "children").read_text().split() for task in tasks.iterdir()]
        return [int(word) for words in found for word in words]

    until(lambda: bool(children()), "the process has been started")
    return children()[0]


def _fill(server: ServerProcess) -> None:
    """Something of every type, more than memory holds."""
    with server.connect() as client:
        for number in range(300):
            assert client.call("SET", f"string{number}", "x" * 40_000) == b"OK"
        client.call("RPUSH", "list", *range(1000))
        client.call("SADD", "set", *range(1000))
        client.call("ZADD", "zset", *[word for n in range(500) for word in (n, f"m{n}")])
        client.call("HSET", "hash", *range(1000))
        for _ in range(300):
            client.call("XADD", "stream", "*", "field", "value")
        client.call("PEXPIREAT", "list", 33177117420000)
        client.call(
            "FUNCTION", "LOAD", "#!lua name=l\nredis.register_function('f', function() end)"
        )


@pytest.mark.slow
def test_the_file_of_save_is_accepted_and_has_everything(
    start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server(maxmemory="8mb", dbfilename="all.rdb")
    _fill(server)
    digest = server.call("DEBUG", "DIGEST")
    assert server.call("SAVE") == b"OK"
    file = server.data / "all.rdb"
    assert server.info("persistence")["current_save_keys_total"] == "305"
    assert not (server.data / "snapshot").exists()
    checked = subprocess.run(
        ["valkey-check-rdb", str(file)],
        executable=valkey_binary(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout
    assert "[info] 305 keys read" in checked.stdout
    assert run_dscache("import", "--dir", tmp_path / "imported", file)[0] == 0
    imported = start_server(dir=str(tmp_path / "imported"))
    assert imported.call("DEBUG", "DIGEST") == digest


@pytest.mark.slow
def test_a_file_that_cannot_take_its_place_is_an_error(start_server: StartServer) -> None:
    server = start_server()
    (server.data / "dump.rdb").mkdir()
    reply = server.call("SAVE")
    assert isinstance(reply, bytes)
    assert reply.startswith(b"-ERR the data set could not be saved: ")
    assert reply.endswith(b"dump.rdb: Is a directory")
    assert server.info("persistence")["rdb_last_bgsave_status"] == "err"
    assert "the data set could not be saved to " in server.log()
    (server.data / "dump.rdb").rmdir()
    assert server.call("SAVE") == b"OK"


@pytest.mark.slow
def test_a_volatile_data_set_can_be_saved(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server(volatile="yes")
    server.call("SET", "a", "1")
    assert server.call("SAVE") == b"OK"
    server.stop()
    assert (server.data / "dump.rdb").exists()


def test_a_backup_of_a_volatile_data_set_outlives_it(start_server: StartServer) -> None:
    server = start_server(volatile="yes")
    server.call("SET", "a", "1")
    assert server.call("BACKUP", "monday") == str(server.data / "backups" / "monday").encode()
    server.stop()
    assert start_server(dir=str(server.data / "backups" / "monday")).call("GET", "a") == b"1"


@pytest.mark.slow
def test_a_process_that_is_killed_fails_the_save_and_the_server_goes_on(
    start_server: StartServer,
) -> None:
    server = start_server()
    _fill(server)
    with server.connect() as client:
        client.send(b"*1\r\n$4\r\nSAVE\r\n")
        os.kill(_child_of(server), signal.SIGKILL)
        assert client.read() == b"-ERR the data set could not be saved: its process ended with -9"
    assert not (server.data / "snapshot").exists()
    assert server.call("SAVE") == b"OK"


@pytest.mark.slow
def test_a_process_does_not_outlive_its_server(start_server: StartServer) -> None:
    server = start_server()
    _fill(server)
    server.call("BGSAVE")
    child = _child_of(server)
    server.kill()
    until(lambda: _has_ended(child), "the process has ended")
    assert not (server.data / "dump.rdb").exists()
    server.start()
    assert not (server.data / "snapshot").exists()
    assert server.call("DBSIZE") == 305


def test_a_backup_is_a_data_directory_and_can_be_restored(
    start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server(maxmemory="8mb")
    _fill(server)
    digest = server.call("DEBUG", "DIGEST")
    target = tmp_path / "monday"
    assert server.call("BACKUP", str(target)) == str(target).encode()
    assert server.call("BACKUP", "tuesday") == str(server.data / "backups" / "tuesday").encode()
    assert server.call("FLUSHALL") == b"OK"
    assert server.call("SET", "other", "1") == b"OK"
    for pattern in ("*.sst", "*.blob"):
        linked = [file for file in target.rglob(pattern) if os.stat(file).st_nlink > 1]
        assert linked, "what never changes is hard links"

    code, said, errors = run_dscache("restore", "--dir", tmp_path / "restored", target)
    assert (code, errors) == (0, "")
    assert said == f"305 keys in {tmp_path / 'restored'}\n"
    restored = start_server(dir=str(tmp_path / "restored"))
    assert restored.call("DEBUG", "DIGEST") == digest
    assert restored.call("FLUSHALL") == b"OK"
    restored.stop()
    assert start_server(dir=str(target)).call("DEBUG", "DIGEST") == digest


def test_a_data_directory_without_a_server_can_be_backed_up(
    start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server(cache_flush_delay=60, appendfsync="always")
    server.call("SET", "a", "1")
    server.kill()
    target = tmp_path / "backup"
    code, said, errors = run_dscache("backup", "--dir", server.data, target)
    assert (code, said, errors) == (0, f"1 keys in {target}\n", "")
    assert start_server(dir=str(target)).call("GET", "a") == b"1"
    server.start()


_OTHER_FILE_SYSTEM = Path("/dev/shm")


@pytest.mark.skipif(not _OTHER_FILE_SYSTEM.exists(), reason="there is no second file system")
def test_a_backup_on_another_file_system_is_copied_and_restored(
    start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server()
    _fill(server)
    digest = server.call("DEBUG", "DIGEST")
    server.stop()
    with tempfile.TemporaryDirectory(dir=_OTHER_FILE_SYSTEM) as place:
        target = Path(place) / "a" / "backup"
        code, said, errors = run_dscache("backup", "--dir", server.data, target)
        assert (code, said, errors) == (0, f"305 keys in {target}\n", "")
        assert {table.stat().st_nlink for table in target.rglob("*.sst")} == {1}
        assert not (server.data / SNAPSHOT_NAME).exists()
        code, said, errors = run_dscache("restore", "--dir", tmp_path / "restored", target)
        assert (code, errors) == (0, "")
    assert start_server(dir=str(tmp_path / "restored")).call("DEBUG", "DIGEST") == digest


def test_a_backup_that_cannot_be_made_leaves_nothing(
    start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server()
    server.call("SET", "a", "1")
    server.stop()
    (tmp_path / "file").write_text("")
    target = tmp_path / "file" / "backup"
    code, said, errors = run_dscache("backup", "--dir", server.data, target)
    assert (code, said) == (1, "")
    assert errors == f"dscache: {target}: Not a directory\n"
    assert not (server.data / SNAPSHOT_NAME).exists()


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_what_is_no_data_directory_cannot_be_copied(command: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    where = ["--dir", str(tmp_path / "empty"), str(tmp_path / "x")]
    if command == "restore":
        where = ["--dir", str(tmp_path / "x"), str(tmp_path / "empty")]
    code, said, errors = run_dscache(command, *where)
    assert (code, said) == (1, "")
    assert errors.startswith(f"dscache: {tmp_path / 'empty'} holds no data of dscache")
    assert not (tmp_path / "x").exists()


def test_nothing_is_overwritten_by_a_backup_or_a_restore(
    start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server()
    target = tmp_path / "backup"
    target.mkdir()
    assert server.call("BACKUP", str(target)) == f"-IOERR {target} exists already".encode()
    assert server.call("BACKUP", "here") == str(server.data / "backups" / "here").encode()
    server.stop()
    code, _, errors = run_dscache("backup", "--dir", server.data, target)
    assert (code, errors) == (1, f"dscache: {target} exists already\n")
    code, _, errors = run_dscache("restore", "--dir", server.data, server.data / "backups" / "here")
    assert code == 1
    assert errors.startswith(f"dscache: {server.data} has data already")
    server.start()


def test_a_directory_that_a_server_uses_is_not_backed_up_behind_its_back(
    start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server()
    code, _, errors = run_dscache("backup", "--dir", server.data, tmp_path / "x")
    assert code == 1
    assert "is in use by another dscache server" in errors
    assert "BACKUP" in errors
