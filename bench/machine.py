"""Facts about the machine and the software, without which a figure means nothing."""

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Final

from bench import peers

_PACKAGES: Final = ("dscache", "uvloop", "rocksdict", "msgpack", "xxhash")


def facts(directory: Path) -> dict[str, str]:
    """Machine, versions, and the file system under ``directory``."""
    found = {
        "cpu": _first_value(Path("/proc/cpuinfo"), "model name"),
        "cores": str(os.cpu_count()),
        "memory": _first_value(Path("/proc/meminfo"), "MemTotal"),
        "load average": "{:.2f} {:.2f} {:.2f}".format(*os.getloadavg()),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "file system": _file_system(directory),
    }
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    for kind in peers.Kind:
        found[f"{kind} server"] = peers.version(kind) if peers.is_present(kind) else "absent"
    return found


def _first_value(path: Path, name: str) -> str:
    for line in path.read_text().splitlines():
        key, _, rest = line.partition(":")
        if key.strip() == name:
            return rest.strip()
    return "unknown"


def _file_system(directory: Path) -> str:
    done = subprocess.run(
        ["df", "--output=fstype,source", str(directory)],
        capture_output=True,
        check=False,
        text=True,
        timeout=10,
    )
    return " ".join(done.stdout.splitlines()[-1].split()) if done.returncode == 0 else "unknown"
