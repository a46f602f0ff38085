"""dscache bench and the plain report of dscache top."""

from __future__ import annotations

import re

import pytest

from dscache.cli.link import Endpoint
from dscache.cli.watching import Observer
from serving import ServerProcess, free_port
from terminal import Dscache


def port_of(server: ServerProcess) -> str:
    return str(server.address[1])


@pytest.mark.parametrize("distribution", ["uniform", "zipf"])
def test_a_load_is_answered_to_the_last_request(
    server: ServerProcess, dscache: Dscache, distribution: str
) -> None:
    before = server.figure("total_commands_processed")
    words = ["-c", "7", "-P", "3", "-n", "1000", "-r", "50", "-d", "9", "--reads", "0.5"]
    code, said, errors = dscache(
        "bench", "-p", port_of(server), *words, "--db", "2", "--distribution", distribution
    )
    assert (code, errors) == (0, "")
    assert re.search(r"^1,000 requests in [\d.]+ s: [\d,]+ requests/s$", said, re.MULTILINE)
    found = re.search(
        r"^p50 ([\d.]+) ms  p99 ([\d.]+) ms  p99.9 ([\d.]+) ms  slowest ([\d.]+) ms$",
        said,
        re.MULTILINE,
    )
    assert found is not None
    times = [float(ms) for ms in found.groups()]
    assert times == sorted(times)
    assert "GETs found their key" in said
    # Its requests, a SELECT for each client, and the two INFOs.
    assert 1000 <= server.figure("total_commands_processed") - before <= 1010
    keyspace = server.info("keyspace")
    assert list(keyspace) == ["db2"]
    assert int(re.findall(r"keys=(\d+)", keyspace["db2"])[0]) <= 50


def test_batches_may_be_larger_than_what_the_server_takes_before_its_replies_are_read(
    server: ServerProcess, dscache: Dscache
) -> None:
    # It sent the whole batch first: it and the server waited for each other for ever.
    server.call("SET", "dscache-bench:0", "x" * 100_000)
    words = ["-c", "1", "-P", "2000", "-n", "2000", "-r", "1", "-d", "100000", "--reads", "0.9"]
    code, said, errors = dscache("bench", "-p", port_of(server), *words)
    assert (code, errors) == (0, "")
    assert said.startswith("2,000 requests in ")


def test_errors_are_counted_and_the_first_is_shown(server: ServerProcess, dscache: Dscache) -> None:
    server.call("RPUSH", "dscache-bench:0", "a list")
    code, _, errors = dscache(
        "bench", "-p", port_of(server), "-n", "20", "-r", "1", "--reads", "1", "-c", "2"
    )
    assert code == 1
    assert errors.startswith("dscache: 20 errors, the first: WRONGTYPE")


@pytest.mark.parametrize("command", ["bench", "top"])
def test_without_a_server_it_ends_with_1(dscache: Dscache, command: str) -> None:
    code, said, errors = dscache(command, "-p", str(free_port()))
    assert (code, said) == (1, "")
    assert "cannot connect" in errors


def test_top_prints_one_report_where_there_is_no_terminal(
    server: ServerProcess, dscache: Dscache
) -> None:
    server.call("SET", "some-key", "x" * 5000)
    loads = server.figure("cache_loads")
    code, said, errors = dscache("top", "-p", port_of(server), "--interval", "0.1")
    assert (code, errors) == (0, "")
    assert "\x1b" not in said
    for part in ("dscache ", "commands/s", "% of 32.0 MiB", "some-key", "used last"):
        assert part in said
    assert "q quit" not in said
    assert server.figure("cache_loads") == loads


def test_what_top_looks_at_is_neither_a_hit_nor_a_command_in_its_rates(
    server: ServerProcess,
) -> None:
    for number in range(50):
        server.call("SET", f"key:{number}", "x")
    observer = Observer(Endpoint(*server.address))
    observer.look()
    server.call("GET", "key:1")
    server.empty_memory()
    server.call("GET", "key:1")
    readings = observer.look()
    observer.close()
    assert readings.hit_ratio() == 0.5
    assert "memory usage" not in [one.name for one in readings.commands()]


def test_top_tells_who_may_not_ask(server: ServerProcess, dscache: Dscache) -> None:
    server.call("ACL", "SETUSER", "guest", "on", ">pw", "+ping", "+client")
    code, _, errors = dscache("top", "-p", port_of(server), "--user", "guest", "-a", "pw")
    assert code == 1
    assert "INFO failed: NOPERM" in errors


def test_top_works_with_the_rights_that_its_help_names(
    server: ServerProcess, dscache: Dscache
) -> None:
    _, said, _ = dscache("top", "--help")
    rights = re.findall(r"[+~][\w|*]+", said)
    assert server.call("ACL", "SETUSER", "watcher", "on", ">pw", *rights) == b"OK"
    denied = server.figure("acl_access_denied_cmd")
    words = ["top", "-p", port_of(server), "--user", "watcher", "-a", "pw", "--interval", "0.1"]
    server.call("SET", "some-key", "x")
    code, said, errors = dscache(*words)
    assert (code, errors) == (0, "")
    assert "some-key" in said
    assert server.figure("acl_access_denied_cmd") == denied
