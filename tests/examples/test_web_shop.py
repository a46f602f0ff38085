"""examples/web_shop.py, in a process of its own: Django's settings are those of a process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, build_opener, urlopen

import pytest
import redis

from serving import DEADLINE_SECONDS, ServerProcess, StartServer, free_port, until

EXAMPLE = Path(__file__).parents[2] / "examples" / "web_shop.py"
SESSIONS = "shop:1:django.contrib.sessions.cache*"


@contextmanager
def open_shop(url: str, log: Path) -> Iterator[str]:
    """Run the shop on the server at ``url``; its address."""
    address = f"http://127.0.0.1:{free_port()}"
    where = address.removeprefix("http://")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, str(EXAMPLE), "runserver", "--noreload", where],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=os.environ | {"DSCACHE_URL": url},
        )

    def is_open() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            urlopen(address, timeout=DEADLINE_SECONDS).close()
        except URLError:
            return False
        return True

    try:
        until(is_open, "the shop opens")
        yield address
    finally:
        process.terminate()
        process.wait(DEADLINE_SECONDS)
    assert "Traceback" not in log.read_text()


@pytest.fixture(scope="session")
def shared_shop(
    shared_server: ServerProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The address of the shop that the tests share."""
    url = f"redis://{shared_server.host}:{shared_server.address[1]}/1"
    with open_shop(url, tmp_path_factory.mktemp("shop") / "log") as address:
        yield address


@pytest.fixture
def shop(shared_shop: str, server: ServerProcess) -> str:
    """The address of a shop that nobody has been to."""
    return shared_shop


class Browser:
    """Keeps its cookies, and sends forms as they are."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.cookies = CookieJar()
        self._opener = build_opener(HTTPCookieProcessor(self.cookies))

    def get(self, path: str, data: bytes | None = None) -> str:
        """The page at ``path``, after redirections."""
        with self._opener.open(self.address + path, data, DEADLINE_SECONDS) as response:
            text: str = response.read().decode()
            return text

    def buy(self, name: str) -> str:
        """Press the button on the page of a product; the page that follows."""
        page = self.get(f"/product/{name}")
        (action,) = re.findall('action="(.*?)"', page)
        (token,) = re.findall('name="csrfmiddlewaretoken" value="(.*?)"', page)
        return self.get(action, urlencode({"csrfmiddlewaretoken": token}).encode())


def test_every_visitor_has_a_basket(shop: str, db: redis.Redis) -> None:
    ada, grace = Browser(shop), Browser(shop)
    ada.buy("apple")
    ada.buy("cheese")
    assert "<li>bread: 1</li></ul><p>250 cents. You have looked 1 times." in grace.buy("bread")
    assert (
        "<li>apple: 2</li><li>cheese: 1</li></ul><p>480 cents. You have looked 3 times."
    ) in ada.buy("apple")
    assert "You have looked 4 times." in ada.get("/basket")
    assert "You have looked 1 times." in Browser(shop).get("/basket")
    assert len(set(db.scan_iter(SESSIONS))) == 3


def test_pages_and_offers_are_kept_in_the_cache(shop: str, db: redis.Redis) -> None:
    visitor = Browser(shop)
    pages = {visitor.get("/") for _ in range(2)}
    (key,) = db.scan_iter("shop:*cache_page*")
    assert 0 < db.ttl(key) <= 20
    assert len(pages) == 1
    offer = re.findall("30 cents at .* UTC", visitor.get("/product/apple"))
    assert re.findall("30 cents at .* UTC", Browser(shop).get("/product/apple")) == offer
    assert 0 < db.ttl("shop:1:offer:apple") <= 60
    assert not list(db.scan_iter(SESSIONS))


def test_what_was_not_asked_for_by_a_form_is_refused(shop: str) -> None:
    visitor = Browser(shop)
    for path, data, status in [
        ("/buy/apple", b"", 403),
        ("/buy/apple", None, 405),
        ("/product/gold", None, 404),
    ]:
        with pytest.raises(HTTPError) as caught:
            visitor.get(path, data)
        with caught.value as error:
            assert error.code == status
    assert "<ul></ul><p>0 cents." in visitor.get("/basket")


@pytest.mark.slow
def test_a_basket_survives_a_restart_of_everything(
    start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server()
    url = f"redis://{server.host}:{server.address[1]}"
    with open_shop(url, tmp_path / "first") as address:
        ada = Browser(address)
        ada.buy("bread")
    server.restart()
    with open_shop(url, tmp_path / "second") as address:
        # Cookies are those of a host, whatever its port.
        ada.address = address
        assert "<li>bread: 1</li></ul><p>250 cents. You have looked 2 times." in ada.get("/basket")
