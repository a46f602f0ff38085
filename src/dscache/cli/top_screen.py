"""What ``dscache top`` shows: one screen of text made from readings, whatever size the terminal has.

The lines at the top are the same everywhere; below them are lists, side by side, as many as the width has
room for and as long as the height allows.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dscache.cli.key_sampling import KeySample
from dscache.cli.quantities import (
    bar,
    bytes_text,
    count_text,
    milliseconds_text,
    seconds_text,
    sparkline,
)
from dscache.cli.readings import DISK_EVENTS, CommandUse, Readings

#: What the list of commands can be sorted by.
ORDERS: Final = ("time", "calls", "per call")

_LABEL_COLUMNS: Final = 8
#: Of the rates: name and value.
_NAME_COLUMNS: Final = 11
_VALUE_COLUMNS: Final = 10
_REMEMBERED: Final = 200
#: From this width on all lists stand side by side.
_WIDE_COLUMNS: Final = 140
_LISTS_LEAST_ROWS: Final = 4
#: A share of the bound that is worth a warning, and one that is worth another.
_HIGH, _FULL = 0.85, 0.97

#: The counters whose rates have a sparkline.
_COUNTERS: Final = (
    "total_commands_processed", "cache_loads", "cache_evicted", "evicted_keys", "total_net_input_bytes",
    "total_net_output_bytes",
)  # fmt: skip


@dataclass(slots=True)
class View:
    """What is on the screen beside the readings."""

    address: str
    #: By the name of what was measured, the latest last.
    history: dict[str, deque[float]] = field(default_factory=dict)
    order: str = ORDERS[0]
    #: The keys that do something, where there is a keyboard.
    help: str = ""
    is_paused: bool = False
    #: Why there is nothing new; empty if there is.
    trouble: str = ""

    def remember(self, readings: Readings) -> None:
        """Note what sparklines show."""
        self._note("hit_ratio", readings.hit_ratio())
        for name in _COUNTERS:
            self._note(name, readings.rate(name))

    def _note(self, name: str, value: float | None) -> None:
        if value is not None:
            self.history.setdefault(name, deque(maxlen=_REMEMBERED)).append(value)

    def next_order(self) -> None:
        """Sort by the next thing."""
        self.order = ORDERS[(ORDERS.index(self.order) + 1) % len(ORDERS)]


# The screen


def screen(
    view: View,
    readings: Readings | None,
    biggest: list[KeySample],
    hottest: list[KeySample],
    columns: int,
    rows: int,
) -> RenderableType:
    """Everything, for a terminal of that size. ``rows`` may be 0: as many as it takes."""
    if readings is None:
        return Text(f"{view.address}: {view.trouble or 'connecting'}")
    lines = [
        _title(view, readings, columns),
        *_rates(view, readings, columns),
        *_memory(readings, columns),
        *_disk(readings),
        *_clients(readings),
        Text(),
    ]
    for line in lines:
        line.truncate(columns)
    room = rows - len(lines) - 1 if rows else 20
    parts: list[RenderableType] = [*lines]
    if room >= _LISTS_LEAST_ROWS:
        parts.append(_lists(view, readings, biggest, hottest, columns, room))
    return Group(*parts)


def _line(label: str, *parts: str, style: str = "") -> Text:
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(label.ljust(_LABEL_COLUMNS), "bold cyan")
    text.append(", ".join(part for part in parts if part), style)
    return text


def _title(view: View, readings: Readings, columns: int) -> Text:
    own = readings.text("dscache_version")
    if own:
        program = f"dscache {own}"
    elif readings.text("valkey_version"):
        program = f"Valkey {readings.text('valkey_version')}"
    else:
        program = f"Redis {readings.text('redis_version')}"
    up = seconds_text(readings.number("uptime_in_seconds") or 0)
    left = f"{program} at {view.address}, {readings.keys():,} keys, up {up}"
    right = view.trouble or ("paused" if view.is_paused else view.help)
    remark = ", interpreted" if readings.text("dscache_compiled") == "0" else ""
    if len(left) + len(remark) + len(right) < columns:
        left += remark
    # Trouble goes before the title, the title before the help.
    if len(left) + len(right) >= columns:
        right = right if right != view.help else ""
        left = left[: max(columns - len(right) - 1, 0)]
    gap = columns - len(left) - len(right)
    style = "bold white on red" if view.trouble else "reverse"
    return Text(left + " " * gap + right, style, no_wrap=True)


def _rates(view: View, readings: Readings, columns: int) -> list[Text]:
    ratio = readings.hit_ratio()
    has_disk = readings.number("cache_loads") is not None
    evicted = "cache_evicted" if has_disk else "evicted_keys"
    cells = [
        ("commands/s", count_text(readings.rate("total_commands_processed")), "total_commands_processed"),
        ("hit ratio", "-" if ratio is None else f"{100 * ratio:.1f} %", "hit_ratio"),
        ("loads/s", count_text(readings.rate("cache_loads")), "cache_loads"),
        ("evicted/s", count_text(readings.rate(evicted)), evicted),
        ("in/s", bytes_text(readings.rate("total_net_input_bytes")), "total_net_input_bytes"),
        ("out/s", bytes_text(readings.rate("total_net_output_bytes")), "total_net_output_bytes"),
    ]  # fmt: skip
    half = columns // 2
    lines: list[Text] = []
    for left, right in zip(cells[0::2], cells[1::2], strict=True):
        line = Text(no_wrap=True)
        for label, value, name in (left, right):
            spark_columns = half - _NAME_COLUMNS - _VALUE_COLUMNS - 2
            top = 1.0 if name == "hit_ratio" else 0.0
            spark = sparkline(view.history.get(name, ()), spark_columns, top)
            line.append(label.ljust(_NAME_COLUMNS), "bold cyan")
            line.append(value.rjust(_VALUE_COLUMNS) + " ")
            line.append(spark.rjust(spark_columns) + " ", "green")
        lines.append(line)
    return lines


def _memory(readings: Readings, columns: int) -> list[Text]:
    used, bound = readings.number("used_memory"), readings.number("maxmemory")
    rss = f"process {bytes_text(readings.number('used_memory_rss'))}"
    share = readings.memory_share()
    if share is None:
        return [_line("memory", f"{bytes_text(used)} of no bound", rss)]
    said = f" {100 * share:.0f} % of {bytes_text(bound)}, {rss}"
    line = _line("memory")
    style = "red" if share >= _FULL else "yellow" if share >= _HIGH else "green"
    line.append(bar(share, max(columns - _LABEL_COLUMNS - len(said) - 1, 5)), style)
    line.append(said)
    parts = [
        f"{name} {bytes_text(readings.number(field_name))}"
        for name, field_name in (
            ("entries", "mem_entries"),
            ("absent", "mem_negative_cache"),
            ("saving", "mem_saving_epoch"),
            ("store", "mem_store"),
            ("clients", "mem_clients_normal"),
        )
        if readings.number(field_name)
    ]
    return [line, _line("", *parts)]


def _disk(readings: Readings) -> list[Text]:
    lines: list[Text] = []
    if readings.text("store_engine"):
        dirty = readings.number("cache_dirty_keys")
        lines.append(
            _line(
                "dirty",
                f"{count_text(dirty)} keys ({bytes_text(readings.number('cache_dirty_bytes'))})",
                f"{count_text(readings.number('cache_saving_keys'))} being saved",
                f"the oldest change {count_text(readings.number('store_oldest_dirty_ms'))} ms old",
            )
        )
        lines.append(
            _line(
                "disk",
                f"{count_text(readings.rate('store_epochs'))} epochs/s"
                f" ({count_text(readings.number('store_last_commit_ms'))} ms)",
                f"reads {bytes_text(readings.rate('store_bytes_read'))}/s",
                f"writes {bytes_text(readings.rate('store_bytes_written'))}/s",
                f"size {bytes_text(readings.number('store_size_bytes'))}",
            )
        )
        lines.append(_line("p50/p99", *_latencies(readings)))
        failing = readings.number("store_failing_seconds")
        if failing:
            why = readings.text("store_last_error")
            lines.append(
                _line("FAILING", f"no commit for {seconds_text(failing)}: {why}", style="bold red")
            )
    elif readings.text("rdb_changes_since_last_save"):
        changes = count_text(readings.number("rdb_changes_since_last_save"))
        lines.append(_line("dirty", f"{changes} changes since the last RDB file"))
    if readings.number("aof_enabled"):
        sync = readings.number("aof_last_sync_ms")
        lines.append(
            _line(
                "log",
                bytes_text(readings.number("aof_current_size")),
                f"{bytes_text(readings.number('aof_buffer_length'))} not on disk",
                "" if sync is None else f"the last sync {count_text(sync)} ms",
                f"{count_text(readings.number('aof_delayed_fsync'))} late so far",
            )
        )
    return lines


def _latencies(readings: Readings) -> list[str]:
    known = {one.event: one for one in readings.disk_latencies()}
    found: list[str] = []
    for event in DISK_EVENTS:
        one = known.get(event)
        if one is None:
            found.append(f"{event} -")
            continue
        ever = "" if one.is_recent else " ever"
        found.append(
            f"{event} {milliseconds_text(one.p50_ms)}/{milliseconds_text(one.p99_ms)} ms{ever}"
        )
    return found


def _clients(readings: Readings) -> list[Text]:
    waiting = readings.number("cache_waiting_clients")
    writers = readings.number("cache_writers_waiting")
    errors = readings.rate("total_error_replies")
    lines = [
        _line(
            "clients",
            f"{count_text(readings.number('connected_clients'))} connected",
            "" if waiting is None else f"{count_text(waiting)} wait for the disk",
            "" if writers is None else f"{count_text(writers)} for room",
            f"{count_text(readings.number('blocked_clients'))} blocked",
            "" if not errors else f"{count_text(errors)} errors/s",
            f"ping {readings.ping_ms:.1f} ms",
        )
    ]
    if readings.spikes:
        spikes = [
            f"{event} {last} ms (worst {worst} ms)"
            for event, (last, worst) in readings.spikes.items()
        ]
        lines.append(_line("spikes", *spikes))
    return lines


# The lists


def _lists(
    view: View,
    readings: Readings,
    biggest: list[KeySample],
    hottest: list[KeySample],
    columns: int,
    rows: int,
) -> RenderableType:
    waiting = readings.waiting()
    side_by_side = Table.grid(expand=True, padding=(0, 1))
    if columns >= _WIDE_COLUMNS:
        for share in (5, 5, 4, 4):
            side_by_side.add_column(ratio=share)
        side_by_side.add_row(
            _command_list(readings.commands(), view.order, rows - 1),
            _waiting_list(readings, rows - 1),
            _size_list(biggest, rows - 1),
            _heat_list(hottest, rows - 1),
        )
        return side_by_side
    for _ in range(2):
        side_by_side.add_column(ratio=1)
    lower = rows // 2
    left: list[RenderableType] = [
        _command_list(readings.commands(), view.order, (rows - lower if waiting else rows) - 1)
    ]
    if waiting:
        left.append(_waiting_list(readings, lower - 1))
    side_by_side.add_row(
        Group(*left),
        Group(_size_list(biggest, rows - lower - 1), _heat_list(hottest, lower - 1)),
    )
    return side_by_side


def _list(*titles: str) -> Table:
    """An empty list; all columns but the first are figures."""
    made = Table(box=None, expand=True, padding=(0, 1, 0, 0), header_style="bold cyan")
    made.add_column(titles[0], no_wrap=True, overflow="ellipsis", ratio=1)
    for title in titles[1:]:
        made.add_column(title, no_wrap=True, justify="right")
    return made


def _command_list(commands: list[CommandUse], order: str, rows: int) -> Table:
    sorts = {
        "time": (lambda one: -one.busy),
        "calls": (lambda one: -one.calls_per_second),
        "per call": (lambda one: -one.us_per_call),
    }
    marks = [f"{title}{'↓' if order == by else ''}" for title, by in _COMMAND_COLUMNS]
    made = _list("command", *marks)
    for one in sorted(commands, key=sorts[order])[:rows]:
        made.add_row(
            one.name,
            count_text(one.calls_per_second),
            f"{100 * one.busy:.1f}",
            count_text(one.us_per_call),
        )
    return made


_COMMAND_COLUMNS: Final = (("calls/s", "calls"), ("% time", "time"), ("µs each", "per call"))


def _waiting_list(readings: Readings, rows: int) -> Table:
    made = _list("who waits", "command", "for", "ms")
    for one in readings.waiting()[:rows]:
        made.add_row(one.address, one.command, one.reason, count_text(one.ms))
    return made


def _size_list(keys: list[KeySample], rows: int) -> Table:
    made = _list("biggest in memory", "size")
    for one in keys[:rows]:
        made.add_row(_name_text(one.name), bytes_text(one.size_bytes))
    return made


def _heat_list(keys: list[KeySample], rows: int) -> Table:
    counts = any(one.frequency is not None for one in keys)
    made = _list("hottest in memory" if counts else "used last", "uses" if counts else "idle")
    for one in keys[:rows]:
        idle = "-" if one.idle_s is None else f"{one.idle_s} s"
        made.add_row(_name_text(one.name), str(one.frequency) if counts else idle)
    return made


def _name_text(name: bytes) -> Text:
    """A key's name, which may be anything, as one line of visible characters."""
    text = name.decode("utf-8", "backslashreplace")
    return Text("".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text))
