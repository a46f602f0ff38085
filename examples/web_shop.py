"""A shop with Django: sessions, pages and values are kept in dscache, and there is no other database.

    dscache serve --port 7000 &
    DSCACHE_URL=redis://127.0.0.1:7000 python3 examples/web_shop.py runserver 8000

Then open http://127.0.0.1:8000/ and buy something.

Why dscache: most sessions belong to people who do not come back before they end; on disk they cost
nothing, memory has those of today, and a basket survives a restart of everything.

What to look at: the settings. CACHES names dscache, SESSION_ENGINE puts sessions into that cache. The
time on the front page changes every 20 seconds, for that page is cached, that of a product every minute.
"""

from __future__ import annotations

import os
import secrets
import sys

from django.conf import settings
from django.core.cache import cache
from django.core.management import execute_from_command_line
from django.http import Http404, HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.shortcuts import redirect
from django.urls import path
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.views.decorators.cache import cache_page
from django.views.decorators.http import require_POST

settings.configure(
    ROOT_URLCONF=__name__,
    SECRET_KEY=os.environ.get("SECRET_KEY") or secrets.token_hex(),
    ALLOWED_HOSTS=["127.0.0.1", "localhost"],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
    ],
    CACHES={
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": os.environ.get("DSCACHE_URL", "redis://127.0.0.1:6379"),
            "KEY_PREFIX": "shop",
        }
    },
    SESSION_ENGINE="django.contrib.sessions.backends.cache",
    SESSION_COOKIE_AGE=14 * 24 * 3600,
    USE_TZ=True,
)

PRICES = {"apple": 30, "bread": 250, "cheese": 420}


def front(request: HttpRequest) -> HttpResponse:
    """The same for everybody; cached as a page (see ``urlpatterns``)."""
    items = format_html_join("", '<li><a href="/product/{0}">{0}</a></li>', ((p,) for p in PRICES))
    return page("Shop", format_html("<ul>{}</ul><p>Made at {}.</p>", items, clock()))


def product(request: HttpRequest, name: str) -> HttpResponse:
    """A product, with a form for this visitor; what takes time to find out is cached as a value."""
    if name not in PRICES:
        raise Http404
    offer = cache.get_or_set(f"offer:{name}", lambda: f"{PRICES[name]} cents at {clock()}", 60)
    form = """<p>{}</p><form method="post" action="/buy/{}">
        <input type="hidden" name="csrfmiddlewaretoken" value="{}"><button>Buy</button></form>"""
    return page(name, format_html(form, offer, name, get_token(request)))


def buy(request: HttpRequest, name: str) -> HttpResponse:
    """Put a product into the basket of the session; POST only (see ``urlpatterns``)."""
    if name not in PRICES:
        raise Http404
    bought = request.session.get("basket", {})
    request.session["basket"] = {**bought, name: bought.get(name, 0) + 1}
    return redirect("/basket")


def basket(request: HttpRequest) -> HttpResponse:
    """What this visitor has bought, and how often they have looked."""
    request.session["visits"] = request.session.get("visits", 0) + 1
    bought = request.session.get("basket", {})
    lines = format_html_join("", "<li>{}: {}</li>", sorted(bought.items()))
    total = sum(PRICES[name] * number for name, number in bought.items())
    text = "<ul>{}</ul><p>{} cents. You have looked {} times.</p>"
    return page("Basket", format_html(text, lines, total, request.session["visits"]))


def page(title: str, content: str) -> HttpResponse:
    """A page of the shop; ``content`` comes from format_html, which escapes what is put into it."""
    links = '<p><a href="/">Shop</a> <a href="/basket">Basket</a></p>'
    frame = f"<!doctype html><title>{{0}}</title><h1>{{0}}</h1>{{1}}{links}"
    return HttpResponse(format_html(frame, title, content))


def clock() -> str:
    """The time of day."""
    return f"{timezone.now():%H:%M:%S} UTC"


urlpatterns = [
    path("", cache_page(20)(front)),
    path("product/<str:name>", product),
    path("buy/<str:name>", require_POST(buy)),
    path("basket", basket),
]

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
