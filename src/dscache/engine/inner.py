"""Commands that run inside another: those of a transaction, and those that a script calls.

What they belong to may have changed something and cannot be started again, so whatever one of them
would wait for is waited for on the spot, blocking everybody, and counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dscache.engine.waiting import Fault, JobFault, KeyFault, KeysFault, SettleFault, Suspension

if TYPE_CHECKING:
    from dscache.engine.command import Command
    from dscache.engine.engine import Engine
    from dscache.engine.session import Session


def run_inner(engine: Engine, session: Session, command: Command, args: list[bytes]) -> object:
    """Call a handler; whatever it would wait for is waited for here.

    Only keys that are not in memory are left to the caller, unless ``core.must_not_fault`` is set.
    """
    wait = Suspension(session, command, args)
    engine.core.wait = wait
    redo = engine.redo
    edits = engine.flusher.edits
    while True:
        try:
            reply = command.handler(session, args)
            if redo.is_on and command.is_noted and engine.flusher.edits != edits:
                redo.note(args, session.keyspace.index)
            return reply
        except JobFault as fault:
            engine.loader.blocking_loads += 1
            wait.results[fault.name] = fault.job()
        except SettleFault as unsettled:
            engine.loader.blocking_loads += 1
            engine.flusher.settle_now(unsettled.space, engine.workers.wait_for)
        except (KeyFault, KeysFault):
            raise
        except Fault as other:
            # Whoever needs a commit needs an instant between two commands, too.
            raise AssertionError(f"{command.name} waits, but lets itself be called") from other
