"""RocksDB as a store: crashes, full disks, locks, formats, and what it costs in memory and in time.

The promises that every engine makes are in ``test_contract.py``.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random

import pytest

from batches import batch_with, operations_of
from dscache.errors import StoreDamagedError, StoreError, StoreFormatError, StoreLockedError
from dscache.store.base import DATA, META, PAYLOADS
from dscache.store.batch import Batch, Operation
from dscache.store.database import Database, Stalled
from dscache.store.rocksdb import RocksStore
from serving import until

BUDGET_BYTES = 2 * 1024 * 1024
EVERYTHING = (b"", b"\xff" * 30)
NO_LIMIT = 1_000_000_000


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "data"


def open_store(directory: Path, budget_bytes: int = BUDGET_BYTES) -> RocksStore:
    return RocksStore(directory, budget_bytes)


def commit(store: RocksStore, batch: Batch) -> None:
    """Commit a copy: the store takes what is in a batch, and tests look at it afterwards."""
    store.commit(batch_with(operations_of(batch)))


def batch_of(**pairs: bytes) -> Batch:
    batch = Batch()
    for key, value in pairs.items():
        batch.put(DATA, key.encode(), value)
    return batch


def numbered_batch(first: int, count: int, value_bytes: int = 300) -> Batch:
    """Records ``first`` and following, with values that do not compress."""
    batch = Batch()
    random = Random(first)
    for number in range(first, first + count):
        batch.put(DATA, b"%08d" % number, random.randbytes(value_bytes))
    return batch


def holds(store: RocksStore, batch: Batch) -> bool:
    """Whether everything that the batch stored is there."""
    operations = operations_of(batch)
    assert operations
    values = store.read_many(DATA, [key for _, key, _ in operations])
    return values == [value for _, _, value in operations]


def all_of(store: RocksStore) -> dict[bytes, bytes]:
    return dict(store.scan(DATA, *EVERYTHING, NO_LIMIT, NO_LIMIT))


# Opening and closing


def test_what_was_committed_is_there_after_a_close(directory: Path) -> None:
    store = open_store(directory)
    commit(store, batch_of(a=b"1", b=b"2"))
    store.close()
    assert list((directory / "journal").iterdir()) == []
    store = open_store(directory)
    assert all_of(store) == {b"a": b"1", b"b": b"2"}
    store.close()


def test_a_store_that_rests_writes_out_its_memtables_and_empties_the_journal(
    directory: Path,
) -> None:
    store = open_store(directory, 64 << 20)
    commit(store, numbered_batch(0, 100))
    assert store.rest()
    assert list((directory / "journal").iterdir()) != [], "that little is not worth a table"
    commit(store, numbered_batch(100, 30_000))
    deadline = time.monotonic() + 10
    while not store.rest():
        assert time.monotonic() < deadline
    assert list((directory / "journal").iterdir()) == []
    assert store.rest()
    late = numbered_batch(30_100, 10)
    commit(store, late)
    assert holds(store, numbered_batch(0, 100))
    assert holds(store, numbered_batch(100, 30_000))
    store.close()
    store = open_store(directory)
    assert holds(store, late)
    store.close()


def test_closing_twice_is_closing_once(directory: Path) -> None:
    store = open_store(directory)
    store.close()
    store.close()
    open_store(directory).close()


def test_a_closed_store_says_so(directory: Path) -> None:
    store = open_store(directory)
    commit(store, batch_of(a=b"1"))
    snapshot = store.snapshot()
    store.close()
    with pytest.raises(StoreError, match="the store is closed"):
        store.read_many(DATA, [b"a"])
    with pytest.raises(StoreError, match="the store is closed"):
        store.scan(DATA, *EVERYTHING, 1, 1)
    with pytest.raises(StoreError, match="snapshot was lost"):
        snapshot.scan(DATA, *EVERYTHING, 1, 1)
    store.memory_bytes()
    store.disk_bytes()


def test_a_snapshot_nobody_closed_does_not_keep_the_directory(directory: Path) -> None:
    store = open_store(directory)
    commit(store, batch_of(a=b"1"))
    snapshot = store.snapshot()
    assert snapshot.scan(DATA, *EVERYTHING, 9, 9) == [(b"a", b"1")]
    store.close()
    store = open_store(directory)
    assert all_of(store) == {b"a": b"1"}
    store.close()


# The lock

HOLDER = """
import sys
from pathlib import Path
from dscache.store.rocksdb import RocksStore
store = RocksStore(Path(sys.argv[1]), 0)
print("open", flush=True)
sys.stdin.read()
"""


def test_a_second_store_is_refused_and_told_who_has_the_first(directory: Path) -> None:
    store = open_store(directory)
    with pytest.raises(StoreLockedError, match=rf"in use .*\(process {os.getpid()}\)"):
        open_store(directory)
    # The refusal does no harm.
    commit(store, batch_of(a=b"1"))
    assert all_of(store) == {b"a": b"1"}
    store.close()
    open_store(directory).close()


def test_another_process_is_kept_out_until_it_may_come_in(directory: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"open\n"
        with pytest.raises(StoreLockedError, match=rf"\(process {holder.pid}\)"):
            open_store(directory)
        holder.kill()
    # A killed process leaves no lock behind.
    open_store(directory).close()


# Formats and directories


@pytest.mark.parametrize(
    ("mark", "complaint"),
    [
        ("dscache 2\n", r"newer dscache \(store format 2; this program knows 1\)"),
        ("dscache 10\n", "newer dscache"),
        ("", "is empty; it should say: dscache 1"),
        ("dscache\n", "does not say which dscache format"),
        ("dscache x\n", "does not say which dscache format"),
        ("other 1\n", "does not say which dscache format"),
        ("\xff\xfe", "does not say which dscache format"),
    ],
)
def test_a_directory_of_another_format_is_refused(
    directory: Path, mark: str, complaint: str
) -> None:
    store = open_store(directory)
    commit(store, batch_of(a=b"1"))
    store.close()
    own = (directory / "FORMAT").read_bytes()
    (directory / "FORMAT").write_bytes(mark.encode("latin-1"))
    with pytest.raises(StoreFormatError, match=complaint):
        open_store(directory)
    # Nothing was changed, and the directory is not held.
    (directory / "FORMAT").write_bytes(own)
    store = open_store(directory)
    assert all_of(store) == {b"a": b"1"}
    store.close()


@pytest.mark.parametrize("place", ["rocksdb/CURRENT", "CURRENT"])
def test_the_database_of_another_program_is_refused(directory: Path, place: str) -> None:
    current = directory / place
    current.parent.mkdir(parents=True)
    current.write_bytes(b"MANIFEST-000005\n")
    with pytest.raises(StoreFormatError, match="a RocksDB that is not dscache's"):
        open_store(directory)
    assert current.read_bytes() == b"MANIFEST-000005\n"


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match=r"file/data cannot be used .*: Not a directory"):
        open_store(tmp_path / "file" / "data")
    with pytest.raises(StoreError, match=r"file cannot be used .*: it is a file; name a directory"):
        open_store(tmp_path / "file")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_cannot_be_written_to_is_named(directory: Path) -> None:
    directory.mkdir(mode=0o500)
    with pytest.raises(StoreError, match=r"cannot be used .*: Permission denied"):
        open_store(directory)


def test_a_damaged_journal_is_an_error_and_changes_nothing(directory: Path) -> None:
    crash(directory, batch_of(a=b"1"), batch_of(b=b"2"))
    segment = directory / "journal" / "00000001.journal"
    good = segment.read_bytes()
    segment.write_bytes(good[:25] + b"?" + good[26:])
    with pytest.raises(StoreDamagedError, match="damaged at byte 0"):
        open_store(directory)
    segment.write_bytes(good)
    store = open_store(directory)
    assert all_of(store) == {b"a": b"1", b"b": b"2"}
    store.close()


# Crashes


CRASHER = """
import os, pickle, signal, sys
from pathlib import Path
from batches import batch_with
from dscache.store.rocksdb import RocksStore
store = RocksStore(Path(sys.argv[1]), 0)
for operations in pickle.load(sys.stdin.buffer):
    store.commit(batch_with(operations))
os.kill(os.getpid(), signal.SIGKILL)
"""


def crash(directory: Path, *batches: Batch) -> None:
    """Commit these in a process that dies without a chance to clean up."""
    # Not a fork: RocksDB's threads would be missing in it.
    done = subprocess.run(
        [sys.executable, "-c", CRASHER, str(directory)],
        input=pickle.dumps([operations_of(batch) for batch in batches]),
        check=False,
        cwd=Path(__file__).parent.parent,
    )
    assert done.returncode == -signal.SIGKILL


COMMITTER = """
import sys
from pathlib import Path
from dscache.store.base import DATA, META
from dscache.store.batch import Batch
from dscache.store.rocksdb import RocksStore
store = RocksStore(Path(sys.argv[1]), 0)
number = int((store.read_many(META, [b"last"])[0] or b"0"))
while True:
    number += 1
    batch = Batch()
    for key in range(500):
        batch.put(DATA, b"%d" % key, b"%d." % number * 60)
    batch.put(META, b"last", b"%d" % number)
    store.commit(batch)
    print(number, flush=True)
"""


@pytest.mark.slow
def test_a_killed_process_leaves_whole_batches_and_all_that_it_acknowledged(
    directory: Path,
) -> None:
    random = Random(1)
    acknowledged = 0
    for _ in range(4):
        with subprocess.Popen(
            [sys.executable, "-c", COMMITTER, str(directory)], stdout=subprocess.PIPE
        ) as committer:
            assert committer.stdout is not None
            for _ in range(random.randrange(5, 40)):
                acknowledged = int(committer.stdout.readline())
            # Somewhere in one of the next batches.
            time.sleep(random.uniform(0, 0.01))
            committer.kill()
            for line in committer.stdout:
                acknowledged = int(line)
        store = open_store(directory)
        last = int(store.read_many(META, [b"last"])[0] or b"0")
        assert last in (acknowledged, acknowledged + 1)
        values = set(store.read_many(DATA, [b"%d" % key for key in range(500)]))
        assert values == {b"%d." % last * 60}
        store.close()
        acknowledged = last


def test_a_crash_before_anything_was_written_out_loses_nothing(directory: Path) -> None:
    deletion = Batch()
    deletion.delete_range(DATA, b"b", b"c")
    deletion.delete(DATA, b"c")
    crash(directory, batch_of(a=b"1", b=b"1", c=b"1"), batch_of(a=b"2"), deletion)
    store = open_store(directory)
    assert all_of(store) == {b"a": b"2"}
    store.close()


@pytest.mark.slow
def test_a_crash_after_segments_were_dropped_loses_nothing(directory: Path) -> None:
    batches = [numbered_batch(first, 1000) for first in range(0, 20_000, 1000)]
    crash(directory, *batches)
    assert not (directory / "journal" / "00000001.journal").exists()
    store = open_store(directory)
    assert all(holds(store, batch) for batch in batches)
    store.close()


@pytest.mark.slow
def test_the_journal_stays_short_under_constant_load(directory: Path) -> None:
    store = open_store(directory)
    longest = 0
    for first in range(0, 60_000, 1000):
        commit(store, numbered_batch(first, 1000))
        longest = max(longest, len(list((directory / "journal").iterdir())))
    store.close()
    assert longest <= 20


# Large payloads


def payloads_of(names: Iterable[int], random: Random) -> Batch:
    """Payloads of 20 kB that do not compress."""
    batch = Batch()
    for name in names:
        batch.put(PAYLOADS, b"%08d" % name, random.randbytes(20_000))
    return batch


def test_large_payloads_are_written_once(directory: Path) -> None:
    store = open_store(directory)
    random = Random(1)
    for first in range(0, 1000, 10):
        commit(store, payloads_of(range(first, first + 10), random))
    blobs = sum(file.stat().st_size for file in directory.rglob("*.blob"))
    tables = sum(file.stat().st_size for file in directory.rglob("*.sst"))
    journal = sum(file.stat().st_size for file in directory.rglob("*.journal"))
    assert 20e6 - journal < blobs < 21e6
    assert tables < 1e6
    assert store.disk_bytes() > 20e6
    store.close()


@pytest.mark.slow
def test_what_overwritten_payloads_leave_behind_is_collected(directory: Path) -> None:
    store = open_store(directory)
    random = Random(1)
    latest: dict[bytes, bytes | None] = {}
    most_bytes = 0
    for _ in range(200):
        batch = payloads_of(random.sample(range(200), 20), random)
        commit(store, batch)
        latest |= {key: value for _, key, value in operations_of(batch)}
        most_bytes = max(most_bytes, store.disk_bytes())
    # 80 MB have been written to 4 MB of payloads.
    assert most_bytes < 24e6
    store.close()
    store = open_store(directory)
    assert store.read_many(PAYLOADS, list(latest)) == list(latest.values())
    store.close()


# When RocksDB fails


class Trouble:
    """Takes RocksDB's files away, so that what it writes next fails, and brings them back.

    A disk that fails, for tests that are not root. Files that RocksDB has open can still be read.
    """

    def __init__(self, directory: Path) -> None:
        self._files = directory / "rocksdb"
        self._hidden = directory / "hidden"

    def begin(self) -> None:
        self._files.rename(self._hidden)

    def end(self) -> None:
        self._hidden.rename(self._files)


def commit_until_it_fails(
    store: RocksStore, first: int, value_bytes: int = 300
) -> tuple[list[Batch], Batch]:
    """(the batches that were committed, the one that was not)."""
    committed: list[Batch] = []
    while True:
        batch = numbered_batch(first, 500, value_bytes)
        first += 500
        try:
            commit(store, batch)
        except StoreError:
            return committed, batch
        committed.append(batch)


class BrokenStore:
    """A store whose disk has failed: what it has committed, and the batch that it could not."""

    def __init__(self, directory: Path) -> None:
        self.store = open_store(directory)
        before = numbered_batch(0, 2000)
        commit(self.store, before)
        self.trouble = Trouble(directory)
        self.trouble.begin()
        committed, self.failed = commit_until_it_fails(self.store, 2000)
        self.committed = [before, *committed]

    def holds_what_was_committed(self) -> bool:
        return all(holds(self.store, batch) for batch in self.committed)


@pytest.fixture
def broken(directory: Path) -> Iterator[BrokenStore]:
    """A store whose disk has failed."""
    broken = BrokenStore(directory)
    yield broken
    try:
        broken.store.close()
    except StoreError:
        pass  # the test left it broken


def test_after_a_disk_error_reads_go_on_and_commits_fail(broken: BrokenStore) -> None:
    assert broken.holds_what_was_committed()
    size_bytes = broken.store.disk_bytes()
    for _ in range(5):
        with pytest.raises(StoreError, match="RocksDB cannot write"):
            commit(broken.store, numbered_batch(90_000, 500))
    with pytest.raises(StoreError, match="RocksDB cannot write"):
        broken.store.catch_up()
    # Tries do not make the journal longer, and do not close what can be read.
    assert broken.store.disk_bytes() == size_bytes
    assert broken.holds_what_was_committed()


def test_when_the_disk_works_again_so_do_commits(broken: BrokenStore, directory: Path) -> None:
    broken.trouble.end()
    commit(broken.store, broken.failed)
    later = numbered_batch(90_000, 5000)
    commit(broken.store, later)
    assert broken.holds_what_was_committed()
    assert holds(broken.store, later)
    broken.store.close()
    assert list((directory / "journal").iterdir()) == []
    store = open_store(directory)
    assert all(holds(store, batch) for batch in [*broken.committed, broken.failed, later])
    store.close()


def test_catching_up_shows_what_a_restart_would_find(broken: BrokenStore) -> None:
    # The failed batch had reached the journal. What prepares the next commit must see it.
    broken.trouble.end()
    broken.store.catch_up()
    assert broken.holds_what_was_committed()
    assert holds(broken.store, broken.failed)


def test_a_restart_after_a_disk_error_loses_nothing(broken: BrokenStore, directory: Path) -> None:
    with pytest.raises(StoreError, match="cannot write out its buffers"):
        broken.store.close()
    broken.trouble.end()
    store = open_store(directory)
    assert all(holds(store, batch) for batch in broken.committed)
    commit(store, broken.failed)
    store.close()


def test_files_that_are_gone_are_not_replaced_by_an_empty_database(
    broken: BrokenStore, directory: Path
) -> None:
    with pytest.raises(StoreError, match="rocksdb is gone"):
        broken.store.catch_up()
    assert not (directory / "rocksdb").exists()


def test_snapshots_and_readers_survive_the_recovery_or_say_that_they_did_not(
    broken: BrokenStore,
) -> None:
    store = broken.store
    snapshot = store.snapshot()
    keys = [key for key, _ in snapshot.scan(DATA, *EVERYTHING, 1000, NO_LIMIT)]
    expected = store.read_many(DATA, keys)
    done = threading.Event()
    wrong: list[object] = []

    def read() -> None:
        while not done.is_set():
            try:
                if store.read_many(DATA, keys) != expected:
                    wrong.append("a committed value is not there")
                found = store.scan(DATA, keys[0], keys[-1] + b"\0", len(keys), NO_LIMIT)
                if [value for _, value in found] != expected:
                    wrong.append("a scan misses committed values")
            except StoreError as error:
                wrong.append(error)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    broken.trouble.end()
    commit(store, broken.failed)
    done.set()
    for reader in readers:
        reader.join()
    assert wrong == []
    with pytest.raises(StoreError, match="snapshot was lost"):
        snapshot.scan(DATA, *EVERYTHING, 1, 1)
    assert store.snapshot().scan(DATA, *EVERYTHING, 1, 1) != []


def test_a_batch_that_rocksdb_was_too_slow_to_take_is_applied_before_the_next(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(directory)
    commit(store, batch_of(a=b"1"))
    slices = 0
    write = Database._write

    def stalling(self: Database, operations: tuple[Operation, ...]) -> None:
        nonlocal slices
        slices += 1
        if slices > 3:
            raise Stalled("RocksDB cannot write: its compaction does not keep up with the disk")
        write(self, operations)

    monkeypatch.setattr(Database, "_write", stalling)
    late = numbered_batch(0, 1000)
    for _ in range(2):
        with pytest.raises(StoreError, match="does not keep up"):
            commit(store, late)
    journal_bytes = sum(path.stat().st_size for path in (directory / "journal").iterdir())
    assert journal_bytes < 2 * late.size_bytes
    monkeypatch.undo()
    store.catch_up()
    assert holds(store, late)
    commit(store, batch_of(a=b"2"))
    assert store.read_many(DATA, [b"a"]) == [b"2"]
    store.close()


def test_a_batch_that_was_applied_in_part_is_whole_after_a_close(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(directory)
    write = Database._write
    slices = 0

    def stalling(self: Database, operations: tuple[Operation, ...]) -> None:
        nonlocal slices
        slices += 1
        if slices > 3:
            raise Stalled("RocksDB cannot write: its compaction does not keep up with the disk")
        write(self, operations)

    monkeypatch.setattr(Database, "_write", stalling)
    late = numbered_batch(0, 1000)
    with pytest.raises(StoreError, match="does not keep up"):
        commit(store, late)
    with pytest.raises(StoreError, match="cannot write out its buffers"):
        store.close()
    monkeypatch.undo()
    store = open_store(directory)
    assert holds(store, late)
    store.close()


def test_a_compaction_that_does_not_come_holds_up_neither_readers_nor_a_shutdown(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # After a compaction has failed on a full disk RocksDB compacts no more. (With its own stalls, that
    # hung a server for good: tests/server/test_bad_days.py.) Here compaction waits for many tables.
    store = open_store(directory)
    assert store._database is not None
    for column in store._database.columns:
        column.set_options({"level0_file_num_compaction_trigger": "1000"})
    monkeypatch.setattr("dscache.store.database._STALL_TRIES", 3)
    monkeypatch.setattr("dscache.store.database._MAX_FULL_MEMTABLES", 1000)
    committed, failed = commit_until_it_fails(store, 0, value_bytes=3000)
    with pytest.raises(StoreError, match="does not keep up"):
        store.catch_up()
    assert all(holds(store, batch) for batch in committed)
    with pytest.raises(StoreError, match="does not keep up"):
        store.close()
    monkeypatch.undo()
    store = open_store(directory)
    assert all(holds(store, batch) for batch in [*committed, failed])
    store.close()


# A full disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 40 MB, if this process may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(disk)]
    try:
        done = subprocess.run(mount, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount")
    if done.returncode != 0:
        pytest.skip("mounting a file system needs root")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("ballast_bytes", [20 * 1024 * 1024, 30 * 1024 * 1024])
def test_a_full_disk_fails_commits_and_loses_nothing(small_disk: Path, ballast_bytes: int) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(ballast_bytes))
    store = open_store(small_disk / "data", 8 * 1024 * 1024)
    committed, failed = commit_until_it_fails(store, 0)
    assert committed
    for _ in range(3):
        with pytest.raises(StoreError, match="No space left on device"):
            commit(store, failed)
    assert all(holds(store, batch) for batch in committed)
    ballast.unlink()
    commit(store, failed)
    assert all(holds(store, batch) for batch in [*committed, failed])
    store.close()
    store = open_store(small_disk / "data")
    assert all(holds(store, batch) for batch in [*committed, failed])
    commit(store, batch_of(a=b"1"))
    store.close()


def test_a_disk_where_the_journal_fills_up_first_fails_commits_and_loses_nothing(
    small_disk: Path,
) -> None:
    store = open_store(small_disk / "data", 8 * 1024 * 1024)
    commit(store, batch_of(a=b"1"))
    ballast = small_disk / "ballast"
    with ballast.open("wb") as file:
        left = os.statvfs(small_disk)
        file.write(bytes(left.f_bavail * left.f_frsize - 64 * 1024))
    for _ in range(10):
        with pytest.raises(StoreError, match="the journal cannot be written: No space left"):
            commit(store, numbered_batch(0, 500))
    assert len(list((small_disk / "data" / "journal").iterdir())) <= 2
    assert all_of(store) == {b"a": b"1"}
    ballast.unlink()
    commit(store, batch_of(b=b"2"))
    store.close()
    store = open_store(small_disk / "data")
    assert all_of(store) == {b"a": b"1", b"b": b"2"}
    store.close()


def test_a_store_that_cannot_open_on_a_full_disk_opens_when_there_is_room(
    small_disk: Path,
) -> None:
    store = open_store(small_disk / "data")
    commit(store, batch_of(a=b"1"))
    store.close()
    ballast = small_disk / "ballast"
    with ballast.open("wb") as file:
        left = os.statvfs(small_disk)
        file.write(bytes(left.f_bavail * left.f_frsize))
    with pytest.raises(StoreError, match="No space left on device"):
        open_store(small_disk / "data")
    ballast.unlink()
    store = open_store(small_disk / "data")
    assert all_of(store) == {b"a": b"1"}
    store.close()


# Memory and time


@pytest.mark.slow
def test_memory_stays_near_its_budget_however_much_is_written_and_read(directory: Path) -> None:
    budget_bytes = 8 * 1024 * 1024
    store = open_store(directory, budget_bytes)
    most = 0
    batches = []
    for first in range(0, 300_000, 5000):
        batch = numbered_batch(first, 5000, value_bytes=333)
        commit(store, batch)
        batches.append([key for _, key, _ in operations_of(batch)])
        store.read_many(DATA, Random(first).choice(batches)[:1000])
        most = max(most, store.memory_bytes())
    assert store.counters()[1] > 100_000_000
    assert most < budget_bytes * 1.25
    store.set_memory_budget(BUDGET_BYTES)
    commit(store, numbered_batch(0, 5000))
    store.read_many(DATA, batches[-1])
    # RocksDB writes large memtables out in a thread of its own.
    until(lambda: store.memory_bytes() < BUDGET_BYTES * 1.5, "it has given memory back")
    store.close()


@pytest.mark.slow
def test_a_large_commit_does_not_keep_the_interpreter_to_itself(directory: Path) -> None:
    # A single write of these records keeps the GIL for 130 ms and more. Other processes may disturb
    # the measurement, but hardly three times.
    store = open_store(directory, 64 * 1024 * 1024)
    longest_gaps = []
    for attempt in range(3):
        batch = numbered_batch(attempt * 50_000, 50_000)
        done = threading.Event()

        def work(batch: Batch = batch, done: threading.Event = done) -> None:
            try:
                commit(store, batch)
            finally:
                done.set()

        committer = threading.Thread(target=work)
        longest = 0.0
        committer.start()
        last = time.perf_counter()
        while not done.is_set():
            time.sleep(0.0005)
            now = time.perf_counter()
            longest = max(longest, now - last)
            last = now
        committer.join()
        assert holds(store, batch)
        longest_gaps.append(longest)
        if longest < 0.05:
            break
    store.close()
    assert min(longest_gaps) < 0.05
