"""Health: whether the server is alive, and whether it can do its work now. For load balancers and the like.

Whoever asks need not log in, so the answers name no more than the reason. Alive is what answers at all,
because commands run in the thread that answers. The port is opened when the redo log has been replayed;
before that nobody answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dscache.engine.engine import Engine


def why_not_ready(engine: Engine) -> str:
    """Why clients should go elsewhere; empty if they need not."""
    if engine.shutting_down:
        return "shutting down"
    if engine.pacer.is_hopeless():
        return "writes are refused: the disk does not take them"
    return ""
