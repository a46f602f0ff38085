"""The clock, and the one that tests move."""

from __future__ import annotations

import time

from dscache.clock import Clock, ManualClock


def test_the_clock_is_the_wall_clock() -> None:
    before = time.time()
    now = Clock().time()
    assert before - 0.01 <= now <= time.time() + 0.01


def test_a_manual_clock_stands_still_until_it_is_moved() -> None:
    clock = ManualClock(100.0)
    assert [clock.time(), clock.time()] == [100.0, 100.0]
    clock.advance(0.5)
    assert clock.time() == 100.5
