"""Pages that are run: their blocks of commands, and what they show below them."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from serving import free_port

ROOT: Final = Path(__file__).parents[1]

_BLOCK: Final = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# The pages say 7000 and 7001, where people see at once what is meant. Others may listen there.
_PORT: Final = re.compile(r"\b700[01]\b")

# What a page has started ends with it, also if it went wrong.
_SHELL: Final = "set -e\ntrap 'kill -9 $(jobs -p) 2>/dev/null || true' EXIT\n"


def blocks(text: str, language: str) -> list[str]:
    """What the blocks of ``language`` hold, in their order."""
    return [content for kind, content in _BLOCK.findall(text) if kind == language]


def commands_and_output(text: str) -> list[tuple[str, str]]:
    """Each block of commands (``sh``), with what the page shows below it (``text``)."""
    found: list[tuple[str, str]] = []
    for kind, content in _BLOCK.findall(text):
        if kind == "sh":
            found.append((content, ""))
        elif kind == "text":
            found[-1] = (found[-1][0], content)
    return found


def agrees(shown: str, came: str) -> bool:
    """Whether the output is what the page shows, with anything in place of the dots."""
    return re.fullmatch(".*".join(map(re.escape, shown.split("…"))), came) is not None


def with_free_ports(text: str) -> str:
    """The page with ports that nobody listens on."""
    ports: dict[str, str] = {}
    return _PORT.sub(lambda found: ports.setdefault(found[0], str(free_port())), text)


def run_on_a_terminal(
    script: str, folder: Path, environment: Mapping[str, str]
) -> tuple[str, str, int]:
    """What bash prints of ``script`` where people would see it, its errors, and its exit code."""
    ours, theirs = os.openpty()
    bash = shutil.which("bash")
    assert bash is not None
    with (folder / "errors").open("wb") as errors:
        process = subprocess.Popen(
            [bash, "-c", _SHELL + script],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=errors,
            start_new_session=True,
        )
    os.close(theirs)
    pieces: list[bytes] = []
    try:
        # At its end reading is an error.
        with contextlib.suppress(OSError):
            while piece := os.read(ours, 65536):
                pieces.append(piece)
        code = process.wait()
    finally:
        # The test may have been given up meanwhile; nothing that the page started outlives it.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(ours)
    # The terminal ends lines with it, and so does INFO.
    output = b"".join(pieces).decode().replace("\r", "")
    return output, (folder / "errors").read_text(), code
