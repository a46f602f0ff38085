"""Export: everything that is in the store comes out, in any of the formats."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pytest

from driver import Driver
from dscache.errors import StoreDamagedError
from dscache.moving.aof import AofWriter
from dscache.moving.exporting import count_keys, export, rdb_output
from dscache.moving.json_lines import JsonWriter
from dscache.rdb.file_reader import FileKey, FileReader
from dscache.store.base import PAYLOADS
from dscache.store.memory import MemoryStore
from dscache.wire.request import RequestParser
from plain import plain

LIBRARY = b"#!lua name=l\nredis.register_function('f', function() return 'yes' end)"
LATER_MS = 33177117420000


class Recorder:
    """An output that remembers what it got."""

    def __init__(self) -> None:
        self.libraries: list[bytes] = []
        self.databases: list[tuple[int, int, int]] = []
        self.keys: dict[tuple[int, bytes], tuple[object, int]] = {}
        self.has_ended = False

    def library(self, source: bytes) -> None:
        """See ``Output``."""
        self.libraries.append(source)

    def database(self, index: int, keys: int, expires: int) -> None:
        """See ``Output``."""
        self.databases.append((index, keys, expires))

    def key(self, key: bytes, value: object, expire_ms: int) -> None:
        """See ``Output``."""
        place = self.databases[-1][0], key
        assert place not in self.keys
        self.keys[place] = plain(value), expire_ms

    def end(self) -> None:
        """See ``Output``."""
        self.has_ended = True


@pytest.fixture
def driver() -> Iterator[Driver]:
    """With values of all types in two databases."""
    driver = Driver()
    run = driver.run
    run("FUNCTION", "LOAD", LIBRARY)
    run("SET", "text", "é")
    run("SET", b"\xff", b"\xfe", "PXAT", LATER_MS)
    run("SET", "long", "x" * 100_000)
    run("RPUSH", "list", *range(200))
    run("SADD", "set", *range(200), "a")
    for number in range(130):
        run("ZADD", "zset", str(number / 8), f"m{number}")
        run("HSET", "hash", f"f{number}", number)
    run("ZADD", "zset", "inf", "above", "-inf", "below")
    run("HPEXPIREAT", "hash", LATER_MS, "FIELDS", 2, "f1", "f129")
    run("SELECT", 9)
    for number in range(1, 5):
        run("XADD", "stream", f"1-{number}", "f", number)
    run("XDEL", "stream", "1-4")
    run("XGROUP", "CREATE", "stream", "g", "0", "ENTRIESREAD", 0)
    run("XREADGROUP", "GROUP", "g", "alice", "COUNT", 2, "STREAMS", "stream", ">")
    run("XGROUP", "CREATECONSUMER", "stream", "g", "idle")
    run("XGROUP", "CREATE", "no entries", "g", "$", "MKSTREAM")
    run("SELECT", 0)
    yield driver
    driver.close()


def _exported(driver: Driver) -> Recorder:
    driver.flush()
    output = Recorder()
    written = export(driver.engine, output, lambda done: None)
    assert output.has_ended
    assert written == len(output.keys)
    return output


def test_everything_comes_out(driver: Driver) -> None:
    output = _exported(driver)
    assert output.libraries == [LIBRARY]
    assert output.databases == [(0, 7, 1), (9, 2, 0)]
    assert output.keys[0, b"long"] == (b"x" * 100_000, 0)
    assert output.keys[0, b"\xff"] == (b"\xfe", LATER_MS)
    assert len(output.keys) == count_keys(driver.engine) == 9


def test_an_rdb_file_has_it(driver: Driver) -> None:
    file = io.BytesIO()
    driver.flush()
    export(driver.engine, rdb_output(driver.engine, file.write), lambda done: None)
    file.seek(0)
    reader = FileReader(file.read, "x.rdb", 1 << 29)
    found = {}
    while (item := reader.next_item()) is not None:
        if isinstance(item, FileKey):
            found[item.database, item.key] = plain(item.value), item.expire_ms
        else:
            assert item.source == LIBRARY
    assert found == _exported(driver).keys


def test_what_is_due_is_left_out_and_so_are_fields(driver: Driver) -> None:
    driver.run("SET", "k", "v", "PX", 5)
    driver.run("HPEXPIRE", "hash", 5, "FIELDS", 1, "f2")
    driver.run("HSET", "gone", "f", "v")
    driver.run("HPEXPIRE", "gone", 5, "FIELDS", 1, "f")
    before = _exported(driver)
    assert (0, b"k") in before.keys
    driver.advance(1.0)
    after = _exported(driver)
    assert before.keys.keys() - after.keys.keys() == {(0, b"k"), (0, b"gone")}
    fields = after.keys[0, b"hash"][0]
    assert isinstance(fields, dict)
    assert b"f2" not in fields
    assert len(fields) == 129


def test_databases_beyond_those_that_are_configured_come_out_too(driver: Driver) -> None:
    driver.flush()
    fewer = Driver(driver.store, databases="2")
    assert _exported(fewer).keys == _exported(driver).keys
    fewer.close()


def test_a_record_that_is_damaged_is_an_error(driver: Driver) -> None:
    driver.flush()
    assert isinstance(driver.store, MemoryStore)
    driver.store.columns[PAYLOADS].clear()
    with pytest.raises(StoreDamagedError, match="the value of b'long' should have 100000 bytes"):
        _exported(driver)


# Append-only files


def _commands(driver: Driver) -> list[list[bytes]]:
    file = io.BytesIO()
    driver.flush()
    export(driver.engine, AofWriter(file.write), lambda done: None)
    parser = RequestParser(1 << 30)
    parser.feed(file.getvalue())
    found = []
    while (request := parser.next_request()) is not None:
        found.append(request)
    return found


def test_the_commands_of_an_append_only_file_make_the_data_anew(driver: Driver) -> None:
    other = Driver()
    for words in _commands(driver):
        reply = other.run(*words)
        assert not (isinstance(reply, bytes) and reply.startswith(b"-")), (words, reply)
    found, expected = _exported(other), _exported(driver)
    other.close()
    # An entry that was never there has been deleted from it.
    for output in (found, expected):
        empty = output.keys.pop((9, b"no entries"))[0]
        assert isinstance(empty, dict)
        assert (empty["count"], empty["last"], list(empty["groups"])) == (0, b"0-0", [b"g"])
    # Commands do not say when consumers were seen.
    for output in (found, expected):
        stream = output.keys[9, b"stream"][0]
        assert isinstance(stream, dict)
        last_id, read, pending, consumers = stream["groups"][b"g"]
        names = [(name, count) for name, _, _, count in consumers]
        stream["groups"][b"g"] = last_id, read, pending, names
    assert found.keys == expected.keys
    assert found.libraries == [LIBRARY]


def test_no_command_of_an_append_only_file_has_more_than_64_elements(driver: Driver) -> None:
    pieces = [len(words) - 2 for words in _commands(driver) if words[1] == b"list"]
    assert pieces == [64, 64, 64, 8]
    pieces = [len(words) - 2 for words in _commands(driver) if words[0] == b"ZADD"]
    assert pieces == [128, 128, 8]


# JSON


def _lines(driver: Driver) -> list[dict[str, object]]:
    file = io.BytesIO()
    driver.flush()
    export(driver.engine, JsonWriter(file.write), lambda done: None)
    return [json.loads(line) for line in file.getvalue().splitlines()]


def test_each_line_of_json_is_a_key(driver: Driver) -> None:
    libraries = [line for line in _lines(driver) if "library" in line]
    assert libraries == [{"library": LIBRARY.decode()}]
    found = {str(line["key"]): line for line in _lines(driver) if "library" not in line}
    assert len(found) == 9
    assert found["text"] == {"db": 0, "key": "text", "type": "string", "value": "é"}
    assert found["{'base64': '/w=='}"] == {
        "db": 0,
        "key": {"base64": "/w=="},
        "type": "string",
        "expire_ms": LATER_MS,
        "value": {"base64": "/g=="},
    }
    assert found["list"]["value"] == [str(number) for number in range(200)]
    members = found["set"]["value"]
    assert isinstance(members, list)
    assert set(members) == {*map(str, range(200)), "a"}
    scores = found["zset"]["value"]
    assert isinstance(scores, list)
    assert scores[:3] == [["below", "-inf"], ["m0", 0.0], ["m1", 0.125]]
    assert scores[-1] == ["above", "inf"]
    fields = found["hash"]["value"]
    assert isinstance(fields, list)
    assert ["f0", "0"] in fields
    assert ["f129", "129", LATER_MS] in fields
    seen_ms = int(driver.clock.time() * 1000)
    assert found["stream"] == {
        "db": 9,
        "key": "stream",
        "type": "stream",
        "value": {
            "entries": [["1-1", ["f", "1"]], ["1-2", ["f", "2"]], ["1-3", ["f", "3"]]],
            "last_id": "1-4",
            "max_deleted_id": "1-4",
            "entries_added": 4,
            "groups": [
                {
                    "name": "g",
                    "last_id": "1-2",
                    "entries_read": -1,
                    "consumers": [["alice", seen_ms, seen_ms], ["idle", seen_ms, -1]],
                    "pending": [["1-1", "alice", seen_ms, 1], ["1-2", "alice", seen_ms, 1]],
                }
            ],
        },
    }
