"""The journal: what is committed comes back whole and in order, whatever happened to the process."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dscache.errors import StoreDamagedError
from dscache.store.journal import Journal, Operation

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


def open_journal(directory: Path, segment_bytes: int = SEGMENT_BYTES) -> tuple[Journal, Batches]:
    """A journal as a start of the store opens it, and what it recovered."""
    journal = Journal(directory, segment_bytes)
    return journal, list(journal.recover())


def recovered(directory: Path) -> Batches:
    """What a start would find now."""
    return open_journal(directory)[1]


def written(directory: Path, *batches: list[Operation]) -> Path:
    """A journal of these batches, whose process then died; the path of its segment."""
    journal, _ = open_journal(directory)
    for batch in batches:
        journal.append(batch)
    return directory / "00000001.journal"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "journal"


class OperatingSystem:
    """``os`` as the journal sees it, with calls that a test replaces."""

    def __init__(self, **replaced: Callable[..., object]) -> None:
        self.replaced = replaced

    def __getattr__(self, name: str) -> object:
        return self.replaced.get(name) or getattr(os, name)


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> OperatingSystem:
    """Lets a test make calls of the operating system fail."""
    system = OperatingSystem()
    monkeypatch.setattr("dscache.store.journal.os", system)
    return system


def full_disk(*_: object) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


def broken_disk(*_: object) -> None:
    raise OSError(errno.EIO, "Input/output error")


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
    journal.append(A)
    journal.close(everything_is_permanent=False)
    assert recovered(directory) == [A]


def test_nothing_is_left_after_a_close_with_everything_permanent(directory: Path) -> None:
    journal, _ = open_journal(directory, segment_bytes=1)
    for batch in (A, B, C):
        journal.append(batch)
    journal.close(everything_is_permanent=True)
    assert list(directory.iterdir()) == []
    assert recovered(directory) == []


def test_a_journal_goes_on_after_each_recovery(directory: Path) -> None:
    expected: Batches = []
    for batch in (A, B, C, LARGE):
        journal, batches = open_journal(directory)
        assert batches == expected
        journal.append(batch)
        expected.append(batch)
    assert recovered(directory) == expected


def test_a_journal_in_use_can_be_recovered_from(directory: Path) -> None:
    # The store does this when RocksDB has lost its memtables.
    journal, _ = open_journal(directory)
    journal.append(A)
    journal.append(B)
    assert list(journal.recover()) == [A, B]
    journal.append(C)
    assert list(journal.recover()) == [A, B, C]
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
    journal.append(C)
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
    journal = Journal(directory, SEGMENT_BYTES)
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
    batches = Journal(directory, SEGMENT_BYTES).recover()
    with pytest.raises(StoreDamagedError, match=f"damaged at byte {size} of"):
        next(batches)


def test_an_older_segment_must_be_whole(directory: Path) -> None:
    journal, _ = open_journal(directory, segment_bytes=1)
    journal.append(A)
    journal.append(B)
    older = directory / "00000001.journal"
    os.truncate(older, older.stat().st_size - 1)
    with pytest.raises(StoreDamagedError, match=f"{older}: damaged at byte 0 of"):
        recovered(directory)


def test_a_missing_segment_is_damage(directory: Path) -> None:
    journal, _ = open_journal(directory, segment_bytes=1)
    for batch in (A, B, C):
        journal.append(batch)
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
        journal.append(batch)
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


def test_a_batch_that_cannot_be_written_never_happened(
    directory: Path, system: OperatingSystem
) -> None:
    journal, _ = open_journal(directory)
    journal.append(A)
    system.replaced = {"writev": full_disk}
    with pytest.raises(OSError, match="No space left"):
        journal.append(B)
    assert recovered(directory) == [A]
    system.replaced = {}
    journal.append(C)
    assert recovered(directory) == [A, C]


@pytest.mark.parametrize("allowed_bytes", [1, 10, 1000, 300_000, 700_000, 1_100_000])
def test_a_batch_that_is_written_in_part_never_happened(
    directory: Path, system: OperatingSystem, allowed_bytes: int
) -> None:
    left = allowed_bytes

    def writev(file: int, pieces: list[memoryview]) -> int:
        nonlocal left
        if left == 0:
            full_disk()
        some = b"".join(pieces)[: min(left, 5000)]
        left -= len(some)
        return os.write(file, some)

    journal, _ = open_journal(directory)
    journal.append(A)
    system.replaced = {"writev": writev}
    with pytest.raises(OSError, match="No space left"):
        journal.append(LARGE)
    assert recovered(directory) == [A]
    left = 10**9
    journal.append(LARGE)
    assert recovered(directory) == [A, LARGE]


@pytest.mark.parametrize("before", [[], [A]])
def test_a_batch_whose_sync_failed_never_happened(
    directory: Path, system: OperatingSystem, before: Batches
) -> None:
    journal, _ = open_journal(directory)
    for batch in before:
        journal.append(batch)
    system.replaced = {"fdatasync": broken_disk}
    with pytest.raises(OSError, match="Input/output error"):
        journal.append(B)
    assert recovered(directory) == before
    system.replaced = {}
    journal.append(C)
    assert recovered(directory) == [*before, C]


def test_a_failed_batch_that_cannot_be_cut_off_is_cut_off_before_the_next(
    directory: Path, system: OperatingSystem
) -> None:
    journal, _ = open_journal(directory)
    journal.append(A)
    system.replaced = {"fdatasync": broken_disk, "ftruncate": broken_disk}
    with pytest.raises(OSError, match="Input/output error"):
        journal.append(B)
    with pytest.raises(OSError, match="Input/output error"):
        journal.append(B)
    system.replaced = {}
    journal.append(C)
    assert recovered(directory) == [A, C]


def test_a_failed_batch_is_cut_off_by_a_close(directory: Path, system: OperatingSystem) -> None:
    journal, _ = open_journal(directory)
    journal.append(A)
    system.replaced = {"fdatasync": broken_disk, "ftruncate": broken_disk}
    with pytest.raises(OSError, match="Input/output error"):
        journal.append(B)
    system.replaced = {}
    journal.close(everything_is_permanent=False)
    assert recovered(directory) == [A]


def test_tries_on_a_full_disk_leave_no_files_behind(
    directory: Path, system: OperatingSystem
) -> None:
    journal, _ = open_journal(directory)
    journal.append(A)
    system.replaced = {"writev": full_disk}
    for _ in range(20):
        with pytest.raises(OSError, match="No space left"):
            journal.append(B)
    assert len(list(directory.iterdir())) <= 2
    system.replaced = {}
    journal.append(B)
    assert recovered(directory) == [A, B]


def test_a_segment_that_cannot_be_made_is_made_later(
    directory: Path, system: OperatingSystem
) -> None:
    journal, _ = open_journal(directory, segment_bytes=1)
    journal.append(A)
    for broken in ({"open": full_disk}, {"fsync": broken_disk}):
        system.replaced = dict(broken)
        with pytest.raises(OSError, match=r"error|No space"):
            journal.append(B)
    system.replaced = {}
    journal.append(B)
    assert recovered(directory) == [A, B]


# Segments


def test_a_full_segment_is_retired_and_deleted_when_told_to(directory: Path) -> None:
    journal, _ = open_journal(directory, segment_bytes=1)
    for batch in (A, B, C):
        journal.append(batch)
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
        journal.append(batch)
    sizes = [path.stat().st_size for path in sorted(directory.iterdir())]
    assert len(sizes) == 2
    assert sizes[0] >= 10_000


def test_all_segments_are_retired_after_a_recovery(directory: Path) -> None:
    journal, _ = open_journal(directory, segment_bytes=1)
    journal.append(A)
    journal.append(B)
    journal, _ = open_journal(directory)
    assert len(journal.retired) == 2
    journal.append(C)
    assert len(journal.retired) == 2
    journal.drop_retired(2)
    assert recovered(directory) == [C]


def test_numbers_begin_again_when_no_segment_is_left(directory: Path) -> None:
    journal, _ = open_journal(directory)
    journal.append(A)
    journal.close(everything_is_permanent=True)
    journal, _ = open_journal(directory)
    journal.append(B)
    assert [path.name for path in directory.iterdir()] == ["00000001.journal"]
    assert recovered(directory) == [B]


def test_deletions_are_synced_one_after_the_other(directory: Path, system: OperatingSystem) -> None:
    # A power failure that undid the deletion of a segment, but not that of the next, would leave a
    # gap: at each deletion, the one before it must have been synced.
    journal, _ = open_journal(directory, segment_bytes=1)
    for batch in (A, B, C):
        journal.append(batch)
    seen = []

    def fsync(file: int) -> None:
        seen.append(sorted(path.name[:8] for path in directory.iterdir()))
        os.fsync(file)

    system.replaced = {"fsync": fsync}
    journal.close(everything_is_permanent=True)
    assert seen == [["00000002", "00000003"], ["00000003"]]


def test_its_size_is_what_a_recovery_would_read(directory: Path) -> None:
    journal, _ = open_journal(directory, segment_bytes=1000)

    def on_disk() -> int:
        return sum(path.stat().st_size for path in directory.iterdir())

    for _ in range(5):
        journal.append(B)
        journal.append(LARGE)
        assert journal.size_bytes() == on_disk()
    journal.drop_retired(2)
    assert journal.size_bytes() == on_disk()
    journal, _ = open_journal(directory)
    assert journal.size_bytes() == on_disk()
