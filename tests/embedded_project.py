"""A project of somebody else, who tests with the plugin for pytest."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import dscache
from serving import DEADLINE_SECONDS

# Where dscache is not installed but on the path, nobody tells pytest of the plugin.
_PLUGIN = [] if entry_points(group="pytest11", name="dscache") else ["-p", "dscache.pytest_plugin"]


def run_project(directory: Path, *arguments: str, **files: str) -> str:
    """What pytest says of a project of these ``files``; all of its tests must pass."""
    for name, text in files.items():
        (directory / f"{name}.py").write_text(text)
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *_PLUGIN, *arguments]
    run = subprocess.run(
        words,
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(Path(dscache.__file__).parents[1])},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )
    assert run.returncode == 0, run.stdout
    return run.stdout
