"""``bit`` for scripts: 32-bit operations, as Lua BitOp 1.0.2 does them in Redis 7.4.

Lua against Python: ``band`` 0.70 against 0.68 µs a call, and 1.3 µs where a function hides the Python object;
``lshift`` 0.37 µs. (Redis, in C: 0.06 µs.)
"""

from __future__ import annotations

from lupa.lua51 import LuaRuntime

from dscache.lua.library import load


def install(runtime: LuaRuntime) -> object:
    """The library's table, to be made the global ``bit``."""
    return load(runtime, "bit")
