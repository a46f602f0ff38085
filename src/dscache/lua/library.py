"""Puts a library for scripts, the ``.lua`` file of its name beside this one, into a Lua runtime.

Redis gives scripts libraries written in C. Ours are written in Lua, where Python functions called from Lua
would have been the alternative. They were measured (the figures stand in the module of each library) and
were clearly quicker at one of them, unpacking MessagePack. What decides:

- A script must not hold a Python object, and a function that hides one costs 1.8 µs a call, not 1.1.
- Under a memory limit an allocation that fails while lupa hands a Python function's result to Lua jumps
  over lupa's frames, and the process hangs (seen with lupa 2.8). What is Lua fails as all Lua does.
- An error must carry the line of the script; Python cannot know it.

``load`` must run before the sandbox takes ``debug``, ``newproxy``, ``setfenv`` and the like away. The
libraries keep what they need of them where no script can reach it.
"""

from __future__ import annotations

from pathlib import Path

from lupa.lua51 import LuaRuntime


def load(runtime: LuaRuntime, name: str) -> object:
    """The table of the library ``name``, made anew in ``runtime``. Takes about a millisecond."""
    return run_file(runtime, name, run_file(runtime, "arguments"))


def run_file(runtime: LuaRuntime, name: str, *arguments: object) -> object:
    """What the ``.lua`` file ``name`` returns, run with ``arguments``."""
    source = Path(__file__).with_name(f"{name}.lua").read_bytes()
    # By how these names begin the libraries know their own frames from a script's.
    returned: object = runtime.execute(source, *arguments, name=f"=dscache/{name}.lua".encode())
    return returned
