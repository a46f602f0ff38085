"""How much memory this process may use: the machine's, or less if a container says so.

A server that sizes itself by the machine inside a small container is killed by the kernel. So the
answer is the smallest of MemTotal and the limits of the control group that the process is in and of
all groups above it, in the unified hierarchy (``memory.max``) and in the older one
(``memory.limit_in_bytes``). Inside a container the path that ``/proc/self/cgroup`` names is often
not visible; the group's own limit then stands at the mount's root, which is among the paths tried.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_MEM_TOTAL: Final = re.compile(r"^MemTotal:\s+(\d+) kB", re.MULTILINE)


def available_memory_bytes(root: Path = Path("/")) -> int:
    """Return the memory that this process may use; ``root`` is where /proc and /sys are found."""
    return min([_machine_memory_bytes(root), *_control_group_limits(root)])


def _machine_memory_bytes(root: Path) -> int:
    total = _MEM_TOTAL.search(_text(root / "proc/meminfo"))
    if total is not None:
        return int(total[1]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _control_group_limits(root: Path) -> Iterator[int]:
    mount = root / "sys/fs/cgroup"
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, group = line.split(":", 2)
        if controllers == "":
            yield from _limits_down_to(mount, group, "memory.max")
        elif "memory" in controllers.split(","):
            yield from _limits_down_to(mount / "memory", group, "memory.limit_in_bytes")


def _limits_down_to(mount: Path, group: str, file_name: str) -> Iterator[int]:
    parts = [part for part in group.split("/") if part]
    for depth in range(len(parts) + 1):
        limit = _text(mount.joinpath(*parts[:depth], file_name)).strip()
        if limit.isdigit():  # "max" and a missing file both mean: no limit here
            yield int(limit)


def _text(path: Path) -> str:
    """Return the file's text, or nothing: which of these files exist depends on the system."""
    try:
        return path.read_text()
    except OSError:
        return ""
