"""The tutorial does what it says: its blocks are run, in order, and compared with what it shows."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "tutorial.md"

_BLOCK = re.compile(r"^```(sh|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_END = "-- end of a block --"


def _blocks(text: str) -> list[tuple[str, str]]:
    """Each block of commands, with what the page shows below it."""
    found: list[tuple[str, str]] = []
    for kind, content in _BLOCK.findall(text):
        if kind == "sh":
            found.append((content, ""))
        else:
            found[-1] = (found[-1][0], content)
    return found


def _agrees(shown: str, came: str) -> bool:
    """Whether the output is what the page shows, with anything in place of the dots."""
    return re.fullmatch(".*".join(map(re.escape, shown.split("…"))), came) is not None


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.skipif(not PAGE.exists(), reason="the pages are not here")
def test_the_tutorial_does_what_it_says(tmp_path: Path) -> None:
    blocks = _blocks(PAGE.read_text("utf-8"))
    assert len(blocks) > 5
    (tmp_path / "bin").mkdir()
    for name, words in (("dscache", "-m dscache "), ("python3", "")):
        program = tmp_path / "bin" / name
        program.write_text(f'#!/bin/sh\nexec {sys.executable} {words}"$@"\n')
        program.chmod(0o755)
    script = (
        "set -e\nexport PATH=$PWD/bin:$PATH\ntrap 'kill -9 $(jobs -p) 2>/dev/null || true' EXIT\n"
    )
    script += "".join(f"{commands}\necho '{_END}'\n" for commands, _ in blocks)
    output, code = _on_a_terminal(script, tmp_path)
    came = output.split(f"{_END}\n")
    for (commands, shown), part in zip(blocks, came, strict=False):
        assert _agrees(shown, part), f"{commands}\n{part}"
    assert code == 0, output
    assert len(came) == len(blocks) + 1


def _on_a_terminal(script: str, folder: Path) -> tuple[str, int]:
    """What ``script`` prints where people would see it, and its exit code."""
    ours, theirs = os.openpty()
    bash = shutil.which("bash")
    assert bash is not None
    with (folder / "errors").open("wb") as errors:
        process = subprocess.Popen(
            [bash, "-c", script],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=errors,
        )
    os.close(theirs)
    pieces: list[bytes] = []
    # At its end reading is an error.
    with contextlib.suppress(OSError):
        while piece := os.read(ours, 65536):
            pieces.append(piece)
    os.close(ours)
    output = b"".join(pieces).decode().replace("\r\n", "\n")
    return output, process.wait()
