"""A disk that fails when it is told to, and that forgets what was not synced."""

from __future__ import annotations

import errno
import os
import random
from pathlib import Path

from dscache.files import Files

#: What a full disk says, a broken one, and one that the system lets nobody write to any more.
FULL = errno.ENOSPC
BROKEN = errno.EIO
READ_ONLY = errno.EROFS
#: No error: a write that takes half of what it was given.
SHORT = 0
#: The process dies there: the call raises ``Died``.
KILLED = -1

_BLOCK_BYTES = 16


class Died(BaseException):
    """There is nobody any more whom an error could be told."""


class _Kept:
    """What a power failure leaves of a file: ``synced``, except for what is ``doubtful`` in it (a sync of
    those ranges has failed, so no later one writes them), and any blocks of what follows, as it is now or
    was in one of the ``versions`` before a truncation that has not been synced."""

    def __init__(self, synced: bytes = b"") -> None:
        self.synced = synced
        self.doubtful: list[tuple[int, int]] = []
        self.versions: list[bytes] = []

    def end_doubt(self, begin: int) -> None:
        """What is behind ``begin`` has been cut off or written again."""
        self.doubtful = [(low, min(high, begin)) for low, high in self.doubtful if low < begin]

    def survives(self, data: bytes, luck: random.Random) -> bytes:
        """What is there after a power failure that met with the file as ``data``."""
        data = luck.choice([data, *self.versions])
        synced = len(self.synced)
        size = luck.randint(synced, len(data)) if luck.random() < 0.8 else len(data)
        kept = bytearray(size)
        kept[:synced] = self.synced
        # Not more blocks than a test has time for.
        block = max(_BLOCK_BYTES, (size - synced) // 1000)
        for start in range(synced, size, block):
            if luck.random() < 0.5:
                kept[start : start + block] = data[start : start + block]
        for low, high in self.doubtful:
            for start in range(low, min(high, size), block):
                if luck.random() < 0.5:
                    end = min(start + block, high, size)
                    kept[start:end] = bytes(end - start)
        return bytes(kept[:size])


class Disk(Files):
    """Real files, of which it knows how much has been synced, and which of their names.

    ``failures`` are the errors that the next calls meet with, by method. An append that fails has
    written half.
    """

    def __init__(self) -> None:
        self.failures: dict[str, list[int]] = {}
        self.syncs = 0
        self._open: dict[int, Path] = {}
        self._kept: dict[Path, _Kept] = {}
        # What was made and removed since its directory was synced.
        self._unnamed: set[Path] = set()
        self._removed: dict[Path, tuple[_Kept, bytes]] = {}

    def fail(self, method: str, *codes: int) -> None:
        """Let the next calls of ``method`` fail with these errors, one after the other."""
        self.failures.setdefault(method, []).extend(codes)

    def _meet(self, method: str) -> bool:
        """Whether the call is one that does half of it."""
        codes = self.failures.get(method)
        if not codes:
            return False
        code = codes.pop(0)
        if code == SHORT:
            return True
        if code == KILLED:
            raise Died
        raise OSError(code, os.strerror(code))

    def _know(self, path: Path) -> None:
        """A file that was there before this disk: it has been for long."""
        if path not in self._kept:
            self._kept[path] = _Kept(path.read_bytes())

    def create(self, path: Path) -> int:
        self._meet("create")
        self._kept[path] = _Kept()
        self._unnamed.add(path)
        file = super().create(path)
        self._open[file] = path
        return file

    def open(self, path: Path) -> int:
        self._meet("open")
        file = super().open(path)
        self._open[file] = path
        self._know(path)
        return file

    def append(self, file: int, pieces: list[memoryview]) -> int:
        data = memoryview(b"".join(pieces))
        half = data[: (len(data) + 1) // 2]
        try:
            is_short = self._meet("append")
        except BaseException:
            super().append(file, [half])
            raise
        return super().append(file, [half if is_short else data])

    def append_and_sync(self, file: int, pieces: list[memoryview]) -> int:
        written = self.append(file, pieces)
        self.sync(file)
        return written

    def truncate(self, file: int, size: int) -> None:
        self._meet("truncate")
        path = self._open[file]
        kept = self._kept[path]
        data = path.read_bytes()
        super().truncate(file, size)
        if size < len(data):
            kept.versions.append(data)
            kept.synced = kept.synced[:size]
            kept.end_doubt(size)

    def sync(self, file: int) -> None:
        self.syncs += 1
        path = self._open[file]
        kept = self._kept[path]
        data = path.read_bytes()
        try:
            self._meet("sync")
        except OSError:
            kept.doubtful.append((len(kept.synced), len(data)))
            raise
        kept.synced = data
        kept.versions = []

    def write_again(self, file: int, begin: int) -> None:
        self._meet("append")
        super().write_again(file, begin)
        self._kept[self._open[file]].end_doubt(begin)

    def close(self, file: int) -> None:
        self._open.pop(file, None)
        super().close(file)

    def remove(self, path: Path) -> None:
        self._meet("remove")
        if path.exists():
            self._know(path)
            self._removed[path] = (self._kept.pop(path), path.read_bytes())
            self._unnamed.discard(path)
        super().remove(path)

    def sync_names(self, directory: Path) -> None:
        self._meet("sync_names")
        self._unnamed = {path for path in self._unnamed if path.parent != directory}
        self._removed = {
            path: gone for path, gone in self._removed.items() if path.parent != directory
        }

    def die(self) -> None:
        """The process is killed: what it has written is in the system's memory."""
        for file in list(self._open):
            self.close(file)

    def lose_power(self, luck: random.Random) -> None:
        """What was synced is there; of the rest, any blocks, and any size that reaches over them. What was
        made or removed may be there or not, if its directory was not synced afterwards."""
        self.die()
        for path, kept in self._kept.items():
            data = path.read_bytes()
            if path in self._unnamed and luck.random() < 0.5:
                path.unlink()
            else:
                path.write_bytes(kept.survives(data, luck))
        for path, (kept, data) in self._removed.items():
            if not path.exists() and luck.random() < 0.5:
                path.write_bytes(kept.survives(data, luck))
        there = [*self._kept, *self._removed]
        self._kept = {path: _Kept(path.read_bytes()) for path in there if path.exists()}
        self._unnamed = set()
        self._removed = {}
