"""The history of ``dscache cli``: a file that only its owner can read and that no password gets into.

What holds one is decided by what the server's own logs hide (``dscache.engine.redaction``), and for commands
that only other servers have by name. Within the session every line can be called back.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from prompt_toolkit.history import History

from dscache.cli.hints import Guide
from dscache.engine.redaction import redacted
from dscache.wire.inline import split_inline

#: The environment variable that names another file; /dev/null keeps none.
VARIABLE: Final = "DSCACHE_HISTORY"

_FILE: Final = ".dscache_history"
#: Lines that are read back. A file with twice as many is cut down to them.
_LINES: Final = 1000


def history_path() -> Path:
    """Where the history is kept."""
    return Path(os.environ.get(VARIABLE) or Path.home() / _FILE)


def may_hold_secret(guide: Guide, line: str) -> bool:
    """Whether ``line`` should not be written down: it has a password, or cannot be understood."""
    words = split_inline(line.encode("utf-8", "surrogateescape"))
    if words is None:
        return True
    if words and words[0].isdigit():
        del words[0]  # how often the command is to be run
    if not words:
        return False
    first = words[0].lower()
    if first in (b"migrate", b"sentinel"):
        return any(word.lower() in (b"auth", b"auth2", b"auth-pass") for word in words)
    command = guide.command(words)
    return command is not None and redacted(command, words) != words


class SafeHistory(History):
    """See the module's docstring. One line of the file is one line that was typed."""

    def __init__(self, path: Path, guide: Guide) -> None:
        super().__init__()
        self._path: Final = path
        self._guide: Final = guide

    def load_history_strings(self) -> Iterable[str]:
        """The lines of earlier sessions, the latest first."""
        try:
            with self._path.open(encoding="utf-8", errors="surrogateescape") as file:
                lines = [line.rstrip("\n") for line in file]
        except OSError:
            return []
        if len(lines) > 2 * _LINES:
            self._write("".join(f"{line}\n" for line in lines[-_LINES:]), os.O_TRUNC)
        return lines[: -_LINES - 1 : -1]

    def store_string(self, string: str) -> None:
        """Keep a line for later sessions, unless it holds a secret."""
        if not may_hold_secret(self._guide, string):
            self._write(f"{string}\n", os.O_APPEND)

    def _write(self, text: str, how: int) -> None:
        """A history that cannot be kept (a read-only home) is no reason to stop working."""
        try:
            file = os.open(self._path, os.O_WRONLY | os.O_CREAT | how, 0o600)
        except OSError:
            return
        with os.fdopen(file, "wb") as opened:
            if os.fstat(opened.fileno()).st_mode & 0o077 and self._path.is_file():
                # It was there before, and others could read it.
                os.fchmod(opened.fileno(), 0o600)
            opened.write(text.encode("utf-8", "surrogateescape"))
