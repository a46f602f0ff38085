"""``struct`` for scripts: C structures, as the library of that name in Redis 7.4 does it.

Lua against Python for four fields: packing 6 µs. A prepared ``struct.Struct`` behind a crossing took 1.4 µs,
but the formats are not Python's: they would have to be read and checked at each call first.
"""

from __future__ import annotations

from lupa.lua51 import LuaRuntime

from dscache.lua.library import load


def install(runtime: LuaRuntime) -> object:
    """The library's table, to be made the global ``struct``."""
    return load(runtime, "struct")
