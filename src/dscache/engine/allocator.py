"""The allocators below the interpreter: what they hold, and making them give free memory back.

Objects of up to 512 bytes live in the arenas of CPython's pymalloc, which it returns to the system by
itself when they are empty; larger ones, and RocksDB's memory, come from the C library, which keeps what
was freed until ``malloc_trim`` is called. Whoever needs memory from it waits meanwhile (10 ms when 90 MB are
given back), so this is for operators, for a process that is larger than it should be
(``dscache.engine.memory``) and for one at rest (``dscache.engine.resting``), not for every tick.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Final

_LINES: Final = (
    ("arena", "bytes that the C library got from the system for its heap"),
    ("hblks", "blocks that it mapped one by one"),
    ("hblkhd", "bytes of those"),
    ("uordblks", "bytes of the heap in use"),
    ("fordblks", "bytes of the heap that are free"),
    ("keepcost", "bytes at its end that could be given back"),
)


#: ``struct mallinfo2`` of the GNU C library: ten numbers, of which ``_LINES`` are told.
_FIELDS: Final = (
    "arena",
    "ordblks",
    "smblks",
    "hblks",
    "hblkhd",
    "usmblks",
    "fsmblks",
    "uordblks",
    "fordblks",
    "keepcost",
)


def release_free_memory() -> bool:
    """Let the C library give back what it can; whether it gave anything."""
    library = ctypes.CDLL(None)
    trim = getattr(library, "malloc_trim", None)
    return bool(trim(0)) if trim is not None else False


def allocator_statistics() -> str:
    """The state of pymalloc and of the C library's heap, a line for each figure."""
    lines = [f"pymalloc_blocks:{sys.getallocatedblocks()} (blocks of up to 512 bytes in use)"]
    info = getattr(ctypes.CDLL(None), "mallinfo2", None)
    if info is None:
        lines.append("The C library of this system says nothing about its heap.")
    else:
        # Not a class statement: this module is compiled, and ctypes reads the fields as it makes one.
        info.restype = type(
            "mallinfo2",
            (ctypes.Structure,),
            {"_fields_": [(name, ctypes.c_size_t) for name in _FIELDS]},
        )
        state = info()
        lines.extend(f"malloc_{name}:{getattr(state, name)} ({doc})" for name, doc in _LINES)
    return "\n".join(lines) + "\n"
