"""Functions: libraries of Lua code that belong to the data set, and those that extensions bring.

A library's source is a value in a space of its own, beside the databases' (``Catalog.libraries``), so
libraries are saved, committed and read like keys, and FLUSHALL leaves them alone. All of them are
compiled and in memory, from the start on. The libraries of extensions belong to the server instead:
they are called and listed as the others, and cannot be changed.

Whatever is loaded is tried out first: a library that cannot be registered changes nothing.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from dscache.cache.loader import Load, read_loads
from dscache.config.quoting import split_words
from dscache.engine.keyspace import Keyspace
from dscache.engine.scripting import FLAGS, NO_WRITES, Run
from dscache.errors import CommandError, ConfigError, DscacheError, RdbError, StoreDamagedError
from dscache.lua.sandbox import CompileError, Sandbox, ScriptError
from dscache.rdb.dump import content_of, is_intact, sealed
from dscache.rdb.reader import Reader
from dscache.rdb.typecodes import FUNCTIONS, FUNCTIONS_OF_A_CANDIDATE, FUNCTIONS_VERSION
from dscache.rdb.writer import Writer
from dscache.store.base import DATA
from dscache.store.layout import split_data_key
from dscache.store.pages import pages
from dscache.values.text import bytes_of

if TYPE_CHECKING:
    from dscache.engine.engine import Engine
    from dscache.engine.session import Session

#: What a function runs: keys and arguments to a reply.
Body = Callable[[list[bytes], list[bytes]], object]

#: The engine of libraries that belong to the data set.
LUA: Final = b"LUA"

_SOURCE_NAME: Final = b"@user_function"

_NAME: Final = re.compile(rb"[A-Za-z0-9_]+")

_BAD_NAME: Final = (
    b"Library names can only contain letters, numbers, or underscores(_) and must be at least one"
    b" character long"
)

# How long the code of a library may take to register its functions.
_LOAD_SECONDS: Final = 0.5


class Function:
    """A function of a library."""

    def __init__(
        self, name: bytes, body: Body, description: bytes | None, flags: list[bytes]
    ) -> None:
        self.name: Final = name
        self.body: Final = body
        self.description: Final = description
        self.flag_names: Final = flags
        self.flags: Final = sum({FLAGS[flag] for flag in flags})


class Library:
    """A library that has been loaded; ``language`` is the engine that FUNCTION LIST names."""

    def __init__(self, name: bytes, source: bytes, language: bytes) -> None:
        self.name: Final = name
        self.source: Final = source
        self.language: Final = language
        self.functions: Final[dict[bytes, Function]] = {}


class _LuaLibrary(Library):
    """A library of Lua code, whose functions register themselves."""

    def __init__(self, name: bytes, source: bytes, sandbox: Sandbox) -> None:
        super().__init__(name, source, LUA)
        self._sandbox: Final = sandbox

    def register(
        self, name: bytes, callback: object, description: bytes | None, *flags: bytes
    ) -> bytes | None:
        """redis.register_function, whose arguments have the right types: its error, or None."""
        if not all(flag in FLAGS for flag in flags):
            return b"unknown flag given"
        if _NAME.fullmatch(name) is None:
            return _BAD_NAME
        if name in self.functions:
            return b"Function already exists in the library"
        sandbox = self._sandbox
        self.functions[name] = Function(
            name,
            lambda keys, args: sandbox.run_function(callback, keys, args),
            description,
            list(flags),
        )
        return None


class Functions:
    """All libraries. See the module's docstring."""

    def __init__(self, engine: Engine) -> None:
        self._engine: Final = engine
        self._keyspace: Final = Keyspace(engine.core, -1, engine.core.catalog.libraries)
        #: Those of the data set.
        self.libraries: dict[bytes, Library] = {}
        self._extensions: Final[list[Library]] = []
        self._functions: dict[bytes, Function] = {}
        self._read()

    # Figures

    @property
    def count(self) -> int:
        """Functions of all libraries."""
        return len(self._functions)

    @property
    def all_libraries(self) -> list[Library]:
        """Those of the data set, then those of extensions."""
        return [*self.libraries.values(), *self._extensions]

    @property
    def sources_bytes(self) -> int:
        """The length of all sources. O(libraries)."""
        return sum(len(library.source) for library in self.all_libraries)

    # Changing

    def load(self, source: bytes, replaces: bool) -> bytes:
        """FUNCTION LOAD: the library's name. Raises CommandError."""
        name, _ = _metadata(source)
        known = self.libraries.get(name)
        if known is not None and not replaces:
            raise _error(b"Library '" + name + b"' already exists")
        library = self._compiled(source)
        others = {name: one for name, one in self.libraries.items() if one is not known}
        functions = self._functions_of([*others.values(), library])
        self._put([library])
        self.libraries = others | {library.name: library}
        self._functions = functions
        return library.name

    def delete(self, name: bytes) -> None:
        """FUNCTION DELETE. Raises CommandError."""
        if name not in self.libraries:
            if any(library.name == name for library in self._extensions):
                raise _error(
                    b"Library '" + name + b"' is not part of the data set: an extension brings it"
                )
            raise _error(b"Library not found")
        self._keyspace.delete(name, b"")
        del self.libraries[name]
        self._functions = self._functions_of(list(self.libraries.values()))

    def flush(self) -> None:
        """FUNCTION FLUSH. O(libraries); their memory is given back in the turns that follow."""
        self._forget(list(self.libraries))
        self.libraries = {}
        self._functions = self._functions_of([])
        self._engine.scripts.free_memory()

    def add_extension(self, library: Library) -> None:
        """Add the library of an extension, for as long as the server runs. Raises CommandError if a name
        is taken."""
        if not library.functions:
            return
        self._functions = _all_functions([*self.all_libraries, library])
        self._extensions.append(library)

    def _functions_of(self, libraries: list[Library]) -> dict[bytes, Function]:
        """All functions there are, ``libraries`` being those of the data set. Raises CommandError."""
        return _all_functions([*self._extensions, *libraries])

    def _forget(self, names: list[bytes]) -> None:
        self._keyspace.bring(names)
        for name in names:
            self._keyspace.delete(name, b"")

    def _put(self, libraries: list[Library]) -> None:
        for library in libraries:
            self._keyspace.put(library.name, library.source, 0, b"", is_announced=True)

    # Moving

    def dump(self) -> bytes:
        """FUNCTION DUMP: all libraries as an RDB file has them, sealed."""
        writer = Writer()
        for library in self.libraries.values():
            writer.byte(FUNCTIONS)
            writer.string(library.source)
        return sealed(writer.take(), FUNCTIONS_VERSION)

    def restore(self, payload: bytes, policy: bytes) -> None:
        """FUNCTION RESTORE: all libraries of ``payload``, or none. ``policy`` is FLUSH, APPEND or
        REPLACE. Raises CommandError."""
        if not is_intact(payload):
            raise _error(b"DUMP payload version or checksum are wrong")
        fresh: dict[bytes, Library] = {}
        for source in sources_of(payload):
            library = self._compiled(source)
            if library.name in fresh:
                raise _error(b"Library " + library.name + b" already exists")
            fresh[library.name] = library
        kept = {} if policy == b"FLUSH" else dict(self.libraries)
        for name in fresh.keys() & kept.keys():
            if policy == b"APPEND":
                raise _error(b"Library " + name + b" already exists")
            del kept[name]
        functions = self._functions_of([*kept.values(), *fresh.values()])
        self._forget([name for name in self.libraries if name not in kept])
        self._put(list(fresh.values()))
        self.libraries = kept | fresh
        self._functions = functions

    def _compiled(self, source: bytes) -> Library:
        """The library of ``source``, with its functions. Raises CommandError."""
        name, body = _metadata(source)
        scripts = self._engine.scripts
        sandbox = scripts.sandbox()
        library = _LuaLibrary(name, source, sandbox)
        scripts.load_deadline = time.perf_counter() + _LOAD_SECONDS
        failure = b""
        try:
            sandbox.load_library(body, _SOURCE_NAME, library.register)
        except (CompileError, ScriptError) as error:
            failure = _failure(error)
        finally:
            scripts.load_deadline = 0.0
        if failure:
            raise _error(failure)
        if not library.functions:
            raise _error(b"No functions registered")
        return library

    # Calling

    def call(
        self,
        session: Session,
        name: bytes,
        keys: list[bytes],
        args: list[bytes],
        call: list[bytes],
        is_read_only: bool,
    ) -> object:
        """FCALL and FCALL_RO: the reply of a function. Raises CommandError, and faults."""
        function = self.find(name)
        if is_read_only and not function.flags & NO_WRITES:
            raise _error(b"Can not execute a script with write flag using *_ro command.")
        run = Run(session, name, function.flags, call, True)
        return self._engine.scripts.call(run, lambda: function.body(keys, args))

    def find(self, name: bytes) -> Function:
        """The function of that name. Raises CommandError."""
        function = self._functions.get(name.lower())
        if function is None:
            raise _error(b"Function not found")
        return function

    def may_write(self, name: bytes) -> bool:
        """Whether FCALL of ``name`` may write. What cannot be called counts as if it did."""
        function = self._functions.get(name.lower())
        return function is None or not function.flags & NO_WRITES

    # Starting

    def _read(self) -> None:
        """Load what the store has."""
        engine = self._engine
        space = self._keyspace.space
        if space.keys == 0:
            return
        for page in pages(engine.store, DATA, space.generation):
            loads = [Load(space, split_data_key(stored)[1], True) for stored, _ in page]
            read_loads(engine.store, loads)
            for load in loads:
                if load.error is not None:
                    raise load.error
                self._take_in(load.key, bytes_of(load.value))

    def _take_in(self, name: bytes, source: bytes) -> None:
        try:
            library = self._compiled(source)
            self._functions = self._functions_of([*self.libraries.values(), library])
        except DscacheError as error:
            raise StoreDamagedError(
                f"the library of functions {name.decode('utf-8', 'replace')!r} cannot be loaded: {error}"
            ) from error
        self.libraries[name] = library


def _failure(error: CompileError | ScriptError) -> bytes:
    if isinstance(error, CompileError):
        return b"Error compiling function: " + str(error).encode()
    return b"Error registering functions: " + error.text


def _error(text: bytes) -> CommandError:
    return CommandError(b"ERR " + text)


def _all_functions(libraries: list[Library]) -> dict[bytes, Function]:
    """The functions of ``libraries`` by their names in lower case, which only one may have. Raises
    CommandError."""
    found: dict[bytes, Function] = {}
    names: set[bytes] = set()
    for library in libraries:
        if library.name in names:
            raise _error(b"Library '" + library.name + b"' already exists")
        names.add(library.name)
        for name, function in library.functions.items():
            if name.lower() in found:
                raise _error(b"Function " + name + b" already exists")
            found[name.lower()] = function
    return found


def _metadata(source: bytes) -> tuple[bytes, bytes]:
    """(name, code) of a library, whose first line says what it is. Raises CommandError."""
    if not source.startswith(b"#!"):
        raise _error(b"Missing library metadata")
    line, newline, code = source.partition(b"\n")
    words = _words(line)
    if not newline or words is None:
        raise _error(b"Invalid library metadata")
    engine, *options = words
    name: bytes | None = None
    for option in options:
        if option[:5].lower() != b"name=":
            raise _error(b"Invalid metadata value given: " + option)
        if name is not None:
            raise _error(b"Invalid metadata value, name argument was given multiple times")
        name = option[5:]
    if name is None:
        raise _error(b"Library name was not given")
    if _NAME.fullmatch(name) is None:
        raise _error(_BAD_NAME)
    if engine.lower() != b"#!lua":
        raise _error(b"Engine '" + engine[2:] + b"' not found")
    # Lines keep their numbers.
    return name, b"\n" + code


def _words(line: bytes) -> list[bytes] | None:
    """The words of ``line``, some of which may be quoted; None if a quote is not closed."""
    try:
        words = split_words(line.decode("utf-8", "surrogateescape"))
    except ConfigError:
        return None
    return [word.encode("utf-8", "surrogateescape") for word in words]


def sources_of(payload: bytes) -> list[bytes]:
    """The sources in a payload of FUNCTION DUMP that is intact. Raises CommandError."""
    reader = Reader(content_of(payload))
    sources: list[bytes] = []
    try:
        while not reader.at_end():
            opcode = reader.byte()
            if opcode == FUNCTIONS_OF_A_CANDIDATE:
                raise _error(b"Pre-GA function format not supported")
            if opcode != FUNCTIONS:
                raise _error(b"given type is not a function")
            sources.append(reader.string())
    except RdbError:
        raise _error(b"Failed loading library payload") from None
    return sources
