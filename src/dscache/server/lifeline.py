"""A server that belongs to a program ends with it, however that ends.

The program (``dscache.Server``) holds one end of a pipe, and the server the other. The kernel closes the
program's end when it dies; a program that is killed can tell nobody itself. PR_SET_PDEATHSIG would take no
pipe, but it is about the *thread* that has started the child, which may end long before its program.

The environment says which descriptor it is, and is left without that, as with what systemd gives
(``dscache.server.systemd``). Without a program there is nothing there, and nothing happens.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, MutableMapping
from typing import TYPE_CHECKING, Final

from dscache.config.levels import NOTICE

if TYPE_CHECKING:
    # Not for the program, which needs but the variable's name.
    import asyncio

log: Final = logging.getLogger("dscache")

#: The variable with the number of the descriptor.
VARIABLE: Final = "DSCACHE_LIFELINE"


def watch_lifeline(
    environment: MutableMapping[str, str],
    loop: asyncio.AbstractEventLoop,
    on_end: Callable[[], None],
) -> None:
    """Have ``on_end`` called in ``loop`` when the program is gone; at once if it is already."""
    text = environment.pop(VARIABLE, "")
    if text.isdecimal():
        descriptor = int(text)
        loop.add_reader(descriptor, _look, loop, descriptor, on_end)


def _look(loop: asyncio.AbstractEventLoop, descriptor: int, on_end: Callable[[], None]) -> None:
    if os.read(descriptor, 1):
        return  # nothing is ever written to it; it would be no end
    loop.remove_reader(descriptor)
    log.log(NOTICE, "the program that has started the server is gone: shutting down")
    on_end()
