"""MEMORY: what keys take, where memory goes, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import pytest

from driver import Driver
from dscache.wire.reply import Verbatim
from places import DISK, PLACES, Client


@pytest.fixture(params=PLACES)
def run(request: pytest.FixtureRequest) -> Iterator[Client]:
    """Commands with keys in memory, on disk only, or being saved."""
    client = Client(request.param)
    yield client
    client.close()


@pytest.fixture
def driver() -> Iterator[Driver]:
    """An engine over a store in memory."""
    driver = Driver()
    yield driver
    driver.close()


def doctor(driver: Driver) -> str:
    """What the doctor says."""
    reply = driver.run("MEMORY", "DOCTOR")
    assert isinstance(reply, Verbatim)
    return reply.text.decode()


# USAGE


def test_usage_counts_value_key_and_bookkeeping(run: Client) -> None:
    run("SET", "a", "x" * 50)
    run("SET", "a" * 17, "x" * 50)
    short = cast("int", run("MEMORY", "USAGE", "a"))
    long = cast("int", run("MEMORY", "USAGE", "a" * 17))
    assert 100 < short < 400
    assert long == short + 16


def test_usage_of_a_large_value_on_disk_is_that_of_what_is_in_memory(run: Client) -> None:
    run("SET", "a", "x" * 100_000)
    usage = cast("int", run("MEMORY", "USAGE", "a"))
    assert usage < 1000 if run.place == DISK else usage > 100_000


def test_usage_of_no_key_is_null(run: Client) -> None:
    assert run("MEMORY", "USAGE", "nosuch") is None


def test_usage_of_an_expired_key_is_null(run: Client) -> None:
    run("SET", "a", "1", "PX", "100")
    run.driver.advance(1)
    assert run("MEMORY", "USAGE", "a") is None


def test_samples_may_be_given(run: Client) -> None:
    run("SET", "a", "1")
    assert run("MEMORY", "USAGE", "a", "SAMPLES", "0") == run("MEMORY", "USAGE", "a")


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ("SAMPLES", "syntax error"),
        ("SAMPLES -1", "syntax error"),
        ("SAMPLES 1 x", "syntax error"),
        ("x 1", "syntax error"),
        ("SAMPLES x", "value is not an integer or out of range"),
    ],
)
def test_wrong_options_of_usage_are_refused(driver: Driver, options: str, error: str) -> None:
    reply = driver.run("MEMORY", "USAGE", "a", *options.split())
    assert reply == b"-ERR " + error.encode()


# The others


def test_stats_show_where_memory_goes(driver: Driver) -> None:
    driver.run("SET", "a", "x" * 5000)
    driver.run("SELECT", "1")
    driver.run("SET", "b", "1")
    stats = cast("dict[object, object]", driver.run("MEMORY", "STATS"))
    assert stats[b"keys.count"] == 2
    assert cast("int", stats[b"total.allocated"]) == (
        cast("int", stats[b"dataset.bytes"]) + cast("int", stats[b"overhead.total"])
    )
    assert cast("int", stats[b"dataset.bytes"]) > 5000
    assert {"db.0", "db.1"} <= set(stats)
    assert "db.2" not in stats
    assert isinstance(stats[b"dataset.percentage"], float)


def test_the_doctor_finds_nothing_where_nothing_is(driver: Driver) -> None:
    assert doctor(driver).startswith("Nothing is wrong: ")


def test_the_doctor_notices_a_cache_that_is_too_small(driver: Driver) -> None:
    driver.engine.core.stats.cache_hits += 6_000
    driver.engine.core.stats.cache_misses += 4_000
    assert "Only 60 % of all lookups find their key in memory." in doctor(driver)


def test_the_doctor_notices_clients_that_do_not_read(driver: Driver) -> None:
    driver.engine.clients_bytes = lambda: 20 * 1024 * 1024
    assert "The buffers of clients take 20.00M" in doctor(driver)


def test_the_doctor_notices_that_the_process_is_too_large(driver: Driver) -> None:
    driver.engine.memory.correction_bytes = 30 * 1024 * 1024
    assert "30.00M of maxmemory are withheld from keys" in doctor(driver)


def test_purge_loses_nothing(run: Client) -> None:
    run("SET", "a", "1")
    assert run("MEMORY", "PURGE") == b"OK"
    assert run("GET", "a") == b"1"


def test_malloc_stats_are_lines_of_figures(driver: Driver) -> None:
    reply = driver.run("MEMORY", "MALLOC-STATS")
    assert isinstance(reply, Verbatim)
    assert reply.text.startswith(b"pymalloc_blocks:")
