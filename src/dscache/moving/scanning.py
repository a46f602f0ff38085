"""The data set of a server that runs, by SCAN and DUMP: what any client may do that has the rights.

Databases one after the other, page by page; of each key its payload and due time. That is not one instant:
a key that changes meanwhile comes as it was before or after, one that is made behind the cursor does not
come, and SCAN may show a key twice. (``following`` gets an instant.)

Memory is bounded by the largest value on this side: replies are read one by one. What the server holds of
them for us is bounded by how many keys are asked for at a time, and that follows the sizes seen.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Final

from redis.exceptions import NoPermissionError, ResponseError

from dscache.engine.functions import sources_of
from dscache.errors import CommandError, RdbError, SourceError
from dscache.moving.source import SourceConnection, is_unknown_command
from dscache.rdb.dump import is_intact, restored
from dscache.rdb.file_reader import FileKey, FileLibrary, shown_key

# Keys per page.
_PAGE_KEYS: Final = 256

# Keys asked for at a time: what their payloads may come to, how many at the beginning and at most.
_GROUP_BYTES: Final = 1 << 20
_FIRST_KEYS: Final = 16
_MOST_KEYS: Final = 256

_NEEDED: Final = (
    "; needed are INFO, SELECT, SCAN, DUMP, PEXPIRETIME (PTTL before 7.0) and FUNCTION DUMP, and all keys"
    " (~*)"
)


class ServerScan:
    """Everything that the server of ``connection``, called ``name``, has."""

    def __init__(self, connection: SourceConnection, name: str) -> None:
        self._connection: Final = connection
        self._name: Final = name
        self._libraries: Final[deque[bytes]] = deque()
        self._databases: Final[deque[int]] = deque()
        #: Keys that the server said it had.
        self.total_keys = 0
        self._database = -1
        self._cursor = b"0"
        self._keys: Final[deque[bytes]] = deque()
        # Keys that have been asked for and whose replies have not been read.
        self._asked: Final[deque[bytes]] = deque()
        self._group_keys = _FIRST_KEYS
        self._largest = 0
        self._tells_due_times = True

    def begin(self) -> None:
        """Find out what there is. Raises SourceError."""
        self._require_whole()
        for line in self._info("keyspace"):
            name, _, figures = line.partition(":")
            if name.startswith("db") and figures:
                self._databases.append(int(name[2:]))
                self.total_keys += int(figures.split(",")[0].partition("=")[2])
        self._tells_due_times = not is_unknown_command(self._reply("PEXPIRETIME", b""))
        payload = self._reply("FUNCTION", "DUMP")
        if isinstance(payload, bytes):
            self._libraries.extend(self._sources(payload))

    def next_item(self) -> FileKey | FileLibrary | None:
        """The next library or key; None at the end. Raises SourceError and RdbError."""
        if self._libraries:
            return FileLibrary(self._libraries.popleft())
        while True:
            if not self._asked and not self._ask():
                return None
            item = self._next_asked()
            if item is not None:
                return item

    # What there is

    def _require_whole(self) -> None:
        """A node of a cluster has its part of the data set only, unless it is all of the cluster."""
        if "cluster_enabled:1" not in self._info("cluster"):
            return
        if "cluster_size:1" not in self._lines("CLUSTER", "INFO"):
            raise SourceError(
                f"{self._name} is a node of a cluster and has a part of the data set only; a directory takes"
                " one whole data set"
            )

    def _info(self, section: str) -> list[str]:
        return self._lines("INFO", section)

    def _lines(self, *words: str) -> list[str]:
        reply = self._reply(*words)
        if not isinstance(reply, bytes):
            raise SourceError(f"{self._name} answers {words[0]} with {reply!r}")
        return reply.decode("utf-8", "replace").splitlines()

    def _sources(self, payload: bytes) -> list[bytes]:
        try:
            if not is_intact(payload):
                raise RdbError("its version is not known")
            return sources_of(payload)
        except (CommandError, RdbError) as error:
            raise RdbError(f"{self._name}: libraries of functions: {error}") from error

    def _reply(self, *words: bytes | str | int) -> object:
        """The reply to a command; one that the server does not have is an error as a value."""
        self._connection.send([words])
        return self._checked(self._connection.reply())

    def _checked(self, reply: object) -> object:
        if isinstance(reply, ResponseError) and not is_unknown_command(reply):
            needed = _NEEDED if isinstance(reply, NoPermissionError) else ""
            raise SourceError(f"{self._name} refuses: {reply}{needed}")
        return reply

    # Keys

    def _ask(self) -> bool:
        """Ask for the next keys; false if there are no more."""
        while not self._keys:
            if self._cursor == b"0":
                if not self._databases:
                    return False
                self._database = self._databases.popleft()
                self._reply("SELECT", self._database)
            page = self._reply("SCAN", self._cursor, "COUNT", _PAGE_KEYS)
            if not isinstance(page, list):
                raise SourceError(f"{self._name} answers SCAN with {page!r}")
            self._cursor = page[0]
            self._keys.extend(page[1])
        if self._largest:
            room = max(_GROUP_BYTES // self._largest, 1)
            self._group_keys = min(2 * self._group_keys, room, _MOST_KEYS)
            self._largest = 0
        commands: list[tuple[bytes | str, ...]] = []
        for _ in range(min(self._group_keys, len(self._keys))):
            key = self._keys.popleft()
            self._asked.append(key)
            commands.append(("DUMP", key))
            # Second, so that a due time is never older than the value that it is for.
            commands.append(("PEXPIRETIME" if self._tells_due_times else "PTTL", key))
        self._connection.send(commands)
        return True

    def _next_asked(self) -> FileKey | None:
        """The key whose replies come next; None if it is gone."""
        payload = self._checked(self._connection.reply())
        due = self._checked(self._connection.reply())
        key = self._asked.popleft()
        if payload is None or due == -2:
            return None
        if not isinstance(payload, bytes) or not isinstance(due, int):
            raise SourceError(f"{self._name} answers DUMP with {payload!r}")
        self._largest = max(self._largest, len(payload))
        expire_ms = 0
        if due != -1:
            expire_ms = due if self._tells_due_times else int(time.time() * 1000) + due
        return FileKey(self._database, key, self._value(key, payload), expire_ms)

    def _value(self, key: bytes, payload: bytes) -> object:
        try:
            if not is_intact(payload):
                raise RdbError("its payload is damaged, or of a version that is not known")
            return restored(payload)
        except RdbError as error:
            raise RdbError(
                f"{self._name}, key {shown_key(key)} of database {self._database}: {error}"
            ) from error
