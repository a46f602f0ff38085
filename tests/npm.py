"""Packages from npm, for tests of what programs in JavaScript do. Where there is no npm, or it gets nothing,
these tests are skipped."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


def npm(folder: Path, *words: str) -> str:
    """What ``npm words`` prints, run in ``folder``."""
    program = shutil.which("npm")
    if program is None:
        pytest.skip("npm is not installed")
    done = subprocess.run(
        [program, *words, "--silent", "--prefer-offline"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode != 0:
        pytest.skip(f"npm {' '.join(words)} fails: {done.stderr.strip()[-200:]}")
    return done.stdout.strip()
