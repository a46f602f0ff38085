"""The sandbox: a Lua state that runs scripts and knows nothing of what they are for.

Scripts can compute, and call what the ``Host`` offers; there is no file, no process, no package, no
Python. What they share is read-only, so one leaves nothing behind for the next. Their memory is
bounded, and the host is asked at short intervals whether a script may go on.

lupa's own limits: a Lua number is a double, so integers beyond 2**53 lose digits, as in Redis.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol, cast

from lupa.lua51 import LuaError, LuaRuntime

from dscache.errors import DscacheError
from dscache.lua.convert import Converter, weight
from dscache.lua.library import load_libraries, run_file


class Host(Protocol):
    """What a script can reach beyond Lua. Called while it runs, in the same thread.

    None of these may raise: what is wrong is their result.
    """

    def dispatch(self, args: tuple[object, ...]) -> object:
        """redis.call and redis.pcall: the reply as a handler returns it, or an ErrorReply."""

    def check_command(self, args: tuple[object, ...]) -> object:
        """redis.acl_check_cmd: a bool, or an ErrorReply."""

    def log(self, level: int, text: bytes) -> None:
        """redis.log."""

    def tick(self) -> bytes | None:
        """Called every few thousand instructions; the error that ends the script, or None."""


class CompileError(DscacheError):
    """A script is not Lua."""


class ScriptError(Exception):
    """A script has failed: the error's text (code first), and where it was raised, if that is known."""

    def __init__(self, text: bytes, source: bytes, line: int) -> None:
        super().__init__()
        self.text: Final = text
        self.source: Final = source
        self.line: Final = line


#: What a script is told that needs more memory than all scripts may.
_NO_MEMORY: Final = b"ERR Scripts take too much memory. SCRIPT FLUSH forgets those that are kept."

#: Memory beyond the bound in which a failing allocation is Lua's own affair. Within a Python function
#: it would be fatal, hence the margin: none that a script calls begins beyond the bound.
_MARGIN_BYTES: Final = 1 << 30
_LARGEST_REPLY_BYTES: Final = _MARGIN_BYTES // 2
_TOO_LARGE: Final = b"ERR The reply is too large for a script: more than 512mb."

# Collections in a row at most: the buffer that strings are joined in halves at each.
_COLLECTIONS: Final = 6


class Sandbox:
    """See the module's docstring. Only one thread may use it.

    ``version`` is that of the Redis that scripts may count on; ``memory_bytes`` the bound for all of them.
    """

    def __init__(
        self,
        host: Host,
        version: str,
        memory_bytes: int,
        sha1hex: Callable[[bytes], bytes],
    ) -> None:
        runtime = LuaRuntime(
            encoding=None,
            unpack_returned_tuples=True,
            register_eval=False,
            register_builtins=False,
            attribute_filter=_no_attribute,
            max_memory=memory_bytes + _MARGIN_BYTES,
        )
        self._runtime: Final = runtime
        self._host: Final = host
        self._memory_limit: Final = memory_bytes
        #: RESP version whose types replies have inside the running script.
        self.resp = 2
        # Made beforehand: when they are needed nothing may be allocated.
        self._no_memory: Final = runtime.table_from({b"err": _NO_MEMORY})
        self._too_large: Final = runtime.table_from({b"err": _TOO_LARGE})
        (
            self._compile,
            self._run_script,
            self._load_library,
            self._run_function,
            shape,
            slice_of,
            self._field_of,
            self._collect,
        ) = cast(
            tuple[Callable[..., object], ...],
            run_file(
                runtime,
                "sandbox",
                self._dispatch,
                self._dispatch_many,
                host.log,
                sha1hex,
                self._check_command,
                self._set_protocol,
                self._tick,
                runtime.table_from(load_libraries(runtime)),
                version.encode(),
                _number_of(version),
            ),
        )
        self._environment: Final = runtime.table()
        self._converter: Final = Converter(runtime.table_from, shape, slice_of)

    @property
    def memory_bytes(self) -> int:
        """What the Lua state takes."""
        return int(self._runtime.get_memory_used(total=True) or 0)

    # What scripts call

    def _dispatch(self, *args: object) -> object:
        if self.memory_bytes > self._memory_limit:
            return self._no_memory
        reply = self._host.dispatch(args)
        if type(reply) is not int and weight(reply) > _LARGEST_REPLY_BYTES:
            return self._too_large
        return self._converter.to_lua(reply, self.resp == 3)

    def _dispatch_many(self, table: object, count: int) -> object:
        return self._dispatch(*self._converter.items(table, count))

    def _check_command(self, *args: object) -> object:
        return self._converter.to_lua(self._host.check_command(args), True)

    def _set_protocol(self, version: int) -> None:
        self.resp = version

    def _tick(self) -> bytes | None:
        if self.memory_bytes > self._memory_limit:
            self._collect_to(self._memory_limit)
            if self.memory_bytes > self._memory_limit:
                return _NO_MEMORY
        return self._host.tick()

    def _collect_to(self, most_bytes: int) -> None:
        """Collect until no more than that is taken, if it can be reached."""
        for _ in range(_COLLECTIONS):
            if self.memory_bytes <= most_bytes:
                return
            self._collect()

    def collect_some(self) -> bool:
        """A short step of collecting what is not used any more; whether it was the last of a round."""
        return bool(self._collect(b"step", 0))

    # Running

    def compile(self, source: bytes, name: bytes) -> object:
        """The function that ``source`` is the body of, for ``run_script``. Raises CompileError."""
        if self.memory_bytes + len(source) > self._memory_limit:
            raise CompileError(_NO_MEMORY.decode())
        compiled = self._compile(source, name, self._environment)
        if isinstance(compiled, tuple):
            raise CompileError(compiled[1].decode("utf-8", "replace"))
        return compiled

    def run_script(self, function: object, keys: list[bytes], args: list[bytes]) -> object:
        """Run what ``compile`` made: its reply. Raises ScriptError."""
        table_from = self._runtime.table_from
        return self._run(self._run_script, function, table_from(keys), table_from(args))

    def load_library(
        self, source: bytes, name: bytes, register: Callable[..., bytes | None]
    ) -> None:
        """Run the code of a library, whose calls of register_function ``register`` gets: their error, or
        None. Raises CompileError and ScriptError."""
        self._run(self._load_library, source, name, register)

    def run_function(self, function: object, keys: list[bytes], args: list[bytes]) -> object:
        """Call what a library has registered: its reply. Raises ScriptError."""
        table_from = self._runtime.table_from
        return self._run(self._run_function, function, table_from(keys), table_from(args))

    def field(self, table: object, name: bytes) -> object:
        """A field of a Lua table, without asking its metatable."""
        return self._field_of(table, name)

    def _run(self, runner: Callable[..., object], *args: object) -> object:
        self.resp = 2
        try:
            succeeded, result = cast(tuple[bool | None, object], runner(*args))
            if succeeded is None:
                assert isinstance(result, bytes)
                raise CompileError(result.decode("utf-8", "replace"))
            if succeeded:
                return self._converter.from_lua(result, self.resp == 3)
            text = self.field(result, b"err")
            source = self.field(result, b"source")
            line = self.field(result, b"line")
        except LuaError as error:
            raise ScriptError(b"ERR " + str(error).encode(), b"", 0) from None
        finally:
            # Lua 5.1 does not collect when an allocation fails: leave the next run its half.
            self._collect_to(self._memory_limit // 2)
        raise ScriptError(
            text if isinstance(text, bytes) else b"ERR unknown error",
            source if isinstance(source, bytes) else b"",
            line if isinstance(line, int) else 0,
        )


def _no_attribute(target: object, name: object, is_setting: bool) -> object:
    """lupa asks when Lua touches an attribute of a Python object."""
    raise AttributeError("scripts cannot look into this")


def _number_of(version: str) -> int:
    """As ``redis.REDIS_VERSION_NUM`` has it: a byte for each part."""
    major, minor, patch = map(int, version.split("."))
    return major << 16 | minor << 8 | patch
