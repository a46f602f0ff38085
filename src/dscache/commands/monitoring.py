"""SLOWLOG, LATENCY and MONITOR: what takes long, and what is going on.

The engine keeps the records (``dscache.engine.slowlog``, ``latency``, ``histogram``, ``monitor``); here
they are only shown.
"""

from __future__ import annotations

from typing import Final

from dscache.commands.arguments import I64_MAX, integer
from dscache.commands.help import subcommands_help
from dscache.engine.command import ADMIN, LOADING, NOSCRIPT, STALE, Command, Registry
from dscache.engine.histogram import Histogram
from dscache.engine.latency_report import graph, report
from dscache.engine.session import Session
from dscache.errors import CommandError
from dscache.wire.reply import OK, Verbatim

registry: Final = Registry("server", "")

_ANYTIME: Final = LOADING | STALE
_OPERATOR: Final = ADMIN | NOSCRIPT | LOADING | STALE

_WRONG_COUNT: Final = b"ERR count should be greater than or equal to -1"
_DEFAULT_COUNT: Final = 10
_ALL: Final = -1

_ALL_NODES: Final = "nondeterministic_output request_policy:all_nodes response_policy:special"


# SLOWLOG


@registry.command("SLOWLOG", arity=-2, flags=0, since="2.2.12", complexity="That of the subcommand")
def slowlog(session: Session, args: list[bytes]) -> object:
    """Commands about the slow log."""
    raise AssertionError("the engine runs a subcommand, or refuses")


@registry.command(
    "GET [count]",
    parent="slowlog",
    arity=-2,
    flags=ADMIN | LOADING | STALE,
    since="2.2.12",
    complexity="O(N) for N entries",
    history=[("4.0.0", "Shows the client's address and name as well.")],
    tips="request_policy:all_nodes nondeterministic_output",
)
def slowlog_get(session: Session, args: list[bytes]) -> object:
    """Shows the newest entries of the slow log, 10 unless told otherwise; -1 means all."""
    if len(args) > 3:
        raise CommandError(
            b"ERR unknown subcommand or wrong number of arguments for '"
            + args[1]
            + b"'. Try SLOWLOG HELP."
        )
    count = _DEFAULT_COUNT
    if len(args) == 3:
        count = integer(args[2], _WRONG_COUNT)
        if count < _ALL:
            raise CommandError(_WRONG_COUNT)
    if count == _ALL:
        count = I64_MAX
    shown: list[object] = []
    for entry in session.engine.slowlog.entries:
        if len(shown) >= count:
            break
        shown.append(
            [
                entry.number,
                entry.when,
                entry.microseconds,
                entry.args,
                entry.address,
                entry.client_name,
            ]
        )
    return shown


@registry.command(
    "LEN",
    parent="slowlog",
    arity=2,
    flags=ADMIN | LOADING | STALE,
    since="2.2.12",
    complexity="O(1)",
    tips="request_policy:all_nodes response_policy:agg_sum nondeterministic_output",
)
def slowlog_len(session: Session, args: list[bytes]) -> object:
    """Tells how many entries the slow log has."""
    return len(session.engine.slowlog.entries)


@registry.command(
    "RESET",
    parent="slowlog",
    arity=2,
    flags=ADMIN | LOADING | STALE,
    since="2.2.12",
    complexity="O(N) for N entries",
    tips="request_policy:all_nodes response_policy:all_succeeded",
)
def slowlog_reset(session: Session, args: list[bytes]) -> object:
    """Empties the slow log."""
    session.engine.slowlog.entries.clear()
    return OK


@registry.command(
    "HELP", parent="slowlog", arity=2, flags=_ANYTIME, since="6.2.0", complexity="O(1)"
)
def slowlog_help(session: Session, args: list[bytes]) -> object:
    """Shows these lines."""
    return subcommands_help(session, args)


# LATENCY


@registry.command("LATENCY", arity=-2, flags=0, since="2.8.13", complexity="That of the subcommand")
def latency(session: Session, args: list[bytes]) -> object:
    """Commands about what took long."""
    raise AssertionError("the engine runs a subcommand, or refuses")


@registry.command(
    "LATEST",
    parent="latency",
    arity=2,
    flags=_OPERATOR,
    since="2.8.13",
    complexity="O(1)",
    tips=_ALL_NODES,
)
def latency_latest(session: Session, args: list[bytes]) -> object:
    """Shows the last and the worst spike of every kind of event."""
    events = session.engine.latency.events
    return [
        [event, spikes.samples[-1][0], spikes.samples[-1][1], spikes.worst_ms]
        for event, spikes in events.items()
    ]


@registry.command(
    "HISTORY event",
    parent="latency",
    arity=3,
    flags=_OPERATOR,
    since="2.8.13",
    complexity="O(1)",
    tips=_ALL_NODES,
)
def latency_history(session: Session, args: list[bytes]) -> object:
    """Shows when spikes of a kind happened, and how long they were in milliseconds."""
    spikes = session.engine.latency.events.get(_text(args[2]))
    return [] if spikes is None else [[when, ms] for when, ms in spikes.samples]


@registry.command(
    "RESET [event [event ...]]",
    parent="latency",
    arity=-2,
    flags=_OPERATOR,
    since="2.8.13",
    complexity="O(1)",
    tips="request_policy:all_nodes response_policy:agg_sum",
)
def latency_reset(session: Session, args: list[bytes]) -> object:
    """Forgets the spikes of the named kinds of events, or all; tells how many kinds there were."""
    return session.engine.latency.reset([_text(arg) for arg in args[2:]])


@registry.command(
    "GRAPH event",
    parent="latency",
    arity=3,
    flags=_OPERATOR,
    since="2.8.13",
    complexity="O(1)",
    tips=_ALL_NODES,
)
def latency_graph(session: Session, args: list[bytes]) -> object:
    """Draws the spikes of a kind of event."""
    engine = session.engine
    event = _text(args[2])
    spikes = engine.latency.events.get(event)
    if spikes is None:
        raise CommandError(b"ERR No samples available for event '" + args[2] + b"'")
    return Verbatim(graph(event, spikes, int(engine.core.clock.time())).encode())


@registry.command(
    "DOCTOR",
    parent="latency",
    arity=2,
    flags=_OPERATOR,
    since="2.8.13",
    complexity="O(1)",
    tips=_ALL_NODES,
)
def latency_doctor(session: Session, args: list[bytes]) -> object:
    """Explains what took long and what can be done about it."""
    return Verbatim(report(session.engine.latency).encode())


@registry.command(
    "HISTOGRAM [command [command ...]]",
    parent="latency",
    arity=-2,
    flags=_OPERATOR,
    since="7.0.0",
    complexity="O(N) for N commands",
    tips=_ALL_NODES,
)
def latency_histogram(session: Session, args: list[bytes]) -> object:
    """Shows how many calls of the named commands, or of all, took up to 1, 2, 4, ... microseconds."""
    table = session.engine.table
    if len(args) == 2:
        return _distributions(table.all())
    found = [table.named(name) for name in args[2:]]
    wanted: list[Command] = []
    for command in found:
        if command is not None:
            wanted.append(command)
            wanted.extend(command.subcommands.values())
    return _distributions(wanted)


def _distributions(commands: list[Command]) -> dict[object, object]:
    return {
        command.name: _distribution(command.latency)
        for command in commands
        if command.latency is not None
    }


def _distribution(histogram: Histogram) -> dict[object, object]:
    counts = histogram.cumulative_octaves()
    return {b"calls": int(histogram.total), b"histogram_usec": counts}


@registry.command(
    "HELP", parent="latency", arity=2, flags=_ANYTIME, since="2.8.13", complexity="O(1)"
)
def latency_help(session: Session, args: list[bytes]) -> object:
    """Shows these lines."""
    return subcommands_help(session, args)


def _text(event: bytes) -> str:
    return event.decode("utf-8", "replace")


# MONITOR


@registry.command("MONITOR", arity=1, flags=_OPERATOR, since="1.0.0", complexity="")
def monitor(session: Session, args: list[bytes]) -> object:
    """Shows the client every command that is executed from now on."""
    engine = session.engine
    if engine.core.is_inner:
        # In a transaction: lines of the monitor would mix with the replies of EXEC.
        raise CommandError(b"ERR MONITOR isn't allowed for DENY BLOCKING client")
    engine.monitors.add(session)
    return OK
