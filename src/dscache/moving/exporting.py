"""Export: all that a data set has, read from the store in its order and handed to whoever writes a file.

The caller has committed what is dirty, so the store has it all, and nobody changes it meanwhile. Memory
holds a page of small records and one large value, however much there is. What is due is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from dscache.cache.catalog import LIBRARIES, SpaceTally
from dscache.cache.loader import Load, take_payload, take_record
from dscache.engine.version import REDIS_VERSION
from dscache.rdb.file_writer import FileWriter
from dscache.store.base import DATA, PAYLOADS
from dscache.store.layout import split_data_key
from dscache.store.pages import pages
from dscache.values.base import has_expired

if TYPE_CHECKING:
    from dscache.engine.engine import Engine
    from dscache.moving.output import Output


def count_keys(engine: Engine) -> int:
    """How many keys all databases have, also those beyond the directive ``databases``."""
    return sum(line.keys for line in _databases(engine))


def rdb_output(engine: Engine, write: Callable[[bytes], object]) -> FileWriter:
    """What makes an RDB file of the data set of ``engine``, for ``export``."""
    has_due_fields = any(line.subexpires > 0 for line in _databases(engine))
    writer = FileWriter(write, engine.config, has_due_fields)
    writer.about(b"redis-ver", REDIS_VERSION.encode())
    writer.about(b"redis-bits", b"64")
    writer.about(b"ctime", b"%d" % int(engine.core.clock.time()))
    writer.about(b"used-mem", b"%d" % engine.residency.used_bytes())
    writer.about(b"aof-base", b"0")
    return writer


def export(engine: Engine, output: Output, on_progress: Callable[[int], None]) -> int:
    """Give ``output`` everything; how many keys that were. ``on_progress`` is told now and then how many
    have been read.

    Raises StoreError, and what ``output`` raises. O(the data set).
    """
    for library in engine.functions.libraries.values():
        output.library(library.source)
    exporter = _Exporter(engine, output, on_progress)
    for line in _databases(engine):
        output.database(line.database, line.keys, line.expires)
        exporter.export(line)
    output.end()
    return exporter.written


def _databases(engine: Engine) -> list[SpaceTally]:
    """Those that have keys."""
    return [
        line for line in engine.core.catalog.tally() if line.keys > 0 and line.database != LIBRARIES
    ]


class _Exporter:
    def __init__(self, engine: Engine, output: Output, on_progress: Callable[[int], None]) -> None:
        self._store: Final = engine.store
        self._output: Final = output
        self._on_progress: Final = on_progress
        self._now_ms: Final = int(engine.core.clock.time() * 1000)
        self._read = 0
        self.written = 0

    def export(self, line: SpaceTally) -> None:
        """Give the output all keys of a database."""
        for page in pages(self._store, DATA, line.space.generation):
            for stored, record in page:
                load = Load(line.space, split_data_key(stored)[1], True)
                if take_record(load, record):
                    take_payload(load, self._store.read_many(PAYLOADS, [stored])[0])
                if load.error is not None:
                    raise load.error
                self._write(load)
            self._read += len(page)
            self._on_progress(self._read)

    def _write(self, load: Load) -> None:
        """Give the output a key that has been read, unless it is due."""
        head = load.head
        assert head is not None, "a load without an error has a head"
        if not has_expired(load.value, head.expire_ms, self._now_ms):
            self._output.key(load.key, load.value, head.expire_ms)
            self.written += 1
