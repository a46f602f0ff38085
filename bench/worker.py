"""One load worker: a process with some connections that keeps each of them busy.

The loop is closed: a connection sends a batch, waits for all its replies, and sends the next one at
once. So the offered load adapts to the server, and a stall of the server is seen once per
connection, not once per request that an independent public would have sent (coordinated omission).
That is why the worst latency is reported beside the percentiles.

The worker must not be the bottleneck, and plain Python is enough for that because it hardly parses:
the length of the replies to a batch is known beforehand, so the common case is one ``send``, one
``recv`` and one comparison of lengths per batch. Only when a reply differs (an absent key, an
error) are replies walked one by one. `Result.busy` says how much of its core the worker used; a
figure taken with the worker above about 0.9 is a figure about the worker. ``README.md`` has the
validation.

Each batch is made while its predecessor is on the way: otherwise a single connection would leave
the server idle meanwhile.

Latency of a batch is from just before its ``send`` to just after the ``recv`` that completed it.
"""

from __future__ import annotations  # array[int] is subscriptable from 3.12 only

import itertools
import random
import select
import socket
import time
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection as Pipe
from typing import Final

from bench.requests import Batch, Batcher, count_replies, looks_unusual
from bench.zipf import Keys

_STALL_S: Final = 120.0
_READ_BYTES: Final = 1 << 18
_PATTERNS: Final = 64  # distinct arrangements of reads and writes within a batch


@dataclass(frozen=True, slots=True)
class Load:
    """What one worker does. It ends after ``seconds`` or when the keys do, whichever is first."""

    port: int
    keys: Keys
    value_size: int
    seconds: float = float("inf")
    connections: int = 1
    pipeline: int = 1
    write_share: float = 0.0
    check: bool = False
    """Compare every reply with the value that belongs to the key."""
    warm_up_s: float = 0.0
    """Time at the start that is not counted (but checked)."""


@dataclass(slots=True)
class Result:
    """What one worker saw, after its warm-up."""

    requests: int = 0
    absent: int = 0
    wrong_batches: int = 0
    elapsed_s: float = 0.0
    cpu_s: float = 0.0
    latencies_ns: array[int] = field(default_factory=lambda: array("q"))
    """One per batch."""

    @property
    def per_second(self) -> float:
        return self.requests / self.elapsed_s if self.elapsed_s else 0.0

    @property
    def busy(self) -> float:
        """The worker's use of one core, 0 to 1."""
        return self.cpu_s / self.elapsed_s if self.elapsed_s else 0.0


class ServerError(Exception):
    """The server answered with an error, hung up or went silent: the run is worth nothing."""


class _Conversation:
    """One connection: at most one batch is under way."""

    __slots__ = ("_batch", "_received", "_unsent", "sent_at_ns", "size", "sock")

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.setblocking(False)
        self.sent_at_ns = 0
        self.size = 0
        self._batch = Batch(b"", 0, None)
        self._received = b""
        self._unsent = b""

    def start(self, batch: Batch, size: int) -> bool:
        """Send a batch of ``size`` requests; whether all of it went out."""
        self._batch = batch
        self._received = b""
        self.size = size
        self.sent_at_ns = time.perf_counter_ns()
        self._unsent = batch.request
        return self.push()

    def push(self) -> bool:
        """Send what is left; whether nothing is."""
        try:
            sent = self.sock.send(self._unsent)
        except BlockingIOError:
            return False
        self._unsent = self._unsent[sent:]
        return not self._unsent

    def pull(self, result: Result) -> bool:
        """Receive; whether the batch is complete. Notes absent keys and wrong values."""
        data = self.sock.recv(_READ_BYTES)
        if not data:
            raise ServerError("the server closed the connection")
        if self._received:
            data = self._received + data
        batch = self._batch
        if len(data) == batch.reply_bytes and data[:1] != b"-":
            if batch.reply is not None and data != batch.reply:
                result.wrong_batches += 1
            return True
        self._received = data
        return looks_unusual(data) and self._is_complete(data, result)

    def _is_complete(self, data: bytes, result: Result) -> bool:
        count = count_replies(data)
        if count.first_error is not None:
            raise ServerError(f"the server answered: {count.first_error.decode()}")
        if count.replies < self.size:
            return False
        result.absent += count.absent
        result.wrong_batches += self._batch.reply is not None
        return True


def work(load: Load, pipe: Pipe) -> None:
    """The worker process: get ready, say so, wait for the word, run, send a result or an error."""
    try:
        conversations = [_Conversation(load.port) for _ in range(load.connections)]
        batches = _batches(load)
        first = list(itertools.islice(batches, 1))  # draws the keys
        pipe.send("ready")
        pipe.recv()
        pipe.send(_run(load, conversations, itertools.chain(first, batches)))
    except (ServerError, OSError) as error:
        pipe.send(ServerError(str(error)))


def _batches(load: Load) -> Iterator[tuple[Batch, int]]:
    """The load's batches with their sizes; the last may be short."""
    rng = random.Random(load.connections)

    def batcher(size: int) -> Batcher:
        writes = frozenset(i for i in range(size) if rng.random() < load.write_share)
        return Batcher(size, writes, load.value_size, load.check)

    arrangements = [batcher(load.pipeline) for _ in range(_PATTERNS)]
    stream = load.keys.stream()
    for arrangement in itertools.cycle(arrangements):
        keys = list(itertools.islice(stream, load.pipeline))
        if len(keys) == load.pipeline:
            yield arrangement.batch(keys), load.pipeline
            continue
        if keys:
            yield batcher(len(keys)).batch(keys), len(keys)
        return


def _run(
    load: Load, conversations: list[_Conversation], batches: Iterator[tuple[Batch, int]]
) -> Result:
    result = Result()
    by_fd = {talk.sock.fileno(): talk for talk in conversations}
    clock = time.perf_counter_ns
    begin_ns = clock()
    counted_from_ns = begin_ns + int(load.warm_up_s * 1e9)
    end_ns = (
        float("inf")
        if load.seconds == float("inf")
        else (counted_from_ns + int(load.seconds * 1e9))
    )
    cpu_from = time.process_time()
    warm = load.warm_up_s == 0
    latencies = result.latencies_ns
    with select.epoll() as epoll:
        under_way = 0
        prepared = next(batches, None)

        def start_next(talk: _Conversation) -> bool:
            """Send the prepared batch, then prepare another while the server works."""
            nonlocal prepared
            if prepared is None:
                return False
            if not talk.start(*prepared):
                epoll.modify(talk.sock, select.EPOLLIN | select.EPOLLOUT)
            prepared = next(batches, None)
            return True

        for talk in conversations:
            epoll.register(talk.sock, select.EPOLLIN)
            under_way += start_next(talk)
        while under_way:
            events = epoll.poll(_STALL_S)
            if not events:
                raise ServerError(f"no reply for {_STALL_S:.0f} s")
            for fd, event in events:
                talk = by_fd[fd]
                if event & select.EPOLLOUT and talk.push():
                    epoll.modify(talk.sock, select.EPOLLIN)
                if not event & ~select.EPOLLOUT or not talk.pull(result):
                    continue
                now_ns = clock()
                if warm:
                    latencies.append(now_ns - talk.sent_at_ns)
                    result.requests += talk.size
                elif now_ns >= counted_from_ns:
                    warm = True
                    counted_from_ns = now_ns
                    cpu_from = time.process_time()
                if now_ns >= end_ns or not start_next(talk):
                    under_way -= 1
    if warm:
        result.elapsed_s = (clock() - counted_from_ns) / 1e9
        result.cpu_s = time.process_time() - cpu_from
    for talk in conversations:
        talk.sock.close()
    return result
