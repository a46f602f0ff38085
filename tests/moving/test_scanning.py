"""The data set of a server by SCAN and DUMP: what is asked for, and what the answers come to."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterable, Iterator

import pytest
from redis.exceptions import NoPermissionError, ResponseError

from driver import Driver
from dscache.config import Config
from dscache.errors import RdbError, SourceError
from dscache.moving.importing import Importer
from dscache.moving.scanning import ServerScan
from dscache.moving.source import SourceConnection
from dscache.rdb.dump import dumped
from dscache.rdb.file_reader import FileKey, FileLibrary

Words = tuple[bytes | str | int, ...]

UNKNOWN = ResponseError("unknown command 'X', with args beginning with: ")
LATER_MS = 33177117420000


class Server(SourceConnection):
    """A server whose replies are the test's; it has one page of ``keys``, in database 2."""

    def __init__(self, *keys: bytes) -> None:
        self.keys = list(keys)
        self.asked: list[list[Words]] = []
        #: Replies by command; (what, key) comes first.
        self.answers: dict[object, object] = {
            "INFO": b"# Keyspace\r\ndb2:keys=%d,expires=0,avg_ttl=0\r\n" % len(keys),
            "FUNCTION": UNKNOWN,
            "SELECT": b"OK",
            "SCAN": [b"0", self.keys],
            "DUMP": dumped(b"v", Config()),
            "PEXPIRETIME": -1,
        }
        self._replies: deque[object] = deque()

    def send(self, commands: Iterable[Words]) -> None:
        self.asked.append(list(commands))
        for words in self.asked[-1]:
            self._replies.append(self.answers.get(words, self.answers.get(words[0], UNKNOWN)))

    def reply(self) -> object:
        return self._replies.popleft()

    def scan(self) -> ServerScan:
        """A scan of it that has begun."""
        scan = ServerScan(self, "redis://x:1")
        scan.begin()
        return scan

    def items(self) -> list[FileKey | FileLibrary]:
        """All that a scan of it gives."""
        return list(iter(self.scan().next_item, None))

    def found(self) -> dict[bytes, tuple[int, object, int]]:
        """The keys that a scan of it gives."""
        return {
            item.key: (item.database, item.value, item.expire_ms)
            for item in self.items()
            if isinstance(item, FileKey)
        }


@pytest.fixture
def driver() -> Iterator[Driver]:
    driver = Driver(databases="4")
    yield driver
    driver.close()


def test_each_key_comes_with_its_value_and_its_due_time() -> None:
    server = Server(b"a", b"\xff\0")
    server.answers[("PEXPIRETIME", b"\xff\0")] = LATER_MS
    assert server.scan().total_keys == 2
    assert server.found() == {b"a": (2, b"v", 0), b"\xff\0": (2, b"v", LATER_MS)}


def test_a_key_that_is_gone_meanwhile_is_passed_over() -> None:
    server = Server(b"a", b"before", b"between")
    server.answers[("DUMP", b"before")] = None
    server.answers[("PEXPIRETIME", b"before")] = -2
    server.answers[("PEXPIRETIME", b"between")] = -2
    assert list(server.found()) == [b"a"]


def test_a_key_that_is_shown_twice_counts_once(driver: Driver) -> None:
    server = Server(b"a", b"b", b"a")
    importer = Importer(driver.engine, lambda: None)
    importer.run(server.scan().next_item, may_repeat=True)
    assert importer.keys == 2


def test_servers_before_7_0_are_asked_how_long_keys_have_left() -> None:
    server = Server(b"a", b"b")
    del server.answers["PEXPIRETIME"]
    server.answers["PTTL"] = -1
    server.answers[("PTTL", b"b")] = 1_000_000_000_000
    found = server.found()
    assert found[b"a"][2] == 0
    assert found[b"b"][2] > 2_000_000_000_000


def test_libraries_come_first(driver: Driver) -> None:
    source = "#!lua name=l\nredis.register_function('f', function() return 7 end)"
    driver.run("FUNCTION", "LOAD", source)
    server = Server(b"a")
    server.answers["FUNCTION"] = driver.run("FUNCTION", "DUMP")
    library, key = server.items()
    assert isinstance(library, FileLibrary)
    assert library.source == source.encode()
    assert isinstance(key, FileKey)


def _dumps(server: Server) -> list[int]:
    """How many keys it was asked for at a time."""
    sizes = [sum(words[0] == "DUMP" for words in commands) for commands in server.asked]
    return [size for size in sizes if size]


def test_small_keys_are_asked_for_many_at_a_time() -> None:
    server = Server(*(b"%d" % number for number in range(1000)))
    assert len(server.found()) == 1000
    assert _dumps(server) == [16, 32, 64, 128, 256, 256, 248]


def test_of_large_keys_only_so_many_are_asked_for_as_make_a_megabyte() -> None:
    server = Server(*(b"%d" % number for number in range(100)))
    server.answers["DUMP"] = dumped(random.Random(1).randbytes(300_000), Config())
    server.answers[("DUMP", b"24")] = dumped(random.Random(1).randbytes(2_000_000), Config())
    assert len(server.found()) == 100
    assert _dumps(server)[:7] == [16, 3, 3, 3, 1, 2, 3]


@pytest.mark.parametrize(
    ("command", "reply", "text"),
    [
        ("DUMP", NoPermissionError("no"), "refuses: no; needed are INFO, SELECT, SCAN, DUMP, "),
        ("SCAN", ResponseError("no"), "redis://x:1 refuses: no$"),
        ("SCAN", b"what", "answers SCAN with b'what'"),
        ("DUMP", 1, "answers DUMP with 1"),
        ("INFO", UNKNOWN, "answers INFO with "),
    ],
)
def test_what_the_server_refuses_is_an_error(command: str, reply: object, text: str) -> None:
    server = Server(b"a")
    server.answers[command] = reply
    with pytest.raises(SourceError, match=text):
        server.items()


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (lambda payload: payload[:-1] + b"!", "its payload is damaged, or of a version"),
        (lambda payload: b"", "its payload is damaged, or of a version"),
    ],
)
def test_a_payload_that_cannot_be_read_is_an_error_that_names_the_key(
    spoil: Callable[[bytes], bytes], text: str
) -> None:
    server = Server(b"a")
    server.answers["DUMP"] = spoil(dumped(b"v", Config()))
    with pytest.raises(RdbError, match=f"redis://x:1, key b'a' of database 2: {text}"):
        server.items()


def test_a_part_of_a_cluster_is_refused_and_a_whole_one_is_not() -> None:
    server = Server(b"a")
    server.answers[("INFO", "cluster")] = b"# Cluster\r\ncluster_enabled:1\r\n"
    server.answers["CLUSTER"] = b"cluster_state:ok\r\ncluster_size:3\r\n"
    with pytest.raises(SourceError, match="is a node of a cluster and has a part of the data set"):
        server.items()
    server.answers["CLUSTER"] = b"cluster_state:ok\r\ncluster_size:1\r\n"
    assert list(server.found()) == [b"a"]
