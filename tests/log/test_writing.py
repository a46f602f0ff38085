"""Writing the redo log and reading it after a crash: what was synced is there, in order, once."""

from __future__ import annotations

import errno
import os
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import PROFILE
from disks import BROKEN, FULL, KILLED, SHORT, Died, Disk
from dscache.errors import LogDamagedError
from dscache.files import Files
from dscache.log.format import HEADER_BYTES, header_of
from dscache.log.segments import Contents, segment_numbers, segment_path
from dscache.log.writer import LogWriter

BODY = b"*1\r\n$4\r\nPING\r\n"
FRAME_BYTES = HEADER_BYTES + len(BODY)


def new_writer(directory: Path, disk: Disk) -> LogWriter:
    return LogWriter(directory, Contents(directory, 0).last_sequences, disk)


def found(directory: Path, sequence: int = 0) -> list[int]:
    """The frames that a start would replay."""
    contents = Contents(directory, sequence)
    frames = [one.sequence for one in contents.frames()]
    assert (frames[-1] if frames else sequence) == contents.last_sequence
    return frames


def written(directory: Path, frames: int, *, synced: int = 0, per_segment: int = 100) -> Disk:
    """A log of so many frames, ``synced`` of them synced when the next one was written."""
    disk = Disk()
    writer = LogWriter(directory, {}, disk)
    for sequence in range(1, frames + 1):
        writer.append(sequence, BODY)
        if sequence <= synced:
            writer.sync()
        if sequence % per_segment == 0:
            writer.end_segment()
    return disk


def test_frames_come_back_in_order_from_all_segments(tmp_path: Path) -> None:
    written(tmp_path, 7, per_segment=3)
    assert segment_numbers(tmp_path) == [1, 2, 3]
    assert found(tmp_path) == [1, 2, 3, 4, 5, 6, 7]


def test_frames_that_the_store_has_are_passed_by(tmp_path: Path) -> None:
    written(tmp_path, 7, per_segment=3)
    assert found(tmp_path, 5) == [6, 7]
    assert found(tmp_path, 7) == []


def test_a_log_goes_on_in_a_new_segment(tmp_path: Path) -> None:
    written(tmp_path, 2)
    writer = new_writer(tmp_path, Disk())
    writer.append(3, BODY)
    assert segment_numbers(tmp_path) == [1, 2]
    assert found(tmp_path) == [1, 2, 3]


def test_segments_that_the_store_has_are_deleted_but_not_the_one_being_written(
    tmp_path: Path,
) -> None:
    disk = Disk()
    writer = LogWriter(tmp_path, {}, disk)
    for sequence in range(1, 7):
        writer.append(sequence, BODY)
        if sequence % 2 == 0 and sequence < 6:
            writer.end_segment()
    writer.drop_until(3)
    assert segment_numbers(tmp_path) == [2, 3]
    writer.drop_until(6)
    assert segment_numbers(tmp_path) == [3]
    writer.end_segment()
    writer.drop_until(6)
    assert segment_numbers(tmp_path) == []


def test_an_empty_segment_ends_without_a_trace(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path, {}, Disk())
    writer.end_segment()
    writer.end_segment()
    assert segment_numbers(tmp_path) == []


# Crashes


@pytest.mark.parametrize("missing", range(1, FRAME_BYTES))
def test_a_torn_end_is_cut_off(tmp_path: Path, missing: int) -> None:
    written(tmp_path, 3)
    path = segment_path(tmp_path, 1)
    path.write_bytes(path.read_bytes()[:-missing])
    contents = Contents(tmp_path, 0)
    assert contents.torn_bytes == FRAME_BYTES - missing
    contents.settle(Files())
    assert path.stat().st_size == 2 * FRAME_BYTES
    assert found(tmp_path) == [1, 2]


def test_a_hole_in_what_was_not_synced_is_a_torn_end(tmp_path: Path) -> None:
    written(tmp_path, 4, synced=1)
    path = segment_path(tmp_path, 1)
    data = bytearray(path.read_bytes())
    data[FRAME_BYTES + 3] ^= 1
    path.write_bytes(data)
    assert found(tmp_path) == [1]


def test_a_hole_in_what_was_synced_is_damage_with_file_and_offset(tmp_path: Path) -> None:
    written(tmp_path, 4, synced=2)
    path = segment_path(tmp_path, 1)
    data = bytearray(path.read_bytes())
    data[FRAME_BYTES + 3] ^= 1
    path.write_bytes(data)
    with pytest.raises(LogDamagedError) as damage:
        Contents(tmp_path, 0)
    assert str(path) in str(damage.value)
    assert f"damaged at byte {FRAME_BYTES} of {4 * FRAME_BYTES}" in str(damage.value)


def test_a_hole_in_an_older_segment_is_damage(tmp_path: Path) -> None:
    written(tmp_path, 6, per_segment=3)
    path = segment_path(tmp_path, 1)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(LogDamagedError, match=f"damaged at byte {2 * FRAME_BYTES}"):
        Contents(tmp_path, 0)


def test_what_the_store_has_may_be_damaged(tmp_path: Path) -> None:
    written(tmp_path, 6, per_segment=3)
    path = segment_path(tmp_path, 1)
    path.write_bytes(b"")
    assert found(tmp_path, 3) == [4, 5, 6]


def test_a_missing_segment_is_damage(tmp_path: Path) -> None:
    written(tmp_path, 9, per_segment=3)
    segment_path(tmp_path, 2).unlink()
    with pytest.raises(LogDamagedError, match="frame 7 at byte 0 does not follow frame 3"):
        Contents(tmp_path, 0)


def test_a_strange_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine.aof").touch()
    with pytest.raises(LogDamagedError, match="is not named like a segment"):
        Contents(tmp_path, 0)


def test_a_frame_of_another_place_is_not_taken_for_one(tmp_path: Path) -> None:
    path = segment_path(tmp_path, 1)
    path.write_bytes(header_of(1, BODY, 1, 0, 0) + BODY + header_of(2, BODY, 1, 0, 0) + BODY)
    assert found(tmp_path) == [1]


# Errors


def test_half_a_frame_is_cut_off_before_the_next_try(tmp_path: Path) -> None:
    disk = Disk()
    writer = LogWriter(tmp_path, {}, disk)
    writer.append(1, BODY)
    disk.fail("append", FULL, FULL)
    for _ in range(2):
        with pytest.raises(OSError, match="No space left"):
            writer.append(2, BODY)
    writer.append(2, BODY)
    assert segment_path(tmp_path, 1).stat().st_size == 2 * FRAME_BYTES
    assert found(tmp_path) == [1, 2]


def test_after_a_failed_sync_everything_unsynced_is_written_to_a_new_file(tmp_path: Path) -> None:
    disk = Disk()
    writer = LogWriter(tmp_path, {}, disk)
    writer.append(1, BODY)
    writer.sync()
    writer.append(2, BODY)
    writer.append(3, BODY)
    disk.fail("sync", BROKEN)
    with pytest.raises(OSError, match="Input/output error"):
        writer.sync()
    writer.sync()
    # What the kernel dropped of the first file does not matter.
    first = segment_path(tmp_path, 1)
    first.write_bytes(first.read_bytes()[:FRAME_BYTES] + bytes(2 * FRAME_BYTES))
    assert segment_numbers(tmp_path) == [1, 2]
    assert found(tmp_path) == [1, 2, 3]


def test_a_frame_that_is_written_and_synced_in_one_survives(tmp_path: Path) -> None:
    disk = Disk()
    writer = LogWriter(tmp_path, {}, disk)
    writer.append(1, BODY)
    writer.append_and_sync(2, BODY)  # syncs what was written before, too
    writer.append_and_sync(3, BODY)
    disk.lose_power(random.Random(1))
    assert found(tmp_path) == [1, 2, 3]


def test_the_system_writes_and_syncs_in_one_what_can_be_read_again(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path, {}, Files())
    for sequence in (1, 2, 3):
        writer.append_and_sync(sequence, BODY)
    assert found(tmp_path) == [1, 2, 3]
    assert segment_path(tmp_path, 1).stat().st_size == 3 * FRAME_BYTES


def test_a_system_that_cannot_write_and_sync_in_one_does_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object) -> int:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "pwritev", refuse)
    synced: list[int] = []
    monkeypatch.setattr(os, "fdatasync", synced.append)
    writer = LogWriter(tmp_path, {}, Files())
    writer.append_and_sync(1, BODY)
    assert len(synced) == 1
    assert found(tmp_path) == [1]


def test_frames_that_are_there_twice_are_taken_once(tmp_path: Path) -> None:
    disk = Disk()
    writer = LogWriter(tmp_path, {}, disk)
    writer.append(1, BODY)
    disk.fail("sync", BROKEN)
    with pytest.raises(OSError, match="Input/output error"):
        writer.end_segment()
    writer.append(2, BODY)
    assert segment_numbers(tmp_path) == [1, 2]
    assert found(tmp_path) == [1, 2]


def test_a_disk_that_stays_full_is_not_filled_with_files(tmp_path: Path) -> None:
    disk = Disk()
    writer = LogWriter(tmp_path, {}, disk)
    writer.append(1, BODY)
    disk.fail("sync", BROKEN)
    with pytest.raises(OSError, match="Input/output error"):
        writer.sync()
    disk.fail("append", *[FULL] * 20)
    for _ in range(20):
        with pytest.raises(OSError, match="No space left"):
            writer.sync()
    assert len(segment_numbers(tmp_path)) == 2
    writer.sync()
    assert found(tmp_path) == [1]


def test_a_segment_whose_frames_could_not_be_written_again_is_not_ended(tmp_path: Path) -> None:
    disk = Disk()
    writer = LogWriter(tmp_path, {}, disk)
    writer.append(1, BODY)
    disk.fail("sync", BROKEN)
    disk.fail("create", FULL)
    for _ in range(2):
        with pytest.raises(OSError, match=r"Input/output error|No space left"):
            writer.end_segment()
    writer.end_segment()
    disk.lose_power(random.Random(1))
    assert found(tmp_path) == [1]


def test_what_a_killed_process_left_unsynced_is_synced_when_it_has_been_read(
    tmp_path: Path,
) -> None:
    # A power failure soon after such a start lost what clients had been shown, and if a later frame was
    # on disk the next start stopped at the gap.
    disk = Disk()
    writer = LogWriter(tmp_path, {}, disk)
    writer.append(1, BODY)
    disk.fail("sync", BROKEN)
    with pytest.raises(OSError, match="Input/output error"):
        writer.sync()
    disk.die()
    contents = Contents(tmp_path, 0)
    contents.settle(disk)
    writer = LogWriter(tmp_path, contents.last_sequences, disk)
    writer.append(2, BODY)
    writer.sync()
    disk.lose_power(random.Random(1))
    assert found(tmp_path) == [1, 2]


#: What is done to a writer: most of it works. What fails, fails once.
STEPS = st.lists(
    st.sampled_from(
        [
            *["append", "append_and_sync"] * 6,
            *["sync", "end_segment", "kill", "lose power"] * 2,
            "short append",
        ]
        + [f"fail {name}" for name in ("append", "sync", "create", "truncate", "remove")]
        + ["fail sync_names", "die append", "die sync", "die sync_names"]
    ),
    max_size=60,
)


@given(STEPS, st.randoms(use_true_random=False))
@settings(max_examples=5000 if PROFILE == "long" else 150)
def test_whatever_fails_a_power_failure_leaves_a_prefix_with_all_that_was_synced(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str], luck: random.Random
) -> None:
    directory = tmp_path_factory.mktemp("log")
    disk = Disk()
    writer = LogWriter(directory, {}, disk)
    appended = promised = 0
    for step in [*steps, "lose power"]:
        how, _, method = step.rpartition(" ")
        if how in {"fail", "die", "short"}:
            code = {"fail": luck.choice([FULL, BROKEN]), "die": KILLED, "short": SHORT}[how]
            disk.fail(method, code)
            continue
        ending = step
        while step in {"append", "append_and_sync", "sync", "end_segment"}:
            try:
                if step == "append":
                    writer.append(appended + 1, BODY)
                    appended += 1
                elif step == "append_and_sync":
                    writer.append_and_sync(appended + 1, BODY)
                    appended += 1
                    promised = appended
                else:
                    writer.sync() if step == "sync" else writer.end_segment()
                    promised = appended
            except OSError:
                continue
            except Died:
                ending = luck.choice(["kill", "lose power"])
            break
        if ending not in {"kill", "lose power"}:
            continue
        disk.failures.clear()
        if ending == "kill":
            disk.die()
        else:
            disk.lose_power(luck)
        contents = Contents(directory, 0)
        kept = [frame.sequence for frame in contents.frames()]
        assert kept == list(range(1, len(kept) + 1))
        assert promised <= len(kept) <= appended + 1
        # What the next process has seen must stay.
        contents.settle(disk)
        appended = promised = len(kept)
        writer = LogWriter(directory, contents.last_sequences, disk)
