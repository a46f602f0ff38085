"""The server's log: one line per event, to a file or to standard output, as text or as JSON.

A line of JSON is an object: ``time`` (RFC 3339, UTC), ``level``, ``pid``, ``message``, and ``exception``
with the traceback if there is one, all of which is in that one line.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from datetime import UTC, datetime
from typing import Final

from dscache.config.levels import LEVELS, NOTICE, VERBOSE
from dscache.errors import ConfigError

_LOG: Final = logging.getLogger("dscache")


class JsonFormatter(logging.Formatter):
    """A record as a line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        fields: dict[str, str | int] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "pid": os.getpid(),
            "message": record.getMessage(),
        }
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps(fields)


def set_up_log(level: str, path: str, form: str) -> logging.Logger:
    """The logger ``dscache``, writing to ``path``, or to standard output if that is empty.

    Raises ConfigError if the file cannot be opened.
    """
    logging.addLevelName(VERBOSE, "VERBOSE")
    logging.addLevelName(NOTICE, "NOTICE")
    handler: logging.Handler
    if path:
        try:
            handler = logging.FileHandler(path)
        except OSError as error:
            raise ConfigError(f"logfile {path} cannot be written: {error.strerror}") from error
    else:
        handler = logging.StreamHandler(sys.stdout)
    _LOG.handlers[:] = [handler]
    set_format(form)
    _LOG.setLevel(LEVELS[level])
    _LOG.propagate = False
    return _LOG


def set_format(form: str) -> None:
    """The directive log-format: ``text`` or ``json``."""
    formatter: logging.Formatter
    if form == "json":
        formatter = JsonFormatter()
    else:
        formatter = logging.Formatter(
            f"%(asctime)s.%(msecs)03d [{os.getpid()}] %(levelname)s %(message)s",
            "%Y-%m-%d %H:%M:%S",
        )
    for handler in _LOG.handlers:
        handler.setFormatter(formatter)
