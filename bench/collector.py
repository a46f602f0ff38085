"""What the cyclic collector takes, told by a server that loads this file (``--load``): GC.PAUSES."""

import gc
import time

from dscache.extension import Database, Extension

extension = Extension("collector")

# When the one that is under way began, in processor time of this thread: what others do meanwhile, and other
# processes, is not the collector's.
_started = [0.0]
# The seconds of each since they were asked for last.
_pauses: list[float] = []


def _note(phase: str, info: dict[str, int]) -> None:
    if phase == "start":
        _started[:] = [time.thread_time()]
    else:
        _pauses.append(time.thread_time() - _started[0])


@extension.command("GC.PAUSES", writes=False)
def pauses(db: Database, keys: list[bytes], args: list[bytes]) -> object:
    """How many collections there were since the last call, and the longest and all of them in µs."""
    told = f"{len(_pauses)} {max(_pauses, default=0.0) * 1e6:.0f} {sum(_pauses) * 1e6:.0f}"
    _pauses.clear()
    return told.encode()


gc.callbacks.append(_note)
