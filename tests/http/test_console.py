"""The console in a real browser: what it shows, what it lets whom do, by mouse and by keyboard."""

from __future__ import annotations

import re
import shutil
import tarfile
from collections.abc import Iterator
from functools import partial

import pytest

from npm import npm
from serving import ServerProcess, StartServer, free_port, until

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright  # noqa: E402 (if it is there)

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium to try it in")

SECTIONS = ("overview", "keys", "clients", "slowlog", "commands", "configuration")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for all."""
    with sync_playwright() as running:
        # Tests may run as root, whom Chromium's sandbox does not serve.
        browser = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page whose scripts must not fail, and that must not ask for anything elsewhere."""
    context = browser.new_context()
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on(
        "console",
        # A status that is an error is logged by the browser; the console shows it.
        lambda line: (
            faults.append(line.text)
            if line.type == "error" and "Failed to load resource" not in line.text
            else None
        ),
    )
    page.on(
        "request",
        lambda request: (
            None
            if request.url.startswith(("http://127.0.0.1:", "data:"))
            else faults.append(request.url)
        ),
    )
    yield page
    context.close()
    assert faults == []


def _open(page: Page, server: ServerProcess, section: str = "overview") -> None:
    page.goto(f"http://127.0.0.1:{server.directives['http_port']}/#{section}")
    expect(page.get_by_role("heading", level=1)).to_be_visible()


def _open_key(page: Page, server: ServerProcess, key: str) -> None:
    _open(page, server, "keys")
    page.get_by_label("Pattern").fill(key)
    page.get_by_role("button", name="Search").click()
    page.get_by_role("button", name=key, exact=True).click()
    expect(page.get_by_role("heading", level=2, name=key)).to_be_focused()


def _is_gone(server: ServerProcess, key: str) -> bool:
    return server.call("EXISTS", key) == 0


def test_the_overview_shows_memory_and_goes_on_by_itself(page: Page, server: ServerProcess) -> None:
    server.call("SET", "a", "1")
    _open(page, server)
    expect(page.locator("dt", has_text="Memory")).to_be_visible()
    expect(page.get_by_text("of 32.0 MiB")).to_be_visible()
    keys = page.locator(".card", has=page.locator("dt", has_text="Keys")).locator(".big")
    expect(keys).to_have_text("1")
    server.call("SET", "b", "1")
    expect(keys).to_have_text("2")
    chart = page.get_by_role("img", name="Memory against its bound")
    expect(chart).to_have_accessible_name(re.compile("maxmemory 32.0 MiB"))


def test_charts_have_their_names_before_the_first_figures_come(
    page: Page, server: ServerProcess
) -> None:
    # They had none: a screen reader found pictures of nothing, as long as the server did not answer.
    held: list[Route] = []
    page.route("**/api/figures*", lambda route: held.append(route))  # noqa: PLW0108 (playwright sets attributes on it)
    with page.expect_request("**/api/figures*"):
        _open(page, server)
    charts = page.locator("section.chart")
    expect(charts).to_have_count(7)
    for chart in charts.all():
        title = chart.get_by_role("heading").inner_text()
        expect(chart.get_by_role("img")).to_have_accessible_name(title)
    assert held
    for route in held:
        route.continue_()
    expect(charts.first.get_by_role("img")).to_have_accessible_name(re.compile(", now: "))


def test_a_chart_is_read_with_the_arrow_keys(page: Page, server: ServerProcess) -> None:
    _open(page, server)
    section = page.locator("section.chart", has=page.get_by_role("heading", name="Hit ratio"))
    chart = section.get_by_role("img")
    expect(chart).to_have_accessible_name(re.compile("^Hit ratio, now: "))
    chart.focus()
    page.keyboard.press("ArrowLeft")
    expect(section.locator(".when")).to_contain_text("at ")
    page.keyboard.press("Escape")
    expect(section.locator(".when")).to_be_empty()


def test_a_key_is_found_and_shown_with_where_it_is(page: Page, server: ServerProcess) -> None:
    server.call("SET", "on:disk", "x" * 20_000)
    server.empty_memory()
    server.call("HSET", "in:memory", "field", "value")
    _open(page, server, "keys")
    memory = page.locator("tr", has_text="in:memory")
    disk = page.locator("tr", has_text="on:disk")
    expect(memory).to_contain_text("hash")
    expect(memory.locator(".badge")).to_have_text("in memory")
    expect(disk).to_contain_text("string")
    expect(disk.locator(".badge")).to_have_text("on disk")
    disk.get_by_role("button").click()
    expect(page.get_by_text("bytes 0 to 4,096 of 20,000")).to_be_visible()
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_text("bytes 4,096 to 8,192 of 20,000")).to_be_visible()
    expect(disk.locator(".badge")).to_have_text("in memory")


def test_keys_are_preloaded_and_evicted_one_or_many(page: Page, server: ServerProcess) -> None:
    for number in range(30):
        server.call("SET", f"user:{number}", "x")
    server.call("SET", "other", "x")
    server.empty_memory()
    _open(page, server, "keys")
    page.get_by_label("Pattern").fill("user:*")
    page.get_by_role("button", name="Preload matching").click()
    page.get_by_role("button", name="Preload", exact=True).click()
    expect(page.get_by_role("status").filter(has_text="Preload")).to_have_text(
        "Preload: 30 of 30 keys"
    )
    assert server.call("CACHE", "RESIDENT", "user:7", "other")[0] == 1  # type: ignore[index]
    page.get_by_role("button", name="Evict matching").click()
    page.get_by_role("button", name="Evict", exact=True).click()
    expect(page.get_by_role("status").filter(has_text="Evict")).to_have_text("Evict: 30 of 30 keys")


def test_values_of_all_types_are_shown_changed_and_deleted(
    page: Page, server: ServerProcess
) -> None:
    server.call("SET", "string", "old", "EX", 1000)
    server.call("RPUSH", "list", *range(60))
    server.call("HSET", "hash", "field", "old")
    server.call("SADD", "set", "member")
    server.call("ZADD", "zset", 1, "member")
    server.call("XADD", "stream", "1-1", "field", "value")

    _open_key(page, server, "string")
    page.get_by_role("button", name="Edit").click()
    page.get_by_label("New value").fill("new\nline")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("region", name="Value")).to_have_text("new\nline")
    assert server.call("GET", "string") == b"new\nline"
    assert int(str(server.call("TTL", "string"))) > 900

    _open_key(page, server, "list")
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_text("page 2, 10 items")).to_be_visible()
    page.get_by_role("button", name="Edit 50").click()
    page.get_by_label("New value of 50").fill("fifty")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("It is saved.")).to_be_visible()
    assert server.call("LINDEX", "list", 50) == b"fifty"

    _open_key(page, server, "hash")
    page.get_by_label("Field", exact=True).fill("more")
    page.get_by_label("Value", exact=True).fill("1")
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_role("cell", name="more", exact=True)).to_be_visible()
    assert server.call("HGET", "hash", "more") == b"1"

    for key in ("set", "zset"):
        _open_key(page, server, key)
        page.get_by_role("button", name="Remove member").click()
        page.get_by_role("button", name="Remove", exact=True).click()
        until(partial(_is_gone, server, key), "its only member is removed")

    _open_key(page, server, "stream")
    expect(page.get_by_role("cell", name="field = value")).to_be_visible()
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    assert server.call("EXISTS", "stream") == 1
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("It is deleted.")).to_be_visible()
    assert server.call("EXISTS", "stream") == 0


def test_a_long_text_is_cut_between_characters_and_bytes_that_are_none_are_escaped(
    page: Page, server: ServerProcess
) -> None:
    # A page ended in the middle of a €, and all of it was shown as \xe2\x82...
    server.call("SET", "text", "x\n" + "€" * 3000)
    server.call("SET", "bytes", b"a\xff" * 3000)
    _open_key(page, server, "text")
    value = page.get_by_label("Value", exact=True)
    expect(value).to_have_text("x\n" + "€" * 1365)
    page.get_by_role("button", name="Next").click()
    expect(value).to_have_text("€" * 1365)
    page.get_by_role("button", name="Next").click()
    expect(value).to_have_text("€" * 270)
    _open_key(page, server, "bytes")
    expect(value).to_have_text("a\\xff" * 2048)


def test_line_breaks_that_the_browser_would_drop_are_not_edited(
    page: Page, server: ServerProcess
) -> None:
    server.call("SET", "text", "a\r\nb")
    server.call("RPUSH", "list", "a\nb", "c")
    _open_key(page, server, "text")
    page.get_by_role("button", name="Edit").click()
    expect(page.get_by_role("alert").last).to_contain_text("It has carriage returns")
    _open_key(page, server, "list")
    expect(page.get_by_role("button", name="Edit 1")).to_be_visible()
    expect(page.get_by_role("button", name="Edit 0")).to_be_hidden()


def test_what_is_stored_is_shown_and_never_run(page: Page, server: ServerProcess) -> None:
    evil = "<img src=x onerror=document.title='run'>"
    server.call("SET", evil, evil)
    server.call("SET", b"\xff\x00", b"\x00\x01text")
    _open(page, server, "keys")
    expect(page.get_by_role("button", name=evil)).to_be_visible()
    page.get_by_role("button", name=r"\xff\x00").click()
    expect(page.get_by_role("region", name="Value")).to_have_text("\x00\x01text")
    expect(page.get_by_role("heading", level=2)).to_have_text(r"\xff\x00")
    assert page.title().startswith("Keys ")


def test_who_may_only_read_sees_no_way_to_change(page: Page, start_server: StartServer) -> None:
    server = start_server(http_port=free_port())
    server.call("SET", "a", "1")
    server.call("ACL", "SETUSER", "reader", "on", ">secret", "~*", "+@all", "-@write", "-@admin")
    server.call("CONFIG", "SET", "requirepass", "sesame")
    _open(page, server, "keys")
    dialog = page.get_by_role("dialog", name="Log in")
    dialog.get_by_label("User").fill("reader")
    dialog.get_by_label("Password").fill("wrong")
    dialog.get_by_role("button", name="Log in").click()
    expect(dialog.get_by_role("alert")).to_contain_text("WRONGPASS")
    dialog.get_by_label("Password").fill("secret")
    page.keyboard.press("Enter")
    expect(page.get_by_text("as reader")).to_be_visible()
    page.get_by_role("button", name="a", exact=True).click()
    expect(page.get_by_role("region", name="Value")).to_have_text("1")
    expect(page.get_by_role("button", name="Preload", exact=True)).to_be_visible()
    for name in ("Delete", "Edit", "Set"):
        expect(page.get_by_role("button", name=name, exact=True)).to_have_count(0)
    page.get_by_role("button", name="Log out").click()
    expect(dialog).to_be_visible()


def test_somebody_else_logs_in_by_typing_and_who_does_not_goes_on_as_before(
    page: Page, server: ServerProcess
) -> None:
    # The name was typed before the one that stood there, and the overview stood still after Cancel.
    server.call("ACL", "SETUSER", "reader", "on", ">secret", "~*", "+@read", "+info")
    _open(page, server)
    dialog = page.get_by_role("dialog", name="Log in")
    page.get_by_role("button", name="Log in").click()
    dialog.get_by_role("button", name="Cancel").click()
    server.call("SET", "a", "1")
    keys = page.locator(".card", has=page.locator("dt", has_text="Keys")).locator(".big")
    expect(keys).to_have_text("1")
    page.get_by_role("button", name="Log in").click()
    page.keyboard.type("reader")
    page.keyboard.press("Tab")
    page.keyboard.type("secret")
    page.keyboard.press("Enter")
    expect(page.get_by_text("as reader")).to_be_visible()


def test_a_directive_is_explained_and_changed(page: Page, start_server: StartServer) -> None:
    server = start_server(http_port=free_port())
    _open(page, server, "configuration")
    page.get_by_label("Find").fill("slowlog-max")
    expect(page.get_by_text("How many commands the slow log holds")).to_be_visible()
    page.get_by_label("slowlog-max-len", exact=True).fill("no number")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("couldn't be parsed")
    page.get_by_label("slowlog-max-len", exact=True).fill("7")
    page.get_by_role("button", name="Set slowlog-max-len").click()
    expect(page.get_by_text("slowlog-max-len is changed.")).to_be_visible()
    assert server.call("CONFIG", "GET", "slowlog-max-len") == [b"slowlog-max-len", b"7"]
    page.get_by_label("Find").fill("http-port")
    expect(page.get_by_label("http-port", exact=True)).to_be_disabled()


def test_clients_slow_commands_and_statistics_are_listed(
    page: Page, start_server: StartServer
) -> None:
    server = start_server(http_port=free_port(), slowlog_log_slower_than=0)
    with server.connect() as blocked:
        blocked.call("CLIENT", "SETNAME", "worker")
        blocked.send(b"BLPOP nothing 0\r\n")
        _open(page, server, "clients")
        page.get_by_label("only those that wait").check()
        expect(page.locator("tr", has_text="worker")).to_contain_text("blocked, ")
    _open(page, server, "slowlog")
    expect(page.get_by_role("cell", name="CLIENT SETNAME worker")).to_be_visible()
    _open(page, server, "commands")
    expect(page.get_by_role("cell", name="client setname", exact=True)).to_be_visible()
    page.get_by_role("button", name="Command").click()
    expect(page.get_by_role("columnheader", name="Command")).to_have_attribute(
        "aria-sort", "ascending"
    )


def test_all_of_it_can_be_done_with_the_keyboard(page: Page, server: ServerProcess) -> None:
    server.call("SET", "a", "1")
    _open(page, server)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    for _ in range(2):
        page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Keys")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1, name="Keys")).to_be_focused()
    page.get_by_label("Pattern").focus()
    page.keyboard.press("Control+A")
    page.keyboard.type("a")
    page.keyboard.press("Enter")
    key = page.get_by_role("button", name="a", exact=True)
    key.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=2, name="a")).to_be_focused()
    page.get_by_role("button", name="Close").focus()
    page.keyboard.press("Enter")
    expect(key).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_and_follows_the_colour_scheme(
    browser: Browser, server: ServerProcess, scheme: str
) -> None:
    server.call("SET", "k" * 300, "v" * 300)
    context = browser.new_context(
        viewport={"width": 360, "height": 740}, color_scheme="dark" if scheme == "dark" else "light"
    )
    page = context.new_page()
    for section in SECTIONS:
        _open(page, server, section)
        if section == "keys":
            page.get_by_role("button", name="k" * 300).click()
            expect(page.get_by_role("region", name="Value")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), section
    background = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    page_is_dark = sum(map(int, background[4:-1].split(","))) < 3 * 128
    assert page_is_dark == (scheme == "dark")
    context.close()


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The source of axe-core, from npm, where there is npm and what it asks."""
    folder = tmp_path_factory.mktemp("axe")
    with tarfile.open(folder / npm(folder, "pack", "axe-core@4.10.3")) as package:
        source = package.extractfile("package/axe.min.js")
        assert source is not None
        return source.read().decode()


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_keeps_anybody_from_using_it(
    browser: Browser, server: ServerProcess, axe: str, scheme: str
) -> None:
    server.call("HSET", "h", "field", "value")
    server.call("SET", "s", "text", "EX", "10000")
    context = browser.new_context(color_scheme="dark" if scheme == "dark" else "light")
    page = context.new_page()
    for section in SECTIONS:
        _open(page, server, section)
        if section == "keys":
            page.get_by_role("button", name="h", exact=True).click()
            expect(page.get_by_role("region", name="Items")).to_be_visible()
        page.evaluate(axe)
        violations = page.evaluate("axe.run().then((found) => found.violations)")
        told = [(one["id"], [node["html"] for node in one["nodes"]]) for one in violations]
        assert told == [], section
    context.close()
