"""A server that belongs to a program ends with it. (``tests/embedded/test_server.py`` kills the program.)"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from dscache.server.lifeline import VARIABLE
from serving import DEADLINE_SECONDS, free_port


def test_a_server_whose_program_is_gone_before_it_is_ready_ends_well(tmp_path: Path) -> None:
    words = ["serve", "--dir", str(tmp_path), "--port", str(free_port())]
    done = subprocess.run(
        [sys.executable, "-m", "dscache", *words],
        input="",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, VARIABLE: "0"},
        timeout=DEADLINE_SECONDS,
        check=False,
        text=True,
    )
    assert done.returncode == 0
    assert "the program that has started the server is gone" in done.stdout
    assert "bye" in done.stdout
