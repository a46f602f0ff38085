"""Settings: how directives take effect in the engine, at start and by CONFIG SET.

Each group of directives has a function here that takes the configuration's present values into use.
``apply_settings`` calls the cheap ones once, because the parts that they set up begin with Redis's
defaults; the eviction policy and the memory bound are what the engine was made with. All of them run
again whenever one of their directives changes. None can fail, so none vetoes a change. The users of the
configuration and of ``aclfile`` are loaded at start only; that can fail, and then there is no start.

Directives that are not here are looked at where they are needed, each time (``acllog-max-len`` when
something is refused, ``proto-max-bulk-len`` by new connections), or belong to the server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dscache.cache.sampling import Lfu
from dscache.config import Config

if TYPE_CHECKING:
    from dscache.engine.engine import Engine


def apply_settings(engine: Engine) -> None:
    """Take the present values into use and follow every change. Called once, at start.

    Raises ConfigError for users that make no sense.
    """
    config = engine.config
    _apply_flushing(engine, config)
    engine.redo.set_policy(config.appendfsync)
    _apply_expiry(engine, config)
    _apply_slowlog(engine, config)
    _apply_latency(engine, config)
    _apply_notifications(engine, config)
    _apply_tracking(engine, config)
    _apply_password(engine, config)
    engine.acl.load_at_start()
    config.on_change(("cache-flush-delay",), lambda changed: _apply_flushing(engine, changed))
    config.on_change(("appendfsync",), lambda changed: engine.redo.set_policy(changed.appendfsync))
    config.on_change(("active-expire-effort",), lambda changed: _apply_expiry(engine, changed))
    config.on_change(
        ("slowlog-log-slower-than", "slowlog-max-len"),
        lambda changed: _apply_slowlog(engine, changed),
    )
    config.on_change(
        ("latency-monitor-threshold", "latency-tracking"),
        lambda changed: _apply_latency(engine, changed),
    )
    config.on_change(
        ("notify-keyspace-events",), lambda changed: _apply_notifications(engine, changed)
    )
    config.on_change(("tracking-table-max-keys",), lambda changed: _apply_tracking(engine, changed))
    config.on_change(("cache-policy",), lambda changed: _apply_policy(engine, changed))
    config.on_change(
        ("lfu-log-factor", "lfu-decay-time"),
        lambda changed: _apply_lfu_parameters(engine, changed),
    )
    config.on_change(
        ("maxmemory",), lambda changed: engine.set_maxmemory(changed.resolved_maxmemory())
    )
    config.on_change(("requirepass",), lambda changed: _apply_password(engine, changed))


def _apply_flushing(engine: Engine, config: Config) -> None:
    engine.pacer.flush_delay_seconds = config.cache_flush_delay


def _apply_expiry(engine: Engine, config: Config) -> None:
    engine.expiry.effort = config.active_expire_effort


def _apply_slowlog(engine: Engine, config: Config) -> None:
    engine.slowlog.threshold_us = config.slowlog_log_slower_than
    engine.slowlog.max_length = config.slowlog_max_len
    engine.slowlog.trim()


def _apply_latency(engine: Engine, config: Config) -> None:
    engine.latency.threshold_ms = config.latency_monitor_threshold
    engine.latency_tracking = config.latency_tracking


def _apply_notifications(engine: Engine, config: Config) -> None:
    engine.set_notifications(config.notify_keyspace_events)


def _apply_tracking(engine: Engine, config: Config) -> None:
    engine.set_tracking_limit(config.tracking_table_max_keys)


def _apply_policy(engine: Engine, config: Config) -> None:
    engine.set_policy(config.cache_policy, config.lfu_log_factor, config.lfu_decay_time)


def _apply_lfu_parameters(engine: Engine, config: Config) -> None:
    """In the policy that there is: a new one would begin with new counters."""
    policy = engine.residency.policy
    if isinstance(policy, Lfu):
        policy.log_factor = config.lfu_log_factor
        policy.decay_minutes = config.lfu_decay_time


def _apply_password(engine: Engine, config: Config) -> None:
    """A new password does not throw out who is in, as in Redis."""
    engine.acl.set_default_password(config.requirepass.encode("utf-8", "surrogateescape"))
