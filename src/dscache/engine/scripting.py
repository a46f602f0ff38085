"""Scripts: EVAL and its relatives, from source to reply.

The keys that a script declares are loaded before it runs. For one that it did not declare it is
started again, as any command is, as long as it has called nothing but commands that read; after that
the load blocks everybody, and is counted (``cache_blocking_loads``). No epoch is cut inside a script,
so on disk it is whole or absent.

A script that runs for longer than ``busy-reply-threshold`` is *slow*: from then on clients are served
while it runs, and told that the server is busy, until it ends or SCRIPT KILL ends it. It cannot be
ended once it has called a command that writes.
"""

from __future__ import annotations

import hashlib
import logging
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from dscache.config.levels import NOTICE, VERBOSE
from dscache.engine.command import MAY_REPLICATE, NOSCRIPT, READONLY, WRITE
from dscache.engine.inner import run_inner
from dscache.engine.session import Session
from dscache.engine.version import REDIS_VERSION
from dscache.engine.waiting import Fault, KeyFault, KeysFault, RoomFault
from dscache.errors import CommandError
from dscache.lua.sandbox import CompileError, Sandbox, ScriptError
from dscache.wire.encoder import format_double
from dscache.wire.reply import ErrorReply

if TYPE_CHECKING:
    from dscache.engine.command import Command
    from dscache.engine.engine import Engine

log: Final = logging.getLogger("dscache")

# Flags of a script, which its first line may give it: ``#!lua flags=no-writes``.
NO_WRITES: Final = 1 << 0
ALLOW_OOM: Final = 1 << 1
#: A script without such a line, as all were before Redis 7.
_COMPATIBLE: Final = 1 << 2

#: What the flags are called. Those that are 0 concern clusters and replicas.
FLAGS: Final = {
    b"no-writes": NO_WRITES,
    b"allow-oom": ALLOW_OOM,
    b"allow-stale": 0,
    b"no-cluster": 0,
    b"allow-cross-slot-keys": 0,
}

# Scripts of EVAL that are kept; those of SCRIPT LOAD are kept until SCRIPT FLUSH.
_MOST_EVALUATED: Final = 500

# How often a script is started again for keys that it has not declared.
_MOST_RESTARTS: Final = 16

# What the Lua state may take: this share of maxmemory, and at least this much.
_MEMORY_SHARE: Final = 8
_LEAST_MEMORY_BYTES: Final = 64 << 20

# Rounds of collection after a flush. The first frees nearly all; of the table of strings, and of the buffer
# that they are joined in, each round frees half: of 447 MB the first leaves 34, the fifth less than 1.
_ROUNDS: Final = 6

# Up to here a number of Lua is shown with all its digits, beyond with as many as tell it from others.
_WHOLE_MAX: Final = 1 << 62

_SCRIPT_NAME: Final = b"@user_script"

_KILLED: Final = b"ERR Script killed by user with SCRIPT KILL."
_FUNCTION_KILLED: Final = b"ERR Script killed by user with FUNCTION KILL."
_RESTARTING: Final = ErrorReply(b"ERR the script is being started again")
_NO_ARGUMENTS: Final = ErrorReply(
    b"ERR Please specify at least one argument for this redis lib call"
)
_BAD_ARGUMENT: Final = ErrorReply(
    b"ERR Lua redis lib command arguments must be strings or integers"
)
_UNKNOWN: Final = ErrorReply(b"ERR Unknown Redis command called from script")
_BAD_ARITY: Final = ErrorReply(b"ERR Wrong number of args calling Redis command from script")
_NOT_ALLOWED: Final = ErrorReply(b"ERR This Redis command is not allowed from script")
_READ_ONLY: Final = ErrorReply(b"ERR Write commands are not allowed from read-only scripts.")

NO_SCRIPT: Final = b"NOSCRIPT No matching script. Please use EVAL."

_BUSY: Final = b"BUSY Redis is busy running a script. You can only call %s KILL or SHUTDOWN NOSAVE."
_NOT_BUSY: Final = b"NOTBUSY No scripts in execution right now."
_UNKILLABLE: Final = (
    b"UNKILLABLE Sorry the script already executed write commands against the dataset. You can"
    b" either wait the script termination or kill the server in a hard way using the SHUTDOWN NOSAVE"
    b" command."
)

_LEVELS: Final = (logging.DEBUG, VERBOSE, NOTICE, logging.WARNING)


class Script:
    """A script that has been compiled."""

    def __init__(self, sha: bytes, source: bytes, flags: int, function: object) -> None:
        self.sha: Final = sha
        self.source: Final = source
        self.flags: Final = flags
        self.function: Final = function


class Run:
    """A script or function that is running."""

    def __init__(
        self, session: Session, name: bytes, flags: int, call: list[bytes], is_function: bool
    ) -> None:
        self.session: Final = session
        #: What errors call it.
        self.name: Final = name
        self.flags = flags
        #: The command that runs it, for FUNCTION STATS.
        self.call: Final = call
        self.is_function: Final = is_function
        self.started: Final = time.perf_counter()
        #: It has called a command that writes.
        self.wrote = False
        #: It has called a command that does more than read, or it is part of a transaction.
        self.cannot_restart = False
        self.fault: Fault | None = None
        self.is_killed = False

    @property
    def milliseconds(self) -> int:
        """For how long it has been running."""
        return int((time.perf_counter() - self.started) * 1000)


class Scripts:
    """All scripts of an engine, and the Lua state that they run in. See the module's docstring."""

    def __init__(self, engine: Engine) -> None:
        self._engine: Final = engine
        self._sandbox: Sandbox | None = None
        # In whose name scripts call commands: not a client's.
        self._caller: Final = Session(engine, 0, engine.acl.default)
        self._caller.address = "lua"
        self.running: Run | None = None
        #: Scripts may call what they otherwise must not (DEBUG, for tests).
        self.may_call_all = False
        #: By digest: scripts of SCRIPT LOAD, and those of EVAL, least recently run first.
        self._loaded: Final[dict[bytes, Script]] = {}
        self._evaluated: Final[OrderedDict[bytes, Script]] = OrderedDict()
        self.evicted: int = 0
        # Rounds that are still to be made.
        self._rounds = 0
        #: When the code of a library that is being loaded must be done; 0.0 if none is.
        self.load_deadline: float = 0.0
        #: Serves clients while a script is slow; the server's.
        self.serve_meanwhile: Callable[[], None] = _serve_nobody

    # Figures

    @property
    def count(self) -> int:
        """Scripts that are kept."""
        return len(self._loaded) + len(self._evaluated)

    @property
    def sources_bytes(self) -> int:
        """The length of their sources. O(scripts)."""
        return sum(
            len(script.source)
            for scripts in (self._loaded, self._evaluated)
            for script in scripts.values()
        )

    @property
    def memory_bytes(self) -> int:
        """What the Lua state takes."""
        return 0 if self._sandbox is None else self._sandbox.memory_bytes

    # Keeping scripts

    def load(self, source: bytes) -> bytes:
        """SCRIPT LOAD: the digest under which EVALSHA finds it. Raises CommandError."""
        sha = _digest(source)
        if sha not in self._loaded:
            script = self._evaluated.pop(sha, None)
            self._loaded[sha] = self._compiled(sha, source) if script is None else script
        return sha

    def of_source(self, source: bytes) -> Script:
        """The script that EVAL is to run, compiled if it is new. Raises CommandError."""
        sha = _digest(source)
        script = self.find(sha)
        if script is None:
            script = self._evaluated[sha] = self._compiled(sha, source)
            if len(self._evaluated) > _MOST_EVALUATED:
                self._evaluated.popitem(last=False)
                self.evicted += 1
        return script

    def find(self, sha: bytes) -> Script | None:
        """The script with that digest (lower case). It counts as used."""
        script = self._loaded.get(sha)
        if script is None:
            script = self._evaluated.get(sha)
            if script is not None:
                self._evaluated.move_to_end(sha)
        return script

    def may_write(self, command: Command, named: bytes) -> bool:
        """Whether EVAL or EVALSHA of ``named`` may write. What cannot be run counts as if it did."""
        if command.name == "evalsha":
            script = self.find(named.lower())
            return script is None or not script.flags & NO_WRITES
        try:
            return not _flags_of(named)[0] & NO_WRITES
        except CommandError:
            return True

    def flush(self) -> None:
        """SCRIPT FLUSH: forget all scripts. Their memory is given back in the turns that follow."""
        self._loaded.clear()
        self._evaluated.clear()
        self.free_memory()

    def free_memory(self) -> None:
        """Let ``collect`` find in the Lua state what is not used any more."""
        if self._sandbox is not None:
            self._rounds = _ROUNDS

    @property
    def has_work(self) -> bool:
        """``collect`` has something to do."""
        return self._rounds > 0

    def collect(self, budget_seconds: float) -> bool:
        """Collect for about this long; whether there is more to collect. At once it would keep everybody
        waiting: seconds for some hundred megabytes."""
        deadline = time.perf_counter() + budget_seconds
        sandbox = self.sandbox()
        while self._rounds > 0 and time.perf_counter() < deadline:
            if sandbox.collect_some():
                self._rounds -= 1
        return self._rounds > 0

    def _compiled(self, sha: bytes, source: bytes) -> Script:
        flags, body = _flags_of(source)
        try:
            function = self.sandbox().compile(body, _SCRIPT_NAME)
        except CompileError as error:
            raise CommandError(
                b"ERR Error compiling script (new function): " + str(error).encode()
            ) from None
        return Script(sha, source, flags, function)

    def sandbox(self) -> Sandbox:
        """The Lua state, made when the first script comes."""
        if self._sandbox is None:
            memory = max(
                self._engine.config.resolved_maxmemory() // _MEMORY_SHARE, _LEAST_MEMORY_BYTES
            )
            self._sandbox = Sandbox(self, REDIS_VERSION, memory, _digest)
        return self._sandbox

    # Running

    def evaluate(
        self, session: Session, script: Script, keys: list[bytes], args: list[bytes], flags: int
    ) -> object:
        """Run ``script`` for ``session``: its reply. ``flags`` are added to its own. Raises CommandError;
        faults for keys that it has not declared, and if it has to wait."""
        if flags & ~script.flags & NO_WRITES and not script.flags & _COMPATIBLE:
            raise CommandError(b"ERR Can not execute a script with write flag using *_ro command.")
        run = Run(session, script.sha, script.flags | flags, [], False)
        self._begin(run)
        return self._end(
            run, lambda: self.sandbox().run_script(script.function, keys, args), script.source
        )

    def call(self, run: Run, body: Callable[[], object]) -> object:
        """Run ``body``, a function of a library or what an extension brings, as ``evaluate`` does a
        script."""
        self._begin(run)
        return self._end(run, body, b"")

    def _begin(self, run: Run) -> None:
        """Hold ``run`` back if now is not the time for it; set the stage if it is."""
        engine = self._engine
        core = engine.core
        takes_room = not run.flags & (NO_WRITES | ALLOW_OOM)
        if takes_room and engine.pacer.writers_wait and not core.must_not_fault:
            raise RoomFault()
        wait = run.session.wait
        run.cannot_restart = core.must_not_fault or (
            wait is not None and wait.restarts > _MOST_RESTARTS
        )
        caller = self._caller
        caller.keyspace = run.session.keyspace
        caller.user = run.session.user
        caller.is_unrestricted = run.session.is_unrestricted
        caller.resp = 2
        caller.no_touch = run.session.no_touch

    def _end(self, run: Run, body: Callable[[], object], source: bytes) -> object:
        engine = self._engine
        core = engine.core
        moment = core.wait, core.is_inner, core.must_not_fault
        self.running = run
        core.is_inner = True
        engine.redo.begin_group()
        failure: ScriptError | None = None
        reply: object = None
        try:
            reply = body()
        except ScriptError as error:
            failure = error
        finally:
            self.running = None
            engine.is_busy = False
            engine.redo.end_group()
            core.wait, core.is_inner, core.must_not_fault = moment
        if run.fault is not None:
            raise run.fault
        if failure is not None:
            raise CommandError(failure.text + _place(run, failure, source))
        if isinstance(reply, ErrorReply):
            # So that it counts as one.
            raise CommandError(reply.text)
        return reply

    # What a running script asks for: the sandbox's Host

    def dispatch(self, args: tuple[object, ...]) -> object:
        """redis.call and redis.pcall."""
        run = self.running
        assert run is not None
        if run.fault is not None:
            # The script has caught the error that was to end it.
            return _RESTARTING
        words = _words(args)
        if isinstance(words, ErrorReply):
            return words
        engine = self._engine
        command = engine.table.find(words)
        if command is None:
            return _UNKNOWN
        if not command.accepts(len(words)):
            return _BAD_ARITY
        if command.flags & NOSCRIPT and not self.may_call_all:
            return _NOT_ALLOWED
        if not run.session.is_unrestricted:
            refusal = engine.acl.refusal_in_script(run.session, command, words)
            if refusal is not None:
                return ErrorReply(refusal)
        if run.flags & NO_WRITES and command.flags & (WRITE | MAY_REPLICATE):
            return _READ_ONLY
        if command.is_write and engine.pacer.refuses_writes():
            return ErrorReply(engine.refusal())
        return self._call(run, command, words)

    def _call(self, run: Run, command: Command, words: list[bytes]) -> object:
        engine = self._engine
        core = engine.core
        caller = self._caller
        started = core.clock.time()
        core.must_not_fault = run.cannot_restart
        if command.is_write:
            run.wrote = True
        reply: object
        try:
            reply = run_inner(engine, caller, command, words)
        except (KeyFault, KeysFault) as fault:
            run.fault = fault
            return _RESTARTING
        except Exception as error:
            reply = engine.failure(command, error)
        if not command.flags & READONLY:
            run.cannot_restart = True
        tracked = run.session.tracked
        if tracked is not None:
            engine.tracking.remember(run.session, tracked, command, words)
        engine.account(caller, command, words, started)
        if engine.pacer.is_pressed():
            # What is clean and not declared may go; an epoch is not cut inside a script.
            engine.residency.make_room()
        return reply

    def check_command(self, args: tuple[object, ...]) -> object:
        """redis.acl_check_cmd: whether the caller may run this command."""
        words = _words(args)
        if isinstance(words, ErrorReply):
            return words
        command = self._engine.table.find(words)
        run = self.running
        if command is None or run is None:
            return ErrorReply(b"ERR Invalid command passed to redis.acl_check_cmd()")
        return self._engine.acl.check_command(run.session.user, command, words) is None

    def log(self, level: int, text: bytes) -> None:
        """redis.log."""
        log.log(_LEVELS[level], "%s", text.decode("utf-8", "replace"))

    def tick(self) -> bytes | None:
        """Called at short intervals while a script runs: the error that ends it, or None."""
        run = self.running
        if run is None:
            is_late = 0.0 < self.load_deadline < time.perf_counter()
            return b"ERR FUNCTION LOAD timeout" if is_late else None
        engine = self._engine
        threshold_ms = engine.config.busy_reply_threshold
        if not engine.is_busy and threshold_ms > 0 and run.milliseconds >= threshold_ms:
            engine.is_busy = True
            log.warning(
                "Slow script detected: still in execution after %d milliseconds. You can kill it"
                " with the %s KILL command. Its name is: %s",
                run.milliseconds,
                "FUNCTION" if run.is_function else "SCRIPT",
                run.name.decode("utf-8", "replace"),
            )
        if engine.is_busy:
            self._serve_meanwhile()
        if run.is_killed:
            return _FUNCTION_KILLED if run.is_function else _KILLED
        return None

    def _serve_meanwhile(self) -> None:
        """Let the server serve clients; what they call must not show in the script's own moment."""
        core, tracking = self._engine.core, self._engine.tracking
        now_ms, no_touch, tracked = core.now_ms, core.no_touch, tracking.running
        moment = core.wait, core.is_inner, core.must_not_fault
        core.is_inner, core.must_not_fault = False, True
        try:
            self.serve_meanwhile()
        finally:
            core.now_ms, core.no_touch, tracking.running = now_ms, no_touch, tracked
            core.wait, core.is_inner, core.must_not_fault = moment

    # From outside

    def busy_error(self) -> bytes:
        """What clients are told while a script is slow."""
        run = self.running
        return _BUSY % (b"FUNCTION" if run is not None and run.is_function else b"SCRIPT")

    def kill(self, is_function: bool) -> None:
        """SCRIPT KILL and FUNCTION KILL: the running script ends soon. Raises CommandError."""
        run = self.running
        if run is None:
            raise CommandError(_NOT_BUSY)
        if run.is_function != is_function:
            raise CommandError(self.busy_error())
        if run.wrote:
            raise CommandError(_UNKILLABLE)
        run.is_killed = True

    def abandon(self) -> None:
        """SHUTDOWN NOSAVE: the running script ends soon, whatever it has done."""
        if self.running is not None:
            self.running.is_killed = True


def _serve_nobody() -> None:
    """Without a server there is nobody to serve."""


def _digest(source: bytes) -> bytes:
    return hashlib.sha1(source, usedforsecurity=False).hexdigest().encode()


def _words(args: tuple[object, ...]) -> list[bytes] | ErrorReply:
    """The words of a command as Lua gives them."""
    if not args:
        return _NO_ARGUMENTS
    words: list[bytes] = []
    for arg in args:
        if type(arg) is bytes:
            words.append(arg)
        elif type(arg) is int and -_WHOLE_MAX <= arg <= _WHOLE_MAX:
            words.append(b"%d" % arg)
        elif type(arg) is int or type(arg) is float:
            words.append(_double(float(arg)))
        else:
            return _BAD_ARGUMENT
    return words


def _double(number: float) -> bytes:
    """A number of Lua that has a fraction, or is large, as Redis makes a word of it."""
    # C shows the sign of what is no number; on x86 0/0 has one.
    is_minus_nan = number != number and math.copysign(1.0, number) < 0
    return b"-nan" if is_minus_nan else format_double(number)


def _flags_of(source: bytes) -> tuple[int, bytes]:
    """(flags, the source without the line that gives them). Raises CommandError."""
    if not source.startswith(b"#!"):
        return _COMPATIBLE, source
    line, newline, rest = source.partition(b"\n")
    engine, *options = line.split()
    if not newline:
        raise CommandError(b"ERR Invalid script shebang")
    if engine != b"#!lua":
        raise CommandError(b"ERR Unexpected engine in script shebang: " + engine)
    flags = 0
    for option in options:
        if not option.startswith(b"flags="):
            raise CommandError(b"ERR Unknown lua shebang option: " + option)
        names = option.removeprefix(b"flags=")
        for name in names.split(b",") if names else []:
            if name not in FLAGS:
                raise CommandError(b"ERR Unexpected flag in script shebang: " + name)
            flags |= FLAGS[name]
    # Lines keep their numbers.
    return flags, b"\n" + rest


def _place(run: Run, failure: ScriptError, source: bytes) -> bytes:
    """Where a script failed, as errors end with it."""
    where = b" script: " + run.name
    line = failure.line
    name = failure.source or _SCRIPT_NAME
    if line <= 0:
        # ``return redis.call(...)`` is a tail call, which leaves no trace in Lua. Where there is one line
        # of code it was there.
        code = [n for n, text in enumerate(source.split(b"\n"), 1) if text.strip()]
        if source.startswith(b"#!"):
            del code[:1]
        line = code[0] if len(code) == 1 else 0
    return where + (b", on %s:%d." % (name, line) if line > 0 else b".")
