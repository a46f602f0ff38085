"""``dscache check``: what it says of directories that servers have left, and how it mends them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from serving import ServerProcess, StartServer, until


def check(directory: Path, *options: str) -> tuple[int, str]:
    """(exit code, what it says)."""
    ended = subprocess.run(
        [sys.executable, "-m", "dscache", "check", "--dir", directory, *options],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return ended.returncode, ended.stdout + ended.stderr


def written(start_server: StartServer) -> ServerProcess:
    """A server with two keys in the store and three changes in three frames of the log."""
    server = start_server(cache_flush_delay=3600)
    with server.connect() as client:
        assert client.call("MSET", "a", "1", "b", "2") == b"OK"
        assert client.call("CACHE", "FLUSH") == b"OK"
        for number in range(3):
            assert client.call("RPUSH", "l", str(number)) == number + 1
            assert client.call("WAITAOF", "1", "0", "0") == [1, 0]
    return server


def test_a_sound_directory_has_no_problems(start_server: StartServer) -> None:
    server = written(start_server)
    code, said = check(server.data)
    assert code == 1
    assert "is in use by another dscache server" in said
    server.kill()
    code, said = check(server.data)
    assert code == 0
    assert "redo log: 3 frames to replay, " in said
    assert "store: 2 keys in 1 databases, 0 of them expire" in said
    assert "nothing is wrong" in said
    server.start()
    assert server.call("LLEN", "l") == 3


def test_a_damaged_log_is_told_and_ended_before_the_damage(start_server: StartServer) -> None:
    server = written(start_server)
    server.kill()
    (path,) = (server.data / "appendonlydir").iterdir()
    data = bytearray(path.read_bytes())
    second = data.index(b"#dscache ", 10)
    data[second + 70] ^= 1
    path.write_bytes(data)
    server.spawn()
    until(server.is_dead, "it does not start")
    assert server.wait() == 1
    code, said = check(server.data)
    assert code == 3
    assert f"redo log: {path}: damaged at byte {second} of {len(data)}" in said
    code, said = check(server.data, "--repair")
    assert code == 0
    assert f"1 frames are left to replay, {len(data) - second} bytes of changes" in said
    assert check(server.data)[0] == 0
    server.start()
    assert server.call("LRANGE", "l", "0", "-1") == [b"0"]
