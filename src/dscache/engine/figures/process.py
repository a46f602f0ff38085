"""INFO's sections about the process: server, clients, CPU, and what dscache is to a cluster."""

from __future__ import annotations

import os
import platform
import resource
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from dscache import is_compiled
from dscache.engine.figures.figure import COUNTER, GAUGE, TEXT, Family, Figure, Section
from dscache.engine.version import DSCACHE_VERSION, REDIS_VERSION

if TYPE_CHECKING:
    from dscache.engine.engine import Engine

# Looked up once: it takes longer than all of the section.
_COMPILED: Final = int(is_compiled())

_SECONDS_PER_DAY: Final = 24 * 3600


def _system(engine: Engine) -> str:
    name = os.uname()
    return f"{name.sysname} {name.release} {name.machine}"


def _uptime_seconds(engine: Engine) -> int:
    return int(engine.core.clock.time() - engine.started_at)


def _listeners(engine: Engine) -> Iterable[tuple[str, str]]:
    config = engine.config
    found: list[str] = []
    if engine.counters.tcp_port:
        addresses = "".join(f",bind={address}" for address in config.bind)
        found.append(f"name=tcp{addresses},port={int(engine.counters.tcp_port)}")
    if config.unixsocket:
        found.append(f"name=unix,bind={config.unixsocket}")
    return [(f"listener{place}", text) for place, text in enumerate(found)]


SERVER: Final = Section(
    "Server",
    "Which program this is, and for how long it has been running.",
    [
        Figure(
            "redis_version",
            TEXT,
            "The version of Redis whose commands, replies and error texts are followed.",
            lambda engine: REDIS_VERSION,
        ),
        Figure(
            "dscache_version", TEXT, "The version of this program.", lambda engine: DSCACHE_VERSION
        ),
        Figure(
            "dscache_compiled",
            GAUGE,
            "1 if the hot path runs as native code; 0 if it is interpreted, several times slower.",
            lambda engine: _COMPILED,
        ),
        Figure("redis_mode", TEXT, "Always standalone.", lambda engine: "standalone"),
        Figure("os", TEXT, "Operating system, its release, and the hardware.", _system),
        Figure(
            "arch_bits",
            GAUGE,
            "Width of the machine's addresses in bits.",
            lambda engine: 64 if sys.maxsize > 2**32 else 32,
        ),
        Figure(
            "python_version",
            TEXT,
            "The interpreter's version.",
            lambda engine: platform.python_version(),
        ),
        Figure("process_id", GAUGE, "The process's number.", lambda engine: os.getpid()),
        Figure(
            "run_id",
            TEXT,
            "40 hexadecimal digits that are new with every start.",
            lambda engine: engine.counters.run_id,
        ),
        Figure(
            "tcp_port",
            GAUGE,
            "The port that the server listens on; 0 if it does not listen on TCP.",
            lambda engine: int(engine.counters.tcp_port),
        ),
        Figure(
            "server_time_usec",
            GAUGE,
            "The server's clock, in microseconds since 1970.",
            lambda engine: int(engine.core.clock.time() * 1_000_000),
        ),
        Figure("uptime_in_seconds", GAUGE, "Seconds since the start.", _uptime_seconds),
        Figure(
            "uptime_in_days",
            GAUGE,
            "Whole days since the start.",
            lambda engine: _uptime_seconds(engine) // _SECONDS_PER_DAY,
        ),
        Figure(
            "hz",
            GAUGE,
            "How many times a second the regular background work runs.",
            lambda engine: engine.config.hz,
        ),
        Figure(
            "configured_hz",
            GAUGE,
            "The directive hz; the same as hz, which does not adapt itself here.",
            lambda engine: engine.config.hz,
        ),
        Figure(
            "executable",
            TEXT,
            "The program that runs: the Python interpreter.",
            lambda engine: engine.counters.executable,
        ),
        Figure(
            "config_file",
            TEXT,
            "The configuration file that was read; empty if none was.",
            lambda engine: engine.counters.config_file,
        ),
        Family(
            "listener<n>",
            "name=<tcp or unix>,bind=<address>,...,port=<port>",
            "What the server listens on; for a Unix socket, bind is its path.",
            _listeners,
        ),
    ],
)


def _buffer_sizes(engine: Engine, which: int) -> int:
    return max((session.buffers()[which] for session in engine.sessions.values()), default=0)


def _watched_keys(engine: Engine) -> int:
    return len(engine.core.watchers)


CLIENTS: Final = Section(
    "Clients",
    "Who is connected. O(clients).",
    [
        Figure(
            "connected_clients",
            GAUGE,
            "Clients that are connected, those that monitor included.",
            lambda engine: len(engine.sessions),
        ),
        Figure(
            "maxclients",
            GAUGE,
            "How many may be connected at once: the directive maxclients.",
            lambda engine: engine.config.maxclients,
        ),
        Figure(
            "client_recent_max_input_buffer",
            GAUGE,
            "Bytes of the largest query buffer of a client now.",
            lambda engine: _buffer_sizes(engine, 0),
        ),
        Figure(
            "client_recent_max_output_buffer",
            GAUGE,
            "Bytes of the largest output buffer of a client now.",
            lambda engine: _buffer_sizes(engine, 1),
        ),
        Figure(
            "blocked_clients",
            GAUGE,
            "Clients that wait in a blocking command (BLPOP, WAIT and their like), or for the end of"
            " CLIENT PAUSE. Who waits for the disk or for room is counted in the section cache.",
            lambda engine: engine.blocking.clients + engine.room.paused_clients,
        ),
        Figure(
            "total_blocking_keys",
            GAUGE,
            "Keys that blocked clients wait for.",
            lambda engine: engine.blocking.keys,
        ),
        Figure(
            "total_blocking_keys_on_nokey",
            GAUGE,
            "Those of them whose deletion would end the waiting, too.",
            lambda engine: engine.blocking.keys_even_if_gone,
        ),
        Figure(
            "tracking_clients",
            GAUGE,
            "Clients that are told of changes (CLIENT TRACKING).",
            lambda engine: engine.tracking.clients,
        ),
        Figure(
            "pubsub_clients",
            GAUGE,
            "Clients that are subscribed to a channel, pattern or shard channel.",
            lambda engine: engine.pubsub.clients,
        ),
        Figure(
            "watching_clients",
            GAUGE,
            "Clients that WATCH a key.",
            lambda engine: sum(bool(session.watched) for session in engine.sessions.values()),
        ),
        Figure("total_watched_keys", GAUGE, "Keys that somebody WATCHes.", _watched_keys),
    ],
)


def _times(who: int) -> tuple[float, float]:
    """(system, user) seconds of the processor."""
    usage = resource.getrusage(who)
    return usage.ru_stime, usage.ru_utime


def _cpu_figure(name: str, whose: str, who: int, which: int) -> Figure:
    mode = "in the kernel" if which == 0 else "in the program"
    return Figure(
        name,
        COUNTER,
        f"Seconds of processor time {mode} of {whose}.",
        lambda engine: _times(who)[which],
        digits=6,
    )


CPU: Final = Section(
    "CPU",
    "The processor time that was used.",
    [
        _cpu_figure("used_cpu_sys", "all threads", resource.RUSAGE_SELF, 0),
        _cpu_figure("used_cpu_user", "all threads", resource.RUSAGE_SELF, 1),
        _cpu_figure("used_cpu_sys_children", "ended child processes", resource.RUSAGE_CHILDREN, 0),
        _cpu_figure("used_cpu_user_children", "ended child processes", resource.RUSAGE_CHILDREN, 1),
        _cpu_figure(
            "used_cpu_sys_main_thread", "the thread of commands", resource.RUSAGE_THREAD, 0
        ),
        _cpu_figure(
            "used_cpu_user_main_thread", "the thread of commands", resource.RUSAGE_THREAD, 1
        ),
    ],
)


REPLICATION: Final = Section(
    "Replication",
    "dscache does not replicate; clients ask for this section to learn the role.",
    [
        Figure("role", TEXT, "Always master.", lambda engine: "master"),
        Figure("connected_slaves", GAUGE, "Always 0.", lambda engine: 0),
        Figure(
            "master_replid",
            TEXT,
            "Identifies the history of the data set: here, the same as run_id.",
            lambda engine: engine.counters.run_id,
        ),
        Figure("master_repl_offset", COUNTER, "Always 0.", lambda engine: 0),
    ],
)


MODULES: Final = Section("Modules", "Loaded modules: there are none.", [])


CLUSTER: Final = Section(
    "Cluster",
    "Whether the server is part of a cluster.",
    [Figure("cluster_enabled", GAUGE, "Always 0.", lambda engine: 0)],
)
