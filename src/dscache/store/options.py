"""How RocksDB is set up, each choice with its figure.

Measured on two cores with rocksdict 0.3.29, a budget of 5 MB, records of 300 bytes that compress to
half, everything in the page cache, reads of random keys in lists of 12. Medians of several runs on a
machine that others used as well: differences below a fifth mean nothing. With what is below: 173,000
reads/s in one thread and 230,000 in four over 300,000 records, 65,000 and 108,000 over 1.5 million;
commits of 5,000 records 220,000 records/s.

Tried without a gain, or with a loss: hash index in data blocks (136,000 / 180,000 where the plain one
had 173,000 / 213,000), ``optimize_filters_for_hits`` (keys that do not exist cost three times as much),
``max_open_files`` -1, restart intervals of 4 and 8, HyperClockCache, xxh3 or no checksums, memory
mapped reads (filling took twice as long), metadata blocks of 8 and 16 KiB.
"""

from __future__ import annotations

from typing import Final

from rocksdict import (
    BlockBasedIndexType,
    BlockBasedOptions,
    Cache,
    DBCompressionType,
    Options,
    WriteBufferManager,
)

#: What RocksDB lays aside for its manifest when it opens.
MANIFEST_BYTES: Final = 4 * 1024 * 1024

# A limit that is not reached.
_NEVER: Final = 1 << 20

# Files that garbage collection writes; those of a memtable are as large as that is.
_BLOB_FILE_BYTES: Final = 64 * 1024 * 1024

# Level 0 is emptied when it has so many tables. Most of the next level is written again with them, however
# much is in them: better seldom, and with tables of large memtables. But each of them is asked by a look for
# a key, which takes 0.2 of 7 us. Bytes written for each byte of random overwrites, 700 MB with a budget of
# 16 MB: with memtables of an eighth of the budget 12.0, with 8 tables instead of 4 10.8; with memtables of a
# quarter 10.3 and 8.3. Levels of 128 MB (14.4) or 16 MB (12.3), smaller tables (11.0), universal compaction
# (14.5): worse.
_LEVEL_0_TABLES: Final = 8

_MIN_WRITE_BUFFER_BYTES: Final = 256 * 1024
_MAX_WRITE_BUFFER_BYTES: Final = 64 * 1024 * 1024


def write_buffer_bytes(budget: int) -> int:
    """The size of one memtable for a memory budget.

    A column holds at most two, one in use and one that is being written out: half of the budget.
    """
    return min(max(budget // 4, _MIN_WRITE_BUFFER_BYTES), _MAX_WRITE_BUFFER_BYTES)


def journal_segment_bytes(budget: int) -> int:
    """The size of a journal segment: so much, and an epoch, is what a start may have to apply.

    When one ends all memtables are written out, full or not; so it is larger than they are.
    """
    return min(budget, _MAX_WRITE_BUFFER_BYTES)


def database_options(write_buffers: WriteBufferManager) -> Options:
    """What holds for the database as a whole."""
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.create_missing_column_families(True)
    # One flush and two compactions. With two jobs a long compaction at the bottom held up the one
    # that empties level 0, and sixty commits without a pause stalled for up to 330 ms and went at
    # 110,000 records/s in all; with three jobs 45 ms and 200,000; with four 35 ms and 230,000, but a
    # third compaction would compete with the event loop on a small machine.
    options.set_max_background_jobs(3)
    options.set_write_buffer_manager(write_buffers)
    # Each open table holds about 3 KB, and pins the top of its index in the cache. Files beyond these
    # are opened again when needed.
    options.set_max_open_files(512)
    options.set_keep_log_file_num(4)
    options.set_max_log_file_size(4 * 1024 * 1024)
    options.set_stats_dump_period_sec(0)
    options.set_skip_stats_update_on_db_open(True)
    options.set_bytes_per_sync(1024 * 1024)
    # The default, here because it counts: when a disk fills up, this space is there already, and it is
    # not the manifest of all files that cannot be written.
    options.set_manifest_preallocation_size(MANIFEST_BYTES)
    return options


def column_options(cache: Cache, buffer_bytes: int) -> Options:
    """What holds for each column."""
    table = BlockBasedOptions()
    table.set_block_cache(cache)
    # 8 and 16 KiB make the index smaller, but more must be read and unpacked for a record: 169,000
    # and 97,000 reads/s over four threads, where 4 KiB had 213,000.
    table.set_block_size(4 * 1024)
    table.set_bloom_filter(10, False)
    # Index and filters in pieces of 4 KiB in the block cache, so that memory does not grow with the
    # data. Whole ones in the cache are as quick with 300,000 records, but with 1.5 million they push
    # each other out: 47,000 reads/s over four threads instead of 108,000. Outside of the cache they
    # are 20 % quicker, and take 0.9 % of the data in memory, whatever the budget.
    table.set_index_type(BlockBasedIndexType.two_level_index_search())
    table.set_partition_filters(True)
    table.set_metadata_block_size(4 * 1024)
    table.set_cache_index_and_filter_blocks(True)
    table.set_pin_l0_filter_and_index_blocks_in_cache(True)
    table.set_pin_top_level_index_and_filter(True)
    table.set_format_version(5)
    options = Options(raw_mode=True)
    options.set_block_based_table_factory(table)
    options.set_write_buffer_size(buffer_bytes)
    # RocksDB's own stalls are off: see dscache.store.database, which makes writers wait.
    options.set_max_write_buffer_number(_NEVER)
    options.set_level_zero_file_num_compaction_trigger(_LEVEL_0_TABLES)
    options.set_level_zero_slowdown_writes_trigger(_NEVER)
    options.set_level_zero_stop_writes_trigger(_NEVER)
    options.set_soft_pending_compaction_bytes_limit(0)
    options.set_hard_pending_compaction_bytes_limit(0)
    # Reads are as quick as without (231,000 and 189,000/s over four threads: noise), commits too, and
    # 300,000 records take 57 MB instead of 100: more of a large data set is in the page cache.
    options.set_compression_type(DBCompressionType.lz4())
    options.set_level_compaction_dynamic_level_bytes(True)
    options.set_target_file_size_base(16 * 1024 * 1024)
    options.set_max_bytes_for_level_base(64 * 1024 * 1024)
    return options


def keep_in_blob_files(options: Options) -> None:
    """For the column of large payloads: its tables hold only where in which blob file each one is.

    So compaction does not write payloads again. Measured with values of 100 kB, half of which compresses,
    500 MB of them, then 3 GB of random overwrites: 2.4 GB written instead of 8.1, no more on disk; without
    overwrites what is written is written once, where the levels were at 4.7 times with 1 GB, and growing.

    Collecting garbage is off, and switched on by ``Database.mind_garbage``: as long as it is on, each
    compaction writes what is still valid in the oldest quarter of all files once more, whether anything in
    them is garbage or not.
    """
    options.set_enable_blob_files(True)
    options.set_min_blob_size(0)
    options.set_blob_compression_type(DBCompressionType.lz4())
    options.set_blob_file_size(_BLOB_FILE_BYTES)
    options.set_blob_gc_age_cutoff(0.25)
