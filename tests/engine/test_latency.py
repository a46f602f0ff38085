"""The latency monitor: spikes, kept for a while."""

from __future__ import annotations

from dscache.engine.latency import LatencyMonitor


def test_only_what_takes_as_long_as_the_threshold_is_kept() -> None:
    monitor = LatencyMonitor()
    monitor.note("command", 100.0, 99.0)
    assert not monitor.events, "off"
    monitor.threshold_ms = 10
    monitor.note("command", 100.0, 0.0099)
    assert not monitor.events
    monitor.note("command", 100.0, 0.010)
    assert list(monitor.events["command"].samples) == [(100, 10)]


def test_of_one_second_the_worst_spike_is_kept() -> None:
    monitor = LatencyMonitor()
    monitor.threshold_ms = 1
    for when, seconds in ((100.1, 0.020), (100.5, 0.030), (100.9, 0.010), (101.0, 0.005)):
        monitor.note("load", when, seconds)
    assert list(monitor.events["load"].samples) == [(100, 30), (101, 5)]
    assert monitor.events["load"].worst_ms == 30


def test_the_history_is_bounded_and_the_worst_is_remembered() -> None:
    monitor = LatencyMonitor()
    monitor.threshold_ms = 1
    monitor.note("epoch", 0.0, 9.0)
    for second in range(1, 1000):
        monitor.note("epoch", float(second), 0.002)
    assert len(monitor.events["epoch"].samples) == 160
    assert monitor.events["epoch"].worst_ms == 9000


def test_events_are_forgotten_by_name_or_altogether() -> None:
    monitor = LatencyMonitor()
    monitor.threshold_ms = 1
    for event in ("load", "epoch", "command"):
        monitor.note(event, 1.0, 1.0)
    assert monitor.reset(["load", "nonsense"]) == 1
    assert monitor.reset([]) == 2
    assert not monitor.events
