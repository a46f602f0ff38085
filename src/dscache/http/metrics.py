"""Metrics for Prometheus: everything that INFO has, and histograms.

They are made from the table of INFO's figures, so a figure that is declared there is a metric, too:
``dscache_`` and its name, and for a counter ``_total`` behind it. Lines that INFO has one of for each command
or database are declared here once more (``_LINES``), because there they are text. What has no number is a
label of ``dscache_info``; what is left out, and why, stands in ``LEFT_OUT``. ``docs/metrics.md`` is written
from ``METRICS``.

The figures are read in the thread that runs commands, O(commands + clients), which takes about as long as
INFO everything. The text, which takes several times that (10 ms, interpreted), is written in another thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector, CollectorRegistry

from dscache.engine.figures.figure import COUNTER, GAUGE, TEXT, Family, Figure
from dscache.engine.figures.table import SECTIONS

if TYPE_CHECKING:
    from dscache.engine.engine import Engine
    from dscache.engine.histogram import Histogram

HISTOGRAM: Final = "histogram"
INFO: Final = "info"

_PREFIX: Final = "dscache_"

#: Figures of INFO that are no metrics, and why.
LEFT_OUT: Final = {
    "used_memory_human": "used_memory says it as a number",
    "used_memory_rss_human": "used_memory_rss says it as a number",
    "used_memory_peak_human": "used_memory_peak says it as a number",
    "total_system_memory_human": "total_system_memory says it as a number",
    "maxmemory_human": "maxmemory says it as a number",
    "rdb_last_bgsave_error": "free text; rdb_last_bgsave_status says whether there is one",
    "aof_last_error": "free text; aof_last_write_status says whether there is one",
    "store_last_error": "free text; store_failing_seconds says whether there is one",
    "listener<n>": "text",
    "latency_percentiles_usec_<command>": "command_duration_seconds is the histogram that they are from",
    "disk_latency_percentiles_usec_<event>": (
        "load_, flush_ and fsync_duration_seconds are the histograms that they are from"
    ),
    "disk_latency_buckets_usec_<event>": "the same histograms, in finer buckets",
}

# Figures that say ok or err: gauges of 1 or 0.
_STATUSES: Final = ("rdb_last_bgsave_status", "aof_last_write_status")

# Edges of the histograms' buckets: powers of four, from 16 us to 67 s. What commands take lies near the
# first, what a disk in trouble takes near the last.
_EDGES_US: Final = [4**power for power in range(2, 14)]
_EDGES: Final = [repr(edge / 1_000_000) for edge in _EDGES_US]


class Described(NamedTuple):
    """One metric: its name without what its kind adds, its kind, its labels, and what it says."""

    name: str
    kind: str
    labels: tuple[str, ...]
    doc: str

    @property
    def series(self) -> tuple[str, ...]:
        """The names of its time series."""
        if self.kind == COUNTER:
            return (f"{self.name}_total",)
        if self.kind == HISTOGRAM:
            return tuple(f"{self.name}_{part}" for part in ("bucket", "count", "sum"))
        return (f"{self.name}_info",) if self.kind == INFO else (self.name,)


class _Field(NamedTuple):
    """A number in the lines of a family: its key there, and the metric that it is."""

    key: str
    metric: Described
    divisor: float = 1.0


class _Lines(NamedTuple):
    """A family of INFO's lines: what its names begin with, and the numbers in them."""

    family: str
    prefix: str
    fields: tuple[_Field, ...]


def _described(name: str, kind: str, doc: str, *labels: str) -> Described:
    return Described(_PREFIX + name, kind, labels, doc)


_LINES: Final = (
    _Lines(
        "cmdstat_<command>",
        "cmdstat_",
        (
            _Field(
                "calls",
                _described(
                    "command_calls", COUNTER, "Calls of a command that have run.", "command"
                ),
            ),
            _Field(
                "usec",
                _described(
                    "command_seconds",
                    COUNTER,
                    "Seconds that calls of a command took, waiting for the disk not included.",
                    "command",
                ),
                1_000_000.0,
            ),
            _Field(
                "rejected_calls",
                _described(
                    "command_rejected_calls",
                    COUNTER,
                    "Calls that were refused before they ran.",
                    "command",
                ),
            ),
            _Field(
                "failed_calls",
                _described(
                    "command_failed_calls", COUNTER, "Calls that ended in an error.", "command"
                ),
            ),
        ),
    ),
    _Lines(
        "errorstat_<code>",
        "errorstat_",
        (
            _Field(
                "count",
                _described(
                    "errors", COUNTER, "Errors with this code, the first word of the reply.", "code"
                ),
            ),
        ),
    ),
    _Lines(
        "db<n>",
        "db",
        (
            _Field("keys", _described("db_keys", GAUGE, "Keys of a database.", "db")),
            _Field(
                "expires",
                _described("db_expires", GAUGE, "Keys of a database that have a due time.", "db"),
            ),
            _Field(
                "subexpiry",
                _described(
                    "db_subexpiry",
                    GAUGE,
                    "Hashes of a database that have fields with due times.",
                    "db",
                ),
            ),
        ),
    ),
)

_COMMAND_DURATION: Final = _described(
    "command_duration_seconds",
    HISTOGRAM,
    "How long calls of a command took, waiting for the disk not included; only while latency-tracking is on.",
    "command",
)
_LOAD_DURATION: Final = _described(
    "load_duration_seconds", HISTOGRAM, "How long clients waited for keys from the disk."
)
_FLUSH_DURATION: Final = _described(
    "flush_duration_seconds",
    HISTOGRAM,
    "How long epochs took from their cut until they were on disk.",
)
_FSYNC_DURATION: Final = _described(
    "fsync_duration_seconds",
    HISTOGRAM,
    "How long the redo log took for a sync, with the writes that were handed over together with it.",
)


def _name(figure: Figure) -> str:
    return _PREFIX + figure.name.removeprefix(_PREFIX)


def _figures() -> Iterator[Figure]:
    for section in SECTIONS:
        for member in section.members:
            if isinstance(member, Figure) and member.name not in LEFT_OUT:
                yield member


# What a figure's metric is: those with a number, and the labels of dscache_info.
_NUMBERS: Final = [
    (
        figure,
        Described(_name(figure), GAUGE if figure.kind == TEXT else figure.kind, (), figure.doc),
    )
    for figure in _figures()
    if figure.kind != TEXT or figure.name in _STATUSES
]
_TEXTS: Final = [
    figure for figure in _figures() if figure.kind == TEXT and figure.name not in _STATUSES
]
_INFO: Final = Described(
    _PREFIX.rstrip("_"),
    INFO,
    tuple(figure.name for figure in _TEXTS),
    "What of INFO is text; the value is always 1.",
)

#: Every metric that there is.
METRICS: Final[list[Described]] = [
    *(metric for _, metric in _NUMBERS),
    *(field.metric for lines in _LINES for field in lines.fields),
    _COMMAND_DURATION,
    _LOAD_DURATION,
    _FLUSH_DURATION,
    _FSYNC_DURATION,
    _INFO,
]

_FAMILIES: Final = {
    member.name: member
    for section in SECTIONS
    for member in section.members
    if isinstance(member, Family)
}


class _Collected(Collector):
    """What has been read, for the library to write."""

    def __init__(self, families: list[Metric]) -> None:
        self._families: Final = families

    def collect(self) -> list[Metric]:
        return self._families


def _collect(engine: Engine) -> Iterator[Metric]:
    for figure, metric in _NUMBERS:
        value = figure.read(engine)
        number = float(value == "ok") if isinstance(value, str) else float(value)
        yield _single(metric, number)
    for lines in _LINES:
        yield from _of_lines(lines, engine)
    yield from _histograms(engine)
    info = InfoMetricFamily(_INFO.name, _INFO.doc)
    info.add_metric([], {figure.name: str(figure.read(engine)) for figure in _TEXTS})
    yield info


def _histograms(engine: Engine) -> Iterator[Metric]:
    commands = HistogramMetricFamily(
        _COMMAND_DURATION.name, _COMMAND_DURATION.doc, labels=_COMMAND_DURATION.labels
    )
    for command in engine.table.all():
        if command.latency is not None:
            _add(commands, [command.name], command.latency)
    yield commands
    latency = engine.latency
    for metric, histogram in (
        (_LOAD_DURATION, latency.loads),
        (_FLUSH_DURATION, latency.epochs),
        (_FSYNC_DURATION, latency.syncs),
    ):
        family = HistogramMetricFamily(metric.name, metric.doc)
        _add(family, [], histogram)
        yield family


def _single(metric: Described, value: float) -> Metric:
    if metric.kind == COUNTER:
        return CounterMetricFamily(metric.name, metric.doc, value=value)
    return GaugeMetricFamily(metric.name, metric.doc, value=value)


def _of_lines(lines: _Lines, engine: Engine) -> Iterator[Metric]:
    found = [
        (name.removeprefix(lines.prefix), dict(pair.split("=", 1) for pair in text.split(",")))
        for name, text in _FAMILIES[lines.family].read(engine)
    ]
    for field in lines.fields:
        metric = field.metric
        kind = CounterMetricFamily if metric.kind == COUNTER else GaugeMetricFamily
        family = kind(metric.name, metric.doc, labels=metric.labels)
        for label, values in found:
            family.add_metric([label], float(values[field.key]) / field.divisor)
        yield family


def _add(family: HistogramMetricFamily, labels: list[str], histogram: Histogram) -> None:
    counts = histogram.below(_EDGES_US)
    total = int(histogram.total)
    buckets = [(edge, float(count)) for edge, count in zip(_EDGES, counts, strict=True)]
    family.add_metric(
        labels, [*buckets, ("+Inf", float(total))], int(histogram.microseconds) / 1_000_000
    )


class Exposition:
    """All metrics of an engine as they are when it is made, in the thread that runs commands."""

    def __init__(self, engine: Engine) -> None:
        self._registry: Final = CollectorRegistry(auto_describe=False)
        self._registry.register(_Collected(list(_collect(engine))))

    def render(self, accept: str) -> tuple[bytes, str]:
        """The metrics in the form that the header Accept asks for, and its content type. In any thread."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type
