"""INFO's sections about what the server has done: totals, rates, and statistics of commands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from dscache.engine.acl_user import DENIED_AUTH, DENIED_CHANNEL, DENIED_COMMAND, DENIED_KEY
from dscache.engine.figures.figure import COUNTER, GAUGE, Family, Figure, Section

if TYPE_CHECKING:
    from dscache.engine.engine import Engine
    from dscache.engine.histogram import Histogram

_KILOBYTE: Final = 1024

STATS: Final = Section(
    "Stats",
    "Totals since the start or the last CONFIG RESETSTAT, and present rates.",
    [
        Figure(
            "total_connections_received",
            COUNTER,
            "Connections that were accepted, those turned away included.",
            lambda engine: int(engine.counters.connections_received),
        ),
        Figure(
            "total_commands_processed",
            COUNTER,
            "Commands that have run.",
            lambda engine: int(engine.total_commands),
        ),
        Figure(
            "instantaneous_ops_per_sec",
            GAUGE,
            "Commands a second, over the last two seconds.",
            lambda engine: round(engine.counters.operations.per_second()),
        ),
        Figure(
            "total_net_input_bytes",
            COUNTER,
            "Bytes that clients have sent.",
            lambda engine: int(engine.counters.net_input_bytes),
        ),
        Figure(
            "total_net_output_bytes",
            COUNTER,
            "Bytes that were sent to clients.",
            lambda engine: int(engine.counters.net_output_bytes),
        ),
        Figure(
            "instantaneous_input_kbps",
            GAUGE,
            "KiB a second that clients send, over the last two seconds.",
            lambda engine: engine.counters.input_bytes.per_second() / _KILOBYTE,
        ),
        Figure(
            "instantaneous_output_kbps",
            GAUGE,
            "KiB a second that are sent to clients, over the last two seconds.",
            lambda engine: engine.counters.output_bytes.per_second() / _KILOBYTE,
        ),
        Figure(
            "rejected_connections",
            COUNTER,
            "Connections that were turned away: too many of them (maxclients), or from outside in"
            " protected mode.",
            lambda engine: int(engine.counters.connections_rejected),
        ),
        Figure(
            "expired_keys",
            COUNTER,
            "Keys that were deleted because their time had come.",
            lambda engine: int(engine.core.stats.expired_keys),
        ),
        Figure(
            "expired_subkeys",
            COUNTER,
            "Fields of hashes that were removed because their time had come.",
            lambda engine: int(engine.core.stats.expired_fields),
        ),
        Figure(
            "evicted_keys",
            COUNTER,
            "Always 0: full memory never costs a key. cache_evicted counts what left memory.",
            lambda engine: 0,
        ),
        Figure(
            "evicted_scripts",
            COUNTER,
            "Scripts of EVAL that were forgotten because there were too many.",
            lambda engine: engine.scripts.evicted,
        ),
        Figure(
            "keyspace_hits",
            COUNTER,
            "Lookups by reading commands of keys that exist, in memory or on disk.",
            lambda engine: int(engine.core.stats.keyspace_hits),
        ),
        Figure(
            "keyspace_misses",
            COUNTER,
            "Lookups by reading commands of keys that do not exist.",
            lambda engine: int(engine.core.stats.keyspace_misses),
        ),
        Figure(
            "pubsub_channels",
            GAUGE,
            "Channels that somebody is subscribed to.",
            lambda engine: len(engine.pubsub.channels.subscribers),
        ),
        Figure(
            "pubsub_patterns",
            GAUGE,
            "Patterns that somebody is subscribed to.",
            lambda engine: len(engine.pubsub.patterns.subscribers),
        ),
        Figure(
            "pubsubshard_channels",
            GAUGE,
            "Shard channels that somebody is subscribed to.",
            lambda engine: len(engine.pubsub.shard_channels.subscribers),
        ),
        Figure(
            "latest_fork_usec",
            GAUGE,
            "Always 0: the server never forks.",
            lambda engine: 0,
        ),
        Figure(
            "tracking_total_keys",
            GAUGE,
            "Keys in the invalidation table of client-side caching: tracked clients have read them.",
            lambda engine: engine.tracking.keys,
        ),
        Figure(
            "tracking_total_items",
            GAUGE,
            "Readers of all these keys, those that have left meanwhile included.",
            lambda engine: int(engine.tracking.items),
        ),
        Figure(
            "tracking_total_prefixes",
            GAUGE,
            "Prefixes that clients have named in the broadcasting mode.",
            lambda engine: engine.tracking.prefixes,
        ),
        Figure(
            "unexpected_error_replies",
            COUNTER,
            "Commands that failed because of a defect of the server; its log has the details.",
            lambda engine: int(engine.unexpected_errors),
        ),
        Figure(
            "total_error_replies",
            COUNTER,
            "Requests that were answered with an error.",
            lambda engine: int(engine.total_errors),
        ),
        Figure(
            "client_query_buffer_limit_disconnections",
            COUNTER,
            "Clients that were disconnected because they sent more ahead than"
            " client-query-buffer-limit.",
            lambda engine: int(engine.counters.client_query_buffer_limit_disconnections),
        ),
        Figure(
            "evicted_clients",
            COUNTER,
            "Clients that were disconnected because all together took more than maxmemory-clients.",
            lambda engine: int(engine.counters.evicted_clients),
        ),
        Figure(
            "client_output_buffer_limit_disconnections",
            COUNTER,
            "Clients that were disconnected because they did not read their replies"
            " (client-output-buffer-limit).",
            lambda engine: int(engine.counters.client_output_buffer_limit_disconnections),
        ),
        Figure(
            "acl_access_denied_auth",
            COUNTER,
            "Attempts to log in with a wrong password, as nobody known, or as somebody who is off.",
            lambda engine: engine.acl.log.denied(DENIED_AUTH),
        ),
        Figure(
            "acl_access_denied_cmd",
            COUNTER,
            "Requests that were refused because the user may not call the command.",
            lambda engine: engine.acl.log.denied(DENIED_COMMAND),
        ),
        Figure(
            "acl_access_denied_key",
            COUNTER,
            "Requests that were refused because of a key.",
            lambda engine: engine.acl.log.denied(DENIED_KEY),
        ),
        Figure(
            "acl_access_denied_channel",
            COUNTER,
            "Requests that were refused because of a channel.",
            lambda engine: engine.acl.log.denied(DENIED_CHANNEL),
        ),
    ],
)


def _command_lines(engine: Engine) -> Iterable[tuple[str, str]]:
    for command in engine.table.all():
        calls = int(command.calls)
        if not (calls or command.rejected_calls or command.failed_calls):
            continue
        microseconds = command.seconds * 1_000_000
        per_call = microseconds / calls if calls else 0.0
        yield (
            f"cmdstat_{command.name}",
            (
                f"calls={calls},usec={int(microseconds)},usec_per_call={per_call:.2f}"
                f",rejected_calls={int(command.rejected_calls)}"
                f",failed_calls={int(command.failed_calls)}"
            ),
        )


COMMAND_STATS: Final = Section(
    "Commandstats",
    "A line for each command that was called. O(commands).",
    [
        Family(
            "cmdstat_<command>",
            "calls=<n>,usec=<us>,usec_per_call=<us>,rejected_calls=<n>,failed_calls=<n>",
            "Calls that have run and the microseconds that they took, waiting for the disk not"
            " included (in a pipeline from the end of the call before, with the parsing of the request);"
            " calls that were refused before they ran; calls that ended in an error.",
            _command_lines,
        )
    ],
    is_default=False,
)


def _error_lines(engine: Engine) -> Iterable[tuple[str, str]]:
    for code in sorted(engine.errors):
        name = code.decode("utf-8", "replace").replace(":", "_")
        yield f"errorstat_{name}", f"count={engine.errors[code]}"


ERROR_STATS: Final = Section(
    "Errorstats",
    "A line for each kind of error that was answered.",
    [
        Family(
            "errorstat_<code>",
            "count=<n>",
            "Errors with this code, the first word of the error reply.",
            _error_lines,
        )
    ],
)


def _latency_lines(engine: Engine) -> Iterable[tuple[str, str]]:
    if not engine.latency_tracking:
        return
    percentiles = engine.config.latency_tracking_info_percentiles
    for command in engine.table.all():
        histogram = command.latency
        if histogram is None:
            continue
        text = _percentiles_text(histogram, percentiles)
        yield f"latency_percentiles_usec_{command.name}", text


def _percentiles_text(histogram: Histogram, percentiles: Sequence[float]) -> str:
    return ",".join(
        f"p{_percentile_text(p)}={histogram.quantile(p / 100):.3f}" for p in percentiles
    )


def _percentile_text(percentile: float) -> str:
    return f"{percentile:.6f}".rstrip("0").rstrip(".")


def _disk_percentile_lines(engine: Engine) -> Iterable[tuple[str, str]]:
    percentiles = engine.config.latency_tracking_info_percentiles
    for event, histogram in engine.latency.disk_histograms():
        if histogram.total:
            yield (
                f"disk_latency_percentiles_usec_{event}",
                _percentiles_text(histogram, percentiles),
            )


def _disk_bucket_lines(engine: Engine) -> Iterable[tuple[str, str]]:
    for event, histogram in engine.latency.disk_histograms():
        if histogram.total:
            buckets = histogram.buckets().items()
            text = ",".join(f"{longest}={count}" for longest, count in buckets)
            yield f"disk_latency_buckets_usec_{event}", text


LATENCY_STATS: Final = Section(
    "Latencystats",
    "How long the calls of each command took, unless latency-tracking is off, and how long the disk took."
    " O(commands).",
    [
        Family(
            "latency_percentiles_usec_<command>",
            "p50=<us>,p99=<us>,p99.9=<us>",
            "Microseconds that so many per cent of the calls did not exceed, at most 6 % too high."
            " The directive latency-tracking-info-percentiles says which are shown.",
            _latency_lines,
        ),
        Family(
            "disk_latency_percentiles_usec_<event>",
            "p50=<us>,p99=<us>,p99.9=<us>",
            "The same of the disk: <event> is load (a client's wait for keys), epoch (from its cut until it"
            " is on disk) or sync (of the redo log). There is no line before the first of them.",
            _disk_percentile_lines,
        ),
        Family(
            "disk_latency_buckets_usec_<event>",
            "<us>=<n>,...",
            "What these percentiles are read from: n of the events took so many microseconds, or up to 6 %"
            " less. What two INFOs differ by are the events between them.",
            _disk_bucket_lines,
        ),
    ],
    is_default=False,
)
