"""The libraries for scripts, ``.lua`` files beside this one, put into a Lua runtime.

Redis gives scripts libraries written in C. Ours are written in Lua, where Python functions called from Lua
would have been the alternative. They were measured (the figures stand at the head of each file) and were
clearly quicker at one thing, unpacking MessagePack. What decides:

- A script must not hold a Python object, and a function that hides one costs 1.8 µs a call, not 1.1.
- Under a memory limit an allocation that fails while lupa hands a Python function's result to Lua jumps
  over lupa's frames, and the process hangs (seen with lupa 2.8). What is Lua fails as all Lua does.
- An error must carry the line of the script; Python cannot know it.

``load_libraries`` must run before the sandbox takes ``debug``, ``newproxy``, ``setfenv`` and the like
away. The libraries keep what they need of them where no script can reach it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from lupa.lua51 import LuaRuntime

#: What scripts call them, which is what their files are called.
_NAMES: Final = ("bit", "cjson", "cmsgpack", "struct")


def load_libraries(runtime: LuaRuntime) -> dict[bytes, object]:
    """The tables of all libraries, made anew in ``runtime``, by name. Takes some milliseconds."""
    arguments = run_file(runtime, "arguments")
    return {name.encode(): run_file(runtime, name, arguments) for name in _NAMES}


def run_file(runtime: LuaRuntime, name: str, *arguments: object) -> object:
    """What the ``.lua`` file ``name`` returns, run with ``arguments``."""
    source = Path(__file__).with_name(f"{name}.lua").read_bytes()
    # By how these names begin the libraries know their own frames from a script's.
    returned: object = runtime.execute(source, *arguments, name=f"=dscache/{name}.lua".encode())
    return returned
