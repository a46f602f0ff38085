"""Running what extensions bring (``dscache.extension``): Python bodies behind commands and functions.

A body runs as a script does (``dscache.engine.scripting``): its declared keys are loaded first, it is started
again for others as long as it has only read, and no epoch is cut inside it. What it raises becomes an
error reply.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from dscache.engine.command import (
    DENYOOM,
    NO_MANDATORY_KEYS,
    NOSCRIPT,
    READONLY,
    WRITE,
    Command,
    CommandTable,
    Handler,
)
from dscache.engine.functions import Function, Library
from dscache.engine.keyspec import KeySpec, key_positions
from dscache.engine.scripting import NO_WRITES, Run, Scripts
from dscache.engine.syntax import Argument, parse_syntax
from dscache.errors import CommandError, ExtensionError
from dscache.extension import Declaration, Extension, ReplyError
from dscache.values.integers import I64_MAX, I64_MIN
from dscache.wire.encoder import format_double
from dscache.wire.reply import (
    DoubleText,
    ErrorReply,
    Grouped,
    MapReply,
    NullArray,
    Pairs,
    SetReply,
    Status,
    Verbatim,
)

if TYPE_CHECKING:
    from dscache.engine.session import Session

log: Final = logging.getLogger("dscache")

_WRITES: Final = WRITE | DENYOOM | NOSCRIPT
_READS: Final = READONLY | NOSCRIPT
#: Containers of a reply inside each other. Compiled functions may call themselves until C's stack ends.
_DEEPEST: Final = 100
_LINE_BREAKS: Final = str.maketrans("\r\n", "  ")


class _Restart(BaseException):
    """Ends a body that is started again; not to be caught with what it calls ``Exception``."""


class _CallingDatabase:
    """A ``Database``: what a body calls, its scripts' host carries out."""

    def __init__(self, scripts: Scripts) -> None:
        self._scripts: Final = scripts

    def call(self, *words: bytes | str | int | float) -> object:
        """See ``dscache.extension.Database``."""
        scripts = self._scripts
        run = scripts.running
        if run is None:
            raise RuntimeError(
                "a Database can be used only while the body runs that it was given to"
            )
        reply = scripts.dispatch(tuple(_word(word) for word in words))
        if run.fault is not None:
            raise _Restart
        if isinstance(reply, ErrorReply):
            raise ReplyError(reply.text.decode("utf-8", "replace"))
        return _readable(reply)


def add_commands(table: CommandTable, extension: Extension) -> None:
    """Add the commands of ``extension`` to ``table``. Raises ExtensionError."""
    for declared in extension.commands:
        word, _, arguments = declared.syntax.partition(" ")
        if table.get(word.encode()) is not None:
            raise ExtensionError(f"{extension.name}: there is a command {word.upper()} already")
        try:
            arity, keys = _shape(arguments, declared.writes)
        except ValueError as error:
            raise ExtensionError(f"{extension.name}: {declared.syntax!r}: {error}") from error
        has_fixed_keys = all(spec.count_at < 0 for spec in keys)
        table.add(
            Command(
                syntax=declared.syntax,
                handler=_handler(word.lower(), declared, keys),
                arity=arity,
                flags=(_WRITES if declared.writes else _READS)
                | (0 if has_fixed_keys else NO_MANDATORY_KEYS),
                keys=keys,
                channels=None,
                group="module",
                since="1.0.0",
                complexity="That of the extension",
                categories="",
                history=(),
                tips="",
                deprecated=("", ""),
                is_system=False,
                parent="",
                summary=declared.summary,
                is_extension=True,
            )
        )


def library_of(extension: Extension, source: bytes, scripts: Scripts) -> Library:
    """The functions of ``extension``, whose file holds ``source``. Raises ExtensionError."""
    library = Library(extension.name.encode(), source, b"PYTHON")
    database = _CallingDatabase(scripts)
    for declared in extension.functions:
        name = declared.syntax.encode()
        if name in library.functions:
            raise ExtensionError(f"{extension.name}: there are two functions {declared.syntax}")
        flags = [] if declared.writes else [b"no-writes"]
        library.functions[name] = Function(
            name, _Body(declared, database).run, declared.summary.encode() or None, flags
        )
    return library


def _handler(name: str, declared: Declaration, keys: list[KeySpec]) -> Handler:
    flags = 0 if declared.writes else NO_WRITES
    encoded_name = name.encode()

    def handle(session: Session, args: list[bytes]) -> object:
        try:
            places = key_positions(keys, args)
        except ValueError:
            raise CommandError(b"ERR Number of keys can't be greater than number of args") from None
        found = [args[place] for place in places]
        others = [arg for place, arg in enumerate(args) if place > 0 and place not in places]
        scripts = session.engine.scripts
        body = _Body(declared, _CallingDatabase(scripts))
        run = Run(session, encoded_name, flags, args, False)
        return scripts.call(run, lambda: body.run(found, others))

    return handle


class _Body:
    """What is registered, with the database that it works on."""

    def __init__(self, declared: Declaration, database: _CallingDatabase) -> None:
        self._declared: Final = declared
        self._database: Final = database

    def run(self, keys: list[bytes], args: list[bytes]) -> object:
        """Its reply. Raises CommandError, whatever happens in it."""
        try:
            return _reply_of(self._declared.body(self._database, keys, args), [])
        except _Restart:
            return None
        except BaseException as error:
            # SystemExit, too: a server with somebody's data does not end for it.
            raise CommandError(self._explained(error)) from None

    def _explained(self, error: BaseException) -> bytes:
        if isinstance(error, ReplyError):
            text = str(error)
        else:
            name = self._declared.syntax.split(" ", 1)[0]
            log.error("the extension's %s failed", name, exc_info=error)
            text = f"ERR the extension's {name} failed: {type(error).__name__}: {error}"
        return text.translate(_LINE_BREAKS).encode("utf-8", "replace")


# What a syntax tells


def _shape(arguments: str, writes: bool) -> tuple[int, list[KeySpec]]:
    """(arity, key specifications) of a command with these arguments. Raises ValueError."""
    access = "RW ACCESS UPDATE" if writes else "RO ACCESS"
    tree = parse_syntax(arguments, [])
    specs: list[KeySpec] = []
    place = 1
    is_fixed = True
    for number, argument in enumerate(tree):
        width = _width(argument)
        is_last = number == len(tree) - 1
        if not _holds_key(argument):
            pass
        elif not is_fixed or argument.is_optional or argument.token or argument.kind == "oneof":
            raise ValueError(f"the place of {argument.display_text!r}, a key, is not fixed")
        elif argument.is_multiple and number > 0 and tree[number - 1].name == "numkeys":
            specs.append(KeySpec(place - 1, access=access, count_at=0, first=1))
        elif argument.is_multiple and not is_last:
            raise ValueError(f"something stands behind {argument.display_text!r}, which repeats")
        else:
            last = -1 if argument.is_multiple else 0
            places = _key_places(argument)
            if argument.is_multiple and len(places) > 1:
                raise ValueError("what repeats may hold one key")
            for offset in places:
                # Counted from the end where it repeats: the last key has as much behind it.
                end = last - (width - 1 - offset) if last else 0
                step = width if argument.is_multiple else 1
                specs.append(KeySpec(place + offset, access=access, last=end, step=step))
        place += 0 if argument.is_optional else width
        is_fixed = is_fixed and not argument.is_optional and not argument.is_multiple
    return (place if is_fixed else -place), specs


def _width(argument: Argument) -> int:
    """How many words it takes at least, when it is there."""
    token = 1 if argument.token else 0
    if argument.kind == "pure-token":
        return 1
    if argument.kind == "oneof":
        return token + min(_width(part) for part in argument.parts)
    if argument.kind == "block":
        return token + sum(_width(part) for part in argument.parts if not part.is_optional)
    return token + 1


def _holds_key(argument: Argument) -> bool:
    return argument.kind == "key" or any(_holds_key(part) for part in argument.parts)


def _key_places(argument: Argument) -> list[int]:
    """Where the keys stand in an argument that is one, or in a block. Raises ValueError."""
    if argument.kind == "key":
        return [0]
    found: list[int] = []
    place = 0
    for part in argument.parts:
        if part.is_optional or part.is_multiple or part.kind == "oneof" or part.token:
            raise ValueError(f"{part.display_text!r} stands beside a key and is not one word")
        found += [place + inner for inner in _key_places(part)] if _holds_key(part) else []
        place += _width(part)
    return found


# What goes in and out


def _word(word: object) -> object:
    """A word of a command, as the host of scripts takes it."""
    if isinstance(word, str):
        return word.encode()
    if isinstance(word, int):
        return b"%d" % word
    # (What is none of these is refused as scripts' words are.)
    return format_double(word) if isinstance(word, float) else word


def _readable(reply: object) -> object:
    """A handler's reply as plain data that the body may keep and change. O(size)."""
    if isinstance(reply, Status):
        return reply.text
    if isinstance(reply, str):
        return reply.encode()
    if isinstance(reply, (list, tuple, set, frozenset)):
        return [_readable(item) for item in reply]
    if isinstance(reply, SetReply):
        return [_readable(item) for item in reply.items]
    if isinstance(reply, dict):
        return {_readable(key): _readable(item) for key, item in reply.items()}
    if isinstance(reply, (Pairs, Grouped)):
        return [[_readable(key), _readable(item)] for key, item in reply.items]
    if isinstance(reply, DoubleText):
        return float(reply.text)
    if isinstance(reply, Verbatim):
        return reply.text
    if isinstance(reply, NullArray):
        return None
    return reply


def _reply_of(value: object, around: list[object]) -> object:
    """What a body returned, as the wire takes it; ``around`` are the containers that it is in.

    Raises TypeError or ValueError for what is no reply.
    """
    if value is None or isinstance(value, (bytes, bool, float)):
        return value
    if isinstance(value, str):
        # Here, where what cannot be encoded is an error still.
        return value.encode()
    if isinstance(value, Status):
        if b"\r" in value.text or b"\n" in value.text:
            raise ValueError("a status is one line")
        return value
    if isinstance(value, int):
        if not I64_MIN <= value <= I64_MAX:
            raise ValueError("an integer of a reply has 64 bits")
        return value
    if any(value is outer for outer in around):
        raise ValueError("a reply holds itself")
    if len(around) == _DEEPEST:
        raise ValueError(f"a reply is nested more than {_DEEPEST} deep")
    inside = [*around, value]
    if isinstance(value, (list, tuple)):
        return [_reply_of(item, inside) for item in value]
    if isinstance(value, (set, frozenset)):
        return SetReply([_reply_of(item, inside) for item in value])
    if isinstance(value, dict):
        return MapReply(
            [(_reply_of(key, inside), _reply_of(item, inside)) for key, item in value.items()]
        )
    raise TypeError(f"a reply cannot be of type {type(value).__name__}")
