"""How loud a line of the log is: the values of ``loglevel``, as levels of Python's logging.

Two of Redis's lie between Python's own: between DEBUG and INFO, and between INFO and WARNING.
"""

from __future__ import annotations

import logging
from typing import Final

VERBOSE: Final = 15
NOTICE: Final = 25
_NOTHING: Final = 100

LEVELS: Final = {
    "debug": logging.DEBUG,
    "verbose": VERBOSE,
    "notice": NOTICE,
    "warning": logging.WARNING,
    "nothing": _NOTHING,
}
