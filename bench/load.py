"""The load generator as scenarios see it: `Load`s, each in its own process, started together.

Processes are spawned, not forked: a worker must not inherit the parent's sockets, and its memory
must not be the parent's. They get ready (keys drawn, connections open, first batches built) before
the common start, so nothing of that is in the measured time.
"""

import multiprocessing
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection as Pipe
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import Final

from bench.requests import KEY_DIGITS
from bench.worker import Load, Result, ServerError, work
from bench.zipf import Sequential

__all__ = ["Load", "Result", "ServerError", "populate", "run", "run_one"]

_WATCH_S: Final = 0.05
_END_S: Final = 5.0
_LOAD_PIPELINE: Final = 50


def run(loads: Sequence[Load], watch: Callable[[], None] | None = None) -> list[Result]:
    """Carry out the loads at the same time; their results in the same order.

    ``watch`` is called about every 50 ms meanwhile. Raises `ServerError` if any worker failed.
    """
    context = multiprocessing.get_context("spawn")
    workers: list[tuple[BaseProcess, Pipe]] = []
    try:
        for load in loads:
            ours, theirs = context.Pipe()
            process = context.Process(target=work, args=(load, theirs), daemon=True)
            process.start()
            theirs.close()
            workers.append((process, ours))
        for _, pipe in workers:
            _check(pipe.recv())
        for _, pipe in workers:
            pipe.send("go")
        return _collect([pipe for _, pipe in workers], watch)
    except EOFError as error:
        raise ServerError("a load worker died") from error
    finally:
        for worker, pipe in workers:
            pipe.close()
            worker.join(_END_S)
            if worker.is_alive():
                worker.kill()
                worker.join()


def _collect(pipes: list[Pipe], watch: Callable[[], None] | None) -> list[Result]:
    results: dict[Pipe, Result] = {}
    while len(results) < len(pipes):
        for pipe in wait([pipe for pipe in pipes if pipe not in results], _WATCH_S):
            assert isinstance(pipe, Pipe), "only pipes were waited for"
            results[pipe] = _check_result(pipe.recv())
        if watch is not None:
            watch()
    return [results[pipe] for pipe in pipes]


def _check(message: object) -> object:
    if isinstance(message, ServerError):
        raise message
    return message


def _check_result(message: object) -> Result:
    result = _check(message)
    assert isinstance(result, Result), "a worker ends with a result or an error"
    return result


def run_one(load: Load, watch: Callable[[], None] | None = None) -> Result:
    """`run` with a single load."""
    return run([load], watch)[0]


def populate(
    port: int, count: int, value_size: int, watch: Callable[[], None] | None = None
) -> Result:
    """Write keys 0 to ``count - 1``, in order, through one connection, pipelined by 50."""
    assert value_size >= KEY_DIGITS
    return run_one(
        Load(
            port=port,
            keys=Sequential(0, count),
            value_size=value_size,
            pipeline=_LOAD_PIPELINE,
            write_share=1.0,
        ),
        watch,
    )
