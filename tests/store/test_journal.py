"""The journal: what is committed comes back whole and in order, whatever happened to the process."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batches import packed, unpacked
from conftest import PROFILE
from disks import BROKEN, FULL, KILLED, READ_ONLY, SHORT, Died, Disk
from dscache.errors import StoreDamagedError
from dscache.files import Files
from dscache.store.batch import Operation
from dscache.store.journal import Journal

Batches = list[list[Operation]]

A: list[Operation] = [(0, b"a", b"1"), (1, b"b", None), (16, b"from", b"to")]
B: list[Operation] = [(2, b"key", b"value" * 10)]
C: list[Operation] = [(0, b"c", b"3")]
#: Of several frames, by count and by size, a large value among them.
LARGE: list[Operation] = [
    *[(0, b"%d" % number, bytes([number % 256]) * 300) for number in range(2000)],
    (2, b"large", bytes(range(256)) * 2000),
    *[(0, b"%d" % number, None) for number in range(2000)],
]

SEGMENT_BYTES = 1_000_000

#: What the batches of the last test take.
FRAME_BYTES = 46


def open_journal(
    directory: Path, segment_bytes: int = SEGMENT_BYTES, disk: Disk | None = None
) -> tuple[Journal, Batches]:
    """A journal as a start of the store opens it, and what it recovered."""
    journal = Journal(directory, segment_bytes, disk or Files())
    return journal, list(map(unpacked, journal.recover()))


def recovered(directory: Path) -> Batches:
    """What a start would find now."""
    return open_journal(directory)[1]


def written(directory: Path, *batches: list[Operation]) -> Path:
    """A journal of these batches, whose process then died; the path of its segment."""
    journal, _ = open_journal(directory)
    for batch in batches:
        journal.append(packed(batch))
    return directory / "00000001.journal"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def disk() -> Disk:
    return Disk()


# Recovery


def test_a_new_journal_has_nothing_to_recover(directory: Path) -> None:
    journal, batches = open_journal(directory)
    assert batches == []
    assert journal.retired == []
    assert journal.size_bytes() == 0


def test_batches_come_back_in_order_after_the_process_died(directory: Path) -> None:
    written(directory, A, B, [], LARGE, C)
    assert recovered(directory) == [A, B, [], LARGE, C]
    assert recovered(directory) == [A, B, [], LARGE, C]


def test_batches_come_back_after_a_close_before_everything_was_permanent(directory: Path) -> None:
    journal, _ = open_journal(directory)
    journal.append(packed(A))
    journal.close(everything_is_permanent=False)
    assert recovered(directory) == [A]


def test_nothing_is_left_after_a_close_with_everything_permanent(directory: Path) -> None:
    journal, _ = open_journal(directory, segment_bytes=1)
    for batch in (A, B, C):
        journal.append(packed(batch))
    journal.close(everything_is_permanent=True)
    assert list(directory.iterdir()) == []
    assert recovered(directory) == []


def test_a_journal_goes_on_after_each_recovery(directory: Path) -> None:
    expected: Batches = []
    for batch in (A, B, C, LARGE):
        journal, batches = open_journal(directory)
        assert batches == expected
        journal.append(packed(batch))
        expected.append(batch)
    assert recovered(directory) == expected


def test_a_journal_in_use_can_be_recovered_from(directory: Path) -> None:
    # The store does this when RocksDB has lost its memtables.
    journal, _ = open_journal(directory)
    journal.append(packed(A))
    journal.append(packed(B))
    assert list(map(unpacked, journal.recover())) == [A, B]
    journal.append(packed(C))
    assert list(map(unpacked, journal.recover())) == [A, B, C]
    assert recovered(directory) == [A, B, C]


def test_a_tail_that_is_cut_off_at_any_byte_never_happened(directory: Path) -> None:
    whole = written(directory, A, B).read_bytes()
    begin = written(directory.with_name("other"), A).stat().st_size
    segment = directory / "00000001.journal"
    for length in range(begin, len(whole)):
        segment.write_bytes(whole[:length])
        assert recovered(directory) == [A], length
        assert segment.stat().st_size == begin


def test_a_tail_whose_bytes_are_zero_from_any_point_never_happened(directory: Path) -> None:
    # A file system may have made the file longer before it wrote what belongs there.
    whole = written(directory, A, B).read_bytes()
    begin = written(directory.with_name("other"), A).stat().st_size
    segment = directory / "00000001.journal"
    for length in range(begin, len(whole) - 1):
        segment.write_bytes(whole[:length].ljust(len(whole), b"\0"))
        assert recovered(directory) == [A], length


def test_a_journal_goes_on_behind_a_tail_that_was_cut_off(directory: Path) -> None:
    segment = written(directory, A, B)
    os.truncate(segment, segment.stat().st_size - 1)
    journal, batches = open_journal(directory)
    assert batches == [A]
    journal.append(packed(C))
    assert recovered(directory) == [A, C]


def test_the_last_batch_never_happened_if_any_page_of_it_is_missing(directory: Path) -> None:
    # The kernel writes pages in any order: whole frames behind a missing page are no damage as long
    # as they belong to the same batch, which was never synced.
    whole = written(directory, A, LARGE).read_bytes()
    segment = directory / "00000001.journal"
    assert len(whole) > 1_000_000
    for page in range(4096, len(whole) - 4096, 50 * 4096):
        segment.write_bytes(whole[:page] + bytes(4096) + whole[page + 4096 :])
        assert recovered(directory) == [A], page


@pytest.mark.parametrize("position", range(0, 47, 3))
def test_a_changed_byte_before_a_later_batch_is_damage(directory: Path, position: int) -> None:
    segment = written(directory, A, B, C)
    whole = segment.read_bytes()
    damaged = bytearray(whole)
    damaged[position] ^= 1
    segment.write_bytes(damaged)
    journal = Journal(directory, SEGMENT_BYTES, Files())
    with pytest.raises(StoreDamagedError, match=rf"{segment}: damaged at byte 0 of {len(whole)}"):
        next(journal.recover())
    assert segment.read_bytes() == damaged


def test_damage_behind_good_batches_is_found_before_they_are_handed_out(directory: Path) -> None:
    # Applying them and not what follows would take the engine back to an older state.
    segment = written(directory, A, B, C)
    size = written(directory.with_name("other"), A).stat().st_size
    damaged = bytearray(segment.read_bytes())
    damaged[size + 30] ^= 1
    segment.write_bytes(damaged)
    batches = Journal(directory, SEGMENT_BYTES, Files()).recover()
    with pytest.raises(StoreDamagedError, match=f"damaged at byte {size} of"):
        next(batches)


def test_an_older_segment_must_be_whole(directory: Path) -> None:
    journal, _ = open_journal(directory, segment_bytes=1)
    journal.append(packed(A))
    journal.append(packed(B))
    older = directory / "00000001.journal"
    os.truncate(older, older.stat().st_size - 1)
    with pytest.raises(StoreDamagedError, match=f"{older}: damaged at byte 0 of"):
        recovered(directory)


def test_a_missing_segment_is_damage(directory: Path) -> None:
    journal, _ = open_journal(directory, segment_bytes=1)
    for batch in (A, B, C):
        journal.append(packed(batch))
    (directory / "00000002.journal").unlink()
    with pytest.raises(StoreDamagedError, match=r"00000002\.journal is missing"):
        recovered(directory)


def test_a_file_with_a_strange_name_is_not_guessed_at(directory: Path) -> None:
    written(directory, A)
    (directory / "copy of 1.journal").write_bytes(b"")
    with pytest.raises(StoreDamagedError, match=r"copy of 1\.journal is not named like"):
        recovered(directory)


def test_a_journal_that_is_stored_as_a_value_is_not_taken_for_one(directory: Path) -> None:
    bait = written(directory.with_name("other"), A, B).read_bytes()
    segment = written(directory, A, [(2, b"bait", bait * 10)])
    os.truncate(segment, segment.stat().st_size - 1)
    assert recovered(directory) == [A]


operations = st.tuples(
    st.integers(0, 19),
    st.binary(max_size=10),
    st.none() | st.binary(max_size=100) | st.just(bytes(300_000)),
)


@given(batches=st.lists(st.lists(operations, max_size=5), max_size=6), data=st.data())
@settings(max_examples=50)
def test_what_a_crash_leaves_is_always_a_prefix_of_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, batches: Batches, data: st.DataObject
) -> None:
    directory = tmp_path_factory.mktemp("store") / "journal"
    journal, _ = open_journal(directory, segment_bytes=200_000)
    ends = []
    for batch in batches:
        journal.append(packed(batch))
        ends.append(journal.size_bytes())
    segments = sorted(directory.iterdir())
    synced = len(batches)
    if segments:
        last = segments[-1]
        older_bytes = sum(segment.stat().st_size for segment in segments[:-1])
        size = data.draw(st.integers(0, last.stat().st_size))
        os.truncate(last, size)
        synced = sum(end <= older_bytes + size for end in ends)
    assert recovered(directory) == batches[:synced]


# Failing writes


def test_a_batch_that_cannot_be_written_never_happened(directory: Path, disk: Disk) -> None:
    journal, _ = open_journal(directory, disk=disk)
    journal.append(packed(A))
    disk.fail("append", FULL)
    with pytest.raises(OSError, match="No space left"):
        journal.append(packed(B))
    assert recovered(directory) == [A]
    journal.append(packed(C))
    assert recovered(directory) == [A, C]


@pytest.mark.parametrize("writes", [0, 1, 3, 10, 20])
def test_a_batch_that_is_written_in_part_never_happened(
    directory: Path, disk: Disk, writes: int
) -> None:
    journal, _ = open_journal(directory, disk=disk)
    journal.append(packed(A))
    disk.fail("append", *[SHORT] * writes, FULL)
    with pytest.raises(OSError, match="No space left"):
        journal.append(packed(LARGE))
    assert recovered(directory) == [A]
    journal.append(packed(LARGE))
    assert recovered(directory) == [A, LARGE]


@pytest.mark.parametrize("before", [[], [A]])
def test_a_batch_whose_sync_failed_never_happened(
    directory: Path, disk: Disk, before: Batches
) -> None:
    journal, _ = open_journal(directory, disk=disk)
    for batch in before:
        journal.append(packed(batch))
    disk.fail("sync", BROKEN)
    with pytest.raises(OSError, match="Input/output error"):
        journal.append(packed(B))
    assert recovered(directory) == before
    journal.append(packed(C))
    assert recovered(directory) == [*before, C]


def test_a_failed_batch_that_cannot_be_cut_off_is_cut_off_before_the_next(
    directory: Path, disk: Disk
) -> None:
    journal, _ = open_journal(directory, disk=disk)
    journal.append(packed(A))
    disk.fail("sync", BROKEN)
    disk.fail("truncate", BROKEN, BROKEN)
    with pytest.raises(OSError, match="Input/output error"):
        journal.append(packed(B))
    with pytest.raises(OSError, match="Input/output error"):
        journal.append(packed(B))
    journal.append(packed(C))
    assert recovered(directory) == [A, C]


def test_a_failed_batch_is_cut_off_by_a_close(directory: Path, disk: Disk) -> None:
    journal, _ = open_journal(directory, disk=disk)
    journal.append(packed(A))
    disk.fail("sync", BROKEN)
    disk.fail("truncate", BROKEN)
    with pytest.raises(OSError, match="Input/output error"):
        journal.append(packed(B))
    journal.close(everything_is_permanent=False)
    assert recovered(directory) == [A]


def test_tries_on_a_full_disk_leave_no_files_behind(directory: Path, disk: Disk) -> None:
    journal, _ = open_journal(directory, disk=disk)
    journal.append(packed(A))
    disk.fail("append", *[FULL] * 20)
    for _ in range(20):
        with pytest.raises(OSError, match="No space left"):
            journal.append(packed(B))
    assert len(list(directory.iterdir())) <= 2
    journal.append(packed(B))
    assert recovered(directory) == [A, B]


def test_a_segment_that_cannot_be_made_is_made_later(directory: Path, disk: Disk) -> None:
    journal, _ = open_journal(directory, segment_bytes=1, disk=disk)
    journal.append(packed(A))
    for method, code in (("create", FULL), ("sync_names", BROKEN)):
        disk.fail(method, code)
        with pytest.raises(OSError, match=r"error|No space"):
            journal.append(packed(B))
    journal.append(packed(B))
    assert recovered(directory) == [A, B]


# Segments


def test_a_full_segment_is_retired_and_deleted_when_told_to(directory: Path) -> None:
    journal, _ = open_journal(directory, segment_bytes=1)
    for batch in (A, B, C):
        journal.append(packed(batch))
    assert [path.name for path in journal.retired] == ["00000001.journal", "00000002.journal"]
    journal.drop_retired(1)
    assert [path.name for path in journal.retired] == ["00000002.journal"]
    assert recovered(directory) == [B, C]
    journal.drop_retired(1)
    assert recovered(directory) == [C]


def test_a_segment_takes_batches_until_it_is_full(directory: Path) -> None:
    journal, _ = open_journal(directory, segment_bytes=10_000)
    batch: list[Operation] = [(0, b"key", bytes(3000))]
    for _ in range(5):
        journal.append(packed(batch))
    sizes = [path.stat().st_size for path in sorted(directory.iterdir())]
    assert len(sizes) == 2
    assert sizes[0] >= 10_000


def test_all_segments_are_retired_after_a_recovery(directory: Path) -> None:
    journal, _ = open_journal(directory, segment_bytes=1)
    journal.append(packed(A))
    journal.append(packed(B))
    journal, _ = open_journal(directory)
    assert len(journal.retired) == 2
    journal.append(packed(C))
    assert len(journal.retired) == 2
    journal.drop_retired(2)
    assert recovered(directory) == [C]


def test_numbers_begin_again_when_no_segment_is_left(directory: Path) -> None:
    journal, _ = open_journal(directory)
    journal.append(packed(A))
    journal.close(everything_is_permanent=True)
    journal, _ = open_journal(directory)
    journal.append(packed(B))
    assert [path.name for path in directory.iterdir()] == ["00000001.journal"]
    assert recovered(directory) == [B]


def test_deletions_are_synced_one_after_the_other(directory: Path) -> None:
    # A power failure that undid the deletion of a segment, but not that of the next, would leave a
    # gap: at each deletion, the one before it must have been synced.
    seen = []

    class Watched(Disk):
        def sync_names(self, directory: Path) -> None:
            seen.append(sorted(path.name[:8] for path in directory.glob("*.journal")))
            super().sync_names(directory)

    journal, _ = open_journal(directory, segment_bytes=1, disk=Watched())
    for batch in (A, B, C):
        journal.append(packed(batch))
    seen.clear()
    journal.close(everything_is_permanent=True)
    assert seen == [["00000002", "00000003"], ["00000003"]]


def test_its_size_is_what_a_recovery_would_read(directory: Path) -> None:
    journal, _ = open_journal(directory, segment_bytes=1000)

    def on_disk() -> int:
        return sum(path.stat().st_size for path in directory.iterdir())

    for _ in range(5):
        journal.append(packed(B))
        journal.append(packed(LARGE))
        assert journal.size_bytes() == on_disk()
    journal.drop_retired(2)
    assert journal.size_bytes() == on_disk()
    journal, _ = open_journal(directory)
    assert journal.size_bytes() == on_disk()


# Power failures


def test_a_batch_that_a_killed_process_left_unsynced_is_synced_before_it_is_handed_out(
    directory: Path, disk: Disk
) -> None:
    # It was taken for committed, and lost, or the start stopped at a hole in an older segment, when the
    # power failed after the next batch.
    journal, _ = open_journal(directory, disk=disk)
    journal.append(packed(A))
    disk.fail("sync", KILLED)
    with pytest.raises(Died):
        journal.append(packed(B))
    disk.die()
    journal, batches = open_journal(directory, disk=disk)
    assert batches == [A, B]
    journal.append(packed(C))
    disk.lose_power(random.Random(1))
    assert recovered(directory) == [A, B, C]


def test_an_empty_segment_that_could_not_be_removed_is_not_forgotten(directory: Path) -> None:
    disk = Disk()
    journal, _ = open_journal(directory, segment_bytes=1, disk=disk)
    disk.fail("append", FULL)
    disk.fail("remove", READ_ONLY)
    with pytest.raises(OSError, match="No space left"):
        journal.append(packed(A))
    for batch in (A, B, C):
        journal.append(packed(batch))
    journal.drop_retired(1)
    assert recovered(directory) == [B, C]


def test_a_segment_that_a_killed_process_had_just_made_leaves_no_gap(directory: Path) -> None:
    for seed in range(20):
        disk = Disk()
        folder = directory.with_name(f"{seed}")
        journal, _ = open_journal(folder, segment_bytes=1, disk=disk)
        journal.append(packed(A))
        disk.fail("sync_names", KILLED)
        with pytest.raises(Died):
            journal.append(packed(B))
        disk.die()
        journal, _ = open_journal(folder, segment_bytes=1, disk=disk)
        disk.fail("sync_names", BROKEN)
        with pytest.raises(OSError, match="Input/output error"):
            journal.append(packed(C))
        disk.lose_power(random.Random(seed))
        assert recovered(folder) == [A]


def test_a_deletion_by_a_killed_process_is_synced_before_the_next(directory: Path) -> None:
    # Otherwise a power failure could undo it and not the next: a gap in the numbers, and no start.
    for seed in range(20):
        disk = Disk()
        folder = directory.with_name(f"{seed}")
        journal, _ = open_journal(folder, segment_bytes=1, disk=disk)
        for batch in (A, B, C):
            journal.append(packed(batch))
        journal.drop_retired(1)
        disk.die()
        journal, _ = open_journal(folder, segment_bytes=1, disk=disk)
        journal.drop_retired(1)
        disk.lose_power(random.Random(seed))
        assert recovered(folder) in ([C], [B, C])


#: What happens to a journal; what fails, fails once.
STEPS = st.lists(
    st.sampled_from(
        [*["append"] * 8, *["drop", "kill", "lose power"] * 2, "recover", "short append"]
        + [f"fail {name}" for name in ("append", "sync", "create", "truncate", "remove")]
        + ["fail sync_names", "die append", "die sync", "die sync", "die sync_names"]
    ),
    max_size=40,
)


@given(STEPS, st.sampled_from([1, 200, 10_000]), st.randoms(use_true_random=False))
@settings(max_examples=5000 if PROFILE == "long" else 150)
def test_whatever_fails_a_power_failure_leaves_every_batch_whose_append_returned(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[str],
    segment_bytes: int,
    luck: random.Random,
) -> None:
    directory = tmp_path_factory.mktemp("store") / "journal"
    disk = Disk()
    journal, _ = open_journal(directory, segment_bytes, disk)
    # Numbers of batches: those that must be there, and the last one if its append failed.
    written: list[int] = []
    failed: list[int] = []
    dropped = 0
    for number, step in enumerate([*steps, "lose power"]):
        how, _, method = step.rpartition(" ")
        ending = step
        if step in {"append", "drop"}:
            try:
                if step == "append":
                    failed = [number]
                    journal.append(packed([(0, b"%04d" % number, b"value" * 3)]))
                    written, failed = written + failed, []
                elif journal.retired:
                    held = journal.retired[0].stat().st_size // FRAME_BYTES
                    journal.drop_retired(1)
                    dropped += held
                continue
            except OSError:
                continue
            except Died:
                ending = luck.choice(["kill", "lose power"])
        if how in {"fail", "die", "short"}:
            code = {"fail": luck.choice([FULL, BROKEN]), "die": KILLED, "short": SHORT}[how]
            disk.fail(method, code)
        else:
            disk.failures.clear()
            if ending == "lose power":
                disk.lose_power(luck)
            elif ending == "kill":
                disk.die()
            if ending != "recover":
                journal = Journal(directory, segment_bytes, disk)
            found = [int(key) for ((_, key, _),) in map(unpacked, journal.recover())]
            if failed and found[-1:] == failed:
                written += failed
            failed = []
            # A power failure may undo the removal of segments.
            assert len(found) >= len(written) - dropped
            assert found == written[len(written) - len(found) :]
