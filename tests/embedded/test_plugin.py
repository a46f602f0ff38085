"""The plugin for pytest, as a project of somebody else uses it."""

from __future__ import annotations

from pathlib import Path

import pytest

from embedded_project import run_project

_TESTS = """
import redis

def test_a_client_is_given(dscache_client):
    assert dscache_client.incr("visits") == 1
    dscache_client.select(0)

def test_the_data_set_is_empty_again(dscache_client):
    assert dscache_client.dbsize() == 0
    assert dscache_client.incr("visits") == 1

def test_the_server_can_be_asked_for_other_clients(dscache_server, dscache_client):
    text = dscache_server.client(decode_responses=True)
    text.set("key", "value")
    assert redis.Redis.from_url(dscache_server.url).get("key") == b"value"
    assert dscache_client.get("key") == b"value"
    text.close()
"""


def test_a_project_tests_with_a_server(tmp_path: Path) -> None:
    assert "3 passed" in run_project(tmp_path, test_project=_TESTS)


@pytest.mark.slow
def test_each_worker_of_xdist_has_a_server_of_its_own(tmp_path: Path) -> None:
    assert "3 passed" in run_project(tmp_path, "-n", "2", test_project=_TESTS)


def test_a_project_chooses_the_directives(tmp_path: Path) -> None:
    out = run_project(
        tmp_path,
        conftest="""
import pytest

@pytest.fixture(scope="session")
def dscache_directives():
    return {"maxmemory": "16mb", "databases": 4}
""",
        test_project="""
def test_directives(dscache_client):
    assert dscache_client.config_get("databases") == {"databases": "4"}
""",
    )
    assert "1 passed" in out


def test_a_project_tests_with_a_password(tmp_path: Path) -> None:
    out = run_project(
        tmp_path,
        conftest="""
import pytest

@pytest.fixture(scope="session")
def dscache_directives():
    return {"maxmemory": "16mb", "requirepass": "secret"}
""",
        test_project="""
import pytest
import redis

def test_the_client_has_logged_in(dscache_client):
    assert dscache_client.incr("visits") == 1

def test_an_application_logs_in_by_the_url(dscache_server, dscache_client):
    assert redis.Redis.from_url(dscache_server.url).dbsize() == 0

def test_others_do_not(dscache_server):
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(port=dscache_server.port).ping()
""",
    )
    assert "3 passed" in out


def test_nothing_is_imported_for_those_who_do_not_use_it(tmp_path: Path) -> None:
    out = run_project(
        tmp_path,
        test_project="""
import sys

def test_nothing():
    there = [name for name in sys.modules if name.split(".")[0] in ("dscache", "redis", "rocksdict")]
    assert sorted(there) == ["dscache", "dscache.pytest_plugin"]
""",
    )
    assert "1 passed" in out
