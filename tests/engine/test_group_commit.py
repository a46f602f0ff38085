"""When a sync begins, with ``appendfsync always``: who is waited for, and for how long."""

from __future__ import annotations

from dscache.engine.group_commit import GroupCommit

SYNC = 0.0002


def test_the_first_sync_waits_for_nobody() -> None:
    assert GroupCommit().is_due(1.0, 1)


def test_a_sync_waits_until_all_have_come_that_are_expected() -> None:
    group = GroupCommit()
    group.synced(1.0, SYNC, 50)
    assert not group.is_due(1.0, 1)
    assert not group.is_due(1.0001, 49)
    assert group.is_due(1.0001, 50)
    assert (group.waits, group.waits_in_vain) == (1, 0)


def test_a_client_alone_never_waits() -> None:
    group = GroupCommit()
    for turn in range(100):
        group.synced(float(turn), SYNC, 1)
        assert group.is_due(float(turn), 1)


def test_a_wait_ends_when_two_more_syncs_could_have_been_done() -> None:
    group = GroupCommit()
    group.synced(1.0, SYNC, 50)
    assert not group.is_due(1.0 + 1.9 * SYNC, 49)
    assert group.is_due(1.0 + 2.1 * SYNC, 49)


def test_on_a_slow_disk_a_wait_ends_after_a_millisecond() -> None:
    group = GroupCommit()
    group.synced(1.0, 0.5, 50)
    assert not group.is_due(1.0009, 49)
    assert group.is_due(1.0011, 49)


def test_who_comes_later_after_a_sync_does_not_wait_and_nothing_was_in_vain() -> None:
    group = GroupCommit()
    for turn in range(1, 100):
        group.synced(float(turn), SYNC, 50)
        assert group.is_due(turn + 0.5, 1)
    group.synced(100.0, SYNC, 50)
    assert not group.is_due(100.0, 1)


def _waits_in_vain(group: GroupCommit, now: float) -> bool:
    """A sync at ``now``, after which half of those that are expected come; whether they wait."""
    group.synced(now, SYNC, 10)
    waits = not group.is_due(now, 5)
    assert group.is_due(now + 1, 5)
    return waits


def test_after_waits_in_vain_come_twice_as_many_syncs_without_each_time() -> None:
    group = GroupCommit()
    waits = "".join("w" if _waits_in_vain(group, float(2 * n)) else "." for n in range(260))
    assert waits.startswith("w.w..w....w........w")
    assert group.waits == group.waits_in_vain == waits.count("w")
    pauses = [len(pause) for pause in waits.split("w")[1:-1]]
    assert pauses[-2:] == [64, 64]


def test_one_wait_that_is_worth_it_and_all_is_forgotten() -> None:
    group = GroupCommit()
    assert _waits_in_vain(group, 1.0)
    assert not _waits_in_vain(group, 3.0)
    assert _waits_in_vain(group, 5.0)
    for now in (7.0, 9.0, 11.0):
        group.synced(now, SYNC, 10)
    assert not group.is_due(11.0, 9)
    assert group.is_due(11.0, 10)
    assert _waits_in_vain(group, 13.0)
    assert not _waits_in_vain(group, 15.0)
    assert _waits_in_vain(group, 17.0)


def test_a_sync_without_a_wait_does_not_make_good_for_waits_in_vain() -> None:
    group = GroupCommit()
    assert _waits_in_vain(group, 1.0)
    assert not _waits_in_vain(group, 3.0)
    assert _waits_in_vain(group, 5.0)
    group.synced(7.0, SYNC, 1)
    assert group.is_due(7.0, 1)
    assert not _waits_in_vain(group, 9.0)
    assert _waits_in_vain(group, 11.0)
    assert [_waits_in_vain(group, now) for now in (13.0, 15.0, 17.0, 19.0)] == [False] * 4


def test_when_most_have_come_the_wait_was_not_in_vain() -> None:
    group = GroupCommit()
    for turn in range(1, 20):
        group.synced(float(turn), SYNC, 8)
        assert not group.is_due(float(turn), 6)
        assert group.is_due(turn + 0.5, 6)
