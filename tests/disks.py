"""A disk that fails when it is told to, and that forgets what was not synced."""

from __future__ import annotations

import errno
import os
import random
from pathlib import Path

from dscache.log.files import Files


class Disk(Files):
    """Real files, of which it knows how much has been synced.

    ``failures`` are the errors that the next calls meet with, by method. An append that fails has
    written half.
    """

    def __init__(self) -> None:
        self.failures: dict[str, list[int]] = {}
        self._paths: dict[int, Path] = {}
        self._synced: dict[Path, bytes] = {}
        self.syncs = 0

    def fail(self, method: str, *codes: int) -> None:
        """Let the next calls of ``method`` fail with these errors, one after the other."""
        self.failures.setdefault(method, []).extend(codes)

    def _meet(self, method: str) -> None:
        codes = self.failures.get(method)
        if codes:
            code = codes.pop(0)
            raise OSError(code, os.strerror(code))

    def create(self, path: Path) -> int:
        self._meet("create")
        file = super().create(path)
        self._paths[file] = path
        self._synced[path] = b""
        return file

    def append(self, file: int, data: memoryview) -> int:
        try:
            self._meet("append")
        except OSError:
            super().append(file, data[: len(data) // 2])
            raise
        return super().append(file, data)

    def truncate(self, file: int, size: int) -> None:
        self._meet("truncate")
        super().truncate(file, size)
        path = self._paths[file]
        self._synced[path] = self._synced[path][:size]

    def sync(self, file: int) -> None:
        self.syncs += 1
        self._meet("sync")
        path = self._paths[file]
        self._synced[path] = path.read_bytes()

    def remove(self, path: Path) -> None:
        self._meet("remove")
        super().remove(path)
        self._synced.pop(path, None)

    def lose_power(self, luck: random.Random) -> None:
        """What was synced is there; of the rest, any blocks, and any size that reaches over them."""
        for path, synced in self._synced.items():
            data = path.read_bytes()
            size = luck.randint(len(synced), len(data)) if luck.random() < 0.8 else len(data)
            kept = bytearray(size)
            kept[: len(synced)] = synced
            for start in range(len(synced), size, 16):
                if luck.random() < 0.5:
                    kept[start : start + 16] = data[start : start + 16]
            path.write_bytes(bytes(kept[:size]))


#: What a full disk says, and a broken one.
FULL = errno.ENOSPC
BROKEN = errno.EIO
