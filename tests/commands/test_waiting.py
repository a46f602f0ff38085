"""WAIT."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from driver import Driver
from dscache.cache.wait import FOR_CHANGE


@pytest.fixture
def driver() -> Iterator[Driver]:
    driver = Driver()
    yield driver
    driver.close()


def test_nobody_has_to_be_waited_for(driver: Driver) -> None:
    assert driver.run("WAIT", 0, 1000) == 0
    assert driver.run("WAIT", -1, 0) == 0


def test_replicas_that_there_are_not_are_waited_for_until_the_time_is_over(driver: Driver) -> None:
    replies = driver.start("WAIT", 1, 1500)
    assert driver.session.wait is not None
    assert driver.session.wait.reason == FOR_CHANGE
    driver.advance(1.4)
    driver.engine.turn()
    assert replies == []
    driver.advance(0.2)
    driver.engine.turn()
    assert replies == [0]


def test_without_a_timeout_it_waits_until_somebody_ends_it(driver: Driver) -> None:
    waiting = driver.new_session()
    replies = driver.start("WAIT", 3, 0, session=waiting)
    driver.run("SET", "k", 1)
    driver.advance(10**6)
    driver.engine.turn()
    assert replies == []
    assert driver.run("CLIENT", "UNBLOCK", waiting.number) == 1
    driver.engine.turn()
    assert replies == [0]


def test_what_is_no_number_is_refused(driver: Driver) -> None:
    not_an_integer = b"-ERR value is not an integer or out of range"
    assert driver.run("WAIT", "x", "x") == not_an_integer
    assert driver.run("WAIT", 1, "1.5") == b"-ERR timeout is not an integer or out of range"
    assert driver.run("WAIT", 0, -1) == b"-ERR timeout is negative"
    assert driver.run("WAIT", 1, 2**63 - 1) == b"-ERR timeout is out of range"
