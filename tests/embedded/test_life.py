"""Opening, sharing, closing, and ends that nobody has planned."""

from __future__ import annotations

import gc
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import redis

import dscache
from dscache.embedded.client import EmbeddedPool
from dscache.embedded.link import SocketLink
from dscache.errors import ConfigError, StoreError, StoreLockedError
from embedding import OpenClient, is_blocked
from serving import DEADLINE_SECONDS, until


def python(code: str, *arguments: str | Path) -> subprocess.Popen[str]:
    """``code`` in an interpreter of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def output_of(code: str, *arguments: str | Path) -> str:
    """What ``code`` prints; it must end well."""
    with python(code, *arguments) as process:
        out, err = process.communicate(timeout=DEADLINE_SECONDS)
    assert process.returncode == 0, err
    assert err == ""
    return out


def is_free(directory: Path) -> bool:
    """Whether another process can open the directory."""
    code = """
import sys, dscache
try:
    dscache.open(sys.argv[1]).close()
except dscache.errors.StoreLockedError:
    print("locked")
else:
    print("free")
"""
    return output_of(code, directory) == "free\n"


def test_what_was_written_is_there_after_closing_and_opening(tmp_path: Path) -> None:
    with dscache.open(tmp_path / "data") as db:
        db.set("key", "value", ex=1000)
        db.rpush("list", *range(100))
    with dscache.open(tmp_path / "data") as db:
        assert db.get("key") == b"value"
        assert 0 < db.ttl("key") <= 1000
        assert db.llen("list") == 100


def test_the_directory_is_free_when_the_last_client_has_been_closed(
    tmp_path: Path, open_client: OpenClient
) -> None:
    first, second = open_client(), open_client()
    first.set("key", 1)
    assert second.get("key") == b"1"
    first.close()
    assert second.get("key") == b"1"
    assert not is_free(tmp_path / "data")
    second.close()
    assert is_free(tmp_path / "data")


def test_a_closed_client_stays_closed_also_while_others_are_open(open_client: OpenClient) -> None:
    closed, other = open_client(), open_client()
    closed.close()
    closed.close()
    with pytest.raises(redis.ConnectionError, match="closed"):
        closed.ping()
    assert other.ping()


def test_a_client_that_waits_is_disconnected_when_the_last_one_is_closed(
    tmp_path: Path, open_client: OpenClient
) -> None:
    db = open_client(client_name="waiter", decode_responses=True)
    with ThreadPoolExecutor(1) as threads:
        popped = threads.submit(db.blpop, ["queue"], 0)
        until(lambda: is_blocked(db, "waiter"), "it waits")
        db.close()
        # ValueError: redis-py closes its buffer under the thread that reads.
        with pytest.raises((redis.ConnectionError, ValueError)):
            popped.result()
    assert is_free(tmp_path / "data")


def test_closing_says_what_could_not_be_saved_and_the_redo_log_has_it(
    open_client: OpenClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    db = open_client(cache_flush_delay=3600)
    db.set("key", "value")

    def full(_: object) -> None:
        raise StoreError("No space left on device")

    pool = db.connection_pool
    assert isinstance(pool, EmbeddedPool)
    monkeypatch.setattr(pool._lease.host._engine.store, "commit", full)
    with pytest.raises(StoreError, match="No space left"):
        db.close()
    db.close()
    assert open_client().get("key") == b"value"


def test_a_client_that_nobody_has_closed_is_closed_by_the_collector(tmp_path: Path) -> None:
    db: redis.Redis | None = dscache.open(tmp_path / "data")
    assert db is not None
    db.set("key", 1)
    pool = weakref.ref(db.connection_pool)
    db = None
    gc.collect()
    assert pool() is None
    with dscache.open(tmp_path / "data", maxmemory="8mb") as again:
        assert again.get("key") == b"1"


def test_a_program_that_closes_nothing_loses_nothing(tmp_path: Path) -> None:
    code = """
import sys, dscache
db = dscache.open(sys.argv[1], appendonly=False)
db.set("key", "value")
"""
    assert output_of(code, tmp_path / "data") == ""
    with dscache.open(tmp_path / "data") as db:
        assert db.get("key") == b"value"


def test_another_process_is_kept_out(tmp_path: Path) -> None:
    code = """
import sys, threading, dscache
db = dscache.open(sys.argv[1])
print("open", flush=True)
threading.Event().wait()
"""
    with python(code, tmp_path / "data") as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        with pytest.raises(StoreLockedError):
            dscache.open(tmp_path / "data")
        other.kill()


def test_directives_of_a_shared_data_set_must_agree(open_client: OpenClient) -> None:
    first = open_client(maxmemory="16mb", cache_flush_delay=0.5)
    assert first.info("memory")["maxmemory"] == 16 * 1024 * 1024
    open_client()
    open_client(cache_flush_delay=0.5, maxmemory="16mb")
    with pytest.raises(ConfigError, match="open in this process with other directives"):
        open_client(maxmemory="32mb")


@pytest.mark.parametrize(
    ("directive", "value", "reason"),
    [
        ("max_memory", "1gb", "did you mean --maxmemory"),
        ("maxmemory", "lots", "maxmemory"),
        ("port", 7000, "nothing for an embedded dscache"),
        ("logfile", "log", "nothing for an embedded dscache"),
    ],
)
def test_a_directive_that_makes_no_sense_is_refused(
    open_client: OpenClient, directive: str, value: str | int, reason: str
) -> None:
    with pytest.raises(ConfigError, match=reason):
        open_client(**{directive: value})
    assert open_client().ping()


def test_directives_are_given_as_python_has_them(open_client: OpenClient) -> None:
    db = open_client(
        appendonly=False, save="", cache_flush_delay=0.5, databases=4, decode_responses=True
    )
    assert db.config_get("appendonly", "databases", "cache-flush-delay") == {
        "appendonly": "no",
        "databases": "4",
        "cache-flush-delay": "0.5",
    }


def test_a_volatile_data_set_goes_with_its_client(tmp_path: Path) -> None:
    with (
        dscache.open(tmp_path / "a", volatile=True) as one,
        dscache.open(tmp_path / "a", volatile=True) as other,
    ):
        one.set("key", 1)
        assert other.get("key") is None
        assert list((tmp_path / "a").iterdir())
    assert not (tmp_path / "a").exists()
    with pytest.raises(ConfigError, match="directory"):
        dscache.open()
    with dscache.open(volatile=True) as db:
        assert db.set("key", 1)


def test_a_directory_that_cannot_be_opened_is_reported(tmp_path: Path) -> None:
    with dscache.open(tmp_path / "data") as db:
        db.set("key", 1)
    (tmp_path / "data" / "FORMAT").write_text("dscache 99\n")
    with pytest.raises(StoreError, match="newer dscache"):
        dscache.open(tmp_path / "data")


def test_nothing_of_the_process_is_changed(tmp_path: Path) -> None:
    def state() -> list[object]:
        return [
            sys.getswitchinterval(),
            gc.get_threshold(),
            gc.get_freeze_count(),
            [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)],
            logging.getLogger().handlers[:],
            logging.getLogger().level,
            logging.getLogger("dscache").handlers[:],
            os.getcwd(),
        ]

    before = state()
    threads = set(threading.enumerate())
    with dscache.open(tmp_path / "data") as db:
        db.set("key", 1)
        assert state() == before
    assert state() == before
    until(
        lambda: set(threading.enumerate()) <= threads,
        "the threads have ended",
    )


def test_importing_the_package_imports_nothing_of_it() -> None:
    code = """
import sys, dscache
print(sorted(name for name in sys.modules if name.startswith(("dscache.", "redis", "asyncio"))))
"""
    assert output_of(code) == "[]\n"
    with pytest.raises(AttributeError):
        dscache.nothing  # type: ignore[attr-defined]  # noqa: B018


_FORKING = """
import multiprocessing, os, sys, warnings
import dscache, redis
warnings.simplefilter("ignore", DeprecationWarning)  # of fork with threads
db = dscache.open(sys.argv[1])
db.set("key", "parent's")
with db.pubsub() as subscriber:
    subscriber.subscribe("channel")
    subscriber.get_message(timeout=10)

    def in_child(answers):
        for use in (lambda: db.get("key"), lambda: subscriber.get_message(timeout=10)):
            try:
                use()
            except redis.ConnectionError as error:
                answers.put("forked" in str(error))
        try:
            dscache.open(sys.argv[2])
        except dscache.errors.StoreError as error:
            answers.put("forked" in str(error))
        db.close()

    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    child = context.Process(target=in_child, args=(answers,))
    child.start()
    child.join()
    print(child.exitcode, [answers.get() for _ in range(3)])
print(db.get("key"))
"""


def test_a_forked_child_is_refused_and_does_no_harm(tmp_path: Path) -> None:
    assert output_of(_FORKING, tmp_path / "data", tmp_path / "other") == (
        '0 [True, True, True]\nb"parent\'s"\n'
    )


def _use_in_process(directory: str) -> None:
    with dscache.open(directory) as db:
        db.incr("key")


def test_a_spawned_child_opens_its_own(tmp_path: Path, open_client: OpenClient) -> None:
    open_client().set("key", 1)
    child = multiprocessing.get_context("spawn").Process(
        target=_use_in_process, args=(str(tmp_path / "other"),)
    )
    child.start()
    child.join(DEADLINE_SECONDS)
    assert child.exitcode == 0
    with dscache.open(tmp_path / "other") as db:
        assert db.get("key") == b"1"


_WRITER = """
import sys, dscache
db = dscache.open(sys.argv[1], appendfsync=sys.argv[2], cache_flush_delay=3600)
number = 0
while True:
    number += 1
    with db.pipeline() as pipe:
        pipe.set("one", number).set("other", number).execute()
    print(number, flush=True)
"""


@pytest.mark.parametrize("policy", ["always", "everysec"])
def test_what_was_acknowledged_survives_kill_9(tmp_path: Path, policy: str) -> None:
    with python(_WRITER, tmp_path / "data", policy) as writer:
        assert writer.stdout is not None
        acknowledged = 0
        while acknowledged < 200:
            acknowledged = int(writer.stdout.readline())
        log = tmp_path / "data" / "appendonlydir"
        until(lambda: any(file.stat().st_size for file in log.iterdir()), "the log has a frame")
        writer.kill()
        rest = writer.stdout.read().splitlines(keepends=True)
        acknowledged = max([acknowledged, *[int(one) for one in rest if one.endswith("\n")]])
    with dscache.open(tmp_path / "data") as db:
        one, other = db.mget("one", "other")
    assert one == other, "half a transaction"
    if policy == "always":
        assert int(one or 0) in (acknowledged, acknowledged + 1)
    else:
        # What was noted in the last hundredths of a second was still in memory.
        assert 0 < int(one or 0) <= acknowledged + 1


_EXTENSION = """
import dscache
from dscache.extension import Database, Extension

extension = Extension("own")


@extension.command("TWICE key", writes=False)
def twice(db: Database, keys: list[bytes], args: list[bytes]) -> object:
    \"\"\"Doubles.\"\"\"
    return 2 * int(db.call("GET", keys[0]) or 0)


@extension.command("REENTERED directory", writes=False)
def reentered(db: Database, keys: list[bytes], args: list[bytes]) -> object:
    \"\"\"Uses the data set as a program does.\"\"\"
    try:
        dscache.open(args[0].decode())
    except RuntimeError as error:
        return str(error).encode()
    return None
"""


@pytest.fixture
def extended(tmp_path: Path, open_client: OpenClient) -> redis.Redis:
    """A client of a data set with commands of its own."""
    (tmp_path / "commands.py").write_text(_EXTENSION)
    return open_client(load=[tmp_path / "commands.py"], decode_responses=True)


def test_an_exception_inside_a_command_stops_everything_and_undoes_the_command(
    open_client: OpenClient,
) -> None:
    db, other = open_client(), open_client()
    db.set("key", "before")
    db.execute_command("WAITAOF", 1, 0, 0)

    def interrupt(database: int, event: bytes, key: bytes) -> None:
        raise KeyboardInterrupt

    pool = db.connection_pool
    assert isinstance(pool, EmbeddedPool)
    # Told in the middle of a command: as if somebody pressed Ctrl-C there.
    pool._lease.host._engine.core.listeners.append(interrupt)
    with pytest.raises(KeyboardInterrupt):
        db.set("key", "half")
    for client in (db, other):
        with pytest.raises(redis.ConnectionError, match="stopped inside a command"):
            client.get("key")
    assert open_client().get("key") == b"before"


_INTERRUPTED_OPENING = """
import signal, sys, threading
import dscache
from dscache.embedded import host

# Whoever was started in the background has it ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
really = host.open_for_clients

def interrupted(*arguments):
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
    return really(*arguments)

host.open_for_clients = interrupted
try:
    dscache.open(sys.argv[1])
except KeyboardInterrupt:
    print("interrupted")
host.open_for_clients = really
with dscache.open(sys.argv[1]) as db:
    print(db.ping())
"""


def test_an_opening_that_is_interrupted_leaves_nothing_open(tmp_path: Path) -> None:
    assert output_of(_INTERRUPTED_OPENING, tmp_path / "data") == "interrupted\nTrue\n"
    assert is_free(tmp_path / "data")


def test_an_exception_between_commands_concerns_nobody_else(
    db: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    db.set("key", 1)
    monkeypatch.setattr(SocketLink, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        db.incr("key")
    monkeypatch.undo()
    assert db.get("key") == "2"


def test_a_command_cannot_be_run_inside_another(extended: redis.Redis, tmp_path: Path) -> None:
    assert extended.set("key", 21)
    assert extended.execute_command("TWICE", "key") == 42
    answer = extended.execute_command("REENTERED", str(tmp_path / "data"))
    assert answer.startswith("dscache is running a command in this thread")
    assert extended.ping()
