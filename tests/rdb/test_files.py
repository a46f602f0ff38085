"""RDB files: what is written is read again, what is damaged is refused, what is old or strange is known."""

from __future__ import annotations

import io
import random
import tracemalloc
from collections.abc import Iterator

import pytest

from dscache.config import Config
from dscache.errors import RdbError
from dscache.rdb import typecodes
from dscache.rdb.crc64 import crc64
from dscache.rdb.file_reader import FileKey, FileLibrary, FileReader
from dscache.rdb.file_writer import FileWriter
from dscache.rdb.writer import Writer
from dscache.values.hash import Hash
from dscache.values.list import list_of
from dscache.values.set import set_of
from dscache.values.stream import Stream
from dscache.values.stream_id import id_of
from dscache.values.zset import zset_of
from plain import plain

CONFIG = Config()
LIMIT = 1 << 20
LIBRARY = b"#!lua name=l\nredis.register_function('f', function() end)"


def _hash(due_ms: int) -> Hash:
    value = Hash()
    value.set(b"f", b"1")
    value.set(b"g", b"x" * 100)
    if due_ms:
        value.set_due(b"g", due_ms)
    return value


def _stream() -> Stream:
    stream = Stream()
    for number in range(5):
        stream.add(id_of(1000, number), [b"f", b"%d" % number], 100)
    stream.add_group(b"g", id_of(1000, 2), 3)
    return stream


def _keys(due_ms: int = 0) -> list[FileKey]:
    """A key of each type, in two databases."""
    return [
        FileKey(0, b"string", b"text", 0),
        FileKey(0, b"", b"x" * 500, 33177117420000),
        FileKey(0, b"list", list_of([b"a", b"", b"12"]), 0),
        FileKey(0, b"hash", _hash(due_ms), 1),
        FileKey(7, b"set", set_of([b"1", b"2"]), 0),
        FileKey(7, b"zset", zset_of([(b"m", 0.5), (b"n", 2.0)]), 0),
        FileKey(7, b"stream", _stream(), 0),
    ]


def _written(keys: list[FileKey], has_due_fields: bool = False) -> bytes:
    file = io.BytesIO()
    writer = FileWriter(file.write, CONFIG, has_due_fields)
    writer.about(b"redis-bits", b"64")
    writer.library(LIBRARY)
    database = -1
    for key in keys:
        if key.database != database:
            database = key.database
            writer.database(database, len(keys), 1)
        writer.key(key.key, key.value, key.expire_ms)
    writer.end()
    return file.getvalue()


def _items(reader: FileReader) -> Iterator[FileKey | FileLibrary]:
    while (item := reader.next_item()) is not None:
        yield item


def _reader(content: bytes) -> FileReader:
    return FileReader(io.BytesIO(content).read, "x.rdb", LIMIT)


def _read(content: bytes) -> list[FileKey | FileLibrary]:
    return list(_items(_reader(content)))


def _comparable(items: list[FileKey | FileLibrary]) -> list[object]:
    return [
        item.source
        if isinstance(item, FileLibrary)
        else (item.database, item.key, plain(item.value), item.expire_ms)
        for item in items
    ]


def _sealed(body: bytes) -> bytes:
    body += bytes([typecodes.END])
    return body + crc64(body).to_bytes(8, "little")


# What is written


@pytest.mark.parametrize("due_ms", [0, 33177117420000])
def test_what_is_written_is_read_again(due_ms: int) -> None:
    keys = _keys(due_ms)
    content = _written(keys, due_ms != 0)
    assert content.startswith(b"REDIS0012" if due_ms else b"REDIS0011")
    reader = _reader(content)
    assert _comparable(list(_items(reader))) == [LIBRARY, *_comparable(list(keys))]
    assert reader.offset == len(content)


def test_a_file_without_keys_is_a_file() -> None:
    assert _comparable(_read(_written([]))) == [LIBRARY]


@pytest.mark.slow
def test_a_file_takes_the_memory_of_a_few_pieces_however_long_it_is() -> None:
    long = b"\0\1k\x50\0" + bytes(4096)
    content = b"REDIS0011" + 400 * long + b"\xff" + bytes(8)
    reader = _reader(content)
    tracemalloc.start()
    try:
        count = sum(1 for _ in _items(reader))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 400
    assert peak < LIMIT < len(content)


# What is damaged


def test_a_file_that_ends_too_early_is_refused_wherever_it_ends() -> None:
    content = _written(_keys())
    for length in range(len(content)):
        with pytest.raises(RdbError, match=r"^x\.rdb, offset \d+: "):
            _read(content[:length])


def test_a_byte_that_is_wrong_is_found_at_the_latest_by_the_checksum() -> None:
    rng = random.Random(2011)
    content = _written(_keys())
    for place in range(len(content)):
        damaged = bytearray(content)
        damaged[place] ^= rng.randrange(1, 256)
        with pytest.raises(RdbError, match=r"^x\.rdb, offset \d+: "):
            _read(bytes(damaged))


def test_a_file_without_a_checksum_is_read_and_if_it_is_damaged_nothing_worse_than_an_error_happens() -> (
    None
):
    rng = random.Random(2011)
    content = _written(_keys())[:-8] + bytes(8)
    assert len(_read(content)) == len(_keys()) + 1
    for place in range(len(content)):
        for bit in range(8):
            damaged = bytearray(content)
            damaged[place] ^= 1 << bit
            if rng.random() < 0.3:
                damaged[rng.randrange(len(content))] = 255
            try:
                _read(bytes(damaged))
            except RdbError:
                continue


def test_a_string_that_is_too_long_is_refused_before_it_is_read() -> None:
    writer = Writer()
    writer.raw(b"REDIS0011\0\1k")
    writer.length(LIMIT + 1)
    endless = FileReader(lambda size: writer.take() or bytes(size), "x.rdb", LIMIT)
    with pytest.raises(RdbError, match="offset 9: key b'k' of database 0: a string of 1048577"):
        endless.next_item()
    compressed = b"REDIS0011\0\1k\xc3\x05\x81" + (1 << 40).to_bytes(8, "big") + bytes(5)
    with pytest.raises(RdbError, match="is the limit"):
        _read(compressed)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "offset 0: the file is empty"),
        (b"REDIS", "offset 0: 4 bytes are missing"),
        (b"*2\r\n$6\r\nSELECT", "offset 0: this is no RDB file"),
        (b"REDIS00x1", "this is no RDB file"),
        (b"REDIS0000", "version 0 of the format is not known"),
        (b"REDIS0013", "version 13 of the format is not known"),
        (b"VALKEY011", "version 11 of the format is not known"),
        (_sealed(b"REDIS0011") + b"*1\r\n", "offset 9: the file goes on behind its end"),
        (_sealed(b"REDIS0011\xfa\1a\1b")[:-1] + b"\0", "offset 14: the checksum is"),
        (b"REDIS0010\xf6", "as a release candidate of Redis 7.0 wrote it"),
        (b"VALKEY080\xf3", "slots of a cluster are being moved"),
        (b"REDIS0011\xfe\x81" + b"\xff" * 8, "database 18446744073709551615"),
        (b"REDIS0011\x1f\1k", "key b'k' of database 0: a value of type 31"),
        (
            b"REDIS0011\x07\1k\x81" + bytes.fromhex("7a67e0a2ba6a4e01"),
            "key b'k' of database 0: a value of the module type 'emfgorpqT'",
        ),
        (b"REDIS0001\x06\1k", "a value of a module type, as before Redis 4.0"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(content: bytes, complaint: str) -> None:
    with pytest.raises(RdbError) as refused:
        _read(content)
    assert complaint in str(refused.value)


# What is old or strange


def test_old_files_have_no_checksum_and_due_times_in_seconds() -> None:
    content = b"REDIS0001\xfe\1\xfd" + (7).to_bytes(4, "little") + b"\0\1a\1b\0\1c\1d\xff"
    assert _comparable(_read(content)) == [(1, b"a", b"b", 7000), (1, b"c", b"d", 0)]


def test_a_due_time_belongs_to_one_key_and_minus_one_is_none() -> None:
    body = b"REDIS0009"
    for due_ms, key in ((5, b"a"), (-1, b"b"), (0, b"c"), (-5, b"d")):
        body += b"\xfc" + due_ms.to_bytes(8, "little", signed=True) + b"\0\1" + key + b"\0"
    found = [item.expire_ms for item in _read(_sealed(body)) if isinstance(item, FileKey)]
    assert found == [5, 0, 1, 1]


def test_hints_are_skipped_and_so_is_what_modules_keep_beside_the_keys() -> None:
    body = b"REDIS0012\xfa\1a\1b\xf4\1\2\3\xfb\1\0\xf8\x40\xff\xf9\x07\0\1a\1b"
    module = b"\xf7\x81" + bytes(8) + b"\2\1" + b"\1\5\2\5\3abcd\4abcdefgh\5\3abc\0"
    assert _comparable(_read(_sealed(body + module))) == [(0, b"a", b"b", 0)]
    with pytest.raises(
        RdbError, match="what module 'AAAAAAAAA' keeps beside the keys: it has some"
    ):
        _read(_sealed(body + module[:12] + b"\7"))


def test_containers_without_elements_are_skipped_and_counted() -> None:
    """Old versions of Redis wrote some, by mistake."""
    reader = _reader(_sealed(b"REDIS0009\1\1a\0\2\1b\0\3\1c\0\4\1d\0\xfc" + bytes(8) + b"\4\1e\0"))
    assert list(_items(reader)) == []
    assert reader.empty_keys == 5


def test_files_of_valkey_have_their_own_signature() -> None:
    assert _comparable(_read(_sealed(b"VALKEY080\0\1a\1b"))) == [(0, b"a", b"b", 0)]
