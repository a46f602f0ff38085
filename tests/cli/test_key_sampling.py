"""The sampler finds big and hot keys, and brings none into memory."""

from __future__ import annotations

from dscache.cli.key_sampling import KeySampler
from dscache.cli.link import Endpoint, Link
from serving import ServerProcess, StartServer


def link_to(server: ServerProcess) -> Link:
    host, port = server.address
    link = Link(Endpoint(host, port))
    link.call(b"CLIENT", b"NO-TOUCH", b"ON")
    return link


def test_the_biggest_key_is_found_among_many(server: ServerProcess) -> None:
    for number in range(900):
        server.call("SET", f"key:{number}", "x" * 10)
    server.call("SET", "giant", "x" * 10_000)
    link = link_to(server)
    sampler = KeySampler()
    for _ in range(10):
        sampler.look(link)
    link.close()
    assert sampler.biggest()[0].name == b"giant"
    assert sampler.biggest()[0].size_bytes > 10_000
    assert len(sampler.biggest()) <= 20


def test_keys_on_disk_stay_there(server: ServerProcess) -> None:
    for number in range(50):
        server.call("SET", f"key:{number}", "x" * 100)
    server.empty_memory()
    assert server.call("GET", "key:7") == b"x" * 100
    loads = server.figure("cache_loads")
    link = link_to(server)
    sampler = KeySampler()
    sampler.look(link)
    link.close()
    assert [one.name for one in sampler.biggest()] == [b"key:7"]
    assert server.figure("cache_loads") == loads
    assert server.figure("cache_resident_keys") == 1


def test_a_key_that_is_gone_is_forgotten(server: ServerProcess) -> None:
    server.call("SET", "k", "v")
    link = link_to(server)
    sampler = KeySampler()
    sampler.look(link)
    assert [one.name for one in sampler.hottest()] == [b"k"]
    server.call("DEL", "k")
    sampler.look(link)
    link.close()
    assert sampler.hottest() == []


def test_uses_are_shown_where_the_policy_counts_them(start_server: StartServer) -> None:
    server = start_server(cache_policy="lfu")
    server.call("SET", "k", "v")
    link = link_to(server)
    sampler = KeySampler()
    sampler.look(link)
    errors = server.figure("total_error_replies")
    sampler.look(link)
    link.close()
    (found,) = sampler.hottest()
    assert found.idle_s is None
    assert found.frequency is not None
    assert server.figure("total_error_replies") == errors
