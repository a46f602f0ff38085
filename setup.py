"""Builds dscache, its hot path compiled by mypyc. Everything that is plain data is in pyproject.toml.

``DSCACHE_NO_COMPILE=1`` builds the interpreted package, which does the same several times slower.
So does, with a warning, a machine without a working C compiler. That is found out first, with a
program of two lines: when a compiler works and the build fails all the same, the error is ours (a
type error, say) and the build fails. It never turns into a slow server unnoticed.
``dscache.is_compiled()`` tells at run time which of the two one has.

An editable install is always interpreted: compiled modules beside their sources would hide them.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

from setuptools import Distribution, Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py
from setuptools.errors import CompileError, LinkError, PlatformError
from setuptools.modified import newer_group

SOURCE = Path("src/dscache")

# Compiled: what a command passes through on its way. A room that does not exist yet is skipped.
COMPILED_ROOMS = ("wire", "values", "cache", "engine", "commands", "log", "rdb")
COMPILED_MODULES = (
    "clock.py",
    "moving/aof.py",
    "moving/exporting.py",
    "moving/importing.py",
    "moving/json_lines.py",
    "store/batch.py",
    "store/layout.py",
    "store/record.py",
    "server/connection.py",
    "server/outbox.py",
)
# Interpreted, each for its reason:
# - config, errors: they run once, or are raised, or are the seam where a test puts its own;
#   compiled classes can be neither patched nor freely subclassed.
# - the rest of store: it waits for the disk, in I/O threads, and subclasses the engine's classes.
# - the rest of server: asyncio callbacks, once a connection or once a second; coroutines gain nothing.
# - http: the same, and aiohttp's own coroutines around it.
# - files, moving/target: they wait for the disk.
# - embedded: redis-py, which is not compiled, takes most of what a command takes there.
# - moving/output: an interface, as store/base is.
# - moving/source, scanning, following: they wait for a server, and redis-py is not compiled either.
# - lua: a script runs in Lua, and what it calls all the time is written in Lua too.
# - cli: it runs once, and click's decorators want ordinary functions.
# - each __init__.py: re-exports only, and a package must stay a folder that Python can look into.

NO_COMPILE = os.environ.get("DSCACHE_NO_COMPILE", "") not in {"", "0"}

# Only these need the extensions. The others (metadata, sdist, editable_wheel) come before and beside
# them in one `pip install`, and mypyc would run for each.
BUILD_COMMANDS = {"bdist_wheel", "build", "build_ext", "install"}


def modules_to_compile() -> list[str]:
    """The compiled modules' paths, in an order that does not depend on the file system."""
    found = [path for room in COMPILED_ROOMS for path in (SOURCE / room).rglob("*.py")]
    found += [SOURCE / module for module in COMPILED_MODULES if (SOURCE / module).exists()]
    return sorted(str(path) for path in found if path.name != "__init__.py")


def why_no_compiler() -> str | None:
    """Why extension modules cannot be built here; None if they can. Found out by building one."""
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch, "probe.c")
        source.write_text(
            "#include <Python.h>\nint PyInit_probe(void) { return Py_IsInitialized(); }\n"
        )
        probe = build_ext(Distribution({"ext_modules": [Extension("probe", [str(source)])]}))
        probe.build_lib = probe.build_temp = scratch
        try:
            probe.ensure_finalized()
            probe.run()
        except (CompileError, LinkError, PlatformError, OSError) as failure:
            return f"no working C compiler with Python's headers ({failure})"
    return None


def compiled_extensions() -> list[Extension]:
    """The extension modules: for all that modules_to_compile() names, or none and a warning."""
    if not BUILD_COMMANDS.intersection(sys.argv):
        return []
    if NO_COMPILE:
        warn("DSCACHE_NO_COMPILE is set")
        return []
    if reason := why_no_compiler():
        warn(reason)
        return []
    try:
        from mypyc.build import mypycify  # noqa: PLC0415 (absent where there is no wheel of it)
    except ImportError:
        warn("mypy, which brings mypyc, is not installed")
        return []
    # One group: modules call each other natively. One C file per module: for 12,000 lines of Python
    # that compiled in 63 s where a single file took 91 s, on one processor, and ran the same number
    # of instructions per command (callgrind); and it can be done side by side, see BuildExt.
    extensions: list[Extension] = mypycify(
        modules_to_compile(),
        opt_level="3",
        debug_level="0",
        multi_file=True,
        group_name="dscache",
        target_dir="build/mypyc",
    )
    for extension in extensions:
        # mypyc asks for -Werror. A compiler newer than ours must not break somebody's installation.
        # Functions that only the group itself calls need not be found by name: the 77,000 calls between
        # modules are direct, not by way of a table of the linker's (GET of one key, pipeline 64: 2.45
        # million a second without this, 2.61 with). Optimizing at link time gives 3 % fewer instructions
        # more, and nothing that could be measured in seconds.
        # (The list is one list, shared by all; hence not appended to.)
        extension.extra_compile_args = [
            *extension.extra_compile_args,
            "-Wno-error",
            "-fvisibility=hidden",
        ]
        extension.depends = [*extension.depends, __file__]  # for its flags
    return extensions


def warn(reason: str) -> None:
    """Say, so that it is seen in a long build log, that the package will be interpreted."""
    bar = "*" * 78
    print(
        f"{bar}\ndscache: building WITHOUT compilation: {reason}.\n"
        f"The server will work, and be several times slower.\n{bar}",
        file=sys.stderr,
        flush=True,
    )


class BuildPy(build_py):
    """Takes nothing over from an earlier build.

    setuptools adds to ``build/lib*`` and never removes: a deleted module would live on in the wheel.
    """

    def run(self) -> None:
        for old in Path(self.build_lib, "dscache").rglob("*.py"):
            old.unlink()
        super().run()


class BuildExt(build_ext):
    """Compiles C files side by side, and only those that changed.

    setuptools compiles an extension's files one after the other, all or none. mypyc rewrites a C file
    only if its text changed, so an object that is newer than its C file, the headers and this file (its
    flags) is good, as long as the same mypy made it; hence the folder of its own.
    """

    def build_extensions(self) -> None:
        self.build_temp = str(Path(self.build_temp, f"mypy-{version('mypy')}"))
        wanted = {Path(output) for output in self.get_outputs()}
        for old in Path(self.build_lib).rglob("*.so"):
            if old not in wanted:  # of a module that is gone or no longer compiled
                old.unlink()
        compile_serially = self.compiler.compile

        def compile_changed(
            sources: Sequence[str], output_dir: str, depends: Sequence[str], **options: object
        ) -> list[str]:
            def compile_one(source: str) -> str:
                (made,) = self.compiler.object_filenames([source], output_dir=output_dir)
                if newer_group([source, *depends], made):
                    compile_serially([source], output_dir=output_dir, **options)
                return str(made)

            with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
                return list(pool.map(compile_one, sources))

        self.compiler.compile = compile_changed
        super().build_extensions()


setup(
    ext_modules=compiled_extensions(),
    cmdclass={"build_ext": BuildExt, "build_py": BuildPy},
)
