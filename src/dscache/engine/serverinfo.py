"""What INFO says of the process and its connections, and the rates that it samples.

The counters belong to those who serve clients (``dscache.server`` counts there); they live with the
engine so that INFO, which does not know sockets, can show them. Without a server they stay at zero.

A rate such as ``instantaneous_ops_per_sec`` is the mean of the last 16 differences, taken about ten
times a second by ``Engine.tick``, as in Redis: it follows a change within two seconds.
"""

from __future__ import annotations

import secrets
from collections import deque
from typing import Final

from mypy_extensions import i64

_SAMPLES: Final = 16
# A little less than the tenth of a second between two ticks, which may come early.
_LEAST_INTERVAL_SECONDS: Final = 0.09


class Rate:
    """How fast a counter grows, per second."""

    def __init__(self) -> None:
        self._samples: Final[deque[float]] = deque(maxlen=_SAMPLES)
        self._last_total: i64 = 0
        self._last_time = 0.0

    def sample(self, now: float, total: i64) -> None:
        """Note that the counter stands at ``total`` at ``now`` (seconds of any steady clock).

        More than ten samples a second are ignored, so that a high ``hz`` does not shorten the time
        that the mean covers. A counter that was reset starts anew.
        """
        elapsed = now - self._last_time
        if self._last_time and 0.0 <= elapsed < _LEAST_INTERVAL_SECONDS:
            return
        grown: i64 = total - self._last_total
        if self._last_time and elapsed > 0.0 and grown >= 0:
            self._samples.append(int(grown) / elapsed)
        self._last_time = now
        self._last_total = total

    def per_second(self) -> float:
        """The mean of the samples; 0 as long as there is none."""
        return sum(self._samples) / len(self._samples) if self._samples else 0.0


class ServerCounters:
    """See the module's docstring. Only the event loop's thread touches them."""

    def __init__(self) -> None:
        #: Identifies this run of the process.
        self.run_id: Final = secrets.token_hex(20)
        self.tcp_port: i64 = 0
        self.executable = ""
        #: When ``net_input_bytes`` is beyond this, what clients hold is to be looked at again.
        self.look_at_clients_at: i64 = 0
        self.config_file = ""
        #: The most that counted against maxmemory.
        self.peak_used_bytes: i64 = 0
        self.operations: Final = Rate()
        self.input_bytes: Final = Rate()
        self.output_bytes: Final = Rate()
        self.reset()

    def reset(self) -> None:
        """CONFIG RESETSTAT: counters begin anew; what is a fact stays."""
        self.connections_received: i64 = 0
        self.connections_rejected: i64 = 0
        self.net_input_bytes: i64 = 0
        self.net_output_bytes: i64 = 0
        #: Clients that were disconnected because they sent too much ahead, or did not read.
        self.client_query_buffer_limit_disconnections: i64 = 0
        self.client_output_buffer_limit_disconnections: i64 = 0
        #: Clients that were disconnected because all together took more than maxmemory-clients.
        self.evicted_clients: i64 = 0

    def note_used(self, used_bytes: i64) -> None:
        """So much of maxmemory is taken now."""
        self.peak_used_bytes = max(self.peak_used_bytes, used_bytes)

    def sample(self, now: float, commands: i64) -> None:
        """Take samples: ``commands`` have been carried out so far."""
        self.operations.sample(now, commands)
        self.input_bytes.sample(now, self.net_input_bytes)
        self.output_bytes.sample(now, self.net_output_bytes)
