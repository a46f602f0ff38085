"""Programs in a terminal of their own, as people use them: ``tmux`` types and looks at the screen."""

from __future__ import annotations

import itertools
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import pytest

from serving import until

#: What the fixture ``dscache`` is: words (and ``given``, standard input) in; exit code, output and error
#: output out.
Dscache = Callable[..., tuple[int, str, str]]

needs_tmux = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")

_numbers: Final = itertools.count()


class Terminal:
    """``dscache words`` in a terminal, until the end of the ``with`` block."""

    def __init__(
        self,
        directory: Path,
        words: Sequence[str],
        columns: int = 80,
        rows: int = 24,
        **variables: str,
    ) -> None:
        # A tmux server of its own for each: one that has been told to end may still answer.
        self._socket: Final = str(directory / f"tmux{next(_numbers)}")
        self._environment: Final = {**os.environ, "TERM": "screen-256color", **variables}
        for inherited in ("TMUX", "COLUMNS", "LINES"):
            self._environment.pop(inherited, None)
        # The shell outlives the program, so that its last words can be read. (tmux's own way, remain-on-exit,
        # sometimes forgets the exit code.)
        program = shlex.join([sys.executable, "-m", "dscache", *words])
        self._command: Final = f"trap : INT; {program}; echo exit code $?.; exec cat"
        self._size: Final = ["-x", str(columns), "-y", str(rows)]

    def _tmux(self, *words: str) -> str:
        done = subprocess.run(
            ["tmux", "-S", self._socket, "-f", "/dev/null", *words],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        return done.stdout

    def __enter__(self) -> Self:
        self._tmux("new-session", "-d", *self._size, "sh", "-c", self._command)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._tmux("kill-server")

    def type(self, text: str) -> None:
        """Type characters."""
        self._tmux("send-keys", "-l", text)

    def press(self, *keys: str) -> None:
        """Press keys by their names in tmux: Enter, Tab, Up, C-c."""
        self._tmux("send-keys", *keys)

    def resize(self, columns: int, rows: int) -> None:
        """Make the window another size."""
        self._tmux("resize-window", "-x", str(columns), "-y", str(rows))

    def screen(self) -> str:
        """What is on the screen."""
        return self._tmux("capture-pane", "-p")

    def shows(self, *texts: str) -> str:
        """Wait until the screen has all of ``texts``; what it shows then."""
        seen = ""

        def has_all() -> bool:
            nonlocal seen
            seen = self.screen()
            return all(text in seen for text in texts)

        try:
            until(has_all, f"the screen shows {texts}", 30)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{seen}") from None
        return seen

    def ends(self) -> int:
        """Wait until the program ends; its exit code."""
        found = re.search(r"exit code (\d+)\.", self.shows("exit code "))
        assert found is not None, self.screen()
        return int(found[1])
