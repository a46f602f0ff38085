"""The server's log: one line per event, to a file or to standard output."""

from __future__ import annotations

import logging
import os
import sys

from dscache.config.levels import LEVELS, NOTICE, VERBOSE
from dscache.errors import ConfigError


def set_up_log(level: str, path: str) -> logging.Logger:
    """The logger ``dscache``, writing to ``path``, or to standard output if that is empty.

    Raises ConfigError if the file cannot be opened.
    """
    log = logging.getLogger("dscache")
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
    handler.setFormatter(
        logging.Formatter(
            f"%(asctime)s.%(msecs)03d [{os.getpid()}] %(levelname)s %(message)s",
            "%Y-%m-%d %H:%M:%S",
        )
    )
    log.handlers[:] = [handler]
    log.setLevel(LEVELS[level])
    log.propagate = False
    return log
