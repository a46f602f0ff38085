"""Scripts over sockets: clients of a slow one, and libraries of redis-py that are made of scripts."""

from __future__ import annotations

from pathlib import Path

import redis

from raw_client import RawClient, request
from serving import StartServer, until

BUSY = b"-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."


def test_clients_of_a_slow_script_are_told_and_one_that_comes_can_kill_it(
    start_server: StartServer,
) -> None:
    server = start_server(busy_reply_threshold=10)
    there = server.connect()
    assert there.call("SET", "a", "1") == b"OK"
    slow = server.connect()
    slow.send(b"*3\r\n$4\r\nEVAL\r\n$17\r\nwhile true do end\r\n$1\r\n0\r\n")
    until(lambda: "Slow script detected" in server.log(), "the script is slow")
    assert there.call("GET", "a") == BUSY
    newcomer = server.connect()
    assert newcomer.call("GET", "a") == BUSY
    assert newcomer.call("SCRIPT", "KILL") == b"OK"
    reply = slow.read()
    assert isinstance(reply, bytes)
    assert reply.startswith(b"-ERR Script killed by user with SCRIPT KILL.")
    # All of them go on as if nothing had been.
    for client in (there, newcomer, slow):
        assert client.call("GET", "a") == b"1"
        assert client.call("ECHO", b"x" * 1_000_000) == b"x" * 1_000_000


def test_who_comes_by_the_unix_socket_can_kill_a_slow_script(
    start_server: StartServer, tmp_path: Path
) -> None:
    """He was not let in: where all others speak TLS there was no way to end it."""
    path = tmp_path / "socket"
    server = start_server(busy_reply_threshold=10, unixsocket=str(path))
    slow = server.connect()
    slow.send(request("EVAL", "while true do end", 0))
    until(lambda: "Slow script detected" in server.log(), "the script is slow")
    with RawClient(str(path)) as newcomer:
        assert newcomer.call("GET", "a") == BUSY
        assert newcomer.call("SCRIPT", "KILL") == b"OK"
        assert slow.read() != b"OK"
        assert newcomer.call("SET", "a", b"x" * 1_000_000) == b"OK"
        shown = newcomer.call("CLIENT", "INFO")
        assert isinstance(shown, bytes)
        assert b" addr=%b:0 " % str(path).encode() in shown


def test_shutdown_nosave_ends_a_script_that_has_written(start_server: StartServer) -> None:
    server = start_server(busy_reply_threshold=10)
    slow = server.connect()
    script = b"redis.call('SET', 'a', 1) while true do end"
    slow.send(b"*3\r\n$4\r\nEVAL\r\n$%d\r\n%b\r\n$1\r\n0\r\n" % (len(script), script))
    until(lambda: "Slow script detected" in server.log(), "the script is slow")
    client = server.connect()
    reply = client.call("SCRIPT", "KILL")
    assert isinstance(reply, bytes)
    assert reply.startswith(b"-UNKILLABLE ")
    assert client.call("SHUTDOWN") == BUSY
    client.send(b"*2\r\n$8\r\nSHUTDOWN\r\n$6\r\nNOSAVE\r\n")
    assert server.wait() == 0


def test_locks_of_redis_py_work(start_server: StartServer) -> None:
    client = start_server().client()
    lock = client.lock("lock", timeout=60)
    assert lock.acquire(blocking=False)
    assert not client.lock("lock", timeout=60).acquire(blocking=False)
    assert lock.extend(60)
    assert lock.reacquire()
    lock.release()
    assert client.exists("lock") == 0


def test_registered_scripts_are_loaded_again_when_the_server_has_lost_them(
    start_server: StartServer,
) -> None:
    client: redis.Redis = start_server().client()
    double = client.register_script("return redis.call('INCRBY', KEYS[1], ARGV[1] * 2)")
    assert double(keys=["n"], args=[2]) == 4
    client.script_flush()
    assert double(keys=["n"], args=[3]) == 10
    pipe = client.pipeline()
    pipe.set("m", 1)
    double(keys=["m"], args=[1], client=pipe)
    assert pipe.execute() == [True, 3]


def test_libraries_of_functions_survive_a_kill(start_server: StartServer) -> None:
    server = start_server()
    client = server.client()
    client.function_load("#!lua name=lib\nredis.register_function('one', function() return 1 end)")
    assert server.call("CACHE", "FLUSH") == b"OK"
    server.kill()
    server.start()
    assert server.client().fcall("one", 0) == 1
