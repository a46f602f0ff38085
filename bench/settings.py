"""What the command line decides, and the directories that scenarios work in."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.peers import Durability, Kind


@dataclass(frozen=True, slots=True)
class Settings:
    quick: bool
    """Small sizes: is it alive and roughly right, in a minute or so per scenario."""
    runs: int
    """How often alternating measurements are repeated."""
    subject: Kind
    """The server whose promises are tested. Another than dscache validates the benchmark itself."""
    durability: Durability
    directory: Path
    """Where data directories are made; it should be on the disk that matters."""

    @contextlib.contextmanager
    def workplace(self) -> Iterator[Path]:
        """A new empty directory, removed afterwards."""
        path = Path(tempfile.mkdtemp(prefix="dscache-bench-", dir=self.directory))
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)
