"""A control group that bounds the memory of one process, page cache included. Needs root, and Linux."""

import contextlib
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Final

# Version 1 has a tree for each resource, version 2 one for all; each with its name of the bound.
_TREES: Final = (
    (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
    (Path("/sys/fs/cgroup"), "memory.max"),
)


def why_not() -> str:
    """Why a server cannot be bounded here and have the rest on swap; empty if it can."""
    if len(Path("/proc/swaps").read_text().splitlines()) < 2:
        return "no swap on this machine"
    try:
        with bounded(1 << 30):
            return ""
    except OSError as error:
        return f"no control group: {error.strerror}"


@contextlib.contextmanager
def bounded(memory_bytes: int) -> Iterator[Path]:
    """A group with room for so much; it must be empty at the end. Raises OSError."""
    tree, bound = next((one for one in _TREES if one[0].is_dir()), _TREES[-1])
    group = tree / f"dscache-bench-{uuid.uuid4().hex}"
    group.mkdir()
    try:
        (group / bound).write_text(f"{memory_bytes}\n")
        yield group
    finally:
        group.rmdir()
