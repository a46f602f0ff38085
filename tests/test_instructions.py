"""What a command costs does not grow unnoticed: instructions repeat where times do not."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

import dscache
from bench.instructions import recorded

pytestmark = pytest.mark.slow


@pytest.mark.skipif(not dscache.is_compiled(), reason="the counts are of the compiled package")
@pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind counts them")
@pytest.mark.skipif(recorded() is None, reason="nothing is recorded for this Python")
def test_no_command_takes_a_tenth_more_instructions_than_is_recorded() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.instructions", "--check"],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}\n(make instructions ARGS=--record)"
