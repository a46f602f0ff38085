"""What LATENCY GRAPH and LATENCY DOCTOR show of the latency monitor's spikes: text for people."""

from __future__ import annotations

from typing import Final

from dscache.engine.latency import LatencyMonitor, Spikes

# The newest spikes that a graph shows, one a column, and its height.
_COLUMNS: Final = 80
_ROWS: Final = 4

# From the bottom of a row to its top.
_STEPS: Final = "_o#"

#: What to do about spikes of a kind.
_ADVICE: Final = {
    "command": "Commands were slow by themselves. SLOWLOG GET shows which; look for commands that go"
    " through a whole large value, or through all keys.",
    "fast-command": "Commands that are cheap were slow, so the process did not get the processor, or"
    " its memory was swapped out. Look at the load of the machine.",
    "load": "Clients waited for keys that were not in memory. If INFO cache shows a low"
    " cache_hit_ratio, give more maxmemory; if not, the disk is slow to read, or disk-threads is too"
    " low for it. Nobody else was held up.",
    "epoch": "It took long until changes were on disk. The disk is slow to write, or busy with other"
    " programs. Clients are held up only when memory is full of changes (INFO cache:"
    " cache_writers_waiting).",
    "expire-cycle": "Deleting expired keys took long: very many were due at once. Spread their due"
    " times, or lower active-expire-effort.",
    "eviction-cycle": "Making room in memory took long. Values of very different size, or a"
    " maxmemory that was lowered a moment ago, do that.",
}


def age_text(seconds: int) -> str:
    """How long ago: ``5s``, ``12m``, ``3h``, ``2d``."""
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= length:
            return f"{seconds // length}{unit}"
    return f"{max(seconds, 0)}s"


def graph(event: str, spikes: Spikes, now: int) -> str:
    """The newest spikes of a kind as columns of characters, each with its age beneath it."""
    samples = list(spikes.samples)[-_COLUMNS:]
    heights = [ms for _, ms in samples]
    highest = max(heights)
    lowest = min(heights)
    lines = [
        f"{event} - high {highest} ms, low {lowest} ms (all time high {spikes.worst_ms} ms)",
        "-" * _COLUMNS,
    ]
    # A column's height in steps; the lowest spike is one step high.
    most = _ROWS * len(_STEPS)
    span = max(highest - lowest, 1)
    columns = [1 + (ms - lowest) * (most - 1) // span for ms in heights]
    for row in reversed(range(_ROWS)):
        lines.append("".join(_cell(column - row * len(_STEPS)) for column in columns).rstrip())
    lines.append("")
    ages = [age_text(now - when) for when, _ in samples]
    for place in range(max(map(len, ages))):
        lines.append("".join(age[place : place + 1] or " " for age in ages).rstrip())
    return "\n".join(lines) + "\n"


def _cell(steps: int) -> str:
    return _STEPS[min(steps, len(_STEPS)) - 1] if steps > 0 else " "


def report(monitor: LatencyMonitor) -> str:
    """What was slow, how often and how badly, and what can be done about it."""
    if not monitor.events:
        if monitor.threshold_ms == 0:
            return (
                "The latency monitor is off. CONFIG SET latency-monitor-threshold <milliseconds>"
                " turns it on: whatever takes at least that long is remembered from then on.\n"
            )
        return f"Nothing has taken {monitor.threshold_ms} ms or more so far.\n"
    lines: list[str] = []
    for event in sorted(monitor.events):
        spikes = monitor.events[event]
        lines.append(f"{event}: {_statistics(spikes)}")
        advice = _ADVICE.get(event)
        if advice:
            lines.append(f"    {advice}")
    return "\n".join(lines) + "\n"


def _statistics(spikes: Spikes) -> str:
    samples = list(spikes.samples)
    count = len(samples)
    mean = sum(ms for _, ms in samples) / count
    deviation = sum(abs(ms - mean) for _, ms in samples) / count
    text = f"{count} spikes" if count > 1 else "1 spike"
    text += f", on average {mean:.0f} ms (mean deviation {deviation:.0f} ms)"
    if count > 1:
        period = (samples[-1][0] - samples[0][0]) / (count - 1)
        text += f", one every {period:.0f} s"
    return f"{text}, the worst ever {spikes.worst_ms} ms."
