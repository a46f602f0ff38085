"""The commands, one file per group. A handler takes a session and arguments and returns a plain value."""

from __future__ import annotations

from dscache.commands import (
    cache,
    client,
    config,
    connection,
    counters,
    debug,
    expiry,
    info,
    introspection,
    keys,
    lcs,
    memory,
    monitoring,
    scanning,
    server,
    strings,
    substrings,
    transactions,
)
from dscache.engine.command import Registry


def all_registries() -> list[Registry]:
    """The registries of all groups, in the order in which commands are listed."""
    return [
        strings.registry,
        substrings.registry,
        counters.registry,
        lcs.registry,
        keys.registry,
        expiry.registry,
        scanning.registry,
        transactions.registry,
        connection.registry,
        client.registry,
        config.registry,
        introspection.registry,
        info.registry,
        monitoring.registry,
        memory.registry,
        server.registry,
        cache.registry,
        debug.registry,
    ]
