"""What redis-py asks of a socket and these tests' redis-py does not (it does with hiredis)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dscache.embedded import hosts
from dscache.embedded.link import SocketLink


@pytest.fixture
def link(tmp_path: Path) -> Iterator[SocketLink]:
    """A link to a data set of the test's own."""
    lease = hosts.lease(tmp_path / "data", {"maxmemory": "16mb"})
    yield SocketLink(lease.host)
    lease.close()


def test_replies_are_read_into_buffers_of_any_size(link: SocketLink) -> None:
    link.sendall(b"ECHO 0123456789\r\n")
    buffer = bytearray(6)
    got = b""
    while not got.endswith(b"9\r\n"):
        count = link.recv_into(buffer)
        got += buffer[:count]
    assert got == b"$10\r\n0123456789\r\n"


def test_a_read_that_may_not_wait_raises_at_once(link: SocketLink) -> None:
    link.settimeout(0)
    with pytest.raises(BlockingIOError):
        link.recv(1)
    link.settimeout(0.01)
    with pytest.raises(TimeoutError):
        link.recv(1)


def test_after_quit_the_reply_comes_and_then_the_end(link: SocketLink) -> None:
    link.sendall(b"QUIT\r\n")
    assert link.recv(1) == b"+OK\r\n"
    assert link.recv(1) == link.recv(1) == b""
    assert link.recv_into(bytearray(1)) == 0
