"""Django's cache on Redis, and its sessions in that cache."""

from __future__ import annotations

from collections.abc import Iterator

import django
import pytest
from django.conf import settings
from django.contrib.sessions.backends.cache import SessionStore
from django.core.cache import caches
from django.core.cache.backends.redis import RedisCache

if not settings.configured:
    settings.configure(SESSION_ENGINE="django.contrib.sessions.backends.cache", CACHES={})
    django.setup()


@pytest.fixture
def cache(url: str) -> Iterator[RedisCache]:
    """Django's default cache."""
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": url}
    }
    caches.settings = caches.configure_settings(None)
    cache = caches["default"]
    yield cache
    cache.close()
    del caches["default"]


def test_values_are_set_counted_kept_and_deleted(cache: RedisCache) -> None:
    assert cache.add("new", 1)
    assert not cache.add("new", 2)
    cache.set("object", {"list": [1, 2], "text": "é" * 20_000}, 100)
    assert cache.get("object")["list"] == [1, 2]
    assert cache.incr("new", 5) == 6
    assert cache.decr("new") == 5
    with pytest.raises(ValueError, match="not found"):
        cache.incr("none")
    assert cache.touch("object", 1000)
    assert not cache.touch("none", 1000)
    assert cache.get_or_set("made", lambda: "once") == "once"
    assert cache.has_key("made")
    cache.set("gone", 1, 0)
    assert cache.get("gone", "default") == "default"
    assert cache.delete("made")
    assert not cache.delete("made")


def test_many_at_once(cache: RedisCache) -> None:
    values = {f"key{n}": n for n in range(500)}
    assert cache.set_many(values, 1000) == []
    assert cache.get_many([*values, "none"]) == values
    cache.delete_many(list(values)[:250])
    assert len(cache.get_many(values)) == 250
    assert cache.incr_version("key300") == 2
    assert cache.get("key300", version=2) == 300
    cache.clear()
    assert cache.get_many(values) == {}


def test_sessions(cache: RedisCache) -> None:
    session = SessionStore()
    session["basket"] = ["apple"]
    session.set_expiry(1000)
    session.save()
    key = session.session_key
    again = SessionStore(key)
    assert again["basket"] == ["apple"]
    assert again.exists(key)
    again.cycle_key()
    assert not again.exists(key)
    assert SessionStore(again.session_key)["basket"] == ["apple"]
    again.flush()
    assert SessionStore(again.session_key).get("basket") is None
